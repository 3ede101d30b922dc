/* SPDX-License-Identifier: BSD-2-Clause */
/* Phase 1 between two engines: every exchange in both roles, NAT, failures, both at once (RFC 2409; spec section 16). t_ike1_spoilt.c: on a bad network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

static uint8_t mode;
static unsigned natt, hash = IKE1_SHA1, cipher = IKE1_AES, bits = 128, group = 2;
static unsigned other_psk, other_group, contact, life1;

static void conf(struct ike_conf *c, unsigned end)
{
	for (unsigned i = 0; i < c->n_peers; i++) {
		struct ike_peer *p = &c->peer[i];
		unsigned len;

		p->mode = mode;
		p->natt = (uint8_t)natt;
		p->hash = hash_by_ike1(hash);
		p->cipher = cipher_by_ike1(cipher, bits, &len);
		p->cipher_bits = (uint16_t)bits;
		p->key_len = (uint16_t)len;
		p->group = group_by_id(end && other_group ? other_group : group);
		p->initial_contact = (contact >> end) & 1;
		p->lifetime_s = life1;
		if (end && other_psk)
			p->psk[0] = 'T';
	}
}

static int setup(void **state)
{
	(void)state;
	natt = other_psk = other_group = 0;
	contact = 3;
	life1 = 86400;
	hash = IKE1_SHA1;
	cipher = IKE1_AES;
	bits = 128;
	group = 2;
	mode = IKE_MODE_MAIN;
	return 0;
}

static void begin(unsigned from)
{
	struct ike_policy *p;

	r = rig_new(conf);
	p = rig_policy(r, from, 1);
	(void)rig_policy(r, !from, 1);
	rig_acquire(r, from, p);
}

static unsigned any(unsigned end)
{
	unsigned n = 0;

	for (const struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next)
		n++;
	return n;
}

static void t_every_exchange_both_ways(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (unsigned from = 0; from < 2; from++) {
			begin(from);
			rig_settle(r);
			is_up(from);
			teardown(NULL);
		}
}

/* Nothing follows at once upon our last message of phase 1: a peer that reads both at the same time would ignore it. */
static void t_last_message_has_time_to_arrive(void **state)
{
	(void)state;
	contact = 0;
	mode = IKE_MODE_AGGRESSIVE;
	begin(0);
	rig_settle(r);
	assert_int_equal(established(0) + established(1), 2);
	rig_advance(r, NS_PER_S / 1000 * 49);
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
	rig_advance(r, NS_PER_S / 1000 * 2);
	is_up(0);
}

/* Unless the peer shows that it has arrived; then INITIAL-CONTACT is before the SAs that it must not end (spec 20.3). */
static void t_initial_contact_of_the_responder(void **state)
{
	(void)state;
	contact = 2;
	begin(0);
	rig_settle(r);
	is_up(0);
	assert_true(r->end[0].k->sas->got_contact);
}

/* As initiator of main mode it is in message 5, too. */
static void t_initial_contact_in_message_5(void **state)
{
	(void)state;
	contact = 1;
	begin(0);
	while (!established(1)) {
		while (rig_work_one(r))
			;
		if (r->n)
			rig_deliver(r, 0);
	}
	assert_int_equal(established(0), 0);
	assert_true(r->end[1].k->sas->got_contact);
	rig_settle(r);
	is_up(0);
}

static const struct ike_child *child_of(unsigned end)
{
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		if (r->end[end].k->children[i])
			return r->end[end].k->children[i];
	fail_msg("no SAs");
	return NULL;
}

/* What was sent last arrives first. */
static void settle_reversed(void)
{
	while (rig_work_one(r) || r->n)
		if (r->n && !r->n_jobs)
			rig_deliver(r, r->n - 1);
}

/* Spec 20.3: what INITIAL-CONTACT ends is told behind message 6, or the peer, which still has it, would not read the Delete. */
static void t_spec_20_3_deletes_do_not_overtake_message_6(void **state)
{
	(void)state;
	for (unsigned speaks = 0; speaks < 2; speaks++) {
		struct rig_end *e;
		struct ike_path ends;
		struct ike_child *c;

		begin(0);
		rig_settle(r);
		is_up(0);
		e = &r->end[0];
		c = (struct ike_child *)child_of(0);
		ends = c->path;
		ike1_drop(e->k->sas, 0, NULL);
		contact_forget_all(e->k);
		c->dying = 1; /* so that it says INITIAL-CONTACT all the same */
		if (speaks)
			assert_int_equal(quick_initiate(e->k, &e->sadb.policy[0], &ends, 0, 0), 0);
		else
			assert_non_null(ike1_want(e->k, ike_conf_peer(e->k->conf, &ends.remote.a), &ends.local.a,
						  &ends.remote, 0));
		while (established(1) < 2) {
			while (rig_work_one(r))
				;
			if (r->n)
				rig_deliver(r, 0);
		}
		c->dying = 0;
		assert_int_equal(rig_unopened(r, 0), 1);
		settle_reversed();
		rig_advance(r, NS_PER_S);
		assert_int_equal(rig_unopened(r, 0), 0);
		assert_true(rig_logged(r, 0, "deleted the IPsec-SA"));
		teardown(NULL);
	}
}

/* A peer that does not wait: its INITIAL-CONTACT overtakes message 6, and counts when that has come. */
static void t_spec_20_3_initial_contact_before_message_6(void **state)
{
	(void)state;
	contact = 2;
	begin(0);
	while (!established(1)) {
		while (rig_work_one(r))
			;
		if (r->n)
			rig_deliver(r, 0);
	}
	ike1_settle(r->end[1].k->sas);
	assert_int_equal(r->n, 2);
	rig_deliver(r, 1);
	assert_false(established(0));
	assert_false(r->end[0].k->sas->got_contact);
	rig_deliver(r, 0);
	assert_true(r->end[0].k->sas->got_contact);
	rig_settle(r);
	is_up(0);
}

/* RFC 2407 §4.6.3.3: who has SAs from before does not say so: an xdp-iked that was killed and started again. */
static void t_rfc2407_4_6_3_3_not_with_old_sas(void **state)
{
	(void)state;
	begin(0);
	rig_settle(r);
	is_up(0);
	ike1_drop(r->end[0].k->sas, 0, NULL);
	contact_forget_all(r->end[0].k);
	contact = 1;
	assert_int_equal(quick_initiate(r->end[0].k, &r->end[0].sadb.policy[0], &child_of(0)->path, 0, 0), 0);
	rig_settle(r);
	assert_int_equal(established(0), 1);
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
	assert_int_equal(fake_count(&r->end[1].sadb), 4);
}

/* A peer makes its next phase 1 whenever it likes, then deletes the old one: the SAs hang on the newest. */
static void t_sas_hang_on_the_newest_phase1(void **state)
{
	struct ike1 *old;

	(void)state;
	contact = 0;
	begin(0);
	rig_settle(r);
	is_up(0);
	old = r->end[0].k->sas;
	ike1_drop(r->end[1].k->sas, 0, NULL);
	assert_int_equal(quick_initiate(r->end[1].k, &r->end[1].sadb.policy[0], &child_of(1)->path, 0, 0), 0);
	rig_settle(r);
	assert_int_equal(established(0), 2);
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		for (const struct ike_child *c = r->end[0].k->children[i]; c; c = c->next)
			assert_ptr_not_equal(c->sa, old);
}

static void t_every_hash_cipher_group(void **state)
{
	static const unsigned hashes[] = {IKE1_MD5, IKE1_SHA1, IKE1_SHA256, IKE1_SHA384, IKE1_SHA512};
	static const unsigned ciphers[][2] = {{IKE1_DES, 0},	   {IKE1_3DES, 0},  {IKE1_BLOWFISH, 128},
					      {IKE1_AES, 192},	   {IKE1_AES, 256}, {IKE1_CAMELLIA, 128},
					      {IKE1_CAMELLIA, 256}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ciphers); j++) {
			hash = hashes[i];
			cipher = ciphers[j][0];
			bits = ciphers[j][1];
			begin(0);
			rig_settle(r);
			is_up(0);
			teardown(NULL);
		}
	for (unsigned i = 0; group_at(i); i++) {
		group = group_at(i)->id;
		if (group_at(i)->public_len > 384)
			continue; /* long ones: t_ike_group */
		begin(0);
		rig_settle(r);
		is_up(0);
		teardown(NULL);
	}
}

/* A NAT in front of the initiator: its address and port are others for the responder. */
static struct ike_addr outside;
static int behind_nat(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == 0) {
		p->path.remote.a = outside;
		p->path.remote.port = (uint16_t)(p->path.remote.port + 10000);
	} else {
		p->path.local.a = rig->end[0].addr;
		p->path.local.port = (uint16_t)(p->path.local.port - 10000);
	}
	return 1;
}

static void t_spec_21_nat_before_the_initiator(void **state)
{
	(void)state;
	outside = rig_addr4("203.0.113.77");
	natt = 1;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		struct ike_policy *p;

		r = rig_new(conf);
		r->filter = behind_nat;
		p = rig_policy(r, 0, 1);
		rig_acquire(r, 0, p);
		rig_settle(r);
		assert_int_equal(established(0), 1);
		assert_int_equal(established(1), 1);
		assert_true(r->end[0].k->sas->behind);
		assert_false(r->end[0].k->sas->peer_behind);
		assert_true(r->end[1].k->sas->peer_behind);
		assert_int_equal(r->end[0].k->sas->path.remote.port, IKE_PORT_NATT);
		assert_int_equal(r->end[1].k->sas->path.local.port, IKE_PORT_NATT);
		assert_int_equal(r->end[1].k->sas->path.remote.port, IKE_PORT_NATT + 10000);
		assert_true(rig_logged(r, 0, "NAT detected: ME"));
		assert_true(rig_logged(r, 1, "NAT detected: PEER"));
		teardown(NULL);
	}
}

/*
 * RFC 3947 §4: base mode floats behind its last message, so that what the responder says next comes to port 500 when ours is lost. It counts, but the way
 * stays: SAs made over port 500 would send ESP where nobody takes it.
 */
static void t_rfc3947_4_no_way_back_to_port_500(void **state)
{
	struct ike1 *sa;

	(void)state;
	outside = rig_addr4("203.0.113.77");
	natt = 1;
	contact = 2;
	mode = IKE_MODE_BASE;
	begin(0);
	r->end[1].sadb.policy[0].sa_dst = outside;
	while (r->n) /* message 1 went before there was a NAT */
		rig_drop(r, 0);
	r->filter = behind_nat;
	r->now += 10 * NS_PER_S;
	ike_run(r->end[0].k);
	while (!established(0))
		if (!rig_work_one(r))
			rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	rig_drop(r, 0); /* message 1 of quick mode */
	rig_advance(r, NS_PER_S);
	sa = r->end[0].k->sas;
	assert_true(sa->got_contact);
	assert_int_equal(sa->path.local.port, IKE_PORT_NATT);
	assert_int_equal(sa->path.remote.port, IKE_PORT_NATT);
	rig_advance(r, 20 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[0].sadb.sa[i].ref)
			assert_int_equal(r->end[0].sadb.sa[i].sa.udp_local, htons(IKE_PORT_NATT));
}

/* The side without NAT makes the next phase 1: to the port that the NAT gave, which no other has a way through. */
static void t_spec_21_renewed_through_a_nat(void **state)
{
	const struct ike1 *sa;

	(void)state;
	outside = rig_addr4("203.0.113.77");
	natt = 1;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		r = rig_new(conf);
		r->filter = behind_nat;
		for (unsigned i = 0; i < 2; i++)
			r->end[i].k->conf->peer[0].lifetime_s = 1000;
		r->end[0].k->conf->peer[0].dpd_interval_s = 0; /* no soft limit there (spec 14.3) */
		(void)rig_policy(r, 0, 1);
		rig_policy(r, 1, 1)->sa_dst = outside;
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		rig_settle(r);
		rig_advance(r, 955 * NS_PER_S);
		for (sa = r->end[1].k->sas; sa && !sa->initiator; sa = sa->next)
			;
		assert_non_null(sa);
		assert_true(sa->established_ns != 0);
		assert_int_equal(sa->path.local.port, IKE_PORT_NATT);
		assert_int_equal(sa->path.remote.port, IKE_PORT_NATT + 10000);
		teardown(NULL);
	}
}

static void t_no_nat_no_float(void **state)
{
	(void)state;
	natt = 1;
	begin(0);
	rig_settle(r);
	is_up(0);
	assert_int_equal(r->end[0].k->sas->natt, IKE1_NATT_RFC);
	assert_int_equal(r->end[0].k->sas->path.remote.port, IKE_PORT);
}

static void gone_after_time(void)
{
	rig_advance(r, 120 * NS_PER_S);
	assert_int_equal(any(0), 0);
	assert_int_equal(any(1), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_count(&r->end[i].sadb), 0);
		assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
	}
}

static void t_spec_23_1_wrong_secret(void **state)
{
	(void)state;
	other_psk = 1;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		begin(0);
		rig_settle(r);
		assert_int_equal(established(0) + established(1), 0);
		assert_true(rig_logged(r, 0, "(change secret of the peer item, here or there)") ||
			    rig_logged(r, 1, "(change secret of the peer item, here or there)"));
		gone_after_time();
		/* in main mode the initiator hears nothing: that is what it says */
		if (mode != IKE_MODE_AGGRESSIVE && mode != IKE_MODE_BASE)
			assert_true(rig_logged(r, 0, "our proof was not answered: the secrets may differ"));
		teardown(NULL);
	}
}

static void t_spec_4_2_no_transform_in_common(void **state)
{
	(void)state;
	other_group = 5;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		begin(0);
		rig_settle(r);
		assert_true(rig_logged(r, 1, "no suitable proposal found. phase 1 with 192.0.2.1[500] ("));
		assert_true(
			rig_logged(r, 1, "mode, responder, message 1): we have aes-128 sha1 pre-shared-key modp1536"));
		assert_true(rig_logged(r, 1, "dh-group"));
		/* and the initiator hears of it, though it must not believe it */
		assert_true(rig_logged(r, 0, "NO-PROPOSAL-CHOSEN"));
		assert_int_equal(any(1), 0);
		gone_after_time();
		teardown(NULL);
	}
}

static void t_both_at_the_same_time(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		struct ike_policy *a, *b;

		r = rig_new(conf);
		a = rig_policy(r, 0, 1);
		b = rig_policy(r, 1, 1);
		rig_acquire(r, 0, a);
		rig_acquire(r, 1, b);
		rig_settle(r);
		assert_true(established(0) >= 1 && established(0) == established(1));
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(rig_unopened(r, i), 0);
		teardown(NULL);
	}
}

/* What came too early has been repeated: nothing is half done, and what one end sends the other one opens. */
static void assert_settled(void)
{
	rig_advance(r, 65 * NS_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(established(i) >= 1);
		assert_int_equal(isakmps(i), established(i));
		assert_int_equal(rig_quicks(r, i), 0);
		assert_int_equal(rig_unopened(r, i), 0);
		assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
		assert_int_not_equal(r->end[i].sadb.policy_out[0], 0);
	}
	assert_int_equal(established(0), established(1));
}

/* Both begin at once; each is the initiator of one then, and both make a new phase 1 at once when its soft limit (spec 14.3) passes. */
static void t_both_begin_and_renew_at_once_in_many_orders(void **state)
{
	(void)state;
	group = 31;
	life1 = 1000;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (uint32_t seed = 1; seed <= 300; seed++) {
			r = rig_new(conf);
			for (unsigned i = 0; i < 2; i++)
				(void)rig_policy(r, i, 1);
			for (unsigned i = 0; i < 2; i++)
				rig_acquire(r, i, &r->end[i].sadb.policy[0]);
			settle_in_an_order(seed);
			assert_settled();
			rig_advance(r, (800 - 65 - 2) * NS_PER_S);
			r->now += 3 * NS_PER_S;
			for (unsigned i = 0; i < 2; i++)
				ike_run(r->end[i].k);
			settle_in_an_order(seed + 1000);
			assert_settled();
			teardown(NULL);
		}
}

/* The pair of SAs of an established peer is renewed, by either end, at once. */
static void assert_renews(unsigned end)
{
	uint64_t was = r->end[end].sadb.policy_out[0];

	ike_sa_event(r->end[end].k, IKE_SA_SEQUENCE, was, NULL);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	assert_int_not_equal(r->end[end].sadb.policy_out[0], was);
	assert_int_equal(rig_unopened(r, 0) + rig_unopened(r, 1), 0);
}

/* n first messages of as many addresses; what strangers make us compute is done now and then. Returns the most ISAKMP SAs at a time. */
static unsigned flood(unsigned n)
{
	struct rig_packet first;
	unsigned most = 0;

	begin(0);
	while (rig_work_one(r))
		;
	first = r->q[0];
	first.p = malloc(first.len);
	memcpy(first.p, r->q[0].p, first.len);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	assert_int_equal(established(1), 1);
	r->end[1].k->conf->peer[0].addr_len = 0;
	ike_conf_index(r->end[1].k->conf);
	for (unsigned i = 0; i < n; i++) {
		first.path.remote.a.addr.w[0] = htonl(0x0b000000 + i * 97);
		memcpy(first.p, &i, 4);
		rig_hand_over(r, &first);
		assert_true(r->n_jobs <= P1_STRANGER_JOBS);
		if (i % 4 == 0)
			(void)rig_work_one(r);
		while (r->n)
			rig_drop(r, 0);
		if (i % 1000 == 0)
			most = MAX(most, any(1));
		if (i % 10000 == 5000)
			assert_renews(i / 10000 % 2);
	}
	free(first.p);
	return most;
}

/* Spec section 22: spoofed first messages leave established peers alone, those that come later too, and memory bounded. */
static void t_flood_of_first_messages(void **state)
{
	(void)state;
	group = 31;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		assert_in_range(flood(mode == IKE_MODE_MAIN ? 100000 : 20000), 1000, 2100);
		ike_kill(r->end[0].k);
		rig_settle(r);
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		rig_settle(r);
		rig_advance(r, 20 * NS_PER_S);
		assert_int_equal(established(0), 1);
		assert_int_equal(rig_unopened(r, 0), 0);
		(void)teardown(NULL);
	}
}

static uint64_t sent_at[8];
static unsigned n_sent;

static int note_and_drop(struct rig *rig, struct rig_packet *p)
{
	(void)p;
	assert_true(n_sent < ARRAY_SIZE(sent_at));
	sent_at[n_sent++] = rig->now;
	return 0;
}

/* A message is sent five times, 10 s apart; 10 s after the last it is given up, with a line in the log. */
static void assert_five_times(const char *log)
{
	uint64_t begun = r->now;

	rig_advance(r, 49 * NS_PER_S);
	assert_int_equal(n_sent, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(sent_at[i] - begun, i * 10 * NS_PER_S);
	assert_false(rig_logged(r, 0, log));
	rig_advance(r, 2 * NS_PER_S);
	assert_true(rig_logged(r, 0, log));
	assert_int_equal(n_sent, 5);
}

static void t_spec_22_five_transmissions(void **state)
{
	(void)state;
	n_sent = 0;
	begin(0);
	rig_drop(r, 0); /* the filter comes too late for it */
	sent_at[n_sent++] = r->now;
	r->filter = note_and_drop;
	assert_five_times("phase1 negotiation failed due to time up");
	assert_int_equal(isakmps(0), 0);
	(void)teardown(NULL);

	begin(0);
	rig_settle(r);
	assert_int_equal(established(0), 1);
	rig_advance(r, NS_PER_S);
	r->n_log[0] = n_sent = 0;
	r->filter = note_and_drop;
	ike_sa_event(r->end[0].k, IKE_SA_SEQUENCE, r->end[0].sadb.policy_out[0], NULL);
	rig_settle(r);
	assert_five_times("time up, no answer");
	assert_int_equal(rig_quicks(r, 0), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_every_exchange_both_ways),
		T(t_last_message_has_time_to_arrive),
		T(t_initial_contact_of_the_responder),
		T(t_initial_contact_in_message_5),
		T(t_spec_20_3_deletes_do_not_overtake_message_6),
		T(t_spec_20_3_initial_contact_before_message_6),
		T(t_rfc2407_4_6_3_3_not_with_old_sas),
		T(t_sas_hang_on_the_newest_phase1),
		T(t_every_hash_cipher_group),
		T(t_spec_21_nat_before_the_initiator),
		T(t_spec_21_renewed_through_a_nat),
		T(t_rfc3947_4_no_way_back_to_port_500),
		T(t_no_nat_no_float),
		T(t_spec_23_1_wrong_secret),
		T(t_spec_4_2_no_transform_in_common),
		T(t_both_at_the_same_time),
		T(t_both_begin_and_renew_at_once_in_many_orders),
		T(t_flood_of_first_messages),
		T(t_spec_22_five_transmissions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
