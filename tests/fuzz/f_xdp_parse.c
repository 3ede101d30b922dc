/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of the XDP and tc programs, in user space. Input: one byte that says how much of the frame is readable (an skb's
 * linear part; 0 = all, as for XDP), then the frame. The readable bytes stand alone in memory, so a sanitizer sees any
 * read beyond them; what must hold of every answer is asserted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/xi_sa.h"
#include "bpf/lib/parse.h"
#include "tests/fuzz/fuzz.h"

static void must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "f_xdp_parse: %s\n", what);
	abort();
}

/* As the kernel does, the frame starts 2 bytes off, so that the IP header is aligned. */
static enum xi_parse parse(struct xi_pkt *k, const uint8_t *frame, size_t readable, size_t len)
{
	uint8_t *room = malloc(readable + 2);
	enum xi_parse rc;

	must(room != NULL, "out of memory");
	memcpy(room + 2, frame, readable);
	memset(k, 0, sizeof(*k));
	rc = xi_parse(k, room + 2, room + 2 + readable, (uint32_t)len);
	free(room);
	return rc;
}

static int is_port_proto(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 33 || proto == 132 || proto == 136;
}

static void check(const struct xi_pkt *k, enum xi_parse rc, size_t len)
{
	uint8_t no = k->tuple.flags;

	if (k->flags & XI_PKT_ADDR)
		must(len >= k->l3_off + (k->tuple.family == XI_IP4 ? 20u : 40u), "addresses from nowhere");
	if (rc != XI_PARSE_OK)
		return;
	must(k->flags & XI_PKT_ADDR, "sound without addresses");
	must(k->tuple.family == XI_IP4 || k->tuple.family == XI_IP6, "family");
	must(k->l3_off == 14 || k->l3_off == 18 || k->l3_off == 22 || (k->flags & XI_PKT_QUOTED),
	     "place of the IP header");
	must(!(k->flags & XI_PKT_LATER) || (k->flags & XI_PKT_FRAGMENT), "later part of no fragment");
	must(!(k->flags & XI_PKT_LATER) || (no & XI_TUPLE_NO_PORTS), "ports from a later fragment");
	must(!(no & XI_TUPLE_NO_PROTO) || (no & XI_TUPLE_NO_PORTS), "ports of an unknown protocol");
	must(!(k->flags & XI_PKT_SPI) || k->tuple.proto == XI_PROTO_ESP || k->tuple.proto == XI_PROTO_AH, "SPI");
	must(!(k->flags & XI_PKT_SPI) || !(k->flags & XI_PKT_LATER), "SPI of a later fragment");
	must(k->l4_off >= k->l3_off || (no & XI_TUPLE_NO_PROTO), "upper header in front of the IP header");
	must((no & XI_TUPLE_NO_PROTO) || k->l4_off <= len || (k->flags & XI_PKT_QUOTED), "upper header behind the end");
	must(!k->frag_id || (k->flags & XI_PKT_FRAGMENT), "identification of a whole packet");
	must(k->natt <= XI_NATT_SHORT, "kind on port 4500");
	must(!k->natt || (k->tuple.proto == 17 && !(k->flags & XI_PKT_LATER) &&
			  (k->tuple.src_port == XI_PORT_NATT || k->tuple.dst_port == XI_PORT_NATT)),
	     "port 4500 of another port");
	must(k->natt != XI_NATT_ESP || k->spi, "ESP in UDP with SPI 0");
	must(k->natt != XI_NATT_IKE || !k->spi, "marker that is not 0");
	must(!(k->flags & XI_PKT_ICMP6) || (k->tuple.proto == 58 && k->tuple.family == XI_IP6), "ICMPv6");
	must(is_port_proto(k->tuple.proto) || (!k->tuple.src_port && !k->tuple.dst_port), "ports of no port protocol");
	must(k->tuple.family == XI_IP6 || (!k->tuple.src.w[1] && !k->tuple.dst.w[3]), "IPv4 address too long");
	must(!xi_is_link_message(k) || k->ttl == 255 || k->ttl == 1, "link message from afar");
	(void)xi_is_multicast(&k->tuple);
}

/* What an ICMP error quotes: read from bytes that stand alone, and no further than they go. */
static void quoted(const struct xi_pkt *k, const uint8_t *frame, size_t len)
{
	uint8_t *room = malloc(len + 2);
	struct xi_pkt q = {0};
	enum xi_quoted what;

	must(room != NULL, "out of memory");
	memcpy(room + 2, frame, len);
	what = xi_parse_quoted(&q, room + 2, room + 2 + len, k);
	free(room);
	if (what == XI_QUOTED_NONE)
		return;
	must(xi_is_icmp(k), "quoted by no ICMP message");
	must(q.tuple.family == k->tuple.family, "quoted packet of the other family");
	must(q.flags & XI_PKT_QUOTED, "not marked as quoted");
	check(&q, XI_PARSE_OK, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xi_pkt whole, part;
	enum xi_parse rc;
	size_t len, readable;

	if (size < 1 || size > 70000)
		return 0;
	len = size - 1;
	readable = data[0];
	rc = parse(&whole, data + 1, len, len);
	must(rc != XI_PARSE_SHORT, "short although all of it is readable");
	check(&whole, rc, len);
	if (rc == XI_PARSE_OK)
		quoted(&whole, data + 1, len);
	if (!readable || readable >= len)
		return 0;
	/* with less to read: ask for more, or give the same answer */
	rc = parse(&part, data + 1, readable, len);
	if (rc == XI_PARSE_SHORT)
		return 0;
	must(rc == parse(&whole, data + 1, len, len) && memcmp(&part, &whole, sizeof(part)) == 0,
	     "another answer from fewer bytes");
	return 0;
}
