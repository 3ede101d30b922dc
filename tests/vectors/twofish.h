/* SPDX-License-Identifier: BSD-2-Clause */
/* Twofish: A 128-Bit Block Cipher (Schneier and others, 1998), full encryptions; one chain of blocks more. */
#ifndef VECTORS_TWOFISH_H
#define VECTORS_TWOFISH_H

#include "user/crypto/kat.h"

static const struct kat twofish_book[] = {
	{.source = "Twofish: A 128-Bit Block Cipher (1998), full encryptions, 128-bit key",
	 .enc = "twofish",
	 .auth = "null",
	 .enc_key = "00000000000000000000000000000000",
	 .iv = "00000000000000000000000000000000",
	 .in = "00000000000000000000000000000000",
	 .out = "9f589f5cf6122c32b6bfec2f2ae8c35a"},
	{.source = "Twofish: A 128-Bit Block Cipher (1998), full encryptions, 192-bit key",
	 .enc = "twofish",
	 .auth = "null",
	 .enc_key = "0123456789abcdeffedcba98765432100011223344556677",
	 .iv = "00000000000000000000000000000000",
	 .in = "00000000000000000000000000000000",
	 .out = "cfd1d2e5a9be9cdf501f13b892bd2248"},
	{.source = "Twofish: A 128-Bit Block Cipher (1998), full encryptions, 256-bit key",
	 .enc = "twofish",
	 .auth = "null",
	 .enc_key = "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff",
	 .iv = "00000000000000000000000000000000",
	 .in = "00000000000000000000000000000000",
	 .out = "37527be0052334b89f0cfccae87cfa20"},
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "twofish",
	 .auth = "null",
	 .enc_key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 .iv = "000102030405060708090a0b0c0d0e0f",
	 .in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	 .out = "273f46126a45a071a161299d5cce5178e4945a079cecec2b0a0f8d8300c25d6c"},
};

#endif
