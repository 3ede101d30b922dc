/* SPDX-License-Identifier: BSD-2-Clause */
/* Eric Young's Blowfish test vectors; one more for the longest key. */
#ifndef VECTORS_BLOWFISH_H
#define VECTORS_BLOWFISH_H

#include "user/crypto/kat.h"

static const struct kat blowfish_young[] = {
	{.source = "E. Young, Blowfish test vectors, cbc",
	 .enc = "blowfish",
	 .auth = "null",
	 .enc_key = "0123456789abcdeff0e1d2c3b4a59687",
	 .iv = "fedcba9876543210",
	 .in = "37363534333231204e6f77206973207468652074696d6520666f722000000000",
	 .out = "6b77b4d63006dee605b156e27403979358deb9e7154616d959f1652bd5ff92cc"},
	{.source = "E. Young, Blowfish test vectors, set_key of 5 bytes",
	 .enc = "blowfish",
	 .auth = "null",
	 .enc_key = "f0e1d2c3b4",
	 .iv = "0000000000000000",
	 .in = "fedcba9876543210",
	 .out = "b39e44481bdb1e6e"},
	{.source = "E. Young, Blowfish test vectors, set_key of 24 bytes",
	 .enc = "blowfish",
	 .auth = "null",
	 .enc_key = "f0e1d2c3b4a5968778695a4b3c2d1e0f0011223344556677",
	 .iv = "0000000000000000",
	 .in = "fedcba9876543210",
	 .out = "05044b62fa52d080"},
	{.source = "computed with nettle 3.8.1",
	 .enc = "blowfish",
	 .auth = "null",
	 .enc_key = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c"
		    "2d2e2f303132333435363738",
	 .iv = "fedcba9876543210",
	 .in = "fedcba9876543210",
	 .out = "ad9f57f87c8855c1"},
};

#endif
