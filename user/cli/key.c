/* SPDX-License-Identifier: BSD-2-Clause */
/* The key menu (spec section 5): generate-key, import, export-pub-key, remove, set name=. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "user/cli/cred.h"
#include "user/cli/outfile.h"

struct new_key {
	const char *name;
	EVP_PKEY *key;
};

static int edit_add(struct cli *cli, struct conf *c, void *ctx, struct conf_err *e)
{
	const struct new_key *n = ctx;
	struct cred_file f = {.pub = n->key};
	struct err base = {0};
	int rc;

	if (file_name_free(c, MENU_KEY, n->name, e))
		return -EINVAL;
	if (cli->check_only)
		return 0;
	(void)str_copy(f.name, sizeof(f.name), n->name); /* as long as one may be */
	rc = cred_write(&cli->paths, CRED_KEY, &f, cred_has_private(n->key) ? n->key : NULL, &base);
	return rc ? cli_fail(e, rc, &base) : 0;
}

/* Before an RSA key is made, which may take a while. */
static int check_name(struct cli *cli, const char *name, struct conf_err *e)
{
	struct conf c;
	int rc;

	conf_init(&c);
	rc = view_creds(cli, &c, e);
	if (!rc)
		rc = file_name_free(&c, MENU_KEY, name, e);
	conf_free(&c);
	return rc;
}

static int generate_key(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	static const char *const sizes[] = {"1024", "2048", "4096"};
	const char *size = "2048";
	struct new_key n = {0};
	const struct file_arg args[] = {{"name", &n.name}, {"key-size", &size}, {NULL, NULL}};
	bool known = false;
	int rc;

	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!n.name || !*n.name)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) name");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		known |= strcmp(size, sizes[i]) == 0;
	if (!known)
		return conf_fail(e, CONF_E_ENUM, "input does not match any value of key-size");
	if (!cred_name_ok(n.name))
		return conf_fail(e, CONF_E_VALUE, "invalid value for argument name");
	if (check_name(cli, n.name, e))
		return -EINVAL;
	if (strcmp(size, "1024") != 0) {
		(void)puts("For key bigger than 1024bit this may take a while..");
		(void)fflush(stdout);
	}
	n.key = cli->check_only ? NULL : EVP_RSA_gen(strtoul(size, NULL, 10));
	if (!n.key && !cli->check_only)
		return conf_fail(e, CONF_E_SYSTEM, "the key could not be made");
	rc = n.key ? change_files(cli, edit_add, &n, e) : 0;
	EVP_PKEY_free(n.key);
	return rc;
}

static int import_key(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct new_key n = {0};
	struct file_text f;
	const char *why;
	int rc = file_import(cmd, &f, e);

	if (rc)
		return rc;
	n.name = f.name;
	n.key = cred_import_key(f.text, f.len, file_passphrase, (void *)f.passphrase);
	file_forget(&f);
	if (!n.key)
		return conf_fail(e, CONF_E_FAIL, "failure: wrong key file format or passphrase");
	why = cred_key_refused(n.key);
	rc = why ? conf_fail(e, CONF_E_FAIL, "failure: %s", why) : change_files(cli, edit_add, &n, e);
	EVP_PKEY_free(n.key);
	return rc;
}

static int write_public(const char *path, EVP_PKEY *key, struct conf_err *e)
{
	struct outfile o;
	int rc = outfile_open(&o, path, 0644, e);

	if (rc)
		return rc;
	if (!PEM_write_PUBKEY(o.f, key))
		rc = conf_fail(e, CONF_E_SYSTEM, "cannot write %s", path);
	return outfile_close(&o, rc, e) || rc ? -EINVAL : 0;
}

/* The one key that the argument names; NULL: E-ENUM. */
static const struct cred_file *named_key(struct cli *cli, const struct conf *c, const struct cred_list *list,
					 const char *word, struct conf_err *e)
{
	const struct cred_file *f = NULL;
	struct conf_err ignored = {0};
	struct selection s;

	if (select_items(c, &cli->numbers, MENU_KEY, word, &s, &ignored) == 0) {
		if (s.count == 1)
			f = cred_list_find(
				list,
				conf_name(MENU_KEY, c->list[MENU_KEY].item[conf_index_of_id(c, MENU_KEY, s.id[0])]));
		selection_free(&s);
	}
	if (!f)
		(void)conf_fail(e, CONF_E_ENUM, "input does not match any value of key");
	return f;
}

static int export_key(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	const char *key = NULL, *file = NULL;
	const struct file_arg args[] = {{"key", &key}, {"file-name", &file}, {NULL, NULL}};
	const struct cred_file *f;
	struct cred_list list = {0};
	struct conf c;
	int rc;

	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!key || !file)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s)%s%s", key ? "" : " key",
				 file ? "" : " file-name");
	conf_init(&c);
	rc = view_creds(cli, &c, e);
	if (!rc)
		rc = file_list(cli, MENU_KEY, &list, e);
	f = rc ? NULL : named_key(cli, &c, &list, key, e);
	rc = f && !cli->check_only ? write_public(file, f->pub, e) : rc;
	cred_list_free(&list);
	conf_free(&c);
	return f ? rc : -EINVAL;
}

struct rename {
	const char *items, *name;
};

static int edit_rename(struct cli *cli, struct conf *c, void *ctx, struct conf_err *e)
{
	const struct rename *r = ctx;
	struct selection s;
	int rc;

	if (select_items(c, &cli->numbers, MENU_KEY, r->items, &s, e))
		return -EINVAL;
	rc = s.count > 1 ? conf_fail(e, CONF_E_FAIL, "failure: already have such name")
			 : file_rename(cli, c, MENU_KEY, (unsigned)conf_index_of_id(c, MENU_KEY, s.id[0]), r->name, e);
	selection_free(&s);
	return rc;
}

static int set_key(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct rename r = {0};
	const struct file_arg args[] = {{"numbers", &r.items}, {"name", &r.name}, {NULL, NULL}};

	if (file_args(cmd, args, e))
		return -EINVAL;
	if (!r.items)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) numbers");
	return r.name ? change_files(cli, edit_rename, &r, e) : 0;
}

int key_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	switch (cmd->verb) {
	case VERB_GENERATE_KEY:
		return generate_key(cli, cmd, e);
	case VERB_FILE_IMPORT:
		return import_key(cli, cmd, e);
	case VERB_EXPORT_KEY:
		return export_key(cli, cmd, e);
	case VERB_FILE_SET:
		return set_key(cli, cmd, e);
	default:
		return file_remove(cli, cmd, e);
	}
}
