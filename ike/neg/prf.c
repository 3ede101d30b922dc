/* SPDX-License-Identifier: BSD-2-Clause */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "ike/msg/num.h"
#include "ike/neg/prf.h"

static const struct hash hashes[] = {
	{"md5", "MD5", IKE1_MD5, 16},	       {"sha1", "SHA1", IKE1_SHA1, 20},
	{"sha256", "SHA256", IKE1_SHA256, 32}, {"sha384", "SHA384", IKE1_SHA384, 48},
	{"sha512", "SHA512", IKE1_SHA512, 64},
};

const struct hash *hash_by_ike1(unsigned id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].ike1 == id)
			return &hashes[i];
	return NULL;
}

int hash_of(const struct hash *h, const struct bytes *part, unsigned n, uint8_t *out)
{
	EVP_MD *md = EVP_MD_fetch(NULL, h->md, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL);

	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, part[i].p, part[i].len);
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return ok ? 0 : -EIO;
}

int prf(const struct hash *h, struct bytes key, const struct bytes *part, unsigned n, uint8_t *out)
{
	static const uint8_t none;
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)h->md, 0),
			       OSSL_PARAM_construct_end()};
	int ok = ctx && EVP_MAC_init(ctx, key.len ? key.p : &none, key.len, digest);
	size_t len;

	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_MAC_update(ctx, part[i].p, part[i].len);
	ok = ok && EVP_MAC_final(ctx, out, &len, h->len) && len == h->len;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return ok ? 0 : -EIO;
}
