/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragmentation: IPv4 (RFC 791 §3.2), IPv6 (RFC 8200 §4.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/lib/esp_rig.h"
#include "tests/lib/ip6_packet.h"
#include "user/ipsec/frag.h"

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

/* Cuts p for mtu and joins it again; hdr bytes are to be in every fragment, ahead of its fragment header. */
static void cut_and_join6(const struct pkt *p, size_t mtu, size_t hdr, size_t next_at)
{
	uint8_t whole[RIG_FRAME], out[RIG_FRAME];
	unsigned n = frag6_count(p, mtu);
	size_t joined = 0;

	assert_true(n > 1);
	for (unsigned i = 0; i < n; i++) {
		struct pkt q = {out, out, out, out + MIN(mtu, sizeof(out))};
		const uint8_t *fh = out + hdr;
		size_t len;

		assert_int_equal(frag6_make(&q, p, mtu, i, 0xdeadbeef), 0);
		len = pkt_len(&q);
		assert_true(len <= mtu);
		assert_int_equal(ip6_check(out, len), len);
		assert_int_equal(out[next_at], NH_FRAGMENT);
		assert_int_equal(fh[0], p->data[next_at]);
		assert_int_equal(fh[1], 0);
		assert_int_equal(ntohl(be32_get(fh + IP6_FRAG_ID)), 0xdeadbeef);
		assert_int_equal(u16_get(fh + IP6_FRAG_OFF) & IP6_FRAG_OFFSET, joined);
		assert_int_equal(u16_get(fh + IP6_FRAG_OFF) & 7, i + 1 < n ? IP6_FRAG_M : 0);
		len -= hdr + IP6_FRAG_HDR;
		if (i + 1 < n)
			assert_int_equal(len % 8, 0);
		out[next_at] = p->data[next_at];
		memcpy(out + IP6_LEN, p->data + IP6_LEN, 2);
		assert_memory_equal(out, p->data, hdr);
		memcpy(whole + joined, fh + IP6_FRAG_HDR, len);
		joined += len;
	}
	assert_int_equal(joined, pkt_len(p) - hdr);
	assert_memory_equal(whole, p->data + hdr, joined);
}

static struct pkt packet6(uint8_t *buf, uint8_t proto, size_t len)
{
	len = ip6_test_packet(buf, proto, len);
	return (struct pkt){buf, buf, buf + len, buf + len};
}

static void t_rfc8200_4_5_fragments_join(void **state)
{
	uint8_t buf[RIG_FRAME];

	(void)state;
	for (size_t len = 20; len <= 1600; len++) {
		struct pkt p = packet6(buf, 50, len);

		for (size_t mtu = 56; mtu < IP6_HDR + len; mtu += mtu < 100 ? 13 : 211)
			cut_and_join6(&p, mtu, IP6_HDR, IP6_NEXT);
		cut_and_join6(&p, IP6_HDR + len - 1, IP6_HDR, IP6_NEXT);
	}
}

/* Hop-by-hop and routing are in every fragment, with destination options only where a routing header follows them. */
static void t_rfc8200_4_5_per_fragment_headers(void **state)
{
	uint8_t buf[RIG_FRAME];
	struct pkt p = packet6(buf, 51, 1400);
	size_t len = pkt_len(&p);

	(void)state;
	ip6_test_push(buf, &len, NH_DST_OPTIONS, 16);
	p.tail = buf + len;
	cut_and_join6(&p, 600, IP6_HDR, IP6_NEXT);
	ip6_test_push(buf, &len, NH_HOP_BY_HOP, 8);
	p.tail = buf + len;
	cut_and_join6(&p, 600, IP6_HDR + 8, IP6_HDR);

	p = packet6(buf, 51, 1400);
	len = pkt_len(&p);
	ip6_test_push(buf, &len, NH_DST_OPTIONS, 8);
	ip6_test_push(buf, &len, NH_ROUTING, 24);
	ip6_test_push(buf, &len, NH_DST_OPTIONS, 8);
	p.tail = buf + len;
	cut_and_join6(&p, 600, IP6_HDR + 8 + 24, IP6_HDR + 8);
}

static void t_fragment6_bounds(void **state)
{
	uint8_t buf[RIG_FRAME], out[200];
	struct pkt p = packet6(buf, 50, 460), q = {out, out, out, out + sizeof(out)};

	(void)state;
	assert_int_equal(frag6_count(&p, 500), 1);
	assert_int_equal(frag6_count(&p, 499), 2);
	assert_int_equal(frag6_count(&p, 56), 58);
	assert_int_equal(frag6_count(&p, 55), 0);
	assert_int_equal(frag6_make(&q, &p, 200, 0, 1), 0);
	assert_int_equal(pkt_len(&q), 200);
	q.end--;
	assert_int_equal(frag6_make(&q, &p, 200, 0, 1), -ENOSPC);
	assert_int_equal(frag6_make(&q, &p, 200, 4, 1), -EINVAL);
	assert_int_equal(frag6_make(&q, &p, 500, 0, 1), -ENOSPC);
	q = (struct pkt){buf + 1000, buf + 1000, NULL, buf + 1500};
	assert_int_equal(frag6_make(&q, &p, 500, 0, 1), 0);
	assert_memory_equal(q.data, buf, 500);
	assert_int_equal(pkt_len(&q), 500);
	/* RFC 8200 §5: who is not the source does not cut; and a chain that is cut short. */
	buf[IP6_NEXT] = NH_FRAGMENT;
	assert_int_equal(frag6_count(&p, 200), 0);
	buf[IP6_NEXT] = NH_HOP_BY_HOP;
	buf[IP6_HDR + 1] = 255;
	assert_int_equal(frag6_count(&p, 200), 0);
	buf[IP6_NEXT] = 50;
	p.tail--;
	assert_int_equal(frag6_count(&p, 200), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc791_3_2_fragments_join),
		cmocka_unit_test(t_rfc791_3_2_fragment_of_fragment),
		cmocka_unit_test(t_rfc791_3_1_copied_options),
		cmocka_unit_test(t_malformed_options),
		cmocka_unit_test(t_fragment_bounds),
		cmocka_unit_test(t_rfc8200_4_5_fragments_join),
		cmocka_unit_test(t_rfc8200_4_5_per_fragment_headers),
		cmocka_unit_test(t_fragment6_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
