/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the policies compare of a decrypted packet, read by the parser that the XDP and tc programs use, so that both judge a packet alike.
 */
#include "user/worker/worker.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "user/ipsec/ip6.h"
#include "user/worker/events.h"

/* The parser reads words where they stand; inner headers stand anywhere, which x86 does not mind. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline, no_sanitize("alignment")))
#include "bpf/lib/parse.h"

#define QUOTED_AT 8 /* ICMP and ICMPv6 errors: type, code, checksum, a word, then the packet (RFC 792, RFC 4443 §3) */

static enum xi_parse parse(struct xi_pkt *k, const struct pkt *p)
{
	uint32_t len = (uint32_t)pkt_len(p);

	if (likely(ip_version(p) == 4))
		return xi_parse_ip4(k, p->data, p->tail, len);
	return xi_parse_ip6(k, p->data, p->tail, len);
}

/* Most packets: IPv4 without options, no fragment, TCP or UDP with its ports. 0: anything else. Says what parse() would. */
static int read_plain4(const struct pkt *p, struct xi_tuple *t)
{
	const uint8_t *ip = p->data;

	if (pkt_len(p) < IP4_HDR + 4 || ip[0] != 0x45 || (u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) ||
	    (ip[IP4_PROTO] != IPPROTO_UDP && ip[IP4_PROTO] != IPPROTO_TCP) || u16_get(ip + IP4_LEN) != pkt_len(p))
		return 0;
	*t = (struct xi_tuple){.src.w[0] = be32_get(ip + IP4_SRC),
			       .dst.w[0] = be32_get(ip + IP4_DST),
			       .src_port = be16_get(ip + IP4_HDR),
			       .dst_port = be16_get(ip + IP4_HDR + 2),
			       .family = XI_IP4,
			       .proto = ip[IP4_PROTO]};
	return 1;
}

enum xi_drop read_tuple(const struct pkt *p, struct xi_tuple *t)
{
	struct xi_pkt k;
	uint8_t hidden;

	if (likely(read_plain4(p, t)))
		return XI_OK;
	memset(&k, 0, sizeof(k));
	if (unlikely(parse(&k, p) != XI_PARSE_OK))
		return XI_DROP_IN_INNER_SELECTORS;
	*t = k.tuple;
	hidden = t->flags & (XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO);
	/* Cut short. A later fragment, or a chain of extension headers that is too long, is judged without (spec 13.6). */
	if (unlikely(hidden == XI_TUPLE_NO_PORTS && !(k.flags & XI_PKT_LATER)))
		return XI_DROP_IN_INNER_SELECTORS;
	return XI_OK;
}

int read_fragment(const struct pkt *p, struct frag_id *id)
{
	struct xi_pkt k;

	memset(&k, 0, sizeof(k));
	if (parse(&k, p) != XI_PARSE_OK || !(k.flags & XI_PKT_FRAGMENT))
		return FRAG_NONE;
	*id = (struct frag_id){.src = k.tuple.src,
			       .dst = k.tuple.dst,
			       .id = k.frag_id,
			       .family = k.tuple.family,
			       .proto = k.tuple.family == XI_IP4 ? k.tuple.proto : 0};
	return k.flags & XI_PKT_LATER ? FRAG_LATER : FRAG_FIRST;
}

/* It stands at l3_off, and nothing of it was checked: what cannot be read is left 0. */
void sample_drop(struct worker *w, const struct wpkt *pk, enum xi_drop reason)
{
	const struct xi_sa *sa = sad_get(w->maps, XI_REF(pk->v.slot, pk->v.gen));
	struct xi_sample s = {.ns = w->now, .reason = (uint8_t)reason, .spi = sa ? sa->spi : 0};
	struct pkt p = pk->p;
	struct xi_pkt k;

	s.policy = pk->v.policy;
	s.policy_gen = pk->v.policy_gen;
	s.ifindex = pk->v.if_slot < XI_IF_MAX ? arrival(w, pk) : 0;
	if ((size_t)(p.tail - p.data) > pk->v.l3_off)
		p.data += pk->v.l3_off;
	s.len = (uint32_t)pkt_len(&p);
	memset(&k, 0, sizeof(k));
	if (s.len >= IP4_HDR && (ip_version(&p) == 4 || ip_version(&p) == 6)) {
		(void)parse(&k, &p);
		s.family = k.tuple.family;
		s.proto = k.tuple.proto;
		s.flags = k.tuple.flags;
		s.src = k.tuple.src;
		s.dst = k.tuple.dst;
		s.src_port = k.tuple.src_port;
		s.dst_port = k.tuple.dst_port;
		s.spi = s.spi ? s.spi : k.spi;
	}
	events_drop(w->events, w->id, &s);
}

static int is_icmp4_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static int quoted4(const uint8_t *p, const uint8_t *end, struct xi_pkt *k)
{
	uint16_t frag;

	if (end - p < IP4_HDR || p[0] >> 4 != 4 || ip4_hdr_len(p) < IP4_HDR || (size_t)(end - p) < ip4_hdr_len(p))
		return 0;
	k->tuple.family = XI_IP4;
	k->tuple.proto = p[IP4_PROTO];
	k->tuple.src.w[0] = be32_get(p + IP4_SRC);
	k->tuple.dst.w[0] = be32_get(p + IP4_DST);
	frag = u16_get(p + IP4_FRAG);
	if (frag & IP4_OFFSET)
		k->flags |= XI_PKT_LATER;
	p += ip4_hdr_len(p);
	return xi_parse_upper(k, p, end, (uint32_t)(end - p)) == XI_PARSE_OK;
}

static int quoted6(const uint8_t *p, const uint8_t *end, struct xi_pkt *k)
{
	if (end - p < IP6_HDR || p[0] >> 4 != 6)
		return 0;
	k->tuple.family = XI_IP6;
	memcpy(&k->tuple.src, p + IP6_SRC, sizeof(k->tuple.src));
	memcpy(&k->tuple.dst, p + IP6_DST, sizeof(k->tuple.dst));
	return xi_parse_ext(k, p + IP6_HDR, end, (uint32_t)(end - p - IP6_HDR), p[IP6_NEXT]) == XI_PARSE_OK;
}

int read_quoted(const struct pkt *p, struct xi_tuple *t)
{
	int six = ip_version(p) == 6, ok;
	const uint8_t *icmp = p->data + (six ? IP6_HDR : ip4_hdr_len(p->data));
	struct xi_pkt k;

	memset(&k, 0, sizeof(k));
	if (p->data[six ? IP6_NEXT : IP4_PROTO] != (six ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || p->tail - icmp < QUOTED_AT)
		return 0;
	if (six)
		ok = icmp[0] != 0 && !(icmp[0] & ICMP6_INFOMSG_MASK) && quoted6(icmp + QUOTED_AT, p->tail, &k);
	else
		ok = !(u16_get(p->data + IP4_FRAG) & IP4_OFFSET) && is_icmp4_error(icmp[0]) &&
		     quoted4(icmp + QUOTED_AT, p->tail, &k);
	*t = k.tuple;
	return ok;
}
