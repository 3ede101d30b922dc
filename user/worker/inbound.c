/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AH and ESP to plaintext (spec 13.4 step 1; RFC 4302 §3.4, RFC 4303 §3.4), one transform of each packet of the burst after the other. What
 * comes out is judged and sent on by deliver.c.
 */
#include "user/worker/worker.h"

/* RFC 4301 §4.4.2.1, spec 14.1. */
static enum xi_drop check_state(const struct worker *w, const struct sa_entry *se)
{
	switch (sa_state(w, se)) {
	case XI_SA_DEAD:
		return XI_DROP_IN_EXPIRED;
	case XI_SA_LARVAL:
		return XI_DROP_IN_SA_INVALID;
	default:
		return XI_OK;
	}
}

/* last: the SA of the packet before, NULL = none. Found and checked for one packet of the burst, it is for those behind it; not with a limit. */
static enum xi_drop prepare(struct worker *w, struct wpkt *pk, struct sa_entry *last)
{
	enum xi_drop why;

	if (likely(last && pk->v.slot == last - w->sa && pk->v.gen == last->gen && !sa_limited(last))) {
		pk->sa = last;
		return unlikely(trim_ip(pk)) ? XI_DROP_IN_HEADER : XI_OK;
	}
	pk->sa = sa_cache_get(w, pk->v.slot, pk->v.gen);
	if (!pk->sa || pk->sa->sa.dir != XI_DIR_IN)
		return XI_DROP_IN_SA_INVALID;
	if (trim_ip(pk))
		return XI_DROP_IN_HEADER;
	why = check_state(w, pk->sa);
	if (unlikely(why != XI_OK))
		sa_count_error(w, pk->sa);
	return why;
}

static void fill(struct worker *w, struct wpkt **pk, struct ipsec_op *op, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t slot = pk[i]->v.slot;

		op[i] = (struct ipsec_op){
			.sa = &pk[i]->sa->sa,
			.rt = &w->maps->sa_rt[slot],
			.replay = &w->maps->replay[slot],
			.key = sa_cache_keys(w, pk[i]->sa),
			.pkt = &pk[i]->p,
		};
	}
}

/* Spec 14.2: bytes of payload behind the decapsulation. Packets of an SA without a limit are counted together, the others in finish(). */
static void account_runs(struct worker *w, struct wpkt **pk, const struct ipsec_op *op, unsigned n)
{
	for (unsigned i = 0, j; i < n; i = j) {
		unsigned packets = 0;
		size_t bytes = 0;

		for (j = i; j < n && pk[j]->sa == pk[i]->sa; j++) {
			if (unlikely(op[j].verdict != XI_OK || pkt_len(&pk[j]->p) == 0))
				continue;
			packets++;
			bytes += op[j].payload;
		}
		if (likely(packets && !sa_limited(pk[i]->sa)))
			(void)!sa_account(w, pk[i]->sa, packets, bytes);
	}
}

/* A fragment that a transform has made, for this host. As finish(). */
static int finish_fragment(struct worker *w, struct wpkt *pk)
{
	enum xi_drop why = XI_DROP_IN_FRAG_BAD;
	int more;

	if (!frags_take_nested(w, pk))
		return 0;
	more = nest_next(w, pk, &why);
	if (more == 1) {
		pk->joined = 0;
		return 1;
	}
	if (more == 0)
		deliver(w, pk);
	else /* or NEST_FRAGMENT: a fragment made of fragments, which IPv6 can say */
		drop(w, pk, why);
	return 0;
}

/* A packet that the transform op has made. 1: there is another one; else its further fate is settled. */
static int finish(struct worker *w, struct wpkt *pk, const struct ipsec_op *op)
{
	enum xi_drop why = op->verdict;
	int more;

	if (unlikely(why != XI_OK)) {
		drop(w, pk, why);
		return 0;
	}
	if (unlikely(pkt_len(&pk->p) == 0)) { /* RFC 4303 §2.6: a dummy packet ends here, without an error */
		count(w, XI_DUMMY);
		io_frame_put(&w->pool, pk->addr);
		return 0;
	}
	/* A packet beyond the hard limit is not delivered. */
	if (unlikely(sa_limited(pk->sa)) && !sa_account(w, pk->sa, 1, op->payload)) {
		sa_count_error(w, pk->sa);
		drop(w, pk, XI_DROP_IN_EXPIRED);
		return 0;
	}
	pk->chain[pk->nchain++] = pk->sa;
	pk->v.l3_off = 0;
	pk->v.family = (uint8_t)ip_version(&pk->p);
	more = nest_next(w, pk, &why);
	if (unlikely(more == NEST_FRAGMENT))
		return finish_fragment(w, pk);
	if (likely(more == 0))
		deliver(w, pk);
	else if (more < 0)
		drop(w, pk, why);
	return more > 0;
}

/* One transform of each packet. Those that have another one are left in pk[]; returns how many. */
static unsigned open_round(struct worker *w, struct wpkt **pk, unsigned n)
{
	struct ipsec_op op[WRK_BURST];
	unsigned ready = 0, left = 0;

	for (unsigned i = 0; i < n; i++) {
		enum xi_drop why = prepare(w, pk[i], ready ? pk[ready - 1]->sa : NULL);

		if (unlikely(why != XI_OK))
			drop(w, pk[i], why);
		else
			pk[ready++] = pk[i];
	}
	fill(w, pk, op, ready);
	if (ready)
		ipsec_open(w->engine, op, ready);
	account_runs(w, pk, op, ready);
	for (unsigned i = 0; i < ready; i++)
		if (finish(w, pk[i], &op[i]))
			pk[left++] = pk[i];
	return left;
}

void inbound_burst(struct worker *w, struct wpkt **pk, unsigned n)
{
	w->nagain = 0;
	w->hop_gen = hop_generation(w);
	n = open_round(w, pk, n);
	while (unlikely(n)) { /* ends: nest_next() counts */
		group_by_sa(pk, n);
		n = open_round(w, pk, n);
	}
	if (unlikely(w->nagain)) { /* hub and spoke: from one tunnel into another */
		group_by_sa(w->again, w->nagain);
		outbound_burst(w, w->again, w->nagain);
	}
}
