/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SA payload of IKEv1's phase 1 (spec 16.1, 18.2, 18.3): what is offered, what is chosen, and why nothing is. Pure; any thread.
 */
#ifndef IKE_NEG_PHASE1_H
#define IKE_NEG_PHASE1_H

#include "ike/msg/msg.h"
#include "ike/neg/check.h"

#define NEG1_LIFE_DEFAULT_S 28800 /* no lifetime attribute: spec 16.1 */

/* One transform. */
struct neg1_terms {
	uint8_t cipher, hash; /* enum ike1_cipher_id, ike1_hash_id */
	uint16_t key_bits;    /* as in the key length attribute; 0: not sent */
	uint16_t auth, group; /* enum ike1_auth_id, group description */
	uint32_t life_s;
	uint64_t life_bytes; /* 0: no limit */
};

/* Why nothing was agreed, for the operator. */
struct neg1_report {
	char offered[512]; /* neg1_text() of each transform of the peer's, with commas; cut when there are many */
	char differs
		[256]; /* "hash-algorithm: md5, not sha1" of the transform that comes closest, or what is wrong with it */
	const char *setting; /* of the peer item: "hash-algorithm"; NULL: nothing of ours would help */
};

/* Our SA payload: one proposal, one transform. */
void neg1_write(struct msg_wr *w, const struct neg1_terms *own);
/* 0, or -EINVAL with *why: the transform is not acceptable whatever we have. */
int neg1_read(const struct msg_transform *t, struct neg1_terms *out, const char **why) __must_check;

/*
 * Responder: the first transform that fits. 0: *transform (index in m->transform) and *use, the terms to live by; -ENOENT: none, see *r.
 */
int neg1_choose(const struct msg *m, const struct msg_sa *sa, enum check_mode mode, const struct neg1_terms *own,
		unsigned *transform, struct neg1_terms *use, struct neg1_report *r) __must_check;
/* The SA payload with the chosen transform as it was offered. */
void neg1_answer(struct msg_wr *w, const struct msg *m, const struct msg_sa *sa, unsigned transform);
/* Initiator: is the answer one transform, the one that was sent? Its lifetime is judged by mode. 0, or -EINVAL with *r. */
int neg1_check_answer(const struct msg *m, const struct msg_sa *sa, enum check_mode mode, const struct neg1_terms *own,
		      struct neg1_terms *use, struct neg1_report *r) __must_check;

/* "aes-128 sha1 pre-shared-key modp1024 lifetime=86400s"; returns buf. */
const char *neg1_text(const struct neg1_terms *t, char *buf, size_t size);

#endif
