/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains of hash tables, embedded in what they hold: in and out in constant time. A zeroed link is in no chain. */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include "user/base/util.h"

struct chain {
	struct chain *next, **pprev; /* pprev NULL: in none */
};

/* What the link is in. */
#define CHAIN_OF(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

static inline void chain_add(struct chain **head, struct chain *c)
{
	c->next = *head;
	c->pprev = head;
	if (c->next)
		c->next->pprev = &c->next;
	*head = c;
}

static inline void chain_remove(struct chain *c)
{
	if (!c->pprev)
		return;
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	*c = (struct chain){0};
}

#endif
