/* SPDX-License-Identifier: BSD-2-Clause */
/* The key process: more questions at once than its socket holds are all answered, in order (ike/daemon/rootproc.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "ike/daemon/daemon.h"

#define MANY 1000

static struct daemon d = {.root_fd = -1};
static struct ike_sign s[MANY];
static unsigned n_done, out_of_order, other_rc;

static void done(struct ike_sign *sign)
{
	out_of_order += sign != &s[n_done];
	other_rc += sign->rc != -ENOENT;
	if (++n_done == MANY)
		uv_stop(&d.loop);
}

static void t_more_at_once_than_the_socket_holds(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(paths_init(&d.paths, "no-such-instance", XI_ABI_VERSION, &e), 0);
	assert_int_equal(root_fork(&d, &e), 0);
	assert_int_equal(uv_loop_init(&d.loop), 0);
	assert_int_equal(uv_timer_init(&d.loop, &d.timer), 0);
	assert_int_equal(root_start(&d, &e), 0);
	for (unsigned i = 0; i < MANY; i++) {
		s[i] = (struct ike_sign){.name = "none", .text_len = 20, .done = done};
		root_sign(&d, &s[i]);
	}
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_done, MANY);
	assert_int_equal(other_rc, 0);
	assert_int_equal(out_of_order, 0);
	root_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_more_at_once_than_the_socket_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
