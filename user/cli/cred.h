/* SPDX-License-Identifier: BSD-2-Clause */
/* What the menus key and certificate share (user/cli/key.c, user/cli/cert.c). */
#ifndef CLI_CRED_H
#define CLI_CRED_H

#include "user/cli/cli.h"
#include "user/conf/cred_files.h"
#include "user/conf/cred_import.h"

/* Arguments of a command: the first is also meant by a word without a name. Ends with a NULL name. Values stay NULL when not given. */
struct file_arg {
	const char *name;
	const char **value;
};
int file_args(const struct cmd *cmd, const struct file_arg *arg, struct conf_err *e) __must_check;

/*
 * The arguments of import, file-name= [name=] [passphrase=], and the whole of the file. `name` is the one given, or the file's own; it and `passphrase`
 * (NULL: not given) are the command's. file_forget() wipes and frees the text; after an error (-EINVAL) there is none.
 */
struct file_text {
	char *text;
	size_t len;
	const char *name, *passphrase;
};
int file_import(const struct cmd *cmd, struct file_text *f, struct conf_err *e) __must_check;
void file_forget(struct file_text *f);

/* -EINVAL with an error: an item of the menu has the name. */
int file_name_free(const struct conf *c, enum menu_id menu, const char *name, struct conf_err *e) __must_check;

/* cred_ask_fn: ctx is the passphrase= given, or NULL: asked for on the terminal. */
int file_passphrase(void *ctx, char *buf, int size);

/* A list that c was filled from, for those who need more than is shown. -EINVAL with an error. */
int file_list(const struct cli *cli, enum menu_id menu, struct cred_list *list, struct conf_err *e) __must_check;
enum cred_kind file_kind(enum menu_id menu);

/* remove and set name=: the same for both menus; peers that name an item follow. */
int file_remove(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
int file_rename(struct cli *cli, struct conf *c, enum menu_id menu, unsigned index, const char *name,
		struct conf_err *e) __must_check;

#endif
