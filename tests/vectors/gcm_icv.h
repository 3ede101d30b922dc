/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 4106 section 6: AES-GCM with the ICV cut to 12 and 8 bytes. */
#ifndef VECTORS_GCM_ICV_H
#define VECTORS_GCM_ICV_H

#include "user/crypto/kat.h"

static const struct kat gcm_icv[] = {
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 128-bit key, ICV cut to 12 bytes",
	 .enc = "aes-128-gcm-12",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970"
	       "0963796265726369747902646b00000100010001",
	 .out = "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0e"
		"ec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d8"},
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 128-bit key, ICV cut to 8 bytes",
	 .enc = "aes-128-gcm-8",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970"
	       "0963796265726369747902646b00000100010001",
	 .out = "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0e"
		"ec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4"},
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 192-bit key, ICV cut to 12 bytes",
	 .enc = "aes-192-gcm-12",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc7795457b96"
		"52037f5318027b5b"},
	{.source = "draft-mcgrew-gcm-test-01, SPI a5f8, 192-bit key, ICV cut to 8 bytes",
	 .enc = "aes-192-gcm-8",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc7795457b96"
		"52037f53"},
	{.source = "draft-mcgrew-gcm-test-01, SPI 4a2cbfe3, 256-bit key, ICV cut to 12 bytes",
	 .enc = "aes-256-gcm-12",
	 .auth = "null",
	 .enc_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
	       "0101040201020201",
	 .out = "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f054565"
		"9f14e99def842d8eb335f4eecfdbf831824b4c49"},
	{.source = "draft-mcgrew-gcm-test-01, SPI 4a2cbfe3, 256-bit key, ICV cut to 8 bytes",
	 .enc = "aes-256-gcm-8",
	 .auth = "null",
	 .enc_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4"
	       "0101040201020201",
	 .out = "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f054565"
		"9f14e99def842d8eb335f4eecfdbf831"},
};

#endif
