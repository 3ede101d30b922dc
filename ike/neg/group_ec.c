/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Elliptic curves. ECP (RFC 5903): public value x | y, secret x. EC2N (RFC 2409 §6.3, §6.4; spec section 24.5): y^2 + xy = x^3 + b over GF(2^m);
 * public value and secret are the x coordinate alone, and either root serves for y, since a point and its inverse have the same x.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "ike/neg/group_priv.h"

static const struct ec2n {
	uint16_t id;
	uint8_t cofactor;
	uint16_t bits; /* m */
	const char *field, *b, *x,
		*order; /* order: of the prime subgroup; cofactor times it is what RFC 2409 calls the order */
} ec2n[] = {
	{3, 12, 155, "0800000000000000000000004000000000000001", "07338f", "7b",
	 "aaaaaaaaaaaaaaaaaab1fcf1e206f421a3ea1b"},
	{4, 4, 185, "020000000000000000000000000000200000000000000001", "1ee9", "18",
	 "7ffffffffffffffffffffff6fcbe226dcf92105d7e53af"},
};

static const struct ec2n *ec2n_of(const struct group *g)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ec2n); i++)
		if (ec2n[i].id == g->id)
			return &ec2n[i];
	return NULL;
}

static EC_GROUP *ec2n_curve(const struct ec2n *c, BN_CTX *ctx)
{
	BIGNUM *f = NULL, *a = BN_new(), *b = NULL, *x = NULL, *n = NULL, *h = BN_new();
	EC_GROUP *curve = NULL;
	EC_POINT *gen = NULL;
	int ok = 0;

	if (!a || !h || !BN_hex2bn(&f, c->field) || !BN_hex2bn(&b, c->b) || !BN_hex2bn(&x, c->x) ||
	    !BN_hex2bn(&n, c->order) || !BN_set_word(h, c->cofactor))
		goto out;
	BN_zero(a);
	curve = EC_GROUP_new_curve_GF2m(f, a, b, ctx);
	gen = curve ? EC_POINT_new(curve) : NULL;
	ok = gen && EC_POINT_set_compressed_coordinates(curve, gen, x, 0, ctx) &&
	     EC_GROUP_set_generator(curve, gen, n, h);
out:
	if (!ok) {
		EC_GROUP_free(curve);
		curve = NULL;
	}
	EC_POINT_free(gen);
	BN_free(f);
	BN_free(a);
	BN_free(b);
	BN_free(x);
	BN_free(n);
	BN_free(h);
	return curve;
}

static EC_GROUP *curve_of(const struct group *g, BN_CTX *ctx)
{
	if (g->kind == GROUP_EC2N)
		return ec2n_curve(ec2n_of(g), ctx);
	return EC_GROUP_new_by_curve_name(g->id == 19	? NID_X9_62_prime256v1
					  : g->id == 20 ? NID_secp384r1
							: NID_secp521r1);
}

/* Private values lie above 0 and below this: order times cofactor for EC2N (spec section 24.5), the order for ECP. */
static BIGNUM *bound_of(const EC_GROUP *curve, BN_CTX *ctx)
{
	BIGNUM *n = BN_new();

	if (n && !BN_mul(n, EC_GROUP_get0_order(curve), EC_GROUP_get0_cofactor(curve), ctx)) {
		BN_free(n);
		return NULL;
	}
	return n;
}

int group_ec_private(const struct group *g, uint8_t *priv)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	EC_GROUP *curve = ctx ? curve_of(g, ctx) : NULL;
	BIGNUM *n = curve ? bound_of(curve, ctx) : NULL, *k = BN_new();
	int rc = n && k ? 0 : -ENOMEM;

	while (!rc) {
		if (!BN_priv_rand_range(k, n))
			rc = -EIO;
		else if (!BN_is_zero(k))
			break;
	}
	if (!rc && BN_bn2binpad(k, priv, g->private_len) != g->private_len)
		rc = -EIO;
	BN_clear_free(k);
	BN_free(n);
	EC_GROUP_free(curve);
	BN_CTX_free(ctx);
	return rc;
}

/* Spec section 24.5: x = 0, more than m bits, no y, or order 1, 2, .. cofactor: refused. */
static int ec2n_read(const struct group *g, const EC_GROUP *curve, EC_POINT *at, struct bytes peer, BN_CTX *ctx)
{
	const struct ec2n *c = ec2n_of(g);
	BIGNUM *x = BN_bin2bn(peer.p, (int)peer.len, NULL), *h = BN_new();
	EC_POINT *low = EC_POINT_new(curve);
	int rc = -ENOMEM;

	if (!x || !h || !low || !BN_set_word(h, c->cofactor))
		goto out;
	rc = -EINVAL;
	if (BN_is_zero(x) || BN_num_bits(x) > c->bits || !EC_POINT_set_compressed_coordinates(curve, at, x, 0, ctx))
		goto out;
	if (!EC_POINT_mul(curve, low, NULL, at, h, ctx))
		rc = -EIO;
	else
		rc = EC_POINT_is_at_infinity(curve, low) ? -EINVAL : 0;
out:
	EC_POINT_free(low);
	BN_free(x);
	BN_free(h);
	return rc;
}

/* RFC 5903 §7, §8: both coordinates of the field's length and below p, the point on the curve; the cofactor is 1. */
static int ecp_read(const EC_GROUP *curve, EC_POINT *at, struct bytes peer, BN_CTX *ctx)
{
	size_t half = peer.len / 2;
	BIGNUM *x = BN_bin2bn(peer.p, (int)half, NULL), *y = BN_bin2bn(peer.p + half, (int)half, NULL);
	const BIGNUM *p = EC_GROUP_get0_field(curve);
	int rc = -ENOMEM;

	if (x && y)
		rc = BN_cmp(x, p) < 0 && BN_cmp(y, p) < 0 && EC_POINT_set_affine_coordinates(curve, at, x, y, ctx) &&
				     EC_POINT_is_on_curve(curve, at, ctx) == 1
			     ? 0
			     : -EINVAL;
	BN_free(x);
	BN_free(y);
	return rc;
}

static int coordinates_write(const struct group *g, const EC_GROUP *curve, const EC_POINT *at, int both, uint8_t *out,
			     BN_CTX *ctx)
{
	BIGNUM *x = BN_new(), *y = BN_new();
	int len = g->secret_len, rc = -EIO;

	if (x && y && EC_POINT_get_affine_coordinates(curve, at, x, y, ctx) && BN_bn2binpad(x, out, len) == len &&
	    (!both || BN_bn2binpad(y, out + len, len) == len))
		rc = 0;
	BN_clear_free(x);
	BN_clear_free(y);
	return rc;
}

int group_ec_product(const struct group *g, const uint8_t *priv, const struct bytes *peer, uint8_t *out)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	EC_GROUP *curve = ctx ? curve_of(g, ctx) : NULL;
	EC_POINT *base = curve ? EC_POINT_new(curve) : NULL, *product = curve ? EC_POINT_new(curve) : NULL;
	BIGNUM *k = priv ? BN_bin2bn(priv, g->private_len, NULL) : NULL, *n = curve ? bound_of(curve, ctx) : NULL;
	int rc = -ENOMEM;

	if (!base || !product || !n || (priv && !k))
		goto out;
	rc = 0;
	if (peer)
		rc = g->kind == GROUP_EC2N ? ec2n_read(g, curve, base, *peer, ctx) : ecp_read(curve, base, *peer, ctx);
	else if (!EC_POINT_copy(base, EC_GROUP_get0_generator(curve)))
		rc = -EIO;
	if (rc || !k)
		goto out;
	rc = -EINVAL;
	if (BN_is_zero(k) || BN_cmp(k, n) >= 0)
		goto out;
	BN_set_flags(k, BN_FLG_CONSTTIME);
	/* With order and cofactor set OpenSSL takes its ladder with a fixed number of steps. */
	if (!EC_POINT_mul(curve, product, NULL, base, k, ctx))
		rc = -EIO;
	else if (!EC_POINT_is_at_infinity(curve, product))
		rc = coordinates_write(g, curve, product, g->kind == GROUP_ECP && !peer, out, ctx);
out:
	BN_clear_free(k);
	BN_free(n);
	EC_POINT_clear_free(product);
	EC_POINT_free(base);
	EC_GROUP_free(curve);
	BN_CTX_free(ctx);
	return rc;
}
