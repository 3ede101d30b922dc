/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys, hashes and IVs of IKEv1 (RFC 2409 §5, appendix B; draft-ietf-ipsec-ike-base-mode; RFC 3947 §3.2; spec sections 16.4, 16.6, 17, 21).
 * Pure functions over the caller's bytes; any thread. They return 0, -EIO or -ENOMEM; what they write are secrets unless said
 * otherwise, and the caller wipes them.
 */
#ifndef IKE_V1_KEYMAT_H
#define IKE_V1_KEYMAT_H

#include "ike/neg/cipher.h"
#include "ike/neg/prf.h"

/* What phase 1 is computed from, as it was sent: payload bodies without generic header. */
struct ike1_inputs {
	struct bytes icookie, rcookie; /* 8 bytes each */
	struct bytes ni, nr;	       /* Ni_b, Nr_b */
	struct bytes gxi, gxr, gxy;    /* of the length of the group */
	struct bytes sai, idii, idir;  /* SAi_b, IDii_b, IDir_b */
};

struct ike1_skeyid {
	uint8_t skeyid[HASH_MAX], d[HASH_MAX], a[HASH_MAX], e[HASH_MAX]; /* of the length of the hash */
};

/* RFC 2409 §5.4 and §5.1: SKEYID itself. */
int ike1_skeyid_psk(const struct hash *h, struct bytes psk, const struct ike1_inputs *in,
		    struct ike1_skeyid *k) __must_check;
int ike1_skeyid_sig(const struct hash *h, const struct ike1_inputs *in, struct ike1_skeyid *k) __must_check;
/* RFC 2409 §5: SKEYID_d, _a, _e from SKEYID. */
int ike1_skeyid_rest(const struct hash *h, const struct ike1_inputs *in, struct ike1_skeyid *k) __must_check;
/* RFC 2409 appendix B: key of the cipher from SKEYID_e, which is drawn out when it is too short. */
int ike1_cipher_key(const struct hash *h, const struct ike1_skeyid *k, uint8_t *key, unsigned key_len) __must_check;

/* RFC 2409 appendix B: first IV of phase 1, of block bytes; no secret. */
int ike1_iv_phase1(const struct hash *h, const struct ike1_inputs *in, uint8_t *iv, unsigned block) __must_check;
/* First IV of another exchange; last: last ciphertext block of phase 1, or its first IV when nothing was encrypted. iv may be last. */
int ike1_iv_exchange(const struct hash *h, const uint8_t *last, uint32_t message_id, uint8_t *iv,
		     unsigned block) __must_check;

/* RFC 2409 §5: HASH_I and HASH_R of main and aggressive mode; HASH_R with a PSK is the same in base mode. */
int ike1_hash_i(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in,
		uint8_t *out) __must_check;
int ike1_hash_r(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in,
		uint8_t *out) __must_check;

/* Base mode (spec section 16.4): HASH_I with a PSK leaves out g^xr. */
int ike1_base_hash_i(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in,
		     uint8_t *out) __must_check;
/* With signatures; racoon_order: nonces as Nr | Ni in the key, which we send and also accept. */
int ike1_base_sig_hash_i(const struct hash *h, const struct ike1_inputs *in, int racoon_order,
			 uint8_t *out) __must_check;
int ike1_base_sig_hash_r(const struct hash *h, const struct ike1_inputs *in, uint8_t *out) __must_check;

/*
 * RFC 2409 §5.5, §5.7: rest is everything behind the HASH payload up to the padding, generic headers included.
 * HASH(1) and the HASH of an informational exchange; HASH(2) with Ni_b; HASH(3) with both nonces.
 */
int ike1_hash1(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes rest,
	       uint8_t *out) __must_check;
int ike1_hash2(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes ni,
	       struct bytes rest, uint8_t *out) __must_check;
int ike1_hash3(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes ni, struct bytes nr,
	       uint8_t *out) __must_check;

/* What the keys of one direction of an SA are computed from. */
struct ike1_child {
	struct bytes gxy;    /* g(qm)^xy; empty without PFS */
	uint8_t protocol;    /* enum ipsec_proto */
	struct bytes spi;    /* the receiver's */
	struct bytes ni, nr; /* of the quick mode */
};

/* RFC 2409 §5.5: len bytes of KEYMAT: key of the cipher, then of the authentication. */
int ike1_keymat(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_child *c, uint8_t *out,
		size_t len) __must_check;

/* RFC 3947 §3.2: addr 4 or 16 bytes; port in host order. No secret. */
int ike1_nat_d(const struct hash *h, struct bytes icookie, struct bytes rcookie, struct bytes addr, uint16_t port,
	       uint8_t *out) __must_check;

#endif
