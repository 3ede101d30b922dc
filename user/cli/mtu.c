/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes of installed SAs, as the data plane judges them (user/worker/path.c): the kernel's route, what routers have said, what the SA adds. */
#include "user/cli/cli.h"
#include "user/ipsec/ipsec.h"
#include "user/route/query.h"

int64_t mtu_learned(const struct maps *m, uint32_t slot, uint64_t now)
{
	const struct xi_sa_rt *rt = &m->sa_rt[slot];

	/* RFC 1191 §6.3: forgotten after a while. */
	return rt->pmtu && (int64_t)(now - rt->pmtu_ns) < (int64_t)XI_PMTU_TTL_NS ? rt->pmtu : 0;
}

/* The longest packet on the way to the SA's peer, 0 = not known. */
static int64_t path(struct rt_query *q, const struct maps *m, uint32_t slot, uint64_t now)
{
	const struct xi_sa *sa = &m->sad[slot];
	const struct rt_key key = {.dst = sa->dst, .src = sa->src, .family = sa->family};
	int64_t less = mtu_learned(m, slot, now);
	struct rt_answer a;

	rt_query_hop(q, &key, &a);
	return less && less < a.hop.mtu ? less : a.hop.mtu;
}

/* The AH SA over this ESP SA, NULL = none. */
static const struct xi_sa *bundled(const struct maps *m, const struct spd_users *u, uint32_t slot)
{
	uint64_t ref = XI_REF(slot, m->sad[slot].gen);

	for (uint32_t k = spd_users_of(u, ref); k < u->count && u->user[k].sa == ref; k++) {
		const struct xi_policy *p = &m->spd[u->user[k].policy];

		if (p->gen && p->sa_out == ref && p->sa_out_ah)
			return sad_get(m, p->sa_out_ah);
	}
	return NULL;
}

int64_t mtu_effective(struct rt_query *q, const struct maps *m, const struct spd_users *u, uint32_t slot, uint64_t now)
{
	const struct xi_sa *ah = m->sad[slot].proto == XI_PROTO_ESP ? bundled(m, u, slot) : NULL;
	size_t len = (size_t)path(q, m, ah ? (uint32_t)(ah - m->sad) : slot, now);

	if (ah)
		len = ipsec_inner_mtu(ah, len);
	return (int64_t)ipsec_inner_mtu(&m->sad[slot], len);
}
