/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP about packets that do not fit: destination unreachable, fragmentation needed (RFC 792, RFC 1191) and ICMPv6 packet too big
 * (RFC 4443 §3.2), written for senders behind us and read from routers between the gateways. Pure functions. How many are
 * sent is the caller's to limit (RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f)).
 */
#ifndef IPSEC_ICMP_H
#define IPSEC_ICMP_H

#include "bpf/abi/xi_abi.h"
#include "user/ipsec/pkt.h"

#define ICMP4_PACKET_MAX 576  /* RFC 1812 §4.3.2.3: no longer than this in all */
#define ICMP6_PACKET_MAX 1280 /* RFC 4443 §2.4 (c): as much of the packet as fits into the least MTU */

/*
 * Fragmentation needed for the IPv4 packet orig[orig_len], as a complete IPv4 packet into out[cap]: from src (network order) to the
 * sender of orig, carrying next-hop MTU mtu and as much of orig as fits into 576 bytes in all. Returns its length, or 0
 * when RFC 1122 §3.2.2 forbids an answer (orig is a non-first fragment, an ICMP error, goes to multicast or broadcast, or has a
 * source that is no host) or cap is too small.
 */
size_t icmp4_too_big(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, uint32_t src, uint16_t mtu);

/*
 * Packet too big for the IPv6 packet orig[orig_len], in the same way, from src, in 1280 bytes in all. 0 when RFC 4443 §2.4 (e) forbids an
 * answer (orig is or may be an ICMPv6 error or a redirect, or has a source that is no single host; one to multicast is answered) or
 * cap is too small. mtu below 1280 says nothing to a sender (RFC 8200 §5): the caller does not ask for it.
 */
size_t icmp6_too_big(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, const struct xi_addr *src,
		     uint32_t mtu);

/* What a router said about a packet of ours. Addresses and SPI in network order as in the packet, the rest in host order. */
struct icmp_quote {
	struct xi_addr src, dst; /* of the quoted packet: src is ours */
	__be32 spi;
	uint32_t seq; /* low half */
	uint32_t mtu; /* as said, or by RFC 1191 §7.1 when the router says none; not bounded from below */
	uint16_t src_port, dst_port; /* with udp */
	uint8_t family;		     /* of the quoted packet, and of the message */
	uint8_t proto;		     /* 50 or 51 */
	uint8_t udp;		     /* ESP in UDP (RFC 3948) */
};

/*
 * Reads a "too big" message. p is one IP packet of either version. -ENOENT: it is none, its checksum is wrong, it quotes neither ESP nor
 * AH nor ESP in UDP, or so little that SPI and sequence number are not there. Whoever sent it may have made it up: addresses, SPI and
 * sequence number are to be compared with the SA's (RFC 4301 §8.2.1).
 */
int icmp_read_too_big(const struct pkt *p, struct icmp_quote *q) __must_check;

#endif
