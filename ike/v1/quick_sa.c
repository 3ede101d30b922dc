/* SPDX-License-Identifier: BSD-2-Clause */
/* From what quick mode agreed on to SAs in force (RFC 2409 §5.5; spec sections 14.2, 17, 19, 21). */
#include <arpa/inet.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/quick.h"

#define REPLAY_PACKETS 1024 /* spec section 10: 128 bytes */

int quick_reserve(struct ike1_quick *q, struct quick_sa *s, uint8_t protos)
{
	static const struct {
		uint8_t bit, proto;
	} order[] = {{XI_PROTOS_ESP, XI_PROTO_ESP}, {XI_PROTOS_AH, XI_PROTO_AH}};
	const struct ike_env *env = q->sa->ike->env;
	struct err e = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		int rc;

		if (!(protos & order[i].bit))
			continue;
		do
			rc = env->sadb->spi(env->ctx, &q->local, order[i].proto, &s->spi[n], &e);
		while (rc == -ENOSPC && !child_make_room(q->sa->ike, q->replaces));
		if (rc) {
			ike_log(q->sa->ike, LOG_L_ERROR, "no SPI: %s", e.text);
			return rc;
		}
		s->proto[n++] = order[i].proto;
	}
	return 0;
}

/* What both directions have in common, but for keys. */
static void fill_common(const struct ike1_quick *q, const struct quick_sa *s, unsigned i, uint32_t pair,
			struct xi_sa *x)
{
	const struct phase2_suite *u = &s->terms.suite[i];
	const struct ike1 *sa = q->sa;
	uint64_t life = (uint64_t)s->terms.use.life_s * NS_PER_S, bytes = s->terms.use.life_bytes;

	*x = (struct xi_sa){.proto = u->proto, .family = q->local.family, .reqid = q->policy.reqid, .pair = pair};
	/* Spec 6.1: ESP does the tunnelling, AH goes over the outer packet. */
	x->mode = s->terms.n == 2 && u->proto == XI_PROTO_AH ? XI_MODE_TRANSPORT : s->terms.mode;
	x->flags = (uint8_t)((u->esn ? XI_SA_F_ESN : 0) | (q->group ? XI_SA_F_PFS : 0) |
			     (q->initiator ? XI_SA_F_INITIATOR : 0));
	if (q->own.encap) {
		x->flags |= XI_SA_F_UDP;
		x->udp_local = htons(sa->path.local.port);
		x->udp_remote = htons(sa->path.remote.port);
	}
	/* Spec 14.2: soft is 80 % of hard, in whole units, without overflow. */
	x->hard_ns = life;
	x->soft_ns = life / 10 * 8;
	x->hard_bytes = bytes;
	x->soft_bytes = bytes / 10 * 8 + bytes % 10 * 8 / 10;
	if (q->policy.level == XI_LEVEL_UNIQUE)
		x->sel = q->policy.sel; /* exclusive (spec 6.2); shared ones carry what the policies let */
}

static int fill_keys(const struct ike1_quick *q, const struct phase2_suite *u, __be32 spi, struct bytes secret,
		     struct xi_sa *x)
{
	uint8_t keymat[PHASE2_KEYMAT_MAX], protocol = ike1_protocol(u->proto);
	struct ike1_child c = {.gxy = secret,
			       .protocol = protocol,
			       .spi = {(const uint8_t *)&spi, 4},
			       .ni = {q->nonce[0], q->nonce_len[0]},
			       .nr = {q->nonce[1], q->nonce_len[1]}};
	size_t len = phase2_keymat_len(u);
	int rc = len > sizeof(keymat) ? -EINVAL : ike1_keymat(q->sa->terms.hash, &q->sa->k, &c, keymat, len);

	x->spi = spi;
	if (!rc)
		phase2_keys(u, keymat, x);
	OPENSSL_cleanse(keymat, sizeof(keymat));
	return rc;
}

static int fill_pair(const struct ike1_quick *q, const struct quick_sa *s, unsigned i, uint32_t pair,
		     struct bytes secret)
{
	const struct phase2_suite *u = &s->terms.suite[i];
	struct xi_sa *in = &s->bundle->in[i], *out = &s->bundle->out[i];
	int rc;

	fill_common(q, s, i, pair, in);
	*out = *in;
	in->dir = XI_DIR_IN;
	in->src = q->remote.addr;
	in->dst = q->local.addr;
	out->dir = XI_DIR_OUT;
	out->src = q->local.addr;
	out->dst = q->remote.addr;
	if (q->sa->behind && q->own.encap)
		out->flags |= XI_SA_F_KEEPALIVE;
	rc = fill_keys(q, u, s->spi[i], secret, in);
	if (!rc)
		rc = fill_keys(q, u, u->spi, secret, out);
	/* RFC 4303 §3.4.3: no anti-replay without integrity. */
	if (u->auth->icv_len || u->enc->icv_len)
		in->replay_window = REPLAY_PACKETS;
	return rc;
}

int quick_make_bundles(struct ike1_quick *q, struct bytes secret)
{
	const struct ike_env *env = q->sa->ike->env;
	int rc = 0;

	for (unsigned i = 0; i < q->n && !rc; i++) {
		struct quick_sa *s = &q->s[i];
		uint32_t pair = 0;

		s->bundle = calloc(1, sizeof(*s->bundle));
		if (!s->bundle)
			return -ENOMEM;
		do {
			if (env->random(env->ctx, &pair, sizeof(pair)))
				return -EIO;
		} while (!pair || child_pair_taken(q->sa->ike, pair));
		s->bundle->n = (uint8_t)s->terms.n;
		for (unsigned j = 0; j < s->terms.n && !rc; j++)
			rc = fill_pair(q, s, j, pair, secret);
	}
	return rc;
}

/* A RESPONDER-LIFETIME may have come after the keys were made; what the sadb has is what counts. */
int quick_install_in(struct ike1_quick *q)
{
	const struct ike_env *env = q->sa->ike->env;
	struct err e = {0};

	for (unsigned i = 0; i < q->n; i++) {
		struct quick_sa *s = &q->s[i];
		int rc = q->generate ? env->sadb->policy_generate(env->ctx, &q->policy, s->bundle, &e)
				     : env->sadb->install_in(env->ctx, &q->policy, s->bundle, &e);

		if (rc) {
			ike_log(q->sa->ike, LOG_L_ERROR, "IPsec-SA cannot be installed: %s", e.text);
			return rc;
		}
		s->proto[0] = s->proto[1] = 0; /* the SPIs belong to the SAs */
	}
	return 0;
}

int quick_install_out(struct ike1_quick *q)
{
	const struct ike_env *env = q->sa->ike->env;
	struct err e = {0};

	for (unsigned i = 0; i < q->n; i++) {
		struct quick_sa *s = &q->s[i];
		int rc = q->generate ? 0 : env->sadb->install_out(env->ctx, &q->policy, s->bundle, &e);

		if (!rc)
			rc = child_add(q->sa, &(struct child_new){.policy = &q->policy,
								  .bundle = s->bundle,
								  .initiator = q->initiator,
								  .local = q->local,
								  .remote = q->remote,
								  .replaces = q->replaces});
		if (rc) {
			ike_log(q->sa->ike, LOG_L_ERROR, "IPsec-SA cannot be installed: %s",
				e.text[0] ? e.text : "no memory");
			return rc;
		}
		OPENSSL_cleanse(s->bundle, sizeof(*s->bundle)); /* a child has its references */
		free(s->bundle);
		s->bundle = NULL;
	}
	return 0;
}

void quick_release(struct ike1_quick *q)
{
	const struct ike_env *env = q->sa->ike->env;

	for (unsigned i = 0; i < QUICK_SAS_MAX; i++) {
		struct quick_sa *s = &q->s[i];

		for (unsigned j = 0; j < 2; j++) {
			if (s->proto[j])
				env->sadb->spi_free(env->ctx, &q->local, s->proto[j], s->spi[j]);
			if (s->bundle && s->bundle->in_ref[j])
				env->sadb->remove(env->ctx, s->bundle->in_ref[j]);
			if (s->bundle && s->bundle->out_ref[j])
				env->sadb->remove(env->ctx, s->bundle->out_ref[j]);
			s->proto[j] = 0;
		}
		if (s->bundle)
			OPENSSL_cleanse(s->bundle, sizeof(*s->bundle));
		free(s->bundle);
		s->bundle = NULL;
	}
	if (q->generate)
		child_drop_policy(q->sa->ike, &q->policy);
	free(q->answer);
	q->answer = NULL;
}
