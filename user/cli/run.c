/* SPDX-License-Identifier: BSD-2-Clause */
/* One parsed command: who does it. */
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "user/base/datasock.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"

void cli_warn(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("warning: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

int cli_fail(struct conf_err *e, int rc, const struct err *from)
{
	bool rights = rc == -EPERM || rc == -EACCES;

	return conf_fail(e, CONF_E_SYSTEM, "%s%s", rights ? "not enough permissions (9): " : "", from->text);
}

int cli_exit_code(const struct conf_err *e)
{
	switch (e->class) {
	case CONF_OK:
		return EXIT_DONE;
	case CONF_E_CMD:
	case CONF_E_END:
	case CONF_E_SYNTAX:
		return EXIT_MISUSE;
	default:
		return EXIT_FAILED;
	}
}

int cli_open_maps(struct cli *cli, struct conf_err *e)
{
	struct err base = {0};
	int rc;

	if (cli->maps)
		return 0;
	if (!cli->entered && geteuid() == 0) {
		rc = path_enter_bpffs(&base);
		if (rc)
			return cli_fail(e, rc, &base);
		cli->entered = true;
	}
	rc = maps_open(&cli->maps, &cli->paths, &base);
	if (rc == -ENOENT)
		cli->maps = NULL;
	else if (rc)
		return cli_fail(e, rc, &base);
	return 0;
}

void cli_close_maps(struct cli *cli)
{
	maps_close(cli->maps);
	cli->maps = NULL;
}

static const char *const sa_types[] = {"ah", "esp", "all"};

static const char *next_sa_type(const void *ctx, unsigned i)
{
	(void)ctx;
	return i < ARRAY_SIZE(sa_types) ? sa_types[i] : NULL;
}

int flush_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	static const unsigned protos[] = {XI_PROTO_AH, XI_PROTO_ESP, 0};
	struct err base = {0};
	int type = 2, rc;

	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];

		if (!a->name || strcmp(a->name, "sa-type"))
			return conf_fail_at(e, CONF_E_END, a->value, a->line, a->col);
		type = word_match(next_sa_type, NULL, a->value);
		if (type == -2)
			return conf_fail(e, CONF_E_AMBIG,
					 "ambiguous value of sa-type, more than one possible value matches input");
		if (type < 0) {
			(void)snprintf(e->hint, sizeof(e->hint), "it is one of ah, esp, all");
			return conf_fail(e, CONF_E_ENUM, "input does not match any value of sa-type");
		}
	}
	rc = cli_open_maps(cli, e);
	if (!rc && cli->maps && !cli->check_only) {
		rc = cli_ike_flush(cli, protos[type], e);
		if (!rc && apply_flush(cli->maps, protos[type], &base))
			rc = cli_fail(e, -EINVAL, &base);
	}
	cli_close_maps(cli);
	return rc;
}

static int no_args(const struct cmd *cmd, unsigned allowed, struct conf_err *e)
{
	const struct cmd_arg *a = &cmd->arg[allowed];

	if (cmd->narg <= allowed)
		return 0;
	return conf_fail_at(e, CONF_E_END, a->value, a->line, a->col);
}

/* Spec 7.2: nothing on the terminal. */
static int dump_command(struct cli *cli, struct conf_err *e)
{
	char reply[DATASOCK_MSG_MAX];
	struct err base = {0};
	int rc = datasock_call(&cli->paths, "{\"cmd\":\"dump-policies\"}", reply, &base);

	return rc ? cli_fail(e, rc, &base) : 0;
}

static int import_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	const struct cmd_arg *a = &cmd->arg[0];

	if (no_args(cmd, 1, e))
		return -EINVAL;
	if (!cmd->narg)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) file-name");
	if (a->name && strcmp(a->name, "file-name"))
		return conf_fail_at(e, CONF_E_END, a->name, a->line, a->col);
	return change_import(cli, a->value, e);
}

int cli_run(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	switch (cmd->verb) {
	case VERB_NONE:
		if (!cli->session)
			help_menu(stdout, cmd->node);
		return 0;
	case VERB_PRINT:
		return show_print(cli, cmd, e);
	case VERB_EXPORT:
		return show_export(cli, cmd, e);
	case VERB_IMPORT:
		return import_command(cli, cmd, e);
	case VERB_FLUSH:
		return flush_command(cli, cmd, e);
	case VERB_FILE_SET:
	case VERB_FILE_REMOVE:
	case VERB_FILE_IMPORT:
	case VERB_GENERATE_KEY:
	case VERB_EXPORT_KEY:
		return cmd->node == (enum node_id)MENU_KEY ? key_command(cli, cmd, e) : cert_command(cli, cmd, e);
	case VERB_KILL:
		return no_args(cmd, 0, e) ? -EINVAL : kill_command(cli, e);
	case VERB_STATUS:
		return no_args(cmd, 0, e) ? -EINVAL : show_status(cli, e);
	case VERB_EVENTS:
		return no_args(cmd, 0, e) ? -EINVAL : monitor_events(cli, e);
	case VERB_DROPS:
		return monitor_drops(cli, cmd, e);
	case VERB_DUMP:
		return no_args(cmd, 0, e) ? -EINVAL : dump_command(cli, e);
	case VERB_EXPLAIN:
		return explain_command(cli, cmd, e);
	case VERB_START:
		return no_args(cmd, 0, e) ? -EINVAL : change_start(cli, e);
	default:
		return change_command(cli, cmd, e);
	}
}
