/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files behind ipsec.h share: the form that an SA gives to packets.
 *
 *   ESP (RFC 4303 §2, RFC 4106 §3, RFC 3602 §3), front = udp + 8 + iv_len:
 *   IP | UDP 8 | SPI 4 | sequence 4 | IV iv_len | payload | 1 2 3 ... | pad length 1 | next header 1 | ICV icv_len
 *                                               |<---------- text: a multiple of align ----------->|
 *              |<----------------------------- covered by the ICV ------------------------------->| high half of an ESN
 *
 *   AH (RFC 4302 §2), front = the header's length; the ICV covers all of the packet and the high half of an ESN behind it:
 *   IP | next header 1 | length 1 | 0 2 | SPI 4 | sequence 4 | IV iv_len | ICV icv_len | padding | payload
 *
 * In tunnel mode the IP header is new and the payload the whole packet; in transport mode the IP header with the extension headers
 * that routers look at is the packet's own (split.h).
 */
#ifndef IPSEC_FORM_H
#define IPSEC_FORM_H

#include "user/crypto/alg.h"
#include "user/ipsec/ip6.h"
#include "user/ipsec/ipsec.h"

#define ESP_HDR 8
#define ESP_TRAILER 2
#define ESP_PAD_MAX 255
#define ESN_HIGH 4 /* bytes of the high half of a sequence number */
#define AH_FIXED 12
#define AH_FRONT_MAX 512 /* bytes of IP header and extension headers in front of AH that are covered; longer: refused */
#define UDP_HDR 8
#define UDP_SUM 6 /* byte offset of the checksum */
#define ICV_MAX 64
#define IV_MAX 16 /* an IV has 0, 8 or 16 bytes */
#define PROTO_UDP 17
#define NH_NONE 59	 /* dummy packet (RFC 4303 §2.6) */
#define PREFETCH_AHEAD 4 /* packets */

/* What an SA makes of a packet; computed once for each run of packets of one SA. */
struct form {
	const struct xi_sa *sa;
	struct alg_shape alg;
	uint64_t seq_max; /* last number that may be sent */
	uint32_t window;  /* inbound; 0 = no anti-replay */
	uint16_t
		len_max_over; /* IPv6: a packet may be this much longer than 65535 bytes, for its payload is counted alone */
	uint8_t outer;	      /* bytes of the tunnel's IP header, 0 in transport mode */
	uint8_t udp;	      /* bytes of the UDP header, 8 or 0 */
	uint8_t front;	      /* bytes between IP headers and payload */
	uint8_t carrier;      /* protocol behind the IP headers: UDP, ESP, AH */
	uint8_t esn;	      /* the ICV covers 64 bits of sequence number */
	uint8_t esn_tail; /* bytes that it takes behind the rest: 4 or, in the AAD of an AEAD or without ESN, 0 */
};

/* 0, or -EINVAL: not a combination of protocol, mode, family, flags and algorithms that there is. */
int form_of(const struct xi_sa *sa, struct form *f) __must_check;

static inline int form_tunnel(const struct form *f)
{
	return f->outer != 0;
}

/* The longest IP packet of the SA's family. */
static inline size_t form_len_max(const struct form *f)
{
	return (size_t)IP4_LEN_MAX + f->len_max_over;
}

/* RFC 4303 §2.4: 1, 2, 3, ... */
extern const uint8_t esp_pad[ESP_PAD_MAX + 1];

static inline size_t esp_text_len(const struct alg_shape *s, size_t len)
{
	size_t mask = s->align - 1u;

	return (len + ESP_TRAILER + mask) & ~mask;
}

/* The end of the operations from first on that share an SA. */
static inline unsigned run_end(const struct ipsec_op *op, unsigned first, unsigned n)
{
	unsigned i = first + 1;

	while (i < n && op[i].sa == op[first].sa)
		i++;
	return i;
}

#endif
