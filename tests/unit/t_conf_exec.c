/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that change the configuration (spec sections 3.2, 3.3, 6.4, 9): what they do, what they refuse and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "user/conf/exec.h"
#include "user/conf/print.h"

#define ENC32 "000102030405060708090a0b0c0d0e0f"

/* Runs a script on c; an error's text, or "". */
static const char *run(struct conf *c, const char *script)
{
	static struct conf_err e;

	e = (struct conf_err){0};
	if (exec_script(c, script, strlen(script), NULL, &e))
		return e.text;
	return "";
}

/* Order of the policies, by their comments. */
static const char *order(const struct conf *c)
{
	static char out[200];

	out[0] = '\0';
	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++)
		strcat(out, c->list[MENU_POLICY].item[i]->comment);
	return out;
}

static const struct {
	const char *script, *error;
} errors[] = {
	{"policy add nonsense=1", "expected end of command (line 1 column 12) - no property \"nonsense\" here"},
	{"policy add stray", "expected end of command (line 1 column 12) - no \"stray\" here"},
	{"policy add ph2-state=expired", "expected end of command (line 1 column 12) - ph2-state is shown only"},
	{"policy add sa=1.2.3.4",
	 "ambiguous value of sa, more than one possible value matches input (line 1 column 12)"},
	{"policy add src-address=1.2.3.4 dst-address=::1", "failure: address families do not match (line 1 column 8)"},
	{"policy add sa-src-address=1.2.3.4 sa-dst-address=2001::1",
	 "failure: address families do not match (line 1 column 8)"},
	{"policy add src-port=80",
	 "failure: ports can only be matched for tcp, udp, udp-lite, sctp and dccp (line 1 column 8)"},
	{"policy add dst-port=80 protocol=icmp",
	 "failure: ports can only be matched for tcp, udp, udp-lite, sctp and dccp (line 1 column 8)"},
	{"policy add ipsec-protocols=\"\"", "failure: action encrypt needs ipsec-protocols (line 1 column 8)"},
	{"policy add manual-sa=nobody", "input does not match any value of manual-sa (line 1 column 8)"},
	{"policy add proposal=nobody", "input does not match any value of proposal (line 1 column 8)"},
	{"policy add proposal=\"\"", "input does not match any value of proposal (line 1 column 21)"},
	{"proposal add", "missing value(s) of argument(s) name (line 1 column 10)"},
	{"proposal add name=default", "failure: already have such name (line 1 column 10)"},
	{"proposal remove default", "failure: can not remove default proposal (line 1 column 17)"},
	{"proposal set default name=x", "failure: can not rename default proposal (line 1 column 14)"},
	{"proposal add name=a auth-algorithms=\"\"", "failure: auth-algorithms must not be empty (line 1 column 10)"},
	{"proposal add name=a enc-algorithms=\"\"", "failure: enc-algorithms must not be empty (line 1 column 10)"},
	{"proposal add name=a enc-algorithms=null auth-algorithms=null",
	 "failure: null encryption needs authentication (line 1 column 10)"},
	{"proposal add name=a\npolicy add proposal=a\nproposal remove a",
	 "failure: a is used by policy (line 3 column 17)"},
	{"proposal move 0", "bad command name move (line 1 column 10)"},
	{"peer add place-before=0", "expected end of command (line 1 column 10) - no \"place-before\" here"},
	{"peer add name=x", "expected end of command (line 1 column 10) - no property \"name\" here"},
	{"policy add priority=2147483648",
	 "value of priority out of range (-2147483646..2147483647) (line 1 column 21)"},
	{"policy remove 0", "no such item (line 1 column 15)"},
	{"policy remove *1", "no such item (line 1 column 15)"},
	{"policy remove x", "no such item (line 1 column 15)"},
	{"policy remove 0,", "no such item (line 1 column 15)"},
	{"policy set", "missing value(s) of argument(s) numbers (line 1 column 8)"},
	{"policy add\npolicy set 0 1", "expected end of command (line 2 column 14) - no \"1\" here"},
	{"policy add\npolicy enable 0 comment=x", "expected end of command (line 2 column 17) - no \"comment\" here"},
	{"policy add\npolicy comment 0 disabled=yes",
	 "expected end of command (line 2 column 18) - no \"disabled\" here"},
	{"policy add copy-from=3", "no such item (line 1 column 22)"},
	{"manual-sa add name=a place-before=0",
	 "expected end of command (line 1 column 22) - no \"place-before\" here"},
	{"manual-sa move 0", "bad command name move (line 1 column 11)"},
	{"manual-sa add", "missing value(s) of argument(s) name (line 1 column 11)"},
	{"manual-sa add name=none", "failure: the name none is reserved (line 1 column 11)"},
	{"manual-sa add name=a\nmanual-sa add name=a", "failure: already have such name (line 2 column 11)"},
	{"manual-sa add name=a\nmanual-sa add name=b\nmanual-sa set a name=b",
	 "failure: already have such name (line 3 column 15)"},
	{"proposal add name=a\nproposal add name=b\nproposal set a name=b",
	 "failure: already have such name (line 3 column 14)"},
	{"manual-sa add name=a replay=3", "value of replay out of range (4..8192) (line 1 column 11)"},
	{"manual-sa add name=a esp-enc-algorithm=aes-128-gcm", "failure: aes-128-gcm is not safe with manual keys; for "
							       "laboratory use set unsafe-aead=yes (line 1 column 11)"},
	{"manual-sa add name=a unsafe-aead=yes esp-enc-algorithm=null/aes-128-gcm esp-auth-algorithm=sha1",
	 "failure: aes-128-gcm authenticates by itself and needs esp-auth-algorithm=null (line 1 column 11)"},
	{"manual-sa add name=a\npolicy add manual-sa=a\nmanual-sa remove a",
	 "failure: a is used by policy (line 3 column 18)"},
	{"interface attach", "missing value(s) of argument(s) name (line 1 column 11)"},
	{"interface attach a/b", "invalid value for argument name (line 1 column 11)"},
	{"interface attach name-of-16-bytes", "invalid value for argument name (line 1 column 18)"},
	{"settings add", "bad command name add (line 1 column 10)"},
	{"policy print", "bad command name print (line 1 column 8)"},
	{"installed-sa flush", "bad command name flush (line 1 column 14)"},
};

static void t_spec_3_8_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct conf c;

		conf_init(&c);
		assert_string_equal(run(&c, errors[i].script), errors[i].error);
		conf_free(&c);
	}
}

static void t_spec_3_2_order(void **state)
{
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "policy\nadd comment=a\nadd comment=b\nadd comment=c\nadd comment=d"), "");
	assert_string_equal(order(&c), "abcd");
	assert_string_equal(run(&c, "policy move 3 0"), "");
	assert_string_equal(order(&c), "dabc");
	assert_string_equal(run(&c, "policy move 0"), "");
	assert_string_equal(order(&c), "abcd");
	assert_string_equal(run(&c, "policy move 2,0 destination=1"), "");
	assert_string_equal(order(&c), "cabd");
	assert_string_equal(run(&c, "policy move 1 1"), "");
	assert_string_equal(order(&c), "cabd");
	assert_string_equal(run(&c, "policy add comment=e place-before=0"), "");
	assert_string_equal(order(&c), "ecabd");
	assert_string_equal(run(&c, "policy remove 0,2,4"), "");
	assert_string_equal(order(&c), "cb");
	assert_string_equal(run(&c, "policy move *3 *2"), "");
	assert_string_equal(order(&c), "cb");
	conf_free(&c);
}

static void t_spec_3_2_set_and_copy(void **state)
{
	const struct conf_policy *p;
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "policy\nadd src-address=10.0.0.0/8 protocol=udp comment=a\n"
				    "add copy-from=0 dst-address=10.1.0.0/16 comment=b\nset 0,1 action=discard\n"
				    "disable 1\ncomment 0 comment=\"new text\""),
			    "");
	p = CONF_ITEM(conf_policy, &c.list[MENU_POLICY], 1);
	assert_int_equal(p->proto, 17);
	assert_int_equal(p->src.len, 8);
	assert_int_equal(p->dst.len, 16);
	assert_int_equal(p->action, XI_ACTION_DISCARD);
	assert_true(p->it.disabled);
	p = CONF_ITEM(conf_policy, &c.list[MENU_POLICY], 0);
	assert_int_equal(p->action, XI_ACTION_DISCARD);
	assert_false(p->it.disabled);
	assert_string_equal(p->it.comment, "new text");
	conf_free(&c);
}

static void t_rename_is_followed(void **state)
{
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "manual-sa add name=old\npolicy add manual-sa=old\nmanual-sa set old name=new"),
			    "");
	assert_string_equal(CONF_ITEM(conf_policy, &c.list[MENU_POLICY], 0)->manual_sa, "new");
	/* a template is no longer in use: it may go */
	assert_string_equal(run(&c, "policy set 0 manual-sa=none\nmanual-sa remove new"), "");
	conf_free(&c);
}

/* A name finds its template, whatever happened to the list: many are looked up by a table. */
static void t_names_of_many(void **state)
{
	const struct conf_list *l;
	struct conf c;
	char line[100];

	(void)state;
	conf_init(&c);
	l = &c.list[MENU_MANUAL_SA];
	for (int i = 0; i < 300; i++) {
		(void)snprintf(line, sizeof(line), "manual-sa add name=m%d", i);
		assert_string_equal(run(&c, line), "");
	}
	assert_string_equal(run(&c, "manual-sa add name=m299"), "failure: already have such name (line 1 column 11)");
	conf_remove(&c, MENU_MANUAL_SA, 300); /* what a failed command leaves is dropped by its caller */
	assert_string_equal(run(&c, "manual-sa\nset m7 name=n7\nremove m100\nadd name=m100\nadd name=m7"), "");
	assert_int_equal(conf_index_of_name(&c, MENU_MANUAL_SA, "n7"), 7);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(line, sizeof(line), "m%d", i);
		assert_int_equal(conf_index_of_name(&c, MENU_MANUAL_SA, line), i == 7	  ? 300
									       : i == 100 ? 299
									       : i > 100  ? i - 1
											  : i);
	}
	assert_string_equal(run(&c, "manual-sa set m8 name=n7"), "failure: already have such name (line 1 column 15)");
	assert_int_equal(conf_index_of_name(&c, MENU_MANUAL_SA, "m8"), -1);
	assert_int_equal(l->count, 301);
	conf_free(&c);
}

/* What a batch of commands may not put together (user/cli/batch.c). */
static void t_edited_again(void **state)
{
	static const struct {
		const char *line;
		bool again;
	} rows[] = {{"policy set 0 comment=x", true},
		    {"policy set 1 comment=x", false},
		    {"policy set 1,0 comment=x", true},
		    {"policy set numbers=*1 comment=x", true},
		    {"policy set 7 comment=x", false}};
	struct conf_numbers n = {0};
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "policy\nadd\nadd action=none"), "");
	c.list[MENU_POLICY].item[1]->flags = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf_err e = {0};
		struct parser p;
		struct cmd cmd;

		parser_init(&p, rows[i].line, strlen(rows[i].line));
		assert_int_equal(parser_next(&p, &cmd, &e), 1);
		assert_int_equal(exec_edits_again(&c, &n, &cmd), rows[i].again);
	}
	numbers_free(&n);
	conf_free(&c);
}

/* Spec 3.3: ids are never used again; numbers handed out stay valid across add, remove and move. */
static void t_spec_3_3_references(void **state)
{
	struct conf_numbers n = {0};
	struct selection s;
	struct conf_err e = {0};
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "policy\nadd comment=a\nadd comment=b\nadd comment=c"), "");
	numbers_assign(&n, MENU_POLICY, &c);
	assert_string_equal(run(&c, "policy remove 0\npolicy add comment=d"), "");
	assert_int_equal(c.list[MENU_POLICY].item[2]->id, 4);
	assert_int_equal(select_items(&c, &n, MENU_POLICY, "1,*4,2,1", &s, &e), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.id[0], 2);
	assert_int_equal(s.id[1], 4);
	assert_int_equal(s.id[2], 3);
	selection_free(&s);
	assert_true(select_items(&c, &n, MENU_POLICY, "0", &s, &e) < 0);
	assert_int_equal(e.class, CONF_E_ITEM);
	numbers_free(&n);
	conf_free(&c);
}

static void t_attach_and_settings(void **state)
{
	const struct conf_if *i;
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "interface attach eth0 mode=generic queues=4\ninterface attach eth1\n"
				    "interface attach eth0\nsettings set max-sas=100"),
			    "");
	assert_int_equal(c.list[MENU_INTERFACE].count, 2);
	i = CONF_ITEM(conf_if, &c.list[MENU_INTERFACE], 0);
	assert_int_equal(i->mode, 0);
	assert_int_equal(i->queues, 0);
	assert_true(i->it.flags & ITEM_WANTED);
	assert_int_equal(c.settings.max_sas, 100);
	assert_string_equal(run(&c, "interface detach eth0"), "");
	assert_int_equal(c.list[MENU_INTERFACE].count, 1);
	conf_free(&c);
}

static void export_to(const struct conf *c, bool compact, char *out, size_t size)
{
	const struct export_opt opt = {.compact = compact};
	FILE *f = fmemopen(out, size, "w");

	assert_non_null(f);
	export_conf(f, c, MENU_MAX, &opt);
	(void)fclose(f);
}

/* Spec 3.7: a re-import gives an identical export; no line is longer than 80; folds inside and between values. */
static void round_trip(const char *script)
{
	static char first[60000], second[60000];

	for (int compact = 0; compact < 2; compact++) {
		struct conf a, b;

		conf_init(&a);
		conf_init(&b);
		assert_string_equal(run(&a, script), "");
		export_to(&a, compact, first, sizeof(first));
		for (const char *line = first; *line;) {
			size_t len = strcspn(line, "\n");

			if (len > 80)
				fail_msg("too long: %.*s", (int)len, line);
			line += len + 1;
		}
		assert_string_equal(run(&b, first), "");
		export_to(&b, compact, second, sizeof(second));
		assert_string_equal(first, second);
		assert_true(conf_same(&a, &b));
		conf_free(&a);
		conf_free(&b);
	}
}

static void t_spec_3_7_round_trip(void **state)
{
	static char script[4000], comment[STRING_MAX];

	(void)state;
	round_trip("");
	round_trip("policy add");
	round_trip("settings set max-sas=17\ninterface attach eth0 queues=3 mode=generic comment=\"x y\"");
	round_trip("manual-sa add name=\"a b\\\"c\" esp-enc-algorithm=aes-256-gcm/aes-128-gcm unsafe-aead=yes "
		   "esp-enc-key=" ENC32 ENC32 "01020304/" ENC32 "01020304 lifetime=1w2d3h replay=128\n"
		   "policy add manual-sa=\"a b\\\"c\" tunnel=yes comment=\"\\n\\t\\01\\FF # ; $ ?\"");
	/* comments of every length and shape that may meet a fold */
	for (unsigned len = 1; len < STRING_MAX; len += len < 100 ? 1 : 13)
		for (int shape = 0; shape < 4; shape++) {
			for (unsigned i = 0; i < len; i++)
				comment[i] = "x  \x01"[shape == 0 ? 0 : shape == 1 ? (i % 2) : shape == 2 ? 1 : 3];
			comment[len] = '\0';
			(void)snprintf(script, sizeof(script), "policy add comment=\"");
			for (unsigned i = 0; i < len; i++)
				(void)snprintf(script + strlen(script), 8, comment[i] == 1 ? "\\01" : "%c", comment[i]);
			strcat(script, "\"");
			round_trip(script);
		}
}

static void t_spec_3_7_format(void **state)
{
	static char out[4000];
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c, "policy add src-address=10.1.202.0/24 dst-address=10.1.101.0/24 "
				    "sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 tunnel=yes"),
			    "");
	export_to(&c, true, out, sizeof(out));
	assert_string_equal(out, "/ip ipsec policy\n"
				 "add dst-address=10.1.101.0/24 sa-dst-address=203.0.113.1 sa-src-address=\\\n"
				 "    198.51.100.1 src-address=10.1.202.0/24 tunnel=yes\n");
	conf_free(&c);
}

/* Spec 27: the policy of the example is accepted as it stands. */
static void t_spec_27_policy(void **state)
{
	struct conf c;

	(void)state;
	conf_init(&c);
	assert_string_equal(run(&c,
				"/ip ipsec policy\n"
				"add src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 dst-port=any \\\n"
				"    sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 tunnel=yes \\\n"
				"    action=encrypt proposal=default\n"),
			    "");
	assert_int_equal(c.list[MENU_POLICY].count, 1);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_3_8_errors),	   cmocka_unit_test(t_spec_3_2_order),
		cmocka_unit_test(t_spec_3_2_set_and_copy), cmocka_unit_test(t_rename_is_followed),
		cmocka_unit_test(t_spec_3_3_references),   cmocka_unit_test(t_attach_and_settings),
		cmocka_unit_test(t_spec_3_7_round_trip),   cmocka_unit_test(t_spec_3_7_format),
		cmocka_unit_test(t_spec_27_policy),	   cmocka_unit_test(t_names_of_many),
		cmocka_unit_test(t_edited_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
