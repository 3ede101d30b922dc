/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which worker serves which queue, and the sockets for that.
 *
 *   queue q of a NIC        worker q modulo the workers that are used: no more than the internal pair has queues
 *   queue q of the pair     worker q modulo the active ones: those with a queue of some NIC
 *
 * So each active worker has a queue of the pair, by which it hands packets to the stack, and no worker has one that could send
 * nothing to a NIC. The spread of the pair follows the NICs: its sockets are closed and opened anew when it changes.
 * All sockets of a worker share its frames (io_target()); when they hold too many for the one that comes, they are opened anew as well.
 */
#include "user/worker/serve.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/log.h"

static unsigned queues_of(const struct serve *sv, unsigned slot)
{
	return MIN(sv->maps->ifs[slot].queues, (unsigned)XI_QUEUE_MAX);
}

static unsigned used_workers(const struct serve *sv)
{
	return sv->maps->ifs[XI_IF_INTERNAL].ifindex ? MIN(sv->workers, MAX(queues_of(sv, XI_IF_INTERNAL), 1u))
						     : sv->workers;
}

static unsigned active_workers(const struct serve *sv)
{
	unsigned n = 1;

	for (unsigned i = XI_IF_INTERNAL + 1; i < XI_IF_MAX; i++)
		if (sv->wanted[i])
			n = MAX(n, queues_of(sv, i));
	return MIN(n, used_workers(sv));
}

static unsigned worker_of(const struct serve *sv, unsigned slot, unsigned queue)
{
	return queue % (slot == XI_IF_INTERNAL ? active_workers(sv) : used_workers(sv));
}

unsigned sockets_open(const struct serve *sv, unsigned slot)
{
	return (unsigned)__builtin_popcount(sv->open[slot]);
}

/* Sockets that a worker has when all that is wanted is open. */
static unsigned sockets_of_worker(const struct serve *sv, unsigned id)
{
	unsigned n = 0;

	for (unsigned slot = 0; slot < XI_IF_MAX; slot++)
		for (unsigned q = 0; sv->wanted[slot] && q < queues_of(sv, slot); q++)
			n += worker_of(sv, slot, q) == id;
	return n;
}

static int enter_in_xskmap(struct serve *sv, const struct io_sock *s, struct err *e)
{
	__u32 key = s->slot * XI_QUEUE_MAX + s->queue;

	if (bpf_map_update_elem(sv->maps->fd[MAP_XSK], &key, &s->fd, BPF_ANY) < 0)
		return err_set(e, -errno, "cannot enter the socket of %s queue %u into the socket map: %s", s->name,
			       s->queue, strerror(errno));
	return 0;
}

static int open_queue(struct serve *sv, unsigned slot, unsigned queue, struct err *e)
{
	struct worker *w = &sv->worker[worker_of(sv, slot, queue)];
	struct xi_if *xi = &sv->maps->ifs[slot];
	struct io_sock *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	rc = io_sock_open(s, &w->pool, xi->name, queue, xi->mtu, e);
	if (rc) {
		free(s);
		return rc;
	}
	if (xi->mtu > IO_RX_MTU && !s->sg) {
		rc = err_set(e, -EMSGSIZE,
			     "%s has an MTU of %u, AF_XDP receives packets of at most %d bytes there: `ip link set %s "
			     "mtu 1500`",
			     xi->name, xi->mtu, IO_RX_MTU, xi->name);
		io_sock_close(s, &w->pool);
		free(s);
		return rc;
	}
	s->slot = slot;
	worker_add_socket(w, s); /* the worker fills its ring before the first packet is steered here */
	sv->open[slot] |= 1u << queue;
	if (s->zero_copy)
		sv->zero_copy[slot] |= 1u << queue;
	if (s->sg)
		sv->sg[slot] |= 1u << queue;
	rc = enter_in_xskmap(sv, s, e);
	if (rc)
		return rc;
	xi->sock_mask = sv->open[slot];
	xi->zc_mask = sv->zero_copy[slot];
	return 0;
}

/* Into the log, and for `interface print`. */
static void refuse(struct serve *sv, unsigned slot, const struct err *why)
{
	log_error("interface %s is not served: %s", sv->maps->ifs[slot].name, why->text);
	(void)snprintf(sv->refused[slot], sizeof(sv->refused[slot]), "%.*s", REFUSED_MAX - 1, why->text);
}

/* Opens what is missing of a slot. */
static int open_slot(struct serve *sv, unsigned slot, struct err *e)
{
	const struct xi_if *xi = &sv->maps->ifs[slot];

	if (queues_of(sv, slot) && sockets_open(sv, slot) >= queues_of(sv, slot))
		return 0;
	if (!queues_of(sv, slot))
		return err_set(e, -EINVAL, "%s has no receive queue", xi->name);
	if (if_nametoindex(xi->name) != xi->ifindex)
		return err_set(e, -ENODEV, "%s is not the interface that was attached: `xdp-ipsec start` attaches it",
			       xi->name);
	for (unsigned q = 0; q < queues_of(sv, slot); q++) {
		int rc = (sv->open[slot] >> q & 1) ? 0 : open_queue(sv, slot, q, e);

		if (rc)
			return rc;
	}
	log_info("%s: %u queue(s), XDP %s mode, AF_XDP %s mode", xi->name, sockets_open(sv, slot),
		 (xi->flags & XI_IF_GENERIC) ? "generic" : "native",
		 sv->zero_copy[slot] == sv->open[slot] ? "zero-copy"
		 : sv->zero_copy[slot]		       ? "mixed"
						       : "copy");
	return 0;
}

/*
 * Takes the sockets of a slot out of the socket map; from then on the XDP program drops and counts. It may be on its way to one of them on another
 * CPU: a grace period later no packet comes any more, and what is then unread is all that is lost with them.
 */
static void steer_away(struct serve *sv, unsigned slot)
{
	for (__u32 q = 0; q < XI_QUEUE_MAX; q++) {
		const __u32 key = slot * XI_QUEUE_MAX + q;

		if (sv->open[slot] >> q & 1)
			(void)bpf_map_delete_elem(sv->maps->fd[MAP_XSK], &key); /* gone with its interface */
	}
}

static void await_programs(void)
{
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0); /* a kernel without: the count may be too low */
}

void sockets_steer_away(struct serve *sv)
{
	for (unsigned slot = 0; slot < XI_IF_MAX; slot++)
		steer_away(sv, slot);
	await_programs();
}

static void close_slot(struct serve *sv, unsigned slot)
{
	if (sv->open[slot]) {
		steer_away(sv, slot);
		await_programs();
	}
	for (unsigned i = 0; i < sv->running && sv->open[slot]; i++)
		worker_close_slot(&sv->worker[i], slot);
	sv->maps->ifs[slot].sock_mask = sv->maps->ifs[slot].zc_mask = 0;
	sv->open[slot] = sv->zero_copy[slot] = sv->sg[slot] = 0;
}

void sockets_mtu(struct serve *sv, unsigned slot, uint32_t mtu)
{
	struct xi_if *xi = &sv->maps->ifs[slot];
	uint32_t max = sv->sg[slot] == sv->open[slot] ? IO_SG_MTU : IO_RX_MTU;

	if (mtu == xi->mtu)
		return;
	log_info("%s: MTU %u, was %u", xi->name, mtu, xi->mtu);
	xi->mtu = mtu;
	if (sv->open[slot] && mtu > max)
		log_error(
			"%s: AF_XDP receives packets of at most %u bytes there, larger ones are lost: `ip link set %s "
			"mtu %u`, or detach and attach it",
			xi->name, max, xi->name, max);
}

/* Could the rings of a worker hold so many frames that a socket that comes would get less than its share? */
static int rings_too_full(const struct worker *w, unsigned peak, unsigned n)
{
	unsigned come = n > w->nsock ? n - w->nsock : 0;

	return come && w->nsock * peak + come * io_target(w->pool.frames, n) > w->pool.frames - w->pool.frames / 8;
}

/* The new share of each socket comes into force; where rings hold too many frames for that, all are opened anew. */
static void share_frames(struct serve *sv)
{
	for (unsigned i = 0; i < sv->running; i++)
		if (rings_too_full(&sv->worker[i], sv->peak[i], sockets_of_worker(sv, i)))
			for (unsigned slot = 0; slot < XI_IF_MAX; slot++)
				close_slot(sv, slot);
	for (unsigned i = 0; i < sv->running; i++) {
		struct worker *w = &sv->worker[i];

		io_pool_plan(&w->pool, sockets_of_worker(sv, i));
		/* What a socket opened earlier has taken stays in its ring until packets come. */
		sv->peak[i] = w->nsock ? MAX(sv->peak[i], w->pool.target) : w->pool.target;
	}
}

/* A worker with frames for too few sockets would lose every packet of the last one. */
static int frames_suffice(const struct serve *sv, unsigned slot, struct err *e)
{
	for (unsigned i = 0; i < sv->running; i++) {
		unsigned n = sockets_of_worker(sv, i), frames = sv->worker[i].pool.frames;

		if (n && io_target(frames, n) < IO_TARGET_MIN)
			return err_set(
				e, -ENOBUFS,
				"%u packet buffers cannot serve %u sockets of one worker, which %s would make: start "
				"xdp-ipsecd with --frames %u, or more --workers",
				frames, n, sv->maps->ifs[slot].name, n * IO_TARGET_MIN * 2);
	}
	return 0;
}

/*
 * Makes the sockets what is wanted. The pair comes first: who has a NIC's queue needs a way to the stack. Returns the failure of the pair, or
 * else of slot `must` (XI_IF_INTERNAL: only the pair's); those of others are logged.
 */
static int reconcile(struct serve *sv, unsigned must, struct err *e)
{
	unsigned spread = active_workers(sv);
	int rc = 0;

	if (spread != sv->spread) {
		close_slot(sv, XI_IF_INTERNAL);
		log_info("%u of %u worker(s) serve queues, the internal interface has %u", spread, sv->workers,
			 queues_of(sv, XI_IF_INTERNAL));
	}
	sv->spread = spread;
	share_frames(sv);
	for (unsigned slot = 0; slot < XI_IF_MAX; slot++) {
		struct err why = {.text = ""};
		int failed;

		if (!sv->wanted[slot])
			continue;
		sv->refused[slot][0] = '\0';
		failed = open_slot(sv, slot, &why);
		if (!failed)
			continue;
		refuse(sv, slot, &why);
		if (!rc && (slot == XI_IF_INTERNAL || slot == must))
			rc = err_set(e, failed, "%s", why.text);
	}
	return rc;
}

int sockets_attach(struct serve *sv, unsigned slot, struct err *e)
{
	int rc;

	if (slot >= XI_IF_MAX || !sv->maps->ifs[slot].ifindex)
		return err_set(e, -ENOENT, "no interface is attached in slot %u", slot);
	if (slot == XI_IF_INTERNAL) /* follows with the first NIC, when it is known how many queues that has */
		return 0;
	sv->wanted[slot] = 1;
	sv->wanted[XI_IF_INTERNAL] = sv->maps->ifs[XI_IF_INTERNAL].ifindex != 0;
	rc = frames_suffice(sv, slot, e);
	if (rc)
		refuse(sv, slot, e);
	else
		rc = reconcile(sv, slot, e);
	if (rc)
		sockets_detach(sv, slot);
	return rc;
}

static int any_nic_wanted(const struct serve *sv)
{
	for (unsigned i = XI_IF_INTERNAL + 1; i < XI_IF_MAX; i++)
		if (sv->wanted[i])
			return 1;
	return 0;
}

void sockets_detach(struct serve *sv, unsigned slot)
{
	struct err e;

	if (slot >= XI_IF_MAX)
		return;
	sv->wanted[slot] = 0;
	sv->refused[slot][0] = '\0';
	close_slot(sv, slot);
	if (any_nic_wanted(sv) && reconcile(sv, XI_IF_INTERNAL, &e))
		log_warning("what needs the stack is dropped");
}

int sockets_attach_all(struct serve *sv, struct err *e)
{
	unsigned n = 0;

	sv->wanted[XI_IF_INTERNAL] = sv->maps->ifs[XI_IF_INTERNAL].ifindex != 0;
	for (unsigned i = XI_IF_INTERNAL + 1; i < XI_IF_MAX; i++) {
		const struct xi_if *xi = &sv->maps->ifs[i];

		sv->wanted[i] = xi->ifindex && (xi->flags & XI_IF_ATTACHED);
		/* One interface that is gone or busy must not take the others down with it. */
		if (sv->wanted[i] && frames_suffice(sv, i, e)) {
			refuse(sv, i, e);
			sv->wanted[i] = 0;
		}
		n += sv->wanted[i];
	}
	if (n && reconcile(sv, XI_IF_INTERNAL, e))
		log_warning("what needs the stack is dropped");
	return 0;
}
