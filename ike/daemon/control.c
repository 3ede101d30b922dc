/* SPDX-License-Identifier: BSD-2-Clause */
/* ike.sock: what the command line asks (user/base/ikesock.h lists it). */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ike/core/count.h"
#include "ike/daemon/daemon.h"
#include "user/base/ikesock.h"
#include "user/base/unixsock.h"
#include "user/conf/store.h"

#define REQUEST_MAX 4096
#define RETRY_MS 1000
#define PAGE_BYTES (IKESOCK_MSG_MAX - 2048)

struct client {
	uv_poll_t poll;
	struct daemon *d;
	int fd;
};

int control_open(struct daemon *d, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char path[PATH_LEN + 16];
	mode_t old;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/ike.sock", d->paths.run);
	if (str_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return err_set(e, -ENAMETOOLONG, "path too long: %s", path);
	d->ctl_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->ctl_fd < 0)
		return err_set(e, -errno, "cannot make the control socket: %s", strerror(errno));
	/* we hold the instance's lock: a socket that is there is left over */
	if (unlink(path) && errno != ENOENT)
		return err_set(e, -errno, "cannot remove %s: %s", path, strerror(errno));
	old = umask(0177);
	rc = bind(d->ctl_fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(d->ctl_fd, 8) ? -errno : 0;
	umask(old);
	return rc ? err_set(e, rc, "cannot listen on %s: %s", path, strerror(-rc)) : 0;
}

static json_t *failure(const char *text)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error", text);
}

/* --- remote-peers, page by page --- */

struct page {
	json_t *list;
	unsigned from, at;
	size_t bytes;
	int full;
};

static void addr_text(char *buf, socklen_t size, const struct ike_addr *a)
{
	if (!inet_ntop(a->family == XI_IP4 ? AF_INET : AF_INET6, &a->addr, buf, size))
		buf[0] = '\0';
}

static void add_row(void *arg, const struct ike_peer_info *p)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	struct page *pg = arg;
	json_t *row;

	if (pg->full || pg->at++ < pg->from)
		return;
	addr_text(local, sizeof(local), &p->path.local.a);
	addr_text(remote, sizeof(remote), &p->path.remote.a);
	row = json_pack("{s:s,s:s,s:i,s:i,s:s,s:s,s:s,s:I,s:I,s:i,s:i,s:i,s:s}", "local-address", local,
			"remote-address", remote, "local-port", p->path.local.port, "remote-port", p->path.remote.port,
			"state", p->state, "side", p->side, "exchange-mode", p->exchange_mode, "established",
			(json_int_t)p->established_s, "expires-in", (json_int_t)p->expires_s, "natt", p->natt,
			"ph2-total", (int)p->ph2_total, "dpd-failures", (int)p->dpd_failures, "id", p->id);
	if (!row) /* an identity that is not UTF-8 */
		row = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "local-address", local, "remote-address", remote,
				"state", p->state, "side", p->side, "exchange-mode", p->exchange_mode, "established",
				(json_int_t)p->established_s, "expires-in", (json_int_t)p->expires_s, "id",
				"(not text)");
	pg->bytes += 512;
	(void)json_array_append_new(pg->list, row);
	if (pg->bytes >= PAGE_BYTES)
		pg->full = 1;
}

static json_t *do_peers(struct daemon *d, const json_t *req)
{
	struct page pg = {.list = json_array(), .from = (unsigned)json_integer_value(json_object_get(req, "from"))};
	json_t *o;

	ike_peers(d->ike, add_row, &pg);
	o = json_pack("{s:b,s:o}", "ok", 1, "peers", pg.list);
	if (pg.full)
		(void)json_object_set_new(o, "next", json_integer(pg.at));
	return o;
}

/* --- status --- */

static void count_child(void *arg, uint64_t ref, const struct xi_sa *sa)
{
	(void)ref;
	*(unsigned *)arg += sa->dir == XI_DIR_IN;
}

static void count_peer(void *arg, const struct ike_peer_info *p)
{
	(void)p;
	++*(unsigned *)arg;
}

static json_t *do_status(struct daemon *d)
{
	json_t *counts = json_object();
	unsigned peers = 0, children = 0;

	ike_peers(d->ike, count_peer, &peers);
	sad_ops.each(d, count_child, &children);
	for (unsigned i = 0; i < IKE_COUNT_MAX; i++)
		if (ike_count(d->ike, i))
			(void)json_object_set_new(counts, ike_count_name(i),
						  json_integer((json_int_t)ike_count(d->ike, i)));
	return json_pack("{s:b,s:i,s:i,s:i,s:o}", "ok", 1, "pid", (int)getpid(), "peers", (int)peers, "children",
			 (int)children, "counts", counts);
}

/* --- changes --- */

static json_t *do_reload(struct daemon *d, const int *fd, unsigned n_fds)
{
	struct conf_err ce = {0};
	struct ike_conf *next;
	struct conf c;
	struct err e;
	int rc;

	if (!n_fds)
		return failure("a reload needs the configuration file");
	if (store_load_fd(&d->paths, fd[0], &c, &ce))
		return failure(ce.text);
	rc = conf_make(d, &c, n_fds > 1 ? fd[1] : -1, &next, &e);
	conf_free(&c);
	if (rc)
		return failure(e.text);
	ike_reload(d->ike, next);
	sad_ask_again(d->sad);
	log_info("configuration reloaded");
	return json_pack("{s:b}", "ok", 1);
}

static json_t *do_flush(struct daemon *d, const json_t *req)
{
	const char *p = json_string_value(json_object_get(req, "protocol"));
	static const struct {
		const char *word;
		uint8_t proto;
	} words[] = {{"ah", XI_PROTO_AH}, {"esp", XI_PROTO_ESP}, {"all", 0}};

	for (size_t i = 0; p && i < ARRAY_SIZE(words); i++)
		if (strcmp(p, words[i].word) == 0)
			return json_pack("{s:b,s:i}", "ok", 1, "count", (int)ike_flush(d->ike, words[i].proto));
	return failure("protocol is ah, esp or all");
}

static json_t *request(struct daemon *d, const char *text, size_t len, const int *fd, unsigned n_fds)
{
	json_error_t je;
	json_t *req = json_loadb(text, len, 0, &je), *reply;
	const char *cmd = json_string_value(json_object_get(req, "cmd"));

	if (!cmd)
		reply = failure("not a request");
	else if (strcmp(cmd, "status") == 0)
		reply = do_status(d);
	else if (strcmp(cmd, "peers") == 0)
		reply = do_peers(d, req);
	else if (strcmp(cmd, "reload") == 0)
		reply = do_reload(d, fd, n_fds);
	else if (strcmp(cmd, "flush") == 0)
		reply = do_flush(d, req);
	else if (strcmp(cmd, "kill") == 0) {
		ike_kill(d->ike);
		sad_ask_again(d->sad);
		reply = json_pack("{s:b}", "ok", 1);
	} else
		reply = failure("unknown command");
	json_decref(req);
	return reply;
}

/* --- clients --- */

static void free_client(uv_handle_t *h)
{
	struct client *c = (struct client *)h;

	close(c->fd);
	free(c);
}

static unsigned take_fds(struct msghdr *msg, int fd[UNIXSOCK_FDS_MAX])
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	unsigned n = 0;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fd, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

static void on_request(uv_poll_t *h, int status, int events)
{
	char control[CMSG_SPACE(sizeof(int) * UNIXSOCK_FDS_MAX)] __attribute__((aligned(8)));
	static char text[REQUEST_MAX], out[IKESOCK_MSG_MAX];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct client *c = (struct client *)h;
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd[UNIXSOCK_FDS_MAX];
	unsigned n_fds;

	(void)status;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n_fds = n < 0 ? 0 : take_fds(&msg, fd);
	if (n > 0) {
		/* the configuration without its certificates is not what was sent */
		json_t *reply = msg.msg_flags & MSG_CTRUNC ? failure("xdp-iked has no file descriptor left")
							   : request(c->d, text, (size_t)n, fd, n_fds);
		size_t len = json_dumpb(reply, out, sizeof(out), JSON_COMPACT);

		json_decref(reply);
		if (len > sizeof(out) || send(c->fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_warning("a control client went away before its answer");
	}
	for (unsigned i = 0; i < n_fds; i++)
		close(fd[i]);
	daemon_rearm(c->d);
	uv_close((uv_handle_t *)h, free_client);
}

static void on_client(uv_poll_t *h, int status, int events);

static void open_door(uv_timer_t *t)
{
	struct daemon *d = t->data;

	(void)uv_poll_start(&d->ctl_poll, UV_READABLE, on_client);
}

/* No descriptor is left, or no memory. Who waits stays in the queue, and would wake us without end. */
static void shut_door(struct daemon *d, int err)
{
	if (!d->ctl_said)
		log_warning("no control client can be let in, tried again every second: %s", strerror(err));
	d->ctl_said = 1;
	(void)uv_poll_stop(&d->ctl_poll);
	(void)uv_timer_start(&d->ctl_retry, open_door, RETRY_MS, 0);
}

static void on_client(uv_poll_t *h, int status, int events)
{
	struct daemon *d = h->data;
	int fd = accept4(d->ctl_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)status;
	(void)events;
	if (fd < 0 && errno != EAGAIN && errno != EINTR)
		shut_door(d, errno);
	if (fd < 0)
		return;
	d->ctl_said = 0;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->d = d;
	c->fd = fd;
	if (uv_poll_init(&d->loop, &c->poll, fd)) {
		close(fd);
		free(c);
	} else if (uv_poll_start(&c->poll, UV_READABLE, on_request)) {
		uv_close((uv_handle_t *)&c->poll, free_client);
	}
}

int control_start(struct daemon *d, struct err *e)
{
	d->ctl_poll.data = d->ctl_retry.data = d;
	if (uv_timer_init(&d->loop, &d->ctl_retry) || uv_poll_init(&d->loop, &d->ctl_poll, d->ctl_fd) ||
	    uv_poll_start(&d->ctl_poll, UV_READABLE, on_client))
		return err_set(e, -EIO, "cannot wait for the control socket");
	return 0;
}

void control_close(struct daemon *d)
{
	if (d->ctl_fd >= 0)
		close(d->ctl_fd);
	d->ctl_fd = -1;
}
