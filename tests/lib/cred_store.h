/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder of certificates and keys of a test's own, as the daemon finds it (user/conf/cred_files.h). Header only, after cmocka.h. */
#ifndef LIB_CRED_STORE_H
#define LIB_CRED_STORE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ike/cred/cred.h"
#include "user/conf/cred_files.h"

static struct paths paths;
static char cred_store[32];

static inline void cred_store_make(void)
{
	(void)snprintf(cred_store, sizeof(cred_store), "/tmp/xi-cred.XXXXXX");
	assert_non_null(mkdtemp(cred_store));
	memset(&paths, 0, sizeof(paths));
	(void)snprintf(paths.conf_dir, sizeof(paths.conf_dir), "%s/etc", cred_store);
}

static inline int cred_store_remove(void)
{
	char cmd[64];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", cred_store);
	return system(cmd);
}

/* f under `name`; priv: its private key, or NULL. */
static inline void cred_store_add(enum cred_kind kind, const char *name, struct cred_file f, EVP_PKEY *priv)
{
	struct err e;

	(void)str_copy(f.name, sizeof(f.name), name);
	if (cred_write(&paths, kind, &f, priv, &e))
		fail_msg("%s", e.text);
}

static inline struct cred *cred_store_load(void)
{
	struct err e = {0};
	struct cred *c = NULL;
	int fd = cred_open_public(&paths, &e);

	if (fd < 0 || cred_load(&c, fd, &e))
		fail_msg("%s", e.text);
	close(fd);
	return c;
}

#endif
