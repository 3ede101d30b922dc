/* SPDX-License-Identifier: BSD-2-Clause */
/* `monitor`: what happens, line by line, until it is interrupted or xdp-ipsecd ends. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/base/datasock.h"
#include "user/cli/cli.h"

static void print_time(time_t at)
{
	struct tm tm;

	localtime_r(&at, &tm);
	(void)printf("%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* " key=value"; a text with blanks in quotes, as the command line would take it. */
static void print_field(const char *key, const json_t *value)
{
	const char *text = json_string_value(value);

	if (text)
		(void)printf(strchr(text, ' ') ? " %s=\"%s\"" : " %s=%s", key, text);
	else if (json_is_integer(value))
		(void)printf(" %s=%lld", key, (long long)json_integer_value(value));
	else
		(void)printf(" %s=%s", key, json_is_true(value) ? "yes" : "no");
}

/* "20:55:12 sa-soft direction=out protocol=esp spi=0x100 ..." */
static void print_event(json_t *o)
{
	json_t *value;
	const char *key;

	print_time(time(NULL));
	(void)printf(" %s", json_string_value(json_object_get(o, "event")));
	json_object_foreach(o, key, value)
	{
		if (strcmp(key, "event") != 0)
			print_field(key, value);
	}
	(void)putchar('\n');
}

/* --- drops --- */

struct drops_filter {
	const char *reason;    /* name of a counter, or number; NULL = all */
	const char *interface; /* NULL = all */
};

static int wanted(const json_t *o, const struct drops_filter *f)
{
	const char *counter = json_string_value(json_object_get(o, "counter"));
	const char *nic = json_string_value(json_object_get(o, "interface"));
	char number[24];

	(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(o, "reason")));
	if (f->reason && strcmp(f->reason, number) != 0 && (!counter || strcmp(f->reason, counter) != 0))
		return 0;
	return !f->interface || (nic && strcmp(f->interface, nic) == 0);
}

/* "20:55:12.031 in-no-states reason=6 text="no SA for ..." direction=in interface=wan ..."; what is not known is left out. */
static void print_drop(const json_t *o)
{
	static const char *const key[] = {"reason",	 "text",	"direction", "interface", "policy",   "spi",
					  "src-address", "dst-address", "protocol",  "src-port",  "dst-port", "length"};
	long long us = json_integer_value(json_object_get(o, "wall-us"));

	print_time((time_t)(us / 1000000));
	(void)printf(".%03lld %s", us / 1000 % 1000, json_string_value(json_object_get(o, "counter")));
	for (size_t i = 0; i < ARRAY_SIZE(key); i++) {
		const json_t *value = json_object_get(o, key[i]);

		if (value)
			print_field(key[i], value);
	}
	(void)putchar('\n');
}

static void show_drop(const json_t *o, const struct drops_filter *f)
{
	const json_t *packets = json_object_get(o, "packets");

	if (packets)
		(void)printf("%lld more dropped packets are not shown\n", (long long)json_integer_value(packets));
	else if (wanted(o, f))
		print_drop(o);
}

static int monitor(struct cli *cli, enum datasock_want want, const struct drops_filter *f, struct conf_err *e)
{
	char buf[DATASOCK_MSG_MAX];
	struct err base = {0};
	int fd = datasock_subscribe(&cli->paths, want, &base);
	json_error_t je;
	ssize_t n;

	if (fd < 0)
		return cli_fail(e, fd, &base);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)) {
		json_t *o = n > 0 ? json_loadb(buf, (size_t)n, 0, &je) : NULL;

		if (o && cli->json) {
			if (!f || json_object_get(o, "packets") || wanted(o, f))
				(void)printf("%.*s\n", (int)n, buf);
		} else if (o && f) {
			show_drop(o, f);
		} else if (o) {
			print_event(o);
		}
		json_decref(o);
	}
	close(fd);
	return conf_fail(e, CONF_E_SYSTEM, "xdp-ipsecd has ended");
}

int monitor_events(struct cli *cli, struct conf_err *e)
{
	return monitor(cli, DATASOCK_EVENTS, NULL, e);
}

/* A counter of the statistics menu, or a number that `statistics print detail` shows. */
static int is_reason(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	for (unsigned i = 0; i < XI_STAT_MAX; i++)
		if (strcmp(text, stat_name(i)) == 0)
			return 1;
	return *text && !*end && v < XI_REASON_MAX && reason_counter((unsigned)v);
}

int monitor_drops(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	struct drops_filter f = {0};

	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];

		if (a->name && strcmp(a->name, "reason") == 0)
			f.reason = a->value;
		else if (a->name && strcmp(a->name, "interface") == 0)
			f.interface = a->value;
		else
			return conf_fail_at(e, CONF_E_END, a->name ? a->name : a->value, a->line, a->col);
	}
	if (f.reason && !is_reason(f.reason)) {
		(void)snprintf(e->hint, sizeof(e->hint), "statistics print detail has them all, by name and number");
		return conf_fail(e, CONF_E_ENUM, "input does not match any value of reason");
	}
	return monitor(cli, DATASOCK_DROPS, &f, e);
}
