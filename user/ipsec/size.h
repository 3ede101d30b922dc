/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done when a packet does not fit: ICMP towards its sender, or IPv4 fragmentation. Pure functions. */
#ifndef IPSEC_SIZE_H
#define IPSEC_SIZE_H

#include "user/ipsec/pkt.h"

/*
 * ICMP destination unreachable, fragmentation needed (RFC 792, RFC 1191) for the IPv4 packet orig[orig_len], as
 * a complete IPv4 packet into out[cap]: from src (network order) to the sender of orig, carrying next-hop MTU mtu
 * and as much of orig as fits into 576 bytes in all (RFC 1812 §4.3.2.3). Returns its length, or 0 when RFC 1122
 * §3.2.2 forbids an answer (orig is a non-first fragment, an ICMP error, goes to multicast or broadcast, or has a
 * source that is no host) or cap is too small.
 */
size_t icmp4_too_big(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, uint32_t src, uint16_t mtu);

/*
 * Number of fragments the IPv4 packet p has to be cut into for mtu; 1 = fits; 0 = cannot (mtu below header + 8, header
 * not sound, or a fragment whose place lies behind 65535).
 */
unsigned frag4_count(const struct pkt *p, size_t mtu);

/*
 * Writes fragment i (0..count-1) of p into out (out->data set by the caller, tail is set; bounds by out->end). Options
 * that are not to be copied (RFC 791 copied flag) go into the first only. Checksums are right. DF is kept as it is: the
 * caller decides whether to cut. -ENOSPC when out is too small, -EINVAL when i is not one of the fragments. p is not
 * changed.
 */
int frag4_make(struct pkt *out, const struct pkt *p, size_t mtu, unsigned i);

#endif
