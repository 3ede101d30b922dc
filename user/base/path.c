/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"

int paths_init(struct paths *p, const char *instance, unsigned abi, struct err *e)
{
	size_t n = strnlen(instance, PATH_INSTANCE_MAX);

	if (n == 0 || n == PATH_INSTANCE_MAX)
		return err_set(e, -EINVAL, "instance name must have 1 to %d characters", PATH_INSTANCE_MAX - 1);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)instance[i]) && instance[i] != '-' && instance[i] != '_')
			return err_set(e, -EINVAL,
				       "instance name \"%s\": only letters, digits, '-' and '_' are allowed", instance);
	memset(p, 0, sizeof(*p));
	memcpy(p->instance, instance, n);
	(void)snprintf(p->pins, PATH_LEN, BPFFS "/xdp-ipsec/%s/v%u", instance, abi);
	(void)snprintf(p->run, PATH_LEN, "/run/xdp-ipsec/%s", instance);
	(void)snprintf(p->data_sock, PATH_LEN, "/run/xdp-ipsec/%s/data.sock", instance);
	(void)snprintf(p->ike_sock, PATH_LEN, "/run/xdp-ipsec/%s/ike.sock", instance);
	(void)snprintf(p->spd_lock, PATH_LEN, "/run/xdp-ipsec/%s/spd.lock", instance);
	(void)snprintf(p->conf_dir, PATH_LEN, "/etc/xdp-ipsec/%s", instance);
	(void)snprintf(p->conf, PATH_LEN, "/etc/xdp-ipsec/%s/ipsec.rsc", instance);
	return 0;
}

int path_mkdir(const char *folder, struct err *e)
{
	char part[PATH_LEN];

	if (str_copy(part, sizeof(part), folder))
		return err_set(e, -ENAMETOOLONG, "path too long: %s", folder);
	for (char *s = part + 1;; s++) {
		char c = *s;

		if (c != '/' && c != '\0')
			continue;
		*s = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_set(e, -errno, "cannot make folder %s: %s", part, strerror(errno));
		*s = c;
		if (c == '\0')
			return 0;
	}
}

static int is_bpffs(void)
{
	struct statfs s;

	return statfs(BPFFS, &s) == 0 && (unsigned long)s.f_type == BPF_FS_MAGIC;
}

static int ns_id(const char *proc, const char *ns, struct stat *st)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", proc, ns);
	return stat(path, st);
}

static int parent_of(int pid)
{
	char path[64], line[512];
	int ppid = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		const char *close = strrchr(line, ')'); /* the command's name may hold anything */

		if (!close || sscanf(close + 1, " %*c %d", &ppid) != 1)
			ppid = 0;
	}
	(void)fclose(f);
	return ppid;
}

/* Joins the mount namespace of pid when it is another one and pid lives in another network namespace. */
static int join_mounts_of(int pid)
{
	char proc[16], path[64];
	struct stat mine, theirs;
	int cwd, ns, rc = -1;

	(void)snprintf(proc, sizeof(proc), "%d", pid);
	if (ns_id("self", "mnt", &mine) || ns_id(proc, "mnt", &theirs) || mine.st_ino == theirs.st_ino)
		return -1;
	if (ns_id("self", "net", &mine) || ns_id(proc, "net", &theirs) || mine.st_ino == theirs.st_ino)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns >= 0)
		rc = setns(ns, CLONE_NEWNS);
	if (rc == 0 && cwd >= 0 && fchdir(cwd) < 0)
		rc = -1;
	if (ns >= 0)
		close(ns);
	if (cwd >= 0)
		close(cwd);
	return rc;
}

/*
 * Was /sys put there by `ip netns exec` for this process alone? Its source has the name of our network namespace then, a file
 * in /run/netns. name: room for that.
 */
static int sys_of_netns_exec(char name[64])
{
	struct stat mine, named;
	char line[1024], path[96];
	int hidden = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		const char *rest = strstr(line, " - "); /* behind the optional fields: type, source */
		char at[16];

		if (!rest || sscanf(line, "%*d %*d %*s %*s %15s", at) != 1 || strcmp(at, "/sys") != 0)
			continue;
		hidden = 0; /* the last mount there is the one in force */
		if (sscanf(rest, " - sysfs %63s", name) != 1 || strchr(name, '/'))
			continue;
		(void)snprintf(path, sizeof(path), "/run/netns/%s", name);
		hidden = ns_id("self", "net", &mine) == 0 && stat(path, &named) == 0 && mine.st_dev == named.st_dev &&
			 mine.st_ino == named.st_ino;
	}
	(void)fclose(f);
	return hidden;
}

int path_enter_bpffs(struct err *e)
{
	char netns[64];

	if (is_bpffs())
		return 0;
	if (join_mounts_of(1) != 0)
		for (int pid = getppid(); pid > 1 && join_mounts_of(pid) != 0;)
			pid = parent_of(pid);
	if (is_bpffs())
		return 0;
	/* A mount of our own would go with us: what is pinned in it, programs on interfaces included, and nobody else would see it. */
	if (sys_of_netns_exec(netns))
		return err_set(
			e, -ENOENT,
			"`ip netns exec` hides the BPF file system, and the process that started this one has ended: "
			"use `nsenter --net=/run/netns/%s` instead",
			netns);
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") < 0)
		return err_set(e, -errno, "cannot mount a BPF file system on %s: %s", BPFFS,
			       errno == EPERM || errno == EACCES ? "not permitted, run as root" : strerror(errno));
	return 0;
}
