/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP frag-needed (RFC 792, 1122 §3.2.2, 1191 §4, 1812 §4.3.2) and IPv4 fragmentation (RFC 791 §3.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/lib/esp_rig.h"
#include "user/ipsec/size.h"

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

/* Cuts p for mtu and puts it together again by offsets, as a receiver does; checks every fragment on the way. */
static void cut_and_join(const struct pkt *p, size_t mtu)
{
	size_t hdr = ip4_hdr_len(p->data), payload = pkt_len(p) - hdr, joined = 0;
	uint16_t was = u16_get(p->data + IP4_FRAG);
	unsigned n = frag4_count(p, mtu);
	uint8_t whole[RIG_FRAME], out[RIG_FRAME];

	assert_true(n >= 1);
	memset(whole, 0, sizeof(whole));
	for (unsigned i = 0; i < n; i++) {
		struct pkt q = {out, out, out, out + MIN(mtu, sizeof(out))};
		uint16_t frag;
		size_t at, h;

		assert_int_equal(frag4_make(&q, p, mtu, i), 0);
		assert_true(pkt_len(&q) <= mtu);
		assert_int_equal(ip4_check(out, pkt_len(&q)), pkt_len(&q));
		h = ip4_hdr_len(out);
		frag = u16_get(out + IP4_FRAG);
		at = ((frag & IP4_OFFSET) - (was & IP4_OFFSET)) * 8u;
		assert_int_equal(at, joined);
		assert_int_equal(!!(frag & IP4_MF), i + 1 < n || (was & IP4_MF));
		if (i + 1 < n)
			assert_int_equal((pkt_len(&q) - h) % 8, 0);
		assert_memory_equal(out + IP4_ID, p->data + IP4_ID, 2);
		assert_memory_equal(out + IP4_TTL, p->data + IP4_TTL, 2);
		assert_memory_equal(out + IP4_SRC, p->data + IP4_SRC, 8);
		assert_int_equal(out[IP4_TOS], p->data[IP4_TOS]);
		if (i == 0)
			assert_memory_equal(out + 20, p->data + 20, hdr - 20);
		memcpy(whole + at, out + h, pkt_len(&q) - h);
		joined += pkt_len(&q) - h;
	}
	assert_int_equal(joined, payload);
	assert_memory_equal(whole, p->data + hdr, payload);
}

static void t_rfc791_3_2_fragments_join(void **state)
{
	struct rig_frame f;

	(void)state;
	for (size_t len = 20; len <= 1600; len++) {
		for (size_t mtu = 28; mtu <= 1500; mtu += mtu < 100 ? 13 : 211) {
			(void)rig_inner(&f, len);
			cut_and_join(&f.pkt, mtu);
		}
	}
}

/* A fragment may be cut again: offsets add up, MF stays on its last piece. */
static void t_rfc791_3_2_fragment_of_fragment(void **state)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 20 + 800);

	(void)state;
	u16_put(in + IP4_FRAG, IP4_MF | 100);
	ip4_sum_put(in);
	cut_and_join(&f.pkt, 300);
	u16_put(in + IP4_FRAG, 100);
	ip4_sum_put(in);
	cut_and_join(&f.pkt, 300);
	/* One that claims a place behind 65535 cannot be cut. */
	u16_put(in + IP4_FRAG, IP4_OFFSET);
	ip4_sum_put(in);
	assert_int_equal(frag4_count(&f.pkt, 300), 0);
	assert_int_equal(frag4_make(&f.pkt, &f.pkt, 300, 0), -EINVAL);
}

static void with_options(struct rig_frame *f, size_t len, const uint8_t *opt, size_t n)
{
	uint8_t *in = rig_inner(f, len);

	in[0] = (uint8_t)(0x40 | (20 + n) / 4);
	memcpy(in + 20, opt, n);
	ip4_sum_put(in);
}

static void t_rfc791_3_1_copied_options(void **state)
{
	/* Router alert (copied), record route (not), no operation, stream ID (copied), end. */
	static const uint8_t opt[20] = {148, 4, 0, 0, 7, 7, 4, 1, 2, 3, 4, 1, 136, 4, 9, 9, 0, 0, 0, 0};
	static const uint8_t copied[8] = {148, 4, 0, 0, 136, 4, 9, 9};
	struct rig_frame f;
	uint8_t out[600];
	struct pkt q = {out, out, out, out + sizeof(out)};

	(void)state;
	with_options(&f, 1400, opt, sizeof(opt));
	cut_and_join(&f.pkt, 576);
	assert_int_equal(frag4_make(&q, &f.pkt, 576, 0), 0);
	assert_int_equal(ip4_hdr_len(out), 40);
	assert_memory_equal(out + 20, opt, sizeof(opt));
	assert_int_equal(frag4_make(&q, &f.pkt, 576, 1), 0);
	assert_int_equal(ip4_hdr_len(out), 28);
	assert_memory_equal(out + 20, copied, sizeof(copied));
}

/* Option lists with lengths that lie: no byte outside the header is touched. */
static void t_malformed_options(void **state)
{
	static const uint8_t opt[][4] = {{148, 0, 0, 0},   {148, 1, 0, 0}, {148, 5, 0, 0},
					 {148, 255, 0, 0}, {1, 1, 1, 148}, {0, 148, 4, 0}};
	struct rig_frame f;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(opt); i++) {
		with_options(&f, 1000, opt[i], 4);
		cut_and_join(&f.pkt, 200);
	}
}

static void t_fragment_bounds(void **state)
{
	struct rig_frame f;
	uint8_t out[100];
	struct pkt q = {out, out, out, out + sizeof(out)};

	(void)state;
	(void)rig_inner(&f, 500);
	assert_int_equal(frag4_count(&f.pkt, 500), 1);
	assert_int_equal(frag4_count(&f.pkt, 499), 2);
	assert_int_equal(frag4_count(&f.pkt, 28), 60);
	assert_int_equal(frag4_count(&f.pkt, 27), 0);
	assert_int_equal(frag4_count(&f.pkt, 0), 0);
	assert_int_equal(frag4_make(&q, &f.pkt, 100, 0), 0);
	q.end = out + sizeof(out) - 1;
	assert_int_equal(frag4_make(&q, &f.pkt, 100, 0), -ENOSPC);
	assert_int_equal(frag4_make(&q, &f.pkt, 100, 7), -EINVAL);
	f.pkt.data[0] = 0x44;
	assert_int_equal(frag4_count(&f.pkt, 100), 0);
	f.pkt.tail = f.pkt.data + 19;
	assert_int_equal(frag4_count(&f.pkt, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc1191_4_frag_needed),
		cmocka_unit_test(t_rfc1122_3_2_2_no_answer),
		cmocka_unit_test(t_icmp_bounds),
		cmocka_unit_test(t_rfc791_3_2_fragments_join),
		cmocka_unit_test(t_rfc791_3_2_fragment_of_fragment),
		cmocka_unit_test(t_rfc791_3_1_copied_options),
		cmocka_unit_test(t_malformed_options),
		cmocka_unit_test(t_fragment_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
