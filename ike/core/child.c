/* SPDX-License-Identifier: BSD-2-Clause */
/* Negotiated SAs: what is there, how it ends, and who asks for it. Their rekeying stands in child_life.c. */
#include "ike/core/child_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "ike/v1/quick.h"

struct ike_child **child_bucket(struct ike *k, const struct ike_addr *remote)
{
	_Static_assert(IKE_CHILD_BUCKETS == 1 << 12, "bits");
	return &k->children[hash_end(ike_addr_hash(k, remote), 12)];
}

static struct chain **pair_bucket(struct ike *k, uint32_t pair)
{
	return &k->child_by_pair[hash_end(pair, 12)];
}

static struct chain **policy_bucket(struct ike *k, const struct ike_policy *p)
{
	const struct xi_selector *s = &p->sel;
	uint64_t h = (uint64_t)s->src_len << 8 | s->dst_len;

	for (unsigned i = 0; i < 4; i++)
		h = hash_mix(h, (uint64_t)s->src.w[i] << 32 | s->dst.w[i]);
	return &k->child_by_policy[hash_end(h, 12)];
}

void child_link(struct ike_child *c)
{
	struct ike_child **at = child_bucket(c->ike, &c->path.remote.a);

	c->next = *at;
	c->pprev = at;
	if (c->next)
		c->next->pprev = &c->next;
	*at = c;
	chain_add(pair_bucket(c->ike, c->pair), &c->by_pair);
	chain_add(policy_bucket(c->ike, &c->policy), &c->by_policy);
}

void child_unlink(struct ike_child *c)
{
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	chain_remove(&c->by_pair);
	chain_remove(&c->by_policy);
}

void child_set_policy(struct ike_child *c, const struct ike_policy *p)
{
	chain_remove(&c->by_policy);
	c->policy = *p;
	chain_add(policy_bucket(c->ike, p), &c->by_policy);
}

int child_same_pair(const struct ike_child *c, const struct ike_path *p)
{
	if (!ike_addr_eq(&c->path.remote.a, &p->remote.a) || !ike_addr_eq(&c->path.local.a, &p->local.a))
		return 0;
	return !c->udp || !p->remote.port || c->path.remote.port == p->remote.port;
}

/* Between the ends of sa: what the peer says of its address holds for it. Of one that has moved there it does for its own alone. */
static int between_ends(const struct ike_child *c, const struct ike1 *sa)
{
	return (c->sa == sa || ike1_at_home(sa)) && child_same_pair(c, &sa->path);
}

/* Where children of sa may be: by its address, but anywhere once it has moved to another one than they. */
static unsigned first_bucket(const struct ike1 *sa)
{
	return sa->moved ? 0 : (unsigned)(child_bucket(sa->ike, &sa->path.remote.a) - sa->ike->children);
}

static unsigned last_bucket(const struct ike1 *sa)
{
	return sa->moved ? IKE_CHILD_BUCKETS - 1 : first_bucket(sa);
}

static void child_free(struct ike_child *c)
{
	timer_clear(&c->ike->timers, &c->timer);
	timer_clear(&c->ike->timers, &c->linger);
	child_unlink(c);
	free(c);
}

/* --- end --- */
static void remove_refs(struct ike_child *c, uint64_t *ref)
{
	const struct ike_env *env = c->ike->env;

	for (unsigned i = 0; i < 2; i++) {
		if (ref[i])
			env->sadb->remove(env->ctx, ref[i]);
		ref[i] = 0;
	}
}

/* Spec 19.6: a generated policy goes with the last of its SAs. */
static void drop_policy_but_for(struct ike *k, const struct ike_policy *p, const struct ike_child *but)
{
	if (!p->dynamic || !p->gen)
		return;
	for (const struct chain *l = *policy_bucket(k, p); l; l = l->next) {
		const struct ike_child *o = CHAIN_OF(l, struct ike_child, by_policy);

		if (o != but && !o->dying && o->policy.slot == p->slot && o->policy.gen == p->gen)
			return;
	}
	(void)k->env->sadb->policy_remove(k->env->ctx, p->slot, p->gen); /* it may be gone already */
}

static void drop_policy(struct ike_child *c)
{
	drop_policy_but_for(c->ike, &c->policy, c);
}

void child_drop_policy(struct ike *k, const struct ike_policy *p)
{
	drop_policy_but_for(k, p, NULL);
}

/* Spec 20.2: the inbound SPIs, one in a Delete; under any ISAKMP SA with the peer, none is made for it. */
static void tell_peer(struct ike_child *c)
{
	const struct ike_path *p = &c->path;
	struct ike1 *sa = c->sa;

	if (!sa)
		sa = ike1_find(c->ike, &p->local.a, &p->remote.a, c->udp ? p->remote.port : 0);
	for (unsigned i = 0; sa && i < 2; i++)
		if (c->in[i])
			ike1_delete_ipsec(sa, c->proto[i], c->in_spi[i]);
}

void child_end(struct ike_child *c, int tell)
{
	if (tell && !c->dying)
		tell_peer(c);
	remove_refs(c, c->out);
	remove_refs(c, c->in);
	drop_policy(c);
	child_free(c);
}

static void linger_over(struct ike_timer *t)
{
	child_end((struct ike_child *)((char *)t - offsetof(struct ike_child, linger)), 0);
}

static void child_linger(struct ike_child *c)
{
	struct ike *k = c->ike;

	remove_refs(c, c->out);
	drop_policy(c);
	c->dying = 1;
	timer_clear(&k->timers, &c->timer);
	c->linger.fn = linger_over;
	if (timer_set(&k->timers, &c->linger, ike_now(k) + CHILD_LINGER_NS))
		child_end(c, 0);
}

/* The SPI of spis that it sends with; 0: none. */
static __be32 sends_with(const struct ike_child *c, uint8_t proto, struct bytes spis)
{
	struct rd r = rd_of(spis);

	for (unsigned i = 0; i < 2; i++) {
		if (c->proto[i] != proto || !c->out[i])
			continue;
		while (rd_left(&r) >= sizeof(c->out_spi[i]))
			if (!memcmp(rd_bytes(&r, sizeof(c->out_spi[i])).p, &c->out_spi[i], sizeof(c->out_spi[i])))
				return c->out_spi[i];
	}
	return 0;
}

/* Once through the children: one Delete may have 16,000 SPIs. */
void child_deleted(struct ike1 *sa, uint8_t proto, struct bytes spis)
{
	struct ike_child *c, *next;
	char text[64];
	__be32 spi;

	for (unsigned i = first_bucket(sa); i <= last_bucket(sa); i++)
		for (c = sa->ike->children[i]; c; c = next) {
			next = c->next;
			if (c->dying || (c->sa != sa && !between_ends(c, sa)) || !(spi = sends_with(c, proto, spis)))
				continue;
			ike_log(sa->ike, LOG_L_INFO, "%s deleted the IPsec-SA spi=%u(0x%x)",
				ike_addr_text(&sa->path.remote.a, text, sizeof(text)), ntohl(spi), ntohl(spi));
			child_linger(c);
		}
}

int child_there(const struct ike1 *sa)
{
	for (const struct ike_child *c = *child_bucket(sa->ike, &sa->path.remote.a); c; c = c->next)
		if (!c->dying && child_same_pair(c, &sa->path))
			return 1;
	return 0;
}

void child_initial_contact(struct ike1 *sa)
{
	uint64_t now = ike_now(sa->ike);
	struct ike_child *c, *next;

	for (c = *child_bucket(sa->ike, &sa->path.remote.a); c; c = next) {
		next = c->next;
		if (!between_ends(c, sa) || (c->sa == sa && !c->rebound))
			continue;
		/*
		 * With Delete only if it is new: should the peer have it, because messages overtook each other, it must not go on sending. A peer
		 * that has started anew has none, and strongSwan loses the IV of its quick mode over many Deletes.
		 */
		child_end(c, now - c->add_ns < CHILD_LINGER_NS);
	}
}

void child_drop_peer(const struct ike1 *sa)
{
	struct ike_child *c, *next;

	for (unsigned i = first_bucket(sa); i <= last_bucket(sa); i++)
		for (c = sa->ike->children[i]; c; c = next) {
			next = c->next;
			if (c->sa == sa || (!c->sa && between_ends(c, sa)))
				child_end(c, 0);
		}
}

/* --- begin --- */
static void log_established(const struct ike_child *c)
{
	char a[64], b[64];
	unsigned la = c->udp ? c->path.local.port : 0, lb = c->udp ? c->path.remote.port : 0;

	(void)ike_addr_text(&c->path.local.a, a, sizeof(a));
	(void)ike_addr_text(&c->path.remote.a, b, sizeof(b));
	for (unsigned i = 0; i < 2 && c->proto[i]; i++) {
		const char *proto = c->proto[i] == XI_PROTO_AH ? "AH" : "ESP";
		const char *mode = c->policy.mode == XI_MODE_TUNNEL ? "Tunnel" : "Transport";

		ike_log(c->ike, LOG_L_INFO, "IPsec-SA established: %s/%s %s[%u]->%s[%u] spi=%u(0x%x)", proto, mode, b,
			lb, a, la, ntohl(c->in_spi[i]), ntohl(c->in_spi[i]));
		ike_log(c->ike, LOG_L_INFO, "IPsec-SA established: %s/%s %s[%u]->%s[%u] spi=%u(0x%x)", proto, mode, a,
			la, b, lb, ntohl(c->out_spi[i]), ntohl(c->out_spi[i]));
	}
}

/* Several peers may stand behind the address of a NAT: the port tells them apart, but for one that has moved. */
static int of_peer(const struct ike_child *c, const struct ike1 *sa)
{
	return c->sa == sa || child_same_pair(c, &sa->path);
}

int child_other_has(const struct ike1 *sa, const struct ike_policy *p)
{
	for (const struct chain *l = *policy_bucket(sa->ike, p); l; l = l->next) {
		const struct ike_child *c = CHAIN_OF(l, struct ike_child, by_policy);

		if (!c->dying && c->policy.slot == p->slot && c->policy.gen == p->gen && !of_peer(c, sa))
			return 1;
	}
	return 0;
}

/* Spec 19.5: what another peer had under a generated policy of these selectors, which went when this one's came. */
static void take_over_policy(const struct ike_child *c)
{
	struct ike *k = c->ike;

	if (!c->policy.dynamic)
		return;
	for (struct chain *l = *policy_bucket(k, &c->policy), *next; l; l = next) {
		struct ike_child *o = CHAIN_OF(l, struct ike_child, by_policy);

		next = l->next;
		if (!o->policy.dynamic || of_peer(o, c->sa) ||
		    memcmp(&o->policy.sel, &c->policy.sel, sizeof(o->policy.sel)) != 0)
			continue;
		child_end(o, 1);
	}
}

/* A peer may negotiate again and again: the oldest of too many goes, so that there is room for other peers. */
static void bound_policy(struct ike_child *c)
{
	struct ike_child *oldest = NULL;
	unsigned n = 0;

	for (struct ike_child *o = *child_bucket(c->ike, &c->path.remote.a); o; o = o->next) {
		if (o->dying || o->policy.slot != c->policy.slot || o->policy.gen != c->policy.gen ||
		    !child_same_pair(o, &c->path))
			continue;
		n++;
		if (o != c && (!oldest || o->add_ns <= oldest->add_ns))
			oldest = o;
	}
	if (n <= CHILD_POLICY_MAX)
		return;
	ike_log(c->ike, LOG_L_WARNING,
		"more than %u pairs of IPsec-SAs under one policy with one peer: the oldest goes", CHILD_POLICY_MAX);
	child_end(oldest, 1);
}

/* Likewise of one that claims ever new networks for itself (spec section 19). */
static void bound_generated(struct ike_child *c)
{
	struct ike_child *oldest = NULL;
	unsigned n = 0;

	if (!c->policy.dynamic)
		return;
	for (struct ike_child *o = *child_bucket(c->ike, &c->path.remote.a); o; o = o->next) {
		if (o->dying || !o->policy.dynamic || !ike_addr_eq(&o->path.remote.a, &c->path.remote.a))
			continue;
		n++;
		if (o != c && (!oldest || o->add_ns <= oldest->add_ns))
			oldest = o;
	}
	if (n <= CHILD_GENERATED_MAX)
		return;
	ike_log(c->ike, LOG_L_WARNING,
		"more than %u pairs of IPsec-SAs under generated policies with one address: the oldest goes",
		CHILD_GENERATED_MAX);
	child_end(oldest, 1);
}

static int is_newest(const struct ike_child *c)
{
	for (const struct chain *l = *policy_bucket(c->ike, &c->policy); l; l = l->next) {
		const struct ike_child *o = CHAIN_OF(l, struct ike_child, by_policy);

		if (!o->dying && o->policy.slot == c->policy.slot && o->policy.gen == c->policy.gen &&
		    o->add_ns > c->add_ns)
			return 0;
	}
	return 1;
}

static unsigned bucket_most(const struct ike *k)
{
	unsigned most = 0, best = 0;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++) {
		unsigned n = 0;

		for (const struct ike_child *c = k->children[i]; c; c = c->next)
			n++;
		if (n > most) {
			most = n;
			best = i;
		}
	}
	return best;
}

int child_make_room(struct ike *k, uint32_t spare)
{
	struct ike_child *old = NULL, *generated = NULL;

	for (struct ike_child *c = k->children[bucket_most(k)]; c; c = c->next) {
		if (c->dying || (spare && c->pair == spare))
			continue;
		if (!is_newest(c)) /* the newest stands first */
			old = c;
		else if (c->policy.dynamic)
			generated = c;
	}
	if (!old)
		old = generated;
	if (!old)
		return -ENOENT;
	child_end(old, 1);
	return 0;
}

int child_add(struct ike1 *sa, const struct child_new *n)
{
	const struct ike_bundle *b = n->bundle;
	struct ike *k = sa->ike;
	struct ike_child *c = calloc(1, sizeof(*c)), *old;

	if (!c)
		return -ENOMEM;
	*c = (struct ike_child){.ike = k, .sa = sa, .path = sa->path, .policy = *n->policy, .initiator = n->initiator};
	c->path.local.a = n->local;
	c->path.remote.a = n->remote;
	for (unsigned i = 0; i < b->n; i++) {
		c->in[i] = b->in_ref[i];
		c->out[i] = b->out_ref[i];
		c->in_spi[i] = b->in[i].spi;
		c->out_spi[i] = b->out[i].spi;
		c->proto[i] = b->in[i].proto;
	}
	c->udp = !!(b->in[0].flags & XI_SA_F_UDP);
	c->keepalive = !!(b->out[0].flags & XI_SA_F_KEEPALIVE);
	c->pair = b->in[0].pair;
	child_link(c);
	if (child_set_life(c, ike_now(k), &b->in[0])) {
		child_unlink(c);
		free(c);
		return -ENOMEM;
	}
	old = child_by_pair(k, n->replaces);
	if (old)
		old->rekeyed = 1;
	log_established(c);
	take_over_policy(c);
	bound_policy(c);
	bound_generated(c);
	return 0;
}

/* --- with phase 1 --- */
void child_bind(struct ike1 *sa)
{
	for (struct ike_child *c = *child_bucket(sa->ike, &sa->path.remote.a); c; c = c->next) {
		if (!c->sa && between_ends(c, sa)) {
			c->sa = sa;
			c->rebound = 1;
		}
	}
}

void child_rebind(struct ike1 *from, struct ike1 *to)
{
	for (unsigned i = first_bucket(from); i <= last_bucket(from); i++)
		for (struct ike_child *c = from->ike->children[i]; c; c = c->next) {
			if (c->sa != from)
				continue;
			c->sa = to;
			c->rebound = 1;
			if (to)
				to->moved |= from->moved; /* its own address may not be theirs either */
			else if (!c->dying)
				child_doubt(c);
		}
}

int child_any(const struct ike1 *sa)
{
	for (const struct ike1_quick *q = sa->quick; q; q = q->next)
		if (q->state != QUICK_OVER)
			return 1;
	for (unsigned i = first_bucket(sa); i <= last_bucket(sa); i++)
		for (const struct ike_child *c = sa->ike->children[i]; c; c = c->next)
			if (c->sa == sa && !c->dying)
				return 1;
	return 0;
}

int child_keeps_alive(const struct ike1 *sa)
{
	for (const struct ike_child *c = *child_bucket(sa->ike, &sa->path.remote.a); c; c = c->next)
		if (c->keepalive && !c->dying && ike_end_eq(&c->path.remote, &sa->path.remote) &&
		    ike_end_eq(&c->path.local, &sa->path.local))
			return 1;
	return 0;
}

uint64_t child_heard(const struct ike1 *sa)
{
	const struct ike_env *env = sa->ike->env;
	uint64_t last = 0;

	for (const struct ike_child *c = *child_bucket(sa->ike, &sa->path.remote.a); c; c = c->next) {
		struct ike_sa_use use = {0};

		if (child_same_pair(c, &sa->path) && c->in[0] && !env->sadb->use(env->ctx, c->in[0], &use))
			last = MAX(last, use.last_ns);
	}
	return last;
}

/* --- with the operator --- */
struct ike_child *child_by_pair(struct ike *k, uint32_t pair)
{
	for (struct chain *l = pair ? *pair_bucket(k, pair) : NULL; l; l = l->next) {
		struct ike_child *c = CHAIN_OF(l, struct ike_child, by_pair);

		if (c->pair == pair)
			return c;
	}
	return NULL;
}

int child_pair_taken(struct ike *k, uint32_t pair)
{
	return child_by_pair(k, pair) != NULL;
}

unsigned ike_flush(struct ike *k, uint8_t proto)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++) {
		struct ike_child *c, *next;

		for (c = k->children[i]; c; c = next) {
			unsigned has = 0;

			next = c->next;
			for (unsigned j = 0; j < 2; j++)
				if (c->proto[j] && (!proto || c->proto[j] == proto))
					has += !!c->in[j] + !!c->out[j];
			/* Without one of its two protocols a bundle is of no use (spec 6.2): both go. */
			if (has)
				child_end(c, 1);
			n += has;
		}
	}
	return n;
}

void ike_kill(struct ike *k)
{
	quick_end_all(k);
	(void)ike_flush(k, 0);
	while (k->sas)
		ike1_drop(k->sas, 1, "kill-connections");
	contact_forget_all(k);
}

void child_free_all(struct ike *k)
{
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		while (k->children[i])
			child_free(k->children[i]);
}

/* Spec 6.4. A shared SA that another policy uses goes on as that one's. */
static int outlived(struct ike_child *c, const struct ike_conf *old)
{
	const struct ike_env *env = c->ike->env;
	const struct ike_proposal *before, *now;
	struct ike_policy p;

	if (!c->out[0])
		return 1; /* left half made by an earlier daemon: for which policy is not known */
	if (env->sadb->policy_get(env->ctx, c->policy.slot, c->policy.gen, &p) &&
	    (c->policy.dynamic || env->sadb->user(env->ctx, c->out[0], &p)))
		return 1;
	before = c->policy.id == p.id ? ike_conf_policy_proposal(old, p.id) : NULL;
	now = ike_conf_policy_proposal(c->ike->conf, p.id);
	child_set_policy(c, &p);
	return before && (!now || strcmp(before->name, now->name) != 0);
}

/* Calls end for all children; it may end the one that it is given. */
static void for_each_child(struct ike *k, void (*end)(struct ike_child *c, const struct ike_conf *conf),
			   const struct ike_conf *conf)
{
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++) {
		struct ike_child *c, *next;

		for (c = k->children[i]; c; c = next) {
			next = c->next;
			end(c, conf);
		}
	}
}

static void end_outlived(struct ike_child *c, const struct ike_conf *old)
{
	if (!c->dying && outlived(c, old))
		child_end(c, 1);
}

void child_reload(struct ike *k, const struct ike_conf *old)
{
	for_each_child(k, end_outlived, old);
}

static void end_generated(struct ike_child *c, const struct ike_conf *conf)
{
	const struct ike_peer *before = ike_conf_peer(c->ike->conf, &c->path.remote.a);
	const struct ike_peer *now = ike_conf_peer(conf, &c->path.remote.a);

	if (c->policy.dynamic && (!before || !now || memcmp(before, now, sizeof(*now)) != 0))
		child_end(c, 1);
}

void child_peers_changed(struct ike *k, const struct ike_conf *conf)
{
	for_each_child(k, end_generated, conf);
}

/* --- acquire (spec 13.3) --- */
static int acquire_ends(struct ike *k, const struct ike_policy *p, const struct xi_selector *pkt, struct ike_path *ends)
{
	*ends = (struct ike_path){.local.a = p->sa_src, .remote.a = p->sa_dst};
	if (!ends->remote.a.family) {
		if (p->mode == XI_MODE_TUNNEL || !pkt || !pkt->family)
			return -EINVAL;
		ends->remote.a = (struct ike_addr){pkt->family, pkt->dst}; /* spec 6.1 */
	}
	if (!ends->local.a.family)
		return k->env->source(k->env->ctx, &ends->remote.a, &ends->local.a);
	return 0;
}

void ike_acquire(struct ike *k, uint32_t policy_slot, uint32_t policy_gen, const struct xi_selector *pkt)
{
	const struct ike_env *env = k->env;
	struct ike_policy p;
	struct ike_path ends;

	if (env->sadb->policy_get(env->ctx, policy_slot, policy_gen, &p))
		return;
	if (p.action != XI_ACTION_ENCRYPT || p.level == XI_LEVEL_USE || p.manual || quick_under_way(k, &p))
		return;
	if (acquire_ends(k, &p, pkt, &ends)) {
		ike_log(k, LOG_L_ERROR, "acquire: no way to the peer of the policy");
		env->sadb->acquire_failed(env->ctx, policy_slot, policy_gen);
		return;
	}
	if (quick_initiate(k, &p, &ends, 1, 0))
		env->sadb->acquire_failed(env->ctx, policy_slot, policy_gen);
}
