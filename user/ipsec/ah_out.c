/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outbound AH (RFC 4302 §3.3, spec section 15): a run of packets of one SA becomes jobs. For the computation mutable fields are zeroed in
 * place; ah_out_after puts them back.
 */
#include "user/ipsec/ah.h"
#include "user/ipsec/out.h"

static enum xi_drop check(struct out_burst *b, const struct ipsec_op *op, const struct form *f, struct out_place *at)
{
	const struct pkt *p = op->pkt;
	enum xi_drop v = out_check(op, f, at);
	uint8_t *front = b->front[b->n];

	if (v != XI_OK)
		return v;
	if (f->outer + at->len > AH_FRONT_MAX)
		return XI_DROP_OUT_MODE;
	/* Options that cannot be read: seen in a copy, before the packet changes. */
	if (at->len) {
		memcpy(front, p->data, at->len);
		if (ah_zero(front, at->len) < 0)
			return XI_DROP_OUT_MODE;
	}
	if (f->outer + f->front + pkt_len(p) > form_len_max(f))
		return XI_DROP_OUT_TOO_BIG;
	if ((size_t)(p->data - p->head) < (size_t)f->outer + f->front || p->end - p->tail < f->esn_tail)
		return XI_DROP_OUT_NO_ROOM;
	return XI_OK;
}

/* RFC 4302 §2. The ICV field is zero for the computation; the IV of GMAC is part of it (RFC 4543 §4) and is filled in behind it. */
static void write_header(uint8_t *ah, const struct form *f, uint8_t next, uint64_t seq)
{
	memset(ah, 0, f->front);
	ah[AH_NEXT] = next;
	ah[AH_LEN] = (uint8_t)(f->front / 4 - 2);
	be32_put(ah + AH_SPI, f->sa->spi);
	be32_put(ah + AH_SEQ, htonl((uint32_t)seq));
}

static enum xi_drop build(struct out_burst *b, const struct form *f, struct ipsec_op *op)
{
	struct crypto_job *j = &b->job[b->n];
	struct pkt *p = op->pkt;
	struct out_place at;
	enum xi_drop v = check(b, op, f, &at);
	uint64_t iv = __builtin_bswap64(op->seq);
	uint8_t *ah, *ip;

	if (v != XI_OK)
		return v;
	if (out_hop(op, f) < 0)
		return XI_DROP_OUT_MODE;
	ah = p->data + at.len - f->front;
	ip = out_front(op, f, &at, ah, f->outer + f->front + pkt_len(p));
	write_header(ah, f, at.next, op->seq);
	b->after[b->n] = (struct out_after){
		.what = AFTER_AH,
		.at = (uint16_t)(ah - ip),
		.icv_at = (uint16_t)(ah - ip + AH_FIXED + f->alg.iv_len),
		.iv_len = f->alg.iv_len,
		.icv_len = f->alg.icv_len,
	};
	memcpy(b->front[b->n], ip, (size_t)(ah - ip));
	if (ah_zero(ip, (size_t)(ah - ip)) < 0)
		return XI_DROP_OUT_MODE;
	if (f->esn_tail)
		be32_put(p->tail, htonl((uint32_t)(op->seq >> 32)));
	j->key = op->key;
	j->auth = ip;
	j->auth_len = (uint32_t)(p->tail - ip) + f->esn_tail;
	j->text = NULL;
	j->text_len = 0;
	j->icv = b->icv[b->n];
	memcpy(j->iv, &iv, sizeof(iv));
	p->data = ip;
	return XI_OK;
}

void ah_out_run(struct out_burst *b, const struct form *f, struct ipsec_op *op, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data, 1);
		if (op[i].verdict != XI_OK)
			continue;
		op[i].verdict = build(b, f, &op[i]);
		if (likely(op[i].verdict == XI_OK))
			b->op[b->n++] = &op[i];
	}
}

void ah_out_after(const struct out_burst *b, unsigned i)
{
	const struct out_after *a = &b->after[i];
	uint8_t *ip = b->op[i]->pkt->data;

	memcpy(ip, b->front[i], a->at);
	memcpy(ip + a->icv_at - a->iv_len, b->job[i].iv, a->iv_len);
	memcpy(ip + a->icv_at, b->icv[i], a->icv_len);
}
