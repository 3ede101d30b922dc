/* SPDX-License-Identifier: BSD-2-Clause */
/* xdp-ipsecd: options. Page: user/worker/xdp-ipsecd.8. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/log.h"
#include "user/conf/store.h"
#include "user/worker/serve.h"

static const char usage_text[] =
	"usage: xdp-ipsecd [--instance NAME] [--workers N] [--cpus LIST] [--frames N] [--log FILE] [--debug]\n"
	"\n"
	"The data plane of an xdp-ipsec instance: runs in the foreground until SIGTERM.\n"
	"  --instance NAME  pins, run and configuration folders (default: default)\n"
	"  --workers N      threads, 1 to 32, of which as many work as there are CPUs, at most 16 (default: so many);\n"
	"                   queue q goes to worker q modulo the number of those that work\n"
	"  --cpus LIST      CPU of worker 0, 1, ...: 0,2,4 (default: the allowed CPUs in turn)\n"
	"  --frames N       packet buffers of 2 KiB for each worker, 4096 to 1048576 (default: 16384)\n"
	"  --log FILE       log there as well as to standard error\n"
	"  --debug          log more\n"
	"  --version, --help\n";

static int parse_number(const char *name, const char *text, unsigned min, unsigned max, unsigned *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || end == text || v < min || v > max) {
		fprintf(stderr, "xdp-ipsecd: value of --%s out of range (%u..%u): %s\n", name, min, max, text);
		return -1;
	}
	*out = (unsigned)v;
	return 0;
}

static int parse_cpus(char *list, struct serve_conf *conf)
{
	char *save = NULL;

	for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		unsigned cpu, n = (unsigned)sysconf(_SC_NPROCESSORS_CONF);

		if (conf->ncpus == XI_WORKER_MAX || parse_number("cpus", word, 0, n - 1, &cpu))
			return -1;
		conf->cpus[conf->ncpus++] = (int)cpu;
	}
	return 0;
}

/* 1 = go on, 0 = done (help), -1 = misuse */
static int parse_options(int argc, char **argv, struct serve_conf *conf)
{
	static const struct option longs[] = {
		{"instance", required_argument, NULL, 'i'},
		{"workers", required_argument, NULL, 'w'},
		{"cpus", required_argument, NULL, 'c'},
		{"frames", required_argument, NULL, 'f'},
		{"log", required_argument, NULL, 'l'},
		{"debug", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	while ((c = getopt_long(argc, argv, "i:w:c:f:l:dVh", longs, NULL)) != -1) {
		switch (c) {
		case 'i':
			conf->instance = optarg;
			break;
		case 'w':
			rc = parse_number("workers", optarg, 1, XI_WORKER_MAX, &conf->workers);
			break;
		case 'c':
			rc = parse_cpus(optarg, conf);
			break;
		case 'f':
			rc = parse_number("frames", optarg, 4096, 1048576, &conf->frames);
			break;
		case 'l':
			conf->log_file = optarg;
			break;
		case 'd':
			conf->debug = 1;
			break;
		case 'V':
			puts("xdp-ipsecd " XI_VERSION);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			rc = -1;
			break;
		}
		if (rc)
			break;
	}
	if (!rc && optind < argc) {
		fprintf(stderr, "xdp-ipsecd: stray word \"%s\"\n", argv[optind]);
		rc = -1;
	}
	if (rc)
		fputs("try: xdp-ipsecd --help\n", stderr);
	return rc ? -1 : 1;
}

/* How large the maps are made when this process is the first to need them: /ip ipsec settings. */
static int load_settings(struct serve_conf *conf, struct err *e)
{
	struct conf_err ce = {0};
	struct paths paths;
	struct conf c;
	int rc = paths_init(&paths, conf->instance, XI_ABI_VERSION, e);

	if (rc)
		return rc;
	rc = store_load(&paths, &c, &ce);
	if (rc)
		return err_set(e, rc, "%s", ce.text);
	conf->sad_max = (unsigned)c.settings.max_sas;
	conf->spd_max = (unsigned)c.settings.max_policies;
	conf_free(&c);
	return 0;
}

/* A socket for each queue of each interface, and what a service manager gives is 1024: as many descriptors as it lets us have. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int main(int argc, char **argv)
{
	struct serve_conf conf = {.instance = "default", .frames = WRK_FRAMES_DEFAULT};
	struct err e = {.text = ""};
	int rc = parse_options(argc, argv, &conf);

	if (rc <= 0)
		return rc ? 2 : 0;
	(void)signal(SIGPIPE, SIG_IGN); /* who reads our log may go */
	rc = log_open(conf.log_file, conf.debug ? LOG_L_DEBUG : LOG_L_INFO);
	if (rc)
		err_set(&e, rc, "cannot open the log file %s: %s", conf.log_file, strerror(-rc));
	if (!rc && geteuid() != 0)
		rc = err_set(&e, -EPERM, "not enough permissions: xdp-ipsecd must be started as root");
	if (!rc)
		rc = path_enter_bpffs(&e);
	raise_descriptors();
	if (!rc)
		rc = load_settings(&conf, &e);
	if (!rc)
		rc = serve(&conf, &e);
	if (rc) {
		log_error("%s", e.text);
		return 1;
	}
	return 0;
}
