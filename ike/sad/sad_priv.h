/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of this room. */
#ifndef IKE_SAD_SAD_PRIV_H
#define IKE_SAD_SAD_PRIV_H

#include "ike/sad/sad.h"
#include "user/base/chain.h"

#define SAD_BUCKETS 4096
#define SAD_LARVAL_NS (30 * 1000000000ull) /* spec section 22 */
#define SAD_PAUSE_NS 1000000000ull	   /* from an acquire that failed to the next one of the policy */

/* An SA that IKE made: where it is in the maps. By the peer's address, since policies ask for SAs between two ends. */
struct sad_entry {
	uint64_t ref;
	struct xi_addr peer; /* that policies know it by: it may have been moved since */
	uint8_t unsure;	     /* an earlier daemon's, which may have moved it */
	struct sad_entry *next;
};

/* A reserved SPI: a larval SA in the maps. Oldest first. */
struct sad_larval {
	uint64_t ref, until;
	__be32 spi;
	struct chain by_spi;
	struct sad_larval *next, **pprev;
};

/* lookup.c. Slots are kept as slot + 1, 0 = end. */
struct sad_shape {
	uint8_t family, src_len, dst_len, flags;
};

struct sad_lookup {
	uint64_t gen; /* xi_meta.spd_gen that it was made at */
	uint32_t mask;
	uint32_t *by_selector, *by_peer;     /* buckets; NULL = not made */
	uint32_t *next_selector, *next_peer; /* by slot */
	struct sad_shape *shape;
	unsigned n_shapes, shapes_room;
};

struct sad {
	struct maps *m;
	struct sad_entry *bucket[SAD_BUCKETS];
	struct sad_larval *larval, **larval_last;
	struct chain *by_spi[SAD_BUCKETS]; /* larval ones */
	struct sad_lookup lookup;
	uint64_t looked; /* policies that were looked at, for tests */
	struct sad_manual *manual;
	unsigned n_manual;
	uint32_t last_reqid;
};

static inline struct sad *sad_of(void *ctx)
{
	return *(struct sad **)ctx;
}

static inline int sad_lock(const struct sad *s, struct err *e)
{
	return spd_lock(s->m, e);
}

static inline int addr_same(const struct xi_addr *a, const struct xi_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* index.c: entries of stale references are dropped when they are met. */
int sad_index_add(struct sad *s, uint64_t ref) __must_check;
/* The peer that policies which point at it have; NULL: not known. */
const struct xi_addr *sad_index_peer(const struct sad *s, uint64_t ref);
int sad_index_moved(struct sad *s, uint64_t ref,
		    const struct xi_addr *peer) __must_check; /* add, but known by peer; NULL: not known */
/* The newest usable SA that fits the policy in that direction and protocol, mature rather than dying; pair 0: any. 0: none. But for `not`. */
uint64_t sad_best(struct sad *s, const struct xi_policy *pol, uint8_t dir, uint8_t proto, uint32_t pair, uint64_t not );
/* Sets wanted[slot] of every SA that a policy in force points at, or could. */
void sad_wanted(const struct sad *s, uint8_t *wanted);
void sad_index_free(struct sad *s);

/* lookup.c: calls visit for policies with that peer (NULL: any), or whose selector may contain sel; maybe for others, too. visit must not commit. */
typedef void sad_visit(struct sad *s, uint32_t slot, void *arg);
void sad_each_of_peer(struct sad *s, const struct xi_addr *peer, sad_visit *visit, void *arg);
void sad_each_around(struct sad *s, const struct xi_selector *sel, sad_visit *visit, void *arg);
void sad_lookup_free(struct sad *s);

/* policy.c: fills in the ends that are unset where the policy itself says them (spec section 6.1). */
void sad_effective_ends(struct xi_policy *pol);
/* Is it negotiated, and in force? */
int sad_policy_ours(const struct xi_policy *pol);
void sad_policy_out(const struct sad *s, uint32_t slot, struct ike_policy *out);
int sad_policy_get(void *ctx, uint32_t slot, uint32_t gen, struct ike_policy *out);
int sad_policy_find(void *ctx, const struct xi_selector *sel, struct ike_policy *out);
int sad_policy_remove(void *ctx, uint32_t slot, uint32_t gen);
/* generate.c */
int sad_policy_generate(void *ctx, struct ike_policy *p, struct ike_bundle *b, struct err *e);

/* install.c. Under the lock: publishes one direction of a bundle; on error none of it stays. */
int sad_publish_bundle(struct sad *s, const struct ike_policy *p, struct ike_bundle *b, int dir,
		       struct err *e) __must_check;
/* Under the lock: points a policy at the best SAs there are, but for `not`. */
void sad_point(struct sad *s, uint32_t slot, uint64_t not );
int sad_install_in(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e);
int sad_install_out(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e);
void sad_ops_remove(void *ctx, uint64_t ref);
int sad_ops_move(void *ctx, uint64_t *ref, const struct ike_end *remote, struct err *e);

/* spi.c */
void sad_spi_init(struct sad *s);
void sad_larval_free(struct sad *s, struct sad_larval *l); /* forgets it; the larval SA stays */
int sad_spi(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 *spi, struct err *e);
void sad_spi_free(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 spi);
/* Under the lock: takes the reservation away for the SA that comes in its place. */
void sad_spi_take(struct sad *s, const struct xi_addr *dst, uint8_t family, uint8_t proto, __be32 spi);

/*
 * routes.c: does a route of the host, but the default one, meet the prefix? At most 16384 routes are looked at (added to *looked): with more, a prefix that
 * only contains routes, its first host having none, may be answered with no.
 */
int sad_routed(const struct xi_addr *net, uint8_t len, uint8_t family, uint64_t *looked);

#endif
