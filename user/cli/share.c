/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/cli/share.h"

#include <errno.h>
#include <stdlib.h>

/* A generated policy's SAs have its selector; manual SAs are shared by the plan. */
static bool may_share(const struct xi_policy *p)
{
	return p->action == XI_ACTION_ENCRYPT && p->level != XI_LEVEL_UNIQUE && !p->manual_sa[0] &&
	       !(p->flags & (XI_POL_DYNAMIC | XI_POL_INACTIVE));
}

static int by_template(const struct xi_policy *x, const struct xi_policy *y)
{
	int d = memcmp(&x->sa_dst, &y->sa_dst, sizeof(x->sa_dst));

	if (!d)
		d = memcmp(&x->sa_src, &y->sa_src, sizeof(x->sa_src));
	if (!d)
		d = x->sa_family - y->sa_family;
	if (!d)
		d = x->mode - y->mode;
	return d ? d : x->protos - y->protos;
}

static int by_slot_template(const void *x, const void *y, void *m)
{
	const struct xi_policy *spd = ((const struct maps *)m)->spd;

	return by_template(&spd[*(const uint32_t *)x], &spd[*(const uint32_t *)y]);
}

int share_init(struct share *s, const struct maps *m, const uint8_t *kept)
{
	*s = (struct share){.m = m, .slot = calloc(m->meta->spd_max, sizeof(*s->slot))};
	if (!s->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->meta->spd_max; i++)
		if (kept[i] && may_share(&m->spd[i]) && sad_get(m, m->spd[i].sa_out) && sad_get(m, m->spd[i].sa_in))
			s->slot[s->n++] = i;
	qsort_r(s->slot, s->n, sizeof(*s->slot), by_slot_template, (void *)m);
	return 0;
}

void share_free(struct share *s)
{
	free(s->slot);
}

struct spd_sas share_find(const struct share *s, const struct xi_policy *p)
{
	uint32_t lo = 0, hi = may_share(p) ? s->n : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct xi_policy *q = &s->m->spd[s->slot[mid]];
		int d = by_template(p, q);

		if (d == 0)
			return spd_sas_of(q);
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (struct spd_sas){0};
}
