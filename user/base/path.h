/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an instance keeps things: one rule for all three programs.
 *
 *   pins           /sys/fs/bpf/xdp-ipsec/<instance>/v<ABI>/
 *   run folder     /run/xdp-ipsec/<instance>/          data.sock ike.sock spd.lock xdp-ipsecd.pid maps.id
 *   configuration  /etc/xdp-ipsec/<instance>/ipsec.rsc
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "user/base/err.h"

#define PATH_INSTANCE_MAX 32
#define PATH_LEN 160

struct paths {
	char instance[PATH_INSTANCE_MAX];
	char pins[PATH_LEN]; /* folder, no slash at the end */
	char run[PATH_LEN];  /* folder */
	char data_sock[PATH_LEN];
	char ike_sock[PATH_LEN];
	char spd_lock[PATH_LEN];
	char conf_dir[PATH_LEN];
	char conf[PATH_LEN]; /* file */
};

/* Fills p. instance: 1 to 31 letters, digits, '-', '_'; else -EINVAL. Makes nothing. */
int paths_init(struct paths *p, const char *instance, unsigned abi, struct err *e) __must_check;

/* Makes the folder and its parents, 0700. */
int path_mkdir(const char *folder, struct err *e) __must_check;

/*
 * Makes sure that /sys/fs/bpf is a bpffs that outlives the calling process. `ip netns exec` gives every command a /sys
 * of its own, in which pins would vanish with the command: then the mount namespace of pid 1, or of the nearest
 * ancestor outside our network namespace, is joined (the network namespace stays). -ENOENT: neither is to be had, pid 1 not
 * readable (containers) and the parent gone. Call first in main(), single-threaded, as root. The working folder is kept.
 */
int path_enter_bpffs(struct err *e) __must_check;

#endif
