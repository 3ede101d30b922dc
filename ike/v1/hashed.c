/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages that begin with a HASH payload (RFC 2409 §5.5, §5.7). */
#include <openssl/crypto.h>

#include "ike/v1/quick.h"

int hashed_open(struct ike1 *sa, uint8_t *iv, struct hashed *h, struct bytes datagram)
{
	const struct msg_payload *first = &h->m.payload[0], *last;
	struct ike *k = sa->ike;

	h->bad = (struct msg_err){0};
	if (ike1_open(sa, iv, &h->m, datagram, k->plain, sizeof(k->plain), &h->bad)) {
		k->count[IKE_COUNT_MALFORMED]++;
		return -EBADMSG;
	}
	if (!h->m.n_payloads || first->type != ISAKMP_P_HASH || first->body.len != sa->terms.hash->len) {
		k->count[IKE_COUNT_MALFORMED]++;
		return -EBADMSG;
	}
	last = &h->m.payload[h->m.n_payloads - 1];
	h->hash = first->body;
	h->rest.p = first->whole.p + first->whole.len;
	h->rest.len = (size_t)(last->whole.p + last->whole.len - h->rest.p);
	return 0;
}

int hashed_equal(const struct ike1 *sa, const struct hashed *h, const uint8_t *want)
{
	return CRYPTO_memcmp(h->hash.p, want, sa->terms.hash->len) == 0;
}

void hashed_begin(struct ike1 *sa, struct msg_wr *w, uint8_t exchange, uint32_t mid)
{
	static const uint8_t room[HASH_MAX];
	struct msg_hdr h = {
		.version = ISAKMP_VERSION_1, .exchange = exchange, .flags = ISAKMP_F_ENCRYPTED, .message_id = mid};

	memcpy(h.icookie, sa->icookie, sizeof(h.icookie));
	memcpy(h.rcookie, sa->rcookie, sizeof(h.rcookie));
	msg_wr_begin(w, sa->ike->out, sizeof(sa->ike->out), &h);
	msg_wr_raw(w, ISAKMP_P_HASH, (struct bytes){room, sa->terms.hash->len});
}

int hashed_end(const struct ike1 *sa, struct msg_wr *w, uint8_t **hash, struct bytes *rest)
{
	size_t behind = ISAKMP_HDR_LEN + ISAKMP_GENERIC_LEN + sa->terms.hash->len;
	int n = msg_wr_end(w);

	if (n < 0)
		return n;
	*hash = w->wr.buf + ISAKMP_HDR_LEN + ISAKMP_GENERIC_LEN;
	*rest = (struct bytes){w->wr.buf + behind, (size_t)n - behind};
	return 0;
}
