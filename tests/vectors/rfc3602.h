/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 3602 §4: AES-128-CBC, cases 1 to 4 (cipher alone) and the tunnel mode ESP packets, cases 7 and 8. */
#ifndef VECTORS_RFC3602_H
#define VECTORS_RFC3602_H

#include "user/crypto/kat.h"

static const struct kat rfc3602_cbc[] = {
	{.source = "RFC 3602 §4 case 1",
	 .enc = "aes-128",
	 .auth = "null",
	 .enc_key = "06a9214036b8a15b512e03d534120006",
	 .iv = "3dafba429d9eb430b422da802c9fac41",
	 .in = "53696e676c6520626c6f636b206d7367",
	 .out = "e353779c1079aeb82708942dbe77181a"},
	{.source = "RFC 3602 §4 case 2",
	 .enc = "aes-128",
	 .auth = "null",
	 .enc_key = "c286696d887c9aa0611bbb3e2025a45a",
	 .iv = "562e17996d093d28ddb3ba695a2e6f58",
	 .in = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 .out = "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
	{.source = "RFC 3602 §4 case 3",
	 .enc = "aes-128",
	 .auth = "null",
	 .enc_key = "6c3ea0477630ce21a2ce334aa746c2cd",
	 .iv = "c782dc4c098c66cbd9cd27d825682c81",
	 .in = "5468697320697320612034382d62797465206d657373616765202865786163746c"
	       "7920332041455320626c6f636b7329",
	 .out = "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5"
		"021c19216bad525c8579695d83ba2684"},
	{.source = "RFC 3602 §4 case 4",
	 .enc = "aes-128",
	 .auth = "null",
	 .enc_key = "56e47a38c5598974bc46903dba290349",
	 .iv = "8ce82eefbea0da3c44699ed7db51b7d9",
	 .in = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
	       "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
	 .out = "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e"
		"35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"},
};

/* Tunnel mode packets. inner is the packet before ESP; esp runs from the SPI to the end; outer is the new IPv4 header. */
struct esp_packet_vector {
	const char *source, *key, *iv, *inner, *esp, *outer;
	unsigned seq, spi, id;
};

static const struct esp_packet_vector rfc3602_tunnel[] = {
	{.source = "RFC 3602 §4 case 7",
	 .spi = 0x8765,
	 .seq = 2,
	 .id = 0x0905,
	 .key = "0123456789abcdef0123456789abcdef",
	 .iv = "f4e765244f6407adf13dc1380f673f37",
	 .inner = "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d"
		  "02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
		  "2425262728292a2b2c2d2e2f3031323334353637",
	 .outer = "4500008c090500004032f91ec0a87b03c0a87bc8",
	 .esp = "0000876500000002f4e765244f6407adf13dc1380f673f37"
		"773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8"
		"e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
		"c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"},
	{.source = "RFC 3602 §4 case 8",
	 .spi = 0x8765,
	 .seq = 5,
	 .id = 0x090d,
	 .key = "0123456789abcdef0123456789abcdef",
	 .iv = "85d47224b5f3dd5d2101d4ea8dffab22",
	 .inner = "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083d"
		  "a3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		  "ffffffff",
	 .outer = "4500007c090d00004032f926c0a87b03c0a87bc8",
	 .esp = "000087650000000585d47224b5f3dd5d2101d4ea8dffab22"
		"15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb5"
		"0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3"
		"d2726d9b5ef6affc6d17a0decbb13892"},
};

#endif
