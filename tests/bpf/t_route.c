/* SPDX-License-Identifier: BSD-2-Clause */
/* user/route against a real kernel: answers, what makes them old, the host's addresses in xi_local. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bpf/netns.h"
#include "user/ipsec/icmp.h"
#include "user/ipsec/ip4.h"
#include "user/ipsec/ip6.h"
#include "user/route/local.h"
#include "user/route/nl.h"
#include "user/route/query.h"
#include "user/route/route.h"

static struct rt *rt;
static int local_fd, vlan_fd;

static int setup(void **state)
{
	struct err e;

	(void)state;
	if (netns_enter() || sh("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad") ||
	    sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
	       "ip addr add 10.0.0.1/24 brd + dev v0 && ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0 && "
	       "ip route add 10.9.0.0/16 via 10.0.0.2 mtu 1400 && ip route add unreachable 10.8.0.0/16") ||
	    sh("ip addr add 2001:db8::1/64 dev v0 && ip -6 neigh add 2001:db8::2 lladdr 02:00:00:00:00:62 dev v0 && "
	       "ip -6 neigh add fe80::99 lladdr 02:00:00:00:00:99 dev v0 && "
	       "ip -6 route add 2001:db8:9::/48 via 2001:db8::2 mtu 1400 && "
	       "ip -6 route add 2001:db8:7::/48 via fe80::99 dev v0 && ip -6 route add unreachable 2001:db8:8::/48 && "
	       "ip route add 10.7.0.0/16 via inet6 fe80::99 dev v0"))
		return -1;
	local_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xi_local", sizeof(struct xi_local_key), 4, 4096, NULL);
	vlan_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xi_vlan", sizeof(struct xi_vlan_key), 4, 8192, NULL);
	if (local_fd < 0 || vlan_fd < 0 || rt_open(&rt, 1, local_fd, vlan_fd, &e))
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
	int six = strchr(dst, ':') != NULL;
	struct rt_key k = {.family = six ? XI_IP6 : XI_IP4};

	inet_pton(six ? AF_INET6 : AF_INET, dst, &k.dst);
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8::1" : "10.0.0.1", &k.src);
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
	assert_memory_equal(h.l2, mac, 6);
	h = answer("10.0.0.2");
	assert_int_equal(h.kind, RT_TX);
	assert_int_equal(h.mtu, 1500);
	assert_int_equal(answer("10.0.0.1").kind, RT_LOCAL);
	assert_int_equal(answer("10.8.0.1").kind, RT_NONE);
	assert_int_equal(answer("172.16.0.1").kind, RT_NONE);
}

static void t_answers_of_ipv6(void **state)
{
	struct rt_hop h;

	(void)state;
	quiet();
	h = answer("2001:db8:9::1");
	assert_int_equal(h.kind, RT_TX);
	assert_int_equal(h.mtu, 1400);
	assert_int_equal(h.ifindex, if_nametoindex("v0"));
	assert_int_equal(h.l2[5], 0x62);
	h = answer("2001:db8::2");
	assert_int_equal(h.kind, RT_TX);
	assert_int_equal(h.mtu, 1500);
	assert_int_equal(answer("2001:db8::1").kind, RT_LOCAL);
	assert_int_equal(answer("ff02::1").kind, RT_LOCAL);
	assert_int_equal(answer("2001:db8:8::1").kind, RT_NONE);
	assert_int_equal(answer("2001:db9::1").kind, RT_NONE);
}

/* RFC 4861 §8: routers are known by their link-local addresses; RFC 8950: those of IPv4 as well. */
/* Hosts of one network differ in the last byte of their address, networks in a middle one: no answer drives out another. */
static void t_neighbours_find_room(void **state)
{
	static const char *const form[] = {"10.9.0.%u", "10.9.%u.1", "2001:db8:9::%x", "2001:db8:9:%x::1",
					   "2001:db8:9::%x:1"};
	struct rt_hop hop;
	char dst[64];

	(void)state;
	quiet();
	for (size_t f = 0; f < ARRAY_SIZE(form); f++) {
		for (unsigned i = 1; i <= 200; i++) {
			(void)snprintf(dst, sizeof(dst), form[f], i);
			(void)answer(dst);
		}
		for (unsigned i = 1; i <= 200; i++) {
			struct rt_key k;

			(void)snprintf(dst, sizeof(dst), form[f], i);
			k = key_to(dst);
			rt_lookup(rt, &k, &hop);
			if (hop.kind != RT_TX)
				fail_msg("%s: kind %u", dst, hop.kind);
		}
	}
}

/* A packet of this host to dst, and the answer of a router that says mtu; the stack must have believed it. */
static void stack_learns(const char *dst, uint32_t mtu)
{
	struct rt_key k = key_to(dst);
	int six = k.family == XI_IP6, on = 1, got = 0, fd, raw;
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)}, own6 = {0};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(9)}, own4 = {0};
	struct sockaddr *to = six ? (void *)&to6 : (void *)&to4, *own = six ? (void *)&own6 : (void *)&own4;
	socklen_t len = six ? sizeof(to6) : sizeof(to4), got_len = sizeof(got);
	uint8_t packet[IP6_HDR + 8] = {0}, icmp[1280];
	size_t n, udp = six ? IP6_HDR : IP4_HDR;

	memcpy(&to6.sin6_addr, &k.dst, 16);
	memcpy(&to4.sin_addr, &k.dst, 4);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	raw = six ? socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) : socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	assert_true(fd >= 0 && raw >= 0);
	assert_int_equal(connect(fd, to, len), 0);
	assert_int_equal(getsockname(fd, own, &len), 0);
	memcpy(packet + udp, six ? &own6.sin6_port : &own4.sin_port, 2);
	packet[udp + 3] = 9;
	packet[udp + 5] = 8;
	if (six) {
		packet[0] = 0x60;
		packet[5] = 8;
		packet[6] = IPPROTO_UDP;
		memcpy(packet + IP6_SRC, &own6.sin6_addr, 16);
		memcpy(packet + IP6_DST, &k.dst, 16);
		n = icmp6_too_big(icmp, sizeof(icmp), packet, sizeof(packet), &k.dst, mtu);
		own6.sin6_port = 0;
		assert_true(n && sendto(raw, icmp + IP6_HDR, n - IP6_HDR, 0, own, len) > 0);
		assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &got, &got_len), 0);
	} else {
		packet[0] = 0x45;
		packet[3] = IP4_HDR + 8;
		packet[6] = 0x40; /* DF */
		packet[8] = 64;
		packet[9] = IPPROTO_UDP;
		memcpy(packet + IP4_SRC, &own4.sin_addr, 4);
		memcpy(packet + IP4_DST, &k.dst, 4);
		n = icmp4_too_big(icmp, sizeof(icmp), packet, IP4_HDR + 8, 0, (uint16_t)mtu);
		assert_int_equal(setsockopt(raw, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)), 0);
		assert_true(n && sendto(raw, icmp, n, 0, own, len) > 0);
		assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_MTU, &got, &got_len), 0);
	}
	assert_int_equal(got, mtu);
	close(fd);
	close(raw);
}

/*
 * RFC 4301 §8.2: the path MTU of an SA is its own. In transport mode the stack has been told the one inside, for the same destination; what the
 * administrator wrote into the route holds.
 */
static void t_rfc4301_8_2_not_what_the_stack_has_learned(void **state)
{
	static const struct {
		const char *dst;
		uint32_t learned, want;
	} row[] = {{"10.9.3.3", 1380, 1400},
		   {"10.0.0.2", 1480, 1500},
		   {"2001:db8:9::33", 1380, 1400},
		   {"2001:db8::2", 1480, 1500}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		stack_learns(row[i].dst, row[i].learned);
		quiet();
		assert_int_equal(sh("ip rule add pref 99 to 192.0.2.9 lookup main && ip rule del pref 99"), 0);
		assert_true(becomes_old());
		quiet();
		assert_int_equal(answer(row[i].dst).mtu, row[i].want);
		assert_int_equal(answer(row[i].dst).kind, RT_TX);
	}
}

/* Whether a packet from w0's network to dst, received there, would go anywhere. */
static int goes_anywhere(const char *dst)
{
	struct rt_key k = key_to(dst);
	struct rt_hop hop;

	inet_pton(AF_INET, "10.5.0.9", &k.src);
	if (k.family == XI_IP6)
		inet_pton(AF_INET6, "2001:db8:5::9", &k.src);
	k.iif = if_nametoindex("w0");
	rt_ask(rt, 0, &k);
	rt_on_requests(rt);
	rt_lookup(rt, &k, &hop);
	if (hop.kind != RT_TX)
		fail_msg("%s: kind %u", dst, hop.kind);
	assert_int_equal(answer(dst).anywhere, 0); /* of this host's own */
	return (int)hop.anywhere;
}

/* Spec 27.4: where a destination that only NAT knows would go. */
static void t_received_packets_that_go_anywhere(void **state)
{
	static const struct {
		const char *dst;
		int anywhere;
	} row[] = {{"10.0.0.2", 0},	 {"10.9.1.1", 0},      {"11.0.0.1", 0},	     {"192.0.2.1", 1},
		   {"64.0.0.1", 1},	 {"10.5.0.2", 0},      {"10.6.0.1", 1},	     {"2001:db8::2", 0},
		   {"2001:db8:9::1", 0}, {"2001:db8:5::2", 0}, {"2001:db8:6::1", 1}, {"2001:500::1", 1}};

	(void)state;
	assert_int_equal(
		sh("ip link add w0 type veth peer name w1 && ip link set w0 up && ip link set w1 up && "
		   "ip addr add 10.5.0.1/24 dev w0 && ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:05 dev w0 && "
		   "ip route add 10.6.0.0/16 via 10.5.0.2 && sysctl -qw net.ipv4.ip_forward=1"),
		0);
	assert_int_equal(sh("ip route add default via 10.0.0.2 && ip route add 64.0.0.0/7 via 10.0.0.2 && "
			    "ip route add 11.0.0.0/8 via 10.0.0.2 && sysctl -qw net.ipv6.conf.all.forwarding=1"),
			 0);
	assert_int_equal(sh("ip addr add 2001:db8:5::1/64 dev w0 nodad && ip -6 neigh add 2001:db8:5::2 lladdr "
			    "02:00:00:00:00:65 dev w0 && ip -6 route add 2001:db8:6::/48 via 2001:db8:5::2 && "
			    "ip -6 route add 2000::/3 via 2001:db8::2"),
			 0);
	assert_true(becomes_old());
	quiet();
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(goes_anywhere(row[i].dst), 0); /* no NAT here */
	assert_int_equal(
		sh("nft add table inet t && nft 'add chain inet t f { type filter hook forward priority 0; }'"), 0);
	assert_int_equal(becomes_old(), 0);
	assert_int_equal(sh("nft 'add chain inet t n { type nat hook prerouting priority -100; }'"), 0);
	assert_true(becomes_old());
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		if (goes_anywhere(row[i].dst) != row[i].anywhere)
			fail_msg("%s: not %d", row[i].dst, row[i].anywhere);
	assert_int_equal(sh("nft delete table inet t"), 0);
	assert_true(becomes_old());
	assert_int_equal(goes_anywhere("192.0.2.1"), 0);
	assert_int_equal(
		sh("ip link del w0 && ip route del default && ip route del 64.0.0.0/7 && ip route del 11.0.0.0/8 && "
		   "ip -6 route del 2000::/3 && sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0"),
		0);
	quiet();
}

static void t_link_local_gateways(void **state)
{
	(void)state;
	quiet();
	assert_int_equal(answer("2001:db8:7::1").l2[5], 0x99);
	assert_int_equal(answer("10.7.0.1").l2[5], 0x99);
	assert_int_equal(sh("ip -6 neigh replace fe80::99 lladdr 02:00:00:00:00:98 dev v0"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.7.0.1").l2[5], 0x98);
	assert_int_equal(answer("2001:db8:7::1").l2[5], 0x98);
}

static void t_changes_of_ipv6_make_answers_old(void **state)
{
	(void)state;
	quiet();
	assert_int_equal(answer("2001:db8:9::1").kind, RT_TX);
	assert_int_equal(sh("ip -6 neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev v0"), 0);
	assert_false(becomes_old()); /* a neighbour no answer rests on */
	assert_int_equal(sh("ip -6 neigh replace 2001:db8::2 lladdr 02:00:00:00:00:64 dev v0"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("2001:db8:9::1").l2[5], 0x64);
	quiet();
	assert_int_equal(sh("ip -6 route add 2001:db8:9:1::/64 via 2001:db8::77"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("2001:db8:9:1::1").l2[5], 0x77);
	quiet();
	assert_int_equal(sh("ip -6 rule add pref 99 lookup 77"), 0);
	assert_true(becomes_old());
	quiet();
	assert_int_equal(sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"), 0);
	assert_true(becomes_old());
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
	assert_int_equal(answer("10.9.1.1").l2[5], 0x22);
	quiet();
	assert_int_equal(sh("ip route replace 10.9.0.0/16 via 10.0.0.77"), 0);
	assert_true(becomes_old());
	assert_int_equal(answer("10.9.1.1").l2[5], 0x77);
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
	int six = strchr(addr, ':') != NULL;
	struct xi_local_key k = {.family = six ? XI_IP6 : XI_IP4};
	__u32 ifindex;

	inet_pton(six ? AF_INET6 : AF_INET, addr, &k.addr);
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
	assert_true(is_local("2001:db8::1"));
	assert_true(is_local("::1"));
	assert_false(is_local("2001:db8::2"));
	assert_int_equal(sh("ip addr add 10.0.1.1/24 dev v0"), 0);
	assert_true(becomes_old());
	quiet();
	assert_true(is_local("10.0.1.1"));
	assert_true(is_local("10.0.1.255")); /* the network's, though no broadcast address was set with it */
	assert_int_equal(sh("ip addr del 10.0.1.1/24 dev v0"), 0);
	assert_true(becomes_old());
	quiet();
	assert_false(is_local("10.0.1.1"));
	assert_false(is_local("10.0.1.255"));
	assert_true(is_local("10.0.0.1"));
	assert_int_equal(sh("ip addr add 2001:db8:5::1/64 dev v0 nodad"), 0);
	assert_true(becomes_old());
	quiet();
	assert_true(is_local("2001:db8:5::1"));
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

static int asking;

/* A worker with a new destination in every packet, for two seconds at most. */
static void *asks_on(void *arg)
{
	struct rt_key k = key_to("10.9.5.0");
	time_t end = time(NULL) + 2;

	(void)arg;
	while (__atomic_load_n(&asking, __ATOMIC_RELAXED) && time(NULL) <= end) {
		k.dst.w[0] = htonl(ntohl(k.dst.w[0]) + 1);
		rt_ask(rt, 0, &k);
	}
	return NULL;
}

/* It must not keep the main thread: 64 answers a call, then the descriptor is readable again. */
static void t_requests_are_answered_in_turns(void **state)
{
	struct pollfd p = {.fd = rt_fd_requests(rt), .events = POLLIN};
	pthread_t t;
	int running;

	(void)state;
	quiet();
	asking = 1;
	assert_int_equal(pthread_create(&t, NULL, asks_on, NULL), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(poll(&p, 1, 1000), 1);
		rt_on_requests(rt);
	}
	running = pthread_tryjoin_np(t, NULL) == EBUSY;
	asking = 0;
	assert_true(running);
	assert_int_equal(pthread_join(t, NULL), 0);
	while (poll(&p, 1, 0) == 1)
		rt_on_requests(rt);
	assert_int_equal(answer("10.9.5.7").kind, RT_TX);
}

static void t_settings_make_answers_old(void **state)
{
	__u64 gen;
	int said = 0;
	struct pollfd p = {.fd = rt_fd_events(rt), .events = POLLIN};

	(void)state;
	quiet();
	gen = rt_generation(rt);
	assert_int_equal(sh("echo 1 > /proc/sys/net/ipv4/conf/v0/rp_filter"), 0);
	while (poll(&p, 1, 300) == 1)
		said |= rt_on_events(rt, NULL, NULL);
	assert_int_equal(said, RT_SAID_SYSCTL);
	assert_int_not_equal(rt_generation(rt), gen);
	assert_int_equal(sh("echo 1 > /proc/sys/net/ipv4/ip_forward"), 0);
	assert_true(becomes_old());
}

static int on_any(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	++*(int *)data;
	return MNL_CB_OK;
}

static int get_v0(struct mnl_socket *nl, int *answers)
{
	char buf[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_GETLINK;
	ifi->ifi_index = (int)if_nametoindex("v0");
	return nl_talk(nl, nlh, on_any, answers);
}

/* An answer that nobody read stands before the next one: that call may fail, the one after it must not. */
static void t_netlink_recovers_after_a_failure(void **state)
{
	char buf[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *nl;
	int answers = 0;
	struct err e;

	(void)state;
	assert_int_equal(nl_open(&nl, NETLINK_ROUTE, 0, &e), 0);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 0x7ffffff0;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	assert_true(get_v0(nl, &answers) < 0);
	assert_int_equal(get_v0(nl, &answers), 0);
	assert_int_equal(answers, 1);
	mnl_socket_close(nl);
}

/* What is not the kernel's word about the route is asked again, not kept as "no route". */
static void t_failure_is_no_answer(void **state)
{
	struct rt_key k = key_to("10.9.1.1");
	struct rt_query q;
	struct rt_answer a;
	struct err e;

	(void)state;
	assert_int_equal(rt_query_open(&q, &e), 0);
	rt_query_hop(&q, &k, &a);
	assert_int_equal(a.hop.kind, RT_TX);
	assert_int_equal(close(mnl_socket_get_fd(q.nl)), 0);
	rt_query_hop(&q, &k, &a);
	assert_int_equal(a.hop.kind, RT_UNKNOWN);
	rt_query_close(&q);
}

/* Addresses of yesterday fill the map: they go first. */
static void t_full_map_gets_room(void **state)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xi_local", sizeof(struct xi_local_key), 4, 16, NULL);
	struct xi_local_key k = {.family = XI_IP4};
	__u32 ifindex = 1;
	struct err e = {.text = ""};

	(void)state;
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 16; i++) {
		k.addr.w[0] = htonl(0xc0000200 + i);
		assert_int_equal(bpf_map_update_elem(fd, &k, &ifindex, BPF_ANY), 0);
	}
	assert_int_equal(bpf_map_update_elem(fd, &(struct xi_local_key){.family = XI_IP6}, &ifindex, BPF_ANY), -E2BIG);
	if (rt_local_sync(fd, &e))
		fail_msg("%s", e.text);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &k, &ifindex), 0);
	inet_pton(AF_INET, "10.0.0.1", &k.addr);
	assert_int_equal(bpf_map_lookup_elem(fd, &k, &ifindex), 0);
	close(fd);
}

/* Nothing is left out in silence: what is no address of the host's own would be forwarded. */
static void t_more_addresses_than_the_map_holds(void **state)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xi_local", sizeof(struct xi_local_key), 4, 1, NULL);
	struct err e = {.text = ""};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(rt_local_sync(fd, &e), -E2BIG);
	assert_non_null(strstr(e.text, "more than the map"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_answers),
		cmocka_unit_test(t_answers_of_ipv6),
		cmocka_unit_test(t_neighbours_find_room),
		cmocka_unit_test(t_rfc4301_8_2_not_what_the_stack_has_learned),
		cmocka_unit_test(t_received_packets_that_go_anywhere),
		cmocka_unit_test(t_link_local_gateways),
		cmocka_unit_test(t_changes_of_ipv6_make_answers_old),
		cmocka_unit_test(t_no_answer_before_it_is_asked),
		cmocka_unit_test(t_changes_make_answers_old),
		cmocka_unit_test(t_unresolved_neighbour),
		cmocka_unit_test(t_local_addresses),
		cmocka_unit_test(t_queue_is_bounded),
		cmocka_unit_test(t_requests_are_answered_in_turns),
		cmocka_unit_test(t_settings_make_answers_old),
		cmocka_unit_test(t_netlink_recovers_after_a_failure),
		cmocka_unit_test(t_failure_is_no_answer),
		cmocka_unit_test(t_full_map_gets_room),
		cmocka_unit_test(t_more_addresses_than_the_map_holds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
