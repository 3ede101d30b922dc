/* SPDX-License-Identifier: BSD-2-Clause */
/* Help from the tables of menus, commands and properties; the manual's property lists too. */
#include <inttypes.h>

#include "user/cli/cli.h"

void help_general(FILE *out)
{
	(void)fputs("usage: xdp-ipsec [-n] [-j] [--instance NAME] [[/ip ipsec] MENU COMMAND [name=value ...]]\n"
		    "       xdp-ipsec -            commands from standard input\n"
		    "       xdp-ipsec              a short status\n\n"
		    "options:\n"
		    "  -n                check only, change nothing\n"
		    "  -j                print as JSON\n"
		    "  --instance NAME   another gateway on this machine (default: default)\n"
		    "  --version, --help\n\nmenus:\n",
		    out);
	for (unsigned m = 0; m < MENU_MAX; m++)
		(void)fprintf(out, "  %-14s %s\n", menus[m].name, menus[m].help);
	(void)fputs("\ncommands without a menu:\n", out);
	for (unsigned v = 1; v < VERB_MAX; v++)
		if (verbs[v].nodes >> NODE_IPSEC & 1)
			(void)fprintf(out, "  %s\n        %s\n", verbs[v].usage, verbs[v].help);
	for (unsigned v = 1; v < VERB_MAX; v++)
		if (verbs[v].nodes >> NODE_MONITOR & 1)
			(void)fprintf(out, "  monitor %s\n        %s\n", verbs[v].usage, verbs[v].help);
	(void)fputs("\nA menu alone, or ? behind it or a command, shows more: xdp-ipsec policy; xdp-ipsec policy add "
		    "?. Manual: xdp-ipsec(8).\n",
		    out);
}

static void range_text(const struct prop *p, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	if (p->type == PT_PROTO) {
		(void)snprintf(buf, size, "all, a name, 0..255");
	} else if (prop_word(p, 0)) {
		const char *sep = p->type == PT_SET ? "," : "|", *w;
		unsigned max = p->type == PT_BOOL ? 2 : 64;

		for (unsigned i = 0; i < max && (w = prop_word(p, i)) && n < size; i++)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? sep : "", w);
	} else if (p->type == PT_SPI_PAIR) {
		(void)snprintf(buf, size, "0x%" PRIX64 "..0x%" PRIX64, (uint64_t)p->min, (uint64_t)p->max);
	} else if (p->type == PT_INT) {
		(void)snprintf(buf, size, "%" PRId64 "..%" PRId64 "%s%s%s%s", p->min, p->max, p->special ? "|" : "",
			       p->special ? p->special : "", p->special2 ? "|" : "", p->special2 ? p->special2 : "");
	} else {
		static const char *const kinds[] = {
			[PT_TIME] = "time",	[PT_STRING] = "text", [PT_NAME] = "name",	 [PT_ADDR] = "address",
			[PT_PREFIX] = "prefix", [PT_REF] = "name",    [PT_KEY_PAIR] = "hex/hex", [PT_SECRET] = "text"};

		if ((size_t)p->type < ARRAY_SIZE(kinds) && kinds[p->type])
			(void)snprintf(buf, size, "%s%s%s", kinds[p->type], p->special ? "|" : "",
				       p->special ? p->special : "");
	}
}

/* place-before only where there is an order. */
static void help_verb(FILE *out, const struct verb *v, bool ordered)
{
	const char *place = ordered ? NULL : strstr(v->usage, " [place-before");

	(void)fprintf(out, "  %.*s\n        %s\n", place ? (int)(place - v->usage) : (int)strlen(v->usage), v->usage,
		      v->help);
}

static const char *default_text(const struct prop *p)
{
	return p->flags & PF_MANDATORY ? "none, must be given" : *p->def ? p->def : "empty";
}

static void help_properties(FILE *out, const struct menu *m)
{
	char range[1000];

	(void)fputs("\nproperties:\n", out);
	for (unsigned i = 0; i < m->count; i++) {
		const struct prop *p = &m->prop[i];

		range_text(p, range, sizeof(range));
		if (p->flags & PF_READONLY)
			(void)fprintf(out, "  %-20s %s%s(shown only)\n", p->name, p->help ? p->help : "",
				      p->help ? " " : "");
		else
			(void)fprintf(out, "  %-20s %s%s%s; default: %s\n", p->name, p->help ? p->help : "",
				      *range && p->help ? "; " : "", range, default_text(p));
	}
}

void help_menu(FILE *out, enum node_id node)
{
	bool menu = (unsigned)node < MENU_MAX;

	if (!menu && node != NODE_MONITOR) {
		help_general(out);
		return;
	}
	(void)fprintf(out, "%s: %s\n\ncommands:\n", node_path(node),
		      menu ? menus[node].help : "what happens, line by line, until interrupted");
	for (unsigned v = 1; v < VERB_MAX; v++)
		if (verbs[v].nodes >> node & 1)
			help_verb(out, &verbs[v], menu && menus[node].ordered);
	if (menu)
		help_properties(out, &menus[node]);
}

void help_command(FILE *out, const struct cmd *cmd)
{
	bool menu = (unsigned)cmd->node < MENU_MAX;

	if (cmd->verb == VERB_NONE) {
		help_menu(out, cmd->node);
		return;
	}
	help_verb(out, &verbs[cmd->verb], menu && menus[cmd->node].ordered);
	if (menu && (cmd->verb == VERB_ADD || cmd->verb == VERB_SET))
		help_properties(out, &menus[cmd->node]);
}

static void man_escape(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '-' || *s == '\\')
			(void)fputc('\\', out);
		(void)fputc(*s, out);
		if (*s == '|' || (*s == ',' && s[1] != ' '))
			(void)fputs("\\:", out); /* a long list of words may be broken there */
	}
}

void help_man_properties(FILE *out)
{
	char range[1000];

	for (unsigned m = 0; m < MENU_MAX; m++) {
		if (m == MENU_STATISTICS)
			continue;
		(void)fputs(".SS ", out);
		man_escape(out, menus[m].name);
		(void)fputc('\n', out);
		man_escape(out, menus[m].help);
		(void)fputs(".\n", out);
		for (unsigned i = 0; i < menus[m].count; i++) {
			const struct prop *p = &menus[m].prop[i];

			range_text(p, range, sizeof(range));
			(void)fputs(".TP\n.B ", out);
			man_escape(out, p->name);
			(void)fputc('\n', out);
			man_escape(out, p->help ? p->help : "shown only");
			if (!(p->flags & PF_READONLY)) {
				(void)fputs(".\nValues: ", out);
				man_escape(out, range);
				if (p->unit)
					(void)fprintf(out, " %s", p->unit);
				(void)fputs(". Default: ", out);
				man_escape(out, default_text(p));
			} else if (p->help) {
				(void)fputs(" (shown only)", out);
			}
			(void)fputs(".\n", out);
		}
	}
}
