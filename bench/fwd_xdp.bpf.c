/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For bench/fwd.c: everything that arrives goes to the AF_XDP socket of its interface (queue 0). Nothing is looked at. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* key: 0 or 1, the side; value: AF_XDP socket. Writer: fwd.c. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} fwd_xsk SEC(".maps");

const volatile __u32 ifindex_side1;

SEC("xdp")
int fwd_xdp(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&fwd_xsk, ctx->ingress_ifindex == ifindex_side1, XDP_DROP);
}

char _license[] SEC("license") = "Dual BSD/GPL";
