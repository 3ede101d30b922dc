/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequence numbers of manual SAs that are gone, by their keys. RFC 4303 §3.3.3 and spec section 9: no number is used twice under one
 * key, so a template that is disabled and enabled again goes on where it stopped. RFC 4303 §3.4.3: what an inbound SA has
 * received is a replay for its successor under the same key and SPI too. Kept in the run folder (0600): a reboot forgets it,
 * as spec section 9 says. Digests of keys are stored, never keys. Called under spd_lock(), but for seqmem_note_all().
 *
 * Numbers go on while a command runs. So before an SA is taken out, or renewed, a guard is written far above its number, and when
 * the SA is out, the exact number: whoever dies in between leaves the guard.
 */
#ifndef MAPS_SEQMEM_H
#define MAPS_SEQMEM_H

#include "user/maps/maps.h"

/* Numbers that bursts in flight may still take from an SA that was taken out: every worker one burst, and room. */
#define SEQMEM_MARGIN 4096
/* Numbers that an SA may take between the guard and its removal: more than a second of 10 million packets a second. */
#define SEQMEM_GUARD (1u << 24)

struct seqmem_entry {
	uint8_t digest[32];
	uint64_t seq;	/* the highest that may have been used or received */
	uint64_t guard; /* written in its place where it is higher; 0 = none */
};

struct seqmem {
	char path[PATH_LEN + 8];
	struct seqmem_entry *entry;
	unsigned count, room;
	int changed;
	int damaged; /* the file has lines that are none: some keys' numbers are not known. Stays so until it is removed. */
	int lost; /* no memory for an entry: seqmem_save() fails */
};

/* Reads what is remembered; no file is an empty memory. -EBADMSG with a text for the operator: damaged, the sound lines are read. */
int seqmem_load(struct seqmem *s, const struct paths *p, struct err *e) __must_check;

/*
 * Notes the number of a manual SA: outbound the last one given out, with SEQMEM_MARGIN, inbound the highest received. 0 is
 * noted of counter-mode SAs only.
 */
void seqmem_note(struct seqmem *s, const struct xi_sa *sa, const struct xi_sa_rt *rt);

/* What was received under the keys and the SPI of sa counts no more; what was sent under them does. */
void seqmem_forget_received(struct seqmem *s, const struct xi_sa *sa);

/* Sets the guard for an SA that is still in use. */
void seqmem_guard(struct seqmem *s, const struct xi_sa *sa, const struct xi_sa_rt *rt);

/* The guards are not needed any more: the SAs are noted, or stay. */
void seqmem_settle(struct seqmem *s);

/* seq_start of sad_publish() for an SA with these keys: 0 = never used. */
uint64_t seqmem_find(const struct seqmem *s, const struct xi_sa *sa);

/* Writes it when it has changed. -errno: could not; what was written before is still there. */
int seqmem_save(struct seqmem *s, struct err *e) __must_check;
void seqmem_free(struct seqmem *s);

/*
 * Notes all manual SAs of the maps and writes the file; takes spd_lock() itself. Call it before maps_unpin(), when nobody sends
 * any more (workers joined, sockets closed); it may be called on maps that are unpinned already. 0, or -errno with a text:
 * maps that are pinned should stay so. -EBADMSG: written, but the file was damaged before.
 */
int seqmem_note_all(struct maps *m, struct err *e) __must_check;

#endif
