/* SPDX-License-Identifier: BSD-2-Clause */
/* What icmp.c and icmp_read.c share: numbers of ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443 §2.1). */
#ifndef IPSEC_ICMP_PRIV_H
#define IPSEC_ICMP_PRIV_H

#define ICMP_PROTO 1
#define ICMP_UNREACH 3
#define ICMP_FRAG_NEEDED 4

#define ICMP6_PROTO 58
#define ICMP6_PACKET_TOO_BIG 2
#define ICMP6_INFORMATIONAL 0x80 /* bit of the type; errors have it not */
#define ICMP6_REDIRECT 137	 /* RFC 4861 §4.5 */

#define ICMP_HDR 8 /* of both: type, code, checksum, 4 bytes by type */

#endif
