/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands from standard input that only change lists are run together, as far as it makes no difference: they are one transaction, so
 * that the configuration is loaded, compiled and stored once for all of them and not once for each.
 */
#include <errno.h>
#include <limits.h>

#include "user/cli/change.h"

bool batch_takes(const struct cmd *cmd)
{
	switch ((enum menu_id)cmd->node) {
	case MENU_POLICY:
	case MENU_MANUAL_SA:
	case MENU_PEER:
	case MENU_PROPOSAL:
		return cmd->verb > VERB_NONE && cmd->verb <= VERB_COMMENT;
	default:
		return false;
	}
}

/*
 * May it go with the first? Not where doing one after the other is more than the outcome: disable and enable gives a template new SAs, remove
 * and add forgets counters, two changes of one item may take each other back.
 */
static bool goes_with(const struct conf *c, struct conf_numbers *n, const struct cmd *cmd, const struct cmd *first)
{
	if (!batch_takes(cmd) || cmd->verb != first->verb)
		return false;
	if (cmd->verb == VERB_ADD)
		return true;
	return cmd->node == first->node && (cmd->verb != VERB_SET || !exec_edits_again(c, n, cmd));
}

struct batch {
	struct parser *p;   /* in front of the first; afterwards behind the last one that was run */
	unsigned most;	    /* no more than that many */
	unsigned run;	    /* out: how many did what they say, in memory */
	bool refused;	    /* out: the one behind them cannot be done */
	unsigned line, col; /* of the first */
};

static int run_one(struct change *ch, const struct cmd *cmd, struct conf_err *e)
{
	if (cmd->node == (enum node_id)MENU_PEER && !ch->after.creds && view_creds(ch->cli, &ch->after, e))
		return -EINVAL;
	return exec_change(&ch->after, &ch->cli->numbers, cmd, e);
}

static int run_commands(struct change *ch, struct batch *b, struct conf_err *e)
{
	static struct cmd cmd, first; /* large */
	struct parser p = *b->p;

	while (b->run < b->most) {
		struct conf_err form = {0};
		int rc = parser_next(&p, &cmd, &form);

		if (rc <= 0)
			break; /* a first one there is; what is wrong with a later one is said in its turn */
		if (cmd.verb == VERB_NONE)
			continue;
		if (!b->run) {
			first = cmd;
			b->line = cmd.line;
			b->col = cmd.col;
		} else if (!goes_with(&ch->after, &ch->cli->numbers, &cmd, &first)) {
			break;
		}
		if (run_one(ch, &cmd, e)) {
			b->refused = true;
			return -EINVAL;
		}
		b->run++;
		*b->p = p;
	}
	return 0;
}

static int run_once(struct cli *cli, struct batch *b, struct conf_err *e)
{
	struct change ch;
	int rc = change_begin(&ch, cli, true, e);

	if (!rc)
		rc = run_commands(&ch, b, e);
	if (!rc) {
		rc = change_commit(&ch, e);
		if (rc && !e->line) {
			e->line = b->line;
			e->col = b->col;
		}
	}
	change_end(&ch);
	return rc;
}

/* Whatever fails, nothing was changed: then fewer are tried, until what is in the way stands alone. */
int batch_run(struct cli *cli, struct parser *p, struct conf_err *e)
{
	unsigned most = UINT_MAX;

	for (;;) {
		struct conf_err bad = {0};
		struct parser at = *p;
		struct batch b = {.p = &at, .most = most};
		int rc = run_once(cli, &b, &bad);

		if (!rc)
			*p = at;
		if (!rc || b.run == 0 || (b.run == 1 && !b.refused)) {
			*e = bad;
			return rc;
		}
		most = b.refused ? b.run : b.run / 2;
	}
}
