/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer sends of certificates, and what an operator imports: the first byte says as what the rest is taken: a certificate (0), one with
 * the rest as CRL behind a good one (1), a PKCS#7 bundle (2), an identity against a good certificate (3), a signature (4), a key file (5), a
 * certificate file (6).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ike/cred/cred.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/certs.h"
#include "user/conf/cred_import.h"

static struct cred *store;
static struct bytes good;
static EVP_PKEY *key;

static void remove_store(const struct paths *p)
{
	struct err e;
	char path[PATH_LEN + 32];
	static const char *const parts[] = {"/public/certificate/.last-id", "/public/certificate", "/public", ""};

	certs_must(cred_remove(p, CRED_CERTIFICATE, "root", &e) == 0, "remove");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", p->conf_dir, parts[i]);
		certs_must(remove(path) == 0, path);
	}
}

static void make_store(void)
{
	char folder[] = "/tmp/xi-f-cred.XXXXXX";
	struct cred_file f = {.name = "root", .trusted = true};
	struct paths p = {0};
	struct err e;
	X509 *leaf;
	int fd;

	certs_must(mkdtemp(folder) != NULL, "folder");
	(void)snprintf(p.conf_dir, sizeof(p.conf_dir), "%s", folder);
	key = certs_key(1024);
	f.cert = certs_make(&(struct cert_spec){.cn = "CA", .key = key, .basic = "CA:TRUE"});
	leaf = certs_make(&(struct cert_spec){.cn = "peer",
					      .issuer = f.cert,
					      .issuer_key = key,
					      .key = key,
					      .alt = "DNS:gw.example.net,IP:198.51.100.1,email:joe@example.net"});
	good = certs_der(leaf);
	certs_must(cred_write(&p, CRED_CERTIFICATE, &f, NULL, &e) == 0, "write");
	fd = cred_open_public(&p, &e);
	certs_must(fd >= 0 && cred_load(&store, fd, &e) == 0, "load");
	close(fd);
	X509_free(leaf);
	X509_free(f.cert);
	remove_store(&p);
}

static void judge(struct bytes cert, const struct cred_sent *sent)
{
	EVP_PKEY *pub;
	struct err why = {0};
	int rc = cred_judge(store, cert, sent, CERT_NOW, &pub, &why);

	if ((rc == 0) != (pub != NULL) || (rc && !why.text[0]))
		abort();
	EVP_PKEY_free(pub);
}

static int passphrase(void *ctx, char *buf, int size)
{
	(void)ctx;
	if (size < 2)
		return -1;
	buf[0] = 'x';
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data + 1, size - 1};
	struct ike_addr at = {.family = XI_IP4};
	struct msg_id id = {.type = IPSEC_ID_FQDN, .data = {(const uint8_t *)"gw.example.net", 14}};
	static uint8_t out[20000];
	struct cred_bundle bundle;
	struct err why;

	if (!store)
		make_store();
	if (size < 2)
		return 0;
	switch (data[0] % 7) {
	case 0:
		judge(in, NULL);
		(void)!cred_id_fits(in, &id, &at, 1, &why);
		break;
	case 1:
		judge(good, &(struct cred_sent){.crls = &in, .n_crls = 1, .links = &in, .n_links = 1});
		break;
	case 2:
		if (cred_pkcs7_pick(in, &id, out, sizeof(out)) > (int)sizeof(out))
			abort();
		break;
	case 3:
		id.type = data[1];
		id.data = (struct bytes){data + 2, size - 2};
		(void)!cred_id_fits(good, &id, &at, data[1] & 0x80, &why);
		break;
	case 5:
		EVP_PKEY_free(cred_import_key((const char *)in.p, in.len, passphrase, NULL));
		break;
	case 6:
		cred_import_bundle(&bundle, (const char *)in.p, in.len, passphrase, NULL);
		cred_bundle_free(&bundle);
		break;
	default:
		if (cred_verify(key, (struct bytes){in.p, MIN(in.len, 20)}, in) == 0)
			abort();
	}
	return 0;
}
