/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of phase2. */
#ifndef IKE_NEG_PHASE2_PRIV_H
#define IKE_NEG_PHASE2_PRIV_H

#include "ike/neg/phase2.h"

/* A transform as it was sent. */
struct phase2_offer {
	uint8_t proto; /* XI_PROTO_* */
	uint8_t mode, encap;
	uint8_t key_len; /* bytes of the cipher's key */
	uint8_t esn;
	const struct alg *enc, *auth;
	struct check_terms terms;
	uint8_t whole; /* lifetime and group have been read: what is wrong, if anything, is elsewhere */
};

/* protocol: IPSEC_PROTO_ESP or _AH. NULL, or what is wrong with it: no transform that anybody could take. */
const char *phase2_read(struct phase2_offer *o, unsigned protocol, const struct msg_transform *t);
/* "ESP tunnel, aes-128, sha1, modp1024, 1800 s"; returns buf. */
const char *phase2_offer_text(const struct phase2_offer *o, char *buf, size_t size);
/* The same of one that phase2_read() could not make sense of: "ESP transform 4, attributes 1=1 2=1800"; returns buf. */
const char *phase2_raw_text(unsigned protocol, const struct msg_transform *t, char *buf, size_t size);

#endif
