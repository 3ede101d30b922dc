/* SPDX-License-Identifier: BSD-2-Clause */
/* A fast key erasure generator on AES-256-CTR, reseeded from the kernel (see iv.h). */
#include "user/crypto/iv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/evp.h>

#define RESEED_REFILLS 256

/* At most 256 bytes: the kernel then gives all or, before its pool is ready at boot, waits. */
static int kernel_random(uint8_t *buf, size_t len)
{
	ssize_t n;

	do
		n = getrandom(buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -EIO;
}

static int reseed(struct iv_rng *r)
{
	uint8_t fresh[sizeof(r->key)];
	int rc = kernel_random(fresh, sizeof(fresh));

	for (size_t i = 0; rc == 0 && i < sizeof(fresh); i++)
		r->key[i] ^= fresh[i];
	explicit_bzero(fresh, sizeof(fresh));
	r->refills = 0;
	return rc;
}

/* The first bytes of the key stream become the next key, the rest is the pool. */
static int refill(struct iv_rng *r)
{
	static const uint8_t counter0[16];
	EVP_CIPHER_CTX *ctx = r->ctx;
	int n;

	if (r->refills++ >= RESEED_REFILLS && reseed(r) < 0)
		return -EIO;
	memset(r->pool, 0, sizeof(r->pool));
	if (EVP_EncryptInit_ex(ctx, NULL, NULL, r->key, counter0) != 1)
		return -EIO;
	memset(r->key, 0, sizeof(r->key));
	if (EVP_EncryptUpdate(ctx, r->key, &n, r->key, sizeof(r->key)) != 1 ||
	    EVP_EncryptUpdate(ctx, r->pool, &n, r->pool, sizeof(r->pool)) != 1)
		return -EIO;
	r->left = sizeof(r->pool);
	return 0;
}

int iv_init(struct iv_rng *r)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	*r = (struct iv_rng){.ctx = ctx};
	if (!ctx)
		return -ENOMEM;
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, NULL, NULL) != 1)
		return -EIO;
	return reseed(r) < 0 ? -EIO : refill(r);
}

void iv_fill(void *state, uint8_t *buf, size_t len)
{
	struct iv_rng *r = state;

	while (len) {
		size_t n;

		if (!r->left && refill(r) < 0)
			abort(); /* RFC 3602 §3: never a predictable IV; nothing sensible is left to do */
		n = MIN(len, (size_t)r->left);
		memcpy(buf, r->pool + sizeof(r->pool) - r->left, n);
		r->left -= (uint32_t)n;
		buf += n;
		len -= n;
	}
}

void iv_destroy(struct iv_rng *r)
{
	EVP_CIPHER_CTX_free(r->ctx);
	explicit_bzero(r, sizeof(*r));
}
