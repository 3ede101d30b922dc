/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crypto engines behind ESP and AH. An engine is owned by one thread and holds no key: keys are expanded once into a
 * struct keyctx, then bursts of jobs run in place. Both engines give the same results (tests/unit/t_engine.c).
 */
#ifndef CRYPTO_ENGINE_H
#define CRYPTO_ENGINE_H

#include "bpf/abi/xi_sa.h"
#include "user/base/err.h"

#define ENGINE_BURST_MAX 64

struct engine;

/*
 * Expanded keys of one SA for one engine; belongs to the engine (and so to the thread) that made it. The caller allocates
 * keyctx_size() bytes for each, aligned to 64, zeroed. The OpenSSL engine's holds pointers to its cipher contexts, so it
 * is not copied, and released with keyctx_wipe() only.
 */
struct keyctx;

/* kind XI_ENGINE_NONE: the best for this CPU (ipsec-mb where AES-NI is there, else OpenSSL). Environment variable
 * XDP_IPSEC_ENGINE=ipsec-mb|openssl overrides any kind (tests, trouble-shooting); -EINVAL for another value.
 * Runs known-answer tests of every algorithm; -EIO if they fail. -ENOTSUP: this CPU cannot run the engine asked for. */
int engine_new(struct engine **out, enum xi_engine kind, struct err *e) __must_check;
void engine_free(struct engine *en);
enum xi_engine engine_kind(const struct engine *en);
const char *engine_name(const struct engine *en); /* "ipsec-mb 1.3.0 avx512", "OpenSSL 3.0.20" */
size_t keyctx_size(void);

/* Expands the keys of sa into k, which is fresh or wiped. -EINVAL: algorithm or key length unknown; -ENOMEM. k is wiped
 * after an error. */
int keyctx_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa) __must_check;

/* Forgets the keys (explicit_bzero). Zeroed and already wiped contexts are allowed. */
void keyctx_wipe(struct engine *en, struct keyctx *k);

/*
 * One packet. What is authenticated runs from `esp` (the SPI); `text` is the first byte to be en- or decrypted (behind the
 * IV on the wire, or behind the sequence number when there is none), text_len a multiple of the block size.
 * HMAC covers esp .. text+text_len; AEAD takes the 8 bytes at esp as additional data.
 * seal writes the ICV to icv; open computes it, compares in constant time with icv and sets ok.
 * A job that is not ok has undefined bytes in text: the packet must be dropped.
 */
struct crypto_job {
	const struct keyctx *key;
	uint8_t *esp;
	uint8_t *text;
	uint32_t text_len;
	int ok;		/* out: 1 done (and ICV equal), 0 not */
	uint8_t *icv;	/* NULL when the SA has no ICV */
	uint8_t iv[16]; /* CBC: the IV. GCM: 4 bytes of salt are added by the engine; bytes 0..7 are the explicit IV */
};

/* n <= ENGINE_BURST_MAX; jobs may have different keys, results stand in the jobs. No allocation, no system call. */
void engine_seal(struct engine *en, struct crypto_job *job, unsigned n);
void engine_open(struct engine *en, struct crypto_job *job, unsigned n);

#endif
