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

static uint32_t add4(uint32_t i, struct xi_selector sel)
{
	struct xi_policy pol = {
		.action = XI_ACTION_ENCRYPT, .level = XI_LEVEL_REQUIRE, .position = i, .id = i + 1, .sel = sel};
	uint32_t slot = 0;
	struct err e;

	pol.sel.family = XI_IP4;
	assert_ok(spd_add(m, &pol, &slot, &e), &e);
	return slot;
}

static void clear(void)
{
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	for (uint32_t s = 0; s < FULL; s++)
		(void)spd_del(m, s); /* -ENOENT: was free */
	assert_ok(spd_commit(m, &e), &e);
}

/*
 * All pairs of the lengths 8 to 16, 81, more than there are shapes; and behind them the policies that there are many of: of one pair of networks, and
 * pairs of hosts. Those keep a shape of their own, in which no packet walks; the rare ones are found as well.
 */
static void t_rare_lengths_do_not_hurt_frequent_ones(void **state)
{
	enum { PAIRS = 81, PORTS = 300, HOSTS = 300 };
	uint32_t slot[PAIRS + PORTS + HOSTS];
	const struct xi_class_head *h;
	unsigned n = 0, indexed = 0;
	struct xi_rule r;
	struct err e;

	(void)state;
	clear();
	for (unsigned i = 0; i < PAIRS; i++, n++)
		slot[n] = add4(n, (struct xi_selector){.src = ip4(10, 1, 0, 0),
						       .dst.w[0] = htonl((20 + i) << 24),
						       .src_len = (uint8_t)(8 + i % 9),
						       .dst_len = (uint8_t)(8 + i / 9)});
	for (unsigned i = 0; i < PORTS; i++, n++)
		slot[n] = add4(n, (struct xi_selector){.src = ip4(10, 1, 0, 0),
						       .dst = ip4(192, 0, 2, 0),
						       .src_len = 23,
						       .dst_len = 25,
						       .flags = XI_SEL_PROTO | XI_SEL_DST_PORT,
						       .proto = 17,
						       .dst_port = htons((uint16_t)i)});
	for (unsigned i = 0; i < HOSTS; i++, n++)
		slot[n] = add4(n, (struct xi_selector){.src = ip4(10, 1, 0, 1),
						       .dst.w[0] = htonl(0xc6336400 + i),
						       .src_len = 31,
						       .dst_len = 31});
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	h = &m->class[m->meta->spd_gen & 1];
	assert_int_equal(h->shapes4 <= XI_SHAPES_MAX, 1);
	for (unsigned i = 0; i < h->shapes4; i++)
		indexed += h->shape[i].kinds != 0;
	assert_int_equal(indexed, 1);
	for (unsigned i = 0; i < n; i++) {
		struct xi_tuple t = {.src = ip4(10, 1, 0, 1), .family = XI_IP4, .proto = 17};

		if (i < PAIRS)
			t.dst.w[0] = htonl(((20 + i) << 24) + 1);
		else if (i < PAIRS + PORTS) {
			t.dst = ip4(192, 0, 2, 1);
			t.dst_port = htons((uint16_t)(i - PAIRS));
		} else
			t.dst.w[0] = htonl(0xc6336400 + i - PAIRS - PORTS);
		assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
		assert_int_equal(r.slot, i < PAIRS + PORTS ? slot[i] : slot[i - (i - PAIRS - PORTS) % 2]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(t_full_of_port_policies),
					   cmocka_unit_test(t_rare_lengths_do_not_hurt_frequent_ones)};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
