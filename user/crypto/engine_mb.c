/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast engine on intel-ipsec-mb. AES-GCM runs packet by packet through the library's direct functions (one packet alone
 * fills the vector units); CBC and HMAC, serial within a packet, run up to 16 packets side by side through its job bursts.
 * Arguments are checked here once, so that the library's unchecked variants can be used.
 */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 2104 §4: the hash states behind the two padded keys are computed once. */
static void hmac_key(IMB_MGR *m, struct mb_key *k, unsigned auth_alg, const struct xi_sa *sa)
{
	uint8_t ipad[HMAC_BLOCK], opad[HMAC_BLOCK];

	memset(ipad, 0x36, sizeof(ipad));
	memset(opad, 0x5c, sizeof(opad));
	for (unsigned i = 0; i < sa->auth_key_len; i++) {
		ipad[i] ^= sa->auth_key[i];
		opad[i] ^= sa->auth_key[i];
	}
	if (auth_alg == XI_AUTH_SHA1) {
		k->hash = IMB_AUTH_HMAC_SHA_1;
		IMB_SHA1_ONE_BLOCK(m, ipad, k->ipad);
		IMB_SHA1_ONE_BLOCK(m, opad, k->opad);
	} else if (auth_alg == XI_AUTH_MD5) {
		k->hash = IMB_AUTH_MD5;
		IMB_MD5_ONE_BLOCK(m, ipad, k->ipad);
		IMB_MD5_ONE_BLOCK(m, opad, k->opad);
	} else {
		k->hash = IMB_AUTH_NULL;
	}
	explicit_bzero(ipad, sizeof(ipad));
	explicit_bzero(opad, sizeof(opad));
}

static void gcm_key(IMB_MGR *m, struct mb_key *k, const uint8_t *key, unsigned len)
{
	if (len == 16) {
		IMB_AES128_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm128_enc;
		k->gcm_open = m->gcm128_dec;
	} else if (len == 24) {
		IMB_AES192_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm192_enc;
		k->gcm_open = m->gcm192_dec;
	} else {
		IMB_AES256_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm256_enc;
		k->gcm_open = m->gcm256_dec;
	}
}

static void cbc_key(IMB_MGR *m, struct mb_key *k, const uint8_t *key, unsigned len)
{
	k->cipher = IMB_CIPHER_CBC;
	if (len == 16)
		IMB_AES_KEYEXP_128(m, key, k->cbc.enc, k->cbc.dec);
	else if (len == 24)
		IMB_AES_KEYEXP_192(m, key, k->cbc.enc, k->cbc.dec);
	else
		IMB_AES_KEYEXP_256(m, key, k->cbc.enc, k->cbc.dec);
}

static int mb_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	k->mb.cipher = IMB_CIPHER_NULL;
	hmac_key(en->mgr, &k->mb, k->auth_alg, sa);
	if (k->enc_alg == XI_ENC_AES_GCM)
		gcm_key(en->mgr, &k->mb, sa->enc_key, k->aes_len);
	else if (k->enc_alg == XI_ENC_AES_CBC)
		cbc_key(en->mgr, &k->mb, sa->enc_key, k->aes_len);
	return 0;
}

static void mb_key_wipe(struct keyctx *k)
{
	(void)k; /* no pointers; the caller wipes the bytes */
}

/* Salt and explicit IV behind one another (RFC 4106 §4). */
static void gcm_iv(uint8_t iv[16], const struct crypto_job *j)
{
	memcpy(iv, j->key->salt, 4);
	memcpy(iv + 4, j->iv, 8);
}

static void gcm_seal(struct crypto_job *j, const uint8_t *iv)
{
	const struct mb_key *k = &j->key->mb;
	struct gcm_context_data ctx;

	k->gcm_seal(&k->gcm, &ctx, j->text, j->text, j->text_len, iv, j->auth, j->auth_len, j->icv, 16);
	j->ok = 1;
}

static void gcm_open(struct crypto_job *j, const uint8_t *iv)
{
	const struct mb_key *k = &j->key->mb;
	struct gcm_context_data ctx;
	uint8_t icv[16];

	k->gcm_open(&k->gcm, &ctx, j->text, j->text, j->text_len, iv, j->auth, j->auth_len, icv, 16);
	j->ok = !ct_diff(icv, j->icv, 16);
}

static void fill(IMB_JOB *b, struct crypto_job *j, uint8_t *icv, int seal)
{
	const struct mb_key *k = &j->key->mb;
	uint64_t head = j->text_len ? (uint64_t)(j->text - j->auth) : 0;

	b->enc_keys = k->cbc.enc;
	b->dec_keys = k->cbc.dec;
	b->key_len_in_bytes = j->key->aes_len;
	b->src = j->auth;
	b->dst = j->auth + head;
	b->cipher_start_src_offset_in_bytes = head;
	b->msg_len_to_cipher_in_bytes = j->text_len;
	b->hash_start_src_offset_in_bytes = 0;
	b->msg_len_to_hash_in_bytes = j->auth_len;
	b->iv = j->iv;
	b->iv_len_in_bytes = AES_BLOCK;
	b->auth_tag_output = icv;
	b->auth_tag_output_len_in_bytes = j->key->icv_len;
	b->u.HMAC._hashed_auth_key_xor_ipad = k->ipad;
	b->u.HMAC._hashed_auth_key_xor_opad = k->opad;
	b->cipher_mode = k->cipher;
	b->hash_alg = k->hash;
	b->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	b->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	b->status = IMB_STATUS_BEING_PROCESSED;
	b->user_data = j;
}

static void collect(IMB_JOB **b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct crypto_job *j = b[i]->user_data;

		j->ok = b[i]->status == IMB_STATUS_COMPLETED;
	}
}

/*
 * Jobs for the multi-buffer scheduler. The manager is empty before and after, so that a burst always finds room.
 * RFC 4303 §3.4.4.1 lets decryption run beside the ICV check as long as the result is held back until both are done: who
 * called sees ok = 0 and drops.
 */
static void burst(struct engine *en, struct crypto_job **job, unsigned n, int seal)
{
	IMB_JOB *b[ENGINE_BURST_MAX];
	unsigned done;

	if (IMB_GET_NEXT_BURST(en->mgr, n, b) != n)
		return;
	for (unsigned i = 0; i < n; i++)
		fill(b[i], job[i], seal ? job[i]->icv : en->icv[i], seal);
	done = IMB_SUBMIT_BURST_NOCHECK(en->mgr, n, b);
	collect(b, done);
	while (done < n) {
		unsigned more = IMB_FLUSH_BURST(en->mgr, n - done, b);

		if (!more)
			return;
		collect(b, more);
		done += more;
	}
	if (seal)
		return;
	for (unsigned i = 0; i < n; i++)
		if (ct_diff(en->icv[i], job[i]->icv ? job[i]->icv : en->icv[i], job[i]->key->icv_len))
			job[i]->ok = 0;
}

static void run(struct engine *en, struct crypto_job *job, unsigned n, int seal)
{
	struct crypto_job *aead[ENGINE_BURST_MAX], *side[ENGINE_BURST_MAX];
	unsigned n_aead = 0, n_side = 0;

	/* All IVs first: GCM loads 16 bytes at once and would wait for a store just made in pieces. */
	for (unsigned i = 0; i < n; i++) {
		struct crypto_job *j = &job[i];
		const struct keyctx *k = j->key;

		j->ok = 0;
		if (unlikely(!job_fits(j)))
			continue;
		if (k->enc_alg == XI_ENC_AES_GCM) {
			gcm_iv(en->iv[n_aead], j);
			aead[n_aead++] = j;
		} else if (k->aes_len || k->icv_len) {
			side[n_side++] = j;
		} else {
			j->ok = 1; /* both null */
		}
	}
	for (unsigned i = 0; i < n_aead; i++)
		(seal ? gcm_seal : gcm_open)(aead[i], en->iv[i]);
	if (n_side)
		burst(en, side, n_side, seal);
}

static void mb_seal(struct engine *en, struct crypto_job *job, unsigned n)
{
	run(en, job, n, 1);
}

static void mb_open(struct engine *en, struct crypto_job *job, unsigned n)
{
	run(en, job, n, 0);
}

static void mb_free(struct engine *en)
{
	free_mb_mgr(en->mgr); /* wipes its own key copies: the library is built with SAFE_DATA */
	en->mgr = NULL;
}

static const struct engine_ops mb_ops = {
	.kind = XI_ENGINE_IPSEC_MB,
	.key_init = mb_key_init,
	.key_wipe = mb_key_wipe,
	.seal = mb_seal,
	.open = mb_open,
	.free = mb_free,
};

int engine_mb_setup(struct engine *en, struct err *e)
{
	static const char *const arch_name[IMB_ARCH_NUM] = {
		[IMB_ARCH_NONE] = "?",	[IMB_ARCH_NOAESNI] = "no-aesni", [IMB_ARCH_SSE] = "sse",
		[IMB_ARCH_AVX] = "avx", [IMB_ARCH_AVX2] = "avx2",	 [IMB_ARCH_AVX512] = "avx512",
	};
	IMB_ARCH arch = IMB_ARCH_NONE;

	if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul"))
		return err_set(e, -ENOTSUP, "this CPU has no AES instructions: use XDP_IPSEC_ENGINE=openssl");
	en->mgr = alloc_mb_mgr(0);
	if (!en->mgr)
		return err_set(e, -ENOMEM, "no memory for intel-ipsec-mb");
	init_mb_mgr_auto(en->mgr, &arch);
	if (imb_get_errno(en->mgr) != 0 || arch <= IMB_ARCH_NOAESNI || arch >= IMB_ARCH_NUM) {
		int code = imb_get_errno(en->mgr);

		mb_free(en);
		return err_set(e, -ENOTSUP, "intel-ipsec-mb does not run here: %s", imb_get_strerror(code));
	}
	en->ops = &mb_ops;
	(void)snprintf(en->name, sizeof(en->name), "ipsec-mb %s %s", imb_get_version_str(), arch_name[arch]);
	return 0;
}
