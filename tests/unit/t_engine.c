/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The crypto engines: published vectors, equality of the back ends on random jobs of all algorithms mixed in one burst, refusal of
 * every damaged bit, a failing self-test, choice by the environment, wiping, no allocation; and the IV source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/crypto.h>

#include "tests/lib/esp_rig.h"
#include "tests/vectors/blowfish.h"
#include "tests/vectors/ccm.h"
#include "tests/vectors/des.h"
#include "tests/vectors/gcm_icv.h"
#include "tests/vectors/gmac.h"
#include "tests/vectors/mcgrew_gcm.h"
#include "tests/vectors/rfc2202.h"
#include "tests/vectors/rfc3566.h"
#include "tests/vectors/rfc3602.h"
#include "tests/vectors/rfc3686.h"
#include "tests/vectors/rfc3713.h"
#include "tests/vectors/rfc4493.h"
#include "tests/vectors/rfc4868.h"
#include "tests/vectors/rfc8439.h"
#include "tests/vectors/sp800_38a.h"
#include "tests/vectors/twofish.h"
#include "user/crypto/engine_priv.h"
#include "user/crypto/iv.h"

#define N ENGINE_BURST_MAX
#define TEXT_MAX 2000
#define PAIRS_MAX 256

/* The best back end for each algorithm, and the portable ones for all. */
static struct engine *both[2];

static int setup(void **state)
{
	struct err e;

	(void)state;
	unsetenv("XDP_IPSEC_ENGINE");
	for (int i = 0; i < 2; i++) {
		if (engine_new(&both[i], i ? XI_ENGINE_OPENSSL : XI_ENGINE_NONE, &e) < 0) {
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
	for (unsigned i = 0; i < n; i++)
		for (int k = 0; k < 2; k++)
			if (kat_run(both[k], &t[i]) < 0)
				fail_msg("%s: %s/%s, %s", engine_name(both[k]), t[i].enc, t[i].auth, t[i].source);
}

#define VECTORS(name, list)                                                                                            \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		run_vectors(list, ARRAY_SIZE(list));                                                                   \
	}

VECTORS(t_rfc3602_4_vectors, rfc3602_cbc)
VECTORS(t_sp800_38a_f2_vectors, sp800_38a_cbc)
VECTORS(t_rfc2202_vectors_rfc2403_rfc2404_truncation, rfc2202_hmac)
VECTORS(t_rfc4106_mcgrew_vectors, mcgrew_gcm)
VECTORS(t_rfc4106_6_short_icv, gcm_icv)
VECTORS(t_rfc4309_ccm_vectors, ccm_computed)
VECTORS(t_rfc4543_gmac_vectors, gmac_mixed)
VECTORS(t_rfc8439_rfc7634_vectors, rfc8439_chacha)
VECTORS(t_rfc3686_6_vectors, rfc3686_ctr)
VECTORS(t_rfc4868_2_7_2_vectors, rfc4868_hmac)
VECTORS(t_rfc3566_4_6_vectors, rfc3566_xcbc)
VECTORS(t_rfc4493_4_vectors, rfc4493_cmac)
VECTORS(t_rfc3713_vectors, rfc3713_camellia)
VECTORS(t_rfc2451_blowfish_vectors, blowfish_young)
VECTORS(t_rfc2405_rfc2451_des_vectors, des_fips81)
VECTORS(t_twofish_vectors, twofish_book)

/* A self-test that cannot fail is none: a wrong expectation must be noticed. */
static void t_self_test_notices(void **state)
{
	const struct kat *t;

	(void)state;
	for (unsigned i = 0; (t = kat_at(i)); i++) {
		struct kat wrong = *t;
		char out[600];

		assert_int_equal(str_copy(out, sizeof(out), t->out), 0);
		out[strlen(out) - 1] = out[strlen(out) - 1] == '0' ? '1' : '0';
		wrong.out = out;
		assert_int_equal(kat_run(both[0], &wrong), -EIO);
		assert_int_equal(kat_run(both[1], &wrong), -EIO);
	}
}

/* The known answers with one algorithm's wrong, for some back ends. */
static struct {
	const char *enc, *auth;
	unsigned by;
} fault;

static const struct kat *faulty_kats(unsigned i, enum xi_engine by)
{
	static struct kat wrong;
	static char out[600];
	const struct kat *t = kat_of(i, by);

	if (!t || !(fault.by & BY(by)) || strcmp(t->enc, fault.enc) != 0 || strcmp(t->auth, fault.auth) != 0)
		return t;
	wrong = *t;
	assert_int_equal(str_copy(out, sizeof(out), t->out), 0);
	out[0] = out[0] == '0' ? '1' : '0';
	wrong.out = out;
	return &wrong;
}

static unsigned row_of(enum alg_kind kind, const char *name)
{
	return alg_row(alg_by_name(kind, name));
}

/* What is left of the engine when an algorithm fails. -ENOTSUP or 0 for the SA of that pair; all other algorithms stay. */
static int with_fault(const char *enc, const char *auth, unsigned by, enum xi_engine *now)
{
	unsigned bad = strcmp(enc, "null") ? row_of(ALG_ENC, enc) : row_of(ALG_AUTH, auth);
	size_t size = (keyctx_size() + 63) & ~(size_t)63;
	struct keyctx *k = aligned_alloc(64, size);
	struct engine *en;
	struct xi_sa sa;
	struct err e;
	int rc;

	assert_non_null(k);
	memset(k, 0, size);
	fault.enc = enc;
	fault.auth = auth;
	fault.by = by;
	assert_int_equal(engine_make(&en, XI_ENGINE_NONE, faulty_kats, &e), 0);
	*now = engine_of_alg(en, bad);
	assert_true((BY(engine_failed(en, bad)) & by) != 0);
	for (unsigned i = 0; alg_at(i); i++) {
		if (i == bad)
			continue;
		assert_int_equal(engine_failed(en, i), XI_ENGINE_NONE);
		assert_int_equal(engine_of_alg(en, i), engine_of_alg(both[0], i));
	}
	rig_sa(&sa, alg_by_name(ALG_ENC, enc), alg_by_name(ALG_AUTH, auth), 1);
	rc = keyctx_init(en, k, &sa);
	if (rc == 0)
		assert_int_equal(keyctx_engine(k), *now);
	keyctx_wipe(en, k);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(((const uint8_t *)k)[i], 0);
	engine_free(en);
	free(k);
	return rc;
}

static void t_failing_algorithm_falls_back_or_is_disabled(void **state)
{
	enum xi_engine now;

	(void)state;
	assert_int_equal(with_fault("aes-256-gcm", "null", BY(XI_ENGINE_IPSEC_MB), &now), 0);
	assert_int_equal(now, XI_ENGINE_OPENSSL);
	assert_int_equal(with_fault("null", "sha256", BY(XI_ENGINE_IPSEC_MB), &now), 0);
	assert_int_equal(now, XI_ENGINE_OPENSSL);
	assert_int_equal(with_fault("aes-256-gcm", "null", BY_ALL, &now), -ENOTSUP);
	assert_int_equal(now, XI_ENGINE_NONE);
	assert_int_equal(with_fault("null", "sha1", BY_ALL, &now), -ENOTSUP);
	assert_int_equal(now, XI_ENGINE_NONE);
	assert_int_equal(with_fault("twofish", "null", BY(XI_ENGINE_NETTLE), &now), -ENOTSUP);
	assert_int_equal(with_fault("camellia-256", "null", BY(XI_ENGINE_OPENSSL), &now), -ENOTSUP);
}

static const struct kat *no_kats(unsigned i, enum xi_engine by)
{
	(void)i;
	(void)by;
	return NULL;
}

/* What has no known answer is not trusted; and nothing at all is no engine. */
static void t_nothing_works(void **state)
{
	struct engine *en;
	struct err e;

	(void)state;
	assert_int_equal(engine_make(&en, XI_ENGINE_NONE, no_kats, &e), -EIO);
	assert_null(en);
}

/* Who does what where AES instructions are there. */
static void t_back_ends(void **state)
{
	static const char *const soft[] = {"blowfish",	  "camellia-128",   "camellia-192", "camellia-256",
					   "aes-192-ccm", "aes-192-ccm-12", "aes-192-ccm-8"};
	const struct alg *a;

	(void)state;
	for (unsigned i = 0; (a = alg_at(i)); i++) {
		enum xi_engine want = XI_ENGINE_IPSEC_MB;

		for (unsigned k = 0; k < ARRAY_SIZE(soft); k++)
			if (a->kind == ALG_ENC && strcmp(a->name, soft[k]) == 0)
				want = XI_ENGINE_OPENSSL;
		if (strcmp(a->name, "twofish") == 0)
			want = XI_ENGINE_NETTLE;
		/* ipsec-mb's DES is seventy times slower than OpenSSL's where it has no AVX-512 for it */
		if ((strcmp(a->name, "3des") == 0 || strcmp(a->name, "des") == 0) &&
		    !(both[0]->mgr->features & IMB_FEATURE_AVX512_SKX))
			want = XI_ENGINE_OPENSSL;
		if (engine_of_alg(both[0], i) != want)
			fail_msg("%s: %s", a->name, engine_kind_name(engine_of_alg(both[0], i)));
		assert_int_equal(engine_failed(both[0], i), XI_ENGINE_NONE);
		assert_int_not_equal(engine_of_alg(both[1], i), XI_ENGINE_NONE);
	}
}

/* One packet's bytes: 8 of header, 16 of IV, text, 4 of a sequence number's high half, ICV, and a guard behind. */
struct bytes {
	uint8_t b[8 + 16 + TEXT_MAX + 4 + 32 + 16];
};

static struct bytes buf[3][N]; /* original, one engine, other engine */

static void make_job(struct crypto_job *j, struct bytes *b, const struct keyctx *k, const struct xi_sa *sa, size_t len,
		     const uint8_t *iv)
{
	struct alg_shape s;
	int ah = sa->proto == XI_PROTO_AH, esn = (sa->flags & XI_SA_F_ESN) != 0;

	assert_int_equal(alg_shape(sa, &s), 0);
	memset(j, 0xcc, sizeof(*j));
	j->key = k;
	j->auth = b->b;
	j->text = b->b + 8 + s.iv_len;
	j->text_len = ah ? 0 : (uint32_t)len;
	j->auth_len = 8u + s.iv_len + (uint32_t)len;
	j->icv = s.icv_len ? j->text + len : NULL;
	if (ah)
		j->text = NULL;
	if (!ah && (s.flags & ALG_F_AEAD)) {
		j->auth_len = esn ? 12 : 8;
		if (esn) {
			memcpy(j->aad, b->b, 4);
			memset(j->aad + 4, 0x77, 4);
			memcpy(j->aad + 8, b->b + 4, 4);
			j->auth = j->aad;
		}
	} else if (esn && j->icv) {
		j->auth_len += 4;
		j->icv += 4;
	}
	memcpy(j->iv, iv, 16);
}

struct pairs {
	struct xi_sa sa[PAIRS_MAX];
	struct keyctx *key[2][PAIRS_MAX];
	unsigned n;
};

static struct pairs pairs;

/* Keys of all allowed lengths, one after the other. */
static void vary_key(struct xi_sa *sa, const struct alg *enc, unsigned i)
{
	unsigned choices;
	uint64_t rng = i + 1;

	if (!enc->key_max)
		return;
	choices = (enc->key_max - enc->key_min) / enc->key_step + 1u;
	sa->enc_key_len = (__u16)(enc->key_min + enc->key_step * (i % choices));
	rig_iv_fill(&rng, sa->enc_key, sa->enc_key_len);
}

static void add_pair(struct pairs *p, const struct alg *enc, const struct alg *auth, uint8_t proto, uint8_t flags)
{
	struct xi_sa *sa = &p->sa[p->n];

	assert_true(p->n < PAIRS_MAX);
	rig_sa(sa, enc, auth, p->n + 5);
	sa->proto = proto;
	sa->flags = flags;
	vary_key(sa, enc, p->n * 11);
	for (int k = 0; k < 2; k++)
		p->key[k][p->n] = rig_keyctx(both[k], sa);
	p->n++;
}

/* Every pair of ESP, with ESN every third, and all of AH. */
static void pairs_make(struct pairs *p)
{
	const struct alg *enc, *auth;

	p->n = 0;
	for (unsigned i = 0; rig_pair(i, &enc, &auth); i++)
		add_pair(p, enc, auth, XI_PROTO_ESP, i % 3 ? 0 : XI_SA_F_ESN);
	assert_int_equal(p->n, 11 * 8 + 3 * 7 + 22);
	for (unsigned i = 0; (auth = alg_at(i)); i++)
		if (auth->kind == ALG_AUTH && auth->icv_len)
			add_pair(p, alg_by_name(ALG_ENC, "null"), auth, XI_PROTO_AH, i % 2 ? 0 : XI_SA_F_ESN);
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
		size_t icv = job[0][i].icv ? (size_t)(job[0][i].icv - buf[1][i].b) : sizeof(buf[0][0].b) - 32;

		assert_true(job[0][i].ok == 1 && job[1][i].ok == 1);
		assert_memory_equal(buf[1][i].b, buf[0][i].b, icv);
		assert_memory_equal(buf[2][i].b, buf[0][i].b, icv);
		assert_memory_equal(buf[1][i].b + icv + 32, buf[0][i].b + icv + 32, sizeof(buf[0][i].b) - icv - 32);
	}
}

static void t_engines_are_equal(void **state)
{
	uint64_t rng = 2024;

	(void)state;
	pairs_make(&pairs);
	for (unsigned n = 1; n <= N; n++)
		equal_burst(&pairs, &rng, n);
	for (unsigned i = 0; i < 200; i++)
		equal_burst(&pairs, &rng, N);
	pairs_free(&pairs);
}

/* Every text length up to 300 bytes and many to 1600, every pair of algorithms; nothing is written behind the ICV. */
static void t_engines_are_equal_at_every_length(void **state)
{
	const struct pairs *p = &pairs;
	uint8_t iv[16] = {7};

	(void)state;
	pairs_make(&pairs);
	for (unsigned pair = 0; pair < p->n; pair++) {
		struct alg_shape s;

		assert_int_equal(alg_shape(&p->sa[pair], &s), 0);
		for (size_t len = s.align; len <= 1600; len += len < 300 ? s.align : 7u * s.align) {
			for (int k = 0; k < 2; k++) {
				struct crypto_job j;

				memset(&buf[k][0], (int)len, sizeof(buf[k][0]));
				make_job(&j, &buf[k][0], p->key[k][pair], &p->sa[pair], len, iv);
				engine_seal(both[k], &j, 1);
				assert_int_equal(j.ok, 1);
				for (uint8_t *b = j.icv ? j.icv + s.icv_len : j.text + len;
				     b < buf[k][0].b + sizeof(buf[k][0].b); b++)
					assert_int_equal(*b, (uint8_t)len);
			}
			assert_memory_equal(&buf[0][0], &buf[1][0], sizeof(buf[0][0]));
		}
	}
	pairs_free(&pairs);
}

/* Is the byte that stands there not what is authenticated: the IV of an AEAD, which the engine takes from job.iv, or its header with
 * ESN, which it takes from job.aad? */
static int elsewhere(const struct xi_sa *sa, const struct alg_shape *s, size_t byte)
{
	if (sa->proto == XI_PROTO_AH || !(s->flags & ALG_F_AEAD))
		return 0;
	return byte < (sa->flags & XI_SA_F_ESN ? 16 : 8) ? (sa->flags & XI_SA_F_ESN) != 0 : byte < 16;
}

/* One bit anywhere in what is authenticated, or in the ICV, is noticed; and the jobs around the damaged one are not hurt. */
static void every_bit(unsigned pair)
{
	const struct xi_sa *sa = &pairs.sa[pair];
	struct crypto_job job[3];
	uint8_t iv[16] = {1, 2, 3};
	struct alg_shape s;
	size_t total;

	assert_int_equal(alg_shape(sa, &s), 0);
	for (int i = 0; i < 3; i++) {
		memset(&buf[0][i], i + 1, sizeof(buf[0][i]));
		make_job(&job[i], &buf[0][i], pairs.key[0][pair], sa, 32, iv);
	}
	if (!job[0].icv)
		return;
	total = (size_t)(job[0].icv - buf[0][0].b) + s.icv_len;
	engine_seal(both[0], job, 3);
	for (size_t bit = 0; bit < total * 8; bit++) {
		if (elsewhere(sa, &s, bit / 8))
			continue;
		for (int k = 0; k < 2; k++) {
			for (int i = 0; i < 3; i++) {
				buf[1][i] = buf[0][i];
				make_job(&job[i], &buf[1][i], pairs.key[k][pair], sa, 32, iv);
			}
			buf[1][1].b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			engine_open(both[k], job, 3);
			assert_true(job[0].ok == 1 && job[1].ok == 0 && job[2].ok == 1);
		}
	}
}

static void t_rfc4303_3_4_4_every_bit_counts(void **state)
{
	(void)state;
	pairs_make(&pairs);
	for (unsigned pair = 0; pair < pairs.n; pair++)
		every_bit(pair);
	pairs_free(&pairs);
}

/* A counter mode's IV is authenticated, too, wherever it comes from. */
static void t_iv_counts(void **state)
{
	(void)state;
	pairs_make(&pairs);
	for (unsigned pair = 0; pair < pairs.n; pair++) {
		struct crypto_job j;
		uint8_t iv[16] = {9};
		struct alg_shape s;

		assert_int_equal(alg_shape(&pairs.sa[pair], &s), 0);
		if (!(s.flags & ALG_F_COUNTER) || !s.icv_len || pairs.sa[pair].enc_alg == XI_ENC_AES_CTR)
			continue;
		for (unsigned bit = 0; bit < 64; bit++) {
			for (int k = 0; k < 2; k++) {
				memset(&buf[0][0], 5, sizeof(buf[0][0]));
				make_job(&j, &buf[0][0], pairs.key[k][pair], &pairs.sa[pair], 32, iv);
				engine_seal(both[k], &j, 1);
				j.iv[bit / 8] ^= (uint8_t)(1 << bit % 8);
				engine_open(both[k], &j, 1);
				assert_int_equal(j.ok, 0);
			}
		}
	}
	pairs_free(&pairs);
}

/* Lengths that are no whole blocks never reach a cipher; a burst of nothing is nothing. */
static void t_bad_lengths_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 1, 7, 9, 15, 17, 31};
	uint8_t iv[16] = {0};
	struct alg_shape s;

	(void)state;
	pairs_make(&pairs);
	for (unsigned pair = 0; pair < pairs.n; pair++) {
		assert_int_equal(alg_shape(&pairs.sa[pair], &s), 0);
		if (s.align == 4)
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			for (int k = 0; k < 2; k++) {
				struct crypto_job j;

				make_job(&j, &buf[0][0], pairs.key[k][pair], &pairs.sa[pair], bad[i], iv);
				engine_seal(both[k], &j, 1);
				assert_int_equal(j.ok, 0);
				engine_open(both[k], &j, 1);
				assert_int_equal(j.ok, 0);
			}
		}
	}
	engine_seal(both[0], NULL, 0);
	engine_open(both[1], NULL, 0);
	pairs_free(&pairs);
}

static void t_keys_of_wrong_length_are_refused(void **state)
{
	size_t size = keyctx_size();
	uint8_t *k = aligned_alloc(64, size);

	(void)state;
	assert_non_null(k);
	memset(k, 0, size);
	pairs_make(&pairs);
	for (unsigned i = 0; i < pairs.n; i++) {
		struct xi_sa sa = pairs.sa[i];
		unsigned more = sa.enc_alg == XI_ENC_BLOWFISH ? 60 : 1;

		for (int e = 0; e < 2; e++) {
			sa.enc_key_len = (__u16)(pairs.sa[i].enc_key_len + more);
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), -EINVAL);
			sa.enc_key_len = pairs.sa[i].enc_key_len;
			sa.auth_key_len = (__u16)(pairs.sa[i].auth_key_len + 1);
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), -EINVAL);
			sa.auth_key_len = pairs.sa[i].auth_key_len;
			assert_int_equal(keyctx_init(both[e], (struct keyctx *)k, &sa), 0);
			keyctx_wipe(both[e], (struct keyctx *)k);
			for (size_t b = 0; b < size; b++)
				assert_int_equal(k[b], 0);
			keyctx_wipe(both[e], (struct keyctx *)k); /* twice is allowed */
		}
	}
	pairs_free(&pairs);
	free(k);
}

static unsigned long allocations;

static void *count_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return realloc(p, n);
}

static void count_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* OpenSSL, the only library here that allocates at all, does not for a packet. */
static void t_no_allocation(void **state)
{
	unsigned long before;

	(void)state;
	pairs_make(&pairs);
	assert_true(allocations > 0);
	for (unsigned pair = 0; pair < pairs.n; pair++) {
		for (int round = 0; round < 2; round++) {
			uint8_t iv[16] = {9};
			struct crypto_job j;

			memset(&buf[0][0], 5, sizeof(buf[0][0]));
			make_job(&j, &buf[0][0], pairs.key[1][pair], &pairs.sa[pair], 640, iv);
			before = allocations;
			engine_seal(both[1], &j, 1);
			engine_open(both[1], &j, 1);
			assert_int_equal(j.ok, 1);
			if (j.icv) {
				j.icv[0] ^= 1; /* nor for a forged one */
				engine_open(both[1], &j, 1);
				assert_int_equal(j.ok, 0);
			}
			if (allocations != before)
				fail_msg("%lu for %u/%u", allocations - before, pairs.sa[pair].enc_alg,
					 pairs.sa[pair].auth_alg);
		}
	}
	pairs_free(&pairs);
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
		cmocka_unit_test(t_rfc4106_6_short_icv),
		cmocka_unit_test(t_rfc4309_ccm_vectors),
		cmocka_unit_test(t_rfc4543_gmac_vectors),
		cmocka_unit_test(t_rfc8439_rfc7634_vectors),
		cmocka_unit_test(t_rfc3686_6_vectors),
		cmocka_unit_test(t_rfc4868_2_7_2_vectors),
		cmocka_unit_test(t_rfc3566_4_6_vectors),
		cmocka_unit_test(t_rfc4493_4_vectors),
		cmocka_unit_test(t_rfc3713_vectors),
		cmocka_unit_test(t_rfc2451_blowfish_vectors),
		cmocka_unit_test(t_rfc2405_rfc2451_des_vectors),
		cmocka_unit_test(t_twofish_vectors),
		cmocka_unit_test(t_self_test_notices),
		cmocka_unit_test(t_failing_algorithm_falls_back_or_is_disabled),
		cmocka_unit_test(t_nothing_works),
		cmocka_unit_test(t_back_ends),
		cmocka_unit_test(t_engines_are_equal),
		cmocka_unit_test(t_engines_are_equal_at_every_length),
		cmocka_unit_test(t_rfc4303_3_4_4_every_bit_counts),
		cmocka_unit_test(t_iv_counts),
		cmocka_unit_test(t_no_allocation),
		cmocka_unit_test(t_bad_lengths_are_refused),
		cmocka_unit_test(t_keys_of_wrong_length_are_refused),
		cmocka_unit_test(t_choice_of_engine),
		cmocka_unit_test(t_rfc3602_3_ivs_do_not_repeat),
	};

	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
