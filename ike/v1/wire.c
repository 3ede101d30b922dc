/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISAKMP messages under an ISAKMP SA: padding and encryption (RFC 2409 appendix B, spec 16.6), sending, repeating (spec section 22).
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/v1.h"

#define REPEAT_NS (10 * NS_PER_S) /* spec section 22 */
#define SENT_MAX 5
#define ANSWERS_MAX 5
#define KEPT_NS (60 * NS_PER_S) /* an answer is kept longer than the peer repeats its request */
#define FRAGMENT_CUT 552	/* spec section 25: bytes of an IKE message */
#define FRAGMENT_DATA (FRAGMENT_CUT - ISAKMP_HDR_LEN - ISAKMP_GENERIC_LEN - 4)
#define FRAGMENTS_MAX 64
#define LEN_AT 24 /* RFC 2408 §3.1 */

int ike1_iv(const struct ike1 *sa, uint32_t message_id, uint8_t iv[CIPHER_BLOCK_MAX])
{
	return ike1_iv_exchange(sa->terms.hash, sa->iv, message_id, iv, sa->terms.cipher->block);
}

/*
 * Spec 16.7: reaching the byte limit has the effect of the hard lifetime, reaching 80 and 95 % of it that of the soft one (14.3). The timer acts when nobody
 * works with the SA.
 */
void ike1_count_bytes(struct ike1 *sa, size_t len)
{
	unsigned before = ike1_soft_bytes(sa);

	if (!sa->established_ns || sa->dropping ||
	    sa->state == IKE1_EXPIRED) /* its timers are gone already, or about to act */
		return;
	sa->bytes += len;
	if (sa->terms.life_bytes && sa->bytes >= sa->terms.life_bytes) {
		sa->state = IKE1_EXPIRED;
		sa->expires_ns = ike_now(sa->ike);
	} else if (!ike1_dpd_active(sa) || ike1_soft_bytes(sa) == before) {
		return;
	}
	(void)timer_set(&sa->ike->timers, &sa->life, ike_now(sa->ike)); /* it was set before: there is room */
}

int ike1_open(struct ike1 *sa, uint8_t *iv, struct msg *m, struct bytes datagram, uint8_t *out, size_t max,
	      struct msg_err *e)
{
	const struct cipher *c = sa->terms.cipher;
	uint8_t next[CIPHER_BLOCK_MAX];
	int rc;

	rc = msg_parse(m, datagram, e);
	if (rc)
		return rc;
	*e = (struct msg_err){.notify = ISAKMP_N_PAYLOAD_MALFORMED};
	if (!m->cipher.len)
		e->what = "not encrypted";
	else if (m->cipher.len % c->block)
		e->what = "encrypted, but not a multiple of the cipher's block";
	else if (m->cipher.len > max)
		e->what = "too long";
	if (e->what)
		return -EBADMSG;
	memcpy(out, m->cipher.p, m->cipher.len);
	memcpy(next, iv, c->block);
	if (cipher_open(c, sa->key, sa->terms.key_len, next, out, m->cipher.len)) {
		e->what = "cannot be decrypted";
		return -ENOMEM;
	}
	rc = msg_payloads_parse(m, (struct bytes){out, m->cipher.len}, e);
	if (rc)
		return rc;
	memcpy(iv, next, c->block);
	return 0;
}

static int is_cut(size_t len)
{
	return len > FRAGMENT_CUT && len <= (size_t)FRAGMENTS_MAX * FRAGMENT_DATA;
}

size_t ike1_cut_len(size_t len)
{
	size_t pieces = (len + FRAGMENT_DATA - 1) / FRAGMENT_DATA;

	return is_cut(len) ? len + pieces * (FRAGMENT_CUT - FRAGMENT_DATA) : len;
}

/* The same each time a message is sent, so that a receiver makes one of the fragments of several attempts. Not 0. */
static uint16_t fragment_id(struct bytes whole)
{
	uint32_t id = 0;

	for (size_t i = 0; i < whole.len; i++)
		id = id * 31 + whole.p[i];
	return (uint16_t)(id >> 16) | 1;
}

static void send_fragments(struct ike1 *sa, const struct ike_path *path, struct bytes whole)
{
	struct rd r = rd_of(whole);
	uint8_t buf[FRAGMENT_CUT];
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = whole.p[18]};
	struct msg_fragment f = {.id = fragment_id(whole)};

	memcpy(h.icookie, whole.p, 8);
	memcpy(h.rcookie, whole.p + 8, 8);
	while (rd_left(&r)) {
		struct msg_wr w;
		int n;

		f.number++;
		f.data = rd_bytes(&r, MIN(rd_left(&r), (size_t)FRAGMENT_DATA));
		f.last = !rd_left(&r);
		msg_wr_begin(&w, buf, sizeof(buf), &h);
		msg_wr_fragment(&w, &f);
		n = msg_wr_end(&w);
		if (n > 0)
			sa->ike->env->send(sa->ike->env->ctx, path, (struct bytes){buf, (size_t)n});
	}
}

static void transmit(struct ike1 *sa, const struct ike_path *path, struct bytes msg)
{
	if (sa->peer_frag && is_cut(msg.len))
		send_fragments(sa, path, msg);
	else
		sa->ike->env->send(sa->ike->env->ctx, path, msg);
	ike1_count_bytes(sa, msg.len);
}

static void retry_forget(struct ike1_retry *r)
{
	free(r->buf);
	r->buf = NULL;
	r->len = 0;
	r->sent = r->answers = 0;
}

/* Repeats a request, or, when nobody waits for an answer, drops what was kept for repeated requests. */
static void retry_due(struct ike_timer *t)
{
	struct ike1_retry *r = (struct ike1_retry *)((char *)t - offsetof(struct ike1_retry, timer));
	struct ike *k = r->sa->ike;

	if (!r->gave_up) {
		retry_forget(r);
		return;
	}
	if (r->sent >= SENT_MAX || timer_set(&k->timers, t, ike_now(k) + REPEAT_NS)) {
		k->count[IKE_COUNT_TIMEOUT]++;
		r->gave_up(r);
		return;
	}
	r->sent++;
	transmit(r->sa, &r->path, (struct bytes){r->buf, r->len});
}

static int retry_keep(struct ike1 *sa, struct ike1_retry *r, struct bytes msg)
{
	uint8_t *buf = malloc(msg.len);

	if (!buf)
		return -ENOMEM;
	memcpy(buf, msg.p, msg.len);
	retry_forget(r);
	r->sa = sa;
	r->buf = buf;
	r->len = msg.len;
	r->path = sa->path;
	r->sent = 1;
	memset(r->digest, 0, sizeof(r->digest));
	r->timer.fn = retry_due;
	return timer_set(&sa->ike->timers, &r->timer, ike_now(sa->ike) + (r->gave_up ? REPEAT_NS : KEPT_NS));
}

/* Spec 16.6: 1 to block random bytes, the last of which is their number minus one. */
static int seal(struct ike1 *sa, struct wr *w, uint8_t *iv)
{
	const struct cipher *c = sa->terms.cipher;
	size_t pad = c->block - (w->len - ISAKMP_HDR_LEN) % c->block;
	uint8_t *at = wr_room(w, pad);

	if (!at)
		return w->err;
	if (sa->ike->env->random(sa->ike->env->ctx, at, pad))
		return -EIO;
	at[pad - 1] = (uint8_t)(pad - 1);
	wr_patch_u16(w, LEN_AT, (uint16_t)(w->len >> 16));
	wr_patch_u16(w, LEN_AT + 2, (uint16_t)w->len);
	return cipher_seal(c, sa->key, sa->terms.key_len, iv, w->buf + ISAKMP_HDR_LEN, w->len - ISAKMP_HDR_LEN);
}

int ike1_send(struct ike1 *sa, struct msg_wr *w, uint8_t *iv, int encrypt, struct ike1_retry *retry)
{
	int rc = msg_wr_end(w);

	if (rc < 0)
		return rc;
	rc = encrypt ? seal(sa, &w->wr, iv) : 0;
	if (!rc && w->wr.len > IKE1_MSG_MAX)
		rc = -EMSGSIZE;
	if (!rc && retry)
		rc = retry_keep(sa, retry, (struct bytes){w->wr.buf, w->wr.len});
	if (!rc)
		transmit(sa, &sa->path, (struct bytes){w->wr.buf, w->wr.len});
	return rc;
}

void ike1_retry_clear(struct ike *k, struct ike1_retry *r)
{
	timer_clear(&k->timers, &r->timer);
	retry_forget(r);
	*r = (struct ike1_retry){0};
}

int ike1_digest(struct bytes datagram, uint8_t out[32])
{
	return hash_of(hash_by_ike1(IKE1_SHA256), &datagram, 1, out);
}

void ike1_answers(struct ike1_retry *r, struct bytes request)
{
	if (ike1_digest(request, r->digest))
		memset(r->digest, 0, sizeof(r->digest)); /* then a repeated request is just not known again */
}

int ike1_repeated(struct ike1 *sa, struct ike1_retry *r, struct bytes datagram)
{
	static const uint8_t none[32]; /* it repeats by itself: no request is answered by it */
	uint8_t d[32];

	if (!r->buf || !memcmp(r->digest, none, sizeof(none)) || ike1_digest(datagram, d) ||
	    memcmp(d, r->digest, sizeof(d)))
		return 0;
	sa->ike->count[IKE_COUNT_REPLAY]++;
	if (r->answers < ANSWERS_MAX) {
		r->answers++;
		transmit(sa, &r->path, (struct bytes){r->buf, r->len});
	}
	return 1;
}

void ike1_again(struct ike1 *sa, struct ike1_retry *r)
{
	if (r->buf)
		transmit(sa, &r->path, (struct bytes){r->buf, r->len});
}

int ike1_mid_used(const struct ike1 *sa, uint32_t message_id)
{
	for (unsigned i = 0; i < MIN(sa->n_mids, (unsigned)IKE1_MIDS); i++)
		if (sa->mid[i] == message_id)
			return 1;
	for (unsigned i = 0; i < MIN(sa->n_quick_mids, sa->quick_mids_room); i++)
		if (sa->quick_mid[i] == message_id)
			return 1;
	return 0;
}

static int quick_mids_grow(struct ike1 *sa)
{
	unsigned room = sa->quick_mids_room ? 2 * sa->quick_mids_room : 16;
	uint32_t *more = realloc(sa->quick_mid, room * sizeof(*more));

	if (!more)
		return -ENOMEM;
	sa->quick_mid = more;
	sa->quick_mids_room = room;
	return 0;
}

int ike1_mid_fresh(struct ike1 *sa, uint32_t message_id, int of_quick)
{
	if (ike1_mid_used(sa, message_id))
		return -EEXIST;
	if (!of_quick) {
		sa->mid[sa->n_mids++ % IKE1_MIDS] = message_id;
		if (sa->n_mids == 2 * IKE1_MIDS)
			sa->n_mids = IKE1_MIDS;
		return 0;
	}
	if (sa->n_quick_mids == sa->quick_mids_room && sa->quick_mids_room < IKE1_QUICK_MIDS_MAX && quick_mids_grow(sa))
		return -ENOMEM;
	sa->quick_mid[sa->n_quick_mids++ % sa->quick_mids_room] = message_id;
	if (sa->n_quick_mids == 2 * IKE1_QUICK_MIDS_MAX)
		sa->n_quick_mids = IKE1_QUICK_MIDS_MAX;
	return 0;
}
