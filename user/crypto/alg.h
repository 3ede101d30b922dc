/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every algorithm once. The command line, map validation, the engines, ESP's sizes and (later) IKE read this table; an
 * algorithm costs one entry. Names and keys: spec sections 9 and 10; numbers for IKE: spec section 24.2.
 * All functions are pure and may be called by any thread; nothing returned is ever freed.
 */
#ifndef CRYPTO_ALG_H
#define CRYPTO_ALG_H

#include "bpf/abi/xi_sa.h"
#include "user/base/util.h"

enum alg_kind { ALG_ENC, ALG_AUTH };

/* ALG_F_AEAD: makes its own ICV, goes with authentication null only.
 * ALG_F_COUNTER: the IV is a counter that must never repeat under a key; on the wire it is the packet's sequence number, and
 * manual keys need unsafe-aead=yes (spec section 9).
 * ALG_F_AH_ONLY: authentication that ESP has no use for; such rows stand last. */
#define ALG_F_AEAD 0x01
#define ALG_F_COUNTER 0x02
#define ALG_F_AH_ONLY 0x04

/* Requirement levels of RFC 8221 §5, §6; an algorithm that it does not list is MAY. The last two are not to be used any more. */
enum alg_level { ALG_MUST, ALG_SHOULD, ALG_MAY, ALG_SHOULD_NOT, ALG_MUST_NOT };

struct alg {
	const char *
		name; /* as typed and printed in esp-enc-algorithm, esp-auth-algorithm, ah-algorithm: "aes-128", "sha1" */
	const char *sa_name; /* as shown by installed-sa: "aes", "none" */
	const char *rfc;     /* "RFC 3602" */
	enum alg_kind kind;
	enum alg_level level;
	uint8_t abi;	 /* enum xi_enc or enum xi_auth: the number in xi_sa */
	uint8_t key_len; /* bytes of key material proper; of a variable key, what IKE proposes */
	uint8_t key_min; /* a variable key has key_min, key_min + key_step, ... key_max bytes; key_max 0: exactly key_len */
	uint8_t key_max;
	uint8_t key_step;
	uint8_t salt_len; /* bytes of salt or nonce that follow the key in xi_sa.enc_key (GMAC of AH: xi_sa.auth_key) */
	uint8_t iv_len; /* bytes of IV on the wire: in front of the ciphertext, for AH in front of the ICV (RFC 4543 §4) */
	uint8_t block;	 /* ciphertext is a multiple of this many bytes (1 = stream) */
	uint8_t icv_len; /* bytes of ICV on the wire, after truncation */
	uint8_t flags;	 /* ALG_F_* */
	/* Numbers for IKE, -1 = none (spec section 24.2, IANA). */
	int16_t ike_esp;  /* ciphers: IKEv1 ESP transform ID */
	int16_t ike_ah;	  /* authentication: IKEv1 AH transform ID */
	int16_t ike_auth; /* authentication: value of the IKEv1 attribute 5 */
	int16_t ike_bits; /* value of the key length attribute (IKEv1 attribute 6, IKEv2 attribute 14); -1 = not sent */
	int16_t ike_phase1; /* IKEv1 phase 1: cipher (attribute 1) or hash (attribute 2) */
	int16_t ike2;	    /* IKEv2: ENCR_* or AUTH_* */
};

/* What the packet format needs to know of an SA's algorithms. */
struct alg_shape {
	uint8_t iv_len; /* bytes */
	uint8_t align;	/* ESP: payload, padding and the two trailer bytes fill a multiple of this: block, at least 4 */
	uint8_t icv_len; /* bytes; 0 = no ICV, then no anti-replay either (spec section 15) */
	uint8_t flags;	 /* ALG_F_* of the cipher; AH: of the authentication */
};

/* Row i of the table, NULL behind the last: ciphers first, then authentication. */
const struct alg *alg_at(unsigned i);

/* The number i of a row of the table. */
unsigned alg_row(const struct alg *a);

/* By the name on the command line; exact. NULL: no such algorithm of that kind. */
const struct alg *alg_by_name(enum alg_kind kind, const char *name);

/* By the number in the maps and the length of the key there, salt included. NULL: not ours. */
const struct alg *alg_by_abi(enum alg_kind kind, unsigned abi, unsigned key_len);

/* Bytes that xi_sa.enc_key_len or auth_key_len has: key and salt. Of a variable key that of key_len; null: 0. */
unsigned alg_key_bytes(const struct alg *a);

/* Is a key of len bytes, with salt, one of the algorithm? */
int alg_key_fits(const struct alg *a, unsigned len);

/* "MUST", "SHOULD NOT" */
const char *alg_level_name(enum alg_level level);

/*
 * Shape of the SA's packets by xi_sa.proto (0 counts as ESP). -EINVAL: a number that is not in the table, an AEAD cipher with
 * authentication, GMAC of AH in ESP; AH with a cipher or without authentication.
 */
int alg_shape(const struct xi_sa *sa, struct alg_shape *out) __must_check;

/*
 * Is the algorithm part of an SA sound? Known numbers, lengths of keys, AEAD without a second ICV, not both null
 * (RFC 4303 §3.2), AES-CTR not without authentication (RFC 3686 §2.1), AH with authentication alone, and an anti-replay window in
 * range. 0 or -EINVAL. Does not judge addresses or mode.
 */
int alg_check_sa(const struct xi_sa *sa) __must_check;

/* Key and salt that a counter runs under, inside *sa, and their bytes in *len; NULL: the SA has no counter mode. */
const uint8_t *alg_counter_key(const struct xi_sa *sa, unsigned *len);

/*
 * Would the two make the same IVs from the same sequence number: one counter-mode key with one salt (RFC 4106 §2, RFC 3686 §2,
 * RFC 4543 §2), whatever the mode? The direction does not count. With itself: has it such a key?
 */
int alg_same_counter_key(const struct xi_sa *x, const struct xi_sa *y);

#endif
