/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outbound ESP, tunnel mode, IPv4 in IPv4 (RFC 4303 §3.3, spec section 15). A burst goes run by run (one SA) through
 * the packet format, then as a whole through the engine. A packet is checked completely before its first byte changes,
 * so that one too big can still be answered with ICMP.
 */
#include "user/ipsec/esp_priv.h"

/* One SA's share of a burst. */
struct run {
	const struct xi_sa *sa;
	struct alg_shape shape;
	const uint8_t *iv; /* random IVs to take, one after the other */
};

static enum xi_drop out_check(const struct ipsec_op *op, const struct alg_shape *s)
{
	const struct pkt *p = op->pkt;
	size_t len = pkt_len(p), text = esp_text_len(s, len);

	/* RFC 4303 §3.3.3: starts at 1 and must not cycle while anti-replay may be on. */
	if (unlikely(op->seq == 0 || op->seq > UINT32_MAX))
		return XI_DROP_OUT_SEQUENCE;
	if (unlikely(ip4_check(p->data, len) != len))
		return XI_DROP_OUT_MODE;
	if (unlikely(esp_front_len(s) + text + s->icv_len > IP4_LEN_MAX))
		return XI_DROP_OUT_TOO_BIG;
	if (unlikely((size_t)(p->data - p->head) < esp_front_len(s) ||
		     (size_t)(p->end - p->tail) < text - len + s->icv_len))
		return XI_DROP_OUT_NO_ROOM;
	return XI_OK;
}

/* RFC 4303 §2.4, §2.5, §2.6: padding, pad length, next header, behind the payload. */
static void write_trailer(const struct pkt *p, size_t pad_len)
{
	uint8_t *t = p->tail;

	/* At most 15 bytes: a fixed copy where it stays within the frame; what is too much is overwritten below or is free. */
	if (likely(p->end - t >= 16))
		memcpy(t, esp_pad, 16);
	else
		memcpy(t, esp_pad, pad_len);
	t[pad_len] = (uint8_t)pad_len;
	t[pad_len + 1] = NH_IPV4;
}

/* The IV: the sequence number for counter modes (RFC 4106 §3.1: unique by construction), else unpredictable (RFC 3602 §3). */
static void write_iv(struct run *r, uint8_t *wire, uint8_t iv[16], uint64_t seq)
{
	if (r->shape.flags & ALG_F_COUNTER) {
		uint64_t be = __builtin_bswap64(seq);

		memcpy(iv, &be, 8);
		memcpy(wire, &be, 8);
	} else if (r->shape.iv_len) {
		memcpy(iv, r->iv, 16);
		memcpy(wire, r->iv, 16);
		r->iv += 16;
	}
}

static enum xi_drop out_build(struct ipsec_op *op, struct run *r, struct crypto_job *j)
{
	const struct alg_shape *s = &r->shape;
	struct pkt *p = op->pkt;
	size_t len = pkt_len(p), text = esp_text_len(s, len);
	uint8_t *inner = p->data, *esp = inner - s->iv_len - ESP_HDR;
	enum xi_drop v = out_check(op, s);

	if (unlikely(v != XI_OK))
		return v;
	/* RFC 4301 §5.1.2.1: the inner TTL is decremented by forwarding; what the host sent itself has been through that. */
	if (!(op->flags & IPSEC_OP_HOST) && unlikely(tunnel_ttl4(inner) < 0))
		return XI_DROP_OUT_MODE;
	write_trailer(p, text - len - ESP_TRAILER);
	be32_put(esp, r->sa->spi);
	be32_put(esp + 4, htonl((uint32_t)op->seq));
	write_iv(r, esp + ESP_HDR, j->iv, op->seq);
	tunnel_outer4(esp - TUNNEL_HDR4, inner, (uint16_t)(esp_front_len(s) + text + s->icv_len), op->ip_id,
		      XI_PROTO_ESP, r->sa->src.w[0], r->sa->dst.w[0]);
	j->key = op->key;
	j->auth = esp;
	j->auth_len = esp_auth_len(s, text);
	j->text = inner;
	j->text_len = (uint32_t)text;
	j->icv = s->icv_len ? inner + text : NULL;
	p->data = esp - TUNNEL_HDR4;
	p->tail = inner + text + s->icv_len;
	return XI_OK;
}

/* Where a burst stands: jobs made so far and the operation of each. */
struct out_burst {
	struct crypto_job job[ENGINE_BURST_MAX];
	struct ipsec_op *op[ENGINE_BURST_MAX];
	unsigned n;
	uint8_t iv[ENGINE_BURST_MAX * 16];
};

static void out_run(struct out_burst *b, const struct iv_source *iv, struct ipsec_op *op, unsigned n)
{
	struct run r = {.sa = op->sa, .iv = b->iv};
	int rc = esp_sa_shape(op->sa, &r.shape);

	/* One call for all of the run; the buffer is free again for the next. */
	if (rc == 0 && r.shape.iv_len && !(r.shape.flags & ALG_F_COUNTER))
		iv->fill(iv->state, b->iv, (size_t)n * 16);
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n) {
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data, 1);
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->tail, 1);
		}
		if (op[i].verdict != XI_OK)
			continue;
		op[i].verdict = rc < 0 ? XI_DROP_OUT_BUNDLE : out_build(&op[i], &r, &b->job[b->n]);
		if (likely(op[i].verdict == XI_OK))
			b->op[b->n++] = &op[i];
	}
}

void ipsec_seal(struct engine *en, const struct iv_source *iv, struct ipsec_op *op, unsigned n)
{
	struct out_burst b;

	b.n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		end = esp_run_end(op, i, n);
		out_run(&b, iv, op + i, end - i);
	}
	engine_seal(en, b.job, b.n);
	for (unsigned i = 0; i < b.n; i++)
		if (unlikely(!b.job[i].ok))
			b.op[i]->verdict = XI_DROP_OUT_ENGINE;
}
