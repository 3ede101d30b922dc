/* SPDX-License-Identifier: BSD-2-Clause */
/* The one monotonic clock: CLOCK_BOOTTIME, so that SA lifetimes run through suspend and never step (spec 14.2). */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#endif
