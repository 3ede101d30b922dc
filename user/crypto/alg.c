/* SPDX-License-Identifier: BSD-2-Clause */
/* The algorithm table and the questions asked of it (see alg.h). Append rows; the order is the one users see. */
#include "user/crypto/alg.h"

#include <errno.h>

#include "bpf/abi/xi_alg.h"

/* clang-format off */
#define ENC(n, sa, r, l, number) .kind = ALG_ENC, .name = n, .sa_name = sa, .rfc = r, .level = l, .abi = XI_ENC_##number
#define AUTH(n, sa, r, l, number) .kind = ALG_AUTH, .name = n, .sa_name = sa, .rfc = r, .level = l, .abi = XI_AUTH_##number
#define NO_IKE .ike_esp = -1, .ike_ah = -1, .ike_auth = -1, .ike_bits = -1, .ike_phase1 = -1, .ike2 = -1
/* key length attribute or -1; IKEv1 ESP and phase 1, IKEv2 */
#define IKE_ENC(bits, esp, phase1, v2) \
	.ike_esp = (esp), .ike_ah = -1, .ike_auth = -1, .ike_bits = (bits), .ike_phase1 = (phase1), .ike2 = (v2)
/* IKEv1 AH transform, attribute 5, hash of phase 1, IKEv2 */
#define IKE_AUTH(ah, attr, phase1, v2) \
	.ike_esp = -1, .ike_ah = (ah), .ike_auth = (attr), .ike_bits = -1, .ike_phase1 = (phase1), .ike2 = (v2)
#define CBC(bytes, blk) .key_len = (bytes), .iv_len = (blk), .block = (blk)
#define COUNTER(bytes, salt, icv, f) \
	.key_len = (bytes), .salt_len = (salt), .iv_len = 8, .block = 1, .icv_len = (icv), .flags = ALG_F_COUNTER | (f)
#define AEAD(bytes, salt, icv) COUNTER(bytes, salt, icv, ALG_F_AEAD)

/* The three key lengths of an AES mode; levels by RFC 8221 §5, which says MAY of 192 bits. */
#define AES_CTR(bits) \
	{ ENC("aes-" #bits "-ctr", "aes-ctr", "RFC 3686", ALG_MAY, AES_CTR), COUNTER((bits) / 8, 4, 0, 0), \
	  IKE_ENC(bits, 13, -1, 13) }
#define AES_GCM(bits, l) \
	{ ENC("aes-" #bits "-gcm", "aes-gcm", "RFC 4106", l, AES_GCM), AEAD((bits) / 8, 4, 16), IKE_ENC(bits, 20, -1, 20) }
#define AES_GCM_12(bits) \
	{ ENC("aes-" #bits "-gcm-12", "aes-gcm", "RFC 4106", ALG_MAY, AES_GCM_12), AEAD((bits) / 8, 4, 12), \
	  IKE_ENC(bits, 19, -1, 19) }
#define AES_GCM_8(bits) \
	{ ENC("aes-" #bits "-gcm-8", "aes-gcm", "RFC 4106", ALG_MAY, AES_GCM_8), AEAD((bits) / 8, 4, 8), \
	  IKE_ENC(bits, 18, -1, 18) }
#define AES_CCM(bits) \
	{ ENC("aes-" #bits "-ccm", "aes-ccm", "RFC 4309", ALG_MAY, AES_CCM), AEAD((bits) / 8, 3, 16), \
	  IKE_ENC(bits, 16, -1, 16) }
#define AES_CCM_12(bits) \
	{ ENC("aes-" #bits "-ccm-12", "aes-ccm", "RFC 4309", ALG_MAY, AES_CCM_12), AEAD((bits) / 8, 3, 12), \
	  IKE_ENC(bits, 15, -1, 15) }
#define AES_CCM_8(bits, l) \
	{ ENC("aes-" #bits "-ccm-8", "aes-ccm", "RFC 4309", l, AES_CCM_8), AEAD((bits) / 8, 3, 8), \
	  IKE_ENC(bits, 14, -1, 14) }
#define AES_GMAC(bits) \
	{ ENC("aes-" #bits "-gmac", "aes-gmac", "RFC 4543", ALG_MAY, AES_GMAC), AEAD((bits) / 8, 4, 16), \
	  IKE_ENC(bits, 23, -1, 21) }
#define AH_GMAC(bits, number, v2) \
	{ AUTH("aes-" #bits "-gmac", "aes-gmac", "RFC 4543", ALG_MAY, AES_GMAC), .key_len = (bits) / 8, .salt_len = 4, \
	  .iv_len = 8, .icv_len = 16, .flags = ALG_F_COUNTER | ALG_F_AH_ONLY, IKE_AUTH(number, number, -1, v2) }
#define CAMELLIA(bits) \
	{ ENC("camellia-" #bits, "camellia", "RFC 4312", ALG_MAY, CAMELLIA), CBC((bits) / 8, 16), IKE_ENC(bits, 22, 8, 23) }

static const struct alg table[] = {
	{ ENC("null", "null", "RFC 2410", ALG_MUST, NULL), .block = 1, IKE_ENC(-1, 11, -1, 11) },
	{ ENC("des", "des", "RFC 2405", ALG_MUST_NOT, DES), CBC(8, 8), IKE_ENC(-1, 2, 1, 2) },
	{ ENC("3des", "3des", "RFC 2451", ALG_SHOULD_NOT, 3DES), CBC(24, 8), IKE_ENC(-1, 3, 5, 3) },
	{ ENC("aes-128", "aes", "RFC 3602", ALG_MUST, AES_CBC), CBC(16, 16), IKE_ENC(128, 12, 7, 12) },
	{ ENC("aes-192", "aes", "RFC 3602", ALG_MAY, AES_CBC), CBC(24, 16), IKE_ENC(192, 12, 7, 12) },
	{ ENC("aes-256", "aes", "RFC 3602", ALG_MUST, AES_CBC), CBC(32, 16), IKE_ENC(256, 12, 7, 12) },
	{ ENC("blowfish", "blowfish", "RFC 2451", ALG_MUST_NOT, BLOWFISH), CBC(16, 8), .key_min = 5, .key_max = 56,
	  .key_step = 1, IKE_ENC(128, 7, 3, 7) },
	/* The number for ESP is of the private range, not IANA's; IKE knows it in phase 2 only (spec section 28). */
	{ ENC("twofish", "twofish", "-", ALG_MAY, TWOFISH), CBC(16, 16), .key_min = 16, .key_max = 32, .key_step = 8,
	  IKE_ENC(128, 253, -1, -1) },
	CAMELLIA(128), CAMELLIA(192), CAMELLIA(256),
	AES_CTR(128), AES_CTR(192), AES_CTR(256),
	AES_GCM(128, ALG_MUST), AES_GCM(192, ALG_MAY), AES_GCM(256, ALG_MUST),
	AES_GCM_12(128), AES_GCM_12(192), AES_GCM_12(256),
	AES_GCM_8(128), AES_GCM_8(192), AES_GCM_8(256),
	AES_CCM(128), AES_CCM(192), AES_CCM(256),
	AES_CCM_12(128), AES_CCM_12(192), AES_CCM_12(256),
	AES_CCM_8(128, ALG_SHOULD), AES_CCM_8(192, ALG_MAY), AES_CCM_8(256, ALG_SHOULD),
	{ ENC("chacha20-poly1305", "chacha20", "RFC 7634", ALG_SHOULD, CHACHA20), AEAD(32, 4, 16),
	  IKE_ENC(-1, -1, -1, 28) },
	AES_GMAC(128), AES_GMAC(192), AES_GMAC(256),

	/* ESP without authentication goes with AEAD ciphers only (RFC 8221 §6). */
	{ AUTH("null", "none", "RFC 4303", ALG_MUST_NOT, NULL), NO_IKE },
	{ AUTH("md5", "md5", "RFC 2403", ALG_MUST_NOT, MD5), .key_len = 16, .icv_len = 12, IKE_AUTH(2, 1, 1, 1) },
	{ AUTH("sha1", "sha1", "RFC 2404", ALG_MUST, SHA1), .key_len = 20, .icv_len = 12, IKE_AUTH(3, 2, 2, 2) },
	{ AUTH("sha256", "sha256", "RFC 4868", ALG_MUST, SHA256), .key_len = 32, .icv_len = 16, IKE_AUTH(5, 5, 4, 12) },
	{ AUTH("sha384", "sha384", "RFC 4868", ALG_MAY, SHA384), .key_len = 48, .icv_len = 24, IKE_AUTH(6, 6, 5, 13) },
	{ AUTH("sha512", "sha512", "RFC 4868", ALG_SHOULD, SHA512), .key_len = 64, .icv_len = 32, IKE_AUTH(7, 7, 6, 14) },
	{ AUTH("aes-xcbc", "aes-xcbc", "RFC 3566", ALG_SHOULD, AES_XCBC), .key_len = 16, .icv_len = 12,
	  IKE_AUTH(9, 9, -1, 5) },
	{ AUTH("aes-cmac", "aes-cmac", "RFC 4494", ALG_MAY, AES_CMAC), .key_len = 16, .icv_len = 12,
	  IKE_AUTH(-1, -1, -1, 8) },
	AH_GMAC(128, 11, 9), AH_GMAC(192, 12, 10), AH_GMAC(256, 13, 11),
};
/* clang-format on */

const struct alg *alg_at(unsigned i)
{
	return i < ARRAY_SIZE(table) ? &table[i] : NULL;
}

unsigned alg_row(const struct alg *a)
{
	return (unsigned)(a - table);
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

int alg_key_fits(const struct alg *a, unsigned len)
{
	if (!a->key_max)
		return len == alg_key_bytes(a);
	return len >= a->key_min && len <= a->key_max && (len - a->key_min) % a->key_step == 0;
}

const char *alg_level_name(enum alg_level level)
{
	static const char *const name[] = {
		[ALG_MUST] = "MUST",	     [ALG_SHOULD] = "SHOULD",
		[ALG_MAY] = "MAY",	     [ALG_SHOULD_NOT] = "SHOULD NOT",
		[ALG_MUST_NOT] = "MUST NOT",
	};

	return name[level];
}

const struct alg *alg_by_abi(enum alg_kind kind, unsigned abi, unsigned key_len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].kind == kind && table[i].abi == abi && alg_key_fits(&table[i], key_len))
			return &table[i];
	return NULL;
}

/* The first row of each number, filled before main(): the packet path asks for each run of packets. */
static const struct alg *first_row[2][MAX((int)XI_ENC_MAX, (int)XI_AUTH_MAX)];

__attribute__((constructor)) static void index_rows(void)
{
	for (unsigned i = ARRAY_SIZE(table); i-- > 0;)
		first_row[table[i].kind][table[i].abi] = &table[i];
}

/* Any row of that number: what the packet format needs does not depend on the key length. */
static const struct alg *first_of(enum alg_kind kind, unsigned abi)
{
	return abi < ARRAY_SIZE(first_row[kind]) ? first_row[kind][abi] : NULL;
}

/* RFC 4302: AH authenticates and does nothing else. RFC 4543: GMAC with the IV beside the ICV is of AH only. */
static int pair_fits(const struct xi_sa *sa, const struct alg *enc, const struct alg *auth)
{
	if (sa->proto == XI_PROTO_AH)
		return enc->abi == XI_ENC_NULL && auth->icv_len;
	return !(auth->flags & ALG_F_AH_ONLY) && !((enc->flags & ALG_F_AEAD) && auth->icv_len);
}

int alg_shape(const struct xi_sa *sa, struct alg_shape *out)
{
	const struct alg *enc = first_of(ALG_ENC, sa->enc_alg);
	const struct alg *auth = first_of(ALG_AUTH, sa->auth_alg);

	if (!enc || !auth || !pair_fits(sa, enc, auth))
		return -EINVAL;
	*out = (struct alg_shape){
		.iv_len = enc->iv_len + auth->iv_len, /* one of the two has none */
		/* RFC 4303 §2.4: padding ends the ciphertext on a 4-byte boundary whatever the cipher's block. */
		.align = MAX(enc->block, 4),
		.icv_len = enc->icv_len + auth->icv_len,
		.flags = sa->proto == XI_PROTO_AH ? auth->flags : enc->flags,
	};
	return 0;
}

int alg_check_sa(const struct xi_sa *sa)
{
	const struct alg *enc = alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);
	const struct alg *auth = alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len);

	if (!enc || !auth || !pair_fits(sa, enc, auth))
		return -EINVAL;
	/* RFC 4303 §3.2: confidentiality and integrity must not both be null. */
	if (sa->enc_alg == XI_ENC_NULL && sa->auth_alg == XI_AUTH_NULL)
		return -EINVAL;
	/* RFC 3686 §2.1: counter mode only together with an authentication function; bits could be flipped at will. */
	if ((enc->flags & ALG_F_COUNTER) && !enc->icv_len && !auth->icv_len)
		return -EINVAL;
	if (sa->replay_window > XI_REPLAY_WINDOW_MAX || sa->replay_window % 32)
		return -EINVAL;
	return 0;
}

const uint8_t *alg_counter_key(const struct xi_sa *sa, unsigned *len)
{
	int ah = sa->proto == XI_PROTO_AH;
	const struct alg *a = ah ? alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len)
				 : alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);

	*len = ah ? sa->auth_key_len : sa->enc_key_len;
	if (!a || !(a->flags & ALG_F_COUNTER))
		return NULL;
	return ah ? sa->auth_key : sa->enc_key;
}

int alg_same_counter_key(const struct xi_sa *x, const struct xi_sa *y)
{
	unsigned xn, yn;
	const uint8_t *xk = alg_counter_key(x, &xn), *yk = alg_counter_key(y, &yn);

	return xk && yk && xn == yn && memcmp(xk, yk, xn) == 0;
}
