/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/grammar.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define BIT(node) (1u << (node))
#define LISTS (BIT(MENU_POLICY) | BIT(MENU_MANUAL_SA) | BIT(MENU_PEER) | BIT(MENU_PROPOSAL))
#define FILES (BIT(MENU_KEY) | BIT(MENU_CERTIFICATE))
#define ALL_MENUS (BIT(MENU_MAX) - 1)
#define STORED (LISTS | BIT(MENU_SETTINGS) | BIT(MENU_INTERFACE))

/* clang-format off */
static const struct {
	const char *name, *path;
	enum node_id parent;
} nodes[NODE_MAX] = {
	[NODE_ROOT] = { "", "/", NODE_ROOT },
	[NODE_IP] = { "ip", "/ip", NODE_ROOT },
	[NODE_IPSEC] = { "ipsec", "/ip ipsec", NODE_IP },
	[NODE_MONITOR] = { "monitor", "/ip ipsec monitor", NODE_IPSEC },
	[MENU_POLICY] = { "policy", "/ip ipsec policy", NODE_IPSEC },
	[MENU_MANUAL_SA] = { "manual-sa", "/ip ipsec manual-sa", NODE_IPSEC },
	[MENU_PEER] = { "peer", "/ip ipsec peer", NODE_IPSEC },
	[MENU_PROPOSAL] = { "proposal", "/ip ipsec proposal", NODE_IPSEC },
	[MENU_KEY] = { "key", "/ip ipsec key", NODE_IPSEC },
	[MENU_CERTIFICATE] = { "certificate", "/certificate", NODE_ROOT },
	[MENU_REMOTE_PEERS] = { "remote-peers", "/ip ipsec remote-peers", NODE_IPSEC },
	[MENU_SETTINGS] = { "settings", "/ip ipsec settings", NODE_IPSEC },
	[MENU_INTERFACE] = { "interface", "/ip ipsec interface", NODE_IPSEC },
	[MENU_INSTALLED_SA] = { "installed-sa", "/ip ipsec installed-sa", NODE_IPSEC },
	[MENU_STATISTICS] = { "statistics", "/ip ipsec statistics", NODE_IPSEC },
	[MENU_ALGORITHMS] = { "algorithms", "/ip ipsec algorithms", NODE_IPSEC },
};

const struct verb verbs[VERB_MAX] = {
	[VERB_ADD] = { "add", LISTS | BIT(MENU_INTERFACE),
		"add name=value ... [copy-from=ITEM] [place-before=ITEM]", "make an item" },
	[VERB_SET] = { "set", STORED, "set ITEMS name=value ...", "change items" },
	[VERB_REMOVE] = { "remove", LISTS | BIT(MENU_INTERFACE), "remove ITEMS", "delete items" },
	[VERB_ENABLE] = { "enable", LISTS, "enable ITEMS", "same as set disabled=no" },
	[VERB_DISABLE] = { "disable", LISTS, "disable ITEMS", "same as set disabled=yes" },
	[VERB_MOVE] = { "move", BIT(MENU_POLICY), "move ITEMS [DESTINATION]",
		"put before the destination; without one, at the end" },
	[VERB_COMMENT] = { "comment", LISTS | BIT(MENU_INTERFACE), "comment ITEMS comment=\"...\"", "set the comment" },
	[VERB_ATTACH] = { "attach", BIT(MENU_INTERFACE), "attach NIC [mode=native|generic] [queues=N] [firewall=yes|no]",
		"enforce the policies on an interface" },
	[VERB_DETACH] = { "detach", BIT(MENU_INTERFACE), "detach NIC", "take the programs off an interface" },
	[VERB_PRINT] = { "print", ALL_MENUS,
		"print [detail|brief|terse|value-list|count-only] [stats] [show-sensitive] [from=ITEMS] [file=NAME]",
		"show" },
	[VERB_EXPORT] = { "export", STORED | BIT(NODE_IPSEC) | BIT(NODE_IP) | BIT(NODE_ROOT),
		"export [compact] [hide-sensitive] [file=NAME]", "write the script that recreates the configuration" },
	[VERB_IMPORT] = { "import", BIT(NODE_IPSEC) | BIT(NODE_ROOT), "import FILE",
		"make the menus that the file mentions equal to it; - reads standard input" },
	[VERB_FLUSH] = { "flush", BIT(MENU_INSTALLED_SA), "flush [sa-type=ah|esp|all]",
		"drop SAs; manual ones are installed anew at once" },
	[VERB_STATUS] = { "status", BIT(NODE_IPSEC), "status", "a short summary; also shown without any command" },
	[VERB_EVENTS] = { "events", BIT(NODE_MONITOR), "events",
		"what happens to SAs: limits passed, peers behind NAT that move; until interrupted" },
	[VERB_DROPS] = { "drops", BIT(NODE_MONITOR), "drops [reason=COUNTER|NUMBER] [interface=NAME]",
		"dropped packets as they are dropped, with the reason; until interrupted" },
	[VERB_DUMP] = { "dump-kernel-policies", BIT(MENU_POLICY), "dump-kernel-policies",
		"write the policies in force to the log of xdp-ipsecd" },
	[VERB_EXPLAIN] = { "explain", BIT(NODE_IPSEC),
		"explain src-address=A dst-address=A protocol=P [src-port=N] [dst-port=N] [direction=in|out]",
		"what would become of such a packet, step by step" },
	[VERB_FILE_SET] = { "set", FILES, "set ITEM [name=NAME] [trusted=yes|no]", "rename; trust a certificate authority" },
	[VERB_FILE_REMOVE] = { "remove", FILES, "remove ITEMS", "delete, with the private key" },
	[VERB_FILE_IMPORT] = { "import", FILES, "import FILE [name=NAME] [passphrase=TEXT]",
		"read a file: keys in PEM, DER or racoon's plain form; certificates, CRLs and private keys in PEM or DER" },
	[VERB_GENERATE_KEY] = { "generate-key", BIT(MENU_KEY), "generate-key NAME [key-size=1024|2048|4096]",
		"make an RSA key; 2048 bits unless said otherwise" },
	[VERB_EXPORT_KEY] = { "export-pub-key", BIT(MENU_KEY), "export-pub-key KEY file-name=FILE",
		"write the public part in PEM" },
	[VERB_KILL] = { "kill-connections", BIT(MENU_REMOTE_PEERS), "kill-connections",
		"take down all SAs that IKE made, phase 2 before phase 1, and tell the peers" },
	[VERB_START] = { "start", BIT(NODE_IPSEC), "start",
		"apply the stored configuration and attach its interfaces (at boot)" },
};
/* clang-format on */

const char *node_path(enum node_id node)
{
	return nodes[node].path;
}

enum node_id node_parent(enum node_id node)
{
	return nodes[node].parent;
}

const char *node_name(enum node_id node)
{
	return nodes[node].name;
}

/* Words that may follow in a menu: its sub-menus, then its commands. The others read as "" and match nothing. */
static const char *next_step(const void *ctx, unsigned i)
{
	enum node_id at = *(const enum node_id *)ctx;

	if (i < NODE_MAX)
		/* certificate stands at the root; beside the other menus it is found, too */
		return (i != NODE_ROOT && nodes[i].parent == at) || (i == MENU_CERTIFICATE && at == NODE_IPSEC)
			       ? nodes[i].name
			       : "";
	i -= NODE_MAX;
	if (i >= VERB_MAX)
		return NULL;
	return verbs[i].nodes & BIT(at) ? verbs[i].name : "";
}

/* One word of the path, or the command: 1 when it was the command. */
static int take_word(struct cmd *c, const char *word, unsigned line, unsigned col, struct conf_err *e)
{
	int i;

	c->line = line;
	c->col = col;
	if (strcmp(word, "..") == 0) {
		c->node = nodes[c->node].parent;
		return 0;
	}
	if (*word == '/') {
		c->node = NODE_ROOT;
		word++;
		col++;
		if (!*word)
			return 0;
	}
	i = word_match(next_step, &c->node, word);
	if (i == -2)
		return conf_fail(e, CONF_E_AMBIG,
				 "ambiguous value of command, more than one possible value matches input");
	if (i < 0) {
		if (e->class == CONF_OK)
			(void)snprintf(e->hint, sizeof(e->hint), "xdp-ipsec %s shows what there is",
				       nodes[c->node].parent == NODE_IPSEC ? nodes[c->node].name : "help");
		return conf_fail_at(e, CONF_E_CMD, word, line, col);
	}
	if (i < NODE_MAX) {
		c->node = (enum node_id)i;
		return 0;
	}
	c->verb = (enum verb_id)(i - NODE_MAX);
	return 1;
}

static const char *keep(struct cmd *c, const char *text, size_t len)
{
	char *at = c->text + c->used;

	if (len >= sizeof(c->text) - c->used)
		return NULL;
	memcpy(at, text, len);
	at[len] = '\0';
	c->used += len + 1;
	return at;
}

static struct cmd_arg *new_arg(struct cmd *c, unsigned line, unsigned col, struct conf_err *e)
{
	struct cmd_arg *a;

	if (c->narg == CMD_ARGS_MAX) {
		(void)conf_fail_at(e, CONF_E_SYNTAX, "", line, col);
		return NULL;
	}
	a = &c->arg[c->narg++];
	*a = (struct cmd_arg){.line = line, .col = col, .vline = line, .vcol = col, .value = ""};
	return a;
}

static void cmd_init(struct cmd *c, enum node_id node)
{
	c->node = node;
	c->verb = VERB_NONE;
	c->narg = 0;
	c->used = 0;
	c->line = c->col = 0;
}

void parser_init(struct parser *p, const char *text, size_t len)
{
	lex_init(&p->lex, text, len);
	p->node = NODE_IPSEC;
	p->done = false;
}

static int bad_token(const struct token *t, struct conf_err *e)
{
	return conf_fail_at(e, CONF_E_SYNTAX, t->text, t->line, t->col);
}

/*
 * An argument, of which *t is the first word. Leaves the token behind it in *t. A name is followed at once by = and that by
 * its value; `name= ` is an empty value.
 */
static int read_arg(struct parser *p, struct cmd *c, struct token *t, struct conf_err *e)
{
	struct cmd_arg *a = new_arg(c, t->line, t->col, e);
	const char *word;

	if (!a)
		return -EINVAL;
	if (c->narg > 1 && t->glued) /* two words without a blank between: `"a"b` */
		return bad_token(t, e);
	word = keep(c, t->text, strlen(t->text));
	a->quoted = t->quoted;
	if (!word)
		return bad_token(t, e);
	a->value = word;
	lex_next(&p->lex, t);
	if (t->type != TOK_EQ || !t->glued)
		return 0;
	if (a->quoted)
		return bad_token(t, e);
	a->name = word;
	a->value = "";
	a->vline = t->line;
	a->vcol = t->col + 1;
	lex_next(&p->lex, t);
	if (t->type != TOK_WORD || !t->glued)
		return 0;
	a->value = keep(c, t->text, strlen(t->text));
	a->quoted = t->quoted;
	a->vline = t->line;
	a->vcol = t->col;
	if (!a->value)
		return bad_token(t, e);
	lex_next(&p->lex, t);
	return t->type == TOK_WORD && t->glued ? bad_token(t, e) : 0;
}

static int read_command(struct parser *p, struct cmd *c, struct token *t, struct conf_err *e)
{
	int rc = 0;

	while (t->type == TOK_WORD && !t->quoted && rc == 0) {
		rc = take_word(c, t->text, t->line, t->col, e);
		if (rc < 0)
			return rc;
		lex_next(&p->lex, t);
	}
	while (rc == 1 && t->type == TOK_WORD)
		if (read_arg(p, c, t, e))
			return -EINVAL;
	if (t->type != TOK_SEP && t->type != TOK_END)
		return bad_token(t, e);
	if (rc == 0)
		p->node = c->node; /* a path alone changes the menu */
	return 0;
}

int parser_next(struct parser *p, struct cmd *c, struct conf_err *e)
{
	struct token t;

	while (!p->done) {
		lex_next(&p->lex, &t);
		if (t.type == TOK_SEP)
			continue;
		if (t.type == TOK_END)
			break;
		cmd_init(c, p->node);
		if (t.type != TOK_WORD)
			return bad_token(&t, e);
		if (read_command(p, c, &t, e))
			return -EINVAL;
		p->done = t.type == TOK_END;
		return 1;
	}
	p->done = true;
	return 0;
}

static int add_word(struct cmd *c, const char *word, unsigned col, struct conf_err *e)
{
	struct cmd_arg *a = new_arg(c, 1, col, e);
	const char *eq = strchr(word, '=');
	struct token t;
	struct lex l;

	if (!a)
		return -EINVAL;
	if (eq && eq != word && strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789.-") == (size_t)(eq - word)) {
		a->name = keep(c, word, (size_t)(eq - word));
		if (!a->name)
			return conf_fail_at(e, CONF_E_SYNTAX, word, 1, col);
		a->vcol = col + (unsigned)(eq - word) + 1;
		word = eq + 1;
	}
	if (*word == '"') {
		lex_init(&l, word, strlen(word));
		lex_next(&l, &t);
		if (t.type != TOK_WORD || l.p != l.end)
			return conf_fail_at(e, CONF_E_SYNTAX, word, 1, a->vcol);
		word = t.text;
		a->quoted = true;
	}
	if (strlen(word) >= LEX_WORD_MAX)
		return conf_fail(e, CONF_E_SYNTAX, "longer than %u characters (line 1 column %u)", LEX_WORD_MAX - 1,
				 a->vcol);
	a->value = keep(c, word, strlen(word));
	return a->value ? 0 : conf_fail_at(e, CONF_E_SYNTAX, word, 1, a->vcol);
}

int cmd_from_words(struct cmd *c, char *const *word, unsigned count, struct conf_err *e)
{
	unsigned col = 1;
	int rc = 0;

	cmd_init(c, NODE_IPSEC);
	for (unsigned i = 0; i < count; i++) {
		if (rc == 0)
			rc = take_word(c, word[i], 1, col, e);
		else if (add_word(c, word[i], col, e))
			return -EINVAL;
		if (rc < 0)
			return rc;
		col += (unsigned)strlen(word[i]) + 1;
	}
	return 0;
}
