/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Numbers of the algorithms in the maps. Append only. Everything else about them stands in user/crypto/alg.c. */
#ifndef XI_ALG_H
#define XI_ALG_H

enum xi_enc {
	XI_ENC_NULL = 0,    /* RFC 2410 */
	XI_ENC_AES_CBC = 1, /* RFC 3602; key 16, 24, 32 bytes */
	XI_ENC_AES_GCM = 2, /* RFC 4106 with 16 bytes of ICV; key 16, 24, 32 bytes and behind it 4 bytes of salt */
	XI_ENC_MAX
};

enum xi_auth {
	XI_AUTH_NULL = 0,
	XI_AUTH_MD5 = 1,  /* HMAC-MD5-96, RFC 2403; key 16 bytes */
	XI_AUTH_SHA1 = 2, /* HMAC-SHA1-96, RFC 2404; key 20 bytes */
	XI_AUTH_MAX
};

#endif
