/* SPDX-License-Identifier: BSD-2-Clause */
/* Under an ISAKMP SA: what must not happen, whatever a peer sends and wherever it moves: one test for each bug that was found (RFC 2408, 2409). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

static uint8_t mode, auth;

static int setup(void **state)
{
	(void)state;
	mode = IKE_MODE_MAIN;
	auth = IKE_AUTH_PSK;
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

/* Client n of the NAT: an ISAKMP SA of its own, from a port of its own. */
static void of_client(struct ike1 *sa, unsigned end, unsigned n)
{
	struct ike_end *nat = end ? &sa->path.remote : &sa->path.local;

	sa->natt = IKE1_NATT_RFC;
	sa->behind = !end;
	sa->peer_behind = (uint8_t)end;
	sa->path.local.port = sa->path.remote.port = IKE_PORT_NATT;
	nat->port = (uint16_t)(40000 + n);
}

static void client(unsigned n)
{
	r->prepare = of_client;
	rig_isakmp(r, 0, n);
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
	assert_true(n <= 64);
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

/* When its quick mode is over a message 3 that comes again is no message 1: nothing to complain about. */
static void t_message_3_again(void **state)
{
	unsigned sent, lines;
	struct rig_packet p;

	(void)state;
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	rig_deliver(r, 0);
	rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	p = rig_take(r, 0);
	rig_hand_over(r, &p);
	assert_null(r->end[0].sa->quick);
	sent = r->sent[0];
	lines = r->n_log[0];
	rig_hand_over(r, &p);
	free(p.p);
	assert_int_equal(ike_count(r->end[0].k, IKE_COUNT_REPLAY), 1);
	assert_int_equal(ike_count(r->end[0].k, IKE_COUNT_MALFORMED), 0);
	assert_int_equal(r->sent[0], sent);
	assert_int_equal(r->n_log[0], lines);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_moved_then_dropped),
		T(t_moved_then_deleted_by_the_peer),
		T(t_generated_for_names_keeps_the_protocol),
		T(t_generated_for_a_bad_mask_is_refused),
		T(t_generated_for_sa_payloads_that_differ),
		T(t_generated_policy_goes_when_installing_fails),
		T(t_generated_policy_of_another_peer),
		T(t_two_clients_of_a_nat_want_the_same),
		T(t_rekey_is_not_for_another_client_of_the_nat),
		T(t_isakmp_sas_of_one_peer),
		T(t_children_of_one_peer),
		T(t_own_messages_thrown_back),
		T(t_old_quick_mode_again),
		T(t_message_3_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
