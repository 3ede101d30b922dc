/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates, revocation lists and RSA keys on disk (spec sections 5, 23.4):
 *
 *   /etc/xdp-ipsec/<instance>/public/key/NAME.pem           0644, folders 0755: read by xdp-iked without privileges, through a
 *   /etc/xdp-ipsec/<instance>/public/certificate/NAME.pem   descriptor of public/ that it holds (the parent is 0700)
 *   /etc/xdp-ipsec/<instance>/private/key/NAME.pem          0600, folders 0700: read by the key process only
 *   /etc/xdp-ipsec/<instance>/private/certificate/NAME.pem
 *
 * A public file is a few lines `word: value` (id, private-key, trusted) and one PEM block: PUBLIC KEY, CERTIFICATE or X509 CRL. A private
 * one is PRIVATE KEY (PKCS#8) without passphrase. That a private key is there stands in the public file; it is written after the
 * private one and taken away before it, so it is never wrong. Files are replaced as a whole. Writers hold the lock of the configuration.
 */
#ifndef CONF_CRED_FILES_H
#define CONF_CRED_FILES_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "user/base/err.h"
#include "user/base/path.h"

#define CRED_NAME_MAX 64	    /* bytes with terminator */
#define CRED_FILE_MAX (1024 * 1024) /* bytes; larger is none of ours */
#define CRED_BITS_MIN 1024
#define CRED_BITS_MAX 8192

enum cred_kind { CRED_KEY, CRED_CERTIFICATE };

/* An item: a key has pub; a certificate cert and pub; a revocation list crl. */
struct cred_file {
	char name[CRED_NAME_MAX];
	uint32_t id;
	bool private_key, trusted;
	X509 *cert;
	X509_CRL *crl;
	EVP_PKEY *pub;
};

struct cred_list {
	struct cred_file *item; /* in order of their ids, which is that of import */
	unsigned count;
};

/* 1 to 63 letters, digits and . - _ @ + blank, beginning with a letter, a digit or _: never a path. */
bool cred_name_ok(const char *name);

/* Is it an RSA key of 1024 to 8192 bits with a sound exponent of at most 64 bits? NULL, or why not (static). */
const char *cred_key_refused(EVP_PKEY *key);
unsigned cred_key_bits(EVP_PKEY *key);
bool cred_has_private(EVP_PKEY *key);

/* Descriptors of the two folders. Negative: errno with a text; -ENOENT: nothing was imported yet. */
int cred_open_public(const struct paths *p, struct err *e) __must_check;
int cred_open_private(const struct paths *p, struct err *e) __must_check;

/*
 * Reads all items of a kind below public/. What cannot be read is left out, bad(ctx, sentence) is told. -ENOMEM and the like: *list is empty.
 * Free with cred_list_free().
 */
int cred_list_read(struct cred_list *list, int public_fd, enum cred_kind kind, void (*bad)(void *ctx, const char *text),
		   void *ctx, struct err *e) __must_check;
void cred_list_free(struct cred_list *list);
struct cred_file *cred_list_find(const struct cred_list *list, const char *name);

/* The private key of an item, from a descriptor of private/. NULL with a text. The caller frees it. */
EVP_PKEY *cred_private_read(int private_fd, enum cred_kind kind, const char *name, struct err *e) __must_check;

/*
 * Writes an item, new or over an old one; priv NULL: the private part stays as it is. f->id 0 gets a fresh one, never used before. Makes the
 * folders.
 */
int cred_write(const struct paths *p, enum cred_kind kind, struct cred_file *f, EVP_PKEY *priv,
	       struct err *e) __must_check;
int cred_remove(const struct paths *p, enum cred_kind kind, const char *name, struct err *e) __must_check;
int cred_rename(const struct paths *p, enum cred_kind kind, const char *old, const char *new,
		struct err *e) __must_check;

#endif
