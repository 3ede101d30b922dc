/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AH (RFC 4302): what of the headers is covered, by bytes zeroed by hand; what may change on the way and what may not; source routes;
 * lengths of the header; the ICV against HMAC computed directly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/lib/esp_rig.h"
#include "user/crypto/kat.h"
#include "user/ipsec/ah.h"
#include "user/ipsec/split.h"

static struct engine *en;

static int setup(void **state)
{
	struct err e;

	(void)state;
	return engine_new(&en, XI_ENGINE_NONE, &e);
}

static int teardown(void **state)
{
	(void)state;
	engine_free(en);
	return 0;
}

static void rig_ah(struct rig *r, uint8_t mode, uint8_t family, uint8_t flags)
{
	rig_init(r, en, alg_by_name(ALG_ENC, "null"), alg_by_name(ALG_AUTH, "sha1"));
	rig_become(r, XI_PROTO_AH, mode, family, flags);
	r->sa.replay_window = 64;
}

/* --- what is zeroed --- */

/* Headers as they are sent, and as they are covered. Written out by hand from RFC 4302 §3.3.3.1 and appendix A. */
static void t_rfc4302_3_3_3_1_mutable_fields(void **state)
{
	static const struct {
		const char *what, *sent, *covered; /* covered NULL: malformed */
	} row[] = {
		{"IPv4 fields", "45b900541234400040331122c0000201c0000202", "450000541234000000330000c0000201c0000202"},
		{"A1: no operation, end of list",
		 "4600005412340000403300"
		 "00c0000201c000020201010000",
		 "460000541234000000330000c0000201c000020201010000"},
		{"A1: security 130, immutable", "480000541234000040330000c0000201c0000202820b1234567890abcdef1100",
		 "480000541234000000330000c0000201c0000202820b1234567890abcdef1100"},
		{"A1: router alert 148, immutable", "460000541234000040330000c0000201c000020294040000",
		 "460000541234000000330000c0000201c000020294040000"},
		{"A1: 133, 134 and 149, immutable",
		 "490000541234000040330000c0000201c0000202850411228604334495061111222200010000",
		 "490000541234000000330000c0000201c00002028504112286043344950611112222000100"
		 "00"},
		{"A1: record route 7, mutable", "480000541234000040330000c0000201c0000202070b08010203040000000000",
		 "480000541234000000330000c0000201c0000202000000000000000000000000"},
		{"A1: timestamp 68, mutable, with router alert around it",
		 "4a0000541234000040330000c0000201c0000202"
		 "94040000440c0d00112233445566778894040000",
		 "4a0000541234000000330000c0000201c0000202"
		 "9404000000000000000000000000000094040000"},
		{"A1: unknown 77, mutable", "460000541234000040330000c0000201c00002024d040102",
		 "460000541234000000330000c0000201c000020200000000"},
		{"what is behind the end of the list stays", "470000541234000040330000c0000201c0000202940400000044ffff",
		 "470000541234000000330000c0000201c0000202940400000044ffff"},
		{"3.3.3.1.1.1: loose source route on its way: the destination is its end",
		 "490000541234000040330000c0000201c0000202830b04c0000303c000040400000000000000",
		 "490000541234000000330000c0000201c000040400000000000000000000000000000000"
		 "0000"},
		{"3.3.3.1.1.1: strict source route, arrived",
		 "490000541234000040330000c0000201c0000404890b0cc0000202c000030300000000000000",
		 "490000541234000000330000c0000201c000040400000000000000000000000000000000"
		 "0000"},
		{"option longer than the header", "460000541234000040330000c0000201c000020207050102", NULL},
		{"option of length 1", "460000541234000040330000c0000201c000020207010102", NULL},
		{"option cut off behind its type", "460000541234000040330000c0000201c000020201010107", NULL},
		{"source route without an address", "460000541234000040330000c0000201c000020283030401", NULL},
		{"source route of odd length", "480000541234000040330000c0000201c00002028309040102030405060000", NULL},
		{"3.3.3.1.2.1 IPv6 fields: class, flow label, hop limit",
		 "6abcdef00010334020010db800000000000000000000000120010db8000000000000000000000002",
		 "600000000010330020010db800000000000000000000000120010db8000000000000000000000002"},
		{"3.3.3.1.2.2 hop-by-hop: router alert stays, PadN stays, 0x3e changes on the way",
		 "600000000030004020010db800000000000000000000000120010db8000000000000000000000002"
		 "3301050200003e06a1a2a3a4a5a60000",
		 "600000000030000020010db800000000000000000000000120010db8000000000000000000000002"
		 "3301050200003e060000000000000000"},
		{"3.3.3.1.2.2 destination options: 0xe5 changes, 0xc9 does not",
		 "6000000000303c4020010db800000000000000000000000120010db8000000000000000000000002"
		 "3301e50311223300c904445566770000",
		 "6000000000303c0020010db800000000000000000000000120010db8000000000000000000000002"
		 "3301e50300000000c904445566770000"},
		{"option longer than its header",
		 "600000000030004020010db800000000000000000000000120010db8000000000000000000000002"
		 "3300050801020304",
		 NULL},
		{"option cut off behind its type",
		 "600000000030004020010db800000000000000000000000120010db8000000000000000000000002"
		 "3300010300000005",
		 NULL},
		{"3.3.3.1.2.3 routing header with two segments left of three",
		 "600000000050"
		 "2b4020010db800000000000000000000000120010db80000000000000000000000aa"
		 "3306000200000000"
		 "20010db8000000000000000000000011"
		 "20010db8000000000000000000000022"
		 "20010db8000000000000000000000033",
		 "600000000050"
		 "2b0020010db800000000000000000000000120010db8000000000000000000000033"
		 "3306000000000000"
		 "20010db8000000000000000000000011"
		 "20010db80000000000000000000000aa"
		 "20010db8000000000000000000000022"},
		{"routing header that has arrived",
		 "600000000050"
		 "2b4020010db800000000000000000000000120010db8000000000000000000000022"
		 "3302000000000000"
		 "20010db8000000000000000000000011",
		 "600000000050"
		 "2b0020010db800000000000000000000000120010db8000000000000000000000022"
		 "3302000000000000"
		 "20010db8000000000000000000000011"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t ip[256], want[256];
		int n = kat_hex(row[i].sent, ip, sizeof(ip));
		int rc;

		assert_true(n > 0);
		if (ip[0] >> 4 == 4)
			n = MIN(n, (int)ip4_hdr_len(ip));
		rc = ah_zero(ip, (size_t)n);
		if (rc != (row[i].covered ? 0 : -1))
			fail_msg("%s: %d", row[i].what, rc);
		if (!row[i].covered)
			continue;
		assert_true(kat_hex(row[i].covered, want, sizeof(want)) >= n);
		if (memcmp(ip, want, (size_t)n) != 0)
			fail_msg("%s: covers other bytes", row[i].what);
	}
}

/* --- the ICV --- */

/* RFC 4302 §3.3.3: IP header, AH with a zero ICV, the packet behind it, and the high half of an ESN. */
static void t_rfc4302_3_3_3_icv_by_hand(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const unsigned esn = i % 2, v6 = i / 2;
		struct rig_frame f;
		struct rig r;
		uint8_t covered[400], mac[20], *ah;
		size_t len, hdr = v6 ? 40 : 20;
		unsigned n = sizeof(mac);

		rig_ah(&r, XI_MODE_TRANSPORT, v6 ? XI_IP6 : XI_IP4, esn ? XI_SA_F_ESN : 0);
		(void)rig_plain(&r, &f, r.sa.family, 150);
		assert_int_equal(rig_seal(&r, &f.pkt, esn ? 0x500000007ull : 7), XI_OK);
		len = pkt_len(&f.pkt);
		memcpy(covered, f.pkt.data, len);
		if (v6) {
			be32_put(covered, htonl(0x60000000));
			covered[7] = 0;
		} else {
			covered[1] = covered[6] = covered[7] = covered[8] = covered[10] = covered[11] = 0;
		}
		ah = covered + hdr;
		assert_int_equal(ah[0], 17);
		assert_int_equal(ah[1], 4); /* 24 bytes: a multiple of 4 and of 8 */
		assert_int_equal(ntohl(be32_get(ah + 8)), 7);
		memset(ah + 12, 0, 12);
		if (esn) {
			be32_put(covered + len, htonl(5));
			len += 4;
		}
		assert_non_null(HMAC(EVP_sha1(), r.sa.auth_key, 20, covered, len, mac, &n));
		assert_memory_equal(f.pkt.data + hdr + 12, mac, 12);
		rig_done(&r);
	}
}

/* --- on the way --- */

struct change {
	const char *what;
	size_t at;
	uint8_t xor ;
	enum xi_drop want;
};

static void try_change(uint8_t mode, uint8_t family, const struct change *c)
{
	struct rig_frame f;
	struct rig r;
	enum xi_drop v;
	size_t len = 120;

	rig_ah(&r, mode, family, 0);
	(void)rig_plain(&r, &f, family, len);
	assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
	f.pkt.data[c->at] ^= c->xor ;
	if (family == XI_IP4)
		ip4_sum_put(f.pkt.data);
	v = rig_open(&r, &f.pkt);
	if (v != c->want)
		fail_msg("IPv%u mode %u, %s: %d, want %d", family, mode, c->what, v, c->want);
	if (v == XI_OK)
		assert_int_equal(pkt_len(&f.pkt), len);
	/* Transport mode: what has changed on the way stays changed in what is delivered. */
	if (v == XI_OK && mode == XI_MODE_TRANSPORT && family == XI_IP4 && c->at == IP4_TTL)
		assert_int_equal(f.pkt.data[IP4_TTL], 64 ^ c->xor);
	assert_int_equal(r.rt.err_icv, v == XI_DROP_IN_ICV);
	rig_done(&r);
}

static void t_rfc4302_3_3_3_1_what_may_change_on_the_way(void **state)
{
	static const struct change v4[] = {
		{"nothing", 0, 0, XI_OK},
		{"DSCP", IP4_TOS, 0xb8, XI_OK},
		{"DF", IP4_FRAG, 0x40, XI_OK},
		{"TTL", IP4_TTL, 0x15, XI_OK},
		{"ID", IP4_ID, 1, XI_DROP_IN_ICV},
		{"source", IP4_SRC, 1, XI_DROP_IN_SA_SELECTOR},
		{"AH next header", 20, 1, XI_DROP_IN_ICV},
		{"AH length below its ICV", 21, 4, XI_DROP_IN_LENGTH},
		{"AH reserved", 22, 1, XI_DROP_IN_ICV},
		{"SPI", 24, 1, XI_DROP_IN_NO_SA},
		{"number", 31, 2, XI_DROP_IN_ICV},
		{"ICV", 43, 1, XI_DROP_IN_ICV},
		{"first byte behind", 44, 1, XI_DROP_IN_ICV},
		{"last byte", 120 + 23, 1, XI_DROP_IN_ICV},
	};
	static const struct change v6[] = {
		{"nothing", 0, 0, XI_OK},
		{"class (not its ECN) and flow label", 1, 0xcf, XI_OK},
		{"flow label", 3, 0xff, XI_OK},
		{"hop limit", IP6_HOPS, 0x11, XI_OK},
		{"source", IP6_SRC + 15, 1, XI_DROP_IN_SA_SELECTOR},
		{"AH next header", 40, 1, XI_DROP_IN_ICV},
		{"AH length below its ICV", 41, 4, XI_DROP_IN_LENGTH},
		{"number", 51, 2, XI_DROP_IN_ICV},
		{"ICV", 63, 1, XI_DROP_IN_ICV},
		{"last byte", 120 + 23, 1, XI_DROP_IN_ICV},
	};

	(void)state;
	for (uint8_t mode = 0; mode < 2; mode++) {
		for (unsigned i = 0; i < ARRAY_SIZE(v4); i++)
			try_change(mode, XI_IP4, &v4[i]);
		for (unsigned i = 0; i < ARRAY_SIZE(v6); i++)
			try_change(mode, XI_IP6, &v6[i]);
	}
}

/* Puts the extension headers or options opt[n] behind the IP header of the packet. */
static void insert(struct pkt *p, const uint8_t *opt, size_t n)
{
	uint8_t *ip = p->data - n;
	size_t hdr = ip[n] >> 4 == 4 ? IP4_HDR : IP6_HDR;

	memmove(ip, p->data, hdr);
	memcpy(ip + hdr, opt, n);
	p->data = ip;
	if (hdr == IP4_HDR) {
		ip[0] = (uint8_t)(0x40 | (hdr + n) / 4);
		u16_put(ip + IP4_LEN, (uint16_t)pkt_len(p));
		ip4_sum_put(ip);
	} else {
		ip[hdr] = ip[IP6_NEXT];
		u16_put(ip + IP6_LEN, (uint16_t)(pkt_len(p) - IP6_HDR));
	}
}

/* RFC 791 §3.1: a sender with a route; then what its packet is like at the end of the route. */
static void t_rfc4302_3_3_3_1_1_1_loose_source_route(void **state)
{
	/* NOP, LSRR by 192.0.3.3 to the SA's 192.0.2.2; the header names the first router. */
	static const uint8_t sent[12] = {1, 131, 11, 4, 192, 0, 3, 3, 192, 0, 2, 2};
	static const uint8_t arrived[12] = {1, 131, 11, 12, 10, 9, 9, 9, 192, 0, 3, 3};
	struct rig_frame f;
	struct rig r;
	uint8_t before[112];

	(void)state;
	rig_ah(&r, XI_MODE_TRANSPORT, XI_IP4, 0);
	(void)rig_plain(&r, &f, XI_IP4, 100);
	be32_put(f.pkt.data + IP4_DST, htonl(0xc6336401));
	insert(&f.pkt, sent, sizeof(sent));
	memcpy(before, f.pkt.data, sizeof(before));
	assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
	/* Sent with its route as it was. */
	assert_memory_equal(f.pkt.data + IP4_SRC, before + IP4_SRC, 20);
	be32_put(f.pkt.data + IP4_DST, r.sa.dst.w[0]);
	memcpy(f.pkt.data + IP4_HDR, arrived, sizeof(arrived));
	ip4_sum_put(f.pkt.data);
	assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), 112);
	assert_int_equal(ip4_check(f.pkt.data, 112), 112);
	assert_memory_equal(f.pkt.data + IP4_HDR, arrived, sizeof(arrived));
	assert_memory_equal(f.pkt.data + 32, before + 32, 80);
	rig_done(&r);
}

/* RFC 4302 §3.3.3.1.2.3 */
static void t_rfc4302_3_3_3_1_2_3_routing_header(void **state)
{
	struct rig_frame f;
	struct rig r;
	uint8_t route[24] = {0, 2, 0, 1}, router[16] = {0x20, 1, 0xd, 0xb8, 9}, before[124];

	(void)state;
	rig_ah(&r, XI_MODE_TRANSPORT, XI_IP6, 0);
	(void)rig_plain(&r, &f, XI_IP6, 100);
	memcpy(route + 8, f.pkt.data + IP6_DST, 16);
	memcpy(f.pkt.data + IP6_DST, router, 16);
	insert(&f.pkt, route, sizeof(route));
	f.pkt.data[IP6_NEXT] = 43;
	memcpy(before, f.pkt.data, sizeof(before));
	assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), 124 + 24);
	assert_int_equal(f.pkt.data[40], XI_PROTO_AH); /* behind the routing header */
	assert_memory_equal(f.pkt.data + IP6_SRC, before + IP6_SRC, 32);
	/* While segments are left it is not for us; then the router has swapped addresses. */
	memcpy(f.pkt.data + IP6_DST, &r.sa.dst, 16);
	assert_int_equal(rig_open(&r, &f.pkt), XI_DROP_IN_HEADER);
	f.pkt.data[40 + 3] = 0;
	memcpy(f.pkt.data + 48, router, 16);
	assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), 124);
	assert_int_equal(f.pkt.data[40], 17);
	assert_memory_equal(f.pkt.data + 64, before + 64, 60);
	rig_done(&r);
}

/* Options that change on the way, and one that must not, in front of AH. */
static void t_rfc4302_3_3_3_1_2_2_hop_by_hop(void **state)
{
	static const uint8_t hbh[16] = {0, 1, 5, 2, 0, 0, 0x3e, 6, 1, 2, 3, 4, 5, 6, 1, 0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct rig_frame f;
		struct rig r;

		rig_ah(&r, XI_MODE_TRANSPORT, XI_IP6, XI_SA_F_ESN);
		(void)rig_plain(&r, &f, XI_IP6, 100);
		insert(&f.pkt, hbh, sizeof(hbh));
		f.pkt.data[IP6_NEXT] = 0;
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		assert_int_equal(f.pkt.data[IP6_NEXT], 0);
		assert_int_equal(f.pkt.data[40], XI_PROTO_AH);
		assert_memory_equal(f.pkt.data + 41, hbh + 1, 15);
		if (i == 1)
			f.pkt.data[40 + 10] ^= 0xff; /* data of 0x3e */
		if (i == 2)
			f.pkt.data[40 + 5] ^= 1; /* value of the router alert */
		assert_int_equal(rig_open(&r, &f.pkt), i == 2 ? XI_DROP_IN_ICV : XI_OK);
		if (i != 2) {
			assert_int_equal(pkt_len(&f.pkt), 116);
			assert_int_equal(f.pkt.data[40], 17);
			assert_int_equal(f.pkt.data[40 + 10], i ? 0xff ^ hbh[10] : hbh[10]);
		}
		rig_done(&r);
	}
}

/* A malformed list of options is refused before anything is touched, on either way. */
static void t_malformed_options(void **state)
{
	static const uint8_t bad4[8] = {7, 9, 4, 0, 0, 0, 0, 0}, good4[8] = {7, 7, 4, 0, 0, 0, 0, 0};
	static const uint8_t bad6[8] = {0, 0, 0x3e, 5, 0, 0, 0, 0}, good6[8] = {0, 0, 0x3e, 4, 0, 0, 0, 0};

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rig_frame f;
		struct rig r;
		uint8_t before[108];

		rig_ah(&r, XI_MODE_TRANSPORT, v6 ? XI_IP6 : XI_IP4, 0);
		(void)rig_plain(&r, &f, r.sa.family, 100);
		insert(&f.pkt, v6 ? bad6 : bad4, 8);
		if (v6)
			f.pkt.data[IP6_NEXT] = 0;
		memcpy(before, f.pkt.data, 108);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_DROP_OUT_MODE);
		assert_memory_equal(f.pkt.data, before, 108);
		(void)rig_plain(&r, &f, r.sa.family, 100);
		insert(&f.pkt, v6 ? good6 : good4, 8);
		if (v6)
			f.pkt.data[IP6_NEXT] = 0;
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		f.pkt.data[v6 ? 43 : 21] += v6 ? 1 : 2;
		ip4_sum_put(f.pkt.data);
		if (v6)
			f.pkt.data[10] = before[10], f.pkt.data[11] = before[11];
		assert_int_equal(rig_open(&r, &f.pkt), XI_DROP_IN_HEADER);
		rig_done(&r);
	}
}

/* --- the header's length --- */

/* RFC 4302 §2.2, §2.6: whatever padding the peer makes for 4 or 8 bytes is accepted, more is not. */
static void t_rfc4302_2_6_padding_behind_the_icv(void **state)
{
	(void)state;
	for (unsigned words = 0; words < 70; words++) {
		struct rig_frame f;
		struct rig r;
		struct crypto_job j = {0};
		size_t ah_len = (words + 2) * 4, len = 20 + ah_len + 60;
		uint8_t *ip, *ah;
		enum xi_drop want = XI_DROP_IN_LENGTH, v;

		rig_ah(&r, XI_MODE_TUNNEL, XI_IP4, 0);
		if (ah_len == 24 || ah_len == 28)
			want = XI_OK;
		ip = rig_inner(&f, len);
		ah = ip + 20;
		be32_put(ip + IP4_SRC, r.sa.src.w[0]);
		be32_put(ip + IP4_DST, r.sa.dst.w[0]);
		ip[IP4_PROTO] = 51;
		ip[IP4_TTL] = 0;
		be16_put(ip + IP4_SUM, 0);
		memset(ah, 0, MAX(ah_len, 24u));
		ah[0] = 4;
		ah[1] = (uint8_t)words;
		be32_put(ah + 4, r.sa.spi);
		be32_put(ah + 8, htonl(1));
		if (want == XI_OK) {
			struct rig_frame in;
			uint8_t icv[20];

			if (ah_len == 28)
				be32_put(ah + 24, htonl(0xdeadbeef)); /* arbitrary, and covered */
			memcpy(ah + ah_len, rig_inner(&in, 60), 60);
			j = (struct crypto_job){.key = r.key, .auth = ip, .auth_len = (uint32_t)len, .icv = icv};
			engine_seal(en, &j, 1);
			assert_int_equal(j.ok, 1);
			memcpy(ah + 12, icv, 12);
		}
		ip[IP4_TTL] = 64;
		ip4_sum_put(ip);
		v = rig_open(&r, &f.pkt);
		if (v != want)
			fail_msg("AH of %zu bytes: %d, want %d", ah_len, v, want);
		rig_done(&r);
	}
}

static void t_align8(void **state)
{
	static const struct {
		const char *auth;
		uint8_t family, flags;
		size_t len;
	} row[] = {
		{"sha1", XI_IP4, 0, 24},	 {"sha1", XI_IP4, XI_SA_F_AH_ALIGN8, 24},   {"sha1", XI_IP6, 0, 24},
		{"sha256", XI_IP4, 0, 28},	 {"sha256", XI_IP4, XI_SA_F_AH_ALIGN8, 32}, {"sha256", XI_IP6, 0, 32},
		{"sha384", XI_IP4, 0, 36},	 {"sha384", XI_IP4, XI_SA_F_AH_ALIGN8, 40}, {"sha384", XI_IP6, 0, 40},
		{"sha512", XI_IP4, 0, 44},	 {"sha512", XI_IP4, XI_SA_F_AH_ALIGN8, 48}, {"sha512", XI_IP6, 0, 48},
		{"aes-128-gmac", XI_IP4, 0, 36}, {"aes-128-gmac", XI_IP6, 0, 40},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		const struct alg *auth = alg_by_name(ALG_AUTH, row[i].auth);
		struct xi_sa sa;

		assert_non_null(auth);
		rig_sa(&sa, alg_by_name(ALG_ENC, "null"), auth, 1);
		sa.proto = XI_PROTO_AH;
		sa.mode = XI_MODE_TRANSPORT;
		sa.family = row[i].family;
		sa.flags = row[i].flags;
		assert_int_equal(ipsec_headroom(&sa), row[i].len);
	}
}

/* The high half of an ESN is covered behind the packet: 4 bytes of room there are needed, and none is written beyond. */
static void t_rfc4302_2_5_1_esn_needs_room_behind(void **state)
{
	struct rig_frame f;
	struct rig r;

	(void)state;
	rig_ah(&r, XI_MODE_TUNNEL, XI_IP4, XI_SA_F_ESN);
	(void)rig_inner(&f, 100);
	f.pkt.end = f.pkt.tail + 3;
	assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_DROP_OUT_NO_ROOM);
	f.pkt.end++;
	assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
	f.pkt.end--;
	assert_int_equal(rig_open(&r, &f.pkt), XI_DROP_IN_NO_BUFFER);
	f.pkt.end++;
	assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
	assert_int_equal(*f.pkt.end, 0xee);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc4302_3_3_3_1_mutable_fields),
		cmocka_unit_test(t_rfc4302_3_3_3_icv_by_hand),
		cmocka_unit_test(t_rfc4302_3_3_3_1_what_may_change_on_the_way),
		cmocka_unit_test(t_rfc4302_3_3_3_1_1_1_loose_source_route),
		cmocka_unit_test(t_rfc4302_3_3_3_1_2_3_routing_header),
		cmocka_unit_test(t_rfc4302_3_3_3_1_2_2_hop_by_hop),
		cmocka_unit_test(t_malformed_options),
		cmocka_unit_test(t_rfc4302_2_6_padding_behind_the_icv),
		cmocka_unit_test(t_align8),
		cmocka_unit_test(t_rfc4302_2_5_1_esn_needs_room_behind),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
