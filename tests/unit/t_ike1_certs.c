/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CERT and CR payloads that make no sense, or little, in messages whose keys and signatures are right: of an end that may be a peer, in every exchange and both
 * roles (spec 23.2, RFC 4945 section 3.3). tests/fuzz/f_ike1.c looks for more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"
#include "tests/lib/rewrite.h"
#include "tests/lib/rsa_rig.h"

static uint8_t mode;
static unsigned liar; /* whose messages are changed */
static struct bytes own[2], strange;

static int group_setup(void **state)
{
	EVP_PKEY *key = certs_key(1024);
	X509 *x;

	(void)state;
	rsa_setup();
	for (unsigned i = 0; i < 2; i++)
		own[i] = cred_cert(rsa_lend(i), "own");
	x = certs_make(&(struct cert_spec){.cn = "stranger", .key = key});
	strange = certs_der(x);
	X509_free(x);
	EVP_PKEY_free(key);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	OPENSSL_free((void *)strange.p);
	rsa_teardown();
	return 0;
}

static int end(void **state)
{
	while (r && rig_work_one(r))
		; /* signatures need the keys */
	rsa_take_back(r);
	return teardown(state);
}

static void conf(struct ike_conf *c, unsigned me)
{
	c->cred = rsa_lend(me);
	c->peer[0].mode = mode;
	c->peer[0].auth = IKE_AUTH_RSA_SIGNATURE;
	c->peer[0].group = group_by_id(31);
	strcpy(c->peer[0].certificate, "own");
}

/* What a CERT or CR payload says. */
enum body { JUNK, EMPTY, OWN, STRANGE, OWN_CUT, OWN_LONGER };

static struct bytes body_of(uint8_t encoding, enum body what)
{
	static const uint8_t junk[40] = {0x30, 0x82, 0x01, 0x20, 0x30, 0x81, 0xca, 0xa0, 0x03, 0x02, 0x01, 0x02};
	static uint8_t buf[4096];
	struct bytes b = what == JUNK ? (struct bytes){junk, sizeof(junk)} : what == STRANGE ? strange : own[liar];
	size_t len = what == EMPTY ? 0 : b.len - (what == OWN_CUT) + (what == OWN_LONGER);

	assert_true(len < sizeof(buf));
	memset(buf, 0, sizeof(buf));
	buf[0] = encoding;
	memcpy(buf + 1, b.p, MIN(len, b.len));
	return (struct bytes){buf, len + 1};
}

struct row {
	const char *name;
	enum rewrite_how how;
	uint8_t type, encoding;
	enum body what;
	const char *refused; /* what the log says; NULL: it comes up all the same */
};

static int change(const struct row *w, struct rig_packet *p)
{
	unsigned at = rewrite_place(r, p, ISAKMP_P_CERT, 0);

	if (p->from != liar || at == UINT_MAX)
		return 0;
	assert_int_equal(rewrite(r, p, &(struct rewrite){w->how, at, w->type, 0, body_of(w->encoding, w->what)}), 0);
	return 1;
}

/* In one piece, so that its payloads are found. */
static void uncut(void)
{
	for (unsigned i = 0; i < 2; i++)
		for (struct ike1 *sa = r->end[i].k->sas; sa; sa = sa->next)
			sa->peer_frag = 0;
}

static void talk(const struct row *w, unsigned from)
{
	unsigned changed = 0;

	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.sign = rsa_sign_later;
		r->end[i].env.wall = rsa_wall;
		(void)rig_policy(r, i, 1);
	}
	rig_acquire(r, from, &r->end[from].sadb.policy[0]);
	while (r->n || r->n_jobs) {
		uncut();
		if (rig_work_one(r))
			continue;
		changed += (unsigned)change(w, &r->q[0]);
		rig_deliver(r, 0);
	}
	assert_true(changed > 0);
	if (!w->refused) /* else it comes again as it should be */
		rig_advance(r, NS_PER_S);
}

static void each_place(const struct row *w)
{
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		for (unsigned i = 0; i < 4 && mode != IKE_MODE_MAIN_L2TP; i++) {
			liar = i & 1;
			talk(w, i >> 1);
			if (!w->refused) {
				is_up(i >> 1);
			} else if (established(!liar) || fake_count(&r->end[!liar].sadb) ||
				   !rig_logged(r, !liar, w->refused)) {
				fail_msg("%s: mode %u, of end %u, begun by %u: end %u believes it or does not say why",
					 w->name, mode, liar, i >> 1, !liar);
			}
			(void)end(NULL);
		}
}

static void t_certificates_that_make_no_sense(void **state)
{
	static const struct row row[] = {
		/* in front of the peer's own, which is found all the same: some send others first */
		{"junk first", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, JUNK, NULL},
		{"stranger first", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, STRANGE, NULL},
		{"twice", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, OWN, NULL},
		{"bundle that is none first", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_PKCS7, JUNK, NULL},
		{"empty bundle first", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_PKCS7, EMPTY, "empty certificate"},
		{"CRL that is none", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_CRL, JUNK, NULL},
		{"empty CRL", REWRITE_INSERT, ISAKMP_P_CERT, ISAKMP_CERT_CRL, EMPTY, "empty certificate"},
		{"other type", REWRITE_INSERT, ISAKMP_P_CERT, 2, JUNK, NULL}, /* PGP */
		{"no type that there is", REWRITE_INSERT, ISAKMP_P_CERT, 200, JUNK, NULL},
		/* in its place */
		{"junk", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, JUNK, "it cannot be read"},
		{"empty", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, EMPTY, "empty certificate"},
		{"stranger's", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, STRANGE, "the certificate of"},
		{"a byte short", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, OWN_CUT, "it cannot be read"},
		{"a byte more", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_X509_SIG, OWN_LONGER, "it cannot be read"},
		{"bundle that is none", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_PKCS7, JUNK,
		 "the peer sent no certificate"},
		{"as a CRL", REWRITE_REPLACE, ISAKMP_P_CERT, ISAKMP_CERT_CRL, OWN, "the peer sent no certificate"},
		{"none", REWRITE_REMOVE, 0, 0, OWN, "the peer sent no certificate"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		each_place(&row[i]);
}

/* Spec 23.2: an unknown or empty CR does not abort. RFC 2408 §3.10: it may stand in any message. */
static void t_rfc2408_3_10_requests_that_make_no_sense(void **state)
{
	static const struct row row[] = {
		{"junk", REWRITE_INSERT, ISAKMP_P_CR, ISAKMP_CERT_X509_SIG, JUNK, NULL},
		{"empty", REWRITE_INSERT, ISAKMP_P_CR, ISAKMP_CERT_X509_SIG, EMPTY, NULL},
		{"of another type", REWRITE_INSERT, ISAKMP_P_CR, 1, JUNK, NULL},
		{"of no type that there is", REWRITE_INSERT, ISAKMP_P_CR, 99, EMPTY, NULL},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		each_place(&row[i]);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		T(t_certificates_that_make_no_sense),
		T(t_rfc2408_3_10_requests_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
