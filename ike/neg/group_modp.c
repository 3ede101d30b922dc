/* SPDX-License-Identifier: BSD-2-Clause */
/* MODP groups: exponentiation modulo a safe prime, generator 2 (RFC 2409 §6.1, §6.2; RFC 3526; primes from OpenSSL). */
#include <pthread.h>

#include <openssl/bn.h>
#include <openssl/rand.h>

#include "ike/neg/group_priv.h"

/* What a group needs each time is made at first use of any, and lives as long as the process. Read only then: any thread. */
static struct field {
	uint16_t len; /* bytes of p */
	BIGNUM *(*prime)(BIGNUM *to);
	BIGNUM *p, *last; /* p - 1 */
	BN_MONT_CTX *mont;
} fields[] = {
	{96, BN_get_rfc2409_prime_768, NULL, NULL, NULL},   {128, BN_get_rfc2409_prime_1024, NULL, NULL, NULL},
	{192, BN_get_rfc3526_prime_1536, NULL, NULL, NULL}, {256, BN_get_rfc3526_prime_2048, NULL, NULL, NULL},
	{384, BN_get_rfc3526_prime_3072, NULL, NULL, NULL}, {512, BN_get_rfc3526_prime_4096, NULL, NULL, NULL},
	{768, BN_get_rfc3526_prime_6144, NULL, NULL, NULL}, {1024, BN_get_rfc3526_prime_8192, NULL, NULL, NULL},
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_fields(void)
{
	BN_CTX *ctx = BN_CTX_new();

	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		struct field *f = &fields[i];

		f->p = f->prime(NULL);
		f->last = f->p ? BN_dup(f->p) : NULL;
		f->mont = BN_MONT_CTX_new();
		if (!ctx || !f->last || !f->mont || !BN_sub_word(f->last, 1) || !BN_MONT_CTX_set(f->mont, f->p, ctx)) {
			BN_MONT_CTX_free(f->mont);
			f->mont = NULL; /* no memory: the group does not work */
		}
	}
	BN_CTX_free(ctx);
}

static const struct field *field_of(const struct group *g)
{
	(void)pthread_once(&once, make_fields);
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].len == g->public_len)
			return fields[i].mont ? &fields[i] : NULL;
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
static int in_range(const BIGNUM *y, const struct field *f)
{
	return BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, f->last) < 0;
}

int group_modp_power(const struct group *g, const uint8_t *priv, const struct bytes *peer, uint8_t *out)
{
	const struct field *f = field_of(g);
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *base = peer ? BN_bin2bn(peer->p, (int)peer->len, NULL) : BN_new();
	BIGNUM *x = priv ? BN_bin2bn(priv, g->private_len, NULL) : NULL, *y = BN_new();
	int rc = -ENOMEM;

	if (!ctx || !f || !base || !y || (priv && !x) || (!peer && !BN_set_word(base, 2)))
		goto out;
	rc = -EINVAL;
	if (!in_range(base, f) || (x && BN_is_zero(x)))
		goto out;
	rc = 0;
	if (!x)
		goto out;
	BN_set_flags(x, BN_FLG_CONSTTIME);
	if (!BN_mod_exp_mont_consttime(y, base, x, f->p, ctx, f->mont))
		rc = -EIO;
	/* Left-padded to the length of the prime (spec section 16.6). The product of a good value is never 1, x being below q. */
	else if (!in_range(y, f))
		rc = -EINVAL;
	else if (BN_bn2binpad(y, out, g->public_len) != g->public_len)
		rc = -EIO;
out:
	BN_clear_free(y);
	BN_clear_free(x);
	BN_free(base);
	BN_CTX_free(ctx);
	return rc;
}
