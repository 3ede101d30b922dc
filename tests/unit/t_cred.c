/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and keys (spec sections 5, 23): the store on disk, chains, hostile certificates, identities, signatures over the raw hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/pkcs7.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/certs.h"
#include "tests/lib/cred_store.h"

static EVP_PKEY *ca_key, *mid_key, *key; /* of 1024 bits: made quickly */
static X509 *ca, *mid;

#define CA_USAGE "critical,keyCertSign,cRLSign"

static X509 *leaf_of(struct cert_spec s)
{
	s.cn = s.cn ? s.cn : "peer";
	s.key = s.key ? s.key : key;
	s.issuer = s.issuer ? s.issuer : ca;
	s.issuer_key = s.issuer_key ? s.issuer_key : ca_key;
	return certs_make(&s);
}

static int group_setup(void **state)
{
	(void)state;
	ca_key = certs_key(1024);
	mid_key = certs_key(1024);
	key = certs_key(1024);
	ca = certs_make(&(struct cert_spec){.cn = "CA", .key = ca_key, .basic = "critical,CA:TRUE", .usage = CA_USAGE});
	mid = certs_make(&(struct cert_spec){.cn = "Mid",
					     .issuer = ca,
					     .issuer_key = ca_key,
					     .key = mid_key,
					     .basic = "critical,CA:TRUE,pathlen:0",
					     .usage = CA_USAGE});
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	X509_free(ca);
	X509_free(mid);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(mid_key);
	EVP_PKEY_free(key);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	cred_store_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return cred_store_remove();
}

static void store_cert(const char *name, X509 *x, bool trusted, EVP_PKEY *priv)
{
	cred_store_add(CRED_CERTIFICATE, name, (struct cred_file){.trusted = trusted, .cert = x}, priv);
}

static void store_crl(const char *name, X509_CRL *crl)
{
	cred_store_add(CRED_CERTIFICATE, name, (struct cred_file){.crl = crl}, NULL);
}

static void store_key(const char *name, EVP_PKEY *k, bool private)
{
	cred_store_add(CRED_KEY, name, (struct cred_file){.pub = k}, private ? k : NULL);
}

/* Judges x, which is freed; the reason, or "". */
static const char *judge(const struct cred *c, X509 *x, const struct bytes *crls, unsigned n)
{
	static struct err why;
	struct bytes der = certs_der(x);
	EVP_PKEY *pub = NULL;
	int rc;

	why.text[0] = '\0';
	rc = cred_judge(c, der, &(struct cred_sent){.crls = crls, .n_crls = n}, CERT_NOW, &pub, &why);
	assert_true(rc == 0 ? pub != NULL : pub == NULL && rc == -EKEYREJECTED && why.text[0]);
	EVP_PKEY_free(pub);
	OPENSSL_free((void *)der.p);
	X509_free(x);
	return rc ? why.text : "";
}

static void t_spec_5_files(void **state)
{
	struct err e = {0};
	char path[300];
	struct stat st;
	struct cred *c;
	EVP_PKEY *priv;
	const char *name;
	int fd;

	(void)state;
	store_key("pub", ca_key, false);
	store_key("own", key, true);
	store_key("pub2", mid_key, false);
	(void)snprintf(path, sizeof(path), "%s/private", paths.conf_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)snprintf(path, sizeof(path), "%s/private/key/own.pem", paths.conf_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)snprintf(path, sizeof(path), "%s/public/key/own.pem", paths.conf_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	c = cred_store_load();
	assert_int_equal(EVP_PKEY_eq(cred_key(c, "own"), key), 1);
	assert_null(cred_key(c, "none"));
	/* spec 23.3: keys without private part, in list order */
	assert_int_equal(EVP_PKEY_eq(cred_key_at(c, 0, &name), ca_key), 1);
	assert_string_equal(name, "pub");
	assert_int_equal(EVP_PKEY_eq(cred_key_at(c, 1, &name), mid_key), 1);
	assert_null(cred_key_at(c, 2, &name));
	cred_free(c);
	fd = cred_open_private(&paths, &e);
	assert_true(fd >= 0);
	priv = cred_private_read(fd, CRED_KEY, "own", &e);
	assert_non_null(priv);
	assert_true(cred_has_private(priv));
	EVP_PKEY_free(priv);
	assert_null(cred_private_read(fd, CRED_KEY, "pub", &e));
	assert_null(cred_private_read(fd, CRED_KEY, "../key/own", &e));
	close(fd);
}

static void t_spec_5_rename_and_remove(void **state)
{
	struct err e = {0};
	struct cred *c;
	EVP_PKEY *priv;
	char path[300];
	int fd;

	(void)state;
	store_key("a", key, true);
	assert_int_equal(cred_rename(&paths, CRED_KEY, "a", "b c", &e), 0);
	c = cred_store_load();
	assert_null(cred_key(c, "a"));
	assert_non_null(cred_key(c, "b c"));
	cred_free(c);
	fd = cred_open_private(&paths, &e);
	priv = cred_private_read(fd, CRED_KEY, "b c", &e);
	assert_non_null(priv);
	EVP_PKEY_free(priv);
	assert_null(cred_private_read(fd, CRED_KEY, "a", &e));
	close(fd);
	assert_int_equal(cred_remove(&paths, CRED_KEY, "b c", &e), 0);
	(void)snprintf(path, sizeof(path), "%s/private/key/b c.pem", paths.conf_dir);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_true(cred_remove(&paths, CRED_KEY, "b c", &e) < 0);
	assert_true(cred_rename(&paths, CRED_KEY, "b c", "../x", &e) < 0);
	/* spec 3.3: an id never comes again */
	store_key("z", key, false);
	fd = cred_open_public(&paths, &e);
	{
		struct cred_list list;

		assert_int_equal(cred_list_read(&list, fd, CRED_KEY, NULL, NULL, &e), 0);
		assert_int_equal(list.count, 1);
		assert_int_equal(list.item[0].id, 2);
		cred_list_free(&list);
	}
	close(fd);
}

static void t_names_are_no_paths(void **state)
{
	static const char *const bad[] = {
		"",	 ".",	     "..",
		"../x",	 "a/b",	     ".hidden",
		"-x",	 " x",	     "a\nb",
		"a\x01", "a,b",	     "*1",
		"a\"b",	 "\xc3\xa4", "a234567890123456789012345678901234567890123456789012345678901234"};
	static const char *const good[] = {"a", "cert1", "peer.example.net", "a b", "me@home", "x_y-z+1", "7"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cred_name_ok(bad[i]))
			fail_msg("%s was accepted", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(cred_name_ok(good[i]));
}

static unsigned complaints;

static void complain(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	complaints++;
}

static void put_file(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/public/key/%s", paths.conf_dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

/* What cannot be read is left out and named; the others count. */
static void t_damaged_files(void **state)
{
	struct cred_list list;
	struct err e = {0};
	char path[300];
	int fd;

	(void)state;
	store_key("good", key, false);
	put_file("empty.pem", "");
	put_file("noid.pem", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n");
	put_file("junk.pem", "id: 5\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
	put_file(".good.pem.new", "half");
	put_file("other.txt", "not ours");
	(void)snprintf(path, sizeof(path), "%s/public/key/link.pem", paths.conf_dir);
	assert_int_equal(symlink("good.pem", path), 0);
	fd = cred_open_public(&paths, &e);
	complaints = 0;
	assert_int_equal(cred_list_read(&list, fd, CRED_KEY, complain, NULL, &e), 0);
	close(fd);
	assert_int_equal(list.count, 1);
	assert_int_equal(complaints, 4);
	cred_list_free(&list);
}

static void t_spec_23_2_own_certificate(void **state)
{
	X509 *x = leaf_of((struct cert_spec){.cn = "me"});
	struct bytes der = certs_der(x), dn;
	struct cred *c;
	const unsigned char *p;
	size_t len;

	(void)state;
	store_cert("me", x, false, key);
	store_cert("root", ca, true, NULL);
	c = cred_store_load();
	assert_int_equal(cred_cert(c, "me").len, der.len);
	assert_memory_equal(cred_cert(c, "me").p, der.p, der.len);
	assert_true(X509_NAME_get0_der(X509_get_subject_name(x), &p, &len));
	dn = cred_subject(c, "me");
	assert_int_equal(dn.len, len);
	assert_memory_equal(dn.p, p, len);
	assert_true(X509_NAME_get0_der(X509_get_subject_name(ca), &p, &len));
	assert_int_equal(cred_issuer(c, "me").len, len);
	assert_memory_equal(cred_authority(c, 0).p, p, len);
	assert_int_equal(cred_authority(c, 1).len, 0);
	assert_int_equal(cred_cert(c, "you").len, 0);
	assert_int_equal(EVP_PKEY_eq(cred_cert_key(c, "me"), key), 1);
	cred_free(c);
	OPENSSL_free((void *)der.p);
	X509_free(x);
}

/* Spec 23.2: chain, validity, key usage, key size. */
static void t_spec_23_2_judge(void **state)
{
	EVP_PKEY *tiny = certs_key(512), *other_key = certs_key(1024), *ec = EVP_EC_gen("P-256");
	X509 *other = certs_make(&(struct cert_spec){.cn = "CA", .key = other_key, .basic = "CA:TRUE"});
	X509 *notca = leaf_of((struct cert_spec){.cn = "no CA"}), *bad;
	struct cred *c;

	(void)state;
	store_cert("root", ca, true, NULL);
	store_cert("plain", notca, true, NULL); /* trusted, but no CA: never an anchor */
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of((struct cert_spec){0}), NULL, 0), "");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.usage = "digitalSignature"}), NULL, 0), "");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.usage = "nonRepudiation"}), NULL, 0), "");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.md = "SHA1"}), NULL, 0), "");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.md = "MD5"}), NULL, 0), "signed with MD5 or older");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.usage = "keyEncipherment"}), NULL, 0),
			    "its key usage has no digitalSignature");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.from = -20, .to = -10}), NULL, 0),
			    "certificate has expired");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.from = 10, .to = 20}), NULL, 0),
			    "certificate is not yet valid");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.key = tiny}), NULL, 0),
			    "RSA keys need at least 1024 bits");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.key = ec}), NULL, 0), "it is no RSA key");
	/* another CA of the same name */
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.issuer = other, .issuer_key = other_key}), NULL, 0),
			    "certificate signature failure");
	/* itself */
	bad = certs_make(&(struct cert_spec){.cn = "me", .key = key});
	assert_true(*judge(c, bad, NULL, 0));
	/* signed with the key of a certificate that is no CA */
	bad = leaf_of((struct cert_spec){.cn = "x", .issuer = notca, .issuer_key = key});
	assert_true(*judge(c, bad, NULL, 0));
	cred_free(c);
	X509_free(other);
	X509_free(notca);
	EVP_PKEY_free(tiny);
	EVP_PKEY_free(other_key);
	EVP_PKEY_free(ec);
}

/* Nothing was imported yet. */
static void t_no_store(void **state)
{
	const char *name;

	(void)state;
	assert_int_equal(cred_cert(NULL, "x").len, 0);
	assert_int_equal(cred_subject(NULL, "x").len, 0);
	assert_int_equal(cred_issuer(NULL, "x").len, 0);
	assert_int_equal(cred_authority(NULL, 0).len, 0);
	assert_null(cred_cert_key(NULL, "x"));
	assert_null(cred_key(NULL, "x"));
	assert_null(cred_key_at(NULL, 0, &name));
	assert_true(*judge(NULL, leaf_of((struct cert_spec){0}), NULL, 0));
	cred_free(NULL);
}

/* The store knows more than the root: an untrusted CA certificate is a link, a trusted one an anchor (RFC 5280 §6.1). */
static void t_rfc5280_6_1_chain(void **state)
{
	X509 *sub_ca = certs_make(&(struct cert_spec){.cn = "Sub",
						      .issuer = mid,
						      .issuer_key = mid_key,
						      .key = key,
						      .basic = "critical,CA:TRUE",
						      .usage = CA_USAGE});
	X509 *nosign = certs_make(&(struct cert_spec){.cn = "NoSign",
						      .issuer = ca,
						      .issuer_key = ca_key,
						      .key = key,
						      .basic = "critical,CA:TRUE",
						      .usage = "critical,cRLSign"});
	const struct cert_spec by_mid = {.issuer = mid, .issuer_key = mid_key};
	struct cred *c;

	(void)state;
	store_cert("root", ca, true, NULL);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of(by_mid), NULL, 0), "unable to get local issuer certificate");
	cred_free(c);
	store_cert("mid", mid, false, NULL);
	store_cert("sub", sub_ca, false, NULL);
	store_cert("nosign", nosign, false, NULL);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of(by_mid), NULL, 0), "");
	/* pathlen:0 of mid allows no CA below it */
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.issuer = sub_ca, .issuer_key = key}), NULL, 0),
			    "path length constraint exceeded");
	assert_true(*judge(c, leaf_of((struct cert_spec){.issuer = nosign, .issuer_key = key}), NULL, 0));
	cred_free(c);
	/* mid as the anchor, without root */
	assert_int_equal(cred_remove(&paths, CRED_CERTIFICATE, "root", NULL), 0);
	c = cred_store_load();
	assert_true(*judge(c, leaf_of(by_mid), NULL, 0));
	cred_free(c);
	assert_int_equal(cred_remove(&paths, CRED_CERTIFICATE, "mid", NULL), 0);
	store_cert("mid", mid, true, NULL);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of(by_mid), NULL, 0), "");
	cred_free(c);
	X509_free(sub_ca);
	X509_free(nosign);
}

static void t_rfc5280_6_3_revocation(void **state)
{
	X509_CRL *old = certs_crl(ca, ca_key, 0, -3 * CERT_DAY, 3 * CERT_DAY),
		 *new = certs_crl(ca, ca_key, 7, -CERT_DAY, CERT_DAY), *forged = certs_crl(ca, key, 8, -10, CERT_DAY),
		 *stale = certs_crl(ca, ca_key, 0, -CERT_DAY, -10);
	struct bytes sent[3] = {certs_crl_der(old), certs_crl_der(new), certs_crl_der(forged)};
	struct bytes junk = {(const uint8_t *)"\x30\x03\x02\x01", 4};
	struct cred *c;

	(void)state;
	store_cert("root", ca, true, NULL);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 7}), NULL, 0), "");
	/* of the peer: the newest counts, one that our CA has not signed does not, nor does junk */
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 7}), sent, 2), "certificate revoked");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 8}), &sent[2], 1), "");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 8}), &junk, 1), "");
	cred_free(c);
	store_crl("crl", new);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 7}), NULL, 0), "certificate revoked");
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 8}), NULL, 0), "");
	/* an older one from the peer does not undo it */
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 7}), sent, 1), "certificate revoked");
	cred_free(c);
	assert_int_equal(cred_remove(&paths, CRED_CERTIFICATE, "crl", NULL), 0);
	store_crl("crl", stale);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.serial = 8}), NULL, 0), "CRL has expired");
	cred_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		OPENSSL_free((void *)sent[i].p);
	X509_CRL_free(old);
	X509_CRL_free(new);
	X509_CRL_free(forged);
	X509_CRL_free(stale);
}

/* A CRL of the root beside an intermediate that is the anchor itself. */
static void t_crl_of_who_issued_the_anchor(void **state)
{
	X509_CRL *crl = certs_crl(ca, ca_key, 77, -CERT_DAY, CERT_DAY);
	struct cred *c;

	(void)state;
	store_cert("root", ca, true, NULL);
	store_cert("mid", mid, true, NULL);
	store_crl("crl", crl);
	c = cred_store_load();
	assert_string_equal(judge(c, leaf_of((struct cert_spec){.issuer = mid, .issuer_key = mid_key}), NULL, 0), "");
	cred_free(c);
	X509_CRL_free(crl);
}

/* Every length cut, every byte flipped: refused or not, but nothing else happens. */
static void t_hostile_bytes(void **state)
{
	X509 *x = leaf_of((struct cert_spec){.alt = "DNS:peer.example.net"});
	struct bytes der = certs_der(x);
	uint8_t *copy = malloc(der.len + 1), picked[2000];
	const struct msg_id id = {.type = IPSEC_ID_FQDN, .data = {(const uint8_t *)"peer.example.net", 16}};
	EVP_PKEY *pub = NULL;
	struct err why;
	struct cred *c;

	(void)state;
	assert_non_null(copy);
	store_cert("root", ca, true, NULL);
	c = cred_store_load();
	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(cred_judge(c, (struct bytes){der.p, len}, NULL, CERT_NOW, &pub, &why), -EKEYREJECTED);
	memcpy(copy, der.p, der.len);
	copy[der.len] = 0;
	assert_int_equal(cred_judge(c, (struct bytes){copy, der.len + 1}, NULL, CERT_NOW, &pub, &why), -EKEYREJECTED);
	for (size_t i = 0; i < der.len; i++) {
		copy[i] ^= 1 << i % 8;
		/* whatever was flipped, the signature or its key no longer fits */
		assert_int_equal(cred_judge(c, (struct bytes){copy, der.len}, NULL, CERT_NOW, &pub, &why),
				 -EKEYREJECTED);
		(void)!cred_id_fits((struct bytes){copy, der.len}, &id, NULL, 0, &why);
		(void)!cred_pkcs7_pick((struct bytes){copy, der.len}, &id, picked, sizeof(picked));
		copy[i] ^= 1 << i % 8;
	}
	assert_int_equal(cred_judge(c, (struct bytes){0}, NULL, CERT_NOW, &pub, &why), -EKEYREJECTED);
	cred_free(c);
	free(copy);
	OPENSSL_free((void *)der.p);
	X509_free(x);
}

static struct msg_id text_id(unsigned type, const char *s)
{
	return (struct msg_id){.type = (uint8_t)type, .data = {(const uint8_t *)s, strlen(s)}};
}

static void t_spec_23_2_identities(void **state)
{
	X509 *x = leaf_of(
		(struct cert_spec){.alt = "IP:198.51.100.1,IP:2001:db8::1,DNS:gw.example.net,email:joe@Example.net"});
	struct bytes der = certs_der(x);
	struct ike_addr at = {.family = XI_IP4, .addr = {{htonl(0xc0000201)}}};
	const uint8_t ip4[] = {198, 51, 100, 1}, ip4b[] = {192, 0, 2, 1}, ip6[] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
	struct msg_id id = {.type = IPSEC_ID_IPV4, .data = {ip4, 4}};
	const unsigned char *dn;
	struct err why;

	(void)state;
	assert_int_equal(cred_id_fits(der, &id, &at, 0, &why), 0);
	id.data.p = ip4b;
	assert_int_equal(cred_id_fits(der, &id, &at, 0, &why), -EKEYREJECTED);
	assert_int_equal(cred_id_fits(der, &id, &at, 1, &why), 0); /* pinned, and where the peer is */
	at.addr.w[0] = htonl(0xc0000202);
	assert_int_equal(cred_id_fits(der, &id, &at, 1, &why), -EKEYREJECTED);
	id = (struct msg_id){.type = IPSEC_ID_IPV6, .data = {ip6, 16}};
	assert_int_equal(cred_id_fits(der, &id, &at, 0, &why), 0);
	id = text_id(IPSEC_ID_FQDN, "GW.example.NET");
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), 0);
	id = text_id(IPSEC_ID_FQDN, "gw.example.ne");
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), -EKEYREJECTED);
	id = text_id(IPSEC_ID_FQDN, "joe@Example.net");
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), -EKEYREJECTED);
	id = text_id(IPSEC_ID_USER_FQDN, "joe@example.NET");
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), 0);
	id = text_id(IPSEC_ID_USER_FQDN, "Joe@example.net");
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), -EKEYREJECTED);
	id = text_id(IPSEC_ID_KEY_ID, "gw.example.net");
	assert_int_equal(cred_id_fits(der, &id, NULL, 1, &why), -EKEYREJECTED);
	id = (struct msg_id){.type = IPSEC_ID_DER_ASN1_DN};
	assert_true(X509_NAME_get0_der(X509_get_subject_name(x), &dn, &id.data.len));
	id.data.p = dn;
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), 0);
	id.data.len--;
	assert_int_equal(cred_id_fits(der, &id, NULL, 0, &why), -EKEYREJECTED);
	OPENSSL_free((void *)der.p);
	X509_free(x);
}

static void t_spec_23_2_pkcs7(void **state)
{
	X509 *a = leaf_of((struct cert_spec){.alt = "DNS:a.example.net"}),
	     *b = leaf_of((struct cert_spec){.alt = "DNS:b.example.net"});
	struct bytes want = certs_der(b), bundle;
	PKCS7 *p7 = PKCS7_new();
	uint8_t out[4000], *der = NULL;
	struct msg_id id = text_id(IPSEC_ID_FQDN, "b.example.net");

	(void)state;
	assert_true(p7 && PKCS7_set_type(p7, NID_pkcs7_signed) && PKCS7_content_new(p7, NID_pkcs7_data));
	assert_true(PKCS7_add_certificate(p7, a) && PKCS7_add_certificate(p7, b));
	bundle.len = (size_t)i2d_PKCS7(p7, &der);
	bundle.p = der;
	assert_int_equal(cred_pkcs7_pick(bundle, &id, out, sizeof(out)), want.len);
	assert_memory_equal(out, want.p, want.len);
	assert_int_equal(cred_pkcs7_pick(bundle, &id, out, want.len - 1), -ENOENT);
	id = text_id(IPSEC_ID_FQDN, "c.example.net");
	assert_int_equal(cred_pkcs7_pick(bundle, &id, out, sizeof(out)), -ENOENT);
	for (size_t len = 0; len < bundle.len; len++)
		assert_int_equal(cred_pkcs7_pick((struct bytes){der, len}, &id, out, sizeof(out)), -ENOENT);
	OPENSSL_free(der);
	OPENSSL_free((void *)want.p);
	PKCS7_free(p7);
	X509_free(a);
	X509_free(b);
}

/* The private-key operation over a whole block, as an attacker or a careless signer could lay it out. */
static size_t sign_block(EVP_PKEY *k, int padding, const uint8_t *text, size_t len, uint8_t *sig)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);
	size_t n = 1024;

	assert_true(ctx && EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) > 0 &&
		    EVP_PKEY_sign(ctx, sig, &n, text, len) > 0);
	EVP_PKEY_CTX_free(ctx);
	return n;
}

static EVP_PKEY *exponent3(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *k = NULL;

	assert_true(ctx && e && BN_set_word(e, 3) && EVP_PKEY_keygen_init(ctx) > 0 &&
		    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 3072) > 0 &&
		    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) > 0 && EVP_PKEY_keygen(ctx, &k) > 0);
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

/* RFC 2409 §5.1: type 1 padding, the hash alone. */
static void t_rfc2409_5_1_verify(void **state)
{
	uint8_t hash[20], sig[1024], block[128];
	size_t n;

	(void)state;
	memset(hash, 0xa5, sizeof(hash));
	n = sign_block(key, RSA_PKCS1_PADDING, hash, sizeof(hash), sig);
	assert_int_equal(n, 128);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n}), 0);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 19}, (struct bytes){sig, n}), -EKEYREJECTED);
	assert_int_equal(cred_verify(ca_key, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n - 1}), -EKEYREJECTED);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, 0}), -EKEYREJECTED);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 0}, (struct bytes){sig, n}), -EKEYREJECTED);
	assert_int_equal(cred_verify(NULL, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
	for (size_t i = 0; i < n; i++) {
		sig[i] ^= 0x10;
		assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
		sig[i] ^= 0x10;
	}
	/* as large as the modulus or larger */
	memset(sig, 0xff, n);
	assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
	/* a block of another shape: type 2, a short run of ff, a hash that is not at the end */
	for (int shape = 0; shape < 4; shape++) {
		memset(block, 0xff, sizeof(block));
		block[0] = 0;
		block[1] = shape == 0 ? 2 : 1;
		block[sizeof(block) - 21] = 0;
		memcpy(block + sizeof(block) - 20, hash, 20);
		if (shape == 1)
			block[40] = 0;
		if (shape == 2)
			block[60] = 0xfe;
		if (shape == 3) {
			block[10] = 0;
			memcpy(block + 11, hash, 20);
		}
		n = sign_block(key, RSA_NO_PADDING, block, sizeof(block), sig);
		assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
	}
	/* with DigestInfo in front, as other protocols have it */
	{
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

		n = sizeof(sig);
		assert_true(EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha1()) > 0 &&
			    EVP_PKEY_sign(ctx, sig, &n, hash, 20) > 0);
		EVP_PKEY_CTX_free(ctx);
		assert_int_equal(cred_verify(key, (struct bytes){hash, 20}, (struct bytes){sig, n}), -EKEYREJECTED);
	}
}

/* Bleichenbacher's forgery of 2006: with exponent 3, a cube root of 00 01 ff.. 00 HASH garbage, made without the private key. */
static void t_forgery_with_exponent_3(void **state)
{
	EVP_PKEY *k = exponent3();
	uint8_t hash[20], block[384] = {0}, sig[384];
	BIGNUM *lo = BN_new(), *hi = BN_new(), *mid_bn = BN_new(), *cube = BN_new(), *want = BN_new();
	BN_CTX *ctx = BN_CTX_new();

	(void)state;
	assert_int_equal(cred_key_refused(k) == NULL, 1);
	memset(hash, 0x5a, sizeof(hash));
	block[1] = 1;
	memset(block + 2, 0xff, 8);
	memcpy(block + 11, hash, 20);
	memset(block + 31, 0xff, sizeof(block) - 31);
	assert_true(BN_bin2bn(block, sizeof(block), want) && BN_one(lo) && BN_lshift(hi, BN_value_one(), 1100));
	/* the greatest number whose cube is not greater */
	for (int i = 0; i < 1200; i++) {
		assert_true(BN_add(mid_bn, lo, hi) && BN_rshift1(mid_bn, mid_bn) && BN_sqr(cube, mid_bn, ctx) &&
			    BN_mul(cube, cube, mid_bn, ctx));
		BN_copy(BN_cmp(cube, want) > 0 ? hi : lo, mid_bn);
	}
	assert_true(BN_sqr(cube, lo, ctx) && BN_mul(cube, cube, lo, ctx));
	assert_int_equal(BN_bn2binpad(cube, block, sizeof(block)), sizeof(block));
	/* it does look like padding with the hash behind it, to a parser that does not look at the end */
	assert_memory_equal(block + 11, hash, 20);
	assert_int_equal(BN_bn2binpad(lo, sig, sizeof(sig)), sizeof(sig));
	assert_int_equal(cred_verify(k, (struct bytes){hash, 20}, (struct bytes){sig, sizeof(sig)}), -EKEYREJECTED);
	BN_free(lo);
	BN_free(hi);
	BN_free(mid_bn);
	BN_free(cube);
	BN_free(want);
	BN_CTX_free(ctx);
	EVP_PKEY_free(k);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(t_spec_5_files),
		TEST(t_spec_5_rename_and_remove),
		cmocka_unit_test(t_names_are_no_paths),
		TEST(t_damaged_files),
		TEST(t_spec_23_2_own_certificate),
		cmocka_unit_test(t_no_store),
		TEST(t_spec_23_2_judge),
		TEST(t_rfc5280_6_1_chain),
		TEST(t_rfc5280_6_3_revocation),
		TEST(t_crl_of_who_issued_the_anchor),
		TEST(t_hostile_bytes),
		cmocka_unit_test(t_spec_23_2_identities),
		cmocka_unit_test(t_spec_23_2_pkcs7),
		cmocka_unit_test(t_rfc2409_5_1_verify),
		cmocka_unit_test(t_forgery_with_exponent_3),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
