/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: equal, as bytes, as text. */
#include <stdio.h>

#include <arpa/inet.h>

#include "ike/core/engine.h"

int ike_addr_eq(const struct ike_addr *a, const struct ike_addr *b)
{
	return a->family == b->family && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

uint64_t ike_addr_hash(const struct ike *k, const struct ike_addr *a)
{
	uint64_t h;

	memcpy(&h, k->cookie_secret + 8, 8);
	h = hash_mix(h, a->family);
	for (unsigned i = 0; i < 4; i++)
		h = hash_mix(h, a->addr.w[i]);
	return h;
}

int ike_end_eq(const struct ike_end *a, const struct ike_end *b)
{
	return a->port == b->port && ike_addr_eq(&a->a, &b->a);
}

struct bytes ike_addr_bytes(const struct ike_addr *a)
{
	return (struct bytes){(const uint8_t *)a->addr.w, a->family == XI_IP4 ? 4 : 16};
}

static char *put_number(char *at, unsigned n)
{
	if (n >= 100)
		*at++ = (char)('0' + n / 100);
	if (n >= 10)
		*at++ = (char)('0' + n / 10 % 10);
	*at++ = (char)('0' + n % 10);
	return at;
}

/* By hand: a handshake has some twenty of them in its log, and inet_ntop() takes as long for them as three of its hashes each. */
static void text4(const struct ike_addr *a, char buf[16])
{
	const uint8_t *p = (const uint8_t *)a->addr.w;
	char *at = buf;

	for (unsigned i = 0; i < 4; i++) {
		at = put_number(at, p[i]);
		*at++ = i < 3 ? '.' : '\0';
	}
}

const char *ike_addr_text(const struct ike_addr *a, char *buf, size_t size)
{
	char four[16];

	if (a->family == XI_IP4) {
		text4(a, four);
		(void)str_copy(buf, size, four);
	} else if (!a->family || !inet_ntop(AF_INET6, a->addr.w, buf, (socklen_t)size)) {
		(void)str_copy(buf, size, "unset");
	}
	return buf;
}

const char *ike_end_text(const struct ike_end *e, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	(void)snprintf(buf, size, "%s[%u]", ike_addr_text(&e->a, addr, sizeof(addr)), e->port);
	return buf;
}
