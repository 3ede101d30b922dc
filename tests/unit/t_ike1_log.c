/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log says. Each wording of spec section 26, which operators search for, is brought about; a failure says in one line with whom, in which exchange and
 * message, what both wanted, the first difference, and the setting to change. No secret is in any line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/ike1_say.h"
#include "tests/lib/quick_test.h"
#include "tests/lib/rsa_rig.h"

static const char secret[] = "never-in-any-log", other_secret[] = "nor-this-one";

/* How the two ends differ; all 0: they do not. */
static struct {
	uint8_t mode, auth, group, proposal, psk, no_psk, no_peer, policy, natt, dpd, life;
	const char *id, *pinned, *remote_key, *certificate;
} as;

static int group_setup(void **state)
{
	X509 *old;

	(void)state;
	rsa_setup();
	for (unsigned i = 0; i < 2; i++) /* not what the other one has */
		rsa_write(i, CRED_CERTIFICATE, "theirs", rsa.ca, NULL, 1);
	old = rsa_leaf("end 0", rsa.key[0], (struct cert_spec){.from = -7200, .to = -3600});
	rsa_write(0, CRED_CERTIFICATE, "old", old, NULL, 0);
	X509_free(old);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	rsa_teardown();
	return 0;
}

static void conf(struct ike_conf *c, unsigned end)
{
	struct ike_peer *p = &c->peer[0];
	const char *psk = end && as.psk ? other_secret : secret;

	c->n_peers = as.no_peer && !end ? 0 : 1;
	if (as.auth)
		c->cred = rsa_lend(end);
	p->mode = as.mode;
	p->auth = as.auth;
	p->natt = as.natt;
	p->group = group_by_id(end && as.group ? as.group : 2);
	p->initial_contact = 1;
	p->dpd_interval_s = as.dpd;
	p->lifetime_s = as.life ? 1000 : 86400;
	p->psk_given = !as.no_psk;
	p->psk_len = (uint16_t)strlen(psk);
	memcpy(p->psk, psk, p->psk_len);
	strcpy(p->certificate, !end && as.certificate ? as.certificate : "own");
	strcpy(p->key, "own");
	strcpy(p->remote_certificate, !end && as.pinned ? as.pinned : "");
	strcpy(p->remote_key, !end && as.remote_key ? as.remote_key : "");
	strcpy(p->my_id, end && as.id ? as.id : "");
	if (end && as.proposal)
		c->proposal[0].enc[0] = alg_by_name(ALG_ENC, "3des");
}

static int has_bytes(const char *line, const uint8_t *key)
{
	char hex[17];

	for (unsigned i = 0; i < 8; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
	return strcasestr(line, hex) != NULL;
}

static void assert_no_secret_in(const char *line)
{
	assert_null(strstr(line, secret));
	assert_null(strstr(line, other_secret));
	for (unsigned i = 0; i < 2; i++) {
		for (const struct ike1 *sa = r->end[i].k->sas; sa; sa = sa->next)
			assert_false(has_bytes(line, sa->k.skeyid) || has_bytes(line, sa->k.d) ||
				     has_bytes(line, sa->k.e));
		for (unsigned j = 0; j < FAKE_SAS; j++)
			assert_false(r->end[i].sadb.sa[j].ref && has_bytes(line, r->end[i].sadb.sa[j].sa.enc_key));
	}
}

static int end(void **state)
{
	for (unsigned i = 0; r && i < 2; i++)
		for (unsigned j = 0; j < MIN(r->n_log[i], (unsigned)RIG_LOG); j++)
			assert_no_secret_in(r->log[i][j]);
	while (r && rig_work_one(r))
		; /* signatures need the keys */
	rsa_take_back(r);
	memset(&as, 0, sizeof(as));
	return teardown(state);
}

/* --- what happens --- */

/* Each has a private address and a public one. */
static int both_behind_nat(struct rig *rig, struct rig_packet *p)
{
	p->path.local.a = p->from ? rig->end[0].addr : rig_addr4("10.9.9.9");
	p->path.remote.a = p->from ? rig->end[1].addr : rig_addr4("203.0.113.77");
	return 1;
}

static int lost(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 0;
}

static void new_rig(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.sign = rsa_sign_later;
		r->end[i].env.wall = as.auth ? rsa_wall : rig_wall;
	}
}

static void acquire(void)
{
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, i ? 1 + as.policy : 1);
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
}

/* Both phases, as far as they go. */
static void talk(void)
{
	new_rig();
	acquire();
	rig_settle(r);
	rig_advance(r, NS_PER_S);
}

static void nat(void)
{
	as.natt = 1;
	new_rig();
	r->filter = both_behind_nat;
	acquire();
	rig_settle(r);
}

static void expire(void)
{
	as.life = 1;
	talk();
	rig_advance(r, 2000 * NS_PER_S);
}

static void kill_it(void)
{
	talk();
	ike_kill(r->end[0].k);
}

static void dead(void)
{
	as.dpd = 20;
	talk();
	r->filter = lost;
	rig_advance(r, 100 * NS_PER_S);
}

static void silence(void)
{
	new_rig();
	r->filter = lost;
	acquire();
	rig_settle(r);
	rig_advance(r, 51 * NS_PER_S);
}

static void no_answer(void)
{
	talk();
	r->filter = lost;
	ike_sa_event(r->end[0].k, IKE_SA_SEQUENCE, r->end[0].sadb.policy_out[0], NULL);
	rig_settle(r);
	rig_advance(r, 51 * NS_PER_S);
}

/* --- what end 1 answers in quick mode, spoilt --- */

static struct say answered(void)
{
	new_rig();
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	return rig_answer(r);
}

/* The bytes `was` in it become `is`; there is one place. */
static void replace(struct say *s, const uint8_t *was, const uint8_t *is, size_t len)
{
	uint8_t *p = memmem(s->body.p, s->body.len, was, len);

	assert_non_null(p);
	memcpy(p, is, len);
}

static void say(struct say *s)
{
	uint8_t iv[CIPHER_BLOCK_MAX];

	memcpy(iv, r->end[0].sa->quick->iv, sizeof(iv));
	s->iv = iv;
	rig_say(r, 1, s);
}

static void other_algorithm(void)
{
	static const uint8_t sha1[] = {0x80, IPSEC_A_AUTH, 0, 2}, md5[] = {0x80, IPSEC_A_AUTH, 0, 1};
	struct say s = answered();

	replace(&s, sha1, md5, sizeof(md5));
	say(&s);
}

static void other_identity(void)
{
	static const uint8_t was[] = {10, 101, 0, 0, 255, 255, 0, 0}, is[] = {10, 101, 128, 0, 255, 255, 128, 0};
	struct say s = answered();

	replace(&s, was, is, sizeof(is));
	say(&s);
}

/* End 1's message 1, which end 0 has not had. */
static struct say asked(uint8_t iv[CIPHER_BLOCK_MAX])
{
	struct rig_packet p;
	uint32_t mid;
	struct say s;

	new_rig();
	for (unsigned i = 0; i < 2; i++)
		(void)rig_policy(r, i, 1);
	rig_isakmp(r, 0, 1);
	rig_settle(r);
	rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
	p = rig_take(r, 0);
	memcpy(&mid, p.p + 20, 4);
	assert_int_equal(ike1_iv(r->end[1].sa, ntohl(mid), iv), 0);
	s = rig_said(r, (struct bytes){p.p, p.len}, iv);
	free(p.p);
	return s;
}

static void mask_with_holes(void)
{
	static const uint8_t was[] = {10, 101, 0, 0, 255, 255, 0, 0}, is[] = {10, 101, 0, 0, 255, 0, 255, 0};
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct say s = asked(iv);

	replace(&s, was, is, sizeof(is));
	rig_say(r, 1, &s);
}

static void two_protocols(void)
{
	static const uint8_t was[] = {IPSEC_ID_IPV4_SUBNET, 0, 0, 0, 10, 101},
			     is[] = {IPSEC_ID_IPV4_SUBNET, 17, 0, 0, 10, 101};
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct say s = asked(iv);

	replace(&s, was, is, sizeof(is));
	rig_say(r, 1, &s);
}

/* --- spec section 26 --- */

static void t_spec_26_wordings(void **state)
{
	static const struct {
		void (*happens)(void);
		unsigned end;
		const char *text;
	} row[] = {
		{talk, 0, "initiate new phase 1 negotiation: 192.0.2.1[500]<=>198.51.100.1[500]"},
		{talk, 1, "respond new phase 1 negotiation: 198.51.100.1[500]<=>192.0.2.1[500]"},
		{talk, 0, "ISAKMP-SA established 192.0.2.1[500]-198.51.100.1[500] spi:"},
		{talk, 1, "ISAKMP-SA established 198.51.100.1[500]-192.0.2.1[500] spi:"},
		{talk, 0, "received INITIAL-CONTACT"},
		{talk, 0, "initiate new phase 2 negotiation: 192.0.2.1[500]<=>198.51.100.1[500]"},
		{talk, 1, "respond new phase 2 negotiation: 198.51.100.1[500]<=>192.0.2.1[500]"},
		{talk, 0, "IPsec-SA established: ESP/Tunnel 192.0.2.1[0]->198.51.100.1[0] spi=536870913(0x20000001)"},
		{talk, 1, "IPsec-SA established: ESP/Tunnel 192.0.2.1[0]->198.51.100.1[0] spi=536870913(0x20000001)"},
		{expire, 0, "ISAKMP-SA expired 192.0.2.1[500]-198.51.100.1[500] spi:"},
		{expire, 1, "IPsec-SA expired: ESP/Tunnel 192.0.2.1[0]->198.51.100.1[0] spi=536870913(0x20000001)"},
		{kill_it, 0, "ISAKMP-SA deleted 192.0.2.1[500]-198.51.100.1[500] spi:"},
		{nat, 0, "NAT detected: ME PEER"},
		{nat, 1, "NAT detected: ME PEER"},
		{dead, 0, "DPD: remote (ISAKMP-SA spi="},
		{dead, 0, ") seems to be dead."},
		{silence, 0, "phase1 negotiation failed due to time up. "},
		{silence, 0, "due to time up waiting for phase1"}, /* section 22 */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		row[i].happens();
		if (!rig_logged(r, row[i].end, row[i].text))
			fail_msg("end %u does not say \"%s\"", row[i].end, row[i].text);
		(void)end(NULL);
	}
}

/* --- failures --- */

/* One line of that end has all of these. */
static int one_line(unsigned at, const char *const text[8])
{
	for (unsigned i = 0; i < MIN(r->n_log[at], (unsigned)RIG_LOG); i++) {
		unsigned n = 0;

		while (n < 8 && text[n] && strstr(r->log[at][i], text[n]))
			n++;
		if (n == 8 || !text[n])
			return 1;
	}
	return 0;
}

/* The wording, whom, where, ours, theirs, the first difference, the setting: as far as there is each. */
static void t_failures_say_who_what_and_which_setting(void **state)
{
	static const struct {
		const char *what;
		void (*happens)(void);
		unsigned end;
		const char *text[8];
	} row[] = {
		{"group",
		 talk,
		 1,
		 {"no suitable proposal found. ", "192.0.2.1[500] (main mode, responder, message 1)",
		  "we have aes-128 sha1 pre-shared-key modp1536", "offered was aes-128 sha1 pre-shared-key modp1024",
		  "differs: dh-group: modp1024, not modp1536", "(change dh-group of the peer item, here or there)"}},
		{"psk",
		 talk,
		 1,
		 {"HASH mismatched", "192.0.2.1[500] (base mode, responder, message 3)",
		  "(change secret of the peer item"}},
		{"psk main",
		 talk,
		 1,
		 {"192.0.2.1[500] (main mode, responder", "message 5 is not readable",
		  "(change secret of the peer item"}},
		{"no psk", talk, 0, {"couldn't find the pskey for 198.51.100.1", "(set secret of the peer item)"}},
		{"no peer", talk, 0, {"no configuration found for 198.51.100.1", "no peer item has its address"}},
		{"identity",
		 talk,
		 0,
		 {"198.51.100.1[500] (main mode, initiator, message 6)", "\"joe@example.net\" is no address",
		  "(change exchange-mode on both sides"}},
		{"silence",
		 silence,
		 0,
		 {"phase1 negotiation failed due to time up. ", "198.51.100.1[500], main mode, initiator",
		  "exchange-mode"}},
		{"proposal",
		 talk,
		 1,
		 {"no suitable proposal found. ", "message 1 of quick mode from 192.0.2.1[500]",
		  "first difference: encryption algorithm", "they: ESP tunnel, aes-128", "we: ESP tunnel, 3des",
		  "to change: enc-algorithms of proposal default"}},
		{"proposal",
		 talk,
		 0,
		 {"phase2 negotiation failed: ", "198.51.100.1[500] (quick mode, initiator, message 2)",
		  "NO-PROPOSAL-CHOSEN", "to what we offered: ESP tunnel, aes-128", "compare proposal default"}},
		{"answer",
		 other_algorithm,
		 0,
		 {"failed to get valid proposal. ", "message 2 of quick mode from 198.51.100.1[500]",
		  "first difference: authentication algorithm", "they: ESP tunnel, aes-128, md5",
		  "we: ESP tunnel, aes-128, sha1", "to change: auth-algorithms of proposal default"}},
		{"policy",
		 talk,
		 1,
		 {"no policy found: 10.101.0.0/16[any] 10.1.0.0/16[any] proto=any",
		  "message 1 of quick mode from 192.0.2.1[500]",
		  "to change: src-address and dst-address of a policy, here or there"}},
		{"policy",
		 talk,
		 0,
		 {"phase2 negotiation failed: ", "INVALID-ID-INFORMATION", "to what we offered: ESP tunnel, aes-128",
		  " for 10.1.0.0/16[any] and 10.101.0.0/16[any], any protocol",
		  "compare src-address, dst-address, protocol and ports of the policy"}},
		{"holes",
		 mask_with_holes,
		 0,
		 {"no policy found: ", "10.101.0.0/255.0.255.0[any] and 10.1.0.0/16[any], any protocol",
		  "a mask with holes", "message 1 of quick mode from 198.51.100.1[500]",
		  "to change: src-address, dst-address"}},
		{"protocols",
		 two_protocols,
		 0,
		 {"no policy found: ", "protocols 17, 0", "two protocols", "to change: "}},
		{"identities",
		 other_identity,
		 0,
		 {"phase2 negotiation failed: ", "198.51.100.1[500] (quick mode, initiator, message 2)",
		  "we sent 10.1.0.0/16[any] and 10.101.0.0/16[any], any protocol",
		  "the peer 10.1.0.0/16[any] and 10.101.128.0/17[any], any protocol", "first difference: IDcr: address",
		  "(change src-address, dst-address"}},
		{"no answer",
		 no_answer,
		 0,
		 {"phase2 negotiation failed: ", "198.51.100.1[500] (quick mode, initiator, message 2)",
		  "time up, no answer", "what we offered: ESP tunnel, aes-128", "compare proposal default"}},
		{"signature",
		 talk,
		 0,
		 {"198.51.100.1[500] (main mode, initiator, message 6)",
		  "remote-key \"own\" does not fit the signature", "(change remote-key of the peer item"}},
		{"signature",
		 talk,
		 1,
		 {"received INVALID-SIGNATURE (25) from 192.0.2.1[500]: our key is not accepted",
		  "(change key of the peer item"}},
		{"old certificate",
		 talk,
		 1,
		 {"192.0.2.1[500] (main mode, responder, message 5)",
		  "the certificate of \"/CN=end 0\": certificate has expired",
		  "(change certificate of the peer item there; what counts here: the clock, "}},
		{"old certificate",
		 talk,
		 0,
		 {"received INVALID-CERT-AUTHORITY (22) in phase 1 with 198.51.100.1[500] (main mode, initiator",
		  "our certificate is not accepted, old: certificate has expired",
		  "(change certificate of the peer item"}},
		{"pinned",
		 talk,
		 0,
		 {"198.51.100.1[500] (main mode, initiator, message 6)", "the peer is \"/CN=end 1\"",
		  "(change remote-certificate"}},
		{"nothing pinned",
		 talk,
		 0,
		 {"198.51.100.1[500] (main mode, initiator, message 6)", "there is no certificate \"gone\"",
		  "(change remote-certificate of the peer item)"}},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		const char *what = row[i].what;

		as.group = strcmp(what, "group") ? 0 : 5;
		as.psk = !strncmp(what, "psk", 3);
		as.mode = strcmp(what, "psk") ? IKE_MODE_MAIN : IKE_MODE_BASE;
		as.no_psk = !strcmp(what, "no psk");
		as.no_peer = !strcmp(what, "no peer");
		as.id = strcmp(what, "identity") ? NULL : "joe@example.net";
		as.proposal = !strcmp(what, "proposal");
		as.policy = !strcmp(what, "policy");
		if (!strcmp(what, "signature")) {
			as.auth = IKE_AUTH_RSA_KEY;
			as.remote_key = "own";
		} else if (!strcmp(what, "old certificate")) {
			as.auth = IKE_AUTH_RSA_SIGNATURE;
			as.certificate = "old";
		} else if (strstr(what, "pinned")) {
			as.auth = IKE_AUTH_RSA_SIGNATURE;
			as.pinned = strcmp(what, "pinned") ? "gone" : "theirs";
		}
		row[i].happens();
		if (!one_line(row[i].end, row[i].text)) {
			for (unsigned j = 0; j < r->n_log[row[i].end]; j++)
				print_message("  %s\n", r->log[row[i].end][j]);
			fail_msg("row %u (%s): no line of end %u has all of it", i, what, row[i].end);
		}
		(void)end(NULL);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		T(t_spec_26_wordings),
		T(t_failures_say_who_what_and_which_setting),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
