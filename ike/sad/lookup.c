/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policies by selector and by peer. The maps have no order that IKE could search by, so this room keeps two hash tables of slots beside them. They are made
 * anew when the policies have changed (a commit, which looks at all of them anyway), and what they find is looked at in the maps again.
 *
 * By selector: the shape of a selector is its family, prefix lengths and what it names; cut to a shape it is a key. What contains a selector is found with
 * one look for each shape that occurs. By peer: the SA end of the template.
 */
#include <errno.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"

#define SHAPES (2u * 129 * 129 * 8) /* as many as there can be */

static void cut(struct xi_addr *a, unsigned len)
{
	uint8_t *p = (uint8_t *)a;

	for (unsigned i = 0; i<sizeof(*a); i++, len = len> 8 ? len - 8 : 0)
		p[i] &= (uint8_t)(0xff00u >> MIN(len, 8u));
}

static uint32_t selector_bucket(const struct sad_lookup *l, const struct xi_selector *sel, const struct sad_shape *sh)
{
	struct xi_selector k = *sel;
	uint64_t h = (uint64_t)sh->family << 24 | sh->src_len << 16 | sh->dst_len << 8 | sh->flags;

	cut(&k.src, sh->src_len);
	cut(&k.dst, sh->dst_len);
	for (unsigned i = 0; i < 4; i++)
		h = hash_mix(h, (uint64_t)k.src.w[i] << 32 | k.dst.w[i]);
	h = hash_mix(h, (uint64_t)(sh->flags & XI_SEL_PROTO ? k.proto : 0) << 32 |
				(uint32_t)(sh->flags & XI_SEL_SRC_PORT ? k.src_port : 0) << 16 |
				(sh->flags & XI_SEL_DST_PORT ? k.dst_port : 0));
	return hash_end(h, 32) & l->mask;
}

static uint32_t peer_bucket(const struct sad_lookup *l, const struct xi_addr *peer)
{
	uint64_t h = hash_mix(0, (uint64_t)peer->w[0] << 32 | peer->w[1]);

	return hash_end(hash_mix(h, (uint64_t)peer->w[2] << 32 | peer->w[3]), 32) & l->mask;
}

static struct sad_shape shape_of(const struct xi_selector *s)
{
	return (struct sad_shape){s->family, s->src_len, s->dst_len,
				  s->flags & (XI_SEL_PROTO | XI_SEL_SRC_PORT | XI_SEL_DST_PORT)};
}

/* seen: a bit for each shape. */
static int add_shape(struct sad_lookup *l, const struct sad_shape *s, uint8_t *seen)
{
	uint32_t bit = (((s->family == XI_IP4 ? 0u : 129u) + s->src_len) * 129 + s->dst_len) * 8 + s->flags % 8;
	struct sad_shape *more;

	if (seen[bit / 8] & 1u << bit % 8)
		return 0;
	seen[bit / 8] |= (uint8_t)(1u << bit % 8);
	if (l->n_shapes == l->shapes_room) {
		more = realloc(l->shape, (2 * l->shapes_room + 16) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->shape = more;
		l->shapes_room = 2 * l->shapes_room + 16;
	}
	l->shape[l->n_shapes++] = *s;
	return 0;
}

static int add(struct sad_lookup *l, uint32_t slot, struct xi_policy pol, uint8_t *seen)
{
	struct sad_shape sh = shape_of(&pol.sel);
	uint32_t *at = &l->by_selector[selector_bucket(l, &pol.sel, &sh)];

	l->next_selector[slot] = *at;
	*at = slot + 1;
	sad_effective_ends(&pol);
	at = &l->by_peer[peer_bucket(l, &pol.sa_dst)];
	l->next_peer[slot] = *at;
	*at = slot + 1;
	return add_shape(l, &sh, seen);
}

static int make(struct sad *s)
{
	uint32_t spd_max = s->m->meta->spd_max, left = s->m->class[s->m->meta->spd_gen & 1].rules, size = 16;
	struct sad_lookup *l = &s->lookup;
	uint8_t *seen = calloc(SHAPES / 8, 1);
	int rc = 0;

	while (size < left)
		size *= 2;
	sad_lookup_free(s);
	l->mask = size - 1;
	l->by_selector = calloc(size, sizeof(*l->by_selector));
	l->by_peer = calloc(size, sizeof(*l->by_peer));
	l->next_selector = calloc(spd_max, sizeof(*l->next_selector));
	l->next_peer = calloc(spd_max, sizeof(*l->next_peer));
	if (!seen || !l->by_selector || !l->by_peer || !l->next_selector || !l->next_peer)
		rc = -ENOMEM;
	for (uint32_t i = 0; !rc && left && i < spd_max; i++) {
		if (!s->m->spd[i].gen)
			continue;
		left--;
		rc = add(l, i, s->m->spd[i], seen);
	}
	free(seen);
	if (rc)
		sad_lookup_free(s);
	return rc;
}

/* The tables are those of the policies in force. No memory: -ENOMEM, and everybody looks at all policies. */
static int ready(struct sad *s)
{
	uint64_t gen = __atomic_load_n(&s->m->meta->spd_gen, __ATOMIC_ACQUIRE);

	if (s->lookup.by_peer && s->lookup.gen == gen)
		return 0;
	if (make(s))
		return -ENOMEM;
	s->lookup.gen = gen;
	return 0;
}

void sad_lookup_free(struct sad *s)
{
	struct sad_lookup *l = &s->lookup;

	free(l->by_selector);
	free(l->by_peer);
	free(l->next_selector);
	free(l->next_peer);
	free(l->shape);
	*l = (struct sad_lookup){0};
}

/* --- walks over what there may be --- */
static void walk_all(struct sad *s, sad_visit *visit, void *arg)
{
	uint32_t left = s->m->class[s->m->meta->spd_gen & 1].rules;

	for (uint32_t i = 0; left && i < s->m->meta->spd_max; i++) {
		if (!s->m->spd[i].gen)
			continue;
		left--;
		s->looked++;
		visit(s, i, arg);
	}
}

static void walk(struct sad *s, const uint32_t *next, uint32_t first, sad_visit *visit, void *arg)
{
	for (uint32_t at = first, after; at; at = after) {
		after = next[at - 1];
		s->looked++;
		if (s->m->spd[at - 1].gen)
			visit(s, at - 1, arg);
	}
}

void sad_each_of_peer(struct sad *s, const struct xi_addr *peer, sad_visit *visit, void *arg)
{
	if (!peer || ready(s))
		walk_all(s, visit, arg);
	else
		walk(s, s->lookup.next_peer, s->lookup.by_peer[peer_bucket(&s->lookup, peer)], visit, arg);
}

void sad_each_around(struct sad *s, const struct xi_selector *sel, sad_visit *visit, void *arg)
{
	const struct sad_lookup *l = &s->lookup;
	struct sad_shape own = shape_of(sel);

	if (ready(s)) {
		walk_all(s, visit, arg);
		return;
	}
	for (unsigned i = 0; i < l->n_shapes; i++) {
		const struct sad_shape *sh = &l->shape[i];

		if (sh->family == own.family && sh->src_len <= own.src_len && sh->dst_len <= own.dst_len &&
		    !(sh->flags & ~own.flags))
			walk(s, l->next_selector, l->by_selector[selector_bucket(l, sel, sh)], visit, arg);
	}
}
