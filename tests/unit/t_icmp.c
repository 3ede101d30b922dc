/* SPDX-License-Identifier: BSD-2-Clause */
/* "Too big" (RFC 792, 1122 §3.2.2, 1191, 1812 §4.3.2; RFC 4443 §2.4, §3.2): written for senders, read from routers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "bpf/abi/xi_sa.h"
#include "tests/lib/esp_rig.h"
#include "tests/lib/ip6_packet.h"
#include "user/ipsec/icmp.h"

#define ME 0x0a0100fe

static void t_rfc1191_4_frag_needed(void **state)
{
	static const size_t lens[] = {20, 28, 100, 547, 548, 549, 1500};
	struct rig_frame f;
	uint8_t out[600];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		const uint8_t *in = rig_inner(&f, lens[i]);
		/* RFC 1812 §4.3.2.3: as much as fits, 576 bytes in all. */
		size_t quote = MIN(lens[i], (size_t)548);
		size_t n = icmp4_too_big(out, sizeof(out), in, lens[i], htonl(ME), 1438);

		assert_int_equal(n, 28 + quote);
		assert_int_equal(ip4_check(out, n), n);
		assert_int_equal(out[IP4_PROTO], 1);
		assert_int_equal(ntohl(be32_get(out + IP4_SRC)), ME);
		assert_memory_equal(out + IP4_DST, in + IP4_SRC, 4);
		assert_int_equal(out[20], 3);
		assert_int_equal(out[21], 4);
		assert_int_equal(u16_get(out + 24), 0);
		assert_int_equal(u16_get(out + 26), 1438);
		assert_memory_equal(out + 28, in, quote);
		assert_int_equal(ip4_sum(out + 20, 8 + quote), 0xffff);
	}
}

static void t_rfc1122_3_2_2_no_answer(void **state)
{
	static const struct {
		const char *what;
		uint32_t src, dst;
		uint16_t frag;
		uint8_t proto, type;
		size_t len;
		int answer;
	} row[] = {
		{"plain", 0x0a010001, 0x0a020001, IP4_DF, 17, 0, 100, 1},
		{"first fragment", 0x0a010001, 0x0a020001, IP4_MF, 17, 0, 100, 1},
		{"later fragment", 0x0a010001, 0x0a020001, 10, 17, 0, 100, 0},
		{"source multicast", 0xe0000001, 0x0a020001, 0, 17, 0, 100, 0},
		{"source broadcast", 0xffffffff, 0x0a020001, 0, 17, 0, 100, 0},
		{"source zero", 0, 0x0a020001, 0, 17, 0, 100, 0},
		{"source loopback", 0x7f000001, 0x0a020001, 0, 17, 0, 100, 0},
		{"source class E", 0xf0000001, 0x0a020001, 0, 17, 0, 100, 0},
		{"to multicast", 0x0a010001, 0xe0000005, 0, 17, 0, 100, 0},
		{"to broadcast", 0x0a010001, 0xffffffff, 0, 17, 0, 100, 0},
		{"echo", 0x0a010001, 0x0a020001, IP4_DF, 1, 8, 100, 1},
		{"echo reply", 0x0a010001, 0x0a020001, IP4_DF, 1, 0, 100, 1},
		{"unreachable", 0x0a010001, 0x0a020001, 0, 1, 3, 100, 0},
		{"source quench", 0x0a010001, 0x0a020001, 0, 1, 4, 100, 0},
		{"redirect", 0x0a010001, 0x0a020001, 0, 1, 5, 100, 0},
		{"time exceeded", 0x0a010001, 0x0a020001, 0, 1, 11, 100, 0},
		{"parameter problem", 0x0a010001, 0x0a020001, 0, 1, 12, 100, 0},
		{"ICMP cut before its type", 0x0a010001, 0x0a020001, 0, 1, 8, 20, 0},
	};
	struct rig_frame f;
	uint8_t out[600];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t *in = rig_inner(&f, 100);
		size_t n;

		be32_put(in + IP4_SRC, htonl(row[i].src));
		be32_put(in + IP4_DST, htonl(row[i].dst));
		u16_put(in + IP4_FRAG, row[i].frag);
		in[IP4_PROTO] = row[i].proto;
		in[20] = row[i].type;
		ip4_sum_put(in);
		n = icmp4_too_big(out, sizeof(out), in, row[i].len, htonl(ME), 1400);
		if (!!n != row[i].answer)
			fail_msg("%s: %zu", row[i].what, n);
	}
}

static void t_icmp_bounds(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 100), out[128];

	(void)state;
	assert_int_equal(icmp4_too_big(out, 127, in, 100, htonl(ME), 1400), 0);
	assert_int_equal(icmp4_too_big(out, 128, in, 100, htonl(ME), 1400), 128);
	assert_int_equal(icmp4_too_big(out, 128, in, 19, htonl(ME), 1400), 0);
	in[0] = 0x4f;
	assert_int_equal(icmp4_too_big(out, 128, in, 59, htonl(ME), 1400), 0);
	in[0] = 0x44;
	assert_int_equal(icmp4_too_big(out, 128, in, 100, htonl(ME), 1400), 0);
	in[0] = 0x65;
	assert_int_equal(icmp4_too_big(out, 128, in, 100, htonl(ME), 1400), 0);
}

static const struct xi_addr me6 = {{0x20010db8u, 0, 0, 0xfeu}};

static void t_rfc4443_3_2_packet_too_big(void **state)
{
	static const size_t lens[] = {0, 8, 100, 1191, 1192, 1193, 1460};
	uint8_t in[1500], out[1300];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = ip6_test_packet(in, 17, lens[i]);
		size_t quote = MIN(len, (size_t)1232); /* RFC 4443 §2.4 (c): 1280 bytes in all */
		size_t n = icmp6_too_big(out, sizeof(out), in, len, &me6, 1422);

		assert_int_equal(n, 48 + quote);
		assert_int_equal(ip6_check(out, n), n);
		assert_int_equal(out[IP6_NEXT], 58);
		assert_memory_equal(out + IP6_SRC, &me6, 16);
		assert_memory_equal(out + IP6_DST, in + IP6_SRC, 16);
		assert_int_equal(out[40], 2);
		assert_int_equal(out[41], 0);
		assert_int_equal(ntohl(be32_get(out + 44)), 1422);
		assert_memory_equal(out + 48, in, quote);
		assert_int_equal(ip6_upper_sum(out + IP6_SRC, 58, out + 40, 8 + quote), 0xffff);
	}
	assert_int_equal(icmp6_too_big(out, 147, in, ip6_test_packet(in, 17, 60), &me6, 1422), 0);
	assert_int_equal(icmp6_too_big(out, 148, in, ip6_test_packet(in, 17, 60), &me6, 1422), 148);
}

static void t_rfc4443_2_4_no_answer(void **state)
{
	static const struct {
		const char *what;
		uint8_t src0, src15, dst0, proto, type;
		int answer;
	} row[] = {
		{"plain", 0x20, 1, 0x20, 17, 0, 1},
		{"to multicast", 0x20, 1, 0xff, 17, 0, 1}, /* (e.3): the exception */
		{"echo", 0x20, 1, 0x20, 58, 128, 1},
		{"echo reply", 0x20, 1, 0x20, 58, 129, 1},
		{"unreachable", 0x20, 1, 0x20, 58, 1, 0},
		{"too big", 0x20, 1, 0x20, 58, 2, 0},
		{"parameter problem", 0x20, 1, 0x20, 58, 4, 0},
		{"error to come", 0x20, 1, 0x20, 58, 127, 0},
		{"redirect", 0x20, 1, 0x20, 58, 137, 0},
		{"source multicast", 0xff, 1, 0x20, 17, 0, 0},
		{"source unspecified", 0, 0, 0x20, 17, 0, 0},
		{"source loopback", 0, 1, 0x20, 17, 0, 0},
	};
	uint8_t in[300], out[400];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		size_t len = ip6_test_packet(in, row[i].proto, 100);

		if (!row[i].src0)
			memset(in + IP6_SRC, 0, 16);
		in[IP6_SRC] = row[i].src0;
		in[IP6_SRC + 15] = row[i].src15;
		in[IP6_DST] = row[i].dst0;
		in[IP6_HDR] = row[i].type;
		for (unsigned k = 0; k < 2; k++) { /* bare, then behind an extension header */
			if (!!icmp6_too_big(out, sizeof(out), in, len, &me6, 1400) != row[i].answer)
				fail_msg("%s", row[i].what);
			ip6_test_push(in, &len, NH_DST_OPTIONS, 16);
		}
	}
}

/* A later fragment of what may be an error gets none; the type of a first one is read behind its fragment header. */
static void t_rfc4443_2_4_fragments(void **state)
{
	uint8_t in[300], out[400];
	size_t len = ip6_test_packet(in, 58, 100);

	(void)state;
	in[IP6_HDR] = 128;
	ip6_test_push(in, &len, NH_FRAGMENT, 8);
	u16_put(in + IP6_HDR + IP6_FRAG_OFF, 1);
	assert_true(icmp6_too_big(out, sizeof(out), in, len, &me6, 1400));
	in[IP6_HDR + 8] = 1;
	assert_false(icmp6_too_big(out, sizeof(out), in, len, &me6, 1400));
	in[IP6_HDR + 8] = 128;
	u16_put(in + IP6_HDR + IP6_FRAG_OFF, 8);
	assert_false(icmp6_too_big(out, sizeof(out), in, len, &me6, 1400));
	in[IP6_HDR] = 17;
	assert_true(icmp6_too_big(out, sizeof(out), in, len, &me6, 1400));
}

/* Cut at every length: never a byte behind the end, no answer about what cannot be judged. */
static void t_icmp6_bounds(void **state)
{
	uint8_t in[300], out[400];
	size_t len = ip6_test_packet(in, 58, 8);

	(void)state;
	in[IP6_HDR] = 128;
	ip6_test_push(in, &len, NH_FRAGMENT, 8);
	u16_put(in + IP6_HDR + IP6_FRAG_OFF, 1);
	ip6_test_push(in, &len, NH_ROUTING, 24);
	for (size_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n + !n);

		assert_non_null(exact);
		memcpy(exact, in, n);
		assert_int_equal(!!icmp6_too_big(out, sizeof(out), exact, n, &me6, 1400), n > IP6_HDR + 24 + 8);
		free(exact);
	}
	in[0] = 0x45;
	assert_false(icmp6_too_big(out, sizeof(out), in, len, &me6, 1400));
}

/* --- reading --- */

#define SPI 0xc0ffee01u
#define SEQ 0x01020304u

/* A protected packet of ours of len bytes: ESP, AH, or ESP in UDP. Returns where SPI and sequence number stand. */
static size_t protected4(uint8_t *p, uint8_t proto, size_t len)
{
	struct rig_frame f;
	size_t at = IP4_HDR;

	memcpy(p, rig_inner(&f, len), len);
	p[IP4_PROTO] = proto;
	ip4_sum_put(p);
	if (proto == 17) {
		u16_put(p + at, 4500);
		u16_put(p + at + 2, 32001);
		at += 8;
	} else if (proto == 51) {
		at += 4;
	}
	be32_put(p + at, htonl(SPI));
	be32_put(p + at + 4, htonl(SEQ));
	return at;
}

static size_t message4(uint8_t *out, const uint8_t *orig, size_t quote, uint16_t mtu)
{
	struct rig_frame f;
	size_t len = IP4_HDR + 8 + quote;

	memcpy(out, rig_inner(&f, len), len);
	out[IP4_PROTO] = 1;
	ip4_sum_put(out);
	memset(out + 20, 0, 8);
	out[20] = 3;
	out[21] = 4;
	u16_put(out + 26, mtu);
	memcpy(out + 28, orig, quote);
	be16_put(out + 22, (uint16_t)~ip4_sum(out + 20, 8 + quote));
	return len;
}

static int read_exact(const uint8_t *m, size_t n, struct icmp_quote *q)
{
	uint8_t *exact = malloc(n + !n);
	struct pkt p = {exact, exact, exact + n, exact + n};
	int rc;

	assert_non_null(exact);
	memcpy(exact, m, n);
	rc = icmp_read_too_big(&p, q);
	free(exact);
	return rc;
}

static void t_rfc1191_read(void **state)
{
	static const struct {
		uint8_t proto;
		size_t least; /* quoted bytes that are enough */
	} row[] = {{50, 28}, {51, 32}, {17, 36}};
	uint8_t orig[1500], m[1600];
	struct icmp_quote q;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		(void)protected4(orig, row[i].proto, 1500);
		for (size_t quote = 0; quote <= 60; quote++) {
			size_t n = message4(m, orig, quote, 1400);
			int rc = read_exact(m, n, &q);

			assert_int_equal(rc, quote >= row[i].least ? 0 : -ENOENT);
			if (rc)
				continue;
			assert_int_equal(q.family, XI_IP4);
			assert_int_equal(q.proto, row[i].proto == 51 ? 51 : 50);
			assert_int_equal(q.udp, row[i].proto == 17);
			assert_int_equal(ntohl(q.spi), SPI);
			assert_int_equal(q.seq, SEQ);
			assert_int_equal(q.mtu, 1400);
			assert_memory_equal(&q.src, orig + IP4_SRC, 4);
			assert_memory_equal(&q.dst, orig + IP4_DST, 4);
			if (q.udp)
				assert_int_equal(q.src_port << 16 | q.dst_port, 4500 << 16 | 32001);
		}
	}
}

static void t_rfc1191_7_1_plateaus(void **state)
{
	static const uint16_t row[][2] = {{1500, 1492}, {1492, 1006}, {1493, 1492}, {576, 508}, {65535, 32000},
					  {9000, 8166}, {296, 68},    {297, 296},   {69, 68},	{68, 68}};
	uint8_t orig[100], m[200];
	struct icmp_quote q;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		(void)protected4(orig, 50, 100);
		u16_put(orig + IP4_LEN, row[i][0]);
		assert_int_equal(read_exact(m, message4(m, orig, 60, 0), &q), 0);
		assert_int_equal(q.mtu, row[i][1]);
	}
}

static void t_read_not_ours(void **state)
{
	uint8_t orig[100], m[200], bad[200];
	struct icmp_quote q;
	size_t n;

	(void)state;
	(void)protected4(orig, 50, 100);
	n = message4(m, orig, 60, 1400);
	assert_int_equal(read_exact(m, n, &q), 0);
#define BAD(at, value)                                                                                                 \
	do {                                                                                                           \
		memcpy(bad, m, n);                                                                                     \
		bad[at] = (value);                                                                                     \
		ip4_sum_put(bad);                                                                                      \
		be16_put(bad + 22, 0);                                                                                 \
		be16_put(bad + 22, (uint16_t)~ip4_sum(bad + 20, n - 20));                                              \
		assert_int_equal(read_exact(bad, n, &q), -ENOENT);                                                     \
	} while (0)
	BAD(20, 11);		   /* time exceeded */
	BAD(21, 3);		   /* port unreachable */
	BAD(IP4_PROTO, 17);	   /* no ICMP */
	BAD(IP4_FRAG, 0x20);	   /* a fragment */
	BAD(IP4_FRAG + 1, 1);	   /* a later one */
	BAD(28, 0x65);		   /* quotes another version */
	BAD(28, 0x44);		   /* header too short */
	BAD(28, 0x4f);		   /* header longer than what is quoted of ESP */
	BAD(28 + IP4_PROTO, 6);	   /* quotes TCP */
	BAD(28 + IP4_FRAG + 1, 2); /* quotes a later fragment */
	/* RFC 1122 §3.2.2: the checksum is not right. */
	memcpy(bad, m, n);
	bad[60]++;
	assert_int_equal(read_exact(bad, n, &q), -ENOENT);
	/* RFC 3948 §2.2: a non-ESP marker is IKE. */
	be32_put(orig + protected4(orig, 17, 100), 0);
	assert_int_equal(read_exact(m, message4(m, orig, 60, 1400), &q), -ENOENT);
}

static size_t message6(uint8_t *out, const uint8_t *orig, size_t quote, uint32_t mtu)
{
	size_t n = ip6_test_packet(out, 58, 8 + quote);

	memset(out + 40, 0, 8);
	out[40] = 2;
	be32_put(out + 44, htonl(mtu));
	memcpy(out + 48, orig, quote);
	be16_put(out + 42, (uint16_t)~ip6_upper_sum(out + IP6_SRC, 58, out + 40, 8 + quote));
	return n;
}

static void t_rfc4443_3_2_read(void **state)
{
	static const struct {
		uint8_t proto;
		size_t least, spi_at;
	} row[] = {{50, 48, 40}, {51, 52, 44}, {17, 56, 48}};
	uint8_t orig[1500], m[1600];
	struct icmp_quote q;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		(void)ip6_test_packet(orig, row[i].proto, 1400);
		be32_put(orig + row[i].spi_at, htonl(SPI));
		be32_put(orig + row[i].spi_at + 4, htonl(SEQ));
		for (size_t quote = 0; quote <= 80; quote++) {
			int rc = read_exact(m, message6(m, orig, quote, 1300), &q);

			assert_int_equal(rc, quote >= row[i].least ? 0 : -ENOENT);
			if (rc)
				continue;
			assert_int_equal(q.family, XI_IP6);
			assert_int_equal(q.proto, row[i].proto == 51 ? 51 : 50);
			assert_int_equal(q.udp, row[i].proto == 17);
			assert_int_equal(ntohl(q.spi), SPI);
			assert_int_equal(q.seq, SEQ);
			assert_int_equal(q.mtu, 1300);
			assert_memory_equal(&q.src, orig + IP6_SRC, 16);
			assert_memory_equal(&q.dst, orig + IP6_DST, 16);
		}
	}
}

/* Extension headers in front of the message and in the quote; our own first fragments; other messages. */
static void t_rfc4443_3_2_read_chain(void **state)
{
	uint8_t orig[300], m[500];
	struct icmp_quote q;
	size_t len = ip6_test_packet(orig, 50, 100), n;

	(void)state;
	be32_put(orig + 40, htonl(SPI));
	ip6_test_push(orig, &len, NH_FRAGMENT, 8);
	u16_put(orig + 42, 1);
	ip6_test_push(orig, &len, NH_HOP_BY_HOP, 16);
	n = message6(m, orig, len, 1280);
	ip6_test_push(m, &n, NH_DST_OPTIONS, 24);
	assert_int_equal(read_exact(m, n, &q), 0);
	assert_int_equal(ntohl(q.spi), SPI);
	u16_put(orig + 40 + 16 + 2, 8);
	assert_int_equal(read_exact(m, message6(m, orig, len, 1280), &q), -ENOENT);
	u16_put(orig + 40 + 16 + 2, 1);
	n = message6(m, orig, len, 1280);
	assert_int_equal(read_exact(m, n, &q), 0);
	m[42]++;
	assert_int_equal(read_exact(m, n, &q), -ENOENT);
	n = message6(m, orig, len, 1280);
	m[40] = 1;
	be16_put(m + 42, 0);
	be16_put(m + 42, (uint16_t)~ip6_upper_sum(m + IP6_SRC, 58, m + 40, n - 40));
	assert_int_equal(read_exact(m, n, &q), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc1191_4_frag_needed), cmocka_unit_test(t_rfc1122_3_2_2_no_answer),
		cmocka_unit_test(t_icmp_bounds),	   cmocka_unit_test(t_rfc4443_3_2_packet_too_big),
		cmocka_unit_test(t_rfc4443_2_4_no_answer), cmocka_unit_test(t_rfc4443_2_4_fragments),
		cmocka_unit_test(t_icmp6_bounds),	   cmocka_unit_test(t_rfc1191_read),
		cmocka_unit_test(t_rfc1191_7_1_plateaus),  cmocka_unit_test(t_read_not_ours),
		cmocka_unit_test(t_rfc4443_3_2_read),	   cmocka_unit_test(t_rfc4443_3_2_read_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
