/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6 packets for tests: a header, extension headers, a payload of known bytes. */
#ifndef LIB_IP6_PACKET_H
#define LIB_IP6_PACKET_H

#include "user/ipsec/ip6.h"

/* 2001:db8::N */
static inline void ip6_test_addr(uint8_t out[16], uint8_t n)
{
	static const uint8_t net[4] = {0x20, 0x01, 0x0d, 0xb8};

	memset(out, 0, 16);
	memcpy(out, net, 4);
	out[15] = n;
}

/* Writes a header from 2001:db8::1 to ::2 with len bytes behind it, which become known ones. Returns the length of the whole. */
static inline size_t ip6_test_packet(uint8_t *p, uint8_t proto, size_t len)
{
	memset(p, 0, IP6_HDR);
	p[0] = 0x60;
	u16_put(p + IP6_LEN, (uint16_t)len);
	p[IP6_NEXT] = proto;
	p[IP6_HOPS] = 64;
	ip6_test_addr(p + IP6_SRC, 1);
	ip6_test_addr(p + IP6_DST, 2);
	for (size_t i = 0; i < len; i++)
		p[IP6_HDR + i] = (uint8_t)(i * 11 + i / 256 + len);
	return IP6_HDR + len;
}

/* Puts an extension header of n bytes (8, 16 ...) full of padding in front of what the packet p[*len] has behind its IPv6 header. */
static inline void ip6_test_push(uint8_t *p, size_t *len, uint8_t proto, size_t n)
{
	memmove(p + IP6_HDR + n, p + IP6_HDR, *len - IP6_HDR);
	memset(p + IP6_HDR, 0, n);
	p[IP6_HDR] = p[IP6_NEXT];
	p[IP6_HDR + 1] = (uint8_t)(n / 8 - 1);
	if (proto != NH_ROUTING) { /* PadN (RFC 8200 §4.2) */
		p[IP6_HDR + 2] = 1;
		p[IP6_HDR + 3] = (uint8_t)(n - 4);
	}
	p[IP6_NEXT] = proto;
	*len += n;
	u16_put(p + IP6_LEN, (uint16_t)(*len - IP6_HDR));
}

#endif
