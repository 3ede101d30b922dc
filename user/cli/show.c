/* SPDX-License-Identifier: BSD-2-Clause */
/* print, export, status: what is shown and in which style. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/base/datasock.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"
#include "user/cli/outfile.h"

struct print_cmd {
	struct print_opt opt;
	bool detail;
	const char *from, *file;
};

static const char *const modifiers[] = {"detail", "brief",	    "terse",   "value-list",	 "count-only",
					"stats",  "show-sensitive", "as-json", "without-paging", NULL};

static const char *next_modifier(const void *ctx, unsigned i)
{
	(void)ctx;
	return modifiers[i];
}

/* Into a file or a pipe the lines are those of the examples of spec sections 4 to 11, which in column style are 81 wide. */
static void terminal_width(struct print_opt *opt)
{
	struct winsize w;

	opt->width = 80;
	opt->fill = 81;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 40) {
		opt->width = w.ws_col;
		opt->fill = 0;
	}
}

static int read_modifier(struct print_cmd *pc, const struct cmd *cmd, const struct cmd_arg *a, struct conf_err *e)
{
	static const enum print_style styles[] = {PRINT_DETAIL, PRINT_BRIEF, PRINT_TERSE, PRINT_VALUE_LIST,
						  PRINT_COUNT};
	int i = word_match(next_modifier, NULL, a->value);

	if (i == -2)
		return conf_fail(e, CONF_E_AMBIG, "ambiguous value of %s, more than one possible value matches input",
				 a->value);
	if (i < 0 || (i == 5 && cmd->node != (enum node_id)MENU_POLICY))
		return conf_fail_at(e, CONF_E_END, a->value, a->line, a->col);
	if (i < 5) {
		pc->opt.style = styles[i];
		pc->detail |= i == 0;
	} else if (i == 5) {
		pc->opt.stats = true;
	} else if (i == 6) {
		pc->opt.show_sensitive = true;
	} else if (i == 7) {
		pc->opt.style = PRINT_JSON;
	}
	return 0;
}

static int read_print(struct cli *cli, struct print_cmd *pc, const struct cmd *cmd, struct conf_err *e)
{
	*pc = (struct print_cmd){0};
	terminal_width(&pc->opt);
	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];

		if (!a->name) {
			if (read_modifier(pc, cmd, a, e))
				return -EINVAL;
		} else if (strcmp(a->name, "from") == 0 && !menus[cmd->node].singleton) {
			pc->from = a->value;
		} else if (strcmp(a->name, "file") == 0) {
			pc->file = a->value;
		} else {
			return conf_fail_at(e, CONF_E_END, a->name, a->line, a->col);
		}
	}
	if (cli->json)
		pc->opt.style = PRINT_JSON;
	/* Tables that are looked up rather than read. */
	if ((cmd->node == (enum node_id)MENU_ALGORITHMS || cmd->node == (enum node_id)MENU_KEY) &&
	    pc->opt.style == PRINT_DEFAULT)
		pc->opt.style = PRINT_BRIEF;
	return 0;
}

/* Where a command prints: `file` when it was opened, else standard output. */
struct output {
	FILE *out;
	struct outfile file;
};

/* file=name: written to name and its usual ending; 0600, since keys may be in it. */
static int open_output(struct output *o, const char *name, const char *ending, struct conf_err *e)
{
	const char *base = name ? strrchr(name, '/') : NULL;
	char path[1100];

	o->out = stdout;
	if (!name)
		return 0;
	(void)snprintf(path, sizeof(path), "%s%s", name, strchr(base ? base : name, '.') ? "" : ending);
	if (outfile_open(&o->file, path, 0600, e))
		return -EINVAL;
	o->out = o->file.f;
	return 0;
}

static int close_output(struct output *o, bool failed, struct conf_err *e)
{
	int bad = ferror(o->out);

	if (o->out != stdout)
		return outfile_close(&o->file, failed, e);
	return fflush(stdout) || bad ? conf_fail(e, CONF_E_SYSTEM, "cannot write the output: %s", strerror(errno)) : 0;
}

static void print_reasons(FILE *out, const struct maps *m)
{
	uint64_t reason[XI_REASON_MAX];
	bool title = false;

	if (!m || stats_reasons(m, reason))
		return;
	for (unsigned r = 1; r < XI_REASON_MAX; r++) {
		if (!reason[r] || !reason_text(r))
			continue;
		if (!title)
			(void)fputs("\n   reasons, packets (from 96 on not dropped):\n", out);
		title = true;
		(void)fprintf(out, "%5u  %10" PRIu64 "  %s\n", r, reason[r], reason_text(r));
	}
}

static void json_reasons(FILE *out, const struct maps *m, const struct conf_statistics *st)
{
	const struct menu *menu = &menus[MENU_STATISTICS];
	json_t *o = json_object(), *list = json_object();
	uint64_t reason[XI_REASON_MAX];

	for (unsigned i = 0; i < menu->count; i++)
		(void)json_object_set_new(o, menu->prop[i].name, json_integer((json_int_t)st->count[i]));
	if (m && stats_reasons(m, reason) == 0)
		for (unsigned r = 1; r < XI_REASON_MAX; r++)
			if (reason[r] && reason_text(r))
				(void)json_object_set_new(list, reason_text(r), json_integer((json_int_t)reason[r]));
	(void)json_object_set_new(o, "reasons", list);
	(void)json_dumpf(o, out, JSON_INDENT(2));
	(void)fputc('\n', out);
	json_decref(o);
}

static void print_statistics(FILE *out, const struct print_cmd *pc, const struct maps *m)
{
	struct conf_statistics st = {0};

	view_statistics(&st, m);
	if (pc->opt.style == PRINT_JSON && pc->detail) {
		json_reasons(out, m, &st);
		return;
	}
	print_singleton(out, MENU_STATISTICS, &st.it, &pc->opt);
	if (pc->detail)
		print_reasons(out, m);
}

/* Rows of a list menu: all, or those of from=. Numbers are those of the full list. */
static int choose_rows(struct cli *cli, const struct print_cmd *pc, enum menu_id menu, const struct conf *c,
		       struct print_row *row, unsigned *count, struct conf_err *e)
{
	const struct conf_list *l = &c->list[menu];
	struct selection s = {0};

	if (pc->from && select_items(c, &cli->numbers, menu, pc->from, &s, e))
		return -EINVAL;
	*count = 0;
	for (unsigned i = 0; i < l->count; i++) {
		bool wanted = !pc->from;

		for (unsigned k = 0; k < s.count; k++)
			wanted |= s.id[k] == l->item[i]->id;
		if (wanted)
			row[(*count)++] = (struct print_row){.it = l->item[i], .number = i};
	}
	selection_free(&s);
	return 0;
}

/* Spec 9: counter modes with manual keys are warned about at every print. */
static void warn_counter(const struct conf *c)
{
	for (unsigned i = 0; i < c->list[MENU_MANUAL_SA].count; i++) {
		const struct conf_msa *m = CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], i);
		const struct alg *bad = NULL;

		for (int d = 0; d < 2; d++) {
			const struct alg *enc = prop_alg(ALG_ENC, m->esp_enc[d]),
					 *ah = prop_alg(ALG_AUTH, m->ah_alg[d]);

			bad = ah->flags & ALG_F_COUNTER ? ah : bad;
			bad = enc->flags & ALG_F_COUNTER ? enc : bad;
		}
		if (bad)
			cli_warn("manual-sa %s uses %s with manual keys: after a reboot the counter starts anew under "
				 "the same key, which gives away what it protects; laboratory use only",
				 m->name, bad->name);
	}
}

static int print_list(struct cli *cli, const struct print_cmd *pc, enum menu_id menu, const struct conf *c, FILE *out,
		      struct conf_err *e)
{
	struct print_row *row = calloc(c->list[menu].count + 1, sizeof(*row));
	unsigned count;
	int rc;

	if (!row)
		return conf_fail(e, CONF_E_SYSTEM, "out of memory");
	rc = choose_rows(cli, pc, menu, c, row, &count, e);
	if (!rc) {
		numbers_assign(&cli->numbers, menu, c);
		print_items(out, menu, row, count, &pc->opt);
	}
	free(row);
	return rc;
}

static int print_menu(struct cli *cli, const struct print_cmd *pc, enum menu_id menu, struct conf *c, FILE *out,
		      struct conf_err *e)
{
	struct plan plan = {0};
	char reply[DATASOCK_MSG_MAX];
	enum daemon_state daemon;
	int pid;

	switch (menu) {
	case MENU_STATISTICS:
		print_statistics(out, pc, cli->maps);
		return 0;
	case MENU_SETTINGS:
		print_singleton(out, menu, &c->settings.it, &pc->opt);
		return 0;
	case MENU_INSTALLED_SA:
		view_generated(c, cli->maps);
		view_sas(c, cli->maps);
		break;
	case MENU_ALGORITHMS:
		if (view_algorithm_table(c, e))
			return -EINVAL;
		break;
	case MENU_KEY:
	case MENU_CERTIFICATE:
		if (view_creds(cli, c, e))
			return -EINVAL;
		break;
	case MENU_REMOTE_PEERS:
		if (view_remote_peers(cli, c, e))
			return -EINVAL;
		break;
	case MENU_INTERFACE:
		daemon = daemon_status(cli, reply, &pid);
		view_interfaces(cli, c, daemon, reply);
		if (c->list[menu].count && daemon == DAEMON_SILENT)
			cli_warn("xdp-ipsecd of instance %s runs (pid %d) but does not answer", cli->paths.instance,
				 pid);
		else if (c->list[menu].count && daemon == DAEMON_NONE)
			cli_warn("xdp-ipsecd of instance %s does not run: protected packets are dropped",
				 cli->paths.instance);
		break;
	default:
		if (plan_build(&plan, c, route_source))
			return conf_fail(e, CONF_E_SYSTEM, "out of memory");
		plan_free(&plan);
		if (menu == MENU_POLICY)
			view_generated(c, cli->maps);
		if (pc->opt.stats)
			view_policy_stats(c, cli->maps);
		if (menu == MENU_MANUAL_SA)
			warn_counter(c);
	}
	return print_list(cli, pc, menu, c, out, e);
}

static bool needs_maps(const struct print_cmd *pc, enum menu_id menu)
{
	return menu == MENU_STATISTICS || menu == MENU_INSTALLED_SA || menu == MENU_INTERFACE || pc->opt.stats;
}

int show_print(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	enum menu_id menu = (enum menu_id)cmd->node;
	struct conf_err ignored = {0};
	struct print_cmd pc;
	struct output o;
	struct conf c;
	int rc = read_print(cli, &pc, cmd, e);

	if (rc || open_output(&o, pc.file, ".txt", e))
		return -EINVAL;
	if (needs_maps(&pc, menu))
		rc = cli_open_maps(cli, e);
	else if (menu == MENU_POLICY)
		(void)!cli_open_maps(cli, &ignored); /* for generated policies, if there may be any */
	if (!rc) {
		rc = store_load(&cli->paths, &c, e);
		if (!rc)
			rc = print_menu(cli, &pc, menu, &c, o.out, e);
		conf_free(&c);
	}
	cli_close_maps(cli);
	return close_output(&o, rc, e) || rc ? -EINVAL : 0;
}

int show_export(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct export_opt opt = {.header = true};
	const char *file = NULL;
	struct output o;
	struct conf c;
	int rc;

	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];

		if (a->name && strcmp(a->name, "file") == 0)
			file = a->value;
		else if (!a->name && strcmp(a->value, "compact") == 0)
			opt.compact = true;
		else if (!a->name && strcmp(a->value, "hide-sensitive") == 0)
			opt.hide_sensitive = true;
		else
			return conf_fail_at(e, CONF_E_END, a->value, a->line, a->col);
	}
	rc = store_load(&cli->paths, &c, e);
	if (!rc)
		rc = open_output(&o, file, ".rsc", e);
	if (!rc) {
		export_conf(o.out, &c, (unsigned)cmd->node < MENU_MAX ? (enum menu_id)cmd->node : MENU_MAX, &opt);
		rc = close_output(&o, false, e);
	}
	conf_free(&c);
	return rc;
}
