/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each BPF file system has pins of its own, and a mount namespace may have another one than its neighbour. The run folder is the same for
 * all: it keeps the id of the instance's xi_meta map. As long as that map lives, whoever does not find its pin looks in the wrong
 * place, and must not make a second set of maps: a data plane on those would serve no interface, without a word.
 */
#include "user/maps/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void place_path(char out[PATH_LEN + 16], const struct paths *p)
{
	(void)snprintf(out, PATH_LEN + 16, "%s/maps.id", p->run);
}

int place_note(const struct maps *m, struct err *e)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	char path[PATH_LEN + 16];
	int fd, ok;

	place_path(path, &m->paths);
	if (bpf_obj_get_info_by_fd(m->fd[MAP_META], &info, &len))
		return err_set(e, -errno, "cannot ask about %s: %s", XI_MAP_META, strerror(errno));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	ok = dprintf(fd, "%u\n", info.id) > 0;
	return close(fd) < 0 || !ok ? err_set(e, -EIO, "cannot write %s", path) : 0;
}

void place_forget(const struct paths *p)
{
	char path[PATH_LEN + 16];

	place_path(path, p);
	(void)unlink(path); /* one that stays names a map that is about to go */
}

/* Does a map of this id live, and is it an xi_meta? Ids are not given twice before a reboot. */
static int meta_lives(__u32 id)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), lives;

	if (fd < 0)
		return 0;
	lives = bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strcmp(info.name, XI_MAP_META) == 0;
	close(fd);
	return lives;
}

int place_check(const struct paths *p, struct err *e)
{
	char path[PATH_LEN + 16], text[32];
	ssize_t n;
	int fd;

	if (access(p->pins, F_OK) == 0)
		return 0; /* half a set stands here: it was removed */
	place_path(path, p);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (!meta_lives((__u32)strtoul(text, NULL, 10)))
		return 0;
	return err_set(
		e, -EXDEV,
		"the maps of instance \"%s\" are there, but not in the BPF file system that this process sees: run it "
		"where /sys/fs/bpf is the one they were pinned in (`nsenter --net=/run/netns/NAME` leaves /sys alone), "
		"or remove %s to do without them",
		p->instance, path);
}
