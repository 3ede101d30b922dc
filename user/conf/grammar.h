/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From text, or from the words of a command line, to struct cmd: menu, command, arguments (spec section 3.1). Only form is
 * judged here; what an argument means is the command's business (user/conf/exec.h, user/cli).
 *
 * The menus hang under /ip ipsec; a path is relative to the current menu, which is /ip ipsec at the start.
 */
#ifndef CONF_GRAMMAR_H
#define CONF_GRAMMAR_H

#include "user/conf/cerr.h"
#include "user/conf/lex.h"
#include "user/conf/props.h"

#define CMD_ARGS_MAX 64
#define CMD_TEXT_MAX 8192

/* Nodes of the menu tree: the list menus have the numbers of enum menu_id. */
enum node_id { NODE_IPSEC = MENU_MAX, NODE_IP, NODE_ROOT, NODE_MONITOR, NODE_MAX };

enum verb_id {
	VERB_NONE, /* a path without a command: change menu */
	/* these change the configuration; user/conf/exec.c runs them */
	VERB_ADD,
	VERB_SET,
	VERB_REMOVE,
	VERB_ENABLE,
	VERB_DISABLE,
	VERB_MOVE,
	VERB_COMMENT,
	VERB_ATTACH,
	VERB_DETACH,
	VERB_LAST_CHANGE = VERB_DETACH,
	/* the command line's own */
	VERB_PRINT,
	VERB_EXPORT,
	VERB_IMPORT,
	VERB_FLUSH,
	VERB_STATUS,
	VERB_START,
	VERB_EXPLAIN,
	VERB_DUMP,
	VERB_EVENTS,
	VERB_DROPS,
	VERB_FILE_SET,
	VERB_FILE_REMOVE,
	VERB_FILE_IMPORT,
	VERB_GENERATE_KEY,
	VERB_EXPORT_KEY,
	VERB_KILL,
	VERB_MAX
};

struct verb {
	const char *name;
	unsigned nodes; /* bit per node that has it */
	const char *usage, *help;
};

extern const struct verb verbs[VERB_MAX];

struct cmd_arg {
	const char *name; /* NULL: unnamed */
	const char *value;
	bool quoted;	      /* the value stood in quotes: never an abbreviation or a reference */
	unsigned line, col;   /* of name, or of the unnamed value */
	unsigned vline, vcol; /* of the value */
};

struct cmd {
	enum node_id node;
	enum verb_id verb;
	unsigned line, col; /* of the command word */
	unsigned narg;
	struct cmd_arg arg[CMD_ARGS_MAX];
	char text[CMD_TEXT_MAX]; /* what the arguments point into */
	size_t used;
};

struct parser {
	struct lex lex;
	enum node_id node; /* current menu */
	bool done;
};

void parser_init(struct parser *p, const char *text, size_t len);

/* Reads the next command into *c. 1 = there is one, 0 = the text is at its end, negative: an error is set. */
int parser_next(struct parser *p, struct cmd *c, struct conf_err *e) __must_check;

/*
 * The same from words that a shell has split already: word=value, the value as it stands (or, when it begins with a
 * double quote, in the form of spec 3.1). Columns count as if the words stood on one line with a blank between.
 */
int cmd_from_words(struct cmd *c, char *const *word, unsigned count, struct conf_err *e) __must_check;

/* "/ip ipsec policy", and the parent of a node (the root is its own). */
const char *node_path(enum node_id node);
enum node_id node_parent(enum node_id node);
const char *node_name(enum node_id node);

#endif
