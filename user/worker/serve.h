/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread of xdp-ipsecd: owns maps, routes, workers and the control socket, moves no packet. */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include <jansson.h>
#include <signal.h>

#include "user/worker/events.h"
#include "user/worker/natt.h"
#include "user/worker/worker.h"

#define REFUSED_MAX 200 /* all of them fit into one answer of the control socket */

struct serve_conf {
	const char *instance;
	const char *log_file; /* NULL = stderr only */
	int debug;
	unsigned workers; /* 0 = as many as the host has CPUs, at most 16 */
	unsigned frames;  /* of each worker */
	unsigned sad_max, spd_max;
	int cpus[XI_WORKER_MAX]; /* CPU of each worker */
	unsigned ncpus;		 /* 0 = the allowed CPUs in turn */
};

#define GONE (-1)

struct serve {
	const struct serve_conf *conf;
	struct paths paths;
	struct maps *maps;
	struct rt *rt;
	struct natt *natt;
	struct events *events;
	int epoll; /* of the main thread */
	struct worker *worker;
	struct frags *frags; /* shared by them */
	unsigned workers;    /* initialised */
	unsigned running;    /* threads started */
	size_t memory;	     /* bytes allocated at start */
	unsigned ticks;	     /* seconds that it runs */
	int guard;	     /* attach_guard() */
	int came_back
		[XI_IF_MAX]; /* ifindex of an interface that has the name of an attached one; GONE: that one is gone */
	int again_fd;	     /* again.c */
	int lock_fd;	     /* one data plane an instance */
	int ctl_fd;	     /* listening control socket */
	int ctl_shut;	     /* nobody is let in before the next tick */
	uint8_t wanted[XI_IF_MAX];			/* slots to be served */
	uint32_t open[XI_IF_MAX], zero_copy[XI_IF_MAX]; /* bit q: a socket on queue q, in zero-copy mode */
	uint32_t sg[XI_IF_MAX];				/* likewise: a packet may come in several frames */
	unsigned spread;				/* workers that the internal pair's queues are spread over */
	unsigned peak[XI_WORKER_MAX];			/* most frames that a ring of this worker may have taken */
	char refused[XI_IF_MAX][REFUSED_MAX]; /* why a slot that is wanted is not served, or only in part; "" = it is */
};

/* Runs until SIGTERM or SIGINT. 0, or a negative errno with the reason in e. */
int serve(const struct serve_conf *conf, struct err *e) __must_check;
/* Counts what sockets and the internal pair have lost since the last time. */
void serve_count_lost(struct serve *sv);

/*
 * again.c: a process that attaches again what the configuration has attached and is not. again_open(): before any thread, with all capabilities; the
 * descriptor to ask by, which ends it when closed, or -errno. again_ask(): 0 or -errno; does not wait, the log says what becomes of it.
 */
int again_open(const char *instance, struct err *e) __must_check;
int again_ask(int fd) __must_check;

/* control.c: answers one request of the control socket. Returns the reply (a new reference). */
int control_listen(struct serve *sv, struct err *e) __must_check;
json_t *control_request(struct serve *sv, const char *text, size_t len);
void control_accept(struct serve *sv);
/* Every second: who could not be let in is. */
void control_tick(struct serve *sv);
/* A subscriber has something to say, or is gone. */
void control_subscriber(struct serve *sv, int fd);

/* dump.c: writes the policies in force to the log (spec 7.2). How many, or -1: out of memory. */
int dump_policies(const struct maps *m);

/* sockets.c: opening and closing the sockets of an interface slot on all workers that serve one of its queues. */
int sockets_attach(struct serve *sv, unsigned slot, struct err *e) __must_check;
void sockets_detach(struct serve *sv, unsigned slot);
unsigned sockets_open(const struct serve *sv, unsigned slot); /* how many */
/* Notes the new MTU of an interface and says when packets of that size cannot be received. */
void sockets_mtu(struct serve *sv, unsigned slot, uint32_t mtu);
int sockets_attach_all(struct serve *sv, struct err *e) __must_check;
/* No packet comes to any socket any more: before the workers end. */
void sockets_steer_away(struct serve *sv);

#endif
