/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside IKEv1: the ISAKMP SA (phase 1), its exchanges, and who does what. phase1*.c make an ISAKMP SA and let it go; quick*.c make IPsec SAs under
 * one; info.c and dpd.c do the informational exchange; wire.c protects, sends, repeats. Parse whole, check, authenticate, act.
 */
#ifndef IKE_V1_V1_H
#define IKE_V1_V1_H

#include "ike/core/child.h"
#include "ike/core/engine.h"
#include "ike/msg/msg.h"
#include "ike/v1/keymat.h"

#define IKE1_MSG_MAX 65535
#define IKE1_PAIR_MAX 16 /* established ISAKMP SAs with one peer; it could make any number */
#define IKE1_ADDRESS_MAX                                                                                               \
	1024 /* the same with one address: behind a NAT there may be many peers, or one that takes port after port */
#define IKE1_MIDS 128		 /* message IDs of informational exchanges that are remembered against replay */
#define IKE1_QUICK_MIDS_MAX 4096 /* the same of quick modes; room is taken as they come */

/* In the words of spec section 11. */
enum ike1_state {
	IKE1_SPAWN,
	IKE1_START,
	IKE1_MSG1_SENT,
	IKE1_MSG1_RECEIVED,
	IKE1_MSG2_SENT,
	IKE1_MSG2_RECEIVED,
	IKE1_MSG3_SENT,
	IKE1_MSG3_RECEIVED,
	IKE1_MSG4_RECEIVED,
	IKE1_ESTABLISHED,
	IKE1_DYING,
	IKE1_EXPIRED,
};

/* A message that is repeated until an answer comes (spec section 22), or kept to answer a repeated request. */
struct ike1_retry {
	struct ike1 *sa;
	uint8_t *buf; /* as sent, encrypted; NULL = none */
	size_t len;
	struct ike_path path;
	unsigned sent;	    /* transmissions so far */
	uint8_t digest[32]; /* SHA-256 of the request that it answers */
	unsigned answers;   /* how often a repeated request was answered */
	struct ike_timer timer;
	void (*gave_up)(struct ike1_retry *r);
};

/* What phase 1 agreed on. */
struct ike1_terms {
	const struct hash *hash;
	const struct cipher *cipher;
	const struct group *group;
	uint16_t key_len; /* bytes of the cipher's key */
	uint16_t auth;	  /* enum ike1_auth_id */
	uint32_t life_s;
	uint64_t life_bytes;
};

enum ike1_natt { IKE1_NATT_NO, IKE1_NATT_RFC, IKE1_NATT_03, IKE1_NATT_02N, IKE1_NATT_02 };

/* Deletes of IPsec SAs that wait for ike1_settle(); info.c. */
struct ike1_late {
	unsigned n, room;
	struct {
		uint8_t proto; /* XI_PROTO_* */
		__be32 spi;
	} * del;
};

struct ike1_handshake; /* phase1.h: what only the exchange itself needs; freed when it is over */
struct ike1_quick;     /* quick.h: a phase 2 under way */

struct ike1 {
	struct ike *ike;
	struct ike1 *next, **pprev;	       /* all of the engine */
	struct ike1 *by_cookie, **by_cookie_p; /* hash chain */
	struct ike1 *by_place, **by_place_p;   /* hash chain */
	struct chain by_prefix;		       /* while a half-open responder */
	struct ike1 *half_next, **half_pprev;  /* while a half-open responder */
	const struct ike_peer *peer;	       /* of the configuration in force; ike_reload keeps it true */
	struct ike_path path;
	struct ike_addr home; /* the peer's when phase 1 began: that it gets what is sent there it has shown */
	uint8_t moved;	      /* its address is not that of all of its children */
	uint8_t icookie[8], rcookie[8];
	uint8_t initiator; /* of this phase 1 */
	uint8_t mode;	   /* enum isakmp_exchange */
	uint8_t state;	   /* enum ike1_state */
	uint8_t dropping;  /* within ike1_drop() */
	uint8_t keyed;	   /* SKEYID, key and IV are there */
	uint8_t stale;	   /* its peer item is gone: dropped within ike_reload() */
	struct ike1_terms terms;
	struct ike1_skeyid k;
	uint8_t key[CIPHER_KEY_MAX];
	uint8_t iv
		[CIPHER_BLOCK_MAX]; /* running IV of phase 1; when it is over the base of the IVs of other exchanges (spec 16.6) */
	struct ike1_handshake *hs;	     /* NULL once established */
	struct ike1_retry retry;	     /* last message of phase 1 */
	uint64_t established_ns, expires_ns; /* 0 = not yet */
	uint64_t heard_ns;		     /* the last authenticated message of the peer's; 0 = none */
	int64_t established_wall;
	uint64_t bytes; /* of ISAKMP messages since (spec 16.7) */
	struct ike_timer life;
	struct ike_timer
		settle; /* set: the last message of phase 1 was ours, the peer may not have read it; see ike1_settle() */
	struct ike1_late late; /* goes out when it is over */
	char id[128];	       /* the peer's identity, as text */
	/* NAT traversal */
	uint8_t natt;		     /* enum ike1_natt */
	uint8_t behind, peer_behind; /* NAT detected: in front of us, of the peer */
	struct ike_timer keepalive;
	/* DPD */
	uint8_t peer_dpd;			/* the peer announced it */
	uint8_t peer_frag;			/* the peer reassembles (spec section 25) */
	uint32_t dpd_sent, dpd_acked, dpd_peer; /* sequence numbers */
	uint32_t dpd_failures;
	struct ike_timer dpd;
	struct ike1_quick *quick;	   /* phase 2s under way */
	unsigned quick_begun, quick_going; /* of ours: since none was under way, under way; quick_turn() */
	struct ike_timer turn;		   /* set: others may begin */
	/* Message IDs used under it, by the peer and by us, so that nothing of either comes in again; newest overwrites oldest. */
	uint32_t mid[IKE1_MIDS], *quick_mid;
	unsigned n_mids, n_quick_mids, quick_mids_room;
	uint8_t got_contact; /* INITIAL-CONTACT came under it */
	uint8_t refused;     /* the peer was told that we do not have an exchange of its */
	uint32_t ph2_total;
	/* IKE fragmentation, spec section 25 */
	struct ike1_frags *frags; /* a message of the peer's that comes in pieces */
};

/* --- phase1.c: (phase 1) --- */
/* An established one between the address pair, at home, not dying if there is a choice; else NULL. A port of 0 matches any. */
struct ike1 *ike1_find(struct ike *k, const struct ike_addr *local, const struct ike_addr *remote,
		       uint16_t remote_port);
/*
 * The same, or one that is under way, or a new one is started. NULL: no memory, no route. ike1_ready() or ike1_gone() follows. moved: one that has come to
 * that address since will do.
 */
struct ike1 *ike1_want(struct ike *k, const struct ike_peer *peer, const struct ike_addr *local,
		       const struct ike_end *remote, int moved);
/*
 * Is the peer where phase 1 was made with it? It may have moved with a single message (spec section 21), from an address that it need not have: what
 * belongs to an address is not negotiated with it then.
 */
static inline int ike1_at_home(const struct ike1 *sa)
{
	return ike_addr_eq(&sa->home, &sa->path.remote.a);
}
/* Forgets it and all that hangs on it; its IPsec SAs live on. why is for the log; delete: tell the peer. */
void ike1_drop(struct ike1 *sa, int delete, const char *why);
/* The same, without Delete, and the IPsec SAs of the address pair that no other phase 1 holds go with it (spec 20.2, 20.4); those of sa go over to another one. */
void ike1_drop_with_children(struct ike1 *sa, const char *why);
/* A quick mode of ours, begun at asked_ns, had no answer in all its repetitions: sa may be one that the peer has lost. It is gone afterwards, perhaps. */
void ike1_unanswered(struct ike1 *sa, uint64_t asked_ns);
/* The peer has read our last message of phase 1, as far as we can know: what waits for that goes out. Does nothing when nothing waits. */
void ike1_settle(struct ike1 *sa);
/* An authenticated message of the peer's came this way: with NAT traversal its address or port is taken over (spec section 21), within its peer item. */
void ike1_seen(struct ike1 *sa, const struct ike_path *path);
/* A datagram of IKEv1 (header is sound). */
void ike1_receive(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);
/* One of another version: who begins with IKEv2 is told that it is not spoken here. */
void ike1_other_version(struct ike *k, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);

/* How far sa is with its byte limit: 0, 1 = 80 % (soft), 2 = 95 % (spec 14.2, 16.7). */
unsigned ike1_soft_bytes(const struct ike1 *sa);
/* We watch the peer: it announced DPD, and dpd-interval is set (spec 14.3). */
static inline int ike1_dpd_active(const struct ike1 *sa)
{
	return sa->peer_dpd && sa->peer->dpd_interval_s;
}

/* --- wire.c --- */
/* IV of an exchange under sa by message ID. */
int ike1_iv(const struct ike1 *sa, uint32_t message_id, uint8_t iv[CIPHER_BLOCK_MAX]) __must_check;
/* Spec 16.7: bytes that were sent, or came and are authentic and new. */
void ike1_count_bytes(struct ike1 *sa, size_t len);
/* Decrypts a copy of h's message body into out[max] and parses it into *m; iv goes on. -EBADMSG, -ENOMEM. */
int ike1_open(struct ike1 *sa, uint8_t *iv, struct msg *m, struct bytes datagram, uint8_t *out, size_t max,
	      struct msg_err *e) __must_check;
/*
 * Pads, encrypts and sends the message that w holds (msg_wr_end() not called yet; its header has the flags), cut into fragments where the peer takes them. retry
 * NULL: sent once; else kept in it, and repeated when gave_up is set. iv goes on. 0 or negative errno.
 */
int ike1_send(struct ike1 *sa, struct msg_wr *w, uint8_t *iv, int encrypt, struct ike1_retry *retry) __must_check;
/* Bytes that a message of len bytes is on the wire where the peer takes fragments, headers of all fragments counted. */
size_t ike1_cut_len(size_t len);
void ike1_retry_clear(struct ike *k, struct ike1_retry *r);
/* What ike1_send() kept last in r answers this request: ike1_repeated() knows it. gave_up is not set then. */
void ike1_answers(struct ike1_retry *r, struct bytes request);
int ike1_digest(struct bytes datagram, uint8_t out[32]) __must_check; /* what requests are known by */
/* Is the datagram the request that the kept answer belongs to? 1: it was sent again, at most 5 times; else 0. */
int ike1_repeated(struct ike1 *sa, struct ike1_retry *r, struct bytes datagram);
/* Sends what is kept once more. */
void ike1_again(struct ike1 *sa, struct ike1_retry *r);
/* Gives up phase 1: gave_up of its messages. */
void ike1_gave_up(struct ike1_retry *r);
/*
 * A message ID that nobody has used under sa: a message of the peer's that comes again, or one of ours that is thrown back, which HASH(1) does not tell from
 * the peer's. Remembered. 0 = fresh, -EEXIST, -ENOMEM.
 */
int ike1_mid_fresh(struct ike1 *sa, uint32_t message_id, int of_quick) __must_check;
int ike1_mid_used(const struct ike1 *sa, uint32_t message_id); /* it is not fresh; nothing is remembered */
/*
 * A datagram of sa whose first payload is a fragment. 1: *whole is the complete message, to be handed to free(); 0: not yet, or dropped and counted.
 */
int ike1_fragment(struct ike1 *sa, struct bytes datagram, uint8_t **whole, size_t *len);
void ike1_fragments_free(struct ike1 *sa);

/* --- quick.c: called by phase 1 --- */
void ike1_ready(struct ike1 *sa);	     /* established: what waits for it starts; INITIAL-CONTACT */
int ike1_contact_due(const struct ike1 *sa); /* INITIAL-CONTACT is to be sent under it (spec 20.3) */
void ike1_gone(struct ike1 *sa);	     /* is about to be freed: phase 2s under way end, children are unbound */
void ike1_quick_receive(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);
/* --- info.c --- */
void ike1_info_receive(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);
/* INITIAL-CONTACT came in an authenticated message of phase 1; called before ike1_ready() (spec 20.3). */
void ike1_initial_contact(struct ike1 *sa);
/* Encrypted informational with a notification; body of the notify as in spec 20. Sent once. */
void ike1_notify(struct ike1 *sa, uint16_t type, uint8_t protocol, struct bytes spi, struct bytes data);
/* A message of an exchange that we do not have (mode config, XAUTH, new group mode): said once to the peer and in the log. */
void ike1_no_exchange(struct ike1 *sa, const struct msg_hdr *h);
void ike1_delete_isakmp(struct ike1 *sa);
/* Delete of an IPsec SA: our inbound SPI, XI_PROTO_*. Not before ike1_settle(). */
void ike1_delete_ipsec(struct ike1 *sa, uint8_t proto, __be32 spi);
void ike1_delete_late(struct ike1 *sa); /* those that have waited for it */
/* --- dpd.c --- */
void ike1_dpd_start(struct ike1 *sa);

#endif
