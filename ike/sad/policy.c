/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies as IKE sees them (spec sections 6, 17). */
#include <errno.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"

int sad_policy_ours(const struct xi_policy *pol)
{
	return pol->gen && pol->action == XI_ACTION_ENCRYPT && !pol->manual_sa[0] && !(pol->flags & XI_POL_INACTIVE);
}

static int unset(const struct xi_addr *a)
{
	return addr_same(a, &(struct xi_addr){0});
}

/* Spec section 6.1: an unset sa-dst-address is a host dst-address in transport mode. */
void sad_effective_ends(struct xi_policy *pol)
{
	unsigned host = pol->sel.family == XI_IP4 ? 32 : 128;

	if (!unset(&pol->sa_dst) || pol->mode != XI_MODE_TRANSPORT || pol->sel.dst_len != host)
		return;
	pol->sa_dst = pol->sel.dst;
	pol->sa_family = pol->sel.family;
}

/* And an unset sa-src-address comes from the route. */
static void fill_ends(struct xi_policy pol, struct ike_policy *out)
{
	sad_effective_ends(&pol);
	if (!unset(&pol.sa_dst))
		out->sa_dst = (struct ike_addr){.family = pol.sa_family, .addr = pol.sa_dst};
	if (!unset(&pol.sa_src))
		out->sa_src = (struct ike_addr){.family = pol.sa_family, .addr = pol.sa_src};
	else if (out->sa_dst.family && sad_source(&out->sa_dst, &out->sa_src))
		out->sa_src = (struct ike_addr){0};
}

void sad_policy_out(const struct sad *s, uint32_t slot, struct ike_policy *out)
{
	const struct xi_policy *pol = &s->m->spd[slot];

	*out = (struct ike_policy){.slot = slot,
				   .gen = pol->gen,
				   .id = pol->flags & XI_POL_DYNAMIC ? 0 : pol->id,
				   .sel = pol->sel,
				   .action = pol->action,
				   .level = pol->level,
				   .mode = pol->mode,
				   .protos = pol->protos,
				   .dynamic = (pol->flags & XI_POL_DYNAMIC) != 0,
				   .manual = pol->manual_sa[0] != '\0',
				   .reqid = pol->reqid};
	fill_ends(*pol, out);
}

int sad_policy_get(void *ctx, uint32_t slot, uint32_t gen, struct ike_policy *out)
{
	const struct sad *s = sad_of(ctx);

	if (!gen || slot >= s->m->meta->spd_max || __atomic_load_n(&s->m->spd[slot].gen, __ATOMIC_ACQUIRE) != gen ||
	    (s->m->spd[slot].flags & XI_POL_INACTIVE))
		return -ENOENT;
	sad_policy_out(s, slot, out);
	return 0;
}

static int prefix_in(const struct xi_addr *a, unsigned len, const struct xi_addr *net, unsigned net_len)
{
	return len >= net_len && equal_bits(a, net, net_len);
}

static int field_in(uint8_t in_flags, uint8_t out_flags, uint8_t bit, int equal)
{
	return !(out_flags & bit) || ((in_flags & bit) && equal);
}

static int contains(const struct xi_selector *big, const struct xi_selector *sel)
{
	return big->family == sel->family && prefix_in(&sel->src, sel->src_len, &big->src, big->src_len) &&
	       prefix_in(&sel->dst, sel->dst_len, &big->dst, big->dst_len) &&
	       field_in(sel->flags, big->flags, XI_SEL_PROTO, sel->proto == big->proto) &&
	       field_in(sel->flags, big->flags, XI_SEL_SRC_PORT, sel->src_port == big->src_port) &&
	       field_in(sel->flags, big->flags, XI_SEL_DST_PORT, sel->dst_port == big->dst_port);
}

struct found {
	const struct xi_selector *sel;
	uint32_t order, slot; /* order UINT32_MAX: none yet */
	int exact;
};

static void judge(struct sad *s, uint32_t slot, void *arg)
{
	const struct xi_policy *pol = &s->m->spd[slot];
	struct found *f = arg;
	int equal;

	if ((pol->flags & XI_POL_INACTIVE) || !contains(&pol->sel, f->sel))
		return;
	equal = contains(f->sel, &pol->sel);
	if (equal < f->exact || (equal == f->exact && pol->order >= f->order))
		return;
	f->exact = equal;
	f->order = pol->order;
	f->slot = slot;
}

int sad_policy_find(void *ctx, const struct xi_selector *sel, struct ike_policy *out)
{
	struct sad *s = sad_of(ctx);
	struct found f = {.sel = sel, .order = UINT32_MAX};

	sad_each_around(s, sel, judge, &f);
	if (f.order == UINT32_MAX)
		return -ENOENT;
	sad_policy_out(s, f.slot, out);
	return 0;
}

int sad_policy_remove(void *ctx, uint32_t slot, uint32_t gen)
{
	struct sad *s = sad_of(ctx);
	struct err e;
	int rc = sad_lock(s, &e);

	if (rc)
		return rc;
	if (slot >= s->m->meta->spd_max || s->m->spd[slot].gen != gen || !(s->m->spd[slot].flags & XI_POL_DYNAMIC))
		rc = -ENOENT;
	else if (!(rc = spd_del(s->m, slot)))
		rc = spd_commit(s->m, &e);
	spd_unlock(s->m);
	return rc;
}
