/* SPDX-License-Identifier: BSD-2-Clause */
/* Aggressive mode (RFC 2409 §5; spec section 16.3). */
#include <errno.h>

#include "ike/v1/phase1.h"

#define ROOM_LEAST 20 /* bytes of a payload that no peer takes for the beginning of a vendor ID that it knows */
#define REQUEST_MAX                                                                                                    \
	1228 /* bytes: message 1 is not filled beyond what fits into the smallest MTU of IPv6, with a non-ESP marker */

static size_t natd_len(const struct hash *h)
{
	return 2 * (ISAKMP_GENERIC_LEN + h->len);
}

/* --- initiator --- */

/* RSA: a signature is as long as the key; of the keys that the peer may have (spec 23.3) the longest. */
static size_t longest_sig(const struct ike1 *sa)
{
	const struct cred *store = sa->ike->conf->cred;
	const char *name = sa->peer->remote_key;
	EVP_PKEY *key = name[0] ? cred_key(store, name) : NULL;
	size_t len = 0;

	if (key)
		return (size_t)EVP_PKEY_get_size(key);
	for (unsigned i = 0; (key = cred_key_at(store, i, &name)); i++)
		len = MAX(len, (size_t)EVP_PKEY_get_size(key));
	return len;
}

/* HASH or SIG of the peer; how long its certificates are nobody knows. */
static size_t proof_len(const struct ike1 *sa)
{
	switch (sa->peer->auth) {
	case IKE_AUTH_PSK:
		return ISAKMP_GENERIC_LEN + sa->peer->hash->len;
	case IKE_AUTH_RSA_KEY:
		return ISAKMP_GENERIC_LEN + longest_sig(sa);
	default:
		return REQUEST_MAX;
	}
}

/*
 * The answer has the payloads of our message without vendor IDs (bare bytes), one for NAT-T of 16 bytes, DPD, fragmentation, and proof and NAT-D. A responder that
 * gives an address which is not shown no more than came from there can answer us: a vendor ID that nobody knows (RFC 2408 §3.16: ignored) makes up for the rest.
 */
static void put_room(const struct ike1 *sa, struct msg_wr *w, size_t bare)
{
	static const uint8_t room[REQUEST_MAX] = "xdp-ipsec: room for the answer";
	size_t answer = bare + 20 + 24 + proof_len(sa) + (sa->peer->natt ? 20 + natd_len(sa->peer->hash) : 0);

	answer = MIN(ike1_cut_len(answer), (size_t)REQUEST_MAX);
	if (answer > w->wr.len)
		msg_wr_raw(w, ISAKMP_P_VID,
			   (struct bytes){room, MAX(answer - w->wr.len, (size_t)ROOM_LEAST) - ISAKMP_GENERIC_LEN});
}

static void send1(struct ike1 *sa)
{
	struct msg_wr w;
	size_t bare;
	int rc;

	p1_msg_begin(sa, &w, 0);
	p1_put_sa(sa, &w);
	p1_put_ke(sa, &w);
	p1_put_id(sa, &w);
	p1_put_crs(sa, &w);
	bare = w.wr.len;
	p1_put_vids(sa, &w, SIZE_MAX);
	put_room(sa, &w, bare);
	rc = p1_msg_send(sa, &w, 0, 1);
	if (!rc)
		rc = p1_keep_sai(sa);
	if (rc)
		p1_fatal(sa, "message 1 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG1_SENT);
}

int p1_aggressive_begin(struct ike1 *sa)
{
	if (p1_set_terms(sa, &sa->hs->own) || p1_own_id(sa) || p1_nonce(sa))
		return -EIO;
	return p1_dh(sa, P1_DH_PUBLIC, send1);
}

/* In clear; it has no answer and is kept for a message 2 that comes again. */
static void send3(struct ike1 *sa)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 0);
	p1_put_proof(sa, &w);
	p1_float(sa);
	p1_put_natd(sa, &w); /* of the ports that this message has (RFC 3947 §4) */
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fatal(sa, "message 3 cannot be sent");
	else
		ike1_established(sa);
}

static void keys2(struct ike1 *sa)
{
	if (p1_keys(sa)) {
		p1_fatal(sa, "no keys");
		return;
	}
	if (p1_verify(sa))
		return;
	p1_natd_verdict(sa);
	if (p1_prove(sa, send3))
		p1_fatal(sa, "no memory for our proof");
}

static void take2(struct ike1 *sa, const struct msg *m)
{
	if (p1_answer_sa(sa, m))
		return;
	memcpy(sa->rcookie, m->hdr.rcookie, 8);
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_dh(sa, P1_DH_SECRET, keys2))
		p1_fatal(sa, "no memory");
}

/* --- responder --- */

static void send2(struct ike1 *sa)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 0);
	msg_wr_raw(&w, ISAKMP_P_SA, blob_bytes(&sa->hs->answer));
	p1_put_ke(sa, &w);
	p1_put_id(sa, &w);
	p1_put_proof(sa, &w);
	p1_put_crs(sa, &w);
	p1_put_vids(sa, &w, sa->hs->request_len - MIN(sa->hs->request_len, sa->natt ? natd_len(sa->terms.hash) : 0));
	p1_put_natd(sa, &w);
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fatal(sa, "message 2 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG1_SENT);
}

static void keys1(struct ike1 *sa)
{
	if (p1_keys(sa) || p1_own_id(sa) || p1_prove(sa, send2))
		p1_fatal(sa, "no keys, or no identity of our own");
}

static void take1(struct ike1 *sa, const struct msg *m)
{
	if (p1_respond(sa, m)) {
		sa->hs->transform = UINT32_MAX - 1; /* first_message() says so to the peer */
		return;
	}
	if (p1_take_payloads(sa, m) || p1_keep_answer(sa, m)) {
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
		return;
	}
	if (p1_nonce(sa) || p1_dh(sa, P1_DH_PUBLIC | P1_DH_SECRET, keys1))
		p1_fail(sa, 0, "too many negotiations at a time");
}

static void take3(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m)) {
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
		return;
	}
	if (p1_verify(sa))
		return;
	p1_natd_verdict(sa);
	ike1_seen(sa, &sa->hs->from);
	ike1_established(sa);
}

const struct p1_step p1_aggressive_steps[] = {
	{ISAKMP_X_AGGRESSIVE, 1, IKE1_MSG1_SENT, 0, 2, P1_HAS_SA | P1_HAS_KE | P1_HAS_NONCE | P1_HAS_ID | P1_HAS_AUTH,
	 P1_HAS_CERT | P1_HAS_NATD, take2},
	{ISAKMP_X_AGGRESSIVE, 0, IKE1_START, 0, 1, P1_HAS_SA | P1_HAS_KE | P1_HAS_NONCE | P1_HAS_ID, P1_HAS_CERT,
	 take1},
	{ISAKMP_X_AGGRESSIVE, 0, IKE1_MSG1_SENT, 2, 3, P1_HAS_AUTH, P1_HAS_CERT | P1_HAS_NATD, take3},
	{0},
};
