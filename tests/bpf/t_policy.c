/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path (XDP), what the stack sends (tc egress) and the search of workers and `explain` against an oracle: random sets of
 * policies, random packets, for others, for this host and for many; one and the same verdict.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/bpf/policy_model.h"
#include "tests/bpf/tc_run.h"

#define STREAM_POLICIES 40

static int prog;

/* Workers and `explain` search by class_match(): the same policy, both ways. */
static void assert_same_by_the_worker(const struct question *q, const char *src, const char *dst)
{
	struct xi_tuple t = {.src = addr(src),
			     .dst = addr(dst),
			     .src_port = htons((uint16_t)q->sport),
			     .dst_port = htons((uint16_t)q->dport),
			     .family = q->six ? XI_IP6 : XI_IP4,
			     .proto = (uint8_t)q->proto};
	struct question in = swapped(q);

	for (int dir = 0; dir < 2; dir++) {
		for (uint8_t hidden = 0; hidden <= (XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO); hidden++) {
			const struct question *as = dir == XI_DIR_IN ? &in : q;
			const struct model *d = hidden ? first_hidden(as, hidden) : first(as);
			struct xi_rule r;

			t.flags = hidden;
			assert_int_equal(class_match(m, &t, dir, &r), d != NULL);
			if (d)
				assert_int_equal(r.slot, d->slot);
		}
	}
}

/* 1 and a line, if it is not what was expected. */
static int differs(const char *by, const struct question *q, const char *src, const char *dst, unsigned reason,
		   unsigned want)
{
	if (reason != want)
		print_error("%s, %u policies, %s -> %s proto %d ports %d %d: reason %u, expected %u\n", by, models, src,
			    dst, q->proto, q->sport, q->dport, reason, want);
	return reason != want;
}

static void ask(unsigned packets)
{
	for (unsigned i = 0; i < packets; i++) {
		char src[64], dst[64];
		struct question q;
		struct packet p;
		struct outcome o;
		uint64_t sa = 0;
		unsigned want;

		a_packet(&p, &q, src, dst);
		want = xdp_expected(&q, &sa);
		o = run_packet(prog, &p);
		assert_int_equal(differs("xdp", &q, src, dst, o.reason, want), 0);
		if (want == XI_TO_WORKER)
			assert_true(XI_REF(o.v.slot, o.v.gen) == sa);
		o = run_tc_from(&p, q.forwarded ? 1 : 0);
		assert_int_equal(differs("tc", &q, src, dst, o.reason, tc_expected(&q)), 0);
		assert_same_by_the_worker(&q, src, dst);
	}
}

static void assert_fate(const char *by, enum fate fate, int clear, int dropped, const struct packet *p)
{
	if (fate == STOP ? clear : fate == CLEAR && dropped)
		print_error("%s, %u policies, fragment %s -> %s proto %d: %s\n", by, models, p->src, p->dst, p->proto,
			    clear ? "in clear" : "dropped");
	if (fate == STOP)
		assert_false(clear);
	if (fate == CLEAR) /* and not more strict than that */
		assert_false(dropped);
}

/* One that no first one went before. */
static void ask_fragments(unsigned packets)
{
	for (unsigned i = 0; i < packets; i++) {
		char src[64], dst[64];
		struct question q, in;
		struct packet p;
		struct outcome o;
		enum fate arrival, departure;

		a_packet(&p, &q, src, dst);
		p.ext = q.six ? "f" : NULL;
		p.frag = 0x0040; /* an offset, in both families */
		in = swapped(&q);
		arrival = fragment_fate(&in, 0);
		departure = fragment_fate(&q, q.many || q.local);
		o = run_tc_from(&p, q.forwarded ? 1 : 0);
		assert_fate("tc", departure, (int)o.action == TC_ACT_UNSPEC, o.action == TC_ACT_SHOT, &p);
		/* what goes up because it is for this host, for many, or at its end meets tc egress, if it goes on */
		if (arrival != STOP && (q.local || q.many || q.ttl_used_up))
			departure = CLEAR;
		else if (q.own && departure == CLEAR)
			departure = EITHER; /* under our address; a policy of level use may have wanted it sealed */
		o = run_packet(prog, &p);
		assert_fate("xdp", arrival == STOP ? STOP : departure, o.action == XDP_PASS, o.action == XDP_DROP, &p);
	}
}

static int setup(void **state)
{
	struct xi_vlan_key vlan = {.ifindex = 1, .proto = {htons(0x8100)}, .vid = {htons(100)}};
	uint32_t ifindex = 77;

	(void)state;
	xdp_run_begin(8, MODEL_MAX + STREAM_POLICIES);
	only_runs_count = 1;
	prog = load(2, 0, 0);
	load_egress(1);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		add_local(ours[i]);
	set_workers(1);
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_VLAN], &vlan, &ifindex, BPF_ANY), 0);
	return 0;
}

static void rounds(unsigned sets, unsigned policies, unsigned packets)
{
	for (unsigned i = 0; i < sets; i++) {
		new_policies(policies);
		ask(packets);
		ask_fragments(packets / 4);
	}
}

static void t_no_policy(void **state)
{
	(void)state;
	rounds(1, 0, 400);
}

static void t_one_policy(void **state)
{
	(void)state;
	rounds(200, 1, 200);
}

static void t_ten_policies(void **state)
{
	(void)state;
	rounds(200, 10, 250);
}

static void t_three_hundred_policies(void **state)
{
	(void)state;
	rounds(20, 300, 3000);
}

static void t_thousand_policies(void **state)
{
	(void)state;
	rounds(4, 1000, 15000);
}

static void t_ten_thousand_policies(void **state)
{
	(void)state;
	rounds(1, 10000, 20000);
}

/* Runs that are not walked: protocol and ports are looked up, too, and what a fragment does not show. */
static void t_many_ports_of_few_networks(void **state)
{
	const struct xi_class_head *h;

	(void)state;
	many_ports = 1;
	rounds(40, 100, 300);
	rounds(4, 1000, 2000);
	rounds(1, 10000, 3000);
	h = &m->class[m->meta->spd_gen & 1];
	assert_int_not_equal(h->shape[0].kinds, 0);
	assert_int_not_equal(h->shape[XI_SHAPES_MAX].kinds, 0);
	many_ports = 0;
}

/*
 * Runs around the length from which on they are not walked: all policies are of one pair of networks; protocols and ports up to 255 and 65535,
 * also ports without a protocol; equal priorities, dynamic ones, inactive ones.
 */
static void t_borders_of_runs(void **state)
{
	unsigned indexed = 0, walked = 0;

	(void)state;
	borders = 1;
	for (unsigned i = 0; i < 240; i++) {
		const struct xi_class_head *h;

		rounds(1, 1 + i % 12, 60);
		h = &m->class[m->meta->spd_gen & 1];
		indexed += h->shapes4 && h->shape[0].kinds;
		walked += h->shapes4 && !h->shape[0].kinds;
	}
	borders = 0;
	assert_true(indexed > 50);
	assert_true(walked > 50);
}

/* --- in the middle of a stream of changes --- */

#define STREAM_PACKETS 20000

static struct model set[2][STREAM_POLICIES];

static void use_set(int i)
{
	memcpy(model, set[i], sizeof(set[i]));
	models = STREAM_POLICIES;
}

/* Plans set i in place of what is there. Under spd_lock(). */
static void plan_set(int i)
{
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		(void)spd_del(m, s);
	seed = 7000u + (unsigned)i;
	add_policies(STREAM_POLICIES);
}

/* One commit after the other, each of which replaces every policy; on another CPU than the packets. */
static void change_for_ever(void)
{
	cpu_set_t mine, all;
	struct err e;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* not left behind by a test that failed */
	CPU_ZERO(&all);
	(void)sched_getaffinity(0, sizeof(mine), &mine);
	for (int c = 0; c < cpus && c < CPU_SETSIZE; c++)
		if (!CPU_ISSET(c, &mine))
			CPU_SET(c, &all);
	(void)sched_setaffinity(0, sizeof(all), &all); /* a machine with one CPU changes between two packets */
	for (int i = 0;; i = !i) {
		if (spd_lock(m, &e))
			_exit(1);
		plan_set(i);
		if (spd_commit(m, &e))
			_exit(1);
		spd_unlock(m);
	}
}

/*
 * No packet sees a mixture, none is lost that both sets allow: the verdict is always that of one of the two sets.
 */
static void t_stream_of_changes(void **state)
{
	uint64_t first, last;
	struct err e;
	pid_t pid;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_ok(spd_lock(m, &e), &e);
		plan_set(i);
		memcpy(set[i], model, sizeof(set[i]));
		if (i)
			assert_ok(spd_commit(m, &e), &e);
		spd_unlock(m);
	}
	first = m->meta->spd_gen;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		change_for_ever();
	seed = 4711;
	for (unsigned i = 0; i < STREAM_PACKETS; i++) {
		char src[64], dst[64];
		struct question q;
		struct packet p;
		unsigned want[2], want_tc[2], reason;
		uint64_t sa;

		a_packet(&p, &q, src, dst);
		for (int k = 0; k < 2; k++) {
			use_set(k);
			want[k] = xdp_expected(&q, &sa);
			want_tc[k] = tc_expected(&q);
		}
		reason = run_packet(prog, &p).reason;
		if (reason != want[0])
			assert_int_equal(differs("xdp", &q, src, dst, reason, want[1]), 0);
		reason = run_tc_from(&p, q.forwarded ? 1 : 0).reason;
		if (reason != want_tc[0])
			assert_int_equal(differs("tc", &q, src, dst, reason, want_tc[1]), 0);
	}
	last = m->meta->spd_gen;
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(last - first > 100); /* there was a stream */
	assert_ok(spd_lock(m, &e), &e);	 /* and what was killed in the middle is repaired */
	spd_unlock(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_no_policy),
		cmocka_unit_test(t_one_policy),
		cmocka_unit_test(t_ten_policies),
		cmocka_unit_test(t_three_hundred_policies),
		cmocka_unit_test(t_thousand_policies),
		cmocka_unit_test(t_ten_thousand_policies),
		cmocka_unit_test(t_many_ports_of_few_networks),
		cmocka_unit_test(t_borders_of_runs),
		cmocka_unit_test(t_stream_of_changes),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
