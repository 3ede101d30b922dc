/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For bench/classify.c: makes every run of BPF_PROG_TEST_RUN another packet. Writes the addresses and the port of the next flow into
 * the frame and goes on in the program that is measured. The flows are read in order, so that they are in the cache when they are needed.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bench/classify.h"

#define IP4_AT 26 /* source address of IPv4 in the frame */
#define IP6_AT 22

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOWS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

__u32 next; /* one CPU runs the program */

SEC("xdp.frags")
int classify_xdp(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 i = next++ % FLOWS;
	const struct flow *f = bpf_map_lookup_elem(&flows, &i);

	if (!f || data + IP6_AT + 36 > end)
		return XDP_ABORTED;
	if (data[12] == 0x08) {
		__builtin_memcpy(data + IP4_AT, &f->src, 4);
		__builtin_memcpy(data + IP4_AT + 4, &f->dst, 4);
		__builtin_memcpy(data + IP4_AT + 10, &f->dport, 2);
	} else {
		__builtin_memcpy(data + IP6_AT, &f->src, 16);
		__builtin_memcpy(data + IP6_AT + 16, &f->dst, 16);
		__builtin_memcpy(data + IP6_AT + 34, &f->dport, 2);
	}
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
