/* SPDX-License-Identifier: BSD-2-Clause */
/* What esp_out.c, ah_out.c and seal.c share: a burst on its way out, and the headers in front of a payload. */
#ifndef IPSEC_OUT_H
#define IPSEC_OUT_H

#include "user/ipsec/form.h"
#include "user/ipsec/tunnel.h"

/* Outbound, what is left to be done to a packet behind the engine. */
#define AFTER_ESP_ICV 0x01 /* the ICV goes where the high half of the ESN was */
#define AFTER_AH 0x02	   /* ICV into the header, mutable fields back */
#define AFTER_UDP6 0x04	   /* checksum of the UDP header */

struct out_after {
	uint8_t what; /* AFTER_* */
	uint8_t icv_len;
	uint8_t iv_len;
	uint16_t at;	 /* AFTER_AH: where AH starts; AFTER_UDP6: where the UDP header does */
	uint16_t icv_at; /* AFTER_AH: where the ICV belongs */
};

/* A burst on its way out: jobs made so far and what belongs to each. */
struct out_burst {
	struct crypto_job job[ENGINE_BURST_MAX];
	struct ipsec_op *op[ENGINE_BURST_MAX];
	struct out_after after[ENGINE_BURST_MAX];
	unsigned n;
	uint8_t iv[ENGINE_BURST_MAX * IV_MAX];
	uint8_t icv[ENGINE_BURST_MAX][ICV_MAX];
	uint8_t front[ENGINE_BURST_MAX][AH_FRONT_MAX];
};

/* Where the packet is cut: the bytes in front stay in front. Tunnel mode: 0. */
struct out_place {
	size_t len;
	size_t next_at; /* transport mode: the byte in front that names what follows */
	uint8_t next;	/* next header behind ESP or AH */
};

/* Transport mode: RFC 4303 §3.1.1, RFC 4302 §3.1.1. XI_DROP_OUT_MODE, XI_DROP_OUT_ENDPOINTS. */
enum xi_drop out_split(const struct pkt *p, const struct xi_sa *sa, struct out_place *at);

/* Transport mode: moves the headers of the packet ip to end at `end`, and makes them name proto and the length total. */
uint8_t *out_move(uint8_t *ip, struct out_place at, uint8_t *end, uint8_t proto, size_t total);

/* RFC 3948 §2.1: the UDP header of an ESP packet; len bytes with it. The checksum is left at 0. */
void out_udp(uint8_t *udp, const struct xi_sa *sa, size_t len);

/* Checks the packet itself and its number, and finds the cut. */
static inline enum xi_drop out_check(const struct ipsec_op *op, const struct form *f, struct out_place *at)
{
	const struct pkt *p = op->pkt;
	size_t len = pkt_len(p);

	/* RFC 4303 §3.3.3: starts at 1 and must not cycle while anti-replay may be on. */
	if (unlikely(op->seq == 0 || op->seq > f->seq_max))
		return XI_DROP_OUT_SEQUENCE;
	if (unlikely(!form_tunnel(f))) {
		struct out_place found; /* so that *at may stay in registers */
		enum xi_drop v = out_split(p, f->sa, &found);

		*at = found;
		return v;
	}
	*at = (struct out_place){.next = NH_IPV4};
	if (likely(ip4_check(p->data, len) == len && len))
		return XI_OK;
	at->next = NH_IPV6;
	return ip6_check(p->data, len) == len && len ? XI_OK : XI_DROP_OUT_MODE;
}

/*
 * RFC 4301 §5.1.2: the hop limit of the inner packet is decremented by forwarding; what the host sent itself has been through that, and
 * in transport mode nobody forwards. -1: used up.
 */
static inline int out_hop(const struct ipsec_op *op, const struct form *f)
{
	uint8_t *ip = op->pkt->data;

	if ((op->flags & IPSEC_OP_HOST) || unlikely(!form_tunnel(f)))
		return 0;
	return likely(ip[0] >> 4 == 4) ? tunnel_ttl4(ip) : tunnel_hops6(ip);
}

/* The IP header in front of `end`, of a packet of total bytes in all; returns where it starts. */
static inline uint8_t *out_front(const struct ipsec_op *op, const struct form *f, const struct out_place *at,
				 uint8_t *end, size_t total)
{
	if (unlikely(!form_tunnel(f)))
		return out_move(op->pkt->data, *at, end, f->carrier, total);
	tunnel_outer(end - f->outer, op->pkt->data, f->sa, total, (uint16_t)op->ip_id, f->carrier);
	return end - f->outer;
}

/* The packets of one run become jobs; verdicts of those that do not. */
void esp_out_run(struct out_burst *b, const struct iv_source *iv, const struct form *f, struct ipsec_op *op,
		 unsigned n);
void ah_out_run(struct out_burst *b, const struct form *f, struct ipsec_op *op, unsigned n);
void ah_out_after(const struct out_burst *b, unsigned i);

#endif
