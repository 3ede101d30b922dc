/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two IKE engines in one process, as many peers as asked for: peer i is the address pair (100.64.0.0 + i, 198.18.0.0 + i) and the policy 10.0.0.0 + i to
 * 11.0.0.0 + i. Both engines have all of them, so both are a gateway with that many peers. The network is a queue, the clock stands until it is moved, the
 * thread pool is the same thread, and the sadb is an array that answers in constant time: what is timed is the engine alone.
 */
#ifndef BENCH_IKE_RIG_H
#define BENCH_IKE_RIG_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "ike/core/draw.h"
#include "ike/core/ike.h"
#include "user/base/clock.h"

struct rig;

struct rig_sa {
	uint32_t gen, pair, policy, next_free;
	uint8_t used;
};

struct rig_end {
	struct rig *rig;
	unsigned me;
	struct ike_env env;
	struct ike *k;
	struct ike_conf *conf; /* the engine's */
	uint64_t *policy_out;
	struct rig_sa *sa;
	uint32_t n_sas, free_sa, gen;
	unsigned live; /* SAs */
	uint32_t next_spi;
};

struct rig_packet {
	unsigned to;
	struct ike_path path;
	uint8_t *p;
	size_t len;
};

struct rig {
	struct rig_end end[2];
	unsigned peers;
	uint64_t now, messages;
	uint64_t made; /* when the SAs of all were */
	struct rig_packet *q;
	size_t head, tail, room; /* a ring: room is a power of two */
	struct ike_job **job;
	size_t job_head, job_tail, job_room;
};

#define RIG_NO_SA UINT32_MAX
#define RIG_LIFE_S 10000 /* of IPsec SAs; the soft limit is 80 % of it. ISAKMP SAs last */

static void rig_die(const char *what)
{
	(void)fprintf(stderr, "bench/ike: %s\n", what);
	exit(1);
}

static void *rig_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		rig_die("no memory");
	return p;
}

static uint32_t rig_far = 0xc6120000; /* where end 1 begins */

static struct ike_addr rig_addr(unsigned end, unsigned i)
{
	return (struct ike_addr){.family = XI_IP4, .addr.w[0] = htonl((end ? rig_far : 0x64400000) + i)};
}

/* --- the world --- */
static uint64_t rig_now(void *ctx)
{
	return ((struct rig_end *)ctx)->rig->now;
}

static int64_t rig_wall(void *ctx)
{
	return (int64_t)(rig_now(ctx) / NS_PER_S);
}

static int rig_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	return draw(buf, len);
}

/* A ring of size elements is full: twice as large, in order. */
static void *rig_grow(void *old, size_t size, size_t *head, size_t *tail, size_t *room)
{
	size_t n = *tail - *head, more = *room ? 2 * *room : 64;
	uint8_t *p = rig_alloc(more, size);

	for (size_t i = 0; i < n; i++)
		memcpy(p + i * size, (uint8_t *)old + ((*head + i) & (*room - 1)) * size, size);
	free(old);
	*head = 0;
	*tail = n;
	*room = more;
	return p;
}

static void rig_send(void *ctx, const struct ike_path *p, struct bytes msg)
{
	struct rig_end *e = ctx;
	struct rig *r = e->rig;
	struct rig_packet *at;

	if (r->tail - r->head == r->room)
		r->q = rig_grow(r->q, sizeof(*r->q), &r->head, &r->tail, &r->room);
	at = &r->q[r->tail++ & (r->room - 1)];
	*at = (struct rig_packet){.to = !e->me, .path = {.local = p->remote, .remote = p->local}, .len = msg.len};
	at->p = rig_alloc(1, msg.len);
	memcpy(at->p, msg.p, msg.len);
}

static void rig_keepalive(void *ctx, const struct ike_path *p)
{
	(void)ctx;
	(void)p;
}

static void rig_work(void *ctx, struct ike_job *job)
{
	struct rig *r = ((struct rig_end *)ctx)->rig;

	if (r->job_tail - r->job_head == r->job_room)
		r->job = rig_grow(r->job, sizeof(struct ike_job *), &r->job_head, &r->job_tail, &r->job_room);
	r->job[r->job_tail++ & (r->job_room - 1)] = job;
}

static void rig_sign(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	(void)s;
	rig_die("a signature was asked for");
}

static int rig_source(void *ctx, const struct ike_addr *remote, struct ike_addr *local)
{
	(void)ctx;
	(void)remote;
	(void)local;
	return -ENETUNREACH; /* policies name both ends */
}

/* What a failure says; the texts of success are made, as in the daemon, and thrown away. */
static void rig_log(void *ctx, enum log_level level, const char *text)
{
	static unsigned said;

	(void)ctx;
	if (level == LOG_L_ERROR && said++ < 10)
		(void)fprintf(stderr, "bench/ike: engine: %s\n", text);
}

/* --- sadb --- */
static int rig_policy_get(void *ctx, uint32_t slot, uint32_t gen, struct ike_policy *out)
{
	const struct rig_end *e = ctx;

	if (slot >= e->rig->peers || gen != 1)
		return -ENOENT;
	*out = (struct ike_policy){.slot = slot,
				   .gen = 1,
				   .id = slot + 1,
				   .sel = {.family = XI_IP4, .src_len = 32, .dst_len = 32},
				   .action = XI_ACTION_ENCRYPT,
				   .level = XI_LEVEL_REQUIRE,
				   .mode = XI_MODE_TUNNEL,
				   .protos = XI_PROTOS_ESP,
				   .sa_src = rig_addr(e->me, slot),
				   .sa_dst = rig_addr(!e->me, slot)};
	out->sel.src.w[0] = htonl((e->me ? 0x0b000000 : 0x0a000000) + slot);
	out->sel.dst.w[0] = htonl((e->me ? 0x0a000000 : 0x0b000000) + slot);
	return 0;
}

static int rig_policy_find(void *ctx, const struct xi_selector *sel, struct ike_policy *out)
{
	int rc = rig_policy_get(ctx, ntohl(sel->src.w[0]) & 0xffffff, 1, out);

	return !rc && !memcmp(&out->sel, sel, sizeof(*sel)) ? 0 : -ENOENT;
}

static int rig_policy_generate(void *ctx, struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	(void)ctx;
	(void)p;
	(void)b;
	return err_set(e, -EPERM, "not in this benchmark");
}

static int rig_policy_remove(void *ctx, uint32_t slot, uint32_t gen)
{
	(void)ctx;
	(void)slot;
	(void)gen;
	return -ENOENT;
}

static int rig_spi(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 *spi, struct err *e)
{
	struct rig_end *end = ctx;

	(void)dst;
	(void)proto;
	(void)e;
	*spi = htonl(++end->next_spi);
	return 0;
}

static void rig_spi_free(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 spi)
{
	(void)ctx;
	(void)dst;
	(void)proto;
	(void)spi;
}

static uint64_t rig_put(struct rig_end *e, const struct ike_policy *p, const struct xi_sa *sa)
{
	uint32_t at = e->free_sa;

	if (at == RIG_NO_SA)
		rig_die("too many SAs");
	e->free_sa = e->sa[at].next_free;
	e->sa[at] = (struct rig_sa){.gen = ++e->gen, .pair = sa->pair, .policy = p->slot, .used = 1};
	e->live++;
	return XI_REF(at, e->gen);
}

static struct rig_sa *rig_get(struct rig_end *e, uint64_t ref)
{
	struct rig_sa *s = &e->sa[XI_REF_SLOT(ref)];

	return XI_REF_SLOT(ref) < e->n_sas && s->used && s->gen == XI_REF_GEN(ref) ? s : NULL;
}

static int rig_install_in(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	(void)e;
	b->in_ref[0] = rig_put(ctx, p, &b->in[0]);
	return 0;
}

static int rig_install_out(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	struct rig_end *end = ctx;

	(void)e;
	b->out_ref[0] = rig_put(ctx, p, &b->out[0]);
	end->policy_out[p->slot] = b->out_ref[0];
	return 0;
}

static void rig_remove(void *ctx, uint64_t ref)
{
	struct rig_end *e = ctx;
	struct rig_sa *s = rig_get(e, ref);

	if (!s)
		return;
	if (e->policy_out[s->policy] == ref)
		e->policy_out[s->policy] = 0;
	s->used = 0;
	s->next_free = e->free_sa;
	e->free_sa = XI_REF_SLOT(ref);
	e->live--;
}

static int rig_use(void *ctx, uint64_t ref, struct ike_sa_use *out)
{
	const struct rig_sa *s = rig_get(ctx, ref);

	*out = (struct ike_sa_use){.pair = s ? s->pair : 0};
	return s ? 0 : -ENOENT;
}

static int rig_move(void *ctx, uint64_t *ref, const struct ike_end *remote, struct err *e)
{
	(void)ctx;
	(void)ref;
	(void)remote;
	return err_set(e, -ENOENT, "not in this benchmark");
}

static int rig_user(void *ctx, uint64_t ref, struct ike_policy *out)
{
	struct rig_end *e = ctx;
	const struct rig_sa *s = rig_get(e, ref);

	return s && e->policy_out[s->policy] == ref ? rig_policy_get(e, s->policy, 1, out) : -ENOENT;
}

static void rig_acquire_failed(void *ctx, uint32_t slot, uint32_t gen)
{
	(void)ctx;
	(void)slot;
	(void)gen;
}

static void rig_each(void *ctx, void (*cb)(void *arg, uint64_t ref, const struct xi_sa *sa), void *arg)
{
	(void)ctx;
	(void)cb;
	(void)arg;
}

static const struct ike_sadb_ops rig_sadb = {
	.policy_get = rig_policy_get,
	.policy_find = rig_policy_find,
	.policy_generate = rig_policy_generate,
	.policy_remove = rig_policy_remove,
	.spi = rig_spi,
	.spi_free = rig_spi_free,
	.install_in = rig_install_in,
	.install_out = rig_install_out,
	.remove = rig_remove,
	.use = rig_use,
	.move = rig_move,
	.user = rig_user,
	.acquire_failed = rig_acquire_failed,
	.each = rig_each,
};

/* --- configuration: a peer item and a policy for each peer, AES-128 and SHA-1 in both phases --- */
static struct ike_conf *rig_conf(unsigned end, unsigned peers, const struct group *g, const struct group *pfs)
{
	struct ike_conf *c = rig_alloc(1, sizeof(*c));
	struct ike_proposal *pr = rig_alloc(1, sizeof(*pr));

	c->peer = rig_alloc(peers, sizeof(*c->peer));
	c->policy = rig_alloc(peers, sizeof(*c->policy));
	c->n_peers = c->n_policies = peers;
	for (unsigned i = 0; i < peers; i++) {
		c->peer[i] = (struct ike_peer){.id = i + 1,
					       .addr = rig_addr(!end, i),
					       .addr_len = 32,
					       .port = IKE_PORT,
					       .initial_contact = 1,
					       .check = CHECK_OBEY,
					       .hash = hash_by_ike1(IKE1_SHA1),
					       .cipher = cipher_by_ike1(IKE1_AES, 128, &(unsigned){0}),
					       .key_len = 16,
					       .cipher_bits = 128,
					       .group = g,
					       .lifetime_s = 100000000,
					       .psk_given = 1,
					       .psk_len = 6,
					       .psk = "secret"};
		c->policy[i].id = i + 1;
		(void)str_copy(c->policy[i].proposal, IKE_NAME_MAX, "default");
	}
	(void)str_copy(pr->name, IKE_NAME_MAX, "default");
	pr->enc[0] = alg_by_name(ALG_ENC, "aes-128");
	pr->auth[0] = alg_by_name(ALG_AUTH, "sha1");
	pr->n_enc = pr->n_auth = 1;
	pr->lifetime_s = RIG_LIFE_S;
	pr->pfs = pfs;
	c->proposal = pr;
	c->n_proposals = 1;
	return c;
}

/* --- life --- */
static void rig_end_open(struct rig *r, unsigned me, const struct group *g, const struct group *pfs)
{
	struct rig_end *e = &r->end[me];

	e->rig = r;
	e->me = me;
	e->policy_out = rig_alloc(r->peers, sizeof(*e->policy_out));
	e->n_sas = 8 * r->peers + 64;
	e->sa = rig_alloc(e->n_sas, sizeof(*e->sa));
	for (uint32_t i = 0; i < e->n_sas; i++)
		e->sa[i].next_free = i + 1 < e->n_sas ? i + 1 : RIG_NO_SA;
	e->next_spi = 0x1000;
	e->env = (struct ike_env){.ctx = e,
				  .now = rig_now,
				  .wall = rig_wall,
				  .random = rig_random,
				  .send = rig_send,
				  .keepalive = rig_keepalive,
				  .work = rig_work,
				  .sign = rig_sign,
				  .source = rig_source,
				  .log = rig_log,
				  .sadb = &rig_sadb};
	e->conf = rig_conf(me, r->peers, g, pfs);
	e->k = ike_new(&e->env, e->conf);
	if (!e->k)
		rig_die("no engine");
}

static inline struct rig *rig_new(unsigned peers, const struct group *g, const struct group *pfs)
{
	struct rig *r = rig_alloc(1, sizeof(*r));

	r->now = 1000 * NS_PER_S;
	r->peers = peers;
	for (unsigned i = 0; i < 2; i++)
		rig_end_open(r, i, g, pfs);
	return r;
}

/* Everything under way arrives, in order. */
static inline void rig_pump(struct rig *r)
{
	while (r->head != r->tail || r->job_head != r->job_tail) {
		if (r->job_head != r->job_tail) {
			struct ike_job *j = r->job[r->job_head++ & (r->job_room - 1)];

			j->run(j);
			j->done(j);
		} else {
			struct rig_packet p = r->q[r->head++ & (r->room - 1)];

			r->messages++;
			ike_receive(r->end[p.to].k, &p.path, (struct bytes){p.p, p.len});
			free(p.p);
		}
	}
}

/* The clock jumps, and what is due by then happens. */
static inline void rig_jump(struct rig *r, uint64_t ns)
{
	uint64_t until = r->now + ns;

	for (;;) {
		uint64_t next = MIN(ike_next(r->end[0].k), ike_next(r->end[1].k));

		if (next > until)
			break;
		r->now = MAX(r->now, next);
		for (unsigned i = 0; i < 2; i++)
			ike_run(r->end[i].k);
		rig_pump(r);
	}
	r->now = until;
}

static void rig_acquire(struct rig *r, unsigned i)
{
	struct xi_selector pkt = {.family = XI_IP4, .src_len = 32, .dst_len = 32};

	ike_acquire(r->end[0].k, i, 1, &pkt);
}

static inline void rig_free(struct rig *r)
{
	for (unsigned i = 0; i < 2; i++) {
		ike_free(r->end[i].k);
		free(r->end[i].sa);
		free(r->end[i].policy_out);
	}
	while (r->head != r->tail)
		free(r->q[r->head++ & (r->room - 1)].p);
	free(r->q);
	free(r->job);
	free(r);
}

#endif
