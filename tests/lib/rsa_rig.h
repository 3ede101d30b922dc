/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and certificates of the two ends of quick_rig.h: a CA that both trust, a certificate and a key "own" of each, the other's public key as "peer". Keys of
 * 1024 bits are made anew for each run. Include cmocka.h or fuzz code first.
 */
#ifndef LIB_RSA_RIG_H
#define LIB_RSA_RIG_H

#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/certs.h"
#include "tests/lib/quick_rig.h"
#include "user/conf/cred_files.h"

static struct {
	EVP_PKEY *ca_key, *key[2];
	X509 *ca;
	char folder[2][32];
	struct paths paths[2];
	struct cred *lent[2];
} rsa;

static inline void rsa_write(unsigned end, enum cred_kind kind, const char *name, X509 *x, EVP_PKEY *pub, int trusted)
{
	struct cred_file f = {.trusted = trusted != 0, .cert = x, .pub = pub};
	struct err e;

	(void)str_copy(f.name, sizeof(f.name), name);
	certs_must(cred_write(&rsa.paths[end], kind, &f, NULL, &e) == 0, name);
}

/* A certificate of k, by the CA unless the spec names another issuer; the caller's. */
static inline X509 *rsa_leaf(const char *cn, EVP_PKEY *k, struct cert_spec s)
{
	s.cn = cn;
	s.key = k;
	s.issuer = s.issuer ? s.issuer : rsa.ca;
	s.issuer_key = s.issuer_key ? s.issuer_key : rsa.ca_key;
	return certs_make(&s);
}

static inline void rsa_put_own(unsigned end, struct cert_spec s)
{
	X509 *x = rsa_leaf(end ? "end 1" : "end 0", rsa.key[end], s);

	rsa_write(end, CRED_CERTIFICATE, "own", x, NULL, 0);
	X509_free(x);
}

static inline void rsa_setup(void)
{
	rsa.ca_key = certs_key(1024);
	rsa.ca = certs_make(&(struct cert_spec){.cn = "CA", .key = rsa.ca_key, .basic = "critical,CA:TRUE"});
	for (unsigned i = 0; i < 2; i++)
		rsa.key[i] = certs_key(1024);
	for (unsigned i = 0; i < 2; i++) {
		strcpy(rsa.folder[i], "/tmp/xi-rsa-rig.XXXXXX");
		certs_must(mkdtemp(rsa.folder[i]) != NULL, "folder");
		(void)snprintf(rsa.paths[i].conf_dir, sizeof(rsa.paths[i].conf_dir), "%s", rsa.folder[i]);
		rsa_write(i, CRED_CERTIFICATE, "ca", rsa.ca, NULL, 1);
		rsa_write(i, CRED_KEY, "peer", NULL, rsa.key[!i], 0);
		rsa_put_own(i, (struct cert_spec){0});
	}
}

/* The folders alone: what was loaded from them stays. */
static inline void rsa_remove(void)
{
	char command[128];

	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(command, sizeof(command), "rm -rf %s", rsa.folder[i]);
		certs_must(system(command) == 0, command);
	}
}

static inline void rsa_teardown(void)
{
	rsa_remove();
	for (unsigned i = 0; i < 2; i++) {
		EVP_PKEY_free(rsa.key[i]);
		cred_free(rsa.lent[i]);
	}
	X509_free(rsa.ca);
	EVP_PKEY_free(rsa.ca_key);
}

/* The store of an end as a configuration has it. */
static inline struct cred *rsa_store(unsigned end)
{
	struct cred *c = NULL;
	struct err e;
	int fd = cred_open_public(&rsa.paths[end], &e);

	certs_must(fd >= 0 && cred_load(&c, fd, &e) == 0, "store");
	close(fd);
	return c;
}

/* The same store for many rigs, since reading one takes longer than phase 1; before a rig ends they come back with rsa_take_back(). */
static inline struct cred *rsa_lend(unsigned end)
{
	if (!rsa.lent[end])
		rsa.lent[end] = rsa_store(end);
	return rsa.lent[end];
}

static inline void rsa_take_back(struct rig *r)
{
	for (unsigned i = 0; r && i < 2; i++)
		if (r->end[i].k->conf->cred == rsa.lent[i])
			r->end[i].k->conf->cred = NULL;
}

static inline int64_t rsa_wall(void *ctx)
{
	(void)ctx;
	return CERT_NOW;
}

/* RFC 2409 §5.1: the hash alone, in type 1 padding. */
static inline void rsa_signature(EVP_PKEY *k, struct ike_sign *s)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);

	s->sig_len = sizeof(s->sig);
	certs_must(EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
			   EVP_PKEY_sign(c, s->sig, &s->sig_len, s->text, s->text_len) == 1,
		   "signature");
	EVP_PKEY_CTX_free(c);
	s->rc = 0;
}

/* --- a key process that takes its time: signatures wait among the jobs of the thread pool --- */
struct rsa_job {
	struct ike_job job;
	EVP_PKEY *key;
	struct ike_sign *s;
};

static void rsa_job_run(struct ike_job *job)
{
	struct rsa_job *j = (struct rsa_job *)job;

	rsa_signature(j->key, j->s);
}

static void rsa_job_done(struct ike_job *job)
{
	struct rsa_job *j = (struct rsa_job *)job;
	struct ike_sign *s = j->s;

	free(j);
	s->done(s);
}

static inline void rsa_sign_later(void *ctx, struct ike_sign *s)
{
	struct rsa_job *j = calloc(1, sizeof(*j));

	certs_must(j != NULL, "memory");
	*j = (struct rsa_job){{.run = rsa_job_run, .done = rsa_job_done}, rsa.key[((struct rig_end *)ctx)->me], s};
	rig_work(ctx, &j->job);
}

#endif
