/* SPDX-License-Identifier: BSD-2-Clause */
/* Phase 1: what must not happen, whatever strangers and peers send and whenever an ISAKMP SA ends: one test for each bug that was found (RFC 2408, 2409). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"

static uint8_t mode, auth;

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	auth = IKE_AUTH_PSK;
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

static void conf_natt(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].natt = 1;
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

/* --- payloads that do not belong there, and what strangers can make us keep --- */

/* The packet that waits, with one more payload at its end (in clear). */
static void append(uint8_t type, const uint8_t *body, size_t len)
{
	struct rig_packet *p = &r->q[0];
	size_t at = ISAKMP_HDR_LEN;

	p->p = realloc(p->p, p->len + 4 + len);
	while (p->p[at])
		at += (size_t)(p->p[at + 2] << 8 | p->p[at + 3]);
	p->p[at] = type;
	memcpy(p->p + p->len, (uint8_t[]){0, 0, (uint8_t)((4 + len) >> 8), (uint8_t)(4 + len)}, 4);
	memcpy(p->p + p->len + 4, body, len);
	p->len += 4 + len;
	p->p[26] = (uint8_t)(p->len >> 8);
	p->p[27] = (uint8_t)p->len;
}

/* Spec 16.2: other payload types than those of the message make it be ignored; VIDs and CRs (RFC 2408 §3.10) may stand anywhere. */
static void t_payloads_that_do_not_belong(void **state)
{
	static const uint8_t body[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	static const struct {
		uint8_t type, ignored;
	} row[] = {{200, 1},	      {40, 1},	       {ISAKMP_P_NAT_OA_DRAFT - 6, 1}, {ISAKMP_P_NONCE, 1},
		   {ISAKMP_P_VID, 0}, {ISAKMP_P_CR, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		begin();
		append(row[i].type, body, sizeof(body));
		rig_deliver(r, 0);
		assert_int_equal(r->n, row[i].ignored ? 0 : 1);
		assert_int_equal(r->end[1].k->count[IKE_COUNT_UNEXPECTED], row[i].ignored);
		(void)teardown(NULL);
	}
}

/* RFC 2408 §4: KE and nonce stand once. */
static void t_payloads_that_stand_twice(void **state)
{
	static const uint8_t types[] = {ISAKMP_P_KE, ISAKMP_P_NONCE};
	static const uint8_t body[128] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		begin();
		while (r->end[0].k->sas->state != IKE1_MSG2_SENT)
			if (!rig_work_one(r))
				rig_deliver(r, 0);
		append(types[i], body, sizeof(body));
		rig_deliver(r, 0);
		assert_int_equal(r->n_jobs, 0);
		assert_int_equal(r->end[1].k->count[IKE_COUNT_UNEXPECTED], 1);
		(void)teardown(NULL);
	}
}

/* Spec section 25: fragments of who has not shown that it knows our cookie would be memory for anybody who asks. */
static void t_fragments_without_our_cookie(void **state)
{
	static const uint8_t some[16] = {1, 2, 3};
	struct rig_packet p;
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_MAIN};
	struct msg_fragment f = {.id = 1, .number = 1, .data = {some, sizeof(some)}};
	uint8_t buf[128];
	struct msg_wr w;
	int len;

	(void)state;
	begin();
	p = rig_take(r, 0);
	rig_hand_over(r, &p);
	memcpy(h.icookie, p.p, 8);
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_fragment(&w, &f);
	len = msg_wr_end(&w);
	assert_true(len > 0);
	ike_receive(r->end[1].k, &p.path, (struct bytes){buf, (size_t)len});
	free(p.p);
	assert_null(r->end[1].k->sas->frags);
}

/* The key process has one thread: what strangers can make it sign is bounded, as Diffie-Hellman for them is. */
static unsigned n_signing;
static struct ike_sign *many[256];

static void sign_many(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	assert_true(n_signing < ARRAY_SIZE(many));
	many[n_signing++] = s;
}

static void t_signatures_for_strangers(void **state)
{
	struct rig_packet p;

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	auth = IKE_AUTH_RSA_KEY;
	n_signing = 0;
	begin();
	(void)rig_work_one(r);
	p = rig_take(r, 0);
	r->end[1].env.sign = sign_many;
	for (unsigned i = 0; i < 200; i++) {
		p.path.remote.a.addr.w[0] = htonl(0x0b000000 + i * 256);
		p.p[0] = (uint8_t)(i + 1);
		rig_hand_over(r, &p);
		while (rig_work_one(r))
			;
	}
	free(p.p);
	assert_int_equal(n_signing, P1_STRANGER_JOBS);
	while (n_signing) {
		struct ike_sign *s = many[--n_signing];

		s->sig_len = 128;
		s->done(s);
	}
	assert_int_equal(r->end[1].k->stranger_jobs, 0);
}

static void t_certificates_of_strangers(void **state)
{
	static const uint8_t cert[64] = {ISAKMP_CERT_X509_SIG, 0x30, 61};

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	begin();
	(void)rig_work_one(r);
	append(ISAKMP_P_CERT, cert, sizeof(cert));
	rig_deliver(r, 0);
	assert_int_equal(r->end[1].k->sas->hs->gxi.len, 128);
	assert_int_equal(r->end[1].k->sas->hs->cert.len, 0);
}

/* The answer to a stranger is never longer than what it sent. */
static void t_no_answer_to_less(void **state)
{
	uint8_t h[60] = {1,  1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, ISAKMP_P_HASH, ISAKMP_VERSION_1,
			 32, 1, 0, 0, 0, 9};
	struct ike_path path;

	(void)state;
	r = rig_new(conf);
	path = (struct ike_path){{r->end[1].addr, 500}, {r->end[0].addr, 500}};
	h[27] = 28;
	ike_receive(r->end[1].k, &path, (struct bytes){h, 28});
	assert_int_equal(r->n, 0);
	h[27] = 60;
	ike_receive(r->end[1].k, &path, (struct bytes){h, 60});
	assert_int_equal(r->n, 1);
	assert_true(r->q[0].len <= 60);
	assert_int_equal(r->end[1].k->count[IKE_COUNT_UNKNOWN_COOKIE], 2);
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
	assert_true(rig_logged(r, 1, "phase 1 with 192.0.2.1[500] (main mode, responder, message 5): HASH mismatched"));
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

/* Spec 16.8: only logged. */
static void t_identity_with_an_odd_port(void **state)
{
	(void)state;
	mode = IKE_MODE_BASE; /* message 1 has the identity in clear */
	begin();
	r->end[0].k->sas->hs->idi.p[3] = 99;
	for (size_t i = ISAKMP_HDR_LEN; i + 8 < r->q[0].len; i++)
		if (!memcmp(r->q[0].p + i, (uint8_t[]){IPSEC_ID_IPV4, IPPROTO_UDP, 1, 0xf4}, 4))
			r->q[0].p[i + 3] = 99;
	rig_settle(r);
	assert_int_equal(r->end[1].k->sas->state, IKE1_ESTABLISHED);
	assert_true(rig_logged(r, 1, "identity has protocol 17 and port 355"));
}

/* RFC 3947 §3.1: the responder's vendor ID is what the initiator waits for; it must fit beside an SA payload of the same length. */
static void t_one_vendor_id_is_answered(void **state)
{
	struct rig_packet *p;
	size_t at = ISAKMP_HDR_LEN;

	(void)state;
	r = rig_new(conf_natt);
	(void)rig_policy(r, 1, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	p = &r->q[0];
	assert_int_equal(p->p[at], ISAKMP_P_VID);
	at += (size_t)(p->p[at + 2] << 8 | p->p[at + 3]); /* SA; the first vendor ID is that of RFC 3947 */
	p->p[at] = 0;
	p->len = at + 20;
	p->p[26] = (uint8_t)(p->len >> 8);
	p->p[27] = (uint8_t)p->len;
	rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	assert_true(r->q[0].len <= at + 20);
	rig_deliver(r, 0);
	assert_int_equal(r->end[0].k->sas->natt, IKE1_NATT_RFC);
	assert_int_equal(r->end[1].k->sas->natt, IKE1_NATT_RFC);
}

static void t_commit_bit_in_phase_1(void **state)
{
	static struct msg m;
	struct msg_err e;

	(void)state;
	begin();
	r->q[0].p[19] |= ISAKMP_F_COMMIT;
	rig_deliver(r, 0);
	assert_null(r->end[1].k->sas);
	assert_int_equal(r->n, 1);
	assert_int_equal(msg_parse(&m, (struct bytes){r->q[0].p, r->q[0].len}, &e), 0);
	assert_int_equal(m.payload[0].notify.type, ISAKMP_N_INVALID_FLAGS);
}

static void conf_nobody(struct ike_conf *c, unsigned end)
{
	c->n_peers = end ? 0 : c->n_peers;
}

/* RFC 7296 §2.5: who begins with IKEv2 is told the version, in no more bytes than it sent; nobody else is. */
static void t_rfc7296_2_5_other_versions(void **state)
{
	static const struct {
		uint8_t version, exchange, flags, nobody, told;
	} row[] = {
		{0x20, IKE2_X_SA_INIT, 0x08, 0, 1},
		{0x20, IKE2_X_SA_INIT, IKE2_F_RESPONSE, 0, 0},
		{0x20, 37, 0x08, 0, 0},
		{0x30, IKE2_X_SA_INIT, 0x08, 0, 0},
		{0x00, IKE2_X_SA_INIT, 0x08, 0, 0},
		{0x20, IKE2_X_SA_INIT, 0x08, 1, 0},
	};
	static struct msg m;
	struct msg_err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		r = rig_new(row[i].nobody ? conf_nobody : conf);
		rig_acquire(r, 0, rig_policy(r, 0, 1));
		r->q[0].p[17] = row[i].version;
		r->q[0].p[18] = row[i].exchange;
		r->q[0].p[19] = row[i].flags;
		rig_hand_over(r, &r->q[0]);
		rig_hand_over(r, &r->q[0]); /* within a second */
		assert_int_equal(r->n, 1 + row[i].told);
		assert_int_equal(rig_logged(r, 1, "IKEv2"), row[i].told);
		assert_int_equal(r->end[1].k->count[IKE_COUNT_MALFORMED], 2);
		if (row[i].told) {
			assert_true(r->q[1].len <= r->q[0].len);
			assert_int_equal(msg_parse(&m, (struct bytes){r->q[1].p, r->q[1].len}, &e), 0);
			assert_int_equal(m.payload[0].notify.type, ISAKMP_N_INVALID_MAJOR_VERSION);
			assert_memory_equal(m.hdr.icookie, r->q[0].p, 8);
		}
		(void)teardown(NULL);
	}
}

/* RFC 2408 §5.2: a peer that wants XAUTH, mode config or new group mode is told once that there is none. */
static void t_exchange_that_we_do_not_have(void **state)
{
	static const uint8_t body[8] = {0, 0, 0, 8, 1};
	struct say s = {.exchange = ISAKMP_X_TRANSACTION, .mid = 77, .type = 14, .body = {body, sizeof(body)}};

	(void)state;
	r = rig_new(conf);
	rig_isakmp(r, 0, 0);
	rig_say(r, 0, &s);
	s.mid++;
	rig_say(r, 0, &s);
	assert_int_equal(rig_logged(r, 1, "wants XAUTH or mode config"), 1);
	assert_int_equal(r->end[1].k->count[IKE_COUNT_UNEXPECTED], 2);
	assert_int_equal(r->n, 1);
	rig_deliver(r, 0);
	assert_int_equal(rig_logged(r, 0, "received INVALID-EXCHANGE-TYPE"), 1);
	assert_int_equal(r->n, 0);
}

/* 64 datagrams with addresses of a peer's neighbours do not keep it out for 50 s; and who has shown its address is out of their reach. */
static void t_spec_22_a_prefix_that_is_spoofed(void **state)
{
	struct rig_packet first, spoofed;

	(void)state;
	begin();
	r->end[1].k->conf->peer[0].addr_len = 0;
	first = rig_take(r, 0);
	spoofed = first;
	spoofed.p = malloc(first.len);
	for (unsigned i = 0; i < 100; i++) {
		memcpy(spoofed.p, first.p, first.len);
		spoofed.p[0] ^= (uint8_t)(i + 1);
		spoofed.path.remote.a.addr.w[0] = htonl((ntohl(first.path.remote.a.addr.w[0]) & ~0xffu) | i);
		rig_hand_over(r, &spoofed);
		rig_drop(r, 0);
	}
	rig_hand_over(r, &first); /* answered, though there are 64 */
	assert_int_equal(r->n, 1);
	rig_deliver(r, 0);
	while (rig_work_one(r))
		;
	rig_deliver(r, 0); /* message 3 knows our cookie */
	for (unsigned i = 0; i < 100; i++) {
		memcpy(spoofed.p, first.p, first.len);
		spoofed.p[1] ^= (uint8_t)(i + 1);
		rig_hand_over(r, &spoofed);
	}
	while (r->n && r->q[0].from == 1)
		rig_drop(r, 0);
	assert_int_equal(isakmps(1), 64);
	while (rig_work_one(r))
		;
	rig_settle(r);
	assert_int_equal(established(1), 1);
	free(spoofed.p);
	free(first.p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_signature_after_the_end),
		T(t_payloads_that_do_not_belong),
		T(t_payloads_that_stand_twice),
		T(t_fragments_without_our_cookie),
		T(t_signatures_for_strangers),
		T(t_certificates_of_strangers),
		T(t_no_answer_to_less),
		T(t_wrong_hash_is_told_under_the_keys),
		T(t_identity_with_an_odd_port),
		T(t_one_vendor_id_is_answered),
		T(t_commit_bit_in_phase_1),
		T(t_rfc7296_2_5_other_versions),
		T(t_exchange_that_we_do_not_have),
		T(t_spec_22_a_prefix_that_is_spoofed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
