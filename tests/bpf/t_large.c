/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large buffers of a worker (user/io/umem.h): a burst has enough of them, and when there are none what needs one is dropped, each packet under
 * one counter, nothing stays behind, and the next one goes through.
 */
#include "tests/bpf/worker_rig.h"

#include "user/ipsec/frag.h"

#define ALMOST_A_FRAME 1780 /* no room behind it for what ESP adds */
#define PATH_MTU 9000

static unsigned largest_stock, frames_stock;

static int setup_large(void **state)
{
	int rc = setup(state);

	largest_stock = w.pool.nlarge;
	frames_stock = w.pool.nfree;
	m->ifs[1].mtu = PATH_MTU;
	return rc;
}

/* Everything that was taken is back. */
static void all_is_back(void)
{
	assert_int_equal(w.pool.nlarge, largest_stock);
	assert_int_equal(w.pool.nfree, frames_stock);
}

/* What the test holds nobody else gets. */
static unsigned hold_all(uint64_t *held)
{
	unsigned n = 0;

	while (w.pool.nlarge)
		held[n++] = io_large_get(&w.pool);
	return n;
}

static void give_back(const uint64_t *held, unsigned n)
{
	while (n)
		io_frame_put(&w.pool, held[--n]);
}

/* A packet as it came: in a frame, or in a large buffer. */
static void arrives(struct wpkt *pk, const struct pkt *p, const struct xi_verdict *v)
{
	size_t len = pkt_len(p);

	wpkt_init(&w, pk, len <= IO_FRAME_SIZE - IO_XDP_HEADROOM ? io_frame_get(&w.pool) : io_large_get(&w.pool));
	pk->v = *v;
	memcpy(pk->p.data, p->data, len);
	pk->p.tail = pk->p.data + len;
}

struct out_sa {
	uint64_t ref;
	struct xi_verdict v;
};

static struct out_sa out_sa(uint8_t mode)
{
	struct xi_sa sa = an_sa(ESP, mode, 0x201);
	struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = mode,
				.protos = XI_PROTOS_ESP,
				.sa_family = XI_IP4,
				.sa_src = addr(PEER),
				.sa_dst = addr(US),
				.sel = {.family = XI_IP4}};
	struct out_sa o;
	uint32_t slot;

	sa.dir = XI_DIR_OUT;
	o.ref = publish(&sa);
	slot = add_policy(&pol);
	o.v = (struct xi_verdict){.slot = XI_REF_SLOT(o.ref),
				  .gen = XI_REF_GEN(o.ref),
				  .policy = slot,
				  .policy_gen = m->spd[slot].gen,
				  .dir = XI_DIR_OUT,
				  .if_slot = 1,
				  .family = XI_IP4};
	return o;
}

static const struct xi_sa_rt *rt_of(uint64_t ref)
{
	return &m->sa_rt[XI_REF_SLOT(ref)];
}

/* Packets that lo has carried. */
static unsigned long carried(void)
{
	FILE *f = fopen("/sys/class/net/lo/statistics/tx_packets", "r");
	unsigned long n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &n), 1);
	(void)fclose(f);
	return n;
}

static void t_a_burst_of_packets_that_fill_their_frames(void **state)
{
	struct wpkt store[WRK_BURST], *pk[WRK_BURST];
	struct out_sa o = out_sa(TUN);
	struct rig_frame f;

	(void)state;
	plain_of(&f, "10.1.0.1", "10.2.0.1", ALMOST_A_FRAME);
	for (unsigned i = 0; i < WRK_BURST; i++) {
		pk[i] = &store[i];
		arrives(pk[i], &f.pkt, &o.v);
	}
	outbound_burst(&w, pk, WRK_BURST);
	assert_int_equal(w.stat->reason[XI_DROP_OUT_NO_ROOM], 0);
	assert_int_equal(rt_of(o.ref)->packets, WRK_BURST);
	all_is_back();
}

static void t_none_left_to_seal_in(void **state)
{
	struct out_sa o = out_sa(TUN);
	uint64_t held[IO_LARGE];
	struct rig_frame f;
	unsigned n;

	(void)state;
	n = hold_all(held);
	plain_of(&f, "10.1.0.1", "10.2.0.1", ALMOST_A_FRAME);
	assert_int_equal(reason_of(&f, &o.v), XI_DROP_OUT_NO_ROOM);
	assert_int_equal(rt_of(o.ref)->seq_out, 0); /* nothing was begun */
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1000);
	assert_int_equal(reason_of(&f, &o.v), SENT);
	give_back(held, n);
	plain_of(&f, "10.1.0.1", "10.2.0.1", ALMOST_A_FRAME);
	assert_int_equal(reason_of(&f, &o.v), SENT);
	assert_int_equal(rt_of(o.ref)->packets, 2);
	all_is_back();
}

/* Both halves of what is in f, and what came of them; XI_OK: it was sent, or opened. */
static void halves_arrive(const struct rig_frame *f, const struct xi_verdict *v)
{
	const size_t size = 1740;

	assert_int_equal(frag4_count(&f->pkt, size), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct rig_frame half;
		struct wpkt store, *pk = &store;

		half.pkt = (struct pkt){half.buf, half.buf, half.buf, half.buf + sizeof(half.buf)};
		assert_int_equal(frag4_make(&half.pkt, &f->pkt, size, i), 0);
		arrives(pk, &half.pkt, v);
		if (v->dir == XI_DIR_OUT)
			outbound_burst(&w, &pk, 1);
		else if (frags_take(&w, pk))
			inbound_burst(&w, &pk, 1);
	}
}

/* RFC 4303 §3.4.1: put together before it is opened. */
static void t_none_left_to_put_together(void **state)
{
	const struct xi_verdict v = {.dir = XI_DIR_IN, .if_slot = 1, .family = XI_IP4, .flags = XI_VF_FRAG};
	uint64_t held[IO_LARGE], sa;
	struct rig_frame f;

	(void)state;
	sa = publish_in(ESP, TRA, 0x101);
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = i == 0 ? hold_all(held) : 0;

		plain_of(&f, PEER, US, 3000);
		peer_seals(&f, ESP, TRA, 0x101);
		halves_arrive(&f, &v);
		assert_int_equal(w.stat->reason[XI_DROP_IN_NO_BUFFER], 1);
		assert_int_equal(w.stat->reason[ACCEPTED], i);
		assert_int_equal(rt_of(sa)->packets, i);
		give_back(held, n);
		all_is_back();
	}
}

static void t_none_left_for_what_this_host_has_cut(void **state)
{
	struct out_sa o = out_sa(TRA);
	uint64_t held[IO_LARGE];
	struct rig_frame f;

	(void)state;
	o.v.flags = XI_VF_HOST;
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = i == 0 ? hold_all(held) : 0;

		plain_of(&f, PEER, US, 3000);
		halves_arrive(&f, &o.v);
		assert_int_equal(w.stat->reason[XI_DROP_OUT_NO_ROOM], 1);
		assert_int_equal(rt_of(o.ref)->packets, i);
		give_back(held, n);
		all_is_back();
	}
}

/* Spec section 15: as large as the path takes, of one frame when there is no buffer to make such a fragment in. */
static void t_none_left_for_large_fragments(void **state)
{
	struct wpkt store, *pk = &store;
	struct out_sa o = out_sa(TUN);
	static uint8_t big[20000];
	struct pkt p = {big, big, big + sizeof(big), big + sizeof(big)};
	uint64_t held[IO_LARGE];
	struct rig_frame f;

	(void)state;
	plain_of(&f, "10.1.0.1", "10.2.0.1", 100);
	memcpy(big, f.pkt.data, 100);
	u16_put(big + IP4_LEN, sizeof(big));
	u16_put(big + IP4_FRAG, 0);
	ip4_sum_put(big);
	for (unsigned i = 0; i < 2; i++) {
		unsigned long before = carried();
		unsigned n = 0;

		arrives(pk, &p, &o.v);
		if (i == 0)
			n = hold_all(held);
		outbound_burst(&w, &pk, 1);
		assert_int_equal(carried() - before, i == 0 ? 12 : 3);
		assert_int_equal(rt_of(o.ref)->packets, i + 1);
		give_back(held, n);
		all_is_back();
	}
}

/* A packet of which no fragment can go into the stack (there is no internal interface here) is one packet for the counters. */
static void t_fragments_that_the_stack_does_not_get(void **state)
{
	uint64_t before = w.stat->reason[XI_DROP_IN_INJECT];
	struct out_sa o = out_sa(TUN);
	struct wpkt pk;
	struct rig_frame f;

	(void)state;
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1500);
	u16_put(f.pkt.data + IP4_FRAG, 0);
	ip4_sum_put(f.pkt.data);
	arrives(&pk, &f.pkt, &o.v);
	slow_inject_fragments(&w, &pk, 600);
	assert_int_equal(w.stat->reason[XI_DROP_IN_INJECT] - before, 1);
	all_is_back();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_large, teardown)
	const struct CMUnitTest tests[] = {
		T(t_a_burst_of_packets_that_fill_their_frames),
		T(t_none_left_to_seal_in),
		T(t_none_left_to_put_together),
		T(t_none_left_for_what_this_host_has_cut),
		T(t_none_left_for_large_fragments),
		T(t_fragments_that_the_stack_does_not_get),
	};

	rig_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
