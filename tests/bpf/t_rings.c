/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker loses at its edges (spec section 12): a transmit ring that stays full, a receive ring without free frames, a stack that does not
 * send, fragments whose others do not come. Each packet is one reason, and one of the statistics.
 */
#include "tests/bpf/worker_rig.h"

#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "tests/bpf/xsk_redirect.h"
#include "user/ipsec/reasm.h"

#define FAR "203.0.113.9" /* no route */

/* A link too slow for its ring: nothing is ever taken from it. */
static uint32_t never_moves;
static struct io_sock full = {.fd = -1, .tx = {.producer = &never_moves, .consumer = &never_moves}};

static int setup_rings(void **state)
{
	int rc = setup(state);

	w.sock_epoch = 1; /* next hops are good for generations from 1 on */
	m->ifs[XI_IF_INTERNAL].mtu = 65535;
	return rc;
}

static struct hop hop_by(uint32_t slot)
{
	struct hop h = {
		.rt = {.kind = RT_TX, .mtu = 1500, .l2_len = RT_L2_PLAIN}, .slot = slot, .gen = hop_generation(&w)};

	return h;
}

static void read_stats(uint64_t stat[XI_STAT_MAX])
{
	uint64_t reason[XI_REASON_MAX];

	assert_int_equal(stats_reasons(m, reason), 0);
	stats_from_reasons(stat, reason);
}

/* n packets, each lost for that reason; of the statistics its counter moves by n, no other. */
static void loses(const struct rig_frame *f, const struct xi_verdict *v, unsigned reason, unsigned stat, unsigned n)
{
	uint64_t before[XI_STAT_MAX], after[XI_STAT_MAX];

	read_stats(before);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(reason_of(f, v), reason);
	read_stats(after);
	before[stat] += n;
	assert_memory_equal(after, before, sizeof(after));
}

static struct xi_verdict out_by_sa(const char *peer, uint64_t *ref, uint32_t *slot)
{
	struct xi_sa sa = an_sa(ESP, TUN, 0x201);
	struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = TUN,
				.protos = XI_PROTOS_ESP,
				.sa_family = XI_IP4,
				.sa_src = addr(US),
				.sa_dst = addr(peer),
				.sel = {.family = XI_IP4}};

	sa.dir = XI_DIR_OUT;
	sa.src = addr(US);
	sa.dst = addr(peer);
	*ref = publish(&sa);
	*slot = add_policy(&pol);
	return (struct xi_verdict){.slot = XI_REF_SLOT(*ref),
				   .gen = XI_REF_GEN(*ref),
				   .policy = *slot,
				   .policy_gen = m->spd[*slot].gen,
				   .dir = XI_DIR_OUT,
				   .if_slot = 1,
				   .family = XI_IP4};
}

static void t_out_tx_full(void **state)
{
	struct rig_frame f;
	struct xi_verdict v;
	uint32_t policy;
	uint64_t ref;

	(void)state;
	v = out_by_sa(PEER, &ref, &policy);
	sa_cache_get(&w, XI_REF_SLOT(ref), XI_REF_GEN(ref))->hop = hop_by(1);
	w.tx_by_slot[1] = &full;
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1000);
	loses(&f, &v, XI_DROP_OUT_TX_FULL, XI_STAT_OUT_ERRORS, 3);
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1500); /* in two fragments: still one packet */
	loses(&f, &v, XI_DROP_OUT_TX_FULL, XI_STAT_OUT_ERRORS, 3);
	assert_int_equal(m->wpolstat[policy].out_transformed, 0);
}

static void t_out_slow(void **state)
{
	struct rig_frame f;
	struct xi_verdict v;
	uint32_t policy;
	uint64_t ref;

	(void)state;
	v = out_by_sa(FAR, &ref, &policy);
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1000);
	loses(&f, &v, XI_DROP_OUT_SLOW, XI_STAT_OUT_ERRORS, 3);
	plain_of(&f, "10.1.0.1", "10.2.0.1", 1500);
	loses(&f, &v, XI_DROP_OUT_SLOW, XI_STAT_OUT_ERRORS, 3);
	assert_int_equal(m->wpolstat[policy].out_transformed, 0);
}

/* Opened: each with a number of its own. */
static void loses_opened(uint64_t sa, const char *dst, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rig_frame f;

		plain(&f, "10.2.0.1", dst);
		peer_seals(&f, ESP, TUN, 0x101);
		loses(&f,
		      &(struct xi_verdict){.slot = XI_REF_SLOT(sa),
					   .gen = XI_REF_GEN(sa),
					   .dir = XI_DIR_IN,
					   .if_slot = 1,
					   .family = XI_IP4},
		      XI_DROP_IN_TX_FULL, XI_STAT_IN_ERRORS, 1);
	}
}

static void t_in_tx_full_on_the_way_to_the_stack(void **state)
{
	struct xi_policy pol = {.action = XI_ACTION_NONE, .sel = {.family = XI_IP4}};
	uint64_t sa;

	(void)state;
	sa = publish_in(ESP, TUN, 0x101);
	add_policy(&pol);
	w.tx_by_slot[XI_IF_INTERNAL] = &full;
	loses_opened(sa, US, 3);
}

static void t_in_tx_full_on_the_way_to_the_lan(void **state)
{
	/* of the way in only: what has an outbound policy goes by the stack */
	struct xi_policy pol = {.action = XI_ACTION_NONE,
				.sel = {.family = XI_IP4,
					.src = addr("10.1.0.0"),
					.src_len = 16,
					.dst = addr("10.2.0.0"),
					.dst_len = 16}};
	struct rig_frame f;
	unsigned found = 0;
	uint64_t sa;

	(void)state;
	sa = publish_in(ESP, TUN, 0x101);
	add_policy(&pol);
	plain(&f, "10.2.0.1", "10.1.0.1");
	peer_seals(&f, ESP, TUN, 0x101);
	assert_int_equal(comes_in(&f, sa), ACCEPTED); /* the kernel's route is not known yet: to the stack */
	w.tx_by_slot[1] = &full;
	for (unsigned i = 0; i < WRK_FLOWS; i++)
		if (w.flow[i].nchain) {
			w.flow[i].hop = hop_by(1);
			found++;
		}
	assert_int_equal(found, 1);
	loses_opened(sa, "10.1.0.1", 3);
}

/* --- received, but no frame was free, or nobody read it any more --- */

/* A pair of which v0 feeds a socket of the worker. Returns a packet socket on v1. */
static int feed(struct io_sock **s)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5)};
	int xsks = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 1, NULL), prog = redirect_program(xsks, 0);
	int ps = socket(AF_PACKET, SOCK_RAW, htons(0x88b5)), zero = 0;
	struct err e = {.text = ""};

	assert_int_equal(system("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"), 0);
	any.sll_ifindex = (int)if_nametoindex("v1");
	assert_int_equal(bind(ps, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_true(bpf_link_create(prog, (int)if_nametoindex("v0"), BPF_XDP, &opts) >=
		    0); /* goes with the namespace */
	*s = calloc(1, sizeof(**s));
	assert_non_null(*s);
	assert_ok(io_sock_open(*s, &w.pool, "v0", 0, 1500, &e), &e);
	assert_int_equal(bpf_map_update_elem(xsks, &zero, &(*s)->fd, BPF_ANY), 0);
	return ps;
}

static void send_frames(int ps, unsigned n)
{
	uint8_t frame[60] = {[12] = 0x88, [13] = 0xb5};

	memset(frame, 0xff, ETH_ALEN);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(send(ps, frame, sizeof(frame), 0), sizeof(frame));
}

static uint64_t lost_now(void)
{
	worker_count_lost(&w);
	return w.stat->reason[XI_DROP_IN_RING_FULL];
}

static void t_in_ring_full(void **state)
{
	uint64_t before[XI_STAT_MAX], after[XI_STAT_MAX];
	struct io_sock *s;
	int ps;

	(void)state;
	ps = feed(&s);
	w.sock[w.nsock++] = s;
	read_stats(before);
	send_frames(ps, 7); /* no frame in the fill ring */
	for (unsigned i = 0; i < 200 && lost_now() < 7; i++)
		usleep(10000);
	assert_int_equal(lost_now(), 7); /* once each */
	io_fill(s, &w.pool);
	send_frames(ps, 3); /* nobody reads them before the socket is closed */
	for (unsigned i = 0; i < 200 && io_unread(s) < 3; i++)
		usleep(10000);
	w.nsock = 0;
	worker_drop_socket(&w, s);
	assert_int_equal(w.stat->reason[XI_DROP_IN_RING_FULL], 10);
	read_stats(after);
	before[XI_STAT_IN_BUFFER_ERRORS] += 10;
	assert_memory_equal(after, before, sizeof(after));
	close(ps);
}

/* --- fragments whose others do not come in time: a clock that is moved on --- */

static void t_fragments_grow_old(void **state)
{
	static const struct {
		uint8_t dir;
		unsigned reason, stat;
	} rows[] = {{XI_DIR_IN, XI_DROP_IN_FRAG_OLD, XI_STAT_IN_ERRORS},
		    {XI_DIR_OUT, XI_DROP_OUT_ERROR, XI_STAT_OUT_ERRORS}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t before[XI_STAT_MAX], after[XI_STAT_MAX], at = w.stat->reason[rows[i].reason];
		struct wpkt pk;
		struct rig_frame f;

		plain_of(&f, PEER, US, 100);
		u16_put(f.pkt.data + IP4_FRAG, IP4_MF);
		ip4_sum_put(f.pkt.data);
		wpkt_init(&w, &pk, io_frame_get(&w.pool));
		pk.v = (struct xi_verdict){.dir = rows[i].dir, .if_slot = 1, .family = XI_IP4, .flags = XI_VF_FRAG};
		memcpy(pk.p.data, f.pkt.data, 100);
		pk.p.tail = pk.p.data + 100;
		read_stats(before);
		assert_int_equal(rows[i].dir == XI_DIR_IN ? frags_take(&w, &pk) : frags_take_host(&w, &pk), 0);
		w.now += REASM_AGE_NS - 1;
		frags_expire(&w);
		assert_int_equal(w.stat->reason[rows[i].reason], at);
		w.now += NS_PER_S;
		frags_expire(&w);
		assert_int_equal(w.stat->reason[rows[i].reason], at + 1);
		read_stats(after);
		before[rows[i].stat]++;
		assert_memory_equal(after, before, sizeof(after));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_rings, teardown)
	const struct CMUnitTest tests[] = {
		T(t_out_tx_full),
		T(t_out_slow),
		T(t_in_tx_full_on_the_way_to_the_stack),
		T(t_in_tx_full_on_the_way_to_the_lan),
		T(t_in_ring_full),
		T(t_fragments_grow_old),
	};

	rig_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
