/* SPDX-License-Identifier: BSD-2-Clause */
/* A network namespace of the test's own, for tests that need interfaces. It vanishes with the process. */
#ifndef TESTS_NETNS_H
#define TESTS_NETNS_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Moves the process into a new network namespace with lo up. */
static inline int netns_enter(void)
{
	return unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0 ? -1 : 0;
}

/* Runs a shell command; 0 when it succeeded. */
__attribute__((format(printf, 1, 2))) static inline int sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

#endif
