/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IKE engine: everything that negotiates. One thread; nothing blocks. The daemon (ike/daemon) and the in-process tests drive it.
 */
#ifndef IKE_CORE_IKE_H
#define IKE_CORE_IKE_H

#include "ike/core/conf.h"
#include "ike/core/env.h"
#include "ike/core/sadb.h"

struct ike;

/* Takes *conf over. env must outlive the engine. SAs of an earlier daemon are taken over from the sadb. NULL: no memory. */
struct ike *ike_new(const struct ike_env *env, struct ike_conf *conf) __must_check;
/* Without Deletes; SAs stay in the maps. */
void ike_free(struct ike *k);

/* A datagram without non-ESP marker, as it came. */
void ike_receive(struct ike *k, const struct ike_path *path, struct bytes datagram);

/* A packet missed an SA (spec 13.3); *pkt is its selector, as seen outbound. */
void ike_acquire(struct ike *k, uint32_t policy_slot, uint32_t policy_gen, const struct xi_selector *pkt);
/* What the data plane reports of an SA: limits passed, a peer behind NAT has moved. */
enum ike_sa_event { IKE_SA_SOFT, IKE_SA_HARD, IKE_SA_SEQUENCE, IKE_SA_MAPPING };
void ike_sa_event(struct ike *k, enum ike_sa_event ev, uint64_t ref, const struct ike_end *seen);

uint64_t ike_next(const struct ike *k); /* when ike_run() wants to be called, UINT64_MAX never */
void ike_run(struct ike *k);

/* Takes *conf over; touches only what changed (spec 4.2, 6.4): peers by bytes, policies that are gone, changed proposals with the next phase 2. */
void ike_reload(struct ike *k, struct ike_conf *conf);

/* Spec section 11: Deletes for all, phase 2 before phase 1, then nothing is left. Also at shutdown when the operator wants it. */
void ike_kill(struct ike *k);
/* Spec section 10: SAs of a protocol (XI_PROTO_*, 0 = all) that IKE made, with Deletes; phase 1 stays. Returns how many. */
unsigned ike_flush(struct ike *k, uint8_t proto);

/* One row of remote-peers (spec section 11). */
struct ike_peer_info {
	struct ike_path path;
	const char *state, *side, *exchange_mode; /* static words */
	int64_t established_s, expires_s;	  /* seconds; -1 = not */
	uint8_t natt;				  /* bit 0: we are behind NAT, bit 1: the peer is */
	uint32_t ph2_total, dpd_failures;
	char id[128];
	uint8_t icookie[8], rcookie[8];
};
void ike_peers(const struct ike *k, void (*cb)(void *arg, const struct ike_peer_info *row), void *arg);

/* What an operator can see of what strangers do; one name each in ike/core/count.h. */
uint64_t ike_count(const struct ike *k, unsigned which);

#endif
