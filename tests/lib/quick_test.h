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

#endif
