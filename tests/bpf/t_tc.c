/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tc programs. Rows by BPF_PROG_TEST_RUN for what tc egress decides; then with real packets in a sandbox of two network
 * namespaces: the host's own packets come out of the internal pair cut and summed, and what a worker writes into it is
 * received by the stack as the interface's own, under the strict reverse path filter, in native and generic mode.
 */
#include "tests/bpf/xdp_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>

#include "tests/bpf/tc_run.h"
#include "user/attach/attach.h"

#define OK TC_ACT_UNSPEC
#define SHOT TC_ACT_SHOT
#define GONE TC_ACT_REDIRECT

static void sh(const char *cmd)
{
	int rc = system(cmd);

	if (rc)
		print_error("%s: exit %d\n", cmd, rc);
	assert_int_equal(rc, 0);
}

/* --- rows --- */

static uint32_t pol_none, pol_nosa;

static void build_policies(void)
{
	struct err e;
	uint64_t sa;

	assert_ok(spd_lock(m, &e), &e);
	sa = add_sa(XI_DIR_OUT, 50, "198.51.100.9", 0x2001);
	(void)add_sa(XI_DIR_OUT, 51, "198.51.100.9", 0x2002);
	(void)add_sa(XI_DIR_IN, 50, "198.51.100.9", 0x2003);
	(void)add_policy("10.1.0.0", "10.2.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	pol_nosa = add_policy("10.1.0.0", "10.3.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, 0, 0, 0);
	(void)add_policy("10.1.0.0", "10.4.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_USE, 0, 0, 0);
	(void)add_policy("10.1.0.0", "10.5.0.0", 24, XI_ACTION_DISCARD, 0, 0, 0, 0);
	pol_none = add_policy("10.1.0.0", "10.6.0.0", 24, XI_ACTION_NONE, 0, 0, 0, 0);
	(void)add_policy("10.1.0.0", "10.7.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 17, 53);
	(void)add_policy("198.51.100.1", "198.51.100.9", 32, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	(void)add_policy("198.51.100.1", "239.0.0.0", 8, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	(void)add_policy("198.51.100.1", "198.51.100.255", 32, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	(void)add_policy("198.51.100.1", "238.0.0.0", 8, XI_ACTION_ENCRYPT, XI_LEVEL_USE, 0, 0, 0);
	(void)add_policy("10.10.0.0", "10.11.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 17, 53);
	(void)add_policy("fd00::1", "fd09::5", 128, XI_ACTION_NONE, 0, 0, 0, 0);
	(void)add_policy("fd01::", "::", 0, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

struct tc_row {
	const char *name;
	struct packet p;
	int action;
	unsigned reason;
};

#define LAN .src = "10.1.0.5"
#define GW .src = "198.51.100.1"
#define PEER .dst = "198.51.100.9"
#define SIX .src = "fd01::5", .dst = "fd02::5"

#define PORTED .src = "10.10.0.5", .dst = "10.11.0.5"
#define NATT .sport = 4500, .dport = 4500
#define BODY(s) .body = (s), .body_len = sizeof(s) - 1
#define IN_UDP BODY("\0\0\x20\x01\0\0\0\1payload!")
#define MARKED BODY("\0\0\0\0IKE header and so on.")

static struct packet from_tunnel4 = {.src = "10.2.0.5", .dst = "10.1.0.5", .payload = 20};
static struct packet from_tunnel6 = {.src = "fd02::5", .dst = "fd01::5", .ext = "d", .payload = 20};
static struct packet from_afar6 = {.src = "fd09::5", .dst = "fd00::1"};

/* clang-format off */
static struct tc_row rows[] = {
	{"ARP", {LAN, .dst = "10.2.0.5", .eth_type = 0x0806}, OK, XI_PASS_NOT_IP},
	{"protected", {LAN, .dst = "10.2.0.5"}, GONE, XI_TO_INTERNAL},
	{"protected, tagged", {LAN, .dst = "10.2.0.5", .tag = {0x8100}}, GONE, XI_TO_INTERNAL},
	{"protected, TTL 1 is the stack's business", {LAN, .dst = "10.2.0.5", .ttl = 1}, GONE, XI_TO_INTERNAL},
	{"no policy", {.src = "10.9.0.1", .dst = "10.2.0.5"}, OK, XI_PASS_NO_POLICY},
	{"inbound roles do not count here", {.src = "10.2.0.5", .dst = "10.1.0.5"}, OK, XI_PASS_NO_POLICY},
	{"no SA", {LAN, .dst = "10.3.0.5"}, SHOT, XI_DROP_OUT_NO_SA},
	{"use, no SA", {LAN, .dst = "10.4.0.5"}, OK, XI_PASS_USE},
	{"discard", {LAN, .dst = "10.5.0.5"}, SHOT, XI_DROP_OUT_BLOCKED},
	{"none", {LAN, .dst = "10.6.0.5"}, OK, XI_PASS_NONE},
	{"port", {LAN, .dst = "10.7.0.5", .dport = 53}, GONE, XI_TO_INTERNAL},
	{"another port", {LAN, .dst = "10.7.0.5", .dport = 54}, OK, XI_PASS_NO_POLICY},
	{"later fragment", {LAN, .dst = "10.7.0.5", .frag = 0x10}, GONE, XI_TO_INTERNAL},
	/* ours */
	{"our ESP", {GW, PEER, .proto = 50, .dport = 0x2001}, OK, XI_PASS_OURS},
	{"our AH", {GW, PEER, .proto = 51, .dport = 0x2002}, OK, XI_PASS_OURS},
	{"our ESP, first fragment", {GW, PEER, .proto = 50, .dport = 0x2001, .frag = 0x2000}, OK, XI_PASS_OURS},
	{"our ESP, later fragment", {GW, PEER, .proto = 50, .frag = 0x0010}, OK, XI_PASS_OURS},
	{"ESP we do not know", {GW, PEER, .proto = 50, .dport = 0x2999}, GONE, XI_TO_INTERNAL},
	{"ESP with an inbound SPI", {GW, PEER, .proto = 50, .dport = 0x2003}, GONE, XI_TO_INTERNAL},
	{"ESP of others", {LAN, .dst = "10.2.0.5", .proto = 50, .dport = 0x2001}, GONE, XI_TO_INTERNAL},
	{"IKE", {GW, PEER, .sport = 500, .dport = 500}, OK, XI_PASS_IKE},
	{"4500: no NAT traversal here", {GW, PEER, .sport = 4500, .dport = 4500}, GONE, XI_TO_INTERNAL},
	{"to port 500, from another", {GW, PEER, .sport = 501, .dport = 500}, GONE, XI_TO_INTERNAL},
	{"TCP 500", {GW, PEER, .sport = 500, .proto = 6}, GONE, XI_TO_INTERNAL},
	{"IKE of others", {LAN, .dst = "10.5.0.5", .sport = 500}, SHOT, XI_DROP_OUT_BLOCKED},
	/* fragments, in this order: spec 13.6 */
	{"first, 54", {PORTED, .dport = 54, .frag = 0x2000, .id = 1}, OK, XI_PASS_NO_POLICY},
	{"later, 54", {PORTED, .frag = 0x10, .id = 1}, OK, XI_PASS_NO_POLICY},
	{"later, no first", {PORTED, .frag = 0x10, .id = 2}, GONE, XI_TO_INTERNAL},
	{"first, 53", {PORTED, .dport = 53, .frag = 0x2000, .id = 3}, GONE, XI_TO_INTERNAL},
	{"later, 53", {PORTED, .frag = 0x10, .id = 3}, GONE, XI_TO_INTERNAL},
	{"another first", {PORTED, .dport = 53, .frag = 0x2000, .id = 1}, GONE, XI_TO_INTERNAL},
	{"later, conflict", {PORTED, .frag = 0x10, .id = 1}, GONE, XI_TO_INTERNAL},
	{"IKE, first", {GW, PEER, .sport = 500, .frag = 0x2000, .id = 4}, OK, XI_PASS_IKE},
	{"IKE, later", {GW, PEER, .frag = 0x10, .id = 4}, OK, XI_PASS_IKE},
	/* ICMP errors about packets of a tunnel: RFC 4301 section 6.2 */
	{"error about one", {GW, .dst = "10.9.0.5", .proto = 1, .icmp_type = 3, .quoted = &from_tunnel4}, GONE, XI_TO_INTERNAL},
	{"IPv6: error about one", {.src = "fd00::1", .dst = "fd09::5", .proto = 58, .icmp_type = 3, .quoted = &from_tunnel6},
	 GONE, XI_TO_INTERNAL},
	{"IPv6: about another", {.src = "fd00::1", .dst = "fd09::5", .proto = 58, .icmp_type = 3, .quoted = &from_afar6},
	 OK, XI_PASS_NONE},
	{"IPv6: no error", {.src = "fd00::1", .dst = "fd09::5", .proto = 58, .icmp_type = 128, .quoted = &from_tunnel6},
	 OK, XI_PASS_NONE},
	/* many: spec 13.3 */
	{"multicast, encrypt", {GW, .dst = "239.1.1.1"}, SHOT, XI_DROP_OUT_NO_SA},
	{"broadcast of a network, encrypt", {GW, .dst = "198.51.100.255"}, SHOT, XI_DROP_OUT_NO_SA},
	{"multicast, use, no SA", {GW, .dst = "238.1.1.1"}, SHOT, XI_DROP_OUT_NO_SA},
	{"multicast, no policy", {GW, .dst = "224.0.0.5"}, OK, XI_PASS_MULTICAST},
	{"solicitation under a wide policy", {.src = "fd01::5", .dst = "ff02::1:ff00:5", .proto = 58, .icmp_type = 135, .ttl = 255},
	 OK, XI_PASS_ND},
	{"advertisement to one host", {SIX, .proto = 58, .icmp_type = 136, .ttl = 255}, OK, XI_PASS_ND},
	{"echo under a wide policy", {SIX, .proto = 58, .icmp_type = 128, .ttl = 255}, GONE, XI_TO_INTERNAL},
	{"IPv6 multicast under a wide policy", {.src = "fd01::5", .dst = "ff0e::1"}, SHOT, XI_DROP_OUT_NO_SA},
	/* malformed: by its addresses, and never in clear when a policy could want it */
	{"malformed, protected", {LAN, .dst = "10.2.0.5", .ip_len_add = 9}, SHOT, XI_DROP_OUT_MODE},
	{"malformed, port policy", {LAN, .dst = "10.7.0.5", .ihl = 4}, SHOT, XI_DROP_OUT_MODE},
	{"malformed, discard", {LAN, .dst = "10.5.0.5", .version = 7}, SHOT, XI_DROP_OUT_BLOCKED},
	{"malformed, no policy", {.src = "10.9.0.1", .dst = "10.2.0.5", .ihl = 4}, OK, XI_PASS_NO_POLICY},
	{"malformed ESP is not ours", {GW, PEER, .proto = 50, .dport = 0x2001, .ip_len_add = 1},
	 SHOT, XI_DROP_OUT_MODE},
};
/* clang-format on */

static struct outcome run_tc(struct packet *p)
{
	return run_tc_from(p, 0);
}

/* Behind source NAT a forwarded packet has our address, too: it is not ours for that. */
static void t_egress_forwarded_is_not_ours(void **state)
{
	struct packet row[] = {
		{GW, PEER, .proto = 50, .dport = 0x2001},
		{GW, PEER, .proto = 50, .frag = 0x0010},
		{GW, PEER, .sport = 500, .dport = 500},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal((int)run_tc_from(&row[i], 0).action, OK);
		assert_int_equal(run_tc_from(&row[i], 1).reason, XI_TO_INTERNAL);
	}
}

static void t_egress_rows(void **state)
{
	int bad = 0;

	(void)state;
	add_local("198.51.100.1");
	add_local("198.51.100.255");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run_tc(&rows[i].p);

		if ((int)o.action != rows[i].action || o.reason != rows[i].reason || o.counted != 1) {
			print_error("%s: action %d reason %u, expected %d, %u\n", rows[i].name, (int)o.action, o.reason,
				    rows[i].action, rows[i].reason);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

/* RFC 3948 §2, spec 13.5: what leaves by port 4500 while NAT traversal is in use. */
static void t_egress_rfc3948(void **state)
{
	static struct tc_row row[] = {
		{"our ESP in UDP", {GW, PEER, NATT, IN_UDP}, OK, XI_PASS_OURS},
		{"to any port", {GW, PEER, .sport = 4500, .dport = 1024, IN_UDP}, OK, XI_PASS_OURS},
		{"unknown SPI", {GW, PEER, NATT, BODY("\0\0\x29\x99\0\0\0\1")}, GONE, XI_TO_INTERNAL},
		{"inbound SPI", {GW, PEER, NATT, BODY("\0\0\x20\x03\0\0\0\1")}, GONE, XI_TO_INTERNAL},
		{"SPI of AH", {GW, PEER, NATT, BODY("\0\0\x20\x02\0\0\0\1")}, GONE, XI_TO_INTERNAL},
		{"from another port", {GW, PEER, .sport = 1024, .dport = 4500, IN_UDP}, GONE, XI_TO_INTERNAL},
		{"IKE", {GW, PEER, NATT, MARKED}, OK, XI_PASS_IKE},
		{"keep-alive", {GW, PEER, NATT, BODY("\xff")}, OK, XI_PASS_IKE},
		{"another byte", {GW, PEER, NATT, BODY("\xfe")}, GONE, XI_TO_INTERNAL},
		{"TCP", {GW, PEER, NATT, .proto = 6, MARKED}, GONE, XI_TO_INTERNAL},
		{"of others", {LAN, .dst = "10.5.0.5", NATT, MARKED}, SHOT, XI_DROP_OUT_BLOCKED},
		{"ESP, first", {GW, PEER, NATT, IN_UDP, .udp_len = 999, .frag = 0x2000, .id = 11}, OK, XI_PASS_OURS},
		{"ESP, later", {GW, PEER, .frag = 0x10, .id = 11}, OK, XI_PASS_OURS},
		{"IKE, first", {GW, PEER, NATT, MARKED, .udp_len = 999, .frag = 0x2000, .id = 12}, OK, XI_PASS_IKE},
		{"IKE, later", {GW, PEER, .frag = 0x10, .id = 12}, OK, XI_PASS_IKE},
		{"later of none", {GW, PEER, .frag = 0x10, .id = 13}, GONE, XI_TO_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct outcome o;

		m->meta->natt = 1;
		o = run_tc(&row[i].p);
		if ((int)o.action != row[i].action || o.reason != row[i].reason || o.counted != 1)
			print_error("%s: action %d reason %u\n", row[i].name, (int)o.action, o.reason);
		assert_int_equal((int)o.action, row[i].action);
		assert_int_equal(o.reason, row[i].reason);
		assert_int_equal(o.counted, 1);
		/* behind source NAT a forwarded one has our address, too; and without NAT traversal none is exempt */
		if (row[i].p.frag)
			continue;
		assert_false(run_tc_from(&row[i].p, 1).action == (uint32_t)OK);
		m->meta->natt = 0;
		assert_false(run_tc(&row[i].p).action == (uint32_t)OK);
	}
}

static void t_egress_policy_counters(void **state)
{
	struct packet none = {LAN, .dst = "10.6.0.5"}, nosa = {LAN, .dst = "10.3.0.5"};
	struct xi_polstat a, b;

	(void)state;
	assert_int_equal(stats_policy(m, pol_none, &a), 0);
	(void)run_tc(&none);
	assert_int_equal(stats_policy(m, pol_none, &b), 0);
	assert_int_equal(b.out_accepted, a.out_accepted + 1);
	assert_int_equal(stats_policy(m, pol_nosa, &a), 0);
	(void)run_tc(&nosa);
	assert_int_equal(stats_policy(m, pol_nosa, &b), 0);
	assert_int_equal(b.out_dropped, a.out_dropped + 1);
}

/* --- real packets --- */

/* The gateway is this namespace: wan0 (198.51.100.1) to a namespace "far", lan0 (10.1.0.1) to nobody. */
static void build_topology(void)
{
	sh("ip netns add far 2>/dev/null; mount --make-rprivate /run 2>/dev/null; ip link add wan0 type veth peer "
	   "name "
	   "wan1 netns far && ip link add lan0 type veth peer name lan1");
	sh("for i in wan0 lan0 lan1; do ip link set $i up; done; ip -n far link set wan1 up; ip link set lo up");
	sh("ip addr add 198.51.100.1/24 brd + dev wan0; ip addr add 10.1.0.1/24 brd + dev lan0; "
	   "ip -n far addr add 198.51.100.9/24 dev wan1; ip route add 10.2.0.0/24 via 198.51.100.9");
	sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 1 >/proc/sys/net/ipv4/conf/wan0/rp_filter; "
	   "echo 1 >/proc/sys/net/ipv4/conf/lan0/rp_filter");
}

static void attach_all(enum attach_mode mode)
{
	struct attach_req wan = {.ifname = "wan0", .mode = mode}, lan = {.ifname = "lan0", .mode = mode};
	struct err e;

	assert_ok(attach_interface(m, &wan, &e), &e);
	assert_ok(attach_interface(m, &lan, &e), &e);
}

static uint64_t reason_now(unsigned r)
{
	uint64_t sum[XI_REASON_MAX];

	assert_int_equal(stats_reasons(m, sum), 0);
	return sum[r];
}

static int packet_socket(const char *dev)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(dev)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static int udp_socket(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Waits up to ms for a datagram; returns the interface it came in by, 0 = none came. */
static int udp_came_by(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[2048], ctl[256];
	struct iovec io = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)};

	if (poll(&p, 1, ms) != 1 || recvmsg(fd, &msg, 0) < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			return ((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex;
	return -1;
}

/* Writes to xi1 what a worker would for a packet that came out of a tunnel by `dev`. */
static void worker_writes(const char *dev, const char *src, const char *dst, uint16_t dport)
{
	int fd = packet_socket("xi1"), slot = attach_find(m, dev);
	unsigned ifindex = slot < 0 ? 9999 : m->ifs[slot].ifindex;
	uint8_t from[6] = {0x02,
			   0x58,
			   (uint8_t)(ifindex >> 24),
			   (uint8_t)(ifindex >> 16),
			   (uint8_t)(ifindex >> 8),
			   (uint8_t)ifindex};
	struct packet p = {.src = src,
			   .dst = dst,
			   .sport = 7,
			   .dport = dport,
			   .eth_src = from,
			   .eth_dst = slot < 0 ? MAC_NIC : m->ifs[slot].mac};

	packet_make(&p);
	p.data[p.l3_off + 20 + 4] = 0; /* UDP length 8, no checksum */
	p.data[p.l3_off + 20 + 5] = 8;
	p.data[p.l3_off + 20 + 6] = p.data[p.l3_off + 20 + 7] = 0;
	assert_int_equal(send(fd, p.data, p.len, 0), p.len);
	close(fd);
}

static void inject_in(enum attach_mode mode)
{
	int fd = udp_socket(7777), wan;
	uint64_t plain, injected, refused;

	attach_all(mode);
	wan = (int)if_nametoindex("wan0");
	plain = reason_now(XI_DROP_IN_PLAIN);
	injected = reason_now(XI_PASS_INJECTED);
	refused = reason_now(XI_DROP_IN_INJECT);
	worker_writes("wan0", "10.2.0.5", "10.1.0.1", 7777);
	assert_int_equal(udp_came_by(fd, 2000), wan);
	/* strict reverse path filter: 10.2.0.0/24 is behind wan0, not behind lan0 */
	worker_writes("lan0", "10.2.0.5", "10.1.0.1", 7777);
	worker_writes("nosuch", "10.2.0.5", "10.1.0.1", 7777);
	worker_writes("wan0", "10.2.0.6", "10.1.0.1", 7777);
	assert_int_equal(udp_came_by(fd, 2000), wan); /* the fourth: in order, so the two before it were dropped */
	assert_int_equal(udp_came_by(fd, 50), 0);
	assert_int_equal(reason_now(XI_PASS_INJECTED), injected + 3);
	assert_int_equal(reason_now(XI_DROP_IN_INJECT), refused + 1);
	/* the policy 10.1.0.0/24 to 10.2.0.0/24 holds for anything else that claims to come from there */
	assert_int_equal(reason_now(XI_DROP_IN_PLAIN), plain);
	close(fd);
}

static void detach_all(void)
{
	struct err e;

	while (m->ifs[1].ifindex || m->ifs[2].ifindex)
		assert_ok(detach_interface(m, m->ifs[1].ifindex ? m->ifs[1].name : m->ifs[2].name, &e), &e);
}

static void t_inject_native(void **state)
{
	(void)state;
	inject_in(ATTACH_NATIVE);
	detach_all();
}

static void t_inject_generic(void **state)
{
	(void)state;
	inject_in(ATTACH_GENERIC);
	detach_all();
}

static uint16_t udp_sum(const uint8_t *ip, size_t udp_len)
{
	uint8_t b[2048] = {0};

	memcpy(b, ip + 12, 8);
	b[9] = 17;
	b[10] = (uint8_t)(udp_len >> 8);
	b[11] = (uint8_t)udp_len;
	memcpy(b + 12, ip + 20, udp_len);
	return packet_sum(b, 12 + udp_len + (udp_len & 1));
}

/* Sends n bytes from the gateway's LAN address to the far LAN; gso: in one call, to be cut into segments of that size. */
static void host_sends(size_t n, int gso)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(4444)};
	static uint8_t bytes[8000];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)inet_pton(AF_INET, "10.1.0.1", &from.sin_addr);
	(void)inet_pton(AF_INET, "10.2.0.9", &to.sin_addr);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7);
	if (gso)
		assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(sendto(fd, bytes, n, 0, (struct sockaddr *)&to, sizeof(to)), n);
	close(fd);
}

/* Next frame from 10.1.0.1 that comes out of xi1. Returns its length. */
static ssize_t comes_out(int fd, uint8_t *buf, size_t size)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 2000) != 1)
			return 0;
		n = recv(fd, buf, size, 0);
		if (n >= 34 && memcmp(buf + 26, "\x0a\x01\x00\x01", 4) == 0)
			return n;
	}
}

/* Without XDP on xi1 a packet socket sees what a worker would get: segments, fragments, sums all finished. */
static void t_host_packets_come_out_finished(void **state)
{
	uint8_t b[9000];
	char path[PATH_LEN + 32];
	int fd;
	ssize_t n;

	(void)state;
	attach_all(ATTACH_NATIVE);
	sh("ip neigh replace 198.51.100.9 lladdr 02:00:00:00:00:09 dev wan0");
	(void)snprintf(path, sizeof(path), "%s/link_xi1", m->paths.pins);
	assert_int_equal(unlink(path), 0);
	fd = packet_socket("xi1");
	host_sends(100, 0);
	n = comes_out(fd, b, sizeof(b));
	assert_int_equal(n, 14 + 28 + 100);
	assert_int_equal(udp_sum(b + 14, 108), 0);
	assert_int_equal(b[14 + 8], 64); /* TTL untouched */
	host_sends(4 * 700, 700);
	for (int i = 0; i < 4; i++) {
		n = comes_out(fd, b, sizeof(b));
		assert_int_equal(n, 14 + 28 + 700);
		assert_int_equal(udp_sum(b + 14, 708), 0);
	}
	host_sends(4000, 0);
	for (int i = 0, left = 4008; i < 3; i++, left -= 1480) {
		n = comes_out(fd, b, sizeof(b));
		assert_int_equal(n, 14 + 20 + MIN(left, 1480));
	}
	close(fd);
	detach_all();
}

/* With XDP there, and no worker: every one of them is dropped, none leaves by wan0. */
static void t_host_packets_without_worker_do_not_leave(void **state)
{
	uint64_t dropped;
	uint8_t b[9000];
	ssize_t n;
	int far, ns, here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	(void)state;
	ns = open("/var/run/netns/far", O_RDONLY | O_CLOEXEC);
	assert_true(here >= 0 && ns >= 0);
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	far = packet_socket("wan1");
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	attach_all(ATTACH_NATIVE);
	dropped = reason_now(XI_DROP_OUT_NO_WORKER);
	host_sends(100, 0);
	host_sends(4 * 700, 700);
	host_sends(4000, 0);
	for (int i = 0; i < 200 && reason_now(XI_DROP_OUT_NO_WORKER) < dropped + 8; i++)
		(void)usleep(10000);
	assert_int_equal(reason_now(XI_DROP_OUT_NO_WORKER), dropped + 8);
	while ((n = recv(far, b, sizeof(b), MSG_DONTWAIT)) > 0)
		assert_false(n >= 34 && memcmp(b + 26, "\x0a\x01\x00\x01", 4) == 0);
	close(far);
	close(ns);
	close(here);
	detach_all();
}

/* Each test starts with new maps. */
static int setup(void **state)
{
	(void)state;
	if (m) {
		struct paths p = m->paths;

		maps_close(m);
		assert_int_equal(maps_unpin(&p, NULL), 0);
	}
	xdp_run_begin(64, 64);
	build_policies();
	return 0;
}

static int setup_rows(void **state)
{
	int rc = setup(state);

	load_egress(1);
	return rc;
}

static int group_setup(void **state)
{
	(void)state;
	build_topology();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	return system("ip netns del far");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(t_egress_rows, setup_rows),
		cmocka_unit_test(t_egress_forwarded_is_not_ours),
		cmocka_unit_test(t_egress_rfc3948),
		cmocka_unit_test(t_egress_policy_counters),
		cmocka_unit_test_setup(t_inject_native, setup),
		cmocka_unit_test_setup(t_inject_generic, setup),
		cmocka_unit_test_setup(t_host_packets_come_out_finished, setup),
		cmocka_unit_test_setup(t_host_packets_without_worker_do_not_leave, setup),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
