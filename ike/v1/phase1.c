/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes in under IKEv1: found, judged against the table of steps, and handed on (spec section 16). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/phase1.h"

#define NUDGES_MAX 5
#define NOTIFY_CLEAR_LEN (ISAKMP_HDR_LEN + 12) /* header and notification: no answer to less than that */

static const uint8_t no_cookie[8];

/* --- life of a handshake --- */

void p1_free(struct ike1_handshake *hs)
{
	if (!hs)
		return;
	struct blob *all[] = {&hs->sai,	   &hs->idi,	&hs->idr,    &hs->ni,	   &hs->nr,	&hs->gxi,
			      &hs->gxr,	   &hs->priv,	&hs->gxy,    &hs->cert,	   &hs->sig,	&hs->proof,
			      &hs->crl[0], &hs->crl[1], &hs->answer, &hs->held[0], &hs->held[1]};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		blob_wipe(all[i]);
	for (size_t i = 0; i < P1_LINKS_MAX; i++)
		blob_wipe(&hs->link[i]);
	OPENSSL_clear_free(hs, sizeof(*hs));
}

/* Established: what came too early is an exchange under it now. */
void p1_release(struct ike *k, struct ike1_handshake *hs)
{
	for (unsigned i = 0; i < hs->n_held; i++)
		ike_receive(k, &hs->held_path[i], blob_bytes(&hs->held[i]));
	p1_free(hs);
}

void p1_hold(struct ike1 *sa, const struct ike_path *path, struct bytes datagram)
{
	struct ike1_handshake *hs = sa->hs;

	if (hs->n_held == P1_HELD_MAX || datagram.len > P1_HELD_BYTES || blob_set(&hs->held[hs->n_held], datagram)) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return; /* the peer repeats it */
	}
	hs->held_path[hs->n_held++] = *path;
}

void p1_sent(struct ike1 *sa, enum ike1_state state)
{
	struct ike1_handshake *hs = sa->hs;
	struct blob held[P1_HELD_MAX];
	struct ike_path path[P1_HELD_MAX];
	unsigned n = hs->n_held;
	struct ike *k = sa->ike;

	ike1_state(sa, state);
	for (unsigned i = 0; i < n; i++) {
		held[i] = hs->held[i];
		path[i] = hs->held_path[i];
		hs->held[i] = (struct blob){0};
	}
	hs->n_held = 0;
	/* sa and hs may be gone from here on */
	for (unsigned i = 0; i < n; i++) {
		ike_receive(k, &path[i], blob_bytes(&held[i]));
		blob_wipe(&held[i]);
	}
}

/* --- failures --- */

const char *p1_who(const struct ike1 *sa, char *buf, size_t size)
{
	char a[64], at[24] = "";

	if (sa->hs && sa->hs->number)
		(void)snprintf(at, sizeof(at), ", message %u", sa->hs->number);
	(void)snprintf(buf, size, "%s (%s mode, %s%s)", ike_end_text(&sa->path.remote, a, sizeof(a)),
		       ike1_mode_name(sa), sa->initiator ? "initiator" : "responder", at);
	return buf;
}

/* Unprotected, to somebody who may be a stranger: never more than a few a second. */
static void notify_clear(struct ike *k, const struct ike_path *path, const uint8_t *icookie, const uint8_t *rcookie,
			 uint16_t type)
{
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_INFORMATIONAL};
	struct msg_notify n = {.doi = IPSEC_DOI, .protocol = IPSEC_PROTO_ISAKMP, .type = type};
	uint8_t buf[128];
	struct msg_wr w;
	int len;

	memcpy(h.icookie, icookie, 8);
	memcpy(h.rcookie, rcookie, 8);
	if (k->env->random(k->env->ctx, &h.message_id, sizeof(h.message_id)) || !ike_may_answer(k, &path->remote.a))
		return;
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_notify(&w, &n);
	len = msg_wr_end(&w);
	if (len > 0)
		k->env->send(k->env->ctx, path, (struct bytes){buf, (size_t)len});
}

/* Spec 20.1: once there are keys, under them; it goes back the way that the bad message came. */
static void notify_encrypted(struct ike1 *sa, uint16_t type)
{
	struct ike_path path = sa->path;

	sa->path = sa->hs->from;
	ike1_notify(sa, type, IPSEC_PROTO_ISAKMP, (struct bytes){0}, (struct bytes){0});
	sa->path = path;
}

/* Whoever has sent it takes the ISAKMP SA for established. */
static int is_last_message(const struct ike1 *sa)
{
	unsigned last = sa->mode == ISAKMP_X_AGGRESSIVE ? 3 : sa->mode == ISAKMP_X_BASE ? 4 : 6;

	return sa->keyed && sa->hs->number == last;
}

/*
 * What was spoilt on its way comes again as it was sent, so phase 1 waits for that. What comes again as it was refused will not be believed later,
 * either: the life timer ends it when nobody works with it.
 */
static void disbelieve(struct ike1 *sa)
{
	struct ike1_handshake *hs = sa->hs;

	if (hs->disbelieved && !memcmp(hs->refused, hs->digest, sizeof(hs->refused))) {
		hs->hopeless = 1;
		(void)timer_set(&sa->ike->timers, &sa->life, ike_now(sa->ike)); /* it was set before: there is room */
	}
	hs->disbelieved = 1;
	memcpy(hs->refused, hs->digest, sizeof(hs->refused));
	memcpy(hs->iv_refused, sa->iv, sizeof(hs->iv_refused));
}

void p1_take_back(struct ike1 *sa)
{
	struct ike_path path = sa->path;

	if (!sa->hs->disbelieved)
		return;
	memcpy(sa->iv, sa->hs->iv_refused, sizeof(sa->iv));
	sa->path = sa->hs->from;
	ike1_delete_isakmp(sa);
	sa->path = path;
}

void p1_fail(struct ike1 *sa, uint16_t notify, const char *fmt, ...)
{
	struct ike1_handshake *hs = sa->hs;
	char text[512], b[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!hs->told && (sa->initiator || hs->proven || ike_may_say(sa->ike, &sa->path.remote.a)))
		ike_log(sa->ike, LOG_L_ERROR, "phase 1 with %s: %s", p1_who(sa, b, sizeof(b)), text);
	hs->told = 1;
	if (notify && !hs->notified) {
		hs->notified = 1;
		if (sa->keyed && (hs->encrypted || is_last_message(sa)))
			notify_encrypted(sa, notify);
		else
			notify_clear(sa->ike, &hs->from, sa->icookie, sa->rcookie, notify);
	}
	if (is_last_message(sa))
		disbelieve(sa);
	if (sa->initiator && hs->before == IKE1_MSG1_SENT)
		memset(sa->rcookie, 0, sizeof(sa->rcookie)); /* whoever answered, another one may be the peer */
	sa->state = hs->before;
	memcpy(sa->iv, hs->iv_before, sizeof(sa->iv));
}

void p1_fatal(struct ike1 *sa, const char *why)
{
	char b[128];

	if (sa->initiator || sa->hs->proven || ike_may_say(sa->ike, &sa->path.remote.a))
		ike_log(sa->ike, LOG_L_ERROR, "phase 1 with %s fails: %s", p1_who(sa, b, sizeof(b)), why);
	ike1_drop(sa, 0, NULL);
}

/* --- beginning --- */

/* Spec 4.2: missing pieces show when somebody negotiates. */
static int has_secret(struct ike *k, const struct ike_peer *p, const struct ike_path *path)
{
	char a[64];

	if (p->auth == IKE_AUTH_PSK	  ? p->psk_given
	    : p->auth == IKE_AUTH_RSA_KEY ? p->key[0]
					  : cred_cert(k->conf->cred, p->certificate).len != 0)
		return 1;
	if (ike_may_say(k, &path->remote.a))
		ike_log(k, LOG_L_ERROR, "couldn't find the %s for %s (set %s of the peer item)",
			p->auth == IKE_AUTH_PSK	      ? "pskey"
			: p->auth == IKE_AUTH_RSA_KEY ? "key"
						      : "certificate",
			ike_addr_text(&path->remote.a, a, sizeof(a)),
			p->auth == IKE_AUTH_PSK	      ? "secret"
			: p->auth == IKE_AUTH_RSA_KEY ? "key"
						      : "certificate");
	return 0;
}

int p1_begin(struct ike1 *sa)
{
	if (!has_secret(sa->ike, sa->peer, &sa->path))
		return -ENOENT;
	sa->hs->before = sa->state;
	switch (sa->mode) {
	case ISAKMP_X_AGGRESSIVE:
		return p1_aggressive_begin(sa);
	case ISAKMP_X_BASE:
		return p1_base_begin(sa);
	default:
		return p1_main_begin(sa);
	}
}

/* --- steps --- */

static const struct p1_step *step_for(const struct ike1 *sa)
{
	const struct p1_step *s = sa->mode == ISAKMP_X_AGGRESSIVE ? p1_aggressive_steps
				  : sa->mode == ISAKMP_X_BASE	  ? p1_base_steps
								  : p1_main_steps;

	for (; s->take; s++)
		if (s->initiator == sa->initiator && s->state == sa->state)
			return s;
	return NULL;
}

static uint32_t payloads_of(const struct ike1 *sa, const struct msg *m)
{
	uint32_t has = 0;

	for (unsigned i = 0; i < m->n_payloads; i++) {
		uint8_t type = m->payload[i].type;

		if (type == (sa->peer->auth == IKE_AUTH_PSK ? ISAKMP_P_HASH : ISAKMP_P_SIG))
			has |= P1_HAS_AUTH;
		else if (type == ISAKMP_P_NAT_D || type == ISAKMP_P_NAT_D_DRAFT)
			has |= P1_HAS_NATD;
		else
			has |= type < P1_OTHER ? P1_HAS(type) : P1_HAS(P1_OTHER);
	}
	/* accepted anywhere (spec 16.2; RFC 2408 §3.10) */
	return has & ~(P1_HAS(ISAKMP_P_VID) | P1_HAS(ISAKMP_P_NOTIFY) | P1_HAS_CR);
}

/* RFC 2408 §4: what a message is made of stands once; a second one would be authenticated and not looked at, or the other way round. */
static int has_doubles(const struct msg *m)
{
	static const uint8_t once[] = {ISAKMP_P_SA,   ISAKMP_P_KE,  ISAKMP_P_ID,
				       ISAKMP_P_HASH, ISAKMP_P_SIG, ISAKMP_P_NONCE};

	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		if (msg_find(m, once[i], 1))
			return 1;
	return 0;
}

static void run_step(struct ike1 *sa, const struct p1_step *s, const struct ike_path *path, struct bytes datagram,
		     const struct msg *m)
{
	struct ike1_handshake *hs = sa->hs;
	uint32_t has = payloads_of(sa, m);

	if ((has & s->must) != s->must || has & ~(s->must | s->may) || has_doubles(m)) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		memcpy(sa->iv, hs->iv_before, sizeof(sa->iv));
		return;
	}
	if (ike1_digest(datagram, hs->digest))
		return;
	hs->from = *path;
	hs->before = sa->state;
	hs->number = s->number;
	hs->request_len = datagram.len;
	s->take(sa, m);
}

/* Wrong PSK: what should be payloads is noise (spec 23.1). Nothing is torn down. */
static void undecodable(struct ike1 *sa, const struct p1_step *s, const struct msg_err *e)
{
	int secrets = sa->keyed && sa->peer->auth == IKE_AUTH_PSK;
	char text[160], b[128];

	sa->ike->count[IKE_COUNT_MALFORMED]++;
	if (sa->hs->told || (!sa->initiator && !sa->hs->proven && !ike_may_say(sa->ike, &sa->path.remote.a)))
		return;
	sa->hs->told = 1;
	sa->hs->number = s->number;
	ike_log(sa->ike, LOG_L_ERROR, "phase 1 with %s: message %u is not readable (%s)%s", p1_who(sa, b, sizeof(b)),
		s->number, msg_err_text(e, text, sizeof(text)),
		secrets ? ": the secrets may differ (change secret of the peer item, here or there)" : "");
}

/* Spec section 17: the commit bit is an error in phase 1. 1: it was set. */
static int refuse_commit(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	if (!(h->flags & ISAKMP_F_COMMIT))
		return 0;
	k->count[IKE_COUNT_UNEXPECTED]++;
	if (datagram.len >= NOTIFY_CLEAR_LEN)
		notify_clear(k, path, h->icookie, h->rcookie, ISAKMP_N_INVALID_FLAGS);
	return 1;
}

static void step(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	static struct msg m; /* one thread */
	struct ike1_handshake *hs = sa->hs;
	const struct p1_step *s = step_for(sa);
	int encrypted = (h->flags & ISAKMP_F_ENCRYPTED) != 0, rc;
	struct msg_err e = {0};

	if (refuse_commit(sa->ike, path, datagram, h))
		return;
	if (!s || h->exchange != sa->mode || h->message_id || (s->encrypted != 2 && s->encrypted != encrypted)) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	memcpy(hs->iv_before, sa->iv, sizeof(sa->iv));
	if (encrypted)
		rc = ike1_open(sa, sa->iv, &m, datagram, sa->ike->plain, sizeof(sa->ike->plain), &e);
	else
		rc = msg_parse(&m, datagram, &e);
	if (rc) {
		undecodable(sa, s, &e);
		return;
	}
	hs->encrypted |= (uint8_t)encrypted;
	run_step(sa, s, path, datagram, &m);
}

/* --- a message of an ISAKMP SA that is being made --- */

/* It knows our cookie: the address is its own. */
static void proven(struct ike1 *sa, const struct ike_path *path)
{
	char a[64], b[64];

	ike1_halfopen_add(sa, 1);
	ike_log(sa->ike, LOG_L_INFO, "respond new phase 1 negotiation: %s<=>%s",
		ike_end_text(&path->local, a, sizeof(a)), ike_end_text(&path->remote, b, sizeof(b)));
}

static void to_handshake(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	struct ike1_handshake *hs = sa->hs;
	uint8_t d[32];

	if (!sa->initiator && !hs->proven && memcmp(h->rcookie, no_cookie, 8))
		proven(sa, path);
	if (hs->busy && !ike1_digest(datagram, d) && memcmp(d, hs->digest, sizeof(d)) == 0)
		return; /* is being worked on */
	if (hs->busy || h->exchange != sa->mode) {
		if (h->exchange == ISAKMP_X_INFORMATIONAL) {
			ike1_info_receive(sa, path, datagram, h);
			return;
		}
		p1_hold(sa, path, datagram);
		if (!hs->busy && sa->mode == ISAKMP_X_AGGRESSIVE && !sa->initiator && hs->nudges++ < NUDGES_MAX)
			ike1_again(sa, &sa->retry); /* its message 3 was lost */
		return;
	}
	step(sa, path, datagram, h);
}

/* --- a stranger --- */

static int speaks_to(struct ike *k, const struct ike_peer *p, const struct ike_path *path, const struct msg_hdr *h)
{
	static const uint8_t exchange[] = {[IKE_MODE_MAIN] = ISAKMP_X_MAIN,
					   [IKE_MODE_MAIN_L2TP] = ISAKMP_X_MAIN,
					   [IKE_MODE_AGGRESSIVE] = ISAKMP_X_AGGRESSIVE,
					   [IKE_MODE_BASE] = ISAKMP_X_BASE};
	static const char *const mode[] = {"main", "main-l2tp", "aggressive", "base"};
	char a[64], why[128];

	if (p && exchange[p->mode] == h->exchange && (p->natt || path->local.port != IKE_PORT_NATT))
		return has_secret(k, p, path);
	k->count[IKE_COUNT_NO_PEER]++;
	if (!ike_may_say(k, &path->remote.a))
		return 0;
	if (p && exchange[p->mode] != h->exchange)
		(void)snprintf(why, sizeof(why), "it begins %s mode, exchange-mode of the peer item is %s",
			       h->exchange == ISAKMP_X_MAIN	    ? "main"
			       : h->exchange == ISAKMP_X_AGGRESSIVE ? "aggressive"
								    : "base",
			       mode[p->mode]);
	else
		(void)snprintf(why, sizeof(why), "%s",
			       p ? "it came to port 4500, and nat-traversal of the peer item is off"
				 : "no peer item has its address");
	ike_log(k, LOG_L_WARNING, "phase 1 of %s is not answered: %s", ike_end_text(&path->remote, a, sizeof(a)), why);
	return 0;
}

static void first_message(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	const struct ike_peer *p = ike_conf_peer(k->conf, &path->remote.a);
	struct ike1 *sa;

	if (h->flags & ISAKMP_F_ENCRYPTED || h->next != ISAKMP_P_SA || h->message_id) {
		k->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	if (p && refuse_commit(k, path, datagram, h))
		return;
	if (!speaks_to(k, p, path, h) || !ike1_halfopen_may(k, &path->remote.a))
		return;
	sa = ike1_new(k, p, path, h->icookie);
	if (!sa)
		return;
	ike1_halfopen_add(sa, 0);
	sa->hs->transform = UINT32_MAX;
	step(sa, path, datagram, h);
	/* still where it began, and nothing under way: nothing came of it */
	sa = ike1_by_icookie(k, h->icookie, path);
	if (sa && sa->hs && sa->state == IKE1_START && !sa->hs->busy) {
		int no_transform = sa->hs->transform == UINT32_MAX - 1;

		if (no_transform)
			notify_clear(k, path, sa->icookie, no_cookie, ISAKMP_N_NO_PROPOSAL_CHOSEN);
		ike1_drop(sa, 0, NULL);
	}
}

/* --- everything that comes in --- */

static struct ike1 *find(struct ike *k, const struct ike_path *path, const struct msg_hdr *h)
{
	struct ike1 *sa = ike1_by_cookies(k, h->icookie, h->rcookie);

	if (sa || !memcmp(h->rcookie, no_cookie, 8))
		return sa;
	/* the answer to our first message brings the peer's cookie */
	sa = ike1_by_icookie(k, h->icookie, path);
	return sa && sa->initiator && sa->hs && sa->state == IKE1_MSG1_SENT && !memcmp(sa->rcookie, no_cookie, 8)
		       ? sa
		       : NULL;
}

static void whole(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);

static void fragment(struct ike *k, struct ike1 *sa, const struct ike_path *path, struct bytes datagram)
{
	struct msg_hdr h;
	struct msg_err e;
	uint8_t *p;
	size_t len;

	if (!ike1_fragment(sa, datagram, &p, &len))
		return;
	if (msg_hdr_parse(&h, (struct bytes){p, len}, &e) || h.next == ISAKMP_P_FRAGMENT ||
	    memcmp(h.icookie, sa->icookie, 8))
		k->count[IKE_COUNT_FRAGMENTS]++;
	else
		whole(sa, path, (struct bytes){p, len}, &h);
	free(p);
}

static void whole(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	if (ike1_repeated(sa, &sa->retry, datagram))
		return;
	if (sa->hs) {
		to_handshake(sa, path, datagram, h);
		return;
	}
	ike1_settle(sa);
	if (h->exchange == ISAKMP_X_QUICK)
		ike1_quick_receive(sa, path, datagram, h);
	else if (h->exchange == ISAKMP_X_INFORMATIONAL)
		ike1_info_receive(sa, path, datagram, h);
	else
		ike1_no_exchange(sa, h);
}

/* A first message that comes again, or one of ours that was thrown back. A longer answer to a stranger than its question goes out once a second at most. */
static void first_again(struct ike1 *sa, const struct ike_path *path, struct bytes datagram)
{
	int longer = sa->hs && !sa->hs->proven && sa->retry.len > datagram.len;

	if (sa->initiator || (longer && !ike_may_answer(sa->ike, &path->remote.a)) ||
	    !ike1_repeated(sa, &sa->retry, datagram))
		sa->ike->count[IKE_COUNT_REPLAY]++;
}

void ike1_receive(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	int first = !memcmp(h->rcookie, no_cookie, 8);
	struct ike1 *sa = find(k, path, h);

	if (!sa && first)
		sa = ike1_by_icookie(k, h->icookie, path);
	if (sa && path->local.port == IKE_PORT_NATT && !sa->peer->natt && !sa->natt) {
		k->count[IKE_COUNT_NO_PEER]++;
		return;
	}
	if (sa && !first && h->next == ISAKMP_P_FRAGMENT) {
		fragment(k, sa, path, datagram);
	} else if (sa && first && !(sa->initiator && h->exchange == ISAKMP_X_INFORMATIONAL)) {
		first_again(sa, path, datagram);
	} else if (sa) {
		whole(sa, path, datagram, h);
	} else if (first && (h->exchange == ISAKMP_X_MAIN || h->exchange == ISAKMP_X_AGGRESSIVE ||
			     h->exchange == ISAKMP_X_BASE)) {
		first_message(k, path, datagram, h);
	} else {
		k->count[IKE_COUNT_UNKNOWN_COOKIE]++;
		/* RFC 2408 §5.2; an informational is never answered by one */
		if (h->exchange == ISAKMP_X_QUICK && datagram.len >= NOTIFY_CLEAR_LEN &&
		    ike_conf_peer(k->conf, &path->remote.a))
			notify_clear(k, path, h->icookie, h->rcookie, ISAKMP_N_INVALID_COOKIE);
	}
}

/*
 * RFC 2408 §5.2, RFC 7296 §2.5. The answer has the version that we do have, as strongSwan's has. Never to an answer, and only where we
 * would have talked.
 */
void ike1_other_version(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	char a[64];

	if (h->version >> 4 != 2 || h->exchange != IKE2_X_SA_INIT || h->flags & IKE2_F_RESPONSE ||
	    datagram.len < NOTIFY_CLEAR_LEN || !ike_conf_peer(k->conf, &path->remote.a))
		return;
	if (ike_may_say(k, &path->remote.a))
		ike_log(k, LOG_L_WARNING, "%s begins with IKEv2, which we do not have: it has to be set to IKEv1 there",
			ike_end_text(&path->remote, a, sizeof(a)));
	notify_clear(k, path, h->icookie, h->rcookie, ISAKMP_N_INVALID_MAJOR_VERSION);
}
