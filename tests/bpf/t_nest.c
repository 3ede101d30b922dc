/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A decrypted packet that is a fragment of AH or ESP for this host (spec 13.4 step 1, 13.6): put together before it is opened, by the bounds of
 * those on the wire, and only from what came by the same SAs. What does not become a packet has one counter for each fragment.
 */
#include "tests/bpf/worker_rig.h"

#include "user/ipsec/frag.h"
#include "user/ipsec/reasm.h"

#define INSIDE 0x101
#define OUTSIDE 0x102
#define OTHER 0x103
#define PIECE 600
#define PIECES 3
#define US6 "2001:db8::2"

static uint64_t outside, other;

static int setup_nest(void **state)
{
	int rc = setup(state);

	(void)publish_in(ESP, TUN, INSIDE);
	outside = publish_in(ESP, TUN, OUTSIDE);
	other = publish_in(ESP, TUN, OTHER);
	add_policy(&(struct xi_policy){.action = XI_ACTION_NONE, .sel = {.family = XI_IP4}});
	add_policy(&(struct xi_policy){.action = XI_ACTION_NONE, .sel = {.family = XI_IP6}});
	return rc;
}

/* A packet that is protected and then cut: p is the whole, piece i of it comes by the tunnel spi. */
static struct rig_frame piece(const struct pkt *p, unsigned i, uint32_t spi)
{
	struct rig_frame f;
	int rc;

	rig_inner(&f, IP4_HDR);
	if (ip_version(p) == 4)
		rc = frag4_make(&f.pkt, p, PIECE, i);
	else
		rc = frag6_make(&f.pkt, p, PIECE, i, 77);
	assert_int_equal(rc, 0);
	peer_seals(&f, ESP, TUN, spi);
	return f;
}

static void protected_packet(struct rig_frame *f, uint8_t proto, size_t len)
{
	plain_of(f, "10.2.0.1", "10.1.0.1", len);
	peer_seals(f, proto, TUN, INSIDE);
}

static unsigned brought(const struct rig_frame *f, unsigned i, uint64_t by)
{
	struct rig_frame part = piece(&f->pkt, i, by == outside ? OUTSIDE : OTHER);

	return comes_in(&part, by);
}

static void t_spec_13_6_fragments_of_nested_esp(void **state)
{
	static const unsigned order[][PIECES] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
	struct rig_frame f;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
		protected_packet(&f, ESP, 1400);
		assert_int_equal(frag4_count(&f.pkt, PIECE), PIECES);
		for (unsigned i = 0; i < PIECES; i++)
			assert_int_equal(brought(&f, order[k][i], outside), i + 1 < PIECES ? 0 : ACCEPTED);
	}
	/* what becomes longer than a frame */
	protected_packet(&f, ESP, 3000);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(brought(&f, i, outside), i < 5 ? 0 : ACCEPTED);
}

/* AH over the whole; then its first byte behind the header is wrong. */
static void t_spec_13_6_fragments_of_nested_ah(void **state)
{
	struct xi_sa sa = an_sa(AH, TUN, INSIDE);
	struct rig_frame f;

	(void)state;
	sa.dir = XI_DIR_IN;
	(void)publish(&sa);
	for (int damaged = 0; damaged < 2; damaged++) {
		protected_packet(&f, AH, 1400);
		if (damaged)
			f.pkt.data[800] ^= 1;
		for (unsigned i = 0; i < PIECES; i++)
			assert_int_equal(brought(&f, i, outside), i + 1 < PIECES ? 0
								  : damaged	 ? XI_DROP_IN_ICV
										 : ACCEPTED);
	}
}

/* RFC 4301 §7.4. The first by one tunnel, the others by another, or in clear. */
static void t_rfc4301_7_fragments_by_different_sas(void **state)
{
	struct rig_frame f, part;
	struct wpkt store, *pk = &store;

	(void)state;
	protected_packet(&f, ESP, 1400);
	assert_int_equal(brought(&f, 0, outside), 0);
	assert_int_equal(brought(&f, 1, outside), 0);
	assert_int_equal(brought(&f, 2, other), 0);
	wpkt_init(&w, pk, io_frame_get(&w.pool));
	rig_inner(&part, IP4_HDR);
	assert_int_equal(frag4_make(&part.pkt, &f.pkt, PIECE, 2), 0);
	memcpy(pk->p.data, part.pkt.data, pkt_len(&part.pkt));
	pk->p.tail = pk->p.data + pkt_len(&part.pkt);
	pk->v = (struct xi_verdict){.dir = XI_DIR_IN, .if_slot = 1, .family = XI_IP4, .flags = XI_VF_FRAG};
	assert_int_equal(frags_take(&w, pk), 0);
	assert_int_equal(brought(&f, 2, outside), ACCEPTED);
	/* the two that were left alone */
	w.now += 2 * REASM_AGE_NS;
	frags_expire(&w);
	assert_int_equal(w.stat->reason[XI_DROP_IN_FRAG_OLD], 2);
}

static void t_nested_fragments_that_overlap(void **state)
{
	struct rig_frame f, part;

	(void)state;
	protected_packet(&f, ESP, 1400);
	assert_int_equal(brought(&f, 0, outside), 0);
	rig_inner(&part, IP4_HDR);
	assert_int_equal(frag4_make(&part.pkt, &f.pkt, PIECE, 1), 0);
	u16_put(part.pkt.data + IP4_FRAG, (uint16_t)(u16_get(part.pkt.data + IP4_FRAG) - 1));
	ip4_sum_put(part.pkt.data);
	peer_seals(&part, ESP, TUN, OUTSIDE);
	{
		uint64_t before = w.stat->reason[XI_DROP_IN_FRAG_BAD];
		struct wpkt store, *pk = &store;

		wpkt_init(&w, pk, io_frame_get(&w.pool));
		pk->v = (struct xi_verdict){.slot = XI_REF_SLOT(outside),
					    .gen = XI_REF_GEN(outside),
					    .dir = XI_DIR_IN,
					    .if_slot = 1,
					    .family = XI_IP4};
		memcpy(pk->p.data, part.pkt.data, pkt_len(&part.pkt));
		pk->p.tail = pk->p.data + pkt_len(&part.pkt);
		inbound_burst(&w, &pk, 1);
		assert_int_equal(w.stat->reason[XI_DROP_IN_FRAG_BAD], before + 2); /* both of them */
	}
	/* what still comes of it */
	assert_int_equal(brought(&f, 2, outside), XI_DROP_IN_FRAG_BAD);
}

/* For another host, or of another protocol: payload, each by itself. */
static void t_other_fragments_are_payload(void **state)
{
	struct rig_frame f;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		uint8_t *p = plain_of(&f, "10.2.0.1", k ? US : "10.1.0.1", 1400);

		p[IP4_PROTO] = k == 0 ? ESP : k == 1 ? 6 : 17;
		ip4_sum_put(p);
		for (unsigned i = 0; i < PIECES; i++)
			assert_int_equal(brought(&f, i, outside), ACCEPTED);
	}
}

/* RFC 3948: ESP in UDP shows in the first fragment only, so that all UDP for this host is put together once there is such an SA. */
static void t_rfc3948_fragments_of_nested_esp_in_udp(void **state)
{
	struct xi_sa sa = an_sa(ESP, TUN, INSIDE + 0x100);
	struct keyctx *k;
	struct rig_frame f;
	struct ipsec_op op;

	(void)state;
	sa.flags |= XI_SA_F_UDP;
	sa.udp_local = sa.udp_remote = htons(4500);
	sa.dir = XI_DIR_IN;
	(void)publish(&sa);
	assert_int_equal(m->meta->natt, 1);
	plain_of(&f, "10.2.0.1", "10.1.0.1", 1400);
	k = rig_keyctx(w.engine, &sa);
	sa.gen = 1;
	op = (struct ipsec_op){.sa = &sa, .key = k, .pkt = &f.pkt, .seq = 1, .flags = IPSEC_OP_HOST};
	ipsec_seal(w.engine, &rig.iv, &op, 1);
	assert_int_equal(op.verdict, XI_OK);
	for (unsigned i = PIECES; i-- > 0;)
		assert_int_equal(brought(&f, i, outside), i ? 0 : ACCEPTED);
	/* the same ports and no ESP: the marker of IKE. Others are payload as one packet */
	plain_of(&f, "10.2.0.1", US, 1400);
	for (unsigned i = 0; i < PIECES; i++)
		assert_int_equal(brought(&f, i, outside), i + 1 < PIECES ? 0 : ACCEPTED);
	keyctx_wipe(w.engine, k);
	free(k);
}

/* Spec 13.5: UDP port 4500 is like any other until there is an SA with UDP. Then what is no ESP of ours is dropped, as on the wire. */
static void t_spec_13_5_nested_port_4500(void **state)
{
	static const struct {
		uint8_t natt, marked;
		unsigned want;
	} rows[] = {{0, 0, ACCEPTED}, {1, 0, XI_DROP_IN_NO_SA}, {1, 1, ACCEPTED}};
	struct rig_frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *p = plain(&f, "10.2.0.1", US);

		m->meta->natt = rows[i].natt;
		u16_put(p + IP4_HDR + 2, 4500);
		if (rows[i].marked) /* IKE */
			memset(p + IP4_HDR + 8, 0, 4);
		peer_seals(&f, ESP, TUN, OUTSIDE);
		assert_int_equal(comes_in(&f, outside), rows[i].want);
	}
}

/* The peer's ESP packet of IPv6, with an extension header of 8 bytes in front of ESP. */
static void protected_packet6(struct rig_frame *f, const struct xi_sa *sa, uint8_t extension)
{
	struct keyctx *k = rig_keyctx(w.engine, sa);
	struct ipsec_op op = {.sa = sa, .key = k, .pkt = &f->pkt, .seq = ++next_seq, .flags = IPSEC_OP_HOST};
	uint8_t *p;

	plain_of(f, "10.2.0.1", "10.1.0.1", 1300);
	ipsec_seal(w.engine, &rig.iv, &op, 1);
	assert_int_equal(op.verdict, XI_OK);
	keyctx_wipe(w.engine, k);
	free(k);
	p = f->pkt.data -= 8;
	memmove(p, p + 8, IP6_HDR);
	memcpy(p + IP6_HDR, (uint8_t[8]){ESP, 0, 1, 4}, 8); /* PadN */
	p[IP6_NEXT] = extension;
	u16_put(p + IP6_LEN, (uint16_t)(pkt_len(&f->pkt) - IP6_HDR));
}

/*
 * IPv6 in a tunnel of IPv4: hop-by-hop options stand in front of the fragment header, destination options behind it, in the first fragment. These
 * may say that a fragment header follows once more: what is whole is a fragment again, and goes.
 */
static void t_rfc8200_4_5_nested_fragments_of_ipv6(void **state)
{
	static const struct {
		uint8_t extension, next;
		unsigned want;
	} rows[] = {{NH_HOP_BY_HOP, ESP, ACCEPTED},
		    {NH_DST_OPTIONS, ESP, ACCEPTED},
		    {NH_DST_OPTIONS, NH_FRAGMENT, XI_DROP_IN_FRAG_BAD}};
	struct xi_sa sa = an_sa(ESP, TUN, INSIDE);
	struct rig_frame f;

	(void)state;
	sa.family = XI_IP6;
	sa.src = addr("2001:db8::1");
	sa.dst = addr(US6);
	sa.dir = XI_DIR_IN;
	(void)publish(&sa);
	sa.gen = 1;
	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		protected_packet6(&f, &sa, rows[k].extension);
		for (unsigned i = 0; i < PIECES; i++) {
			struct rig_frame part;

			rig_inner(&part, IP4_HDR);
			assert_int_equal(frag6_make(&part.pkt, &f.pkt, PIECE, i, k), 0);
			if (i == 0 && rows[k].next != ESP)
				part.pkt.data[IP6_HDR + IP6_FRAG_HDR] = rows[k].next;
			peer_seals(&part, ESP, TUN, OUTSIDE);
			assert_int_equal(comes_in(&part, outside), i + 1 < PIECES ? 0 : rows[k].want);
		}
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_nest, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spec_13_6_fragments_of_nested_esp),	   T(t_spec_13_6_fragments_of_nested_ah),
		T(t_rfc4301_7_fragments_by_different_sas), T(t_nested_fragments_that_overlap),
		T(t_other_fragments_are_payload),	   T(t_rfc3948_fragments_of_nested_esp_in_udp),
		T(t_spec_13_5_nested_port_4500),	   T(t_rfc8200_4_5_nested_fragments_of_ipv6),
	};

	rig_enter();
	sandbox_must(system("ip addr add " US6 "/128 dev lo nodad"), "lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
