/* SPDX-License-Identifier: BSD-2-Clause */
/* `monitor`: what happens, line by line, until it is interrupted or xdp-ipsecd ends. */
#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/base/datasock.h"
#include "user/cli/cli.h"

static void print_time(void)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	(void)printf("%02d:%02d:%02d ", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* "20:55:12 sa-soft direction=out protocol=esp spi=0x100 ..." */
static void print_event(const char *text, size_t len)
{
	json_error_t je;
	json_t *o = json_loadb(text, len, 0, &je), *value;
	const char *key;

	if (!o)
		return;
	print_time();
	(void)fputs(json_string_value(json_object_get(o, "event")), stdout);
	json_object_foreach(o, key, value)
	{
		if (strcmp(key, "event") == 0)
			continue;
		if (json_is_string(value))
			(void)printf(" %s=%s", key, json_string_value(value));
		else if (json_is_integer(value))
			(void)printf(" %s=%lld", key, (long long)json_integer_value(value));
		else
			(void)printf(" %s=%s", key, json_is_true(value) ? "yes" : "no");
	}
	(void)putchar('\n');
	json_decref(o);
}

int monitor_events(struct cli *cli, struct conf_err *e)
{
	char buf[DATASOCK_MSG_MAX];
	struct err base = {0};
	int fd = datasock_subscribe(&cli->paths, 0, &base);
	ssize_t n;

	if (fd < 0)
		return cli_fail(e, fd, &base);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && cli->json)
			(void)printf("%.*s\n", (int)n, buf);
		else if (n > 0)
			print_event(buf, (size_t)n);
	}
	close(fd);
	return conf_fail(e, CONF_E_SYSTEM, "xdp-ipsecd has ended");
}
