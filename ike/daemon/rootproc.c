/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that stays root, without capabilities and with few system calls. It reads private keys and signs with them, and it connects to xdp-ipsecd, whose
 * socket only root may open. One message a question, one an answer, of fixed layout; it never sees a packet of a peer.
 */
#include <errno.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"
#include "user/base/unixsock.h"
#include "user/conf/cred_files.h"

enum root_op { ROOT_SIGN = 1, ROOT_DIAL };

struct root_question {
	uint32_t id, op;
	uint8_t of_cert;
	char name[CRED_NAME_MAX];
	uint16_t text_len;
	uint8_t text[GROUP_PUBLIC_MAX];
};

struct root_answer {
	uint32_t id;
	int32_t rc;
	uint32_t sig_len;
	uint8_t sig[1024];
};

#define IN_FLIGHT 32 /* questions in the socket, which holds about 90; the others wait here, in order */

struct root_wait {
	struct root_wait *next;
	uint32_t id;
	int sent;
	struct ike_sign *sign;
	void (*dialed)(struct daemon *d, int fd);
	struct root_question q;
};

/* --- in the process that stays root --- */

/* RFC 2409 §5.1: PKCS#1 type 1 padding over the raw text, no DigestInfo. */
static int sign(const struct paths *p, const struct root_question *q, struct root_answer *a)
{
	enum cred_kind kind = q->of_cert ? CRED_CERTIFICATE : CRED_KEY;
	int fd = cred_open_private(p, NULL), rc = -EIO;
	EVP_PKEY *key = fd < 0 ? NULL : cred_private_read(fd, kind, q->name, NULL);
	EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	size_t len = sizeof(a->sig);

	if (c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_sign(c, a->sig, &len, q->text, q->text_len) == 1) {
		a->sig_len = (uint32_t)len;
		rc = 0;
	}
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	if (fd >= 0)
		close(fd);
	return key ? rc : -ENOENT;
}

static void answer(int sock, const struct root_answer *a, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)a, .iov_len = sizeof(*a)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c = (struct cmsghdr *)control;

	if (fd >= 0) {
		*c = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	(void)sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static void serve_one(const struct paths *p, int sock, const struct root_question *q)
{
	struct root_answer a = {.id = q->id, .rc = -EINVAL};
	int fd = -1;

	if (q->op == ROOT_SIGN && q->text_len <= sizeof(q->text) && memchr(q->name, 0, sizeof(q->name)) &&
	    cred_name_ok(q->name)) {
		a.rc = sign(p, q, &a);
	} else if (q->op == ROOT_DIAL) {
		fd = unixsock_dial(p->data_sock, 1);
		a.rc = fd < 0 ? fd : 0;
	}
	answer(sock, &a, fd);
	if (fd >= 0)
		close(fd);
	explicit_bzero(&a, sizeof(a));
}

static _Noreturn void root_main(const struct paths *p, int sock, pid_t parent)
{
	struct root_question q;
	struct err e;

	/* What goes to all of a service or a terminal is the daemon's to follow: without this process it would end with an error. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	/* it ends with the daemon: its end of the socket closes, whatever kills it */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || priv_drop_caps(&e) || priv_filter(1, &e))
		_exit(1);
	for (;;) {
		ssize_t n = recv(sock, &q, sizeof(q), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		if (n == sizeof(q))
			serve_one(p, sock, &q);
	}
}

/* --- in the daemon --- */

int root_fork(struct daemon *d, struct err *e)
{
	pid_t me = getpid(), pid;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return err_set(e, -errno, "cannot make a pair of sockets: %s", strerror(errno));
	pid = fork();
	if (pid < 0) {
		close(sv[0]);
		close(sv[1]);
		return err_set(e, -errno, "cannot start the key process: %s", strerror(errno));
	}
	if (!pid) {
		close(sv[0]);
		if (d->lock_fd >= 0)
			close(d->lock_fd); /* it would hold the lock until it has ended, behind the daemon */
		root_main(&d->paths, sv[1], me);
	}
	close(sv[1]);
	d->root_fd = sv[0];
	return 0;
}

static void finish(struct daemon *d, struct root_wait *w, const struct root_answer *a, int fd)
{
	if (w->sign) {
		w->sign->rc = a->rc;
		w->sign->sig_len = MIN(a->sig_len, (uint32_t)sizeof(w->sign->sig));
		memcpy(w->sign->sig, a->sig, w->sign->sig_len);
		w->sign->done(w->sign);
	} else {
		w->dialed(d, a->rc || fd < 0 ? (a->rc ? a->rc : -EIO) : fd);
	}
	free(w);
	daemon_rearm(d);
}

static void take_out(struct daemon *d, struct root_wait **at)
{
	struct root_wait *w = *at;

	*at = w->next;
	if (!w->next)
		d->root_last = at;
	d->root_flight -= w->sent ? 1 : 0;
}

/* What was waited for fails, when the process is not there any more. */
static void fail_all(struct daemon *d)
{
	const struct root_answer gone = {.rc = -EPIPE};
	struct root_wait *w;

	while ((w = d->root_waits)) {
		take_out(d, &d->root_waits);
		finish(d, w, &gone, -1);
	}
}

/* Sends what may be sent. As soon as one of those in flight is answered the next one goes. */
static void push(struct daemon *d)
{
	for (struct root_wait *w = d->root_waits; w && d->root_flight < IN_FLIGHT; w = w->next) {
		if (w->sent)
			continue;
		if (send(d->root_fd, &w->q, sizeof(w->q), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(w->q))
			return; /* it has ended: on_answer() hears of it */
		w->sent = 1;
		d->root_flight++;
	}
}

static int take_fd(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void on_answer(uv_poll_t *h, int status, int events)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct root_answer a;
	struct iovec iov = {.iov_base = &a, .iov_len = sizeof(a)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct daemon *d = h->data;
	ssize_t n = recvmsg(d->root_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	(void)status;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(a)) {
		log_error("the key process has ended: without it nothing is signed, nor xdp-ipsecd found again");
		(void)uv_poll_stop(h);
		close(d->root_fd);
		d->root_fd = -1;
		fail_all(d);
		uv_stop(&d->loop); /* root is given up: only a new start makes another one */
		return;
	}
	fd = take_fd(&msg);
	for (struct root_wait **at = &d->root_waits, *w; (w = *at); at = &w->next)
		if (w->id == a.id) {
			take_out(d, at);
			push(d);
			finish(d, w, &a, fd);
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void ask(struct daemon *d, const struct root_question *q, struct ike_sign *s,
		void (*dialed)(struct daemon *d, int fd))
{
	const struct root_answer failed = {.rc = -EPIPE};
	struct root_wait *w = calloc(1, sizeof(*w));

	if (!w) {
		if (s) {
			s->rc = -ENOMEM;
			s->done(s);
		} else {
			dialed(d, -ENOMEM);
		}
		return;
	}
	*w = (struct root_wait){.id = ++d->root_id, .sign = s, .dialed = dialed, .q = *q};
	w->q.id = w->id;
	if (d->root_fd < 0) {
		finish(d, w, &failed, -1);
		return;
	}
	*(d->root_waits ? d->root_last : &d->root_waits) = w;
	d->root_last = &w->next;
	push(d);
}

void root_sign(struct daemon *d, struct ike_sign *s)
{
	struct root_question q = {
		.op = ROOT_SIGN, .of_cert = s->of_cert, .text_len = (uint16_t)MIN(s->text_len, sizeof(q.text))};

	(void)str_copy(q.name, sizeof(q.name), s->name);
	memcpy(q.text, s->text, q.text_len);
	ask(d, &q, s, NULL);
}

void root_dial(struct daemon *d, void (*done)(struct daemon *d, int fd))
{
	struct root_question q = {.op = ROOT_DIAL};

	ask(d, &q, NULL, done);
}

int root_start(struct daemon *d, struct err *e)
{
	d->root_poll.data = d;
	if (uv_poll_init(&d->loop, &d->root_poll, d->root_fd) || uv_poll_start(&d->root_poll, UV_READABLE, on_answer))
		return err_set(e, -EIO, "cannot wait for the key process");
	return 0;
}

void root_close(struct daemon *d)
{
	if (d->root_fd >= 0)
		close(d->root_fd);
	d->root_fd = -1;
}
