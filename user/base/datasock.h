/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client side of xdp-ipsecd's control socket (paths.data_sock, SOCK_SEQPACKET, 0600): one small JSON object there,
 * one back. Requests:
 *   {"cmd":"attach","slot":N}  serve interface slot N: {"ok":true,"sockets":2,"zero-copy":0}
 *   {"cmd":"detach","slot":N}  close its sockets: {"ok":true}
 *   {"cmd":"dump-policies"}    writes them to the log (spec 7.2): {"ok":true,"policies":12}
 *   {"cmd":"subscribe"}        {"ok":true}, and the connection stays: every event that happens from now on is a message. With
 *                              "acquire":true it also gets acquires, and packets that miss an SA are held for the one that it makes.
 *                              Further requests may be sent on it. A subscriber that does not read loses events.
 *                              With "drops":true it gets dropped packets instead, and nothing else.
 *   {"cmd":"status"}           {"ok":true,"pid":..,"workers":..,"engine":"ipsec-mb ..","memory":bytes,...,
 *                              "not-served":{"eth0":"why","eth1":..}}
 * Events: {"event":"sa-soft"|"sa-hard"|"sa-sequence"|"natt-mapping","direction":"out","protocol":"esp","spi":"0x100","src-address":..,
 *   "dst-address":..,"reqid":0,"slot":..,"generation":..,"manual":false}, with "limit":"time"|"bytes"|"packets" where one was passed and
 *   "address", "port" where a peer behind NAT is now;
 *   {"event":"acquire","policy":"*7","slot":..,"generation":..,"src-address":..,"dst-address":..,"protocol":17,"src-port":..,"dst-port":..
 *   (of the packet),"sa-src-address":..,"sa-dst-address":..,"mode":"tunnel","ipsec-protocols":"esp","level":"require","reqid":0}.
 *   {"event":"drop","wall-us":microseconds since 1970,"direction":"in","counter":"in-no-states","reason":6,"text":..,"length":..}, with
 *   "interface","policy","spi","src-address","dst-address","protocol","src-port","dst-port" as far as they are known;
 *   {"event":"drops-left-out","packets":N}: so many more since the last one, beyond the limit of 50 a second of each CPU and worker.
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

enum datasock_want { DATASOCK_EVENTS, DATASOCK_ACQUIRES, DATASOCK_DROPS }; /* ACQUIRES: and events */

/* A connection on which {"cmd":"subscribe"...} was answered; the caller closes it. Negative: as above. */
int datasock_subscribe(const struct paths *p, enum datasock_want want, struct err *e) __must_check;

/* Sends request, waits up to 10 s for the reply text in reply[DATASOCK_MSG_MAX]. -ENOTCONN: no xdp-ipsecd runs. */
int datasock_call(const struct paths *p, const char *request, char *reply, struct err *e) __must_check;

#endif
