/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A policy (xi_spd) and its compiled form in the classifier (struct xi_rule). Spec sections 6 and 13.
 * How the first match in evaluation order (spec 13.1) is found without asking each rule: xi_class.h.
 */
#ifndef XI_POLICY_H
#define XI_POLICY_H

#include "bpf/abi/xi_abi.h"

#define XI_ACTION_NONE 0
#define XI_ACTION_DISCARD 1
#define XI_ACTION_ENCRYPT 2

#define XI_LEVEL_USE 0
#define XI_LEVEL_REQUIRE 1
#define XI_LEVEL_UNIQUE 2

#define XI_PROTOS_AH 0x01
#define XI_PROTOS_ESP 0x02

#define XI_POL_DYNAMIC 0x01
#define XI_POL_INACTIVE                                                                                                \
	0x02 /* enabled but cannot work: fails closed; level=use: is behind all others and lets pass (spec 3.5) */

/* xi_spd. Writer: CLI (static), IKE (dynamic, and sa_out/sa_in of those it serves), under the SPD lock. */
struct xi_policy {
	__u32 gen;   /* 0 = free; written last, store-release */
	__u32 order; /* place in evaluation order, 0 first; spd_commit writes it */
	struct xi_selector sel;
	__u8 action;	/* XI_ACTION_* */
	__u8 level;	/* XI_LEVEL_* */
	__u8 mode;	/* XI_MODE_* */
	__u8 protos;	/* XI_PROTOS_* */
	__u8 flags;	/* XI_POL_* */
	__u8 sa_family; /* of sa_src and sa_dst; 0 = unset */
	__u8 pad[2];
	struct xi_addr sa_src;
	struct xi_addr sa_dst;
	__s32 priority;
	__u32 reqid;
	__u64 sa_out; /* XI_REF of the current outbound SA, 0 = none; replaced by one store. With both protocols the ESP SA,
			   which is applied first, and not 0 only while sa_out_ah is not (spec 6.2) */
	__u64 sa_in;	/* XI_REF of the newest inbound SA, 0 = none */
	__u32 id;	/* internal id of the configuration item */
	__u32 position; /* place in the list of its kind; sorts equal priorities */
	char manual_sa[XI_NAME_MAX];
	__u64 sa_out_ah; /* with both protocols: the AH SA over the ESP packet, else 0. Set before sa_out, cleared after */
	__u64 sa_in_ah;
	__u16 tcp_mss; /* XI_MSS_* or the largest MSS a TCP SYN may carry, either way through the tunnel */
	__u8 expired;  /* 1: its last SA ended at a hard limit; 0 again with the next one. Writer: spd_set_sa() */
	__u8 pad1;
	__u32 held;	  /* packets that wait for an SA; writer: workers */
	__u64 acquire_ns; /* CLOCK_BOOTTIME until which an acquire is under way, or none is begun since one failed; writer: workers, who knows that it failed, who takes the SA away */
	__u8 res[32];
};

#define XI_HOLD_PACKETS 3 /* of a policy that may wait for an SA (spec 13.3 step 6) */

#define XI_MSS_AUTO 0 /* what fits into the path of the SA */
#define XI_MSS_OFF 0xffff

/*
 * One rule of the classifier: the selector with masks in place of lengths. 96 bytes. Every policy has one; family 0
 * matches nothing: a policy that is inactive and does not encrypt (spec 3.5).
 */
struct xi_rule {
	struct xi_addr src;
	struct xi_addr src_mask;
	struct xi_addr dst;
	struct xi_addr dst_mask;
	__be16 src_port;
	__be16 dst_port;
	__u8 family;
	__u8 flags; /* XI_SEL_* */
	__u8 proto;
	__u8 action; /* XI_ACTION_* */
	__u8 level;
	__u8 pad[3];
	__u32 slot; /* policy */
	__u32 gen;
	__s32 priority; /* of the policy, as sorted by: spd_lock() restores them from here after a writer died */
	__u32 position;
	__u32 order; /* place in evaluation order, 0 first */
};

/* What the classifier is asked. Fragments: see XI_TUPLE_*. */
struct xi_tuple {
	struct xi_addr src;
	struct xi_addr dst;
	__be16 src_port;
	__be16 dst_port;
	__u8 family;
	__u8 proto; /* upper protocol behind extension headers */
	__u8 flags; /* XI_TUPLE_* */
	__u8 pad;
};

#define XI_TUPLE_NO_PORTS 0x01 /* not readable: non-first fragment or cut short */
#define XI_TUPLE_NO_PROTO 0x02 /* upper protocol could not be found: more extension headers than we walk */

_Static_assert(sizeof(struct xi_policy) == 224, "abi");
_Static_assert(sizeof(struct xi_rule) == 96, "abi");
_Static_assert(sizeof(struct xi_tuple) == 40, "abi");

static inline int xi_addr_masked_eq(const struct xi_addr *a, const struct xi_addr *net, const struct xi_addr *mask)
{
	return !(((a->w[0] & mask->w[0]) ^ net->w[0]) | ((a->w[1] & mask->w[1]) ^ net->w[1]) |
		 ((a->w[2] & mask->w[2]) ^ net->w[2]) | ((a->w[3] & mask->w[3]) ^ net->w[3]));
}

/*
 * Does a rule match? dir XI_DIR_IN swaps the roles of source and destination (spec 13.2).
 * A field that cannot be read (XI_TUPLE_*) matches every rule that would protect or forbid the packet and no rule
 * that would let it pass (spec 13.6: must not leave in clear when any candidate is encrypt or discard).
 */
static inline __attribute__((always_inline)) int xi_rule_match(const struct xi_rule *r, const struct xi_tuple *t,
							       int dir)
{
	const struct xi_addr *src = dir == XI_DIR_IN ? &t->dst : &t->src;
	const struct xi_addr *dst = dir == XI_DIR_IN ? &t->src : &t->dst;
	__be16 sport = dir == XI_DIR_IN ? t->dst_port : t->src_port;
	__be16 dport = dir == XI_DIR_IN ? t->src_port : t->dst_port;
	int protects = r->action == XI_ACTION_DISCARD || (r->action == XI_ACTION_ENCRYPT && r->level != XI_LEVEL_USE);

	if (r->family != t->family || !xi_addr_masked_eq(src, &r->src, &r->src_mask) ||
	    !xi_addr_masked_eq(dst, &r->dst, &r->dst_mask))
		return 0;
	if (r->flags & XI_SEL_PROTO) {
		if (t->flags & XI_TUPLE_NO_PROTO)
			return protects;
		if (r->proto != t->proto)
			return 0;
	}
	if (r->flags & (XI_SEL_SRC_PORT | XI_SEL_DST_PORT)) {
		if (t->flags & (XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO))
			return protects;
		if ((r->flags & XI_SEL_SRC_PORT) && r->src_port != sport)
			return 0;
		if ((r->flags & XI_SEL_DST_PORT) && r->dst_port != dport)
			return 0;
	}
	return 1;
}

#endif
