/* SPDX-License-Identifier: BSD-2-Clause */
/* Cutting a packet into fragments (RFC 791 §3.2, RFC 8200 §4.5). Pure functions. */
#ifndef IPSEC_FRAG_H
#define IPSEC_FRAG_H

#include "user/ipsec/pkt.h"

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
int frag4_make(struct pkt *out, const struct pkt *p, size_t mtu, unsigned i) __must_check;

/*
 * The same of an IPv6 packet that this host sends: only a source may cut (RFC 8200 §5), so p must not be a fragment already (0
 * fragments). The fragment header comes behind the last header that nodes on the way look at. id, host order, must differ from those of
 * other datagrams between the same addresses (RFC 8200 §4.5): it is the caller's.
 */
unsigned frag6_count(const struct pkt *p, size_t mtu);
int frag6_make(struct pkt *out, const struct pkt *p, size_t mtu, unsigned i, uint32_t id) __must_check;

#endif
