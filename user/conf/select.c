/* SPDX-License-Identifier: BSD-2-Clause */
/* References to items: by number, name, internal id, list (spec section 3.3). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/conf/exec.h"

void numbers_assign(struct conf_numbers *n, enum menu_id menu, const struct conf *c)
{
	const struct conf_list *l = &c->list[menu];
	uint32_t *id = calloc(l->count + 1, sizeof(*id));

	if (!id)
		return;
	for (unsigned i = 0; i < l->count; i++)
		id[i] = l->item[i]->id;
	free(n->id[menu]);
	n->id[menu] = id;
	n->count[menu] = l->count;
	n->known[menu] = true;
}

void numbers_free(struct conf_numbers *n)
{
	for (unsigned m = 0; m < MENU_MAX; m++)
		free(n->id[m]);
	memset(n, 0, sizeof(*n));
}

void selection_free(struct selection *s)
{
	free(s->id);
	*s = (struct selection){0};
}

/* Id of the one item that word means; 0 = none. */
static uint32_t resolve(const struct conf *c, struct conf_numbers *n, enum menu_id menu, const char *word)
{
	int64_t v;
	int i;

	if (*word == '*') {
		if (val_hex_parse(&v, word + 1, strlen(word + 1)) || v <= 0 || v > UINT32_MAX)
			return 0;
		return conf_index_of_id(c, menu, (uint32_t)v) < 0 ? 0 : (uint32_t)v;
	}
	if (*word && strspn(word, "0123456789") == strlen(word)) {
		if (!n->known[menu])
			numbers_assign(n, menu, c);
		if (val_int_parse(&v, word) || !n->known[menu] || v >= n->count[menu])
			return 0;
		return conf_index_of_id(c, menu, n->id[menu][v]) < 0 ? 0 : n->id[menu][v];
	}
	i = conf_index_of_name(c, menu, word);
	return i < 0 || !*word ? 0 : c->list[menu].item[i]->id;
}

static bool selected(const struct selection *s, uint32_t id)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->id[i] == id)
			return true;
	return false;
}

int select_items(const struct conf *c, struct conf_numbers *n, enum menu_id menu, const char *text,
		 struct selection *out, struct conf_err *e)
{
	*out = (struct selection){.id = calloc(strlen(text) / 2 + 1, sizeof(*out->id))};
	if (!out->id)
		return conf_fail(e, CONF_E_SYSTEM, "out of memory");
	for (;;) {
		size_t len = strcspn(text, ",");
		char word[64] = "";
		uint32_t id = 0;

		if (len < sizeof(word)) {
			memcpy(word, text, len);
			word[len] = '\0';
			id = resolve(c, n, menu, word);
		}
		if (!id) {
			selection_free(out);
			if (menu == MENU_INTERFACE)
				return conf_fail(e, CONF_E_ITEM, "failure: %.*s is not attached", (int)len, text);
			if (e->class == CONF_OK)
				(void)snprintf(e->hint, sizeof(e->hint), "there is no %.30s in %s",
					       *word ? word : "\"\"", menus[menu].name);
			return conf_fail(e, CONF_E_ITEM, "no such item");
		}
		if (!selected(out, id))
			out->id[out->count++] = id;
		text += len;
		if (!*text++)
			return 0;
	}
}
