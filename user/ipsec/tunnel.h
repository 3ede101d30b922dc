/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outer IPv4 header of a tunnel and what a tunnel does to the inner one: DSCP, ECN (RFC 6040), DF, TTL (RFC 4301
 * §5.1.2, spec section 15). Pure functions over header bytes; callers have checked that the bytes are there.
 */
#ifndef IPSEC_TUNNEL_H
#define IPSEC_TUNNEL_H

#include <netinet/ip.h>

#include "bpf/abi/xi_drop.h"
#include "user/base/util.h"

#define TUNNEL_HDR4 20 /* bytes of the outer header: never any options */
#define TUNNEL_TTL 64

/* Sum of len bytes (even) in ones' complement, folded; 0xffff over a sound header. */
uint16_t ip4_sum(const void *p, size_t len);

/* A sound IPv4 header within len bytes: version, IHL, total length, checksum. Returns its length, or 0. */
size_t ip4_check(const uint8_t *p, size_t len);

/* Changes one 16-bit word of a header (both in network order) and mends its checksum (RFC 1624). */
void ip4_patch(struct iphdr *ip, uint16_t *word, uint16_t to);

/*
 * Writes the outer header at out: total length tot_len (host order), ID as given, protocol, TTL 64, DSCP and DF of the inner
 * packet, ECN in RFC 6040 normal mode, addresses in network order, checksum.
 */
void tunnel_outer4(uint8_t *out, const uint8_t *inner, size_t tot_len, uint16_t id, uint8_t proto, uint32_t src, uint32_t dst);

/* RFC 1812 §5.3.1: one less, checksum mended. -1 when the TTL is used up (0 or 1): nothing is changed then. */
int tunnel_ttl4(uint8_t *inner) __must_check;

/* RFC 6040 §4.2: combines the outer TOS byte into the inner header. XI_OK or XI_DROP_IN_ECN. */
enum xi_drop tunnel_ecn4(uint8_t *inner, uint8_t outer_tos) __must_check;

#endif
