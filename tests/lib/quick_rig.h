/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two IKE engines in one process that have an ISAKMP SA already (fixed keys), so that quick mode, informational exchanges and the life of SAs are tried
 * without phase 1. Clock, network, thread pool and sadb are fakes. Network and pool are queues: a test looks at each datagram before it is delivered.
 */
#ifndef LIB_QUICK_RIG_H
#define LIB_QUICK_RIG_H

#include "ike/v1/phase1.h"
#include "ike/v1/quick.h"
#include "tests/lib/fake_sadb.h"

#define RIG_QUEUE 512
#define RIG_LOG 256

struct rig;

struct rig_end {
	struct rig *rig;
	unsigned me;
	struct ike_env env;
	struct ike *k;
	struct ike1 *sa; /* not to be used when it may be gone */
	struct fake_sadb sadb;
	struct ike_addr addr;
};

struct rig_packet {
	uint8_t from;	      /* 0 or 1 */
	struct ike_path path; /* as the receiver sees it */
	uint8_t *p;
	size_t len;
};

struct rig {
	struct rig_end end[2];
	uint64_t now;
	int64_t wall_step; /* how far the wall clocks have been set */
	uint64_t seed;
	struct rig_packet q[RIG_QUEUE];
	unsigned n;
	struct ike_job *job[RIG_QUEUE];
	unsigned n_jobs;
	unsigned sent[2];	/* datagrams */
	unsigned keepalives[2]; /* of the engines' own, not those that an SA asks of the data plane */
	char log[2][RIG_LOG][400];
	unsigned n_log[2];
	/* Looks at the datagram about to be queued: 0 = drop it. */
	int (*filter)(struct rig *r, struct rig_packet *p);
	/* What rig_isakmp() makes, before it is established; n as there. */
	void (*prepare)(struct ike1 *sa, unsigned end, unsigned n);
	void *arg;
};

static inline struct fake_sadb *fake_sadb_of(void *ctx)
{
	return &((struct rig_end *)ctx)->sadb;
}

static uint64_t rig_now(void *ctx)
{
	return ((struct rig_end *)ctx)->rig->now;
}

static int64_t rig_wall(void *ctx)
{
	return 1500000000 + ((struct rig_end *)ctx)->rig->wall_step;
}

static uint64_t rig_rand(struct rig *r)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return r->seed;
}

static int rig_random(void *ctx, void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)(rig_rand(((struct rig_end *)ctx)->rig) >> 24);
	return 0;
}

static void rig_push(struct rig *r, unsigned from, const struct ike_path *path, const uint8_t *p, size_t len)
{
	struct rig_packet *at = &r->q[r->n];

	if (r->n == RIG_QUEUE)
		abort();
	*at = (struct rig_packet){.from = (uint8_t)from, .path = *path, .len = len};
	at->p = malloc(len ? len : 1);
	memcpy(at->p, p, len);
	r->n++;
}

static void rig_send(void *ctx, const struct ike_path *p, struct bytes msg)
{
	struct rig_end *e = ctx;
	struct ike_path path = {.local = p->remote, .remote = p->local};

	e->rig->sent[e->me]++;
	rig_push(e->rig, e->me, &path, msg.p, msg.len);
	if (e->rig->filter && !e->rig->filter(e->rig, &e->rig->q[e->rig->n - 1]))
		free(e->rig->q[--e->rig->n].p);
}

static void rig_keepalive(void *ctx, const struct ike_path *p)
{
	struct rig_end *e = ctx;

	(void)p;
	e->rig->keepalives[e->me]++;
}

static void rig_work(void *ctx, struct ike_job *job)
{
	struct rig *r = ((struct rig_end *)ctx)->rig;

	if (r->n_jobs == RIG_QUEUE)
		abort();
	r->job[r->n_jobs++] = job;
}

static void rig_sign(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	(void)s;
	abort();
}

static int rig_source(void *ctx, const struct ike_addr *remote, struct ike_addr *local)
{
	(void)remote;
	*local = ((struct rig_end *)ctx)->addr;
	return 0;
}

static void rig_log(void *ctx, enum log_level level, const char *text)
{
	struct rig_end *e = ctx;
	struct rig *r = e->rig;

	(void)level;
	if (getenv("RIG_LOG"))
		fprintf(stderr, "%u: %s\n", e->me, text);
	(void)str_copy(r->log[e->me][r->n_log[e->me]++ % RIG_LOG], 400, text);
}

static inline int rig_logged(const struct rig *r, unsigned end, const char *what)
{
	for (unsigned i = 0; i < MIN(r->n_log[end], (unsigned)RIG_LOG); i++)
		if (strstr(r->log[end][i], what))
			return 1;
	return 0;
}

static inline struct ike_addr rig_addr4(const char *text)
{
	struct ike_addr a = {.family = XI_IP4};

	if (inet_pton(AF_INET, text, &a.addr.w[0]) != 1)
		abort();
	return a;
}

static inline struct ike_addr rig_addr6(const char *text)
{
	struct ike_addr a = {.family = XI_IP6};

	if (inet_pton(AF_INET6, text, a.addr.w) != 1)
		abort();
	return a;
}

/* --- configuration --- */
static inline struct ike_conf *rig_conf(void)
{
	struct ike_conf *c = calloc(1, sizeof(*c));

	c->peer = calloc(2, sizeof(*c->peer));
	c->n_peers = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct ike_peer *p = &c->peer[i];

		p->id = i + 1;
		p->addr.family = i ? XI_IP6 : XI_IP4;
		p->port = 500;
		p->check = CHECK_OBEY;
		p->hash = hash_by_ike1(IKE1_SHA1);
		p->cipher = cipher_by_ike1(IKE1_AES, 128, &(unsigned){0});
		p->key_len = 16;
		p->cipher_bits = 128;
		p->group = group_by_id(2);
		p->lifetime_s = 86400;
		p->dpd_interval_s = 120;
		p->dpd_failures = 5;
		p->psk_given = 1;
		p->psk_len = 4;
		memcpy(p->psk, "test", 4);
	}
	c->proposal = calloc(2, sizeof(*c->proposal));
	c->n_proposals = 1;
	strcpy(c->proposal[0].name, "default");
	c->proposal[0].enc[0] = alg_by_name(ALG_ENC, "aes-128");
	c->proposal[0].auth[0] = alg_by_name(ALG_AUTH, "sha1");
	c->proposal[0].n_enc = c->proposal[0].n_auth = 1;
	c->proposal[0].lifetime_s = 1800;
	c->policy = calloc(FAKE_POLICIES, sizeof(*c->policy));
	for (unsigned i = 0; i < FAKE_POLICIES; i++) {
		c->policy[i].id = i + 1;
		strcpy(c->policy[i].proposal, "default");
	}
	c->n_policies = FAKE_POLICIES;
	return c;
}

/* Mirror images: 10.n.0.0/16 behind end 0, 10.(n + 100).0.0/16 behind end 1. */
static inline struct ike_policy *rig_policy(struct rig *r, unsigned end, unsigned n)
{
	struct ike_policy p = {.id = n,
			       .action = XI_ACTION_ENCRYPT,
			       .level = XI_LEVEL_REQUIRE,
			       .mode = XI_MODE_TUNNEL,
			       .protos = XI_PROTOS_ESP};
	uint32_t a = htonl(0x0a000000 | n << 16), b = htonl(0x0a000000 | (n + 100) << 16);

	p.sel = (struct xi_selector){.family = XI_IP4, .src_len = 16, .dst_len = 16};
	p.sel.src.w[0] = end ? b : a;
	p.sel.dst.w[0] = end ? a : b;
	p.sa_src = r->end[end].addr;
	p.sa_dst = r->end[!end].addr;
	return fake_policy_add(&r->end[end].sadb, &p);
}

/* --- life --- */
/* An ISAKMP SA on both ends with keys out of the air; n tells several apart. */
static inline void rig_isakmp(struct rig *r, unsigned initiator, unsigned n)
{
	uint8_t icookie[8], rcookie[8];

	memset(icookie, 0x10 + (int)n, 8);
	memset(rcookie, 0x90 + (int)n, 8);
	for (unsigned i = 0; i < 2; i++) {
		struct rig_end *e = &r->end[i ^ initiator];
		struct ike_path path = {{e->addr, 500}, {r->end[!e->me].addr, 500}};
		struct ike1 *sa = ike1_new(e->k, ike_conf_peer(e->k->conf, &path.remote.a), &path, i ? icookie : NULL);

		if (!sa)
			abort();
		/* The bucket goes by the initiator's cookie. */
		if (!i)
			memcpy(icookie, sa->icookie, 8);
		memcpy(sa->rcookie, rcookie, 8);
		sa->mode = ISAKMP_X_MAIN;
		sa->terms = (struct ike1_terms){.hash = hash_by_ike1(IKE1_SHA1),
						.cipher = cipher_by_ike1(IKE1_AES, 128, &(unsigned){0}),
						.group = group_by_id(2),
						.key_len = 16,
						.auth = IKE1_AUTH_PSK,
						.life_s = 86400};
		for (unsigned j = 0; j < 20; j++) {
			sa->k.d[j] = (uint8_t)(j + n);
			sa->k.a[j] = (uint8_t)(j * 3 + n);
			sa->k.e[j] = (uint8_t)(j * 5 + n);
		}
		memcpy(sa->key, sa->k.e, 16);
		memset(sa->iv, 0x5a, sizeof(sa->iv));
		sa->peer_dpd = 1;
		e->sa = sa;
		if (r->prepare)
			r->prepare(sa, e->me, n);
	}
	/* Both first, so that neither hears of the other too early. */
	for (unsigned i = 0; i < 2; i++)
		ike1_established(r->end[i ^ initiator].sa);
	for (unsigned i = 0; i < 2; i++)
		ike1_settle(r->end[i ^ initiator].sa);
}

static inline struct rig *rig_new_addrs(struct ike_addr a, struct ike_addr b,
					void (*conf)(struct ike_conf *c, unsigned end))
{
	struct rig *r = calloc(1, sizeof(*r));

	r->now = 1000 * NS_PER_S;
	r->seed = 0x123456789abcdefull;
	for (unsigned i = 0; i < 2; i++) {
		struct rig_end *e = &r->end[i];
		struct ike_conf *c = rig_conf();

		e->rig = r;
		e->me = i;
		e->addr = i ? b : a;
		e->sadb.next_spi = i ? 0x20000000 : 0x10000000;
		e->sadb.now = rig_now;
		e->sadb.ctx = e;
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
					  .sadb = &fake_sadb_ops};
		if (conf)
			conf(c, i);
		e->k = ike_new(&e->env, c);
		if (!e->k)
			abort();
	}
	return r;
}

static inline struct rig *rig_new(void (*conf)(struct ike_conf *c, unsigned end))
{
	return rig_new_addrs(rig_addr4("192.0.2.1"), rig_addr4("198.51.100.1"), conf);
}

/* Takes packet i out of the queue; the caller frees p.p. */
static inline struct rig_packet rig_take(struct rig *r, unsigned i)
{
	struct rig_packet p = r->q[i];

	memmove(&r->q[i], &r->q[i + 1], (--r->n - i) * sizeof(p));
	return p;
}

static inline void rig_drop(struct rig *r, unsigned i)
{
	free(rig_take(r, i).p);
}

static inline void rig_hand_over(struct rig *r, const struct rig_packet *p)
{
	ike_receive(r->end[!p->from].k, &p->path, (struct bytes){p->p, p->len});
}

static inline void rig_deliver(struct rig *r, unsigned i)
{
	struct rig_packet p = rig_take(r, i);

	rig_hand_over(r, &p);
	free(p.p);
}

static inline int rig_work_one(struct rig *r)
{
	struct ike_job *j;

	if (!r->n_jobs)
		return 0;
	j = r->job[0];
	memmove(&r->job[0], &r->job[1], --r->n_jobs * sizeof(j));
	j->run(j);
	j->done(j);
	return 1;
}

/* Everything that is on its way arrives, in order. */
static inline void rig_settle(struct rig *r)
{
	while (rig_work_one(r) || r->n)
		if (r->n && !r->n_jobs)
			rig_deliver(r, 0);
}

/* The clock goes on, and what is due happens, each at its time. */
static inline void rig_advance(struct rig *r, uint64_t ns)
{
	uint64_t until = r->now + ns;

	for (;;) {
		uint64_t next = MIN(ike_next(r->end[0].k), ike_next(r->end[1].k));

		if (next > until)
			break;
		r->now = MAX(r->now, next);
		for (unsigned i = 0; i < 2; i++)
			ike_run(r->end[i].k);
		rig_settle(r);
	}
	r->now = until;
}

static inline void rig_free(struct rig *r)
{
	for (unsigned i = 0; i < 2; i++)
		ike_free(r->end[i].k);
	while (r->n)
		rig_drop(r, 0);
	while (rig_work_one(r))
		;
	free(r);
}

/* --- what must hold --- */
static inline int rig_same_keys(const struct xi_sa *a, const struct xi_sa *b)
{
	return a->spi == b->spi && a->proto == b->proto && a->mode == b->mode && a->enc_alg == b->enc_alg &&
	       a->auth_alg == b->auth_alg && a->enc_key_len == b->enc_key_len && a->auth_key_len == b->auth_key_len &&
	       !memcmp(a->enc_key, b->enc_key, a->enc_key_len) && !memcmp(a->auth_key, b->auth_key, a->auth_key_len);
}

/* Outbound SAs of an end whose packets the other one could not open. */
static inline unsigned rig_unopened(const struct rig *r, unsigned end)
{
	const struct fake_sadb *a = &r->end[end].sadb, *b = &r->end[!end].sadb;
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SAS; i++) {
		unsigned found = 0;

		if (!a->sa[i].ref || a->sa[i].sa.dir != XI_DIR_OUT)
			continue;
		for (unsigned j = 0; j < FAKE_SAS && !found; j++)
			found = b->sa[j].ref && b->sa[j].sa.dir == XI_DIR_IN &&
				rig_same_keys(&a->sa[i].sa, &b->sa[j].sa);
		n += !found;
	}
	return n;
}

/* Quick modes under way, those that only keep their last message left out. */
static inline unsigned rig_quicks(const struct rig *r, unsigned end)
{
	unsigned n = 0;

	for (const struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next)
		for (const struct ike1_quick *q = sa->quick; q; q = q->next)
			n += q->state != QUICK_OVER;
	return n;
}

static inline void rig_acquire(struct rig *r, unsigned end, const struct ike_policy *p)
{
	struct xi_selector pkt = p->sel;

	ike_acquire(r->end[end].k, p->slot, p->gen, &pkt);
}

#endif
