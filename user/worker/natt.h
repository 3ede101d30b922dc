/* SPDX-License-Identifier: BSD-2-Clause */
/* What NAT traversal (RFC 3948) needs of the main thread: keep-alives, and peers that a NAT shows under another address or port. */
#ifndef WORKER_NATT_H
#define WORKER_NATT_H

#include "user/maps/maps.h"

#define NATT_KEEPALIVE_S 20 /* spec section 22 */

struct natt;

/* A peer's new mapping, seen in an authentic packet of an inbound SA with ESP in UDP. */
struct natt_change {
	uint64_t sa; /* XI_REF */
	struct xi_addr addr;
	__be16 port;
	__u8 family;
};
typedef void (*natt_change_fn)(void *arg, const struct natt_change *c);

/* Raw sockets and tables; needs CAP_NET_RAW. A host without IPv6 gets none of it. */
int natt_open(struct natt **out, const struct maps *m, struct err *e) __must_check;
void natt_close(struct natt *n); /* NULL allowed */

/*
 * Every second or so. RFC 3948 §4: one byte 0xff from and to each pair of addresses and ports of usable outbound SAs with XI_SA_F_KEEPALIVE
 * on which nothing was sent for 20 s. Returns how many were sent.
 */
unsigned natt_keepalive(struct natt *n, uint64_t now_ns);

/* Calls fn for every inbound SA whose peer's mapping differs from what the last call said of it. */
void natt_find_changed(struct natt *n, natt_change_fn fn, void *arg);

#endif
