/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of answers, what workers do with it, and the main thread's part: events and requests. */
#include "user/route/route.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/route/local.h"
#include "user/route/nat.h"
#include "user/route/nl.h"
#include "user/route/query.h"
#include "user/route/vlan.h"

#define RT_BUCKET_BITS 11
#define RT_BUCKETS (1u << RT_BUCKET_BITS) /* of RT_WAYS answers each; a full bucket replaces round robin */
#define RT_WAYS 4
#define RT_ASK_MAX 64

struct rt_entry {
	__u32 seq;  /* odd while it is written */
	__u32 used; /* by a worker since the last rt_refresh() */
	__u64 gen;
	struct rt_key key;
	struct rt_hop hop;
	struct xi_addr via; /* neighbour that the answer rests on */
	__u32 via_family;
};

/* One producer (a worker), one consumer (the main thread). */
struct ask_ring {
	__u32 head __attribute__((aligned(64))); /* worker */
	__u32 tail __attribute__((aligned(64))); /* main */
	struct rt_key key[RT_ASK_MAX];
};

struct rt {
	__u64 gen;
	struct rt_entry *entry;
	__u8 victim[RT_BUCKETS];
	struct ask_ring *ask;
	unsigned workers;
	int wake; /* eventfd */
	int xi_local_fd;
	int xi_vlan_fd;
	struct mnl_socket *events;
	struct rt_nat nat;
	int poll; /* events and what nat watches */
	struct rt_query query;
};

static int watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* The kernel's side of it: what changes, and whom to ask. */
static int open_sources(struct rt *rt, struct err *e)
{
	const unsigned groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | (1u << (RTNLGRP_IPV4_RULE - 1)) |
				(1u << (RTNLGRP_IPV4_NETCONF - 1)) | (1u << (RTNLGRP_IPV6_RULE - 1)) |
				(1u << (RTNLGRP_IPV6_NETCONF - 1));
	int rc = nl_open(&rt->events, NETLINK_ROUTE, groups, e), size = 4 << 20;

	if (rc)
		return rc;
	/* A burst of route changes must not overrun; when it does (ENOBUFS) everything is asked again. */
	(void)setsockopt(mnl_socket_get_fd(rt->events), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	rt_nat_open(&rt->nat);
	if (watch(rt->poll, mnl_socket_get_fd(rt->events)) ||
	    (rt_nat_fd(&rt->nat) >= 0 && watch(rt->poll, rt_nat_fd(&rt->nat))))
		return err_set(e, -errno, "cannot watch netlink sockets: %s", strerror(errno));
	rc = rt_query_open(&rt->query, e);
	rt->query.nat = rt_nat_present(&rt->nat);
	return rc;
}

int rt_open(struct rt **out, unsigned workers, int xi_local_fd, int xi_vlan_fd, struct err *e)
{
	struct rt *rt = calloc(1, sizeof(*rt));
	int rc = -ENOMEM;

	if (!rt)
		return err_set(e, -ENOMEM, "out of memory");
	rt->gen = 1;
	rt->workers = workers;
	rt->xi_local_fd = xi_local_fd;
	rt->xi_vlan_fd = xi_vlan_fd;
	rt->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rt->poll = epoll_create1(EPOLL_CLOEXEC);
	rt->entry = calloc((size_t)RT_BUCKETS * RT_WAYS, sizeof(*rt->entry));
	rt->ask = aligned_alloc(64, workers * sizeof(*rt->ask));
	if (!rt->entry || !rt->ask || rt->wake < 0 || rt->poll < 0) {
		err_set(e, rc, "out of memory");
		goto err;
	}
	memset(rt->ask, 0, workers * sizeof(*rt->ask));
	rc = open_sources(rt, e);
	if (rc)
		goto err;
	rc = rt_local_sync(xi_local_fd, e);
	if (!rc)
		rc = rt_vlan_sync(xi_vlan_fd, e);
	if (rc)
		goto err;
	*out = rt;
	return 0;
err:
	rt_close(rt);
	return rc;
}

void rt_close(struct rt *rt)
{
	if (!rt)
		return;
	if (rt->events)
		mnl_socket_close(rt->events);
	rt_nat_close(&rt->nat);
	rt_query_close(&rt->query);
	if (rt->wake >= 0)
		close(rt->wake);
	if (rt->poll >= 0)
		close(rt->poll);
	free(rt->ask);
	free(rt->entry);
	free(rt);
}

int rt_fd_events(const struct rt *rt)
{
	return rt->poll;
}

int rt_fd_requests(const struct rt *rt)
{
	return rt->wake;
}

__u64 rt_generation(const struct rt *rt)
{
	return __atomic_load_n(&rt->gen, __ATOMIC_ACQUIRE);
}

static void new_generation(struct rt *rt)
{
	__atomic_fetch_add(&rt->gen, 1, __ATOMIC_RELEASE);
}

static unsigned bucket_of(const struct rt_key *k)
{
	__u64 h = k->iif;

	for (unsigned i = 0; i < 4; i++)
		h = hash_mix(h, (__u64)k->dst.w[i] << 32 | k->src.w[i]);
	return hash_end(h, RT_BUCKET_BITS);
}

/* --- workers --- */

/* Copies an entry; 0 when a writer was in between. */
static int read_entry(const struct rt_entry *en, struct rt_entry *copy)
{
	__u32 seq = __atomic_load_n(&en->seq, __ATOMIC_ACQUIRE);

	if (seq & 1)
		return 0;
	memcpy(copy, en, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&en->seq, __ATOMIC_RELAXED) == seq;
}

void rt_lookup(struct rt *rt, const struct rt_key *key, struct rt_hop *hop)
{
	struct rt_entry *en = &rt->entry[bucket_of(key) * RT_WAYS];
	__u64 gen = rt_generation(rt);

	for (unsigned i = 0; i < RT_WAYS; i++, en++) {
		struct rt_entry copy;

		if (!read_entry(en, &copy) || copy.gen != gen || memcmp(&copy.key, key, sizeof(*key)) != 0)
			continue;
		if (!__atomic_load_n(&en->used, __ATOMIC_RELAXED))
			__atomic_store_n(&en->used, 1, __ATOMIC_RELAXED);
		*hop = copy.hop;
		return;
	}
	memset(hop, 0, sizeof(*hop));
}

void rt_ask(struct rt *rt, unsigned worker, const struct rt_key *key)
{
	struct ask_ring *r = &rt->ask[worker];
	__u32 head = r->head, tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
	const __u64 one = 1;

	if (head - tail >= RT_ASK_MAX)
		return;
	for (__u32 i = tail; i != head; i++) /* a burst asks for the same thing many times */
		if (memcmp(&r->key[i % RT_ASK_MAX], key, sizeof(*key)) == 0)
			return;
	r->key[head % RT_ASK_MAX] = *key;
	__atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
	if (write(rt->wake, &one, sizeof(one)) < 0)
		return; /* the counter is full: the main thread has plenty of reason to wake already */
}

/* --- main thread --- */

static void write_entry(struct rt *rt, const struct rt_key *key, __u64 gen, const struct rt_answer *a)
{
	unsigned b = bucket_of(key);
	struct rt_entry *en = NULL, *first = &rt->entry[b * RT_WAYS];

	for (unsigned i = 0; i < RT_WAYS && !en; i++)
		if (memcmp(&first[i].key, key, sizeof(*key)) == 0)
			en = &first[i];
	for (unsigned i = 0; i < RT_WAYS && !en; i++)
		if (first[i].gen != gen)
			en = &first[i];
	if (!en)
		en = &first[rt->victim[b]++ % RT_WAYS];
	__atomic_store_n(&en->seq, en->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	en->gen = gen;
	en->key = *key;
	en->hop = a->hop;
	en->via = a->via;
	en->via_family = a->via_family;
	en->used = 1;
	__atomic_store_n(&en->seq, en->seq + 1, __ATOMIC_RELEASE);
}

/* At most as many questions as the ring has places: a worker that goes on asking waits for its next turn. Returns 1 when some are left. */
static int answer_ring(struct rt *rt, struct ask_ring *r)
{
	for (unsigned i = 0; i < RT_ASK_MAX && r->tail != __atomic_load_n(&r->head, __ATOMIC_ACQUIRE); i++) {
		struct rt_key key = r->key[r->tail % RT_ASK_MAX];
		__u64 gen = rt_generation(rt); /* before the question: a change meanwhile makes the answer old */
		struct rt_answer a;

		rt_query_hop(&rt->query, &key, &a);
		if (a.hop.kind != RT_UNKNOWN)
			write_entry(rt, &key, gen, &a);
		__atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
	}
	return r->tail != __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
}

void rt_on_requests(struct rt *rt)
{
	const __u64 one = 1;
	int left = 0;
	__u64 n;

	if (read(rt->wake, &n, sizeof(n)) < 0)
		return; /* nothing there */
	for (unsigned w = 0; w < rt->workers; w++)
		left |= answer_ring(rt, &rt->ask[w]);
	/* The other events have their turn, then we are called again. */
	if (left && write(rt->wake, &one, sizeof(one)) < 0)
		return; /* the counter is full: we are called anyway */
}

struct event_ctx {
	struct rt *rt;
	rt_link_fn link_change;
	void *arg;
	int changed;
	int addr_changed;
	int link_changed;
	int said; /* RT_SAID_* */
};

static void on_link(struct event_ctx *c, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct rt_link link = {.ifindex = ifi->ifi_index, .gone = nlh->nlmsg_type == RTM_DELLINK};
	const struct nlattr *attr;

	if (ifi->ifi_family != AF_UNSPEC)
		return; /* bridge ports and the like */
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			link.mtu = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			link.name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == 6)
			link.mac = mnl_attr_get_payload(attr);
	}
	c->changed = c->link_changed = 1;
	if (c->link_change)
		c->link_change(c->arg, &link);
}

/* Only a neighbour that an answer rests on matters, and only when what the answer says is no longer true. */
static int neighbour_matters(struct rt *rt, const struct nlmsghdr *nlh)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	__u32 family = nd->ndm_family == AF_INET ? XI_IP4 : XI_IP6;
	struct rt_neigh n;

	rt_neigh_parse(nlh, &n);
	if (nlh->nlmsg_type == RTM_DELNEIGH)
		n.valid = 0;
	for (unsigned i = 0; i < RT_BUCKETS * RT_WAYS; i++) {
		const struct rt_entry *en = &rt->entry[i];
		int had_mac = en->hop.kind == RT_TX;

		if (en->gen != rt->gen || en->hop.ifindex != (__u32)nd->ndm_ifindex || en->via_family != family ||
		    memcmp(&en->via, &n.addr, sizeof(n.addr)) != 0)
			continue;
		if (had_mac != n.valid || (n.valid && memcmp(en->hop.l2, n.mac, 6) != 0))
			return 1;
	}
	return 0;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	struct event_ctx *c = data;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(c, nlh);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		c->changed |= neighbour_matters(c->rt, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		c->addr_changed = 1;
		c->changed = 1;
		break;
	case RTM_NEWNETCONF: /* ip_forward, rp_filter: the kernel answers differently now */
	case RTM_DELNETCONF:
		c->said |= RT_SAID_SYSCTL;
		c->changed = 1;
		break;
	default: /* routes, rules */
		c->changed = 1;
		break;
	}
	return MNL_CB_OK;
}

/* Where decrypted packets go depends on it (rt_hop.anywhere). */
static int nat_changed(struct rt *rt)
{
	int was = rt->query.nat;

	rt->query.nat = rt_nat_present(&rt->nat);
	return rt->query.nat != was;
}

int rt_on_events(struct rt *rt, rt_link_fn link_change, void *arg)
{
	static char buf[NL_BUF];
	struct event_ctx c = {.rt = rt, .link_change = link_change, .arg = arg};
	struct err e;
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(rt->events), buf, sizeof(buf), MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == ENOBUFS) { /* overrun: anything may have changed */
			c.changed = c.addr_changed = c.link_changed = 1;
			c.said |= RT_SAID_SYSCTL;
			continue;
		}
		if (n < 0)
			break;
		if (mnl_cb_run(buf, (size_t)n, 0, 0, on_event, &c) < 0)
			c.changed = 1;
	}
	if (rt_nat_on_events(&rt->nat))
		c.changed |= nat_changed(rt);
	if (c.addr_changed && rt_local_sync(rt->xi_local_fd, &e))
		log_error("%s", e.text);
	if (c.link_changed && rt_vlan_sync(rt->xi_vlan_fd, &e))
		log_error("%s", e.text);
	if (c.changed)
		new_generation(rt);
	return c.said;
}

void rt_refresh(struct rt *rt)
{
	if (nat_changed(rt))
		new_generation(rt);
	for (unsigned i = 0; i < RT_BUCKETS * RT_WAYS; i++) {
		struct rt_entry *en = &rt->entry[i];

		if (en->gen != rt->gen || en->hop.kind != RT_TX || !__atomic_exchange_n(&en->used, 0, __ATOMIC_RELAXED))
			continue;
		rt_query_confirm(&rt->query, en->hop.ifindex, en->via_family, &en->via);
	}
}
