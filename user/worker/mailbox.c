/* SPDX-License-Identifier: BSD-2-Clause */
/* One command at a time from the main thread to a worker, which does it between two bursts. */
#include "user/worker/worker.h"

#include <stdlib.h>
#include <unistd.h>

static void post_and_wait(struct worker *w, enum cmd_kind cmd, struct io_sock *s, unsigned slot)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&w->lock);
	w->cmd = cmd;
	w->cmd_sock = s;
	w->cmd_slot = slot;
	__atomic_store_n(&w->pending, 1, __ATOMIC_RELEASE);
	if (write(w->wake, &one, sizeof(one)) < 0) {
		/* the counter is full: the worker is awake anyway */
	}
	while (w->pending)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_add_socket(struct worker *w, struct io_sock *s)
{
	post_and_wait(w, CMD_ADD_SOCKET, s, 0);
}

void worker_close_slot(struct worker *w, unsigned slot)
{
	post_and_wait(w, CMD_CLOSE_SLOT, NULL, slot);
}

void worker_stop(struct worker *w)
{
	post_and_wait(w, CMD_STOP, NULL, 0);
}

void worker_add_lost(struct worker *w, enum xi_drop reason, uint64_t n)
{
	__atomic_fetch_add(&w->stat->reason[reason], n, __ATOMIC_RELAXED);
}

void worker_count_lost(struct worker *w)
{
	for (unsigned i = 0; i < w->nsock; i++)
		worker_add_lost(w, XI_DROP_IN_RING_FULL, io_lost(w->sock[i]));
}

void worker_drop_socket(struct worker *w, struct io_sock *s)
{
	worker_add_lost(w, XI_DROP_IN_RING_FULL, io_lost(s) + io_unread(s));
	io_sock_close(s, &w->pool);
	free(s);
}

static void close_slot(struct worker *w, unsigned slot)
{
	unsigned keep = 0;

	w->tx_by_slot[slot] = NULL;
	for (unsigned i = 0; i < w->nsock; i++) {
		struct io_sock *s = w->sock[i];

		if (s->slot != slot) {
			w->sock[keep++] = s;
			continue;
		}
		worker_drop_socket(w, s);
	}
	w->nsock = keep;
}

void worker_do_commands(struct worker *w)
{
	uint64_t n;

	if (read(w->wake, &n, sizeof(n)) < 0) {
		/* woken by something else before the count was written */
	}
	pthread_mutex_lock(&w->lock);
	if (w->pending) {
		switch (w->cmd) {
		case CMD_ADD_SOCKET:
			w->sock[w->nsock++] = w->cmd_sock;
			if (!w->tx_by_slot[w->cmd_sock->slot])
				w->tx_by_slot[w->cmd_sock->slot] = w->cmd_sock;
			io_fill(w->cmd_sock, &w->pool);
			break;
		case CMD_CLOSE_SLOT:
			close_slot(w, w->cmd_slot);
			break;
		case CMD_STOP:
			w->stop = 1;
			break;
		}
		w->sockets_changed = 1;
		w->sock_epoch++;
		__atomic_store_n(&w->pending, 0, __ATOMIC_RELEASE);
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
}
