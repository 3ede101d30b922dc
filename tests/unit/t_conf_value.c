/* SPDX-License-Identifier: BSD-2-Clause */
/* Value types (spec section 3.6): every property reads and writes, and refuses with the right class and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "user/conf/conf.h"

struct row {
	enum menu_id menu;
	const char *prop, *in;
	const char *out; /* what is printed; NULL: refused */
	enum conf_class class;
	const char *text;
};

#define P MENU_POLICY
#define M MENU_MANUAL_SA
#define E MENU_PEER
#define R MENU_PROPOSAL
static const struct row rows[] = {
	{P, "src-address", "10.1.2.3/24", "10.1.2.0/24", 0, NULL},
	{P, "src-address", "10.1.2.3", "10.1.2.3/32", 0, NULL},
	{P, "src-address", "0.0.0.0/0", "0.0.0.0/0", 0, NULL},
	{P, "src-address", "2001:db8::1", "2001:db8::1/128", 0, NULL},
	{P, "src-address", "2001:DB8:0:0:9000:ffff::/65", "2001:db8:0:0:8000::/65", 0, NULL},
	{P, "src-address", "10.1.2.0/33", NULL, CONF_E_VALUE, "invalid value for argument src-address"},
	{P, "src-address", "10.1.2", NULL, CONF_E_VALUE, "invalid value for argument src-address"},
	{P, "src-address", "10.1.2.0/", NULL, CONF_E_VALUE, "invalid value for argument src-address"},
	{P, "src-address", "", NULL, CONF_E_VALUE, "invalid value for argument src-address"},
	{P, "sa-dst-address", "203.0.113.1", "203.0.113.1", 0, NULL},
	{P, "sa-dst-address", "::", "::", 0, NULL},
	{P, "sa-dst-address", "0.0.0.0", "::", 0, NULL},
	{P, "sa-dst-address", "2001:db8:0::5", "2001:db8::5", 0, NULL},
	{P, "sa-dst-address", "1.2.3.4.5", NULL, CONF_E_VALUE, "invalid value for argument sa-dst-address"},
	{P, "src-port", "any", "any", 0, NULL},
	{P, "src-port", "0", "0", 0, NULL},
	{P, "src-port", "65535", "65535", 0, NULL},
	{P, "src-port", "0x10", "16", 0, NULL},
	{P, "src-port", "65536", NULL, CONF_E_RANGE, "value of src-port out of range (0..65535)"},
	{P, "src-port", "-1", NULL, CONF_E_RANGE, "value of src-port out of range (0..65535)"},
	{P, "src-port", "99999999999999999999", NULL, CONF_E_RANGE, "value of src-port out of range (0..65535)"},
	{P, "src-port", "http", NULL, CONF_E_VALUE, "invalid value for argument src-port"},
	{P, "protocol", "all", "all", 0, NULL},
	{P, "protocol", "tcp", "tcp", 0, NULL},
	{P, "protocol", "6", "tcp", 0, NULL},
	{P, "protocol", "0", "0", 0, NULL},
	{P, "protocol", "ipv6-f", "ipv6-frag", 0, NULL},
	{P, "protocol", "ipv6", "ipv6", 0, NULL},
	{P, "protocol", "253", "253", 0, NULL},
	{P, "protocol", "256", NULL, CONF_E_RANGE, "value of protocol out of range (0..255)"},
	{P, "protocol", "nonsense", NULL, CONF_E_ENUM, "input does not match any value of protocol"},
	{P, "protocol", "ip", NULL, CONF_E_AMBIG,
	 "ambiguous value of protocol, more than one possible value matches input"},
	{P, "action", "enc", "encrypt", 0, NULL},
	{P, "action", "", NULL, CONF_E_ENUM, "input does not match any value of action"},
	{P, "action", "drop", NULL, CONF_E_ENUM, "input does not match any value of action"},
	{P, "level", "u", NULL, CONF_E_AMBIG, "ambiguous value of level, more than one possible value matches input"},
	{P, "level", "use", "use", 0, NULL},
	{P, "ipsec-protocols", "esp,ah,esp", "ah,esp", 0, NULL},
	{P, "ipsec-protocols", "", "", 0, NULL},
	{P, "ipsec-protocols", "esp,", NULL, CONF_E_VALUE, "invalid value for argument ipsec-protocols"},
	{P, "ipsec-protocols", "gre", NULL, CONF_E_ENUM, "input does not match any value of ipsec-protocols"},
	{P, "tunnel", "true", "yes", 0, NULL},
	{P, "tunnel", "false", "no", 0, NULL},
	{P, "tunnel", "y", "yes", 0, NULL},
	{P, "tunnel", "maybe", NULL, CONF_E_ENUM, "input does not match any value of tunnel"},
	{P, "proposal", "default", "default", 0, NULL},
	{P, "proposal", "", NULL, CONF_E_ENUM, "input does not match any value of proposal"},
	{E, "address", "198.51.100.1", "198.51.100.1/32", 0, NULL},
	{E, "address", "10.1.2.3/8", "10.0.0.0/8", 0, NULL},
	{E, "address", "::/0", "::/0", 0, NULL},
	{E, "address", "host", NULL, CONF_E_VALUE, "invalid value for argument address"},
	{E, "port", "65536", NULL, CONF_E_RANGE, "value of port out of range (0..65535)"},
	{E, "port", "0", "0", 0, NULL},
	{E, "auth-method", "pre", "pre-shared-key", 0, NULL},
	{E, "auth-method", "rsa", NULL, CONF_E_AMBIG,
	 "ambiguous value of auth-method, more than one possible value matches input"},
	{E, "auth-method", "rsa-k", "rsa-key", 0, NULL},
	{E, "secret", "0x0aFf", "0x0aFf", 0, NULL},
	{E, "secret", "0x0aF", NULL, CONF_E_VALUE, "invalid value for argument secret"},
	{E, "secret", "0x0g", NULL, CONF_E_VALUE, "invalid value for argument secret"},
	{E, "secret", "0x", NULL, CONF_E_VALUE, "invalid value for argument secret"},
	{E, "secret", "0Xzz", "0Xzz", 0, NULL},
	{E, "secret", "", "", 0, NULL},
	{E, "certificate", "", "", 0, NULL},
	{E, "generate-policy", "port", "port-strict", 0, NULL},
	{E, "generate-policy", "port-override", "yes", 0, NULL}, /* spec 19.2 */
	{E, "exchange-mode", "main", "main", 0, NULL},
	{E, "exchange-mode", "ma", NULL, CONF_E_AMBIG,
	 "ambiguous value of exchange-mode, more than one possible value matches input"},
	{E, "proposal-check", "claim", "claim", 0, NULL},
	{E, "hash-algorithm", "sha512", "sha512", 0, NULL},
	{E, "enc-algorithm", "twofish", NULL, CONF_E_ENUM, "input does not match any value of enc-algorithm"},
	{E, "enc-algorithm", "null", NULL, CONF_E_ENUM, "input does not match any value of enc-algorithm"},
	{E, "dh-group", "modp8192", "modp8192", 0, NULL},
	{E, "dh-group", "none", NULL, CONF_E_ENUM, "input does not match any value of dh-group"},
	{E, "lifetime", "0s", NULL, CONF_E_RANGE, "value of lifetime out of range (1..4294967295)"},
	{E, "lifetime", "4294967296", NULL, CONF_E_RANGE, "value of lifetime out of range (1..4294967295)"},
	{E, "lifetime", "soon", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{E, "lifebytes", "4294967296", NULL, CONF_E_RANGE, "value of lifebytes out of range (0..4294967295)"},
	{E, "dpd-interval", "disable-dpd", "disable-dpd", 0, NULL},
	{E, "dpd-interval", "0s", NULL, CONF_E_RANGE, "value of dpd-interval out of range (1..4294967295)"},
	{E, "dpd-maximum-failures", "101", NULL, CONF_E_RANGE, "value of dpd-maximum-failures out of range (1..100)"},
	{R, "auth-algorithms", "null,sha1,md5,sha1", "md5,sha1,null", 0, NULL},
	{R, "enc-algorithms", "aes-256-gcm,twofish,null", "null,twofish,aes-256-gcm", 0, NULL},
	{R, "enc-algorithms", "aes", NULL, CONF_E_AMBIG,
	 "ambiguous value of enc-algorithms, more than one possible value matches input"},
	{R, "pfs-group", "none", "none", 0, NULL},
	{R, "pfs-group", "x25519", "x25519", 0, NULL},
	{R, "name", "", NULL, CONF_E_VALUE, "invalid value for argument name"},
	{P, "manual-sa", "none", "none", 0, NULL},
	{P, "manual-sa", "", NULL, CONF_E_ENUM, "input does not match any value of manual-sa"},
	{P, "priority", "-2147483646", "-2147483646", 0, NULL},
	{P, "priority", "2147483647", "2147483647", 0, NULL},
	{P, "priority", "-2147483647", NULL, CONF_E_RANGE, "value of priority out of range (-2147483646..2147483647)"},
	{P, "comment", "", "", 0, NULL},
	{P, "disabled", "yes", "yes", 0, NULL},
	{M, "name", "", NULL, CONF_E_VALUE, "invalid value for argument name"},
	{M, "name", "a-name-of-31-characters-is-ok-xx", NULL, CONF_E_VALUE, "invalid value for argument name"},
	{M, "name", "a-name-of-31-characters-is-ok-x", "a-name-of-31-characters-is-ok-x", 0, NULL},
	{M, "ah-algorithm", "null", "null/null", 0, NULL},
	{M, "ah-algorithm", "sha1/null", "sha1/null", 0, NULL},
	{M, "ah-algorithm", "aes-256-gmac", "aes-256-gmac/aes-256-gmac", 0, NULL},
	{M, "ah-algorithm", "crc32", NULL, CONF_E_ENUM, "input does not match any value of ah-algorithm"},
	{M, "esp-auth-algorithm", "aes-256-gmac", NULL, CONF_E_ENUM,
	 "input does not match any value of esp-auth-algorithm"},
	{M, "lifebytes", "9223372036854775807", "9223372036854775807", 0, NULL},
	{M, "lifebytes", "9223372036854775808", NULL, CONF_E_RANGE,
	 "value of lifebytes out of range (0..9223372036854775807)"},
	{M, "lifebytes", "99999999999999999999", NULL, CONF_E_RANGE,
	 "value of lifebytes out of range (0..9223372036854775807)"},
	{MENU_POLICY, "tcp-mss", "auto", "auto", 0, NULL},
	{MENU_POLICY, "tcp-mss", "off", "off", 0, NULL},
	{MENU_POLICY, "tcp-mss", "65495", "65495", 0, NULL},
	{MENU_POLICY, "tcp-mss", "0", NULL, CONF_E_RANGE, "value of tcp-mss out of range (536..65495)"},
	{M, "esp-auth-algorithm", "sha1/md5", "sha1/md5", 0, NULL},
	{M, "esp-auth-algorithm", "sha1", "sha1/sha1", 0, NULL},
	{M, "esp-auth-algorithm", "sha1/", NULL, CONF_E_ENUM, "input does not match any value of esp-auth-algorithm"},
	{M, "esp-enc-algorithm", "aes-128/null", "aes-128/null", 0, NULL},
	{M, "esp-enc-algorithm", "aes-256-gcm", "aes-256-gcm/aes-256-gcm", 0, NULL},
	{M, "esp-enc-algorithm", "aes-1", NULL, CONF_E_AMBIG,
	 "ambiguous value of esp-enc-algorithm, more than one possible value matches input"},
	{M, "esp-enc-algorithm", "rc4", NULL, CONF_E_ENUM, "input does not match any value of esp-enc-algorithm"},
	{M, "esp-spi", "0x101/100", "0x101/0x100", 0, NULL},
	{M, "esp-spi", "ffffffff", "0xFFFFFFFF/0xFFFFFFFF", 0, NULL},
	{M, "esp-spi", "0xff/0x100", NULL, CONF_E_RANGE, "value of esp-spi out of range (0x100..0xFFFFFFFF)"},
	{M, "esp-spi", "100000000", NULL, CONF_E_RANGE, "value of esp-spi out of range (0x100..0xFFFFFFFF)"},
	{M, "esp-spi", "xyz", NULL, CONF_E_VALUE, "invalid value for argument esp-spi"},
	{M, "esp-enc-key", "0xAABB/ccdd", "aabb/ccdd", 0, NULL},
	{M, "esp-enc-key", "aabb", "aabb/aabb", 0, NULL},
	{M, "esp-enc-key", "/aabb", "/aabb", 0, NULL},
	{M, "esp-enc-key", "", "", 0, NULL},
	{M, "esp-enc-key", "abc", NULL, CONF_E_VALUE, "invalid value for argument esp-enc-key"},
	{M, "esp-enc-key", "zz", NULL, CONF_E_VALUE, "invalid value for argument esp-enc-key"},
	{M, "esp-enc-key", "0x", NULL, CONF_E_VALUE, "invalid value for argument esp-enc-key"},
	{M, "lifetime", "30m", "30m", 0, NULL},
	{M, "lifetime", "1800", "30m", 0, NULL},
	{M, "lifetime", "00:30:00", "30m", 0, NULL},
	{M, "lifetime", "1d12:00:00", "1d12h", 0, NULL},
	{M, "lifetime", "1w2d3h4m5s", "1w2d3h4m5s", 0, NULL},
	{M, "lifetime", "9d", "1w2d", 0, NULL},
	{M, "lifetime", "0", "0s", 0, NULL},
	{M, "lifetime", "1000ms", "1s", 0, NULL},
	{M, "lifetime", "500ms", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{M, "lifetime", "5s4m", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{M, "lifetime", "1x", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{M, "lifetime", "00:61:00", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{M, "lifetime", "", NULL, CONF_E_VALUE, "invalid time value for argument lifetime"},
	{M, "lifetime", "9999999999w", NULL, CONF_E_RANGE, "value of lifetime out of range (0..4294967295)"},
	{M, "replay", "8193", NULL, CONF_E_RANGE, "value of replay out of range (0..8192)"},
	{MENU_INTERFACE, "queues", "auto", "auto", 0, NULL},
	{MENU_INTERFACE, "queues", "32", "32", 0, NULL},
	{MENU_INTERFACE, "firewall", "yes", "yes", 1, NULL},
	{MENU_INTERFACE, "firewall", "maybe", NULL, CONF_E_ENUM, "input does not match any value of firewall"},
	{MENU_INTERFACE, "queues", "0", NULL, CONF_E_RANGE, "value of queues out of range (1..32)"},
	{MENU_SETTINGS, "max-sas", "1", NULL, CONF_E_RANGE, "value of max-sas out of range (16..131072)"},
};

static void t_spec_3_6_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		const struct prop *p = prop_named(&menus[r->menu], r->prop);
		struct conf_item *it = conf_item_new(r->menu);
		struct conf_err e = {0};
		char buf[VALUE_MAX];
		int rc;

		assert_non_null(p);
		rc = prop_parse(p, it, r->in, &e);
		if (r->out) {
			if (rc)
				fail_msg("%s=%s: %s", r->prop, r->in, e.text);
			prop_format(p, it, buf, sizeof(buf));
			assert_string_equal(buf, r->out);
		} else {
			if (!rc)
				fail_msg("%s=%s was accepted", r->prop, r->in);
			assert_int_equal(e.class, r->class);
			assert_string_equal(e.text, r->text);
		}
		conf_item_free(r->menu, it);
	}
}

/* The table itself: unique names, help, defaults that read, and every printed value reads back to itself. */
static void t_props_are_sound(void **state)
{
	(void)state;
	for (unsigned m = 0; m < MENU_MAX; m++) {
		struct conf_item *it = conf_item_new(m), *again = conf_item_new(m);

		assert_true(menus[m].count <= 64); /* bits of `given` */
		for (unsigned i = 0; i < menus[m].count; i++) {
			const struct prop *p = &menus[m].prop[i];
			char a[VALUE_MAX], b[VALUE_MAX];
			struct conf_err e = {0};

			assert_ptr_equal(prop_named(&menus[m], p->name), p);
			assert_true(p->off >= offsetof(struct conf_item, disabled) && p->off < menus[m].item_size);
			if (p->flags & PF_READONLY)
				continue;
			assert_non_null(p->def);
			assert_non_null(p->help);
			prop_format(p, it, a, sizeof(a));
			if (p->flags & PF_MANDATORY)
				continue;
			if (prop_parse(p, again, p->def, &e) || prop_parse(p, again, a, &e))
				fail_msg("%s %s: %s", menus[m].name, p->name, e.text);
			prop_format(p, again, b, sizeof(b));
			assert_string_equal(a, b);
			assert_true(prop_is_default(p, it));
		}
		conf_item_free(m, it);
		conf_item_free(m, again);
	}
}

static void t_spec_3_6_protocols(void **state)
{
	const char *name;
	int number;

	(void)state;
	for (unsigned i = 0; (name = val_proto_at(i, &number)); i++) {
		assert_int_equal(val_proto_number(name), number);
		assert_string_equal(val_proto_name(number), name);
	}
}

static void t_spec_3_1_quoting(void **state)
{
	char buf[64];

	(void)state;
	val_quote(buf, sizeof(buf), "a\"b\\c\n\r\t$?\x01\xff z");
	assert_string_equal(buf, "\"a\\\"b\\\\c\\n\\r\\t\\$\\?\\01\\FF z\"");
	assert_true(val_needs_quotes(""));
	assert_true(val_needs_quotes("a b"));
	assert_true(val_needs_quotes("#x"));
	assert_false(val_needs_quotes("10.0.0.0/8,x-y:z"));
}

static void t_spec_3_6_date(void **state)
{
	char buf[64];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	val_date_format(buf, sizeof(buf), 1327784112);
	assert_string_equal(buf, "jan/28/2012 20:55:12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_3_6_values),	cmocka_unit_test(t_props_are_sound),
		cmocka_unit_test(t_spec_3_6_protocols), cmocka_unit_test(t_spec_3_1_quoting),
		cmocka_unit_test(t_spec_3_6_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
