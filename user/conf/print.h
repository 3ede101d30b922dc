/* SPDX-License-Identifier: BSD-2-Clause */
/* Printing items in the styles of spec section 3.4, JSON, and as an export script (spec section 3.7). */
#ifndef CONF_PRINT_H
#define CONF_PRINT_H

#include <stdio.h>

#include "user/conf/conf.h"

enum print_style { PRINT_DEFAULT, PRINT_DETAIL, PRINT_BRIEF, PRINT_TERSE, PRINT_VALUE_LIST, PRINT_COUNT, PRINT_JSON };

struct print_opt {
	enum print_style style;
	bool stats;	     /* policy: counters in place of the rest */
	bool show_sensitive; /* keys in clear */
	unsigned width;	     /* columns of the terminal, 80 when unknown */
	unsigned fill;	     /* brief: columns that a line takes up, 0 = width - 1 */
};

/* One line to print: an item and the number it is called by. */
struct print_row {
	const struct conf_item *it;
	unsigned number;
};

/* What a sensitive value looks like unless asked for. */
#define PRINT_MASK "*****"

void print_items(FILE *out, enum menu_id menu, const struct print_row *row, unsigned count,
		 const struct print_opt *opt);
void print_singleton(FILE *out, enum menu_id menu, const struct conf_item *it, const struct print_opt *opt);

/* Text of one property, for callers that make lines of their own. */
void print_value(const struct prop *p, const struct conf_item *it, bool show_sensitive, char *buf, size_t size);

struct export_opt {
	bool compact;	     /* only what has not its default value */
	bool short_policies; /* the same, of policies alone: there may be many, and their defaults are the specification's */
	bool hide_sensitive; /* leave keys out */
	bool header;
};

/* menu MENU_MAX: all of them. */
void export_conf(FILE *out, const struct conf *c, enum menu_id menu, const struct export_opt *opt);

#endif
