/* SPDX-License-Identifier: BSD-2-Clause */
/* The store as it is read from disk: names to certificates and keys. */
#include "ike/cred/cred.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "ike/cred/cred_priv.h"
#include "user/base/log.h"

static void left_out(void *ctx, const char *text)
{
	(void)ctx;
	log_warning("%s", text);
}

static struct bytes name_der(const X509_NAME *name)
{
	const unsigned char *p;
	size_t len;

	return X509_NAME_get0_der(name, &p, &len) ? (struct bytes){p, len} : (struct bytes){0};
}

static int take_cert(struct cred *c, unsigned i)
{
	struct cred_file *f = &c->cert.item[i];
	struct cred_der *d = &c->der[i];
	int len;

	if (f->crl)
		return 0;
	len = i2d_X509(f->cert, &d->cert);
	if (len <= 0)
		return -ENOMEM;
	d->der = (struct bytes){d->cert, (size_t)len};
	d->subject = name_der(X509_get_subject_name(f->cert));
	d->issuer = name_der(X509_get_issuer_name(f->cert));
	if (f->trusted || X509_check_ca(f->cert) != 1)
		return 0;
	if (!X509_up_ref(f->cert))
		return -ENOMEM;
	if (sk_X509_push(c->chain, f->cert))
		return 0;
	X509_free(f->cert);
	return -ENOMEM;
}

int cred_load(struct cred **out, int folder_fd, struct err *e)
{
	struct cred *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	*out = NULL;
	if (!c)
		return err_set(e, rc, "out of memory");
	c->chain = sk_X509_new_null();
	if (!c->chain) {
		rc = err_set(e, rc, "out of memory");
		goto err;
	}
	rc = cred_list_read(&c->key, folder_fd, CRED_KEY, left_out, NULL, e);
	if (!rc)
		rc = cred_list_read(&c->cert, folder_fd, CRED_CERTIFICATE, left_out, NULL, e);
	if (rc)
		goto err;
	c->der = calloc(c->cert.count + 1, sizeof(*c->der));
	for (unsigned i = 0; c->der && !rc && i < c->cert.count; i++)
		rc = take_cert(c, i);
	ERR_clear_error();
	if (!c->der || rc) {
		rc = err_set(e, -ENOMEM, "out of memory");
		goto err;
	}
	*out = c;
	return 0;
err:
	cred_free(c);
	return rc;
}

void cred_free(struct cred *c)
{
	if (!c)
		return;
	for (unsigned i = 0; c->der && i < c->cert.count; i++)
		OPENSSL_free(c->der[i].cert);
	free(c->der);
	sk_X509_pop_free(c->chain, X509_free);
	cred_list_free(&c->key);
	cred_list_free(&c->cert);
	free(c);
}

static const struct cred_der *der_of(const struct cred *c, const char *name)
{
	const struct cred_file *f = c ? cred_list_find(&c->cert, name) : NULL;

	return f && f->cert ? &c->der[f - c->cert.item] : NULL;
}

struct bytes cred_cert(const struct cred *c, const char *name)
{
	const struct cred_der *d = der_of(c, name);

	return d ? d->der : (struct bytes){0};
}

struct bytes cred_subject(const struct cred *c, const char *name)
{
	const struct cred_der *d = der_of(c, name);

	return d ? d->subject : (struct bytes){0};
}

struct bytes cred_issuer(const struct cred *c, const char *name)
{
	const struct cred_der *d = der_of(c, name);

	return d ? d->issuer : (struct bytes){0};
}

/* The CA of the store that issued it; -1: none. */
static int issuer_of(const struct cred *c, X509 *x)
{
	for (unsigned i = 0; i < c->cert.count; i++) {
		X509 *ca = c->cert.item[i].cert;

		if (ca && X509_check_ca(ca) == 1 && X509_check_issued(ca, x) == X509_V_OK)
			return (int)i;
	}
	return -1;
}

struct bytes cred_link(const struct cred *c, const char *name, unsigned i)
{
	const struct cred_file *f = c ? cred_list_find(&c->cert, name) : NULL;
	X509 *x = f ? f->cert : NULL;
	int at = -1;

	for (unsigned k = 0; x && k <= i; k++) {
		at = k < CRED_DEPTH_MAX ? issuer_of(c, x) : -1;
		x = at < 0 ? NULL : c->cert.item[at].cert;
		if (x && X509_check_issued(x, x) == X509_V_OK) /* a root: who trusts it has it */
			x = NULL;
	}
	return x ? c->der[at].der : (struct bytes){0};
}

struct bytes cred_authority(const struct cred *c, unsigned i)
{
	for (unsigned k = 0; c && k < c->cert.count; k++) {
		const struct cred_file *f = &c->cert.item[k];

		if (f->cert && f->trusted && X509_check_ca(f->cert) == 1 && i-- == 0)
			return c->der[k].subject;
	}
	return (struct bytes){0};
}

EVP_PKEY *cred_cert_key(const struct cred *c, const char *name)
{
	const struct cred_file *f = c ? cred_list_find(&c->cert, name) : NULL;

	return f ? f->pub : NULL;
}

EVP_PKEY *cred_key(const struct cred *c, const char *name)
{
	const struct cred_file *f = c ? cred_list_find(&c->key, name) : NULL;

	return f ? f->pub : NULL;
}

EVP_PKEY *cred_key_at(const struct cred *c, unsigned n, const char **name)
{
	for (unsigned i = 0; c && i < c->key.count; i++)
		if (!c->key.item[i].private_key && n-- == 0) {
			*name = c->key.item[i].name;
			return c->key.item[i].pub;
		}
	return NULL;
}
