/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The portable engine on OpenSSL 3: one packet after the other. AES by EVP with a context per SA and direction that keeps the
 * expanded key; a packet only sets the IV. HMAC (RFC 2104) by the library's plain hash functions: their state is a
 * struct that is copied, where EVP_MAC and EVP_MD_CTX of OpenSSL 3.0 allocate memory for every packet.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_*, MD5_*: deprecated in 3.0, there in every 3.x of the distributions */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/crypto.h>

static const EVP_CIPHER *cipher_of(unsigned enc_alg, unsigned key_len)
{
	int gcm = enc_alg == XI_ENC_AES_GCM;

	if (key_len == 16)
		return gcm ? EVP_aes_128_gcm() : EVP_aes_128_cbc();
	if (key_len == 24)
		return gcm ? EVP_aes_192_gcm() : EVP_aes_192_cbc();
	return gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
}

static EVP_CIPHER_CTX *cipher_ctx(const struct keyctx *k, const uint8_t *key, int seal)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c && (EVP_CipherInit_ex(c, cipher_of(k->enc_alg, k->aes_len), NULL, key, NULL, seal) != 1 ||
		  EVP_CIPHER_CTX_set_padding(c, 0) != 1)) {
		EVP_CIPHER_CTX_free(c);
		c = NULL;
	}
	return c;
}

/* RFC 2104 §4: the hash states behind the two padded keys are computed once. */
static void hmac_key(struct keyctx *k, const struct xi_sa *sa)
{
	struct ossl_key *o = &k->ossl;
	uint8_t ipad[HMAC_BLOCK], opad[HMAC_BLOCK];

	memset(ipad, 0x36, sizeof(ipad));
	memset(opad, 0x5c, sizeof(opad));
	for (unsigned i = 0; i < sa->auth_key_len; i++) {
		ipad[i] ^= sa->auth_key[i];
		opad[i] ^= sa->auth_key[i];
	}
	if (k->auth_alg == XI_AUTH_SHA1) {
		SHA1_Init(&o->inner.sha1);
		SHA1_Update(&o->inner.sha1, ipad, sizeof(ipad));
		SHA1_Init(&o->outer.sha1);
		SHA1_Update(&o->outer.sha1, opad, sizeof(opad));
	} else if (k->auth_alg == XI_AUTH_MD5) {
		MD5_Init(&o->inner.md5);
		MD5_Update(&o->inner.md5, ipad, sizeof(ipad));
		MD5_Init(&o->outer.md5);
		MD5_Update(&o->outer.md5, opad, sizeof(opad));
	}
	explicit_bzero(ipad, sizeof(ipad));
	explicit_bzero(opad, sizeof(opad));
}

static int ossl_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	(void)en;
	hmac_key(k, sa);
	if (!k->aes_len)
		return 0;
	k->ossl.seal = cipher_ctx(k, sa->enc_key, 1);
	k->ossl.open = cipher_ctx(k, sa->enc_key, 0);
	return k->ossl.seal && k->ossl.open ? 0 : -ENOMEM;
}

static void ossl_key_wipe(struct keyctx *k)
{
	EVP_CIPHER_CTX_free(k->ossl.seal);
	EVP_CIPHER_CTX_free(k->ossl.open);
}

static void hmac(const struct keyctx *k, const uint8_t *p, size_t len, uint8_t icv[12])
{
	uint8_t digest[SHA_DIGEST_LENGTH];

	if (k->auth_alg == XI_AUTH_SHA1) {
		SHA_CTX c = k->ossl.inner.sha1;

		SHA1_Update(&c, p, len);
		SHA1_Final(digest, &c);
		c = k->ossl.outer.sha1;
		SHA1_Update(&c, digest, SHA_DIGEST_LENGTH);
		SHA1_Final(digest, &c);
	} else {
		MD5_CTX c = k->ossl.inner.md5;

		MD5_Update(&c, p, len);
		MD5_Final(digest, &c);
		c = k->ossl.outer.md5;
		MD5_Update(&c, digest, MD5_DIGEST_LENGTH);
		MD5_Final(digest, &c);
	}
	memcpy(icv, digest, 12); /* RFC 2403, RFC 2404: the leftmost 96 bits */
}

static int cbc(EVP_CIPHER_CTX *c, const struct crypto_job *j)
{
	int n;

	return EVP_CipherInit_ex(c, NULL, NULL, NULL, j->iv, -1) == 1 &&
	       EVP_CipherUpdate(c, j->text, &n, j->text, (int)j->text_len) == 1;
}

static int gcm_begin(EVP_CIPHER_CTX *c, const struct crypto_job *j)
{
	uint8_t iv[GCM_IV];
	int n;

	memcpy(iv, j->key->salt, 4);
	memcpy(iv + 4, j->iv, 8);
	return EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CipherUpdate(c, NULL, &n, j->auth, (int)j->auth_len) == 1 &&
	       EVP_CipherUpdate(c, j->text, &n, j->text, (int)j->text_len) == 1;
}

static int gcm_seal(EVP_CIPHER_CTX *c, const struct crypto_job *j)
{
	uint8_t none[AES_BLOCK];
	int n;

	return gcm_begin(c, j) && EVP_EncryptFinal_ex(c, none, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, j->icv) == 1;
}

/* EVP_DecryptFinal_ex compares the ICV, in constant time. */
static int gcm_open(EVP_CIPHER_CTX *c, const struct crypto_job *j)
{
	uint8_t none[AES_BLOCK];
	int n;

	return gcm_begin(c, j) && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, j->icv) == 1 &&
	       EVP_DecryptFinal_ex(c, none, &n) == 1;
}

static int seal_one(const struct crypto_job *j)
{
	const struct keyctx *k = j->key;

	if (!job_fits(j))
		return 0;
	if (k->enc_alg == XI_ENC_AES_GCM)
		return gcm_seal(k->ossl.seal, j);
	if (k->aes_len && !cbc(k->ossl.seal, j))
		return 0;
	if (k->icv_len)
		hmac(k, j->auth, j->auth_len, j->icv);
	return 1;
}

static int open_one(const struct crypto_job *j)
{
	const struct keyctx *k = j->key;
	uint8_t icv[12];

	if (!job_fits(j))
		return 0;
	if (k->enc_alg == XI_ENC_AES_GCM)
		return gcm_open(k->ossl.open, j);
	/* RFC 4303 §3.4.4.1: the ICV is verified before the packet is decrypted. */
	if (k->icv_len) {
		hmac(k, j->auth, j->auth_len, icv);
		if (ct_diff(icv, j->icv, sizeof(icv)))
			return 0;
	}
	return !k->aes_len || cbc(k->ossl.open, j);
}

static void ossl_seal(struct engine *en, struct crypto_job *job, unsigned n)
{
	(void)en;
	for (unsigned i = 0; i < n; i++)
		job[i].ok = seal_one(&job[i]);
}

static void ossl_open(struct engine *en, struct crypto_job *job, unsigned n)
{
	(void)en;
	for (unsigned i = 0; i < n; i++)
		job[i].ok = open_one(&job[i]);
}

static void ossl_free(struct engine *en)
{
	(void)en; /* contexts belong to the keys */
}

static const struct engine_ops ossl_ops = {
	.kind = XI_ENGINE_OPENSSL,
	.key_init = ossl_key_init,
	.key_wipe = ossl_key_wipe,
	.seal = ossl_seal,
	.open = ossl_open,
	.free = ossl_free,
};

int engine_ossl_setup(struct engine *en, struct err *e)
{
	(void)e;
	en->ops = &ossl_ops;
	(void)snprintf(en->name, sizeof(en->name), "OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
	return 0;
}
