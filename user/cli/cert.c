/* SPDX-License-Identifier: BSD-2-Clause */
/* The certificate store (spec section 23.4): import, print, set, remove. Items are certificates and revocation lists. */
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "user/cli/cred.h"

/* What a BIO holds, as text in buf[size]. */
static void take_text(BIO *b, char *buf, size_t size)
{
	int n = b ? BIO_read(b, buf, (int)size - 1) : 0;

	buf[n > 0 ? n : 0] = '\0';
	BIO_free(b);
}

static void name_text(const X509_NAME *name, char *buf, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());

	if (b)
		(void)X509_NAME_print_ex(b, name, 0, XN_FLAG_SEP_COMMA_PLUS | XN_FLAG_FN_SN | ASN1_STRFLGS_RFC2253);
	take_text(b, buf, size);
}

static int64_t seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : -1;
}

static void show_names(struct conf_cert *v, X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	BIO *b = BIO_new(BIO_s_mem());

	for (int i = 0; b && names && i < sk_GENERAL_NAME_num(names); i++) {
		if (i)
			(void)BIO_puts(b, ",");
		(void)GENERAL_NAME_print(b, sk_GENERAL_NAME_value(names, i));
	}
	take_text(b, v->alt_name, sizeof(v->alt_name));
	GENERAL_NAMES_free(names);
}

static void show_x509(struct conf_cert *v, X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	uint8_t digest[32];
	unsigned len = 0;

	name_text(X509_get_subject_name(x), v->subject, sizeof(v->subject));
	name_text(X509_get_issuer_name(x), v->issuer, sizeof(v->issuer));
	if (b)
		(void)i2a_ASN1_INTEGER(b, X509_get0_serialNumber(x));
	take_text(b, v->serial, sizeof(v->serial));
	v->from = seconds(X509_get0_notBefore(x));
	v->to = seconds(X509_get0_notAfter(x));
	show_names(v, x);
	(void)snprintf(v->key_size, sizeof(v->key_size), "%u-bit", cred_key_bits(X509_get0_pubkey(x)));
	if (X509_digest(x, EVP_sha256(), digest, &len))
		for (unsigned i = 0; i < len && i < sizeof(digest); i++)
			(void)snprintf(v->fingerprint + (size_t)2 * i, 3, "%02x", digest[i]);
	if (X509_check_ca(x) == 1)
		v->it.flags |= ITEM_AUTHORITY;
}

void cert_show(struct conf *c, const struct cred_file *f)
{
	struct conf_cert *v = (struct conf_cert *)conf_item_new(MENU_CERTIFICATE);

	v->it.id = f->id;
	v->it.flags = (f->private_key ? ITEM_PRIVATE : 0) | (f->crl ? ITEM_CRL : 0);
	(void)str_copy(v->name, sizeof(v->name), f->name); /* same size */
	v->trusted = f->trusted;
	if (f->cert) {
		show_x509(v, f->cert);
	} else {
		name_text(X509_CRL_get_issuer(f->crl), v->issuer, sizeof(v->issuer));
		v->from = seconds(X509_CRL_get0_lastUpdate(f->crl));
		v->to = seconds(X509_CRL_get0_nextUpdate(f->crl));
	}
	if (v->to >= 0 && v->to < time(NULL))
		v->it.flags |= ITEM_EXPIRED;
	conf_insert(c, MENU_CERTIFICATE, &v->it, c->list[MENU_CERTIFICATE].count);
}

struct import {
	struct cli *cli;
	struct conf *conf;
	struct cred_list have;
	struct cred_bundle b;
	const char *name;
	unsigned named; /* names given out */
	unsigned certs, crls, keys, orphans;
};

/* NAME, then NAME_1, NAME_2. */
static int next_name(struct import *im, char name[CRED_NAME_MAX], struct conf_err *e)
{
	int n = im->named ? snprintf(name, CRED_NAME_MAX, "%s_%u", im->name, im->named)
			  : snprintf(name, CRED_NAME_MAX, "%s", im->name);

	im->named++;
	if (n >= CRED_NAME_MAX)
		return conf_fail(e, CONF_E_VALUE, "invalid value for argument name");
	return file_name_free(im->conf, MENU_CERTIFICATE, name, e);
}

static int put(struct import *im, struct cred_file *f, EVP_PKEY *priv, struct conf_err *e)
{
	struct err base = {0};
	int rc = im->cli->check_only ? 0 : cred_write(&im->cli->paths, CRED_CERTIFICATE, f, priv, &base);

	return rc ? cli_fail(e, rc, &base) : 0;
}

/* The private key of the file that belongs to a certificate; NULL: none. */
static EVP_PKEY *key_of(struct import *im, X509 *x)
{
	for (unsigned i = 0; i < im->b.keys; i++)
		if (EVP_PKEY_eq(im->b.key[i], X509_get0_pubkey(x)) == 1)
			return im->b.key[i];
	return NULL;
}

static const struct cred_file *have_cert(const struct import *im, X509 *x)
{
	for (unsigned i = 0; i < im->have.count; i++)
		if (im->have.item[i].cert && X509_cmp(im->have.item[i].cert, x) == 0)
			return &im->have.item[i];
	return NULL;
}

static int put_cert(struct import *im, X509 *x, struct conf_err *e)
{
	struct cred_file f = {.cert = x, .trusted = X509_check_ca(x) == 1};

	if (have_cert(im, x))
		return 0;
	if (next_name(im, f.name, e) || put(im, &f, key_of(im, x), e))
		return -EINVAL;
	im->certs++;
	return 0;
}

/* Of one CA (RFC 5280 §5.1.2.4, §5.2.3): by its date, of one date by its number. */
static int crl_is_older(X509_CRL *a, X509_CRL *b)
{
	int by_date = ASN1_TIME_compare(X509_CRL_get0_lastUpdate(a), X509_CRL_get0_lastUpdate(b)),
	    older = by_date == -1;
	ASN1_INTEGER *na = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
	ASN1_INTEGER *nb = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);

	if (!by_date && na && nb)
		older = ASN1_INTEGER_cmp(na, nb) < 0;
	ASN1_INTEGER_free(na);
	ASN1_INTEGER_free(nb);
	return older;
}

/* One of a CA that has one already takes its place; an older one would unmake revocations. */
static int put_crl(struct import *im, X509_CRL *crl, struct conf_err *e)
{
	struct cred_file f = {.crl = crl};

	for (unsigned i = 0; i < im->have.count; i++) {
		const struct cred_file *old = &im->have.item[i];

		if (!old->crl || X509_NAME_cmp(X509_CRL_get_issuer(old->crl), X509_CRL_get_issuer(crl)) != 0)
			continue;
		if (crl_is_older(crl, old->crl)) {
			cli_warn("%s is a newer revocation list of the same authority: it stays", old->name);
			return 0;
		}
		f.id = old->id;
		(void)str_copy(f.name, sizeof(f.name), old->name); /* same size */
	}
	if ((!f.id && next_name(im, f.name, e)) || put(im, &f, NULL, e))
		return -EINVAL;
	im->crls++;
	return 0;
}

/* A key goes to the certificates that it belongs to: new ones have it already, those of the store get it now. */
static int put_key(struct import *im, EVP_PKEY *key, struct conf_err *e)
{
	unsigned fits = 0;

	for (unsigned i = 0; i < im->b.certs; i++)
		fits += EVP_PKEY_eq(key, X509_get0_pubkey(im->b.cert[i])) == 1;
	for (unsigned i = 0; i < im->have.count; i++) {
		struct cred_file *f = &im->have.item[i];

		if (!f->cert || EVP_PKEY_eq(key, f->pub) != 1)
			continue;
		fits++;
		if (put(im, f, key, e))
			return -EINVAL;
	}
	im->keys += fits != 0;
	im->orphans += fits == 0;
	return 0;
}

/* Before the first one is written. */
static int check_bundle(const struct import *im, struct conf_err *e)
{
	const struct cred_bundle *b = &im->b;

	if (!b->certs && !b->crls && !b->keys)
		return conf_fail(e, CONF_E_FAIL, "failure: wrong certificate file format or passphrase");
	for (unsigned i = 0; i < b->certs; i++) {
		const char *why = cred_key_refused(X509_get0_pubkey(b->cert[i]));

		if (why)
			return conf_fail(e, CONF_E_FAIL, "failure: %s", why);
	}
	return 0;
}

static int edit_import(struct cli *cli, struct conf *c, void *ctx, struct conf_err *e)
{
	struct import *im = ctx;
	int rc = 0;

	im->cli = cli;
	im->conf = c;
	if (file_list(cli, MENU_CERTIFICATE, &im->have, e))
		return -EINVAL;
	for (unsigned i = 0; i < im->b.certs && !rc; i++)
		rc = put_cert(im, im->b.cert[i], e);
	for (unsigned i = 0; i < im->b.crls && !rc; i++)
		rc = put_crl(im, im->b.crl[i], e);
	for (unsigned i = 0; i < im->b.keys && !rc; i++)
		rc = put_key(im, im->b.key[i], e);
	cred_list_free(&im->have);
	return rc;
}

static void import_summary(const struct import *im)
{
	(void)printf("     certificates-imported: %u\n     private-keys-imported: %u\n             crls-imported: %u\n"
		     "       decryption-failures: %u\n  keys-with-no-certificate: %u\n",
		     im->certs, im->keys, im->crls, im->b.undeciphered, im->orphans);
}

static int import_cert(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct import im = {0};
	struct file_text f;
	int rc = file_import(cmd, &f, e);

	if (rc)
		return rc;
	im.name = f.name;
	cred_import_bundle(&im.b, f.text, f.len, file_passphrase, (void *)f.passphrase);
	file_forget(&f);
	rc = check_bundle(&im, e);
	if (!rc)
		rc = change_files(cli, edit_import, &im, e);
	if (!rc)
		import_summary(&im);
	cred_bundle_free(&im.b);
	return rc;
}

struct set {
	const char *items, *name, *trusted;
};

static int set_trust(struct cli *cli, const struct conf_item *it, const char *word, struct conf_err *e)
{
	struct conf_cert v = {0};
	struct cred_list list;
	struct err base = {0};
	struct cred_file *f;
	int rc = 0;

	if (prop_parse(prop_named(&menus[MENU_CERTIFICATE], "trusted"), &v, word, e))
		return -EINVAL;
	if (v.trusted && !(it->flags & ITEM_AUTHORITY))
		return conf_fail(e, CONF_E_FAIL, "failure: only a certificate authority can be trusted");
	if (file_list(cli, MENU_CERTIFICATE, &list, e))
		return -EINVAL;
	f = cred_list_find(&list, conf_name(MENU_CERTIFICATE, it));
	if (f && !cli->check_only) {
		f->trusted = v.trusted;
		rc = cred_write(&cli->paths, CRED_CERTIFICATE, f, NULL, &base);
	}
	cred_list_free(&list);
	return rc ? cli_fail(e, rc, &base) : 0;
}

static int edit_set(struct cli *cli, struct conf *c, void *ctx, struct conf_err *e)
{
	const struct set *set = ctx;
	struct selection s;
	int rc = 0;

	if (select_items(c, &cli->numbers, MENU_CERTIFICATE, set->items, &s, e))
		return -EINVAL;
	if (set->name && s.count > 1)
		rc = conf_fail(e, CONF_E_FAIL, "failure: already have such name");
	for (unsigned i = 0; i < s.count && !rc; i++) {
		int at = conf_index_of_id(c, MENU_CERTIFICATE, s.id[i]);

		if (set->trusted)
			rc = set_trust(cli, c->list[MENU_CERTIFICATE].item[at], set->trusted, e);
		if (!rc && set->name)
			rc = file_rename(cli, c, MENU_CERTIFICATE, (unsigned)at, set->name, e);
	}
	selection_free(&s);
	return rc;
}

static int set_cert(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct set s = {0};
	const struct file_arg args[] = {
		{"numbers", &s.items}, {"name", &s.name}, {"trusted", &s.trusted}, {NULL, NULL}};

	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!s.items)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) numbers");
	return change_files(cli, edit_set, &s, e);
}

int cert_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	switch (cmd->verb) {
	case VERB_FILE_IMPORT:
		return import_cert(cli, cmd, e);
	case VERB_FILE_SET:
		return set_cert(cli, cmd, e);
	default:
		return file_remove(cli, cmd, e);
	}
}
