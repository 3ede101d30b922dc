/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments of ESP, AH and ESP in UDP for this host: put together before anything of them is looked at (spec 13.6, RFC 4303 §3.4.1), and
 * with NAT traversal any UDP whose first fragment was not the first to come: what it is shows when it is whole. Those of one
 * datagram may come by several queues, so that all workers share one table (user/ipsec/reasm.h) and its lock: this is the slow path. The same
 * table has those that came out of a transform (spec 13.4 step 1: nested), each datagram by one chain of SAs only.
 * The other table is for what this host sends itself and its stack has cut, since transport mode takes whole datagrams only (RFC 4303
 * §3.3.4, RFC 4302 §3.3.4); the result is cut again.
 */
#include "user/worker/worker.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/ipsec/reasm.h"
#include "user/ipsec/split.h"

#define DATAGRAMS 64  /* under way at once: 4 MiB */
#define PER_SOURCE 16 /* of these, so that four peers in trouble do not keep out a fifth */
#define HOST_DATAGRAMS 32
#define EXPIRE_NS NS_PER_S
#define UDP_HDR 8
#define TAIL_ROOM 256 /* that the frame of a datagram must still have for what sealing puts behind it */

_Static_assert(REASM_VIA >= WRK_NEST_MAX, "every SA that a fragment came by");

struct frags {
	pthread_mutex_t lock;
	struct reasm *table;
	struct reasm *host; /* outbound */
};

struct frags *frags_new(size_t *bytes)
{
	static const struct reasm_conf conf = {
		.datagrams = DATAGRAMS, .per_source = PER_SOURCE, .age_ns = REASM_AGE_NS};
	static const struct reasm_conf host = {
		.datagrams = HOST_DATAGRAMS, .per_source = HOST_DATAGRAMS, .age_ns = REASM_AGE_NS};
	struct frags *f = calloc(1, sizeof(*f));
	size_t table = 0, host_table = 0;

	if (!f)
		return NULL;
	f->table = reasm_new(&conf, &table);
	f->host = reasm_new(&host, &host_table);
	if (!f->table || !f->host) {
		reasm_free(f->table);
		reasm_free(f->host);
		free(f);
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	*bytes += table + host_table;
	return f;
}

void frags_free(struct frags *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	reasm_free(f->table);
	reasm_free(f->host);
	free(f);
}

unsigned frags_held(struct frags *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = reasm_held(f->table);
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void count_lost(struct worker *w, const struct reasm_lost *lost)
{
	w->stat->reason[XI_DROP_IN_FRAG_BAD] += lost->bad;
	w->stat->reason[XI_DROP_IN_FRAG_FULL] += lost->full;
	w->stat->reason[XI_DROP_IN_FRAG_OLD] += lost->old;
}

static void count_lost_host(struct worker *w, const struct reasm_lost *lost)
{
	w->stat->reason[XI_DROP_OUT_MODE] += lost->bad;
	w->stat->reason[XI_DROP_OUT_NO_ROOM] += lost->full;
	w->stat->reason[XI_DROP_OUT_ERROR] += lost->old;
}

void frags_expire(struct worker *w)
{
	struct reasm_lost lost = {0}, lost_host = {0};

	if (w->now - w->frags_at < EXPIRE_NS)
		return;
	w->frags_at = w->now;
	pthread_mutex_lock(&w->frags->lock);
	reasm_expire(w->frags->table, w->now, &lost);
	reasm_expire(w->frags->host, w->now, &lost_host);
	pthread_mutex_unlock(&w->frags->lock);
	count_lost(w, &lost);
	count_lost_host(w, &lost_host);
}

/* Out of the table into the frame of its last fragment, or a large buffer in place of it. -1: there is none. */
static int bring_over(struct worker *w, struct wpkt *pk, const struct pkt *whole)
{
	size_t len = pkt_len(whole);

	if (whole->head == pk->p.head) { /* never was in the table */
		pk->p = *whole;
		return 0;
	}
	if (len + TAIL_ROOM > IO_FRAME_SIZE - IO_XDP_HEADROOM) {
		uint64_t large = io_large_get(&w->pool);

		if (large == UINT64_MAX)
			return -1;
		io_frame_put(&w->pool, pk->addr);
		pk->addr = large;
	}
	wpkt_place(w, pk, pk->addr);
	memcpy(pk->p.data, whole->data, len);
	pk->p.tail = pk->p.data + len;
	return 0;
}

/* 1: pk is a whole datagram. 0: it is not, or lost: its frame is gone; for no_buffer when there was no room for the datagram. */
static int join(struct worker *w, struct wpkt *pk, struct reasm *table, const uint64_t *via, struct reasm_lost *lost,
		enum xi_drop no_buffer)
{
	int whole, left = 0;
	struct pkt p;

	pthread_mutex_lock(&w->frags->lock);
	whole = reasm_add(table, w->now, via, &pk->p, &p, lost);
	if (whole)
		left = bring_over(w, pk, &p);
	pthread_mutex_unlock(&w->frags->lock);
	if (whole && left == 0)
		return 1;
	if (whole)
		count(w, no_buffer);
	io_frame_put(&w->pool, pk->addr); /* what became of the fragment itself is counted, or in the table */
	return 0;
}

int frags_take_host(struct worker *w, struct wpkt *pk)
{
	struct reasm_lost lost = {0};
	int whole = join(w, pk, w->frags->host, NULL, &lost, XI_DROP_OUT_NO_ROOM);

	count_lost_host(w, &lost);
	pk->joined = 1;
	return whole;
}

int frags_take_nested(struct worker *w, struct wpkt *pk)
{
	uint64_t via[REASM_VIA] = {0};
	struct reasm_lost lost = {0};
	int whole;

	for (unsigned i = 0; i < pk->nchain; i++)
		via[i] = sa_ref(w, pk->chain[i]);
	whole = join(w, pk, w->frags->table, via, &lost, XI_DROP_IN_NO_BUFFER);
	count_lost(w, &lost);
	pk->joined = 1;
	return whole;
}

/* Spec 13.5: IKE is subject to no policy. Port 4500 has ESP, which nest_next() has seen, IKE behind its marker, and nothing else. */
static enum xi_drop judge_ike(const struct worker *w, const struct wpkt *pk, const struct xi_tuple *t, int *exempt)
{
	struct ip_split s;
	const uint8_t *udp;

	*exempt = t->proto == IPPROTO_UDP && t->dst_port == htons(500);
	if (t->proto != IPPROTO_UDP || t->dst_port != htons(4500) ||
	    !__atomic_load_n(&w->maps->meta->natt, __ATOMIC_RELAXED))
		return XI_OK;
	if (ip_split(pk->p.data, pkt_len(&pk->p), &s) < 0)
		return XI_DROP_IN_HEADER;
	udp = pk->p.data + s.len;
	*exempt = pk->p.tail - udp >= UDP_HDR + 4 && be32_get(udp + UDP_HDR) == 0;
	return *exempt ? XI_OK : XI_DROP_IN_HEADER;
}

/* A datagram in clear for this host, by the policies as the XDP program judges those that were never cut (spec 13.4). */
static enum xi_drop judge_clear(struct worker *w, const struct wpkt *pk)
{
	struct xi_polstat *ps;
	struct xi_tuple t;
	struct xi_rule r;
	enum xi_drop why;
	int exempt, rc;

	if (read_tuple(&pk->p, &t) != XI_OK)
		return XI_DROP_IN_HEADER;
	why = judge_ike(w, pk, &t, &exempt);
	if (why != XI_OK || exempt)
		return why;
	rc = class_match(w->maps, &t, XI_DIR_IN, &r);
	if (rc <= 0)
		return rc < 0 ? XI_DROP_IN_LOOKUP : XI_OK;
	ps = polstat(w, r.slot, r.gen);
	if (r.action == XI_ACTION_NONE || (r.action == XI_ACTION_ENCRYPT && r.level == XI_LEVEL_USE)) {
		if (ps)
			ps->in_accepted++;
		return XI_OK;
	}
	if (ps)
		ps->in_dropped++;
	return r.action == XI_ACTION_ENCRYPT ? XI_DROP_IN_PLAIN : XI_DROP_IN_BLOCKED;
}

int frags_take(struct worker *w, struct wpkt *pk)
{
	struct reasm_lost lost = {0};
	enum xi_drop why;
	int next, whole;

	pk->p.data += pk->v.l3_off;
	pk->v.l3_off = 0;
	whole = join(w, pk, w->frags->table, NULL, &lost, XI_DROP_IN_NO_BUFFER);
	count_lost(w, &lost);
	if (!whole)
		return 0;
	pk->v.flags &= (uint8_t)~XI_VF_FRAG;
	next = nest_next(w, pk, &why);
	if (next == 1)
		return 1;
	if (next == NEST_FRAGMENT) { /* a fragment made of fragments, which IPv6 can say */
		why = XI_DROP_IN_FRAG_BAD;
		next = -1;
	}
	if (next == 0)
		why = judge_clear(w, pk);
	if (next < 0 || why != XI_OK)
		drop(w, pk, why);
	else if (pkt_len(&pk->p) <= w->maps->ifs[XI_IF_INTERNAL].mtu)
		slow_inject(w, pk);
	else
		slow_inject_fragments(w, pk, w->maps->ifs[XI_IF_INTERNAL].mtu);
	return 0;
}
