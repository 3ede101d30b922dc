/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker's thread: receive, split by direction, group by SA, process, transmit. */
#include "user/worker/worker.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ipsec/ip6.h"

#define IDLE_ROUNDS 8 /* empty rounds before the thread sleeps in poll(2) */
#define WAIT_MS 5     /* while packets wait, for an SA or in a transmit ring */
#define POLL_MS 1000  /* a sleeping worker still looks after completions now and then */
#define POLL_MAX (XI_IF_MAX * XI_QUEUE_MAX + 1)

/* Length of the IP packet at p by its own header; 0 when it does not fit into len. */
static size_t ip_len(const uint8_t *p, size_t len)
{
	size_t tot;

	if (likely(len >= IP4_HDR && p[0] >> 4 == 4)) {
		tot = u16_get(p + IP4_LEN);
		return ip4_hdr_len(p) < IP4_HDR || tot < ip4_hdr_len(p) || tot > len ? 0 : tot;
	}
	return ip6_check(p, len);
}

int trim_ip(struct wpkt *pk)
{
	size_t len;

	pk->p.data += pk->v.l3_off;
	pk->v.l3_off = 0;
	len = ip_len(pk->p.data, pkt_len(&pk->p));
	if (!len || ip_version(&pk->p) != pk->v.family)
		return -1;
	pk->p.tail = pk->p.data + len; /* what is behind it is Ethernet padding */
	return 0;
}

/* Insertion sort by SA slot: bursts mostly hold one SA, or runs of a few. */
void group_by_sa(struct wpkt **pk, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct wpkt *x = pk[i];
		unsigned j = i;

		for (; j > 0 && pk[j - 1]->v.slot > x->v.slot; j--)
			pk[j] = pk[j - 1];
		pk[j] = x;
	}
}

/* Fills pk from a descriptor; 0 when the verdict in front of the packet is not one. */
static int take(struct worker *w, const struct xdp_desc *d, struct wpkt *pk)
{
	uint64_t base = io_base(&w->pool, d->addr);

	wpkt_init(w, pk, base);
	pk->p.data = w->pool.area + d->addr;
	pk->p.tail = pk->p.data + d->len;
	if (d->addr - base < sizeof(pk->v)) {
		pk->v = (struct xi_verdict){0};
		return 0;
	}
	memcpy(&pk->v, pk->p.data - sizeof(pk->v), sizeof(pk->v));
	return pk->v.if_slot < XI_IF_MAX && pk->v.l3_off <= d->len && pk->v.dir <= XI_DIR_OUT;
}

/* What is no whole packet of ours yet. 1: it is now; 0: its frame's fate is settled. */
static int whole_now(struct worker *w, struct wpkt *pk)
{
	if (pk->v.flags & XI_VF_FRAG)
		return frags_take(w, pk);
	path_learn(w, pk);
	return 0;
}

static unsigned poll_socket(struct worker *w, struct io_sock *s)
{
	struct xdp_desc desc[WRK_BURST];
	struct wpkt store[WRK_BURST], *in[WRK_BURST], *out[WRK_BURST];
	unsigned n = io_rx(s, &w->pool, desc, WRK_BURST), nin = 0, nout = 0;

	/* The verdict, and the headers behind it: another CPU has just written both. */
	for (unsigned i = 0; i < n; i++) {
		__builtin_prefetch(w->pool.area + desc[i].addr - sizeof(struct xi_verdict));
		__builtin_prefetch(w->pool.area + desc[i].addr + RT_L2_PLAIN);
	}
	for (unsigned i = 0; i < n; i++) {
		struct wpkt *pk = &store[i];

		if (unlikely(!take(w, &desc[i], pk)))
			drop(w, pk, XI_DROP_IN_ERROR);
		else if (pk->v.dir == XI_DIR_OUT)
			out[nout++] = pk;
		else if (likely(!(pk->v.flags & (XI_VF_FRAG | XI_VF_ICMP))) || whole_now(w, pk))
			in[nin++] = pk;
	}
	if (nout) {
		group_by_sa(out, nout);
		outbound_burst(w, out, nout);
	}
	if (nin) {
		group_by_sa(in, nin);
		inbound_burst(w, in, nin);
	}
	return n;
}

static void service_rings(struct worker *w)
{
	for (unsigned i = 0; i < w->nsock; i++) {
		struct io_sock *s = w->sock[i];

		if (s->in_tx || s->tx_new) {
			io_kick(s);
			io_complete(s, &w->pool);
		}
		io_fill(s, &w->pool);
	}
}

static unsigned poll_set(struct worker *w, struct pollfd *fd)
{
	unsigned n = 0;

	fd[n++] = (struct pollfd){.fd = w->wake, .events = POLLIN};
	for (unsigned i = 0; i < w->nsock; i++)
		fd[n++] = (struct pollfd){.fd = w->sock[i]->fd, .events = POLLIN};
	w->sockets_changed = 0;
	return n;
}

/* How long the thread may sleep: poll(2) does not say that an interface which was busy takes packets again. */
static int sleep_ms(const struct worker *w)
{
	if (w->hold.policies)
		return WAIT_MS;
	for (unsigned i = 0; i < w->nsock; i++)
		if (io_tx_waits(w->sock[i]))
			return WAIT_MS;
	return POLL_MS;
}

static void pin(const struct worker *w)
{
	char name[16];
	cpu_set_t set;

	(void)snprintf(name, sizeof(name), "xi-worker%u", w->id % 100);
	(void)pthread_setname_np(pthread_self(), name);
	if (w->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)w->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		log_warning("worker %u cannot be pinned to CPU %d", w->id, w->cpu);
}

void *worker_run(void *worker)
{
	struct worker *w = worker;
	struct pollfd fd[POLL_MAX];
	unsigned nfd = 0, idle = 0;

	pin(w);
	w->sockets_changed = 1;
	while (!w->stop) {
		unsigned got = 0;

		if (__atomic_load_n(&w->pending, __ATOMIC_ACQUIRE))
			worker_do_commands(w);
		if (w->sockets_changed)
			nfd = poll_set(w, fd);
		w->now = clock_ns();
		__atomic_store_n(&w->stat->epoch, w->stat->epoch | 1, __ATOMIC_SEQ_CST);
		w->spd_gen = __atomic_load_n(&w->maps->meta->spd_gen, __ATOMIC_ACQUIRE) +
			     ((uint64_t)__atomic_load_n(&w->maps->meta->nat_gen, __ATOMIC_RELAXED) << 40);
		for (unsigned i = 0; i < w->nsock; i++)
			got += poll_socket(w, w->sock[i]);
		if (w->id == 0)
			frags_expire(w);
		if (unlikely(w->hold.policies))
			hold_release(w, 0);
		service_rings(w);
		__atomic_store_n(&w->stat->epoch, w->stat->epoch + 1, __ATOMIC_RELEASE);
		idle = got ? 0 : idle + 1;
		if (idle > IDLE_ROUNDS && poll(fd, nfd, sleep_ms(w)) >= 0)
			idle = 0;
	}
	/* within the epoch: who takes an SA away waits for it */
	__atomic_store_n(&w->stat->epoch, w->stat->epoch | 1, __ATOMIC_SEQ_CST);
	hold_release(w, 1);
	__atomic_store_n(&w->stat->epoch, w->stat->epoch + 1, __ATOMIC_RELEASE);
	return NULL;
}
