/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that wait for an SA (spec 13.3 step 6): how many do, which do not, and that those beyond are dropped under the one counter for that,
 * with their policy's.
 */
#define RIG_POLICIES 80 /* more than may have packets waiting */
#include "tests/bpf/worker_rig.h"

#include "user/worker/events.h"

static uint32_t slot[HOLD_POLICIES + 1];

static int setup_hold(void **state)
{
	int rc = setup(state);
	struct err e;

	assert_ok(events_open(&w.events, m, 1, &e), &e);
	m->meta->acquire = 1; /* somebody makes SAs */
	for (unsigned i = 0; i < ARRAY_SIZE(slot); i++) {
		struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
					.level = XI_LEVEL_REQUIRE,
					.mode = TUN,
					.protos = XI_PROTOS_ESP,
					.sa_family = XI_IP4,
					.sa_src = addr(US),
					.sa_dst = addr(PEER),
					.sel = {.family = XI_IP4, .dst = ip4(10, 2, (uint8_t)i, 0), .dst_len = 24}};

		slot[i] = add_policy(&pol);
	}
	return rc;
}

static int teardown_hold(void **state)
{
	hold_release(&w, 1);
	events_close(w.events);
	return teardown(state);
}

/* A packet under the i-th policy, in a large buffer if that is wanted. */
static void offer(unsigned i, int large)
{
	struct wpkt store, *pk = &store;
	struct rig_frame f;

	plain_of(&f, "10.1.0.1", "10.2.0.1", 100);
	f.pkt.data[IP4_DST + 2] = (uint8_t)i;
	ip4_sum_put(f.pkt.data);
	wpkt_init(&w, pk, large ? io_large_get(&w.pool) : io_frame_get(&w.pool));
	pk->v = (struct xi_verdict){.policy = slot[i],
				    .policy_gen = m->spd[slot[i]].gen,
				    .dir = XI_DIR_OUT,
				    .if_slot = 1,
				    .family = XI_IP4};
	memcpy(pk->p.data, f.pkt.data, 100);
	pk->p.tail = pk->p.data + 100;
	outbound_burst(&w, &pk, 1);
}

/* 1: it waits. What was dropped is counted as it must be. */
static int waits(unsigned i, int large)
{
	uint64_t before = w.stat->reason[XI_DROP_OUT_NO_SA], dropped = m->wpolstat[slot[i]].out_dropped;
	unsigned nfree = w.pool.nfree, nlarge = w.pool.nlarge, lost;

	offer(i, large);
	lost = (unsigned)(w.stat->reason[XI_DROP_OUT_NO_SA] - before);
	assert_int_equal(m->wpolstat[slot[i]].out_dropped - dropped, lost);
	assert_int_equal(nfree - w.pool.nfree, !lost);
	assert_int_equal(w.pool.nlarge, nlarge);
	return !lost;
}

static void drops_are(unsigned n)
{
	for (unsigned r = 1; r < XI_DROP_MAX; r++)
		assert_int_equal(w.stat->reason[r], r == XI_DROP_OUT_NO_SA ? n : 0);
}

static void t_three_of_a_policy_64_policies(void **state)
{
	unsigned nfree = w.pool.nfree;

	(void)state;
	for (unsigned i = 0; i < HOLD_POLICIES; i++) {
		w.now += NS_PER_S / 100; /* so many may be asked for */
		for (unsigned n = 0; n < XI_HOLD_PACKETS; n++)
			assert_true(waits(i, 0));
		assert_false(waits(i, 0));
	}
	drops_are(HOLD_POLICIES);
	w.now += NS_PER_S / 100;
	assert_false(waits(HOLD_POLICIES, 0));
	assert_true(m->spd[slot[HOLD_POLICIES]].acquire_ns > w.now); /* asked for all the same */
	drops_are(HOLD_POLICIES + 1);
	/* until the first of them has waited for 30 s: then there is room again */
	w.now += 30 * NS_PER_S - (HOLD_POLICIES + 1) * (NS_PER_S / 100) + NS_PER_S / 100;
	hold_release(&w, 0);
	drops_are(HOLD_POLICIES + 1 + XI_HOLD_PACKETS);
	assert_true(waits(HOLD_POLICIES, 0));
	hold_release(&w, 1);
	drops_are(HOLD_POLICIES + 1 + HOLD_POLICIES * XI_HOLD_PACKETS + 1);
	assert_int_equal(w.pool.nfree, nfree);
}

static void t_large_buffers_do_not_wait(void **state)
{
	(void)state;
	assert_false(waits(0, 1));
	drops_are(1);
	assert_true(m->spd[slot[0]].acquire_ns > w.now);
	assert_true(waits(0, 0));
}

static void t_nobody_makes_sas(void **state)
{
	(void)state;
	m->meta->acquire = 0;
	assert_false(waits(0, 0));
	assert_int_equal(m->spd[slot[0]].acquire_ns, 0);
}

/* An SA that came and went between two looks, or that came when nothing waited for it: its acquire is over. */
static void t_asks_again_when_the_sa_goes(void **state)
{
	struct xi_policy *pol = &m->spd[slot[0]];
	struct xi_sa sa = an_sa(ESP, TUN, 0x201);
	uint64_t ref;

	(void)state;
	sa.dir = XI_DIR_OUT;
	ref = publish(&sa);
	for (int large = 0; large < 2; large++) {
		assert_int_equal(waits(0, large), !large);
		assert_true(pol->acquire_ns > w.now);
		spd_set_sa(m, slot[0], &(struct spd_sas){.out = ref});
		spd_set_sa(m, slot[0], &(struct spd_sas){0});
		assert_int_equal(pol->acquire_ns, 0);
		hold_release(&w, 0);
		assert_true(waits(0, 0));
		assert_true(pol->acquire_ns > w.now);
		hold_release(&w, 1);
		pol->acquire_ns = 0;
	}
}

/* What waits is a packet that the SA will carry: others ask for nothing. */
static void t_spec_6_3_transport_is_for_its_ends(void **state)
{
	struct xi_policy *pol = &m->spd[slot[0]];

	(void)state;
	pol->mode = TRA;
	offer(0, 0);
	assert_int_equal(w.stat->reason[XI_DROP_OUT_ENDPOINTS], 1);
	pol->sa_src = addr("10.1.0.1");
	offer(0, 0);
	assert_int_equal(w.stat->reason[XI_DROP_OUT_ENDPOINTS], 2);
	assert_int_equal(pol->acquire_ns, 0);
	assert_int_equal(m->wpolstat[slot[0]].out_dropped, 0);
	pol->sa_dst = addr("10.2.0.1");
	assert_true(waits(0, 0));
	assert_true(pol->acquire_ns > w.now);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_hold, teardown_hold)
	const struct CMUnitTest tests[] = {
		T(t_three_of_a_policy_64_policies), T(t_large_buffers_do_not_wait),	     T(t_nobody_makes_sas),
		T(t_asks_again_when_the_sa_goes),   T(t_spec_6_3_transport_is_for_its_ends),
	};

	rig_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
