/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy lookup: the first rule that matches, for one or both directions in one walk, whatever the number of rules; and
 * what an outbound rule means for a packet. Spec sections 6.2, 13.1 to 13.3; RFC 4301 §5.1.
 */
#ifndef XI_LIB_POLICY_H
#define XI_LIB_POLICY_H

#include "bpf/lib/parse.h"
#include "bpf/lib/stat.h"

#define XI_WANT(dir) (1u << (dir))
#define XI_RULES_MAX (1u << 23) /* the most bpf_loop() does; the closing rule ends the walk long before */

struct xi_hit {
	__u32 slot; /* policy */
	__u32 gen;
	__u8 found;
	__u8 action; /* XI_ACTION_* */
	__u8 level;  /* XI_LEVEL_* */
	__u8 pad;
};

struct xi_find {
	void *rules;
	struct xi_pkt pkt;
	__u32 want; /* XI_WANT(dir) of the directions still without a match */
	struct xi_hit hit[2];
};

static __always_inline void xi_find_take(struct xi_find *f, struct xi_hit *hit, const struct xi_rule *r, int dir)
{
	if (!(f->want & XI_WANT(dir)) || !xi_rule_match(r, &f->pkt.tuple, dir))
		return;
	hit->slot = r->slot;
	hit->gen = r->gen;
	hit->action = r->action;
	hit->level = r->level;
	hit->found = 1;
	f->want &= ~XI_WANT(dir);
}

static long xi_find_step(__u32 i, void *ctx)
{
	struct xi_find *f = ctx;
	__u32 key = i;
	const struct xi_rule *r = bpf_map_lookup_elem(f->rules, &key);

	if (!r || (r->flags & XI_RULE_END))
		return 1;
	xi_find_take(f, &f->hit[XI_DIR_IN], r, XI_DIR_IN);
	xi_find_take(f, &f->hit[XI_DIR_OUT], r, XI_DIR_OUT);
	return f->want == 0;
}

/* Fills f->hit of the directions in `want`. Returns 0, or -1 when there is no classifier: nothing may pass then. */
static __always_inline int xi_find(struct xi_find *f, __u32 want)
{
	__u32 zero = 0;

	f->rules = bpf_map_lookup_elem(&xi_class, &zero);
	if (!f->rules)
		return -1;
	f->want = want;
	return bpf_loop(XI_RULES_MAX, xi_find_step, f, 0) < 0 ? -1 : 0;
}

/*
 * What becomes of an outbound packet: XI_TO_WORKER with the SA in *sa, or the reason to drop it (below XI_PASS_BASE) or to let it
 * go. Counts out_dropped; out_transformed is counted by the worker when the packet was sent, out_accepted by tc egress: what
 * XDP lets go up comes by there again, if it leaves at all.
 */
static __always_inline __u32 xi_out_decide(const struct xi_hit *hit, __u64 *sa)
{
	const struct xi_policy *pol;
	__u32 slot = hit->slot;

	if (!hit->found)
		return XI_PASS_NO_POLICY;
	if (hit->action == XI_ACTION_NONE)
		return XI_PASS_NONE;
	if (hit->action != XI_ACTION_ENCRYPT) {
		xi_count_policy(hit, out_dropped);
		return XI_DROP_OUT_BLOCKED;
	}
	pol = bpf_map_lookup_elem(&xi_spd, &slot);
	if (!pol || *(const volatile __u32 *)&pol->gen != hit->gen)
		return XI_DROP_OUT_POLICY_DEAD;
	*sa = pol->flags & XI_POL_INACTIVE ? 0 : *(const volatile __u64 *)&pol->sa_out;
	if (*sa)
		return XI_TO_WORKER;
	if (hit->level == XI_LEVEL_USE)
		return XI_PASS_USE;
	xi_count_policy(hit, out_dropped);
	return XI_DROP_OUT_NO_SA;
}

/*
 * RFC 4301 §6.2: an ICMP error that this host sends about a packet that came out of a tunnel quotes it. Its own addresses are in no
 * policy; it belongs to the policy of the packet it quotes, which came in by it. Returns the SA and f->hit[XI_DIR_OUT], or 0: it
 * is no such error, or may go as it is. *reason: not 0 when it must be dropped.
 */
static __always_inline __u64 xi_quoted_sa(struct xi_find *f, const __u8 *data, const __u8 *end, __u32 *reason)
{
	struct xi_tuple quoted, own = f->pkt.tuple;
	struct xi_hit *hit = &f->hit[XI_DIR_IN];
	__u32 decided;
	__u64 sa = 0;

	*reason = 0;
	if (!xi_parse_quoted(&quoted, data, end, &f->pkt))
		return 0;
	f->pkt.tuple = quoted;
	__builtin_memset(hit, 0, sizeof(*hit));
	decided = xi_find(f, XI_WANT(XI_DIR_IN)) ? 0 : 1;
	f->pkt.tuple = own;
	if (!decided)
		*reason = XI_DROP_OUT_LOOKUP;
	if (!decided || !hit->found || hit->action != XI_ACTION_ENCRYPT)
		return 0;
	decided = xi_out_decide(hit, &sa);
	if (decided < XI_PASS_BASE)
		*reason = decided;
	if (decided != XI_TO_WORKER)
		return 0;
	f->hit[XI_DIR_OUT] = *hit;
	return sa;
}

#endif
