/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The classifier against an oracle: random sets of policies, random packets, and a second reading of spec sections 6.2, 13.1, 13.2,
 * 13.6 that shares nothing with xi_rule_match(): it compares addresses bit by bit as text of bits and sorts by hand.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/bpf/xdp_run.h"

struct model {
	int six, src[128], dst[128], src_len, dst_len; /* addresses as bits */
	int proto, sport, dport;		       /* -1 = any */
	int action, level, dynamic, inactive, priority, position;
	uint32_t slot;
	uint64_t sa;
};

#define STREAM_POLICIES 40

static struct model model[10000];
static unsigned models;
static int prog;
static unsigned seed = 20261123;

static int rnd(int n)
{
	return rand_r(&seed) % n;
}

/* --- the world is small, so that things meet: four networks, two bits of hosts --- */

static const char *const nets4[] = {"10.1.0.", "10.1.128.", "10.2.0.", "192.168.7."};
static const char *const nets6[] = {"fd01::", "fd01:0:0:8000::", "fd02::", "fd02:1::"};
static const int protos[] = {6, 17, 1, 132};
static const int ports[] = {22, 53, 500, 4500};

static void a_host(char text[64], int six)
{
	(void)snprintf(text, 64, "%s%d", (six ? nets6 : nets4)[rnd(4)], rnd(4));
}

static void to_bits(int bits[128], const char *text)
{
	uint8_t b[16] = {0};

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, b), 1);
	for (int i = 0; i < 128; i++)
		bits[i] = b[i / 8] >> (7 - i % 8) & 1;
}

static void one_policy(unsigned i, uint64_t sa)
{
	static const int len4[] = {0, 8, 16, 17, 24, 30, 31, 32}, len6[] = {0, 16, 32, 49, 64, 126, 127, 128};
	struct model *d = &model[i];
	struct xi_policy p = {.sa_out = sa};
	char src[64], dst[64];
	struct err e;

	memset(d, 0, sizeof(*d));
	d->six = rnd(3) == 0;
	a_host(src, d->six);
	a_host(dst, d->six);
	to_bits(d->src, src);
	to_bits(d->dst, dst);
	d->src_len = (d->six ? len6 : len4)[rnd(8)];
	d->dst_len = (d->six ? len6 : len4)[rnd(8)];
	d->proto = rnd(2) ? protos[rnd(4)] : -1;
	d->sport = d->proto != -1 && d->proto != 1 && rnd(4) == 0 ? ports[rnd(4)] : -1;
	d->dport = d->proto != -1 && d->proto != 1 && rnd(2) == 0 ? ports[rnd(4)] : -1;
	d->action = rnd(5) < 3 ? XI_ACTION_ENCRYPT : rnd(2);
	d->level = rnd(3);
	d->dynamic = rnd(4) == 0;
	d->inactive = rnd(6) == 0;
	d->priority = rnd(5) - 2;
	d->position = rnd(1000) * 1000 + (int)i; /* no two equal */
	d->sa = sa;
	p.action = (uint8_t)d->action;
	p.level = (uint8_t)d->level;
	p.flags = (d->dynamic ? XI_POL_DYNAMIC : 0) | (d->inactive ? XI_POL_INACTIVE : 0);
	p.priority = d->priority;
	p.position = (uint32_t)d->position;
	p.sel = (struct xi_selector){.src = addr(src),
				     .dst = addr(dst),
				     .src_len = (uint8_t)d->src_len,
				     .dst_len = (uint8_t)d->dst_len,
				     .family = d->six ? XI_IP6 : XI_IP4};
	if (d->proto != -1) {
		p.sel.flags |= XI_SEL_PROTO;
		p.sel.proto = (uint8_t)d->proto;
	}
	if (d->sport != -1) {
		p.sel.flags |= XI_SEL_SRC_PORT;
		p.sel.src_port = htons((uint16_t)d->sport);
	}
	if (d->dport != -1) {
		p.sel.flags |= XI_SEL_DST_PORT;
		p.sel.dst_port = htons((uint16_t)d->dport);
	}
	assert_ok(spd_add(m, &p, &d->slot, &e), &e);
}

/* Spec 3.5: inactive is as if disabled, but what must protect drops, and of level use counts what nobody else wants. */
static int absent(const struct model *d)
{
	return d->inactive && d->action != XI_ACTION_ENCRYPT;
}

static int goes_last(const struct model *d)
{
	return d->inactive && d->action == XI_ACTION_ENCRYPT && d->level == XI_LEVEL_USE;
}

/* Spec 13.1, as it is written: is a to be asked before b? */
static int before(const struct model *a, const struct model *b)
{
	if (goes_last(a) != goes_last(b))
		return goes_last(b);
	if (a->priority > b->priority)
		return 1;
	if (a->priority < b->priority)
		return 0;
	if (!a->dynamic && b->dynamic)
		return 1;
	if (a->dynamic && !b->dynamic)
		return 0;
	return a->position < b->position;
}

static int by_order(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

/* n random policies, planned; the model in the order of 13.1. */
static void add_policies(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		one_policy(i, rnd(3) ? XI_REF(1 + i, 77) : 0);
	models = n;
	qsort(model, n, sizeof(*model), by_order);
}

static void new_policies(unsigned n)
{
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		(void)spd_del(m, s); /* -ENOENT: was free */
	assert_ok(spd_commit(m, &e), &e);
	add_policies(n);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

/* --- the oracle --- */

struct question {
	int six, src[128], dst[128], proto, sport, dport;
};

static int same_bits(const int *a, const int *b, int n)
{
	for (int i = 0; i < n; i++)
		if (a[i] != b[i])
			return 0;
	return 1;
}

static int addresses_fit(const struct model *d, const struct question *q)
{
	return d->six == q->six && same_bits(d->src, q->src, d->src_len) && same_bits(d->dst, q->dst, d->dst_len);
}

static int fits(const struct model *d, const struct question *q)
{
	return addresses_fit(d, q) && (d->proto == -1 || d->proto == q->proto) &&
	       (d->sport == -1 || d->sport == q->sport) && (d->dport == -1 || d->dport == q->dport);
}

static const struct model *first(const struct question *q)
{
	for (unsigned i = 0; i < models; i++)
		if (!absent(&model[i]) && fits(&model[i], q))
			return &model[i];
	return NULL;
}

/* 13.2: inbound the roles swap. */
static struct question swapped(const struct question *q)
{
	struct question s = *q;

	memcpy(s.src, q->dst, sizeof(s.src));
	memcpy(s.dst, q->src, sizeof(s.dst));
	s.sport = q->dport;
	s.dport = q->sport;
	return s;
}

static unsigned expected(const struct question *q, uint64_t *sa)
{
	struct question in = swapped(q);
	const struct model *d = first(&in);

	if (d && d->action == XI_ACTION_DISCARD)
		return XI_DROP_IN_BLOCKED;
	if (d && d->action == XI_ACTION_ENCRYPT && d->level != XI_LEVEL_USE)
		return XI_DROP_IN_PLAIN;
	d = first(q);
	if (!d)
		return XI_PASS_NO_POLICY;
	if (d->action == XI_ACTION_NONE)
		return XI_PASS_NONE;
	if (d->action == XI_ACTION_DISCARD)
		return XI_DROP_OUT_BLOCKED;
	*sa = d->inactive ? 0 : d->sa;
	if (*sa)
		return XI_TO_WORKER;
	return d->level == XI_LEVEL_USE ? XI_PASS_USE : XI_DROP_OUT_NO_SA;
}

/*
 * 13.6 for a fragment without ports: may it go on in clear? Not if any policy that could be the first one for some ports has action
 * discard, or encrypt with a level other than use.
 */
static int may_be_clear(const struct question *q)
{
	for (unsigned i = 0; i < models; i++) {
		const struct model *d = &model[i];

		if (absent(d) || !addresses_fit(d, q) || (d->proto != -1 && d->proto != q->proto))
			continue;
		if (d->action == XI_ACTION_DISCARD || (d->action == XI_ACTION_ENCRYPT && d->level != XI_LEVEL_USE))
			return 0;
		if (d->sport == -1 && d->dport == -1)
			return 1; /* the answer for every port */
	}
	return 1;
}

/* --- asking --- */

static void a_packet(struct packet *p, struct question *q, char src[64], char dst[64])
{
	memset(p, 0, sizeof(*p));
	q->six = rnd(3) == 0;
	a_host(src, q->six);
	a_host(dst, q->six);
	to_bits(q->src, src);
	to_bits(q->dst, dst);
	q->proto = protos[rnd(4)];
	q->sport = ports[rnd(4)];
	q->dport = ports[rnd(4)];
	p->src = src;
	p->dst = dst;
	p->proto = (uint8_t)q->proto;
	p->sport = (uint16_t)q->sport;
	p->dport = (uint16_t)q->dport;
	if (q->six && rnd(2))
		p->ext = rnd(2) ? "hd" : "rD";
	p->options = (uint8_t)(rnd(4) ? 0 : 1 + rnd(10));
	if (rnd(4) == 0)
		p->tag[0] = 0x8100;
}

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
		const struct model *d = first(dir == XI_DIR_IN ? &in : q);
		struct xi_rule r;

		assert_int_equal(class_match(m, &t, dir, &r), d != NULL);
		if (d)
			assert_int_equal(r.slot, d->slot);
	}
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
		want = expected(&q, &sa);
		o = run_packet(prog, &p);
		if (o.reason != want)
			print_error("%u policies, %s -> %s proto %d ports %d %d: reason %u, expected %u\n", models, src,
				    dst, q.proto, q.sport, q.dport, o.reason, want);
		assert_int_equal(o.reason, want);
		if (want == XI_TO_WORKER)
			assert_true(XI_REF(o.v.slot, o.v.gen) == sa);
		assert_same_by_the_worker(&q, src, dst);
	}
}

static void ask_fragments(unsigned packets)
{
	for (unsigned i = 0; i < packets; i++) {
		char src[64], dst[64];
		struct question q, in;
		struct packet p;
		struct outcome o;
		int clear;

		a_packet(&p, &q, src, dst);
		p.ext = q.six ? "f" : NULL;
		p.frag = 0x0040; /* an offset, in both families */
		in = swapped(&q);
		o = run_packet(prog, &p);
		clear = may_be_clear(&in) && may_be_clear(&q);
		if ((o.action == XDP_PASS) > clear)
			print_error("%u policies, fragment %s -> %s proto %d: reason %u\n", models, src, dst, q.proto,
				    o.reason);
		if (!clear)
			assert_int_not_equal(o.action, XDP_PASS);
		/* and not more strict than that: what only a level=use policy wants may go either way */
		if (clear)
			assert_int_not_equal(o.action, XDP_DROP);
	}
}

static int setup(void **state)
{
	struct xi_vlan_key vlan = {.ifindex = 1, .proto = {htons(0x8100)}, .vid = {htons(100)}};
	uint32_t ifindex = 77;

	(void)state;
	xdp_run_begin(8, 10000 + STREAM_POLICIES);
	prog = load(2, 0, 0);
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
		unsigned want[2];
		char src[64], dst[64];
		struct question q;
		struct outcome o;
		struct packet p;
		uint64_t sa;

		a_packet(&p, &q, src, dst);
		for (int k = 0; k < 2; k++) {
			use_set(k);
			want[k] = expected(&q, &sa);
		}
		o = run_packet(prog, &p);
		if (o.reason != want[0] && o.reason != want[1])
			print_error("%s -> %s proto %d: reason %u, expected %u or %u\n", src, dst, q.proto, o.reason,
				    want[0], want[1]);
		assert_true(o.reason == want[0] || o.reason == want[1]);
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
		cmocka_unit_test(t_no_policy),	       cmocka_unit_test(t_one_policy),
		cmocka_unit_test(t_ten_policies),      cmocka_unit_test(t_three_hundred_policies),
		cmocka_unit_test(t_thousand_policies), cmocka_unit_test(t_ten_thousand_policies),
		cmocka_unit_test(t_stream_of_changes),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, setup, NULL);
}
