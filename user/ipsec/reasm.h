/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting fragments together (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722, RFC 3168 §5.3) before ESP or AH is looked at: RFC 4303 §3.4.1,
 * RFC 4302 §3.4.1. Memory is fixed: all of it is allocated by reasm_new(). No clock, no lock: one thread at a time. Bounds, since anyone can
 * send fragments (RFC 8900 §3):
 *   - so many datagrams at once, each with its 64 KiB, so many of one source, so many fragments of one datagram, and an age;
 *   - one datagram too many of a source takes the place of that source's oldest, one too many of all that of the oldest of the source
 *     which holds the most: what is lost lingers, what is fresh gets through, and a flood from one address costs only that address;
 *   - a datagram with overlapping or contradicting fragments is dropped as a whole, and what still comes of it until it ages.
 * No ICMP time exceeded is sent (RFC 792, RFC 4443 §3.3): the sender may be made up, and a gateway of the other end can do nothing with it.
 * A fragment is a packet: each that ends here without having become part of a whole datagram is counted once, in struct reasm_lost.
 */
#ifndef IPSEC_REASM_H
#define IPSEC_REASM_H

#include "user/ipsec/pkt.h"

#define REASM_PARTS_MAX 128	    /* of one datagram: 64 KiB in packets of 576 bytes */
#define REASM_VIA 6		    /* transforms that a fragment may have been in */
#define REASM_ROOM 256		    /* bytes for the headers in front of a datagram's payload */
#define REASM_AGE_NS 15000000000ull /* RFC 791 §3.2. departs: RFC 8200 §4.5 lets it be up to 60 s */

struct reasm;

struct reasm_conf {
	unsigned datagrams;  /* at once; each costs 65 KiB */
	unsigned per_source; /* of these; at least 1 */
	uint64_t age_ns;     /* from a datagram's first fragment on */
};

/* Fragments dropped; added to, never set. */
struct reasm_lost {
	unsigned bad;  /* XI_DROP_IN_FRAG_BAD: malformed, tiny, duplicate, overlapping or contradicting others */
	unsigned full; /* XI_DROP_IN_FRAG_FULL: had to give way */
	unsigned old;  /* XI_DROP_IN_FRAG_OLD: the others did not arrive in time */
};

/* NULL: no memory, or a conf with a zero in it. *bytes is what it allocates. The caller frees; NULL is accepted. */
struct reasm *reasm_new(const struct reasm_conf *conf, size_t *bytes);
void reasm_free(struct reasm *r);

/*
 * Takes the fragment p: data at its IP header, tail at or behind its end by its own length; it may be changed. 1 = *whole is the datagram,
 * contiguous, with its header mended as if it had never been cut; its bytes stay valid until the next call. 0 = none
 * yet, or it was dropped. What is no fragment, or is all of its datagram (RFC 6946), is whole at once and stays in its own memory.
 * now_ns: any clock that does not go backwards by much. via: references of the SAs by which p came, NULL when it came in clear: fragments
 * that came by others are of another datagram, whatever their headers say.
 */
int reasm_add(struct reasm *r, uint64_t now_ns, const uint64_t via[REASM_VIA], struct pkt *p, struct pkt *whole,
	      struct reasm_lost *lost) __must_check;

/* Drops what is too old; reasm_add() does it too. Cheap when there is nothing. */
void reasm_expire(struct reasm *r, uint64_t now_ns, struct reasm_lost *lost);

/* Fragments that it holds. */
unsigned reasm_held(const struct reasm *r);

#endif
