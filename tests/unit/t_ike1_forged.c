/* SPDX-License-Identifier: BSD-2-Clause */
/* Proofs that are wrong in one place only: every byte of every HASH, public values outside of the group, identities (RFC 2409 §5; spec sections 16, 23, 24.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/bn.h>

#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"

static uint8_t mode, pfs;
static unsigned named; /* bits: that end has my-id-user-fqdn */

static void conf(struct ike_conf *c, unsigned end)
{
	for (unsigned i = 0; i < c->n_peers; i++) {
		c->peer[i].mode = mode;
		c->peer[i].natt = 1;
		if (named >> end & 1)
			strcpy(c->peer[i].my_id, "joe@example.net");
	}
	c->proposal[0].pfs = pfs ? group_by_id(pfs) : NULL;
}

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	pfs = 0;
	named = 0;
	return 0;
}

/* --- under an ISAKMP SA: end 1 has the keys and says what it likes to end 0 --- */

static void isakmp(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
}

static uint64_t counted(enum ike_count_id which)
{
	return ike_count(r->end[0].k, which);
}

static struct ike1_quick *only_quick(enum quick_state state)
{
	struct ike1_quick *q = r->end[0].sa->quick;

	assert_non_null(q);
	assert_int_equal(q->state, state);
	return q;
}

static void t_rfc2409_5_5_each_byte_of_hash1(void **state)
{
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct rig_packet p;
	struct say s;

	(void)state;
	isakmp();
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	p = rig_take(r, 0);
	memcpy(&s.mid, p.p + 20, 4);
	s.mid = ntohl(s.mid);
	assert_int_equal(ike1_iv(r->end[1].sa, s.mid, iv), 0);
	s = rig_said(r, (struct bytes){p.p, p.len}, iv);
	free(p.p);
	for (s.wrong = 1; s.wrong <= 20; s.wrong++) {
		rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_BAD_HASH), s.wrong);
		assert_null(r->end[0].sa->quick);
		assert_int_equal(fake_reserved(&r->end[0].sadb), 0);
	}
	s.wrong = 0;
	rig_say(r, 1, &s);
	(void)only_quick(QUICK_SENT2);
}

static void t_rfc2409_5_5_each_byte_of_hash2(void **state)
{
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct say s;

	(void)state;
	isakmp();
	s = rig_answer(r);
	memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
	s.iv = iv;
	for (s.wrong = 1; s.wrong <= 20; s.wrong++) {
		rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_BAD_HASH), s.wrong);
		(void)only_quick(QUICK_SENT1);
		assert_int_equal(fake_count(&r->end[0].sadb), 0);
	}
	s.wrong = 0;
	rig_say(r, 1, &s);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
}

static void t_rfc2409_5_5_each_byte_of_hash3(void **state)
{
	struct say s = {.exchange = ISAKMP_X_QUICK};
	struct ike1_quick *q;

	(void)state;
	isakmp();
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	rig_deliver(r, 0);
	q = only_quick(QUICK_SENT2);
	s.mid = q->mid;
	s.iv = q->iv;
	s.hash = q->hash3;
	for (s.wrong = 1; s.wrong <= 20; s.wrong++) {
		rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_BAD_HASH), s.wrong);
		(void)only_quick(QUICK_SENT2);
		assert_int_equal(r->end[0].sadb.policy_out[0], 0);
	}
	/* of another length, beginning as it should */
	s.wrong = 0;
	for (s.hash_len = 1; s.hash_len <= 24; s.hash_len++)
		if (s.hash_len != 20)
			rig_say(r, 1, &s);
	(void)only_quick(QUICK_SENT2);
	assert_int_equal(r->end[0].sadb.policy_out[0], 0);
	s.hash_len = 0;
	rig_say(r, 1, &s);
	assert_true(r->end[0].sadb.policy_out[0] != 0);
}

/* HASH(2) leaves out the padding: message 3 comes anew for the same message 2 with another last block, for nothing else, and not for ever. */
static void t_message_2_again(void **state)
{
	uint8_t iv[CIPHER_BLOCK_MAX], nonce[16], other[SAY_BODY_MAX];
	struct say s;
	unsigned sent;

	(void)state;
	isakmp();
	s = rig_answer(r);
	memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
	memcpy(nonce, s.ni.p, 16);
	s.iv = iv;
	s.ni.p = nonce;
	rig_say(r, 1, &s);
	(void)only_quick(QUICK_OVER);
	sent = r->sent[0];
	for (s.wrong = 1; s.wrong <= 20; s.wrong++)
		rig_say(r, 1, &s);
	s.wrong = 0;
	assert_int_equal(counted(IKE_COUNT_BAD_HASH), 20);
	memcpy(other, s.body.p, s.body.len);
	other[s.body.len - 1] ^= 1; /* of an identity: HASH(2) fits, the message is another one */
	s.body.p = other;
	rig_say(r, 1, &s);
	assert_int_equal(r->sent[0], sent);
	other[s.body.len - 1] ^= 1;
	for (s.pad = 1; s.pad < 10; s.pad++)
		rig_say(r, 1, &s);
	assert_int_equal(r->sent[0], sent + QUICK_AGAIN_MAX);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
}

/* RFC 2408 §3.1: whoever waits for CONNECTED wants it from the peer. */
static void t_connected_each_byte_of_hash(void **state)
{
	static const uint8_t connected[12] = {0, 0, 0, 12, 0, 0, 0, 1, 3, 0, 0x40, 0};
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct say s;

	(void)state;
	isakmp();
	s = rig_answer(r);
	memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
	s.iv = iv;
	s.flags = ISAKMP_F_COMMIT;
	rig_say(r, 1, &s);
	(void)only_quick(QUICK_COMMIT);
	s = (struct say){.exchange = ISAKMP_X_INFORMATIONAL,
			 .mid = s.mid,
			 .type = ISAKMP_P_NOTIFY,
			 .body = {connected, sizeof(connected)}};
	for (s.wrong = 1; s.wrong <= 20; s.wrong++) {
		rig_say(r, 1, &s);
		(void)only_quick(QUICK_COMMIT);
		assert_int_equal(r->end[0].sadb.policy_out[0], 0);
	}
	s.wrong = 0;
	rig_say(r, 1, &s);
	(void)only_quick(QUICK_OVER);
	assert_true(r->end[0].sadb.policy_out[0] != 0);
}

/* RFC 2409 §5.7. */
static void t_informational_each_byte_of_hash(void **state)
{
	uint8_t body[28] = {0, 0, 0, 28, 0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 16, 0, 1};
	struct say s = {.exchange = ISAKMP_X_INFORMATIONAL, .mid = 7, .type = ISAKMP_P_DELETE, .body = {body, 28}};

	(void)state;
	isakmp();
	r->end[0].sa->n_mids = 0;
	memcpy(body + 12, r->end[0].sa->icookie, 8);
	memcpy(body + 20, r->end[0].sa->rcookie, 8);
	for (s.wrong = 1; s.wrong <= 20; s.wrong++) {
		rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_BAD_HASH), s.wrong);
		assert_ptr_equal(r->end[0].k->sas, r->end[0].sa);
	}
	s.wrong = 0;
	for (s.hash_len = 1; s.hash_len < 20; s.hash_len++) {
		uint8_t hash[HASH_MAX];

		assert_int_equal(ike1_hash1(r->end[1].sa->terms.hash, &r->end[1].sa->k, s.mid, s.body, hash), 0);
		s.hash = hash;
		rig_say(r, 1, &s);
		s.hash = NULL;
		assert_ptr_equal(r->end[0].k->sas, r->end[0].sa);
	}
	s.hash_len = 0;
	/* a Delete of another ISAKMP SA, of another DOI, of another SPI size */
	for (unsigned at = 12; at < 28; at++) {
		body[at] ^= 1;
		s.mid++;
		rig_say(r, 1, &s);
		body[at] ^= 1;
		assert_ptr_equal(r->end[0].k->sas, r->end[0].sa);
	}
	for (unsigned at = 7; at <= 9; at++) {
		body[at] ^= 2;
		s.mid++;
		rig_say(r, 1, &s);
		body[at] ^= 2;
		assert_ptr_equal(r->end[0].k->sas, r->end[0].sa);
	}
	s.mid++;
	rig_say(r, 1, &s);
	assert_null(r->end[0].k->sas);
}

/* --- message 1 and 2 of quick mode with the right HASH that are no good otherwise --- */

static struct say message1_of_end1(void)
{
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct rig_packet p;
	struct say s;
	uint32_t mid;

	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	while (rig_work_one(r))
		;
	p = rig_take(r, 0);
	memcpy(&mid, p.p + 20, 4);
	assert_int_equal(ike1_iv(r->end[1].sa, ntohl(mid), iv), 0);
	s = rig_said(r, (struct bytes){p.p, p.len}, iv);
	free(p.p);
	return s;
}

/* The KE payload of the body becomes so long. */
static void ke_of_length(struct say *s, size_t len)
{
	static uint8_t body[SAY_BODY_MAX];
	size_t at = 0, out = 0, n;

	for (uint8_t type = s->type; at < s->body.len; type = s->body.p[at], at += n) {
		n = (size_t)(s->body.p[at + 2] << 8 | s->body.p[at + 3]);
		if (type != ISAKMP_P_KE) {
			memcpy(body + out, s->body.p + at, n);
			out += n;
			continue;
		}
		memset(body + out, 2, 4 + len);
		body[out] = s->body.p[at];
		body[out + 1] = 0;
		body[out + 2] = (uint8_t)((4 + len) >> 8);
		body[out + 3] = (uint8_t)(4 + len);
		out += 4 + len;
	}
	s->body = (struct bytes){body, out};
}

static void nothing_came_of_it(const char *words)
{
	assert_true(rig_logged(r, 0, words));
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
	assert_int_equal(fake_reserved(&r->end[0].sadb), 0);
	assert_int_equal(rig_quicks(r, 0), 0);
}

static void t_public_values_of_another_length(void **state)
{
	static const size_t lens[] = {0, 1, 127, 129, 1500};

	(void)state;
	pfs = 2;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (unsigned second = 0; second < 2; second++) {
			uint8_t iv[CIPHER_BLOCK_MAX];
			struct say s;

			isakmp();
			if (second) {
				s = rig_answer(r);
				memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
				s.iv = iv;
			} else {
				s = message1_of_end1();
			}
			ke_of_length(&s, lens[i]);
			rig_say(r, 1, &s);
			nothing_came_of_it("public value is not one of the group");
			rig_settle(r);
			assert_true(rig_logged(r, 1, "received INVALID-KEY-INFORMATION (17) from"));
			(void)teardown(NULL);
		}
}

static void t_spec_17_sa_payloads_of_message_1(void **state)
{
	uint8_t body[SAY_BODY_MAX];
	struct say s;
	size_t len;

	(void)state;
	for (unsigned at = 7; at <= 11; at += 4) { /* DOI, situation */
		isakmp();
		s = message1_of_end1();
		memcpy(body, s.body.p, s.body.len);
		s.body.p = body;
		body[at] ^= 2;
		rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_MALFORMED), 1); /* the parser knows no other */
		nothing_came_of_it("");
		(void)teardown(NULL);
	}
	isakmp();
	s = message1_of_end1();
	len = (size_t)(s.body.p[2] << 8 | s.body.p[3]);
	for (unsigned i = 0; i < QUICK_SAS_MAX; i++) {
		memcpy(body + i * len, s.body.p, len);
		body[i * len] = ISAKMP_P_SA;
	}
	memcpy(body + QUICK_SAS_MAX * len, s.body.p, s.body.len);
	s.body = (struct bytes){body, s.body.len + QUICK_SAS_MAX * len};
	rig_say(r, 1, &s);
	nothing_came_of_it("too many SA payloads");
}

/* The body with so many payloads of a type; those that are more are copies of the first. */
static void payloads_of_type(struct say *s, unsigned type, unsigned want)
{
	static uint8_t body[SAY_BODY_MAX];
	size_t at = 0, out = 0, n, last = SIZE_MAX;
	unsigned have = 0;
	uint8_t t = s->type;

	for (; at < s->body.len; t = s->body.p[at], at += n) {
		unsigned copies = t == type ? (have++ ? 0 : want) : 1;

		n = (size_t)(s->body.p[at + 2] << 8 | s->body.p[at + 3]);
		for (unsigned i = 0; i < copies; i++) {
			memcpy(body + out, s->body.p + at, n);
			*(last == SIZE_MAX ? &s->type : &body[last]) = t;
			last = out;
			out += n;
		}
	}
	body[last] = ISAKMP_P_NONE;
	assert_true(have > 0);
	s->body = (struct bytes){body, out};
}

static void t_spec_17_missing_and_double_payloads(void **state)
{
	static const struct {
		unsigned second, type, want;
		const char *words;
	} row[] = {{0, ISAKMP_P_SA, 0, "no SA payload"},
		   {0, ISAKMP_P_NONCE, 0, "not one nonce"},
		   {0, ISAKMP_P_NONCE, 2, "not one nonce"},
		   {0, ISAKMP_P_KE, 2, "more than one KE"},
		   {0, ISAKMP_P_ID, 1, "not two ID payloads or none"},
		   {0, ISAKMP_P_ID, 3, "not two ID payloads or none"},
		   {1, ISAKMP_P_SA, 0, "not one SA payload"},
		   {1, ISAKMP_P_SA, 2, "not one SA payload"},
		   {1, ISAKMP_P_NONCE, 0, "not one nonce"},
		   {1, ISAKMP_P_NONCE, 2, "not one nonce"},
		   {1, ISAKMP_P_KE, 2, "KE payload that was not asked for"}};

	(void)state;
	pfs = 31;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t iv[CIPHER_BLOCK_MAX];
		struct say s;

		isakmp();
		s = row[i].second ? rig_answer(r) : message1_of_end1();
		if (row[i].second)
			memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
		s.iv = row[i].second ? iv : NULL;
		payloads_of_type(&s, row[i].type, row[i].want);
		rig_say(r, 1, &s);
		nothing_came_of_it(row[i].words);
		(void)teardown(NULL);
	}
}

/* Messages 1 and 2 with a wrong SPI size, message 3 without HASH; *iv is that of the message. */
static struct say unreadable(unsigned message, uint8_t *iv)
{
	static uint8_t body[SAY_BODY_MAX];
	struct say s = {.exchange = ISAKMP_X_QUICK, .first = ISAKMP_P_VID, .iv = iv};

	if (message < 3) {
		s = message == 2 ? rig_answer(r) : message1_of_end1();
		s.iv = message == 2 ? iv : NULL;
		memcpy(body, s.body.p, s.body.len);
		s.body.p = body;
		body[18] = 8;
	} else {
		rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
		rig_deliver(r, 0);
		rig_drop(r, 0);
		s.mid = r->end[0].sa->quick->mid;
	}
	if (s.iv)
		memcpy(iv, r->end[0].sa->quick->iv, CIPHER_BLOCK_MAX);
	return s;
}

/* PAYLOAD-MALFORMED and a line, once; the exchange goes on. */
static void t_spec_17_unreadable_messages(void **state)
{
	static const char *const log[] = {
		"message 1 of quick mode from 198.51.100.1[500] is not readable (payload 2 (SA): proposal: SPI size "
		"does not",
		"message 2 of quick mode from 198.51.100.1[500] is not readable (payload 2 (SA): proposal: SPI size "
		"does not",
		"message 3 of quick mode from 198.51.100.1[500] is not readable (no HASH in front)"};

	(void)state;
	for (unsigned message = 1; message <= 3; message++) {
		uint8_t iv[CIPHER_BLOCK_MAX];
		unsigned sent, lines;
		struct say s;

		isakmp();
		s = unreadable(message, iv);
		sent = r->sent[0];
		lines = r->n_log[0];
		for (unsigned i = 0; i < 3; i++)
			rig_say(r, 1, &s);
		assert_int_equal(counted(IKE_COUNT_MALFORMED), 3);
		assert_int_equal(r->n_log[0], lines + 1);
		assert_true(rig_logged(r, 0, log[message - 1]));
		assert_int_equal(r->sent[0], sent + 1);
		if (message == 1)
			assert_null(r->end[0].sa->quick);
		else
			(void)only_quick(message == 2 ? QUICK_SENT1 : QUICK_SENT2);
		rig_settle(r);
		assert_true(rig_logged(r, 1, "received PAYLOAD-MALFORMED (16) from"));
		(void)teardown(NULL);
	}
}

static void t_message_ids_and_states(void **state)
{
	struct say s;

	(void)state;
	isakmp();
	s = message1_of_end1();
	s.mid = 0;
	rig_say(r, 1, &s);
	assert_int_equal(counted(IKE_COUNT_UNEXPECTED), 1);
	assert_null(r->end[0].sa->quick);
	s.mid = 77;
	r->end[0].sa->state = IKE1_EXPIRED;
	rig_say(r, 1, &s);
	assert_int_equal(counted(IKE_COUNT_UNEXPECTED), 2);
	assert_null(r->end[0].sa->quick);
}

/* The peer has its SAs with message 3: it must not send what nobody opens. */
static void t_policy_that_goes_before_message_3(void **state)
{
	(void)state;
	isakmp();
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	rig_deliver(r, 0);
	(void)only_quick(QUICK_SENT2);
	rig_deliver(r, 0);
	r->end[0].sadb.policy[0].gen = 0;
	rig_settle(r);
	rig_advance(r, 20 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
}

/* --- DPD (RFC 3706) --- */
static struct say probe(uint8_t *body, unsigned type, uint32_t seq)
{
	static uint32_t mid = 1000;
	const struct ike1 *sa = r->end[0].sa;

	memcpy(body,
	       (uint8_t[12]){0, 0, 0, 32, 0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 16, (uint8_t)(type >> 8), (uint8_t)type}, 12);
	memcpy(body + 12, sa->icookie, 8);
	memcpy(body + 20, sa->rcookie, 8);
	for (unsigned i = 0; i < 4; i++)
		body[28 + i] = (uint8_t)(seq >> (24 - 8 * i));
	return (struct say){
		.exchange = ISAKMP_X_INFORMATIONAL, .mid = ++mid, .type = ISAKMP_P_NOTIFY, .body = {body, 32}};
}

static unsigned answers_to(unsigned type, uint32_t seq, unsigned change)
{
	unsigned before = r->sent[0];
	uint8_t body[32];
	struct say s = probe(body, type, seq);

	if (change)
		body[change] ^= 1;
	rig_say(r, 1, &s);
	return r->sent[0] - before;
}

static void t_rfc3706_probes_that_do_not_fit(void **state)
{
	(void)state;
	isakmp();
	for (unsigned at = 12; at < 28; at++)
		assert_int_equal(answers_to(ISAKMP_N_R_U_THERE, 100, at), 0);
	assert_int_equal(answers_to(ISAKMP_N_R_U_THERE, 100, 0), 1);
	assert_int_equal(answers_to(ISAKMP_N_R_U_THERE, 100, 0), 0); /* §7: once */
	assert_int_equal(answers_to(ISAKMP_N_R_U_THERE, 99, 0), 0);
	assert_int_equal(answers_to(ISAKMP_N_R_U_THERE, 101, 0), 1);
}

/* A message ID serves once; and only with NAT traversal a message from elsewhere says that the peer has moved (spec section 21). */
static void t_message_id_again_and_from_elsewhere(void **state)
{
	uint8_t body[32];
	struct rig_packet p;
	struct say s;
	unsigned sent;

	(void)state;
	isakmp();
	s = probe(body, ISAKMP_N_R_U_THERE, 7);
	p = rig_make(r, 1, &s);
	p.path.remote.port = 1234;
	sent = r->sent[0];
	rig_hand_over(r, &p);
	assert_int_equal(r->sent[0], sent + 1);
	assert_int_equal(r->end[0].sa->path.remote.port, 500);
	body[31]++; /* the next number, in a message with the same ID */
	rig_say(r, 1, &s);
	assert_int_equal(r->sent[0], sent + 1);
	assert_int_equal(counted(IKE_COUNT_REPLAY), 1);
	s.mid++;
	r->end[0].sa->natt = IKE1_NATT_RFC;
	p = rig_make(r, 1, &s);
	p.path.remote.port = 1234;
	rig_hand_over(r, &p);
	assert_int_equal(r->end[0].sa->path.remote.port, 1234);
}

/* An answer to no probe of ours, or to an old one, keeps nobody alive. */
static void t_rfc3706_answers_that_do_not_fit(void **state)
{
	struct ike1 *sa;
	uint32_t asked;

	(void)state;
	isakmp();
	sa = r->end[0].sa;
	r->now += 121 * NS_PER_S;
	ike_run(r->end[0].k);
	assert_int_equal(sa->dpd_failures, 1);
	asked = sa->dpd_sent;
	(void)answers_to(ISAKMP_N_R_U_THERE_ACK, asked + 1, 0);
	assert_int_equal(sa->dpd_failures, 1);
	(void)answers_to(ISAKMP_N_R_U_THERE_ACK, asked - 1, 0);
	assert_int_equal(sa->dpd_failures, 1);
	(void)answers_to(ISAKMP_N_R_U_THERE_ACK, asked, 13);
	assert_int_equal(sa->dpd_failures, 1);
	(void)answers_to(ISAKMP_N_R_U_THERE_ACK, asked, 0);
	assert_int_equal(sa->dpd_failures, 0);
}

/* --- phase 1 --- */

static struct rig_packet *spoil_hash_from(struct rig_packet *p, unsigned from)
{
	static struct msg m;
	struct msg_err e;

	return p->from == from && p->p[18] != ISAKMP_X_INFORMATIONAL &&
			       !msg_parse(&m, (struct bytes){p->p, p->len}, &e) && msg_find(&m, ISAKMP_P_HASH, 0)
		       ? p
		       : NULL;
}

static unsigned spoilt_end, spoilt_byte; /* byte 20 and 21: one too many, one too few */

static int spoil(struct rig *rig, struct rig_packet *p)
{
	static struct msg m;
	struct msg_err e;
	uint8_t *hash, *longer;
	size_t rest;

	(void)rig;
	if (!spoil_hash_from(p, spoilt_end) || msg_parse(&m, (struct bytes){p->p, p->len}, &e))
		return 1;
	hash = p->p + (msg_find(&m, ISAKMP_P_HASH, 0)->body.p - p->p);
	if (spoilt_byte < 20) {
		hash[spoilt_byte] ^= 1;
		return 1;
	}
	rest = (size_t)(p->p + p->len - (hash + 20));
	if (spoilt_byte == 20) {
		longer = malloc(p->len + 1);
		memcpy(longer, p->p, p->len - rest);
		longer[p->len - rest] = 0;
		memcpy(longer + p->len - rest + 1, hash + 20, rest);
		hash = longer + (hash - p->p);
		free(p->p);
		p->p = longer;
		p->len++;
		hash[-1]++;
	} else {
		memmove(hash + 19, hash + 20, rest);
		p->len--;
		hash[-1]--;
	}
	p->p[26] = (uint8_t)(p->len >> 8);
	p->p[27] = (uint8_t)p->len;
	return 1;
}

static void begin(unsigned from)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_acquire(r, from, &r->end[from].sadb.policy[0]);
}

/* Aggressive and base mode, where HASH stands in clear; the judge is the same in main mode. */
static void t_rfc2409_5_each_byte_of_hash_i_and_r(void **state)
{
	(void)state;
	for (mode = IKE_MODE_AGGRESSIVE; mode <= IKE_MODE_BASE; mode++)
		for (spoilt_end = 0; spoilt_end < 2; spoilt_end++)
			for (spoilt_byte = 0; spoilt_byte < 22; spoilt_byte++) {
				begin(0);
				r->filter = spoil;
				rig_settle(r);
				if (established(!spoilt_end))
					fail_msg("mode %u: byte %u of the HASH of end %u does not count", mode,
						 spoilt_byte, spoilt_end);
				assert_true(ike_count(r->end[!spoilt_end].k, IKE_COUNT_BAD_HASH) >= 1);
				assert_int_equal(fake_count(&r->end[!spoilt_end].sadb), 0);
				(void)teardown(NULL);
			}
}

/* Spec 16.5. */
static void t_spec_16_5_names_in_main_mode(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (named = 1; named <= 2; named++) {
			begin(0);
			rig_settle(r);
			assert_int_equal(established(named == 1), mode != IKE_MODE_MAIN);
			assert_int_equal(rig_logged(r, named == 1, "is no address"), mode == IKE_MODE_MAIN);
			(void)teardown(NULL);
		}
}

/* --- public values outside of the group (spec 24.4) --- */
static unsigned bad_value;

static void put_bad(uint8_t *pub)
{
	BIGNUM *p = BN_get_rfc2409_prime_1024(NULL);

	if (bad_value == 2)
		BN_sub_word(p, 1);
	else if (bad_value != 3)
		BN_set_word(p, bad_value);
	assert_int_equal(BN_bn2binpad(p, pub, 128), 128);
	BN_free(p);
}

static void settle_with_bad_values(unsigned from, int quick)
{
	while (r->n || r->n_jobs) {
		struct ike_job *j = r->job[0];

		if (!r->n_jobs) {
			rig_deliver(r, 0);
			continue;
		}
		memmove(&r->job[0], &r->job[1], --r->n_jobs * sizeof(j));
		j->run(j);
		if (quick && ((struct quick_job *)j)->quick->sa->ike == r->end[from].k)
			put_bad(((struct quick_job *)j)->pub);
		else if (!quick && ((struct p1_job *)j)->ike == r->end[from].k &&
			 ((struct p1_job *)j)->what & P1_DH_PUBLIC)
			put_bad(((struct p1_job *)j)->pub);
		j->done(j);
	}
}

static void t_spec_24_4_public_values_of_phase_1(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (unsigned bad_end = 0; bad_end < 2; bad_end++)
			for (bad_value = 0; bad_value < 4; bad_value++) {
				begin(0);
				settle_with_bad_values(bad_end, 0);
				assert_int_equal(established(!bad_end), 0);
				assert_true(rig_logged(r, !bad_end, "public value is not one of the group"));
				(void)teardown(NULL);
			}
}

static void t_spec_24_4_public_values_of_quick_mode(void **state)
{
	(void)state;
	pfs = 2;
	for (unsigned bad_end = 0; bad_end < 2; bad_end++)
		for (bad_value = 0; bad_value < 4; bad_value++) {
			isakmp();
			rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
			settle_with_bad_values(bad_end, 1);
			assert_true(rig_logged(r, !bad_end, "public value is not one of the group"));
			for (unsigned i = 0; i < 2; i++) {
				assert_int_equal(r->end[i].sadb.policy_out[0], 0);
				assert_int_equal(rig_quicks(r, i), 0);
				assert_int_equal(fake_count(&r->end[i].sadb), 0);
				assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
			}
			(void)teardown(NULL);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_rfc2409_5_5_each_byte_of_hash1),	    T(t_rfc2409_5_5_each_byte_of_hash2),
		T(t_rfc2409_5_5_each_byte_of_hash3),	    T(t_message_2_again),
		T(t_connected_each_byte_of_hash),	    T(t_informational_each_byte_of_hash),
		T(t_rfc3706_probes_that_do_not_fit),	    T(t_rfc3706_answers_that_do_not_fit),
		T(t_message_id_again_and_from_elsewhere),   T(t_public_values_of_another_length),
		T(t_spec_17_sa_payloads_of_message_1),	    T(t_message_ids_and_states),
		T(t_spec_17_missing_and_double_payloads),   T(t_policy_that_goes_before_message_3),
		T(t_rfc2409_5_each_byte_of_hash_i_and_r),   T(t_spec_16_5_names_in_main_mode),
		T(t_spec_17_unreadable_messages),	    T(t_spec_24_4_public_values_of_phase_1),
		T(t_spec_24_4_public_values_of_quick_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
