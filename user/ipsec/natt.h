/* SPDX-License-Identifier: BSD-2-Clause */
/* ESP in UDP, inbound: RFC 3948. */
#ifndef IPSEC_NATT_H
#define IPSEC_NATT_H

#include "user/ipsec/in.h"

/* Where a packet came from, as its headers say. */
struct natt_source {
	struct xi_addr addr;
	__be16 port;
};

void natt_source(const struct pkt *p, const struct in_mark *m, struct natt_source *out);

/* Notes the source of a packet that verified, in rt->seen, unless a newer one has been seen. */
void natt_report(const struct ipsec_op *op, const struct natt_source *from);

/* RFC 3948 §3.1.2: the checksum of TCP, UDP and ICMPv6 anew, for the peer's was over other addresses. */
void natt_checksum(const struct pkt *p);

#endif
