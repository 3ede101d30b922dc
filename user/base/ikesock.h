/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xdp-iked answers on ike.sock (SOCK_SEQPACKET, 0600; one JSON object a message), and the client's side of it.
 *
 *   {"cmd":"status"}             {"ok":true,"pid":..,"peers":n,"children":n,"counts":{"ike-malformed":n,...}}; counts: what is not 0
 *   {"cmd":"reload"}             {"ok":true}, when the new configuration is in force. With the message come, by SCM_RIGHTS, a descriptor of the
 *                                configuration file, and behind it one of public/ (user/conf/cred_files.h) if there is such a folder.
 *   {"cmd":"peers","from":n}     {"ok":true,"peers":[...],"next":m}: phase 1 SAs from number n on, as many as fit; "next" when there are more.
 *                                Each {"local-address":"..","remote-address":"..","local-port":..,"remote-port":..,"state":"..","side":"..",
 *                                "exchange-mode":"..","established":s,"expires-in":s,"natt":bits,"ph2-total":n,"dpd-failures":n,"id":".."},
 *                                as struct ike_peer_info (ike/core/ike.h); seconds are -1 where there are none
 *   {"cmd":"kill"}               {"ok":true}, when Deletes are sent and nothing is left (spec section 11)
 *   {"cmd":"flush","protocol":p} {"ok":true,"count":n}: SAs of protocol p ("ah", "esp", "all") that IKE made (spec section 10)
 * Failure: {"ok":false,"error":"one sentence"}.
 */
#ifndef BASE_IKESOCK_H
#define BASE_IKESOCK_H

#include "user/base/err.h"
#include "user/base/path.h"

#define IKESOCK_MSG_MAX 32768 /* bytes of an answer */

/*
 * Sends request, with n_fds descriptors (at most UNIXSOCK_FDS_MAX), waits up to 10 s for the answer in reply[IKESOCK_MSG_MAX]. -ENOTCONN: no
 * xdp-iked runs; -ETIMEDOUT: it did not answer. *pid: who listens there, 0 = not known; NULL allowed.
 */
int ikesock_call(const struct paths *p, const char *request, const int *fds, unsigned n_fds, char *reply, int *pid,
		 struct err *e) __must_check;

#endif
