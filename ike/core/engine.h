/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the engine: what all its rooms share. */
#ifndef IKE_CORE_ENGINE_H
#define IKE_CORE_ENGINE_H

#include "ike/core/count.h"
#include "ike/core/ike.h"
#include "ike/core/timer.h"
#include "user/base/chain.h"

struct ike1;
struct ike1_quick;
struct ike_child;

#define IKE_MSG_ROOM (65535 + 64) /* a datagram and padding */
#define IKE_COOKIE_BUCKETS 4096
#define IKE_CHILD_BUCKETS 4096
#define IKE_QUICK_BUCKETS 1024
#define IKE_CONTACT_BUCKETS 1024
#define IKE_PLACE_BUCKETS 4096
#define IKE_PREFIX_BUCKETS 4096
#define IKE_LIMIT_SLOTS 1024

/* Half-open responders in the order of their coming, bounded; ike/v1/halfopen.c. */
struct ike1_halfopen {
	struct ike1 *first, **last;
	unsigned count;
};

/* When the last log line, or answer, was due to a stranger: by source, and of all. */
struct ike_limit {
	uint64_t source[IKE_LIMIT_SLOTS], all;
};

/*
 * Log lines that a source has caused, by its datagrams: each brings full_ns nearer to the future, and time passes. What stands further ahead than a
 * burst of lines is not logged.
 */
struct ike_talk {
	struct {
		uint64_t full_ns;
		uint64_t said_ns; /* when it was said that lines are left out */
	} source[IKE_LIMIT_SLOTS];
	const struct ike_addr *now; /* whose datagram, or what came of it, is looked at; NULL: nobody's */
};

struct ike {
	const struct ike_env *env;
	struct ike_conf *conf;
	struct ike_timers timers;
	struct ike1 *sas;				  /* ISAKMP SAs of IKEv1 */
	struct ike1 *by_cookie[IKE_COOKIE_BUCKETS];	  /* by the initiator's cookie */
	struct ike_child *children[IKE_CHILD_BUCKETS];	  /* by the address of the peer: child_bucket() */
	struct chain *child_by_pair[IKE_CHILD_BUCKETS];	  /* by xi_sa.pair */
	struct chain *child_by_policy[IKE_CHILD_BUCKETS]; /* by the selector of their policy */
	struct chain *waiting[IKE_QUICK_BUCKETS];	  /* phase 2s that wait for a phase 1, by the remote address */
	struct chain *initiated[IKE_QUICK_BUCKETS];	  /* phase 2s of ours under way, by the slot of their policy */
	uint8_t cookie_secret[32];
	uint64_t count[IKE_COUNT_MAX];
	struct chain *contacted[IKE_CONTACT_BUCKETS]; /* contact.c */
	struct ike1 *by_place[IKE_PLACE_BUCKETS];     /* by the remote address: ike1_find() */
	struct chain *by_prefix[IKE_PREFIX_BUCKETS];  /* half-open responders by the remote prefix, /24 or /48 */
	struct ike1_halfopen halfopen[2];	      /* [1]: the peer has shown its address */
	unsigned
		stranger_jobs; /* Diffie-Hellman and signatures under way for peers that have not shown their address */
	struct ike_limit logged, answered; /* ike_may_say(), ike_may_answer() */
	struct ike_talk talk;		   /* ike_log() */
	uint8_t out[IKE_MSG_ROOM];	   /* a message is written here, from msg_wr_begin() to ike1_send() */
	uint8_t plain[IKE_MSG_ROOM];	   /* a message is decrypted into here */
};

static inline uint64_t ike_now(const struct ike *k)
{
	return k->env->now(k->env->ctx);
}

/*
 * A peer with a key may send what it likes: of the lines that datagrams of a source cause, a burst of 1000 is logged and 20 a second, and that more are left
 * out is said every 10 s.
 */
void ike_log(struct ike *k, enum log_level level, const char *fmt, ...) __printf(3, 4);
/* What is logged from here on is because of who (NULL: of nobody), until this is called with what it has returned. *who stays for as long. */
static inline const struct ike_addr *ike_because_of(struct ike *k, const struct ike_addr *who)
{
	const struct ike_addr *before = k->talk.now;

	k->talk.now = who;
	return before;
}

/*
 * May a stranger at this address cause a log line, an unprotected answer? Each at most once a second for a source, and 20 times a second for
 * all together.
 */
int ike_may_say(struct ike *k, const struct ike_addr *source);
int ike_may_answer(struct ike *k, const struct ike_addr *source);

/* Remote addresses that INITIAL-CONTACT was sent to, or was not due to (spec 20.3); contact.c. contact_add(): was it there already? It is from now on; no memory: 1. */
int contact_known(const struct ike *k, const struct ike_addr *remote);
int contact_add(struct ike *k, const struct ike_addr *remote);
void contact_forget(struct ike *k, const struct ike_addr *remote);
void contact_forget_all(struct ike *k);

uint64_t ike_addr_hash(const struct ike *k,
		       const struct ike_addr *a); /* for hash_end(); a stranger cannot foretell it */
int ike_addr_eq(const struct ike_addr *a, const struct ike_addr *b);
int ike_end_eq(const struct ike_end *a, const struct ike_end *b);
struct bytes ike_addr_bytes(const struct ike_addr *a); /* 4 or 16, as on the wire */
/* "198.51.100.1", "198.51.100.1[500]"; return buf. */
const char *ike_addr_text(const struct ike_addr *a, char *buf, size_t size);
const char *ike_end_text(const struct ike_end *e, char *buf, size_t size);

#endif
