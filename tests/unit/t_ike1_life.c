/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lifetimes of both phases between two engines (spec sections 14, 18, 20): phase 1 rekeyed and expired, with DPD on both sides, one, none; proposal-check;
 * limits in bytes; clocks that jump. No end may send what the other cannot open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

#define LIFE1 3600u /* of phase 1 in most tests; phase 2: 1800 s */

static unsigned dpd[2], life1[2], life2[2];
static uint64_t bytes1;
static uint8_t check;

static void conf(struct ike_conf *c, unsigned end)
{
	for (unsigned i = 0; i < c->n_peers; i++) {
		c->peer[i].dpd_interval_s = dpd[end] ? 120 : 0;
		c->peer[i].lifetime_s = life1[end];
		c->peer[i].lifebytes = bytes1;
		c->peer[i].check = check;
	}
	c->proposal[0].lifetime_s = life2[end];
}

static int setup(void **state)
{
	(void)state;
	dpd[0] = dpd[1] = 1;
	life1[0] = life1[1] = LIFE1;
	life2[0] = life2[1] = 1800;
	bytes1 = 0;
	check = CHECK_OBEY;
	return 0;
}

/* End 0 has initiated. */
static void up(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_acquire(r, 0, r->end[0].sadb.policy);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
}

/* Each end has SAs to send with, and the other one opens what they make. */
static void assert_flows(void)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_not_equal(r->end[i].sadb.policy_out[0], 0);
		assert_int_equal(rig_unopened(r, i), 0);
	}
}

/* In steps of a second, with traffic: at none of them a packet would be lost. */
static void advance_flowing(unsigned seconds)
{
	while (seconds--) {
		for (unsigned i = 0; i < 2 * FAKE_SAS; i++)
			r->end[i & 1].sadb.sa[i / 2].use.last_ns = r->now;
		rig_advance(r, NS_PER_S);
		assert_flows();
	}
}

static void t_spec_14_3_soft_limit(void **state)
{
	uint8_t old[8];

	(void)state;
	up();
	memcpy(old, r->end[0].k->sas->icookie, 8);
	advance_flowing(LIFE1 / 10 * 8 - 2);
	assert_int_equal(isakmps(0), 1);
	advance_flowing(2);
	assert_int_equal(isakmps(0), 2);
	assert_int_equal(isakmps(1), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct ike1 *sa = ike1_find(r->end[i].k, &r->end[i].addr, &r->end[!i].addr, 0);

		assert_int_equal(sa->state, IKE1_ESTABLISHED);
		assert_memory_not_equal(sa->icookie, old, 8);
		assert_true(child_any(sa));
	}
	advance_flowing(LIFE1 / 5 + 5);
	assert_int_equal(isakmps(0), 1);
	assert_int_equal(isakmps(1), 1);
	assert_true(rig_logged(r, 0, "ISAKMP-SA expired"));
	advance_flowing(5 * LIFE1);
	assert_int_equal(isakmps(0), 1);
}

/* The same by bytes (16.7): DPD uses the limit up, and at no time there is none. */
static void t_spec_14_3_soft_limit_in_bytes(void **state)
{
	unsigned renewed = 0;

	(void)state;
	bytes1 = 8192;
	life1[0] = life1[1] = 86400;
	up();
	for (unsigned i = 0; i < 7200; i++) {
		rig_advance(r, NS_PER_S);
		assert_flows();
		assert_int_not_equal(established(0), 0);
		assert_int_not_equal(established(1), 0);
		renewed |= isakmps(0) > 1;
	}
	assert_int_equal(renewed, 1);
	assert_true(rig_logged(r, 0, "ISAKMP-SA expired"));
}

/*
 * A phase 1 that only the initiator has: its quick modes stay unanswered. With DPD, too, which does not look while packets come. The next phase 1 is made while
 * the old IPsec SAs carry traffic.
 */
static void t_phase_1_that_the_peer_has_lost(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		dpd[0] = dpd[1] = i;
		life1[0] = life1[1] = 86400;
		up();
		advance_flowing(60);
		ike1_drop(r->end[1].k->sas, 0, NULL);
		advance_flowing(1440 - 60); /* 80 % of 1800 s */
		assert_int_equal(isakmps(1), 0);
		advance_flowing(62);
		assert_true(rig_logged(r, 0, "deleted 192.0.2.1[500]-198.51.100.1[500]"));
		assert_int_equal(isakmps(0), 1);
		assert_int_equal(isakmps(1), 1);
		assert_int_equal(fake_count(&r->end[0].sadb), 4);
		assert_int_equal(fake_count(&r->end[1].sadb), 4);
		advance_flowing(4 * 1800);
		(void)teardown(NULL);
	}
}

/* With DPD, of a peer that says nothing at all: that is for DPD to judge. */
static void t_spec_20_4_silence_is_for_dpd(void **state)
{
	(void)state;
	life1[0] = life1[1] = 86400;
	up();
	ike1_drop(r->end[1].k->sas, 0, NULL);
	(void)rig_policy(r, 0, 2);
	rig_acquire(r, 0, r->end[0].sadb.policy + 1);
	rig_advance(r, 55 * NS_PER_S);
	assert_true(rig_logged(r, 0, "time up, no answer"));
	assert_int_equal(isakmps(0), 1);
	rig_advance(r, 100 * NS_PER_S);
	assert_true(rig_logged(r, 0, "seems to be dead"));
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
}

/*
 * A peer item that changed has lost its phase 1, without a Delete (4.2). The other end watches on, and when nothing was said for long enough its SAs are gone. What
 * goes into the SAs that are left here, unanswered, has phase 1 made, in which the other end says INITIAL-CONTACT.
 */
static void t_spec_4_2_phase_1_dropped_dpd_there(void **state)
{
	struct ike_conf *c = rig_conf();
	struct fake_sadb *s;

	(void)state;
	up();
	advance_flowing(300);
	conf(c, 0);
	c->peer[0].lifebytes = 1 << 20;
	r->end[1].k->conf->peer[0].initial_contact = 1;
	ike_reload(r->end[0].k, c);
	assert_int_equal(isakmps(0), 0);
	advance_flowing(600); /* that the peer is there is seen */
	assert_int_equal(isakmps(0), 0);
	rig_advance(r, 200 * NS_PER_S);
	assert_true(rig_logged(r, 1, "seems to be dead"));
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_int_equal(isakmps(0), 0);
	s = &r->end[0].sadb;
	assert_int_equal(fake_count(s), 2);
	fake_sa(s, s->policy_out[0])->use.last_ns = r->now;
	rig_advance(r, 121 * NS_PER_S);
	assert_true(rig_logged(r, 0, "received INITIAL-CONTACT"));
	assert_int_equal(isakmps(1), 1);
	assert_int_equal(fake_count(s), 0);
}

/* Phase 1 with no SA on it is not renewed. */
static void t_spec_14_3_unused_ends(void **state)
{
	(void)state;
	up();
	assert_int_equal(ike_flush(r->end[0].k, 0), 2);
	rig_settle(r);
	rig_advance(r, LIFE1 * NS_PER_S);
	assert_int_equal(isakmps(0) + isakmps(1), 0);
	assert_int_equal(fake_count(&r->end[0].sadb) + fake_count(&r->end[1].sadb), 0);
}

/* Without DPD it is not renewed; SAs live on and their own soft limit makes the next one. */
static void t_spec_14_3_no_dpd(void **state)
{
	(void)state;
	dpd[0] = dpd[1] = 0;
	life1[0] = life1[1] = 700;
	up();
	advance_flowing(698);
	assert_int_equal(isakmps(0), 1);
	advance_flowing(2);
	assert_int_equal(isakmps(0) + isakmps(1), 0);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	advance_flowing(1440 - 700); /* 80 % of 1800 s */
	assert_int_equal(isakmps(0), 1);
	assert_int_equal(isakmps(1), 1);
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
	advance_flowing(4 * 1800);
}

/* An acquire after the end of phase 1 makes a new one, too. */
static void t_expired_then_acquired(void **state)
{
	(void)state;
	dpd[0] = dpd[1] = 0;
	life1[0] = life1[1] = 100;
	up();
	(void)rig_policy(r, 0, 2);
	(void)rig_policy(r, 1, 2);
	rig_advance(r, 200 * NS_PER_S);
	assert_int_equal(isakmps(0) + isakmps(1), 0);
	rig_acquire(r, 1, &r->end[1].sadb.policy[1]);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 4);
	assert_flows();
}

/* DPD on one side only, different lifetimes: whoever is first to forget takes no SAs from the other one. */
static void t_one_end_forgets_sooner(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 16; n++) {
		dpd[0] = n & 1;
		dpd[1] = n >> 1 & 1;
		check = CHECK_CLAIM;
		life1[0] = n & 4 ? 2000 : LIFE1;
		life1[1] = n & 8 ? 1500 : LIFE1;
		up();
		advance_flowing(2 * LIFE1);
		(void)teardown(NULL);
	}
}

static unsigned drop_phase1;

static int lose_phase1(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	return !drop_phase1 || p->p[18] == ISAKMP_X_INFORMATIONAL || p->p[18] == ISAKMP_X_QUICK;
}

/* The next phase 1 does not come up: SAs live until their own limits, and what comes up in the end takes them over. */
static void t_renewal_fails(void **state)
{
	(void)state;
	life2[0] = life2[1] = 86400;
	up();
	r->filter = lose_phase1;
	drop_phase1 = 1;
	advance_flowing(LIFE1 + 100);
	assert_int_equal(isakmps(0) + isakmps(1), 0);
	assert_true(rig_logged(r, 0, "phase1 negotiation failed due to time up"));
	drop_phase1 = 0;
	advance_flowing(80000 - LIFE1);
	assert_int_equal(isakmps(0), 1);
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
}

static int lose_all(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 0;
}

/* Interval and failures count from the last sign of life, be it a packet of an SA in the middle of an interval. */
static void t_spec_20_4_detection_time(void **state)
{
	(void)state;
	up();
	advance_flowing(100);
	r->filter = lose_all;
	rig_advance(r, (120 + 5 * 5 - 2) * NS_PER_S);
	assert_false(rig_logged(r, 0, "seems to be dead"));
	rig_advance(r, 3 * NS_PER_S);
	assert_true(rig_logged(r, 0, "seems to be dead"));
}

/* 16.7: bytes of ISAKMP messages. Quick modes use them up. */
static void t_spec_16_7_bytes_of_phase_1(void **state)
{
	(void)state;
	bytes1 = 2048;
	up();
	advance_flowing(10 * 1800);
	assert_true(rig_logged(r, 0, "ISAKMP-SA expired"));
	assert_true(isakmps(0) <= 2);
}

/* Spec 16.7: 1 to 1023 bytes are no kilobyte that could be proposed, but each end keeps to its own limit, whatever proposal-check says. */
static void t_spec_16_7_less_than_a_kilobyte(void **state)
{
	static const uint8_t kilobytes[] = {0x80, IKE1_A_LIFE_TYPE, 0, IKE1_LIFE_KILOBYTES};

	(void)state;
	for (check = CHECK_OBEY; check <= CHECK_EXACT; check++)
		for (unsigned i = 0; i < 3; i++) {
			static const unsigned limit[] = {1, 1023, 1024};

			bytes1 = limit[i];
			r = rig_new(conf);
			for (unsigned j = 0; j < 2; j++)
				(void)rig_policy(r, j, 1);
			rig_acquire(r, 0, r->end[0].sadb.policy);
			assert_int_equal(memmem(r->q[0].p, r->q[0].len, kilobytes, sizeof(kilobytes)) != NULL,
					 bytes1 >= 1024);
			while (!established(0) || !established(1)) {
				while (rig_work_one(r))
					;
				for (unsigned j = 0; j < 2 && r->end[j].k->sas; j++)
					if (established(j))
						assert_int_equal(r->end[j].k->sas->terms.life_bytes, bytes1);
				if (!r->n)
					break; /* 1 byte: it ends with the first message under it */
				rig_deliver(r, 0);
			}
			rig_settle(r);
			rig_advance(r, 4000 * NS_PER_S);
			assert_true(rig_logged(r, 0, "ISAKMP-SA expired") && rig_logged(r, 1, "ISAKMP-SA expired"));
			(void)teardown(NULL);
		}
}

/* --- proposal-check in the engine (18.1, 18.2) --- */
static void t_spec_18_2_phase_1(void **state)
{
	/* lifetime at the responder that has 3600 s, offered 1800, 3600, 7200; 0: refused */
	static const unsigned want[4][3] = {
		[CHECK_OBEY] = {1800, 3600, 7200},
		[CHECK_STRICT] = {1800, 3600, 0},
		[CHECK_CLAIM] = {1800, 3600, 3600},
		[CHECK_EXACT] = {0, 3600, 0},
	};
	static const unsigned offered[3] = {1800, 3600, 7200};

	(void)state;
	for (check = CHECK_OBEY; check <= CHECK_EXACT; check++)
		for (unsigned i = 0; i < 3; i++) {
			life1[0] = offered[i];
			up();
			if (want[check][i]) {
				assert_int_equal(r->end[1].k->sas->terms.life_s, want[check][i]);
				assert_int_equal(r->end[0].k->sas->terms.life_s, offered[i]);
				assert_flows();
			} else {
				assert_int_equal(fake_count(&r->end[0].sadb), 0);
				assert_true(rig_logged(r, 1, "lifetime"));
			}
			(void)teardown(NULL);
		}
}

static uint64_t hard_s(unsigned end)
{
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[end].sadb.sa[i].ref)
			return r->end[end].sadb.sa[i].sa.hard_ns / NS_PER_S;
	return 0;
}

static void t_spec_18_1_phase_2(void **state)
{
	static const unsigned want[4][3] = {
		[CHECK_OBEY] = {900, 1800, 3600},
		[CHECK_STRICT] = {900, 1800, 0},
		[CHECK_CLAIM] = {900, 1800, 1800}, /* by RESPONDER-LIFETIME at the initiator */
		[CHECK_EXACT] = {0, 1800, 0},
	};
	static const unsigned offered[3] = {900, 1800, 3600};

	(void)state;
	for (check = CHECK_OBEY; check <= CHECK_EXACT; check++)
		for (unsigned i = 0; i < 3; i++) {
			life2[0] = offered[i];
			up();
			for (unsigned end = 0; end < 2; end++) {
				assert_int_equal(fake_count(&r->end[end].sadb), want[check][i] ? 2 : 0);
				assert_int_equal(hard_s(end), want[check][i]);
			}
			assert_int_equal(fake_reserved(&r->end[0].sadb), 0);
			if (want[check][i])
				advance_flowing(3 * 1800);
			(void)teardown(NULL);
		}
}

/* Spec 18.3: RESPONDER-LIFETIME says protocol and SPI of each SA. */
static void t_spec_18_3_of_each_protocol(void **state)
{
	static struct hashed h;
	uint8_t iv[CIPHER_BLOCK_MAX];

	(void)state;
	check = CHECK_CLAIM;
	life2[0] = 7200;
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		rig_policy(r, i, 1)->protos = XI_PROTOS_AH | XI_PROTOS_ESP;
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	rig_acquire(r, 0, r->end[0].sadb.policy);
	rig_deliver(r, 0);
	memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
	assert_int_equal(hashed_open(r->end[0].sa, iv, &h, (struct bytes){r->q[0].p, r->q[0].len}), 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct msg_payload *p = msg_find(&h.m, ISAKMP_P_NOTIFY, i);

		assert_non_null(p);
		assert_int_equal(p->notify.type, ISAKMP_N_RESPONDER_LIFETIME);
		assert_int_equal(p->notify.protocol, i ? IPSEC_PROTO_AH : IPSEC_PROTO_ESP);
		assert_memory_equal(p->notify.spi.p, &r->end[1].sa->quick->s[0].spi[i], 4);
	}
}

/* Spec 14.2: soft is 80 % of hard in integer arithmetic, for bytes as well. */
static void assert_bytes(unsigned end, uint64_t hard)
{
	for (unsigned i = 0; i < FAKE_SAS; i++) {
		const struct xi_sa *x = &r->end[end].sadb.sa[i].sa;

		if (!r->end[end].sadb.sa[i].ref)
			continue;
		assert_int_equal(x->hard_bytes, hard);
		assert_int_equal(x->soft_bytes, hard * 80 / 100);
	}
}

static void conf_pfs(struct ike_conf *c, unsigned end)
{
	conf(c, end);
	c->proposal[0].pfs = group_by_id(31);
}

/* RFC 2407 §4.6.3.1: in kilobytes, too. Our responder has no limit of its own to claim, so it is given one while its public value is made. */
static void t_spec_18_3_in_kilobytes(void **state)
{
	(void)state;
	for (check = CHECK_OBEY; check <= CHECK_EXACT; check++) {
		struct quick_sa *s;

		r = rig_new(conf_pfs);
		for (unsigned i = 0; i < 2; i++)
			(void)rig_policy(r, i, 1);
		rig_isakmp(r, 0, 1);
		rig_settle(r);
		rig_acquire(r, 0, r->end[0].sadb.policy);
		assert_true(rig_work_one(r));
		rig_deliver(r, 0);
		s = &r->end[1].sa->quick->s[0];
		s->terms.notify = 1;
		s->terms.use.life_bytes = 5003 * 1024;
		rig_settle(r);
		rig_advance(r, NS_PER_S);
		assert_flows();
		assert_bytes(0, check == CHECK_EXACT ? 0 : 5003 * 1024);
		assert_bytes(1, 5003 * 1024);
		assert_int_equal(hard_s(0), 1800);
		(void)teardown(NULL);
	}
}

/* --- phase 2 by bytes: the data plane says that the soft limit has passed --- */
static void t_spec_14_2_bytes(void **state)
{
	uint64_t ref;

	(void)state;
	up();
	ref = r->end[0].sadb.policy_out[0];
	/* the responder of that phase 2 does nothing */
	ike_sa_event(r->end[1].k, IKE_SA_SOFT, r->end[1].sadb.policy_out[0], NULL);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	ike_sa_event(r->end[0].k, IKE_SA_SOFT, ref, NULL);
	ike_sa_event(r->end[0].k, IKE_SA_SOFT, ref, NULL);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 4);
	assert_true(r->end[0].sadb.policy_out[0] != ref);
	assert_flows();
	ike_sa_event(r->end[0].k, IKE_SA_HARD, ref, NULL);
	rig_settle(r);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	assert_flows();
}

static struct ike_child *the_child(unsigned end)
{
	struct ike_child *c = NULL;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS && !c; i++)
		c = r->end[end].k->children[i];
	assert_non_null(c);
	return c;
}

/* At 95 % of the bytes the responder makes the next one, if the initiator has not. */
static void t_spec_14_2_responder_by_bytes(void **state)
{
	struct fake_sadb *s;
	uint64_t ref;

	(void)state;
	up();
	s = &r->end[1].sadb;
	ref = s->policy_out[0];
	the_child(1)->hard_bytes = 1000000;
	fake_sa(s, ref)->use.bytes = 949999;
	ike_sa_event(r->end[1].k, IKE_SA_SOFT, ref, NULL);
	rig_settle(r);
	rig_advance(r, 3 * NS_PER_S);
	assert_int_equal(fake_count(s), 2);
	fake_sa(s, ref)->use.bytes = 950000;
	rig_advance(r, 2 * NS_PER_S);
	assert_int_equal(fake_count(s), 4);
	assert_true(s->policy_out[0] != ref);
	assert_flows();
	rig_advance(r, 5 * NS_PER_S);
	assert_int_equal(fake_count(s), 4);
}

/* --- clocks --- */
static void t_spec_14_2_wall_clock_steps(void **state)
{
	(void)state;
	up();
	for (unsigned i = 0; i < 40; i++) {
		r->wall_step += i & 1 ? -400000000ll : 399999999ll;
		advance_flowing(60);
		assert_int_equal(fake_count(&r->end[0].sadb), i < 23 ? 2 : fake_count(&r->end[1].sadb));
		assert_int_equal(isakmps(0), 1);
	}
}

/* The machine stands still for longer than all limits, then everything is due at once; and one end only. */
static void t_both_stood_still(void **state)
{
	(void)state;
	for (unsigned who = 1; who < 4; who++) {
		up();
		r->now += 7 * 86400 * NS_PER_S;
		for (unsigned i = 0; i < 2; i++)
			if (who >> i & 1)
				ike_run(r->end[i].k);
		rig_settle(r);
		rig_advance(r, 100 * NS_PER_S);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(rig_quicks(r, i), 0);
			assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
			assert_int_equal(rig_unopened(r, i), 0);
		}
		if (!r->end[0].sadb.policy_out[0])
			rig_acquire(r, 0, r->end[0].sadb.policy);
		rig_settle(r);
		rig_advance(r, NS_PER_S);
		assert_flows();
		(void)teardown(NULL);
	}
}

/* A peer that has renewed its ISAKMP SA deletes the old one under the new one; the SAs made under it go on. */
static void t_delete_of_the_isakmp_sa_before(void **state)
{
	uint8_t iv[CIPHER_BLOCK_MAX], cookies[16], *hash;
	struct msg_delete d = {.doi = IPSEC_DOI, .protocol = IPSEC_PROTO_ISAKMP, .spi_size = 16, .n_spis = 1};
	struct ike1 *sa;
	struct bytes rest;
	struct msg_wr w;

	(void)state;
	r = rig_new(conf);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	rig_settle(r);
	memcpy(cookies, r->end[1].sa->icookie, 8);
	memcpy(cookies + 8, r->end[1].sa->rcookie, 8);
	d.spis = (struct bytes){cookies, sizeof(cookies)};
	rig_isakmp(r, 0, 2);
	rig_settle(r);
	sa = r->end[0].sa;
	hashed_begin(sa, &w, ISAKMP_X_INFORMATIONAL, 77);
	msg_wr_delete(&w, &d);
	assert_int_equal(hashed_end(sa, &w, &hash, &rest), 0);
	assert_int_equal(ike1_hash1(sa->terms.hash, &sa->k, 77, rest, hash), 0);
	assert_int_equal(ike1_iv(sa, 77, iv), 0);
	assert_int_equal(ike1_send(sa, &w, iv, 1, NULL), 0);
	rig_settle(r);
	assert_ptr_equal(r->end[1].k->sas, r->end[1].sa);
	assert_null(r->end[1].sa->next);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* strongSwan reads three quick modes at a time: others wait for these, but not for long. */
static void t_three_quick_modes_at_once(void **state)
{
	(void)state;
	for (unsigned answered = 0; answered < 2; answered++) {
		r = rig_new(conf);
		for (unsigned n = 1; n < 8; n++) {
			(void)rig_policy(r, 1, n);
			(void)rig_policy(r, 0, n);
		}
		rig_isakmp(r, 0, 1);
		rig_settle(r);
		for (unsigned n = 0; n < 7; n++)
			rig_acquire(r, 0, &r->end[0].sadb.policy[n]);
		assert_int_equal(r->n, 3);
		if (answered) {
			rig_settle(r);
			assert_int_equal(fake_count(&r->end[1].sadb), 6);
			rig_advance(r, NS_PER_S);
		} else {
			while (r->n)
				rig_drop(r, 0);
			r->now += 2 * NS_PER_S;
			ike_run(r->end[0].k);
			assert_int_equal(r->n, 4);
			rig_settle(r);
			rig_advance(r, 20 * NS_PER_S);
		}
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(fake_count(&r->end[i].sadb), 14);
			assert_int_equal(rig_quicks(r, i), 0);
		}
		(void)teardown(NULL);
	}
}

/* Spec 20.3: a peer that has started anew has no SAs to delete; only one that may have overtaken its INITIAL-CONTACT is told. */
static void t_spec_20_3_who_is_told(void **state)
{
	(void)state;
	for (unsigned age = 1; age < 60; age += 50) {
		unsigned sent;

		r = rig_new(conf);
		(void)rig_policy(r, 1, 1);
		rig_isakmp(r, 0, 1);
		rig_acquire(r, 0, rig_policy(r, 0, 1));
		rig_settle(r);
		rig_advance(r, age * NS_PER_S);
		assert_int_equal(fake_count(&r->end[1].sadb), 2);
		rig_isakmp(r, 0, 2);
		rig_settle(r);
		sent = r->sent[1];
		ike1_initial_contact(r->end[1].sa);
		assert_int_equal(fake_count(&r->end[1].sadb), 0);
		assert_int_equal(r->sent[1] - sent, age < 5);
		(void)teardown(NULL);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_spec_14_3_soft_limit),
		T(t_spec_14_3_soft_limit_in_bytes),
		T(t_phase_1_that_the_peer_has_lost),
		T(t_spec_20_4_silence_is_for_dpd),
		T(t_spec_4_2_phase_1_dropped_dpd_there),
		T(t_spec_14_3_unused_ends),
		T(t_spec_14_3_no_dpd),
		T(t_spec_20_4_detection_time),
		T(t_expired_then_acquired),
		T(t_one_end_forgets_sooner),
		T(t_renewal_fails),
		T(t_spec_16_7_bytes_of_phase_1),
		T(t_spec_16_7_less_than_a_kilobyte),
		T(t_spec_18_2_phase_1),
		T(t_spec_18_1_phase_2),
		T(t_spec_18_3_of_each_protocol),
		T(t_spec_18_3_in_kilobytes),
		T(t_spec_14_2_bytes),
		T(t_spec_14_2_responder_by_bytes),
		T(t_spec_14_2_wall_clock_steps),
		T(t_both_stood_still),
		T(t_delete_of_the_isakmp_sa_before),
		T(t_three_quick_modes_at_once),
		T(t_spec_20_3_who_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
