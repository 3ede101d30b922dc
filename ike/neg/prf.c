/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * By nettle, whose contexts stand on the stack: a negotiation has some forty short hashes, each HMAC with a key of its own, and setting OpenSSL's contexts up takes
 * longer than the hashing.
 */
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <openssl/crypto.h>

#include "ike/msg/num.h"
#include "ike/neg/prf.h"

static const struct hash hashes[] = {
	{"md5", &nettle_md5, IKE1_MD5, 16},	     {"sha1", &nettle_sha1, IKE1_SHA1, 20},
	{"sha256", &nettle_sha256, IKE1_SHA256, 32}, {"sha384", &nettle_sha384, IKE1_SHA384, 48},
	{"sha512", &nettle_sha512, IKE1_SHA512, 64},
};

const struct hash *hash_by_ike1(unsigned id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].ike1 == id)
			return &hashes[i];
	return NULL;
}

union state {
	struct md5_ctx md5;
	struct sha1_ctx sha1;
	struct sha256_ctx sha256;
	struct sha512_ctx sha512; /* sha384, too */
};

int hash_of(const struct hash *h, const struct bytes *part, unsigned n, uint8_t *out)
{
	union state s;

	h->nettle->init(&s);
	for (unsigned i = 0; i < n; i++)
		h->nettle->update(&s, part[i].len, part[i].p);
	h->nettle->digest(&s, h->len, out);
	OPENSSL_cleanse(&s, h->nettle->context_size);
	return 0;
}

int prf(const struct hash *h, struct bytes key, const struct bytes *part, unsigned n, uint8_t *out)
{
	struct {
		union state outer, inner, now;
	} s;

	hmac_set_key(&s.outer, &s.inner, &s.now, h->nettle, key.len, key.p);
	for (unsigned i = 0; i < n; i++)
		hmac_update(&s.now, h->nettle, part[i].len, part[i].p);
	hmac_digest(&s.outer, &s.inner, &s.now, h->nettle, h->len, out);
	OPENSSL_cleanse(&s, sizeof(s));
	return 0;
}
