/* SPDX-License-Identifier: BSD-2-Clause */
/* The outer header and what a tunnel does to the inner one: RFC 4301 §5.1.2, RFC 6040, RFC 1624, spec section 15. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"
#include "user/ipsec/tunnel.h"

/* Every family inside every family. */
static const struct {
	uint8_t outer, inner;
} pairs[] = {{XI_IP4, XI_IP4}, {XI_IP4, XI_IP6}, {XI_IP6, XI_IP4}, {XI_IP6, XI_IP6}};

static void set_class(uint8_t *ip, unsigned class)
{
	if (ip[0] >> 4 == 4) {
		ip[IP4_TOS] = (uint8_t) class;
		ip4_sum_put(ip);
	} else {
		be32_put(ip, htonl((ntohl(be32_get(ip)) & 0xf00fffff) | class << 20));
	}
}

static size_t sound(const uint8_t *ip, size_t len)
{
	return ip[0] >> 4 == 4 ? ip4_check(ip, len) : ip6_check(ip, len);
}

static void t_rfc6040_4_1_encapsulation_copies_class(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct xi_sa sa = {.family = pairs[i].outer};
		struct rig_frame f;
		uint8_t *in = rig_inner_of(&f, pairs[i].inner, 60), out[40];

		for (unsigned class = 0; class < 256; class ++) {
			set_class(in, class);
			tunnel_outer(out, in, &sa, 100, 7, 50);
			assert_int_equal(tunnel_class(out), class);
			assert_int_equal(sound(out, 100), 100);
		}
	}
}

static void t_rfc4301_5_1_2_1_outer_ipv4(void **state)
{
	static const struct {
		uint16_t inner, outer;
	} frag[] = {{0, 0}, {IP4_DF, IP4_DF}, {IP4_MF, 0}, {0x1234 & IP4_OFFSET, 0}, {IP4_DF | IP4_MF | 5, IP4_DF}};
	struct xi_sa sa = {.family = XI_IP4};
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 40), out[20];

	(void)state;
	sa.src.w[0] = htonl(RIG_SRC);
	sa.dst.w[0] = htonl(RIG_DST);
	for (unsigned i = 0; i < ARRAY_SIZE(frag); i++) {
		u16_put(in + IP4_FRAG, frag[i].inner);
		tunnel_outer(out, in, &sa, 0x1234, 0xabcd, 50);
		assert_int_equal(out[0], 0x45);
		assert_int_equal(u16_get(out + IP4_LEN), 0x1234);
		assert_int_equal(u16_get(out + IP4_ID), 0xabcd);
		assert_int_equal(u16_get(out + IP4_FRAG), frag[i].outer);
		assert_int_equal(out[IP4_TTL], 64);
		assert_int_equal(out[IP4_PROTO], 50);
		assert_int_equal(ntohl(be32_get(out + IP4_SRC)), RIG_SRC);
		assert_int_equal(ntohl(be32_get(out + IP4_DST)), RIG_DST);
		assert_int_equal(ip4_sum(out, 20), 0xffff);
	}
	/* The sender of an IPv6 packet learns the size of the path: the packet is not cut (spec section 15). */
	in = rig_inner_of(&f, XI_IP6, 60);
	tunnel_outer(out, in, &sa, 100, 1, 50);
	assert_int_equal(u16_get(out + IP4_FRAG), IP4_DF);
}

static void t_rfc4301_5_1_2_2_outer_ipv6(void **state)
{
	struct xi_sa sa = {.family = XI_IP6};
	struct rig_frame f;
	uint8_t *in = rig_inner_of(&f, XI_IP6, 60), out[40];

	(void)state;
	memset(&sa.src, 0x11, 16);
	memset(&sa.dst, 0x22, 16);
	be32_put(in, htonl(0x6ab54321));
	tunnel_outer(out, in, &sa, 40 + 0x1234, 0xabcd, 51);
	assert_int_equal(ntohl(be32_get(out)), 0x6ab54321); /* class and flow label copied */
	assert_int_equal(u16_get(out + IP6_LEN), 0x1234);
	assert_int_equal(out[IP6_NEXT], 51);
	assert_int_equal(out[IP6_HOPS], 64);
	assert_memory_equal(out + IP6_SRC, &sa.src, 16);
	assert_memory_equal(out + IP6_DST, &sa.dst, 16);
	in = rig_inner(&f, 40);
	set_class(in, 0xb9);
	tunnel_outer(out, in, &sa, 100, 1, 50);
	assert_int_equal(ntohl(be32_get(out)), 0x6b900000);
}

static void t_rfc6040_4_2_decapsulation(void **state)
{
	enum { NOT = 0, ECT1 = 1, ECT0 = 2, CE = 3, DROP = -1 };
	/* Figure 4, row by row: inner, then the result for outer Not-ECT, ECT(0), ECT(1), CE. */
	static const struct {
		int inner, not_ect, ect0, ect1, ce;
	} fig4[] = {
		{NOT, NOT, NOT, NOT, DROP},
		{ECT0, ECT0, ECT0, ECT1, CE},
		{ECT1, ECT1, ECT1, ECT1, CE},
		{CE, CE, CE, CE, CE},
	};
	struct rig_frame f;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(fig4) * 8; i++) {
		const int outer = (int)(i / 8), row = (int)(i / 2 % 4), v6 = (int)(i % 2);
		const int want = outer == NOT	 ? fig4[row].not_ect
				 : outer == ECT0 ? fig4[row].ect0
				 : outer == ECT1 ? fig4[row].ect1
						 : fig4[row].ce;
		uint8_t *in = rig_inner_of(&f, v6 ? XI_IP6 : XI_IP4, 60);
		enum xi_drop v;

		set_class(in, 0xb8 | (unsigned)fig4[row].inner);
		v = tunnel_open(&f.pkt, in, 60, v6 ? 41 : 4, (uint8_t)(0x28 | outer));
		assert_int_equal(v, want == DROP ? XI_DROP_IN_ECN : XI_OK);
		/* DSCP of the inner packet is kept (spec section 15). */
		assert_int_equal(tunnel_class(in), 0xb8 | (want == DROP ? NOT : want));
		assert_int_equal(sound(in, 60), 60);
	}
}

static void t_rfc4303_2_6_next_header_is_the_version(void **state)
{
	struct rig_frame f;

	(void)state;
	for (unsigned next = 0; next < 256; next++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			uint8_t *in = rig_inner_of(&f, v6 ? XI_IP6 : XI_IP4, 60);
			struct pkt p = {0};
			int right = next == (v6 ? 41 : 4);

			assert_int_equal(tunnel_open(&p, in, 64, (uint8_t)next, 0), right ? XI_OK : XI_DROP_IN_MODE);
			assert_ptr_equal(p.data, right ? in : NULL);
			assert_ptr_equal(p.tail, right ? in + 60 : NULL); /* behind it: traffic flow padding */
			assert_int_equal(tunnel_open(&p, in, 59, (uint8_t)next, 0), XI_DROP_IN_MODE);
		}
	}
}

static void t_rfc8200_3_hop_limit(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner_of(&f, XI_IP6, 60), was[60];

	(void)state;
	for (unsigned hops = 0; hops < 256; hops++) {
		in[IP6_HOPS] = (uint8_t)hops;
		memcpy(was, in, 60);
		assert_int_equal(tunnel_hops6(in), hops <= 1 ? -1 : 0);
		was[IP6_HOPS] = (uint8_t)(hops <= 1 ? hops : hops - 1);
		assert_memory_equal(in, was, 60);
	}
}

static void t_rfc1812_5_3_1_ttl(void **state)
{
	struct rig_frame f;

	(void)state;
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		for (unsigned proto = 0; proto < 256; proto += 17) {
			uint8_t *in = rig_inner(&f, 40);

			in[IP4_TTL] = (uint8_t)ttl;
			in[IP4_PROTO] = (uint8_t)proto;
			ip4_sum_put(in);
			assert_int_equal(tunnel_ttl4(in), ttl <= 1 ? -1 : 0);
			assert_int_equal(in[IP4_TTL], ttl <= 1 ? ttl : ttl - 1);
			assert_int_equal(in[IP4_PROTO], proto);
			assert_int_equal(ip4_check(in, 40), 40);
		}
	}
}

/* RFC 1624: the patched checksum equals the one computed anew, for every value it can have. */
static void t_rfc1624_patch(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 40), anew[20];

	(void)state;
	for (unsigned id = 0; id < 65536; id++) {
		ip4_patch(in, IP4_ID, htons((uint16_t)(id * 40503)));
		memcpy(anew, in, 20);
		ip4_sum_put(anew);
		assert_int_equal(ip4_sum(in, 20), 0xffff);
		assert_memory_equal(in, anew, 20);
	}
}

static void t_header_check(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 60);

	(void)state;
	assert_int_equal(ip4_check(in, 60), 60);
	assert_int_equal(ip4_check(in, 100), 60);
	assert_int_equal(ip4_check(in, 59), 0);
	assert_int_equal(ip4_check(in, 19), 0);
	assert_int_equal(ip4_check(in, 0), 0);
	in[IP4_SUM] ^= 1;
	assert_int_equal(ip4_check(in, 60), 0);
	in = rig_inner(&f, 60);
	in[0] = 0x65;
	ip4_sum_put(in);
	assert_int_equal(ip4_check(in, 60), 0);
	in[0] = 0x44;
	ip4_sum_put(in);
	assert_int_equal(ip4_check(in, 60), 0);
	in[0] = 0x4f;
	ip4_sum_put(in);
	assert_int_equal(ip4_check(in, 60), 60);
	u16_put(in + IP4_LEN, 59);
	ip4_sum_put(in);
	assert_int_equal(ip4_check(in, 60), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc6040_4_1_encapsulation_copies_class),
		cmocka_unit_test(t_rfc4301_5_1_2_1_outer_ipv4),
		cmocka_unit_test(t_rfc4301_5_1_2_2_outer_ipv6),
		cmocka_unit_test(t_rfc6040_4_2_decapsulation),
		cmocka_unit_test(t_rfc4303_2_6_next_header_is_the_version),
		cmocka_unit_test(t_rfc8200_3_hop_limit),
		cmocka_unit_test(t_rfc1812_5_3_1_ttl),
		cmocka_unit_test(t_rfc1624_patch),
		cmocka_unit_test(t_header_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
