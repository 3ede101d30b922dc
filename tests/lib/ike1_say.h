/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages that a peer with the keys can make, right or wrong: payloads of a test's own behind a HASH, encrypted, handed to the other end. */
#ifndef LIB_IKE1_SAY_H
#define LIB_IKE1_SAY_H

#include "ike/v1/quick.h"
#include "tests/lib/quick_rig.h"

#define SAY_BODY_MAX 4096

struct say {
	uint8_t exchange;
	uint32_t mid;
	const uint8_t *iv;   /* of the first block; NULL: the one that begins an exchange (RFC 2409 appendix B) */
	uint8_t type;	     /* of the first payload behind HASH */
	struct bytes body;   /* payloads with their generic headers */
	struct bytes ni;     /* given: HASH(2), else HASH(1) */
	const uint8_t *hash; /* given: as it is */
	uint8_t wrong;	     /* byte of HASH that is changed, from 1; 0: none */
	uint8_t hash_len;    /* other than the hash has; 0: as it has */
	uint8_t pad;	     /* bytes of padding are this */
	uint8_t first;	     /* type of the first payload; 0: HASH */
	uint8_t flags;	     /* of the header, beside encryption */
};

static inline int rig_say_hash(const struct ike1 *sa, const struct say *s, struct bytes rest, uint8_t *hash)
{
	if (s->hash)
		memcpy(hash, s->hash, sa->terms.hash->len);
	else if (s->ni.len)
		return ike1_hash2(sa->terms.hash, &sa->k, s->mid, s->ni, rest, hash);
	else
		return ike1_hash1(sa->terms.hash, &sa->k, s->mid, rest, hash);
	return 0;
}

/* From the ISAKMP SA of one end to the other; in a buffer that the next one overwrites. */
static inline struct rig_packet rig_make(struct rig *r, unsigned from, const struct say *s)
{
	static uint8_t buf[ISAKMP_HDR_LEN + 4 + HASH_MAX + SAY_BODY_MAX + CIPHER_BLOCK_MAX];
	struct ike1 *sa = r->end[from].sa;
	struct msg_hdr h = {.version = ISAKMP_VERSION_1,
			    .exchange = s->exchange,
			    .flags = ISAKMP_F_ENCRYPTED | s->flags,
			    .message_id = s->mid};
	size_t hl = s->hash_len ? s->hash_len : sa->terms.hash->len, block = sa->terms.cipher->block, len;
	struct rig_packet p = {.from = (uint8_t)from, .path = {sa->path.remote, sa->path.local}, .p = buf};
	uint8_t iv[CIPHER_BLOCK_MAX], *plain = buf + ISAKMP_HDR_LEN, hash[HASH_MAX] = {0};
	struct msg_wr w;

	memcpy(h.icookie, sa->icookie, 8);
	memcpy(h.rcookie, sa->rcookie, 8);
	memset(buf, s->pad, sizeof(buf));
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	if (w.wr.err || s->body.len > SAY_BODY_MAX || hl > HASH_MAX || rig_say_hash(sa, s, s->body, hash) ||
	    (!s->iv && ike1_iv(sa, s->mid, iv)))
		abort();
	if (s->iv)
		memcpy(iv, s->iv, block);
	if (s->wrong)
		hash[s->wrong - 1] ^= 1;
	buf[16] = s->first ? s->first : ISAKMP_P_HASH;
	plain[0] = s->type;
	plain[1] = plain[2] = 0;
	plain[3] = (uint8_t)(4 + hl);
	memcpy(plain + 4, hash, hl);
	if (s->body.len)
		memcpy(plain + 4 + hl, s->body.p, s->body.len);
	len = (4 + hl + s->body.len + block) / block * block; /* spec 16.6: at least one byte of padding */
	p.len = ISAKMP_HDR_LEN + len;
	buf[24] = buf[25] = 0;
	buf[26] = (uint8_t)(p.len >> 8);
	buf[27] = (uint8_t)p.len;
	if (cipher_seal(sa->terms.cipher, sa->key, sa->terms.key_len, iv, plain, len))
		abort();
	return p;
}

static inline void rig_say(struct rig *r, unsigned from, const struct say *s)
{
	struct rig_packet p = rig_make(r, from, s);

	rig_hand_over(r, &p);
}

/* What a message of end 1 says behind its HASH; the body is overwritten by the next one. */
static inline struct say rig_said(struct rig *r, struct bytes datagram, const uint8_t *iv0)
{
	static uint8_t body[SAY_BODY_MAX];
	static struct hashed h;
	struct say s = {.exchange = datagram.p[18], .body.p = body};
	uint8_t iv[CIPHER_BLOCK_MAX];

	memcpy(iv, iv0, sizeof(iv));
	if (hashed_open(r->end[1].sa, iv, &h, datagram) || h.rest.len > sizeof(body))
		abort();
	s.mid = h.m.hdr.message_id;
	s.type = h.m.payload[0].whole.p[0];
	s.body.len = h.rest.len;
	memcpy(body, h.rest.p, h.rest.len);
	return s;
}

/* End 0 begins a quick mode, end 1 answers: its message 2, which is not delivered. */
static inline struct say rig_answer(struct rig *r)
{
	const struct ike1_quick *q;
	struct rig_packet p;
	struct say s;

	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	while (rig_work_one(r))
		;
	rig_deliver(r, 0);
	while (rig_work_one(r))
		;
	q = r->end[0].sa->quick;
	if (r->n != 1 || !q || q->state != QUICK_SENT1)
		abort();
	p = rig_take(r, 0);
	s = rig_said(r, (struct bytes){p.p, p.len}, q->iv);
	s.ni = (struct bytes){q->nonce[0], q->nonce_len[0]};
	free(p.p);
	return s;
}

#endif
