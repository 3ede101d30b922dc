/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples of dropped packets for `monitor drops`. Inside a program a drop is DROPPED(reason), which the outermost function counts and,
 * while somebody listens, shows: nobody listening costs one load. Each CPU has a budget (xi_sampler); what goes beyond it is counted.
 */
#ifndef XI_LIB_SAMPLE_H
#define XI_LIB_SAMPLE_H

#include "bpf/lib/policy.h"

/* Beyond every action of XDP and tc. */
#define DROPPED(reason) (0x100 | (int)(reason))
#define IS_DROPPED(rc) ((rc) >= 0x100)
#define DROP_REASON(rc) ((__u32)(rc)&0xff)

/* One sample of this CPU's budget: 1, or 0 and it counts as left out. */
static __always_inline int xi_may_sample(__u64 now)
{
	__u32 zero = 0;
	struct xi_sampler *s = bpf_map_lookup_elem(&xi_sampler, &zero);

	if (!s)
		return 0;
	if (now - s->earned_ns >= 1000000000ull) {
		s->earned_ns = now;
		s->tokens = XI_SAMPLE_BURST;
	}
	if (s->tokens) {
		s->tokens--;
		return 1;
	}
	s->left_out++;
	return 0;
}

static __always_inline void xi_left_out(void)
{
	__u32 zero = 0;
	struct xi_sampler *s = bpf_map_lookup_elem(&xi_sampler, &zero);

	if (s)
		s->left_out++;
}

/* What is known of it: the program may have dropped it before it had read everything. */
static __noinline void xi_write_sample(const struct xi_find *f, __u32 reason, __u32 ifindex, __u32 len)
{
	int arrived = reason == XI_DROP_IN_PLAIN || reason == XI_DROP_IN_BLOCKED || reason == XI_DROP_IN_UNATTACHED;
	const struct xi_hit *hit = arrived ? &f->hit[XI_DIR_IN] : &f->hit[XI_DIR_OUT];
	const struct xi_tuple *t = &f->pkt.tuple;
	__u64 now = bpf_ktime_get_boot_ns();
	struct xi_sample *s;

	if (!xi_may_sample(now))
		return;
	s = bpf_ringbuf_reserve(&xi_drops, sizeof(*s), 0);
	if (!s) {
		xi_left_out();
		return;
	}
	__builtin_memset(s, 0, sizeof(*s));
	s->ns = now;
	s->src = t->src;
	s->dst = t->dst;
	s->policy = hit->found ? hit->slot : 0;
	s->policy_gen = hit->found ? hit->gen : 0;
	s->ifindex = ifindex;
	s->spi = f->pkt.spi;
	s->len = len;
	s->src_port = t->src_port;
	s->dst_port = t->dst_port;
	s->reason = (__u8)reason;
	s->family = t->family;
	s->proto = t->proto;
	s->flags = t->flags;
	bpf_ringbuf_submit(s, 0);
}

/* Counts a drop, and shows it if somebody listens. KEEPALIVE and the like are no loss. */
static __always_inline void xi_dropped(const struct xi_find *f, __u32 reason, __u32 ifindex, __u32 len)
{
	__u32 zero = 0;
	const struct xi_meta *meta;

	xi_count(reason);
	if (reason >= XI_PASS_BASE)
		return;
	meta = bpf_map_lookup_elem(&xi_meta, &zero);
	if (meta && unlikely(*(const volatile __u32 *)&meta->drops))
		xi_write_sample(f, reason, ifindex, len);
}

#endif
