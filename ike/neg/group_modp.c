/* SPDX-License-Identifier: BSD-2-Clause */
/* MODP groups: exponentiation modulo a safe prime, generator 2 (RFC 2409 §6.1, §6.2; RFC 3526; primes from OpenSSL). */
#include <openssl/bn.h>
#include <openssl/rand.h>

#include "ike/neg/group_priv.h"

static BIGNUM *prime(const struct group *g)
{
	switch (g->public_len) {
	case 96:
		return BN_get_rfc2409_prime_768(NULL);
	case 128:
		return BN_get_rfc2409_prime_1024(NULL);
	case 192:
		return BN_get_rfc3526_prime_1536(NULL);
	case 256:
		return BN_get_rfc3526_prime_2048(NULL);
	case 384:
		return BN_get_rfc3526_prime_3072(NULL);
	case 512:
		return BN_get_rfc3526_prime_4096(NULL);
	case 768:
		return BN_get_rfc3526_prime_6144(NULL);
	case 1024:
		return BN_get_rfc3526_prime_8192(NULL);
	}
	return NULL;
}

int group_modp_private(const struct group *g, uint8_t *priv)
{
	if (RAND_priv_bytes(priv, g->private_len) != 1)
		return -EIO;
	priv[0] |= 0x80; /* of full length */
	return 0;
}

/* Spec section 24.4: 0, 1, p-1 and what is not below p are refused. p = 2q+1: all the rest has order q or 2q. */
static int in_range(const BIGNUM *y, const BIGNUM *p)
{
	BIGNUM *last = BN_dup(p);
	int ok = last && BN_sub_word(last, 1) && BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, last) < 0;

	BN_free(last);
	return ok;
}

int group_modp_power(const struct group *g, const uint8_t *priv, const struct bytes *peer, uint8_t *out)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *p = prime(g), *base = peer ? BN_bin2bn(peer->p, (int)peer->len, NULL) : BN_new();
	BIGNUM *x = priv ? BN_bin2bn(priv, g->private_len, NULL) : NULL, *y = BN_new();
	int rc = -ENOMEM;

	if (!ctx || !p || !base || !y || (priv && !x) || (!peer && !BN_set_word(base, 2)))
		goto out;
	rc = -EINVAL;
	if (!in_range(base, p) || (x && BN_is_zero(x)))
		goto out;
	rc = 0;
	if (!x)
		goto out;
	BN_set_flags(x, BN_FLG_CONSTTIME);
	if (!BN_mod_exp_mont_consttime(y, base, x, p, ctx, NULL))
		rc = -EIO;
	/* Left-padded to the length of the prime (spec section 16.6). The product of a good value is never 1, x being below q. */
	else if (!in_range(y, p))
		rc = -EINVAL;
	else if (BN_bn2binpad(y, out, g->public_len) != g->public_len)
		rc = -EIO;
out:
	BN_clear_free(y);
	BN_clear_free(x);
	BN_free(base);
	BN_free(p);
	BN_CTX_free(ctx);
	return rc;
}
