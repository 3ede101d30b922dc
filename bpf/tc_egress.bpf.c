/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every packet that leaves an attached interface by way of the stack: the host's own, and what the stack forwards, by the addresses
 * that it had before any NAT and by its final ones. What a policy protects goes into the internal veth pair, whose other end cuts it into
 * segments, finishes the checksums and hands it to a worker; what a policy forbids is dropped. This program is the last
 * guard: what it cannot judge and a policy might protect does not leave (RFC 4301 §5.1; spec sections 13.3, 13.5, 13.6).
 *
 * Passing is TC_ACT_UNSPEC: filters of others behind ours still see the packet.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lib/frag.h"
#include "bpf/lib/lookup.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/parse.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/sample.h"
#include "bpf/lib/stat.h"

/* Set before load. */
const volatile __u32 stack_ifindex; /* xi0, the stack's end of the internal pair */
const volatile __u8 have_ct;	    /* the kernel lets us read a packet's conntrack entry */

#define PULL_MAX                                                                                                       \
	512 /* Ethernet, two tags, IPv6 and any sane chain of extension headers; an ICMP error with what it quotes */
#define GO_ON (-2)

static __always_inline int drop(__u32 reason)
{
	return DROPPED(reason); /* counted by xi_tc_egress() */
}

static __always_inline int pass(__u32 reason)
{
	xi_count(reason);
	return TC_ACT_UNSPEC;
}

/* Global: verified once. */
__noinline int xi_tc_parse(struct __sk_buff *skb, struct xi_pkt *k)
{
	if (!k)
		return XI_PARSE_NOT_IP;
	__builtin_memset(k, 0, sizeof(*k));
	return xi_parse(k, (const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end, skb->len);
}

/* The headers may stand in pages behind the linear part: only then they are pulled, which may copy. */
static __always_inline enum xi_parse parse_pulling(struct __sk_buff *skb, struct xi_pkt *k)
{
	enum xi_parse parsed = xi_tc_parse(skb, k);

	if (parsed != XI_PARSE_SHORT)
		return parsed;
	if (bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX))
		return XI_PARSE_SHORT;
	return xi_tc_parse(skb, k);
}

/*
 * What the host sends for IPsec itself, under an address of its own. `forwarded`: it arrived on an interface; behind source NAT such
 * a packet has an address of ours too, but IKE and ESP of other hosts are not exempt (spec 13.5).
 */
static __always_inline int own_ipsec(const struct xi_pkt *k, __u32 says)
{
	if (xi_is_ipsec(k)) {
		/* RFC 4301 §5.1.3: our product is not looked up again. A later fragment has no SPI to show; whoever can make
		 * one under our address with protocol 50 or 51 has CAP_NET_RAW here. */
		if ((k->flags & XI_PKT_LATER) || ((k->flags & XI_PKT_SPI) && xi_spi_find(k, XI_DIR_OUT)))
			return pass(XI_PASS_OURS);
	}
	if (!xi_is_udp(k))
		return GO_ON;
	if (xi_is_ike_port(k->tuple.src_port) || (says & XI_FRAG_IKE))
		return pass(XI_PASS_IKE);
	return says & XI_FRAG_ESP ? pass(XI_PASS_OURS) : GO_ON;
}

/* What a packet from UDP port 4500 of this host is, besides plaintext (RFC 3948 §2): XI_FRAG_*. */
static __always_inline __u32 natt_says(const struct xi_pkt *k)
{
	if (!k->natt || k->tuple.src_port != XI_PORT_NATT || !xi_natt_used())
		return 0;
	if (k->natt == XI_NATT_IKE || k->natt == XI_NATT_KEEPALIVE)
		return XI_FRAG_IKE;
	return k->natt == XI_NATT_ESP && xi_spi_find(k, XI_DIR_OUT) ? XI_FRAG_ESP : 0;
}

/*
 * Spec 13.5, 13.6: a fragment is judged like the first one of its datagram. GO_ON: plaintext, for the policies. Global: verified
 * once.
 */
__noinline int xi_tc_exempt(struct xi_pkt *k, __u32 forwarded)
{
	__u32 says = 0;
	int ours;

	if (!k)
		return GO_ON;
	ours = !forwarded && xi_is_local(&k->tuple.src, k->tuple.family);
	if (unlikely(k->flags & XI_PKT_LATER)) {
		says = (__u32)xi_frag_follow(k);
	} else {
		says = ours ? natt_says(k) : 0;
		if (unlikely(k->flags & XI_PKT_FRAGMENT))
			(void)xi_frag_note(k, says);
	}
	return ours ? own_ipsec(k, says) : GO_ON;
}

/* Multicast, limited broadcast, or the broadcast of a network of ours: the host's own addresses do not leave. */
static __always_inline int to_many(const struct xi_pkt *k)
{
	return xi_is_multicast(&k->tuple) || xi_is_local(&k->tuple.dst, k->tuple.family);
}

/* To be protected, and there is an SA: into the internal pair, unless no worker could seal it. */
static __always_inline int protect(const struct xi_find *f, int malformed)
{
	const struct xi_hit *hit = &f->hit[XI_DIR_OUT];

	if (malformed) {
		xi_count_policy(hit, out_dropped);
		return drop(XI_DROP_OUT_MODE);
	}
	xi_count(XI_TO_INTERNAL);
	return (int)bpf_redirect(stack_ifindex, 0);
}

/*
 * Did NAT change what a policy looks at? n: the packet as it was, and what undoing takes. What was for the host itself is not asked about: no outbound
 * policy applies to that (an answer on its way back to who is masqueraded).
 */
static __always_inline int is_natted(const struct xi_pkt *k, const struct xi_nat *n)
{
	int ports = xi_has_ports(k) && !n->related;

	if (xi_same_addr(&n->src, &k->tuple.src) && xi_same_addr(&n->dst, &k->tuple.dst) &&
	    (!ports || (n->src_port == k->tuple.src_port && n->dst_port == k->tuple.dst_port)))
		return 0;
	return !xi_is_local(&n->dst, k->tuple.family);
}

/*
 * Undoes the translation and lets conntrack forget it. k: the packet as it is. 0, or -1: it cannot be done. On its own stack: a chain of calls has 512 bytes,
 * of which kernels before 6.9 round each function's up to 32.
 */
static __noinline int take_back(struct __sk_buff *skb, const struct xi_pkt *k, const struct xi_nat *n, int malformed)
{
	if (!malformed && xi_nat_undo(skb, k, n))
		return -1;
	xi_nat_forget(skb, n, k->tuple.family);
	return 0;
}

/* The packet as it is and as it was before NAT change places: addresses, ports. */
static __always_inline void change_places(struct xi_pkt *k, struct xi_nat *n)
{
	struct xi_tuple *t = &k->tuple;
	__be32 word;
	__be16 port;

	for (int i = 0; i < 4; i++) {
		word = t->src.w[i];
		t->src.w[i] = n->src.w[i];
		n->src.w[i] = word;
		word = t->dst.w[i];
		t->dst.w[i] = n->dst.w[i];
		n->dst.w[i] = word;
	}
	if (!xi_has_ports(k) || n->related)
		return;
	port = t->src_port;
	t->src_port = n->src_port;
	n->src_port = port;
	port = t->dst_port;
	t->dst_port = n->dst_port;
	n->dst_port = port;
}

static __always_inline __u32 judge_now(struct xi_find *f)
{
	__u64 sa = 0;

	__builtin_memset(&f->hit[XI_DIR_OUT], 0, sizeof(f->hit[XI_DIR_OUT]));
	return xi_find(f, XI_WANT(XI_DIR_OUT)) ? XI_DROP_OUT_LOOKUP : xi_out_judge(f, to_many(&f->pkt), &sa);
}

#define NAT_ASK_LAST (-3)
#define NAT_GO_ON (-4)

/*
 * Spec 27.4: original addresses decide as they do on the way through XDP; what they protect gets them back and goes the way of all protected
 * packets. GO_ON: they do not want it stopped or protected; NAT_GO_ON: the same, and it is of a translated connection and goes the way of its first
 * packet.
 *
 * They are asked first. Not so of what goes against a translated connection (NAT_ASK_LAST): its translation was decided with the first packet,
 * which was judged by the addresses that this one leaves with; the original ones see to it that nothing they protect leaves all the same.
 * The original source of an ICMP error about such a connection is not known, only whom it is about.
 *
 * accepts: if nothing is there yet, the policy that lets it pass by those addresses, which counts it unless one has a say on the final ones.
 */
static __noinline int judge_before_nat(struct __sk_buff *skb, struct xi_find *f, int malformed, int last,
				       struct xi_hit *accepts)
{
	struct xi_nat n = {};
	__u32 reason;

	if (xi_nat_read(skb, &n))
		return GO_ON;
	if (!is_natted(&f->pkt, &n))
		return n.reply || n.related ? GO_ON : NAT_GO_ON;
	if (!last && (n.reply || n.related))
		return NAT_ASK_LAST;
	change_places(&f->pkt, &n);
	reason = judge_now(f);
	if (reason < XI_PASS_BASE)
		return drop(reason);
	change_places(&f->pkt, &n);
	if (reason != XI_TO_WORKER) {
		if (!accepts->found)
			*accepts = f->hit[XI_DIR_OUT];
		return last ? GO_ON : NAT_GO_ON;
	}
	if (take_back(skb, &f->pkt, &n, malformed)) {
		xi_count_policy(&f->hit[XI_DIR_OUT], out_dropped);
		return drop(XI_DROP_OUT_NAT);
	}
	change_places(&f->pkt, &n);
	return protect(f, malformed);
}

/* back: of a connection in clear, for XDP alone; else flows of the workers are judged anew. */
static __always_inline void remember(const struct xi_nat_key *key, int back)
{
	__u32 zero = 0, now = (__u32)(bpf_ktime_get_boot_ns() / 1000000000ull),
	      *last = bpf_map_lookup_elem(&xi_nat, key);
	struct xi_meta *meta;

	if (last) {
		if (now - *last >= XI_NAT_NOTE_S)
			*last = now;
		return;
	}
	meta = bpf_map_lookup_elem(&xi_meta, &zero);
	if (bpf_map_update_elem(&xi_nat, key, &now, BPF_ANY) || !meta)
		return;
	if (back)
		meta->nat_back = 1;
	else
		__sync_fetch_and_add(&meta->nat_gen, 1);
}

/*
 * Spec 27.4: a policy protects the packet by the addresses that NAT gave it. Its answers come out of the tunnel and must be translated back, which
 * the stack alone can do. Behind source NAT that is so for whatever comes to that address (ICMP of routers), else for the pair.
 */
static __noinline int remember_nat(struct __sk_buff *skb, const struct xi_pkt *k)
{
	struct xi_nat_key key = {.dst = k->tuple.src, .family = k->tuple.family};
	struct xi_nat n = {};

	if (xi_nat_read(skb, &n) || n.related)
		return 0;
	if (!xi_same_addr(&n.src, &k->tuple.src)) {
		remember(&key, 0);
	} else if (!xi_same_addr(&n.dst, &k->tuple.dst) ||
		   (xi_has_ports(k) && (n.src_port != k->tuple.src_port || n.dst_port != k->tuple.dst_port))) {
		key.src = k->tuple.dst;
		remember(&key, 0);
	}
	return 0;
}

/*
 * The same of what goes on in clear to where destination NAT sent it, out of a tunnel for one: its answers are judged by the addresses that the stack
 * gives them back. If they come by an attached interface XDP sees them before that, and must leave them to the stack where a policy (with its
 * roles swapped, that is the one for arrival) would decide about them as they are.
 */
static __noinline int remember_back(struct __sk_buff *skb, struct xi_find *f)
{
	const struct xi_pkt *k = &f->pkt;
	struct xi_nat_key key = {.src = k->tuple.dst, .dst = k->tuple.src, .family = k->tuple.family};
	struct xi_nat n = {};

	if (xi_nat_read(skb, &n) ||
	    (xi_same_addr(&n.dst, &k->tuple.dst) && (!xi_has_ports(k) || n.dst_port == k->tuple.dst_port)))
		return 0;
	if (!xi_find(f, XI_WANT(XI_DIR_IN)) && f->hit[XI_DIR_IN].found && f->hit[XI_DIR_IN].action != XI_ACTION_NONE)
		remember(&key, 1);
	return 0;
}

/* The packet that an ICMP error quotes. Global: verified once. */
__noinline int xi_tc_quoted(struct __sk_buff *skb, const struct xi_pkt *k, struct xi_pkt *q)
{
	if (!k || !q)
		return XI_QUOTED_NONE;
	return xi_parse_quoted(q, (const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end, k);
}

/* An ICMP error about a packet that came out of a tunnel. GO_ON: it is none. A redirect is of no use to who sent it into a tunnel. */
static __noinline int judge_quoted(struct __sk_buff *skb, struct xi_find *f)
{
	struct xi_pkt q = {};
	__u32 reason = 0;
	int what;

	if (bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX))
		return drop(XI_DROP_OUT_ERROR);
	what = xi_tc_quoted(skb, &f->pkt, &q);
	if (!what)
		return GO_ON;
	if (xi_quoted_sa(f, &q, &reason))
		return what == XI_QUOTED_REDIRECT ? drop(XI_DROP_OUT_REDIRECT) : protect(f, 0);
	return reason ? drop(reason) : GO_ON;
}

/* By the addresses it leaves with. */
static __always_inline int judge_final(struct __sk_buff *skb, struct xi_find *f, __u32 *reason, int malformed)
{
	*reason = judge_now(f);
	if (*reason < XI_PASS_BASE)
		return drop(*reason);
	if (*reason == XI_TO_WORKER) {
		if (have_ct && !malformed)
			(void)remember_nat(skb, &f->pkt);
		return protect(f, malformed);
	}
	return GO_ON;
}

static __always_inline int judge(struct __sk_buff *skb, struct xi_find *f, int malformed)
{
	struct xi_hit accepts = {};
	int original = have_ct ? judge_before_nat(skb, f, malformed, 0, &accepts) : GO_ON, rc;
	__u32 reason;

	if (original != GO_ON && original != NAT_ASK_LAST && original != NAT_GO_ON)
		return original;
	rc = judge_final(skb, f, &reason, malformed);
	if (rc != GO_ON)
		return rc;
	if (f->hit[XI_DIR_OUT].found)
		accepts = f->hit[XI_DIR_OUT];
	if (!malformed && xi_is_icmp(&f->pkt))
		rc = judge_quoted(skb, f);
	if (rc == GO_ON && original == NAT_ASK_LAST)
		rc = judge_before_nat(skb, f, malformed, 1, &accepts);
	if (rc != GO_ON)
		return rc;
	if (original == NAT_GO_ON && !malformed)
		(void)remember_back(skb, f);
	if (accepts.found)
		xi_count_policy(&accepts, out_accepted);
	return pass(to_many(&f->pkt) ? XI_PASS_MULTICAST : reason);
}

/* An action, or DROPPED(reason). */
static __always_inline int egress(struct __sk_buff *skb, struct xi_find *f)
{
	enum xi_parse parsed = parse_pulling(skb, &f->pkt);
	int rc;

	if (parsed == XI_PARSE_NOT_IP)
		return pass(XI_PASS_NOT_IP);
	if (parsed == XI_PARSE_SHORT)
		return drop(XI_DROP_OUT_ERROR);
	if (parsed == XI_PARSE_MALFORMED) {
		/* from a packet or raw socket: by its addresses alone, so that it is stopped if any policy could want it */
		if (!(f->pkt.flags & XI_PKT_ADDR))
			return drop(XI_DROP_OUT_MODE);
		f->pkt.tuple.flags |= XI_TUPLE_NO_PROTO | XI_TUPLE_NO_PORTS;
	} else {
		if (xi_is_link_message(&f->pkt)) {
			rc = f->pkt.icmp_type == XI_REDIRECT6 ? judge_quoted(skb, f) : GO_ON;
			return rc == GO_ON ? pass(XI_PASS_ND) : rc;
		}
		rc = xi_tc_exempt(&f->pkt, skb->ingress_ifindex != 0);
		if (rc != GO_ON)
			return rc;
	}
	return judge(skb, f, parsed == XI_PARSE_MALFORMED);
}

SEC("tc")
int xi_tc_egress(struct __sk_buff *skb)
{
	struct xi_find f = {};
	int rc = egress(skb, &f);

	if (!IS_DROPPED(rc))
		return rc;
	xi_dropped(&f, DROP_REASON(rc), skb->ifindex, skb->len);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
