/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 3713 appendix A: Camellia, one block. */
#ifndef VECTORS_RFC3713_H
#define VECTORS_RFC3713_H

#include "user/crypto/kat.h"

static const struct kat rfc3713_camellia[] = {
	{.source = "RFC 3713 §A",
	 .enc = "camellia-128",
	 .auth = "null",
	 .enc_key = "0123456789abcdeffedcba9876543210",
	 .iv = "00000000000000000000000000000000",
	 .in = "0123456789abcdeffedcba9876543210",
	 .out = "67673138549669730857065648eabe43"},
	{.source = "RFC 3713 §A",
	 .enc = "camellia-192",
	 .auth = "null",
	 .enc_key = "0123456789abcdeffedcba98765432100011223344556677",
	 .iv = "00000000000000000000000000000000",
	 .in = "0123456789abcdeffedcba9876543210",
	 .out = "b4993401b3e996f84ee5cee7d79b09b9"},
	{.source = "RFC 3713 §A",
	 .enc = "camellia-256",
	 .auth = "null",
	 .enc_key = "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff",
	 .iv = "00000000000000000000000000000000",
	 .in = "0123456789abcdeffedcba9876543210",
	 .out = "9acc237dff16d76c20ef7c919e3a7509"},
};

#endif
