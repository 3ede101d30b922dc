/* SPDX-License-Identifier: BSD-2-Clause */
/* Negotiated SAs and generated policies on the command line (spec sections 3.2, 6.1, 10): shown, flushed, removed; nothing else is touched. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>

#include "bpf/abi/xi_alg.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"

#define SADS 16
#define SPDS 8

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

	(void)state;
	conf_free(&conf);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

static struct xi_addr addr4(uint32_t a)
{
	return (struct xi_addr){{htonl(a)}};
}

#define OURS 0xc6336401	 /* 198.51.100.1 */
#define PEER 0xc0000247	 /* 192.0.2.71 */
#define OTHER 0xcb007101 /* 203.0.113.1 */

static uint64_t publish(uint32_t spi, int dir, uint8_t proto, uint32_t peer, uint8_t flags)
{
	struct xi_sa sa = {
		.dir = (uint8_t)dir,
		.proto = proto,
		.mode = XI_MODE_TRANSPORT,
		.family = XI_IP4,
		.flags = flags,
		.src = addr4(dir == XI_DIR_OUT ? OURS : peer),
		.dst = addr4(dir == XI_DIR_OUT ? peer : OURS),
		.spi = htonl(spi),
		.auth_alg = XI_AUTH_MD5,
		.auth_key_len = 16,
	};
	struct err e = {""};
	uint64_t ref = 0;

	if (proto == XI_PROTO_ESP)
		sa.enc_alg = XI_ENC_NULL;
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	return ref;
}

static uint32_t add_policy(uint32_t peer, uint8_t flags, uint64_t out, uint64_t in)
{
	struct xi_policy p = {
		.sel = {.src = addr4(OURS),
			.dst = addr4(peer),
			.src_len = 32,
			.dst_len = 32,
			.family = XI_IP4,
			.flags = XI_SEL_PROTO,
			.proto = 17},
		.action = XI_ACTION_ENCRYPT,
		.level = XI_LEVEL_REQUIRE,
		.mode = XI_MODE_TRANSPORT,
		.protos = XI_PROTOS_ESP,
		.flags = flags,
		.sa_family = XI_IP4,
		.sa_src = addr4(OURS),
		.sa_dst = addr4(peer),
		.sa_out = out,
		.sa_in = in,
	};
	struct err e = {""};
	uint32_t slot;

	assert_int_equal(spd_lock(m, &e), 0);
	assert_ok(spd_add(m, &p, &slot, &e), &e);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	return slot;
}

static void t_spec_6_1_generated_print(void **state)
{
	const struct print_opt opt = {.width = 80};
	char text[2000];
	struct print_row row;
	FILE *f;

	(void)state;
	add_policy(PEER, XI_POL_DYNAMIC, publish(0x1000, XI_DIR_OUT, XI_PROTO_ESP, PEER, 0),
		   publish(0x1001, XI_DIR_IN, XI_PROTO_ESP, PEER, 0));
	add_policy(OTHER, 0, 0, 0); /* a static one is none */
	view_generated(&conf, m);
	assert_int_equal(conf.list[MENU_POLICY].count, 1);
	assert_int_equal(conf.list[MENU_POLICY].last_id, 0); /* ids of static ones go on as before */
	row = (struct print_row){.it = conf.list[MENU_POLICY].item[0], .number = 1};
	f = fmemopen(text, sizeof(text), "w");
	print_items(f, MENU_POLICY, &row, 1, &opt);
	(void)fclose(f);
	assert_string_equal(text, "Flags: X - disabled, D - dynamic, I - inactive \n"
				  " 1  D src-address=198.51.100.1/32 src-port=any dst-address=192.0.2.71/32 \n"
				  "      dst-port=any protocol=udp action=encrypt level=require \n"
				  "      ipsec-protocols=esp tunnel=no sa-src-address=198.51.100.1 \n"
				  "      sa-dst-address=192.0.2.71 \n");
}

/* They are no part of what is planned or stored. */
static void t_generated_is_not_stored(void **state)
{
	const struct export_opt opt = {0};
	struct plan plan;
	char text[2000] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	add_policy(PEER, XI_POL_DYNAMIC, 0, 0);
	view_generated(&conf, m);
	export_conf(f, &conf, MENU_POLICY, &opt);
	(void)fclose(f);
	assert_string_equal(text, "");
	assert_int_equal(plan_build(&plan, &conf, route_source), 0);
	assert_int_equal(plan.policies, 0);
	plan_free(&plan);
}

static void t_spec_10_flags(void **state)
{
	const struct conf_item *it;

	(void)state;
	publish(0x1000, XI_DIR_OUT, XI_PROTO_ESP, PEER, XI_SA_F_PFS);
	publish(0x1001, XI_DIR_OUT, XI_PROTO_AH, PEER, 0);
	view_sas(&conf, m);
	it = conf.list[MENU_INSTALLED_SA].item[0];
	assert_int_equal(it->flags & (ITEM_ESP | ITEM_AH | ITEM_PFS | ITEM_MANUAL), ITEM_ESP | ITEM_PFS);
	it = conf.list[MENU_INSTALLED_SA].item[1];
	assert_int_equal(it->flags & (ITEM_ESP | ITEM_AH | ITEM_PFS | ITEM_MANUAL), ITEM_AH);
}

/* Spec section 10: by protocol; generated policies go with their SA, others stay and have none; manual SAs stay. */
static void t_spec_10_flush_negotiated(void **state)
{
	uint64_t esp_out = publish(0x1000, XI_DIR_OUT, XI_PROTO_ESP, PEER, 0),
		 esp_in = publish(0x1001, XI_DIR_IN, XI_PROTO_ESP, PEER, 0),
		 ah_out = publish(0x1002, XI_DIR_OUT, XI_PROTO_AH, OTHER, 0),
		 manual = publish(0x1003, XI_DIR_OUT, XI_PROTO_ESP, OTHER, XI_SA_F_MANUAL);
	uint32_t generated = add_policy(PEER, XI_POL_DYNAMIC, esp_out, esp_in), fixed = add_policy(OTHER, 0, ah_out, 0);
	struct err e = {""};

	(void)state;
	assert_ok(apply_flush_negotiated(m, XI_PROTO_AH, &e), &e);
	assert_null(sad_get(m, ah_out));
	assert_int_equal(m->spd[fixed].sa_out, 0);
	assert_int_not_equal(m->spd[fixed].gen, 0);
	assert_non_null(sad_get(m, esp_out));
	assert_int_not_equal(m->spd[generated].gen, 0);
	assert_ok(apply_flush_negotiated(m, 0, &e), &e);
	assert_null(sad_get(m, esp_out));
	assert_null(sad_get(m, esp_in));
	assert_int_equal(m->spd[generated].gen, 0);
	assert_int_not_equal(m->spd[fixed].gen, 0);
	assert_non_null(sad_get(m, manual));
}

/* Spec section 3.2: remove takes a generated policy and its SAs out; another one that shares an SA has none then. */
static void t_spec_3_2_remove_generated(void **state)
{
	uint64_t out = publish(0x1000, XI_DIR_OUT, XI_PROTO_ESP, PEER, 0),
		 in = publish(0x1001, XI_DIR_IN, XI_PROTO_ESP, PEER, 0),
		 manual = publish(0x1002, XI_DIR_IN, XI_PROTO_ESP, OTHER, XI_SA_F_MANUAL);
	uint32_t generated = add_policy(PEER, XI_POL_DYNAMIC, out, in), fixed = add_policy(OTHER, 0, out, manual);
	uint32_t gens[] = {m->spd[generated].gen, m->spd[fixed].gen, 12345};
	struct err e = {""};

	(void)state;
	assert_ok(apply_remove_generated(m, gens, 3, &e), &e);
	assert_int_equal(m->spd[generated].gen, 0);
	assert_null(sad_get(m, out));
	assert_null(sad_get(m, in));
	/* a static one is not taken out by this */
	assert_int_not_equal(m->spd[fixed].gen, 0);
	assert_int_equal(m->spd[fixed].sa_out, 0);
	assert_int_equal(m->spd[fixed].sa_in, manual);
	assert_ok(apply_remove_generated(m, gens, 3, &e), &e);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t_spec_6_1_generated_print), T(t_generated_is_not_stored),   T(t_spec_10_flags),
		T(t_spec_10_flush_negotiated), T(t_spec_3_2_remove_generated),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
