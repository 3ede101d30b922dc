/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of ESP share: a gateway's end of one SA on the stack, frames with room, inner packets, a repeatable random source.
 * Header only: each file in tests/lib is a program.
 */
#ifndef LIB_ESP_RIG_H
#define LIB_ESP_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/xi_alg.h"
#include "user/crypto/alg.h"
#include "user/ipsec/ipsec.h"
#include "user/ipsec/ip6.h"

#define RIG_FRAME 4096
#define RIG_HEADROOM 256
#define RIG_SPI 0x12345678u
#define RIG_SRC 0xc0000201u /* 192.0.2.1 */
#define RIG_DST 0xc0000202u

/* xorshift64*: the same numbers in every run. */
static inline uint64_t rig_rand(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull;
}

/* An IV source for tests: not random at all, different for each packet. */
static inline void rig_iv_fill(void *state, uint8_t *buf, size_t len)
{
	uint64_t *s = state;

	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)rig_rand(s);
}

struct rig_frame {
	uint8_t buf[RIG_FRAME];
	struct pkt pkt;
};

struct rig {
	struct engine *en;
	struct keyctx *key;
	struct xi_sa sa;
	struct xi_sa_rt rt;
	struct xi_replay replay;
	uint64_t iv_state;
	struct iv_source iv;
};

static inline void rig_die(const char *what)
{
	fprintf(stderr, "test rig: %s\n", what);
	abort();
}

/* The SA of a pair of algorithms by their names, keys made from seed. */
static inline void rig_sa(struct xi_sa *sa, const struct alg *enc, const struct alg *auth, uint64_t seed)
{
	uint64_t s = seed * 2 + 1;

	*sa = (struct xi_sa){.gen = 1,
			     .state = XI_SA_MATURE,
			     .proto = auth->flags & ALG_F_AH_ONLY ? XI_PROTO_AH : XI_PROTO_ESP,
			     .mode = XI_MODE_TUNNEL,
			     .family = XI_IP4,
			     .spi = htonl(RIG_SPI)};
	sa->src.w[0] = htonl(RIG_SRC);
	sa->dst.w[0] = htonl(RIG_DST);
	sa->enc_alg = enc->abi;
	sa->auth_alg = auth->abi;
	sa->enc_key_len = (__u16)alg_key_bytes(enc);
	sa->auth_key_len = (__u16)alg_key_bytes(auth);
	rig_iv_fill(&s, sa->enc_key, sa->enc_key_len);
	rig_iv_fill(&s, sa->auth_key, sa->auth_key_len);
}

static inline struct keyctx *rig_keyctx(struct engine *en, const struct xi_sa *sa)
{
	size_t size = (keyctx_size() + 63) & ~(size_t)63;
	struct keyctx *k = aligned_alloc(64, size);

	if (!k)
		rig_die("no memory");
	memset(k, 0, size);
	if (keyctx_init(en, k, sa) < 0)
		rig_die("keys refused");
	return k;
}

static inline void rig_init(struct rig *r, struct engine *en, const struct alg *enc, const struct alg *auth)
{
	memset(r, 0, sizeof(*r));
	r->en = en;
	rig_sa(&r->sa, enc, auth, 1);
	r->key = rig_keyctx(en, &r->sa);
	r->iv_state = 99;
	r->iv = (struct iv_source){rig_iv_fill, &r->iv_state};
}

static inline void rig_done(struct rig *r)
{
	keyctx_wipe(r->en, r->key);
	free(r->key);
}

/* A sound UDP-like IPv4 packet of len bytes (20 at least) into f, with the usual room around it. */
static inline uint8_t *rig_inner(struct rig_frame *f, size_t len)
{
	uint8_t *p = f->buf + RIG_HEADROOM;

	memset(f->buf, 0xee, sizeof(f->buf));
	f->pkt = (struct pkt){f->buf, p, p + len, f->buf + sizeof(f->buf)};
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + len);
	memset(p, 0, IP4_HDR);
	p[0] = 0x45;
	u16_put(p + IP4_LEN, (uint16_t)len);
	u16_put(p + IP4_ID, (uint16_t)len);
	p[IP4_TTL] = 64;
	p[IP4_PROTO] = 17;
	be32_put(p + IP4_SRC, htonl(0x0a010001));
	be32_put(p + IP4_DST, htonl(0x0a020001));
	ip4_sum_put(p);
	return p;
}

/* The same of IPv6 (40 bytes at least). */
static inline uint8_t *rig_inner6(struct rig_frame *f, size_t len)
{
	uint8_t *p = rig_inner(f, len);

	memset(p, 0, IP6_HDR);
	be32_put(p, htonl(0x60012345));
	u16_put(p + IP6_LEN, (uint16_t)(len - IP6_HDR));
	p[IP6_NEXT] = 17;
	p[IP6_HOPS] = 64;
	be32_put(p + IP6_SRC, htonl(0x20010db8));
	p[IP6_SRC + 15] = 1;
	be32_put(p + IP6_DST, htonl(0x20010db8));
	p[IP6_DST + 15] = 2;
	return p;
}

static inline uint8_t *rig_inner_of(struct rig_frame *f, uint8_t family, size_t len)
{
	return family == XI_IP6 ? rig_inner6(f, len) : rig_inner(f, len);
}

/* Gives the SA another form, with endpoints of that family and the same keys. */
static inline void rig_become(struct rig *r, uint8_t proto, uint8_t mode, uint8_t family, uint8_t flags)
{
	r->sa.proto = proto;
	r->sa.mode = mode;
	r->sa.family = family;
	r->sa.flags = flags;
	memset(&r->sa.src, 0, sizeof(r->sa.src) * 2);
	r->sa.src.w[0] = htonl(family == XI_IP6 ? 0x20010db8 : RIG_SRC);
	r->sa.dst.w[0] = htonl(family == XI_IP6 ? 0x20010db8 : RIG_DST);
	if (family == XI_IP6) {
		r->sa.src.w[3] = htonl(0xa1);
		r->sa.dst.w[3] = htonl(0xa2);
	}
	r->sa.udp_local = htons(flags & XI_SA_F_UDP ? 4500 : 0);
	r->sa.udp_remote = r->sa.udp_local;
	keyctx_wipe(r->en, r->key);
	if (keyctx_init(r->en, r->key, &r->sa) < 0)
		rig_die("keys refused");
}

/* A packet of len bytes that the SA may seal: in transport mode between its endpoints. */
static inline uint8_t *rig_plain(const struct rig *r, struct rig_frame *f, uint8_t family, size_t len)
{
	uint8_t *p = rig_inner_of(f, family, len);

	if (r->sa.mode == XI_MODE_TUNNEL)
		return p;
	if (family == XI_IP6) {
		memcpy(p + IP6_SRC, &r->sa.src, 16);
		memcpy(p + IP6_DST, &r->sa.dst, 16);
	} else {
		be32_put(p + IP4_SRC, r->sa.src.w[0]);
		be32_put(p + IP4_DST, r->sa.dst.w[0]);
		ip4_sum_put(p);
	}
	return p;
}

/* ipsec_sealed_len() of an inner IPv4 packet of len bytes. */
static inline size_t rig_sealed_len(const struct xi_sa *sa, size_t len)
{
	static uint8_t ip[65536] = {0x45};
	struct pkt p = {ip, ip, ip + len, ip + sizeof(ip)};

	return ipsec_sealed_len(sa, &p);
}

static inline struct ipsec_op rig_op(struct rig *r, struct pkt *p, uint64_t seq)
{
	return (struct ipsec_op){
		.sa = &r->sa, .rt = &r->rt, .replay = &r->replay, .key = r->key, .pkt = p, .seq = seq, .ip_id = 0x4242};
}

static inline enum xi_drop rig_seal(struct rig *r, struct pkt *p, uint64_t seq)
{
	struct ipsec_op op = rig_op(r, p, seq);

	ipsec_seal(r->en, &r->iv, &op, 1);
	return op.verdict;
}

static inline enum xi_drop rig_open(struct rig *r, struct pkt *p)
{
	struct ipsec_op op = rig_op(r, p, 0);

	ipsec_open(r->en, &op, 1);
	return op.verdict;
}

/* Every pair of algorithms that makes an SA; i counts from 0, 0 at the end. */
static inline int rig_pair(unsigned i, const struct alg **enc, const struct alg **auth)
{
	for (unsigned e = 0; (*enc = alg_at(e)); e++) {
		if ((*enc)->kind != ALG_ENC)
			continue;
		for (unsigned a = 0; (*auth = alg_at(a)); a++) {
			if ((*auth)->kind != ALG_AUTH || (((*enc)->flags & ALG_F_AEAD) && (*auth)->icv_len))
				continue;
			if ((*auth)->flags & ALG_F_AH_ONLY)
				continue;
			if ((*enc)->abi == XI_ENC_AES_CTR && !(*auth)->icv_len)
				continue; /* RFC 3686 §2.1 */
			if (i-- == 0)
				return 1;
		}
	}
	return 0;
}

#endif
