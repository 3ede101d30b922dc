/* SPDX-License-Identifier: BSD-2-Clause */
/* What the host's routes say, asked without privileges. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike/sad/sad_priv.h"

int sad_source(const struct ike_addr *remote, struct ike_addr *local)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(IKE_PORT)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(IKE_PORT)};
	int four = remote->family == XI_IP4, fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr *a = four ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t len = four ? sizeof(a4) : sizeof(a6);
	int rc = 0;

	if (fd < 0)
		return -errno;
	memcpy(four ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr, &remote->addr, four ? 4 : 16);
	if (connect(fd, a, len) || getsockname(fd, a, &len))
		rc = -ENETUNREACH;
	*local = (struct ike_addr){.family = remote->family};
	memcpy(&local->addr, four ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr, four ? 4 : 16);
	close(fd);
	return rc;
}

#define ROUTES_MAX 16384 /* looked at for one answer: IKE stands still meanwhile */

struct asked {
	const uint8_t *net;
	unsigned len;
	int met;
	uint64_t seen;
};

static int attr(const struct nlattr *a, void *data)
{
	const struct nlattr **dst = data;

	if (mnl_attr_get_type(a) == RTA_DST)
		*dst = a;
	return MNL_CB_OK;
}

static int route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *dst = NULL;
	struct asked *q = data;

	if (++q->seen > ROUTES_MAX)
		return MNL_CB_STOP;
	if ((rt->rtm_type != RTN_UNICAST && rt->rtm_type != RTN_LOCAL) || !rt->rtm_dst_len)
		return MNL_CB_OK;
	(void)mnl_attr_parse(nlh, sizeof(*rt), attr, &dst);
	if (dst && mnl_attr_get_payload_len(dst) >= (rt->rtm_dst_len + 7u) / 8 &&
	    equal_bits(mnl_attr_get_payload(dst), q->net, MIN(q->len, rt->rtm_dst_len)))
		q->met = 1;
	return q->met ? MNL_CB_STOP : MNL_CB_OK;
}

static int ask(struct mnl_socket *nl, struct nlmsghdr *nlh, struct asked *q)
{
	char buf[16384];
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return 0;
	while ((n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) > 0)
		if (mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), route, q) <= MNL_CB_STOP ||
		    !(nlh->nlmsg_flags & NLM_F_DUMP))
			break;
	return q->met;
}

static struct nlmsghdr *request(char *buf, uint16_t flags, uint8_t family, struct rtmsg **rt)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	*rt = mnl_nlmsg_put_extra_header(nlh, sizeof(**rt));
	(*rt)->rtm_family = family == XI_IP4 ? AF_INET : AF_INET6;
	return nlh;
}

/* The route that the kernel takes to the first host of the prefix: whatever there are besides, it is one question. */
static int ask_one(struct mnl_socket *nl, uint8_t family, struct asked *q)
{
	unsigned size = family == XI_IP4 ? 4 : 16;
	char buf[256];
	struct rtmsg *rt;
	struct nlmsghdr *nlh = request(buf, 0, family, &rt);
	uint8_t host[16];

	memcpy(host, q->net, size);
	if (q->len + 1 < size * 8)
		host[size - 1] |= 1; /* the network's own address is a broadcast address of old kernels */
	rt->rtm_dst_len = (uint8_t)(size * 8);
	rt->rtm_flags = RTM_F_FIB_MATCH; /* the entry, not its use for that host */
	mnl_attr_put(nlh, RTA_DST, size, host);
	return ask(nl, nlh, q);
}

/* Routes that are narrower than the prefix: no question finds them, they are looked through as far as is bearable. */
static int dump(struct mnl_socket *nl, uint8_t family, struct asked *q)
{
	char buf[256];
	struct rtmsg *rt;

	return ask(nl, request(buf, NLM_F_DUMP, family, &rt), q);
}

int sad_routed(const struct xi_addr *net, uint8_t len, uint8_t family, uint64_t *looked)
{
	struct asked q = {.net = (const uint8_t *)net, .len = len};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!nl)
		return 0;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 && !ask_one(nl, family, &q))
		(void)dump(nl, family, &q);
	(void)mnl_socket_close(nl);
	*looked += q.seen;
	return q.met;
}
