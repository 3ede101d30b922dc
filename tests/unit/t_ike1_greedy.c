/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers that have a key and want more than their share: SAs, generated policies, negotiations, log lines (RFC 2408, 2409; spec sections 19, 20). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FAKE_POLICIES 600
#define FAKE_SAS 2048
#include "ike/core/child_priv.h"
#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"

/* End 1 has generate-policy. */
static void generate(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_YES : IKE_GENERATE_NO;
	c->peer[0].dpd_interval_s = 0;
}

static void isakmp(void (*conf)(struct ike_conf *c, unsigned end))
{
	r = rig_new(conf);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
}

/* Host n of end 0, and all that is behind end 1. */
static struct ike_policy *host(unsigned n)
{
	struct ike_policy *p = rig_policy(r, 0, 1);

	p->sel.src.w[0] = htonl(0x0b000000 + n);
	p->sel.src_len = 32;
	return p;
}

static unsigned children(unsigned end)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		for (const struct ike_child *c = r->end[end].k->children[i]; c; c = c->next)
			n += !c->dying;
	return n;
}

static void negotiate(const struct ike_policy *p)
{
	rig_acquire(r, 0, p);
	rig_settle(r);
}

/* Spec section 19: a peer may claim any network, but not so many that no SA and no policy is left to others. */
static void t_spec_19_generated_policies_of_one_address(void **state)
{
	(void)state;
	isakmp(generate);
	for (unsigned i = 0; i < CHILD_GENERATED_MAX + 20; i++) {
		negotiate(host(i));
		r->now += NS_PER_S / 1000;
	}
	assert_int_equal(r->end[1].sadb.generated, CHILD_GENERATED_MAX + 20);
	assert_int_equal(fake_policies(&r->end[1].sadb), CHILD_GENERATED_MAX);
	assert_int_equal(children(1), CHILD_GENERATED_MAX);
	/* the oldest went, and the peer was told */
	assert_int_equal(fake_count(&r->end[1].sadb), 2 * CHILD_GENERATED_MAX);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(children(0), CHILD_GENERATED_MAX);
	assert_int_equal(rig_unopened(r, 0) + rig_unopened(r, 1), 0);
}

/* All SAs are in use: what a peer has twice, or claimed for itself, makes room for others. */
static void t_room_for_others(void **state)
{
	struct ike_policy *mine, *other;

	(void)state;
	isakmp(NULL);
	mine = rig_policy(r, 0, 1);
	other = rig_policy(r, 0, 2);
	(void)rig_policy(r, 1, 1);
	(void)rig_policy(r, 1, 2);
	r->end[1].sadb.sas_max = 20;
	for (unsigned i = 0; i < 20; i++) {
		negotiate(mine);
		r->now += NS_PER_S / 1000;
	}
	assert_true(fake_count(&r->end[1].sadb) <= 20);
	assert_true(rig_logged(r, 1, "IPsec-SA established"));
	assert_false(rig_logged(r, 1, "no SPI"));
	negotiate(other);
	assert_int_not_equal(r->end[1].sadb.policy_out[1], 0);
	/* the newest of each policy stays */
	assert_int_not_equal(r->end[1].sadb.policy_out[0], 0);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(rig_unopened(r, 0) + rig_unopened(r, 1), 0);
}

/* Nothing is there twice: nobody loses an SA. */
static void t_no_room_for_more(void **state)
{
	(void)state;
	isakmp(NULL);
	r->end[1].sadb.sas_max = 6;
	for (unsigned i = 1; i <= 4; i++) {
		struct ike_policy *p = rig_policy(r, 0, i);

		(void)rig_policy(r, 1, i);
		negotiate(p);
	}
	assert_int_equal(fake_count(&r->end[1].sadb), 6);
	assert_true(rig_logged(r, 1, "no SPI: all 6 SAs are in use"));
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(r->end[1].sadb.policy_out[i], 0);
}

/* --- ISAKMP SAs --- */

static void of_port(struct ike1 *sa, unsigned end, unsigned n)
{
	(end ? &sa->path.remote : &sa->path.local)->port = (uint16_t)(2000 + n);
}

static int lost(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 0;
}

/* From port after port it is peer after peer. */
static void t_isakmp_sas_of_one_address(void **state)
{
	(void)state;
	r = rig_new(NULL);
	r->prepare = of_port;
	r->filter = lost;
	for (unsigned i = 0; i < IKE1_ADDRESS_MAX + 20; i++)
		rig_isakmp(r, 0, i);
	assert_int_equal(established(1), IKE1_ADDRESS_MAX);
}

/* --- half-open quick modes --- */

/* A quick mode of end 0 that end 1 answers under each message ID. */
static void half_open(unsigned from, unsigned n)
{
	static uint8_t body[SAY_BODY_MAX];
	static struct hashed h;
	struct say s = {.exchange = ISAKMP_X_QUICK, .body.p = body};
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct rig_packet p;

	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	p = rig_take(r, 0);
	assert_int_equal(ike1_iv(r->end[0].sa,
				 (uint32_t)p.p[20] << 24 | (uint32_t)p.p[21] << 16 | (uint32_t)p.p[22] << 8 | p.p[23],
				 iv),
			 0);
	assert_int_equal(hashed_open(r->end[0].sa, iv, &h, (struct bytes){p.p, p.len}), 0);
	free(p.p);
	s.type = h.m.payload[0].whole.p[0];
	s.body.len = h.rest.len;
	memcpy(body, h.rest.p, h.rest.len);
	for (s.mid = from; s.mid < from + n; s.mid++) {
		rig_say(r, 0, &s);
		while (r->n)
			rig_drop(r, 0);
	}
}

/* Each takes SAs up: not 64 under each of many ISAKMP SAs. */
static void t_quick_modes_under_several_isakmp_sas(void **state)
{
	(void)state;
	isakmp(NULL);
	(void)rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	for (unsigned i = 1; i <= 5; i++) {
		half_open(1, QUICK_RESPONDERS_MAX + 6);
		assert_int_equal(rig_quicks(r, 1), MIN(i * QUICK_RESPONDERS_MAX, QUICK_ADDRESS_MAX));
		quick_end_all(r->end[0].k);
		rig_isakmp(r, 0, i + 1);
		while (r->n)
			rig_drop(r, 0);
	}
}

/* --- Deletes (RFC 2408 §3.15) --- */

static void t_one_delete_of_many_spis(void **state)
{
	static uint8_t body[4 + 8 + 4 * 1000];
	struct say s = {
		.exchange = ISAKMP_X_INFORMATIONAL, .mid = 1, .type = ISAKMP_P_DELETE, .body = {body, sizeof(body)}};
	const struct ike_child *c;

	(void)state;
	isakmp(NULL);
	for (unsigned i = 1; i <= 3; i++) {
		struct ike_policy *p = rig_policy(r, 0, i);

		(void)rig_policy(r, 1, i);
		negotiate(p);
	}
	assert_int_equal(children(1), 3);
	memcpy(body,
	       (uint8_t[]){0, 0, sizeof(body) >> 8, sizeof(body) & 255, 0, 0, 0, IPSEC_DOI, IPSEC_PROTO_ESP, 4,
			   1000 >> 8, 1000 & 255},
	       12);
	c = *child_bucket(r->end[1].k, &r->end[0].addr);
	memcpy(body + 12 + 4 * 17, &c->out_spi[0], 4);
	memcpy(body + 12 + 4 * 999, &c->next->out_spi[0], 4);
	r->end[1].sa->moved = 1; /* wherever they are */
	rig_say(r, 0, &s);
	assert_int_equal(children(1), 1);
	assert_int_equal(rig_quicks(r, 1), 0);
}

/* --- log lines --- */

static void say_notify(unsigned n)
{
	static const uint8_t body[12] = {0, 0, 0, 12, 0, 0, 0, IPSEC_DOI, IPSEC_PROTO_ISAKMP, 0, 0, 1};
	struct say s = {.exchange = ISAKMP_X_INFORMATIONAL, .type = ISAKMP_P_NOTIFY, .body = {body, sizeof(body)}};
	static uint32_t mid = 10000;

	for (unsigned i = 0; i < n; i++) {
		s.mid = ++mid;
		rig_say(r, 0, &s);
	}
}

/* A burst is logged whole; what goes on and on is not, and that is said. Others have their lines all the same. */
static void t_log_lines_of_one_peer(void **state)
{
	unsigned before;

	(void)state;
	isakmp(NULL);
	before = r->n_log[1];
	say_notify(900);
	assert_int_equal(r->n_log[1] - before, 900);
	say_notify(2000);
	assert_true(r->n_log[1] - before <= 1001);
	assert_true(ike_count(r->end[1].k, IKE_COUNT_UNSAID) >= 1900);
	before = r->n_log[1];
	r->now += 5 * NS_PER_S;
	say_notify(1000);
	assert_int_equal(r->n_log[1] - before, 100); /* 20 a second */
	r->end[0].addr = rig_addr4("192.0.2.77");
	rig_isakmp(r, 0, 2);
	rig_settle(r);
	before = r->n_log[1];
	say_notify(10);
	assert_int_equal(r->n_log[1] - before, 10);
}

static void short_lives(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].dpd_interval_s = 0;
	c->proposal[0].lifetime_s = 10;
}

/* Limits that the peer has chosen are its doing, too. */
static void t_log_lines_of_limits(void **state)
{
	uint64_t unsaid;

	(void)state;
	isakmp(short_lives);
	(void)rig_policy(r, 1, 1);
	negotiate(rig_policy(r, 0, 1));
	assert_int_equal(children(1), 1);
	r->filter = lost;
	rig_advance(r, 10 * NS_PER_S - NS_PER_S / 1000);
	say_notify(1500);
	unsaid = ike_count(r->end[1].k, IKE_COUNT_UNSAID);
	assert_true(unsaid);
	rig_advance(r, NS_PER_S / 500);
	assert_int_equal(children(1), 0);
	assert_false(rig_logged(r, 1, "IPsec-SA expired"));
	assert_true(ike_count(r->end[1].k, IKE_COUNT_UNSAID) > unsaid);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spec_19_generated_policies_of_one_address),
		T(t_room_for_others),
		T(t_no_room_for_more),
		T(t_isakmp_sas_of_one_address),
		T(t_quick_modes_under_several_isakmp_sas),
		T(t_one_delete_of_many_spis),
		T(t_log_lines_of_one_peer),
		T(t_log_lines_of_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
