/* SPDX-License-Identifier: BSD-2-Clause */
/* user/io on a veth pair: sending, completions, packets of several frames, and that closing a socket brings every frame back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/netns.h"
#include "tests/bpf/xsk_redirect.h"
#include "user/io/umem.h"

#define FRAMES 8192

static struct io_pool pool;
static struct io_sock sock[2];

static int setup(void **state)
{
	(void)state;
	return netns_enter() || sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up") ||
	       io_pool_init(&pool, FRAMES);
}

static int teardown(void **state)
{
	(void)state;
	io_pool_free(&pool);
	return 0;
}

static void open_both(void)
{
	struct err e = {.text = ""};

	if (io_sock_open(&sock[0], &pool, "v0", 0, 1500, &e) || io_sock_open(&sock[1], &pool, "v1", 0, 1500, &e))
		fail_msg("%s", e.text);
	io_fill(&sock[0], &pool);
	io_fill(&sock[1], &pool);
}

static void t_closing_brings_frames_back(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		open_both();
		assert_int_equal(pool.nfree, FRAMES - 2 * IO_RING);
		io_sock_close(&sock[0], &pool);
		assert_int_equal(pool.nfree, FRAMES - IO_RING);
		io_sock_close(&sock[1], &pool);
		assert_int_equal(pool.nfree, FRAMES);
	}
}

static void t_every_frame_once(void **state)
{
	uint8_t seen[FRAMES] = {0};

	(void)state;
	for (unsigned i = 0; i < pool.nfree; i++) {
		assert_false(seen[io_frame_no(pool.free[i])]);
		seen[io_frame_no(pool.free[i])] = 1;
	}
}

static void t_send_from_one_area_on_both(void **state)
{
	struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int ps = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
	struct pollfd p = {.fd = ps, .events = POLLIN};
	char buf[256];

	(void)state;
	any.sll_protocol = htons(0x88b5);
	any.sll_ifindex = (int)if_nametoindex("v1");
	assert_int_equal(bind(ps, (struct sockaddr *)&any, sizeof(any)), 0);
	open_both();
	for (int i = 0; i < 200; i++) {
		uint64_t addr = io_frame_get(&pool) + 100;
		struct ether_header eh = {.ether_type = htons(0x88b5)};

		memcpy(pool.area + addr, &eh, sizeof(eh));
		memset(pool.area + addr + sizeof(eh), i, 50);
		assert_int_equal(io_tx(&sock[0], &pool, addr, 64), 0);
		io_kick(&sock[0]);
		assert_int_equal(poll(&p, 1, 2000), 1);
		assert_int_equal(recv(ps, buf, sizeof(buf), 0), 64);
		assert_int_equal((uint8_t)buf[20], i);
		io_complete(&sock[0], &pool);
	}
	assert_int_equal(sock[0].in_tx, 0);
	io_sock_close(&sock[0], &pool);
	io_sock_close(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES);
	close(ps);
}

/* What the kernel does not take stays in the ring, and the worker is told that it has to ask again soon. */
static void t_what_the_kernel_has_not_taken_waits(void **state)
{
	(void)state;
	open_both();
	assert_false(io_tx_waits(&sock[0]));
	assert_int_equal(system("ip link set v0 down"), 0);
	assert_int_equal(io_tx(&sock[0], &pool, io_frame_get(&pool), 64), 0);
	io_kick(&sock[0]);
	assert_true(io_tx_waits(&sock[0]));
	assert_int_equal(system("ip link set v0 up"), 0);
	io_kick(&sock[0]);
	assert_false(io_tx_waits(&sock[0]));
	io_sock_close(&sock[0], &pool);
	io_sock_close(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES);
}

/* --- packets of several frames --- */

/* A jumbo pair; what v8 receives goes to sock[0]; v9 has a packet socket. Returns that. */
static int jumbo_setup(int *xdp_link)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5)};
	int xsks = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 1, NULL),
	    prog = redirect_program(xsks, BPF_F_XDP_HAS_FRAGS);
	int ps = socket(AF_PACKET, SOCK_RAW, htons(0x88b5)), zero = 0;
	struct err e = {.text = ""};

	assert_int_equal(
		sh("ip link add v8 mtu 9000 type veth peer name v9 mtu 9000 && ip link set v8 up && ip link set v9 up"),
		0);
	any.sll_ifindex = (int)if_nametoindex("v9");
	assert_int_equal(bind(ps, (struct sockaddr *)&any, sizeof(any)), 0);
	*xdp_link = bpf_link_create(prog, (int)if_nametoindex("v8"), BPF_XDP, &opts);
	assert_true(*xdp_link >= 0);
	if (io_sock_open(&sock[0], &pool, "v8", 0, 9000, &e))
		fail_msg("%s", e.text);
	assert_true(sock[0].sg);
	io_fill(&sock[0], &pool);
	assert_int_equal(bpf_map_update_elem(xsks, &zero, &sock[0].fd, BPF_ANY), 0);
	close(xsks);
	close(prog);
	return ps;
}

static void jumbo_teardown(int ps, int xdp_link)
{
	close(xdp_link);
	close(ps);
	io_sock_close(&sock[0], &pool);
	assert_int_equal(sh("ip link del v8"), 0);
	assert_int_equal(pool.nfree, FRAMES);
	assert_int_equal(pool.nlarge, IO_LARGE);
}

static void fill_frame(uint8_t *buf, size_t len, unsigned seed)
{
	struct ether_header eh = {.ether_type = htons(0x88b5)};

	for (size_t i = sizeof(eh); i < len; i++)
		buf[i] = (uint8_t)(i * 7 + i / 256 + seed);
	memset(eh.ether_dhost, 0xff, sizeof(eh.ether_dhost));
	memcpy(buf, &eh, sizeof(eh));
}

static const unsigned jumbo_len[] = {60, 1514, 1792, 1793, 2048, 2049, 4096, 5376, 9014};

static void t_receives_packets_of_several_frames(void **state)
{
	uint8_t buf[9014];
	int link, ps;

	(void)state;
	if (!io_kernel_has_sg())
		skip();
	ps = jumbo_setup(&link);
	for (unsigned i = 0; i < ARRAY_SIZE(jumbo_len); i++) {
		struct pollfd p = {.fd = sock[0].fd, .events = POLLIN};
		struct xdp_desc d;

		fill_frame(buf, jumbo_len[i], i);
		assert_int_equal(send(ps, buf, jumbo_len[i], 0), jumbo_len[i]);
		assert_int_equal(poll(&p, 1, 2000), 1);
		assert_int_equal(io_rx(&sock[0], &pool, &d, 1), jumbo_len[i] > 1792 ? 0 : 1);
		for (unsigned more = 0; jumbo_len[i] > 1792 && more < 8;
		     more++) /* its frames one by one: a burst may end between them */
			if (io_rx(&sock[0], &pool, &d, 1))
				break;
		assert_int_equal(d.len, jumbo_len[i]);
		assert_int_equal(io_is_large(&pool, d.addr), jumbo_len[i] > 1792);
		assert_memory_equal(pool.area + d.addr, buf, d.len);
		io_frame_put(&pool, d.addr);
	}
	assert_int_equal(io_lost(&sock[0]), 0);
	jumbo_teardown(ps, link);
}

/* Without a large buffer the packet is counted and its frames are free again; the next one comes whole. */
static void t_no_large_buffer_is_a_loss(void **state)
{
	unsigned kept = 0;
	uint8_t buf[9014];
	struct xdp_desc d;
	int link, ps;

	(void)state;
	if (!io_kernel_has_sg())
		skip();
	ps = jumbo_setup(&link);
	fill_frame(buf, sizeof(buf), 1);
	for (unsigned i = 0; i < IO_LARGE + 2; i++) {
		struct pollfd p = {.fd = sock[0].fd, .events = POLLIN};

		assert_int_equal(send(ps, buf, sizeof(buf), 0), sizeof(buf));
		assert_int_equal(poll(&p, 1, 2000), 1);
		kept += io_rx(&sock[0], &pool, &d, IO_BURST);
	}
	assert_int_equal(kept, IO_LARGE);
	assert_int_equal(pool.nlarge, 0);
	assert_int_equal(io_lost(&sock[0]), 2);
	for (unsigned i = 0; i < IO_LARGE; i++)
		io_frame_put(&pool, pool.bytes + (uint64_t)i * IO_LARGE_SIZE + i);
	/* One that is half there when the socket is closed leaves nothing behind. */
	assert_int_equal(send(ps, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(poll(&(struct pollfd){.fd = sock[0].fd, .events = POLLIN}, 1, 2000), 1);
	assert_int_equal(io_rx(&sock[0], &pool, &d, 2), 0);
	assert_int_equal(pool.nlarge, IO_LARGE - 1);
	jumbo_teardown(ps, link);
}

static void t_sends_large_buffers(void **state)
{
	uint8_t buf[9014], got[9100];
	int link, ps;

	(void)state;
	if (!io_kernel_has_sg())
		skip();
	ps = jumbo_setup(&link);
	for (unsigned i = 0; i < ARRAY_SIZE(jumbo_len); i++) {
		struct pollfd p = {.fd = ps, .events = POLLIN};
		uint64_t addr = io_large_get(&pool) + IO_XDP_HEADROOM - 14;

		fill_frame(buf, jumbo_len[i], i);
		memcpy(pool.area + addr, buf, jumbo_len[i]);
		assert_int_equal(io_tx(&sock[0], &pool, addr, jumbo_len[i]), 0);
		assert_int_equal(pool.nlarge, IO_LARGE);
		io_kick(&sock[0]);
		assert_int_equal(poll(&p, 1, 2000), 1);
		assert_int_equal(recv(ps, got, sizeof(got), 0), jumbo_len[i]);
		assert_memory_equal(got, buf, jumbo_len[i]);
		io_complete(&sock[0], &pool);
	}
	assert_int_equal(sock[0].in_tx, 0);
	jumbo_teardown(ps, link);
}

/* What cannot be sent stays the caller's. */
static void t_large_refused(void **state)
{
	uint64_t addr;
	unsigned nfree, n = 0;

	(void)state;
	open_both();
	addr = io_large_get(&pool) + 14;
	sock[0].sg = 0;
	assert_int_equal(io_tx(&sock[0], &pool, addr, IO_FRAME_SIZE + 1), -EMSGSIZE);
	sock[0].sg = 1;
	assert_int_equal(io_tx(&sock[0], &pool, addr, IO_TX_SEGS_MAX * IO_FRAME_SIZE + 1), -EMSGSIZE);
	nfree = pool.nfree;
	pool.nfree = 3;
	assert_int_equal(io_tx(&sock[0], &pool, addr, 3 * IO_FRAME_SIZE + 1), -ENOMEM);
	pool.nfree = nfree;
	while (n < IO_RING - 2 && io_tx(&sock[0], &pool, io_frame_get(&pool), 64) == 0)
		n++;
	nfree = pool.nfree;
	assert_int_equal(io_tx(&sock[0], &pool, addr, 3 * IO_FRAME_SIZE), -ENOBUFS);
	assert_int_equal(pool.nfree, nfree);
	assert_int_equal(pool.nlarge, IO_LARGE - 1);
	io_frame_put(&pool, addr + 40000);
	assert_int_equal(pool.large[IO_LARGE - 1], addr - 14);
	io_sock_close(&sock[0], &pool);
	io_sock_close(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES);
}

static void t_ring_full(void **state)
{
	unsigned n = 0;

	(void)state;
	open_both();
	while (io_tx(&sock[0], &pool, io_frame_get(&pool), 64) == 0)
		n++;
	assert_int_equal(n, IO_RING);
	pool.nfree++; /* the frame that was refused */
	io_sock_close(&sock[0], &pool);
	io_sock_close(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES);
}

/* Sockets in a row over few frames: the last one gets its share, and a quarter stays for bursts and transmit rings. */
static void t_every_socket_gets_its_share(void **state)
{
	struct io_sock many[8];
	struct io_pool small;
	struct err e = {.text = ""};

	(void)state;
	assert_int_equal(sh("ip link add q0 numrxqueues 8 numtxqueues 8 type veth peer name q1 numrxqueues 8 "
			    "numtxqueues 8 && ip link set q0 up && ip link set q1 up"),
			 0);
	assert_int_equal(io_pool_init(&small, 4096), 0);
	io_pool_plan(&small, 8);
	for (unsigned i = 0; i < 8; i++)
		if (io_sock_open(&many[i], &small, "q0", i, 1500, &e))
			fail_msg("%s", e.text);
	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < 8; i++)
			io_fill(&many[i], &small);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(many[i].in_fill, 4096 / 4 * 3 / 8);
	assert_int_equal(small.nfree, 4096 / 4);
	for (unsigned i = 0; i < 8; i++)
		io_sock_close(&many[i], &small);
	assert_int_equal(small.nfree, 4096);
	io_pool_free(&small);
	assert_int_equal(sh("ip link del q0"), 0);
}

static void t_target(void **state)
{
	(void)state;
	assert_int_equal(io_target(16384, 1), IO_RING);
	assert_int_equal(io_target(16384, 6), IO_RING);
	assert_true(io_target(16384, 16 + 2) >= IO_TARGET_MIN);
	assert_int_equal(io_target(4096, 48), IO_TARGET_MIN);
	assert_true(io_target(4096, 49) < IO_TARGET_MIN);
}

/* A NIC may write into the frames of a closed zero-copy socket for a while. (veth has no such mode: the flag is set by hand.) */
static void t_zero_copy_frames_wait(void **state)
{
	uint16_t tag;

	(void)state;
	open_both();
	tag = sock[0].tag;
	sock[0].zero_copy = 1;
	io_sock_close(&sock[0], &pool);
	assert_int_equal(pool.nfree, FRAMES - 2 * IO_RING);
	io_fill(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES - 2 * IO_RING);
	assert_int_equal(pool.tag_used[tag], IO_TAG_QUARANTINE); /* not given to another socket either */
	pool.tag_until[tag] = 0;
	io_fill(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES - IO_RING);
	assert_int_equal(pool.quarantined, 0);
	io_sock_close(&sock[1], &pool);
	assert_int_equal(pool.nfree, FRAMES);
}

static void t_errors(void **state)
{
	struct err e = {.text = ""};

	(void)state;
	assert_true(io_sock_open(&sock[0], &pool, "nosuch", 0, 1500, &e) < 0);
	assert_non_null(strstr(e.text, "nosuch"));
	assert_true(io_sock_open(&sock[0], &pool, "v0", 7, 1500, &e) < 0);
	assert_int_equal(pool.nfree, FRAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_closing_brings_frames_back),
		cmocka_unit_test(t_every_frame_once),
		cmocka_unit_test(t_send_from_one_area_on_both),
		cmocka_unit_test(t_what_the_kernel_has_not_taken_waits),
		cmocka_unit_test(t_receives_packets_of_several_frames),
		cmocka_unit_test(t_no_large_buffer_is_a_loss),
		cmocka_unit_test(t_sends_large_buffers),
		cmocka_unit_test(t_large_refused),
		cmocka_unit_test(t_ring_full),
		cmocka_unit_test(t_every_socket_gets_its_share),
		cmocka_unit_test(t_target),
		cmocka_unit_test(t_zero_copy_frames_wait),
		cmocka_unit_test(t_every_frame_once),
		cmocka_unit_test(t_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
