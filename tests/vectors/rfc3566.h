/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 3566 section 4.6: AES-XCBC-MAC-96, the cases of a header's length and more. */
#ifndef VECTORS_RFC3566_H
#define VECTORS_RFC3566_H

#include "user/crypto/kat.h"

static const struct kat rfc3566_xcbc[] = {
	{.source = "RFC 3566 §4.6 case 3",
	 .enc = "null",
	 .auth = "aes-xcbc",
	 .auth_key = "000102030405060708090a0b0c0d0e0f",
	 .esp = "0001020304050607",
	 .in = "08090a0b0c0d0e0f",
	 .out = "08090a0b0c0d0e0fd2a246fa349b68a79998a439"},
	{.source = "RFC 3566 §4.6 case 4",
	 .enc = "null",
	 .auth = "aes-xcbc",
	 .auth_key = "000102030405060708090a0b0c0d0e0f",
	 .esp = "0001020304050607",
	 .in = "08090a0b0c0d0e0f10111213",
	 .out = "08090a0b0c0d0e0f1011121347f51b4564966215b8985c63"},
	{.source = "RFC 3566 §4.6 case 5",
	 .enc = "null",
	 .auth = "aes-xcbc",
	 .auth_key = "000102030405060708090a0b0c0d0e0f",
	 .esp = "0001020304050607",
	 .in = "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 .out = "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1ff54f0ec8d2b9f3d36807734b"},
	{.source = "RFC 3566 §4.6 case 6",
	 .enc = "null",
	 .auth = "aes-xcbc",
	 .auth_key = "000102030405060708090a0b0c0d0e0f",
	 .esp = "0001020304050607",
	 .in = "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
	 .out = "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021becbb3bccdb518a30677d548"},
};

#endif
