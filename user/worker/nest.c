/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one transform to the next (spec 13.4 step 1, "repeatedly if nested"): a decrypted packet that is again AH or ESP, or ESP in UDP, for
 * this host has an SA of its own. What the maps say of destination, protocol and SPI is kept for as long as no SA and no address of the host
 * changes, so that the maps are asked once, not by every packet. AH and ESP for another host is payload like any other.
 */
#include "user/worker/worker.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "user/ipsec/split.h"

#define NATT_PORT 4500 /* RFC 3948 §2.1 */

/* Spec 13.5: before that the port is like any other. */
static int natt_used(const struct worker *w)
{
	return __atomic_load_n(&w->maps->meta->natt, __ATOMIC_RELAXED) != 0;
}

static int is_extension(uint8_t proto)
{
	return proto == NH_HOP_BY_HOP || proto == NH_ROUTING || proto == NH_DST_OPTIONS;
}

/* Could what it is a fragment of be another transform? UDP shows its ports, and IPv6 what follows such headers, in the first one only. */
static int is_piece(const struct worker *w, const struct pkt *p)
{
	uint8_t proto = p->data[IP4_PROTO];
	struct ip6_at at;

	if (ip_version(p) == 6) {
		if (ip_walk(p->data, pkt_len(p), &at) == 0 || at.proto != NH_FRAGMENT ||
		    pkt_len(p) < at.off + IP6_FRAG_HDR)
			return 0;
		proto = p->data[at.off];
		if (is_extension(proto))
			return 1;
	}
	return proto == XI_PROTO_ESP || proto == XI_PROTO_AH || (proto == IPPROTO_UDP && natt_used(w));
}

/*
 * Could it be another transform? Most packets are not, and are not looked at any further. Fragments are not processed piecemeal (spec 13.6):
 * NEST_FRAGMENT.
 */
static int may_nest(const struct worker *w, const struct pkt *p, int *udp)
{
	const uint8_t *ip = p->data, *up;
	size_t hdr;
	uint8_t proto;

	*udp = 0;
	if (likely(ip_version(p) == 4)) {
		if (unlikely(u16_get(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)))
			return is_piece(w, p) ? NEST_FRAGMENT : 0;
		proto = ip[IP4_PROTO];
		hdr = ip4_hdr_len(ip);
	} else {
		proto = ip[IP6_NEXT];
		hdr = IP6_HDR;
		if (unlikely(proto == NH_FRAGMENT || is_extension(proto)))
			return is_piece(w, p) ? NEST_FRAGMENT : 1;
	}
	up = ip + hdr;
	*udp = proto == IPPROTO_UDP && p->tail - up >= 4 && u16_get(up + 2) == NATT_PORT && natt_used(w);
	return *udp || proto == XI_PROTO_ESP || proto == XI_PROTO_AH;
}

static unsigned hash_of(const struct xi_spi_key *k)
{
	uint32_t h = k->spi ^ k->dst.w[0] ^ k->dst.w[3] ^ k->proto;

	return (h * 0x9e3779b1u) >> 24 & (WRK_NESTS - 1);
}

int is_local(const struct worker *w, const struct xi_addr *addr, unsigned family)
{
	const struct xi_local_key key = {.addr = *addr, .family = family};
	__u32 ifindex;

	return bpf_map_lookup_elem(w->maps->fd[MAP_LOCAL], &key, &ifindex) == 0;
}

static const struct nest *look_up(struct worker *w, const struct xi_spi_key *key)
{
	struct nest *n = &w->nest[hash_of(key)];
	uint64_t sad_gen = __atomic_load_n(&w->maps->meta->sad_gen, __ATOMIC_ACQUIRE), hop_gen = hop_generation(w);
	struct xi_spi_val val;

	if (likely(n->sad_gen == sad_gen && n->hop_gen == hop_gen && memcmp(&n->key, key, sizeof(*key)) == 0))
		return n;
	*n = (struct nest){.key = *key, .sad_gen = sad_gen, .hop_gen = hop_gen};
	if (bpf_map_lookup_elem(w->maps->fd[MAP_SPI], key, &val) == 0 && val.dir == XI_DIR_IN) {
		n->slot = val.slot;
		n->gen = val.gen;
	}
	n->local = n->gen || is_local(w, &key->dst, key->family);
	return n;
}

int nest_next(struct worker *w, struct wpkt *pk, enum xi_drop *why)
{
	struct xi_spi_key key = {.family = pk->v.family};
	const struct nest *n;
	int udp, rc, may = may_nest(w, &pk->p, &udp);

	if (likely(!may))
		return 0;
	if (key.family == XI_IP4)
		key.dst.w[0] = be32_get(pk->p.data + IP4_DST);
	else
		memcpy(&key.dst, pk->p.data + IP6_DST, sizeof(key.dst));
	if (may == NEST_FRAGMENT) /* without an SPI: whether the destination is this host */
		return look_up(w, &key)->local ? NEST_FRAGMENT : 0;
	rc = ipsec_peek(&pk->p, udp, &key.spi, &key.proto);
	if (rc && !(rc == -EINVAL && (key.proto == XI_PROTO_ESP || key.proto == XI_PROTO_AH)))
		return 0;
	/* Cut short: for this host an error, for others payload. */
	n = look_up(w, &key);
	if (!n->local)
		return 0;
	*why = rc ? XI_DROP_IN_HEADER : XI_DROP_IN_NO_SA;
	if (rc || !n->gen)
		return -1;
	*why = XI_DROP_IN_NESTED;
	if (pk->nchain == WRK_NEST_MAX)
		return -1;
	pk->v.slot = n->slot;
	pk->v.gen = n->gen;
	return 1;
}
