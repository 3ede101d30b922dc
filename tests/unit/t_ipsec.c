/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipsec_seal and ipsec_open in every form: ESP and AH, tunnel and transport, either family in either, ESN, ESP in UDP. There and back
 * with sizes around every boundary, exact sizes and rooms, jumbo packets and the largest of IPv4 and IPv6, mixed bursts, bundles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"

static struct engine *mb, *ossl;

static int setup(void **state)
{
	struct err e;

	(void)state;
	unsetenv("XDP_IPSEC_ENGINE");
	if (engine_new(&mb, XI_ENGINE_NONE, &e) < 0 || engine_new(&ossl, XI_ENGINE_OPENSSL, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_free(mb);
	engine_free(ossl);
	return 0;
}

/* --- the forms there are --- */

struct kind {
	uint8_t proto, mode, outer, inner, flags;
	const char *enc, *auth;
};

static const struct {
	const char *enc, *auth;
	uint8_t proto;
} algs[] = {
	{"aes-128", "sha1", XI_PROTO_ESP},
	{"aes-256", "md5", XI_PROTO_ESP},
	{"aes-128-gcm", "null", XI_PROTO_ESP},
	{"aes-256-gcm", "null", XI_PROTO_ESP},
	{"null", "sha1", XI_PROTO_ESP},
	{"aes-192", "null", XI_PROTO_ESP},
	{"3des", "sha256", XI_PROTO_ESP},
	{"aes-128-ctr", "aes-cmac", XI_PROTO_ESP},
	{"camellia-256", "sha512", XI_PROTO_ESP},
	{"chacha20-poly1305", "null", XI_PROTO_ESP},
	{"aes-256-ccm-8", "null", XI_PROTO_ESP},
	{"aes-128-gmac", "null", XI_PROTO_ESP},
	{"null", "sha1", XI_PROTO_AH},
	{"null", "md5", XI_PROTO_AH},
	{"null", "sha512", XI_PROTO_AH},
	{"null", "aes-xcbc", XI_PROTO_AH},
	{"null", "aes-256-gmac", XI_PROTO_AH},
};

static const uint8_t esp_flags[] = {0, XI_SA_F_ESN, XI_SA_F_UDP, XI_SA_F_ESN | XI_SA_F_UDP};
static const uint8_t ah_flags[] = {0, XI_SA_F_ESN, XI_SA_F_AH_ALIGN8, XI_SA_F_ESN | XI_SA_F_AH_ALIGN8};
static const uint8_t family_of[] = {XI_IP4, XI_IP6};

/* Form i, or 0 behind the last. */
static int kind_at(unsigned i, struct kind *k)
{
	const unsigned a = i / 32, mode = i / 16 % 2, outer = i / 8 % 2, inner = i / 4 % 2;

	if (a >= ARRAY_SIZE(algs))
		return 0;
	*k = (struct kind){
		.proto = algs[a].proto,
		.mode = (uint8_t)mode,
		.outer = family_of[outer],
		.inner = family_of[inner],
		.flags = algs[a].proto == XI_PROTO_ESP ? esp_flags[i % 4] : ah_flags[i % 4],
		.enc = algs[a].enc,
		.auth = algs[a].auth,
	};
	return 1;
}

static int has_icv(const struct kind *k)
{
	return alg_by_name(ALG_ENC, k->enc)->icv_len || alg_by_name(ALG_AUTH, k->auth)->icv_len;
}

static int possible(const struct kind *k)
{
	return k->mode == XI_MODE_TUNNEL || k->inner == k->outer;
}

static const char *text_of(const struct kind *k)
{
	static char text[120];

	(void)snprintf(text, sizeof(text), "%s %s IPv%u in IPv%u %s/%s flags %#x",
		       k->proto == XI_PROTO_AH ? "AH" : "ESP", k->mode == XI_MODE_TUNNEL ? "tunnel" : "transport",
		       k->inner, k->outer, k->enc, k->auth, k->flags);
	return text;
}

static void rig_kind(struct rig *r, struct engine *en, const struct kind *k)
{
	rig_init(r, en, alg_by_name(ALG_ENC, k->enc), alg_by_name(ALG_AUTH, k->auth));
	rig_become(r, k->proto, k->mode, k->outer, k->flags);
	r->sa.replay_window = 64;
}

static size_t header(uint8_t family)
{
	return family == XI_IP6 ? IP6_HDR : IP4_HDR;
}

static size_t sound(const uint8_t *ip, size_t len)
{
	return ip[0] >> 4 == 4 ? ip4_check(ip, len) : ip6_check(ip, len);
}

/* The sum over upper layer and pseudo-header: 0xffff when the checksum is right. */
static uint16_t upper_sum(const uint8_t *ip, size_t len)
{
	size_t hdr = header((uint8_t)(ip[0] >> 4)), n = len - hdr;

	if (hdr == IP6_HDR)
		return ip6_upper_sum(ip + IP6_SRC, 17, ip + hdr, n);
	return ip4_fold((uint64_t)ip4_sum(ip + IP4_SRC, 8) + ip4_sum(ip + hdr, n) + htons((uint16_t)n) + htons(17));
}

/* A right UDP length and checksum, if there is a UDP header. */
static void make_udp(uint8_t *ip, size_t len)
{
	uint8_t *udp = ip + header((uint8_t)(ip[0] >> 4));
	size_t n = len - (size_t)(udp - ip);
	uint16_t sum;

	if (n < 8)
		return;
	u16_put(udp + 4, (uint16_t)n);
	u16_put(udp + 6, 0);
	sum = (uint16_t)~upper_sum(ip, len);
	be16_put(udp + 6, sum ? sum : 0xffff);
}

/* What one hop makes of it. */
static void hop(uint8_t *ip)
{
	if (ip[0] >> 4 == 4) {
		ip[IP4_TTL]--;
		ip4_sum_put(ip);
	} else {
		ip[IP6_HOPS]--;
	}
}

/* The protected packet from outside: version, length, protocol, UDP header, SPI, low half of the number. */
static void check_outside(const struct kind *k, const struct pkt *p, uint64_t seq)
{
	const uint8_t *ip = p->data, *at = ip + header(k->outer);
	size_t len = pkt_len(p);
	uint8_t proto = k->outer == XI_IP6 ? ip[IP6_NEXT] : ip[IP4_PROTO];

	assert_int_equal(ip[0] >> 4, k->outer);
	assert_int_equal(sound(ip, len), len);
	assert_int_equal(proto, k->flags & XI_SA_F_UDP ? 17 : k->proto);
	if (k->flags & XI_SA_F_UDP) {
		assert_int_equal(u16_get(at), 4500);
		assert_int_equal(u16_get(at + 2), 4500);
		assert_int_equal(u16_get(at + 4), p->tail - at);
		/* RFC 3948 §2.1: zero over IPv4; RFC 8200 §8.1: there and right over IPv6. */
		if (k->outer == XI_IP4)
			assert_int_equal(u16_get(at + 6), 0);
		else
			assert_int_equal(ip6_upper_sum(ip + IP6_SRC, 17, at, (size_t)(p->tail - at)), 0xffff);
		at += 8;
	}
	if (k->proto == XI_PROTO_AH) {
		const struct alg *auth = alg_by_name(ALG_AUTH, k->auth);
		size_t mask = k->outer == XI_IP6 || (k->flags & XI_SA_F_AH_ALIGN8) ? 7 : 3;

		/* RFC 4302 §2.2: in units of 4 bytes, less 2. */
		assert_int_equal((at[1] + 2u) * 4, (12u + auth->iv_len + auth->icv_len + mask) & ~mask);
		assert_int_equal(u16_get(at + 2), 0);
		at += 4;
	}
	assert_int_equal(ntohl(be32_get(at)), RIG_SPI);
	assert_int_equal(ntohl(be32_get(at + 4)), (uint32_t)seq);
}

/* Seals a packet of len bytes with one engine in exactly the room that is promised to do, opens it with the other. */
static void there_and_back(const struct kind *k, struct rig *tx, struct rig *rx, size_t len, uint64_t seq)
{
	static struct rig_frame f;
	static uint8_t want[RIG_FRAME];
	uint8_t *in = rig_plain(tx, &f, k->inner, len);
	size_t sealed = ipsec_sealed_len(&tx->sa, &f.pkt), tail = ipsec_tailroom(&tx->sa);
	/* Spec 14.2: the same count on both ends. These packets have plain IP headers. */
	size_t payload = k->mode == XI_MODE_TUNNEL ? len : len - header(k->inner);
	struct ipsec_op op;
	enum xi_drop v;

	make_udp(in, len);
	memcpy(want, in, len);
	assert_int_equal(ipsec_payload_len(&tx->sa, &f.pkt), payload);
	if (k->mode == XI_MODE_TUNNEL)
		hop(want);
	f.pkt.head = f.pkt.data - ipsec_headroom(&tx->sa);
	f.pkt.end = f.pkt.tail + tail;
	v = rig_seal(tx, &f.pkt, seq);
	if (v != XI_OK)
		fail_msg("%s, %zu bytes: seal says %d", text_of(k), len, v);
	assert_ptr_equal(f.pkt.data, f.pkt.head);
	assert_int_equal(pkt_len(&f.pkt), sealed);
	assert_int_equal(f.pkt.head[-1], 0xee);
	assert_int_equal(f.pkt.end[0], 0xee);
	check_outside(k, &f.pkt, seq);
	op = rig_op(rx, &f.pkt, 0);
	ipsec_open(rx->en, &op, 1);
	if (op.verdict != XI_OK)
		fail_msg("%s, %zu bytes: open says %d", text_of(k), len, op.verdict);
	assert_int_equal(op.payload, payload);
	assert_int_equal(f.pkt.end[0], 0xee);
	assert_int_equal(pkt_len(&f.pkt), len);
	assert_memory_equal(f.pkt.data, want, len);
}

/* All sizes are tried with these; what differs in nothing but the engine's part gets some. */
static int thorough(const struct kind *k)
{
	return strcmp(k->enc, "aes-128-gcm") == 0 || strcmp(k->auth, "sha1") == 0;
}

/* Every remainder of every block, and around the sizes of frames. */
static size_t next_len(const struct kind *k, size_t len)
{
	if (!thorough(k))
		return len + (len < 140 ? 11 : 1117);
	return len + (len < 140 ? 1 : (len > 1300 && len < 1500) ? 7 : 211);
}

static void t_rfc4303_3_rfc4302_3_every_form_there_and_back(void **state)
{
	struct kind k;

	(void)state;
	for (unsigned i = 0; kind_at(i, &k); i++) {
		struct rig tx, rx;
		uint64_t seq = k.flags & XI_SA_F_ESN ? 0xffffffffull - 6 : 1, first = seq;

		if (!possible(&k))
			continue;
		rig_kind(&tx, i % 2 ? mb : ossl, &k);
		rig_kind(&rx, i % 2 ? ossl : mb, &k);
		rx.rt.seq_top = seq - 1;
		for (size_t len = header(k.inner); len <= 3500; len = next_len(&k, len))
			there_and_back(&k, &tx, &rx, len, seq++);
		assert_int_equal(rx.rt.err_icv + rx.rt.err_replay + rx.rt.err_other, 0);
		/* With ESN the numbers crossed 2^32. */
		if (k.flags & XI_SA_F_ESN)
			assert_true(first < 1ull << 32 && seq > 1ull << 32);
		if (has_icv(&k))
			assert_int_equal(rx.rt.seq_top, seq - 1);
		rig_done(&tx);
		rig_done(&rx);
	}
}

static void t_inner_mtu_is_exact(void **state)
{
	static uint8_t buf[70000];
	struct kind k;

	(void)state;
	for (unsigned i = 0; kind_at(i, &k); i++) {
		struct pkt p = {buf, buf, buf, buf + sizeof(buf)};
		struct rig_frame f;
		struct rig r;
		size_t least = k.mode == XI_MODE_TUNNEL ? IP4_HDR : header(k.outer);

		if (!possible(&k))
			continue;
		rig_kind(&r, ossl, &k);
		memcpy(buf, rig_plain(&r, &f, k.inner, 100), 100);
		for (size_t mtu = 0; mtu <= 66000; mtu += mtu < 1600 ? 1 : 997) {
			size_t in = ipsec_inner_mtu(&r.sa, mtu), one_more;

			if (in > 65535)
				continue; /* no packet of either family says so of itself */
			for (one_more = 0; one_more < 2; one_more++) {
				size_t len = in ? in + one_more : least, hdr = header(k.inner);

				p.tail = p.data + len;
				if (len < hdr || len > 65535)
					continue;
				u16_put(buf + (k.inner == XI_IP6 ? IP6_LEN : IP4_LEN),
					(uint16_t)(k.inner == XI_IP6 ? len - hdr : len));
				if (k.inner == XI_IP4)
					ip4_sum_put(buf);
				if (in && !one_more)
					assert_true(ipsec_sealed_len(&r.sa, &p) <= mtu);
				else
					assert_true(ipsec_sealed_len(&r.sa, &p) > mtu || mtu > 65535);
			}
		}
		rig_done(&r);
	}
}

/* Worked out by hand, IPv4: RFC 4303 §2, RFC 4302 §2, RFC 3948 §2.1. */
static void t_sizes_by_hand(void **state)
{
	static const struct {
		struct kind k;
		size_t len, sealed, mtu;
	} row[] = {
		{{50, XI_MODE_TUNNEL, 4, 4, 0, "aes-128-gcm", "null"}, 1408, 20 + 8 + 8 + 1412 + 16, 1446},
		{{50, XI_MODE_TUNNEL, 4, 4, XI_SA_F_UDP, "aes-128-gcm", "null"},
		 1408,
		 20 + 8 + 8 + 8 + 1412 + 16,
		 1438},
		{{50, XI_MODE_TUNNEL, 6, 4, 0, "aes-128-gcm", "null"}, 1408, 40 + 8 + 8 + 1412 + 16, 1426},
		{{50, XI_MODE_TUNNEL, 6, 6, XI_SA_F_ESN, "aes-128", "sha1"}, 1408, 40 + 8 + 16 + 1424 + 12, 1422},
		{{50, XI_MODE_TRANSPORT, 4, 4, 0, "aes-128", "sha1"}, 1408, 20 + 8 + 16 + 1392 + 12, 20 + 1438},
		{{50, XI_MODE_TRANSPORT, 6, 6, 0, "aes-128", "sha1"},
		 1408,
		 40 + 8 + 16 + 1376 + 12,
		 40 + 1422 - 16 + 16},
		{{51, XI_MODE_TUNNEL, 4, 4, 0, "null", "sha1"}, 1408, 20 + 24 + 1408, 1456},
		{{51, XI_MODE_TRANSPORT, 6, 6, 0, "null", "md5"}, 1408, 1408 + 24, 1476},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct rig_frame f;
		struct rig r;

		rig_kind(&r, ossl, &row[i].k);
		(void)rig_plain(&r, &f, row[i].k.inner, row[i].len);
		assert_int_equal(ipsec_sealed_len(&r.sa, &f.pkt), row[i].sealed);
		assert_int_equal(ipsec_inner_mtu(&r.sa, 1500), row[i].mtu);
		rig_done(&r);
	}
}

/* --- big packets --- */

#define BIG (1 << 17)

/* Seals and opens a packet of len bytes, or finds it too big; returns the verdict. */
static enum xi_drop big(struct rig *r, const struct kind *k, size_t len, uint64_t seq)
{
	uint8_t *buf = malloc(BIG), *in = buf + 512, *want = malloc(len);
	struct pkt p = {buf, in, in + len, buf + BIG};
	struct rig_frame f;
	enum xi_drop v;

	assert_true(buf && want);
	for (size_t i = 0; i < len; i++)
		in[i] = (uint8_t)(i * 31 + len);
	memcpy(in, rig_plain(r, &f, k->inner, 100), header(k->inner));
	if (k->inner == XI_IP6) {
		u16_put(in + IP6_LEN, (uint16_t)(len - IP6_HDR));
	} else {
		u16_put(in + IP4_LEN, (uint16_t)len);
		ip4_sum_put(in);
	}
	make_udp(in, len);
	memcpy(want, in, len);
	if (k->mode == XI_MODE_TUNNEL)
		hop(want);
	v = rig_seal(r, &p, seq);
	if (v == XI_OK) {
		assert_int_equal(sound(p.data, pkt_len(&p)), pkt_len(&p));
		assert_int_equal(rig_open(r, &p), XI_OK);
		assert_int_equal(pkt_len(&p), len);
		assert_memory_equal(p.data, want, len);
	} else {
		/* Untouched, so that its sender can be told. */
		want[k->inner == XI_IP6 ? IP6_HOPS : IP4_TTL] = 64;
		if (k->inner == XI_IP4)
			ip4_sum_put(want);
		assert_memory_equal(in, want, len);
	}
	free(buf);
	free(want);
	return v;
}

static void t_jumbo_and_the_largest(void **state)
{
	struct kind k;

	(void)state;
	for (unsigned i = 0; kind_at(i, &k); i++) {
		size_t outer_max = k.outer == XI_IP6 ? 65575 : 65535, inner_max = k.inner == XI_IP6 ? 65575 : 65535, in;
		struct rig r;

		if (!possible(&k))
			continue;
		rig_kind(&r, i % 2 ? mb : ossl, &k);
		assert_int_equal(big(&r, &k, 8972, 1), XI_OK);
		assert_int_equal(big(&r, &k, 9000, 2), XI_OK);
		in = ipsec_inner_mtu(&r.sa, outer_max);
		if (!thorough(&k)) {
			rig_done(&r);
			continue;
		}
		if (in < inner_max) {
			assert_int_equal(big(&r, &k, in, 3), XI_OK);
			assert_int_equal(big(&r, &k, in + 1, 4), XI_DROP_OUT_TOO_BIG);
		} else {
			assert_int_equal(big(&r, &k, inner_max, 3), XI_OK);
		}
		rig_done(&r);
	}
}

/* --- bursts and bundles --- */

/* One burst with SAs of every form, ESP and AH by turns, some operations dropped before. */
static void t_mixed_bursts(void **state)
{
	static struct rig_frame f[ENGINE_BURST_MAX];
	static struct rig r[ENGINE_BURST_MAX];
	struct ipsec_op op[ENGINE_BURST_MAX];
	struct kind k[ENGINE_BURST_MAX], any;
	uint64_t rng = 3;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = 0;

		while (n < ENGINE_BURST_MAX) {
			if (!kind_at((unsigned)(rig_rand(&rng) % (ARRAY_SIZE(algs) * 32)), &any) || !possible(&any))
				continue;
			k[n] = any;
			rig_kind(&r[n], mb, &k[n]);
			(void)rig_plain(&r[n], &f[n], k[n].inner, 60 + rig_rand(&rng) % 1400);
			op[n] = rig_op(&r[n], &f[n].pkt, 5);
			if (n % 5 == 4)
				op[n].verdict = XI_DROP_OUT_NO_SA; /* somebody else's verdict: not touched */
			n++;
		}
		ipsec_seal(mb, &r[0].iv, op, n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(op[i].verdict, i % 5 == 4 ? XI_DROP_OUT_NO_SA : XI_OK);
			if (i % 5 == 3)
				f[i].pkt.tail[-1] ^= 1;
		}
		ipsec_open(mb, op, n);
		for (unsigned i = 0; i < n; i++) {
			if (i % 5 == 4)
				assert_int_equal(op[i].verdict, XI_DROP_OUT_NO_SA);
			else if (i % 5 == 3 && has_icv(&k[i]))
				assert_int_equal(op[i].verdict, XI_DROP_IN_ICV);
			else if (i % 5 != 3)
				assert_int_equal(op[i].verdict, XI_OK);
			rig_done(&r[i]);
		}
	}
}

/* RFC 4301 §4.5, spec 6.2: ESP first, AH over it as transport on its outer header; opened in the reverse order. */
static void t_bundle_of_esp_in_ah(void **state)
{
	struct kind k;

	(void)state;
	for (unsigned i = 0; kind_at(i, &k); i++) {
		struct kind over = {XI_PROTO_AH, XI_MODE_TRANSPORT, k.outer, k.outer, 0, "null", "sha1"};
		struct rig_frame f;
		struct rig esp, ah;
		uint8_t want[200], proto;
		__be32 spi;

		if (!possible(&k) || k.proto != XI_PROTO_ESP || (k.flags & XI_SA_F_UDP))
			continue;
		rig_kind(&esp, mb, &k);
		rig_kind(&ah, mb, &over);
		ah.sa.spi = htonl(0x777);
		memcpy(want, rig_plain(&esp, &f, k.inner, 200), 200);
		if (k.mode == XI_MODE_TUNNEL)
			hop(want);
		assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto), -2);
		assert_int_equal(rig_seal(&esp, &f.pkt, 1), XI_OK);
		assert_int_equal(rig_seal(&ah, &f.pkt, 1), XI_OK);
		assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto), 0);
		assert_true(spi == htonl(0x777) && proto == XI_PROTO_AH);
		assert_int_equal(rig_open(&ah, &f.pkt), XI_OK);
		assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto), 0);
		assert_true(spi == htonl(RIG_SPI) && proto == XI_PROTO_ESP);
		assert_int_equal(rig_open(&esp, &f.pkt), XI_OK);
		assert_int_equal(pkt_len(&f.pkt), 200);
		assert_memory_equal(f.pkt.data, want, 200);
		rig_done(&esp);
		rig_done(&ah);
	}
}

/* --- transport mode: the packet's own header --- */

static void t_rfc4303_3_3_4_transport_takes_whole_packets_of_its_endpoints(void **state)
{
	static const struct {
		const char *what;
		uint8_t family, at, xor, want;
	} row[] = {
		{"sound", 4, 0, 0, XI_OK},
		{"source", 4, IP4_SRC + 3, 1, XI_DROP_OUT_ENDPOINTS},
		{"destination", 4, IP4_DST, 1, XI_DROP_OUT_ENDPOINTS},
		{"first fragment", 4, IP4_FRAG, 0x20, XI_DROP_OUT_MODE},
		{"later fragment", 4, IP4_FRAG + 1, 7, XI_DROP_OUT_MODE},
		{"DF", 4, IP4_FRAG, 0x40, XI_OK},
		{"TTL 1 is not ours to count", 4, IP4_TTL, 65, XI_OK},
		{"sound", 6, 0, 0, XI_OK},
		{"source", 6, IP6_SRC + 15, 1, XI_DROP_OUT_ENDPOINTS},
		{"destination", 6, IP6_DST, 1, XI_DROP_OUT_ENDPOINTS},
		{"fragment", 6, IP6_NEXT, 17 ^ 44, XI_DROP_OUT_MODE},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row) * 2; i++) {
		const unsigned c = i / 2;
		struct kind k = {i % 2 ? XI_PROTO_AH : XI_PROTO_ESP,
				 XI_MODE_TRANSPORT,
				 row[c].family,
				 row[c].family,
				 0,
				 "null",
				 "sha1"};
		struct rig_frame f;
		struct rig r;
		uint8_t *ip, before[200];
		enum xi_drop v;

		rig_kind(&r, mb, &k);
		ip = rig_plain(&r, &f, row[c].family, 200);
		ip[row[c].at] ^= row[c].xor ;
		if (row[c].family == 4)
			ip4_sum_put(ip);
		memcpy(before, ip, 200);
		v = rig_seal(&r, &f.pkt, 1);
		if (v != row[c].want)
			fail_msg("%s %s: %d, want %d", text_of(&k), row[c].what, v, row[c].want);
		if (v != XI_OK)
			assert_memory_equal(ip, before, 200);
		/* A packet of the other family has other endpoints. */
		(void)rig_inner_of(&f, row[c].family == 4 ? 6 : 4, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 2), XI_DROP_OUT_ENDPOINTS);
		rig_done(&r);
	}
}

/* A chain of extension headers that offsets of 16 bits could not follow: refused on either way, not cut to 16 bits. */
static void t_headers_longer_than_offsets(void **state)
{
	uint8_t *buf = malloc(BIG), *ip = buf + 512;
	struct kind k = {XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP6, XI_IP6, 0, "null", "sha1"};
	struct pkt p = {buf, ip, ip + 65575, buf + BIG};
	struct rig_frame f;
	struct rig r;
	size_t at = IP6_HDR;
	uint8_t proto;
	__be32 spi;

	(void)state;
	assert_non_null(buf);
	rig_kind(&r, mb, &k);
	memset(buf, 0, BIG);
	memcpy(ip, rig_plain(&r, &f, XI_IP6, 100), IP6_HDR);
	u16_put(ip + IP6_LEN, 65535);
	ip[IP6_NEXT] = 43;
	for (; at + 2048 <= 65500; at += 2048) {
		ip[at] = 43;
		ip[at + 1] = 255;
	}
	ip[at] = XI_PROTO_ESP;
	ip[at + 1] = (uint8_t)((65560 - at) / 8 - 1);
	assert_int_equal(rig_open(&r, &p), XI_DROP_IN_HEADER);
	assert_int_equal(ipsec_peek(&p, 0, &spi, &proto), -22);
	/* Shorter, so that ESP would fit behind it. */
	p.tail = ip + at;
	u16_put(ip + IP6_LEN, (uint16_t)(at - IP6_HDR));
	ip[at - 2048] = 17;
	assert_int_equal(rig_seal(&r, &p, 1), XI_DROP_OUT_MODE);
	rig_done(&r);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc4303_3_rfc4302_3_every_form_there_and_back),
		cmocka_unit_test(t_inner_mtu_is_exact),
		cmocka_unit_test(t_sizes_by_hand),
		cmocka_unit_test(t_jumbo_and_the_largest),
		cmocka_unit_test(t_mixed_bursts),
		cmocka_unit_test(t_bundle_of_esp_in_ah),
		cmocka_unit_test(t_rfc4303_3_3_4_transport_takes_whole_packets_of_its_endpoints),
		cmocka_unit_test(t_headers_longer_than_offsets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
