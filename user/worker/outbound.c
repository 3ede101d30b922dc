/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plaintext to ESP, AH, or ESP inside AH (spec 13.3 from step 5; RFC 4302 §3.3, RFC 4303 §3.3). The XDP program has found policy and SA;
 * here the SAs are checked once more, the size is judged, numbers are reserved with one atomic add for each SA of the burst, and the
 * result is sent by the route of its outermost header.
 */
#include "user/worker/worker.h"

#include "user/ipsec/ip6.h"
#include "user/ipsec/mss.h"
#include "user/ipsec/split.h"

#define BOTH (XI_PROTOS_AH | XI_PROTOS_ESP)
#define SETTLED XI_DROP_MAX /* no reason: what becomes of the packet's frame is settled already */

static struct sa_entry *by_ref(struct worker *w, uint64_t ref)
{
	return sa_cache_get(w, XI_REF_SLOT(ref), XI_REF_GEN(ref));
}

/*
 * The policy the program found was changed or removed since: the packet is judged by those in force now. What they would let pass in
 * clear is dropped, for there is no way back from here. 1 found, 0 to be dropped, -1: they changed once more meanwhile.
 */
static int find_policy(struct worker *w, struct wpkt *pk)
{
	const struct xi_policy *pol;
	struct xi_tuple t;
	struct xi_rule r;
	uint64_t sa;
	int rc;

	if (read_tuple(&pk->p, &t) != XI_OK)
		return 0;
	rc = class_match(w->maps, &t, XI_DIR_OUT, &r);
	if (rc <= 0 || r.action != XI_ACTION_ENCRYPT)
		return rc < 0 ? -1 : 0;
	pol = &w->maps->spd[r.slot];
	sa = __atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != r.gen)
		return -1;
	if (r.level == XI_LEVEL_USE && !sa)
		return 0;
	pk->v.policy = r.slot;
	pk->v.policy_gen = r.gen;
	pk->v.slot = pk->v.gen = 0; /* whatever SA that policy has */
	return 1;
}

/* Is the record still that of the policy that was found? */
static int is_current(const struct worker *w, const struct wpkt *pk)
{
	return pk->v.policy < w->maps->meta->spd_max &&
	       __atomic_load_n(&w->maps->spd[pk->v.policy].gen, __ATOMIC_ACQUIRE) == pk->v.policy_gen;
}

/*
 * The SA the program found, or the one that has taken its place since (rekey, flush), and with both protocols the AH SA: one missing
 * of the two counts as missing for the whole bundle (spec 6.2).
 */
static enum xi_drop read_sas(struct worker *w, struct wpkt *pk)
{
	const struct xi_policy *pol = &w->maps->spd[pk->v.policy];

	pk->sa = sa_cache_get(w, pk->v.slot, pk->v.gen);
	if (unlikely(!pk->sa))
		pk->sa = by_ref(w, __atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE));
	if (unlikely(!pk->sa))
		return XI_DROP_OUT_NO_SA;
	pk->ah = NULL;
	if (likely(pol->protos != BOTH))
		return XI_OK;
	pk->ah = by_ref(w, __atomic_load_n(&pol->sa_out_ah, __ATOMIC_ACQUIRE));
	return pk->ah ? XI_OK : XI_DROP_OUT_NO_SA;
}

#define FIND_TRIES 3

/* What was read counts only while the record is the policy's: looked at before, to know where, and after. */
static enum xi_drop find_sas(struct worker *w, struct wpkt *pk)
{
	for (int i = 0; i < FIND_TRIES; i++) {
		int found = likely(is_current(w, pk)) ? 1 : find_policy(w, pk);
		enum xi_drop why;

		if (unlikely(!found))
			break;
		if (unlikely(found < 0)) /* this thread stood still for a while: nothing is lost by that */
			continue;
		why = read_sas(w, pk);
		if (likely(is_current(w, pk)))
			return why;
	}
	return XI_DROP_OUT_POLICY_DEAD;
}

/*
 * Spec 14.1: mature and dying may be used; which of them, whoever set the policy's reference has chosen. The slot was filled anew under a
 * reference, or the reference was changed: what it names now is not the bundle that was built for the policy.
 */
static enum xi_drop check_state(struct worker *w, const struct sa_entry *se, uint8_t proto)
{
	if (unlikely(se->sa.dir != XI_DIR_OUT || (proto && se->sa.proto != proto)))
		return XI_DROP_OUT_BUNDLE_CHECK;
	switch (sa_state(w, se)) {
	case XI_SA_DEAD:
		sa_count_error(w, se);
		return XI_DROP_OUT_EXPIRED;
	case XI_SA_LARVAL:
		sa_count_error(w, se);
		return XI_DROP_OUT_NO_SA;
	default:
		return XI_OK;
	}
}

/* That of the outermost header. */
static struct sa_entry *outermost(const struct wpkt *pk)
{
	return pk->ah ? pk->ah : pk->sa;
}

/* Of this host, by an SA in transport mode. Routers' fragments, which have another source, are refused by ipsec_seal(). */
static int is_host_fragment(const struct wpkt *pk)
{
	const struct xi_sa *sa = &pk->sa->sa;
	const uint8_t *ip = pk->p.data;

	if (likely(sa->mode != XI_MODE_TRANSPORT) || !(pk->v.flags & XI_VF_HOST) || pk->v.family != sa->family)
		return 0;
	if (pk->v.family == XI_IP4)
		return (u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) && memcmp(ip + IP4_SRC, &sa->src, 4) == 0;
	/* Behind which headers the stack cuts is reasm.h's to know; what turns out whole is whole at once. */
	return (ip[IP6_NEXT] == NH_FRAGMENT || ip[IP6_NEXT] == NH_HOP_BY_HOP || ip[IP6_NEXT] == NH_ROUTING) &&
	       memcmp(ip + IP6_SRC, &sa->src, 16) == 0;
}

/* The packet, and the SAs that are to protect it. */
static enum xi_drop find_packet(struct worker *w, struct wpkt *pk)
{
	enum xi_drop why = find_sas(w, pk);

	if (unlikely(why != XI_OK))
		return why;
	if (likely(!is_host_fragment(pk)))
		return XI_OK;
	if (!frags_take_host(w, pk))
		return SETTLED;
	return find_sas(w, pk);
}

/* That the SAs may be used, and that there is a way to their peer. */
static enum xi_drop check_sas(struct worker *w, const struct wpkt *pk)
{
	enum xi_drop why = check_state(w, pk->sa, pk->ah ? XI_PROTO_ESP : 0);

	if (why == XI_OK && unlikely(pk->ah != NULL))
		why = check_state(w, pk->ah, XI_PROTO_AH);
	if (unlikely(why != XI_OK))
		return why;
	path_refresh(w, outermost(pk));
	return unlikely(outermost(pk)->hop.rt.kind == RT_NONE) ? XI_DROP_OUT_NO_ROUTE : XI_OK;
}

/*
 * What was found and checked for one packet of the burst holds for those behind it that the program found the same SA and policy for: they
 * are looked at as if they had come at the same moment.
 */
struct same {
	struct xi_verdict v;
	struct sa_entry *sa, *ah; /* sa NULL = nothing */
};

static int is_same(const struct same *s, const struct wpkt *pk)
{
	return s->sa && s->v.slot == pk->v.slot && s->v.gen == pk->v.gen && s->v.policy == pk->v.policy &&
	       s->v.policy_gen == pk->v.policy_gen;
}

/* Not: transport mode, where fragments of this host are looked for; a verdict that did not hold; limits, which each packet may reach. */
static void keep(struct same *s, const struct xi_verdict *found, const struct wpkt *pk)
{
	s->sa = NULL;
	if (pk->sa->sa.mode != XI_MODE_TUNNEL || sa_limited(pk->sa) || (pk->ah && sa_limited(pk->ah)) ||
	    pk->v.policy != found->policy || pk->v.policy_gen != found->policy_gen)
		return;
	*s = (struct same){.v = *found, .sa = pk->sa, .ah = pk->ah};
}

static enum xi_drop find_and_check(struct worker *w, struct wpkt *pk, struct same *same)
{
	const struct xi_verdict found = pk->v;
	enum xi_drop why = find_packet(w, pk);

	if (why == XI_OK)
		why = check_sas(w, pk);
	if (likely(why == XI_OK))
		keep(same, &found, pk);
	return why;
}

/* Everything that is decided before the crypto. */
static enum xi_drop prepare(struct worker *w, struct wpkt *pk, struct same *same)
{
	enum xi_drop why;

	if (unlikely(trim_ip(pk)))
		return XI_DROP_OUT_MODE;
	if (likely(is_same(same, pk))) {
		pk->sa = same->sa;
		pk->ah = same->ah;
	} else {
		why = find_and_check(w, pk, same);
		if (unlikely(why != XI_OK))
			return why;
	}
	if (unlikely(pk->p.end - pk->p.tail < WRK_TAILROOM) && wpkt_enlarge(w, pk))
		return XI_DROP_OUT_NO_ROOM;
	if (unlikely(mss_may_apply(pk->p.data, pkt_len(&pk->p))))
		path_clamp_out(w, pk);
	return path_judge(w, pk);
}

/* RFC 6864 §4: IDs of one pair of endpoints must differ while fragments live; workers take turns. */
static uint16_t next_id(struct worker *w)
{
	w->ip_id = (uint16_t)(w->ip_id + XI_WORKER_MAX);
	return w->ip_id;
}

/* Spec 14.2. */
static size_t payload_of(const struct sa_entry *se, const struct pkt *p)
{
	return likely(se->sa.mode == XI_MODE_TUNNEL) ? pkt_len(p) : ipsec_payload_len(&se->sa, p);
}

/* RFC 4303 §3.3.3, RFC 4302 §3.3.2: numbers for a run of packets of one SA, reserved before any of them is used. */
static void fill_run(struct worker *w, struct sa_entry *se, struct wpkt **pk, struct ipsec_op *op, unsigned n)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];
	uint64_t seq = __atomic_fetch_add(&rt->seq_out, n, __ATOMIC_ACQ_REL);
	/* A worker that stood still may find its slot given away: the numbers are then another SA's, not to be used with these keys. */
	int stale = __atomic_load_n(&w->maps->sad[se - w->sa].gen, __ATOMIC_ACQUIRE) != se->gen;
	const struct keyctx *key = sa_cache_keys(w, se);
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t payload = payload_of(se, &pk[i]->p);

		op[i] = (struct ipsec_op){
			.sa = &se->sa,
			.rt = rt,
			.key = key,
			.pkt = &pk[i]->p,
			.seq = ++seq,
			.ip_id = next_id(w),
			.flags = (pk[i]->v.flags & XI_VF_HOST) ? IPSEC_OP_HOST : 0,
		};
		if (unlikely(stale)) {
			op[i].verdict = XI_DROP_OUT_BUNDLE_CHECK;
			continue;
		}
		bytes += payload;
		/* A limit is judged packet by packet; without one the run is counted as a whole. */
		if (unlikely(sa_limited(se)) && !sa_account(w, se, 1, payload))
			op[i].verdict = XI_DROP_OUT_EXPIRED;
	}
	if (likely(!sa_limited(se) && !stale))
		(void)!sa_account(w, se, n, bytes);
}

/* The first transform of every packet. */
static void seal_first(struct worker *w, struct wpkt **pk, struct ipsec_op *op, unsigned n)
{
	for (unsigned i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && pk[j]->sa == pk[i]->sa; j++)
			;
		fill_run(w, pk[i]->sa, &pk[i], &op[i], j - i);
	}
	ipsec_seal(w->engine, &w->iv_source, op, n);
}

/* AH over the ESP packets of bundles. What fails leaves its verdict in op[]. */
static void seal_second(struct worker *w, struct wpkt **pk, struct ipsec_op *op, unsigned n)
{
	struct ipsec_op second[WRK_BURST];
	struct wpkt *sub[WRK_BURST];
	uint8_t at[WRK_BURST];
	unsigned m = 0;

	for (unsigned i = 0; i < n; i++) {
		if (likely(!pk[i]->ah) || op[i].verdict != XI_OK)
			continue;
		sub[m] = pk[i];
		at[m++] = (uint8_t)i;
	}
	if (likely(!m))
		return;
	for (unsigned i = 0, j; i < m; i = j) {
		for (j = i + 1; j < m && sub[j]->ah == sub[i]->ah; j++)
			;
		fill_run(w, sub[i]->ah, &sub[i], &second[i], j - i);
		for (unsigned k = i; k < j; k++)
			second[k].flags = IPSEC_OP_HOST; /* what it covers was made here */
	}
	ipsec_seal(w->engine, &w->iv_source, second, m);
	for (unsigned i = 0; i < m; i++) {
		op[at[i]].verdict = second[i].verdict;
		if (second[i].verdict != XI_OK)
			pk[at[i]]->sa = pk[at[i]]->ah; /* whose failure it is */
	}
}

/*
 * Refused by pk->sa. What ipsec_seal() refuses, as when the numbers are used up, is as it was, and fill_run() has counted it; what fill_run()
 * refuses is not counted, and what the engine could not do has used a number.
 */
static void refuse_sealing(struct worker *w, struct wpkt *pk, enum xi_drop why)
{
	if (why != XI_DROP_OUT_EXPIRED && why != XI_DROP_OUT_BUNDLE_CHECK && why != XI_DROP_OUT_ENGINE)
		sa_unaccount(w, pk->sa, 1, payload_of(pk->sa, &pk->p));
	sa_count_error(w, pk->sa);
	drop(w, pk, why);
}

static void finish(struct worker *w, struct wpkt *pk, const struct ipsec_op *op)
{
	const struct sa_entry *se = outermost(pk);
	struct xi_polstat *ps = polstat(w, pk->v.policy, pk->v.policy_gen);
	enum xi_drop rc;

	if (unlikely(op->verdict != XI_OK)) {
		refuse_sealing(w, pk, op->verdict);
		return;
	}
	if (unlikely(pkt_len(&pk->p) > path_mtu(w, se)))
		rc = send_fragments(w, pk, &se->hop, path_mtu(w, se));
	else
		rc = send_one(w, pk, &se->hop);
	if (rc == XI_OK && ps)
		ps->out_transformed++;
}

/* Spec 7.1: a packet whose SA is missing counts as dropped by its policy too. */
void outbound_refuse(struct worker *w, struct wpkt *pk, enum xi_drop why)
{
	struct xi_polstat *ps = polstat(w, pk->v.policy, pk->v.policy_gen);

	if (ps && why == XI_DROP_OUT_NO_SA)
		ps->out_dropped++;
	drop(w, pk, why);
}

/* Spec 6.3: a policy in transport mode is for its two ends. Whatever SA it got, this packet would not fit it. */
static int is_between_others(const struct worker *w, const struct wpkt *pk)
{
	const struct xi_policy *pol = &w->maps->spd[pk->v.policy];
	size_t src = pk->v.family == XI_IP4 ? IP4_SRC : IP6_SRC, n = pk->v.family == XI_IP4 ? 4 : 16;
	struct ip_split s;
	int differs;

	if (!is_current(w, pk) || pol->mode != XI_MODE_TRANSPORT || !pol->sa_family || (pol->flags & XI_POL_INACTIVE) ||
	    ip_split(pk->p.data, pkt_len(&pk->p), &s) < 0)
		return 0;
	differs = s.family != pol->sa_family || memcmp(pk->p.data + src, &pol->sa_src, n) != 0 ||
		  memcmp(s.dst, &pol->sa_dst, n) != 0;
	return differs && is_current(w, pk);
}

/* No SA yet: the packet waits for one, or is dropped. */
static void miss(struct worker *w, struct wpkt *pk)
{
	if (is_between_others(w, pk))
		outbound_refuse(w, pk, XI_DROP_OUT_ENDPOINTS);
	else if (!hold_packet(w, pk))
		outbound_refuse(w, pk, XI_DROP_OUT_NO_SA);
}

void outbound_burst(struct worker *w, struct wpkt **pk, unsigned n)
{
	struct ipsec_op op[WRK_BURST];
	struct same same = {.sa = NULL};
	unsigned ready = 0;

	for (unsigned i = 0; i < n; i++) {
		enum xi_drop why = prepare(w, pk[i], &same);

		if (likely(why == XI_OK))
			pk[ready++] = pk[i];
		else if (why == XI_DROP_OUT_NO_SA)
			miss(w, pk[i]);
		else if (why != SETTLED)
			outbound_refuse(w, pk[i], why);
	}
	if (!ready)
		return;
	seal_first(w, pk, op, ready);
	seal_second(w, pk, op, ready);
	for (unsigned i = 0; i < ready; i++)
		finish(w, pk[i], &op[i]);
}
