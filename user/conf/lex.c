/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/lex.h"

void lex_init(struct lex *l, const char *text, size_t len)
{
	*l = (struct lex){.p = text, .end = text + len, .line = 1, .col = 1, .line_start = true};
}

static int peek(const struct lex *l)
{
	return l->p < l->end ? (unsigned char)*l->p : -1;
}

static void step(struct lex *l)
{
	if (*l->p == '\n') {
		l->line++;
		l->col = 1;
	} else {
		l->col++;
	}
	l->p++;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* `\` at the end of a line joins it with the next, without that one's indent. True when one was passed over. */
static bool skip_fold(struct lex *l)
{
	const char *q = l->p;

	if (peek(l) != '\\')
		return false;
	for (q++; q < l->end && *q == '\r'; q++)
		;
	if (q >= l->end || *q != '\n')
		return false;
	while (l->p <= q)
		step(l);
	while (peek(l) == ' ' || peek(l) == '\t')
		step(l);
	return true;
}

static void skip_blanks(struct lex *l, bool *glued)
{
	for (;;) {
		if (is_blank(peek(l))) {
			*glued = false;
			step(l);
		} else if (!skip_fold(l)) {
			return;
		}
	}
}

static int upper_hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What stands behind a backslash in quotes: the byte meant, or -1. */
static int read_escape(struct lex *l)
{
	static const char from[] = "\"\\nrt$?_", to[] = "\"\\\n\r\t$? ";
	int c = peek(l), hi = upper_hex(c), lo;
	const char *at;

	if (c <= 0)
		return -1;
	step(l);
	if (hi >= 0) {
		lo = upper_hex(peek(l));
		if (lo < 0)
			return -1;
		step(l);
		/* A zero byte would end the string unseen. */
		return hi << 4 | lo ? hi << 4 | lo : -1;
	}
	at = strchr(from, c);
	return at ? to[at - from] : -1;
}

static void read_quoted(struct lex *l, struct token *t)
{
	size_t n = 0;

	t->quoted = true;
	step(l);
	for (;;) {
		int c = peek(l);

		if (c == '"') {
			step(l);
			t->text[n] = '\0';
			t->type = TOK_WORD;
			return;
		}
		if (c == '\\') {
			if (skip_fold(l))
				continue;
			step(l);
			c = read_escape(l);
			if (c < 0)
				return;
		} else if (c <= 0 || c == '\n') {
			return;
		} else {
			step(l);
		}
		if (n + 1 >= sizeof(t->text))
			return;
		t->text[n++] = (char)c;
	}
}

/* Bytes that stand for themselves outside of quotes: most of any file, so by a table. */
static bool is_plain(unsigned char c)
{
	static const bool ends[256] = {['{'] = true,  ['}'] = true,  ['['] = true, [']'] = true, ['"'] = true,
				       ['\''] = true, ['\\'] = true, ['$'] = true, [';'] = true, ['='] = true};

	return !ends[c] && c > ' ';
}

static void read_bare(struct lex *l, struct token *t)
{
	size_t n = 0;

	for (;;) {
		const char *from = l->p;
		size_t len;

		while (l->p < l->end && is_plain((unsigned char)*l->p))
			l->p++;
		len = (size_t)(l->p - from);
		l->col += (unsigned)len;
		if (n + len >= sizeof(t->text))
			return;
		memcpy(t->text + n, from, len);
		n += len;
		if (!skip_fold(l))
			break;
	}
	t->text[n] = '\0';
	if (n)
		t->type = TOK_WORD;
}

/* Spec 3.1: a line that starts with # is a comment. */
static void skip_comment(struct lex *l)
{
	if (!l->line_start || peek(l) != '#')
		return;
	while (peek(l) >= 0 && peek(l) != '\n')
		step(l);
}

void lex_next(struct lex *l, struct token *t)
{
	int c;

	t->type = TOK_BAD;
	t->quoted = false;
	t->glued = true;
	t->text[0] = '\0';
	skip_blanks(l, &t->glued);
	skip_comment(l);
	t->line = l->line;
	t->col = l->col;
	c = peek(l);
	l->line_start = c == '\n';
	switch (c) {
	case -1:
		t->type = TOK_END;
		return;
	case '\n':
	case ';':
		t->type = TOK_SEP;
		step(l);
		return;
	case '=':
	case '[':
	case ']':
		t->type = c == '=' ? TOK_EQ : c == '[' ? TOK_OPEN : TOK_CLOSE;
		step(l);
		return;
	case '"':
		read_quoted(l, t);
		return;
	default:
		read_bare(l, t);
	}
}
