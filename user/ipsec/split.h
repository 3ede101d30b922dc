/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an IP packet is cut for transport mode (RFC 4303 §3.1.1, RFC 4302 §3.1.1), and walking to AH, ESP or UDP in one that arrived.
 * Pure functions; every length is checked against the bytes that are there.
 */
#ifndef IPSEC_SPLIT_H
#define IPSEC_SPLIT_H

#include "user/ipsec/ip6.h"

#define IP_FRONT_MAX                                                                                                   \
	16384 /* bytes of IP header and extension headers in front of AH, ESP or UDP; a longer chain is malformed */

struct ip_split {
	size_t len;	    /* bytes in front of the cut: IP header, options, extension headers that belong there */
	size_t next_at;	    /* the byte among them that names what stands behind the cut */
	const uint8_t *dst; /* final destination: that of the header, or the last one of a route that is not finished */
	uint8_t next;	    /* what it names */
	uint8_t family;	    /* XI_IP4, XI_IP6 */
};

/*
 * Outbound: the place for the header. IPv4: behind the options. IPv6: behind hop-by-hop options, routing headers and the destination
 * options in front of these. -1: not a whole and sound packet of exactly len bytes, a fragment, or a route whose end we do not know.
 */
int ip_split(const uint8_t *ip, size_t len, struct ip_split *s) __must_check;

/*
 * Inbound: walks over the headers of the sound packet ip[len] to the first that is no hop-by-hop, routing or destination options
 * header. -1: cut short, a fragment, or a route of which this host is not the end.
 */
int ip_walk(const uint8_t *ip, size_t len, struct ip6_at *at) __must_check;

/* Makes the IP header say that proto stands behind its headers and that the packet is len bytes long; mends its checksum. */
void ip_join(uint8_t *ip, size_t next_at, uint8_t proto, size_t len);

#define IP4_OPT_END 0

/*
 * Walks the options of an IPv4 header (RFC 791 §3.1): the length of the option at o, 0 at the end of the list, -1 malformed. Points *dst
 * to the final destination when the option is a source route that is not finished.
 */
int ip4_option(const uint8_t *o, const uint8_t *end, const uint8_t **dst) __must_check;

/* Type, and segments left, in a routing header (RFC 8200 §4.4); types 0 and 2 have a list of addresses from byte 8 on. */
#define RH_TYPE 2
#define RH_LEFT 3
#define RH_ADDR 8

/* Addresses in a routing header of type 0 or 2; -1: another type, or more segments left than addresses. */
int rh_addresses(const uint8_t *rh) __must_check;

#endif
