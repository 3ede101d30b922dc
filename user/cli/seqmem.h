/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Last sequence numbers of outbound manual SAs that are gone, by their keys: RFC 4303 §3.3.3 and spec section 9 forbid that a
 * number is used twice under one key, so a template that is disabled and enabled again goes on where it stopped. Kept
 * in the run folder (0600): a reboot forgets them, as spec section 9 says. Digests of keys are stored, never keys.
 * Called under spd_lock().
 */
#ifndef CLI_SEQMEM_H
#define CLI_SEQMEM_H

#include "bpf/abi/xi_sa.h"
#include "user/base/path.h"

struct seqmem_entry {
	uint8_t digest[32];
	uint64_t seq;
};

struct seqmem {
	char path[PATH_LEN + 8];
	struct seqmem_entry *entry;
	unsigned count, room;
	int changed;
};

/* Reads what is remembered. A missing or broken file is an empty memory. */
void seqmem_load(struct seqmem *s, const struct paths *p);

/* The number may have been used under the keys of sa. */
void seqmem_note(struct seqmem *s, const struct xi_sa *sa, uint64_t seq);

/* Where to go on under the keys of sa: 0 = never used. */
uint64_t seqmem_find(const struct seqmem *s, const struct xi_sa *sa);

/* Writes it when it has changed. -errno: could not. */
int seqmem_save(struct seqmem *s, struct err *e) __must_check;
void seqmem_free(struct seqmem *s);

#endif
