/* SPDX-License-Identifier: BSD-2-Clause */
/* Which policies use which SA, sorted by SA: for who asks for many. */
#include "user/maps/internal.h"

#include <errno.h>
#include <stdlib.h>

static int by_sa(const void *va, const void *vb)
{
	const struct spd_user *a = va, *b = vb;

	if (a->sa != b->sa)
		return a->sa < b->sa ? -1 : 1;
	return a->policy < b->policy ? -1 : a->policy > b->policy;
}

int spd_users_make(struct spd_users *u, const struct maps *m)
{
	uint32_t max = m->meta->spd_max;

	*u = (struct spd_users){.user = calloc((size_t)max * 4 + 1, sizeof(*u->user))};
	if (!u->user)
		return -ENOMEM;
	for (uint32_t s = 0; s < max; s++) {
		struct spd_sas sas = spd_sas_of(&m->spd[s]);
		const uint64_t ref[] = {sas.out, sas.in, sas.out_ah, sas.in_ah};

		for (size_t i = 0; i < ARRAY_SIZE(ref); i++)
			if (ref[i])
				u->user[u->count++] = (struct spd_user){ref[i], s};
	}
	qsort(u->user, u->count, sizeof(*u->user), by_sa);
	return 0;
}

uint32_t spd_users_of(const struct spd_users *u, uint64_t sa)
{
	uint32_t lo = 0, hi = u->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (u->user[mid].sa < sa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void spd_users_replace(struct maps *m, const struct spd_users *u, uint64_t old, uint64_t new)
{
	for (uint32_t i = spd_users_of(u, old); i < u->count && u->user[i].sa == old; i++)
		spd_replace_in(m, u->user[i].policy, old, new);
}

void spd_users_free(struct spd_users *u)
{
	free(u->user);
	*u = (struct spd_users){0};
}
