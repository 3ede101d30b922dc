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

/* Spec section 14.1; dying and dead by time are computed by whoever asks (sad_state in user/maps). */
enum xi_sa_state { XI_SA_LARVAL = 1, XI_SA_MATURE = 2, XI_SA_DYING = 3, XI_SA_DEAD = 4 };

#define XI_SA_F_MANUAL 0x01 /* from a manual-sa template */

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
	char owner[XI_NAME_MAX]; /* manual SAs: name of the template */
	__u8 enc_key[XI_ENC_KEY_MAX];
	__u8 auth_key[XI_AUTH_KEY_MAX];
	__u8 res[232];
};

/* Written by workers. Two cache lines; nothing of xi_sa shares them. */
struct xi_sa_rt {
	__u64 seq_out; /* last sequence number given out; reserved with one atomic add per burst */
	__u64 seq_top; /* highest number received, under lock */
	__u32 lock;    /* spinlock of seq_top and of the xi_replay slot; 0 = free */
	__u32 engine;  /* enum xi_engine that the workers chose for the keys, 0 = not used yet */
	__u64 bytes;   /* payload bytes: outbound before encapsulation, inbound after (spec 14.2) */
	__u64 packets;
	__u64 first_ns; /* CLOCK_BOOTTIME of first and last use; 0 = unused */
	__u64 last_ns;
	__u64 err_icv;	  /* packets dropped: ICV or padding wrong */
	__u64 err_replay; /* duplicate or left of the window */
	__u64 err_other;
	__u8 res[48];
};

enum xi_engine { XI_ENGINE_NONE = 0, XI_ENGINE_IPSEC_MB = 1, XI_ENGINE_OPENSSL = 2 };

#define XI_REPLAY_WINDOW_MAX 65536
#define XI_REPLAY_WORDS (XI_REPLAY_WINDOW_MAX / 64 + 1) /* RFC 6479: one block more than the window */

struct xi_replay {
	__u64 word[XI_REPLAY_WORDS + 7]; /* a multiple of 64 bytes */
};

_Static_assert(sizeof(struct xi_sa) == 512, "abi");
_Static_assert(sizeof(struct xi_sa_rt) == 128, "abi");
_Static_assert(sizeof(struct xi_replay) == 8256, "abi");

#endif
