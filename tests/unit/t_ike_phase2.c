/* SPDX-License-Identifier: BSD-2-Clause */
/* The SA payload of quick mode: what is offered, what is taken, why not, and the cut of KEYMAT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "ike/neg/phase2.h"

static struct msg m;
static uint8_t buf[16384];
static struct phase2_terms t;
static struct phase2_refusal why;

static const struct alg *alg_named(enum alg_kind kind, const char *name)
{
	const struct alg *a = alg_by_name(kind, name);

	assert_non_null(a);
	return a;
}

/* "aes-256 3des" */
static uint8_t algs(enum alg_kind kind, const char *names, const struct alg **out)
{
	char copy[256], *save = NULL;
	uint8_t n = 0;

	assert_int_equal(str_copy(copy, sizeof(copy), names), 0);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		out[n++] = alg_named(kind, w);
	return n;
}

static struct phase2_own own_of(const char *enc, const char *auth)
{
	struct phase2_own o = {.protos = XI_PROTOS_ESP, .mode = XI_MODE_TUNNEL, .life_s = 1800, .group = 2};

	o.n_enc = algs(ALG_ENC, enc, o.enc);
	o.n_auth = algs(ALG_AUTH, auth, o.auth);
	return o;
}

static const __be32 spis[2] = {0x04030201, 0x08070605};

static void begin(struct msg_wr *w)
{
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_QUICK, .icookie = {1}, .rcookie = {2}};

	msg_wr_begin(w, buf, sizeof(buf), &h);
}

static const struct msg_sa *finish(struct msg_wr *w)
{
	struct msg_err e;
	int n = msg_wr_end(w);

	assert_true(n > 0);
	if (msg_parse(&m, (struct bytes){buf, (size_t)n}, &e))
		fail_msg("%s", e.what);
	assert_int_equal(m.payload[0].type, ISAKMP_P_SA);
	return &m.payload[0].sa;
}

static const struct msg_sa *offer(const struct phase2_own *o)
{
	struct msg_wr w;

	begin(&w);
	assert_true(phase2_write(&w, o, spis) > 0);
	return finish(&w);
}

/* One proposal of transforms with attributes given as type, value pairs; type 0 ends a transform, 0xffff the proposal. */
static const struct msg_sa *raw(unsigned protocol, unsigned id, const uint32_t *attr)
{
	struct msg_wr w;
	uint8_t n = 1;

	begin(&w);
	msg_wr_sa(&w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
	msg_wr_proposal(&w, 1, (uint8_t)protocol, (struct bytes){(const uint8_t *)spis, 4});
	msg_wr_transform(&w, n, (uint8_t)id);
	for (; attr[0] != 0xffff; attr += 2) {
		if (attr[0])
			msg_wr_attr_number(&w, (uint16_t)attr[0], attr[1]);
		else
			msg_wr_transform(&w, ++n, (uint8_t)attr[1]);
	}
	return finish(&w);
}

#define RAW(protocol, id, ...) raw(protocol, id, (const uint32_t[]){__VA_ARGS__, 0xffff})
#define LIFE 1, 1, 2, 1800, 4, 1

/* Spec section 8: AEAD first without authentication, then the cipher as outer loop; section 17: order of the attributes. */
static void t_offer_strongest_first(void **state)
{
	static const struct {
		uint8_t id;
		uint16_t bits, auth;
	} want[] = {{20, 256, 0}, {13, 128, 5}, {13, 128, 2}, {12, 256, 5}, {12, 256, 2}, {12, 256, 0},
		    {3, 0, 5},	  {3, 0, 2},	{3, 0, 0},    {11, 0, 5},   {11, 0, 2}};
	struct phase2_own o = own_of("aes-256-gcm aes-128-ctr aes-256 3des null", "sha256 sha1 null");
	const struct msg_sa *sa = offer(&o);
	const struct msg_proposal *p = &m.proposal[sa->proposal];

	(void)state;
	assert_int_equal(sa->doi, 1);
	assert_int_equal(sa->situation, 1);
	assert_int_equal(sa->n_proposals, 1);
	assert_int_equal(p->protocol, IPSEC_PROTO_ESP);
	assert_memory_equal(p->spi.p, spis, 4);
	assert_int_equal(p->n_transforms, ARRAY_SIZE(want));
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		const uint32_t seq[][2] = {{1, 1}, {2, 1800}, {4, 1}, {6, want[i].bits}, {5, want[i].auth}, {3, 2}};
		const struct msg_transform *tr = &m.transform[p->transform + i];
		struct rd r = rd_of(tr->attrs);
		struct msg_attr a;

		assert_int_equal(tr->number, i + 1);
		assert_int_equal(tr->id, want[i].id);
		for (unsigned k = 0; k < ARRAY_SIZE(seq); k++) {
			if (!seq[k][1])
				continue;
			assert_true(msg_attr_next(&r, &a));
			assert_int_equal(a.type, seq[k][0]);
			assert_int_equal(a.value, seq[k][1]);
		}
		assert_false(msg_attr_next(&r, &a));
	}
}

static void t_offer_of_a_bundle_is_ah_then_esp_with_one_number(void **state)
{
	struct phase2_own o = own_of("aes-128", "sha1 md5");
	const struct msg_sa *sa;

	(void)state;
	o.protos = XI_PROTOS_AH | XI_PROTOS_ESP;
	sa = offer(&o);
	assert_int_equal(sa->n_proposals, 2);
	assert_int_equal(m.proposal[0].protocol, IPSEC_PROTO_AH);
	assert_int_equal(m.proposal[1].protocol, IPSEC_PROTO_ESP);
	assert_int_equal(m.proposal[0].number, m.proposal[1].number);
	assert_memory_equal(m.proposal[0].spi.p, &spis[1], 4);
	assert_memory_equal(m.proposal[1].spi.p, &spis[0], 4);
	assert_int_equal(phase2_choose(&m, sa, &o, &t, &why), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.suite[0].proto, XI_PROTO_ESP);
	assert_int_equal(t.suite[1].proto, XI_PROTO_AH);
	assert_int_equal(t.suite[1].spi, spis[1]);
	assert_string_equal(t.suite[1].auth->name, "sha1");
	/* Only one of them: not a bundle. */
	o.protos = XI_PROTOS_ESP;
	assert_int_equal(phase2_choose(&m, sa, &o, &t, &why), -ENOENT);
	assert_int_equal(why.why, PHASE2_PROTOCOL);
}

static void t_nothing_to_offer(void **state)
{
	struct phase2_own o = own_of("null", "null");
	struct msg_wr w;

	(void)state;
	begin(&w);
	assert_int_equal(phase2_write(&w, &o, spis), 0);
	o = own_of("aes-128", "null");
	o.protos = XI_PROTOS_AH;
	begin(&w);
	assert_int_equal(phase2_write(&w, &o, spis), 0);
	o.protos = XI_PROTOS_AH | XI_PROTOS_ESP;
	begin(&w);
	assert_int_equal(phase2_write(&w, &o, spis), 0);
}

/* Every cipher of the table with every authentication that fits: offered, chosen, answered, the answer taken. */
static void t_every_algorithm_goes_round(void **state)
{
	const struct alg *enc;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; (enc = alg_at(i)) && enc->kind == ALG_ENC; i++) {
		const struct alg *auth;

		for (unsigned j = i; (auth = alg_at(j)); j++) {
			struct phase2_own o = own_of("", "");
			static struct phase2_terms back;
			struct xi_sa sa = {.proto = XI_PROTO_ESP};
			uint8_t keymat[PHASE2_KEYMAT_MAX];
			struct msg_wr w;

			if (auth->kind != ALG_AUTH || enc->ike_esp < 0)
				continue;
			o.enc[0] = enc;
			o.auth[0] = auth;
			o.n_enc = o.n_auth = 1;
			begin(&w);
			if (!phase2_write(&w, &o, spis))
				continue;
			assert_int_equal(phase2_choose(&m, finish(&w), &o, &t, &why), 0);
			assert_ptr_equal(t.suite[0].enc, enc);
			if (!(enc->flags & ALG_F_AEAD))
				assert_ptr_equal(t.suite[0].auth, auth);
			assert_int_equal(t.suite[0].key_len + enc->salt_len, alg_key_bytes(enc));
			assert_true(phase2_keymat_len(&t.suite[0]) <= sizeof(keymat));
			for (unsigned k = 0; k < sizeof(keymat); k++)
				keymat[k] = (uint8_t)k;
			phase2_keys(&t.suite[0], keymat, &sa);
			assert_int_equal(alg_check_sa(&sa), 0);
			assert_int_equal(sa.enc_key_len + sa.auth_key_len, phase2_keymat_len(&t.suite[0]));
			assert_memory_equal(sa.enc_key, keymat, sa.enc_key_len);
			assert_memory_equal(sa.auth_key, keymat + sa.enc_key_len, sa.auth_key_len);
			back = t;
			{
				static uint8_t second[4096];
				struct msg_hdr h = m.hdr;
				static struct msg answer;
				struct msg_err e;
				int len;

				msg_wr_begin(&w, second, sizeof(second), &h);
				phase2_write_answer(&w, &m, &back, spis);
				len = msg_wr_end(&w);
				assert_true(len > 0);
				assert_int_equal(msg_parse(&answer, (struct bytes){second, (size_t)len}, &e), 0);
				assert_int_equal(phase2_answer(&answer, &answer.payload[0].sa, &o, &t, &why), 0);
				assert_ptr_equal(t.suite[0].enc, enc);
			}
			n++;
		}
	}
	assert_true(n > 100);
}

/* Spec section 17, 24.2: attributes that make no sense; none of them is taken, the next transform is. */
static void t_attributes(void **state)
{
	struct phase2_own o =
		own_of("aes-128 blowfish twofish camellia-128 3des null aes-128-gcm aes-128-ctr", "sha1 md5 null");

	(void)state;
#define REFUSED(...)                                                                                                   \
	do {                                                                                                           \
		assert_int_equal(phase2_choose(&m, __VA_ARGS__, &o, &t, &why), -ENOENT);                               \
		assert_int_equal(why.why, PHASE2_SYNTAX);                                                              \
		assert_non_null(why.what);                                                                             \
	} while (0)
#define TAKEN(...) assert_int_equal(phase2_choose(&m, __VA_ARGS__, &o, &t, &why), 0)
	o.group = 0;
	TAKEN(RAW(3, 12, LIFE, 6, 128, 5, 2));
	TAKEN(RAW(3, 12, LIFE, 5, 2)); /* absent = 128 */
	assert_int_equal(t.suite[0].key_len, 16);
	TAKEN(RAW(3, 7, LIFE, 5, 2)); /* Blowfish, absent = 128 */
	assert_int_equal(t.suite[0].key_len, 16);
	TAKEN(RAW(3, 7, LIFE, 6, 448, 5, 2));
	assert_int_equal(t.suite[0].key_len, 56);
	TAKEN(RAW(3, 253, LIFE, 6, 256, 5, 2));
	TAKEN(RAW(3, 12, LIFE, 6, 128)); /* no authentication, and null is ours */
	TAKEN(RAW(3, 12, LIFE, 6, 128, 5, 2, 11, 1));
	assert_int_equal(t.suite[0].esn, 1);
	TAKEN(RAW(3, 12, 4, 1, 6, 128, 5, 2)); /* no lifetime: 28800 */
	assert_int_equal(t.use.life_s, PHASE2_LIFE_DEFAULT);
	TAKEN(RAW(3, 12, LIFE, 1, 2, 2, 1000, 5, 2));
	assert_int_equal(t.use.life_bytes, 1024000);
	TAKEN(RAW(3, 12, 1, 1, 2, 0x12345678, 4, 1, 5, 2));
	assert_int_equal(t.use.life_s, 0x12345678);
	REFUSED(RAW(3, 7, LIFE, 6, 32, 5, 2));
	REFUSED(RAW(3, 7, LIFE, 6, 129, 5, 2));
	REFUSED(RAW(3, 7, LIFE, 6, 456, 5, 2));
	REFUSED(RAW(3, 12, LIFE, 6, 0, 5, 2));
	REFUSED(RAW(3, 12, LIFE, 6, 136, 5, 2));
	REFUSED(RAW(3, 12, LIFE, 6, 128, 6, 128, 5, 2)); /* twice */
	REFUSED(RAW(3, 3, LIFE, 6, 192, 5, 2));		 /* fixed length */
	REFUSED(RAW(3, 11, LIFE));			 /* null, null */
	REFUSED(RAW(3, 13, LIFE, 6, 128));		 /* CTR without authentication */
	REFUSED(RAW(3, 13, LIFE, 5, 2));		 /* CTR without key length */
	REFUSED(RAW(3, 20, LIFE, 6, 128, 5, 2));	 /* AEAD with authentication */
	REFUSED(RAW(3, 12, LIFE, 5, 2, 7, 10));		 /* key rounds */
	REFUSED(RAW(3, 12, LIFE, 5, 2, 11, 2));
	REFUSED(RAW(3, 12, LIFE, 5, 2, 99, 1));
	REFUSED(RAW(3, 12, LIFE, 5, 2, 0x7fff, 1));
	REFUSED(RAW(3, 12, 1, 1, 4, 1, 5, 2)); /* type without duration */
	REFUSED(RAW(3, 12, 2, 1800, 4, 1, 5, 2));
	REFUSED(RAW(3, 12, 1, 3, 2, 1800, 4, 1, 5, 2));
	REFUSED(RAW(3, 12, 1, 1, 2, 0, 4, 1, 5, 2));
	REFUSED(RAW(3, 12, LIFE, 1, 1, 2, 1800, 5, 2));
	REFUSED(RAW(3, 12, 1, 1, 2, 1800, 4, 5, 5, 2)); /* mode */
	REFUSED(RAW(3, 12, LIFE, 5, 99));
	REFUSED(RAW(3, 99, LIFE, 5, 2));
	REFUSED(RAW(3, 12, LIFE, 5, 11)); /* GMAC is of AH */
	TAKEN(RAW(3, 99, LIFE, 5, 2, 0, 12, LIFE, 6, 128, 5, 2));
	assert_int_equal(t.suite[0].transform, 1);
	o.protos = XI_PROTOS_AH;
	TAKEN(RAW(2, 3, LIFE, 5, 2));
	REFUSED(RAW(2, 3, LIFE, 5, 1));
	REFUSED(RAW(2, 3, LIFE));
	REFUSED(RAW(2, 3, LIFE, 5, 2, 6, 128));
}

static void t_why(void **state)
{
	static const struct {
		uint32_t attr[16];
		enum phase2_why why;
	} row[] = {
		{{1, 1, 2, 1800, 4, 2, 6, 128, 5, 2, 3, 2, 0xffff}, PHASE2_MODE},
		{{1, 1, 2, 1800, 4, 3, 6, 128, 5, 2, 3, 2, 0xffff}, PHASE2_ENCAP},
		{{1, 1, 2, 1800, 4, 1, 6, 128, 5, 1, 3, 2, 0xffff}, PHASE2_AUTH},
		{{1, 1, 2, 1801, 4, 1, 6, 128, 5, 2, 3, 2, 0xffff}, PHASE2_LIFE},
		{{1, 1, 2, 1800, 4, 1, 6, 256, 5, 2, 3, 2, 0xffff}, PHASE2_KEY},
		{{1, 1, 2, 1800, 4, 1, 6, 128, 5, 2, 3, 5, 0xffff}, PHASE2_GROUP},
		{{1, 1, 2, 1800, 4, 1, 6, 128, 5, 2, 0xffff}, PHASE2_GROUP},
	};
	struct phase2_own o = own_of("aes-128", "sha1");
	char text[600];

	(void)state;
	o.check = CHECK_EXACT;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(phase2_choose(&m, raw(3, 12, row[i].attr), &o, &t, &why), -ENOENT);
		assert_int_equal(why.why, row[i].why);
		phase2_refusal_text(&why, &o, "office", text, sizeof(text));
		assert_non_null(strstr(text, "first difference: "));
		assert_non_null(strstr(text, "they: ESP"));
		assert_non_null(strstr(text, "to change: "));
	}
	assert_int_equal(phase2_choose(&m, RAW(3, 3, LIFE, 5, 2, 3, 2), &o, &t, &why), -ENOENT);
	phase2_refusal_text(&why, &o, "office", text, sizeof(text));
	assert_string_equal(text,
			    "first difference: encryption algorithm; they: ESP tunnel, 3des, sha1, modp1024, 1800 s; "
			    "we: ESP tunnel, aes-128, sha1, modp1024, 1800 s; to change: enc-algorithms of proposal "
			    "office");
	/* Numbers where there are no words, and a draft is not the RFC. */
	assert_int_equal(phase2_choose(&m, RAW(3, 4, LIFE, 6, 128, 5, 2), &o, &t, &why), -ENOENT);
	phase2_refusal_text(&why, &o, "office", text, sizeof(text));
	assert_string_equal(text, "first difference: attributes: a cipher or key length that we do not have; they: ESP "
				  "transform 4, attributes 1=1 2=1800 4=1 6=128 5=2; we: ESP tunnel, aes-128, sha1, "
				  "modp1024, 1800 s; to change: the peer's configuration");
	assert_int_equal(phase2_choose(&m, RAW(4, 2, LIFE), &o, &t, &why), -ENOENT);
	phase2_refusal_text(&why, &o, "office", text, sizeof(text));
	assert_non_null(strstr(text, "first difference: protocol: another than AH and ESP was offered; we: "));
	o.encap = PHASE2_UDP;
	assert_int_equal(phase2_choose(&m, RAW(3, 12, 1, 1, 2, 1800, 4, 61443, 6, 128, 5, 2), &o, &t, &why), -ENOENT);
	phase2_refusal_text(&why, &o, "office", text, sizeof(text));
	assert_non_null(strstr(text, "they: ESP tunnel in UDP (draft), "));
	assert_non_null(strstr(text, "we: ESP tunnel in UDP, "));
	o.encap = PHASE2_PLAIN;
	/* The offer that came closest is the one that is reported. */
	assert_int_equal(
		phase2_choose(&m, RAW(3, 3, LIFE, 5, 2, 0, 12, LIFE, 6, 128, 5, 1, 0, 2, LIFE, 5, 2), &o, &t, &why),
		-ENOENT);
	assert_int_equal(why.why, PHASE2_AUTH);
	/* obey takes another group, but none that we do not have. */
	o.check = CHECK_OBEY;
	assert_int_equal(phase2_choose(&m, RAW(3, 12, LIFE, 6, 128, 5, 2, 3, 999), &o, &t, &why), -ENOENT);
	assert_int_equal(why.why, PHASE2_GROUP);
}

/* Of transforms that we take and of those that we do not: lifetime in both units and group are those of the first one. */
static void t_spec_17_transforms_agree(void **state)
{
	static const struct {
		uint32_t attr[40]; /* behind 3des of 1800 s and group 2 */
		int taken;
	} row[] = {
		{{0, 12, LIFE, 6, 128, 5, 2, 3, 2, 0xffff}, 1},
		{{0, 12, 1, 1, 2, 1801, 4, 1, 6, 128, 5, 2, 3, 2, 0xffff}, 0},
		{{0, 12, 1, 2, 2, 5000, LIFE, 6, 128, 5, 2, 3, 2, 0xffff}, 0},
		{{0, 12, LIFE, 6, 128, 5, 2, 3, 5, 0xffff}, 0},
		{{0, 12, LIFE, 6, 128, 5, 2, 0xffff}, 0},
		{{0, 99, LIFE, 5, 2, 3, 2, 0xffff}, 1}, /* a cipher that we do not have */
		{{0, 99, LIFE, 5, 2, 3, 5, 0xffff}, 0},
	};
	struct phase2_own o = own_of("3des", "sha1");
	char text[600];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		uint32_t attr[60] = {LIFE, 5, 2, 3, 2};

		memcpy(attr + 10, row[i].attr, sizeof(row[i].attr));
		assert_int_equal(phase2_choose(&m, raw(3, 3, attr), &o, &t, &why), row[i].taken ? 0 : -ENOENT);
		if (row[i].taken)
			continue;
		phase2_refusal_text(&why, &o, "office", text, sizeof(text));
		assert_non_null(strstr(text, "transforms of one proposal that differ in lifetime or PFS group"));
	}
}

/* Spec 18.1: obey takes a key length that stands under another length of the cipher; strict not a shorter one. */
static void t_key_lengths_by_proposal_check(void **state)
{
	struct phase2_own o = own_of("aes-192", "sha1");

	(void)state;
	for (unsigned bits = 128; bits <= 256; bits += 64) {
		for (o.check = CHECK_OBEY; o.check <= CHECK_EXACT; o.check++) {
			int rc = phase2_choose(&m, RAW(3, 12, LIFE, 6, bits, 5, 2, 3, 2), &o, &t, &why);
			int want = o.check == CHECK_OBEY || bits == 192 || (o.check != CHECK_EXACT && bits > 192);

			assert_int_equal(rc, want ? 0 : -ENOENT);
			if (!rc)
				assert_int_equal(t.suite[0].key_len, bits / 8);
		}
	}
	o.check = CHECK_CLAIM;
	assert_int_equal(phase2_choose(&m, RAW(3, 12, 1, 1, 2, 3600, 4, 1, 6, 192, 5, 2, 3, 2), &o, &t, &why), 0);
	assert_int_equal(t.notify, 1);
	assert_int_equal(t.use.life_s, 1800);
}

/* RFC 2408 §4.2: exactly one choice comes back, and nothing that was not asked for. */
static void t_answers_that_are_none(void **state)
{
	struct phase2_own o = own_of("aes-128 3des", "sha1");

	(void)state;
	assert_int_equal(phase2_answer(&m, offer(&o), &o, &t, &why), -ENOENT);
	assert_int_equal(why.why, PHASE2_SYNTAX);
	assert_int_equal(phase2_answer(&m, RAW(3, 12, LIFE, 6, 128, 5, 2, 3, 2), &o, &t, &why), 0);
	assert_int_equal(phase2_answer(&m, RAW(3, 12, LIFE, 6, 128, 5, 2, 3, 5), &o, &t, &why), -ENOENT);
	assert_int_equal(why.why, PHASE2_GROUP);
	assert_int_equal(phase2_answer(&m, RAW(3, 12, LIFE, 6, 128, 5, 2, 3, 2, 11, 1), &o, &t, &why), -ENOENT);
	assert_int_equal(phase2_answer(&m, RAW(3, 2, LIFE, 5, 2, 3, 2), &o, &t, &why), -ENOENT);
	for (o.check = CHECK_OBEY; o.check <= CHECK_EXACT; o.check++) {
		assert_int_equal(phase2_answer(&m, RAW(3, 12, LIFE, 6, 256, 5, 2, 3, 2), &o, &t, &why), -ENOENT);
		assert_int_equal(why.why, PHASE2_KEY);
	}
	o.check = CHECK_OBEY;
	o.group = 0;
	assert_int_equal(phase2_answer(&m, RAW(3, 12, LIFE, 6, 128, 5, 2, 3, 2), &o, &t, &why), -ENOENT);
}

/* Proposals: protocols that we do not have, reserved SPIs, IPComp beside ESP; a later one is taken. */
static void t_proposals(void **state)
{
	struct phase2_own o = own_of("aes-128", "sha1");
	const __be32 reserved = htonl(255);
	struct msg_wr w;

	(void)state;
	begin(&w);
	msg_wr_sa(&w, 1, 1);
	for (unsigned i = 0; i < 4; i++) {
		static const uint8_t number[] = {1, 1, 2, 3};
		static const uint8_t protocol[] = {3, 4, 3, 3};

		msg_wr_proposal(&w, number[i], protocol[i],
				(struct bytes){(const uint8_t *)(i == 2 ? &reserved : &spis[0]), 4});
		msg_wr_transform(&w, 1, protocol[i] == 4 ? 2 : 12);
		msg_wr_attr_number(&w, 4, 1);
		msg_wr_attr_number(&w, 5, 2);
		msg_wr_attr_number(&w, 3, 2);
	}
	assert_int_equal(phase2_choose(&m, finish(&w), &o, &t, &why), 0);
	assert_int_equal(t.suite[0].proposal, 3);
	o.group = 5;
	o.check = CHECK_STRICT;
	assert_int_equal(phase2_choose(&m, &m.payload[0].sa, &o, &t, &why), -ENOENT);
}

/* Spec section 19: protocol and mode as the initiator proposes. */
static void t_any_mode_and_protocol(void **state)
{
	struct phase2_own o = own_of("aes-128", "sha1");

	(void)state;
	o.protos = 0;
	o.mode = PHASE2_ANY_MODE;
	assert_int_equal(phase2_choose(&m, RAW(3, 12, 4, 2, 5, 2, 3, 2), &o, &t, &why), 0);
	assert_int_equal(t.mode, XI_MODE_TRANSPORT);
	assert_int_equal(phase2_choose(&m, RAW(2, 3, 4, 1, 5, 2, 3, 2), &o, &t, &why), 0);
	assert_int_equal(t.mode, XI_MODE_TUNNEL);
	assert_int_equal(t.suite[0].proto, XI_PROTO_AH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_offer_strongest_first),
		cmocka_unit_test(t_offer_of_a_bundle_is_ah_then_esp_with_one_number),
		cmocka_unit_test(t_nothing_to_offer),
		cmocka_unit_test(t_every_algorithm_goes_round),
		cmocka_unit_test(t_attributes),
		cmocka_unit_test(t_why),
		cmocka_unit_test(t_spec_17_transforms_agree),
		cmocka_unit_test(t_key_lengths_by_proposal_check),
		cmocka_unit_test(t_answers_that_are_none),
		cmocka_unit_test(t_proposals),
		cmocka_unit_test(t_any_mode_and_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
