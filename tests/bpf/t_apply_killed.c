/* SPDX-License-Identifier: BSD-2-Clause */
/* A command is killed whenever it has changed something in the SAs: the next one leaves none missing, and no sequence number comes twice. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/cli/apply.h"
#include "user/conf/exec.h"
#include "user/ipsec/replay.h"

#define SADS 8
#define SPDS 16
#define USED 5000
#define K16A "000102030405060708090a0b0c0d0e0f"
#define K16B "101112131415161718191a1b1c1d1e1f"
#define CONF                                                                                                           \
	"manual-sa add name=m esp-enc-algorithm=aes-128 esp-enc-key=" K16A "/" K16B                                    \
	" esp-auth-algorithm=md5 esp-auth-key=" K16A "/" K16B " esp-spi=0x101/0x202 replay=128\n"                      \
	"policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-src-address=198.51.100.1 "           \
	"sa-dst-address=203.0.113.1 manual-sa=m\n"

static struct maps *m;
static struct conf conf;

static int setup(void **state)
{
	(void)state;
	m = sandbox_maps(SADS, SPDS);
	conf_init(&conf);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;
	char seq[PATH_LEN + 8];

	(void)state;
	conf_free(&conf);
	(void)snprintf(seq, sizeof(seq), "%s/seq", p.run);
	(void)unlink(seq);
	maps_close(m);
	m = NULL;
	return maps_unpin(&p, NULL);
}

static int change(const char *script)
{
	struct conf_err ce = {0};
	struct err e = {""};
	struct plan plan;
	int rc;

	if (exec_script(&conf, script, strlen(script), NULL, &ce) || plan_build(&plan, &conf, route_source))
		return -1;
	rc = apply_plan(m, &plan, &conf, &e);
	plan_free(&plan);
	return rc;
}

static int flush(void)
{
	struct err e = {""};

	return apply_flush(m, 0, &e);
}

static int renew(void)
{
	return change("manual-sa set m replay=256");
}

static int replace(void)
{
	return change("manual-sa set m esp-auth-algorithm=sha1 esp-auth-key=" K16A "00000000/" K16B "00000000");
}

static struct xi_spi_key key_of(unsigned dir)
{

	struct xi_spi_key key = {.dst = {.w = {0}},
				 .spi = htonl(dir == XI_DIR_IN ? 0x101 : 0x202),
				 .proto = XI_PROTO_ESP,
				 .family = XI_IP4};

	key.dst.w[0] = inet_addr(dir == XI_DIR_IN ? "198.51.100.1" : "203.0.113.1");
	return key;
}

/* The SA that packets of this direction find; NULL: none. */
static const struct xi_sa *found(unsigned dir)
{
	struct xi_spi_key key = key_of(dir);
	struct xi_spi_val val;

	return bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val) ? NULL : sad_get(m, XI_REF(val.slot, val.gen));
}

/* What a killed command can be seen to have done. */
static uint64_t seen(void)
{
	uint64_t x = 0;

	for (uint32_t s = 0; s < SADS; s++)
		x = x * 31 + m->sad[s].gen;
	return x * 4 + !!found(XI_DIR_IN) * 2 + !!found(XI_DIR_OUT);
}

/* 0: on its way; else it has ended. */
static int go(pid_t pid, enum __ptrace_request how)
{
	int status;

	assert_int_equal(ptrace(how, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) || status == 0);
	return !WIFSTOPPED(status);
}

static int begins_rename(pid_t pid)
{
	struct user_regs_struct regs;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
	return regs.orig_rax == SYS_rename;
}

/*
 * Runs the command and kills it behind the nth change, by single steps from the moment on when the guards of the numbers are put in place, before
 * which nothing may change; 0: it has ended before.
 */
static int killed(int (*command)(void), unsigned nth)
{
	uint64_t before = seen();
	pid_t pid = fork();
	int status, ended = 0;

	if (!pid) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		_exit(command() ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	do {
		assert_true(seen() == before);
		ended = go(pid, PTRACE_SYSCALL);
	} while (!ended && !begins_rename(pid));
	while (!ended) {
		uint64_t now = seen();

		if (now != before && !--nth) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			return 1;
		}
		before = now;
		ended = go(pid, PTRACE_SINGLESTEP);
	}
	return 0;
}

static struct xi_sa_rt *rt(unsigned dir)
{
	const struct xi_sa *sa = found(dir);

	assert_non_null(sa);
	return &m->sa_rt[sa - m->sad];
}

/* Killed at each change in turn, each time with SAs that have been used; the next command is one that does not concern them. */
static void kill_everywhere(int (*command)(void), int keys_stay)
{
	int more = 1;

	for (unsigned nth = 1; more; nth++) {
		(void)setup(NULL);
		assert_int_equal(change(CONF), 0);
		rt(XI_DIR_OUT)->seq_out = rt(XI_DIR_IN)->seq_top = USED;
		more = killed(command, nth);
		assert_int_equal(change("policy add action=none"), 0);
		if (keys_stay || more) {
			assert_true(rt(XI_DIR_OUT)->seq_out >= USED);
			assert_true(rt(XI_DIR_IN)->seq_top >= USED);
		}
		for (uint32_t s = 0; s < SPDS; s++)
			if (m->spd[s].gen && m->spd[s].manual_sa[0]) {
				assert_ptr_equal(sad_get(m, m->spd[s].sa_out), found(XI_DIR_OUT));
				assert_ptr_equal(sad_get(m, m->spd[s].sa_in), found(XI_DIR_IN));
			}
		assert_true(more || nth > 2);
		(void)teardown(NULL);
	}
}

static void t_rfc4303_3_3_3_flush(void **state)
{
	(void)state;
	kill_everywhere(flush, 1);
}

static void t_rfc4303_3_3_3_renewal(void **state)
{
	(void)state;
	kill_everywhere(renew, 1);
}

/* With other keys; killed, the command has not changed the configuration, and the former keys are in use again. */
static void t_rfc4303_3_3_3_other_keys(void **state)
{
	(void)state;
	kill_everywhere(replace, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc4303_3_3_3_flush),
		cmocka_unit_test(t_rfc4303_3_3_3_renewal),
		cmocka_unit_test(t_rfc4303_3_3_3_other_keys),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
