/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes the policies of an instance without a pause, as many times a second as it is told, so that what its first policy protects is
 * protected by every version: others come and go around it, one above it takes its packets over, it is itself replaced by its equal.
 *
 *   changer INSTANCE RATE
 *
 * Says "ready"; at SIGTERM it puts the policies back, says how many changes it made, "changes N", and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "user/maps/maps.h"

static struct maps *m;
static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void must(int rc, const struct err *e)
{
	if (rc) {
		(void)fprintf(stderr, "changer: %s\n", e->text);
		exit(1);
	}
}

static uint32_t add(const struct xi_policy *p)
{
	struct err e = {""};
	uint32_t slot;

	must(spd_add(m, p, &slot, &e), &e);
	return slot;
}

/* Of networks that no packet of the test has. */
static uint32_t add_other(uint8_t action, int32_t priority)
{
	struct xi_policy p = {.action = action, .priority = priority, .id = 1000, .position = 1000};

	p.sel = (struct xi_selector){.family = XI_IP4, .src_len = 16, .dst_len = 16};
	p.sel.src.w[0] = htonl(0x0a370000);
	p.sel.dst.w[0] = htonl(0x0a380000);
	return add(&p);
}

static void drop(uint32_t slot)
{
	(void)spd_del(m, slot); /* it is there: nobody else changes them */
}

struct lists {
	uint32_t first, above, discard, none;
};

/* One slot for another that says the same, with the same SAs. */
static void replace_first(struct lists *l)
{
	struct xi_policy p = m->spd[l->first];

	drop(l->first);
	l->first = add(&p);
}

static void add_above(struct lists *l)
{
	struct xi_policy p = m->spd[l->first];

	p.priority += 5;
	p.sel.dst_len = 16;
	p.id = 1001;
	l->above = add(&p);
}

#define STEPS 8 /* behind the last one everything is as before the first */

static void change(struct lists *l, unsigned step)
{
	switch (step) {
	case 0:
		l->discard = add_other(XI_ACTION_DISCARD, 10);
		break;
	case 1:
		add_above(l);
		break;
	case 2:
	case 5:
		replace_first(l);
		break;
	case 3:
		(void)spd_move(m, l->discard, -10, 0); /* as drop() */
		break;
	case 4:
		drop(l->above);
		break;
	case 6:
		l->none = add_other(XI_ACTION_NONE, 0);
		break;
	default:
		drop(l->discard);
		drop(l->none);
	}
}

static uint32_t first_policy(void)
{
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		if (m->spd[s].gen)
			return s;
	(void)fputs("changer: there is no policy\n", stderr);
	exit(1);
}

int main(int argc, char **argv)
{
	long rate = argc == 3 ? strtol(argv[2], NULL, 10) : 0, n = 0;
	struct lists l = {0};
	struct err e = {""};
	struct timespec at;
	struct paths p;

	if (rate <= 0)
		return 2;
	must(paths_init(&p, argv[1], XI_ABI_VERSION, &e), &e);
	must(maps_open(&m, &p, &e), &e);
	(void)signal(SIGTERM, on_term);
	l.first = first_policy();
	(void)puts("ready");
	(void)fflush(stdout);
	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	for (; !stop || n % STEPS; n++) {
		must(spd_lock(m, &e), &e);
		change(&l, (unsigned)(n % STEPS));
		must(spd_commit(m, &e), &e);
		spd_unlock(m);
		at.tv_nsec += 1000000000 / rate;
		at.tv_sec += at.tv_nsec / 1000000000;
		at.tv_nsec %= 1000000000;
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); /* a signal only makes it faster */
	}
	(void)printf("changes %ld\n", n);
	maps_close(m);
	return 0;
}
