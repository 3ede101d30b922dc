/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engines share among themselves. Only engine*.c and kat.c include it. */
#ifndef CRYPTO_ENGINE_PRIV_H
#define CRYPTO_ENGINE_PRIV_H

#define NO_COMPAT_IMB_API_053 /* its old names (MD5, SHA1) are OpenSSL's functions */
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "bpf/abi/xi_alg.h"
#include "user/crypto/alg.h"
#include "user/crypto/engine.h"

#define AES_BLOCK 16
#define GCM_IV 12     /* salt and explicit IV (RFC 4106 §4) */
#define HMAC_BLOCK 64 /* of MD5 and SHA-1 (RFC 2104) */

/* AES round keys and the HMAC states behind the inner and the outer pad, as ipsec-mb wants them. */
struct mb_key {
	union {
		struct gcm_key_data gcm;
		struct {
			uint8_t enc[15 * AES_BLOCK] __attribute__((aligned(64)));
			uint8_t dec[15 * AES_BLOCK] __attribute__((aligned(64)));
		} cbc;
	};
	uint8_t ipad[20] __attribute__((aligned(16)));
	uint8_t opad[20] __attribute__((aligned(16)));
	aes_gcm_enc_dec_t gcm_seal, gcm_open;
	IMB_CIPHER_MODE cipher;
	IMB_HASH_ALG hash;
};

struct ossl_key {
	EVP_CIPHER_CTX *seal, *open; /* owned; NULL: no cipher */
	union {
		SHA_CTX sha1;
		MD5_CTX md5;
	} inner, outer; /* HMAC states behind the inner and the outer pad */
};

struct keyctx {
	uint8_t enc_alg;  /* enum xi_enc */
	uint8_t auth_alg; /* enum xi_auth */
	uint8_t aes_len;  /* bytes of the AES key proper; 0 = no cipher */
	uint8_t icv_len;
	uint8_t block;
	uint8_t salt[4];
	union {
		struct mb_key mb;
		struct ossl_key ossl;
	};
} __attribute__((aligned(64)));

struct engine_ops {
	enum xi_engine kind;
	/* The generic fields of k are set; expands keys. */
	int (*key_init)(struct engine *en, struct keyctx *k, const struct xi_sa *sa);
	void (*key_wipe)(struct keyctx *k);
	void (*seal)(struct engine *en, struct crypto_job *job, unsigned n);
	void (*open)(struct engine *en, struct crypto_job *job, unsigned n);
	void (*free)(struct engine *en);
};

struct engine {
	const struct engine_ops *ops;
	char name[48];
	IMB_MGR *mgr;							/* ipsec-mb only */
	uint8_t iv[ENGINE_BURST_MAX][16] __attribute__((aligned(64)));	/* with salt, for GCM */
	uint8_t icv[ENGINE_BURST_MAX][16] __attribute__((aligned(64))); /* computed while opening */
};

/* Fill a zeroed engine: ops, name and what they need. -ENOTSUP, -ENOMEM. */
int engine_mb_setup(struct engine *en, struct err *e) __must_check;
int engine_ossl_setup(struct engine *en, struct err *e) __must_check;

/* Lengths that a cipher cannot do; callers then leave ok at 0. */
static inline int job_fits(const struct crypto_job *j)
{
	return j->text_len % j->key->block == 0 && (j->text_len || j->key->block == 1);
}

/* 0 when equal; time depends on len only. */
static inline unsigned ct_diff(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned d = 0;

	for (size_t i = 0; i < len; i++)
		d |= a[i] ^ b[i];
	__asm__ volatile("" : "+r"(d)); /* the compiler must not shorten the loop by what it knows of d */
	return d;
}

#endif
