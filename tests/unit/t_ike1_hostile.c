/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not happen, whatever peers and strangers send and whenever an ISAKMP SA ends: one test for each bug that was found (RFC 2408, 2409). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_rig.h"

static struct rig *r;
static uint8_t mode, auth;

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	auth = IKE_AUTH_PSK;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (r && rig_work_one(r))
		; /* they belong to the engine */
	if (r)
		rig_free(r);
	r = NULL;
	return 0;
}

static void conf(struct ike_conf *c, unsigned end)
{
	(void)end;
	for (unsigned i = 0; i < c->n_peers; i++) {
		c->peer[i].mode = mode;
		c->peer[i].auth = auth;
		strcpy(c->peer[i].key, "own");
	}
}

static void begin(void)
{
	struct ike_policy *p;

	r = rig_new(conf);
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_acquire(r, 0, p);
}

/* --- results that come back when the ISAKMP SA has gone --- */

static struct ike_sign *signing;

static void sign_later(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	assert_null(signing);
	signing = s;
}

static void t_signature_after_the_end(void **state)
{
	(void)state;
	auth = IKE_AUTH_RSA_KEY;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		begin();
		r->end[0].env.sign = r->end[1].env.sign = sign_later;
		rig_settle(r);
		assert_non_null(signing);
		ike_kill(r->end[0].k);
		ike_kill(r->end[1].k);
		signing->sig_len = 128;
		signing->done(signing);
		signing = NULL;
		assert_null(r->end[0].k->sas);
		assert_null(r->end[1].k->sas);
		(void)teardown(NULL);
	}
}

/* --- an ISAKMP SA that moves --- */

/* Which ISAKMP SA the children of an end hold that is none of the living. */
static unsigned dangling(unsigned end)
{
	const struct ike *k = r->end[end].k;
	unsigned n = 0;

	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		for (const struct ike_child *c = k->children[i]; c; c = c->next) {
			const struct ike1 *sa = k->sas;

			while (sa && sa != c->sa)
				sa = sa->next;
			n += c->sa && !sa;
		}
	return n;
}

static void up(void)
{
	const struct ike_policy *p;

	r = rig_new(conf);
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
}

/* Spec section 21: the NAT gives the peer another address; its SAs are still there under the old one. */
static void t_moved_then_dropped(void **state)
{
	struct ike_path path;

	(void)state;
	up();
	r->end[1].sa->natt = IKE1_NATT_RFC;
	path = r->end[1].sa->path;
	path.remote.a = rig_addr4("203.0.113.9");
	ike1_seen(r->end[1].sa, &path);
	assert_true(child_any(r->end[1].sa));
	ike1_drop(r->end[1].sa, 0, NULL);
	assert_int_equal(dangling(1), 0);
	assert_int_equal(ike_flush(r->end[1].k, 0), 2);
}

static int from_elsewhere(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == 0)
		p->path.remote.a = rig_addr4("203.0.113.9");
	return 1;
}

static void t_moved_then_deleted_by_the_peer(void **state)
{
	(void)state;
	up();
	r->end[1].sa->natt = IKE1_NATT_RFC;
	r->filter = from_elsewhere;
	assert_int_equal(ike_flush(r->end[0].k, 0), 2);
	rig_settle(r);
	rig_advance(r, 6 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_int_equal(rig_unopened(r, 0), 0);
	assert_int_equal(rig_quicks(r, 0), 0);
}

/* --- quick modes made by hand: end 0 is the peer, end 1 has generate-policy --- */

static const uint8_t ni[16] = {1, 2, 3};
static uint32_t mid = 77;

static void conf_natt(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].natt = 1;
}

static void conf_generate(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_YES : IKE_GENERATE_NO;
	c->peer[0].natt = 1;
}

struct offer {
	struct phase2_own own[2];
	unsigned n;
	struct msg_id id[2];
};

static struct offer offer_of(unsigned n)
{
	struct offer o = {.n = n};

	for (unsigned i = 0; i < 2; i++) {
		o.own[i] = (struct phase2_own){.protos = XI_PROTOS_ESP,
					       .mode = XI_MODE_TUNNEL,
					       .life_s = 1800,
					       .n_enc = 1,
					       .n_auth = 1,
					       .enc = {alg_by_name(ALG_ENC, "aes-128")},
					       .auth = {alg_by_name(ALG_AUTH, "sha1")}};
	}
	return o;
}

static void seal_and_send(struct ike1 *sa, struct msg_wr *w, uint8_t *iv, struct bytes nr)
{
	uint8_t *hash_at;
	struct bytes rest;

	assert_int_equal(hashed_end(sa, w, &hash_at, &rest), 0);
	assert_int_equal(nr.len ? ike1_hash3(sa->terms.hash, &sa->k, mid, (struct bytes){ni, 16}, nr, hash_at)
				: ike1_hash1(sa->terms.hash, &sa->k, mid, rest, hash_at),
			 0);
	assert_int_equal(ike1_send(sa, w, iv, 1, NULL), 0);
}

/* The whole exchange; 0: the responder refused. */
static int quick_by_hand(const struct offer *o)
{
	static struct hashed in;
	static uint32_t spi = 0x30000000;
	struct ike1 *sa = r->end[0].sa;
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct rig_packet p;
	struct msg_wr w;
	int rc = 0;

	mid++;
	assert_int_equal(ike1_iv(sa, mid, iv), 0);
	hashed_begin(sa, &w, ISAKMP_X_QUICK, mid);
	for (unsigned i = 0; i < o->n; i++) {
		__be32 spis[2] = {htonl(++spi), htonl(++spi)};

		(void)phase2_write(&w, &o->own[i], spis);
	}
	msg_wr_raw(&w, ISAKMP_P_NONCE, (struct bytes){ni, 16});
	for (unsigned i = 0; i < 2 && o->id[i].type; i++)
		msg_wr_id(&w, &o->id[i]);
	seal_and_send(sa, &w, iv, (struct bytes){0});
	rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	p = rig_take(r, 0);
	if (p.p[18] == ISAKMP_X_QUICK) {
		assert_int_equal(hashed_open(sa, iv, &in, (struct bytes){p.p, p.len}), 0);
		hashed_begin(sa, &w, ISAKMP_X_QUICK, mid);
		seal_and_send(sa, &w, iv, msg_find(&in.m, ISAKMP_P_NONCE, 0)->body);
		rc = 1;
	}
	free(p.p);
	rig_settle(r);
	return rc;
}

/* Spec 19.1: names mean the ends of phase 1, but not more than the protocol that was proposed. */
static void t_generated_for_names_keeps_the_protocol(void **state)
{
	struct offer o = offer_of(1);
	const struct ike_policy *g;

	(void)state;
	r = rig_new(conf_generate);
	rig_isakmp(r, 0, 1);
	for (unsigned i = 0; i < 2; i++)
		o.id[i] = (struct msg_id){.type = IPSEC_ID_FQDN,
					  .protocol = IPPROTO_UDP,
					  .port = 1701,
					  .data = {(const uint8_t *)"a.b", 3}};
	assert_true(quick_by_hand(&o));
	g = &r->end[1].sadb.policy[0];
	assert_int_equal(g->dynamic, 1);
	assert_int_equal(g->sel.flags, XI_SEL_PROTO);
	assert_int_equal(g->sel.proto, IPPROTO_UDP);
	assert_int_equal(g->sel.src_len, 32);
	assert_memory_equal(&g->sel.dst, &r->end[0].addr.addr, 16);
}

/* A mask with holes is no name: it is refused, not read as something else than the peer means. */
static void t_generated_for_a_bad_mask_is_refused(void **state)
{
	static const uint8_t holes[8] = {10, 0, 0, 0, 255, 0, 255, 0};
	struct offer o = offer_of(1);

	(void)state;
	r = rig_new(conf_generate);
	rig_isakmp(r, 0, 1);
	for (unsigned i = 0; i < 2; i++)
		o.id[i] = (struct msg_id){.type = IPSEC_ID_IPV4_SUBNET, .data = {holes, 8}};
	assert_false(quick_by_hand(&o));
	assert_true(rig_logged(r, 1, "no policy found: "));
	assert_int_equal(fake_policies(&r->end[1].sadb), 0);
}

/* One policy is generated: what is not like its first SAs would be under a policy of another mode or protocol. */
static void t_generated_for_sa_payloads_that_differ(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 2; what++) {
		struct offer o = offer_of(2);

		r = rig_new(conf_generate);
		rig_isakmp(r, 0, 1);
		if (what)
			o.own[1].protos = XI_PROTOS_AH;
		else
			o.own[1].mode = XI_MODE_TRANSPORT;
		assert_false(quick_by_hand(&o));
		assert_int_equal(fake_count(&r->end[1].sadb), 0);
		assert_int_equal(fake_reserved(&r->end[1].sadb), 0);
		(void)teardown(NULL);
	}
}

/* Spec 19.6: a policy whose SAs could not all be installed does not stay. */
static void t_generated_policy_goes_when_installing_fails(void **state)
{
	struct offer o = offer_of(2);

	(void)state;
	r = rig_new(conf_generate);
	rig_isakmp(r, 0, 1);
	r->end[1].sadb.fail_generate = 2;
	assert_true(quick_by_hand(&o));
	assert_int_equal(r->end[1].sadb.generated, 2);
	assert_int_equal(fake_count(&r->end[1].sadb), 0);
	assert_int_equal(fake_policies(&r->end[1].sadb), 0);
}

/* Spec 19.5: the same selectors from another peer: the newer negotiation takes over, the older SAs go. */
static void t_generated_policy_of_another_peer(void **state)
{
	struct ike_policy *p;

	(void)state;
	r = rig_new(conf_generate);
	p = rig_policy(r, 0, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	r->end[0].addr = p->sa_src = rig_addr4("192.0.2.99");
	rig_isakmp(r, 0, 2);
	rig_acquire(r, 0, p);
	rig_settle(r);
	assert_int_equal(r->end[1].sadb.generated, 2);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[1].sadb.sa[i].ref && r->end[1].sadb.sa[i].sa.dir == XI_DIR_OUT)
			assert_memory_equal(&r->end[1].sadb.sa[i].sa.dst, &p->sa_src.addr, 16);
}

/* --- several peers behind the address of one NAT --- */

/* Another client of the NAT: an ISAKMP SA of its own, from a port of its own. */
static void client(unsigned n)
{
	rig_isakmp(r, 0, n);
	for (unsigned i = 0; i < 2; i++) {
		struct ike1 *sa = r->end[i].sa;

		sa->natt = IKE1_NATT_RFC;
		sa->behind = !i;
		sa->peer_behind = (uint8_t)i;
		sa->path.local.port = sa->path.remote.port = IKE_PORT_NATT;
	}
	r->end[0].sa->path.local.port = r->end[1].sa->path.remote.port = (uint16_t)(40000 + n);
}

static struct offer offer_in_udp(void)
{
	struct offer o = offer_of(1);

	o.own[0].mode = XI_MODE_TRANSPORT;
	o.own[0].encap = PHASE2_UDP;
	return o;
}

static unsigned to_port(unsigned dir, unsigned port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SAS; i++)
		n += r->end[1].sadb.sa[i].ref && r->end[1].sadb.sa[i].sa.dir == dir &&
		     r->end[1].sadb.sa[i].sa.udp_remote == htons((uint16_t)port);
	return n;
}

/* Spec 19.5: both want the same selectors; the second one must not come under the policy of the first, beside it. */
static void t_two_clients_of_a_nat_want_the_same(void **state)
{
	struct offer o = offer_in_udp();

	(void)state;
	r = rig_new(conf_generate);
	client(1);
	assert_true(quick_by_hand(&o));
	assert_int_equal(to_port(XI_DIR_OUT, 40001), 1);
	client(2);
	assert_true(quick_by_hand(&o));
	assert_int_equal(r->end[1].sadb.generated, 2);
	assert_int_equal(to_port(XI_DIR_OUT, 40001), 0);
	assert_int_equal(to_port(XI_DIR_IN, 40001), 0);
	assert_int_equal(to_port(XI_DIR_OUT, 40002), 1);
	/* again from the same one: it is a rekey, nothing of it goes */
	assert_true(quick_by_hand(&o));
	assert_int_equal(r->end[1].sadb.generated, 2);
	assert_int_equal(to_port(XI_DIR_OUT, 40002), 2);
}

/* What is due for one of them is not negotiated with another one. */
static void t_rekey_is_not_for_another_client_of_the_nat(void **state)
{
	struct offer o = offer_in_udp();
	struct ike_child *c = NULL;

	(void)state;
	r = rig_new(conf_generate);
	client(1);
	assert_true(quick_by_hand(&o));
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS && !c; i++)
		c = r->end[1].k->children[i];
	assert_non_null(c);
	ike1_drop(r->end[1].sa, 0, NULL);
	client(2);
	assert_null(c->sa);
	while (r->n)
		rig_drop(r, 0);
	ike_sa_event(r->end[1].k, IKE_SA_SEQUENCE, c->out[0], NULL);
	assert_null(r->end[1].sa->quick);
	client(3);
	assert_null(r->end[1].sa->quick);
}

/* --- peers that do not stop --- */

static void t_isakmp_sas_of_one_peer(void **state)
{
	unsigned n = 0;

	(void)state;
	up();
	for (unsigned i = 2; i < 60; i++) {
		rig_isakmp(r, i % 2, i);
		rig_settle(r);
	}
	for (const struct ike1 *sa = r->end[1].k->sas; sa; sa = sa->next)
		n++;
	assert_int_equal(n, IKE1_PAIR_MAX);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	assert_int_equal(dangling(0) + dangling(1), 0);
}

static void t_children_of_one_peer(void **state)
{
	unsigned n = 0;

	(void)state;
	up();
	for (unsigned i = 0; i < 300; i++) {
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		rig_settle(r);
		/* no more than the fake has room for */
		if (i % 50 == 49)
			rig_advance(r, NS_PER_S);
	}
	for (unsigned i = 0; i < IKE_CHILD_BUCKETS; i++)
		for (const struct ike_child *c = r->end[1].k->children[i]; c; c = c->next)
			n += !c->dying;
	assert_true(n <= 256);
	assert_int_equal(rig_unopened(r, 0) + rig_unopened(r, 1), 0);
}

/* --- messages that come again --- */

static uint8_t kept[2][4][2048];
static size_t kept_len[2][4];
static unsigned n_kept[2];

/* The first few of each end. */
static int keep(struct rig *rig, struct rig_packet *p)
{
	unsigned n = n_kept[p->from];

	(void)rig;
	if (n < 4 && p->len <= sizeof(kept[0][0])) {
		memcpy(kept[p->from][n], p->p, p->len);
		kept_len[p->from][n] = p->len;
		n_kept[p->from]++;
	}
	return 1;
}

static void hand_again(unsigned to, unsigned of, unsigned n)
{
	struct ike_path path = r->end[to].sa->path;

	ike_receive(r->end[to].k, &path, (struct bytes){kept[of][n], kept_len[of][n]});
}

/* HASH(1) does not say who made it (RFC 2409 §5.5): what one end sent must not be taken by itself as the peer's. */
static void t_own_messages_thrown_back(void **state)
{
	struct ike_policy *p;

	(void)state;
	n_kept[0] = n_kept[1] = 0;
	r = rig_new(conf);
	r->filter = keep;
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
	rig_advance(r, 100 * NS_PER_S);
	assert_int_equal(r->n, 0);
	assert_int_equal(kept[0][0][18], ISAKMP_X_QUICK);
	hand_again(0, 0, 0); /* its message 1 */
	assert_int_equal(r->n, 0);
	assert_int_equal(r->end[0].k->count[IKE_COUNT_REPLAY], 1);
	n_kept[0] = 0;
	rig_advance(r, 30 * NS_PER_S);
	assert_int_equal(kept[0][0][18], ISAKMP_X_INFORMATIONAL); /* DPD */
	assert_int_equal(r->n, 0);
	hand_again(0, 0, 0);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->end[0].k->count[IKE_COUNT_REPLAY], 2);
}

/* Spec section 17: a message ID serves once in the life of the ISAKMP SA, however many came since. */
static void t_old_quick_mode_again(void **state)
{
	struct ike_policy *p;

	(void)state;
	n_kept[0] = n_kept[1] = 0;
	r = rig_new(conf);
	r->filter = keep;
	p = rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	for (unsigned i = 0; i < 200; i++) {
		rig_acquire(r, 0, p);
		rig_settle(r);
		assert_int_equal(ike_flush(r->end[0].k, 0), 2);
		rig_settle(r);
		rig_advance(r, 6 * NS_PER_S);
	}
	assert_int_equal(kept[0][0][18], ISAKMP_X_QUICK);
	hand_again(1, 0, 0);
	assert_int_equal(r->n, 0);
	assert_int_equal(rig_quicks(r, 1), 0);
}

/* --- payloads that do not belong there, and what strangers can make us keep --- */

/* The packet that waits, with one more payload at its end (in clear). */
static void append(uint8_t type, const uint8_t *body, size_t len)
{
	struct rig_packet *p = &r->q[0];
	size_t at = ISAKMP_HDR_LEN;

	p->p = realloc(p->p, p->len + 4 + len);
	while (p->p[at])
		at += (size_t)(p->p[at + 2] << 8 | p->p[at + 3]);
	p->p[at] = type;
	memcpy(p->p + p->len, (uint8_t[]){0, 0, (uint8_t)((4 + len) >> 8), (uint8_t)(4 + len)}, 4);
	memcpy(p->p + p->len + 4, body, len);
	p->len += 4 + len;
	p->p[26] = (uint8_t)(p->len >> 8);
	p->p[27] = (uint8_t)p->len;
}

/* Spec 16.2: other payload types than those of the message make it be ignored; VIDs may stand anywhere. */
static void t_payloads_that_do_not_belong(void **state)
{
	static const uint8_t body[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	static const struct {
		uint8_t type, ignored;
	} row[] = {{200, 1}, {40, 1}, {ISAKMP_P_NAT_OA_DRAFT - 6, 1}, {ISAKMP_P_NONCE, 1}, {ISAKMP_P_VID, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		begin();
		append(row[i].type, body, sizeof(body));
		rig_deliver(r, 0);
		assert_int_equal(r->n, row[i].ignored ? 0 : 1);
		assert_int_equal(r->end[1].k->count[IKE_COUNT_UNEXPECTED], row[i].ignored);
		(void)teardown(NULL);
	}
}

/* RFC 2408 §4: KE and nonce stand once. */
static void t_payloads_that_stand_twice(void **state)
{
	static const uint8_t types[] = {ISAKMP_P_KE, ISAKMP_P_NONCE};
	static const uint8_t body[128] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		begin();
		while (r->end[0].k->sas->state != IKE1_MSG2_SENT)
			if (!rig_work_one(r))
				rig_deliver(r, 0);
		append(types[i], body, sizeof(body));
		rig_deliver(r, 0);
		assert_int_equal(r->n_jobs, 0);
		assert_int_equal(r->end[1].k->count[IKE_COUNT_UNEXPECTED], 1);
		(void)teardown(NULL);
	}
}

/* Spec section 25: fragments of who has not shown that it knows our cookie would be memory for anybody who asks. */
static void t_fragments_without_our_cookie(void **state)
{
	struct rig_packet p;
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_MAIN};
	struct msg_fragment f = {.id = 1, .number = 1, .data = {ni, sizeof(ni)}};
	uint8_t buf[128];
	struct msg_wr w;
	int len;

	(void)state;
	begin();
	p = rig_take(r, 0);
	rig_hand_over(r, &p);
	memcpy(h.icookie, p.p, 8);
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_fragment(&w, &f);
	len = msg_wr_end(&w);
	assert_true(len > 0);
	ike_receive(r->end[1].k, &p.path, (struct bytes){buf, (size_t)len});
	free(p.p);
	assert_null(r->end[1].k->sas->frags);
}

/* The key process has one thread: what strangers can make it sign is bounded, as Diffie-Hellman for them is. */
static unsigned n_signing;
static struct ike_sign *many[256];

static void sign_many(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	assert_true(n_signing < ARRAY_SIZE(many));
	many[n_signing++] = s;
}

static void t_signatures_for_strangers(void **state)
{
	struct rig_packet p;

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	auth = IKE_AUTH_RSA_KEY;
	n_signing = 0;
	begin();
	(void)rig_work_one(r);
	p = rig_take(r, 0);
	r->end[1].env.sign = sign_many;
	for (unsigned i = 0; i < 200; i++) {
		p.path.remote.a.addr.w[0] = htonl(0x0b000000 + i * 256);
		p.p[0] = (uint8_t)(i + 1);
		rig_hand_over(r, &p);
		while (rig_work_one(r))
			;
	}
	free(p.p);
	assert_int_equal(n_signing, P1_STRANGER_JOBS);
	while (n_signing) {
		struct ike_sign *s = many[--n_signing];

		s->sig_len = 128;
		s->done(s);
	}
	assert_int_equal(r->end[1].k->stranger_jobs, 0);
}

static void t_certificates_of_strangers(void **state)
{
	static const uint8_t cert[64] = {ISAKMP_CERT_X509_SIG, 0x30, 61};

	(void)state;
	mode = IKE_MODE_AGGRESSIVE;
	begin();
	(void)rig_work_one(r);
	append(ISAKMP_P_CERT, cert, sizeof(cert));
	rig_deliver(r, 0);
	assert_int_equal(r->end[1].k->sas->hs->gxi.len, 128);
	assert_int_equal(r->end[1].k->sas->hs->cert.len, 0);
}

/* The answer to a stranger is never longer than what it sent. */
static void t_no_answer_to_less(void **state)
{
	uint8_t h[60] = {1,  1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, ISAKMP_P_HASH, ISAKMP_VERSION_1,
			 32, 1, 0, 0, 0, 9};
	struct ike_path path;

	(void)state;
	r = rig_new(conf);
	path = (struct ike_path){{r->end[1].addr, 500}, {r->end[0].addr, 500}};
	h[27] = 28;
	ike_receive(r->end[1].k, &path, (struct bytes){h, 28});
	assert_int_equal(r->n, 0);
	h[27] = 60;
	ike_receive(r->end[1].k, &path, (struct bytes){h, 60});
	assert_int_equal(r->n, 1);
	assert_true(r->q[0].len <= 60);
	assert_int_equal(r->end[1].k->count[IKE_COUNT_UNKNOWN_COOKIE], 2);
}

/* --- notifications of phase 1 --- */

/* Spec 23.1: message 5 is readable, its HASH is wrong. */
static void t_wrong_hash_is_told_under_the_keys(void **state)
{
	(void)state;
	begin();
	while (r->end[0].k->sas->state != IKE1_MSG3_SENT)
		if (!rig_work_one(r))
			rig_deliver(r, 0);
	r->end[1].k->sas->hs->sai.p[9] ^= 1; /* of what HASH_I is computed over; the keys do not depend on it */
	rig_deliver(r, 0);
	assert_true(rig_logged(r, 1, "phase 1 with 192.0.2.1[500] (main mode, responder, message 5): HASH mismatched"));
	assert_int_equal(r->n, 1);
	assert_int_equal(r->q[0].p[18], ISAKMP_X_INFORMATIONAL);
	assert_int_equal(r->q[0].p[19], ISAKMP_F_ENCRYPTED);
	rig_deliver(r, 0);
	assert_true(rig_logged(r, 0, "received INVALID-HASH-INFORMATION (23) in phase 1"));
	assert_int_equal(r->end[0].k->sas->state, IKE1_MSG3_SENT);
	/* the next one is good: its IV is not that of the notification */
	r->end[1].k->sas->hs->sai.p[9] ^= 1;
	rig_advance(r, 11 * NS_PER_S);
	assert_int_equal(r->end[0].k->sas->state, IKE1_ESTABLISHED);
	assert_int_equal(r->end[1].k->sas->state, IKE1_ESTABLISHED);
}

/* Spec 16.8: only logged. */
static void t_identity_with_an_odd_port(void **state)
{
	(void)state;
	mode = IKE_MODE_BASE; /* message 1 has the identity in clear */
	begin();
	r->end[0].k->sas->hs->idi.p[3] = 99;
	for (size_t i = ISAKMP_HDR_LEN; i + 8 < r->q[0].len; i++)
		if (!memcmp(r->q[0].p + i, (uint8_t[]){IPSEC_ID_IPV4, IPPROTO_UDP, 1, 0xf4}, 4))
			r->q[0].p[i + 3] = 99;
	rig_settle(r);
	assert_int_equal(r->end[1].k->sas->state, IKE1_ESTABLISHED);
	assert_true(rig_logged(r, 1, "identity has protocol 17 and port 355"));
}

/* RFC 3947 §3.1: the responder's vendor ID is what the initiator waits for; it must fit beside an SA payload of the same length. */
static void t_one_vendor_id_is_answered(void **state)
{
	struct rig_packet *p;
	size_t at = ISAKMP_HDR_LEN;

	(void)state;
	r = rig_new(conf_natt);
	(void)rig_policy(r, 1, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	p = &r->q[0];
	assert_int_equal(p->p[at], ISAKMP_P_VID);
	at += (size_t)(p->p[at + 2] << 8 | p->p[at + 3]); /* SA; the first vendor ID is that of RFC 3947 */
	p->p[at] = 0;
	p->len = at + 20;
	p->p[26] = (uint8_t)(p->len >> 8);
	p->p[27] = (uint8_t)p->len;
	rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	assert_true(r->q[0].len <= at + 20);
	rig_deliver(r, 0);
	assert_int_equal(r->end[0].k->sas->natt, IKE1_NATT_RFC);
	assert_int_equal(r->end[1].k->sas->natt, IKE1_NATT_RFC);
}

static void t_commit_bit_in_phase_1(void **state)
{
	static struct msg m;
	struct msg_err e;

	(void)state;
	begin();
	r->q[0].p[19] |= ISAKMP_F_COMMIT;
	rig_deliver(r, 0);
	assert_null(r->end[1].k->sas);
	assert_int_equal(r->n, 1);
	assert_int_equal(msg_parse(&m, (struct bytes){r->q[0].p, r->q[0].len}, &e), 0);
	assert_int_equal(m.payload[0].notify.type, ISAKMP_N_INVALID_FLAGS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_signature_after_the_end),
		T(t_wrong_hash_is_told_under_the_keys),
		T(t_generated_for_names_keeps_the_protocol),
		T(t_generated_for_a_bad_mask_is_refused),
		T(t_generated_for_sa_payloads_that_differ),
		T(t_generated_policy_goes_when_installing_fails),
		T(t_generated_policy_of_another_peer),
		T(t_own_messages_thrown_back),
		T(t_old_quick_mode_again),
		T(t_payloads_that_do_not_belong),
		T(t_payloads_that_stand_twice),
		T(t_fragments_without_our_cookie),
		T(t_signatures_for_strangers),
		T(t_certificates_of_strangers),
		T(t_no_answer_to_less),
		T(t_two_clients_of_a_nat_want_the_same),
		T(t_rekey_is_not_for_another_client_of_the_nat),
		T(t_isakmp_sas_of_one_peer),
		T(t_children_of_one_peer),
		T(t_identity_with_an_odd_port),
		T(t_one_vendor_id_is_answered),
		T(t_commit_bit_in_phase_1),
		T(t_moved_then_dropped),
		T(t_moved_then_deleted_by_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
