/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outbound ESP (RFC 4303 §3.3, spec section 15): a run of packets of one SA becomes jobs. A packet is checked completely before its
 * first byte changes, so that one too big can still be answered with ICMP.
 */
#include "user/ipsec/out.h"

/* How one packet is laid out. */
struct plan {
	struct out_place at;
	size_t text;  /* bytes of the text */
	size_t total; /* of the ESP packet */
};

static enum xi_drop check(const struct ipsec_op *op, const struct form *f, struct plan *pl)
{
	const struct pkt *p = op->pkt;
	enum xi_drop v = out_check(op, f, &pl->at);
	size_t len = pkt_len(p) - pl->at.len;

	if (unlikely(v != XI_OK))
		return v;
	pl->text = esp_text_len(&f->alg, len);
	pl->total = f->outer + pl->at.len + f->front + pl->text + f->alg.icv_len;
	if (unlikely(pl->total > form_len_max(f)))
		return XI_DROP_OUT_TOO_BIG;
	if (unlikely((size_t)(p->data - p->head) < (size_t)f->outer + f->front ||
		     (size_t)(p->end - p->tail) < pl->text - len + f->alg.icv_len))
		return XI_DROP_OUT_NO_ROOM;
	return XI_OK;
}

/* RFC 4303 §2.4, §2.5, §2.6: padding, pad length, next header, behind the payload. */
static void write_trailer(const struct pkt *p, size_t pad_len, uint8_t next)
{
	uint8_t *t = p->tail;

	/* At most 15 bytes: a fixed copy where it stays within the frame; what is too much is overwritten below or is free. */
	if (likely(p->end - t >= 16))
		memcpy(t, esp_pad, 16);
	else
		memcpy(t, esp_pad, pad_len);
	t[pad_len] = (uint8_t)pad_len;
	t[pad_len + 1] = next;
}

/* The IV: the sequence number for counter modes (RFC 4106 §3.1: unique by construction), else unpredictable (RFC 3602 §3). */
static void write_iv(const struct form *f, const uint8_t **random, uint8_t *wire, uint8_t iv[IV_MAX], uint64_t seq)
{
	if (f->alg.flags & ALG_F_COUNTER) {
		uint64_t be = __builtin_bswap64(seq);

		memcpy(iv, &be, 8);
		memcpy(wire, &be, 8);
	} else if (f->alg.iv_len == IV_MAX) {
		memcpy(iv, *random, IV_MAX);
		memcpy(wire, *random, IV_MAX);
		*random += IV_MAX;
	} else if (f->alg.iv_len) {
		memcpy(iv, *random, 8);
		memcpy(wire, *random, 8);
		*random += 8;
	}
}

/* RFC 4303 §2.2.1: the high half of an ESN is covered by the ICV but not sent. */
static void cover_esn(struct out_burst *b, const struct form *f, struct crypto_job *j, uint64_t seq)
{
	uint32_t high = htonl((uint32_t)(seq >> 32));

	if (!f->esn_tail) {
		memcpy(j->aad, j->auth, 4);
		be32_put(j->aad + 4, high);
		memcpy(j->aad + 8, j->auth + 4, 4);
		j->auth = j->aad;
		j->auth_len = ESP_HDR + ESN_HIGH;
		return;
	}
	be32_put(j->text + j->text_len, high);
	j->auth_len += ESN_HIGH;
	j->icv = b->icv[b->n];
	b->after[b->n].what |= AFTER_ESP_ICV;
	b->after[b->n].icv_len = f->alg.icv_len;
}

/* The headers in front of the payload: outermost IP header, UDP, ESP. */
static uint8_t *write_front(const struct ipsec_op *op, const struct form *f, const struct plan *pl, uint8_t *payload)
{
	uint8_t *esp = payload - f->alg.iv_len - ESP_HDR, *ip = out_front(op, f, &pl->at, esp - f->udp, pl->total);

	if (unlikely(f->udp))
		out_udp(esp - UDP_HDR, f->sa, pl->total - (size_t)(esp - UDP_HDR - ip));
	be32_put(esp, f->sa->spi);
	be32_put(esp + 4, htonl((uint32_t)op->seq));
	return ip;
}

static enum xi_drop build(struct out_burst *b, const uint8_t **random, const struct form *f, struct ipsec_op *op)
{
	struct crypto_job *j = &b->job[b->n];
	struct pkt *p = op->pkt;
	struct plan pl;
	enum xi_drop v = check(op, f, &pl);
	uint8_t *payload, *ip, *esp;

	if (unlikely(v != XI_OK))
		return v;
	if (unlikely(out_hop(op, f) < 0))
		return XI_DROP_OUT_MODE;
	payload = p->data + pl.at.len;
	write_trailer(p, pl.text - (size_t)(p->tail - payload) - ESP_TRAILER, pl.at.next);
	ip = write_front(op, f, &pl, payload);
	esp = payload - f->alg.iv_len - ESP_HDR;
	write_iv(f, random, esp + ESP_HDR, j->iv, op->seq);
	j->key = op->key;
	j->auth = esp;
	j->auth_len = (f->alg.flags & ALG_F_AEAD) ? ESP_HDR : (uint32_t)(ESP_HDR + f->alg.iv_len + pl.text);
	j->text = payload;
	j->text_len = (uint32_t)pl.text;
	j->icv = f->alg.icv_len ? payload + pl.text : NULL;
	b->after[b->n].what = 0;
	if (unlikely(f->esn))
		cover_esn(b, f, j, op->seq);
	if (unlikely(f->udp && f->sa->family == XI_IP6)) {
		b->after[b->n].what |= AFTER_UDP6;
		b->after[b->n].at = (uint16_t)(esp - UDP_HDR - ip);
	}
	p->data = ip;
	p->tail = payload + pl.text + f->alg.icv_len;
	return XI_OK;
}

void esp_out_run(struct out_burst *b, const struct iv_source *iv, const struct form *form, struct ipsec_op *op,
		 unsigned n)
{
	const struct form f = *form; /* a copy that no store of a byte can change, as far as the compiler knows */
	const uint8_t *random = b->iv;

	/* One call for all of the run; the buffer is free again for the next. */
	if (f.alg.iv_len && !(f.alg.flags & ALG_F_COUNTER))
		iv->fill(iv->state, b->iv, (size_t)n * f.alg.iv_len);
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n) {
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data, 1);
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->tail, 1);
		}
		if (op[i].verdict != XI_OK)
			continue;
		op[i].verdict = build(b, &random, &f, &op[i]);
		if (likely(op[i].verdict == XI_OK))
			b->op[b->n++] = &op[i];
	}
}
