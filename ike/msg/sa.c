/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SA payload with its proposals, transforms and attributes (RFC 2408 §3.3 to §3.6, RFC 2407 §4.2, §4.6.1). Proposals are chained
 * like payloads (next payload 2 or 0) and fill the SA payload; transforms (3 or 0) fill their proposal.
 *
 * Proposal:  ! next ! 0 ! length (2) ! number ! protocol ! SPI size ! transforms ! SPI ...
 * Transform: ! next ! 0 ! length (2) ! number ! ID ! 0 (2) ! attributes ...
 * Attribute: ! 1 ! type (15 bits) ! value (2) !   or   ! 0 ! type (15 bits) ! length (2) ! value ...
 */
#include "ike/msg/parse.h"

#define ATTR_BASIC 0x8000 /* RFC 2408 §3.3: attribute format bit */

int msg_attr_next(struct rd *r, struct msg_attr *a)
{
	uint16_t head;

	if (r->err || !rd_left(r))
		return 0;
	head = rd_u16(r);
	*a = (struct msg_attr){.type = head & ~ATTR_BASIC, .basic = (head & ATTR_BASIC) != 0};
	if (a->basic) {
		a->data = rd_bytes(r, 2);
	} else {
		uint16_t len = rd_u16(r);

		a->data = rd_bytes(r, len);
		if (!len)
			r->err = -EBADMSG;
	}
	if (r->err)
		return 0;
	a->number = a->data.len <= 4;
	for (size_t i = 0; a->number && i < a->data.len; i++)
		a->value = a->value << 8 | a->data.p[i];
	return 1;
}

static int bad_syntax(struct msg_err *e, const char *what)
{
	return msg_refuse(e, ISAKMP_N_BAD_PROPOSAL_SYNTAX, what);
}

/* The next substructure of a chain: *next on entry its own type, afterwards that of the one behind it. */
static int sub_open(struct rd *r, struct rd *body, unsigned own, uint8_t *next, struct msg_err *e)
{
	struct rd at = *r;
	uint8_t reserved;
	uint16_t len;

	*next = rd_u8(&at);
	reserved = rd_u8(&at);
	len = rd_u16(&at);
	if (at.err)
		return bad_syntax(e, own == ISAKMP_P_PROPOSAL ? "ends within a proposal's header"
							      : "ends within a transform's header");
	if (reserved || (*next != own && *next != ISAKMP_P_NONE))
		return bad_syntax(e, own == ISAKMP_P_PROPOSAL ? "proposal: next payload or reserved octet is wrong"
							      : "transform: next payload or reserved octet is wrong");
	*body = rd_of(rd_bytes(r, len));
	(void)rd_bytes(body, ISAKMP_GENERIC_LEN);
	if (r->err || body->err)
		return bad_syntax(e, own == ISAKMP_P_PROPOSAL ? "proposal: length is wrong"
							      : "transform: length is wrong");
	return 0;
}

static int transform_parse(struct msg_transform *t, struct rd *r, struct msg_err *e)
{
	struct rd attrs;
	struct msg_attr a;
	unsigned n = 0;
	uint16_t reserved;

	t->number = rd_u8(r);
	t->id = rd_u8(r);
	reserved = rd_u16(r);
	if (r->err)
		return bad_syntax(e, "transform: too short");
	if (reserved)
		return bad_syntax(e, "transform: reserved octets are not 0");
	t->attrs = rd_rest(r);
	attrs = rd_of(t->attrs);
	while (msg_attr_next(&attrs, &a))
		if (++n > MSG_ATTRS_MAX)
			return bad_syntax(e, "transform: too many attributes");
	return attrs.err ? bad_syntax(e, "transform: an attribute's length is wrong") : 0;
}

/* RFC 2408 §3.5; RFC 2407 §4.6.1: an SPI of ESP and AH has 4 bytes, ISAKMP's may be left out. */
static int spi_size_fits(unsigned protocol, size_t size)
{
	switch (protocol) {
	case IPSEC_PROTO_ESP:
	case IPSEC_PROTO_AH:
		return size == 4;
	case IPSEC_PROTO_IPCOMP:
		return size == 2 || size == 4; /* RFC 2407 §4.6.1 with RFC 3173 §4.1 */
	default:
		return size <= ISAKMP_SPI_MAX;
	}
}

static int proposal_parse(struct msg *m, struct msg_proposal *p, struct rd *r, struct msg_err *e)
{
	uint8_t spi_size, n_transforms, next = ISAKMP_P_TRANSFORM;

	p->number = rd_u8(r);
	p->protocol = rd_u8(r);
	spi_size = rd_u8(r);
	n_transforms = rd_u8(r);
	p->spi = rd_bytes(r, spi_size);
	p->transform = (uint16_t)m->n_transforms;
	if (r->err)
		return bad_syntax(e, "proposal: too short");
	if (!spi_size_fits(p->protocol, spi_size))
		return bad_syntax(e, "proposal: SPI size does not fit the protocol");
	while (next != ISAKMP_P_NONE) {
		struct rd body;

		if (m->n_transforms == MSG_TRANSFORMS_MAX)
			return bad_syntax(e, "too many transforms");
		if (sub_open(r, &body, ISAKMP_P_TRANSFORM, &next, e) ||
		    transform_parse(&m->transform[m->n_transforms], &body, e))
			return -EBADMSG;
		m->n_transforms++;
		p->n_transforms++;
	}
	if (rd_left(r))
		return bad_syntax(e, "proposal: something stands behind the last transform");
	if (p->n_transforms != n_transforms)
		return bad_syntax(e, "proposal: number of transforms is wrong");
	return 0;
}

int msg_sa_parse(struct msg *m, struct msg_payload *p, struct msg_err *e)
{
	struct rd r = rd_of(p->body);
	uint8_t next = ISAKMP_P_PROPOSAL;
	struct msg_sa *sa = &p->sa;

	sa->doi = rd_u32(&r);
	if (!r.err && sa->doi != IPSEC_DOI)
		return msg_refuse(e, ISAKMP_N_DOI_NOT_SUPPORTED, "DOI is not IPsec");
	sa->situation = rd_u32(&r);
	if (r.err)
		return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, "too short");
	if (sa->situation != IPSEC_SIT_IDENTITY)
		return msg_refuse(e, ISAKMP_N_SITUATION_NOT_SUPPORTED, "situation is not identity only");
	sa->proposal = (uint16_t)m->n_proposals;
	while (next != ISAKMP_P_NONE) {
		struct msg_proposal *prop = &m->proposal[m->n_proposals];
		struct rd body;

		if (m->n_proposals == MSG_PROPOSALS_MAX)
			return bad_syntax(e, "too many proposals");
		*prop = (struct msg_proposal){0};
		if (sub_open(&r, &body, ISAKMP_P_PROPOSAL, &next, e) || proposal_parse(m, prop, &body, e))
			return -EBADMSG;
		m->n_proposals++;
		sa->n_proposals++;
	}
	return rd_left(&r) ? bad_syntax(e, "something stands behind the last proposal") : 0;
}
