/* SPDX-License-Identifier: BSD-2-Clause */
/* NAT keep-alives on the wire (RFC 3948 §4), and mappings that changed. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "user/base/clock.h"
#include "user/worker/natt.h"

#define S NS_PER_S
#define PEER_PORT 40500

static struct maps *m;
static struct natt *n;
static int peer4, peer6;
static uint64_t start;

static int udp_socket(int family, const void *addr, socklen_t len)
{
	int fd = socket(family, SOCK_DGRAM, 0);

	sandbox_must(fd < 0 || bind(fd, addr, len) < 0, "peer's socket");
	return fd;
}

static int setup(void **state)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(PEER_PORT)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(PEER_PORT)};
	struct err e;

	(void)state;
	a4.sin_addr.s_addr = htonl(0x7f000002);
	inet_pton(AF_INET6, "::1", &a6.sin6_addr);
	m = sandbox_maps(8, 8);
	assert_ok(natt_open(&n, m, &e), &e);
	peer4 = udp_socket(AF_INET, &a4, sizeof(a4));
	peer6 = udp_socket(AF_INET6, &a6, sizeof(a6));
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	close(peer4);
	close(peer6);
	natt_close(n);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static uint64_t publish(unsigned family, uint32_t spi, uint8_t dir, uint8_t flags)
{
	struct xi_sa sa = {.dir = dir,
			   .proto = XI_PROTO_ESP,
			   .mode = XI_MODE_TUNNEL,
			   .family = (uint8_t)family,
			   .flags = flags,
			   .spi = htonl(spi),
			   .add_ns = start,
			   .udp_local = htons(4500),
			   .udp_remote = htons(PEER_PORT)};
	uint64_t ref = 0;
	struct err e;

	if (family == XI_IP4) {
		sa.src = ip4(127, 0, 0, 1);
		sa.dst = ip4(127, 0, 0, 2);
	} else {
		inet_pton(AF_INET6, "::1", &sa.src);
		inet_pton(AF_INET6, "::1", &sa.dst);
	}
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	spd_unlock(m);
	return ref;
}

/* Keep-alives that have arrived, each of them one byte from port 4500. */
static unsigned arrived(int fd)
{
	struct sockaddr_in6 from; /* large enough for both, and the port stands at the same place */
	unsigned count = 0;
	uint8_t buf[16];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (got < 0)
			return count;
		assert_int_equal(got, 1);
		assert_int_equal(buf[0], 0xff);
		assert_int_equal(ntohs(from.sin6_port), 4500);
		count++;
	}
}

static void t_rfc3948_4_every_20_s(void **state)
{
	const uint8_t flags = XI_SA_F_UDP | XI_SA_F_KEEPALIVE;
	uint64_t one;

	(void)state;
	start = clock_ns();
	one = publish(XI_IP4, 0x101, XI_DIR_OUT, flags);
	(void)publish(XI_IP4, 0x102, XI_DIR_OUT, flags); /* the same mapping: one for both */
	(void)publish(XI_IP6, 0x103, XI_DIR_OUT, flags);
	(void)publish(XI_IP4, 0x104, XI_DIR_IN, flags);
	assert_int_equal(natt_keepalive(n, start + 19 * S), 0);
	assert_int_equal(natt_keepalive(n, start + 20 * S), 2);
	assert_int_equal(arrived(peer4), 1);
	assert_int_equal(arrived(peer6), 1); /* the kernel checks the checksum */
	assert_int_equal(natt_keepalive(n, start + 39 * S), 0);
	/* Traffic of one SA is enough for the mapping. */
	m->sa_rt[XI_REF_SLOT(one)].last_ns = start + 35 * S;
	assert_int_equal(natt_keepalive(n, start + 40 * S), 1);
	assert_int_equal(arrived(peer4), 0);
	assert_int_equal(arrived(peer6), 1);
	assert_int_equal(natt_keepalive(n, start + 55 * S), 1);
	assert_int_equal(arrived(peer4), 1);
}

static void t_only_for_who_asks_and_lives(void **state)
{
	uint64_t dead, ref;

	(void)state;
	start = clock_ns();
	(void)publish(XI_IP4, 0x101, XI_DIR_OUT, XI_SA_F_UDP);
	dead = publish(XI_IP4, 0x102, XI_DIR_OUT, XI_SA_F_UDP | XI_SA_F_KEEPALIVE);
	m->sad[XI_REF_SLOT(dead)].state = XI_SA_DEAD;
	assert_int_equal(natt_keepalive(n, start + 60 * S), 0);
	assert_int_equal(arrived(peer4), 0);
	/* A mapping that comes back later starts anew. */
	m->sad[XI_REF_SLOT(dead)].state = XI_SA_MATURE;
	assert_int_equal(natt_keepalive(n, start + 61 * S), 1);
	m->sad[XI_REF_SLOT(dead)].state = XI_SA_DEAD;
	for (unsigned i = 62; i < 65; i++)
		assert_int_equal(natt_keepalive(n, start + i * S), 0);
	start += 100 * S;
	ref = publish(XI_IP4, 0x103, XI_DIR_OUT, XI_SA_F_UDP | XI_SA_F_KEEPALIVE);
	assert_int_equal(natt_keepalive(n, start + 1 * S), 0);
	assert_int_equal(natt_keepalive(n, start + 20 * S), 1);
	assert_true(ref != 0);
}

static struct natt_change last;
static unsigned changes;

static void on_change(void *arg, const struct natt_change *c)
{
	(void)arg;
	last = *c;
	changes++;
}

static void t_changed_mappings_are_said_once(void **state)
{
	uint64_t ref;
	struct xi_sa_rt *rt;

	(void)state;
	ref = publish(XI_IP4, 0x101, XI_DIR_IN, XI_SA_F_UDP);
	rt = &m->sa_rt[XI_REF_SLOT(ref)];
	natt_find_changed(n, on_change, NULL);
	assert_int_equal(changes, 0);
	rt->seen = ip4(192, 0, 2, 9);
	rt->seen_port = htons(1024);
	natt_find_changed(n, on_change, NULL);
	natt_find_changed(n, on_change, NULL);
	assert_int_equal(changes, 1);
	assert_true(last.sa == ref && last.port == htons(1024) && last.addr.w[0] == rt->seen.w[0]);
	rt->seen_port = htons(1025);
	natt_find_changed(n, on_change, NULL);
	assert_int_equal(changes, 2);
	assert_int_equal(last.port, htons(1025));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_rfc3948_4_every_20_s, setup, teardown),
		cmocka_unit_test_setup_teardown(t_only_for_who_asks_and_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(t_changed_mappings_are_said_once, setup, teardown),
	};

	sandbox_enter();
	sandbox_must(system("ip link set lo up && ip addr add 127.0.0.2/8 dev lo"), "lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
