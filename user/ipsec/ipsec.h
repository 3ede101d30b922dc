/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESP (RFC 4303) and AH (RFC 4302) over packet buffers, tunnel and transport mode, IPv4 and IPv6 in any combination: no
 * socket, no clock, no allocation, no log. A burst is an array of operations, each with its own verdict; the array is run
 * to completion. One operation is one transform: a bundle is sealed by one burst with the ESP SA and one with the AH SA,
 * and opened in the reverse order. All operations of a burst that share an SA stand together.
 */
#ifndef IPSEC_IPSEC_H
#define IPSEC_IPSEC_H

#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_sa.h"
#include "user/crypto/engine.h"
#include "user/ipsec/pkt.h"

#define IPSEC_OP_HOST 0x01 /* outbound: the packet came through the stack, its TTL is not touched */

struct ipsec_op {
	const struct xi_sa *sa;
	struct xi_sa_rt *rt; /* inbound: replay state, under rt->lock; outbound: not used */
	struct xi_replay *replay;
	const struct keyctx *key;
	struct pkt *pkt;
	uint64_t
		seq; /* outbound in: number reserved for this packet; inbound out: number received, all 64 bits of an ESN */
	uint32_t ip_id;	      /* outbound in: ID of the outer IPv4 header (low 16 bits) */
	uint8_t flags;	      /* IPSEC_OP_* */
	uint32_t payload;     /* inbound out: bytes of it, see ipsec_payload_len(); dummy packets have none */
	enum xi_drop verdict; /* in: XI_OK, others are skipped; out: XI_OK or the reason */
};

/* IV source for CBC: fills buf with unpredictable bytes (RFC 3602 §3). State is the caller's, one per thread. */
struct iv_source {
	void (*fill)(void *state, uint8_t *buf, size_t len);
	void *state;
};

/*
 * Outbound. In: pkt->data..tail is exactly one IP packet of either version, its addresses in transport mode those of the SA (else
 * XI_DROP_OUT_ENDPOINTS). Out: the protected packet from its outermost IP header on, in place; with XI_SA_F_UDP inside a UDP
 * header. A packet is checked completely before its first byte changes, so that one too big can still be answered with ICMP; one that
 * gets another verdict than XI_OK is undefined after that check only for XI_DROP_OUT_ENGINE. Needs ipsec_headroom() bytes in front of
 * data and ipsec_tailroom() behind tail, else XI_DROP_OUT_NO_ROOM. Sequence numbers used up (2^32, with ESN 2^64): XI_DROP_OUT_SEQUENCE.
 * A fragment in transport mode: XI_DROP_OUT_MODE (RFC 4303 §3.3.4: only whole datagrams). n <= ENGINE_BURST_MAX.
 * The destination that transport mode compares is the final one of a source route or routing header, as AH covers it.
 */
void ipsec_seal(struct engine *en, const struct iv_source *iv, struct ipsec_op *op, unsigned n);

/*
 * Inbound. In: pkt->data is the outer IP header, tail the end of that packet by its own length; with XI_SA_F_UDP a UDP header
 * stands in front of ESP, without it none (else XI_DROP_IN_ENCAP). Out, tunnel mode: the inner packet, tail at its end by its own
 * length, ECN combined (RFC 6040). Transport mode: the IP packet without the ESP or AH header, lengths and checksum of the IP header
 * mended, behind UDP encapsulation also the checksum of TCP and UDP (RFC 3948 §3.1.2). RFC 4303 §3.4, RFC 4302 §3.4: length, window
 * look-up, ICV, decryption, window move, padding, inner header. Does not decrement the inner TTL and does not check policy.
 * A dummy packet (next header 59, RFC 4303 §2.6) gets XI_OK and tail == data: nothing to forward, no error. AH with ESN needs 4 bytes of
 * room behind tail, else XI_DROP_IN_NO_BUFFER; they are overwritten. With XI_SA_F_UDP another source address or port than the SA's
 * is accepted when there is an ICV, and noted in rt->seen and rt->seen_port if nothing newer has been noted.
 */
void ipsec_open(struct engine *en, struct ipsec_op *op, unsigned n);

/*
 * SPI and protocol (50 or 51) of the AH or ESP header that comes next in the IP packet p (behind extension headers; ESP in UDP, whatever
 * its ports, to be looked for when udp is not 0), for looking up the SA of a nested transform. 0, or -ENOENT: the packet is not AH or
 * ESP, or a fragment; -EINVAL: cut short or malformed.
 */
int ipsec_peek(const struct pkt *p, int udp, __be32 *spi, uint8_t *proto) __must_check;

/* Bytes that the IP packet p (checked by its caller) becomes under the SA, exactly. 0: it cannot (mode, family). */
size_t ipsec_sealed_len(const struct xi_sa *sa, const struct pkt *p);

/*
 * Bytes of p, a packet as ipsec_seal() takes it, that stand behind the SA's own header, without padding and trailer: what its byte limits count
 * (spec 14.2). Tunnel mode: all of it; transport mode: what the IP headers in front of the cut carry; 0 when it cannot be cut.
 */
size_t ipsec_payload_len(const struct xi_sa *sa, const struct pkt *p);

/*
 * The longest packet whose protected form fits into path_mtu, 0 when none does. Tunnel mode: any inner packet; transport mode: for a
 * packet with the plain IP header of the SA's family (20 or 40 bytes).
 */
size_t ipsec_inner_mtu(const struct xi_sa *sa, size_t path_mtu);

size_t ipsec_headroom(const struct xi_sa *sa);
size_t ipsec_tailroom(const struct xi_sa *sa);

#endif
