/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For bench/sink.c: counts what arrives by kind and drops it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/sink.h"

/* key: enum sink_kind; value: packets and bytes. Writer: this program. Reader: sink.c. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SINK_KINDS);
	__type(key, __u32);
	__type(value, struct sink_count);
} sink_counts SEC(".maps");

static __always_inline __u32 kind_of(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return SINK_OTHER;
	return ip->protocol == 50 ? SINK_ESP : ip->protocol == 17 ? SINK_UDP : SINK_OTHER;
}

SEC("xdp")
int sink_xdp(struct xdp_md *ctx)
{
	__u32 kind = kind_of(ctx);
	struct sink_count *c = bpf_map_lookup_elem(&sink_counts, &kind);

	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
