/* SPDX-License-Identifier: BSD-2-Clause */
/* One question to the kernel: route, then neighbour. Main thread of the data plane only. */
#ifndef ROUTE_QUERY_H
#define ROUTE_QUERY_H

#include "user/route/link.h"
#include "user/route/nl.h"
#include "user/route/route.h"

struct rt_query {
	struct mnl_socket *nl;
	int nat; /* this host translates addresses */
};

struct rt_answer {
	struct rt_hop hop;
	struct xi_addr via; /* the neighbour: gateway, or the destination itself */
	__u32 via_family;   /* of via: an IPv4 route may lead to an IPv6 gateway (RFC 8950) */
};

struct rt_neigh {
	struct xi_addr addr;
	__u8 mac[6];
	int valid; /* has a MAC that may be used (RFC 4861 §7.3.2 states reachable, stale, delay, probe, permanent) */
};

int rt_query_open(struct rt_query *q, struct err *e) __must_check;
void rt_query_close(struct rt_query *q);

/* Always fills *a; a refusal of the kernel is RT_NONE, a question that could not be asked RT_UNKNOWN: to be asked again. */
void rt_query_hop(struct rt_query *q, const struct rt_key *key, struct rt_answer *a);

/* Fills hop->l2 and l2_len: addresses, the tags of p, the type of an IP packet of that family. */
void rt_hop_header(struct rt_hop *hop, const __u8 *dst, const __u8 *src, const struct vlan_path *p, unsigned family);

/* Tells the kernel that the neighbour is in use: a stale one is probed, an unknown one is resolved. */
void rt_query_confirm(struct rt_query *q, unsigned ifindex, unsigned family, const struct xi_addr *addr);

/* Reads an RTM_NEWNEIGH or RTM_DELNEIGH message. */
void rt_neigh_parse(const struct nlmsghdr *nlh, struct rt_neigh *n);

#endif
