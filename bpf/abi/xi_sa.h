/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One SA is one plain struct: xi_sa is written once by its owner (the CLI for manual SAs, xdp-iked for others)
 * before publication and constant from then on, but for `state`; xi_sa_rt and xi_replay belong to the workers.
 *
 * Publishing: fill the slot, store-release gen, insert the SPI entry, point the policy at it. Removal in reverse:
 * policy, SPI entry, state DEAD, gen 0, wipe. A reference is (slot, gen), never a slot alone.
 */
#ifndef XI_SA_H
#define XI_SA_H

#include "bpf/abi/xi_abi.h"

#define XI_PROTO_ESP 50
#define XI_PROTO_AH 51

#define XI_MODE_TRANSPORT 0
#define XI_MODE_TUNNEL 1

/* Spec section 14.1; dying and dead by a limit are computed by whoever asks (sad_state_rt in user/maps). */
enum xi_sa_state { XI_SA_LARVAL = 1, XI_SA_MATURE = 2, XI_SA_DYING = 3, XI_SA_DEAD = 4 };

#define XI_SA_F_MANUAL 0x01    /* from a manual-sa template */
#define XI_SA_F_ESN 0x02       /* 64-bit sequence numbers (RFC 4303 §2.2.1, RFC 4302 §2.5.1) */
#define XI_SA_F_UDP 0x04       /* ESP in UDP (RFC 3948); ports below */
#define XI_SA_F_KEEPALIVE 0x08 /* outbound, with UDP: this end sends the NAT keep-alives */
#define XI_SA_F_PFS 0x10       /* made with PFS; shown */
#define XI_SA_F_INITIATOR 0x40 /* by IKE: this end started the phase 2 that made it */
#define XI_SA_F_AH_ALIGN8 0x20 /* AH over IPv4 outbound: header a multiple of 8 bytes, as Linux makes it by default */

#define XI_ENC_KEY_MAX 72 /* with salt */
#define XI_AUTH_KEY_MAX 64

struct xi_sa {
	__u32 gen;     /* 0 = free; written last, store-release */
	__u8 state;    /* enum xi_sa_state */
	__u8 dir;      /* XI_DIR_* */
	__u8 proto;    /* XI_PROTO_* */
	__u8 mode;     /* XI_MODE_* */
	__u8 family;   /* of src and dst: XI_IP4, XI_IP6 */
	__u8 flags;    /* XI_SA_F_* */
	__u8 enc_alg;  /* enum xi_enc */
	__u8 auth_alg; /* enum xi_auth */
	__be32 spi;
	struct xi_addr src; /* endpoints = outer addresses; inbound: dst is ours */
	struct xi_addr dst;
	__u32 replay_window; /* packets; 0 = off; a multiple of 32, at most XI_REPLAY_WINDOW_MAX */
	__u32 reqid;	     /* 0 = shared */
	__u16 enc_key_len;   /* bytes, with salt */
	__u16 auth_key_len;  /* bytes */
	__u32 pad0;
	__u64 add_ns;	/* CLOCK_BOOTTIME at installation */
	__u64 add_wall; /* seconds since 1970 at installation, to be shown only */
	__u64 soft_ns;	/* lifetime from add_ns; 0 = unlimited */
	__u64 hard_ns;
	__u64 soft_bytes; /* 0 = unlimited */
	__u64 hard_bytes;
	__u64 soft_packets; /* 0 = unlimited */
	__u64 hard_packets;
	struct xi_selector
		sel;	  /* what may pass (RFC 4301 §4.4.2.1), seen outbound; family 0 = anything the policy lets */
	__be16 udp_local; /* with XI_SA_F_UDP: our port and the peer's */
	__be16 udp_remote;
	__u32 pair; /* by IKE: number that the SAs of one phase 2 share, both ways and AH with ESP; 0 = none */
	char owner[XI_NAME_MAX]; /* manual SAs: name of the template */
	__u8 enc_key[XI_ENC_KEY_MAX];
	__u8 auth_key[XI_AUTH_KEY_MAX];
	__u8 res[160];
};

/* Written by workers. Two cache lines; nothing of xi_sa shares them. */
struct xi_sa_rt {
	__u64 seq_out; /* last sequence number given out; reserved with one atomic add per burst */
	__u64 seq_top; /* highest number received, under lock */
	__u32 lock;    /* spinlock of seq_top and of the xi_replay slot; 0 = free */
	__u32 engine;  /* enum xi_engine that the workers chose for the keys, 0 = not used yet */
	__u64 bytes;   /* behind the SA's header, outbound before encapsulation, inbound after (spec 14.2) */
	__u64 packets;
	__u64 first_ns; /* CLOCK_BOOTTIME of first and last use; 0 = unused */
	__u64 last_ns;
	__u64 err_icv;	  /* packets dropped: ICV or padding wrong */
	__u64 err_replay; /* duplicate or left of the window */
	__u64 err_other;
	__u64 pmtu_ns;	  /* CLOCK_BOOTTIME when pmtu was learned */
	__u32 pmtu;	  /* outbound: path MTU from ICMP, 0 = none (RFC 1191, RFC 8201); good for XI_PMTU_TTL_NS */
	__be16 seen_port; /* inbound with UDP: source of the newest authentic packet that did not come from the SA's */
	__u8 said;	  /* XI_SAID_*: reported already; writer: main thread of xdp-ipsecd */
	__u8 pad;
	struct xi_addr seen; /* peer address and port above; port 0 = never */
	__u32 spent;	     /* generation of the SA that has refused a packet for its hard limit of bytes or packets */
	__u8 res[12];
};

#define XI_PMTU_TTL_NS 600000000000ull /* RFC 1191 §6.3: 10 minutes */

#define XI_SAID_SOFT 0x01     /* soft limit of time, bytes or packets */
#define XI_SAID_HARD 0x02     /* hard limit */
#define XI_SAID_SEQUENCE 0x04 /* half of the sequence space is used (spec 14.2) */

enum xi_engine { XI_ENGINE_NONE = 0, XI_ENGINE_IPSEC_MB = 1, XI_ENGINE_OPENSSL = 2, XI_ENGINE_NETTLE = 3 };

#define XI_REPLAY_WINDOW_MAX 65536
#define XI_REPLAY_WORDS (XI_REPLAY_WINDOW_MAX / 64 + 1) /* RFC 6479: one block more than the window */

struct xi_replay {
	__u64 word[XI_REPLAY_WORDS + 7]; /* a multiple of 64 bytes */
};

_Static_assert(sizeof(struct xi_sa) == 512, "abi");
_Static_assert(sizeof(struct xi_sa_rt) == 128, "abi");
_Static_assert(sizeof(struct xi_replay) == 8256, "abi");

#endif
