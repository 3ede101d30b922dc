/* SPDX-License-Identifier: BSD-2-Clause */
/* At start: SAs that an earlier daemon made become children again. What cannot be put together is removed: it has no owner any more. */
#include <stdlib.h>

#include <arpa/inet.h>

#include "ike/core/child_priv.h"
#include "ike/v1/v1.h"

struct found {
	uint64_t ref;
	uint32_t pair;
	uint8_t dir, proto, flags, family, mode;
	__be32 spi;
	struct xi_addr src, dst;
	uint16_t local_port, remote_port;
	uint64_t add_ns, soft_ns, hard_ns, soft_bytes, hard_bytes;
};

struct list {
	struct found *f;
	unsigned n, room;
	int err;
};

static void collect(void *arg, uint64_t ref, const struct xi_sa *sa)
{
	struct list *l = arg;

	if (l->n == l->room) {
		unsigned room = l->room * 2 + 64;
		struct found *more = realloc(l->f, room * sizeof(*more));

		if (!more) {
			l->err = -ENOMEM;
			return;
		}
		l->f = more;
		l->room = room;
	}
	l->f[l->n++] = (struct found){
		.ref = ref,
		.pair = sa->pair,
		.dir = sa->dir,
		.proto = sa->proto,
		.flags = sa->flags,
		.family = sa->family,
		.mode = sa->mode,
		.spi = sa->spi,
		.src = sa->src,
		.dst = sa->dst,
		.local_port = ntohs(sa->udp_local),
		.remote_port = ntohs(sa->udp_remote),
		.add_ns = sa->add_ns,
		.soft_ns = sa->soft_ns,
		.hard_ns = sa->hard_ns,
		.soft_bytes = sa->soft_bytes,
		.hard_bytes = sa->hard_bytes,
	};
}

static int by_pair(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->pair != y->pair)
		return x->pair < y->pair ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1; /* ESP is 50, AH 51 */
	return x->dir - y->dir;
}

static int fill(struct ike_child *c, const struct found *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = f[i].proto != f[0].proto;

		if (f[i].dir == XI_DIR_IN) {
			c->in[at] = f[i].ref;
			c->in_spi[at] = f[i].spi;
			c->path.local.a = (struct ike_addr){f[i].family, f[i].dst};
			c->path.remote.a = (struct ike_addr){f[i].family, f[i].src};
		} else {
			c->out[at] = f[i].ref;
			c->out_spi[at] = f[i].spi;
			c->keepalive = !!(f[i].flags & XI_SA_F_KEEPALIVE);
			c->path.local.a = (struct ike_addr){f[i].family, f[i].src};
			c->path.remote.a = (struct ike_addr){f[i].family, f[i].dst};
		}
		c->proto[at] = f[i].proto;
	}
	/* Inbound alone: HASH(3) was waited for, or a Delete has come. The peer may be sending by it: it lives to its hard limit. */
	if (!c->in[0] || (!c->out[0] && (c->out[1] || !f[0].hard_ns)) || (c->out[0] && !c->in[1] != !c->out[1]))
		return -EINVAL;
	c->udp = !!(f[0].flags & XI_SA_F_UDP);
	c->path.local.port = c->udp ? f[0].local_port : IKE_PORT;
	c->path.remote.port = c->udp ? f[0].remote_port : IKE_PORT;
	c->initiator = !!(f[0].flags & XI_SA_F_INITIATOR);
	c->pair = f[0].pair;
	return 0;
}

static uint64_t last_use(const struct ike_child *c, uint64_t ref)
{
	const struct ike_env *env = c->ike->env;
	struct ike_sa_use use = {0};

	return ref && !env->sadb->use(env->ctx, ref, &use) ? use.last_ns : 0;
}

/*
 * The peer may have lost or deleted them while no phase 1 tells so. What it sends shows that it has them; where nothing comes, but we send, phase 1 is made, under which
 * it says INITIAL-CONTACT or is watched (RFC 3706 §5.5: traffic without an answer is the reason to ask). Each interval is judged by itself.
 */
static void doubt_due(struct ike_timer *t)
{
	struct ike_child *c = (struct ike_child *)((char *)t - offsetof(struct ike_child, linger));
	const struct ike_peer *peer = ike_conf_peer(c->ike->conf, &c->path.remote.a);
	struct ike_end remote = {c->path.remote.a, c->udp ? c->path.remote.port : 0};
	uint64_t since = c->doubted_ns;

	if (c->sa || !peer)
		return;
	child_doubt(c);
	if (peer->dpd_interval_s && last_use(c, c->in[0]) <= since && last_use(c, c->out[0]) > since)
		(void)ike1_want(c->ike, peer, &c->path.local.a, &remote, 1);
}

/* Without memory nobody doubts. */
void child_doubt(struct ike_child *c)
{
	const struct ike_peer *peer = ike_conf_peer(c->ike->conf, &c->path.remote.a);

	c->doubted_ns = ike_now(c->ike);
	c->linger.fn = doubt_due;
	if (peer && peer->dpd_interval_s)
		(void)timer_set(&c->ike->timers, &c->linger, c->doubted_ns + peer->dpd_interval_s * NS_PER_S);
}

/* SAs f[0..n-1] of one phase 2. */
static int adopt(struct ike *k, const struct found *f, unsigned n)
{
	struct ike_child *c = f[0].pair ? calloc(1, sizeof(*c)) : NULL;
	struct xi_sa life = {.soft_ns = f[0].soft_ns,
			     .hard_ns = f[0].hard_ns,
			     .soft_bytes = f[0].soft_bytes,
			     .hard_bytes = f[0].hard_bytes};

	if (!c)
		return -ENOENT;
	c->ike = k;
	if (fill(c, f, n)) {
		free(c);
		return -EINVAL;
	}
	if (k->env->sadb->user(k->env->ctx, c->out[0] ? c->out[0] : c->in[0], &c->policy))
		c->policy = (struct ike_policy){
			.mode = f[0].mode};    /* an older one whose successor is in use: it lives to its hard limit */
	if (!c->out[0] && c->policy.dynamic) { /* a generated policy comes and goes with both directions (spec 19.5) */
		free(c);
		return -EINVAL;
	}
	child_link(c);
	if (child_set_life(c, f[0].add_ns, &life)) {
		child_unlink(c);
		free(c);
		return -ENOMEM;
	}
	child_doubt(c);
	return 0;
}

/* A single one; and a generated policy whose it was. */
static void abandon(struct ike *k, uint64_t ref)
{
	const struct ike_env *env = k->env;
	struct ike_policy p;

	if (!env->sadb->user(env->ctx, ref, &p) && p.dynamic)
		(void)env->sadb->policy_remove(env->ctx, p.slot, p.gen);
	env->sadb->remove(env->ctx, ref);
}

void child_take_over(struct ike *k)
{
	struct list l = {0};
	unsigned n, pairs = 0, lost = 0;

	k->env->sadb->each(k->env->ctx, collect, &l);
	if (l.n)
		qsort(l.f, l.n, sizeof(*l.f), by_pair);
	for (unsigned i = 0; i < l.n; i += n) {
		for (n = 1; i + n < l.n && l.f[i + n].pair == l.f[i].pair && n < 4;)
			n++;
		if (!adopt(k, &l.f[i], n)) {
			pairs++;
			continue;
		}
		for (unsigned j = i; j < i + n; j++)
			abandon(k, l.f[j].ref);
		lost += n;
	}
	free(l.f);
	if (l.err)
		ike_log(k, LOG_L_ERROR, "no memory to take over all SAs that are installed; they end at their limits");
	if (pairs || lost)
		ike_log(k, LOG_L_INFO, "%u SA pairs taken over, %u single SAs removed", pairs, lost);
}
