/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lifetimes of SAs as the main thread sees them (spec section 14): workers enforce the hard limits by themselves, on every packet; here
 * they are reported, once each, and what has died is taken away. Works without an IKE daemon.
 */
#ifndef WORKER_LIMITS_H
#define WORKER_LIMITS_H

#include "user/worker/events.h"

/*
 * Publishes what has been reached since the last call (xi_sa_rt.said), and removes dead SAs that are not manual: first from the
 * policies, whose packets are dropped from then on, then from the table. Manual ones stay dead until they are edited (spec section 9).
 * Call it every second (spec 14.1: a dead SA vanishes within one). While another writer holds the SPD lock, removal waits for the next call.
 */
void limits_tick(struct maps *m, struct events *ev, uint64_t now_ns);

#endif
