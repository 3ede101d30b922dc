/* SPDX-License-Identifier: BSD-2-Clause */
/* What esp_in.c, ah_in.c and open.c share: a burst on its way in. */
#ifndef IPSEC_IN_H
#define IPSEC_IN_H

#include "user/ipsec/form.h"
#include "user/ipsec/split.h"
#include "user/ipsec/tunnel.h"

/* Where things stand in a received packet, from its first byte. */
struct in_mark {
	uint16_t hdr;	  /* ESP or AH header */
	uint16_t carrier; /* end of the IP headers: that header, or the UDP header in front of it */
	uint16_t next_at; /* the byte that names what stands at carrier */
	uint8_t moved;	  /* the peer's address or port is not the SA's */
	uint8_t tos;	  /* of the outer header */
};

/* A burst on its way in. */
struct in_burst {
	struct crypto_job job[ENGINE_BURST_MAX];
	struct ipsec_op *op[ENGINE_BURST_MAX];
	struct in_mark mark[ENGINE_BURST_MAX];
	unsigned n;
	uint8_t icv[ENGINE_BURST_MAX][ICV_MAX];
	uint8_t front[ENGINE_BURST_MAX][AH_FRONT_MAX];
};

/* Drops a packet and counts it in its SA. */
void in_drop(struct ipsec_op *op, enum xi_drop v);

/* The UDP header at m->carrier: length, ports; sets m->moved. other_src: the source address is not the SA's. See natt.c. */
enum xi_drop natt_check(const struct pkt *p, const struct form *f, struct in_mark *m, int other_src);

/* The IP headers, up to what they carry. Sound lengths; no fragment (RFC 4303 §3.4.1: reassembled before, or discarded). */
static inline enum xi_drop in_ip(const struct ipsec_op *op, const struct form *f, struct in_mark *m, uint8_t *proto)
{
	const struct pkt *p = op->pkt;
	size_t len = pkt_len(p);
	struct ip6_at at;

	if (likely(f->sa->family == XI_IP4)) {
		if (unlikely(len < IP4_HDR || p->data[0] >> 4 != 4 || ip4_hdr_len(p->data) < IP4_HDR ||
			     u16_get(p->data + IP4_LEN) != len ||
			     (u16_get(p->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET))))
			return XI_DROP_IN_HEADER;
		at = (struct ip6_at){.off = ip4_hdr_len(p->data), .next_at = IP4_PROTO, .proto = p->data[IP4_PROTO]};
	} else {
		if (unlikely(len < IP6_HDR || ip6_check(p->data, len) != len || ip_walk(p->data, len, &at) < 0))
			return XI_DROP_IN_HEADER;
	}
	m->carrier = (uint16_t)at.off;
	m->next_at = (uint16_t)at.next_at;
	*proto = at.proto;
	return XI_OK;
}

/* Up to SPI and sequence number, which are read. */
static inline enum xi_drop in_header(struct ipsec_op *op, const struct form *f, struct in_mark *m, int ah)
{
	const struct pkt *p = op->pkt;
	size_t need = ah ? AH_FIXED : ESP_HDR;
	uint8_t proto = 0;
	enum xi_drop v = in_ip(op, f, m, &proto);

	if (unlikely(v != XI_OK))
		return v;
	if (unlikely(proto != f->carrier))
		return proto == PROTO_UDP || (f->udp && proto == XI_PROTO_ESP) ? XI_DROP_IN_ENCAP : XI_DROP_IN_HEADER;
	m->hdr = (uint16_t)(m->carrier + f->udp);
	if (unlikely(pkt_len(p) < m->hdr + need))
		return XI_DROP_IN_HEADER;
	op->seq = ntohl(be32_get(p->data + m->hdr + need - 4));
	return XI_OK;
}

/* RFC 4303 §3.4.2: the SA is the one of destination, protocol and SPI; this SA's peer has one address, unless it is behind a NAT. */
static inline enum xi_drop in_sa(const struct ipsec_op *op, const struct form *f, struct in_mark *m, int ah)
{
	const struct xi_sa *sa = op->sa;
	const uint8_t *ip = op->pkt->data, *spi = ip + m->hdr + (ah ? 4 : 0);
	int other_src;

	if (likely(sa->family == XI_IP4)) {
		if (unlikely(be32_get(spi) != sa->spi || be32_get(ip + IP4_DST) != sa->dst.w[0]))
			return XI_DROP_IN_NO_SA;
		other_src = be32_get(ip + IP4_SRC) != sa->src.w[0];
	} else {
		if (unlikely(be32_get(spi) != sa->spi || memcmp(ip + IP6_DST, &sa->dst, 16) != 0))
			return XI_DROP_IN_NO_SA;
		other_src = memcmp(ip + IP6_SRC, &sa->src, 16) != 0;
	}
	m->moved = 0;
	if (unlikely(f->udp))
		return natt_check(op->pkt, f, m, other_src);
	return unlikely(other_src) ? XI_DROP_IN_SA_SELECTOR : XI_OK;
}

/* The outer headers of one packet, AH or ESP; fills the mark and the low half of op->seq. XI_OK, or what speaks against it. */
static inline enum xi_drop in_outer(struct ipsec_op *op, const struct form *f, struct in_mark *m, int ah)
{
	enum xi_drop v = in_header(op, f, m, ah);

	return likely(v == XI_OK) ? in_sa(op, f, m, ah) : v;
}

/*
 * The packets of a run, by their lengths: jobs and marks from b->n on, at[] the operation of each. Returns how many. Those that are not
 * among them are dropped.
 */
unsigned esp_in_parse(struct in_burst *b, const struct form *f, struct ipsec_op *op, unsigned n, uint8_t *at);
unsigned ah_in_parse(struct in_burst *b, const struct form *f, struct ipsec_op *op, unsigned n, uint8_t *at);

/* Job i of b again, once its sequence number is known: where the ICV and the high half of an ESN stand, mutable fields. */
void esp_in_esn(struct in_burst *b, unsigned i, const struct form *f);
enum xi_drop ah_in_zero(struct in_burst *b, unsigned i, const struct form *f);

/* What is left of an authentic packet; sets its new ends, and op->payload, when all of it is sound. */
enum xi_drop esp_in_strip(const struct in_burst *b, unsigned i);
enum xi_drop ah_in_strip(const struct in_burst *b, unsigned i);

/* The inner packet of a tunnel, whose class was tos outside. XI_OK, or what tunnel_open() has against it. */
static inline enum xi_drop in_tunnel(struct ipsec_op *op, uint8_t *inner, size_t len, uint8_t next, uint8_t tos)
{
	enum xi_drop v = tunnel_open(op->pkt, inner, len, next, tos);

	op->payload = (uint32_t)pkt_len(op->pkt); /* without what RFC 4303 §2.7 lets stand behind it */
	return v;
}

/* A transport-mode packet whose payload is payload[len] of protocol next, once hdr bytes of IP headers stand in front of it again. */
void in_transport(struct ipsec_op *op, const struct in_mark *m, uint8_t *payload, size_t len, uint8_t next);

#endif
