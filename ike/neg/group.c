/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of groups, and X25519. Private values of MODP groups have twice the bits of the group's strength by the higher estimate of RFC
 * 3526 §8, at least 256 (spec section 24.4).
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "ike/neg/group_priv.h"

/* clang-format off */
static const struct group groups[] = {
	{"modp768",    1, GROUP_MODP,     96,   96, 32, 1}, /* RFC 2409 §6.1 */
	{"modp1024",   2, GROUP_MODP,    128,  128, 32, 1}, /* RFC 2409 §6.2 */
	{"ec2n155",    3, GROUP_EC2N,     20,   20, 20, 1}, /* RFC 2409 §6.3 */
	{"ec2n185",    4, GROUP_EC2N,     24,   24, 24, 1}, /* RFC 2409 §6.4 */
	{"modp1536",   5, GROUP_MODP,    192,  192, 32, 0}, /* RFC 3526 §2 */
	{"modp2048",  14, GROUP_MODP,    256,  256, 40, 0}, /* RFC 3526 §3 */
	{"modp3072",  15, GROUP_MODP,    384,  384, 53, 0}, /* RFC 3526 §4 */
	{"modp4096",  16, GROUP_MODP,    512,  512, 60, 0}, /* RFC 3526 §5 */
	{"modp6144",  17, GROUP_MODP,    768,  768, 68, 0}, /* RFC 3526 §6 */
	{"modp8192",  18, GROUP_MODP,   1024, 1024, 78, 0}, /* RFC 3526 §7 */
	{"ecp256",    19, GROUP_ECP,      64,   32, 32, 0}, /* RFC 5903 §3.1 */
	{"ecp384",    20, GROUP_ECP,      96,   48, 48, 0}, /* RFC 5903 §3.2 */
	{"ecp521",    21, GROUP_ECP,     132,   66, 66, 0}, /* RFC 5903 §3.3 */
	{"x25519",    31, GROUP_X25519,   32,   32, 32, 0}, /* RFC 8031 §2 */
};
/* clang-format on */

const struct group *group_at(unsigned i)
{
	return i < ARRAY_SIZE(groups) ? &groups[i] : NULL;
}

const struct group *group_by_id(unsigned id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

const struct group *group_by_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	return NULL;
}

/*
 * Making keys and contexts takes OpenSSL a third of the time of the ladder itself: what can be kept is kept, for each thread, in a library context of its own
 * (making a key walks all names that the context knows). own gets a new private value for each product, and none when it is done. Neither point nor what is
 * left of own is a secret.
 */
struct x25519_kept {
	OSSL_LIB_CTX *lib;
	EVP_PKEY_CTX *make, *derive;
	EVP_PKEY *own, *point;
	uint8_t drawn
		[16 *
		 32]; /* private values: OpenSSL's generator takes as long for one as for some; wiped when they are taken */
	size_t left;
};

static pthread_once_t x25519_once = PTHREAD_ONCE_INIT;
static pthread_key_t x25519_of_thread;
static int x25519_no_key;

static void x25519_free(void *arg)
{
	struct x25519_kept *kept = arg;

	EVP_PKEY_CTX_free(kept->derive);
	EVP_PKEY_CTX_free(kept->make);
	EVP_PKEY_free(kept->own);
	EVP_PKEY_free(kept->point);
	OSSL_LIB_CTX_free(kept->lib);
	OPENSSL_clear_free(kept, sizeof(*kept));
}

static void x25519_begin(void)
{
	x25519_no_key = pthread_key_create(&x25519_of_thread, x25519_free);
}

/*
 * OpenSSL would make the public value of each private key that it is given, by a slower way than its ladder; deriving does not look at it, so it gets
 * zeroes for one.
 */
static int x25519_own(struct x25519_kept *kept, const uint8_t *priv)
{
	static uint8_t unused[32];
	OSSL_PARAM part[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)priv, 32),
			     OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, unused, 32),
			     OSSL_PARAM_construct_end()};

	return EVP_PKEY_fromdata_init(kept->make) == 1 &&
			       EVP_PKEY_fromdata(kept->make, &kept->own, EVP_PKEY_KEYPAIR, part) == 1
		       ? 0
		       : -EIO;
}

static struct x25519_kept *x25519_new(void)
{
	static const uint8_t any[32] = {9};
	struct x25519_kept *kept = OPENSSL_zalloc(sizeof(*kept));

	if (!kept)
		return NULL;
	kept->lib = OSSL_LIB_CTX_new();
	if (kept->lib)
		kept->make = EVP_PKEY_CTX_new_from_name(kept->lib, "X25519", NULL);
	if (kept->make && !x25519_own(kept, any))
		kept->derive = EVP_PKEY_CTX_new_from_pkey(kept->lib, kept->own, NULL);
	if (kept->derive)
		kept->point = EVP_PKEY_new_raw_public_key_ex(kept->lib, "X25519", NULL, any, sizeof(any));
	if (kept->point && !pthread_setspecific(x25519_of_thread, kept))
		return kept;
	x25519_free(kept);
	return NULL;
}

static struct x25519_kept *x25519_kept(void)
{
	struct x25519_kept *kept;

	if (pthread_once(&x25519_once, x25519_begin) || x25519_no_key)
		return NULL;
	kept = pthread_getspecific(x25519_of_thread);
	return kept ? kept : x25519_new();
}

/* Products of one private value; what EVP_PKEY_derive() has to do with it and with the context is done once. */
static int x25519_products(const uint8_t *priv, const uint8_t *const *point, uint8_t *const *out, unsigned n)
{
	struct x25519_kept *kept = x25519_kept();
	uint8_t zero[32] = {0};
	int rc;

	if (!kept)
		return -ENOMEM;
	rc = x25519_own(kept, priv);
	if (!rc &&
	    (EVP_PKEY_derive_init(kept->derive) != 1 || EVP_PKEY_derive_set_peer_ex(kept->derive, kept->point, 0) != 1))
		rc = -EIO;
	for (unsigned i = 0; i < n && !rc; i++) {
		size_t len = 32;

		/* The context has the key itself, not a copy. */
		if (EVP_PKEY_set1_encoded_public_key(kept->point, point[i], 32) != 1)
			rc = -EIO;
		/* RFC 7748 §6.1: the point has low order when the product is 0; EVP_PKEY_derive refuses that. */
		else if (EVP_PKEY_derive(kept->derive, out[i], &len) != 1 || len != 32 ||
			 !CRYPTO_memcmp(out[i], zero, 32))
			rc = -EINVAL;
	}
	/* A public key for the private one: OpenSSL wipes what it held. */
	if (EVP_PKEY_set1_encoded_public_key(kept->own, zero, 32) != 1)
		rc = -EIO;
	return rc;
}

static int x25519_product(const uint8_t *priv, const uint8_t *point, uint8_t *out)
{
	return x25519_products(priv, &point, &out, 1);
}

static int x25519_private(uint8_t *priv)
{
	struct x25519_kept *kept = x25519_kept();

	if (!kept)
		return -ENOMEM;
	if (!kept->left) {
		if (RAND_priv_bytes(kept->drawn, sizeof(kept->drawn)) != 1)
			return -EIO;
		kept->left = sizeof(kept->drawn);
	}
	kept->left -= 32;
	memcpy(priv, kept->drawn + kept->left, 32);
	OPENSSL_cleanse(kept->drawn + kept->left, 32);
	return 0;
}

int group_private(const struct group *g, uint8_t *priv)
{
	switch (g->kind) {
	case GROUP_MODP:
		return group_modp_private(g, priv);
	case GROUP_EC2N:
	case GROUP_ECP:
		return group_ec_private(g, priv);
	case GROUP_X25519:
		return x25519_private(priv);
	}
	return -EINVAL;
}

static const uint8_t x25519_base[32] = {9}; /* RFC 7748 §4.1 */

int group_public(const struct group *g, const uint8_t *priv, uint8_t *pub)
{
	switch (g->kind) {
	case GROUP_MODP:
		return group_modp_power(g, priv, NULL, pub);
	case GROUP_EC2N:
	case GROUP_ECP:
		return group_ec_product(g, priv, NULL, pub);
	case GROUP_X25519:
		return x25519_product(priv, x25519_base, pub);
	}
	return -EINVAL;
}

int group_check(const struct group *g, struct bytes peer)
{
	static const uint8_t any[32] = {1};
	uint8_t product[32];
	int rc;

	if (peer.len != g->public_len)
		return -EINVAL;
	if (g->kind == GROUP_MODP)
		return group_modp_power(g, NULL, &peer, NULL);
	if (g->kind != GROUP_X25519)
		return group_ec_product(g, NULL, &peer, NULL);
	/* Every private value is a multiple of the cofactor (RFC 7748 §5): all of them show a point of low order. */
	rc = x25519_product(any, peer.p, product);
	OPENSSL_cleanse(product, sizeof(product));
	return rc;
}

int group_secret(const struct group *g, const uint8_t *priv, struct bytes peer, uint8_t *secret)
{
	int rc;

	if (peer.len != g->public_len)
		return -EINVAL;
	if (g->kind == GROUP_MODP)
		rc = group_modp_power(g, priv, &peer, secret);
	else if (g->kind == GROUP_X25519)
		rc = x25519_product(priv, peer.p, secret);
	else
		rc = group_ec_product(g, priv, &peer, secret);
	if (rc)
		OPENSSL_cleanse(secret, g->secret_len);
	return rc;
}

int group_both(const struct group *g, const uint8_t *priv, uint8_t *pub, struct bytes peer, uint8_t *secret)
{
	int rc;

	if (g->kind != GROUP_X25519 || peer.len != g->public_len) {
		rc = group_public(g, priv, pub);
		return rc ? rc : group_secret(g, priv, peer, secret);
	}
	rc = x25519_products(priv, (const uint8_t *const[]){x25519_base, peer.p}, (uint8_t *const[]){pub, secret}, 2);
	if (rc)
		OPENSSL_cleanse(secret, g->secret_len);
	return rc;
}
