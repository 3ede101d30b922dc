/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's side of the daemons' sockets: SOCK_SEQPACKET, one message a question, one an answer. Blocking, with a time limit. */
#ifndef BASE_UNIXSOCK_H
#define BASE_UNIXSOCK_H

#include "user/base/err.h"

#define UNIXSOCK_FDS_MAX 4

/* A connected socket, or a negative errno; -ENOTCONN: nobody listens. */
int unixsock_dial(const char *path, unsigned wait_s) __must_check;

/* Who listens at the other end; 0 = not known. */
int unixsock_peer(int fd);

/*
 * Sends the request, with fd[n_fds] as descriptors, and waits for the answer: terminated text in reply[size]. 0; -ECONNRESET: closed
 * without an answer; -EAGAIN: none in time; another negative errno.
 */
int unixsock_talk(int fd, const char *request, const int *fds, unsigned n_fds, char *reply, size_t size) __must_check;

#endif
