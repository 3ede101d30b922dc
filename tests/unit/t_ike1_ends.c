/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends of exchanges and of ISAKMP SAs: nothing is left behind, and the peer hears of SAs that nobody opens any more (RFC 2408 §3.15; spec sections 4.1, 11, 20.2, 21). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"

static const char office[] = "203.0.113.1";

static void no_dpd(struct ike_conf *c, unsigned end)
{
	(void)end;
	for (unsigned i = 0; i < c->n_peers; i++)
		c->peer[i].dpd_interval_s = 0;
}

static void up(void (*conf)(struct ike_conf *c, unsigned end))
{
	r = rig_new(conf);
	(void)rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
}

/* --- whose address is it (spec 4.1, 21) --- */

/* Anybody may come by the item of the prefix; the office has an item, and a secret, of its own. */
static void conf_office(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].natt = 1;
	c->peer[1] = c->peer[0];
	c->peer[1].id = 2;
	c->peer[1].addr = rig_addr4(office);
	c->peer[1].addr_len = 32;
	c->peer[1].psk[0] = 'T';
}

static void with_natt(struct ike1 *sa, unsigned end, unsigned n)
{
	(void)n;
	sa->natt = IKE1_NATT_RFC;
	sa->path.local.port = sa->path.remote.port = IKE_PORT_NATT;
	sa->behind = !end;
	sa->peer_behind = (uint8_t)end;
}

static void anybody(void)
{
	r = rig_new(conf_office);
	r->prepare = with_natt;
	(void)rig_policy(r, 0, 1);
	rig_policy(r, 1, 1)->sa_dst = rig_addr4(office);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
}

/* Spec section 21: one keep-alive every 20 s for a pair of addresses and ports. The data plane sends those of SAs; without any the engine does. */
static void t_spec_21_one_keepalive_of_a_pair(void **state)
{
	(void)state;
	r = rig_new(conf_office);
	r->prepare = with_natt;
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_isakmp(r, 0, 2);
	rig_settle(r);
	rig_advance(r, 61 * NS_PER_S);
	assert_int_equal(r->keepalives[0], 3);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, 60 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	assert_int_equal(r->keepalives[0], 3);
	(void)ike_flush(r->end[0].k, 0);
	rig_advance(r, 60 * NS_PER_S);
	assert_int_equal(r->keepalives[0], 6);
	assert_int_equal(r->keepalives[1], 0);
}

/* Authenticated with the secret of one item, from an address that another one is for: it must not become that peer. */
static void t_spec_21_no_move_to_the_address_of_another_item(void **state)
{
	struct rig_packet p;

	(void)state;
	anybody();
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	p = rig_take(r, 0);
	p.path.remote.a = rig_addr4(office);
	rig_hand_over(r, &p);
	free(p.p);
	assert_true(ike_addr_eq(&r->end[1].sa->path.remote.a, &r->end[0].addr));
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_true(rig_logged(r, 1, "no policy found"));
}

static void conf_wide(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].natt = 1;
}

/*
 * Nor with one item for all, as with certificates: that somebody gets what is sent to the address of a policy was shown by phase 1 (cookies), by a single
 * message from there it was not.
 */
static void t_spec_17_policy_of_an_address_that_a_peer_moved_to(void **state)
{
	struct rig_packet p;

	(void)state;
	r = rig_new(conf_wide);
	r->prepare = with_natt;
	(void)rig_policy(r, 0, 1);
	rig_policy(r, 1, 1)->sa_dst = rig_addr4(office);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	p = rig_take(r, 0);
	p.path.remote.a = rig_addr4(office);
	rig_hand_over(r, &p);
	free(p.p);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_true(rig_logged(r, 1, "no policy found"));
	/* and what we want of that address is not negotiated with who has moved there */
	while (r->n)
		rig_drop(r, 0);
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	assert_int_equal(isakmps(1), 2);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->q[0].p[18], ISAKMP_X_MAIN);
}

/* Within its own item a peer moves. */
static void t_spec_21_move_within_the_item(void **state)
{
	struct ike_path path;

	(void)state;
	anybody();
	path = r->end[1].sa->path;
	path.remote.a = rig_addr4("203.0.113.2");
	ike1_seen(r->end[1].sa, &path);
	assert_true(ike_end_eq(&r->end[1].sa->path.remote, &path.remote));
}

/* The same by packets of an SA. */
static void t_spec_21_no_move_of_an_sa_to_another_item(void **state)
{
	struct ike_end seen = {rig_addr4(office), 4500};
	struct ike_child *c = NULL;

	(void)state;
	anybody();
	r->end[1].sadb.policy[0].sa_dst = r->end[0].addr;
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS && !c; i++)
		c = r->end[1].k->children[i];
	assert_non_null(c);
	ike_sa_event(r->end[1].k, IKE_SA_MAPPING, c->in[0], &seen);
	assert_true(ike_addr_eq(&c->path.remote.a, &r->end[0].addr));
	assert_true(ike_addr_eq(&r->end[1].sa->path.remote.a, &r->end[0].addr));
	seen.a = rig_addr4("203.0.113.2");
	ike_sa_event(r->end[1].k, IKE_SA_MAPPING, c->in[0], &seen);
	assert_true(ike_addr_eq(&c->path.remote.a, &seen.a));
}

static void second_with_natt(struct ike1 *sa, unsigned end, unsigned n)
{
	if (n == 2)
		with_natt(sa, end, n);
}

/* Somebody else, authenticated, says in the name of the address: its SAs are not his to end (spec 20.2, 20.3). */
static void says_from(const struct ike_addr *where, unsigned type, const uint8_t *body, size_t len)
{
	static uint32_t mid = 900;
	struct say s = {.exchange = ISAKMP_X_INFORMATIONAL, .mid = ++mid, .type = (uint8_t)type, .body = {body, len}};
	struct rig_packet p = rig_make(r, 0, &s);

	p.path.remote.a = *where;
	rig_hand_over(r, &p);
}

static void t_spec_20_sas_of_an_address_that_a_peer_moved_to(void **state)
{
	uint8_t contact[] = {0, 0, 0, 12, 0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 0, 0x60, 2};
	uint8_t del[16] = {0, 0, 0, 16, 0, 0, 0, 1, IPSEC_PROTO_ESP, 4, 0, 1};
	struct ike_addr victim;

	(void)state;
	r = rig_new(conf_wide);
	r->prepare = second_with_natt;
	victim = r->end[0].addr;
	(void)rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	r->end[0].addr = rig_addr4("192.0.2.99");
	rig_isakmp(r, 0, 2);
	rig_settle(r);
	says_from(&victim, ISAKMP_P_NOTIFY, contact, sizeof(contact));
	assert_true(rig_logged(r, 1, "received INITIAL-CONTACT"));
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[1].sadb.sa[i].ref && r->end[1].sadb.sa[i].sa.dir == XI_DIR_OUT)
			memcpy(del + 12, &r->end[1].sadb.sa[i].sa.spi, 4);
	says_from(&victim, ISAKMP_P_DELETE, del, sizeof(del));
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* --- the last message of an ISAKMP SA reaches its byte limit (spec 16.7) --- */

static void t_spec_16_7_limit_reached_by_the_last_delete(void **state)
{
	struct ike_conf *c = rig_conf();

	(void)state;
	up(NULL);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_deliver(r, 0);
	assert_int_equal(rig_quicks(r, 1), 1); /* message 2 is out: it is taken back */
	r->end[1].sa->terms.life_bytes = r->end[1].sa->bytes + 1;
	c->peer[0].psk[0] = 'T';
	ike_reload(r->end[1].k, c);
	assert_int_equal(isakmps(1), 0);
	assert_int_equal(r->end[1].k->timers.count, 0);
}

/* --- the peer item changes (spec 4.2, 19.6) --- */

static void conf_generate(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_YES : IKE_GENERATE_NO;
}

static void t_spec_19_6_generated_policy_goes_with_the_peer_item(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 3; what++) {
		struct ike_conf *c = rig_conf();

		r = rig_new(conf_generate);
		(void)rig_policy(r, 0, 1);
		rig_isakmp(r, 0, 1);
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		rig_settle(r);
		assert_int_equal(fake_policies(&r->end[1].sadb), 1);
		assert_int_equal(fake_count(&r->end[1].sadb), 2);
		if (what) /* else something else was edited */
			c->peer[0].psk[0] = 'T';
		conf_generate(c, what != 2);
		ike_reload(r->end[1].k, c);
		assert_int_equal(fake_policies(&r->end[1].sadb), !what);
		assert_int_equal(fake_count(&r->end[1].sadb), what ? 0 : 2);
		rig_settle(r);						     /* its Delete */
		assert_int_equal(fake_count(&r->end[0].sadb), what ? 1 : 2); /* inbound: 5 s later */
		(void)teardown(NULL);
	}
}

static void conf_generate_no_dpd(struct ike_conf *c, unsigned end)
{
	conf_generate(c, end);
	c->peer[0].dpd_interval_s = 0;
}

static void conf_generate_dpd(struct ike_conf *c, unsigned end)
{
	conf_generate(c, end);
	c->peer[0].dpd_interval_s = 120;
}

static void up_generated(void (*conf)(struct ike_conf *c, unsigned end))
{
	r = rig_new(conf);
	(void)rig_policy(r, 0, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* End 0 has gone without a word: end 1 alone goes on, and hears nothing. */
static void in_silence(unsigned seconds)
{
	uint64_t until = r->now + seconds * NS_PER_S;

	while (ike_next(r->end[1].k) <= until) {
		r->now = MAX(r->now, ike_next(r->end[1].k));
		ike_run(r->end[1].k);
		while (rig_work_one(r))
			;
		while (r->n)
			rig_drop(r, 0);
	}
	r->now = until;
}

static void assert_generated_is_gone(void)
{
	assert_int_equal(fake_policies(&r->end[1].sadb), 0);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	(void)teardown(NULL);
}

static void t_spec_19_6_generated_policy_goes_with_its_sas(void **state)
{
	(void)state;
	up_generated(conf_generate);
	assert_int_equal(ike_flush(r->end[1].k, 0), 2);
	assert_generated_is_gone();
	up_generated(conf_generate);
	ike_kill(r->end[1].k);
	assert_generated_is_gone();
	/* DPD finds the peer dead */
	up_generated(conf_generate_dpd);
	in_silence(400);
	assert_true(rig_logged(r, 1, "seems to be dead"));
	assert_generated_is_gone();
	/* hard expiry without a successor */
	up_generated(conf_generate_no_dpd);
	in_silence(1790);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	in_silence(20);
	assert_generated_is_gone();
}

/* Spec 4.2: what a policy of the table has goes on. */
static void t_spec_4_2_sas_stay_when_the_peer_item_changes(void **state)
{
	struct ike_conf *c = rig_conf();

	(void)state;
	up(NULL);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	c->peer[0].psk[0] = 'T';
	ike_reload(r->end[1].k, c);
	assert_int_equal(isakmps(1), 0);
	assert_int_equal(r->n, 0);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* Spec 16.7: what is not authentic, or comes again, does not use it up. */
static void t_spec_16_7_bytes_that_are_not_counted(void **state)
{
	uint8_t contact[] = {0, 0, 0, 12, 0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 0, 0x60, 2};
	struct say s = {.exchange = ISAKMP_X_INFORMATIONAL,
			.mid = 900,
			.type = ISAKMP_P_NOTIFY,
			.body = {contact, sizeof(contact)}};
	uint64_t before;

	(void)state;
	up(NULL);
	before = r->end[1].sa->bytes;
	s.wrong = 1;
	rig_say(r, 0, &s);
	assert_int_equal(r->end[1].sa->bytes, before);
	s.wrong = 0;
	rig_say(r, 0, &s);
	assert_true(r->end[1].sa->bytes > before);
	before = r->end[1].sa->bytes;
	for (unsigned i = 0; i < 10; i++)
		rig_say(r, 0, &s);
	assert_int_equal(r->end[1].sa->bytes, before);
}

/* --- exchanges that end when the peer may have its SAs --- */

static int set_commit(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == 1 && p->p[18] == ISAKMP_X_QUICK)
		p->p[19] |= ISAKMP_F_COMMIT;
	return 1;
}

/* The initiator waits for CONNECTED, the responder has all. */
static void up_to_commit(void)
{
	up(no_dpd);
	r->filter = set_commit;
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 1);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

static void nothing_is_left(void)
{
	rig_settle(r);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
}

/* RFC 2408 §3.1: the policy has gone before CONNECTED came. */
static void t_outbound_fails_behind_message_3(void **state)
{
	(void)state;
	up_to_commit();
	r->end[0].sadb.policy[0].gen = 0;
	rig_advance(r, 11 * NS_PER_S);
	nothing_is_left();
}

/* Spec section 11: what is under way ends, too, and the peer hears of it. */
static void t_spec_11_kill_behind_message_3(void **state)
{
	(void)state;
	up_to_commit();
	ike_kill(r->end[0].k);
	nothing_is_left();
}

static int third_is_lost(struct rig *rig, struct rig_packet *p)
{
	return p->from || p->p[18] != ISAKMP_X_QUICK || rig->sent[0] < 2;
}

static void t_spec_11_kill_behind_message_2(void **state)
{
	(void)state;
	up(no_dpd);
	r->sent[0] = 0;
	r->filter = third_is_lost;
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	assert_int_equal(rig_quicks(r, 1), 1);
	ike_kill(r->end[1].k);
	nothing_is_left();
}

/* --- the number of a pair of SAs --- */

/* It is drawn; among some ten thousand two are likely to be the same, and then what the data plane says of one SA would be taken for the other's. */
static void t_numbers_of_pairs_differ(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	r = rig_new(NULL);
	for (unsigned n = 1; n <= 2; n++) {
		(void)rig_policy(r, 0, n);
		(void)rig_policy(r, 1, n);
	}
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	for (unsigned n = 0; n < 2; n++) {
		rig_acquire(r, 0, &r->end[0].sadb.policy[n]);
		rig_deliver(r, 0);
		r->seed = seed; /* the number is the first that message 2 makes end 0 draw */
		rig_settle(r);
		rig_advance(r, NS_PER_S);
	}
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
	for (unsigned n = 0; n < 2; n++) {
		ike_sa_event(r->end[0].k, IKE_SA_HARD, r->end[0].sadb.policy_out[n], NULL);
		rig_settle(r);
		rig_advance(r, 6 * NS_PER_S);
	}
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
}

/* --- refusals (spec section 20) --- */

static int drop_all(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 0;
}

static struct say refusal(uint8_t body[16], uint32_t mid, __be32 spi)
{
	const uint8_t plain[12] = {
		0, 0, 0, spi ? 16 : 12, 0, 0, 0, 1, IPSEC_PROTO_ESP, spi ? 4 : 0, 0, ISAKMP_N_NO_PROPOSAL_CHOSEN};

	memcpy(body, plain, 12);
	memcpy(body + 12, &spi, 4);
	return (struct say){
		.exchange = ISAKMP_X_INFORMATIONAL, .mid = mid, .type = ISAKMP_P_NOTIFY, .body = {body, spi ? 16 : 12}};
}

/*
 * A refusal that may be about one of three ends none, and all are repeated: what the peer said is told when no answer comes. One with our SPI is about that
 * one.
 */
static void t_spec_20_refusal_of_one_of_three(void **state)
{
	static const char said[] = "the peer says NO-PROPOSAL-CHOSEN to what we offered: ESP tunnel, aes-128";
	uint8_t body[16];
	struct say s;

	(void)state;
	up(NULL);
	for (unsigned n = 2; n < 4; n++)
		(void)rig_policy(r, 0, n);
	for (unsigned n = 0; n < 3; n++)
		rig_acquire(r, 0, &r->end[0].sadb.policy[n]);
	assert_int_equal(rig_quicks(r, 0), 3);
	s = refusal(body, 5001, 0);
	rig_say(r, 1, &s);
	assert_int_equal(rig_quicks(r, 0), 3);
	assert_false(rig_logged(r, 0, "the peer says"));
	s = refusal(body, 5002, r->end[0].sa->quick->next->s[0].spi[0]);
	rig_say(r, 1, &s);
	assert_int_equal(rig_quicks(r, 0), 2);
	assert_true(rig_logged(r, 0, said));
	r->n_log[0] = 0;
	while (r->n)
		rig_drop(r, 0);
	r->filter = drop_all;
	rig_advance(r, 51 * NS_PER_S);
	assert_int_equal(rig_quicks(r, 0), 0);
	assert_true(rig_logged(r, 0, said));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spec_21_one_keepalive_of_a_pair),
		T(t_spec_21_no_move_to_the_address_of_another_item),
		T(t_spec_17_policy_of_an_address_that_a_peer_moved_to),
		T(t_spec_21_move_within_the_item),
		T(t_spec_20_sas_of_an_address_that_a_peer_moved_to),
		T(t_spec_21_no_move_of_an_sa_to_another_item),
		T(t_spec_16_7_limit_reached_by_the_last_delete),
		T(t_spec_19_6_generated_policy_goes_with_the_peer_item),
		T(t_spec_19_6_generated_policy_goes_with_its_sas),
		T(t_spec_4_2_sas_stay_when_the_peer_item_changes),
		T(t_spec_16_7_bytes_that_are_not_counted),
		T(t_outbound_fails_behind_message_3),
		T(t_spec_11_kill_behind_message_3),
		T(t_spec_11_kill_behind_message_2),
		T(t_numbers_of_pairs_differ),
		T(t_spec_20_refusal_of_one_of_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
