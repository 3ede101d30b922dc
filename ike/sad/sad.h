/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer of SAs and dynamic policies: struct ike_sadb_ops over the pinned maps, for both IKE versions. One thread. SAs are published inbound first and
 * taken over outbound with one store; whoever dies between two stores leaves maps that the next writer repairs (user/maps) and sad_open() tidies.
 */
#ifndef IKE_SAD_SAD_H
#define IKE_SAD_SAD_H

#include "ike/core/sadb.h"
#include "user/maps/maps.h"

struct sad;

/* Their ctx points to a struct sad *: the first member of what the engine's environment has as ctx. */
extern const struct ike_sadb_ops sad_ops;

/*
 * m stays the caller's and must outlive it. Opens the SPD lock for good, so root may be given up afterwards. Repairs what an earlier daemon left half
 * made: larval SAs, SAs that no policy has, dynamic policies without SAs go; policies without SA get the best there is.
 */
int sad_open(struct sad **out, struct maps *m, struct err *e) __must_check;
void sad_close(struct sad *s); /* SAs stay; reserved SPIs are given back. NULL allowed */

/* Inbound SPIs that manual-sa items ask for (spec section 9), host order; never handed out from then on. Replaces the list before. -ENOMEM. */
struct sad_manual {
	uint8_t proto; /* XI_PROTO_* */
	uint32_t spi;
};
int sad_set_manual(struct sad *s, const struct sad_manual *list, unsigned n) __must_check;

/* The configuration changed, or an operator ended all: after acquires that failed the next packets ask again at once. */
void sad_ask_again(struct sad *s);

/* Source address towards a remote one by the kernel's routes; needs no privilege. -ENETUNREACH. */
int sad_source(const struct ike_addr *remote, struct ike_addr *local) __must_check;

#endif
