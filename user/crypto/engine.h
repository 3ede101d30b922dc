/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crypto engines behind ESP and AH. An engine is owned by one thread and holds no key: keys are expanded once into a
 * struct keyctx, then bursts of jobs run in place. Behind one engine stand several back ends (ipsec-mb, OpenSSL, nettle); each key
 * is expanded by the best that can do its algorithms on this CPU. All give the same results (tests/unit/t_engine.c).
 */
#ifndef CRYPTO_ENGINE_H
#define CRYPTO_ENGINE_H

#include "bpf/abi/xi_sa.h"
#include "user/base/err.h"

#define ENGINE_BURST_MAX 64

struct engine;

/*
 * Expanded keys of one SA for one engine; belongs to the engine (and so to the thread) that made it. The caller allocates
 * keyctx_size() bytes for each, aligned to 64, zeroed. It may hold pointers, also into itself, so it is not copied, and released with
 * keyctx_wipe() only.
 */
struct keyctx;

/* kind XI_ENGINE_NONE: for each algorithm the best back end on this CPU; XI_ENGINE_IPSEC_MB: that alone, without what it cannot do;
 * XI_ENGINE_OPENSSL: the portable ones alone, OpenSSL and for Twofish nettle. Environment variable XDP_IPSEC_ENGINE=ipsec-mb|openssl
 * overrides any kind (tests, trouble-shooting); -EINVAL for another value.
 * Runs known-answer tests of every algorithm on every back end; what fails is not used there, and -EIO when nothing works.
 * -ENOTSUP: this CPU cannot run the engine asked for. */
int engine_new(struct engine **out, enum xi_engine kind, struct err *e) __must_check;
void engine_free(struct engine *en);
enum xi_engine engine_kind(const struct engine *en); /* of the back end that is tried first */
const char *engine_name(const struct engine *en);    /* "ipsec-mb 1.3.0 avx512", "OpenSSL 3.0.20" */
const char *engine_kind_name(enum xi_engine kind);   /* "none", "ipsec-mb", "openssl", "nettle" */
size_t keyctx_size(void);

/* Who does row i of the algorithm table (alg_at); XI_ENGINE_NONE: nobody, the algorithm is disabled. Null algorithms: anybody. */
enum xi_engine engine_of_alg(const struct engine *en, unsigned row);

/* The first back end that failed the self-test of row i; XI_ENGINE_NONE: none. */
enum xi_engine engine_failed(const struct engine *en, unsigned row);

/* Expands the keys of sa into k, which is fresh or wiped. -EINVAL: algorithm or key length unknown; -ENOTSUP: no back end does it,
 * or its self-test failed; -ENOMEM. k is wiped after an error. */
int keyctx_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa) __must_check;

/* Whose the keys are; of a pair that two back ends share, the cipher's. */
enum xi_engine keyctx_engine(const struct keyctx *k);

/* Forgets the keys (explicit_bzero). Zeroed and already wiped contexts are allowed. */
void keyctx_wipe(struct engine *en, struct keyctx *k);

/*
 * One packet, ESP or AH. `text` is the first byte to be en- or decrypted (behind the IV on the wire, or behind the sequence
 * number when there is none), text_len a multiple of the block size. What is authenticated:
 *   separate algorithms (HMAC, XCBC, CMAC, and GMAC of AH): auth .. auth+auth_len, which for ESP starts at the SPI and takes in
 *     text, and with ESN the 4 bytes behind it, where the caller has put the high half (RFC 4303 §2.2.1); for AH it is the whole
 *     packet with mutable fields zeroed. text_len 0: nothing to be ciphered, text is not looked at.
 *   AEAD (GCM, CCM, ChaCha20-Poly1305): text, and as additional data auth .. auth+auth_len: SPI and sequence number, 8 bytes, or 12
 *     with ESN (then usually in aad). GMAC of ESP: the same additional data, then iv, then text as it is (RFC 4543 §3.3).
 * seal writes the ICV to icv; open computes it, compares in constant time with icv and sets ok. icv must not lie within what is
 * authenticated. A job that is not ok has undefined bytes in text: the packet must be dropped.
 */
struct crypto_job {
	const struct keyctx *key;
	uint8_t *auth;
	uint8_t *text;
	uint32_t auth_len;
	uint32_t text_len;
	uint8_t aad[12]; /* the caller's, for auth to point to */
	int ok;		 /* out: 1 done (and ICV equal), 0 not */
	uint8_t *icv;	 /* NULL when the SA has no ICV */
	uint8_t iv[16];	 /* CBC: the IV. Counter modes: bytes 0..7 are the explicit IV, salt or nonce is the engine's */
};

/* n <= ENGINE_BURST_MAX; jobs may have different keys, results stand in the jobs. No allocation, no system call. */
void engine_seal(struct engine *en, struct crypto_job *job, unsigned n);
void engine_open(struct engine *en, struct crypto_job *job, unsigned n);

#endif
