/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sentence an operator reads when something failed. Functions that can fail for reasons an operator can mend take
 * a struct err and set it once, where the most is known; they return a negative errno. Only main() makes an exit code
 * of it. A NULL err is allowed: the text is then not kept.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "user/base/util.h"

struct err {
	char text[512];
};

/* Sets the text, returns rc: `return err_set(e, -ENOENT, "no interface %s", name);` */
int err_set(struct err *e, int rc, const char *fmt, ...) __printf(3, 4);

#endif
