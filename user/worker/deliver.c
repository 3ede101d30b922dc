/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A decrypted packet: does its policy accept it by this SA (spec 13.4 steps 2 to 5), and where does it go (step 6)? The judgement is
 * cached by flow and SA for as long as the policies stay the same, the next hop for as long as routes do. A packet that another
 * policy protects on its way out is sealed again or dropped here, by the addresses it has now: the stack might rewrite them. The fast
 * path forwards only what needs nothing else from this host: options, a used-up TTL, a local destination go into the stack as received
 * on the interface the tunnel came in by, where tc_egress sees it again if it leaves.
 */
#include "user/worker/worker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "user/ipsec/tunnel.h"

static int has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
	       proto == IPPROTO_UDPLITE;
}

/* ipsec_open has checked the header and the total length. */
static enum xi_drop read_tuple(const struct pkt *p, struct xi_tuple *t)
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
	const struct xi_rule *r = spd_snapshot_match(&w->spd, &f->tuple, XI_DIR_IN);
	const struct xi_policy *pol;

	f->in_policy = UINT32_MAX;
	if (!r)
		return XI_DROP_IN_NO_POLICY;
	f->in_policy = r->slot;
	f->in_gen = r->gen;
	if (r->action == XI_ACTION_NONE)
		return XI_OK;
	if (r->action == XI_ACTION_DISCARD)
		return XI_DROP_IN_BLOCKED;
	pol = &w->maps->spd[r->slot];
	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != r->gen || !template_satisfied(pol, &pk->sa->sa))
		return XI_DROP_IN_TEMPLATE;
	f->in_transformed = 1;
	return XI_OK;
}

/*
 * RFC 4301 §6.2: an ICMP error of a gateway on the way has an address that no policy knows. It belongs to the tunnel when the packet
 * that it quotes was one that this host sends through that tunnel. Returns the policy's rule, NULL = no. Judged packet by
 * packet: the flow's addresses say nothing about it.
 */
static const struct xi_rule *judge_quoted(struct worker *w, const struct wpkt *pk, const struct flow *f)
{
	const struct xi_policy *pol;
	const struct xi_rule *r;
	struct xi_tuple t;

	if (!read_quoted(&pk->p, &t) || memcmp(&t.src, &f->tuple.dst, sizeof(t.src)) != 0)
		return NULL;
	r = spd_snapshot_match(&w->spd, &t, XI_DIR_OUT);
	if (!r || r->action != XI_ACTION_ENCRYPT)
		return NULL;
	pol = &w->maps->spd[r->slot];
	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != r->gen || !template_satisfied(pol, &pk->sa->sa))
		return NULL;
	return r;
}

static void judge(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	const struct xi_rule *out = spd_snapshot_match(&w->spd, &f->tuple, XI_DIR_OUT);

	f->in_transformed = 0;
	f->spd_gen = w->spd.spd_gen;
	f->hop.gen = 0;
	f->verdict = (uint8_t)judge_in(w, pk, f);
	f->out_policy = UINT32_MAX;
	if (!out)
		return;
	f->out_policy = out->slot;
	f->out_gen = out->gen;
	f->out_action = out->action;
	f->out_level = out->level;
}

static struct flow *flow_of(struct worker *w, const struct wpkt *pk, const struct xi_tuple *t)
{
	uint64_t ref = XI_REF(pk->v.slot, pk->v.gen);
	struct flow *f = &w->flow[hash_of(t, ref)];

	if (likely(f->spd_gen == w->spd.spd_gen && f->sa_ref == ref && f->if_slot == pk->v.if_slot &&
		   memcmp(&f->tuple, t, sizeof(*t)) == 0))
		return f;
	f->tuple = *t;
	f->sa_ref = ref;
	f->if_slot = pk->v.if_slot;
	judge(w, pk, f);
	return f;
}

/* The kernel's answer for a packet that came in by this tunnel: also whether it would forward it at all. */
static void refresh_hop(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	const struct rt_key key = {.family = f->tuple.family,
				   .src = f->tuple.src,
				   .dst = f->tuple.dst,
				   .iif = w->maps->ifs[pk->v.if_slot].ifindex};

	hop_refresh(w, &f->hop, &key);
}

static void forward(struct worker *w, struct wpkt *pk, struct flow *f)
{
	struct io_sock *s;
	struct iphdr ip;

	refresh_hop(w, pk, f);
	s = hop_socket(w, &f->hop);
	memcpy(&ip, pk->p.data, sizeof(ip));
	if (unlikely(!s || ip.ihl != 5 || pkt_len(&pk->p) > f->hop.rt.mtu || tunnel_ttl4(pk->p.data)))
		slow_inject(w, pk);
	else
		(void)transmit(w, pk, s, &f->hop.rt, XI_DROP_IN_TX_FULL); /* counted there */
}

/* Goes on into another tunnel, judged by the addresses it has now, before any NAT of this host (spec 27.4). */
static void seal_again(struct worker *w, struct wpkt *pk, const struct flow *f, uint64_t sa)
{
	pk->v = (struct xi_verdict){.slot = XI_REF_SLOT(sa),
				    .gen = XI_REF_GEN(sa),
				    .policy = f->out_policy,
				    .policy_gen = f->out_gen,
				    .dir = XI_DIR_OUT,
				    .if_slot = pk->v.if_slot,
				    .family = XI_IP4};
	w->again[w->nagain++] = pk;
}

static int ttl_used_up(const struct pkt *p)
{
	struct iphdr ip;

	memcpy(&ip, p->data, sizeof(ip));
	return ip.ttl <= 1;
}

/* Spec 13.3 for a decrypted packet that a policy wants on its way out. */
static void forward_by_policy(struct worker *w, struct wpkt *pk, struct flow *f)
{
	const struct xi_policy *pol = &w->maps->spd[f->out_policy];
	struct xi_polstat *ps = polstat(w, f->out_policy, f->out_gen);
	enum xi_drop why = XI_DROP_OUT_BLOCKED;
	uint64_t sa = 0;

	if (f->out_action == XI_ACTION_ENCRYPT) {
		sa = pol->flags & XI_POL_INACTIVE ? 0 : __atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE);
		why = XI_DROP_OUT_NO_SA;
		if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != f->out_gen)
			why = XI_DROP_OUT_POLICY_DEAD;
		else if (f->out_level == XI_LEVEL_USE && !sa)
			why = XI_OK;
	} else if (f->out_action == XI_ACTION_NONE) {
		why = XI_OK;
	}
	/* What may leave in clear goes by way of the stack and tc_egress, which counts it. */
	refresh_hop(w, pk, f);
	if (why == XI_OK || f->hop.rt.kind == RT_LOCAL || f->hop.rt.kind == RT_NONE || ttl_used_up(&pk->p)) {
		slow_inject(w, pk);
		return;
	}
	if (why == XI_DROP_OUT_NO_SA && sa) {
		seal_again(w, pk, f, sa);
		return;
	}
	if (ps && why != XI_DROP_OUT_POLICY_DEAD)
		ps->out_dropped++;
	drop(w, pk, why);
}

/* An ICMP error about a packet of this tunnel, which no policy of its own covers in either direction. */
static int accept_quoted(struct worker *w, struct wpkt *pk, const struct flow *f)
{
	const struct xi_rule *r;
	struct xi_polstat *ps;

	if (f->verdict != XI_DROP_IN_NO_POLICY || f->out_policy != UINT32_MAX)
		return 0;
	r = judge_quoted(w, pk, f);
	if (!r)
		return 0;
	ps = polstat(w, r->slot, r->gen);
	if (ps)
		ps->in_transformed++;
	return 1;
}

static void refuse(struct worker *w, struct wpkt *pk, const struct flow *f)
{
	struct xi_polstat *ps = polstat(w, f->in_policy, f->in_gen);

	if (ps && f->verdict == XI_DROP_IN_BLOCKED)
		ps->in_dropped++;
	drop(w, pk, (enum xi_drop)f->verdict);
}

void deliver(struct worker *w, struct wpkt *pk)
{
	struct xi_tuple t;
	enum xi_drop why = read_tuple(&pk->p, &t);
	struct xi_polstat *ps;
	struct flow *f;

	if (why != XI_OK) {
		drop(w, pk, why);
		return;
	}
	f = flow_of(w, pk, &t);
	if (unlikely(f->verdict != XI_OK)) {
		if (!accept_quoted(w, pk, f))
			refuse(w, pk, f);
		else
			forward(w, pk, f);
		return;
	}
	ps = polstat(w, f->in_policy, f->in_gen);
	if (ps && f->in_transformed)
		ps->in_transformed++;
	else if (ps)
		ps->in_accepted++;
	if (likely(f->out_policy == UINT32_MAX))
		forward(w, pk, f);
	else
		forward_by_policy(w, pk, f);
}
