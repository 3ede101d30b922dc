/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What OpenSSL has to look up by name is looked up once, the first time that a hash is used, and lives as long as the process. Contexts are kept for each
 * thread; between uses they are as after EVP_DigestInit, so that nothing of a key stays in them.
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "ike/msg/num.h"
#include "ike/neg/prf.h"

static const struct hash hashes[] = {
	{"md5", "MD5", IKE1_MD5, 16},	       {"sha1", "SHA1", IKE1_SHA1, 20},
	{"sha256", "SHA256", IKE1_SHA256, 32}, {"sha384", "SHA384", IKE1_SHA384, 48},
	{"sha512", "SHA512", IKE1_SHA512, 64},
};

const struct hash *hash_by_ike1(unsigned id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].ike1 == id)
			return &hashes[i];
	return NULL;
}

#define HMAC_BLOCK_MAX 128

/* For each of hashes[]: NULL where OpenSSL does not have it. */
static EVP_MD *fetched[ARRAY_SIZE(hashes)];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t of_thread;
static int no_key;

static void contexts_free(void *arg)
{
	EVP_MD_CTX **ctx = arg;

	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		EVP_MD_CTX_free(ctx[i]);
	free(ctx);
}

static void fetch(void)
{
	no_key = pthread_key_create(&of_thread, contexts_free);
	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		fetched[i] = EVP_MD_fetch(NULL, hashes[i].md, NULL);
}

static EVP_MD_CTX **contexts_new(void)
{
	EVP_MD_CTX **ctx = calloc(ARRAY_SIZE(hashes), sizeof(EVP_MD_CTX *));

	if (ctx && pthread_setspecific(of_thread, ctx)) {
		free(ctx);
		return NULL;
	}
	return ctx;
}

/* This thread's, ready for the first byte. NULL: no memory, or not a hash of OpenSSL's. */
static EVP_MD_CTX *context_of(const struct hash *h)
{
	unsigned i = (unsigned)(h - hashes);
	EVP_MD_CTX **ctx, *fresh;

	if (pthread_once(&once, fetch) || no_key || !fetched[i])
		return NULL;
	ctx = pthread_getspecific(of_thread);
	if (!ctx)
		ctx = contexts_new();
	if (!ctx || ctx[i])
		return ctx ? ctx[i] : NULL;
	fresh = EVP_MD_CTX_new();
	if (!fresh || !EVP_DigestInit_ex2(fresh, fetched[i], NULL)) {
		EVP_MD_CTX_free(fresh);
		return NULL;
	}
	return ctx[i] = fresh;
}

static int feed(EVP_MD_CTX *ctx, const struct bytes *part, unsigned n)
{
	int ok = 1;

	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, part[i].p, part[i].len);
	return ok;
}

/* The hash of what the context was fed with; it is ready for the next. */
static int finish(EVP_MD_CTX *ctx, uint8_t *out)
{
	int ok = EVP_DigestFinal_ex(ctx, out, NULL);

	return EVP_DigestInit_ex2(ctx, NULL, NULL) && ok;
}

int hash_of(const struct hash *h, const struct bytes *part, unsigned n, uint8_t *out)
{
	EVP_MD_CTX *ctx = context_of(h);
	int ok = ctx && feed(ctx, part, n);

	return ctx && finish(ctx, out) && ok ? 0 : -EIO;
}

/* One of the two passes of HMAC (RFC 2104 §2): hash of the key, with every byte changed, and the text. */
static int pass(EVP_MD_CTX *ctx, const uint8_t *key, size_t len, uint8_t change, const struct bytes *part, unsigned n,
		uint8_t *out)
{
	uint8_t block[HMAC_BLOCK_MAX];
	int ok;

	for (size_t i = 0; i < len; i++)
		block[i] = key[i] ^ change;
	ok = EVP_DigestUpdate(ctx, block, len) && feed(ctx, part, n);
	OPENSSL_cleanse(block, sizeof(block));
	return finish(ctx, out) && ok;
}

/* By hand: setting up OpenSSL's HMAC takes longer than the hashing, and a negotiation has some thirty of them, each with a key of its own. */
int prf(const struct hash *h, struct bytes key, const struct bytes *part, unsigned n, uint8_t *out)
{
	EVP_MD_CTX *ctx = context_of(h);
	size_t len = ctx ? (size_t)EVP_MD_CTX_get_block_size(ctx) : 0;
	uint8_t block[HMAC_BLOCK_MAX] = {0}, inner[HASH_MAX];
	int ok = ctx != NULL;

	if (ok && key.len > len)
		ok = !hash_of(h, &key, 1, block);
	else if (ok && key.len)
		memcpy(block, key.p, key.len);
	ok = ok && pass(ctx, block, len, 0x36, part, n, inner) &&
	     pass(ctx, block, len, 0x5c, &(struct bytes){inner, h->len}, 1, out);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(inner, sizeof(inner));
	return ok ? 0 : -EIO;
}
