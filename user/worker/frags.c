/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments of ESP, AH and ESP in UDP for this host: put together before anything of them is looked at (spec 13.6, RFC 4303 §3.4.1). Those of one
 * datagram may come by several queues, so that all workers share one table (user/ipsec/reasm.h) and its lock: this is the slow path.
 */
#include "user/worker/worker.h"

#include <stdlib.h>

#include "user/base/clock.h"
#include "user/ipsec/reasm.h"

#define DATAGRAMS 64  /* under way at once: 4 MiB */
#define PER_SOURCE 16 /* of these, so that four peers in trouble do not keep out a fifth */
#define EXPIRE_NS NS_PER_S

struct frags {
	pthread_mutex_t lock;
	struct reasm *table;
};

struct frags *frags_new(size_t *bytes)
{
	static const struct reasm_conf conf = {
		.datagrams = DATAGRAMS, .per_source = PER_SOURCE, .age_ns = REASM_AGE_NS};
	struct frags *f = calloc(1, sizeof(*f));
	size_t table;

	if (!f)
		return NULL;
	f->table = reasm_new(&conf, &table);
	if (!f->table) {
		free(f);
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	*bytes += table;
	return f;
}

void frags_free(struct frags *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	reasm_free(f->table);
	free(f);
}

static void count_lost(struct worker *w, const struct reasm_lost *lost)
{
	w->stat->reason[XI_DROP_IN_FRAG_BAD] += lost->bad;
	w->stat->reason[XI_DROP_IN_FRAG_FULL] += lost->full;
	w->stat->reason[XI_DROP_IN_FRAG_OLD] += lost->old;
}

void frags_expire(struct worker *w)
{
	struct reasm_lost lost = {0};

	if (w->now - w->frags_at < EXPIRE_NS)
		return;
	w->frags_at = w->now;
	pthread_mutex_lock(&w->frags->lock);
	reasm_expire(w->frags->table, w->now, &lost);
	pthread_mutex_unlock(&w->frags->lock);
	count_lost(w, &lost);
}

/* Out of the table into the frame of its last fragment, or a large buffer in place of it. -1: there is none. */
static int bring_over(struct worker *w, struct wpkt *pk, const struct pkt *whole)
{
	size_t len = pkt_len(whole);

	if (whole->head == pk->p.head) { /* never was in the table */
		pk->p = *whole;
		return 0;
	}
	if (len > IO_FRAME_SIZE - IO_XDP_HEADROOM) {
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

/* 1: pk is a whole datagram. 0: it is not, and its frame is gone. */
static int join(struct worker *w, struct wpkt *pk)
{
	struct reasm_lost lost = {0};
	int whole, left = 0;
	struct pkt p;

	pthread_mutex_lock(&w->frags->lock);
	whole = reasm_add(w->frags->table, w->now, &pk->p, &p, &lost);
	if (whole)
		left = bring_over(w, pk, &p);
	pthread_mutex_unlock(&w->frags->lock);
	count_lost(w, &lost);
	if (whole && left == 0)
		return 1;
	if (whole)
		count(w, XI_DROP_IN_NO_BUFFER);
	io_frame_put(&w->pool, pk->addr); /* what became of the fragment itself is counted, or in the table */
	return 0;
}

int frags_take(struct worker *w, struct wpkt *pk)
{
	enum xi_drop why;
	int next;

	pk->p.data += pk->v.l3_off;
	pk->v.l3_off = 0;
	if (!join(w, pk))
		return 0;
	pk->v.flags &= (uint8_t)~XI_VF_FRAG;
	next = nest_next(w, pk, &why);
	if (next > 0)
		return 1;
	if (next < 0)
		drop(w, pk, why);
	else if (pkt_len(&pk->p) <= w->maps->ifs[XI_IF_INTERNAL].mtu) /* IKE, say */
		slow_inject(w, pk);
	else
		slow_inject_fragments(w, pk, w->maps->ifs[XI_IF_INTERNAL].mtu);
	return 0;
}
