/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/nl.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

int nl_open(struct mnl_socket **out, int bus, unsigned groups, struct err *e)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!nl)
		return err_set(e, -errno, "cannot open a netlink socket: %s", strerror(errno));
	if (mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		int rc = -errno;

		mnl_socket_close(nl);
		return err_set(e, rc, "cannot bind a netlink socket: %s", strerror(-rc));
	}
	*out = nl;
	return 0;
}

/*
 * After a failure the rest of the answer is still in the socket, and would be taken for the next one. The kernel queues what it has to say while
 * it handles the request, and a dump goes on with each read: when nothing is left to read, nothing will come.
 */
static void drain(struct mnl_socket *nl, char *buf, size_t size)
{
	while (recv(mnl_socket_get_fd(nl), buf, size, MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}

static int fail(struct mnl_socket *nl, char *buf, size_t size)
{
	int rc = -errno;

	drain(nl, buf, size);
	return rc;
}

int nl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	static _Thread_local char buf[NL_BUF];
	static _Thread_local uint32_t seq;
	unsigned port = mnl_socket_get_portid(nl);
	ssize_t n;
	int rc;

	nlh->nlmsg_seq = ++seq;
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	/* A single answer (a get without dump) has no end mark of its own: the acknowledgement is it. */
	if (!(nlh->nlmsg_flags & NLM_F_DUMP))
		nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return fail(nl, buf, sizeof(buf));
		rc = mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, port, cb, data);
	} while (rc > MNL_CB_STOP);
	return rc < 0 ? fail(nl, buf, sizeof(buf)) : 0;
}
