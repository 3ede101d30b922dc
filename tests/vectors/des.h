/* SPDX-License-Identifier: BSD-2-Clause */
/* FIPS PUB 81 and NIST's examples: DES and 3DES in CBC. */
#ifndef VECTORS_DES_H
#define VECTORS_DES_H

#include "user/crypto/kat.h"

static const struct kat des_fips81[] = {
	{.source = "FIPS PUB 81, appendix C",
	 .enc = "des",
	 .auth = "null",
	 .enc_key = "0123456789abcdef",
	 .iv = "1234567890abcdef",
	 .in = "4e6f77206973207468652074696d6520666f7220616c6c20",
	 .out = "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"},
	{.source = "NIST CSRC, TDES_CBC examples, three keys",
	 .enc = "3des",
	 .auth = "null",
	 .enc_key = "0123456789abcdef23456789abcdef01456789abcdef0123",
	 .iv = "f69f2445df4f9b17",
	 .in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	 .out = "2079c3d53aa763e193b79e2569ab5262516570481f25b50f73c0bda85c8e0da7"},
};

#endif
