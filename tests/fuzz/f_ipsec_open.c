/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipsec_open, ipsec_seal and ipsec_peek under arbitrary bytes, in every form of an SA: ESP and AH, tunnel and transport, both families, ESN,
 * UDP, and every kind of algorithm. Four ways in, chosen by the first byte of the input:
 *   raw        the rest is the packet as it came from the wire;
 *   addressed  the same, with addresses, protocol, length, ports and SPI made right, so that what is behind them is reached;
 *   authentic  the rest is options or extension headers and the inside, sealed here with the peer's key: all a malicious peer can do;
 *   plain      the rest is a packet to be sealed; one that is must open again.
 * A packet has exactly its own bytes, so that a sanitizer sees any step outside. Whatever comes, there is one verdict, counted once, and a
 * packet that passes is a sound IP packet within the frame; for authentic ones without options the verdict is known.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/esp_rig.h"
#include "user/ipsec/ah.h"

#define CTL 7 /* control bytes in front */

enum way { RAW, ADDRESSED, AUTHENTIC, PLAIN };

struct ctl {
	enum way way;
	unsigned alg, engine;
	uint8_t proto, mode, family, flags;
	uint32_t window, seq;
	uint8_t class, front, next;
};

#define ALGS 16

/* The corpus knows them by number. */
static const char *const esp_algs[ALGS][2] = {
	{"aes-128-gcm", "null"},       {"aes-128", "sha1"},	  {"null", "md5"},
	{"aes-256", "null"},	       {"aes-128-ccm", "null"},	  {"aes-128-ctr", "sha256"},
	{"chacha20-poly1305", "null"}, {"aes-128-gmac", "null"},  {"3des", "sha512"},
	{"blowfish", "null"},	       {"des", "aes-xcbc"},	  {"twofish", "sha384"},
	{"camellia-256", "sha1"},      {"aes-256-ccm-8", "null"}, {"aes-192-gcm-12", "null"},
	{"null", "aes-cmac"},
};
static const char *const ah_algs[ALGS] = {"sha1",	  "md5",	  "sha1",	  "md5",
					  "aes-128-gmac", "sha256",	  "sha384",	  "sha512",
					  "aes-xcbc",	  "aes-cmac",	  "aes-192-gmac", "aes-256-gmac",
					  "aes-128-gmac", "aes-128-gmac", "aes-128-gmac", "aes-128-gmac"};

static struct rig rig[2][2][ALGS]; /* by protocol and engine */

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			rig_die(#what);                                                                                \
	} while (0)

static void rig_all(void)
{
	struct engine *en[2];
	struct err e;

	if (rig[0][0][0].en)
		return;
	must(engine_new(&en[0], XI_ENGINE_OPENSSL, &e) == 0);
	must(engine_new(&en[1], XI_ENGINE_NONE, &e) == 0);
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned a = 0; a < ALGS; a++) {
			rig_init(&rig[0][k][a], en[k], alg_by_name(ALG_ENC, esp_algs[a][0]),
				 alg_by_name(ALG_AUTH, esp_algs[a][1]));
			rig_init(&rig[1][k][a], en[k], alg_by_name(ALG_ENC, "null"), alg_by_name(ALG_AUTH, ah_algs[a]));
		}
	}
}

/*
 * Byte 0: way, algorithms, engine; 1: protocol, mode, family, flags; 2: window and outer class; 3, 4: number; 5: bytes of options or extension
 * headers in front; 6: next header of AH, or of an IPv6 header with something in front.
 */
static struct ctl control(const uint8_t *d)
{
	static const uint32_t window[4] = {0, 32, 64, 1024};
	struct ctl c = {.way = (enum way)(d[0] & 3),
			.alg = d[0] >> 2 & 15,
			.engine = d[0] >> 6 & 1,
			.proto = d[1] & 1 ? XI_PROTO_AH : XI_PROTO_ESP,
			.mode = d[1] & 2 ? XI_MODE_TRANSPORT : XI_MODE_TUNNEL,
			.family = d[1] & 4 ? XI_IP6 : XI_IP4,
			.flags = d[1] & 8 ? XI_SA_F_ESN : 0,
			.window = window[d[2] >> 6],
			.class = d[2] & 63,
			.seq = (uint32_t)d[3] << (d[4] & 24) | (d[4] & 7),
			.front = d[5],
			.next = d[6]};

	if (d[1] & 16)
		c.flags |= c.proto == XI_PROTO_ESP ? XI_SA_F_UDP : XI_SA_F_AH_ALIGN8;
	return c;
}

/* Bytes of IP header with `front` bytes of options or extension headers, as far as they fit. */
static size_t header_len(const struct ctl *c)
{
	return c->family == XI_IP4 ? IP4_HDR + MIN(c->front & 0xfcu, 40u) : IP6_HDR + (c->front & 0xf8u);
}

static void write_header(const struct ctl *c, const struct rig *r, uint8_t *ip, size_t hdr, size_t len)
{
	uint8_t proto = c->flags & XI_SA_F_UDP ? 17 : c->proto;

	if (c->family == XI_IP4) {
		memset(ip, 0, IP4_HDR);
		ip[0] = (uint8_t)(0x40 | hdr / 4);
		ip[IP4_TOS] = c->class;
		u16_put(ip + IP4_LEN, (uint16_t)len);
		ip[IP4_TTL] = 64;
		ip[IP4_PROTO] = proto;
		be32_put(ip + IP4_SRC, r->sa.src.w[0]);
		be32_put(ip + IP4_DST, r->sa.dst.w[0]);
		ip4_sum_put(ip);
		return;
	}
	be32_put(ip, htonl(0x60000000 | (uint32_t)c->class << 20));
	u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	ip[IP6_NEXT] = hdr > IP6_HDR ? c->next : proto;
	ip[IP6_HOPS] = 64;
	memcpy(ip + IP6_SRC, &r->sa.src, 16);
	memcpy(ip + IP6_DST, &r->sa.dst, 16);
}

/* UDP header, SPI and number at `at`. */
static void write_spi(const struct ctl *c, const struct rig *r, uint8_t *at, size_t len)
{
	if (c->flags & XI_SA_F_UDP) {
		be16_put(at, r->sa.udp_remote);
		be16_put(at + 2, r->sa.udp_local);
		u16_put(at + 4, (uint16_t)len);
		u16_put(at + 6, 0);
		at += 8;
	}
	if (c->proto == XI_PROTO_AH)
		at += 4;
	be32_put(at, r->sa.spi);
	be32_put(at + 4, htonl(c->seq));
}

/* What RFC 4303 and RFC 4302 say of an authentic packet of next header next with payload[len], read the slow way. */
static enum xi_drop expected(const struct ctl *c, const struct alg_shape *s, const uint8_t *payload, size_t len,
			     uint8_t next)
{
	unsigned inner_ecn = 0;

	if (s->icv_len && c->window && c->seq == 0)
		return XI_DROP_IN_REPLAY_ZERO;
	if (c->proto == XI_PROTO_ESP) {
		size_t pad = payload[len - 2];

		next = payload[len - 1];
		if (pad > len - 2)
			return XI_DROP_IN_PADDING;
		for (size_t i = 0; i < pad; i++)
			if (payload[len - 2 - pad + i] != i + 1)
				return XI_DROP_IN_PADDING;
		if (next == 59)
			return XI_OK;
		len -= 2 + pad;
	}
	if (c->mode == XI_MODE_TRANSPORT)
		return XI_OK;
	if (next == 4 && ip4_check(payload, len))
		inner_ecn = payload[1] & 3;
	else if (next == 41 && ip6_check(payload, len))
		inner_ecn = payload[1] >> 4 & 3;
	else
		return XI_DROP_IN_MODE;
	return (c->class & 3) == 3 && inner_ecn == 0 ? XI_DROP_IN_ECN : XI_OK;
}

/* A packet of its own with room for the high half of an ESN behind it, or for exactly `room` bytes around it. */
static struct pkt exact_packet(size_t len, size_t head, size_t tail)
{
	uint8_t *buf = malloc(head + len + tail + 1);

	must(buf);
	return (struct pkt){buf, buf + head, buf + head + len, buf + head + len + tail};
}

static size_t esn_room(const struct ctl *c)
{
	return c->proto == XI_PROTO_AH && (c->flags & XI_SA_F_ESN) ? 4 : 0;
}

static struct pkt esp_packet(const struct ctl *c, struct rig *r, const struct alg_shape *s, const uint8_t *front,
			     const uint8_t *text, size_t len)
{
	size_t hdr = header_len(c), udp = c->flags & XI_SA_F_UDP ? 8 : 0, covered = 8u + s->iv_len + len;
	struct pkt p = exact_packet(hdr + udp + covered + s->icv_len, 0, 0);
	struct crypto_job j = {.key = r->key, .auth = p.data + hdr + udp, .text_len = (uint32_t)len};
	uint8_t icv[64], *wire = j.auth + covered;

	memset(p.data, 0, pkt_len(&p));
	write_header(c, r, p.data, hdr, pkt_len(&p));
	memcpy(p.data + (c->family == XI_IP4 ? IP4_HDR : IP6_HDR), front,
	       hdr - (c->family == XI_IP4 ? IP4_HDR : IP6_HDR));
	if (c->family == XI_IP4)
		ip4_sum_put(p.data);
	write_spi(c, r, p.data + hdr, pkt_len(&p) - hdr);
	j.text = j.auth + 8 + s->iv_len;
	memcpy(j.text, text, len);
	j.icv = s->icv_len ? icv : NULL;
	j.auth_len = (uint32_t)covered;
	if (s->flags & ALG_F_AEAD) {
		memcpy(j.aad, j.auth, 4);
		j.auth_len = 8;
		if (c->flags & XI_SA_F_ESN) { /* the high half is zero: the first 2^32 numbers */
			memcpy(j.aad + 8, j.auth + 4, 4);
			j.auth = j.aad;
			j.auth_len = 12;
		}
	} else if ((c->flags & XI_SA_F_ESN) && s->icv_len) {
		j.auth_len += 4; /* zero, where the ICV will be */
	}
	engine_seal(r->en, &j, 1);
	must(j.ok || !len);
	memcpy(wire, icv, s->icv_len);
	return p;
}

static struct pkt ah_packet(const struct ctl *c, struct rig *r, const struct alg_shape *s, const uint8_t *front,
			    const uint8_t *payload, size_t len)
{
	size_t hdr = header_len(c), ah_len = 12u + s->iv_len + s->icv_len + (c->seq & 1 ? 4 : 0),
	       all = hdr + ah_len + len;
	size_t fixed = c->family == XI_IP4 ? IP4_HDR : IP6_HDR;
	struct pkt p = exact_packet(all, 0, esn_room(c));
	uint8_t *covered = calloc(1, all + 4), icv[64], *ah = p.data + hdr;
	struct crypto_job j = {.key = r->key, .auth = covered, .auth_len = (uint32_t)(all + esn_room(c)), .icv = icv};

	must(covered);
	memset(p.data, 0, all);
	write_header(c, r, p.data, hdr, all);
	memcpy(p.data + fixed, front, hdr - fixed);
	if (c->family == XI_IP4)
		ip4_sum_put(p.data);
	ah[0] = c->next;
	ah[1] = (uint8_t)(ah_len / 4 - 2);
	write_spi(c, r, ah, 0);
	memcpy(ah + ah_len, payload, len);
	memcpy(covered, p.data, all);
	/* When that cannot be done the packet is malformed, and its ICV does not matter. */
	if (ah_zero(covered, hdr) == 0) {
		engine_seal(r->en, &j, 1);
		must(j.ok);
		memcpy(ah + 12 + s->iv_len, icv, s->icv_len);
	}
	free(covered);
	return p;
}

static void peek(const struct pkt *p)
{
	uint8_t proto = 0;
	__be32 spi;

	for (int udp = 0; udp < 2; udp++)
		if (ipsec_peek(p, udp, &spi, &proto) == 0)
			must(proto == XI_PROTO_ESP || proto == XI_PROTO_AH);
}

static int sound(const struct pkt *p)
{
	return ip4_check(p->data, pkt_len(p)) == pkt_len(p) || ip6_check(p->data, pkt_len(p)) == pkt_len(p);
}

static void open_and_judge(struct rig *r, struct pkt *p, const enum xi_drop *want)
{
	uint8_t *head = p->head, *end = p->end;
	enum xi_drop v;

	memset(&r->rt, 0, sizeof(r->rt));
	memset(&r->replay, 0, sizeof(r->replay));
	v = rig_open(r, p);
	must(p->head == head && p->end == end && p->data >= head && p->data <= p->tail && p->tail <= end);
	must(r->rt.err_icv + r->rt.err_replay + r->rt.err_other == (v != XI_OK));
	must(r->rt.lock == 0);
	must(v < XI_DROP_MAX);
	if (v == XI_OK) {
		must(p->tail == p->data || sound(p));
		peek(p);
	}
	if (want)
		must(v == *want);
	free(head);
}

static void authentic(const struct ctl *c, struct rig *r, const struct alg_shape *s, const uint8_t *data, size_t size)
{
	size_t fixed = c->family == XI_IP4 ? IP4_HDR : IP6_HDR, front = header_len(c) - fixed;
	enum xi_drop want = XI_DROP_IN_LENGTH;
	const uint8_t *text = data + front;
	struct pkt p;

	if (size < front)
		return;
	size -= front;
	if (c->proto == XI_PROTO_ESP)
		size -= size % s->align;
	if (size || c->proto == XI_PROTO_AH)
		want = expected(c, s, text, size, c->next);
	p = c->proto == XI_PROTO_ESP ? esp_packet(c, r, s, data, text, size) : ah_packet(c, r, s, data, text, size);
	open_and_judge(r, &p, front ? NULL : &want);
}

/* What is sealed is longer, sound, and opens again. */
static void plain(const struct ctl *c, struct rig *r, const uint8_t *data, size_t size)
{
	struct pkt p = exact_packet(size, ipsec_headroom(&r->sa), ipsec_tailroom(&r->sa));
	size_t hdr = c->family == XI_IP4 ? IP4_HDR : IP6_HDR, sealed;
	enum xi_drop want = XI_OK, v;

	memcpy(p.data, data, size);
	/* Sound as far as that is easy; transport mode: the SA's endpoints. */
	if (size >= hdr && c->mode == XI_MODE_TRANSPORT) {
		p.data[0] = c->family == XI_IP4 ? (uint8_t)(0x40 | (p.data[0] & 15)) : 0x60;
		memcpy(p.data + (hdr == IP4_HDR ? IP4_SRC : IP6_SRC), &r->sa.src, hdr == IP4_HDR ? 4 : 16);
		memcpy(p.data + (hdr == IP4_HDR ? IP4_DST : IP6_DST), &r->sa.dst, hdr == IP4_HDR ? 4 : 16);
	}
	if (size >= IP6_HDR && p.data[0] >> 4 == 6) {
		u16_put(p.data + IP6_LEN, (uint16_t)(size - IP6_HDR));
	} else if (size >= IP4_HDR && ip4_hdr_len(p.data) >= IP4_HDR && ip4_hdr_len(p.data) <= size) {
		u16_put(p.data + IP4_LEN, (uint16_t)size);
		ip4_sum_put(p.data);
	}
	peek(&p);
	sealed = size >= IP4_HDR ? ipsec_sealed_len(&r->sa, &p) : 0;
	v = rig_seal(r, &p, 1 + (uint64_t)c->seq);
	if (v != XI_OK) {
		must(v == XI_DROP_OUT_MODE || v == XI_DROP_OUT_ENDPOINTS || v == XI_DROP_OUT_SEQUENCE);
		free(p.head);
		return;
	}
	must(pkt_len(&p) == sealed && sound(&p) && p.data >= p.head && p.tail <= p.end);
	/* A route that is not finished is not ours to receive; ECN of the outer header is the inner one's. */
	open_and_judge(r, &p, c->mode == XI_MODE_TUNNEL ? &want : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alg_shape s;
	struct rig *r;
	struct ctl c;
	struct pkt p;
	size_t hdr;

	rig_all();
	if (size < CTL)
		return 0;
	c = control(data);
	data += CTL;
	size = MIN(size - CTL, (size_t)2048);
	r = &rig[c.proto == XI_PROTO_AH][c.engine][c.alg];
	rig_become(r, c.proto, c.mode, c.family, c.flags);
	r->sa.replay_window = c.window;
	must(alg_shape(&r->sa, &s) == 0);
	if (c.way == AUTHENTIC) {
		authentic(&c, r, &s, data, size);
		return 0;
	}
	if (c.way == PLAIN) {
		plain(&c, r, data, size);
		return 0;
	}
	p = exact_packet(size, 0, esn_room(&c));
	memcpy(p.data, data, size);
	hdr = header_len(&c);
	if (c.way == ADDRESSED && size >= hdr + 8 + 12) {
		write_header(&c, r, p.data, hdr, size);
		if (c.family == XI_IP4)
			ip4_sum_put(p.data);
		write_spi(&c, r, p.data + hdr, size - hdr);
	}
	peek(&p);
	open_and_judge(r, &p, NULL);
	return 0;
}
