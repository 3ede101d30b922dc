/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Numbers of the algorithms in the maps. Append only. Everything else about them stands in user/crypto/alg.c. */
#ifndef XI_ALG_H
#define XI_ALG_H

enum xi_enc {
	XI_ENC_NULL = 0,       /* RFC 2410 */
	XI_ENC_AES_CBC = 1,    /* RFC 3602; key 16, 24, 32 bytes */
	XI_ENC_AES_GCM = 2,    /* RFC 4106 with 16 bytes of ICV; key 16, 24, 32 bytes and behind it 4 bytes of salt */
	XI_ENC_DES = 3,	       /* RFC 2405; key 8 bytes with parity bits */
	XI_ENC_3DES = 4,       /* RFC 2451; key 24 */
	XI_ENC_BLOWFISH = 5,   /* RFC 2451; key 5..56 */
	XI_ENC_TWOFISH = 6,    /* CBC; key 16, 24, 32 */
	XI_ENC_CAMELLIA = 7,   /* RFC 4312; key 16, 24, 32 */
	XI_ENC_AES_CTR = 8,    /* RFC 3686; key 16, 24, 32 and 4 bytes of nonce */
	XI_ENC_AES_GCM_12 = 9, /* RFC 4106 with 12 and 8 bytes of ICV */
	XI_ENC_AES_GCM_8 = 10,
	XI_ENC_AES_CCM = 11, /* RFC 4309 with 16, 12, 8 bytes of ICV; key 16, 24, 32 and 3 bytes of salt */
	XI_ENC_AES_CCM_12 = 12,
	XI_ENC_AES_CCM_8 = 13,
	XI_ENC_CHACHA20 = 14, /* ChaCha20-Poly1305, RFC 7634; key 32 and 4 bytes of salt */
	XI_ENC_AES_GMAC = 15, /* RFC 4543 in ESP: nothing encrypted; key 16, 24, 32 and 4 bytes of salt */
	XI_ENC_MAX
};

enum xi_auth {
	XI_AUTH_NULL = 0,
	XI_AUTH_MD5 = 1,      /* HMAC-MD5-96, RFC 2403; key 16 bytes */
	XI_AUTH_SHA1 = 2,     /* HMAC-SHA1-96, RFC 2404; key 20 bytes */
	XI_AUTH_SHA256 = 3,   /* HMAC-SHA-256-128, RFC 4868; key 32 */
	XI_AUTH_SHA384 = 4,   /* HMAC-SHA-384-192, RFC 4868; key 48 */
	XI_AUTH_SHA512 = 5,   /* HMAC-SHA-512-256, RFC 4868; key 64 */
	XI_AUTH_AES_XCBC = 6, /* AES-XCBC-MAC-96, RFC 3566; key 16 */
	XI_AUTH_AES_CMAC = 7, /* AES-CMAC-96, RFC 4494; key 16 */
	XI_AUTH_AES_GMAC = 8, /* RFC 4543 in AH: 8 bytes of IV and 16 of ICV; key 16, 24, 32 and 4 bytes of salt */
	XI_AUTH_MAX
};

#endif
