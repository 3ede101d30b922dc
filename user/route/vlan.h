/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's VLAN devices in xi_vlan. */
#ifndef ROUTE_VLAN_H
#define ROUTE_VLAN_H

#include "user/base/err.h"

/*
 * Makes xi_vlan equal to the VLAN devices that the host has now (those that link_path() serves), whatever they stand on: what is not
 * attached is never asked for. New ones first, then those that are gone are taken out.
 */
int rt_vlan_sync(int xi_vlan_fd, struct err *e) __must_check;

#endif
