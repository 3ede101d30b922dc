/* SPDX-License-Identifier: BSD-2-Clause */
/* What is dropped, refused or bounded: fragments, repeated requests, half-open ones, payloads that are missing, what is not encrypted (spec sections 16, 20, 22, 25). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"

static uint8_t mode, mode1, pfs;

static void conf(struct ike_conf *c, unsigned end)
{
	for (unsigned i = 0; i < c->n_peers; i++)
		c->peer[i].mode = end ? mode1 : mode;
	c->proposal[0].pfs = pfs ? group_by_id(pfs) : NULL;
}

static int setup(void **state)
{
	(void)state;
	mode = mode1 = IKE_MODE_MAIN;
	pfs = 0;
	return 0;
}

static void isakmp(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
}

static void begin(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	while (rig_work_one(r))
		;
}

static uint64_t counted(unsigned end, enum ike_count_id which)
{
	return ike_count(r->end[end].k, which);
}

static struct say notify(uint8_t *body, unsigned type, uint32_t data)
{
	static uint32_t mid = 5000;
	const struct ike1 *sa = r->end[0].sa;

	memcpy(body,
	       (uint8_t[12]){0, 0, 0, 32, 0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 16, (uint8_t)(type >> 8), (uint8_t)type}, 12);
	memcpy(body + 12, sa->icookie, 8);
	memcpy(body + 20, sa->rcookie, 8);
	for (unsigned i = 0; i < 4; i++)
		body[28 + i] = (uint8_t)(data >> (24 - 8 * i));
	return (struct say){
		.exchange = ISAKMP_X_INFORMATIONAL, .mid = ++mid, .type = ISAKMP_P_NOTIFY, .body = {body, 32}};
}

/* --- fragments (spec section 25) --- */

#define CUT_AT 40 /* a probe in pieces of so many bytes: three */

static uint8_t probe_bytes[256];
static size_t probe_len;
static uint8_t fragment_flags; /* of the header */

/* A probe that would be answered. */
static void make_probe(void)
{
	static uint32_t seq = 1;
	uint8_t body[32];
	struct say s = notify(body, ISAKMP_N_R_U_THERE, ++seq);
	struct rig_packet p = rig_make(r, 1, &s);

	assert_true(p.len > 2 * CUT_AT && p.len <= 3 * CUT_AT);
	memcpy(probe_bytes, p.p, p.len);
	probe_len = p.len;
}

static void fragment(uint16_t id, unsigned number, unsigned last, const uint8_t *data, size_t len)
{
	static uint8_t buf[70000];
	const struct ike1 *sa = r->end[1].sa;
	struct rig_packet p = {.from = 1, .path = {sa->path.remote, sa->path.local}, .p = buf};
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_INFORMATIONAL, .flags = fragment_flags};
	struct msg_fragment f = {.id = id, .number = (uint8_t)number, .last = (uint8_t)last, .data = {data, len}};
	struct msg_wr w;
	int n;

	memcpy(h.icookie, sa->icookie, 8);
	memcpy(h.rcookie, sa->rcookie, 8);
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_fragment(&w, &f);
	n = msg_wr_end(&w);
	assert_true(n > 0);
	p.len = (size_t)n;
	rig_hand_over(r, &p);
}

static void piece(uint16_t id, unsigned number)
{
	size_t at = (number - 1) * CUT_AT;

	fragment(id, number, number == 3, probe_bytes + at, MIN((size_t)CUT_AT, probe_len - at));
}

/* Were the pieces, 1 to 3, with an id that 0 raises, a probe that was answered? */
static unsigned answered(const uint8_t *number)
{
	static uint16_t id = 100;
	unsigned before = r->sent[0];

	make_probe();
	id++;
	for (unsigned i = 0; number[i] != 9; i++) {
		if (number[i])
			piece(id, number[i]);
		else
			id++;
	}
	return r->sent[0] - before;
}

static void t_spec_25_pieces_in_any_order(void **state)
{
	static const uint8_t orders[][5] = {{1, 2, 3, 9}, {1, 3, 2, 9}, {2, 1, 3, 9},
					    {2, 3, 1, 9}, {3, 1, 2, 9}, {3, 2, 1, 9}};

	(void)state;
	isakmp();
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		assert_int_equal(answered(orders[i]), 1);
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 0);
	assert_int_equal(answered((uint8_t[]){1, 1, 2, 2, 3, 9}), 1);
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 2);
	assert_int_equal(answered((uint8_t[]){1, 2, 0, 3, 9}), 0); /* of two messages */
	assert_int_equal(answered((uint8_t[]){0, 1, 2, 3, 9}), 1);
	assert_null(r->end[0].sa->frags);
}

/* racoon sets it: what the pieces are of is encrypted. */
static void t_spec_25_pieces_with_the_flag_of_encryption(void **state)
{
	(void)state;
	isakmp();
	fragment_flags = ISAKMP_F_ENCRYPTED;
	assert_int_equal(answered((uint8_t[]){2, 1, 3, 9}), 1);
	fragment_flags = 0;
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS) + counted(0, IKE_COUNT_MALFORMED), 0);
}

/* The first piece of a number is the one that counts; a piece of another message does not take its place. */
static void t_spec_25_pieces_that_do_not_fit(void **state)
{
	static const uint8_t other[CUT_AT] = {1};
	unsigned before;

	(void)state;
	isakmp();
	make_probe();
	before = r->sent[0];
	piece(7, 1);
	fragment(7, 1, 0, other, CUT_AT);
	piece(7, 3);
	fragment(7, 3, 1, other, CUT_AT);
	fragment(7, 2, 1, other, CUT_AT); /* another last one */
	fragment(7, 4, 0, other, CUT_AT); /* behind the last one */
	fragment(7, 64, 0, other, CUT_AT);
	fragment(7, 65, 0, other, CUT_AT);
	fragment(7, 255, 0, other, CUT_AT);
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 7);
	piece(7, 2);
	assert_int_equal(r->sent[0], before + 1);
	make_probe();
	fragment(8, 4, 0, other, CUT_AT);
	piece(8, 3); /* a last one with something behind it */
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 8);
	assert_int_equal(r->end[0].sa->frags != NULL, 1);
}

static void t_spec_25_pieces_are_bounded(void **state)
{
	static const uint8_t big[40000];
	unsigned before;

	(void)state;
	isakmp();
	fragment(1, 1, 0, big, 40000);
	fragment(1, 2, 0, big, 40000);
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 1);
	/* what is old does not wait for the rest */
	make_probe();
	before = r->sent[0];
	piece(2, 1);
	piece(2, 2);
	rig_advance(r, 29 * NS_PER_S);
	assert_non_null(r->end[0].sa->frags);
	rig_advance(r, 2 * NS_PER_S); /* it is given up by itself */
	assert_null(r->end[0].sa->frags);
	assert_int_equal(counted(0, IKE_COUNT_FRAGMENTS), 1 + 1 + 2);
	piece(2, 3);
	assert_int_equal(r->sent[0], before);
	piece(2, 1);
	piece(2, 2);
	assert_int_equal(r->sent[0], before + 1);
}

/* --- repetition (spec section 22) --- */

static void t_spec_22_a_request_is_answered_five_times_more(void **state)
{
	struct rig_packet first;
	unsigned sent;

	(void)state;
	begin();
	first = rig_take(r, 0);
	for (unsigned i = 0; i < 10; i++)
		rig_hand_over(r, &first);
	assert_int_equal(r->sent[1], 6);
	assert_int_equal(isakmps(1), 1);
	free(first.p);
	(void)teardown(NULL);
	isakmp();
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	first = rig_take(r, 0);
	sent = r->sent[1];
	for (unsigned i = 0; i < 10; i++)
		rig_hand_over(r, &first);
	assert_int_equal(r->sent[1], sent + 6);
	free(first.p);
}

static void t_spec_22_half_open_ones_of_a_prefix(void **state)
{
	struct rig_packet first;

	(void)state;
	begin();
	first = rig_take(r, 0);
	r->end[1].k->conf->peer[0].addr_len = 0;
	for (unsigned i = 0; i < 100; i++) {
		first.p[0] = (uint8_t)i;
		first.path.remote.a.addr.w[0] = htonl(0xc0000200 + i);
		rig_hand_over(r, &first);
	}
	assert_int_equal(isakmps(1), 64);
	assert_int_equal(counted(1, IKE_COUNT_HALF_OPEN), 36);
	first.path.remote.a.addr.w[0] = htonl(0xc0000301); /* of another one */
	rig_hand_over(r, &first);
	assert_int_equal(isakmps(1), 65);
	/* the same cookie from elsewhere is another peer's */
	first.path.remote.a.addr.w[0] = htonl(0xc0000302);
	rig_hand_over(r, &first);
	assert_int_equal(isakmps(1), 66);
	free(first.p);
}

static void t_spec_17_responders_at_a_time(void **state)
{
	uint8_t body[SAY_BODY_MAX], iv[CIPHER_BLOCK_MAX];
	struct say s = {.exchange = ISAKMP_X_QUICK, .body.p = body};
	static struct hashed h;
	struct rig_packet p;
	uint32_t mid;

	(void)state;
	isakmp();
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	p = rig_take(r, 0);
	memcpy(&mid, p.p + 20, 4);
	assert_int_equal(ike1_iv(r->end[1].sa, ntohl(mid), iv), 0);
	assert_int_equal(hashed_open(r->end[1].sa, iv, &h, (struct bytes){p.p, p.len}), 0);
	free(p.p);
	s.type = h.m.payload[0].whole.p[0];
	s.body.len = h.rest.len;
	memcpy(body, h.rest.p, h.rest.len);
	for (s.mid = 1; s.mid <= 70; s.mid++) {
		rig_say(r, 1, &s);
		while (r->n)
			rig_drop(r, 0);
	}
	assert_int_equal(rig_quicks(r, 0), QUICK_RESPONDERS_MAX);
	assert_int_equal(counted(0, IKE_COUNT_HALF_OPEN), 70 - QUICK_RESPONDERS_MAX);
}

/* --- messages of phase 1 that are not what they should be --- */

static unsigned leave_out, left_out;

/* The message without the payload of a type; once. */
static int without(struct rig *rig, struct rig_packet *p)
{
	static struct msg m;
	uint8_t buf[2048];
	struct msg_err e;
	struct msg_wr w;
	int n;

	(void)rig;
	if (left_out != p->from || msg_parse(&m, (struct bytes){p->p, p->len}, &e) || m.cipher.len ||
	    !msg_find(&m, leave_out, 0))
		return 1;
	msg_wr_begin(&w, buf, sizeof(buf), &m.hdr);
	for (unsigned i = 0; i < m.n_payloads; i++)
		if (m.payload[i].type != leave_out)
			msg_wr_payload(&w, &m, &m.payload[i]);
	n = msg_wr_end(&w);
	assert_true(n > 0 && (size_t)n < p->len);
	memcpy(p->p, buf, (size_t)n);
	p->len = (size_t)n;
	return 1;
}

static void t_spec_16_2_payloads_that_are_missing(void **state)
{
	static const uint8_t types[] = {ISAKMP_P_SA, ISAKMP_P_KE, ISAKMP_P_NONCE, ISAKMP_P_ID, ISAKMP_P_HASH};

	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (left_out = 0; left_out < 2; left_out++)
			for (size_t i = 0; i < sizeof(types); i++) {
				mode1 = mode;
				leave_out = types[i];
				if (mode <= IKE_MODE_MAIN_L2TP && i > 2)
					continue; /* encrypted */
				r = rig_new(conf);
				r->filter = without;
				(void)rig_policy(r, 0, 1);
				rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
				rig_settle(r);
				assert_int_equal(established(!left_out), 0);
				/* nothing is left of some */
				assert_true(counted(!left_out, IKE_COUNT_UNEXPECTED) +
						    counted(!left_out, IKE_COUNT_MALFORMED) >
					    0);
				(void)teardown(NULL);
			}
}

/* Nobody who may have forged his address gets more than he sent: the answer leaves out what makes it longer (spec section 22). */
static void t_spec_22_short_answer_to_a_short_request(void **state)
{
	static const uint8_t modes[] = {IKE_MODE_MAIN, IKE_MODE_BASE};

	(void)state;
	left_out = 0;
	leave_out = ISAKMP_P_VID;
	for (size_t i = 0; i < sizeof(modes); i++) {
		size_t asked;

		mode = mode1 = modes[i];
		r = rig_new(conf);
		r->filter = without;
		(void)rig_policy(r, 0, 1);
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		asked = r->q[0].len;
		r->filter = NULL;
		rig_deliver(r, 0);
		assert_int_equal(r->n, 1);
		assert_true(r->q[0].len <= asked);
		(void)teardown(NULL);
	}
}

static struct bytes added;
static unsigned added_type, added_to; /* 1, 3: of the initiator's */

static int with(struct rig *rig, struct rig_packet *p)
{
	static struct msg m;
	uint8_t buf[8192];
	struct msg_err e;
	struct msg_wr w;
	int n;

	if (p->from || rig->sent[0] != (added_to + 1) / 2 || msg_parse(&m, (struct bytes){p->p, p->len}, &e))
		return 1;
	msg_wr_begin(&w, buf, sizeof(buf), &m.hdr);
	for (unsigned i = 0; i < m.n_payloads; i++)
		if (m.payload[i].type != added_type)
			msg_wr_payload(&w, &m, &m.payload[i]);
	msg_wr_raw(&w, added_type, added);
	n = msg_wr_end(&w);
	assert_true(n > 0);
	free(p->p);
	p->p = malloc((size_t)n);
	memcpy(p->p, buf, (size_t)n);
	p->len = (size_t)n;
	return 1;
}

static void begin_with(unsigned type, unsigned to, struct bytes body)
{
	mode = mode1 = IKE_MODE_AGGRESSIVE;
	added_type = type;
	added_to = to;
	added = body;
	r = rig_new(conf);
	r->filter = with;
	(void)rig_policy(r, 0, 1);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
}

/* Spec 20.3: INITIAL-CONTACT drops SAs; in clear anybody could have added it. */
static void t_spec_20_3_initial_contact_in_clear(void **state)
{
	static const uint8_t contact[8] = {0, 0, 0, 1, IPSEC_PROTO_ISAKMP, 0, 0x60, 2};

	(void)state;
	begin_with(ISAKMP_P_NOTIFY, 3, (struct bytes){contact, sizeof(contact)});
	assert_int_equal(r->sent[0] >= 2, 1);
	assert_int_equal(established(1), 1);
	assert_int_equal(r->end[1].k->sas->got_contact, 0);
}

static void t_long_identity_of_a_stranger(void **state)
{
	static const uint8_t id[3000] = {IPSEC_ID_FQDN};

	(void)state;
	begin_with(ISAKMP_P_ID, 1, (struct bytes){id, sizeof(id)});
	assert_int_equal(isakmps(1), 0);
	assert_int_equal(r->sent[1] > 1, 0);
	assert_true(rig_logged(r, 1, "a payload is too long"));
}

static unsigned bare_from;

/* Messages 5 and 6 of main mode as they are before encryption. */
static int bare(struct rig *rig, struct rig_packet *p)
{
	struct ike1 *sa = rig->end[!p->from].k->sas;
	uint8_t iv[CIPHER_BLOCK_MAX];

	if (p->from != bare_from || p->p[18] != ISAKMP_X_MAIN || !(p->p[19] & ISAKMP_F_ENCRYPTED))
		return 1;
	memcpy(iv, sa->iv, sizeof(iv));
	assert_int_equal(cipher_open(sa->terms.cipher, sa->key, sa->terms.key_len, iv, p->p + ISAKMP_HDR_LEN,
				     p->len - ISAKMP_HDR_LEN),
			 0);
	p->p[19] = 0;
	p->len = ISAKMP_HDR_LEN + 12 + 24; /* ID with an IPv4 address, HASH */
	p->p[26] = 0;
	p->p[27] = (uint8_t)p->len;
	return 1;
}

static void t_spec_16_2_messages_5_and_6_in_clear(void **state)
{
	(void)state;
	for (bare_from = 0; bare_from < 2; bare_from++) {
		begin();
		r->filter = bare;
		rig_settle(r);
		assert_int_equal(established(!bare_from), 0);
		assert_int_equal(counted(!bare_from, IKE_COUNT_UNEXPECTED), 1);
		(void)teardown(NULL);
	}
}

static int numbered(struct rig *rig, struct rig_packet *p)
{
	if (rig->sent[0] == 2 && p->from == 0)
		p->p[23] = 1; /* message ID */
	return 1;
}

static void t_rfc2408_3_1_a_message_id_in_phase_1(void **state)
{
	(void)state;
	begin();
	r->filter = numbered;
	rig_settle(r);
	assert_int_equal(established(1), 0);
	assert_int_equal(counted(1, IKE_COUNT_UNEXPECTED), 1);
}

static void t_spec_4_exchange_mode_of_the_item(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (mode1 = IKE_MODE_MAIN; mode1 <= IKE_MODE_BASE; mode1++) {
			int same = mode == mode1 || (mode <= IKE_MODE_MAIN_L2TP && mode1 <= IKE_MODE_MAIN_L2TP);

			begin();
			rig_settle(r);
			assert_int_equal(established(1), same);
			assert_int_equal(counted(1, IKE_COUNT_NO_PEER) != 0, !same);
			(void)teardown(NULL);
		}
}

/* Whoever is faster than the peer and answers badly does not keep the peer out. */
static void t_bad_answer_before_the_good_one(void **state)
{
	struct rig_packet good, bad;

	(void)state;
	begin();
	rig_deliver(r, 0);
	good = rig_take(r, 0);
	bad = good;
	bad.p = malloc(good.len);
	memcpy(bad.p, good.p, good.len);
	bad.p[8] ^= 1;
	bad.p[ISAKMP_HDR_LEN + 12 + 8 + 8 + 3] ^= 1; /* of the first attribute: the cipher, or what stands there */
	rig_hand_over(r, &bad);
	assert_true(counted(0, IKE_COUNT_NO_PROPOSAL) + counted(0, IKE_COUNT_MALFORMED) > 0);
	rig_hand_over(r, &good);
	free(bad.p);
	free(good.p);
	rig_settle(r);
	assert_int_equal(established(0), 1);
	assert_int_equal(established(1), 1);
}

/* In aggressive mode the answer is judged in two steps: the public value, then HASH_R. */
static void t_bad_aggressive_answer_before_the_good_one(void **state)
{
	static const unsigned types[] = {ISAKMP_P_KE, ISAKMP_P_HASH};
	static struct msg m;

	(void)state;
	mode = mode1 = IKE_MODE_AGGRESSIVE;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct rig_packet good;
		uint8_t bad[2048];
		struct msg_err e;
		struct bytes body;

		begin();
		rig_deliver(r, 0);
		while (rig_work_one(r))
			;
		good = rig_take(r, 0);
		memcpy(bad, good.p, good.len);
		bad[8] ^= 1;
		assert_int_equal(msg_parse(&m, (struct bytes){bad, good.len}, &e), 0);
		body = msg_find(&m, types[i], 0)->body;
		memset(bad + (body.p - bad), 0, body.len);
		rig_hand_over(r, &(struct rig_packet){.from = 1, .path = good.path, .p = bad, .len = good.len});
		while (rig_work_one(r))
			;
		assert_int_equal(established(0), 0);
		rig_hand_over(r, &good);
		free(good.p);
		rig_settle(r);
		assert_int_equal(established(0), 1);
		assert_int_equal(established(1), 1);
		(void)teardown(NULL);
	}
}

/* While our public value is being made, the answer that was taken is the peer's. */
static void t_second_answer_while_busy(void **state)
{
	struct rig_packet good;

	(void)state;
	begin();
	rig_deliver(r, 0);
	good = rig_take(r, 0);
	rig_hand_over(r, &good);
	assert_int_equal(r->n_jobs, 1);
	good.p[8] ^= 1;
	rig_hand_over(r, &good);
	assert_int_equal(counted(0, IKE_COUNT_UNKNOWN_COOKIE), 1);
	free(good.p);
	rig_settle(r);
	assert_int_equal(established(0), 1);
}

/* --- what comes under an ISAKMP SA --- */

static void t_spec_20_1_cookies_of_strangers(void **state)
{
	struct say s = {.exchange = ISAKMP_X_QUICK, .mid = 3};
	struct rig_packet p;
	uint8_t body[32];
	unsigned sent;

	(void)state;
	isakmp();
	s = notify(body, ISAKMP_N_R_U_THERE, 1);
	s.exchange = ISAKMP_X_QUICK;
	r->end[1].sa->rcookie[0] ^= 1;
	p = rig_make(r, 1, &s);
	r->end[1].sa->rcookie[0] ^= 1;
	sent = r->sent[0];
	p.path.remote.a = rig_addr4("203.0.113.4"); /* no peer item has it */
	r->end[0].k->conf->peer[0].addr = r->end[1].addr;
	r->end[0].k->conf->peer[0].addr_len = 32;
	ike_conf_index(r->end[0].k->conf);
	rig_hand_over(r, &p);
	assert_int_equal(r->sent[0], sent);
	p.path.remote.a = r->end[1].addr;
	rig_hand_over(r, &p);
	assert_int_equal(r->sent[0], sent + 1);
	assert_int_equal(counted(0, IKE_COUNT_UNKNOWN_COOKIE), 2);
}

static void t_spec_20_3_initial_contact_counts_once(void **state)
{
	uint8_t body[32];
	struct say s;

	(void)state;
	isakmp();
	s = notify(body, ISAKMP_N_INITIAL_CONTACT, 0);
	rig_say(r, 1, &s);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	s = notify(body, ISAKMP_N_INITIAL_CONTACT, 0);
	rig_say(r, 1, &s);
	rig_advance(r, 20 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
}

static void t_rfc3706_a_dead_peer_is_let_go(void **state)
{
	(void)state;
	isakmp();
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[0].sadb), 2);
	for (unsigned i = 0; i < 60 && r->end[0].k->sas; i++) {
		r->now += 5 * NS_PER_S;
		ike_run(r->end[0].k);
		while (r->n)
			rig_drop(r, 0);
	}
	assert_null(r->end[0].k->sas);
	assert_int_equal(fake_count(&r->end[0].sadb), 0);
	assert_true(rig_logged(r, 0, "seems to be dead"));
}

/* Spec 16.7. */
static void t_spec_16_7_bytes_of_phase_1(void **state)
{
	uint8_t body[32];
	struct say s;

	(void)state;
	isakmp();
	r->end[0].sa->terms.life_bytes = r->end[0].sa->bytes + 500;
	for (unsigned i = 0; i < 10 && r->end[0].k->sas; i++) {
		s = notify(body, ISAKMP_N_R_U_THERE, 10 + i);
		rig_say(r, 1, &s);
		ike_run(r->end[0].k);
	}
	assert_null(r->end[0].k->sas);
}

/* Spec 20.2: ignored; the log says whose and what, once a second. */
static void t_spec_20_2_wrong_delete(void **state)
{
	static const struct {
		enum ike_count_id count;
		const char *log;
		uint8_t body[20]; /* DOI, protocol, size, count, SPI */
	} row[] = {
		{IKE_COUNT_MALFORMED,
		 "an informational message from 198.51.100.1[500] is ignored: payload 2 (D): SPI size does not fit the "
		 "protocol",
		 {0, 0, 0, 20, 0, 0, 0, 1, IPSEC_PROTO_ESP, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}},
		{IKE_COUNT_UNEXPECTED,
		 "a Delete from 198.51.100.1[500] is ignored: DOI 2, protocol 3, 2 SPIs of 4 bytes",
		 {0, 0, 0, 20, 0, 0, 0, 2, IPSEC_PROTO_ESP, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}},
	};
	struct say s = {.exchange = ISAKMP_X_INFORMATIONAL, .type = ISAKMP_P_DELETE};
	unsigned lines;

	(void)state;
	isakmp();
	for (unsigned k = 0; k < ARRAY_SIZE(row); k++) {
		s.body = (struct bytes){row[k].body, sizeof(row[k].body)};
		lines = r->n_log[0];
		for (unsigned i = 1; i <= 3; i++) {
			s.mid++;
			rig_say(r, 1, &s);
			assert_int_equal(counted(0, row[k].count), i);
		}
		assert_int_equal(r->n_log[0], lines + 1);
		assert_true(rig_logged(r, 0, row[k].log));
		rig_advance(r, 2 * NS_PER_S);
	}
}

/* Spec section 17: INVALID-HASH-INFORMATION, once a second: whoever sees our cookies can ask for it. */
static void t_spec_17_wrong_hash_in_message_1(void **state)
{
	static const uint8_t nonce[24] = {0, 0, 0, 24, 1};
	struct say s = {.exchange = ISAKMP_X_QUICK, .type = ISAKMP_P_NONCE, .body = {nonce, 24}, .wrong = 1};
	unsigned sent;

	(void)state;
	isakmp();
	sent = r->sent[0];
	for (s.mid = 1; s.mid <= 3; s.mid++)
		rig_say(r, 1, &s);
	assert_int_equal(counted(0, IKE_COUNT_BAD_HASH), 3);
	assert_int_equal(r->sent[0], sent + 1);
	rig_settle(r);
	assert_true(rig_logged(r, 1, "received INVALID-HASH-INFORMATION (23) from 192.0.2.1[500]"));
}

/* --- cookies (RFC 2408 §2.5.3) --- */
static void t_each_byte_of_the_cookies(void **state)
{
	uint8_t body[64];
	struct say s;
	unsigned sent;

	(void)state;
	isakmp();
	s = notify(body, ISAKMP_N_R_U_THERE, 5);
	sent = r->sent[0];
	for (unsigned i = 0; i < 16; i++) {
		uint8_t *cookie = i < 8 ? &r->end[1].sa->icookie[i] : &r->end[1].sa->rcookie[i - 8];

		*cookie ^= 1;
		rig_say(r, 1, &s);
		*cookie ^= 1;
		assert_int_equal(counted(0, IKE_COUNT_UNKNOWN_COOKIE), i + 1);
	}
	assert_int_equal(r->sent[0], sent);
	rig_say(r, 1, &s);
	assert_int_equal(r->sent[0], sent + 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_each_byte_of_the_cookies),
		T(t_spec_25_pieces_in_any_order),
		T(t_spec_25_pieces_with_the_flag_of_encryption),
		T(t_spec_25_pieces_that_do_not_fit),
		T(t_spec_25_pieces_are_bounded),
		T(t_spec_22_a_request_is_answered_five_times_more),
		T(t_spec_22_half_open_ones_of_a_prefix),
		T(t_spec_17_responders_at_a_time),
		T(t_spec_16_2_payloads_that_are_missing),
		T(t_spec_16_2_messages_5_and_6_in_clear),
		T(t_spec_22_short_answer_to_a_short_request),
		T(t_spec_20_3_initial_contact_in_clear),
		T(t_long_identity_of_a_stranger),
		T(t_rfc2408_3_1_a_message_id_in_phase_1),
		T(t_spec_4_exchange_mode_of_the_item),
		T(t_bad_answer_before_the_good_one),
		T(t_bad_aggressive_answer_before_the_good_one),
		T(t_second_answer_while_busy),
		T(t_spec_20_1_cookies_of_strangers),
		T(t_spec_20_3_initial_contact_counts_once),
		T(t_rfc3706_a_dead_peer_is_let_go),
		T(t_spec_16_7_bytes_of_phase_1),
		T(t_spec_20_2_wrong_delete),
		T(t_spec_17_wrong_hash_in_message_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
