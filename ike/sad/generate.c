/* SPDX-License-Identifier: BSD-2-Clause */
/* Dynamic policies (spec section 19): made together with their SAs, and the safety net of 19.7. */
#include <errno.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"

static int in_net(const struct ike_addr *a, const struct xi_addr *net, unsigned len, uint8_t family)
{
	return a->family == family && equal_bits(&a->addr, net, len);
}

/* Transport mode carries what goes from one end to the other; packets of others that such a policy matched would be dropped. */
static int between_ends(const struct ike_policy *p, unsigned host)
{
	return p->sel.src_len == host && p->sel.dst_len == host &&
	       in_net(&p->sa_src, &p->sel.src, host, p->sel.family) &&
	       in_net(&p->sa_dst, &p->sel.dst, host, p->sel.family);
}

/* No SA carries packets to these (spec 13.3 step 2): the policy would only have them dropped. */
static int nobodys(const struct xi_addr *a, unsigned len, uint8_t family)
{
	const uint8_t *b = (const uint8_t *)a;

	if (family == XI_IP6)
		return len >= 8 && b[0] == 0xff;
	return len >= 4 && b[0] >= 0xe0; /* multicast, class E, broadcast */
}

static int allowed(const struct ike_policy *p, struct err *e)
{
	uint64_t looked = 0;
	unsigned host = p->sel.family == XI_IP4 ? 32 : 128;
	int hosts = p->sel.src_len == host && p->sel.dst_len == host;

	if (p->mode == XI_MODE_TRANSPORT && !between_ends(p, host))
		return err_set(e, -EPERM,
			       "a generated policy in transport mode would be for more than the two ends of IKE");
	if (nobodys(&p->sel.src, p->sel.src_len, p->sel.family) || nobodys(&p->sel.dst, p->sel.dst_len, p->sel.family))
		return err_set(e, -EPERM, "a generated policy would be for multicast or broadcast addresses");
	if (p->mode == XI_MODE_TUNNEL && !hosts && in_net(&p->sa_src, &p->sel.src, p->sel.src_len, p->sel.family) &&
	    in_net(&p->sa_dst, &p->sel.dst, p->sel.dst_len, p->sel.family))
		return err_set(e, -EPERM, "a generated policy would cover the two ends of IKE themselves");
	if (!in_net(&p->sa_src, &p->sel.src, p->sel.src_len, p->sel.family) &&
	    !sad_routed(&p->sel.src, p->sel.src_len, p->sel.family, &looked))
		return err_set(e, -EPERM,
			       "a generated policy would have a local prefix that this host neither has nor routes");
	return 0;
}

struct before {
	const struct ike_policy *p;
	uint32_t slot;
	int shared;
};

static void same_selector(struct sad *s, uint32_t slot, void *arg)
{
	const struct xi_policy *pol = &s->m->spd[slot];
	struct before *b = arg;

	if ((pol->flags & XI_POL_DYNAMIC) && memcmp(&pol->sel, &b->p->sel, sizeof(pol->sel)) == 0)
		b->slot = slot;
}

static void same_ends(struct sad *s, uint32_t slot, void *arg)
{
	const struct xi_policy *pol = &s->m->spd[slot];
	struct before *b = arg;

	if ((pol->flags & XI_POL_DYNAMIC) && memcmp(&pol->sel, &b->p->sel, sizeof(pol->sel)) != 0 &&
	    addr_same(&pol->sa_dst, &b->p->sa_dst.addr) && addr_same(&pol->sa_src, &b->p->sa_src.addr))
		b->shared = 1;
}

/* A dynamic one of these selectors, or UINT32_MAX; *shared: another dynamic policy has the same ends (section 21: then SAs need a reqid). */
static uint32_t find_equal(struct sad *s, const struct ike_policy *p, int *shared)
{
	struct before b = {.p = p, .slot = UINT32_MAX};

	sad_each_around(s, &p->sel, same_selector, &b);
	sad_each_of_peer(s, &p->sa_dst.addr, same_ends, &b);
	*shared = b.shared;
	return b.slot;
}

static uint32_t fresh_reqid(struct sad *s)
{
	/* those of static policies are counted from below by the CLI */
	s->last_reqid = s->last_reqid < 0x80000000u ? 0x80000000u : s->last_reqid + 1;
	return s->last_reqid;
}

static struct xi_policy record(const struct ike_policy *p)
{
	return (struct xi_policy){.sel = p->sel,
				  .action = XI_ACTION_ENCRYPT,
				  .level = p->level,
				  .mode = p->mode,
				  .protos = p->protos,
				  .flags = XI_POL_DYNAMIC,
				  .sa_family = p->sa_dst.family,
				  .sa_src = p->sa_src.addr,
				  .sa_dst = p->sa_dst.addr,
				  .reqid = p->reqid};
}

/* Under the lock. The old policy goes with the same commit that puts the new one into force. */
static int generate(struct sad *s, struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	int shared, rc = 0;
	uint32_t old = find_equal(s, p, &shared);
	struct xi_policy pol;

	p->dynamic = 1;
	p->action = XI_ACTION_ENCRYPT;
	p->level = shared ? XI_LEVEL_UNIQUE : XI_LEVEL_REQUIRE;
	p->reqid = shared ? fresh_reqid(s) : 0;
	pol = record(p);
	if (old != UINT32_MAX)
		rc = spd_del(s->m, old) ? err_set(e, -ENOENT, "the generated policy before this one has gone") : 0;
	if (!rc)
		rc = spd_add(s->m, &pol, &p->slot, e);
	if (!rc)
		rc = sad_publish_bundle(s, p, b, XI_DIR_IN, e);
	if (!rc)
		rc = sad_publish_bundle(s, p, b, XI_DIR_OUT, e);
	if (!rc) {
		/* planned policies have no rule yet: their SAs stand in the slot before it is in force */
		sad_point(s, p->slot, 0);
		rc = spd_commit(s->m, e);
	}
	if (!rc)
		p->gen = s->m->spd[p->slot].gen;
	return rc;
}

int sad_policy_generate(void *ctx, struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	struct sad *s = sad_of(ctx);
	int rc = allowed(p, e);

	if (!rc)
		rc = sad_lock(s, e);
	if (rc)
		return rc;
	memset(b->in_ref, 0, sizeof(b->in_ref));
	memset(b->out_ref, 0, sizeof(b->out_ref));
	rc = generate(s, p, b, e);
	for (unsigned i = 0; rc && i < b->n; i++) {
		sad_remove(s->m, b->in_ref[i]);
		sad_remove(s->m, b->out_ref[i]);
	}
	spd_unlock(s->m); /* rolls back what was not committed */
	return rc;
}
