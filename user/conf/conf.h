/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration in memory: a list of plain items for each list menu and the settings. One thread, no locks. A command
 * works on a copy (conf_copy) that replaces the original only when everything succeeded.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "bpf/abi/xi_policy.h"
#include "user/conf/props.h"

#define ITEM_DISABLED 0x01 /* computed from `disabled` */
#define ITEM_DYNAMIC 0x02
#define ITEM_INACTIVE 0x04 /* enabled but cannot work; reason says why */
#define ITEM_AH 0x10
#define ITEM_ESP 0x20
#define ITEM_PFS 0x40
#define ITEM_MANUAL 0x80
#define ITEM_ATTACHED 0x100
#define ITEM_EDITED 0x200 /* the command in hand names it */
#define ITEM_PRIVATE 0x800
#define ITEM_RSA 0x1000
#define ITEM_AUTHORITY 0x2000
#define ITEM_CRL 0x4000
#define ITEM_EXPIRED 0x8000
#define ITEM_IDLE                                                                                                      \
	0x10000 /* policy of level use, inactive by itself: as if disabled, it stands before no other one (spec 3.5) */
#define ITEM_WANTED 0x400 /* interface: to be attached by the command in hand */

/* Head of every item. */
struct conf_item {
	uint32_t id;	/* `*7`; never used again */
	uint32_t flags; /* ITEM_* */
	uint64_t given; /* bit per property that the command or script in hand named */
	uint8_t disabled;
	char comment[STRING_MAX];
	char reason[192]; /* with ITEM_INACTIVE */
};

#define GENERATED_ID 0x80000000u /* with the generation of its slot, the id of a generated policy */

struct conf_policy {
	struct conf_item it;
	struct ip_prefix src, dst;
	int64_t src_port, dst_port; /* -1 = any */
	int64_t proto;		    /* -1 = all */
	uint8_t action, level;	    /* XI_ACTION_*, XI_LEVEL_* */
	uint32_t protos;	    /* XI_PROTOS_* */
	uint8_t tunnel;
	struct ip_addr sa_src, sa_dst;
	char proposal[CONF_NAME_MAX];
	char manual_sa[XI_NAME_MAX];
	int64_t priority;
	int64_t tcp_mss; /* XI_MSS_* or bytes */
	/* shown only, filled from the maps */
	uint32_t order; /* of generated ones: place in evaluation order */
	uint8_t ph2_state;
	struct xi_polstat stat;
};

enum { PH2_NONE, PH2_ESTABLISHED, PH2_EXPIRED };

/* Pairs are [0] in, [1] out, which are XI_DIR_IN and XI_DIR_OUT. */
struct conf_msa {
	struct conf_item it;
	char name[XI_NAME_MAX];
	uint8_t ah_alg[2], esp_auth[2], esp_enc[2];
	struct conf_key ah_key[2], esp_auth_key[2], esp_enc_key[2];
	uint32_t ah_spi[2], esp_spi[2];
	int64_t lifetime; /* seconds, 0 = unlimited */
	int64_t replay;	  /* bytes, 0 = off */
	uint8_t unsafe_aead, esn, natt, ah_align8;
	int64_t natt_port;		/* of the peer */
	int64_t lifebytes, lifepackets; /* hard limits, 0 = none */
};

/* Numbers of the words of auth-method, exchange-mode, proposal-check and generate-policy. */
enum { PEER_PSK, PEER_RSA_SIGNATURE, PEER_RSA_KEY };
enum { PEER_MAIN, PEER_MAIN_L2TP, PEER_AGGRESSIVE, PEER_BASE };
enum { PEER_CLAIM, PEER_EXACT, PEER_OBEY, PEER_STRICT };
enum { PEER_GENERATE_NO, PEER_GENERATE_YES, PEER_GENERATE_PORT_STRICT };

struct conf_peer {
	struct conf_item it;
	struct ip_prefix address;
	int64_t port;	     /* 0 means 500 */
	uint8_t auth_method; /* PEER_PSK ... */
	char secret[STRING_MAX];
	char certificate[CONF_NAME_MAX], remote_certificate[CONF_NAME_MAX];
	char key[CONF_NAME_MAX], remote_key[CONF_NAME_MAX];
	uint8_t generate_policy, exchange_mode; /* PEER_GENERATE_NO ..., PEER_MAIN ... */
	uint8_t send_initial_contact, nat_traversal;
	char my_id_user_fqdn[128];
	uint8_t proposal_check;	  /* PEER_CLAIM ... */
	uint8_t hash, enc, group; /* words of the property: conf_peer_hash() and so on */
	int64_t lifetime;	  /* seconds */
	int64_t lifebytes;	  /* 0 = no limit */
	int64_t dpd_interval;	  /* seconds; 0 = disable-dpd */
	int64_t dpd_failures;
};

/* key and certificate: filled from the files, never stored in the configuration. */
struct conf_rsa_key {
	struct conf_item it;
	char name[CONF_NAME_MAX];
	char key_size[16]; /* "1024-bit" */
	uint8_t private_key, rsa;
};

struct conf_cert {
	struct conf_item it;
	char name[CONF_NAME_MAX];
	char subject[STRING_MAX], issuer[STRING_MAX], serial[64];
	int64_t from, to; /* seconds since 1970; -1 = not given */
	uint8_t trusted;
	char alt_name[STRING_MAX], fingerprint[72], key_size[16];
};

/* remote-peers: filled by xdp-iked, never stored. */
struct conf_remote_peer {
	struct conf_item it;
	struct ip_addr local, remote;
	char state[24], side[16], exchange_mode[16];
	int64_t established, expires_in; /* -1 = not */
	int64_t local_port, remote_port, ph2_total, dpd_failures;
	uint8_t natt;
	char id[128];
};

#define PROPOSAL_BUILTIN "default" /* always there, never renamed or removed */

struct conf_proposal {
	struct conf_item it;
	char name[CONF_NAME_MAX];
	uint32_t auth, enc; /* bit per word of the property: conf_proposal_algs() */
	int64_t lifetime;   /* seconds */
	uint8_t pfs;	    /* word of the property: conf_proposal_pfs() */
	uint8_t yields;	    /* XI_PROTOS_* that it has a transform for; judge_templates() */
};

struct conf_settings {
	struct conf_item it;
	int64_t max_sas, max_policies;
};

struct conf_if {
	struct conf_item it;
	char name[16];
	uint8_t mode; /* 0 native, 1 generic */
	bool firewall;
	int64_t queues; /* 0 = auto */
	/* shown only */
	uint8_t state, zero_copy;
	int64_t served, sockets, xdp_program;
	char refused[200]; /* why xdp-ipsecd does not serve it */
};

enum { IF_NOT_ATTACHED, IF_NO_DAEMON, IF_PARTLY, IF_RUNNING };
enum { ZC_NONE, ZC_PARTLY, ZC_ALL };

/* installed-sa: filled from the maps, never stored. */
struct conf_sa {
	struct conf_item it;
	uint32_t spi;
	struct ip_endpoint src, dst;
	char auth_alg[16], enc_alg[16];
	int64_t replay;
	uint8_t state; /* enum xi_sa_state - 1 */
	struct conf_key auth_key, enc_key;
	int64_t addtime, expires_in;
	int64_t add_lifetime[2];
	int64_t usetime, last_use;
	int64_t use_lifetime[2];
	uint64_t bytes;
	uint64_t lifebytes[2];
	uint8_t direction, mode;
	uint8_t natt, esn;
	int64_t mtu, path_mtu; /* of inner packets; of the path, learned. 0 = unknown, -1 = of no concern */
	uint64_t reqid, packets, seq;
	uint64_t lifepackets[2];
	char policy[64];
	int64_t enc_key_size; /* bits */
	char offload[16];
	uint64_t err_icv, err_replay, err_other;
};

struct conf_statistics {
	struct conf_item it;
	uint64_t count[25];
};

/* algorithms: filled from the algorithm table and the crypto engines of this machine, never stored. */
struct conf_alg {
	struct conf_item it;
	char name[32], engine[16], failed[16], key[32], level[16], rfc[16];
	uint8_t kind, status;	      /* ALG_KIND_*, ALG_STATUS_* */
	int64_t salt, iv, block, icv; /* bytes */
	int64_t ike1, ike2;	      /* -1 = none */
};

enum { ALG_KIND_CIPHER, ALG_KIND_AEAD, ALG_KIND_AUTH, ALG_KIND_AH };
enum { ALG_STATUS_OK, ALG_STATUS_DISABLED };

struct conf_list {
	struct conf_item **item;
	unsigned count, room;
	uint32_t last_id;
	struct conf_names *names; /* conf.c's own */
};

struct conf {
	struct conf_list list[MENU_MAX];
	bool creds; /* key and certificate are filled: references to them are checked */
	struct conf_settings settings;
};

void conf_init(struct conf *c);				  /* empty, settings at their defaults */
void conf_free(struct conf *c);				  /* wipes keys */
void conf_copy(struct conf *to, const struct conf *from); /* `to` is overwritten, not freed */

/* An item with nothing but defaults, to compare with. */
const struct conf_item *conf_item_defaults(enum menu_id menu);
/* A new item with defaults, not in the list yet; id 0. */
struct conf_item *conf_item_new(enum menu_id menu) __must_check;
void conf_item_free(enum menu_id menu, struct conf_item *it);

/* Puts it in front of index `at` (count = at the end). it->id 0 gets a fresh one. */
void conf_insert(struct conf *c, enum menu_id menu, struct conf_item *it, unsigned at);
/* Takes it out of the list and frees it. */
void conf_remove(struct conf *c, enum menu_id menu, unsigned index);
void conf_move(struct conf *c, enum menu_id menu, unsigned from, unsigned before);

int conf_index_of_id(const struct conf *c, enum menu_id menu, uint32_t id);	   /* -1 none */
int conf_index_of_name(const struct conf *c, enum menu_id menu, const char *name); /* -1 none */
/* To be said by who wrote another name into a template that is in the list. */
void conf_renamed(struct conf *c, enum menu_id menu);

/* Where each id of a list stands: for who looks up many. Valid until the list changes. */
struct conf_place {
	uint32_t id;
	unsigned index;
};

struct conf_places {
	struct conf_place *place; /* sorted by id */
	unsigned count;
};

void conf_places_make(struct conf_places *p, const struct conf_list *l);
int conf_places_find(const struct conf_places *p, uint32_t id); /* the index, -1 none */
void conf_places_free(struct conf_places *p);

/* The `name` property of an item, NULL in menus without one. */
const char *conf_name(enum menu_id menu, const struct conf_item *it);

/* ITEM_* with ITEM_DISABLED worked out. */
unsigned conf_flags(const struct conf_item *it);

/* Do all settable properties of the two have the same value? */
bool conf_item_same(enum menu_id menu, const struct conf_item *a, const struct conf_item *b);
/* Equal for items that are the same. */
uint64_t conf_item_hash(enum menu_id menu, const struct conf_item *it);
bool conf_menu_same(const struct conf *a, const struct conf *b, enum menu_id menu);
bool conf_same(const struct conf *a, const struct conf *b); /* what is stored: items, their ids and order, settings */

/*
 * Rules across the properties of one item and between items (spec 6.4, 8, 9): what is refused, E-FAIL, E-ENUM, duplicate
 * names. Called after each change of an item; what is accepted but cannot work is judged by plan_build().
 */
int conf_check(const struct conf *c, enum menu_id menu, const struct conf_item *it, struct conf_err *e) __must_check;

/* Is it an item that is always there: the proposal `default`? */
bool conf_is_builtin(enum menu_id menu, const struct conf_item *it);

/* --- proposal.c: what peer and proposal items mean --- */

/* Words of hash-algorithm, enc-algorithm, dh-group, and of pfs-group ("none"). */
const char *conf_peer_hash(const struct conf_peer *p);
const char *conf_peer_enc(const struct conf_peer *p);
const char *conf_peer_group(const struct conf_peer *p);
const char *conf_proposal_pfs(const struct conf_proposal *p);

/* The pre-shared key: bytes of a secret that begins with 0x, else its characters. Their number; the caller wipes out[STRING_MAX]. */
unsigned conf_peer_secret(const struct conf_peer *p, uint8_t *out);

#define PROPOSAL_ALGS_MAX 32

/* The algorithms of a kind that the proposal allows, strongest first (spec section 8). Their number. */
unsigned conf_proposal_algs(const struct conf_proposal *p, enum alg_kind kind,
			    const struct alg *out[PROPOSAL_ALGS_MAX]);

/* May the two go together in ESP? Not null with null, AEAD with null only, counter mode not with null (RFC 3686 §2.1). */
bool conf_proposal_pair(const struct alg *enc, const struct alg *auth);

/* Does it yield a transform for XI_PROTO_*? */
bool conf_proposal_offers(const struct conf_proposal *p, unsigned proto);

/*
 * Values of the item (menu peer or proposal) that are weak by today's measure (RFC 8221, RFC 8247, spec sections 24.5, 28), as
 * "name=value, ..."; how many.
 */
unsigned conf_weak(enum menu_id menu, const struct conf_item *it, char *buf, size_t size);

#define CONF_ITEM(type, list, i) ((struct type *)(list)->item[i])

#endif
