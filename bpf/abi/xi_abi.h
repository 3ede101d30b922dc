/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the XDP programs, xdp-ipsecd, xdp-iked and xdp-ipsec: version, limits, map names and the
 * small records. Large records have a file each (xi_sa.h, xi_policy.h). Every struct is fixed width with explicit
 * padding and holds no pointer; sizes are asserted by gcc and by clang -target bpf, and a golden layout
 * (tests/unit/abi_layout.golden) is compared by a unit test. A moved or reused byte raises XI_ABI_VERSION; using a
 * reserved byte or appending to an enum keeps it.
 *
 * Pins: /sys/fs/bpf/xdp-ipsec/<instance>/v<XI_ABI_VERSION>/<map name>, directory 0700, pins 0600.
 */
#ifndef XI_ABI_H
#define XI_ABI_H

#include <linux/types.h>

#define XI_ABI_MAGIC 0x58495053u /* "XIPS" */
#define XI_ABI_VERSION 3

#define XI_IF_MAX 16	 /* interface slots of an instance; slot 0 is the worker's end of the internal veth pair */
#define XI_IF_INTERNAL 0 /* that slot */
#define XI_QUEUE_MAX 32	 /* receive queues of one interface that are served */
#define XI_WORKER_MAX 32 /* workers of one xdp-ipsecd; fewer where there are fewer CPUs (xi_meta.workers_max) */
#define XI_NAME_MAX 32	 /* bytes of a name in a record, with its terminator */
#define XI_SAD_DEFAULT 4096
#define XI_SPD_DEFAULT 4096

/* The internal veth pair: xi0 is the stack's end, xi1 the workers' end. */
#define XI_VETH_STACK "xi0"
#define XI_VETH_WORKER "xi1"

/* Names of the maps and of their pins (the kernel cuts map names after 15 characters). */
#define XI_MAP_META "xi_meta"	  /* array[1] of struct xi_meta, mmapable */
#define XI_MAP_SAD "xi_sad"	  /* array[sad_max] of struct xi_sa, mmapable; no program references it: it has keys */
#define XI_MAP_SA_RT "xi_sa_rt"	  /* array[sad_max] of struct xi_sa_rt, mmapable */
#define XI_MAP_REPLAY "xi_replay" /* array[sad_max] of struct xi_replay, mmapable */
#define XI_MAP_SPI "xi_spi"	  /* hash struct xi_spi_key -> struct xi_spi_val */
#define XI_MAP_SPD "xi_spd"	  /* array[spd_max] of struct xi_policy, mmapable */
#define XI_MAP_CLASS "xi_class"	  /* array[2] of struct xi_class_head, mmapable: the compiled classifier (xi_class.h) */
#define XI_MAP_RULES "xi_rules"	  /* array[2 * spd_max] of struct xi_rule, mmapable */
#define XI_MAP_BUCKET "xi_bucket" /* array[2 * xi_buckets(spd_max)] of struct xi_bucket, mmapable */
#define XI_MAP_LOCAL "xi_local"	  /* hash struct xi_local_key -> __u32 ifindex: the host's own addresses */
#define XI_MAP_FRAG "xi_frag"	  /* LRU hash struct xi_frag_key -> struct xi_frag_val: first fragments seen */
#define XI_MAP_NAT                                                                                                     \
	"xi_nat" /* LRU hash struct xi_nat_key -> __u32 seconds: decrypted packets that NAT has to translate */
#define XI_MAP_VLAN "xi_vlan"	    /* hash struct xi_vlan_key -> __u32 ifindex: VLAN devices on attached interfaces */
#define XI_MAP_IF "xi_if"	    /* array[XI_IF_MAX] of struct xi_if, mmapable */
#define XI_MAP_XSK "xi_xsk"	    /* XSKMAP: interface slot * XI_QUEUE_MAX + queue -> AF_XDP socket */
#define XI_MAP_STAT "xi_stat"	    /* per-CPU array[XI_REASON_MAX] of __u64, written by the BPF programs */
#define XI_MAP_POLSTAT "xi_polstat" /* per-CPU array[spd_max] of struct xi_polstat, written by the BPF programs */
#define XI_MAP_WSTAT "xi_wstat"	    /* array[XI_WORKER_MAX] of struct xi_wstat, mmapable, written by workers */
#define XI_MAP_WPOLSTAT "xi_wpolstat" /* array[workers_max * spd_max] of struct xi_polstat, mmapable, by workers */

#define XI_MAP_DROPS "xi_drops"	    /* ring buffer of XI_DROPS_BYTES: struct xi_sample, written by the BPF programs */
#define XI_MAP_SAMPLER "xi_sampler" /* per-CPU array[1] of struct xi_sampler: what the programs may write there */

#define XI_DIR_IN 0  /* towards us: AH/ESP to be opened, or plaintext that arrived */
#define XI_DIR_OUT 1 /* away from us */

/* IP versions as they stand in the first half-byte of the header; used wherever a record needs a family. */
#define XI_IP4 4
#define XI_IP6 6

/* An address of either family. IPv4 stands in w[0], the other words are zero. */
struct xi_addr {
	__be32 w[4];
};

/* Selector flags: which of these fields count. */
#define XI_SEL_PROTO 0x01
#define XI_SEL_SRC_PORT 0x02
#define XI_SEL_DST_PORT 0x04

/* As configured, i.e. as seen outbound; inbound the roles of source and destination swap. */
struct xi_selector {
	struct xi_addr src;
	struct xi_addr dst;
	__u8 src_len; /* prefix length */
	__u8 dst_len;
	__u8 family; /* XI_IP4, XI_IP6; 0 = no selector */
	__u8 flags;  /* XI_SEL_* */
	__u8 proto;  /* IP protocol, with XI_SEL_PROTO */
	__u8 pad[3];
	__be16 src_port;
	__be16 dst_port;
	__u32 pad1;
};

/* A reference to a slot is always (slot, generation). 0 = none: generation 0 marks a free slot. */
#define XI_REF(slot, gen) (((__u64)(gen) << 32) | (__u32)(slot))
#define XI_REF_ACQUIRE 0xffffffffull /* no SA yet: the worker asks for one and lets the packet wait (spec 13.3) */
#define XI_REF_SLOT(ref) ((__u32)(ref))
#define XI_REF_GEN(ref) ((__u32)((ref) >> 32))

/* xi_meta. Writer: the loader when it makes the maps; fields that change later name their writer. */
struct xi_meta {
	__u32 magic;
	__u32 abi;
	__u32 size_sa; /* sizeof of the records, compared by whoever opens the maps */
	__u32 size_sa_rt;
	__u32 size_replay;
	__u32 size_policy;
	__u32 size_rule;
	__u32 size_if;
	__u32 sad_max; /* entries of xi_sad, xi_sa_rt, xi_replay */
	__u32 spd_max; /* entries of xi_spd, xi_polstat */
	__u64 spd_gen; /* +1 with each change of the SPD, under the SPD lock (spd_commit): the one store that puts it in
				force; its lowest bit says which copy of the classifier that is */
	__u64 sad_gen; /* +1 after each publish or removal of an SA */
	__u32 next_gen;	    /* last generation given to an SA or policy slot; under the SPD lock */
	__u32 workers;	    /* workers of the running data plane; writer: xdp-ipsecd */
	__u32 reason_max;   /* XI_REASON_MAX of whoever made the maps */
	__u8 inject_mac[6]; /* random source MAC of packets that tc_inject hands to the stack: lets the XDP
				program of a generic-mode interface recognise them. */
	__u8 pad[6];
	__u64 spd_begin; /* raised to the next spd_gen before the first change of a commit: a reader of the classifier that
				sees it above its own spd_gen + 1 starts again. What a writer that died in a commit left
				behind, the next spd_lock() makes equal to the classifier in force */
	__u64 spd_done; /* == spd_gen once the slots of xi_spd are what the rules in force say */
	__u32 acquire; /* subscribers that make SAs when a packet misses one; writer: xdp-ipsecd. 0: it is dropped at once */
	__u32 pad1;
	__u64 netns; /* cookie of the network namespace that the maps belong to, 0 = not known */
	__u32 natt; /* not 0: UDP port 4500 of this host is IPsec's (spec 13.5). Set with the first SA with UDP; writers:
				whoever publishes SAs, and xdp-iked for a peer with nat-traversal=yes. Never taken back while
				the maps live: the two do not know of each other's SAs to come, and ESP in UDP that the stack got
				meanwhile would be lost, whereas port 4500 is seldom wanted for anything else */
	__u32 drops;	   /* listeners to dropped packets; writer: xdp-ipsecd. 0: no sample is taken anywhere */
	__u32 workers_max; /* workers that have counters in xi_wpolstat, and so the most that may run */
	__u32 nat_gen; /* +1 with each new entry of xi_nat, and when old ones went; writers: tc egress, xdp-ipsecd */
	__u32 nat_back; /* not 0: xi_nat may have what XDP must leave to the stack; writer: tc egress. Stays as long as the maps */
	__u8 res[124];
};

/* xi_local */
struct xi_local_key {
	struct xi_addr addr;
	__u32 family; /* XI_IP4, XI_IP6 */
};

/* xi_if flags */
#define XI_IF_ATTACHED 0x01 /* programs are attached */
#define XI_IF_GENERIC 0x02  /* XDP in generic (skb) mode */
#define XI_IF_CLSACT 0x04   /* we made the clsact qdisc and remove it on detach */
#define XI_IF_RPF_STRICT                                                                                               \
	0x08 /* net.ipv4.conf.*.rp_filter is 1: what is to be sealed must come the way back (RFC 3704) */
#define XI_IF_RPF_LOOSE 0x10   /* 2: there must be a way back */
#define XI_IF_NO_FORWARD 0x20  /* net.ipv4.conf.*.forwarding is 0: nothing that arrives here goes on */
#define XI_IF_NO_FORWARD6 0x40 /* the same of net.ipv6 */
#define XI_IF_RXVLAN 0x80      /* ethtool's rxvlan was on, and comes back on detach */
#define XI_IF_TAGS_GONE 0x100  /* it could not be switched off: XDP sees no 802.1Q tag */
#define XI_IF_RXSTAG 0x200     /* as XI_IF_RXVLAN, of ethtool's rx-vlan-stag-hw-parse */
#define XI_IF_STAGS_GONE 0x400 /* as XI_IF_TAGS_GONE, of 802.1ad tags */
#define XI_IF_LOST                                                                                                     \
	0x800 /* the interface of this name vanished; the slot waits for it, with ifindex 0 but while it is attached again */
#define XI_IF_FIREWALL 0x1000  /* what comes out of tunnels that arrive here goes by way of the stack */
#define XI_IF_SEES_NAT 0x2000  /* tc egress reads what NAT made of a packet (conntrack entry, Linux 6.2) */
#define XI_IF_UNSETTLED 0x4000 /* being attached or detached, or who did that was killed: to be attached again */

/*
 * xi_if: one attached interface. Writer: the loader; sock_mask, zc_mask: xdp-ipsecd.
 */
struct xi_if {
	__u32 ifindex; /* 0 = free slot */
	__u32 flags;
	__u32 queues;  /* receive queues served, 0..queues-1 */
	__u32 prog_id; /* id of the XDP program */
	char name[16];
	__u8 mac[6];
	__u8 pad[2];
	__u32 sock_mask; /* bit q: a socket is bound to queue q */
	__u32 zc_mask;	 /* bit q: that socket is in zero-copy mode */
	__u32 mtu;
	__u32 pair_lost[2]; /* internal pair: what it dropped and is counted, by direction; writer: xdp-ipsecd */
	__u8 res[4];
};

/* xi_spi */
struct xi_spi_key {
	struct xi_addr dst;
	__be32 spi;
	__u8 proto;  /* 50 ESP, 51 AH */
	__u8 family; /* of dst */
	__u8 pad[2];
};

struct xi_spi_val {
	__u32 slot;
	__u32 gen;
	__u8 dir; /* XI_DIR_IN: we receive it. XI_DIR_OUT: our own product, tc egress lets it leave without a lookup */
	__u8 pad[7];
};

/*
 * xi_frag: what the first fragment of a datagram said, for those that follow it (spec 13.6). Writer: the BPF programs, first
 * come; a first fragment that says something else makes the entry say nothing (XI_FRAG_CONFLICT), so that it fails closed.
 */
struct xi_frag_key {
	struct xi_addr src;
	struct xi_addr dst;
	__u32 id;   /* as it stands in the header: IPv4 16 bits, IPv6 32 */
	__u8 proto; /* IPv4: RFC 791 §3.2. IPv6: 0, only the first fragment's counts (RFC 8200 §4.5) */
	__u8 family;
	__u8 pad[2];
};

#define XI_FRAG_CONFLICT 0x01
#define XI_FRAG_ESP                                                                                                    \
	0x02 /* ESP, AH or ESP in UDP, for this host: goes to the worker that puts it together; our own: leaves */
#define XI_FRAG_IKE 0x04 /* of or for this host, port 4500, IKE by its marker: exempt (spec 13.5) */
#define XI_FRAG_HELD                                                                                                   \
	0x08 /* UDP for this host, a later fragment came before the first: all go to the worker that puts them together. With
		proto 0 there was no first one yet */

struct xi_frag_val {
	__be16 src_port;
	__be16 dst_port;
	__u8 flags; /* XI_FRAG_* */
	__u8 proto; /* what the first one found behind its extension headers */
	__u8 pad[2];
	__u64 seen_ns; /* CLOCK_BOOTTIME; older than XI_FRAG_TTL_NS says nothing */
};

#define XI_FRAG_TTL_NS 30000000000ull

/*
 * xi_nat: what the host's NAT brought into a policy (spec 27.4), seen from the answers: their source is the far end, their destination the address
 * that NAT gave the packet; source 0: from anywhere. Such packets go into the stack, which translates them back. So do answers in clear that a policy
 * would decide about by the addresses they have before that: from where destination NAT sent the first packet, to who sent it. Writer: tc egress, with the second
 * (CLOCK_BOOTTIME) of the last packet, XI_NAT_NOTE_S late at most; xdp-ipsecd takes away what is older than XI_NAT_IDLE_S.
 */
#define XI_NAT_NOTE_S 60
#define XI_NAT_IDLE_S                                                                                                  \
	432000 /* 5 days: as long as conntrack keeps an idle connection (nf_conntrack_tcp_timeout_established) */

struct xi_nat_key {
	struct xi_addr src;
	struct xi_addr dst;
	__u8 family;
	__u8 pad[3];
};

/*
 * xi_vlan. Writer: xdp-ipsecd, and the loader at attach. Tags from the outside in; 0 = no second tag. Each VLAN device has a second
 * entry, its own ifindex without any tag, -> ifindex of the interface below.
 */
struct xi_vlan_key {
	__u32 ifindex;	 /* the attached interface */
	__be16 proto[2]; /* ethertype of the tag: 802.1Q, 802.1ad */
	__be16 vid[2];	 /* 12 bits, network order */
};

/* struct xi_verdict flags */
#define XI_VF_HOST 0x01 /* came through the stack: its TTL is already what it must be */
#define XI_VF_UDP 0x02	/* ESP in UDP (RFC 3948): a UDP header stands between IP header and ESP */
#define XI_VF_FRAG 0x04 /* fragment of ESP, AH or ESP in UDP for this host: no SA yet, to be put together first */
#define XI_VF_ICMP 0x08 /* ICMP "too big" that quotes a packet of the outbound SA in slot, gen */

/*
 * The verdict: XDP metadata right in front of the packet's first byte, for the worker that gets it.
 * Everything in it was checked against the bounds of the packet by the program that wrote it.
 */
struct xi_verdict {
	__u32 slot; /* SA: slot and generation */
	__u32 gen;
	__u32 policy; /* outbound: policy slot and generation */
	__u32 policy_gen;
	__u16 l3_off; /* from the first byte to the IP header */
	__u8 dir;     /* XI_DIR_* */
	__u8 flags;   /* XI_VF_* */
	__u8 if_slot; /* interface it came in by */
	__u8 family;  /* of the IP header at l3_off */
	__u8 pad[2];
	__u32 iif; /* interface the stack would say it came in by: a VLAN device, or that of if_slot */
};

/* Per-policy counters of spec section 7.1, in packets. */
struct xi_polstat {
	__u64 in_accepted;
	__u64 in_dropped;
	__u64 in_transformed;
	__u64 out_accepted;
	__u64 out_dropped;
	__u64 out_transformed;
	__u64 gen; /* generation of the policy that these counts are of; others read as 0 */
	__u64 res;
};

#define XI_DROPS_BYTES (256 * 1024)
#define XI_SAMPLE_BURST 50 /* samples at once, and a second, of one CPU's programs and of one worker */

/* xi_drops: a packet that was dropped. What is not known is 0. */
struct xi_sample {
	__u64 ns; /* CLOCK_BOOTTIME */
	struct xi_addr src;
	struct xi_addr dst;
	__u32 policy; /* slot and generation of the policy that had a say; generation 0 = none */
	__u32 policy_gen;
	__u32 ifindex;
	__be32 spi;
	__u32 len; /* of the frame; a worker's: of the IP packet */
	__be16 src_port;
	__be16 dst_port;
	__u8 reason; /* enum xi_drop */
	__u8 family; /* 0: it is not IP, or could not be read */
	__u8 proto;
	__u8 flags; /* XI_TUPLE_* */
	__u32 pad;
};

/* xi_sampler: one CPU's budget of samples, and how many packets it dropped without one while somebody listened. */
struct xi_sampler {
	__u64 left_out;
	__u64 earned_ns; /* CLOCK_BOOTTIME */
	__u32 tokens;
	__u32 pad;
};

_Static_assert(sizeof(struct xi_addr) == 16, "abi");
_Static_assert(sizeof(struct xi_meta) == 256, "abi");
_Static_assert(sizeof(struct xi_local_key) == 20, "abi");
_Static_assert(sizeof(struct xi_if) == 64, "abi");
_Static_assert(sizeof(struct xi_spi_key) == 24, "abi");
_Static_assert(sizeof(struct xi_spi_val) == 16, "abi");
_Static_assert(sizeof(struct xi_verdict) == 28, "abi: metadata is a multiple of 4, at most 32");
_Static_assert(sizeof(struct xi_selector) == 48, "abi");
_Static_assert(sizeof(struct xi_frag_key) == 40, "abi");
_Static_assert(sizeof(struct xi_frag_val) == 16, "abi");
_Static_assert(sizeof(struct xi_nat_key) == 36, "abi");
_Static_assert(sizeof(struct xi_vlan_key) == 12, "abi");
_Static_assert(sizeof(struct xi_polstat) == 64, "abi");
_Static_assert(sizeof(struct xi_sample) == 72, "abi");
_Static_assert(sizeof(struct xi_sampler) == 24, "abi");

#endif
