/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client side of xdp-ipsecd's control socket (paths.data_sock, SOCK_SEQPACKET, 0600): one small JSON object there,
 * one back. Requests:
 *   {"cmd":"attach","slot":N}  serve interface slot N: {"ok":true,"sockets":2,"zero-copy":0}
 *   {"cmd":"detach","slot":N}  close its sockets: {"ok":true}
 *   {"cmd":"dump-policies"}    writes them to the log (spec 7.2): {"ok":true,"policies":12}
 *   {"cmd":"status"}           {"ok":true,"pid":..,"workers":..,"engine":"ipsec-mb ..","memory":bytes,...}
 * Failure: {"ok":false,"error":"one sentence"}.
 */
#ifndef BASE_DATASOCK_H
#define BASE_DATASOCK_H

#include "user/base/err.h"
#include "user/base/path.h"

#define DATASOCK_MSG_MAX 4096

/*
 * Sends request, waits up to wait_s seconds for the reply text in reply[DATASOCK_MSG_MAX]. -ENOTCONN: no xdp-ipsecd runs; -ETIMEDOUT:
 * it did not answer. *pid: the process that listens there, 0 = not known; NULL allowed.
 */
int datasock_call_wait(const struct paths *p, const char *request, char *reply, unsigned wait_s, int *pid,
		       struct err *e) __must_check;

/* Sends request, waits up to 10 s for the reply text in reply[DATASOCK_MSG_MAX]. -ENOTCONN: no xdp-ipsecd runs. */
int datasock_call(const struct paths *p, const char *request, char *reply, struct err *e) __must_check;

#endif
