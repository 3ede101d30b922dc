/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "bpf/abi/xi_abi.h"
#include "user/route/mapset.h"
#include "user/route/nl.h"

/* One address more than xi_local has room for is enough: the map says so when they are entered. */
#define LOCAL_MAX (4096 + 1)

struct local_set {
	struct xi_local_key key[LOCAL_MAX];
	__u32 ifindex[LOCAL_MAX];
	unsigned n;
};

static void add(struct local_set *set, int family, const void *addr, __u32 ifindex)
{
	struct xi_local_key *k;

	if (set->n == LOCAL_MAX)
		return;
	k = &set->key[set->n];
	memset(k, 0, sizeof(*k));
	memcpy(&k->addr, addr, family == AF_INET ? 4 : 16);
	k->family = family == AF_INET ? XI_IP4 : XI_IP6;
	set->ifindex[set->n++] = ifindex;
}

static void add_attr(struct local_set *set, int family, const struct nlattr *a, __u32 ifindex)
{
	if (a && mnl_attr_get_payload_len(a) == (family == AF_INET ? 4 : 16))
		add(set, family, mnl_attr_get_payload(a), ifindex);
}

/* That of the network, for which the kernel has a route even where no IFA_BROADCAST is set (fib_add_ifaddr()). */
static void add_directed_broadcast(struct local_set *set, const struct ifaddrmsg *ifa, const struct nlattr *address,
				   const struct nlattr *broadcast)
{
	__be32 addr;

	if (!address || mnl_attr_get_payload_len(address) != sizeof(addr) || !ifa->ifa_prefixlen ||
	    ifa->ifa_prefixlen > 30 || (broadcast && mnl_attr_get_payload_len(broadcast) != sizeof(addr)))
		return;
	memcpy(&addr, mnl_attr_get_payload(address), sizeof(addr));
	addr |= htonl(UINT32_MAX >> ifa->ifa_prefixlen);
	if (!broadcast || memcmp(mnl_attr_get_payload(broadcast), &addr, sizeof(addr)) != 0)
		add(set, AF_INET, &addr, ifa->ifa_index);
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *address = NULL, *local = NULL, *broadcast = NULL;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS:
			address = attr;
			break;
		case IFA_LOCAL:
			local = attr;
			break;
		case IFA_BROADCAST:
			broadcast = attr;
			break;
		default:
			break;
		}
	}
	if (ifa->ifa_family == AF_INET || ifa->ifa_family == AF_INET6) {
		/* On point-to-point links IFA_ADDRESS is the far end, IFA_LOCAL ours. */
		add_attr(data, ifa->ifa_family, local ? local : address, ifa->ifa_index);
		/* A broadcast of a network of ours is for this host too: it is never forwarded. */
		if (ifa->ifa_family == AF_INET) {
			add_attr(data, AF_INET, broadcast, ifa->ifa_index);
			add_directed_broadcast(data, ifa, address, broadcast);
		}
	}
	return MNL_CB_OK;
}

int rt_local_sync(int xi_local_fd, struct err *e)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa;
	struct mnl_socket *nl = NULL;
	struct local_set *set = calloc(1, sizeof(*set));
	int rc;

	if (!set)
		return err_set(e, -ENOMEM, "out of memory");
	rc = nl_open(&nl, NETLINK_ROUTE, 0, e);
	if (rc)
		goto out;
	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_DUMP;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	rc = -EINTR;
	for (int i = 0; i < NL_DUMP_TRIES && rc == -EINTR; i++) {
		set->n = 0;
		rc = nl_talk(nl, nlh, on_addr, set);
	}
	if (rc) {
		err_set(e, rc, "cannot read the host's addresses: %s", strerror(-rc));
		goto out;
	}
	rc = mapset_become(xi_local_fd, &(struct mapset){set->key, sizeof(set->key[0]), set->ifindex, set->n});
	if (rc)
		err_set(e, rc, "cannot enter an address of the host: %s",
			rc == -E2BIG ? "it has more than the map of its own addresses holds" : strerror(-rc));
out:
	if (nl)
		mnl_socket_close(nl);
	free(set);
	return rc;
}
