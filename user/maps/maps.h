/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pinned maps of an instance, opened and checked. A plain struct: readers use the mapped arrays directly, with the
 * rules of bpf/abi. One per process; the pointers stay valid until maps_close().
 */
#ifndef MAPS_MAPS_H
#define MAPS_MAPS_H

#include "bpf/abi/xi_abi.h"
#include "bpf/abi/xi_class.h"
#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_policy.h"
#include "bpf/abi/xi_sa.h"
#include "user/base/err.h"
#include "user/base/path.h"

enum map_id {
	MAP_META,
	MAP_SAD,
	MAP_SA_RT,
	MAP_REPLAY,
	MAP_SPI,
	MAP_SPD,
	MAP_CLASS,
	MAP_RULES,
	MAP_BUCKET,
	MAP_LOCAL,
	MAP_FRAG,
	MAP_NAT,
	MAP_VLAN,
	MAP_IF,
	MAP_XSK,
	MAP_STAT,
	MAP_POLSTAT,
	MAP_WSTAT,
	MAP_WPOLSTAT,
	MAP_DROPS,
	MAP_SAMPLER,
	MAP_MAX
};

struct maps {
	struct paths paths;
	int fd[MAP_MAX];
	size_t bytes; /* what the maps hold in kernel memory, for the log */
	struct xi_meta *meta;
	struct xi_sa *sad;	     /* [meta->sad_max] */
	struct xi_sa_rt *sa_rt;	     /* [meta->sad_max] */
	struct xi_replay *replay;    /* [meta->sad_max] */
	struct xi_policy *spd;	     /* [meta->spd_max] */
	struct xi_class_head *class; /* [2] */
	struct xi_rule *rules;	     /* [2 * meta->spd_max] */
	struct xi_bucket *bucket;    /* [2 * xi_buckets(meta->spd_max)] */
	struct xi_if *ifs;	     /* [XI_IF_MAX] */
	struct xi_wstat *wstat;	     /* [XI_WORKER_MAX] */
	struct xi_polstat *wpolstat; /* [meta->workers_max * meta->spd_max], worker w, policy p: w * spd_max + p */
};

/* Name, as pinned: "xi_sad"... */
const char *map_name(enum map_id id);

/*
 * Opens the instance's maps. -ENOENT: there are none. -EPROTO: pins of another ABI version or other record sizes are there; the
 * text names both versions and what to do. -EPERM/-EACCES with "run as root".
 */
int maps_open(struct maps **out, const struct paths *p, struct err *e) __must_check;

/* Opens, or makes and pins them with so many SAs and policies (an existing set keeps its sizes). Half-made sets are removed. */
int maps_open_or_create(struct maps **out, const struct paths *p, unsigned sad_max, unsigned spd_max,
			struct err *e) __must_check;
void maps_close(struct maps *m); /* NULL allowed */

/* Removes the pins: the maps vanish with their last user. */
int maps_unpin(const struct paths *p, struct err *e) __must_check;

/* --- SAD (RFC 4301 §4.4.2). Every function below that changes something is called between spd_lock() and spd_unlock(). --- */

/*
 * Publishes a copy of *sa in a free slot: gen and runtime state are set here, the SPI entry is inserted (both directions, see
 * struct xi_spi_val). seq_start: outbound, the first number is seq_start + 1; inbound, all numbers up to it count as received
 * (RFC 4303 §3.4.3). Returns 0 and the reference in *ref; -ENOSPC with a
 * text naming the limit; -EEXIST when (dst, proto, SPI) is taken.
 */
int sad_publish(struct maps *m, const struct xi_sa *sa, uint64_t seq_start, uint64_t *ref, struct err *e) __must_check;

/*
 * Installs *sa anew in the slot of ref, which must have its destination, protocol and SPI: lifetime, bytes and packets start again,
 * the outbound sequence and the replay state go on (spec section 10, flush). For equal keys only. The old reference is stale from then on;
 * the caller points the policies at *new_ref. add_ns 0 = now.
 */
int sad_renew(struct maps *m, uint64_t ref, const struct xi_sa *sa, uint64_t *new_ref, struct err *e) __must_check;

/* Takes it out in the order of bpf/abi/xi_sa.h and wipes the keys. No policy may point at it any more. A stale ref is ignored. */
void sad_remove(struct maps *m, uint64_t ref);

/*
 * Removes what writers that died in the middle have left: SAs without SPI entry, SPI entries without SA, keys in free slots. No policy is looked at; one that
 * pointed at such an SA points at a stale reference, which counts as none.
 */
void sad_tidy(struct maps *m);

/* The SA behind a reference, or NULL when it is none, stale or out of range. Lock-free; recheck gen after use where it matters. */
const struct xi_sa *sad_get(const struct maps *m, uint64_t ref);

/* It has its SPI entry. One without was left by a writer that died: no packet finds it. */
int sad_entered(const struct maps *m, uint64_t ref);

/* State at a moment (CLOCK_BOOTTIME): mature becomes dying and dead by its time limits, spec 14.1. */
enum xi_sa_state sad_state(const struct xi_sa *sa, uint64_t now_ns);

/*
 * The same by all its limits, those of bytes and packets too (spec 14.2): at the soft limit it is dying, at the hard one, when
 * nothing more may pass or a packet was refused for it, dead. For who shows or judges an SA; the packet path counts and compares
 * by itself.
 */
enum xi_sa_state sad_state_rt(const struct xi_sa *sa, const struct xi_sa_rt *rt, uint64_t now_ns);

/* --- SPD --- */

/* One writer per instance: flock on paths.spd_lock. Waits; -ETIMEDOUT with the holder in the text after 20 s, the next time after 1 s. */
int spd_lock(struct maps *m, struct err *e) __must_check;
/* The same without waiting: -EWOULDBLOCK, without a text, when another writer has it. */
int spd_trylock(struct maps *m, struct err *e) __must_check;
void spd_unlock(struct maps *m);
/* Opens the lock for good: for a process that gives up the right to open it. Until maps_close(). */
int spd_lock_keep(struct maps *m, struct err *e) __must_check;

/* Puts a policy (gen, order are set here) into a free slot; not in force before spd_commit(). */
int spd_add(struct maps *m, const struct xi_policy *pol, uint32_t *slot, struct err *e) __must_check;
/* Marks a slot to go; its generation stays until spd_commit(). */
int spd_del(struct maps *m, uint32_t slot);
/* New priority or position of a policy that otherwise stays (its counters and SAs too). */
int spd_move(struct maps *m, uint32_t slot, int32_t priority, uint32_t position);

/*
 * The SAs of a policy: XI_REF, 0 = none. With both protocols out and in are ESP, else the one protocol; out_ah and in_ah are 0 but
 * with both protocols (bpf/abi/xi_policy.h).
 */
struct spd_sas {
	uint64_t out, in, out_ah, in_ah;
};
struct spd_sas spd_sas_of(const struct xi_policy *pol);
/*
 * Points a policy at its SAs, one store each, in force at once: inbound first, then AH before ESP. With both protocols `out` is entered
 * only together with out_ah, so that no packet leaves with half of its protection (spec 6.2). An outbound SA that is larval is not entered: it
 * counts as missing, which level=use lets pass; call again when it is mature.
 */
void spd_set_sa(struct maps *m, uint32_t slot, const struct spd_sas *sas);
/* Points every policy that uses the SA `old` at `new` instead; 0: its place stays empty. */
void spd_replace_sa(struct maps *m, uint64_t old, uint64_t new);
/*
 * Which policies use which SA, for who asks for many of them or replaces many. Under spd_lock(), or as it was at one moment. 0 or -ENOMEM; free it
 * either way.
 */
struct spd_user {
	uint64_t sa; /* XI_REF */
	uint32_t policy;
};
struct spd_users {
	struct spd_user *user; /* sorted by SA, then policy slot */
	uint32_t count;
};
int spd_users_make(struct spd_users *u, const struct maps *m) __must_check;
void spd_users_free(struct spd_users *u);
/* Index of the first user of the SA, if user[].sa there is that SA. */
uint32_t spd_users_of(const struct spd_users *u, uint64_t sa);
/* spd_replace_sa() for an SA that was there when *u was made. */
void spd_users_replace(struct maps *m, const struct spd_users *u, uint64_t old, uint64_t new);
/*
 * Compiles the classifier from all policies but those marked to go, sorted by spec 13.1 (priority descending, static before dynamic,
 * position), swaps it in with one step, raises meta->spd_gen, then frees the marked slots. On error the old version stays in force.
 */
int spd_commit(struct maps *m, struct err *e) __must_check;
/* Undoes what was added or marked since the last commit. */
void spd_rollback(struct maps *m);

/*
 * The first policy in evaluation order for t in direction dir (XI_DIR_*), as the XDP programs find it (bpf/abi/xi_class.h): a copy of its rule
 * in *rule. 1 found, 0 none, -EAGAIN when the classifier changed again and again meanwhile. Lock-free, any thread.
 */
int class_match(const struct maps *m, const struct xi_tuple *t, int dir, struct xi_rule *rule) __must_check;

/* --- the host's NAT --- */

/* Takes away what xi_nat has not seen used for XI_NAT_IDLE_S; now_s: CLOCK_BOOTTIME. Returns how many went. Main thread of the data plane. */
unsigned nat_expire(struct maps *m, uint32_t now_s);

/* --- statistics: sums over CPUs and workers --- */

/* reason[XI_REASON_MAX]: every reason, BPF programs and workers together. */
int stats_reasons(const struct maps *m, uint64_t reason[XI_REASON_MAX]) __must_check;
/* The 25 counters of spec section 12 from the reasons. */
void stats_from_reasons(uint64_t stat[XI_STAT_MAX], const uint64_t reason[XI_REASON_MAX]);
const char *stat_name(unsigned stat);	  /* "in-errors" */
const char *reason_text(unsigned reason); /* NULL when the number is unused */
/* The counter that a drop reason belongs to, "in-errors"; NULL: it is no drop. */
const char *reason_counter(unsigned reason);
/* Packets that the programs dropped without a sample while somebody listened (xi_sampler), all CPUs. 0 when they cannot be read. */
uint64_t stats_left_out(const struct maps *m);
/* Counters of one policy slot; zero when they are of an older generation. */
int stats_policy(const struct maps *m, uint32_t slot, struct xi_polstat *out) __must_check;

#endif
