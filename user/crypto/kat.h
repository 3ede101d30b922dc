/* SPDX-License-Identifier: BSD-2-Clause */
/* Known-answer tests that every engine runs before it is used, one or more for each algorithm of the table. */
#ifndef CRYPTO_KAT_H
#define CRYPTO_KAT_H

#include "user/crypto/engine.h"

/*
 * A case in hexadecimal: esp is the bytes in front (SPI and sequence number, with ESN 12 bytes), out is the ciphertext and behind
 * it the ICV. Of an AEAD cipher esp is the additional data. GMAC of AH: esp and in, without the IV, are what is authenticated.
 */
struct kat {
	const char *source;	/* where it is published, or by whom it was computed */
	const char *enc, *auth; /* names in the algorithm table */
	const char *enc_key, *auth_key;
	const char *esp, *iv, *in, *out;
};

/* Row i, NULL behind the last. */
const struct kat *kat_at(unsigned i);

/* Runs one case in both directions, and once more with a damaged ICV, which must be refused. 0; -EIO: not the known answer;
 * -ENOTSUP: the engine does not do the algorithms; -EINVAL: the case is malformed; -ENOMEM. */
int kat_run(struct engine *en, const struct kat *t) __must_check;

/* The SA of a case: algorithms and keys, all else zero. -EINVAL: unknown name or bad hexadecimal. */
int kat_sa(const struct kat *t, struct xi_sa *sa) __must_check;

/* Bytes of a hexadecimal string into out[cap]; their number, or -EINVAL. */
int kat_hex(const char *hex, uint8_t *out, size_t cap) __must_check;

#endif
