/* SPDX-License-Identifier: BSD-2-Clause */
/* Reassembly (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722, RFC 6946, RFC 3168 §5.3) and what hostile fragments do to it (RFC 8900 §3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"
#include "tests/lib/ip6_packet.h"
#include "user/ipsec/frag.h"
#include "user/ipsec/reasm.h"

#define DATAGRAMS 8
#define PER_SOURCE 4
#define AGE 1000 /* ns */
#define BIG 65535

struct table {
	struct reasm *r;
	struct reasm_lost lost;
	unsigned given, used; /* fragments: given to it, become part of a whole */
	uint64_t now;
	uint64_t via[REASM_VIA];
	struct pkt whole;
};

static void begin_table(struct table *t)
{
	static const struct reasm_conf conf = {DATAGRAMS, PER_SOURCE, AGE};
	size_t bytes;

	memset(t, 0, sizeof(*t));
	t->r = reasm_new(&conf, &bytes);
	assert_non_null(t->r);
	assert_true(bytes > DATAGRAMS * 65536);
}

/* Gives a copy of n bytes; whatever comes, every fragment given is held, used or counted once. */
static int give(struct table *t, const uint8_t *p, size_t n)
{
	static uint8_t *last;
	unsigned before = reasm_held(t->r);
	struct reasm_lost was = t->lost;
	uint8_t *exact = malloc(n + !n);
	struct pkt f = {exact, exact, exact + n, exact + n};
	int rc;

	assert_non_null(exact);
	memcpy(exact, p, n);
	rc = reasm_add(t->r, t->now, t->via, &f, &t->whole, &t->lost);
	t->given++;
	if (rc) {
		unsigned lost = t->lost.bad - was.bad + t->lost.full - was.full + t->lost.old - was.old;

		t->used += before + 1 - reasm_held(t->r) - lost;
		assert_true(t->whole.head <= t->whole.data && t->whole.tail <= t->whole.end);
	}
	assert_int_equal(t->given, t->used + reasm_held(t->r) + t->lost.bad + t->lost.full + t->lost.old);
	free(last); /* a whole in its own memory stays valid until the next call */
	last = exact;
	return rc;
}

static void end_table(struct table *t, unsigned bad, unsigned full, unsigned old)
{
	assert_int_equal(t->lost.bad, bad);
	assert_int_equal(t->lost.full, full);
	assert_int_equal(t->lost.old, old);
	reasm_free(t->r);
}

/* One fragment, made by hand. */
struct spec {
	size_t at, len;
	int more;
	uint8_t tos, src, fill;
	uint16_t id;
};

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 13 + i / 251);
}

static size_t make4(uint8_t *p, const struct spec *s)
{
	size_t len = IP4_HDR + s->len;

	memset(p, 0, IP4_HDR);
	p[0] = 0x45;
	p[IP4_TOS] = s->tos;
	u16_put(p + IP4_LEN, (uint16_t)len);
	u16_put(p + IP4_ID, s->id);
	u16_put(p + IP4_FRAG, (uint16_t)(s->at / 8 | (s->more ? IP4_MF : 0)));
	p[IP4_TTL] = 60;
	p[IP4_PROTO] = 50;
	be32_put(p + IP4_SRC, htonl(0x0a000001 + s->src));
	be32_put(p + IP4_DST, htonl(0x0a000101));
	for (size_t i = 0; i < s->len; i++)
		p[IP4_HDR + i] = (uint8_t)(byte_at(s->at + i) + s->fill);
	ip4_sum_put(p);
	return len;
}

static size_t make6(uint8_t *p, const struct spec *s)
{
	size_t len = ip6_test_packet(p, 44, IP6_FRAG_HDR + s->len);
	uint8_t *fh = p + IP6_HDR;

	p[1] = (uint8_t)(s->tos << 4);
	p[IP6_SRC + 14] = s->src;
	fh[0] = 50;
	fh[1] = 0;
	u16_put(fh + IP6_FRAG_OFF, (uint16_t)(s->at | !!s->more));
	be32_put(fh + IP6_FRAG_ID, htonl(0x10000u + s->id));
	for (size_t i = 0; i < s->len; i++)
		fh[IP6_FRAG_HDR + i] = (uint8_t)(byte_at(s->at + i) + s->fill);
	return len;
}

static int give_spec(struct table *t, int family, struct spec s)
{
	static uint8_t p[BIG + 100];
	size_t n = family == 6 ? make6(p, &s) : make4(p, &s);

	return give(t, p, n);
}

/* Cuts a packet of len bytes, gives the pieces in an order made of seed, and compares what comes out with what went in. */
static void cut_shuffle_join(struct table *t, int family, size_t len, size_t mtu, uint64_t seed)
{
	static uint8_t whole[BIG + 41], piece[70000];
	struct pkt p = {whole, whole, whole + len, whole + sizeof(whole)};
	struct pkt out = {piece, piece, NULL, piece + sizeof(piece)};
	unsigned order[REASM_PARTS_MAX], n;

	if (family == 6) {
		(void)ip6_test_packet(whole, 50, len - IP6_HDR);
	} else {
		struct spec s = {.len = len - IP4_HDR, .id = 77};

		(void)make4(whole, &s);
	}
	n = family == 6 ? frag6_count(&p, mtu) : frag4_count(&p, mtu);
	assert_true(n > 1 && n <= REASM_PARTS_MAX);
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n - 1; i > 0 && seed; i--) {
		unsigned j = (unsigned)(rig_rand(&seed) % (i + 1)), x = order[i];

		order[i] = order[j];
		order[j] = x;
	}
	for (unsigned i = 0; i < n; i++) {
		if (family == 6)
			assert_int_equal(frag6_make(&out, &p, mtu, order[i], 5), 0);
		else
			assert_int_equal(frag4_make(&out, &p, mtu, order[i]), 0);
		assert_int_equal(give(t, piece, pkt_len(&out)), i + 1 == n);
	}
	assert_int_equal(pkt_len(&t->whole), len);
	assert_memory_equal(t->whole.data, whole, len);
}

static void t_rfc791_3_2_join(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (uint64_t seed = 0; seed < 200; seed++) {
		cut_shuffle_join(&t, 4, 300 + seed * 37, 200 + seed, seed);
		cut_shuffle_join(&t, 6, 300 + seed * 37, 200 + seed, seed);
	}
	cut_shuffle_join(&t, 4, BIG, 1500, 3);
	cut_shuffle_join(&t, 4, BIG, 576, 4);
	cut_shuffle_join(&t, 6, 40 + BIG, 1280, 5);
	cut_shuffle_join(&t, 6, 40 + BIG, 9000, 0);
	end_table(&t, 0, 0, 0);
}

/* RFC 791 §3.1: options stand as in the first fragment. */
static void t_rfc791_3_1_options_of_first(void **state)
{
	static const uint8_t opt[8] = {148, 4, 0, 0, 7, 3, 4, 0};
	uint8_t p[600], piece[300];
	struct spec s = {.len = 480, .id = 3};
	struct table t;
	size_t len = make4(p, &s) + 8;
	struct pkt q = {p, p, p + len, p + sizeof(p)}, out = {piece, piece, NULL, piece + sizeof(piece)};

	(void)state;
	begin_table(&t);
	memmove(p + 28, p + 20, 480);
	memcpy(p + 20, opt, 8);
	p[0] = 0x47;
	u16_put(p + IP4_LEN, (uint16_t)len);
	ip4_sum_put(p);
	for (unsigned i = 3; i-- > 0;) {
		assert_int_equal(frag4_make(&out, &q, 250, i), 0);
		assert_int_equal(give(&t, piece, pkt_len(&out)), i == 0);
	}
	assert_int_equal(pkt_len(&t.whole), len);
	assert_memory_equal(t.whole.data, p, len);
	end_table(&t, 0, 0, 0);
}

static void t_rfc8200_4_5_chain_of_first(void **state)
{
	uint8_t p[900], piece[400];
	struct pkt q = {p, p, NULL, p + sizeof(p)}, out = {piece, piece, NULL, piece + sizeof(piece)};
	size_t len = ip6_test_packet(p, 51, 700);
	struct table t;

	(void)state;
	begin_table(&t);
	ip6_test_push(p, &len, NH_ROUTING, 24);
	ip6_test_push(p, &len, NH_HOP_BY_HOP, 8);
	q.tail = p + len;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(frag6_make(&out, &q, 400, i, 9), 0);
		assert_int_equal(give(&t, piece, pkt_len(&out)), i == 2);
	}
	assert_int_equal(pkt_len(&t.whole), len);
	assert_memory_equal(t.whole.data, p, len);
	end_table(&t, 0, 0, 0);
}

/* RFC 6946 §4: an atomic fragment is whole, also while a datagram of the same ID is under way. A packet in one piece passes. */
static void t_rfc6946_4_atomic(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	assert_int_equal(give_spec(&t, 6, (struct spec){.len = 104, .more = 1, .id = 1}), 0);
	assert_int_equal(give_spec(&t, 6, (struct spec){.len = 61, .id = 1}), 1);
	assert_int_equal(pkt_len(&t.whole), IP6_HDR + 61);
	assert_int_equal(ip6_check(t.whole.data, IP6_HDR + 61), IP6_HDR + 61);
	assert_int_equal(t.whole.data[IP6_NEXT], 50);
	assert_int_equal(t.whole.data[IP6_HDR + 60], byte_at(60));
	assert_int_equal(give_spec(&t, 4, (struct spec){.len = 61, .id = 1}), 1);
	assert_int_equal(pkt_len(&t.whole), IP4_HDR + 61);
	assert_int_equal(give_spec(&t, 6, (struct spec){.at = 104, .len = 9, .id = 1}), 1);
	assert_int_equal(pkt_len(&t.whole), IP6_HDR + 113);
	end_table(&t, 0, 0, 0);
}

/* What is wrong with a fragment alone costs only that one. */
static void t_bad_alone(void **state)
{
	static const struct spec bad[] = {
		{.at = 80, .len = 0, .more = 1},      {.at = 80, .len = 0},
		{.at = 80, .len = 81, .more = 1},     {.at = 80, .len = 7, .more = 1},
		{.at = 65528, .len = 8, .more = 1},   {.at = 65528, .len = 8},
		{.at = 65000, .len = 600, .more = 1}, {.at = 0, .len = 1, .more = 1},
	};
	struct table t;

	(void)state;
	begin_table(&t);
	for (int family = 4; family <= 6; family += 2) {
		assert_int_equal(give_spec(&t, family, (struct spec){.len = 80, .more = 1}), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
			assert_int_equal(give_spec(&t, family, bad[i]), 0);
		assert_int_equal(give_spec(&t, family, (struct spec){.at = 80, .len = 5}), 1);
	}
	end_table(&t, 2 * ARRAY_SIZE(bad), 0, 0);
}

/* RFC 7112 §5: the first fragment has the headers that say where the packet goes. */
static void t_rfc7112_5_tiny_first(void **state)
{
	static const struct {
		uint8_t proto;
		size_t least;
	} row[] = {{50, 8}, {51, 16}, {17, 16}};
	uint8_t p[200];
	struct table t;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		for (size_t len = 8; len <= 24; len += 8) {
			struct spec s = {.len = len, .more = 1, .id = (uint16_t)len};
			size_t n;

			begin_table(&t);
			(void)make4(p, &s);
			p[IP4_PROTO] = row[i].proto;
			ip4_sum_put(p);
			(void)give(&t, p, IP4_HDR + len);
			n = make6(p, &s);
			p[IP6_HDR] = row[i].proto;
			(void)give(&t, p, n);
			end_table(&t, len < row[i].least ? 2 : 0, 0, 0);
		}
	}
	/* A chain that runs out of the first fragment. */
	begin_table(&t);
	for (size_t len = 16; len <= 32; len += 8) {
		struct spec s = {.len = len, .more = 1, .id = (uint16_t)len};
		size_t n = make6(p, &s);

		p[IP6_HDR] = NH_DST_OPTIONS;
		memset(p + IP6_HDR + 8, 0, 16);
		p[IP6_HDR + 8] = 50;
		p[IP6_HDR + 9] = 1;
		(void)give(&t, p, n);
	}
	end_table(&t, 1, 0, 0);
}

/*
 * Overlaps and contradictions, all on a datagram of three fragments 0-79, 80-159, 160-199. `held` of them are there when the bad one
 * comes, which takes them along; what comes afterwards is dropped, too.
 */
static void t_rfc5722_4_overlap(void **state)
{
	static const struct {
		const char *what;
		struct spec bad;
		unsigned held;
	} row[] = {
		{"inside", {.at = 8, .len = 8, .more = 1}, 1},
		{"around", {.at = 0, .len = 88, .more = 1}, 1},
		{"over the end by one unit", {.at = 72, .len = 16, .more = 1}, 1},
		{"teardrop", {.at = 72, .len = 4}, 1},
		{"same place, other bytes", {.at = 80, .len = 80, .more = 1, .fill = 1}, 2},
		{"same start, longer", {.at = 80, .len = 88, .more = 1}, 2},
		{"same start, shorter", {.at = 80, .len = 72, .more = 1}, 2},
		{"between two, over both", {.at = 72, .len = 96, .more = 1}, 2},
		{"last one ends before what is there", {.at = 120, .len = 8}, 2},
		{"another end", {.at = 200, .len = 8}, 3},
		{"the same end, but more to come", {.at = 192, .len = 8, .more = 1}, 3},
		{"behind the end", {.at = 208, .len = 8, .more = 1}, 3},
		{"over the end", {.at = 152, .len = 56, .more = 1}, 3},
		{"another last one in the middle", {.at = 88, .len = 8}, 3},
	};
	struct table t;

	(void)state;
	for (unsigned k = 0; k < 2 * ARRAY_SIZE(row); k++) {
		int family = k % 2 ? 6 : 4;

		begin_table(&t);
		(void)give_spec(&t, family, (struct spec){.len = 80, .more = 1});
		if (row[k / 2].held == 2)
			(void)give_spec(&t, family, (struct spec){.at = 80, .len = 80, .more = 1});
		if (row[k / 2].held == 3) /* the hole stays: else it were whole */
			(void)give_spec(&t, family, (struct spec){.at = 160, .len = 40});
		(void)give_spec(&t, family, row[k / 2].bad);
		if (reasm_held(t.r))
			fail_msg("%s: not refused", row[k / 2].what);
		for (size_t at = 0; at < 200; at += 40)
			assert_int_equal(give_spec(&t, family, (struct spec){.at = at, .len = 40, .more = at < 160}),
					 0);
		assert_int_equal(t.lost.bad, t.given);
		/* It ages without being counted again; then the ID is free. */
		t.now += AGE;
		for (size_t at = 0; at < 200; at += 40)
			assert_int_equal(give_spec(&t, family, (struct spec){.at = at, .len = 40, .more = at < 160}),
					 at == 160);
		end_table(&t, t.given - 5, 0, 0);
	}
}

/* RFC 8200 §4.5: an exact duplicate is dropped alone. */
static void t_rfc8200_4_5_duplicates(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(give_spec(&t, family, (struct spec){.len = 80, .more = 1}), 0);
			assert_int_equal(give_spec(&t, family, (struct spec){.at = 160, .len = 33}), 0);
		}
		assert_int_equal(give_spec(&t, family, (struct spec){.at = 80, .len = 80, .more = 1}), 1);
	}
	end_table(&t, 8, 0, 0);
}

/* RFC 3168 §5.3, all combinations of two fragments. */
static void t_rfc3168_5_3_ecn(void **state)
{
	unsigned dropped = 0;
	struct table t;

	(void)state;
	begin_table(&t);
	for (uint8_t a = 0; a < 4; a++) {
		for (uint8_t b = 0; b < 4; b++) {
			int ce = a == 3 || b == 3, drop = ce && (a == 0 || b == 0);

			for (int family = 4; family <= 6; family += 2) {
				uint16_t id = (uint16_t)(a * 4 + b);
				uint8_t got;

				t.now += AGE;
				(void)give_spec(&t, family, (struct spec){.len = 80, .more = 1, .tos = a, .id = id});
				assert_int_equal(
					give_spec(&t, family, (struct spec){.at = 80, .len = 8, .tos = b, .id = id}),
					!drop);
				dropped += drop ? 2 : 0;
				if (drop)
					continue;
				got = family == 4 ? t.whole.data[IP4_TOS] & 3 : t.whole.data[1] >> 4 & 3;
				assert_int_equal(got, ce ? 3 : a);
				if (family == 4)
					assert_int_equal(ip4_check(t.whole.data, pkt_len(&t.whole)), 108);
			}
		}
	}
	end_table(&t, dropped, 0, 0);
}

/* Age counts from the first fragment to arrive; every fragment held is counted once. */
static void t_rfc791_3_2_age(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	t.now = 5000;
	(void)give_spec(&t, 4, (struct spec){.len = 80, .more = 1, .id = 1});
	t.now += AGE - 1;
	(void)give_spec(&t, 4, (struct spec){.at = 80, .len = 80, .more = 1, .id = 1});
	(void)give_spec(&t, 6, (struct spec){.len = 80, .more = 1, .id = 2});
	reasm_expire(t.r, t.now, &t.lost);
	assert_int_equal(reasm_held(t.r), 3);
	t.now++;
	assert_int_equal(give_spec(&t, 4, (struct spec){.at = 160, .len = 8, .id = 1}), 0);
	assert_int_equal(t.lost.old, 2);
	assert_int_equal(reasm_held(t.r), 2);
	t.now += AGE - 2;
	assert_int_equal(give_spec(&t, 6, (struct spec){.at = 80, .len = 80, .id = 2}), 1);
	t.now += 2;
	reasm_expire(t.r, t.now, &t.lost);
	assert_int_equal(reasm_held(t.r), 0);
	end_table(&t, 0, 0, 3);
}

/* A source that loses fragments all the time still gets its fresh datagrams through. */
static void t_own_oldest_gives_way(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (uint16_t id = 0; id < 100; id++) {
		t.now++;
		(void)give_spec(&t, 4, (struct spec){.len = 80, .more = 1, .id = (uint16_t)(1000 + id)});
		assert_int_equal(give_spec(&t, 4, (struct spec){.len = 80, .more = 1, .id = id}), 0);
		assert_int_equal(give_spec(&t, 4, (struct spec){.at = 80, .len = 80, .id = id}), 1);
	}
	assert_int_equal(reasm_held(t.r), PER_SOURCE - 1);
	end_table(&t, 0, 100 - (PER_SOURCE - 1), 0);
}

/* RFC 8900 §3: one source floods; the datagrams of others stay and are completed. */
static void t_rfc8900_flood_of_one(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (uint8_t src = 1; src <= 3; src++)
		(void)give_spec(&t, 4, (struct spec){.len = 80, .more = 1, .src = src});
	for (uint16_t id = 0; id < 1000; id++) {
		t.now += id % 2;
		(void)give_spec(&t, id % 3 ? 4 : 6, (struct spec){.len = 80, .more = 1, .src = 99, .id = id});
	}
	for (uint8_t src = 1; src <= 3; src++)
		assert_int_equal(give_spec(&t, 4, (struct spec){.at = 80, .len = 80, .src = src}), 1);
	reasm_free(t.r);
}

/* Many sources flood: the table stays full, the oldest of all go, a fresh datagram still gets through. */
static void t_rfc8900_flood_of_many(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (unsigned i = 0; i < 200; i++) {
		t.now++;
		(void)give_spec(&t, 4, (struct spec){.len = 80, .more = 1, .src = (uint8_t)i});
	}
	assert_int_equal(reasm_held(t.r), DATAGRAMS);
	(void)give_spec(&t, 6, (struct spec){.len = 80, .more = 1});
	assert_int_equal(give_spec(&t, 6, (struct spec){.at = 80, .len = 80}), 1);
	end_table(&t, 0, 200 - DATAGRAMS + 1, 0);
}

/* More fragments than one datagram may have: refused as a whole. */
static void t_rfc8900_tiny_fragments(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	for (unsigned i = 0; i < REASM_PARTS_MAX; i++)
		(void)give_spec(&t, 4, (struct spec){.at = i * 16, .len = 8, .more = 1});
	assert_int_equal(reasm_held(t.r), REASM_PARTS_MAX);
	(void)give_spec(&t, 4, (struct spec){.at = REASM_PARTS_MAX * 16, .len = 8, .more = 1});
	end_table(&t, REASM_PARTS_MAX + 1, 0, 0);
}

/* Pieces that each lie within 65535 but are more than that with the headers. */
static void t_rfc791_3_2_too_long(void **state)
{
	struct table t;

	(void)state;
	begin_table(&t);
	(void)give_spec(&t, 4, (struct spec){.len = 65512, .more = 1});
	assert_int_equal(give_spec(&t, 4, (struct spec){.at = 65512, .len = 4}), 0);
	end_table(&t, 2, 0, 0);
	begin_table(&t);
	(void)give_spec(&t, 4, (struct spec){.len = 65512, .more = 1});
	assert_int_equal(give_spec(&t, 4, (struct spec){.at = 65512, .len = 3}), 1);
	end_table(&t, 0, 0, 0);
}

/* RFC 4301 §7.4: what came by other SAs, or in clear, is of another datagram. */
static void t_rfc4301_7_only_by_the_same_sas(void **state)
{
	struct spec first = {.len = 80, .more = 1, .id = 5}, last = {.at = 80, .len = 20, .id = 5};
	struct table t;

	(void)state;
	begin_table(&t);
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < REASM_VIA; i += REASM_VIA - 1) {
			memset(t.via, 0, sizeof(t.via));
			assert_int_equal(give_spec(&t, family, first), 0);
			t.via[i] = 7;
			assert_int_equal(give_spec(&t, family, last), 0);
			assert_int_equal(give_spec(&t, family, first), 1);
			t.via[i] = 0;
			assert_int_equal(give_spec(&t, family, last), 1);
		}
	}
	end_table(&t, 0, 0, 0);
}

static void t_reasm_bounds(void **state)
{
	uint8_t p[200];
	struct spec s = {.len = 80, .more = 1};
	struct table t;
	size_t n, bytes;

	(void)state;
	begin_table(&t);
	for (n = 0; n < make4(p, &s); n++)
		assert_int_equal(give(&t, p, n), 0);
	for (n = 0; n < make6(p, &s); n++)
		assert_int_equal(give(&t, p, n), 0);
	p[IP6_NEXT] = NH_HOP_BY_HOP;
	p[IP6_HDR + 1] = 200;
	assert_int_equal(give(&t, p, n), 0);
	assert_int_equal(t.lost.bad, t.given);
	(void)make4(p, &s);
	p[IP4_SUM]++;
	assert_int_equal(give(&t, p, 100), 0);
	assert_int_equal(reasm_held(t.r), 0);
	reasm_free(t.r);
	assert_null(reasm_new(&(struct reasm_conf){0, 1, 1}, &bytes));
	assert_null(reasm_new(&(struct reasm_conf){1, 0, 1}, &bytes));
	reasm_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc791_3_2_join),
		cmocka_unit_test(t_rfc791_3_1_options_of_first),
		cmocka_unit_test(t_rfc8200_4_5_chain_of_first),
		cmocka_unit_test(t_rfc6946_4_atomic),
		cmocka_unit_test(t_bad_alone),
		cmocka_unit_test(t_rfc7112_5_tiny_first),
		cmocka_unit_test(t_rfc5722_4_overlap),
		cmocka_unit_test(t_rfc8200_4_5_duplicates),
		cmocka_unit_test(t_rfc3168_5_3_ecn),
		cmocka_unit_test(t_rfc791_3_2_age),
		cmocka_unit_test(t_own_oldest_gives_way),
		cmocka_unit_test(t_rfc8900_flood_of_one),
		cmocka_unit_test(t_rfc8900_flood_of_many),
		cmocka_unit_test(t_rfc8900_tiny_fragments),
		cmocka_unit_test(t_rfc791_3_2_too_long),
		cmocka_unit_test(t_rfc4301_7_only_by_the_same_sas),
		cmocka_unit_test(t_reasm_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
