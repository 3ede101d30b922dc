/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every frame that arrives on an attached interface: ESP and AH for this host to the worker that opens it, plaintext that
 * a policy protects to the worker that seals it, what a policy forbids dropped, everything else up to the stack. The same
 * program, with `internal` set, runs on the workers' end of the internal veth pair, where the host's own packets come by.
 *
 * Two rules: what we cannot judge goes up (XDP_PASS), where the stack drops it or tc egress judges it again; what a policy
 * forbids is dropped and counted. RFC 4301 §5.1, §5.2; spec sections 13.3 to 13.6.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lib/lookup.h"
#include "bpf/lib/parse.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/stat.h"

/* Set before load. */
const volatile __u32 if_slot;	   /* of this interface in xi_if */
const volatile __u8 internal;	   /* the workers' end of the internal pair */
const volatile __u8 generic;	   /* attached in generic mode */
const volatile __u8 inject_mac[6]; /* source of frames that tc_inject handed to this interface */

#define GO_ON (-1)

static __always_inline int drop(__u32 reason)
{
	xi_count(reason);
	return XDP_DROP;
}

static __always_inline int pass(__u32 reason)
{
	xi_count(reason);
	return XDP_PASS;
}

static __always_inline int mac_is(const __u8 *at, const volatile __u8 *want)
{
	return at[0] == want[0] && at[1] == want[1] && at[2] == want[2] && at[3] == want[3] && at[4] == want[4] &&
	       at[5] == want[5];
}

#define AF_INET_ 2 /* for bpf_fib_lookup() */

/*
 * RFC 3704: what the stack would not forward for its source is not sealed either, or anybody on the WAN could send into the far LAN under an address
 * of the near one. Forwarding must be on, the source not one of ours, and where rp_filter is on the kernel's routes are asked for the way back
 * (they say no to a source of ours, too).
 */
static __always_inline int source_ok(struct xdp_md *ctx, const struct xi_pkt *k)
{
	struct bpf_fib_lookup fib = {.family = AF_INET_,
				     .ifindex = ctx->ingress_ifindex,
				     .ipv4_src = k->tuple.dst.w[0],
				     .ipv4_dst = k->tuple.src.w[0]};
	__u32 slot = if_slot;
	const struct xi_if *nic = bpf_map_lookup_elem(&xi_if, &slot);
	long rc;

	if (!nic)
		return 0;
	if (k->tuple.family != XI_IP4) /* no SA takes it: the worker drops it */
		return 1;
	if (nic->flags & XI_IF_NO_FORWARD)
		return 0;
	if (!(nic->flags & (XI_IF_RPF_STRICT | XI_IF_RPF_LOOSE)))
		return !xi_is_local(&k->tuple.src, k->tuple.family);
	rc = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	return (nic->flags & XI_IF_RPF_LOOSE) || fib.ifindex == ctx->ingress_ifindex;
}

/* Is the frame addressed to this interface? The address is looked up: the administrator may change it. */
static __always_inline int for_us(const __u8 *data)
{
	__u32 slot = if_slot;
	const struct xi_if *nic = bpf_map_lookup_elem(&xi_if, &slot);

	return nic && mac_is(data, nic->mac);
}

/* Puts the verdict in front of the packet and hands it to the worker of this queue. */
static __always_inline int to_worker(struct xdp_md *ctx, const struct xi_verdict *v)
{
	int in = v->dir == XI_DIR_IN;
	const __u8 *data = (const __u8 *)(long)ctx->data, *had = (const __u8 *)(long)ctx->data_meta;
	struct xi_verdict *at;
	__u32 queue = ctx->rx_queue_index;

	/* what a driver left in front (time stamps) makes room: the verdict stands right before the packet */
	if (bpf_xdp_adjust_meta(ctx, (int)(data - had) - (int)sizeof(*v)))
		return drop(in ? XI_DROP_IN_ERROR : XI_DROP_OUT_ERROR);
	at = (void *)(long)ctx->data_meta;
	if ((void *)(at + 1) > (void *)(long)ctx->data)
		return drop(in ? XI_DROP_IN_ERROR : XI_DROP_OUT_ERROR);
	*at = *v;
	if (queue >= XI_QUEUE_MAX ||
	    bpf_redirect_map(&xi_xsk, if_slot * XI_QUEUE_MAX + queue, XDP_DROP) != XDP_REDIRECT)
		return drop(in ? XI_DROP_IN_NO_WORKER : XI_DROP_OUT_NO_WORKER);
	xi_count(XI_TO_WORKER);
	return XDP_REDIRECT;
}

/* ESP or AH for an address of ours (RFC 4303 §3.4.1, RFC 4302 §3.4.1: reassembly comes before processing). */
static __always_inline int inbound_ipsec(struct xdp_md *ctx, const struct xi_pkt *k)
{
	const struct xi_spi_val *sa;
	struct xi_verdict v = {
		.dir = XI_DIR_IN, .l3_off = k->l3_off, .family = k->tuple.family, .if_slot = (__u8)if_slot};

	if (k->flags & XI_PKT_FRAGMENT) { /* whose it is shows when it is whole */
		v.flags = XI_VF_FRAG;
		return to_worker(ctx, &v);
	}
	if (!(k->flags & XI_PKT_SPI))
		return drop(XI_DROP_IN_HEADER);
	sa = xi_spi_find(k, XI_DIR_IN);
	if (!sa)
		return drop(XI_DROP_IN_NO_SA);
	v.slot = sa->slot;
	v.gen = sa->gen;
	return to_worker(ctx, &v);
}

/* Plaintext that arrived, against the policies with their roles swapped (spec 13.4). */
static __always_inline int inbound_policy(const struct xi_hit *hit)
{
	if (!hit->found)
		return GO_ON;
	if (hit->action == XI_ACTION_NONE || (hit->action == XI_ACTION_ENCRYPT && hit->level == XI_LEVEL_USE)) {
		xi_count_policy(hit, in_accepted);
		return GO_ON;
	}
	xi_count_policy(hit, in_dropped);
	return drop(hit->action == XI_ACTION_ENCRYPT ? XI_DROP_IN_PLAIN : XI_DROP_IN_BLOCKED);
}

/*
 * RFC 1812 §5.2.2: a router verifies the header checksum of what it forwards. The stack does; the worker does not look again.
 */
static __always_inline int header_sum_ok(const struct xdp_md *ctx, const struct xi_pkt *k)
{
	__u32 l3_off = k->l3_off & 31; /* at most 22: the mask tells the verifier */
	const __u8 *p = (const __u8 *)(long)ctx->data + l3_off, *end = (const __u8 *)(long)ctx->data_end;
	__u32 sum = 0, words;

	if (k->tuple.family != XI_IP4)
		return 1;
	if (p + XI_IP4_HLEN > end)
		return 0;
	words = p[0] & 15u;
	for (int i = 0; i < XI_IP4_HLEN / 2; i++)
		sum += *(const __u16 *)(p + 2 * i);
	p += XI_IP4_HLEN;
	for (__u32 i = 5; i < 15 && i < words; i++) { /* options */
		XI_OPAQUE(p); /* or the compiler computes with `end`, which the verifier forbids */
		if (p + 4 > end)
			return 0;
		sum += *(const __u16 *)p + *(const __u16 *)(p + 2);
		p += 4;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static __always_inline int seal(struct xdp_md *ctx, const struct xi_find *f, __u64 sa)
{
	const struct xi_hit *hit = &f->hit[XI_DIR_OUT];
	struct xi_verdict v = {
		.slot = XI_REF_SLOT(sa),
		.gen = XI_REF_GEN(sa),
		.policy = hit->slot,
		.policy_gen = hit->gen,
		.l3_off = f->pkt.l3_off,
		.dir = XI_DIR_OUT,
		.flags = internal ? XI_VF_HOST : 0,
		.if_slot = (__u8)if_slot,
		.family = f->pkt.tuple.family,
	};

	return to_worker(ctx, &v);
}

/*
 * To be forwarded by this host. A frame for another MAC address (a capturing interface, a flooding switch) is not ours to send on a
 * second time; the stack would drop it too. But it might be ours under an address that this program does not know (changed while
 * xdp-ipsecd was down, a macvlan on top): so it goes up only when no policy wants it protected.
 */
static __always_inline int outbound(struct xdp_md *ctx, const struct xi_find *f, int ours)
{
	__u64 sa = 0;
	__u32 reason;

	if (f->pkt.ttl <= 1)
		return pass(XI_PASS_TTL); /* the stack answers and does not forward */
	reason = xi_out_decide(&f->hit[XI_DIR_OUT], &sa);
	if (reason < XI_PASS_BASE)
		return drop(reason);
	if (reason != XI_TO_WORKER)
		return pass(reason);
	if (!ours)
		return drop(XI_DROP_OUT_OTHERHOST);
	if (!source_ok(ctx, &f->pkt))
		return drop(XI_DROP_OUT_SOURCE);
	if (!header_sum_ok(ctx, &f->pkt))
		return pass(XI_PASS_MALFORMED);
	return seal(ctx, f, sa);
}

/*
 * On the internal pair: tc egress found a policy with an SA for this packet a moment ago. If that no longer holds it is dropped:
 * from here nothing finds its way back to the interface it was to leave by.
 */
static __always_inline int host_packet(struct xdp_md *ctx, struct xi_find *f, enum xi_parse parsed)
{
	__u32 reason, quoted = 0;
	__u64 sa = 0;

	if (parsed == XI_PARSE_NOT_IP)
		return drop(XI_PASS_NOT_IP); /* the kernel's own chatter on the pair: nobody misses it */
	if (parsed != XI_PARSE_OK)
		return drop(XI_DROP_OUT_MODE);
	if (xi_find(f, XI_WANT(XI_DIR_OUT)))
		return drop(XI_DROP_OUT_LOOKUP);
	reason = xi_out_decide(&f->hit[XI_DIR_OUT], &sa);
	if (reason >= XI_PASS_BASE && reason != XI_TO_WORKER)
		sa = xi_quoted_sa(f, (const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end, &quoted);
	if (sa)
		return seal(ctx, f, sa);
	if (reason >= XI_PASS_BASE)
		reason = quoted ? quoted : XI_DROP_OUT_POLICY_DEAD;
	return drop(reason);
}

/* For an address of this host. GO_ON: plaintext, for the inbound policy. */
static __always_inline int local_packet(struct xdp_md *ctx, const struct xi_pkt *k)
{
	if (xi_is_ipsec(k))
		return inbound_ipsec(ctx, k);
	if (xi_is_udp(k) && xi_is_ike_port(k->tuple.dst_port))
		return pass(XI_PASS_IKE);
	return GO_ON;
}

SEC("xdp.frags")
int xi_xdp_ingress(struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
	struct xi_find f = {};
	enum xi_parse parsed;
	int many, local, ours, rc;

	parsed = xi_parse(&f.pkt, data, end,
			  (__u32)bpf_xdp_get_buff_len(ctx)); /* a jumbo frame goes on in further pages */
	if (internal)
		return host_packet(ctx, &f, parsed);
	if (parsed == XI_PARSE_NOT_IP || data + XI_ETH_HLEN > end)
		return pass(XI_PASS_NOT_IP);
	/* Generic XDP sees what tc_inject gives to this interface, too; the source address is a secret of this host. */
	if (generic && mac_is(data + 6, inject_mac))
		return XDP_PASS; /* counted by tc_inject */
	/* The stack drops each of these (ip_rcv, ip6_rcv_core look at the same fields): it cannot be forwarded. */
	if (parsed != XI_PARSE_OK)
		return pass(XI_PASS_MALFORMED);
	if (xi_is_link_message(&f.pkt))
		return pass(XI_PASS_ND);
	ours = for_us(data);
	many = xi_is_multicast(&f.pkt.tuple);
	local = many || xi_is_local(&f.pkt.tuple.dst, f.pkt.tuple.family);
	if (local && !many) {
		rc = local_packet(ctx, &f.pkt);
		if (rc != GO_ON)
			return rc;
	}
	if (xi_find(&f, local ? XI_WANT(XI_DIR_IN) : XI_WANT(XI_DIR_IN) | XI_WANT(XI_DIR_OUT)))
		return drop(XI_DROP_IN_LOOKUP);
	rc = inbound_policy(&f.hit[XI_DIR_IN]);
	if (rc != GO_ON)
		return rc;
	if (local)
		return pass(many ? XI_PASS_MULTICAST : XI_PASS_LOCAL); /* what is forwarded meets tc egress */
	return outbound(ctx, &f, ours);
}

char _license[] SEC("license") = "Dual BSD/GPL";
