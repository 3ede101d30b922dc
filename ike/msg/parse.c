/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header and chain of payloads (RFC 2408 §3.1, §3.2, §5).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * !                          Initiator cookie (8)                 !
 * !                          Responder cookie (8)                 !
 * !  Next payload ! MjVer ! MnVer ! Exchange type !     Flags     !
 * !                          Message ID                           !
 * !                          Length                               !
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * !  Next payload !   RESERVED    !         Payload length        !   and again for each payload
 */
#include "ike/msg/parse.h"

static const uint8_t no_cookie[8];

int msg_refuse(struct msg_err *e, uint16_t notify, const char *what)
{
	e->notify = notify;
	e->what = what;
	return -EBADMSG;
}

int msg_hdr_parse(struct msg_hdr *h, struct bytes datagram, struct msg_err *e)
{
	struct rd r = rd_of(datagram);
	struct bytes cookies;

	*e = (struct msg_err){0};
	if (datagram.len < ISAKMP_HDR_LEN)
		return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "shorter than a header");
	cookies = rd_bytes(&r, 16);
	memcpy(h->icookie, cookies.p, 8);
	memcpy(h->rcookie, cookies.p + 8, 8);
	h->next = rd_u8(&r);
	h->version = rd_u8(&r);
	h->exchange = rd_u8(&r);
	h->flags = rd_u8(&r);
	h->message_id = rd_u32(&r);
	h->len = rd_u32(&r);
	/* RFC 2408 §5.2: the checks of the header, in its order. */
	if (!memcmp(h->icookie, no_cookie, sizeof(no_cookie)))
		return msg_refuse(e, ISAKMP_N_INVALID_COOKIE, "initiator cookie is 0");
	if (h->version >> 4 != ISAKMP_VERSION_1 >> 4)
		return msg_refuse(e, ISAKMP_N_INVALID_MAJOR_VERSION, "major version is not 1");
	if (h->flags & ~(ISAKMP_F_ENCRYPTED | ISAKMP_F_COMMIT | ISAKMP_F_AUTH_ONLY))
		return msg_refuse(e, ISAKMP_N_INVALID_FLAGS, "unknown flags");
	if (h->len != datagram.len)
		return msg_refuse(e, ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "length is not that of the datagram");
	return 0;
}

/* Bodies that are read further than "some bytes". */
static int body_parse(struct msg *m, struct msg_payload *p, struct msg_err *e)
{
	switch (p->type) {
	case ISAKMP_P_SA:
		return msg_sa_parse(m, p, e);
	case ISAKMP_P_ID:
		return msg_id_parse(&p->id, p->body, e);
	case ISAKMP_P_CERT:
	case ISAKMP_P_CR:
		return msg_cert_parse(p, e);
	case ISAKMP_P_NOTIFY:
		return msg_notify_parse(&p->notify, p->body, e);
	case ISAKMP_P_DELETE:
		return msg_delete_parse(&p->del, p->body, e);
	case ISAKMP_P_NAT_OA:
	case ISAKMP_P_NAT_OA_DRAFT:
		return msg_nat_oa_parse(&p->nat_oa, p->body, e);
	case ISAKMP_P_FRAGMENT:
		return msg_fragment_parse(&p->fragment, p->body, e);
	case ISAKMP_P_NONCE:
		if (p->body.len < MSG_NONCE_MIN || p->body.len > MSG_NONCE_MAX)
			return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "length is not 8 to 256"); /* RFC 2409 §5 */
		return 0;
	case ISAKMP_P_HASH:
	case ISAKMP_P_SIG:
	case ISAKMP_P_NAT_D:
	case ISAKMP_P_NAT_D_DRAFT:
		return p->body.len ? 0 : msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "empty");
	case ISAKMP_P_PROPOSAL:
	case ISAKMP_P_TRANSFORM:
		return msg_refuse(e, ISAKMP_N_INVALID_PAYLOAD_TYPE, "stands outside of an SA payload");
	default: /* KE: its length is the group's; VID may be anything; unknown ones are the exchange's business */
		return 0;
	}
}

/* RFC 2408 §5.3: generic header. *next becomes the type of the payload behind this one. */
static int generic_parse(struct rd *r, struct msg_payload *p, uint8_t *next, struct msg_err *e)
{
	struct rd at = *r;
	uint8_t reserved;
	uint16_t len;

	*next = rd_u8(&at);
	reserved = rd_u8(&at);
	len = rd_u16(&at);
	if (at.err)
		return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "message ends within its header");
	if (reserved)
		return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "reserved octet is not 0");
	if (len < ISAKMP_GENERIC_LEN)
		return msg_refuse(e, ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "length is below 4");
	p->whole = rd_bytes(r, len);
	if (r->err)
		return msg_refuse(e, ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "length goes beyond the message");
	p->body = (struct bytes){p->whole.p + ISAKMP_GENERIC_LEN, p->whole.len - ISAKMP_GENERIC_LEN};
	return 0;
}

static int chain_parse(struct msg *m, struct bytes chain, struct msg_err *e)
{
	struct rd r = rd_of(chain);
	uint8_t type = m->hdr.next;

	for (unsigned n = 0; type != ISAKMP_P_NONE; n++) {
		struct msg_payload *p = &m->payload[n];

		*e = (struct msg_err){.payload = type, .index = (uint8_t)n};
		if (n == MSG_PAYLOADS_MAX)
			return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "too many payloads");
		*p = (struct msg_payload){.type = type};
		if (generic_parse(&r, p, &type, e) || body_parse(m, p, e))
			return -EBADMSG;
		m->n_payloads = n + 1;
	}
	m->tail = rd_rest(&r);
	return 0;
}

static void forget(struct msg *m)
{
	m->n_payloads = m->n_proposals = m->n_transforms = 0;
	m->tail = (struct bytes){0};
}

int msg_payloads_parse(struct msg *m, struct bytes plain, struct msg_err *e)
{
	int rc;

	forget(m);
	*e = (struct msg_err){.payload = m->hdr.next};
	if (m->hdr.next == ISAKMP_P_NONE)
		return msg_refuse(e, ISAKMP_N_INVALID_PAYLOAD_TYPE, "no payload");
	rc = chain_parse(m, plain, e);
	if (rc)
		forget(m);
	return rc;
}

int msg_parse(struct msg *m, struct bytes datagram, struct msg_err *e)
{
	struct bytes rest;
	int rc;

	forget(m);
	m->cipher = (struct bytes){0};
	rc = msg_hdr_parse(&m->hdr, datagram, e);
	if (rc)
		return rc;
	rest = (struct bytes){datagram.p + ISAKMP_HDR_LEN, datagram.len - ISAKMP_HDR_LEN};
	/* racoon, and what descends from it, leaves the flag of a message in its fragments, which are in clear. */
	if (m->hdr.flags & ISAKMP_F_ENCRYPTED && m->hdr.next != ISAKMP_P_FRAGMENT) {
		if (!rest.len)
			return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "encrypted, but empty");
		m->cipher = rest;
		return 0;
	}
	rc = msg_payloads_parse(m, rest, e);
	if (!rc && m->tail.len > MSG_CLEAR_TAIL_MAX) {
		*e = (struct msg_err){0};
		forget(m);
		rc = msg_refuse(e, ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "something stands behind the last payload");
	}
	return rc;
}

const struct msg_payload *msg_find(const struct msg *m, unsigned type, unsigned n)
{
	for (unsigned i = 0; i < m->n_payloads; i++)
		if (m->payload[i].type == type && n-- == 0)
			return &m->payload[i];
	return NULL;
}
