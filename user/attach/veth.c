/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The internal veth pair: xi0 for the stack, xi1 for the workers. It carries no address and no neighbour; xi0 offloads
 * nothing, so the kernel finishes segments and checksums before a packet comes out at xi1. The instance's name stands in
 * the interface's alias: that is how we know our own, also those of a loader that died.
 */
#include "user/attach/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <unistd.h>

#include "user/io/umem.h"

/* Where one frame is the limit: what it can hold, so that xi1 is served; that is more than any attached interface has, tags included. */
#define VETH_MTU_MIN IO_RX_MTU

static void alias_of(char out[64], const struct paths *p)
{
	(void)snprintf(out, 64, "xdp-ipsec %s", p->instance);
}

static struct nlmsghdr *link_msg(char *buf, uint16_t type, uint16_t flags, unsigned ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

static void put_end(struct nlmsghdr *nlh, const char *name, unsigned queues)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, MAX(attach_mtu_max(), (uint32_t)VETH_MTU_MIN));
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, queues);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, queues);
}

static int make_pair(unsigned queues)
{
	char buf[1024];
	struct nlmsghdr *nlh = link_msg(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data, *peer;

	put_end(nlh, XI_VETH_STACK, queues);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	put_end(nlh, XI_VETH_WORKER, queues);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nic_netlink(nlh, NULL, NULL);
}

/*
 * IPv6 off: the kernel would join groups and announce them here. A kernel without IPv6 has no such file, nor the trouble;
 * where /proc/sys is read-only, the announcements are dropped by tc_inject and by XDP on xi1, and counted.
 */
static void ipv6_off(const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "1", 1); /* see above */
	close(fd);
}

static int set_end(const struct paths *p, const char *name)
{
	char buf[1024], alias[64];
	struct nlmsghdr *nlh;
	struct ifinfomsg *ifi;
	unsigned ifindex = if_nametoindex(name);

	if (!ifindex)
		return -ENODEV;
	ipv6_off(name);
	alias_of(alias, p);
	nlh = link_msg(buf, RTM_NEWLINK, 0, ifindex);
	ifi = mnl_nlmsg_get_payload(nlh);
	ifi->ifi_flags = IFF_UP | IFF_NOARP;
	ifi->ifi_change = IFF_UP | IFF_NOARP;
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, alias);
	return nic_netlink(nlh, NULL, NULL);
}

/* 0: no xi0, or ours. Otherwise a text that says whose it is. */
static int check_name(const struct paths *p, int *there, struct err *e)
{
	char alias[64];
	struct nic n;
	int rc = nic_query(&n, XI_VETH_STACK, e);

	*there = rc == 0;
	if (rc == -ENOENT)
		return 0;
	alias_of(alias, p);
	if (rc || strcmp(n.alias, alias) == 0)
		return rc;
	if (strncmp(n.alias, "xdp-ipsec ", 10) == 0)
		return err_set(
			e, -EEXIST,
			"instance %s has its interface %s in this network namespace: only one instance fits into "
			"one, detach that one first",
			n.alias + 10, XI_VETH_STACK);
	return err_set(e, -EEXIST, "an interface %s that is not ours is in the way: rename it or `ip link del %s`",
		       XI_VETH_STACK, XI_VETH_STACK);
}

int veth_remove(const struct paths *p, struct err *e)
{
	char buf[256];
	int there, rc = check_name(p, &there, e);

	if (rc || !there)
		return rc;
	rc = nic_netlink(link_msg(buf, RTM_DELLINK, 0, if_nametoindex(XI_VETH_STACK)), NULL, NULL);
	return rc && rc != -ENODEV ? err_set(e, rc, "cannot remove %s: %s", XI_VETH_STACK, strerror(-rc)) : 0;
}

int veth_make(const struct paths *p, unsigned queues, struct err *e)
{
	int rc = veth_remove(p, e); /* what a loader that died left */

	if (rc)
		return rc;
	rc = make_pair(queues);
	if (rc)
		return err_set(e, rc, "cannot make the internal interfaces %s and %s: %s%s", XI_VETH_STACK,
			       XI_VETH_WORKER, strerror(-rc), rc == -EPERM ? ", run as root" : "");
	rc = set_end(p, XI_VETH_STACK);
	if (!rc)
		rc = set_end(p, XI_VETH_WORKER);
	if (rc)
		(void)err_set(e, rc, "cannot set up the internal interfaces: %s", strerror(-rc));
	else
		rc = nic_offloads_off(XI_VETH_STACK, e);
	if (rc)
		(void)veth_remove(p, NULL); /* the first failure is the one to tell */
	return rc;
}

static int on_stats_attr(const struct nlattr *a, void *data)
{
	struct rtnl_link_stats64 st = {0};

	if (mnl_attr_get_type(a) != IFLA_STATS_LINK_64)
		return MNL_CB_OK;
	memcpy(&st, mnl_attr_get_payload(a), MIN(sizeof(st), (size_t)mnl_attr_get_payload_len(a)));
	*(uint64_t *)data = st.tx_dropped;
	return MNL_CB_OK;
}

static int on_stats(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct if_stats_msg), on_stats_attr, data);
}

int veth_dropped(unsigned ifindex, uint64_t *n)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct if_stats_msg *what;
	int rc;

	nlh->nlmsg_type = RTM_GETSTATS;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	what = mnl_nlmsg_put_extra_header(nlh, sizeof(*what));
	what->ifindex = ifindex;
	what->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
	*n = UINT64_MAX;
	rc = nic_netlink(nlh, on_stats, n);
	return rc || *n != UINT64_MAX ? rc : -ENODATA;
}

void attach_pair_lost(struct maps *m, uint32_t lost[2])
{
	struct xi_if *pair = &m->ifs[XI_IF_INTERNAL];
	const unsigned end[2] = {[XI_DIR_IN] = pair->ifindex, [XI_DIR_OUT] = if_nametoindex(XI_VETH_STACK)};

	for (int dir = 0; dir < 2; dir++) {
		uint64_t n;

		lost[dir] = 0;
		if (!pair->ifindex || !end[dir] || veth_dropped(end[dir], &n))
			continue; /* none, or it is going */
		lost[dir] = (uint32_t)n - pair->pair_lost[dir];
		pair->pair_lost[dir] = (uint32_t)n;
	}
}
