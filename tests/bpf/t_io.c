/* SPDX-License-Identifier: BSD-2-Clause */
/* user/io on a veth pair: sending, completions, and that closing a socket brings every frame back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/netns.h"
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

	if (io_sock_open(&sock[0], &pool, "v0", 0, &e) || io_sock_open(&sock[1], &pool, "v1", 0, &e))
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
		if (io_sock_open(&many[i], &small, "q0", i, &e))
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
	assert_true(io_sock_open(&sock[0], &pool, "nosuch", 0, &e) < 0);
	assert_non_null(strstr(e.text, "nosuch"));
	assert_true(io_sock_open(&sock[0], &pool, "v0", 7, &e) < 0);
	assert_int_equal(pool.nfree, FRAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_closing_brings_frames_back),
		cmocka_unit_test(t_every_frame_once),
		cmocka_unit_test(t_send_from_one_area_on_both),
		cmocka_unit_test(t_ring_full),
		cmocka_unit_test(t_every_socket_gets_its_share),
		cmocka_unit_test(t_target),
		cmocka_unit_test(t_zero_copy_frames_wait),
		cmocka_unit_test(t_every_frame_once),
		cmocka_unit_test(t_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
