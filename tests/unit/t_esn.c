/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended sequence numbers: RFC 4303 §2.2.1 and appendix A2, RFC 4304, RFC 4302 §2.5.1. Published packets, the inferred high half against
 * a reading of the appendix by brute force, loss and reordering around 2^32, windows up to 65536.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/lib/esp_rig.h"
#include "tests/vectors/mcgrew_gcm_esn.h"
#include "user/crypto/kat.h"
#include "user/ipsec/replay.h"

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

static void rig_esn(struct rig *r, const char *enc, const char *auth, uint8_t mode)
{
	rig_init(r, en, alg_by_name(ALG_ENC, enc), alg_by_name(ALG_AUTH, auth));
	rig_become(r, XI_PROTO_ESP, mode, XI_IP4, XI_SA_F_ESN);
	r->sa.replay_window = 64;
}

/* --- the number that is meant --- */

/* Appendix A2 without cleverness: the number with these low bits in [bottom, bottom + 2^32), bottom = top - window + 1 or 0. */
static uint64_t meant(uint64_t top, uint32_t window, uint32_t low)
{
	uint64_t bottom = top >= window - 1ull ? top - (window - 1ull) : 0;
	uint64_t n = (bottom & ~0xffffffffull) | low;

	return n < bottom ? n + (1ull << 32) : n;
}

static void t_rfc4303_a2_2_high_half(void **state)
{
	static const uint32_t window[] = {32, 64, 1024, 65536};
	static const uint64_t top[] = {0,
				       1,
				       31,
				       63,
				       64,
				       65535,
				       65536,
				       0xffffffff,
				       0x100000000,
				       0x100000001,
				       0x10000003e,
				       0x10000003f,
				       0x100000040,
				       0x1fffffff0,
				       0x123456789abc,
				       0xfffffffe00000000,
				       0xfffffffeffffffff};
	uint64_t rng = 12;

	(void)state;
	for (unsigned w = 0; w < ARRAY_SIZE(window); w++) {
		for (unsigned t = 0; t < ARRAY_SIZE(top); t++) {
			for (unsigned i = 0; i < 3000; i++) {
				int64_t step = i < 1000	  ? (int64_t)i - 500
					       : i < 2000 ? (int64_t)window[w] - 1500 + i
							  : (int64_t)(rig_rand(&rng) >> 32);
				uint32_t low = (uint32_t)(top[t] + (uint64_t)step);

				if (replay_esn(top[t], window[w], low) != meant(top[t], window[w], low))
					fail_msg("top %#llx window %u low %#x: %#llx, want %#llx",
						 (unsigned long long)top[t], window[w], low,
						 (unsigned long long)replay_esn(top[t], window[w], low),
						 (unsigned long long)meant(top[t], window[w], low));
			}
		}
	}
}

/* Without a window the nearest number is meant. */
static void t_no_window_means_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(replay_esn(0x200000010, 0, 0x20), 0x200000020);
	assert_int_equal(replay_esn(0x200000010, 0, 0xfffffff0), 0x1fffffff0);
	assert_int_equal(replay_esn(0x2fffffff0, 0, 5), 0x300000005);
	assert_int_equal(replay_esn(0x2fffffff0, 0, 0xf0000000), 0x2f0000000);
	assert_int_equal(replay_esn(0x10, 0, 0xfffffff0), 0xfffffff0);
}

/* --- published packets --- */

static void t_rfc4106_5_esn_published_packets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(mcgrew_gcm_esn); i++) {
		const struct esn_vector *v = &mcgrew_gcm_esn[i];
		struct rig_frame f;
		struct rig r;
		uint8_t text[100];
		int n, t = kat_hex(v->text, text, sizeof(text));

		rig_esn(&r, "aes-128-gcm", "null", XI_MODE_TRANSPORT);
		assert_int_equal(kat_hex(v->key, r.sa.enc_key, sizeof(r.sa.enc_key)), 20);
		r.sa.spi = htonl(v->spi);
		keyctx_wipe(en, r.key);
		assert_int_equal(keyctx_init(en, r.key, &r.sa), 0);
		(void)rig_plain(&r, &f, XI_IP4, 100);
		n = kat_hex(v->packet, f.pkt.data + 20, 200);
		assert_true(n > 0 && t > 0);
		f.pkt.tail = f.pkt.data + 20 + n;
		u16_put(f.pkt.data + IP4_LEN, (uint16_t)pkt_len(&f.pkt));
		f.pkt.data[IP4_PROTO] = 50;
		ip4_sum_put(f.pkt.data);
		r.rt.seq_top = v->seq - 3;
		assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
		assert_int_equal(r.rt.seq_top, v->seq);
		assert_int_equal(pkt_len(&f.pkt), 20 + t - 4);
		assert_memory_equal(f.pkt.data + 20, text, (size_t)t - 4);
		assert_int_equal(f.pkt.data[IP4_PROTO], 1);
		rig_done(&r);
	}
}

/* RFC 4303 §2.2.1, §3.3.3: with a separate algorithm the high half is covered behind the next header and not sent. */
static void t_rfc4303_2_2_1_high_half_behind_the_trailer(void **state)
{
	struct rig_frame f;
	struct rig r;
	uint8_t covered[300], mac[20];
	unsigned n = sizeof(mac);
	size_t len;

	(void)state;
	rig_esn(&r, "aes-128", "sha1", XI_MODE_TUNNEL);
	(void)rig_inner(&f, 101);
	assert_int_equal(rig_seal(&r, &f.pkt, 0x1122334455667788), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), 20 + 8 + 16 + 112 + 12);
	assert_int_equal(ntohl(be32_get(f.pkt.data + 24)), 0x55667788);
	len = pkt_len(&f.pkt) - 20 - 12;
	memcpy(covered, f.pkt.data + 20, len);
	be32_put(covered + len, htonl(0x11223344));
	assert_non_null(HMAC(EVP_sha1(), r.sa.auth_key, 20, covered, len + 4, mac, &n));
	assert_memory_equal(f.pkt.tail - 12, mac, 12);
	rig_done(&r);
}

/* --- around 2^32 --- */

static enum xi_drop deliver_one(struct rig *tx, struct rig *rx, uint64_t seq)
{
	struct rig_frame f;
	struct ipsec_op op;

	(void)rig_inner(&f, 64);
	assert_int_equal(rig_seal(tx, &f.pkt, seq), XI_OK);
	op = rig_op(rx, &f.pkt, 0);
	ipsec_open(en, &op, 1);
	if (op.verdict == XI_OK)
		assert_int_equal(op.seq, seq);
	return op.verdict;
}

#define OK XI_OK
#define DUP XI_DROP_IN_REPLAY_DUP
#define OLD XI_DROP_IN_REPLAY_OLD
#define ICV XI_DROP_IN_ICV

static void t_rfc4303_a2_crossing_2_32(void **state)
{
	/* Left of the window a low half means the next subspace: the ICV, made with this one, does not fit. */
	static const struct {
		uint64_t seq;
		enum xi_drop want;
	} step[] = {
		{0xffffff00, OK},   {0xfffffff0, OK},  {0xfffffff0, DUP},  {0xffffffef, OK},  {0x100000000, OK},
		{0x100000000, DUP}, {0xffffffff, OK},  {0xffffffff, DUP},  {0x100000020, OK}, {0xfffffff1, OK},
		{0xfffffff0, DUP},  {0xffffffe1, OK},  {0xffffffe0, ICV},  {0x100000001, OK}, {0x10000003f, OK},
		{0x100000000, DUP}, {0x100000040, OK}, {0x100000000, ICV}, {0x1fffffff0, OK}, {0x1ffffffb0, ICV},
		{0x200000005, OK},  {0x1ffffffff, OK}, {0x1ffffffff, DUP}, {0x2ffffffc0, OK},
	};
	static const char *const alg[][2] = {{"aes-128-gcm", "null"}, {"aes-128", "sha1"}, {"null", "md5"}};

	(void)state;
	for (unsigned a = 0; a < ARRAY_SIZE(alg); a++) {
		static struct rig tx, rx;

		rig_esn(&tx, alg[a][0], alg[a][1], XI_MODE_TUNNEL);
		rig_esn(&rx, alg[a][0], alg[a][1], XI_MODE_TUNNEL);
		for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
			enum xi_drop v = deliver_one(&tx, &rx, step[i].seq);

			if (v != step[i].want)
				fail_msg("%s/%s step %u, %#llx: %d, want %d", alg[a][0], alg[a][1], i + 1,
					 (unsigned long long)step[i].seq, v, step[i].want);
		}
		assert_int_equal(rx.rt.seq_top, 0x2ffffffc0);
		rig_done(&tx);
		rig_done(&rx);
	}
}

/* RFC 4303 §3.3.3: without ESN the last number is 2^32-1, with it 2^64-1, and what comes next is 0. */
static void t_rfc4303_3_3_3_end_of_the_space(void **state)
{
	static struct rig tx, rx;
	struct rig_frame f;

	(void)state;
	rig_esn(&tx, "aes-128-gcm", "null", XI_MODE_TUNNEL);
	rig_esn(&rx, "aes-128-gcm", "null", XI_MODE_TUNNEL);
	rx.rt.seq_top = UINT64_MAX - 2;
	assert_int_equal(deliver_one(&tx, &rx, UINT64_MAX - 1), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, UINT64_MAX), XI_OK);
	(void)rig_inner(&f, 64);
	assert_int_equal(rig_seal(&tx, &f.pkt, 0), XI_DROP_OUT_SEQUENCE);
	rig_done(&tx);
	rig_done(&rx);
}

/* A big window, packets of both subspaces in one burst and any order. */
static void t_window_of_65536_across_2_32(void **state)
{
	static struct rig_frame f[ENGINE_BURST_MAX];
	static struct rig tx, rx;
	struct ipsec_op op[ENGINE_BURST_MAX];
	uint64_t rng = 5;

	(void)state;
	rig_esn(&tx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rig_esn(&rx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rx.sa.replay_window = XI_REPLAY_WINDOW_MAX;
	assert_int_equal(deliver_one(&tx, &rx, 0xffff8000), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, 0x100003000), XI_OK);
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++) {
		(void)rig_inner(&f[i], 100);
		/* All different: i in the middle bits. */
		assert_int_equal(rig_seal(&tx, &f[i].pkt,
					  0x100003000ull - XI_REPLAY_WINDOW_MAX + 1 +
						  ((i * 37 % 64) * 1000 + rig_rand(&rng) % 1000)),
				 XI_OK);
		op[i] = rig_op(&rx, &f[i].pkt, 0);
	}
	ipsec_open(en, op, ENGINE_BURST_MAX);
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++)
		assert_int_equal(op[i].verdict, XI_OK);
	assert_int_equal(rx.rt.seq_top, 0x100003000);
	rig_done(&tx);
	rig_done(&rx);
}

/* With the window off the high half still has to be known: the highest number is kept, nothing is refused as seen. */
static void t_esn_without_a_window(void **state)
{
	static struct rig tx, rx;

	(void)state;
	rig_esn(&tx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rig_esn(&rx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rx.sa.replay_window = 0;
	assert_int_equal(deliver_one(&tx, &rx, 0x70000000), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, 0xe0000000), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, 0x120000000), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, 0x120000000), XI_OK);
	assert_int_equal(deliver_one(&tx, &rx, 0xe0000000), XI_OK);
	assert_int_equal(rx.rt.seq_top, 0x120000000);
	rig_done(&tx);
	rig_done(&rx);
}

/* A peer without ESN and one with it do not understand each other beyond 2^32, nor with separate algorithms at all. */
static void t_rfc4303_2_2_1_both_ends_must_agree(void **state)
{
	static struct rig tx, rx;

	(void)state;
	rig_esn(&tx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rig_esn(&rx, "aes-128", "sha1", XI_MODE_TUNNEL);
	rx.sa.flags = 0;
	assert_int_equal(deliver_one(&tx, &rx, 1), XI_DROP_IN_ICV);
	rig_done(&tx);
	rig_done(&rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc4303_a2_2_high_half),
		cmocka_unit_test(t_no_window_means_the_nearest),
		cmocka_unit_test(t_rfc4106_5_esn_published_packets),
		cmocka_unit_test(t_rfc4303_2_2_1_high_half_behind_the_trailer),
		cmocka_unit_test(t_rfc4303_a2_crossing_2_32),
		cmocka_unit_test(t_rfc4303_3_3_3_end_of_the_space),
		cmocka_unit_test(t_window_of_65536_across_2_32),
		cmocka_unit_test(t_esn_without_a_window),
		cmocka_unit_test(t_rfc4303_2_2_1_both_ends_must_agree),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
