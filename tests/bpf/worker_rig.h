/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker without AF_XDP sockets, for tests that hand it bursts: its counters say what became of them. What it would hand to the stack counts
 * as XI_DROP_IN_INJECT, since there is no way on; what it sends goes by a raw socket to this host itself. Include in one .c of a test
 * program; rig_enter() first.
 */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>

#include "tests/lib/esp_rig.h"
#include "user/base/clock.h"
#include "user/worker/worker.h"

#define ACCEPTED XI_DROP_IN_INJECT
#define SENT XI_OK
#define TUN XI_MODE_TUNNEL
#define TRA XI_MODE_TRANSPORT
#define ESP XI_PROTO_ESP
#define AH XI_PROTO_AH
#define US "192.0.2.2" /* RIG_DST */
#define PEER "192.0.2.1"
#ifndef RIG_POLICIES
#define RIG_POLICIES 16 /* room in the maps */
#endif

static struct maps *m;
static struct rt *rt;
static struct worker w;
static struct rig rig; /* the peer */
static uint32_t next_seq;

static inline struct xi_addr addr(const char *text)
{
	struct xi_addr a = {{0}};

	inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &a);
	return a;
}

static inline int setup(void **state)
{
	struct worker_conf conf = {.frames = 512, .cpu = -1};
	size_t bytes = 0;
	struct err e;

	(void)state;
	m = sandbox_maps(64, RIG_POLICIES);
	m->ifs[1].ifindex = 1; /* lo */
	assert_ok(rt_open(&rt, 1, m->fd[MAP_LOCAL], m->fd[MAP_VLAN], &e), &e);
	conf.frags = frags_new(&bytes);
	assert_non_null(conf.frags);
	assert_ok(worker_init(&w, 0, &conf, m, rt, &bytes, &e), &e);
	w.now = clock_ns();
	rig_init(&rig, w.engine, alg_by_name(ALG_ENC, "aes-128"), alg_by_name(ALG_AUTH, "sha1"));
	next_seq = 0;
	return 0;
}

static inline int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	rig_done(&rig);
	frags_free(w.frags);
	worker_fini(&w);
	rt_close(rt);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

/* Both ends of the peer's SAs have the same keys, whatever their form. */
static inline struct xi_sa an_sa(uint8_t proto, uint8_t mode, uint32_t spi)
{
	struct xi_sa sa;

	rig_sa(&sa, alg_by_name(ALG_ENC, proto == AH ? "null" : "aes-128"), alg_by_name(ALG_AUTH, "sha1"), 1);
	sa.proto = proto;
	sa.mode = mode;
	sa.spi = htonl(spi);
	sa.gen = 0;
	return sa;
}

static inline uint64_t publish(const struct xi_sa *sa)
{
	uint64_t ref = 0;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, sa, 0, &ref, &e), &e);
	spd_unlock(m);
	w.spd_gen = m->meta->spd_gen;
	return ref;
}

static inline uint64_t publish_in(uint8_t proto, uint8_t mode, uint32_t spi)
{
	struct xi_sa sa = an_sa(proto, mode, spi);

	sa.dir = XI_DIR_IN;
	return publish(&sa);
}

static inline uint32_t add_policy(struct xi_policy *pol)
{
	uint32_t slot = 0;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(spd_add(m, pol, &slot, &e), &e);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	w.spd_gen = m->meta->spd_gen;
	return slot;
}

static inline void drop_policy(uint32_t slot)
{
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_int_equal(spd_del(m, slot), 0);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	w.spd_gen = m->meta->spd_gen;
}

/* The peer's plaintext. */
static inline uint8_t *plain_of(struct rig_frame *f, const char *src, const char *dst, size_t len)
{
	uint8_t *p = rig_inner(f, len);

	inet_pton(AF_INET, src, p + IP4_SRC);
	inet_pton(AF_INET, dst, p + IP4_DST);
	ip4_sum_put(p);
	return p;
}

static inline uint8_t *plain(struct rig_frame *f, const char *src, const char *dst)
{
	return plain_of(f, src, dst, 100);
}

/* One transform of the peer over what is in f. */
static inline void peer_seals(struct rig_frame *f, uint8_t proto, uint8_t mode, uint32_t spi)
{
	struct xi_sa sa = an_sa(proto, mode, spi);
	struct keyctx *k = rig_keyctx(w.engine, &sa);
	struct ipsec_op op = {.sa = &sa, .key = k, .pkt = &f->pkt, .seq = ++next_seq, .flags = IPSEC_OP_HOST};

	sa.gen = 1;
	ipsec_seal(w.engine, &rig.iv, &op, 1);
	assert_int_equal(op.verdict, XI_OK);
	keyctx_wipe(w.engine, k);
	free(k);
}

/* A burst of one packet. Returns its one reason; 0 when none was counted. */
static inline unsigned reason_of(const struct rig_frame *f, const struct xi_verdict *v)
{
	struct xi_wstat before = *w.stat;
	unsigned nfree = w.pool.nfree, reason = 0;
	struct wpkt store, *pk = &store;

	wpkt_init(&w, pk, io_frame_get(&w.pool));
	pk->v = *v;
	memcpy(pk->p.data, f->pkt.data, pkt_len(&f->pkt));
	pk->p.tail = pk->p.data + pkt_len(&f->pkt);
	if (v->dir == XI_DIR_IN)
		inbound_burst(&w, &pk, 1);
	else
		outbound_burst(&w, &pk, 1);
	assert_int_equal(w.pool.nfree, nfree);
	for (unsigned r = 0; r < XI_REASON_MAX; r++) {
		if (w.stat->reason[r] == before.reason[r])
			continue;
		assert_int_equal(w.stat->reason[r], before.reason[r] + 1);
		assert_int_equal(reason, 0); /* exactly one counter a packet */
		reason = r;
	}
	return reason;
}

static inline unsigned comes_in(const struct rig_frame *f, uint64_t sa)
{
	return reason_of(f, &(struct xi_verdict){.slot = XI_REF_SLOT(sa),
						 .gen = XI_REF_GEN(sa),
						 .dir = XI_DIR_IN,
						 .if_slot = 1,
						 .family = XI_IP4});
}

static inline void rig_enter(void)
{
	sandbox_enter();
	sandbox_must(system("ip link set lo up && ip addr add " US "/32 dev lo"), "lo");
}

#endif
