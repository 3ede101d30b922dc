/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others want to hear of the data plane: an SA's limits, a peer behind NAT that has moved, a packet that needs an SA. Workers
 * and the main thread give notice, subscribers of data.sock get JSON objects (user/base/datasock.h). Nobody waits: a worker whose
 * ring is full and a subscriber that does not read lose events, which are counted.
 */
#ifndef WORKER_EVENTS_H
#define WORKER_EVENTS_H

#include <jansson.h>

#include "user/maps/maps.h"

enum event_kind {
	EVENT_SA_SOFT,	   /* soft limit passed: time to rekey (spec 14.2) */
	EVENT_SA_HARD,	   /* hard limit: the SA is dead */
	EVENT_SA_SEQUENCE, /* half of the sequence numbers are used */
	EVENT_NATT,	   /* authentic packets of an inbound SA come from another address or port (RFC 3948) */
	EVENT_ACQUIRE,	   /* a packet matches a policy that has no SA (spec 13.3 step 6) */
	EVENT_DROP,	   /* a worker dropped a packet, and somebody listens to that */
	EVENT_KINDS
};

struct event {
	uint8_t kind; /* enum event_kind */
	uint8_t family;
	__be16 port;	       /* EVENT_NATT: where the peer is now */
	uint32_t slot, gen;    /* the SA; EVENT_ACQUIRE: the policy */
	struct xi_addr addr;   /* EVENT_NATT */
	struct xi_tuple t;     /* EVENT_ACQUIRE: the packet */
	struct xi_sample drop; /* EVENT_DROP */
	const char *why;       /* EVENT_SA_*: a constant, "time", "bytes" or "packets"; NULL = not said */
};

struct events;

int events_open(struct events **out, struct maps *m, unsigned workers, struct err *e) __must_check;
void events_close(struct events *ev); /* NULL allowed */

/* Worker `worker` only: 0, or -ENOBUFS and it is counted. Wakes the main thread when it may be asleep. */
int events_post(struct events *ev, unsigned worker, const struct event *what);

/*
 * Worker `worker` only: a packet that it has dropped, if its budget of samples (XI_SAMPLE_BURST a second) allows; else it is counted. To be
 * called only while xi_meta.drops says that somebody listens.
 */
void events_drop(struct events *ev, unsigned worker, const struct xi_sample *s);

/* --- main thread --- */
/* Readable: the programs have dropped packets; events_drain_drops(). */
int events_drops_fd(const struct events *ev);
void events_drain_drops(struct events *ev);
/* Every second: says how many dropped packets were left out. */
void events_tick(struct events *ev);
int events_fd(const struct events *ev); /* readable: events_drain() */
void events_drain(struct events *ev);
void events_publish(struct events *ev, const struct event *what);
/* Takes the connection over, if there is room: 0 or -ENOSPC. acquires: it answers EVENT_ACQUIRE with SAs; drops: it
 * wants dropped packets and nothing else. */
int events_subscribe(struct events *ev, int fd, int acquires, int drops) __must_check;
int events_has(const struct events *ev, int fd);
/* Closes it and forgets it. */
void events_unsubscribe(struct events *ev, int fd);
/* Of all time: what rings and subscribers lost. */
uint64_t events_lost(const struct events *ev);

#endif
