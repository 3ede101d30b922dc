/* SPDX-License-Identifier: BSD-2-Clause */
/* Running known answers (see kat.h); they stand in kat_table.c. */
#include "user/crypto/kat.h"

#include <errno.h>
#include <stdlib.h>

#include "user/crypto/engine_priv.h"

#define KAT_MAX 128
#define ESP_HDR_MAX 16

const struct kat *kat_of(unsigned i, enum xi_engine by)
{
	(void)by;
	return kat_at(i);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int kat_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;

	for (; hex && *hex; hex += 2, n++) {
		int hi = nibble(hex[0]), lo = hi < 0 ? -1 : nibble(hex[1]);

		if (lo < 0 || n >= cap)
			return -EINVAL;
		out[n] = (uint8_t)(hi << 4 | lo);
	}
	return (int)n;
}

int kat_sa(const struct kat *t, struct xi_sa *sa)
{
	const struct alg *enc = alg_by_name(ALG_ENC, t->enc), *auth = alg_by_name(ALG_AUTH, t->auth);
	int ek, ak;

	*sa = (struct xi_sa){0};
	ek = kat_hex(t->enc_key, sa->enc_key, sizeof(sa->enc_key));
	ak = kat_hex(t->auth_key, sa->auth_key, sizeof(sa->auth_key));
	if (!enc || !auth || ek < 0 || ak < 0)
		return -EINVAL;
	sa->proto = auth->flags & ALG_F_AH_ONLY ? XI_PROTO_AH : XI_PROTO_ESP;
	sa->enc_alg = enc->abi;
	sa->auth_alg = auth->abi;
	sa->enc_key_len = (__u16)ek;
	sa->auth_key_len = (__u16)ak;
	return 0;
}

/* A case as bytes: esp, IV as on the wire, text, ICV behind one another, as in a packet. */
struct kat_bytes {
	uint8_t buf[ESP_HDR_MAX + 16 + 2 * KAT_MAX];
	uint8_t in[2 * KAT_MAX], out[2 * KAT_MAX];
	int in_len, out_len;
	struct crypto_job job;
};

static int kat_load(struct kat_bytes *b, const struct kat *t, const struct keyctx *k)
{
	const struct alg *enc = alg_by_name(ALG_ENC, t->enc), *auth = alg_by_name(ALG_AUTH, t->auth);
	uint8_t iv[16] = {0};
	int iv_len = kat_hex(t->iv, iv, sizeof(iv)), esp_len;

	memset(b, 0, sizeof(*b));
	b->in_len = kat_hex(t->in, b->in, KAT_MAX);
	b->out_len = kat_hex(t->out, b->out, sizeof(b->out));
	esp_len = kat_hex(t->esp, b->buf, ESP_HDR_MAX);
	if (iv_len < 0 || b->in_len < 0 || b->out_len < b->in_len || esp_len < 0)
		return -EINVAL;
	b->job.key = k;
	b->job.auth = b->buf;
	memcpy(b->job.iv, iv, sizeof(iv));
	if (auth->flags & ALG_F_AH_ONLY)
		iv_len = 0; /* not in front of what is authenticated */
	memcpy(b->buf + esp_len, iv, (size_t)iv_len);
	/* RFC 2202 knows no IV: the text follows the eight bytes at once. */
	b->job.text = b->buf + esp_len + iv_len;
	b->job.text_len = auth->flags & ALG_F_AH_ONLY ? 0 : (uint32_t)b->in_len;
	b->job.auth_len = (uint32_t)(esp_len + (enc->flags & ALG_F_AEAD ? 0 : iv_len + b->in_len));
	b->job.icv = b->out_len > b->in_len ? b->job.text + b->in_len : NULL;
	return 0;
}

static int kat_both_ways(struct engine *en, struct kat_bytes *b)
{
	struct crypto_job *j = &b->job;

	memcpy(j->text, b->in, (size_t)b->in_len);
	engine_seal(en, j, 1);
	if (!j->ok || memcmp(j->text, b->out, (size_t)b->out_len) != 0)
		return -EIO;
	engine_open(en, j, 1);
	if (!j->ok || memcmp(j->text, b->in, (size_t)b->in_len) != 0)
		return -EIO;
	if (!j->icv)
		return 0;
	memcpy(j->text, b->out, (size_t)b->out_len);
	j->icv[0] ^= 1;
	engine_open(en, j, 1);
	return j->ok ? -EIO : 0;
}

static int kat_with(struct engine *en, struct keyctx *k, const struct kat *t)
{
	struct kat_bytes b;
	struct xi_sa sa;
	int rc = kat_sa(t, &sa);

	if (rc == 0)
		rc = keyctx_init(en, k, &sa);
	if (rc < 0)
		return rc;
	rc = kat_load(&b, t, k);
	if (rc == 0)
		rc = kat_both_ways(en, &b);
	keyctx_wipe(en, k);
	return rc;
}

int kat_run(struct engine *en, const struct kat *t)
{
	size_t size = (keyctx_size() + 63) & ~(size_t)63;
	struct keyctx *k = aligned_alloc(64, size);
	int rc;

	if (!k)
		return -ENOMEM;
	memset(k, 0, size);
	rc = kat_with(en, k, t);
	free(k);
	return rc;
}
