/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a decrypted packet goes once it was judged (spec 13.4 step 6); the next hop is cached with the flow. A packet that another
 * policy protects on its way out is sealed again or dropped here, by the addresses it has now: the stack might rewrite them. The fast
 * path forwards only what needs nothing else from this host: options, a used-up TTL, a local destination go into the stack as received
 * on the interface the tunnel came in by, where tc_egress sees it again if it leaves. So does all of it where the interface has firewall=yes.
 */
#include "user/worker/worker.h"

#include "user/ipsec/ip6.h"
#include "user/ipsec/mss.h"
#include "user/ipsec/tunnel.h"

/* The kernel's answer for a packet that came in by this tunnel: also whether it would forward it at all. */
static void refresh_hop(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	const struct rt_key key = {
		.family = f->tuple.family, .src = f->tuple.src, .dst = f->tuple.dst, .iif = arrival(w, pk)};

	if (likely(hop_current(w, &f->hop)))
		return;
	hop_refresh(w, &f->hop, &key);
}

/* Options and a used-up TTL are the stack's. */
static int plain4(uint8_t *ip)
{
	return likely(ip[0] == 0x45) && likely(tunnel_ttl4(ip) == 0);
}

/* RFC 4291 §2.4, §2.5: unspecified, loopback (and what else ::/8 has), link-local, multicast: the stack knows what they may. */
static int is_special6(const uint8_t *a)
{
	return a[0] == 0 || a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

/* The same of IPv6: each hop looks at hop-by-hop options (RFC 8200 §4.3), and the kernel has no answer that says forwarding is off. */
static int plain6(const struct worker *w, const struct wpkt *pk, uint8_t *ip)
{
	if (ip[IP6_NEXT] == NH_HOP_BY_HOP || ip[IP6_HOPS] <= 1 || is_special6(ip + IP6_SRC) ||
	    is_special6(ip + IP6_DST) || (w->maps->ifs[pk->v.if_slot].flags & XI_IF_NO_FORWARD6))
		return 0;
	ip[IP6_HOPS]--;
	return 1;
}

/* What the internal pair does not carry in one piece goes in fragments, if its sender lets it; else the sender is told. */
static void to_stack(struct worker *w, struct wpkt *pk, const struct flow *f, int local)
{
	const uint8_t *ip = pk->p.data;
	size_t most = w->maps->ifs[XI_IF_INTERNAL].mtu;

	if (likely(pkt_len(&pk->p) <= most)) {
		slow_inject(w, pk);
	} else if (local || pk->joined || (ip_version(&pk->p) == 4 && !(u16_get(ip + IP4_FRAG) & IP4_DF))) {
		slow_inject_fragments(w, pk, most);
	} else {
		slow_too_big(w, &pk->p, f->hop.rt.mtu && f->hop.rt.mtu < most ? f->hop.rt.mtu : most);
		drop(w, pk, XI_DROP_IN_INJECT);
	}
}

/*
 * Is it the stack's because of the host's NAT? It is to be translated back, or quotes what is (RFC 5508 section 4). Or no network of ours has the destination:
 * NAT may know it, and if not, firewall and masquerade have their say.
 */
static int is_for_nat(const struct worker *w, const struct wpkt *pk, const struct flow *f)
{
	if (unlikely(f->natted || f->hop.rt.anywhere))
		return 1;
	if (likely(f->tuple.proto != (f->tuple.family == XI_IP4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)))
		return 0;
	return quotes_natted(w, pk);
}

/* The operator wants the host's firewall to see it. */
static int has_firewall(const struct worker *w, const struct wpkt *pk)
{
	return (w->maps->ifs[pk->v.if_slot].flags & XI_IF_FIREWALL) != 0;
}

static void forward(struct worker *w, struct wpkt *pk, struct flow *f)
{
	uint8_t *ip = pk->p.data;
	struct io_sock *s;

	if (pk->sa->sa.mode == XI_MODE_TRANSPORT) { /* ends at this host */
		to_stack(w, pk, f, 1);
		return;
	}
	refresh_hop(w, pk, f);
	s = hop_socket(w, &f->hop);
	if (unlikely(!s || has_firewall(w, pk) || is_for_nat(w, pk, f) || pkt_len(&pk->p) > f->hop.rt.mtu ||
		     !(pk->v.family == XI_IP4 ? plain4(ip) : plain6(w, pk, ip))))
		to_stack(w, pk, f, f->hop.rt.kind == RT_LOCAL);
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
				    .family = pk->v.family,
				    .iif = pk->v.iif};
	w->again[w->nagain++] = pk;
}

/*
 * The host's firewall sees it before another tunnel takes it, if tc_egress then finds what the policy protects, whatever NAT makes of it: 1, and
 * the packet is gone. Until the kernel has said where it leaves, it may neither pass by the firewall nor leave by an interface that is not attached:
 * dropped. 0: it is to be sealed at once.
 */
static int firewall_first(struct worker *w, struct wpkt *pk, const struct flow *f)
{
	if (!has_firewall(w, pk))
		return 0;
	if (f->hop.rt.kind == RT_UNKNOWN) {
		drop(w, pk, XI_DROP_IN_INJECT);
		return 1;
	}
	if (!f->hop.slot || !(w->maps->ifs[f->hop.slot].flags & XI_IF_SEES_NAT))
		return 0;
	to_stack(w, pk, f, 0);
	return 1;
}

static int ttl_used_up(const struct pkt *p)
{
	return p->data[ip_version(p) == 4 ? IP4_TTL : IP6_HOPS] <= 1;
}

/* Multicast, or the limited broadcast. */
static int is_to_many(const struct xi_tuple *t)
{
	const uint8_t *a = (const uint8_t *)&t->dst;

	return t->family == XI_IP6 ? a[0] == 0xff : (a[0] & 0xf0) == 0xe0 || t->dst.w[0] == UINT32_MAX;
}

/*
 * For the stack in any case: for this host, no way on, or a TTL that is used up; for many, since no SA carries that (spec 13.3 step 2): if the
 * stack forwards it, tc_egress drops it.
 */
static int stays_here(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	refresh_hop(w, pk, f);
	if (is_to_many(&f->tuple))
		return 1;
	if (f->hop.rt.kind == RT_UNKNOWN &&
	    is_local(w, &f->tuple.dst, f->tuple.family)) /* the kernel has not said so yet */
		return 1;
	return f->hop.rt.kind == RT_LOCAL || f->hop.rt.kind == RT_NONE || ttl_used_up(&pk->p);
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
	if (why == XI_OK || stays_here(w, pk, f)) {
		to_stack(w, pk, f, f->hop.rt.kind == RT_LOCAL);
		return;
	}
	/* Without an SA, too: there one is asked for and the packet waits, or is dropped; and what changed meanwhile is judged anew. */
	if (why != XI_DROP_OUT_BLOCKED) {
		if (!firewall_first(w, pk, f))
			seal_again(w, pk, f, why == XI_DROP_OUT_NO_SA ? sa : 0);
		return;
	}
	if (ps)
		ps->out_dropped++;
	drop(w, pk, why);
}

/* An ICMP error about a packet of this tunnel, which no policy of its own covers in either direction. */
static int accept_quoted(struct worker *w, struct wpkt *pk, const struct flow *f)
{
	struct xi_polstat *ps;
	struct xi_rule r;

	if ((f->verdict != XI_DROP_IN_NO_POLICY && f->verdict != XI_DROP_IN_SA_SELECTOR) ||
	    f->out_policy != UINT32_MAX || !judge_quoted(w, pk, f, &r))
		return 0;
	ps = polstat(w, r.slot, r.gen);
	if (ps)
		ps->in_transformed++;
	return 1;
}

static void refuse(struct worker *w, struct wpkt *pk, const struct flow *f)
{
	struct xi_polstat *ps = polstat(w, f->in_policy, f->in_gen);

	if (ps && f->verdict == XI_DROP_IN_BLOCKED)
		ps->in_dropped++;
	pk->v.policy = f->in_policy; /* for who watches */
	pk->v.policy_gen = ps ? f->in_gen : 0;
	if (f->verdict == XI_DROP_IN_SA_SELECTOR)
		sa_count_error(w, pk->sa);
	drop(w, pk, (enum xi_drop)f->verdict);
}

/* Or a header in front of which one may stand. */
static int may_be_fragment(const struct pkt *p)
{
	uint8_t next = p->data[IP6_NEXT];

	if (likely(ip_version(p) == 4))
		return (u16_get(p->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) != 0;
	return next == NH_FRAGMENT || next == NH_HOP_BY_HOP || next == NH_ROUTING || next == NH_DST_OPTIONS;
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
	if (unlikely(may_be_fragment(&pk->p)))
		first_follow(w, pk, &t);
	f = flow_of(w, pk, &t);
	if (unlikely(f->verdict != XI_OK)) {
		if (!accept_quoted(w, pk, f))
			refuse(w, pk, f);
		else
			forward(w, pk, f);
		return;
	}
	if (f->in_transformed && unlikely(mss_may_apply(pk->p.data, pkt_len(&pk->p))))
		path_clamp_in(w, pk, f->in_policy);
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
