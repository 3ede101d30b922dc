/* SPDX-License-Identifier: BSD-2-Clause */
/* Informational exchange (RFC 2409 §5.7; spec section 20): notifications and Deletes, both ways. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ike/v1/phase1.h"
#include "ike/v1/quick.h"

uint8_t ike1_protocol(uint8_t xi_proto)
{
	return xi_proto == XI_PROTO_AH ? IPSEC_PROTO_AH : IPSEC_PROTO_ESP;
}

/* --- out: encrypted, a fresh message ID, sent once --- */
static int begin(struct ike1 *sa, struct msg_wr *w, uint32_t *mid)
{
	const struct ike_env *env = sa->ike->env;

	if (!sa->established_ns && !sa->keyed)
		return -EIO;
	do {
		if (env->random(env->ctx, mid, sizeof(*mid)))
			return -EIO;
	} while (!*mid || ike1_mid_fresh(sa, *mid, 0));
	hashed_begin(sa, w, ISAKMP_X_INFORMATIONAL, *mid);
	return 0;
}

static void finish(struct ike1 *sa, struct msg_wr *w, uint32_t mid)
{
	uint8_t iv[CIPHER_BLOCK_MAX], *hash;
	struct bytes rest;

	if (hashed_end(sa, w, &hash, &rest) || ike1_hash1(sa->terms.hash, &sa->k, mid, rest, hash) ||
	    ike1_iv(sa, mid, iv) || ike1_send(sa, w, iv, 1, NULL))
		ike_log(sa->ike, LOG_L_ERROR, "an informational message cannot be made");
}

void ike1_notify(struct ike1 *sa, uint16_t type, uint8_t protocol, struct bytes spi, struct bytes data)
{
	struct msg_notify n = {.doi = IPSEC_DOI, .protocol = protocol, .type = type, .spi = spi, .data = data};
	struct msg_wr w;
	uint32_t mid;

	if (begin(sa, &w, &mid))
		return;
	msg_wr_notify(&w, &n);
	finish(sa, &w, mid);
}

void ike1_no_exchange(struct ike1 *sa, const struct msg_hdr *h)
{
	char text[64];

	sa->ike->count[IKE_COUNT_UNEXPECTED]++;
	if (sa->refused || h->exchange == sa->mode)
		return;
	sa->refused = 1;
	ike_log(sa->ike, LOG_L_WARNING, "%s wants %s (exchange %u), which we do not have",
		ike_end_text(&sa->path.remote, text, sizeof(text)),
		h->exchange == ISAKMP_X_TRANSACTION ? "XAUTH or mode config" : "an exchange", h->exchange);
	ike1_notify(sa, ISAKMP_N_INVALID_EXCHANGE_TYPE, IPSEC_PROTO_ISAKMP, (struct bytes){0}, (struct bytes){0});
}

static void send_delete(struct ike1 *sa, uint8_t protocol, struct bytes spi)
{
	struct msg_delete d = {
		.doi = IPSEC_DOI, .protocol = protocol, .spi_size = (uint8_t)spi.len, .n_spis = 1, .spis = spi};
	struct msg_wr w;
	uint32_t mid;

	if (begin(sa, &w, &mid))
		return;
	msg_wr_delete(&w, &d);
	finish(sa, &w, mid);
}

void ike1_delete_isakmp(struct ike1 *sa)
{
	uint8_t cookies[16];

	memcpy(cookies, sa->icookie, 8);
	memcpy(cookies + 8, sa->rcookie, 8);
	send_delete(sa, IPSEC_PROTO_ISAKMP, (struct bytes){cookies, sizeof(cookies)});
}

static int later(struct ike1_late *l, uint8_t proto, __be32 spi)
{
	if (l->n == l->room) {
		unsigned room = 2 * l->room + 4;
		void *more = realloc(l->del, room * sizeof(*l->del));

		if (!more)
			return -ENOMEM;
		l->del = more;
		l->room = room;
	}
	l->del[l->n].proto = proto;
	l->del[l->n++].spi = spi;
	return 0;
}

/*
 * A Delete that overtakes our last message of phase 1 finds a peer without the ISAKMP SA, is lost, and the peer sends on by SAs that are gone. (Without memory it
 * takes that chance.)
 */
void ike1_delete_ipsec(struct ike1 *sa, uint8_t proto, __be32 spi)
{
	if (!sa->settle.place || later(&sa->late, proto, spi))
		send_delete(sa, ike1_protocol(proto), (struct bytes){(const uint8_t *)&spi, sizeof(spi)});
}

void ike1_delete_late(struct ike1 *sa)
{
	struct ike1_late l = sa->late;

	sa->late = (struct ike1_late){0};
	for (unsigned i = 0; i < l.n; i++)
		ike1_delete_ipsec(sa, l.del[i].proto, l.del[i].spi);
	free(l.del);
}

/* --- in --- */
void ike1_initial_contact(struct ike1 *sa)
{
	char text[64];

	/* It comes with the first phase 1 after a start, so once under an ISAKMP SA; one that was recorded and is sent again does nothing. */
	if (sa->got_contact)
		return;
	sa->got_contact = 1;
	ike_log(sa->ike, LOG_L_INFO, "received INITIAL-CONTACT from %s",
		ike_end_text(&sa->path.remote, text, sizeof(text)));
	child_initial_contact(sa);
}

/* Errors that end a quick mode. Others an attacker who spoils messages could have called up. */
static int ends_quick(unsigned type)
{
	return type == ISAKMP_N_NO_PROPOSAL_CHOSEN || type == ISAKMP_N_INVALID_ID_INFORMATION ||
	       type == ISAKMP_N_ATTRIBUTES_NOT_SUPPORTED || type == ISAKMP_N_INVALID_KEY_INFORMATION;
}

static int waits(const struct ike1_quick *q)
{
	return q->state == QUICK_SENT1 || q->state == QUICK_SENT2;
}

static int has_spi(const struct ike1_quick *q, struct bytes spi)
{
	for (unsigned i = 0; i < q->n; i++)
		for (unsigned j = 0; j < ARRAY_SIZE(q->s[i].spi); j++)
			if (q->s[i].spi[j] && spi.len == sizeof(q->s[i].spi[j]) &&
			    !memcmp(spi.p, &q->s[i].spi[j], sizeof(q->s[i].spi[j])))
				return 1;
	return 0;
}

/*
 * Peers do not agree on what SPI such a notification has, and many give none: when it is none of ours, and there are several that it can be about, they all go
 * on, and what was said is in the log when one of them gets no answer.
 */
static void refused(struct ike1 *sa, const struct msg_notify *n)
{
	struct ike1_quick *it = NULL;
	unsigned several = 0;
	char why[800];

	for (struct ike1_quick *q = sa->quick; q; q = q->next) {
		if (!waits(q))
			continue;
		several = it != NULL;
		it = q;
		if (!has_spi(q, n->spi))
			continue;
		several = 0;
		break;
	}
	for (struct ike1_quick *q = sa->quick; q && several; q = q->next)
		if (waits(q))
			q->refusal = n->type;
	if (it && !several)
		quick_end(it, quick_refused_text(it, n->type, why, sizeof(why)));
}

static void take_notify(struct ike1 *sa, const struct msg_notify *n)
{
	char text[64], why[384];
	const char *hint;

	if (n->doi != IPSEC_DOI && n->doi != 0) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	if (n->type == ISAKMP_N_R_U_THERE || n->type == ISAKMP_N_R_U_THERE_ACK) {
		ike1_dpd_notify(sa, n);
		return;
	}
	if (n->type == ISAKMP_N_INITIAL_CONTACT) {
		ike1_initial_contact(sa);
		return;
	}
	/* INVALID-ID-INFORMATION is about quick mode by now, the others are about phase 1, which the peer has not completed */
	hint = ends_quick(n->type) ? "" : p1_refused_text(sa, n->type, why, sizeof(why));
	ike_log(sa->ike, hint[0] ? LOG_L_WARNING : LOG_L_INFO, "received %s (%u) from %s%s", msg_notify_name(n->type),
		n->type, ike_end_text(&sa->path.remote, text, sizeof(text)), hint);
	if (ends_quick(n->type))
		refused(sa, n);
}

/* Spec 20.2: with DPD the SAs that no other phase 1 holds go, too. */
static void deleted_by_peer(struct ike1 *sa)
{
	static const char why[] = "deleted by the peer";

	if (ike1_dpd_active(sa))
		ike1_drop_with_children(sa, why);
	else
		ike1_drop(sa, 0, why);
}

/* Another ISAKMP SA of the same two ends: a peer that has renewed it deletes the old one under the new one. */
static void other_deleted(struct ike1 *sa, struct bytes cookies)
{
	struct ike1 *other = ike1_by_cookies(sa->ike, cookies.p, cookies.p + 8);

	if (other && other != sa && other->established_ns && ike_end_eq(&other->path.remote, &sa->path.remote) &&
	    ike_end_eq(&other->path.local, &sa->path.local) && !strcmp(other->id, sa->id))
		deleted_by_peer(other);
}

/* Spec 20.2: ignored and logged. */
static void bad_delete(struct ike1 *sa, const struct msg_delete *d)
{
	char text[64];

	sa->ike->count[IKE_COUNT_UNEXPECTED]++;
	if (ike_may_say(sa->ike, &sa->path.remote.a))
		ike_log(sa->ike, LOG_L_INFO, "a Delete from %s is ignored: DOI %u, protocol %u, %u SPIs of %u bytes",
			ike_end_text(&sa->path.remote, text, sizeof(text)), d->doi, d->protocol, d->n_spis,
			d->spi_size);
}

/* It sends with one of these. */
static int quick_sends_with(const struct ike1_quick *q, uint8_t proto, struct bytes spis)
{
	for (unsigned i = 0; i < q->n; i++)
		for (unsigned j = 0; j < q->s[i].terms.n; j++) {
			const struct phase2_suite *u = &q->s[i].terms.suite[j];
			struct rd r = rd_of(spis);

			while (u->proto == proto && rd_left(&r) >= sizeof(u->spi))
				if (!memcmp(rd_bytes(&r, sizeof(u->spi)).p, &u->spi, sizeof(u->spi)))
					return 1;
		}
	return 0;
}

/*
 * Behind message 3 our outbound SAs wait until the peer has its own (quick_wait_connected()). Whose Delete names them had them: they are made now, to be
 * deleted with the others. Made later they would carry all to a peer that has thrown them away.
 */
static void ipsec_deleted(struct ike1 *sa, uint8_t proto, struct bytes spis)
{
	struct ike1_quick *next;

	for (struct ike1_quick *q = sa->quick; q; q = next) {
		next = q->next;
		if (q->state == QUICK_COMMIT && quick_sends_with(q, proto, spis))
			quick_connected(q);
	}
	child_deleted(sa, proto, spis);
}

/* 1: the ISAKMP SA itself is deleted. */
static int take_delete(struct ike1 *sa, const struct msg_delete *d)
{
	unsigned size = d->protocol == IPSEC_PROTO_ISAKMP ? 16 : 4;
	struct rd r = rd_of(d->spis);

	if (d->doi != IPSEC_DOI || d->spi_size != size || !d->n_spis ||
	    (d->protocol != IPSEC_PROTO_ISAKMP && d->protocol != IPSEC_PROTO_AH && d->protocol != IPSEC_PROTO_ESP)) {
		bad_delete(sa, d);
		return 0;
	}
	if (size == 4) {
		ipsec_deleted(sa, d->protocol == IPSEC_PROTO_AH ? XI_PROTO_AH : XI_PROTO_ESP, d->spis);
		return 0;
	}
	for (unsigned i = 0; i < d->n_spis; i++) {
		struct bytes spi = rd_bytes(&r, size);

		if (r.err)
			return 0;
		if (!memcmp(spi.p, sa->icookie, 8) && !memcmp(spi.p + 8, sa->rcookie, 8))
			return 1;
		other_deleted(sa, spi);
	}
	return 0;
}

/* RFC 2408 §3.1: a quick mode waits for CONNECTED, under its own message ID; it may come before message 3. Some send it on with the IV of the exchange. 1: it was that. */
static int connected(struct ike1 *sa, struct bytes datagram, const struct msg_hdr *h)
{
	struct ike1_quick *q = quick_by_mid(sa, h->message_id);
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	const struct msg_payload *n;
	struct hashed in;

	if (!q || (q->state != QUICK_COMMIT && q->state != QUICK_SENT2))
		return 0;
	memcpy(iv, q->iv, sizeof(iv));
	if (hashed_open(sa, iv, &in, datagram) &&
	    (ike1_iv(sa, h->message_id, iv) || hashed_open(sa, iv, &in, datagram)))
		return 1;
	if (ike1_hash1(sa->terms.hash, &sa->k, h->message_id, in.rest, want) || !hashed_equal(sa, &in, want)) {
		sa->ike->count[IKE_COUNT_BAD_HASH]++;
		return 1;
	}
	n = msg_find(&in.m, ISAKMP_P_NOTIFY, 0);
	if (!n || n->notify.type != ISAKMP_N_CONNECTED)
		return 1;
	if (q->state == QUICK_COMMIT)
		quick_connected(q);
	else
		q->connected = 1;
	return 1;
}

static void act(struct ike1 *sa, const struct msg *m)
{
	int gone = 0;

	for (unsigned i = 1; i < m->n_payloads; i++) {
		const struct msg_payload *p = &m->payload[i];

		if (p->type == ISAKMP_P_NOTIFY)
			take_notify(sa, &p->notify);
		else if (p->type == ISAKMP_P_DELETE)
			gone |= take_delete(sa, &p->del);
	}
	if (gone)
		deleted_by_peer(sa);
}

/* Spec 20.1: unprotected ones are never acted upon, and after the first encrypted message of phase 1 not even looked at. */
static void unprotected(struct ike1 *sa, const struct ike_path *path, struct bytes datagram)
{
	struct ike *k = sa->ike;
	const struct msg_payload *p;
	struct msg_err e;
	struct msg m;
	char text[64], own[128];

	k->count[IKE_COUNT_UNPROTECTED]++;
	if (!sa->hs || sa->established_ns || sa->hs->encrypted || !ike_may_say(k, &path->remote.a) ||
	    msg_parse(&m, datagram, &e))
		return;
	p = msg_find(&m, ISAKMP_P_NOTIFY, 0);
	ike_log(k, LOG_L_WARNING,
		"unprotected message from %s, which ends nothing: %s. phase 1 (%s mode, %s), we have %s; compare the "
		"peer items "
		"here and there",
		ike_end_text(&path->remote, text, sizeof(text)),
		p ? msg_notify_name(p->notify.type) : "no notification", ike1_mode_name(sa),
		sa->initiator ? "initiator" : "responder", neg1_text(&sa->hs->own, own, sizeof(own)));
}

/* Within phase 1: it has the keys, but who it is has not been shown. What it says is for the operator; the exchange goes on or times out. */
static void too_early(struct ike1 *sa, const struct ike_path *path, const struct msg *m)
{
	const struct msg_payload *p = msg_find(m, ISAKMP_P_NOTIFY, 0);
	char who[128], why[384];
	const char *hint;

	if (!p || !ike_may_say(sa->ike, &path->remote.a))
		return;
	hint = p1_refused_text(sa, p->notify.type, why, sizeof(why));
	ike_log(sa->ike, hint[0] ? LOG_L_WARNING : LOG_L_INFO, "received %s (%u) in phase 1 with %s%s",
		msg_notify_name(p->notify.type), p->notify.type, p1_who(sa, who, sizeof(who)), hint);
}

/* A Delete whose SPIs have a wrong size (spec 20.2) is one. It is not authentic: maybe the keys differ. */
static void malformed(struct ike1 *sa, const struct ike_path *path, const struct msg_err *e)
{
	char text[64], what[160];

	if (e->what && ike_may_say(sa->ike, &path->remote.a))
		ike_log(sa->ike, LOG_L_INFO, "an informational message from %s is ignored: %s",
			ike_end_text(&path->remote, text, sizeof(text)), msg_err_text(e, what, sizeof(what)));
}

/*
 * It may have overtaken the last message of phase 1, from whose last block its IV comes: it is kept until that has been read, whether it can be read now or
 * not, and counts then. 1: done with it.
 */
static int before_its_time(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	uint64_t *count = sa->ike->count, malformed = count[IKE_COUNT_MALFORMED];
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	struct hashed in;

	if (!sa->hs)
		return 0;
	if (!ike1_iv(sa, h->message_id, iv) && !hashed_open(sa, iv, &in, datagram) &&
	    !ike1_hash1(sa->terms.hash, &sa->k, h->message_id, in.rest, want) && hashed_equal(sa, &in, want))
		too_early(sa, path, &in.m);
	count[IKE_COUNT_MALFORMED] = malformed; /* if it is, it is counted then */
	p1_hold(sa, path, datagram);
	return 1;
}

void ike1_info_receive(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	struct ike *k = sa->ike;
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	struct hashed in;
	char text[64];

	if (!(h->flags & ISAKMP_F_ENCRYPTED)) {
		unprotected(sa, path, datagram);
		return;
	}
	if (!(sa->hs ? sa->keyed : sa->state == IKE1_ESTABLISHED || sa->state == IKE1_DYING) || !h->message_id) {
		k->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	if (before_its_time(sa, path, datagram, h) || connected(sa, datagram, h))
		return;
	if (ike1_iv(sa, h->message_id, iv))
		return;
	if (hashed_open(sa, iv, &in, datagram)) {
		malformed(sa, path, &in.bad);
		return;
	}
	if (ike1_hash1(sa->terms.hash, &sa->k, h->message_id, in.rest, want))
		return;
	if (!hashed_equal(sa, &in, want)) {
		k->count[IKE_COUNT_BAD_HASH]++;
		if (ike_may_say(k, &path->remote.a))
			ike_log(k, LOG_L_ERROR, "HASH mismatched in an informational message from %s",
				ike_end_text(&path->remote, text, sizeof(text)));
		return;
	}
	if (ike1_mid_fresh(sa, h->message_id, 0)) {
		k->count[IKE_COUNT_REPLAY]++;
		return;
	}
	ike1_count_bytes(sa, datagram.len);
	ike1_seen(sa, path);
	act(sa, &in.m);
}
