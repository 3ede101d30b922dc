/* SPDX-License-Identifier: BSD-2-Clause */
/* MSS clamping (RFC 6691, RFC 9293 §3.7.1, RFC 1624). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"
#include "tests/lib/ip6_packet.h"
#include "user/ipsec/mss.h"

#define SYN 0x02
#define ACK 0x10

/* An IPv4 or IPv6 packet with a TCP header of these options (n a multiple of 4) and 13 bytes behind it; *at is the TCP header's place. */
static size_t segment(uint8_t *p, int family, uint8_t flags, const uint8_t *opt, size_t n, size_t *at)
{
	size_t tcp_len = TCP_HDR + n + 13, len;
	struct rig_frame f;
	uint8_t *tcp;

	if (family == 6) {
		len = ip6_test_packet(p, TCP_PROTO, tcp_len);
		*at = IP6_HDR;
	} else {
		len = IP4_HDR + tcp_len;
		memcpy(p, rig_inner(&f, len), len);
		p[IP4_PROTO] = TCP_PROTO;
		ip4_sum_put(p);
		*at = IP4_HDR;
	}
	tcp = p + *at;
	tcp[12] = (uint8_t)((TCP_HDR + n) / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	memcpy(tcp + TCP_HDR, opt, n);
	return len;
}

static uint16_t tcp_sum(const uint8_t *p, size_t len, size_t at)
{
	const uint8_t *addr = p + (p[0] >> 4 == 6 ? IP6_SRC : IP4_SRC);
	uint64_t sum = ip4_sum(p + at, len - at);

	sum += ip4_sum(addr, p[0] >> 4 == 6 ? 32 : 8);
	return ip4_fold(sum + htons(TCP_PROTO) + htons((uint16_t)(len - at)));
}

static void seal_sum(uint8_t *p, size_t len, size_t at)
{
	be16_put(p + at + 16, 0);
	be16_put(p + at + 16, (uint16_t)~tcp_sum(p, len, at));
}

#define MSS(v) 2, 4, (v) >> 8, (v)&255

struct row {
	const char *what;
	uint8_t opt[40];
	size_t n;
	uint8_t flags;
	int changed;
	size_t mss_at; /* in the options, where MSS is afterwards 1360 */
};

static const struct row rows[] = {
	{"as most send it", {MSS(1460), 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}, 20, SYN, 1, 2},
	{"the answer", {MSS(1460)}, 4, SYN | ACK, 1, 2},
	{"at an odd place", {1, MSS(1460), 0, 0, 0}, 8, SYN, 1, 3},
	{"odd, carries", {1, MSS(0xffff), 1, 1, 1}, 8, SYN, 1, 3},
	{"even behind others", {3, 3, 7, 1, MSS(9000)}, 8, SYN, 1, 6},
	{"equal", {MSS(1360)}, 4, SYN, 0, 2},
	{"one more", {MSS(1361)}, 4, SYN, 1, 2},
	{"smaller", {MSS(536)}, 4, SYN, 0, 0},
	{"no SYN", {MSS(1460)}, 4, ACK, 0, 0},
	{"no option", {0}, 0, SYN, 0, 0},
	{"behind the end", {0, MSS(1460), 0, 0, 0}, 8, SYN, 0, 0},
	{"wrong length 3", {2, 3, 5, 180}, 4, SYN, 0, 0},
	{"wrong length 6", {2, 6, 5, 180, 5, 180, 1, 1}, 8, SYN, 0, 0},
	{"length behind the header", {1, 1, 1, 1, 1, 2, 4, 5}, 8, SYN, 0, 0},
	{"length 0", {8, 0, MSS(1460), 0, 0}, 8, SYN, 0, 0},
	{"length 1", {8, 1, MSS(1460), 0, 0}, 8, SYN, 0, 0},
	{"kind alone at the end", {1, 1, 1, 2}, 4, SYN, 0, 0},
	{"good, then malformed", {MSS(1460), 8, 99, 0, 0}, 8, SYN, 1, 2},
};

static void t_rfc6691_clamp(void **state)
{
	uint8_t p[200], was[200];

	(void)state;
	for (unsigned k = 0; k < 2 * ARRAY_SIZE(rows); k++) {
		const struct row *r = &rows[k / 2];
		size_t at, len = segment(p, k % 2 ? 6 : 4, r->flags, r->opt, r->n, &at);
		int changed;

		seal_sum(p, len, at);
		memcpy(was, p, len);
		assert_int_equal(mss_may_apply(p, len), !!(r->flags & SYN));
		changed = mss_clamp(p, len, 1360);
		if (changed != r->changed || tcp_sum(p, len, at) != 0xffff)
			fail_msg("%s: %d, sum %x", r->what, changed, tcp_sum(p, len, at));
		if (!changed) {
			assert_memory_equal(p, was, len);
			continue;
		}
		assert_int_equal(u16_get(p + at + TCP_HDR + r->mss_at), 1360);
		/* Nothing else has changed. */
		memcpy(p + at + TCP_HDR + r->mss_at, was + at + TCP_HDR + r->mss_at, 2);
		memcpy(p + at + 16, was + at + 16, 2);
		assert_memory_equal(p, was, len);
	}
}

/* Every value to every other: the mended checksum is right, also where the sum runs through zero. */
static void t_rfc1624_3_checksum(void **state)
{
	uint64_t rnd = 5;
	uint8_t p[200];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t from = (uint16_t)rig_rand(&rnd), to = (uint16_t)rig_rand(&rnd);
		uint8_t opt[8] = {1, 2, 4, (uint8_t)(from >> 8), (uint8_t)from};
		size_t at, len = segment(p, i & 1 ? 6 : 4, SYN, opt + (i >> 1 & 1), 8 - 4 * (i >> 1 & 1), &at);

		be32_put(p + at + 4, (uint32_t)rig_rand(&rnd));
		seal_sum(p, len, at);
		assert_int_equal(mss_clamp(p, len, to), to && from > to);
		assert_int_equal(tcp_sum(p, len, at), 0xffff);
	}
}

static void t_mss_fragments_and_chains(void **state)
{
	static const uint8_t opt[] = {MSS(1460)};
	uint8_t p[300];
	size_t at, len = segment(p, 4, SYN, opt, 4, &at);

	(void)state;
	u16_put(p + IP4_FRAG, IP4_MF | 1);
	assert_int_equal(mss_clamp(p, len, 1360), 0);
	u16_put(p + IP4_FRAG, IP4_MF);
	assert_int_equal(mss_clamp(p, len, 1360), 1);

	len = segment(p, 6, SYN, opt, 4, &at);
	ip6_test_push(p, &len, NH_FRAGMENT, 8);
	u16_put(p + IP6_HDR + IP6_FRAG_OFF, IP6_FRAG_M);
	ip6_test_push(p, &len, NH_HOP_BY_HOP, 16);
	assert_true(mss_may_apply(p, len));
	u16_put(p + IP6_HDR + 16 + IP6_FRAG_OFF, 8);
	assert_int_equal(mss_clamp(p, len, 1360), 0);
	u16_put(p + IP6_HDR + 16 + IP6_FRAG_OFF, IP6_FRAG_M);
	assert_int_equal(mss_clamp(p, len, 1360), 1);
	assert_int_equal(u16_get(p + IP6_HDR + 24 + 22), 1360);
}

/* IPv4 options in front; cut at every length: nothing behind the end is read. */
static void t_mss_bounds(void **state)
{
	static const uint8_t opt[] = {MSS(1460)};
	uint8_t p[300];

	(void)state;
	for (unsigned family = 4; family <= 6; family += 2) {
		size_t at, len = segment(p, (int)family, SYN, opt, 4, &at);

		if (family == 4) {
			memmove(p + 28, p + 20, len - 20);
			memset(p + 20, 1, 8);
			p[0] = 0x47;
			len += 8;
			at += 8;
		} else {
			ip6_test_push(p, &len, NH_DST_OPTIONS, 16);
			at += 16;
		}
		assert_true(mss_may_apply(p, len));
		for (size_t n = 0; n <= len; n++) {
			uint8_t *exact = malloc(n + !n);

			assert_non_null(exact);
			memcpy(exact, p, n);
			assert_int_equal(mss_clamp(exact, n, 1360), n >= at + 24);
			free(exact);
		}
		p[at + 12] = 0x40; /* header shorter than a TCP header */
		assert_int_equal(mss_clamp(p, len, 1360), 0);
		p[at + 12] = 0xf0; /* longer than the packet */
		assert_int_equal(mss_clamp(p, len, 1360), 0);
	}
}

static void t_rfc6691_2_mss_of_mtu(void **state)
{
	(void)state;
	assert_int_equal(mss_of_mtu(4, 1438), 1398);
	assert_int_equal(mss_of_mtu(6, 1438), 1378);
	assert_int_equal(mss_of_mtu(4, 40), 0);
	assert_int_equal(mss_of_mtu(6, 60), 0);
	assert_int_equal(mss_of_mtu(6, 61), 1);
	assert_int_equal(mss_of_mtu(4, 70000), 65535);
	assert_int_equal(mss_of_mtu(0, 1500), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc6691_clamp),
		cmocka_unit_test(t_rfc1624_3_checksum),
		cmocka_unit_test(t_mss_fragments_and_chains),
		cmocka_unit_test(t_mss_bounds),
		cmocka_unit_test(t_rfc6691_2_mss_of_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
