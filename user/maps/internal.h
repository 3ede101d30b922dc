/* SPDX-License-Identifier: BSD-2-Clause */
/* What struct maps keeps to itself: the lock and the changes of the SPD that wait for spd_commit(). This room only. */
#ifndef MAPS_INTERNAL_H
#define MAPS_INTERNAL_H

#include "user/maps/maps.h"

enum spd_change { SPD_KEEP, SPD_ADD, SPD_DEL, SPD_MOVE };

/* What is to become of one policy slot. Private to the process: a writer that dies takes its plans along. */
struct spd_plan {
	enum spd_change change;
	uint32_t gen;	  /* SPD_ADD: generation it will get */
	int32_t priority; /* SPD_MOVE */
	uint32_t position;
};

struct maps_priv {
	struct maps m;	       /* first: a struct maps * is a struct maps_priv * */
	int lock_fd;	       /* -1 = not held */
	int kept_fd;	       /* spd_lock_keep(), -1 = none */
	int lock_stuck;	       /* the holder did not let go the last time: it is not waited for again */
	struct spd_plan *plan; /* [spd_max] */
	uint32_t free_hint;    /* no free slot of the SPD below this one */
	int possible_cpus;
};

static inline struct maps_priv *maps_priv(struct maps *m)
{
	return (struct maps_priv *)m;
}

/* Next generation for an SA or policy slot, never 0. Under spd_lock(). */
uint32_t maps_next_gen(struct maps *m);

/* The hash of a run: of two addresses under shape number `shape` of the family. */
static inline uint64_t class_hash(const struct xi_class_head *h, const struct xi_addr *src, const struct xi_addr *dst,
				  uint8_t family, unsigned shape)
{
	const struct xi_shape *s = &h->shape[(family == XI_IP4 ? 0 : XI_SHAPES_MAX) + shape];
	uint32_t salt = xi_shape_salt(h->salt, shape);

	return family == XI_IP4 ? xi_class_hash4(src, dst, s, salt) : xi_class_hash6(src, dst, s, salt);
}

/*
 * class.c: compiles n rules, which stand in evaluation order (rule[i].order == i), into the copy of the classifier that is not in force.
 * Only spd_commit() calls it, with spd_begin raised. rule[] is put into another order. 0 or -ENOMEM.
 */
int class_compile(struct maps *m, struct xi_rule *rule, unsigned n) __must_check;

/* spd_replace_sa() for one policy. */
void spd_replace_in(struct maps *m, uint32_t slot, uint64_t old, uint64_t new);

/* netns.c: the cookie of the network namespace we are in, 0 when the kernel has none. */
uint64_t netns_cookie(void);

/* May this process use the maps? -EXDEV: they belong to another namespace that lives. -ENOENT: to one that is gone; sequence
 * numbers are noted, the pins of its links are removed, the maps are to be made anew. */
int netns_check(struct maps *m, struct err *e) __must_check;

/*
 * place.c: where the maps are. place_note: m was made here just now. place_forget: before its pins go. place_check: no pins here; -EXDEV when
 * the maps live elsewhere.
 */
int place_note(const struct maps *m, struct err *e) __must_check;
void place_forget(const struct paths *p);
int place_check(const struct paths *p, struct err *e) __must_check;

#endif
