/* SPDX-License-Identifier: BSD-2-Clause */
/* The short summary that `xdp-ipsec` alone prints, for people and as JSON, from one object. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "user/attach/attach.h"
#include "user/base/datasock.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"

/* Spec 3.5: what becomes of the packets of an inactive policy. */
static const char *fate(const struct conf_policy *p)
{
	/* an earlier one with its selectors decides */
	if (p->action != XI_ACTION_ENCRYPT || strncmp(p->it.reason, "same selectors", 14) == 0)
		return "no effect";
	return p->level == XI_LEVEL_USE ? "pass" : "dropped";
}

/* Enabled policies that cannot be enforced, and why. */
static json_t *not_enforceable(const struct conf *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->list[MENU_POLICY].count; i++) {
		const struct conf_policy *p = CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i);

		if (conf_flags(&p->it) & ITEM_INACTIVE)
			(void)json_array_append_new(list, json_pack("{s:i,s:s,s:s}", "policy", (int)i, "reason",
								    p->it.reason, "packets", fate(p)));
	}
	return list;
}

static json_t *policies(const struct conf *c)
{
	unsigned n = c->list[MENU_POLICY].count, off = 0, inactive = 0, protect = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned flags = conf_flags(c->list[MENU_POLICY].item[i]);

		off += (flags & ITEM_DISABLED) != 0;
		inactive += (flags & ITEM_INACTIVE) != 0;
		protect += !(flags & ITEM_DISABLED) &&
			   CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i)->action == XI_ACTION_ENCRYPT;
	}
	return json_pack("{s:i,s:i,s:i,s:i,s:o}", "count", (int)n, "disabled", (int)off, "inactive", (int)inactive,
			 "encrypt", (int)protect, "not-enforceable", not_enforceable(c));
}

/* Does the guard stand in for an interface that is not attached? guard: there is one. */
static bool guarded(const struct maps *m, const char *name, bool guard)
{
	return guard && m && attach_find(m, name) >= 0;
}

static json_t *interfaces(const struct conf *c, const struct maps *m, bool guard)
{
	const struct menu *menu = &menus[MENU_INTERFACE];
	json_t *list = json_array();

	for (unsigned i = 0; i < c->list[MENU_INTERFACE].count; i++) {
		const struct conf_item *it = c->list[MENU_INTERFACE].item[i];
		const struct conf_if *nic = CONF_ITEM(conf_if, &c->list[MENU_INTERFACE], i);
		char name[VALUE_MAX], mode[VALUE_MAX], state[VALUE_MAX], zc[VALUE_MAX];
		json_t *o;

		prop_format(prop_named(menu, "name"), it, name, sizeof(name));
		prop_format(prop_named(menu, "mode"), it, mode, sizeof(mode));
		prop_format(prop_named(menu, "state"), it, state, sizeof(state));
		prop_format(prop_named(menu, "zero-copy"), it, zc, sizeof(zc));
		o = json_pack("{s:s,s:s,s:s,s:s}", "name", name, "mode", mode, "state", state, "zero-copy", zc);
		if (strcmp(state, "not-attached") == 0)
			(void)json_object_set_new(o, "guarded", json_boolean(guarded(m, nic->name, guard)));
		if (nic->refused[0])
			(void)json_object_set_new(o, "not-served", json_string(nic->refused));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *sas(const struct conf *c, const struct maps *m)
{
	return json_pack("{s:i,s:i}", "count", (int)c->list[MENU_INSTALLED_SA].count, "max",
			 m ? (int)m->meta->sad_max : (int)c->settings.max_sas);
}

static json_t *drops(const struct maps *m)
{
	struct conf_statistics st = {0};
	json_t *o = json_object();

	view_statistics(&st, m);
	for (unsigned i = 0; i < XI_STAT_MAX; i++)
		if (st.count[i])
			(void)json_object_set_new(o, stat_name(i), json_integer((json_int_t)st.count[i]));
	return o;
}

static json_t *data_plane(enum daemon_state state, const char *reply, int pid)
{
	json_error_t je;
	json_t *j;

	if (state == DAEMON_SILENT)
		return json_pack("{s:b,s:i}", "ok", 0, "pid", pid);
	if (state == DAEMON_NONE)
		return json_null();
	j = json_loads(reply, 0, &je);
	return j ? j : json_null();
}

static json_t *ike(const struct cli *cli)
{
	json_t *status;
	int pid;
	enum daemon_state state = ike_status(cli, &status, &pid);

	if (state == DAEMON_SILENT)
		return json_pack("{s:b,s:i}", "ok", 0, "pid", pid);
	return state == DAEMON_RUNS ? status : json_null();
}

static int enabled_peers(const struct conf *c)
{
	int n = 0;

	for (unsigned i = 0; i < c->list[MENU_PEER].count; i++)
		n += !c->list[MENU_PEER].item[i]->disabled;
	return n;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static void print_drops(json_t *o)
{
	const char *key;
	json_t *value;
	bool any = false;

	(void)printf("      dropped:");
	json_object_foreach(o, key, value)
	{
		(void)printf("%s %s=%lld", any ? "," : "", key, (long long)json_integer_value(value));
		any = true;
	}
	(void)printf("%s\n", any ? " (see statistics print detail)" : " nothing");
}

#define REASONS_MAX 5 /* lines of the summary; the rest is counted */

static void print_not_enforceable(const json_t *list)
{
	size_t n = json_array_size(list), shown = n > REASONS_MAX ? REASONS_MAX : n;

	for (size_t i = 0; i < shown; i++) {
		const json_t *p = json_array_get(list, i);
		const char *packets = text(p, "packets");

		(void)printf("               policy %lld is inactive: %s; %s%s\n", number(p, "policy"),
			     text(p, "reason"), *packets == 'n' ? "" : "its packets ",
			     *packets == 'n'   ? "it has no effect"
			     : *packets == 'p' ? "pass in clear"
					       : "are dropped");
	}
	if (n > shown)
		(void)printf("               and %zu more: see policy print detail\n", n - shown);
}

static unsigned attached(const json_t *interfaces)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(interfaces); i++)
		n += strcmp(text(json_array_get(interfaces, i), "state"), "not-attached") != 0;
	return n;
}

/* By an interface that is attached, or by the guard. */
static bool enforced(const json_t *interfaces)
{
	for (size_t i = 0; i < json_array_size(interfaces); i++)
		if (json_is_true(json_object_get(json_array_get(interfaces, i), "guarded")))
			return true;
	return attached(interfaces) > 0;
}

static void print_no_daemon(const char *instance, bool needed)
{
	bool usual = strcmp(instance, "default") == 0;

	(void)printf("   xdp-ipsecd: does not run");
	if (needed)
		(void)printf(": protected packets are dropped; start it with %s%s",
			     usual ? "systemctl start xdp-ipsecd" : "xdp-ipsecd --instance ", usual ? "" : instance);
	(void)putchar('\n');
}

/* Said only where IKE has a part. */
static void print_ike(const json_t *o)
{
	const json_t *d = json_object_get(o, "ike"), *counts = json_object_get(d, "counts");
	const char *key;
	json_t *value;

	if (json_is_object(d) && !json_is_true(json_object_get(d, "ok")))
		(void)printf("     xdp-iked: runs (pid %lld) but does not answer\n", number(d, "pid"));
	else if (json_is_object(d))
		(void)printf("     xdp-iked: runs, pid %lld, %lld remote peers, %lld negotiated\n", number(d, "pid"),
			     number(d, "peers"), number(d, "children"));
	else if (number(o, "peers"))
		(void)printf("     xdp-iked: does not run: nothing is negotiated with the %lld enabled %s\n",
			     number(o, "peers"), number(o, "peers") == 1 ? "peer" : "peers");
	json_object_foreach((json_t *)counts, key, value)(void)
		printf("               %s=%lld\n", key, (long long)json_integer_value(value));
}

static void print_status(const json_t *o)
{
	const json_t *d = json_object_get(o, "data-plane"), *p = json_object_get(o, "policies"),
		     *s = json_object_get(o, "sas"), *l = json_object_get(o, "interfaces");
	size_t n = json_array_size(l);

	(void)printf("      version: %s\n     instance: %s\n", text(o, "version"), text(o, "instance"));
	if (json_is_object(d) && !json_is_true(json_object_get(d, "ok")))
		(void)printf("   xdp-ipsecd: runs (pid %lld) but does not answer\n", number(d, "pid"));
	else if (json_is_object(d))
		(void)printf("   xdp-ipsecd: runs, pid %lld, %lld workers, %s, %lld MiB\n", number(d, "pid"),
			     number(d, "workers"), text(d, "engine"), number(d, "memory") >> 20);
	else
		print_no_daemon(text(o, "instance"), attached(l) > 0);
	print_ike(o);
	(void)printf("   interfaces:%s", n ? "" : " none; attach one with xdp-ipsec interface attach NIC");
	for (size_t i = 0; i < n; i++) {
		const json_t *nic = json_array_get(l, i);

		(void)printf("%s %s (%s, %s, zero-copy %s)", i ? "," : "", text(nic, "name"), text(nic, "state"),
			     text(nic, "mode"), text(nic, "zero-copy"));
	}
	for (size_t i = 0; i < n; i++)
		if (*text(json_array_get(l, i), "not-served"))
			(void)printf("\n               %s is not served: %s", text(json_array_get(l, i), "name"),
				     text(json_array_get(l, i), "not-served"));
	if (enforced(l) && number(p, "encrypt"))
		for (size_t i = 0; i < n; i++)
			if (!strcmp(text(json_array_get(l, i), "state"), "not-attached"))
				(void)printf("\n               %s is not attached: what policies protect %s; xdp-ipsec "
					     "start "
					     "attaches it",
					     text(json_array_get(l, i), "name"),
					     json_is_true(json_object_get(json_array_get(l, i), "guarded"))
						     ? "is dropped there"
						     : "may leave by it in clear");
	if (!enforced(l) && number(p, "encrypt"))
		(void)printf("\n               nothing is attached: no policy is enforced, packets of the %lld enabled "
			     "encrypt %s pass in clear",
			     number(p, "encrypt"), number(p, "encrypt") == 1 ? "policy" : "policies");
	(void)printf("\n     policies: %lld, %lld disabled, %lld inactive\n", number(p, "count"), number(p, "disabled"),
		     number(p, "inactive"));
	print_not_enforceable(json_object_get(p, "not-enforceable"));
	(void)printf("          SAs: %lld of %lld\n", number(s, "count"), number(s, "max"));
	print_drops(json_object_get(o, "dropped"));
}

int show_status(struct cli *cli, struct conf_err *e)
{
	char reply[DATASOCK_MSG_MAX];
	enum daemon_state daemon;
	struct plan plan;
	struct conf c;
	json_t *o, *plane;
	int rc = cli_open_maps(cli, e), pid;
	bool guard;

	if (rc)
		return rc;
	rc = store_load(&cli->paths, &c, e);
	if (!rc && plan_build(&plan, &c, route_source))
		rc = conf_fail(e, CONF_E_SYSTEM, "out of memory");
	if (!rc) {
		plan_free(&plan);
		daemon = daemon_status(cli, reply, &pid);
		view_interfaces(cli, &c, daemon, reply);
		view_sas(&c, cli->maps);
		plane = data_plane(daemon, reply, pid);
		guard = json_is_true(json_object_get(plane, "guard")) || (cli->maps && attach_guard_pinned(cli->maps));
		o = json_pack("{s:s,s:s,s:o,s:o,s:i,s:o,s:o,s:o,s:o}", "version", XI_VERSION, "instance",
			      cli->paths.instance, "data-plane", plane, "ike", ike(cli), "peers", enabled_peers(&c),
			      "interfaces", interfaces(&c, cli->maps, guard), "policies", policies(&c), "sas",
			      sas(&c, cli->maps), "dropped", drops(cli->maps));
		if (cli->json) {
			(void)json_dumpf(o, stdout, JSON_INDENT(2));
			(void)putchar('\n');
		} else {
			print_status(o);
		}
		json_decref(o);
	}
	conf_free(&c);
	cli_close_maps(cli);
	return rc;
}
