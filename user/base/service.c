/* SPDX-License-Identifier: BSD-2-Clause */
/* See service.h. */
#include "user/base/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/base/util.h"

void service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len;
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@') || str_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return;
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa, (socklen_t)len) < 0)
		log_warning("cannot tell the service manager \"%s\": %s", state, strerror(errno));
	if (fd >= 0)
		close(fd);
}

int service_lock(const struct paths *p, const char *program, struct err *e)
{
	char path[PATH_LEN + 32];
	int rc = path_mkdir(p->run, e), fd;

	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/%s.pid", p->run, program);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		rc = err_set(e, -EBUSY, "%s already runs for instance \"%s\"", program, p->instance);
	if (rc) {
		close(fd);
		return rc;
	}
	/* the number is for people: a full disk must not keep a gateway from starting */
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", (int)getpid()) < 0)
		log_warning("cannot write %s: %s", path, strerror(errno));
	return fd;
}
