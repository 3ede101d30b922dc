/* SPDX-License-Identifier: BSD-2-Clause */
/* The interfaces of the configuration and those that are attached: bringing the second to the first, and showing both. */
#include <errno.h>
#include <jansson.h>
#include <net/if.h>

#include "user/attach/attach.h"
#include "user/base/datasock.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"

/* An operator waits for it; attaching waits longer. */
#define STATUS_WAIT_S 2

unsigned nic_attached(const struct maps *m)
{
	unsigned n = 0;

	for (unsigned i = 0; m && i < XI_IF_MAX; i++)
		n += i != XI_IF_INTERNAL && m->ifs[i].ifindex && (m->ifs[i].flags & XI_IF_ATTACHED);
	return n;
}

bool nic_live(const struct maps *m, const char *name)
{
	int slot = m ? attach_find(m, name) : -1;
	unsigned now = if_nametoindex(name);
	char renamed[IF_NAMESIZE];

	if (slot < 0 || !attach_whole(m, (unsigned)slot))
		return false;
	/* Nobody has the name: then ours may have got another one. */
	return now ? m->ifs[slot].ifindex == now : if_indextoname(m->ifs[slot].ifindex, renamed) != NULL;
}

enum daemon_state daemon_status(const struct cli *cli, char *reply, int *pid)
{
	int rc = datasock_call_wait(&cli->paths, "{\"cmd\":\"status\"}", reply, STATUS_WAIT_S, pid, NULL);

	return rc == 0 ? DAEMON_RUNS : rc == -ETIMEDOUT ? DAEMON_SILENT : DAEMON_NONE;
}

static const struct conf_if *nic_by_id(const struct conf *c, uint32_t id)
{
	int i = conf_index_of_id(c, MENU_INTERFACE, id);

	return i < 0 ? NULL : CONF_ITEM(conf_if, &c->list[MENU_INTERFACE], i);
}

int nic_check(const struct cli *cli, const struct conf *before, const struct conf *after, struct conf_err *e)
{
	for (unsigned i = 0; i < after->list[MENU_INTERFACE].count; i++) {
		const struct conf_if *new = CONF_ITEM(conf_if, &after->list[MENU_INTERFACE], i);
		const struct conf_if *old = nic_by_id(before, new->it.id);

		if (old && nic_live(cli->maps, old->name) &&
		    (strcmp(old->name, new->name) || old->mode != new->mode || old->queues != new->queues ||
		     old->firewall != new->firewall || (new->it.flags &ITEM_WANTED)))
			return conf_fail(e, CONF_E_FAIL, "failure: %s is attached already: detach it first", old->name);
		if ((new->it.flags &ITEM_WANTED) && !if_nametoindex(new->name))
			return conf_fail(e, CONF_E_FAIL, "failure: there is no interface %s: see ip link for the names",
					 new->name);
	}
	return 0;
}

static void warn_of_tags(const char *name, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *kind, *feature;
	} gone[] = {{XI_IF_TAGS_GONE, "VLAN", "rx-vlan-offload"},
		    {XI_IF_STAGS_GONE, "802.1ad VLAN", "rx-vlan-stag-hw-parse"}};

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		if (flags & gone[i].flag)
			cli_warn("%s takes %s tags out of received frames and cannot be told not to (ethtool -k: %s): "
				 "frames "
				 "with such a tag count as untagged ones",
				 name, gone[i].kind, gone[i].feature);
}

static int attach_one(struct cli *cli, const struct conf_if *nic, struct err *e)
{
	const struct attach_req req = {.ifname = nic->name,
				       .mode = nic->mode ? ATTACH_GENERIC : ATTACH_NATIVE,
				       .queues = (unsigned)nic->queues,
				       .firewall = nic->firewall};

	int rc = attach_interface(cli->maps, &req, e), slot = rc ? -1 : attach_find(cli->maps, nic->name);

	if (slot >= 0)
		warn_of_tags(nic->name, cli->maps->ifs[slot].flags);
	return rc;
}

/* Takes back the first `count` steps of attach_all() and detach_all(); the first failure has been reported already. */
static void undo(struct cli *cli, const struct conf *c, const bool *done, bool attach)
{
	for (unsigned i = 0; i < c->list[MENU_INTERFACE].count && i < XI_IF_MAX; i++) {
		const struct conf_if *nic = CONF_ITEM(conf_if, &c->list[MENU_INTERFACE], i);
		struct err e = {0};

		if (done[i] && (attach ? attach_one(cli, nic, &e) : detach_interface(cli->maps, nic->name, &e)))
			cli_warn("could not undo: %s", e.text);
	}
}

static int detach_gone(struct cli *cli, const struct conf *before, const struct conf *after, bool *done, struct err *e)
{
	for (unsigned i = 0; i < before->list[MENU_INTERFACE].count && i < XI_IF_MAX; i++) {
		const struct conf_if *nic = CONF_ITEM(conf_if, &before->list[MENU_INTERFACE], i);
		int rc;

		if (nic_by_id(after, nic->it.id) || attach_find(cli->maps, nic->name) < 0)
			continue;
		rc = detach_interface(cli->maps, nic->name, e);
		if (rc)
			return rc;
		done[i] = true;
	}
	return 0;
}

static int attach_wanted(struct cli *cli, const struct conf *after, bool *done, struct err *e)
{
	for (unsigned i = 0; i < after->list[MENU_INTERFACE].count; i++) {
		const struct conf_if *nic = CONF_ITEM(conf_if, &after->list[MENU_INTERFACE], i);
		int rc;

		if (!(nic->it.flags & ITEM_WANTED))
			continue;
		if (i >= XI_IF_MAX)
			return err_set(e, -ENOSPC, "at most %d interfaces can be attached", XI_IF_MAX - 1);
		rc = attach_one(cli, nic, e);
		if (rc)
			return rc;
		done[i] = true;
	}
	return 0;
}

int nic_reconcile(struct cli *cli, const struct conf *before, const struct conf *after, struct conf_err *e)
{
	bool detached[XI_IF_MAX] = {0}, attached[XI_IF_MAX] = {0};
	struct err base = {0};
	bool fewer = after->list[MENU_INTERFACE].count < before->list[MENU_INTERFACE].count;
	int rc;

	if (fewer)
		apply_remember(cli->maps); /* the maps may go with the last one, and we may die */
	/* New ones first: then a failure has not opened anything yet. */
	rc = attach_wanted(cli, after, attached, &base);
	if (!rc)
		rc = detach_gone(cli, before, after, detached, &base);
	/* Traffic went on until the sockets were closed. Our view of the maps stays, also when they are unpinned. */
	if (fewer)
		apply_remember(cli->maps);
	if (!rc)
		return 0;
	undo(cli, before, detached, true);
	undo(cli, after, attached, false);
	return cli_fail(e, rc, &base);
}

static void view_one(struct conf_if *nic, const struct xi_if *at, enum daemon_state daemon)
{
	unsigned bound = (unsigned)__builtin_popcount(at->sock_mask), zc = (unsigned)__builtin_popcount(at->zc_mask);

	nic->it.flags |= ITEM_ATTACHED;
	nic->mode = (at->flags & XI_IF_GENERIC) != 0;
	nic->firewall = (at->flags & XI_IF_FIREWALL) != 0;
	nic->served = at->queues;
	nic->xdp_program = at->prog_id;
	/* What a daemon that died has left in the masks is not true any more. */
	if (daemon == DAEMON_NONE)
		bound = zc = 0;
	nic->sockets = bound;
	nic->zero_copy = zc == 0 ? ZC_NONE : zc == bound ? ZC_ALL : ZC_PARTLY;
	nic->state = daemon != DAEMON_RUNS ? IF_NO_DAEMON : bound == at->queues ? IF_RUNNING : IF_PARTLY;
}

/* Interfaces that xdp-ipsecd could not serve, with its reason; reply: its status. */
static void view_refused(struct conf *c, const char *reply)
{
	json_t *status = json_loads(reply, 0, NULL), *why;
	const char *name;

	json_object_foreach(json_object_get(status, "not-served"), name, why)
	{
		int i = conf_index_of_name(c, MENU_INTERFACE, name);
		struct conf_if *nic = i < 0 ? NULL : CONF_ITEM(conf_if, &c->list[MENU_INTERFACE], i);

		if (nic && nic->state == IF_PARTLY && json_is_string(why))
			(void)snprintf(nic->refused, sizeof(nic->refused), "%s", json_string_value(why));
	}
	json_decref(status);
}

static void view_new_name(struct conf_item *it, const struct xi_if *at)
{
	char name[IF_NAMESIZE];

	if (!it->comment[0] && if_indextoname(at->ifindex, name) && strncmp(name, at->name, sizeof(at->name)))
		(void)snprintf(it->comment, sizeof(it->comment), "is called %s now", name);
}

void view_interfaces(const struct cli *cli, struct conf *c, enum daemon_state daemon, const char *reply)
{
	struct conf_list *l = &c->list[MENU_INTERFACE];
	const struct maps *m = cli->maps;

	for (unsigned i = 0; i < l->count; i++) {
		struct conf_if *nic = CONF_ITEM(conf_if, l, i);

		nic->served = nic->xdp_program = nic->sockets = -1;
	}
	for (unsigned s = 0; m && s < XI_IF_MAX; s++) {
		const struct xi_if *at = &m->ifs[s];
		char name[sizeof(at->name) + 1] = "";
		int i;

		if (s == XI_IF_INTERNAL || !at->ifindex || !(at->flags & XI_IF_ATTACHED))
			continue;
		memcpy(name, at->name, sizeof(at->name));
		if (!nic_live(m, name))
			continue; /* the interface is gone, or is another one of the same name */
		i = conf_index_of_name(c, MENU_INTERFACE, name);
		if (i < 0) {
			struct conf_if *extra = (struct conf_if *)conf_item_new(MENU_INTERFACE);

			(void)str_copy(extra->name, sizeof(extra->name), name);
			(void)str_copy(extra->it.comment, sizeof(extra->it.comment),
				       "attached, but not in the configuration");
			i = (int)l->count;
			conf_insert(c, MENU_INTERFACE, &extra->it, l->count);
		}
		view_one(CONF_ITEM(conf_if, l, i), at, daemon);
		view_new_name(l->item[i], at);
	}
	if (daemon == DAEMON_RUNS)
		view_refused(c, reply);
}
