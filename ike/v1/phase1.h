/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside phase 1 (spec section 16). sa.c: life of an ISAKMP SA and how it is found. phase1.c: what comes in, against the table of steps.
 * phase1_main.c, phase1_aggressive.c, phase1_base.c: the steps. phase1_msg.c: payloads. phase1_auth.c: HASH, SIG, certificates. phase1_dh.c:
 * Diffie-Hellman on the thread pool. halfopen.c: bounds for strangers.
 *
 * What a stranger gets. Until a message with our cookie came back the peer's address may be a spoofed one: the responder then
 * - repeats nothing by itself. It answers a repeated request, at most 5 times, and no more than once a second where the answer is the longer one. In aggressive
 *   mode, whose last message has no answer, it repeats message 2 when something with our cookie arrives although message 3 did not;
 * - leaves out of its answer in main and base mode whatever makes it longer than the request (vendor IDs; they follow with the next message). What remains is
 *   shorter in main mode; in base mode it has our identity in it, and when that makes it longer there is no answer;
 * - answers in aggressive mode no vendor ID that it was not asked (spec 20.4 says that DPD is always announced: not there), and where no certificates follow
 *   that of fragmentation only if it fits into the length of the request. KE, nonce, identity, proof and NAT-D go out at once (RFC 2409 §5.4). Our own request
 *   has room for that, a vendor ID that nobody knows, so that between two of ours the answer is not the longer one. What remains is a request of others without
 *   that room: the answer is longer by HASH, or SIG, certificates and CRs, by NAT-D when the peer announced NAT traversal, and by what its nonce (from 8 bytes)
 *   and identity are shorter than ours; refusing it would refuse them. Bytes with a pre-shared key, aes-128 and modp1024, request -> answer:
 *
 *              our own request, without NAT-T   with it        the shortest request there is
 *       md5          316 -> 316                 376 -> 376     261 -> 332
 *       sha1                                    396 -> 388     261 -> 344
 *       sha256                                  424 -> 424     261 -> 380
 *       sha512                                  520 -> 520     261 -> 476
 *
 *   With RSA signatures and certificates our request has 1228 bytes (it stays one packet), the answer 1 to 3 kB. Only prefixes whose peer item says
 *   exchange-mode=aggressive get such an answer, a /24 64 at a time, each repeated 5 times at most, and at most 16 Diffie-Hellman operations for strangers run at
 *   a time (tests/unit/t_ike1_answer.c);
 * - keeps at most 2048 such ISAKMP SAs, 64 of a /24 or /48; the oldest makes room.
 */
#ifndef IKE_V1_PHASE1_H
#define IKE_V1_PHASE1_H

#include "ike/neg/phase1.h"
#include "ike/v1/v1.h"

#define P1_SA_BODY_MAX 8192 /* SA payload of a stranger that is kept for HASH */
#define P1_ID_MAX 2048	    /* identity */
#define P1_CERT_MAX 16384   /* certificate or CRL of the peer */
#define P1_CRLS_MAX 2
#define P1_LINKS_MAX 4	     /* further certificates of the peer: CAs between its own and one that we trust */
#define P1_LINKS_BYTES 16384 /* all of them together */
#define P1_HELD_MAX 2	     /* messages that came too early */
#define P1_HELD_BYTES 4096
#define P1_NONCE_LEN 16
#define P1_STRANGER_JOBS 16

/* Owned bytes. */
struct blob {
	uint8_t *p;
	size_t len;
};

int blob_set(struct blob *b, struct bytes from) __must_check; /* replaces; -ENOMEM */
uint8_t *blob_room(struct blob *b, size_t len) __must_check;  /* replaces by len bytes to be filled */
void blob_wipe(struct blob *b);				      /* wiped and freed */
static inline struct bytes blob_bytes(const struct blob *b)
{
	return (struct bytes){b->p, b->len};
}

struct p1_job;
struct p1_sign;

struct ike1_handshake {
	struct neg1_terms own;	   /* what we offer or take */
	struct blob sai, idi, idr; /* payload bodies */
	struct blob answer;	   /* aggressive responder: SA body of message 2 */
	struct blob ni, nr, gxi, gxr;
	struct blob priv, gxy;
	struct blob cert, crl[P1_CRLS_MAX], link[P1_LINKS_MAX]; /* of the peer */
	const char *no_cert;					/* what those that it sent are not, for the log; NULL */
	struct blob sig;					/* ours */
	struct blob proof;					/* HASH or SIG of the peer */
	uint8_t digest[32];					/* of the message that is being answered */
	size_t request_len;					/* its length */
	uint8_t iv_before[CIPHER_BLOCK_MAX];
	uint8_t number;		 /* of the message that is being taken, 0: none came yet */
	uint8_t before;		 /* state to go back to when a message turns out bad */
	uint8_t busy;		 /* a job or a signature is under way: nothing is taken */
	uint8_t encrypted;	 /* an encrypted message of the peer was read (spec 20.1) */
	uint8_t proven;		 /* the peer has shown its address */
	unsigned transform;	 /* responder: which one was chosen */
	uint16_t vids_sent;	 /* bits: 1 << enum msg_vid */
	uint8_t natd_seen;	 /* NAT-D payloads of the message that is being taken */
	uint8_t told;		 /* a failure was logged: once for each handshake, whatever comes */
	uint8_t notified;	 /* a failure was notified: likewise */
	uint8_t initial_contact; /* the peer said so in an encrypted message */
	uint8_t disbelieved;	 /* the exchange's last message was refused: the peer has an ISAKMP SA, we have none */
	uint8_t hopeless;	 /* it was refused once more: phase 1 ends */
	uint8_t refused[32];	 /* digest of that message */
	uint8_t iv_refused[CIPHER_BLOCK_MAX]; /* that the peer goes on with */
	unsigned n_crls, n_links;
	uint8_t nudges;	      /* aggressive: how often message 2 was repeated */
	struct ike_path from; /* way of the message that is being taken */
	struct p1_job *job;
	struct p1_sign *sign;
	void (*next)(struct ike1 *sa); /* behind the job or signature */
	struct blob held[P1_HELD_MAX];
	struct ike_path held_path[P1_HELD_MAX];
	unsigned n_held;
};

/* One message that a state waits for. */
struct p1_step {
	uint8_t mode;	    /* enum isakmp_exchange */
	uint8_t initiator;  /* that is us */
	uint8_t state;	    /* enum ike1_state */
	uint8_t encrypted;  /* 0 in clear, 1 encrypted, 2 either */
	uint8_t number;	    /* of the message, for the log */
	uint32_t must, may; /* P1_HAS_* */
	void (*take)(struct ike1 *sa, const struct msg *m);
};

#define P1_HAS(type) (1u << (type))
#define P1_HAS_SA P1_HAS(ISAKMP_P_SA)
#define P1_HAS_KE P1_HAS(ISAKMP_P_KE)
#define P1_HAS_ID P1_HAS(ISAKMP_P_ID)
#define P1_HAS_CERT P1_HAS(ISAKMP_P_CERT)
#define P1_HAS_CR P1_HAS(ISAKMP_P_CR)
#define P1_HAS_NONCE P1_HAS(ISAKMP_P_NONCE)
#define P1_HAS_NATD P1_HAS(ISAKMP_P_NAT_D)
#define P1_OTHER 30
#define P1_HAS_AUTH P1_HAS(31) /* HASH with a PSK, else SIG */

extern const struct p1_step p1_main_steps[], p1_aggressive_steps[], p1_base_steps[]; /* take NULL: end */

/* --- sa.c --- */
/* icookie NULL: we are the initiator. */
struct ike1 *ike1_new(struct ike *k, const struct ike_peer *peer, const struct ike_path *path,
		      const uint8_t *icookie) __must_check;
struct ike1 *ike1_by_cookies(struct ike *k, const uint8_t icookie[8], const uint8_t rcookie[8]);
struct ike1 *ike1_by_icookie(struct ike *k, const uint8_t icookie[8], const struct ike_path *path);
struct ike1 **ike1_place(struct ike *k, const struct ike_addr *remote);	  /* bucket of by_place */
struct chain **ike1_prefix(struct ike *k, const struct ike_addr *remote); /* bucket of by_prefix */
int ike1_same_prefix(const struct ike_addr *a, const struct ike_addr *b); /* /24 or /48 */
void ike1_state(struct ike1 *sa, enum ike1_state state);
void ike1_established(struct ike1 *sa);
void ike1_info(const struct ike1 *sa, struct ike_peer_info *row);
const char *ike1_mode_name(const struct ike1 *sa);

/* --- halfopen.c --- */
void ike1_halfopen_init(struct ike *k);
/* May a responder for this address be made? 0: refused and counted. Makes room. */
int ike1_halfopen_may(struct ike *k, const struct ike_addr *remote);
void ike1_halfopen_add(struct ike1 *sa, int proven);
void ike1_halfopen_remove(struct ike1 *sa);

/* --- phase1.c --- */
void p1_free(struct ike1_handshake *hs);
void p1_release(struct ike *k, struct ike1_handshake *hs);
int p1_begin(struct ike1 *sa) __must_check; /* initiator: message 1 */
int p1_main_begin(struct ike1 *sa) __must_check;
int p1_aggressive_begin(struct ike1 *sa) __must_check;
int p1_base_begin(struct ike1 *sa) __must_check;
/* A step is done: the answer is out. What came too early is taken now; sa may be gone afterwards. */
void p1_sent(struct ike1 *sa, enum ike1_state state);
/* Ends a step badly: back to the state before, or (fatal) no phase 1. One log line for each handshake. */
void p1_fail(struct ike1 *sa, uint16_t notify, const char *fmt, ...) __printf(3, 4);
void p1_fatal(struct ike1 *sa, const char *why);
/* Phase 1 is given up: a peer whose last message was refused, and which therefore has the ISAKMP SA, gets a Delete under its keys (spec 20.2). */
void p1_take_back(struct ike1 *sa);
/* "203.0.113.1[500] (main mode, responder, message 5)": with whom, in which exchange, at what. Returns buf. */
const char *p1_who(const struct ike1 *sa, char *buf, size_t size);
void p1_hold(struct ike1 *sa, const struct ike_path *path, struct bytes datagram);

/* --- phase1_msg.c --- */
void p1_msg_begin(struct ike1 *sa, struct msg_wr *w, int encrypted);
int p1_msg_send(struct ike1 *sa, struct msg_wr *w, int encrypted, int expect_answer) __must_check;
void p1_put_vids(struct ike1 *sa, struct msg_wr *w, size_t max); /* those that fit in max bytes of message */
void p1_put_natd(struct ike1 *sa, struct msg_wr *w);
void p1_put_crs(const struct ike1 *sa, struct msg_wr *w);
void p1_put_id(const struct ike1 *sa, struct msg_wr *w);
void p1_put_ke(const struct ike1 *sa, struct msg_wr *w);		 /* KE and nonce */
int p1_take_payloads(struct ike1 *sa, const struct msg *m) __must_check; /* KE, nonce, ID, CERT, VID, NAT-D */
int p1_peer_id(const struct ike1 *sa, struct msg_id *id) __must_check;	 /* -EBADMSG: none came, or it is too short */
void p1_take_vids(struct ike1 *sa, const struct msg *m);
int p1_own_id(struct ike1 *sa) __must_check;
int p1_nonce(struct ike1 *sa) __must_check;
void p1_natd_verdict(struct ike1 *sa);
void p1_float(struct ike1 *sa); /* initiator: to port 4500 when there is a NAT */
void p1_own_terms(const struct ike_peer *p, struct neg1_terms *t);
int p1_set_terms(struct ike1 *sa, const struct neg1_terms *t) __must_check;
int p1_answer_sa(struct ike1 *sa, const struct msg *m) __must_check; /* initiator: message 2 */
int p1_respond(struct ike1 *sa, const struct msg *m) __must_check;   /* responder: message 1; it is half-open then */
void p1_put_sa(const struct ike1 *sa, struct msg_wr *w);	     /* initiator: message 1 */
void p1_inputs(const struct ike1 *sa, struct ike1_inputs *in);

/* Responder: keeps the SA body of the answer in hs->answer. */
int p1_keep_answer(struct ike1 *sa, const struct msg *m) __must_check;
/* Initiator: keeps SAi_b of the message 1 that was just sent. */
int p1_keep_sai(struct ike1 *sa) __must_check;

/* --- phase1_dh.c --- */
enum p1_dh { P1_DH_PUBLIC = 1, P1_DH_SECRET = 2 };
/* Runs what is asked for (bits) on the thread pool; then hs->next(). */
int p1_dh(struct ike1 *sa, unsigned what, void (*next)(struct ike1 *sa)) __must_check;
/* Before sa goes: what is under way comes back to nobody. */
void p1_dh_abandon(struct ike1 *sa);

/* A job as tests see it. */
struct p1_job {
	struct ike_job job;
	struct ike *ike;
	struct ike1 *sa; /* NULL: it is gone */
	const struct group *group;
	unsigned what;
	uint8_t stranger;
	uint8_t *priv, *pub, *peer, *secret; /* in room */
	size_t peer_len;		     /* other than the group's: nothing is in peer */
	int rc;
	size_t size; /* of all */
	uint8_t room[];
};

/* --- phase1_auth.c --- */
int p1_keys(struct ike1 *sa) __must_check; /* SKEYID, its children, cipher key, IV */
/* Our HASH, or SIG after the key process answered; then next(), which finds it in hs->sig. */
int p1_prove(struct ike1 *sa, void (*next)(struct ike1 *sa)) __must_check;
/* Adds CERT, and HASH or SIG. */
void p1_put_proof(struct ike1 *sa, struct msg_wr *w);
/* Is the peer who it says? 0, or negative with the failure told. */
int p1_verify(struct ike1 *sa) __must_check;
/* A peer's notification about how we have shown who we are: what it may mean and the setting, from ": " on; empty for others. Uses buf, or not. */
const char *p1_refused_text(const struct ike1 *sa, unsigned notify, char *buf, size_t size);
void p1_sign_abandon(struct ike1 *sa);

#endif
