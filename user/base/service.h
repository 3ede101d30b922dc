/* SPDX-License-Identifier: BSD-2-Clause */
/* What both daemons need as services. Main thread. */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include "user/base/err.h"
#include "user/base/path.h"

/* systemd's protocol: one datagram to $NOTIFY_SOCKET, such as "READY=1"; nothing is done when it is not set. A failure is logged. */
void service_notify(const char *state);

/*
 * One `program` an instance: locks <run folder>/<program>.pid, which gets the process's number if there is room. Makes the folder. Returns the descriptor, which holds the
 * lock until it is closed; -EBUSY: another one has it.
 */
int service_lock(const struct paths *p, const char *program, struct err *e) __must_check;

#endif
