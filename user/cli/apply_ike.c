/* SPDX-License-Identifier: BSD-2-Clause */
/* Negotiated SAs and generated policies in the maps, where the command line takes them out by itself (spec sections 3.2, 10). */
#include <errno.h>
#include <stdlib.h>

#include "user/cli/apply.h"

static bool points_at(const struct xi_policy *p, uint64_t ref)
{
	return p->sa_out == ref || p->sa_in == ref || p->sa_out_ah == ref || p->sa_in_ah == ref;
}

static bool is_generated(const struct maps *m, uint32_t slot)
{
	return m->spd[slot].gen && (m->spd[slot].flags & XI_POL_DYNAMIC);
}

/* No policy points at it any more, then it goes. Manual ones stay. */
static void take_out(struct maps *m, uint64_t ref)
{
	const struct xi_sa *sa = sad_get(m, ref);

	if (!sa || (sa->flags & XI_SA_F_MANUAL))
		return;
	spd_replace_sa(m, ref, 0);
	sad_remove(m, ref);
}

static bool is_negotiated(const struct maps *m, uint32_t slot, unsigned proto)
{
	const struct xi_sa *sa = &m->sad[slot];

	return sa->gen && !(sa->flags & XI_SA_F_MANUAL) && (!proto || sa->proto == proto);
}

/* Generated policies whose SA is going away; in force until the commit. */
static bool mark_generated(struct maps *m, unsigned proto)
{
	bool any = false;

	for (uint32_t p = 0; p < m->meta->spd_max; p++)
		for (uint32_t s = 0; is_generated(m, p) && s < m->meta->sad_max; s++)
			if (is_negotiated(m, s, proto) && points_at(&m->spd[p], XI_REF(s, m->sad[s].gen))) {
				any = true;
				(void)spd_del(m, p); /* it is there: we hold the lock */
				break;
			}
	return any;
}

int apply_flush_negotiated(struct maps *m, unsigned proto, struct err *e)
{
	int rc = spd_lock(m, e);

	if (rc)
		return rc;
	if (mark_generated(m, proto))
		rc = spd_commit(m, e);
	for (uint32_t s = 0; !rc && s < m->meta->sad_max; s++)
		if (is_negotiated(m, s, proto))
			take_out(m, XI_REF(s, m->sad[s].gen));
	if (rc)
		spd_rollback(m);
	spd_unlock(m);
	return rc;
}

static bool is_one_of(uint32_t gen, const uint32_t *gens, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (gens[i] == gen)
			return true;
	return false;
}

static int remove_locked(struct maps *m, const uint32_t *gens, unsigned n, struct spd_sas *sas, struct err *e)
{
	unsigned count = 0;
	int rc;

	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		if (is_generated(m, s) && is_one_of(m->spd[s].gen, gens, n)) {
			sas[count++] = spd_sas_of(&m->spd[s]);
			(void)spd_del(m, s); /* it is there: we hold the lock */
		}
	rc = count ? spd_commit(m, e) : 0;
	if (rc)
		spd_rollback(m);
	for (unsigned i = 0; i < count && !rc; i++) {
		take_out(m, sas[i].out);
		take_out(m, sas[i].in);
		take_out(m, sas[i].out_ah);
		take_out(m, sas[i].in_ah);
	}
	return rc;
}

int apply_remove_generated(struct maps *m, const uint32_t *gens, unsigned n, struct err *e)
{
	struct spd_sas *sas = calloc(m->meta->spd_max, sizeof(*sas));
	int rc = sas ? spd_lock(m, e) : err_set(e, -ENOMEM, "out of memory");

	if (!rc) {
		rc = remove_locked(m, gens, n, sas, e);
		spd_unlock(m);
	}
	free(sas);
	return rc;
}
