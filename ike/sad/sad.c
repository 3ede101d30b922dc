/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/sad/sad.h"

#include <errno.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"
#include "user/base/clock.h"

static int by_ike(const struct xi_sa *sa)
{
	return sa->gen && !(sa->flags & XI_SA_F_MANUAL);
}

static int use(void *ctx, uint64_t ref, struct ike_sa_use *out)
{
	const struct sad *s = sad_of(ctx);
	const struct xi_sa *sa = sad_get(s->m, ref);
	const struct xi_sa_rt *rt = &s->m->sa_rt[XI_REF_SLOT(ref)];
	__be16 port;

	if (!sa)
		return -ENOENT;
	port = __atomic_load_n(&rt->seen_port, __ATOMIC_ACQUIRE);
	*out = (struct ike_sa_use){
		.pair = sa->pair,
		.bytes = __atomic_load_n(&rt->bytes, __ATOMIC_RELAXED),
		.packets = __atomic_load_n(&rt->packets, __ATOMIC_RELAXED),
		.last_ns = __atomic_load_n(&rt->last_ns, __ATOMIC_RELAXED),
		.seen = {.a = {.family = sa->family, .addr = rt->seen}, .port = __builtin_bswap16(port)}};
	return 0;
}

struct user {
	uint64_t ref;
	uint32_t slot; /* UINT32_MAX: none */
};

static void is_user(struct sad *s, uint32_t slot, void *arg)
{
	const struct xi_policy *pol = &s->m->spd[slot];
	struct spd_sas sas = spd_sas_of(pol);
	struct user *u = arg;

	if (sad_policy_ours(pol) &&
	    (sas.in == u->ref || sas.out == u->ref || sas.in_ah == u->ref || sas.out_ah == u->ref))
		u->slot = MIN(u->slot, slot);
}

static int user(void *ctx, uint64_t ref, struct ike_policy *out)
{
	struct sad *s = sad_of(ctx);
	struct user u = {ref, UINT32_MAX};

	if (!sad_get(s->m, ref))
		return -ENOENT;
	sad_each_of_peer(s, sad_index_peer(s, ref), is_user, &u);
	if (u.slot == UINT32_MAX)
		return -ENOENT;
	sad_policy_out(s, u.slot, out);
	return 0;
}

static void acquire_failed(void *ctx, uint32_t slot, uint32_t gen)
{
	const struct sad *s = sad_of(ctx);

	if (slot < s->m->meta->spd_max && __atomic_load_n(&s->m->spd[slot].gen, __ATOMIC_ACQUIRE) == gen)
		__atomic_store_n(&s->m->spd[slot].acquire_ns, clock_ns() + SAD_PAUSE_NS, __ATOMIC_RELEASE);
}

/* One that is under way is let go on: it lasts longer than a pause, but for its last second. */
void sad_ask_again(struct sad *s)
{
	__u64 until, end = clock_ns() + SAD_PAUSE_NS;

	for (uint32_t i = 0; i < s->m->meta->spd_max; i++) {
		until = __atomic_load_n(&s->m->spd[i].acquire_ns, __ATOMIC_ACQUIRE);
		if (until && until <= end)
			__atomic_compare_exchange_n(&s->m->spd[i].acquire_ns, &until, 0, 0, __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED);
	}
}

static void each(void *ctx, void (*cb)(void *arg, uint64_t ref, const struct xi_sa *sa), void *arg)
{
	const struct sad *s = sad_of(ctx);

	for (uint32_t i = 0; i < s->m->meta->sad_max; i++) {
		const struct xi_sa *sa = &s->m->sad[i];

		if (by_ike(sa) && sa->state != XI_SA_LARVAL)
			cb(arg, XI_REF(i, sa->gen), sa);
	}
}

const struct ike_sadb_ops sad_ops = {
	.policy_get = sad_policy_get,
	.policy_find = sad_policy_find,
	.policy_generate = sad_policy_generate,
	.policy_remove = sad_policy_remove,
	.spi = sad_spi,
	.spi_free = sad_spi_free,
	.install_in = sad_install_in,
	.install_out = sad_install_out,
	.remove = sad_ops_remove,
	.use = use,
	.move = sad_ops_move,
	.user = user,
	.acquire_failed = acquire_failed,
	.each = each,
};

/* Under the lock: SAs of an earlier daemon are entered, what it left half made goes. */
static int take_stock(struct sad *s)
{
	int rc = 0;

	sad_tidy(s->m);
	for (uint32_t i = 0; i < s->m->meta->sad_max && !rc; i++) {
		const struct xi_sa *sa = &s->m->sad[i];

		if (!by_ike(sa))
			continue;
		if (sa->state == XI_SA_LARVAL)
			sad_remove(s->m, XI_REF(i, sa->gen));
		else if (sa->flags & XI_SA_F_UDP)
			rc = sad_index_moved(s, XI_REF(i, sa->gen), NULL);
		else
			rc = sad_index_add(s, XI_REF(i, sa->gen));
	}
	return rc;
}

static int drop_orphans(struct sad *s, struct err *e)
{
	unsigned gone = 0;

	for (uint32_t i = 0; i < s->m->meta->spd_max; i++) {
		const struct xi_policy *pol = &s->m->spd[i];

		if (!pol->gen || !(pol->flags & XI_POL_DYNAMIC))
			continue;
		s->last_reqid = MAX(s->last_reqid, pol->reqid);
		if (!sad_get(s->m, pol->sa_in) && !sad_get(s->m, pol->sa_out) && !spd_del(s->m, i))
			gone++;
	}
	return gone ? spd_commit(s->m, e) : 0;
}

/* SAs of policies that went while nobody looked: what came by them would be let in. */
static int drop_unwanted(struct sad *s)
{
	uint8_t *wanted = calloc(s->m->meta->sad_max, 1);
	unsigned gone = 0;

	if (!wanted)
		return -ENOMEM;
	sad_wanted(s, wanted);
	for (uint32_t i = 0; i < s->m->meta->sad_max; i++)
		if (by_ike(&s->m->sad[i]) && !wanted[i]) {
			sad_remove(s->m, XI_REF(i, s->m->sad[i].gen));
			gone++;
		}
	if (gone)
		log_info("%u SAs that no policy has were removed", gone);
	free(wanted);
	return 0;
}

/* Under the lock. */
static void point_the_bare(struct sad *s)
{
	for (uint32_t i = 0; i < s->m->meta->spd_max; i++) {
		const struct xi_policy *pol = &s->m->spd[i];

		if (sad_policy_ours(pol) && (!sad_get(s->m, pol->sa_out) || !sad_get(s->m, pol->sa_in)))
			sad_point(s, i, 0);
	}
}

/* Under the lock: what the daemon before this one, and whoever changed policies meanwhile, have left. */
static int repair(struct sad *s, struct err *e)
{
	int rc = take_stock(s);

	if (!rc)
		rc = drop_orphans(s, e);
	if (!rc)
		rc = drop_unwanted(s);
	if (!rc)
		point_the_bare(s);
	return rc == -ENOMEM ? err_set(e, rc, "out of memory") : rc;
}

int sad_open(struct sad **out, struct maps *m, struct err *e)
{
	struct sad *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->m = m;
	sad_spi_init(s);
	rc = spd_lock_keep(m, e);
	if (!rc)
		rc = spd_lock(m, e);
	if (!rc) {
		rc = repair(s, e);
		spd_unlock(m);
	}
	if (rc) {
		sad_index_free(s);
		sad_lookup_free(s);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void sad_close(struct sad *s)
{
	struct err e;

	if (!s)
		return;
	if (s->larval && !spd_lock(s->m, &e)) {
		for (const struct sad_larval *l = s->larval; l; l = l->next)
			sad_remove(s->m, l->ref);
		spd_unlock(s->m);
	}
	while (s->larval)
		sad_larval_free(s, s->larval);
	sad_index_free(s);
	sad_lookup_free(s);
	free(s->manual);
	free(s);
}
