/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading "too big" messages about our own packets (see icmp.h):
 *
 *   IP header | type, code, checksum, MTU: 8 bytes | quoted IP header | UDP header? | SPI, sequence number ...
 */
#include <errno.h>

#include "bpf/abi/xi_sa.h"
#include "user/ipsec/icmp.h"
#include "user/ipsec/icmp_priv.h"
#include "user/ipsec/ip6.h"

#define UDP_PROTO 17
#define UDP_HDR 8
#define ESP_SPI_SEQ 8 /* RFC 4303 §2 */
#define AH_SPI 4      /* RFC 4302 §2: next header, length, reserved, SPI, sequence number */
#define AH_SPI_SEQ 12

/* RFC 1191 §7.1: the next lower of the MTUs in use, for routers that do not say theirs. */
static uint32_t plateau_below(uint32_t len)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

	for (unsigned i = 0; i < ARRAY_SIZE(plateau); i++)
		if (plateau[i] < len)
			return plateau[i];
	return 68;
}

/* The protected packet's own header, behind the quoted IP header: p[len], protocol proto. */
static int read_spi(struct icmp_quote *q, uint8_t proto, const uint8_t *p, size_t len)
{
	if (proto == UDP_PROTO && len >= UDP_HDR) {
		q->udp = 1;
		q->src_port = u16_get(p);
		q->dst_port = u16_get(p + 2);
		p += UDP_HDR;
		len -= UDP_HDR;
		proto = XI_PROTO_ESP;
	}
	if (proto == XI_PROTO_AH && len >= AH_SPI_SEQ)
		p += AH_SPI;
	else if (proto != XI_PROTO_ESP || len < ESP_SPI_SEQ)
		return -ENOENT;
	q->proto = proto;
	q->spi = be32_get(p);
	q->seq = ntohl(be32_get(p + 4));
	return q->spi ? 0 : -ENOENT; /* RFC 3948 §2.2: zero is IKE in UDP; RFC 4303 §2.1: no SPI */
}

/* ip[len]: the quoted packet, cut off where the router cut it. Its length field is that of the whole. */
static int read_quoted4(struct icmp_quote *q, const uint8_t *ip, size_t len)
{
	size_t hdr;

	if (len < IP4_HDR || ip[0] >> 4 != 4)
		return -ENOENT;
	hdr = ip4_hdr_len(ip);
	if (hdr < IP4_HDR || hdr > len || (u16_get(ip + IP4_FRAG) & IP4_OFFSET))
		return -ENOENT;
	q->src.w[0] = be32_get(ip + IP4_SRC);
	q->dst.w[0] = be32_get(ip + IP4_DST);
	if (q->mtu == 0)
		q->mtu = plateau_below(u16_get(ip + IP4_LEN));
	return read_spi(q, ip[IP4_PROTO], ip + hdr, len - hdr);
}

static int read_quoted6(struct icmp_quote *q, const uint8_t *ip, size_t len)
{
	struct ip6_at at;
	int step;

	if (len < IP6_HDR || ip[0] >> 4 != 6)
		return -ENOENT;
	memcpy(&q->src, ip + IP6_SRC, 16);
	memcpy(&q->dst, ip + IP6_DST, 16);
	at = ip6_first(ip);
	while ((step = ip6_step(&at, ip, len)) > 0)
		;
	if (step == 0 && at.proto == NH_FRAGMENT) { /* a first fragment of ours */
		if (len < at.off + IP6_FRAG_HDR || (u16_get(ip + at.off + IP6_FRAG_OFF) & IP6_FRAG_OFFSET))
			return -ENOENT;
		at.proto = ip[at.off];
		at.off += IP6_FRAG_HDR;
	}
	return step < 0 ? -ENOENT : read_spi(q, at.proto, ip + at.off, len - at.off);
}

static int read4(const uint8_t *ip, size_t len, struct icmp_quote *q)
{
	size_t hdr = ip4_hdr_len(ip);
	const uint8_t *icmp = ip + hdr;

	if (ip[IP4_PROTO] != ICMP_PROTO || (u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) || len < hdr + ICMP_HDR)
		return -ENOENT;
	if (icmp[0] != ICMP_UNREACH || icmp[1] != ICMP_FRAG_NEEDED || ip4_sum(icmp, len - hdr) != 0xffff)
		return -ENOENT;
	q->family = XI_IP4;
	q->mtu = u16_get(icmp + 6); /* RFC 1191 §4 */
	return read_quoted4(q, icmp + ICMP_HDR, len - hdr - ICMP_HDR);
}

static int read6(const uint8_t *ip, size_t len, struct icmp_quote *q)
{
	struct ip6_at at = ip6_first(ip);
	const uint8_t *icmp;

	while (ip6_step(&at, ip, len) > 0)
		;
	icmp = ip + at.off;
	if (at.proto != ICMP6_PROTO || len < at.off + ICMP_HDR || icmp[0] != ICMP6_PACKET_TOO_BIG)
		return -ENOENT;
	/* RFC 4443 §3.2: the code is ignored. */
	if (ip6_upper_sum(ip + IP6_SRC, ICMP6_PROTO, icmp, len - at.off) != 0xffff)
		return -ENOENT;
	q->family = XI_IP6;
	q->mtu = ntohl(be32_get(icmp + 4));
	return read_quoted6(q, icmp + ICMP_HDR, len - at.off - ICMP_HDR);
}

int icmp_read_too_big(const struct pkt *p, struct icmp_quote *q)
{
	size_t len = pkt_len(p), tot;

	memset(q, 0, sizeof(*q));
	tot = ip4_check(p->data, len);
	if (tot)
		return read4(p->data, tot, q);
	tot = ip6_check(p->data, len);
	return tot ? read6(p->data, tot, q) : -ENOENT;
}
