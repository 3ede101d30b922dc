/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "ike/core/engine.h"

struct contact {
	struct chain link;
	struct ike_addr remote;
};

static unsigned bucket(const struct ike *k, const struct ike_addr *remote)
{
	_Static_assert(IKE_CONTACT_BUCKETS == 1 << 10, "bits");
	return hash_end(ike_addr_hash(k, remote), 10);
}

static struct contact *find(const struct ike *k, const struct ike_addr *remote)
{
	for (struct chain *l = k->contacted[bucket(k, remote)]; l; l = l->next) {
		struct contact *c = CHAIN_OF(l, struct contact, link);

		if (ike_addr_eq(&c->remote, remote))
			return c;
	}
	return NULL;
}

int contact_known(const struct ike *k, const struct ike_addr *remote)
{
	return find(k, remote) != NULL;
}

static void forget(struct contact *c)
{
	chain_remove(&c->link);
	free(c);
}

int contact_add(struct ike *k, const struct ike_addr *remote)
{
	struct contact *c = find(k, remote);

	if (c || !(c = calloc(1, sizeof(*c))))
		return 1;
	c->remote = *remote;
	chain_add(&k->contacted[bucket(k, remote)], &c->link);
	return 0;
}

void contact_forget(struct ike *k, const struct ike_addr *remote)
{
	struct contact *c = find(k, remote);

	if (c)
		forget(c);
}

void contact_forget_all(struct ike *k)
{
	for (unsigned i = 0; i < IKE_CONTACT_BUCKETS; i++)
		while (k->contacted[i])
			forget(CHAIN_OF(k->contacted[i], struct contact, link));
}
