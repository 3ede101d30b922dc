/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up what is not needed: user, capabilities, system calls (libcap-ng, libseccomp). */
#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"

#define USER_DEFAULT "xdp-iked"
#define USER_FALLBACK "nobody"

static const struct passwd *find_user(const char *name)
{
	const struct passwd *pw = getpwnam(name ? name : USER_DEFAULT);

	if (pw || name)
		return pw;
	log_warning("there is no user " USER_DEFAULT " (make install makes it): running as " USER_FALLBACK);
	return getpwnam(USER_FALLBACK);
}

int priv_drop(const char *user, struct err *e)
{
	const struct passwd *pw = find_user(user);

	if (!pw || pw->pw_uid == 0)
		return err_set(e, -ENOENT, "no user \"%s\" without privileges", user ? user : USER_DEFAULT);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_change_id((int)pw->pw_uid, (int)pw->pw_gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return err_set(e, -EPERM, "cannot become user %s", pw->pw_name);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_set(e, -errno, "cannot rule out new privileges: %s", strerror(errno));
	return 0;
}

int priv_drop_caps(struct err *e)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_BOTH) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_set(e, -EPERM, "cannot drop capabilities");
	return 0;
}

/* What both processes need: memory, threads' locks, time, random numbers, files and sockets that are open, reading what a folder has. */
static const int common[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(openat),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(poll),
	SCMP_SYS(prlimit64),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(shutdown),
	SCMP_SYS(access),
	SCMP_SYS(readlink),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
};

/* The loop, its threads, the maps and their lock. bpf: elements of maps whose descriptors are open; making any needs what we gave up. */
static const int daemon_only[] = {
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),	 SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),	 SCMP_SYS(pipe2),
	SCMP_SYS(clone),	 SCMP_SYS(clone3),
	SCMP_SYS(prctl),	 SCMP_SYS(sched_setaffinity),
	SCMP_SYS(bpf),		 SCMP_SYS(flock),
	SCMP_SYS(recvmmsg),	 SCMP_SYS(sendmmsg),
	SCMP_SYS(accept4),	 SCMP_SYS(bind),
	SCMP_SYS(ioctl),	 SCMP_SYS(getpeername),
	SCMP_SYS(ftruncate),
};

/* Signal handler: which call it was, by number; names are in <asm/unistd_64.h> and `ausyscall`. */
static void on_forbidden(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	log_error("system call %d is not one that this process may make: it ends here", info->si_syscall);
	_exit(1);
}

static int allow(scmp_filter_ctx f, const int *call, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, call[i], 0);
	return rc;
}

int priv_filter(int root_process, struct err *e)
{
	struct sigaction act = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int rc = f ? 0 : -ENOMEM;

	if (!rc && sigaction(SIGSYS, &act, NULL))
		rc = -errno;
	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = allow(f, common, ARRAY_SIZE(common));
	if (!rc && !root_process)
		rc = allow(f, daemon_only, ARRAY_SIZE(daemon_only));
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc ? err_set(e, rc, "cannot restrict system calls: %s", strerror(-rc)) : 0;
}
