/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A negotiated pair (or, with AH and ESP, two pairs) of IPsec SAs and its life (spec section 14): soft limit and rekey, hard limit, Delete. Outlives the
 * ISAKMP SA that made it. Both IKE versions share it.
 */
#ifndef IKE_CORE_CHILD_H
#define IKE_CORE_CHILD_H

#include "ike/core/sadb.h"
#include "ike/core/timer.h"
#include "user/base/chain.h"

struct ike1;
struct ike_conf;

struct ike_child {
	struct ike *ike;
	struct ike_child *next, **pprev;
	struct chain by_pair, by_policy;
	struct ike1 *sa;      /* ISAKMP SA that Deletes and rekeys go under; NULL: find or make one */
	struct ike_path path; /* ends of the SAs; ports are those of IKE when made */
	struct ike_policy policy;
	uint64_t in[2], out[2]; /* XI_REF, 0 = gone; [1] AH of a bundle */
	__be32 in_spi[2], out_spi[2];
	uint8_t proto[2];		   /* XI_PROTO_*; [1] 0 = no bundle */
	uint8_t initiator;		   /* we started that phase 2 */
	uint8_t rekeyed;		   /* a successor is installed, or being negotiated */
	uint8_t soft;			   /* soft limit passed */
	uint8_t rebound;		   /* sa is not the one that it was made under */
	uint8_t udp;			   /* ESP in UDP */
	uint8_t keepalive;		   /* the data plane sends keep-alives for it */
	uint8_t dying;			   /* a Delete came: only the inbound SAs are left, for the linger */
	uint32_t pair;			   /* xi_sa.pair */
	uint64_t add_ns, soft_ns, hard_ns; /* moments; 0 = never */
	uint32_t life_s;
	uint64_t hard_bytes;	/* 0 = no limit */
	struct ike_timer timer; /* soft, 95 %, hard, in that order; every second while child_life.c watches the bytes */
	struct ike_timer
		linger; /* inbound SAs of one whose Delete came go 5 s later (spec 20.2); without phase 1: is the peer there? */
	uint64_t doubted_ns; /* without phase 1: when that was asked last */
};

/* The children of all peers whose address hashes alike; look at path.remote.a. */
struct ike_child **child_bucket(struct ike *k, const struct ike_addr *remote);

/* Called by the engine (ike/core/ike.c). At start: SAs of an earlier daemon become children. */
void child_take_over(struct ike *k);
/* At its end: SAs stay in the maps. */
void child_free_all(struct ike *k);
/* k->conf is the new configuration, old the one before: children end whose policy is gone or names another proposal (spec 6.4). */
void child_reload(struct ike *k, const struct ike_conf *old);
/*
 * Before conf takes the place of k->conf: children of generated policies end, and the policies with them, whose peer has another item in conf, a changed one
 * or none (spec 19.6). Deletes go under the phase 1 that is still there.
 */
void child_peers_changed(struct ike *k, const struct ike_conf *conf);

/* What a phase 2 made; nothing is kept of *bundle but its references. */
struct child_new {
	const struct ike_policy *policy;
	const struct ike_bundle *bundle; /* installed */
	struct ike_addr local, remote;
	uint8_t initiator;
	uint32_t replaces; /* ike_child.pair, 0 = none */
};
int child_add(struct ike1 *sa, const struct child_new *n) __must_check;
/*
 * All SAs are in use: the oldest one of those that are not the newest of their policy, or are of a generated one, of whoever has most, goes; but not the pair
 * `spare`. 0, or -ENOENT: there is none.
 */
int child_make_room(struct ike *k, uint32_t spare) __must_check;
/* Has a child that ike_child.pair? */
int child_pair_taken(struct ike *k, uint32_t pair);
/* The phase 2 that was to replace it came to nothing: it is tried again while there is time. */
void child_rekey_failed(struct ike *k, uint32_t pair);
/* The peer's Delete (spec 20.2), SPIs of 4 bytes: outbound SA, policy and all at once, inbound ones 5 s later. Unknown SPIs are left alone. */
void child_deleted(struct ike1 *sa, uint8_t proto, struct bytes spis);
/* The peer has lost its state (spec 20.3): all that was not made under sa. */
void child_initial_contact(struct ike1 *sa);
/* Is there one between its ends, under whatever phase 1 it was made? */
int child_there(const struct ike1 *sa);
/* An ISAKMP SA is there: those that have none come under it. */
void child_bind(struct ike1 *sa);
/* When the last good packet came from the peer by an SA; 0: none did. */
uint64_t child_heard(const struct ike1 *sa);

/* A generated policy that no child has goes: what was to be its first came to nothing (spec 19.6). Others are left alone. */
void child_drop_policy(struct ike *k, const struct ike_policy *p);

/* Is the policy, a generated one, in use by a child of another peer than that of sa (spec 19.5)? */
int child_other_has(const struct ike1 *sa, const struct ike_policy *p);

/* Called by phase 1. Does one of the ISAKMP SA's phase 2s still live? Those under way count, too (spec 14.3). */
int child_any(const struct ike1 *sa);
/* The data plane sends keep-alives between the very ends of sa. */
int child_keeps_alive(const struct ike1 *sa);
/* to: another ISAKMP SA of the same address pair, or NULL. */
void child_rebind(struct ike1 *from, struct ike1 *to);
/* The peer is dead or has deleted its phase 1 (spec 20.2, 20.4): all that sa holds, and what between its ends no ISAKMP SA holds. Without Delete. */
void child_drop_peer(const struct ike1 *sa);

#endif
