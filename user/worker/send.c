/* SPDX-License-Identifier: BSD-2-Clause */
/* The last step of a protected packet: in one piece or in fragments, by a socket or by the stack. */
#include "user/worker/worker.h"

#include <errno.h>

#include "user/ipsec/frag.h"

int wpkt_enlarge(struct worker *w, struct wpkt *pk)
{
	size_t front = MIN((size_t)(pk->p.data - pk->p.head), (size_t)IO_XDP_HEADROOM), len = pkt_len(&pk->p);
	const uint8_t *from = pk->p.data - front;
	uint64_t old = pk->addr, base = io_large_get(&w->pool);

	if (base == UINT64_MAX)
		return -ENOMEM;
	wpkt_place(w, pk, base);
	memcpy(pk->p.data - front, from, front + len);
	pk->p.tail += len;
	io_frame_put(&w->pool, old);
	return 0;
}

/* Sends one packet that fits. 0, or the reason for which it was dropped (and counted). */
enum xi_drop send_one(struct worker *w, struct wpkt *pk, const struct hop *hop)
{
	struct io_sock *s = hop_socket(w, hop);

	if (likely(s != NULL))
		return transmit(w, pk, s, &hop->rt, XI_DROP_OUT_TX_FULL);
	if (slow_send(w, &pk->p)) {
		drop(w, pk, XI_DROP_OUT_SLOW);
		return XI_DROP_OUT_SLOW;
	}
	io_frame_put(&w->pool, pk->addr);
	return XI_OK;
}

/* RFC 8200 §4.5: never twice between the same two addresses while fragments live; each worker has numbers of its own. */
static uint32_t next_frag_id(struct worker *w)
{
	w->frag_id += XI_WORKER_MAX;
	return w->frag_id;
}

size_t fragment_room(const struct worker *w, size_t mtu)
{
	const size_t frame = IO_FRAME_SIZE - IO_XDP_HEADROOM;

	return mtu <= frame || !w->pool.nlarge ? MIN(mtu, frame) : mtu;
}

int fragments_have_frames(const struct worker *w, size_t size, unsigned n)
{
	return w->pool.nfree >= n * ((size + IO_L2_MAX + IO_FRAME_SIZE - 1) / IO_FRAME_SIZE);
}

uint64_t fragment_get(struct worker *w, size_t size)
{
	return size <= IO_FRAME_SIZE - IO_XDP_HEADROOM ? io_frame_get(&w->pool) : io_large_get(&w->pool);
}

/* Spec section 15: fragments after encapsulation. */
enum xi_drop send_fragments(struct worker *w, struct wpkt *whole, const struct hop *hop, size_t mtu)
{
	size_t size = fragment_room(w, mtu);
	int v4 = ip_version(&whole->p) == 4;
	unsigned count_ = v4 ? frag4_count(&whole->p, size) : frag6_count(&whole->p, size);
	uint32_t id = v4 ? 0 : next_frag_id(w);
	enum xi_drop rc = count_ ? XI_OK : XI_DROP_OUT_MODE;

	if (!fragments_have_frames(w, size, count_))
		rc = XI_DROP_OUT_NO_ROOM;
	for (unsigned i = 0; i < count_ && rc == XI_OK; i++) {
		struct wpkt f = {.v = whole->v};

		wpkt_init(w, &f, fragment_get(w, size));
		if (v4 ? frag4_make(&f.p, &whole->p, size, i) : frag6_make(&f.p, &whole->p, size, i, id)) {
			io_frame_put(&w->pool, f.addr);
			rc = XI_DROP_OUT_MODE;
			break;
		}
		rc = send_one(w, &f, hop);
		if (rc != XI_OK) {
			io_frame_put(&w->pool, whole->addr); /* counted by send_one: one packet, one counter */
			return rc;
		}
	}
	if (rc == XI_OK)
		io_frame_put(&w->pool, whole->addr);
	else
		drop(w, whole, rc);
	return rc;
}
