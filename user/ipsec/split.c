/* SPDX-License-Identifier: BSD-2-Clause */
/* The chain of headers of an IP packet: RFC 791 §3.1, RFC 8200 §4 (see split.h). */
#include "user/ipsec/split.h"

#include "bpf/abi/xi_abi.h"

#define IP4_OPT_NOP 1
#define IP4_OPT_LSRR 131
#define IP4_OPT_SSRR 137
#define IP4_ROUTE_PTR 2	 /* in a source route option: pointer, addresses from byte 3 on */
#define IP4_ROUTE_ADDR 3 /* the pointer counts from 1 */

/* RFC 791 §3.1: the last address of a source route that has not reached it yet. */
static int route_end(const uint8_t *o, const uint8_t **dst)
{
	size_t len = o[1];

	if (len < IP4_ROUTE_ADDR + 4 || (len - IP4_ROUTE_ADDR) % 4 != 0)
		return -1;
	if (o[IP4_ROUTE_PTR] <= len - 3)
		*dst = o + len - 4;
	return 0;
}

int ip4_option(const uint8_t *o, const uint8_t *end, const uint8_t **dst)
{
	if (o >= end || *o == IP4_OPT_END)
		return 0;
	if (*o == IP4_OPT_NOP)
		return 1;
	if (end - o < 2 || o[1] < 2 || o[1] > end - o)
		return -1;
	if ((*o == IP4_OPT_LSRR || *o == IP4_OPT_SSRR) && route_end(o, dst) < 0)
		return -1;
	return o[1];
}

static int split4(const uint8_t *ip, size_t len, struct ip_split *s)
{
	const uint8_t *o = ip + IP4_HDR;
	int n;

	if (ip4_check(ip, len) != len || (u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)))
		return -1;
	*s = (struct ip_split){.len = ip4_hdr_len(ip),
			       .next_at = IP4_PROTO,
			       .next = ip[IP4_PROTO],
			       .dst = ip + IP4_DST,
			       .family = XI_IP4};
	while ((n = ip4_option(o, ip + s->len, &s->dst)) > 0)
		o += n;
	return n;
}

int rh_addresses(const uint8_t *rh)
{
	int n = rh[1] / 2;

	if ((rh[RH_TYPE] != 0 && rh[RH_TYPE] != 2) || rh[1] % 2 != 0 || rh[RH_LEFT] > n)
		return -1;
	return n;
}

static int split6(const uint8_t *ip, size_t len, struct ip_split *s)
{
	struct ip6_at at = ip6_first(ip), cut = at;
	const uint8_t *dst = ip + IP6_DST;

	if (ip6_check(ip, len) != len)
		return -1;
	/* RFC 8200 §4.1: hop-by-hop options stand first or nowhere. */
	while ((at.proto == NH_HOP_BY_HOP && at.off == IP6_HDR) || at.proto == NH_ROUTING ||
	       at.proto == NH_DST_OPTIONS) {
		uint8_t is = at.proto;
		const uint8_t *hdr = ip + at.off;

		if (ip6_step(&at, ip, len) < 0)
			return -1;
		if (is == NH_ROUTING && hdr[RH_LEFT]) {
			int n = rh_addresses(hdr);

			if (n < 0)
				return -1;
			dst = hdr + RH_ADDR + (size_t)(n - 1) * 16;
		}
		/* Destination options go along only when a routing header follows. */
		if (is != NH_DST_OPTIONS)
			cut = at;
	}
	*s = (struct ip_split){.len = cut.off, .next_at = cut.next_at, .next = cut.proto, .dst = dst, .family = XI_IP6};
	return at.proto == NH_FRAGMENT || cut.off > IP_FRONT_MAX ? -1 : 0;
}

int ip_split(const uint8_t *ip, size_t len, struct ip_split *s)
{
	if (len < IP4_HDR)
		return -1;
	return ip[0] >> 4 == 6 ? (len < IP6_HDR ? -1 : split6(ip, len, s)) : split4(ip, len, s);
}

int ip_walk(const uint8_t *ip, size_t len, struct ip6_at *at)
{
	if (ip[0] >> 4 == 4) {
		*at = (struct ip6_at){.off = ip4_hdr_len(ip), .next_at = IP4_PROTO, .proto = ip[IP4_PROTO]};
		return (u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) ? -1 : 0;
	}
	*at = ip6_first(ip);
	for (;;) {
		const uint8_t *hdr = ip + at->off;
		uint8_t is = at->proto;
		int rc = ip6_step(at, ip, len);

		/* RFC 8200 §4.4: who still has segments left sends the packet on. */
		if (rc < 0 || (rc && is == NH_ROUTING && hdr[RH_LEFT]))
			return -1;
		if (!rc)
			return at->proto == NH_FRAGMENT || at->off > IP_FRONT_MAX ? -1 : 0;
	}
}

void ip_join(uint8_t *ip, size_t next_at, uint8_t proto, size_t len)
{
	ip[next_at] = proto;
	if (ip[0] >> 4 == 4) {
		u16_put(ip + IP4_LEN, (uint16_t)len);
		ip4_sum_put(ip);
	} else {
		u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	}
}
