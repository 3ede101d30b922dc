/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ICV of AH covers of the headers in front of it (see ah.h). */
#include "user/ipsec/ah.h"

#include "user/ipsec/split.h"

#define OPT6_PAD1 0
#define OPT6_MUTABLE 0x20 /* of an option's type: its data may change on the way (RFC 8200 §4.2) */

/* RFC 4302 appendix A1. Everything else, also what is not known, counts as mutable and is zeroed as a whole. */
static int immutable4(uint8_t type)
{
	switch (type) {
	case 0:	  /* end of list */
	case 1:	  /* no operation */
	case 130: /* security */
	case 133: /* extended security */
	case 134: /* commercial security */
	case 148: /* router alert */
	case 149: /* sender directed multi-destination delivery */
		return 1;
	default:
		return 0;
	}
}

static int zero4(uint8_t *ip, size_t len)
{
	uint8_t *o = ip + IP4_HDR, *end = ip + len;
	const uint8_t *dst = NULL;

	for (int n; (n = ip4_option(o, end, &dst)) != 0; o += n) {
		if (n < 0)
			return -1;
		/* RFC 4302 §3.3.3.1.1.1: the destination is mutable but predictable: the end of the route. */
		if (dst)
			memcpy(ip + IP4_DST, dst, 4);
		if (!immutable4(*o))
			memset(o, 0, (size_t)n);
	}
	ip[IP4_TOS] = 0;
	u16_put(ip + IP4_FRAG, 0);
	ip[IP4_TTL] = 0;
	u16_put(ip + IP4_SUM, 0);
	return 0;
}

/* RFC 4302 §3.3.3.1.2.2: the data of options that may change is zero, type and length stay. */
static int zero_options6(uint8_t *o, uint8_t *end)
{
	while (o < end) {
		if (*o == OPT6_PAD1) {
			o++;
			continue;
		}
		if (end - o < 2 || end - o - 2 < o[1])
			return -1;
		if (*o & OPT6_MUTABLE)
			memset(o + 2, 0, o[1]);
		o += 2 + o[1];
	}
	return 0;
}

/* RFC 4302 §3.3.3.1.2.3, RFC 2460 §4.4: each of the routers left swaps its address for the next; this is how it ends. */
static int finish_route6(uint8_t *ip, uint8_t *rh)
{
	int n, left = rh[RH_LEFT];
	uint8_t final[16], *first;

	if (!left)
		return 0;
	n = rh_addresses(rh);
	if (n < 0)
		return -1;
	first = rh + RH_ADDR + (size_t)(n - left) * 16;
	memcpy(final, rh + RH_ADDR + (size_t)(n - 1) * 16, 16);
	memmove(first + 16, first, (size_t)(left - 1) * 16);
	memcpy(first, ip + IP6_DST, 16);
	memcpy(ip + IP6_DST, final, 16);
	rh[RH_LEFT] = 0;
	return 0;
}

static int zero6(uint8_t *ip, size_t len)
{
	struct ip6_at at = ip6_first(ip);

	/* RFC 4302 §3.3.3.1.2.1: class, flow label, hop limit. */
	be32_put(ip, htonl(0x60000000));
	ip[IP6_HOPS] = 0;
	while (at.off < len) {
		uint8_t *hdr = ip + at.off, is = at.proto;
		int rc = ip6_step(&at, ip, len);

		if (rc <= 0)
			return -1;
		rc = is == NH_ROUTING ? finish_route6(ip, hdr) : zero_options6(hdr + 2, ip + at.off);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int ah_zero(uint8_t *ip, size_t len)
{
	return ip[0] >> 4 == 4 ? zero4(ip, len) : zero6(ip, len);
}
