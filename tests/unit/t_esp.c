/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipsec_seal and ipsec_open (RFC 4303, spec section 15): published packets, every inner length of every algorithm there and back, exact
 * sizes, bursts and the window. What must be refused: t_esp_refuse.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"
#include "tests/vectors/rfc3602.h"

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

static void rig_named(struct rig *r, struct engine *en, const char *enc, const char *auth)
{
	rig_init(r, en, alg_by_name(ALG_ENC, enc), alg_by_name(ALG_AUTH, auth));
}

/* --- published packets --- */

static void fixed_iv(void *state, uint8_t *buf, size_t len)
{
	assert_int_equal(len, 16);
	memcpy(buf, state, len);
}

static void t_rfc3602_4_tunnel_packets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rfc3602_tunnel); i++) {
		const struct esp_packet_vector *v = &rfc3602_tunnel[i];
		uint8_t inner[200], want[300], iv[16];
		struct rig_frame f;
		struct ipsec_op op;
		struct rig r;
		int n = kat_hex(v->inner, inner, sizeof(inner)), o = kat_hex(v->outer, want, 20);
		int w = kat_hex(v->esp, want + 20, sizeof(want) - 20);

		assert_true(n > 0 && o == 20 && w > 0 && kat_hex(v->iv, iv, 16) == 16);
		rig_named(&r, mb, "aes-128", "null");
		assert_int_equal(kat_hex(v->key, r.sa.enc_key, 16), 16);
		r.sa.spi = htonl(v->spi);
		memcpy(&r.sa.src.w[0], want + IP4_SRC, 4);
		memcpy(&r.sa.dst.w[0], want + IP4_DST, 4);
		keyctx_wipe(mb, r.key);
		assert_int_equal(keyctx_init(mb, r.key, &r.sa), 0);
		r.iv = (struct iv_source){fixed_iv, iv};
		(void)rig_inner(&f, (size_t)n);
		memcpy(f.pkt.data, inner, (size_t)n);
		op = rig_op(&r, &f.pkt, v->seq);
		op.ip_id = (uint16_t)v->id;
		op.flags = IPSEC_OP_HOST;
		ipsec_seal(mb, &r.iv, &op, 1);
		assert_int_equal(op.verdict, XI_OK);
		assert_int_equal(pkt_len(&f.pkt), 20 + w);
		assert_memory_equal(f.pkt.data, want, 20 + (size_t)w);
		assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
		assert_int_equal(pkt_len(&f.pkt), n);
		assert_memory_equal(f.pkt.data, inner, (size_t)n);
		rig_done(&r);
	}
}

/* --- there and back --- */

/* Seals a packet of len bytes with one engine, checks the outside, opens it with the other, compares. */
static void there_and_back(struct rig *tx, struct rig *rx, const struct alg_shape *s, size_t len, uint64_t seq)
{
	struct rig_frame f;
	uint8_t want[RIG_FRAME], *in = rig_inner(&f, len);
	size_t sealed = rig_sealed_len(&tx->sa, len);

	memcpy(want, in, len);
	/* Exactly the room that is promised to be enough. */
	f.pkt.head = f.pkt.data - ipsec_headroom(&tx->sa);
	f.pkt.end = f.pkt.tail + ipsec_tailroom(&tx->sa);
	assert_int_equal(rig_seal(tx, &f.pkt, seq), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), sealed);
	assert_ptr_equal(f.pkt.data, f.pkt.head);
	assert_true(f.pkt.tail <= f.pkt.end);
	assert_int_equal(f.pkt.head[-1], 0xee);
	assert_int_equal(f.pkt.end[0], 0xee);
	assert_int_equal(ip4_check(f.pkt.data, sealed), sealed);
	assert_int_equal(ntohl(be32_get(f.pkt.data + 20)), RIG_SPI);
	assert_int_equal(ntohl(be32_get(f.pkt.data + 24)), seq);
	/* RFC 4106 §3.1: the IV on the wire is the 64-bit sequence number. */
	if (s->flags & ALG_F_COUNTER)
		assert_int_equal((uint64_t)ntohl(be32_get(f.pkt.data + 28)) << 32 | ntohl(be32_get(f.pkt.data + 32)),
				 seq);
	assert_int_equal((sealed - 28 - s->iv_len - s->icv_len) % s->align, 0);
	assert_int_equal(rig_open(rx, &f.pkt), XI_OK);
	assert_int_equal(pkt_len(&f.pkt), len);
	/* One hop: TTL 64 became 63, all else is as it was. */
	want[IP4_TTL] = 63;
	ip4_sum_put(want);
	assert_memory_equal(f.pkt.data, want, len);
}

static void t_rfc4303_3_3_every_length_there_and_back(void **state)
{
	const struct alg *enc, *auth;

	(void)state;
	for (unsigned i = 0; rig_pair(i, &enc, &auth); i++) {
		struct rig tx, rx;
		struct alg_shape s;

		rig_init(&tx, i % 2 ? mb : ossl, enc, auth);
		rig_init(&rx, i % 2 ? ossl : mb, enc, auth);
		assert_int_equal(alg_shape(&tx.sa, &s), 0);
		rx.sa.replay_window = 1024;
		/* all of them for some pairs, for the others enough for every padding: 37 and 16 have no common factor */
		for (size_t len = 20; len <= 1500; len += i % 8 ? 37 : 1)
			there_and_back(&tx, &rx, &s, len, len - 19);
		assert_int_equal(rx.rt.err_icv + rx.rt.err_replay + rx.rt.err_other, 0);
		assert_int_equal(rx.rt.seq_top, s.icv_len ? 1481 : 0);
		rig_done(&tx);
		rig_done(&rx);
	}
}

/* The inner MTU is the largest length whose ESP packet fits: one more byte does not. */
static void t_inner_mtu_is_exact(void **state)
{
	const struct alg *enc, *auth;

	(void)state;
	for (unsigned i = 0; rig_pair(i, &enc, &auth); i++) {
		struct xi_sa sa;

		rig_sa(&sa, enc, auth, 1);
		for (size_t mtu = 0; mtu <= 9000; mtu += mtu < 1600 ? 1 : 37) {
			size_t in = ipsec_inner_mtu(&sa, mtu);

			if (in) {
				assert_true(in >= 20 && rig_sealed_len(&sa, in) <= mtu);
				assert_true(rig_sealed_len(&sa, in + 1) > mtu);
			} else {
				assert_true(rig_sealed_len(&sa, 20) > mtu);
			}
		}
		assert_true(rig_sealed_len(&sa, ipsec_inner_mtu(&sa, 1 << 20)) <= 65535);
		sa.enc_alg = XI_ENC_MAX;
		assert_int_equal(ipsec_inner_mtu(&sa, 1500), 0);
		assert_int_equal(rig_sealed_len(&sa, 100), 0);
		assert_int_equal(ipsec_headroom(&sa) + ipsec_tailroom(&sa), 0);
	}
}

/* Known figures, worked out by hand: AES-GCM 20+8+8+16, AES-CBC+SHA1 20+8+16+12. */
static void t_sizes_by_hand(void **state)
{
	struct xi_sa sa;

	(void)state;
	rig_sa(&sa, alg_by_name(ALG_ENC, "aes-128-gcm"), alg_by_name(ALG_AUTH, "null"), 1);
	assert_int_equal(rig_sealed_len(&sa, 1408), 1408 + 52 + 4);
	assert_int_equal(ipsec_inner_mtu(&sa, 1500), 1446);
	rig_sa(&sa, alg_by_name(ALG_ENC, "aes-128"), alg_by_name(ALG_AUTH, "sha1"), 1);
	assert_int_equal(rig_sealed_len(&sa, 1408), 20 + 8 + 16 + 1424 + 12);
	assert_int_equal(ipsec_inner_mtu(&sa, 1500), 1438);
}

/* --- bursts --- */

static void t_burst_of_mixed_sas(void **state)
{
	static struct rig_frame f[ENGINE_BURST_MAX];
	static struct rig r[256];
	struct ipsec_op op[ENGINE_BURST_MAX];
	const struct alg *enc, *auth;
	unsigned n = 0, done = 0;

	(void)state;
	for (; rig_pair(n, &enc, &auth); n++) {
		rig_init(&r[n], mb, enc, auth);
		r[n].sa.replay_window = 64;
	}
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++) {
		(void)rig_inner(&f[i], 40 + i * 20);
		op[i] = rig_op(&r[i * n / ENGINE_BURST_MAX], &f[i].pkt, i + 1);
		if (i % 7 == 3)
			op[i].verdict = XI_DROP_OUT_NO_SA; /* somebody else's verdict: not touched */
	}
	ipsec_seal(mb, &r[0].iv, op, ENGINE_BURST_MAX);
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++) {
		assert_int_equal(op[i].verdict, i % 7 == 3 ? XI_DROP_OUT_NO_SA : XI_OK);
		if (i % 7 == 3)
			assert_int_equal(pkt_len(&f[i].pkt), 40 + i * 20);
		op[i].seq = 0;
	}
	ipsec_open(mb, op, ENGINE_BURST_MAX);
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++) {
		if (i % 7 == 3) {
			assert_int_equal(op[i].verdict, XI_DROP_OUT_NO_SA);
			continue;
		}
		assert_int_equal(op[i].verdict, XI_OK);
		assert_int_equal(op[i].seq, i + 1);
		assert_int_equal(pkt_len(&f[i].pkt), 40 + i * 20);
		assert_int_equal(op[i].rt->lock, 0);
		done++;
	}
	assert_int_equal(done, 55);
	for (unsigned i = 0; i < n; i++)
		rig_done(&r[i]);
}

/* RFC 4303 §3.4.3: the same packet twice in one burst passes the look-up twice, the window once. */
static void t_rfc4303_3_4_3_duplicate_in_one_burst(void **state)
{
	struct rig_frame f[3];
	struct ipsec_op op[3];
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-256-gcm", "null");
	r.sa.replay_window = 32;
	(void)rig_inner(&f[0], 100);
	assert_int_equal(rig_seal(&r, &f[0].pkt, 7), XI_OK);
	for (int i = 1; i < 3; i++) {
		memcpy(f[i].buf, f[0].buf, sizeof(f[0].buf));
		f[i].pkt = (struct pkt){f[i].buf, f[i].buf + (f[0].pkt.data - f[0].buf),
					f[i].buf + (f[0].pkt.tail - f[0].buf), f[i].buf + RIG_FRAME};
	}
	for (int i = 0; i < 3; i++)
		op[i] = rig_op(&r, &f[i].pkt, 0);
	ipsec_open(mb, op, 3);
	assert_int_equal(op[0].verdict, XI_OK);
	assert_int_equal(op[1].verdict, XI_DROP_IN_REPLAY_DUP);
	assert_int_equal(op[2].verdict, XI_DROP_IN_REPLAY_DUP);
	assert_int_equal(r.rt.err_replay, 2);
	rig_done(&r);
}

/* RFC 4303 §3.4.3: a forged number far ahead must not move the window. */
static void t_rfc4303_3_4_3_window_after_icv(void **state)
{
	struct rig_frame f;
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128", "sha1");
	r.sa.replay_window = 64;
	(void)rig_inner(&f, 100);
	assert_int_equal(rig_seal(&r, &f.pkt, 5), XI_OK);
	f.pkt.data[24] = 0x70; /* the sequence number's first byte */
	assert_int_equal(rig_open(&r, &f.pkt), XI_DROP_IN_ICV);
	assert_int_equal(r.rt.seq_top, 0);
	assert_int_equal(r.rt.err_icv, 1);
	(void)rig_inner(&f, 100);
	assert_int_equal(rig_seal(&r, &f.pkt, 5), XI_OK);
	assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
	assert_int_equal(r.rt.seq_top, 5);
	rig_done(&r);
}

/* Spec section 15: without an ICV no anti-replay, whatever the SA says. */
static void t_no_replay_window_without_icv(void **state)
{
	struct rig_frame f;
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128", "null");
	r.sa.replay_window = 64;
	r.rt.seq_top = 1000;
	for (int i = 0; i < 3; i++) {
		(void)rig_inner(&f, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 5), XI_OK);
		if (i == 2)
			be32_put(f.pkt.data + 24, 0); /* not covered by anything */
		assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
	}
	assert_int_equal(r.rt.seq_top, 1000);
	rig_done(&r);
}

/* A packet dropped by the window makes room in the burst: those behind it are opened with their own bytes. */
static void t_rfc4303_3_4_3_replayed_before_fresh(void **state)
{
	static struct rig_frame f[6], again;
	struct ipsec_op op[6];
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128", "sha1");
	r.sa.replay_window = 64;
	for (unsigned i = 0; i < 6; i++) {
		(void)rig_inner(&f[i], 60 + i * 40);
		assert_int_equal(rig_seal(&r, &f[i].pkt, i + 1), XI_OK);
	}
	for (unsigned i = 0; i < 6; i += 2) {
		again = f[i];
		again.pkt = (struct pkt){again.buf, again.buf + (f[i].pkt.data - f[i].buf),
					 again.buf + (f[i].pkt.tail - f[i].buf), again.buf + RIG_FRAME};
		assert_int_equal(rig_open(&r, &again.pkt), XI_OK);
	}
	for (unsigned i = 0; i < 6; i++)
		op[i] = rig_op(&r, &f[i].pkt, 0);
	ipsec_open(mb, op, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(op[i].verdict, i % 2 ? XI_OK : XI_DROP_IN_REPLAY_DUP);
		if (i % 2)
			assert_int_equal(ip4_check(f[i].pkt.data, pkt_len(&f[i].pkt)), 60 + i * 40);
	}
	assert_int_equal(r.rt.err_replay, 3);
	rig_done(&r);
}

static void t_rfc3602_3_iv_of_each_packet_differs(void **state)
{
	static struct rig_frame f[ENGINE_BURST_MAX];
	struct ipsec_op op[ENGINE_BURST_MAX];
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128", "sha1");
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++) {
		(void)rig_inner(&f[i], 100);
		op[i] = rig_op(&r, &f[i].pkt, i + 1);
	}
	ipsec_seal(mb, &r.iv, op, ENGINE_BURST_MAX);
	for (unsigned i = 0; i < ENGINE_BURST_MAX; i++)
		for (unsigned k = i + 1; k < ENGINE_BURST_MAX; k++)
			assert_memory_not_equal(f[i].pkt.data + 28, f[k].pkt.data + 28, 16);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc3602_4_tunnel_packets),
		cmocka_unit_test(t_rfc4303_3_3_every_length_there_and_back),
		cmocka_unit_test(t_inner_mtu_is_exact),
		cmocka_unit_test(t_sizes_by_hand),
		cmocka_unit_test(t_burst_of_mixed_sas),
		cmocka_unit_test(t_rfc4303_3_4_3_duplicate_in_one_burst),
		cmocka_unit_test(t_rfc4303_3_4_3_window_after_icv),
		cmocka_unit_test(t_no_replay_window_without_icv),
		cmocka_unit_test(t_rfc3602_3_iv_of_each_packet_differs),
		cmocka_unit_test(t_rfc4303_3_4_3_replayed_before_fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
