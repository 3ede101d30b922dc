/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every frame that arrives on an attached interface: ESP and AH for this host to the worker that opens it, plaintext that
 * a policy protects to the worker that seals it, what a policy forbids dropped, everything else up to the stack. The same
 * program, with `internal` set, runs on the workers' end of the internal veth pair, where the host's own packets come by.
 *
 * Two rules: what we cannot judge goes up (XDP_PASS), where the stack drops it or tc egress judges it again; what a policy
 * forbids is dropped and counted. RFC 4301 §5.1, §5.2; spec sections 13.3 to 13.6.
 *
 * A packet may consist of several buffers ("xdp.frags"): only the first one is read here, and the headers must be in it.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lib/frag.h"
#include "bpf/lib/lookup.h"
#include "bpf/lib/parse.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/sample.h"
#include "bpf/lib/stat.h"

/* Set before load. */
const volatile __u32 if_slot;	   /* of this interface in xi_if */
const volatile __u8 internal;	   /* the workers' end of the internal pair */
const volatile __u8 generic;	   /* attached in generic mode */
const volatile __u8 inject_mac[6]; /* source of frames that tc_inject handed to this interface */

#define GO_ON (-1)

static __always_inline int drop(__u32 reason)
{
	return DROPPED(reason); /* counted by xi_xdp_ingress() */
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

/*
 * The interface that the stack would say the frame came in by: this one, or the VLAN device of its tags. A tag with VLAN 0 only carries a
 * priority (IEEE 802.1Q §9.6, Table 9-2). 0: there is no such device; the stack takes the frame for somebody else's.
 */
static __noinline __u32 vlan_iif(struct xdp_md *ctx, __u32 l3_off)
{
	const __u8 *p = (const __u8 *)(long)ctx->data + XI_ETH_HLEN - 2, *end = (const __u8 *)(long)ctx->data_end;
	struct xi_vlan_key key = {.ifindex = ctx->ingress_ifindex};
	const __u32 *dev;

	if (p + 2 * XI_VLAN_HLEN > end)
		return 0;
	if (l3_off > XI_ETH_HLEN + XI_VLAN_HLEN) {
		key.vid[1] = *(const __be16 *)(p + XI_VLAN_HLEN + 2) & XI_SWAP16(0x0fff);
		key.proto[1] = key.vid[1] ? *(const __be16 *)(p + XI_VLAN_HLEN) : 0;
	}
	key.vid[0] = *(const __be16 *)(p + 2) & XI_SWAP16(0x0fff);
	key.proto[0] = *(const __be16 *)p;
	if (!key.vid[0]) {
		key.vid[0] = key.vid[1];
		key.proto[0] = key.proto[1];
		key.vid[1] = 0;
		key.proto[1] = 0;
	}
	if (!key.vid[0])
		return key.ifindex;
	dev = bpf_map_lookup_elem(&xi_vlan, &key);
	return dev ? *dev : 0;
}

static __always_inline __u32 iif_of(struct xdp_md *ctx, const struct xi_pkt *k)
{
	return k->l3_off == XI_ETH_HLEN ? ctx->ingress_ifindex : vlan_iif(ctx, k->l3_off);
}

#define AF_INET_ 2 /* for bpf_fib_lookup() */
#define AF_INET6_ 10

/* RFC 1122 §3.2.1.3: 0.0.0.0/8, 127.0.0.0/8. */
static __always_inline int stays_on_host(__be32 a)
{
	a &= XI_SWAP32(0xff000000);
	return !a || a == XI_SWAP32(0x7f000000);
}

/*
 * RFC 1812 §5.3.7, as in the stack's ip_route_input_slow(). RFC 4291 §2.5.2, §2.5.3, §2.5.6, §2.7; ip6_forward() has the same for
 * sources.
 */
static __always_inline int scope_ok(const struct xi_tuple *t)
{
	__be32 top = t->src.w[0] | t->src.w[1] | t->src.w[2];

	if (t->family == XI_IP4)
		return !stays_on_host(t->src.w[0]) && !stays_on_host(t->dst.w[0]) &&
		       (t->src.w[0] & XI_SWAP32(0xf0000000)) != XI_SWAP32(0xe0000000) && ~t->src.w[0];
	return (t->src.w[0] & XI_SWAP32(0xffc00000)) != XI_SWAP32(0xfe800000) &&
	       (t->dst.w[0] & XI_SWAP32(0xffc00000)) != XI_SWAP32(0xfe800000) &&
	       (t->src.w[0] & XI_SWAP32(0xff000000)) != XI_SWAP32(0xff000000) && (top || (t->src.w[3] & ~XI_SWAP32(1)));
}

/* Asks the kernel's routes for the way back to the source. Negative or BPF_FIB_LKUP_RET_*; *out: the interface it leaves by. */
static __noinline long way_back(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif, __u32 *out)
{
	struct bpf_fib_lookup fib = {.family = AF_INET_, .ifindex = iif};
	long rc;

	if (k->tuple.family == XI_IP4) {
		fib.ipv4_src = k->tuple.dst.w[0];
		fib.ipv4_dst = k->tuple.src.w[0];
	} else {
		fib.family = AF_INET6_;
		__builtin_memcpy(fib.ipv6_src, &k->tuple.dst, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &k->tuple.src, sizeof(fib.ipv6_dst));
	}
	rc = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	*out = fib.ifindex;
	return rc;
}

/*
 * RFC 3704: what the stack would not forward for its source is not sealed either, or anybody on the WAN could send into the far LAN under an address
 * of the near one. Forwarding must be on, the source not one of ours, and where rp_filter is on the kernel's routes are asked for the way back
 * (they say no to a source of ours, too). Linux has no rp_filter for IPv6: there the way back does not matter. A VLAN device has a
 * forwarding of its own, which the look-up knows.
 */
static __always_inline int source_ok(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif)
{
	__u32 slot = if_slot, flags, out = 0;
	const struct xi_if *nic = bpf_map_lookup_elem(&xi_if, &slot);
	int v4 = k->tuple.family == XI_IP4, tagged = k->l3_off != XI_ETH_HLEN;
	long rc;

	if (!nic)
		return 0;
	flags = nic->flags;
	if (!tagged && (flags & (v4 ? XI_IF_NO_FORWARD : XI_IF_NO_FORWARD6)))
		return 0;
	if (!scope_ok(&k->tuple))
		return 0;
	if (!v4 || !(flags & (XI_IF_RPF_STRICT | XI_IF_RPF_LOOSE))) {
		if (xi_is_local(&k->tuple.src, k->tuple.family))
			return 0;
		return !tagged || way_back(ctx, k, iif, &out) != BPF_FIB_LKUP_RET_FWD_DISABLED;
	}
	rc = way_back(ctx, k, iif, &out);
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	return (flags & XI_IF_RPF_LOOSE) || out == iif;
}

/* Is the frame addressed to this interface? The address is looked up: the administrator may change it. */
static __always_inline int for_us(const __u8 *data, const __u8 *end)
{
	__u32 slot = if_slot;
	const struct xi_if *nic = bpf_map_lookup_elem(&xi_if, &slot);

	return nic && data + XI_ETH_HLEN <= end && mac_is(data, nic->mac);
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

/*
 * ESP, AH or ESP in UDP for an address of ours. RFC 4303 §3.4.1, RFC 4302 §3.4.1: reassembly comes before processing.
 */
static __always_inline int inbound_ipsec(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif)
{
	int udp = k->natt == XI_NATT_ESP;
	const struct xi_spi_val *sa;
	struct xi_verdict v = {.dir = XI_DIR_IN,
			       .l3_off = k->l3_off,
			       .family = k->tuple.family,
			       .if_slot = (__u8)if_slot,
			       .flags = udp ? XI_VF_UDP : 0,
			       .iif = iif};

	if ((k->flags & XI_PKT_FRAGMENT) && !udp) { /* whose it is shows when it is whole */
		v.flags = XI_VF_FRAG;
		return to_worker(ctx, &v);
	}
	if (!udp && !(k->flags & XI_PKT_SPI))
		return drop(XI_DROP_IN_HEADER);
	sa = xi_spi_find(k, XI_DIR_IN);
	if (!sa)
		return drop(XI_DROP_IN_NO_SA);
	if (k->flags & XI_PKT_FRAGMENT) {
		v.flags |= XI_VF_FRAG;
		return to_worker(ctx, &v);
	}
	v.slot = sa->slot;
	v.gen = sa->gen;
	return to_worker(ctx, &v);
}

/* UDP port 4500 of ours with NAT traversal in use (RFC 3948 §2, spec 21). What is none of the three is nobody's. */
static __always_inline int natt_packet(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif)
{
	switch (k->natt) {
	case XI_NATT_ESP:
		return inbound_ipsec(ctx, k, iif);
	case XI_NATT_IKE:
		return pass(XI_PASS_IKE);
	case XI_NATT_KEEPALIVE: /* RFC 3948 §4: ignored */
		return drop(XI_KEEPALIVE);
	default:
		return drop(XI_DROP_IN_HEADER);
	}
}

/* The packet that an ICMP error quotes. Global: verified once. */
__noinline int xi_xdp_quoted(struct xdp_md *ctx, const struct xi_pkt *k, struct xi_pkt *q)
{
	if (!k || !q)
		return XI_QUOTED_NONE;
	return xi_parse_quoted(q, (const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end, k);
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

/*
 * RFC 4301 §8.2: an ICMP error that says our AH or ESP was too big goes to the worker, which knows what of the SA was sent of late.
 * GO_ON: anything else, for the stack.
 */
static __noinline int too_big(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif)
{
	struct xi_verdict v = {.dir = XI_DIR_IN,
			       .l3_off = k->l3_off,
			       .family = k->tuple.family,
			       .if_slot = (__u8)if_slot,
			       .flags = XI_VF_ICMP,
			       .iif = iif};
	const struct xi_spi_val *sa;
	struct xi_pkt q = {};

	if (xi_xdp_quoted(ctx, k, &q) != XI_QUOTED_TOO_BIG || !xi_is_local(&q.tuple.src, q.tuple.family))
		return GO_ON;
	if (!(q.flags & XI_PKT_SPI) && !(q.natt == XI_NATT_ESP && q.tuple.src_port == XI_PORT_NATT))
		return GO_ON;
	sa = xi_spi_find(&q, XI_DIR_OUT);
	if (!sa)
		return GO_ON;
	v.slot = sa->slot;
	v.gen = sa->gen;
	return to_worker(ctx, &v);
}

static __always_inline int seal(struct xdp_md *ctx, const struct xi_find *f, __u64 sa, __u32 iif)
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
		.iif = iif,
	};

	return to_worker(ctx, &v);
}

/* Spec 27.4: an answer of a translated connection, as tc egress has noted it: it is judged when the stack has translated it back. */
static __always_inline int is_nat_answer(const struct xi_pkt *k)
{
	struct xi_nat_key key = {.src = k->tuple.src, .dst = k->tuple.dst, .family = k->tuple.family};
	__u32 zero = 0;
	const struct xi_meta *meta = bpf_map_lookup_elem(&xi_meta, &zero);

	return meta && unlikely(*(const volatile __u32 *)&meta->nat_back) && bpf_map_lookup_elem(&xi_nat, &key);
}

/*
 * To be forwarded by this host. A frame for another MAC address (a capturing interface, a flooding switch) is not ours to send on a
 * second time; the stack would drop it too. But it might be ours under an address that this program does not know (changed while
 * xdp-ipsecd was down, a macvlan on top): so it goes up only when no policy wants it protected. The same of a VLAN without a device.
 */
static __always_inline int outbound(struct xdp_md *ctx, struct xi_find *f, int ours, __u32 iif)
{
	__u64 sa = 0;
	__u32 reason;
	int rc;

	if (f->pkt.ttl <= 1)
		return pass(XI_PASS_TTL); /* the stack answers and does not forward */
	if (is_nat_answer(&f->pkt))
		return pass(XI_PASS_NAT);
	reason = xi_out_decide(&f->hit[XI_DIR_OUT], 0, &sa);
	/* The policies changed between search and use: judged anew, arrival and departure by the same ones. */
	for (int i = 1; i < XI_JUDGE_TRIES && reason == XI_DROP_OUT_POLICY_DEAD; i++) {
		if (xi_find(f, XI_WANT(XI_DIR_IN) | XI_WANT(XI_DIR_OUT)))
			return drop(XI_DROP_OUT_LOOKUP);
		rc = inbound_policy(&f->hit[XI_DIR_IN]);
		if (rc != GO_ON)
			return rc;
		reason = xi_out_decide(&f->hit[XI_DIR_OUT], 0, &sa);
	}
	if (reason < XI_PASS_BASE)
		return drop(reason);
	if (reason != XI_TO_WORKER)
		return pass(reason);
	if (!ours)
		return drop(XI_DROP_OUT_OTHERHOST);
	if (!source_ok(ctx, &f->pkt, iif))
		return drop(XI_DROP_OUT_SOURCE);
	if (!header_sum_ok(ctx, &f->pkt))
		return pass(XI_PASS_MALFORMED);
	return seal(ctx, f, sa, iif);
}

/* What a first fragment for this host is, besides plaintext (spec 13.5): XI_FRAG_*. */
static __always_inline __u32 first_says(const struct xi_pkt *k)
{
	if (k->tuple.dst_port != XI_PORT_NATT || !xi_natt_used())
		return 0;
	if (k->natt == XI_NATT_IKE)
		return XI_FRAG_IKE;
	return k->natt == XI_NATT_ESP && xi_spi_find(k, XI_DIR_IN) ? XI_FRAG_ESP : 0;
}

/* Is there a worker for this queue? */
static __always_inline int has_worker(const struct xdp_md *ctx)
{
	__u32 key = if_slot * XI_QUEUE_MAX + ctx->rx_queue_index;

	return ctx->rx_queue_index < XI_QUEUE_MAX && bpf_map_lookup_elem(&xi_xsk, &key);
}

/*
 * A later fragment of UDP for this host whose first one is not known: it may be of ESP in UDP, of which the stack would make nothing. So a worker
 * puts the datagram together and gives what is not IPsec to the stack, if there is a worker.
 */
static __always_inline int is_to_hold(const struct xdp_md *ctx, const struct xi_pkt *k)
{
	return (k->tuple.flags & XI_TUPLE_NO_PORTS) && !(k->tuple.flags & XI_TUPLE_NO_PROTO) &&
	       k->tuple.proto == XI_IPPROTO_UDP && xi_natt_used() && has_worker(ctx);
}

/*
 * Spec 13.6: a fragment is judged like the first one of its datagram. Returns what that one was, XI_FRAG_*. ours: its frame is for this
 * interface.
 */
static __always_inline __u32 fragment(const struct xdp_md *ctx, struct xi_pkt *k, int local, int trusted, int ours)
{
	__u32 says;

	if (k->flags & XI_PKT_LATER) {
		says = (__u32)xi_frag_follow(k);
		if (local && ours && !says && is_to_hold(ctx, k))
			says = (__u32)xi_frag_hold(k);
	} else {
		says = local ? first_says(k) : 0;
		if (trusted)
			says |= (__u32)xi_frag_note(k, says);
	}
	return local ? says : 0;
}

/* The SA of an ICMP error of the host's own about a packet of a tunnel, see xi_quoted_sa(). */
static __noinline __u64 quoted_sa(struct xdp_md *ctx, struct xi_find *f, __u32 *reason)
{
	struct xi_pkt q = {};

	*reason = 0;
	return xi_xdp_quoted(ctx, &f->pkt, &q) ? xi_quoted_sa(f, &q, reason) : 0;
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
	if (f->pkt.flags & XI_PKT_FRAGMENT)
		(void)fragment(ctx, &f->pkt, 0, 1, 0);
	if (xi_find(f, XI_WANT(XI_DIR_OUT)))
		return drop(XI_DROP_OUT_LOOKUP);
	reason = xi_out_judge(f, xi_is_multicast(&f->pkt.tuple), &sa);
	if (reason >= XI_PASS_BASE && reason != XI_TO_WORKER && xi_is_icmp(&f->pkt))
		sa = quoted_sa(ctx, f, &quoted);
	if (sa)
		return seal(ctx, f, sa, 0);
	if (reason >= XI_PASS_BASE)
		reason = quoted ? quoted : XI_DROP_OUT_POLICY_DEAD;
	return drop(reason);
}

/* To the worker that puts its datagram together. */
static __always_inline int hold(struct xdp_md *ctx, const struct xi_pkt *k, __u32 iif)
{
	const struct xi_verdict v = {.dir = XI_DIR_IN,
				     .l3_off = k->l3_off,
				     .family = k->tuple.family,
				     .if_slot = (__u8)if_slot,
				     .flags = XI_VF_FRAG,
				     .iif = iif};

	return to_worker(ctx, &v);
}

/* For an address of this host. says: XI_FRAG_* of its datagram. GO_ON: plaintext, for the inbound policy. */
static __always_inline int local_packet(struct xdp_md *ctx, const struct xi_pkt *k, __u32 says, __u32 iif)
{
	if ((says & XI_FRAG_HELD) && has_worker(ctx))
		return hold(ctx, k, iif);
	if (xi_is_ipsec(k) || (k->natt == XI_NATT_NONE && (says & XI_FRAG_ESP)))
		return inbound_ipsec(ctx, k, iif);
	if (!xi_is_udp(k))
		return GO_ON;
	if (xi_is_ike_port(k->tuple.dst_port) || (says & XI_FRAG_IKE))
		return pass(XI_PASS_IKE);
	if (k->natt && k->tuple.dst_port == XI_PORT_NATT && xi_natt_used())
		return natt_packet(ctx, k, iif);
	return GO_ON;
}

/* The whole packet's length where it has several buffers. Global: verified once; only what looks malformed asks. */
__noinline int xi_xdp_parse_long(struct xdp_md *ctx, struct xi_pkt *k)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
	__u32 len = (__u32)bpf_xdp_get_buff_len(ctx);

	if (!k || data + len <= end)
		return XI_PARSE_MALFORMED;
	__builtin_memset(k, 0, sizeof(*k));
	return xi_parse(k, data, end, len);
}

/*
 * May a first fragment speak for those that follow it (spec 13.6)? Not under an address that it cannot have by the way it came: a stranger's
 * would decide about the fragments of others.
 */
static __always_inline int may_speak(struct xdp_md *ctx, const struct xi_pkt *k, int local, __u32 iif)
{
	if (k->flags & XI_PKT_LATER)
		return 0;
	return local ? !xi_is_local(&k->tuple.src, k->tuple.family) : source_ok(ctx, k, iif);
}

/* An action, or DROPPED(reason). */
static __always_inline int ingress(struct xdp_md *ctx, struct xi_find *f)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
	enum xi_parse parsed;
	__u32 iif, says = 0;
	int many, local, rc;

	parsed = xi_parse(&f->pkt, data, end, (__u32)(end - data));
	if (unlikely(parsed == XI_PARSE_MALFORMED))
		parsed = xi_xdp_parse_long(ctx, &f->pkt);
	if (internal)
		return host_packet(ctx, f, parsed);
	data = (const __u8 *)(long)ctx->data;
	end = (const __u8 *)(long)ctx->data_end;
	if (parsed == XI_PARSE_NOT_IP || data + XI_ETH_HLEN > end)
		return pass(XI_PASS_NOT_IP);
	/* Generic XDP sees what tc_inject gives to this interface, too; the source address is a secret of this host. */
	if (generic && mac_is(data + 6, inject_mac))
		return XDP_PASS; /* counted by tc_inject */
	if (parsed == XI_PARSE_SHORT)
		return drop(XI_DROP_IN_ERROR); /* headers beyond the first buffer: sound, but not to be judged here */
	/* The stack drops each of these (ip_rcv, ip6_rcv_core look at the same fields): it cannot be forwarded. */
	if (parsed != XI_PARSE_OK)
		return pass(XI_PASS_MALFORMED);
	if (xi_is_link_message(&f->pkt))
		return pass(XI_PASS_ND);
	iif = iif_of(ctx, &f->pkt);
	many = xi_is_multicast(&f->pkt.tuple);
	local = many || xi_is_local(&f->pkt.tuple.dst, f->pkt.tuple.family);
	if (unlikely(f->pkt.flags & XI_PKT_FRAGMENT))
		says = fragment(ctx, &f->pkt, local && !many, may_speak(ctx, &f->pkt, local, iif), for_us(data, end));
	if (local && !many && iif) {
		rc = local_packet(ctx, &f->pkt, says, iif);
		if (rc != GO_ON)
			return rc;
	}
	if (xi_find(f, local ? XI_WANT(XI_DIR_IN) : XI_WANT(XI_DIR_IN) | XI_WANT(XI_DIR_OUT)))
		return drop(XI_DROP_IN_LOOKUP);
	rc = inbound_policy(&f->hit[XI_DIR_IN]);
	if (rc != GO_ON)
		return rc;
	/* Spec 13.4: what a router says in clear is judged like every other packet, before the worker learns from it. */
	if (local && !many && iif && xi_is_icmp(&f->pkt) && !(f->pkt.flags & XI_PKT_FRAGMENT)) {
		rc = too_big(ctx, &f->pkt, iif);
		if (rc != GO_ON)
			return rc;
	}
	if (many)
		return pass(XI_PASS_MULTICAST); /* what is forwarded meets tc egress */
	if (local)
		return pass(iif ? XI_PASS_LOCAL : XI_PASS_NO_VLAN);
	return outbound(ctx, f, iif && for_us((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end), iif);
}

SEC("xdp.frags")
int xi_xdp_ingress(struct xdp_md *ctx)
{
	struct xi_find f = {};
	int rc = ingress(ctx, &f);

	if (!IS_DROPPED(rc))
		return rc;
	xi_dropped(&f, DROP_REASON(rc), ctx->ingress_ifindex, (__u32)bpf_xdp_get_buff_len(ctx));
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
