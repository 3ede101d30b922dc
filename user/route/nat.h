/* SPDX-License-Identifier: BSD-2-Clause */
/* Does this host translate addresses? Chains of type nat in nftables, the nat tables of the older iptables. Main thread of the data plane only. */
#ifndef ROUTE_NAT_H
#define ROUTE_NAT_H

#include "user/route/nl.h"

struct rt_nat {
	struct mnl_socket *events; /* NULL: nftables cannot be watched */
	int nft;		   /* what was last seen there */
};

/* Begins to watch. Where that cannot be done (a kernel without nftables), rt_nat_present() asks each time. */
void rt_nat_open(struct rt_nat *n);
void rt_nat_close(struct rt_nat *n);
/* Readable: rt_nat_on_events(); -1: none. */
int rt_nat_fd(const struct rt_nat *n);
/* 1 = chains have come or gone: what rt_nat_present() says may be another now. */
int rt_nat_on_events(struct rt_nat *n);
/* 1 = yes, or it could not be found out. */
int rt_nat_present(struct rt_nat *n);

#endif
