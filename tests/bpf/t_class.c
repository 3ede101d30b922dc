/* SPDX-License-Identifier: BSD-2-Clause */
/* The classifier at its limits, and when hashes meet. What it finds in ordinary sets: t_policy.c. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <sys/random.h>
#include <sys/syscall.h>

#define FULL 4096

static struct maps *m;

/* In place of the C library's: the salts that the classifier gets, and when these are used up, the kernel's random numbers. */
static uint32_t salt_given[2];
static unsigned salts_given, salts_taken;

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	if (len != sizeof(*salt_given) || salts_taken == salts_given)
		return syscall(SYS_getrandom, buf, len, flags);
	memcpy(buf, &salt_given[salts_taken++], len);
	return (ssize_t)len;
}

static void give_salts(uint32_t first, uint32_t second)
{
	salt_given[0] = first;
	salt_given[1] = second;
	salts_given = 2;
	salts_taken = 0;
}

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

static uint32_t add(uint32_t i, uint8_t family, struct xi_selector sel)
{
	struct xi_policy pol = {
		.action = XI_ACTION_ENCRYPT, .level = XI_LEVEL_REQUIRE, .position = i, .id = i + 1, .sel = sel};
	uint32_t slot = 0;
	struct err e;

	pol.sel.family = family;
	assert_ok(spd_add(m, &pol, &slot, &e), &e);
	return slot;
}

static uint32_t add4(uint32_t i, struct xi_selector sel)
{
	return add(i, XI_IP4, sel);
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

static void commit(void)
{
	struct err e;

	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

static const struct xi_class_head *in_force(void)
{
	return &m->class[m->meta->spd_gen & 1];
}

/* Which policy decides, as seen from both ends of the flow. */
static void assert_decides(uint32_t slot, uint8_t family, struct xi_addr src, struct xi_addr dst)
{
	struct xi_tuple out = {.src = src, .dst = dst, .family = family, .proto = 1};
	struct xi_tuple in = {.src = dst, .dst = src, .family = family, .proto = 1};
	struct xi_rule r;

	assert_int_equal(class_match(m, &out, XI_DIR_OUT, &r), 1);
	assert_int_equal(r.slot, slot);
	assert_int_equal(class_match(m, &in, XI_DIR_IN, &r), 1);
	assert_int_equal(r.slot, slot);
}

/* Every table has a salt of its own, and nobody can tell it from the last one. */
static void t_salts_are_random(void **state)
{
	static const uint32_t salt[] = {0x8badf00d, 0x00c0ffee};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(salt); i++) {
		clear();
		(void)add4(0, (struct xi_selector){.src = ip4(10, 1, 0, 0), .src_len = 24});
		give_salts(salt[i], 0);
		commit();
		assert_int_equal(in_force()->salt, salt[i]);
	}
}

#define SALT 0x2545f491u /* under which the keys of a test meet */

/*
 * Under SALT the keys of a wide policy and of a narrow one behind it, which have different shapes, are one. The shape of the narrow one is asked
 * first: a run of both would answer with the narrow one, and a second entry with that tag would never be found. So another salt is taken.
 */
static void meet(uint8_t family, struct xi_selector first, struct xi_selector wide, struct xi_selector narrow,
		 struct xi_addr src, struct xi_addr dst)
{
	uint32_t slot;

	clear();
	(void)add(0, family, first); /* of the narrow one's shape */
	slot = add(1, family, wide);
	(void)add(2, family, narrow);
	give_salts(SALT, SALT + 1);
	commit();
	assert_decides(slot, family, src, dst);
	assert_int_equal(in_force()->salt, SALT + 1);
}

static void t_keys_of_two_shapes_meet(void **state)
{
	uint32_t apart = xi_shape_salt(SALT, 0) ^ xi_shape_salt(SALT, 1);
	struct xi_addr net = ip4(10, 1, 0, 0), host = {.w[0] = apart};
	struct xi_addr wide = {.w[0] = htonl(0x20010db8)}, narrow = {.w = {wide.w[0], apart}}, far = {.w[0] = 1};

	(void)state;
	meet(XI_IP4, (struct xi_selector){.src = ip4(10, 9, 0, 0), .dst = host, .src_len = 24, .dst_len = 32},
	     (struct xi_selector){.src = net, .src_len = 23},
	     (struct xi_selector){.src = net, .dst = host, .src_len = 24, .dst_len = 32}, net, host);
	meet(XI_IP6, (struct xi_selector){.src = far, .dst = far, .src_len = 64, .dst_len = 128},
	     (struct xi_selector){.src = wide, .dst = far, .src_len = 32, .dst_len = 128},
	     (struct xi_selector){.src = narrow, .dst = far, .src_len = 64, .dst_len = 128}, narrow, far);
}

/* The dst with which the key of this pair of hosts is that of every other pair made so: it makes up for the hash of src. */
static struct xi_addr dst_of_one_hash(const struct xi_addr *src, const struct xi_shape *s)
{
	uint64_t h = xi_mix((xi_class_half(src, &s->src_mask, 0) ^ xi_shape_salt(SALT, 0)) * 0x9e3779b97f4a7c15ull);
	uint64_t dst = -xi_mix((h + xi_class_half(src, &s->src_mask, 2)) * 0xc2b2ae3d27d4eb4full);

	return (struct xi_addr){.w = {(uint32_t)(dst >> 32), (uint32_t)dst}};
}

/* Who knows the salt can make any number of pairs of IPv6 hosts with one hash. They have no index together, which would know only the first. */
static void t_keys_of_one_shape_meet(void **state)
{
	enum { PAIRS = 8 };
	struct xi_shape s = {.src_mask.w = {~0u, ~0u, ~0u, ~0u}, .dst_mask.w = {~0u, ~0u, ~0u, ~0u}};
	struct xi_addr src[PAIRS], dst[PAIRS];
	uint32_t slot[PAIRS];

	(void)state;
	clear();
	for (unsigned i = 0; i < PAIRS; i++) {
		src[i] = (struct xi_addr){.w = {htonl(0x20010db8), i}};
		dst[i] = dst_of_one_hash(&src[i], &s);
		slot[i] = add(i, XI_IP6,
			      (struct xi_selector){.src = src[i], .dst = dst[i], .src_len = 128, .dst_len = 128});
		assert_true(xi_class_hash6(&src[i], &dst[i], &s, xi_shape_salt(SALT, 0)) ==
			    xi_class_hash6(&src[0], &dst[0], &s, xi_shape_salt(SALT, 0)));
	}
	give_salts(SALT, SALT + 1);
	commit();
	for (unsigned i = 0; i < PAIRS; i++)
		assert_decides(slot[i], XI_IP6, src[i], dst[i]);
	assert_int_equal(in_force()->salt, SALT + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_full_of_port_policies), cmocka_unit_test(t_rare_lengths_do_not_hurt_frequent_ones),
		cmocka_unit_test(t_salts_are_random), cmocka_unit_test(t_keys_of_two_shapes_meet),
		cmocka_unit_test(t_keys_of_one_shape_meet)};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
