/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading key and certificate files that an operator brings (spec sections 5, 23.4): PEM PUBLIC KEY, RSA PUBLIC KEY, PRIVATE KEY, ENCRYPTED
 * PRIVATE KEY, RSA PRIVATE KEY, their DER, and the plain form of racoon and FreeS/WAN; PEM and DER certificates and revocation lists. Pure
 * but for the passphrase callback.
 */
#ifndef CONF_CRED_IMPORT_H
#define CONF_CRED_IMPORT_H

#include "user/conf/cred_files.h"

/* Called when the file is encrypted: a passphrase into buf[size], its length or -1. */
typedef int (*cred_ask_fn)(void *ctx, char *buf, int size);

/* An RSA key, with private part or not. NULL: none, or the wrong passphrase. Its size is not judged. The caller frees it. */
EVP_PKEY *cred_import_key(const char *text, size_t len, cred_ask_fn ask, void *ctx);

/* ": PUB 0s<base64>" or ": RSA { Modulus: 0x... }": the same. */
EVP_PKEY *cred_plain_key(const char *text, size_t len);

#define CRED_IMPORT_MAX 64

/* What one file of the certificate store holds. Free with cred_bundle_free(). */
struct cred_bundle {
	X509 *cert[CRED_IMPORT_MAX];
	X509_CRL *crl[CRED_IMPORT_MAX];
	EVP_PKEY *key[CRED_IMPORT_MAX];
	unsigned certs, crls, keys;
	unsigned undeciphered; /* private keys that could not be read */
};

void cred_import_bundle(struct cred_bundle *b, const char *text, size_t len, cred_ask_fn ask, void *ctx);
void cred_bundle_free(struct cred_bundle *b);

#endif
