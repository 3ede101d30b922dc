/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xdp-iked and its key process may not do once they have given up their privileges (ike/daemon/priv.c): each row is tried in a child that went the same
 * way. As root, or there is nothing to give up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"

#define ENDS (-1) /* the process has ended, and said why */

static char file[] = "/tmp/t_ike_priv.XXXXXX";

static int rc_of(long rc)
{
	return rc < 0 ? errno : 0;
}

static int read_file(void)
{
	return rc_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int write_file(void)
{
	return rc_of(open(file, O_WRONLY));
}

static int change_file(void)
{
	return rc_of(open(file, O_RDWR));
}

static int make_file(void)
{
	return rc_of(open("/tmp", O_TMPFILE | O_RDWR, 0600));
}

static int make_file_to_read(void)
{
	return rc_of(open("/tmp/t_ike_priv.none", O_RDONLY | O_CREAT, 0600));
}

static int empty_file(void)
{
	return rc_of(open(file, O_RDONLY | O_TRUNC));
}

static int remove_file(void)
{
	return rc_of(unlink(file));
}

static int execute(void)
{
	return rc_of(execl("/bin/true", "true", NULL));
}

static void *execute_in_thread(void *arg)
{
	pthread_barrier_t *b = arg;

	(void)pthread_barrier_wait(b);
	(void)pthread_barrier_wait(b);
	(void)execute();
	return NULL;
}

static int packet_socket(void)
{
	return rc_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int raw_socket(void)
{
	return rc_of(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
}

static int inet_socket(void)
{
	return rc_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int netlink_socket(void)
{
	return rc_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int unix_socket(void)
{
	return rc_of(socket(AF_UNIX, SOCK_SEQPACKET, 0));
}

static int trace(void)
{
	return rc_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_parent(void)
{
	return rc_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int kill_parent(void)
{
	return rc_of(syscall(SYS_kill, getppid(), 0));
}

static int become_root(void)
{
	return rc_of(syscall(SYS_setuid, 0));
}

static int mount_something(void)
{
	return rc_of(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int new_namespace(void)
{
	return rc_of(syscall(SYS_unshare, 0));
}

static int uring(void)
{
	return rc_of(syscall(SYS_io_uring_setup, 1, NULL));
}

static int bpf_call(int cmd)
{
	union bpf_attr a = {.map_fd = (uint32_t)-1};

	return rc_of(syscall(SYS_bpf, cmd, &a, sizeof(a)));
}

static int make_map(void)
{
	return bpf_call(BPF_MAP_CREATE);
}

static int load_program(void)
{
	return bpf_call(BPF_PROG_LOAD);
}

static int look_up_element(void)
{
	return bpf_call(BPF_MAP_LOOKUP_ELEM);
}

static const struct row {
	const char *what;
	int (*try)(void);
	int daemon, key; /* 0 allowed, an errno, ENDS */
} rows[] = {
	{"read a file", read_file, 0, 0},
	{"write a file", write_file, EACCES, EACCES},
	{"change a file", change_file, EACCES, EACCES},
	{"make a file", make_file, EACCES, EACCES},
	{"make a file to read", make_file_to_read, EACCES, EACCES},
	{"empty a file", empty_file, EACCES, EACCES},
	{"remove a file", remove_file, ENDS, ENDS},
	{"execute", execute, ENDS, ENDS},
	{"AF_PACKET", packet_socket, ENDS, ENDS},
	{"raw IP", raw_socket, EPERM, ENDS}, /* no capability */
	{"UDP", inet_socket, 0, ENDS},
	{"netlink", netlink_socket, 0, ENDS},
	{"AF_UNIX", unix_socket, 0, 0},
	{"ptrace", trace, ENDS, ENDS},
	{"read another process", read_parent, ENDS, ENDS},
	{"kill", kill_parent, ENDS, ENDS},
	{"setuid", become_root, ENDS, ENDS},
	{"mount", mount_something, ENDS, ENDS},
	{"unshare", new_namespace, ENDS, ENDS},
	{"io_uring", uring, ENDS, ENDS},
	{"make a map", make_map, ENDS, ENDS},
	{"load a program", load_program, ENDS, ENDS},
	{"look up an element", look_up_element, EBADF, ENDS},
};

static void give_up(int key_process)
{
	struct err e;

	if ((key_process ? priv_drop_caps(&e) : priv_drop("nobody", &e)) || priv_filter(key_process, &e)) {
		(void)fprintf(stderr, "%s\n", e.text);
		_exit(250);
	}
}

/* What became of a child that wrote to p[0]. */
static int result(pid_t pid, int p[2])
{
	char said[512] = "";
	int status;
	ssize_t n;

	(void)close(p[1]);
	n = read(p[0], said, sizeof(said) - 1);
	(void)close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		return 1000 + WTERMSIG(status);
	if (n > 0 && WEXITSTATUS(status) == 1 && strstr(said, "is not one that this process may make"))
		return ENDS;
	return WEXITSTATUS(status);
}

static pid_t child(int p[2])
{
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		(void)dup2(p[1], STDERR_FILENO);
	return pid;
}

static void each(int key_process)
{
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		int p[2], want = key_process ? r->key : r->daemon, got;
		pid_t pid = child(p);

		if (!pid) {
			give_up(key_process);
			_exit(r->try());
		}
		got = result(pid, p);
		if (got != want)
			fail_msg("%s: %d, not %d", r->what, got, want);
	}
}

static void t_daemon(void **state)
{
	(void)state;
	each(0);
}

static void t_key_process(void **state)
{
	(void)state;
	each(1);
}

/* Those of the thread pool were there before the filter. */
static void t_threads_that_are_there_already(void **state)
{
	pthread_barrier_t b;
	pthread_t t;
	int p[2];
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = child(p);
	if (!pid) {
		if (pthread_barrier_init(&b, NULL, 2) || pthread_create(&t, NULL, execute_in_thread, &b))
			_exit(251);
		(void)pthread_barrier_wait(&b);
		give_up(0);
		(void)pthread_barrier_wait(&b);
		(void)pthread_join(t, NULL);
		_exit(0);
	}
	assert_int_equal(result(pid, p), ENDS);
}

/* Calls of 32-bit programs have other numbers, which the list does not know. */
static void t_calls_of_32_bits(void **state)
{
	int p[2];
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = child(p);
	if (!pid) {
		long rc = 20; /* getpid there, writev here */

		give_up(0);
		__asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	assert_in_range(result(pid, p), 1000, 2000);
}

static int setup(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 || fchmod(fd, 0666) || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_daemon),
		cmocka_unit_test(t_key_process),
		cmocka_unit_test(t_threads_that_are_there_already),
		cmocka_unit_test(t_calls_of_32_bits),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
