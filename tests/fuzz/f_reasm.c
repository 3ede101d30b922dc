/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reassembly of whatever comes. The input is a list of records of 8 bytes, each one fragment:
 *   0 bit 0 IPv6, bit 1 more follow, bits 2-3 ECN, bit 4 other bytes than expected, bit 5 raw, bits 6-7 source
 *   1 ID   2-3 offset and its low bits   4-5 length   6 protocol or first header   7 time that passes
 * A raw one is followed by as many bytes as its length says, taken as a packet. Every fragment is held, or part of a whole, or counted once; a
 * whole is sound, no fragment, and has the bytes that were sent for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/ip6_packet.h"
#include "user/ipsec/reasm.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_reasm: %s\n", #what);                                                       \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#define REC 8
#define AGE 4000

struct run {
	struct reasm *r;
	struct reasm_lost lost;
	uint64_t now;
	int other; /* some fragment had other bytes, or was raw: what comes out is not compared */
};

static uint8_t byte_at(const uint8_t *rec, size_t at)
{
	return (uint8_t)(at * 13 + at / 251 + rec[1] + (rec[0] & 0xc1) + ((rec[0] & 16) ? 1 : 0));
}

static size_t make(uint8_t *p, const uint8_t *rec, size_t at, size_t len)
{
	uint8_t *body;

	if (rec[0] & 1) {
		(void)ip6_test_packet(p, NH_FRAGMENT, IP6_FRAG_HDR + len);
		p[1] = (uint8_t)((rec[0] & 12) << 2);
		p[IP6_SRC + 15] = rec[0] >> 6;
		body = p + IP6_HDR;
		body[0] = 50;
		u16_put(body + IP6_FRAG_OFF, (uint16_t)((at & IP6_FRAG_OFFSET) | (rec[0] >> 1 & 1)));
		be32_put(body + IP6_FRAG_ID, rec[1]);
		body += IP6_FRAG_HDR;
	} else {
		memset(p, 0, IP4_HDR);
		p[0] = 0x45;
		p[IP4_TOS] = rec[0] >> 2 & 3;
		u16_put(p + IP4_LEN, (uint16_t)(IP4_HDR + len));
		u16_put(p + IP4_ID, rec[1]);
		u16_put(p + IP4_FRAG, (uint16_t)(at / 8 | ((rec[0] & 2) ? IP4_MF : 0)));
		p[IP4_PROTO] = 50;
		p[IP4_SRC] = rec[0] >> 6;
		ip4_sum_put(p);
		body = p + IP4_HDR;
	}
	for (size_t i = 0; i < len; i++)
		body[i] = byte_at(rec, (at & ~(size_t)7) + i);
	return (size_t)(body - p) + len;
}

static void check_whole(const struct run *u, const struct pkt *w, const uint8_t *rec)
{
	size_t len = pkt_len(w), hdr = w->data[0] >> 4 == 4 ? ip4_hdr_len(w->data) : IP6_HDR;

	must(w->head <= w->data && w->data < w->tail && w->tail <= w->end);
	must((w->data[0] >> 4 == 4 ? ip4_check(w->data, len) : ip6_check(w->data, len)) == len);
	must(w->data[0] >> 4 != 4 || !(u16_get(w->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET)));
	for (size_t i = hdr; !u->other && i < len; i++)
		must(w->data[i] == byte_at(rec, i - hdr));
}

/* p has n bytes of its own and is freed. */
static void give(struct run *u, uint8_t *p, size_t n, const uint8_t *rec)
{
	struct pkt f = {p, p, p + n, p + n}, whole = {0};
	unsigned before = reasm_held(u->r), lost = u->lost.bad + u->lost.full + u->lost.old;
	int rc = reasm_add(u->r, u->now, NULL, &f, &whole, &u->lost);
	unsigned now = reasm_held(u->r) + u->lost.bad + u->lost.full + u->lost.old - lost;

	if (rc)
		check_whole(u, &whole, rec);
	must(rc ? now <= before : now == before + 1);
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct reasm_conf conf = {.datagrams = 4, .per_source = 2, .age_ns = AGE};
	static struct reasm *table;
	struct run u = {0};
	size_t bytes;

	if (!table)
		table = reasm_new(&conf, &bytes);
	must(table);
	u.r = table;
	for (unsigned n_rec = 0; n_rec < 64 && size >= REC; n_rec++) {
		const uint8_t *rec = data;
		size_t at = u16_get(rec + 2), len = u16_get(rec + 4), n;
		uint8_t *p;

		data += REC;
		size -= REC;
		u.now += (uint64_t)rec[7] * 16;
		if (rec[0] & 16 || rec[0] & 32)
			u.other = 1;
		if (rec[0] & 32) {
			len = MIN(len, size);
			p = malloc(len + !len);
			must(p);
			memcpy(p, data, len);
			data += len;
			size -= len;
			give(&u, p, len, rec);
			continue;
		}
		len = MIN(len, (size_t)300);
		n = len + ((rec[0] & 1) ? IP6_HDR + IP6_FRAG_HDR : IP4_HDR);
		p = malloc(n);
		must(p);
		must(make(p, rec, at, len) == n);
		if ((rec[0] & 1) && rec[6] & 1)
			p[IP6_HDR] = rec[6];
		give(&u, p, n, rec);
	}
	/* Empty again for the next input. */
	reasm_expire(table, u.now + AGE, &u.lost);
	must(reasm_held(table) == 0);
	return 0;
}
