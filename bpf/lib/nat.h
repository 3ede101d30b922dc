/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet was before the host's NAT rewrote it, read from its conntrack entry, and making it that again (spec
 * 27.4). The helper for look-ups in conntrack knows only TCP and UDP, so the entry is taken from the skb itself; the shape of
 * the kernel's structs is relocated when the program is loaded (CO-RE).
 */
#ifndef XI_LIB_NAT_H
#define XI_LIB_NAT_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/parse.h"

#define XI_CORE __attribute__((preserve_access_index))

/* Of include/net/netfilter/nf_conntrack_tuple.h and nf_conntrack.h, the fields we read. */
union nf_inet_addr___xi {
	__u32 all[4];
} XI_CORE;

union nf_conntrack_man_proto___xi {
	__be16 all;
} XI_CORE;

struct nf_conntrack_man___xi {
	union nf_inet_addr___xi u3;
	union nf_conntrack_man_proto___xi u;
	__u16 l3num;
} XI_CORE;

struct nf_conntrack_tuple___xi {
	struct nf_conntrack_man___xi src;
	struct {
		union nf_inet_addr___xi u3;
		union {
			__be16 all;
		} u;
		__u8 protonum;
	} dst;
} XI_CORE;

struct nf_conntrack_tuple_hash___xi {
	struct nf_conntrack_tuple___xi tuple;
} XI_CORE;

struct nf_conn___xi {
	struct nf_conntrack_tuple_hash___xi tuplehash[2];
	unsigned long status;
} XI_CORE;

struct sk_buff___xi {
	unsigned long _nfct;
	unsigned char *head;
	__u16 network_header;
	unsigned int len;
} XI_CORE;

/* Linux 6.2. Weak: the call is dead code where `have_ct` says that there is none. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* Linux 6.0; of the same weakness. The kernel's type is only handed around. */
struct nf_conn {
	unsigned long status;
} XI_CORE;
struct bpf_ct_opts___xi {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 tuple__sz,
					 struct bpf_ct_opts___xi *opts, __u32 opts__sz) __ksym __weak;
extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *ct) __ksym __weak;

#define XI_CT_INFO 7u	   /* low bits of _nfct */
#define XI_CT_IS_REPLY 3   /* IP_CT_IS_REPLY: from here on the packet goes against the first one */
#define XI_CT_RELATED 1	   /* an error message about the connection */
#define XI_CT_RELATED_RE 4 /* the same against the first packet */
#define XI_CT_NAT 0x30ul   /* IPS_SRC_NAT, IPS_DST_NAT in nf_conn.status */

struct xi_nat {
	struct xi_addr src; /* before NAT, in one piece as in struct xi_tuple */
	struct xi_addr dst;
	__be16 src_port; /* or ICMP identifier */
	__be16 dst_port;
	__u8 proto;   /* of the connection */
	__u8 related; /* the packet is an ICMP error about it */
	__u8 reply;   /* it goes against the first packet */
	__u8 pad;
};

/*
 * The packet before NAT; of an ICMP error, the ends of the connection that it is about, as they were before NAT. 0, or -1: no connection
 * tracking saw it, or its connection is not translated.
 */
static __always_inline int xi_nat_read_kernel(const struct sk_buff___xi *kskb, struct xi_nat *n)
{
	const struct nf_conntrack_tuple___xi *t;
	unsigned long nfct = 0, status = 0;
	const struct nf_conn___xi *ct;
	__u32 info;

	if (bpf_core_read(&nfct, sizeof(nfct), &kskb->_nfct))
		return -1;
	ct = (const void *)(nfct & ~(unsigned long)XI_CT_INFO);
	info = (__u32)nfct & XI_CT_INFO;
	if (!ct || bpf_core_read(&status, sizeof(status), &ct->status) || !(status & XI_CT_NAT))
		return -1;
	t = info >= XI_CT_IS_REPLY ? &ct->tuplehash[1].tuple : &ct->tuplehash[0].tuple;
	n->reply = info >= XI_CT_IS_REPLY;
	n->related = info == XI_CT_RELATED || info == XI_CT_RELATED_RE;
	if (bpf_core_read(&n->src, sizeof(n->src), &t->src.u3.all) ||
	    bpf_core_read(&n->dst, sizeof(n->dst), &t->dst.u3.all) ||
	    bpf_core_read(&n->src_port, sizeof(n->src_port), &t->src.u.all) ||
	    bpf_core_read(&n->dst_port, sizeof(n->dst_port), &t->dst.u.all) ||
	    bpf_core_read(&n->proto, sizeof(n->proto), &t->dst.protonum))
		return -1;
	return 0;
}

static __always_inline int xi_nat_read(struct __sk_buff *skb, struct xi_nat *n)
{
	return xi_nat_read_kernel(bpf_cast_to_kern_ctx(skb), n);
}

static __always_inline int xi_same_addr(const struct xi_addr *a, const struct xi_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

static __always_inline int xi_has_ports(const struct xi_pkt *k)
{
	return !(k->tuple.flags & (XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO)) &&
	       (k->tuple.proto == XI_IPPROTO_TCP || k->tuple.proto == XI_IPPROTO_UDP);
}

#define XI_IP4_SUM 10 /* offsets in the headers */
#define XI_IP4_SRC 12
#define XI_IP6_SRC 8 /* the destination behind it */

/* Of the upper header: where the sum stands, and the ports (ICMP: the identifier); sum 0: none of it is touched. */
struct xi_l4 {
	__u16 sum, port;
	__u8 port_len; /* 4: both ports */
	__u8 pseudo;   /* the sum covers the addresses */
	__u8 flags;
};

/* 0, or -1 for an upper layer whose checksum covers the addresses in a way we do not know. */
static __always_inline int xi_l4_of(const struct xi_pkt *k, struct xi_l4 *l)
{
	if (k->flags & XI_PKT_LATER)
		return 0;
	if (k->tuple.flags & XI_TUPLE_NO_PROTO)
		return -1;
	switch (k->tuple.proto) {
	case XI_IPPROTO_TCP:
		*l = (struct xi_l4){.sum = 16, .port_len = 4, .pseudo = 1};
		return 0;
	case XI_IPPROTO_UDP:
		*l = (struct xi_l4){.sum = 6, .port_len = 4, .pseudo = 1, .flags = BPF_F_MARK_MANGLED_0};
		return 0;
	case XI_IPPROTO_ICMP:
		*l = (struct xi_l4){.sum = 2, .port = 4, .port_len = 2};
		return 0;
	case XI_IPPROTO_ICMPV6: /* RFC 4443 §2.3 */
		*l = (struct xi_l4){.sum = 2, .port = 4, .port_len = 2, .pseudo = 1};
		return 0;
	case XI_IPPROTO_UDPLITE:
	case XI_IPPROTO_DCCP:
		return -1;
	default:
		return 0;
	}
}

/* Ports or identifier, and the sum over them (RFC 1624). diff: what the addresses change in a sum. */
static __always_inline int xi_l4_undo(struct __sk_buff *skb, __u32 l4, const struct xi_l4 *l, const struct xi_nat *n,
				      __u32 diff)
{
	__be16 old[2] = {0}, new[2] = {n->src_port, n->dst_port};

	if (bpf_skb_load_bytes(skb, l4 + l->port, old, sizeof(old)))
		return -1;
	if (l->port_len == 2)
		new[1] = old[1];
	if (l->pseudo && bpf_l4_csum_replace(skb, l4 + l->sum, 0, diff, BPF_F_PSEUDO_HDR | l->flags))
		return -1;
	if (old[0] == new[0] && old[1] == new[1])
		return 0;
	if (bpf_l4_csum_replace(skb, l4 + l->sum, old[0], new[0], l->flags | 2) ||
	    bpf_l4_csum_replace(skb, l4 + l->sum, old[1], new[1], l->flags | 2) ||
	    bpf_skb_store_bytes(skb, l4 + l->port, new, sizeof(new), 0))
		return -1;
	return 0;
}

/*
 * Makes the packet what it was: addresses, ports or identifier, and the checksums that cover them. 0, or -1: it cannot be done, and the
 * packet may be half changed.
 */
static __always_inline int xi_nat_undo(struct __sk_buff *skb, const struct xi_pkt *k, const struct xi_nat *n)
{
	__u32 l3 = k->l3_off, diff;
	struct xi_l4 l = {0};

	if (n->related || n->proto != k->tuple.proto || xi_l4_of(k, &l))
		return -1;
	/* words that IPv4 has not are 0 in both */
	diff = (__u32)bpf_csum_diff((__be32 *)&k->tuple.src, 2 * sizeof(struct xi_addr), (__be32 *)&n->src,
				    2 * sizeof(struct xi_addr), 0);
	if (l.sum && xi_l4_undo(skb, k->l4_off, &l, n, diff))
		return -1;
	if (k->tuple.family == XI_IP6)
		return bpf_skb_store_bytes(skb, l3 + XI_IP6_SRC, &n->src, 2 * sizeof(struct xi_addr), 0) ? -1 : 0;
	if (bpf_l3_csum_replace(skb, l3 + XI_IP4_SUM, 0, diff, 0) ||
	    bpf_skb_store_bytes(skb, l3 + XI_IP4_SRC, &n->src, 4, 0) ||
	    bpf_skb_store_bytes(skb, l3 + XI_IP4_SRC + 4, &n->dst, 4, 0))
		return -1;
	return 0;
}

/*
 * The translation was undone, so answers come to the original address: conntrack would take them for the start of another connection
 * that collides with this one, and change their port or drop them. So it forgets this one. ICMP collides with nothing.
 */
static __always_inline void xi_nat_forget(struct __sk_buff *skb, const struct xi_nat *n, __u8 family)
{
	struct bpf_ct_opts___xi opts = {.netns_id = -1 /* ours */, .l4proto = n->proto};
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *ct;

	if (n->reply || (n->proto != XI_IPPROTO_TCP && n->proto != XI_IPPROTO_UDP))
		return;
	if (family == XI_IP4) {
		tuple.ipv4.saddr = n->src.w[0];
		tuple.ipv4.daddr = n->dst.w[0];
		tuple.ipv4.sport = n->src_port;
		tuple.ipv4.dport = n->dst_port;
		ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &n->src, sizeof(n->src));
		__builtin_memcpy(tuple.ipv6.daddr, &n->dst, sizeof(n->dst));
		tuple.ipv6.sport = n->src_port;
		tuple.ipv6.dport = n->dst_port;
		ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv6), &opts, sizeof(opts));
	}
	if (!ct)
		return;
	(void)bpf_ct_change_timeout(ct, 0);
	bpf_ct_release(ct);
}

#endif
