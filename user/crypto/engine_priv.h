/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the back ends share among themselves. Only engine*.c, mac.c, ccm.c, kat.c and their test include it.
 *
 *   engine_mb.c   ipsec-mb: whole pairs of algorithms, bursts          XI_ENGINE_IPSEC_MB
 *   engine_soft.c one packet after the other, cipher and then MAC: ciphers by OpenSSL, its legacy provider and nettle
 *   mac.c, ccm.c  its MACs, and AES-CCM, on OpenSSL                    XI_ENGINE_OPENSSL, XI_ENGINE_NETTLE
 */
#ifndef CRYPTO_ENGINE_PRIV_H
#define CRYPTO_ENGINE_PRIV_H

#define NO_COMPAT_IMB_API_053 /* its old names (MD5, SHA1) are OpenSSL's functions */
#include <intel-ipsec-mb.h>
#include <nettle/twofish.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/provider.h>
#include <openssl/sha.h>

#include "bpf/abi/xi_alg.h"
#include "user/crypto/alg.h"
#include "user/crypto/engine.h"
#include "user/crypto/kat.h"

#define AES_BLOCK 16
#define NONCE_MAX 12 /* salt and explicit IV (RFC 4106 §4, RFC 7634 §2) */
#define ICV_MAX 64
#define HMAC_BLOCK_MAX 128 /* of SHA-384 and SHA-512 (RFC 2104) */
#define ALG_ROWS_MAX 64

/* A set of back ends. */
#define BY(kind) (1u << (kind))
#define BY_ALL (BY(XI_ENGINE_IPSEC_MB) | BY(XI_ENGINE_OPENSSL) | BY(XI_ENGINE_NETTLE))

/* How a job with that key is run. */
enum how {
	HOW_NONE,  /* both null */
	HOW_PARTS, /* cipher and MAC, either may be null */
	HOW_GCM,
	HOW_GMAC, /* of ESP and, as a MAC, of AH */
	HOW_CCM,
	HOW_CHACHA,
};

/* Round keys, and the state of the MAC, as ipsec-mb wants them. Points into itself. */
struct mb_key {
	union {
		struct gcm_key_data gcm; /* GCM, GMAC */
		struct {
			uint8_t enc[15 * AES_BLOCK] __attribute__((aligned(64)));
			uint8_t dec[15 * AES_BLOCK] __attribute__((aligned(64)));
		} aes;
		struct {
			uint64_t round[3][IMB_DES_KEY_SCHED_SIZE / 8] __attribute__((aligned(64)));
			const void *all[3];
		} des;
		uint8_t chacha[32] __attribute__((aligned(64)));
	};
	union {
		struct {
			uint8_t ipad[64] __attribute__((aligned(64)));
			uint8_t opad[64] __attribute__((aligned(64)));
		} hmac;
		struct {
			uint8_t round[15 * AES_BLOCK] __attribute__((aligned(64)));
			uint8_t sub[2][AES_BLOCK] __attribute__((aligned(16)));
		} mac; /* XCBC, CMAC */
	};
	const void *enc_keys, *dec_keys; /* what jobs point to */
	aes_gcm_enc_dec_t gcm_seal, gcm_open;
	aes_gmac_init_t gmac_init;
	aes_gmac_update_t gmac_update;
	aes_gmac_finalize_t gmac_final;
	IMB_CIPHER_MODE cipher;
	IMB_HASH_ALG hash;
};

union hash_state {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512; /* and SHA-384 */
};

struct soft_key {
	EVP_CIPHER_CTX *seal, *open;   /* owned; NULL: no cipher, or nettle's */
	struct twofish_ctx *twofish;   /* owned */
	EVP_CIPHER_CTX *mac;	       /* owned: AES-CBC of XCBC and CMAC, AES-GCM of GMAC */
	uint8_t sub[2][AES_BLOCK];     /* XCBC: K2, K3 (RFC 3566 §4); CMAC: K1, K2 (RFC 4493 §2.3) */
	union hash_state inner, outer; /* behind the two pads of HMAC */
};

struct keyctx {
	uint8_t kind;	  /* enum xi_engine */
	uint8_t how;	  /* enum how */
	uint8_t enc_alg;  /* enum xi_enc */
	uint8_t auth_alg; /* enum xi_auth */
	uint8_t key_len;  /* bytes of the cipher's key proper; 0 = no cipher */
	uint8_t icv_len;
	uint8_t block;
	uint8_t salt_len;
	uint8_t salt[4];
	union {
		struct mb_key mb;
		struct soft_key soft;
	};
} __attribute__((aligned(64)));

struct engine {
	uint8_t able[ALG_ROWS_MAX];   /* per row of the algorithm table: who can do it, BY() */
	uint8_t failed[ALG_ROWS_MAX]; /* and whose self-test failed */
	char name[48];
	enum xi_engine kind;
	IMB_MGR *mgr; /* NULL: not on this CPU, or not wanted */
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider[2];					     /* default, legacy */
	uint8_t iv[ENGINE_BURST_MAX][16] __attribute__((aligned(64)));	     /* of counter modes, with salt */
	uint8_t icv[ENGINE_BURST_MAX][ICV_MAX] __attribute__((aligned(64))); /* computed while opening */
};

/* What the self-test runs: row i for a back end, NULL behind the last. engine_new() gives kat_of. */
typedef const struct kat *(*kat_source)(unsigned i, enum xi_engine by);
const struct kat *kat_of(unsigned i, enum xi_engine by);

/* engine_new() with other known answers: the test of the self-test. Does not look at the environment. */
int engine_make(struct engine **out, enum xi_engine kind, kat_source kats, struct err *e) __must_check;

/* Start a back end. -ENOTSUP, -ENOMEM. */
int mb_setup(struct engine *en, struct err *e) __must_check;
int soft_setup(struct engine *en, struct err *e) __must_check;
void mb_free(struct engine *en);
void soft_free(struct engine *en);

/* Has the back end code for the algorithm? The self-test says whether it works. */
int mb_knows(const struct alg *a);
int soft_knows(const struct alg *a, enum xi_engine by);

/* The generic fields of k are set; expand the keys. -ENOTSUP: not in this library after all. */
int mb_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa);
int soft_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa);
void soft_key_wipe(struct keyctx *k);

/* All jobs have keys of that back end. */
void mb_run(struct engine *en, struct crypto_job *job, unsigned n, int seal);
void soft_run(struct crypto_job *job, unsigned n, int seal);

/* mac.c: MAC of the len bytes at p, k->icv_len bytes of it to icv. 0 = the library failed. */
int mac_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa);
int mac_compute(const struct crypto_job *j, uint8_t icv[ICV_MAX]);

/* ccm.c: AES-CCM. 0 = the library failed, or the ICV is wrong. */
int ccm_key_init(struct engine *en, struct keyctx *k, const uint8_t *key);
int ccm_run(const struct crypto_job *j, int seal);

/* A fetched cipher with its key, for seal (1) or open (0), without padding. NULL: no memory or not there. */
EVP_CIPHER_CTX *soft_cipher(struct engine *en, const char *name, const uint8_t *key, unsigned len, int seal);

/* GMAC over the parts of a job (RFC 4543), by ctx, an AES-GCM context for sealing. */
int soft_gmac(EVP_CIPHER_CTX *c, const struct crypto_job *j, uint8_t icv[16]);

/* Salt and explicit IV behind one another: 12 bytes, of CCM 11. */
static inline void job_nonce(uint8_t nonce[NONCE_MAX], const struct crypto_job *j)
{
	memcpy(nonce, j->key->salt, 4);
	memcpy(nonce + j->key->salt_len, j->iv, 8);
}

/* RFC 3686 §4: nonce, IV, and the block counter from 1. */
static inline void job_ctr_block(uint8_t block[16], const struct crypto_job *j)
{
	job_nonce(block, j);
	memset(block + 12, 0, 3);
	block[15] = 1;
}

/* Lengths that a cipher cannot do; callers then leave ok at 0. */
static inline int job_fits(const struct crypto_job *j)
{
	uint32_t block = j->key->block; /* a power of two: no division for each packet */

	return (j->text_len & (block - 1)) == 0 && (j->text_len || block == 1);
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

/* The same for 16 bytes. */
static inline uint64_t ct_diff16(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2], d;

	memcpy(x, a, 16);
	memcpy(y, b, 16);
	d = (x[0] ^ y[0]) | (x[1] ^ y[1]);
	__asm__ volatile("" : "+r"(d));
	return d;
}

#endif
