/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MACs of the portable engine. HMAC (RFC 2104) by OpenSSL's plain hash functions: their state is a struct that is copied, where
 * EVP_MAC and EVP_MD_CTX of OpenSSL 3.0 allocate memory for every packet. XCBC (RFC 3566) and CMAC (RFC 4493) are a CBC
 * encryption whose last block is kept, GMAC (RFC 4543) is GCM without text: each on a cipher context of the key.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_*, MD5_*: deprecated in 3.0, there in every 3.x of the distributions */
#include "user/crypto/engine_priv.h"

#include <errno.h>

/* bytes of CBC output thrown away at a time */
#define CHUNK 512

struct hash {
	unsigned block, digest; /* bytes */
	int (*init)(union hash_state *s);
	int (*update)(union hash_state *s, const void *p, size_t len);
	int (*final)(union hash_state *s, uint8_t *digest);
};

#define HASH_FUNCTIONS(name, field, lib)                                                                               \
	static int name##_init(union hash_state *s)                                                                    \
	{                                                                                                              \
		return lib##_Init(&s->field);                                                                          \
	}                                                                                                              \
	static int name##_update(union hash_state *s, const void *p, size_t len)                                       \
	{                                                                                                              \
		return lib##_Update(&s->field, p, len);                                                                \
	}                                                                                                              \
	static int name##_final(union hash_state *s, uint8_t *digest)                                                  \
	{                                                                                                              \
		return lib##_Final(digest, &s->field);                                                                 \
	}

HASH_FUNCTIONS(md5, md5, MD5)
HASH_FUNCTIONS(sha1, sha1, SHA1)
HASH_FUNCTIONS(sha256, sha256, SHA256)
HASH_FUNCTIONS(sha384, sha512, SHA384)
HASH_FUNCTIONS(sha512, sha512, SHA512)

static const struct hash hashes[XI_AUTH_MAX] = {
	[XI_AUTH_MD5] = {64, 16, md5_init, md5_update, md5_final},
	[XI_AUTH_SHA1] = {64, 20, sha1_init, sha1_update, sha1_final},
	[XI_AUTH_SHA256] = {64, 32, sha256_init, sha256_update, sha256_final},
	[XI_AUTH_SHA384] = {128, 48, sha384_init, sha384_update, sha384_final},
	[XI_AUTH_SHA512] = {128, 64, sha512_init, sha512_update, sha512_final},
};

/* RFC 2104 §4: the hash states behind the two padded keys are computed once. Keys are no longer than a block. */
static int hmac_key(struct keyctx *k, const struct xi_sa *sa)
{
	const struct hash *h = &hashes[k->auth_alg];
	uint8_t ipad[HMAC_BLOCK_MAX], opad[HMAC_BLOCK_MAX];
	int ok;

	memset(ipad, 0x36, sizeof(ipad));
	memset(opad, 0x5c, sizeof(opad));
	for (unsigned i = 0; i < sa->auth_key_len; i++) {
		ipad[i] ^= sa->auth_key[i];
		opad[i] ^= sa->auth_key[i];
	}
	ok = h->init(&k->soft.inner) && h->update(&k->soft.inner, ipad, h->block) && h->init(&k->soft.outer) &&
	     h->update(&k->soft.outer, opad, h->block);
	explicit_bzero(ipad, sizeof(ipad));
	explicit_bzero(opad, sizeof(opad));
	return ok ? 0 : -ENOTSUP;
}

static int hmac(const struct keyctx *k, const uint8_t *p, size_t len, uint8_t icv[ICV_MAX])
{
	const struct hash *h = &hashes[k->auth_alg];
	union hash_state s = k->soft.inner;

	if (!h->update(&s, p, len) || !h->final(&s, icv))
		return 0;
	s = k->soft.outer;
	return h->update(&s, icv, h->digest) && h->final(&s, icv);
}

/* One block under the key of a CBC context. */
static int block_encrypt(EVP_CIPHER_CTX *c, uint8_t out[AES_BLOCK], const uint8_t in[AES_BLOCK])
{
	static const uint8_t zero[AES_BLOCK];
	int n;

	return EVP_CipherInit_ex(c, NULL, NULL, NULL, zero, -1) == 1 &&
	       EVP_CipherUpdate(c, out, &n, in, AES_BLOCK) == 1;
}

/* RFC 3566 §4: K1, K2, K3 are the key's encryptions of 01.., 02.., 03..; K1 is the cipher's. */
static EVP_CIPHER_CTX *xcbc_key(struct engine *en, struct keyctx *k, const uint8_t *key)
{
	EVP_CIPHER_CTX *c = soft_cipher(en, "AES-128-CBC", key, 16, 1), *c1 = NULL;
	uint8_t in[3][AES_BLOCK], k1[AES_BLOCK];

	for (int i = 0; i < 3; i++)
		memset(in[i], i + 1, AES_BLOCK);
	if (c && block_encrypt(c, k1, in[0]) && block_encrypt(c, k->soft.sub[0], in[1]) &&
	    block_encrypt(c, k->soft.sub[1], in[2]))
		c1 = soft_cipher(en, "AES-128-CBC", k1, 16, 1);
	explicit_bzero(k1, sizeof(k1));
	EVP_CIPHER_CTX_free(c);
	return c1;
}

/* Multiplication by x in GF(2^128), RFC 4493 §2.3. */
static void twice(uint8_t out[AES_BLOCK], const uint8_t in[AES_BLOCK])
{
	uint8_t carry = 0;

	for (int i = AES_BLOCK - 1; i >= 0; i--) {
		uint8_t b = in[i];

		out[i] = (uint8_t)(b << 1 | carry);
		carry = b >> 7;
	}
	out[AES_BLOCK - 1] ^= (uint8_t)(0x87 & -carry); /* no branch on a secret */
}

static EVP_CIPHER_CTX *cmac_key(struct engine *en, struct keyctx *k, const uint8_t *key)
{
	static const uint8_t zero[AES_BLOCK];
	EVP_CIPHER_CTX *c = soft_cipher(en, "AES-128-CBC", key, 16, 1);
	uint8_t l[AES_BLOCK];

	if (c && block_encrypt(c, l, zero)) {
		twice(k->soft.sub[0], l);
		twice(k->soft.sub[1], k->soft.sub[0]);
	}
	explicit_bzero(l, sizeof(l));
	return c;
}

/* XCBC and CMAC alike: CBC over all whole blocks but the last, which is padded when short, and mixed with a subkey. */
static int cbc_mac(const struct keyctx *k, const uint8_t *p, size_t len, uint8_t icv[ICV_MAX])
{
	static const uint8_t zero[AES_BLOCK];
	EVP_CIPHER_CTX *c = k->soft.mac;
	uint8_t thrown[CHUNK], last[AES_BLOCK] = {0};
	size_t head = len ? (len - 1) / AES_BLOCK * AES_BLOCK : 0, rest = len - head;
	const uint8_t *sub = k->soft.sub[rest == AES_BLOCK ? 0 : 1];
	int n;

	if (EVP_CipherInit_ex(c, NULL, NULL, NULL, zero, -1) != 1)
		return 0;
	for (size_t at = 0; at < head; at += CHUNK)
		if (EVP_CipherUpdate(c, thrown, &n, p + at, (int)MIN(head - at, (size_t)CHUNK)) != 1)
			return 0;
	if (rest)
		memcpy(last, p + head, rest);
	if (rest < AES_BLOCK)
		last[rest] = 0x80;
	for (int i = 0; i < AES_BLOCK; i++)
		last[i] ^= sub[i];
	return EVP_CipherUpdate(c, icv, &n, last, AES_BLOCK) == 1;
}

static EVP_CIPHER_CTX *gmac_key(struct engine *en, const uint8_t *key, unsigned len)
{
	return soft_cipher(en, len == 16 ? "AES-128-GCM" : len == 24 ? "AES-192-GCM" : "AES-256-GCM", key, len, 1);
}

int mac_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	switch (k->auth_alg) {
	case XI_AUTH_NULL:
		return 0;
	case XI_AUTH_AES_XCBC:
		k->soft.mac = xcbc_key(en, k, sa->auth_key);
		break;
	case XI_AUTH_AES_CMAC:
		k->soft.mac = cmac_key(en, k, sa->auth_key);
		break;
	case XI_AUTH_AES_GMAC:
		k->soft.mac = gmac_key(en, sa->auth_key, sa->auth_key_len - k->salt_len);
		break;
	default:
		return hmac_key(k, sa);
	}
	return k->soft.mac ? 0 : -ENOTSUP;
}

int mac_compute(const struct crypto_job *j, uint8_t icv[ICV_MAX])
{
	switch (j->key->auth_alg) {
	case XI_AUTH_AES_XCBC:
	case XI_AUTH_AES_CMAC:
		return cbc_mac(j->key, j->auth, j->auth_len, icv);
	case XI_AUTH_AES_GMAC:
		return soft_gmac(j->key->soft.mac, j, icv);
	default:
		return hmac(j->key, j->auth, j->auth_len, icv);
	}
}
