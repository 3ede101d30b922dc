/* SPDX-License-Identifier: BSD-2-Clause */
/* MSS clamping: RFC 9293 §3.1 options, RFC 1624 checksum (see mss.h). */
#include "user/ipsec/mss.h"

#define TCP_DATA_OFF 12 /* byte with the header's length in its upper half, in units of 4 bytes */
#define TCP_SUM 16
#define OPT_END 0
#define OPT_NOP 1
#define OPT_MSS 2
#define OPT_MSS_LEN 4

uint16_t mss_of_mtu(uint8_t family, size_t mtu)
{
	size_t hdr = (family == 4 ? IP4_HDR : IP6_HDR) + TCP_HDR;

	if ((family != 4 && family != 6) || mtu <= hdr)
		return 0;
	return (uint16_t)MIN(mtu - hdr, (size_t)UINT16_MAX);
}

/* Offset of the TCP header in ip[len], 0 = there is none that can be read. */
static size_t find_tcp(const uint8_t *ip, size_t len)
{
	struct ip6_at at;

	if (len >= IP4_HDR && ip[0] >> 4 == 4) {
		size_t hdr = ip4_hdr_len(ip);

		return hdr >= IP4_HDR && ip[IP4_PROTO] == TCP_PROTO && !(u16_get(ip + IP4_FRAG) & IP4_OFFSET) ? hdr : 0;
	}
	if (len < IP6_HDR || ip[0] >> 4 != 6)
		return 0;
	at = ip6_first(ip);
	for (;;) {
		int step = ip6_step(&at, ip, len);

		if (step > 0)
			continue;
		if (step < 0 || at.proto != NH_FRAGMENT)
			return step == 0 && at.proto == TCP_PROTO ? at.off : 0;
		if (len < at.off + IP6_FRAG_HDR || (u16_get(ip + at.off + IP6_FRAG_OFF) & IP6_FRAG_OFFSET))
			return 0;
		at.proto = ip[at.off];
		at.off += IP6_FRAG_HDR;
	}
}

/*
 * RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m'). At an odd offset the two bytes stand in different words: ones' complement sums do not
 * mind bytes swapped in all terms (RFC 1071 §2 (B)).
 */
static void put_mended(uint8_t *tcp, size_t off, uint16_t mss)
{
	uint16_t was = be16_get(tcp + off), is = htons(mss);
	uint32_t sum = (uint16_t)~be16_get(tcp + TCP_SUM);

	be16_put(tcp + off, is);
	if (off & 1) {
		was = __builtin_bswap16(was);
		is = __builtin_bswap16(is);
	}
	be16_put(tcp + TCP_SUM, (uint16_t)~ip4_fold(sum + (uint16_t)~was + is));
}

int mss_clamp(uint8_t *ip, size_t len, uint16_t mss)
{
	size_t tcp_at = find_tcp(ip, len), end, i = TCP_HDR;
	uint8_t *tcp = ip + tcp_at;
	int changed = 0;

	if (!mss || !tcp_at || len < tcp_at + TCP_HDR || !(tcp[TCP_FLAGS] & TCP_SYN))
		return 0;
	end = (size_t)(tcp[TCP_DATA_OFF] >> 4) * 4;
	if (end < TCP_HDR || end > len - tcp_at)
		return 0;
	while (i < end && tcp[i] != OPT_END) {
		size_t n = 1;

		if (tcp[i] != OPT_NOP) {
			if (end - i < 2 || tcp[i + 1] < 2 || tcp[i + 1] > end - i)
				break;
			n = tcp[i + 1];
		}
		if (tcp[i] == OPT_MSS && n == OPT_MSS_LEN && u16_get(tcp + i + 2) > mss) {
			put_mended(tcp, i + 2, mss);
			changed = 1;
		}
		i += n;
	}
	return changed;
}
