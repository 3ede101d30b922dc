/* SPDX-License-Identifier: BSD-2-Clause */
/* Main mode, the identity protection exchange (RFC 2409 §5; spec sections 16.2, 16.5). */
#include "ike/v1/phase1.h"

/* --- initiator --- */

int p1_main_begin(struct ike1 *sa)
{
	struct msg_wr w;
	int rc;

	p1_msg_begin(sa, &w, 0);
	p1_put_sa(sa, &w);
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
	p1_put_ke(sa, &w);
	p1_put_natd(sa, &w);
	if (p1_msg_send(sa, &w, 0, 1))
		p1_fatal(sa, "message 3 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG2_SENT);
}

static void take2(struct ike1 *sa, const struct msg *m)
{
	p1_take_vids(sa, m);
	if (p1_answer_sa(sa, m))
		return;
	memcpy(sa->rcookie, m->hdr.rcookie, 8);
	if (p1_nonce(sa) || p1_dh(sa, P1_DH_PUBLIC, send3))
		p1_fatal(sa, "no random numbers or no memory");
}

/* strongSwan, as responder, hears it here only; others hear the message of its own that follows phase 1 (spec 20.3). */
static void put_contact(const struct ike1 *sa, struct msg_wr *w)
{
	uint8_t cookies[16];
	struct msg_notify n = {.doi = IPSEC_DOI,
			       .protocol = IPSEC_PROTO_ISAKMP,
			       .type = ISAKMP_N_INITIAL_CONTACT,
			       .spi = {cookies, sizeof(cookies)}};

	memcpy(cookies, sa->icookie, 8);
	memcpy(cookies + 8, sa->rcookie, 8);
	if (ike1_contact_due(sa))
		msg_wr_notify(w, &n);
}

static void send5(struct ike1 *sa)
{
	struct msg_wr w;

	p1_float(sa);
	p1_msg_begin(sa, &w, 1);
	p1_put_id(sa, &w);
	p1_put_proof(sa, &w);
	p1_put_crs(sa, &w);
	put_contact(sa, &w);
	if (p1_msg_send(sa, &w, 1, 1))
		p1_fatal(sa, "message 5 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG3_SENT);
}

static void keys4(struct ike1 *sa)
{
	p1_natd_verdict(sa);
	if (p1_keys(sa) || p1_own_id(sa) || p1_prove(sa, send5))
		p1_fatal(sa, "no keys, or no identity of our own");
}

static void take4(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_dh(sa, P1_DH_SECRET, keys4))
		p1_fatal(sa, "no memory");
}

static void take6(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (!p1_verify(sa))
		ike1_established(sa);
}

/* --- responder --- */

static void take1(struct ike1 *sa, const struct msg *m)
{
	struct msg_wr w;

	p1_take_vids(sa, m);
	if (p1_respond(sa, m)) {
		sa->hs->transform = UINT32_MAX - 1; /* first_message() says so to the peer */
		return;
	}
	p1_msg_begin(sa, &w, 0);
	neg1_answer(&w, m, &msg_find(m, ISAKMP_P_SA, 0)->sa, sa->hs->transform);
	p1_put_vids(sa, &w, sa->hs->request_len);
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fail(sa, 0, "message 2 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG1_SENT);
}

static void send4(struct ike1 *sa)
{
	struct msg_wr w;

	p1_natd_verdict(sa);
	if (p1_keys(sa)) {
		p1_fatal(sa, "no keys");
		return;
	}
	p1_msg_begin(sa, &w, 0);
	p1_put_ke(sa, &w);
	p1_put_crs(sa, &w);
	p1_put_natd(sa, &w);
	p1_put_vids(sa, &w, SIZE_MAX);
	if (p1_msg_send(sa, &w, 0, 0))
		p1_fatal(sa, "message 4 cannot be sent");
	else
		p1_sent(sa, IKE1_MSG2_SENT);
}

static void take3(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m))
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
	else if (p1_nonce(sa) || p1_dh(sa, P1_DH_PUBLIC | P1_DH_SECRET, send4))
		p1_fatal(sa, "no random numbers or no memory");
}

static void send6(struct ike1 *sa)
{
	struct msg_wr w;

	p1_msg_begin(sa, &w, 1);
	p1_put_id(sa, &w);
	p1_put_proof(sa, &w);
	if (p1_msg_send(sa, &w, 1, 0))
		p1_fatal(sa, "message 6 cannot be sent");
	else
		ike1_established(sa);
}

static void take5(struct ike1 *sa, const struct msg *m)
{
	if (p1_take_payloads(sa, m)) {
		p1_fail(sa, ISAKMP_N_PAYLOAD_MALFORMED, "a payload is too long");
		return;
	}
	if (p1_verify(sa))
		return;
	if (p1_own_id(sa)) {
		p1_fatal(sa, "no identity of our own");
		return;
	}
	ike1_seen(sa, &sa->hs->from); /* the initiator moves to port 4500 with this message (spec section 21) */
	if (p1_prove(sa, send6))
		p1_fatal(sa, "no memory for our proof");
}

const struct p1_step p1_main_steps[] = {
	{ISAKMP_X_MAIN, 1, IKE1_MSG1_SENT, 0, 2, P1_HAS_SA, 0, take2},
	{ISAKMP_X_MAIN, 1, IKE1_MSG2_SENT, 0, 4, P1_HAS_KE | P1_HAS_NONCE, P1_HAS_NATD, take4},
	{ISAKMP_X_MAIN, 1, IKE1_MSG3_SENT, 1, 6, P1_HAS_ID | P1_HAS_AUTH, P1_HAS_CERT, take6},
	{ISAKMP_X_MAIN, 0, IKE1_START, 0, 1, P1_HAS_SA, 0, take1},
	{ISAKMP_X_MAIN, 0, IKE1_MSG1_SENT, 0, 3, P1_HAS_KE | P1_HAS_NONCE, P1_HAS_NATD, take3},
	{ISAKMP_X_MAIN, 0, IKE1_MSG2_SENT, 1, 5, P1_HAS_ID | P1_HAS_AUTH, P1_HAS_CERT, take5},
	{0},
};
