/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From plan to maps. What is there already stays: a policy with the same content keeps its slot and counters, an SA its
 * slot, sequence and replay state. New SAs come first, then the policies in one commit, then what is not wanted any more goes.
 */
#ifndef CLI_APPLY_H
#define CLI_APPLY_H

#include "user/conf/plan.h"
#include "user/maps/maps.h"

/*
 * Brings the plan into the maps under the SPD lock. c tells which items were edited (ITEM_EDITED): their expired SAs are installed
 * anew. On failure the maps are as they were.
 */
int apply_plan(struct maps *m, const struct plan *plan, const struct conf *c, struct err *e) __must_check;

/* Spec section 10, flush: manual SAs of the protocol (0 = all) are installed anew. */
int apply_flush(struct maps *m, unsigned proto, struct err *e) __must_check;

/*
 * Takes all other SAs of the protocol (0 = all) out, and generated policies that had one: for when xdp-iked does not run. The policies drop
 * or acquire from then on.
 */
int apply_flush_negotiated(struct maps *m, unsigned proto, struct err *e) __must_check;

/* Takes generated policies out by their generations, with their SAs (spec section 3.2). One that is gone already is no error. */
int apply_remove_generated(struct maps *m, const uint32_t *gens, unsigned n, struct err *e) __must_check;

/*
 * Remembers the sequence numbers of all manual SAs (seqmem_note_all()); warns when it cannot. Call before the maps may vanish, and
 * again when nobody sends any more.
 */
void apply_remember(struct maps *m);

/* The address that packets to dst leave with. */
int route_source(const struct ip_addr *dst, struct ip_addr *src);

#endif
