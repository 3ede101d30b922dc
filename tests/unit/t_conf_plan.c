/* SPDX-License-Identifier: BSD-2-Clause */
/* From configuration to policies and SAs: what is inactive and why (spec sections 3.5, 6.4, 9), what the records hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka needs the ones above */
#include <arpa/inet.h>
#include <cmocka.h>

#include "bpf/abi/xi_alg.h"
#include "user/base/clock.h"
#include "user/conf/exec.h"
#include "user/conf/plan.h"

#define K16A "000102030405060708090a0b0c0d0e0f"
#define K16B "101112131415161718191a1b1c1d1e1f"
#define K20A "000102030405060708090a0b0c0d0e0f10111213"
#define K20B "202122232425262728292a2b2c2d2e2f30313233"
#define TEMPLATE                                                                                                       \
	"manual-sa add name=m esp-enc-algorithm=aes-128 esp-auth-algorithm=sha1 esp-enc-key=" K16A "/" K16B            \
	" esp-auth-key=" K20A "/" K20B " esp-spi=0x101/0x202 "
#define TUNNEL                                                                                                         \
	"policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-dst-address=203.0.113.1 "            \
	"manual-sa=m "

static struct conf conf;
static struct plan plan;

static int route(const struct ip_addr *dst, struct ip_addr *src)
{
	if (dst->a.w[0] == inet_addr("192.0.2.99"))
		return -1;
	return val_addr_parse(src, dst->family == XI_IP4 ? "198.51.100.7" : "2001:db8::7");
}

static void build(const char *script)
{
	struct conf_err e = {0};

	plan_free(&plan);
	conf_free(&conf);
	conf_init(&conf);
	if (exec_script(&conf, script, strlen(script), NULL, &e))
		fail_msg("%s", e.text);
	assert_int_equal(plan_build(&plan, &conf, route), 0);
}

static const char *reason(enum menu_id menu, unsigned i)
{
	const struct conf_item *it = conf.list[menu].item[i];

	return conf_flags(it) & ITEM_INACTIVE ? it->reason : "active";
}

static void t_sa_records(void **state)
{
	const struct xi_sa *in, *out;

	(void)state;
	build(TEMPLATE "lifetime=30m replay=128\n" TUNNEL "sa-src-address=198.51.100.1");
	assert_string_equal(reason(MENU_POLICY, 0), "active");
	assert_int_equal(plan.policies, 1);
	assert_int_equal(plan.sas, 2);
	in = &plan.sa[plan.policy[0].sa[XI_DIR_IN]].sa;
	out = &plan.sa[plan.policy[0].sa[XI_DIR_OUT]].sa;
	assert_int_equal(in->spi, htonl(0x101));
	assert_int_equal(out->spi, htonl(0x202));
	assert_int_equal(in->dst.w[0], inet_addr("198.51.100.1"));
	assert_int_equal(in->src.w[0], inet_addr("203.0.113.1"));
	assert_int_equal(out->src.w[0], inet_addr("198.51.100.1"));
	assert_int_equal(out->dst.w[0], inet_addr("203.0.113.1"));
	assert_int_equal(in->enc_key[0], 0x00);
	assert_int_equal(out->enc_key[0], 0x10);
	assert_int_equal(out->auth_key[0], 0x20);
	assert_int_equal(in->replay_window, 1024);
	assert_int_equal(out->replay_window, 0);
	assert_int_equal(in->hard_ns / NS_PER_S, 1800);
	assert_int_equal(in->soft_ns / NS_PER_S, 1440);
	assert_int_equal(alg_check_sa(in), 0);
	assert_int_equal(alg_check_sa(out), 0);
	assert_int_equal(plan.policy[0].pol.sel.src_len, 16);
	assert_int_equal(plan.policy[0].pol.flags, 0);
}

/* Spec 6.1: sa-src-address unset is taken from the route. */
static void t_spec_6_1_source_from_route(void **state)
{
	(void)state;
	build(TEMPLATE "\n" TUNNEL);
	assert_int_equal(plan.sa[plan.policy[0].sa[XI_DIR_OUT]].sa.src.w[0], inet_addr("198.51.100.7"));
	build(TEMPLATE "\n" TUNNEL "sa-dst-address=192.0.2.99");
	assert_string_equal(reason(MENU_POLICY, 0),
			    "no route to sa-dst-address 192.0.2.99 to take sa-src-address from");
	assert_int_equal(plan.sas, 0);
	assert_int_equal(plan.policy[0].pol.flags, XI_POL_INACTIVE);
}

static const struct {
	const char *template, *policy, *why_template, *why_policy;
	unsigned in_maps;
} rows[] = {
	{"", "", "active", "active", 1},
	{"disabled=yes", "", "active", "manual-sa m is disabled", 1},
	{"esp-enc-key=0011", "", "incoming key of esp-enc-key has 2 bytes, aes-128 needs 16",
	 "manual-sa m is invalid: incoming key of esp-enc-key has 2 bytes, aes-128 needs 16", 1},
	{"esp-auth-key=" K20A "/", "", "outgoing key of esp-auth-key has 0 bytes, sha1 needs 20",
	 "manual-sa m is invalid: outgoing key of esp-auth-key has 0 bytes, sha1 needs 20", 1},
	{"esp-enc-algorithm=null esp-auth-algorithm=null", "", "active", "manual-sa m has no ESP algorithm", 1},
	{"esp-enc-algorithm=aes-128/null esp-auth-algorithm=sha1/null", "", "active",
	 "manual-sa m has no ESP algorithm", 1},
	{"esp-enc-algorithm=null/aes-128 esp-auth-algorithm=null/sha1", "", "active",
	 "manual-sa m has no ESP algorithm", 1},
	{"esp-auth-algorithm=null", "", "active", "active", 1},
	{"esp-enc-algorithm=null", "", "active", "active", 1},
	/* spec 6.4, 9: an algorithm for each selected protocol, in both directions */
	{"", "ipsec-protocols=ah,esp", "active", "manual-sa m has no AH algorithm", 1},
	{"", "ipsec-protocols=ah", "active", "manual-sa m has no AH algorithm", 1},
	{"ah-algorithm=md5/null ah-key=" K16A, "ipsec-protocols=ah", "active", "manual-sa m has no AH algorithm", 1},
	{"ah-algorithm=null/md5 ah-key=" K16A, "ipsec-protocols=ah,esp", "active", "manual-sa m has no AH algorithm",
	 1},
	{"ah-algorithm=md5/sha1 ah-key=" K16A "/" K20A, "ipsec-protocols=ah", "active", "active", 1},
	{"ah-algorithm=md5/sha1 ah-key=" K16A "/" K20A, "ipsec-protocols=ah,esp", "active", "active", 1},
	{"ah-algorithm=md5 ah-key=" K16A " esp-enc-algorithm=null esp-auth-algorithm=null", "ipsec-protocols=ah",
	 "active", "active", 1},
	{"ah-algorithm=md5 ah-key=" K16A " esp-enc-algorithm=null esp-auth-algorithm=null", "ipsec-protocols=ah,esp",
	 "active", "manual-sa m has no ESP algorithm", 1},
	{"ah-algorithm=sha1 ah-key=" K16A, "ipsec-protocols=ah", "incoming key of ah-key has 16 bytes, sha1 needs 20",
	 "manual-sa m is invalid: incoming key of ah-key has 16 bytes, sha1 needs 20", 1},
	/* an invalid template is invalid for every policy, also for one that does not use the key that is wrong */
	{"ah-algorithm=sha1", "", "incoming key of ah-key has 0 bytes, sha1 needs 20",
	 "manual-sa m is invalid: incoming key of ah-key has 0 bytes, sha1 needs 20", 1},
	/* spec 6.1, 6.3: ends */
	{"", "sa-dst-address=::", "active", "tunnel=yes needs sa-dst-address", 1},
	{"", "sa-dst-address=0.0.0.0", "active", "tunnel=yes needs sa-dst-address", 1},
	{"", "sa-dst-address=2001:db8::1", "active", "active", 1},
	{"", "src-address=2001:db8:1::/64 dst-address=2001:db8:2::/64", "active", "active", 1},
	{"", "src-address=2001:db8:1::/64 dst-address=2001:db8:2::/64 sa-dst-address=2001:db8::1", "active", "active",
	 1},
	{"", "tunnel=no", "active", "active", 1},
	{"", "tunnel=no sa-dst-address=::", "active", "tunnel=no needs sa-dst-address or one host as dst-address", 1},
	{"", "tunnel=no sa-dst-address=:: dst-address=10.2.0.1", "active", "active", 1},
	{"", "tunnel=no sa-dst-address=:: dst-address=0.0.0.0/32", "active",
	 "tunnel=no needs sa-dst-address or one host as dst-address", 1},
	{"", "tunnel=yes sa-dst-address=:: dst-address=10.2.0.1", "active", "tunnel=yes needs sa-dst-address", 1},
	{"", "tunnel=no sa-dst-address=:: dst-address=192.0.2.99", "active",
	 "no route to sa-dst-address 192.0.2.99 to take sa-src-address from", 1},
	{"", "manual-sa=none", "active", "active", 1},
	{"", "manual-sa=none sa-dst-address=192.0.2.99", "active", "active", 1}, /* no route is needed yet */
	/* spec 3.5: level=use does not fail closed; spec 6.1: none and discard ignore the rest */
	{"", "manual-sa=none level=use", "active", "active", 1},
	{"", "action=discard manual-sa=none", "active", "active", 1},
	{"", "action=none tunnel=no", "active", "active", 1},
	{"", "disabled=yes tunnel=no", "active", "active", 0},
	/* spec 9: lengths, exact or of a range */
	{"esp-enc-algorithm=blowfish esp-enc-key=0011223344", "", "active", "active", 1},
	{"esp-enc-algorithm=blowfish esp-enc-key=00112233", "",
	 "incoming key of esp-enc-key has 4 bytes, blowfish needs 5 to 56",
	 "manual-sa m is invalid: incoming key of esp-enc-key has 4 bytes, blowfish needs 5 to 56", 1},
	{"esp-enc-algorithm=twofish esp-enc-key=" K16A K16B, "", "active", "active", 1},
	{"esp-enc-algorithm=des esp-enc-key=" K16A, "", "incoming key of esp-enc-key has 16 bytes, des needs 8",
	 "manual-sa m is invalid: incoming key of esp-enc-key has 16 bytes, des needs 8", 1},
	{"esp-enc-algorithm=3des esp-enc-key=" K16A "0011223344556677", "", "active", "active", 1},
	{"esp-enc-algorithm=aes-128-gmac unsafe-aead=yes esp-auth-algorithm=null esp-enc-key=" K16A "00000000/" K16B
	 "00000000",
	 "", "active", "active", 1},
	{"ah-algorithm=aes-128-gmac unsafe-aead=yes ah-key=" K16A "00000000", "ipsec-protocols=ah",
	 "aes-128-gmac needs one ah-key in and another one out",
	 "manual-sa m is invalid: aes-128-gmac needs one ah-key in and another one out", 1},
	{"ah-algorithm=aes-128-gmac unsafe-aead=yes ah-key=" K16A "00000000/" K16B "00000000", "ipsec-protocols=ah",
	 "active", "active", 1},
};

static void t_spec_6_4_inactive(void **state)
{
	char script[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)snprintf(script, sizeof(script), TEMPLATE "%s\n" TUNNEL "%s", rows[i].template, rows[i].policy);
		build(script);
		assert_string_equal(reason(MENU_MANUAL_SA, 0), rows[i].why_template);
		assert_string_equal(reason(MENU_POLICY, 0), rows[i].why_policy);
		assert_int_equal(plan.policies, rows[i].in_maps);
		if (rows[i].in_maps && strcmp(rows[i].why_policy, "active"))
			assert_int_equal(plan.policy[0].pol.flags, XI_POL_INACTIVE);
	}
}

/* Spec 3.5, 6.2, 7.1: inactive with level=use goes into the maps, where it counts what passes; twice the same does not. */
static void t_spec_3_5_inactive_use(void **state)
{
	(void)state;
	build(TEMPLATE " disabled=yes\n" TUNNEL "level=use priority=7\n" TUNNEL "level=use priority=5\n" TUNNEL
		       "dst-address=10.9.0.0/16");
	assert_string_equal(reason(MENU_POLICY, 0), "manual-sa m is disabled");
	assert_string_equal(reason(MENU_POLICY, 1), "same selectors as policy 0, which is evaluated earlier");
	assert_int_equal(plan.policies, 2);
	assert_int_equal(plan.policy[0].pol.flags, XI_POL_INACTIVE);
}

#define WITH_AH "ah-algorithm=md5/sha1 ah-key=" K16A "/" K20B " ah-spi=0x301/0x302 replay=128 "

static const struct xi_sa *planned(unsigned policy, bool ah, int dir)
{
	const struct plan_policy *pp = &plan.policy[policy];
	int i = ah ? pp->sa_ah[dir] : pp->sa[dir];

	return i < 0 ? NULL : &plan.sa[i].sa;
}

/* Spec 6.1: which protocol is in which mode; with both, sa is ESP and sa_ah is AH. */
static void t_spec_6_1_protocols_and_modes(void **state)
{
	static const struct {
		const char *policy;
		uint8_t proto, mode; /* of sa */
		int ah_mode;	     /* of sa_ah, -1 = there is none */
	} mode[] = {
		{"tunnel=yes ipsec-protocols=esp", XI_PROTO_ESP, XI_MODE_TUNNEL, -1},
		{"tunnel=no ipsec-protocols=esp", XI_PROTO_ESP, XI_MODE_TRANSPORT, -1},
		{"tunnel=yes ipsec-protocols=ah", XI_PROTO_AH, XI_MODE_TUNNEL, -1},
		{"tunnel=no ipsec-protocols=ah", XI_PROTO_AH, XI_MODE_TRANSPORT, -1},
		{"tunnel=yes ipsec-protocols=ah,esp", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_MODE_TRANSPORT},
		{"tunnel=no ipsec-protocols=ah,esp", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_MODE_TRANSPORT},
	};
	char script[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mode); i++) {
		(void)snprintf(script, sizeof(script), TEMPLATE WITH_AH "\n" TUNNEL "%s", mode[i].policy);
		build(script);
		assert_string_equal(reason(MENU_POLICY, 0), "active");
		assert_int_equal(plan.sas, mode[i].ah_mode < 0 ? 2 : 4);
		for (int d = 0; d < 2; d++) {
			const struct xi_sa *s = planned(0, false, d), *ah = planned(0, true, d);

			assert_int_equal(s->proto, mode[i].proto);
			assert_int_equal(s->mode, mode[i].mode);
			assert_int_equal(alg_check_sa(s), 0);
			if (mode[i].ah_mode < 0) {
				assert_null(ah);
				continue;
			}
			assert_int_equal(ah->proto, XI_PROTO_AH);
			assert_int_equal(ah->mode, mode[i].ah_mode);
			assert_int_equal(alg_check_sa(ah), 0);
			assert_memory_equal(&ah->src, &s->src, sizeof(s->src));
			assert_memory_equal(&ah->dst, &s->dst, sizeof(s->dst));
		}
	}
}

/* Spec 9: an AH SA has its own algorithm, key and SPI of its direction, and no cipher. */
static void t_spec_9_ah_records(void **state)
{
	const struct xi_sa *in, *out;

	(void)state;
	build(TEMPLATE WITH_AH "\n" TUNNEL "ipsec-protocols=ah level=unique");
	in = planned(0, false, XI_DIR_IN);
	out = planned(0, false, XI_DIR_OUT);
	assert_int_equal(in->spi, htonl(0x301));
	assert_int_equal(out->spi, htonl(0x302));
	assert_int_equal(in->auth_alg, XI_AUTH_MD5);
	assert_int_equal(out->auth_alg, XI_AUTH_SHA1);
	assert_int_equal(in->auth_key_len, 16);
	assert_int_equal(out->auth_key_len, 20);
	assert_int_equal(out->auth_key[0], 0x20);
	assert_int_equal(in->enc_alg, XI_ENC_NULL);
	assert_int_equal(in->enc_key_len, 0);
	assert_int_equal(in->enc_key[0] | in->enc_key[15], 0);
	assert_int_equal(in->replay_window, 1024);
	assert_int_equal(out->replay_window, 0);
	assert_int_equal(in->reqid, 1);
	assert_int_equal(plan.policy[0].pol.protos, XI_PROTOS_AH);
	/* two templates with one inbound AH SPI; the same number for ESP is another SA */
	build(TEMPLATE WITH_AH "\nmanual-sa add name=n copy-from=m esp-spi=0x301/0x333 ah-spi=0x301/0x999");
	assert_string_equal(reason(MENU_MANUAL_SA, 0), "active");
	assert_string_equal(reason(MENU_MANUAL_SA, 1), "incoming ah-spi 0x301 is taken by m");
	build(TEMPLATE WITH_AH "ah-spi=0x101/0x202\n" TUNNEL "ipsec-protocols=ah,esp");
	assert_string_equal(reason(MENU_POLICY, 0), "active");
	assert_int_equal(plan.sas, 4);
	/* AH for a tunnel and AH over ESP are of different modes: not one SA */
	build(TEMPLATE WITH_AH "\n" TUNNEL "ipsec-protocols=ah,esp\npolicy add copy-from=0 src-address=10.3.0.0/16 "
			       "ipsec-protocols=ah");
	assert_string_equal(
		reason(MENU_POLICY, 1),
		"incoming ah-spi 0x301 is in use by another policy with other ends, mode, keys or level=unique");
	assert_int_equal(plan.sas, 4);
	/* while ESP alone shares the ESP SAs of the bundle */
	build(TEMPLATE WITH_AH "\n" TUNNEL "ipsec-protocols=ah,esp\npolicy add copy-from=0 src-address=10.3.0.0/16 "
			       "ipsec-protocols=esp");
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	assert_int_equal(plan.sas, 4);
	assert_int_equal(plan.policy[1].sa[1], plan.policy[0].sa[1]);
	assert_int_equal(plan.policy[1].sa_ah[1], -1);
	/* what cannot be had as a whole leaves nothing in the plan */
	build(TEMPLATE WITH_AH "\n" TUNNEL "ipsec-protocols=ah\npolicy add copy-from=0 src-address=10.3.0.0/16 "
			       "ipsec-protocols=ah,esp");
	assert_int_equal(plan.sas, 2);
	assert_null(planned(1, false, XI_DIR_OUT));
	assert_null(planned(1, true, XI_DIR_IN));
}

/* Spec 6.3: families inside and outside; transport mode may take the far end from a host dst-address. */
static void t_spec_6_3_ends(void **state)
{
	const struct xi_sa *out;

	(void)state;
	build(TEMPLATE "\n" TUNNEL "src-address=2001:db8:1::/64 dst-address=2001:db8:2::/64");
	out = planned(0, false, XI_DIR_OUT);
	assert_int_equal(out->family, XI_IP4);
	assert_int_equal(plan.policy[0].pol.sel.family, XI_IP6);
	build(TEMPLATE "\n" TUNNEL "sa-dst-address=2001:db8::99");
	out = planned(0, false, XI_DIR_OUT);
	assert_int_equal(out->family, XI_IP6);
	assert_int_equal(out->dst.w[3], htonl(0x99));
	assert_int_equal(out->src.w[3], htonl(0x7)); /* spec 6.1: from the route */
	assert_int_equal(plan.policy[0].pol.sa_family, XI_IP6);
	assert_int_equal(plan.policy[0].pol.sa_src.w[3], htonl(0x7));
	build(TEMPLATE "\n" TUNNEL "tunnel=no sa-dst-address=:: src-address=2001:db8::7 dst-address=2001:db8::42");
	out = planned(0, false, XI_DIR_OUT);
	assert_int_equal(out->dst.w[3], htonl(0x42));
	assert_int_equal(out->src.w[3], htonl(0x7));
	assert_int_equal(plan.policy[0].pol.sa_dst.w[3], htonl(0x42));
	assert_int_equal(plan.policy[0].pol.sa_family, XI_IP6);
	/* wide prefixes in transport mode are accepted: the packet path drops what has other addresses */
	build(TEMPLATE "\n" TUNNEL "tunnel=no");
	assert_string_equal(reason(MENU_POLICY, 0), "active");
	assert_int_equal(plan.policy[0].pol.sel.src_len, 16);
}

/* [E]: 64-bit numbers, UDP, limits, alignment of AH, MSS. */
static void t_extensions(void **state)
{
	const struct xi_sa *in, *out;

	(void)state;
	build(TEMPLATE "esn=yes replay=128 nat-traversal=yes natt-port=40000 lifebytes=1005 lifepackets=19\n" TUNNEL
		       "tcp-mss=1300");
	in = planned(0, false, XI_DIR_IN);
	out = planned(0, false, XI_DIR_OUT);
	assert_int_equal(in->flags, XI_SA_F_MANUAL | XI_SA_F_ESN | XI_SA_F_UDP);
	assert_int_equal(out->flags, XI_SA_F_MANUAL | XI_SA_F_ESN | XI_SA_F_UDP | XI_SA_F_KEEPALIVE);
	assert_int_equal(out->udp_local, htons(4500));
	assert_int_equal(out->udp_remote, htons(40000));
	assert_int_equal(in->udp_remote, htons(40000));
	assert_int_equal(out->hard_bytes, 1005);
	assert_int_equal(out->soft_bytes, 804);
	assert_int_equal(in->hard_packets, 19);
	assert_int_equal(in->soft_packets, 15);
	assert_int_equal(plan.policy[0].pol.tcp_mss, 1300);
	build(TEMPLATE WITH_AH "esn=yes ah-align8=yes lifebytes=9223372036854775807\n" TUNNEL
			       "ipsec-protocols=ah,esp tcp-mss=off");
	assert_int_equal(planned(0, true, XI_DIR_OUT)->flags, XI_SA_F_MANUAL | XI_SA_F_ESN | XI_SA_F_AH_ALIGN8);
	assert_int_equal(planned(0, true, XI_DIR_IN)->flags, XI_SA_F_MANUAL | XI_SA_F_ESN);
	assert_int_equal(planned(0, false, XI_DIR_OUT)->flags, XI_SA_F_MANUAL | XI_SA_F_ESN);
	assert_true(planned(0, true, XI_DIR_OUT)->soft_bytes == 7378697629483820645ull);
	assert_int_equal(plan.policy[0].pol.tcp_mss, XI_MSS_OFF);
	/* IPv6 has its own alignment (RFC 4302 §3.3.3.2.1) */
	build(TEMPLATE WITH_AH "ah-align8=yes\n" TUNNEL "ipsec-protocols=ah sa-dst-address=2001:db8::1");
	assert_int_equal(planned(0, false, XI_DIR_OUT)->flags, XI_SA_F_MANUAL);
	assert_int_equal(plan.policy[0].pol.tcp_mss, XI_MSS_AUTO);
}

/* Spec 6.3, 6.4, 9: what is refused. */
static void t_refused(void **state)
{
	static const struct {
		const char *command, *error;
	} row[] = {
		{"policy add tunnel=no src-address=10.1.0.1 dst-address=10.2.0.1 sa-dst-address=2001:db8::1",
		 "failure: address families do not match"},
		{"policy add tunnel=no src-address=10.1.0.1 dst-address=10.2.0.1 sa-src-address=2001:db8::1",
		 "failure: address families do not match"},
		{"policy add tunnel=no src-address=2001:db8::2 dst-address=2001:db8::3 sa-dst-address=192.0.2.1",
		 "failure: address families do not match"},
		{"policy add tunnel=yes src-address=10.1.0.1 dst-address=2001:db8::3",
		 "failure: address families do not match"},
		{"policy add tunnel=yes sa-src-address=10.1.0.1 sa-dst-address=2001:db8::3",
		 "failure: address families do not match"},
		/* no effect, no error: spec 6.1 */
		{"policy add action=discard tunnel=no sa-dst-address=2001:db8::1", NULL},
		{"policy add tunnel=yes sa-dst-address=2001:db8::1", NULL},
		{"policy add ipsec-protocols=\"\"", "failure: action encrypt needs ipsec-protocols"},
		{"policy add tcp-mss=535", "value of tcp-mss out of range (536..65495)"},
		{"policy add tcp-mss=65496", "value of tcp-mss out of range (536..65495)"},
		{"policy add tcp-mss=some", "invalid value for argument tcp-mss"},
		{"policy add tcp-mss=of", NULL},
		/* it would have no effect */
		{"policy add action=discard tcp-mss=1300", "failure: tcp-mss needs action=encrypt; set tcp-mss=auto"},
		{"policy add action=none tcp-mss=off", "failure: tcp-mss needs action=encrypt; set tcp-mss=auto"},
		{"policy add protocol=udp tcp-mss=1300",
		 "failure: tcp-mss needs protocol=all or tcp; set tcp-mss=auto"},
		{"policy add protocol=tcp tcp-mss=1300", NULL},
		{"policy add action=none tcp-mss=auto", NULL},
		{"policy add tcp-mss=1300\npolicy set 0 action=discard",
		 "failure: tcp-mss needs action=encrypt; set tcp-mss=auto"},
		{"policy add tcp-mss=1300\npolicy set 0 action=discard tcp-mss=auto", NULL},
		{"manual-sa add name=x natt-port=4501",
		 "failure: natt-port needs nat-traversal=yes; set natt-port=4500"},
		{"manual-sa add name=x natt-port=4500", NULL},
		{"manual-sa add name=x natt-port=4501 nat-traversal=yes", NULL},
		{"manual-sa add name=x natt-port=4501 nat-traversal=yes\nmanual-sa set x nat-traversal=no",
		 "failure: natt-port needs nat-traversal=yes; set natt-port=4500"},
		{"manual-sa add name=x ah-align8=yes",
		 "failure: ah-align8=yes needs an outgoing ah-algorithm other than null"},
		{"manual-sa add name=x ah-align8=yes ah-algorithm=md5/null",
		 "failure: ah-align8=yes needs an outgoing ah-algorithm other than null"},
		{"manual-sa add name=x ah-align8=yes ah-algorithm=null/md5", NULL},
		{"manual-sa add name=x ah-algorithm=crc32", "input does not match any value of ah-algorithm"},
		{"manual-sa add name=x ah-spi=0xff", "value of ah-spi out of range (0x100..0xFFFFFFFF)"},
		{"manual-sa add name=x ah-key=xyz", "invalid value for argument ah-key"},
		{"manual-sa add name=x esn=yes", "failure: esn=yes needs replay of 4 bytes or more"},
		{"manual-sa add name=x esn=yes replay=4", NULL},
		{"manual-sa add name=x esn=yes replay=4 esp-enc-algorithm=aes-128 esp-auth-algorithm=null",
		 "failure: esn=yes needs an esp-auth-algorithm other than null"},
		{"manual-sa add name=x replay=8193", "value of replay out of range (0..8192)"},
		{"manual-sa add name=x replay=3", "value of replay out of range (4..8192)"},
		{"manual-sa add name=x nat-traversal=yes ah-algorithm=null/md5",
		 "failure: AH covers the addresses that NAT rewrites: nat-traversal=yes needs ah-algorithm=null"},
		{"manual-sa add name=x nat-traversal=yes ah-algorithm=md5/null",
		 "failure: AH covers the addresses that NAT rewrites: nat-traversal=yes needs ah-algorithm=null"},
		{"manual-sa add name=x natt-port=0", "value of natt-port out of range (1..65535)"},
		{"manual-sa add name=x lifebytes=9223372036854775808",
		 "value of lifebytes out of range (0..9223372036854775807)"},
		{"manual-sa add name=x lifepackets=-1", "value of lifepackets out of range (0..9223372036854775807)"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-gcm",
		 "failure: aes-128-gcm is not safe with manual keys; for laboratory use set unsafe-aead=yes"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-ctr/null esp-auth-algorithm=sha1",
		 "failure: aes-128-ctr is not safe with manual keys; for laboratory use set unsafe-aead=yes"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-ctr unsafe-aead=yes",
		 "failure: aes-128-ctr needs an esp-auth-algorithm other than null"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-ctr unsafe-aead=yes esp-auth-algorithm=sha1/null",
		 "failure: aes-128-ctr needs an esp-auth-algorithm other than null"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-ctr unsafe-aead=yes esp-auth-algorithm=sha1", NULL},
		{"manual-sa add name=x esp-enc-algorithm=chacha20-poly1305",
		 "failure: chacha20-poly1305 is not safe with manual keys; for laboratory use set unsafe-aead=yes"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-ccm unsafe-aead=yes esp-auth-algorithm=aes-cmac",
		 "failure: aes-128-ccm authenticates by itself and needs esp-auth-algorithm=null"},
		{"manual-sa add name=x esp-enc-algorithm=aes-128-gmac unsafe-aead=yes esp-auth-algorithm=aes-cmac",
		 "failure: aes-128-gmac authenticates by itself and needs esp-auth-algorithm=null"},
		{"manual-sa add name=x ah-algorithm=aes-128-gmac",
		 "failure: aes-128-gmac is not safe with manual keys; for laboratory use set unsafe-aead=yes"},
		{"manual-sa add name=x ah-algorithm=aes-128-gmac unsafe-aead=yes", NULL},
		{"manual-sa add name=x esp-auth-algorithm=aes-128-gmac unsafe-aead=yes",
		 "input does not match any value of esp-auth-algorithm"},
		{"manual-sa add name=x esp-enc-algorithm=null/aes-256-gcm unsafe-aead=yes esp-auth-algorithm=sha1",
		 "failure: aes-256-gcm authenticates by itself and needs esp-auth-algorithm=null"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct conf_err e = {0};
		struct conf c;
		int rc;

		conf_init(&c);
		rc = exec_script(&c, row[i].command, strlen(row[i].command), NULL, &e);
		/* a script's errors have their place behind the text */
		if (row[i].error && (rc == 0 || strncmp(e.text, row[i].error, strlen(row[i].error)) != 0))
			fail_msg("%s: got \"%s\", wanted \"%s\"", row[i].command, e.text, row[i].error);
		if (!row[i].error && rc)
			fail_msg("%s: %s", row[i].command, e.text);
		conf_free(&c);
	}
}

/* Spec 6.4: the later of two with the same selectors, in evaluation order. */
static void t_spec_6_4_duplicates(void **state)
{
	(void)state;
	build("policy\nadd action=discard\nadd action=none\nadd action=discard priority=5\nadd action=none "
	      "protocol=tcp");
	assert_string_equal(reason(MENU_POLICY, 0), "same selectors as policy 2, which is evaluated earlier");
	assert_string_equal(reason(MENU_POLICY, 1), "same selectors as policy 2, which is evaluated earlier");
	assert_string_equal(reason(MENU_POLICY, 2), "active");
	assert_string_equal(reason(MENU_POLICY, 3), "active");
	assert_int_equal(plan.policies, 2);
	build("policy\nadd action=discard disabled=yes\nadd action=none");
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	/* spec 3.5: one of level use that is inactive is as if disabled; it must not take the place of one that drops */
	build(TEMPLATE
	      "disabled=yes\n" TUNNEL
	      "\npolicy set 0 level=use\npolicy add action=discard src-address=10.1.0.0/16 dst-address=10.2.0.0/16");
	assert_string_not_equal(reason(MENU_POLICY, 0), "active");
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	assert_int_equal(plan.policies, 2);
	assert_int_equal(plan.policy[1].pol.action, XI_ACTION_DISCARD);
}

#define GCM "manual-sa add esp-enc-algorithm=aes-128-gcm unsafe-aead=yes esp-spi="
#define OTHER "\npolicy add copy-from=0 dst-address=10.3.0.0/16 "

/* The same of one that cannot have its SAs: for an SPI or a key that another policy has, for want of a route. */
static void t_spec_3_5_idle_for_its_sas(void **state)
{
	static const char *const cause[] = {
		TEMPLATE "\n" TUNNEL
			 "\npolicy add copy-from=0 dst-address=10.3.0.0/16 level=use sa-dst-address=203.0.113.2",
		GCM "0x101/0x202 name=m esp-enc-key=" K16A "01020304/" K16B "01020304\n" TUNNEL OTHER
		    "level=use sa-src-address=198.51.100.8 sa-dst-address=203.0.113.2",
		TEMPLATE "\n" TUNNEL "\npolicy add copy-from=0 dst-address=10.3.0.0/16 level=use sa-src-address=:: "
			 "sa-dst-address=192.0.2.99",
	};
	char script[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cause); i++) {
		(void)snprintf(script, sizeof(script),
			       "%s\npolicy add action=discard src-address=10.1.0.0/16 dst-address=10.3.0.0/16",
			       cause[i]);
		build(script);
		assert_string_not_equal(reason(MENU_POLICY, 1), "active");
		assert_string_equal(reason(MENU_POLICY, 2), "active");
		assert_int_equal(plan.policies, 3);
		assert_int_equal(plan.policy[1].pol.flags, XI_POL_INACTIVE);
		assert_int_equal(plan.policy[2].pol.action, XI_ACTION_DISCARD);
		assert_int_equal(plan.sas, 2);
	}
	/* the one behind it gets the SAs, and a third is its duplicate */
	build(TEMPLATE "\n" TUNNEL
		       "\npolicy add copy-from=0 dst-address=10.3.0.0/16 level=use sa-dst-address=203.0.113.2\n"
		       "policy add copy-from=0 dst-address=10.3.0.0/16\npolicy add copy-from=2");
	assert_string_not_equal(reason(MENU_POLICY, 1), "active");
	assert_string_equal(reason(MENU_POLICY, 2), "active");
	assert_int_equal(plan.policy[2].sa[0], plan.policy[0].sa[0]);
	assert_string_equal(reason(MENU_POLICY, 3), "same selectors as policy 2, which is evaluated earlier");
	/* what was idle is judged anew the next time */
	plan_free(&plan);
	conf.list[MENU_POLICY].item[0]->disabled = 1;
	assert_int_equal(plan_build(&plan, &conf, route), 0);
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	assert_string_equal(reason(MENU_POLICY, 2), "same selectors as policy 1, which is evaluated earlier");
}

/* Spec 9: two templates with the same inbound SPI; one template for several policies; conflicts of ends. */
static void t_spec_9_shared(void **state)
{
	(void)state;
	build(TEMPLATE "\nmanual-sa add name=n copy-from=m esp-spi=0x101/0x333");
	assert_string_equal(reason(MENU_MANUAL_SA, 0), "active");
	assert_string_equal(reason(MENU_MANUAL_SA, 1), "incoming esp-spi 0x101 is taken by m");
	build(TEMPLATE "disabled=yes\nmanual-sa add name=n copy-from=m disabled=no");
	assert_string_equal(reason(MENU_MANUAL_SA, 1), "active");
	/* two policies to the same peer share both SAs */
	build(TEMPLATE "\n" TUNNEL "\npolicy add copy-from=0 dst-address=10.3.0.0/16");
	assert_int_equal(plan.sas, 2);
	assert_int_equal(plan.policy[0].sa[0], plan.policy[1].sa[0]);
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	/* another peer by the same template: its inbound SA would be the first one's */
	build(TEMPLATE "\n" TUNNEL "\npolicy add copy-from=0 dst-address=10.3.0.0/16 sa-dst-address=203.0.113.2");
	assert_int_equal(plan.sas, 2);
	assert_string_equal(
		reason(MENU_POLICY, 1),
		"incoming esp-spi 0x101 is in use by another policy with other ends, mode, keys or level=unique");
	assert_int_equal(plan.policy[1].pol.flags, XI_POL_INACTIVE);
	/* what an inactive policy would have had is free for the next one */
	build(TEMPLATE "\nmanual-sa add name=x copy-from=m esp-spi=0x500/0x202 esp-enc-key=" K16B "/" K16A "\n" TUNNEL
		       "\npolicy add copy-from=0 dst-address=10.3.0.0/16 manual-sa=x\n"
		       "policy add copy-from=1 dst-address=10.4.0.0/16 sa-dst-address=203.0.113.2");
	assert_string_equal(
		reason(MENU_POLICY, 1),
		"outgoing esp-spi 0x202 is in use by another policy with other ends, mode, keys or level=unique");
	assert_string_equal(reason(MENU_POLICY, 2), "active");
	assert_int_equal(plan.sas, 4);
	/* unique wants its SA alone */
	build(TEMPLATE "\n" TUNNEL "level=unique\npolicy add copy-from=0 dst-address=10.3.0.0/16");
	assert_int_equal(plan.sa[0].sa.reqid, 1);
	assert_int_equal(plan.policy[0].pol.reqid, 1);
	assert_true(conf_flags(conf.list[MENU_POLICY].item[1]) & ITEM_INACTIVE);
}

/* RFC 4106 §2, RFC 3686 §2: a counter-mode key serves one sender. */
static void t_rfc4106_2_key_for_one_sender(void **state)
{
	static const struct {
		const char *keys, *other;
		const char *why_template, *why; /* of the second policy */
	} gcm[] = {
		/* the same SAs for two policies */
		{K16A "01020304/" K16B "01020304 name=m", OTHER, "active", "active"},
		/* one template between two pairs of ends: two SAs that both count from 0 */
		{K16A "01020304/" K16B "01020304 name=m",
		 OTHER "sa-src-address=198.51.100.8 sa-dst-address=203.0.113.2", "active",
		 "the outgoing esp-enc-key of m is in use for policy 0, and aes-128-gcm needs a key for each SA"},
		/* another template with our outgoing key, with our incoming key to send with, with our outgoing key to receive */
		{K16A "01020304/" K16B
		      "01020304 name=m\nmanual-sa add name=n copy-from=m esp-spi=0x301/0x302 esp-enc-key=" K16A
		      "0a020304/" K16B "01020304",
		 OTHER "manual-sa=n", "active",
		 "the outgoing esp-enc-key of n is in use for policy 0, and aes-128-gcm needs a key for each SA"},
		{K16A "01020304/" K16B
		      "01020304 name=m\nmanual-sa add name=n copy-from=m esp-spi=0x301/0x302 esp-enc-key=" K16A
		      "0a020304/" K16A "01020304",
		 OTHER "manual-sa=n", "active",
		 "the outgoing esp-enc-key of n is in use for policy 0, and aes-128-gcm needs a key for each SA"},
		{K16A "01020304/" K16B
		      "01020304 name=m\nmanual-sa add name=n copy-from=m esp-spi=0x301/0x302 esp-enc-key=" K16B
		      "01020304/" K16B "0b020304",
		 OTHER "manual-sa=n", "active",
		 "the incoming esp-enc-key of n is in use for policy 0, and aes-128-gcm needs a key for each SA"},
		/* another salt is another nonce */
		{K16A "01020304/" K16B
		      "01020304 name=m\nmanual-sa add name=n copy-from=m esp-spi=0x301/0x302 esp-enc-key=" K16A
		      "0a020304/" K16B "0b020304",
		 OTHER "manual-sa=n", "active", "active"},
		{K16A "01020304 name=m", OTHER, "aes-128-gcm needs one esp-enc-key in and another one out",
		 "manual-sa m is invalid: aes-128-gcm needs one esp-enc-key in and another one out"},
	};
	char script[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(gcm); i++) {
		(void)snprintf(script, sizeof(script), GCM "0x101/0x202 esp-enc-key=%s\n" TUNNEL "%s", gcm[i].keys,
			       gcm[i].other);
		build(script);
		assert_string_equal(reason(MENU_MANUAL_SA, 0), gcm[i].why_template);
		assert_string_equal(reason(MENU_POLICY, 1), gcm[i].why);
		if (strcmp(gcm[i].why, "active"))
			assert_int_equal(plan.policy[1].pol.flags, XI_POL_INACTIVE);
		for (unsigned x = 0; x < plan.sas; x++)
			for (unsigned y = 0; y < x; y++)
				assert_false((plan.sa[x].sa.dir || plan.sa[y].sa.dir) &&
					     alg_same_counter_key(&plan.sa[x].sa, &plan.sa[y].sa));
	}
	/* CBC takes its IVs from elsewhere: one key may serve several SAs */
	build(TEMPLATE "esp-enc-key=" K16A "\n" TUNNEL OTHER "sa-src-address=198.51.100.8 sa-dst-address=203.0.113.2");
	assert_string_equal(reason(MENU_POLICY, 1), "active");
	assert_int_equal(plan.sas, 4);
}

/* Spec 15: no ICV, no anti-replay; GCM has one of its own. */
static void t_spec_15_replay(void **state)
{
	(void)state;
	build("manual-sa add name=m esp-enc-algorithm=aes-128 esp-enc-key=" K16A " replay=128\n" TUNNEL);
	assert_int_equal(plan.sa[plan.policy[0].sa[XI_DIR_IN]].sa.replay_window, 0);
	build("manual-sa add name=m esp-enc-algorithm=aes-128-gcm unsafe-aead=yes esp-enc-key=" K16A "01020304/" K16B
	      "01020304 replay=5\n" TUNNEL);
	assert_int_equal(plan.sa[plan.policy[0].sa[XI_DIR_IN]].sa.replay_window, 64);
	assert_int_equal(plan.sa[plan.policy[0].sa[XI_DIR_IN]].sa.enc_key_len, 20);
	build("manual-sa add name=m esp-auth-algorithm=md5 esp-auth-key=" K16A " replay=8192\n" TUNNEL);
	assert_int_equal(plan.sa[plan.policy[0].sa[XI_DIR_IN]].sa.replay_window, XI_REPLAY_WINDOW_MAX);
}

static void t_selectors(void **state)
{
	const struct xi_selector *s;

	(void)state;
	build("policy add action=discard src-address=2001:db8::/32 dst-address=::/0 protocol=tcp dst-port=443");
	s = &plan.policy[0].pol.sel;
	assert_int_equal(s->family, XI_IP6);
	assert_int_equal(s->flags, XI_SEL_PROTO | XI_SEL_DST_PORT);
	assert_int_equal(s->dst_port, htons(443));
	assert_int_equal(s->src_len, 32);
	/* what has no effect is not in the record, so that editing it moves nothing */
	assert_int_equal(plan.policy[0].pol.level, 0);
	assert_int_equal(plan.policy[0].pol.protos, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_sa_records),
		cmocka_unit_test(t_spec_6_1_source_from_route),
		cmocka_unit_test(t_spec_6_4_inactive),
		cmocka_unit_test(t_spec_3_5_inactive_use),
		cmocka_unit_test(t_spec_6_4_duplicates),
		cmocka_unit_test(t_spec_3_5_idle_for_its_sas),
		cmocka_unit_test(t_spec_9_shared),
		cmocka_unit_test(t_rfc4106_2_key_for_one_sender),
		cmocka_unit_test(t_spec_15_replay),
		cmocka_unit_test(t_selectors),
		cmocka_unit_test(t_spec_6_1_protocols_and_modes),
		cmocka_unit_test(t_spec_9_ah_records),
		cmocka_unit_test(t_spec_6_3_ends),
		cmocka_unit_test(t_extensions),
		cmocka_unit_test(t_refused),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	plan_free(&plan);
	conf_free(&conf);
	return rc;
}
