/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon is killed at every step, of phase 1, quick mode, rekeying, renewal of phase 1 and Deletes, at either end, and another one starts over the SAs that it
 * left. Packets go on both ways, or one end only answers: there are SAs again that both ends have, and nothing is left half made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

#define LIFE_S 1800
#define LIFE1_S 4000

static uint8_t mode, answers; /* answers: end 1 sends only what answers a packet */
static uint8_t owner[RIG_QUEUE];

static void conf(struct ike_conf *c, unsigned end)
{
	struct ike_peer *p = &c->peer[0];

	(void)end;
	p->mode = mode;
	p->group = group_by_id(31);
	p->initial_contact = 1;
	p->lifetime_s = LIFE1_S;
	c->proposal[0].pfs = group_by_id(31);
	c->proposal[0].lifetime_s = LIFE_S;
}

/* Whose job it is: a process that is killed never takes it back. */
static void work(void *ctx, struct ike_job *job)
{
	struct rig_end *e = ctx;

	owner[e->rig->n_jobs] = (uint8_t)e->me;
	rig_work(ctx, job);
}

/* One job or datagram; 0: there is none. */
static int step(void)
{
	if (r->n_jobs) {
		struct ike_job *j = r->job[0];

		r->n_jobs--;
		memmove(&r->job[0], &r->job[1], r->n_jobs * sizeof(r->job[0]));
		memmove(&owner[0], &owner[1], r->n_jobs);
		j->run(j);
		j->done(j);
		return 1;
	}
	if (!r->n)
		return 0;
	rig_deliver(r, 0);
	return 1;
}

/* What waits in its sockets goes with it, what it has sent arrives. SPIs that were only reserved go, as in sad_open(). */
static struct fake_sadb left_behind;

static int nobody(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	(void)p;
	return 0;
}

static void killed(unsigned end)
{
	struct rig_end *e = &r->end[end];
	struct ike_conf *c = rig_conf();
	unsigned left = 0;

	left_behind = e->sadb;
	r->filter = nobody;
	ike_free(e->k);
	r->filter = NULL;
	e->sadb = left_behind;
	for (unsigned i = 0; i < r->n_jobs; i++) {
		if (owner[i] == end) {
			free(r->job[i]);
			continue;
		}
		owner[left] = owner[i];
		r->job[left++] = r->job[i];
	}
	r->n_jobs = left;
	for (unsigned i = 0; i < r->n;) {
		if (r->q[i].from != end)
			rig_drop(r, i);
		else
			i++;
	}
	memset(e->sadb.spi, 0, sizeof(e->sadb.spi));
	conf(c, end);
	e->k = ike_new(&e->env, c);
	assert_non_null(e->k);
}

/* The other end's inbound SA of what that end sends by its policy; NULL: nobody opens it. */
static struct fake_sa *opened_by(unsigned end)
{
	struct fake_sadb *s = &r->end[end].sadb, *o = &r->end[!end].sadb;
	const struct fake_sa *f = fake_sa(s, s->policy_out[0]);

	for (unsigned i = 0; f && i < FAKE_SAS; i++)
		if (o->sa[i].ref && o->sa[i].sa.dir == XI_DIR_IN && rig_same_keys(&f->sa, &o->sa[i].sa))
			return &o->sa[i];
	return NULL;
}

static int works(unsigned end)
{
	return opened_by(end) != NULL;
}

/* 1: it arrived. */
static int send_packet(unsigned end)
{
	struct fake_sadb *s = &r->end[end].sadb;
	struct fake_sa *in = opened_by(end), *out = fake_sa(s, s->policy_out[0]);

	if (out)
		out->use.last_ns = r->now;
	else
		rig_acquire(r, end, &s->policy[0]);
	if (in)
		in->use.last_ns = r->now;
	return in != NULL;
}

/* A packet each second. */
static void go_on(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		if (send_packet(0) || !answers)
			(void)send_packet(1);
		rig_settle(r);
		rig_advance(r, NS_PER_S);
	}
}

static unsigned outage(void)
{
	unsigned s = 0;

	for (; !(works(0) && works(1)) && s < 1000; s++)
		go_on(1);
	return s;
}

static void begin(void)
{
	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.work = work;
		(void)rig_policy(r, i, 1);
	}
}

static void begin_up(void)
{
	begin();
	(void)send_packet(0);
	rig_settle(r);
	rig_advance(r, 5 * NS_PER_S);
	assert_true(works(0) && works(1));
}

/* What is due at a moment begins, and nothing of it has arrived. */
static void begin_at(uint64_t s)
{
	begin_up();
	rig_advance(r, s * NS_PER_S - (r->now - 1000 * NS_PER_S) - 1);
	r->now += 2;
	for (unsigned i = 0; i < 2; i++)
		ike_run(r->end[i].k);
}

static void begin_handshake(void)
{
	begin();
	(void)send_packet(0);
}

static void begin_rekey(void)
{
	begin_at(LIFE_S / 10 * 8);
}

static void begin_renewal(void)
{
	begin_at(LIFE1_S / 10 * 8);
}

static void begin_flush(void)
{
	begin_up();
	(void)ike_flush(r->end[0].k, 0);
	(void)send_packet(0);
}

static void begin_kill_connections(void)
{
	begin_up();
	ike_kill(r->end[1].k);
	(void)send_packet(0);
}

/* It works by then, and goes on for some lifetimes; old SAs that only one end had are gone. */
static void all_is_well(unsigned within, unsigned *most)
{
	unsigned s = outage();

	*most = MAX(*most, s);
	if (s > within)
		fail_msg("out for %u s", s);
	for (unsigned i = 0; i < 2 * LIFE_S; i += 60) {
		go_on(60);
		if (!works(0) || !works(1))
			fail_msg("renewed, it does not work: %u s", i);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rig_quicks(r, i), 0);
		assert_int_equal(fake_reserved(&r->end[i].sadb), 0);
		assert_int_equal(rig_unopened(r, i), 0);
		assert_in_range(fake_count(&r->end[i].sadb), 2, 8);
		assert_in_range(isakmps(i), 1, 4);
	}
}

static void at_every_step(void (*start)(void), unsigned within)
{
	unsigned most = 0, n = 0;

	for (unsigned end = 0; end < 2; end++)
		for (unsigned at = 0;; at++, n++) {
			unsigned done = 0;

			start();
			while (done < at && step())
				done++;
			if (done < at) {
				(void)teardown(NULL);
				break;
			}
			killed(end);
			rig_settle(r);
			all_is_well(within, &most);
			(void)teardown(NULL);
		}
	print_message("%u kills, out for %u s at most\n", n, most);
}

/* With packets both ways at once; where one end only answers, dead peer detection has to find out (spec 20.4: 145 s). */
static void at_every_step_both(void (*start)(void), unsigned within)
{
	answers = 0;
	at_every_step(start, within);
	answers = 1;
	at_every_step(start, 150);
}

static void t_handshake(void **state)
{
	(void)state;
	for (mode = IKE_MODE_MAIN; mode <= IKE_MODE_BASE; mode++)
		at_every_step_both(begin_handshake, 5);
	mode = IKE_MODE_MAIN;
}

static void t_rekey(void **state)
{
	(void)state;
	at_every_step_both(begin_rekey, 5);
}

static void t_renewal_of_phase_1(void **state)
{
	(void)state;
	at_every_step_both(begin_renewal, 5);
}

/* A Delete that a dead daemon does not hear is not repeated (spec 20.1). */
static void t_deletes(void **state)
{
	(void)state;
	at_every_step_both(begin_flush, 150);
	at_every_step_both(begin_kill_connections, 150);
}

/* Spec 14.2, 20.2: the soft limit of bytes passes while there is no daemon, and the data plane says it once. */
static void t_soft_bytes_meanwhile(void **state)
{
	(void)state;
	for (unsigned end = 0; end < 2; end++) {
		struct fake_sadb *s;
		uint64_t ref;

		begin_up();
		s = &r->end[end].sadb;
		ref = s->policy_out[0];
		for (unsigned i = 0; i < FAKE_SAS; i++) {
			s->sa[i].sa.soft_bytes = 800;
			s->sa[i].sa.hard_bytes = 1000;
		}
		fake_sa(s, ref)->use.bytes = end == 0 ? 800 : 950; /* whose phase 2 it is; whose it is not */
		killed(end);
		rig_settle(r);
		rig_advance(r, 15 * NS_PER_S);
		assert_true(s->policy_out[0] != ref);
		assert_true(works(0) && works(1));
		(void)teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(t_handshake, teardown),
		cmocka_unit_test_teardown(t_rekey, teardown),
		cmocka_unit_test_teardown(t_renewal_of_phase_1, teardown),
		cmocka_unit_test_teardown(t_deletes, teardown),
		cmocka_unit_test_teardown(t_soft_bytes_meanwhile, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
