/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes of ESP packets (RFC 4303 §2) and what both directions need. */
#include "user/ipsec/esp_priv.h"

#include <errno.h>

/* clang-format off */
#define PAD4(n) (n), (n) + 1, (n) + 2, (n) + 3
#define PAD16(n) PAD4(n), PAD4((n) + 4), PAD4((n) + 8), PAD4((n) + 12)
#define PAD64(n) PAD16(n), PAD16((n) + 16), PAD16((n) + 32), PAD16((n) + 48)
/* clang-format on */

/* The last byte, 256 cut to 0, only fills a whole number of words. */
const uint8_t esp_pad[ESP_PAD_MAX + 1] = {PAD64(1),   PAD64(65), PAD64(129), PAD16(193), PAD16(209),
					  PAD16(225), PAD4(241), PAD4(245),  PAD4(249),	 253,
					  254,	      255,	 0};

int esp_sa_shape(const struct xi_sa *sa, struct alg_shape *s)
{
	if (sa->proto != XI_PROTO_ESP || sa->mode != XI_MODE_TUNNEL || sa->family != XI_IP4)
		return -EINVAL;
	return alg_shape(sa, s);
}

size_t ipsec_sealed_len(const struct xi_sa *sa, const struct pkt *p)
{
	struct alg_shape s;

	if (esp_sa_shape(sa, &s) < 0)
		return 0;
	return esp_front_len(&s) + esp_text_len(&s, pkt_len(p)) + s.icv_len;
}

size_t ipsec_inner_mtu(const struct xi_sa *sa, size_t path_mtu)
{
	size_t fixed, text, mtu = MIN(path_mtu, (size_t)IP4_LEN_MAX);
	struct alg_shape s;

	if (esp_sa_shape(sa, &s) < 0)
		return 0;
	fixed = esp_front_len(&s) + s.icv_len;
	if (mtu < fixed)
		return 0;
	text = (mtu - fixed) / s.align * s.align;
	return text < IP4_HDR + ESP_TRAILER ? 0 : text - ESP_TRAILER;
}

size_t ipsec_headroom(const struct xi_sa *sa)
{
	struct alg_shape s;

	return esp_sa_shape(sa, &s) < 0 ? 0 : esp_front_len(&s);
}

size_t ipsec_tailroom(const struct xi_sa *sa)
{
	struct alg_shape s;

	return esp_sa_shape(sa, &s) < 0 ? 0 : ESP_TRAILER + s.align - 1u + s.icv_len;
}
