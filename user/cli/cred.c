/* SPDX-License-Identifier: BSD-2-Clause */
/* What the menus key and certificate share: arguments, names, references from peers; and the two as lists. */
#include "user/cli/cred.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

static const char *next_arg(const void *ctx, unsigned i)
{
	return ((const struct file_arg *)ctx)[i].name;
}

int file_args(const struct cmd *cmd, const struct file_arg *arg, struct conf_err *e)
{
	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];
		int at = a->name ? word_match(next_arg, arg, a->name) : 0;

		if (at == -2)
			return conf_fail(e, CONF_E_AMBIG,
					 "ambiguous value of %s, more than one possible value matches input", a->name);
		if (at < 0 || (!a->name && *arg[0].value))
			return conf_fail_at(e, CONF_E_END, a->name ? a->name : a->value, a->line, a->col);
		*arg[at].value = a->value;
	}
	return 0;
}

static char *file_read(const char *path, size_t *len, struct conf_err *e)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(CRED_FILE_MAX + 1) : NULL;
	int why = errno;

	*len = text ? fread(text, 1, CRED_FILE_MAX + 1, f) : 0;
	if (text && ferror(f))
		why = errno;
	if (!text || ferror(f) || *len > CRED_FILE_MAX) {
		(void)snprintf(e->hint, sizeof(e->hint), "%.400s: %s", path,
			       *len > CRED_FILE_MAX ? "larger than any certificate or key" : strerror(why));
		(void)conf_fail(e, CONF_E_FAIL, "failure: could not read file");
		free(text);
		text = NULL;
	}
	if (f)
		(void)fclose(f);
	return text;
}

static const char *file_item_name(const char *name, const char *path, struct conf_err *e)
{
	const char *base = strrchr(path, '/');

	if (!name)
		name = base ? base + 1 : path;
	if (cred_name_ok(name))
		return name;
	(void)conf_fail(e, CONF_E_VALUE, "invalid value for argument name");
	return NULL;
}

int file_import(const struct cmd *cmd, struct file_text *f, struct conf_err *e)
{
	const char *file = NULL;
	const struct file_arg args[] = {
		{"file-name", &file}, {"name", &f->name}, {"passphrase", &f->passphrase}, {NULL, NULL}};

	*f = (struct file_text){0};
	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!file)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) file-name");
	f->name = file_item_name(f->name, file, e);
	f->text = f->name ? file_read(file, &f->len, e) : NULL;
	return f->text ? 0 : -EINVAL;
}

void file_forget(struct file_text *f)
{
	explicit_bzero(f->text, f->len);
	free(f->text);
	f->text = NULL;
}

int file_name_free(const struct conf *c, enum menu_id menu, const char *name, struct conf_err *e)
{
	if (conf_index_of_name(c, menu, name) >= 0)
		return conf_fail(e, CONF_E_FAIL, "failure: already have such name");
	return 0;
}

int file_passphrase(void *ctx, char *buf, int size)
{
	const char *given = ctx;

	if (!given)
		return isatty(STDIN_FILENO) && EVP_read_pw_string(buf, size, "passphrase: ", 0) == 0 ? (int)strlen(buf)
												     : -1;
	if (strlen(given) >= (size_t)size)
		return -1;
	memcpy(buf, given, strlen(given) + 1);
	return (int)strlen(given);
}

enum cred_kind file_kind(enum menu_id menu)
{
	return menu == MENU_KEY ? CRED_KEY : CRED_CERTIFICATE;
}

static void left_out(void *ctx, const char *text)
{
	(void)ctx;
	cli_warn("%s", text);
}

int file_list(const struct cli *cli, enum menu_id menu, struct cred_list *list, struct conf_err *e)
{
	struct err base = {0};
	int fd = cred_open_public(&cli->paths, &base), rc;

	*list = (struct cred_list){0};
	if (fd == -ENOENT)
		return 0;
	rc = fd < 0 ? fd : cred_list_read(list, fd, file_kind(menu), left_out, NULL, &base);
	if (fd >= 0)
		close(fd);
	return rc ? cli_fail(e, rc, &base) : 0;
}

static void show_key(struct conf *c, const struct cred_file *f)
{
	struct conf_rsa_key *k = (struct conf_rsa_key *)conf_item_new(MENU_KEY);

	k->it.id = f->id;
	k->it.flags = ITEM_RSA | (f->private_key ? ITEM_PRIVATE : 0);
	(void)str_copy(k->name, sizeof(k->name), f->name); /* same size */
	(void)snprintf(k->key_size, sizeof(k->key_size), "%u-bit", cred_key_bits(f->pub));
	k->private_key = f->private_key;
	k->rsa = 1;
	conf_insert(c, MENU_KEY, &k->it, c->list[MENU_KEY].count);
}

int view_creds(const struct cli *cli, struct conf *c, struct conf_err *e)
{
	struct cred_list list;

	if (file_list(cli, MENU_KEY, &list, e))
		return -EINVAL;
	for (unsigned i = 0; i < list.count; i++)
		show_key(c, &list.item[i]);
	cred_list_free(&list);
	if (file_list(cli, MENU_CERTIFICATE, &list, e))
		return -EINVAL;
	for (unsigned i = 0; i < list.count; i++)
		cert_show(c, &list.item[i]);
	cred_list_free(&list);
	c->creds = true;
	return 0;
}

/* Where a peer names items of that menu: two places. */
static void peer_refs(struct conf_peer *p, enum menu_id menu, char *ref[2])
{
	ref[0] = menu == MENU_KEY ? p->key : p->certificate;
	ref[1] = menu == MENU_KEY ? p->remote_key : p->remote_certificate;
}

static bool used_by_peer(const struct conf *c, enum menu_id menu, const char *name)
{
	for (unsigned i = 0; i < c->list[MENU_PEER].count; i++) {
		struct conf_peer *p = CONF_ITEM(conf_peer, &c->list[MENU_PEER], i);
		char *ref[2];

		peer_refs(p, menu, ref);
		if (!p->it.disabled && (strcmp(ref[0], name) == 0 || strcmp(ref[1], name) == 0))
			return true;
	}
	return false;
}

struct removal {
	enum menu_id menu;
	const char *items;
};

/* All are looked at before the first one goes. */
static int remove_selected(struct cli *cli, struct conf *c, enum menu_id menu, const struct selection *s,
			   struct conf_err *e)
{
	struct err base = {0};

	for (unsigned i = 0; i < s->count; i++) {
		const char *name = conf_name(menu, c->list[menu].item[conf_index_of_id(c, menu, s->id[i])]);

		if (used_by_peer(c, menu, name))
			return conf_fail(e, CONF_E_FAIL, "failure: %s is used by peer", name);
	}
	for (unsigned i = 0; i < s->count && !cli->check_only; i++) {
		const char *name = conf_name(menu, c->list[menu].item[conf_index_of_id(c, menu, s->id[i])]);
		int rc = cred_remove(&cli->paths, file_kind(menu), name, &base);

		if (rc)
			return cli_fail(e, rc, &base);
	}
	return 0;
}

static int edit_remove(struct cli *cli, struct conf *c, void *ctx, struct conf_err *e)
{
	const struct removal *r = ctx;
	struct selection s;
	int rc;

	if (select_items(c, &cli->numbers, r->menu, r->items, &s, e))
		return -EINVAL;
	rc = remove_selected(cli, c, r->menu, &s, e);
	selection_free(&s);
	return rc;
}

int file_remove(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct removal r = {.menu = (enum menu_id)cmd->node};
	const struct file_arg args[] = {{"numbers", &r.items}, {NULL, NULL}};

	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!r.items)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) numbers");
	return change_files(cli, edit_remove, &r, e);
}

int file_rename(struct cli *cli, struct conf *c, enum menu_id menu, unsigned index, const char *name,
		struct conf_err *e)
{
	const char *old = conf_name(menu, c->list[menu].item[index]);
	struct err base = {0};
	int rc;

	if (strcmp(old, name) == 0)
		return 0;
	if (!cred_name_ok(name))
		return conf_fail(e, CONF_E_VALUE, "invalid value for argument name");
	if (file_name_free(c, menu, name, e))
		return -EINVAL;
	rc = cli->check_only ? 0 : cred_rename(&cli->paths, file_kind(menu), old, name, &base);
	if (rc)
		return cli_fail(e, rc, &base);
	for (unsigned i = 0; i < c->list[MENU_PEER].count; i++) {
		char *ref[2];

		peer_refs(CONF_ITEM(conf_peer, &c->list[MENU_PEER], i), menu, ref);
		for (int k = 0; k < 2; k++)
			if (strcmp(ref[k], old) == 0)
				(void)str_copy(ref[k], CONF_NAME_MAX, name); /* as long as one may be */
	}
	return 0;
}
