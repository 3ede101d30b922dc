/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 header bytes (RFC 8200): where the fields stand, and the checksum of what an IPv6 packet carries. Read and written by copies,
 * see ip4.h.
 */
#ifndef IPSEC_IP6_H
#define IPSEC_IP6_H

#include "user/ipsec/ip4.h"

#define IP6_HDR 40
#define IP6_LEN_MAX (IP6_HDR + 65535)
#define IP6_MTU_MIN 1280 /* RFC 8200 §5 */
#define IP6_FRAG_HDR 8

/* Byte offsets */
#define IP6_LEN 4 /* of what follows the header */
#define IP6_NEXT 6
#define IP6_HOPS 7
#define IP6_SRC 8
#define IP6_DST 24

/* Fragment header (RFC 8200 §4.5): next header, reserved, 13 bits of offset in units of 8 bytes with 2 reserved and M, ID */
#define IP6_FRAG_OFF 2
#define IP6_FRAG_ID 4
#define IP6_FRAG_M 0x0001      /* of the 16 bits at IP6_FRAG_OFF, host order */
#define IP6_FRAG_OFFSET 0xfff8 /* in bytes */

/* IANA protocol numbers of the extension headers (RFC 8200 §4, RFC 4302 §2.1) */
#define NH_HOP_BY_HOP 0
#define NH_ROUTING 43
#define NH_FRAGMENT 44
#define NH_DST_OPTIONS 60

/*
 * Ones' complement sum over the len bytes at p and the pseudo-header of RFC 8200 §8.1: 0xffff when the checksum within is right. To write
 * one, put 0 there and take the complement. src stands in front of dst, as in the header.
 */
static inline uint16_t ip6_upper_sum(const uint8_t *src_dst, uint8_t proto, const uint8_t *p, size_t len)
{
	return ip4_fold((uint64_t)ip4_sum(src_dst, 32) + ip4_sum(p, len) + htons((uint16_t)(len & 0xffff)) +
			htons((uint16_t)(len >> 16)) + htons(proto));
}

/* The length, header included, of a sound IPv6 header within len bytes (version, payload length), or 0. */
static inline size_t ip6_check(const uint8_t *ip, size_t len)
{
	size_t tot;

	if (len < IP6_HDR || ip[0] >> 4 != 6)
		return 0;
	tot = IP6_HDR + (size_t)u16_get(ip + IP6_LEN);
	return tot > len ? 0 : tot;
}

/* A place in a chain of headers. */
struct ip6_at {
	size_t off;	/* of the header that comes next */
	size_t next_at; /* of the byte that says which one that is */
	uint8_t proto;	/* what it says */
};

/* The start: behind the IPv6 header at ip, which has been checked. */
static inline struct ip6_at ip6_first(const uint8_t *ip)
{
	return (struct ip6_at){.off = IP6_HDR, .next_at = IP6_NEXT, .proto = ip[IP6_NEXT]};
}

/*
 * One step over a hop-by-hop, routing or destination options header of the packet ip[len]. 1 stepped; 0 another header comes next;
 * -1 cut short. A loop of steps ends: each takes 8 bytes at least.
 */
static inline int ip6_step(struct ip6_at *at, const uint8_t *ip, size_t len)
{
	size_t n;

	if (at->proto != NH_HOP_BY_HOP && at->proto != NH_ROUTING && at->proto != NH_DST_OPTIONS)
		return 0;
	if (len < at->off + 2)
		return -1;
	n = ((size_t)ip[at->off + 1] + 1) * 8;
	if (len - at->off < n)
		return -1;
	*at = (struct ip6_at){.off = at->off + n, .next_at = at->off, .proto = ip[at->off]};
	return 1;
}

#endif
