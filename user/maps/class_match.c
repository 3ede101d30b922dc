/* SPDX-License-Identifier: BSD-2-Clause */
/* The classifier of bpf/abi/xi_class.h, searched by user space as the XDP programs do it. */
#include "user/maps/internal.h"

#include <errno.h>

static const struct xi_rule *match_run(const struct xi_rule *rules, const struct xi_way *w, const struct xi_tuple *t,
				       int dir, uint32_t max)
{
	for (uint32_t i = 0; i < w->count && w->first + i < max; i++)
		if (xi_rule_match(&rules[w->first + i], t, dir))
			return &rules[w->first + i];
	return NULL;
}

static const struct xi_rule *better(const struct xi_rule *a, const struct xi_rule *b)
{
	return !a || (b && b->order < a->order) ? b : a;
}

static const struct xi_way *find_way(const struct maps *m, const struct xi_class_head *h, uint64_t hash)
{
	uint32_t buckets = xi_buckets(m->meta->spd_max), copy = (uint32_t)(h - m->class);
	const struct xi_bucket *bucket = &m->bucket[(size_t)copy * buckets];
	uint32_t tag = xi_class_tag(hash);

	for (uint32_t p = 0; p < XI_PROBE_MAX; p++) {
		const struct xi_bucket *b = &bucket[((uint32_t)hash + p) & h->bucket_mask & (buckets - 1)];

		for (int i = 0; i < XI_BUCKET_WAYS; i++)
			if (b->way[i].tag == tag)
				return &b->way[i];
		if (!b->way[XI_BUCKET_WAYS - 1].tag)
			break;
	}
	return NULL;
}

/* A long run: the best of what the kinds of its entries have. */
static const struct xi_rule *match_kinds(const struct maps *m, const struct xi_class_head *h, uint64_t run,
					 uint32_t kinds, const struct xi_tuple *t, int dir)
{
	uint32_t spd_max = m->meta->spd_max;
	const struct xi_rule *rules = &m->rules[(size_t)(h - m->class) * spd_max], *best = NULL;
	__be16 sport = dir == XI_DIR_IN ? t->dst_port : t->src_port,
	       dport = dir == XI_DIR_IN ? t->src_port : t->dst_port;

	for (kinds &= xi_kinds_asked(t->flags); kinds; kinds &= kinds - 1) {
		uint64_t key = xi_kind_key((uint32_t)__builtin_ctz(kinds), t->proto, sport, dport);
		const struct xi_way *w = find_way(m, h, xi_kind_hash(run, key));

		if (w)
			best = better(best, match_run(rules, w, t, dir, spd_max));
	}
	return best;
}

static const struct xi_rule *match_key(const struct maps *m, const struct xi_class_head *h, const struct xi_shape *s,
				       uint64_t hash, const struct xi_tuple *t, int dir)
{
	uint32_t spd_max = m->meta->spd_max;
	const struct xi_way *w = find_way(m, h, hash);

	if (!w)
		return NULL;
	if (s->kinds && w->count > s->walk)
		return match_kinds(m, h, hash, s->kinds, t, dir);
	return match_run(&m->rules[(size_t)(h - m->class) * spd_max], w, t, dir, spd_max);
}

static const struct xi_rule *search(const struct maps *m, const struct xi_class_head *h, const struct xi_tuple *t,
				    int dir)
{
	const struct xi_addr *src = dir == XI_DIR_IN ? &t->dst : &t->src;
	const struct xi_addr *dst = dir == XI_DIR_IN ? &t->src : &t->dst;
	int six = t->family != XI_IP4;
	const struct xi_shape *shape = h->shape + (six ? XI_SHAPES_MAX : 0);
	uint64_t near = xi_shapes_near(&h->filter[six], t, six, dir);
	uint64_t ask = xi_one_bit(near) ? near : xi_shapes_fewer(&h->filter[six], t, six, dir, near);
	const struct xi_rule *best = NULL;

	for (; ask; ask &= ask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(ask);

		if (best && best->order < shape[i].best)
			break;
		best = better(best, match_key(m, h, &shape[i], class_hash(h, src, dst, t->family, i), t, dir));
	}
	return best;
}

#define OVERTAKEN_MAX 100

int class_match(const struct maps *m, const struct xi_tuple *t, int dir, struct xi_rule *rule)
{
	for (int i = 0; i < OVERTAKEN_MAX; i++) {
		uint64_t gen = __atomic_load_n(&m->meta->spd_gen, __ATOMIC_ACQUIRE);
		const struct xi_rule *r = search(m, &m->class[gen & 1], t, dir);

		if (r)
			*rule = *r;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&m->meta->spd_begin, __ATOMIC_RELAXED) <= gen + 1)
			return r != NULL;
	}
	return -EAGAIN;
}
