/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sandbox for tests that touch the kernel: mount and network namespaces of the process's own, a fresh bpffs, /run and
 * /sys in it. Everything vanishes with the process. Include in one .c of a test program.
 */
#ifndef TESTS_SANDBOX_H
#define TESTS_SANDBOX_H

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/maps/maps.h"

static inline void sandbox_must(int rc, const char *what)
{
	if (rc == 0)
		return;
	perror(what);
	exit(1);
}

static inline void sandbox_enter(void)
{
	sandbox_must(unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare");
	sandbox_must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount private");
	sandbox_must(mount("sysfs", "/sys", "sysfs", 0, NULL), "mount /sys");
	sandbox_must(mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"), "mount bpffs");
	sandbox_must(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), "mount /run");
}

/* The maps of instance "test", made when there are none. */
static inline struct maps *sandbox_maps(unsigned sad_max, unsigned spd_max)
{
	struct paths p;
	struct maps *m = NULL;
	struct err e = {""};

	if (paths_init(&p, "test", XI_ABI_VERSION, &e) || maps_open_or_create(&m, &p, sad_max, spd_max, &e)) {
		(void)fprintf(stderr, "# %s\n", e.text);
		fail();
	}
	return m;
}

/* Asserts rc == 0 and shows the text of e otherwise. */
#define assert_ok(rc, e)                                                                                               \
	do {                                                                                                           \
		int rc_ = (rc);                                                                                        \
		if (rc_)                                                                                               \
			print_error("%s:%d: %d: %s\n", __FILE__, __LINE__, rc_, (e)->text);                            \
		assert_int_equal(rc_, 0);                                                                              \
	} while (0)

/* An IPv4 address in struct xi_addr. */
static inline struct xi_addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct xi_addr x = {{0}};
	uint8_t bytes[4] = {a, b, c, d};

	memcpy(&x.w[0], bytes, 4);
	return x;
}

#endif
