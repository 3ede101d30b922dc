/* SPDX-License-Identifier: BSD-2-Clause */
#include <openssl/crypto.h>

#include "ike/v1/keymat.h"

#define PRF(h, key, out, ...)                                                                                          \
	prf(h, key, (const struct bytes[]){__VA_ARGS__},                                                               \
	    sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes), out)
#define HASH(h, out, ...)                                                                                              \
	hash_of(h, (const struct bytes[]){__VA_ARGS__},                                                                \
		sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes), out)

struct be32 {
	uint8_t b[4];
};

static struct be32 be32_of(uint32_t v)
{
	return (struct be32){{(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}};
}

static struct bytes key_of(const struct hash *h, const uint8_t *key)
{
	return (struct bytes){key, h->len};
}

int ike1_skeyid_psk(const struct hash *h, struct bytes psk, const struct ike1_inputs *in, struct ike1_skeyid *k)
{
	return PRF(h, psk, k->skeyid, in->ni, in->nr);
}

int ike1_skeyid_sig(const struct hash *h, const struct ike1_inputs *in, struct ike1_skeyid *k)
{
	uint8_t key[512];
	struct wr w = {.buf = key, .size = sizeof(key)};

	wr_bytes(&w, in->ni);
	wr_bytes(&w, in->nr);
	return w.err ? -EINVAL : PRF(h, ((struct bytes){key, w.len}), k->skeyid, in->gxy);
}

int ike1_skeyid_rest(const struct hash *h, const struct ike1_inputs *in, struct ike1_skeyid *k)
{
	static const uint8_t digit[3] = {0, 1, 2};
	uint8_t *out[3] = {k->d, k->a, k->e};
	int rc = 0;

	for (unsigned i = 0; !rc && i < 3; i++) {
		struct bytes before = {i ? out[i - 1] : NULL, i ? h->len : 0};

		rc = PRF(h, key_of(h, k->skeyid), out[i], before, in->gxy, in->icookie, in->rcookie, {&digit[i], 1});
	}
	return rc;
}

int ike1_cipher_key(const struct hash *h, const struct ike1_skeyid *k, uint8_t *key, unsigned key_len)
{
	static const uint8_t zero;
	uint8_t block[HASH_MAX];
	struct bytes seed = {&zero, 1};
	int rc = 0;

	if (key_len <= h->len) {
		memcpy(key, k->e, key_len);
		return 0;
	}
	for (unsigned at = 0; !rc && at < key_len; at += h->len) {
		rc = PRF(h, key_of(h, k->e), block, seed);
		seed = (struct bytes){block, h->len};
		if (!rc)
			memcpy(key + at, block, MIN(h->len, key_len - at));
	}
	OPENSSL_cleanse(block, sizeof(block));
	return rc;
}

int ike1_iv_phase1(const struct hash *h, const struct ike1_inputs *in, uint8_t *iv, unsigned block)
{
	uint8_t all[HASH_MAX];
	int rc = HASH(h, all, in->gxi, in->gxr);

	if (!rc)
		memcpy(iv, all, block);
	return rc;
}

int ike1_iv_exchange(const struct hash *h, const uint8_t *last, uint32_t message_id, uint8_t *iv, unsigned block)
{
	struct be32 mid = be32_of(message_id);
	uint8_t all[HASH_MAX];
	int rc = HASH(h, all, {last, block}, {mid.b, 4});

	if (!rc)
		memcpy(iv, all, block);
	return rc;
}

int ike1_hash_i(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in, uint8_t *out)
{
	return PRF(h, key_of(h, k->skeyid), out, in->gxi, in->gxr, in->icookie, in->rcookie, in->sai, in->idii);
}

int ike1_hash_r(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in, uint8_t *out)
{
	return PRF(h, key_of(h, k->skeyid), out, in->gxr, in->gxi, in->rcookie, in->icookie, in->sai, in->idir);
}

int ike1_base_hash_i(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_inputs *in, uint8_t *out)
{
	return PRF(h, key_of(h, k->skeyid), out, in->gxi, in->icookie, in->rcookie, in->sai, in->idii);
}

int ike1_base_sig_hash_i(const struct hash *h, const struct ike1_inputs *in, int racoon_order, uint8_t *out)
{
	uint8_t key[HASH_MAX];
	int rc = HASH(h, key, racoon_order ? in->nr : in->ni, racoon_order ? in->ni : in->nr);

	return rc ? rc : PRF(h, key_of(h, key), out, in->gxi, in->icookie, in->rcookie, in->sai, in->idii);
}

int ike1_base_sig_hash_r(const struct hash *h, const struct ike1_inputs *in, uint8_t *out)
{
	uint8_t key[HASH_MAX];
	int rc = HASH(h, key, in->ni, in->nr);

	return rc ? rc : PRF(h, key_of(h, key), out, in->gxi, in->gxr, in->icookie, in->rcookie, in->sai, in->idii);
}

int ike1_hash1(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes rest, uint8_t *out)
{
	struct be32 mid = be32_of(message_id);

	return PRF(h, key_of(h, k->a), out, {mid.b, 4}, rest);
}

int ike1_hash2(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes ni,
	       struct bytes rest, uint8_t *out)
{
	struct be32 mid = be32_of(message_id);

	return PRF(h, key_of(h, k->a), out, {mid.b, 4}, ni, rest);
}

int ike1_hash3(const struct hash *h, const struct ike1_skeyid *k, uint32_t message_id, struct bytes ni, struct bytes nr,
	       uint8_t *out)
{
	static const uint8_t zero;
	struct be32 mid = be32_of(message_id);

	return PRF(h, key_of(h, k->a), out, {&zero, 1}, {mid.b, 4}, ni, nr);
}

int ike1_keymat(const struct hash *h, const struct ike1_skeyid *k, const struct ike1_child *c, uint8_t *out, size_t len)
{
	uint8_t block[HASH_MAX];
	struct bytes before = {0};
	int rc = 0;

	for (size_t at = 0; !rc && at < len; at += h->len) {
		rc = PRF(h, key_of(h, k->d), block, before, c->gxy, {&c->protocol, 1}, c->spi, c->ni, c->nr);
		before = (struct bytes){block, h->len};
		if (!rc)
			memcpy(out + at, block, MIN((size_t)h->len, len - at));
	}
	OPENSSL_cleanse(block, sizeof(block));
	return rc;
}

int ike1_nat_d(const struct hash *h, struct bytes icookie, struct bytes rcookie, struct bytes addr, uint16_t port,
	       uint8_t *out)
{
	uint8_t wire[2] = {(uint8_t)(port >> 8), (uint8_t)port};

	return HASH(h, out, icookie, rcookie, addr, {wire, 2});
}
