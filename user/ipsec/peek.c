/* SPDX-License-Identifier: BSD-2-Clause */
/* ipsec_peek: is there a transform in a packet? */
#include <errno.h>

#include "user/ipsec/form.h"
#include "user/ipsec/split.h"

static int peek_esp(const uint8_t *esp, size_t len, __be32 *spi)
{
	if (len < ESP_HDR)
		return -EINVAL;
	*spi = be32_get(esp);
	return 0;
}

int ipsec_peek(const struct pkt *p, int udp, __be32 *spi, uint8_t *proto)
{
	size_t len = pkt_len(p), need;
	struct ip6_at at;
	const uint8_t *hdr;

	if (len < IP4_HDR || (p->data[0] >> 4 == 4 ? ip4_check(p->data, len) : ip6_check(p->data, len)) != len)
		return -EINVAL;
	/* A fragment shows nothing of what it is a part of. */
	if (ip_walk(p->data, len, &at) < 0)
		return p->data[0] >> 4 == 4 || at.proto == NH_FRAGMENT ? -ENOENT : -EINVAL;
	hdr = p->data + at.off;
	len -= at.off;
	*proto = at.proto;
	if (at.proto == XI_PROTO_ESP)
		return peek_esp(hdr, len, spi);
	if (at.proto == XI_PROTO_AH) {
		if (len < AH_FIXED)
			return -EINVAL;
		*spi = be32_get(hdr + 4);
		return 0;
	}
	/* RFC 3948 §2.2: the non-ESP marker, and a keep-alive of one byte, are not ESP. */
	need = UDP_HDR + 4;
	if (!udp || at.proto != PROTO_UDP || len < need || be32_get(hdr + UDP_HDR) == 0)
		return -ENOENT;
	*proto = XI_PROTO_ESP;
	return peek_esp(hdr + UDP_HDR, len - UDP_HDR, spi);
}
