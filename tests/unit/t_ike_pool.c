/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's thread pool: modp8192 with some peers delays no other one (spec section 2; ike/daemon/work.c). Counted, not timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"
#include "tests/lib/quick_rig.h"

#define SLOW 12 /* more than the pool has threads */

static struct daemon d;

static void open_loop(void)
{
	assert_int_equal(uv_loop_init(&d.loop), 0);
	assert_int_equal(uv_timer_init(&d.loop, &d.timer), 0);
}

static void close_loop(void)
{
	uv_close((uv_handle_t *)&d.timer, NULL);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&d.loop), 0);
}

/* --- the pool alone --- */
static sem_t go;
static unsigned n_done;

static void wait_for_go(struct ike_job *job)
{
	(void)job;
	while (sem_wait(&go))
		;
}

static void slow_done(struct ike_job *job)
{
	(void)job;
	n_done++;
}

static void nothing(struct ike_job *job)
{
	(void)job;
}

/* The slow ones wait for it. */
static void quick_done(struct ike_job *job)
{
	(void)job;
	assert_int_equal(n_done, 0);
	for (unsigned i = 0; i < SLOW; i++)
		assert_int_equal(sem_post(&go), 0);
}

static void t_a_thread_is_left_to_jobs_that_are_not_slow(void **state)
{
	struct ike_job job[SLOW + 1];

	(void)state;
	open_loop();
	assert_int_equal(sem_init(&go, 0, 0), 0);
	for (unsigned i = 0; i < SLOW; i++)
		job[i] = (struct ike_job){.run = wait_for_go, .done = slow_done, .slow = 1};
	job[SLOW] = (struct ike_job){.run = nothing, .done = quick_done};
	for (unsigned i = 0; i <= SLOW; i++)
		work_start(&d, &job[i]);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_done, SLOW);
	close_loop();
}

/* --- handshakes over it --- */
static void on_pool(void *ctx, struct ike_job *job)
{
	(void)ctx;
	work_start(&d, job);
}

static unsigned group;

static void conf(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].group = group_by_id(group);
}

static struct rig *begin(unsigned id)
{
	struct rig *it;
	struct ike_policy *p;

	group = id;
	it = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		it->end[i].env.work = on_pool;
	p = rig_policy(it, 0, 1);
	(void)rig_policy(it, 1, 1);
	rig_acquire(it, 0, p);
	return it;
}

static int is_up(const struct rig *it)
{
	return it->end[0].k->sas && it->end[0].k->sas->established_ns && fake_count(&it->end[0].sadb) == 2;
}

static unsigned up(struct rig *const *rig, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += (unsigned)is_up(rig[i]);
	return sum;
}

/* What is there arrives, then the loop takes what the threads have done. */
static void go_on(struct rig **rig, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rig_settle(rig[i]);
	(void)uv_run(&d.loop, UV_RUN_ONCE);
}

static void t_modp8192_delays_no_other_peer(void **state)
{
	struct rig *rig[SLOW + 1];

	(void)state;
	open_loop();
	for (unsigned i = 0; i < SLOW; i++)
		rig[i] = begin(18);
	rig[SLOW] = begin(31);
	while (!is_up(rig[SLOW]))
		go_on(rig, SLOW + 1);
	assert_in_range(up(rig, SLOW), 0, SLOW / 4); /* with jobs in order they are 7; that one was the last to begin */
	while (up(rig, SLOW) < SLOW)
		go_on(rig, SLOW + 1);
	for (unsigned i = 0; i <= SLOW; i++)
		rig_free(rig[i]);
	close_loop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_modp8192_delays_no_other_peer),
		cmocka_unit_test(t_a_thread_is_left_to_jobs_that_are_not_slow),
	};

	(void)alarm(120); /* where no thread is left the loop stands still */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
