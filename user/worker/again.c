/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An attached interface that vanished came back under its name, without a program of ours. A small process, begun before xdp-ipsecd gives up root, then
 * runs `xdp-ipsec start` from the same folder, and does nothing else. It ends with xdp-ipsecd.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/worker/serve.h"

/* Path of xdp-ipsec beside ourselves; -errno. */
static int cli_path(char *out, size_t size)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = 0;
	return snprintf(out, size, "%s/xdp-ipsec", self) < (int)size ? 0 : -ENAMETOOLONG;
}

static void run_start(const char *path, const char *instance)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execl(path, "xdp-ipsec", "--instance", instance, "start", (char *)NULL);
		fprintf(stderr, "cannot run %s: %s\n", path, strerror(errno));
		_exit(1);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

/* In the process of its own: what was asked for several times meanwhile is done once. */
static void serve_requests(int fd, const char *path, const char *instance)
{
	char asked[64];

	(void)prctl(PR_SET_NAME, "xdp-ipsecd-again");
	(void)signal(SIGINT, SIG_IGN); /* of a terminal: xdp-ipsecd ends, and this with it */
	(void)signal(SIGHUP, SIG_IGN);
	while (recv(fd, asked, sizeof(asked), 0) > 0)
		run_start(path, instance);
	_exit(0);
}

int again_open(const char *instance, struct err *e)
{
	char path[640];
	int fd[2], rc = cli_path(path, sizeof(path));
	pid_t pid;

	if (rc)
		return err_set(e, rc, "cannot tell where this program is: %s", strerror(-rc));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return err_set(e, -errno, "socketpair: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		serve_requests(fd[1], path, instance);
	}
	rc = errno;
	close(fd[1]);
	if (pid > 0)
		return fd[0];
	close(fd[0]);
	return err_set(e, -rc, "fork: %s", strerror(rc));
}

int again_ask(int fd)
{
	return send(fd, "a", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 || errno == EAGAIN ? 0 : -errno;
}
