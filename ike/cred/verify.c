/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures of phase 1: RSA over the raw HASH, PKCS#1 v1.5 block type 1 without DigestInfo (RFC 2409 §5.1; RFC 2313 §8.1). */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "ike/cred/cred_priv.h"

#define RSA_BYTES_MAX (CRED_BITS_MAX / 8)
#define PAD_MIN 11 /* 00 01, eight octets ff, 00 */

/* What the public key makes of the signature: k bytes. */
static int public_operation(EVP_PKEY *pub, struct bytes sig, uint8_t *out, size_t k)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	size_t len = k;
	int ok = ctx && EVP_PKEY_verify_recover_init(ctx) > 0 &&
		 EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0 &&
		 EVP_PKEY_verify_recover(ctx, out, &len, sig.p, sig.len) > 0 && len == k;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EKEYREJECTED;
}

/*
 * The whole block is made anew and compared in constant time: no parser of padding, so nothing can stand behind the hash or in the
 * padding (Bleichenbacher's forgery of 2006 with exponent 3).
 */
int cred_verify(EVP_PKEY *pub, struct bytes hash, struct bytes sig)
{
	uint8_t got[RSA_BYTES_MAX], want[RSA_BYTES_MAX];
	size_t k;

	if (cred_key_refused(pub))
		return -EKEYREJECTED;
	k = (size_t)EVP_PKEY_get_size(pub);
	if (k > sizeof(got) || sig.len != k || !hash.len || hash.len + PAD_MIN > k)
		return -EKEYREJECTED;
	if (public_operation(pub, sig, got, k))
		return -EKEYREJECTED;
	want[0] = 0;
	want[1] = 1;
	memset(want + 2, 0xff, k - hash.len - 3);
	want[k - hash.len - 1] = 0;
	memcpy(want + k - hash.len, hash.p, hash.len);
	return CRYPTO_memcmp(got, want, k) == 0 ? 0 : -EKEYREJECTED;
}
