/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick mode as responder (RFC 2409 §5.5; spec sections 17 to 19): policy, choice, answer; outbound SAs when HASH(3) has come. */
#include <stdlib.h>

#include "ike/v1/phase1.h"
#include "ike/v1/quick.h"

/* Spec section 17: what message 1 has. NULL, or what is wrong. */
static const char *shape(const struct msg *m)
{
	const struct msg_payload *nonce = msg_find(m, ISAKMP_P_NONCE, 0);

	if (!msg_find(m, ISAKMP_P_SA, 0))
		return "no SA payload";
	if (msg_find(m, ISAKMP_P_SA, QUICK_SAS_MAX))
		return "too many SA payloads";
	if (!nonce || msg_find(m, ISAKMP_P_NONCE, 1) || nonce->body.len < MSG_NONCE_MIN ||
	    nonce->body.len > MSG_NONCE_MAX)
		return "not one nonce of a sound length";
	if (msg_find(m, ISAKMP_P_KE, 1))
		return "more than one KE payload";
	if (!!msg_find(m, ISAKMP_P_ID, 0) != !!msg_find(m, ISAKMP_P_ID, 1) || msg_find(m, ISAKMP_P_ID, 2))
		return "not two ID payloads or none";
	return NULL;
}

/* --- policy --- */

/* Is the policy one towards this peer? Ends that are unset fit the IKE addresses. */
static int fits_ends(const struct ike_policy *p, const struct ike1 *sa)
{
	return (!p->sa_dst.family || ike_addr_eq(&p->sa_dst, &sa->path.remote.a)) &&
	       (!p->sa_src.family || ike_addr_eq(&p->sa_src, &sa->path.local.a)) && (p->dynamic || ike1_at_home(sa));
}

/* Spec section 19: what is put into force after HASH(3). Mode and protocols are those of the choice. */
static int draft_policy(struct ike1_quick *q, const struct xi_selector *sel)
{
	const struct ike1 *sa = q->sa;
	struct ike_policy *p = &q->policy;

	*p = (struct ike_policy){.sel = *sel,
				 .action = XI_ACTION_ENCRYPT,
				 .level = XI_LEVEL_REQUIRE, /* policy_generate() knows whether others have these ends */
				 .dynamic = 1,
				 .sa_src = sa->path.local.a,
				 .sa_dst = sa->path.remote.a};
	if (sa->peer->generate != IKE_GENERATE_PORT_STRICT) {
		p->sel.flags &= XI_SEL_PROTO;
		p->sel.src_port = p->sel.dst_port = 0;
	}
	q->generate = 1;
	return 0;
}

/* 0, or -ENOENT: no policy, or none of this peer's. */
static int find_policy(struct ike1_quick *q)
{
	const struct ike1 *sa = q->sa;
	const struct ike_env *env = sa->ike->env;
	struct xi_selector sel;
	char text[600], b[64];
	int rc = quick_selector(q, sa->peer->generate != IKE_GENERATE_NO, &sel);

	if (rc) {
		ike_log(sa->ike, LOG_L_ERROR,
			"no policy found: %s (message 1 of quick mode from %s; to change: src-address, dst-address, "
			"protocol and ports of the policy there)",
			quick_no_prefixes_text(q, text, sizeof(text)), ike_end_text(&sa->path.remote, b, sizeof(b)));
		return -ENOENT;
	}
	rc = env->sadb->policy_find(env->ctx, &sel, &q->policy);
	if (!rc && q->policy.action == XI_ACTION_ENCRYPT && !q->policy.manual && fits_ends(&q->policy, sa) &&
	    !(q->policy.dynamic && child_other_has(sa, &q->policy)))
		return 0;
	/* 19.5: a generated policy of another peer goes to the newer negotiation. */
	if ((rc || q->policy.dynamic) && sa->peer->generate != IKE_GENERATE_NO)
		return draft_policy(q, &sel);
	ike_log(sa->ike, LOG_L_ERROR,
		"no policy found: %s (message 1 of quick mode from %s; to change: src-address and dst-address of a "
		"policy, "
		"here or there, or generate-policy of the peer item)",
		quick_selector_text(&sel, text, sizeof(text)), ike_end_text(&sa->path.remote, b, sizeof(b)));
	return -ENOENT;
}

/* --- choice --- */

/* There is one KE payload, and one policy that all SAs are for. */
static int like_first(const struct phase2_terms *t, const struct phase2_terms *first)
{
	return t->use.group == first->use.group && t->mode == first->mode && t->n == first->n &&
	       t->suite[0].proto == first->suite[0].proto;
}

/* Every SA payload needs a choice. 0 or -ENOENT, then *q is gone. */
static int choose(struct ike1_quick *q, const struct msg *m)
{
	const struct msg_payload *p;
	struct phase2_refusal r;
	char text[700], b[64];

	for (q->n = 0; (p = msg_find(m, ISAKMP_P_SA, q->n)); q->n++) {
		struct phase2_terms *t = &q->s[q->n].terms;

		if (p->sa.doi != IPSEC_DOI || p->sa.situation != IPSEC_SIT_IDENTITY) {
			quick_refuse(q,
				     p->sa.doi != IPSEC_DOI ? ISAKMP_N_DOI_NOT_SUPPORTED
							    : ISAKMP_N_SITUATION_NOT_SUPPORTED,
				     "DOI or situation that we do not have");
			return -ENOENT;
		}
		if (phase2_choose(m, &p->sa, &q->own, t, &r)) {
			q->sa->ike->count[IKE_COUNT_NO_PROPOSAL]++;
			ike_log(q->sa->ike, LOG_L_ERROR,
				"no suitable proposal found. message 1 of quick mode from %s; %s",
				ike_end_text(&q->sa->path.remote, b, sizeof(b)),
				phase2_refusal_text(&r, &q->own, q->proposal, text, sizeof(text)));
			quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN, "no proposal in common");
			return -ENOENT;
		}
		if (!like_first(t, &q->s[0].terms)) {
			quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN,
				     "SA payloads with different modes, protocols or PFS groups");
			return -ENOENT;
		}
	}
	return 0;
}

/* The generated policy takes mode and protocols from the choice (spec 19.3). AH does not go through NAT. */
static int settle_policy(struct ike1_quick *q)
{
	const struct phase2_terms *t = &q->s[0].terms;

	if (!q->generate)
		return 0;
	q->policy.mode = t->mode;
	q->policy.protos = 0;
	for (unsigned i = 0; i < t->n; i++)
		q->policy.protos |= t->suite[i].proto == XI_PROTO_AH ? XI_PROTOS_AH : XI_PROTOS_ESP;
	return q->own.encap && (q->policy.protos & XI_PROTOS_AH) ? -EINVAL : 0;
}

static int reserve_all(struct ike1_quick *q)
{
	int rc = 0;

	for (unsigned i = 0; i < q->n && !rc; i++) {
		const struct phase2_terms *t = &q->s[i].terms;
		uint8_t protos = 0;

		for (unsigned j = 0; j < t->n; j++)
			protos |= t->suite[j].proto == XI_PROTO_AH ? XI_PROTOS_AH : XI_PROTOS_ESP;
		rc = quick_reserve(q, &q->s[i], protos);
	}
	return rc;
}

/*
 * The SA payloads of the answer, while the message is there: until message 2 is sent Diffie-Hellman may take its time. Our SPIs are reserved.
 */
static int keep_answer(struct ike1_quick *q, const struct msg *m)
{
	struct ike *k = q->sa->ike;
	size_t from[QUICK_SAS_MAX + 1], len = 0;
	struct msg_wr w;

	msg_wr_begin(&w, k->out, sizeof(k->out), &m->hdr);
	for (unsigned i = 0; i < q->n; i++) {
		from[i] = w.wr.len + ISAKMP_GENERIC_LEN;
		phase2_write_answer(&w, m, &q->s[i].terms, q->s[i].spi);
	}
	from[q->n] = w.wr.len + ISAKMP_GENERIC_LEN;
	if (msg_wr_end(&w) < 0)
		return -EMSGSIZE;
	q->answer = malloc(w.wr.len);
	if (!q->answer)
		return -ENOMEM;
	for (unsigned i = 0; i < q->n; i++) {
		q->answer_len[i] = (uint16_t)(from[i + 1] - ISAKMP_GENERIC_LEN - from[i]);
		memcpy(q->answer + len, k->out + from[i], q->answer_len[i]);
		len += q->answer_len[i];
	}
	return 0;
}

/* --- message 2 --- */

/* RFC 2407 §4.6.3.1; spec 18.3: protocol and SPI of the SA, life type and a 4-byte duration. */
static void write_responder_lifetime(const struct quick_sa *s, struct msg_wr *w)
{
	uint32_t life = s->terms.use.life_s, kb = (uint32_t)MIN(s->terms.use.life_bytes / 1024, UINT32_MAX);
	uint8_t data[24];
	struct wr d = {.buf = data, .size = sizeof(data)};
	struct msg_notify n = {.doi = IPSEC_DOI, .type = ISAKMP_N_RESPONDER_LIFETIME};

	for (unsigned type = IKE1_LIFE_SECONDS; type <= (kb ? IKE1_LIFE_KILOBYTES : IKE1_LIFE_SECONDS); type++) {
		wr_u16(&d, 0x8000 | IPSEC_A_LIFE_TYPE);
		wr_u16(&d, (uint16_t)type);
		wr_u16(&d, IPSEC_A_LIFE_DURATION);
		wr_u16(&d, 4);
		wr_u32(&d, type == IKE1_LIFE_SECONDS ? life : kb);
	}
	n.data = (struct bytes){data, d.len};
	for (unsigned i = 0; i < s->terms.n; i++) {
		n.protocol = ike1_protocol(s->terms.suite[i].proto); /* s->proto is of SPIs that are only reserved */
		n.spi = (struct bytes){(const uint8_t *)&s->spi[i], 4};
		msg_wr_notify(w, &n);
	}
}

static int send_second(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;
	struct bytes ni = {q->nonce[0], q->nonce_len[0]}, rest;
	struct msg_wr w;
	uint8_t *hash;

	hashed_begin(sa, &w, ISAKMP_X_QUICK, q->mid);
	for (unsigned i = 0, at = 0; i < q->n; at += q->answer_len[i++])
		msg_wr_raw(&w, ISAKMP_P_SA, (struct bytes){q->answer + at, q->answer_len[i]});
	quick_write_rest(q, &w);
	for (unsigned i = 0; i < q->n; i++)
		if (q->s[i].terms.notify)
			write_responder_lifetime(&q->s[i], &w);
	if (hashed_end(sa, &w, &hash, &rest) || ike1_hash2(sa->terms.hash, &sa->k, q->mid, ni, rest, hash))
		return -EIO;
	return ike1_send(sa, &w, q->iv, 1, &q->retry);
}

/*
 * g^xy is there or not needed. KEYMAT now, so that the secret can go. Inbound SAs, too: the initiator sends by its own as soon as it has message 2, and
 * packets overtake message 3 (departs: spec section 17 installs them after HASH(3)). Generated policies come after HASH(3) (spec 19.5).
 */
static void answer(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;
	struct bytes secret = {0};

	if (q->group)
		secret = (struct bytes){q->job->secret, q->group->secret_len};
	if (quick_make_bundles(q, secret) || (!q->generate && quick_install_in(q)) || send_second(q) ||
	    ike1_hash3(sa->terms.hash, &sa->k, q->mid, (struct bytes){q->nonce[0], q->nonce_len[0]},
		       (struct bytes){q->nonce[1], q->nonce_len[1]}, q->hash3)) {
		quick_end(q, "message 2 cannot be made");
		return;
	}
	if (q->digested)
		memcpy(q->retry.digest, q->digest, sizeof(q->digest));
	q->state = QUICK_SENT2;
	quick_job_free(q);
}

void quick_resp_job_done(struct ike1_quick *q)
{
	if (q->job->rc == -EINVAL)
		quick_refuse_value(q);
	else if (q->job->rc)
		quick_end(q, "the shared secret cannot be made");
	else
		answer(q);
}

/* --- message 1 --- */
static void exchange_keys(struct ike1_quick *q, const struct msg_payload *ke)
{
	uint16_t id = q->s[0].terms.use.group;

	if (!id && !ke) {
		q->state = QUICK_ANSWER;
		answer(q);
		return;
	}
	q->group = id ? group_by_id(id) : NULL;
	if (!q->group || !ke) {
		quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN,
			     "KE payload and PFS group do not fit each other (change pfs-group of the proposal there)");
		return;
	}
	if (ke->body.len != q->group->public_len) {
		quick_refuse_value(q);
		return;
	}
	if (!quick_job_new(q, q->group)) {
		quick_end(q, "no memory");
		return;
	}
	memcpy(q->job->peer, ke->body.p, ke->body.len);
	q->job->peer_len = (uint16_t)ke->body.len;
	q->state = QUICK_ANSWER;
	quick_job_start(q);
}

static void take_first(struct ike1_quick *q, const struct msg *m)
{
	struct ike1 *sa = q->sa;
	struct ike *k = sa->ike;
	const struct msg_payload *nonce = msg_find(m, ISAKMP_P_NONCE, 0);
	const char *why;

	memcpy(q->nonce[0], nonce->body.p, nonce->body.len);
	q->nonce_len[0] = (uint16_t)nonce->body.len;
	q->nonce_len[1] = QUICK_NONCE_LEN;
	/* RFC 3947 §5.2: only in transport mode; it says that the identities are addresses behind the NAT. */
	q->has_oa = (sa->behind || sa->peer_behind) &&
		    (msg_find(m, ISAKMP_P_NAT_OA, 0) || msg_find(m, ISAKMP_P_NAT_OA_DRAFT, 0));
	if (quick_ids_keep(q, m) || find_policy(q)) {
		k->count[IKE_COUNT_NO_POLICY]++;
		quick_refuse(q, ISAKMP_N_INVALID_ID_INFORMATION, "no policy for the identities of quick mode");
		return;
	}
	if (quick_own(q, ike_conf_policy_proposal(k->conf, q->generate ? 0 : q->policy.id), &why)) {
		quick_refuse(q, ISAKMP_N_NO_PROPOSAL_CHOSEN, why);
		return;
	}
	if (q->generate)
		q->own.mode = PHASE2_ANY_MODE;
	if (choose(q, m))
		return;
	if (settle_policy(q)) {
		quick_refuse(
			q, ISAKMP_N_NO_PROPOSAL_CHOSEN,
			"the peer proposes AH, and NAT is between us (change ipsec-protocols of the policy there)");
		return;
	}
	if (reserve_all(q) || keep_answer(q, m) || k->env->random(k->env->ctx, q->nonce[1], QUICK_NONCE_LEN)) {
		quick_end(q, "no memory, random numbers or SPI");
		return;
	}
	sa->ph2_total++;
	exchange_keys(q, msg_find(m, ISAKMP_P_KE, 0));
}

/* Each reserves SPIs, which are SAs, and there are not many (max-sas). */
static int may_respond(const struct ike1 *sa)
{
	unsigned own = 0, all = 0;

	for (const struct ike1 *s = *ike1_place(sa->ike, &sa->path.remote.a); s; s = s->by_place)
		for (const struct ike1_quick *q = s->quick; q; q = q->next) {
			own += s == sa && !q->initiator;
			all += !q->initiator && ike_addr_eq(&s->path.remote.a, &sa->path.remote.a);
		}
	return own < QUICK_RESPONDERS_MAX && all < QUICK_ADDRESS_MAX;
}

/* Parsed and authenticated before anything is kept; a message ID serves once (spec section 17). */
void quick_receive_first(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	struct ike *k = sa->ike;
	uint8_t iv[CIPHER_BLOCK_MAX], want[HASH_MAX];
	struct ike1_quick *q;
	struct hashed in;
	char local[64], remote[64];
	const char *bad;

	/* A message 3 that comes again is no message 1. */
	if (ike1_mid_used(sa, h->message_id)) {
		k->count[IKE_COUNT_REPLAY]++;
		return;
	}
	if (ike1_iv(sa, h->message_id, iv))
		return;
	if (hashed_open(sa, iv, &in, datagram)) {
		quick_unreadable(sa, NULL, path, &in.bad);
		return;
	}
	if (ike1_hash1(sa->terms.hash, &sa->k, h->message_id, in.rest, want))
		return;
	if (!hashed_equal(sa, &in, want)) {
		k->count[IKE_COUNT_BAD_HASH]++;
		if (ike_may_say(k, &path->remote.a))
			ike_log(k, LOG_L_ERROR, "HASH mismatched in message 1 of quick mode from %s",
				ike_end_text(&path->remote, remote, sizeof(remote)));
		/* Spec section 17. Anybody who sees our cookies can call it up, and it goes to the peer. */
		if (ike_may_answer(k, &sa->path.remote.a))
			ike1_notify(sa, ISAKMP_N_INVALID_HASH_INFORMATION, IPSEC_PROTO_ISAKMP, (struct bytes){0},
				    (struct bytes){0});
		return;
	}
	if (!may_respond(sa)) {
		k->count[IKE_COUNT_HALF_OPEN]++; /* before its message ID is used up: the peer repeats it */
		return;
	}
	if (ike1_mid_fresh(sa, h->message_id, 1))
		return; /* no memory */
	ike1_count_bytes(sa, datagram.len);
	ike1_seen(sa, path);
	ike_log(k, LOG_L_INFO, "respond new phase 2 negotiation: %s<=>%s",
		ike_end_text(&sa->path.local, local, sizeof(local)),
		ike_end_text(&sa->path.remote, remote, sizeof(remote)));
	q = quick_new(sa);
	if (!q)
		return;
	q->mid = h->message_id;
	q->state = QUICK_ANSWER;
	q->commit = h->flags & ISAKMP_F_COMMIT;
	memcpy(q->iv, iv, sizeof(iv));
	q->digested = !hash_of(hash_by_ike1(IKE1_SHA256), &datagram, 1, q->digest);
	quick_notifies(q, &in.m);
	bad = shape(&in.m);
	if (bad)
		quick_refuse(q, ISAKMP_N_PAYLOAD_MALFORMED, bad);
	else
		take_first(q, &in.m);
}

/* --- message 3 --- */
void quick_receive_third(struct ike1_quick *q, const struct ike_path *path, struct bytes datagram)
{
	struct ike1 *sa = q->sa;
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct hashed h;
	char text[64];

	memcpy(iv, q->iv, sizeof(iv));
	if (hashed_open(sa, iv, &h, datagram)) {
		quick_unreadable(sa, q, path, &h.bad);
		return;
	}
	if (!hashed_equal(sa, &h, q->hash3)) {
		sa->ike->count[IKE_COUNT_BAD_HASH]++;
		if (!q->told++) {
			ike_log(sa->ike, LOG_L_ERROR, "HASH mismatched in message 3 of quick mode from %s",
				ike_end_text(&path->remote, text, sizeof(text)));
			ike1_notify(sa, ISAKMP_N_INVALID_HASH_INFORMATION, IPSEC_PROTO_ISAKMP, (struct bytes){0},
				    (struct bytes){0});
		}
		return;
	}
	ike1_count_bytes(sa, datagram.len);
	ike1_seen(sa, path);
	quick_notifies(q, &h.m);
	q->commit |= h.m.hdr.flags & ISAKMP_F_COMMIT;
	ike1_retry_clear(sa->ike, &q->retry);
	/* RFC 2408 §3.1: we may not use the SAs before the initiator says CONNECTED, which may have overtaken message 3. */
	if (q->commit && !q->connected)
		quick_wait_connected(q, QUICK_COMMIT_NS);
	else
		quick_connected(q);
}
