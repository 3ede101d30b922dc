/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A negotiated pair (or, with AH and ESP, two pairs) of IPsec SAs and its life (spec section 14): soft limit and rekey, hard limit, Delete. Outlives the
 * ISAKMP SA that made it. Both IKE versions share it.
 */
#ifndef IKE_CORE_CHILD_H
#define IKE_CORE_CHILD_H

#include "ike/core/sadb.h"
#include "ike/core/timer.h"

struct ike1;

struct ike_child {
	struct ike *ike;
	struct ike_child *next, **pprev;
	struct ike1 *sa;      /* ISAKMP SA that Deletes and rekeys go under; NULL: find or make one */
	struct ike_path path; /* ends of the peers when made */
	struct ike_policy policy;
	uint64_t in[2], out[2]; /* XI_REF, 0 = gone; [1] AH of a bundle */
	__be32 in_spi[2], out_spi[2];
	uint8_t proto[2];		   /* XI_PROTO_*; [1] 0 = no bundle */
	uint8_t initiator;		   /* we started that phase 2 */
	uint8_t rekeyed;		   /* a successor is installed, or being negotiated */
	uint8_t soft;			   /* soft limit passed */
	uint64_t add_ns, soft_ns, hard_ns; /* moments; 0 = never */
	uint32_t life_s;
	struct ike_timer timer;	 /* soft, 95 %, hard, in that order */
	struct ike_timer linger; /* inbound SAs of one whose Delete came go 5 s later (spec 20.2) */
};

#endif
