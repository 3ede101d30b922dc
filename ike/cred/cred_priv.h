/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of ike/cred. */
#ifndef IKE_CRED_CRED_PRIV_H
#define IKE_CRED_CRED_PRIV_H

#include "ike/cred/cred.h"
#include <openssl/pkcs7.h>

#include "user/conf/cred_files.h"

#define CRED_CERT_MAX 16384   /* bytes of one certificate from a peer */
#define CRED_BUNDLE_MAX 65535 /* PKCS#7, CRL */
#define CRED_CRLS_MAX 8	      /* looked at of those that a peer sent */
#define CRED_BUNDLE_CERTS 32  /* looked at in a bundle */
#define CRED_LINKS_MAX 8      /* likewise of certificates beside the peer's own */
#define CRED_DEPTH_MAX 5      /* certificates between the peer's and the anchor */

/* DER of one certificate of the store. */
struct cred_der {
	uint8_t *cert;
	struct bytes der, subject, issuer; /* the latter two inside X509 */
};

struct cred {
	struct cred_list key, cert;
	struct cred_der *der;	/* [cert.count]; empty for CRLs */
	STACK_OF(X509) * chain; /* CA certificates that are not trusted: only links of a chain */
};

/* One SEQUENCE that takes up all of it: what OpenSSL is given of a peer's bytes. */
int cred_is_sequence(struct bytes b);

/* A certificate from a peer's bytes, all of them used up; NULL: none. The caller frees it. */
X509 *cred_x509(struct bytes der);

/* Likewise a PKCS#7 bundle; *certs (NULL: none) belongs to it. The caller frees it with PKCS7_free. */
PKCS7 *cred_pkcs7(struct bytes bundle, STACK_OF(X509) * *certs);

#endif
