/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies of ID, CERT, CR, N, D, NAT-OA and fragment payloads. What is wrong with them is named for log and notification. */
#include "ike/msg/parse.h"

static int malformed(struct msg_err *e, const char *what)
{
	return msg_refuse(e, ISAKMP_N_PAYLOAD_MALFORMED, what);
}

/* RFC 2407 §4.6.2.1: bytes of an identity of each type; 0: one or more. */
static size_t id_len(unsigned type)
{
	switch (type) {
	case IPSEC_ID_IPV4:
		return 4;
	case IPSEC_ID_IPV4_SUBNET:
	case IPSEC_ID_IPV4_RANGE:
		return 8;
	case IPSEC_ID_IPV6:
		return 16;
	case IPSEC_ID_IPV6_SUBNET:
	case IPSEC_ID_IPV6_RANGE:
		return 32;
	default:
		return 0;
	}
}

/* ! ID type ! protocol ! port (2) ! data ...   RFC 2407 §4.6.2 */
int msg_id_parse(struct msg_id *id, struct bytes body, struct msg_err *e)
{
	struct rd r = rd_of(body);
	size_t want;

	id->type = rd_u8(&r);
	id->protocol = rd_u8(&r);
	id->port = rd_u16(&r);
	if (r.err)
		return malformed(e, "too short");
	id->data = rd_rest(&r);
	if (id->type < IPSEC_ID_IPV4 || id->type > IPSEC_ID_KEY_ID)
		return msg_refuse(e, ISAKMP_N_INVALID_ID_INFORMATION, "unknown type of identity");
	want = id_len(id->type);
	if (want ? id->data.len != want : !id->data.len)
		return msg_refuse(e, ISAKMP_N_INVALID_ID_INFORMATION, "length does not fit the type of identity");
	return 0;
}

/* ! encoding ! data ...   RFC 2408 §3.9, §3.10. A certificate is never empty; a request without authority means any. */
int msg_cert_parse(struct msg_payload *p, struct msg_err *e)
{
	struct rd r = rd_of(p->body);

	p->cert.encoding = rd_u8(&r);
	if (r.err)
		return malformed(e, "too short");
	p->cert.data = rd_rest(&r);
	if (p->type == ISAKMP_P_CERT && !p->cert.data.len)
		return malformed(e, "empty certificate");
	return 0;
}

/* ! DOI (4) ! protocol ! SPI size ! type (2) ! SPI ... ! data ...   RFC 2408 §3.14 */
int msg_notify_parse(struct msg_notify *n, struct bytes body, struct msg_err *e)
{
	struct rd r = rd_of(body);
	uint8_t spi_size;

	n->doi = rd_u32(&r);
	n->protocol = rd_u8(&r);
	spi_size = rd_u8(&r);
	n->type = rd_u16(&r);
	n->spi = rd_bytes(&r, spi_size);
	if (r.err)
		return malformed(e, "too short");
	if (spi_size > ISAKMP_SPI_MAX)
		return msg_refuse(e, ISAKMP_N_INVALID_SPI, "SPI size above 16");
	n->data = rd_rest(&r);
	return 0;
}

/* ! DOI (4) ! protocol ! SPI size ! number of SPIs (2) ! SPIs ...   RFC 2408 §3.15 */
int msg_delete_parse(struct msg_delete *d, struct bytes body, struct msg_err *e)
{
	struct rd r = rd_of(body);

	d->doi = rd_u32(&r);
	d->protocol = rd_u8(&r);
	d->spi_size = rd_u8(&r);
	d->n_spis = rd_u16(&r);
	if (r.err)
		return malformed(e, "too short");
	if (d->spi_size != (d->protocol == IPSEC_PROTO_ISAKMP ? ISAKMP_SPI_MAX : 4) &&
	    !(d->protocol == IPSEC_PROTO_IPCOMP && d->spi_size == 2))
		return msg_refuse(e, ISAKMP_N_INVALID_SPI, "SPI size does not fit the protocol");
	d->spis = rd_rest(&r);
	if (!d->n_spis || d->spis.len != (size_t)d->n_spis * d->spi_size)
		return malformed(e, "length is not that of the SPIs");
	return 0;
}

/* ! ID type ! 0 (3) ! address ...   RFC 3947 §5.2 */
int msg_nat_oa_parse(struct msg_nat_oa *oa, struct bytes body, struct msg_err *e)
{
	struct rd r = rd_of(body);
	uint32_t head = rd_u32(&r);

	oa->id_type = (uint8_t)(head >> 24);
	oa->addr = rd_rest(&r);
	if (r.err)
		return malformed(e, "too short");
	if (head & 0xffffff)
		return malformed(e, "reserved octets are not 0");
	if (oa->id_type != IPSEC_ID_IPV4 && oa->id_type != IPSEC_ID_IPV6)
		return malformed(e, "not an address");
	if (oa->addr.len != id_len(oa->id_type))
		return malformed(e, "length does not fit the address");
	return 0;
}

/* ! fragment ID (2) ! number ! flags ! data ...   spec section 25 */
int msg_fragment_parse(struct msg_fragment *f, struct bytes body, struct msg_err *e)
{
	struct rd r = rd_of(body);
	uint8_t flags;

	f->id = rd_u16(&r);
	f->number = rd_u8(&r);
	flags = rd_u8(&r);
	f->data = rd_rest(&r);
	if (r.err || !f->data.len)
		return malformed(e, "too short");
	if (!f->number)
		return malformed(e, "fragment number 0");
	if (flags > 1)
		return malformed(e, "unknown fragment flags");
	f->last = flags;
	return 0;
}
