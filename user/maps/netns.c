/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of an instance belong to one network namespace: interface indexes, addresses and attached programs mean nothing in
 * another. xi_meta keeps its cookie (never given twice before a reboot, other than the number of /proc/self/ns/net).
 */
#include "user/maps/internal.h"
#include "user/maps/seqmem.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

uint64_t netns_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		cookie = 0; /* an older kernel: not checked */
	close(fd);
	return cookie;
}

/* Does a pinned XDP link still hold an interface? The kernel lets go when the interface, or its namespace, vanishes. */
static int link_alive(const char *path)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path), alive = 0;

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		alive = info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex != 0;
	close(fd);
	return alive;
}

/* Calls f on every pinned link until it returns non-zero; that is the result. */
static int each_link(const struct paths *p, int (*f)(const char *path))
{
	DIR *dir = opendir(p->pins);
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return 0;
	while (!rc && (d = readdir(dir))) {
		char path[PATH_LEN + 256];

		if (strncmp(d->d_name, "link_", 5) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", p->pins, d->d_name);
		rc = f(path);
	}
	(void)closedir(dir);
	return rc;
}

/* xdp-ipsecd holds this lock for as long as it runs. */
static int daemon_runs(const struct paths *p)
{
	char path[PATH_LEN + 16];
	int fd, busy;

	(void)snprintf(path, sizeof(path), "%s/xdp-ipsecd.pid", p->run);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	busy = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return busy;
}

static int unpin_link(const char *path)
{
	(void)unlink(path); /* one that stays is found dead again next time */
	return 0;
}

int netns_check(struct maps *m, struct err *e)
{
	uint64_t here = netns_cookie();
	int rc;

	if (!here || !m->meta->netns || here == m->meta->netns)
		return 0;
	if (each_link(&m->paths, link_alive) || daemon_runs(&m->paths))
		return err_set(
			e, -EXDEV,
			"instance %s belongs to another network namespace, where its interfaces are attached: run this "
			"there (`ip netns exec`), or choose another name with --instance",
			m->paths.instance);
	/* That namespace is gone and took the interfaces along. Its keys may be used again, its sequence numbers may not. */
	rc = seqmem_note_all(m, e);
	if (rc && rc != -EBADMSG)
		return rc;
	(void)each_link(&m->paths, unpin_link);
	return err_set(e, -ENOENT, "instance %s has no maps: the network namespace it belonged to is gone",
		       m->paths.instance);
}
