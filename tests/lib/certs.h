/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates that tests make for themselves. Everything is the caller's; errors end the test. Include cmocka.h or fuzz code first. */
#ifndef TESTS_CERTS_H
#define TESTS_CERTS_H

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "ike/msg/cursor.h"

#define CERT_NOW 1800000000 /* the tests' time: 2027 */
#define CERT_DAY 86400

static inline void certs_must(int ok, const char *what)
{
	if (!ok) {
		(void)fprintf(stderr, "certs: %s failed\n", what);
		abort();
	}
}

static inline EVP_PKEY *certs_key(unsigned bits)
{
	EVP_PKEY *k = EVP_RSA_gen(bits);

	certs_must(k != NULL, "key");
	return k;
}

struct cert_spec {
	const char *cn;
	X509 *issuer; /* NULL: itself */
	EVP_PKEY *issuer_key;
	EVP_PKEY *key;
	const char *basic, *usage, *alt; /* values of basicConstraints, keyUsage, subjectAltName; NULL: without */
	const char *md;			 /* NULL: SHA256 */
	long from, to;			 /* seconds from CERT_NOW; both 0: a day before, a day after */
	long serial;
};

static inline void certs_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (!value)
		return;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	certs_must(ext && X509_add_ext(x, ext, -1), value);
	X509_EXTENSION_free(ext);
}

static inline X509 *certs_make(const struct cert_spec *s)
{
	X509 *x = X509_new(), *issuer = s->issuer ? s->issuer : x;
	long from = s->from || s->to ? s->from : -CERT_DAY, to = s->from || s->to ? s->to : CERT_DAY;

	certs_must(x != NULL, "certificate");
	certs_must(X509_set_version(x, 2), "version");
	certs_must(ASN1_INTEGER_set(X509_get_serialNumber(x), s->serial ? s->serial : 1), "serial");
	certs_must(ASN1_TIME_set(X509_getm_notBefore(x), CERT_NOW + from) != NULL, "from");
	certs_must(ASN1_TIME_set(X509_getm_notAfter(x), CERT_NOW + to) != NULL, "to");
	certs_must(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
					      (const unsigned char *)s->cn, -1, -1, 0),
		   "subject");
	certs_must(X509_set_issuer_name(x, X509_get_subject_name(issuer)), "issuer");
	certs_must(X509_set_pubkey(x, s->key), "public key");
	certs_ext(x, issuer, NID_basic_constraints, s->basic);
	certs_ext(x, issuer, NID_key_usage, s->usage);
	certs_ext(x, issuer, NID_subject_alt_name, s->alt);
	certs_must(X509_sign(x, s->issuer_key ? s->issuer_key : s->key, EVP_get_digestbyname(s->md ? s->md : "SHA256")),
		   "signature");
	return x;
}

/* A revocation list with one serial number (0: none). from, to: seconds from CERT_NOW. */
static inline X509_CRL *certs_crl(X509 *ca, EVP_PKEY *ca_key, long serial, long from, long to)
{
	X509_CRL *c = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, CERT_NOW + from), *next = ASN1_TIME_set(NULL, CERT_NOW + to);
	X509_REVOKED *r;

	certs_must(c && at && next && X509_CRL_set_version(c, 1) && X509_CRL_set1_lastUpdate(c, at) &&
			   X509_CRL_set1_nextUpdate(c, next) && X509_CRL_set_issuer_name(c, X509_get_subject_name(ca)),
		   "CRL");
	if (serial) {
		ASN1_INTEGER *n = ASN1_INTEGER_new();

		r = X509_REVOKED_new();
		certs_must(n && r && ASN1_INTEGER_set(n, serial) && X509_REVOKED_set_serialNumber(r, n) &&
				   X509_REVOKED_set_revocationDate(r, at) && X509_CRL_add0_revoked(c, r),
			   "revoked");
		ASN1_INTEGER_free(n);
	}
	certs_must(X509_CRL_sort(c) && X509_CRL_sign(c, ca_key, EVP_sha256()), "CRL signature");
	ASN1_TIME_free(at);
	ASN1_TIME_free(next);
	return c;
}

/* DER; p is the caller's to OPENSSL_free(). */
static inline struct bytes certs_der(X509 *x)
{
	unsigned char *p = NULL;
	int len = i2d_X509(x, &p);

	certs_must(len > 0, "DER");
	return (struct bytes){p, (size_t)len};
}

static inline struct bytes certs_crl_der(X509_CRL *c)
{
	unsigned char *p = NULL;
	int len = i2d_X509_CRL(c, &p);

	certs_must(len > 0, "DER");
	return (struct bytes){p, (size_t)len};
}

#endif
