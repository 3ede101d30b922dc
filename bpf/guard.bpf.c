/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * XDP and tc programs go with their interface. One that is made anew under its name, or was in another network namespace meanwhile, has none
 * until it is attached again, which takes a moment, or for ever when nobody does it. This program stands in netfilter's PRE_ROUTING and POST_ROUTING of
 * the whole namespace, whoever runs or not, and drops there what a policy protects, as long as its interface has the name of one in xi_if
 * without being it. By addresses alone, as the others judge a packet whose ports they cannot read: IKE and the operator's
 * ssh go on where no policy has their addresses. Linux 6.4.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/lookup.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/sample.h"

/* Set before load. */
const volatile __u8 have_ct; /* the kernel lets us read a packet's conntrack entry */

#define NF_DROP 0
#define NF_ACCEPT 1
#define NF_INET_POST_ROUTING 4
#define NFPROTO_IPV4 2

/* A device, those it stands on by their order (VLAN on VLAN on NIC), and no more. */
#define DEPTH 3

struct list_head___xi {
	struct list_head___xi *next;
} XI_CORE;

struct net_device___xi {
	struct {
		struct list_head___xi lower;
	} adj_list;
	int ifindex;
	char name[16];
	void *tcx_egress;   /* of tc's clsact: Linux 6.6 */
	void *miniq_egress; /* before */
} XI_CORE;

/* net/core/dev.c: a neighbour in adj_list */
struct netdev_adjacent___xi {
	struct net_device___xi *dev;
	struct list_head___xi list;
} XI_CORE;

struct nf_hook_state___xi {
	__u8 hook;
	__u8 pf;
	struct net_device___xi *in, *out;
} XI_CORE;

/* The kernel's name and shape: the verifier knows both pointers. */
struct bpf_nf_ctx {
	const struct nf_hook_state___xi *state;
	struct sk_buff___xi *skb;
};

/* The name as it stands in xi_if: in two words, nothing behind its end. */
struct name {
	__u64 w[2];
};

static __always_inline int name_of(const struct net_device___xi *dev, struct name *name)
{
	char text[16] = {};
	int end = 0;

	if (bpf_core_read(text, sizeof(text), &dev->name))
		return -1;
	for (int i = 0; i < 16; i++) {
		end |= !text[i];
		if (end)
			text[i] = 0;
	}
	__builtin_memcpy(name, text, sizeof(text));
	return 0;
}

/* tc's filters go with the interface, and when it changes the network namespace. */
static __always_inline int has_egress(const struct net_device___xi *dev)
{
	void *filters = NULL;

	if (bpf_core_field_exists(dev->tcx_egress))
		(void)bpf_core_read(&filters, sizeof(filters), &dev->tcx_egress);
	else if (bpf_core_field_exists(dev->miniq_egress))
		(void)bpf_core_read(&filters, sizeof(filters), &dev->miniq_egress);
	else
		return 1;
	return filters != NULL;
}

/* Has the device the name of an attached one, and is not it, or not whole? */
static __noinline int is_stranger(const struct net_device___xi *dev)
{
	struct name name = {};
	int ifindex = 0;

	if (name_of(dev, &name) || bpf_core_read(&ifindex, sizeof(ifindex), &dev->ifindex))
		return 0;
	for (__u32 slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++) {
		const struct xi_if *at = bpf_map_lookup_elem(&xi_if, &slot);
		const struct name *has;

		if (!at)
			return 0;
		has = (const struct name *)at->name;
		if (has->w[0] != name.w[0] || has->w[1] != name.w[1])
			continue;
		return *(const volatile __u32 *)&at->ifindex != (__u32)ifindex ||
		       !(*(const volatile __u32 *)&at->flags & XI_IF_ATTACHED) || !has_egress(dev);
	}
	return 0;
}

/* The device below, or NULL. */
static __always_inline const struct net_device___xi *below(const struct net_device___xi *dev)
{
	const struct list_head___xi *head = &dev->adj_list.lower, *first = NULL;
	const struct netdev_adjacent___xi *adj;
	const struct net_device___xi *lower = NULL;

	if (bpf_core_read(&first, sizeof(first), &head->next) || !first || first == head)
		return NULL;
	adj = (const void *)((const char *)first - bpf_core_field_offset(struct netdev_adjacent___xi, list));
	return bpf_core_read(&lower, sizeof(lower), &adj->dev) ? NULL : lower;
}

static __always_inline int unguarded(const struct net_device___xi *dev)
{
	for (int i = 0; i < DEPTH && dev; i++) {
		if (is_stranger(dev))
			return 1;
		dev = below(dev);
	}
	return 0;
}

/* Addresses only. 0, or -1. */
static __always_inline int read_addresses(const struct sk_buff___xi *skb, __u8 pf, struct xi_tuple *t)
{
	unsigned char *head = NULL;
	__u16 offset = 0;

	if (bpf_core_read(&head, sizeof(head), &skb->head) ||
	    bpf_core_read(&offset, sizeof(offset), &skb->network_header))
		return -1;
	head += offset;
	t->flags = XI_TUPLE_NO_PROTO | XI_TUPLE_NO_PORTS;
	if (pf != NFPROTO_IPV4) {
		t->family = XI_IP6;
		return bpf_probe_read_kernel(&t->src, 2 * sizeof(t->src), head + XI_IP6_SRC) ? -1 : 0;
	}
	t->family = XI_IP4;
	if (bpf_probe_read_kernel(&t->src.w[0], 4, head + XI_IP4_SRC) ||
	    bpf_probe_read_kernel(&t->dst.w[0], 4, head + XI_IP4_SRC + 4))
		return -1;
	return 0;
}

/* Not XI_LEVEL_USE with an SA: what may go in clear when there is none may do so for a moment. */
static __always_inline int protects(const struct xi_hit *hit)
{
	return hit->found && hit->action == XI_ACTION_ENCRYPT && hit->level != XI_LEVEL_USE;
}

/* XI_OK, or the reason to drop it. */
static __always_inline __u32 judge_out(struct xi_find *f)
{
	if (xi_find(f, XI_WANT(XI_DIR_OUT)))
		return XI_DROP_OUT_LOOKUP;
	if (protects(&f->hit[XI_DIR_OUT]))
		return XI_DROP_OUT_UNATTACHED;
	return f->hit[XI_DIR_OUT].found && f->hit[XI_DIR_OUT].action == XI_ACTION_DISCARD ? XI_DROP_OUT_BLOCKED : XI_OK;
}

static __always_inline __u32 judge_in(struct xi_find *f)
{
	if (xi_find(f, XI_WANT(XI_DIR_IN)))
		return XI_DROP_IN_LOOKUP;
	if (protects(&f->hit[XI_DIR_IN]))
		return XI_DROP_IN_UNATTACHED;
	return f->hit[XI_DIR_IN].found && f->hit[XI_DIR_IN].action == XI_ACTION_DISCARD ? XI_DROP_IN_BLOCKED : XI_OK;
}

/* Behind all of NAT: by the final addresses, then by those it had before (spec 27.4). */
static __always_inline __u32 leaving(const struct sk_buff___xi *skb, struct xi_find *f)
{
	struct xi_nat n = {};
	__u32 reason = judge_out(f);

	if (reason || !have_ct || xi_nat_read_kernel(skb, &n) || xi_is_local(&n.dst, f->pkt.tuple.family))
		return reason;
	f->pkt.tuple.src = n.src;
	f->pkt.tuple.dst = n.dst;
	return judge_out(f);
}

/* A process may be the one that sends, and softirqs interrupt it: the other programs' counters are theirs alone. */
static __always_inline void dropped(const struct xi_find *f, __u32 reason, const struct net_device___xi *dev,
				    const struct sk_buff___xi *skb)
{
	__u32 zero = 0, ifindex = 0, len = 0;
	const struct xi_meta *meta = bpf_map_lookup_elem(&xi_meta, &zero);
	__u64 *count = bpf_map_lookup_elem(&xi_stat, &reason);

	if (count)
		__sync_fetch_and_add(count, 1);
	if (!meta || !*(const volatile __u32 *)&meta->drops)
		return;
	(void)bpf_core_read(&ifindex, sizeof(ifindex), &dev->ifindex);
	(void)bpf_core_read(&len, sizeof(len), &skb->len);
	xi_write_sample(f, reason, ifindex, len);
}

SEC("netfilter")
int xi_guard(struct bpf_nf_ctx *ctx)
{
	const struct nf_hook_state___xi *state = ctx->state;
	const struct sk_buff___xi *skb = ctx->skb;
	const struct net_device___xi *dev = NULL;
	struct xi_find f = {};
	__u8 hook = 0, pf = 0;
	__u32 reason;
	int out;

	if (bpf_core_read(&hook, sizeof(hook), &state->hook) || bpf_core_read(&pf, sizeof(pf), &state->pf))
		return NF_ACCEPT;
	out = hook == NF_INET_POST_ROUTING;
	if (bpf_core_read(&dev, sizeof(dev), out ? &state->out : &state->in) || !unguarded(dev))
		return NF_ACCEPT;
	if (read_addresses(skb, pf, &f.pkt.tuple))
		reason = out ? XI_DROP_OUT_ERROR : XI_DROP_IN_ERROR;
	else
		reason = out ? leaving(skb, &f) : judge_in(&f);
	if (!reason)
		return NF_ACCEPT;
	dropped(&f, reason, dev, skb);
	return NF_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
