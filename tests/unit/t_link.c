/* SPDX-License-Identifier: BSD-2-Clause */
/* VLAN devices by forged rtnetlink messages: tags, stacks of them, what is not served; the header that frames get (IEEE 802.1Q, 802.1ad). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "user/base/util.h"
#include "user/route/link.h"
#include "user/route/query.h"

struct forged {
	unsigned ifindex, below, proto, vid, mac;
	const char *kind;
	int elsewhere;	/* what is below is in another network namespace */
	unsigned flags; /* 0 = up and running */
	unsigned type;	/* 0 = Ethernet */
};

static void put_info(struct nlmsghdr *nlh, const struct forged *f)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, f->kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons((uint16_t)f->proto));
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, (uint16_t)f->vid);
	mnl_attr_put(nlh, IFLA_VLAN_FLAGS, sizeof(struct ifla_vlan_flags),
		     &(struct ifla_vlan_flags){.flags = 1, .mask = ~0u});
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static struct link made(const struct forged *f)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)f->mac};
	char buf[512] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct link l;

	nlh->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = (int)f->ifindex;
	ifi->ifi_type = (unsigned short)(f->type ? f->type : ARPHRD_ETHER);
	ifi->ifi_flags = f->flags ? f->flags : IFF_UP | IFF_RUNNING;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "x");
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac), mac);
	if (f->below)
		mnl_attr_put_u32(nlh, IFLA_LINK, f->below);
	if (f->elsewhere)
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
	if (f->kind)
		put_info(nlh, f);
	link_parse(nlh, &l);
	return l;
}

static const struct forged net[] = {
	{.ifindex = 2, .mac = 1},
	{.ifindex = 3, .mac = 1, .kind = "vlan", .below = 2, .proto = ETH_P_8021Q, .vid = 7},
	{.ifindex = 4, .mac = 1, .kind = "vlan", .below = 2, .proto = ETH_P_8021AD, .vid = 4094},
	{.ifindex = 5, .mac = 1, .kind = "vlan", .below = 4, .proto = ETH_P_8021Q, .vid = 9},
	{.ifindex = 6, .mac = 1, .kind = "vlan", .below = 5, .proto = ETH_P_8021Q, .vid = 10},
	{.ifindex = 7, .mac = 2, .kind = "vlan", .below = 2, .proto = ETH_P_8021Q, .vid = 8},
	{.ifindex = 8, .mac = 2, .kind = "vlan", .below = 7, .proto = ETH_P_8021Q, .vid = 8},
	{.ifindex = 9, .mac = 1, .kind = "vlan", .below = 2, .proto = ETH_P_8021Q, .vid = 8, .elsewhere = 1},
	{.ifindex = 10, .mac = 1, .kind = "vlan", .below = 99, .proto = ETH_P_8021Q, .vid = 8},
	{.ifindex = 11, .mac = 1, .kind = "vlan", .below = 2, .proto = ETH_P_8021Q, .vid = 0},
	{.ifindex = 12, .mac = 1, .kind = "macvlan", .below = 2, .proto = ETH_P_8021Q, .vid = 8},
	{.ifindex = 13, .mac = 1, .kind = "veth", .below = 2},
};

static int find(void *arg, __u32 ifindex, struct link *l)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(net); i++)
		if (net[i].ifindex == ifindex) {
			*l = made(&net[i]);
			return 0;
		}
	return -1;
}

static int path_of(__u32 ifindex, struct vlan_path *p)
{
	struct link l;

	assert_int_equal(find(NULL, ifindex, &l), 0);
	return link_path(&l, find, NULL, p);
}

static void t_parse(void **state)
{
	struct link l = made(&net[1]);
	struct forged down = net[0], tunnel = net[0];

	(void)state;
	assert_int_equal(l.ifindex, 3);
	assert_int_equal(l.below, 2);
	assert_int_equal(l.mtu, 1500);
	assert_int_equal(l.vlan, 1);
	assert_int_equal(l.proto, htons(0x8100));
	assert_int_equal(l.vid, htons(7));
	assert_int_equal(l.mac[5], 1);
	assert_int_equal(l.ethernet_up, 1);
	down.flags = IFF_UP; /* no carrier */
	assert_int_equal(made(&down).ethernet_up, 0);
	tunnel.type = ARPHRD_IPGRE;
	assert_int_equal(made(&tunnel).ethernet_up, 0);
	assert_int_equal(made(&net[7]).below, 0);
	assert_int_equal(made(&net[10]).vlan, 0);
}

static void t_paths(void **state)
{
	struct vlan_path p;

	(void)state;
	assert_int_equal(path_of(2, &p), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.ifindex, 2);
	assert_int_equal(path_of(3, &p), 0);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.ifindex, 2);
	assert_int_equal(p.proto[0], htons(0x8100));
	assert_int_equal(p.vid[0], htons(7));
	assert_int_equal(p.proto[1] | p.vid[1], 0);
	assert_int_equal(path_of(5, &p), 0); /* the outer tag comes first */
	assert_int_equal(p.n, 2);
	assert_int_equal(p.ifindex, 2);
	assert_int_equal(p.proto[0], htons(0x88a8));
	assert_int_equal(p.vid[0], htons(4094));
	assert_int_equal(p.proto[1], htons(0x8100));
	assert_int_equal(p.vid[1], htons(9));
	for (__u32 i = 12; i <= 13; i++) {
		assert_int_equal(path_of(i, &p), 0);
		assert_int_equal(p.n, 0);
		assert_int_equal(p.ifindex, i);
	}
}

/* Three tags; a MAC address of its own, also further down; below it nothing that is here; the VLAN that is none. */
static void t_not_served(void **state)
{
	struct vlan_path p;

	(void)state;
	for (__u32 i = 6; i <= 11; i++)
		assert_int_equal(path_of(i, &p), -1);
}

static void t_header(void **state)
{
	static const uint8_t dst[6] = {2, 0, 0, 0, 0, 0xd}, src[6] = {2, 0, 0, 0, 0, 0x5};
	static const uint8_t plain[] = {2, 0, 0, 0, 0, 0xd, 2, 0, 0, 0, 0, 5, 0x86, 0xdd};
	static const uint8_t one[] = {2, 0, 0, 0, 0, 0xd, 2, 0, 0, 0, 0, 5, 0x81, 0, 0, 7, 8, 0};
	static const uint8_t two[] = {2, 0,    0,    0,	   0,	 0xd,  2, 0, 0, 0, 0,
				      5, 0x88, 0xa8, 0x0f, 0xfe, 0x81, 0, 0, 9, 8, 0};
	struct vlan_path p;
	struct rt_hop h;

	(void)state;
	assert_int_equal(path_of(2, &p), 0);
	rt_hop_header(&h, dst, src, &p, XI_IP6);
	assert_int_equal(h.l2_len, RT_L2_PLAIN);
	assert_memory_equal(h.l2, plain, sizeof(plain));
	assert_int_equal(path_of(3, &p), 0);
	rt_hop_header(&h, dst, src, &p, XI_IP4);
	assert_int_equal(h.l2_len, sizeof(one));
	assert_memory_equal(h.l2, one, sizeof(one));
	assert_int_equal(path_of(5, &p), 0);
	rt_hop_header(&h, dst, src, &p, XI_IP4);
	assert_int_equal(h.l2_len, RT_L2_MAX);
	assert_memory_equal(h.l2, two, sizeof(two));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_parse),
		cmocka_unit_test(t_paths),
		cmocka_unit_test(t_not_served),
		cmocka_unit_test(t_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
