/* SPDX-License-Identifier: BSD-2-Clause */
/* Spec 13.4 step 5: the SAs that a packet came by against what its policy asks for; and the selectors of SAs (RFC 4301 §4.4.2.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "user/worker/worker.h"

#define TUN XI_MODE_TUNNEL
#define TRA XI_MODE_TRANSPORT
#define ESP XI_PROTO_ESP
#define AH XI_PROTO_AH
#define BOTH (XI_PROTOS_AH | XI_PROTOS_ESP)

static struct xi_addr addr(const char *text)
{
	struct xi_addr a = {{0}};

	inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &a);
	return a;
}

/* What stands in a row about an SA: protocol, mode, and how it differs from one that fits the policy. */
enum differs { FITS, OTHER_PEER, OTHER_SELF, OTHER_REQID };

struct did {
	uint8_t proto, mode;
	enum differs differs;
};

static void chain(struct wpkt *pk, struct sa_entry *se, const struct did *d)
{
	memset(pk, 0, sizeof(*pk));
	for (; pk->nchain < WRK_NEST_MAX && d[pk->nchain].proto; pk->nchain++) {
		struct sa_entry *e = &se[pk->nchain];
		const struct did *x = &d[pk->nchain];

		memset(e, 0, sizeof(*e));
		e->sa.proto = x->proto;
		e->sa.mode = x->mode;
		e->sa.family = XI_IP4;
		e->sa.src = addr(x->differs == OTHER_PEER ? "203.0.113.9" : "203.0.113.1");
		e->sa.dst = addr(x->differs == OTHER_SELF ? "198.51.100.9" : "198.51.100.1");
		e->sa.reqid = x->differs == OTHER_REQID ? 8 : 7;
		pk->chain[pk->nchain] = e;
	}
}

static void t_spec_13_4_step_5(void **state)
{
	static const struct {
		uint8_t protos, mode, level;
		struct did did[WRK_NEST_MAX + 1];
		int want;
	} rows[] = {
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{0}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{AH, TUN, FITS}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TRA, FITS}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, OTHER_PEER}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, OTHER_SELF}}, 0},
		/* reqid counts for unique only */
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, OTHER_REQID}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_UNIQUE, {{ESP, TUN, OTHER_REQID}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_UNIQUE, {{ESP, TUN, FITS}}, 1},
		{XI_PROTOS_AH, TUN, XI_LEVEL_REQUIRE, {{AH, TUN, FITS}}, 1},
		{XI_PROTOS_AH, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}}, 0},
		{XI_PROTOS_ESP, TRA, XI_LEVEL_REQUIRE, {{ESP, TRA, FITS}}, 1},
		{XI_PROTOS_ESP, TRA, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}}, 0},
		{XI_PROTOS_ESP, TRA, XI_LEVEL_REQUIRE, {{ESP, TRA, OTHER_PEER}}, 0},
		/* transport SAs that nobody asked for do no harm, tunnels do */
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{AH, TRA, FITS}, {ESP, TUN, FITS}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}, {AH, TRA, FITS}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{AH, TUN, FITS}, {ESP, TUN, FITS}}, 0},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}, {ESP, TUN, FITS}}, 0},
		{XI_PROTOS_ESP, TRA, XI_LEVEL_REQUIRE, {{ESP, TUN, OTHER_PEER}, {ESP, TRA, FITS}}, 0},
		/* both: AH is the outer one, in either mode over the ESP of a tunnel */
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{AH, TUN, FITS}, {ESP, TUN, FITS}}, 1},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{AH, TRA, FITS}, {ESP, TUN, FITS}}, 1},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{AH, TRA, OTHER_PEER}, {ESP, TUN, FITS}}, 0},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{AH, TRA, FITS}, {ESP, TUN, OTHER_PEER}}, 0},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}, {AH, TRA, FITS}}, 0},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{ESP, TUN, FITS}}, 0},
		{BOTH, TUN, XI_LEVEL_REQUIRE, {{AH, TUN, FITS}}, 0},
		{BOTH, TRA, XI_LEVEL_REQUIRE, {{AH, TRA, FITS}, {ESP, TRA, FITS}}, 1},
		{BOTH, TRA, XI_LEVEL_REQUIRE, {{ESP, TRA, FITS}, {AH, TRA, FITS}}, 0},
		/* use: may be absent, but what is there must fit */
		{XI_PROTOS_ESP, TUN, XI_LEVEL_USE, {{0}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_USE, {{ESP, TUN, FITS}}, 1},
		{XI_PROTOS_ESP, TUN, XI_LEVEL_USE, {{ESP, TUN, OTHER_PEER}}, 0},
		{BOTH, TRA, XI_LEVEL_USE, {{ESP, TRA, FITS}}, 1},
		{BOTH, TUN, XI_LEVEL_USE, {{ESP, TUN, FITS}}, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct xi_policy pol = {.protos = rows[i].protos,
					.mode = rows[i].mode,
					.level = rows[i].level,
					.reqid = 7,
					.sa_family = XI_IP4,
					.sa_src = addr("198.51.100.1"),
					.sa_dst = addr("203.0.113.1")};
		struct sa_entry se[WRK_NEST_MAX];
		struct wpkt pk;

		chain(&pk, se, rows[i].did);
		if (template_satisfied(&pol, &pk) != rows[i].want)
			fail_msg("row %zu: not %d", i, rows[i].want);
	}
}

static void t_open_ends(void **state)
{
	struct did one[2] = {{ESP, TRA, OTHER_PEER}}, two[2] = {{ESP, TUN, FITS}};
	struct xi_policy pol = {.protos = XI_PROTOS_ESP, .mode = TRA, .level = XI_LEVEL_REQUIRE};
	struct sa_entry se[WRK_NEST_MAX];
	struct wpkt pk;

	(void)state;
	/* transport mode: the SA's ends are the packet's own */
	chain(&pk, se, one);
	assert_true(template_satisfied(&pol, &pk));
	/* a tunnel's far end is never open, its near end may be */
	chain(&pk, se, two);
	pol.mode = TUN;
	assert_false(template_satisfied(&pol, &pk));
	pol.sa_family = XI_IP4;
	assert_false(template_satisfied(&pol, &pk));
	pol.sa_dst = addr("203.0.113.1");
	assert_true(template_satisfied(&pol, &pk));
	pol.sa_family = XI_IP6;
	assert_false(template_satisfied(&pol, &pk));
}

static void t_tunnel_in_the_chain(void **state)
{
	struct did only_transport[3] = {{AH, TRA, FITS}, {ESP, TRA, FITS}},
		   mixed[3] = {{AH, TRA, FITS}, {ESP, TUN, FITS}};
	struct sa_entry se[WRK_NEST_MAX];
	struct wpkt pk;

	(void)state;
	chain(&pk, se, only_transport);
	assert_false(came_by_tunnel(&pk));
	chain(&pk, se, mixed);
	assert_true(came_by_tunnel(&pk));
}

static void t_rfc4301_4_4_2_1_selectors(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t src_len, dst_len, flags, proto;
		uint16_t dst_port;
		uint8_t hidden; /* XI_TUPLE_* */
		int want;
	} rows[] = {
		{"10.1.0.0", "10.2.0.0", 16, 16, 0, 0, 0, 0, 1},
		{"10.1.0.0", "10.2.0.4", 16, 30, 0, 0, 0, 0, 1},
		{"10.1.0.0", "10.2.0.8", 16, 30, 0, 0, 0, 0, 0},
		{"10.1.2.3", "10.2.0.5", 32, 32, 0, 0, 0, 0, 1},
		{"10.1.2.4", "10.2.0.5", 32, 32, 0, 0, 0, 0, 0},
		{"0.0.0.0", "0.0.0.0", 0, 0, 0, 0, 0, 0, 1},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_PROTO, 6, 0, 0, 1},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_PROTO, 17, 0, 0, 0},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_PROTO, 6, 0, XI_TUPLE_NO_PROTO, 0},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_DST_PORT, 0, 443, 0, 1},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_DST_PORT, 0, 80, 0, 0},
		{"0.0.0.0", "0.0.0.0", 0, 0, XI_SEL_DST_PORT, 0, 443, XI_TUPLE_NO_PORTS, 0},
		{"2001:db8::", "2001:db8::", 32, 32, 0, 0, 0, 0, 0},
	};
	struct did one[2] = {{ESP, TUN, FITS}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* the packet that came: from 10.2.0.5:443 to 10.1.2.3:1024 */
		struct xi_tuple in = {.family = XI_IP4, .proto = 6, .src = addr("10.2.0.5"), .dst = addr("10.1.2.3")},
				out = in;
		struct sa_entry se[WRK_NEST_MAX];
		struct xi_selector *s = &se[0].sa.sel;
		struct wpkt pk;

		chain(&pk, se, one);
		assert_true(selectors_allow(&pk, &in, XI_DIR_IN)); /* none: anything */
		in.src_port = htons(443);
		in.dst_port = htons(1024);
		in.flags = out.flags = rows[i].hidden;
		out.src = in.dst;
		out.dst = in.src;
		out.src_port = in.dst_port;
		out.dst_port = in.src_port;
		*s = (struct xi_selector){.src = addr(rows[i].src),
					  .dst = addr(rows[i].dst),
					  .src_len = rows[i].src_len,
					  .dst_len = rows[i].dst_len,
					  .family = strchr(rows[i].src, ':') ? XI_IP6 : XI_IP4,
					  .flags = rows[i].flags,
					  .proto = rows[i].proto,
					  .dst_port = htons(rows[i].dst_port)};
		if (selectors_allow(&pk, &in, XI_DIR_IN) != rows[i].want ||
		    selectors_allow(&pk, &out, XI_DIR_OUT) != rows[i].want)
			fail_msg("row %zu: not %d", i, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_13_4_step_5),
		cmocka_unit_test(t_open_ends),
		cmocka_unit_test(t_tunnel_in_the_chain),
		cmocka_unit_test(t_rfc4301_4_4_2_1_selectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
