/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/ikesock.h"

#include <errno.h>
#include <unistd.h>

#include "user/base/unixsock.h"

#define IKESOCK_WAIT_S 10

int ikesock_call(const struct paths *p, const char *request, const int *fds, unsigned n_fds, char *reply, int *pid,
		 struct err *e)
{
	int fd = unixsock_dial(p->ike_sock, IKESOCK_WAIT_S), rc;

	if (pid)
		*pid = fd < 0 ? 0 : unixsock_peer(fd);
	if (fd == -ENOTCONN)
		return err_set(e, fd, "xdp-iked of instance %s does not run", p->instance);
	if (fd < 0)
		return err_set(e, fd == -EAGAIN ? -ETIMEDOUT : fd, "cannot reach xdp-iked by %s: %s", p->ike_sock,
			       strerror(-fd));
	rc = unixsock_talk(fd, request, fds, n_fds, reply, IKESOCK_MSG_MAX);
	close(fd);
	if (rc == -ECONNRESET)
		return err_set(e, rc, "xdp-iked closed the connection without an answer");
	if (rc == -EAGAIN)
		return err_set(e, -ETIMEDOUT, "xdp-iked did not answer within %u s", IKESOCK_WAIT_S);
	return rc ? err_set(e, rc, "talking to xdp-iked failed: %s", strerror(-rc)) : 0;
}
