/* SPDX-License-Identifier: BSD-2-Clause */
/* Life of an ISAKMP SA, and how it is found. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/phase1.h"

#define HALF_OPEN_NS (50 * NS_PER_S) /* spec section 22 */
#define UNDER_WAY_NS                                                                                                   \
	(60 * NS_PER_S) /* initiator: behind the last repetition; ends what waits for a job or signature for ever */
#define KEEPALIVE_NS (20 * NS_PER_S) /* spec section 21 */
#define SETTLE_NS (NS_PER_S / 20)

#define OF(t, field) ((struct ike1 *)((char *)(t)-offsetof(struct ike1, field)))

static const uint8_t no_cookie[8];

/* --- lookup --- */
static struct ike1 **cookie_bucket(struct ike *k, const uint8_t icookie[8])
{
	uint64_t seed, c;

	memcpy(&seed, k->cookie_secret, 8);
	memcpy(&c, icookie, 8);
	return &k->by_cookie[hash_end(hash_mix(seed, c), 12)];
}

static uint64_t prefix_of(const struct ike_addr *a)
{
	uint64_t w0 = __builtin_bswap32(a->addr.w[0]);

	if (a->family == XI_IP4)
		return w0 >> 8;
	return 1ull << 63 | w0 << 16 | __builtin_bswap32(a->addr.w[1]) >> 16;
}

int ike1_same_prefix(const struct ike_addr *a, const struct ike_addr *b)
{
	return a->family == b->family && prefix_of(a) == prefix_of(b);
}

struct ike1 **ike1_place(struct ike *k, const struct ike_addr *remote)
{
	return &k->by_place[hash_end(ike_addr_hash(k, remote), 12)];
}

struct chain **ike1_prefix(struct ike *k, const struct ike_addr *remote)
{
	uint64_t seed;

	memcpy(&seed, k->cookie_secret + 8, 8);
	return &k->by_prefix[hash_end(hash_mix(seed, prefix_of(remote)), 12)];
}

struct ike1 *ike1_by_cookies(struct ike *k, const uint8_t icookie[8], const uint8_t rcookie[8])
{
	for (struct ike1 *sa = *cookie_bucket(k, icookie); sa; sa = sa->by_cookie)
		if (!memcmp(sa->icookie, icookie, 8) && !memcmp(sa->rcookie, rcookie, 8))
			return sa;
	return NULL;
}

/* By the initiator's cookie alone: a first message that came again, or the answer to ours, whose cookie is not known yet. */
struct ike1 *ike1_by_icookie(struct ike *k, const uint8_t icookie[8], const struct ike_path *path)
{
	for (struct ike1 *sa = *cookie_bucket(k, icookie); sa; sa = sa->by_cookie)
		if (!memcmp(sa->icookie, icookie, 8) && ike_addr_eq(&sa->path.remote.a, &path->remote.a))
			return sa;
	return NULL;
}

static struct ike1 *find(struct ike *k, const struct ike_addr *local, const struct ike_addr *remote,
			 uint16_t remote_port, int moved)
{
	struct ike1 *best = NULL;

	for (struct ike1 *sa = *ike1_place(k, remote); sa; sa = sa->by_place) {
		if ((sa->state != IKE1_ESTABLISHED && sa->state != IKE1_DYING) || sa->dropping || sa->stale ||
		    !ike_addr_eq(&sa->path.remote.a, remote) || (!moved && !ike1_at_home(sa)) ||
		    (local && local->family && !ike_addr_eq(&sa->path.local.a, local)) ||
		    (remote_port && sa->path.remote.port != remote_port))
			continue;
		if (!best || (best->state == IKE1_DYING && sa->state == IKE1_ESTABLISHED) ||
		    (best->state == sa->state && sa->established_ns > best->established_ns))
			best = sa;
	}
	return best;
}

struct ike1 *ike1_find(struct ike *k, const struct ike_addr *local, const struct ike_addr *remote, uint16_t remote_port)
{
	return find(k, local, remote, remote_port, 0);
}

static struct ike1 *under_way(struct ike *k, const struct ike_addr *local, const struct ike_addr *remote)
{
	for (struct ike1 *sa = *ike1_place(k, remote); sa; sa = sa->by_place)
		if (sa->hs && sa->initiator && !sa->dropping && !sa->stale && ike_addr_eq(&sa->path.remote.a, remote) &&
		    ike_addr_eq(&sa->path.local.a, local))
			return sa;
	return NULL;
}

/* --- chains --- */
static void chain(struct ike1 **head, struct ike1 *sa, size_t next, size_t pprev)
{
	struct ike1 **n = (struct ike1 **)((char *)sa + next);

	*n = *head;
	if (*head)
		*(struct ike1 ***)((char *)*head + pprev) = n;
	*head = sa;
	*(struct ike1 ***)((char *)sa + pprev) = head;
}

static void unchain(struct ike1 *sa, size_t next, size_t pprev)
{
	struct ike1 *n = *(struct ike1 **)((char *)sa + next);
	struct ike1 **p = *(struct ike1 ***)((char *)sa + pprev);

	*p = n;
	if (n)
		*(struct ike1 ***)((char *)n + pprev) = p;
}

#define CHAIN(head, sa, next, pprev) chain(head, sa, offsetof(struct ike1, next), offsetof(struct ike1, pprev))
#define UNCHAIN(sa, next, pprev) unchain(sa, offsetof(struct ike1, next), offsetof(struct ike1, pprev))

/* --- life --- */
/* "icookie:rcookie" in hexadecimal. */
static const char *spi_text(const struct ike1 *sa, char buf[40])
{
	static const char digit[] = "0123456789abcdef";
	char *to = buf;

	for (unsigned i = 0; i < 16; i++) {
		uint8_t byte = i < 8 ? sa->icookie[i] : sa->rcookie[i - 8];

		if (i == 8)
			*to++ = ':';
		*to++ = digit[byte >> 4];
		*to++ = digit[byte & 15];
	}
	*to = '\0';
	return buf;
}

static void log_sa(const struct ike1 *sa, const char *what, const char *why)
{
	char a[64], b[64], spi[40];

	ike_log(sa->ike, LOG_L_INFO, "ISAKMP-SA %s %s-%s spi:%s%s%s", what, ike_end_text(&sa->path.local, a, sizeof(a)),
		ike_end_text(&sa->path.remote, b, sizeof(b)), spi_text(sa, spi), why ? ": " : "", why ? why : "");
}

static struct ike1 *start(struct ike *k, const struct ike_peer *peer, const struct ike_path *path)
{
	struct ike1 *sa = ike1_new(k, peer, path, NULL);
	char a[64], b[64];

	if (!sa)
		return NULL;
	ike_log(k, LOG_L_INFO, "initiate new phase 1 negotiation: %s<=>%s", ike_end_text(&path->local, a, sizeof(a)),
		ike_end_text(&path->remote, b, sizeof(b)));
	if (p1_begin(sa)) {
		ike1_drop(sa, 0, NULL);
		return NULL;
	}
	return sa;
}

static struct ike1 *successor(const struct ike1 *sa)
{
	struct ike1 *other = ike1_find(sa->ike, &sa->path.local.a, &sa->path.remote.a, sa->path.remote.port);

	return other != sa && other && other->state == IKE1_ESTABLISHED ? other : NULL;
}

/* What hangs on sa goes over to another one when there is one. 1: it has. */
static int hand_over(struct ike1 *sa)
{
	struct ike1 *other = successor(sa);

	if (other)
		child_rebind(sa, other);
	return !!other;
}

static void renew(struct ike1 *sa)
{
	if (child_any(sa) && !under_way(sa->ike, &sa->path.local.a, &sa->path.remote.a))
		(void)start(sa->ike, sa->peer, &sa->path); /* hand_over() when it is established */
}

unsigned ike1_soft_bytes(const struct ike1 *sa)
{
	uint64_t limit = sa->terms.life_bytes;

	if (!limit || sa->bytes < limit - limit / 5)
		return 0;
	return sa->bytes < limit - limit / 20 ? 1 : 2;
}

/*
 * Spec 14.3: at 80 % the initiator starts the next one. As with phase 2 (14.2), at 95 % whoever still has none does: the peer may have given up, or not watch
 * this one because its own settings have no DPD.
 */
static void soft(struct ike1 *sa)
{
	uint64_t late = sa->established_ns + (sa->expires_ns - sa->established_ns) / 20 * 19;
	int first = sa->state == IKE1_ESTABLISHED, is_late = ike_now(sa->ike) >= late;
	int ended = is_late || ike1_soft_bytes(sa) == 2;

	sa->state = IKE1_DYING;
	(void)timer_set(&sa->ike->timers, &sa->life,
			is_late ? sa->expires_ns : late); /* it has just fired: there is room */
	if (!hand_over(sa) && (ended || (first && sa->initiator)))
		renew(sa);
}

/* What an answer that does not come may mean. */
static const char *silence(const struct ike1 *sa)
{
	if (!sa->initiator || sa->hs->told)
		return "";
	if (sa->keyed)
		return sa->peer->auth == IKE_AUTH_PSK
			       ? ": our proof was not answered: the secrets may differ; the peer's log says more"
			       : ": our proof was not answered; the peer's log says more";
	return sa->hs->number ? ""
			      : ": nothing was answered: is the peer there, has it a peer item for us with the same "
				"exchange-mode, does UDP port 500 get through?";
}

static void timed_out(struct ike1 *sa)
{
	char spi[40], b[64];

	if (sa->initiator || sa->hs->proven)
		ike_log(sa->ike, LOG_L_ERROR, "phase1 negotiation failed%s. %s (%s, %s mode, %s)%s",
			sa->hs->hopeless ? ": the peer repeats what was refused" : " due to time up", spi_text(sa, spi),
			ike_end_text(&sa->path.remote, b, sizeof(b)), ike1_mode_name(sa),
			sa->initiator ? "initiator" : "responder", silence(sa));
	p1_take_back(sa);
	ike1_drop(sa, 0, NULL);
}

/*
 * Its IPsec SAs live on (14.3). While some hang on it there is no Delete: a peer with DPD would take it as the end of those SAs (20.2), of which we would go on
 * sending with ours.
 */
static void expire(struct ike1 *sa)
{
	log_sa(sa, "expired", NULL);
	sa->state = IKE1_EXPIRED;
	(void)hand_over(sa);
	ike1_drop(sa, !child_any(sa), NULL);
}

static void life_due(struct ike_timer *t)
{
	struct ike1 *sa = OF(t, life);

	if (sa->hs) {
		sa->ike->count[IKE_COUNT_TIMEOUT]++;
		timed_out(sa);
	} else if (ike_now(sa->ike) >= sa->expires_ns) {
		expire(sa);
	} else {
		soft(sa);
	}
}

/*
 * Nothing that the peer says in clear is believed (spec 20.1), so that only its silence tells that it has lost the ISAKMP SA. DPD judges the silence where it is
 * active, but not while packets of the peer's come in through IPsec SAs (20.4). Those live on until the next phase 1 has made others.
 */
void ike1_unanswered(struct ike1 *sa, uint64_t asked_ns)
{
	const struct ike_peer *peer = sa->peer;
	struct ike_path path = sa->path;
	struct ike *k = sa->ike;
	int needed = child_any(sa) && !successor(sa) && !under_way(k, &path.local.a, &path.remote.a);

	if (sa->dropping || sa->stale || sa->heard_ns >= asked_ns ||
	    (ike1_dpd_active(sa) && child_heard(sa) <= asked_ns))
		return;
	ike1_drop(sa, 0, "the peer does not answer");
	if (needed)
		(void)start(k, peer, &path);
}

void ike1_gave_up(struct ike1_retry *r)
{
	timed_out(r->sa);
}

static void keepalive_due(struct ike_timer *t)
{
	struct ike1 *sa = OF(t, keepalive);
	struct ike *k = sa->ike;

	(void)timer_set(&k->timers, t, ike_now(k) + KEEPALIVE_NS); /* it has just fired: there is room */
	for (struct ike1 *s = *ike1_place(k, &sa->path.remote.a); s != sa; s = s->by_place)
		if (s->keepalive.place && ike_end_eq(&s->path.remote, &sa->path.remote) &&
		    ike_end_eq(&s->path.local, &sa->path.local))
			return; /* that one does it for this pair */
	if (!child_keeps_alive(sa))
		k->env->keepalive(k->env->ctx, &sa->path);
}

struct ike1 *ike1_new(struct ike *k, const struct ike_peer *peer, const struct ike_path *path, const uint8_t *icookie)
{
	struct ike1 *sa = calloc(1, sizeof(*sa));
	uint8_t *cookie;

	if (!sa || !(sa->hs = calloc(1, sizeof(*sa->hs))))
		goto err;
	sa->ike = k;
	sa->peer = peer;
	sa->path = *path;
	sa->home = path->remote.a;
	sa->initiator = !icookie;
	sa->mode = peer->mode == IKE_MODE_AGGRESSIVE ? ISAKMP_X_AGGRESSIVE
		   : peer->mode == IKE_MODE_BASE     ? ISAKMP_X_BASE
						     : ISAKMP_X_MAIN;
	cookie = icookie ? sa->rcookie : sa->icookie;
	do {
		if (k->env->random(k->env->ctx, cookie, 8))
			goto err;
	} while (!memcmp(cookie, no_cookie, 8));
	if (icookie)
		memcpy(sa->icookie, icookie, 8);
	sa->life.fn = life_due;
	sa->keepalive.fn = keepalive_due;
	sa->retry.sa = sa;
	sa->retry.gave_up = sa->initiator ? ike1_gave_up : NULL;
	sa->state = IKE1_START;
	if (timer_set(&k->timers, &sa->life, ike_now(k) + (sa->initiator ? UNDER_WAY_NS : HALF_OPEN_NS)))
		goto err;
	p1_own_terms(peer, &sa->hs->own);
	CHAIN(&k->sas, sa, next, pprev);
	CHAIN(cookie_bucket(k, sa->icookie), sa, by_cookie, by_cookie_p);
	CHAIN(ike1_place(k, &path->remote.a), sa, by_place, by_place_p);
	return sa;
err:
	if (sa)
		free(sa->hs);
	free(sa);
	return NULL;
}

void ike1_state(struct ike1 *sa, enum ike1_state state)
{
	struct ike *k = sa->ike;

	sa->state = (uint8_t)state;
	if (sa->hs) /* it was set before: there is room */
		(void)timer_set(&k->timers, &sa->life, ike_now(k) + (sa->initiator ? UNDER_WAY_NS : HALF_OPEN_NS));
}

void ike1_settle(struct ike1 *sa)
{
	if (!sa->settle.place)
		return;
	timer_clear(&sa->ike->timers, &sa->settle);
	ike1_delete_late(sa);
	ike1_ready(sa);
}

static void settle_due(struct ike_timer *t)
{
	ike1_delete_late(OF(t, settle));
	ike1_ready(OF(t, settle));
}

/*
 * A peer with several threads, as strongSwan has, may take up a message right behind the last one of phase 1 before that one, and ignore it: it would be
 * repeated 10 s later, an INITIAL-CONTACT or a Delete never. So may any peer when the network reorders. 1: it has to be waited for.
 */
static int settling(struct ike1 *sa)
{
	int ours_was_last = sa->initiator == (sa->mode == ISAKMP_X_AGGRESSIVE);

	sa->settle.fn = settle_due;
	return ours_was_last && !timer_set(&sa->ike->timers, &sa->settle, ike_now(sa->ike) + SETTLE_NS);
}

/* Of those with sa's ends, or with its peer's address: the oldest other one when there are more than max. */
static struct ike1 *one_too_many(const struct ike1 *sa, int address, unsigned max)
{
	struct ike1 *oldest = NULL;
	unsigned n = 0;

	for (struct ike1 *s = *ike1_place(sa->ike, &sa->path.remote.a); s; s = s->by_place) {
		if (!s->established_ns || s->dropping || !ike_addr_eq(&s->path.remote.a, &sa->path.remote.a) ||
		    (!address && (s->path.remote.port != sa->path.remote.port ||
				  !ike_addr_eq(&s->path.local.a, &sa->path.local.a))))
			continue;
		n++;
		if (s != sa && (!oldest || s->established_ns <= oldest->established_ns))
			oldest = s;
	}
	return n > max ? oldest : NULL;
}

/* A peer that makes one after the other must not take up all memory: the oldest goes, what hangs on it goes over to the newest. */
static void bound_pair(struct ike1 *sa)
{
	struct ike1 *old = one_too_many(sa, 0, IKE1_PAIR_MAX);

	if (!old)
		old = one_too_many(sa, 1, IKE1_ADDRESS_MAX);
	if (old)
		ike1_drop(old, 1, "too many with one peer");
}

/* Behind a NAT there may be several peers. */
static int same_ends(const struct ike1 *a, const struct ike1 *b)
{
	return ike_addr_eq(&a->path.remote.a, &b->path.remote.a) && ike_addr_eq(&a->path.local.a, &b->path.local.a) &&
	       (!a->peer_behind || !b->peer_behind || a->path.remote.port == b->path.remote.port);
}

/* Lifetimes run from here. What came too early is looked at again; sa may be gone afterwards. */
void ike1_established(struct ike1 *sa)
{
	struct ike *k = sa->ike;
	struct ike1_handshake *hs = sa->hs;
	uint64_t life_ns = sa->terms.life_s * NS_PER_S;
	int contact = hs->initial_contact, wait;

	ike1_halfopen_remove(sa);
	sa->established_ns = ike_now(k);
	sa->established_wall = k->env->wall(k->env->ctx);
	sa->expires_ns = sa->established_ns + life_ns;
	sa->state = IKE1_ESTABLISHED;
	(void)timer_set(&k->timers, &sa->life,
			ike1_dpd_active(sa) ? sa->established_ns + life_ns / 10 * 8 : sa->expires_ns);
	if (sa->retry.gave_up)
		ike1_retry_clear(k, &sa->retry); /* what was repeated has its answer */
	if (sa->behind && timer_set(&k->timers, &sa->keepalive, sa->established_ns + KEEPALIVE_NS))
		ike_log(k, LOG_L_ERROR, "no memory for keep-alives");
	log_sa(sa, "established", NULL);
	/* The newest has what the peer may forget: it deletes an old one when it has made the next, dying or not. */
	for (struct ike1 *s = *ike1_place(k, &sa->path.remote.a); s; s = s->by_place)
		if (s != sa && same_ends(s, sa))
			child_rebind(s, sa);
	sa->hs = NULL;
	bound_pair(sa);
	wait = settling(sa);
	if (contact)
		ike1_initial_contact(sa);
	ike1_dpd_start(sa);
	if (!wait)
		ike1_ready(sa);
	p1_release(k, hs);
}

void ike1_drop_with_children(struct ike1 *sa, const char *why)
{
	sa->state = IKE1_EXPIRED; /* it is no successor of itself */
	if (!hand_over(sa))
		child_drop_peer(sa);
	ike1_drop(sa, 0, why);
}

/* A dead one is in no list, but whole until ike1_gone() has let go of it. */
void ike1_drop(struct ike1 *sa, int delete, const char *why)
{
	struct ike *k = sa->ike;

	if (sa->dropping)
		return;
	sa->dropping = 1;
	timer_clear(&k->timers, &sa->settle);
	if (delete &&!sa->hs) {
		ike1_delete_late(sa);
		ike1_delete_isakmp(sa);
	}
	if (why)
		log_sa(sa, "deleted", why);
	ike1_halfopen_remove(sa);
	UNCHAIN(sa, next, pprev);
	UNCHAIN(sa, by_cookie, by_cookie_p);
	UNCHAIN(sa, by_place, by_place_p);
	timer_clear(&k->timers, &sa->life);
	timer_clear(&k->timers, &sa->turn);
	timer_clear(&k->timers, &sa->keepalive);
	timer_clear(&k->timers, &sa->dpd);
	ike1_gone(sa);
	ike1_retry_clear(k, &sa->retry);
	ike1_fragments_free(sa);
	p1_dh_abandon(sa);
	p1_sign_abandon(sa);
	p1_free(sa->hs);
	free(sa->quick_mid);
	free(sa->late.del);
	OPENSSL_cleanse(sa, sizeof(*sa));
	free(sa);
}

struct ike1 *ike1_want(struct ike *k, const struct ike_peer *peer, const struct ike_addr *local,
		       const struct ike_end *remote, int moved)
{
	struct ike_path path = {.local.port = IKE_PORT, .remote = {remote->a, peer->port}};
	struct ike1 *sa;

	if (local && local->family)
		path.local.a = *local;
	else if (k->env->source(k->env->ctx, &remote->a, &path.local.a))
		return NULL;
	sa = find(k, &path.local.a, &remote->a, remote->port, moved);
	if (!sa)
		sa = under_way(k, &path.local.a, &remote->a);
	return sa ? sa : start(k, peer, &path);
}

void ike1_seen(struct ike1 *sa, const struct ike_path *path)
{
	char a[64], b[64];

	sa->heard_ns = ike_now(sa->ike);
	if (!sa->natt || (ike_end_eq(&path->remote, &sa->path.remote) && ike_end_eq(&path->local, &sa->path.local)))
		return;
	/* RFC 3947 §4: what comes to port 500 now left before the peer knew of the move; there is no way back. */
	if (sa->path.local.port == IKE_PORT_NATT && path->local.port != IKE_PORT_NATT)
		return;
	(void)ike_end_text(&sa->path.remote, a, sizeof(a));
	(void)ike_end_text(&path->remote, b, sizeof(b));
	if (!ike_conf_may_move(sa->ike->conf, &sa->path.remote.a, &path->remote.a)) {
		if (ike_may_say(sa->ike, &path->remote.a))
			ike_log(sa->ike, LOG_L_WARNING,
				"peer %s comes from %s, which is an address of another peer item: it is not followed",
				a, b);
		return;
	}
	ike_log(sa->ike, LOG_L_INFO, "peer %s is now at %s", a, b);
	sa->moved |= !ike_addr_eq(&path->remote.a, &sa->path.remote.a);
	UNCHAIN(sa, by_place, by_place_p);
	sa->path = *path;
	CHAIN(ike1_place(sa->ike, &path->remote.a), sa, by_place, by_place_p);
}

/* --- what operators see --- */
static const char *const states[] = {
	[IKE1_SPAWN] = "spawn",
	[IKE1_START] = "start",
	[IKE1_MSG1_SENT] = "message-1-sent",
	[IKE1_MSG1_RECEIVED] = "message-1-received",
	[IKE1_MSG2_SENT] = "message-2-sent",
	[IKE1_MSG2_RECEIVED] = "message-2-received",
	[IKE1_MSG3_SENT] = "message-3-sent",
	[IKE1_MSG3_RECEIVED] = "message-3-received",
	[IKE1_MSG4_RECEIVED] = "message-4-received",
	[IKE1_ESTABLISHED] = "established",
	[IKE1_DYING] = "dying",
	[IKE1_EXPIRED] = "expired",
};

const char *ike1_mode_name(const struct ike1 *sa)
{
	switch (sa->mode) {
	case ISAKMP_X_AGGRESSIVE:
		return "aggressive";
	case ISAKMP_X_BASE:
		return "base";
	default:
		return sa->peer->mode == IKE_MODE_MAIN_L2TP ? "main-l2tp" : "main";
	}
}

void ike1_info(const struct ike1 *sa, struct ike_peer_info *row)
{
	uint64_t now = ike_now(sa->ike);

	*row = (struct ike_peer_info){
		.path = sa->path,
		.state = states[sa->state],
		.side = sa->initiator ? "initiator" : "responder",
		.exchange_mode = ike1_mode_name(sa),
		.established_s = sa->established_ns ? (int64_t)((now - sa->established_ns) / NS_PER_S) : -1,
		.expires_s = -1,
		.natt = (uint8_t)((sa->behind ? 1 : 0) | (sa->peer_behind ? 2 : 0)),
		.ph2_total = sa->ph2_total,
		.dpd_failures = sa->dpd_failures,
	};
	if (sa->expires_ns)
		row->expires_s = sa->expires_ns > now ? (int64_t)((sa->expires_ns - now) / NS_PER_S) : 0;
	(void)str_copy(row->id, sizeof(row->id), sa->id);
	memcpy(row->icookie, sa->icookie, 8);
	memcpy(row->rcookie, sa->rcookie, 8);
}
