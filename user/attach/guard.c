/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard (bpf/guard.bpf.c) in netfilter of the namespace: four links, for arriving and leaving packets of both families. A pinned link keeps
 * its network namespace alive, and the NICs in it, so that is done only in that of pid 1, which no one deletes. Elsewhere xdp-ipsecd
 * holds the links, for as long as it runs.
 */
#include "user/attach/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/guard.skel.h"

/* Linux 6.4; not in the headers of 6.1 */
#define PROG_TYPE_NETFILTER 32
#define ATTACH_NETFILTER 45

/* <linux/netfilter.h>, which does not go with <net/if.h> */
#define HOOK_PRE_ROUTING 0
#define HOOK_POST_ROUTING 4
#define FAMILY_IPV4 2
#define FAMILY_IPV6 10

/* Arriving packets before conntrack and NAT, leaving ones behind them: next to the ends, which the kernel keeps for itself. */
static const struct hook {
	uint32_t family, hook;
	int32_t priority;
} hooks[] = {
	{FAMILY_IPV4, HOOK_PRE_ROUTING, INT_MIN + 1},
	{FAMILY_IPV6, HOOK_PRE_ROUTING, INT_MIN + 1},
	{FAMILY_IPV4, HOOK_POST_ROUTING, INT_MAX - 1},
	{FAMILY_IPV6, HOOK_POST_ROUTING, INT_MAX - 1},
};

/* The part of union bpf_attr that makes such a link. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint32_t family, hook;
	int32_t priority;
	uint32_t hook_flags;
};

/* No interface has a name with a colon; what cleans up links finds it by link_ (maps/netns.c). */
static void pin_path(char out[PATH_LEN + 32], const struct maps *m, unsigned i)
{
	(void)snprintf(out, PATH_LEN + 32, "%s/link_:guard%u", m->paths.pins, i);
}

static int in_namespace_of_init(void)
{
	struct stat mine, theirs;

	return stat("/proc/self/ns/net", &mine) == 0 && stat("/proc/1/ns/net", &theirs) == 0 &&
	       mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

int attach_guard_pinned(const struct maps *m)
{
	char path[PATH_LEN + 32];

	for (unsigned i = 0; i < ARRAY_SIZE(hooks); i++) {
		pin_path(path, m, i);
		if (access(path, F_OK))
			return 0;
	}
	return 1;
}

int attach_guard_missing(const struct maps *m)
{
	return in_namespace_of_init() && !attach_guard_pinned(m);
}

static int hook_up(const struct maps *m, int prog_fd, unsigned i, int pin)
{
	const struct link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = ATTACH_NETFILTER,
		.family = hooks[i].family,
		.hook = hooks[i].hook,
		.priority = hooks[i].priority,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)), rc = 0;
	char path[PATH_LEN + 32];

	if (fd < 0)
		return -errno;
	if (!pin)
		return 0; /* held by this process to its end */
	pin_path(path, m, i);
	(void)unlink(path); /* of a loader that died halfway */
	if (bpf_obj_pin(fd, path))
		rc = -errno;
	close(fd);
	return rc;
}

static int load(struct guard *s, const struct maps *m)
{
	int rc;

	(void)bpf_program__set_type(s->progs.xi_guard, (enum bpf_prog_type)PROG_TYPE_NETFILTER);
	(void)bpf_program__set_expected_attach_type(s->progs.xi_guard, (enum bpf_attach_type)ATTACH_NETFILTER);
	s->rodata->have_ct = (uint8_t)attach_sees_nat();
	rc = prog_reuse_maps(s->obj, m);
	return rc ? rc : guard__load(s);
}

int attach_guard(const struct maps *m, int hold)
{
	int pin = in_namespace_of_init(), rc;
	libbpf_print_fn_t old;
	struct guard *s;

	if (pin ? attach_guard_pinned(m) : !hold)
		return 0;
	s = guard__open();
	if (!s)
		return -errno;
	old = libbpf_set_print(NULL); /* an older kernel is no error */
	rc = load(s, m);
	(void)libbpf_set_print(old);
	for (unsigned i = 0; i < ARRAY_SIZE(hooks) && !rc; i++)
		rc = hook_up(m, bpf_program__fd(s->progs.xi_guard), i, pin);
	guard__destroy(s);
	if (rc && pin)
		guard_remove(m);
	return rc;
}

void guard_remove(const struct maps *m)
{
	char path[PATH_LEN + 32];

	for (unsigned i = 0; i < ARRAY_SIZE(hooks); i++) {
		pin_path(path, m, i);
		(void)unlink(path); /* is there, or not */
	}
}
