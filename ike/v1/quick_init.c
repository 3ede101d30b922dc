/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick mode as initiator: HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr] [, NAT-OA]; HASH(3) when the answer is good (RFC 2409 §5.5; spec section 17). */
#include <openssl/crypto.h>

#include "ike/v1/quick.h"

static int draw_mid(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;

	for (unsigned i = 0; i < 16; i++) {
		uint32_t mid;

		if (sa->ike->env->random(sa->ike->env->ctx, &mid, sizeof(mid)))
			return -EIO;
		if (mid && !ike1_mid_fresh(sa, mid, 1)) {
			q->mid = mid;
			return ike1_iv(sa, mid, q->iv);
		}
	}
	return -EIO;
}

static void send_first(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;
	struct bytes rest;
	struct msg_wr w;
	uint8_t *hash;

	hashed_begin(sa, &w, ISAKMP_X_QUICK, q->mid);
	if (!phase2_write(&w, &q->own, q->s[0].spi)) {
		quick_end(q, "the proposal has no algorithm for the policy's protocols");
		return;
	}
	quick_write_rest(q, &w);
	if (hashed_end(sa, &w, &hash, &rest) || ike1_hash1(sa->terms.hash, &sa->k, q->mid, rest, hash) ||
	    ike1_send(sa, &w, q->iv, 1, &q->retry)) {
		quick_end(q, "message 1 cannot be made");
		return;
	}
	q->state = QUICK_SENT1;
	q->asked_ns = ike_now(sa->ike);
}

void quick_begin(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;
	struct ike *k = sa->ike;
	char local[64], remote[64];
	const char *why;

	quick_going(q);
	ike_log(k, LOG_L_INFO, "initiate new phase 2 negotiation: %s<=>%s",
		ike_end_text(&sa->path.local, local, sizeof(local)),
		ike_end_text(&sa->path.remote, remote, sizeof(remote)));
	if (quick_own(q, ike_conf_policy_proposal(k->conf, q->policy.id), &why)) {
		quick_end(q, why);
		return;
	}
	q->n = 1;
	q->nonce_len[0] = QUICK_NONCE_LEN;
	q->group = q->own.group ? group_by_id(q->own.group) : NULL;
	q->has_ids = (uint8_t)quick_ids_of_policy(q);
	q->has_oa = q->own.encap && q->own.mode == XI_MODE_TRANSPORT;
	if (draw_mid(q) || k->env->random(k->env->ctx, q->nonce[0], QUICK_NONCE_LEN)) {
		quick_end(q, "no random numbers");
		return;
	}
	if (quick_reserve(q, &q->s[0], q->own.protos)) {
		quick_end(q, "no SPI");
		return;
	}
	sa->ph2_total++;
	if (!q->group) {
		send_first(q);
		return;
	}
	if (!quick_job_new(q, q->group)) {
		quick_end(q, "no memory");
		return;
	}
	q->state = QUICK_KEY;
	quick_job_start(q);
}

/* --- message 2 --- */

/* Spec section 17: what message 2 has. */
static const char *shape(const struct ike1_quick *q, const struct msg *m)
{
	const struct msg_payload *nonce = msg_find(m, ISAKMP_P_NONCE, 0);

	if (!msg_find(m, ISAKMP_P_SA, 0) || msg_find(m, ISAKMP_P_SA, 1))
		return "not one SA payload";
	if (!nonce || msg_find(m, ISAKMP_P_NONCE, 1) || nonce->body.len < MSG_NONCE_MIN ||
	    nonce->body.len > MSG_NONCE_MAX)
		return "not one nonce of a sound length";
	if (msg_find(m, ISAKMP_P_KE, 1) || (msg_find(m, ISAKMP_P_KE, 0) && !q->group))
		return "a KE payload that was not asked for";
	return NULL;
}

static void install_and_confirm(struct ike1_quick *q);

static void refuse_answer(struct ike1_quick *q, const struct phase2_refusal *r)
{
	char text[700], b[64];

	ike_log(q->sa->ike, LOG_L_ERROR, "failed to get valid proposal. message 2 of quick mode from %s; %s",
		ike_end_text(&q->sa->path.remote, b, sizeof(b)),
		phase2_refusal_text(r, &q->own, q->proposal, text, sizeof(text)));
	quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN, "the peer's answer is not one to our proposal");
}

static void take_second(struct ike1_quick *q, const struct msg *m)
{
	const struct msg_payload *nonce = msg_find(m, ISAKMP_P_NONCE, 0), *ke = msg_find(m, ISAKMP_P_KE, 0);
	struct phase2_terms *t = &q->s[0].terms;
	struct phase2_refusal r;
	char text[1024];

	if (phase2_answer(m, &msg_find(m, ISAKMP_P_SA, 0)->sa, &q->own, t, &r)) {
		refuse_answer(q, &r);
		return;
	}
	if (!!t->use.group != !!ke) {
		quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN,
			     "KE payload and PFS group of the answer do not fit each other (change pfs-group of the "
			     "proposal, here or there)");
		return;
	}
	if (ke && ke->body.len != q->group->public_len) {
		quick_refuse_value(q);
		return;
	}
	if (!quick_ids_same(q, m)) {
		quick_refuse(q, ISAKMP_N_ATTRIBUTES_NOT_SUPPORTED, quick_ids_differ_text(q, m, text, sizeof(text)));
		return;
	}
	memcpy(q->nonce[1], nonce->body.p, nonce->body.len);
	q->nonce_len[1] = (uint16_t)nonce->body.len;
	quick_notifies(q, m);
	q->state = QUICK_SECRET;
	if (!ke) {
		q->group = NULL; /* proposal-check obey: the peer wants no PFS */
		install_and_confirm(q);
		return;
	}
	memcpy(q->job->peer, ke->body.p, ke->body.len);
	q->job->peer_len = (uint16_t)ke->body.len;
	quick_job_start(q);
}

void quick_receive_second(struct ike1_quick *q, const struct ike_path *path, struct bytes datagram)
{
	struct ike1 *sa = q->sa;
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	struct hashed h;
	const char *bad;
	char text[64];

	memcpy(iv, q->iv, sizeof(iv));
	if (hashed_open(sa, iv, &h, datagram)) {
		quick_unreadable(sa, q, path, &h.bad);
		return;
	}
	if (ike1_hash2(sa->terms.hash, &sa->k, q->mid, (struct bytes){q->nonce[0], q->nonce_len[0]}, h.rest, want))
		return;
	if (!hashed_equal(sa, &h, want)) {
		sa->ike->count[IKE_COUNT_BAD_HASH]++;
		if (!q->told++) {
			ike_log(sa->ike, LOG_L_ERROR, "HASH mismatched in message 2 of quick mode from %s",
				ike_end_text(&path->remote, text, sizeof(text)));
			ike1_notify(sa, ISAKMP_N_INVALID_HASH_INFORMATION, IPSEC_PROTO_ISAKMP, (struct bytes){0},
				    (struct bytes){0});
		}
		return;
	}
	memcpy(q->iv2, q->iv, sizeof(q->iv2));
	memcpy(q->hash2, want, sizeof(q->hash2));
	memcpy(q->iv, iv, sizeof(iv));
	ike1_count_bytes(sa, datagram.len);
	ike1_seen(sa, path);
	q->commit = !!(h.m.hdr.flags & ISAKMP_F_COMMIT);
	q->asked_ns = ike_now(sa->ike) - q->asked_ns;
	ike1_retry_clear(sa->ike, &q->retry);
	q->digested = !hash_of(hash_by_ike1(IKE1_SHA256), &datagram, 1, q->digest);
	bad = shape(q, &h.m);
	if (bad)
		quick_refuse(q, ISAKMP_N_PAYLOAD_MALFORMED, bad);
	else
		take_second(q, &h.m);
}

/* --- message 3 --- */
static int send_third(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;
	struct bytes rest;
	struct msg_wr w;
	uint8_t *hash;

	hashed_begin(sa, &w, ISAKMP_X_QUICK, q->mid);
	if (hashed_end(sa, &w, &hash, &rest) ||
	    ike1_hash3(sa->terms.hash, &sa->k, q->mid, (struct bytes){q->nonce[0], q->nonce_len[0]},
		       (struct bytes){q->nonce[1], q->nonce_len[1]}, hash))
		return -EIO;
	return ike1_send(sa, &w, q->iv, 1, &q->retry);
}

/*
 * HASH(2) does not cover the padding of message 2, but its last block is the IV of message 3 (RFC 2409 appendix B): who changes it makes our HASH(3)
 * unreadable to the responder, while we have the SAs. It repeats message 2; the same one with another last block gets message 3 under that IV.
 */
void quick_second_again(struct ike1_quick *q, struct bytes datagram)
{
	struct ike1 *sa = q->sa;
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	struct hashed h;

	memcpy(iv, q->iv2, sizeof(iv));
	if (hashed_open(sa, iv, &h, datagram) ||
	    ike1_hash2(sa->terms.hash, &sa->k, q->mid, (struct bytes){q->nonce[0], q->nonce_len[0]}, h.rest, want))
		return;
	if (!hashed_equal(sa, &h, want)) {
		sa->ike->count[IKE_COUNT_BAD_HASH]++;
		return;
	}
	sa->ike->count[IKE_COUNT_REPLAY]++;
	if (CRYPTO_memcmp(want, q->hash2, sa->terms.hash->len) || q->again >= QUICK_AGAIN_MAX)
		return;
	q->again++;
	memcpy(q->iv, iv, sizeof(q->iv));
	if (!send_third(q))
		ike1_answers(&q->retry, datagram);
}

static void timer_over(struct ike_timer *t)
{
	struct ike1_quick *q = (struct ike1_quick *)((char *)t - offsetof(struct ike1_quick, timer));

	if (q->state == QUICK_COMMIT)
		quick_connected(q); /* the peer has our HASH(3) by now, or will ask again */
	else
		quick_end(q, NULL);
}

static int timer_in(struct ike1_quick *q, uint64_t ns)
{
	struct ike *k = q->sa->ike;

	q->timer.fn = timer_over;
	return timer_set(&k->timers, &q->timer, ike_now(k) + ns);
}

static void over(struct ike1_quick *q)
{
	q->state = QUICK_OVER;
	quick_gone(q);
	q->acquired = 0;
	q->replaces = 0;
	quick_job_free(q);
	if (timer_in(q, QUICK_KEPT_NS))
		quick_end(q, NULL);
}

void quick_connected(struct ike1_quick *q)
{
	if ((q->generate && quick_install_in(q)) || quick_install_out(q)) {
		quick_take_back(q); /* the peer may have its SAs already: it must not send what nobody opens */
		quick_end(q, "the SAs cannot be installed");
	} else if (q->initiator) {
		over(q);
	} else {
		quick_end(q, NULL);
	}
}

void quick_wait_connected(struct ike1_quick *q, uint64_t ns)
{
	q->state = QUICK_COMMIT;
	if (timer_in(q, ns))
		quick_connected(q);
}

/*
 * How long our outbound SAs wait behind message 3. With the peer's commit bit for CONNECTED (RFC 2408 §3.1), but not for ever. Else for the peer: it makes
 * its SAs when it has read message 3, and what came earlier would be lost. It gets as long as it took for message 2, and a little; where old SAs still
 * serve there is no hurry at all. (Where clocks stand, as in tests, nobody has to be waited for.)
 */
static uint64_t patience(const struct ike1_quick *q)
{
	if (q->commit)
		return QUICK_COMMIT_NS;
	if (!q->asked_ns)
		return 0;
	if (q->replaces)
		return MIN(q->s[0].terms.use.life_s * NS_PER_S / 20, QUICK_TAKES_NS);
	return MIN(q->asked_ns + QUICK_SETTLE_NS, QUICK_TAKES_NS);
}

/* Inbound SAs before message 3, outbound ones afterwards (departs: spec section 17 has both before). */
static void install_and_confirm(struct ike1_quick *q)
{
	struct bytes secret = {0};
	uint64_t ns = patience(q);

	if (q->group)
		secret = (struct bytes){q->job->secret, q->group->secret_len};
	if (quick_make_bundles(q, secret) || quick_install_in(q) || (!ns && quick_install_out(q))) {
		quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN, "the SAs cannot be installed");
		return;
	}
	q->retry.gave_up = NULL;
	if (send_third(q))
		ike_log(q->sa->ike, LOG_L_ERROR,
			"message 3 of quick mode cannot be made"); /* the peer asks again, then gives up */
	else if (q->digested)
		memcpy(q->retry.digest, q->digest, sizeof(q->digest));
	if (!ns) {
		over(q);
		return;
	}
	quick_wait_connected(q, ns);
}

void quick_init_job_done(struct ike1_quick *q)
{
	if (q->state == QUICK_KEY) {
		if (q->job->rc)
			quick_end(q, "the public value cannot be made");
		else
			send_first(q);
		return;
	}
	if (q->job->rc == -EINVAL)
		quick_refuse_value(q);
	else if (q->job->rc)
		quick_end(q, "the shared secret cannot be made");
	else
		install_and_confirm(q);
}
