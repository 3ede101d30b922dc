/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes messages. Lengths, numbers of transforms and next-payload fields are filled in when the next thing begins. */
#include "ike/msg/msg.h"

#define NEXT_AT 16 /* of the header: RFC 2408 §3.1 */
#define LEN_AT 24

static void put_len(struct msg_wr *w, size_t at)
{
	size_t len = w->wr.len - at;

	if (!w->wr.err && len > UINT16_MAX)
		w->wr.err = -EMSGSIZE;
	wr_patch_u16(&w->wr, at + 2, (uint16_t)len);
}

static void set_next(struct msg_wr *w, size_t at, unsigned type)
{
	if (!w->wr.err)
		w->wr.buf[at] = (uint8_t)type;
}

static void close_transform(struct msg_wr *w)
{
	if (w->trans_at)
		put_len(w, w->trans_at);
}

static void close_proposal(struct msg_wr *w)
{
	close_transform(w);
	if (w->prop_at)
		put_len(w, w->prop_at);
}

static void close_payload(struct msg_wr *w)
{
	close_proposal(w);
	if (w->open_at)
		put_len(w, w->open_at);
	w->open_at = w->prop_at = w->trans_at = 0;
}

/* Generic header with the length left open; its place. */
static size_t put_generic(struct msg_wr *w)
{
	size_t at = w->wr.len;

	wr_u32(&w->wr, 0);
	return at;
}

static void open_payload(struct msg_wr *w, unsigned type)
{
	close_payload(w);
	set_next(w, w->next_at, type);
	w->next_at = w->open_at = put_generic(w);
}

void msg_wr_begin(struct msg_wr *w, uint8_t *buf, size_t size, const struct msg_hdr *h)
{
	*w = (struct msg_wr){.wr = {.buf = buf, .size = size}, .next_at = NEXT_AT};
	wr_bytes(&w->wr, (struct bytes){h->icookie, 8});
	wr_bytes(&w->wr, (struct bytes){h->rcookie, 8});
	wr_u8(&w->wr, ISAKMP_P_NONE);
	wr_u8(&w->wr, h->version);
	wr_u8(&w->wr, h->exchange);
	wr_u8(&w->wr, h->flags);
	wr_u32(&w->wr, h->message_id);
	wr_u32(&w->wr, 0);
}

int msg_wr_end(struct msg_wr *w)
{
	close_payload(w);
	if (w->wr.err)
		return w->wr.err;
	if (w->wr.len > INT32_MAX)
		return -EMSGSIZE;
	wr_patch_u16(&w->wr, LEN_AT, (uint16_t)(w->wr.len >> 16));
	wr_patch_u16(&w->wr, LEN_AT + 2, (uint16_t)w->wr.len);
	return (int)w->wr.len;
}

void msg_wr_raw(struct msg_wr *w, unsigned type, struct bytes body)
{
	open_payload(w, type);
	wr_bytes(&w->wr, body);
}

void msg_wr_sa(struct msg_wr *w, uint32_t doi, uint32_t situation)
{
	open_payload(w, ISAKMP_P_SA);
	wr_u32(&w->wr, doi);
	wr_u32(&w->wr, situation);
}

void msg_wr_proposal(struct msg_wr *w, uint8_t number, uint8_t protocol, struct bytes spi)
{
	close_proposal(w);
	if (w->prop_at)
		set_next(w, w->prop_at, ISAKMP_P_PROPOSAL);
	w->trans_at = 0;
	w->prop_at = put_generic(w);
	wr_u8(&w->wr, number);
	wr_u8(&w->wr, protocol);
	wr_u8(&w->wr, (uint8_t)spi.len);
	wr_u8(&w->wr, 0); /* counted up by each transform */
	wr_bytes(&w->wr, spi);
}

void msg_wr_transform(struct msg_wr *w, uint8_t number, uint8_t id)
{
	close_transform(w);
	if (w->trans_at)
		set_next(w, w->trans_at, ISAKMP_P_TRANSFORM);
	if (!w->wr.err && ++w->wr.buf[w->prop_at + 7] == 0)
		w->wr.err = -EMSGSIZE;
	w->trans_at = put_generic(w);
	wr_u8(&w->wr, number);
	wr_u8(&w->wr, id);
	wr_u16(&w->wr, 0);
}

void msg_wr_attr(struct msg_wr *w, const struct msg_attr *a)
{
	wr_u16(&w->wr, a->type | (a->basic ? 0x8000 : 0));
	if (!a->basic)
		wr_u16(&w->wr, (uint16_t)a->data.len);
	wr_bytes(&w->wr, a->data);
}

void msg_wr_attr_number(struct msg_wr *w, uint16_t type, uint32_t value)
{
	if (value <= UINT16_MAX) {
		wr_u16(&w->wr, type | 0x8000);
		wr_u16(&w->wr, (uint16_t)value);
		return;
	}
	wr_u16(&w->wr, type);
	wr_u16(&w->wr, sizeof(value));
	wr_u32(&w->wr, value);
}

void msg_wr_id(struct msg_wr *w, const struct msg_id *id)
{
	open_payload(w, ISAKMP_P_ID);
	wr_u8(&w->wr, id->type);
	wr_u8(&w->wr, id->protocol);
	wr_u16(&w->wr, id->port);
	wr_bytes(&w->wr, id->data);
}

void msg_wr_cert(struct msg_wr *w, unsigned type, const struct msg_cert *c)
{
	open_payload(w, type);
	wr_u8(&w->wr, c->encoding);
	wr_bytes(&w->wr, c->data);
}

void msg_wr_notify(struct msg_wr *w, const struct msg_notify *n)
{
	open_payload(w, ISAKMP_P_NOTIFY);
	wr_u32(&w->wr, n->doi);
	wr_u8(&w->wr, n->protocol);
	wr_u8(&w->wr, (uint8_t)n->spi.len);
	wr_u16(&w->wr, n->type);
	wr_bytes(&w->wr, n->spi);
	wr_bytes(&w->wr, n->data);
}

void msg_wr_delete(struct msg_wr *w, const struct msg_delete *d)
{
	open_payload(w, ISAKMP_P_DELETE);
	wr_u32(&w->wr, d->doi);
	wr_u8(&w->wr, d->protocol);
	wr_u8(&w->wr, d->spi_size);
	wr_u16(&w->wr, d->n_spis);
	wr_bytes(&w->wr, d->spis);
}

void msg_wr_nat_oa(struct msg_wr *w, unsigned type, const struct msg_nat_oa *oa)
{
	open_payload(w, type);
	wr_u32(&w->wr, (uint32_t)oa->id_type << 24);
	wr_bytes(&w->wr, oa->addr);
}

void msg_wr_fragment(struct msg_wr *w, const struct msg_fragment *f)
{
	open_payload(w, ISAKMP_P_FRAGMENT);
	wr_u16(&w->wr, f->id);
	wr_u8(&w->wr, f->number);
	wr_u8(&w->wr, f->last);
	wr_bytes(&w->wr, f->data);
}

static void put_sa(struct msg_wr *w, const struct msg *m, const struct msg_sa *sa)
{
	msg_wr_sa(w, sa->doi, sa->situation);
	for (unsigned i = 0; i < sa->n_proposals; i++) {
		const struct msg_proposal *p = &m->proposal[sa->proposal + i];

		msg_wr_proposal(w, p->number, p->protocol, p->spi);
		for (unsigned k = 0; k < p->n_transforms; k++) {
			const struct msg_transform *t = &m->transform[p->transform + k];
			struct rd r = rd_of(t->attrs);
			struct msg_attr a;

			msg_wr_transform(w, t->number, t->id);
			while (msg_attr_next(&r, &a))
				msg_wr_attr(w, &a);
		}
	}
}

void msg_wr_payload(struct msg_wr *w, const struct msg *m, const struct msg_payload *p)
{
	switch (p->type) {
	case ISAKMP_P_SA:
		put_sa(w, m, &p->sa);
		return;
	case ISAKMP_P_ID:
		msg_wr_id(w, &p->id);
		return;
	case ISAKMP_P_CERT:
	case ISAKMP_P_CR:
		msg_wr_cert(w, p->type, &p->cert);
		return;
	case ISAKMP_P_NOTIFY:
		msg_wr_notify(w, &p->notify);
		return;
	case ISAKMP_P_DELETE:
		msg_wr_delete(w, &p->del);
		return;
	case ISAKMP_P_NAT_OA:
	case ISAKMP_P_NAT_OA_DRAFT:
		msg_wr_nat_oa(w, p->type, &p->nat_oa);
		return;
	case ISAKMP_P_FRAGMENT:
		msg_wr_fragment(w, &p->fragment);
		return;
	default:
		msg_wr_raw(w, p->type, p->body);
	}
}
