/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transaction over file, maps and interfaces: begin, work on `after`, commit, end. Without a commit, or when it fails, all is as
 * before. For change.c and import.c.
 */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include <signal.h>

#include "user/cli/cli.h"

struct change {
	struct cli *cli;
	struct store store;
	struct conf before, after;
	struct plan plan_before, plan_after;
	bool before_planned; /* plan_before and its judgements: only made when they are needed */
	bool no_file;	     /* there is none: `before` is not what is in force */
	bool files;	     /* items of the menus key and certificate changed */
	bool holds_signals;  /* `signals`: the mask before */
	sigset_t signals;
	char summary[600]; /* import: what differed */
};

/* Takes the lock and loads. generated: policies that xdp-iked made are there, too. change_end() follows also when it fails. */
int change_begin(struct change *ch, struct cli *cli, bool generated, struct conf_err *e) __must_check;
/* Stores `after` and brings it into force; says what an operator should know of it. */
int change_commit(struct change *ch, struct conf_err *e) __must_check;
void change_end(struct change *ch);

#endif
