/* SPDX-License-Identifier: BSD-2-Clause */
/* Choice of the back end for each algorithm and key, self-test, dispatch (see engine.h). */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdlib.h>

#define ENGINE_ENV "XDP_IPSEC_ENGINE"

static int kind_from_env(enum xi_engine *kind, struct err *e)
{
	const char *s = getenv(ENGINE_ENV);

	if (!s || !*s)
		return 0;
	if (strcmp(s, "ipsec-mb") == 0)
		*kind = XI_ENGINE_IPSEC_MB;
	else if (strcmp(s, "openssl") == 0)
		*kind = XI_ENGINE_OPENSSL;
	else
		return err_set(e, -EINVAL, "environment variable " ENGINE_ENV "=%s: must be ipsec-mb or openssl", s);
	return 0;
}

static int setup(struct engine *en, enum xi_engine kind, struct err *e)
{
	int rc = 0;

	if (kind != XI_ENGINE_NONE && kind != XI_ENGINE_IPSEC_MB && kind != XI_ENGINE_OPENSSL)
		return err_set(e, -EINVAL, "no crypto engine has the number %d", (int)kind);
	if (kind != XI_ENGINE_OPENSSL) {
		rc = mb_setup(en, e);
		/* The portable one does all the other does, only slower. */
		if (rc < 0 && kind == XI_ENGINE_IPSEC_MB)
			return rc;
	}
	en->kind = en->mgr ? XI_ENGINE_IPSEC_MB : XI_ENGINE_OPENSSL;
	return kind == XI_ENGINE_IPSEC_MB ? 0 : soft_setup(en, e);
}

/* A null algorithm is done by everybody. */
static int knows(const struct engine *en, const struct alg *a, enum xi_engine by)
{
	if (by == XI_ENGINE_IPSEC_MB ? !en->mgr : !en->lib)
		return 0;
	if (!alg_key_bytes(a))
		return 1;
	return by == XI_ENGINE_IPSEC_MB ? mb_knows(a) : soft_knows(a, by);
}

/* 0 all known answers of the row came; -EIO not; -ENOTSUP: the library has not got it. A row without any is not trusted. */
static int test_row(struct engine *en, unsigned row, enum xi_engine by, kat_source kats)
{
	const struct alg *a = alg_at(row);
	int rc = -EIO;

	for (unsigned i = 0; kats(i, by); i++) {
		const struct kat *t = kats(i, by);

		if (strcmp(a->kind == ALG_ENC ? t->enc : t->auth, a->name) != 0)
			continue;
		rc = kat_run(en, t);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static void self_test(struct engine *en, kat_source kats)
{
	for (unsigned row = 0; alg_at(row); row++) {
		unsigned able = 0;

		for (int by = XI_ENGINE_IPSEC_MB; by <= XI_ENGINE_NETTLE; by++) {
			int rc = 0;

			if (!knows(en, alg_at(row), (enum xi_engine)by))
				continue;
			en->able[row] = BY(by);
			if (alg_key_bytes(alg_at(row)))
				rc = test_row(en, row, (enum xi_engine)by, kats);
			if (rc == 0)
				able |= BY(by);
			else if (rc != -ENOTSUP)
				en->failed[row] |= BY(by);
		}
		en->able[row] = (uint8_t)able;
	}
}

/* What is null works always, and first: the tests of the others use it. */
static void allow_null(struct engine *en)
{
	for (unsigned row = 0; alg_at(row); row++)
		if (!alg_key_bytes(alg_at(row)))
			en->able[row] = BY_ALL;
}

static int anything_works(const struct engine *en)
{
	for (unsigned row = 0; alg_at(row); row++)
		if (alg_key_bytes(alg_at(row)) && en->able[row])
			return 1;
	return 0;
}

int engine_make(struct engine **out, enum xi_engine kind, kat_source kats, struct err *e)
{
	struct engine *en = aligned_alloc(64, (sizeof(*en) + 63) & ~(size_t)63);
	int rc;

	*out = NULL;
	if (!en)
		return err_set(e, -ENOMEM, "no memory for a crypto engine");
	memset(en, 0, sizeof(*en));
	rc = setup(en, kind, e);
	if (rc == 0) {
		allow_null(en);
		self_test(en, kats);
		allow_null(en);
		if (!anything_works(en))
			rc = err_set(e, -EIO, "crypto engine %s fails the self-test of every algorithm", en->name);
	}
	if (rc < 0) {
		engine_free(en);
		return rc;
	}
	*out = en;
	return 0;
}

int engine_new(struct engine **out, enum xi_engine kind, struct err *e)
{
	int rc = kind_from_env(&kind, e);

	*out = NULL;
	return rc < 0 ? rc : engine_make(out, kind, kat_of, e);
}

void engine_free(struct engine *en)
{
	if (!en)
		return;
	mb_free(en);
	soft_free(en);
	explicit_bzero(en, sizeof(*en));
	free(en);
}

enum xi_engine engine_kind(const struct engine *en)
{
	return en->kind;
}

const char *engine_name(const struct engine *en)
{
	return en->name;
}

const char *engine_kind_name(enum xi_engine kind)
{
	static const char *const name[] = {"none", "ipsec-mb", "openssl", "nettle"};

	return (unsigned)kind < ARRAY_SIZE(name) ? name[kind] : "?";
}

/*
 * Without AVX-512 ipsec-mb looks DES's tables up in constant time: 3.5 ms for a packet of 1408 bytes with 3DES, against 50 us of OpenSSL.
 * It does them only where OpenSSL does not.
 */
static unsigned slow_at(const struct engine *en, const struct alg *a)
{
	int des = a->kind == ALG_ENC && (a->abi == XI_ENC_DES || a->abi == XI_ENC_3DES);

	return des && en->mgr && !(en->mgr->features & IMB_FEATURE_AVX512_SKX) ? BY(XI_ENGINE_IPSEC_MB) : 0;
}

static enum xi_engine first_of(unsigned set)
{
	for (int by = XI_ENGINE_IPSEC_MB; by <= XI_ENGINE_NETTLE; by++)
		if (set & BY(by))
			return (enum xi_engine)by;
	return XI_ENGINE_NONE;
}

enum xi_engine engine_of_alg(const struct engine *en, unsigned row)
{
	unsigned able = row < ALG_ROWS_MAX ? en->able[row] : 0;
	unsigned quick = able ? able & ~slow_at(en, alg_at(row)) : 0;

	return first_of(quick ? quick : able);
}

enum xi_engine engine_failed(const struct engine *en, unsigned row)
{
	return row < ALG_ROWS_MAX ? first_of(en->failed[row]) : XI_ENGINE_NONE;
}

size_t keyctx_size(void)
{
	return sizeof(struct keyctx);
}

enum xi_engine keyctx_engine(const struct keyctx *k)
{
	return (enum xi_engine)k->kind;
}

static enum how how_of(const struct alg *enc, const struct alg *auth)
{
	switch (enc->abi) {
	case XI_ENC_AES_GCM:
	case XI_ENC_AES_GCM_12:
	case XI_ENC_AES_GCM_8:
		return HOW_GCM;
	case XI_ENC_AES_GMAC:
		return HOW_GMAC;
	case XI_ENC_AES_CCM:
	case XI_ENC_AES_CCM_12:
	case XI_ENC_AES_CCM_8:
		return HOW_CCM;
	case XI_ENC_CHACHA20:
		return HOW_CHACHA;
	default:
		break;
	}
	if (auth->abi == XI_AUTH_AES_GMAC)
		return HOW_GMAC;
	return enc->abi == XI_ENC_NULL && auth->abi == XI_AUTH_NULL ? HOW_NONE : HOW_PARTS;
}

/* ipsec-mb takes a pair as a whole; else the cipher's back end and, for the MAC, OpenSSL. */
static enum xi_engine choose(const struct engine *en, const struct alg *enc, const struct alg *auth)
{
	unsigned ciphers = en->able[alg_row(enc)], macs = en->able[alg_row(auth)];
	unsigned mb = en->mgr ? ciphers & macs & BY(XI_ENGINE_IPSEC_MB) : 0, soft = 0;

	if (en->lib && (macs & BY(XI_ENGINE_OPENSSL)))
		soft = ciphers & (BY(XI_ENGINE_OPENSSL) | BY(XI_ENGINE_NETTLE));
	return mb && (!soft || !slow_at(en, enc)) ? XI_ENGINE_IPSEC_MB : first_of(soft);
}

int keyctx_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	const struct alg *enc = alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);
	const struct alg *auth = alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len);
	struct alg_shape shape;
	int rc;

	if (!enc || !auth || alg_shape(sa, &shape) < 0)
		return -EINVAL;
	memset(k, 0, sizeof(*k));
	k->kind = (uint8_t)choose(en, enc, auth);
	if (k->kind == XI_ENGINE_NONE)
		return -ENOTSUP;
	k->how = (uint8_t)how_of(enc, auth);
	k->enc_alg = enc->abi;
	k->auth_alg = auth->abi;
	k->key_len = (uint8_t)(sa->enc_key_len - enc->salt_len);
	k->icv_len = shape.icv_len;
	k->block = enc->block;
	k->salt_len = enc->salt_len + auth->salt_len; /* one of the two has none */
	memcpy(k->salt, sa->enc_key + k->key_len, enc->salt_len);
	memcpy(k->salt, sa->auth_key + sa->auth_key_len - auth->salt_len, auth->salt_len);
	rc = k->kind == XI_ENGINE_IPSEC_MB ? mb_key_init(en, k, sa) : soft_key_init(en, k, sa);
	if (rc < 0)
		keyctx_wipe(en, k);
	return rc;
}

void keyctx_wipe(struct engine *en, struct keyctx *k)
{
	(void)en;
	if (k->kind == XI_ENGINE_OPENSSL || k->kind == XI_ENGINE_NETTLE)
		soft_key_wipe(k);
	explicit_bzero(k, sizeof(*k));
}

/* Jobs of one back end that stand together go to it together. */
static void run(struct engine *en, struct crypto_job *job, unsigned n, int seal)
{
	for (unsigned i = 0, end; i < n; i = end) {
		int mb = job[i].key->kind == XI_ENGINE_IPSEC_MB;

		for (end = i + 1; end < n && (job[end].key->kind == XI_ENGINE_IPSEC_MB) == mb; end++)
			;
		if (likely(mb))
			mb_run(en, job + i, end - i, seal);
		else
			soft_run(job + i, end - i, seal);
	}
}

void engine_seal(struct engine *en, struct crypto_job *job, unsigned n)
{
	run(en, job, n, 1);
}

void engine_open(struct engine *en, struct crypto_job *job, unsigned n)
{
	run(en, job, n, 0);
}
