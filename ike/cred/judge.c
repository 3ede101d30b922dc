/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer's certificate (spec section 23.2; RFC 5280 §6; RFC 4945 §5.1). Decisions: every trusted CA certificate of the store is an anchor,
 * root or not; certificates without basicConstraints CA never are one. SHA-1 signatures are taken, since the peers this gateway stands
 * in for make no others; MD5 and older are refused. Extended key usage is not looked at (RFC 4945 §5.1.3.12). A CRL that is out of
 * date refuses what its CA issued; without any CRL of a CA nothing is revoked.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "ike/cred/cred_priv.h"

static X509_CRL *crl_of(struct bytes der)
{
	const unsigned char *p = der.p;

	return der.len <= CRED_BUNDLE_MAX && cred_is_sequence(der) ? d2i_X509_CRL(NULL, &p, (long)der.len) : NULL;
}

/* Is it of a CA of the store? Anything else from a peer is not looked at. */
static bool crl_is_ours(const struct cred *c, X509_CRL *crl)
{
	for (unsigned i = 0; c && i < c->cert.count; i++) {
		const struct cred_file *f = &c->cert.item[i];

		if (f->cert && X509_check_ca(f->cert) == 1 &&
		    X509_NAME_cmp(X509_get_subject_name(f->cert), X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, f->pub) > 0)
			return true;
	}
	return false;
}

/*
 * Anchors and CRLs for one judgement. The peer's CRLs stand beside those of the store, so that the newest of a CA counts: a peer that was
 * revoked cannot bring an older one to the front.
 */
static X509_STORE *anchors(const struct cred *c, const struct cred_sent *sent)
{
	X509_STORE *s = X509_STORE_new();
	bool ok = s != NULL;

	for (unsigned i = 0; ok && c && i < c->cert.count; i++) {
		const struct cred_file *f = &c->cert.item[i];

		if (f->crl)
			ok = X509_STORE_add_crl(s, f->crl);
		else if (f->trusted && X509_check_ca(f->cert) == 1)
			ok = X509_STORE_add_cert(s, f->cert);
	}
	for (unsigned i = 0; ok && sent && i < sent->n_crls && i < CRED_CRLS_MAX; i++) {
		X509_CRL *crl = crl_of(sent->crls[i]);

		if (crl && crl_is_ours(c, crl))
			ok = X509_STORE_add_crl(s, crl);
		X509_CRL_free(crl);
	}
	if (ok)
		return s;
	X509_STORE_free(s);
	return NULL;
}

/*
 * A CA without CRL is no error. The anchor is trusted for itself: when it is not a root, the CRL of who issued it cannot be verified
 * here; it counts as it stands in the store.
 */
static int on_error(int ok, X509_STORE_CTX *ctx)
{
	int error = X509_STORE_CTX_get_error(ctx), top = sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;

	if (ok || error == X509_V_ERR_UNABLE_TO_GET_CRL)
		return 1;
	return X509_STORE_CTX_get_error_depth(ctx) == top &&
	       (error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER || error == X509_V_ERR_CRL_SIGNATURE_FAILURE);
}

static const char *weak_signature(X509 *x)
{
	int md = NID_undef, bits = 0;

	if (!X509_get_signature_info(x, &md, NULL, &bits, NULL))
		return "signed with an unknown algorithm";
	return md == NID_md5 || md == NID_md4 || md == NID_md2 || md == NID_mdc2 ? "signed with MD5 or older" : NULL;
}

/* Rules beyond those of OpenSSL, for a chain that it found sound. */
static const char *chain_refused(STACK_OF(X509) * chain)
{
	int n = sk_X509_num(chain);
	const char *why = NULL;

	for (int i = 0; i < n && !why; i++) {
		X509 *x = sk_X509_value(chain, i);

		/* the last one is trusted for itself, not for its signature */
		why = i + 1 < n ? weak_signature(x) : NULL;
		if (!why && i && X509_check_ca(x) != 1)
			why = "issued by a certificate that is no CA";
		if (!why && i)
			why = cred_key_refused(X509_get0_pubkey(x));
	}
	return why;
}

/* What the certificate itself must be. */
static const char *leaf_refused(X509 *x)
{
	uint32_t usage = X509_get_key_usage(x); /* all bits when the extension is not there */
	const char *why = cred_key_refused(X509_get0_pubkey(x));

	if (why)
		return why;
	/* RFC 4945 §5.1.3.2 */
	if (!(usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return "its key usage has no digitalSignature";
	return NULL;
}

static bool add(STACK_OF(X509) * to, X509 *x)
{
	if (!X509_up_ref(x))
		return false;
	if (sk_X509_push(to, x))
		return true;
	X509_free(x);
	return false;
}

static bool add_sent(STACK_OF(X509) * to, struct bytes der)
{
	X509 *x = cred_x509(der);
	STACK_OF(X509) *certs = NULL;
	PKCS7 *p7 = x ? NULL : cred_pkcs7(der, &certs);
	bool ok = !x || add(to, x);

	for (int i = 0; ok && i < sk_X509_num(certs) && i < CRED_BUNDLE_CERTS; i++)
		ok = add(to, sk_X509_value(certs, i));
	X509_free(x);
	PKCS7_free(p7);
	return ok;
}

/* What a chain may be made of: CAs of the store that are not trusted themselves, and what the peer sent. NULL: out of memory. */
static STACK_OF(X509) * links(const struct cred *c, const struct cred_sent *sent)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	bool ok = all != NULL;

	for (int i = 0; ok && c && i < sk_X509_num(c->chain); i++)
		ok = add(all, sk_X509_value(c->chain, i));
	for (unsigned i = 0; ok && sent && i < sent->n_links && i < CRED_LINKS_MAX; i++)
		ok = add_sent(all, sent->links[i]);
	if (ok)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

static int verify_chain(STACK_OF(X509) * links, X509_STORE *store, X509 *x, int64_t wall, struct err *why)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *p;
	const char *text = NULL;
	int rc = 0;

	if (!ctx || !links || !X509_STORE_CTX_init(ctx, store, x, links)) {
		X509_STORE_CTX_free(ctx);
		return err_set(why, -ENOMEM, "out of memory");
	}
	p = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(p, (time_t)wall);
	X509_VERIFY_PARAM_set_depth(p, CRED_DEPTH_MAX);
	(void)X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_CRL_CHECK |
						     X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	if (X509_verify_cert(ctx) <= 0)
		text = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	else
		text = chain_refused(X509_STORE_CTX_get0_chain(ctx));
	if (text)
		rc = err_set(why, -EKEYREJECTED, "%s", text);
	X509_STORE_CTX_free(ctx);
	return rc;
}

int cred_judge(const struct cred *c, struct bytes cert, const struct cred_sent *sent, int64_t wall, EVP_PKEY **pub,
	       struct err *why)
{
	X509 *x = cred_x509(cert);
	STACK_OF(X509) *chain = NULL;
	X509_STORE *store = NULL;
	const char *text = x ? leaf_refused(x) : "it cannot be read";
	int rc;

	*pub = NULL;
	if (text) {
		X509_free(x);
		ERR_clear_error();
		return err_set(why, -EKEYREJECTED, "%s", text);
	}
	store = anchors(c, sent);
	chain = links(c, sent);
	rc = store ? verify_chain(chain, store, x, wall, why) : err_set(why, -ENOMEM, "out of memory");
	if (!rc) {
		*pub = X509_get_pubkey(x);
		rc = *pub ? 0 : err_set(why, -ENOMEM, "out of memory");
	}
	sk_X509_pop_free(chain, X509_free);
	X509_STORE_free(store);
	X509_free(x);
	ERR_clear_error();
	return rc;
}

int cred_valid(const struct cred *c, const char *name, int64_t wall, struct err *why)
{
	const struct cred_file *f = c ? cred_list_find(&c->cert, name) : NULL;
	time_t at = (time_t)wall;
	const char *text = NULL;

	if (!f || !f->cert)
		return err_set(why, -ENOENT, "there is no such certificate");
	/* 0: the field cannot be read */
	if (X509_cmp_time(X509_get0_notBefore(f->cert), &at) >= 0)
		text = "certificate is not yet valid";
	else if (X509_cmp_time(X509_get0_notAfter(f->cert), &at) <= 0)
		text = "certificate has expired";
	ERR_clear_error();
	return text ? err_set(why, -EKEYREJECTED, "%s", text) : 0;
}
