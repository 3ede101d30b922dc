/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/datasock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DATASOCK_WAIT_S 10

/* A connected socket, or a negative errno; nobody listens: -ENOTCONN. */
static int dial(const struct paths *p, unsigned wait_s, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = wait_s};
	int rc, fd;

	if (str_copy(to.sun_path, sizeof(to.sun_path), p->data_sock))
		return err_set(e, -ENAMETOOLONG, "path too long: %s", p->data_sock);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "cannot make a socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	rc = errno == ENOENT || errno == ECONNREFUSED ? -ENOTCONN : -errno;
	close(fd);
	if (rc == -ENOTCONN)
		return err_set(e, rc, "xdp-ipsecd of instance %s does not run", p->instance);
	return err_set(e, rc, "cannot reach xdp-ipsecd by %s: %s", p->data_sock, strerror(-rc));
}

static int peer_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}

/* One request and its answer on an open connection. */
static int talk(int fd, const char *request, char *reply, unsigned wait_s, struct err *e)
{
	ssize_t n;

	do
		n = send(fd, request, strlen(request), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		do
			n = recv(fd, reply, DATASOCK_MSG_MAX - 1, 0);
		while (n < 0 && errno == EINTR);
	if (n > 0) {
		reply[n] = '\0';
		return 0;
	}
	if (n == 0)
		return err_set(e, -ECONNRESET, "xdp-ipsecd closed the connection without an answer");
	if (errno == EAGAIN)
		return err_set(e, -ETIMEDOUT, "xdp-ipsecd did not answer within %u s", wait_s);
	return err_set(e, -errno, "talking to xdp-ipsecd failed: %s", strerror(errno));
}

int datasock_call_wait(const struct paths *p, const char *request, char *reply, unsigned wait_s, int *pid,
		       struct err *e)
{
	int fd = dial(p, wait_s, e), rc;

	if (pid)
		*pid = fd < 0 ? 0 : peer_pid(fd);
	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd; /* its queue is full: it takes nobody in */
	rc = talk(fd, request, reply, wait_s, e);
	close(fd);
	return rc;
}

int datasock_subscribe(const struct paths *p, int acquires, struct err *e)
{
	char reply[DATASOCK_MSG_MAX];
	struct timeval forever = {0};
	int fd = dial(p, DATASOCK_WAIT_S, e), rc;

	if (fd < 0)
		return fd;
	rc = talk(fd, acquires ? "{\"cmd\":\"subscribe\",\"acquire\":true}" : "{\"cmd\":\"subscribe\"}", reply,
		  DATASOCK_WAIT_S, e);
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
