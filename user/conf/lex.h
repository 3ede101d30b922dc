/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of the command language (spec section 3.1), with line and column. A cursor over text that is not copied; the text
 * of a word, escapes undone, is in the token.
 */
#ifndef CONF_LEX_H
#define CONF_LEX_H

#include <stdbool.h>

#include "user/base/util.h"

#define LEX_WORD_MAX 1024

enum token_type {
	TOK_WORD,  /* bare, or quoted */
	TOK_EQ,	   /* = */
	TOK_OPEN,  /* [ */
	TOK_CLOSE, /* ] */
	TOK_SEP,   /* ; or end of line */
	TOK_END,   /* end of the text */
	TOK_BAD,   /* what no command may hold */
};

struct token {
	enum token_type type;
	bool quoted;
	bool glued;	    /* no blank between it and the token before */
	unsigned line, col; /* of its first character, from 1 */
	char text[LEX_WORD_MAX];
};

struct lex {
	const char *p, *end;
	unsigned line, col;
	bool line_start; /* only blanks so far on this line */
};

void lex_init(struct lex *l, const char *text, size_t len);

/* Reads the next token. */
void lex_next(struct lex *l, struct token *t);

#endif
