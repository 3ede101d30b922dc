/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes: lock, load, work on a copy, check, write the new file beside the old one, bring it into the maps and onto the interfaces,
 * put the file in place. Whatever fails, file, maps and interfaces are as before.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/attach/attach.h"
#include "user/base/datasock.h"
#include "user/base/lockfile.h"
#include "user/cli/apply.h"
#include "user/cli/change.h"

#define SAY_AFTER_S 2

/* Whoever waits for another command hears for which. */
static int lock_store(struct change *ch, struct conf_err *e)
{
	struct conf_err busy = {0};
	int rc = store_lock(&ch->store, &ch->cli->paths, SAY_AFTER_S, e);

	if (rc != -ETIMEDOUT)
		return rc;
	cli_warn("%s: waiting for it", e->text);
	*e = busy;
	rc = store_lock(&ch->store, &ch->cli->paths, LOCKFILE_WAIT_S, &busy);
	return rc ? conf_fail(e, CONF_E_SYSTEM, "%.400s: nothing was changed", busy.text) : 0;
}

/*
 * A signal that ends or stops the command comes when file, maps and interfaces agree, not between: Ctrl-C, Ctrl-Z, a terminal or a pipe that went.
 */
static void hold_signals(struct change *ch)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGALRM, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, &ch->signals);
	ch->holds_signals = true;
}

static void let_signals(struct change *ch)
{
	if (ch->holds_signals)
		sigprocmask(SIG_SETMASK, &ch->signals, NULL);
	ch->holds_signals = false;
}

int change_begin(struct change *ch, struct cli *cli, bool generated, struct conf_err *e)
{
	*ch = (struct change){.cli = cli, .store = {.lock = -1}};
	/* First of all: it may change the mount namespace, and the file is to be read and written in the same one. */
	if (cli_open_maps(cli, e))
		return -EINVAL;
	if (!cli->check_only && lock_store(ch, e))
		return -EINVAL;
	hold_signals(ch);
	ch->no_file = store_missing(&cli->paths);
	if (store_load(&cli->paths, &ch->before, e))
		return -EINVAL;
	if (generated)
		view_generated(&ch->before, cli->maps);
	conf_copy(&ch->after, &ch->before);
	return 0;
}

void change_end(struct change *ch)
{
	store_abort(&ch->store);
	store_unlock(&ch->store);
	plan_free(&ch->plan_before);
	plan_free(&ch->plan_after);
	conf_free(&ch->before);
	conf_free(&ch->after);
	cli_close_maps(ch->cli);
	let_signals(ch);
}

static int plan_former(struct change *ch)
{
	int rc = ch->before_planned ? 0 : plan_build(&ch->plan_before, &ch->before, route_source);

	ch->before_planned = !rc;
	return rc;
}

/* After a failure: the maps become what the file still says. */
static void restore_former(struct change *ch)
{
	struct err base = {0};

	if (plan_former(ch))
		(void)err_set(&base, -ENOMEM, "out of memory");
	else if (apply_plan(ch->cli->maps, &ch->plan_before, &ch->before, &base) == 0)
		return;
	cli_warn("the former policies could not be restored: %s", base.text);
}

/* Policies in force that come from a configuration and keep something from leaving in clear. */
static unsigned in_force(const struct maps *m)
{
	unsigned n = 0;

	for (uint32_t i = 0; m && i < m->meta->spd_max; i++)
		n += m->spd[i].gen && !(m->spd[i].flags & XI_POL_DYNAMIC) && m->spd[i].action != XI_ACTION_NONE;
	return n;
}

/* A file that got lost is not a configuration without policies: what they protect would pass in clear. */
static int check_file(const struct change *ch, struct conf_err *e)
{
	unsigned n = ch->no_file ? in_force(ch->cli->maps) : 0;

	if (!n)
		return 0;
	return conf_fail(
		e, CONF_E_SYSTEM,
		"configuration file %s is missing, but %u encrypt or discard %s in force: put a copy that export "
		"wrote in its place or, if they are to go, a file with the one line #; nothing was changed",
		ch->cli->paths.conf, n, n == 1 ? "policy is" : "policies are");
}

static int make_plan(struct change *ch, struct conf_err *e)
{
	const struct conf_settings *s = &ch->after.settings;

	if (check_file(ch, e))
		return -EINVAL;
	if (plan_build(&ch->plan_after, &ch->after, route_source))
		return conf_fail(e, CONF_E_SYSTEM, "out of memory");
	if (ch->plan_after.policies > s->max_policies)
		return conf_fail(e, CONF_E_FAIL, "failure: %u enabled policies, but max-policies in settings is %lld",
				 ch->plan_after.policies, (long long)s->max_policies);
	if (ch->plan_after.sas > s->max_sas)
		return conf_fail(e, CONF_E_FAIL, "failure: %u SAs, but max-sas in settings is %lld", ch->plan_after.sas,
				 (long long)s->max_sas);
	return 0;
}

static void warn_item(const struct conf *c, enum menu_id menu, unsigned index)
{
	const struct conf_item *it = c->list[menu].item[index];
	const struct conf_policy *p = (const struct conf_policy *)it;

	if (menu == MENU_MANUAL_SA)
		cli_warn("manual-sa %s is invalid: %s", conf_name(menu, it), it->reason);
	else if (strncmp(it->reason, "same selectors", 14) == 0)
		cli_warn("policy %u is inactive: %s; it has no effect", index, it->reason);
	else if (p->action == XI_ACTION_ENCRYPT && p->level != XI_LEVEL_USE)
		cli_warn("policy %u is inactive: %s; the packets it matches are dropped", index, it->reason);
	else
		cli_warn("policy %u is inactive: %s; %s", index, it->reason,
			 p->action == XI_ACTION_ENCRYPT ? "the packets it matches pass in clear" : "it has no effect");
}

/* But for the number of another policy, which changes when policies are moved or removed. */
static bool same_reason(const char *x, const char *y)
{
	size_t n = strcspn(x, "0123456789");

	return strncmp(x, y, n + (x[n] == '\0')) == 0;
}

/* Items that this command made inactive, or edited and left so. */
static void warn_inactive(struct change *ch)
{
	static const enum menu_id lists[] = {MENU_MANUAL_SA, MENU_POLICY};

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		struct conf_places places;

		conf_places_make(&places, &ch->before.list[lists[l]]);
		for (unsigned i = 0; i < ch->after.list[lists[l]].count; i++) {
			const struct conf_item *it = ch->after.list[lists[l]].item[i];
			int old;

			if (!(conf_flags(it) & ITEM_INACTIVE))
				continue;
			old = conf_places_find(&places, it->id);
			if (!(it->flags & ITEM_EDITED) && old >= 0 && plan_former(ch) == 0 &&
			    same_reason(ch->before.list[lists[l]].item[old]->reason, it->reason))
				continue;
			warn_item(&ch->after, lists[l], i);
		}
		conf_places_free(&places);
	}
}

/* Is the SA's end, when it is given, in the policy's network? */
static bool covers(const struct ip_prefix *net, const struct ip_addr *end)
{
	return !end->family || (end->family == net->family && equal_bits(&net->a, &end->a, net->len));
}

/* Spec 6.3: with tunnel=no, the default, only what goes from one end of the SA to the other is carried. That is easily forgotten between networks. */
static void warn_carries_nothing(const struct conf *c)
{
	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++) {
		const struct conf_policy *p = CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i);

		if (!(p->it.flags & ITEM_EDITED) || p->it.disabled || p->action != XI_ACTION_ENCRYPT || p->tunnel ||
		    (covers(&p->src, &p->sa_src) && covers(&p->dst, &p->sa_dst)))
			continue;
		cli_warn("policy %u: tunnel=no carries packets from sa-src-address to sa-dst-address only, and they "
			 "are not in src-address and dst-address; between networks it takes tunnel=yes",
			 i);
	}
}

static unsigned protecting_policies(const struct conf *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++) {
		const struct conf_policy *p = CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i);

		n += !p->it.disabled && p->action == XI_ACTION_ENCRYPT;
	}
	return n;
}

/* Encrypt policies that were in force and are not any more. */
static void warn_unprotected(const struct change *ch)
{
	const struct conf_list *before = &ch->before.list[MENU_POLICY], *after = &ch->after.list[MENU_POLICY];
	struct conf_places places;
	unsigned n = 0;

	conf_places_make(&places, after);
	for (unsigned i = 0; i < before->count; i++) {
		const struct conf_policy *p = CONF_ITEM(conf_policy, before, i), *now;
		int at = conf_places_find(&places, p->it.id);

		now = at < 0 ? NULL : CONF_ITEM(conf_policy, after, at);
		n += !p->it.disabled && p->action == XI_ACTION_ENCRYPT &&
		     (!now || now->it.disabled || now->action == XI_ACTION_NONE);
	}
	conf_places_free(&places);
	if (n && ch->before.list[MENU_INTERFACE].count)
		cli_warn("%u encrypt %s no longer in force: what only %s protected passes in clear", n,
			 n == 1 ? "policy is" : "policies are", n == 1 ? "it" : "they");
}

/* An interface taken off while others stay. */
static void warn_detached(const struct change *ch, unsigned policies)
{
	const struct conf_list *l = &ch->before.list[MENU_INTERFACE];

	for (unsigned i = 0; policies && i < l->count; i++)
		if (conf_index_of_id(&ch->after, MENU_INTERFACE, l->item[i]->id) < 0)
			cli_warn("%s no longer enforces the %u enabled encrypt %s: what leaves and enters by it is not "
				 "protected",
				 conf_name(MENU_INTERFACE, l->item[i]), policies,
				 policies == 1 ? "policy" : "policies");
}

static void warn_interfaces(const struct change *ch)
{
	const struct conf_settings *s = &ch->after.settings;
	const struct maps *m = ch->cli->maps;
	unsigned had = ch->before.list[MENU_INTERFACE].count, has = ch->after.list[MENU_INTERFACE].count;
	unsigned n = protecting_policies(&ch->after);
	char reply[DATASOCK_MSG_MAX];
	int pid;

	if (has)
		warn_detached(ch, n);
	if (n && had && !has)
		cli_warn("no interface enforces the %u enabled encrypt %s any more: their packets leave in clear", n,
			 n == 1 ? "policy" : "policies");
	if (m && has > had && daemon_status(ch->cli, reply, &pid) == DAEMON_NONE)
		cli_warn("xdp-ipsecd does not run: protected packets are dropped until it is started");
	if (m && has > had && !attach_sees_nat())
		cli_warn("what source NAT rewrites is judged by its final addresses alone (Linux before 6.2, or "
			 "nf_conntrack is "
			 "not loaded): exempt protected pairs from NAT, or load it and attach again");
	if (m && has > had && attach_guard_missing(m))
		cli_warn(
			"an interface that is deleted and made anew protects nothing until it is attached again (Linux "
			"before 6.4, or without CONFIG_NETFILTER_BPF_LINK)");
	if (m && has && (m->meta->sad_max != s->max_sas || m->meta->spd_max != s->max_policies) &&
	    !conf_item_same(MENU_SETTINGS, &ch->before.settings.it, &s->it))
		cli_warn("the new sizes are in force after all interfaces were detached, xdp-ipsecd was stopped, and "
			 "the "
			 "interfaces attached again");
}

static bool attaches(const struct conf *c)
{
	for (unsigned i = 0; i < c->list[MENU_INTERFACE].count; i++)
		if (c->list[MENU_INTERFACE].item[i]->flags & ITEM_WANTED)
			return true;
	return false;
}

static int make_maps(const struct change *ch, struct err *e)
{
	const struct conf_settings *s = &ch->after.settings;

	return maps_open_or_create(&ch->cli->maps, &ch->cli->paths, (unsigned)s->max_sas, (unsigned)s->max_policies, e);
}

/* Maps, then interfaces: policies are in force from an interface's first packet. */
static int bring_up(struct change *ch, struct conf_err *e)
{
	struct cli *cli = ch->cli;
	bool made = false;
	struct err base = {0};
	int rc;

	if (!cli->maps && attaches(&ch->after)) {
		rc = make_maps(ch, &base);
		if (rc)
			return cli_fail(e, rc, &base);
		made = true;
	}
	if (!cli->maps)
		return 0;
	rc = apply_plan(cli->maps, &ch->plan_after, &ch->after, &base);
	if (rc)
		(void)cli_fail(e, rc, &base);
	else
		rc = nic_reconcile(cli, &ch->before, &ch->after, e);
	if (rc && !made)
		restore_former(ch);
	if (made && nic_attached(cli->maps) == 0) {
		apply_remember(cli->maps); /* one interface may have worked before another one failed */
		if (maps_unpin(&cli->paths, &base))
			cli_warn("%s", base.text);
		cli_close_maps(cli);
	}
	return rc ? -EINVAL : 0;
}

/* Spec section 3.2: generated policies that the command removes. They are nowhere but in the maps. */
static int remove_generated(struct change *ch, struct conf_err *e)
{
	const struct conf_list *l = &ch->before.list[MENU_POLICY];
	uint32_t *gens = calloc(l->count + 1, sizeof(*gens));
	struct err base = {0};
	unsigned n = 0;
	int rc = 0;

	if (!gens)
		return conf_fail(e, CONF_E_SYSTEM, "out of memory");
	for (unsigned i = 0; i < l->count; i++)
		if ((l->item[i]->flags & ITEM_DYNAMIC) && conf_index_of_id(&ch->after, MENU_POLICY, l->item[i]->id) < 0)
			gens[n++] = l->item[i]->id & ~GENERATED_ID;
	if (n && ch->cli->maps)
		rc = apply_remove_generated(ch->cli->maps, gens, n, &base);
	free(gens);
	return rc ? cli_fail(e, rc, &base) : 0;
}

static bool concerns_ike(const struct change *ch)
{
	static const enum menu_id lists[] = {MENU_PEER, MENU_PROPOSAL, MENU_POLICY};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (!conf_menu_same(&ch->before, &ch->after, lists[i]))
			return true;
	return false;
}

int change_commit(struct change *ch, struct conf_err *e)
{
	bool differs = !conf_same(&ch->before, &ch->after);

	if (make_plan(ch, e) || nic_check(ch->cli, &ch->before, &ch->after, e))
		return -EINVAL;
	if (!ch->cli->check_only) {
		if (differs && store_prepare(&ch->store, &ch->after, e))
			return -EINVAL;
		if (bring_up(ch, e) || remove_generated(ch, e))
			return -EINVAL;
		if (differs && store_commit(&ch->store, e)) {
			if (ch->cli->maps)
				restore_former(ch);
			return -EINVAL;
		}
	}
	warn_inactive(ch);
	warn_carries_nothing(&ch->after);
	warn_unprotected(ch);
	warn_interfaces(ch);
	ike_warnings(&ch->after);
	/* Last: the policies are in the maps, so that SAs of those that are gone are deleted, peers told. */
	if (!ch->cli->check_only && (ch->files || concerns_ike(ch)))
		cli_ike_reload(ch->cli, &ch->after, false);
	return 0;
}

/* `detach` also takes off what is attached but not stored. */
static int detach_stray(struct change *ch, const struct cmd *cmd, bool *done, struct conf_err *e)
{
	const char *name = cmd->narg ? cmd->arg[0].value : "";
	struct err base = {0};
	int rc;

	*done = false;
	if (cmd->verb != VERB_DETACH || cmd->narg != 1 || cmd->arg[0].name ||
	    conf_index_of_name(&ch->before, MENU_INTERFACE, name) >= 0 || !ch->cli->maps ||
	    attach_find(ch->cli->maps, name) < 0)
		return 0;
	*done = true;
	if (ch->cli->check_only)
		return 0;
	apply_remember(ch->cli->maps);
	rc = detach_interface(ch->cli->maps, name, &base);
	apply_remember(ch->cli->maps); /* once more: traffic went on until the sockets were closed */
	return rc ? cli_fail(e, rc, &base) : 0;
}

int change_files(struct cli *cli, change_edit_fn edit, void *ctx, struct conf_err *e)
{
	struct change ch;
	int rc = change_begin(&ch, cli, false, e);

	ch.files = true;
	if (!rc)
		rc = view_creds(cli, &ch.after, e);
	if (!rc)
		rc = edit(cli, &ch.after, ctx, e);
	if (!rc)
		rc = change_commit(&ch, e);
	change_end(&ch);
	return rc;
}

int change_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct change ch;
	bool done = false;
	int rc = change_begin(&ch, cli, cmd->node == (enum node_id)MENU_POLICY, e);

	if (!rc)
		rc = detach_stray(&ch, cmd, &done, e);
	if (!rc && !done && cmd->node == (enum node_id)MENU_PEER)
		rc = view_creds(cli, &ch.after, e);
	if (!rc && !done) {
		rc = exec_change(&ch.after, &cli->numbers, cmd, e);
		if (!rc)
			rc = change_commit(&ch, e);
	}
	change_end(&ch);
	return rc;
}

/*
 * At boot: policies first, then every stored interface that is not attached. One that fails does not hold up the others (the more
 * are attached, the less leaves unprotected), but the command fails.
 */
/* Interfaces that are not there yet, or cannot be attached, are awaited: xdp-ipsecd attaches them when they come. */
static int expect_all(struct change *ch, struct conf_err *e)
{
	const struct conf_list *l = &ch->after.list[MENU_INTERFACE];
	struct cli *cli = ch->cli;
	struct err base = {0};
	int rc = cli->maps || !l->count ? 0 : make_maps(ch, &base);

	for (unsigned i = 0; !rc && i < l->count; i++)
		rc = attach_expect(cli->maps, conf_name(MENU_INTERFACE, l->item[i]), &base);
	return rc ? cli_fail(e, rc, &base) : 0;
}

int change_start(struct cli *cli, struct conf_err *e)
{
	struct conf_err first = {0};
	struct change ch;
	struct conf_list *l = &ch.after.list[MENU_INTERFACE];
	int rc = change_begin(&ch, cli, false, e);

	if (!rc)
		rc = make_plan(&ch, e);
	if (!rc && !cli->check_only)
		rc = expect_all(&ch, e);
	if (!rc && !cli->check_only)
		rc = bring_up(&ch, e);
	for (unsigned i = 0; !rc && i < l->count; i++) {
		struct conf_if *nic = CONF_ITEM(conf_if, l, i);
		struct conf_err one = {0};

		if (nic_live(cli->maps, nic->name))
			continue;
		nic->it.flags |= ITEM_WANTED;
		if (nic_check(cli, &ch.before, &ch.after, &one) || (!cli->check_only && bring_up(&ch, &one)))
			cli_warn("%s is not attached: %s", nic->name,
				 one.text + (strncmp(one.text, "failure: ", 9) ? 0 : 9));
		nic->it.flags &= ~(uint32_t)ITEM_WANTED;
		if (one.class && !first.class)
			first = one;
	}
	if (!rc)
		warn_inactive(&ch);
	if (!rc && !cli->check_only)
		cli_ike_reload(cli, &ch.after, true); /* it may wait for the maps */
	if (!rc && first.class) {
		*e = first;
		rc = -EINVAL;
	}
	change_end(&ch);
	return rc;
}
