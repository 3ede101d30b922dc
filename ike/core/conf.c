/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/core/conf.h"

static int inside(const struct ike_peer *p, const struct ike_addr *a)
{
	unsigned bits = p->addr_len, word = 0;

	if (p->addr.family != a->family)
		return 0;
	for (; bits >= 32; bits -= 32, word++)
		if (p->addr.addr.w[word] != a->addr.w[word])
			return 0;
	return !bits ||
	       !((__builtin_bswap32(p->addr.addr.w[word]) ^ __builtin_bswap32(a->addr.w[word])) >> (32 - bits));
}

const struct ike_peer *ike_conf_peer(const struct ike_conf *c, const struct ike_addr *remote)
{
	const struct ike_peer *best = NULL;

	for (unsigned i = 0; i < c->n_peers; i++) {
		const struct ike_peer *p = &c->peer[i];

		if (inside(p, remote) && (!best || p->addr_len > best->addr_len))
			best = p;
	}
	return best;
}

const struct ike_proposal *ike_conf_proposal(const struct ike_conf *c, const char *name)
{
	for (unsigned i = 0; i < c->n_proposals; i++)
		if (!strcmp(c->proposal[i].name, name))
			return &c->proposal[i];
	return NULL;
}

static int by_id(const void *key, const void *item)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct ike_policy_ref *)item)->id;

	return a < b ? -1 : a > b;
}

const struct ike_proposal *ike_conf_policy_proposal(const struct ike_conf *c, uint32_t policy_id)
{
	const struct ike_policy_ref *ref;

	if (!policy_id)
		return ike_conf_proposal(c, "default");
	ref = c->n_policies ? bsearch(&policy_id, c->policy, c->n_policies, sizeof(*ref), by_id) : NULL;
	return ref ? ike_conf_proposal(c, ref->proposal) : NULL;
}

void ike_conf_free(struct ike_conf *c)
{
	if (!c)
		return;
	if (c->peer)
		OPENSSL_cleanse(c->peer, c->n_peers * sizeof(*c->peer));
	free(c->peer);
	free(c->proposal);
	free(c->policy);
	cred_free(c->cred);
	free(c);
}
