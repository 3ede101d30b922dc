/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ipsec_seal and ipsec_open must refuse (RFC 4303, RFC 6040, spec section 12): tables, one row one verdict and one counter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/esp_rig.h"

static struct engine *mb, *ossl;

static int setup(void **state)
{
	struct err e;

	(void)state;
	unsetenv("XDP_IPSEC_ENGINE");
	if (engine_new(&mb, XI_ENGINE_NONE, &e) < 0 || engine_new(&ossl, XI_ENGINE_OPENSSL, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_free(mb);
	engine_free(ossl);
	return 0;
}

static void rig_named(struct rig *r, struct engine *en, const char *enc, const char *auth)
{
	rig_init(r, en, alg_by_name(ALG_ENC, enc), alg_by_name(ALG_AUTH, auth));
}

/* --- outbound refusals --- */

struct out_case {
	struct rig *r;
	struct rig_frame f;
	uint64_t seq;
	uint8_t flags;
};

static void o_seq_zero(struct out_case *c)
{
	c->seq = 0;
}
static void o_seq_end(struct out_case *c)
{
	c->seq = UINT32_MAX;
}
static void o_seq_over(struct out_case *c)
{
	c->seq = UINT32_MAX + 1ull;
}
static void o_headroom(struct out_case *c)
{
	c->f.pkt.head = c->f.pkt.data - ipsec_headroom(&c->r->sa) + 1;
}
static void o_tailroom(struct out_case *c)
{
	c->f.pkt.end = c->f.pkt.data + rig_sealed_len(&c->r->sa, 100) - 45;
}
static void o_ttl(struct out_case *c)
{
	c->f.pkt.data[IP4_TTL] = 1;
	ip4_sum_put(c->f.pkt.data);
}
static void o_ttl_host(struct out_case *c)
{
	o_ttl(c);
	c->flags = IPSEC_OP_HOST;
}
static void o_checksum(struct out_case *c)
{
	c->f.pkt.data[IP4_SUM] ^= 1;
}
static void o_version(struct out_case *c)
{
	c->f.pkt.data[0] = 0x65;
}
static void o_short(struct out_case *c)
{
	c->f.pkt.tail = c->f.pkt.data + 19;
}
static void o_length(struct out_case *c)
{
	c->f.pkt.tail++;
}
static void o_mode(struct out_case *c)
{
	c->r->sa.mode = XI_MODE_TRANSPORT;
}
static void o_bad_mode(struct out_case *c)
{
	c->r->sa.mode = XI_MODE_TUNNEL + 1;
}
static void o_family(struct out_case *c)
{
	c->r->sa.family = 5;
}
static void o_udp_ah(struct out_case *c)
{
	c->r->sa.proto = XI_PROTO_AH;
	c->r->sa.enc_alg = XI_ENC_NULL;
	c->r->sa.flags = XI_SA_F_UDP;
}
static void o_bare_ah(struct out_case *c)
{
	c->r->sa.proto = XI_PROTO_AH;
	c->r->sa.enc_alg = XI_ENC_NULL;
	c->r->sa.auth_alg = XI_AUTH_NULL;
}
static void o_proto(struct out_case *c)
{
	c->r->sa.proto = XI_PROTO_AH;
}
static void o_nothing(struct out_case *c)
{
	(void)c;
}

static void t_outbound_one_row_one_verdict(void **state)
{
	static const struct {
		const char *what;
		void (*damage)(struct out_case *c);
		enum xi_drop want;
	} row[] = {
		{"sound", o_nothing, XI_OK},
		{"t_rfc4303_3_3_3 number 0", o_seq_zero, XI_DROP_OUT_SEQUENCE},
		{"t_rfc4303_3_3_3 last number", o_seq_end, XI_OK},
		{"t_rfc4303_3_3_3 used up", o_seq_over, XI_DROP_OUT_SEQUENCE},
		{"no headroom", o_headroom, XI_DROP_OUT_NO_ROOM},
		{"no tailroom", o_tailroom, XI_DROP_OUT_NO_ROOM},
		{"TTL used up", o_ttl, XI_DROP_OUT_MODE},
		{"TTL 1 from the host", o_ttl_host, XI_OK},
		{"header checksum", o_checksum, XI_DROP_OUT_MODE},
		{"not IPv4", o_version, XI_DROP_OUT_MODE},
		{"truncated", o_short, XI_DROP_OUT_MODE},
		{"bytes behind the total length", o_length, XI_DROP_OUT_MODE},
		{"transport SA of other endpoints", o_mode, XI_DROP_OUT_ENDPOINTS},
		{"mode that is none", o_bad_mode, XI_DROP_OUT_BUNDLE},
		{"family that is none", o_family, XI_DROP_OUT_BUNDLE},
		{"AH SA with a cipher", o_proto, XI_DROP_OUT_BUNDLE},
		{"AH SA in UDP", o_udp_ah, XI_DROP_OUT_BUNDLE},
		{"AH SA without authentication", o_bare_ah, XI_DROP_OUT_BUNDLE},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		static struct out_case c;
		uint8_t before[RIG_FRAME];
		struct ipsec_op op;
		struct rig r;

		rig_named(&r, mb, "aes-128", "sha1");
		c = (struct out_case){.r = &r, .seq = 1};
		(void)rig_inner(&c.f, 100);
		row[i].damage(&c);
		memcpy(before, c.f.buf, sizeof(before));
		op = rig_op(&r, &c.f.pkt, c.seq);
		op.flags = c.flags;
		ipsec_seal(mb, &r.iv, &op, 1);
		if (op.verdict != row[i].want)
			fail_msg("%s: %d, want %d", row[i].what, op.verdict, row[i].want);
		/* A refused packet is untouched: ICMP may have to quote it. */
		if (row[i].want != XI_OK)
			assert_memory_equal(before, c.f.buf, sizeof(before));
		if (c.flags & IPSEC_OP_HOST) {
			assert_int_equal(rig_open(&r, &c.f.pkt), XI_OK);
			assert_int_equal(c.f.pkt.data[IP4_TTL], 1);
		}
		rig_done(&r);
	}
}

static void t_outbound_too_big_for_ipv4(void **state)
{
	uint8_t *buf = calloc(1, 70000), *in = buf + 256;
	struct pkt p = {buf, in, in + 65500, buf + 70000};
	struct rig r;

	(void)state;
	assert_non_null(buf);
	rig_named(&r, mb, "aes-128-gcm", "null");
	in[0] = 0x45;
	in[IP4_TTL] = 64;
	u16_put(in + IP4_LEN, 65500);
	ip4_sum_put(in);
	assert_int_equal(rig_seal(&r, &p, 1), XI_DROP_OUT_TOO_BIG);
	p.tail = in + ipsec_inner_mtu(&r.sa, 65535);
	u16_put(in + IP4_LEN, (uint16_t)pkt_len(&p));
	ip4_sum_put(in);
	assert_int_equal(rig_seal(&r, &p, 1), XI_OK);
	assert_int_equal(rig_open(&r, &p), XI_OK);
	rig_done(&r);
	free(buf);
}

/* --- inbound refusals --- */

/* Seals text_len bytes of any plaintext as the peer with the keys could: only the inside is wrong. */
static void forge(struct rig *r, struct rig_frame *f, const uint8_t *text, size_t text_len, uint32_t seq, uint8_t tos,
		  const uint8_t iv[16])
{
	struct crypto_job j = {.key = r->key};
	struct alg_shape s;
	uint8_t *ip, *esp;

	assert_int_equal(alg_shape(&r->sa, &s), 0);
	(void)rig_inner(f, 100);
	ip = f->pkt.data;
	esp = ip + IP4_HDR;
	j.auth = esp;
	j.text = esp + 8 + s.iv_len;
	j.text_len = (uint32_t)text_len;
	j.auth_len = (s.flags & ALG_F_AEAD) ? 8 : 8u + s.iv_len + j.text_len;
	j.icv = s.icv_len ? j.text + text_len : NULL;
	be32_put(esp, r->sa.spi);
	be32_put(esp + 4, htonl(seq));
	memcpy(esp + 8, iv, s.iv_len);
	memcpy(j.iv, iv, sizeof(j.iv));
	memcpy(j.text, text, text_len);
	engine_seal(r->en, &j, 1);
	assert_int_equal(j.ok, 1);
	f->pkt.tail = j.text + text_len + s.icv_len;
	ip[IP4_TOS] = tos;
	ip[IP4_PROTO] = XI_PROTO_ESP;
	be32_put(ip + IP4_SRC, r->sa.src.w[0]);
	be32_put(ip + IP4_DST, r->sa.dst.w[0]);
	u16_put(ip + IP4_LEN, (uint16_t)pkt_len(&f->pkt));
	ip4_sum_put(ip);
}

enum counter { NONE, ICV, REPLAY, OTHER };

static void expect(struct rig *r, struct rig_frame *f, const char *what, enum xi_drop want, enum counter counter)
{
	struct xi_sa_rt was = r->rt;
	struct pkt before = f->pkt;
	enum xi_drop v = rig_open(r, &f->pkt);

	if (v != want)
		fail_msg("%s: %d, want %d", what, v, want);
	assert_int_equal(r->rt.err_icv - was.err_icv, counter == ICV);
	assert_int_equal(r->rt.err_replay - was.err_replay, counter == REPLAY);
	assert_int_equal(r->rt.err_other - was.err_other, counter == OTHER);
	assert_int_equal(r->rt.lock, 0);
	if (v != XI_OK)
		assert_memory_equal(&before, &f->pkt, sizeof(before));
}

static void i_nothing(struct rig *r, struct pkt *p)
{
	(void)r;
	(void)p;
}
static void i_no_ip(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 19;
}
static void i_no_spi(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 27;
	u16_put(p->data + IP4_LEN, 27);
}
static void i_version(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[0] = 0x65;
}
static void i_ihl_small(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[0] = 0x44;
}
static void i_ihl_big(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 60;
	u16_put(p->data + IP4_LEN, 60);
	p->data[0] = 0x4f;
}
static void i_total(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail--;
}
static void i_proto(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[IP4_PROTO] = 51;
}
static void i_fragment(struct rig *r, struct pkt *p)
{
	(void)r;
	u16_put(p->data + IP4_FRAG, IP4_MF);
}
static void i_later(struct rig *r, struct pkt *p)
{
	(void)r;
	u16_put(p->data + IP4_FRAG, 8);
}
static void i_spi(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[23] ^= 1;
}
static void i_dst(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[IP4_DST + 3] ^= 1;
}
static void i_src(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[IP4_SRC + 3] ^= 1;
}
static void i_cut(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail--;
	u16_put(p->data + IP4_LEN, (uint16_t)pkt_len(p));
}
static void i_no_block(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 20 + 8 + 16 + 12;
	u16_put(p->data + IP4_LEN, (uint16_t)pkt_len(p));
}
static void i_one_block(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 20 + 8 + 16 + 16 + 12;
	u16_put(p->data + IP4_LEN, (uint16_t)pkt_len(p));
}
static void i_only_esp(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail = p->data + 28;
	u16_put(p->data + IP4_LEN, 28);
}
static void i_text(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[60] ^= 0x80;
}
static void i_icv(struct rig *r, struct pkt *p)
{
	(void)r;
	p->tail[-1] ^= 1;
}
static void i_iv(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[28] ^= 1;
}
static void i_zero(struct rig *r, struct pkt *p)
{
	(void)r;
	be32_put(p->data + 24, 0);
}
static void i_old(struct rig *r, struct pkt *p)
{
	(void)p;
	r->rt.seq_top = 1000 + 64;
}
static void i_edge(struct rig *r, struct pkt *p)
{
	(void)p;
	r->rt.seq_top = 1000 + 63;
}
static void i_dup(struct rig *r, struct pkt *p)
{
	(void)p;
	r->rt.seq_top = 1000;
	r->replay.word[1000 / 64] = 1ull << 1000 % 64;
}
static void i_mode(struct rig *r, struct pkt *p)
{
	(void)p;
	r->sa.mode = XI_MODE_TUNNEL + 1;
}
static void i_family(struct rig *r, struct pkt *p)
{
	(void)p;
	r->sa.family = 5;
}
static void i_other_family(struct rig *r, struct pkt *p)
{
	(void)p;
	r->sa.family = XI_IP6;
}
static void i_ah(struct rig *r, struct pkt *p)
{
	(void)p;
	r->sa.proto = XI_PROTO_AH;
}
static void i_udp_sa(struct rig *r, struct pkt *p)
{
	(void)p;
	r->sa.flags = XI_SA_F_UDP;
}
static void i_udp(struct rig *r, struct pkt *p)
{
	(void)r;
	p->data[IP4_PROTO] = 17;
}
static void i_options(struct rig *r, struct pkt *p)
{
	(void)r;
	memmove(p->data - 4, p->data, 20);
	p->data -= 4;
	p->data[0] = 0x46;
	memset(p->data + 20, 1, 4);
	u16_put(p->data + IP4_LEN, (uint16_t)pkt_len(p));
}

static void t_inbound_outside_one_row_one_verdict(void **state)
{
	static const struct {
		const char *what;
		void (*damage)(struct rig *r, struct pkt *p);
		enum xi_drop want;
		enum counter counter;
	} row[] = {
		{"sound", i_nothing, XI_OK, NONE},
		{"outer options", i_options, XI_OK, NONE},
		{"no IP header", i_no_ip, XI_DROP_IN_HEADER, OTHER},
		{"no sequence number", i_no_spi, XI_DROP_IN_HEADER, OTHER},
		{"not IPv4", i_version, XI_DROP_IN_HEADER, OTHER},
		{"header length below 20", i_ihl_small, XI_DROP_IN_HEADER, OTHER},
		{"header length leaves no SPI", i_ihl_big, XI_DROP_IN_HEADER, OTHER},
		{"total length is not the packet's", i_total, XI_DROP_IN_HEADER, OTHER},
		{"not ESP", i_proto, XI_DROP_IN_HEADER, OTHER},
		{"t_rfc4303_3_4_1 first fragment", i_fragment, XI_DROP_IN_HEADER, OTHER},
		{"t_rfc4303_3_4_1 later fragment", i_later, XI_DROP_IN_HEADER, OTHER},
		{"t_rfc4303_3_4_2 another SPI", i_spi, XI_DROP_IN_NO_SA, OTHER},
		{"t_rfc4303_3_4_2 another destination", i_dst, XI_DROP_IN_NO_SA, OTHER},
		{"another source", i_src, XI_DROP_IN_SA_SELECTOR, OTHER},
		{"t_rfc4303_2_4 not whole blocks", i_cut, XI_DROP_IN_LENGTH, OTHER},
		{"no block at all", i_no_block, XI_DROP_IN_LENGTH, OTHER},
		{"header alone", i_only_esp, XI_DROP_IN_LENGTH, OTHER},
		{"one block, wrong ICV", i_one_block, XI_DROP_IN_ICV, ICV},
		{"t_rfc4303_3_4_4 text damaged", i_text, XI_DROP_IN_ICV, ICV},
		{"t_rfc4303_3_4_4 ICV damaged", i_icv, XI_DROP_IN_ICV, ICV},
		{"t_rfc4303_3_4_4 IV damaged", i_iv, XI_DROP_IN_ICV, ICV},
		{"t_rfc4303_3_4_3 number zero", i_zero, XI_DROP_IN_REPLAY_ZERO, REPLAY},
		{"t_rfc4303_3_4_3 left of the window", i_old, XI_DROP_IN_REPLAY_OLD, REPLAY},
		{"t_rfc4303_3_4_3 last of the window", i_edge, XI_OK, NONE},
		{"t_rfc4303_3_4_3 seen before", i_dup, XI_DROP_IN_REPLAY_DUP, REPLAY},
		{"mode that is none", i_mode, XI_DROP_IN_SA_INVALID, OTHER},
		{"family that is none", i_family, XI_DROP_IN_SA_INVALID, OTHER},
		{"AH SA with a cipher", i_ah, XI_DROP_IN_SA_INVALID, OTHER},
		{"IPv6 SA", i_other_family, XI_DROP_IN_HEADER, OTHER},
		{"t_rfc3948_2_1 plain ESP for an SA in UDP", i_udp_sa, XI_DROP_IN_ENCAP, OTHER},
		{"t_rfc3948_2_1 UDP for a plain SA", i_udp, XI_DROP_IN_ENCAP, OTHER},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct rig_frame f;
		struct rig r;

		rig_named(&r, mb, "aes-128", "sha1");
		r.sa.replay_window = 64;
		(void)rig_inner(&f, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 1000), XI_OK);
		row[i].damage(&r, &f.pkt);
		expect(&r, &f, row[i].what, row[i].want, row[i].counter);
		rig_done(&r);
	}
}

/* A plaintext: an inner header of `total` length, cut or padded to len, then pad bytes, pad length, next header. */
struct inside {
	const char *what;
	uint16_t total;	    /* the inner packet's own length */
	uint16_t len;	    /* bytes of payload in front of the padding */
	uint16_t pad;	    /* bytes of padding really there */
	uint16_t pad_field; /* what the pad length says */
	uint8_t first, next, inner_tos, outer_tos;
	int8_t pad_from; /* first padding byte */
	uint8_t hdr_damage;
	enum xi_drop want;
	enum counter counter;
};

static size_t write_inside(uint8_t *text, const struct inside *c)
{
	struct rig_frame f;
	uint8_t *in = rig_inner(&f, 1400);
	size_t n = c->len;

	in[0] = c->first;
	in[IP4_TOS] = c->inner_tos;
	u16_put(in + IP4_LEN, c->total);
	if (c->first == 0x4f)
		memset(in + 20, 1, 40);
	if (ip4_hdr_len(in) >= 20)
		ip4_sum_put(in);
	in[IP4_SUM] ^= c->hdr_damage;
	memcpy(text, in, n);
	for (unsigned i = 0; i < c->pad; i++)
		text[n++] = (uint8_t)(c->pad_from + (int)i);
	text[n++] = (uint8_t)c->pad_field;
	text[n++] = c->next;
	return n;
}

static void t_inbound_inside_one_row_one_verdict(void **state)
{
	/* The sizes make whole blocks of 16: len + pad + 2. */
	static const struct inside row[] = {
		{"sound", 60, 60, 2, 2, 0x45, 4, 0, 0, 1, 0, XI_OK, NONE},
		{"no padding", 62, 62, 0, 0, 0x45, 4, 0, 0, 1, 0, XI_OK, NONE},
		{"t_rfc4303_2_4 255 bytes of padding", 31, 31, 255, 255, 0x45, 4, 0, 0, 1, 0, XI_OK, NONE},
		{"inner options", 60, 60, 2, 2, 0x4f, 4, 0, 0, 1, 0, XI_OK, NONE},
		{"t_rfc4303_2_7 flow padding behind the packet", 40, 60, 2, 2, 0x45, 4, 0, 0, 1, 0, XI_OK, NONE},
		{"t_rfc4303_2_6 dummy packet", 60, 60, 2, 2, 0x45, 59, 0, 0, 1, 0, XI_OK, NONE},
		{"t_rfc4303_2_6 empty dummy packet", 0, 0, 14, 14, 0x45, 59, 0, 0, 1, 0, XI_OK, NONE},
		{"t_rfc4303_2_4 padding from 0", 60, 60, 2, 2, 0x45, 4, 0, 0, 0, 0, XI_DROP_IN_PADDING, ICV},
		{"t_rfc4303_2_4 padding from 2", 60, 60, 2, 2, 0x45, 4, 0, 0, 2, 0, XI_DROP_IN_PADDING, ICV},
		{"t_rfc4303_2_4 dummy packet, bad padding", 60, 60, 2, 2, 0x45, 59, 0, 0, 2, 0, XI_DROP_IN_PADDING,
		 ICV},
		{"t_rfc4303_2_5 pad length over all", 60, 60, 2, 63, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_PADDING, ICV},
		{"t_rfc4303_2_5 pad length 255", 60, 60, 2, 255, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_PADDING, ICV},
		{"padding is all there is", 0, 0, 14, 14, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"next header UDP", 60, 60, 2, 2, 0x45, 17, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"next header IPv6", 60, 60, 2, 2, 0x45, 41, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"next header 0", 60, 60, 2, 2, 0x45, 0, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner longer than there is", 61, 60, 2, 2, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner shorter than its header", 19, 60, 2, 2, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner header longer than the packet", 40, 60, 2, 2, 0x4f, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner header below 20", 60, 60, 2, 2, 0x44, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner version 6", 60, 60, 2, 2, 0x65, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner cut short", 12, 12, 2, 2, 0x45, 4, 0, 0, 1, 0, XI_DROP_IN_MODE, OTHER},
		{"inner checksum", 60, 60, 2, 2, 0x45, 4, 0, 0, 1, 0x80, XI_DROP_IN_MODE, OTHER},
		{"t_rfc6040_4_2 CE over Not-ECT", 60, 60, 2, 2, 0x45, 4, 0, 3, 1, 0, XI_DROP_IN_ECN, OTHER},
		{"t_rfc6040_4_2 CE over ECT(0)", 60, 60, 2, 2, 0x45, 4, 2, 3, 1, 0, XI_OK, NONE},
	};
	static const char *const algs[][2] = {{"aes-128", "sha1"}, {"aes-256-gcm", "null"}, {"null", "md5"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		for (unsigned a = 0; a < ARRAY_SIZE(algs); a++) {
			uint8_t text[2048], iv[16] = {0x33};
			size_t n = write_inside(text, &row[i]), out;
			struct rig_frame f;
			struct rig r;

			rig_named(&r, a == 1 ? ossl : mb, algs[a][0], algs[a][1]);
			r.sa.replay_window = 64;
			forge(&r, &f, text, n, 9, row[i].outer_tos, iv);
			expect(&r, &f, row[i].what, row[i].want, row[i].counter);
			/* It was authentic: the window has moved, whatever the inside is. */
			assert_int_equal(r.rt.seq_top, 9);
			out = row[i].next == 59 ? 0 : row[i].total;
			if (row[i].want == XI_OK)
				assert_int_equal(pkt_len(&f.pkt), out);
			if (row[i].want == XI_OK && out)
				assert_int_equal(ip4_check(f.pkt.data, pkt_len(&f.pkt)), out);
			rig_done(&r);
		}
	}
}

/* RFC 4303 §2.5: a pad length that reaches over the text into an IV which continues the padding is still too long. */
static void t_rfc4303_2_5_padding_into_the_iv(void **state)
{
	uint8_t text[16], iv[16];
	struct rig_frame f;
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128", "sha1");
	for (unsigned i = 0; i < 16; i++) {
		iv[i] = (uint8_t)(i + 1);
		text[i] = (uint8_t)(i + 17);
	}
	text[14] = 30;
	text[15] = 59;
	forge(&r, &f, text, sizeof(text), 1, 0, iv);
	expect(&r, &f, "padding into the IV", XI_DROP_IN_PADDING, ICV);
	rig_done(&r);
}

/* Keys that are not the SA's: the engine cannot do such lengths, and what it did not do never passes. */
static void t_engine_refuses(void **state)
{
	static const char *const auth[2] = {"sha1", "null"};

	(void)state;
	for (unsigned a = 0; a < 2; a++) {
		struct rig_frame f;
		struct rig r, other;

		rig_named(&r, mb, "null", auth[a]);
		rig_named(&other, mb, "aes-128", auth[a]);
		(void)rig_inner(&f, 100);
		other.sa = r.sa;
		assert_int_equal(rig_seal(&other, &f.pkt, 1), XI_DROP_OUT_ENGINE);
		(void)rig_inner(&f, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		expect(&other, &f, "other keys", a ? XI_DROP_IN_ENGINE : XI_DROP_IN_ICV, a ? OTHER : ICV);
		rig_done(&r);
		rig_done(&other);
	}
}

/* Random bytes with a wrong key: nothing but the verdicts of a stranger, no crash. */
static void t_strangers_packets(void **state)
{
	uint64_t rng = 4711;
	struct rig r;

	(void)state;
	rig_named(&r, mb, "aes-128-gcm", "null");
	r.sa.replay_window = 64;
	for (unsigned i = 0; i < 20000; i++) {
		struct rig_frame f;
		size_t len = 28 + rig_rand(&rng) % 200;
		enum xi_drop v;

		(void)rig_inner(&f, len);
		rig_iv_fill(&rng, f.pkt.data + 24, len - 24);
		f.pkt.data[IP4_PROTO] = 50;
		be32_put(f.pkt.data + IP4_SRC, r.sa.src.w[0]);
		be32_put(f.pkt.data + IP4_DST, r.sa.dst.w[0]);
		be32_put(f.pkt.data + 20, r.sa.spi);
		v = rig_open(&r, &f.pkt);
		assert_true(v == XI_DROP_IN_ICV || v == XI_DROP_IN_LENGTH);
	}
	assert_int_equal(r.rt.seq_top, 0);
	assert_int_equal(r.rt.err_icv + r.rt.err_other, 20000);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_outbound_one_row_one_verdict),
		cmocka_unit_test(t_outbound_too_big_for_ipv4),
		cmocka_unit_test(t_inbound_outside_one_row_one_verdict),
		cmocka_unit_test(t_inbound_inside_one_row_one_verdict),
		cmocka_unit_test(t_rfc4303_2_5_padding_into_the_iv),
		cmocka_unit_test(t_engine_refuses),
		cmocka_unit_test(t_strangers_packets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
