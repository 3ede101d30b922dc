/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast engine on intel-ipsec-mb. AES-GCM and GMAC run packet by packet through the library's direct functions (one packet
 * alone fills the vector units); what is serial within a packet (CBC, HMAC, XCBC, CMAC, CCM, DES) runs side by side through its
 * job bursts, and with it all the rest. Arguments are checked here once, so that the library's unchecked variants can be used.
 */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const IMB_CIPHER_MODE ciphers[XI_ENC_MAX] = {
	[XI_ENC_NULL] = IMB_CIPHER_NULL,
	[XI_ENC_DES] = IMB_CIPHER_DES,
	[XI_ENC_3DES] = IMB_CIPHER_DES3,
	[XI_ENC_AES_CBC] = IMB_CIPHER_CBC,
	[XI_ENC_AES_CTR] = IMB_CIPHER_CNTR,
	[XI_ENC_AES_CCM] = IMB_CIPHER_CCM,
	[XI_ENC_AES_CCM_12] = IMB_CIPHER_CCM,
	[XI_ENC_AES_CCM_8] = IMB_CIPHER_CCM,
	[XI_ENC_CHACHA20] = IMB_CIPHER_CHACHA20_POLY1305,
	[XI_ENC_AES_GCM] = IMB_CIPHER_GCM,
	[XI_ENC_AES_GCM_12] = IMB_CIPHER_GCM,
	[XI_ENC_AES_GCM_8] = IMB_CIPHER_GCM,
	[XI_ENC_AES_GMAC] = IMB_CIPHER_GCM,
};

static const IMB_HASH_ALG macs[XI_AUTH_MAX] = {
	[XI_AUTH_NULL] = IMB_AUTH_NULL,		  [XI_AUTH_MD5] = IMB_AUTH_MD5,
	[XI_AUTH_SHA1] = IMB_AUTH_HMAC_SHA_1,	  [XI_AUTH_SHA256] = IMB_AUTH_HMAC_SHA_256,
	[XI_AUTH_SHA384] = IMB_AUTH_HMAC_SHA_384, [XI_AUTH_SHA512] = IMB_AUTH_HMAC_SHA_512,
	[XI_AUTH_AES_XCBC] = IMB_AUTH_AES_XCBC,	  [XI_AUTH_AES_CMAC] = IMB_AUTH_AES_CMAC,
	[XI_AUTH_AES_GMAC] = IMB_AUTH_AES_GMAC,
};

int mb_knows(const struct alg *a)
{
	if (a->kind == ALG_AUTH)
		return macs[a->abi] != 0;
	/* The library has no CCM with 192 bits. */
	return ciphers[a->abi] != 0 && !(ciphers[a->abi] == IMB_CIPHER_CCM && a->key_len == 24);
}

static void one_block(IMB_MGR *m, unsigned auth_alg, const uint8_t *in, uint8_t *out)
{
	switch (auth_alg) {
	case XI_AUTH_MD5:
		IMB_MD5_ONE_BLOCK(m, in, out);
		break;
	case XI_AUTH_SHA1:
		IMB_SHA1_ONE_BLOCK(m, in, out);
		break;
	case XI_AUTH_SHA256:
		IMB_SHA256_ONE_BLOCK(m, in, out);
		break;
	case XI_AUTH_SHA384:
		IMB_SHA384_ONE_BLOCK(m, in, out);
		break;
	default:
		IMB_SHA512_ONE_BLOCK(m, in, out);
		break;
	}
}

/* RFC 2104 §4: the hash states behind the two padded keys are computed once. Keys are no longer than a block. */
static void hmac_key(IMB_MGR *m, struct mb_key *k, unsigned auth_alg, const struct xi_sa *sa)
{
	uint8_t ipad[HMAC_BLOCK_MAX], opad[HMAC_BLOCK_MAX];

	memset(ipad, 0x36, sizeof(ipad));
	memset(opad, 0x5c, sizeof(opad));
	for (unsigned i = 0; i < sa->auth_key_len; i++) {
		ipad[i] ^= sa->auth_key[i];
		opad[i] ^= sa->auth_key[i];
	}
	one_block(m, auth_alg, ipad, k->hmac.ipad);
	one_block(m, auth_alg, opad, k->hmac.opad);
	explicit_bzero(ipad, sizeof(ipad));
	explicit_bzero(opad, sizeof(opad));
}

static void gcm_key(IMB_MGR *m, struct mb_key *k, const uint8_t *key, unsigned len)
{
	if (len == 16) {
		IMB_AES128_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm128_enc;
		k->gcm_open = m->gcm128_dec;
		k->gmac_init = m->gmac128_init;
		k->gmac_update = m->gmac128_update;
		k->gmac_final = m->gmac128_finalize;
	} else if (len == 24) {
		IMB_AES192_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm192_enc;
		k->gcm_open = m->gcm192_dec;
		k->gmac_init = m->gmac192_init;
		k->gmac_update = m->gmac192_update;
		k->gmac_final = m->gmac192_finalize;
	} else {
		IMB_AES256_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm256_enc;
		k->gcm_open = m->gcm256_dec;
		k->gmac_init = m->gmac256_init;
		k->gmac_update = m->gmac256_update;
		k->gmac_final = m->gmac256_finalize;
	}
}

static void aes_key(IMB_MGR *m, struct mb_key *k, const uint8_t *key, unsigned len)
{
	if (len == 16)
		IMB_AES_KEYEXP_128(m, key, k->aes.enc, k->aes.dec);
	else if (len == 24)
		IMB_AES_KEYEXP_192(m, key, k->aes.enc, k->aes.dec);
	else
		IMB_AES_KEYEXP_256(m, key, k->aes.enc, k->aes.dec);
	k->enc_keys = k->aes.enc;
	k->dec_keys = k->cipher == IMB_CIPHER_CBC ? k->aes.dec : k->aes.enc;
}

/* RFC 2451 §2.3: three keys, encrypt - decrypt - encrypt; DES uses the first. */
static void des_key(IMB_MGR *m, struct mb_key *k, const uint8_t *key, unsigned len)
{
	for (unsigned i = 0; i < len / 8; i++) {
		(void)IMB_DES_KEYSCHED(m, k->des.round[i], key + (size_t)8 * i);
		k->des.all[i] = k->des.round[i];
	}
	k->enc_keys = k->dec_keys = len == 8 ? (const void *)k->des.round[0] : k->des.all;
}

static void cipher_key(IMB_MGR *m, struct keyctx *k, const uint8_t *key)
{
	struct mb_key *b = &k->mb;

	b->cipher = ciphers[k->enc_alg];
	switch (k->enc_alg) {
	case XI_ENC_NULL:
		break;
	case XI_ENC_DES:
	case XI_ENC_3DES:
		des_key(m, b, key, k->key_len);
		break;
	case XI_ENC_CHACHA20:
		memcpy(b->chacha, key, sizeof(b->chacha));
		b->enc_keys = b->dec_keys = b->chacha;
		break;
	default:
		if (b->cipher == IMB_CIPHER_GCM)
			gcm_key(m, b, key, k->key_len);
		else
			aes_key(m, b, key, k->key_len);
		break;
	}
}

static void mac_key(IMB_MGR *m, struct keyctx *k, const struct xi_sa *sa)
{
	struct mb_key *b = &k->mb;

	b->hash = macs[k->auth_alg];
	switch (k->auth_alg) {
	case XI_AUTH_NULL:
		break;
	case XI_AUTH_AES_XCBC:
		IMB_AES_XCBC_KEYEXP(m, sa->auth_key, b->mac.round, b->mac.sub[0], b->mac.sub[1]);
		break;
	case XI_AUTH_AES_CMAC: {
		uint8_t unused[15 * AES_BLOCK] __attribute__((aligned(64)));

		IMB_AES_KEYEXP_128(m, sa->auth_key, b->mac.round, unused);
		IMB_AES_CMAC_SUBKEY_GEN_128(m, b->mac.round, b->mac.sub[0], b->mac.sub[1]);
		explicit_bzero(unused, sizeof(unused));
		break;
	}
	case XI_AUTH_AES_GMAC:
		gcm_key(m, b, sa->auth_key, sa->auth_key_len - k->salt_len);
		break;
	default:
		hmac_key(m, b, k->auth_alg, sa);
		break;
	}
}

int mb_key_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	mac_key(en->mgr, k, sa);
	cipher_key(en->mgr, k, sa->enc_key);
	if (k->how == HOW_CCM)
		k->mb.hash = IMB_AUTH_AES_CCM;
	else if (k->how == HOW_CHACHA)
		k->mb.hash = IMB_AUTH_CHACHA20_POLY1305;
	return 0;
}

static void gcm_seal(struct crypto_job *j, const uint8_t *iv)
{
	const struct mb_key *k = &j->key->mb;
	struct gcm_context_data ctx;

	k->gcm_seal(&k->gcm, &ctx, j->text, j->text, j->text_len, iv, j->auth, j->auth_len, j->icv, j->key->icv_len);
	j->ok = 1;
}

static void gcm_open(struct crypto_job *j, const uint8_t *iv)
{
	const struct mb_key *k = &j->key->mb;
	struct gcm_context_data ctx;
	uint8_t icv[16];

	k->gcm_open(&k->gcm, &ctx, j->text, j->text, j->text_len, iv, j->auth, j->auth_len, icv, 16);
	j->ok = likely(j->key->icv_len == 16) ? !ct_diff16(icv, j->icv) : !ct_diff(icv, j->icv, j->key->icv_len);
}

/* RFC 4543 §3.3: of ESP the IV and the text as it is are authenticated behind the header; of AH (§4) all is in auth. */
static void gmac(struct crypto_job *j, int seal)
{
	const struct mb_key *k = &j->key->mb;
	struct gcm_context_data ctx;
	uint8_t nonce[16], icv[16];

	job_nonce(nonce, j);
	k->gmac_init(&k->gcm, &ctx, nonce, NONCE_MAX);
	k->gmac_update(&k->gcm, &ctx, j->auth, j->auth_len);
	if (j->key->enc_alg == XI_ENC_AES_GMAC) {
		k->gmac_update(&k->gcm, &ctx, j->iv, 8);
		if (j->text_len)
			k->gmac_update(&k->gcm, &ctx, j->text, j->text_len);
	}
	k->gmac_final(&k->gcm, &ctx, seal ? j->icv : icv, 16);
	j->ok = seal || !ct_diff(icv, j->icv, 16);
}

static void fill_mac(IMB_JOB *b, const struct keyctx *k)
{
	const struct mb_key *m = &k->mb;

	if (k->auth_alg == XI_AUTH_AES_XCBC) {
		b->u.XCBC._k1_expanded = (const uint32_t *)(const void *)m->mac.round;
		b->u.XCBC._k2 = m->mac.sub[0];
		b->u.XCBC._k3 = m->mac.sub[1];
	} else if (k->auth_alg == XI_AUTH_AES_CMAC) {
		b->u.CMAC._key_expanded = m->mac.round;
		b->u.CMAC._skey1 = m->mac.sub[0];
		b->u.CMAC._skey2 = m->mac.sub[1];
	} else {
		b->u.HMAC._hashed_auth_key_xor_ipad = m->hmac.ipad;
		b->u.HMAC._hashed_auth_key_xor_opad = m->hmac.opad;
	}
}

/* Cipher and MAC, each over its part of the packet. */
static void fill_parts(IMB_JOB *b, struct crypto_job *j, uint8_t *iv, int seal)
{
	const struct keyctx *k = j->key;
	uint64_t head = j->text_len ? (uint64_t)(j->text - j->auth) : 0;

	b->src = j->auth;
	b->dst = j->auth + head;
	b->cipher_start_src_offset_in_bytes = head;
	b->msg_len_to_hash_in_bytes = j->auth_len;
	if (unlikely(k->enc_alg == XI_ENC_AES_CTR)) {
		job_ctr_block(iv, j);
		b->iv = iv;
		b->iv_len_in_bytes = 16;
	} else {
		b->iv = j->iv;
		b->iv_len_in_bytes = k->block;
	}
	fill_mac(b, k);
	b->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}

/* CCM (RFC 4309) authenticates the plaintext, ChaCha20-Poly1305 (RFC 7634) the ciphertext. */
static void fill_aead(IMB_JOB *b, struct crypto_job *j, uint8_t *iv, int seal)
{
	int ccm = j->key->how == HOW_CCM;

	job_nonce(iv, j);
	b->src = j->text;
	b->dst = j->text;
	b->cipher_start_src_offset_in_bytes = 0;
	b->msg_len_to_hash_in_bytes = j->text_len;
	b->iv = iv;
	b->iv_len_in_bytes = j->key->salt_len + 8u;
	if (ccm) {
		b->u.CCM.aad = j->auth;
		b->u.CCM.aad_len_in_bytes = j->auth_len;
	} else {
		b->u.CHACHA20_POLY1305.aad = j->auth;
		b->u.CHACHA20_POLY1305.aad_len_in_bytes = j->auth_len;
	}
	b->chain_order = seal == ccm ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
}

static void fill(IMB_JOB *b, struct crypto_job *j, uint8_t *iv, uint8_t *icv, int seal)
{
	const struct mb_key *k = &j->key->mb;

	b->enc_keys = k->enc_keys;
	b->dec_keys = k->dec_keys;
	b->key_len_in_bytes = j->key->key_len;
	b->msg_len_to_cipher_in_bytes = j->text_len;
	b->hash_start_src_offset_in_bytes = 0;
	b->auth_tag_output = icv;
	b->auth_tag_output_len_in_bytes = j->key->icv_len;
	if (likely(j->key->how == HOW_PARTS))
		fill_parts(b, j, iv, seal);
	else
		fill_aead(b, j, iv, seal);
	b->cipher_mode = k->cipher;
	b->hash_alg = k->hash;
	b->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
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
		fill(b[i], job[i], en->iv[i], seal ? job[i]->icv : en->icv[i], seal);
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

void mb_run(struct engine *en, struct crypto_job *job, unsigned n, int seal)
{
	struct crypto_job *gcm[ENGINE_BURST_MAX], *side[ENGINE_BURST_MAX];
	unsigned n_gcm = 0, n_side = 0;

	/* All IVs first: GCM loads 16 bytes at once and would wait for a store just made in pieces. */
	for (unsigned i = 0; i < n; i++) {
		struct crypto_job *j = &job[i];
		const struct keyctx *k = j->key;

		j->ok = 0;
		if (unlikely(!job_fits(j)))
			continue;
		if (likely(k->how == HOW_GCM)) {
			memcpy(en->iv[n_gcm], k->salt, 4);
			memcpy(en->iv[n_gcm] + 4, j->iv, 8);
			gcm[n_gcm++] = j;
		} else if (k->how == HOW_GMAC) {
			gmac(j, seal);
		} else if (k->how == HOW_NONE) {
			j->ok = 1;
		} else if (j->text_len || !k->key_len) {
			side[n_side++] = j;
		}
	}
	for (unsigned i = 0; i < n_gcm; i++)
		(seal ? gcm_seal : gcm_open)(gcm[i], en->iv[i]);
	if (n_side)
		burst(en, side, n_side, seal);
}

void mb_free(struct engine *en)
{
	if (en->mgr)
		free_mb_mgr(en->mgr); /* wipes its own key copies: the library is built with SAFE_DATA */
	en->mgr = NULL;
}

int mb_setup(struct engine *en, struct err *e)
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
	(void)snprintf(en->name, sizeof(en->name), "ipsec-mb %s %s", imb_get_version_str(), arch_name[arch]);
	return 0;
}
