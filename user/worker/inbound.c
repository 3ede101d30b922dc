/* SPDX-License-Identifier: BSD-2-Clause */
/* ESP to plaintext (spec 13.4 step 1, RFC 4303 §3.4). What comes out is judged and sent on by deliver.c. */
#include "user/worker/worker.h"

static enum xi_drop prepare(struct worker *w, struct wpkt *pk)
{
	pk->sa = sa_cache_get(w, pk->v.slot, pk->v.gen);
	if (!pk->sa || pk->sa->sa.dir != XI_DIR_IN)
		return XI_DROP_IN_SA_INVALID;
	if (trim_ip4(pk))
		return XI_DROP_IN_HEADER;
	switch (sad_state(&pk->sa->sa, w->now)) {
	case XI_SA_DEAD:
		return XI_DROP_IN_EXPIRED;
	case XI_SA_LARVAL:
		return XI_DROP_IN_SA_INVALID;
	default:
		return XI_OK;
	}
}

/* Bytes are those behind the decapsulation (spec 14.2). A packet beyond the hard limit is not delivered. */
static enum xi_drop account(struct worker *w, struct wpkt *pk)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[pk->sa - w->sa];
	size_t len = pkt_len(&pk->p);
	uint64_t sum = __atomic_add_fetch(&rt->bytes, len, __ATOMIC_RELAXED);

	if (unlikely(pk->sa->sa.hard_bytes && sum > pk->sa->sa.hard_bytes)) {
		__atomic_sub_fetch(&rt->bytes, len, __ATOMIC_RELAXED);
		return XI_DROP_IN_EXPIRED;
	}
	__atomic_add_fetch(&rt->packets, 1, __ATOMIC_RELAXED);
	if (!rt->first_ns)
		rt->first_ns = w->now;
	rt->last_ns = w->now;
	return XI_OK;
}

static void finish(struct worker *w, struct wpkt *pk, const struct ipsec_op *op)
{
	enum xi_drop why = op->verdict;

	if (why == XI_OK && pkt_len(&pk->p) == 0) { /* RFC 4303 §2.6: a dummy packet ends here, without an error */
		io_frame_put(&w->pool, pk->addr);
		return;
	}
	if (why == XI_OK)
		why = account(w, pk);
	if (likely(why == XI_OK))
		deliver(w, pk);
	else
		drop(w, pk, why);
}

void inbound_burst(struct worker *w, struct wpkt **pk, unsigned n)
{
	struct ipsec_op op[WRK_BURST];
	unsigned ready = 0;

	for (unsigned i = 0; i < n; i++) {
		enum xi_drop why = prepare(w, pk[i]);
		uint32_t slot = pk[i]->v.slot;

		if (unlikely(why != XI_OK)) {
			drop(w, pk[i], why);
			continue;
		}
		op[ready] = (struct ipsec_op){
			.sa = &pk[i]->sa->sa,
			.rt = &w->maps->sa_rt[slot],
			.replay = &w->maps->replay[slot],
			.key = sa_cache_keys(w, pk[i]->sa),
			.pkt = &pk[i]->p,
		};
		pk[ready++] = pk[i];
	}
	if (ready)
		ipsec_open(w->engine, op, ready);
	w->nagain = 0;
	for (unsigned i = 0; i < ready; i++)
		finish(w, pk[i], &op[i]);
	if (unlikely(w->nagain)) { /* hub and spoke: from one tunnel into another */
		group_by_sa(w->again, w->nagain);
		outbound_burst(w, w->again, w->nagain);
	}
}
