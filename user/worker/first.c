/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments that came out of a transform are judged like the first one of their datagram (spec 13.6), as the BPF programs do with those that
 * came in clear (bpf/lib/frag.h). Each worker keeps what it saw: the packets of an SA come by one queue. Of two datagrams that want
 * the same place the older one is forgotten, and what still comes of it has no ports.
 */
#include "user/worker/worker.h"

static struct first *place_of(const struct worker *w, const struct frag_id *id)
{
	uint64_t h = hash_mix(id->sa, (uint64_t)id->id << 32 | id->dst.w[0]);

	h = hash_mix(h, (uint64_t)id->dst.w[3] << 32 | (id->src.w[0] ^ id->src.w[3]));
	return &w->first[hash_end(h, WRK_FIRST_BITS)];
}

static int is_known(const struct worker *w, const struct first *f, const struct frag_id *id)
{
	return f->seen_ns && w->now - f->seen_ns < XI_FRAG_TTL_NS && memcmp(&f->of, id, sizeof(*id)) == 0;
}

static void note(const struct worker *w, struct first *f, const struct frag_id *id, const struct xi_tuple *t)
{
	if (is_known(w, f, id) &&
	    (f->conflict || f->src_port != t->src_port || f->dst_port != t->dst_port || f->proto != t->proto)) {
		f->conflict = 1; /* ages from its first one on: who repeats it does not keep it */
		return;
	}
	*f = (struct first){
		.of = *id, .seen_ns = w->now, .src_port = t->src_port, .dst_port = t->dst_port, .proto = t->proto};
}

void first_follow(struct worker *w, const struct wpkt *pk, struct xi_tuple *t)
{
	const uint8_t hidden = XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO;
	struct frag_id id;
	int kind = read_fragment(&pk->p, &id);
	struct first *f;

	if (kind == FRAG_NONE)
		return;
	id.sa = sa_ref(w, pk->sa);
	f = place_of(w, &id);
	if (kind == FRAG_FIRST) {
		if (!(t->flags & hidden))
			note(w, f, &id, t);
		return;
	}
	if (!is_known(w, f, &id) || f->conflict)
		return;
	t->src_port = f->src_port;
	t->dst_port = f->dst_port;
	t->proto = f->proto;
	t->flags &= (uint8_t)~hidden;
}
