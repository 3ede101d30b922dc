/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the IKE engine needs of the world, as functions: the daemon gives the real ones (ike/daemon), tests give fakes with a clock and a network of
 * their own. The engine itself has one thread, no sockets, no files. All times are nanoseconds of CLOCK_BOOTTIME, all ports host order.
 */
#ifndef IKE_CORE_ENV_H
#define IKE_CORE_ENV_H

#include "bpf/abi/xi_abi.h"
#include "ike/msg/cursor.h"
#include "ike/neg/group.h"
#include "user/base/log.h"

#define IKE_PORT 500
#define IKE_PORT_NATT 4500

/* An address: family XI_IP4 or XI_IP6, 0 = unset. IPv4 stands in w[0], the rest is 0. */
struct ike_addr {
	uint8_t family;
	struct xi_addr addr;
};

struct ike_end {
	struct ike_addr a;
	uint16_t port;
};

/* Between which ends a message goes. From and to local port 4500 the non-ESP marker stands in front; the environment adds and removes it. */
struct ike_path {
	struct ike_end local, remote;
};

/* Work for the thread pool: run() on any thread, then done() on the engine's. The job belongs to whoever made it until work(), to the environment until done(). */
struct ike_job {
	void (*run)(struct ike_job *job);
	void (*done)(struct ike_job *job);
	uint8_t slow; /* run() takes milliseconds: not all threads may have such a job while others wait */
};

/*
 * A signature with a private key, which only the key process has: RSA private-key operation over `text` with PKCS#1 v1.5 type 1 padding and no
 * DigestInfo (RFC 2409 §5.1). done() is called on the engine's thread, also when it fails: rc 0 or negative errno.
 */
struct ike_sign {
	char name[64];	 /* item of the key menu, or of the certificate store */
	uint8_t of_cert; /* 1: key of a certificate */
	uint8_t text[GROUP_PUBLIC_MAX];
	size_t text_len;
	uint8_t sig[1024]; /* RSA up to 8192 bit */
	size_t sig_len;
	int rc;
	void (*done)(struct ike_sign *s);
};

struct ike_sadb_ops;

struct ike_env {
	void *ctx; /* first argument of every function */
	uint64_t (*now)(void *ctx);
	int64_t (*wall)(void *ctx);			 /* seconds since 1970, for certificates and what is shown */
	int (*random)(void *ctx, void *buf, size_t len); /* 0 or -EIO */
	void (*send)(void *ctx, const struct ike_path *p, struct bytes msg);
	void (*keepalive)(void *ctx, const struct ike_path *p); /* one byte 0xff, RFC 3948 §2.3 */
	void (*work)(void *ctx, struct ike_job *job);
	void (*sign)(void *ctx, struct ike_sign *s);
	/* Our address towards a remote one, by the kernel's routes. -ENETUNREACH: none. */
	int (*source)(void *ctx, const struct ike_addr *remote, struct ike_addr *local);
	void (*log)(void *ctx, enum log_level level, const char *text);
	const struct ike_sadb_ops *sadb;
};

#endif
