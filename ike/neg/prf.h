/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashes of both IKE versions and the PRF made of them: HMAC (RFC 2104), as RFC 2409 §4 has it. Pure; any thread. */
#ifndef IKE_NEG_PRF_H
#define IKE_NEG_PRF_H

#include "ike/msg/cursor.h"

#define HASH_MAX 64

struct nettle_hash;

struct hash {
	const char *name; /* as in hash-algorithm: "sha1" */
	const struct nettle_hash *nettle;
	uint8_t ike1; /* enum ike1_hash_id */
	uint8_t len;  /* bytes */
};

const struct hash *hash_by_ike1(unsigned id); /* NULL: not ours */

/* hash(part | part | ...) into out, h->len bytes. 0; callers take negative errnos for whoever puts a library here that may fail. */
int hash_of(const struct hash *h, const struct bytes *part, unsigned n, uint8_t *out) __must_check;

/* prf(key, part | part | ...) likewise. */
int prf(const struct hash *h, struct bytes key, const struct bytes *part, unsigned n, uint8_t *out) __must_check;

#endif
