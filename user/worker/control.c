/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: small JSON objects over SOCK_SEQPACKET, 0600 (user/base/datasock.h lists them). */
#include "user/worker/serve.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/base/datasock.h"
#include "user/base/log.h"

#define CLIENT_WAIT_MS 1000 /* a client that connects and says nothing must not hold up the others for long */

int control_listen(struct serve *sv, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t old;
	int rc;

	if (str_copy(sa.sun_path, sizeof(sa.sun_path), sv->paths.data_sock))
		return err_set(e, -ENAMETOOLONG, "path too long: %s", sv->paths.data_sock);
	sv->ctl_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sv->ctl_fd < 0)
		return err_set(e, -errno, "cannot make the control socket: %s", strerror(errno));
	/* We hold the instance's lock: a socket file that is there is left over from one that died. */
	if (unlink(sa.sun_path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot remove %s: %s", sa.sun_path, strerror(errno));
	old = umask(0177);
	rc = bind(sv->ctl_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(sv->ctl_fd, 8) < 0 ? -errno : 0;
	umask(old);
	return rc ? err_set(e, rc, "cannot listen on %s: %s", sa.sun_path, strerror(-rc)) : 0;
}

static json_t *failure(const char *text)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error", text);
}

static json_t *do_attach(struct serve *sv, json_t *req)
{
	json_t *slot = json_object_get(req, "slot");
	struct err e = {.text = ""};
	unsigned n = (unsigned)json_integer_value(slot);

	if (!json_is_integer(slot) || json_integer_value(slot) < 0 || json_integer_value(slot) >= XI_IF_MAX)
		return failure("slot out of range");
	if (sockets_attach(sv, n, &e))
		return failure(e.text);
	return json_pack("{s:b,s:i,s:i}", "ok", 1, "sockets", (int)sockets_open(sv, n), "zero-copy",
			 __builtin_popcount(sv->zero_copy[n]));
}

static json_t *do_detach(struct serve *sv, json_t *req)
{
	json_t *slot = json_object_get(req, "slot");

	if (!json_is_integer(slot) || json_integer_value(slot) < 0 || json_integer_value(slot) >= XI_IF_MAX)
		return failure("slot out of range");
	sockets_detach(sv, (unsigned)json_integer_value(slot));
	return json_pack("{s:b}", "ok", 1);
}

/* {interface: why it is not served} */
static json_t *not_served(const struct serve *sv)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < XI_IF_MAX; i++)
		if (sv->refused[i][0])
			(void)json_object_set_new(o, sv->maps->ifs[i].name, json_string(sv->refused[i]));
	return o;
}

static json_t *do_status(struct serve *sv)
{
	/* Who asks for the state looks at the counters next. */
	serve_count_lost(sv);
	return json_pack("{s:b,s:b,s:I,s:i,s:i,s:s,s:I,s:I,s:i,s:i,s:o}", "ok", 1, "guard", !sv->guard, "events-lost",
			 (json_int_t)events_lost(sv->events), "pid", (int)getpid(), "workers", (int)sv->workers,
			 "engine", engine_name(sv->worker[0].engine), "memory", (json_int_t)sv->memory, "map-memory",
			 (json_int_t)sv->maps->bytes, "max-sas", (int)sv->maps->meta->sad_max, "max-policies",
			 (int)sv->maps->meta->spd_max, "not-served", not_served(sv));
}

static json_t *do_dump(struct serve *sv)
{
	int n = dump_policies(sv->maps);

	return n < 0 ? failure("out of memory") : json_pack("{s:b,s:i}", "ok", 1, "policies", n);
}

json_t *control_request(struct serve *sv, const char *text, size_t len)
{
	json_error_t je;
	json_t *req = json_loadb(text, len, 0, &je), *reply;
	const char *cmd = json_string_value(json_object_get(req, "cmd"));

	if (!req || !cmd)
		reply = failure("not a request");
	else if (strcmp(cmd, "attach") == 0)
		reply = do_attach(sv, req);
	else if (strcmp(cmd, "detach") == 0)
		reply = do_detach(sv, req);
	else if (strcmp(cmd, "dump-policies") == 0)
		reply = do_dump(sv);
	else if (strcmp(cmd, "status") == 0)
		reply = do_status(sv);
	else
		reply = failure("unknown command");
	json_decref(req);
	return reply;
}

/* Sends the answer; 0, or -1 when the client is gone. */
static int answer(int fd, json_t *reply, int flags)
{
	char buf[DATASOCK_MSG_MAX];
	size_t len = json_dumpb(reply, buf, sizeof(buf), JSON_COMPACT);

	json_decref(reply);
	return len > sizeof(buf) || send(fd, buf, len, flags | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* {"cmd":"subscribe"}: the connection stays, events follow the answer. 0 when it was such a request, however it ended. */
static int subscribe(struct serve *sv, int fd, const char *text, size_t len)
{
	struct epoll_event watch = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
	json_error_t je;
	json_t *req = json_loadb(text, len, 0, &je);
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	int mine = cmd && strcmp(cmd, "subscribe") == 0;
	int acquires = json_is_true(json_object_get(req, "acquire"));
	int drops = json_is_true(json_object_get(req, "drops"));

	json_decref(req);
	if (!mine)
		return -1;
	if (events_subscribe(sv->events, fd, acquires, drops)) {
		(void)answer(fd, failure("too many subscribers"), 0);
		close(fd);
	} else if (answer(fd, json_pack("{s:b}", "ok", 1), 0) || epoll_ctl(sv->epoll, EPOLL_CTL_ADD, fd, &watch) < 0) {
		events_unsubscribe(sv->events, fd);
	}
	return 0;
}

void control_subscriber(struct serve *sv, int fd)
{
	char buf[DATASOCK_MSG_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || answer(fd, control_request(sv, buf, (size_t)n), MSG_DONTWAIT))
		events_unsubscribe(sv->events, fd);
}

static void watch_door(struct serve *sv, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = sv->ctl_fd};

	(void)epoll_ctl(sv->epoll, EPOLL_CTL_MOD, sv->ctl_fd, &ev);
}

/* No descriptor is left, or no memory. Who waits stays in the queue, and would wake us without end. */
static void shut_door(struct serve *sv, int err)
{
	if (!sv->ctl_shut)
		log_warning("no control client can be let in, tried again every second: %s", strerror(err));
	sv->ctl_shut = 1;
	watch_door(sv, 0);
}

void control_tick(struct serve *sv)
{
	if (sv->ctl_shut)
		watch_door(sv, EPOLLIN);
}

void control_accept(struct serve *sv)
{
	char buf[DATASOCK_MSG_MAX];
	int fd = accept4(sv->ctl_fd, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (fd < 0 && errno != EAGAIN && errno != EINTR)
		shut_door(sv, errno);
	if (fd < 0)
		return;
	sv->ctl_shut = 0;
	n = poll(&p, 1, CLIENT_WAIT_MS) == 1 ? recv(fd, buf, sizeof(buf), 0) : 0;
	if (n > 0 && subscribe(sv, fd, buf, (size_t)n) == 0)
		return;
	if (n > 0 && answer(fd, control_request(sv, buf, (size_t)n), 0))
		log_warning("a control client went away before its answer");
	close(fd);
}
