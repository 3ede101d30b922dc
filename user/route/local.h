/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's own addresses in xi_local. */
#ifndef ROUTE_LOCAL_H
#define ROUTE_LOCAL_H

#include "user/base/err.h"

/* Makes xi_local equal to the addresses (and IPv4 broadcast addresses) that the host has now. */
int rt_local_sync(int xi_local_fd, struct err *e) __must_check;

#endif
