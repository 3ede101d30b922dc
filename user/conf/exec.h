/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that change the configuration (spec section 3.2), run on a struct conf in memory. On an error the conf may be half
 * changed: the caller works on a copy and drops it.
 */
#ifndef CONF_EXEC_H
#define CONF_EXEC_H

#include "user/conf/conf.h"
#include "user/conf/grammar.h"

/* What `0` means in a menu: handed out by its last print, or implicitly by the first use (spec 3.3). */
struct conf_numbers {
	bool known[MENU_MAX];
	uint32_t *id[MENU_MAX];
	unsigned count[MENU_MAX];
};

void numbers_assign(struct conf_numbers *n, enum menu_id menu, const struct conf *c);
void numbers_free(struct conf_numbers *n);

struct selection {
	uint32_t *id;
	unsigned count;
};

/* Items named in text: numbers, names, *IDs, joined by commas. E-ITEM when one is none. Free with selection_free(). */
int select_items(const struct conf *c, struct conf_numbers *n, enum menu_id menu, const char *text,
		 struct selection *out, struct conf_err *e) __must_check;
void selection_free(struct selection *s);

/* Runs a command with verb <= VERB_LAST_CHANGE. e->line, e->col are set to the argument at fault. */
int exec_change(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, struct conf_err *e) __must_check;

/* Does the command name an item that was edited (ITEM_EDITED)? */
bool exec_edits_again(const struct conf *c, struct conf_numbers *n, const struct cmd *cmd);

/*
 * Runs every command of a script on c; anything but a change is E-CMD. *touched, if not NULL: bit per menu in which something was
 * said. Errors carry their place.
 */
int exec_script(struct conf *c, const char *text, size_t len, unsigned *touched, struct conf_err *e) __must_check;

#endif
