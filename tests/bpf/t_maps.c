/* SPDX-License-Identifier: BSD-2-Clause */
/* user/maps against the kernel: making, opening, version check; SAs and policies published, removed, half-made. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "user/base/clock.h"

#define SADS 8
#define SPDS 16

static struct maps *m;

static int setup(void **state)
{
	(void)state;
	m = sandbox_maps(SADS, SPDS);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	maps_close(m);
	m = NULL;
	return maps_unpin(&p, NULL);
}

static struct xi_sa an_sa(uint32_t spi, uint8_t dir)
{
	struct xi_sa sa = {.dir = dir,
			   .proto = XI_PROTO_ESP,
			   .mode = XI_MODE_TUNNEL,
			   .family = XI_IP4,
			   .spi = htonl(spi),
			   .src = ip4(192, 0, 2, 1),
			   .dst = ip4(192, 0, 2, 2),
			   .enc_key_len = 16};

	memset(sa.enc_key, 0xa5, sizeof(sa.enc_key));
	return sa;
}

static struct xi_policy a_policy(int32_t priority, uint32_t position, uint8_t flags)
{
	struct xi_policy p = {.action = XI_ACTION_ENCRYPT,
			      .level = XI_LEVEL_REQUIRE,
			      .mode = XI_MODE_TUNNEL,
			      .protos = XI_PROTOS_ESP,
			      .flags = flags,
			      .priority = priority,
			      .position = position,
			      .sel = {.src = ip4(10, 1, 0, 77),
				      .dst = ip4(10, 2, 0, 77),
				      .src_len = 24,
				      .dst_len = 15,
				      .family = XI_IP4}};

	return p;
}

static uint64_t publish(uint32_t spi, uint8_t dir)
{
	struct xi_sa sa = an_sa(spi, dir);
	uint64_t ref = 0;
	struct err e;

	assert_ok(sad_publish(m, &sa, 41, &ref, &e), &e);
	return ref;
}

static int spi_entry(uint32_t spi, struct xi_spi_val *val)
{
	struct xi_spi_key key = {.dst = ip4(192, 0, 2, 2), .spi = htonl(spi), .proto = XI_PROTO_ESP, .family = XI_IP4};

	return bpf_map_lookup_elem(m->fd[MAP_SPI], &key, val) == 0;
}

static void lock(void)
{
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
}

/* --- making and opening --- */

static void t_open_finds_what_was_made(void **state)
{
	struct maps *again = NULL;
	struct stat st;
	struct err e;

	(void)state;
	assert_ok(maps_open(&again, &m->paths, &e), &e);
	assert_int_equal(again->meta->sad_max, SADS);
	again->sad[SADS - 1].reqid = 7;
	assert_int_equal(m->sad[SADS - 1].reqid, 7);
	again->wpolstat[(size_t)m->meta->workers_max * SPDS - 1].res = 9;
	assert_int_equal(m->wpolstat[(size_t)m->meta->workers_max * SPDS - 1].res, 9);
	assert_true(m->bytes > SADS * (sizeof(struct xi_sa) + sizeof(struct xi_replay)));
	assert_int_equal(m->meta->inject_mac[0] & 3, 2);
	maps_close(again);
	assert_int_equal(stat(m->paths.pins, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat("/sys/fs/bpf/xdp-ipsec/test/v3/xi_sad", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void t_existing_set_keeps_its_sizes(void **state)
{
	struct maps *again = NULL;
	struct err e;

	(void)state;
	assert_ok(maps_open_or_create(&again, &m->paths, 4 * SADS, 4 * SPDS, &e), &e);
	assert_int_equal(again->meta->sad_max, SADS);
	assert_int_equal(again->meta->spd_max, SPDS);
	maps_close(again);
}

static void t_no_maps(void **state)
{
	struct maps *none = NULL;
	struct paths p;
	struct err e = {""};

	(void)state;
	assert_int_equal(paths_init(&p, "nobody", XI_ABI_VERSION, &e), 0);
	assert_int_equal(maps_open(&none, &p, &e), -ENOENT);
	assert_non_null(strstr(e.text, "instance nobody"));
	assert_null(none);
	assert_int_equal(maps_open_or_create(&none, &p, 0, 1, &e), -EINVAL);
	assert_int_not_equal(access("/sys/fs/bpf/xdp-ipsec/nobody", F_OK), 0);
}

static void t_other_abi_version(void **state)
{
	struct maps *none = NULL;
	struct paths p;
	struct err e = {""};

	(void)state;
	assert_int_equal(paths_init(&p, "test", 9, &e), 0);
	assert_int_equal(maps_open(&none, &p, &e), -EPROTO);
	assert_non_null(strstr(e.text, "ABI version 3 "));
	assert_non_null(strstr(e.text, "version 9"));
	assert_int_equal(maps_open_or_create(&none, &p, SADS, SPDS, &e), -EPROTO);
	assert_int_not_equal(access(p.pins, F_OK), 0);
	m->meta->abi = 4;
	assert_int_equal(maps_open(&none, &m->paths, &e), -EPROTO);
	assert_non_null(strstr(e.text, "ABI version 4"));
	m->meta->abi = XI_ABI_VERSION;
	m->meta->size_sa += 8;
	assert_int_equal(maps_open(&none, &m->paths, &e), -EPROTO);
	assert_non_null(strstr(e.text, "520"));
	m->meta->size_sa -= 8;
	m->meta->sad_max -= 1; /* does not fit the maps */
	assert_int_equal(maps_open(&none, &m->paths, &e), -EPROTO);
	m->meta->sad_max += 1;
}

static void t_half_made_set_is_replaced(void **state)
{
	struct maps *fresh = NULL;
	char path[PATH_LEN + 16];
	struct err e;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/xi_meta", m->paths.pins);
	assert_int_equal(unlink(path), 0);
	m->sad[0].reqid = 5;
	assert_ok(maps_open_or_create(&fresh, &m->paths, 2, 3, &e), &e);
	assert_int_equal(fresh->meta->spd_max, 3);
	assert_int_equal(fresh->sad[0].reqid, 0);
	maps_close(m);
	m = fresh;
}

/* --- SAs --- */

static void t_sad_publish_and_remove(void **state)
{
	uint64_t sad_gen = m->meta->sad_gen, in = publish(0x100, XI_DIR_IN), out = publish(0x200, XI_DIR_OUT);
	static const uint8_t zero[sizeof(struct xi_sa)];
	const struct xi_sa *sa = sad_get(m, in);
	struct xi_spi_val val;

	(void)state;
	assert_non_null(sa);
	assert_int_equal(sa->state, XI_SA_MATURE);
	assert_true(sa->add_ns && sa->add_wall);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(in)].seq_out, 41);
	assert_true(spi_entry(0x100, &val));
	assert_int_equal(val.dir, XI_DIR_IN);
	assert_true(XI_REF(val.slot, val.gen) == in);
	assert_true(spi_entry(0x200, &val));
	assert_int_equal(val.dir, XI_DIR_OUT);
	assert_int_equal(m->meta->sad_gen, sad_gen + 2);
	sad_remove(m, in);
	assert_null(sad_get(m, in));
	assert_false(spi_entry(0x100, &val));
	assert_memory_equal(sa, zero, sizeof(zero)); /* keys wiped */
	sad_remove(m, in);
	sad_remove(m, 0);
	sad_remove(m, XI_REF(SADS, 1));
	assert_non_null(sad_get(m, out));
	sad_remove(m, out);
	assert_int_equal(m->meta->sad_gen, sad_gen + 4);
}

static void t_sad_slot_reuse_gets_a_new_generation(void **state)
{
	uint64_t ref[SADS], late;
	struct xi_sa sa = an_sa(0x999, XI_DIR_IN);
	struct err e = {""};

	(void)state;
	for (int i = 0; i < SADS; i++)
		ref[i] = publish(0x100 + (uint32_t)i, XI_DIR_IN);
	assert_int_equal(sad_publish(m, &sa, 0, &late, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "all 8 SAs"));
	sad_remove(m, ref[3]);
	late = publish(0x999, XI_DIR_IN);
	assert_int_equal(XI_REF_SLOT(late), XI_REF_SLOT(ref[3]));
	assert_null(sad_get(m, ref[3]));
	sad_remove(m, ref[3]); /* stale: must not touch the new one */
	assert_non_null(sad_get(m, late));
}

/* Spec 13.5: UDP port 4500 is IPsec's from the first SA with UDP on, also when a plain one becomes that. */
static void t_sad_with_udp_takes_port_4500(void **state)
{
	struct xi_sa sa = an_sa(0x100, XI_DIR_IN);
	uint64_t ref = publish(0x100, XI_DIR_IN), renewed;
	struct err e;

	(void)state;
	assert_int_equal(m->meta->natt, 0);
	sa.flags |= XI_SA_F_UDP;
	assert_ok(sad_renew(m, ref, &sa, &renewed, &e), &e);
	assert_int_equal(m->meta->natt, 1);
	m->meta->natt = 0;
	sad_remove(m, renewed);
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	assert_int_equal(m->meta->natt, 1);
}

static void t_sad_spi_taken(void **state)
{
	struct xi_sa sa = an_sa(0x100, XI_DIR_IN);
	struct err e = {""};
	uint64_t ref, first = publish(0x100, XI_DIR_IN);
	struct xi_spi_val val;

	(void)state;
	assert_int_equal(sad_publish(m, &sa, 0, &ref, &e), -EEXIST);
	assert_non_null(strstr(e.text, "0x100"));
	assert_non_null(strstr(e.text, "192.0.2.2"));
	/* an entry whose SA was wiped by a writer that died is taken over */
	m->sad[XI_REF_SLOT(first)].gen = 0;
	ref = publish(0x100, XI_DIR_IN);
	assert_true(spi_entry(0x100, &val) && XI_REF(val.slot, val.gen) == ref);
}

/* A worker in the middle of a burst: sees the SA go, finishes, moves on. */
static void *busy_worker(void *arg)
{
	struct xi_sa *sa = arg;
	long still_there;

	while (__atomic_load_n(&sa->gen, __ATOMIC_ACQUIRE) != 0)
		;
	still_there = sa->enc_key[0];
	__atomic_store_n(&m->wstat[0].epoch, 8, __ATOMIC_RELEASE);
	return (void *)still_there;
}

static void t_sad_remove_waits_for_bursts(void **state)
{
	struct xi_sa sa = an_sa(0x777, XI_DIR_OUT), *slot;
	uint64_t ref = 0, before;
	void *still_there;
	struct err e;
	pthread_t t;

	(void)state;
	sa.enc_key[0] = 0x5a;
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	slot = &m->sad[XI_REF_SLOT(ref)];
	m->meta->workers = 1;
	m->wstat[0].epoch = 7;
	assert_int_equal(pthread_create(&t, NULL, busy_worker, slot), 0);
	sad_remove(m, ref);
	assert_int_equal(pthread_join(t, &still_there), 0);
	assert_int_equal((long)still_there, 0x5a); /* nothing was wiped under its hands */
	assert_int_equal(slot->enc_key[0], 0);
	/* one that is dead is not waited for without end */
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	m->wstat[0].epoch = 9;
	before = clock_ns();
	sad_remove(m, ref);
	assert_true(clock_ns() - before >= 100 * 1000 * 1000ull);
	assert_int_equal(slot->enc_key[0], 0);
	m->meta->workers = 0;
	spd_unlock(m);
}

static void t_sad_state_by_time(void **state)
{
	struct xi_sa sa = {.state = XI_SA_MATURE, .add_ns = 1000, .soft_ns = 80, .hard_ns = 100};

	(void)state;
	assert_int_equal(sad_state(&sa, 900), XI_SA_MATURE);
	assert_int_equal(sad_state(&sa, 1079), XI_SA_MATURE);
	assert_int_equal(sad_state(&sa, 1080), XI_SA_DYING);
	assert_int_equal(sad_state(&sa, 1100), XI_SA_DEAD);
	sa.soft_ns = sa.hard_ns = 0;
	assert_int_equal(sad_state(&sa, UINT64_MAX), XI_SA_MATURE);
	sa.state = XI_SA_LARVAL;
	assert_int_equal(sad_state(&sa, 5000), XI_SA_LARVAL);
}

/* Spec 14.2: bytes and packets too; the hard limit is reached when nothing more may pass. */
static void t_spec_14_2_state_by_bytes_and_packets(void **state)
{
	static const struct {
		uint64_t bytes, packets;
		enum xi_sa_state want;
	} rows[] = {
		{0, 0, XI_SA_MATURE},  {799, 7, XI_SA_MATURE}, {800, 0, XI_SA_DYING}, {0, 8, XI_SA_DYING},
		{999, 9, XI_SA_DYING}, {1000, 0, XI_SA_DEAD},  {0, 10, XI_SA_DEAD},   {5000, 50, XI_SA_DEAD},
	};
	struct xi_sa sa = {
		.state = XI_SA_MATURE, .soft_bytes = 800, .hard_bytes = 1000, .soft_packets = 8, .hard_packets = 10};
	struct xi_sa_rt rt = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rt.bytes = rows[i].bytes;
		rt.packets = rows[i].packets;
		assert_int_equal(sad_state_rt(&sa, &rt, 5), rows[i].want);
	}
	rt = (struct xi_sa_rt){.bytes = 900};
	sa.hard_ns = 3;
	assert_int_equal(sad_state_rt(&sa, &rt, 5), XI_SA_DEAD);
	sa = (struct xi_sa){.state = XI_SA_MATURE};
	rt = (struct xi_sa_rt){.bytes = UINT64_MAX, .packets = UINT64_MAX};
	assert_int_equal(sad_state_rt(&sa, &rt, 5), XI_SA_MATURE);
	sa.state = XI_SA_LARVAL;
	assert_int_equal(sad_state_rt(&sa, &rt, 5), XI_SA_LARVAL);
}

/* --- policies --- */

static uint32_t add(int32_t priority, uint32_t position, uint8_t flags)
{
	struct xi_policy p = a_policy(priority, position, flags);
	uint32_t slot = UINT32_MAX;
	struct err e;

	assert_ok(spd_add(m, &p, &slot, &e), &e);
	return slot;
}

static void commit(void)
{
	struct err e;

	assert_ok(spd_commit(m, &e), &e);
}

/* In evaluation order. */
static unsigned rules_in_force(struct xi_rule *out)
{
	uint32_t copy = m->meta->spd_gen & 1, n = m->class[copy].rules;

	for (uint32_t i = 0; i < n; i++) {
		const struct xi_rule *r = &m->rules[copy * m->meta->spd_max + i];

		assert_true(r->order < n);
		out[r->order] = *r;
	}
	return n;
}

static void t_spd_order_is_spec_13_1(void **state)
{
	struct xi_rule r[SPDS];
	uint32_t dyn, low, first, second, high;
	struct err e = {""};

	(void)state;
	lock();
	dyn = add(0, 0, XI_POL_DYNAMIC);
	low = add(-5, 0, 0);
	second = add(0, 2, 0);
	first = add(0, 1, 0);
	high = add(7, 9, 0);
	assert_int_equal(rules_in_force(r), 0); /* not before commit */
	assert_int_equal(m->spd[dyn].gen, 0);
	commit();
	assert_int_equal(rules_in_force(r), 5);
	assert_int_equal(r[0].slot, high);
	assert_int_equal(r[1].slot, first);
	assert_int_equal(r[2].slot, second);
	assert_int_equal(r[3].slot, dyn);
	assert_int_equal(r[4].slot, low);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(m->spd[r[i].slot].gen, r[i].gen);
		assert_int_equal(m->spd[r[i].slot].order, i);
	}
	/* prefixes become masks: /24 and /15, host bits gone */
	assert_int_equal(r[0].src.w[0], htonl(0x0a010000));
	assert_int_equal(r[0].src_mask.w[0], htonl(0xffffff00));
	assert_int_equal(r[0].dst.w[0], htonl(0x0a020000));
	assert_int_equal(r[0].dst_mask.w[0], htonl(0xfffe0000));
	assert_int_equal(spd_move(m, low, 8, 0), 0);
	assert_int_equal(m->spd[low].priority, -5);
	commit();
	(void)rules_in_force(r);
	assert_int_equal(r[0].slot, low);
	assert_int_equal(m->spd[low].priority, 8);
	assert_int_equal(spd_lock(m, &e), -EDEADLK);
	spd_unlock(m);
}

static void t_spd_rollback_and_unlock_forget(void **state)
{
	uint64_t gen = m->meta->spd_gen;
	struct xi_rule r[SPDS];
	uint32_t keep, gone;

	(void)state;
	lock();
	keep = add(0, 0, 0);
	commit();
	gone = add(0, 1, 0);
	assert_int_equal(spd_del(m, keep), 0);
	assert_int_equal(spd_del(m, keep), -ENOENT);
	spd_rollback(m);
	commit();
	assert_int_equal(rules_in_force(r), 1);
	assert_int_equal(r[0].slot, keep);
	assert_int_equal(spd_del(m, gone), -ENOENT);
	gone = add(0, 1, 0);
	spd_unlock(m);
	lock();
	commit();
	assert_int_equal(rules_in_force(r), 1);
	assert_int_equal(spd_del(m, SPDS), -ENOENT);
	assert_int_equal(spd_move(m, gone, 0, 0), -ENOENT);
	spd_unlock(m);
	assert_int_equal(m->meta->spd_gen, gen + 3);
}

static void t_spd_delete_frees_the_slot_and_full_table(void **state)
{
	struct xi_policy p = a_policy(0, 0, 0);
	struct err e = {""};
	uint32_t slot, old_gen;

	(void)state;
	lock();
	for (unsigned i = 0; i < SPDS; i++)
		(void)add(0, i, 0);
	assert_int_equal(spd_add(m, &p, &slot, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "all 16 policies"));
	commit();
	old_gen = m->spd[4].gen;
	assert_int_equal(spd_del(m, 4), 0);
	assert_int_equal(m->spd[4].gen, old_gen); /* until the commit */
	commit();
	assert_int_equal(m->spd[4].gen, 0);
	assert_int_equal(add(0, 4, 0), 4);
	commit();
	assert_int_not_equal(m->spd[4].gen, old_gen);
	spd_unlock(m);
}

static void t_spd_inactive_policies(void **state)
{
	struct xi_policy use = a_policy(2, 0, XI_POL_INACTIVE), require = a_policy(1, 0, XI_POL_INACTIVE);
	struct xi_tuple t = {.src = ip4(10, 1, 0, 1), .dst = ip4(10, 2, 0, 1), .family = XI_IP4, .proto = 17};
	struct xi_rule r;
	uint32_t slot, required;
	struct err e;

	(void)state;
	use.level = XI_LEVEL_USE;
	lock();
	assert_ok(spd_add(m, &use, &slot, &e), &e);
	assert_ok(spd_add(m, &require, &required, &e), &e);
	commit();
	spd_unlock(m);
	assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
	assert_int_equal(r.slot, required);
	assert_int_equal(class_match(m, &t, XI_DIR_IN, &r), 0);
	/* level=use is behind all others, whatever its priority: there to be counted */
	lock();
	assert_int_equal(spd_del(m, required), 0);
	commit();
	spd_unlock(m);
	assert_int_equal(class_match(m, &t, XI_DIR_OUT, &r), 1);
	assert_int_equal(r.slot, slot);
}

/* --- writers that die --- */

/* Runs step in a child that kills itself; the parent gets on with the maps as they are then. */
static void die_after(void (*step)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		step();
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void plan_only(void)
{
	lock();
	(void)add(0, 5, 0);
	(void)spd_del(m, 0);
}

static void before_swap(void)
{
	plan_only();
	/* what spd_commit() stores before the swap */
	m->meta->spd_begin = m->meta->spd_gen + 1;
	m->spd[1].gen = ++m->meta->next_gen;
}

static void in_the_other_copy(void)
{
	plan_only();
	m->meta->spd_begin = m->meta->spd_gen + 1;
}

static void after_swap(void)
{
	lock();
	assert_int_equal(spd_move(m, 0, 44, 3), 0);
	commit();
	/* as if it had died right behind the swap */
	m->meta->spd_done--;
	m->spd[0].priority = 0;
	m->spd[0].order = 99;
}

static void t_spd_dead_writer_leaves_old_version_in_force(void **state)
{
	struct xi_rule r[SPDS];

	(void)state;
	lock();
	assert_int_equal(add(0, 0, 0), 0);
	commit();
	spd_unlock(m);
	die_after(plan_only);
	assert_int_equal(rules_in_force(r), 1);
	die_after(before_swap);
	assert_int_equal(rules_in_force(r), 1);
	lock();
	assert_int_equal(m->spd[1].gen, 0); /* the half-made one is gone */
	assert_int_equal(m->meta->spd_begin, m->meta->spd_gen);
	spd_unlock(m);
	die_after(after_swap);
	lock();
	assert_int_equal(m->spd[0].priority, 44);
	assert_int_equal(m->spd[0].order, 0);
	assert_int_equal(m->meta->spd_begin, m->meta->spd_gen);
	spd_unlock(m);
	assert_int_equal(rules_in_force(r), 1);
}

/*
 * A reader that was suspended in the copy which a killed commit had begun to fill must start again also after the repair: it compares
 * spd_begin with the generation it began with, two below the one that was being made.
 */
static void t_spd_repair_does_not_hide_the_killed_commit_from_slow_readers(void **state)
{
	struct xi_rule r[SPDS];
	uint64_t reader, begin;

	(void)state;
	lock();
	assert_int_equal(add(0, 0, 0), 0);
	commit();
	reader = m->meta->spd_gen;
	assert_int_equal(add(0, 1, 0), 1);
	commit();
	spd_unlock(m);
	assert_true(m->meta->spd_begin <= reader + 1); /* its copy is whole so far */
	die_after(in_the_other_copy);
	begin = m->meta->spd_begin;
	assert_true(begin > reader + 1);
	lock();
	assert_true(m->meta->spd_begin >= begin);
	assert_int_equal(m->meta->spd_begin, m->meta->spd_gen);
	assert_int_equal(rules_in_force(r), 2);
	assert_int_equal(r[1].slot, 1);
	spd_unlock(m);
}

/* Killed at any moment of a row of commits: the policies are one of the two versions, never a mix. */
static void t_spd_killed_in_the_middle(void **state)
{
	struct xi_rule r[SPDS];

	(void)state;
	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();
		unsigned n;

		assert_true(pid >= 0);
		if (pid == 0) {
			lock();
			for (unsigned i = 0;; i++) {
				for (unsigned k = 0; k < 5; k++) {
					if (i % 2)
						(void)spd_del(m, k);
					else
						(void)add((int)k, k, 0);
				}
				commit();
			}
		}
		(void)usleep(1000 + 1700 * (useconds_t)round); /* any moment will do: not a wait for something */
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		lock();
		n = rules_in_force(r);
		assert_true(n == 0 || n == 5);
		for (uint32_t s = 0, used = 0; s < SPDS; s++) {
			used += m->spd[s].gen != 0;
			if (s == SPDS - 1)
				assert_int_equal(used, n);
		}
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(m->spd[r[i].slot].gen, r[i].gen);
		for (uint32_t s = 0; s < SPDS; s++)
			(void)spd_del(m, s);
		commit();
		spd_unlock(m);
	}
}

/* --- statistics --- */

static void t_stats_sum_cpus_and_workers(void **state)
{
	uint64_t reason[XI_REASON_MAX], stat[XI_STAT_MAX], val[256] = {3};
	struct xi_polstat pol[256] = {{0}}, sum;
	__u32 key = XI_DROP_IN_PLAIN;
	uint32_t slot;

	(void)state;
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_STAT], &key, val, BPF_ANY), 0);
	m->wstat[2].reason[XI_DROP_IN_PLAIN] = 4;
	m->wstat[0].reason[XI_DROP_IN_TEMPLATE] = 10;
	assert_int_equal(stats_reasons(m, reason), 0);
	assert_int_equal(reason[XI_DROP_IN_PLAIN], 7);
	stats_from_reasons(stat, reason);
	assert_int_equal(stat[XI_STAT_IN_TEMPLATE_MISMATCHES], 17);
	assert_int_equal(stat[XI_STAT_OUT_ERRORS], 0);
	assert_string_equal(stat_name(XI_STAT_IN_NO_STATES), "in-no-states");
	assert_string_equal(stat_name(XI_STAT_MAX - 1), "out-policy-errors");
	assert_null(stat_name(XI_STAT_MAX));
	assert_null(reason_text(XI_OK));
	assert_null(reason_text(XI_REASON_MAX));
	assert_non_null(reason_text(XI_TO_WORKER));
	lock();
	slot = add(0, 0, 0);
	commit();
	spd_unlock(m);
	pol[0] = (struct xi_polstat){.in_dropped = 5, .gen = m->spd[slot].gen};
	assert_int_equal(bpf_map_update_elem(m->fd[MAP_POLSTAT], &slot, pol, BPF_ANY), 0);
	m->wpolstat[SPDS + slot] = (struct xi_polstat){.in_dropped = 2, .gen = m->spd[slot].gen};
	m->wpolstat[2 * SPDS + slot] = (struct xi_polstat){.in_dropped = 100, .gen = m->spd[slot].gen - 1};
	assert_int_equal(stats_policy(m, slot, &sum), 0);
	assert_int_equal(sum.in_dropped, 7);
	assert_int_equal(stats_policy(m, slot + 1, &sum), -ENOENT);
	assert_int_equal(stats_policy(m, SPDS, &sum), -ENOENT);
}

/* Spec 6.2: one missing SA of the two counts as missing for the bundle; sa_out is set only while sa_out_ah is. */
static void t_spec_6_2_bundle_is_whole(void **state)
{
	static const struct {
		struct spd_sas set, want;
	} rows[] = {
		{{10, 20, 30, 40}, {10, 20, 30, 40}}, {{10, 20, 0, 40}, {0, 20, 0, 40}},
		{{11, 21, 31, 0}, {11, 21, 31, 0}},   {{0, 21, 31, 41}, {0, 21, 31, 41}},
		{{0, 0, 0, 0}, {0, 0, 0, 0}},
	};
	struct xi_policy p = a_policy(0, 0, 0);
	uint32_t both = UINT32_MAX, one = UINT32_MAX;
	struct spd_sas got;
	struct err e;

	(void)state;
	assert_ok(spd_lock(m, &e), &e);
	p.protos = XI_PROTOS_ESP;
	assert_ok(spd_add(m, &p, &one, &e), &e);
	p.protos = XI_PROTOS_ESP | XI_PROTOS_AH;
	assert_ok(spd_add(m, &p, &both, &e), &e);
	commit();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		spd_set_sa(m, both, &rows[i].set);
		got = spd_sas_of(&m->spd[both]);
		assert_memory_equal(&got, &rows[i].want, sizeof(got));
	}
	spd_set_sa(m, both, &rows[0].set);
	spd_set_sa(m, one, &rows[0].set);
	got = spd_sas_of(&m->spd[one]);
	assert_memory_equal(&got, (&(struct spd_sas){10, 20, 0, 0}), sizeof(got));
	spd_replace_sa(m, 30, 33);
	assert_int_equal(m->spd[both].sa_out_ah, 33);
	assert_int_equal(m->spd[both].sa_out, 10);
	spd_replace_sa(m, 10, 12);
	assert_int_equal(m->spd[both].sa_out, 12);
	assert_int_equal(m->spd[one].sa_out, 12);
	spd_replace_sa(m, 33, 0);
	assert_int_equal(m->spd[both].sa_out, 0);
	assert_int_equal(m->spd[one].sa_out, 12);
	assert_int_equal(m->spd[both].sa_in_ah, 40);
	spd_unlock(m);
}

/* Spec 14.1: a larval SA is not used outbound; for the policy, whatever its level, it is missing. */
static void t_spec_14_1_larval_is_missing(void **state)
{
	struct xi_sa sa = an_sa(0x300, XI_DIR_OUT);
	struct spd_sas sas = {0};
	uint32_t slot;
	struct err e;

	(void)state;
	sa.state = XI_SA_LARVAL;
	assert_ok(sad_publish(m, &sa, 0, &sas.out, &e), &e);
	sas.in = publish(0x301, XI_DIR_IN);
	lock();
	slot = add(0, 0, 0);
	commit();
	spd_set_sa(m, slot, &sas);
	assert_int_equal(m->spd[slot].sa_out, 0);
	assert_int_equal(m->spd[slot].sa_in, sas.in);
	m->sad[XI_REF_SLOT(sas.out)].state = XI_SA_MATURE;
	spd_set_sa(m, slot, &sas);
	assert_int_equal(m->spd[slot].sa_out, sas.out);
	spd_unlock(m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_open_finds_what_was_made),
		T(t_existing_set_keeps_its_sizes),
		T(t_no_maps),
		T(t_other_abi_version),
		T(t_half_made_set_is_replaced),
		T(t_sad_publish_and_remove),
		T(t_sad_slot_reuse_gets_a_new_generation),
		T(t_sad_spi_taken),
		T(t_sad_with_udp_takes_port_4500),
		T(t_sad_remove_waits_for_bursts),
		T(t_sad_state_by_time),
		T(t_spec_14_2_state_by_bytes_and_packets),
		T(t_spec_6_2_bundle_is_whole),
		T(t_spec_14_1_larval_is_missing),
		T(t_spd_order_is_spec_13_1),
		T(t_spd_rollback_and_unlock_forget),
		T(t_spd_delete_frees_the_slot_and_full_table),
		T(t_spd_inactive_policies),
		T(t_spd_dead_writer_leaves_old_version_in_force),
		T(t_spd_repair_does_not_hide_the_killed_commit_from_slow_readers),
		T(t_spd_killed_in_the_middle),
		T(t_stats_sum_cpus_and_workers),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
