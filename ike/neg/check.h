/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proposal-check (spec section 18): is what a peer offers taken, given what we have? "Offered" is what the other side sent, "own" what is
 * configured or, at the initiator, what we sent (18.3). Algorithms were compared before. Pure; any thread.
 */
#ifndef IKE_NEG_CHECK_H
#define IKE_NEG_CHECK_H

#include "user/base/util.h"

enum check_mode {
	CHECK_OBEY,
	CHECK_STRICT,
	CHECK_CLAIM,
	CHECK_EXACT
}; /* values of the peer's property proposal-check */

struct check_terms {
	uint32_t life_s;     /* seconds */
	uint64_t life_bytes; /* 0: no limit, compares as infinity */
	uint16_t key_bits;   /* of the cipher; 0: fixed length */
	uint16_t group;	     /* phase 2: PFS group, 0: none. Phase 1: was compared before, not looked at */
};

/* Why terms are refused, in the order of judging. */
enum check_verdict { CHECK_TAKEN, CHECK_LIFE, CHECK_BYTES, CHECK_KEY, CHECK_GROUP };

/*
 * *use becomes what both sides shall have: key length and group as offered, lifetimes by the mode. *notify: 1 when the peer must hear of a
 * lifetime by RESPONDER-LIFETIME (claim; phase 2 only). Both are untouched unless taken.
 */
enum check_verdict check_phase2(enum check_mode mode, const struct check_terms *offered, const struct check_terms *own,
				struct check_terms *use, int *notify);
enum check_verdict check_phase1(enum check_mode mode, const struct check_terms *offered, const struct check_terms *own,
				struct check_terms *use);

/* A RESPONDER-LIFETIME of life_s seconds arrived: the lifetime to go on with (18.3). It never ends a negotiation. */
uint32_t check_responder_lifetime(enum check_mode mode, uint32_t life_s, uint32_t own_s);

/* The same of a byte limit; 0: none. */
uint64_t check_responder_bytes(enum check_mode mode, uint64_t bytes, uint64_t own);

const char *check_verdict_text(enum check_verdict v); /* "lifetime" */

#endif
