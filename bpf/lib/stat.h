/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting: every way out of a program counts its reason, every decision of a policy counts with the policy. */
#ifndef XI_STAT_H
#define XI_STAT_H

#define unlikely(x) __builtin_expect(!!(x), 0)

#include "bpf/maps.h"

static __always_inline void xi_count(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&xi_stat, &reason);

	if (n)
		(*n)++; /* per CPU, and programs of one CPU do not interrupt each other */
}

/*
 * The counters of policy (slot, gen) on this CPU, or NULL. The first packet of a new generation starts them at zero; a packet
 * of a generation that is gone by now must not.
 */
static __always_inline struct xi_polstat *xi_polstat_of(__u32 slot, __u32 gen)
{
	struct xi_polstat *p = bpf_map_lookup_elem(&xi_polstat, &slot);

	if (!p || p->gen == gen)
		return p;
	if (p->gen && (__s32)(gen - (__u32)p->gen) < 0)
		return NULL;
	__builtin_memset(p, 0, sizeof(*p));
	p->gen = gen;
	return p;
}

#define xi_count_policy(hit, field)                                                                                    \
	do {                                                                                                           \
		struct xi_polstat *p_ = xi_polstat_of((hit)->slot, (hit)->gen);                                        \
		if (p_)                                                                                                \
			p_->field++;                                                                                   \
	} while (0)

#endif
