/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The crypto engines: published vectors, equality of both engines on random jobs of all algorithms mixed in one burst, refusal of
 * every damaged bit, choice by the environment, wiping; and the IV source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/lib/esp_rig.h"
#include "tests/vectors/mcgrew_gcm.h"
#include "tests/vectors/rfc2202.h"
#include "tests/vectors/rfc3602.h"
#include "tests/vectors/sp800_38a.h"
#include "user/crypto/iv.h"

#define N ENGINE_BURST_MAX
#define TEXT_MAX 2000

static struct engine *both[2];

static int setup(void **state)
{
	struct err e;

	(void)state;
	unsetenv("XDP_IPSEC_ENGINE");
	for (int i = 0; i < 2; i++) {
		if (engine_new(&both[i], i ? XI_ENGINE_OPENSSL : XI_ENGINE_IPSEC_MB, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			return -1;
		}
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_free(both[0]);
	engine_free(both[1]);
	return 0;
}

static void run_vectors(const struct kat *t, unsigned n)
{
	struct err e;

	for (unsigned i = 0; i < n; i++)
		for (int k = 0; k < 2; k++)
			if (kat_run(both[k], &t[i], &e) < 0)
				fail_msg("%s", e.text);
}

static void t_rfc3602_4_vectors(void **state)
{
	(void)state;
	run_vectors(rfc3602_cbc, ARRAY_SIZE(rfc3602_cbc));
}

static void t_sp800_38a_f2_vectors(void **state)
{
	(void)state;
	run_vectors(sp800_38a_cbc, ARRAY_SIZE(sp800_38a_cbc));
}

static void t_rfc2202_vectors_rfc2403_rfc2404_truncation(void **state)
{
	(void)state;
	run_vectors(rfc2202_hmac, ARRAY_SIZE(rfc2202_hmac));
}

static void t_rfc4106_mcgrew_vectors(void **state)
{
	(void)state;
	run_vectors(mcgrew_gcm, ARRAY_SIZE(mcgrew_gcm));
}

/* A self-test that cannot fail is none: a wrong expectation must be noticed. */
static void t_self_test_notices(void **state)
{
	const struct kat *t;
	struct err e;

	(void)state;
	for (unsigned i = 0; (t = kat_at(i)); i++) {
		struct kat wrong = *t;
		char out[600];

		assert_int_equal(str_copy(out, sizeof(out), t->out), 0);
		out[strlen(out) - 1] = out[strlen(out) - 1] == '0' ? '1' : '0';
		wrong.out = out;
		assert_int_equal(kat_run(both[0], &wrong, &e), -EIO);
		assert_int_equal(kat_run(both[1], &wrong, &e), -EIO);
	}
}

/* One packet's bytes: 8 of ESP header, 16 of IV, text, 16 of ICV, and a guard behind. */
struct bytes {
	uint8_t b[8 + 16 + TEXT_MAX + 16 + 16];
};

static struct bytes buf[3][N]; /* original, one engine, other engine */

static void make_job(struct crypto_job *j, struct bytes *b, const struct keyctx *k, const struct xi_sa *sa, size_t len,
		     const uint8_t *iv)
{
	struct alg_shape s;

	assert_int_equal(alg_shape(sa, &s), 0);
	memset(j, 0xcc, sizeof(*j));
	j->key = k;
	j->auth = b->b;
	j->text = b->b + 8 + s.iv_len;
	j->text_len = (uint32_t)len;
	j->auth_len = (s.flags & ALG_F_AEAD) ? 8 : 8u + s.iv_len + (uint32_t)len;
	j->icv = s.icv_len ? j->text + len : NULL;
	memcpy(j->iv, iv, 16);
}

struct pairs {
	struct xi_sa sa[32];
	struct keyctx *key[2][32];
	unsigned n;
};

static void pairs_make(struct pairs *p)
{
	const struct alg *enc, *auth;

	for (p->n = 0; rig_pair(p->n, &enc, &auth); p->n++) {
		assert_true(p->n < 32);
		rig_sa(&p->sa[p->n], enc, auth, p->n + 5);
		for (int k = 0; k < 2; k++)
			p->key[k][p->n] = rig_keyctx(both[k], &p->sa[p->n]);
	}
	assert_int_equal(p->n, 4 * 3 + 3);
}

static void pairs_free(struct pairs *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		for (int k = 0; k < 2; k++) {
			keyctx_wipe(both[k], p->key[k][i]);
			free(p->key[k][i]);
		}
	}
}

static size_t random_len(uint64_t *rng, const struct xi_sa *sa)
{
	struct alg_shape s;
	size_t n;

	assert_int_equal(alg_shape(sa, &s), 0);
	n = rig_rand(rng) % 8 ? rig_rand(rng) % 200 : rig_rand(rng) % TEXT_MAX;
	return MAX(n / s.align * s.align, s.align);
}

/* Random bursts of n jobs, keys mixed: same bytes from both engines, which open each other's, and leave the rest alone. */
static void equal_burst(const struct pairs *p, uint64_t *rng, unsigned n)
{
	struct crypto_job job[2][N];

	for (unsigned i = 0; i < n; i++) {
		unsigned pair = (unsigned)(rig_rand(rng) % p->n);
		size_t len = random_len(rng, &p->sa[pair]);
		uint8_t iv[16];

		rig_iv_fill(rng, iv, 16);
		rig_iv_fill(rng, buf[0][i].b, sizeof(buf[0][i].b));
		for (int k = 0; k < 2; k++) {
			buf[k + 1][i] = buf[0][i];
			make_job(&job[k][i], &buf[k + 1][i], p->key[k][pair], &p->sa[pair], len, iv);
		}
	}
	engine_seal(both[0], job[0], n);
	engine_seal(both[1], job[1], n);
	assert_memory_equal(buf[1], buf[2], n * sizeof(buf[0][0]));
	for (unsigned i = 0; i < n; i++)
		assert_true(job[0][i].ok == 1 && job[1][i].ok == 1);
	/* The bytes are equal, so each engine opens the other's work. */
	engine_open(both[0], job[0], n);
	engine_open(both[1], job[1], n);
	for (unsigned i = 0; i < n; i++) {
		size_t icv = job[0][i].icv ? (size_t)(job[0][i].icv - buf[1][i].b) : sizeof(buf[0][0].b) - 16;

		assert_true(job[0][i].ok == 1 && job[1][i].ok == 1);
		assert_memory_equal(buf[1][i].b, buf[0][i].b, icv);
		assert_memory_equal(buf[2][i].b, buf[0][i].b, icv);
		assert_memory_equal(buf[1][i].b + icv + 16, buf[0][i].b + icv + 16, sizeof(buf[0][i].b) - icv - 16);
	}
}

static void t_engines_are_equal(void **state)
{
	uint64_t rng = 2024;
	struct pairs p;

	(void)state;
	pairs_make(&p);
	for (unsigned n = 1; n <= N; n++)
		equal_burst(&p, &rng, n);
	for (unsigned i = 0; i < 150; i++)
		equal_burst(&p, &rng, N);
	pairs_free(&p);
}

/* Every text length from one block to TEXT_MAX, every pair of algorithms. */
static void t_engines_are_equal_at_every_length(void **state)
{
	struct pairs p;
	uint8_t iv[16] = {7};

	(void)state;
	pairs_make(&p);
	for (unsigned pair = 0; pair < p.n; pair++) {
		struct alg_shape s;

		assert_int_equal(alg_shape(&p.sa[pair], &s), 0);
		for (size_t len = s.align; len <= 1600; len += s.align) {
			for (int k = 0; k < 2; k++) {
				struct crypto_job j;

				memset(&buf[k][0], (int)len, sizeof(buf[k][0]));
				make_job(&j, &buf[k][0], p.key[k][pair], &p.sa[pair], len, iv);
				engine_seal(both[k], &j, 1);
				assert_int_equal(j.ok, 1);
			}
			assert_memory_equal(&buf[0][0], &buf[1][0], sizeof(buf[0][0]));
		}
	}
	pairs_free(&p);
}

/* One bit anywhere in what is authenticated, or in the ICV, is noticed; and the jobs around the damaged one are not hurt. */
static void t_rfc4303_3_4_4_every_bit_counts(void **state)
{
	struct pairs p;
	uint8_t iv[16] = {1, 2, 3};

	(void)state;
	pairs_make(&p);
	for (unsigned pair = 0; pair < p.n; pair++) {
		struct crypto_job job[3];
		size_t total;

		for (int i = 0; i < 3; i++) {
			memset(&buf[0][i], i + 1, sizeof(buf[0][i]));
			make_job(&job[i], &buf[0][i], p.key[0][pair], &p.sa[pair], 32, iv);
		}
		if (!job[0].icv)
			continue;
		total = (size_t)(job[0].icv - buf[0][0].b) + (p.sa[pair].enc_alg == XI_ENC_AES_GCM ? 16 : 12);
		engine_seal(both[0], job, 3);
		for (size_t bit = 0; bit < total * 8; bit++) {
			/* RFC 4106 §5: of what stands in front of the text, GCM covers SPI and sequence number; the IV is in job.iv. */
			if (p.sa[pair].enc_alg == XI_ENC_AES_GCM && bit / 8 >= 8 && bit / 8 < 16)
				continue;
			for (int k = 0; k < 2; k++) {
				for (int i = 0; i < 3; i++) {
					buf[1][i] = buf[0][i];
					make_job(&job[i], &buf[1][i], p.key[k][pair], &p.sa[pair], 32, iv);
				}
				buf[1][1].b[bit / 8] ^= (uint8_t)(1 << bit % 8);
				engine_open(both[k], job, 3);
				assert_true(job[0].ok == 1 && job[1].ok == 0 && job[2].ok == 1);
			}
		}
	}
	pairs_free(&p);
}

/* Lengths that are no whole blocks never reach a cipher; a burst of nothing is nothing. */
static void t_bad_lengths_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 1, 15, 17, 31};
	struct pairs p;
	uint8_t iv[16] = {0};

	(void)state;
	pairs_make(&p);
	for (unsigned pair = 0; pair < p.n; pair++) {
		if (p.sa[pair].enc_alg != XI_ENC_AES_CBC)
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			for (int k = 0; k < 2; k++) {
				struct crypto_job j;

				make_job(&j, &buf[0][0], p.key[k][pair], &p.sa[pair], bad[i], iv);
				engine_seal(both[k], &j, 1);
				assert_int_equal(j.ok, 0);
				engine_open(both[k], &j, 1);
				assert_int_equal(j.ok, 0);
			}
		}
	}
	engine_seal(both[0], NULL, 0);
	engine_open(both[1], NULL, 0);
	pairs_free(&p);
}

static void t_keys_of_wrong_length_are_refused(void **state)
{
	size_t size = keyctx_size();
	uint8_t *k = aligned_alloc(64, size);
	struct pairs p;

	(void)state;
	assert_non_null(k);
	memset(k, 0, size);
	pairs_make(&p);
	for (unsigned i = 0; i < p.n; i++) {
		struct xi_sa sa = p.sa[i];

		for (int e = 0; e < 2; e++) {
			sa.enc_key_len = (__u16)(p.sa[i].enc_key_len + 1);
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), -EINVAL);
			sa.enc_key_len = p.sa[i].enc_key_len;
			sa.auth_key_len = (__u16)(p.sa[i].auth_key_len + 1);
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), -EINVAL);
			sa.auth_key_len = p.sa[i].auth_key_len;
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), 0);
			keyctx_wipe(both[e], (struct keyctx *)k);
			for (size_t b = 0; b < size; b++)
				assert_int_equal(k[b], 0);
			keyctx_wipe(both[e], (struct keyctx *)k); /* twice is allowed */
		}
	}
	pairs_free(&p);
	free(k);
}

static void t_choice_of_engine(void **state)
{
	struct engine *en;
	struct err e;

	(void)state;
	assert_int_equal(engine_new(&en, XI_ENGINE_NONE, &e), 0);
	assert_int_equal(engine_kind(en), XI_ENGINE_IPSEC_MB);
	assert_non_null(strstr(engine_name(en), "ipsec-mb 1."));
	engine_free(en);
	setenv("XDP_IPSEC_ENGINE", "openssl", 1);
	assert_int_equal(engine_new(&en, XI_ENGINE_IPSEC_MB, &e), 0);
	assert_int_equal(engine_kind(en), XI_ENGINE_OPENSSL);
	assert_non_null(strstr(engine_name(en), "OpenSSL 3."));
	engine_free(en);
	setenv("XDP_IPSEC_ENGINE", "gpu", 1);
	assert_int_equal(engine_new(&en, XI_ENGINE_NONE, &e), -EINVAL);
	assert_null(en);
	assert_non_null(strstr(e.text, "XDP_IPSEC_ENGINE=gpu"));
	unsetenv("XDP_IPSEC_ENGINE");
	assert_int_equal(engine_new(&en, (enum xi_engine)9, &e), -EINVAL);
	engine_free(NULL);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void t_rfc3602_3_ivs_do_not_repeat(void **state)
{
	enum { COUNT = 200000 };
	static uint8_t iv[COUNT][16];
	static struct iv_rng a, b;
	uint64_t ones = 0;
	unsigned shared = 0;

	(void)state;
	assert_int_equal(iv_init(&a), 0);
	assert_int_equal(iv_init(&b), 0);
	/* Many refills and several reseedings, in pieces that do not divide the pool; half of them from another state. */
	for (unsigned i = 0; i < COUNT; i += 5)
		iv_fill(i % 2 ? &a : &b, iv[i], 5 * 16);
	iv_fill(&a, iv[0], sizeof(iv) / 2); /* and one piece larger than the pool */
	for (unsigned i = 0; i < COUNT / 4; i++)
		iv_fill(&b, iv[i], 16);
	for (unsigned i = 0; i < COUNT * 16; i++)
		ones += (unsigned)__builtin_popcount(((const uint8_t *)iv)[i]);
	/* 25.6 million fair bits: six sigma are 15,000. */
	assert_true(ones > COUNT * 64ull - 15000 && ones < COUNT * 64ull + 15000);
	/* Neither do neighbours share bytes: 1 in 256 by chance. */
	for (unsigned i = 1; i < COUNT; i++)
		shared += iv[i - 1][15] == iv[i][0];
	assert_true(shared < COUNT / 128);
	qsort(iv, COUNT, 16, by_bytes);
	for (unsigned i = 1; i < COUNT; i++)
		assert_memory_not_equal(iv[i - 1], iv[i], 16);
	iv_destroy(&a);
	iv_destroy(&b);
	for (unsigned i = 0; i < sizeof(a); i++)
		assert_int_equal(((const uint8_t *)&a)[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc3602_4_vectors),
		cmocka_unit_test(t_sp800_38a_f2_vectors),
		cmocka_unit_test(t_rfc2202_vectors_rfc2403_rfc2404_truncation),
		cmocka_unit_test(t_rfc4106_mcgrew_vectors),
		cmocka_unit_test(t_self_test_notices),
		cmocka_unit_test(t_engines_are_equal),
		cmocka_unit_test(t_engines_are_equal_at_every_length),
		cmocka_unit_test(t_rfc4303_3_4_4_every_bit_counts),
		cmocka_unit_test(t_bad_lengths_are_refused),
		cmocka_unit_test(t_keys_of_wrong_length_are_refused),
		cmocka_unit_test(t_choice_of_engine),
		cmocka_unit_test(t_rfc3602_3_ivs_do_not_repeat),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
