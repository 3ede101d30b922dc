/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Payloads of a message of phase 1 that is on its way, changed: replaced, put in, taken out. One that is encrypted is decrypted with the keys of the end that is to
 * read it, and encrypted again: what a peer sends that has the right keys and says nonsense.
 */
#ifndef LIB_REWRITE_H
#define LIB_REWRITE_H

#include <limits.h>

#include "tests/lib/quick_rig.h"

#define REWRITE_PAYLOADS 32
#define REWRITE_MAX 16384

enum rewrite_how { REWRITE_REPLACE, REWRITE_INSERT, REWRITE_REMOVE, REWRITE_PATCH, REWRITES };

struct rewrite {
	enum rewrite_how how;
	unsigned nth;	    /* payload; INSERT: in front of it */
	uint8_t type;	    /* REPLACE, INSERT: of the new one */
	size_t at;	    /* PATCH: offset into the body */
	struct bytes bytes; /* the new body; PATCH: the new bytes */
};

struct rewrite_payload {
	uint8_t type;
	struct bytes body;
};

static inline struct ike1 *rewrite_sa(struct rig *r, unsigned end, const struct rig_packet *p)
{
	for (struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next)
		if (p->len >= ISAKMP_HDR_LEN && !memcmp(sa->icookie, p->p, 8))
			return sa;
	return NULL;
}

static inline unsigned rewrite_read(struct bytes in, uint8_t type, struct rewrite_payload out[REWRITE_PAYLOADS])
{
	unsigned n = 0;

	while (type && in.len >= ISAKMP_GENERIC_LEN && n < REWRITE_PAYLOADS) {
		size_t len = (size_t)(in.p[2] << 8 | in.p[3]);

		if (len < ISAKMP_GENERIC_LEN || len > in.len)
			break;
		out[n++] = (struct rewrite_payload){type, {in.p + ISAKMP_GENERIC_LEN, len - ISAKMP_GENERIC_LEN}};
		type = in.p[0];
		in.p += len;
		in.len -= len;
	}
	return n;
}

/* p's payloads one after the other into to[], which has room; returns their length. */
static inline size_t rewrite_write(const struct rewrite_payload *p, unsigned n, uint8_t *to)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t whole = p[i].body.len + ISAKMP_GENERIC_LEN;

		to[len] = i + 1 < n ? p[i + 1].type : 0;
		to[len + 1] = 0;
		to[len + 2] = (uint8_t)(whole >> 8);
		to[len + 3] = (uint8_t)whole;
		if (p[i].body.len)
			memcpy(to + len + ISAKMP_GENERIC_LEN, p[i].body.p, p[i].body.len);
		len += whole;
	}
	return len;
}

static inline unsigned rewrite_apply(struct rewrite_payload *p, unsigned n, const struct rewrite *w)
{
	unsigned at = n ? w->nth % n : 0;

	if (w->how == REWRITE_INSERT && n < REWRITE_PAYLOADS) {
		memmove(p + at + 1, p + at, (n++ - at) * sizeof(*p));
		p[at] = (struct rewrite_payload){w->type, w->bytes};
	} else if (w->how == REWRITE_REPLACE && n) {
		p[at] = (struct rewrite_payload){w->type, w->bytes};
	} else if (w->how == REWRITE_REMOVE && n) {
		memmove(p + at, p + at + 1, (--n - at) * sizeof(*p));
	} else if (w->how == REWRITE_PATCH && n && p[at].body.len && w->bytes.len) {
		size_t where = w->at % p[at].body.len;

		/* the caller's copy of the message */
		memcpy((uint8_t *)p[at].body.p + where, w->bytes.p, MIN(w->bytes.len, p[at].body.len - where));
	}
	return n;
}

/* Whoever sent p goes on with the IV that it has now: the last block, as the reader will. */
static inline void rewrite_follow(struct rig *r, const struct rig_packet *p, const uint8_t *was, const uint8_t *iv,
				  unsigned block)
{
	struct ike1 *from = rewrite_sa(r, p->from, p);

	if (from && !memcmp(from->iv, was, block))
		memcpy(from->iv, iv, block);
}

/* The payloads of p, in clear, in in[] and payload[]; their number, or -1: it is none of phase 1, or cannot be read. */
static inline int rewrite_open(struct rig *r, const struct rig_packet *p, uint8_t in[REWRITE_MAX],
			       struct rewrite_payload payload[REWRITE_PAYLOADS])
{
	const struct ike1 *sa = rewrite_sa(r, !p->from, p);
	uint8_t iv[CIPHER_BLOCK_MAX];
	size_t len;

	if (p->len < ISAKMP_HDR_LEN || p->len > REWRITE_MAX ||
	    (p->p[18] != ISAKMP_X_MAIN && p->p[18] != ISAKMP_X_AGGRESSIVE && p->p[18] != ISAKMP_X_BASE))
		return -1;
	len = p->len - ISAKMP_HDR_LEN;
	memcpy(in, p->p + ISAKMP_HDR_LEN, len);
	if (p->p[19] & ISAKMP_F_ENCRYPTED) {
		if (!sa || !sa->keyed || !len || len % sa->terms.cipher->block)
			return -1;
		memcpy(iv, sa->iv, sizeof(iv));
		if (cipher_open(sa->terms.cipher, sa->key, sa->terms.key_len, iv, in, len))
			abort();
	}
	return (int)rewrite_read((struct bytes){in, len}, p->p[16], payload);
}

/* Pads and encrypts len bytes of payloads at `to` for the end that is to read p; the new length. */
static inline size_t rewrite_seal(struct rig *r, const struct rig_packet *p, uint8_t *to, size_t len)
{
	const struct ike1 *sa = rewrite_sa(r, !p->from, p);
	size_t block = sa->terms.cipher->block;
	uint8_t iv[CIPHER_BLOCK_MAX];

	len += block - len % block;
	memcpy(iv, sa->iv, sizeof(iv));
	if (cipher_seal(sa->terms.cipher, sa->key, sa->terms.key_len, iv, to, len))
		abort();
	rewrite_follow(r, p, p->p + p->len - block, iv, (unsigned)block);
	return len;
}

/* 0: p is another one now; -1: as rewrite_open(), and it stays as it was. */
static inline int rewrite(struct rig *r, struct rig_packet *p, const struct rewrite *w)
{
	struct rewrite_payload payload[REWRITE_PAYLOADS];
	static uint8_t in[REWRITE_MAX];
	int had = rewrite_open(r, p, in, payload);
	uint8_t *to;
	unsigned n;
	size_t len;

	if (had < 0 || w->bytes.len > REWRITE_MAX)
		return -1;
	n = rewrite_apply(payload, (unsigned)had, w);
	to = calloc(1, 2 * REWRITE_MAX + 256);
	if (!to)
		abort();
	memcpy(to, p->p, ISAKMP_HDR_LEN);
	to[16] = n ? payload[0].type : 0;
	len = rewrite_write(payload, n, to + ISAKMP_HDR_LEN);
	if (p->p[19] & ISAKMP_F_ENCRYPTED)
		len = rewrite_seal(r, p, to + ISAKMP_HDR_LEN, len);
	len += ISAKMP_HDR_LEN;
	to[24] = to[25] = 0;
	to[26] = (uint8_t)(len >> 8);
	to[27] = (uint8_t)len;
	free(p->p);
	p->p = malloc(len); /* of its size, so that a read behind it is seen */
	memcpy(p->p, to, p->len = len);
	free(to);
	return 0;
}

/* Which payload of p is the nth of a type, from 0; UINT_MAX: none. */
static inline unsigned rewrite_place(struct rig *r, const struct rig_packet *p, uint8_t type, unsigned nth)
{
	struct rewrite_payload payload[REWRITE_PAYLOADS];
	static uint8_t in[REWRITE_MAX];
	int n = rewrite_open(r, p, in, payload);

	for (int i = 0; i < n; i++)
		if (payload[i].type == type && !nth--)
			return (unsigned)i;
	return UINT_MAX;
}

#endif
