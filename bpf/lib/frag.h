/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments are judged like the first one of their datagram (spec 13.6): what that one showed is noted in xi_frag, and those
 * that follow it take protocol and ports from there. Two first fragments that differ, one too old or none at all leave
 * the ports unknown, which fails closed (XI_TUPLE_NO_PORTS). Both programs run this, so both judge alike.
 *
 * A fragment that overlaps the ports of the first one changes nothing: an offset is 8 bytes or more, the ports end before that
 * (RFC 1858, RFC 3128).
 */
#ifndef XI_LIB_FRAG_H
#define XI_LIB_FRAG_H

#include "bpf/lib/parse.h"
#include "bpf/maps.h"

static __always_inline struct xi_frag_key xi_frag_key(const struct xi_pkt *k)
{
	return (struct xi_frag_key){
		.src = k->tuple.src,
		.dst = k->tuple.dst,
		.id = k->frag_id,
		.proto = k->tuple.family == XI_IP4 ? k->tuple.proto : 0,
		.family = k->tuple.family,
	};
}

/* Signed: another processor may have seen one after `now` was taken. */
static __always_inline int xi_frag_old(const struct xi_frag_val *v, __u64 now)
{
	return (__s64)(now - *(const volatile __u64 *)&v->seen_ns) > (__s64)XI_FRAG_TTL_NS;
}

static __always_inline void xi_frag_same_or_conflict(struct xi_frag_val *v, const struct xi_frag_val *now)
{
	if (v->src_port != now->src_port || v->dst_port != now->dst_port || v->proto != now->proto ||
	    (v->flags & ~XI_FRAG_HELD) != now->flags)
		v->flags |= XI_FRAG_CONFLICT; /* ages from here: who repeats it does not keep it */
	else if (!(v->flags & XI_FRAG_CONFLICT))
		v->seen_ns = now->seen_ns;
}

/* Others of the datagram were there before: XI_FRAG_HELD stays. */
static __always_inline void xi_frag_first_at_last(struct xi_frag_val *v, const struct xi_frag_val *now)
{
	v->src_port = now->src_port;
	v->dst_port = now->dst_port;
	v->seen_ns = now->seen_ns;
	v->flags = now->flags | XI_FRAG_HELD;
	v->proto = now->proto;
}

/*
 * Notes a first fragment; flags: XI_FRAG_* of what the program found it to be. Returns XI_FRAG_HELD when later ones came before, else 0.
 * Global: verified once.
 */
__noinline int xi_frag_note(const struct xi_pkt *k, __u32 flags)
{
	struct xi_frag_val now = {.seen_ns = bpf_ktime_get_boot_ns(), .flags = (__u8)flags}, *v;
	struct xi_frag_key key;

	if (!k)
		return 0;
	now.src_port = k->tuple.src_port;
	now.dst_port = k->tuple.dst_port;
	now.proto = k->tuple.proto;
	if (k->tuple.flags)
		now.flags = XI_FRAG_CONFLICT; /* shows too little to speak for others */
	key = xi_frag_key(k);
	v = bpf_map_lookup_elem(&xi_frag, &key);
	if (v && xi_frag_old(v, now.seen_ns)) {
		bpf_map_update_elem(&xi_frag, &key, &now, BPF_ANY);
		return 0;
	}
	if (!v && bpf_map_update_elem(&xi_frag, &key, &now, BPF_NOEXIST))
		v = bpf_map_lookup_elem(&xi_frag, &key); /* another processor was faster */
	if (!v)
		return 0;
	if (v->flags == XI_FRAG_HELD && !v->proto)
		xi_frag_first_at_last(v, &now);
	else
		xi_frag_same_or_conflict(v, &now);
	return v->flags & XI_FRAG_HELD;
}

/*
 * A later fragment of which no first one is known is to be kept by a worker: notes that, so that the others follow it. XI_FRAG_HELD, or 0:
 * something is known of its datagram. Global, as above.
 */
__noinline int xi_frag_hold(const struct xi_pkt *k)
{
	struct xi_frag_val now = {.seen_ns = bpf_ktime_get_boot_ns(), .flags = XI_FRAG_HELD};
	const struct xi_frag_val *v;
	struct xi_frag_key key;

	if (!k)
		return 0;
	key = xi_frag_key(k);
	v = bpf_map_lookup_elem(&xi_frag, &key);
	if (v && xi_frag_old(v, now.seen_ns))
		return bpf_map_update_elem(&xi_frag, &key, &now, BPF_ANY) ? 0 : XI_FRAG_HELD;
	if (!v && bpf_map_update_elem(&xi_frag, &key, &now, BPF_NOEXIST) == 0)
		return XI_FRAG_HELD;
	v = bpf_map_lookup_elem(&xi_frag, &key); /* another processor was faster */
	return v ? v->flags & XI_FRAG_HELD : 0;
}

/* Gives a later fragment what its first one showed. Returns that one's XI_FRAG_*, 0 when none is known. Global, as above. */
__noinline int xi_frag_follow(struct xi_pkt *k)
{
	const struct xi_frag_val *v;
	struct xi_frag_key key;
	__u32 flags;

	if (!k)
		return 0;
	key = xi_frag_key(k);
	v = bpf_map_lookup_elem(&xi_frag, &key);
	if (!v || xi_frag_old(v, bpf_ktime_get_boot_ns()))
		return 0;
	flags = *(const volatile __u8 *)&v->flags;
	if ((flags & XI_FRAG_CONFLICT) || !v->proto)
		return (int)(flags & XI_FRAG_HELD);
	k->tuple.src_port = v->src_port;
	k->tuple.dst_port = v->dst_port;
	k->tuple.proto = v->proto;
	k->tuple.flags = 0;
	return (int)flags;
}

#endif
