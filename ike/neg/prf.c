/* SPDX-License-Identifier: BSD-2-Clause */
/* What OpenSSL has to look up by name is looked up once, the first time that a hash is used, and lives as long as the process. */
#include <pthread.h>

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

static void fetch(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		fetched[i] = EVP_MD_fetch(NULL, hashes[i].md, NULL);
}

static const EVP_MD *md_of(const struct hash *h)
{
	(void)pthread_once(&once, fetch);
	return fetched[h - hashes];
}

static int feed(EVP_MD_CTX *ctx, const struct bytes *part, unsigned n)
{
	int ok = 1;

	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, part[i].p, part[i].len);
	return ok;
}

int hash_of(const struct hash *h, const struct bytes *part, unsigned n, uint8_t *out)
{
	const EVP_MD *md = md_of(h);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL) && feed(ctx, part, n) &&
		 EVP_DigestFinal_ex(ctx, out, NULL);

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/* One of the two passes of HMAC (RFC 2104 §2): hash of the key, with every byte changed, and the text. */
static int pass(EVP_MD_CTX *ctx, const EVP_MD *md, const uint8_t *key, uint8_t change, const struct bytes *part,
		unsigned n, uint8_t *out)
{
	uint8_t block[HMAC_BLOCK_MAX];
	size_t len = (size_t)EVP_MD_get_block_size(md);
	int ok;

	for (size_t i = 0; i < len; i++)
		block[i] = key[i] ^ change;
	ok = EVP_DigestInit_ex2(ctx, md, NULL) && EVP_DigestUpdate(ctx, block, len) && feed(ctx, part, n) &&
	     EVP_DigestFinal_ex(ctx, out, NULL);
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

/* By hand: setting up OpenSSL's HMAC takes longer than the hashing, and a negotiation has some thirty of them, each with a key of its own. */
int prf(const struct hash *h, struct bytes key, const struct bytes *part, unsigned n, uint8_t *out)
{
	const EVP_MD *md = md_of(h);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t block[HMAC_BLOCK_MAX] = {0}, inner[HASH_MAX];
	int ok = md && ctx;

	if (ok && key.len > (size_t)EVP_MD_get_block_size(md))
		ok = !hash_of(h, &key, 1, block);
	else if (ok && key.len)
		memcpy(block, key.p, key.len);
	ok = ok && pass(ctx, md, block, 0x36, part, n, inner) &&
	     pass(ctx, md, block, 0x5c, &(struct bytes){inner, h->len}, 1, out);
	EVP_MD_CTX_free(ctx);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(inner, sizeof(inner));
	return ok ? 0 : -EIO;
}
