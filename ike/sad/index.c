/* SPDX-License-Identifier: BSD-2-Clause */
/* Which SAs IKE has made, by the address of the peer: the SAD itself has no order. The maps are the truth; what is gone there is forgotten here. */
#include <stdlib.h>

#include "ike/sad/sad_priv.h"
#include "user/base/clock.h"

static unsigned bucket_of(const struct xi_addr *peer)
{
	uint64_t h = hash_mix(0, (uint64_t)peer->w[0] << 32 | peer->w[1]);

	return hash_end(hash_mix(h, (uint64_t)peer->w[2] << 32 | peer->w[3]), 12);
}

static const struct xi_addr *peer_of(const struct xi_sa *sa)
{
	return sa->dir == XI_DIR_IN ? &sa->src : &sa->dst;
}

int sad_index_moved(struct sad *s, uint64_t ref, const struct xi_addr *peer)
{
	const struct xi_sa *sa = sad_get(s->m, ref);
	struct sad_entry *e = calloc(1, sizeof(*e)), **at;

	if (!e || !sa) {
		free(e);
		return e ? -ENOENT : -ENOMEM;
	}
	at = &s->bucket[bucket_of(peer_of(sa))];
	*e = (struct sad_entry){.ref = ref, .next = *at, .unsure = !peer};
	if (peer)
		e->peer = *peer;
	*at = e;
	return 0;
}

int sad_index_add(struct sad *s, uint64_t ref)
{
	const struct xi_sa *sa = sad_get(s->m, ref);

	return sa ? sad_index_moved(s, ref, peer_of(sa)) : -ENOENT;
}

const struct xi_addr *sad_index_peer(const struct sad *s, uint64_t ref)
{
	const struct xi_sa *sa = sad_get(s->m, ref);

	for (const struct sad_entry *e = sa ? s->bucket[bucket_of(peer_of(sa))] : NULL; e; e = e->next)
		if (e->ref == ref)
			return e->unsure ? NULL : &e->peer;
	return NULL;
}

/* Template (spec section 13.4): ends, mode and protocol; reqid of level unique; the SA's own selector where it has one. */
static int fits(const struct xi_policy *pol, const struct xi_sa *sa, uint8_t dir, uint8_t proto)
{
	const struct xi_addr *ours = dir == XI_DIR_IN ? &sa->dst : &sa->src;
	int both = pol->protos == (XI_PROTOS_AH | XI_PROTOS_ESP);
	/* ESP does the tunnelling, AH over it is transport mode on the outer packet (spec section 6.1) */
	uint8_t mode = both && proto == XI_PROTO_AH ? XI_MODE_TRANSPORT : pol->mode;

	return sa->dir == dir && sa->proto == proto && sa->mode == mode && sa->reqid == pol->reqid &&
	       !(sa->flags & XI_SA_F_MANUAL) && addr_same(peer_of(sa), &pol->sa_dst) &&
	       (!pol->sa_family || pol->sa_family == sa->family) &&
	       (addr_same(ours, &pol->sa_src) || addr_same(&pol->sa_src, &(struct xi_addr){0})) &&
	       (!sa->sel.family || memcmp(&sa->sel, &pol->sel, sizeof(sa->sel)) == 0);
}

static void want(const struct sad *s, uint8_t *wanted, uint64_t ref)
{
	if (sad_get(s->m, ref))
		wanted[XI_REF_SLOT(ref)] = 1;
}

void sad_wanted(const struct sad *s, uint8_t *wanted)
{
	for (uint32_t i = 0; i < s->m->meta->spd_max; i++) {
		struct xi_policy pol = s->m->spd[i];

		if (!sad_policy_ours(&pol))
			continue;
		/* one that has been moved to another address has the policy, but not its template */
		want(s, wanted, pol.sa_out);
		want(s, wanted, pol.sa_in);
		want(s, wanted, pol.sa_out_ah);
		want(s, wanted, pol.sa_in_ah);
		sad_effective_ends(&pol);
		for (const struct sad_entry *e = s->bucket[bucket_of(&pol.sa_dst)]; e; e = e->next) {
			const struct xi_sa *sa = sad_get(s->m, e->ref);

			if (sa && fits(&pol, sa, sa->dir, sa->proto))
				want(s, wanted, e->ref);
		}
	}
}

static int better(const struct maps *m, uint64_t ref, uint64_t best, uint64_t now)
{
	const struct xi_sa *a = sad_get(m, ref), *b = sad_get(m, best);
	enum xi_sa_state as, bs;

	if (!b)
		return 1;
	as = sad_state_rt(a, &m->sa_rt[XI_REF_SLOT(ref)], now);
	bs = sad_state_rt(b, &m->sa_rt[XI_REF_SLOT(best)], now);
	return as != bs ? as < bs : a->add_ns > b->add_ns;
}

uint64_t sad_best(struct sad *s, const struct xi_policy *pol, uint8_t dir, uint8_t proto, uint32_t pair, uint64_t not )
{
	struct sad_entry **at = &s->bucket[bucket_of(&pol->sa_dst)], *e;
	uint64_t best = 0, now = clock_ns();

	while ((e = *at)) {
		const struct xi_sa *sa = sad_get(s->m, e->ref);
		enum xi_sa_state state = sa ? sad_state_rt(sa, &s->m->sa_rt[XI_REF_SLOT(e->ref)], now) : XI_SA_DEAD;

		if (!sa) {
			*at = e->next;
			free(e);
			continue;
		}
		if (e->ref != not &&(state == XI_SA_MATURE || state == XI_SA_DYING) && fits(pol, sa, dir, proto) &&
		    (!pair || sa->pair == pair) && better(s->m, e->ref, best, now))
			best = e->ref;
		at = &e->next;
	}
	return best;
}

void sad_index_free(struct sad *s)
{
	for (unsigned i = 0; i < SAD_BUCKETS; i++)
		for (struct sad_entry *e = s->bucket[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
}
