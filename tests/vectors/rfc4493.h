/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 4493 section 4 cut to 96 bits (RFC 4494): AES-CMAC-96. */
#ifndef VECTORS_RFC4493_H
#define VECTORS_RFC4493_H

#include "user/crypto/kat.h"

static const struct kat rfc4493_cmac[] = {
	{.source = "RFC 4493 §4 example 2, 96 bits (RFC 4494)",
	 .enc = "null",
	 .auth = "aes-cmac",
	 .auth_key = "2b7e151628aed2a6abf7158809cf4f3c",
	 .esp = "6bc1bee22e409f96",
	 .in = "e93d7e117393172a",
	 .out = "e93d7e117393172a070a16b46b4d4144f79bdd9d"},
	{.source = "RFC 4493 §4 example 3, 96 bits (RFC 4494)",
	 .enc = "null",
	 .auth = "aes-cmac",
	 .auth_key = "2b7e151628aed2a6abf7158809cf4f3c",
	 .esp = "6bc1bee22e409f96",
	 .in = "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
	 .out = "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411dfa66747de9ae63030ca3261"},
	{.source = "RFC 4493 §4 example 4, 96 bits (RFC 4494)",
	 .enc = "null",
	 .auth = "aes-cmac",
	 .auth_key = "2b7e151628aed2a6abf7158809cf4f3c",
	 .esp = "6bc1bee22e409f96",
	 .in = "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445"
	       "df4f9b17ad2b417be66c3710",
	 .out = "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445"
		"df4f9b17ad2b417be66c371051f0bebf7e3b9d92fc497417"},
};

#endif
