/* SPDX-License-Identifier: BSD-2-Clause */
/* The outer header and what a tunnel does to the inner one: RFC 4301 §5.1.2, RFC 6040, RFC 1624, spec section 15. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"
#include "user/ipsec/tunnel.h"

static void t_rfc6040_4_1_encapsulation_copies_tos(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 40), out[20];

	(void)state;
	for (unsigned tos = 0; tos < 256; tos++) {
		in[IP4_TOS] = (uint8_t)tos;
		tunnel_outer4(out, in, 100, 7, 50, htonl(RIG_SRC), htonl(RIG_DST));
		assert_int_equal(out[IP4_TOS], tos);
		assert_int_equal(ip4_check(out, 100), 100);
	}
}

static void t_rfc4301_5_1_2_outer_fields(void **state)
{
	static const struct {
		uint16_t inner, outer;
	} frag[] = {{0, 0}, {IP4_DF, IP4_DF}, {IP4_MF, 0}, {0x1234 & IP4_OFFSET, 0}, {IP4_DF | IP4_MF | 5, IP4_DF}};
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 40), out[20];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(frag); i++) {
		u16_put(in + IP4_FRAG, frag[i].inner);
		tunnel_outer4(out, in, 0x1234, 0xabcd, 50, htonl(RIG_SRC), htonl(RIG_DST));
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
	for (unsigned i = 0; i < ARRAY_SIZE(fig4); i++) {
		for (int outer = 0; outer < 4; outer++) {
			const int want = outer == NOT	 ? fig4[i].not_ect
					 : outer == ECT0 ? fig4[i].ect0
					 : outer == ECT1 ? fig4[i].ect1
							 : fig4[i].ce;
			uint8_t *in = rig_inner(&f, 40);
			enum xi_drop v;

			in[IP4_TOS] = (uint8_t)(0xb8 | fig4[i].inner);
			ip4_sum_put(in);
			v = tunnel_ecn4(in, (uint8_t)(0x28 | outer));
			assert_int_equal(v, want == DROP ? XI_DROP_IN_ECN : XI_OK);
			/* DSCP of the inner packet is kept (spec section 15). */
			assert_int_equal(in[IP4_TOS], 0xb8 | (want == DROP ? NOT : want));
			assert_int_equal(ip4_check(in, 40), 40);
		}
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
		cmocka_unit_test(t_rfc6040_4_1_encapsulation_copies_tos),
		cmocka_unit_test(t_rfc4301_5_1_2_outer_fields),
		cmocka_unit_test(t_rfc6040_4_2_decapsulation),
		cmocka_unit_test(t_rfc1812_5_3_1_ttl),
		cmocka_unit_test(t_rfc1624_patch),
		cmocka_unit_test(t_header_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
