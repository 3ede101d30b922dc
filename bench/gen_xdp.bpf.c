/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For bench/gen.c: run endlessly by BPF_PROG_TEST_RUN with live frames, sends each frame out of one interface. With a
 * rate, a token bucket drops what comes too early (the run never waits: it owns its CPU).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 out_ifindex;
const volatile __u64 ns_per_packet_x256; /* 0 = as fast as it goes */

__u64 sent; /* one CPU runs the program: no atomics needed */
__u64 next_ns_x256;

SEC("xdp")
int gen_xdp(struct xdp_md *ctx __attribute__((unused)))
{
	if (ns_per_packet_x256) {
		__u64 now = bpf_ktime_get_ns() << 8;

		if (next_ns_x256 > now)
			return XDP_DROP;
		/* After a pause of more than a burst the missed packets are not made up for. */
		if (now - next_ns_x256 > 64 * ns_per_packet_x256)
			next_ns_x256 = now;
		next_ns_x256 += ns_per_packet_x256;
	}
	sent++;
	return (int)bpf_redirect(out_ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
