/* SPDX-License-Identifier: BSD-2-Clause */
/* ike/sad against real maps: SPIs, installing, sharing (spec section 6.2), removal, generated policies (section 19), writing without privileges. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "bpf/abi/xi_alg.h"
#include "ike/core/ike.h"
#include "ike/sad/sad.h"
#include "user/base/clock.h"

#define SADS 64
#define SPDS 16

static struct maps *m;
static struct sad *s;

static struct ike_addr addr4(const char *text)
{
	struct ike_addr a = {.family = XI_IP4};

	assert_int_equal(inet_pton(AF_INET, text, &a.addr), 1);
	return a;
}

#define LOCAL addr4("198.51.100.1")
#define LOCAL_P (&(struct ike_addr){LOCAL.family, LOCAL.addr})
#define REMOTE addr4("203.0.113.1")

static int setup(void **state)
{
	struct err e;

	(void)state;
	m = sandbox_maps(SADS, SPDS);
	assert_ok(sad_open(&s, m, &e), &e);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	sad_close(s);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static struct xi_policy tunnel(const char *src, const char *dst, uint8_t level, uint32_t reqid)
{
	return (struct xi_policy){.action = XI_ACTION_ENCRYPT,
				  .level = level,
				  .mode = XI_MODE_TUNNEL,
				  .protos = XI_PROTOS_ESP,
				  .sa_family = XI_IP4,
				  .sa_src = LOCAL.addr,
				  .sa_dst = REMOTE.addr,
				  .reqid = reqid,
				  .id = 7,
				  .sel = {.src = addr4(src).addr,
					  .dst = addr4(dst).addr,
					  .src_len = 24,
					  .dst_len = 24,
					  .family = XI_IP4}};
}

static struct ike_policy put(const struct xi_policy *pol)
{
	struct ike_policy p;
	uint32_t slot;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(spd_add(m, pol, &slot, &e), &e);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	assert_int_equal(sad_ops.policy_get(&s, slot, m->spd[slot].gen, &p), 0);
	return p;
}

static struct xi_sa an_sa(int dir, __be32 spi, uint32_t pair)
{
	struct xi_sa sa = {.proto = XI_PROTO_ESP,
			   .mode = XI_MODE_TUNNEL,
			   .family = XI_IP4,
			   .spi = spi,
			   .src = dir == XI_DIR_IN ? REMOTE.addr : LOCAL.addr,
			   .dst = dir == XI_DIR_IN ? LOCAL.addr : REMOTE.addr,
			   .enc_alg = XI_ENC_AES_CBC,
			   .auth_alg = XI_AUTH_SHA1,
			   .enc_key_len = 16,
			   .auth_key_len = 20,
			   .replay_window = dir == XI_DIR_IN ? 1024 : 0,
			   .pair = pair};

	return sa;
}

static struct ike_bundle bundle(uint32_t pair)
{
	struct ike_bundle b = {.n = 1};
	__be32 spi = 0;
	struct err e;

	assert_ok(sad_ops.spi(&s, LOCAL_P, XI_PROTO_ESP, &spi, &e), &e);
	b.in[0] = an_sa(XI_DIR_IN, spi, pair);
	b.out[0] = an_sa(XI_DIR_OUT, htonl(0x1000 + pair), pair);
	return b;
}

static struct ike_bundle install(const struct ike_policy *p, uint32_t pair)
{
	struct ike_bundle b = bundle(pair);
	struct err e;

	assert_ok(sad_ops.install_in(&s, p, &b, &e), &e);
	assert_ok(sad_ops.install_out(&s, p, &b, &e), &e);
	return b;
}

static unsigned sas(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SADS; i++)
		n += m->sad[i].gen != 0;
	return n;
}

static void t_spi_is_reserved_by_a_larval_sa(void **state)
{
	struct xi_spi_key key = {.dst = LOCAL.addr, .proto = XI_PROTO_ESP, .family = XI_IP4};
	struct xi_spi_val val;
	struct err e;

	(void)state;
	assert_ok(sad_ops.spi(&s, LOCAL_P, XI_PROTO_ESP, &key.spi, &e), &e);
	assert_true(ntohl(key.spi) >= 0x100);
	assert_int_equal(bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val), 0);
	assert_int_equal(m->sad[val.slot].state, XI_SA_LARVAL);
	sad_ops.spi_free(&s, LOCAL_P, XI_PROTO_ESP, key.spi);
	assert_int_not_equal(bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val), 0);
	assert_int_equal(sas(), 0);
}

static void t_make_before_break(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	struct ike_bundle one, two;
	struct err e;

	(void)state;
	one = install(&p, 1);
	assert_int_equal(m->spd[p.slot].sa_out, one.out_ref[0]);
	assert_int_equal(m->spd[p.slot].sa_in, one.in_ref[0]);
	two = bundle(2);
	two.in[0].add_ns = two.out[0].add_ns = m->sad[XI_REF_SLOT(one.in_ref[0])].add_ns + 1000000000;
	assert_ok(sad_ops.install_in(&s, &p, &two, &e), &e);
	/* not before the peer is known to be ready */
	assert_int_equal(m->spd[p.slot].sa_out, one.out_ref[0]);
	assert_ok(sad_ops.install_out(&s, &p, &two, &e), &e);
	assert_int_equal(m->spd[p.slot].sa_out, two.out_ref[0]);
	assert_non_null(sad_get(m, one.in_ref[0]));
	/* the newest that is left takes over again */
	sad_ops.remove(&s, two.out_ref[0]);
	assert_int_equal(m->spd[p.slot].sa_out, one.out_ref[0]);
	sad_ops.remove(&s, one.out_ref[0]);
	assert_int_equal(m->spd[p.slot].sa_out, 0);
	assert_int_equal(sas(), 2);
}

static void t_spec_6_2_require_shares_unique_does_not(void **state)
{
	struct xi_policy a = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct xi_policy b = tunnel("10.1.2.0", "10.2.2.0", XI_LEVEL_REQUIRE, 0);
	struct xi_policy c = tunnel("10.1.3.0", "10.2.3.0", XI_LEVEL_UNIQUE, 9);
	struct ike_policy pa = put(&a), pb = put(&b), pc = put(&c);
	struct ike_bundle one = install(&pa, 1), own;

	(void)state;
	assert_int_equal(m->spd[pb.slot].sa_out, one.out_ref[0]);
	assert_int_equal(m->spd[pc.slot].sa_out, 0);
	own = install(&pc, 2);
	assert_int_equal(m->spd[pc.slot].sa_out, own.out_ref[0]);
	assert_int_equal(m->spd[pa.slot].sa_out, one.out_ref[0]);
	assert_int_equal(m->sad[XI_REF_SLOT(own.in_ref[0])].reqid, 9);
}

static void t_another_peer_gets_nothing_of_a_policy(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	struct ike_bundle b = bundle(1);
	struct err e;

	(void)state;
	b.in[0].src = b.out[0].dst = addr4("192.0.2.66").addr;
	assert_int_equal(sad_ops.install_in(&s, &p, &b, &e), -EPERM);
	assert_int_equal(sad_ops.install_out(&s, &p, &b, &e), -EPERM);
	assert_int_equal(m->spd[p.slot].sa_in, 0);
}

static void t_spec_17_exact_before_containing(void **state)
{
	struct xi_policy wide = tunnel("10.1.0.0", "10.2.0.0", XI_LEVEL_REQUIRE, 0),
			 narrow = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct xi_selector sel;
	struct ike_policy w, n, got;

	(void)state;
	wide.sel.src_len = wide.sel.dst_len = 16;
	wide.priority = 5;
	w = put(&wide);
	n = put(&narrow);
	sel = narrow.sel;
	assert_int_equal(sad_ops.policy_find(&s, &sel, &got), 0);
	assert_int_equal(got.slot, n.slot);
	sel.src_len = 25;
	assert_int_equal(sad_ops.policy_find(&s, &sel, &got), 0);
	assert_int_equal(got.slot, w.slot); /* first in evaluation order */
	sel.src_len = 8;
	assert_int_equal(sad_ops.policy_find(&s, &sel, &got), -ENOENT);
}

static struct ike_policy dynamic(void)
{
	return (struct ike_policy){
		.mode = XI_MODE_TRANSPORT,
		.protos = XI_PROTOS_ESP,
		.sa_src = LOCAL,
		.sa_dst = REMOTE,
		.sel = {.src = LOCAL.addr, .dst = REMOTE.addr, .src_len = 32, .dst_len = 32, .family = XI_IP4}};
}

static void t_spec_19_generated_policy(void **state)
{
	struct ike_policy p = dynamic(), again = dynamic();
	struct ike_bundle b = bundle(1), c;
	struct err e;

	(void)state;
	b.in[0].mode = b.out[0].mode = XI_MODE_TRANSPORT;
	assert_ok(sad_ops.policy_generate(&s, &p, &b, &e), &e);
	assert_true(m->spd[p.slot].flags & XI_POL_DYNAMIC);
	assert_int_equal(m->spd[p.slot].gen, p.gen);
	assert_int_equal(m->spd[p.slot].sa_out, b.out_ref[0]);
	assert_int_equal(m->spd[p.slot].sa_in, b.in_ref[0]);
	/* the same selectors again: one policy, the newer SAs */
	c = bundle(2);
	c.in[0].mode = c.out[0].mode = XI_MODE_TRANSPORT;
	c.in[0].add_ns = c.out[0].add_ns = m->sad[XI_REF_SLOT(b.in_ref[0])].add_ns + 1000000000;
	assert_ok(sad_ops.policy_generate(&s, &again, &c, &e), &e);
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 1);
	assert_int_equal(m->spd[again.slot].sa_out, c.out_ref[0]);
	assert_int_equal(sad_ops.policy_remove(&s, again.slot, again.gen), 0);
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 0);
	assert_int_equal(sad_ops.policy_remove(&s, again.slot, again.gen), -ENOENT);
}

/* Client n behind a NAT: all have the address of the NAT, each a network of its own. */
static struct ike_policy generated(unsigned n, uint32_t pair, struct ike_bundle *b)
{
	struct ike_policy p = dynamic();
	struct err e;

	p.mode = XI_MODE_TUNNEL;
	p.sel.dst.w[0] = htonl(0x0a020000 | n << 8);
	p.sel.dst_len = 24;
	*b = bundle(pair);
	assert_ok(sad_ops.policy_generate(&s, &p, b, &e), &e);
	return p;
}

/* The SAs of one are never those that packets for another one go by. */
static void t_spec_19_4_peers_behind_one_nat_are_unique(void **state)
{
	struct ike_bundle b[3], again;
	struct ike_policy p[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		p[i] = generated(i + 1, i + 1, &b[i]);
	assert_int_equal(m->spd[p[0].slot].level, XI_LEVEL_REQUIRE);
	for (unsigned i = 0; i < 3; i++) {
		const struct xi_policy *pol = &m->spd[p[i].slot];

		assert_int_equal(pol->sa_out, b[i].out_ref[0]);
		assert_int_equal(pol->sa_in, b[i].in_ref[0]);
		assert_int_equal(p[i].reqid, pol->reqid);
		assert_int_equal(m->sad[XI_REF_SLOT(b[i].out_ref[0])].reqid, pol->reqid);
		assert_int_equal(m->sad[XI_REF_SLOT(b[i].in_ref[0])].reqid, pol->reqid);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(pol->reqid, m->spd[p[j].slot].reqid);
		assert_true(!i || pol->level == XI_LEVEL_UNIQUE);
	}
	/* without its own SA one has none, whatever the others have */
	sad_ops.remove(&s, b[1].out_ref[0]);
	assert_int_equal(m->spd[p[1].slot].sa_out, 0);
	assert_int_equal(m->spd[p[0].slot].sa_out, b[0].out_ref[0]);
	/* the first one renews itself: it is one of several now */
	p[0] = generated(1, 9, &again);
	assert_int_equal(m->spd[p[0].slot].level, XI_LEVEL_UNIQUE);
	assert_int_equal(m->spd[p[0].slot].sa_out, again.out_ref[0]);
	assert_int_equal(m->spd[p[2].slot].sa_out, b[2].out_ref[0]);
}

static void t_spec_19_7_safety_net(void **state)
{
	struct ike_policy foreign = dynamic(), all = dynamic();
	struct ike_bundle b = bundle(1);
	struct err e;

	(void)state;
	foreign.mode = all.mode = XI_MODE_TUNNEL;
	foreign.sel.src = addr4("10.77.0.0").addr;
	foreign.sel.src_len = 16;
	assert_int_equal(sad_ops.policy_generate(&s, &foreign, &b, &e), -EPERM);
	all.sel.src_len = all.sel.dst_len = 0;
	memset(&all.sel.src, 0, sizeof(all.sel.src));
	memset(&all.sel.dst, 0, sizeof(all.sel.dst));
	assert_int_equal(sad_ops.policy_generate(&s, &all, &b, &e), -EPERM);
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 0);
	assert_int_equal(sas(), 1); /* the larval one */
}

/* A peer that proposes transport mode for the whole world would have its policy match, and the workers drop, what others send. */
static void t_spec_19_7_transport_mode_is_between_the_ends(void **state)
{
	static const uint8_t len[][2] = {{0, 0}, {32, 0}, {0, 32}, {31, 32}, {32, 31}};
	struct ike_policy other[2] = {dynamic(), dynamic()}, ends = dynamic();
	struct ike_bundle b = bundle(1);
	struct err e;

	(void)state;
	b.in[0].mode = b.out[0].mode = XI_MODE_TRANSPORT;
	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		struct ike_policy p = dynamic();

		p.sel.src_len = len[i][0];
		p.sel.dst_len = len[i][1];
		assert_int_equal(sad_ops.policy_generate(&s, &p, &b, &e), -EPERM);
	}
	other[0].sel.src = addr4("10.2.0.1").addr;
	other[1].sel.dst = addr4("10.2.0.1").addr;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(sad_ops.policy_generate(&s, &other[i], &b, &e), -EPERM);
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 0);
	assert_ok(sad_ops.policy_generate(&s, &ends, &b, &e), &e);
}

static void t_spec_19_7_multicast_is_nobodys(void **state)
{
	static const char *const net[] = {"224.0.0.0", "239.255.255.250", "255.255.255.255", "240.0.0.0"};
	struct ike_bundle b = bundle(1);
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(net); i++)
		for (unsigned len = 4; len <= 32; len += 28) {
			struct ike_policy p = dynamic();

			p.mode = XI_MODE_TUNNEL;
			p.sel.dst = addr4(net[i]).addr;
			p.sel.dst_len = (uint8_t)len;
			assert_int_equal(sad_ops.policy_generate(&s, &p, &b, &e), -EPERM);
		}
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 0);
}

static void t_spec_9_manual_spis_are_not_handed_out(void **state)
{
	static struct sad_manual list[1];
	__be32 spi;
	struct err e;

	(void)state;
	assert_ok(sad_ops.spi(&s, LOCAL_P, XI_PROTO_ESP, &spi, &e), &e);
	list[0] = (struct sad_manual){XI_PROTO_ESP, ntohl(spi)};
	assert_int_equal(sad_set_manual(s, list, 1), 0);
	sad_ops.spi_free(&s, LOCAL_P, XI_PROTO_ESP, spi);
	for (int i = 0; i < 100; i++) {
		__be32 other;

		assert_ok(sad_ops.spi(&s, LOCAL_P, XI_PROTO_ESP, &other, &e), &e);
		assert_int_not_equal(other, spi);
		sad_ops.spi_free(&s, LOCAL_P, XI_PROTO_ESP, other);
	}
}

static void t_mapping_moves_with_its_numbers(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	struct ike_bundle b = install(&p, 1);
	struct ike_end to = {.a = REMOTE, .port = 1024};
	uint64_t ref = b.out_ref[0];
	struct err e;

	(void)state;
	m->sa_rt[XI_REF_SLOT(ref)].seq_out = 41;
	assert_ok(sad_ops.move(&s, &ref, &to, &e), &e);
	assert_int_equal(m->spd[p.slot].sa_out, ref);
	assert_int_equal(m->sad[XI_REF_SLOT(ref)].udp_remote, htons(1024));
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].seq_out, 41);
	to.a = addr4("192.0.2.9");
	assert_ok(sad_ops.move(&s, &ref, &to, &e), &e);
	assert_int_equal(m->spd[p.slot].sa_out, ref);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].seq_out, 41);
	assert_null(sad_get(m, b.out_ref[0]));
}

static void count(void *arg, uint64_t ref, const struct xi_sa *sa)
{
	(void)ref;
	(void)sa;
	++*(unsigned *)arg;
}

/* A daemon that died: SAs stay and are found, larval ones and generated policies without SAs go. */
static void t_restart_takes_over(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0), left = pol;
	struct ike_policy p = put(&pol), who;
	struct ike_bundle b = install(&p, 1);
	struct sad *next;
	unsigned n = 0;
	__be32 spi;
	struct err e;

	(void)state;
	left.flags = XI_POL_DYNAMIC;
	left.sel.src_len = 30;
	(void)put(&left);
	assert_ok(sad_ops.spi(&s, LOCAL_P, XI_PROTO_ESP, &spi, &e), &e);
	assert_ok(sad_open(&next, m, &e), &e);
	sad_ops.each(&next, count, &n);
	assert_int_equal(n, 2);
	assert_int_equal(sas(), 2);
	assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 1);
	assert_int_equal(sad_ops.user(&next, b.out_ref[0], &who), 0);
	assert_int_equal(who.slot, p.slot);
	sad_ops.remove(&next, b.out_ref[0]);
	assert_int_equal(m->spd[p.slot].sa_out, 0);
	sad_close(next);
}

/* --- a daemon that is killed, and the next one, which has the real engine take over --- */

static uint64_t env_now(void *ctx)
{
	(void)ctx;
	return clock_ns();
}

static int env_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 1, len);
	return 0;
}

static void env_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void next_daemon(void)
{
	const struct ike_env env = {.ctx = &s, .now = env_now, .random = env_random, .log = env_log, .sadb = &sad_ops};
	struct ike *k;
	struct err e;

	sad_close(s);
	assert_ok(sad_open(&s, m, &e), &e);
	k = ike_new(&env, calloc(1, sizeof(struct ike_conf)));
	assert_non_null(k);
	ike_free(k);
}

static unsigned spi_entries(void)
{
	struct xi_spi_key key, next;
	unsigned n = 0;

	for (void *at = NULL; bpf_map_get_next_key(m->fd[MAP_SPI], at, &next) == 0; at = &key, n++)
		key = next;
	return n;
}

/* Pairs, or inbound SAs of one that was not ready; each with its SPI entries; no larval SA; no key in a free slot; no policy that points nowhere. */
static void assert_tidy(void)
{
	static const struct xi_sa none;
	unsigned in = 0, out = 0;

	for (unsigned i = 0; i < SADS; i++) {
		const struct xi_sa *sa = &m->sad[i];
		struct xi_spi_key key = {.dst = sa->dst, .spi = sa->spi, .proto = sa->proto, .family = sa->family};
		struct xi_spi_val val;

		if (!sa->gen) {
			assert_memory_equal(sa, &none, sizeof(none));
			continue;
		}
		assert_int_not_equal(sa->state, XI_SA_LARVAL);
		assert_int_equal(bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val), 0);
		assert_true(XI_REF(val.slot, val.gen) == XI_REF(i, sa->gen));
		in += sa->dir == XI_DIR_IN;
		out += sa->dir == XI_DIR_OUT;
	}
	assert_true(in >= out);
	assert_int_equal(spi_entries(), in + out);
	for (unsigned i = 0; i < SPDS; i++) {
		const struct xi_policy *pol = &m->spd[i];

		assert_true(!pol->gen || !pol->sa_out || sad_get(m, pol->sa_out));
		assert_true(!pol->gen || !pol->sa_in || sad_get(m, pol->sa_in));
		assert_true(!pol->gen || !(pol->flags & XI_POL_DYNAMIC) || pol->sa_out);
		/* what there is is used */
		if (pol->gen && !(pol->flags & XI_POL_DYNAMIC))
			assert_int_equal(!!pol->sa_out, out > 0);
	}
}

/* Rekeys of one policy and comings and goings of a generated one, until it is killed. */
static _Noreturn void negotiate(const struct ike_policy *p, uint32_t from)
{
	struct ike_bundle old = {0};

	for (uint32_t i = from;; i++) {
		struct ike_policy gen = dynamic();
		struct ike_bundle b = install(p, i), g = bundle(i + 0x100000);
		struct err e;

		sad_ops.remove(&s, old.out_ref[0]);
		sad_ops.remove(&s, old.in_ref[0]);
		old = b;
		if (i % 4 == 0) {
			struct ike_end to = {.a = REMOTE, .port = (uint16_t)i};

			(void)sad_ops.move(&s, &old.out_ref[0], &to, &e);
		}
		g.in[0].mode = g.out[0].mode = XI_MODE_TRANSPORT;
		if (sad_ops.policy_generate(&s, &gen, &g, &e))
			_exit(1);
		sad_ops.remove(&s, g.out_ref[0]);
		sad_ops.remove(&s, g.in_ref[0]);
		(void)sad_ops.policy_remove(&s, gen.slot, gen.gen);
	}
}

/* From start to the kill the static policies are in force: nothing that they match leaves in clear. */
static void assert_protected(void)
{
	struct xi_tuple t = {.src = addr4("10.1.1.9").addr, .dst = addr4("10.2.1.9").addr, .family = XI_IP4};
	struct xi_rule r;

	assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
	assert_int_equal(r.action, XI_ACTION_ENCRYPT);
}

static void remove_one(void *arg, uint64_t ref, const struct xi_sa *sa)
{
	(void)arg;
	(void)sa;
	sad_ops.remove(&s, ref);
}

static void t_killed_at_any_moment(void **state)
{
	struct xi_policy a = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct xi_policy b = tunnel("10.1.2.0", "10.2.2.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&a);
	int status;

	(void)state;
	(void)put(&b);
	for (int round = 0; round < 60; round++) {
		uint32_t from = __atomic_load_n(&m->meta->next_gen, __ATOMIC_RELAXED);
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid)
			negotiate(&p, 1 + 1000 * (uint32_t)round);
		/* not before it has begun; then any moment will do */
		while (__atomic_load_n(&m->meta->next_gen, __ATOMIC_RELAXED) - from < 20u + 3u * (unsigned)round)
			assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		assert_protected();
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_protected();
		next_daemon();
		assert_tidy();
		assert_protected();
		sad_ops.each(&s, remove_one, NULL);
		next_daemon();
		assert_int_equal(sas(), 0);
		assert_int_equal(m->class[m->meta->spd_gen & 1].rules, 2);
	}
}

/* A writer that died behind the SPI entry, before a policy pointed at what it had made. */
static void t_killed_before_the_policy_points(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	struct ike_bundle b = install(&p, 1);

	(void)state;
	m->spd[p.slot].sa_out = m->spd[p.slot].sa_in = 0;
	next_daemon();
	assert_true(m->spd[p.slot].sa_out == b.out_ref[0]);
	assert_true(m->spd[p.slot].sa_in == b.in_ref[0]);
}

/* The policy was removed while no daemon ran: its SAs let nothing in any more. */
static void t_sas_without_a_policy_go_at_start(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	struct err e;

	(void)state;
	(void)install(&p, 1);
	assert_ok(spd_lock(m, &e), &e);
	assert_int_equal(spd_del(m, p.slot), 0);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	next_daemon();
	assert_int_equal(sas(), 0);
	assert_int_equal(spi_entries(), 0);
}

static int without_privileges(const struct ike_policy *p)
{
	struct ike_bundle b;
	struct err e;
	int fd;

	if (setgid(65534) || setuid(65534))
		return 2;
	fd = open(m->paths.spd_lock, O_RDWR);
	if (fd >= 0)
		return 3; /* the test would prove nothing */
	b = bundle(3);
	return sad_ops.install_in(&s, p, &b, &e) || sad_ops.install_out(&s, p, &b, &e);
}

static void t_writes_after_root_is_given_up(void **state)
{
	struct xi_policy pol = tunnel("10.1.1.0", "10.2.1.0", XI_LEVEL_REQUIRE, 0);
	struct ike_policy p = put(&pol);
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(without_privileges(&p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_not_equal(m->spd[p.slot].sa_out, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spi_is_reserved_by_a_larval_sa),
		T(t_make_before_break),
		T(t_spec_6_2_require_shares_unique_does_not),
		T(t_another_peer_gets_nothing_of_a_policy),
		T(t_spec_17_exact_before_containing),
		T(t_spec_19_generated_policy),
		T(t_spec_19_4_peers_behind_one_nat_are_unique),
		T(t_spec_19_7_safety_net),
		T(t_spec_19_7_transport_mode_is_between_the_ends),
		T(t_spec_19_7_multicast_is_nobodys),
		T(t_spec_9_manual_spis_are_not_handed_out),
		T(t_mapping_moves_with_its_numbers),
		T(t_restart_takes_over),
		T(t_killed_at_any_moment),
		T(t_killed_before_the_policy_points),
		T(t_sas_without_a_policy_go_at_start),
		T(t_writes_after_root_is_given_up),
	};

	sandbox_enter();
	if (log_open(NULL, LOG_L_ERROR))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
