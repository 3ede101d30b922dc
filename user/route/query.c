/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/query.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

/* What RTM_GETROUTE said. */
struct route_reply {
	__u8 type; /* RTN_* */
	__u32 oif;
	__u32 mtu;
	int expires;	      /* what is said of mtu was learned by the stack from ICMP, of this destination */
	__u8 dst_len;	      /* bits of the entry's prefix, when that was asked for */
	__u32 gateway_family; /* 0 = none: the destination is on the link */
	struct xi_addr gateway;
};

int rt_query_open(struct rt_query *q, struct err *e)
{
	return nl_open(&q->nl, NETLINK_ROUTE, 0, e);
}

void rt_query_close(struct rt_query *q)
{
	if (q->nl)
		mnl_socket_close(q->nl);
	q->nl = NULL;
}

static size_t addr_len(unsigned family)
{
	return family == XI_IP4 ? 4 : 16;
}

static __u8 af_of(unsigned family)
{
	return family == XI_IP4 ? AF_INET : AF_INET6;
}

static void copy_addr(struct xi_addr *to, const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);

	if (n == 4 || n == 16)
		memcpy(to, mnl_attr_get_payload(a), n);
}

static __u32 metric_mtu(const struct nlattr *metrics)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, metrics) if (mnl_attr_get_type(a) == RTAX_MTU &&
						 mnl_attr_validate(a, MNL_TYPE_U32) >= 0) return mnl_attr_get_u32(a);
	return 0;
}

/* A gateway of the other family: RTA_VIA, as `ip route add ... via inet6 fe80::1` makes it. */
static void read_via(struct route_reply *r, const struct nlattr *a)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);

	if (len == sizeof(*via) + 4 && via->rtvia_family == AF_INET)
		r->gateway_family = XI_IP4;
	else if (len == sizeof(*via) + 16 && via->rtvia_family == AF_INET6)
		r->gateway_family = XI_IP6;
	else
		return;
	memcpy(&r->gateway, via->rtvia_addr, len - sizeof(*via));
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_reply *r = data;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	r->type = rtm->rtm_type;
	r->dst_len = rtm->rtm_dst_len;
	mnl_attr_for_each(a, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			r->oif = mnl_attr_get_u32(a);
			break;
		case RTA_GATEWAY:
			r->gateway_family = rtm->rtm_family == AF_INET ? XI_IP4 : XI_IP6;
			copy_addr(&r->gateway, a);
			break;
		case RTA_VIA:
			read_via(r, a);
			break;
		case RTA_METRICS:
			r->mtu = metric_mtu(a);
			break;
		case RTA_CACHEINFO:
			if (mnl_attr_get_payload_len(a) >= sizeof(struct rta_cacheinfo))
				r->expires = ((const struct rta_cacheinfo *)mnl_attr_get_payload(a))->rta_expires != 0;
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

static int ask_route(struct rt_query *q, const struct rt_key *key, __u32 flags, struct route_reply *r)
{
	char buf[512] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm->rtm_family = af_of(key->family);
	rtm->rtm_flags = flags;
	rtm->rtm_dst_len = rtm->rtm_src_len = (__u8)(addr_len(key->family) * 8);
	mnl_attr_put(nlh, RTA_DST, addr_len(key->family), &key->dst);
	mnl_attr_put(nlh, RTA_SRC, addr_len(key->family), &key->src);
	if (key->iif)
		mnl_attr_put_u32(nlh, RTA_IIF, key->iif);
	memset(r, 0, sizeof(*r));
	return nl_talk(q->nl, nlh, on_route, r);
}

/*
 * What the host's own connections have learned about the path is not what an SA has (user/worker/path.c learns that by itself): in
 * transport mode the destination is the same, and the stack has been told the MTU inside. Taken for that of the link it would be told
 * less with every answer. The MTU of the route's own entry stays.
 */
static int get_route(struct rt_query *q, const struct rt_key *key, struct route_reply *r)
{
	int rc = ask_route(q, key, 0, r);
	struct route_reply entry;

	if (rc || key->iif || !r->mtu || !r->expires)
		return rc;
	rc = ask_route(q, key, RTM_F_FIB_MATCH, &entry);
	if (!rc)
		r->mtu = entry.mtu;
	return rc;
}

#define NETWORK_BITS                                                                                                   \
	8 /* no network is larger: shorter prefixes are ways to everywhere (0/0, 0/1 and 128/1, 2000::/3) */

/* Of r, the answer for key. Yes, too, when the kernel does not say. */
static int leads_anywhere(struct rt_query *q, const struct rt_key *key, const struct route_reply *r)
{
	struct route_reply entry;

	if (!key->iif || !q->nat)
		return 0;
	if (r->gateway_family && r->oif == key->iif)
		return 1;
	return ask_route(q, key, RTM_F_FIB_MATCH, &entry) || entry.dst_len < NETWORK_BITS;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		link_parse(nlh, data);
	return MNL_CB_OK;
}

static int get_link(struct rt_query *q, unsigned ifindex, struct link *l)
{
	char buf[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_GETLINK;
	ifi->ifi_index = (int)ifindex;
	memset(l, 0, sizeof(*l));
	return nl_talk(q->nl, nlh, on_link, l);
}

static int find_link(void *arg, __u32 ifindex, struct link *l)
{
	return get_link(arg, ifindex, l) ? -1 : 0;
}

void rt_neigh_parse(const struct nlmsghdr *nlh, struct rt_neigh *n)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;
	int has_mac = 0;

	memset(n, 0, sizeof(*n));
	mnl_attr_for_each(a, nlh, sizeof(*nd))
	{
		if (mnl_attr_get_type(a) == NDA_DST) {
			copy_addr(&n->addr, a);
		} else if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == 6) {
			memcpy(n->mac, mnl_attr_get_payload(a), 6);
			has_mac = 1;
		}
	}
	n->valid = has_mac && (nd->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT));
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWNEIGH)
		rt_neigh_parse(nlh, data);
	return MNL_CB_OK;
}

static struct nlmsghdr *neigh_msg(char *buf, __u16 type, unsigned ifindex, unsigned family, const struct xi_addr *addr)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));

	nlh->nlmsg_type = type;
	nd->ndm_family = af_of(family);
	nd->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, addr_len(family), addr);
	return nlh;
}

void rt_query_confirm(struct rt_query *q, unsigned ifindex, unsigned family, const struct xi_addr *addr)
{
	char buf[256] = {0};
	struct nlmsghdr *nlh = neigh_msg(buf, RTM_NEWNEIGH, ifindex, family, addr);
	struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	int rc;

	nlh->nlmsg_flags = NLM_F_CREATE;
	nd->ndm_flags = NTF_USE;
	rc = nl_talk(q->nl, nlh, NULL, NULL);
	(void)rc; /* a full neighbour table or a link just gone: the packets stay on the slow path, which reports it */
}

static int get_neigh(struct rt_query *q, unsigned ifindex, unsigned family, const struct xi_addr *addr,
		     struct rt_neigh *n)
{
	char buf[256] = {0};

	memset(n, 0, sizeof(*n));
	return nl_talk(q->nl, neigh_msg(buf, RTM_GETNEIGH, ifindex, family, addr), on_neigh, n);
}

/* No way there, prohibited, blackhole, or the reverse path fails: all else is our trouble, not the kernel's answer. */
static int refused(int rc)
{
	return rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EACCES || rc == -EINVAL || rc == -EXDEV;
}

void rt_hop_header(struct rt_hop *hop, const __u8 *dst, const __u8 *src, const struct vlan_path *p, unsigned family)
{
	const __be16 ip = __builtin_bswap16(family == XI_IP4 ? ETH_P_IP : ETH_P_IPV6);
	__u8 *at = hop->l2;

	memcpy(at, dst, ETH_ALEN);
	memcpy(at + ETH_ALEN, src, ETH_ALEN);
	at += 2ul * ETH_ALEN;
	for (unsigned i = 0; i < p->n; i++, at += 4) { /* IEEE 802.1Q: priority 0 */
		memcpy(at, &p->proto[i], 2);
		memcpy(at + 2, &p->vid[i], 2);
	}
	memcpy(at, &ip, sizeof(ip));
	hop->l2_len = (__u32)(at + sizeof(ip) - hop->l2);
}

void rt_query_hop(struct rt_query *q, const struct rt_key *key, struct rt_answer *a)
{
	struct route_reply r;
	struct vlan_path path;
	struct rt_neigh n;
	struct link l;
	int rc = get_route(q, key, &r);

	memset(a, 0, sizeof(*a));
	if (rc) {
		a->hop.kind = refused(rc) ? RT_NONE : RT_UNKNOWN;
		return;
	}
	a->hop.ifindex = a->hop.tx_ifindex = r.oif;
	a->hop.mtu = r.mtu;
	a->hop.kind = r.type == RTN_UNICAST ? RT_STACK : RT_LOCAL;
	rc = get_link(q, r.oif, &l);
	if (rc) {
		if (rc != -ENODEV)
			a->hop.kind = RT_UNKNOWN;
		return;
	}
	if (!a->hop.mtu || a->hop.mtu > l.mtu)
		a->hop.mtu = l.mtu;
	if (r.type != RTN_UNICAST || !l.ethernet_up || link_path(&l, find_link, q, &path))
		return;
	a->via = r.gateway_family ? r.gateway : key->dst;
	a->via_family = r.gateway_family ? r.gateway_family : key->family;
	/* A first look is what starts resolution; the answer comes as an event and makes this one old. */
	if (get_neigh(q, r.oif, a->via_family, &a->via, &n) || !n.valid) {
		rt_query_confirm(q, r.oif, a->via_family, &a->via);
		if (get_neigh(q, r.oif, a->via_family, &a->via, &n) || !n.valid)
			return;
	}
	rt_hop_header(&a->hop, n.mac, l.mac, &path, key->family);
	a->hop.tx_ifindex = path.ifindex;
	a->hop.anywhere = (__u32)leads_anywhere(q, key, &r);
	a->hop.kind = RT_TX;
}
