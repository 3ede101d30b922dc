/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

static void read_tag(struct link *l, const struct nlattr *data)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, data)
	{
		if (mnl_attr_validate(a, MNL_TYPE_U16) < 0)
			continue; /* flags, priority maps */
		if (mnl_attr_get_type(a) == IFLA_VLAN_ID)
			l->vid = __builtin_bswap16(mnl_attr_get_u16(a)); /* the only one in host order */
		else if (mnl_attr_get_type(a) == IFLA_VLAN_PROTOCOL)
			l->proto = mnl_attr_get_u16(a);
	}
}

static void read_info(struct link *l, const struct nlattr *info)
{
	const struct nlattr *a, *data = NULL;

	mnl_attr_for_each_nested(a, info)
	{
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			l->vlan = strcmp(mnl_attr_get_str(a), "vlan") == 0;
		else if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
	}
	if (l->vlan && data)
		read_tag(l, data);
}

static void read_attr(struct link *l, const struct nlattr *a)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_MTU:
		l->mtu = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK:
		l->below = mnl_attr_get_u32(a);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(l->mac))
			memcpy(l->mac, mnl_attr_get_payload(a), sizeof(l->mac));
		break;
	case IFLA_LINKINFO:
		read_info(l, a);
		break;
	default:
		break;
	}
}

void link_parse(const struct nlmsghdr *nlh, struct link *l)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;
	int elsewhere = 0;

	memset(l, 0, sizeof(*l));
	l->ifindex = (__u32)ifi->ifi_index;
	l->ethernet_up = ifi->ifi_type == ARPHRD_ETHER && (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
	mnl_attr_for_each(a, nlh, sizeof(*ifi))
	{
		read_attr(l, a);
		elsewhere |= mnl_attr_get_type(a) == IFLA_LINK_NETNSID;
	}
	if (elsewhere)
		l->below = 0; /* a number of another network namespace */
}

int link_path(const struct link *l, int (*find)(void *arg, __u32 ifindex, struct link *), void *arg,
	      struct vlan_path *p)
{
	struct link at = *l;

	memset(p, 0, sizeof(*p));
	while (at.vlan) {
		/* what we come by first is the innermost tag */
		if (p->n == RT_TAGS_MAX || !at.below || !at.proto || !at.vid)
			return -1;
		p->proto[1] = p->proto[0];
		p->vid[1] = p->vid[0];
		p->proto[0] = at.proto;
		p->vid[0] = at.vid;
		p->n++;
		if (find(arg, at.below, &at) || memcmp(at.mac, l->mac, sizeof(at.mac)) != 0)
			return -1;
	}
	p->ifindex = at.ifindex;
	return 0;
}
