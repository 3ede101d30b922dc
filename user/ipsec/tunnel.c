/* SPDX-License-Identifier: BSD-2-Clause */
/* Outer header, hop limit and ECN of a tunnel: RFC 4301 §5.1.2, RFC 6040, RFC 1624 (see tunnel.h). */
#include "user/ipsec/tunnel.h"

#define FLOW_LABEL 0x000fffff /* of the first 32 bits of an IPv6 header, host order */
#define ECN_DROP 0xff

static void outer4(uint8_t *out, const uint8_t *inner, const struct xi_sa *sa, size_t tot_len, uint16_t id,
		   uint8_t proto)
{
	/* RFC 4301 §8.1: DF copied from IPv4; an IPv6 sender expects to be told the size, so its packets are not cut on the way
	 * either. The outer packet is no fragment, whatever the inner one is. */
	int v4 = likely(inner[0] >> 4 == 4);
	uint32_t df = v4 ? u16_get(inner + IP4_FRAG) & IP4_DF : IP4_DF;
	/* RFC 4301 §5.1.2.1: DSCP copied. RFC 6040 §4.1, normal mode: ECN copied too. So the whole byte is. */
	uint32_t class = v4 ? inner[IP4_TOS] : tunnel_class(inner);
	uint32_t w0 = htonl(0x45000000 | class << 16 | (uint32_t)tot_len);
	uint32_t w1 = htonl((uint32_t)id << 16 | df);
	uint32_t w2 = htonl((uint32_t)TUNNEL_TTL << 24 | (uint32_t)proto << 16);
	uint32_t src = sa->src.w[0], dst = sa->dst.w[0];
	uint16_t sum = (uint16_t)~ip4_fold((uint64_t)w0 + w1 + w2 + src + dst);

	be32_put(out, w0);
	be32_put(out + IP4_ID, w1);
	be32_put(out + IP4_TTL, w2 | htonl(ntohs(sum)));
	be32_put(out + IP4_SRC, src);
	be32_put(out + IP4_DST, dst);
}

static void outer6(uint8_t *out, const uint8_t *inner, const struct xi_sa *sa, size_t tot_len, uint8_t proto)
{
	/* RFC 4301 §5.1.2.2: the flow label is copied, or made; the tunnel of an IPv4 packet has none (RFC 6437 §3). */
	uint32_t flow = inner[0] >> 4 == 6 ? ntohl(be32_get(inner)) & FLOW_LABEL : 0;

	be32_put(out, htonl(0x60000000 | (uint32_t)tunnel_class(inner) << 20 | flow));
	u16_put(out + IP6_LEN, (uint16_t)(tot_len - IP6_HDR));
	out[IP6_NEXT] = proto;
	out[IP6_HOPS] = TUNNEL_TTL;
	memcpy(out + IP6_SRC, &sa->src, 16);
	memcpy(out + IP6_DST, &sa->dst, 16);
}

void tunnel_outer(uint8_t *out, const uint8_t *inner, const struct xi_sa *sa, size_t tot_len, uint16_t id,
		  uint8_t proto)
{
	if (likely(sa->family == XI_IP4))
		outer4(out, inner, sa, tot_len, id, proto);
	else
		outer6(out, inner, sa, tot_len, proto);
}

int tunnel_ttl4(uint8_t *inner)
{
	if (inner[IP4_TTL] <= 1)
		return -1;
	/* TTL is the high byte of its 16 bits. */
	ip4_patch(inner, IP4_TTL, htons((uint16_t)(u16_get(inner + IP4_TTL) - 0x100)));
	return 0;
}

int tunnel_hops6(uint8_t *inner)
{
	if (inner[IP6_HOPS] <= 1)
		return -1;
	inner[IP6_HOPS]--;
	return 0;
}

/* RFC 6040 §4.2, figure 4: the inner ECN field that comes of the two, or ECN_DROP. */
static uint8_t combined_ecn(uint8_t inner, uint8_t outer)
{
	/* [inner][outer]; Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3. */
	static const uint8_t combined[4][4] = {
		[0] = {0, 0, 0, ECN_DROP},
		[1] = {1, 1, 1, 3},
		[2] = {2, 1, 2, 3},
		[3] = {3, 3, 3, 3},
	};

	return combined[inner & IP4_ECN][outer & IP4_ECN];
}

enum xi_drop tunnel_open4(struct pkt *p, uint8_t *inner, size_t len, uint8_t outer_class)
{
	/* RFC 4303 §2.7: the inner packet's own length counts; what is behind it is traffic flow padding. */
	size_t tot = ip4_check(inner, len);
	uint8_t ecn;

	if (unlikely(!tot))
		return XI_DROP_IN_MODE;
	ecn = combined_ecn(inner[IP4_TOS], outer_class);
	if (unlikely(ecn == ECN_DROP))
		return XI_DROP_IN_ECN;
	if (unlikely(ecn != (inner[IP4_TOS] & IP4_ECN)))
		ip4_patch(inner, 0, htons((uint16_t)((u16_get(inner) & ~IP4_ECN) | ecn)));
	p->data = inner;
	p->tail = inner + tot;
	return XI_OK;
}

enum xi_drop tunnel_open6(struct pkt *p, uint8_t *inner, size_t len, uint8_t outer_class)
{
	size_t tot = ip6_check(inner, len);
	uint8_t ecn;

	if (unlikely(!tot))
		return XI_DROP_IN_MODE;
	ecn = combined_ecn(tunnel_class(inner), outer_class);
	if (unlikely(ecn == ECN_DROP))
		return XI_DROP_IN_ECN;
	u16_put(inner, (uint16_t)((u16_get(inner) & ~(IP4_ECN << 4)) | ecn << 4));
	p->data = inner;
	p->tail = inner + tot;
	return XI_OK;
}
