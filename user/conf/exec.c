/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/exec.h"

#include <errno.h>
#include <stdio.h>

static int blame(const struct cmd_arg *a, struct conf_err *e)
{
	if (!e->line) {
		e->line = a->vline;
		e->col = a->vcol;
	}
	return -EINVAL;
}

static int stray(const struct cmd_arg *a, struct conf_err *e)
{
	return conf_fail_at(e, CONF_E_END, a->name ? a->name : a->value, a->line, a->col);
}

static const struct cmd_arg *arg_named(const struct cmd *cmd, const char *name)
{
	for (unsigned i = cmd->narg; i-- > 0;)
		if (cmd->arg[i].name && strcmp(cmd->arg[i].name, name) == 0)
			return &cmd->arg[i];
	return NULL;
}

/* The unnamed argument number `nth`. */
static const struct cmd_arg *arg_unnamed(const struct cmd *cmd, unsigned nth)
{
	for (unsigned i = 0; i < cmd->narg; i++)
		if (!cmd->arg[i].name && nth-- == 0)
			return &cmd->arg[i];
	return NULL;
}

/* Words that are arguments of commands, not properties. */
static bool is_command_arg(const char *name)
{
	static const char *const words[] = {"copy-from", "place-before", "numbers", "destination"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

/* Sets every property given as name=value. `given`: bit per property. */
static int set_properties(const struct menu *m, const struct cmd *cmd, struct conf_item *it, uint64_t *given,
			  struct conf_err *e)
{
	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];
		const struct prop *p;

		if (!a->name || is_command_arg(a->name))
			continue;
		p = prop_find(m, a->name, e, a->line, a->col);
		if (!p) {
			e->line = a->line;
			e->col = a->col;
			return -EINVAL;
		}
		if (prop_parse(p, it, a->value, e))
			return blame(a, e);
		*given |= 1ull << (p - m->prop);
	}
	return 0;
}

/* Which command arguments may stand here; the others are words too many. */
static int allow_args(const struct cmd *cmd, unsigned unnamed, const char *const *named, bool properties,
		      struct conf_err *e)
{
	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];
		bool ok = false;

		if (!a->name) {
			if (unnamed-- == 0)
				return stray(a, e);
			continue;
		}
		for (const char *const *n = named; *n; n++)
			ok |= strcmp(*n, a->name) == 0;
		if (!ok && (is_command_arg(a->name) || !properties))
			return stray(a, e);
	}
	return 0;
}

static int check_mandatory(const struct menu *m, uint64_t given, struct conf_err *e)
{
	char names[200] = "";

	for (unsigned i = 0; i < m->count; i++) {
		if (!(m->prop[i].flags & PF_MANDATORY) || (given >> i & 1))
			continue;
		strncat(names, " ", sizeof(names) - strlen(names) - 1);
		strncat(names, m->prop[i].name, sizeof(names) - strlen(names) - 1);
	}
	return *names ? conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s)%s", names) : 0;
}

/* The item that copy-from=, place-before= or destination= names: its index, or negative. */
static int one_item(struct conf *c, struct conf_numbers *n, enum menu_id menu, const struct cmd_arg *a,
		    struct conf_err *e)
{
	struct selection s;
	int i;

	if (select_items(c, n, menu, a->value, &s, e))
		return blame(a, e);
	i = s.count == 1 ? conf_index_of_id(c, menu, s.id[0]) : -1;
	selection_free(&s);
	if (i < 0) {
		(void)conf_fail(e, CONF_E_ITEM, "no such item");
		return blame(a, e);
	}
	return i;
}

/* Values of another item, all but what must be its own. */
static void copy_properties(const struct menu *m, struct conf_item *to, const struct conf_item *from)
{
	char value[VALUE_MAX];

	for (unsigned i = 0; i < m->count; i++) {
		struct conf_err e = {0};

		if (m->prop[i].flags & (PF_READONLY | PF_MANDATORY))
			continue;
		prop_format(&m->prop[i], from, value, sizeof(value));
		if (prop_parse(&m->prop[i], to, value, &e))
			continue; /* a printed value reads back: unit test */
	}
}

static int exec_add(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, struct conf_err *e)
{
	static const char *const plain[] = {"copy-from", NULL}, *const ordered[] = {"copy-from", "place-before", NULL};
	enum menu_id menu = (enum menu_id)cmd->node;
	const struct menu *m = &menus[menu];
	const struct cmd_arg *from = arg_named(cmd, "copy-from"), *place = arg_named(cmd, "place-before");
	struct conf_item *it;
	uint64_t given = 0;
	int at = (int)c->list[menu].count, source;

	if (allow_args(cmd, 0, m->ordered ? ordered : plain, true, e))
		return -EINVAL;
	it = conf_item_new(menu);
	if (from) {
		source = one_item(c, n, menu, from, e);
		if (source < 0)
			goto err;
		copy_properties(m, it, c->list[menu].item[source]);
	}
	if (place) {
		at = one_item(c, n, menu, place, e);
		if (at < 0)
			goto err;
	}
	if (set_properties(m, cmd, it, &given, e) || check_mandatory(m, given, e))
		goto err;
	it->given = from ? ~0ull : given;
	it->flags |= ITEM_EDITED | ITEM_WANTED;
	conf_insert(c, menu, it, (unsigned)at);
	return conf_check(c, menu, it, e);
err:
	conf_item_free(menu, it);
	return -EINVAL;
}

/* `attach NIC`: a new interface, or new values for one that is stored already. */
static int exec_attach(struct conf *c, const struct cmd *cmd, struct conf_err *e)
{
	static const char *const none[] = {NULL};
	const struct cmd_arg *nic = arg_unnamed(cmd, 0);
	struct conf_item *it = conf_item_new(MENU_INTERFACE);
	const struct prop *name = prop_named(&menus[MENU_INTERFACE], "name");
	uint64_t given = 0;
	int old;

	if (allow_args(cmd, 1, none, true, e) || set_properties(&menus[MENU_INTERFACE], cmd, it, &given, e))
		goto err;
	if (nic) {
		given |= 1ull << (name - menus[MENU_INTERFACE].prop);
		if (prop_parse(name, it, nic->value, e)) {
			(void)blame(nic, e);
			goto err;
		}
	}
	if (check_mandatory(&menus[MENU_INTERFACE], given, e))
		goto err;
	it->flags |= ITEM_EDITED | ITEM_WANTED;
	old = conf_index_of_name(c, MENU_INTERFACE, ((struct conf_if *)it)->name);
	if (old >= 0) {
		it->id = c->list[MENU_INTERFACE].item[old]->id;
		conf_item_free(MENU_INTERFACE, c->list[MENU_INTERFACE].item[old]);
		c->list[MENU_INTERFACE].item[old] = it;
	} else {
		conf_insert(c, MENU_INTERFACE, it, c->list[MENU_INTERFACE].count);
	}
	return conf_check(c, MENU_INTERFACE, it, e);
err:
	conf_item_free(MENU_INTERFACE, it);
	return -EINVAL;
}

/* Where a policy names an item of that menu; NULL: policies have no such reference. */
static char *policy_ref(struct conf_policy *p, enum menu_id menu)
{
	return menu == MENU_MANUAL_SA ? p->manual_sa : menu == MENU_PROPOSAL ? p->proposal : NULL;
}

/* Policies name templates and proposals; when a name changes they keep naming it. */
static void follow_rename(struct conf *c, enum menu_id menu, const char *old, const char *new)
{
	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++) {
		char *ref = policy_ref(CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i), menu);

		if (ref && strcmp(ref, old) == 0)
			(void)str_copy(ref, menu == MENU_MANUAL_SA ? XI_NAME_MAX : CONF_NAME_MAX, new); /* it fits */
	}
}

/* Of two items with one name conf_check() finds the first, which may be the renamed one itself. */
static bool name_is_taken(const struct conf *c, enum menu_id menu, const struct conf_item *it)
{
	const struct conf_list *l = &c->list[menu];

	for (unsigned i = 0; i < l->count; i++)
		if (l->item[i] != it && strcmp(conf_name(menu, l->item[i]), conf_name(menu, it)) == 0)
			return true;
	return false;
}

static int set_one(struct conf *c, enum menu_id menu, const struct cmd *cmd, struct conf_item *it, struct conf_err *e)
{
	const char *name = conf_name(menu, it);
	char old[CONF_NAME_MAX] = "";
	uint64_t given = 0;

	if (it->flags & ITEM_DYNAMIC)
		return conf_fail(e, CONF_E_FAIL, "failure: can not change dynamic item");
	if (name)
		(void)str_copy(old, sizeof(old), name); /* no name is longer */
	it->flags |= ITEM_EDITED;
	switch (cmd->verb) {
	case VERB_ENABLE:
	case VERB_DISABLE:
		it->disabled = cmd->verb == VERB_DISABLE;
		return 0;
	default:
		if (set_properties(&menus[menu], cmd, it, &given, e))
			return -EINVAL;
	}
	it->given |= given;
	if (name && strcmp(old, name))
		conf_renamed(c, menu);
	if (menu == MENU_PROPOSAL && strcmp(old, PROPOSAL_BUILTIN) == 0 && strcmp(name, old))
		return conf_fail(e, CONF_E_FAIL, "failure: can not rename " PROPOSAL_BUILTIN " proposal");
	if (name && strcmp(old, name)) {
		if (name_is_taken(c, menu, it))
			return conf_fail(e, CONF_E_FAIL, "failure: already have such name");
		follow_rename(c, menu, old, name);
	}
	return conf_check(c, menu, it, e);
}

static int remove_one(struct conf *c, enum menu_id menu, unsigned index, struct conf_err *e)
{
	const char *name = conf_name(menu, c->list[menu].item[index]);

	if (conf_is_builtin(menu, c->list[menu].item[index]))
		return conf_fail(e, CONF_E_FAIL, "failure: can not remove " PROPOSAL_BUILTIN " proposal");
	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++) {
		const char *ref = policy_ref(CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i), menu);

		if (ref && strcmp(ref, name) == 0)
			return conf_fail(e, CONF_E_FAIL, "failure: %s is used by policy", name);
	}
	conf_remove(c, menu, index);
	return 0;
}

static int move_one(struct conf *c, enum menu_id menu, unsigned from, int dest, struct conf_err *e)
{
	if (c->list[menu].item[from]->flags & ITEM_DYNAMIC)
		return conf_fail(e, CONF_E_FAIL, "failure: can not change dynamic item");
	conf_move(c, menu, from, dest < 0 ? c->list[menu].count : (unsigned)dest);
	return 0;
}

/* What set, remove, enable, disable, move and comment share: which items. */
static int for_items(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, const char *items, uint32_t dest,
		     struct conf_err *e)
{
	enum menu_id menu = (enum menu_id)cmd->node;
	struct selection s;
	int rc = 0;

	if (select_items(c, n, menu, items, &s, e))
		return -EINVAL;
	for (unsigned i = 0; i < s.count && rc == 0; i++) {
		int at = conf_index_of_id(c, menu, s.id[i]);

		if (cmd->verb == VERB_REMOVE || cmd->verb == VERB_DETACH)
			rc = remove_one(c, menu, (unsigned)at, e);
		else if (cmd->verb == VERB_MOVE)
			rc = move_one(c, menu, (unsigned)at, dest ? conf_index_of_id(c, menu, dest) : -1, e);
		else
			rc = set_one(c, menu, cmd, c->list[menu].item[at], e);
	}
	selection_free(&s);
	return rc;
}

static int exec_move(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, const char *items,
		     const struct cmd_arg *dest, struct conf_err *e)
{
	enum menu_id menu = (enum menu_id)cmd->node;
	int at;

	if (!dest)
		return for_items(c, n, cmd, items, 0, e);
	at = one_item(c, n, menu, dest, e);
	return at < 0 ? at : for_items(c, n, cmd, items, c->list[menu].item[at]->id, e);
}

static int exec_on_items(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, struct conf_err *e)
{
	static const char *const words[] = {"numbers", NULL}, *const move_words[] = {"numbers", "destination", NULL};
	bool move = cmd->verb == VERB_MOVE, values = cmd->verb == VERB_SET || cmd->verb == VERB_COMMENT;
	const struct cmd_arg *items = arg_named(cmd, "numbers"), *dest = arg_named(cmd, "destination");
	unsigned unnamed = items ? 0 : 1;

	if (move && !dest)
		dest = arg_unnamed(cmd, unnamed);
	if (allow_args(cmd, unnamed + (move && dest && !dest->name), move ? move_words : words, values, e))
		return -EINVAL;
	if (!items)
		items = arg_unnamed(cmd, 0);
	if (!items)
		return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) %s",
				 cmd->verb == VERB_DETACH ? "name" : "numbers");
	if (cmd->verb == VERB_COMMENT)
		for (unsigned i = 0; i < cmd->narg; i++)
			if (cmd->arg[i].name && strcmp(cmd->arg[i].name, "comment") && &cmd->arg[i] != items)
				return stray(&cmd->arg[i], e);
	if (move)
		return exec_move(c, n, cmd, items->value, dest, e);
	return for_items(c, n, cmd, items->value, 0, e) ? blame(items, e) : 0;
}

bool exec_edits_again(const struct conf *c, struct conf_numbers *n, const struct cmd *cmd)
{
	const struct cmd_arg *items = arg_named(cmd, "numbers");
	enum menu_id menu = (enum menu_id)cmd->node;
	struct conf_err none = {0};
	struct selection s;
	bool again = false;

	if (!items)
		items = arg_unnamed(cmd, 0);
	if (!items || select_items(c, n, menu, items->value, &s, &none))
		return false;
	for (unsigned i = 0; i < s.count; i++) {
		int at = conf_index_of_id(c, menu, s.id[i]);

		again |= at >= 0 && (c->list[menu].item[at]->flags & ITEM_EDITED);
	}
	selection_free(&s);
	return again;
}

static int exec_settings(struct conf *c, const struct cmd *cmd, struct conf_err *e)
{
	static const char *const none[] = {NULL};
	uint64_t given = 0;

	if (allow_args(cmd, 0, none, true, e))
		return -EINVAL;
	return set_properties(&menus[MENU_SETTINGS], cmd, &c->settings.it, &given, e);
}

int exec_change(struct conf *c, struct conf_numbers *n, const struct cmd *cmd, struct conf_err *e)
{
	int rc;

	switch (cmd->verb) {
	case VERB_ADD:
		rc = exec_add(c, n, cmd, e);
		break;
	case VERB_ATTACH:
		rc = exec_attach(c, cmd, e);
		break;
	default:
		rc = cmd->node == (enum node_id)MENU_SETTINGS ? exec_settings(c, cmd, e) : exec_on_items(c, n, cmd, e);
	}
	if (rc && !e->line) {
		e->line = cmd->line;
		e->col = cmd->col;
	}
	return rc;
}

int exec_script(struct conf *c, const char *text, size_t len, unsigned *touched, struct conf_err *e)
{
	struct conf_numbers numbers = {0};
	struct parser p;
	struct cmd cmd;
	int rc;

	parser_init(&p, text, len);
	while ((rc = parser_next(&p, &cmd, e)) > 0) {
		if (touched && (unsigned)cmd.node < MENU_MAX)
			*touched |= 1u << cmd.node;
		if (cmd.verb == VERB_NONE)
			continue;
		if (cmd.verb > VERB_LAST_CHANGE)
			rc = conf_fail_at(e, CONF_E_CMD, verbs[cmd.verb].name, cmd.line, cmd.col);
		else
			rc = exec_change(c, &numbers, &cmd, e);
		if (rc)
			break;
		/* In a script a number means a place in the list as it is now. */
		numbers_free(&numbers);
	}
	numbers_free(&numbers);
	if (rc < 0 && !conf_err_has_place(e)) {
		char text_at[sizeof(e->text)];

		(void)str_copy(text_at, sizeof(text_at), e->text);
		(void)snprintf(e->text, sizeof(e->text), "%.500s (line %u column %u)", text_at, e->line, e->col);
	}
	return rc < 0 ? rc : 0;
}
