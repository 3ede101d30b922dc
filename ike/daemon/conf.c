/* SPDX-License-Identifier: BSD-2-Clause */
/* The stored configuration (user/conf) as the engine reads it (ike/core/conf.h). */
#include <errno.h>
#include <stdlib.h>

#include "bpf/abi/xi_alg.h"
#include "ike/daemon/daemon.h"

/* Names of enc-algorithm of a peer, spec sections 4.1 and 24.1; bits 0: the attribute is not sent. */
static const struct {
	const char *name;
	uint16_t id, bits;
} ciphers[] = {
	{"des", IKE1_DES, 0},
	{"3des", IKE1_3DES, 0},
	{"blowfish", IKE1_BLOWFISH, 128},
	{"aes-128", IKE1_AES, 128},
	{"aes-192", IKE1_AES, 192},
	{"aes-256", IKE1_AES, 256},
	{"camellia-128", IKE1_CAMELLIA, 128},
	{"camellia-192", IKE1_CAMELLIA, 192},
	{"camellia-256", IKE1_CAMELLIA, 256},
};

static const struct {
	const char *name;
	uint16_t id;
} hashes[] = {{"md5", IKE1_MD5},
	      {"sha1", IKE1_SHA1},
	      {"sha256", IKE1_SHA256},
	      {"sha384", IKE1_SHA384},
	      {"sha512", IKE1_SHA512}};

static int take_algorithms(struct ike_peer *to, const struct conf_peer *from)
{
	const char *hash = conf_peer_hash(from), *enc = conf_peer_enc(from);
	unsigned key_len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		if (strcmp(hash, hashes[i].name) == 0)
			to->hash = hash_by_ike1(hashes[i].id);
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (strcmp(enc, ciphers[i].name) == 0) {
			to->cipher = cipher_by_ike1(ciphers[i].id, ciphers[i].bits, &key_len);
			to->cipher_bits = ciphers[i].bits;
		}
	to->key_len = (uint16_t)key_len;
	to->group = group_by_name(conf_peer_group(from));
	return to->hash && to->cipher && to->group ? 0 : -EINVAL;
}

static int take_peer(struct ike_peer *to, const struct conf_peer *from)
{
	static const uint8_t check[] = {[PEER_CLAIM] = CHECK_CLAIM,
					[PEER_EXACT] = CHECK_EXACT,
					[PEER_OBEY] = CHECK_OBEY,
					[PEER_STRICT] = CHECK_STRICT};

	memset(to, 0, sizeof(*to)); /* compared by bytes */
	to->id = from->it.id;
	to->addr.family = from->address.family;
	to->addr.addr = from->address.a;
	to->addr_len = from->address.len;
	to->auth = from->auth_method;
	to->mode = from->exchange_mode;
	to->generate = from->generate_policy;
	to->initial_contact = from->send_initial_contact;
	to->natt = from->nat_traversal;
	to->check = check[from->proposal_check];
	to->port = from->port ? (uint16_t)from->port : IKE_PORT; /* spec section 29 */
	to->psk_given = from->secret[0] != '\0';
	to->psk_len = (uint16_t)conf_peer_secret(from, to->psk);
	(void)str_copy(to->certificate, sizeof(to->certificate), from->certificate);
	(void)str_copy(to->remote_certificate, sizeof(to->remote_certificate), from->remote_certificate);
	(void)str_copy(to->key, sizeof(to->key), from->key);
	(void)str_copy(to->remote_key, sizeof(to->remote_key), from->remote_key);
	(void)str_copy(to->my_id, sizeof(to->my_id), from->my_id_user_fqdn);
	to->lifetime_s = (uint32_t)from->lifetime;
	to->lifebytes = (uint64_t)from->lifebytes;
	to->dpd_interval_s = (uint32_t)from->dpd_interval;
	to->dpd_failures = (uint32_t)from->dpd_failures;
	return take_algorithms(to, from);
}

static void take_proposal(struct ike_proposal *to, const struct conf_proposal *from)
{
	memset(to, 0, sizeof(*to));
	(void)str_copy(to->name, sizeof(to->name), from->name);
	to->n_auth = (uint8_t)conf_proposal_algs(from, ALG_AUTH, to->auth);
	to->n_enc = (uint8_t)conf_proposal_algs(from, ALG_ENC, to->enc);
	to->lifetime_s = (uint32_t)from->lifetime;
	to->pfs = group_by_name(conf_proposal_pfs(from)); /* "none" is no group */
}

_Static_assert(IKE_ALGS_MAX == PROPOSAL_ALGS_MAX, "arrays are filled by user/conf");

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct ike_policy_ref *)a)->id, y = ((const struct ike_policy_ref *)b)->id;

	return x < y ? -1 : x > y;
}

/* The three lists. -EINVAL: an algorithm that the menu has and IKE does not, which is a mistake of ours. */
static int fill(struct ike_conf *to, const struct conf *c)
{
	const struct conf_list *peers = &c->list[MENU_PEER], *proposals = &c->list[MENU_PROPOSAL],
			       *policies = &c->list[MENU_POLICY];
	int rc = 0;

	to->peer = calloc(peers->count + 1, sizeof(*to->peer));
	to->proposal = calloc(proposals->count + 1, sizeof(*to->proposal));
	to->policy = calloc(policies->count + 1, sizeof(*to->policy));
	if (!to->peer || !to->proposal || !to->policy)
		return -ENOMEM;
	for (unsigned i = 0; i < peers->count && !rc; i++)
		if (!peers->item[i]->disabled)
			rc = take_peer(&to->peer[to->n_peers++], (const struct conf_peer *)peers->item[i]);
	for (unsigned i = 0; i < proposals->count; i++)
		if (!proposals->item[i]->disabled)
			take_proposal(&to->proposal[to->n_proposals++],
				      (const struct conf_proposal *)proposals->item[i]);
	for (unsigned i = 0; i < policies->count; i++) {
		struct ike_policy_ref *r = &to->policy[to->n_policies++];

		r->id = policies->item[i]->id;
		(void)str_copy(r->proposal, sizeof(r->proposal),
			       ((const struct conf_policy *)policies->item[i])->proposal);
	}
	qsort(to->policy, to->n_policies, sizeof(*to->policy), by_id);
	return rc;
}

/* Spec section 9: inbound SPIs of manual-sa items, ESP and AH. */
static int reserve_manual(struct daemon *d, const struct conf *c)
{
	const struct conf_list *l = &c->list[MENU_MANUAL_SA];
	struct sad_manual *list = calloc(2 * l->count + 1, sizeof(*list));
	unsigned n = 0;
	int rc;

	if (!list)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++) {
		const struct conf_msa *m = (const struct conf_msa *)l->item[i];

		if (m->it.disabled)
			continue;
		list[n++] = (struct sad_manual){XI_PROTO_ESP, m->esp_spi[XI_DIR_IN]};
		list[n++] = (struct sad_manual){XI_PROTO_AH, m->ah_spi[XI_DIR_IN]};
	}
	rc = sad_set_manual(d->sad, list, n);
	free(list);
	return rc;
}

static void take_port_4500(struct daemon *d, const struct ike_conf *c)
{
	for (unsigned i = 0; i < c->n_peers; i++)
		if (c->peer[i].natt)
			__atomic_store_n(&d->maps->meta->natt, 1, __ATOMIC_RELEASE);
}

int conf_make(struct daemon *d, const struct conf *c, int public_fd, struct ike_conf **out, struct err *e)
{
	struct ike_conf *to = calloc(1, sizeof(*to));
	int rc = to ? fill(to, c) : -ENOMEM;

	if (!rc)
		rc = reserve_manual(d, c);
	if (rc)
		(void)err_set(e, rc, "the configuration cannot be used: %s", strerror(-rc));
	if (!rc && public_fd >= 0)
		rc = cred_load(&to->cred, public_fd, e);
	if (rc) {
		ike_conf_free(to);
		return rc;
	}
	take_port_4500(d, to);
	*out = to;
	return 0;
}
