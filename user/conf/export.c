/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Export (spec section 3.7): a script that recreates the configuration. Properties in alphabetical order, lines folded at 80
 * columns with ` \` and a four-blank indent; a line may be cut behind a blank, behind `=`, and, in a value too long for a
 * line, anywhere but inside an escape. import undoes the folds, so a second export is equal byte for byte.
 */
#include <stdlib.h>
#include <time.h>

#include "user/conf/grammar.h"
#include "user/conf/print.h"

#define FOLD_WIDTH 79 /* columns used, the backslash included */
#define PROPS_MAX 64  /* of a menu */

struct folder {
	FILE *out;
	unsigned col;
};

static void new_line(struct folder *f)
{
	(void)fputs("\\\n    ", f->out);
	f->col = 4;
}

/* Length of the unit at s that may not be cut: an escape or one byte. */
static size_t unit_len(const char *s)
{
	if (*s != '\\')
		return 1;
	if (s[1] && strchr("0123456789ABCDEF", s[1]))
		return 3;
	return 2;
}

/* A piece that does not fit on any line: cut where it must be. A blank behind a cut would be lost as indent. */
static void put_long(struct folder *f, const char *piece, size_t len)
{
	while (len) {
		size_t n = unit_len(piece);
		bool separator = len == 1 && *piece == ' '; /* must stay in front of a cut, or it is indent */

		if (f->col + n + 1 > FOLD_WIDTH && !separator) {
			new_line(f);
			if (*piece == ' ') {
				(void)fputs("\\_", f->out);
				f->col += 2;
				piece++;
				len--;
				continue;
			}
		}
		(void)fwrite_unlocked(piece, 1, n, f->out);
		f->col += (unsigned)n;
		piece += n;
		len -= n;
	}
}

/* Puts a piece that should stay in one; `last`: no backslash needs room behind it. */
static void put_piece(struct folder *f, const char *piece, size_t len, bool last)
{
	unsigned room = last ? 0 : 1;

	if (f->col + len + room > FOLD_WIDTH && f->col > 4)
		new_line(f);
	if (f->col + len + room > FOLD_WIDTH)
		put_long(f, piece, len);
	else {
		(void)fwrite_unlocked(piece, 1, len, f->out);
		f->col += (unsigned)len;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct prop *const *)a)->name, (*(const struct prop *const *)b)->name);
}

/* The properties of a menu in alphabetical order. */
static const struct prop *const *sorted_props(enum menu_id menu)
{
	static const struct prop *sorted[MENU_MAX][PROPS_MAX];
	const struct menu *m = &menus[menu];

	if (!sorted[menu][0]) {
		for (unsigned i = 0; i < m->count; i++)
			sorted[menu][i] = &m->prop[i];
		qsort(sorted[menu], m->count, sizeof(sorted[menu][0]), by_name);
	}
	return sorted[menu];
}

static unsigned choose(const struct prop **list, enum menu_id menu, const struct conf_item *it,
		       const struct export_opt *opt)
{
	const struct prop *const *sorted = sorted_props(menu);
	const struct conf_item *def = conf_item_defaults(menu);
	bool brief = opt->compact || (opt->short_policies && menu == MENU_POLICY);
	unsigned n = 0;

	for (unsigned i = 0; i < menus[menu].count; i++) {
		const struct prop *p = sorted[i];

		if ((p->flags & PF_READONLY) || (opt->hide_sensitive && (p->flags & PF_SENSITIVE)) ||
		    ((brief || !prop_present(p, it)) && p->def && prop_same(p, it, def)))
			continue;
		/* the built-in proposal is there already, under its name */
		if (opt->compact && p->type == PT_NAME && conf_is_builtin(menu, it))
			continue;
		list[n++] = p;
	}
	return n;
}

static void export_item(FILE *out, const char *verb, enum menu_id menu, const struct conf_item *it,
			const struct export_opt *opt)
{
	const struct prop *list[PROPS_MAX];
	unsigned n = choose(list, menu, it, opt);
	struct folder f = {.out = out};

	put_piece(&f, verb, strlen(verb), false);
	for (unsigned i = 0; i < n; i++) {
		char value[VALUE_MAX], quoted[VALUE_MAX + 1], name[64];
		bool last = i + 1 == n;

		prop_format(list[i], it, value, sizeof(value));
		if (val_needs_quotes(value))
			val_quote(quoted, sizeof(quoted) - 1, value);
		else
			(void)str_copy(quoted, sizeof(quoted) - 1, value); /* same size */
		if (!last)
			strcat(quoted, " ");
		put_piece(&f, name, (size_t)snprintf(name, sizeof(name), "%s=", list[i]->name), false);
		put_piece(&f, quoted, strlen(quoted), last);
	}
	(void)fputc('\n', out);
}

static void export_menu(FILE *out, const struct conf *c, enum menu_id menu, const struct export_opt *opt)
{
	const struct conf_list *l = &c->list[menu];
	const struct prop *any[PROPS_MAX];
	bool titled = false;

	if (menus[menu].singleton) {
		if (choose(any, menu, &c->settings.it, opt)) {
			(void)fprintf(out, "%s\n", node_path((enum node_id)menu));
			export_item(out, "set ", menu, &c->settings.it, opt);
		}
		return;
	}
	for (unsigned i = 0; i < l->count; i++) {
		bool builtin = conf_is_builtin(menu, l->item[i]);

		if ((l->item[i]->flags & ITEM_DYNAMIC) || (builtin && !choose(any, menu, l->item[i], opt)))
			continue;
		if (!titled)
			(void)fprintf(out, "%s\n", node_path((enum node_id)menu));
		titled = true;
		export_item(out, builtin ? "set " PROPOSAL_BUILTIN " " : "add ", menu, l->item[i], opt);
	}
}

void export_conf(FILE *out, const struct conf *c, enum menu_id menu, const struct export_opt *opt)
{
	/* What is referred to comes first, so that the script reads from top to bottom. */
	static const enum menu_id order[] = {MENU_SETTINGS, MENU_PROPOSAL, MENU_MANUAL_SA,
					     MENU_POLICY,   MENU_PEER,	   MENU_INTERFACE};

	if (opt->header) {
		char date[64];

		val_date_format(date, sizeof(date), time(NULL));
		(void)fprintf(out, "# %s by xdp-ipsec " XI_VERSION "\n#\n", date);
	}
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (menu == MENU_MAX || menu == order[i])
			export_menu(out, c, order[i], opt);
}
