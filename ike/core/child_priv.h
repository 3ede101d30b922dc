/* SPDX-License-Identifier: BSD-2-Clause */
/* Between child.c, child_life.c and child_start.c. */
#ifndef IKE_CORE_CHILD_PRIV_H
#define IKE_CORE_CHILD_PRIV_H

#include "ike/core/child.h"
#include "ike/core/engine.h"

#define CHILD_POLICY_MAX 64	/* children of one policy with one peer */
#define CHILD_GENERATED_MAX 512 /* children of generated policies with one address: a quarter of the default max-sas */
#define CHILD_LINGER_NS (5 * NS_PER_S) /* spec 20.2 */

void child_link(struct ike_child *c);
void child_unlink(struct ike_child *c);
void child_set_policy(struct ike_child *c, const struct ike_policy *p);
struct ike_child *child_by_pair(struct ike *k, uint32_t pair); /* pair 0: NULL */
/* Between the ends of p; with UDP the peer's port counts unless p has none. */
int child_same_pair(const struct ike_child *c, const struct ike_path *p);
/* Removes it and its SAs; tell: with Deletes. */
void child_end(struct ike_child *c, int tell);
/* Limits of time by *sa, from add_ns on, and the timer. */
int child_set_life(struct ike_child *c, uint64_t add_ns, const struct xi_sa *sa) __must_check;
/* No phase 1 watches over it: dpd-interval later it is looked at whether its peer is still there, and so on. */
void child_doubt(struct ike_child *c);

#endif
