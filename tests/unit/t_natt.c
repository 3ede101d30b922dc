/* SPDX-License-Identifier: BSD-2-Clause */
/* ESP in UDP: RFC 3948. Header checks, the peer behind a NAT that moves, checksums of transport mode, ipsec_peek. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/lib/esp_rig.h"

static struct engine *en;

static int setup(void **state)
{
	struct err e;

	(void)state;
	return engine_new(&en, XI_ENGINE_NONE, &e);
}

static int teardown(void **state)
{
	(void)state;
	engine_free(en);
	return 0;
}

static void rig_udp(struct rig *r, uint8_t mode, uint8_t family, const char *auth)
{
	rig_init(r, en, alg_by_name(ALG_ENC, "aes-128"), alg_by_name(ALG_AUTH, auth));
	rig_become(r, XI_PROTO_ESP, mode, family, XI_SA_F_UDP);
	r->sa.replay_window = 64;
	r->sa.udp_remote = htons(1024); /* sealing: to the peer's port behind its NAT */
}

/* The other end of the same SA. */
static void turn(struct rig *r)
{
	__be16 port = r->sa.udp_local;

	r->sa.udp_local = r->sa.udp_remote;
	r->sa.udp_remote = port;
}

static size_t udp_at(const struct pkt *p)
{
	return p->data[0] >> 4 == 4 ? IP4_HDR : IP6_HDR;
}

/* --- the UDP header --- */

static void d_nothing(struct pkt *p)
{
	(void)p;
}
static void d_sum(struct pkt *p)
{
	u16_put(p->data + udp_at(p) + 6, 0x1234);
}
static void d_len_long(struct pkt *p)
{
	u16_put(p->data + udp_at(p) + 4, (uint16_t)(p->tail - p->data - udp_at(p) + 1));
}
static void d_len_short(struct pkt *p)
{
	u16_put(p->data + udp_at(p) + 4, (uint16_t)(p->tail - p->data - udp_at(p) - 1));
}
static void d_len_zero(struct pkt *p)
{
	u16_put(p->data + udp_at(p) + 4, 0);
}
static void d_our_port(struct pkt *p)
{
	p->data[udp_at(p) + 3] ^= 1;
}
static void d_marker(struct pkt *p)
{
	be32_put(p->data + udp_at(p) + 8, 0);
}
static void cut(struct pkt *p, size_t n)
{
	p->tail = p->data + udp_at(p) + n;
	if (p->data[0] >> 4 == 4)
		u16_put(p->data + IP4_LEN, (uint16_t)pkt_len(p));
	else
		u16_put(p->data + IP6_LEN, (uint16_t)(pkt_len(p) - IP6_HDR));
	u16_put(p->data + udp_at(p) + 4, (uint16_t)n);
}
static void d_keepalive(struct pkt *p)
{
	cut(p, 9);
}
static void d_no_number(struct pkt *p)
{
	cut(p, 8 + 7);
}
static void d_only_header(struct pkt *p)
{
	cut(p, 8 + 8);
}

static void t_rfc3948_2_1_one_row_one_verdict(void **state)
{
	static const struct {
		const char *what;
		void (*damage)(struct pkt *p);
		enum xi_drop want;
	} row[] = {
		{"sound", d_nothing, XI_OK},
		{"any checksum: receivers must not depend on it", d_sum, XI_OK},
		{"UDP length beyond the packet", d_len_long, XI_DROP_IN_HEADER},
		{"UDP length short of the packet", d_len_short, XI_DROP_IN_HEADER},
		{"UDP length zero", d_len_zero, XI_DROP_IN_HEADER},
		{"another port of ours", d_our_port, XI_DROP_IN_ENCAP},
		{"t_rfc3948_2_2 non-ESP marker", d_marker, XI_DROP_IN_NO_SA},
		{"t_rfc3948_2_3 keep-alive", d_keepalive, XI_DROP_IN_HEADER},
		{"number cut off", d_no_number, XI_DROP_IN_HEADER},
		{"nothing behind the number", d_only_header, XI_DROP_IN_LENGTH},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row) * 4; i++) {
		const unsigned c = i / 4;
		struct rig_frame f;
		struct rig r;
		enum xi_drop v;

		rig_udp(&r, (uint8_t)(i % 2), i / 2 % 2 ? XI_IP6 : XI_IP4, "sha1");
		(void)rig_plain(&r, &f, r.sa.family, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		assert_int_equal(u16_get(f.pkt.data + udp_at(&f.pkt)), 4500);
		assert_int_equal(u16_get(f.pkt.data + udp_at(&f.pkt) + 2), 1024);
		turn(&r);
		row[c].damage(&f.pkt);
		v = rig_open(&r, &f.pkt);
		if (v != row[c].want)
			fail_msg("%s (IPv%u, mode %u): %d, want %d", row[c].what, r.sa.family, r.sa.mode, v,
				 row[c].want);
		assert_int_equal(r.rt.err_icv + r.rt.err_replay + r.rt.err_other, v != XI_OK);
		assert_int_equal(r.rt.seen_port, 0);
		rig_done(&r);
	}
}

/* --- the NAT's mapping changes --- */

/* Where the packet says it comes from. */
static void from(struct pkt *p, uint32_t addr, uint16_t port)
{
	if (p->data[0] >> 4 == 4) {
		be32_put(p->data + IP4_SRC, htonl(addr));
		ip4_sum_put(p->data);
	} else {
		be32_put(p->data + IP6_SRC + 12, htonl(addr));
	}
	u16_put(p->data + udp_at(p), port);
}

static uint32_t seen_addr(const struct rig *r)
{
	return ntohl(r->rt.seen.w[r->sa.family == XI_IP6 ? 3 : 0]);
}

static enum xi_drop arrive(struct rig *r, uint64_t seq, uint32_t addr, uint16_t port, int damage)
{
	struct rig_frame f;
	enum xi_drop v;

	(void)rig_plain(r, &f, r->sa.family, 100);
	assert_int_equal(rig_seal(r, &f.pkt, seq), XI_OK);
	turn(r);
	from(&f.pkt, addr, port);
	if (damage)
		f.pkt.tail[-1] ^= 1;
	v = rig_open(r, &f.pkt);
	turn(r);
	return v;
}

static void t_rfc3948_mapping_change_is_seen_after_authentication(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const uint32_t peer = i / 2 ? 0xa1 : RIG_SRC;
		struct rig r;

		rig_udp(&r, (uint8_t)(i % 2), i / 2 ? XI_IP6 : XI_IP4, "sha1");
		assert_int_equal(arrive(&r, 10, peer, 4500, 0), XI_OK);
		assert_int_equal(r.rt.seen_port, 0);
		/* A forged one changes nothing. */
		assert_int_equal(arrive(&r, 11, 0xc6336401, 7777, 1), XI_DROP_IN_ICV);
		assert_int_equal(r.rt.seen_port, 0);
		/* Another port, another address, both. */
		assert_int_equal(arrive(&r, 12, peer, 5001, 0), XI_OK);
		assert_int_equal(ntohs(r.rt.seen_port), 5001);
		assert_int_equal(seen_addr(&r), peer);
		assert_int_equal(arrive(&r, 13, 0xc6336402, 4500, 0), XI_OK);
		assert_int_equal(ntohs(r.rt.seen_port), 4500);
		assert_int_equal(seen_addr(&r), 0xc6336402);
		/* A late one does not undo what a newer one has said; a replayed one says nothing. */
		assert_int_equal(arrive(&r, 9, 0xc6336403, 6000, 0), XI_OK);
		assert_int_equal(arrive(&r, 13, 0xc6336404, 6001, 0), XI_DROP_IN_REPLAY_DUP);
		assert_int_equal(ntohs(r.rt.seen_port), 4500);
		assert_int_equal(seen_addr(&r), 0xc6336402);
		assert_int_equal(r.rt.lock, 0);
		rig_done(&r);
	}
}

/* Nobody vouches for the source of a packet without an ICV; without UDP there is no NAT to speak of. */
static void t_other_source_is_refused_where_nothing_vouches_for_it(void **state)
{
	struct rig_frame f;
	struct rig r;

	(void)state;
	rig_udp(&r, XI_MODE_TUNNEL, XI_IP4, "null");
	assert_int_equal(arrive(&r, 1, RIG_SRC, 4500, 0), XI_OK);
	assert_int_equal(arrive(&r, 2, RIG_SRC, 4501, 0), XI_DROP_IN_SA_SELECTOR);
	assert_int_equal(arrive(&r, 3, RIG_SRC + 9, 4500, 0), XI_DROP_IN_SA_SELECTOR);
	assert_int_equal(r.rt.seen_port, 0);
	rig_done(&r);
	for (unsigned i = 0; i < 4; i++) {
		rig_init(&r, en, alg_by_name(ALG_ENC, "aes-128"), alg_by_name(ALG_AUTH, "sha1"));
		rig_become(&r, XI_PROTO_ESP, (uint8_t)(i % 2), i / 2 ? XI_IP6 : XI_IP4, 0);
		(void)rig_plain(&r, &f, r.sa.family, 100);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		f.pkt.data[udp_at(&f.pkt) - 8 - (i / 2 ? 16 : 0) + 3] ^=
			1; /* the source's last byte, or one of its last */
		assert_int_equal(rig_open(&r, &f.pkt), XI_DROP_IN_SA_SELECTOR);
		rig_done(&r);
	}
}

/* --- checksums of transport mode --- */

/* RFC 3948 §3.1.2: the peer computed it over the addresses it has; here others stand in front. */
static void t_rfc3948_3_1_2_checksum_anew(void **state)
{
	static const struct {
		uint8_t family, proto;
		size_t at; /* of the checksum */
		size_t len;
	} row[] = {
		{XI_IP4, 6, 16, 20}, {XI_IP4, 6, 16, 33}, {XI_IP4, 17, 6, 8}, {XI_IP4, 17, 6, 101},
		{XI_IP6, 6, 16, 20}, {XI_IP6, 17, 6, 50}, {XI_IP6, 58, 2, 8}, {XI_IP6, 58, 2, 77},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		const size_t hdr = row[i].family == XI_IP6 ? IP6_HDR : IP4_HDR;
		struct rig_frame f;
		struct rig r;
		uint8_t *up, *ip;
		uint16_t sum;

		rig_udp(&r, XI_MODE_TRANSPORT, row[i].family, "sha1");
		ip = rig_plain(&r, &f, row[i].family, hdr + row[i].len);
		ip[row[i].family == XI_IP6 ? IP6_NEXT : IP4_PROTO] = row[i].proto;
		if (row[i].family == XI_IP4)
			ip4_sum_put(ip);
		up = ip + hdr;
		if (row[i].proto == 17)
			u16_put(up + 4, (uint16_t)row[i].len);
		be16_put(up + row[i].at, htons(0xbad0));
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		turn(&r);
		from(&f.pkt, 0xcb007107, 3333);
		assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
		ip = f.pkt.data;
		up = ip + hdr;
		assert_int_equal(pkt_len(&f.pkt), hdr + row[i].len);
		if (row[i].family == XI_IP6)
			sum = ip6_upper_sum(ip + IP6_SRC, row[i].proto, up, row[i].len);
		else
			sum = ip4_fold((uint64_t)ip4_sum(ip + IP4_SRC, 8) + ip4_sum(up, row[i].len) +
				       htons((uint16_t)row[i].len) + htons(row[i].proto));
		assert_int_equal(sum, 0xffff);
		rig_done(&r);
	}
}

/* What has no checksum gets none, what is cut short is left alone, and tunnel mode does not look inside. */
static void t_rfc3948_3_1_2_checksum_left_alone(void **state)
{
	static const struct {
		uint8_t mode, proto;
		size_t len;
		uint16_t sum;
	} row[] = {
		{XI_MODE_TRANSPORT, 17, 50, 0},	     {XI_MODE_TRANSPORT, 17, 7, 0xbad0},
		{XI_MODE_TRANSPORT, 6, 17, 0xbad0},  {XI_MODE_TRANSPORT, 47, 50, 0xbad0},
		{XI_MODE_TRANSPORT, 58, 50, 0xbad0}, {XI_MODE_TUNNEL, 17, 50, 0xbad0},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct rig_frame f;
		struct rig r;
		uint8_t *ip, want[100];

		rig_udp(&r, row[i].mode, XI_IP4, "sha1");
		ip = rig_plain(&r, &f, XI_IP4, 20 + row[i].len);
		ip[IP4_PROTO] = row[i].proto;
		ip4_sum_put(ip);
		if (row[i].len > 7)
			be16_put(ip + 20 + (row[i].proto == 6 ? 14 : 6), htons(row[i].sum));
		memcpy(want, ip + 20, row[i].len);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		turn(&r);
		assert_int_equal(rig_open(&r, &f.pkt), XI_OK);
		assert_memory_equal(f.pkt.data + 20, want, row[i].len);
		rig_done(&r);
	}
}

/* --- ipsec_peek --- */

static void t_peek(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rig_frame f;
		struct rig r;
		uint8_t *ip, proto;
		__be32 spi;
		size_t hdr = v6 ? IP6_HDR : IP4_HDR;

		rig_udp(&r, XI_MODE_TUNNEL, v6 ? XI_IP6 : XI_IP4, "sha1");
		ip = rig_plain(&r, &f, r.sa.family, 100);
		assert_int_equal(ipsec_peek(&f.pkt, 1, &spi, &proto),
				 0); /* any UDP with a first word that is not zero */
		memset(ip + hdr + 8, 0, 4);
		assert_int_equal(ipsec_peek(&f.pkt, 1, &spi, &proto), -ENOENT);
		assert_int_equal(rig_seal(&r, &f.pkt, 1), XI_OK);
		ip = f.pkt.data;
		assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto), -ENOENT);
		assert_int_equal(ipsec_peek(&f.pkt, 1, &spi, &proto), 0);
		assert_true(spi == htonl(RIG_SPI) && proto == XI_PROTO_ESP);
		f.pkt.tail--;
		assert_int_equal(ipsec_peek(&f.pkt, 1, &spi, &proto), -EINVAL);
		f.pkt.tail = ip + 19;
		assert_int_equal(ipsec_peek(&f.pkt, 1, &spi, &proto), -EINVAL);
		/* ESP and AH with their SPI cut off. */
		for (unsigned n = 0; n < 12; n++) {
			ip = rig_inner_of(&f, v6 ? XI_IP6 : XI_IP4, hdr + n);
			for (uint8_t p = 50; p <= 51; p++) {
				ip[v6 ? IP6_NEXT : IP4_PROTO] = p;
				if (!v6)
					ip4_sum_put(ip);
				assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto),
						 n >= (p == 50 ? 8 : 12) ? 0 : -EINVAL);
			}
		}
		/* A fragment shows nothing. */
		ip = rig_inner_of(&f, v6 ? XI_IP6 : XI_IP4, 100);
		ip[v6 ? IP6_NEXT : IP4_PROTO] = v6 ? 44 : 50;
		if (!v6) {
			u16_put(ip + IP4_FRAG, IP4_MF);
			ip4_sum_put(ip);
		}
		assert_int_equal(ipsec_peek(&f.pkt, 0, &spi, &proto), -ENOENT);
		rig_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc3948_2_1_one_row_one_verdict),
		cmocka_unit_test(t_rfc3948_mapping_change_is_seen_after_authentication),
		cmocka_unit_test(t_other_source_is_refused_where_nothing_vouches_for_it),
		cmocka_unit_test(t_rfc3948_3_1_2_checksum_anew),
		cmocka_unit_test(t_rfc3948_3_1_2_checksum_left_alone),
		cmocka_unit_test(t_peek),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
