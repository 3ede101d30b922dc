/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program by BPF_PROG_TEST_RUN: a row is a packet and what must become of it: action, the one reason counted,
 * the verdict in front of the packet.
 */
#include "tests/bpf/rows.h"

#define SLOT_NIC 3
#define SLOT_GENERIC 4

static int prog_nic, prog_generic, prog_internal; /* fds; one program, three settings */

/* --- the world of the rows --- */

static uint64_t sa_lan, sa_ports, sa_use, sa_six, sa_in, sa_ah, sa_in6;
static uint32_t pol_lan, pol_nosa, pol_use, pol_none, pol_discard, pol_dead;

#define VLAN_DEV 77
#define QINQ_DEV 78

/* A VLAN device of the interface that BPF_PROG_TEST_RUN names, lo; with an outer tag or without. */
static void add_vlan(uint16_t outer, uint16_t outer_vid, uint16_t proto, uint16_t vid, uint32_t ifindex)
{
	struct xi_vlan_key key = {.ifindex = 1};
	int i = 0;

	if (outer) {
		key.proto[i] = htons(outer);
		key.vid[i++] = htons(outer_vid);
	}
	key.proto[i] = htons(proto);
	key.vid[i] = htons(vid);
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_VLAN], &key, &ifindex, BPF_ANY), 0);
}

static void add_from(const char *src, const char *dst, uint8_t len)
{
	(void)add_policy(src, dst, len, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_six, 0, 0);
}

static void build_world(void)
{
	struct err e;

	add_local("192.0.2.1");
	add_local("fd00::1");
	add_vlan(0, 0, 0x8100, 100, VLAN_DEV);
	add_vlan(0x88a8, 100, 0x8100, 101, QINQ_DEV);
	assert_ok(spd_lock(m, &e), &e);
	sa_lan = add_sa(XI_DIR_OUT, 50, "198.51.100.1", 0x2001);
	sa_ports = add_sa(XI_DIR_OUT, 50, "198.51.100.1", 0x2002);
	sa_use = add_sa(XI_DIR_OUT, 50, "198.51.100.1", 0x2003);
	sa_six = add_sa(XI_DIR_OUT, 50, "198.51.100.1", 0x2004);
	sa_in = add_sa(XI_DIR_IN, 50, "192.0.2.1", 0x1001);
	sa_ah = add_sa(XI_DIR_IN, 51, "192.0.2.1", 0x1002);
	sa_in6 = add_sa(XI_DIR_IN, 50, "fd00::1", 0x1003);
	pol_lan = add_policy("10.1.0.0", "10.2.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_lan, 0, 0);
	pol_nosa = add_policy("10.1.0.0", "10.3.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_UNIQUE, 0, 0, 0);
	pol_use = add_policy("10.1.0.0", "10.4.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_USE, 0, 0, 0);
	pol_discard = add_policy("10.1.0.0", "10.5.0.0", 24, XI_ACTION_DISCARD, 0, 0, 0, 0);
	pol_none = add_policy("10.1.0.0", "10.6.0.0", 24, XI_ACTION_NONE, 0, 0, 0, 0);
	(void)add_policy("10.1.0.0", "10.7.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_ports, 17, 53);
	(void)add_policy("10.1.0.0", "10.7.0.0", 24, XI_ACTION_NONE, 0, 0, 0, 0);
	(void)add_policy("10.1.0.0", "10.8.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_USE, sa_use, 0, 0);
	pol_dead = add_policy("10.1.0.0", "10.9.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_lan, 0, 0);
	(void)add_policy("fd01::", "fd02::", 64, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_six, 0, 0);
	(void)add_policy("fd06::5", "fe80::5", 128, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_six, 0, 0);
	add_from("fd00::1", "fd05::5", 128);
	add_from("fe80::5", "fd05::5", 128);
	add_from("ff02::5", "fd05::5", 128);
	add_from("::1", "fd05::5", 128);
	add_from("::", "fd05::5", 128);
	add_from("127.0.0.5", "10.11.0.5", 32);
	add_from("0.0.0.5", "10.11.0.5", 32);
	add_from("224.0.0.5", "10.11.0.5", 32);
	add_from("255.255.255.255", "10.11.0.5", 32);
	add_from("240.0.0.5", "10.11.0.5", 32);
	add_from("10.1.0.5", "127.0.0.5", 32);
	add_from("10.1.0.5", "0.0.0.5", 32);
	(void)add_policy("239.0.0.0", "172.0.0.0", 8, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_lan, 0, 0);
	(void)add_policy("255.255.255.255", "172.20.0.5", 32, XI_ACTION_DISCARD, 0, 0, 0, 0);
	(void)add_policy("ff0e::", "fd03::", 64, XI_ACTION_DISCARD, 0, 0, 0, 0);
	(void)add_policy("ff02::", "fd03::", 64, XI_ACTION_DISCARD, 0, 0, 0, 0);
	(void)add_policy("192.0.2.1", "203.0.113.9", 32, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa_lan, 0, 0);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

static int setup(void **state)
{
	(void)state;
	xdp_run_begin(64, 64);
	prog_nic = load(SLOT_NIC, 0, 0);
	prog_generic = load(SLOT_GENERIC, 0, 1);
	prog_internal = load(XI_IF_INTERNAL, 1, 0);
	build_world();
	return 0;
}

/* --- rows --- */

#define LAN .src = "10.1.0.5"
#define FAR .src = "10.9.9.9"
#define SIX .src = "fd01::5", .dst = "fd02::5"
#define ME .dst = "192.0.2.1"
#define ME6 .src = "fd77::1", .dst = "fd00::1"

static const uint8_t mac_other[6] = {2, 9, 9, 9, 9, 9};
static const uint8_t mac_all[6] = {255, 255, 255, 255, 255, 255};

static struct row rows[] = {
	/* what is not IP, or not sound: up */
	{"ARP", {LAN, .dst = "10.2.0.5", .eth_type = 0x0806}, P, XI_PASS_NOT_IP},
	{"three tags", {LAN, .dst = "10.2.0.5", .tag = {0x8100, 0x8100, 0x8100}}, P, XI_PASS_NOT_IP},
	{"version 5", {LAN, .dst = "10.2.0.5", .version = 5}, P, XI_PASS_MALFORMED},
	{"header length 4", {LAN, .dst = "10.2.0.5", .ihl = 4}, P, XI_PASS_MALFORMED},
	{"header longer than packet", {LAN, .dst = "10.2.0.5", .ihl = 15}, P, XI_PASS_MALFORMED},
	{"total length beyond the frame", {LAN, .dst = "10.2.0.5", .ip_len_add = 1}, P, XI_PASS_MALFORMED},
	{"total length below the header", {LAN, .dst = "10.2.0.5", .ip_len_add = -9}, P, XI_PASS_MALFORMED},
	{"header checksum", {LAN, .dst = "10.2.0.5", .bad_sum = 1}, P, XI_PASS_MALFORMED},
	{"header checksum with options", {LAN, .dst = "10.2.0.5", .bad_sum = 1, .options = 10}, P, XI_PASS_MALFORMED},
	{"IPv6 version", {SIX, .version = 4}, P, XI_PASS_MALFORMED},
	{"IPv6 payload length", {SIX, .ip_len_add = 1}, P, XI_PASS_MALFORMED},
	/* many */
	{"multicast", {LAN, .dst = "239.1.2.3"}, P, XI_PASS_MULTICAST},
	{"limited broadcast", {LAN, .dst = "255.255.255.255"}, P, XI_PASS_MULTICAST},
	{"IPv6 multicast", {.src = "fd01::5", .dst = "ff0e::1"}, P, XI_PASS_MULTICAST},
	{"multicast that must be protected", {.src = "172.16.0.5", .dst = "239.1.2.3"}, D, XI_DROP_IN_PLAIN},
	{"broadcast, discard", {.src = "172.20.0.5", .dst = "255.255.255.255"}, D, XI_DROP_IN_BLOCKED},
	{"IPv6 multicast, discard", {.src = "fd03::1", .dst = "ff0e::1"}, D, XI_DROP_IN_BLOCKED},
	{"link message under a policy",
	 {.src = "fd03::1", .dst = "ff02::1", .proto = 58, .icmp_type = 135, .ttl = 255},
	 P,
	 XI_PASS_ND},
	{"solicitation", {SIX, .proto = 58, .icmp_type = 135, .ttl = 255}, P, XI_PASS_ND},
	{"redirect", {SIX, .proto = 58, .icmp_type = 137, .ttl = 255}, P, XI_PASS_ND},
	{"solicitation from afar", {SIX, .proto = 58, .icmp_type = 135, .ttl = 254}, R, XI_TO_WORKER},
	{"listener report",
	 {.src = "fd01::5", .dst = "ff02::16", .proto = 58, .icmp_type = 143, .ttl = 1, .ext = "h"},
	 P,
	 XI_PASS_ND},
	{"listener report to one host", {SIX, .proto = 58, .icmp_type = 143, .ttl = 1}, P, XI_PASS_TTL},
	{"echo is no solicitation", {SIX, .proto = 58, .icmp_type = 128, .ttl = 255}, R, XI_TO_WORKER},
	{"solicitation in a fragment",
	 {SIX, .proto = 58, .icmp_type = 135, .ttl = 255, .ext = "f", .frag = 1},
	 R,
	 XI_TO_WORKER},
	/* ESP and AH for this host */
	{"ESP", {FAR, ME, .proto = 50, .dport = 0x1001}, R, XI_TO_WORKER},
	{"AH", {FAR, ME, .proto = 51, .dport = 0x1002}, R, XI_TO_WORKER},
	{"ESP, IPv6", {ME6, .proto = 50, .dport = 0x1003}, R, XI_TO_WORKER},
	{"ESP, IPv6, options", {ME6, .proto = 50, .dport = 0x1003, .ext = "hdr"}, R, XI_TO_WORKER},
	{"ESP to another MAC", {FAR, ME, .proto = 50, .dport = 0x1001, .eth_dst = mac_other}, R, XI_TO_WORKER},
	{"ESP, unknown SPI", {FAR, ME, .proto = 50, .dport = 0x1999}, D, XI_DROP_IN_NO_SA},
	{"AH with the SPI of ESP", {FAR, ME, .proto = 51, .dport = 0x1001}, D, XI_DROP_IN_NO_SA},
	{"ESP, SPI of the other direction", {FAR, ME, .proto = 50, .dport = 0x2001}, D, XI_DROP_IN_NO_SA},
	{"ESP, 7 bytes", {FAR, ME, .proto = 50, .dport = 0x1001, .l4_len = 7}, D, XI_DROP_IN_HEADER},
	{"ESP, 8 bytes", {FAR, ME, .proto = 50, .dport = 0x1001, .l4_len = 8}, R, XI_TO_WORKER},
	{"ESP, nothing", {FAR, ME, .proto = 50, .l4_len = -1}, D, XI_DROP_IN_HEADER},
	{"AH, 11 bytes", {FAR, ME, .proto = 51, .dport = 0x1002, .l4_len = 11}, D, XI_DROP_IN_HEADER},
	{"AH, 12 bytes", {FAR, ME, .proto = 51, .dport = 0x1002, .l4_len = 12}, R, XI_TO_WORKER},
	{"ESP, first fragment", {FAR, ME, .proto = 50, .dport = 0x1001, .frag = 0x2000}, R, XI_TO_WORKER},
	{"ESP, last fragment", {FAR, ME, .proto = 50, .frag = 0x0010}, R, XI_TO_WORKER},
	{"ESP, DF is no fragment", {FAR, ME, .proto = 50, .dport = 0x1001, .frag = 0x4000}, R, XI_TO_WORKER},
	{"ESP, IPv6 fragment", {ME6, .proto = 50, .dport = 0x1003, .ext = "f", .frag = 1}, R, XI_TO_WORKER},
	{"ESP, IPv6 later fragment", {ME6, .proto = 50, .ext = "f", .frag = 0x40}, R, XI_TO_WORKER},
	{"ESP of others, unprotected", {FAR, .dst = "10.2.0.9", .proto = 50, .dport = 0x1001}, P, XI_PASS_NO_POLICY},
	{"ESP of others, protected", {LAN, .dst = "10.2.0.9", .proto = 50, .dport = 0x1001}, R, XI_TO_WORKER},
	/* IKE */
	{"IKE", {FAR, ME, .sport = 9999, .dport = 500}, P, XI_PASS_IKE},
	{"4500: no NAT traversal here", {FAR, ME, .dport = 4500}, P, XI_PASS_LOCAL},
	{"4500 of a protected peer", {.src = "203.0.113.9", ME, .dport = 4500}, D, XI_DROP_IN_PLAIN},
	{"IKE of a protected peer", {.src = "203.0.113.9", ME, .dport = 500}, P, XI_PASS_IKE},
	{"TCP 500 is no IKE", {.src = "203.0.113.9", ME, .dport = 500, .proto = 6}, D, XI_DROP_IN_PLAIN},
	{"IKE of others is not exempt", {LAN, .dst = "10.5.0.9", .dport = 500}, D, XI_DROP_OUT_BLOCKED},
	/* inbound, in clear: roles swapped */
	{"local, no policy", {FAR, ME}, P, XI_PASS_LOCAL},
	{"local, protected", {.src = "203.0.113.9", ME}, D, XI_DROP_IN_PLAIN},
	{"local, protected, another MAC", {.src = "203.0.113.9", ME, .eth_dst = mac_other}, D, XI_DROP_IN_PLAIN},
	{"local, protected, broadcast MAC", {.src = "203.0.113.9", ME, .eth_dst = mac_all}, D, XI_DROP_IN_PLAIN},
	{"forged far LAN", {.src = "10.2.0.5", .dst = "10.1.0.5"}, D, XI_DROP_IN_PLAIN},
	{"forged far LAN, tagged",
	 {.src = "10.2.0.5", .dst = "10.1.0.5", .tag = {0x88a8, 0x8100}},
	 D,
	 XI_DROP_IN_PLAIN},
	{"forged far LAN, fragment", {.src = "10.2.0.5", .dst = "10.1.0.5", .frag = 0x10}, D, XI_DROP_IN_PLAIN},
	{"unique", {.src = "10.3.0.5", .dst = "10.1.0.5"}, D, XI_DROP_IN_PLAIN},
	{"use lets in", {.src = "10.4.0.5", .dst = "10.1.0.5"}, P, XI_PASS_NO_POLICY},
	{"discard", {.src = "10.5.0.5", .dst = "10.1.0.5"}, D, XI_DROP_IN_BLOCKED},
	{"none lets in", {.src = "10.6.0.5", .dst = "10.1.0.5"}, P, XI_PASS_NO_POLICY},
	{"ports swap", {.src = "10.7.0.5", .dst = "10.1.0.5", .sport = 53, .dport = 1}, D, XI_DROP_IN_PLAIN},
	{"ports do not swap back",
	 {.src = "10.7.0.5", .dst = "10.1.0.5", .sport = 1, .dport = 53},
	 P,
	 XI_PASS_NO_POLICY},
	{"IPv6, forged", {.src = "fd02::5", .dst = "fd01::5"}, D, XI_DROP_IN_PLAIN},
	{"dead by TTL but forged", {.src = "10.2.0.5", .dst = "10.1.0.5", .ttl = 1}, D, XI_DROP_IN_PLAIN},
	/* outbound */
	{"protected", {LAN, .dst = "10.2.0.5"}, R, XI_TO_WORKER},
	{"protected, trailing bytes", {LAN, .dst = "10.2.0.5", .ip_len_add = -4}, R, XI_TO_WORKER},
	{"protected, options", {LAN, .dst = "10.2.0.5", .options = 10}, R, XI_TO_WORKER},
	{"protected, one tag", {LAN, .dst = "10.2.0.5", .tag = {0x8100}}, R, XI_TO_WORKER},
	{"protected, two tags", {LAN, .dst = "10.2.0.5", .tag = {0x88a8, 0x8100}}, R, XI_TO_WORKER},
	{"protected, to another MAC", {LAN, .dst = "10.2.0.5", .eth_dst = mac_other}, D, XI_DROP_OUT_OTHERHOST},
	{"protected, to all MACs", {LAN, .dst = "10.2.0.5", .eth_dst = mac_all}, D, XI_DROP_OUT_OTHERHOST},
	{"protected, first fragment", {LAN, .dst = "10.2.0.5", .frag = 0x2000}, R, XI_TO_WORKER},
	{"protected, later fragment", {LAN, .dst = "10.2.0.5", .frag = 0x2010}, R, XI_TO_WORKER},
	{"TTL 1", {LAN, .dst = "10.2.0.5", .ttl = 1}, P, XI_PASS_TTL},
	{"TTL 2", {LAN, .dst = "10.2.0.5", .ttl = 2}, R, XI_TO_WORKER},
	{"no policy", {FAR, .dst = "10.2.0.5"}, P, XI_PASS_NO_POLICY},
	{"no SA", {LAN, .dst = "10.3.0.5"}, D, XI_DROP_OUT_NO_SA},
	{"use, no SA", {LAN, .dst = "10.4.0.5"}, P, XI_PASS_USE},
	{"use, SA", {LAN, .dst = "10.8.0.5"}, R, XI_TO_WORKER},
	{"discarded", {LAN, .dst = "10.5.0.5"}, D, XI_DROP_OUT_BLOCKED},
	{"none", {LAN, .dst = "10.6.0.5"}, P, XI_PASS_NONE},
	{"dead policy", {LAN, .dst = "10.9.0.5"}, D, XI_DROP_OUT_POLICY_DEAD},
	{"port 53", {LAN, .dst = "10.7.0.5", .dport = 53}, R, XI_TO_WORKER},
	{"port 54", {LAN, .dst = "10.7.0.5", .dport = 54}, P, XI_PASS_NONE},
	{"TCP port 53", {LAN, .dst = "10.7.0.5", .dport = 53, .proto = 6}, P, XI_PASS_NONE},
	{"ports cut off", {LAN, .dst = "10.7.0.5", .l4_len = 3}, R, XI_TO_WORKER},
	{"ports in another fragment", {LAN, .dst = "10.7.0.5", .frag = 0x10}, R, XI_TO_WORKER},
	{"TCP in another fragment", {LAN, .dst = "10.7.0.5", .frag = 0x10, .proto = 6}, P, XI_PASS_NONE},
	{"IPv6", {SIX}, R, XI_TO_WORKER},
	{"IPv6, no policy", {.src = "fd01::5", .dst = "fd03::1"}, P, XI_PASS_NO_POLICY},
	{"IPv6, hop limit 1", {SIX, .ttl = 1}, P, XI_PASS_TTL},
	{"IPv6, eight headers", {SIX, .ext = "hddddddr"}, R, XI_TO_WORKER},
	{"IPv6, twelve headers", {SIX, .ext = "hddddddddddr"}, R, XI_TO_WORKER},
	{"IPv6, atomic fragment", {SIX, .ext = "hf"}, R, XI_TO_WORKER},
};

/* Rows whose verdict is looked at: SA, policy, direction, place of the IP header. */
static void check_verdict(const struct row *r, const struct outcome *o)
{
	int in = strchr(r->p.dst, ':') ? strcmp(r->p.dst, "fd00::1") == 0 : strcmp(r->p.dst, "192.0.2.1") == 0;
	int fragment = in && ((r->p.frag & 0x3fff) || (r->p.ext && strchr(r->p.ext, 'f')));

	assert_true(o->has_meta);
	assert_int_equal(o->v.dir, in ? XI_DIR_IN : XI_DIR_OUT);
	assert_int_equal(o->v.l3_off, r->p.l3_off);
	assert_int_equal(o->v.family, family(r->p.src));
	assert_int_equal(o->v.if_slot, SLOT_NIC);
	/* whose a fragment is shows when it is whole */
	assert_int_equal(o->v.flags, fragment ? XI_VF_FRAG : 0);
	assert_int_equal(sad_get(m, XI_REF(o->v.slot, o->v.gen)) != NULL, !fragment);
	assert_int_equal(o->v.iif, !r->p.tag[0] ? 1 : !r->p.tag[1] ? VLAN_DEV : QINQ_DEV);
	if (in)
		assert_int_equal(o->v.policy_gen, 0);
	else
		assert_int_equal(m->spd[o->v.policy].gen, o->v.policy_gen);
}

static void t_rows(void **state)
{
	int bad = 0;

	(void)state;
	set_workers(1);
	m->spd[pol_dead].gen++; /* as if replaced between lookup and use */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run_packet(prog_nic, &rows[i].p);

		if (o.action != rows[i].action || o.reason != rows[i].reason || o.counted != 1) {
			print_error("%s: action %u reason %u (%s), expected %u, %u\n", rows[i].name, o.action, o.reason,
				    o.reason ? reason_text(o.reason) : "none", rows[i].action, rows[i].reason);
			bad++;
		} else if (o.action == XDP_REDIRECT) {
			check_verdict(&rows[i], &o);
		}
	}
	m->spd[pol_dead].gen--;
	assert_int_equal(bad, 0);
}

static struct outcome one(int prog, struct packet p)
{
	return run_packet(prog, &p);
}

static void t_verdict_names_the_sa(void **state)
{
	struct outcome o;

	(void)state;
	set_workers(1);
	o = one(prog_nic, (struct packet){LAN, .dst = "10.2.0.5"});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_lan);
	assert_int_equal(o.v.policy, pol_lan);
	o = one(prog_nic, (struct packet){LAN, .dst = "10.7.0.5", .dport = 53});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_ports);
	o = one(prog_nic, (struct packet){LAN, .dst = "10.8.0.5"});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_use);
	o = one(prog_nic, (struct packet){SIX});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_six);
	o = one(prog_nic, (struct packet){FAR, ME, .proto = 50, .dport = 0x1001});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_in);
	o = one(prog_nic, (struct packet){FAR, ME, .proto = 51, .dport = 0x1002});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_ah);
	o = one(prog_nic, (struct packet){ME6, .proto = 50, .dport = 0x1003});
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_in6);
}

static void t_no_worker_drops(void **state)
{
	struct outcome o;

	(void)state;
	set_workers(0);
	o = one(prog_nic, (struct packet){LAN, .dst = "10.2.0.5"});
	assert_int_equal(o.action, XDP_DROP);
	assert_int_equal(o.reason, XI_DROP_OUT_NO_WORKER);
	o = one(prog_nic, (struct packet){FAR, ME, .proto = 50, .dport = 0x1001});
	assert_int_equal(o.action, XDP_DROP);
	assert_int_equal(o.reason, XI_DROP_IN_NO_WORKER);
	o = one(prog_nic, (struct packet){FAR, ME});
	assert_int_equal(o.action, XDP_PASS);
	set_workers(1);
}

/* Spec 27.4: what a translated connection answers goes up as it is; that pair alone, and only while there are such connections. */
static void t_spec_27_4_answers_of_translated_connections(void **state)
{
	const struct xi_nat_key key = {.src = ip4(10, 1, 0, 5), .dst = ip4(10, 2, 0, 5), .family = XI_IP4};
	const __u32 seconds = 1;
	struct outcome o;

	(void)state;
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_NAT], &key, &seconds, BPF_ANY), 0);
	o = one(prog_nic, (struct packet){.src = "10.1.0.5", .dst = "10.2.0.5"});
	assert_int_equal(o.reason, XI_TO_WORKER);
	m->meta->nat_back = 1;
	o = one(prog_nic, (struct packet){.src = "10.1.0.5", .dst = "10.2.0.5"});
	assert_int_equal(o.action, XDP_PASS);
	assert_int_equal(o.reason, XI_PASS_NAT);
	o = one(prog_nic, (struct packet){.src = "10.1.0.5", .dst = "10.2.0.6"});
	assert_int_equal(o.reason, XI_TO_WORKER);
	m->meta->nat_back = 0;
	assert_int_equal(bpf_map_delete_elem(m->fd[MAP_NAT], &key), 0);
}

static void t_policy_counters(void **state)
{
	static const struct {
		uint32_t *slot;
		struct packet p;
		size_t field;
	} row[] = {
		{&pol_lan, {.src = "10.2.0.5", .dst = "10.1.0.5"}, offsetof(struct xi_polstat, in_dropped)},
		{&pol_discard, {.src = "10.5.0.5", .dst = "10.1.0.5"}, offsetof(struct xi_polstat, in_dropped)},
		{&pol_none, {.src = "10.6.0.5", .dst = "10.1.0.5"}, offsetof(struct xi_polstat, in_accepted)},
		{&pol_use, {.src = "10.4.0.5", .dst = "10.1.0.5"}, offsetof(struct xi_polstat, in_accepted)},
		{&pol_nosa, {LAN, .dst = "10.3.0.5"}, offsetof(struct xi_polstat, out_dropped)},
		{&pol_discard, {LAN, .dst = "10.5.0.5"}, offsetof(struct xi_polstat, out_dropped)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct xi_polstat before, after;

		assert_int_equal(stats_policy(m, *row[i].slot, &before), 0);
		(void)one(prog_nic, row[i].p);
		assert_int_equal(stats_policy(m, *row[i].slot, &after), 0);
		*(uint64_t *)((char *)&before + row[i].field) += 1;
		assert_memory_equal(&before, &after, sizeof(after));
	}
}

/* What the stack would not forward is not sealed: RFC 3704, RFC 1812 §5.3.8; by the flags that follow the sysctls. */
static void t_source_of_what_is_sealed(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
		const char *src, *dst;
		unsigned reason;
	} row[] = {
		{"plain", 0, "10.1.0.5", "10.2.0.5", XI_TO_WORKER},
		{"our own source", 0, "192.0.2.1", "203.0.113.9", XI_DROP_OUT_SOURCE},
		{"forwarding off", XI_IF_NO_FORWARD, "10.1.0.5", "10.2.0.5", XI_DROP_OUT_SOURCE},
		{"forwarding off, no policy", XI_IF_NO_FORWARD, "10.9.9.9", "10.2.0.5", XI_PASS_NO_POLICY},
		{"strict, no way back", XI_IF_RPF_STRICT, "10.1.0.5", "10.2.0.5", XI_DROP_OUT_SOURCE},
		{"loose, no way back", XI_IF_RPF_LOOSE, "10.1.0.5", "10.2.0.5", XI_DROP_OUT_SOURCE},
		/* RFC 1812 §5.3.7, as ip_route_input_slow() has it: class E is forwarded */
		{"loopback source", 0, "127.0.0.5", "10.11.0.5", XI_DROP_OUT_SOURCE},
		{"source of this network", 0, "0.0.0.5", "10.11.0.5", XI_DROP_OUT_SOURCE},
		{"multicast source", 0, "224.0.0.5", "10.11.0.5", XI_DROP_OUT_SOURCE},
		{"broadcast source", 0, "255.255.255.255", "10.11.0.5", XI_DROP_OUT_SOURCE},
		{"class E source", 0, "240.0.0.5", "10.11.0.5", XI_TO_WORKER},
		{"loopback destination", 0, "10.1.0.5", "127.0.0.5", XI_DROP_OUT_SOURCE},
		{"destination in this network", 0, "10.1.0.5", "0.0.0.5", XI_DROP_OUT_SOURCE},
		/* IPv6: no reverse path check in Linux, but scopes (RFC 4291 §2.5.6, §2.7) */
		{"IPv6, strict", XI_IF_RPF_STRICT, "fd01::5", "fd02::5", XI_TO_WORKER},
		{"IPv6, IPv4 forwarding off", XI_IF_NO_FORWARD, "fd01::5", "fd02::5", XI_TO_WORKER},
		{"IPv6, forwarding off", XI_IF_NO_FORWARD6, "fd01::5", "fd02::5", XI_DROP_OUT_SOURCE},
		{"IPv4, IPv6 forwarding off", XI_IF_NO_FORWARD6, "10.1.0.5", "10.2.0.5", XI_TO_WORKER},
		{"IPv6, our own source", 0, "fd00::1", "fd05::5", XI_DROP_OUT_SOURCE},
		{"IPv6, link-local source", 0, "fe80::5", "fd05::5", XI_DROP_OUT_SOURCE},
		{"IPv6, link-local destination", 0, "fd06::5", "fe80::5", XI_DROP_OUT_SOURCE},
		{"IPv6, multicast source", 0, "ff02::5", "fd05::5", XI_DROP_OUT_SOURCE},
		{"IPv6, loopback source", 0, "::1", "fd05::5", XI_DROP_OUT_SOURCE},
		{"IPv6, unspecified source", 0, "::", "fd05::5", XI_DROP_OUT_SOURCE},
	};

	(void)state;
	set_workers(1);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct outcome o;

		m->ifs[SLOT_NIC].flags = row[i].flags;
		o = one(prog_nic, (struct packet){.src = row[i].src, .dst = row[i].dst});
		if (o.reason != row[i].reason)
			print_error("%s: reason %u, expected %u\n", row[i].name, o.reason, row[i].reason);
		assert_int_equal(o.reason, row[i].reason);
	}
	m->ifs[SLOT_NIC].flags = 0;
}

/* The interface of a VLAN decides what the stack would do: no device, no packet. */
static void t_vlans(void **state)
{
	static struct row row[] = {
		{"no device", {LAN, .dst = "10.2.0.5", .tag = {0x8100}, .vid = {5}}, D, XI_DROP_OUT_OTHERHOST},
		{"no device, other type", {LAN, .dst = "10.2.0.5", .tag = {0x88a8}}, D, XI_DROP_OUT_OTHERHOST},
		{"no inner device",
		 {LAN, .dst = "10.2.0.5", .tag = {0x88a8, 0x8100}, .vid = {100, 5}},
		 D,
		 XI_DROP_OUT_OTHERHOST},
		{"no device, forged",
		 {.src = "10.2.0.5", .dst = "10.1.0.5", .tag = {0x8100}, .vid = {5}},
		 D,
		 XI_DROP_IN_PLAIN},
		{"no device, no policy", {FAR, .dst = "10.2.0.5", .tag = {0x8100}, .vid = {5}}, P, XI_PASS_NO_POLICY},
		{"no device, for us", {FAR, ME, .tag = {0x8100}, .vid = {5}}, P, XI_PASS_NO_VLAN},
		{"no device, ESP for us",
		 {FAR, ME, .proto = 50, .dport = 0x1001, .tag = {0x8100}, .vid = {5}},
		 P,
		 XI_PASS_NO_VLAN},
		{"device, for us", {FAR, ME, .tag = {0x8100}}, P, XI_PASS_LOCAL},
	};
	static const struct {
		uint16_t tag[3];
		int16_t vid[3];
		uint32_t iif;
	} dev[] = {
		{{0}, {0}, 1},
		{{0x8100}, {-1}, 1}, /* a priority only */
		{{0x8100}, {0}, VLAN_DEV},
		{{0x8100, 0x8100}, {-1, 100}, VLAN_DEV},
		{{0x8100, 0x8100}, {100, -1}, VLAN_DEV},
		{{0x88a8, 0x8100}, {0}, QINQ_DEV},
		{{0x88a8, 0x8100}, {-1, -1}, 1},
	};

	(void)state;
	check_rows(prog_nic, "VLAN", row, ARRAY_SIZE(row));
	for (size_t i = 0; i < ARRAY_SIZE(dev); i++) {
		struct packet p = {FAR, ME, .proto = 50, .dport = 0x1001};
		struct outcome o;

		memcpy(p.tag, dev[i].tag, sizeof(p.tag));
		memcpy(p.vid, dev[i].vid, sizeof(p.vid));
		o = one(prog_nic, p);
		assert_int_equal(o.reason, XI_TO_WORKER);
		assert_int_equal(o.v.iif, dev[i].iif);
	}
	/* forwarding of the device itself is asked for: there is no such device, so nothing goes on by it */
	m->ifs[SLOT_NIC].flags = XI_IF_RPF_LOOSE;
	assert_int_equal(one(prog_nic, (struct packet){LAN, .dst = "10.2.0.5", .tag = {0x8100}}).reason,
			 XI_DROP_OUT_SOURCE);
	m->ifs[SLOT_NIC].flags = 0;
}

/* A packet longer than one buffer: judged by its first one, its length by all. */
static void t_several_buffers(void **state)
{
	static uint8_t in[9014], out[9014 + 64];
	struct packet p = {LAN, .dst = "10.2.0.5"};
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = in, .data_size_in = sizeof(in), .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);
	struct xi_verdict v;
	uint32_t sum = 0;

	(void)state;
	packet_make(&p);
	memcpy(in, p.data, p.len);
	in[16] = 9000 >> 8;
	in[17] = 9000 & 0xff;
	in[24] = in[25] = 0;
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(in[i] << 8 | in[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16));
	in[24] = (uint8_t)(sum >> 8);
	in[25] = (uint8_t)sum;
	assert_int_equal(bpf_prog_test_run_opts(prog_nic, &t), 0);
	assert_int_equal(t.retval, XDP_REDIRECT);
	assert_int_equal(t.data_size_out, sizeof(in) + sizeof(v));
	memcpy(&v, out, sizeof(v));
	assert_true(XI_REF(v.slot, v.gen) == sa_lan);
	in[17]++; /* longer than all of it */
	in[25]--;
	t.data_size_out = sizeof(out);
	assert_int_equal(bpf_prog_test_run_opts(prog_nic, &t), 0);
	assert_int_equal(t.retval, XDP_PASS);
}

/* The counters of a slot start at zero with each generation, and a packet of the old one does not bring them back. */
static void t_policy_counters_follow_the_generation(void **state)
{
	struct xi_polstat s;
	uint32_t gen = m->spd[pol_lan].gen;

	(void)state;
	(void)one(prog_nic, (struct packet){.src = "10.2.0.5", .dst = "10.1.0.5"});
	m->spd[pol_lan].gen = gen + 1;
	assert_int_equal(stats_policy(m, pol_lan, &s), 0);
	assert_int_equal(s.in_dropped, 0);
	m->spd[pol_lan].gen = gen;
	assert_int_equal(stats_policy(m, pol_lan, &s), 0);
	assert_true(s.in_dropped > 0);
}

static void t_generic_knows_injected(void **state)
{
	struct packet p = {.src = "10.2.0.5", .dst = "10.1.0.5", .eth_src = m->meta->inject_mac};
	struct outcome o;

	(void)state;
	o = one(prog_generic, p);
	assert_int_equal(o.action, XDP_PASS);
	assert_int_equal(o.counted, 0); /* tc_inject did */
	/* in native mode nothing injected comes by: it is a forger who guessed well */
	o = one(prog_nic, p);
	assert_int_equal(o.reason, XI_DROP_IN_PLAIN);
	p.eth_src = NULL;
	o = one(prog_generic, p);
	assert_int_equal(o.reason, XI_DROP_IN_PLAIN);
}

/* Of this host, about packets that came out of a tunnel; RFC 4301 §6.2. */
#define ERROR4(t, c) .src = "192.0.2.1", .dst = "10.77.0.5", .proto = 1, .icmp_type = (t), .icmp_code = (c)
#define ERROR6(t, c) .src = "fd00::1", .dst = "fd77::5", .proto = 58, .icmp_type = (t), .icmp_code = (c)

static struct packet from_tunnel4 = {.src = "10.2.0.5", .dst = "10.1.0.5", .payload = 20};
static struct packet from_afar4 = {.src = "10.88.0.5", .dst = "10.1.0.5"};
static struct packet later4 = {.src = "10.2.0.5", .dst = "10.1.0.5", .frag = 0x10};
static struct packet from_tunnel6 = {.src = "fd02::5", .dst = "fd01::5", .ext = "d", .payload = 20};
static struct packet from_afar6 = {.src = "fd88::5", .dst = "fd01::5"};

static void t_internal_pair(void **state)
{
	static const struct row row[] = {
		{"protected", {LAN, .dst = "10.2.0.5", .eth_dst = mac_other}, R, XI_TO_WORKER},
		{"TTL stays the stack's business", {LAN, .dst = "10.2.0.5", .ttl = 1}, R, XI_TO_WORKER},
		{"own address", {.src = "192.0.2.1", .dst = "203.0.113.9"}, R, XI_TO_WORKER},
		{"use, SA", {LAN, .dst = "10.8.0.5"}, R, XI_TO_WORKER},
		{"no policy", {FAR, .dst = "10.2.0.5"}, D, XI_DROP_OUT_POLICY_DEAD},
		{"none", {LAN, .dst = "10.6.0.5"}, D, XI_DROP_OUT_POLICY_DEAD},
		{"use, no SA", {LAN, .dst = "10.4.0.5"}, D, XI_DROP_OUT_POLICY_DEAD},
		{"no SA", {LAN, .dst = "10.3.0.5"}, D, XI_DROP_OUT_NO_SA},
		{"discard", {LAN, .dst = "10.5.0.5"}, D, XI_DROP_OUT_BLOCKED},
		{"malformed", {LAN, .dst = "10.2.0.5", .ihl = 4}, D, XI_DROP_OUT_MODE},
		{"not IP", {LAN, .dst = "10.2.0.5", .eth_type = 0x0806}, D, XI_PASS_NOT_IP},
		{"inbound is none of its business", {.src = "10.2.0.5", .dst = "10.1.0.5"}, D, XI_DROP_OUT_POLICY_DEAD},
		{"error about a packet of the tunnel", {ERROR4(3, 1), .quoted = &from_tunnel4}, R, XI_TO_WORKER},
		{"about another", {ERROR4(3, 1), .quoted = &from_afar4}, D, XI_DROP_OUT_POLICY_DEAD},
		{"about a later fragment", {ERROR4(11, 1), .quoted = &later4}, R, XI_TO_WORKER},
		{"cut in the quoted ports", {ERROR4(3, 1), .quoted = &from_tunnel4, .body_len = 22}, R, XI_TO_WORKER},
		{"cut in the quoted addresses",
		 {ERROR4(3, 1), .quoted = &from_tunnel4, .body_len = 19},
		 D,
		 XI_DROP_OUT_POLICY_DEAD},
		{"no error", {ERROR4(8, 0), .quoted = &from_tunnel4}, D, XI_DROP_OUT_POLICY_DEAD},
		{"IPv6: error about one", {ERROR6(3, 0), .quoted = &from_tunnel6}, R, XI_TO_WORKER},
		{"IPv6: with options", {ERROR6(1, 4), .quoted = &from_tunnel6, .ext = "h"}, R, XI_TO_WORKER},
		{"IPv6: about another", {ERROR6(3, 0), .quoted = &from_afar6}, D, XI_DROP_OUT_POLICY_DEAD},
		{"IPv6: cut", {ERROR6(3, 0), .quoted = &from_tunnel6, .body_len = 39}, D, XI_DROP_OUT_POLICY_DEAD},
		{"IPv6: no error", {ERROR6(129, 0), .quoted = &from_tunnel6}, D, XI_DROP_OUT_POLICY_DEAD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		if (row[i].p.quoted)
			packet_make(row[i].p.quoted);
	}
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct outcome o = one(prog_internal, row[i].p);

		if (o.action != row[i].action || o.reason != row[i].reason)
			print_error("%s: action %u reason %u\n", row[i].name, o.action, o.reason);
		assert_int_equal(o.action, row[i].action);
		assert_int_equal(o.reason, row[i].reason);
		if (o.action == XDP_REDIRECT) {
			assert_int_equal(o.v.flags, XI_VF_HOST);
			assert_int_equal(o.v.if_slot, XI_IF_INTERNAL);
			assert_int_equal(o.v.iif, 0);
		}
	}
}

/* A driver's own metadata in front of the packet makes room for the verdict. */
static void t_metadata_of_the_driver(void **state)
{
	struct packet p = {LAN, .dst = "10.2.0.5"};
	uint8_t in[2048 + 16] = {0}, out[4096];
	struct xdp_md ctx = {.data = 16};
	struct xi_verdict v;
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = in, .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	(void)state;
	packet_make(&p);
	memcpy(in + 16, p.data, p.len);
	ctx.data_end = 16 + p.len;
	t.data_size_in = 16 + p.len;
	assert_int_equal(bpf_prog_test_run_opts(prog_nic, &t), 0);
	assert_int_equal(t.retval, XDP_REDIRECT);
	assert_int_equal(t.data_size_out, p.len + sizeof(v));
	memcpy(&v, out, sizeof(v));
	assert_true(XI_REF(v.slot, v.gen) == sa_lan);
	assert_memory_equal(out + sizeof(v), p.data, p.len);
}

/* Every row's packet, cut at every byte: one reason each time, no program error, and no more let through than before. */
static void t_cut_at_every_byte(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet *p = &rows[i].p;

		packet_make(p);
		for (uint32_t len = 14; len < p->len; len++, runs++) {
			struct outcome o = run(prog_nic, p->data, len);

			assert_int_equal(o.counted, 1);
			assert_true(o.action == XDP_PASS || o.action == XDP_DROP || o.action == XDP_REDIRECT);
			/* a lie in the length field may be the cut's truth: those rows aside, a cut packet is malformed */
			if (!p->ip_len_add && !p->eth_type && !p->tag[2])
				assert_true(o.reason == XI_PASS_MALFORMED || o.reason == XI_PASS_NOT_IP);
		}
	}
	print_message("# %u packets\n", runs);
}

/* Random bytes behind a sound start. */
static void t_noise(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t b[200];
		uint32_t len = 14 + (uint32_t)rand_r(&seed) % (sizeof(b) - 14);
		struct outcome o;

		for (uint32_t k = 0; k < len; k++)
			b[k] = (uint8_t)rand_r(&seed);
		b[12] = i & 1 ? 0x86 : 0x08;
		b[13] = i & 1 ? 0xdd : 0x00;
		if (len > 14)
			b[14] = i & 1 ? 0x60 : (uint8_t)(0x45 + (b[14] & 3));
		if (len > 20 && (i & 2)) { /* a length that fits */
			uint32_t n = i & 1 ? len - 54 : len - 14;

			b[i & 1 ? 18 : 16] = 0;
			b[i & 1 ? 19 : 17] = (uint8_t)n;
		}
		o = run(i & 4 ? prog_nic : prog_internal, b, len);
		assert_int_equal(o.counted, 1);
		assert_true(o.action == XDP_PASS || o.action == XDP_DROP || o.action == XDP_REDIRECT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rows),
		cmocka_unit_test(t_verdict_names_the_sa),
		cmocka_unit_test(t_no_worker_drops),
		cmocka_unit_test(t_spec_27_4_answers_of_translated_connections),
		cmocka_unit_test(t_policy_counters),
		cmocka_unit_test(t_policy_counters_follow_the_generation),
		cmocka_unit_test(t_source_of_what_is_sealed),
		cmocka_unit_test(t_vlans),
		cmocka_unit_test(t_several_buffers),
		cmocka_unit_test(t_generic_knows_injected),
		cmocka_unit_test(t_internal_pair),
		cmocka_unit_test(t_metadata_of_the_driver),
		cmocka_unit_test(t_cut_at_every_byte),
		cmocka_unit_test(t_noise),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
