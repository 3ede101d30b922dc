/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file paths.conf: an export script, 0600, whose writer holds a lock beside it. Comment lines (`# ids ...`) keep the
 * internal ids of the items; without them they are counted from 1. The first line says that there is one `# end`: a file that lost it is
 * damaged. A file by hand, or of export, has neither line and needs none.
 */
#ifndef CONF_STORE_H
#define CONF_STORE_H

#include "user/base/path.h"
#include "user/conf/conf.h"

struct store {
	const struct paths *paths;
	int lock; /* -1 = not held */
	char tmp[PATH_LEN + 8];
	bool prepared; /* tmp is complete and on the disk */
};

/* Makes the folder and waits for the lock, at least a second; -ETIMEDOUT: somebody else has it, and the text says who. */
int store_lock(struct store *s, const struct paths *p, unsigned wait_s, struct conf_err *e) __must_check;
void store_unlock(struct store *s);

/* Is there no file? Then store_load() gives an empty configuration. */
bool store_missing(const struct paths *p);

/*
 * Reads the file into *c (conf_init()ed by it). No file: an empty configuration. A damaged file: one sentence with line and
 * column, -EINVAL. Needs no lock: the file is replaced as a whole.
 */
int store_load(const struct paths *p, struct conf *c, struct conf_err *e) __must_check;
/* The same from an open descriptor, from its beginning, which stays open: for xdp-iked, which gets one with each reload (user/base/ikesock.h). */
int store_load_fd(const struct paths *p, int fd, struct conf *c, struct conf_err *e) __must_check;

/* Writes *c beside the file and syncs it; store_commit() puts it in place, store_abort() removes it. */
int store_prepare(struct store *s, const struct conf *c, struct conf_err *e) __must_check;
int store_commit(struct store *s, struct conf_err *e) __must_check;
void store_abort(struct store *s);

/* The whole of a file, or of standard input for "-", terminated; NULL with an error. The caller wipes and frees. */
char *store_read_file(const char *path, size_t *len, struct conf_err *e) __must_check;

#endif
