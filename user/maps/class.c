/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The classifier of bpf/abi/xi_class.h: compiled from rules in evaluation order into the copy that is not in force.
 */
#include "user/maps/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define LENGTHS 129 /* prefix lengths of IPv6; IPv4 uses the first 33 */
#define NO_SHAPE 0xff
#define NO_INDEX 0xffff
#define HIDDEN 257 /* keys of XI_KIND_NO_PORTS: by protocol, and without */

/* A rule on its way into the table. */
struct keyed {
	uint64_t hash;
	uint32_t order;
	uint8_t shape;
	uint8_t family;
};

#define EXACT                                                                                                          \
	38 /* pairs of lengths that are never rounded: the others have room at any rate, 25 pairs of multiples of 8 (IPv6: of 32) */

/* Rules of one pair of prefix lengths. */
struct pair {
	unsigned rules;
	uint8_t src, dst;
};

/* Shapes of one family: which pair of lengths has which number. */
struct shapes {
	struct xi_shape *shape;		 /* [XI_SHAPES_MAX] in the head */
	unsigned n, round;		 /* lengths are rounded down to a multiple of round, */
	uint8_t exact[LENGTHS][LENGTHS]; /* but those of these pairs */
	uint8_t of[2][LENGTHS][LENGTHS]; /* shapes by lengths as they are in the shape; [1]: of exact pairs */
	uint8_t one_pair[XI_SHAPES_MAX]; /* all rules of the shape have its lengths */
	struct pair pair[LENGTHS * LENGTHS];
};

struct compiler {
	const struct maps *m;
	struct xi_class_head *head;
	struct xi_rule *rules; /* of the copy */
	struct xi_bucket *bucket;
	struct shapes four, six;
	struct keyed *key;   /* [n] */
	struct keyed *entry; /* [n], of one run */
	unsigned walk;	     /* longer runs have an entry for each rule; NO_INDEX: none has */
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
	unsigned src = mask_len(&r->src_mask), dst = mask_len(&r->dst_mask), exact = s->exact[src][dst];
	uint8_t *at;

	if (!exact) {
		src = src / s->round * s->round;
		dst = dst / s->round * s->round;
	}
	at = &s->of[exact][src][dst];
	if (*at != NO_SHAPE)
		return *at;
	if (s->n == XI_SHAPES_MAX)
		return -1;
	*at = (uint8_t)s->n++;
	s->one_pair[*at] = (uint8_t)(exact || s->round == 1);
	s->shape[*at] = (struct xi_shape){.best = r->order};
	mask_set(&s->shape[*at].src_mask, src);
	mask_set(&s->shape[*at].dst_mask, dst);
	return *at;
}

/* Gives every rule of a family its shape. 0, or -1: more than XI_SHAPES_MAX. */
static int number_shapes(struct shapes *s, const struct xi_rule *rule, unsigned n, uint8_t family, struct keyed *key)
{
	s->n = 0;
	memset(s->of, NO_SHAPE, sizeof(s->of));
	for (unsigned i = 0; i < n; i++) {
		int shape;

		if (rule[i].family != family)
			continue;
		shape = shape_of(s, &rule[i]);
		if (shape < 0)
			return -1;
		key[i].shape = (uint8_t)shape;
	}
	return 0;
}

static int by_rules(const void *va, const void *vb)
{
	const struct pair *a = va, *b = vb;

	return a->rules > b->rules ? -1 : a->rules < b->rules;
}

/* The pairs of lengths that most rules have stay as they are. */
static void choose_exact(struct shapes *s, const struct xi_rule *rule, unsigned n, uint8_t family)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned src = mask_len(&rule[i].src_mask), dst = mask_len(&rule[i].dst_mask);
		struct pair *p = &s->pair[src * LENGTHS + dst];

		if (rule[i].family == family)
			*p = (struct pair){.rules = p->rules + 1, .src = (uint8_t)src, .dst = (uint8_t)dst};
	}
	qsort(s->pair, ARRAY_SIZE(s->pair), sizeof(*s->pair), by_rules);
	for (unsigned i = 0; i < EXACT; i++)
		s->exact[s->pair[i].src][s->pair[i].dst] = 1;
}

/* When there are too many pairs, lengths of rare ones are rounded more and more until XI_SHAPES_MAX are enough. */
static void find_shapes(struct shapes *s, struct xi_shape *to, const struct xi_rule *rule, unsigned n, uint8_t family,
			struct keyed *key)
{
	s->shape = to;
	s->round = 1;
	if (!number_shapes(s, rule, n, family, key))
		return;
	choose_exact(s, rule, n, family);
	do
		s->round *= 2;
	while (number_shapes(s, rule, n, family, key));
}

/* A filter that is made. full: by field the shapes that take every value. */
struct filling {
	struct xi_filter *f;
	uint64_t full[XI_FIELDS];
};

/* The shape takes these values of a field. */
static void take(struct filling *to, int field, unsigned first, unsigned span, uint64_t shape)
{
	if (span == XI_FILTER)
		to->full[field] |= shape;
	else
		for (unsigned i = first; i < first + span; i++)
			to->f->field[field][i] |= shape;
}

/* All addresses of a prefix. IPv6: a part that the prefix fixes in a piece only is mixed with what it leaves open. */
static void take_prefix(struct filling *to, int field, const struct xi_addr *net, const struct xi_addr *mask, int six,
			uint64_t shape)
{
	unsigned len = mask_len(mask);

	for (unsigned part = 0; part < XI_PARTS; part++) {
		unsigned end = six ? 32 + 16 * part : 8 * (part + 1), open = end > len ? end - len : 0;
		unsigned span = !open ? 1 : six || open >= 8 ? XI_FILTER : 1u << open;

		take(to, field + (int)part, xi_filter_index(net, six, (int)part), span, shape);
	}
}

static void make_filter(struct xi_filter *f, const struct xi_rule *rule, unsigned n, uint8_t family,
			const struct keyed *shaped)
{
	struct filling to = {.f = f};
	int six = family != XI_IP4;

	memset(f, 0, sizeof(*f));
	for (unsigned i = 0; i < n; i++) {
		const struct xi_rule *r = &rule[i];
		uint64_t shape = 1ull << shaped[i].shape;

		if (r->family != family)
			continue;
		take_prefix(&to, XI_FIELD_SRC, &r->src, &r->src_mask, six, shape);
		take_prefix(&to, XI_FIELD_DST, &r->dst, &r->dst_mask, six, shape);
		take(&to, XI_FIELD_PROTO, r->proto, r->flags & XI_SEL_PROTO ? 1 : XI_FILTER, shape);
		take(&to, XI_FIELD_DST_PORT, xi_filter_port(r->dst_port), r->flags & XI_SEL_DST_PORT ? 1 : XI_FILTER,
		     shape);
	}
	for (int field = 0; field < XI_FIELDS; field++)
		for (unsigned i = 0; i < XI_FILTER; i++)
			f->field[field][i] |= to.full[field];
}

/* Equal keys side by side, in evaluation order. What no packet matches (family 0) goes last. */
static int by_key(const void *va, const void *vb)
{
	const struct keyed *a = va, *b = vb;

	if (a->family != b->family)
		return !b->family || (a->family && a->family < b->family) ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->shape != b->shape)
		return a->shape < b->shape ? -1 : 1;
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

static int protects(const struct xi_rule *r)
{
	return r->action == XI_ACTION_DISCARD || (r->action == XI_ACTION_ENCRYPT && r->level != XI_LEVEL_USE);
}

static struct xi_shape *shape_at(struct xi_class_head *h, const struct keyed *k)
{
	return &h->shape[(k->family == XI_IP4 ? 0 : XI_SHAPES_MAX) + k->shape];
}

/* The entry of one kind for rule i of the run of k. */
static int enter_kind(struct compiler *c, const struct keyed *k, unsigned i, unsigned kind)
{
	const struct xi_rule *r = &c->rules[i];
	uint64_t hash = xi_kind_hash(k->hash, xi_kind_key(kind, r->proto, r->src_port, r->dst_port));

	shape_at(c->head, k)->kinds |= (uint16_t)(1u << kind);
	return enter(c, hash, &(struct xi_way){.tag = xi_class_tag(hash), .first = i, .count = 1, .best = r->order});
}

/* For packets that do not show protocol or ports: the first rule that protects, of each protocol that is named with ports, and of all. */
static int enter_hidden(struct compiler *c, const struct keyed *k, unsigned first, unsigned end)
{
	uint8_t seen[HIDDEN] = {0}, any = 0;
	int rc = 0;

	for (unsigned i = first; i < end && !rc; i++) {
		const struct xi_rule *r = &c->rules[i];
		uint8_t *s = &seen[r->flags & XI_SEL_PROTO ? r->proto : HIDDEN - 1];

		if (!r->flags || !protects(r))
			continue;
		if (!any)
			rc = enter_kind(c, k, i, XI_KIND_NO_PROTO);
		any = 1;
		if (rc || *s || !(r->flags & (XI_SEL_SRC_PORT | XI_SEL_DST_PORT)))
			continue;
		rc = enter_kind(c, k, i, XI_KIND_NO_PORTS | (r->flags & XI_SEL_PROTO));
		*s = 1;
	}
	return rc;
}

/* An entry for each rule of a long run; of equal selectors only the first one counts. */
static int enter_run(struct compiler *c, const struct keyed *k, unsigned first, unsigned end)
{
	unsigned n = end - first;

	for (unsigned i = 0; i < n; i++) {
		const struct xi_rule *r = &c->rules[first + i];

		if (memcmp(&r->src, &c->rules[first].src, offsetof(struct xi_rule, src_port)) != 0)
			return -ENOSPC; /* two pairs of networks have one hash: another salt */
		c->entry[i] = (struct keyed){
			.hash = xi_kind_hash(k->hash, xi_kind_key(r->flags, r->proto, r->src_port, r->dst_port)),
			.order = first + i,
			.family = k->family};
	}
	qsort(c->entry, n, sizeof(*c->entry), by_key);
	for (unsigned i = 0; i < n; i++) {
		const struct keyed *e = &c->entry[i];

		if (!(i && e->hash == e[-1].hash) && enter_kind(c, k, e->order, c->rules[e->order].flags))
			return -ENOSPC;
	}
	return enter_hidden(c, k, first, end);
}

/* Are runs of this length found by their index? Where lengths are rounded a run has several pairs of networks, and is walked. */
static int has_index(const struct compiler *c, const struct keyed *k, unsigned rules)
{
	const struct shapes *s = k->family == XI_IP4 ? &c->four : &c->six;

	return k->family && rules > c->walk && c->walk != NO_INDEX && s->one_pair[k->shape];
}

/* End of the run of equal keys that begins at k[i]. Two shapes whose keys meet have no run together: enter() refuses the second one. */
static unsigned run_end(const struct keyed *k, unsigned i, unsigned n)
{
	unsigned end = i;

	while (end < n && k[end].hash == k[i].hash && k[end].family == k[i].family && k[end].shape == k[i].shape)
		end++;
	return end;
}

static int fill(struct compiler *c, const struct xi_rule *rule, unsigned n)
{
	const struct keyed *k = c->key;
	int rc = 0;

	memset(c->bucket, 0, ((size_t)c->head->bucket_mask + 1) * sizeof(*c->bucket));
	for (unsigned i = 0, end; i < n && !rc; i = end) {
		struct xi_way way = {.tag = xi_class_tag(k[i].hash), .first = i, .best = k[i].order};

		end = run_end(k, i, n);
		for (unsigned j = i; j < end; j++)
			c->rules[j] = rule[k[j].order];
		way.count = end - i;
		if (k[i].family)
			rc = enter(c, k[i].hash, &way);
		if (!rc && has_index(c, &k[i], end - i))
			rc = enter_run(c, &k[i], i, end);
	}
	return rc;
}

static void key_rules(struct compiler *c, const struct xi_rule *rule, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct keyed *k = &c->key[i];

		k->order = i;
		k->family = rule[i].family;
		k->hash = k->family ? class_hash(c->head, &rule[i].src, &rule[i].dst, k->family, k->shape) : 0;
	}
	qsort(c->key, n, sizeof(*c->key), by_key);
}

/* Buckets for n rules and for the entries of long runs: no more than needed, what is small stays in the cache. */
static uint32_t buckets_for(const struct compiler *c, unsigned n)
{
	unsigned ways = 0;

	for (unsigned i = 0, end; i < n; i = end) {
		end = run_end(c->key, i, n);
		ways += has_index(c, &c->key[i], end - i) ? end - i + XI_KINDS : 1;
	}
	return MIN(xi_buckets(MAX(n, ways)), xi_buckets(c->m->meta->spd_max));
}

static void begin_shapes(struct compiler *c)
{
	for (unsigned i = 0; i < 2 * XI_SHAPES_MAX; i++) {
		c->head->shape[i].walk = (uint16_t)c->walk;
		c->head->shape[i].kinds = 0;
	}
}

/* Nobody who chooses addresses of policies (RFC 2409 §5.5, generate-policy) can choose some whose hashes meet. */
static uint32_t new_salt(uint32_t last)
{
	uint32_t salt;

	return getrandom(&salt, sizeof(salt), GRND_NONBLOCK) == sizeof(salt) ? salt : last + 1;
}

#define WALK 4	/* rules of a run: a walk costs less than another look-up */
#define TRIES 2 /* salts until runs have to be twice as long for an index */

/*
 * A salt with which no key finds its buckets full is there at once, but for a table that is nearly full of policies with an index: then shorter
 * runs have none.
 */
static void find_room(struct compiler *c, const struct xi_rule *rule, unsigned n, const struct keyed *shaped)
{
	int rc;

	c->walk = WALK;
	for (unsigned try = 1;; try++) {
		c->head->salt = new_salt(c->head->salt);
		memcpy(c->key, shaped, n * sizeof(*shaped));
		key_rules(c, rule, n);
		c->head->bucket_mask = buckets_for(c, n) - 1;
		begin_shapes(c);
		rc = fill(c, rule, n);
		if (!rc)
			return;
		if (try % TRIES == 0)
			c->walk = c->walk < 16 * WALK ? 2 * c->walk : NO_INDEX;
	}
}

int class_compile(struct maps *m, struct xi_rule *rule, unsigned n)
{
	uint32_t copy = (m->meta->spd_gen + 1) & 1, spd_max = m->meta->spd_max, buckets = xi_buckets(spd_max);
	struct compiler *c = calloc(1, sizeof(*c));
	struct keyed *shaped = calloc(n + 1, sizeof(*shaped));
	int rc = -ENOMEM;

	if (c) {
		c->key = calloc(n + 1, sizeof(*c->key));
		c->entry = calloc(n + 1, sizeof(*c->entry));
	}
	if (c && shaped && c->key && c->entry) {
		c->m = m;
		c->head = &m->class[copy];
		c->rules = &m->rules[(size_t)copy * spd_max];
		c->bucket = &m->bucket[(size_t)copy * buckets];
		c->head->rules = n;
		c->head->rule_base = copy * spd_max;
		c->head->bucket_base = copy * buckets;
		find_shapes(&c->four, c->head->shape, rule, n, XI_IP4, shaped);
		find_shapes(&c->six, c->head->shape + XI_SHAPES_MAX, rule, n, XI_IP6, shaped);
		c->head->shapes4 = c->four.n;
		c->head->shapes6 = c->six.n;
		make_filter(&c->head->filter[0], rule, n, XI_IP4, shaped);
		make_filter(&c->head->filter[1], rule, n, XI_IP6, shaped);
		find_room(c, rule, n, shaped);
		rc = 0;
	}
	if (c) {
		free(c->key);
		free(c->entry);
	}
	free(shaped);
	free(c);
	return rc;
}
