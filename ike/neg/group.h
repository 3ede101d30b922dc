/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diffie-Hellman groups of both IKE versions, one table (spec sections 24.1, 24.4, 24.5): MODP (RFC 2409 §6.1, §6.2; RFC 3526), EC2N (RFC
 * 2409 §6.3, §6.4), ECP (RFC 5903), X25519 (RFC 7748, RFC 8031). Pure functions over the caller's bytes, without state: any thread, so also
 * a thread pool. All values are big-endian and of the group's fixed length, X25519's little-endian as RFC 7748 has them.
 */
#ifndef IKE_NEG_GROUP_H
#define IKE_NEG_GROUP_H

#include "ike/msg/cursor.h"

#define GROUP_PUBLIC_MAX 1024 /* modp8192 */
#define GROUP_PRIVATE_MAX 80

enum group_kind { GROUP_MODP, GROUP_EC2N, GROUP_ECP, GROUP_X25519 };

struct group {
	const char *name; /* as in dh-group and pfs-group: "modp1024" */
	uint16_t id;	  /* group description of IKEv1, transform ID of IKEv2 */
	enum group_kind kind;
	uint16_t public_len;  /* bytes of KE data */
	uint16_t secret_len;  /* bytes of g^xy */
	uint16_t private_len; /* bytes of the private value */
	uint8_t weak;	      /* by today's measure: warned about, never a default */
};

/* Row i of the table, NULL behind the last; by number or name: NULL when it is none of ours. Static, never freed. */
const struct group *group_at(unsigned i);
const struct group *group_by_id(unsigned id);
const struct group *group_by_name(const char *name);

/* An operation takes some milliseconds or more, as those of MODP groups above 2048 bits do. */
static inline int group_slow(const struct group *g)
{
	return g->kind == GROUP_MODP && g->public_len > 256;
}

/* A fresh private value, private_len bytes, from OpenSSL's generator for secrets. The caller wipes it. 0 or -EIO, -ENOMEM. */
int group_private(const struct group *g, uint8_t *priv) __must_check;

/* The public value of a private one, public_len bytes. -EINVAL: not a private value of this group; -EIO, -ENOMEM. */
int group_public(const struct group *g, const uint8_t *priv, uint8_t *pub) __must_check;

/*
 * Is a peer's public value one of the group? 0, or -EINVAL: wrong length; MODP 0, 1, p-1 and above; a point that is not on the curve or of
 * low order; then INVALID-KEY-INFORMATION goes out. -EIO, -ENOMEM.
 */
int group_check(const struct group *g, struct bytes peer) __must_check;

/* g^xy, secret_len bytes; refuses what group_check() refuses, which is not needed before it. *secret is wiped when it fails. The caller wipes it when done. Errors as above. */
int group_secret(const struct group *g, const uint8_t *priv, struct bytes peer, uint8_t *secret) __must_check;

/* Both of them, for a little less; errors as above. */
int group_both(const struct group *g, const uint8_t *priv, uint8_t *pub, struct bytes peer,
	       uint8_t *secret) __must_check;

#endif
