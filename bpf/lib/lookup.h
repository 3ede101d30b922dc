/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Exact look-ups: is an address the host's own, which SA does an SPI name. */
#ifndef XI_LIB_LOOKUP_H
#define XI_LIB_LOOKUP_H

#include "bpf/lib/parse.h"
#include "bpf/maps.h"

static __always_inline int xi_is_local(const struct xi_addr *addr, __u8 family)
{
	struct xi_local_key key = {.addr = *addr, .family = family};

	return bpf_map_lookup_elem(&xi_local, &key) != NULL;
}

static __always_inline int xi_is_ipsec(const struct xi_pkt *k)
{
	return !(k->tuple.flags & XI_TUPLE_NO_PROTO) &&
	       (k->tuple.proto == XI_PROTO_ESP || k->tuple.proto == XI_PROTO_AH);
}

/* RFC 4301 §4.4.2.1: by destination, protocol and SPI. NULL: none in that direction. ESP in UDP is found as ESP. */
static __always_inline const struct xi_spi_val *xi_spi_find(const struct xi_pkt *k, __u8 dir)
{
	struct xi_spi_key key = {
		.dst = k->tuple.dst,
		.spi = k->spi,
		.proto = k->natt == XI_NATT_ESP ? XI_PROTO_ESP : k->tuple.proto,
		.family = k->tuple.family,
	};
	const struct xi_spi_val *val = bpf_map_lookup_elem(&xi_spi, &key);

	return val && val->dir == dir ? val : NULL;
}

/*
 * Spec 13.5: port 4500 is IPsec's while NAT traversal is in use. Until then it is like any other, for whatever program of
 * this host has it (spec 21: with nat-traversal=no nothing there is accepted as IPsec).
 */
static __always_inline int xi_natt_used(void)
{
	__u32 zero = 0;
	const struct xi_meta *meta = bpf_map_lookup_elem(&xi_meta, &zero);

	return meta && *(const volatile __u32 *)&meta->natt;
}

/* Spec 13.5: the port of IKE. That on port 4500 is known by its marker (xi_natt). */
static __always_inline int xi_is_ike_port(__be16 port)
{
	return port == XI_SWAP16(500);
}

static __always_inline int xi_is_udp(const struct xi_pkt *k)
{
	return k->tuple.proto == XI_IPPROTO_UDP && !(k->tuple.flags & (XI_TUPLE_NO_PROTO | XI_TUPLE_NO_PORTS));
}

#endif
