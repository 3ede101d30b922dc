/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The classifier of bpf/abi/xi_class.h: compiled from rules in evaluation order into the copy that is not in force, and searched by user
 * space as the XDP programs do it.
 */
#include "user/maps/internal.h"

#include <errno.h>
#include <stdlib.h>

#define LENGTHS 129 /* prefix lengths of IPv6; IPv4 uses the first 33 */
#define NO_SHAPE 0xff

/* A rule on its way into the table. */
struct keyed {
	uint64_t hash;
	uint32_t order;
	uint8_t shape;
	uint8_t family;
};

/* Shapes of one family: which pair of lengths has which number. */
struct shapes {
	struct xi_shape *shape; /* [XI_SHAPES_MAX] in the head */
	unsigned n, round;	/* lengths are rounded down to a multiple of round */
	uint8_t of[LENGTHS][LENGTHS];
};

struct compiler {
	const struct maps *m;
	struct xi_class_head *head;
	struct xi_rule *rules; /* of the copy */
	struct xi_bucket *bucket;
	struct shapes four, six;
	struct keyed *key; /* [n] */
	unsigned keys;
};

static unsigned mask_len(const struct xi_addr *mask)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n += (unsigned)__builtin_popcount(mask->w[i]);
	return n;
}

static void mask_set(struct xi_addr *mask, unsigned len)
{
	uint8_t *b = (uint8_t *)mask;

	memset(mask, 0, sizeof(*mask));
	memset(b, 0xff, len / 8);
	if (len % 8)
		b[len / 8] = (uint8_t)(0xff00 >> (len % 8));
}

/* The shape of a rule, made when it is new. Rules come in evaluation order, so a new one's best is its first. -1: too many. */
static int shape_of(struct shapes *s, const struct xi_rule *r)
{
	unsigned src = mask_len(&r->src_mask) / s->round * s->round;
	unsigned dst = mask_len(&r->dst_mask) / s->round * s->round;
	uint8_t *at = &s->of[src][dst];

	if (*at != NO_SHAPE)
		return *at;
	if (s->n == XI_SHAPES_MAX)
		return -1;
	*at = (uint8_t)s->n++;
	s->shape[*at] = (struct xi_shape){.best = r->order};
	mask_set(&s->shape[*at].src_mask, src);
	mask_set(&s->shape[*at].dst_mask, dst);
	return *at;
}

/* Gives every rule of a family its shape; lengths are rounded more and more until XI_SHAPES_MAX are enough. */
static void find_shapes(struct shapes *s, struct xi_shape *to, const struct xi_rule *rule, unsigned n, uint8_t family,
			struct keyed *key)
{
	int shape = -1;

	*s = (struct shapes){.shape = to, .round = 1};
	for (;; s->round *= 2) {
		unsigned i;

		s->n = 0;
		memset(s->of, NO_SHAPE, sizeof(s->of));
		for (i = 0; i < n; i++) {
			if (rule[i].family != family)
				continue;
			shape = shape_of(s, &rule[i]);
			if (shape < 0)
				break;
			key[i].shape = (uint8_t)shape;
		}
		if (i == n)
			return;
	}
}

static uint64_t hash_of(const struct xi_class_head *h, const struct xi_addr *src, const struct xi_addr *dst,
			uint8_t family, unsigned shape)
{
	const struct xi_shape *s = &h->shape[(family == XI_IP4 ? 0 : XI_SHAPES_MAX) + shape];
	uint32_t salt = xi_shape_salt(h->salt, shape);

	return family == XI_IP4 ? xi_class_hash4(src, dst, s, salt) : xi_class_hash6(src, dst, s, salt);
}

/* Bits of the filter for one prefix: all addresses that it holds. */
static void filter_add(__u64 filter[XI_FILTER], const struct xi_addr *net, const struct xi_addr *mask, uint8_t family,
		       uint64_t bit)
{
	unsigned len = mask_len(mask), first = xi_filter_index(net, family != XI_IP4), span = 1;

	if (family == XI_IP4 && len < 8)
		span = 1u << (8 - len);
	else if (family != XI_IP4 && len < 32)
		first = 0, span = XI_FILTER; /* the index mixes bits that the prefix leaves open */
	for (unsigned i = 0; i < span; i++)
		filter[(first + i) % XI_FILTER] |= bit;
}

static void make_filters(struct xi_class_head *h, const struct xi_rule *rule, unsigned n, const struct keyed *shaped)
{
	memset(h->filter, 0, sizeof(h->filter));
	for (unsigned i = 0; i < n; i++) {
		struct xi_filter *f = &h->filter[rule[i].family != XI_IP4];
		uint64_t bit = 1ull << shaped[i].shape;

		if (!rule[i].family)
			continue;
		filter_add(f->src, &rule[i].src, &rule[i].src_mask, rule[i].family, bit);
		filter_add(f->dst, &rule[i].dst, &rule[i].dst_mask, rule[i].family, bit);
	}
}

/* Equal keys side by side, in evaluation order. What no packet matches (family 0) goes last. */
static int by_key(const void *va, const void *vb)
{
	const struct keyed *a = va, *b = vb;

	if (!a->family != !b->family)
		return a->family ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* 0, or -ENOSPC: no free way near enough, or another key with that tag is met on the way. */
static int enter(struct compiler *c, uint64_t hash, const struct xi_way *way)
{
	for (uint32_t p = 0; p < XI_PROBE_MAX; p++) {
		struct xi_bucket *b = &c->bucket[((uint32_t)hash + p) & c->head->bucket_mask];

		for (int i = 0; i < XI_BUCKET_WAYS; i++) {
			if (b->way[i].tag == way->tag)
				return -ENOSPC;
			if (b->way[i].tag)
				continue;
			b->way[i] = *way;
			return 0;
		}
	}
	return -ENOSPC;
}

static int fill(struct compiler *c, const struct xi_rule *rule, unsigned n)
{
	const struct keyed *k = c->key;

	memset(c->bucket, 0, ((size_t)c->head->bucket_mask + 1) * sizeof(*c->bucket));
	for (unsigned i = 0, end; i < n; i = end) {
		struct xi_way way = {.tag = xi_class_tag(k[i].hash), .first = i, .best = k[i].order};

		for (end = i; end < n && k[end].hash == k[i].hash && !k[end].family == !k[i].family; end++)
			c->rules[end] = rule[k[end].order];
		way.count = end - i;
		if (k[i].family && enter(c, k[i].hash, &way))
			return -ENOSPC;
	}
	return 0;
}

static void key_rules(struct compiler *c, const struct xi_rule *rule, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct keyed *k = &c->key[i];

		k->order = i;
		k->family = rule[i].family;
		k->hash = k->family ? hash_of(c->head, &rule[i].src, &rule[i].dst, k->family, k->shape) : 0;
	}
	qsort(c->key, n, sizeof(*c->key), by_key);
}

int class_compile(struct maps *m, struct xi_rule *rule, unsigned n)
{
	uint32_t copy = (m->meta->spd_gen + 1) & 1, spd_max = m->meta->spd_max, buckets = xi_buckets(spd_max);
	struct compiler *c = calloc(1, sizeof(*c));
	struct keyed *shaped = calloc(n + 1, sizeof(*shaped));
	int rc = -ENOMEM;

	if (c && shaped)
		c->key = calloc(n + 1, sizeof(*c->key));
	if (c && c->key) {
		c->m = m;
		c->head = &m->class[copy];
		c->rules = &m->rules[(size_t)copy * spd_max];
		c->bucket = &m->bucket[(size_t)copy * buckets];
		c->head->rules = n;
		c->head->rule_base = copy * spd_max;
		c->head->bucket_base = copy * buckets;
		/* no larger than needed: what is small stays in the cache */
		c->head->bucket_mask = MIN(xi_buckets(n), buckets) - 1;
		find_shapes(&c->four, c->head->shape, rule, n, XI_IP4, shaped);
		find_shapes(&c->six, c->head->shape + XI_SHAPES_MAX, rule, n, XI_IP6, shaped);
		c->head->shapes4 = c->four.n;
		c->head->shapes6 = c->six.n;
		make_filters(c->head, rule, n, shaped);
		do { /* a salt with which no key finds its buckets full is there at once, but for a table that is much too small */
			c->head->salt++;
			memcpy(c->key, shaped, n * sizeof(*shaped));
			key_rules(c, rule, n);
			rc = fill(c, rule, n);
		} while (rc == -ENOSPC);
	}
	if (c)
		free(c->key);
	free(shaped);
	free(c);
	return rc;
}

/* --- search --- */

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

static const struct xi_rule *match_key(const struct maps *m, const struct xi_class_head *h, uint64_t hash,
				       const struct xi_tuple *t, int dir)
{
	uint32_t spd_max = m->meta->spd_max, buckets = xi_buckets(spd_max), copy = (uint32_t)(h - m->class);
	const struct xi_bucket *bucket = &m->bucket[(size_t)copy * buckets];
	const struct xi_rule *rules = &m->rules[(size_t)copy * spd_max];
	uint32_t tag = xi_class_tag(hash);

	for (uint32_t p = 0; p < XI_PROBE_MAX; p++) {
		const struct xi_bucket *b = &bucket[((uint32_t)hash + p) & h->bucket_mask & (buckets - 1)];

		for (int i = 0; i < XI_BUCKET_WAYS; i++)
			if (b->way[i].tag == tag)
				return match_run(rules, &b->way[i], t, dir, spd_max);
		if (!b->way[XI_BUCKET_WAYS - 1].tag)
			break;
	}
	return NULL;
}

static const struct xi_rule *search(const struct maps *m, const struct xi_class_head *h, const struct xi_tuple *t,
				    int dir)
{
	const struct xi_addr *src = dir == XI_DIR_IN ? &t->dst : &t->src;
	const struct xi_addr *dst = dir == XI_DIR_IN ? &t->src : &t->dst;
	int six = t->family != XI_IP4;
	unsigned n = MIN(six ? h->shapes6 : h->shapes4, (unsigned)XI_SHAPES_MAX);
	const struct xi_shape *shape = h->shape + (six ? XI_SHAPES_MAX : 0);
	const struct xi_filter *f = &h->filter[six];
	uint64_t ask = f->src[xi_filter_index(src, six)] & f->dst[xi_filter_index(dst, six)];
	const struct xi_rule *best = NULL;

	for (unsigned i = 0; i < n && !(best && best->order < shape[i].best); i++)
		if (ask >> i & 1)
			best = better(best, match_key(m, h, hash_of(h, src, dst, t->family, i), t, dir));
	return best;
}

#define TRIES 100

int class_match(const struct maps *m, const struct xi_tuple *t, int dir, struct xi_rule *rule)
{
	for (int i = 0; i < TRIES; i++) {
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
