/* SPDX-License-Identifier: BSD-2-Clause */
/* Inbound ESP: lengths, extended sequence numbers, padding and what is inside (RFC 4303 §3.4). */
#include "user/ipsec/in.h"
#include "user/ipsec/natt.h"
#include "user/ipsec/tunnel.h"

static enum xi_drop parse(const struct ipsec_op *op, const struct form *f, const struct in_mark *m,
			  struct crypto_job *j)
{
	struct pkt *p = op->pkt;
	const struct alg_shape *s = &f->alg;
	size_t rest = pkt_len(p) - m->hdr - ESP_HDR, text;

	if (unlikely(rest < (size_t)s->iv_len + s->align + s->icv_len))
		return XI_DROP_IN_LENGTH;
	text = rest - s->iv_len - s->icv_len;
	/* RFC 4303 §2.4: the text is whole blocks and ends on a 4-byte boundary. */
	if (unlikely(text & (s->align - 1u)))
		return XI_DROP_IN_LENGTH;
	j->key = op->key;
	j->auth = p->data + m->hdr;
	j->auth_len = (s->flags & ALG_F_AEAD) ? ESP_HDR : (uint32_t)(ESP_HDR + s->iv_len + text);
	j->text = j->auth + ESP_HDR + s->iv_len;
	j->text_len = (uint32_t)text;
	j->icv = s->icv_len ? j->text + text : NULL;
	if (likely(s->iv_len == 8))
		memcpy(j->iv, j->auth + ESP_HDR, 8);
	else if (s->iv_len)
		memcpy(j->iv, j->auth + ESP_HDR, IV_MAX);
	return XI_OK;
}

unsigned esp_in_parse(struct in_burst *b, const struct form *f, struct ipsec_op *op, unsigned n, uint8_t *at)
{
	unsigned made = 0;

	for (unsigned i = 0; i < n; i++) {
		struct in_mark *m = &b->mark[b->n + made];
		enum xi_drop v;

		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data);
		if (op[i].verdict != XI_OK)
			continue;
		v = in_outer(&op[i], f, m, 0);
		if (likely(v == XI_OK))
			v = parse(&op[i], f, m, &b->job[b->n + made]);
		if (unlikely(v != XI_OK))
			in_drop(&op[i], v);
		else
			at[made++] = (uint8_t)i;
	}
	return made;
}

void esp_in_esn(struct in_burst *b, unsigned i, const struct form *f)
{
	struct crypto_job *j = &b->job[i];
	uint32_t high = htonl((uint32_t)(b->op[i]->seq >> 32));

	if (!f->esn_tail) {
		memcpy(j->aad, j->auth, 4);
		be32_put(j->aad + 4, high);
		memcpy(j->aad + 8, j->auth + 4, 4);
		j->auth = j->aad;
		j->auth_len = ESP_HDR + ESN_HIGH;
		return;
	}
	/* RFC 4303 §2.2.1: the high half is covered where the ICV stands, which is put aside. */
	memcpy(b->icv[i], j->icv, f->alg.icv_len);
	be32_put(j->icv, high);
	j->icv = b->icv[i];
	j->auth_len += ESN_HIGH;
}

/* RFC 4303 §2.4: 1, 2, 3, ... Few bytes, mostly, for which a call costs more than the loop. */
static int pad_is_sound(const uint8_t *pad, size_t len)
{
	if (unlikely(len > 8))
		return memcmp(pad, esp_pad, len) == 0;
	for (size_t i = 0; i < len; i++)
		if (pad[i] != esp_pad[i])
			return 0;
	return 1;
}

/* RFC 4303 §3.4.4.1: padding, then the inner packet. */
enum xi_drop esp_in_strip(const struct in_burst *b, unsigned i)
{
	const struct crypto_job *j = &b->job[i];
	const struct xi_sa *sa = b->op[i]->sa;
	struct pkt *p = b->op[i]->pkt;
	uint8_t *text = j->text, next = text[j->text_len - 1];
	size_t pad_len = text[j->text_len - 2], len = j->text_len - ESP_TRAILER;

	/* RFC 4303 §2.5: the peer's pad length is bounded by what there is, whatever the ICV says of its author. */
	if (unlikely(pad_len > len))
		return XI_DROP_IN_PADDING;
	len -= pad_len;
	/* RFC 4303 §2.4: "the receiver SHOULD inspect the Padding field". */
	if (unlikely(!pad_is_sound(text + len, pad_len)))
		return XI_DROP_IN_PADDING;
	if (unlikely(next == NH_NONE)) {
		/* RFC 4303 §2.6: a dummy packet is discarded without prejudice. */
		p->data = p->tail = text;
		b->op[i]->payload = 0;
		return XI_OK;
	}
	if (likely(sa->mode == XI_MODE_TUNNEL))
		return in_tunnel(b->op[i], text, len, next, tunnel_class(p->data));
	in_transport(b->op[i], &b->mark[i], text, len, next);
	if (sa->flags & XI_SA_F_UDP)
		natt_checksum(p);
	return XI_OK;
}
