/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Next hops for workers, answered by the kernel. We never compute a route: a worker that has no current answer for a key sends
 * its packet the slow way and posts the key; the main thread asks the kernel (RTM_GETROUTE, RTM_GETNEIGH), writes the answer
 * into a table that workers read without locks (a sequence counter for each entry), and asks the kernel to resolve a neighbour that
 * is unknown. Any change of a route, rule, address, link, setting, used neighbour, of whether there is NAT, raises the generation: every older answer is then
 * asked for again. Neighbours in use are confirmed regularly, since the kernel does not see the packets we send to them.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "bpf/abi/xi_abi.h"
#include "user/base/err.h"

/* What a next hop depends on. iif 0: a packet of this host (RTM_GETROUTE as output route). */
struct rt_key {
	struct xi_addr dst;
	struct xi_addr src;
	__u32 iif;
	__u32 family; /* XI_IP4, XI_IP6 */
};

enum rt_kind {
	RT_UNKNOWN = 0, /* no current answer: slow way, ask */
	RT_TX,		/* send: everything below is valid */
	RT_STACK, /* the stack must do it: neighbour not resolved, no Ethernet addresses, a VLAN device that link_path() refuses */
	RT_NONE,  /* no route, or the kernel refuses it (unreachable, prohibited, reverse path) */
	RT_LOCAL, /* for this host, or a broadcast: the stack takes it */
};

#define RT_L2_PLAIN 14 /* Ethernet header without tags */
#define RT_L2_MAX 22   /* with two */

struct rt_hop {
	__u32 kind;	  /* enum rt_kind */
	__u32 ifindex;	  /* of the route; its neighbours are the kernel's word */
	__u32 tx_ifindex; /* by which frames leave: the same, or the one below a VLAN device */
	__u32 mtu; /* of the route, else of the interface; a packet of this host: not what its stack has learned from ICMP */
	__u32 anywhere; /* a packet that was received, by a host with NAT: found by the default route, or back by a gateway on
			   the interface it came in by. If NAT knows its destination, the route does not */
	__u32 l2_len;
	__u8 l2[RT_L2_MAX]; /* header for packets of the key's family: destination, source, tags, type */
};

struct rt; /* one per process */

/* workers: how many threads will ask. notify_fd is made inside: rt_fd_requests(). */
int rt_open(struct rt **out, unsigned workers, int xi_local_fd, int xi_vlan_fd, struct err *e) __must_check;
void rt_close(struct rt *rt);

/* --- main thread --- */
int rt_fd_events(const struct rt *rt);	 /* readable: rt_on_events() */
int rt_fd_requests(const struct rt *rt); /* readable: rt_on_requests() */
/* What a link message said. */
struct rt_link {
	int ifindex;
	int gone;
	unsigned mtu;	  /* 0 = not said */
	const __u8 *mac;  /* 6 bytes, NULL = not said */
	const char *name; /* NULL = not said */
};
/* link_change is called for each link message. Returns what else was said: RT_SAID_*. */
#define RT_SAID_SYSCTL 1 /* a setting has changed: forwarding, rp_filter */
typedef void (*rt_link_fn)(void *arg, const struct rt_link *link);
int rt_on_events(struct rt *rt, rt_link_fn link_change, void *arg);
/* Answers at most 64 questions of each worker; what is left makes rt_fd_requests() readable again. */
void rt_on_requests(struct rt *rt);
/* Every few seconds: confirms the neighbours of answers that were used since the last call, looks for NAT of the older iptables. */
void rt_refresh(struct rt *rt);

/* --- workers, lock-free --- */
__u64 rt_generation(const struct rt *rt);
/* Copies the answer; kind RT_UNKNOWN when there is none of the current generation. */
void rt_lookup(struct rt *rt, const struct rt_key *key, struct rt_hop *hop);
/* Asks for one; dropped when this worker's queue of 64 is full (it will be asked again). */
void rt_ask(struct rt *rt, unsigned worker, const struct rt_key *key);

#endif
