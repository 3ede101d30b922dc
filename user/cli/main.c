/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp-ipsec: options and where commands come from: the words of the command line, one quoted line, or standard input (`-`).
 * Everything is parsed before anything is opened.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/cli/cli.h"

static int report(const struct cli *cli, const struct conf_err *e)
{
	json_t *o;

	if (e->class == CONF_OK)
		return EXIT_DONE;
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s\n", e->text);
	if (e->hint[0] && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "  (%s)\n", e->hint);
	if (cli->json) {
		o = json_pack("{s:s}", "error", e->text);
		(void)json_dumpf(o, stdout, 0);
		(void)putchar('\n');
		json_decref(o);
	}
	return cli_exit_code(e);
}

/* Commands as typed, one after the other; the first that fails ends it. */
static int run_text(struct cli *cli, const char *text, size_t len, struct conf_err *e)
{
	static struct cmd cmd; /* large */
	struct parser p;
	int rc;

	cli->session = true;
	parser_init(&p, text, len);
	for (;;) {
		struct parser before = p;

		rc = parser_next(&p, &cmd, e);
		if (rc <= 0)
			return rc;
		if (batch_takes(&cmd)) {
			p = before;
			rc = batch_run(cli, &p, e);
		} else {
			rc = cli_run(cli, &cmd, e);
		}
		if (rc)
			return rc;
	}
}

/* In a script of several commands the place says which one failed. */
static void add_place(struct conf_err *e)
{
	char text[sizeof(e->text)];

	if (e->class == CONF_OK || conf_err_has_place(e) || e->class == CONF_E_SYSTEM || !e->line)
		return;
	(void)str_copy(text, sizeof(text), e->text);
	(void)snprintf(e->text, sizeof(e->text), "%.500s (line %u column %u)", text, e->line, e->col);
}

static int run_stdin(struct cli *cli, struct conf_err *e)
{
	size_t len;
	char *text = store_read_file("-", &len, e);
	int rc;

	if (!text)
		return -EINVAL;
	rc = run_text(cli, text, len, e);
	add_place(e);
	explicit_bzero(text, len);
	free(text);
	return rc;
}

/* A word for help behind a menu or a command; `help` behind a command may be an item. */
static bool asks_help(char **word, unsigned count)
{
	static struct cmd cmd;
	struct conf_err e = {0};

	if (strcmp(word[count - 1], "help") == 0)
		return cmd_from_words(&cmd, word, count - 1, &e) || cmd.verb == VERB_NONE;
	return strcmp(word[count - 1], "?") == 0;
}

static int run_help(char **word, unsigned count, struct conf_err *e)
{
	static struct cmd cmd;

	if (cmd_from_words(&cmd, word, count, e))
		return -EINVAL;
	help_command(stdout, &cmd);
	return 0;
}

static int run_words(struct cli *cli, char **word, unsigned count, struct conf_err *e)
{
	static struct cmd cmd;

	if (count == 0)
		return show_status(cli, e);
	if (asks_help(word, count))
		return run_help(word, count - 1, e);
	if (count == 1 && strcmp(word[0], "-") == 0)
		return run_stdin(cli, e);
	if (count == 1 && strpbrk(word[0], " \t\n;"))
		return run_text(cli, word[0], strlen(word[0]), e);
	if (cmd_from_words(&cmd, word, count, e))
		return -EINVAL;
	return cli_run(cli, &cmd, e);
}

static int usage(const char *what, const char *word)
{
	(void)fprintf(stderr, "%s %s: see xdp-ipsec --help\n", what, word);
	return EXIT_MISUSE;
}

/* Takes the options out of argv; *count words stay. -1: go on; else an exit code. */
static int read_options(struct cli *cli, int argc, char **argv, char **word, unsigned *count)
{
	const char *instance = "default";
	struct err e = {0};

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (a[0] != '-' || !a[1]) {
			word[(*count)++] = argv[i];
		} else if (strcmp(a, "-n") == 0) {
			cli->check_only = true;
		} else if (strcmp(a, "-j") == 0 || strcmp(a, "--json") == 0) {
			cli->json = true;
		} else if (strncmp(a, "--instance=", 11) == 0) {
			instance = a + 11;
		} else if (strcmp(a, "--instance") == 0) {
			if (++i == argc)
				return usage("a name is missing after", a);
			instance = argv[i];
		} else if (strcmp(a, "--version") == 0) {
			(void)printf("xdp-ipsec " XI_VERSION "\n");
			return EXIT_DONE;
		} else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
			help_general(stdout);
			return EXIT_DONE;
		} else if (strcmp(a, "--man-properties") == 0) {
			help_man_properties(stdout);
			return EXIT_DONE;
		} else {
			return usage("unknown option", a);
		}
	}
	if (paths_init(&cli->paths, instance, XI_ABI_VERSION, &e)) {
		(void)fprintf(stderr, "%s\n", e.text);
		return EXIT_MISUSE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	static struct cli cli;
	struct conf_err e = {0};
	unsigned count = 0;
	char **word = calloc((size_t)argc + 1, sizeof(*word));
	int rc;

	if (!word)
		return EXIT_FAILED;
	rc = read_options(&cli, argc, argv, word, &count);
	if (rc < 0) {
		if (run_words(&cli, word, count, &e) < 0 && e.class == CONF_OK)
			(void)conf_fail(&e, CONF_E_SYSTEM, "failed");
		rc = report(&cli, &e);
	}
	numbers_free(&cli.numbers);
	free(word);
	return rc;
}
