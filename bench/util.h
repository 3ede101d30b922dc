/* SPDX-License-Identifier: BSD-2-Clause */
/* Small things the programs of bench/ share: all of them are short tools that end with a sentence when something fails. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

/* The rest of libbpf's talk goes nowhere: what fails is said by die(). */
static inline int libbpf_warnings(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static inline void parse_mac(uint8_t mac[6], const char *s)
{
	unsigned b[6];
	char rest;

	if (sscanf(s, "%x:%x:%x:%x:%x:%x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &rest) != 6)
		die("\"%s\" is not a MAC address", s);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

static inline unsigned ifindex_of(const char *name)
{
	unsigned i = if_nametoindex(name);

	if (!i)
		die("no interface \"%s\" in this network namespace", name);
	return i;
}

static inline void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static volatile sig_atomic_t stopped;

static inline void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* SIGTERM and SIGINT interrupt the system call at hand and set `stopped`. */
static inline void stop_on_signals(void)
{
	struct sigaction sa = {.sa_handler = on_stop};

	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
}

#endif
