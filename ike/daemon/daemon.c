/* SPDX-License-Identifier: BSD-2-Clause */
/* Start, loop and end of xdp-iked; the engine's environment. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ike/core/draw.h"
#include "ike/daemon/run.h"
#include "user/base/clock.h"
#include "user/base/service.h"
#include "user/conf/cred_files.h"
#include "user/conf/store.h"

/* --- the environment of the engine --- */

static uint64_t env_now(void *ctx)
{
	(void)ctx;
	return clock_ns();
}

static int64_t env_wall(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static int env_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	return draw(buf, len);
}

static void env_send(void *ctx, const struct ike_path *p, struct bytes msg)
{
	net_send(ctx, p, msg);
}

static void env_keepalive(void *ctx, const struct ike_path *p)
{
	net_keepalive(ctx, p);
}

static void env_work(void *ctx, struct ike_job *job)
{
	work_start(ctx, job);
}

static void env_sign(void *ctx, struct ike_sign *s)
{
	root_sign(ctx, s);
}

static int env_source(void *ctx, const struct ike_addr *remote, struct ike_addr *local)
{
	(void)ctx;
	return sad_source(remote, local);
}

static void env_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	log_line(level, "%s", text);
}

static void make_env(struct daemon *d)
{
	d->env = (struct ike_env){.ctx = d,
				  .now = env_now,
				  .wall = env_wall,
				  .random = env_random,
				  .send = env_send,
				  .keepalive = env_keepalive,
				  .work = env_work,
				  .sign = env_sign,
				  .source = env_source,
				  .log = env_log,
				  .sadb = &sad_ops};
}

/* --- the engine's timer --- */

static void on_timer(uv_timer_t *t)
{
	struct daemon *d = t->data;

	ike_run(d->ike);
	daemon_rearm(d);
}

void daemon_rearm(struct daemon *d)
{
	uint64_t at = d->ike ? ike_next(d->ike) : UINT64_MAX, now = clock_ns();

	if (at == UINT64_MAX)
		(void)uv_timer_stop(&d->timer);
	else
		(void)uv_timer_start(&d->timer, on_timer, at > now ? (at - now) / 1000000 + 1 : 0, 0);
}

/* --- start --- */

/* Blowfish and DES are in OpenSSL's legacy provider; what is loaded before the drop needs no files after it. */
static int load_crypto(struct err *e)
{
	uint8_t byte;

	if (!OSSL_PROVIDER_load(NULL, "legacy") || !OSSL_PROVIDER_load(NULL, "default"))
		return err_set(e, -ENOENT, "OpenSSL's legacy provider is missing: no DES, no Blowfish");
	return RAND_bytes(&byte, 1) == 1 ? 0 : err_set(e, -EIO, "no random numbers");
}

/* What needs root. */
static int open_all(struct daemon *d, struct conf *c, struct err *e)
{
	int rc;

	d->lock_fd = service_lock(&d->paths, "xdp-iked", e);
	rc = MIN(d->lock_fd, 0);
	if (!rc)
		rc = root_fork(d, e);
	if (!rc)
		rc = load_crypto(e);
	/* Before maps are made, which would stay behind when another daemon has the ports. */
	if (!rc)
		rc = net_open(d, e);
	if (!rc)
		rc = maps_open_or_create(&d->maps, &d->paths, (unsigned)c->settings.max_sas,
					 (unsigned)c->settings.max_policies, e);
	if (!rc)
		rc = sad_open(&d->sad, d->maps, e);
	return rc ? rc : control_open(d, e);
}

static int make_engine(struct daemon *d, const struct conf *c, struct err *e)
{
	int public_fd = cred_open_public(&d->paths, e);
	struct ike_conf *conf = NULL;
	int rc;

	if (public_fd < 0 && public_fd != -ENOENT)
		return public_fd;
	rc = conf_make(d, c, public_fd, &conf, e);
	if (public_fd >= 0)
		close(public_fd);
	if (rc)
		return rc;
	make_env(d);
	d->ike = ike_new(&d->env, conf);
	return d->ike ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static void on_signal(uv_signal_t *s, int sig)
{
	(void)sig;
	uv_stop(s->loop);
}

static int start_loop(struct daemon *d, struct err *e)
{
	int rc;

	d->timer.data = d;
	if (uv_loop_init(&d->loop) || uv_timer_init(&d->loop, &d->timer) || uv_signal_init(&d->loop, &d->term) ||
	    uv_signal_init(&d->loop, &d->interrupt) || uv_signal_init(&d->loop, &d->hangup) ||
	    uv_signal_start(&d->term, on_signal, SIGTERM) || uv_signal_start(&d->interrupt, on_signal, SIGINT) ||
	    uv_signal_start(&d->hangup, on_signal, SIGHUP))
		return err_set(e, -EIO, "cannot make the event loop");
	rc = root_start(d, e);
	if (!rc)
		rc = net_start(d, e);
	return rc ? rc : control_start(d, e);
}

static void close_all(struct daemon *d)
{
	if (d->ike)
		ike_free(d->ike);
	control_close(d);
	data_close(d);
	net_close(d);
	root_close(d);
	sad_close(d->sad);
	maps_close(d->maps);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
}

static int start(struct daemon *d, struct err *e)
{
	struct conf_err ce = {0};
	struct conf c;
	int rc;

	if (store_load(&d->paths, &c, &ce))
		return err_set(e, -EINVAL, "%s", ce.text);
	rc = open_all(d, &c, e);
	if (!rc)
		rc = start_loop(d, e);
	if (!rc)
		rc = make_engine(d, &c, e);
	conf_free(&c);
	if (!rc)
		rc = priv_drop(d->opt->user, e);
	return rc ? rc : priv_filter(0, e);
}

int daemon_run(const struct daemon_options *opt, struct err *e)
{
	struct daemon d = {
		.opt = opt, .lock_fd = -1, .udp = {-1, -1, -1, -1}, .root_fd = -1, .data_fd = -1, .ctl_fd = -1};
	int rc = paths_init(&d.paths, opt->instance, XI_ABI_VERSION, e);

	if (!rc)
		rc = start(&d, e);
	if (!rc) {
		data_start(&d);
		daemon_rearm(&d);
		log_info("xdp-iked " XI_VERSION " instance %s: listening on UDP ports 500 and 4500", d.paths.instance);
		service_notify("READY=1");
		(void)uv_run(&d.loop, UV_RUN_DEFAULT);
		service_notify("STOPPING=1");
		log_info("stopping: installed SAs go on until they expire");
		if (d.root_fd < 0)
			rc = err_set(e, -EPIPE, "ended for want of its key process; to be started again");
	}
	close_all(&d);
	return rc;
}
