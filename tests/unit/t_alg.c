/* SPDX-License-Identifier: BSD-2-Clause */
/* The algorithm table proves itself: no duplicates, names parse back, sizes fit the ABI, every algorithm has a known answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "user/crypto/alg.h"
#include "user/crypto/kat.h"

static void t_names_parse_back(void **state)
{
	const struct alg *a;
	unsigned n = 0;

	(void)state;
	for (; (a = alg_at(n)); n++) {
		assert_ptr_equal(alg_by_name(a->kind, a->name), a);
		assert_ptr_equal(alg_by_abi(a->kind, a->abi, alg_key_bytes(a)), a);
	}
	assert_int_equal(n, 36 + 11);
	assert_null(alg_by_name(ALG_ENC, "sha1"));
	assert_null(alg_by_name(ALG_AUTH, "aes-128"));
	assert_null(alg_by_name(ALG_ENC, "aes-1"));
	assert_null(alg_by_name(ALG_ENC, ""));
	assert_null(alg_by_abi(ALG_ENC, XI_ENC_AES_CBC, 17));
	assert_null(alg_by_abi(ALG_ENC, XI_ENC_AES_GCM, 16));
	assert_null(alg_by_abi(ALG_ENC, XI_ENC_MAX, 0));
}

static void t_no_duplicates(void **state)
{
	const struct alg *a, *b;

	(void)state;
	for (unsigned i = 0; (a = alg_at(i)); i++) {
		for (unsigned k = i + 1; (b = alg_at(k)); k++) {
			if (a->kind != b->kind)
				continue;
			assert_string_not_equal(a->name, b->name);
			assert_false(a->abi == b->abi && alg_key_bytes(a) == alg_key_bytes(b));
			if (a->ike_esp >= 0)
				assert_false(a->ike_esp == b->ike_esp && a->ike_bits == b->ike_bits);
			if (a->ike_auth >= 0)
				assert_int_not_equal(a->ike_auth, b->ike_auth);
			if (a->ike_ah >= 0)
				assert_int_not_equal(a->ike_ah, b->ike_ah);
			if (a->ike_phase1 >= 0)
				assert_false(a->ike_phase1 == b->ike_phase1 && a->ike_bits == b->ike_bits);
			if (a->ike2 >= 0)
				assert_false(a->ike2 == b->ike2 && a->ike_bits == b->ike_bits);
		}
	}
}

static void t_rows_fit_the_abi(void **state)
{
	unsigned enc_seen = 0, auth_seen = 0;
	int ah_only = 0;
	const struct alg *a;

	(void)state;
	for (unsigned i = 0; (a = alg_at(i)); i++) {
		assert_non_null(a->sa_name);
		assert_non_null(a->rfc);
		assert_true(alg_key_bytes(a) <= (a->kind == ALG_ENC ? XI_ENC_KEY_MAX : XI_AUTH_KEY_MAX));
		assert_true(a->key_max <= XI_ENC_KEY_MAX && alg_key_fits(a, alg_key_bytes(a)));
		assert_true(a->icv_len <= 32 && a->iv_len <= 16);
		assert_true(strlen(a->sa_name) < 16);
		assert_non_null(alg_level_name(a->level));
		/* esp-auth-algorithm stops at the first of them */
		assert_true(!ah_only || (a->flags & ALG_F_AH_ONLY));
		ah_only = (a->flags & ALG_F_AH_ONLY) != 0;
		if (a->kind == ALG_ENC) {
			assert_true(a->block >= 1 && (a->block & (a->block - 1)) == 0);
			enc_seen |= 1u << a->abi;
		} else {
			auth_seen |= 1u << a->abi;
		}
	}
	assert_int_equal(enc_seen, (1u << XI_ENC_MAX) - 1);
	assert_int_equal(auth_seen, (1u << XI_AUTH_MAX) - 1);
}

/* Rows of one number differ in the key only, which is what alg_shape() relies on. */
static void t_shape_is_of_the_number(void **state)
{
	const struct alg *a, *b;

	(void)state;
	for (unsigned i = 0; (a = alg_at(i)); i++) {
		for (unsigned k = i + 1; (b = alg_at(k)); k++) {
			if (a->kind != b->kind || a->abi != b->abi)
				continue;
			assert_int_equal(a->iv_len, b->iv_len);
			assert_int_equal(a->block, b->block);
			assert_int_equal(a->icv_len, b->icv_len);
			assert_int_equal(a->salt_len, b->salt_len);
			assert_int_equal(a->flags, b->flags);
		}
	}
}

static void t_every_algorithm_has_a_known_answer(void **state)
{
	const struct alg *a;
	const struct kat *t;

	(void)state;
	for (unsigned i = 0; (a = alg_at(i)); i++) {
		int found = alg_key_bytes(a) == 0; /* null computes nothing */

		for (unsigned k = 0; (t = kat_at(k)); k++)
			found |= strcmp(a->kind == ALG_ENC ? t->enc : t->auth, a->name) == 0;
		if (!found)
			fail_msg("no known answer for %s", a->name);
	}
}

static void t_check_sa(void **state)
{
	static const struct {
		const char *what;
		uint8_t enc, auth;
		uint16_t enc_key, auth_key;
		uint32_t window;
		int rc;
		uint8_t proto;
	} row[] = {
		{"cbc-128, sha1", XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 20, 0, 0, 0},
		{"cbc-192, md5", XI_ENC_AES_CBC, XI_AUTH_MD5, 24, 16, 32, 0, 0},
		{"cbc-256, null", XI_ENC_AES_CBC, XI_AUTH_NULL, 32, 0, 65536, 0, 0},
		{"null, sha1", XI_ENC_NULL, XI_AUTH_SHA1, 0, 20, 64, 0, 0},
		{"gcm-128", XI_ENC_AES_GCM, XI_AUTH_NULL, 20, 0, 1024, 0, 0},
		{"gcm-256", XI_ENC_AES_GCM, XI_AUTH_NULL, 36, 0, 0, 0, 0},
		{"both null: t_rfc4303_3_2", XI_ENC_NULL, XI_AUTH_NULL, 0, 0, 0, -EINVAL, 0},
		{"gcm with a second ICV", XI_ENC_AES_GCM, XI_AUTH_SHA1, 20, 20, 0, -EINVAL, 0},
		{"gcm without salt", XI_ENC_AES_GCM, XI_AUTH_NULL, 16, 0, 0, -EINVAL, 0},
		{"short key", XI_ENC_AES_CBC, XI_AUTH_SHA1, 15, 20, 0, -EINVAL, 0},
		{"key for null", XI_ENC_NULL, XI_AUTH_SHA1, 16, 20, 0, -EINVAL, 0},
		{"short hmac key", XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 16, 0, -EINVAL, 0},
		{"unknown cipher", XI_ENC_MAX, XI_AUTH_SHA1, 16, 20, 0, -EINVAL, 0},
		{"unknown authentication", XI_ENC_AES_CBC, XI_AUTH_MAX, 16, 20, 0, -EINVAL, 0},
		{"window too large", XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 20, 65568, -EINVAL, 0},
		{"window not in words", XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 20, 33, -EINVAL, 0},
		{"blowfish, shortest key", XI_ENC_BLOWFISH, XI_AUTH_SHA1, 5, 20, 0, 0, 0},
		{"blowfish, longest key", XI_ENC_BLOWFISH, XI_AUTH_SHA1, 56, 20, 0, 0, 0},
		{"blowfish, too short", XI_ENC_BLOWFISH, XI_AUTH_SHA1, 4, 20, 0, -EINVAL, 0},
		{"blowfish, too long", XI_ENC_BLOWFISH, XI_AUTH_SHA1, 57, 20, 0, -EINVAL, 0},
		{"twofish-192", XI_ENC_TWOFISH, XI_AUTH_SHA256, 24, 32, 0, 0, 0},
		{"twofish between", XI_ENC_TWOFISH, XI_AUTH_SHA256, 20, 32, 0, -EINVAL, 0},
		{"ctr, sha1", XI_ENC_AES_CTR, XI_AUTH_SHA1, 20, 20, 0, 0, 0},
		{"ctr alone: t_rfc3686_2_1", XI_ENC_AES_CTR, XI_AUTH_NULL, 20, 0, 0, -EINVAL, 0},
		{"ccm", XI_ENC_AES_CCM, XI_AUTH_NULL, 19, 0, 0, 0, 0},
		{"ccm with the salt of gcm", XI_ENC_AES_CCM, XI_AUTH_NULL, 20, 0, 0, -EINVAL, 0},
		{"gmac of esp", XI_ENC_AES_GMAC, XI_AUTH_NULL, 20, 0, 0, 0, 0},
		{"gmac of ah in esp", XI_ENC_AES_CBC, XI_AUTH_AES_GMAC, 16, 20, 0, -EINVAL, 0},
		{"ah, sha1", XI_ENC_NULL, XI_AUTH_SHA1, 0, 20, 32, 0, XI_PROTO_AH},
		{"ah, gmac", XI_ENC_NULL, XI_AUTH_AES_GMAC, 0, 36, 32, 0, XI_PROTO_AH},
		{"ah, null", XI_ENC_NULL, XI_AUTH_NULL, 0, 0, 0, -EINVAL, XI_PROTO_AH},
		{"ah with a cipher", XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 20, 0, -EINVAL, XI_PROTO_AH},
		{"ah with an aead", XI_ENC_AES_GCM, XI_AUTH_NULL, 20, 0, 0, -EINVAL, XI_PROTO_AH},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct xi_sa sa = {.proto = row[i].proto ? row[i].proto : XI_PROTO_ESP,
				   .enc_alg = row[i].enc,
				   .auth_alg = row[i].auth,
				   .enc_key_len = row[i].enc_key,
				   .auth_key_len = row[i].auth_key,
				   .replay_window = row[i].window};

		if (alg_check_sa(&sa) != row[i].rc)
			fail_msg("%s: %d", row[i].what, alg_check_sa(&sa));
	}
}

static void t_shape(void **state)
{
	static const struct {
		uint8_t enc, auth, iv, align, icv, proto;
	} row[] = {
		{XI_ENC_NULL, XI_AUTH_MD5, 0, 4, 12, 0},
		{XI_ENC_NULL, XI_AUTH_NULL, 0, 4, 0, 0},
		{XI_ENC_AES_CBC, XI_AUTH_SHA1, 16, 16, 12, 0},
		{XI_ENC_AES_CBC, XI_AUTH_NULL, 16, 16, 0, 0},
		{XI_ENC_AES_GCM, XI_AUTH_NULL, 8, 4, 16, 0},
		{XI_ENC_AES_GCM_12, XI_AUTH_NULL, 8, 4, 12, 0},
		{XI_ENC_3DES, XI_AUTH_SHA512, 8, 8, 32, 0},
		{XI_ENC_AES_CTR, XI_AUTH_SHA384, 8, 4, 24, 0},
		{XI_ENC_AES_CCM_8, XI_AUTH_NULL, 8, 4, 8, 0},
		{XI_ENC_NULL, XI_AUTH_AES_GMAC, 8, 4, 16, XI_PROTO_AH},
		{XI_ENC_NULL, XI_AUTH_SHA256, 0, 4, 16, XI_PROTO_AH},
	};
	struct alg_shape s;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct xi_sa sa = {.proto = row[i].proto, .enc_alg = row[i].enc, .auth_alg = row[i].auth};

		assert_int_equal(alg_shape(&sa, &s), 0);
		assert_int_equal(s.iv_len, row[i].iv);
		assert_int_equal(s.align, row[i].align);
		assert_int_equal(s.icv_len, row[i].icv);
	}
	assert_int_equal(alg_shape(&(struct xi_sa){.enc_alg = XI_ENC_MAX}, &s), -EINVAL);
	assert_int_equal(alg_shape(&(struct xi_sa){.enc_alg = XI_ENC_AES_GCM, .auth_alg = XI_AUTH_MD5}, &s), -EINVAL);
}

/* RFC 4106 §2, RFC 3686 §2, RFC 4543 §2: the key and the salt make the IVs' space, not the name of the mode. */
static void t_same_counter_key(void **state)
{
	struct xi_sa gcm = {.proto = XI_PROTO_ESP, .enc_alg = XI_ENC_AES_GCM, .enc_key_len = 20, .enc_key = {1, 2, 3}};
	struct xi_sa other = gcm, ah = {.proto = XI_PROTO_AH, .auth_alg = XI_AUTH_AES_GMAC, .auth_key_len = 20};

	(void)state;
	memcpy(ah.auth_key, gcm.enc_key, 20);
	assert_true(alg_same_counter_key(&gcm, &gcm));
	assert_true(alg_same_counter_key(&ah, &ah));
	assert_true(alg_same_counter_key(&gcm, &ah));
	other.enc_alg = XI_ENC_AES_CTR;
	assert_true(alg_same_counter_key(&gcm, &other));
	other.enc_key[19] = 1;
	assert_false(alg_same_counter_key(&gcm, &other));
	other = gcm;
	other.enc_alg = XI_ENC_BLOWFISH;
	assert_false(alg_same_counter_key(&gcm, &other));
	assert_false(alg_same_counter_key(&other, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_names_parse_back),
		cmocka_unit_test(t_no_duplicates),
		cmocka_unit_test(t_rows_fit_the_abi),
		cmocka_unit_test(t_shape_is_of_the_number),
		cmocka_unit_test(t_every_algorithm_has_a_known_answer),
		cmocka_unit_test(t_check_sa),
		cmocka_unit_test(t_shape),
		cmocka_unit_test(t_same_counter_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
