/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that a command writes for the operator (export, print, a key): written beside and put in place when it is whole, so that a full disk or a kill
 * leaves what was there. What is no regular file (a terminal, a pipe, /dev/stdout) is written to as it is.
 */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "user/conf/cerr.h"

struct outfile {
	FILE *f;
	char path[PATH_MAX];	 /* as it is to be called; behind symbolic links */
	char tmp[PATH_MAX + 16]; /* empty: written in place */
	mode_t mode;
};

/* o->f to write to; -EINVAL with an error. A file that is made has the mode, whatever the umask. */
int outfile_open(struct outfile *o, const char *path, mode_t mode, struct conf_err *e) __must_check;

/* Puts it in place; when that, or the writing, failed, or `failed` says so, it is as if nothing had been written. */
int outfile_close(struct outfile *o, bool failed, struct conf_err *e) __must_check;

#endif
