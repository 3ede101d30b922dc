/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plaintext to ESP (spec 13.3 from step 5, RFC 4303 §3.3). The XDP program has found policy and SA; here the SA is checked once
 * more, the size is judged, numbers are reserved with one atomic add for each SA of the burst, and the result is sent.
 */
#include "user/worker/worker.h"

#include <arpa/inet.h>
#include <netinet/ip.h>

#define PATH_MTU_UNKNOWN 1500 /* until the kernel has answered */

/* The SA the program found, or the one that has taken its place since (rekey, flush). */
static struct sa_entry *current_sa(struct worker *w, struct wpkt *pk, enum xi_drop *why)
{
	struct sa_entry *se = sa_cache_get(w, pk->v.slot, pk->v.gen);
	const struct xi_policy *pol = &w->maps->spd[pk->v.policy];
	uint64_t ref;

	if (likely(se != NULL))
		return se;
	*why = XI_DROP_OUT_POLICY_DEAD;
	if (pk->v.policy >= w->maps->meta->spd_max || __atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != pk->v.policy_gen)
		return NULL;
	*why = XI_DROP_OUT_NO_SA;
	ref = __atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE);
	se = sa_cache_get(w, XI_REF_SLOT(ref), XI_REF_GEN(ref));
	if (se) {
		pk->v.slot = XI_REF_SLOT(ref);
		pk->v.gen = XI_REF_GEN(ref);
	}
	return se;
}

static void refresh_hop(struct worker *w, struct sa_entry *se)
{
	const struct rt_key key = {.dst = se->sa.dst, .src = se->sa.src, .family = se->sa.family};

	hop_refresh(w, &se->hop, &key);
}

static int may_fragment(const struct pkt *p)
{
	struct iphdr ip;

	memcpy(&ip, p->data, sizeof(ip));
	return !(ip.frag_off & htons(IP_DF));
}

static size_t path_mtu(const struct sa_entry *se)
{
	return se->hop.rt.mtu ? se->hop.rt.mtu : PATH_MTU_UNKNOWN;
}

/* Everything that is decided before the crypto. */
static enum xi_drop prepare(struct worker *w, struct wpkt *pk)
{
	enum xi_drop why = XI_OK;
	struct sa_entry *se = current_sa(w, pk, &why);

	if (!se)
		return why;
	pk->sa = se;
	if (trim_ip4(pk))
		return XI_DROP_OUT_MODE;
	if (se->sa.dir != XI_DIR_OUT)
		return XI_DROP_OUT_BUNDLE;
	switch (sad_state(&se->sa, w->now)) {
	case XI_SA_DEAD:
		return XI_DROP_OUT_EXPIRED;
	case XI_SA_LARVAL: /* spec 14.1: not to be used yet */
		return XI_DROP_OUT_NO_SA;
	default:
		break;
	}
	refresh_hop(w, se);
	if (se->hop.rt.kind == RT_NONE)
		return XI_DROP_OUT_NO_ROUTE;
	/* Spec section 15: too big and DF set: tell the sender what fits. */
	if (ipsec_sealed_len(&se->sa, &pk->p) > path_mtu(se) && !may_fragment(&pk->p)) {
		slow_too_big(w, &pk->p, ipsec_inner_mtu(&se->sa, path_mtu(se)));
		return XI_DROP_OUT_TOO_BIG;
	}
	return XI_OK;
}

/* Counts a run of packets of one SA; 0 when the hard byte limit is reached (spec 14.2: no overshoot). */
static int account(struct worker *w, const struct sa_entry *se, unsigned packets, size_t bytes)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];
	uint64_t sum = __atomic_add_fetch(&rt->bytes, bytes, __ATOMIC_RELAXED);

	if (unlikely(se->sa.hard_bytes && sum > se->sa.hard_bytes)) {
		__atomic_sub_fetch(&rt->bytes, bytes, __ATOMIC_RELAXED);
		return 0;
	}
	__atomic_add_fetch(&rt->packets, packets, __ATOMIC_RELAXED);
	if (!rt->first_ns)
		rt->first_ns = w->now;
	rt->last_ns = w->now;
	return 1;
}

/* RFC 6864 §4: IDs of one pair of endpoints must differ while fragments live; workers take turns. */
static uint16_t next_id(struct worker *w)
{
	w->ip_id = (uint16_t)(w->ip_id + XI_WORKER_MAX);
	return w->ip_id;
}

/* RFC 4303 §3.3.3: numbers for a run of packets of one SA, reserved before any of them is used. */
static void fill_run(struct worker *w, struct wpkt **pk, struct ipsec_op *op, unsigned n)
{
	struct sa_entry *se = pk[0]->sa;
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];
	uint64_t seq = __atomic_fetch_add(&rt->seq_out, n, __ATOMIC_RELAXED);
	const struct keyctx *key = sa_cache_keys(w, se);

	for (unsigned i = 0; i < n; i++) {
		op[i] = (struct ipsec_op){
			.sa = &se->sa,
			.rt = rt,
			.key = key,
			.pkt = &pk[i]->p,
			.seq = ++seq,
			.ip_id = next_id(w),
			.flags = (pk[i]->v.flags & XI_VF_HOST) ? IPSEC_OP_HOST : 0,
		};
		/* A byte limit is judged packet by packet; without one the run is counted as a whole by the caller. */
		if (se->sa.hard_bytes && !account(w, se, 1, pkt_len(&pk[i]->p)))
			op[i].verdict = XI_DROP_OUT_EXPIRED;
	}
}

static void finish(struct worker *w, struct wpkt *pk, const struct ipsec_op *op)
{
	const struct hop *hop = &pk->sa->hop;
	struct xi_polstat *ps = polstat(w, pk->v.policy, pk->v.policy_gen);
	enum xi_drop rc;

	if (unlikely(op->verdict != XI_OK)) {
		drop(w, pk, op->verdict);
		return;
	}
	if (unlikely(pkt_len(&pk->p) > path_mtu(pk->sa)))
		rc = send_fragments(w, pk, hop, path_mtu(pk->sa));
	else
		rc = send_one(w, pk, hop);
	if (rc == XI_OK && ps)
		ps->out_transformed++;
}

/* Spec 7.1: a packet whose SA is missing counts as dropped by its policy too. */
static void refuse(struct worker *w, struct wpkt *pk, enum xi_drop why)
{
	struct xi_polstat *ps = polstat(w, pk->v.policy, pk->v.policy_gen);

	if (ps && why == XI_DROP_OUT_NO_SA)
		ps->out_dropped++;
	drop(w, pk, why);
}

void outbound_burst(struct worker *w, struct wpkt **pk, unsigned n)
{
	struct ipsec_op op[WRK_BURST];
	unsigned ready = 0;

	for (unsigned i = 0; i < n; i++) {
		enum xi_drop why = prepare(w, pk[i]);

		if (likely(why == XI_OK))
			pk[ready++] = pk[i];
		else
			refuse(w, pk[i], why);
	}
	for (unsigned i = 0, j; i < ready; i = j) {
		size_t bytes = 0;

		for (j = i; j < ready && pk[j]->sa == pk[i]->sa; j++)
			bytes += pkt_len(&pk[j]->p);
		fill_run(w, &pk[i], &op[i], j - i);
		if (!pk[i]->sa->sa.hard_bytes)
			account(w, pk[i]->sa, j - i, bytes);
	}
	if (ready)
		ipsec_seal(w->engine, &w->iv_source, op, ready);
	for (unsigned i = 0; i < ready; i++)
		finish(w, pk[i], &op[i]);
}
