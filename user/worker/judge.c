/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does its policy accept a decrypted packet by the SAs it came by (spec 13.4 steps 2 to 5)? The judgement is cached by flow and SA for as
 * long as the policies stay the same.
 */
#include "user/worker/worker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

static int has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
	       proto == IPPROTO_UDPLITE;
}

/* ipsec_open has checked the header and the total length. */
enum xi_drop read_tuple(const struct pkt *p, struct xi_tuple *t)
{
	struct iphdr ip;
	size_t off;

	memcpy(&ip, p->data, sizeof(ip));
	memset(t, 0, sizeof(*t));
	t->family = XI_IP4;
	t->proto = ip.protocol;
	t->src.w[0] = ip.saddr;
	t->dst.w[0] = ip.daddr;
	off = ip.ihl * 4u;
	if (ip.frag_off & htons(IP_OFFMASK)) {
		t->flags = XI_TUPLE_NO_PORTS;
	} else if (has_ports(ip.protocol)) {
		if (pkt_len(p) < off + 4)
			return XI_DROP_IN_INNER_SELECTORS;
		memcpy(&t->src_port, p->data + off, 2);
		memcpy(&t->dst_port, p->data + off + 2, 2);
	}
	return XI_OK;
}

static int is_icmp_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/* RFC 792: the packet that an ICMP error quotes. 0 when p is none, or quotes too little. */
static int read_quoted(const struct pkt *p, struct xi_tuple *t)
{
	struct pkt quoted = *p;
	struct iphdr ip;
	size_t off;

	memcpy(&ip, p->data, sizeof(ip));
	off = ip.ihl * 4u;
	if (ip.protocol != IPPROTO_ICMP || (ip.frag_off & htons(IP_OFFMASK)) ||
	    pkt_len(p) < off + sizeof(struct icmphdr) + sizeof(ip) || !is_icmp_error(p->data[off]))
		return 0;
	quoted.data += off + sizeof(struct icmphdr);
	memcpy(&ip, quoted.data, sizeof(ip));
	return ip.version == 4 && ip.ihl >= 5 && pkt_len(&quoted) >= ip.ihl * 4u && read_tuple(&quoted, t) == XI_OK;
}

static unsigned hash_of(const struct xi_tuple *t, uint64_t sa_ref)
{
	uint64_t h = ((uint64_t)t->src.w[0] << 32 | t->dst.w[0]) * 0x9e3779b97f4a7c15ull;

	h ^= ((uint64_t)t->src_port << 24 | (uint64_t)t->dst_port << 8 | t->proto) * 0xc2b2ae3d27d4eb4full;
	h ^= sa_ref * 0x165667b19e3779f9ull;
	return (unsigned)(h >> 44) & (WRK_FLOWS - 1);
}

/* Spec 13.4 step 5: was what the policy's template asks for done by this SA? */
static int template_satisfied(const struct xi_policy *pol, const struct xi_sa *sa)
{
	if (pol->protos != XI_PROTOS_ESP || sa->proto != XI_PROTO_ESP || pol->mode != sa->mode)
		return 0;
	if (pol->sa_family != sa->family || memcmp(&pol->sa_dst, &sa->src, sizeof(sa->src)) != 0)
		return 0;
	if (pol->sa_src.w[0] && memcmp(&pol->sa_src, &sa->dst, sizeof(sa->dst)) != 0)
		return 0;
	return pol->level != XI_LEVEL_UNIQUE || pol->reqid == sa->reqid;
}

static enum xi_drop judge_in(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	const struct xi_policy *pol;
	struct xi_rule r;
	int rc = class_match(w->maps, &f->tuple, XI_DIR_IN, &r);

	f->in_policy = UINT32_MAX;
	if (rc < 0)
		return XI_DROP_IN_LOOKUP;
	if (!rc)
		return XI_DROP_IN_NO_POLICY;
	f->in_policy = r.slot;
	f->in_gen = r.gen;
	if (r.action == XI_ACTION_NONE)
		return XI_OK;
	if (r.action == XI_ACTION_DISCARD)
		return XI_DROP_IN_BLOCKED;
	pol = &w->maps->spd[r.slot];
	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != r.gen || !template_satisfied(pol, &pk->sa->sa))
		return XI_DROP_IN_TEMPLATE;
	f->in_transformed = 1;
	return XI_OK;
}

int judge_quoted(struct worker *w, const struct wpkt *pk, const struct flow *f, struct xi_rule *r)
{
	const struct xi_policy *pol;
	struct xi_tuple t;

	if (!read_quoted(&pk->p, &t) || memcmp(&t.src, &f->tuple.dst, sizeof(t.src)) != 0)
		return 0;
	if (class_match(w->maps, &t, XI_DIR_OUT, r) <= 0 || r->action != XI_ACTION_ENCRYPT)
		return 0;
	pol = &w->maps->spd[r->slot];
	return __atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) == r->gen && template_satisfied(pol, &pk->sa->sa);
}

static void judge(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	struct xi_rule out;
	int rc;

	f->in_transformed = 0;
	f->spd_gen = w->spd_gen;
	f->hop.gen = 0;
	f->verdict = (uint8_t)judge_in(w, pk, f);
	f->out_policy = UINT32_MAX;
	rc = class_match(w->maps, &f->tuple, XI_DIR_OUT, &out);
	if (rc < 0)
		f->verdict = XI_DROP_IN_LOOKUP;
	if (rc <= 0)
		return;
	f->out_policy = out.slot;
	f->out_gen = out.gen;
	f->out_action = out.action;
	f->out_level = out.level;
}

struct flow *flow_of(struct worker *w, const struct wpkt *pk, const struct xi_tuple *t)
{
	uint64_t ref = XI_REF(pk->v.slot, pk->v.gen);
	struct flow *f = &w->flow[hash_of(t, ref)];

	if (likely(f->spd_gen == w->spd_gen && f->sa_ref == ref && f->if_slot == pk->v.if_slot &&
		   memcmp(&f->tuple, t, sizeof(*t)) == 0))
		return f;
	f->tuple = *t;
	f->sa_ref = ref;
	f->if_slot = pk->v.if_slot;
	judge(w, pk, f);
	return f;
}
