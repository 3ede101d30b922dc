/* SPDX-License-Identifier: BSD-2-Clause */
/* ESP in UDP, inbound: RFC 3948 (see natt.h). */
#include "user/ipsec/natt.h"

#include "user/ipsec/replay.h"
#include "user/ipsec/split.h"

#define PROTO_TCP 6
#define PROTO_ICMPV6 58
#define UDP_LEN 4

enum xi_drop natt_check(const struct pkt *p, const struct form *f, struct in_mark *m, int other_src)
{
	const uint8_t *udp = p->data + m->carrier;

	if (u16_get(udp + UDP_LEN) != pkt_len(p) - m->carrier)
		return XI_DROP_IN_HEADER;
	if (be16_get(udp + 2) != f->sa->udp_local)
		return XI_DROP_IN_ENCAP;
	m->moved = other_src || be16_get(udp) != f->sa->udp_remote;
	/* Only an ICV tells a new mapping of the NAT from a stranger. */
	return m->moved && !f->alg.icv_len ? XI_DROP_IN_SA_SELECTOR : XI_OK;
}

void natt_source(const struct pkt *p, const struct in_mark *m, struct natt_source *out)
{
	*out = (struct natt_source){0};
	if (p->data[0] >> 4 == 4)
		memcpy(&out->addr, p->data + IP4_SRC, 4);
	else
		memcpy(&out->addr, p->data + IP6_SRC, 16);
	out->port = be16_get(p->data + m->carrier);
}

void natt_report(const struct ipsec_op *op, const struct natt_source *from)
{
	int counted = op->sa->replay_window || (op->sa->flags & XI_SA_F_ESN);

	replay_lock(op->rt);
	if (!counted || op->seq == op->rt->seq_top) {
		op->rt->seen = from->addr;
		op->rt->seen_port = from->port;
	}
	replay_unlock(op->rt);
}

/* Where the checksum stands in the header of a protocol that covers addresses with it, or -1. */
static int sum_at(uint8_t proto, int v6)
{
	switch (proto) {
	case PROTO_TCP:
		return 16;
	case PROTO_UDP:
		return UDP_SUM;
	case PROTO_ICMPV6:
		return v6 ? 2 : -1;
	default:
		return -1;
	}
}

/* Ones' complement sum of upper layer and pseudo-header (RFC 768, RFC 9293 §3.1, RFC 8200 §8.1). */
static uint16_t upper_sum(const uint8_t *ip, uint8_t proto, const uint8_t *up, size_t len)
{
	if (ip[0] >> 4 == 6)
		return ip6_upper_sum(ip + IP6_SRC, proto, up, len);
	return ip4_fold((uint64_t)ip4_sum(ip + IP4_SRC, 8) + ip4_sum(up, len) + htons((uint16_t)len) + htons(proto));
}

void natt_checksum(const struct pkt *p)
{
	struct ip6_at at;
	uint8_t *up;
	uint16_t sum;
	size_t len;
	int off;

	if (ip_walk(p->data, pkt_len(p), &at) < 0)
		return;
	up = p->data + at.off;
	len = pkt_len(p) - at.off;
	off = sum_at(at.proto, p->data[0] >> 4 == 6);
	/* A header that is not all there has no checksum; whoever reads the packet next will find it short. */
	if (off < 0 || len < (size_t)off + 2)
		return;
	if (at.proto == PROTO_UDP) {
		/* RFC 768: none was made. Behind the UDP length there may be traffic flow padding (RFC 4303 §2.7). */
		if (len < UDP_HDR || be16_get(up + UDP_SUM) == 0)
			return;
		if (u16_get(up + UDP_LEN) >= UDP_HDR && u16_get(up + UDP_LEN) < len)
			len = u16_get(up + UDP_LEN);
	}
	be16_put(up + off, 0);
	sum = (uint16_t)~upper_sum(p->data, at.proto, up, len);
	be16_put(up + off, sum || at.proto != PROTO_UDP ? sum : 0xffff);
}
