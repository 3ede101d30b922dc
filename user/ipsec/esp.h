/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESP (RFC 4303) over packet buffers: no socket, no clock, no allocation, no log. A burst is an array of operations, each
 * with its own verdict; the array is run to completion. All operations of a burst that share an SA stand together.
 */
#ifndef IPSEC_ESP_H
#define IPSEC_ESP_H

#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_sa.h"
#include "user/crypto/engine.h"
#include "user/ipsec/pkt.h"

#define ESP_OP_HOST 0x01 /* outbound: the packet came through the stack, do not touch its TTL */

struct esp_op {
	const struct xi_sa *sa;
	struct xi_sa_rt *rt; /* inbound: replay state, under rt->lock; outbound: not used */
	struct xi_replay *replay;
	const struct keyctx *key;
	struct pkt *pkt;
	uint64_t seq;	      /* outbound in: number reserved for this packet; inbound out: number received */
	uint16_t ip_id;	      /* outbound in: ID for the outer IPv4 header, network order does not matter */
	uint8_t flags;	      /* ESP_OP_* */
	enum xi_drop verdict; /* in: XI_OK, others are skipped; out: XI_OK or the reason */
};

/* IV source for CBC: fills buf with unpredictable bytes (RFC 3602 §3). State is the caller's, one per thread. */
struct iv_source {
	void (*fill)(void *state, uint8_t *buf, size_t len);
	void *state;
};

/*
 * Outbound. In: pkt->data..tail is the plaintext IPv4 packet (nothing behind its total length). Out: the ESP packet with
 * its outer header, in place. Tunnel mode, RFC 4303 §3.3, spec section 15. Needs esp_headroom() bytes in front of data and
 * esp_tailroom() behind tail, else XI_DROP_OUT_NO_ROOM. sequence > 2^32-1: XI_DROP_OUT_SEQUENCE. n <= ENGINE_BURST_MAX.
 */
void esp_seal(struct engine *en, const struct iv_source *iv, struct esp_op *op, unsigned n);

/*
 * Inbound. In: pkt->data is the outer IPv4 header, tail the end of that datagram by its total length. Out: the inner packet,
 * data at its IP header, tail at its end by its own length; ECN combined (RFC 6040). RFC 4303 §3.4: length, window look-up, ICV,
 * decryption, window move, padding, inner header. Does not decrement the inner TTL and does not check policy.
 * A dummy packet (next header 59) gets XI_OK and tail == data: nothing to forward, nothing to count as an error.
 */
void esp_open(struct engine *en, struct esp_op *op, unsigned n);

/* Bytes of the ESP packet, outer header included, that an inner packet of inner_len bytes becomes. Exact. */
size_t esp_sealed_len(const struct xi_sa *sa, size_t inner_len);

/* The longest inner packet whose ESP packet fits into path_mtu; 0 when none fits. */
size_t esp_inner_mtu(const struct xi_sa *sa, size_t path_mtu);

size_t esp_headroom(const struct xi_sa *sa);
size_t esp_tailroom(const struct xi_sa *sa);

#endif
