/* SPDX-License-Identifier: BSD-2-Clause */
/* AES-GMAC (RFC 4543): NIST's GCM without text for AH, the rest computed with libgcrypt and OpenSSL. */
#ifndef VECTORS_GMAC_H
#define VECTORS_GMAC_H

#include "user/crypto/kat.h"

static const struct kat gmac_mixed[] = {
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "aes-128-gmac",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970"
	       "0963796265726369747902646b00000100010001",
	 .out = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970"
		"0963796265726369747902646b000001000100016d4ae638829f7397045f7c6c65ead02d"},
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "aes-192-gmac",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d0756800015850a66e"
		"139185b657a58047cab306ba"},
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "aes-256-gmac",
	 .auth = "null",
	 .enc_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
	       "0101040201020201",
	 .out = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
		"0101040201020201f5b4a102b6efd56dd384715d831dee60"},
	{.source = "NIST CAVP gcmEncryptExtIV128, 96-bit IV, 128-bit AAD, no text, count 0",
	 .enc = "null",
	 .auth = "aes-128-gmac",
	 .auth_key = "77be63708971c4e240d1cb79e8d77febe0e00f19",
	 .esp = "7a43ec1d9c0a5a78",
	 .iv = "fed7ba0136a797f3",
	 .in = "a0b16533a6213cab",
	 .out = "a0b16533a6213cab209fcc8d3675ed938e9c7166709dd946"},
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "null",
	 .auth = "aes-192-gmac",
	 .auth_key = "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001eac953b7"
		"93b6837a3b6da837151e4dac"},
	{.source = "computed with libgcrypt 1.10.1",
	 .enc = "null",
	 .auth = "aes-256-gmac",
	 .auth_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
	       "0101040201020201",
	 .out = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
		"0101040201020201c998b91720538f924f1b3b90d4bac5f3"},
};

#endif
