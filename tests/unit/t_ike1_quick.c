/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick mode between two engines: both roles, every form of SA, refusals, generated policies (RFC 2409 §5.5; spec sections 17 to 19). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

/* One pair each way, equal keys, nothing left over. */
static void both_have(unsigned sas)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_count(&r->end[i].sadb), sas);
		assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
		assert_int_equal(rig_unopened(r, i), 0);
		assert_int_equal(rig_quicks(r, i), 0);
	}
}

static const struct xi_sa *sa_of(unsigned end, unsigned dir, unsigned proto)
{
	for (unsigned i = 0; i < FAKE_SAS; i++) {
		const struct fake_sa *f = &r->end[end].sadb.sa[i];

		if (f->ref && f->sa.dir == dir && f->sa.proto == proto)
			return &f->sa;
	}
	fail_msg("no such SA");
	return NULL;
}

static void plain(unsigned from)
{
	struct ike_policy *p;

	p = rig_policy(r, from, 1);
	(void)rig_policy(r, !from, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, from, p);
	rig_settle(r);
}

static void t_without_pfs(void **state)
{
	const struct xi_sa *in, *out;

	(void)state;
	r = rig_new(NULL);
	plain(0);
	both_have(2);
	in = sa_of(0, XI_DIR_IN, XI_PROTO_ESP);
	out = sa_of(0, XI_DIR_OUT, XI_PROTO_ESP);
	assert_int_equal(alg_check_sa(in), 0);
	assert_int_equal(in->hard_ns, 1800 * NS_PER_S);
	assert_int_equal(in->soft_ns, 1440 * NS_PER_S);
	assert_int_equal(in->replay_window, 1024);
	assert_int_equal(in->mode, XI_MODE_TUNNEL);
	assert_memory_equal(&in->dst, &r->end[0].addr.addr, 16);
	assert_memory_equal(&out->src, &r->end[0].addr.addr, 16);
	assert_int_equal(in->flags, XI_SA_F_INITIATOR);
	assert_int_equal(sa_of(1, XI_DIR_IN, XI_PROTO_ESP)->flags, 0);
	assert_int_equal(in->sel.family, 0);
	assert_int_equal(in->pair, out->pair);
	assert_true(rig_logged(r, 0, "initiate new phase 2 negotiation: 192.0.2.1[500]<=>198.51.100.1[500]"));
	assert_true(rig_logged(r, 1, "respond new phase 2 negotiation: 198.51.100.1[500]<=>192.0.2.1[500]"));
	assert_true(rig_logged(
		r, 0, "IPsec-SA established: ESP/Tunnel 192.0.2.1[0]->198.51.100.1[0] spi=536870913(0x20000001)"));
	assert_int_equal(r->end[0].sadb.acquire_failed, 0);
}

static void t_responder_of_phase1_initiates(void **state)
{
	(void)state;
	r = rig_new(NULL);
	plain(1);
	both_have(2);
	assert_int_equal(sa_of(1, XI_DIR_IN, XI_PROTO_ESP)->flags, XI_SA_F_INITIATOR);
}

static unsigned pfs_id;

static void conf_pfs(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->proposal[0].pfs = group_by_id(pfs_id);
}

static void t_with_pfs(void **state)
{
	static const uint16_t groups[] = {1, 2, 3, 4, 5, 19, 20, 21, 31};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
		pfs_id = groups[i];
		if (!group_by_id(pfs_id))
			continue;
		r = rig_new(conf_pfs);
		plain(i % 2);
		both_have(2);
		assert_true(sa_of(0, XI_DIR_IN, XI_PROTO_ESP)->flags & XI_SA_F_PFS);
		(void)teardown(NULL);
	}
}

static struct ike_policy *pair_of_policies(void (*change)(struct ike_policy *p, unsigned end))
{
	struct ike_policy *p[2];

	for (unsigned i = 0; i < 2; i++) {
		p[i] = rig_policy(r, i, 1);
		change(p[i], i);
	}
	return p[0];
}

static void negotiate(const struct ike_policy *p)
{
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_settle(r);
}

static void change_ah(struct ike_policy *p, unsigned end)
{
	(void)end;
	p->protos = XI_PROTOS_AH;
}

static void change_bundle(struct ike_policy *p, unsigned end)
{
	(void)end;
	p->protos = XI_PROTOS_AH | XI_PROTOS_ESP;
}

static void change_transport(struct ike_policy *p, unsigned end)
{
	p->mode = XI_MODE_TRANSPORT;
	p->sel.src = r->end[end].addr.addr;
	p->sel.dst = r->end[!end].addr.addr;
	p->sel.src_len = p->sel.dst_len = 32;
}

static void change_transport_udp(struct ike_policy *p, unsigned end)
{
	change_transport(p, end);
	p->sel.flags = XI_SEL_PROTO | (end ? XI_SEL_SRC_PORT : XI_SEL_DST_PORT);
	p->sel.proto = IPPROTO_UDP;
	if (end)
		p->sel.src_port = htons(1701);
	else
		p->sel.dst_port = htons(1701);
}

static void change_unique(struct ike_policy *p, unsigned end)
{
	p->level = XI_LEVEL_UNIQUE;
	p->reqid = 77 + end;
}

static void t_ah(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(pair_of_policies(change_ah));
	both_have(2);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_AH)->auth_key_len, 20);
	assert_int_equal(alg_check_sa(sa_of(0, XI_DIR_OUT, XI_PROTO_AH)), 0);
}

static void t_ah_over_esp(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(pair_of_policies(change_bundle));
	both_have(4);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_AH)->mode, XI_MODE_TRANSPORT);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->mode, XI_MODE_TUNNEL);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->pair, sa_of(0, XI_DIR_IN, XI_PROTO_AH)->pair);
}

static void t_transport_without_identities(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(pair_of_policies(change_transport));
	both_have(2);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->mode, XI_MODE_TRANSPORT);
	assert_int_equal(r->end[0].k->sas->quick->has_ids, 0);
}

/* Identities that are left out are the addresses of the peers; strongSwan answers with them in words, and with no others. */
static void t_rfc2409_5_5_identities_in_words(void **state)
{
	(void)state;
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		struct ike1_quick *q;

		pfs_id = 2;
		r = rig_new(conf_pfs);
		rig_isakmp(r, 0, 1);
		rig_acquire(r, 0, pair_of_policies(change_transport));
		while (!r->n)
			assert_true(rig_work_one(r));
		rig_deliver(r, 0);
		q = r->end[1].sa->quick; /* has its answer still to make */
		assert_int_equal(q->has_ids, 0);
		q->has_ids = 1;
		for (unsigned i = 0; i < 2; i++) {
			q->id[i] = (struct quick_id){.type = IPSEC_ID_IPV4, .len = 4};
			memcpy(q->id[i].data, &r->end[i].addr.addr, 4);
		}
		q->id[1].data[3] ^= (uint8_t)wrong;
		rig_settle(r);
		if (!wrong)
			both_have(2);
		else
			assert_true(rig_logged(r, 0, "the identities that came back are not those that were sent"));
		(void)teardown(NULL);
	}
}

static unsigned sas_of(unsigned end, unsigned dir)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SAS; i++)
		n += r->end[end].sadb.sa[i].ref && r->end[end].sadb.sa[i].sa.dir == dir;
	return n;
}

/* No packet comes before the SA that opens it: the responder's inbound ones are there with message 2, the initiator's outbound ones follow message 3 at a distance. */
static void t_inbound_first_outbound_late(void **state)
{
	const uint64_t ms = NS_PER_S / 1000;

	(void)state;
	r = rig_new(NULL);
	rig_isakmp(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	rig_deliver(r, 0);
	assert_int_equal(sas_of(1, XI_DIR_IN), 1);
	assert_int_equal(sas_of(1, XI_DIR_OUT), 0);
	r->now += 10 * ms;
	rig_deliver(r, 0);
	assert_int_equal(sas_of(0, XI_DIR_IN), 1);
	rig_settle(r);
	assert_int_equal(sas_of(1, XI_DIR_OUT), 1);
	rig_advance(r, 59 * ms);
	assert_int_equal(sas_of(0, XI_DIR_OUT), 0);
	rig_advance(r, 2 * ms);
	both_have(2);
}

static void t_transport_with_ports(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(pair_of_policies(change_transport_udp));
	both_have(2);
	assert_int_equal(r->end[0].k->sas->quick->has_ids, 1);
	assert_int_equal(r->end[0].k->sas->quick->id[1].port, 1701);
}

static void t_unique(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(pair_of_policies(change_unique));
	both_have(2);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->reqid, 77);
	assert_int_equal(sa_of(1, XI_DIR_OUT, XI_PROTO_ESP)->reqid, 78);
	assert_int_equal(sa_of(1, XI_DIR_OUT, XI_PROTO_ESP)->sel.src_len, 16);
}

static void change_ip6(struct ike_policy *p, unsigned end)
{
	struct ike_addr a = rig_addr6("2001:db8:1::"), b = rig_addr6("2001:db8:2::");

	p->sel.family = XI_IP6;
	p->sel.src = end ? b.addr : a.addr;
	p->sel.dst = end ? a.addr : b.addr;
	p->sel.src_len = p->sel.dst_len = 47;
}

static void t_ip6_in_ip6_and_in_ip4(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		r = i ? rig_new(NULL) : rig_new_addrs(rig_addr6("2001:db8::1"), rig_addr6("2001:db8::2"), NULL);
		negotiate(pair_of_policies(change_ip6));
		both_have(2);
		assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->family, i ? XI_IP4 : XI_IP6);
		(void)teardown(NULL);
	}
}

/* Spec section 17: exact equality goes before the first that contains. */
static void t_policy_that_contains(void **state)
{
	struct ike_policy *p;

	(void)state;
	r = rig_new(NULL);
	p = rig_policy(r, 1, 1);
	p->sel.src_len = p->sel.dst_len = 8;
	negotiate(rig_policy(r, 0, 1));
	both_have(2);
}

static void refused(const char *initiator, const char *responder)
{
	both_have(0);
	assert_int_equal(r->end[0].sadb.acquire_failed, 1);
	assert_true(rig_logged(r, 0, initiator));
	assert_true(rig_logged(r, 1, responder));
}

static void t_no_policy(void **state)
{
	(void)state;
	r = rig_new(NULL);
	negotiate(rig_policy(r, 0, 1));
	refused("the peer says INVALID-ID-INFORMATION",
		"no policy found: 10.101.0.0/16[any] 10.1.0.0/16[any] proto=any");
	assert_int_equal(ike_count(r->end[1].k, IKE_COUNT_NO_POLICY), 1);
}

static void change_responder(struct ike_policy *p, unsigned end)
{
	if (end)
		p->action = XI_ACTION_NONE;
}

static void change_manual(struct ike_policy *p, unsigned end)
{
	p->manual = (uint8_t)end;
}

/* A policy towards somebody else: this peer does not get its traffic. */
static void change_other_peer(struct ike_policy *p, unsigned end)
{
	if (end)
		p->sa_dst = rig_addr4("203.0.113.9");
}

static void t_policies_that_are_not_for_the_peer(void **state)
{
	void (*const change[])(struct ike_policy *, unsigned) = {change_responder, change_manual, change_other_peer};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(change); i++) {
		r = rig_new(NULL);
		negotiate(pair_of_policies(change[i]));
		refused("the peer says INVALID-ID-INFORMATION", "no policy found: ");
		(void)teardown(NULL);
	}
}

static void conf_differs(struct ike_conf *c, unsigned end)
{
	c->proposal[0].enc[0] = alg_by_name(ALG_ENC, end ? "aes-256" : "3des");
}

static void t_no_proposal_in_common(void **state)
{
	(void)state;
	r = rig_new(conf_differs);
	plain(0);
	refused("the peer says NO-PROPOSAL-CHOSEN",
		"no suitable proposal found. message 1 of quick mode from 192.0.2.1[500]; "
		"first difference: encryption algorithm; they: ESP tunnel, 3des, "
		"sha1, no PFS, 1800 s; ");
	assert_int_equal(ike_count(r->end[1].k, IKE_COUNT_NO_PROPOSAL), 1);
}

static void conf_claim(struct ike_conf *c, unsigned end)
{
	c->peer[0].check = CHECK_CLAIM;
	if (!end)
		c->proposal[0].lifetime_s = 7200;
}

/* Spec 18.1, 18.3: the responder claims its own lifetime, the initiator hears of it. */
static void t_responder_lifetime(void **state)
{
	(void)state;
	r = rig_new(conf_claim);
	plain(0);
	both_have(2);
	assert_int_equal(sa_of(0, XI_DIR_OUT, XI_PROTO_ESP)->hard_ns, 1800 * NS_PER_S);
	assert_int_equal(sa_of(1, XI_DIR_OUT, XI_PROTO_ESP)->hard_ns, 1800 * NS_PER_S);
	assert_true(rig_logged(r, 0, "received RESPONDER-LIFETIME: 1800 seconds, used 1800"));
}

static void conf_pfs_one_side(struct ike_conf *c, unsigned end)
{
	c->peer[0].check = CHECK_OBEY;
	c->proposal[0].pfs = end ? NULL : group_by_id(31);
}

static void t_pfs_taken_by_a_responder_without(void **state)
{
	(void)state;
	r = rig_new(conf_pfs_one_side);
	plain(0);
	both_have(2);
	(void)teardown(NULL);
	r = rig_new(conf_pfs_one_side);
	plain(1); /* obey: no PFS is taken, too */
	both_have(2);
}

/* --- NAT (spec section 21) --- */
static void set_natt(unsigned natt, unsigned behind)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike1 *sa = r->end[i].sa;

		sa->natt = (uint8_t)natt;
		sa->behind = behind == i;
		sa->peer_behind = behind != i;
		sa->path.local.port = sa->path.remote.port = 4500;
	}
}

/* RFC 3947 §5.2: the words have the address that a NAT gave, of who is behind one. */
static void t_rfc3947_5_2_identities_in_words(void **state)
{
	(void)state;
	for (unsigned behind = 0; behind < 2; behind++) {
		struct ike1_quick *q;

		pfs_id = 2;
		r = rig_new(conf_pfs);
		rig_isakmp(r, 0, 1);
		set_natt(IKE1_NATT_RFC, behind);
		rig_acquire(r, 0, pair_of_policies(change_transport));
		while (!r->n)
			assert_true(rig_work_one(r));
		rig_deliver(r, 0);
		q = r->end[1].sa->quick;
		q->has_ids = 1;
		for (unsigned i = 0; i < 2; i++) {
			q->id[i] = (struct quick_id){.type = IPSEC_ID_IPV4, .len = 4};
			memcpy(q->id[i].data, &r->end[i].addr.addr, 4);
		}
		q->id[0].data[3] ^= 1;
		rig_settle(r);
		if (behind == 0)
			both_have(2);
		else
			assert_true(rig_logged(r, 0, "the identities that came back are not those that were sent"));
		(void)teardown(NULL);
	}
}

static void t_esp_in_udp(void **state)
{
	static const uint8_t natt[] = {IKE1_NATT_RFC, IKE1_NATT_02};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct ike_policy *p;
		const struct xi_sa *out;

		r = rig_new(NULL);
		p = pair_of_policies(i & 1 ? change_transport_udp : change_responder);
		r->end[1].sadb.policy[0].action = XI_ACTION_ENCRYPT;
		rig_isakmp(r, 0, 1);
		set_natt(natt[i / 2], 0);
		rig_acquire(r, 0, p);
		rig_settle(r);
		both_have(2);
		out = sa_of(0, XI_DIR_OUT, XI_PROTO_ESP);
		assert_int_equal(out->flags, XI_SA_F_UDP | XI_SA_F_KEEPALIVE | XI_SA_F_INITIATOR);
		assert_int_equal(out->udp_remote, htons(4500));
		assert_int_equal(sa_of(1, XI_DIR_OUT, XI_PROTO_ESP)->flags, XI_SA_F_UDP);
		assert_true(rig_logged(r, 0, "[4500]"));
		(void)teardown(NULL);
	}
}

static void t_ah_does_not_go_through_nat(void **state)
{
	const struct ike_policy *p;

	(void)state;
	r = rig_new(NULL);
	p = pair_of_policies(change_bundle);
	rig_isakmp(r, 0, 1);
	set_natt(IKE1_NATT_RFC, 0);
	rig_acquire(r, 0, p);
	assert_int_equal(r->n, 0);
	both_have(0);
	assert_int_equal(r->end[0].sadb.acquire_failed, 1);
	assert_true(rig_logged(r, 0, "AH covers the addresses that NAT rewrites"));
}

/* --- generate-policy (spec section 19) --- */
static void conf_generate(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_YES : IKE_GENERATE_NO;
}

static void t_generated_policy(void **state)
{
	const struct ike_policy *p, *g;

	(void)state;
	r = rig_new(conf_generate);
	g = &r->end[1].sadb.policy[0];
	p = rig_policy(r, 0, 1);
	change_transport_udp(r->end[0].sadb.policy, 0);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, p);
	rig_deliver(r, 0);			       /* message 1 */
	rig_deliver(r, 0);			       /* message 2 */
	assert_int_equal(r->end[1].sadb.generated, 0); /* 19.5: never before HASH(3) */
	rig_settle(r);
	both_have(2);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	assert_int_equal(g->dynamic, 1);
	assert_int_equal(g->mode, XI_MODE_TRANSPORT);
	assert_int_equal(g->protos, XI_PROTOS_ESP);
	assert_int_equal(g->level, XI_LEVEL_REQUIRE);
	assert_int_equal(g->sel.flags, XI_SEL_PROTO); /* ports are any, the protocol is kept */
	assert_int_equal(g->sel.proto, IPPROTO_UDP);
	assert_memory_equal(&g->sel.dst, &r->end[0].addr.addr, 16);
	/* 19.6: it lives as long as its SAs or those after them. */
	rig_advance(r, 1500 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 4);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	rig_advance(r, 400 * NS_PER_S);
	assert_int_equal(fake_count(&r->end[1].sadb), 2);
	assert_int_equal(fake_policies(&r->end[1].sadb), 1);
	assert_int_equal(ike_flush(r->end[0].k, 0), 2);
	rig_settle(r);
	assert_int_equal(fake_policies(&r->end[1].sadb), 0);
	rig_advance(r, 5 * NS_PER_S);
	both_have(0);
}

static void conf_generate_strict(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = end ? IKE_GENERATE_PORT_STRICT : IKE_GENERATE_NO;
}

static void t_generated_policy_with_the_ports(void **state)
{
	(void)state;
	r = rig_new(conf_generate_strict);
	(void)rig_policy(r, 0, 1);
	change_transport_udp(r->end[0].sadb.policy, 0);
	negotiate(r->end[0].sadb.policy);
	both_have(2);
	assert_int_equal(r->end[1].sadb.policy[0].sel.flags, XI_SEL_PROTO | XI_SEL_SRC_PORT);
	assert_int_equal(r->end[1].sadb.policy[0].sel.src_port, htons(1701));
}

/* --- several SA payloads, made by hand: end 0 is the peer --- */
static void t_several_sa_payloads(void **state)
{
	uint8_t iv[CIPHER_BLOCK_MAX], nonce[16] = {1, 2, 3}, *hash;
	static struct hashed in;
	__be32 spi[2][2] = {{htonl(0x30000001)}, {htonl(0x30000002)}};
	struct phase2_own own = {
		.protos = XI_PROTOS_ESP, .mode = XI_MODE_TUNNEL, .life_s = 1800, .n_enc = 1, .n_auth = 1};
	struct ike1_quick q = {.initiator = 1};
	const struct msg_payload *nr;
	struct rig_packet p;
	struct bytes rest;
	struct msg_wr w;
	struct ike1 *sa;

	(void)state;
	own.enc[0] = alg_by_name(ALG_ENC, "aes-128");
	own.auth[0] = alg_by_name(ALG_AUTH, "sha1");
	r = rig_new(NULL);
	(void)rig_policy(r, 1, 1);
	q.policy = *rig_policy(r, 0, 1);
	rig_isakmp(r, 0, 1);
	q.sa = sa = r->end[0].sa;
	q.has_ids = (uint8_t)quick_ids_of_policy(&q);
	assert_int_equal(ike1_iv(sa, 77, iv), 0);
	hashed_begin(sa, &w, ISAKMP_X_QUICK, 77);
	for (unsigned i = 0; i < 2; i++)
		(void)phase2_write(&w, &own, spi[i]);
	msg_wr_raw(&w, ISAKMP_P_NONCE, (struct bytes){nonce, sizeof(nonce)});
	quick_ids_write(&q, &w);
	assert_int_equal(hashed_end(sa, &w, &hash, &rest), 0);
	assert_int_equal(ike1_hash1(sa->terms.hash, &sa->k, 77, rest, hash), 0);
	assert_int_equal(ike1_send(sa, &w, iv, 1, NULL), 0);
	rig_deliver(r, 0);
	assert_int_equal(r->n, 1);
	p = rig_take(r, 0);
	assert_int_equal(hashed_open(sa, iv, &in, (struct bytes){p.p, p.len}), 0);
	assert_non_null(msg_find(&in.m, ISAKMP_P_SA, 1));
	assert_memory_not_equal(in.m.proposal[0].spi.p, in.m.proposal[1].spi.p, 4);
	nr = msg_find(&in.m, ISAKMP_P_NONCE, 0);
	assert_non_null(nr);
	hashed_begin(sa, &w, ISAKMP_X_QUICK, 77);
	assert_int_equal(hashed_end(sa, &w, &hash, &rest), 0);
	assert_int_equal(ike1_hash3(sa->terms.hash, &sa->k, 77, (struct bytes){nonce, sizeof(nonce)}, nr->body, hash),
			 0);
	free(p.p);
	assert_int_equal(ike1_send(sa, &w, iv, 1, NULL), 0);
	rig_settle(r);
	assert_int_equal(fake_count(&r->end[1].sadb), 4);
	assert_int_equal(fake_reserved(&r->end[1].sadb), 0);
	assert_int_equal(rig_quicks(r, 1), 0);
}

/* A message ID serves once; nothing is kept of a request that is repeated after its exchange is over. */
static void t_replayed_request(void **state)
{
	struct rig_packet copy;
	uint64_t before;

	(void)state;
	r = rig_new(NULL);
	(void)rig_policy(r, 1, 1);
	rig_isakmp(r, 0, 1);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	copy = r->q[0];
	copy.p = malloc(copy.len);
	memcpy(copy.p, r->q[0].p, copy.len);
	rig_settle(r);
	both_have(2);
	before = ike_count(r->end[1].k, IKE_COUNT_REPLAY);
	rig_hand_over(r, &copy);
	free(copy.p);
	assert_int_equal(ike_count(r->end[1].k, IKE_COUNT_REPLAY), before + 1);
	assert_int_equal(r->n, 0);
	both_have(2);
}

static void t_install_fails(void **state)
{
	(void)state;
	for (unsigned end = 0; end < 2; end++) {
		r = rig_new(NULL);
		r->end[end].sadb.fail_install = 1;
		plain(0);
		rig_advance(r, 120 * NS_PER_S);
		both_have(0);
		(void)teardown(NULL);
	}
}

static void conf_no_peer(struct ike_conf *c, unsigned end)
{
	(void)end;
	c->peer[0].addr = rig_addr4("203.0.113.0");
	c->peer[0].addr_len = 24;
}

static void t_no_configuration(void **state)
{
	(void)state;
	r = rig_new(conf_no_peer);
	rig_acquire(r, 0, rig_policy(r, 0, 1));
	assert_int_equal(r->end[0].sadb.acquire_failed, 1);
	assert_true(rig_logged(r, 0, "no configuration found for 198.51.100.1"));
}

static void t_policies_without_acquire(void **state)
{
	struct ike_policy *p;

	(void)state;
	r = rig_new(NULL);
	p = rig_policy(r, 0, 1);
	rig_isakmp(r, 0, 1);
	p->level = XI_LEVEL_USE;
	rig_acquire(r, 0, p);
	p->level = XI_LEVEL_REQUIRE;
	p->manual = 1;
	rig_acquire(r, 0, p);
	p->manual = 0;
	p->action = XI_ACTION_DISCARD;
	rig_acquire(r, 0, p);
	assert_int_equal(r->n, 0);
	p->action = XI_ACTION_ENCRYPT;
	rig_acquire(r, 0, p);
	rig_acquire(r, 0, p); /* one at a time */
	assert_int_equal(r->n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(t_without_pfs, teardown),
		cmocka_unit_test_teardown(t_responder_of_phase1_initiates, teardown),
		cmocka_unit_test_teardown(t_with_pfs, teardown),
		cmocka_unit_test_teardown(t_ah, teardown),
		cmocka_unit_test_teardown(t_ah_over_esp, teardown),
		cmocka_unit_test_teardown(t_transport_without_identities, teardown),
		cmocka_unit_test_teardown(t_rfc2409_5_5_identities_in_words, teardown),
		cmocka_unit_test_teardown(t_inbound_first_outbound_late, teardown),
		cmocka_unit_test_teardown(t_rfc3947_5_2_identities_in_words, teardown),
		cmocka_unit_test_teardown(t_transport_with_ports, teardown),
		cmocka_unit_test_teardown(t_unique, teardown),
		cmocka_unit_test_teardown(t_ip6_in_ip6_and_in_ip4, teardown),
		cmocka_unit_test_teardown(t_policy_that_contains, teardown),
		cmocka_unit_test_teardown(t_no_policy, teardown),
		cmocka_unit_test_teardown(t_policies_that_are_not_for_the_peer, teardown),
		cmocka_unit_test_teardown(t_no_proposal_in_common, teardown),
		cmocka_unit_test_teardown(t_responder_lifetime, teardown),
		cmocka_unit_test_teardown(t_pfs_taken_by_a_responder_without, teardown),
		cmocka_unit_test_teardown(t_esp_in_udp, teardown),
		cmocka_unit_test_teardown(t_ah_does_not_go_through_nat, teardown),
		cmocka_unit_test_teardown(t_generated_policy, teardown),
		cmocka_unit_test_teardown(t_generated_policy_with_the_ports, teardown),
		cmocka_unit_test_teardown(t_several_sa_payloads, teardown),
		cmocka_unit_test_teardown(t_replayed_request, teardown),
		cmocka_unit_test_teardown(t_install_fails, teardown),
		cmocka_unit_test_teardown(t_no_configuration, teardown),
		cmocka_unit_test_teardown(t_policies_without_acquire, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
