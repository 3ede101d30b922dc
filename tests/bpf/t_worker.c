/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker does with single packets: nested transforms, states and selectors of SAs, policies that change or go. */
#include "tests/bpf/worker_rig.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* --- inbound --- */

static void t_spec_12_six_nested_transforms(void **state)
{
	uint64_t ref[8];
	struct rig_frame f;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		ref[i] = publish_in(i & 1 ? AH : ESP, TRA, 0x100 + i);
	for (unsigned depth = 1; depth <= 8; depth++) {
		plain(&f, PEER, US);
		for (unsigned i = 0; i < depth; i++)
			peer_seals(&f, i & 1 ? AH : ESP, TRA, 0x100 + i);
		assert_int_equal(comes_in(&f, ref[depth - 1]), depth <= 6 ? ACCEPTED : XI_DROP_IN_NESTED);
	}
	for (unsigned i = 0; i < 2; i++) /* each of them was counted by its own SA */
		assert_true(m->sa_rt[XI_REF_SLOT(ref[i])].packets > 4);
}

static void t_tunnels_in_tunnels(void **state)
{
	uint64_t inner, outer;
	struct rig_frame f;
	struct xi_policy pol = {.action = XI_ACTION_NONE, .sel = {.family = XI_IP4}};

	(void)state;
	inner = publish_in(ESP, TUN, 0x101);
	outer = publish_in(ESP, TUN, 0x102);
	plain(&f, "10.2.0.1", "10.1.0.1");
	peer_seals(&f, ESP, TUN, 0x101);
	assert_int_equal(comes_in(&f, inner), XI_DROP_IN_NO_POLICY);
	add_policy(&pol);
	plain(&f, "10.2.0.1", "10.1.0.1");
	peer_seals(&f, ESP, TUN, 0x101);
	peer_seals(&f, ESP, TUN, 0x102);
	assert_int_equal(comes_in(&f, outer), ACCEPTED);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(inner)].packets, 2);
	/* for this host, but no SA of that name */
	plain(&f, "10.2.0.1", "10.1.0.1");
	peer_seals(&f, ESP, TUN, 0x999);
	peer_seals(&f, ESP, TUN, 0x102);
	assert_int_equal(comes_in(&f, outer), XI_DROP_IN_NO_SA);
	/* an SA that comes is found although it was asked for before */
	(void)publish_in(ESP, TUN, 0x999);
	plain(&f, "10.2.0.1", "10.1.0.1");
	peer_seals(&f, ESP, TUN, 0x999);
	peer_seals(&f, ESP, TUN, 0x102);
	assert_int_equal(comes_in(&f, outer), ACCEPTED);
}

static void t_esp_for_others_is_payload(void **state)
{
	uint64_t outer;
	struct rig_frame f;
	struct xi_policy pol = {.action = XI_ACTION_NONE, .sel = {.family = XI_IP4}};
	uint8_t *p;

	(void)state;
	outer = publish_in(ESP, TUN, 0x102);
	add_policy(&pol);
	p = plain(&f, "10.2.0.1", "10.1.0.1");
	p[IP4_PROTO] = ESP;
	ip4_sum_put(p);
	peer_seals(&f, ESP, TUN, 0x102);
	assert_int_equal(comes_in(&f, outer), ACCEPTED);
	/* the same for this host, cut short */
	p = plain(&f, "10.2.0.1", US);
	p[IP4_PROTO] = ESP;
	u16_put(p + IP4_LEN, 24);
	f.pkt.tail = p + 24;
	ip4_sum_put(p);
	peer_seals(&f, ESP, TUN, 0x102);
	assert_int_equal(comes_in(&f, outer), XI_DROP_IN_HEADER);
}

/* Spec 13.3: an outbound policy for everything is not for what is addressed to this host, also before the kernel has said where that goes. */
static void t_for_this_host_by_a_policy_for_all(void **state)
{
	struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = TUN,
				.protos = XI_PROTOS_ESP,
				.sa_family = XI_IP4,
				.sa_src = addr(US),
				.sa_dst = addr(PEER),
				.sel = {.family = XI_IP4}};
	struct rig_frame f;
	uint64_t in;

	(void)state;
	in = publish_in(ESP, TUN, 0x101);
	add_policy(&pol);
	plain(&f, "10.2.0.1", US);
	peer_seals(&f, ESP, TUN, 0x101);
	assert_int_equal(comes_in(&f, in), ACCEPTED);
	plain(&f, "10.2.0.1", "10.3.0.1");
	peer_seals(&f, ESP, TUN, 0x101);
	assert_int_equal(comes_in(&f, in), XI_DROP_OUT_NO_SA);
}

/* One commit after the other, each of which puts the policy's equal into another slot. */
static void replace_for_ever(const struct xi_policy *pol, uint32_t slot)
{
	struct err e;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* not left behind by a test that failed */
	for (;;) {
		if (spd_lock(m, &e) || spd_del(m, slot) || spd_add(m, pol, &slot, &e) || spd_commit(m, &e))
			_exit(1);
		spd_unlock(m);
	}
}

/* A policy whose slot is given away between search and look is searched for again: what both lists let pass is not lost. */
static void t_policy_replaced_by_its_equal_loses_no_packet(void **state)
{
	struct xi_policy pol = {.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = TUN,
				.protos = XI_PROTOS_ESP,
				.sa_family = XI_IP4,
				.sa_src = addr(US),
				.sa_dst = addr(PEER),
				.sel = {.family = XI_IP4}};
	struct rig_frame f;
	uint64_t in, first;
	uint32_t slot;
	pid_t pid;

	(void)state;
	in = publish_in(ESP, TUN, 0x101);
	slot = add_policy(&pol);
	first = m->meta->spd_gen;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		replace_for_ever(&pol, slot);
	for (unsigned i = 0; i < 20000 || __atomic_load_n(&m->meta->spd_gen, __ATOMIC_ACQUIRE) < first + 10; i++) {
		plain(&f, "10.2.0.1", US);
		peer_seals(&f, ESP, TUN, 0x101);
		w.spd_gen = __atomic_load_n(&m->meta->spd_gen, __ATOMIC_ACQUIRE);
		assert_int_equal(comes_in(&f, in), ACCEPTED);
	}
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void t_spec_14_1_states(void **state)
{
	static const struct {
		uint8_t state;
		unsigned want;
	} rows[] = {{XI_SA_LARVAL, XI_DROP_IN_SA_INVALID},
		    {XI_SA_MATURE, ACCEPTED},
		    {XI_SA_DYING, ACCEPTED},
		    {XI_SA_DEAD, XI_DROP_IN_EXPIRED}};
	struct xi_sa_rt *sa_rt;
	struct rig_frame f;
	uint64_t ref;

	(void)state;
	ref = publish_in(ESP, TRA, 0x101);
	sa_rt = &m->sa_rt[XI_REF_SLOT(ref)];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		m->sad[XI_REF_SLOT(ref)].state = rows[i].state;
		plain(&f, PEER, US);
		peer_seals(&f, ESP, TRA, 0x101);
		assert_int_equal(comes_in(&f, ref), rows[i].want);
	}
	assert_int_equal(sa_rt->err_other, 2);
	assert_int_equal(sa_rt->packets, 2);
}

static void t_sa_selector(void **state)
{
	struct xi_sa sa;
	struct rig_frame f;
	uint64_t ref;

	(void)state;
	sa = an_sa(ESP, TRA, 0x101);
	sa.dir = XI_DIR_IN;
	sa.sel = (struct xi_selector){.src = addr(US),
				      .dst = addr(PEER),
				      .src_len = 32,
				      .dst_len = 32,
				      .family = XI_IP4,
				      .flags = XI_SEL_PROTO,
				      .proto = 17};
	ref = publish(&sa);
	plain(&f, PEER, US);
	peer_seals(&f, ESP, TRA, 0x101);
	assert_int_equal(comes_in(&f, ref), ACCEPTED);
	plain(&f, PEER, US)[IP4_PROTO] = 6;
	ip4_sum_put(f.pkt.data);
	peer_seals(&f, ESP, TRA, 0x101);
	assert_int_equal(comes_in(&f, ref), XI_DROP_IN_SA_SELECTOR);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].err_other, 1);
}

/* RFC 4303 §2.6: no error and no traffic; counted apart from what is. */
static void t_rfc4303_2_6_dummy(void **state)
{
	struct rig_frame f;
	uint64_t in;

	(void)state;
	in = publish_in(ESP, TRA, 0x101);
	plain(&f, PEER, US)[IP4_PROTO] = 59 /* no next header */;
	ip4_sum_put(f.pkt.data);
	peer_seals(&f, ESP, TRA, 0x101);
	assert_int_equal(comes_in(&f, in), XI_DUMMY);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(in)].packets, 0);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(in)].err_other, 0);
}

/* RFC 4301 §5.2: the selectors of what was decrypted must be read; two bytes of UDP have no ports. */
static void t_rfc4301_5_2_no_selectors(void **state)
{
	struct rig_frame f;
	uint64_t in;

	(void)state;
	in = publish_in(ESP, TUN, 0x101);
	plain_of(&f, "10.2.0.1", "10.1.0.1", IP4_HDR + 2);
	peer_seals(&f, ESP, TUN, 0x101);
	assert_int_equal(comes_in(&f, in), XI_DROP_IN_INNER_SELECTORS);
}

/* --- outbound --- */

static struct xi_policy bundle_policy(void)
{
	return (struct xi_policy){.action = XI_ACTION_ENCRYPT,
				  .level = XI_LEVEL_REQUIRE,
				  .mode = TUN,
				  .protos = XI_PROTOS_AH | XI_PROTOS_ESP,
				  .sa_family = XI_IP4,
				  .sa_src = addr(PEER),
				  .sa_dst = addr(US),
				  .sel = {.family = XI_IP4}};
}

static unsigned goes_out_of(uint32_t slot, uint64_t sa, size_t len)
{
	struct rig_frame f;

	plain_of(&f, "10.1.0.1", "10.2.0.1", len);
	return reason_of(&f, &(struct xi_verdict){.slot = XI_REF_SLOT(sa),
						  .gen = XI_REF_GEN(sa),
						  .policy = slot,
						  .policy_gen = m->spd[slot].gen,
						  .dir = XI_DIR_OUT,
						  .if_slot = 1,
						  .family = XI_IP4});
}

static unsigned goes_out(uint32_t slot, uint64_t sa)
{
	return goes_out_of(slot, sa, 100);
}

static void t_spec_6_2_one_missing_of_two(void **state)
{
	struct xi_policy pol = bundle_policy();
	struct xi_sa esp, ah;
	uint64_t esp_ref, ah_ref;
	uint32_t slot;

	(void)state;
	esp = an_sa(ESP, TUN, 0x201);
	ah = an_sa(AH, TRA, 0x202);
	esp.dir = ah.dir = XI_DIR_OUT;
	esp_ref = publish(&esp);
	ah_ref = publish(&ah);
	slot = add_policy(&pol);
	assert_int_equal(goes_out(slot, esp_ref), XI_DROP_OUT_NO_SA);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(esp_ref)].seq_out, 0); /* nothing was begun */
	m->spd[slot].sa_out_ah = ah_ref;
	m->spd[slot].sa_out = esp_ref;
	assert_int_equal(goes_out(slot, esp_ref), SENT);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(esp_ref)].seq_out, 1);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ah_ref)].seq_out, 1);
	/* the ESP packet is what AH counts */
	assert_true(m->sa_rt[XI_REF_SLOT(ah_ref)].bytes > m->sa_rt[XI_REF_SLOT(esp_ref)].bytes + 20);
	/* a stale reference finds the policy's own */
	assert_int_equal(goes_out(slot, esp_ref + (1ull << 32)), SENT);
	/* both, also when the packet has to move to a larger buffer */
	assert_int_equal(goes_out_of(slot, esp_ref, 1780), SENT);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ah_ref)].seq_out, 3);
	m->sad[XI_REF_SLOT(ah_ref)].state = XI_SA_DEAD;
	assert_int_equal(goes_out(slot, esp_ref), XI_DROP_OUT_EXPIRED);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ah_ref)].err_other, 1);
	m->sad[XI_REF_SLOT(ah_ref)].state = XI_SA_LARVAL;
	assert_int_equal(goes_out(slot, esp_ref), XI_DROP_OUT_NO_SA);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ah_ref)].err_other, 2);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(esp_ref)].err_other, 0);
	assert_int_equal(m->wpolstat[slot].out_dropped, 2);
	assert_int_equal(m->wpolstat[slot].out_transformed, 3);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(esp_ref)].seq_out, 3);
	/* the AH SA in place of the ESP SA: not the bundle that was built for the policy */
	m->sad[XI_REF_SLOT(ah_ref)].state = XI_SA_MATURE;
	assert_int_equal(goes_out(slot, ah_ref), XI_DROP_OUT_BUNDLE_CHECK);
}

/* RFC 4303 §3.3.3: no number twice. What is refused is not counted as sent, by limited SAs neither. */
static void t_rfc4303_3_3_3_refused_is_not_counted(void **state)
{
	struct xi_policy pol = bundle_policy();
	uint32_t slot;

	(void)state;
	pol.protos = XI_PROTOS_ESP;
	slot = add_policy(&pol);
	for (unsigned limited = 0; limited < 2; limited++) {
		struct xi_sa esp = an_sa(ESP, TUN, 0x201 + limited);
		struct xi_sa_rt *sa_rt;
		uint64_t ref;

		esp.dir = XI_DIR_OUT;
		esp.hard_packets = limited ? 100 : 0;
		ref = publish(&esp);
		sa_rt = &m->sa_rt[XI_REF_SLOT(ref)];
		sa_rt->seq_out = UINT32_MAX - 1;
		assert_int_equal(goes_out(slot, ref), SENT);
		assert_int_equal(sa_rt->packets, 1);
		assert_int_equal(sa_rt->bytes, 100);
		assert_int_equal(goes_out(slot, ref), XI_DROP_OUT_SEQUENCE);
		assert_int_equal(goes_out(slot, ref), XI_DROP_OUT_SEQUENCE);
		assert_int_equal(sa_rt->packets, 1);
		assert_int_equal(sa_rt->bytes, 100);
		assert_int_equal(sa_rt->err_other, 2);
		/* beyond the hard limit: not counted to begin with */
		sa_rt->seq_out = 0;
		sa_rt->packets = 100;
		if (limited) {
			assert_int_equal(goes_out(slot, ref), XI_DROP_OUT_EXPIRED);
			assert_int_equal(sa_rt->packets, 100);
			assert_int_equal(sa_rt->err_other, 3);
		}
	}
}

/* One packet of this host by these SAs, between their ends. */
static void seals_with(uint8_t protos, uint8_t mode, uint64_t esp, uint64_t ah)
{
	struct xi_policy pol = bundle_policy();
	struct rig_frame f;
	uint32_t slot;

	pol.protos = protos;
	pol.mode = mode;
	pol.priority = (int32_t)XI_REF_SLOT(esp);
	slot = add_policy(&pol);
	m->spd[slot].sa_out_ah = protos & XI_PROTOS_AH ? ah : 0;
	m->spd[slot].sa_out = esp;
	plain(&f, PEER, US);
	assert_int_equal(reason_of(&f, &(struct xi_verdict){.slot = XI_REF_SLOT(esp),
							    .gen = XI_REF_GEN(esp),
							    .policy = slot,
							    .policy_gen = m->spd[slot].gen,
							    .dir = XI_DIR_OUT,
							    .flags = XI_VF_HOST,
							    .if_slot = 1,
							    .family = XI_IP4}),
			 SENT);
	drop_policy(slot);
}

/*
 * Spec section 12, out-state-protocol-errors: the engine refuses what does not fit the keys it has made, which no sound gateway comes to: here
 * the worker's copy of the SA is changed under them. The packet has used its number.
 */
static void t_spec_12_engine_refuses(void **state)
{
	struct xi_policy pol = bundle_policy();
	struct xi_sa esp = an_sa(ESP, TUN, 0x201);
	struct xi_sa_rt *sa_rt;
	uint32_t slot;
	uint64_t ref;

	(void)state;
	pol.protos = XI_PROTOS_ESP;
	esp.dir = XI_DIR_OUT;
	ref = publish(&esp);
	slot = add_policy(&pol);
	sa_rt = &m->sa_rt[XI_REF_SLOT(ref)];
	assert_int_equal(goes_out(slot, ref), SENT);
	w.sa[XI_REF_SLOT(ref)].sa.enc_alg = alg_by_name(ALG_ENC, "null")->abi;
	assert_int_equal(goes_out(slot, ref), XI_DROP_OUT_ENGINE);
	assert_int_equal(sa_rt->err_other, 1);
	w.sa[XI_REF_SLOT(ref)].sa.enc_alg = esp.enc_alg;
	assert_int_equal(goes_out(slot, ref), SENT);
	assert_int_equal(sa_rt->seq_out, 3);
}

/*
 * Spec 14.2: bytes are the payload of each SA, before encapsulation here, after it at the peer. Worked out by hand for a packet of 100 bytes under
 * AES-128 and SHA-1: in ESP's tunnel 100, in transport mode 80; AH over the first one covers ESP header 8, IV 16, text 112, ICV 12.
 */
static void t_spec_14_2_bytes(void **state)
{
	static const struct {
		uint8_t esp_mode, protos;
		unsigned esp, ah;
	} rows[] = {
		{TUN, XI_PROTOS_ESP, 100, 0},
		{TRA, XI_PROTOS_ESP, 80, 0},
		{TUN, XI_PROTOS_AH | XI_PROTOS_ESP, 100, 148},
		{TRA, XI_PROTOS_AH | XI_PROTOS_ESP, 80, 8 + 16 + 96 + 12},
	};
	struct xi_policy none = {.action = XI_ACTION_NONE, .sel = {.family = XI_IP4}};

	(void)state;
	add_policy(&none);
	for (unsigned i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const unsigned r = i / 2, limited = i % 2, both = rows[r].protos & XI_PROTOS_AH;
		struct xi_sa esp = an_sa(ESP, rows[r].esp_mode, 0x301 + i), ah = an_sa(AH, TRA, 0x401 + i), in = esp,
			     in_ah = ah;
		uint64_t ref, ref_ah, in_ref, in_ref_ah;
		struct rig_frame f;

		in.dir = in_ah.dir = XI_DIR_IN;
		in.spi = htonl(0x501 + i);
		in_ah.spi = htonl(0x601 + i);
		in.hard_bytes = in_ah.hard_bytes = limited ? 10000 : 0;
		esp.hard_bytes = ah.hard_bytes = in.hard_bytes;
		esp.dir = ah.dir = XI_DIR_OUT;
		ref = publish(&esp);
		ref_ah = publish(&ah);
		in_ref = publish(&in);
		in_ref_ah = publish(&in_ah);

		seals_with(rows[r].protos, rows[r].esp_mode, ref, ref_ah);
		assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].bytes, rows[r].esp);
		assert_int_equal(m->sa_rt[XI_REF_SLOT(ref_ah)].bytes, rows[r].ah);

		plain(&f, PEER, US);
		peer_seals(&f, ESP, rows[r].esp_mode, 0x501 + i);
		if (both)
			peer_seals(&f, AH, TRA, 0x601 + i);
		assert_int_equal(comes_in(&f, both ? in_ref_ah : in_ref), ACCEPTED);
		assert_int_equal(m->sa_rt[XI_REF_SLOT(in_ref)].bytes, rows[r].esp);
		assert_int_equal(m->sa_rt[XI_REF_SLOT(in_ref_ah)].bytes, rows[r].ah);
		assert_int_equal(m->sa_rt[XI_REF_SLOT(in_ref)].packets, 1);
	}
}

static void t_policy_gone(void **state)
{
	struct xi_policy pol = bundle_policy();
	struct xi_sa esp;
	uint32_t slot, gen;
	uint64_t ref;

	(void)state;
	esp = an_sa(ESP, TUN, 0x201);
	esp.dir = XI_DIR_OUT;
	ref = publish(&esp);
	pol.protos = XI_PROTOS_ESP;
	slot = add_policy(&pol);
	assert_int_equal(goes_out(slot, ref), SENT);
	gen = m->spd[slot].gen;
	m->spd[slot].gen = gen + 1;
	{
		struct rig_frame f;

		plain(&f, "10.1.0.1", "10.2.0.1");
		assert_int_equal(reason_of(&f, &(struct xi_verdict){.slot = XI_REF_SLOT(ref),
								    .gen = XI_REF_GEN(ref),
								    .policy = slot,
								    .policy_gen = gen,
								    .dir = XI_DIR_OUT,
								    .family = XI_IP4}),
				 XI_DROP_OUT_POLICY_DEAD);
	}
	m->spd[slot].gen = gen;
}

static void t_spec_6_3_transport_is_end_to_end(void **state)
{
	struct xi_policy pol = bundle_policy();
	struct xi_sa esp;
	uint32_t slot;
	uint64_t ref;

	(void)state;
	esp = an_sa(ESP, TRA, 0x201);
	esp.dir = XI_DIR_OUT;
	ref = publish(&esp);
	pol.protos = XI_PROTOS_ESP;
	pol.mode = TRA;
	slot = add_policy(&pol);
	assert_int_equal(goes_out(slot, ref), XI_DROP_OUT_ENDPOINTS);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].err_other, 1);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].packets, 0);
	assert_int_equal(m->sa_rt[XI_REF_SLOT(ref)].bytes, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_spec_12_six_nested_transforms),
		T(t_tunnels_in_tunnels),
		T(t_esp_for_others_is_payload),
		T(t_for_this_host_by_a_policy_for_all),
		T(t_policy_replaced_by_its_equal_loses_no_packet),
		T(t_spec_14_1_states),
		T(t_sa_selector),
		T(t_rfc4303_2_6_dummy),
		T(t_rfc4301_5_2_no_selectors),
		T(t_spec_6_2_one_missing_of_two),
		T(t_spec_12_engine_refuses),
		T(t_spec_14_2_bytes),
		T(t_policy_gone),
		T(t_spec_6_3_transport_is_end_to_end),
		T(t_rfc4303_3_3_3_refused_is_not_counted),
	};

	rig_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
