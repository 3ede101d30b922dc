/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP's maximum segment size, held to what fits through a tunnel (RFC 9293 §3.7.1, RFC 6691). Pure functions. */
#ifndef IPSEC_MSS_H
#define IPSEC_MSS_H

#include "user/ipsec/ip6.h"

#define TCP_PROTO 6
#define TCP_HDR 20
#define TCP_FLAGS 13 /* byte offset */
#define TCP_SYN 0x02

/* RFC 6691 §2: MTU less the fixed headers, options not counted. 0 = nothing fits, or the family is unknown. */
uint16_t mss_of_mtu(uint8_t family, size_t mtu);

/*
 * Lowers the MSS option of the SYN or SYN-ACK in the IP packet ip[len], either version, to mss and mends the TCP checksum. Returns 1 when
 * something was changed, else 0: no SYN, a later fragment, a header cut short or a smaller MSS. A malformed option list is read as
 * far as its receiver reads it. A SYN without the option gets none: its peer then sends no more than 536 bytes, over IPv6
 * 1220 (RFC 9293 §3.7.1), which fit into every tunnel whose MTU is 576 or 1280. mss 0 changes nothing.
 */
int mss_clamp(uint8_t *ip, size_t len, uint16_t mss);

/* Cheap look for the packet path: may ip[len], whose IP header has been checked, be a SYN? */
static inline int mss_may_apply(const uint8_t *ip, size_t len)
{
	if (ip[0] >> 4 == 6)
		return ip[IP6_NEXT] == TCP_PROTO ? len >= IP6_HDR + TCP_HDR && (ip[IP6_HDR + TCP_FLAGS] & TCP_SYN)
						 : ip[IP6_NEXT] == NH_HOP_BY_HOP || ip[IP6_NEXT] == NH_DST_OPTIONS ||
							   ip[IP6_NEXT] == NH_ROUTING || ip[IP6_NEXT] == NH_FRAGMENT;
	if (ip[IP4_PROTO] != TCP_PROTO || len < IP4_HDR + TCP_HDR)
		return 0;
	return ip[0] != 0x45 || (ip[IP4_HDR + TCP_FLAGS] & TCP_SYN);
}

#endif
