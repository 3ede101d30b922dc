/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an address gets that has not shown that it is the sender's own: how many bytes for how many (issue: no reply larger than the request), how often, and what
 * is said about vendor IDs. The figures stand in ike/v1/phase1.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"
#include "tests/lib/rewrite.h"
#include "tests/lib/rsa_rig.h"

static uint8_t mode, auth;
static unsigned hash, natt;
static const char *group;
static const char *my_id;

static int group_setup(void **state)
{
	(void)state;
	rsa_setup();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	rsa_teardown();
	return 0;
}

static int end(void **state)
{
	while (r && rig_work_one(r))
		; /* signatures need the keys */
	rsa_take_back(r);
	return teardown(state);
}

static void conf(struct ike_conf *c, unsigned me)
{
	struct ike_peer *p = &c->peer[0];

	if (auth != IKE_AUTH_PSK)
		c->cred = rsa_lend(me);
	p->mode = mode;
	p->auth = auth;
	p->natt = (uint8_t)natt;
	p->hash = hash_by_ike1(hash);
	p->group = group_by_name(group);
	strcpy(p->certificate, "own");
	strcpy(p->key, "own");
	strcpy(p->my_id, me ? my_id : "");
}

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	auth = IKE_AUTH_PSK;
	hash = IKE1_SHA1;
	natt = 1;
	my_id = "";
	group = "modp1024";
	return 0;
}

/* End 0's message 1 waits. */
static void begin(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.sign = rsa_sign_later;
		r->end[i].env.wall = auth == IKE_AUTH_PSK ? rig_wall : rsa_wall;
		(void)rig_policy(r, i, 1);
	}
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	while (rig_work_one(r))
		;
	assert_int_equal(r->n, 1);
}

/* Of the message 1 that waits. */
static unsigned place_of(uint8_t type, unsigned nth)
{
	return rewrite_place(r, &r->q[0], type, nth);
}

/* The shortest message that has the same effect: one vendor ID, no CR, a nonce of 8 bytes, an identity of one. */
static void strip(void)
{
	static const uint8_t nonce[8] = {1, 2, 3}, id[5] = {IPSEC_ID_KEY_ID, 0, 0, 0, 'x'};
	unsigned at;

	while ((at = place_of(ISAKMP_P_VID, natt)) != UINT_MAX)
		(void)rewrite(r, &r->q[0], &(struct rewrite){.how = REWRITE_REMOVE, .nth = at});
	while ((at = place_of(ISAKMP_P_CR, 0)) != UINT_MAX)
		(void)rewrite(r, &r->q[0], &(struct rewrite){.how = REWRITE_REMOVE, .nth = at});
	at = place_of(ISAKMP_P_NONCE, 0);
	if (at != UINT_MAX)
		(void)rewrite(r, &r->q[0], &(struct rewrite){REWRITE_REPLACE, at, ISAKMP_P_NONCE, 0, {nonce, 8}});
	at = place_of(ISAKMP_P_ID, 0);
	if (at != UINT_MAX)
		(void)rewrite(r, &r->q[0], &(struct rewrite){REWRITE_REPLACE, at, ISAKMP_P_ID, 0, {id, 5}});
}

/* Bytes that end 1 answers to the message 1 that waits, as a whole; 0: none. */
static size_t answer(void)
{
	size_t n = 0;

	rig_deliver(r, 0);
	while (rig_work_one(r))
		;
	for (unsigned i = 0; i < r->n; i++) {
		assert_int_equal(r->q[i].from, 1);
		n += r->q[i].len;
	}
	return n;
}

static const unsigned hashes[] = {IKE1_MD5, IKE1_SHA1, IKE1_SHA256, IKE1_SHA384, IKE1_SHA512};

static void t_main_mode_answers_no_more_than_came(void **state)
{
	(void)state;
	for (auth = IKE_AUTH_PSK; auth <= IKE_AUTH_RSA_KEY; auth++)
		for (natt = 0; natt < 2; natt++)
			for (unsigned short_one = 0; short_one < 2; short_one++) {
				size_t request;

				begin();
				if (short_one)
					strip();
				request = r->q[0].len;
				assert_in_range(answer(), 1, request);
				(void)end(NULL);
			}
}

/* Where our identity does not fit into the length of the request, there is no answer, and the log says what would make it fit. */
static void t_base_mode_answers_no_more_than_came(void **state)
{
	(void)state;
	mode = IKE_MODE_BASE;
	for (auth = IKE_AUTH_PSK; auth <= IKE_AUTH_RSA_KEY; auth++)
		for (natt = 0; natt < 2; natt++)
			for (unsigned short_one = 0; short_one < 2; short_one++) {
				size_t request, n;

				begin();
				if (short_one)
					strip();
				request = r->q[0].len;
				n = answer();
				assert_in_range(n, short_one ? 0 : 1, request);
				if (!n) {
					assert_null(r->end[1].k->sas);
					assert_int_equal(ike_count(r->end[1].k, IKE_COUNT_UNEXPECTED), 1);
					assert_true(rig_logged(r, 1, "(change my-id-user-fqdn of the peer item"));
				}
				(void)end(NULL);
			}
	auth = IKE_AUTH_PSK;
	my_id = "a.very.long.name.of.a.gateway.that.nobody.could.type@a.very.long.domain.example.net";
	begin();
	strip();
	assert_int_equal(answer(), 0);
}

/*
 * RFC 2409 §5.4: KE and proof go out at once. Longer than the request by the proof, by NAT-D, and by what the request's identity and nonce are shorter
 * than ours; every vendor ID has one in the request.
 */
static size_t aggressive_excess(void)
{
	size_t h = hash_by_ike1(hash)->len, id = 4, n = 0;

	if (auth == IKE_AUTH_RSA_SIGNATURE) {
		struct bytes cr = cred_authority(rsa_lend(1), 0);

		id = cred_subject(rsa_lend(1), "own").len;
		n += 5 + cred_cert(rsa_lend(1), "own").len + 5 + cr.len;
	}
	n += id - 1 + 8; /* identity, nonce */
	n += 4 + (auth == IKE_AUTH_PSK ? h : 128);
	return n + (natt ? 2 * (4 + h) : 0);
}

static void t_aggressive_mode_answers_with_its_proof_more(void **state)
{
	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	for (auth = IKE_AUTH_PSK; auth <= IKE_AUTH_RSA_KEY; auth++)
		for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
			for (natt = 0; natt < 2; natt++) {
				size_t request;

				hash = hashes[i];
				begin();
				strip();
				request = r->q[0].len;
				assert_int_equal(answer(), request + aggressive_excess());
				(void)end(NULL);
			}
}

/* Our own message 1 has room for the answer, which is cut into fragments above 552 bytes; with certificates it is as long as fits into one packet. */
static void t_our_aggressive_request_is_no_shorter_than_the_answer(void **state)
{
	static const char *const groups[] = {"x25519", "modp1024", "modp2048"};
	size_t request;

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	for (auth = IKE_AUTH_PSK; auth <= IKE_AUTH_RSA_KEY; auth++)
		for (unsigned i = 0; i < ARRAY_SIZE(hashes) * ARRAY_SIZE(groups); i++)
			for (natt = 0; natt < 2; natt++) {
				hash = hashes[i % ARRAY_SIZE(hashes)];
				group = groups[i / ARRAY_SIZE(hashes)];
				begin();
				request = r->q[0].len;
				if (auth == IKE_AUTH_RSA_SIGNATURE)
					assert_int_equal(request, 1228);
				else
					assert_in_range(answer(), 1, request);
				(void)end(NULL);
			}
}

/* A peer that says it takes fragments, and has not sent enough for ours to be said: left out where nothing long follows. */
static void t_aggressive_answer_leaves_out_what_is_not_needed(void **state)
{
	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	begin();
	for (unsigned at; (at = place_of(ISAKMP_P_VID, 6)) != UINT_MAX;) /* our room for the answer */
		(void)rewrite(r, &r->q[0], &(struct rewrite){.how = REWRITE_REMOVE, .nth = at});
	assert_int_equal(r->q[0].len, 376);
	assert_in_range(answer(), 1, 376); /* 388 with it */
	assert_true(r->end[1].k->sas->peer_frag);
}

/* As ike/v1/phase1.h says: a pre-shared key, aes-128, modp1024; what we ask ourselves, and the shortest message. */
static void t_figures_of_aggressive_mode(void **state)
{
	static const struct {
		uint16_t hash, natt, bytes[2][2]; /* request, answer */
	} row[] = {
		{IKE1_MD5, 0, {{316, 316}, {241, 272}}},    {IKE1_MD5, 1, {{376, 376}, {261, 332}}},
		{IKE1_SHA1, 1, {{396, 388}, {261, 344}}},   {IKE1_SHA256, 1, {{424, 424}, {261, 380}}},
		{IKE1_SHA512, 1, {{520, 520}, {261, 476}}},
	};

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		for (unsigned short_one = 0; short_one < 2; short_one++) {
			hash = row[i].hash;
			natt = row[i].natt;
			begin();
			if (short_one)
				strip();
			assert_int_equal(r->q[0].len, row[i].bytes[short_one][0]);
			assert_int_equal(answer(), row[i].bytes[short_one][1]);
			(void)end(NULL);
		}
}

/* The spoofed sender repeats itself: one answer a second, six in all. */
static void t_spec_22_repeated_first_message(void **state)
{
	struct rig_packet first;
	unsigned n = 0;

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	begin();
	strip(); /* or the answer is not longer, and not delayed */
	first = r->q[0];
	first.p = malloc(first.len);
	memcpy(first.p, r->q[0].p, first.len);
	(void)answer();
	for (unsigned i = 0; i < 200; i++) {
		rig_hand_over(r, &first);
		r->now += NS_PER_S / 100;
		if (i == 95)
			assert_int_equal(r->n, 2);
	}
	for (unsigned i = 0; i < 20; i++) {
		rig_hand_over(r, &first);
		r->now += NS_PER_S;
	}
	while (r->n) {
		n++;
		rig_drop(r, 0);
	}
	assert_int_equal(n, 6);
	free(first.p);
}

/* Spec section 25: the word behind the vendor ID says for which exchanges. */
static void t_spec_25_capability(void **state)
{
	static const struct {
		uint8_t mode, len, word, takes;
	} row[] = {
		{IKE_MODE_MAIN, 20, 0x80, 1},	    {IKE_MODE_MAIN, 20, 0x40, 0},	{IKE_MODE_MAIN, 20, 0xc0, 1},
		{IKE_MODE_AGGRESSIVE, 20, 0x80, 1}, {IKE_MODE_AGGRESSIVE, 20, 0x40, 0}, {IKE_MODE_BASE, 20, 0x40, 1},
		{IKE_MODE_BASE, 20, 0x80, 0},	    {IKE_MODE_BASE, 20, 0xc0, 1},	{IKE_MODE_MAIN, 16, 0, 0},
		{IKE_MODE_MAIN, 19, 0x80, 0},	    {IKE_MODE_MAIN, 24, 0x80, 1},
	};
	uint8_t vid[24] = {0};

	(void)state;
	memcpy(vid, msg_vid_bytes(MSG_VID_FRAGMENTATION).p, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		mode = row[i].mode;
		begin();
		vid[16] = row[i].word;
		(void)rewrite(r, &r->q[0],
			      &(struct rewrite){
				      REWRITE_REPLACE, place_of(ISAKMP_P_VID, 5), ISAKMP_P_VID, 0, {vid, row[i].len}});
		(void)answer();
		assert_non_null(r->end[1].k->sas);
		if (r->end[1].k->sas->peer_frag != row[i].takes)
			fail_msg("row %u", i);
		(void)end(NULL);
	}
}

/* Spec 24.4: INVALID-KEY-INFORMATION, also when no group has so long a value. */
static void t_spec_24_4_public_values_of_another_length(void **state)
{
	static const size_t lens[] = {0, 1, 127, 129, 1024, 1025, 4000};
	static const uint8_t value[4000] = {2};

	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			const struct rig_packet *last;

			begin();
			for (unsigned n = mode == IKE_MODE_AGGRESSIVE ? 2 : 0; n < 2; n++) {
				rig_deliver(r, 0);
				while (rig_work_one(r))
					;
			}
			assert_int_equal(r->n, 1);
			assert_int_equal(rewrite(r, &r->q[0],
						 &(struct rewrite){.nth = place_of(ISAKMP_P_KE, 0),
								   .type = ISAKMP_P_KE,
								   .bytes = {value, lens[i]}}),
					 0);
			assert_int_equal(answer(), 40);
			last = &r->q[r->n - 1];
			assert_int_equal(last->p[18], ISAKMP_X_INFORMATIONAL);
			assert_int_equal(last->p[38] << 8 | last->p[39], ISAKMP_N_INVALID_KEY_INFORMATION);
			assert_true(rig_logged(r, 1, "public value is not one of the group"));
			(void)end(NULL);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, end)
	const struct CMUnitTest tests[] = {
		T(t_main_mode_answers_no_more_than_came),
		T(t_base_mode_answers_no_more_than_came),
		T(t_aggressive_mode_answers_with_its_proof_more),
		T(t_our_aggressive_request_is_no_shorter_than_the_answer),
		T(t_aggressive_answer_leaves_out_what_is_not_needed),
		T(t_figures_of_aggressive_mode),
		T(t_spec_22_repeated_first_message),
		T(t_spec_25_capability),
		T(t_spec_24_4_public_values_of_another_length),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
