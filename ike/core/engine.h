/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the engine: what all its rooms share. */
#ifndef IKE_CORE_ENGINE_H
#define IKE_CORE_ENGINE_H

#include "ike/core/count.h"
#include "ike/core/ike.h"
#include "ike/core/timer.h"

struct ike1;
struct ike1_quick;
struct ike_child;

#define IKE_COOKIE_BUCKETS 4096
#define IKE_CHILD_BUCKETS 1024

struct ike {
	const struct ike_env *env;
	struct ike_conf *conf;
	struct ike_timers timers;
	struct ike1 *sas;			       /* ISAKMP SAs of IKEv1 */
	struct ike1 *by_cookie[IKE_COOKIE_BUCKETS];    /* by the initiator's cookie */
	struct ike_child *children[IKE_CHILD_BUCKETS]; /* by the address of the peer: child_bucket() */
	struct ike1_quick *waiting;		       /* phase 2s that wait for a phase 1 (ike/v1/quick.h) */
	uint8_t cookie_secret[32];
	uint64_t count[IKE_COUNT_MAX];
	struct ike_addr *contacted; /* remote addresses that INITIAL-CONTACT was sent to (spec 20.3) */
	unsigned n_contacted, contacted_room;
	struct ike1_halfopen *halfopen; /* ike/v1: half-open responders by source prefix (spec section 22) */
};

static inline uint64_t ike_now(const struct ike *k)
{
	return k->env->now(k->env->ctx);
}

void ike_log(const struct ike *k, enum log_level level, const char *fmt, ...) __printf(3, 4);

int ike_addr_eq(const struct ike_addr *a, const struct ike_addr *b);
/* "198.51.100.1", "198.51.100.1[500]"; return buf. */
const char *ike_addr_text(const struct ike_addr *a, char *buf, size_t size);
const char *ike_end_text(const struct ike_end *e, char *buf, size_t size);

#endif
