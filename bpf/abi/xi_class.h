/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The compiled classifier: which policy comes first for a packet, in a time that does not depend on how many there are.
 *
 * Rules whose prefixes have the same two lengths have one shape. A packet's addresses, cut to the lengths of a shape, are
 * the key of a hash table; an entry of the table names a run of rules in evaluation order, and the first of them that
 * matches (xi_rule_match) is the shape's answer. The best answer of all shapes decides (spec 13.1). Shapes stand in the
 * order of their first rule, so that the search ends when no better one can follow. Usual policies have one to five shapes. A shape is
 * asked only when each field of the packet, by itself, is one that some rule of it takes (xi_filter): a few wide rules cost those packets a look-up that
 * might be theirs.
 *
 * Rules of one pair of networks that differ in protocol or ports are one run. A short one is walked. Of a longer one than xi_shape.walk each
 * rule has an entry of its own, too: its key is that of the run together with what the rule asks of protocol and ports (xi_kind_key). Keys are of
 * kinds: which of the fields count. A packet asks for each kind that the shape has. A field that it does not show (spec 13.6) matches every rule
 * that protects: the first one of those stands under a kind of its own.
 *
 * Everything is there twice. Readers use copy spd_gen & 1 of xi_meta; a writer fills the other one and then raises spd_gen, one store.
 * A reader that was so slow that a second change has begun meanwhile sees spd_begin > its spd_gen + 1 and starts again: no
 * packet is judged by a mixture. Writers and readers of other processors rely on the total store order of x86.
 *
 *   xi_class   array[2]                       head of each copy
 *   xi_rules   array[2 * spd_max]             rules, one copy behind the other
 *   xi_bucket  array[2 * xi_buckets(spd_max)] hash table, likewise
 */
#ifndef XI_CLASS_H
#define XI_CLASS_H

#include "bpf/abi/xi_policy.h"

#define XI_SHAPES_MAX 64 /* of a family; when there are more, lengths of rare ones are rounded down until they fit */
#define XI_PROBE_MAX 4	 /* buckets that a key may be in, one behind the other */
#define XI_BUCKET_WAYS 4

struct xi_shape {
	struct xi_addr src_mask;
	struct xi_addr dst_mask;
	__u32 best;  /* evaluation order of its first rule */
	__u16 walk;  /* longer runs than this are not walked, if there are kinds */
	__u16 kinds; /* bit k = a run of this shape has entries of kind k; 0: every run is walked */
};

/* Kinds of entries of a long run: 0 to 7 are XI_SEL_* flags, the rest are for packets that do not show what the rule asks for. */
#define XI_KIND_NO_PORTS 8  /* the first rule that protects and asks for ports; with XI_SEL_PROTO: of that protocol */
#define XI_KIND_NO_PROTO 10 /* the first rule that protects and asks for a protocol or ports */
#define XI_KINDS 11

/* By one field of the packet: bit i = some rule of shape i may match it. An address is three fields (xi_filter_index). */
#define XI_FILTER 256
#define XI_PARTS 3
#define XI_FIELD_SRC 0
#define XI_FIELD_DST XI_PARTS
#define XI_FIELD_PROTO (2 * XI_PARTS)
#define XI_FIELD_DST_PORT (2 * XI_PARTS + 1) /* xi_filter_port */
#define XI_FIELDS 8

struct xi_filter {
	__u64 field[XI_FIELDS][XI_FILTER];
};

struct xi_class_head {
	__u32 shapes4;
	__u32 shapes6;
	__u32 bucket_mask;
	__u32 rules;
	__u32 salt;
	__u32 rule_base; /* where this copy starts in xi_rules and in xi_bucket */
	__u32 bucket_base;
	__u32 pad[9];
	struct xi_shape shape[2 * XI_SHAPES_MAX]; /* of IPv4, behind them those of IPv6 */
	struct xi_filter filter[2];		  /* of IPv4, of IPv6 */
};

/* Entry of the table; tag 0 = free, and none follows it in its bucket. No two keys that may share a bucket have one tag. */
struct xi_way {
	__u32 tag;
	__u32 first; /* rule, counted from the start of its copy */
	__u32 count; /* rules of the run */
	__u32 best;  /* evaluation order of the first one */
};

struct xi_bucket {
	struct xi_way way[XI_BUCKET_WAYS];
};

_Static_assert(sizeof(struct xi_shape) == 40, "abi");
_Static_assert(sizeof(struct xi_class_head) == 64 + 2 * XI_SHAPES_MAX * 40 + 2 * XI_FIELDS * XI_FILTER * 8, "abi");
_Static_assert(XI_SHAPES_MAX <= 64, "a bit each");
_Static_assert(sizeof(struct xi_bucket) == 64, "abi: a cache line");

/* Buckets of one copy: a power of two, so that half of the ways stay free. */
static inline __u32 xi_buckets(__u32 spd_max)
{
	__u32 n = 16;

	while (n < spd_max)
		n *= 2;
	return n;
}

/* The mask is an instruction of its own: the verifier of Linux 6.1 takes no bound from what a compiler makes of it together with what is before. */
static inline __attribute__((always_inline)) __u32 xi_low_byte(__u32 w)
{
#ifdef __bpf__
	__asm__("%0 &= 255" : "+r"(w));
	return w;
#else
	return w & 0xff;
#endif
}

/* IPv4: an octet. IPv6: bits 0 to 31, since most of the world shares the first eight, then 32 to 47 and 48 to 63. */
static inline __attribute__((always_inline)) __u32 xi_filter_index(const struct xi_addr *a, int six, int part)
{
	__u32 w = a->w[six && part];

	if (!six)
		return xi_low_byte(w >> 8 * part);
	if (!part)
		return xi_low_byte(w ^ w >> 8 ^ w >> 16 ^ w >> 24);
	return part == 1 ? xi_low_byte(w ^ w >> 8) : xi_low_byte(w >> 16 ^ w >> 24);
}

static inline __attribute__((always_inline)) __u32 xi_filter_port(__be16 port)
{
	return xi_low_byte(port ^ port >> 8);
}

/* By the first part of the addresses: the shapes that may have a rule for the packet. */
static inline __attribute__((always_inline)) __u64 xi_shapes_near(const struct xi_filter *f, const struct xi_tuple *t,
								  int six, int dir)
{
	const struct xi_addr *src = dir == XI_DIR_IN ? &t->dst : &t->src;
	const struct xi_addr *dst = dir == XI_DIR_IN ? &t->src : &t->dst;

	return f->field[XI_FIELD_SRC][xi_filter_index(src, six, 0)] &
	       f->field[XI_FIELD_DST][xi_filter_index(dst, six, 0)];
}

/* At most one of them: it is asked at once, to look at the other fields costs as much. */
static inline int xi_one_bit(__u64 bits)
{
	return !(bits & (bits - 1));
}

/* By the other fields, while there are several. Ports and protocol that the packet does not show leave all in (spec 13.6). */
static inline __attribute__((always_inline)) __u64 xi_shapes_fewer(const struct xi_filter *f, const struct xi_tuple *t,
								   int six, int dir, __u64 ask)
{
	const struct xi_addr *src = dir == XI_DIR_IN ? &t->dst : &t->src;
	const struct xi_addr *dst = dir == XI_DIR_IN ? &t->src : &t->dst;

	for (int part = 1; part < XI_PARTS; part++) {
		ask &= f->field[XI_FIELD_SRC + part][xi_filter_index(src, six, part)] &
		       f->field[XI_FIELD_DST + part][xi_filter_index(dst, six, part)];
		if (xi_one_bit(ask))
			return ask;
	}
	if (t->flags & XI_TUPLE_NO_PROTO)
		return ask;
	ask &= f->field[XI_FIELD_PROTO][t->proto];
	if (t->flags & XI_TUPLE_NO_PORTS)
		return ask;
	return ask & f->field[XI_FIELD_DST_PORT][xi_filter_port(dir == XI_DIR_IN ? t->src_port : t->dst_port)];
}

static inline __u64 xi_mix(__u64 h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h;
}

/* Of two addresses cut to a shape. The lower half picks the bucket, the upper one is the tag. */
static inline __u64 xi_class_hash4(const struct xi_addr *src, const struct xi_addr *dst, const struct xi_shape *s,
				   __u32 salt)
{
	__u64 key = (__u64)(src->w[0] & s->src_mask.w[0]) << 32 | (dst->w[0] & s->dst_mask.w[0]);

	return xi_mix((key ^ salt) * 0x9e3779b97f4a7c15ull);
}

static inline __u64 xi_class_half(const struct xi_addr *a, const struct xi_addr *mask, int i)
{
	return (__u64)(a->w[i] & mask->w[i]) << 32 | (a->w[i + 1] & mask->w[i + 1]);
}

static inline __u64 xi_class_hash6(const struct xi_addr *src, const struct xi_addr *dst, const struct xi_shape *s,
				   __u32 salt)
{
	__u64 h = xi_mix((xi_class_half(src, &s->src_mask, 0) ^ salt) * 0x9e3779b97f4a7c15ull);

	h = xi_mix((h + xi_class_half(src, &s->src_mask, 2)) * 0xc2b2ae3d27d4eb4full);
	h = xi_mix((h + xi_class_half(dst, &s->dst_mask, 0)) * 0x165667b19e3779f9ull);
	return xi_mix((h + xi_class_half(dst, &s->dst_mask, 2)) * 0x9e3779b97f4a7c15ull);
}

/* The kinds that a packet with these XI_TUPLE_* asks for. */
static inline __u32 xi_kinds_asked(__u8 flags)
{
	if (flags & XI_TUPLE_NO_PROTO)
		return 1u | 1u << XI_KIND_NO_PROTO;
	if (flags & XI_TUPLE_NO_PORTS)
		return 1u | 1u << XI_SEL_PROTO | 1u << XI_KIND_NO_PORTS | 1u << (XI_KIND_NO_PORTS | XI_SEL_PROTO);
	return 0xff;
}

/* Protocol and ports, as far as they count for the kind. Ports in the order of the policy: inbound the roles swap (spec 13.2). */
static inline __u64 xi_kind_key(__u32 kind, __u8 proto, __be16 src_port, __be16 dst_port)
{
	__u64 key = (__u64)(kind + 1) << 40;

	if (kind != XI_KIND_NO_PROTO && (kind & XI_SEL_PROTO))
		key |= (__u64)proto << 32;
	if (kind < XI_KIND_NO_PORTS && (kind & XI_SEL_SRC_PORT))
		key |= (__u64)src_port << 16;
	if (kind < XI_KIND_NO_PORTS && (kind & XI_SEL_DST_PORT))
		key |= dst_port;
	return key;
}

/* Of an entry of a run, whose own hash is run. */
static inline __u64 xi_kind_hash(__u64 run, __u64 key)
{
	return xi_mix((run ^ key) * 0x9e3779b97f4a7c15ull);
}

/* The salt of shape i: equal addresses of different shapes are different keys. */
static inline __u32 xi_shape_salt(__u32 salt, __u32 i)
{
	return salt + i * 0x9e3779b1u;
}

static inline __u32 xi_class_tag(__u64 hash)
{
	return (__u32)(hash >> 32) | 1;
}

#endif
