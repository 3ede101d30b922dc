/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the first byte of an Ethernet frame to what the policies ask for (struct xi_tuple), the SPI, and the few fields
 * that decide what goes up to the stack. Plain C over two pointers, no helper and no map: the XDP program runs it on the
 * frame, the tc program on the linear part of an skb, tests/fuzz/f_xdp_parse.c in user space.
 *
 * Every function takes the position p, the end of the readable bytes, and `left`: how many bytes the datagram still has
 * by its own lengths, checked against the frame's. Less left than needed is the packet's own fault; readable bytes
 * ending earlier than that is XI_PARSE_SHORT, which only an skb with a short linear part can give.
 *
 * RFC 791, RFC 8200, RFC 4301 §4.4.1.1, RFC 4302 §2, RFC 4303 §2, RFC 3948 §2.
 */
#ifndef XI_PARSE_H
#define XI_PARSE_H

#include <linux/types.h>

#include "bpf/abi/xi_abi.h"
#include "bpf/abi/xi_policy.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum xi_parse {
	XI_PARSE_OK,
	XI_PARSE_NOT_IP,
	XI_PARSE_MALFORMED, /* an IP header the stack drops; with XI_PKT_ADDR the addresses could be read */
	XI_PARSE_SHORT,	    /* more bytes of the skb have to be made readable */
};

#define XI_PKT_ADDR 0x01     /* tuple.src and dst are set */
#define XI_PKT_FRAGMENT 0x02 /* part of a datagram */
#define XI_PKT_LATER 0x04    /* and not its first part */
#define XI_PKT_SPI 0x08	     /* ESP or AH whose SPI and sequence number are there */
#define XI_PKT_ICMP6 0x10    /* icmp_type is set */
#define XI_PKT_QUOTED 0x20   /* what an ICMP error quotes: may be cut anywhere behind its IP header */

/* RFC 3948 §2.1 to §2.3: what a UDP datagram from or to port 4500 is. */
enum xi_natt {
	XI_NATT_NONE,	   /* another port */
	XI_NATT_ESP,	   /* spi is set */
	XI_NATT_IKE,	   /* behind a non-ESP marker */
	XI_NATT_KEEPALIVE, /* one byte, 0xff */
	XI_NATT_SHORT,	   /* none of these: no SPI or sequence number */
};

struct xi_pkt {
	struct xi_tuple tuple;
	__be32 spi;    /* of ESP, AH, ESP in UDP */
	__u32 frag_id; /* of a fragment, as it stands in the header */
	__u16 l3_off;  /* from the first byte to the IP header */
	__u16 l4_off;  /* and to what tuple.proto says */
	__u8 ttl;      /* or hop limit */
	__u8 icmp_type;
	__u8 flags; /* XI_PKT_* */
	__u8 natt;  /* enum xi_natt */
};

#define XI_SWAP16(x) ((__be16)__builtin_bswap16((__u16)(x)))
#define XI_SWAP32(x) ((__be32)__builtin_bswap32((__u32)(x)))

/* Ethertypes, as they stand in the frame. */
#define XI_ETH_IP4 XI_SWAP16(0x0800)
#define XI_ETH_IP6 XI_SWAP16(0x86dd)
#define XI_ETH_8021Q XI_SWAP16(0x8100)
#define XI_ETH_8021AD XI_SWAP16(0x88a8)
#define XI_ETH_HLEN 14
#define XI_VLAN_HLEN 4
#define XI_UDP_HLEN 8
#define XI_PORT_NATT XI_SWAP16(4500)

/* IP protocols (IANA protocol numbers); ESP and AH are in xi_sa.h. */
#define XI_IPPROTO_HOPOPTS 0
#define XI_IPPROTO_TCP 6
#define XI_IPPROTO_UDP 17
#define XI_IPPROTO_DCCP 33
#define XI_IPPROTO_ROUTING 43
#define XI_IPPROTO_FRAGMENT 44
#define XI_IPPROTO_ESP 50
#define XI_IPPROTO_AH 51
#define XI_IPPROTO_ICMPV6 58
#define XI_IPPROTO_DSTOPTS 60
#define XI_IPPROTO_SCTP 132
#define XI_IPPROTO_UDPLITE 136

#define XI_IP4_HLEN 20
#define XI_IP6_HLEN 40
#define XI_IP6_EXT_MAX 8 /* extension headers we walk; senders use one or two */

static __always_inline __u16 xi_get16(const __u8 *p)
{
	return __builtin_bswap16(*(const __u16 *)p);
}

/* A UDP datagram from or to port 4500, its ports read. A first fragment and a quoted packet need not be whole. */
static __always_inline enum xi_parse xi_parse_natt(struct xi_pkt *k, const __u8 *p, const __u8 *end, __u32 left)
{
	__u32 len;

	k->natt = XI_NATT_SHORT;
	if (left < XI_UDP_HLEN)
		return XI_PARSE_OK;
	if (p + XI_UDP_HLEN > end)
		return XI_PARSE_SHORT;
	len = xi_get16(p + 4);
	if (len > left) {
		if (!(k->flags & (XI_PKT_FRAGMENT | XI_PKT_QUOTED)))
			return XI_PARSE_OK;
		len = left;
	}
	if (len < XI_UDP_HLEN + 1)
		return XI_PARSE_OK;
	if (p + XI_UDP_HLEN + 1 > end)
		return XI_PARSE_SHORT;
	if (len == XI_UDP_HLEN + 1 && p[XI_UDP_HLEN] == 0xff)
		k->natt = XI_NATT_KEEPALIVE;
	if (len < XI_UDP_HLEN + 4)
		return XI_PARSE_OK;
	if (p + XI_UDP_HLEN + 4 > end)
		return XI_PARSE_SHORT;
	k->spi = *(const __be32 *)(p + XI_UDP_HLEN);
	if (!k->spi)
		k->natt = XI_NATT_IKE;
	else if (len >= XI_UDP_HLEN + 8)
		k->natt = XI_NATT_ESP;
	return XI_PARSE_OK;
}

/* What stands behind the IP header or the last extension header. */
static __always_inline enum xi_parse xi_parse_upper(struct xi_pkt *k, const __u8 *p, const __u8 *end, __u32 left)
{
	__u32 need, spi_at = 0;

	if (k->flags & XI_PKT_LATER) {
		k->tuple.flags |= XI_TUPLE_NO_PORTS;
		return XI_PARSE_OK;
	}
	switch (k->tuple.proto) {
	case XI_IPPROTO_TCP:
	case XI_IPPROTO_UDP:
	case XI_IPPROTO_UDPLITE:
	case XI_IPPROTO_SCTP:
	case XI_IPPROTO_DCCP:
		if (left < 4) {
			k->tuple.flags |= XI_TUPLE_NO_PORTS;
			return XI_PARSE_OK;
		}
		if (p + 4 > end)
			return XI_PARSE_SHORT;
		k->tuple.src_port = *(const __be16 *)p;
		k->tuple.dst_port = *(const __be16 *)(p + 2);
		if (k->tuple.proto == XI_IPPROTO_UDP &&
		    (k->tuple.dst_port == XI_PORT_NATT || k->tuple.src_port == XI_PORT_NATT))
			return xi_parse_natt(k, p, end, left);
		return XI_PARSE_OK;
	case XI_IPPROTO_ICMPV6:
		if (left < 4 || k->tuple.family != XI_IP6)
			return XI_PARSE_OK;
		if (p + 4 > end)
			return XI_PARSE_SHORT;
		k->icmp_type = p[0];
		k->flags |= XI_PKT_ICMP6;
		return XI_PARSE_OK;
	case XI_IPPROTO_ESP: /* RFC 4303 §2: SPI, sequence number */
		need = 8;
		break;
	case XI_IPPROTO_AH: /* RFC 4302 §2: next header, length, reserved, SPI, sequence number */
		need = k->flags & XI_PKT_QUOTED ? 8 : 12; /* RFC 792: errors quote no less than 8 bytes */
		spi_at = 4;
		break;
	default:
		return XI_PARSE_OK;
	}
	if (left < need)
		return XI_PARSE_OK;
	if (p + 12 > end && p + need > end)
		return XI_PARSE_SHORT;
	if (p + spi_at + 4 > end)
		return XI_PARSE_SHORT;
	k->spi = *(const __be32 *)(p + spi_at);
	k->flags |= XI_PKT_SPI;
	return XI_PARSE_OK;
}

static __always_inline enum xi_parse xi_parse_ip4(struct xi_pkt *k, const __u8 *p, const __u8 *end, __u32 left)
{
	__u32 hlen, total, frag;

	if (left < XI_IP4_HLEN)
		return XI_PARSE_MALFORMED;
	if (p + XI_IP4_HLEN > end)
		return XI_PARSE_SHORT;
	k->tuple.family = XI_IP4;
	k->tuple.src.w[0] = *(const __be32 *)(p + 12);
	k->tuple.dst.w[0] = *(const __be32 *)(p + 16);
	k->flags |= XI_PKT_ADDR;
	hlen = (p[0] & 15u) * 4;
	total = xi_get16(p + 2);
	if (total == 0 && left > 0xffff)
		total = left; /* one big TCP segment of the host's own, to be cut later (Linux 6.3) */
	if (p[0] >> 4 != 4 || hlen < XI_IP4_HLEN || total < hlen)
		return XI_PARSE_MALFORMED;
	if (total > left) {
		if (!(k->flags & XI_PKT_QUOTED))
			return XI_PARSE_MALFORMED;
		total = left < hlen ? hlen : left;
	}
	frag = xi_get16(p + 6);
	if (frag & 0x3fff) { /* more fragments, or an offset */
		k->flags |= XI_PKT_FRAGMENT;
		k->frag_id = *(const __u16 *)(p + 4);
	}
	if (frag & 0x1fff)
		k->flags |= XI_PKT_LATER;
	k->ttl = p[8];
	k->tuple.proto = p[9];
	k->l4_off = (__u16)(k->l3_off + hlen);
	return xi_parse_upper(k, p + hlen, end, total - hlen);
}

/* Keeps the compiler from making branches of arithmetic: each one doubles what the verifier has to walk. */
#define XI_OPAQUE(x) __asm__ volatile("" : "+r"(x))

/* 1 for the extension headers that are skipped, else 0. */
static __always_inline __u64 xi_is_ext(__u64 proto)
{
	__u64 set = 1ull << XI_IPPROTO_HOPOPTS | 1ull << XI_IPPROTO_ROUTING | 1ull << XI_IPPROTO_FRAGMENT |
		    1ull << XI_IPPROTO_DSTOPTS;
	__u64 low = (proto - 64) >> 63; /* 1 for 0..63 */

	XI_OPAQUE(low);
	return (set >> (proto & 63)) & low;
}

/*
 * RFC 4301 §4.4.1.1: hop-by-hop, routing, fragment and destination options headers are skipped; ESP and AH are the next
 * layer protocol. A chain that is too long or cut short hides the protocol (XI_TUPLE_NO_PROTO); a router forwards
 * such packets all the same, so they are judged, not called malformed.
 */
static __always_inline enum xi_parse xi_parse_ext(struct xi_pkt *k, const __u8 *p, const __u8 *end, __u32 left,
						  __u8 first)
{
	__u64 proto = first;
	__u32 off = k->l3_off + XI_IP6_HLEN;

	for (int i = 0; i < XI_IP6_EXT_MAX; i++) {
		__u64 is_frag, later, hlen;

		if (!xi_is_ext(proto)) {
			k->tuple.proto = (__u8)proto;
			k->l4_off = (__u16)off;
			return xi_parse_upper(k, p, end, left);
		}
		if (left < 8)
			break;
		if (p + 8 > end)
			return XI_PARSE_SHORT;
		is_frag = ((proto ^ XI_IPPROTO_FRAGMENT) - 1) >> 63;
		XI_OPAQUE(is_frag);
		/* an offset: what follows is the middle of something */
		later = is_frag & ((0ull - (xi_get16(p + 2) & 0xfff8u)) >> 63);
		XI_OPAQUE(later);
		k->flags |= (__u8)(is_frag * XI_PKT_FRAGMENT | later * XI_PKT_LATER);
		k->frag_id |= (__u32)(0 - is_frag) & *(const __u32 *)(p + 4);
		/* a fragment header has 8 bytes and no length of its own */
		hlen = ((p[1] & (is_frag - 1)) + 1) * 8;
		hlen &= 0xff8;
		proto = p[0];
		/* behind an offset only a protocol that comes last is what it says */
		if (hlen > left || (later & xi_is_ext(proto)))
			break;
		p += hlen;
		off += (__u32)hlen;
		left -= (__u32)hlen;
	}
	k->tuple.flags |= XI_TUPLE_NO_PROTO | XI_TUPLE_NO_PORTS;
	return XI_PARSE_OK;
}

static __always_inline enum xi_parse xi_parse_ip6(struct xi_pkt *k, const __u8 *p, const __u8 *end, __u32 left)
{
	__u32 payload;

	if (left < XI_IP6_HLEN)
		return XI_PARSE_MALFORMED;
	if (p + XI_IP6_HLEN > end)
		return XI_PARSE_SHORT;
	k->tuple.family = XI_IP6;
	for (int i = 0; i < 4; i++) {
		k->tuple.src.w[i] = *(const __be32 *)(p + 8 + 4 * i);
		k->tuple.dst.w[i] = *(const __be32 *)(p + 24 + 4 * i);
	}
	k->flags |= XI_PKT_ADDR;
	left -= XI_IP6_HLEN;
	payload = xi_get16(p + 4);
	if (payload == 0 && left > 0xffff)
		payload = left; /* as above; RFC 2675 jumbograms look the same */
	if (p[0] >> 4 != 6)
		return XI_PARSE_MALFORMED;
	if (payload > left) {
		if (!(k->flags & XI_PKT_QUOTED))
			return XI_PARSE_MALFORMED;
		payload = left;
	}
	k->ttl = p[7];
	return xi_parse_ext(k, p + XI_IP6_HLEN, end, payload, p[6]);
}

/*
 * k must be zero. len: bytes of the whole frame, of which data..end are readable. Up to two VLAN tags; a frame with
 * more is not IP to us, and no stack has interfaces for it by default.
 */
static __always_inline enum xi_parse xi_parse(struct xi_pkt *k, const __u8 *data, const __u8 *end, __u32 len)
{
	__u32 off = XI_ETH_HLEN;
	__be16 eth_proto;

	if (len < XI_ETH_HLEN)
		return XI_PARSE_NOT_IP;
	if (data + XI_ETH_HLEN > end)
		return XI_PARSE_SHORT;
	eth_proto = *(const __be16 *)(data + 12);
	for (int i = 0; i < 2; i++) {
		if (eth_proto != XI_ETH_8021Q && eth_proto != XI_ETH_8021AD)
			break;
		if (len < off + XI_VLAN_HLEN)
			return XI_PARSE_NOT_IP;
		if (data + off + XI_VLAN_HLEN > end)
			return XI_PARSE_SHORT;
		eth_proto = *(const __be16 *)(data + off + 2);
		off += XI_VLAN_HLEN;
	}
	k->l3_off = (__u16)off;
	if (eth_proto == XI_ETH_IP4)
		return xi_parse_ip4(k, data + off, end, len - off);
	if (eth_proto == XI_ETH_IP6)
		return xi_parse_ip6(k, data + off, end, len - off);
	return XI_PARSE_NOT_IP;
}

/* Is the destination multicast, or the limited broadcast? Broadcasts of a network are in xi_local. */
static __always_inline int xi_is_multicast(const struct xi_tuple *t)
{
	if (t->family == XI_IP4)
		return (t->dst.w[0] & XI_SWAP32(0xf0000000)) == XI_SWAP32(0xe0000000) ||
		       t->dst.w[0] == XI_SWAP32(0xffffffff);
	return (t->dst.w[0] & XI_SWAP32(0xff000000)) == XI_SWAP32(0xff000000);
}

/*
 * Messages that keep the link itself working and never leave it: neighbour discovery (RFC 4861: hop limit 255 proves that no
 * router passed it on) and multicast listener reports and queries (RFC 3810: hop limit 1). No policy, however wide,
 * may take them (RFC 4301 §5: traffic of the link's own needs a way around): IPv6 would stop.
 */
static __always_inline int xi_is_link_message(const struct xi_pkt *k)
{
	if (!(k->flags & XI_PKT_ICMP6) || (k->flags & XI_PKT_FRAGMENT))
		return 0;
	if (k->icmp_type >= 133 && k->icmp_type <= 137)
		return k->ttl == 255;
	return ((k->icmp_type >= 130 && k->icmp_type <= 132) || k->icmp_type == 143) && k->ttl == 1 &&
	       xi_is_multicast(&k->tuple);
}

#define XI_IPPROTO_ICMP 1
#define XI_ICMP_HLEN 8
#define XI_ICMP_OFF_MAX 1023 /* no sound error stands further behind in its packet */

static __always_inline int xi_is_icmp(const struct xi_pkt *k)
{
	__u8 proto = k->tuple.family == XI_IP4 ? XI_IPPROTO_ICMP : XI_IPPROTO_ICMPV6;

	return k->tuple.proto == proto && !(k->tuple.flags & XI_TUPLE_NO_PROTO) && !(k->flags & XI_PKT_LATER);
}

/* RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem. RFC 4443 §2.1: below 128. */
static __always_inline int xi_quotes(__u8 family, __u8 type)
{
	if (family == XI_IP6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

enum xi_quoted {
	XI_QUOTED_NONE, /* no ICMP error, or quotes too little */
	XI_QUOTED_ERROR,
	XI_QUOTED_TOO_BIG, /* RFC 1191 §4: type 3 code 4; RFC 4443 §3.2: type 2 */
	XI_QUOTED_REDIRECT,
};

#define XI_REDIRECT6 137

/*
 * RFC 4861 §4.5: the packet that a redirect is about is quoted in an option; its addresses stand in front: it is sent to the source, and names
 * the destination.
 */
static __always_inline enum xi_quoted xi_parse_redirect6(struct xi_pkt *q, const __u8 *icmp, const __u8 *end,
							 const struct xi_pkt *k)
{
	if (icmp + 8 + 2 * sizeof(struct xi_addr) > end)
		return XI_QUOTED_NONE;
	q->flags = XI_PKT_QUOTED;
	q->tuple.family = XI_IP6;
	q->tuple.flags = XI_TUPLE_NO_PROTO | XI_TUPLE_NO_PORTS;
	q->tuple.src = k->tuple.dst;
	__builtin_memcpy(&q->tuple.dst, icmp + 8 + sizeof(struct xi_addr), sizeof(struct xi_addr));
	return XI_QUOTED_REDIRECT;
}

/*
 * The packet that an ICMP error or redirect quotes: q, with as much of it as is there. k: the error, parsed; q must be zero.
 */
static __always_inline enum xi_quoted xi_parse_quoted(struct xi_pkt *q, const __u8 *data, const __u8 *end,
						      const struct xi_pkt *k)
{
	__u32 off = k->l4_off;
	enum xi_quoted what = XI_QUOTED_ERROR;
	enum xi_parse parsed;
	const __u8 *p;

	if (off > XI_ICMP_OFF_MAX || !xi_is_icmp(k))
		return XI_QUOTED_NONE;
	p = data + off;
	if (p + XI_ICMP_HLEN > end)
		return XI_QUOTED_NONE;
	if (k->tuple.family == XI_IP6 && p[0] == XI_REDIRECT6)
		return xi_parse_redirect6(q, p, end, k);
	if (!xi_quotes(k->tuple.family, p[0]))
		return XI_QUOTED_NONE;
	if (k->tuple.family == XI_IP4 ? p[0] == 3 && p[1] == 4 : p[0] == 2)
		what = XI_QUOTED_TOO_BIG;
	else if (k->tuple.family == XI_IP4 && p[0] == 5)
		what = XI_QUOTED_REDIRECT;
	p += XI_ICMP_HLEN;
	q->flags = XI_PKT_QUOTED;
	q->l3_off = (__u16)(off + XI_ICMP_HLEN);
	if (k->tuple.family == XI_IP4)
		parsed = xi_parse_ip4(q, p, end, (__u32)(end - p));
	else
		parsed = xi_parse_ip6(q, p, end, (__u32)(end - p));
	return parsed == XI_PARSE_OK ? what : XI_QUOTED_NONE;
}

_Static_assert(sizeof(struct xi_pkt) == 56, "no hidden padding: the verifier wants every byte set");

#endif
