/* SPDX-License-Identifier: BSD-2-Clause */
/* "Too big": RFC 792, 1191, 1122 §3.2.2, 1812 §4.3.2 for IPv4; RFC 4443 §2.4, §3.2 for IPv6 (see icmp.h). */
#include "user/ipsec/icmp.h"

#include "user/ipsec/icmp_priv.h"
#include "user/ipsec/ip6.h"

#define ICMP_TTL 64
#define ICMP_TOS 0xc0 /* RFC 1812 §4.3.2.5: precedence 6, internetwork control */

/* RFC 1122 §3.2.2: the ICMP messages that report an error, which no other error may answer. */
static int icmp_is_error(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Multicast, class E with broadcast, net 0 and loopback define no single host to answer. */
static int source4_is_host(const uint8_t *ip)
{
	uint8_t net = ip[IP4_SRC];

	return net != 0 && net != 127 && net < 224;
}

static int may_answer4(const uint8_t *ip, size_t len)
{
	size_t hdr;

	if (len < IP4_HDR || ip[0] >> 4 != 4)
		return 0;
	hdr = ip4_hdr_len(ip);
	if (hdr < IP4_HDR || hdr > len || !source4_is_host(ip) || ip[IP4_DST] >= 224)
		return 0;
	if (u16_get(ip + IP4_FRAG) & IP4_OFFSET)
		return 0;
	/* An ICMP packet whose type cannot be read may be an error. */
	return ip[IP4_PROTO] != ICMP_PROTO || (len > hdr && !icmp_is_error(ip[hdr]));
}

size_t icmp4_too_big(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, uint32_t src, uint16_t mtu)
{
	size_t quote = MIN(orig_len, (size_t)(ICMP4_PACKET_MAX - IP4_HDR - ICMP_HDR));
	size_t len = IP4_HDR + ICMP_HDR + quote;
	uint8_t *icmp = out + IP4_HDR;

	if (!may_answer4(orig, orig_len) || len > cap)
		return 0;
	memset(out, 0, IP4_HDR + ICMP_HDR);
	out[0] = 0x45;
	out[IP4_TOS] = ICMP_TOS;
	u16_put(out + IP4_LEN, (uint16_t)len);
	/* RFC 6864 §4.1: an atomic packet (DF, no fragment) needs no ID. */
	u16_put(out + IP4_FRAG, IP4_DF);
	out[IP4_TTL] = ICMP_TTL;
	out[IP4_PROTO] = ICMP_PROTO;
	be32_put(out + IP4_SRC, src);
	memcpy(out + IP4_DST, orig + IP4_SRC, 4);
	ip4_sum_put(out);
	icmp[0] = ICMP_UNREACH;
	icmp[1] = ICMP_FRAG_NEEDED;
	u16_put(icmp + 6, mtu); /* RFC 1191 §4 */
	memcpy(icmp + ICMP_HDR, orig, quote);
	be16_put(icmp + 2, (uint16_t)~ip4_sum(icmp, ICMP_HDR + quote));
	return len;
}

/* RFC 4443 §2.4 (e.6): unspecified and multicast are no single host; loopback never comes in from a link (RFC 4291 §2.5.3). */
static int source6_is_host(const uint8_t *ip)
{
	static const uint8_t zero[15];

	return ip[IP6_SRC] != 0xff && !(memcmp(ip + IP6_SRC, zero, 15) == 0 && ip[IP6_SRC + 15] <= 1);
}

/* RFC 4443 §2.4 (e.1), (e.2): no error about an error or a redirect, nor about what may be one. */
static int may_answer6(const uint8_t *ip, size_t len)
{
	struct ip6_at at;
	int step;

	if (len < IP6_HDR || ip[0] >> 4 != 6 || !source6_is_host(ip))
		return 0;
	at = ip6_first(ip);
	while ((step = ip6_step(&at, ip, len)) > 0)
		;
	if (step == 0 && at.proto == NH_FRAGMENT) {
		if (len < at.off + IP6_FRAG_HDR)
			return 0;
		if (u16_get(ip + at.off + IP6_FRAG_OFF) & IP6_FRAG_OFFSET)
			return ip[at.off] != ICMP6_PROTO;
		at.proto = ip[at.off];
		at.off += IP6_FRAG_HDR;
		while ((step = ip6_step(&at, ip, len)) > 0)
			;
	}
	if (step < 0)
		return 0;
	return at.proto != ICMP6_PROTO ||
	       (len > at.off && (ip[at.off] & ICMP6_INFORMATIONAL) && ip[at.off] != ICMP6_REDIRECT);
}

size_t icmp6_too_big(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, const struct xi_addr *src,
		     uint32_t mtu)
{
	size_t quote = MIN(orig_len, (size_t)(ICMP6_PACKET_MAX - IP6_HDR - ICMP_HDR));
	size_t len = IP6_HDR + ICMP_HDR + quote;
	uint8_t *icmp = out + IP6_HDR;

	if (!may_answer6(orig, orig_len) || len > cap)
		return 0;
	memset(out, 0, IP6_HDR + ICMP_HDR);
	out[0] = 0x60;
	u16_put(out + IP6_LEN, (uint16_t)(ICMP_HDR + quote));
	out[IP6_NEXT] = ICMP6_PROTO;
	out[IP6_HOPS] = ICMP_TTL;
	memcpy(out + IP6_SRC, src, 16);
	memcpy(out + IP6_DST, orig + IP6_SRC, 16);
	icmp[0] = ICMP6_PACKET_TOO_BIG;
	be32_put(icmp + 4, htonl(mtu));
	memcpy(icmp + ICMP_HDR, orig, quote);
	be16_put(icmp + 2, (uint16_t)~ip6_upper_sum(out + IP6_SRC, ICMP6_PROTO, icmp, ICMP_HDR + quote));
	return len;
}
