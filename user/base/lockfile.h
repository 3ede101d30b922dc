/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks between processes (flock(2) on a file), with a limit to the wait: a holder that was stopped (SIGSTOP, a debugger) never lets go, and
 * whoever waits must be able to say for whom.
 */
#ifndef BASE_LOCKFILE_H
#define BASE_LOCKFILE_H

#include "user/base/err.h"

#define LOCKFILE_WAIT_S 60 /* far more than any command takes */

/*
 * Locks fd, which was opened from path, for this process alone; waits up to wait_s seconds. 0; -ETIMEDOUT: somebody else has it, the text says
 * which process; -EWOULDBLOCK, without a text: the same with wait_s 0; another negative errno. Let go of with flock(LOCK_UN) or close().
 */
int lockfile_wait(int fd, const char *path, unsigned wait_s, struct err *e) __must_check;

#endif
