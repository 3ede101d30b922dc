/* SPDX-License-Identifier: BSD-2-Clause */
/* Next hops as a worker keeps them, and the last step of every packet: Ethernet header, transmit ring. */
#include "user/worker/worker.h"

static uint32_t slot_with_socket(const struct worker *w, uint32_t ifindex)
{
	for (uint32_t i = 1; i < XI_IF_MAX; i++)
		if (w->tx_by_slot[i] && w->tx_by_slot[i]->ifindex == ifindex)
			return i;
	return 0;
}

/* Until the kernel has answered, nobody is told that a packet is too big: the sender would believe it for minutes. */
static uint32_t largest_mtu(const struct worker *w)
{
	uint32_t mtu = 1500;

	for (uint32_t i = XI_IF_INTERNAL + 1; i < XI_IF_MAX; i++)
		mtu = MAX(mtu, w->maps->ifs[i].mtu);
	return mtu;
}

void hop_refresh(struct worker *w, struct hop *h, const struct rt_key *key)
{
	uint64_t gen = hop_generation(w);

	if (likely(h->gen == gen))
		return;
	rt_lookup(w->rt, key, &h->rt);
	h->slot = 0;
	if (h->rt.kind == RT_TX)
		h->slot = slot_with_socket(w, h->rt.tx_ifindex);
	if (h->slot)
		h->rt.mtu = MIN(h->rt.mtu, io_mtu(w->tx_by_slot[h->slot]));
	if (h->rt.kind == RT_UNKNOWN) {
		rt_ask(w->rt, w->id, key);
		h->rt.mtu = largest_mtu(w);
	} else {
		h->gen = gen;
	}
}

struct io_sock *hop_socket(const struct worker *w, const struct hop *h)
{
	return h->slot ? w->tx_by_slot[h->slot] : NULL;
}

enum xi_drop transmit(struct worker *w, struct wpkt *pk, struct io_sock *s, const struct rt_hop *hop, enum xi_drop full)
{
	uint64_t addr;

	if (unlikely(pk->p.data - pk->p.head < RT_L2_MAX)) {
		drop(w, pk, full);
		return full;
	}
	pk->p.data -= hop->l2_len;
	if (likely(hop->l2_len == RT_L2_PLAIN))
		memcpy(pk->p.data, hop->l2, RT_L2_PLAIN);
	else
		memcpy(pk->p.data, hop->l2, hop->l2_len);
	addr = (uint64_t)(pk->p.data - w->pool.area);
	if (likely(io_tx(s, &w->pool, addr, (uint32_t)pkt_len(&pk->p)) == 0))
		return XI_OK;
	io_kick(s); /* make room once; a ring that is still full is a link that is too slow */
	io_complete(s, &w->pool);
	if (io_tx(s, &w->pool, addr, (uint32_t)pkt_len(&pk->p)) == 0)
		return XI_OK;
	pk->p.data += hop->l2_len; /* the packet again, for who watches */
	drop(w, pk, full);
	return full;
}
