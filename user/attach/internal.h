/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts that attach.c puts together: what an interface is, the veth pair, programs and their links. This room only. */
#ifndef ATTACH_INTERNAL_H
#define ATTACH_INTERNAL_H

#include <libmnl/libmnl.h>
#include <net/if.h>

#include "user/attach/attach.h"

struct bpf_object;

/* --- nic.c --- */

struct nic {
	unsigned ifindex;
	char name[IFNAMSIZ];
	unsigned type;	/* ARPHRD_* */
	unsigned flags; /* IFF_* */
	uint32_t mtu;
	uint32_t master; /* ifindex of the bond, bridge, ... it is a port of; 0 = none */
	uint32_t link;	 /* ifindex of the one it stands on (VLAN, macvlan, ...); 0 = none */
	uint8_t mac[6];
	char kind[16]; /* "veth", "bridge", ...; empty for hardware */
	char alias[64];
};

/* -ENOENT with a text when there is no such interface. */
int nic_query(struct nic *n, const char *name, struct err *e) __must_check;

/* Receive queues now in use, by ethtool's channels; 1 where the driver has none to speak of. */
unsigned nic_queues(const char *name);

/* Switches off what would leave checksums and segments to the next one: tx checksums, scatter-gather, TSO, GSO. */
int nic_offloads_off(const char *name, struct err *e) __must_check;

/*
 * Leaves VLAN tags, 802.1Q and 802.1ad, in received frames (ethtool's rxvlan and rx-vlan-stag-hw-parse): what the NIC has taken out XDP does
 * not see, and a frame of any VLAN would pass for an untagged one. Returns XI_IF_RXVLAN, XI_IF_RXSTAG: it was on; XI_IF_TAGS_GONE,
 * XI_IF_STAGS_GONE: and the driver cannot switch it off; 0: nothing to do. nic_take_tags(): on again what these flags say was on; the interface
 * may be gone.
 */
uint32_t nic_keep_tags(const char *name);
void nic_take_tags(const char *name, uint32_t flags);

/* One rtnetlink request; cb (may be NULL) sees each message of the answer. Returns 0 or a negative errno. */
int nic_netlink(struct nlmsghdr *nlh, mnl_cb_t cb, void *data) __must_check;

/* --- kind.c --- */

/* Can it be attached at all? A refusal says what to attach instead. */
int kind_check(const struct nic *n, struct err *e) __must_check;

/* --- veth.c: xi0 and xi1 --- */

int veth_make(const struct paths *p, unsigned queues, struct err *e) __must_check;
/* Removes the pair; fine when there is none. Somebody else's interface of that name stays. */
int veth_remove(const struct paths *p, struct err *e);
/* Packets that this interface could not hand to its other end since it was made (IFLA_STATS_LINK_64). 0 or a negative errno. */
int veth_dropped(unsigned ifindex, uint64_t *n) __must_check;

/* --- prog.c --- */

/* XDP on the interface of m->ifs[slot] (its fields are set); pins the link. Sets prog_id. */
int prog_xdp_attach(struct maps *m, unsigned slot, struct err *e) __must_check;
void prog_xdp_detach(struct maps *m, const char *ifname);

/* tc egress on the interface of the slot. Sets XI_IF_CLSACT. */
int prog_egress_attach(struct maps *m, unsigned slot, struct err *e) __must_check;
void prog_egress_detach(const struct xi_if *nic);

/* tc inject on the ingress of xi0. */
int prog_inject_attach(struct maps *m, struct err *e) __must_check;

/* Every map of the object that has a pinned one is replaced by it; .rodata stays the program's own. Negative errno. */
int prog_reuse_maps(const struct bpf_object *obj, const struct maps *m) __must_check;

/* Is tc egress on the interface of the slot? It goes when an interface changes its network namespace, and anybody can take it off. */
int prog_egress_there(const struct xi_if *nic);

/* --- guard.c --- */

/* Takes the pinned links away; those that xdp-ipsecd holds end with it. */
void guard_remove(const struct maps *m);

/* -EBUSY with a text when a program is attached to XDP there already. */
int prog_xdp_free(const struct nic *n, struct err *e) __must_check;

#endif
