/* SPDX-License-Identifier: BSD-2-Clause */
/* Known answers from the RFCs and from NIST, and the self-test over them (see kat.h). */
#include "user/crypto/kat.h"

#include <errno.h>
#include <stdlib.h>

#include "user/crypto/alg.h"

#define KAT_MAX 128
#define ESP_HDR 8

/* RFC 2202 has its keys one byte repeated; texts are split behind their eighth byte, which ESP's header takes. */
static const struct kat table[] = {
	{.source = "RFC 3602 §4 case 1",
	 .enc = "aes-128",
	 .auth = "null",
	 .enc_key = "06a9214036b8a15b512e03d534120006",
	 .iv = "3dafba429d9eb430b422da802c9fac41",
	 .in = "53696e676c6520626c6f636b206d7367",
	 .out = "e353779c1079aeb82708942dbe77181a"},
	{.source = "NIST SP 800-38A F.2.3",
	 .enc = "aes-192",
	 .auth = "null",
	 .enc_key = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
	 .iv = "000102030405060708090a0b0c0d0e0f",
	 .in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	 .out = "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
	{.source = "NIST SP 800-38A F.2.5",
	 .enc = "aes-256",
	 .auth = "null",
	 .enc_key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
	 .iv = "000102030405060708090a0b0c0d0e0f",
	 .in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	 .out = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
	{.source = "RFC 2202 §2 case 5, 96 bits",
	 .enc = "null",
	 .auth = "md5",
	 .auth_key = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	 .esp = "5465737420576974",
	 .in = "68205472756e636174696f6e",
	 .out = "68205472756e636174696f6e56461ef2342edc00f9bab995"},
	{.source = "RFC 2202 §3 case 5, 96 bits",
	 .enc = "null",
	 .auth = "sha1",
	 .auth_key = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	 .esp = "5465737420576974",
	 .in = "68205472756e636174696f6e",
	 .out = "68205472756e636174696f6e4c1a03424b55e07fe7f27be1"},
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 128-bit key",
	 .enc = "aes-128-gcm",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
	       "0001000000000000037369700963796265726369747902646b00000100010001",
	 .out = "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
		"3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1"
		"83b70d3aa8bc6ee4c309e9d85a41ad4a"},
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 192-bit key",
	 .enc = "aes-192-gcm",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
		"315b27452144cc7795457b9652037f5318027b5b4cd7a636"},
	{.source = "draft-mcgrew-gcm-test-01, SPI 4a2cbfe3, 256-bit key",
	 .enc = "aes-256-gcm",
	 .auth = "null",
	 .enc_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
	       "7002400020bf0000020405b40101040201020201",
	 .out = "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
		"748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96"},
};

const struct kat *kat_at(unsigned i)
{
	return i < ARRAY_SIZE(table) ? &table[i] : NULL;
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
	sa->enc_alg = enc->abi;
	sa->auth_alg = auth->abi;
	sa->enc_key_len = (__u16)ek;
	sa->auth_key_len = (__u16)ak;
	return 0;
}

/* A case as bytes: esp, IV as on the wire, text, ICV behind one another, as in a packet. */
struct kat_bytes {
	uint8_t buf[ESP_HDR + 16 + 2 * KAT_MAX];
	uint8_t in[2 * KAT_MAX], out[2 * KAT_MAX];
	int in_len, out_len;
	struct crypto_job job;
};

static int kat_is_aead(const struct kat *t)
{
	return (alg_by_name(ALG_ENC, t->enc)->flags & ALG_F_AEAD) != 0;
}

static int kat_load(struct kat_bytes *b, const struct kat *t, const struct keyctx *k)
{
	uint8_t iv[16] = {0};
	int iv_len = kat_hex(t->iv, iv, sizeof(iv));

	memset(b, 0, sizeof(*b));
	b->in_len = kat_hex(t->in, b->in, KAT_MAX);
	b->out_len = kat_hex(t->out, b->out, sizeof(b->out));
	if (iv_len < 0 || b->in_len < 0 || b->out_len < b->in_len || kat_hex(t->esp, b->buf, ESP_HDR) < 0)
		return -EINVAL;
	memcpy(b->buf + ESP_HDR, iv, (size_t)iv_len);
	b->job.key = k;
	b->job.auth = b->buf;
	/* RFC 2202 knows no IV: the text follows the eight bytes at once. */
	b->job.text = b->buf + ESP_HDR + iv_len;
	b->job.text_len = (uint32_t)b->in_len;
	b->job.auth_len = kat_is_aead(t) ? ESP_HDR : (uint32_t)(b->job.text - b->buf) + b->job.text_len;
	b->job.icv = b->out_len > b->in_len ? b->job.text + b->in_len : NULL;
	memcpy(b->job.iv, iv, sizeof(iv));
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

int kat_run(struct engine *en, const struct kat *t, struct err *e)
{
	size_t size = (keyctx_size() + 63) & ~(size_t)63;
	struct keyctx *k = aligned_alloc(64, size);
	int rc;

	if (!k)
		return err_set(e, -ENOMEM, "no memory for the self-test of the crypto engine");
	memset(k, 0, size);
	rc = kat_with(en, k, t);
	free(k);
	if (rc < 0)
		return err_set(e, -EIO, "crypto engine %s fails its self-test: %s/%s, %s", engine_name(en), t->enc,
			       t->auth, t->source);
	return 0;
}

int kat_run_all(struct engine *en, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ARRAY_SIZE(table); i++)
		rc = kat_run(en, &table[i], e);
	return rc;
}
