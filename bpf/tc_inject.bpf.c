/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decrypted packets on their way into the stack. A worker writes to its end of the internal pair a frame
 *
 *     destination MAC: that of the interface    source MAC: 02 58 + its ifindex, 4 bytes, big-endian
 *
 * and this program, on the ingress of the stack's end, gives it to that interface, or to that VLAN device on it, as received: the reverse path filter,
 * the firewall and sockets see what they would see with IPsec in the kernel (spec 13.4, step 6). The source MAC becomes a
 * secret token by which XDP in generic mode, which sees such frames again, knows them. Everything else is dropped.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lib/parse.h"
#include "bpf/lib/stat.h"

/* Set before load. */
const volatile __u8 inject_mac[6];

#define SRC_MAC 6 /* offset in the frame */

/* A VLAN device has an entry by itself, without tags. Those of others stand on interfaces that no verdict names. */
static __always_inline int is_vlan(__u32 ifindex)
{
	struct xi_vlan_key key = {.ifindex = ifindex};

	return bpf_map_lookup_elem(&xi_vlan, &key) != NULL;
}

static __always_inline int attached(__u32 ifindex)
{
	for (__u32 slot = 1; slot < XI_IF_MAX; slot++) {
		__u32 key = slot;
		const struct xi_if *nic = bpf_map_lookup_elem(&xi_if, &key);

		if (nic && nic->ifindex == ifindex)
			return 1;
	}
	return 0;
}

SEC("tc")
int xi_tc_inject(struct __sk_buff *skb)
{
	__u8 mac[6], token[6];
	__u32 ifindex;

	/* the kernel's own chatter on the pair comes by here, too: it is no error */
	if (bpf_skb_load_bytes(skb, SRC_MAC, mac, sizeof(mac)) || mac[0] != 0x02 || mac[1] != 0x58)
		return TC_ACT_SHOT;
	ifindex = (__u32)mac[2] << 24 | (__u32)mac[3] << 16 | (__u32)mac[4] << 8 | mac[5];
	if (!ifindex || (!attached(ifindex) && !is_vlan(ifindex))) {
		xi_count(XI_DROP_IN_INJECT);
		return TC_ACT_SHOT;
	}
	for (int i = 0; i < 6; i++)
		token[i] = inject_mac[i];
	if (bpf_skb_store_bytes(skb, SRC_MAC, token, sizeof(token), 0)) {
		xi_count(XI_DROP_IN_INJECT);
		return TC_ACT_SHOT;
	}
	xi_count(XI_PASS_INJECTED);
	return (int)bpf_redirect(ifindex, BPF_F_INGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
