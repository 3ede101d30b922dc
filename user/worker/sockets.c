/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP sockets of an interface: queue q is served by worker q modulo the number of workers. */
#include "user/worker/serve.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "user/base/log.h"

/*
 * How many workers have packets to do. The internal pair has a queue for each CPU, but a worker without a queue on any NIC
 * could send what it gets from there only through the stack: its queues go to those that have one.
 */
static unsigned active_workers(const struct serve *sv)
{
	unsigned n = 1;

	for (unsigned i = 1; i < XI_IF_MAX; i++)
		if (sv->maps->ifs[i].ifindex)
			n = MAX(n, sv->maps->ifs[i].queues);
	return MIN(n, sv->workers);
}

static int enter_in_xskmap(struct serve *sv, const struct io_sock *s, struct err *e)
{
	__u32 key = s->slot * XI_QUEUE_MAX + s->queue;

	if (bpf_map_update_elem(sv->maps->fd[MAP_XSK], &key, &s->fd, BPF_ANY) < 0)
		return err_set(e, -errno, "cannot enter the socket of %s queue %u into the socket map: %s", s->name,
			       s->queue, strerror(errno));
	return 0;
}

static int attach_queue(struct serve *sv, unsigned slot, unsigned queue, struct worker *w, struct err *e)
{
	struct xi_if *xi = &sv->maps->ifs[slot];
	struct io_sock *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	rc = io_sock_open(s, &w->pool, xi->name, queue, e);
	if (rc) {
		free(s);
		return rc;
	}
	s->slot = slot;
	worker_add_socket(w, s); /* the worker fills its ring before the first packet is steered here */
	rc = enter_in_xskmap(sv, s, e);
	if (rc)
		return rc;
	__atomic_or_fetch(&xi->sock_mask, 1u << queue, __ATOMIC_RELAXED);
	if (s->zero_copy)
		__atomic_or_fetch(&xi->zc_mask, 1u << queue, __ATOMIC_RELAXED);
	sv->sockets[slot]++;
	sv->zero_copy[slot] += (unsigned)s->zero_copy;
	return 0;
}

static int attach_slot(struct serve *sv, unsigned slot, struct err *e)
{
	struct xi_if *xi = &sv->maps->ifs[slot];
	unsigned active = active_workers(sv);
	int rc = 0;

	if (sv->sockets[slot])
		return 0; /* served already */
	xi->sock_mask = xi->zc_mask = 0;
	for (unsigned q = 0; q < xi->queues && q < XI_QUEUE_MAX && !rc; q++) {
		unsigned id = q % (slot == XI_IF_INTERNAL ? active : sv->workers);

		rc = attach_queue(sv, slot, q, &sv->worker[id], e);
	}
	if (rc) {
		sockets_detach(sv, slot);
		return rc;
	}
	log_info("%s: %u queue(s), XDP %s mode, AF_XDP %s mode", xi->name, sv->sockets[slot],
		 (xi->flags & XI_IF_GENERIC) ? "generic" : "native",
		 sv->zero_copy[slot] == sv->sockets[slot] ? "zero-copy"
		 : sv->zero_copy[slot]			  ? "mixed"
							  : "copy");
	return 0;
}

int sockets_attach(struct serve *sv, unsigned slot, struct err *e)
{
	int rc;

	if (slot >= XI_IF_MAX || !sv->maps->ifs[slot].ifindex)
		return err_set(e, -ENOENT, "no interface is attached in slot %u", slot);
	if (slot == XI_IF_INTERNAL) /* follows with the first NIC, when it is known how many queues that has */
		return 0;
	if (sv->maps->ifs[XI_IF_INTERNAL].ifindex) {
		rc = attach_slot(sv, XI_IF_INTERNAL, e);
		if (rc)
			return rc;
	}
	return attach_slot(sv, slot, e);
}

void sockets_detach(struct serve *sv, unsigned slot)
{
	if (slot >= XI_IF_MAX)
		return;
	/* Closing takes the sockets out of the socket map; from then on the XDP program drops and counts. */
	for (unsigned i = 0; i < sv->running; i++)
		worker_close_slot(&sv->worker[i], slot);
	sv->maps->ifs[slot].sock_mask = sv->maps->ifs[slot].zc_mask = 0;
	sv->sockets[slot] = sv->zero_copy[slot] = 0;
}

int sockets_attach_all(struct serve *sv, struct err *e)
{
	for (unsigned i = 1; i < XI_IF_MAX; i++) {
		struct xi_if *xi = &sv->maps->ifs[i];
		int rc;

		if (!xi->ifindex || !(xi->flags & XI_IF_ATTACHED))
			continue;
		rc = sockets_attach(sv, i, e);
		/* One interface that is gone or busy must not take the others down with it. */
		if (rc)
			log_error("interface %s is not served: %s", xi->name, e->text);
	}
	return 0;
}
