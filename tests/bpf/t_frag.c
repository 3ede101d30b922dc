/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program on what needs more than one header, by BPF_PROG_TEST_RUN: fragments that are judged by the first one of their datagram,
 * UDP port 4500 with NAT traversal (RFC 3948), ICMP errors about our own ESP.
 */
#include "tests/bpf/rows.h"

#define FAR .src = "10.9.9.9"
#define ME .dst = "192.0.2.1"
#define ME6 .src = "fd77::1", .dst = "fd00::1"

static int prog_nic;
static uint64_t sa_in;

static int setup(void **state)
{
	struct err e;
	uint64_t sa;

	(void)state;
	xdp_run_begin(64, 64);
	prog_nic = load(3, 0, 0);
	set_workers(1);
	add_local("192.0.2.1");
	add_local("fd00::1");
	assert_ok(spd_lock(m, &e), &e);
	sa = add_sa(XI_DIR_OUT, 50, "198.51.100.1", 0x2001);
	(void)add_sa(XI_DIR_OUT, 50, "192.0.2.1", 0x2001);
	(void)add_sa(XI_DIR_OUT, 51, "198.51.100.1", 0x2005);
	(void)add_sa(XI_DIR_OUT, 50, "fd99::1", 0x2006);
	sa_in = add_sa(XI_DIR_IN, 50, "192.0.2.1", 0x1001);
	(void)add_sa(XI_DIR_IN, 51, "192.0.2.1", 0x1002);
	(void)add_sa(XI_DIR_IN, 50, "fd00::1", 0x1003);
	(void)add_policy("10.1.0.0", "10.2.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	(void)add_policy("192.0.2.1", "203.0.113.9", 32, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	(void)add_policy("10.10.0.0", "10.11.0.0", 24, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 17, 53);
	(void)add_policy("fd10::", "fd11::", 64, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 17, 53);
	(void)add_policy("192.0.2.1", "10.56.0.1", 32, XI_ACTION_DISCARD, 0, 0, 0, 0);
	(void)add_policy("192.0.2.1", "10.57.0.1", 32, XI_ACTION_NONE, 0, 0, 0, 0);
	(void)add_policy("fd00::1", "fd56::1", 128, XI_ACTION_ENCRYPT, XI_LEVEL_REQUIRE, sa, 0, 0);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	return 0;
}

static struct outcome one(struct packet p)
{
	return run_packet(prog_nic, &p);
}

#define NATT .sport = 4500, .dport = 4500
#define BODY(s) .body = (s), .body_len = sizeof(s) - 1
#define IN_UDP BODY("\0\0\x10\x01\0\0\0\1payload!")
#define MARKED BODY("\0\0\0\0IKE header and so on.")

/* RFC 3948 §2, spec 13.5 and 21: port 4500 while NAT traversal is in use. */
static void t_rfc3948_natt(void **state)
{
	static struct row row[] = {
		{"ESP", {FAR, ME, NATT, IN_UDP}, R, XI_TO_WORKER},
		{"ESP, any source port", {FAR, ME, .sport = 1, .dport = 4500, IN_UDP}, R, XI_TO_WORKER},
		{"ESP, IPv6", {ME6, NATT, BODY("\0\0\x10\x03\0\0\0\1")}, R, XI_TO_WORKER},
		{"ESP, no checksum of IPv6 here",
		 {ME6, NATT, BODY("\0\0\x10\x03\0\0\0\1"), .ext = "h"},
		 R,
		 XI_TO_WORKER},
		{"ESP of a protected peer", {.src = "203.0.113.9", ME, NATT, IN_UDP}, R, XI_TO_WORKER},
		{"ESP, unknown SPI", {FAR, ME, NATT, BODY("\0\0\x19\x99\0\0\0\1")}, D, XI_DROP_IN_NO_SA},
		{"ESP, SPI of AH", {FAR, ME, NATT, BODY("\0\0\x10\x02\0\0\0\1")}, D, XI_DROP_IN_NO_SA},
		{"ESP, SPI of the other direction", {FAR, ME, NATT, BODY("\0\0\x20\x01\0\0\0\1")}, D, XI_DROP_IN_NO_SA},
		{"ESP, 7 bytes", {FAR, ME, NATT, BODY("\0\0\x10\x01\0\0\0")}, D, XI_DROP_IN_HEADER},
		{"3 bytes", {FAR, ME, NATT, BODY("\0\0\x10")}, D, XI_DROP_IN_HEADER},
		{"nothing", {FAR, ME, NATT, .l4_len = 8}, D, XI_DROP_IN_HEADER},
		{"no UDP header", {FAR, ME, NATT, .l4_len = 5}, D, XI_DROP_IN_HEADER},
		{"UDP length beyond", {FAR, ME, NATT, IN_UDP, .udp_len = 99}, D, XI_DROP_IN_HEADER},
		{"UDP length below", {FAR, ME, NATT, IN_UDP, .udp_len = 7}, D, XI_DROP_IN_HEADER},
		{"UDP length hides the sequence", {FAR, ME, NATT, IN_UDP, .udp_len = 15}, D, XI_DROP_IN_HEADER},
		{"keep-alive", {FAR, ME, NATT, BODY("\xff")}, D, XI_KEEPALIVE},
		{"keep-alive of a protected peer", {.src = "203.0.113.9", ME, NATT, BODY("\xff")}, D, XI_KEEPALIVE},
		{"one byte, another", {FAR, ME, NATT, BODY("\xfe")}, D, XI_DROP_IN_HEADER},
		{"two bytes", {FAR, ME, NATT, BODY("\xff\xff")}, D, XI_DROP_IN_HEADER},
		{"IKE", {FAR, ME, NATT, MARKED}, P, XI_PASS_IKE},
		{"IKE of a protected peer", {.src = "203.0.113.9", ME, NATT, MARKED}, P, XI_PASS_IKE},
		{"IKE, 4 bytes", {FAR, ME, NATT, BODY("\0\0\0\0")}, P, XI_PASS_IKE},
		{"TCP 4500", {FAR, ME, NATT, .proto = 6, IN_UDP}, P, XI_PASS_LOCAL},
		{"from 4500 to another port",
		 {.src = "203.0.113.9", ME, .sport = 4500, .dport = 9, MARKED},
		 D,
		 XI_DROP_IN_PLAIN},
		{"of others", {.src = "10.2.0.5", .dst = "10.1.0.5", NATT, MARKED}, D, XI_DROP_IN_PLAIN},
		{"no device of its VLAN", {FAR, ME, NATT, IN_UDP, .tag = {0x8100}, .vid = {5}}, P, XI_PASS_NO_VLAN},
	};
	struct outcome o;

	(void)state;
	m->meta->natt = 1;
	check_rows(prog_nic, "4500", row, ARRAY_SIZE(row));
	o = run_packet(prog_nic, &row[0].p);
	assert_int_equal(o.v.flags, XI_VF_UDP);
	assert_true(XI_REF(o.v.slot, o.v.gen) == sa_in);
	/* without NAT traversal the port is anybody's, and nothing on it is exempt */
	m->meta->natt = 0;
	assert_int_equal(run_packet(prog_nic, &row[0].p).reason, XI_PASS_LOCAL);
	assert_int_equal(one((struct packet){.src = "203.0.113.9", ME, NATT, MARKED}).reason, XI_DROP_IN_PLAIN);
}

#define PORTED .src = "10.10.0.5", .dst = "10.11.0.5"
#define PORTED6 .src = "fd10::5", .dst = "fd11::5", .ext = "f"

/* Spec 13.6: in this order. Port 53 is protected, others are not; what is not known is protected. */
static void t_fragments_follow_the_first(void **state)
{
	static struct row row[] = {
		{"later, no first", {PORTED, .frag = 0x2010, .id = 1}, R, XI_TO_WORKER},
		{"first, 53", {PORTED, .dport = 53, .frag = 0x2000, .id = 2}, R, XI_TO_WORKER},
		{"later, 53", {PORTED, .frag = 0x10, .id = 2}, R, XI_TO_WORKER},
		{"first, 54", {PORTED, .dport = 54, .frag = 0x2000, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later, 54", {PORTED, .frag = 0x10, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later, 54, once more", {PORTED, .frag = 0x2020, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later of another datagram", {PORTED, .frag = 0x10, .id = 4}, R, XI_TO_WORKER},
		{"later of another protocol", {PORTED, .proto = 6, .frag = 0x10, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later of another host",
		 {.src = "10.10.0.6", .dst = "10.11.0.5", .frag = 0x10, .id = 3},
		 R,
		 XI_TO_WORKER},
		{"the first again", {PORTED, .dport = 54, .frag = 0x2000, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later, still 54", {PORTED, .frag = 0x10, .id = 3}, P, XI_PASS_NO_POLICY},
		{"another first", {PORTED, .dport = 53, .frag = 0x2000, .id = 3}, R, XI_TO_WORKER},
		{"later, conflict", {PORTED, .frag = 0x10, .id = 3}, R, XI_TO_WORKER},
		{"the first once more", {PORTED, .dport = 54, .frag = 0x2000, .id = 3}, P, XI_PASS_NO_POLICY},
		{"later, conflict stays", {PORTED, .frag = 0x10, .id = 3}, R, XI_TO_WORKER},
		{"first without ports", {PORTED, .frag = 0x2000, .l4_len = 3, .id = 5}, R, XI_TO_WORKER},
		{"later of it", {PORTED, .frag = 0x10, .id = 5}, R, XI_TO_WORKER},
		{"inbound: first",
		 {.src = "10.11.0.5", .dst = "10.10.0.5", .sport = 53, .frag = 0x2000, .id = 6},
		 D,
		 XI_DROP_IN_PLAIN},
		{"inbound: later",
		 {.src = "10.11.0.5", .dst = "10.10.0.5", .frag = 0x10, .id = 6},
		 D,
		 XI_DROP_IN_PLAIN},
		{"inbound: first, 54",
		 {.src = "10.11.0.5", .dst = "10.10.0.5", .sport = 54, .frag = 0x2000, .id = 7},
		 P,
		 XI_PASS_NO_POLICY},
		{"inbound: later, 54",
		 {.src = "10.11.0.5", .dst = "10.10.0.5", .frag = 0x10, .id = 7},
		 P,
		 XI_PASS_NO_POLICY},
		{"IPv6: later, no first", {PORTED6, .frag = 0x48, .id = 1}, R, XI_TO_WORKER},
		{"IPv6: first, 54", {PORTED6, .dport = 54, .frag = 1, .id = 2}, P, XI_PASS_NO_POLICY},
		{"IPv6: later, 54", {PORTED6, .frag = 0x48, .id = 2}, P, XI_PASS_NO_POLICY},
		{"IPv6: first, 53", {PORTED6, .dport = 53, .frag = 1, .id = 3}, R, XI_TO_WORKER},
		{"IPv6: later, 53", {PORTED6, .frag = 0x48, .id = 3}, R, XI_TO_WORKER},
		/* RFC 8200 §4.5: what the others' headers say of the protocol does not count */
		{"IPv6: later, lies", {PORTED6, .proto = 6, .frag = 0x48, .id = 3}, R, XI_TO_WORKER},
	};

	(void)state;
	check_rows(prog_nic, "fragment", row, ARRAY_SIZE(row));
}

/* An entry that is too old says nothing, and the next first fragment starts anew. */
static void t_fragment_notes_grow_old(void **state)
{
	struct xi_frag_key key = {
		.src = addr("10.10.0.5"), .dst = addr("10.11.0.5"), .id = htons(0x77), .proto = 17, .family = XI_IP4};
	struct packet first = {PORTED, .dport = 54, .frag = 0x2000, .id = 0x77},
		      later = {PORTED, .frag = 0x10, .id = 0x77};
	struct xi_frag_val val;

	(void)state;
	(void)one(first);
	assert_int_equal(one(later).reason, XI_PASS_NO_POLICY);
	assert_int_equal(bpf_map_lookup_elem(m->fd[MAP_FRAG], &key, &val), 0);
	assert_int_equal(val.dst_port, htons(54));
	assert_int_equal(val.proto, 17);
	val.seen_ns -= XI_FRAG_TTL_NS + 1000000000;
	val.flags = XI_FRAG_CONFLICT;
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_FRAG], &key, &val, BPF_EXIST), 0);
	assert_int_equal(one(later).reason, XI_TO_WORKER);
	(void)one(first);
	assert_int_equal(one(later).reason, XI_PASS_NO_POLICY);
}

/* Large IKE messages come in fragments; spec 13.5 holds for all of them. */
/* A stranger's first fragment under an address of ours does not say what becomes of the fragments that are really ours. */
static void t_fragments_of_a_spoofed_source(void **state)
{
	struct xi_local_key ours = {.addr = addr("10.10.0.5"), .family = XI_IP4};
	struct packet first = {PORTED, .dport = 54, .frag = 0x2000, .id = 0x78},
		      later = {PORTED, .frag = 0x10, .id = 0x78};

	(void)state;
	add_local("10.10.0.5");
	(void)one(first);
	assert_int_equal(bpf_map_delete_elem(m->fd[MAP_LOCAL], &ours), 0);
	assert_int_equal(one(later).reason, XI_TO_WORKER);
}

static void t_fragments_of_ike(void **state)
{
#define WARY .src = "203.0.113.9", ME
	static struct row row[] = {
		{"500, first", {WARY, .dport = 500, .frag = 0x2000, .id = 1}, P, XI_PASS_IKE},
		{"500, later", {WARY, .frag = 0x10, .id = 1}, P, XI_PASS_IKE},
		/* judged when it is whole */
		{"later of none", {WARY, .frag = 0x10, .id = 2}, R, XI_TO_WORKER},
		{"4500, first", {WARY, NATT, MARKED, .udp_len = 2000, .frag = 0x2000, .id = 3}, P, XI_PASS_IKE},
		{"4500, later", {WARY, .frag = 0x10, .id = 3}, P, XI_PASS_IKE},
		{"4500, nothing to see",
		 {WARY, NATT, .l4_len = 8, .udp_len = 2000, .frag = 0x2000, .id = 4},
		 D,
		 XI_DROP_IN_HEADER},
		{"later of it", {WARY, .frag = 0x10, .id = 4}, D, XI_DROP_IN_PLAIN},
	};

	(void)state;
	m->meta->natt = 1;
	check_rows(prog_nic, "IKE", row, ARRAY_SIZE(row));
	m->meta->natt = 0;
}

/* RFC 4303 §3.4.1, RFC 3948: fragments of what IPsec protects go to the worker, which puts them together. In this order. */
static void t_fragments_to_the_worker(void **state)
{
#define ESP_PART NATT, IN_UDP, .udp_len = 2000, .frag = 0x2000
	static struct row row[] = {
		{"ESP, first", {FAR, ME, .proto = 50, .dport = 0x1001, .frag = 0x2000, .id = 20}, R, XI_TO_WORKER},
		{"ESP, later", {FAR, ME, .proto = 50, .frag = 0x10, .id = 21}, R, XI_TO_WORKER},
		{"AH, later", {FAR, ME, .proto = 51, .frag = 0x10, .id = 21}, R, XI_TO_WORKER},
		{"ESP, IPv6, first",
		 {ME6, .proto = 50, .dport = 0x1003, .ext = "fd", .frag = 1, .id = 22},
		 R,
		 XI_TO_WORKER},
		/* RFC 8200 §4.5: its own header says destination options, the first one's said where they lead */
		{"ESP, IPv6, later, behind options",
		 {ME6, .proto = 60, .ext = "f", .frag = 0x48, .id = 22},
		 R,
		 XI_TO_WORKER},
		{"the same of no first", {ME6, .proto = 60, .ext = "f", .frag = 0x48, .id = 23}, P, XI_PASS_LOCAL},
		{"ESP, no device of its VLAN",
		 {FAR, ME, .proto = 50, .frag = 0x10, .tag = {0x8100}},
		 P,
		 XI_PASS_NO_VLAN},
		{"in UDP, first", {FAR, ME, ESP_PART, .id = 24}, R, XI_TO_WORKER},
		{"in UDP, later", {FAR, ME, .frag = 0x10, .id = 24}, R, XI_TO_WORKER},
		{"in UDP, later before the first", {FAR, ME, .frag = 0x10, .id = 25}, R, XI_TO_WORKER},
		{"in UDP, first behind it", {FAR, ME, ESP_PART, .id = 25}, R, XI_TO_WORKER},
		{"UDP, later before the first", {FAR, ME, .frag = 0x10, .id = 28}, R, XI_TO_WORKER},
		{"UDP, another", {FAR, ME, .frag = 0x20, .id = 28}, R, XI_TO_WORKER},
		{"UDP, first behind them", {FAR, ME, .dport = 53, .frag = 0x2000, .id = 28}, R, XI_TO_WORKER},
		{"UDP, one more", {FAR, ME, .frag = 0x30, .id = 28}, R, XI_TO_WORKER},
		{"UDP of IPv6, later before the first", {ME6, .ext = "f", .frag = 0x48, .id = 28}, R, XI_TO_WORKER},
		{"UDP of IPv6, first behind it", {ME6, .ext = "f", .dport = 53, .frag = 1, .id = 28}, R, XI_TO_WORKER},
		{"UDP, first", {FAR, ME, .dport = 53, .frag = 0x2000, .id = 29}, P, XI_PASS_LOCAL},
		{"UDP, later", {FAR, ME, .frag = 0x10, .id = 29}, P, XI_PASS_LOCAL},
		{"TCP, later of none", {FAR, ME, .proto = 6, .frag = 0x10, .id = 30}, P, XI_PASS_LOCAL},
		{"in UDP, unknown SPI",
		 {FAR, ME, NATT, BODY("\0\0\x19\x99\0\0\0\1"), .udp_len = 2000, .frag = 0x2000, .id = 26},
		 D,
		 XI_DROP_IN_NO_SA},
		{"later of it", {FAR, ME, .frag = 0x10, .id = 26}, P, XI_PASS_LOCAL},
		{"in UDP, of others", {FAR, .dst = "10.9.9.1", ESP_PART, .id = 27}, P, XI_PASS_NO_POLICY},
		{"later of it", {FAR, .dst = "10.9.9.1", .frag = 0x10, .id = 27}, P, XI_PASS_NO_POLICY},
	};

	(void)state;
	m->meta->natt = 1;
	check_rows(prog_nic, "fragment", row, ARRAY_SIZE(row));
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct outcome o;

		if (row[i].action != R)
			continue;
		o = run_packet(prog_nic, &row[i].p);
		assert_int_equal(o.v.flags & ~XI_VF_UDP, XI_VF_FRAG);
		assert_int_equal(o.v.gen, 0);
		assert_int_equal(o.v.dir, XI_DIR_IN);
	}
	m->meta->natt = 0;
}

/* Nothing that is not ours waits for a worker that is not there, or for NAT traversal that is not in use. */
static void t_fragments_without_a_worker(void **state)
{
	static struct row row[] = {
		{"UDP, later of none", {FAR, ME, .frag = 0x10, .id = 40}, P, XI_PASS_LOCAL},
		{"UDP, first", {FAR, ME, .dport = 53, .frag = 0x2000, .id = 40}, P, XI_PASS_LOCAL},
	};
	static struct row gone[] = {
		{"UDP, first of what a worker has", {FAR, ME, .dport = 53, .frag = 0x2000, .id = 41}, P, XI_PASS_LOCAL},
	};

	(void)state;
	check_rows(prog_nic, "no NAT traversal", row, ARRAY_SIZE(row));
	m->meta->natt = 1;
	row[0].p.id = row[1].p.id = 42;
	set_workers(0);
	check_rows(prog_nic, "no worker", row, ARRAY_SIZE(row));
	set_workers(1);
	assert_int_equal(one((struct packet){FAR, ME, .frag = 0x10, .id = 41}).reason, XI_TO_WORKER);
	set_workers(0);
	check_rows(prog_nic, "the worker is gone", gone, ARRAY_SIZE(gone));
	set_workers(1);
	m->meta->natt = 0;
}

/* RFC 4301 §8.2: only what quotes one of our packets to a peer we have an SA with. */
static void t_rfc4301_8_2_too_big(void **state)
{
#define TOO_BIG4 .src = "10.55.0.1", ME, .proto = 1, .icmp_type = 3, .icmp_code = 4
#define TOO_BIG4_OF(a) .src = (a), ME, .proto = 1, .icmp_type = 3, .icmp_code = 4
#define TOO_BIG6 .src = "fd55::1", .dst = "fd00::1", .proto = 58, .icmp_type = 2
#define OURS4 .src = "192.0.2.1", .dst = "198.51.100.1"
#define OURS6 .src = "fd00::1", .dst = "fd99::1"
	static struct packet esp = {OURS4, .proto = 50, .dport = 0x2001, .payload = 40},
			     ah = {OURS4, .proto = 51, .dport = 0x2005, .payload = 40},
			     udp = {OURS4, NATT, BODY("\0\0\x20\x01\0\0\0\1data")},
			     other_spi = {OURS4, .proto = 50, .dport = 0x2999},
			     not_ours = {FAR, .dst = "198.51.100.1", .proto = 50, .dport = 0x2001},
			     plain = {OURS4, .sport = 9, .dport = 9},
			     part = {OURS4, .proto = 50, .dport = 0x2001, .frag = 0x2000},
			     later = {OURS4, .proto = 50, .frag = 0x10},
			     esp6 = {OURS6, .proto = 50, .dport = 0x2006, .ext = "d", .payload = 40};
	static struct row row[] = {
		{"ESP", {TOO_BIG4, .quoted = &esp}, R, XI_TO_WORKER},
		{"ESP, 28 bytes", {TOO_BIG4, .quoted = &esp, .body_len = 28}, R, XI_TO_WORKER},
		{"ESP, first fragment", {TOO_BIG4, .quoted = &part}, R, XI_TO_WORKER},
		{"AH, 28 bytes", {TOO_BIG4, .quoted = &ah, .body_len = 28}, R, XI_TO_WORKER},
		{"ESP in UDP", {TOO_BIG4, .quoted = &udp}, R, XI_TO_WORKER},
		{"IPv6", {TOO_BIG6, .quoted = &esp6}, R, XI_TO_WORKER},
		{"IPv6, the error behind options", {TOO_BIG6, .quoted = &esp6, .ext = "hd"}, R, XI_TO_WORKER},
		{"ESP, 27 bytes", {TOO_BIG4, .quoted = &esp, .body_len = 27}, P, XI_PASS_LOCAL},
		{"ESP in UDP, no SPI", {TOO_BIG4, .quoted = &udp, .body_len = 28}, P, XI_PASS_LOCAL},
		{"ESP, later fragment", {TOO_BIG4, .quoted = &later}, P, XI_PASS_LOCAL},
		{"unknown SPI", {TOO_BIG4, .quoted = &other_spi}, P, XI_PASS_LOCAL},
		{"not from us", {TOO_BIG4, .quoted = &not_ours}, P, XI_PASS_LOCAL},
		{"not protected", {TOO_BIG4, .quoted = &plain}, P, XI_PASS_LOCAL},
		{"in a fragment", {TOO_BIG4, .quoted = &esp, .frag = 0x2000}, P, XI_PASS_LOCAL},
		{"unreachable",
		 {.src = "10.55.0.1", ME, .proto = 1, .icmp_type = 3, .icmp_code = 1, .quoted = &esp},
		 P,
		 XI_PASS_LOCAL},
		{"echo",
		 {.src = "10.55.0.1", ME, .proto = 1, .icmp_type = 8, .icmp_code = 4, .quoted = &esp},
		 P,
		 XI_PASS_LOCAL},
		{"IPv6, time exceeded",
		 {.src = "fd55::1", .dst = "fd00::1", .proto = 58, .icmp_type = 3, .quoted = &esp6},
		 P,
		 XI_PASS_LOCAL},
		{"IPv6, cut", {TOO_BIG6, .quoted = &esp6, .body_len = 50}, P, XI_PASS_LOCAL},
		/* spec 13.4: the policy that covers the message itself comes first */
		{"policy none", {TOO_BIG4_OF("10.57.0.1"), .quoted = &esp}, R, XI_TO_WORKER},
		{"policy discard", {TOO_BIG4_OF("10.56.0.1"), .quoted = &esp}, D, XI_DROP_IN_BLOCKED},
		{"must come protected", {TOO_BIG4_OF("203.0.113.9"), .quoted = &esp}, D, XI_DROP_IN_PLAIN},
		{"IPv6, must come protected",
		 {.src = "fd56::1", .dst = "fd00::1", .proto = 58, .icmp_type = 2, .quoted = &esp6},
		 D,
		 XI_DROP_IN_PLAIN},
		{"for another host",
		 {.src = "10.55.0.1", .dst = "10.9.9.1", .proto = 1, .icmp_type = 3, .icmp_code = 4, .quoted = &esp},
		 P,
		 XI_PASS_NO_POLICY},
	};

	(void)state;
	check_rows(prog_nic, "too big", row, ARRAY_SIZE(row));
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct outcome o;

		if (row[i].action != R)
			continue;
		o = run_packet(prog_nic, &row[i].p);
		assert_int_equal(o.v.flags, XI_VF_ICMP);
		assert_int_equal(o.v.dir, XI_DIR_IN);
		assert_non_null(sad_get(m, XI_REF(o.v.slot, o.v.gen)));
		assert_int_equal(o.v.iif, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc3948_natt),
		cmocka_unit_test(t_fragments_follow_the_first),
		cmocka_unit_test(t_fragment_notes_grow_old),
		cmocka_unit_test(t_fragments_of_a_spoofed_source),
		cmocka_unit_test(t_fragments_of_ike),
		cmocka_unit_test(t_fragments_to_the_worker),
		cmocka_unit_test(t_fragments_without_a_worker),
		cmocka_unit_test(t_rfc4301_8_2_too_big),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
