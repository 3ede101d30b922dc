/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line has to do with xdp-iked: reload after a change, remote-peers, kill-connections, flush; warnings about IKE's menus. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/ikesock.h"
#include "user/cli/apply.h"
#include "user/cli/cli.h"
#include "user/conf/cred_files.h"

/* The answer as an object, or NULL with a text: nobody there (*rc -ENOTCONN), no answer, or what xdp-iked has to complain of (-EREMOTEIO). */
static json_t *ask(const struct cli *cli, const char *request, const int *fds, unsigned n_fds, int *rc, int *pid,
		   struct err *e)
{
	char *reply = malloc(IKESOCK_MSG_MAX);
	json_error_t je;
	json_t *o = NULL;

	*rc = reply ? ikesock_call(&cli->paths, request, fds, n_fds, reply, pid, e)
		    : err_set(e, -ENOMEM, "out of memory");
	if (!*rc) {
		o = json_loads(reply, 0, &je);
		if (!json_is_true(json_object_get(o, "ok"))) {
			const char *why = json_string_value(json_object_get(o, "error"));

			*rc = err_set(e, -EREMOTEIO, "xdp-iked: %s", why ? why : "an answer that makes no sense");
			json_decref(o);
			o = NULL;
		}
	}
	free(reply);
	return o;
}

static bool ask_plain(const struct cli *cli, const char *request, int *rc, struct err *e)
{
	json_t *o = ask(cli, request, NULL, 0, rc, NULL, e);

	json_decref(o);
	return o != NULL;
}

static unsigned enabled_peers(const struct conf *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->list[MENU_PEER].count; i++)
		n += !c->list[MENU_PEER].item[i]->disabled;
	return n;
}

void cli_ike_reload(const struct cli *cli, const struct conf *c, bool quiet)
{
	struct err e = {0};
	int fds[2] = {-1, -1}, rc;
	json_t *o = NULL;

	fds[0] = open(cli->paths.conf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fds[0] < 0 && errno == ENOENT)
		fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* nothing is configured */
	rc = fds[0] < 0 ? err_set(&e, -errno, "cannot open %s: %s", cli->paths.conf, strerror(errno)) : 0;
	fds[1] = rc ? -1 : cred_open_public(&cli->paths, &e);
	if (!rc && fds[1] < 0 && fds[1] != -ENOENT)
		rc = fds[1];
	if (!rc)
		o = ask(cli, "{\"cmd\":\"reload\"}", fds, fds[1] < 0 ? 1 : 2, &rc, NULL, &e);
	json_decref(o);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (o || (rc == -ENOTCONN && (quiet || !enabled_peers(c))))
		return;
	if (rc == -ENOTCONN)
		cli_warn("%s: nothing is negotiated until it is started", e.text);
	else
		cli_warn("%s; the change is stored, but IKE may go on with what was before", e.text);
}

enum daemon_state ike_status(const struct cli *cli, json_t **status, int *pid)
{
	int rc;

	*status = ask(cli, "{\"cmd\":\"status\"}", NULL, 0, &rc, pid, NULL);
	return *status ? DAEMON_RUNS : rc == -ENOTCONN ? DAEMON_NONE : DAEMON_SILENT;
}

static void take_word(char *to, size_t size, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	(void)str_copy(to, size, s ? s : "");
}

static void take_addr(struct ip_addr *to, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || val_addr_parse(to, s))
		*to = (struct ip_addr){0};
}

static int64_t number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static void show_peer(struct conf *c, const json_t *o)
{
	struct conf_remote_peer *p = (struct conf_remote_peer *)conf_item_new(MENU_REMOTE_PEERS);

	take_addr(&p->local, o, "local-address");
	take_addr(&p->remote, o, "remote-address");
	take_word(p->state, sizeof(p->state), o, "state");
	take_word(p->side, sizeof(p->side), o, "side");
	take_word(p->exchange_mode, sizeof(p->exchange_mode), o, "exchange-mode");
	take_word(p->id, sizeof(p->id), o, "id");
	p->established = number(o, "established");
	p->expires_in = number(o, "expires-in");
	p->local_port = number(o, "local-port");
	p->remote_port = number(o, "remote-port");
	p->natt = number(o, "natt") != 0;
	p->ph2_total = number(o, "ph2-total");
	p->dpd_failures = number(o, "dpd-failures");
	conf_insert(c, MENU_REMOTE_PEERS, &p->it, c->list[MENU_REMOTE_PEERS].count);
}

int view_remote_peers(const struct cli *cli, struct conf *c, struct conf_err *e)
{
	int64_t from = 0;

	for (;;) {
		char request[64];
		struct err base = {0};
		json_t *o, *next;
		int rc;

		(void)snprintf(request, sizeof(request), "{\"cmd\":\"peers\",\"from\":%lld}", (long long)from);
		o = ask(cli, request, NULL, 0, &rc, NULL, &base);
		if (rc == -ENOTCONN) {
			cli_warn("%s", base.text);
			return 0;
		}
		if (!o)
			return cli_fail(e, rc, &base);
		for (size_t i = 0; i < json_array_size(json_object_get(o, "peers")); i++)
			show_peer(c, json_array_get(json_object_get(o, "peers"), i));
		next = json_object_get(o, "next");
		rc = json_is_integer(next) && number(o, "next") > from;
		from = number(o, "next");
		json_decref(o);
		if (!rc)
			return 0;
	}
}

int cli_ike_flush(struct cli *cli, unsigned proto, struct conf_err *e)
{
	static const char *const names[] = {[0] = "all", [XI_PROTO_AH] = "ah", [XI_PROTO_ESP] = "esp"};
	struct err base = {0};
	char request[64];
	int rc;

	(void)snprintf(request, sizeof(request), "{\"cmd\":\"flush\",\"protocol\":\"%s\"}", names[proto]);
	if (ask_plain(cli, request, &rc, &base))
		return 0;
	if (rc != -ENOTCONN)
		return cli_fail(e, rc, &base);
	/* nobody who would tell the peers */
	rc = apply_flush_negotiated(cli->maps, proto, &base);
	return rc ? cli_fail(e, rc, &base) : 0;
}

int kill_command(struct cli *cli, struct conf_err *e)
{
	struct err base = {0};
	int rc;

	if (cli->check_only || ask_plain(cli, "{\"cmd\":\"kill\"}", &rc, &base))
		return 0;
	if (rc != -ENOTCONN)
		return cli_fail(e, rc, &base);
	cli_warn("%s: the SAs are removed without telling the peers", base.text);
	rc = cli_open_maps(cli, e);
	if (!rc && cli->maps) {
		rc = apply_flush_negotiated(cli->maps, 0, &base);
		if (rc)
			rc = cli_fail(e, rc, &base);
	}
	cli_close_maps(cli);
	return rc;
}

#define WARNINGS_MAX 5 /* lines of a kind */

/* Spec sections 24.5, 28: what is weak stays possible, and the default, but whoever configures it hears of it. */
static void warn_weak(const struct conf *c, enum menu_id menu)
{
	unsigned more = 0, said = 0;
	char weak[1000];

	for (unsigned i = 0; i < c->list[menu].count; i++) {
		const struct conf_item *it = c->list[menu].item[i];
		const char *name = conf_name(menu, it);
		unsigned n;

		if (!(it->flags & ITEM_EDITED) || it->disabled)
			continue;
		n = conf_weak(menu, it, weak, sizeof(weak));
		if (!n)
			continue;
		if (said++ >= WARNINGS_MAX)
			more++;
		else if (name)
			cli_warn("%s %s: %s %s weak by today's measure", menus[menu].name, name, weak,
				 n == 1 ? "is" : "are");
		else
			cli_warn("%s %u: %s %s weak by today's measure", menus[menu].name, i, weak,
				 n == 1 ? "is" : "are");
	}
	if (more)
		cli_warn("and so are values of %u more items of %s", more, menus[menu].name);
}

bool ike_has_peer(const struct cli *cli, const struct ip_addr *a)
{
	struct conf_err e = {0};
	struct conf c;
	bool has = false;

	if (store_load(&cli->paths, &c, &e))
		return true;
	for (unsigned i = 0; i < c.list[MENU_PEER].count && !has; i++) {
		const struct conf_peer *p = CONF_ITEM(conf_peer, &c.list[MENU_PEER], i);

		has = !p->it.disabled && p->address.family == a->family &&
		      equal_bits(&p->address.a, &a->a, p->address.len);
	}
	conf_free(&c);
	return has;
}

/* Spec 4.1: of equal prefixes the earlier item wins. */
static void warn_hidden_peers(const struct conf *c)
{
	const struct conf_list *l = &c->list[MENU_PEER];

	for (unsigned i = 0; i < l->count; i++) {
		const struct conf_peer *p = CONF_ITEM(conf_peer, l, i);

		for (unsigned k = 0; k < i && !p->it.disabled && (p->it.flags & ITEM_EDITED); k++) {
			const struct conf_peer *first = CONF_ITEM(conf_peer, l, k);

			if (first->it.disabled || memcmp(&first->address, &p->address, sizeof(p->address)))
				continue;
			cli_warn("peer %u has the address of peer %u, which stands before it: it has no effect", i, k);
			break;
		}
	}
}

void ike_warnings(const struct conf *c)
{
	warn_weak(c, MENU_PEER);
	warn_weak(c, MENU_PROPOSAL);
	warn_hidden_peers(c);
}
