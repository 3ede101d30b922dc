/* SPDX-License-Identifier: BSD-2-Clause */
/* What an interface is, asked of rtnetlink (by libmnl) and ethtool; works in any network namespace, without /sys. */
#include "user/attach/internal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETLINK_ROOM 32768 /* the kernel's largest message */

int nic_netlink(struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	char buf[NETLINK_ROOM];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc = -1, done = MNL_CB_OK;
	unsigned seq = 1;

	if (!nl)
		return -errno;
	nlh->nlmsg_seq = seq;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 && mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) >= 0)
		rc = 0;
	while (rc == 0 && done > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0)
			rc = -1;
		else
			done = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), cb, data);
	}
	if (rc < 0 || done < 0)
		rc = -errno;
	(void)mnl_socket_close(nl);
	return rc;
}

static int on_linkinfo(const struct nlattr *a, void *data)
{
	struct nic *n = data;

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
		(void)str_copy(n->kind, sizeof(n->kind), mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int on_link_attr(const struct nlattr *a, void *data)
{
	struct nic *n = data;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		(void)str_copy(n->name, sizeof(n->name), mnl_attr_get_str(a));
		break;
	case IFLA_MTU:
		n->mtu = mnl_attr_get_u32(a);
		break;
	case IFLA_MASTER:
		n->master = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK:
		n->link = mnl_attr_get_u32(a);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(n->mac))
			memcpy(n->mac, mnl_attr_get_payload(a), sizeof(n->mac));
		break;
	case IFLA_IFALIAS:
		(void)str_copy(n->alias, sizeof(n->alias), mnl_attr_get_str(a));
		break;
	case IFLA_LINKINFO:
		return mnl_attr_parse_nested(a, on_linkinfo, n);
	default:
		break;
	}
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct nic *n = data;

	n->ifindex = (unsigned)ifi->ifi_index;
	n->type = ifi->ifi_type;
	n->flags = ifi->ifi_flags;
	return mnl_attr_parse(nlh, sizeof(*ifi), on_link_attr, n);
}

int nic_query(struct nic *n, const char *name, struct err *e)
{
	char buf[512];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	int rc;

	memset(n, 0, sizeof(*n));
	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return err_set(e, -ENOENT, "no interface \"%s\": a name has 1 to %d characters", name, IFNAMSIZ - 1);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	rc = nic_netlink(nlh, on_link, n);
	if (rc == -ENODEV)
		return err_set(e, -ENOENT, "no interface %s here: `ip link` shows those of this network namespace",
			       name);
	if (rc)
		return err_set(e, rc, "cannot ask about interface %s: %s", name, strerror(-rc));
	return 0;
}

static int ethtool(const char *name, void *cmd)
{
	struct ifreq ifr = {.ifr_data = cmd};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	rc = ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

unsigned nic_queues(const char *name)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};

	if (ethtool(name, &ch) || ch.rx_count + ch.combined_count == 0)
		return 1;
	return ch.rx_count + ch.combined_count;
}

int nic_offloads_off(const char *name, struct err *e)
{
	static const struct {
		uint32_t cmd;
		const char *what;
	} off[] = {
		{ETHTOOL_STSO, "TSO"},
		{ETHTOOL_SGSO, "GSO"},
		{ETHTOOL_STXCSUM, "transmit checksums"},
		{ETHTOOL_SSG, "scatter-gather"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct ethtool_value v = {.cmd = off[i].cmd};
		int rc = ethtool(name, &v);

		if (rc)
			return err_set(e, rc, "cannot switch off %s of %s: %s", off[i].what, name, strerror(-rc));
	}
	return 0;
}

static int rxvlan(const char *name, int on)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};

	if (ethtool(name, &v))
		return -1;
	v.cmd = ETHTOOL_SFLAGS;
	v.data = on ? v.data | ETH_FLAG_RXVLAN : v.data & ~(uint32_t)ETH_FLAG_RXVLAN;
	return ethtool(name, &v);
}

static int has_rxvlan(const char *name)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};

	return ethtool(name, &v) == 0 && (v.data & ETH_FLAG_RXVLAN);
}

uint32_t nic_keep_tags(const char *name)
{
	if (!has_rxvlan(name))
		return 0;
	/* a driver that has it fixed on may say yes and do nothing */
	return rxvlan(name, 0) || has_rxvlan(name) ? XI_IF_TAGS_GONE : XI_IF_RXVLAN;
}

void nic_take_tags(const char *name)
{
	(void)rxvlan(name, 1); /* the interface may be gone */
}
