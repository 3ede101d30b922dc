/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

/* Out of memory in a command: nothing was changed yet, and there is nothing sensible to go on with. */
static void *must(void *p)
{
	if (!p) {
		(void)fputs("out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void conf_init(struct conf *c)
{
	struct conf_item *builtin = conf_item_new(MENU_PROPOSAL);

	memset(c, 0, sizeof(*c));
	prop_defaults(&menus[MENU_SETTINGS], &c->settings);
	(void)str_copy(((struct conf_proposal *)builtin)->name, CONF_NAME_MAX, PROPOSAL_BUILTIN); /* it fits */
	conf_insert(c, MENU_PROPOSAL, builtin, 0);
}

bool conf_is_builtin(enum menu_id menu, const struct conf_item *it)
{
	return menu == MENU_PROPOSAL && strcmp(((const struct conf_proposal *)it)->name, PROPOSAL_BUILTIN) == 0;
}

const struct conf_item *conf_item_defaults(enum menu_id menu)
{
	static struct conf_item *fresh[MENU_MAX]; /* made once: a file has many items */

	if (!fresh[menu]) {
		fresh[menu] = must(calloc(1, menus[menu].item_size));
		prop_defaults(&menus[menu], fresh[menu]);
	}
	return fresh[menu];
}

struct conf_item *conf_item_new(enum menu_id menu)
{
	struct conf_item *it = must(malloc(menus[menu].item_size));

	memcpy(it, conf_item_defaults(menu), menus[menu].item_size);
	return it;
}

void conf_item_free(enum menu_id menu, struct conf_item *it)
{
	if (it)
		explicit_bzero(it, menus[menu].item_size);
	free(it);
}

/*
 * The names of a list as a hash table: a configuration of many templates is full of references to them. Made when first asked, and again
 * after a change of what is in it; items behind `known` are entered when somebody asks.
 */
struct conf_names {
	uint32_t *at; /* [buckets]: index + 1, 0 = none */
	unsigned buckets, known;
};

static void names_free(struct conf_list *l)
{
	if (l->names)
		free(l->names->at);
	free(l->names);
	l->names = NULL;
}

void conf_renamed(struct conf *c, enum menu_id menu)
{
	names_free(&c->list[menu]);
}

void conf_free(struct conf *c)
{
	for (unsigned m = 0; m < MENU_MAX; m++) {
		for (unsigned i = 0; i < c->list[m].count; i++)
			conf_item_free(m, c->list[m].item[i]);
		free(c->list[m].item);
		names_free(&c->list[m]);
	}
	memset(c, 0, sizeof(*c));
}

static void make_room(struct conf_list *l)
{
	if (l->count < l->room)
		return;
	l->room = l->room ? l->room * 2 : 16;
	l->item = must(reallocarray(l->item, l->room, sizeof(*l->item)));
}

void conf_copy(struct conf *to, const struct conf *from)
{
	*to = *from;
	for (unsigned m = 0; m < MENU_MAX; m++) {
		struct conf_list *l = &to->list[m];

		l->room = l->count;
		l->names = NULL;
		l->item = l->count ? must(calloc(l->count, sizeof(*l->item))) : NULL;
		for (unsigned i = 0; i < l->count; i++) {
			l->item[i] = must(malloc(menus[m].item_size));
			memcpy(l->item[i], from->list[m].item[i], menus[m].item_size);
		}
	}
}

void conf_insert(struct conf *c, enum menu_id menu, struct conf_item *it, unsigned at)
{
	struct conf_list *l = &c->list[menu];

	make_room(l);
	if (at < l->count)
		conf_renamed(c, menu);
	memmove(&l->item[at + 1], &l->item[at], (l->count - at) * sizeof(*l->item));
	l->item[at] = it;
	l->count++;
	if (!it->id)
		it->id = ++l->last_id;
	else
		l->last_id = MAX(l->last_id, it->id);
}

void conf_remove(struct conf *c, enum menu_id menu, unsigned index)
{
	struct conf_list *l = &c->list[menu];

	conf_renamed(c, menu);
	conf_item_free(menu, l->item[index]);
	l->count--;
	memmove(&l->item[index], &l->item[index + 1], (l->count - index) * sizeof(*l->item));
}

void conf_move(struct conf *c, enum menu_id menu, unsigned from, unsigned before)
{
	struct conf_item **item = c->list[menu].item;
	struct conf_item *it = item[from];

	conf_renamed(c, menu);
	if (before > from) {
		before--;
		memmove(&item[from], &item[from + 1], (before - from) * sizeof(*item));
	} else {
		memmove(&item[before + 1], &item[before], (from - before) * sizeof(*item));
	}
	item[before] = it;
}

int conf_index_of_id(const struct conf *c, enum menu_id menu, uint32_t id)
{
	const struct conf_list *l = &c->list[menu];

	for (unsigned i = 0; i < l->count; i++)
		if (l->item[i]->id == id)
			return (int)i;
	return -1;
}

static int by_id(const void *a, const void *b)
{
	const struct conf_place *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

void conf_places_make(struct conf_places *p, const struct conf_list *l)
{
	bool sorted = true;

	p->count = l->count;
	p->place = must(calloc(l->count + 1, sizeof(*p->place)));
	for (unsigned i = 0; i < l->count; i++) {
		p->place[i] = (struct conf_place){l->item[i]->id, i};
		sorted &= i == 0 || p->place[i - 1].id < p->place[i].id;
	}
	if (!sorted)
		qsort(p->place, p->count, sizeof(*p->place), by_id);
}

int conf_places_find(const struct conf_places *p, uint32_t id)
{
	unsigned lo = 0, hi = p->count;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (p->place[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->count && p->place[lo].id == id ? (int)p->place[lo].index : -1;
}

void conf_places_free(struct conf_places *p)
{
	free(p->place);
	*p = (struct conf_places){0};
}

const char *conf_name(enum menu_id menu, const struct conf_item *it)
{
	const struct prop *p = prop_named(&menus[menu], "name");

	return p ? (const char *)it + p->off : NULL;
}

static unsigned name_hash(const char *name)
{
	unsigned h = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h ^ h >> 15;
}

static const char *name_at(const struct conf_list *l, unsigned i, const struct prop *p)
{
	return (const char *)l->item[i] + p->off;
}

/* The bucket of the first item of that name, or the empty one where it belongs. */
static uint32_t *name_bucket(const struct conf_list *l, const struct conf_names *n, const struct prop *p,
			     const char *name)
{
	for (unsigned h = name_hash(name);; h++) {
		uint32_t *at = &n->at[h & (n->buckets - 1)];

		if (!*at || strcmp(name_at(l, *at - 1, p), name) == 0)
			return at;
	}
}

/* At most half full. */
static void names_grow(struct conf_names *n, unsigned count)
{
	if (n->buckets && n->buckets / 2 >= count)
		return;
	do
		n->buckets = n->buckets ? n->buckets * 2 : 64;
	while (n->buckets / 2 < count);
	free(n->at);
	n->at = must(calloc(n->buckets, sizeof(*n->at)));
	n->known = 0;
}

static int name_find(struct conf_list *l, const struct prop *p, const char *name)
{
	if (!l->names)
		l->names = must(calloc(1, sizeof(*l->names)));
	names_grow(l->names, l->count);
	for (; l->names->known < l->count; l->names->known++) {
		uint32_t *at = name_bucket(l, l->names, p, name_at(l, l->names->known, p));

		if (!*at)
			*at = l->names->known + 1;
	}
	return (int)*name_bucket(l, l->names, p, name) - 1;
}

int conf_index_of_name(const struct conf *c, enum menu_id menu, const char *name)
{
	/* the table is no part of what the list says */
	struct conf_list *l = (struct conf_list *)(uintptr_t)&c->list[menu];
	const struct prop *p = prop_named(&menus[menu], "name");

	if (!p)
		return -1;
	if (menu == MENU_MANUAL_SA)
		return name_find(l, p, name);
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(name_at(l, i, p), name) == 0)
			return (int)i;
	return -1;
}

unsigned conf_flags(const struct conf_item *it)
{
	if (it->disabled)
		return (it->flags & ~(unsigned)ITEM_INACTIVE) | ITEM_DISABLED;
	return it->flags;
}

bool conf_item_same(enum menu_id menu, const struct conf_item *a, const struct conf_item *b)
{
	const struct menu *m = &menus[menu];
	char x[VALUE_MAX], y[VALUE_MAX];
	size_t values = sizeof(struct conf_item);

	/* most are copies of each other, byte for byte */
	if (a->disabled == b->disabled && strcmp(a->comment, b->comment) == 0 &&
	    memcmp((const char *)a + values, (const char *)b + values, m->item_size - values) == 0)
		return true;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->prop[i].flags & PF_READONLY)
			continue;
		prop_format(&m->prop[i], a, x, sizeof(x));
		prop_format(&m->prop[i], b, y, sizeof(y));
		if (strcmp(x, y))
			return false;
	}
	return true;
}

uint64_t conf_item_hash(enum menu_id menu, const struct conf_item *it)
{
	const struct menu *m = &menus[menu];
	uint64_t h = 14695981039346656037ull; /* FNV-1a */
	char value[VALUE_MAX];

	for (unsigned i = 0; i < m->count; i++) {
		if (m->prop[i].flags & PF_READONLY)
			continue;
		prop_format(&m->prop[i], it, value, sizeof(value));
		for (const char *c = value;; c++) {
			h = (h ^ (unsigned char)*c) * 1099511628211ull;
			if (!*c)
				break;
		}
	}
	explicit_bzero(value, sizeof(value));
	return h;
}

bool conf_menu_same(const struct conf *a, const struct conf *b, enum menu_id menu)
{
	const struct conf_list *x = &a->list[menu], *y = &b->list[menu];

	if (x->count != y->count)
		return false;
	for (unsigned i = 0; i < x->count; i++)
		if (x->item[i]->id != y->item[i]->id || !conf_item_same(menu, x->item[i], y->item[i]))
			return false;
	return true;
}

bool conf_same(const struct conf *a, const struct conf *b)
{
	for (unsigned m = 0; m < MENU_MAX; m++)
		if (!menus[m].read_only && !conf_menu_same(a, b, m))
			return false;
	return conf_item_same(MENU_SETTINGS, &a->settings.it, &b->settings.it);
}
