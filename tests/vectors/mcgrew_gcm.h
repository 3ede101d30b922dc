/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * draft-mcgrew-gcm-test-01 §4: AES-GCM in ESP (RFC 4106), the cases with a 32-bit sequence number. Keys have their salt behind
 * them. (NIST's CAVS files for GCM know additional data of 0, 16, 20, 48 and 90 bytes only; ESP has 8.)
 */
#ifndef VECTORS_MCGREW_GCM_H
#define VECTORS_MCGREW_GCM_H

#include "user/crypto/kat.h"

static const struct kat mcgrew_gcm[] = {
	{.source = "draft-mcgrew-gcm-test-01 §4, SPI a5f8",
	 .enc = "aes-128-gcm",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308"
		    "cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
	       "0001000000000000037369700963796265726369747902646b00000100010001",
	 .out = "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
		"3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1"
		"83b70d3aa8bc6ee4c309e9d85a41ad4a"},
	{.source = "draft-mcgrew-gcm-test-01 §4, SPI 4a2cbfe3",
	 .enc = "aes-256-gcm",
	 .auth = "null",
	 .enc_key = "abbccddef00112233445566778899aababbccddef00112233445566778899aab"
		    "11223344",
	 .esp = "4a2cbfe300000002",
	 .iv = "0102030405060708",
	 .in = "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
	       "7002400020bf0000020405b40101040201020201",
	 .out = "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
		"748a637985771d347f0545659f14e99def842d8e"
		"b335f4eecfdbf831824b4c4915956c96"},
	{.source = "draft-mcgrew-gcm-test-01 §4, SPI 0, zero key",
	 .enc = "aes-128-gcm",
	 .auth = "null",
	 .enc_key = "00000000000000000000000000000000"
		    "00000000",
	 .esp = "0000000000000001",
	 .iv = "0000000000000000",
	 .in = "4500003c99c500008001cb7a40679318010101010800075c0200440061626364"
	       "65666768696a6b6c6d6e6f707172737475767761626364656667686901020201",
	 .out = "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284"
		"456476492719ffb64de7d9dca1e1d894bc3bd57873ed4d181d19d4d5c8c18af3"
		"f821d496eeb096e98ad2b69e4799c71d"},
	{.source = "draft-mcgrew-gcm-test-01 §4, SPI a5f8, 192-bit key",
	 .enc = "aes-192-gcm",
	 .auth = "null",
	 .enc_key = "feffe9928665731c6d6a8f9467308308feffe9928665731c"
		    "cafebabe",
	 .esp = "0000a5f80000000a",
	 .iv = "facedbaddecaf888",
	 .in = "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
	 .out = "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77"
		"95457b9652037f5318027b5b4cd7a636"},
	{.source = "draft-mcgrew-gcm-test-01 §4, SPI 335467ae",
	 .enc = "aes-128-gcm",
	 .auth = "null",
	 .enc_key = "7d773d00c144c525ac619d18c84a3f47"
		    "d9664267",
	 .esp = "335467aeffffffff",
	 .iv = "43457e9182443bc6",
	 .in = "01020201",
	 .out = "437f866b"
		"cb3f699fe9b0822bac961c4504bef270"},
};

#endif
