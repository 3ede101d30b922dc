/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings from the workers, connections to the subscribers, and the words for what happened (see events.h). */
#include "user/worker/events.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/datasock.h"
#include "user/conf/conf.h"

#define RING 256 /* a power of two */
#define SUBSCRIBERS 16

/* One producer (a worker), one consumer (the main thread). */
struct ring {
	uint32_t head __attribute__((aligned(64))); /* worker */
	uint64_t lost;
	uint64_t left_out;  /* dropped packets without a sample */
	uint64_t earned_at; /* CLOCK_BOOTTIME */
	uint32_t tokens;
	uint32_t tail __attribute__((aligned(64))); /* main */
	struct event event[RING];
};

struct subscriber {
	int fd; /* -1 = none */
	int acquires;
	int drops; /* it wants those, and nothing else */
};

struct events {
	struct maps *m;
	unsigned workers;
	int wake;	   /* eventfd */
	struct ring *ring; /* [workers] */
	struct subscriber sub[SUBSCRIBERS];
	uint64_t lost;
	struct ring_buffer *drops; /* xi_drops */
	uint64_t drops_said;	   /* left out, up to the last time that it was said */
};

static int on_sample(void *ctx, void *data, size_t size)
{
	struct event what = {.kind = EVENT_DROP};

	if (size == sizeof(what.drop)) {
		memcpy(&what.drop, data, size);
		events_publish(ctx, &what);
	}
	return 0;
}

int events_open(struct events **out, struct maps *m, unsigned workers, struct err *e)
{
	struct events *ev = calloc(1, sizeof(*ev));

	*out = NULL;
	if (!ev)
		return err_set(e, -ENOMEM, "out of memory");
	ev->m = m;
	ev->workers = workers;
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		ev->sub[i].fd = -1;
	ev->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ev->ring = aligned_alloc(64, workers * sizeof(*ev->ring));
	ev->drops = ring_buffer__new(m->fd[MAP_DROPS], on_sample, ev, NULL);
	if (ev->wake < 0 || !ev->ring || !ev->drops) {
		events_close(ev);
		return err_set(e, -ENOMEM, "no memory for events");
	}
	memset(ev->ring, 0, workers * sizeof(*ev->ring));
	__atomic_store_n(&m->meta->acquire, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&m->meta->drops, 0, __ATOMIC_RELEASE);
	*out = ev;
	return 0;
}

void events_close(struct events *ev)
{
	if (!ev)
		return;
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		if (ev->sub[i].fd >= 0)
			close(ev->sub[i].fd);
	__atomic_store_n(&ev->m->meta->acquire, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&ev->m->meta->drops, 0, __ATOMIC_RELEASE);
	ring_buffer__free(ev->drops);
	if (ev->wake >= 0)
		close(ev->wake);
	free(ev->ring);
	free(ev);
}

int events_post(struct events *ev, unsigned worker, const struct event *what)
{
	struct ring *r = &ev->ring[worker];
	const uint64_t one = 1;

	if (r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == RING) {
		r->lost++;
		return -ENOBUFS;
	}
	r->event[r->head % RING] = *what;
	__atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
	if (write(ev->wake, &one, sizeof(one)) < 0)
		return 0; /* the counter is full: the main thread is awake anyway */
	return 0;
}

void events_drop(struct events *ev, unsigned worker, const struct xi_sample *s)
{
	struct ring *r = &ev->ring[worker];
	struct event what = {.kind = EVENT_DROP, .drop = *s};

	if (s->ns - r->earned_at >= NS_PER_S) {
		r->earned_at = s->ns;
		r->tokens = XI_SAMPLE_BURST;
	}
	if (r->tokens && events_post(ev, worker, &what) == 0)
		r->tokens--;
	else
		__atomic_store_n(&r->left_out, r->left_out + 1, __ATOMIC_RELAXED);
}

int events_drops_fd(const struct events *ev)
{
	return ring_buffer__epoll_fd(ev->drops);
}

void events_drain_drops(struct events *ev)
{
	(void)ring_buffer__consume(ev->drops);
}

int events_fd(const struct events *ev)
{
	return ev->wake;
}

void events_drain(struct events *ev)
{
	uint64_t n;

	if (read(ev->wake, &n, sizeof(n)) < 0) {
		/* woken by something else before the count was written */
	}
	for (unsigned w = 0; w < ev->workers; w++) {
		struct ring *r = &ev->ring[w];

		while (r->tail != __atomic_load_n(&r->head, __ATOMIC_ACQUIRE)) {
			struct event copy = r->event[r->tail % RING];

			__atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
			events_publish(ev, &copy);
		}
	}
}

/* --- words --- */

static void addr_text(char *buf, size_t size, const struct xi_addr *a, unsigned family)
{
	if (!inet_ntop(family == XI_IP4 ? AF_INET : AF_INET6, a, buf, (socklen_t)size))
		(void)snprintf(buf, size, "?");
}

/* As `policy print` shows it: a generated one is known by its generation. */
static void id_text(char *buf, size_t size, const struct xi_policy *p, uint32_t gen)
{
	(void)snprintf(buf, size, "*%X", p->flags & XI_POL_DYNAMIC ? GENERATED_ID | gen : p->id);
}

static json_t *sa_event(const struct events *ev, const struct event *what)
{
	static const char *const name[] = {
		[EVENT_SA_SOFT] = "sa-soft",
		[EVENT_SA_HARD] = "sa-hard",
		[EVENT_SA_SEQUENCE] = "sa-sequence",
		[EVENT_NATT] = "natt-mapping",
	};
	const struct xi_sa *sa = sad_get(ev->m, XI_REF(what->slot, what->gen));
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], spi[16];
	json_t *o;

	if (!sa)
		return NULL; /* gone meanwhile: whoever took it away knows */
	addr_text(src, sizeof(src), &sa->src, sa->family);
	addr_text(dst, sizeof(dst), &sa->dst, sa->family);
	(void)snprintf(spi, sizeof(spi), "0x%X", ntohl(sa->spi));
	o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:b}", "event", name[what->kind], "direction",
		      sa->dir == XI_DIR_IN ? "in" : "out", "protocol", sa->proto == XI_PROTO_AH ? "ah" : "esp", "spi",
		      spi, "src-address", src, "dst-address", dst, "reqid", (int)sa->reqid, "slot", (int)what->slot,
		      "generation", (int)what->gen, "manual", (sa->flags & XI_SA_F_MANUAL) != 0);
	if (o && what->why)
		(void)json_object_set_new(o, "limit", json_string(what->why));
	if (o && what->kind == EVENT_NATT) {
		addr_text(src, sizeof(src), &what->addr, what->family);
		(void)json_object_set_new(o, "address", json_string(src));
		(void)json_object_set_new(o, "port", json_integer(ntohs(what->port)));
	}
	return o;
}

static const char *protos_text(unsigned protos)
{
	return protos == XI_PROTOS_AH ? "ah" : protos == XI_PROTOS_ESP ? "esp" : "ah,esp";
}

static json_t *acquire_event(const struct events *ev, const struct event *what)
{
	const struct xi_policy *p = &ev->m->spd[what->slot];
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], id[16];

	if (__atomic_load_n(&p->gen, __ATOMIC_ACQUIRE) != what->gen)
		return NULL;
	addr_text(src, sizeof(src), &what->t.src, what->t.family);
	addr_text(dst, sizeof(dst), &what->t.dst, what->t.family);
	addr_text(from, sizeof(from), &p->sa_src, p->sa_family);
	addr_text(to, sizeof(to), &p->sa_dst, p->sa_family);
	id_text(id, sizeof(id), p, what->gen);
	return json_pack("{s:s,s:s,s:i,s:i,s:s,s:s,s:i,s:i,s:i,s:s,s:s,s:s,s:s,s:s,s:i}", "event", "acquire", "policy",
			 id, "slot", (int)what->slot, "generation", (int)what->gen, "src-address", src, "dst-address",
			 dst, "protocol", (int)what->t.proto, "src-port", (int)ntohs(what->t.src_port), "dst-port",
			 (int)ntohs(what->t.dst_port), "sa-src-address", from, "sa-dst-address", to, "mode",
			 p->mode == XI_MODE_TUNNEL ? "tunnel" : "transport", "ipsec-protocols", protos_text(p->protos),
			 "level", p->level == XI_LEVEL_UNIQUE ? "unique" : "require", "reqid", (int)p->reqid);
}

/* A moment of CLOCK_BOOTTIME in microseconds since 1970. */
static int64_t wall_us(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - (int64_t)(clock_ns() - ns) / 1000;
}

/* Not said: what is not known. */
static json_t *drop_event(const struct events *ev, const struct event *what)
{
	const struct xi_sample *s = &what->drop;
	const struct xi_policy *p = s->policy < ev->m->meta->spd_max ? &ev->m->spd[s->policy] : NULL;
	const char *counter = reason_counter(s->reason);
	char text[INET6_ADDRSTRLEN];
	json_t *o;

	if (!counter)
		return NULL;
	o = json_pack("{s:s,s:I,s:s,s:s,s:i,s:s,s:i}", "event", "drop", "wall-us", (json_int_t)wall_us(s->ns),
		      "direction", strncmp(counter, "in-", 3) == 0 ? "in" : "out", "counter", counter, "reason",
		      (int)s->reason, "text", reason_text(s->reason), "length", (int)s->len);
	if (if_indextoname(s->ifindex, text))
		(void)json_object_set_new(o, "interface", json_string(text));
	if (p && s->policy_gen && __atomic_load_n(&p->gen, __ATOMIC_ACQUIRE) == s->policy_gen) {
		id_text(text, sizeof(text), p, s->policy_gen);
		(void)json_object_set_new(o, "policy", json_string(text));
	}
	if (s->spi) {
		(void)snprintf(text, sizeof(text), "0x%X", ntohl(s->spi));
		(void)json_object_set_new(o, "spi", json_string(text));
	}
	if (!s->family)
		return o;
	addr_text(text, sizeof(text), &s->src, s->family);
	(void)json_object_set_new(o, "src-address", json_string(text));
	addr_text(text, sizeof(text), &s->dst, s->family);
	(void)json_object_set_new(o, "dst-address", json_string(text));
	if (!(s->flags & XI_TUPLE_NO_PROTO))
		(void)json_object_set_new(o, "protocol", json_integer(s->proto));
	if (s->src_port || s->dst_port) {
		(void)json_object_set_new(o, "src-port", json_integer(ntohs(s->src_port)));
		(void)json_object_set_new(o, "dst-port", json_integer(ntohs(s->dst_port)));
	}
	return o;
}

/* --- subscribers --- */

/* Who listens to drops hears nothing else: a flood of one kind does not push out the other. */
static void send_all(struct events *ev, json_t *o, int acquire, int drop)
{
	char text[DATASOCK_MSG_MAX];
	size_t len = json_dumpb(o, text, sizeof(text), JSON_COMPACT);

	if (!len || len > sizeof(text))
		return;
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		const struct subscriber *s = &ev->sub[i];

		if (s->fd < 0 || (acquire && !s->acquires) || drop != s->drops)
			continue;
		if (send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			ev->lost++; /* one that is gone is noticed by its end of file */
	}
}

void events_publish(struct events *ev, const struct event *what)
{
	json_t *o = what->kind == EVENT_ACQUIRE ? acquire_event(ev, what)
		    : what->kind == EVENT_DROP	? drop_event(ev, what)
						: sa_event(ev, what);

	if (!o)
		return;
	send_all(ev, o, what->kind == EVENT_ACQUIRE, what->kind == EVENT_DROP);
	json_decref(o);
}

static uint64_t left_out(const struct events *ev)
{
	uint64_t n = stats_left_out(ev->m);

	for (unsigned w = 0; w < ev->workers; w++)
		n += __atomic_load_n(&ev->ring[w].left_out, __ATOMIC_RELAXED);
	return n;
}

void events_tick(struct events *ev)
{
	uint64_t n, more;
	json_t *o;

	if (!ev->m->meta->drops)
		return;
	n = left_out(ev);
	more = n - ev->drops_said;
	ev->drops_said = n;
	o = more ? json_pack("{s:s,s:I}", "event", "drops-left-out", "packets", (json_int_t)more) : NULL;
	if (!o)
		return;
	send_all(ev, o, 0, 1);
	json_decref(o);
}

/*
 * What the XDP programs and workers know: is there anybody who makes SAs when they are missed, and anybody who looks at dropped
 * packets? What was dropped before the first one looked is not his.
 */
static void count_listeners(struct events *ev)
{
	uint32_t acquires = 0, drops = 0;

	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		acquires += ev->sub[i].fd >= 0 && ev->sub[i].acquires;
		drops += ev->sub[i].fd >= 0 && ev->sub[i].drops;
	}
	if (drops && !ev->m->meta->drops)
		ev->drops_said = left_out(ev);
	__atomic_store_n(&ev->m->meta->acquire, acquires, __ATOMIC_RELEASE);
	__atomic_store_n(&ev->m->meta->drops, drops, __ATOMIC_RELEASE);
}

/* What was asked before the first one listened he has not heard: the next packet asks again. */
static void forget_acquires(struct events *ev)
{
	for (uint32_t s = 0; s < ev->m->meta->spd_max; s++)
		if (__atomic_load_n(&ev->m->spd[s].acquire_ns, __ATOMIC_RELAXED))
			__atomic_store_n(&ev->m->spd[s].acquire_ns, 0, __ATOMIC_RELEASE);
}

int events_subscribe(struct events *ev, int fd, int acquires, int drops)
{
	if (acquires && !ev->m->meta->acquire)
		forget_acquires(ev);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		if (ev->sub[i].fd < 0) {
			ev->sub[i] = (struct subscriber){fd, acquires, drops};
			count_listeners(ev);
			return 0;
		}
	return -ENOSPC;
}

int events_has(const struct events *ev, int fd)
{
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		if (ev->sub[i].fd == fd)
			return 1;
	return 0;
}

void events_unsubscribe(struct events *ev, int fd)
{
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		if (ev->sub[i].fd == fd) {
			close(fd);
			ev->sub[i].fd = -1;
		}
	count_listeners(ev);
}

uint64_t events_lost(const struct events *ev)
{
	uint64_t n = ev->lost;

	for (unsigned w = 0; w < ev->workers; w++)
		n += __atomic_load_n(&ev->ring[w].lost, __ATOMIC_RELAXED);
	return n;
}
