/* SPDX-License-Identifier: BSD-2-Clause */
/* Payloads of phase 1, out and in (spec sections 16.1 to 16.4, 16.8, 21, 24.3). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "ike/v1/phase1.h"

#define CAPABILITY_MAIN 0x80000000u /* spec section 25; main and aggressive mode */
#define CAPABILITY_BASE 0x40000000u
#define GENERIC ISAKMP_GENERIC_LEN

/* --- bytes of our own --- */

void blob_wipe(struct blob *b)
{
	OPENSSL_clear_free(b->p, b->len);
	*b = (struct blob){0};
}

uint8_t *blob_room(struct blob *b, size_t len)
{
	blob_wipe(b);
	b->p = calloc(1, len ? len : 1);
	b->len = b->p ? len : 0;
	return b->p;
}

int blob_set(struct blob *b, struct bytes from)
{
	if (!blob_room(b, from.len))
		return -ENOMEM;
	if (from.len)
		memcpy(b->p, from.p, from.len);
	return 0;
}

/* --- terms --- */

void p1_own_terms(const struct ike_peer *p, struct neg1_terms *t)
{
	*t = (struct neg1_terms){
		.cipher = p->cipher->ike1,
		.hash = p->hash->ike1,
		.key_bits = p->cipher_bits,
		.auth = p->auth == IKE_AUTH_PSK ? IKE1_AUTH_PSK : IKE1_AUTH_RSA_SIG,
		.group = p->group->id,
		.life_s = p->lifetime_s,
		.life_bytes = p->lifebytes,
	};
}

int p1_set_terms(struct ike1 *sa, const struct neg1_terms *t)
{
	unsigned key_len = 0;

	sa->terms = (struct ike1_terms){
		.hash = hash_by_ike1(t->hash),
		.cipher = cipher_by_ike1(t->cipher, t->key_bits, &key_len),
		.group = group_by_id(t->group),
		.auth = t->auth,
		.life_s = t->life_s,
		.life_bytes = t->life_bytes,
	};
	sa->terms.key_len = (uint16_t)key_len;
	return sa->terms.hash && sa->terms.cipher && sa->terms.group ? 0 : -EINVAL;
}

static void report(struct ike1 *sa, const struct neg1_report *r)
{
	char a[128], own[128];

	sa->ike->count[IKE_COUNT_NO_PROPOSAL]++;
	if (sa->hs->told || (!sa->initiator && !ike_may_say(sa->ike, &sa->path.remote.a)))
		return;
	sa->hs->told = 1;
	ike_log(sa->ike, LOG_L_ERROR,
		"no suitable proposal found. phase 1 with %s: we have %s, offered was %s; differs: %s%s%s%s",
		p1_who(sa, a, sizeof(a)), neg1_text(&sa->hs->own, own, sizeof(own)), r->offered, r->differs,
		r->setting ? " (change " : "", r->setting ? r->setting : "",
		r->setting ? " of the peer item, here or there)" : "");
}

void p1_put_sa(const struct ike1 *sa, struct msg_wr *w)
{
	neg1_write(w, &sa->hs->own);
}

int p1_answer_sa(struct ike1 *sa, const struct msg *m)
{
	const struct msg_payload *p = msg_find(m, ISAKMP_P_SA, 0);
	struct neg1_terms use;
	struct neg1_report r;

	if (neg1_check_answer(m, &p->sa, sa->peer->check, &sa->hs->own, &use, &r)) {
		report(sa, &r);
		p1_fail(sa, ISAKMP_N_NO_PROPOSAL_CHOSEN, "the answer is not what was offered");
		return -EINVAL;
	}
	return p1_set_terms(sa, &use);
}

int p1_respond(struct ike1 *sa, const struct msg *m)
{
	const struct msg_payload *p = msg_find(m, ISAKMP_P_SA, 0);
	struct neg1_terms use;
	struct neg1_report r;
	unsigned transform;

	if (p->body.len > P1_SA_BODY_MAX)
		return -EMSGSIZE;
	if (neg1_choose(m, &p->sa, sa->peer->check, &sa->hs->own, &transform, &use, &r)) {
		report(sa, &r);
		return -ENOENT;
	}
	if (p1_set_terms(sa, &use) || blob_set(&sa->hs->sai, p->body))
		return -ENOMEM;
	sa->hs->transform = transform;
	return 0;
}

static int keep_first(struct ike1 *sa, struct blob *to)
{
	const uint8_t *first = sa->ike->out + ISAKMP_HDR_LEN; /* not encrypted */
	size_t len = (size_t)(first[2] << 8 | first[3]);

	return blob_set(to, (struct bytes){first + GENERIC, len - GENERIC});
}

int p1_keep_sai(struct ike1 *sa)
{
	return keep_first(sa, &sa->hs->sai);
}

int p1_keep_answer(struct ike1 *sa, const struct msg *m)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 0);
	neg1_answer(&w, m, &msg_find(m, ISAKMP_P_SA, 0)->sa, sa->hs->transform);
	return msg_wr_end(&w) < 0 ? -EMSGSIZE : keep_first(sa, &sa->hs->answer);
}

/* --- what is computed over --- */

void p1_inputs(const struct ike1 *sa, struct ike1_inputs *in)
{
	const struct ike1_handshake *hs = sa->hs;

	*in = (struct ike1_inputs){
		.icookie = {sa->icookie, 8},
		.rcookie = {sa->rcookie, 8},
		.ni = blob_bytes(&hs->ni),
		.nr = blob_bytes(&hs->nr),
		.gxi = blob_bytes(&hs->gxi),
		.gxr = blob_bytes(&hs->gxr),
		.gxy = blob_bytes(&hs->gxy),
		.sai = blob_bytes(&hs->sai),
		.idii = blob_bytes(&hs->idi),
		.idir = blob_bytes(&hs->idr),
	};
}

int p1_nonce(struct ike1 *sa)
{
	struct blob *b = sa->initiator ? &sa->hs->ni : &sa->hs->nr;

	if (!blob_room(b, P1_NONCE_LEN))
		return -ENOMEM;
	return sa->ike->env->random(sa->ike->env->ctx, b->p, b->len);
}

/* Spec 16.8, 23.2: my-id-user-fqdn, the subject of the certificate, or our address. */
int p1_own_id(struct ike1 *sa)
{
	const struct ike_peer *p = sa->peer;
	struct bytes data = {(const uint8_t *)p->my_id, strlen(p->my_id)};
	uint8_t head[4] = {IPSEC_ID_USER_FQDN};
	struct blob *b = sa->initiator ? &sa->hs->idi : &sa->hs->idr;

	if (!data.len && p->auth == IKE_AUTH_RSA_SIGNATURE) {
		data = cred_subject(sa->ike->conf->cred, p->certificate);
		head[0] = IPSEC_ID_DER_ASN1_DN;
		if (!data.len)
			return -ENOENT;
	} else if (!data.len) {
		data = ike_addr_bytes(&sa->path.local.a);
		head[0] = sa->path.local.a.family == XI_IP4 ? IPSEC_ID_IPV4 : IPSEC_ID_IPV6;
		head[1] = IPPROTO_UDP;
		head[2] = IKE_PORT >> 8;
		head[3] = IKE_PORT & 0xff;
	}
	if (!blob_room(b, sizeof(head) + data.len))
		return -ENOMEM;
	memcpy(b->p, head, sizeof(head));
	memcpy(b->p + sizeof(head), data.p, data.len);
	return 0;
}

/* --- writing --- */

void p1_msg_begin(struct ike1 *sa, struct msg_wr *w, int encrypted)
{
	struct msg_hdr h = {
		.version = ISAKMP_VERSION_1, .exchange = sa->mode, .flags = encrypted ? ISAKMP_F_ENCRYPTED : 0};

	memcpy(h.icookie, sa->icookie, 8);
	memcpy(h.rcookie, sa->rcookie, 8);
	msg_wr_begin(w, sa->ike->out, sizeof(sa->ike->out), &h);
}

int p1_msg_send(struct ike1 *sa, struct msg_wr *w, int encrypted, int expect_answer)
{
	int rc;

	sa->retry.gave_up = expect_answer ? ike1_gave_up : NULL;
	rc = ike1_send(sa, w, sa->iv, encrypted, &sa->retry);
	if (!rc)
		memcpy(sa->retry.digest, sa->hs->digest, sizeof(sa->retry.digest));
	return rc;
}

static enum msg_vid natt_vid(const struct ike1 *sa)
{
	static const enum msg_vid vid[] = {
		[IKE1_NATT_RFC] = MSG_VID_NAT_T_RFC3947,
		[IKE1_NATT_03] = MSG_VID_NAT_T_03,
		[IKE1_NATT_02N] = MSG_VID_NAT_T_02N,
		[IKE1_NATT_02] = MSG_VID_NAT_T_02,
	};

	return vid[sa->natt];
}

static uint32_t frag_capability(const struct ike1 *sa)
{
	return sa->mode == ISAKMP_X_BASE ? CAPABILITY_BASE : CAPABILITY_MAIN;
}

/* Spec section 25: the vendor ID says for which exchanges; one without that word says it for none. */
static int takes_fragments(const struct ike1 *sa, struct bytes vid)
{
	size_t at = msg_vid_bytes(MSG_VID_FRAGMENTATION).len;
	uint32_t cap;

	if (vid.len < at + sizeof(cap))
		return 0;
	memcpy(&cap, vid.p + at, sizeof(cap));
	return (ntohl(cap) & frag_capability(sa)) != 0;
}

/* There is no later message for it, and the peer could not work without: NAT-T it would not do, DPD not begin, its certificates not get through. */
static int must_have(const struct ike1 *sa, enum msg_vid v)
{
	return !sa->initiator && sa->mode == ISAKMP_X_AGGRESSIVE &&
	       (v != MSG_VID_FRAGMENTATION || sa->peer->auth == IKE_AUTH_RSA_SIGNATURE);
}

static void put_vid(struct ike1 *sa, struct msg_wr *w, enum msg_vid v, size_t max)
{
	struct bytes b = msg_vid_bytes(v);
	uint8_t buf[64];

	if (sa->hs->vids_sent & 1u << v || b.len + 4 > sizeof(buf) ||
	    (!must_have(sa, v) && w->wr.len + GENERIC + b.len + (v == MSG_VID_FRAGMENTATION ? 4 : 0) > max))
		return;
	memcpy(buf, b.p, b.len);
	if (v == MSG_VID_FRAGMENTATION) {
		uint32_t cap = htonl(frag_capability(sa));

		memcpy(buf + b.len, &cap, 4);
		b.len += 4;
	}
	msg_wr_raw(w, ISAKMP_P_VID, (struct bytes){buf, b.len});
	sa->hs->vids_sent |= (uint16_t)(1u << v);
}

/* Message 2 of aggressive mode goes to an address that is not shown: what its initiator does not know is no answer to it. */
static int has_use_for(const struct ike1 *sa, unsigned announced)
{
	return announced || sa->initiator || sa->mode != ISAKMP_X_AGGRESSIVE;
}

/* Spec section 21: the initiator offers all versions, the responder says the one chosen. The most needed first, where room is short. */
void p1_put_vids(struct ike1 *sa, struct msg_wr *w, size_t max)
{
	static const enum msg_vid offered[] = {MSG_VID_NAT_T_RFC3947, MSG_VID_NAT_T_03, MSG_VID_NAT_T_02N,
					       MSG_VID_NAT_T_02};

	if (sa->initiator && sa->peer->natt)
		for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
			put_vid(sa, w, offered[i], max);
	if (!sa->initiator && sa->natt)
		put_vid(sa, w, natt_vid(sa), max);
	if (has_use_for(sa, sa->peer_dpd))
		put_vid(sa, w, MSG_VID_DPD, max);
	if (has_use_for(sa, sa->peer_frag))
		put_vid(sa, w, MSG_VID_FRAGMENTATION, max);
}

static int nat_hash(const struct ike1 *sa, const struct ike_end *e, uint8_t *out)
{
	return ike1_nat_d(sa->terms.hash, (struct bytes){sa->icookie, 8}, (struct bytes){sa->rcookie, 8},
			  ike_addr_bytes(&e->a), e->port, out);
}

/* RFC 3947 §3.2: first of the remote end, then of ours. */
void p1_put_natd(struct ike1 *sa, struct msg_wr *w)
{
	unsigned type = sa->natt == IKE1_NATT_RFC ? ISAKMP_P_NAT_D : ISAKMP_P_NAT_D_DRAFT;
	uint8_t hash[HASH_MAX];

	if (!sa->natt)
		return;
	if (!nat_hash(sa, &sa->path.remote, hash))
		msg_wr_raw(w, type, (struct bytes){hash, sa->terms.hash->len});
	if (!nat_hash(sa, &sa->path.local, hash))
		msg_wr_raw(w, type, (struct bytes){hash, sa->terms.hash->len});
}

/* Spec 23.2: the issuer of remote-certificate, or each CA that is trusted. */
void p1_put_crs(const struct ike1 *sa, struct msg_wr *w)
{
	const struct cred *store = sa->ike->conf->cred;
	struct msg_cert c = {.encoding = ISAKMP_CERT_X509_SIG};

	if (sa->peer->auth != IKE_AUTH_RSA_SIGNATURE)
		return;
	if (sa->peer->remote_certificate[0]) {
		c.data = cred_issuer(store, sa->peer->remote_certificate);
		msg_wr_cert(w, ISAKMP_P_CR, &c);
		return;
	}
	for (unsigned i = 0; i < 8 && (c.data = cred_authority(store, i)).len; i++)
		msg_wr_cert(w, ISAKMP_P_CR, &c);
}

void p1_put_id(const struct ike1 *sa, struct msg_wr *w)
{
	msg_wr_raw(w, ISAKMP_P_ID, blob_bytes(sa->initiator ? &sa->hs->idi : &sa->hs->idr));
}

void p1_put_ke(const struct ike1 *sa, struct msg_wr *w)
{
	msg_wr_raw(w, ISAKMP_P_KE, blob_bytes(sa->initiator ? &sa->hs->gxi : &sa->hs->gxr));
	msg_wr_raw(w, ISAKMP_P_NONCE, blob_bytes(sa->initiator ? &sa->hs->ni : &sa->hs->nr));
}

/* --- reading --- */

void p1_take_vids(struct ike1 *sa, const struct msg *m)
{
	static const enum msg_vid order[] = {[IKE1_NATT_RFC] = MSG_VID_NAT_T_RFC3947,
					     [IKE1_NATT_03] = MSG_VID_NAT_T_03,
					     [IKE1_NATT_02N] = MSG_VID_NAT_T_02N,
					     [IKE1_NATT_02] = MSG_VID_NAT_T_02};
	const struct msg_payload *p;

	for (unsigned i = 0; (p = msg_find(m, ISAKMP_P_VID, i)); i++) {
		enum msg_vid v = msg_vid_of(p->body);

		sa->peer_dpd |= v == MSG_VID_DPD;
		sa->peer_frag |= v == MSG_VID_FRAGMENTATION && takes_fragments(sa, p->body);
		for (unsigned n = IKE1_NATT_RFC; sa->peer->natt && n <= IKE1_NATT_02; n++)
			if (v == order[n] && (!sa->natt || n < sa->natt))
				sa->natt = (uint8_t)n;
	}
}

/* The peer sends first what it sees of us, then what it knows of itself; it may know several addresses (RFC 3947 §3.2). */
static void take_natd(struct ike1 *sa, const struct msg *m)
{
	unsigned type = sa->natt == IKE1_NATT_RFC ? ISAKMP_P_NAT_D : ISAKMP_P_NAT_D_DRAFT, n = 0;
	uint8_t ours[HASH_MAX], theirs[HASH_MAX];
	const struct msg_payload *p;
	unsigned len = sa->terms.hash->len;
	int fits = 0;

	if (!sa->natt || !msg_find(m, type, 1) || nat_hash(sa, &sa->hs->from.local, ours) ||
	    nat_hash(sa, &sa->hs->from.remote, theirs))
		return;
	for (; (p = msg_find(m, type, n)); n++) {
		const uint8_t *want = n ? theirs : ours;
		int same = p->body.len == len && memcmp(p->body.p, want, len) == 0;

		if (!n)
			sa->behind = !same;
		fits |= n && same;
	}
	sa->peer_behind = !fits;
	sa->hs->natd_seen = (uint8_t)MIN(n, 255u);
}

void p1_natd_verdict(struct ike1 *sa)
{
	char b[64];

	if (sa->behind || sa->peer_behind)
		ike_log(sa->ike, LOG_L_INFO, "NAT detected:%s%s (%s)", sa->behind ? " ME" : "",
			sa->peer_behind ? " PEER" : "", ike_end_text(&sa->path.remote, b, sizeof(b)));
}

void p1_float(struct ike1 *sa)
{
	/* One that began on 4500 stays on the port that a NAT gave the peer. */
	if ((!sa->behind && !sa->peer_behind) || sa->path.local.port == IKE_PORT_NATT)
		return;
	sa->path.local.port = sa->path.remote.port = IKE_PORT_NATT;
}

/* The peer's identity for the log: what is not printable is replaced. */
static void id_text(struct ike1 *sa, const struct msg_id *id)
{
	const unsigned char *der = id->data.p;
	X509_NAME *name;
	size_t n = MIN(id->data.len, sizeof(sa->id) - 1);

	memset(sa->id, 0, sizeof(sa->id));
	if (id->type == IPSEC_ID_IPV4 || id->type == IPSEC_ID_IPV6) {
		(void)inet_ntop(id->type == IPSEC_ID_IPV4 ? AF_INET : AF_INET6, id->data.p, sa->id, sizeof(sa->id));
	} else if (id->type == IPSEC_ID_DER_ASN1_DN) {
		name = d2i_X509_NAME(NULL, &der, (long)id->data.len);
		if (name)
			(void)X509_NAME_oneline(name, sa->id, sizeof(sa->id));
		else
			(void)str_copy(sa->id, sizeof(sa->id), "(a name that cannot be read)");
		X509_NAME_free(name);
	} else {
		for (size_t i = 0; i < n; i++)
			sa->id[i] = id->data.p[i] > 0x20 && id->data.p[i] < 0x7f ? (char)id->data.p[i] : '.';
	}
}

int p1_peer_id(const struct ike1 *sa, struct msg_id *id)
{
	const struct blob *b = sa->initiator ? &sa->hs->idr : &sa->hs->idi;

	if (b->len < 4)
		return -EBADMSG;
	*id = (struct msg_id){.type = b->p[0],
			      .protocol = b->p[1],
			      .port = (uint16_t)(b->p[2] << 8 | b->p[3]),
			      .data = {b->p + 4, b->len - 4}};
	return 0;
}

static int fits(const struct blob *cert, const struct msg_id *id)
{
	struct err why;

	return !cred_id_fits(blob_bytes(cert), id, NULL, 0, &why);
}

/* The first one is the peer's own, others lead to its CA (RFC 4945 §3.3.10.2). */
static int take_cert(struct ike1_handshake *hs, struct bytes der)
{
	size_t kept = 0;

	if (!hs->cert.len)
		return blob_set(&hs->cert, der);
	for (unsigned i = 0; i < hs->n_links; i++)
		kept += hs->link[i].len;
	if (hs->n_links == P1_LINKS_MAX || kept + der.len > P1_LINKS_BYTES)
		return 0;
	return blob_set(&hs->link[hs->n_links++], der);
}

/* Of a bundle the one that fits the identity; all of it may be needed for the chain. */
static int take_bundle(struct ike1_handshake *hs, struct bytes bundle, const struct msg_id *id)
{
	int n;

	if (hs->cert.len)
		return take_cert(hs, bundle);
	n = blob_room(&hs->cert, P1_CERT_MAX) ? cred_pkcs7_pick(bundle, id, hs->cert.p, P1_CERT_MAX) : -ENOMEM;
	if (n < 0) {
		blob_wipe(&hs->cert);
		hs->no_cert = " with its identity in the PKCS#7 bundle";
		return 0;
	}
	hs->cert.len = (size_t)n;
	return take_cert(hs, bundle);
}

_Static_assert(P1_CERT_MAX == 16384, "as in the text below");

static int take_certs(struct ike1 *sa, const struct msg *m)
{
	struct ike1_handshake *hs = sa->hs;
	const struct msg_payload *p;
	struct msg_id id = {0};
	int rc = 0, known = !p1_peer_id(sa, &id);

	hs->n_crls = hs->n_links = 0;
	hs->no_cert = NULL;
	blob_wipe(&hs->cert);
	for (unsigned i = 0; !rc && (p = msg_find(m, ISAKMP_P_CERT, i)); i++) {
		if (p->cert.data.len > P1_CERT_MAX)
			hs->no_cert = " of at most 16384 bytes";
		else if (p->cert.encoding == ISAKMP_CERT_CRL && hs->n_crls < P1_CRLS_MAX)
			rc = blob_set(&hs->crl[hs->n_crls++], p->cert.data);
		else if (p->cert.encoding == ISAKMP_CERT_X509_SIG)
			rc = take_cert(hs, p->cert.data);
		else if (p->cert.encoding == ISAKMP_CERT_PKCS7 && known)
			rc = take_bundle(hs, p->cert.data, &id);
		else
			hs->no_cert = " in an encoding that is read here, X.509 or PKCS#7";
	}
	if (rc || !known || fits(&hs->cert, &id))
		return rc;
	for (unsigned i = 0; i < hs->n_links; i++) { /* some send the CAs first */
		struct blob other = hs->link[i];

		if (!fits(&other, &id))
			continue;
		hs->link[i] = hs->cert;
		hs->cert = other;
		break;
	}
	return 0;
}

/* Of strangers none are kept, nor given to the parser: with our cookie they come again. Nor are those that the configuration has no use for. */
static int wants_certs(const struct ike1 *sa)
{
	return sa->peer->auth == IKE_AUTH_RSA_SIGNATURE && !sa->peer->remote_certificate[0] &&
	       (sa->initiator || sa->hs->proven);
}

static int take_one(struct blob *to, const struct msg *m, unsigned type, size_t max)
{
	const struct msg_payload *p = msg_find(m, type, 0);

	if (!p)
		return 0;
	return p->body.len > max ? -EMSGSIZE : blob_set(to, p->body);
}

/* One that is too long for every group is kept as an empty one, which is of none either: p1_dh() refuses both. */
static int take_public(struct blob *to, const struct msg *m)
{
	const struct msg_payload *p = msg_find(m, ISAKMP_P_KE, 0);
	static const struct bytes none;

	if (!p)
		return 0;
	return blob_set(to, p->body.len > GROUP_PUBLIC_MAX ? none : p->body);
}

int p1_take_payloads(struct ike1 *sa, const struct msg *m)
{
	struct ike1_handshake *hs = sa->hs;
	int mine = sa->initiator, psk = sa->peer->auth == IKE_AUTH_PSK, rc;
	const struct msg_payload *p;

	p1_take_vids(sa, m);
	rc = take_public(mine ? &hs->gxr : &hs->gxi, m);
	if (!rc)
		rc = take_one(mine ? &hs->nr : &hs->ni, m, ISAKMP_P_NONCE, MSG_NONCE_MAX);
	if (!rc)
		rc = take_one(mine ? &hs->idr : &hs->idi, m, ISAKMP_P_ID, P1_ID_MAX);
	if (!rc)
		rc = take_one(&hs->proof, m, psk ? ISAKMP_P_HASH : ISAKMP_P_SIG, 1024);
	if (!rc && wants_certs(sa))
		rc = take_certs(sa, m);
	if (rc)
		return rc;
	p = msg_find(m, ISAKMP_P_ID, 0);
	if (p)
		id_text(sa, &p->id);
	for (unsigned i = 0; m->hdr.flags & ISAKMP_F_ENCRYPTED && (p = msg_find(m, ISAKMP_P_NOTIFY, i)); i++)
		hs->initial_contact |= p->notify.type == ISAKMP_N_INITIAL_CONTACT;
	if (sa->terms.hash)
		take_natd(sa, m);
	return 0;
}
