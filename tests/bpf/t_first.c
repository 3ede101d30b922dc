/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments that come out of a tunnel are judged like the first one of their datagram where policies or SAs have ports (spec 13.6, RFC 4301
 * §4.4.2.1): here those of two policies of level unique, port 53 by one pair of SAs, port 54 by the other.
 */
#include "tests/bpf/worker_rig.h"

#include "user/ipsec/frag.h"

#define PIECE 600
#define FAR "10.2.0.1"
#define NEAR "10.1.0.1"

enum { A, B, A6, OPEN, SAS }; /* OPEN: the pair of port 54 without selectors of its own */
static uint64_t ref[SAS];

static struct xi_selector dns(uint8_t family, uint16_t port)
{
	return (struct xi_selector){
		.family = family, .flags = XI_SEL_PROTO | XI_SEL_SRC_PORT, .proto = 17, .src_port = htons(port)};
}

static uint64_t sa_of(uint32_t spi, uint32_t reqid, const struct xi_selector *sel)
{
	struct xi_sa sa = an_sa(ESP, TUN, spi);

	sa.dir = XI_DIR_IN;
	sa.reqid = reqid;
	if (sel)
		sa.sel = *sel;
	return publish(&sa);
}

static void policy_of(struct xi_selector sel, uint32_t reqid)
{
	struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_UNIQUE,
				.mode = TUN,
				.protos = XI_PROTOS_ESP,
				.reqid = reqid,
				.sa_family = XI_IP4,
				.sa_src = addr(US),
				.sa_dst = addr(PEER),
				.sel = sel};

	add_policy(&pol);
}

static int setup_first(void **state)
{
	struct xi_selector a = dns(XI_IP4, 53), b = dns(XI_IP4, 54), a6 = dns(XI_IP6, 53);
	int rc = setup(state);

	policy_of(a, 1);
	policy_of(b, 2);
	policy_of(a6, 1);
	ref[A] = sa_of(0x100 + A, 1, &a);
	ref[B] = sa_of(0x100 + B, 2, &b);
	ref[A6] = sa_of(0x100 + A6, 1, &a6);
	ref[OPEN] = sa_of(0x100 + OPEN, 2, NULL);
	return rc;
}

/* Piece i of a datagram to that port, by that SA. */
struct piece {
	const char *what;
	unsigned sa, i;
	uint16_t port, id;
	unsigned want;
	uint8_t proto;	 /* 0 = UDP */
	uint8_t later_s; /* seconds that have passed */
};

static void comes(const struct piece *c)
{
	struct rig_frame whole, f;
	uint8_t *p;
	unsigned got;

	p = c->sa == A6 ? rig_inner6(&whole, 1400) : plain_of(&whole, FAR, NEAR, 1400);
	u16_put(p + (c->sa == A6 ? IP6_HDR : IP4_HDR), 1000);
	u16_put(p + (c->sa == A6 ? IP6_HDR : IP4_HDR) + 2, c->port);
	if (c->proto)
		p[c->sa == A6 ? IP6_NEXT : IP4_PROTO] = c->proto;
	u16_put(p + IP4_ID, c->sa == A6 ? u16_get(p + IP4_ID) : c->id);
	rig_inner(&f, IP4_HDR);
	if (c->sa == A6) {
		assert_int_equal(frag6_make(&f.pkt, &whole.pkt, PIECE, c->i, c->id), 0);
	} else {
		ip4_sum_put(p);
		assert_int_equal(frag4_make(&f.pkt, &whole.pkt, PIECE, c->i), 0);
	}
	w.now += c->later_s * NS_PER_S;
	peer_seals(&f, ESP, TUN, 0x100 + c->sa);
	got = comes_in(&f, ref[c->sa]);
	if (got != c->want)
		print_message("# %s: %u, wanted %u\n", c->what, got, c->want);
	assert_int_equal(got, c->want);
}

#define NO XI_DROP_IN_SA_SELECTOR
#define OK ACCEPTED

static void t_spec_13_6_judged_like_the_first(void **state)
{
	static const struct piece rows[] = {
		{"first", A, 0, 53, 1, OK, 0, 0},
		{"later", A, 1, 53, 1, OK, 0, 0},
		{"last", A, 2, 53, 1, OK, 0, 0},
		{"of another datagram", A, 1, 53, 2, NO, 0, 0},
		{"its first one", A, 0, 53, 2, OK, 0, 0},
		{"now it is known", A, 1, 53, 2, OK, 0, 0},
		{"of another SA", B, 1, 53, 2, NO, 0, 0},
		{"of another protocol", A, 1, 53, 2, NO, 6, 0},
		{"first, a port of the other SA", A, 0, 54, 3, NO, 0, 0},
		{"what follows it", A, 1, 54, 3, NO, 0, 0},
		{"two first ones", A, 0, 53, 4, OK, 0, 0},
		{"that differ", A, 0, 54, 4, NO, 0, 0},
		{"say nothing", A, 1, 53, 4, NO, 0, 0},
		{"not when one comes again", A, 0, 53, 4, OK, 0, 0},
		{"either", A, 1, 53, 4, NO, 0, 0},
		{"30 s later the number is used again", A, 0, 53, 4, OK, 0, 30},
		{"and followed", A, 1, 53, 4, OK, 0, 29},
		{"not for ever", A, 1, 53, 4, NO, 0, 1},
		{"the second policy", B, 0, 54, 1, OK, 0, 0},
		{"is not hidden by the first", B, 1, 54, 1, OK, 0, 0},
		{"without selectors of the SA", OPEN, 0, 54, 1, OK, 0, 0},
		{"neither", OPEN, 2, 54, 1, OK, 0, 0},
		{"unknown, the first policy that protects decides", OPEN, 1, 54, 9, XI_DROP_IN_TEMPLATE, 0, 0},
		{"IPv6, first", A6, 0, 53, 1, OK, 0, 0},
		{"IPv6, later", A6, 1, 53, 1, OK, 0, 0},
		{"IPv6, of another datagram", A6, 1, 53, 2, NO, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		comes(&rows[i]);
}

/* Many datagrams at once: what was forgotten has no ports, nothing gets those of another one. */
static void t_one_of_many_is_its_own(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned id = 1; id <= 4 * WRK_FIRSTS; id++)
		comes(&(struct piece){"first", A, 0, id % 2 ? 53 : 54, (uint16_t)id, id % 2 ? OK : NO, 0, 0});
	for (unsigned id = 4 * WRK_FIRSTS; id > 3 * WRK_FIRSTS; id--) {
		uint64_t before = w.stat->reason[OK];
		struct rig_frame whole, f;
		uint8_t *p = plain_of(&whole, FAR, NEAR, 1400);

		u16_put(p + IP4_ID, (uint16_t)id);
		ip4_sum_put(p);
		rig_inner(&f, IP4_HDR);
		assert_int_equal(frag4_make(&f.pkt, &whole.pkt, PIECE, 1), 0);
		peer_seals(&f, ESP, TUN, 0x100 + A);
		(void)comes_in(&f, ref[A]);
		if (w.stat->reason[OK] == before)
			continue;
		assert_int_equal(id % 2, 1);
		known++;
	}
	assert_true(known > WRK_FIRSTS / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_spec_13_6_judged_like_the_first, setup_first, teardown),
		cmocka_unit_test_setup_teardown(t_one_of_many_is_its_own, setup_first, teardown),
	};

	rig_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
