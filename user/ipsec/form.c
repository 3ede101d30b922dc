/* SPDX-License-Identifier: BSD-2-Clause */
/* The form of an SA's packets and the sizes that follow from it (RFC 4303 §2, RFC 4302 §2). */
#include "user/ipsec/form.h"

#include <errno.h>

#include "bpf/abi/xi_alg.h"
#include "user/ipsec/split.h"

/* clang-format off */
#define PAD4(n) (n), (n) + 1, (n) + 2, (n) + 3
#define PAD16(n) PAD4(n), PAD4((n) + 4), PAD4((n) + 8), PAD4((n) + 12)
#define PAD64(n) PAD16(n), PAD16((n) + 16), PAD16((n) + 32), PAD16((n) + 48)
/* clang-format on */

/* The last byte, 256 cut to 0, only fills a whole number of words. */
const uint8_t esp_pad[ESP_PAD_MAX + 1] = {PAD64(1),   PAD64(65), PAD64(129), PAD16(193), PAD16(209),
					  PAD16(225), PAD4(241), PAD4(245),  PAD4(249),	 253,
					  254,	      255,	 0};

static int esp_form(struct form *f)
{
	const struct xi_sa *sa = f->sa;

	if (sa->flags & XI_SA_F_UDP) {
		f->udp = UDP_HDR;
		f->carrier = PROTO_UDP;
	}
	f->front = (uint8_t)(f->udp + ESP_HDR + f->alg.iv_len);
	/* RFC 4303 §2.2.1: with an AEAD the high half is part of the AAD. */
	f->esn_tail = f->esn && !(f->alg.flags & ALG_F_AEAD) ? ESN_HIGH : 0;
	return 0;
}

/* RFC 4302 §2.2, §3.3.3.2.1: a multiple of 4 bytes in IPv4, of 8 in IPv6. */
static int ah_form(struct form *f)
{
	const struct xi_sa *sa = f->sa;
	unsigned len = AH_FIXED + (unsigned)f->alg.iv_len + f->alg.icv_len;
	unsigned mask = sa->family == XI_IP6 || (sa->flags & XI_SA_F_AH_ALIGN8) ? 7 : 3;

	if (sa->enc_alg != XI_ENC_NULL || !f->alg.icv_len || (sa->flags & XI_SA_F_UDP))
		return -EINVAL;
	f->front = (uint8_t)((len + mask) & ~mask);
	f->esn_tail = f->esn ? ESN_HIGH : 0;
	return 0;
}

int form_of(const struct xi_sa *sa, struct form *f)
{
	*f = (struct form){.sa = sa, .seq_max = UINT32_MAX, .carrier = sa->proto};
	if ((sa->family != XI_IP4 && sa->family != XI_IP6) || sa->mode > XI_MODE_TUNNEL || alg_shape(sa, &f->alg) < 0)
		return -EINVAL;
	if (f->alg.iv_len != 0 && f->alg.iv_len != 8 && f->alg.iv_len != IV_MAX)
		return -EINVAL;
	if (sa->family == XI_IP6)
		f->len_max_over = IP6_HDR;
	if (sa->mode == XI_MODE_TUNNEL)
		f->outer = sa->family == XI_IP6 ? IP6_HDR : IP4_HDR;
	/* Without an ICV nobody vouches for a number: no anti-replay (RFC 4303 §2.2, spec section 15), and none of its bits inferred. */
	if (f->alg.icv_len)
		f->window = MIN(sa->replay_window, (uint32_t)XI_REPLAY_WINDOW_MAX);
	if (sa->flags & XI_SA_F_ESN) {
		f->seq_max = UINT64_MAX;
		f->esn = f->alg.icv_len != 0;
	}
	if (sa->proto == XI_PROTO_ESP)
		return esp_form(f);
	return sa->proto == XI_PROTO_AH ? ah_form(f) : -EINVAL;
}

/* Bytes in all for a payload of len bytes behind hdr bytes of IP headers. */
static size_t sealed(const struct form *f, size_t hdr, size_t len)
{
	if (f->sa->proto == XI_PROTO_ESP)
		len = esp_text_len(&f->alg, len) + f->alg.icv_len;
	return hdr + f->front + len;
}

size_t ipsec_sealed_len(const struct xi_sa *sa, const struct pkt *p)
{
	struct ip_split s;
	struct form f;

	if (form_of(sa, &f) < 0)
		return 0;
	if (form_tunnel(&f))
		return sealed(&f, f.outer, pkt_len(p));
	if (ip_split(p->data, pkt_len(p), &s) < 0 || s.family != sa->family)
		return 0;
	return sealed(&f, s.len, pkt_len(p) - s.len);
}

size_t ipsec_payload_len(const struct xi_sa *sa, const struct pkt *p)
{
	struct ip_split s;

	if (likely(sa->mode == XI_MODE_TUNNEL))
		return pkt_len(p);
	return ip_split(p->data, pkt_len(p), &s) < 0 ? 0 : pkt_len(p) - s.len;
}

size_t ipsec_inner_mtu(const struct xi_sa *sa, size_t path_mtu)
{
	size_t hdr, fixed, room, own;
	struct form f;

	if (form_of(sa, &f) < 0)
		return 0;
	hdr = sa->family == XI_IP6 ? IP6_HDR : IP4_HDR;
	own = form_tunnel(&f) ? 0 : hdr; /* the IP header is part of the packet that is asked for */
	fixed = hdr + f.front;
	if (sa->proto == XI_PROTO_ESP)
		fixed += f.alg.icv_len;
	if (path_mtu > form_len_max(&f))
		path_mtu = form_len_max(&f);
	if (path_mtu < fixed)
		return 0;
	room = path_mtu - fixed;
	if (sa->proto == XI_PROTO_ESP) {
		room = room / f.alg.align * f.alg.align;
		if (room < ESP_TRAILER)
			return 0;
		room -= ESP_TRAILER;
	}
	return own || room >= IP4_HDR ? own + room : 0;
}

size_t ipsec_headroom(const struct xi_sa *sa)
{
	struct form f;

	return form_of(sa, &f) < 0 ? 0 : (size_t)f.outer + f.front;
}

size_t ipsec_tailroom(const struct xi_sa *sa)
{
	struct form f;

	if (form_of(sa, &f) < 0)
		return 0;
	if (sa->proto == XI_PROTO_AH)
		return f.esn_tail;
	return ESP_TRAILER + f.alg.align - 1u + f.alg.icv_len;
}
