/* SPDX-License-Identifier: BSD-2-Clause */
/* Identities of quick mode: which traffic the SAs are for (RFC 2407 §4.6.2; spec section 17). */
#include <arpa/inet.h>
#include <stdio.h>

#include "ike/v1/quick.h"

static unsigned addr_bytes(uint8_t family)
{
	return family == XI_IP6 ? 16 : 4;
}

static void id_of_prefix(struct quick_id *id, uint8_t family, const struct xi_addr *a, unsigned len)
{
	unsigned n = addr_bytes(family);

	memcpy(id->data, a->w, n);
	if (len == n * 8) {
		id->type = family == XI_IP6 ? IPSEC_ID_IPV6 : IPSEC_ID_IPV4;
		id->len = (uint8_t)n;
		return;
	}
	id->type = family == XI_IP6 ? IPSEC_ID_IPV6_SUBNET : IPSEC_ID_IPV4_SUBNET;
	id->len = (uint8_t)(2 * n);
	for (unsigned i = 0; i < n; i++) {
		unsigned bits = len > i * 8 ? MIN(len - i * 8, 8u) : 0;

		id->data[n + i] = (uint8_t)(0xff00 >> bits);
		id->data[i] &= id->data[n + i];
	}
}

int quick_ids_of_policy(struct ike1_quick *q)
{
	const struct xi_selector *s = &q->policy.sel;
	struct quick_id *ci = &q->id[0], *cr = &q->id[1];

	*ci = *cr = (struct quick_id){0};
	if (s->flags & XI_SEL_PROTO) {
		ci->protocol = cr->protocol = s->proto;
		ci->port = s->flags & XI_SEL_SRC_PORT ? ntohs(s->src_port) : 0;
		cr->port = s->flags & XI_SEL_DST_PORT ? ntohs(s->dst_port) : 0;
	}
	if (q->policy.mode == XI_MODE_TUNNEL) {
		id_of_prefix(ci, s->family, &s->src, s->src_len);
		id_of_prefix(cr, s->family, &s->dst, s->dst_len);
		return 1;
	}
	id_of_prefix(ci, q->local.family, &q->local.addr, addr_bytes(q->local.family) * 8);
	id_of_prefix(cr, q->remote.family, &q->remote.addr, addr_bytes(q->remote.family) * 8);
	return ci->protocol || !ike_addr_eq(&q->local, &q->sa->path.local.a) ||
	       !ike_addr_eq(&q->remote, &q->sa->path.remote.a);
}

int quick_ids_keep(struct ike1_quick *q, const struct msg *m)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct msg_payload *p = msg_find(m, ISAKMP_P_ID, i);
		struct quick_id *id = &q->id[i];

		if (!p)
			return 0;
		if (p->id.data.len > sizeof(id->data))
			return -EINVAL;
		*id = (struct quick_id){.type = p->id.type, .protocol = p->id.protocol, .port = p->id.port};
		id->len = (uint8_t)p->id.data.len;
		memcpy(id->data, p->id.data.p, p->id.data.len);
	}
	q->has_ids = 1;
	return 0;
}

static int mask_len(const uint8_t *mask, unsigned n)
{
	unsigned bits = 0;

	while (bits < n * 8 && (mask[bits / 8] & (0x80 >> bits % 8)))
		bits++;
	for (unsigned i = bits; i < n * 8; i++)
		if (mask[i / 8] & (0x80 >> i % 8))
			return -1;
	return (int)bits;
}

/* A range that is a prefix: the ends differ in trailing bits that are all 0 in the first and all 1 in the last. */
static int range_len(const uint8_t *from, const uint8_t *to, unsigned n)
{
	unsigned bits = 0;

	while (bits < n * 8 && !((from[bits / 8] ^ to[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	for (unsigned i = bits; i < n * 8; i++)
		if ((from[i / 8] & (0x80 >> i % 8)) || !(to[i / 8] & (0x80 >> i % 8)))
			return -1;
	return (int)bits;
}

int quick_id_prefix(const struct quick_id *id, uint8_t *family, struct xi_addr *a)
{
	int six = id->type == IPSEC_ID_IPV6 || id->type == IPSEC_ID_IPV6_SUBNET || id->type == IPSEC_ID_IPV6_RANGE;
	unsigned n = six ? 16 : 4;
	int len;

	switch (id->type) {
	case IPSEC_ID_IPV4:
	case IPSEC_ID_IPV6:
		len = (int)n * 8;
		break;
	case IPSEC_ID_IPV4_SUBNET:
	case IPSEC_ID_IPV6_SUBNET:
		len = mask_len(id->data + n, n);
		break;
	case IPSEC_ID_IPV4_RANGE:
	case IPSEC_ID_IPV6_RANGE:
		len = range_len(id->data, id->data + n, n);
		break;
	default:
		return -1;
	}
	*family = six ? XI_IP6 : XI_IP4;
	*a = (struct xi_addr){0};
	memcpy(a->w, id->data, n);
	for (int i = MAX(len, 0); i < (int)n * 8; i++) /* host bits of a subnet do not count */
		((uint8_t *)a->w)[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return len;
}

static void selector_of_path(const struct ike1_quick *q, struct xi_selector *sel)
{
	const struct ike_path *p = &q->sa->path;
	uint8_t bits = (uint8_t)(addr_bytes(p->local.a.family) * 8);

	sel->family = p->local.a.family;
	sel->src = p->local.a.addr;
	sel->dst = p->remote.a.addr;
	sel->src_len = sel->dst_len = bits;
}

static int has_ports(unsigned proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

/* Spec 19.1: neither of an address or subnet type, nor a range that is a prefix. */
static int is_other(const struct quick_id *id)
{
	struct xi_addr a;
	uint8_t family;

	return id->type != IPSEC_ID_IPV4 && id->type != IPSEC_ID_IPV4_SUBNET && id->type != IPSEC_ID_IPV6 &&
	       id->type != IPSEC_ID_IPV6_SUBNET && quick_id_prefix(id, &family, &a) < 0;
}

/* Protocol and ports, which both identities have whatever their type is. */
static int take_upper(const struct quick_id *ours, const struct quick_id *theirs, struct xi_selector *sel)
{
	if (ours->protocol != theirs->protocol || ((ours->port || theirs->port) && !has_ports(ours->protocol)))
		return -EINVAL;
	sel->proto = ours->protocol;
	sel->src_port = htons(ours->port);
	sel->dst_port = htons(theirs->port);
	sel->flags = (uint8_t)((ours->protocol ? XI_SEL_PROTO : 0) | (ours->port ? XI_SEL_SRC_PORT : 0) |
			       (theirs->port ? XI_SEL_DST_PORT : 0));
	return 0;
}

int quick_selector(const struct ike1_quick *q, int others, struct xi_selector *sel)
{
	const struct quick_id *ours = &q->id[!q->initiator], *theirs = &q->id[q->initiator];
	uint8_t families[2];
	int src_len, dst_len;

	*sel = (struct xi_selector){0};
	if (!q->has_ids) {
		selector_of_path(q, sel);
		return 0;
	}
	if (others && (is_other(ours) || is_other(theirs))) {
		selector_of_path(q, sel);
		return take_upper(ours, theirs, sel);
	}
	src_len = quick_id_prefix(ours, &families[0], &sel->src);
	dst_len = quick_id_prefix(theirs, &families[1], &sel->dst);
	if (src_len < 0 || dst_len < 0 || families[0] != families[1] || take_upper(ours, theirs, sel))
		return -EINVAL;
	sel->family = families[0];
	sel->src_len = (uint8_t)src_len;
	sel->dst_len = (uint8_t)dst_len;
	/* RFC 3948 §3.1: in transport mode the packets have the addresses that the NAT gave them, not those of the identities. */
	if (q->has_oa) {
		struct xi_selector nat = {0};

		selector_of_path(q, &nat);
		if (q->sa->peer_behind) {
			sel->dst = nat.dst;
			sel->dst_len = nat.dst_len;
		}
		if (q->sa->behind) {
			sel->src = nat.src;
			sel->src_len = nat.src_len;
		}
		if (sel->family != nat.family)
			return -EINVAL;
	}
	return 0;
}

static int id_same(const struct quick_id *id, const struct msg_id *got)
{
	return id->type == got->type && id->protocol == got->protocol && id->port == got->port &&
	       id->len == got->data.len && !memcmp(id->data, got->data.p, id->len);
}

/*
 * RFC 2409 §5.5: identities that are left out are the addresses of the peers; some answer with them in words. Of who is behind a NAT they have the
 * address that the NAT gave (RFC 3947 §5.2), which we do not know: any. Our policy says what the SAs are for.
 */
static int id_fits(const struct ike1_quick *q, unsigned i, const struct msg_id *got)
{
	const struct quick_id *id = &q->id[i];

	if (id_same(id, got))
		return 1;
	return !q->has_ids && q->has_oa && (i ? q->sa->peer_behind : q->sa->behind) && got->type == id->type &&
	       !got->protocol && !got->port && got->data.len == id->len;
}

int quick_ids_same(const struct ike1_quick *q, const struct msg *m)
{
	const struct msg_payload *ci = msg_find(m, ISAKMP_P_ID, 0), *cr = msg_find(m, ISAKMP_P_ID, 1);

	if (!ci && !cr)
		return !q->has_ids;
	return ci && cr && id_fits(q, 0, &ci->id) && id_fits(q, 1, &cr->id);
}

void quick_ids_write(const struct ike1_quick *q, struct msg_wr *w)
{
	for (unsigned i = 0; i < 2 && q->has_ids; i++) {
		struct msg_id id = {.type = q->id[i].type,
				    .protocol = q->id[i].protocol,
				    .port = q->id[i].port,
				    .data = {q->id[i].data, q->id[i].len}};

		msg_wr_id(w, &id);
	}
}

const char *quick_selector_text(const struct xi_selector *s, char *buf, size_t size)
{
	char a[2][INET6_ADDRSTRLEN], port[2][8] = {"any", "any"}, proto[8] = "any";
	int af = s->family == XI_IP6 ? AF_INET6 : AF_INET;

	if (!inet_ntop(af, s->src.w, a[0], sizeof(a[0])) || !inet_ntop(af, s->dst.w, a[1], sizeof(a[1])))
		a[0][0] = a[1][0] = '\0';
	if (s->flags & XI_SEL_SRC_PORT)
		(void)snprintf(port[0], sizeof(port[0]), "%u", ntohs(s->src_port));
	if (s->flags & XI_SEL_DST_PORT)
		(void)snprintf(port[1], sizeof(port[1]), "%u", ntohs(s->dst_port));
	if (s->flags & XI_SEL_PROTO)
		(void)snprintf(proto, sizeof(proto), "%u", s->proto);
	(void)snprintf(buf, size, "%s/%u[%s] %s/%u[%s] proto=%s", a[0], s->src_len, port[0], a[1], s->dst_len, port[1],
		       proto);
	return buf;
}
