/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RSA keys in the plain form of racoon (plainrsa-gen) and FreeS/WAN (ipsec.secrets):
 *	: PUB 0sAQO...                  base64 of a key as RFC 3110 §2 has it: length of the exponent, exponent, modulus
 *	: RSA { Modulus: 0x... PublicExponent: 0x03 PrivateExponent: 0x... Prime1: ... Coefficient: ... }
 * In front of the colon addresses may stand; # begins a comment.
 */
#include <ctype.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "user/conf/cred_import.h"

#define KEY_BYTES_MAX 2200 /* exponent and modulus of the largest key, and more */

/* The text without comments, terminated. The caller wipes and frees. */
static char *strip(const char *text, size_t len)
{
	char *out = malloc(len + 1);
	bool comment = false;
	size_t n = 0;

	for (size_t i = 0; out && i < len; i++) {
		comment = text[i] == '#' || (comment && text[i] != '\n');
		if (!comment)
			out[n++] = text[i] ? text[i] : ' ';
	}
	if (out)
		out[n] = '\0';
	return out;
}

enum part { N, E, D, P, Q, DP, DQ, QI, PARTS };

/* clang-format off */
static const struct {
	const char *word, *param;
} parts[PARTS] = {
	[N] = { "Modulus:", OSSL_PKEY_PARAM_RSA_N },
	[E] = { "PublicExponent:", OSSL_PKEY_PARAM_RSA_E },
	[D] = { "PrivateExponent:", OSSL_PKEY_PARAM_RSA_D },
	[P] = { "Prime1:", OSSL_PKEY_PARAM_RSA_FACTOR1 },
	[Q] = { "Prime2:", OSSL_PKEY_PARAM_RSA_FACTOR2 },
	[DP] = { "Exponent1:", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
	[DQ] = { "Exponent2:", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
	[QI] = { "Coefficient:", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};
/* clang-format on */

static EVP_PKEY *build(BIGNUM *const v[PARTS])
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	bool ok = bld && ctx;

	for (int i = 0; ok && i < PARTS; i++)
		ok = !v[i] || OSSL_PARAM_BLD_push_BN(bld, parts[i].param, v[i]);
	params = ok ? OSSL_PARAM_BLD_to_param(bld) : NULL;
	if (!params || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, v[D] ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* RFC 3110 §2. */
static EVP_PKEY *from_rfc3110(const uint8_t *b, size_t len)
{
	BIGNUM *v[PARTS] = {NULL};
	size_t head = 1, exponent = len ? b[0] : 0;
	EVP_PKEY *key = NULL;

	if (len >= 3 && !exponent) {
		exponent = (size_t)b[1] << 8 | b[2];
		head = 3;
	}
	if (!exponent || exponent > len || head >= len - exponent)
		return NULL;
	v[E] = BN_bin2bn(b + head, (int)exponent, NULL);
	v[N] = BN_bin2bn(b + head + exponent, (int)(len - head - exponent), NULL);
	if (v[E] && v[N])
		key = build(v);
	BN_free(v[E]);
	BN_free(v[N]);
	return key;
}

static EVP_PKEY *from_base64(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="), pad = 0;
	uint8_t raw[KEY_BYTES_MAX];
	int len;

	while (pad < n && s[n - 1 - pad] == '=')
		pad++;
	if (n / 4 * 3 > sizeof(raw) || n % 4 || pad > 2 || !n)
		return NULL;
	len = EVP_DecodeBlock(raw, (const unsigned char *)s, (int)n);
	return len < 3 ? NULL : from_rfc3110(raw, (size_t)len - pad);
}

/* "word 0x..." anywhere in the text: NULL when it is not there or no number. */
static BIGNUM *number(const char *text, const char *word)
{
	const char *at = text;
	BIGNUM *v = NULL;
	size_t n;

	/* "Exponent1:" is none of the others' ends, but Exponent: of PublicExponent: would be */
	while ((at = strstr(at, word)) && at > text && isalnum((unsigned char)at[-1]))
		at++;
	if (!at)
		return NULL;
	at += strlen(word);
	at += strspn(at, " \t\r\n");
	if (strncmp(at, "0x", 2))
		return NULL;
	n = strspn(at + 2, "0123456789abcdefABCDEF");
	if (!n || n > KEY_BYTES_MAX * 2)
		return NULL;
	return BN_hex2bn(&v, at + 2) ? v : NULL;
}

static EVP_PKEY *from_parts(const char *text)
{
	BIGNUM *v[PARTS];
	EVP_PKEY *key = NULL;
	bool all = true, any = false;

	for (int i = 0; i < PARTS; i++) {
		v[i] = number(text, parts[i].word);
		all &= v[i] != NULL;
		any |= i > E && v[i];
	}
	if (v[N] && v[E] && (all || !any))
		key = build(v);
	for (int i = 0; i < PARTS; i++)
		BN_clear_free(v[i]);
	return key;
}

/* What stands behind the colon; in front of it there may be addresses of IPv6. */
static EVP_PKEY *from_colon(const char *at)
{
	at += strspn(at, " \t");
	if (strncmp(at, "RSA", 3) == 0)
		return from_parts(at + 3);
	if (strncmp(at, "PUB", 3))
		return NULL;
	at += 3;
	at += strspn(at, " \t");
	return strncmp(at, "0s", 2) ? NULL : from_base64(at + 2);
}

EVP_PKEY *cred_plain_key(const char *text, size_t len)
{
	char *plain = strip(text, len);
	const char *at;
	EVP_PKEY *key = NULL;

	at = plain ? strchr(plain, ':') : NULL;
	for (; at && !key; at = strchr(at + 1, ':'))
		key = from_colon(at + 1);
	if (plain)
		explicit_bzero(plain, len);
	free(plain);
	ERR_clear_error();
	return key;
}
