/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 2202: HMAC-MD5 (§2) and HMAC-SHA-1 (§3), truncated to 96 bits as RFC 2403 and RFC 2404 do. The text's first eight bytes
 * stand for SPI and sequence number. A key shorter than ESP's is padded with zeros, as HMAC itself does (RFC 2104 §2); cases 4,
 * 6 and 7 have keys longer than ESP's and are left out.
 */
#ifndef VECTORS_RFC2202_H
#define VECTORS_RFC2202_H

#include "user/crypto/kat.h"

#define DD42 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static const struct kat rfc2202_hmac[] = {
	{.source = "RFC 2202 §2 case 1",
	 .enc = "null",
	 .auth = "md5",
	 .auth_key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	 .esp = "4869205468657265",
	 .in = "",
	 .out = "9294727a3638bb1c13f48ef8"},
	{.source = "RFC 2202 §2 case 2",
	 .enc = "null",
	 .auth = "md5",
	 .auth_key = "4a656665000000000000000000000000",
	 .esp = "7768617420646f20",
	 .in = "79612077616e7420666f72206e6f7468696e673f",
	 .out = "79612077616e7420666f72206e6f7468696e673f"
		"750c783e6ab0b503eaa86e31"},
	{.source = "RFC 2202 §2 case 3",
	 .enc = "null",
	 .auth = "md5",
	 .auth_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 .esp = "dddddddddddddddd",
	 .in = DD42,
	 .out = DD42 "56be34521d144c88dbb8c733"},
	{.source = "RFC 2202 §2 case 5",
	 .enc = "null",
	 .auth = "md5",
	 .auth_key = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	 .esp = "5465737420576974",
	 .in = "68205472756e636174696f6e",
	 .out = "68205472756e636174696f6e"
		"56461ef2342edc00f9bab995"},
	{.source = "RFC 2202 §3 case 1",
	 .enc = "null",
	 .auth = "sha1",
	 .auth_key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	 .esp = "4869205468657265",
	 .in = "",
	 .out = "b617318655057264e28bc0b6"},
	{.source = "RFC 2202 §3 case 2",
	 .enc = "null",
	 .auth = "sha1",
	 .auth_key = "4a65666500000000000000000000000000000000",
	 .esp = "7768617420646f20",
	 .in = "79612077616e7420666f72206e6f7468696e673f",
	 .out = "79612077616e7420666f72206e6f7468696e673f"
		"effcdf6ae5eb2fa2d27416d5"},
	{.source = "RFC 2202 §3 case 3",
	 .enc = "null",
	 .auth = "sha1",
	 .auth_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 .esp = "dddddddddddddddd",
	 .in = DD42,
	 .out = DD42 "125d7342b9ac11cd91a39af4"},
	{.source = "RFC 2202 §3 case 5",
	 .enc = "null",
	 .auth = "sha1",
	 .auth_key = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	 .esp = "5465737420576974",
	 .in = "68205472756e636174696f6e",
	 .out = "68205472756e636174696f6e"
		"4c1a03424b55e07fe7f27be1"},
};

#endif
