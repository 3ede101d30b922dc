/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6 fragmentation at the source, RFC 8200 §4.5 (see frag.h). */
#include <errno.h>

#include "user/ipsec/frag.h"
#include "user/ipsec/ip6.h"

/*
 * How p is cut:
 *   IPv6 header | hop-by-hop, routing | fragment header | piece: a multiple of 8 bytes but for the last one
 *   |<---- in every fragment: hdr --->|                   |<------- of the rest of p: payload ------>|
 */
struct cut {
	size_t hdr, payload, piece;
	size_t next_at; /* place of the last next header value in hdr */
};

/*
 * RFC 8200 §4.5: in every fragment go all headers up to the routing header if there is one, else up to hop-by-hop, else none. Returns
 * -EINVAL when p is not whole or is a fragment.
 */
static int per_fragment_headers(struct cut *c, const struct pkt *p)
{
	size_t len = pkt_len(p);
	struct ip6_at at;
	int step;

	if (ip6_check(p->data, len) != len || !len)
		return -EINVAL;
	at = ip6_first(p->data);
	c->hdr = at.off;
	c->next_at = at.next_at;
	do {
		int en_route = at.proto == NH_ROUTING || at.proto == NH_HOP_BY_HOP;

		step = ip6_step(&at, p->data, len);
		if (step > 0 && en_route) {
			c->hdr = at.off;
			c->next_at = at.next_at;
		}
	} while (step > 0);
	return step < 0 || at.proto == NH_FRAGMENT ? -EINVAL : 0;
}

static int cut_plan(struct cut *c, const struct pkt *p, size_t mtu)
{
	int rc = per_fragment_headers(c, p);

	if (rc < 0)
		return rc;
	c->payload = pkt_len(p) - c->hdr;
	c->piece = c->payload;
	if (pkt_len(p) <= mtu)
		return 0;
	if (mtu < c->hdr + IP6_FRAG_HDR + 8)
		return -EMSGSIZE;
	c->piece = (mtu - c->hdr - IP6_FRAG_HDR) & ~(size_t)7;
	return 0;
}

unsigned frag6_count(const struct pkt *p, size_t mtu)
{
	struct cut c;

	if (cut_plan(&c, p, mtu) < 0)
		return 0;
	return c.payload <= c.piece ? 1 : (unsigned)((c.payload + c.piece - 1) / c.piece);
}

static int copy_whole(struct pkt *out, const struct pkt *p)
{
	if ((size_t)(out->end - out->data) < pkt_len(p))
		return -ENOSPC;
	memcpy(out->data, p->data, pkt_len(p));
	out->tail = out->data + pkt_len(p);
	return 0;
}

int frag6_make(struct pkt *out, const struct pkt *p, size_t mtu, unsigned i, uint32_t id)
{
	uint8_t *fh;
	size_t at, n;
	struct cut c;

	if (cut_plan(&c, p, mtu) < 0 || i >= frag6_count(p, mtu))
		return -EINVAL;
	if (c.payload <= c.piece) /* fits as it is */
		return copy_whole(out, p);
	at = i * c.piece;
	n = MIN(c.payload - at, c.piece);
	if ((size_t)(out->end - out->data) < c.hdr + IP6_FRAG_HDR + n)
		return -ENOSPC;
	memcpy(out->data, p->data, c.hdr);
	fh = out->data + c.hdr;
	fh[0] = out->data[c.next_at];
	fh[1] = 0;
	u16_put(fh + IP6_FRAG_OFF, (uint16_t)(at | (at + n < c.payload ? IP6_FRAG_M : 0)));
	be32_put(fh + IP6_FRAG_ID, htonl(id));
	memcpy(fh + IP6_FRAG_HDR, p->data + c.hdr + at, n);
	out->tail = fh + IP6_FRAG_HDR + n;
	out->data[c.next_at] = NH_FRAGMENT;
	u16_put(out->data + IP6_LEN, (uint16_t)(pkt_len(out) - IP6_HDR));
	return 0;
}
