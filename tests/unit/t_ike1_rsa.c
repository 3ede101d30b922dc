/* SPDX-License-Identifier: BSD-2-Clause */
/* Phase 1 with certificates and with RSA keys between two engines, in every exchange and both roles, and what must not come up (RFC 2409 §5.1; spec section 23). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"
#include "tests/lib/rsa_rig.h"

static EVP_PKEY *other_ca_key, *other_key;
static X509 *other_ca;

static uint8_t mode, auth;
static const char *my_id[2], *pinned[2], *remote_key[2];

static int group_setup(void **state)
{
	X509 *stranger;

	(void)state;
	rsa_setup();
	other_ca_key = certs_key(1024);
	other_key = certs_key(1024);
	other_ca = certs_make(&(struct cert_spec){.cn = "CA", .key = other_ca_key, .basic = "critical,CA:TRUE"});
	stranger = rsa_leaf("stranger", other_key, (struct cert_spec){0});
	for (unsigned i = 0; i < 2; i++) {
		rsa_write(i, CRED_CERTIFICATE, "stranger", stranger, NULL, 0);
		rsa_write(i, CRED_KEY, "stranger", NULL, other_key, 0);
	}
	X509_free(stranger);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	rsa_teardown();
	X509_free(other_ca);
	EVP_PKEY_free(other_ca_key);
	EVP_PKEY_free(other_key);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rsa_put_own(i, (struct cert_spec){.alt = "email:joe@example.net"});
		my_id[i] = pinned[i] = remote_key[i] = "";
	}
	return 0;
}

/* --- two ends --- */

static void conf(struct ike_conf *c, unsigned end)
{
	c->cred = rsa_store(end);
	for (unsigned i = 0; i < c->n_peers; i++) {
		struct ike_peer *p = &c->peer[i];

		p->mode = mode;
		p->auth = auth;
		p->group = group_by_id(31);
		strcpy(p->certificate, "own");
		strcpy(p->key, "own");
		strcpy(p->my_id, my_id[end]);
		strcpy(p->remote_certificate, pinned[end]);
		strcpy(p->remote_key, remote_key[end]);
	}
}

static struct {
	int end; /* whose signatures are spoilt, -1: nobody's */
	enum { BYTE, OTHER_KEY, OLD, SHORT } how;
	unsigned byte;
	uint8_t old[1024];
	size_t old_len;
} spoilt;

static void sign(void *ctx, struct ike_sign *s)
{
	int end = (int)((struct rig_end *)ctx)->me, bad = end == spoilt.end;

	rsa_signature(bad && spoilt.how == OTHER_KEY ? other_key : rsa.key[end], s);
	assert_int_equal(s->of_cert, auth == IKE_AUTH_RSA_SIGNATURE);
	assert_string_equal(s->name, "own");
	if (bad && spoilt.how == BYTE)
		s->sig[spoilt.byte] ^= 1;
	if (bad && spoilt.how == SHORT)
		s->sig_len--;
	if (bad && spoilt.how == OLD) {
		memcpy(s->sig, spoilt.old, spoilt.old_len);
		s->sig_len = spoilt.old_len;
	} else {
		memcpy(spoilt.old, s->sig, s->sig_len);
		spoilt.old_len = s->sig_len;
	}
	s->done(s);
}

static void run(unsigned from)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.sign = sign;
		r->end[i].env.wall = rsa_wall;
		(void)rig_policy(r, i, 1);
	}
	rig_acquire(r, from, &r->end[from].sadb.policy[0]);
	rig_settle(r);
}

/* Spec 20.2: the other end, established or not, does not keep what this one has not; it is not told again and again either. */
static void forgotten(unsigned at)
{
	unsigned was_up = established(!at);

	rig_advance(r, 58 * NS_PER_S);
	if (isakmps(0) + isakmps(1))
		fail_msg("mode %u, auth %u: end %u has %u ISAKMP SAs, the other one %u", mode, auth, at, isakmps(at),
			 isakmps(!at));
	assert_true(!was_up || rig_logged(r, !at, "deleted by the peer"));
	assert_true(r->sent[at] < 20);
}

/* End `at` does not believe the other one; words: what its log says. */
static void refused(unsigned at, const char *words)
{
	for (unsigned from = 0; from < 2; from++) {
		run(from);
		if (established(at) || fake_count(&r->end[at].sadb))
			fail_msg("mode %u, auth %u, from %u: end %u believes it", mode, auth, from, at);
		assert_true(ike_count(r->end[at].k, IKE_COUNT_BAD_HASH) > 0);
		if (!rig_logged(r, at, words))
			fail_msg("mode %u, auth %u: the log does not say \"%s\"", mode, auth, words);
		forgotten(at);
		(void)teardown(NULL);
	}
}

static void believed(void)
{
	for (unsigned from = 0; from < 2; from++) {
		run(from);
		rig_advance(r, NS_PER_S); /* nothing follows at once upon the last message of aggressive mode */
		for (unsigned i = 0; i < 2; i++) {
			if (established(i) != 1)
				fail_msg("mode %u, auth %u, from %u: end %u", mode, auth, from, i);
			assert_int_equal(fake_count(&r->end[i].sadb), 2);
			assert_int_equal(rig_unopened(r, i), 0);
		}
		(void)teardown(NULL);
	}
}

static void each(void (*test)(void))
{
	for (auth = IKE_AUTH_RSA_SIGNATURE; auth <= IKE_AUTH_RSA_KEY; auth++)
		for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
			test();
}

static void t_every_exchange_both_ways(void **state)
{
	(void)state;
	spoilt.end = -1;
	each(believed);
	my_id[0] = my_id[1] = "joe@example.net";
	each(believed);
}

static const char *words(void)
{
	return auth == IKE_AUTH_RSA_KEY ? "the signature (change remote-key of the peer item"
					: "the signature does not fit the certificate";
}

static void spoilt_by_either(void)
{
	for (spoilt.end = 0; spoilt.end < 2; spoilt.end++)
		refused(!spoilt.end, words());
}

static void spoilt_bytes(void)
{
	for (spoilt.byte = 1; spoilt.byte < 128; spoilt.byte += 42)
		spoilt_by_either();
}

static void old_signature(void)
{
	spoilt.end = -1;
	believed(); /* of which the last one is kept */
	spoilt_by_either();
}

static void t_rfc2409_5_1_wrong_signatures(void **state)
{
	(void)state;
	spoilt.how = BYTE;
	each(spoilt_bytes);
	spoilt.how = SHORT;
	each(spoilt_by_either);
	spoilt.how = OLD;
	each(old_signature);
}

static void wrong_key(void)
{
	remote_key[0] = remote_key[1] = "peer"; /* the other key is in the store, too: without a name it would fit */
	spoilt_by_either();
}

static void t_spec_23_3_signature_of_another_key(void **state)
{
	(void)state;
	spoilt.how = OTHER_KEY;
	each(wrong_key);
	spoilt.end = -1;
	auth = IKE_AUTH_RSA_KEY;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++) {
		remote_key[1] = "peer";
		remote_key[0] = "stranger";
		refused(0, words());
	}
}

static void certificates(void (*test)(void))
{
	auth = IKE_AUTH_RSA_SIGNATURE;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		test();
}

static void strange_ca(void)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		rsa_put_own(bad, (struct cert_spec){.issuer = other_ca, .issuer_key = other_ca_key});
		refused(!bad, "certificate signature failure");
		rsa_put_own(bad, (struct cert_spec){.from = -9 * CERT_DAY, .to = -CERT_DAY});
		refused(!bad, "certificate has expired");
		rsa_put_own(bad, (struct cert_spec){0});
	}
}

static void t_spec_23_2_strange_or_old_certificate(void **state)
{
	(void)state;
	spoilt.end = -1;
	certificates(strange_ca);
}

static void strange_name(void)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		my_id[bad] = "eve@example.net";
		refused(!bad, "the mailbox is not in the certificate's subjectAltName");
		my_id[bad] = "";
	}
}

static void t_spec_23_2_name_that_the_certificate_has_not(void **state)
{
	(void)state;
	spoilt.end = -1;
	certificates(strange_name);
}

static void pin(unsigned end, struct cert_spec spec)
{
	X509 *x = rsa_leaf(end ? "end 1" : "end 0", rsa.key[end], spec);

	rsa_write(end, CRED_CERTIFICATE, "own", x, NULL, 0);
	rsa_write(!end, CRED_CERTIFICATE, "theirs", x, NULL, 0);
	pinned[!end] = "theirs";
	X509_free(x);
}

static void pinned_out_of_time(void)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		pin(!bad, (struct cert_spec){0});
		pin(bad, (struct cert_spec){.from = -9 * CERT_DAY, .to = -CERT_DAY});
		refused(!bad, "remote-certificate \"theirs\": certificate has expired");
		pin(bad, (struct cert_spec){.from = CERT_DAY, .to = 9 * CERT_DAY});
		refused(!bad, "remote-certificate \"theirs\": certificate is not yet valid");
	}
}

static void t_spec_23_2_pinned_certificate_out_of_time(void **state)
{
	(void)state;
	spoilt.end = -1;
	certificates(pinned_out_of_time);
}

static void pinned_one(void)
{
	X509 *x[2];

	for (unsigned i = 0; i < 2; i++) {
		x[i] = rsa_leaf(i ? "end 1" : "end 0", rsa.key[i],
				(struct cert_spec){.issuer = other_ca, .issuer_key = other_ca_key});
		rsa_write(i, CRED_CERTIFICATE, "own", x[i], NULL, 0);
		rsa_write(!i, CRED_CERTIFICATE, "theirs", x[i], NULL, 0);
		pinned[i] = "theirs";
	}
	believed(); /* no CA of ours is asked */
	for (unsigned i = 0; i < 2; i++) {
		pinned[i] = "stranger";
		refused(i, "the name is not the certificate's subject");
		pinned[i] = "theirs";
		X509_free(x[i]);
	}
}

static void t_spec_23_2_pinned_certificate(void **state)
{
	(void)state;
	spoilt.end = -1;
	certificates(pinned_one);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_every_exchange_both_ways),
		T(t_rfc2409_5_1_wrong_signatures),
		T(t_spec_23_3_signature_of_another_key),
		T(t_spec_23_2_strange_or_old_certificate),
		T(t_spec_23_2_name_that_the_certificate_has_not),
		T(t_spec_23_2_pinned_certificate),
		T(t_spec_23_2_pinned_certificate_out_of_time),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
