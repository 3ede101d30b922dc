/* SPDX-License-Identifier: BSD-2-Clause */
/* Anti-replay window (RFC 4303 §3.4.3, RFC 6479): numbered steps, and random streams against a reading by brute force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/lib/esp_rig.h"
#include "user/ipsec/replay.h"

#define OK XI_OK
#define DUP XI_DROP_IN_REPLAY_DUP
#define OLD XI_DROP_IN_REPLAY_OLD
#define ZERO XI_DROP_IN_REPLAY_ZERO

struct step {
	uint64_t seq;
	enum xi_drop want;
};

static void run_steps(uint32_t window, const struct step *s, unsigned n)
{
	static struct xi_replay r;
	struct xi_sa_rt rt = {0};

	memset(&r, 0, sizeof(r));
	for (unsigned i = 0; i < n; i++) {
		enum xi_drop look = replay_check(&rt, &r, window, s[i].seq);
		enum xi_drop move = replay_update(&rt, &r, window, s[i].seq);

		if (look != s[i].want || move != s[i].want)
			fail_msg("window %u, step %u (number %llu): look %d, move %d, want %d", window, i + 1,
				 (unsigned long long)s[i].seq, look, move, s[i].want);
	}
}

static void t_rfc4303_3_4_3_window_steps(void **state)
{
	static const struct step w64[] = {
		{0, ZERO},
		{1, OK},
		{1, DUP},
		{9, OK},
		{8, OK},
		{7, OK},
		{7, DUP},
		{6, OK},
		{5, OK},
		{4, OK},
		{3, OK},
		{2, OK},
		{2, DUP},
		{64, OK},
		{65, OK},
		{1, OLD},
		{2, DUP},
		{10, OK},
		{66, OK},
		{2, OLD},
		{3, DUP},
		{129, OK},
		{65, OLD},
		{66, DUP},
		{67, OK},
		{128, OK},
		{128, DUP},
		{193, OK},
		{129, OLD},
		{130, OK},
		{1000, OK},
		{936, OLD},
		{937, OK},
		{999, OK},
		{1000, DUP},
		{0, ZERO},
		{1 << 30, OK},
		{1000, OLD},
		{(1 << 30) - 63, OK},
		{(1 << 30) - 64, OLD},
		{UINT32_MAX, OK},
		{UINT32_MAX, DUP},
		{UINT32_MAX - 63, OK},
		{UINT32_MAX - 64, OLD},
	};
	static const struct step w32[] = {
		{32, OK}, {1, OK}, {0, ZERO}, {33, OK}, {1, OLD}, {2, OK}, {64, OK}, {33, DUP}, {32, OLD}, {34, OK},
	};
	static const struct step w65536[] = {
		{65536, OK},  {1, OK},	    {65537, OK},   {1, OLD},	 {2, OK},      {2, DUP},
		{65600, OK},  {64, OLD},    {65, OK},	   {131136, OK}, {65600, OLD}, {65601, OK},
		{65601, DUP}, {262272, OK}, {196736, OLD}, {196737, OK}, {262271, OK},
	};

	(void)state;
	run_steps(64, w64, ARRAY_SIZE(w64));
	run_steps(32, w32, ARRAY_SIZE(w32));
	run_steps(65536, w65536, ARRAY_SIZE(w65536));
}

static void t_window_off_accepts_everything(void **state)
{
	static const struct step off[] = {{5, OK}, {5, OK}, {0, OK}, {1, OK}, {UINT32_MAX, OK}, {1, OK}};

	(void)state;
	run_steps(0, off, ARRAY_SIZE(off));
}

/* The model keeps every number it has ever accepted. */
#define MODEL_MAX 2000000

static enum xi_drop model(uint8_t *seen, uint64_t *top, uint32_t window, uint64_t seq)
{
	if (seq == 0)
		return ZERO;
	if (seq <= *top) {
		if (*top - seq >= window)
			return OLD;
		if (seen[seq])
			return DUP;
	}
	seen[seq] = 1;
	*top = seq > *top ? seq : *top;
	return OK;
}

/* Mostly forward, reordered around the edges of the window, sometimes a leap beyond the whole ring. */
static uint64_t next_seq(uint64_t *rng, uint64_t top, uint32_t window)
{
	uint64_t r = rig_rand(rng) >> 8, back;

	switch (r % 16) {
	case 0:
		return top + rig_rand(rng) % (2ull * window + 200);
	case 1:
		back = window - 4 + rig_rand(rng) % 8;
		return top > back ? top - back : 0;
	case 2:
		back = rig_rand(rng) % (window * 2ull);
		return top > back ? top - back : 0;
	case 3:
		return top;
	case 4:
		return r % 512 == 4 ? top + XI_REPLAY_WINDOW_MAX + rig_rand(rng) % 200 : top + 64;
	default:
		back = rig_rand(rng) % 20;
		return top + 3 > back ? top + 3 - back : 1;
	}
}

static void t_rfc6479_ring_equals_model(void **state)
{
	static const uint32_t window[] = {32, 64, 96, 1024, 65536};
	static struct xi_replay r;
	uint8_t *seen = malloc(MODEL_MAX);

	(void)state;
	assert_non_null(seen);
	for (unsigned w = 0; w < ARRAY_SIZE(window); w++) {
		for (uint64_t seed = 1; seed <= 8; seed++) {
			uint64_t top = 0, rng = seed * 7919, verdicts[4] = {0};
			struct xi_sa_rt rt = {0};

			memset(&r, 0, sizeof(r));
			memset(seen, 0, MODEL_MAX);
			for (unsigned i = 0; i < 100000; i++) {
				uint64_t seq = next_seq(&rng, top, window[w]);
				enum xi_drop want, look, move;

				if (seq >= MODEL_MAX)
					break;
				look = replay_check(&rt, &r, window[w], seq);
				move = replay_update(&rt, &r, window[w], seq);
				want = model(seen, &top, window[w], seq);
				if (look != want || move != want || rt.seq_top != top)
					fail_msg("window %u seed %llu step %u number %llu: %d/%d, want %d", window[w],
						 (unsigned long long)seed, i, (unsigned long long)seq, look, move,
						 want);
				verdicts[want == OK ? 0 : want - DUP + 1]++;
			}
			/* A stream that never meets a case proves nothing. */
			assert_true(verdicts[0] > 100 && verdicts[1] > 10 && verdicts[2] > 10);
		}
	}
	free(seen);
}

static void t_look_changes_nothing(void **state)
{
	static struct xi_replay r, before;
	struct xi_sa_rt rt = {.seq_top = 100};

	(void)state;
	r.word[1] = 0xff;
	before = r;
	for (uint64_t seq = 0; seq < 400; seq++)
		(void)replay_check(&rt, &r, 64, seq);
	assert_memory_equal(&r, &before, sizeof(r));
	assert_int_equal(rt.seq_top, 100);
}

static void t_lock_is_free_after_use(void **state)
{
	struct xi_sa_rt rt = {0};

	(void)state;
	replay_lock(&rt);
	assert_int_equal(rt.lock, 1);
	replay_unlock(&rt);
	assert_int_equal(rt.lock, 0);
}

/* Any worker may serve any SA: of all that see the same numbers exactly one accepts each. */
#define RACE_NUMBERS 200000

struct race {
	struct xi_sa_rt rt;
	struct xi_replay replay;
	unsigned accepted[RACE_NUMBERS + 1];
};

static void *race_run(void *arg)
{
	struct race *r = arg;

	for (unsigned seq = 1; seq <= RACE_NUMBERS; seq++) {
		replay_lock(&r->rt);
		if (replay_update(&r->rt, &r->replay, XI_REPLAY_WINDOW_MAX, seq) == XI_OK)
			r->accepted[seq]++;
		replay_unlock(&r->rt);
	}
	return NULL;
}

static void t_one_of_many_workers_accepts(void **state)
{
	static struct race r;
	pthread_t thread[3];
	unsigned missed = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, race_run, &r), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (unsigned seq = 1; seq <= RACE_NUMBERS; seq++) {
		assert_true(r.accepted[seq] <= 1);
		missed += !r.accepted[seq];
	}
	/* The first to come accepts, so nothing is lost. */
	assert_int_equal(missed, 0);
	assert_int_equal(r.rt.seq_top, RACE_NUMBERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc4303_3_4_3_window_steps), cmocka_unit_test(t_window_off_accepts_everything),
		cmocka_unit_test(t_rfc6479_ring_equals_model),	cmocka_unit_test(t_look_changes_nothing),
		cmocka_unit_test(t_lock_is_free_after_use),	cmocka_unit_test(t_one_of_many_workers_accepts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
