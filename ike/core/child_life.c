/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits and rekeying (spec section 14). The soft limit makes the initiator of a phase 2 start the next one; at 95 % of the hard limit whoever still has no
 * successor does, if there was traffic. The old SAs stay until their hard limit: make before break.
 *
 * When both sides make SAs at once there are two pairs for one policy. Both ends agree which goes on: the one with the lower SPI. The other one is
 * not rekeyed. Should the ends see it differently, the 95 % rule makes up for it.
 */
#include <arpa/inet.h>

#include "ike/core/child_priv.h"
#include "ike/v1/quick.h"

#define RETRY_NS (10 * NS_PER_S)
#define TWINS_NS (10 * NS_PER_S)

static void child_due(struct ike_timer *t);

static uint64_t late_ns(const struct ike_child *c)
{
	return c->add_ns + (c->hard_ns - c->add_ns) / 20 * 19;
}

static int has_carried(const struct ike_child *c, uint64_t bytes)
{
	const struct ike_env *env = c->ike->env;
	struct ike_sa_use use = {0};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t ref = i ? c->out[0] : c->in[0];

		if (ref && !env->sadb->use(env->ctx, ref, &use) && use.bytes >= bytes)
			return 1;
	}
	return 0;
}

int child_set_life(struct ike_child *c, uint64_t add_ns, const struct xi_sa *sa)
{
	c->add_ns = add_ns;
	c->life_s = (uint32_t)(sa->hard_ns / NS_PER_S);
	c->hard_bytes = sa->hard_bytes;
	c->timer.fn = child_due;
	if (!sa->hard_ns)
		return 0;
	c->soft_ns = add_ns + sa->soft_ns;
	c->hard_ns = add_ns + sa->hard_ns;
	/* Taken over, and the soft limit passed while there was no daemon to be told. */
	c->soft = sa->soft_bytes && has_carried(c, sa->soft_bytes);
	if (c->soft)
		return timer_set(&c->ike->timers, &c->timer, ike_now(c->ike));
	return timer_set(&c->ike->timers, &c->timer, c->soft_ns);
}

static int same_use(const struct ike_child *a, const struct ike_child *b)
{
	return a != b && !b->dying && b->out[0] && a->policy.slot == b->policy.slot && a->policy.gen == b->policy.gen &&
	       child_same_pair(b, &a->path);
}

/* Made in the second half of its soft life or later; where bytes have used it up before that, what is no twin of it. */
static int has_successor(const struct ike_child *c)
{
	uint64_t from = c->add_ns + (ike_now(c->ike) < c->soft_ns ? TWINS_NS : (c->soft_ns - c->add_ns) / 2);

	for (const struct ike_child *o = *child_bucket(c->ike, &c->path.remote.a); o; o = o->next)
		if (same_use(c, o) && o->add_ns > from)
			return 1;
	return 0;
}

static uint32_t low_spi(const struct ike_child *c)
{
	return MIN(ntohl(c->in_spi[0]), ntohl(c->out_spi[0]));
}

static int twin_goes_on(const struct ike_child *c)
{
	for (const struct ike_child *o = *child_bucket(c->ike, &c->path.remote.a); o; o = o->next) {
		uint64_t apart = o->add_ns > c->add_ns ? o->add_ns - c->add_ns : c->add_ns - o->add_ns;

		if (same_use(c, o) && apart < TWINS_NS && low_spi(o) < low_spi(c))
			return 1;
	}
	return 0;
}

static int carried_traffic(const struct ike_child *c)
{
	const struct ike_env *env = c->ike->env;
	struct ike_sa_use use = {0};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t ref = i ? c->out[0] : c->in[0];

		if (ref && !env->sadb->use(env->ctx, ref, &use) && use.last_ns > c->soft_ns)
			return 1;
	}
	return 0;
}

/* Behind the soft limit, when the next one is the peer's to make: the data plane does not say when 95 % of the bytes have gone. */
static int watches_bytes(const struct ike_child *c)
{
	return c->soft && c->hard_bytes && c->hard_ns && !c->initiator && !c->rekeyed && !has_successor(c);
}

static void rekey(struct ike_child *c)
{
	const struct ike_env *env = c->ike->env;
	struct ike_path ends = c->path;
	struct ike_policy p;

	if (env->sadb->policy_get(env->ctx, c->policy.slot, c->policy.gen, &p) &&
	    env->sadb->user(env->ctx, c->out[0], &p))
		return; /* nobody needs a next one */
	if (!c->udp)
		ends.remote.port = 0;
	else if (c->sa)
		ends.remote = c->sa->path.remote; /* where it is now */
	c->rekeyed = 1;
	child_set_policy(c, &p);
	if (quick_initiate(c->ike, &p, &ends, 0, c->pair))
		c->rekeyed = 0;
}

static void expire(struct ike_child *c)
{
	char a[64], b[64];

	ike_log(c->ike, LOG_L_INFO, "IPsec-SA expired: %s/%s %s[%u]->%s[%u] spi=%u(0x%x)",
		c->proto[0] == XI_PROTO_AH ? "AH" : "ESP", c->policy.mode == XI_MODE_TUNNEL ? "Tunnel" : "Transport",
		ike_addr_text(&c->path.remote.a, a, sizeof(a)), c->udp ? c->path.remote.port : 0,
		ike_addr_text(&c->path.local.a, b, sizeof(b)), c->udp ? c->path.local.port : 0, ntohl(c->in_spi[0]),
		ntohl(c->in_spi[0]));
	child_end(c, 1);
}

static int wants_rekey(const struct ike_child *c, uint64_t now)
{
	if (c->rekeyed || has_successor(c))
		return 0;
	if (c->initiator && !twin_goes_on(c))
		return 1;
	if (now >= late_ns(c) && (c->initiator || carried_traffic(c)))
		return 1;
	return watches_bytes(c) && has_carried(c, c->hard_bytes / 20 * 19);
}

static void at_a_limit(struct ike_child *c)
{
	struct ike *k = c->ike;
	uint64_t now = ike_now(k), next;
	uint32_t pair = c->pair;

	if (now >= c->hard_ns) {
		expire(c);
		return;
	}
	c->soft = 1;
	next = now < late_ns(c) ? late_ns(c) : c->hard_ns;
	if (watches_bytes(c))
		next = MIN(next, now + NS_PER_S);
	if (timer_set(&k->timers, &c->timer, next)) {
		expire(c); /* no memory: rather too early than never */
		return;
	}
	if (wants_rekey(c, now)) {
		rekey(c);
		/* It may have failed at once, even for good: look again. */
		c = child_by_pair(k, pair);
		if (c && !c->rekeyed)
			child_rekey_failed(k, pair);
	}
}

/* With proposal-check=obey the peer has chosen the limits: seconds, if it likes. */
static void child_due(struct ike_timer *t)
{
	struct ike_child *c = (struct ike_child *)((char *)t - offsetof(struct ike_child, timer));
	struct ike_addr peer = c->path.remote.a;
	struct ike *k = c->ike;
	const struct ike_addr *outer = ike_because_of(k, &peer);

	at_a_limit(c);
	(void)ike_because_of(k, outer);
}

void child_rekey_failed(struct ike *k, uint32_t pair)
{
	struct ike_child *c = child_by_pair(k, pair);
	uint64_t next;

	if (!c || c->dying || !c->hard_ns)
		return;
	c->rekeyed = 0;
	next = MIN(ike_now(k) + RETRY_NS, c->hard_ns);
	if (timer_set(&k->timers, &c->timer, next))
		expire(c);
}

static struct ike_child *by_ref(struct ike *k, uint64_t ref)
{
	struct ike_sa_use use = {0};
	struct ike_child *c = NULL;

	if (ref && !k->env->sadb->use(k->env->ctx, ref, &use))
		c = child_by_pair(k, use.pair);
	return c && (c->in[0] == ref || c->in[1] == ref || c->out[0] == ref || c->out[1] == ref) ? c : NULL;
}

/* Spec section 21: the peer's NAT has given it another address or port; what came from there was authentic. */
static void moved(struct ike_child *c, const struct ike_end *seen)
{
	const struct ike_env *env = c->ike->env;
	struct ike_path path = c->path;
	struct err e = {0};

	if (!c->udp || !seen || !seen->port || seen->a.family != c->path.remote.a.family ||
	    ike_end_eq(seen, &c->path.remote) || !ike_conf_may_move(c->ike->conf, &c->path.remote.a, &seen->a))
		return;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t *ref = i < 2 ? &c->in[i] : &c->out[i - 2];

		if (*ref && env->sadb->move(env->ctx, ref, seen, &e))
			ike_log(c->ike, LOG_L_ERROR, "the peer has moved, but its SA cannot follow: %s", e.text);
	}
	child_unlink(c);
	c->path.remote = *seen;
	child_link(c);
	if (!c->sa)
		return;
	c->sa->moved = 1;
	path.remote = *seen;
	ike1_seen(c->sa, &path);
}

void ike_sa_event(struct ike *k, enum ike_sa_event ev, uint64_t ref, const struct ike_end *seen)
{
	struct ike_child *c = by_ref(k, ref);

	if (!c || c->dying)
		return;
	switch (ev) {
	case IKE_SA_SOFT:
		c->soft = 1;
		if (c->initiator && !c->rekeyed && !has_successor(c) && !twin_goes_on(c))
			rekey(c);
		else if (watches_bytes(c))
			at_a_limit(c);
		break;
	case IKE_SA_SEQUENCE:
		if (!c->rekeyed && !has_successor(c))
			rekey(c);
		break;
	case IKE_SA_HARD:
		expire(c);
		break;
	case IKE_SA_MAPPING:
		moved(c, seen);
		break;
	}
}
