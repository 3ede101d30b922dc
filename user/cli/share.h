/* SPDX-License-Identifier: BSD-2-Clause */
/* Spec section 6.2: policies of the same ends, mode and protocols share the SAs that were negotiated for one of them; level unique has its own. */
#ifndef CLI_SHARE_H
#define CLI_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/maps/maps.h"

struct share {
	const struct maps *m;
	uint32_t *slot; /* policies in force that have SAs to share, sorted by what they ask for */
	uint32_t n;
};

/* Among the policies with kept[slot]; under spd_lock(). 0 or -ENOMEM. share_free() in any case. */
int share_init(struct share *s, const struct maps *m, const uint8_t *kept) __must_check;
void share_free(struct share *s);
/* The SAs that a policy, not in force yet, shares with one that is; all 0: there are none. */
struct spd_sas share_find(const struct share *s, const struct xi_policy *p);

#endif
