/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 4868 section 2.7.2: HMAC-SHA-2 with truncation. */
#ifndef VECTORS_RFC4868_H
#define VECTORS_RFC4868_H

#include "user/crypto/kat.h"

static const struct kat rfc4868_hmac[] = {
	{.source = "RFC 4868 §2.7.2 AUTH256-1",
	 .enc = "null",
	 .auth = "sha256",
	 .auth_key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	 .esp = "4869205468657265",
	 .out = "198a607eb44bfbc69903a0f1cf2bbdc5"},
	{.source = "RFC 4868 §2.7.2 AUTH256-2",
	 .enc = "null",
	 .auth = "sha256",
	 .auth_key = "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
	 .esp = "7768617420646f20",
	 .in = "79612077616e7420666f72206e6f7468696e673f",
	 .out = "79612077616e7420666f72206e6f7468696e673f167f928588c5cc2eef8e3093caa0e87c"},
	{.source = "RFC 4868 §2.7.2 AUTH256-3",
	 .enc = "null",
	 .auth = "sha256",
	 .auth_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 .esp = "dddddddddddddddd",
	 .in = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	 .out = "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddcdcb"
		"1220d1ecccea91e53aba3092f962"},
	{.source = "RFC 4868 §2.7.2 AUTH256-4",
	 .enc = "null",
	 .auth = "sha256",
	 .auth_key = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
	 .esp = "cdcdcdcdcdcdcdcd",
	 .in = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 .out = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd372e"
		"fcf9b40b35c2115b1346903d2ef4"},
	{.source = "RFC 4868 §2.7.2 AUTH384-1",
	 .enc = "null",
	 .auth = "sha384",
	 .auth_key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
		     "0b0b0b0b",
	 .esp = "4869205468657265",
	 .out = "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
	{.source = "RFC 4868 §2.7.2 AUTH384-2",
	 .enc = "null",
	 .auth = "sha384",
	 .auth_key = "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665"
		     "4a656665",
	 .esp = "7768617420646f20",
	 .in = "79612077616e7420666f72206e6f7468696e673f",
	 .out = "79612077616e7420666f72206e6f7468696e673f2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
	{.source = "RFC 4868 §2.7.2 AUTH384-3",
	 .enc = "null",
	 .auth = "sha384",
	 .auth_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "aaaaaaaa",
	 .esp = "dddddddddddddddd",
	 .in = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	 .out = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd809f"
		"439be00274321d4a538652164b53554a508184a0c316"},
	{.source = "RFC 4868 §2.7.2 AUTH384-4",
	 .enc = "null",
	 .auth = "sha384",
	 .auth_key = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200a0b0c0d0e0f101112131415"
		     "16171819",
	 .esp = "cdcdcdcdcdcdcdcd",
	 .in = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 .out = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd5b54"
		"0085c6e6358096532b2493609ed1cb298f774f87bb5c"},
	{.source = "RFC 4868 §2.7.2 AUTH512-1",
	 .enc = "null",
	 .auth = "sha512",
	 .auth_key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
		     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	 .esp = "4869205468657265",
	 .out = "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
	{.source = "RFC 4868 §2.7.2 AUTH512-2",
	 .enc = "null",
	 .auth = "sha512",
	 .auth_key = "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665"
		     "4a6566654a6566654a6566654a6566654a656665",
	 .esp = "7768617420646f20",
	 .in = "79612077616e7420666f72206e6f7468696e673f",
	 .out = "79612077616e7420666f72206e6f7468696e673fcb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15d"
		"f235dfb251b15454"},
	{.source = "RFC 4868 §2.7.2 AUTH512-3",
	 .enc = "null",
	 .auth = "sha512",
	 .auth_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 .esp = "dddddddddddddddd",
	 .in = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	 .out = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd2ee7"
		"acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
	{.source = "RFC 4868 §2.7.2 AUTH512-4",
	 .enc = "null",
	 .auth = "sha512",
	 .auth_key = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c"
		     "2d2e2f303132333435363738393a3b3c3d3e3f40",
	 .esp = "cdcdcdcdcdcdcdcd",
	 .in = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 .out = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd5e66"
		"88e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"},
};

#endif
