/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker reads of a decrypted packet: authentic, but of a peer who may want to hurt. Byte 0: 1 = the lengths of the IP header are made
 * right first. The rest is the packet, alone in memory with exactly its own bytes, as ipsec_open() leaves it: header and length sound.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "user/ipsec/ip6.h"
#include "user/worker/worker.h"

#undef __always_inline /* headers stand anywhere here, which x86 does not mind */
#define __always_inline inline __attribute__((always_inline, no_sanitize("alignment")))
#include "bpf/lib/parse.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_inner: %s\n", #what);                                                       \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static void mend(uint8_t *ip, size_t len)
{
	if (len >= IP4_HDR && ip[0] >> 4 == 4 && ip4_hdr_len(ip) >= IP4_HDR && ip4_hdr_len(ip) <= len) {
		u16_put(ip + IP4_LEN, (uint16_t)len);
		ip4_sum_put(ip);
	} else if (len >= IP6_HDR && ip[0] >> 4 == 6) {
		u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	}
}

static void check(const struct xi_tuple *t, unsigned family)
{
	must(t->family == family);
	must(family == XI_IP6 || !(t->src.w[1] | t->src.w[3] | t->dst.w[2]));
	must(!(t->flags & XI_TUPLE_NO_PROTO) || (t->flags & XI_TUPLE_NO_PORTS));
	must(!(t->flags & XI_TUPLE_NO_PORTS) || (!t->src_port && !t->dst_port));
}

/* The worker's short cut says what the programs' parser says. */
static void same_as_parser(const struct pkt *p, const struct xi_tuple *t)
{
	struct xi_pkt k = {.l3_off = 0};
	uint32_t len = (uint32_t)pkt_len(p);

	must((ip_version(p) == 4 ? xi_parse_ip4(&k, p->data, p->tail, len) : xi_parse_ip6(&k, p->data, p->tail, len)) ==
	     XI_PARSE_OK);
	must(memcmp(&k.tuple, t, sizeof(*t)) == 0);
}

/* A flow is found by its own tuple only (flow_of): every bit of it counts. */
static void same_as_itself(const struct xi_tuple *t)
{
	const size_t bits = 8 * offsetof(struct xi_tuple, pad);
	struct xi_tuple other = *t;
	uint8_t *b = (uint8_t *)&other;

	must(same_tuple(t, &other));
	for (size_t i = 0; i < bits; i++) {
		b[i / 8] ^= (uint8_t)(1u << (i % 8));
		must(!same_tuple(t, &other) && !same_tuple(&other, t));
		b[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
}

/* What hides its ports as part of a datagram is known as that. */
static void same_as_fragment(const struct pkt *p, const struct xi_tuple *t)
{
	struct frag_id id;
	int kind = read_fragment(p, &id);

	if (ip_version(p) == 4)
		must((kind != FRAG_NONE) == !!(u16_get(p->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET)));
	must(kind != FRAG_LATER || (t->flags & XI_TUPLE_NO_PORTS));
	must(kind != FRAG_NONE || !(t->flags & XI_TUPLE_NO_PORTS) || (t->flags & XI_TUPLE_NO_PROTO));
	if (kind != FRAG_NONE)
		must(id.family == t->family && memcmp(&id.src, &t->src, sizeof(id.src)) == 0 &&
		     memcmp(&id.dst, &t->dst, sizeof(id.dst)) == 0);
}

static void read_it(const struct pkt *p)
{
	struct xi_tuple t;
	uint8_t proto = 0;
	__be32 spi = 0;

	if (read_tuple(p, &t) == XI_OK) {
		check(&t, ip_version(p));
		same_as_parser(p, &t);
		same_as_fragment(p, &t);
		same_as_itself(&t);
	}
	if (read_quoted(p, &t))
		check(&t, ip_version(p));
	for (int udp = 0; udp < 2; udp++)
		if (ipsec_peek(p, udp, &spi, &proto) == 0)
			must(proto == XI_PROTO_ESP || proto == XI_PROTO_AH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1;
	struct pkt p;
	uint8_t *ip;

	if (size < 1 + IP4_HDR || size > 65536)
		return 0;
	ip = malloc(len);
	must(ip != NULL);
	memcpy(ip, data + 1, len);
	if (data[0] == 1)
		mend(ip, len);
	p = (struct pkt){ip, ip, ip + len, ip + len};
	if ((ip_version(&p) == 4 ? ip4_check(ip, len) : ip6_check(ip, len)) == len)
		read_it(&p);
	free(ip);
	return 0;
}
