/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/datasock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "user/base/unixsock.h"

#define DATASOCK_WAIT_S 10

static int dial(const struct paths *p, unsigned wait_s, struct err *e)
{
	int fd = unixsock_dial(p->data_sock, wait_s);

	if (fd == -ENOTCONN)
		return err_set(e, fd, "xdp-ipsecd of instance %s does not run", p->instance);
	return fd < 0 ? err_set(e, fd, "cannot reach xdp-ipsecd by %s: %s", p->data_sock, strerror(-fd)) : fd;
}

/* One request and its answer on an open connection. */
static int talk(int fd, const char *request, char *reply, unsigned wait_s, struct err *e)
{
	int rc = unixsock_talk(fd, request, NULL, 0, reply, DATASOCK_MSG_MAX);

	if (rc == -ECONNRESET)
		return err_set(e, rc, "xdp-ipsecd closed the connection without an answer");
	if (rc == -EAGAIN)
		return err_set(e, -ETIMEDOUT, "xdp-ipsecd did not answer within %u s", wait_s);
	return rc ? err_set(e, rc, "talking to xdp-ipsecd failed: %s", strerror(-rc)) : 0;
}

int datasock_call_wait(const struct paths *p, const char *request, char *reply, unsigned wait_s, int *pid,
		       struct err *e)
{
	int fd = dial(p, wait_s, e), rc;

	if (pid)
		*pid = fd < 0 ? 0 : unixsock_peer(fd);
	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd; /* its queue is full: it takes nobody in */
	rc = talk(fd, request, reply, wait_s, e);
	close(fd);
	return rc;
}

int datasock_subscribe(const struct paths *p, enum datasock_want want, struct err *e)
{
	static const char *const request[] = {
		[DATASOCK_EVENTS] = "{\"cmd\":\"subscribe\"}",
		[DATASOCK_ACQUIRES] = "{\"cmd\":\"subscribe\",\"acquire\":true}",
		[DATASOCK_DROPS] = "{\"cmd\":\"subscribe\",\"drops\":true}",
	};
	char reply[DATASOCK_MSG_MAX];
	struct timeval forever = {0};
	int fd = dial(p, DATASOCK_WAIT_S, e), rc;

	if (fd < 0)
		return fd;
	rc = talk(fd, request[want], reply, DATASOCK_WAIT_S, e);
	if (!rc && !strstr(reply, "\"ok\":true"))
		rc = err_set(e, -EBUSY, "xdp-ipsecd takes no more subscribers");
	if (!rc && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever)) < 0)
		rc = err_set(e, -errno, "cannot wait for events: %s", strerror(errno));
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int datasock_call(const struct paths *p, const char *request, char *reply, struct err *e)
{
	return datasock_call_wait(p, request, reply, DATASOCK_WAIT_S, NULL, e);
}
