/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static bool empty_secret(const struct prop *p, const struct conf_item *it)
{
	char buf[VALUE_MAX];

	prop_format(p, it, buf, sizeof(buf));
	return !*buf;
}

void print_value(const struct prop *p, const struct conf_item *it, bool show_sensitive, char *buf, size_t size)
{
	if ((p->flags & PF_SENSITIVE) && !show_sensitive && !empty_secret(p, it))
		(void)snprintf(buf, size, "%s", p->type == PT_KEY_PAIR ? PRINT_MASK "/" PRINT_MASK : PRINT_MASK);
	else
		prop_format(p, it, buf, size);
}

static bool is_text(const struct prop *p)
{
	return p->type == PT_STRING || p->type == PT_NAME || p->type == PT_SECRET || p->type == PT_KEY_PAIR ||
	       p->type == PT_KEY;
}

static bool wanted(const struct prop *p, const struct conf_item *it, const struct print_opt *opt)
{
	bool detail = opt->style == PRINT_DETAIL || opt->style == PRINT_JSON;

	if (!prop_present(p, it))
		return false;
	if (opt->style == PRINT_JSON && !(p->flags & (PF_STATS | PF_STATIC)))
		return true;
	if (opt->stats)
		return p->flags & (PF_STATS | PF_SELECTOR) || opt->style == PRINT_JSON;
	if ((p->flags & PF_STATIC) && (it->flags & ITEM_DYNAMIC))
		return false;
	if ((p->flags & PF_SKIP_DEFAULT) && opt->style != PRINT_JSON && prop_is_default(p, it))
		return false;
	return !(p->flags & (PF_HIDDEN | PF_STATS)) && (detail || !(p->flags & PF_DETAIL));
}

static void flag_field(const struct menu *m, const struct conf_item *it, bool detail, char field[4])
{
	unsigned have = conf_flags(it);

	memset(field, 0, 4);
	memset(field, ' ', m->flag_columns);
	for (unsigned i = 0; i < ARRAY_SIZE(m->flag) && m->flag[i].letter; i++)
		if ((have & m->flag[i].bit) && (m->flag[i].text || detail))
			field[m->flag[i].column] = m->flag[i].letter;
}

static const char *flag_text(const struct menu_flag *f)
{
	return f->text ? f->text : "manual";
}

static void print_legend(FILE *out, const struct menu *m, bool detail)
{
	if (!m->flag[0].letter)
		return;
	(void)fputs("Flags: ", out);
	for (unsigned i = 0; i < ARRAY_SIZE(m->flag) && m->flag[i].letter && (m->flag[i].text || detail); i++)
		(void)fprintf(out, "%s%c - %s", i ? ", " : "", m->flag[i].letter, flag_text(&m->flag[i]));
	(void)fputs(" \n", out);
}

static unsigned number_width(const struct print_row *row, unsigned count)
{
	unsigned top = 0, width = 2;

	for (unsigned i = 0; i < count; i++)
		top = MAX(top, row[i].number);
	for (top /= 100; top; top /= 10)
		width++;
	return width;
}

/* Text that stands without quotes: a line stays a line, and the terminal sees no control characters. */
static void defuse(char *text, size_t size)
{
	char quoted[VALUE_MAX];
	bool harmless = true;

	for (const char *s = text; *s; s++)
		harmless &= *s >= ' ' && *s < 0x7f;
	if (harmless)
		return;
	val_quote(quoted, sizeof(quoted), text);
	quoted[strlen(quoted) - 1] = '\0';
	(void)snprintf(text, size, "%s", quoted + 1);
}

/* A value as columns and lists show it. */
static void cell_text(const struct prop *p, const struct conf_item *it, const struct print_opt *opt, char *buf,
		      size_t size)
{
	buf[0] = '\0';
	if (prop_present(p, it))
		print_value(p, it, opt->show_sensitive, buf, size);
	defuse(buf, size);
}

static void print_comment(FILE *out, const char *comment)
{
	char text[VALUE_MAX];

	(void)str_copy(text, sizeof(text), comment); /* a comment is shorter */
	defuse(text, sizeof(text));
	(void)fprintf(out, ";;; %s\n", text);
}

/* ` name=value`, the value quoted when it is a string. */
static size_t pair_text(const struct prop *p, const struct conf_item *it, const struct print_opt *opt, char *buf,
			size_t size)
{
	char value[VALUE_MAX], quoted[VALUE_MAX];

	print_value(p, it, opt->show_sensitive, value, sizeof(value));
	if ((is_text(p) && opt->style != PRINT_TERSE) ||
	    ((is_text(p) || (p->type == PT_REF && !(p->flags & PF_READONLY))) && val_needs_quotes(value))) {
		val_quote(quoted, sizeof(quoted), value);
		return (size_t)snprintf(buf, size, "%s=%s ", p->name, quoted);
	}
	return (size_t)snprintf(buf, size, "%s=%s ", p->name, value);
}

static size_t reason_text(const struct conf_item *it, char *buf, size_t size)
{
	char quoted[VALUE_MAX];

	val_quote(quoted, sizeof(quoted), it->reason);
	return (size_t)snprintf(buf, size, "reason=%s ", quoted);
}

/* Spec 3.4: pairs separated by one blank, wrapped in front of the terminal's last column, indented to the first. */
static void print_pairs(FILE *out, const struct menu *m, const struct conf_item *it, const struct print_opt *opt,
			unsigned indent)
{
	unsigned col = indent, reason = opt->style == PRINT_DETAIL && (conf_flags(it) & ITEM_INACTIVE);

	for (unsigned i = 0; i < m->count + reason; i++) {
		char pair[VALUE_MAX + 64];
		size_t len;

		/* behind the properties of an inactive item: why it is */
		if (i < m->count && !wanted(&m->prop[i], it, opt))
			continue;
		if (i < m->count)
			len = pair_text(&m->prop[i], it, opt, pair, sizeof(pair));
		else
			len = reason_text(it, pair, sizeof(pair));
		if (opt->style != PRINT_TERSE && col > indent && col + len >= opt->width) {
			(void)fprintf(out, "\n%*s", (int)indent, "");
			col = indent;
		}
		(void)fputs(pair, out);
		col += (unsigned)len;
	}
	(void)fputc('\n', out);
}

static void print_properties(FILE *out, const struct menu *m, const struct print_row *row, unsigned count,
			     const struct print_opt *opt)
{
	unsigned width = number_width(row, count);
	unsigned indent = width + 1 + (m->flag_columns ? m->flag_columns + 1 : 0);

	print_legend(out, m, opt->style == PRINT_DETAIL);
	for (unsigned i = 0; i < count; i++) {
		char field[4];

		flag_field(m, row[i].it, opt->style == PRINT_DETAIL, field);
		(void)fprintf(out, "%s%*u %s%s", i ? "\n" : "", (int)width, row[i].number, field,
			      m->flag_columns ? " " : "");
		if (row[i].it->comment[0]) {
			print_comment(out, row[i].it->comment);
			(void)fprintf(out, "%*s", (int)indent, "");
		}
		print_pairs(out, m, row[i].it, opt, indent);
	}
}

static void print_terse(FILE *out, const struct menu *m, const struct print_row *row, unsigned count,
			const struct print_opt *opt)
{
	const struct prop *comment = prop_named(m, "comment");

	for (unsigned i = 0; i < count; i++) {
		char field[4], pair[VALUE_MAX + 64];

		flag_field(m, row[i].it, false, field);
		(void)fprintf(out, "%2u %s%s", row[i].number, field, m->flag_columns ? " " : "");
		if (comment && row[i].it->comment[0]) {
			(void)pair_text(comment, row[i].it, opt, pair, sizeof(pair));
			(void)fputs(pair, out);
		}
		print_pairs(out, m, row[i].it, opt, 0);
	}
}

/* Columns of `brief`: their properties and widths. */
struct columns {
	unsigned count, width[32];
	const struct prop *prop[32];
};

static void choose_columns(struct columns *c, const struct menu *m, const struct print_row *row, unsigned count,
			   const struct print_opt *opt, unsigned used)
{
	unsigned fill = opt->fill ? opt->fill : opt->width - 1;

	c->count = 0;
	for (unsigned i = 0; i < m->count && c->count < ARRAY_SIZE(c->prop); i++) {
		const struct prop *p = &m->prop[i];
		unsigned width = (unsigned)strlen(p->name);

		if (!(p->flags & (opt->stats ? PF_STATS | PF_SELECTOR : PF_BRIEF)))
			continue;
		for (unsigned r = 0; r < count; r++) {
			char value[VALUE_MAX];

			cell_text(p, row[r].it, opt, value, sizeof(value));
			width = MAX(width, (unsigned)strlen(value));
		}
		c->prop[c->count] = p;
		c->width[c->count++] = width;
		used += width + 1;
	}
	/* The first column takes what the line has left; behind the last one stands no blank. */
	if (c->count && used - 1 < fill)
		c->width[0] += fill - (used - 1);
}

static void upper(char *to, const char *from)
{
	for (; *from; from++)
		*to++ = *from >= 'a' && *from <= 'z' ? (char)(*from - 'a' + 'A') : *from;
	*to = '\0';
}

static void print_cell(FILE *out, const struct columns *c, unsigned i, const char *text)
{
	if (i + 1 < c->count)
		(void)fprintf(out, "%-*s ", (int)c->width[i], text);
	else
		(void)fprintf(out, "%s\n", text);
}

static void print_columns(FILE *out, const struct menu *m, const struct print_row *row, unsigned count,
			  const struct print_opt *opt)
{
	unsigned width = number_width(row, count);
	unsigned indent = width + 1 + (m->flag_columns ? m->flag_columns + 1 : 0);
	struct columns c;

	choose_columns(&c, m, row, count, opt, indent);
	print_legend(out, m, false);
	(void)fprintf(out, "%*s%*s", (int)width, "#", (int)(indent - width), "");
	for (unsigned i = 0; i < c.count; i++) {
		char name[64];

		upper(name, c.prop[i]->name);
		print_cell(out, &c, i, name);
	}
	for (unsigned r = 0; r < count; r++) {
		char field[4];

		flag_field(m, row[r].it, false, field);
		(void)fprintf(out, "%*u %s%s", (int)width, row[r].number, field, m->flag_columns ? " " : "");
		for (unsigned i = 0; i < c.count; i++) {
			char value[VALUE_MAX];

			cell_text(c.prop[i], row[r].it, opt, value, sizeof(value));
			print_cell(out, &c, i, value);
		}
	}
}

static unsigned name_width(const struct menu *m)
{
	unsigned width = 0;

	for (unsigned i = 0; i < m->count; i++)
		width = MAX(width, (unsigned)strlen(m->prop[i].name));
	return width;
}

static void print_value_list(FILE *out, const struct menu *m, const struct print_row *row, unsigned count,
			     const struct print_opt *opt)
{
	unsigned *width = calloc(count + 1, sizeof(*width));

	for (int pass = 0; width && pass < 2; pass++)
		for (unsigned i = 0; i < m->count; i++) {
			const struct prop *p = &m->prop[i];

			if (p->flags & (opt->stats ? 0 : PF_STATS | PF_DETAIL))
				continue;
			if (pass)
				(void)fprintf(out, "%*s:", (int)name_width(m), p->name);
			for (unsigned r = 0; r < count; r++) {
				char value[VALUE_MAX];

				cell_text(p, row[r].it, opt, value, sizeof(value));
				width[r] = MAX(width[r], (unsigned)strlen(value));
				if (pass)
					(void)fprintf(out, " %-*s", (int)width[r], value);
			}
			if (pass)
				(void)fputc('\n', out);
		}
	free(width);
}

/* Strings that are not UTF-8 are shown with escapes. */
static json_t *json_text(const char *s)
{
	char quoted[VALUE_MAX];
	json_t *j = json_string(s);

	if (j)
		return j;
	val_quote(quoted, sizeof(quoted), s);
	return json_string(quoted);
}

static json_t *json_value(const struct prop *p, const struct conf_item *it, const struct print_opt *opt)
{
	char value[VALUE_MAX];
	char *end;
	int64_t v;

	print_value(p, it, opt->show_sensitive, value, sizeof(value));
	if (p->type == PT_BOOL)
		return json_boolean(strcmp(value, "yes") == 0);
	if (p->type == PT_INT || p->type == PT_COUNT) {
		v = strtoll(value, &end, 10);
		if (*value && !*end)
			return json_integer(v);
	}
	return json_text(value);
}

/* row NULL: a singleton, which has no number. */
static json_t *json_item(enum menu_id menu, const struct conf_item *it, const struct print_row *row,
			 const struct print_opt *opt)
{
	const struct menu *m = &menus[menu];
	struct print_opt all = *opt;
	json_t *o = json_object(), *flags = json_array();
	unsigned have = conf_flags(it);
	char id[16];

	if (row) {
		(void)snprintf(id, sizeof(id), "*%" PRIX32, it->id);
		(void)json_object_set_new(o, ".id", json_string(id));
		(void)json_object_set_new(o, "number", json_integer(row->number));
	}
	all.style = PRINT_JSON;
	for (unsigned i = 0; i < ARRAY_SIZE(m->flag) && m->flag[i].letter; i++)
		if (have & m->flag[i].bit)
			(void)json_array_append_new(flags, json_string(flag_text(&m->flag[i])));
	if (m->flag[0].letter)
		(void)json_object_set_new(o, "flags", flags);
	else
		json_decref(flags);
	if (have & ITEM_INACTIVE)
		(void)json_object_set_new(o, "reason", json_text(it->reason));
	for (unsigned i = 0; i < m->count; i++)
		if (wanted(&m->prop[i], it, &all))
			(void)json_object_set_new(o, m->prop[i].name, json_value(&m->prop[i], it, opt));
	return o;
}

static void dump_json(FILE *out, json_t *j)
{
	(void)json_dumpf(j, out, JSON_INDENT(2));
	(void)fputc('\n', out);
	json_decref(j);
}

static void print_json(FILE *out, enum menu_id menu, const struct print_row *row, unsigned count,
		       const struct print_opt *opt)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		(void)json_array_append_new(list, json_item(menu, row[i].it, &row[i], opt));
	dump_json(out, list);
}

void print_items(FILE *out, enum menu_id menu, const struct print_row *row, unsigned count, const struct print_opt *opt)
{
	const struct menu *m = &menus[menu];

	switch (opt->style) {
	case PRINT_COUNT:
		(void)fprintf(out, "%u\n", count);
		break;
	case PRINT_JSON:
		print_json(out, menu, row, count, opt);
		break;
	case PRINT_BRIEF:
		print_columns(out, m, row, count, opt);
		break;
	case PRINT_TERSE:
		print_terse(out, m, row, count, opt);
		break;
	case PRINT_VALUE_LIST:
		print_value_list(out, m, row, count, opt);
		break;
	default:
		print_properties(out, m, row, count, opt);
	}
}

void print_singleton(FILE *out, enum menu_id menu, const struct conf_item *it, const struct print_opt *opt)
{
	const struct menu *m = &menus[menu];

	if (opt->style == PRINT_JSON) {
		dump_json(out, json_item(menu, it, NULL, opt));
		return;
	}
	for (unsigned i = 0; i < m->count; i++) {
		char value[VALUE_MAX];

		print_value(&m->prop[i], it, opt->show_sensitive, value, sizeof(value));
		(void)fprintf(out, "%*s: %s\n", (int)name_width(m) + 2, m->prop[i].name, value);
	}
}
