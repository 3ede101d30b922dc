/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of datagrams under way: places, sources, ages, and one datagram's pieces (see reasm.h). */
#include "user/ipsec/reasm.h"

#include <stdlib.h>

#include "user/ipsec/ip6.h"
#include "user/ipsec/reasm_priv.h"

#define TOTAL_UNKNOWN UINT32_MAX
#define NEVER UINT64_MAX

enum state { FREE, OPEN, POISONED };

struct part {
	uint16_t at, end; /* bytes of the payload */
};

struct datagram {
	struct reasm_key key;
	enum state state;
	unsigned source; /* index into reasm.source */
	uint64_t born;	 /* ns */
	unsigned held;	 /* fragments that are in it */
	uint32_t total;	 /* bytes of payload, known from the last one */
	uint32_t have;	 /* bytes of payload that are there */
	uint8_t ecn;	 /* bit c: a fragment had codepoint c */
	uint8_t proto;	 /* IPv6: next header behind the fragment header of the first one */
	uint16_t hdr;	 /* bytes of headers, at buf + REASM_ROOM - hdr; 0 = the first one is not there */
	uint16_t next_at;
	unsigned parts;
	struct part part[REASM_PARTS_MAX]; /* in order, no two overlap */
	uint8_t *buf;			   /* REASM_ROOM for headers, then the payload */
};

/* Sources of the datagrams in the table. At most as many as datagrams. */
struct source {
	struct xi_addr addr;
	uint8_t family;
	unsigned count; /* datagrams; 0 = free entry */
};

struct reasm {
	struct reasm_conf conf;
	uint64_t expire_at; /* nothing is older before this */
	unsigned held;
	uint8_t *memory;
	struct source *source;
	struct datagram datagram[]; /* [conf.datagrams] */
};

#define BUF_SIZE (REASM_ROOM + IP4_LEN_MAX + 1)

struct reasm *reasm_new(const struct reasm_conf *conf, size_t *bytes)
{
	size_t n = conf->datagrams;
	struct reasm *r;

	if (!n || !conf->per_source || !conf->age_ns)
		return NULL;
	r = calloc(1, sizeof(*r) + n * sizeof(r->datagram[0]));
	if (!r)
		return NULL;
	r->conf = *conf;
	r->expire_at = NEVER;
	r->memory = calloc(n, BUF_SIZE);
	r->source = calloc(n, sizeof(r->source[0]));
	if (!r->memory || !r->source) {
		reasm_free(r);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		r->datagram[i].buf = r->memory + i * BUF_SIZE;
	*bytes = sizeof(*r) + n * (sizeof(r->datagram[0]) + sizeof(r->source[0]) + BUF_SIZE);
	return r;
}

void reasm_free(struct reasm *r)
{
	if (!r)
		return;
	free(r->memory);
	free(r->source);
	free(r);
}

unsigned reasm_held(const struct reasm *r)
{
	return r->held;
}

/* Takes a datagram out of the table and returns how many fragments it held. */
static unsigned take_out(struct reasm *r, struct datagram *d)
{
	unsigned held = d->held;

	r->held -= held;
	r->source[d->source].count--;
	d->held = 0;
	d->state = FREE;
	return held;
}

/* RFC 5722 §4: all of it is dropped, also what is still to come: its place is kept until it ages. */
static void poison(struct reasm *r, struct datagram *d, struct reasm_lost *lost)
{
	lost->bad += d->held;
	r->held -= d->held;
	d->held = 0;
	d->state = POISONED;
}

void reasm_expire(struct reasm *r, uint64_t now_ns, struct reasm_lost *lost)
{
	uint64_t next = NEVER;

	if (now_ns < r->expire_at)
		return;
	for (unsigned i = 0; i < r->conf.datagrams; i++) {
		struct datagram *d = &r->datagram[i];

		if (d->state == FREE)
			continue;
		if (now_ns >= d->born + r->conf.age_ns)
			lost->old += take_out(r, d);
		else
			next = MIN(next, d->born + r->conf.age_ns);
	}
	r->expire_at = next;
}

static struct datagram *find(struct reasm *r, const struct reasm_key *key)
{
	for (unsigned i = 0; i < r->conf.datagrams; i++) {
		struct datagram *d = &r->datagram[i];

		if (d->state != FREE && d->key.id == key->id && memcmp(&d->key, key, sizeof(*key)) == 0)
			return d;
	}
	return NULL;
}

/* The source's entry, NULL = it holds nothing. */
static struct source *find_source(struct reasm *r, const struct reasm_key *key)
{
	for (unsigned i = 0; i < r->conf.datagrams; i++) {
		struct source *s = &r->source[i];

		if (s->count && s->family == key->family && memcmp(&s->addr, &key->src, sizeof(s->addr)) == 0)
			return s;
	}
	return NULL;
}

static struct source *new_source(struct reasm *r, const struct reasm_key *key)
{
	struct source *s = r->source;

	while (s->count) /* there are as many entries as places, and a place is free */
		s++;
	s->family = key->family;
	s->addr = key->src;
	return s;
}

/* Who has to go: the oldest of source s, or with NULL that of the one which holds the most. */
static struct datagram *victim(struct reasm *r, const struct source *s)
{
	struct datagram *v = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < r->conf.datagrams; i++) {
		struct datagram *d = &r->datagram[i];
		unsigned n = r->source[d->source].count;

		if (d->state == FREE || (s && &r->source[d->source] != s))
			continue;
		if (n > most || (n == most && d->born < v->born)) {
			v = d;
			most = n;
		}
	}
	return v;
}

static struct datagram *free_place(struct reasm *r)
{
	for (unsigned i = 0; i < r->conf.datagrams; i++)
		if (r->datagram[i].state == FREE)
			return &r->datagram[i];
	return NULL;
}

static struct datagram *begin(struct reasm *r, uint64_t now, const struct reasm_key *key, struct reasm_lost *lost)
{
	struct source *s = find_source(r, key);
	struct datagram *d;

	if (s && s->count >= r->conf.per_source)
		lost->full += take_out(r, victim(r, s));
	d = free_place(r);
	if (!d) {
		d = victim(r, NULL);
		lost->full += take_out(r, d);
	}
	if (!s || !s->count)
		s = new_source(r, key);
	s->count++;
	*d = (struct datagram){.key = *key,
			       .state = OPEN,
			       .source = (unsigned)(s - r->source),
			       .born = now,
			       .total = TOTAL_UNKNOWN,
			       .buf = d->buf};
	r->expire_at = MIN(r->expire_at, now + r->conf.age_ns);
	return d;
}

/* RFC 791, RFC 8200 §4.5: where the datagram ends is said by its last fragment, once, and nothing lies behind it. */
static int end_fits(struct datagram *d, const struct reasm_piece *f)
{
	uint32_t end = f->at + f->len, furthest = d->parts ? d->part[d->parts - 1].end : 0;

	if (f->more)
		return d->total == TOTAL_UNKNOWN || end < d->total;
	if (d->total == TOTAL_UNKNOWN && end >= furthest)
		d->total = end;
	return end == d->total;
}

enum place { PLACED, DUPLICATE, REFUSED };

/* Finds the piece's place among the parts. REFUSED: it overlaps one (RFC 5722 §4), or there are too many. */
static enum place place(struct datagram *d, const struct reasm_piece *f)
{
	struct part new = {(uint16_t)f->at, (uint16_t)(f->at + f->len)};
	unsigned i = d->parts;

	while (i > 0 && d->part[i - 1].at >= new.at)
		i--;
	if (i < d->parts && d->part[i].at == new.at && d->part[i].end == new.end)
		/* RFC 8200 §4.5: a packet may be doubled by the network; only then it is the same in every byte. */
		return memcmp(d->buf + REASM_ROOM + new.at, f->payload, f->len) == 0 ? DUPLICATE : REFUSED;
	if ((i > 0 && d->part[i - 1].end > new.at) || (i < d->parts && d->part[i].at < new.end))
		return REFUSED;
	if (d->parts == REASM_PARTS_MAX)
		return REFUSED;
	memmove(&d->part[i + 1], &d->part[i], (d->parts - i) * sizeof(d->part[0]));
	d->part[i] = new;
	d->parts++;
	return PLACED;
}

static void keep(struct reasm *r, struct datagram *d, const struct reasm_piece *f)
{
	memcpy(d->buf + REASM_ROOM + f->at, f->payload, f->len);
	d->have += (uint32_t)f->len;
	d->ecn |= (uint8_t)(1 << f->ecn);
	d->held++;
	r->held++;
	if (f->at)
		return;
	d->hdr = (uint16_t)f->hdr;
	d->next_at = (uint16_t)f->next_at;
	d->proto = f->proto;
	memcpy(d->buf + REASM_ROOM - f->hdr, f->ip, f->hdr);
}

static int finish(struct datagram *d, struct pkt *whole)
{
	*whole = (struct pkt){.head = d->buf,
			      .data = d->buf + REASM_ROOM - d->hdr,
			      .tail = d->buf + REASM_ROOM + d->total,
			      .end = d->buf + BUF_SIZE};
	return reasm_mend(whole, d->hdr, d->next_at, d->proto, d->ecn);
}

int reasm_add(struct reasm *r, uint64_t now_ns, const uint64_t via[REASM_VIA], struct pkt *p, struct pkt *whole,
	      struct reasm_lost *lost)
{
	struct reasm_piece f;
	struct datagram *d;
	enum place where;

	reasm_expire(r, now_ns, lost);
	switch (reasm_read(p, &f)) {
	case REASM_WHOLE:
		*whole = *p;
		return 1;
	case REASM_BAD:
		lost->bad++;
		return 0;
	case REASM_PIECE:
		break;
	}
	if (via)
		memcpy(f.key.via, via, sizeof(f.key.via));
	d = find(r, &f.key);
	if (!d)
		d = begin(r, now_ns, &f.key, lost);
	where = d->state == OPEN && end_fits(d, &f) ? place(d, &f) : REFUSED;
	if (where != PLACED) {
		lost->bad++;
		if (where == REFUSED)
			poison(r, d, lost);
		return 0;
	}
	keep(r, d, &f);
	if (d->have != d->total)
		return 0;
	if (finish(d, whole)) {
		poison(r, d, lost);
		return 0;
	}
	(void)take_out(r, d);
	return 1;
}
