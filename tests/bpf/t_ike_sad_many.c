/* SPDX-License-Identifier: BSD-2-Clause */
/* ike/sad with many policies: what a negotiation finds is what looking at all of them would find, and it looks at few (counted, not timed). */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>

#include "bpf/abi/xi_alg.h"
#include "ike/sad/sad_priv.h"

#define SADS 64
#define SPDS 2048
#define POLICIES 1500
#define FEW 16 /* policies that one call may look at: those of one peer or prefix, and what hashes alike */

static struct maps *m;
static struct sad *s;
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	seed = 0x123456789abcdefull;
	m = sandbox_maps(SADS, SPDS);
	assert_ok(sad_open(&s, m, &e), &e);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	sad_close(s);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static struct xi_addr v4(uint32_t host_order)
{
	return (struct xi_addr){.w[0] = htonl(host_order)};
}

static struct xi_addr prefix(struct xi_addr a, unsigned len)
{
	a.w[0] &= len ? htonl(UINT32_MAX << (32 - len)) : 0;
	return a;
}

/* One in a hundred has each of the wider selectors, the others one of their own: peer i has the policy i. */
static struct xi_selector selector(unsigned i)
{
	static const uint8_t lens[] = {0, 8, 12, 16, 20};
	uint8_t len = i % 100 < ARRAY_SIZE(lens) ? lens[i % 100] : 24;
	struct xi_selector sel = {.family = XI_IP4, .src_len = len, .dst_len = len};

	sel.src = prefix(v4(0x0a000000 + i * 256), len);
	sel.dst = prefix(v4(0x0b000000 + i * 256), len);
	if (i % 3 == 0) {
		sel.flags |= XI_SEL_PROTO;
		sel.proto = i % 2 ? 6 : 17;
	}
	if (i % 6 == 0) {
		sel.flags |= XI_SEL_DST_PORT;
		sel.dst_port = htons((uint16_t)(i % 5));
	}
	return sel;
}

static void put_all(void)
{
	uint32_t slot;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	for (unsigned i = 0; i < POLICIES; i++) {
		struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
					.level = XI_LEVEL_REQUIRE,
					.mode = XI_MODE_TUNNEL,
					.protos = XI_PROTOS_ESP,
					.sa_family = XI_IP4,
					.sa_src = v4(0xc6336401),
					.sa_dst = v4(0xcb007100 + i),
					.priority = (int32_t)(i % 7),
					.id = i + 1,
					.sel = selector(i)};

		assert_ok(spd_add(m, &pol, &slot, &e), &e);
	}
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

/* --- the oracle: all of them --- */
static int holds(const struct xi_selector *big, const struct xi_selector *x)
{
	struct xi_addr src = prefix(x->src, big->src_len), dst = prefix(x->dst, big->dst_len);

	if (x->src_len < big->src_len || x->dst_len < big->dst_len || (big->flags & ~x->flags))
		return 0;
	if (memcmp(&src, &big->src, sizeof(src)) != 0 || memcmp(&dst, &big->dst, sizeof(dst)) != 0)
		return 0;
	return (!(big->flags & XI_SEL_PROTO) || big->proto == x->proto) &&
	       (!(big->flags & XI_SEL_DST_PORT) || big->dst_port == x->dst_port);
}

static uint32_t oracle(const struct xi_selector *sel)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < SPDS; i++) {
		const struct xi_policy *p = &m->spd[i], *b = best == UINT32_MAX ? NULL : &m->spd[best];
		int exact = p->gen && holds(sel, &p->sel), best_exact = b && holds(sel, &b->sel);

		if (p->gen && holds(&p->sel, sel) &&
		    (!b || exact > best_exact || (exact == best_exact && p->order < b->order)))
			best = i;
	}
	return best;
}

static void t_spec_17_search_finds_what_looking_at_all_finds(void **state)
{
	unsigned hits = 0;

	(void)state;
	put_all();
	for (unsigned n = 0; n < 3000; n++) {
		struct xi_selector sel = selector(rnd(POLICIES));
		struct ike_policy p;
		uint32_t want;

		if (rnd(2)) { /* something narrower, which may lie in several */
			sel.src_len = (uint8_t)MIN(32u, sel.src_len + rnd(9));
			sel.dst_len = (uint8_t)MIN(32u, sel.dst_len + rnd(9));
			sel.flags |= XI_SEL_PROTO;
			sel.proto = rnd(2) ? 6 : 17;
		}
		want = oracle(&sel);
		if (sad_ops.policy_find(&s, &sel, &p))
			assert_int_equal(want, UINT32_MAX);
		else {
			assert_int_equal(p.slot, want);
			hits++;
		}
	}
	assert_true(hits > 1000);
}

static uint64_t looked(void)
{
	uint64_t n = s->looked;

	s->looked = 0;
	return n;
}

static struct ike_bundle bundle(const struct ike_policy *p)
{
	struct ike_bundle b = {.n = 1};
	struct err e;

	for (unsigned i = 0; i < 2; i++) {
		struct xi_sa *sa = i ? &b.out[0] : &b.in[0];

		*sa = (struct xi_sa){.proto = XI_PROTO_ESP,
				     .family = XI_IP4,
				     .mode = XI_MODE_TUNNEL,
				     .enc_alg = XI_ENC_AES_CBC,
				     .enc_key_len = 16,
				     .auth_alg = XI_AUTH_SHA1,
				     .auth_key_len = 20,
				     .pair = 77,
				     .src = i ? p->sa_src.addr : p->sa_dst.addr,
				     .dst = i ? p->sa_dst.addr : p->sa_src.addr};
	}
	assert_ok(sad_ops.spi(&s, &p->sa_src, XI_PROTO_ESP, &b.in[0].spi, &e), &e);
	b.out[0].spi = htonl(0x1234);
	return b;
}

static void t_a_negotiation_looks_at_few_policies(void **state)
{
	struct xi_selector sel = selector(1007);
	struct ike_bundle b;
	struct ike_policy p, u;
	struct err e;

	(void)state;
	put_all();
	assert_int_equal(sad_ops.policy_find(&s, &sel, &p), 0);
	looked();
	assert_int_equal(sad_ops.policy_find(&s, &sel, &p), 0);
	assert_in_range(looked(), 1, 4 * FEW); /* a few for each shape */
	b = bundle(&p);
	assert_ok(sad_ops.install_in(&s, &p, &b, &e), &e);
	assert_in_range(looked(), 1, FEW);
	assert_ok(sad_ops.install_out(&s, &p, &b, &e), &e);
	assert_in_range(looked(), 1, FEW);
	assert_true(m->spd[p.slot].sa_out == b.out_ref[0] && m->spd[p.slot].sa_in == b.in_ref[0]);
	assert_int_equal(sad_ops.user(&s, b.out_ref[0], &u), 0);
	assert_int_equal(u.slot, p.slot);
	sad_ops.remove(&s, b.out_ref[0]);
	sad_ops.remove(&s, b.in_ref[0]);
	assert_in_range(looked(), 1, 3 * FEW);
	assert_true(m->spd[p.slot].sa_out == 0 && m->spd[p.slot].sa_in == 0);
}

/* Spec section 21: a policy keeps an SA whose peer has moved, though its template has another address. */
static void t_a_moved_sa_is_found_where_it_is_used(void **state)
{
	struct ike_end to = {.a = {.family = XI_IP4, .addr = v4(0xc0000209)}, .port = 1024};
	struct xi_selector sel = selector(1007);
	struct ike_policy p, u;
	struct ike_bundle b;
	struct err e;

	(void)state;
	put_all();
	assert_int_equal(sad_ops.policy_find(&s, &sel, &p), 0);
	b = bundle(&p);
	assert_ok(sad_ops.install_in(&s, &p, &b, &e), &e);
	assert_ok(sad_ops.install_out(&s, &p, &b, &e), &e);
	for (unsigned i = 0; i < 2; i++) {
		to.a.addr.w[0] += i;
		assert_ok(sad_ops.move(&s, &b.in_ref[0], &to, &e), &e);
		assert_ok(sad_ops.move(&s, &b.out_ref[0], &to, &e), &e);
		assert_int_equal(sad_ops.user(&s, b.out_ref[0], &u), 0);
		assert_int_equal(u.slot, p.slot);
	}
	looked();
	sad_ops.remove(&s, b.out_ref[0]);
	sad_ops.remove(&s, b.in_ref[0]);
	assert_in_range(looked(), 1, 2 * FEW);
	assert_true(m->spd[p.slot].sa_out == 0 && m->spd[p.slot].sa_in == 0);
}

/* --- routes (spec 19.7) --- */

static int routed(uint32_t net, unsigned len, uint64_t *n)
{
	struct xi_addr a = v4(net);

	*n = 0;
	return sad_routed(&a, (uint8_t)len, XI_IP4, n);
}

/* Whether a generated policy may be asks for one route, and reads a bounded number. */
static void t_spec_19_7_among_many_routes(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(
		system("ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up && ip route "
		       "add 10.1.5.0/24 dev d0 &&"
		       " for i in $(seq 0 79); do for j in $(seq 0 255); do echo route add 20.$i.$j.0/24 dev d0;"
		       " done; done | ip -batch -"),
		0);
	assert_true(routed(0x1404f000, 24, &n)); /* 20.4.240.0/24 */
	assert_int_equal(n, 1);
	assert_true(routed(0x0a010580, 25, &n)); /* inside of a route */
	assert_int_equal(n, 1);
	assert_true(routed(0x0a010000, 16, &n)); /* around one */
	assert_false(routed(0x63000000, 8, &n));
	assert_in_range(n, 16384, 16384 + 2);
	assert_int_equal(system("ip route add default dev d0"), 0);
	assert_false(routed(0x63000000, 8, &n)); /* the default route is none */
	assert_int_equal(system("ip link del d0"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_spec_17_search_finds_what_looking_at_all_finds),
		T(t_a_negotiation_looks_at_few_policies),
		T(t_a_moved_sa_is_found_where_it_is_used),
		T(t_spec_19_7_among_many_routes),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
