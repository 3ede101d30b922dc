/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outer IPv4 header of a tunnel and what a tunnel does to the inner one: DSCP, ECN (RFC 6040), DF, TTL (RFC 4301
 * §5.1.2, spec section 15). Pure functions over header bytes; callers have checked that the bytes are there.
 */
#ifndef IPSEC_TUNNEL_H
#define IPSEC_TUNNEL_H

#include "bpf/abi/xi_drop.h"
#include "user/ipsec/ip4.h"

#define TUNNEL_HDR4 IP4_HDR /* bytes of the outer header: never any options (RFC 4301 §5.1.2.1) */
#define TUNNEL_TTL 64

/*
 * Writes the outer header at out: total length tot_len and ID in host order, protocol, TTL 64, DSCP and DF of the inner
 * packet, ECN in RFC 6040 normal mode, addresses in network order, checksum.
 */
void tunnel_outer4(uint8_t *out, const uint8_t *inner, uint16_t tot_len, uint16_t id, uint8_t proto, uint32_t src,
		   uint32_t dst);

/* RFC 1812 §5.3.1: one less, checksum mended. -1 when the TTL is used up (0 or 1): nothing is changed then. */
int tunnel_ttl4(uint8_t *inner) __must_check;

/* RFC 6040 §4.2: combines the outer TOS byte into the inner header. XI_OK or XI_DROP_IN_ECN. */
enum xi_drop tunnel_ecn4(uint8_t *inner, uint8_t outer_tos) __must_check;

#endif
