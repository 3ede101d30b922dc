/* SPDX-License-Identifier: BSD-2-Clause */
/* The algorithm table and the questions asked of it (see alg.h). Append rows; the order is the one users see. */
#include "user/crypto/alg.h"

#include <errno.h>

#include "bpf/abi/xi_alg.h"

/* clang-format off */
static const struct alg table[] = {
	{ .kind = ALG_ENC, .name = "null", .sa_name = "null", .rfc = "RFC 2410", .abi = XI_ENC_NULL, .block = 1,
	  .ike_esp = 11, .ike_auth = -1, .ike_bits = -1 },
	{ .kind = ALG_ENC, .name = "aes-128", .sa_name = "aes", .rfc = "RFC 3602", .abi = XI_ENC_AES_CBC, .key_len = 16,
	  .iv_len = 16, .block = 16, .ike_esp = 12, .ike_auth = -1, .ike_bits = 128 },
	{ .kind = ALG_ENC, .name = "aes-192", .sa_name = "aes", .rfc = "RFC 3602", .abi = XI_ENC_AES_CBC, .key_len = 24,
	  .iv_len = 16, .block = 16, .ike_esp = 12, .ike_auth = -1, .ike_bits = 192 },
	{ .kind = ALG_ENC, .name = "aes-256", .sa_name = "aes", .rfc = "RFC 3602", .abi = XI_ENC_AES_CBC, .key_len = 32,
	  .iv_len = 16, .block = 16, .ike_esp = 12, .ike_auth = -1, .ike_bits = 256 },
	{ .kind = ALG_ENC, .name = "aes-128-gcm", .sa_name = "aes-gcm", .rfc = "RFC 4106", .abi = XI_ENC_AES_GCM,
	  .key_len = 16, .salt_len = 4, .iv_len = 8, .block = 1, .icv_len = 16, .flags = ALG_F_AEAD | ALG_F_COUNTER,
	  .ike_esp = 20, .ike_auth = -1, .ike_bits = 128 },
	{ .kind = ALG_ENC, .name = "aes-192-gcm", .sa_name = "aes-gcm", .rfc = "RFC 4106", .abi = XI_ENC_AES_GCM,
	  .key_len = 24, .salt_len = 4, .iv_len = 8, .block = 1, .icv_len = 16, .flags = ALG_F_AEAD | ALG_F_COUNTER,
	  .ike_esp = 20, .ike_auth = -1, .ike_bits = 192 },
	{ .kind = ALG_ENC, .name = "aes-256-gcm", .sa_name = "aes-gcm", .rfc = "RFC 4106", .abi = XI_ENC_AES_GCM,
	  .key_len = 32, .salt_len = 4, .iv_len = 8, .block = 1, .icv_len = 16, .flags = ALG_F_AEAD | ALG_F_COUNTER,
	  .ike_esp = 20, .ike_auth = -1, .ike_bits = 256 },
	{ .kind = ALG_AUTH, .name = "null", .sa_name = "none", .rfc = "RFC 4303", .abi = XI_AUTH_NULL,
	  .ike_esp = -1, .ike_auth = -1, .ike_bits = -1 },
	{ .kind = ALG_AUTH, .name = "md5", .sa_name = "md5", .rfc = "RFC 2403", .abi = XI_AUTH_MD5, .key_len = 16,
	  .icv_len = 12, .ike_esp = -1, .ike_auth = 1, .ike_bits = -1 },
	{ .kind = ALG_AUTH, .name = "sha1", .sa_name = "sha1", .rfc = "RFC 2404", .abi = XI_AUTH_SHA1, .key_len = 20,
	  .icv_len = 12, .ike_esp = -1, .ike_auth = 2, .ike_bits = -1 },
};
/* clang-format on */

const struct alg *alg_at(unsigned i)
{
	return i < ARRAY_SIZE(table) ? &table[i] : NULL;
}

const struct alg *alg_by_name(enum alg_kind kind, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].kind == kind && strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

unsigned alg_key_bytes(const struct alg *a)
{
	return a->key_len + a->salt_len;
}

const struct alg *alg_by_abi(enum alg_kind kind, unsigned abi, unsigned key_len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].kind == kind && table[i].abi == abi && alg_key_bytes(&table[i]) == key_len)
			return &table[i];
	return NULL;
}

/* Any row of that number: what the packet format needs does not depend on the key length. */
static const struct alg *first_of(enum alg_kind kind, unsigned abi)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].kind == kind && table[i].abi == abi)
			return &table[i];
	return NULL;
}

int alg_shape(const struct xi_sa *sa, struct alg_shape *out)
{
	const struct alg *enc = first_of(ALG_ENC, sa->enc_alg);
	const struct alg *auth = first_of(ALG_AUTH, sa->auth_alg);

	if (!enc || !auth || ((enc->flags & ALG_F_AEAD) && auth->icv_len))
		return -EINVAL;
	*out = (struct alg_shape){
		.iv_len = enc->iv_len,
		/* RFC 4303 §2.4: padding ends the ciphertext on a 4-byte boundary whatever the cipher's block. */
		.align = MAX(enc->block, 4),
		.icv_len = enc->icv_len + auth->icv_len,
		.flags = enc->flags,
	};
	return 0;
}

int alg_check_sa(const struct xi_sa *sa)
{
	const struct alg *enc = alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);
	const struct alg *auth = alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len);

	if (!enc || !auth)
		return -EINVAL;
	if ((enc->flags & ALG_F_AEAD) && auth->icv_len)
		return -EINVAL;
	/* RFC 4303 §3.2: confidentiality and integrity must not both be null. */
	if (sa->enc_alg == XI_ENC_NULL && sa->auth_alg == XI_AUTH_NULL)
		return -EINVAL;
	if (sa->replay_window > XI_REPLAY_WINDOW_MAX || sa->replay_window % 32)
		return -EINVAL;
	return 0;
}

int alg_same_counter_key(const struct xi_sa *x, const struct xi_sa *y)
{
	const struct alg *a;

	if (x->enc_alg != y->enc_alg || x->enc_key_len != y->enc_key_len ||
	    memcmp(x->enc_key, y->enc_key, sizeof(x->enc_key)) != 0)
		return 0;
	a = alg_by_abi(ALG_ENC, x->enc_alg, x->enc_key_len);
	return a && (a->flags & ALG_F_COUNTER);
}
