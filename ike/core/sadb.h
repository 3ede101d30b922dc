/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SAs and policies as the engine sees and changes them. ike/sad writes them into the BPF maps; tests keep them in memory. SAs are struct xi_sa,
 * the contract with the data plane; a reference is XI_REF(slot, generation), 0 = none. Every function is called on the engine's thread, takes
 * the SPD lock itself and returns 0 or a negative errno with a text.
 */
#ifndef IKE_CORE_SADB_H
#define IKE_CORE_SADB_H

#include "bpf/abi/xi_policy.h"
#include "bpf/abi/xi_sa.h"
#include "ike/core/env.h"
#include "user/base/err.h"

/* A policy in force. Selector as seen outbound: src is ours. */
struct ike_policy {
	uint32_t slot, gen; /* gen 0: none yet (to be generated) */
	uint32_t id;	    /* item id; 0 = dynamic */
	struct xi_selector sel;
	uint8_t action, level, mode, protos; /* XI_ACTION_*, XI_LEVEL_*, XI_MODE_*, XI_PROTOS_* */
	uint8_t dynamic;
	uint8_t manual;			/* has manual-sa: never negotiated (spec section 9) */
	struct ike_addr sa_src, sa_dst; /* unset ends are filled in as spec 6.1 says where that is possible */
	uint32_t reqid;			/* level unique, else 0 */
};

/* A negotiated set: one ESP or AH SA each way, or both. [0] ESP or the only one, [1] AH of the bundle. */
struct ike_bundle {
	uint8_t n;		    /* 1 or 2 */
	struct xi_sa in[2], out[2]; /* gen, state, add_ns, add_wall are set by install; secrets: the caller wipes */
	uint64_t in_ref[2], out_ref[2];
};

struct ike_sa_use {
	uint64_t bytes, packets;
	uint32_t pair;	     /* xi_sa.pair */
	uint64_t last_ns;    /* last packet that was good, 0 = never */
	struct ike_end seen; /* inbound with UDP: newest authentic source that is not the SA's; port 0 = none */
};

struct ike_sadb_ops {
	/* --- policies --- */
	int (*policy_get)(void *ctx, uint32_t slot, uint32_t gen, struct ike_policy *out); /* -ENOENT: gone */
	/*
	 * Responder (spec section 17): the policy whose selector equals sel, else the first in evaluation order that contains it. -ENOENT: none.
	 * What it is (action, manual) the caller judges.
	 */
	int (*policy_find)(void *ctx, const struct xi_selector *sel, struct ike_policy *out);
	/*
	 * Spec section 19: puts a dynamic policy into force together with its SAs (b is installed by the same commit), or refreshes an equal one. The
	 * safety net of 19.7 refuses with -EPERM. *p gets slot, gen, level and reqid: unique with a reqid of its own where other dynamic policies have the
	 * same ends, as those of several peers behind one NAT do (19.4).
	 */
	int (*policy_generate)(void *ctx, struct ike_policy *p, struct ike_bundle *b, struct err *e);
	int (*policy_remove)(void *ctx, uint32_t slot, uint32_t gen); /* a dynamic one */
	/* --- SAs --- */
	/* Reserves an inbound SPI (network order) for dst and XI_PROTO_*, not used by anybody nor by a manual-sa (spec section 9). */
	int (*spi)(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 *spi, struct err *e);
	void (*spi_free)(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 spi);
	/*
	 * Make before break: inbound SAs first (install_in), outbound ones take over with one store (install_out); both point the policy at them, and every
	 * other policy that may share them (level require or use; same ends, mode, protocols; spec 6.2).
	 */
	int (*install_in)(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e);
	int (*install_out)(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e);
	/* Policies that point at it get the newest other SA that fits, else none. A stale reference is ignored. */
	void (*remove)(void *ctx, uint64_t ref);
	int (*use)(void *ctx, uint64_t ref, struct ike_sa_use *out); /* -ENOENT: gone */
	/*
	 * The one SA of *ref goes to another address or port of the peer (NAT mapping changed); keys and numbers stay. *ref becomes the new reference, and
	 * policies that pointed at the old one point at it.
	 */
	int (*move)(void *ctx, uint64_t *ref, const struct ike_end *remote, struct err *e);
	/* A policy in force that points at the SA: who uses it when the policy that it was made for is gone, and at start. -ENOENT: none. */
	int (*user)(void *ctx, uint64_t ref, struct ike_policy *out);
	/* An acquire came to nothing: what waits for it is dropped; a packet asks again, but not within a second. */
	void (*acquire_failed)(void *ctx, uint32_t slot, uint32_t gen);
	/* SAs made by IKE that are there at start: cb for each one, inbound and outbound (restart takes them over). xi_sa.pair says which belong together. */
	void (*each)(void *ctx, void (*cb)(void *arg, uint64_t ref, const struct xi_sa *sa), void *arg);
};

#endif
