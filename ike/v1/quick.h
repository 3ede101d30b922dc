/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quick mode (RFC 2409 §5.5; spec section 17): a phase 2 under way. quick.c holds it and sorts what comes in, quick_init.c and quick_resp.c are the two
 * roles, quick_sa.c makes SAs of what was agreed, quick_id.c the identities. One thread; Diffie-Hellman runs as jobs elsewhere.
 */
#ifndef IKE_V1_QUICK_H
#define IKE_V1_QUICK_H

#include "ike/neg/phase2.h"
#include "ike/v1/v1.h"

#define QUICK_SAS_MAX 4		/* SA payloads of one exchange */
#define QUICK_ID_MAX 64		/* bytes of an identity that is kept: addresses have at most 32 */
#define QUICK_RESPONDERS_MAX 64 /* under one ISAKMP SA at a time, as responder; a peer that starts more waits */
#define QUICK_ADDRESS_MAX 256	/* the same with one address: it may have made ISAKMP SA after ISAKMP SA */
#define QUICK_NONCE_LEN 16
#define QUICK_WAIT_NS (30 * NS_PER_S) /* spec section 22: for a phase 1 */
/*
 * strongSwan keeps the IVs of three quick modes under an ISAKMP SA and cannot read what comes in an older one: three begin, and others when these
 * are over, but nobody waits longer than this for others.
 */
#define QUICK_AT_ONCE 3
#define QUICK_TURN_NS (2 * NS_PER_S)
#define QUICK_KEPT_NS (60 * NS_PER_S) /* the third message may be asked for again so long */
#define QUICK_COMMIT_NS (10 * NS_PER_S)
#define QUICK_SETTLE_NS (NS_PER_S / 20)
#define QUICK_TAKES_NS NS_PER_S /* at most, for the peer to have read message 3 and installed its SAs */
#define QUICK_AGAIN_MAX 5	/* times that message 3 is made anew */

enum quick_state {
	QUICK_WAIT,   /* initiator: for phase 1 */
	QUICK_KEY,    /* initiator: our public value is being made */
	QUICK_SENT1,  /* initiator: message 1 is out */
	QUICK_SECRET, /* initiator: message 2 was good, g^xy is being made */
	QUICK_COMMIT, /* message 3 is out or has come; what we send goes by the SAs when the peer has its own, see quick_init.c */
	QUICK_ANSWER, /* responder: message 1 was good, the public value and g^xy are being made */
	QUICK_SENT2,  /* responder: message 2 is out */
	QUICK_OVER,   /* initiator: done; message 3 is kept */
	QUICK_STATES,
};

/* An identity as it stands on the wire. */
struct quick_id {
	uint8_t type, protocol, len;
	uint16_t port;
	uint8_t data[QUICK_ID_MAX];
};

/* Job of the thread pool. Outlives the quick mode when that ends first; then quick is NULL. Wiped and freed when done. */
struct quick_job {
	struct ike_job job;
	struct ike1_quick *quick;
	const struct group *group;
	int rc;
	uint16_t peer_len; /* 0: only a key pair is made */
	uint8_t have_priv;
	uint8_t priv[GROUP_PRIVATE_MAX], pub[GROUP_PUBLIC_MAX], peer[GROUP_PUBLIC_MAX], secret[GROUP_PUBLIC_MAX];
};

/* One SA payload: what was agreed and the SAs it becomes. */
struct quick_sa {
	struct phase2_terms terms;
	__be32 spi[2];		   /* ours, [0] ESP or the only one, [1] AH of a bundle */
	uint8_t proto[2];	   /* XI_PROTO_*; 0: no SPI is reserved */
	struct ike_bundle *bundle; /* keys; NULL before and after */
};

struct ike1_quick {
	struct ike1 *sa;
	uint8_t going;			  /* counted in sa->quick_going */
	struct ike1_quick *next, **pprev; /* of sa */
	struct chain wait;		  /* of the engine, in QUICK_WAIT */
	struct chain initiated;		  /* of the engine, initiator */
	uint8_t state;			  /* enum quick_state */
	uint8_t initiator;		  /* of this phase 2 */
	uint8_t acquired;		  /* packets wait for it */
	uint8_t generate;		  /* the policy is to be generated (spec section 19) */
	uint8_t has_ids, has_oa;
	uint8_t busy;	   /* the thread pool has the job */
	uint8_t commit;	   /* the peer set the commit bit */
	uint8_t connected; /* responder: CONNECTED came before message 3 */
	uint8_t digested;  /* digest is that of message 2, which message 3 answers */
	uint8_t digest[32];
	uint8_t told;	  /* a message that does not fit was answered once */
	uint16_t refusal; /* what the peer has said of one of several of ours, 0 = nothing */
	uint32_t mid;
	uint32_t replaces; /* ike_child.pair of the one that this replaces, 0 = none */
	uint64_t asked_ns; /* initiator: message 1 was sent, then how long the answer took */
	uint8_t iv[CIPHER_BLOCK_MAX];
	/* Initiator: of the message 2 that was taken; see quick_second_again(). */
	uint8_t iv2[CIPHER_BLOCK_MAX], hash2[HASH_MAX], again;
	struct ike_policy policy;
	struct phase2_own own;
	char proposal[IKE_NAME_MAX];
	const struct group *group;	 /* PFS; NULL = none */
	struct ike_addr local, remote;	 /* ends of the SAs */
	uint16_t remote_port;		 /* of the peer that it is for; 0: any */
	struct quick_id id[2];		 /* IDci, IDcr */
	uint8_t nonce[2][MSG_NONCE_MAX]; /* Ni_b, Nr_b */
	uint16_t nonce_len[2];
	uint8_t hash3[HASH_MAX]; /* responder: what has to come */
	uint8_t *answer;	 /* responder: bodies of the SA payloads of message 2 */
	uint16_t answer_len[QUICK_SAS_MAX];
	unsigned n;
	struct quick_sa s[QUICK_SAS_MAX];
	struct quick_job *job; /* under way, or holding our private value */
	struct ike1_retry retry;
	struct ike_timer timer;
};

/* --- quick.c --- */
/*
 * Starts a phase 2 for a policy between two ends, waiting for phase 1 where there is none. remote_port 0: any. replaces: see above. acquired: the
 * sadb is told when nothing comes of it. 0 or negative errno; then why was logged.
 */
int quick_initiate(struct ike *k, const struct ike_policy *p, const struct ike_path *ends, int acquired,
		   uint32_t replaces);
/* An initiator's for that policy is under way. */
int quick_under_way(struct ike *k, const struct ike_policy *p);
struct ike1_quick *quick_new(struct ike1 *sa);
/* One of ours begins; it is over, or has failed: when none is left, others begin. */
void quick_going(struct ike1_quick *q);
void quick_gone(struct ike1_quick *q);
/* Ends it. why NULL: without a word; then nothing failed. It is freed. */
void quick_end(struct ike1_quick *q, const char *why);
void quick_end_all(struct ike *k); /* kill: none is left */
/* A peer that has our message 2 or 3 may already send under our SPIs: Deletes tell it that there is nothing behind them. Else nothing. */
void quick_take_back(struct ike1_quick *q);
/* Repeated enough: for ike1_retry.gave_up. */
void quick_gave_up(struct ike1_retry *r);
/* Behind message 3: the outbound SAs (generated policies: all) wait for CONNECTED, but not longer than that. */
void quick_wait_connected(struct ike1_quick *q, uint64_t ns);
/* CONNECTED came, or has been waited for long enough. q may be gone afterwards. */
void quick_connected(struct ike1_quick *q);
/* The one with that message ID, or NULL. */
struct ike1_quick *quick_by_mid(struct ike1 *sa, uint32_t mid);
/* Refuses: one encrypted notification, one log line; ends it. */
void quick_refuse(struct ike1_quick *q, uint16_t notify, const char *why);
void quick_refuse_value(struct ike1_quick *q); /* the peer's public value */
/* hashed_open() refused a message of q, or, q NULL, a message 1: said to the log and to the peer, not again and again. */
void quick_unreadable(struct ike1 *sa, struct ike1_quick *q, const struct ike_path *path, const struct msg_err *bad);
/* What proposal-check, proposal item, policy and NAT say. -ENOENT with *why: no proposal item, AH through NAT. */
int quick_own(struct ike1_quick *q, const struct ike_proposal *prop, const char **why) __must_check;
/* Makes room for g^xy; NULL: no memory. Given back with quick_job_free() or, when it runs, by itself. */
struct quick_job *quick_job_new(struct ike1_quick *q, const struct group *g);
void quick_job_start(struct ike1_quick *q);
void quick_job_free(struct ike1_quick *q);
/* Appends Ni or Nr, KE, IDs, NAT-OA as the role and the state have them. */
void quick_write_rest(struct ike1_quick *q, struct msg_wr *w);
/* Notifications that may stand in a quick mode message; the lifetime is the initiator's. */
void quick_notifies(struct ike1_quick *q, const struct msg *m);

/* --- quick_init.c --- */
void quick_begin(struct ike1_quick *q); /* phase 1 is there */
void quick_init_job_done(struct ike1_quick *q);
void quick_receive_second(struct ike1_quick *q, const struct ike_path *path, struct bytes datagram);
void quick_second_again(struct ike1_quick *q,
			struct bytes datagram); /* behind message 3, not the bytes that were taken */

/* --- quick_resp.c --- */
void quick_receive_first(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h);
void quick_resp_job_done(struct ike1_quick *q);
void quick_receive_third(struct ike1_quick *q, const struct ike_path *path, struct bytes datagram);

/* --- quick_id.c --- */
/* Of a policy, as initiator; 0: both IDs are left out (spec section 17). */
int quick_ids_of_policy(struct ike1_quick *q);
/* Keeps the two IDs of a message, or notes that there are none. -EINVAL: longer than we keep. */
int quick_ids_keep(struct ike1_quick *q, const struct msg *m) __must_check;
/*
 * Selector that the kept IDs mean, seen outbound by us. others: identities that are no addresses mean the ends of phase 1 (spec 19.1). -EINVAL: they
 * mean no prefix, or contradict each other.
 */
int quick_selector(const struct ike1_quick *q, int others, struct xi_selector *sel) __must_check;
/* The two IDs of the answer are those that were sent; none is the same as the IKE addresses. */
int quick_ids_same(const struct ike1_quick *q, const struct msg *m);
void quick_ids_write(const struct ike1_quick *q, struct msg_wr *w);
/* "10.1.202.0/24[any] 10.1.101.0/24[any] proto=any" */
const char *quick_selector_text(const struct xi_selector *s, char *buf, size_t size);

/* Address and length of the prefix that an identity means; the length, or -1: none. */
int quick_id_prefix(const struct quick_id *id, uint8_t *family, struct xi_addr *a);

/* --- quick_say.c: words for the log, in buf, which is returned --- */
/* "quick mode, initiator, message 2" */
const char *quick_at(const struct ike1_quick *q, char *buf, size_t size);
/* The peer says ISAKMP_N_* to what we, the initiator, offered; it says nothing. */
const char *quick_refused_text(const struct ike1_quick *q, unsigned notify, char *buf, size_t size);
const char *quick_unanswered_text(const struct ike1_quick *q, char *buf, size_t size);
/* Which identities quick_selector() and quick_ids_same() do not take, and what of them. */
const char *quick_no_prefixes_text(const struct ike1_quick *q, char *buf, size_t size);
const char *quick_ids_differ_text(const struct ike1_quick *q, const struct msg *m, char *buf, size_t size);

/* --- quick_sa.c --- */
/* Reserves our SPIs for all protocols of s. 0 or negative errno, logged. */
int quick_reserve(struct ike1_quick *q, struct quick_sa *s, uint8_t protos) __must_check;
/* KEYMAT and all else of the SAs; secret: g(qm)^xy or empty. 0 or negative errno. */
int quick_make_bundles(struct ike1_quick *q, struct bytes secret) __must_check;
/* Inbound SAs, then outbound ones, then children. On failure nothing is left installed. */
int quick_install_in(struct ike1_quick *q) __must_check;
int quick_install_out(struct ike1_quick *q) __must_check;
void quick_release(struct ike1_quick *q); /* SPIs, inbound SAs that no child took, keys */

/* --- hashed.c: messages with HASH(1) to HASH(3) in front, of quick mode and informational exchange --- */
struct hashed {
	struct msg m;
	struct bytes hash, rest; /* value of HASH; what stands behind it, up to the padding (RFC 2409 §5.5) */
	struct msg_err bad;	 /* why hashed_open() refused it; what NULL: no HASH in front */
};
/* Decrypts into ike.plain with *iv, which goes on; the first payload is a HASH of the right length. 0 or -EBADMSG, counted. */
int hashed_open(struct ike1 *sa, uint8_t *iv, struct hashed *h, struct bytes datagram) __must_check;
/* Constant-time. */
int hashed_equal(const struct ike1 *sa, const struct hashed *h, const uint8_t *want);
/* Begins a message in ike.out with room for HASH. */
void hashed_begin(struct ike1 *sa, struct msg_wr *w, uint8_t exchange, uint32_t mid);
/* Closes it; *hash is the place of the value, *rest what it is computed over. 0 or negative errno. */
int hashed_end(const struct ike1 *sa, struct msg_wr *w, uint8_t **hash, struct bytes *rest) __must_check;

/* --- info.c --- */
/* INITIAL-CONTACT (spec 20.3) came under sa, authenticated: also called by phase 1. */
void ike1_initial_contact(struct ike1 *sa);
uint8_t ike1_protocol(uint8_t xi_proto); /* enum ipsec_proto of XI_PROTO_* */

/* --- dpd.c --- */
void ike1_dpd_notify(struct ike1 *sa, const struct msg_notify *n);
void ike1_dpd_stop(struct ike1 *sa);

#endif
