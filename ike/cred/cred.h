/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates, certificate revocation lists and public RSA keys (spec sections 5, 23). Public parts only; private keys never enter the process that
 * talks to peers. Read-only once loaded. A store of NULL holds nothing. A peer's certificate is judged here; everything returned belongs to the store unless said otherwise.
 */
#ifndef IKE_CRED_CRED_H
#define IKE_CRED_CRED_H

#include <openssl/evp.h>

#include "ike/core/env.h"
#include "ike/msg/msg.h"
#include "user/base/err.h"

struct cred;

/*
 * Reads the stores below an open folder (certificates, CRLs, public keys; see user/conf/cred_files.h for its layout). What cannot be read is left out
 * and named in the log. Private keys are not looked at, but for whether there is one.
 */
int cred_load(struct cred **out, int folder_fd, struct err *e) __must_check;
void cred_free(struct cred *c); /* NULL allowed */

/* DER of a certificate by name, and of its subject; empty: no such certificate. */
struct bytes cred_cert(const struct cred *c, const char *name);
struct bytes cred_subject(const struct cred *c, const char *name);
/* Issuer names of trusted CAs, for CR payloads; empty behind the last. */
struct bytes cred_authority(const struct cred *c, unsigned i);
/* Issuer of the certificate (DER). */
struct bytes cred_issuer(const struct cred *c, const char *name);
/* The CAs of the store between the certificate and its root, from the certificate up, which a peer that has only the root needs; empty behind the last. */
struct bytes cred_link(const struct cred *c, const char *name, unsigned i);

/* Public keys: of a certificate of the store, of a key item; the n-th key item without private part (spec 23.3). NULL: none. *name: which it is. */
EVP_PKEY *cred_cert_key(const struct cred *c, const char *name);
EVP_PKEY *cred_key(const struct cred *c, const char *name);
EVP_PKEY *cred_key_at(const struct cred *c, unsigned n, const char **name);

/* What a peer sent beside its certificate. Links are certificates, or PKCS#7 bundles of them, that lead to an anchor; none is trusted for being sent. */
struct cred_sent {
	const struct bytes *crls, *links;
	unsigned n_crls, n_links;
};

/*
 * A peer's certificate that came in a CERT payload: chain to a CA of the store, validity at `wall`, key usage, CRL if there is one, RSA of 1024 bit or
 * more (spec 23.2). sent: NULL allowed. 0 and its key (the caller frees it with EVP_PKEY_free) in *pub; -EKEYREJECTED with the reason.
 */
int cred_judge(const struct cred *c, struct bytes cert, const struct cred_sent *sent, int64_t wall, EVP_PKEY **pub,
	       struct err *why) __must_check;
/* Is a certificate of the store valid at `wall`? It is trusted for being named, so nothing else is asked. 0, -ENOENT, -EKEYREJECTED with the reason. */
int cred_valid(const struct cred *c, const char *name, int64_t wall, struct err *why) __must_check;
/* Does the identity fit the certificate (spec 23.2)? addr: where the peer is. pinned: an address equal to addr needs no subjectAltName. */
int cred_id_fits(struct bytes cert, const struct msg_id *id, const struct ike_addr *addr, int pinned,
		 struct err *why) __must_check;
/* Of a PKCS#7 bundle the certificate that fits the identity: copied to out[max], its length, or -ENOENT. */
int cred_pkcs7_pick(struct bytes bundle, const struct msg_id *id, uint8_t *out, size_t max) __must_check;

/* RSA signature with PKCS#1 v1.5 type 1 padding over the raw hash (RFC 2409 §5.1). 0, or -EKEYREJECTED. Constant-time compare. */
int cred_verify(EVP_PKEY *pub, struct bytes hash, struct bytes sig) __must_check;

#endif
