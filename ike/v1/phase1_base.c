/* SPDX-License-Identifier: BSD-2-Clause */
/* Base mode (draft-ietf-ipsec-ike-base-mode; spec section 16.4): nothing is encrypted, Diffie-Hellman comes when proposal and identity are known. */
#include <errno.h>

#include "ike/v1/phase1.h"

/* --- initiator --- */

int p1_base_begin(struct ike1 *sa)
{
	struct msg_wr w;
	int rc;

	if (p1_own_id(sa) || p1_nonce(sa))
		return -EIO;
	p1_msg_begin(sa, &w, 0);
	p1_put_sa(sa, &w);
	p1_put_id(sa, &w);
	msg_wr_raw(&w, ISAKMP_P_NONCE, blob_bytes(&sa->hs->ni));
	p1_put_vids(sa, &w, SIZE_MAX);
	rc = p1_msg_send(sa, &w, 0, 1);
	if (!rc)
		rc = p1_keep_sai(sa);
	if (!rc)
		ike1_state(sa, IKE1_MSG1_SENT);
	return rc;
}

static void send3(struct ike1 *sa)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 0);
	msg_wr_raw(&w, ISAKMP_P_KE, blob_bytes(&sa->hs->gxi));
	p1_put_proof(sa, &w);
	p1_put_natd(sa, &w);
	if (p1_msg_send(sa, &w, 0, 1))
		p1_fatal(sa, "message 3 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG2_SENT);
}

/* HASH_I needs SKEYID with a PSK, and no g^xy. */
static void prove3(struct ike1 *sa)
{
	struct ike1_inputs in;
	int rc = 0;

	p1_inputs(sa, &in);
	if (sa->peer->auth == IKE_AUTH_PSK)
		rc = ike1_skeyid_psk(sa->terms.hash, (struct bytes){sa->peer->psk, sa->peer->psk_len}, &in, &sa->k);
	if (rc || p1_prove(sa, send3))
		p1_fatal(sa, "no memory for our proof");
}

static void take2(struct ike1 *sa, const struct msg *m)
{
	if (p1_answer_sa(sa, m))
		return;
	memcpy(sa->rcookie, m->hdr.rcookie, 8);
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_dh(sa, P1_DH_PUBLIC, prove3))
		p1_fatal(sa, "no memory");
}

static void keys4(struct ike1 *sa)
{
	if (p1_keys(sa)) {
		p1_fatal(sa, "no keys");
		return;
	}
	if (p1_verify(sa))
		return;
	p1_natd_verdict(sa);
	p1_float(sa);
	ike1_established(sa);
}

static void take4(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_dh(sa, P1_DH_SECRET, keys4))
		p1_fatal(sa, "no memory");
}

/* --- responder --- */

/* A stranger gets no more bytes than it sent: our identity may be longer than the peer's. */
static int too_long(struct ike1 *sa, const struct msg_wr *w)
{
	if (w->wr.len <= sa->hs->request_len)
		return 0;
	sa->ike->count[IKE_COUNT_UNEXPECTED]++;
	p1_fail(sa, 0,
		"message 1 has %zu bytes, message 2 would have %zu: there is no longer answer to an address that is "
		"not shown (change my-id-user-fqdn of the peer item to a shorter one)",
		sa->hs->request_len, w->wr.len);
	return 1;
}

static void take1(struct ike1 *sa, const struct msg *m)
{
	struct msg_wr w;

	if (p1_respond(sa, m)) {
		sa->hs->transform = UINT32_MAX - 1; /* first_message() says so to the peer */
		return;
	}
	if (p1_take_payloads(sa, m) || p1_nonce(sa) || p1_own_id(sa)) {
		p1_fail(sa, 0, "a payload is too long, or there is no identity of our own");
		return;
	}
	p1_msg_begin(sa, &w, 0);
	neg1_answer(&w, m, &msg_find(m, ISAKMP_P_SA, 0)->sa, sa->hs->transform);
	p1_put_id(sa, &w);
	msg_wr_raw(&w, ISAKMP_P_NONCE, blob_bytes(&sa->hs->nr));
	if (too_long(sa, &w))
		return;
	p1_put_vids(sa, &w, sa->hs->request_len);
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fail(sa, 0, "message 2 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG1_SENT);
}

static void send4(struct ike1 *sa)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 0);
	msg_wr_raw(&w, ISAKMP_P_KE, blob_bytes(&sa->hs->gxr));
	p1_put_proof(sa, &w);
	p1_put_natd(sa, &w);
	p1_put_vids(sa, &w, SIZE_MAX);
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fatal(sa, "message 4 cannot be sent");
	else
		ike1_established(sa);
}

static void keys3(struct ike1 *sa)
{
	if (p1_keys(sa)) {
		p1_fatal(sa, "no keys");
		return;
	}
	if (p1_verify(sa))
		return;
	p1_natd_verdict(sa);
	if (p1_prove(sa, send4))
		p1_fatal(sa, "no memory for our proof");
}

static void take3(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_dh(sa, P1_DH_PUBLIC | P1_DH_SECRET, keys3))
		p1_fatal(sa, "no memory");
}

const struct p1_step p1_base_steps[] = {
	{ISAKMP_X_BASE, 1, IKE1_MSG1_SENT, 0, 2, P1_HAS_SA | P1_HAS_ID | P1_HAS_NONCE, 0, take2},
	{ISAKMP_X_BASE, 1, IKE1_MSG2_SENT, 0, 4, P1_HAS_KE | P1_HAS_AUTH, P1_HAS_CERT | P1_HAS_NATD, take4},
	{ISAKMP_X_BASE, 0, IKE1_START, 0, 1, P1_HAS_SA | P1_HAS_ID | P1_HAS_NONCE, 0, take1},
	{ISAKMP_X_BASE, 0, IKE1_MSG1_SENT, 0, 3, P1_HAS_KE | P1_HAS_AUTH, P1_HAS_CERT | P1_HAS_NATD, take3},
	{0},
};
