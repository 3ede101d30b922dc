/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy lookup: the first rule that matches, for one or both directions in one search of the classifier (bpf/abi/xi_class.h); and
 * what an outbound rule means for a packet. Spec sections 6.2, 13.1 to 13.3; RFC 4301 §5.1.
 */
#ifndef XI_LIB_POLICY_H
#define XI_LIB_POLICY_H

#include "bpf/lib/parse.h"
#include "bpf/lib/stat.h"

#define XI_WANT(dir) (1u << (dir))

struct xi_hit {
	__u32 slot; /* policy */
	__u32 gen;
	__u32 order; /* in evaluation order */
	__u8 found;
	__u8 action; /* XI_ACTION_* */
	__u8 level;  /* XI_LEVEL_* */
	__u8 pad;
};

struct xi_find {
	struct xi_pkt pkt;
	struct xi_hit hit[2];
};

/* A search in one direction. Small: the stack is shared with the programs that ask. */
struct xi_walk {
	const struct xi_class_head *head;
	const struct xi_tuple *t;
	struct xi_hit *hit; /* the best so far */
	__u64 ask;	    /* bit i: shape i may know something and was not asked yet */
	__u32 first;	    /* of the run that is walked */
	__u32 how;	    /* XI_DIR_*, and above that the copy of the classifier */
};

/* Is rule i of the run a hit? */
static __always_inline int xi_try_rule(struct xi_walk *f, __u32 i)
{
	__u32 key = f->head->rule_base + f->first + i;
	const struct xi_rule *r = bpf_map_lookup_elem(&xi_rules, &key);

	if (!r)
		return 1;
	if (!xi_rule_match(r, f->t, (int)(f->how & 1)))
		return 0;
	if (!f->hit->found || r->order < f->hit->order) {
		f->hit->slot = r->slot;
		f->hit->gen = r->gen;
		f->hit->order = r->order;
		f->hit->action = r->action;
		f->hit->level = r->level;
		f->hit->found = 1;
	}
	return 1;
}

/* One rule of a run, which stands in evaluation order: the first that matches ends the walk. */
static long xi_find_rule(__u32 i, void *ctx)
{
	return xi_try_rule(ctx, i);
}

/* The way with the tag, or NULL. No two keys that can meet in their buckets have one tag: class_compile() sees to it. */
static __always_inline const struct xi_way *xi_find_way(const struct xi_class_head *head, __u64 hash)
{
	__u32 tag = xi_class_tag(hash);

	for (__u32 p = 0; p < XI_PROBE_MAX; p++) {
		__u32 key = head->bucket_base + (((__u32)hash + p) & head->bucket_mask);
		const struct xi_bucket *b = bpf_map_lookup_elem(&xi_bucket, &key);

		if (!b)
			return NULL;
		for (int i = 0; i < XI_BUCKET_WAYS; i++)
			if (b->way[i].tag == tag)
				return &b->way[i];
		if (!b->way[XI_BUCKET_WAYS - 1].tag)
			return NULL; /* not full: nothing went on into the next one */
	}
	return NULL;
}

static __always_inline __u32 xi_lowest_bit(__u32 bits)
{
	__u32 low = bits & -bits;

	return !!(low & 0xaaaa) | !!(low & 0xcccc) << 1 | !!(low & 0xf0f0) << 2 | !!(low & 0xff00) << 3;
}

#define XI_NO_RULE (~0ull)

/*
 * Of a long run the rule with an entry of the first of `kinds` for this packet, if it matches: its order, and below that where it stands; else
 * XI_NO_RULE. run: hash of the run. how: direction, and above that the copy of the classifier. This and the
 * next are global functions, which the verifier looks at once: as a part of xi_find_shape() they cost it six times as much as all the rest, and as another callback too
 * much stack.
 */
__noinline __u64 xi_find_entry(const struct xi_tuple *t, __u64 run, __u32 kinds, __u32 how)
{
	__u32 at = how >> 1, kind = xi_lowest_bit(kinds);
	const struct xi_class_head *head = bpf_map_lookup_elem(&xi_class, &at);
	int in = (how & 1) == XI_DIR_IN;
	const struct xi_rule *r;
	const struct xi_way *way;

	if (!t || !head)
		return XI_NO_RULE;
	way = xi_find_way(head, xi_kind_hash(run, xi_kind_key(kind, t->proto, in ? t->dst_port : t->src_port,
							      in ? t->src_port : t->dst_port)));
	if (!way)
		return XI_NO_RULE;
	at = head->rule_base + way->first;
	r = bpf_map_lookup_elem(&xi_rules, &at);
	return r && xi_rule_match(r, t, in ? XI_DIR_IN : XI_DIR_OUT) ? (__u64)way->best << 32 | way->first : XI_NO_RULE;
}

#define XI_KINDS_ASKED 8 /* most that one packet asks for */

/* The first rule of a long run that matches, as xi_find_entry(). */
static __always_inline __u64 xi_find_kinds(const struct xi_tuple *t, __u64 run, __u32 kinds, __u32 how)
{
	__u64 best = XI_NO_RULE;

	for (int i = 0; i < XI_KINDS_ASKED && kinds; i++) {
		__u64 at = xi_find_entry(t, run, kinds, how);

		best = at < best ? at : best;
		kinds &= kinds - 1;
	}
	return best;
}

/* The lowest of some bits; its number is in the top bits of this product. */
#define XI_DE_BRUIJN 0x03f79d71b4cb0a89ull

static const __u8 xi_bit_number[64] = {0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
				       62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
				       63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
				       46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6};

/* The next shape that is to be asked. By bpf_loop(), since the verifier would walk a loop of ours once for each shape there may be. */
static long xi_find_shape(__u32 turn, void *ctx)
{
	struct xi_walk *w = ctx;
	int six = w->t->family != XI_IP4, in = (w->how & 1) == XI_DIR_IN; /* spec 13.2: inbound the roles swap */
	__u64 bit = w->ask & -w->ask, hash, at_rule;
	__u32 i = xi_bit_number[bit * XI_DE_BRUIJN >> 58], at = (six ? XI_SHAPES_MAX : 0) + i;
	__u32 salt = xi_shape_salt(w->head->salt, i), count;
	const struct xi_addr *src = in ? &w->t->dst : &w->t->src, *dst = in ? &w->t->src : &w->t->dst;
	const struct xi_shape *s;
	const struct xi_way *way;

	(void)turn;
	if (!bit)
		return 1;
	w->ask ^= bit;
	__asm__ volatile("%0 &= %1" : "+r"(at) : "i"(2 * XI_SHAPES_MAX - 1)); /* Linux 6.1 wants to see it */
	s = &w->head->shape[at];
	if (w->hit->found && w->hit->order < s->best)
		return 1; /* shapes stand in the order of their best rules */
	hash = six ? xi_class_hash6(src, dst, s, salt) : xi_class_hash4(src, dst, s, salt);
	way = xi_find_way(w->head, hash);
	if (!way || (w->hit->found && w->hit->order < way->best))
		return !w->ask;
	w->first = way->first;
	count = way->count;
	if (s->kinds && count > s->walk) {
		at_rule = xi_find_kinds(w->t, hash, s->kinds & xi_kinds_asked(w->t->flags), w->how);
		w->first = (__u32)at_rule;
		count = at_rule != XI_NO_RULE;
	}
	bpf_loop(count, xi_find_rule, w, 0);
	return !w->ask;
}

/* xi_shapes_fewer(). how: direction, and above that the copy of the classifier. Global: the verifier looks at it once. */
__noinline __u64 xi_find_fewer(const struct xi_tuple *t, __u64 ask, __u32 how)
{
	__u32 at = how >> 1;
	const struct xi_class_head *head = bpf_map_lookup_elem(&xi_class, &at);
	int dir = how & 1;

	if (!t || !head)
		return ask;
	return t->family == XI_IP4 ? xi_shapes_fewer(&head->filter[0], t, 0, dir, ask)
				   : xi_shapes_fewer(&head->filter[1], t, 1, dir, ask);
}

static __always_inline void xi_find_dir(struct xi_walk *w, struct xi_find *f, int dir)
{
	int six = w->t->family != XI_IP4;

	w->how = (w->how & ~1u) | (__u32)dir;
	w->hit = &f->hit[dir];
	w->hit->found = 0;
	w->ask = xi_shapes_near(&w->head->filter[six], w->t, six, dir);
	if (!xi_one_bit(w->ask))
		w->ask = xi_find_fewer(w->t, w->ask, w->how);
	if (w->ask)
		bpf_loop(XI_SHAPES_MAX, xi_find_shape, w, 0);
}

#define XI_FIND_TRIES 3

/*
 * Fills f->hit of the directions in `want`. Returns 0, or -1 when the classifier changed under our hands again and again: nothing may
 * pass then. Global: the verifier looks at it once, however often it is called.
 */
__noinline int xi_find(struct xi_find *f, __u32 want)
{
	__u32 key = 0;
	const struct xi_meta *meta = bpf_map_lookup_elem(&xi_meta, &key);
	struct xi_walk w = {};

	if (!meta || !f)
		return -1;
	w.t = &f->pkt.tuple;
	for (int i = 0; i < XI_FIND_TRIES; i++) {
		__u64 gen = *(const volatile __u64 *)&meta->spd_gen;

		key = gen & 1;
		w.how = key << 1;
		w.head = bpf_map_lookup_elem(&xi_class, &key);
		if (!w.head)
			return -1;
		if (want & XI_WANT(XI_DIR_IN))
			xi_find_dir(&w, f, XI_DIR_IN);
		if (want & XI_WANT(XI_DIR_OUT))
			xi_find_dir(&w, f, XI_DIR_OUT);
		if (*(const volatile __u64 *)&meta->spd_begin <= gen + 1)
			return 0;
	}
	return -1;
}

/*
 * Spec 13.3 step 6: a packet that misses an SA may wait in a worker for the one that is being negotiated, if somebody negotiates and not
 * enough of this policy wait already. Manual SAs are negotiated by nobody.
 */
static __always_inline int xi_may_acquire(const struct xi_policy *pol)
{
	__u32 zero = 0;
	const struct xi_meta *meta = bpf_map_lookup_elem(&xi_meta, &zero);

	if (!meta || !*(const volatile __u32 *)&meta->acquire || (pol->flags & XI_POL_INACTIVE) || pol->manual_sa[0])
		return 0;
	return *(const volatile __u32 *)&pol->held < XI_HOLD_PACKETS ||
	       *(const volatile __u64 *)&pol->acquire_ns <= bpf_ktime_get_boot_ns();
}

/*
 * What becomes of an outbound packet: XI_TO_WORKER with the SA in *sa, or the reason to drop it (below XI_PASS_BASE) or to let it
 * go. Counts out_dropped; out_transformed is counted by the worker when the packet was sent, out_accepted by tc egress: what
 * XDP lets go up comes by there again, if it leaves at all.
 *
 * many: the destination is multicast or a broadcast. Spec 13.3 step 2: no SA carries that, none is asked for, and with encrypt it is dropped,
 * whatever the level; not by an inactive policy of level use, which is as if disabled (3.5).
 */
static __always_inline __u32 xi_out_decide(const struct xi_hit *hit, int many, __u64 *sa)
{
	const struct xi_policy *pol;
	__u32 slot = hit->slot;
	int inactive;

	if (!hit->found)
		return XI_PASS_NO_POLICY;
	if (hit->action == XI_ACTION_NONE)
		return XI_PASS_NONE;
	if (hit->action != XI_ACTION_ENCRYPT) {
		xi_count_policy(hit, out_dropped);
		return XI_DROP_OUT_BLOCKED;
	}
	pol = bpf_map_lookup_elem(&xi_spd, &slot);
	if (!pol)
		return XI_DROP_OUT_POLICY_DEAD;
	inactive = pol->flags & XI_POL_INACTIVE;
	*sa = inactive || many ? 0 : *(const volatile __u64 *)&pol->sa_out;
	if (!*sa && !many && hit->level != XI_LEVEL_USE && xi_may_acquire(pol))
		*sa = XI_REF_ACQUIRE;
	/* Last: what was read before is of this policy, and not of one that was put into its place meanwhile. */
	if (*(const volatile __u32 *)&pol->gen != hit->gen)
		return XI_DROP_OUT_POLICY_DEAD;
	if (*sa)
		return XI_TO_WORKER;
	if (hit->level == XI_LEVEL_USE && (!many || inactive))
		return XI_PASS_USE;
	xi_count_policy(hit, out_dropped);
	return XI_DROP_OUT_NO_SA;
}

#define XI_JUDGE_TRIES 3

/* The same for f->hit[XI_DIR_OUT], searched for again when the policies changed between search and use: nothing is lost by a change. */
static __always_inline __u32 xi_out_judge(struct xi_find *f, int many, __u64 *sa)
{
	__u32 reason = xi_out_decide(&f->hit[XI_DIR_OUT], many, sa);

	for (int i = 1; i < XI_JUDGE_TRIES && reason == XI_DROP_OUT_POLICY_DEAD; i++) {
		if (xi_find(f, XI_WANT(XI_DIR_OUT)))
			return XI_DROP_OUT_LOOKUP;
		reason = xi_out_decide(&f->hit[XI_DIR_OUT], many, sa);
	}
	return reason;
}

/* In place, since the stack has no room for a third one. */
static __always_inline void xi_swap_tuples(struct xi_tuple *a, struct xi_tuple *b)
{
	__u32 *x = (__u32 *)a, *y = (__u32 *)b;

	for (unsigned i = 0; i < sizeof(*a) / sizeof(*x); i++) {
		__u32 was = x[i];

		x[i] = y[i];
		y[i] = was;
	}
}

/*
 * RFC 4301 §6.2: an ICMP error that this host sends about a packet that came out of a tunnel quotes it. Its own addresses are in no
 * policy; it belongs to the policy of the packet it quotes, which came in by it. q: the quoted packet. Returns the SA and
 * f->hit[XI_DIR_OUT], or 0: it may go as it is. *reason: not 0 when it must be dropped.
 */
static __always_inline __u64 xi_quoted_sa(struct xi_find *f, struct xi_pkt *q, __u32 *reason)
{
	struct xi_hit *hit = &f->hit[XI_DIR_IN];
	__u32 decided;
	__u64 sa = 0;

	*reason = 0;
	xi_swap_tuples(&f->pkt.tuple, &q->tuple);
	__builtin_memset(hit, 0, sizeof(*hit));
	decided = xi_find(f, XI_WANT(XI_DIR_IN)) ? 0 : 1;
	xi_swap_tuples(&f->pkt.tuple, &q->tuple);
	if (!decided)
		*reason = XI_DROP_OUT_LOOKUP;
	if (!decided || !hit->found || hit->action != XI_ACTION_ENCRYPT)
		return 0;
	decided = xi_out_decide(hit, xi_is_multicast(&f->pkt.tuple), &sa);
	if (decided < XI_PASS_BASE)
		*reason = decided;
	if (decided != XI_TO_WORKER)
		return 0;
	f->hit[XI_DIR_OUT] = *hit;
	return sa;
}

#endif
