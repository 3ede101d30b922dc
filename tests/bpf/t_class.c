/* SPDX-License-Identifier: BSD-2-Clause */
/* The classifier at its limits. What it finds in ordinary sets: t_policy.c. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>

#define FULL 4096

static struct maps *m;

static int setup(void **state)
{
	(void)state;
	m = sandbox_maps(8, FULL);
	return 0;
}

/*
 * A table that is full of port policies, five of each pair of networks and all of them protecting: an entry for each one does not fit into it.
 * Still every packet finds its policy, and one that does not show its ports the first one.
 */
static void t_full_of_port_policies(void **state)
{
	uint32_t slot[FULL];
	struct xi_rule r;
	struct err e;

	(void)state;
	assert_ok(spd_lock(m, &e), &e);
	for (uint32_t i = 0; i < FULL; i++) {
		struct xi_policy pol = {
			.action = XI_ACTION_ENCRYPT, .level = XI_LEVEL_REQUIRE, .position = i, .id = i + 1};

		pol.sel = (struct xi_selector){.src = ip4(10, 1, 0, 0),
					       .dst.w[0] = htonl(i / 5 << 8),
					       .src_len = 24,
					       .dst_len = 24,
					       .family = XI_IP4,
					       .flags = XI_SEL_PROTO | XI_SEL_DST_PORT,
					       .proto = (uint8_t)(100 + i % 5),
					       .dst_port = htons(53)};
		assert_ok(spd_add(m, &pol, &slot[i], &e), &e);
	}
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	assert_true(m->class[m->meta->spd_gen & 1].shape[0].walk > 4);
	for (uint32_t i = 0; i < FULL; i++) {
		struct xi_tuple t = {.src = ip4(10, 1, 0, 1),
				     .dst.w[0] = htonl((i / 5 << 8) + 1),
				     .dst_port = htons(53),
				     .family = XI_IP4,
				     .proto = (uint8_t)(100 + i % 5)};

		assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
		assert_int_equal(r.slot, slot[i]);
		t.flags = XI_TUPLE_NO_PORTS;
		assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
		assert_int_equal(r.slot, slot[i]);
		t.flags = XI_TUPLE_NO_PROTO;
		assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
		assert_int_equal(r.slot, slot[i / 5 * 5]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(t_full_of_port_policies)};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
