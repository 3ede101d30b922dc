/* SPDX-License-Identifier: BSD-2-Clause */
/* user/route against a real kernel: answers, what makes them old, the host's addresses in xi_local. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <poll.h>

#include "tests/bpf/netns.h"
#include "user/route/route.h"

static struct rt *rt;
static int local_fd;

static int setup(void **state)
{
	struct err e;

	(void)state;
	if (netns_enter() ||
	    sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
	       "ip addr add 10.0.0.1/24 brd + dev v0 && ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0 && "
	       "ip route add 10.9.0.0/16 via 10.0.0.2 mtu 1400 && ip route add unreachable 10.8.0.0/16"))
		return -1;
	local_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xi_local", sizeof(struct xi_local_key), 4, 4096, NULL);
	if (local_fd < 0 || rt_open(&rt, 1, local_fd, &e))
		return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rt_close(rt);
	return 0;
}

static struct rt_key key_to(const char *dst)
{
	struct rt_key k = {.family = XI_IP4};

	inet_pton(AF_INET, dst, &k.dst);
	inet_pton(AF_INET, "10.0.0.1", &k.src);
	return k;
}

/* What a worker and the main thread do together. */
static struct rt_hop answer(const char *dst)
{
	struct rt_key k = key_to(dst);
	struct rt_hop hop;

	rt_lookup(rt, &k, &hop);
	if (hop.kind != RT_UNKNOWN)
		return hop;
	rt_ask(rt, 0, &k);
	rt_on_requests(rt);
	rt_lookup(rt, &k, &hop);
	return hop;
}

/* Reads events until the generation changes (1) or nothing more comes for a while (0). */
static int becomes_old(void)
{
	__u64 gen = rt_generation(rt);
	struct pollfd p = {.fd = rt_fd_events(rt), .events = POLLIN};

	while (poll(&p, 1, 300) == 1) {
		rt_on_events(rt, NULL, NULL);
		if (rt_generation(rt) != gen)
			return 1;
	}
	return 0;
}

static void quiet(void)
{
	while (becomes_old())
		;
}

static void t_answers(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
	struct rt_hop h;

	(void)state;
	quiet();
	h = answer("10.9.1.1");
	assert_int_equal(h.kind, RT_TX);
	assert_int_equal(h.mtu, 1400);
	assert_int_equal(h.ifindex, if_nametoindex("v0"));
	assert_memory_equal(h.dst_mac, mac, 6);
	h = answer("10.0.0.2");
	assert_int_equal(h.kind, RT_TX);
	assert_int_equal(h.mtu, 1500);
	assert_int_equal(answer("10.0.0.1").kind, RT_LOCAL);
	assert_int_equal(answer("10.8.0.1").kind, RT_NONE);
	assert_int_equal(answer("172.16.0.1").kind, RT_NONE);
}

static void t_no_answer_before_it_is_asked(void **state)
{
	struct rt_key k = key_to("10.9.77.77");
	struct rt_hop h;

	(void)state;
	rt_lookup(rt, &k, &h);
	assert_int_equal(h.kind, RT_UNKNOWN);
}

static void t_changes_make_answers_old(void **state)
{
	(void)state;
	quiet();
	assert_int_equal(answer("10.9.1.1").kind, RT_TX);
	assert_int_equal(sh("ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v0"), 0);
	assert_false(becomes_old()); /* a neighbour no answer rests on */
	assert_int_equal(sh("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:22 dev v0"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.9.1.1").dst_mac[5], 0x22);
	quiet();
	assert_int_equal(sh("ip route replace 10.9.0.0/16 via 10.0.0.77"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.9.1.1").dst_mac[5], 0x77);
	quiet();
	assert_int_equal(sh("ip link set v0 mtu 1300"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.9.1.1").mtu, 1300);
}

static void t_unresolved_neighbour(void **state)
{
	(void)state;
	quiet();
	assert_int_equal(answer("10.0.0.9").kind, RT_STACK);
	assert_int_equal(sh("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.0.0.9").kind, RT_TX);
}

static int is_local(const char *addr)
{
	struct xi_local_key k = {.family = XI_IP4};
	__u32 ifindex;

	inet_pton(AF_INET, addr, &k.addr);
	return bpf_map_lookup_elem(local_fd, &k, &ifindex) == 0;
}

static void t_local_addresses(void **state)
{
	(void)state;
	quiet();
	assert_true(is_local("10.0.0.1"));
	assert_true(is_local("10.0.0.255")); /* directed broadcast */
	assert_true(is_local("127.0.0.1"));
	assert_false(is_local("10.0.0.2"));
	assert_int_equal(sh("ip addr add 10.0.1.1/24 dev v0"), 0);
	assert_true(becomes_old());
	quiet();
	assert_true(is_local("10.0.1.1"));
	assert_int_equal(sh("ip addr del 10.0.1.1/24 dev v0"), 0);
	assert_true(becomes_old());
	quiet();
	assert_false(is_local("10.0.1.1"));
	assert_true(is_local("10.0.0.1"));
}

static void t_queue_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct rt_key k = key_to("10.9.0.0");

		k.dst.w[0] += htonl(i + 1);
		rt_ask(rt, 0, &k);
	}
	rt_on_requests(rt);
	assert_int_equal(answer("10.9.0.1").kind, RT_TX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_answers),
		cmocka_unit_test(t_no_answer_before_it_is_asked),
		cmocka_unit_test(t_changes_make_answers_old),
		cmocka_unit_test(t_unresolved_neighbour),
		cmocka_unit_test(t_local_addresses),
		cmocka_unit_test(t_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
