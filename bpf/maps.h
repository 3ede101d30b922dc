/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map that a BPF program references. user/maps makes and pins them from its own table before anything is loaded, and
 * the loader puts the pinned ones in their place (bpf_map__reuse_fd); lengths given as *_DEFAULT are those of the table
 * then. Not here: xi_sa_rt, xi_replay, xi_wstat, xi_wpolstat, which no program needs, and xi_sad, which has
 * keys and which no program may reference.
 */
#ifndef XI_MAPS_H
#define XI_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/abi/xi_abi.h"
#include "bpf/abi/xi_class.h"
#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_policy.h"
#include "bpf/abi/xi_sa.h"

/*
 * {destination, protocol, SPI} -> SA slot, generation, direction. Written by whoever publishes an SA; read for each
 * inbound ESP and AH packet, and for our own on the way out by the slow path. Twice the SAs: short chains.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * XI_SAD_DEFAULT);
	__type(key, struct xi_spi_key);
	__type(value, struct xi_spi_val);
} xi_spi SEC(".maps");

/* Slot -> policy. Written by user/maps under the SPD lock; read for the current outbound SA. As many as policies. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XI_SPD_DEFAULT);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_policy);
} xi_spd SEC(".maps");

/* Sizes, generations. Written by user/maps; read for which copy of the classifier is in force. One. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_meta);
} xi_meta SEC(".maps");

/* The classifier, see bpf/abi/xi_class.h: heads, rules, hash table, each in two copies. Written by spd_commit(), never the copy in force. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_class_head);
} xi_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * XI_SPD_DEFAULT);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_rule);
} xi_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * XI_SPD_DEFAULT);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_bucket);
} xi_bucket SEC(".maps");

/* The host's addresses and IPv4 broadcast addresses -> ifindex. Written by user/route; read for every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct xi_local_key);
	__type(value, __u32);
} xi_local SEC(".maps");

/*
 * Fragment of a datagram -> ports of its first one. Written and read by the programs. LRU: a flood of first fragments pushes
 * out others, whose later fragments are then judged without ports, which fails closed (spec 13.6).
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct xi_frag_key);
	__type(value, struct xi_frag_val);
} xi_frag SEC(".maps");

/*
 * Packets that come out of a tunnel and are the stack's, since NAT brought into a policy what they answer. Written by tc egress, read by workers for
 * each new flow, aged by xdp-ipsecd. LRU: of more than fit the oldest make room; their answers go the fast way, untranslated, until the next packet of
 * the connection notes it again. Those to an address that no network has go into the stack even so (rt_hop.anywhere): none leaves in clear.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct xi_nat_key);
	__type(value, __u32);
} xi_nat SEC(".maps");

/* Interface and VLAN tags -> ifindex of the VLAN device. Written by user/route; read for every tagged packet. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct xi_vlan_key);
	__type(value, __u32);
} xi_vlan SEC(".maps");

/* Slot -> attached interface. Written by the loader; read by tc_inject, which serves these interfaces only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XI_IF_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xi_if);
} xi_if SEC(".maps");

/*
 * Interface slot * XI_QUEUE_MAX + receive queue -> AF_XDP socket of the worker. Written by xdp-ipsecd. A redirect arrives
 * only if the socket is bound to just this interface and queue; an empty entry gives the action in the helper's flags.
 */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XI_IF_MAX *XI_QUEUE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xi_xsk SEC(".maps");

/* Reason -> packets. Written by every program at every exit; summed by user/maps/stats.c. One for each reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XI_REASON_MAX);
	__type(key, __u32);
	__type(value, __u64);
} xi_stat SEC(".maps");

/* Policy slot -> its counters for what the programs decide themselves. Read as xi_stat. As many as policies. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XI_SPD_DEFAULT);
	__type(key, __u32);
	__type(value, struct xi_polstat);
} xi_polstat SEC(".maps");

/*
 * Dropped packets, while xi_meta.drops says that somebody listens. Written by every program within the budget of xi_sampler; read
 * by xdp-ipsecd. Full: the packet counts as left out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, XI_DROPS_BYTES);
} xi_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xi_sampler);
} xi_sampler SEC(".maps");

#endif
