/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipsec_open under arbitrary bytes. Three ways in, chosen by the first byte of the input:
 *   raw        the rest is the datagram as it came from the wire;
 *   addressed  the same, with addresses, protocol, length and SPI made right, so that the length checks are reached;
 *   authentic  the rest is the plaintext with its trailer, sealed here with the peer's key: all that a malicious peer can do.
 * The packet has exactly its own bytes, so that a sanitizer sees any step outside. Whatever comes, there is one verdict, counted
 * once, and a packet that passes has a sound IPv4 header within the frame; for authentic ones the verdict is known.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/esp_rig.h"

#define CTL 4 /* control bytes in front */

enum way { RAW, ADDRESSED, AUTHENTIC };

struct ctl {
	enum way way;
	unsigned pair, engine;
	uint32_t window, seq;
	uint8_t tos;
};

/* Every shape of packet that matters to the parser; the corpus knows them by number. */
static const char *const pairs[15][2] = {
	{"null", "null"},	 {"null", "md5"},	  {"null", "sha1"},	   {"aes-128", "null"},
	{"aes-128", "md5"},	 {"aes-128", "sha1"},	  {"aes-192", "null"},	   {"aes-192", "md5"},
	{"aes-192", "sha1"},	 {"aes-256", "null"},	  {"aes-256", "md5"},	   {"aes-256", "sha1"},
	{"aes-128-gcm", "null"}, {"aes-192-gcm", "null"}, {"aes-256-gcm", "null"},
};
static struct rig rig[2][15];

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			rig_die(#what);                                                                                \
	} while (0)

static void rig_all(void)
{
	struct engine *en[2];
	struct err e;

	if (rig[0][0].en)
		return;
	must(engine_new(&en[0], XI_ENGINE_OPENSSL, &e) == 0);
	must(engine_new(&en[1], XI_ENGINE_NONE, &e) == 0);
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
			rig_init(&rig[k][i], en[k], alg_by_name(ALG_ENC, pairs[i][0]),
				 alg_by_name(ALG_AUTH, pairs[i][1]));
}

/* Byte 0: way, engine and pair; 1: window and outer TOS's ECN; 2, 3: sequence number, mostly small. */
static struct ctl control(const uint8_t *d)
{
	static const uint32_t window[4] = {0, 32, 64, 1024};

	return (struct ctl){.way = (enum way)((d[0] >> 5) % 3),
			    .engine = d[0] >> 4 & 1,
			    .pair = (d[0] & 15) % 15,
			    .window = window[d[1] >> 6],
			    .tos = d[1] & 63,
			    .seq = (uint32_t)d[2] << (d[3] & 24) | (d[3] & 7)};
}

static void write_outer(const struct ctl *c, const struct rig *r, uint8_t *ip, size_t len)
{
	if (ip[0] >> 4 != 4 || ip4_hdr_len(ip) < IP4_HDR || ip4_hdr_len(ip) + 8 > len)
		ip[0] = 0x45;
	ip[IP4_TOS] = c->tos;
	u16_put(ip + IP4_LEN, (uint16_t)len);
	u16_put(ip + IP4_FRAG, 0);
	ip[IP4_PROTO] = XI_PROTO_ESP;
	be32_put(ip + IP4_SRC, r->sa.src.w[0]);
	be32_put(ip + IP4_DST, r->sa.dst.w[0]);
	be32_put(ip + ip4_hdr_len(ip), r->sa.spi);
}

/* What RFC 4303 says of an authentic packet, read the slow way. */
static enum xi_drop expected(const struct ctl *c, const struct alg_shape *s, const uint8_t *text, size_t len)
{
	size_t pad, inner;

	if (s->icv_len && c->window && c->seq == 0)
		return XI_DROP_IN_REPLAY_ZERO;
	if (len < s->align)
		return XI_DROP_IN_LENGTH;
	pad = text[len - 2];
	if (pad > len - 2)
		return XI_DROP_IN_PADDING;
	for (size_t i = 0; i < pad; i++)
		if (text[len - 2 - pad + i] != i + 1)
			return XI_DROP_IN_PADDING;
	if (text[len - 1] == 59)
		return XI_OK;
	if (text[len - 1] == 41) {
		if (!ip6_check(text, len - 2 - pad))
			return XI_DROP_IN_MODE;
		return (c->tos & 3) == 3 && (text[1] >> 4 & 3) == 0 ? XI_DROP_IN_ECN : XI_OK;
	}
	inner = ip4_check(text, len - 2 - pad);
	if (text[len - 1] != 4 || !inner)
		return XI_DROP_IN_MODE;
	return (c->tos & 3) == 3 && (text[IP4_TOS] & 3) == 0 ? XI_DROP_IN_ECN : XI_OK;
}

static struct pkt exact_packet(size_t len)
{
	uint8_t *buf = malloc(len + !len);

	must(buf);
	return (struct pkt){buf, buf, buf + len, buf + len};
}

static struct pkt sealed_packet(const struct ctl *c, struct rig *r, const struct alg_shape *s, const uint8_t *text,
				size_t len)
{
	struct pkt p = exact_packet(IP4_HDR + 8 + s->iv_len + len + s->icv_len);
	struct crypto_job j = {.key = r->key, .auth = p.data + IP4_HDR, .text_len = (uint32_t)len};

	memset(p.data, 0, IP4_HDR + 8u + s->iv_len);
	write_outer(c, r, p.data, pkt_len(&p));
	be32_put(j.auth + 4, htonl(c->seq));
	j.auth_len = (s->flags & ALG_F_AEAD) ? 8 : 8u + s->iv_len + (uint32_t)len;
	j.text = j.auth + 8 + s->iv_len;
	j.icv = s->icv_len ? j.text + len : NULL;
	memcpy(j.text, text, len);
	engine_seal(r->en, &j, 1);
	must(j.ok || !len);
	return p;
}

/* The length checks of the outside are the wire's; an authentic packet is as long as its plaintext makes it. */
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
	if (v == XI_OK)
		must(p->tail == p->data || ip4_check(p->data, pkt_len(p)) == pkt_len(p) ||
		     ip6_check(p->data, pkt_len(p)) == pkt_len(p));
	if (want)
		must(v == *want);
	free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alg_shape s;
	enum xi_drop want;
	struct rig *r;
	struct ctl c;
	struct pkt p;

	rig_all();
	if (size < CTL)
		return 0;
	c = control(data);
	data += CTL;
	size = MIN(size - CTL, (size_t)2048);
	r = &rig[c.engine][c.pair];
	r->sa.replay_window = c.window;
	must(alg_shape(&r->sa, &s) == 0);
	if (c.way == AUTHENTIC) {
		size -= size % s.align;
		want = expected(&c, &s, data, size);
		/* Nothing to encrypt: too short is said before the number is looked at. */
		want = size ? want : XI_DROP_IN_LENGTH;
		p = sealed_packet(&c, r, &s, data, size);
		open_and_judge(r, &p, &want);
		return 0;
	}
	p = exact_packet(size);
	memcpy(p.data, data, size);
	if (c.way == ADDRESSED && size >= IP4_HDR + 8)
		write_outer(&c, r, p.data, size);
	open_and_judge(r, &p, NULL);
	return 0;
}
