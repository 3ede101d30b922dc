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

/* --- features, which ethtool names by strings and sets by their number --- */

#define FEATURES_MAX 256
#define FEATURE_WORDS (FEATURES_MAX / 32)

/* Its number, or -1: the kernel has no such feature. */
static int feature_no(const char *name, const char *feature)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t n;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	struct {
		struct ethtool_gstrings head;
		char text[FEATURES_MAX][ETH_GSTRING_LEN];
	} names = {.head = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES}};

	if (ethtool(name, &set) || !set.info.sset_mask || set.n > FEATURES_MAX)
		return -1;
	names.head.len = set.n;
	if (ethtool(name, &names))
		return -1;
	for (uint32_t i = 0; i < MIN(names.head.len, set.n); i++)
		if (strncmp(names.text[i], feature, ETH_GSTRING_LEN) == 0)
			return (int)i;
	return -1;
}

struct features {
	struct ethtool_gfeatures head;
	struct ethtool_get_features_block word[FEATURE_WORDS];
};

static int features_get(const char *name, struct features *f)
{
	*f = (struct features){.head = {.cmd = ETHTOOL_GFEATURES, .size = FEATURE_WORDS}};
	return ethtool(name, f);
}

static int feature_is_on(const char *name, int no)
{
	struct features f;

	return no >= 0 && features_get(name, &f) == 0 && (f.word[no / 32].active >> (no % 32) & 1);
}

/* A driver that has it fixed may say yes and do nothing. */
static void feature_set(const char *name, int no, int on)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block word[FEATURE_WORDS];
	} set = {.head = {.cmd = ETHTOOL_SFEATURES}};
	struct features f;

	if (features_get(name, &f) || f.head.size > FEATURE_WORDS)
		return;
	set.head.size = f.head.size; /* the kernel's own, neither more nor less */
	set.word[no / 32].valid = 1U << (no % 32);
	set.word[no / 32].requested = on ? 1U << (no % 32) : 0;
	(void)ethtool(name, &set);
}

/* What takes tags out of received frames, one for each kind of tag. */
static const struct {
	const char *name;
	uint32_t was_on, gone; /* XI_IF_* */
} tag_parser[] = {
	{"rx-vlan-hw-parse", XI_IF_RXVLAN, XI_IF_TAGS_GONE},
	{"rx-vlan-stag-hw-parse", XI_IF_RXSTAG, XI_IF_STAGS_GONE},
};

uint32_t nic_keep_tags(const char *name)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tag_parser); i++) {
		int no = feature_no(name, tag_parser[i].name);

		if (!feature_is_on(name, no))
			continue;
		feature_set(name, no, 0);
		flags |= feature_is_on(name, no) ? tag_parser[i].gone : tag_parser[i].was_on;
	}
	return flags;
}

void nic_take_tags(const char *name, uint32_t flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(tag_parser); i++) {
		int no = flags & tag_parser[i].was_on ? feature_no(name, tag_parser[i].name) : -1;

		if (no >= 0)
			feature_set(name, no, 1);
	}
}
