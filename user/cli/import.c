/* SPDX-License-Identifier: BSD-2-Clause */
/* import: the menus that a script speaks of become what it says; what is there already stays as it is. */
#include <errno.h>
#include <stdlib.h>

#include "user/cli/change.h"

/* The menus that the script speaks of; errors of form come up here. */
static int menus_of(const char *text, size_t len, unsigned *touched, struct conf_err *e)
{
	struct parser p;
	struct cmd cmd;
	int rc;

	parser_init(&p, text, len);
	while ((rc = parser_next(&p, &cmd, e)) > 0)
		if ((unsigned)cmd.node < MENU_MAX && !menus[cmd.node].read_only)
			*touched |= 1u << cmd.node;
	return rc;
}

static void empty_menu(struct conf *c, enum menu_id menu)
{
	for (unsigned i = c->list[menu].count; i-- > 0;)
		if (conf_is_builtin(menu, c->list[menu].item[i]))
			prop_defaults(&menus[menu], c->list[menu].item[i]);
		else
			conf_remove(c, menu, i);
	if (menu == MENU_SETTINGS)
		prop_defaults(&menus[menu], &c->settings);
}

/* The items that were there, by what they say: found without asking each. */
struct old_item {
	uint64_t hash;
	unsigned index;
};

struct old_items {
	enum menu_id menu;
	const struct conf *conf;
	struct old_item *by_value; /* [count], menus without names; equal ones in the order of the list */
	bool *used;		   /* [count] */
};

static int by_value(const void *a, const void *b)
{
	const struct old_item *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int old_items_make(struct old_items *o, const struct conf *c, enum menu_id menu)
{
	const struct conf_list *l = &c->list[menu];

	*o = (struct old_items){.menu = menu,
				.conf = c,
				.by_value = calloc(l->count + 1, sizeof(*o->by_value)),
				.used = calloc(l->count + 1, sizeof(*o->used))};
	if (!o->by_value || !o->used)
		return -ENOMEM;
	if (prop_named(&menus[menu], "name"))
		return 0;
	for (unsigned i = 0; i < l->count; i++)
		o->by_value[i] = (struct old_item){conf_item_hash(menu, l->item[i]), i};
	qsort(o->by_value, l->count, sizeof(*o->by_value), by_value);
	return 0;
}

static void old_items_free(struct old_items *o)
{
	free(o->by_value);
	free(o->used);
}

static int find_equal(const struct old_items *o, const struct conf_item *it)
{
	const struct conf_list *l = &o->conf->list[o->menu];
	uint64_t hash = l->count ? conf_item_hash(o->menu, it) : 0;
	unsigned lo = 0, hi = l->count;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (o->by_value[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < l->count && o->by_value[lo].hash == hash; lo++) {
		unsigned i = o->by_value[lo].index;

		if (!o->used[i] && conf_item_same(o->menu, l->item[i], it))
			return (int)i;
	}
	return -1;
}

/* The old item that a new one is: of the same name; in menus without names with the same values, or (peer) the same address. */
static int find_old(const struct old_items *o, const struct conf_item *it)
{
	const struct conf_list *l = &o->conf->list[o->menu];
	const char *name = conf_name(o->menu, it);
	int same;

	if (name)
		return conf_index_of_name(o->conf, o->menu, name);
	same = find_equal(o, it);
	for (unsigned i = 0; same < 0 && o->menu == MENU_PEER && i < l->count; i++)
		if (!o->used[i] && memcmp(&CONF_ITEM(conf_peer, l, i)->address,
					  &((const struct conf_peer *)it)->address, sizeof(struct ip_prefix)) == 0)
			return (int)i;
	return same;
}

/* A script that says nothing of an item's keys (export hide-sensitive) leaves them alone. */
static void keep_secrets(enum menu_id menu, struct conf_item *it, const struct conf_item *old)
{
	const struct menu *m = &menus[menu];
	char value[VALUE_MAX];

	for (unsigned i = 0; i < m->count; i++) {
		struct conf_err e = {0};

		if (!(m->prop[i].flags & PF_SENSITIVE) || (it->given >> i & 1))
			continue;
		prop_format(&m->prop[i], old, value, sizeof(value));
		if (prop_parse(&m->prop[i], it, value, &e))
			continue; /* a printed value reads back: unit test */
	}
	explicit_bzero(value, sizeof(value));
}

/* What is there already keeps its id and counts as untouched. */
static int merge_menu(struct change *ch, enum menu_id menu)
{
	struct conf_list *new = &ch->after.list[menu], *old = &ch->before.list[menu];
	unsigned added = 0, changed = 0, kept = 0;
	size_t n = strlen(ch->summary);
	struct old_items olds;

	if (old_items_make(&olds, &ch->before, menu)) {
		old_items_free(&olds);
		return -ENOMEM;
	}
	new->last_id = old->last_id;
	for (unsigned i = 0; i < new->count; i++) {
		struct conf_item *it = new->item[i];
		int o = find_old(&olds, it);

		if (o < 0) {
			added++;
			it->id = ++new->last_id;
			continue;
		}
		olds.used[o] = true;
		keep_secrets(menu, it, old->item[o]);
		it->id = old->item[o]->id;
		it->flags &= ~(uint32_t)ITEM_WANTED;
		if (conf_item_same(menu, it, old->item[o])) {
			it->flags &= ~(uint32_t)ITEM_EDITED;
			kept++;
		} else {
			changed++;
		}
	}
	if (added || changed || kept != old->count)
		(void)snprintf(ch->summary + n, sizeof(ch->summary) - n,
			       "%s: %u added, %u changed, %u removed, %u unchanged\n", menus[menu].name, added, changed,
			       old->count - kept - changed, kept);
	old_items_free(&olds);
	return 0;
}

/* References into menus that the script emptied. */
static int check_all(const struct conf *c, struct conf_err *e)
{
	for (unsigned m = 0; m < MENU_MAX; m++)
		for (unsigned i = 0; i < c->list[m].count; i++)
			if (conf_check(c, m, c->list[m].item[i], e))
				return -EINVAL;
	return 0;
}

static int import_text(struct change *ch, const char *text, size_t len, struct conf_err *e)
{
	unsigned touched = 0;

	if (menus_of(text, len, &touched, e))
		return -EINVAL;
	for (unsigned m = 0; m < MENU_MAX; m++)
		if (touched >> m & 1)
			empty_menu(&ch->after, m);
	if ((touched >> MENU_PEER & 1) && view_creds(ch->cli, &ch->after, e))
		return -EINVAL;
	if (exec_script(&ch->after, text, len, NULL, e) || check_all(&ch->after, e))
		return -EINVAL;
	for (unsigned m = 0; m < MENU_MAX; m++)
		if ((touched >> m & 1) && !menus[m].singleton && merge_menu(ch, m))
			return conf_fail(e, CONF_E_SYSTEM, "out of memory");
	if (change_commit(ch, e))
		return -EINVAL;
	(void)fputs(ch->summary, stdout);
	return 0;
}

int change_import(struct cli *cli, const char *file, struct conf_err *e)
{
	struct change ch;
	size_t len = 0;
	char *text = store_read_file(file, &len, e); /* before the mount namespace may change */
	int rc;

	if (!text)
		return -EINVAL;
	rc = change_begin(&ch, cli, false, e);
	if (!rc)
		rc = import_text(&ch, text, len, e);
	change_end(&ch);
	explicit_bzero(text, len);
	free(text);
	return rc;
}
