/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpredictable initialisation vectors for CBC (RFC 3602 §3, RFC 4086) without a system call per packet: AES-256 in
 * counter mode fills a buffer of IVs at a time. Each refill first replaces the key by output nobody else sees, so that a
 * leaked state does not tell earlier IVs, and every 256 refills (1 MB) the kernel's entropy is mixed in.
 * One struct iv_rng for each thread; nothing here locks.
 */
#ifndef CRYPTO_IV_H
#define CRYPTO_IV_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/util.h"

#define IV_POOL 4096

struct iv_rng {
	void *ctx;	  /* EVP_CIPHER_CTX, owned */
	uint32_t left;	  /* unused bytes at the end of pool */
	uint32_t refills; /* since the last reseed */
	uint8_t key[32];
	uint8_t pool[IV_POOL];
};

/* Seeds from getrandom(2). -ENOMEM, or -EIO when kernel or library refuse; iv_destroy() is then still allowed. */
int iv_init(struct iv_rng *r) __must_check;

/* struct iv_source.fill (user/ipsec/ipsec.h): state is the struct iv_rng. Never fails: if cipher and kernel both
 * refused it would rather end the process than hand out a predictable IV. */
void iv_fill(void *state, uint8_t *buf, size_t len);

/* Wipes and frees what iv_init() made. */
void iv_destroy(struct iv_rng *r);

#endif
