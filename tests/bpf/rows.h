/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the XDP program as rows: a packet, and the action and the one reason that must come of it. For one .c of a test program. */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

#include "tests/bpf/xdp_run.h"

enum { P = XDP_PASS, D = XDP_DROP, R = XDP_REDIRECT };

struct row {
	const char *name;
	struct packet p;
	uint32_t action;
	unsigned reason;
};

/* In this order; each counts exactly one reason. */
static inline void check_rows(int prog, const char *what, struct row *row, size_t n)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		struct outcome o = run_packet(prog, &row[i].p);

		if (o.action == row[i].action && o.reason == row[i].reason && o.counted == 1)
			continue;
		print_error("%s: %s: action %u reason %u (%s), expected %u, %u\n", what, row[i].name, o.action,
			    o.reason, o.reason ? reason_text(o.reason) : "none", row[i].action, row[i].reason);
		bad++;
	}
	assert_int_equal(bad, 0);
}

#endif
