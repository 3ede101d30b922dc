/* SPDX-License-Identifier: BSD-2-Clause */
/* What is noted of the host's NAT (xi_nat) does not stay for ever: it ages, and old entries make room. */
#include "tests/bpf/sandbox.h"

#include <bpf/bpf.h>

static struct maps *m;

static int setup(void **state)
{
	(void)state;
	m = sandbox_maps(8, 16);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static void nat_note(unsigned i, uint32_t second)
{
	struct xi_nat_key k = {.dst = ip4(10, 77, (uint8_t)(i >> 8), (uint8_t)i), .family = XI_IP4};

	assert_int_equal(bpf_map_update_elem(m->fd[MAP_NAT], &k, &second, BPF_ANY), 0);
}

static int nat_has(unsigned i)
{
	struct xi_nat_key k = {.dst = ip4(10, 77, (uint8_t)(i >> 8), (uint8_t)i), .family = XI_IP4};
	uint32_t second;

	return bpf_map_lookup_elem(m->fd[MAP_NAT], &k, &second) == 0;
}

/* What was not used for as long as conntrack keeps it goes, and flows are judged anew; all else stays. */
static void t_nat_entries_age(void **state)
{
	const uint32_t now = 10 * XI_NAT_IDLE_S;
	uint32_t gen = m->meta->nat_gen;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		nat_note(i, i % 2 ? now - XI_NAT_IDLE_S - 1 - i : now - XI_NAT_IDLE_S + i);
	nat_note(100, now + 1); /* by a program that ran behind our look at the clock */
	assert_int_equal(nat_expire(m, now), 50);
	assert_int_equal(m->meta->nat_gen, gen + 1);
	for (unsigned i = 0; i < 101; i++)
		assert_int_equal(nat_has(i), i % 2 == 0);
	assert_int_equal(nat_expire(m, now), 0);
	assert_int_equal(m->meta->nat_gen, gen + 1);
	assert_int_equal(nat_expire(m, XI_NAT_IDLE_S), 0); /* a host that has just started */
}

/* More than fit: old ones make room, none is refused. */
static void t_nat_entries_make_room(void **state)
{
	const unsigned fit = 16384, all = fit + 4096;
	unsigned left = 0, newest = 0;

	(void)state;
	for (unsigned i = 0; i < all; i++)
		nat_note(i, 1);
	for (unsigned i = 0; i < all; i++)
		left += (unsigned)nat_has(i);
	for (unsigned i = all - 100; i < all; i++)
		newest += (unsigned)nat_has(i);
	assert_in_range(left, fit / 2, fit);
	assert_int_equal(newest, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_nat_entries_age, setup, teardown),
		cmocka_unit_test_setup_teardown(t_nat_entries_make_room, setup, teardown),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
