/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the configuration asks of the maps: the policies to be in the SPD and the manual SAs to be in the SAD, as records of
 * bpf/abi without what the maps give (generation, slot, times). Building it also judges every item: ITEM_INACTIVE and the
 * reason (spec sections 3.5, 6.4, 9). Pure but for the route callback.
 */
#ifndef CONF_PLAN_H
#define CONF_PLAN_H

#include "user/conf/conf.h"

struct plan_sa {
	struct xi_sa sa; /* gen, state, add_ns, add_wall are 0 */
	uint32_t policy; /* id of the first policy that asks for it */
	uint32_t template_id;
};

struct plan_policy {
	struct xi_policy pol; /* gen, order and the references of SAs are 0 */
	int sa[2];	      /* index into sa[] by XI_DIR_*, -1 = none: the ESP SAs, or those of AH alone */
	int sa_ah[2];	      /* with both protocols: the AH SAs, else -1 */
};

struct plan {
	struct plan_policy *policy; /* in list order */
	unsigned policies;
	struct plan_sa *sa;
	unsigned sas;
	/* plan.c's own: sa[] by what must not stand twice */
	unsigned *first, *next; /* [buckets], [sas]: indices, PLAN_NONE = end */
	unsigned buckets;	/* a power of two */
};

/* The local address that the route to dst uses; 0 or -1 when there is none. */
typedef int (*plan_route_fn)(const struct ip_addr *dst, struct ip_addr *src);

/* Sets the flags of c's items and fills *p (free with plan_free()). -ENOMEM. */
int plan_build(struct plan *p, struct conf *c, plan_route_fn route) __must_check;
void plan_free(struct plan *p); /* wipes keys */

#endif
