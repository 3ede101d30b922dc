/* SPDX-License-Identifier: BSD-2-Clause */
/* Form of a command (spec section 3.1): words, quotes, folds, paths, and where an error is said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "user/conf/grammar.h"

/* Writes the commands of a script as "path verb [name=]<value> ...", one a line; the error text at the end. */
static void render(const char *script, char *out, size_t size)
{
	static struct cmd c;
	struct conf_err e = {0};
	struct parser p;
	size_t n = 0;
	int rc;

	out[0] = '\0';
	parser_init(&p, script, strlen(script));
	while ((rc = parser_next(&p, &c, &e)) > 0) {
		n += (size_t)snprintf(out + n, size - n, "%s%s %s", n ? "\n" : "", node_path(c.node),
				      c.verb ? verbs[c.verb].name : "-");
		for (unsigned i = 0; i < c.narg; i++)
			n += (size_t)snprintf(out + n, size - n, " %s%s<%s>", c.arg[i].name ? c.arg[i].name : "",
					      c.arg[i].name ? "=" : "", c.arg[i].value);
	}
	if (rc < 0)
		(void)snprintf(out + n, size - n, "%s%s", n ? "\n" : "", e.text);
}

static const struct {
	const char *in, *out;
} rows[] = {
	{"", ""},
	{"# only a comment\n\n  # another", ""},
	{"/ip ipsec policy print", "/ip ipsec policy print"},
	{"policy print detail", "/ip ipsec policy print <detail>"},
	{"pol pr", "/ip ipsec policy print"},
	{"/ip ipsec policy\nprint\nadd a=b", "/ip ipsec policy -\n/ip ipsec policy print\n/ip ipsec policy add a=<b>"},
	{"policy\n..\nmanual-sa print", "/ip ipsec policy -\n/ip ipsec -\n/ip ipsec manual-sa print"},
	{"/\nip ipsec export", "/ -\n/ip ipsec export"},
	{"policy print; statistics print", "/ip ipsec policy print\n/ip ipsec statistics print"},
	{"policy add comment=\"a b\" x=", "/ip ipsec policy add comment=<a b> x=<>"},
	{"policy add c=\"\\\"\\\\\\n\\$\\?\\_\\41\" d=1", "/ip ipsec policy add c=<\"\\\n$? A> d=<1>"},
	{"policy add a=\\\n    b c=\\\n    \"d\" \\\n  e=f", "/ip ipsec policy add a=<b> c=<d> e=<f>"},
	{"policy add a=long\\\n    er c=\"x\\\n    \\_y\"", "/ip ipsec policy add a=<longer> c=<x y>"},
	{"policy add a=b\r\nprint", "/ip ipsec policy add a=<b>\nbad command name print (line 2 column 1)"},
	{"policy set 0,2 a=b", "/ip ipsec policy set <0,2> a=<b>"},
	{"policy set *7 a=10.0.0.0/8", "/ip ipsec policy set <*7> a=<10.0.0.0/8>"},
	{"policy remove \"a b\"", "/ip ipsec policy remove <a b>"},
	{"foo", "bad command name foo (line 1 column 1)"},
	{"policy\n  frob x", "/ip ipsec policy -\nbad command name frob (line 2 column 3)"},
	{"/ip address add a=b", "bad command name address (line 1 column 5)"},
	{"st", "ambiguous value of command, more than one possible value matches input"},
	{"policy add a=\"unfinished", "syntax error (line 1 column 14)"},
	{"policy add a=\"bad \\q\"", "syntax error (line 1 column 14)"},
	{"policy add a=\"nul \\00\"", "syntax error (line 1 column 14)"},
	{"policy add a={b}", "syntax error (line 1 column 14)"},
	{"policy add [find]", "syntax error (line 1 column 12)"},
	{"policy add a=b'", "syntax error (line 1 column 15)"},
	{"policy add =b", "syntax error (line 1 column 12)"},
	{"policy add \"a\"b", "syntax error (line 1 column 15)"},
	{"policy add a=b=c", "syntax error (line 1 column 15)"},
	{"\"policy\" print", "syntax error (line 1 column 1)"},
};

static void t_spec_3_1_form(void **state)
{
	char out[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		render(rows[i].in, out, sizeof(out));
		assert_string_equal(out, rows[i].out);
	}
}

static void t_words_of_a_shell(void **state)
{
	static struct cmd c;
	struct conf_err e = {0};
	char *good[] = {"/ip", "ipsec", "policy", "add", "comment=two words", "dst-port=\"x\\41\"", "plain"};
	char *bad[] = {"policy", "nonsense", "x=1"};
	char *quote[] = {"policy", "add", "comment=\"unfinished"};

	(void)state;
	assert_int_equal(cmd_from_words(&c, good, ARRAY_SIZE(good), &e), 0);
	assert_int_equal(c.node, MENU_POLICY);
	assert_int_equal(c.verb, VERB_ADD);
	assert_int_equal(c.narg, 3);
	assert_string_equal(c.arg[0].value, "two words");
	assert_string_equal(c.arg[1].value, "xA");
	assert_null(c.arg[2].name);
	assert_int_equal(c.arg[2].col, strlen("/ip ipsec policy add comment=two words dst-port=\"x\\41\" ") + 1);
	assert_true(cmd_from_words(&c, bad, ARRAY_SIZE(bad), &e) < 0);
	assert_string_equal(e.text, "bad command name nonsense (line 1 column 8)");
	e = (struct conf_err){0};
	assert_true(cmd_from_words(&c, quote, ARRAY_SIZE(quote), &e) < 0);
	assert_string_equal(e.text, "syntax error (line 1 column 20)");
}

/* More arguments, or longer ones, than a command holds: refused, not overrun. */
static void t_bounds(void **state)
{
	static char script[200000], out[2000];
	size_t n;

	(void)state;
	n = (size_t)snprintf(script, sizeof(script), "policy add");
	for (int i = 0; i < CMD_ARGS_MAX + 1; i++)
		n += (size_t)snprintf(script + n, sizeof(script) - n, " a=b");
	render(script, out, sizeof(out));
	assert_non_null(strstr(out, "syntax error"));
	n = (size_t)snprintf(script, sizeof(script), "policy add a=");
	memset(script + n, 'x', LEX_WORD_MAX);
	script[n + LEX_WORD_MAX] = '\0';
	render(script, out, sizeof(out));
	assert_non_null(strstr(out, "syntax error"));
	n = (size_t)snprintf(script, sizeof(script), "policy add");
	for (int i = 0; i < 20; i++) {
		n += (size_t)snprintf(script + n, sizeof(script) - n, " a=");
		memset(script + n, 'x', 1000);
		n += 1000;
	}
	script[n] = '\0';
	render(script, out, sizeof(out));
	assert_non_null(strstr(out, "syntax error"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_3_1_form),
		cmocka_unit_test(t_words_of_a_shell),
		cmocka_unit_test(t_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
