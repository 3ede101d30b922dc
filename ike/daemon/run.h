/* SPDX-License-Identifier: BSD-2-Clause */
/* What main() runs. */
#ifndef IKE_DAEMON_RUN_H
#define IKE_DAEMON_RUN_H

#include "ike/daemon/daemon.h"

/* Runs until SIGTERM or SIGINT. Negative errno with a text when it cannot start. Root, one thread. */
int daemon_run(const struct daemon_options *opt, struct err *e) __must_check;

#endif
