/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up what is not needed: user, capabilities, system calls (libcap-ng, libseccomp). */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

/* The loop, its threads, the lock of the maps. */
static const int daemon_only[] = {
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),	 SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),	 SCMP_SYS(pipe2),
	SCMP_SYS(clone),	 SCMP_SYS(clone3),
	SCMP_SYS(prctl),	 SCMP_SYS(sched_setaffinity),
	SCMP_SYS(flock),	 SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),	 SCMP_SYS(accept4),
	SCMP_SYS(bind),		 SCMP_SYS(ioctl),
	SCMP_SYS(getpeername),	 SCMP_SYS(ftruncate),
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

/* Those of which a call may have one of some values as argument. The key process connects to xdp-ipsecd; the daemon asks for routes, changes elements of maps. */
static const struct {
	int call;
	unsigned arg;
	scmp_datum_t value;
	int of_both;
} with_value[] = {
	{SCMP_SYS(socket), 0, AF_UNIX, 1},	    {SCMP_SYS(socket), 0, AF_INET, 0},
	{SCMP_SYS(socket), 0, AF_INET6, 0},	    {SCMP_SYS(socket), 0, AF_NETLINK, 0},
	{SCMP_SYS(bpf), 0, BPF_MAP_LOOKUP_ELEM, 0}, {SCMP_SYS(bpf), 0, BPF_MAP_UPDATE_ELEM, 0},
	{SCMP_SYS(bpf), 0, BPF_MAP_DELETE_ELEM, 0}, {SCMP_SYS(bpf), 0, BPF_MAP_GET_NEXT_KEY, 0},
};

static int allow_values(scmp_filter_ctx f, int root_process)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(with_value) && !rc; i++)
		if (!root_process || with_value[i].of_both)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, with_value[i].call, 1,
					      SCMP_CMP(with_value[i].arg, SCMP_CMP_EQ, with_value[i].value));
	return rc;
}

/* Files are read, never written or made; who tries, in a library perhaps, is told so. */
static int allow_reading(scmp_filter_ctx f)
{
	static const struct {
		scmp_datum_t mask, value;
	} write[] = {{O_ACCMODE, O_WRONLY}, {O_ACCMODE, O_RDWR}, {O_CREAT, O_CREAT}, {O_TRUNC, O_TRUNC}};
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));

	for (size_t i = 0; i < ARRAY_SIZE(write) && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, write[i].mask, write[i].value));
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
		rc = allow_values(f, root_process);
	if (!rc)
		rc = allow_reading(f);
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc ? err_set(e, rc, "cannot restrict system calls: %s", strerror(-rc)) : 0;
}
