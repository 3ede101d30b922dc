/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SA payload of quick mode (RFC 2407 §4.5; spec sections 8, 17, 18, 24.2): what we offer, what of a peer's offer is taken, whether an
 * answer is one to ours, and how KEYMAT becomes the keys of an SA. Pure; any thread.
 */
#ifndef IKE_NEG_PHASE2_H
#define IKE_NEG_PHASE2_H

#include "bpf/abi/xi_policy.h"
#include "ike/msg/msg.h"
#include "ike/neg/check.h"
#include "user/crypto/alg.h"

#define PHASE2_ALGS_MAX 32
#define PHASE2_KEYMAT_MAX (XI_ENC_KEY_MAX + XI_AUTH_KEY_MAX)
#define PHASE2_LIFE_DEFAULT 28800 /* RFC 2407 §4.5: no lifetime given */

/* How the packets travel: plain, or in UDP with the mode numbers of RFC 3947 or of its drafts (spec section 21). */
enum phase2_encap { PHASE2_PLAIN, PHASE2_UDP, PHASE2_UDP_DRAFT };

/* What we have: of a policy, its proposal item and the peer. Algorithms stand strongest first. */
struct phase2_own {
	const struct alg *enc[PHASE2_ALGS_MAX], *auth[PHASE2_ALGS_MAX];
	uint8_t n_enc, n_auth;
	uint8_t protos; /* XI_PROTOS_*; 0: any the peer proposes (spec section 19) */
	uint8_t mode;	/* XI_MODE_*, or PHASE2_ANY_MODE */
	uint8_t encap;	/* enum phase2_encap */
	uint8_t check;	/* enum check_mode */
	uint32_t life_s;
	uint16_t group; /* PFS; 0 = none */
};
#define PHASE2_ANY_MODE 0xff

/* One protocol of what was agreed. */
struct phase2_suite {
	uint8_t proto;		      /* XI_PROTO_* */
	const struct alg *enc, *auth; /* AH: enc is null */
	uint8_t key_len;	      /* bytes of the cipher's key, without salt */
	uint8_t esn;		      /* RFC 4304 */
	__be32 spi;		      /* of whoever sent the payload */
	uint16_t proposal, transform; /* in the message that was read */
};

struct phase2_terms {
	unsigned n;
	struct phase2_suite suite[2]; /* [0] ESP or the only one, [1] AH of the bundle */
	uint8_t mode;		      /* XI_MODE_* */
	struct check_terms use;	      /* what both sides shall have; key_bits are those of [0] */
	int notify;		      /* RESPONDER-LIFETIME is due */
};

/* Why nothing was taken, in the order of judging: the later, the closer it came. */
enum phase2_why {
	PHASE2_NOTHING, /* no proposal at all */
	PHASE2_SYNTAX,	/* attributes that contradict each other, or that we do not know: refusal.what says which */
	PHASE2_PROTOCOL,
	PHASE2_MODE,
	PHASE2_ENCAP,
	PHASE2_ENC,
	PHASE2_AUTH,
	PHASE2_LIFE,
	PHASE2_BYTES,
	PHASE2_KEY,
	PHASE2_GROUP,
};

/* For the one message that says why (design: who, what we have, what they have, what differs first, what to change). */
struct phase2_refusal {
	enum phase2_why why;
	const char *what; /* static; of PHASE2_SYNTAX */
	char theirs[160]; /* the offer that came closest */
};

/* Appends an SA payload that offers *own, spi: of ESP or the only protocol, of AH in a bundle. Returns how many transforms; 0: there is none to offer. */
unsigned phase2_write(struct msg_wr *w, const struct phase2_own *own, const __be32 spi[2]);

/*
 * Responder: the first transform of the SA payload in the order received that *own and proposal-check take (18.1). 0, or -ENOENT with *r set.
 * Without transforms in common NO-PROPOSAL-CHOSEN goes out.
 */
int phase2_choose(const struct msg *m, const struct msg_sa *sa, const struct phase2_own *own, struct phase2_terms *t,
		  struct phase2_refusal *r) __must_check;
/* Appends the answer: the chosen transforms with their attributes as they were offered, and our SPIs. */
void phase2_write_answer(struct msg_wr *w, const struct msg *m, const struct phase2_terms *t, const __be32 spi[2]);

/* Initiator: is it an answer to what phase2_write() offered (18.3)? 0, or -ENOENT with *r set. */
int phase2_answer(const struct msg *m, const struct msg_sa *sa, const struct phase2_own *own, struct phase2_terms *t,
		  struct phase2_refusal *r) __must_check;

/* "first difference: encryption algorithm; offered: ...; ours: ...; see enc-algorithms of proposal default". Returns buf. */
const char *phase2_refusal_text(const struct phase2_refusal *r, const struct phase2_own *own, const char *proposal,
				char *buf, size_t size);
/* "ESP tunnel, aes-128 3des, sha1, modp1024, 1800 s". Returns buf. */
const char *phase2_own_text(const struct phase2_own *own, char *buf, size_t size);

/* Bytes of KEYMAT that one direction of a suite takes (RFC 2409 §5.5, RFC 4106 §8.1, RFC 3686 §5). */
size_t phase2_keymat_len(const struct phase2_suite *s);
/* Algorithms and keys of *sa: cipher key and salt first, then the authentication key. keymat has phase2_keymat_len() bytes. */
void phase2_keys(const struct phase2_suite *s, const uint8_t *keymat, struct xi_sa *sa);

#endif
