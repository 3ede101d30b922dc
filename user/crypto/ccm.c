/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AES-CCM of the portable engine (RFC 3610 with the choices of RFC 4309): a CBC-MAC over the plaintext, then counter mode over text and
 * MAC, each on an OpenSSL context of the key. OpenSSL's own CCM enters an error with allocated text into its queue for
 * every forged packet.
 *
 *   first block of the MAC  | flags 1 | salt 3 | IV 8 | length of the text 4 |
 *   additional data         | length 2 | SPI and sequence number 8 or 12 | zeros |
 *   counter block           | 3 | salt 3 | IV 8 | counter 4, 0 for the ICV and from 1 on for the text |
 */
#include "user/crypto/engine_priv.h"

#include <errno.h>

#define FLAG_AAD 0x40
#define FLAG_LEN 3 /* 4 bytes of length, less one */
#define AAD_MAX 14 /* that fit into one block */
#define CHUNK 512

int ccm_key_init(struct engine *en, struct keyctx *k, const uint8_t *key)
{
	const char *cbc = k->key_len == 16 ? "AES-128-CBC" : k->key_len == 24 ? "AES-192-CBC" : "AES-256-CBC";
	const char *ctr = k->key_len == 16 ? "AES-128-CTR" : k->key_len == 24 ? "AES-192-CTR" : "AES-256-CTR";

	k->soft.mac = soft_cipher(en, cbc, key, k->key_len, 1);
	k->soft.seal = soft_cipher(en, ctr, key, k->key_len, 1); /* counter mode has one direction */
	return k->soft.mac && k->soft.seal ? 0 : -ENOTSUP;
}

/* RFC 3610 §2.2: CBC-MAC of the plaintext, not yet encrypted. */
static int mac(const struct crypto_job *j, uint8_t t[AES_BLOCK])
{
	static const uint8_t zero[AES_BLOCK];
	EVP_CIPHER_CTX *c = j->key->soft.mac;
	uint8_t block[2][AES_BLOCK] = {{0}}, thrown[CHUNK];
	uint32_t len = j->text_len, whole = len & ~(uint32_t)(AES_BLOCK - 1);
	int n;

	block[0][0] = (uint8_t)(FLAG_AAD | (j->key->icv_len - 2) / 2 << 3 | FLAG_LEN);
	job_nonce(block[0] + 1, j);
	for (int i = 0; i < 4; i++)
		block[0][12 + i] = (uint8_t)(len >> (24 - 8 * i));
	block[1][1] = (uint8_t)j->auth_len;
	memcpy(block[1] + 2, j->auth, j->auth_len);
	if (EVP_CipherInit_ex(c, NULL, NULL, NULL, zero, -1) != 1 ||
	    EVP_CipherUpdate(c, thrown, &n, block[0], sizeof(block)) != 1)
		return 0;
	memcpy(t, thrown + AES_BLOCK, AES_BLOCK);
	for (uint32_t at = 0; at < whole; at += CHUNK) {
		if (EVP_CipherUpdate(c, thrown, &n, j->text + at, (int)MIN(whole - at, (uint32_t)CHUNK)) != 1)
			return 0;
		memcpy(t, thrown + n - AES_BLOCK, AES_BLOCK);
	}
	if (whole == len)
		return 1;
	memset(block[0], 0, AES_BLOCK);
	memcpy(block[0], j->text + whole, len - whole);
	return EVP_CipherUpdate(c, t, &n, block[0], AES_BLOCK) == 1;
}

/* RFC 3610 §2.3: the key stream's first block is for the MAC, the rest for the text. */
static int counter_mode(const struct crypto_job *j, uint8_t first[AES_BLOCK])
{
	static const uint8_t zero[AES_BLOCK];
	EVP_CIPHER_CTX *c = j->key->soft.seal;
	uint8_t block[AES_BLOCK] = {FLAG_LEN};
	int n;

	job_nonce(block + 1, j);
	return EVP_CipherInit_ex(c, NULL, NULL, NULL, block, -1) == 1 &&
	       EVP_CipherUpdate(c, first, &n, zero, AES_BLOCK) == 1 &&
	       EVP_CipherUpdate(c, j->text, &n, j->text, (int)j->text_len) == 1;
}

int ccm_run(const struct crypto_job *j, int seal)
{
	uint8_t t[AES_BLOCK], first[AES_BLOCK];

	if (!j->text_len || j->auth_len > AAD_MAX)
		return 0;
	if (seal ? !mac(j, t) || !counter_mode(j, first) : !counter_mode(j, first) || !mac(j, t))
		return 0;
	for (int i = 0; i < AES_BLOCK; i++)
		t[i] ^= first[i];
	if (!seal)
		return !ct_diff(t, j->icv, j->key->icv_len);
	memcpy(j->icv, t, j->key->icv_len);
	return 1;
}
