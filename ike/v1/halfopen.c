/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounds on what strangers can make us keep (spec section 22): half-open responders, 64 of a source prefix, 2048 of peers that have not shown their address
 * and as many of those that have. Beyond that the oldest of its kind makes room: under a flood from spoofed addresses a real peer's
 * stays for as long as 2048 others need to come, and it is out of their reach with its second message. Within a prefix, too, the oldest that has not shown
 * its address makes room (departs: spec section 22 ignores the new one): 64 datagrams in 50 s with the addresses of a peer's neighbours would keep it out.
 * When all have, it is the oldest whose proof was refused: one neighbour with 64 bad certificates would do the same.
 */
#include "ike/v1/phase1.h"

#define PREFIX_MAX 64
#define KIND_MAX 2048

void ike1_halfopen_init(struct ike *k)
{
	for (unsigned i = 0; i < ARRAY_SIZE(k->halfopen); i++)
		k->halfopen[i].last = &k->halfopen[i].first;
}

int ike1_halfopen_may(struct ike *k, const struct ike_addr *remote)
{
	struct ike1 *oldest = NULL;
	unsigned n = 0;

	for (const struct chain *l = *ike1_prefix(k, remote); l; l = l->next) {
		struct ike1 *sa = CHAIN_OF(l, struct ike1, by_prefix);

		if (!ike1_same_prefix(&sa->path.remote.a, remote))
			continue;
		n++;
		/* the newest stands first */
		if (!sa->hs->proven || (sa->hs->told && (!oldest || oldest->hs->proven)))
			oldest = sa;
	}
	if (n < PREFIX_MAX)
		return 1;
	k->count[IKE_COUNT_HALF_OPEN]++;
	if (oldest)
		ike1_drop(oldest, 0, NULL);
	return oldest != NULL;
}

void ike1_halfopen_remove(struct ike1 *sa)
{
	struct ike1_halfopen *h = sa->hs ? &sa->ike->halfopen[sa->hs->proven] : NULL;

	if (!h || !sa->half_pprev)
		return;
	*sa->half_pprev = sa->half_next;
	if (sa->half_next)
		sa->half_next->half_pprev = sa->half_pprev;
	else
		h->last = sa->half_pprev;
	h->count--;
	chain_remove(&sa->by_prefix);
	sa->half_next = NULL;
	sa->half_pprev = NULL;
}

void ike1_halfopen_add(struct ike1 *sa, int proven)
{
	struct ike1_halfopen *h = &sa->ike->halfopen[proven];

	ike1_halfopen_remove(sa);
	if (h->count >= KIND_MAX) {
		sa->ike->count[IKE_COUNT_HALF_OPEN]++;
		ike1_drop(h->first, 0, NULL);
	}
	sa->hs->proven = (uint8_t)proven;
	sa->half_pprev = h->last;
	*h->last = sa;
	h->last = &sa->half_next;
	h->count++;
	chain_add(ike1_prefix(sa->ike, &sa->path.remote.a), &sa->by_prefix);
}
