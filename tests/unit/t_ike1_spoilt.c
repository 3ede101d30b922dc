/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Phase 1 on a bad network: each message lost, doubled, reordered, delayed, cut short, with bits flipped, in every exchange and both roles; with a pre-shared key,
 * with certificates, with RSA keys, and through a NAT that moves the exchange to port 4500. All comes up by repetition, or both ends give up, and nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"
#include "tests/lib/rsa_rig.h"

static uint8_t mode, auth;
static unsigned nat, from;

static int group_setup(void **state)
{
	(void)state;
	rsa_setup();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	rsa_teardown();
	return 0;
}

static int end(void **state)
{
	while (r && rig_work_one(r))
		; /* signatures need the keys */
	rsa_take_back(r);
	return teardown(state);
}

static void conf(struct ike_conf *c, unsigned me)
{
	if (auth != IKE_AUTH_PSK)
		c->cred = rsa_lend(me);
	for (unsigned i = 0; i < c->n_peers; i++) {
		struct ike_peer *p = &c->peer[i];

		p->mode = mode;
		p->auth = auth;
		p->natt = (uint8_t)nat;
		p->group = group_by_id(31);
		p->initial_contact = 1;
		strcpy(p->certificate, "own");
		strcpy(p->key, "own");
	}
}

/* A NAT in front of end 0: its address is another one for end 1, and its port when it begins. */
static void translate(struct rig *rig, struct rig_packet *p)
{
	unsigned moved = from ? 0 : 10000;

	if (p->from == 0) {
		p->path.remote.a = rig_addr4("203.0.113.77");
		p->path.remote.port = (uint16_t)(p->path.remote.port + moved);
	} else {
		p->path.local.a = rig->end[0].addr;
		p->path.local.port = (uint16_t)(p->path.local.port - moved);
	}
}

/* --- a network that does what it likes --- */

enum { LOSE, TWICE, SWAP, LATE, CUT, FLIP, HOW_MAX };

static struct {
	unsigned how, target, count; /* target: which datagram, of both ends together, from 0 */
	unsigned phase1;	     /* the target is one of phase 1 */
	unsigned floated;	     /* how many went to port 4500 */
	size_t param;		     /* CUT: bytes that are left; FLIP: bit */
	struct rig_packet held;	     /* SWAP, LATE */
	size_t len;		     /* of the target */
} spoilt;

static unsigned attempt[2][3]; /* at a fragment, by end and its number */

static void hold(const struct rig_packet *p)
{
	spoilt.held = *p;
	spoilt.held.p = malloc(p->len);
	memcpy(spoilt.held.p, p->p, p->len);
}

static void let_go(struct rig *rig)
{
	const struct rig_packet *h = &spoilt.held;

	rig_push(rig, h->from, &h->path, h->p, h->len);
	free(h->p);
	spoilt.held.p = NULL;
}

static int spoil(struct rig *rig, struct rig_packet *p)
{
	if (nat)
		translate(rig, p);
	spoilt.floated += p->path.local.port == IKE_PORT_NATT || p->path.remote.port == IKE_PORT_NATT;
	if (spoilt.count++ != spoilt.target) {
		if (spoilt.how == SWAP && spoilt.held.p)
			let_go(rig);
		return 1;
	}
	spoilt.len = p->len;
	spoilt.phase1 = p->p[18] != ISAKMP_X_QUICK && p->p[18] != ISAKMP_X_INFORMATIONAL;
	switch (spoilt.how) {
	case TWICE:
		rig_push(rig, p->from, &p->path, p->p, p->len);
		return 1;
	case SWAP:
	case LATE:
		hold(p);
		return 0;
	case CUT:
		p->len = spoilt.param;
		return 1;
	case FLIP:
		p->p[spoilt.param / 8] ^= (uint8_t)(1 << spoilt.param % 8);
		return 1;
	default:
		return 0;
	}
}

static void consistent(void)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned half = isakmps(i) - established(i);

		if (half || rig_unopened(r, i) || rig_quicks(r, i) || fake_reserved(&r->end[i].sadb))
			fail_msg("mode %u, auth %u, nat %u, from %u, how %u, message %u, param %zu: end %u has %u "
				 "ISAKMP "
				 "SAs half made, %u SAs that the other has not, %u quick modes, %u SPIs",
				 mode, auth, nat, from, spoilt.how, spoilt.target, spoilt.param, i, half,
				 rig_unopened(r, i), rig_quicks(r, i), fake_reserved(&r->end[i].sadb));
	}
}

static void two_ends(int (*filter)(struct rig *, struct rig_packet *))
{
	memset(&spoilt, 0, sizeof(spoilt));
	r = rig_new(conf);
	r->filter = filter;
	for (unsigned i = 0; i < 2; i++) {
		struct ike_policy *p = rig_policy(r, i, 1);

		if (nat && i)
			p->sa_dst = rig_addr4("203.0.113.77");
		r->end[i].env.sign = rsa_sign_later;
		r->end[i].env.wall = auth == IKE_AUTH_PSK ? rig_wall : rsa_wall;
	}
}

/* Whatever happens to one message, those of quick mode included: all comes up by repetition, or both ends give up; no end sends what the other cannot open. */
static void spoil_one(unsigned how, unsigned target, size_t param)
{
	two_ends(spoil);
	spoilt.how = how;
	spoilt.target = target;
	spoilt.param = param;
	rig_acquire(r, from, &r->end[from].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, 17 * NS_PER_S);
	if (spoilt.held.p)
		let_go(r);
	rig_settle(r);
	rig_advance(r, 28 * NS_PER_S);
	assert_int_equal(rig_unopened(r, 0) + rig_unopened(r, 1), 0);
	if (how < CUT) {
		is_up(from);
		assert_true(!nat || spoilt.floated);
	} else {
		rig_advance(r, 120 * NS_PER_S);
	}
	consistent();
	(void)end(NULL);
}

/* How the ends know each other, and how closely messages are spoilt: each so many bytes. */
static const struct way {
	uint8_t auth, nat, stride;
} ways[] = {
	{IKE_AUTH_PSK, 0, 7},
	{IKE_AUTH_PSK, 1, 23},
	{IKE_AUTH_RSA_SIGNATURE, 0, 23},
	{IKE_AUTH_RSA_SIGNATURE, 1, 53},
	{IKE_AUTH_RSA_KEY, 0, 47},
	{IKE_AUTH_RSA_KEY, 1, 61},
};

/* All that is sent until nothing more comes: 3, 4 or 6 messages of phase 1, those with certificates in two fragments, 3 of quick mode, 2 INITIAL-CONTACT. */
static void each_message(unsigned how, void (*one)(unsigned how, unsigned target, unsigned stride), unsigned stride)
{
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (from = 0; from < 2; from++) {
			unsigned target = 0;

			if (mode == IKE_MODE_MAIN_L2TP && auth != IKE_AUTH_PSK)
				continue; /* differs from main mode in what a pre-shared key is chosen by */

			do
				one(how, target, stride);
			while (spoilt.count > ++target && target < 15);
			assert_true(target >= 8);
		}
}

static void each(unsigned how, void (*one)(unsigned how, unsigned target, unsigned stride))
{
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		auth = ways[i].auth;
		nat = ways[i].nat;
		each_message(how, one, ways[i].stride);
	}
}

static void whole(unsigned how, unsigned target, unsigned stride)
{
	(void)stride;
	spoil_one(how, target, 0);
}

/* Quick mode is the same whatever phase 1 was like: t_ike1_quick_loss has it bit by bit. */
static void at_places(unsigned how, unsigned target, unsigned stride)
{
	size_t n = 0, unit = how == FLIP ? 8 : 1;

	do {
		spoil_one(how, target, n * unit + n % unit);
		n += spoilt.phase1 || (auth == IKE_AUTH_PSK && !nat) ? stride : spoilt.len;
	} while (n < spoilt.len);
}

static void t_each_message_lost(void **state)
{
	(void)state;
	each(LOSE, whole);
}

static void t_each_message_doubled(void **state)
{
	(void)state;
	each(TWICE, whole);
}

static void t_each_message_reordered(void **state)
{
	(void)state;
	each(SWAP, whole);
}

static void t_each_message_delayed(void **state)
{
	(void)state;
	each(LATE, whole);
}

static void t_each_message_cut(void **state)
{
	(void)state;
	each(CUT, at_places);
}

static void t_each_message_flipped(void **state)
{
	(void)state;
	each(FLIP, at_places);
}

/* --- fragments (spec section 25) --- */

/* Of each end, the first attempt at a message in fragments loses its first one, the next attempt the second one. */
static int lose_another(struct rig *rig, struct rig_packet *p)
{
	static const size_t type = 16, number = 28 + 6; /* next payload; number of the fragment */
	unsigned n;

	(void)rig;
	if (p->p[type] != ISAKMP_P_FRAGMENT)
		return 1;
	n = p->p[number];
	return n > 2 || ++attempt[p->from][n] != n;
}

/* No attempt arrives whole, and yet the message does: its fragments have one ID each time it is sent. */
static void t_spec_25_fragments_of_several_attempts(void **state)
{
	(void)state;
	auth = IKE_AUTH_RSA_SIGNATURE;
	mode = IKE_MODE_MAIN;
	nat = from = 0;
	memset(attempt, 0, sizeof(attempt));
	two_ends(lose_another);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	assert_int_equal(attempt[0][2], 1);
	assert_false(established(1));
	rig_advance(r, 11 * NS_PER_S);
	assert_true(established(1)); /* by the second attempt of the initiator */
	assert_false(established(0));
	rig_advance(r, 10 * NS_PER_S);
	assert_true(established(0)); /* by that of the responder */
	assert_int_equal(attempt[1][2], 2);
	(void)end(NULL);
}

/* --- everything at once --- */

static int only_nat(struct rig *rig, struct rig_packet *p)
{
	if (nat)
		translate(rig, p);
	return 1;
}

/* Both have an ISAKMP SA and SAs, and what one sends the other one opens; a packet brings up what has gone. */
static void assert_works(void)
{
	consistent();
	for (unsigned i = 0; i < 2; i++)
		if (!r->end[i].sadb.policy_out[0])
			rig_acquire(r, i, &r->end[i].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, 65 * NS_PER_S);
	consistent();
	for (unsigned i = 0; i < 2; i++)
		if (!established(i) || !r->end[i].sadb.policy_out[0])
			fail_msg("mode %u, auth %u, nat %u, seed %u: end %u does not come up", mode, auth, nat,
				 spoilt.target, i);
}

/* Both begin at once; datagrams, Diffie-Hellman and signatures take as long as they like. */
static void t_both_begin_in_many_orders(void **state)
{
	(void)state;
	for (unsigned i = 1; i < ARRAY_SIZE(ways); i++)
		for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
			for (uint32_t seed = 1; seed <= 20; seed++) {
				auth = ways[i].auth;
				nat = ways[i].nat;
				from = 1; /* the NAT keeps the ports, so that either may begin */
				two_ends(only_nat);
				for (unsigned e = 0; e < 2; e++)
					rig_acquire(r, e, &r->end[e].sadb.policy[0]);
				spoilt.target = seed;
				settle_in_an_order(seed);
				rig_advance(r, 65 * NS_PER_S);
				assert_works();
				(void)end(NULL);
			}
}

/* One in five datagrams is lost, doubled, late, cut, or has a bit flipped; then the sky clears. */
static int weather(struct rig *rig, struct rig_packet *p)
{
	uint64_t x = rig_rand(rig) >> 20, y = rig_rand(rig) >> 20;

	(void)only_nat(rig, p);
	switch (x % 25) {
	case LOSE:
		return 0;
	case TWICE:
		rig_push(rig, p->from, &p->path, p->p, p->len);
		return 1;
	case SWAP:
	case LATE:
		if (spoilt.held.p)
			let_go(rig);
		hold(p);
		return 0;
	case CUT:
		p->len = y % p->len;
		return 1;
	case FLIP:
		p->p[y / 8 % p->len] ^= (uint8_t)(1 << y % 8);
		return 1;
	default:
		return 1;
	}
}

static void t_random_weather(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
		for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
			for (unsigned seed = 1; seed <= 3; seed++) {
				auth = ways[i].auth;
				nat = ways[i].nat;
				from = 1;
				two_ends(weather);
				spoilt.target = seed;
				r->seed = seed * 0x9e3779b97f4a7c15ull;
				for (unsigned round = 0; round < 8; round++) {
					for (unsigned e = 0; e < 2; e++)
						if (!r->end[e].sadb.policy_out[0])
							rig_acquire(r, e, &r->end[e].sadb.policy[0]);
					rig_settle(r);
					rig_advance(r, 700 * NS_PER_S);
				}
				if (spoilt.held.p)
					let_go(r);
				r->filter = only_nat;
				rig_settle(r);
				rig_advance(r, 2000 * NS_PER_S);
				assert_works();
				(void)end(NULL);
			}
}

/* --- what fails within an end --- */

static unsigned draws, failing; /* random numbers drawn by both ends; which of them there are none for */

static int sometimes_random(void *ctx, void *buf, size_t len)
{
	return draws++ == failing ? -EIO : rig_random(ctx, buf, len);
}

/* At any place where random numbers are drawn, in either end. */
static void t_random_numbers_fail_once(void **state)
{
	(void)state;
	nat = 0;
	for (auth = IKE_AUTH_PSK; auth <= IKE_AUTH_RSA_SIGNATURE; auth++)
		for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
			failing = 0;
			do {
				from = 0;
				two_ends(only_nat);
				draws = 0;
				for (unsigned i = 0; i < 2; i++)
					r->end[i].env.random = sometimes_random;
				rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
				rig_settle(r);
				rig_advance(r, 115 * NS_PER_S);
				spoilt.target = failing;
				assert_works();
				(void)end(NULL);
			} while (draws > ++failing && failing < 40);
			assert_true(failing > 8);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		T(t_each_message_lost),
		T(t_each_message_doubled),
		T(t_each_message_reordered),
		T(t_each_message_delayed),
		T(t_each_message_cut),
		T(t_each_message_flipped),
		T(t_spec_25_fragments_of_several_attempts),
		T(t_both_begin_in_many_orders),
		T(t_random_weather),
		T(t_random_numbers_fail_once),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
