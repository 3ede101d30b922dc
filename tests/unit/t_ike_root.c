/* SPDX-License-Identifier: BSD-2-Clause */
/* The key process: more questions at once than its socket holds are all answered, in order; it ends when the daemon does (ike/daemon/rootproc.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"

#define MANY 1000

static struct daemon d = {.root_fd = -1, .lock_fd = -1};
static struct ike_sign s[MANY];
static unsigned wanted = MANY, n_done, out_of_order, other_rc;

static void (*behind_first)(void);

static void done(struct ike_sign *sign)
{
	out_of_order += sign != &s[n_done];
	other_rc += sign->rc != -ENOENT;
	if (++n_done == wanted)
		uv_stop(&d.loop);
	else if (behind_first)
		behind_first();
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void end(void)
{
	uv_walk(&d.loop, close_handle, NULL);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&d.loop), 0);
	root_close(&d);
}

static void ask(unsigned i)
{
	s[i] = (struct ike_sign){.name = "none", .text_len = 20, .done = done};
	root_sign(&d, &s[i]);
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
	for (unsigned i = 0; i < MANY; i++)
		ask(i);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_done, MANY);
	assert_int_equal(other_rc, 0);
	assert_int_equal(out_of_order, 0);
	end();
}

static void signal_and_ask(void)
{
	assert_int_equal(kill(0, SIGTERM), 0);
	assert_int_equal(kill(0, SIGINT), 0);
	ask(1);
}

/* What is sent to all processes of a service, or of a terminal, ends the daemon; the key process ends with it, not before. */
static void t_signals_to_the_group(void **state)
{
	struct err e;

	(void)state;
	n_done = other_rc = 0;
	wanted = 2;
	behind_first = signal_and_ask;
	d = (struct daemon){.root_fd = -1, .lock_fd = -1};
	assert_int_equal(setpgid(0, 0), 0);
	assert_int_equal(paths_init(&d.paths, "no-such-instance", XI_ABI_VERSION, &e), 0);
	assert_int_equal(root_fork(&d, &e), 0);
	assert_true(signal(SIGTERM, SIG_IGN) != SIG_ERR && signal(SIGINT, SIG_IGN) != SIG_ERR);
	assert_int_equal(uv_loop_init(&d.loop), 0);
	assert_int_equal(uv_timer_init(&d.loop, &d.timer), 0);
	assert_int_equal(root_start(&d, &e), 0);
	ask(0);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_done, 2);
	assert_int_equal(other_rc, 0);
	end();
}

/* The next daemon may start as soon as this one has ended: its key process, which ends a moment later, does not hold the lock. */
static void t_lock_is_the_daemons_alone(void **state)
{
	char path[] = "/tmp/t_ike_root.XXXXXX";
	int fd = mkstemp(path), again = open(path, O_RDWR | O_CLOEXEC);
	struct err e;

	(void)state;
	assert_true(fd >= 0 && again >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	n_done = other_rc = 0;
	wanted = 1;
	behind_first = NULL;
	d = (struct daemon){.root_fd = -1, .lock_fd = fd};
	assert_int_equal(paths_init(&d.paths, "no-such-instance", XI_ABI_VERSION, &e), 0);
	assert_int_equal(root_fork(&d, &e), 0);
	assert_int_equal(uv_loop_init(&d.loop), 0);
	assert_int_equal(uv_timer_init(&d.loop, &d.timer), 0);
	assert_int_equal(root_start(&d, &e), 0);
	ask(0);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_done, 1);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(close(again), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_more_at_once_than_the_socket_holds),
		cmocka_unit_test(t_signals_to_the_group),
		cmocka_unit_test(t_lock_is_the_daemons_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
