/* SPDX-License-Identifier: BSD-2-Clause */
/* Inbound AH: lengths, mutable fields, what is behind the header (RFC 4302 §3.4). */
#include "user/ipsec/ah.h"
#include "user/ipsec/in.h"
#include "user/ipsec/tunnel.h"

#define AH_PAD_MAX 7 /* bytes of padding behind the ICV that make up a multiple of 8 */

static size_t header_len(const uint8_t *ah)
{
	return ((size_t)ah[AH_LEN] + 2) * 4;
}

static enum xi_drop parse(const struct ipsec_op *op, const struct form *f, const struct in_mark *m,
			  struct crypto_job *j)
{
	const struct pkt *p = op->pkt;
	size_t least = AH_FIXED + (size_t)f->alg.iv_len + f->alg.icv_len, len = header_len(p->data + m->hdr);

	/* RFC 4302 §2.2, §2.6: the peer may pad to 4 or to 8 bytes. */
	if (len < least || len > least + AH_PAD_MAX || len > pkt_len(p) - m->hdr)
		return XI_DROP_IN_LENGTH;
	if (m->hdr > AH_FRONT_MAX)
		return XI_DROP_IN_HEADER;
	if (p->end - p->tail < f->esn_tail)
		return XI_DROP_IN_NO_BUFFER;
	j->key = op->key;
	j->auth = p->data;
	j->auth_len = (uint32_t)pkt_len(p) + f->esn_tail;
	j->text = NULL;
	j->text_len = 0;
	return XI_OK;
}

unsigned ah_in_parse(struct in_burst *b, const struct form *f, struct ipsec_op *op, unsigned n, uint8_t *at)
{
	unsigned made = 0;

	for (unsigned i = 0; i < n; i++) {
		struct in_mark *m = &b->mark[b->n + made];
		enum xi_drop v;

		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data);
		if (op[i].verdict != XI_OK)
			continue;
		v = in_outer(&op[i], f, m, 1);
		if (likely(v == XI_OK))
			v = parse(&op[i], f, m, &b->job[b->n + made]);
		if (unlikely(v != XI_OK))
			in_drop(&op[i], v);
		else
			at[made++] = (uint8_t)i;
	}
	return made;
}

enum xi_drop ah_in_zero(struct in_burst *b, unsigned i, const struct form *f)
{
	struct in_mark *m = &b->mark[i];
	struct crypto_job *j = &b->job[i];
	struct pkt *p = b->op[i]->pkt;
	uint8_t *iv = p->data + m->hdr + AH_FIXED, *icv = iv + f->alg.iv_len;

	m->tos = tunnel_class(p->data);
	memcpy(b->front[i], p->data, m->hdr);
	if (ah_zero(p->data, m->hdr) < 0)
		return XI_DROP_IN_HEADER;
	memcpy(j->iv, iv, f->alg.iv_len);
	memcpy(b->icv[i], icv, f->alg.icv_len);
	memset(iv, 0, (size_t)f->alg.iv_len + f->alg.icv_len);
	j->icv = b->icv[i];
	if (f->esn_tail)
		be32_put(p->tail, htonl((uint32_t)(b->op[i]->seq >> 32)));
	return XI_OK;
}

enum xi_drop ah_in_strip(const struct in_burst *b, unsigned i)
{
	const struct in_mark *m = &b->mark[i];
	struct pkt *p = b->op[i]->pkt;
	uint8_t *ah = p->data + m->hdr, next = ah[AH_NEXT], *payload = ah + header_len(ah);

	if (b->op[i]->sa->mode == XI_MODE_TUNNEL)
		return in_tunnel(b->op[i], payload, (size_t)(p->tail - payload), next, m->tos);
	memcpy(p->data, b->front[i], m->hdr);
	in_transport(b->op[i], m, payload, (size_t)(p->tail - payload), next);
	return XI_OK;
}
