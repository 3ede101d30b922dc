/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv4 header bytes (RFC 791): where the fields stand, and the checksum. Headers in a frame are aligned to 2 bytes only, so
 * fields are read and written by copies, which compile to plain loads and stores. 16-bit values named be are in network order.
 */
#ifndef IPSEC_IP4_H
#define IPSEC_IP4_H

#include <arpa/inet.h>

#include "user/base/util.h"

#define IP4_HDR 20 /* bytes without options */
#define IP4_HDR_MAX 60
#define IP4_LEN_MAX 65535

/* Byte offsets */
#define IP4_TOS 1
#define IP4_LEN 2
#define IP4_ID 4
#define IP4_FRAG 6
#define IP4_TTL 8
#define IP4_PROTO 9
#define IP4_SUM 10
#define IP4_SRC 12
#define IP4_DST 16

/* In the 16 bits at IP4_FRAG, host order */
#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP4_OFFSET 0x1fff /* in units of 8 bytes */

#define IP4_ECN 3 /* of the byte at IP4_TOS (RFC 3168 §5) */

static inline uint16_t be16_get(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void be16_put(uint8_t *p, uint16_t be)
{
	memcpy(p, &be, sizeof(be));
}

static inline uint16_t u16_get(const uint8_t *p)
{
	return ntohs(be16_get(p));
}

static inline void u16_put(uint8_t *p, uint16_t host)
{
	be16_put(p, htons(host));
}

static inline uint32_t be32_get(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void be32_put(uint8_t *p, uint32_t be)
{
	memcpy(p, &be, sizeof(be));
}

static inline size_t ip4_hdr_len(const uint8_t *ip)
{
	return (size_t)(ip[0] & 15) * 4;
}

static inline uint16_t ip4_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Ones' complement sum over len bytes, an odd last one padded with zero (RFC 1071); 0xffff when a right checksum is
 * among them. */
static inline uint16_t ip4_sum(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	uint8_t last[4] = {0};

	for (; len >= 4; len -= 4, p += 4)
		sum += be32_get(p);
	memcpy(last, p, len);
	return ip4_fold(sum + be32_get(last));
}

/* Writes a header's checksum anew. */
static inline void ip4_sum_put(uint8_t *ip)
{
	be16_put(ip + IP4_SUM, 0);
	be16_put(ip + IP4_SUM, (uint16_t)~ip4_sum(ip, ip4_hdr_len(ip)));
}

/* Changes the 16 bits at an even offset of a header and mends its checksum: HC' = ~(~HC + ~m + m') (RFC 1624 §3). */
static inline void ip4_patch(uint8_t *ip, size_t off, uint16_t be)
{
	uint32_t sum = (uint16_t)~be16_get(ip + IP4_SUM) + (uint32_t)(uint16_t)~be16_get(ip + off) + be;

	be16_put(ip + off, be);
	be16_put(ip + IP4_SUM, (uint16_t)~ip4_fold(sum));
}

/* The total length of a sound IPv4 header within len bytes (version, IHL, total length, checksum), or 0. */
static inline size_t ip4_check(const uint8_t *ip, size_t len)
{
	size_t hdr, tot;

	if (len < IP4_HDR || ip[0] >> 4 != 4)
		return 0;
	hdr = ip4_hdr_len(ip);
	tot = u16_get(ip + IP4_LEN);
	if (hdr < IP4_HDR || hdr > tot || tot > len || ip4_sum(ip, hdr) != 0xffff)
		return 0;
	return tot;
}

#endif
