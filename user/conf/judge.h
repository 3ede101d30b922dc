/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which items cannot work, and what of their values plan_build() needs as well. Private to user/conf: others call plan_build().
 * Everything is pure; -ENOMEM is the only error.
 */
#ifndef CONF_JUDGE_H
#define CONF_JUDGE_H

#include "user/conf/conf.h"

/* Sets ITEM_INACTIVE and the reason; the first reason stays. */
void judge_inactive(struct conf_item *it, const char *fmt, ...) __printf(2, 3);

/* Has the template an algorithm for the protocol (XI_PROTO_*) in that direction (XI_DIR_*)? */
bool judge_asks(const struct conf_msa *m, unsigned proto, int dir);

/* The far end of the SAs of an encrypt policy; family 0 when there is none. */
struct ip_addr judge_remote(const struct conf_policy *p);

/* The selectors of a policy as the maps have them. */
void judge_selector(struct xi_selector *s, const struct conf_policy *p);

/* All templates; flags of earlier runs are cleared. */
int judge_templates(struct conf *c) __must_check;
/* Spec 6.4: the later of two policies with equal selectors, of which those that are idle (ITEM_IDLE, or by their template) come last. */
int judge_duplicates(struct conf *c) __must_check;
/* Is that why it is inactive? */
bool judge_is_duplicate(const struct conf_item *it);
/* One enabled encrypt policy, after the templates. */
void judge_encrypt(const struct conf *c, struct conf_policy *p);

#endif
