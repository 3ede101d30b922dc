/* SPDX-License-Identifier: BSD-2-Clause */
/* Identities against certificates (spec section 23.2; RFC 4945 §3, §5.1.2). */
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "ike/cred/cred_priv.h"

int cred_is_sequence(struct bytes b)
{
	struct rd r = rd_of(b);
	unsigned first, count;
	size_t len;

	if (rd_u8(&r) != 0x30)
		return 0;
	first = rd_u8(&r);
	len = first;
	if (first & 0x80) {
		count = first & 0x7f;
		if (count < 1 || count > 3)
			return 0;
		for (len = 0; count; count--)
			len = len << 8 | rd_u8(&r);
	}
	return !r.err && len && rd_left(&r) == len;
}

X509 *cred_x509(struct bytes der)
{
	const unsigned char *p = der.p;
	X509 *x;

	if (der.len > CRED_CERT_MAX || !cred_is_sequence(der))
		return NULL;
	x = d2i_X509(NULL, &p, (long)der.len);
	if (x && p != der.p + der.len) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static int same(const ASN1_STRING *s, struct bytes b)
{
	return s && (size_t)ASN1_STRING_length(s) == b.len && memcmp(ASN1_STRING_get0_data(s), b.p, b.len) == 0;
}

/* Host names have no case; of a mailbox only what is behind the @ (RFC 5280 §4.2.1.6, §7.5). */
static int same_name(const ASN1_STRING *s, struct bytes b, int mailbox)
{
	const unsigned char *n = ASN1_STRING_get0_data(s);
	int exact = mailbox;

	if (!b.len || (size_t)ASN1_STRING_length(s) != b.len)
		return 0;
	for (size_t i = 0; i < b.len; i++) {
		if (n[i] != b.p[i] && (exact || tolower(n[i]) != tolower(b.p[i])))
			return 0;
		exact &= n[i] != '@';
	}
	return 1;
}

static int alt_name_fits(const GENERAL_NAME *g, const struct msg_id *id)
{
	switch (id->type) {
	case IPSEC_ID_IPV4:
	case IPSEC_ID_IPV6:
		return g->type == GEN_IPADD && same(g->d.iPAddress, id->data);
	case IPSEC_ID_FQDN:
		return g->type == GEN_DNS && same_name(g->d.dNSName, id->data, 0);
	default:
		return g->type == GEN_EMAIL && same_name(g->d.rfc822Name, id->data, 1);
	}
}

static int in_alt_names(X509 *x, const struct msg_id *id)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int fits = 0;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
		fits |= alt_name_fits(sk_GENERAL_NAME_value(names, i), id);
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return fits;
}

static int is_subject(X509 *x, struct bytes dn)
{
	const unsigned char *p;
	size_t len;

	return X509_NAME_get0_der(X509_get_subject_name(x), &p, &len) && len == dn.len && memcmp(p, dn.p, len) == 0;
}

/* Spec 23.2: RouterOS 5 peers send their address and have certificates without it. */
static int is_address_of(const struct msg_id *id, const struct ike_addr *a)
{
	if (!a || id->data.len != (id->type == IPSEC_ID_IPV4 ? 4u : 16u))
		return 0;
	return a->family == (id->type == IPSEC_ID_IPV4 ? XI_IP4 : XI_IP6) &&
	       memcmp(&a->addr, id->data.p, id->data.len) == 0;
}

/* Static text of why not; NULL: it fits. */
static const char *misfit(X509 *x, const struct msg_id *id, const struct ike_addr *addr, int pinned)
{
	switch (id->type) {
	case IPSEC_ID_DER_ASN1_DN:
		return is_subject(x, id->data) ? NULL : "the name is not the certificate's subject";
	case IPSEC_ID_IPV4:
	case IPSEC_ID_IPV6:
		if (in_alt_names(x, id) || (pinned && is_address_of(id, addr)))
			return NULL;
		return "the address is not in the certificate's subjectAltName";
	case IPSEC_ID_FQDN:
		return in_alt_names(x, id) ? NULL : "the host name is not in the certificate's subjectAltName";
	case IPSEC_ID_USER_FQDN:
		return in_alt_names(x, id) ? NULL : "the mailbox is not in the certificate's subjectAltName";
	default:
		return "an identity of this type cannot be in a certificate";
	}
}

int cred_id_fits(struct bytes cert, const struct msg_id *id, const struct ike_addr *addr, int pinned, struct err *why)
{
	X509 *x = cred_x509(cert);
	const char *text = x ? misfit(x, id, addr, pinned) : "the certificate cannot be read";

	X509_free(x);
	return text ? err_set(why, -EKEYREJECTED, "%s", text) : 0;
}

/* DER of x, if it is the one with that identity: its length, else negative. */
static int pick_one(X509 *x, const struct msg_id *id, uint8_t *out, size_t max)
{
	int len = i2d_X509(x, NULL);
	uint8_t *at = out;

	if (len <= 0 || (size_t)len > max || len > CRED_CERT_MAX || misfit(x, id, NULL, 0))
		return -ENOENT;
	return i2d_X509(x, &at);
}

PKCS7 *cred_pkcs7(struct bytes bundle, STACK_OF(X509) * *certs)
{
	const unsigned char *at = bundle.p;
	PKCS7 *p7;

	*certs = NULL;
	if (bundle.len > CRED_BUNDLE_MAX || !cred_is_sequence(bundle))
		return NULL;
	p7 = d2i_PKCS7(NULL, &at, (long)bundle.len);
	if (p7 && PKCS7_type_is_signed(p7) && p7->d.sign)
		*certs = p7->d.sign->cert;
	return p7;
}

int cred_pkcs7_pick(struct bytes bundle, const struct msg_id *id, uint8_t *out, size_t max)
{
	STACK_OF(X509) * certs;
	PKCS7 *p7 = cred_pkcs7(bundle, &certs);
	int rc = -ENOENT;

	for (int i = 0; rc < 0 && i < sk_X509_num(certs) && i < CRED_BUNDLE_CERTS; i++)
		rc = pick_one(sk_X509_value(certs, i), id, out, max);
	PKCS7_free(p7);
	ERR_clear_error();
	return rc;
}
