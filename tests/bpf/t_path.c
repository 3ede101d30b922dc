/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker learns from ICMP about its own packets, and from whom (RFC 1191, RFC 8201 §4, RFC 4301 §8.2.1): a worker without sockets, as in
 * t_worker.c. Every message goes on into the stack, which counts as XI_DROP_IN_INJECT here. And how often it tells senders.
 */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/esp_rig.h"
#include "tests/lib/ip6_packet.h"
#include "user/base/clock.h"
#include "user/worker/worker.h"

#define SENT 3000000u /* packets of each SA */
#define SPI 0x2001u
#define ROUTE 1500 /* what the route is taken to carry: unknown to the kernel in the sandbox */

static struct maps *m;
static struct rt *rt;
static struct worker w;

static int setup(void **state)
{
	struct worker_conf conf = {.frames = 512, .cpu = -1};
	size_t bytes = 0;
	struct err e;

	(void)state;
	m = sandbox_maps(64, 16);
	m->ifs[1].ifindex = 1;
	assert_ok(rt_open(&rt, 1, m->fd[MAP_LOCAL], m->fd[MAP_VLAN], &e), &e);
	conf.frags = frags_new(&bytes);
	assert_non_null(conf.frags);
	assert_ok(worker_init(&w, 0, &conf, m, rt, &bytes, &e), &e);
	w.now = clock_ns();
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	frags_free(w.frags);
	worker_fini(&w);
	rt_close(rt);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

/* An outbound SA that has sent SENT packets; its slot's references. */
static uint64_t outbound_sa(uint8_t proto, uint8_t family, int udp, uint32_t spi)
{
	struct xi_sa sa;
	uint64_t ref = 0;
	struct err e;

	rig_sa(&sa, alg_by_name(ALG_ENC, proto == XI_PROTO_AH ? "null" : "aes-128"), alg_by_name(ALG_AUTH, "sha1"), 1);
	sa.gen = 0;
	sa.dir = XI_DIR_OUT;
	sa.proto = proto;
	sa.spi = htonl(spi);
	if (family == XI_IP6) {
		sa.family = XI_IP6;
		ip6_test_addr((uint8_t *)&sa.src, 1);
		ip6_test_addr((uint8_t *)&sa.dst, 2);
	}
	if (udp) {
		sa.flags |= XI_SA_F_UDP;
		sa.udp_local = htons(4500);
		sa.udp_remote = htons(32001);
	}
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	spd_unlock(m);
	m->sa_rt[XI_REF_SLOT(ref)].seq_out = SENT;
	return ref;
}

/* A message, sound unless changed. */
struct msg {
	uint32_t spi, seq, mtu;
	uint8_t proto;	  /* of the quoted packet: 50, 51, 17 */
	uint8_t src, dst; /* not 0: last byte of the quoted address instead of the SA's */
	uint16_t sport, dport;
};

static size_t quote(uint8_t *p, int family, const struct msg *g)
{
	size_t hdr = family == 6 ? IP6_HDR : IP4_HDR, at = hdr;

	if (family == 6) {
		(void)ip6_test_packet(p, g->proto, 1400);
		p[IP6_SRC + 15] = g->src ? g->src : p[IP6_SRC + 15];
		p[IP6_DST + 15] = g->dst ? g->dst : p[IP6_DST + 15];
	} else {
		struct rig_frame f;

		memcpy(p, rig_inner(&f, 1400), hdr);
		p[IP4_PROTO] = g->proto;
		be32_put(p + IP4_SRC, htonl(RIG_SRC));
		be32_put(p + IP4_DST, htonl(RIG_DST));
		p[IP4_SRC + 3] = g->src ? g->src : p[IP4_SRC + 3];
		p[IP4_DST + 3] = g->dst ? g->dst : p[IP4_DST + 3];
		ip4_sum_put(p);
	}
	if (g->proto == 17) {
		u16_put(p + at, g->sport);
		u16_put(p + at + 2, g->dport);
		be32_put(p + at + 4, 0);
		at += 8;
	}
	if (g->proto == 51)
		at += 4;
	be32_put(p + at, htonl(g->spi));
	be32_put(p + at + 4, htonl(g->seq));
	return at + 8;
}

static size_t message(uint8_t *p, int family, const struct msg *g)
{
	size_t n = quote(p + (family == 6 ? 48 : 28), family, g), len;
	uint8_t *icmp = p + (family == 6 ? IP6_HDR : IP4_HDR);
	uint8_t kept[128];

	memcpy(kept, icmp + 8, n);
	if (family == 6) {
		len = ip6_test_packet(p, 58, 8 + n);
	} else {
		struct rig_frame f;

		len = IP4_HDR + 8 + n;
		memcpy(p, rig_inner(&f, len), IP4_HDR);
		p[IP4_PROTO] = 1;
		ip4_sum_put(p);
	}
	memset(icmp, 0, 8);
	memcpy(icmp + 8, kept, n);
	icmp[0] = family == 6 ? 2 : 3;
	icmp[1] = family == 6 ? 0 : 4;
	be32_put(icmp + 4, htonl(g->mtu));
	be16_put(icmp + 2, family == 6 ? (uint16_t)~ip6_upper_sum(p + IP6_SRC, 58, icmp, 8 + n)
				       : (uint16_t)~ip4_sum(icmp, 8 + n));
	return len;
}

/* Gives the message to the worker as XDP does; it must go on into the stack. Returns what the SA's path is then, 0 = as the route. */
static uint32_t hears(uint64_t ref, int family, const struct msg *g)
{
	uint64_t stack = w.stat->reason[XI_DROP_IN_INJECT];
	unsigned nfree = w.pool.nfree;
	struct wpkt pk;

	wpkt_place(&w, &pk, io_frame_get(&w.pool));
	pk.p.tail = pk.p.data + message(pk.p.data, family, g);
	pk.v = (struct xi_verdict){.slot = XI_REF_SLOT(ref),
				   .gen = XI_REF_GEN(ref),
				   .dir = XI_DIR_IN,
				   .flags = XI_VF_ICMP,
				   .if_slot = 1,
				   .family = (uint8_t)family};
	path_learn(&w, &pk);
	assert_int_equal(w.pool.nfree, nfree);
	assert_int_equal(w.stat->reason[XI_DROP_IN_INJECT], stack + 1);
	return m->sa_rt[XI_REF_SLOT(ref)].pmtu;
}

static const struct {
	const char *what;
	uint8_t sa_proto, family, udp;
	struct msg sound;
} kinds[] = {
	{"ESP", 50, 4, 0, {.spi = SPI, .seq = SENT, .mtu = 1400, .proto = 50}},
	{"AH", 51, 4, 0, {.spi = SPI, .seq = SENT, .mtu = 1400, .proto = 51}},
	{"ESP in UDP",
	 50,
	 4,
	 1,
	 {.spi = SPI + 7, .seq = SENT, .mtu = 1400, .proto = 17, .sport = 4500, .dport = 32001}},
	{"ESP, IPv6", 50, 6, 0, {.spi = SPI, .seq = SENT, .mtu = 1400, .proto = 50}},
	{"AH, IPv6", 51, 6, 0, {.spi = SPI, .seq = SENT, .mtu = 1400, .proto = 51}},
};

static void t_rfc4301_8_2_1_whose_packet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t ref = outbound_sa(kinds[i].sa_proto, kinds[i].family, kinds[i].udp, kinds[i].sound.spi);
		const struct msg s = kinds[i].sound;
		struct msg g;
		int f = kinds[i].family;

#define IGNORED(field, value)                                                                                          \
	do {                                                                                                           \
		g = s;                                                                                                 \
		g.field = (value);                                                                                     \
		if (hears(ref, f, &g))                                                                                 \
			fail_msg("%s: believed with another " #field, kinds[i].what);                                  \
	} while (0)
		IGNORED(spi, SPI + 1);
		IGNORED(spi, 0);
		IGNORED(src, 77);
		IGNORED(dst, 77);
		IGNORED(proto, s.proto == 50 ? 51 : 50);
		IGNORED(seq, SENT + 1);
		IGNORED(seq, SENT - (1u << 20));
		IGNORED(seq, 0);
		IGNORED(seq, 0xffffffff);
		IGNORED(mtu, ROUTE);
		IGNORED(mtu, 65535);
		if (kinds[i].udp) {
			IGNORED(sport, 4501);
			IGNORED(dport, 4500);
		} else {
			IGNORED(proto, 17);
		}
		assert_int_equal(hears(XI_REF(XI_REF_SLOT(ref), XI_REF_GEN(ref) + 1), f, &s), 0);
		g = s;
		g.seq = SENT - (1u << 20) + 1;
		assert_int_equal(hears(ref, f, &g), 1400);
	}
}

/* The estimate only falls, to no less than there is use for, and is forgotten (RFC 1191 §6.3, RFC 8201 §4). */
static void t_rfc1191_6_3_estimate(void **state)
{
	uint64_t r4 = outbound_sa(50, 4, 0, SPI), r6 = outbound_sa(50, 6, 0, SPI);
	struct msg g = kinds[0].sound;
	struct sa_entry *se;

	(void)state;
	g.mtu = 1400;
	assert_int_equal(hears(r4, 4, &g), 1400);
	g.mtu = 1401;
	assert_int_equal(hears(r4, 4, &g), 1400);
	g.mtu = 551;
	assert_int_equal(hears(r4, 4, &g), 552);
	se = sa_cache_get(&w, XI_REF_SLOT(r4), XI_REF_GEN(r4));
	assert_non_null(se);
	assert_int_equal(path_mtu(&w, se), 552);
	w.now += XI_PMTU_TTL_NS - 1;
	assert_int_equal(path_mtu(&w, se), 552);
	w.now += 1;
	assert_int_equal(path_mtu(&w, se), ROUTE);
	g.mtu = 1450; /* more than was known, which is forgotten */
	assert_int_equal(hears(r4, 4, &g), 1450);

	g.mtu = 1279;
	assert_int_equal(hears(r6, 6, &g), 0);
	g.mtu = 0;
	assert_int_equal(hears(r6, 6, &g), 0);
	g.mtu = 1280;
	assert_int_equal(hears(r6, 6, &g), 1280);
}

/* Few packets sent: numbers before the first one are none. */
static void t_rfc4301_8_2_1_young_sa(void **state)
{
	uint64_t ref = outbound_sa(50, 4, 0, SPI);
	struct msg g = kinds[0].sound;

	(void)state;
	m->sa_rt[XI_REF_SLOT(ref)].seq_out = 0;
	g.seq = 0;
	assert_int_equal(hears(ref, 4, &g), 0);
	m->sa_rt[XI_REF_SLOT(ref)].seq_out = 5;
	assert_int_equal(hears(ref, 4, &g), 0);
	g.seq = 0xfffffff0;
	assert_int_equal(hears(ref, 4, &g), 0);
	g.seq = 1;
	assert_int_equal(hears(ref, 4, &g), 1400);
}

/* A message that says it is longer than it is does not reach the stack either. */
static void t_cut_short(void **state)
{
	uint64_t ref = outbound_sa(50, 4, 0, SPI);
	unsigned nfree = w.pool.nfree;
	struct wpkt pk;

	(void)state;
	wpkt_place(&w, &pk, io_frame_get(&w.pool));
	pk.p.tail = pk.p.data + message(pk.p.data, 4, &kinds[0].sound) - 1;
	pk.v = (struct xi_verdict){.slot = XI_REF_SLOT(ref),
				   .gen = XI_REF_GEN(ref),
				   .dir = XI_DIR_IN,
				   .flags = XI_VF_ICMP,
				   .if_slot = 1,
				   .family = XI_IP4};
	path_learn(&w, &pk);
	assert_int_equal(w.stat->reason[XI_DROP_IN_ERROR], 1);
	assert_int_equal(w.stat->reason[XI_DROP_IN_INJECT], 0);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].pmtu, 0);
	assert_int_equal(w.pool.nfree, nfree);
}

/* --- what a worker tells senders --- */

#define SENDER "192.0.2.9"
#define SENDER6 "2001:db8::9"
#define MARK 1333 /* an MTU that only the last message has */

static int listen_to(int family)
{
	int s = socket(family, SOCK_RAW | SOCK_CLOEXEC, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6),
	    room = 8 << 20;
	struct timeval patience = {.tv_sec = 10};

	assert_true(s >= 0);
	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return s;
}

/* What came before the message with MARK, which is waited for. */
static unsigned heard(int s, size_t ip_hdr)
{
	const uint8_t type = ip_hdr ? 3 : 2; /* a socket of IPv6 shows no header */
	uint8_t buf[2048];

	for (unsigned n = 0;;) {
		ssize_t len = recv(s, buf, sizeof(buf), 0);

		assert_true(len >= (ssize_t)ip_hdr + 8);
		if (buf[ip_hdr] != type)
			continue;
		if (u16_get(buf + ip_hdr + 6) == MARK)
			return n;
		n++;
	}
}

/* So many at this moment, a mark behind them that is always let through. */
static unsigned told(int s, size_t ip_hdr, const struct pkt *p, unsigned n)
{
	uint32_t left;

	for (unsigned i = 0; i < n; i++)
		slow_too_big(&w, p, 1400);
	left = w.icmp_tokens;
	w.icmp_tokens = 1;
	slow_too_big(&w, p, MARK);
	w.icmp_tokens = left;
	return heard(s, ip_hdr);
}

/* RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f): 100 at once, then 1000 a second, of both families together. */
static void t_rfc1812_4_3_2_8_rate_of_too_big(void **state)
{
	struct rig_frame f, error;
	cpu_set_t here;

	(void)state;
	CPU_ZERO(&here); /* what goes over the loopback stays in order */
	CPU_SET((unsigned)sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		int s = listen_to(v6 ? AF_INET6 : AF_INET);
		size_t hdr = v6 ? 0 : IP4_HDR;
		uint8_t *p = rig_inner_of(&f, v6 ? XI_IP6 : XI_IP4, 1480);

		(void)inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? SENDER6 : SENDER, p + (v6 ? IP6_SRC : IP4_SRC));
		if (!v6)
			ip4_sum_put(p);
		/* RFC 1122 §3.2.2, RFC 4443 §2.4 (e): an ICMP error has no answer, and takes nothing from those that have */
		p = rig_inner_of(&error, v6 ? XI_IP6 : XI_IP4, 1480);
		p[v6 ? IP6_NEXT : IP4_PROTO] = v6 ? 58 : 1;
		p[v6 ? IP6_HDR : IP4_HDR] = v6 ? 1 : 3;
		if (!v6)
			ip4_sum_put(p);
		w.now += NS_PER_S;
		for (int i = 0; i < 200; i++)
			slow_too_big(&w, &error.pkt, 1400);
		assert_int_equal(told(s, hdr, &f.pkt, 250), 100);
		assert_int_equal(told(s, hdr, &f.pkt, 10), 0);
		w.now += 7 * NS_PER_S / 1000;
		assert_int_equal(told(s, hdr, &f.pkt, 20), 7);
		for (unsigned i = 0; i < 10; i++) { /* parts of a token are not lost, and none is made */
			w.now += NS_PER_S / 10000;
			assert_int_equal(told(s, hdr, &f.pkt, 1), i == 9);
		}
		w.now += 3600 * NS_PER_S; /* a long rest saves no more than 100 */
		assert_int_equal(told(s, hdr, &f.pkt, 101), 100);
		close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_rfc4301_8_2_1_whose_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(t_rfc1191_6_3_estimate, setup, teardown),
		cmocka_unit_test_setup_teardown(t_rfc4301_8_2_1_young_sa, setup, teardown),
		cmocka_unit_test_setup_teardown(t_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(t_rfc1812_4_3_2_8_rate_of_too_big, setup, teardown),
	};

	sandbox_enter();
	sandbox_must(system("ip link set lo up && ip addr add " SENDER "/32 dev lo && ip addr add " SENDER6
			    "/128 dev lo nodad"),
		     "lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
