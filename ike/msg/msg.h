/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISAKMP messages of IKEv1 (RFC 2407, 2408, 2409, 3706, 3947; spec sections 16, 17, 24.2, 25): bytes to a plain struct and back. A
 * message is parsed whole, with every length checked, before anybody looks at it. The struct points into the message and owns
 * nothing. No state, no allocation; any thread. All numbers are in host byte order.
 */
#ifndef IKE_MSG_MSG_H
#define IKE_MSG_MSG_H

#include "ike/msg/cursor.h"
#include "ike/msg/num.h"

/* What a message may hold. More is refused, whoever sends it. */
#define MSG_PAYLOADS_MAX 40
#define MSG_PROPOSALS_MAX 32
#define MSG_TRANSFORMS_MAX 256
#define MSG_ATTRS_MAX 16 /* of one transform */
#define MSG_NONCE_MIN 8	 /* RFC 2409 §5 */
#define MSG_NONCE_MAX 256

/* Octets behind the last payload of a message in clear: some peers fill up to 4. Behind encrypted ones stands padding of any length. */
#define MSG_CLEAR_TAIL_MAX 3

struct msg_hdr {
	uint8_t icookie[8];
	uint8_t rcookie[8];
	uint8_t next; /* enum isakmp_payload */
	uint8_t version;
	uint8_t exchange; /* enum isakmp_exchange */
	uint8_t flags;	  /* enum isakmp_flag */
	uint32_t message_id;
	uint32_t len; /* whole message */
};

struct msg_attr {
	uint16_t type;	   /* without the format bit */
	uint8_t basic;	   /* 1: TV, the value stands in two bytes; 0: TLV */
	uint8_t number;	   /* 1: value holds it; 0: longer than 4 bytes, see data */
	uint32_t value;	   /* of TV, and of TLV of 1 to 4 bytes */
	struct bytes data; /* of TLV: 1 byte or more; of TV: the two bytes */
};

struct msg_transform {
	uint8_t number;
	uint8_t id;	    /* KEY_IKE, or the ESP or AH transform */
	struct bytes attrs; /* sound: msg_attr_next() meets no error */
};

struct msg_proposal {
	uint8_t number;
	uint8_t protocol;		  /* enum ipsec_proto */
	struct bytes spi;		  /* may be empty in phase 1; 4 bytes for ESP and AH */
	uint16_t transform, n_transforms; /* in msg.transform */
};

struct msg_sa {
	uint32_t doi;
	uint32_t situation;
	uint16_t proposal, n_proposals; /* in msg.proposal */
};

struct msg_id {
	uint8_t type; /* enum ipsec_id */
	uint8_t protocol;
	uint16_t port;
	struct bytes data; /* of the length that the type has; names: 1 byte or more, without terminator */
};

struct msg_cert {
	uint8_t encoding;  /* enum isakmp_cert */
	struct bytes data; /* of a CR possibly empty */
};

struct msg_notify {
	uint32_t doi;
	uint8_t protocol;
	uint16_t type; /* enum isakmp_notify */
	struct bytes spi;
	struct bytes data;
};

struct msg_delete {
	uint32_t doi;
	uint8_t protocol;
	uint8_t spi_size;
	uint16_t n_spis;
	struct bytes spis; /* n_spis times spi_size bytes */
};

struct msg_nat_oa {
	uint8_t id_type;   /* IPSEC_ID_IPV4 or IPSEC_ID_IPV6 */
	struct bytes addr; /* 4 or 16 bytes */
};

struct msg_fragment {
	uint16_t id;
	uint8_t number; /* 1.. */
	uint8_t last;	/* flags: bit 0 */
	struct bytes data;
};

struct msg_payload {
	uint8_t type;	    /* enum isakmp_payload, or one that we do not know */
	struct bytes whole; /* with the generic header: what HASH(1) and HASH(2) are computed over */
	struct bytes body;  /* without it: SAi_b, IDii_b, Ni_b, g^xi of RFC 2409 §5 */
	union {		    /* by type; the others (KE, HASH, SIG, nonce, VID, NAT-D, unknown) are their body */
		struct msg_sa sa;
		struct msg_id id;
		struct msg_cert cert; /* CERT and CR */
		struct msg_notify notify;
		struct msg_delete del;
		struct msg_nat_oa nat_oa;
		struct msg_fragment fragment;
	};
};

struct msg {
	struct msg_hdr hdr;
	struct bytes cipher; /* encrypted: all behind the header; there are no payloads then */
	unsigned n_payloads, n_proposals, n_transforms;
	struct bytes tail; /* behind the last payload: padding */
	struct msg_payload payload[MSG_PAYLOADS_MAX];
	struct msg_proposal proposal[MSG_PROPOSALS_MAX];
	struct msg_transform transform[MSG_TRANSFORMS_MAX];
};

/* Why a message is refused. */
struct msg_err {
	uint8_t payload;  /* type of the payload; 0: the header */
	uint8_t index;	  /* its place in the message, from 0 */
	uint16_t notify;  /* enum isakmp_notify that says so to a peer who may be answered */
	const char *what; /* static: "reserved octet is not 0" */
};

/* "payload 3 (ID): reserved octet is not 0"; returns buf. */
const char *msg_err_text(const struct msg_err *e, char *buf, size_t size);
const char *msg_payload_name(unsigned type); /* "NONCE"; "unknown" */
const char *msg_notify_name(unsigned type);  /* "NO-PROPOSAL-CHOSEN"; "unknown" */

/*
 * The header alone: cookies, version 1.x, flags, and a length that is that of the datagram (without non-ESP marker).
 * 0 or -EBADMSG with *e set. The exchange type is not judged.
 */
int msg_hdr_parse(struct msg_hdr *h, struct bytes datagram, struct msg_err *e) __must_check;

/* A whole datagram. Encrypted: header and m->cipher only, go on with msg_payloads_parse(). 0 or -EBADMSG with *e set. */
int msg_parse(struct msg *m, struct bytes datagram, struct msg_err *e) __must_check;

/*
 * The chain of payloads in decrypted bytes, the first of which has the type m->hdr.next; m was filled by msg_parse(). What is behind
 * the last payload is padding and not looked at (spec section 16.6). 0 or -EBADMSG with *e set; m then has no payloads.
 */
int msg_payloads_parse(struct msg *m, struct bytes plain, struct msg_err *e) __must_check;

/* The n-th payload (from 0) of a type, or NULL. */
const struct msg_payload *msg_find(const struct msg *m, unsigned type, unsigned n);

/* 1 and the next attribute; 0 at the end or when the rest is not sound. Start with rd_of(transform.attrs). */
int msg_attr_next(struct rd *r, struct msg_attr *a);

/* --- Vendor IDs, spec section 24.3 --- */
enum msg_vid {
	MSG_VID_UNKNOWN,
	MSG_VID_NAT_T_RFC3947,
	MSG_VID_NAT_T_03,
	MSG_VID_NAT_T_02N, /* hashed with a newline behind the name */
	MSG_VID_NAT_T_02,
	MSG_VID_NAT_T_00,
	MSG_VID_DPD,
	MSG_VID_FRAGMENTATION, /* a 4-byte capability may follow */
	MSG_VID_KAME,
	MSG_VID_IPSEC_TOOLS,
	MSG_VID_COUNT
};
enum msg_vid msg_vid_of(struct bytes body); /* by prefix: peers append versions */
struct bytes msg_vid_bytes(enum msg_vid v); /* without capability; empty for unknown */
const char *msg_vid_name(enum msg_vid v);   /* "RFC 3947" */

/*
 * --- Writing ---
 * msg_wr_begin, then payload after payload, then msg_wr_end. Each payload is one call, except SA: msg_wr_sa, then for each
 * proposal msg_wr_proposal and its transforms (msg_wr_transform, attributes). Errors stick (w->wr.err) and msg_wr_end returns them.
 */
struct msg_wr {
	struct wr wr;
	size_t next_at;		  /* where the type of the next payload belongs */
	size_t open_at;		  /* open payload, 0: none */
	size_t prop_at, trans_at; /* open proposal and transform, 0: none */
};

/* h->next and h->len are not used. buf is the caller's and receives header and payloads. */
void msg_wr_begin(struct msg_wr *w, uint8_t *buf, size_t size, const struct msg_hdr *h);
/* Closes what is open and fills in the length. The message's length, or -ENOSPC, or -EMSGSIZE: a length did not fit its field. */
int msg_wr_end(struct msg_wr *w) __must_check;

void msg_wr_raw(struct msg_wr *w, unsigned type, struct bytes body); /* KE, HASH, SIG, nonce, VID, NAT-D, unknown */
void msg_wr_sa(struct msg_wr *w, uint32_t doi, uint32_t situation);
void msg_wr_proposal(struct msg_wr *w, uint8_t number, uint8_t protocol, struct bytes spi);
void msg_wr_transform(struct msg_wr *w, uint8_t number, uint8_t id);
void msg_wr_attr(struct msg_wr *w, const struct msg_attr *a);		  /* as it was parsed */
void msg_wr_attr_number(struct msg_wr *w, uint16_t type, uint32_t value); /* TV, above 65535 TLV of 4 bytes */
void msg_wr_id(struct msg_wr *w, const struct msg_id *id);
void msg_wr_cert(struct msg_wr *w, unsigned type, const struct msg_cert *c); /* CERT or CR */
void msg_wr_notify(struct msg_wr *w, const struct msg_notify *n);
void msg_wr_delete(struct msg_wr *w, const struct msg_delete *d);
void msg_wr_nat_oa(struct msg_wr *w, unsigned type, const struct msg_nat_oa *oa); /* type: RFC or draft */
void msg_wr_fragment(struct msg_wr *w, const struct msg_fragment *f);
/* A payload that was parsed, byte for byte, from its plain struct (not from payload->whole). */
void msg_wr_payload(struct msg_wr *w, const struct msg *m, const struct msg_payload *p);

#endif
