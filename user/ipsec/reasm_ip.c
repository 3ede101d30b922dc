/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers of fragments, IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200 §4.5): read, and made whole again (see reasm_priv.h). */
#include "bpf/abi/xi_sa.h"
#include "user/ipsec/ip6.h"
#include "user/ipsec/reasm.h"
#include "user/ipsec/reasm_priv.h"

#define UDP_PROTO 17
#define UDP_ESP_MIN 16 /* RFC 3948 §2.1: UDP header, SPI, sequence number */
#define AH_MIN 12      /* RFC 4302 §2 */
#define ESP_MIN 8      /* RFC 4303 §2 */

#define ECN_NOT 0 /* RFC 3168 §5 */
#define ECN_CE 3

/*
 * RFC 7112 §5, RFC 1858 §3: a first fragment has all headers up to those that say where the packet belongs; a smaller one is made
 * by nobody but to get past a filter. payload[len] begins with protocol proto.
 */
static int first_is_tiny(const uint8_t *payload, size_t len, uint8_t proto, uint8_t family)
{
	struct ip6_at at = {.proto = proto};

	while (family == XI_IP6) {
		int step = ip6_step(&at, payload, len);

		if (step < 0)
			return 1;
		if (step == 0)
			break;
	}
	len -= at.off;
	return len < (at.proto == UDP_PROTO ? UDP_ESP_MIN : at.proto == XI_PROTO_AH ? AH_MIN : ESP_MIN);
}

/* What holds for every fragment by itself. */
static enum reasm_kind judge(const struct reasm_piece *f)
{
	if (f->len == 0 || f->at + f->len > IP4_LEN_MAX || f->hdr > REASM_ROOM)
		return REASM_BAD;
	if (f->more && f->len % 8 != 0)
		return REASM_BAD;
	if (f->at == 0 && first_is_tiny(f->payload, f->len, f->proto, f->key.family))
		return REASM_BAD;
	return REASM_PIECE;
}

static enum reasm_kind read4(struct pkt *p, size_t tot, struct reasm_piece *f)
{
	const uint8_t *ip = p->data;
	uint16_t frag = u16_get(ip + IP4_FRAG);

	p->tail = p->data + tot;
	if (!(frag & (IP4_MF | IP4_OFFSET)))
		return REASM_WHOLE;
	f->key.family = XI_IP4;
	f->key.src.w[0] = be32_get(ip + IP4_SRC);
	f->key.dst.w[0] = be32_get(ip + IP4_DST);
	f->key.id = u16_get(ip + IP4_ID);
	f->key.proto = f->proto = ip[IP4_PROTO];
	f->ecn = ip[IP4_TOS] & IP4_ECN;
	f->hdr = ip4_hdr_len(ip);
	f->payload = ip + f->hdr;
	f->len = tot - f->hdr;
	f->at = (size_t)(frag & IP4_OFFSET) * 8;
	f->more = !!(frag & IP4_MF);
	return judge(f);
}

/* RFC 6946 §4: a fragment that is all of its datagram meets no other one. Its header is taken out in place. */
static enum reasm_kind unwrap(struct pkt *p, const struct reasm_piece *f)
{
	p->data[f->next_at] = f->proto;
	u16_put(p->data + IP6_LEN, (uint16_t)(u16_get(p->data + IP6_LEN) - IP6_FRAG_HDR));
	memmove(p->data + IP6_FRAG_HDR, p->data, f->hdr);
	p->data += IP6_FRAG_HDR;
	return REASM_WHOLE;
}

static enum reasm_kind read6(struct pkt *p, size_t tot, struct reasm_piece *f)
{
	const uint8_t *ip = p->data, *fh;
	struct ip6_at at = ip6_first(ip);
	enum reasm_kind kind;
	uint16_t off;
	int step;

	p->tail = p->data + tot;
	while ((step = ip6_step(&at, ip, tot)) > 0)
		;
	if (step < 0 || (at.proto == NH_FRAGMENT && tot < at.off + IP6_FRAG_HDR))
		return REASM_BAD;
	if (at.proto != NH_FRAGMENT)
		return REASM_WHOLE;
	fh = ip + at.off;
	off = u16_get(fh + IP6_FRAG_OFF);
	f->key.family = XI_IP6;
	memcpy(&f->key.src, ip + IP6_SRC, 16);
	memcpy(&f->key.dst, ip + IP6_DST, 16);
	f->key.id = ntohl(be32_get(fh + IP6_FRAG_ID));
	f->proto = fh[0];
	f->ecn = ip[1] >> 4 & 3;
	f->hdr = at.off;
	f->next_at = at.next_at;
	f->payload = fh + IP6_FRAG_HDR;
	f->len = tot - at.off - IP6_FRAG_HDR;
	f->at = off & IP6_FRAG_OFFSET;
	f->more = off & IP6_FRAG_M;
	kind = judge(f);
	return kind == REASM_PIECE && f->at == 0 && !f->more ? unwrap(p, f) : kind;
}

enum reasm_kind reasm_read(struct pkt *p, struct reasm_piece *f)
{
	size_t tot = ip4_check(p->data, pkt_len(p));

	memset(f, 0, sizeof(*f));
	f->ip = p->data;
	if (tot)
		return read4(p, tot, f);
	tot = ip6_check(p->data, pkt_len(p));
	return tot ? read6(p, tot, f) : REASM_BAD;
}

/*
 * RFC 3168 §5.3: congestion marked on one fragment is marked on the whole, unless another one says that its sender does not know of it: that
 * one is dropped. Otherwise the first fragment's stands.
 */
static int combine_ecn(uint8_t ecn, uint8_t *first)
{
	if (!(ecn & 1 << ECN_CE))
		return 0;
	if (ecn & 1 << ECN_NOT)
		return -1;
	*first = ECN_CE;
	return 0;
}

int reasm_mend(struct pkt *whole, size_t hdr, size_t next_at, uint8_t proto, uint8_t ecn)
{
	uint8_t *ip = whole->data, first;
	size_t len = pkt_len(whole);

	if (ip[0] >> 4 == 4) {
		first = ip[IP4_TOS] & IP4_ECN;
		if (len > IP4_LEN_MAX || combine_ecn(ecn, &first))
			return -1;
		ip[IP4_TOS] = (uint8_t)((ip[IP4_TOS] & ~IP4_ECN) | first);
		u16_put(ip + IP4_LEN, (uint16_t)len);
		u16_put(ip + IP4_FRAG, u16_get(ip + IP4_FRAG) & IP4_DF);
		ip4_sum_put(ip);
		return 0;
	}
	first = ip[1] >> 4 & 3;
	if (len > IP6_LEN_MAX || combine_ecn(ecn, &first) || hdr <= next_at)
		return -1;
	ip[1] = (uint8_t)((ip[1] & ~0x30) | first << 4);
	ip[next_at] = proto;
	u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	return 0;
}
