/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What esp_in.c, esp_out.c and esp.c share: the ESP packet of tunnel mode (RFC 4303 §2, RFC 4106 §3, RFC 3602 §3).
 *
 *   outer IPv4 | SPI 4 | sequence 4 | IV iv_len | inner packet | 1 2 3 ... | pad length 1 | next header 1 | ICV icv_len
 *                                               |<------------- text: a multiple of align ------------->|
 *              |<----------------------------- covered by the ICV ------------------------------------->|
 */
#ifndef IPSEC_ESP_PRIV_H
#define IPSEC_ESP_PRIV_H

#include "user/crypto/alg.h"
#include "user/ipsec/ipsec.h"
#include "user/ipsec/tunnel.h"

#define ESP_HDR 8
#define ESP_TRAILER 2
#define ESP_PAD_MAX 255
#define NH_IPV4 4	 /* IPv4 in ESP (RFC 4303 §2.6) */
#define NH_NONE 59	 /* dummy packet (RFC 4303 §2.6) */
#define PREFETCH_AHEAD 4 /* packets */

/* RFC 4303 §2.4: 1, 2, 3, ... */
extern const uint8_t esp_pad[ESP_PAD_MAX + 1];

/* Bytes in front of the text, and the text for a payload of len bytes. */
static inline size_t esp_front_len(const struct alg_shape *s)
{
	return TUNNEL_HDR4 + ESP_HDR + s->iv_len;
}

static inline size_t esp_text_len(const struct alg_shape *s, size_t len)
{
	size_t mask = s->align - 1u;

	return (len + ESP_TRAILER + mask) & ~mask;
}

/* What crypto_job.auth_len says, from the SPI on. */
static inline uint32_t esp_auth_len(const struct alg_shape *s, size_t text_len)
{
	return (s->flags & ALG_F_AEAD) ? ESP_HDR : (uint32_t)(ESP_HDR + s->iv_len + text_len);
}

/* The end of the operations from first on that share an SA. */
static inline unsigned esp_run_end(const struct ipsec_op *op, unsigned first, unsigned n)
{
	unsigned i = first + 1;

	while (i < n && op[i].sa == op[first].sa)
		i++;
	return i;
}

/* The SA describes what this file's functions do: ESP, tunnel mode, IPv4, known algorithms. 0 or -EINVAL. */
int esp_sa_shape(const struct xi_sa *sa, struct alg_shape *s) __must_check;

#endif
