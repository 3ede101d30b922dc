/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of the configuration language: the classes of spec section 1 with the texts of spec section 3.8. The first failure
 * of a command is kept; functions that set one return -EINVAL.
 */
#ifndef CONF_CERR_H
#define CONF_CERR_H

#include "user/base/util.h"

enum conf_class {
	CONF_OK,
	CONF_E_CMD,
	CONF_E_END,
	CONF_E_SYNTAX,
	CONF_E_ENUM,
	CONF_E_AMBIG,
	CONF_E_RANGE,
	CONF_E_VALUE,
	CONF_E_MISS,
	CONF_E_ITEM,
	CONF_E_FAIL,
	CONF_E_SYSTEM, /* not of the spec's list: a file, a map, the kernel */
};

struct conf_err {
	enum conf_class class;
	unsigned line, col; /* where in the script; 0 = not known */
	char text[600];
	char hint[640]; /* a second line for a person at a terminal, where the spec fixes the text; "" = none */
};

/* Sets class and text unless one is set already; returns -EINVAL. */
int conf_fail(struct conf_err *e, enum conf_class class, const char *fmt, ...) __printf(3, 4);

/* E-CMD, E-END, syntax: texts that carry their place; behind the spec's text of E-END stands the word. */
int conf_fail_at(struct conf_err *e, enum conf_class class, const char *word, unsigned line, unsigned col);

/* Is the text one that says where it happened? */
int conf_err_has_place(const struct conf_err *e);

#endif
