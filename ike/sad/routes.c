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

struct asked {
	const uint8_t *net;
	unsigned len;
	int met;
};

static int equal_bits(const uint8_t *x, const uint8_t *y, unsigned bits)
{
	return memcmp(x, y, bits / 8) == 0 && (bits % 8 == 0 || (x[bits / 8] ^ y[bits / 8]) >> (8 - bits % 8) == 0);
}

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

	if ((rt->rtm_type != RTN_UNICAST && rt->rtm_type != RTN_LOCAL) || !rt->rtm_dst_len)
		return MNL_CB_OK;
	(void)mnl_attr_parse(nlh, sizeof(*rt), attr, &dst);
	if (dst && mnl_attr_get_payload_len(dst) >= (rt->rtm_dst_len + 7u) / 8 &&
	    equal_bits(mnl_attr_get_payload(dst), q->net, MIN(q->len, rt->rtm_dst_len)))
		q->met = 1;
	return q->met ? MNL_CB_STOP : MNL_CB_OK;
}

static int dump(struct mnl_socket *nl, uint8_t family, struct asked *q)
{
	char buf[16384];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;
	ssize_t n;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = family == XI_IP4 ? AF_INET : AF_INET6;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return 0;
	while ((n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) > 0)
		if (mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), route, q) <= MNL_CB_STOP)
			break;
	return q->met;
}

int sad_routed(const struct xi_addr *net, uint8_t len, uint8_t family)
{
	struct asked q = {.net = (const uint8_t *)net, .len = len};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!nl)
		return 0;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0)
		(void)dump(nl, family, &q);
	(void)mnl_socket_close(nl);
	return q.met;
}
