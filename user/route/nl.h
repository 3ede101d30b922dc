/* SPDX-License-Identifier: BSD-2-Clause */
/* netlink requests with libmnl, only what the room needs. */
#ifndef ROUTE_NL_H
#define ROUTE_NL_H

#include <libmnl/libmnl.h>

#include "user/base/err.h"

#define NL_BUF 32768

/* A socket for requests, or for what is told to groups (bit mask); bus: NETLINK_*. */
int nl_open(struct mnl_socket **out, int bus, unsigned groups, struct err *e) __must_check;

#define NL_DUMP_TRIES 16 /* of a dump that changes overtake */

/* Sends nlh and runs cb on each answer until the end. 0, or the kernel's negative errno; -EINTR: things changed during a dump, ask again. */
int nl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data) __must_check;

#endif
