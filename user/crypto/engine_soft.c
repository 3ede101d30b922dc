/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The portable engine: one packet after the other, ciphers by OpenSSL 3 (Blowfish and DES of its legacy provider) and by
 * nettle (Twofish), MACs by mac.c. A cipher has a context per SA and direction that keeps the expanded key; a packet only
 * sets the IV, which allocates nothing. The providers are loaded into a library context of the engine's own.
 */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <nettle/cbc.h>
#include <nettle/nettle-meta.h>
#include <openssl/crypto.h>

#define NAME(base, mode)                                                                                               \
	{                                                                                                              \
		base "-128-" mode, base "-192-" mode, base "-256-" mode                                                \
	}

/* OpenSSL's names by key length: 128, 192 and 256 bits, or one for all. CCM is made of CTR and CBC (ccm.c). */
static const char *const cipher_names[XI_ENC_MAX][3] = {
	[XI_ENC_AES_CBC] = NAME("AES", "CBC"),
	[XI_ENC_AES_CTR] = NAME("AES", "CTR"),
	[XI_ENC_AES_GCM] = NAME("AES", "GCM"),
	[XI_ENC_AES_GCM_12] = NAME("AES", "GCM"),
	[XI_ENC_AES_GCM_8] = NAME("AES", "GCM"),
	[XI_ENC_AES_GMAC] = NAME("AES", "GCM"),
	[XI_ENC_AES_CCM] = NAME("AES", "CTR"),
	[XI_ENC_AES_CCM_12] = NAME("AES", "CTR"),
	[XI_ENC_AES_CCM_8] = NAME("AES", "CTR"),
	[XI_ENC_CAMELLIA] = NAME("CAMELLIA", "CBC"),
	[XI_ENC_DES] = {"DES-CBC"},
	[XI_ENC_3DES] = {"DES-EDE3-CBC"},
	[XI_ENC_BLOWFISH] = {"BF-CBC"},
	[XI_ENC_CHACHA20] = {"ChaCha20-Poly1305"},
};

static const char *cipher_name(const struct keyctx *k)
{
	const char *const *n = cipher_names[k->enc_alg];

	return n[1] ? n[(k->key_len - 16) / 8] : n[0];
}

int soft_knows(const struct alg *a, enum xi_engine by)
{
	if (a->kind == ALG_AUTH)
		return by == XI_ENGINE_OPENSSL;
	if (a->abi == XI_ENC_TWOFISH)
		return by == XI_ENGINE_NETTLE;
	return by == XI_ENGINE_OPENSSL && cipher_names[a->abi][0] != NULL;
}

EVP_CIPHER_CTX *soft_cipher(struct engine *en, const char *name, const uint8_t *key, unsigned len, int seal)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(en->lib, name, NULL);
	EVP_CIPHER_CTX *c = cipher ? EVP_CIPHER_CTX_new() : NULL;

	/* The length first: Blowfish's is not fixed. */
	if (c && (EVP_CipherInit_ex2(c, cipher, NULL, NULL, seal, NULL) != 1 ||
		  EVP_CIPHER_CTX_set_key_length(c, (int)len) != 1 ||
		  EVP_CipherInit_ex2(c, NULL, key, NULL, seal, NULL) != 1 || EVP_CIPHER_CTX_set_padding(c, 0) != 1)) {
		EVP_CIPHER_CTX_free(c);
		c = NULL;
	}
	EVP_CIPHER_free(cipher); /* c has its own reference */
	return c;
}

static int twofish_key(struct keyctx *k, const uint8_t *key)
{
	k->soft.twofish = calloc(1, sizeof(*k->soft.twofish));
	if (!k->soft.twofish)
		return -ENOMEM;
	twofish_set_key(k->soft.twofish, k->key_len, key);
	return 0;
}

int soft_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	int rc = mac_key_init(en, k, sa);

	if (rc < 0 || !k->key_len)
		return rc;
	if (k->kind == XI_ENGINE_NETTLE)
		return twofish_key(k, sa->enc_key);
	if (k->how == HOW_CCM)
		return ccm_key_init(en, k, sa->enc_key);
	k->soft.seal = soft_cipher(en, cipher_name(k), sa->enc_key, k->key_len, 1);
	k->soft.open = soft_cipher(en, cipher_name(k), sa->enc_key, k->key_len, 0);
	return k->soft.seal && k->soft.open ? 0 : -ENOTSUP;
}

void soft_key_wipe(struct keyctx *k)
{
	EVP_CIPHER_CTX_free(k->soft.seal);
	EVP_CIPHER_CTX_free(k->soft.open);
	EVP_CIPHER_CTX_free(k->soft.mac);
	if (k->soft.twofish)
		explicit_bzero(k->soft.twofish, sizeof(*k->soft.twofish));
	free(k->soft.twofish);
}

static void twofish(const struct keyctx *k, const struct crypto_job *j, int seal)
{
	uint8_t iv[AES_BLOCK];

	memcpy(iv, j->iv, sizeof(iv)); /* nettle leaves the next one there */
	if (seal)
		cbc_encrypt(k->soft.twofish, nettle_twofish128.encrypt, AES_BLOCK, iv, j->text_len, j->text, j->text);
	else
		cbc_decrypt(k->soft.twofish, nettle_twofish128.decrypt, AES_BLOCK, iv, j->text_len, j->text, j->text);
}

/* CBC and CTR. */
static int cipher(const struct crypto_job *j, int seal)
{
	const struct keyctx *k = j->key;
	EVP_CIPHER_CTX *c = seal ? k->soft.seal : k->soft.open;
	uint8_t block[16];
	int n;

	if (!k->key_len)
		return 1;
	if (k->soft.twofish) {
		twofish(k, j, seal);
		return 1;
	}
	if (k->enc_alg == XI_ENC_AES_CTR)
		job_ctr_block(block, j);
	return EVP_CipherInit_ex(c, NULL, NULL, NULL, k->enc_alg == XI_ENC_AES_CTR ? block : j->iv, -1) == 1 &&
	       EVP_CipherUpdate(c, j->text, &n, j->text, (int)j->text_len) == 1;
}

static int parts(const struct crypto_job *j, int seal)
{
	const struct keyctx *k = j->key;
	uint8_t icv[ICV_MAX];

	if (seal && !cipher(j, 1))
		return 0;
	if (k->icv_len) {
		if (!mac_compute(j, icv))
			return 0;
		/* RFC 4303 §3.4.4.1: the ICV is verified before the packet is decrypted. */
		if (seal)
			memcpy(j->icv, icv, k->icv_len);
		else if (ct_diff(icv, j->icv, k->icv_len))
			return 0;
	}
	return seal || cipher(j, 0);
}

/* GCM and ChaCha20-Poly1305. EVP_DecryptFinal_ex compares the ICV, in constant time. */
static int aead(const struct crypto_job *j, int seal)
{
	EVP_CIPHER_CTX *c = seal ? j->key->soft.seal : j->key->soft.open;
	uint8_t nonce[NONCE_MAX], none[AES_BLOCK];
	int n, len = j->key->icv_len;

	job_nonce(nonce, j);
	if (EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1) != 1 ||
	    EVP_CipherUpdate(c, NULL, &n, j->auth, (int)j->auth_len) != 1 ||
	    (j->text_len && EVP_CipherUpdate(c, j->text, &n, j->text, (int)j->text_len) != 1))
		return 0;
	if (!seal)
		return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, len, j->icv) == 1 &&
		       EVP_DecryptFinal_ex(c, none, &n) == 1;
	return EVP_EncryptFinal_ex(c, none, &n) == 1 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, len, j->icv) == 1;
}

int soft_gmac(EVP_CIPHER_CTX *c, const struct crypto_job *j, uint8_t icv[16])
{
	uint8_t nonce[NONCE_MAX], none[AES_BLOCK];
	int n;

	job_nonce(nonce, j);
	if (EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1) != 1 ||
	    EVP_CipherUpdate(c, NULL, &n, j->auth, (int)j->auth_len) != 1)
		return 0;
	/* RFC 4543 §3.3: in ESP the IV and the text as it is follow. */
	if (j->key->enc_alg == XI_ENC_AES_GMAC &&
	    (EVP_CipherUpdate(c, NULL, &n, j->iv, 8) != 1 ||
	     (j->text_len && EVP_CipherUpdate(c, NULL, &n, j->text, (int)j->text_len) != 1)))
		return 0;
	return EVP_EncryptFinal_ex(c, none, &n) == 1 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, icv) == 1;
}

static int gmac(const struct crypto_job *j, int seal)
{
	uint8_t icv[16];

	if (j->key->auth_alg == XI_AUTH_AES_GMAC)
		return parts(j, seal);
	if (!soft_gmac(j->key->soft.seal, j, icv))
		return 0;
	if (!seal)
		return !ct_diff(icv, j->icv, sizeof(icv));
	memcpy(j->icv, icv, sizeof(icv));
	return 1;
}

static int run_one(const struct crypto_job *j, int seal)
{
	if (!job_fits(j))
		return 0;
	switch ((enum how)j->key->how) {
	case HOW_NONE:
		return 1;
	case HOW_PARTS:
		return parts(j, seal);
	case HOW_GMAC:
		return gmac(j, seal);
	case HOW_CCM:
		return ccm_run(j, seal);
	case HOW_GCM:
	case HOW_CHACHA:
		return aead(j, seal);
	}
	return 0;
}

void soft_run(struct crypto_job *job, unsigned n, int seal)
{
	for (unsigned i = 0; i < n; i++)
		job[i].ok = run_one(&job[i], seal);
}

void soft_free(struct engine *en)
{
	for (int i = 0; i < 2; i++)
		if (en->provider[i])
			OSSL_PROVIDER_unload(en->provider[i]);
	OSSL_LIB_CTX_free(en->lib);
}

/* Without the legacy provider only its algorithms are missing. */
int soft_setup(struct engine *en, struct err *e)
{
	en->lib = OSSL_LIB_CTX_new();
	if (!en->lib)
		return err_set(e, -ENOMEM, "no memory for OpenSSL");
	en->provider[0] = OSSL_PROVIDER_load(en->lib, "default");
	if (!en->provider[0])
		return err_set(e, -ENOTSUP, "OpenSSL does not load its default provider");
	en->provider[1] = OSSL_PROVIDER_load(en->lib, "legacy");
	if (!en->name[0])
		(void)snprintf(en->name, sizeof(en->name), "OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
	return 0;
}
