/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says about an interface, and on what a VLAN device stands. Pure functions over rtnetlink messages. */
#ifndef ROUTE_LINK_H
#define ROUTE_LINK_H

#include <linux/types.h>

#include <libmnl/libmnl.h>

#define RT_TAGS_MAX 2 /* 802.1Q, or 802.1ad with 802.1Q inside */

struct link {
	__u32 ifindex;
	__u32 below; /* ifindex of the interface it stands on; 0 = none, or in another network namespace */
	__u32 mtu;
	int ethernet_up; /* an Ethernet interface, up and with a carrier */
	int vlan;	 /* a VLAN device: proto and vid are its tag */
	__be16 proto;
	__be16 vid;
	__u8 mac[6];
};

/* The tags of what a VLAN device sends, from the outside in, and the interface that it is sent by. */
struct vlan_path {
	__u32 ifindex;
	unsigned n;
	__be16 proto[RT_TAGS_MAX];
	__be16 vid[RT_TAGS_MAX];
};

/* Reads an RTM_NEWLINK or RTM_DELLINK message. */
void link_parse(const struct nlmsghdr *nlh, struct link *l);

/*
 * On what l stands. find: 0 and the interface of that index, or -1. 0: served, p->n == 0 when l is no VLAN device. -1: not to be served:
 * more tags than two, an interface below that is not here, or a MAC address of its own, by which XDP would not know its frames.
 */
int link_path(const struct link *l, int (*find)(void *arg, __u32 ifindex, struct link *), void *arg,
	      struct vlan_path *p);

#endif
