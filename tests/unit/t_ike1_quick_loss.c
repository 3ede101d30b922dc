/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quick mode on a bad network: each message lost, doubled, late, cut short, with each bit flipped, in both roles; two quick modes at once in every
 * order of their messages. Afterwards nothing is stuck or reserved, and no end sends what the other cannot open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

#define EITHER 2 /* it may come to nothing */

enum mangle { NOTHING, LOSE, LOSE_ALL, DOUBLE, DELAY, CUT, FLIP };

static struct {
	enum mangle how;
	unsigned message; /* of quick mode, from 0 */
	size_t param;
	unsigned count;
	struct rig_packet held;
} plan;

static unsigned number_of(struct rig_packet *p, unsigned initiator)
{
	if (p->from != initiator)
		return 1;
	return p->len > 100 ? 0 : 2; /* message 3 has a HASH only */
}

static unsigned initiator;

static int filter(struct rig *rig, struct rig_packet *p)
{
	if (p->p[18] != ISAKMP_X_QUICK || number_of(p, initiator) != plan.message)
		return 1;
	if (plan.how == LOSE_ALL)
		return 0;
	if (plan.count++)
		return 1;
	switch (plan.how) {
	case LOSE:
		return 0;
	case DOUBLE:
		rig_push(rig, p->from, &p->path, p->p, p->len);
		return 1;
	case DELAY:
		plan.held = *p;
		plan.held.p = malloc(p->len);
		memcpy(plan.held.p, p->p, p->len);
		return 0;
	case CUT:
		p->len = plan.param;
		return 1;
	case FLIP:
		p->p[plan.param / 8] ^= (uint8_t)(1 << plan.param % 8);
		return 1;
	default:
		return 1;
	}
}

/* Length of the message, to go through all of its bytes. */
static size_t message_len;

static void nothing_left_over(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (rig_quicks(r, i) || fake_reserved(&r->end[i].sadb) || rig_unopened(r, i))
			fail_msg("how %d, message %u, param %zu, initiator %u: end %u has %u under way, %u reserved, "
				 "%u unopened",
				 plan.how, plan.message, plan.param, initiator, i, rig_quicks(r, i),
				 fake_reserved(&r->end[i].sadb), rig_unopened(r, i));
	}
}

static unsigned pfs, both_protocols;

/* With its mirror image; either end's. */
static struct ike_policy *policies(void)
{
	struct ike_policy *p = rig_policy(r, initiator, 1), *other = rig_policy(r, !initiator, 1);

	if (both_protocols)
		p->protos = other->protos = XI_PROTOS_ESP | XI_PROTOS_AH;
	return p;
}

static void conf(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->proposal[0].pfs = pfs ? group_by_id(pfs) : NULL;
	c->peer[0].dpd_interval_s = 0;
}

static void run(enum mangle how, unsigned message, size_t param, int established)
{
	struct ike_policy *p;

	plan.how = how;
	plan.message = message;
	plan.param = param;
	plan.count = 0;
	plan.held.p = NULL;
	r = rig_new(conf);
	p = policies();
	rig_isakmp(r, 0, 1);
	r->filter = filter;
	rig_acquire(r, initiator, p);
	rig_settle(r);
	if (how == DELAY) {
		rig_advance(r, param * NS_PER_S);
		assert_non_null(plan.held.p);
		rig_hand_over(r, &plan.held);
		free(plan.held.p);
		rig_settle(r);
	}
	rig_advance(r, 115 * NS_PER_S);
	nothing_left_over();
	for (unsigned i = 0; i < 2 && established != EITHER; i++)
		if (fake_count(&r->end[i].sadb) != (established ? 2U << both_protocols : 0))
			fail_msg("how %d, message %u, param %zu, initiator %u: %u SAs", how, message, param, initiator,
				 fake_count(&r->end[i].sadb));
	if (established != EITHER)
		assert_int_equal(r->end[initiator].sadb.acquire_failed, how == LOSE_ALL && message < 2);
	(void)teardown(NULL);
}

/* With and without PFS, ESP, and ESP inside AH. */
static void each_message(void (*test)(unsigned message))
{
	for (both_protocols = 0; both_protocols < 2; both_protocols++)
		for (pfs = 0; pfs <= 31; pfs += 31)
			for (initiator = 0; initiator < 2; initiator++)
				for (unsigned message = 0; message < 3; message++)
					test(message);
	both_protocols = pfs = 0;
}

static void lose(unsigned message)
{
	run(LOSE, message, 0, 1);
	run(LOSE_ALL, message, 0, 0);
}

static void t_lost(void **state)
{
	(void)state;
	each_message(lose);
}

static void twice(unsigned message)
{
	run(DOUBLE, message, 0, 1);
}

static void t_doubled(void **state)
{
	(void)state;
	each_message(twice);
}

static void delay(unsigned message)
{
	static const uint8_t s[] = {1, 9, 12, 25, 49, 51, 61, 100};

	for (unsigned i = 0; i < ARRAY_SIZE(s); i++)
		run(DELAY, message, s[i], 1);
}

static void t_delayed(void **state)
{
	(void)state;
	each_message(delay);
}

static int note_len(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->p[18] == ISAKMP_X_QUICK && number_of(p, initiator) == plan.message)
		message_len = p->len;
	return 1;
}

static void find_len(unsigned message)
{
	struct ike_policy *p;

	plan.message = message;
	r = rig_new(conf);
	p = policies();
	rig_isakmp(r, 0, 1);
	r->filter = note_len;
	rig_acquire(r, initiator, p);
	rig_settle(r);
	(void)teardown(NULL);
}

static void cut(unsigned message)
{
	find_len(message);
	for (size_t n = 0; n < message_len; n++)
		run(CUT, message, n, 1);
}

static void t_cut(void **state)
{
	(void)state;
	each_message(cut);
}

/*
 * HASH does not cover the padding (RFC 2409 appendix B), but the last block is the IV of what follows. In message 1 a bit there may cost the exchange,
 * not more; in message 2 it must not cost the initiator its HASH(3), for it has the SAs by then.
 */
static void flip(unsigned message)
{
	size_t step = pfs || both_protocols ? 5 : 1;

	find_len(message);
	for (size_t n = 0; n < message_len * 8; n += step)
		run(FLIP, message, n, message || n / 8 < message_len - CIPHER_BLOCK_MAX ? 1 : EITHER);
}

static void t_bit_flipped(void **state)
{
	(void)state;
	each_message(flip);
}

/* --- both sides start at once --- */

/* Chooses by the digits of `choice` which of the datagrams on their way arrives next; returns how many choices there were at each step. */
static unsigned steps, width[64];
static uint8_t choice[64];

static void (*each_step)(void);

static void deliver_by_choice(void)
{
	steps = 0;
	while (r->n || r->n_jobs) {
		unsigned n = r->n + !!r->n_jobs, pick;

		assert_true(steps < ARRAY_SIZE(width));
		width[steps] = n;
		pick = choice[steps++];
		if (pick < r->n)
			rig_deliver(r, pick);
		else
			(void)rig_work_one(r);
		if (each_step)
			each_step();
	}
}

/* The next combination; 0: that was the last. */
static int next_choice(void)
{
	while (steps) {
		steps--;
		if (++choice[steps] < width[steps])
			return 1;
		choice[steps] = 0;
	}
	return 0;
}

static void t_both_start_at_once_in_every_order(void **state)
{
	unsigned n = 0;

	(void)state;
	for (pfs = 0; pfs <= 31; pfs += 31) {
		memset(choice, 0, sizeof(choice));
		do {
			r = rig_new(conf);
			for (unsigned i = 0; i < 2; i++)
				(void)rig_policy(r, i, 1);
			rig_isakmp(r, 0, 1);
			for (unsigned i = 0; i < 2; i++)
				rig_acquire(r, i, r->end[i].sadb.policy);
			deliver_by_choice();
			for (unsigned i = 0; i < 2; i++) {
				assert_int_equal(rig_quicks(r, i), 0);
				assert_int_equal(fake_count(&r->end[i].sadb), 4);
				assert_int_equal(rig_unopened(r, i), 0);
				assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
			}
			(void)teardown(NULL);
			n++;
		} while (next_choice() && n < 20000);
	}
	assert_true(n > 20);
}

/* What an end sends with now, the other one opens: at no step is a packet lost. */
static void assert_in_use_is_opened(void)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct fake_sa *out = fake_sa(&r->end[i].sadb, r->end[i].sadb.policy_out[0]);
		unsigned opened = 0;

		assert_non_null(out);
		for (unsigned j = 0; j < FAKE_SAS; j++)
			opened += r->end[!i].sadb.sa[j].ref && rig_same_keys(&out->sa, &r->end[!i].sadb.sa[j].sa);
		assert_true(opened > 0);
	}
}

static void t_both_rekey_at_once_in_every_order(void **state)
{
	unsigned n = 0;

	(void)state;
	for (pfs = 0; pfs <= 31; pfs += 31) {
		memset(choice, 0, sizeof(choice));
		do {
			r = rig_new(conf);
			for (unsigned i = 0; i < 2; i++)
				(void)rig_policy(r, i, 1);
			rig_isakmp(r, 0, 1);
			rig_acquire(r, 0, r->end[0].sadb.policy);
			rig_settle(r);
			/* either may have used up half of its sequence numbers (spec section 14.2) */
			for (unsigned i = 0; i < 2; i++)
				ike_sa_event(r->end[i].k, IKE_SA_SEQUENCE, r->end[i].sadb.policy_out[0], NULL);
			each_step = assert_in_use_is_opened;
			deliver_by_choice();
			each_step = NULL;
			for (unsigned i = 0; i < 2; i++) {
				assert_int_equal(rig_quicks(r, i), 0);
				assert_int_equal(rig_unopened(r, i), 0);
				assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
			}
			if (n++ % 64 == 0) {
				rig_advance(r, 2 * 1800 * NS_PER_S);
				for (unsigned i = 0; i < 2; i++)
					assert_true(fake_count(&r->end[i].sadb) <=
						    4); /* one pair, or it and its successor */
				assert_in_use_is_opened();
			}
			(void)teardown(NULL);
		} while (next_choice() && n < 20000);
	}
	assert_true(n > 20);
}

/* Two pairs for one policy: both ends let the same one go, and one pair is left in the end. */
static void t_twins_become_one_again(void **state)
{
	(void)state;
	pfs = 0;
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	for (unsigned i = 0; i < 2; i++)
		rig_acquire(r, i, r->end[i].sadb.policy);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
	rig_advance(r, 1900 * NS_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_count(&r->end[i].sadb), 2);
		assert_int_equal(rig_unopened(r, i), 0);
	}
}

/* Random weather: losses, doubles, reordering, for many lifetimes. */
static int weather(struct rig *rig, struct rig_packet *p)
{
	uint64_t x = rig_rand(rig) >> 20;

	if (x % 5 == 0)
		return 0;
	if (x % 5 == 1)
		rig_push(rig, p->from, &p->path, p->p, p->len);
	if (x % 5 == 2 && rig->n > 1) {
		struct rig_packet first = rig->q[0];

		rig->q[0] = rig->q[rig->n - 1];
		rig->q[rig->n - 1] = first;
	}
	return 1;
}

static int clear_sky(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 1;
}

static void t_random_weather(void **state)
{
	(void)state;
	pfs = 0;
	for (unsigned seed = 1; seed < 60; seed++) {
		r = rig_new(conf);
		for (unsigned i = 0; i < 2; i++)
			(void)rig_policy(r, i, 1);
		rig_isakmp(r, 0, 1);
		r->seed = seed * 0x9e3779b97f4a7c15ull;
		r->filter = weather;
		for (unsigned round = 0; round < 8; round++) {
			for (unsigned i = 0; i < 2; i++)
				if (!r->end[i].sadb.policy_out[0])
					rig_acquire(r, i, r->end[i].sadb.policy);
			rig_settle(r);
			rig_advance(r, 700 * NS_PER_S);
		}
		r->filter = clear_sky;
		rig_advance(r, 2000 * NS_PER_S);
		for (unsigned i = 0; i < 2; i++)
			if (rig_unopened(r, i))
				fail_msg("seed %u: end %u sends what cannot be opened", seed, i);
		(void)teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(t_lost, teardown),
		cmocka_unit_test_teardown(t_doubled, teardown),
		cmocka_unit_test_teardown(t_delayed, teardown),
		cmocka_unit_test_teardown(t_cut, teardown),
		cmocka_unit_test_teardown(t_bit_flipped, teardown),
		cmocka_unit_test_teardown(t_both_start_at_once_in_every_order, teardown),
		cmocka_unit_test_teardown(t_both_rekey_at_once_in_every_order, teardown),
		cmocka_unit_test_teardown(t_twins_become_one_again, teardown),
		cmocka_unit_test_teardown(t_random_weather, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
