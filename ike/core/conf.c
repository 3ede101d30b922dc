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

static const struct ike_peer *look_at_each(const struct ike_conf *c, const struct ike_addr *remote)
{
	const struct ike_peer *best = NULL;

	for (unsigned i = 0; i < c->n_peers; i++) {
		const struct ike_peer *p = &c->peer[i];

		if (inside(p, remote) && (!best || p->addr_len > best->addr_len))
			best = p;
	}
	return best;
}

/* --- by prefix: one look for each length that there is --- */
static uint32_t place_of(const struct ike_conf *c, const struct ike_addr *a, unsigned len)
{
	uint64_t h = (uint64_t)a->family << 8 | len;

	for (unsigned word = 0; word < 4 && len > 32 * word; word++) {
		unsigned bits = MIN(len - 32 * word, 32u);

		h = hash_mix(h, __builtin_bswap32(a->addr.w[word]) >> (32 - bits));
	}
	return hash_end(h, 32) & c->prefix_mask;
}

/* The entry of that prefix, or the empty one where it would go. */
static uint32_t *entry_of(const struct ike_conf *c, const struct ike_addr *a, unsigned len)
{
	uint32_t at = place_of(c, a, len);

	for (;; at = (at + 1) & c->prefix_mask) {
		uint32_t item = c->by_prefix[at];

		if (!item || (c->peer[item - 1].addr_len == len && inside(&c->peer[item - 1], a)))
			return &c->by_prefix[at];
	}
}

void ike_conf_index(struct ike_conf *c)
{
	uint8_t have[129] = {0};
	uint32_t size = 16;

	while (size < 2 * c->n_peers)
		size *= 2;
	free(c->by_prefix);
	c->by_prefix = calloc(size, sizeof(*c->by_prefix));
	c->prefix_mask = size - 1;
	c->n_lens = 0;
	for (unsigned i = 0; c->by_prefix && i < c->n_peers; i++) {
		uint32_t *e = entry_of(c, &c->peer[i].addr, c->peer[i].addr_len);

		if (!*e) /* of equal ones the earlier */
			*e = i + 1;
		have[c->peer[i].addr_len] = 1;
	}
	for (unsigned len = 129; len-- > 0;)
		if (have[len])
			c->lens[c->n_lens++] = (uint8_t)len;
}

const struct ike_peer *ike_conf_peer(const struct ike_conf *c, const struct ike_addr *remote)
{
	if (!c->by_prefix)
		return look_at_each(c, remote);
	for (unsigned i = 0; i < c->n_lens; i++) {
		uint32_t item = 0;

		if (remote->family == XI_IP6 || c->lens[i] <= 32)
			item = *entry_of(c, remote, c->lens[i]);
		if (item)
			return &c->peer[item - 1];
	}
	return NULL;
}

int ike_conf_may_move(const struct ike_conf *c, const struct ike_addr *from, const struct ike_addr *to)
{
	const struct ike_peer *p = ike_conf_peer(c, to);

	return p && p == ike_conf_peer(c, from);
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
	free(c->by_prefix);
	cred_free(c->cred);
	free(c);
}
