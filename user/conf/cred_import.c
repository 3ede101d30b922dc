/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/cred_import.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

struct ask {
	cred_ask_fn fn;
	void *ctx;
};

static int pass_on(char *buf, int size, int rwflag, void *u)
{
	const struct ask *a = u;

	(void)rwflag;
	return a->fn ? a->fn(a->ctx, buf, size) : -1;
}

static bool is_pem(const char *text, size_t len)
{
	return memmem(text, len, "-----BEGIN ", 11) != NULL;
}

static EVP_PKEY *decode(const char *text, size_t len, struct ask *a)
{
	EVP_PKEY *key = NULL;
	OSSL_DECODER_CTX *ctx =
		OSSL_DECODER_CTX_new_for_pkey(&key, is_pem(text, len) ? "PEM" : "DER", NULL, "RSA", 0, NULL, NULL);
	const unsigned char *at = (const unsigned char *)text;

	if (!ctx || !OSSL_DECODER_CTX_set_pem_password_cb(ctx, pass_on, a) || !OSSL_DECODER_from_data(ctx, &at, &len)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	OSSL_DECODER_CTX_free(ctx);
	return key;
}

/* A private key whose parts do not belong together would give away its factors with the first signature. */
static bool consistent(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok = ctx && EVP_PKEY_pairwise_check(ctx) > 0;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

EVP_PKEY *cred_import_key(const char *text, size_t len, cred_ask_fn ask, void *ctx)
{
	struct ask a = {ask, ctx};
	EVP_PKEY *key = is_pem(text, len) ? NULL : cred_plain_key(text, len);

	if (!key)
		key = decode(text, len, &a);
	if (key && cred_has_private(key) && !consistent(key)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

static void take_key(struct cred_bundle *b, EVP_PKEY *key)
{
	if (key && b->keys < CRED_IMPORT_MAX && cred_has_private(key) && consistent(key)) {
		b->key[b->keys++] = key;
		return;
	}
	b->undeciphered++;
	EVP_PKEY_free(key);
}

static void take_cert(struct cred_bundle *b, X509 *x)
{
	if (x && b->certs < CRED_IMPORT_MAX)
		b->cert[b->certs++] = x;
	else
		X509_free(x);
}

static void take_crl(struct cred_bundle *b, X509_CRL *c)
{
	if (c && b->crls < CRED_IMPORT_MAX)
		b->crl[b->crls++] = c;
	else
		X509_CRL_free(c);
}

/* One PEM block, given with its armour. */
static void take_block(struct cred_bundle *b, const char *name, const char *text, size_t len, struct ask *a)
{
	BIO *in;

	if (strstr(name, "PRIVATE KEY")) {
		take_key(b, decode(text, len, a));
		return;
	}
	in = BIO_new_mem_buf(text, (int)len);
	if (in && (strcmp(name, "CERTIFICATE") == 0 || strcmp(name, "X509 CERTIFICATE") == 0 ||
		   strcmp(name, "TRUSTED CERTIFICATE") == 0))
		take_cert(b, PEM_read_bio_X509_AUX(in, NULL, NULL, NULL));
	else if (in && strcmp(name, "X509 CRL") == 0)
		take_crl(b, PEM_read_bio_X509_CRL(in, NULL, NULL, NULL));
	BIO_free(in);
}

static void take_pem(struct cred_bundle *b, const char *text, size_t len, struct ask *a)
{
	const char *end = text + len, *at = text;

	while ((at = memmem(at, (size_t)(end - at), "-----BEGIN ", 11))) {
		const char *name = at + 11, *stop = memmem(name, (size_t)(end - name), "-----", 5), *next;
		char word[64];

		if (!stop || (size_t)(stop - name) >= sizeof(word))
			return;
		memcpy(word, name, (size_t)(stop - name));
		word[stop - name] = '\0';
		next = memmem(stop + 5, (size_t)(end - stop - 5), "-----BEGIN ", 11);
		take_block(b, word, at, (size_t)((next ? next : end) - at), a);
		at = stop + 5;
	}
}

static void take_der(struct cred_bundle *b, const char *text, size_t len, struct ask *a)
{
	const unsigned char *at = (const unsigned char *)text;

	take_cert(b, d2i_X509(NULL, &at, (long)len));
	if (b->certs)
		return;
	at = (const unsigned char *)text;
	take_crl(b, d2i_X509_CRL(NULL, &at, (long)len));
	if (!b->crls)
		take_key(b, decode(text, len, a));
}

void cred_import_bundle(struct cred_bundle *b, const char *text, size_t len, cred_ask_fn ask, void *ctx)
{
	struct ask a = {ask, ctx};

	*b = (struct cred_bundle){0};
	if (is_pem(text, len))
		take_pem(b, text, len, &a);
	else
		take_der(b, text, len, &a);
	ERR_clear_error();
}

void cred_bundle_free(struct cred_bundle *b)
{
	for (unsigned i = 0; i < b->certs; i++)
		X509_free(b->cert[i]);
	for (unsigned i = 0; i < b->crls; i++)
		X509_CRL_free(b->crl[i]);
	for (unsigned i = 0; i < b->keys; i++)
		EVP_PKEY_free(b->key[i]);
	*b = (struct cred_bundle){0};
}
