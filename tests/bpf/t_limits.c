/* SPDX-License-Identifier: BSD-2-Clause */
/* Lifetimes of SAs (spec section 14): what workers refuse, what the main thread reports once and takes away. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/socket.h>

#include "user/base/clock.h"
#include "user/worker/limits.h"
#include "user/worker/worker.h"

#define T0 (1000 * NS_PER_S)

static struct maps *m;
static struct events *ev;
static int heard;
static struct worker w;
static struct sa_entry entries[8];

static int setup(void **state)
{
	int pair[2];
	struct err e;

	(void)state;
	m = sandbox_maps(8, 8);
	assert_ok(events_open(&ev, m, 1, &e), &e);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(events_subscribe(ev, pair[0], 0, 0), 0);
	heard = pair[1];
	memset(&w, 0, sizeof(w));
	memset(entries, 0, sizeof(entries));
	w.maps = m;
	w.sa = entries;
	w.now = T0;
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	close(heard);
	events_close(ev);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static struct xi_sa sa_of(uint32_t spi, uint8_t dir, uint8_t flags)
{
	return (struct xi_sa){.dir = dir,
			      .proto = XI_PROTO_ESP,
			      .mode = XI_MODE_TUNNEL,
			      .family = XI_IP4,
			      .flags = flags,
			      .spi = htonl(spi),
			      .add_ns = T0,
			      .src = ip4(192, 0, 2, 1),
			      .dst = ip4(192, 0, 2, 2)};
}

static uint64_t publish(const struct xi_sa *sa)
{
	uint64_t ref = 0;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, sa, 0, &ref, &e), &e);
	spd_unlock(m);
	return ref;
}

/* As sa_cache.c would have it. */
static struct sa_entry *cached(uint64_t ref)
{
	struct sa_entry *se = &entries[XI_REF_SLOT(ref)];

	se->gen = XI_REF_GEN(ref);
	se->usable = 1;
	se->sa = m->sad[XI_REF_SLOT(ref)];
	return se;
}

static struct xi_sa_rt *rt_of(uint64_t ref)
{
	return &m->sa_rt[XI_REF_SLOT(ref)];
}

/* "event:limit" of the next event that was published; "" = none. */
static const char *hear(void)
{
	static char text[64];
	char buf[4096];
	ssize_t n = recv(heard, buf, sizeof(buf), MSG_DONTWAIT);
	json_t *o = n > 0 ? json_loadb(buf, (size_t)n, 0, NULL) : NULL;
	const char *limit = json_string_value(json_object_get(o, "limit"));

	text[0] = '\0';
	if (o)
		(void)snprintf(text, sizeof(text), "%s:%s", json_string_value(json_object_get(o, "event")),
			       limit ? limit : "");
	json_decref(o);
	return text;
}

/* --- workers --- */

static void t_bytes_never_overshoot(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_OUT, XI_SA_F_MANUAL);
	struct sa_entry *se;
	uint64_t ref;

	(void)state;
	sa.hard_bytes = 1000;
	ref = publish(&sa);
	se = cached(ref);
	assert_int_equal(sa_state(&w, se), XI_SA_MATURE);
	assert_true(sa_account(&w, se, 1, 600));
	assert_false(sa_account(&w, se, 1, 401));
	assert_int_equal(rt_of(ref)->bytes, 600);
	assert_int_equal(rt_of(ref)->packets, 1);
	assert_int_equal(sa_state(&w, se), XI_SA_DEAD);
	assert_false(sa_account(&w, se, 1, 10)); /* would fit: dead is dead */
	assert_false(sa_account(&w, se, 1, SIZE_MAX));
	assert_int_equal(rt_of(ref)->bytes, 600);
	assert_int_equal(sad_state_rt(&m->sad[XI_REF_SLOT(ref)], rt_of(ref), T0), XI_SA_DEAD);
}

static void t_exactly_the_limit_passes(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_IN, XI_SA_F_MANUAL);
	struct sa_entry *se;

	(void)state;
	sa.hard_bytes = 1000;
	sa.hard_packets = 3;
	se = cached(publish(&sa));
	assert_true(sa_account(&w, se, 1, 500));
	assert_true(sa_account(&w, se, 1, 500));
	assert_int_equal(sa_state(&w, se), XI_SA_DEAD);
}

static void t_packets(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_IN, XI_SA_F_MANUAL);
	struct sa_entry *se;
	uint64_t ref;

	(void)state;
	sa.hard_packets = 3;
	ref = publish(&sa);
	se = cached(ref);
	for (int i = 0; i < 3; i++)
		assert_true(sa_account(&w, se, 1, 100));
	assert_int_equal(sa_state(&w, se), XI_SA_DEAD);
	assert_false(sa_account(&w, se, 1, 100));
	assert_int_equal(rt_of(ref)->packets, 3);
	assert_int_equal(rt_of(ref)->bytes, 300); /* what was refused is in neither count */
}

static void t_time(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_IN, XI_SA_F_MANUAL);
	struct sa_entry *se;

	(void)state;
	sa.soft_ns = 8 * NS_PER_S;
	sa.hard_ns = 10 * NS_PER_S;
	se = cached(publish(&sa));
	w.now = T0 + 8 * NS_PER_S - 1;
	assert_int_equal(sa_state(&w, se), XI_SA_MATURE);
	w.now++;
	assert_int_equal(sa_state(&w, se), XI_SA_DYING); /* and used on: spec 14.1 */
	w.now = T0 + 10 * NS_PER_S;
	assert_int_equal(sa_state(&w, se), XI_SA_DEAD);
}

/* An SA installed anew in the same slot does not inherit that its predecessor has refused a packet. */
static void t_renewed_is_mature(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_OUT, XI_SA_F_MANUAL);
	uint64_t ref, renewed;
	struct err e;

	(void)state;
	sa.hard_bytes = 1000;
	ref = publish(&sa);
	assert_false(sa_account(&w, cached(ref), 1, 1001));
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_renew(m, ref, &sa, &renewed, &e), &e);
	spd_unlock(m);
	assert_int_equal(sa_state(&w, cached(renewed)), XI_SA_MATURE);
	assert_true(sa_account(&w, cached(renewed), 1, 999));
}

#define ROUNDS 200000

static void *send_many(void *arg)
{
	struct worker mine = w;
	long passed = 0;

	for (int i = 0; i < ROUNDS; i++)
		passed += sa_account(&mine, arg, 1, 7);
	return (void *)passed;
}

static void t_workers_together(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_OUT, XI_SA_F_MANUAL);
	pthread_t other;
	void *theirs;
	long mine;
	uint64_t ref;

	(void)state;
	sa.hard_bytes = 7 * ROUNDS + 3;
	ref = publish(&sa);
	assert_int_equal(pthread_create(&other, NULL, send_many, cached(ref)), 0);
	mine = (long)send_many(cached(ref));
	assert_int_equal(pthread_join(other, &theirs), 0);
	assert_int_equal(mine + (long)theirs, ROUNDS);
	assert_int_equal(rt_of(ref)->bytes, 7 * ROUNDS);
}

/* --- main thread --- */

static void t_each_is_said_once(void **state)
{
	struct xi_sa sa = sa_of(0x100, XI_DIR_OUT, XI_SA_F_MANUAL);
	uint64_t ref;

	(void)state;
	sa.soft_ns = 8 * NS_PER_S;
	sa.hard_ns = 10 * NS_PER_S;
	ref = publish(&sa);
	limits_tick(m, ev, T0 + 7 * NS_PER_S);
	assert_string_equal(hear(), "");
	for (int i = 0; i < 3; i++)
		limits_tick(m, ev, T0 + 8 * NS_PER_S);
	assert_string_equal(hear(), "sa-soft:time");
	assert_string_equal(hear(), "");
	for (int i = 0; i < 3; i++)
		limits_tick(m, ev, T0 + 11 * NS_PER_S);
	assert_string_equal(hear(), "sa-hard:time");
	assert_string_equal(hear(), "");
	assert_non_null(sad_get(m, ref)); /* spec 9: a manual one stays, dead */
}

static void t_says_which_limit(void **state)
{
	struct xi_sa a = sa_of(0x100, XI_DIR_OUT, XI_SA_F_MANUAL), b = sa_of(0x101, XI_DIR_IN, XI_SA_F_MANUAL);
	uint64_t ra, rb;

	(void)state;
	a.soft_bytes = 800;
	a.hard_bytes = 1000;
	b.soft_packets = 8;
	b.hard_packets = 10;
	ra = publish(&a);
	rb = publish(&b);
	assert_true(sa_account(&w, cached(ra), 1, 900));
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-soft:bytes");
	assert_true(sa_account(&w, cached(rb), 8, 100));
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-soft:packets");
	assert_false(
		sa_account(&w, cached(ra), 1, 101)); /* the limit is not reached, but the packet was refused for it */
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-hard:bytes");
	assert_true(sa_account(&w, cached(rb), 2, 100));
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-hard:packets");
	assert_string_equal(hear(), "");
}

/* Spec 14.2, RFC 4303 §3.3.3: half of the numbers, 32 or 64 bits, outbound only. */
static void t_sequence(void **state)
{
	struct xi_sa a = sa_of(0x100, XI_DIR_OUT, 0), b = sa_of(0x101, XI_DIR_OUT, XI_SA_F_ESN),
		     c = sa_of(0x102, XI_DIR_IN, 0);
	uint64_t ra, rb, rc;

	(void)state;
	ra = publish(&a);
	rb = publish(&b);
	rc = publish(&c);
	rt_of(ra)->seq_out = (1ull << 31) - 1;
	rt_of(rb)->seq_out = 1ull << 32;
	rt_of(rc)->seq_top = rt_of(rc)->seq_out = 1ull << 31;
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "");
	rt_of(ra)->seq_out++;
	limits_tick(m, ev, T0);
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-sequence:");
	assert_string_equal(hear(), "");
	rt_of(rb)->seq_out = 1ull << 63;
	limits_tick(m, ev, T0);
	assert_string_equal(hear(), "sa-sequence:");
	assert_string_equal(hear(), "");
}

/* A policy that has the SA in a place of it; with both protocols also AH. */
static uint32_t policy_with(uint64_t out, uint64_t in, uint8_t protos)
{
	const struct spd_sas sas = {.out = out, .in = in};
	struct xi_policy pol = {.sel = {.family = XI_IP4},
				.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = XI_MODE_TUNNEL,
				.protos = protos};
	uint32_t slot = 0;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(spd_add(m, &pol, &slot, &e), &e);
	assert_ok(spd_commit(m, &e), &e);
	spd_set_sa(m, slot, &sas);
	spd_unlock(m);
	return slot;
}

/* Spec 14.1 and 14.2: one that IKE made vanishes; the policy has none then, and drops. */
static void t_dead_ones_go(void **state)
{
	struct xi_sa a = sa_of(0x100, XI_DIR_OUT, 0), b = sa_of(0x101, XI_DIR_IN, 0), c = sa_of(0x102, XI_DIR_IN, 0);
	uint64_t ra, rb, rc;
	uint32_t pol;

	(void)state;
	a.hard_ns = b.hard_ns = 10 * NS_PER_S;
	ra = publish(&a);
	rb = publish(&b);
	rc = publish(&c);
	pol = policy_with(ra, rb, XI_PROTOS_ESP);
	limits_tick(m, ev, T0 + 10 * NS_PER_S - 1);
	assert_true(m->spd[pol].sa_out == ra);
	limits_tick(m, ev, T0 + 10 * NS_PER_S);
	assert_null(sad_get(m, ra));
	assert_null(sad_get(m, rb));
	assert_non_null(sad_get(m, rc));
	assert_true(m->spd[pol].sa_out == 0);
	assert_true(m->spd[pol].sa_in == 0);
	assert_int_equal(m->spd[pol].flags & XI_POL_INACTIVE, 0);
	assert_string_equal(hear(), "sa-hard:time");
	assert_string_equal(hear(), "sa-hard:time");
	assert_string_equal(hear(), "");
}

/* A writer that has the lock is not waited for; the SA is dead all the same and goes the next time. */
static void t_lock_is_not_waited_for(void **state)
{
	struct xi_sa a = sa_of(0x100, XI_DIR_OUT, 0);
	struct maps *other = NULL;
	uint64_t ref;
	struct err e;

	(void)state;
	a.hard_ns = NS_PER_S;
	ref = publish(&a);
	assert_ok(maps_open(&other, &m->paths, &e), &e);
	assert_ok(spd_lock(other, &e), &e);
	assert_int_equal(spd_trylock(m, &e), -EWOULDBLOCK);
	limits_tick(m, ev, T0 + NS_PER_S);
	assert_non_null(sad_get(m, ref));
	assert_string_equal(hear(), "sa-hard:time");
	spd_unlock(other);
	maps_close(other);
	limits_tick(m, ev, T0 + 2 * NS_PER_S);
	assert_null(sad_get(m, ref));
	assert_string_equal(hear(), "");
}

static void t_larval_is_left_alone(void **state)
{
	struct xi_sa a = sa_of(0x100, XI_DIR_IN, 0);
	uint64_t ref;

	(void)state;
	a.state = XI_SA_LARVAL;
	a.hard_ns = a.soft_ns = 1;
	ref = publish(&a);
	limits_tick(m, ev, T0 + NS_PER_S);
	assert_non_null(sad_get(m, ref));
	assert_string_equal(hear(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_bytes_never_overshoot, setup, teardown),
		cmocka_unit_test_setup_teardown(t_exactly_the_limit_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(t_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(t_time, setup, teardown),
		cmocka_unit_test_setup_teardown(t_renewed_is_mature, setup, teardown),
		cmocka_unit_test_setup_teardown(t_workers_together, setup, teardown),
		cmocka_unit_test_setup_teardown(t_each_is_said_once, setup, teardown),
		cmocka_unit_test_setup_teardown(t_says_which_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(t_sequence, setup, teardown),
		cmocka_unit_test_setup_teardown(t_dead_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(t_lock_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(t_larval_is_left_alone, setup, teardown),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
