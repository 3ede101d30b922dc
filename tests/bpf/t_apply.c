/* SPDX-License-Identifier: BSD-2-Clause */
/* user/cli/apply.c against real maps: what stays, what is renewed, what is undone. */
#include "bpf/abi/xi_alg.h"
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>

#include <errno.h>
#include <sys/stat.h>

#include "user/base/clock.h"
#include "user/cli/apply.h"
#include "user/conf/exec.h"
#include "user/ipsec/replay.h"
#include "user/maps/seqmem.h"

#define SADS 8
#define SPDS 16
#define K16A "000102030405060708090a0b0c0d0e0f"
#define K16B "101112131415161718191a1b1c1d1e1f"
#define TEMPLATE                                                                                                       \
	"manual-sa add name=m esp-enc-algorithm=aes-128 esp-enc-key=" K16A "/" K16B                                    \
	" esp-auth-algorithm=md5 esp-auth-key=" K16A "/" K16B " esp-spi=0x101/0x202 replay=128\n"
#define TUNNEL                                                                                                         \
	"policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-src-address=198.51.100.1 "           \
	"sa-dst-address=203.0.113.1 manual-sa=m\n"

static struct maps *m;
static struct conf conf;

static int setup(void **state)
{
	(void)state;
	m = sandbox_maps(SADS, SPDS);
	conf_init(&conf);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;
	char seq[PATH_LEN + 8];

	(void)state;
	conf_free(&conf);
	(void)snprintf(seq, sizeof(seq), "%s/seq", p.run);
	(void)unlink(seq);
	maps_close(m);
	m = NULL;
	return maps_unpin(&p, NULL);
}

/* Runs commands on conf and brings it into the maps. */
static int change(const char *script, struct err *e)
{
	struct conf_err ce = {0};
	struct plan plan;
	int rc;

	for (unsigned menu = 0; menu < MENU_MAX; menu++)
		for (unsigned i = 0; i < conf.list[menu].count; i++)
			conf.list[menu].item[i]->flags = 0;
	if (exec_script(&conf, script, strlen(script), NULL, &ce))
		fail_msg("%s", ce.text);
	assert_int_equal(plan_build(&plan, &conf, route_source), 0);
	rc = apply_plan(m, &plan, &conf, e);
	plan_free(&plan);
	return rc;
}

static void must(const char *script)
{
	struct err e = {""};

	assert_ok(change(script, &e), &e);
}

static uint32_t slot_of(uint32_t id)
{
	for (uint32_t s = 0; s < SPDS; s++)
		if (m->spd[s].gen && m->spd[s].id == id)
			return s;
	fail_msg("policy *%u is not in the maps", id);
	return 0;
}

static unsigned policies(void)
{
	unsigned n = 0;

	for (uint32_t s = 0; s < SPDS; s++)
		n += m->spd[s].gen != 0;
	return n;
}

static unsigned sas(void)
{
	unsigned n = 0;

	for (uint32_t s = 0; s < SADS; s++)
		n += m->sad[s].gen != 0;
	return n;
}

static struct xi_sa_rt *rt_out(uint32_t id)
{
	uint64_t ref = m->spd[slot_of(id)].sa_out;

	assert_non_null(sad_get(m, ref));
	return &m->sa_rt[XI_REF_SLOT(ref)];
}

static struct xi_sa_rt *rt_in(uint32_t id)
{
	uint64_t ref = m->spd[slot_of(id)].sa_in;

	assert_non_null(sad_get(m, ref));
	return &m->sa_rt[XI_REF_SLOT(ref)];
}

static void used(uint32_t id)
{
	rt_out(id)->seq_out = 5000;
	rt_out(id)->bytes = 77;
	rt_in(id)->seq_top = 900;
	m->replay[XI_REF_SLOT(m->spd[slot_of(id)].sa_in)].word[0] = 0x55;
}

/* What does not concern them leaves slots, generations and counters alone (spec 6.4: comment, priority, position). */
static void t_spec_6_4_nothing_moves(void **state)
{
	struct xi_policy before;
	struct xi_sa out;

	(void)state;
	must(TEMPLATE TUNNEL);
	assert_int_equal(sas(), 2);
	used(1);
	before = m->spd[slot_of(1)];
	out = *sad_get(m, before.sa_out);
	must("policy set 0 comment=x priority=7\nmanual-sa set m comment=y\n"
	     "policy add place-before=0 action=discard src-address=10.9.0.0/16 dst-address=10.2.0.0/16");
	assert_int_equal(m->spd[slot_of(1)].gen, before.gen);
	assert_true(m->spd[slot_of(1)].sa_out == before.sa_out);
	assert_true(m->spd[slot_of(1)].sa_in == before.sa_in);
	assert_int_equal(m->spd[slot_of(1)].priority, 7);
	assert_int_equal(m->spd[slot_of(1)].position, 1);
	assert_int_equal(m->spd[slot_of(1)].order, 0);
	assert_int_equal(m->spd[slot_of(2)].order, 1);
	assert_memory_equal(sad_get(m, before.sa_out), &out, sizeof(out));
	assert_int_equal(rt_out(1)->seq_out, 5000);
	assert_int_equal(rt_out(1)->bytes, 77);
}

/* An edit that keeps the keys renews the SA in its place: sequence and replay state go on, the policy points at it. */
static void t_renewed_in_place(void **state)
{
	uint64_t old_out;

	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	old_out = m->spd[slot_of(1)].sa_out;
	must("manual-sa set m lifetime=1h");
	assert_int_equal(sas(), 2);
	assert_int_equal(XI_REF_SLOT(m->spd[slot_of(1)].sa_out), XI_REF_SLOT(old_out));
	assert_true(m->spd[slot_of(1)].sa_out != old_out);
	assert_null(sad_get(m, old_out));
	assert_int_equal(rt_out(1)->seq_out, 5000);
	assert_int_equal(rt_out(1)->bytes, 0);
	assert_int_equal(rt_in(1)->seq_top, 900);
	assert_int_equal(m->replay[XI_REF_SLOT(m->spd[slot_of(1)].sa_in)].word[0], 0x55);
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->hard_ns / NS_PER_S, 3600);
}

/* Spec 10, flush: installed anew at once, sequence and replay state kept, policy untouched. */
static void t_spec_10_flush(void **state)
{
	struct err e = {""};
	uint64_t old_out;
	uint32_t gen;

	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	old_out = m->spd[slot_of(1)].sa_out;
	gen = m->spd[slot_of(1)].gen;
	assert_ok(apply_flush(m, XI_PROTO_AH, &e), &e);
	assert_true(m->spd[slot_of(1)].sa_out == old_out);
	assert_ok(apply_flush(m, 0, &e), &e);
	assert_true(m->spd[slot_of(1)].sa_out != old_out);
	assert_int_equal(m->spd[slot_of(1)].gen, gen);
	assert_int_equal(rt_out(1)->seq_out, 5000);
	assert_int_equal(rt_out(1)->bytes, 0);
	assert_int_equal(rt_in(1)->seq_top, 900);
}

/* RFC 4303 §3.3.3: a number is not used twice under one key, also when the SA was away meanwhile. */
static void t_rfc4303_3_3_3_sequence_goes_on(void **state)
{
	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	must("manual-sa disable m");
	assert_int_equal(sas(), 0);
	assert_int_equal(m->spd[slot_of(1)].flags, XI_POL_INACTIVE);
	must("manual-sa enable m");
	assert_true(rt_out(1)->seq_out >= 5000);
	assert_true(rt_out(1)->seq_out < 5000 + SEQMEM_GUARD);
	/* the same key under another SPI */
	rt_out(1)->seq_out = 100000;
	must("manual-sa set m esp-spi=0x101/0x999");
	assert_int_equal(sas(), 2);
	assert_true(rt_out(1)->seq_out >= 100000);
	/* a new key starts anew */
	must("manual-sa set m esp-enc-key=" K16B "/" K16A);
	assert_int_equal(sas(), 2);
	assert_int_equal(rt_out(1)->seq_out, 0);
	/* and going back to the old one does not */
	must("manual-sa set m esp-enc-key=" K16A "/" K16B);
	assert_true(rt_out(1)->seq_out >= 100000);
	/* maps that vanish (last interface detached) */
	rt_out(1)->seq_out = 200000;
	apply_remember(m);
	must("policy remove 0");
	must(TUNNEL);
	assert_true(rt_out(2)->seq_out >= 200000);
}

#define GCM                                                                                                            \
	"manual-sa add name=m esp-enc-algorithm=aes-128-gcm unsafe-aead=yes esp-enc-key=" K16A "01020304/" K16B        \
	"01020304 esp-spi=0x101/0x202 replay=128\n"

/* RFC 4303 §3.4.3: what was received is a replay for the successor too, and what comes next is not. */
static void t_rfc4303_3_4_3_received_is_kept(void **state)
{
	static const uint64_t tops[] = {900, 959, 960, 70000};

	(void)state;
	must(TEMPLATE TUNNEL);
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		uint64_t top = tops[i];
		struct xi_replay *r;

		rt_in(1)->seq_top = top;
		must("policy disable 0");
		assert_int_equal(sas(), 0);
		must("policy enable 0");
		assert_int_equal(rt_in(1)->seq_top, top);
		r = &m->replay[XI_REF_SLOT(m->spd[slot_of(1)].sa_in)];
		for (uint64_t seq = top - 500; seq <= top; seq++)
			assert_int_equal(replay_check(rt_in(1), r, 1024, seq), XI_DROP_IN_REPLAY_DUP);
		for (uint64_t seq = top + 1; seq < top + 200; seq++) {
			assert_int_equal(replay_update(rt_in(1), r, 1024, seq), XI_OK);
			assert_int_equal(replay_check(rt_in(1), r, 1024, seq), XI_DROP_IN_REPLAY_DUP);
		}
		assert_int_equal(replay_check(rt_in(1), r, 1024, top), XI_DROP_IN_REPLAY_DUP);
	}
	/* the maps vanish: seqmem_note_all() is what xdp-ipsecd and detach call */
	rt_in(1)->seq_top = 80000;
	apply_remember(m);
	rt_in(1)->seq_top = 0;
	must("policy disable 0");
	must("policy enable 0");
	assert_int_equal(rt_in(1)->seq_top, 80000);
	/* another SPI has another ICV: nothing of it was received */
	must("manual-sa set m esp-spi=0x111/0x202");
	assert_int_equal(rt_in(1)->seq_top, 0);
	must("manual-sa set m esp-spi=0x101/0x202");
	assert_int_equal(rt_in(1)->seq_top, 80000);
}

/* The peer was rebooted and counts from the start: its template's disable and enable is the operator's word for that. */
static void t_template_disable_forgets_received(void **state)
{
	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	must("manual-sa disable m");
	must("manual-sa enable m");
	assert_int_equal(rt_in(1)->seq_top, 0);
	assert_int_equal(m->replay[XI_REF_SLOT(m->spd[slot_of(1)].sa_in)].word[0], 0);
	assert_true(rt_out(1)->seq_out >= 5000);
}

/* RFC 4106 §2, RFC 3686 §2: under a counter-mode key every number is new, whoever used it: also the peer, also for 0 packets. */
static void t_rfc4106_2_key_changes_sides(void **state)
{
	(void)state;
	must(GCM TUNNEL);
	rt_out(1)->seq_out = 5000;
	rt_in(1)->seq_top = 90000;
	/* keys exchanged: ours to send with is what the peer sent with */
	must("manual-sa set m esp-enc-key=" K16B "01020304/" K16A "01020304");
	assert_true(rt_out(1)->seq_out >= 90000);
	/* another salt is another nonce */
	must("manual-sa set m esp-enc-key=" K16B "01020304/" K16A "01020305");
	assert_int_equal(rt_out(1)->seq_out, 0);
	/* the same key under another SPI and another peer: the old SA is out before the new one begins */
	must("manual-sa set m esp-spi=0x101/0x203\npolicy set 0 sa-dst-address=203.0.113.7");
	assert_int_equal(sas(), 2);
	assert_true(rt_out(1)->seq_out >= SEQMEM_MARGIN);
}

/* Exchange of SPIs between counter-mode templates: each key goes on with its own numbers. */
static void t_rfc4106_2_exchange(void **state)
{
	(void)state;
	must(GCM TUNNEL "manual-sa add copy-from=m name=n esp-spi=0x303/0x404 esp-enc-key=" K16A "0a020304/" K16B
			"0b020304\npolicy add copy-from=0 src-address=10.3.0.0/16 manual-sa=n");
	assert_int_equal(sas(), 4);
	rt_out(1)->seq_out = 10000;
	rt_out(2)->seq_out = 200000;
	must("manual-sa set m esp-spi=0x505/0x606\nmanual-sa set n esp-spi=0x101/0x202\nmanual-sa set m "
	     "esp-spi=0x303/0x404");
	assert_int_equal(sas(), 4);
	assert_true(rt_out(1)->seq_out >= 10000 && rt_out(1)->seq_out < 200000);
	assert_true(rt_out(2)->seq_out >= 200000);
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->spi, htonl(0x404));
	assert_int_equal(sad_get(m, m->spd[slot_of(2)].sa_out)->spi, htonl(0x202));
}

/* RFC 3686 §2, RFC 4543 §2: it is the counter's key that counts, whatever goes with it. */
static void t_rfc3686_2_counter_key_alone(void **state)
{
	(void)state;
	must("manual-sa add name=m esp-enc-algorithm=aes-128-ctr unsafe-aead=yes esp-enc-key=" K16A "01020304/" K16B
	     "01020304 esp-auth-algorithm=md5 esp-auth-key=" K16A " esp-spi=0x101/0x202 replay=128\n" TUNNEL);
	rt_out(1)->seq_out = 5000;
	must("manual-sa set m esp-auth-key=" K16B);
	assert_true(rt_out(1)->seq_out >= 5000);
	must("policy disable 0\nmanual-sa set m esp-auth-algorithm=sha1 esp-auth-key=" K16B
	     "01020304\npolicy enable 0");
	assert_true(rt_out(1)->seq_out >= 5000);
	rt_out(1)->seq_out = 90000;
	must("policy disable 0\nmanual-sa set m esp-enc-algorithm=null ah-algorithm=aes-128-gmac ah-key=" K16A
	     "01020304/" K16B "01020304\npolicy set 0 ipsec-protocols=ah disabled=no");
	assert_int_equal(m->spd[slot_of(1)].flags, 0);
	assert_true(rt_out(1)->seq_out >= 90000);
}

static void write_seq(const char *text)
{
	char path[PATH_LEN + 8];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/seq", m->paths.run);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

/* RFC 4303 §3.3.3: a damaged memory is not an empty one. */
static void t_damaged_memory(void **state)
{
	struct err e = {""};
	struct seqmem s;

	(void)state;
	must(GCM TUNNEL);
	rt_out(1)->seq_out = 7000;
	must("manual-sa disable m");
	/* what is sound is read, the rest is not forgotten to be missing when the file is written anew */
	assert_int_equal(seqmem_load(&s, &m->paths, &e), 0);
	s.damaged = s.changed = 1;
	assert_int_equal(seqmem_save(&s, &e), 0);
	seqmem_free(&s);
	must("manual-sa enable m");
	assert_true(rt_out(1)->seq_out >= 7000);
	assert_int_equal(seqmem_load(&s, &m->paths, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "damaged"));
	seqmem_free(&s);
	/* a key that it does not know may be the one that was lost */
	must("manual-sa disable m");
	write_seq("0123456789abcdef 12\n");
	assert_int_equal(change("manual-sa enable m", &e), -EBADMSG);
	assert_non_null(strstr(e.text, "manual-sa m cannot be used"));
	assert_int_equal(sas(), 0);
	/* CBC needs unpredictable IVs, not numbers: warned only */
	must("manual-sa set m esp-enc-algorithm=aes-128 esp-enc-key=" K16A "/" K16B
	     " esp-auth-algorithm=md5 esp-auth-key=" K16A "/" K16B " disabled=no");
	assert_int_equal(sas(), 2);
}

/* Before an SA is taken out a guard far above its number is on disk: who dies then has used no number twice. */
static void t_guard_is_written_first(void **state)
{
	struct xi_sa out, *dead;
	struct err e = {""};
	char script[4000];
	struct seqmem s;

	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	out = *sad_get(m, m->spd[slot_of(1)].sa_out);
	assert_int_equal(seqmem_load(&s, &m->paths, &e), 0);
	seqmem_guard(&s, &out, rt_out(1));
	assert_int_equal(seqmem_save(&s, &e), 0);
	seqmem_free(&s);
	assert_int_equal(seqmem_load(&s, &m->paths, &e), 0);
	assert_true(seqmem_find(&s, &out) == 5000 + SEQMEM_GUARD);
	seqmem_free(&s);
	/* the file cannot be written: nothing is removed */
	(void)snprintf(script, sizeof(script), "%s/seq.new", m->paths.run);
	assert_int_equal(mkdir(script, 0700), 0);
	write_seq("");
	dead = &m->sad[XI_REF_SLOT(m->spd[slot_of(1)].sa_out)];
	assert_true(change("policy disable 0", &e) < 0);
	assert_non_null(strstr(e.text, "seq.new"));
	assert_true(dead->gen != 0);
	assert_int_equal(sas(), 2);
	assert_int_equal(rmdir(script), 0);
}

/* Spec 9: past its lifetime an SA stays dead until its policy or template is edited or enabled again. */
static void t_spec_9_dead_until_edited(void **state)
{
	uint64_t out;

	(void)state;
	must(TEMPLATE TUNNEL "manual-sa set m lifetime=10s");
	out = m->spd[slot_of(1)].sa_out;
	m->sad[XI_REF_SLOT(out)].add_ns -= 11 * NS_PER_S;
	assert_int_equal(sad_state(sad_get(m, out), clock_ns()), XI_SA_DEAD);
	must("policy add action=none");
	assert_true(m->spd[slot_of(1)].sa_out == out);
	must("policy enable 0");
	assert_int_equal(sad_state(sad_get(m, m->spd[slot_of(1)].sa_out), clock_ns()), XI_SA_MATURE);
}

/* One command is one transaction: a table that is full leaves everything as it was. */
static void t_undo(void **state)
{
	struct xi_policy before[SPDS];
	struct err e = {""};
	char script[4000];
	struct conf saved;

	(void)state;
	must(TEMPLATE TUNNEL);
	used(1);
	memcpy(before, m->spd, sizeof(before));
	conf_copy(&saved, &conf);
	/* too many policies, a renewed SA and a replaced one at once */
	(void)snprintf(script, sizeof(script), "manual-sa set m lifetime=5m esp-enc-key=%s/%s\npolicy\n", K16A, K16A);
	for (int i = 0; i < SPDS; i++)
		(void)snprintf(script + strlen(script), 100, "add action=none src-address=10.%d.0.0/16\n", i);
	assert_true(change(script, &e) < 0);
	assert_non_null(strstr(e.text, "all 16 policies of the maps are in use"));
	assert_non_null(strstr(e.text, "two commands, or raise max-policies in settings"));
	assert_int_equal(policies(), 1);
	assert_int_equal(sas(), 2);
	assert_int_equal(m->spd[slot_of(1)].gen, before[slot_of(1)].gen);
	assert_true(rt_out(1)->seq_out >= 5000);
	assert_int_equal(rt_out(1)->bytes, 77); /* of its limits */
	assert_int_equal(rt_in(1)->seq_top, 900);
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->hard_ns, 0);
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->enc_key[0], 0x10);
	conf_free(&conf);
	conf = saved;
	/* the same for a full SAD */
	(void)snprintf(script, sizeof(script), "%s", "");
	for (int i = 0; i < SADS / 2; i++)
		(void)snprintf(script + strlen(script), 400,
			       "manual-sa add copy-from=m name=n%d esp-spi=0x%d\npolicy add copy-from=0 "
			       "src-address=10.%d.0.0/16 manual-sa=n%d\n",
			       i, 300 + i, 100 + i, i);
	assert_true(change(script, &e) < 0);
	assert_non_null(strstr(e.text, "SAs"));
	assert_int_equal(policies(), 1);
	assert_int_equal(sas(), 2);
}

#define BUNDLE                                                                                                         \
	"manual-sa add name=b esp-enc-algorithm=aes-128 esp-enc-key=" K16A "/" K16B                                    \
	" esp-auth-algorithm=md5 esp-auth-key=" K16A "/" K16B " esp-spi=0x101/0x202 ah-algorithm=md5 ah-key=" K16B     \
	"/" K16A " ah-spi=0x301/0x302 replay=128\n"                                                                    \
	"policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-src-address=198.51.100.1 "           \
	"sa-dst-address=203.0.113.1 manual-sa=b ipsec-protocols=ah,esp\n"

static const struct xi_sa *sa_of(uint64_t ref)
{
	const struct xi_sa *sa = sad_get(m, ref);

	assert_non_null(sa);
	return sa;
}

/* Spec 6.1, bpf/abi/xi_policy.h: with both protocols ESP stands in sa_*, AH in sa_*_ah; alone AH stands in sa_*. */
static void t_spec_6_1_published(void **state)
{
	static const struct {
		const char *set;
		uint8_t protos, proto, mode, ah_mode;
		unsigned sas;
	} rows[] = {
		{"ipsec-protocols=ah,esp tunnel=yes", 3, XI_PROTO_ESP, XI_MODE_TUNNEL, XI_MODE_TRANSPORT, 4},
		{"ipsec-protocols=ah,esp tunnel=no", 3, XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_MODE_TRANSPORT, 4},
		{"ipsec-protocols=ah tunnel=yes", XI_PROTOS_AH, XI_PROTO_AH, XI_MODE_TUNNEL, 0, 2},
		{"ipsec-protocols=ah tunnel=no", XI_PROTOS_AH, XI_PROTO_AH, XI_MODE_TRANSPORT, 0, 2},
		{"ipsec-protocols=esp tunnel=no", XI_PROTOS_ESP, XI_PROTO_ESP, XI_MODE_TRANSPORT, 0, 2},
		{"ipsec-protocols=esp tunnel=yes", XI_PROTOS_ESP, XI_PROTO_ESP, XI_MODE_TUNNEL, 0, 2},
	};
	char script[300];

	(void)state;
	must(BUNDLE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct xi_policy *p;

		(void)snprintf(script, sizeof(script), "policy set 0 %s\n", rows[i].set);
		must(script);
		p = &m->spd[slot_of(1)];
		assert_int_equal(sas(), rows[i].sas);
		assert_int_equal(p->flags, 0);
		assert_int_equal(p->protos, rows[i].protos);
		assert_int_equal(sa_of(p->sa_out)->proto, rows[i].proto);
		assert_int_equal(sa_of(p->sa_out)->mode, rows[i].mode);
		assert_int_equal(sa_of(p->sa_in)->proto, rows[i].proto);
		assert_int_equal(sa_of(p->sa_in)->dir, XI_DIR_IN);
		if (rows[i].sas == 2) {
			assert_int_equal(p->sa_out_ah | p->sa_in_ah, 0);
			continue;
		}
		assert_int_equal(sa_of(p->sa_out_ah)->proto, XI_PROTO_AH);
		assert_int_equal(sa_of(p->sa_out_ah)->mode, rows[i].ah_mode);
		assert_int_equal(sa_of(p->sa_out_ah)->dir, XI_DIR_OUT);
		assert_int_equal(sa_of(p->sa_in_ah)->spi, htonl(0x301));
	}
}

/* Spec 10: flush of one protocol renews its SAs and the policies that point at them; the bundle stays whole. */
static void t_spec_10_flush_bundle(void **state)
{
	struct xi_policy before, *p;
	struct err e = {""};

	(void)state;
	must(BUNDLE);
	p = &m->spd[slot_of(1)];
	before = *p;
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out = 4000;
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].bytes = 9;
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].said = XI_SAID_SOFT | XI_SAID_SEQUENCE;
	m->sa_rt[XI_REF_SLOT(p->sa_in_ah)].seq_top = 800;
	assert_ok(apply_flush(m, XI_PROTO_AH, &e), &e);
	assert_true(p->sa_out == before.sa_out && p->sa_in == before.sa_in);
	assert_true(p->sa_out_ah != before.sa_out_ah && p->sa_in_ah != before.sa_in_ah);
	assert_int_equal(sa_of(p->sa_out_ah)->spi, htonl(0x302));
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out, 4000);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].bytes, 0);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].said, XI_SAID_SEQUENCE);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_in_ah)].seq_top, 800);
	before = *p;
	assert_ok(apply_flush(m, XI_PROTO_ESP, &e), &e);
	assert_true(p->sa_out != before.sa_out && p->sa_in != before.sa_in);
	assert_true(p->sa_out_ah == before.sa_out_ah && p->sa_in_ah == before.sa_in_ah);
	assert_ok(apply_flush(m, 0, &e), &e);
	assert_int_equal(sa_of(p->sa_out)->proto, XI_PROTO_ESP);
	assert_int_equal(sa_of(p->sa_in_ah)->proto, XI_PROTO_AH);
	assert_int_equal(p->gen, before.gen);
}

/* RFC 4302 §3.3.2, §3.4.3: what RFC 4303 says of numbers holds for AH too. */
static void t_rfc4302_3_3_2_sequence_goes_on(void **state)
{
	const struct xi_policy *p;

	(void)state;
	must(BUNDLE);
	p = &m->spd[slot_of(1)];
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out = 6000;
	m->sa_rt[XI_REF_SLOT(p->sa_in_ah)].seq_top = 700;
	must("policy set 0 ipsec-protocols=esp");
	assert_int_equal(sas(), 2);
	must("policy set 0 ipsec-protocols=ah,esp");
	p = &m->spd[slot_of(1)];
	assert_true(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out >= 6000);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_in_ah)].seq_top, 700);
	/* a new AH key replaces the AH SAs alone; nothing leaves with ESP only meanwhile */
	must("manual-sa set b ah-key=" K16A "/" K16B);
	p = &m->spd[slot_of(1)];
	assert_int_equal(sas(), 4);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out, 0);
	assert_int_equal(sa_of(p->sa_out_ah)->auth_key[0], 0x10);
	assert_int_equal(sa_of(p->sa_out)->proto, XI_PROTO_ESP);
	/* an edit that keeps the keys renews all four in their places */
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out = 50;
	must("manual-sa set b esn=yes lifebytes=1000");
	assert_true(sa_of(p->sa_out_ah)->flags & XI_SA_F_ESN);
	assert_int_equal(sa_of(p->sa_in)->hard_bytes, 1000);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out, 50);
}

/* A bundle that is half replaced when the command fails is whole again afterwards. */
static void t_undo_bundle(void **state)
{
	struct err e = {""};
	char script[4000];
	const struct xi_policy *p;

	(void)state;
	must(BUNDLE);
	p = &m->spd[slot_of(1)];
	m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out = 6000;
	(void)snprintf(script, sizeof(script), "manual-sa set b lifetime=5m ah-key=%s/%s\npolicy\n", K16A, K16B);
	for (int i = 0; i < SPDS; i++)
		(void)snprintf(script + strlen(script), 100, "add action=none src-address=10.%d.0.0/16\n", i);
	assert_true(change(script, &e) < 0);
	assert_int_equal(policies(), 1);
	assert_int_equal(sas(), 4);
	assert_int_equal(sa_of(p->sa_out)->proto, XI_PROTO_ESP);
	assert_int_equal(sa_of(p->sa_out)->hard_ns, 0);
	assert_int_equal(sa_of(p->sa_out_ah)->proto, XI_PROTO_AH);
	assert_int_equal(sa_of(p->sa_out_ah)->auth_key[0], 0x00);
	assert_int_equal(sa_of(p->sa_in_ah)->auth_key[0], 0x10);
	assert_int_equal(sa_of(p->sa_in)->dir, XI_DIR_IN);
	assert_true(m->sa_rt[XI_REF_SLOT(p->sa_out_ah)].seq_out >= 6000);
}

/* Spec 6.1: sa-src-address unset is taken from the kernel's route, for IPv6 as for IPv4. */
static void t_spec_6_1_source_from_route(void **state)
{
	static const char *const up[] = {"ip link set lo up", "ip addr add 192.0.2.5/32 dev lo",
					 "ip addr add 2001:db8:9::5/128 dev lo nodad",
					 "ip route add 203.0.113.0/24 dev lo src 192.0.2.5",
					 "ip route add 2001:db8:aa::/48 dev lo src 2001:db8:9::5"};
	const struct xi_policy *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(up); i++)
		assert_int_equal(system(up[i]), 0);
	must(TEMPLATE TUNNEL "policy set 0 sa-src-address=::");
	assert_int_equal(sa_of(m->spd[slot_of(1)].sa_out)->src.w[0], inet_addr("192.0.2.5"));
	must("policy set 0 sa-dst-address=2001:db8:aa::1");
	p = &m->spd[slot_of(1)];
	assert_int_equal(p->sa_family, XI_IP6);
	assert_int_equal(sa_of(p->sa_out)->src.w[3], htonl(5));
	assert_int_equal(sa_of(p->sa_in)->dst.w[3], htonl(5));
	/* transport mode to a host, both ends from what is there */
	must("policy set 0 tunnel=no sa-dst-address=:: src-address=2001:db8:9::5/128 dst-address=2001:db8:aa::7/128");
	p = &m->spd[slot_of(1)];
	assert_int_equal(p->flags, 0);
	assert_int_equal(sa_of(p->sa_out)->dst.w[3], htonl(7));
	/* no route: inactive, held closed */
	must("policy set 0 dst-address=2001:db8:bb::7/128");
	assert_int_equal(m->spd[slot_of(1)].flags, XI_POL_INACTIVE);
	assert_int_equal(m->spd[slot_of(1)].sa_out, 0);
	assert_int_equal(sas(), 0);
}

/* As xdp-iked does: an SA pair for the policy in the slot. */
static void negotiate(uint32_t slot, uint32_t spi)
{
	struct xi_policy *p = &m->spd[slot];
	struct xi_sa in = {.dir = XI_DIR_IN,
			   .proto = XI_PROTO_ESP,
			   .mode = p->mode,
			   .family = XI_IP4,
			   .spi = htonl(spi)},
		     out = in;
	struct spd_sas refs = {0};
	struct err e;

	in.src = out.dst = p->sa_dst;
	in.dst = out.src = p->sa_src;
	out.dir = XI_DIR_OUT;
	in.auth_alg = out.auth_alg = XI_AUTH_SHA1;
	in.auth_key_len = out.auth_key_len = 20;
	in.reqid = out.reqid = p->reqid;
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &in, 0, &refs.in, &e), &e);
	assert_ok(sad_publish(m, &out, 0, &refs.out, &e), &e);
	spd_set_sa(m, slot, &refs);
	spd_unlock(m);
}

/* A policy that comes into force finds what was negotiated for another of its ends, mode and protocols. */
static void t_spec_6_2_a_new_policy_shares(void **state)
{
	static const char *const alone[] = {
		"level=unique", "tunnel=no src-address=198.51.100.1/32 dst-address=203.0.113.1/32",
		"ipsec-protocols=ah", "sa-dst-address=203.0.113.2", "sa-src-address=198.51.100.2"};
	struct spd_sas first, other;
	char cmd[200];

	(void)state;
	must("policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-src-address=198.51.100.1 "
	     "sa-dst-address=203.0.113.1");
	negotiate(slot_of(1), 0x1234);
	first = spd_sas_of(&m->spd[slot_of(1)]);
	must("policy add copy-from=0 dst-address=10.3.0.0/16");
	other = spd_sas_of(&m->spd[slot_of(2)]);
	assert_memory_equal(&first, &other, sizeof(first));
	must("policy disable 0");
	must("policy enable 0");
	other = spd_sas_of(&m->spd[slot_of(1)]);
	assert_memory_equal(&first, &other, sizeof(first));
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		(void)snprintf(cmd, sizeof(cmd), "policy add copy-from=0 dst-address=10.4.0.0/16 %s", alone[i]);
		must(cmd);
		assert_int_equal(m->spd[slot_of(3 + (uint32_t)i)].sa_out, 0);
		must("policy remove 2");
	}
	/* changed, it is another policy (spec 6.4), which shares with those that stay, and not with what it was itself */
	must("policy set 0 src-address=10.7.0.0/16");
	assert_true(m->spd[slot_of(1)].sa_out == first.out);
	must("policy remove 1");
	must("policy set 0 src-address=10.8.0.0/16");
	assert_int_equal(m->spd[slot_of(1)].sa_out, 0);
	assert_int_equal(m->spd[slot_of(1)].sa_in, 0);
}

/* A command that died between publishing and committing left an SA behind: the next one takes it away. */
static void t_leftover_is_removed(void **state)
{
	struct xi_sa orphan = {.dir = XI_DIR_IN,
			       .proto = XI_PROTO_ESP,
			       .mode = XI_MODE_TUNNEL,
			       .family = XI_IP4,
			       .flags = XI_SA_F_MANUAL,
			       .spi = htonl(0x777),
			       .dst = ip4(198, 51, 100, 1)};
	struct err e = {""};
	uint64_t ref;

	(void)state;
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &orphan, 0, &ref, &e), &e);
	spd_unlock(m);
	must(TEMPLATE TUNNEL);
	assert_null(sad_get(m, ref));
	assert_int_equal(sas(), 2);
	must("policy remove 0\nmanual-sa remove m");
	assert_int_equal(sas() + policies(), 0);
}

/* Two templates exchange their SPIs: both SPI entries change owner in one command. */
static void t_exchange_of_spis(void **state)
{
	(void)state;
	must(TEMPLATE TUNNEL "manual-sa add copy-from=m name=n esp-spi=0x303/0x404 esp-enc-key=" K16B "/" K16A "\n"
			     "policy add copy-from=0 src-address=10.3.0.0/16 manual-sa=n");
	assert_int_equal(sas(), 4);
	must("manual-sa set m esp-spi=0x505/0x606\nmanual-sa set n esp-spi=0x101/0x202\nmanual-sa set m "
	     "esp-spi=0x303/0x404");
	assert_int_equal(sas(), 4);
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->spi, htonl(0x404));
	assert_int_equal(sad_get(m, m->spd[slot_of(1)].sa_out)->enc_key[0], 0x10);
	assert_int_equal(sad_get(m, m->spd[slot_of(2)].sa_in)->spi, htonl(0x101));
	assert_int_equal(sad_get(m, m->spd[slot_of(2)].sa_in)->enc_key[0], 0x10);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spec_6_4_nothing_moves),
		T(t_renewed_in_place),
		T(t_spec_10_flush),
		T(t_rfc4303_3_3_3_sequence_goes_on),
		T(t_rfc4303_3_4_3_received_is_kept),
		T(t_template_disable_forgets_received),
		T(t_rfc4106_2_key_changes_sides),
		T(t_rfc4106_2_exchange),
		T(t_rfc3686_2_counter_key_alone),
		T(t_damaged_memory),
		T(t_guard_is_written_first),
		T(t_spec_9_dead_until_edited),
		T(t_undo),
		T(t_spec_6_1_published),
		T(t_spec_10_flush_bundle),
		T(t_rfc4302_3_3_2_sequence_goes_on),
		T(t_undo_bundle),
		T(t_spec_6_1_source_from_route),
		T(t_spec_6_2_a_new_policy_shares),
		T(t_leftover_is_removed),
		T(t_exchange_of_spis),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
