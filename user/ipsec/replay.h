/* SPDX-License-Identifier: BSD-2-Clause */
/* Anti-replay window, RFC 6479: a ring of 64-bit blocks, never shifted. Callers hold rt->lock. */
#ifndef IPSEC_REPLAY_H
#define IPSEC_REPLAY_H

#include <stdint.h>

#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_sa.h"

/* Per-SA spinlock across the threads of one xdp-ipsecd; reset at its start, when nobody else can hold it. */
void replay_lock(struct xi_sa_rt *rt);
void replay_unlock(struct xi_sa_rt *rt);

/* RFC 4303 §3.4.3, before the ICV: XI_OK or XI_DROP_IN_REPLAY_*. window in packets, 0 = off: always XI_OK. */
enum xi_drop replay_check(const struct xi_sa_rt *rt, const struct xi_replay *r, uint32_t window, uint64_t seq);

/*
 * The extended sequence number that is meant by its low half, given the highest received (RFC 4303 appendix A2.2): the one that lies in the
 * window or to the right of it within 2^32. Without a window, the one nearest to the highest.
 */
uint64_t replay_esn(uint64_t top, uint32_t window, uint32_t low);

/* After the ICV verified: checks again (another thread may have been faster), moves the window, sets the bit.
 * With window 0 it only keeps the highest number. */
enum xi_drop replay_update(struct xi_sa_rt *rt, struct xi_replay *r, uint32_t window, uint64_t seq);

#endif
