/* SPDX-License-Identifier: BSD-2-Clause */
/* The commit bit in quick mode (RFC 2408 §3.1; spec section 17), set by either end. It stands in the header, so a filter can set it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

/* Pairs with equal keys, nothing left over. */
static void both_have(unsigned sas)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_count(&r->end[i].sadb), sas);
		assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
		assert_int_equal(rig_unopened(r, i), 0);
		assert_int_equal(rig_quicks(r, i), 0);
	}
}

static void plain(void)
{
	struct ike_policy *p = rig_policy(r, 0, 1);

	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
}

static void conf_generate(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_YES : IKE_GENERATE_NO;
}

static unsigned commits; /* the end that sets it */

static int set_commit(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == commits && p->p[18] == ISAKMP_X_QUICK)
		p->p[19] |= ISAKMP_F_COMMIT;
	return 1;
}

/* CONNECTED under the message ID of the quick mode. */
static void say_connected(unsigned from, uint32_t mid)
{
	struct msg_notify n = {.doi = 1, .protocol = 3, .type = ISAKMP_N_CONNECTED};
	struct ike1 *sa = r->end[from].sa;
	uint8_t iv[CIPHER_BLOCK_MAX], *hash;
	struct bytes rest;
	struct msg_wr w;

	assert_int_equal(ike1_iv(sa, mid, iv), 0);
	hashed_begin(sa, &w, ISAKMP_X_INFORMATIONAL, mid);
	msg_wr_notify(&w, &n);
	assert_int_equal(hashed_end(sa, &w, &hash, &rest), 0);
	assert_int_equal(ike1_hash1(sa->terms.hash, &sa->k, mid, rest, hash), 0);
	assert_int_equal(ike1_send(sa, &w, iv, 1, NULL), 0);
}

/* Who did not set it has inbound SAs only until CONNECTED comes; when that is lost it uses the SAs after 10 s. */
static void t_rfc2408_3_1_commit_bit(void **state)
{
	(void)state;
	for (commits = 0; commits < 2; commits++)
		for (unsigned told = 0; told < 2; told++) {
			r = rig_new(NULL);
			r->filter = set_commit;
			plain();
			assert_int_equal(fake_count(&r->end[!commits].sadb), 1); /* inbound only */
			assert_int_equal(r->end[!commits].sadb.sa[0].sa.dir, XI_DIR_IN);
			assert_int_equal(fake_count(&r->end[commits].sadb), 2);
			if (told) {
				say_connected(commits, r->end[0].k->sas->quick->mid);
				rig_settle(r);
			} else {
				rig_advance(r, 9 * NS_PER_S);
				assert_int_equal(fake_count(&r->end[!commits].sadb), 1);
				rig_advance(r, NS_PER_S);
			}
			both_have(2);
			(void)teardown(NULL);
		}
}

/* As responder CONNECTED can be there before message 3. */
static void t_rfc2408_3_1_connected_before_message_3(void **state)
{
	(void)state;
	commits = 0;
	r = rig_new(NULL);
	r->filter = set_commit;
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	rig_deliver(r, 0);
	rig_deliver(r, 0);
	say_connected(0, r->end[0].k->sas->quick->mid);
	assert_int_equal(r->n, 2); /* message 3, CONNECTED */
	rig_deliver(r, 1);
	assert_int_equal(fake_count(&r->end[1].sadb), 1);
	rig_settle(r);
	both_have(2);
}

/* Spec 19.5: a generated policy comes with its SAs, when CONNECTED has come or has been waited for. */
static void t_rfc2408_3_1_commit_bit_and_generate_policy(void **state)
{
	(void)state;
	commits = 0;
	for (unsigned told = 0; told < 2; told++) {
		r = rig_new(conf_generate);
		r->filter = set_commit;
		rig_isakmp(r, 0, 1);
		rig_acquire(r, 0, rig_policy(r, 0, 1));
		rig_settle(r);
		assert_int_equal(fake_count(&r->end[1].sadb), 0);
		assert_int_equal(fake_policies(&r->end[1].sadb), 0);
		if (told)
			say_connected(0, r->end[0].k->sas->quick->mid);
		rig_settle(r);
		rig_advance(r, told ? 0 : 10 * NS_PER_S);
		assert_int_equal(fake_policies(&r->end[1].sadb), 1);
		both_have(2);
		(void)teardown(NULL);
	}
}

/* The responder waits for CONNECTED, and its phase 1 ends, or the operator ends all: nothing is left, and the peer hears of it. */
static void t_rfc2408_3_1_ended_while_it_waits(void **state)
{
	(void)state;
	commits = 0;
	r = rig_new(NULL);
	r->filter = set_commit;
	plain();
	ike_kill(r->end[1].k);
	rig_settle(r);
	rig_advance(r, 6 * NS_PER_S);
	both_have(0);
	assert_int_equal(r->end[1].k->timers.count, 0);
}

/* Who has said CONNECTED, or will not, deletes its SAs while the other still waits: what was deleted is not taken to send with (RFC 2408 §3.15). */
static void t_rfc2408_3_15_deleted_while_it_waits(void **state)
{
	(void)state;
	for (commits = 0; commits < 2; commits++) {
		r = rig_new(NULL);
		r->filter = set_commit;
		plain();
		assert_int_equal(ike_flush(r->end[commits].k, 0), 2);
		rig_settle(r);
		rig_advance(r, 11 * NS_PER_S);
		both_have(0);
		(void)teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(t_rfc2408_3_1_commit_bit, teardown),
		cmocka_unit_test_teardown(t_rfc2408_3_1_connected_before_message_3, teardown),
		cmocka_unit_test_teardown(t_rfc2408_3_1_commit_bit_and_generate_policy, teardown),
		cmocka_unit_test_teardown(t_rfc2408_3_1_ended_while_it_waits, teardown),
		cmocka_unit_test_teardown(t_rfc2408_3_15_deleted_while_it_waits, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
