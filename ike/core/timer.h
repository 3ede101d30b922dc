/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers of the engine: a heap, embedded in what they belong to; 10,000 peers have some 40,000. One thread. */
#ifndef IKE_CORE_TIMER_H
#define IKE_CORE_TIMER_H

#include "user/base/clock.h"
#include "user/base/util.h"

struct ike_timer {
	uint64_t at;	/* ns of CLOCK_BOOTTIME */
	uint32_t place; /* in the heap, from 1; 0 = not set */
	void (*fn)(struct ike_timer *t);
};

struct ike_timers {
	struct ike_timer **heap;
	uint32_t count, room;
};

/* Sets, or sets anew. -ENOMEM; never when it was set before, or has just fired. */
int timer_set(struct ike_timers *ts, struct ike_timer *t, uint64_t at);
void timer_clear(struct ike_timers *ts, struct ike_timer *t);
uint64_t timer_next(const struct ike_timers *ts); /* UINT64_MAX: none */
/* Calls fn of all that are due; each is cleared before. fn may set and clear any. */
void timer_run(struct ike_timers *ts, uint64_t now);
void timers_free(struct ike_timers *ts);

#endif
