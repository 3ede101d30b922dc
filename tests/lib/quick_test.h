/* SPDX-License-Identifier: BSD-2-Clause */
/* The rig of a test file (tests/lib/quick_rig.h): each test makes r, teardown() ends it. */
#ifndef LIB_QUICK_TEST_H
#define LIB_QUICK_TEST_H

#include "tests/lib/quick_rig.h"

static struct rig *r;

static inline int teardown(void **state)
{
	(void)state;
	while (r && rig_work_one(r))
		; /* they belong to the engine */
	if (r)
		rig_free(r);
	r = NULL;
	return 0;
}

/* ISAKMP SAs of an end, and those of them that are established. */
static inline unsigned isakmps(unsigned end)
{
	unsigned n = 0;

	for (const struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next)
		n++;
	return n;
}

static inline unsigned established(unsigned end)
{
	unsigned n = 0;

	for (const struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next)
		n += sa->established_ns != 0;
	return n;
}

/* One ISAKMP SA and one pair of SAs on both ends, begun by `from`, with the same keys. */
static inline void is_up(unsigned from)
{
	const struct ike1 *a = r->end[from].k->sas, *b = r->end[!from].k->sas;

	assert_int_equal(established(0), 1);
	assert_int_equal(established(1), 1);
	assert_true(a->initiator);
	assert_false(b->initiator);
	assert_memory_equal(a->icookie, b->icookie, 8);
	assert_memory_equal(a->rcookie, b->rcookie, 8);
	assert_memory_equal(&a->k, &b->k, sizeof(a->k));
	assert_memory_equal(a->key, b->key, sizeof(a->key));
	assert_memory_equal(a->iv, b->iv, sizeof(a->iv));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_count(&r->end[i].sadb), 2);
		assert_int_equal(rig_unopened(r, i), 0);
	}
}

/* The oldest datagram from an end; r->n: none. */
static inline unsigned first_from(unsigned end)
{
	unsigned i = 0;

	while (i < r->n && r->q[i].from != end)
		i++;
	return i;
}

/* Both directions and the thread pool are as slow as they like; none overtakes itself. */
static inline void settle_in_an_order(uint32_t seed)
{
	while (r->n || r->n_jobs) {
		unsigned what;

		seed = seed * 1664525 + 1013904223;
		what = (seed >> 16) % 3;
		if (what == 2)
			(void)rig_work_one(r);
		else if (first_from(what) < r->n)
			rig_deliver(r, first_from(what));
	}
}

#endif
