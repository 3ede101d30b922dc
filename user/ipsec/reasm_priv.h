/* SPDX-License-Identifier: BSD-2-Clause */
/* Between reasm.c, the table, and reasm_ip.c, the headers. */
#ifndef IPSEC_REASM_PRIV_H
#define IPSEC_REASM_PRIV_H

#include "bpf/abi/xi_abi.h"
#include "user/ipsec/reasm.h"

/* Which datagram a fragment belongs to. No padding: it is compared as a whole. */
struct reasm_key {
	struct xi_addr src, dst;
	uint64_t via[REASM_VIA]; /* SAs that it came by; 0 = none */
	uint32_t id;		 /* as it stands in the header */
	uint8_t family;		 /* XI_IP4, XI_IP6 */
	uint8_t proto;		 /* IPv4 (RFC 791 §3.2); IPv6: 0, the first fragment alone says it (RFC 8200 §4.5) */
	uint8_t zero[2];
};

_Static_assert(sizeof(struct reasm_key) == 40 + 8 * REASM_VIA, "compared as a whole");

/* One fragment, checked: at + len <= 65535, a multiple of 8 when more follow, hdr <= REASM_ROOM. */
struct reasm_piece {
	struct reasm_key key;
	const uint8_t *ip; /* its headers: hdr bytes that belong in front of the datagram, next_at among them (IPv6) */
	const uint8_t *payload; /* len bytes */
	size_t hdr, next_at, at, len;
	int more;
	uint8_t proto; /* what its payload begins with, when at is 0 */
	uint8_t ecn;
};

enum reasm_kind { REASM_PIECE, REASM_WHOLE, REASM_BAD };

/* Trims p to its own length. REASM_WHOLE: p is the whole datagram now, an IPv6 fragment header taken out. */
enum reasm_kind reasm_read(struct pkt *p, struct reasm_piece *f);

/*
 * Makes the headers of a datagram that is complete right: hdr bytes in front, the byte at next_at says proto from now on (IPv6), ecn has a
 * bit for each codepoint seen. -1: it is longer than a datagram can be, or its ECN cannot be combined (RFC 3168 §5.3).
 */
int reasm_mend(struct pkt *whole, size_t hdr, size_t next_at, uint8_t proto, uint8_t ecn) __must_check;

#endif
