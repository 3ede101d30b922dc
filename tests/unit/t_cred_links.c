/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates between a peer's own and a CA that is trusted: what the peer sends of them, what we send (RFC 5280 §6.1; RFC 4945 §3.3.10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <openssl/pkcs7.h>

#include "tests/lib/certs.h"
#include "tests/lib/cred_store.h"

#define CA_USAGE "critical,keyCertSign,cRLSign"
#define NO_ISSUER "unable to get local issuer certificate"

static EVP_PKEY *key; /* of all of them: names tell them apart */
static X509 *root, *mid, *low, *leaf;

static X509 *make(const char *cn, X509 *issuer, const char *basic, const char *usage)
{
	return certs_make(&(struct cert_spec){
		.cn = cn, .issuer = issuer, .issuer_key = key, .key = key, .basic = basic, .usage = usage});
}

static int setup(void **state)
{
	(void)state;
	cred_store_make();
	key = certs_key(1024);
	root = make("Root", NULL, "critical,CA:TRUE", CA_USAGE);
	mid = make("Mid", root, "critical,CA:TRUE", CA_USAGE);
	low = make("Low", mid, "critical,CA:TRUE", CA_USAGE);
	leaf = make("peer", low, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	X509_free(root);
	X509_free(mid);
	X509_free(low);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return cred_store_remove();
}

static void store(const char *name, X509 *x, bool trusted)
{
	cred_store_add(CRED_CERTIFICATE, name, (struct cred_file){.trusted = trusted, .cert = x}, NULL);
}

/* The reason why x is refused when the peer sends these beside it, or "". */
static const char *judge(const struct cred *c, X509 *x, const struct bytes *links, unsigned n)
{
	static struct err why;
	struct bytes der = certs_der(x);
	EVP_PKEY *pub = NULL;

	why.text[0] = '\0';
	(void)!cred_judge(c, der, &(struct cred_sent){.links = links, .n_links = n}, CERT_NOW, &pub, &why);
	assert_int_equal(pub != NULL, !why.text[0]);
	EVP_PKEY_free(pub);
	OPENSSL_free((void *)der.p);
	return why.text;
}

static void t_rfc5280_6_1_links_of_the_peer(void **state)
{
	struct bytes links[] = {certs_der(low), certs_der(mid), certs_der(root)}, cut = {links[1].p, 40};
	struct cred *c;

	(void)state;
	store("root", root, true);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf, NULL, 0), NO_ISSUER);
	assert_string_equal(judge(c, leaf, links, 1), NO_ISSUER); /* one is missing */
	assert_string_equal(judge(c, leaf, links, 2), "");
	assert_string_equal(judge(c, leaf, links, 3), ""); /* the root itself does no harm */
	assert_string_equal(judge(c, leaf, (struct bytes[]){links[1], links[0]}, 2), "");
	assert_string_equal(judge(c, leaf, (struct bytes[]){cut, {0}, links[1], links[0]}, 4), "");
	cred_free(c);
	for (size_t i = 0; i < 3; i++)
		OPENSSL_free((void *)links[i].p);
}

/* Nothing is trusted for being sent. */
static void t_links_are_no_anchors(void **state)
{
	X509 *plain = make("plain", root, NULL, NULL), *nosign = make("nosign", root, "critical,CA:TRUE", "cRLSign");
	X509 *by_plain = make("peer", plain, NULL, NULL), *by_nosign = make("peer", nosign, NULL, NULL);
	struct bytes links[] = {certs_der(low), certs_der(mid), certs_der(root), certs_der(plain), certs_der(nosign)};
	X509 *other = make("Other", NULL, "critical,CA:TRUE", CA_USAGE);
	struct cred *c;

	(void)state;
	store("other", other, true);
	c = cred_store_load();
	assert_true(*judge(c, leaf, links, 3));
	cred_free(c);
	store("root", root, true);
	c = cred_store_load();
	assert_true(*judge(c, by_plain, &links[3], 1)); /* issued by what is no CA */
	assert_true(*judge(c, by_nosign, &links[4], 1));
	cred_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		OPENSSL_free((void *)links[i].p);
	X509_free(plain);
	X509_free(nosign);
	X509_free(by_plain);
	X509_free(by_nosign);
	X509_free(other);
}

static void t_links_in_a_bundle(void **state)
{
	PKCS7 *p7 = PKCS7_new();
	uint8_t *der = NULL;
	struct bytes bundle;
	struct cred *c;

	(void)state;
	assert_true(p7 && PKCS7_set_type(p7, NID_pkcs7_signed) && PKCS7_content_new(p7, NID_pkcs7_data));
	assert_true(PKCS7_add_certificate(p7, leaf) && PKCS7_add_certificate(p7, mid) &&
		    PKCS7_add_certificate(p7, low));
	bundle.len = (size_t)i2d_PKCS7(p7, &der);
	bundle.p = der;
	store("root", root, true);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf, &bundle, 1), "");
	bundle.len -= 10;
	assert_string_equal(judge(c, leaf, &bundle, 1), NO_ISSUER);
	cred_free(c);
	OPENSSL_free(der);
	PKCS7_free(p7);
}

/* From our certificate up, without the root; where the store ends, so do they. */
static void t_links_of_our_own(void **state)
{
	struct bytes want[] = {certs_der(low), certs_der(mid)}, got;
	struct cred *c;

	(void)state;
	store("a", leaf, false);
	store("low", low, false);
	c = cred_store_load();
	got = cred_link(c, "a", 0);
	assert_int_equal(got.len, want[0].len);
	assert_int_equal(cred_link(c, "a", 1).len, 0);
	assert_int_equal(cred_link(c, "none", 0).len, 0);
	assert_int_equal(cred_link(NULL, "a", 0).len, 0);
	cred_free(c);
	store("mid", mid, true);
	store("root", root, true);
	c = cred_store_load();
	for (unsigned i = 0; i < 2; i++) {
		got = cred_link(c, "a", i);
		assert_int_equal(got.len, want[i].len);
		assert_memory_equal(got.p, want[i].p, got.len);
		OPENSSL_free((void *)want[i].p);
	}
	assert_int_equal(cred_link(c, "a", 2).len, 0);
	assert_int_equal(cred_link(c, "root", 0).len, 0);
	cred_free(c);
}

/* Two CAs that issued each other: it ends. */
static void t_links_in_a_circle(void **state)
{
	X509 *x = make("X", root, "critical,CA:TRUE", CA_USAGE), *y = make("Y", x, "critical,CA:TRUE", CA_USAGE);
	X509 *round = make("X", y, "critical,CA:TRUE", CA_USAGE), *own = make("own", y, NULL, NULL);
	struct cred *c;
	unsigned n = 0;

	(void)state;
	store("own", own, false);
	store("y", y, false);
	store("round", round, false);
	c = cred_store_load();
	while (cred_link(c, "own", n).len)
		n++;
	assert_in_range(n, 2, 5);
	cred_free(c);
	X509_free(x);
	X509_free(y);
	X509_free(round);
	X509_free(own);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(t_rfc5280_6_1_links_of_the_peer),
		TEST(t_links_are_no_anchors),
		TEST(t_links_in_a_bundle),
		TEST(t_links_of_our_own),
		TEST(t_links_in_a_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
