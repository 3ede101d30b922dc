/* SPDX-License-Identifier: BSD-2-Clause */
/* Outer header, TTL and ECN of an IPv4 tunnel: RFC 4301 §5.1.2, RFC 6040, RFC 1624 (see tunnel.h). */
#include "user/ipsec/tunnel.h"

void tunnel_outer4(uint8_t *out, const uint8_t *inner, uint16_t tot_len, uint16_t id, uint8_t proto, uint32_t src,
		   uint32_t dst)
{
	/* RFC 4301 §5.1.2.1: DSCP copied. RFC 6040 §4.1, normal mode: ECN copied too. So the whole byte is. */
	uint32_t w0 = htonl(0x45000000 | (uint32_t)inner[IP4_TOS] << 16 | tot_len);
	/* RFC 4301 §8.1: DF copied; the outer packet is no fragment, whatever the inner one is. */
	uint32_t w1 = htonl((uint32_t)id << 16 | (u16_get(inner + IP4_FRAG) & IP4_DF));
	uint32_t w2 = htonl((uint32_t)TUNNEL_TTL << 24 | (uint32_t)proto << 16);
	uint16_t sum = (uint16_t)~ip4_fold((uint64_t)w0 + w1 + w2 + src + dst);

	be32_put(out, w0);
	be32_put(out + IP4_ID, w1);
	be32_put(out + IP4_TTL, w2 | htonl(ntohs(sum)));
	be32_put(out + IP4_SRC, src);
	be32_put(out + IP4_DST, dst);
}

int tunnel_ttl4(uint8_t *inner)
{
	if (inner[IP4_TTL] <= 1)
		return -1;
	/* TTL is the high byte of its 16 bits. */
	ip4_patch(inner, IP4_TTL, htons((uint16_t)(u16_get(inner + IP4_TTL) - 0x100)));
	return 0;
}

#define ECN_DROP 0xff

enum xi_drop tunnel_ecn4(uint8_t *inner, uint8_t outer_tos)
{
	/* RFC 6040 §4.2, figure 4: [inner][outer]; Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3. */
	static const uint8_t combined[4][4] = {
		[0] = {0, 0, 0, ECN_DROP},
		[1] = {1, 1, 1, 3},
		[2] = {2, 1, 2, 3},
		[3] = {3, 3, 3, 3},
	};
	uint8_t was = inner[IP4_TOS] & IP4_ECN;
	uint8_t now = combined[was][outer_tos & IP4_ECN];

	if (likely(now == was))
		return XI_OK;
	if (now == ECN_DROP)
		return XI_DROP_IN_ECN;
	ip4_patch(inner, 0, htons((uint16_t)((u16_get(inner) & ~IP4_ECN) | now)));
	return XI_OK;
}
