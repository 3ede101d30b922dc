/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/cerr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Words of files and pipes stand in it, and it goes to a terminal. */
static void printable(char *c)
{
	for (; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f)
			*c = '?';
}

int conf_fail(struct conf_err *e, enum conf_class class, const char *fmt, ...)
{
	va_list ap;

	if (e->class != CONF_OK)
		return -EINVAL;
	e->class = class;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap); /* a cut sentence still says what it is about */
	va_end(ap);
	printable(e->text);
	printable(e->hint);
	return -EINVAL;
}

int conf_fail_at(struct conf_err *e, enum conf_class class, const char *word, unsigned line, unsigned col)
{
	if (e->class == CONF_OK) {
		e->line = line;
		e->col = col;
	}
	switch (class) {
	case CONF_E_CMD:
		return conf_fail(e, class, "bad command name %s (line %u column %u)", word, line, col);
	case CONF_E_END:
		return conf_fail(e, class, "expected end of command (line %u column %u) - no \"%.40s\" here", line, col,
				 word);
	default:
		return conf_fail(e, CONF_E_SYNTAX, "syntax error (line %u column %u)", line, col);
	}
}

int conf_err_has_place(const struct conf_err *e)
{
	return e->class == CONF_E_CMD || e->class == CONF_E_END || e->class == CONF_E_SYNTAX;
}
