/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a decrypted packet goes once it was judged (spec 13.4 step 6); the next hop is cached with the flow. A packet that another
 * policy protects on its way out is sealed again or dropped here, by the addresses it has now: the stack might rewrite them. The fast
 * path forwards only what needs nothing else from this host: options, a used-up TTL, a local destination go into the stack as received
 * on the interface the tunnel came in by, where tc_egress sees it again if it leaves.
 */
#include "user/worker/worker.h"

#include <arpa/inet.h>
#include <netinet/ip.h>

#include "user/ipsec/tunnel.h"

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
	struct xi_polstat *ps;
	struct xi_rule r;

	if (f->verdict != XI_DROP_IN_NO_POLICY || f->out_policy != UINT32_MAX || !judge_quoted(w, pk, f, &r))
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
