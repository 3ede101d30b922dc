/* SPDX-License-Identifier: BSD-2-Clause */
/* The menus peer and proposal (spec sections 4, 8, 27): printed and exported as the examples have them, what they mean, what is weak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "bpf/abi/xi_alg.h"
#include "user/conf/exec.h"
#include "user/conf/plan.h"
#include "user/conf/print.h"
#include "user/conf/store.h"

static struct conf conf;
static char out[8000];

static int setup(void **state)
{
	(void)state;
	conf_init(&conf);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	conf_free(&conf);
	return 0;
}

static void run(const char *script)
{
	struct conf_err e = {0};

	if (exec_script(&conf, script, strlen(script), NULL, &e))
		fail_msg("%s: %s", script, e.text);
}

static const char *print(enum menu_id menu, bool secrets)
{
	const struct print_opt opt = {.show_sensitive = secrets, .width = 80};
	struct print_row row[8];
	FILE *f = fmemopen(out, sizeof(out), "w");

	assert_non_null(f);
	for (unsigned i = 0; i < conf.list[menu].count; i++)
		row[i] = (struct print_row){.it = conf.list[menu].item[i], .number = i};
	print_items(f, menu, row, conf.list[menu].count, &opt);
	(void)fclose(f);
	return out;
}

static const char *export(enum menu_id menu, const struct export_opt *opt)
{
	FILE *f = fmemopen(out, sizeof(out), "w");

	out[0] = '\0'; /* nothing written: the text stays as it was */
	assert_non_null(f);
	export_conf(f, &conf, menu, opt);
	(void)fclose(f);
	return out;
}

static struct conf_peer *peer(unsigned i)
{
	return CONF_ITEM(conf_peer, &conf.list[MENU_PEER], i);
}

static struct conf_proposal *proposal(unsigned i)
{
	return CONF_ITEM(conf_proposal, &conf.list[MENU_PROPOSAL], i);
}

static int no_route(const struct ip_addr *dst, struct ip_addr *src)
{
	(void)dst;
	(void)src;
	return -1;
}

/* Why policy i cannot work, or "". */
static const char *reason(unsigned i)
{
	struct plan plan;

	assert_int_equal(plan_build(&plan, &conf, no_route), 0);
	plan_free(&plan);
	return conf.list[MENU_POLICY].item[i]->reason;
}

static void t_spec_4_2_peer_print(void **state)
{
	(void)state;
	run("/ip ipsec peer add address=198.51.100.1/32 secret=test");
	assert_string_equal(print(MENU_PEER, true),
			    "Flags: X - disabled \n"
			    " 0   address=198.51.100.1/32 port=500 auth-method=pre-shared-key secret=\"test\" \n"
			    "     generate-policy=no exchange-mode=main send-initial-contact=yes \n"
			    "     nat-traversal=no my-id-user-fqdn=\"\" proposal-check=obey \n"
			    "     hash-algorithm=md5 enc-algorithm=3des dh-group=modp1024 lifetime=1d \n"
			    "     lifebytes=0 dpd-interval=2m dpd-maximum-failures=5 \n");
	assert_non_null(strstr(print(MENU_PEER, false), "secret=\"*****\""));
	assert_null(strstr(out, "test"));
}

static void t_spec_4_2_peer_export(void **state)
{
	const struct export_opt full = {0}, compact = {.compact = true}, hidden = {.hide_sensitive = true};

	(void)state;
	run("/ip ipsec peer add address=198.51.100.1/32 secret=test");
	assert_string_equal(export(MENU_PEER, &full),
			    "/ip ipsec peer\n"
			    "add address=198.51.100.1/32 auth-method=pre-shared-key comment=\"\" dh-group=\\\n"
			    "    modp1024 disabled=no dpd-interval=2m dpd-maximum-failures=5 enc-algorithm=\\\n"
			    "    3des exchange-mode=main generate-policy=no hash-algorithm=md5 lifebytes=0 \\\n"
			    "    lifetime=1d my-id-user-fqdn=\"\" nat-traversal=no port=500 proposal-check=\\\n"
			    "    obey secret=test send-initial-contact=yes\n");
	assert_string_equal(export(MENU_PEER, &compact), "/ip ipsec peer\nadd address=198.51.100.1/32 secret=test\n");
	assert_null(strstr(export(MENU_PEER, &hidden), "secret"));
}

/* Spec 4.1: what belongs to another auth-method is not shown, but kept. */
static void t_spec_4_1_shown_by_method(void **state)
{
	const struct export_opt compact = {.compact = true};

	(void)state;
	run("/ip ipsec peer add secret=x certificate=c auth-method=rsa-signature key=k");
	assert_non_null(strstr(print(MENU_PEER, true), "auth-method=rsa-signature certificate=c "));
	assert_non_null(strstr(out, "remote-certificate=\"\" "));
	assert_null(strstr(out, "secret"));
	assert_null(strstr(out, " key="));
	run("/ip ipsec peer set 0 auth-method=rsa-key");
	assert_non_null(strstr(print(MENU_PEER, true), "auth-method=rsa-key key=k remote-key=\"\""));
	assert_null(strstr(out, "certificate"));
	assert_string_equal(export(MENU_PEER, &compact),
			    "/ip ipsec peer\nadd auth-method=rsa-key certificate=c key=k secret=x\n");
}

static void t_spec_4_1_secret(void **state)
{
	uint8_t psk[STRING_MAX];

	(void)state;
	run("/ip ipsec peer\nadd secret=test\nadd secret=0x00fF10\nadd\nadd secret=\"0X12\"");
	assert_int_equal(conf_peer_secret(peer(0), psk), 4);
	assert_memory_equal(psk, "test", 4);
	assert_int_equal(conf_peer_secret(peer(1), psk), 3);
	assert_memory_equal(psk, "\x00\xff\x10", 3);
	assert_int_equal(conf_peer_secret(peer(2), psk), 0);
	assert_int_equal(conf_peer_secret(peer(3), psk), 4);
}

static void t_spec_4_1_defaults(void **state)
{
	const struct conf_peer *p;

	(void)state;
	run("/ip ipsec peer add");
	p = peer(0);
	assert_int_equal(p->address.family, XI_IP4);
	assert_int_equal(p->address.len, 0);
	assert_int_equal(p->port, 500);
	assert_int_equal(p->auth_method, PEER_PSK);
	assert_int_equal(p->exchange_mode, PEER_MAIN);
	assert_int_equal(p->generate_policy, PEER_GENERATE_NO);
	assert_int_equal(p->proposal_check, PEER_OBEY);
	assert_int_equal(p->dpd_interval, 120);
	assert_int_equal(p->lifetime, 86400);
	assert_string_equal(conf_peer_hash(p), "md5");
	assert_string_equal(conf_peer_enc(p), "3des");
	assert_string_equal(conf_peer_group(p), "modp1024");
	run("/ip ipsec peer add dpd-interval=disable-dpd exchange-mode=base generate-policy=port-strict "
	    "proposal-check=strict");
	p = peer(1);
	assert_int_equal(p->dpd_interval, 0);
	assert_int_equal(p->exchange_mode, PEER_BASE);
	assert_int_equal(p->generate_policy, PEER_GENERATE_PORT_STRICT);
	assert_int_equal(p->proposal_check, PEER_STRICT);
}

static void t_spec_8_proposal_print(void **state)
{
	const struct export_opt full = {0}, compact = {.compact = true};

	(void)state;
	assert_string_equal(print(MENU_PROPOSAL, false),
			    "Flags: X - disabled \n"
			    " 0   name=\"default\" auth-algorithms=sha1 enc-algorithms=3des lifetime=30m \n"
			    "     pfs-group=modp1024 \n");
	assert_string_equal(export(MENU_PROPOSAL, &full),
			    "/ip ipsec proposal\n"
			    "set default auth-algorithms=sha1 comment=\"\" disabled=no enc-algorithms=3des \\\n"
			    "    lifetime=30m name=default pfs-group=modp1024\n");
	assert_string_equal(export(MENU_PROPOSAL, &compact), "");
	run("/ip ipsec proposal\nset default lifetime=1h\nadd name=\"a b\" pfs-group=none");
	assert_string_equal(export(MENU_PROPOSAL, &compact), "/ip ipsec proposal\nset default lifetime=1h\n"
							     "add name=\"a b\" pfs-group=none\n");
	assert_int_equal(proposal(0)->it.id, 1);
	assert_int_equal(proposal(1)->it.id, 2);
	assert_string_equal(conf_proposal_pfs(proposal(0)), "modp1024");
	assert_string_equal(conf_proposal_pfs(proposal(1)), "none");
}

static const char *names(unsigned i, enum alg_kind kind)
{
	const struct alg *list[PROPOSAL_ALGS_MAX];
	unsigned n = conf_proposal_algs(proposal(i), kind, list);

	out[0] = '\0';
	for (unsigned k = 0; k < n; k++) {
		strcat(out, k ? "," : "");
		strcat(out, list[k]->name);
	}
	return out;
}

/* Spec section 8: strongest first, whatever the order in the menu; every word is an algorithm of ours. */
static void t_spec_8_order(void **state)
{
	(void)state;
	run("/ip ipsec proposal add name=all auth-algorithms=null,md5,aes-xcbc,sha1,sha256,sha384,sha512 "
	    "enc-algorithms=null,"
	    "des,3des,blowfish,twofish,aes-128,aes-192,aes-256,camellia-128,camellia-192,camellia-256,aes-128-ctr,"
	    "aes-192-ctr,aes-256-ctr,aes-128-gcm,aes-192-gcm,aes-256-gcm,aes-128-gcm-12,aes-192-gcm-12,aes-256-gcm-12,"
	    "aes-128-gcm-8,aes-192-gcm-8,aes-256-gcm-8,aes-128-ccm,aes-192-ccm,aes-256-ccm,aes-128-ccm-12,aes-192-ccm-"
	    "12,"
	    "aes-256-ccm-12,aes-128-ccm-8,aes-192-ccm-8,aes-256-ccm-8");
	assert_string_equal(names(1, ALG_ENC),
			    "aes-256-gcm,aes-192-gcm,aes-128-gcm,aes-256-gcm-12,aes-192-gcm-12,aes-128-gcm-12,"
			    "aes-256-gcm-8,aes-192-gcm-8,aes-128-gcm-8,aes-256-ccm,aes-192-ccm,aes-128-ccm,"
			    "aes-256-ccm-12,aes-192-ccm-12,aes-128-ccm-12,aes-256-ccm-8,aes-192-ccm-8,"
			    "aes-128-ccm-8,aes-256,aes-192,aes-128,aes-256-ctr,"
			    "aes-192-ctr,aes-128-ctr,camellia-256,camellia-192,camellia-128,twofish,"
			    "blowfish,3des,des,null");
	assert_string_equal(names(1, ALG_AUTH), "sha512,sha384,sha256,sha1,aes-xcbc,md5,null");
	assert_string_equal(names(0, ALG_ENC), "3des");
}

static const struct {
	const char *proposal, *protos, *reason;
} rows[] = {
	{"enc-algorithms=aes-128", "esp", ""},
	{"disabled=yes", "esp", "proposal p is disabled"},
	{"auth-algorithms=null", "ah", "proposal p yields no AH transform"},
	{"auth-algorithms=null", "esp", ""},
	{"auth-algorithms=null,md5 enc-algorithms=null", "ah,esp", ""},
	{"auth-algorithms=null enc-algorithms=aes-128-ctr,null", "esp", "proposal p yields no ESP transform"},
	{"auth-algorithms=null enc-algorithms=aes-128-gcm,null", "esp", ""},
	{"auth-algorithms=sha1 enc-algorithms=aes-128-gcm", "esp", ""},
};

static void t_spec_6_4_proposal(void **state)
{
	char script[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		conf_free(&conf);
		conf_init(&conf);
		(void)snprintf(
			script, sizeof(script),
			"/ip ipsec proposal add name=p %s\n/ip ipsec policy add dst-address=192.0.2.1 proposal=p "
			"ipsec-protocols=%s",
			rows[i].proposal, rows[i].protos);
		run(script);
		assert_string_equal(reason(0), rows[i].reason);
	}
	/* with manual keys the proposal has no meaning */
	run("/ip ipsec proposal set p disabled=yes\n/ip ipsec manual-sa add name=m esp-auth-algorithm=md5 "
	    "esp-auth-key=000102030405060708090a0b0c0d0e0f/000102030405060708090a0b0c0d0e0f\n"
	    "/ip ipsec policy set 0 manual-sa=m sa-src-address=192.0.2.9");
	assert_string_equal(reason(0), "");
}

static void t_proposal_rename_is_followed(void **state)
{
	struct conf_err e = {0};

	(void)state;
	run("/ip ipsec proposal add name=a\n/ip ipsec policy add proposal=a\n/ip ipsec proposal set a name=b");
	assert_string_equal(CONF_ITEM(conf_policy, &conf.list[MENU_POLICY], 0)->proposal, "b");
	assert_true(exec_script(&conf, "/ip ipsec proposal remove b", 27, NULL, &e) < 0);
	assert_string_equal(e.text, "failure: b is used by policy (line 1 column 27)");
	run("/ip ipsec policy set 0 proposal=default\n/ip ipsec proposal remove b");
}

/* Spec sections 24.5, 28: defaults are weak and stay so; who configures them hears of it. */
static void t_spec_28_weak(void **state)
{
	char weak[400];

	(void)state;
	run("/ip ipsec peer\nadd\nadd hash-algorithm=sha256 enc-algorithm=aes-128 dh-group=ec2n185\n"
	    "add hash-algorithm=sha1 enc-algorithm=camellia-256 dh-group=x25519\n"
	    "/ip ipsec proposal\nadd name=x enc-algorithms=aes-256,null,3des pfs-group=none\n"
	    "add name=y enc-algorithms=aes-128-gcm,aes-256-ccm auth-algorithms=null pfs-group=none\n"
	    "add name=z enc-algorithms=aes-128-gcm,aes-256 auth-algorithms=null pfs-group=none");
	assert_int_equal(conf_weak(MENU_PEER, &peer(0)->it, weak, sizeof(weak)), 3);
	assert_string_equal(weak, "hash-algorithm=md5, enc-algorithm=3des, dh-group=modp1024");
	assert_int_equal(conf_weak(MENU_PEER, &peer(1)->it, weak, sizeof(weak)), 1);
	assert_string_equal(weak, "dh-group=ec2n185");
	assert_int_equal(conf_weak(MENU_PEER, &peer(2)->it, weak, sizeof(weak)), 0);
	assert_int_equal(conf_weak(MENU_PROPOSAL, &proposal(1)->it, weak, sizeof(weak)), 2);
	assert_string_equal(weak, "enc-algorithms=null, enc-algorithms=3des");
	assert_int_equal(conf_weak(MENU_PROPOSAL, &proposal(2)->it, weak, sizeof(weak)), 0);
	assert_int_equal(conf_weak(MENU_PROPOSAL, &proposal(3)->it, weak, sizeof(weak)), 1);
	assert_string_equal(weak, "auth-algorithms=null");
}

/* Spec 27: both commands of the example are accepted as they stand. */
static void t_spec_27_example(void **state)
{
	(void)state;
	run("/ip ipsec peer\n"
	    "add address=203.0.113.1 port=500 auth-method=pre-shared-key secret=\"test\"\n"
	    "/ip ipsec policy\n"
	    "add src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 dst-port=any \\\n"
	    "    sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 tunnel=yes \\\n"
	    "    action=encrypt proposal=default\n");
	assert_string_equal(reason(0), "");
	assert_string_equal(peer(0)->secret, "test");
	assert_int_equal(peer(0)->address.len, 32);
}

/* What xdp-iked gets: a descriptor, which may have been read before. Ids are those of the file; a damaged one is refused. */
static void t_store_load_fd(void **state)
{
	static const char script[] = "/ip ipsec peer\nadd address=192.0.2.1 secret=a\n# ids peer last=9 7\n";
	struct paths p = {.conf = "the file"};
	struct conf_err e = {0};
	FILE *f = tmpfile();
	struct conf c;

	(void)state;
	assert_non_null(f);
	(void)fputs(script, f);
	(void)fflush(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_load_fd(&p, fileno(f), &c, &e), 0);
		assert_int_equal(c.list[MENU_PEER].item[0]->id, 7);
		assert_int_equal(c.list[MENU_PROPOSAL].count, 1);
		conf_free(&c);
	}
	(void)fputs("nonsense\n", f);
	(void)fflush(f);
	assert_true(store_load_fd(&p, fileno(f), &c, &e) < 0);
	assert_int_equal(c.list[MENU_PEER].count, 0);
	conf_free(&c);
	(void)fclose(f);
	e = (struct conf_err){0};
	assert_true(store_load_fd(&p, -1, &c, &e) < 0);
	conf_free(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(t_spec_4_2_peer_print), TEST(t_spec_4_2_peer_export), TEST(t_spec_4_1_shown_by_method),
		TEST(t_spec_4_1_secret),     TEST(t_spec_4_1_defaults),	   TEST(t_spec_8_proposal_print),
		TEST(t_spec_8_order),	     TEST(t_spec_6_4_proposal),	   TEST(t_proposal_rename_is_followed),
		TEST(t_spec_28_weak),	     TEST(t_spec_27_example),	   TEST(t_store_load_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
