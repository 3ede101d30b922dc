/* SPDX-License-Identifier: BSD-2-Clause */
/* CBC ciphers that protect IKE messages (RFC 2409 appendix A, RFC 3602, RFC 4312). Pure; any thread. */
#ifndef IKE_NEG_CIPHER_H
#define IKE_NEG_CIPHER_H

#include "ike/msg/cursor.h"

#define CIPHER_KEY_MAX 56
#define CIPHER_BLOCK_MAX 16

struct cipher {
	const char *name; /* OpenSSL's */
	uint8_t ike1;	  /* enum ike1_cipher_id */
	uint8_t block;	  /* bytes, also of the IV */
	uint8_t key_len;  /* bytes; of a variable key the greatest */
	uint8_t variable; /* Blowfish: any length from 5 bytes */
};

/*
 * By phase 1 number and key length attribute in bits, 0: not sent. *key_len becomes the key's bytes. NULL: not ours, a length attribute on DES or
 * 3DES, or a length that the cipher does not have (spec 16.1). Without the attribute AES and Camellia have 128 bits, Blowfish 448 (spec 24.2).
 */
const struct cipher *cipher_by_ike1(unsigned id, unsigned bits, unsigned *key_len);

/*
 * En- or decrypts len bytes in place; len is a multiple of the block and not 0, else -EINVAL. iv (block bytes) becomes the last block of
 * ciphertext, the IV of the exchange's next message (RFC 2409 appendix B). -EIO, -ENOMEM.
 */
int cipher_seal(const struct cipher *c, const uint8_t *key, unsigned key_len, uint8_t *iv, uint8_t *text,
		size_t len) __must_check;
int cipher_open(const struct cipher *c, const uint8_t *key, unsigned key_len, uint8_t *iv, uint8_t *text,
		size_t len) __must_check;

#endif
