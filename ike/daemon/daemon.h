/* SPDX-License-Identifier: BSD-2-Clause */
/* xdp-iked: the process around the engine. One loop (libuv) for everything but Diffie-Hellman, which runs on its thread pool. */
#ifndef IKE_DAEMON_DAEMON_H
#define IKE_DAEMON_DAEMON_H

#include <uv.h>

#include "ike/core/ike.h"
#include "ike/sad/sad.h"
#include "user/base/path.h"
#include "user/conf/conf.h"
#include "user/maps/maps.h"

struct daemon_options {
	const char *instance, *log_file, *user; /* user NULL: xdp-iked, or nobody where there is no such user */
	int debug;
};

#define NET_SOCKETS 4 /* two ports, two families */

struct daemon {
	struct sad *sad; /* first: ctx of sad_ops */
	const struct daemon_options *opt;
	struct paths paths;
	int lock_fd; /* pid file */
	struct maps *maps;
	struct ike_env env;
	struct ike *ike;
	uv_loop_t loop;
	uv_timer_t timer; /* of the engine */
	uv_signal_t term, interrupt, hangup;
	/* net.c */
	int udp[NET_SOCKETS];
	uv_poll_t udp_poll[NET_SOCKETS];
	unsigned udp_polls;
	/* rootproc.c */
	int root_fd;
	uv_poll_t root_poll;
	struct root_wait *root_waits, **root_last; /* in the order of asking; root_last is valid while there are some */
	unsigned root_flight;
	uint32_t root_id;
	/* data.c */
	int data_fd; /* -1 = not connected */
	uv_poll_t data_poll;
	uv_timer_t data_retry;
	int data_said; /* that it is not there was logged */
	/* control.c */
	int ctl_fd;
	uv_poll_t ctl_poll;
	uv_timer_t ctl_retry;
	int ctl_said; /* that nobody can be let in was logged */
};

/* After anything that may have set a timer of the engine. */
void daemon_rearm(struct daemon *d);

/* --- net.c: UDP 500 and 4500 (spec sections 4.1, 21). Opened as root. --- */
int net_open(struct daemon *d, struct err *e) __must_check;
int net_start(struct daemon *d, struct err *e) __must_check;
void net_close(struct daemon *d);
void net_send(struct daemon *d, const struct ike_path *p, struct bytes msg);
void net_keepalive(struct daemon *d, const struct ike_path *p);

/* --- work.c: the thread pool --- */
void work_start(struct daemon *d, struct ike_job *job);

/* --- rootproc.c: the process that stays root --- */
/* Forks it: it signs with private keys and dials data.sock, nothing else. Call before threads, sockets and memory with secrets. */
int root_fork(struct daemon *d, struct err *e) __must_check;
int root_start(struct daemon *d, struct err *e) __must_check;
void root_close(struct daemon *d);
void root_sign(struct daemon *d, struct ike_sign *s);
/* done(d, fd): a descriptor connected to data.sock, which done owns, or negative errno. */
void root_dial(struct daemon *d, void (*done)(struct daemon *d, int fd));

/* --- data.c: events of xdp-ipsecd; connects again whenever it comes back --- */
void data_start(struct daemon *d);
void data_close(struct daemon *d);

/* --- control.c: ike.sock (user/base/ikesock.h) --- */
int control_open(struct daemon *d, struct err *e) __must_check; /* as root */
int control_start(struct daemon *d, struct err *e) __must_check;
void control_close(struct daemon *d);

/* --- conf.c --- */
/*
 * The engine's configuration and the SPIs of manual-sa items from the stored one; public_fd: descriptor of public/, -1 = there is none. Sets xi_meta.natt when a
 * peer wants NAT traversal.
 */
int conf_make(struct daemon *d, const struct conf *c, int public_fd, struct ike_conf **out, struct err *e) __must_check;

/* --- priv.c --- */
/* Another user, no groups, no capabilities, no new privileges. */
int priv_drop(const char *user, struct err *e) __must_check;
/* Root stays, but without capabilities. */
int priv_drop_caps(struct err *e) __must_check;
/* All threads: only the system calls of the list from here on; another one ends the process with a line in the log, opening a file to write is refused. */
int priv_filter(int root_process, struct err *e) __must_check;

#endif
