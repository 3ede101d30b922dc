/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is it? Keys, HASH and SIG of phase 1, certificates (RFC 2409 §5; spec sections 16.4, 16.6, 23). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/phase1.h"

/* A signature under way: the engine's ike_sign stands first. */
struct p1_sign {
	struct ike_sign sign;
	struct ike *ike;
	struct ike1 *sa; /* NULL: it is gone */
	uint8_t stranger;
};

int p1_keys(struct ike1 *sa)
{
	const struct hash *h = sa->terms.hash;
	struct ike1_inputs in;
	int rc;

	p1_inputs(sa, &in);
	if (sa->peer->auth == IKE_AUTH_PSK)
		rc = ike1_skeyid_psk(h, (struct bytes){sa->peer->psk, sa->peer->psk_len}, &in, &sa->k);
	else
		rc = ike1_skeyid_sig(h, &in, &sa->k);
	if (!rc)
		rc = ike1_skeyid_rest(h, &in, &sa->k);
	if (!rc)
		rc = ike1_cipher_key(h, &sa->k, sa->key, sa->terms.key_len);
	if (!rc)
		rc = ike1_iv_phase1(h, &in, sa->iv, sa->terms.cipher->block);
	if (!rc)
		sa->keyed = 1;
	return rc;
}

/* HASH_I or HASH_R; other: of the order of nonces that racoon has in base mode (spec 16.4). */
static int hash_of_side(const struct ike1 *sa, int of_initiator, int other, uint8_t *out)
{
	const struct hash *h = sa->terms.hash;
	struct ike1_inputs in;

	p1_inputs(sa, &in);
	if (sa->mode == ISAKMP_X_BASE && sa->peer->auth != IKE_AUTH_PSK)
		return of_initiator ? ike1_base_sig_hash_i(h, &in, other, out) : ike1_base_sig_hash_r(h, &in, out);
	if (sa->mode == ISAKMP_X_BASE && of_initiator)
		return ike1_base_hash_i(h, &sa->k, &in, out);
	return of_initiator ? ike1_hash_i(h, &sa->k, &in, out) : ike1_hash_r(h, &sa->k, &in, out);
}

/* --- ours --- */

static void signed_(struct ike_sign *s)
{
	struct p1_sign *ps = (struct p1_sign *)s;
	struct ike1 *sa = ps->sa;
	int rc = s->rc;

	if (ps->stranger)
		ps->ike->stranger_jobs--;
	if (sa) {
		sa->hs->sign = NULL;
		sa->hs->busy = 0;
		if (!rc)
			rc = blob_set(&sa->hs->sig, (struct bytes){s->sig, s->sig_len});
	}
	OPENSSL_cleanse(ps, sizeof(*ps));
	free(ps);
	if (!sa)
		return;
	if (rc)
		p1_fatal(sa,
			 "there is no signature: has the item of the peer a certificate or key with a private part?");
	else
		sa->hs->next(sa);
}

static int sign(struct ike1 *sa, const uint8_t *hash, void (*next)(struct ike1 *sa))
{
	const struct ike_peer *p = sa->peer;
	int cert = p->auth == IKE_AUTH_RSA_SIGNATURE;
	struct p1_sign *ps = calloc(1, sizeof(*ps));

	if (!ps)
		return -ENOMEM;
	ps->ike = sa->ike;
	ps->sa = sa;
	ps->stranger = !sa->initiator && !sa->hs->proven;
	if (ps->stranger)
		sa->ike->stranger_jobs++; /* p1_dh() has looked: as many as there were jobs */
	ps->sign.of_cert = (uint8_t)cert;
	(void)str_copy(ps->sign.name, sizeof(ps->sign.name), cert ? p->certificate : p->key);
	memcpy(ps->sign.text, hash, sa->terms.hash->len);
	ps->sign.text_len = sa->terms.hash->len;
	ps->sign.done = signed_;
	sa->hs->sign = ps;
	sa->hs->busy = 1;
	sa->hs->next = next;
	sa->ike->env->sign(sa->ike->env->ctx, &ps->sign);
	return 0;
}

int p1_prove(struct ike1 *sa, void (*next)(struct ike1 *sa))
{
	uint8_t hash[HASH_MAX];
	int rc = hash_of_side(sa, sa->initiator, 1, hash);

	if (!rc && sa->peer->auth != IKE_AUTH_PSK)
		return sign(sa, hash, next);
	if (!rc)
		rc = blob_set(&sa->hs->sig, (struct bytes){hash, sa->terms.hash->len});
	if (!rc)
		next(sa);
	return rc;
}

void p1_put_proof(struct ike1 *sa, struct msg_wr *w)
{
	const struct ike_peer *p = sa->peer;

	if (p->auth == IKE_AUTH_RSA_SIGNATURE) {
		struct msg_cert c = {.encoding = ISAKMP_CERT_X509_SIG,
				     .data = cred_cert(sa->ike->conf->cred, p->certificate)};

		msg_wr_cert(w, ISAKMP_P_CERT, &c);
		for (unsigned i = 0; (c.data = cred_link(sa->ike->conf->cred, p->certificate, i)).len; i++)
			msg_wr_cert(w, ISAKMP_P_CERT, &c);
	}
	msg_wr_raw(w, p->auth == IKE_AUTH_PSK ? ISAKMP_P_HASH : ISAKMP_P_SIG, blob_bytes(&sa->hs->sig));
}

void p1_sign_abandon(struct ike1 *sa)
{
	if (sa->hs && sa->hs->sign)
		sa->hs->sign->sa = NULL;
}

/* --- the peer's --- */

static int sig_fits(struct ike1 *sa, EVP_PKEY *key, const uint8_t *hash)
{
	return key && !cred_verify(key, (struct bytes){hash, sa->terms.hash->len}, blob_bytes(&sa->hs->proof));
}

/* Base mode: the order of nonces of the text is accepted as well as racoon's. */
static int sig_good(struct ike1 *sa, EVP_PKEY *key)
{
	uint8_t hash[HASH_MAX];

	for (int other = 1; other >= 0; other--) {
		if (hash_of_side(sa, !sa->initiator, other, hash))
			return 0;
		if (sig_fits(sa, key, hash))
			return 1;
		if (sa->mode != ISAKMP_X_BASE || sa->initiator)
			return 0;
	}
	return 0;
}

static int verify_certificate(struct ike1 *sa)
{
	const struct cred *store = sa->ike->conf->cred;
	const char *pinned = sa->peer->remote_certificate;
	struct bytes crl[P1_CRLS_MAX], link[P1_LINKS_MAX], cert;
	struct cred_sent sent = {crl, link, sa->hs->n_crls, sa->hs->n_links};
	struct msg_id id;
	EVP_PKEY *pub = NULL;
	struct err why;
	int good;

	if (p1_peer_id(sa, &id))
		return p1_fail(sa, ISAKMP_N_INVALID_ID_INFORMATION, "the identity is too short"), -EBADMSG;
	for (unsigned i = 0; i < sa->hs->n_crls; i++)
		crl[i] = blob_bytes(&sa->hs->crl[i]);
	for (unsigned i = 0; i < sa->hs->n_links; i++)
		link[i] = blob_bytes(&sa->hs->link[i]);
	cert = pinned[0] ? cred_cert(store, pinned) : blob_bytes(&sa->hs->cert);
	if (!cert.len)
		return p1_fail(sa, ISAKMP_N_INVALID_CERT_AUTHORITY,
			       pinned[0] ? "there is no certificate \"%s\" (change remote-certificate of the peer item)"
					 : "the peer sent no certificate%s (change certificate of the peer item "
					   "there, or "
					   "remote-certificate here)",
			       pinned[0]	 ? pinned
			       : sa->hs->no_cert ? sa->hs->no_cert
						 : ""),
		       -EKEYREJECTED;
	/* Whoever has its key may have it because it was given up. */
	if (pinned[0] && cred_valid(store, pinned, sa->ike->env->wall(sa->ike->env->ctx), &why))
		return p1_fail(sa, ISAKMP_N_INVALID_CERTIFICATE,
			       "remote-certificate \"%s\": %s (change remote-certificate of the peer item)", pinned,
			       why.text),
		       -EKEYREJECTED;
	if (!pinned[0] && cred_judge(store, cert, &sent, sa->ike->env->wall(sa->ike->env->ctx), &pub, &why))
		return p1_fail(sa, ISAKMP_N_INVALID_CERT_AUTHORITY,
			       "the certificate of \"%s\": %s (change certificate of the peer item there; what counts "
			       "here: the clock, authorities with trusted=yes and revocation lists of the certificate "
			       "store)",
			       sa->id, why.text),
		       -EKEYREJECTED;
	if (cred_id_fits(cert, &id, &sa->path.remote.a, pinned[0] != 0, &why)) {
		EVP_PKEY_free(pub);
		return p1_fail(sa, ISAKMP_N_INVALID_ID_INFORMATION, "the peer is \"%s\", but %s (change %s)", sa->id,
			       why.text,
			       pinned[0] ? "remote-certificate of the peer item"
					 : "the peer's identity, my-id-user-fqdn, or its certificate"),
		       -EKEYREJECTED;
	}
	good = sig_good(sa, pinned[0] ? cred_cert_key(store, pinned) : pub);
	EVP_PKEY_free(pub);
	if (!good)
		return p1_fail(sa, ISAKMP_N_INVALID_SIGNATURE,
			       "the signature does not fit the certificate of \"%s\"%s%s%s (change %s)", sa->id,
			       pinned[0] ? ", which is \"" : "", pinned, pinned[0] ? "\"" : "",
			       pinned[0] ? "remote-certificate of the peer item here, or certificate there"
					 : "certificate of the peer item there: its private key is another one"),
		       -EKEYREJECTED;
	return 0;
}

/* Spec 23.3: remote-key, or each public key until one fits. */
static int verify_key(struct ike1 *sa)
{
	const struct cred *store = sa->ike->conf->cred;
	const char *name = sa->peer->remote_key;
	EVP_PKEY *key;

	if (name[0]) {
		if (sig_good(sa, cred_key(store, name)))
			return 0;
	} else {
		for (unsigned i = 0; (key = cred_key_at(store, i, &name)); i++)
			if (sig_good(sa, key)) {
				ike_log(sa->ike, LOG_L_INFO, "the signature is that of key \"%s\"", name);
				return 0;
			}
	}
	return p1_fail(sa, ISAKMP_N_INVALID_SIGNATURE,
		       "%s%s%s the signature (change remote-key of the peer item, or key there)",
		       sa->peer->remote_key[0] ? "remote-key \"" : "no public key of ours fits", sa->peer->remote_key,
		       sa->peer->remote_key[0] ? "\" does not fit" : ""),
	       -EKEYREJECTED;
}

/* Spec 16.5: with a PSK plain main mode takes addresses only. */
static int id_type_may(const struct ike1 *sa)
{
	struct msg_id id;

	if (p1_peer_id(sa, &id))
		return 0;
	return sa->peer->auth != IKE_AUTH_PSK || sa->peer->mode != IKE_MODE_MAIN || id.type == IPSEC_ID_IPV4 ||
	       id.type == IPSEC_ID_IPV6;
}

/* Spec 16.8: what is odd about an identity is said, nothing more. */
static void remark_id(struct ike1 *sa)
{
	char who[128];
	struct msg_id id;
	int subnet;

	if (p1_peer_id(sa, &id))
		return;
	subnet = id.type == IPSEC_ID_IPV4_SUBNET || id.type == IPSEC_ID_IPV6_SUBNET || id.type == IPSEC_ID_IPV4_RANGE ||
		 id.type == IPSEC_ID_IPV6_RANGE;
	if (subnet)
		ike_log(sa->ike, LOG_L_INFO, "phase 1 with %s: the peer's identity is a subnet or a range",
			p1_who(sa, who, sizeof(who)));
	if ((id.type != IPSEC_ID_IPV4 && id.type != IPSEC_ID_IPV6) || (!id.protocol && !id.port) ||
	    (id.protocol == IPPROTO_UDP && (id.port == IKE_PORT || id.port == sa->hs->from.remote.port)))
		return;
	ike_log(sa->ike, LOG_L_INFO,
		"phase 1 with %s: the peer's identity has protocol %u and port %u, which are not those of IKE",
		p1_who(sa, who, sizeof(who)), id.protocol, id.port);
}

static int verify(struct ike1 *sa)
{
	uint8_t hash[HASH_MAX];
	unsigned len = sa->terms.hash->len;

	if (sa->peer->auth == IKE_AUTH_PSK) {
		/* the HASH comes first: what is not proven is not judged */
		if (hash_of_side(sa, !sa->initiator, 0, hash) || sa->hs->proof.len != len ||
		    CRYPTO_memcmp(hash, sa->hs->proof.p, len)) {
			sa->ike->count[IKE_COUNT_BAD_HASH]++;
			p1_fail(sa, ISAKMP_N_INVALID_HASH_INFORMATION,
				"HASH mismatched: the secrets may differ (change secret of the peer item, here or "
				"there)");
			return -EKEYREJECTED;
		}
		if (!id_type_may(sa)) {
			p1_fail(sa, ISAKMP_N_INVALID_ID_INFORMATION,
				"the peer's identity \"%s\" is no address; exchange-mode=main-l2tp takes any with a "
				"pre-shared key (change exchange-mode on both sides, or my-id-user-fqdn there)",
				sa->id);
			return -EKEYREJECTED;
		}
		return 0;
	}
	if ((sa->peer->auth == IKE_AUTH_RSA_SIGNATURE ? verify_certificate(sa) : verify_key(sa)) == 0)
		return 0;
	sa->ike->count[IKE_COUNT_BAD_HASH]++;
	return -EKEYREJECTED;
}

int p1_verify(struct ike1 *sa)
{
	int rc = verify(sa);

	if (!rc)
		remark_id(sa);
	return rc;
}

/* --- what the peer says of ours --- */

static const char *own_certificate_text(const struct ike1 *sa, char *buf, size_t size)
{
	const char *name = sa->peer->certificate;
	struct err why = {0};

	if (!cred_valid(sa->ike->conf->cred, name, sa->ike->env->wall(sa->ike->env->ctx), &why))
		why.text[0] = '\0';
	(void)snprintf(buf, size, "%s%s%s (change certificate of the peer item, or what is trusted there)", name,
		       why.text[0] ? ": " : "", why.text);
	return buf;
}

const char *p1_refused_text(const struct ike1 *sa, unsigned notify, char *buf, size_t size)
{
	int psk = sa->peer->auth == IKE_AUTH_PSK, rsa_key = sa->peer->auth == IKE_AUTH_RSA_KEY;
	char own[256];

	switch (notify) {
	case ISAKMP_N_INVALID_ID_INFORMATION:
		return ": our identity is not accepted (change my-id-user-fqdn or exchange-mode of the peer item)";
	case ISAKMP_N_INVALID_CERTIFICATE:
	case ISAKMP_N_INVALID_CERT_AUTHORITY:
	case ISAKMP_N_INVALID_SIGNATURE:
	case ISAKMP_N_INVALID_HASH_INFORMATION:
	case ISAKMP_N_AUTHENTICATION_FAILED:
		break;
	default:
		return "";
	}
	if (psk)
		return ": the secrets may differ (change secret of the peer item, here or there)";
	if (rsa_key)
		return ": our key is not accepted (change key of the peer item, or remote-key there)";
	(void)snprintf(buf, size, ": our certificate is not accepted, %s", own_certificate_text(sa, own, sizeof(own)));
	return buf;
}
