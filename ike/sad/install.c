/* SPDX-License-Identifier: BSD-2-Clause */
/* SAs into the maps and out of them, and policies pointed at the best there are (spec sections 6.2, 13.3). */
#include <errno.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"
#include "user/crypto/alg.h"

static uint32_t pair_of(const struct sad *s, uint64_t ref)
{
	const struct xi_sa *sa = sad_get(s->m, ref);

	return sa ? sa->pair : 0;
}

void sad_point(struct sad *s, uint32_t slot, uint64_t not )
{
	struct xi_policy pol_copy = s->m->spd[slot], *pol = &pol_copy;
	int both = pol->protos == (XI_PROTOS_AH | XI_PROTOS_ESP);
	uint8_t proto = pol->protos & XI_PROTOS_ESP ? XI_PROTO_ESP : XI_PROTO_AH;
	struct spd_sas sas = {0};

	sad_effective_ends(pol);
	sas.out = sad_best(s, pol, XI_DIR_OUT, proto, 0, not );
	sas.in = sad_best(s, pol, XI_DIR_IN, proto, 0, not );
	/* AH and ESP of one phase 2 go together */
	if (both && sas.out)
		sas.out_ah = sad_best(s, pol, XI_DIR_OUT, XI_PROTO_AH, pair_of(s, sas.out), not );
	if (both && sas.in)
		sas.in_ah = sad_best(s, pol, XI_DIR_IN, XI_PROTO_AH, pair_of(s, sas.in), not );
	spd_set_sa(s->m, slot, &sas);
}

static void point_one(struct sad *s, uint32_t slot, void *arg)
{
	struct xi_policy pol = s->m->spd[slot];
	const struct xi_addr *peer = arg;

	sad_effective_ends(&pol);
	if (sad_policy_ours(&pol) && addr_same(&pol.sa_dst, peer))
		sad_point(s, slot, 0);
}

/* Every policy whose template has these ends: those that may share, and the one that the SAs were made for. */
static void point_all(struct sad *s, const struct ike_policy *p)
{
	struct xi_addr peer = p->sa_dst.addr;

	sad_each_of_peer(s, &peer, point_one, &peer);
}

/* Spec section 6.2: what several policies share has no selector of its own; level unique and a generated policy have. */
static void own_selector(struct xi_sa *sa, const struct ike_policy *p)
{
	if (p->level == XI_LEVEL_UNIQUE || p->dynamic)
		sa->sel = p->sel;
	else
		memset(&sa->sel, 0, sizeof(sa->sel));
	sa->reqid = p->reqid;
}

int sad_publish_bundle(struct sad *s, const struct ike_policy *p, struct ike_bundle *b, int dir, struct err *e)
{
	uint64_t *ref = dir == XI_DIR_IN ? b->in_ref : b->out_ref;
	int rc = 0;

	for (unsigned i = 0; i < b->n && !rc; i++) {
		struct xi_sa *sa = dir == XI_DIR_IN ? &b->in[i] : &b->out[i];

		ref[i] = 0;
		sa->dir = (uint8_t)dir;
		own_selector(sa, p);
		rc = alg_check_sa(sa) ? err_set(e, -EINVAL, "an SA whose algorithms or keys do not fit") : 0;
		if (!rc && dir == XI_DIR_IN)
			sad_spi_take(s, &sa->dst, sa->family, sa->proto, sa->spi);
		if (!rc)
			rc = sad_publish(s->m, sa, 0, &ref[i], e);
		if (!rc)
			rc = sad_index_add(s, ref[i]);
	}
	for (unsigned i = 0; rc && i < b->n; i++) {
		sad_remove(s->m, ref[i]);
		ref[i] = 0;
	}
	return rc;
}

static int install(struct sad *s, const struct ike_policy *p, struct ike_bundle *b, int dir, struct err *e)
{
	int rc = sad_lock(s, e);

	if (rc)
		return rc;
	if (!p->gen || p->slot >= s->m->meta->spd_max || s->m->spd[p->slot].gen != p->gen)
		rc = err_set(e, -ENOENT, "the policy has gone meanwhile");
	/* the policy says who may have its traffic, whoever negotiated */
	else if (!addr_same(dir == XI_DIR_IN ? &b->in[0].src : &b->out[0].dst, &p->sa_dst.addr))
		rc = err_set(e, -EPERM, "the SA has another peer than the policy");
	else
		rc = sad_publish_bundle(s, p, b, dir, e);
	if (!rc)
		point_all(s, p);
	spd_unlock(s->m);
	return rc;
}

int sad_install_in(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	return install(sad_of(ctx), p, b, XI_DIR_IN, e);
}

int sad_install_out(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	return install(sad_of(ctx), p, b, XI_DIR_OUT, e);
}

static int points_at(const struct xi_policy *pol, uint64_t ref)
{
	const struct spd_sas sas = spd_sas_of(pol);

	return sas.out == ref || sas.in == ref || sas.out_ah == ref || sas.in_ah == ref;
}

static void point_away(struct sad *s, uint32_t slot, void *arg)
{
	const uint64_t *ref = arg;

	if (points_at(&s->m->spd[slot], *ref))
		sad_point(s, slot, *ref);
}

/* Under the lock. */
static void take_out(struct sad *s, uint64_t ref)
{
	sad_each_of_peer(s, sad_index_peer(s, ref), point_away, &ref);
	sad_remove(s->m, ref);
}

void sad_ops_remove(void *ctx, uint64_t ref)
{
	struct sad *s = sad_of(ctx);
	struct err e;

	if (!sad_get(s->m, ref) || sad_lock(s, &e))
		return;
	take_out(s, ref);
	spd_unlock(s->m);
}

/* Same slot and numbers, when destination, protocol and SPI stay; counts go on. */
static int move_renew(struct sad *s, uint64_t ref, const struct xi_sa *sa, uint64_t *new_ref, struct err *e)
{
	struct xi_sa_rt *rt = &s->m->sa_rt[XI_REF_SLOT(ref)];
	uint64_t bytes = __atomic_load_n(&rt->bytes, __ATOMIC_RELAXED);
	uint64_t packets = __atomic_load_n(&rt->packets, __ATOMIC_RELAXED);
	int rc = sad_renew(s->m, ref, sa, new_ref, e);

	if (!rc) {
		__atomic_add_fetch(&rt->bytes, bytes, __ATOMIC_RELAXED);
		__atomic_add_fetch(&rt->packets, packets, __ATOMIC_RELAXED);
		__atomic_store_n(&rt->seen_port, 0, __ATOMIC_RELAXED);
	}
	return rc;
}

/* To another destination: the old SA stops, and when no worker uses it any more, its last number is where the new one begins. */
static int move_anew(struct sad *s, uint64_t ref, const struct xi_sa *sa, uint64_t *new_ref, struct err *e)
{
	const struct xi_sa_rt *rt = &s->m->sa_rt[XI_REF_SLOT(ref)];
	uint64_t seq;

	sad_remove(s->m, ref);
	seq = __atomic_load_n(&rt->seq_out, __ATOMIC_RELAXED);
	return sad_publish(s->m, sa, seq, new_ref, e);
}

int sad_ops_move(void *ctx, uint64_t *ref, const struct ike_end *remote, struct err *e)
{
	struct sad *s = sad_of(ctx);
	const struct xi_addr *known;
	struct xi_addr peer = {0};
	const struct xi_sa *old;
	struct xi_sa sa;
	uint64_t new_ref = 0;
	int rc = sad_lock(s, e), same;

	if (rc)
		return rc;
	old = sad_get(s->m, *ref);
	if (!old || old->family != remote->a.family) {
		spd_unlock(s->m);
		return err_set(e, -ENOENT, "the SA to be moved is gone, or of another address family");
	}
	known = sad_index_peer(s, *ref);
	if (known)
		peer = *known;
	sa = *old;
	same = sa.dir == XI_DIR_IN || addr_same(&sa.dst, &remote->a.addr);
	*(sa.dir == XI_DIR_IN ? &sa.src : &sa.dst) = remote->a.addr;
	sa.udp_remote = __builtin_bswap16(remote->port);
	rc = same ? move_renew(s, *ref, &sa, &new_ref, e) : move_anew(s, *ref, &sa, &new_ref, e);
	explicit_bzero(&sa, sizeof(sa));
	if (!rc) {
		spd_replace_sa(s->m, *ref, new_ref);
		*ref = new_ref;
		rc = sad_index_moved(s, new_ref, known ? &peer : NULL);
	}
	spd_unlock(s->m);
	return rc;
}
