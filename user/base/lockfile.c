/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/lockfile.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "user/base/clock.h"

#define PAUSE_MAX_NS 10000000

/* Who has it, by /proc/locks; 0 = not known. */
static int holder(int fd)
{
	unsigned major_nr, minor_nr;
	char line[256];
	struct stat st;
	FILE *f = fstat(fd, &st) ? NULL : fopen("/proc/locks", "re");
	int found = 0, pid;
	unsigned long ino;

	if (!f)
		return 0;
	/* "7: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF"; who waits has "->" behind the number */
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_nr, &minor_nr, &ino) == 4 &&
		    ino == st.st_ino && makedev(major_nr, minor_nr) == st.st_dev)
			found = pid;
	(void)fclose(f);
	return found;
}

/* Its name, and whether it is stopped. */
static int look_at(int pid, char name[17])
{
	char path[64], line[128], state = '?';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	(void)str_copy(name, 17, "a process");
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		char *open = strchr(line, '('), *close = strrchr(line, ')'); /* the name may hold anything */

		if (open && close && open < close) {
			*close = '\0';
			(void)str_copy(name, 17, open + 1);
			state = close[1] ? close[2] : '?';
		}
	}
	(void)fclose(f);
	return state == 'T' || state == 't';
}

static int timed_out(int fd, const char *path, struct err *e)
{
	int pid = holder(fd), stopped;
	char name[17];

	if (pid <= 0)
		return err_set(e, -ETIMEDOUT, "another process holds %s", path);
	stopped = look_at(pid, name);
	return err_set(e, -ETIMEDOUT, "%s (process %d%s) holds %s", name, pid, stopped ? ", which is stopped" : "",
		       path);
}

int lockfile_wait(int fd, const char *path, unsigned wait_s, struct err *e)
{
	uint64_t end = clock_ns() + wait_s * NS_PER_S;
	struct timespec pause = {.tv_nsec = 100000};

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return err_set(e, -errno, "cannot lock %s: %s", path, strerror(errno));
		if (!wait_s)
			return -EWOULDBLOCK;
		if (clock_ns() >= end)
			return timed_out(fd, path, e);
		(void)nanosleep(&pause, NULL);
		pause.tv_nsec = MIN(pause.tv_nsec * 2, PAUSE_MAX_NS);
	}
	return 0;
}
