/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not happen, whatever peers and strangers send and whenever an ISAKMP SA ends: one test for each bug that was found (RFC 2408, 2409). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_rig.h"

static struct rig *r;
static uint8_t mode, auth;

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	auth = IKE_AUTH_PSK;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (r)
		rig_free(r);
	r = NULL;
	return 0;
}

static void conf(struct ike_conf *c, unsigned end)
{
	(void)end;
	for (unsigned i = 0; i < c->n_peers; i++) {
		c->peer[i].mode = mode;
		c->peer[i].auth = auth;
		strcpy(c->peer[i].key, "own");
	}
}

static void begin(void)
{
	struct ike_policy *p;

	r = rig_new(conf);
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_acquire(r, 0, p);
}

/* --- results that come back when the ISAKMP SA has gone --- */

static struct ike_sign *signing;

static void sign_later(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	assert_null(signing);
	signing = s;
}

static void t_signature_after_the_end(void **state)
{
	(void)state;
	auth = IKE_AUTH_RSA_KEY;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		begin();
		r->end[0].env.sign = r->end[1].env.sign = sign_later;
		rig_settle(r);
		assert_non_null(signing);
		ike_kill(r->end[0].k);
		ike_kill(r->end[1].k);
		signing->sig_len = 128;
		signing->done(signing);
		signing = NULL;
		assert_null(r->end[0].k->sas);
		assert_null(r->end[1].k->sas);
		(void)teardown(NULL);
	}
}

/* --- an ISAKMP SA that moves --- */

/* Which ISAKMP SA the children of an end hold that is none of the living. */
static unsigned dangling(unsigned end)
{
	const struct ike *k = r->end[end].k;
	unsigned n = 0;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		for (const struct ike_child *c = k->children[i]; c; c = c->next) {
			const struct ike1 *sa = k->sas;

			while (sa && sa != c->sa)
				sa = sa->next;
			n += c->sa && !sa;
		}
	return n;
}

static void up(void)
{
	const struct ike_policy *p;

	r = rig_new(conf);
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* Spec section 21: the NAT gives the peer another address; its SAs are still there under the old one. */
static void t_moved_then_dropped(void **state)
{
	struct ike_path path;

	(void)state;
	up();
	r->end[1].sa->natt = IKE1_NATT_RFC;
	path = r->end[1].sa->path;
	path.remote.a = rig_addr4("203.0.113.9");
	ike1_seen(r->end[1].sa, &path);
	assert_true(child_any(r->end[1].sa));
	ike1_drop(r->end[1].sa, 0, NULL);
	assert_int_equal(dangling(1), 0);
	assert_int_equal(ike_flush(r->end[1].k, 0), 2);
}

static int from_elsewhere(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == 0)
		p->path.remote.a = rig_addr4("203.0.113.9");
	return 1;
}

static void t_moved_then_deleted_by_the_peer(void **state)
{
	(void)state;
	up();
	r->end[1].sa->natt = IKE1_NATT_RFC;
	r->filter = from_elsewhere;
	assert_int_equal(ike_flush(r->end[0].k, 0), 2);
	rig_settle(r);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_int_equal(rig_unopened(r, 0), 0);
	assert_int_equal(rig_quicks(r, 0), 0);
}

/* --- notifications of phase 1 --- */

/* Spec 23.1: message 5 is readable, its HASH is wrong. */
static void t_wrong_hash_is_told_under_the_keys(void **state)
{
	(void)state;
	begin();
	while (r->end[0].k->sas->state != IKE1_MSG3_SENT)
		if (!rig_work_one(r))
			rig_deliver(r, 0);
	r->end[1].k->sas->hs->sai.p[9] ^= 1; /* of what HASH_I is computed over; the keys do not depend on it */
	rig_deliver(r, 0);
	assert_true(rig_logged(r, 1, "HASH mismatched"));
	assert_int_equal(r->n, 1);
	assert_int_equal(r->q[0].p[18], ISAKMP_X_INFORMATIONAL);
	assert_int_equal(r->q[0].p[19], ISAKMP_F_ENCRYPTED);
	rig_deliver(r, 0);
	assert_true(rig_logged(r, 0, "received INVALID-HASH-INFORMATION (23) in phase 1"));
	assert_int_equal(r->end[0].k->sas->state, IKE1_MSG3_SENT);
	/* the next one is good: its IV is not that of the notification */
	r->end[1].k->sas->hs->sai.p[9] ^= 1;
	rig_advance(r, 11 * NS_PER_S);
	assert_int_equal(r->end[0].k->sas->state, IKE1_ESTABLISHED);
	assert_int_equal(r->end[1].k->sas->state, IKE1_ESTABLISHED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_signature_after_the_end),
		T(t_wrong_hash_is_told_under_the_keys),
		T(t_moved_then_dropped),
		T(t_moved_then_deleted_by_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
