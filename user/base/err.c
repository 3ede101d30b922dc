/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return rc;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap); /* a cut sentence still says what it is about */
	va_end(ap);
	return rc;
}
