/* SPDX-License-Identifier: BSD-2-Clause */
/* xdp-iked: options. Page: ike/daemon/xdp-iked.8. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ike/daemon/run.h"

static const char usage_text[] =
	"usage: xdp-iked [--instance NAME] [--user NAME] [--log FILE] [--debug]\n"
	"\n"
	"The IKE daemon of an xdp-ipsec instance: runs in the foreground until SIGTERM.\n"
	"  --instance NAME  pins, run and configuration folders (default: default)\n"
	"  --user NAME      runs as that user after its start (default: xdp-iked, or nobody where there is none)\n"
	"  --log FILE       log there as well as to standard error\n"
	"  --debug          log more\n"
	"  --version, --help\n";

/* 1 = go on, 0 = done (help), -1 = misuse */
static int parse_options(int argc, char **argv, struct daemon_options *opt)
{
	static const struct option longs[] = {
		{"instance", required_argument, NULL, 'i'},
		{"user", required_argument, NULL, 'u'},
		{"log", required_argument, NULL, 'l'},
		{"debug", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	while (!rc && (c = getopt_long(argc, argv, "i:u:l:dVh", longs, NULL)) != -1) {
		switch (c) {
		case 'i':
			opt->instance = optarg;
			break;
		case 'u':
			opt->user = optarg;
			break;
		case 'l':
			opt->log_file = optarg;
			break;
		case 'd':
			opt->debug = 1;
			break;
		case 'V':
			puts("xdp-iked " XI_VERSION);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			rc = -1;
			break;
		}
	}
	if (!rc && optind < argc) {
		fprintf(stderr, "xdp-iked: stray word \"%s\"\n", argv[optind]);
		rc = -1;
	}
	if (rc)
		fputs("try: xdp-iked --help\n", stderr);
	return rc ? -1 : 1;
}

#ifdef __SANITIZE_ADDRESS__
/*
 * LeakSanitizer looks at the threads of a process that ends with ptrace(2), from a process that it clones. The filter of system calls kills that one, and
 * LeakSanitizer waits for it without end. The unit tests look for leaks of all but this folder.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	struct daemon_options opt = {.instance = "default"};
	struct err e = {.text = ""};
	int rc = parse_options(argc, argv, &opt);

	if (rc <= 0)
		return rc ? 2 : 0;
	(void)signal(SIGPIPE, SIG_IGN); /* who reads our log may go */
	rc = log_open(opt.log_file, opt.debug ? LOG_L_DEBUG : LOG_L_INFO);
	if (rc)
		(void)err_set(&e, rc, "cannot open the log file %s: %s", opt.log_file, strerror(-rc));
	if (!rc && geteuid() != 0)
		rc = err_set(&e, -EPERM, "not enough permissions: xdp-iked must be started as root");
	if (!rc)
		rc = path_enter_bpffs(&e);
	if (!rc)
		rc = daemon_run(&opt, &e);
	if (rc) {
		log_error("%s", e.text);
		return 1;
	}
	return 0;
}
