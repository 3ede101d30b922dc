/* SPDX-License-Identifier: BSD-2-Clause */
/* DES and Blowfish are in OpenSSL's legacy provider, which is loaded once into a library context of our own; so are the ciphers. */
#include <limits.h>
#include <pthread.h>

#include <openssl/evp.h>
#include <openssl/provider.h>

#include "ike/msg/num.h"
#include "ike/neg/cipher.h"

static const struct cipher ciphers[] = {
	{"DES-CBC", IKE1_DES, 8, 8, 0},
	{"BF-CBC", IKE1_BLOWFISH, 8, 56, 1},
	{"DES-EDE3-CBC", IKE1_3DES, 8, 24, 0},
	{"AES-128-CBC", IKE1_AES, 16, 16, 0},
	{"AES-192-CBC", IKE1_AES, 16, 24, 0},
	{"AES-256-CBC", IKE1_AES, 16, 32, 0},
	{"CAMELLIA-128-CBC", IKE1_CAMELLIA, 16, 16, 0},
	{"CAMELLIA-192-CBC", IKE1_CAMELLIA, 16, 24, 0},
	{"CAMELLIA-256-CBC", IKE1_CAMELLIA, 16, 32, 0},
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *lib;
static EVP_CIPHER *fetched[ARRAY_SIZE(ciphers)]; /* NULL: OpenSSL does not have it */

static void lib_open(void)
{
	lib = OSSL_LIB_CTX_new();
	if (!lib)
		return;
	/* Without one of them its ciphers are missing. All live as long as the process. */
	(void)OSSL_PROVIDER_load(lib, "default");
	(void)OSSL_PROVIDER_load(lib, "legacy");
	for (unsigned i = 0; i < ARRAY_SIZE(ciphers); i++)
		fetched[i] = EVP_CIPHER_fetch(lib, ciphers[i].name, NULL);
}

const struct cipher *cipher_by_ike1(unsigned id, unsigned bits, unsigned *key_len)
{
	if (bits % 8 || (bits && (id == IKE1_DES || id == IKE1_3DES)))
		return NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(ciphers); i++) {
		const struct cipher *c = &ciphers[i];

		if (c->ike1 != id || (bits && (c->variable ? bits < 40 || bits > 448 : bits != 8u * c->key_len)))
			continue;
		*key_len = bits ? bits / 8 : c->key_len;
		return c;
	}
	return NULL;
}

static int run(const struct cipher *c, int seal, const uint8_t *key, unsigned key_len, const uint8_t *iv, uint8_t *text,
	       size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *evp;
	int done = 0, ok;

	(void)pthread_once(&once, lib_open);
	evp = fetched[c - ciphers];
	ok = evp && ctx;
	if (ok && c->variable)
		ok = EVP_CipherInit_ex2(ctx, evp, NULL, NULL, seal, NULL) == 1 &&
		     EVP_CIPHER_CTX_set_key_length(ctx, (int)key_len) == 1;
	else
		ok = ok && key_len == c->key_len;
	ok = ok && EVP_CipherInit_ex2(ctx, c->variable ? NULL : evp, key, iv, seal, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_CipherUpdate(ctx, text, &done, text, (int)len) == 1 &&
	     done == (int)len;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int cipher_seal(const struct cipher *c, const uint8_t *key, unsigned key_len, uint8_t *iv, uint8_t *text, size_t len)
{
	int rc;

	if (!len || len % c->block || len > INT_MAX)
		return -EINVAL;
	rc = run(c, 1, key, key_len, iv, text, len);
	if (!rc)
		memcpy(iv, text + len - c->block, c->block);
	return rc;
}

int cipher_open(const struct cipher *c, const uint8_t *key, unsigned key_len, uint8_t *iv, uint8_t *text, size_t len)
{
	uint8_t last[CIPHER_BLOCK_MAX];
	int rc;

	if (!len || len % c->block || len > INT_MAX)
		return -EINVAL;
	memcpy(last, text + len - c->block, c->block);
	rc = run(c, 0, key, key_len, iv, text, len);
	if (!rc)
		memcpy(iv, last, c->block);
	return rc;
}
