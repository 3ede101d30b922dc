/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outer header of a tunnel and what a tunnel does to the inner one: DSCP, ECN (RFC 6040), DF, hop limit, flow label (RFC 4301
 * §5.1.2, spec section 15), for either family inside either. Pure functions over header bytes; callers have checked that the bytes
 * are there.
 */
#ifndef IPSEC_TUNNEL_H
#define IPSEC_TUNNEL_H

#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_sa.h"
#include "user/ipsec/ip6.h"
#include "user/ipsec/pkt.h"

#define TUNNEL_TTL 64
#define NH_IPV4 4 /* IPv4 in ESP or AH (RFC 4303 §2.6) */
#define NH_IPV6 41

/*
 * Writes the outer header at out, 20 or 40 bytes by sa->family: packet length tot_len and (IPv4) ID in host order, protocol proto, hop
 * limit 64, addresses of the SA, DSCP of the inner packet, ECN in RFC 6040 normal mode. DF is that of an inner IPv4 packet, set for an
 * IPv6 one; the flow label that of an inner IPv6 packet, else 0.
 */
void tunnel_outer(uint8_t *out, const uint8_t *inner, const struct xi_sa *sa, size_t tot_len, uint16_t id,
		  uint8_t proto);

/* RFC 1812 §5.3.1: one less, checksum mended. -1 when the TTL is used up (0 or 1): nothing is changed then. */
int tunnel_ttl4(uint8_t *inner) __must_check;

/* The same of the hop limit of IPv6 (RFC 8200 §3). */
int tunnel_hops6(uint8_t *inner) __must_check;

/* Traffic class (IPv4: TOS) of the header at ip. */
static inline uint8_t tunnel_class(const uint8_t *ip)
{
	return likely(ip[0] >> 4 == 4) ? ip[IP4_TOS] : (uint8_t)(u16_get(ip) >> 4);
}

/* tunnel_open() for one version. */
enum xi_drop tunnel_open4(struct pkt *p, uint8_t *inner, size_t len, uint8_t outer_class);
enum xi_drop tunnel_open6(struct pkt *p, uint8_t *inner, size_t len, uint8_t outer_class);

/*
 * Inbound: makes the inner packet of next header next, somewhere in inner[len], the packet p: version, lengths; ECN combined with the
 * outer traffic class (RFC 6040 §4.2). XI_OK, XI_DROP_IN_MODE or XI_DROP_IN_ECN; p is changed only when XI_OK.
 */
static inline enum xi_drop tunnel_open(struct pkt *p, uint8_t *inner, size_t len, uint8_t next, uint8_t outer_class)
{
	if (likely(next == NH_IPV4))
		return tunnel_open4(p, inner, len, outer_class);
	return next == NH_IPV6 ? tunnel_open6(p, inner, len, outer_class) : XI_DROP_IN_MODE;
}

#endif
