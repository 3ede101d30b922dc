/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diffie-Hellman on libuv's thread pool. That takes one job after the other: as many of 8192 bits as it has threads, and the handshakes of all other peers would
 * wait for them (spec section 2). So one thread is left to jobs that are not slow; slow ones beyond the others wait here, in order.
 */
#include <stdlib.h>

#include "ike/daemon/daemon.h"

#define SLOW_MAX 3 /* of the four threads that libuv has by default */

struct work {
	uv_work_t req;
	struct daemon *d;
	struct ike_job *job;
	struct work *next;
};

/* A process has one pool. last is valid while there are some. */
static struct {
	unsigned running;
	struct work *first, **last;
} slow;

static void run(uv_work_t *req)
{
	struct ike_job *job = ((struct work *)req)->job;

	job->run(job);
}

static void submit(struct work *w);

static void done(uv_work_t *req, int status)
{
	struct work *w = (struct work *)req, *next;
	struct ike_job *job = w->job;
	struct daemon *d = w->d;

	(void)status;
	free(w);
	if (job->slow) {
		slow.running--;
		next = slow.first;
		if (next) {
			slow.first = next->next;
			submit(next);
		}
	}
	job->done(job);
	daemon_rearm(d);
}

static void submit(struct work *w)
{
	slow.running += w->job->slow;
	(void)uv_queue_work(&w->d->loop, &w->req, run, done); /* fails only without a function */
}

/* Without memory it is done at once, on the loop. */
void work_start(struct daemon *d, struct ike_job *job)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w) {
		job->run(job);
		job->done(job);
		return;
	}
	w->d = d;
	w->job = job;
	if (!job->slow || slow.running < SLOW_MAX) {
		submit(w);
		return;
	}
	*(slow.first ? slow.last : &slow.first) = w;
	slow.last = &w->next;
}
