/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration as the engine reads it: menus peer and proposal (spec sections 4, 8) and which proposal a policy names. Made from the stored
 * configuration by ike/daemon, or by a test. Read-only once the engine has it; the engine frees it.
 */
#ifndef IKE_CORE_CONF_H
#define IKE_CORE_CONF_H

#include "ike/core/env.h"
#include "ike/cred/cred.h"
#include "ike/neg/check.h"
#include "ike/neg/cipher.h"
#include "ike/neg/group.h"
#include "ike/neg/prf.h"
#include "user/crypto/alg.h"

#define IKE_NAME_MAX 64
#define IKE_PSK_MAX 256

enum ike_auth { IKE_AUTH_PSK, IKE_AUTH_RSA_SIGNATURE, IKE_AUTH_RSA_KEY };		 /* auth-method */
enum ike_mode { IKE_MODE_MAIN, IKE_MODE_MAIN_L2TP, IKE_MODE_AGGRESSIVE, IKE_MODE_BASE }; /* exchange-mode */
enum ike_generate { IKE_GENERATE_NO, IKE_GENERATE_YES, IKE_GENERATE_PORT_STRICT };

/* An enabled item of the peer menu. All of it is compared at a reload: a difference drops the phase 1 SAs (spec 4.2). Zero before filling: it is compared by bytes. */
struct ike_peer {
	uint32_t id;
	struct ike_addr addr; /* prefix */
	uint8_t addr_len;
	uint8_t auth;		 /* enum ike_auth */
	uint8_t mode;		 /* enum ike_mode */
	uint8_t generate;	 /* enum ike_generate */
	uint8_t initial_contact; /* send-initial-contact */
	uint8_t natt;		 /* nat-traversal */
	uint8_t check;		 /* enum check_mode */
	uint8_t psk_given;	 /* secret is not empty */
	uint16_t port;		 /* never 0 */
	uint16_t psk_len;
	uint8_t psk[IKE_PSK_MAX]; /* bytes, 0x... already read */
	char certificate[IKE_NAME_MAX], remote_certificate[IKE_NAME_MAX];
	char key[IKE_NAME_MAX], remote_key[IKE_NAME_MAX];
	char my_id[IKE_NAME_MAX * 2]; /* my-id-user-fqdn */
	const struct hash *hash;
	const struct cipher *cipher;
	uint16_t cipher_bits; /* key length attribute, 0 = not sent (DES, 3DES) */
	uint16_t key_len;     /* bytes of the cipher's key */
	const struct group *group;
	uint32_t lifetime_s;
	uint64_t lifebytes;	 /* 0 = no limit */
	uint32_t dpd_interval_s; /* 0 = disable-dpd */
	uint32_t dpd_failures;	 /* dpd-maximum-failures */
};

#define IKE_ALGS_MAX 32

/* An enabled item of the proposal menu. Algorithms stand strongest first (spec section 8). */
struct ike_proposal {
	char name[IKE_NAME_MAX];
	const struct alg *auth[IKE_ALGS_MAX];
	const struct alg *enc[IKE_ALGS_MAX];
	uint8_t n_auth, n_enc;
	uint32_t lifetime_s;
	const struct group *pfs; /* NULL = none */
};

/* Which proposal the policy with that item id names. */
struct ike_policy_ref {
	uint32_t id;
	char proposal[IKE_NAME_MAX];
};

struct ike_conf {
	struct ike_peer *peer;
	struct ike_proposal *proposal;
	struct ike_policy_ref *policy; /* sorted by id */
	unsigned n_peers, n_proposals, n_policies;
	struct cred *cred; /* certificates and public keys */
	/* Made by ike_conf_index(): peers by their prefix, open addressing, item + 1, 0 = empty; and the lengths of prefixes that there are, longest first. */
	uint32_t *by_prefix, prefix_mask;
	uint8_t lens[129];
	unsigned n_lens;
};

/* The engine calls it when it takes the configuration over. Without it, or without memory, ike_conf_peer() looks at each item. */
void ike_conf_index(struct ike_conf *c);

/* The peer for a remote address: longest prefix, of equal ones the earlier (spec 4.1). NULL: none. */
const struct ike_peer *ike_conf_peer(const struct ike_conf *c, const struct ike_addr *remote);
/*
 * May a peer go from one address to the other? Only where the same item is for both: what it has shown to know is the secret of that one (spec 4.1, 21).
 */
int ike_conf_may_move(const struct ike_conf *c, const struct ike_addr *from, const struct ike_addr *to);
/* By name; NULL: not there or disabled. */
const struct ike_proposal *ike_conf_proposal(const struct ike_conf *c, const char *name);
/* Of a policy by its item id; dynamic ones (id 0) have "default". NULL as above. */
const struct ike_proposal *ike_conf_policy_proposal(const struct ike_conf *c, uint32_t policy_id);
void ike_conf_free(struct ike_conf *c); /* wipes secrets; NULL allowed */

#endif
