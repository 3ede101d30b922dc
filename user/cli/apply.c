/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/cli/apply.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/cli/cli.h"
#include "user/cli/share.h"
#include "user/crypto/alg.h"
#include "user/maps/seqmem.h"

/* What became of an SA that was there, so that it can be undone and policies can be pointed anew. */
struct sa_was {
	uint64_t ref;	    /* before */
	uint64_t now;	    /* 0: removed */
	struct xi_sa_rt rt; /* its use so far */
	struct xi_sa sa;    /* copy with keys, for undoing */
};

enum sa_fate { SA_KEEP, SA_RENEW, SA_REPLACE, SA_NEW };

struct apply {
	struct maps *m;
	const struct plan *plan;
	const struct conf *conf;
	struct seqmem seq;
	uint64_t *have; /* references of the manual SAs that are there, sorted by SPI key */
	unsigned haves;
	int *have_of;	    /* [plan->sas]: index in have[] of the SA with its key, -1 = none */
	uint64_t *ref;	    /* [plan->sas]: reference of each planned SA */
	uint8_t *wanted;    /* [haves]: a planned SA is it */
	struct sa_was *was; /* [haves] */
	unsigned wases;
	uint64_t *fresh; /* [plan->sas]: published by us */
	unsigned freshs;
	uint32_t *slot;		 /* [plan->policies]: slot it is in already, UINT32_MAX = new */
	uint8_t *slot_taken;	 /* [spd_max] */
	struct spd_sas *old_sas; /* [spd_max]: before we touched them */
	struct share share;	 /* what new policies find negotiated already */
};

static const struct xi_sa *sa_at(const struct apply *a, uint64_t ref)
{
	return &a->m->sad[XI_REF_SLOT(ref)];
}

static int by_spi_key(const struct xi_sa *x, const struct xi_sa *y)
{
	int d = memcmp(&x->dst, &y->dst, sizeof(x->dst));

	if (d)
		return d;
	if (x->spi != y->spi)
		return x->spi < y->spi ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->family < y->family ? -1 : x->family > y->family;
}

static int by_ref(const void *x, const void *y, void *ctx)
{
	return by_spi_key(sa_at(ctx, *(const uint64_t *)x), sa_at(ctx, *(const uint64_t *)y));
}

static void collect_sas(struct apply *a)
{
	for (uint32_t s = 0; s < a->m->meta->sad_max; s++) {
		uint32_t gen = __atomic_load_n(&a->m->sad[s].gen, __ATOMIC_ACQUIRE);

		if (gen && (a->m->sad[s].flags & XI_SA_F_MANUAL))
			a->have[a->haves++] = XI_REF(s, gen);
	}
	qsort_r(a->have, a->haves, sizeof(*a->have), by_ref, a);
}

/* Index in have[] of the SA with the key of sa, or -1. */
static int find_have(const struct apply *a, const struct xi_sa *sa)
{
	unsigned lo = 0, hi = a->haves;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		int d = by_spi_key(sa, sa_at(a, a->have[mid]));

		if (d == 0)
			return (int)mid;
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

static bool same_keys(const struct xi_sa *x, const struct xi_sa *y)
{
	return x->enc_alg == y->enc_alg && x->auth_alg == y->auth_alg && x->enc_key_len == y->enc_key_len &&
	       x->auth_key_len == y->auth_key_len && memcmp(x->enc_key, y->enc_key, sizeof(x->enc_key)) == 0 &&
	       memcmp(x->auth_key, y->auth_key, sizeof(x->auth_key)) == 0;
}

/* Equal but for what installation and time add. */
static bool same_sa(const struct xi_sa *planned, const struct xi_sa *there)
{
	struct xi_sa t = *there;
	bool same;

	t.gen = 0;
	t.state = 0;
	t.add_ns = 0;
	t.add_wall = 0;
	same = memcmp(&t, planned, sizeof(t)) == 0;
	explicit_bzero(&t, sizeof(t));
	return same;
}

/* Was the template, or a policy that uses it, the object of the command? */
static bool was_edited(const struct conf *c, const struct plan_sa *ps)
{
	int t = conf_index_of_id(c, MENU_MANUAL_SA, ps->template_id);

	if (t >= 0 && (c->list[MENU_MANUAL_SA].item[t]->flags & ITEM_EDITED))
		return true;
	for (unsigned i = 0; t >= 0 && i < c->list[MENU_POLICY].count; i++) {
		const struct conf_policy *p = CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i);

		if ((p->it.flags & ITEM_EDITED) &&
		    strcmp(p->manual_sa, CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], t)->name) == 0)
			return true;
	}
	return false;
}

static enum sa_fate fate_of(const struct apply *a, unsigned i)
{
	const struct plan_sa *ps = &a->plan->sa[i];
	const struct xi_sa *there;
	int have = a->have_of[i];

	there = have < 0 ? NULL : sad_get(a->m, a->have[have]);
	if (!there)
		return SA_NEW;
	if (!same_keys(&ps->sa, there) || ps->sa.dir != there->dir || !sad_entered(a->m, a->have[have]))
		return SA_REPLACE;
	if (!same_sa(&ps->sa, there))
		return SA_RENEW;
	/* Spec 9: an SA past its lifetime stays dead until the policy or the template is edited. */
	return sad_state_rt(there, &a->m->sa_rt[XI_REF_SLOT(a->have[have])], clock_ns()) == XI_SA_DEAD &&
			       was_edited(a->conf, ps)
		       ? SA_RENEW
		       : SA_KEEP;
}

static struct sa_was *remember_sa(struct apply *a, uint64_t ref)
{
	struct sa_was *w = &a->was[a->wases++];

	*w = (struct sa_was){.ref = ref, .sa = *sa_at(a, ref), .rt = a->m->sa_rt[XI_REF_SLOT(ref)]};
	return w;
}

static bool has_template(const struct conf *c, const char *name)
{
	int t = conf_index_of_name(c, MENU_MANUAL_SA, name);

	return t >= 0 && !c->list[MENU_MANUAL_SA].item[t]->disabled;
}

/*
 * Removes an SA; what was sent and received under its keys is noted. Disabling its template itself is how an operator tells
 * that the peer counts from the start again: then, and only then, what was received is forgotten.
 */
static void drop_sa(struct apply *a, uint64_t ref)
{
	const struct xi_sa *there = sad_get(a->m, ref);
	struct xi_sa copy;

	if (!there)
		return;
	copy = *there;
	sad_remove(a->m, ref);
	seqmem_note(&a->seq, &copy, &a->m->sa_rt[XI_REF_SLOT(ref)]);
	if (copy.dir == XI_DIR_IN && !has_template(a->conf, copy.owner))
		seqmem_forget_received(&a->seq, &copy);
	explicit_bzero(&copy, sizeof(copy));
}

/* RFC 4303 §3.3.3, §3.4.3: no number twice under one key, sent or received, whatever SA it was used in. */
static uint64_t seq_floor(struct apply *a, const struct xi_sa *sa)
{
	for (unsigned i = 0; i < a->haves; i++) {
		const struct xi_sa *there = sad_get(a->m, a->have[i]);

		if (there && (same_keys(sa, there) || alg_same_counter_key(sa, there)))
			seqmem_note(&a->seq, there, &a->m->sa_rt[XI_REF_SLOT(a->have[i])]);
	}
	return seqmem_find(&a->seq, sa);
}

/* What is replaced goes after its successor is in: for the time of the command both need room. */
static int no_room(struct err *e, const char *what, uint32_t max, const char *setting)
{
	return err_set(
		e, -ENOSPC,
		"all %u %s of the maps are in use while old ones are still being replaced: do it in two commands, "
		"or raise %s in settings (in force when the first interface is attached the next time)",
		max, what, setting);
}

/* RFC 4106 §2: under a counter-mode key nobody sends but the new SA, so that its first number is above every one used. */
static void retire_counter_key(struct apply *a, const struct xi_sa *sa)
{
	for (unsigned i = 0; sa->dir == XI_DIR_OUT && i < a->haves; i++) {
		const struct xi_sa *there = sad_get(a->m, a->have[i]);

		if (!there || there->dir != XI_DIR_OUT || !alg_same_counter_key(sa, there))
			continue;
		(void)remember_sa(a, a->have[i]);
		spd_replace_sa(a->m, a->have[i], 0); /* what it protected is dropped until its policies have another */
		drop_sa(a, a->have[i]);
	}
}

static int publish(struct apply *a, unsigned i, struct err *e)
{
	const struct xi_sa *sa = &a->plan->sa[i].sa;
	uint64_t floor;
	int rc;

	retire_counter_key(a, sa);
	floor = seq_floor(a, sa);
	if (a->seq.damaged && !floor && sa->dir == XI_DIR_OUT && alg_same_counter_key(sa, sa))
		return err_set(e, -EBADMSG,
			       "manual-sa %s cannot be used, its key might see a sequence number again: %s is damaged",
			       sa->owner, a->seq.path);
	rc = sad_publish(a->m, sa, floor, &a->ref[i], e);
	if (rc == -ENOSPC)
		return no_room(e, "SAs", a->m->meta->sad_max, "max-sas");
	if (!rc)
		a->fresh[a->freshs++] = a->ref[i];
	return rc;
}

static int install_sa(struct apply *a, unsigned i, struct err *e)
{
	const struct xi_sa *sa = &a->plan->sa[i].sa;
	int have = a->have_of[i], rc;
	enum sa_fate fate = fate_of(a, i);
	struct sa_was *w;

	if (have >= 0)
		a->wanted[have] = 1;
	switch (fate) {
	case SA_KEEP:
		a->ref[i] = a->have[have];
		return 0;
	case SA_NEW:
		return publish(a, i, e);
	case SA_RENEW:
		w = remember_sa(a, a->have[have]);
		rc = sad_renew(a->m, a->have[have], sa, &a->ref[i], e);
		w->now = rc ? 0 : a->ref[i];
		a->have[have] = rc ? 0 : a->ref[i];
		return rc;
	default:
		(void)remember_sa(a, a->have[have]);
		spd_replace_sa(a->m, a->have[have], 0);
		drop_sa(a, a->have[have]);
		return publish(a, i, e);
	}
}

/* What makes a policy the same policy: all but its place, its SAs, and what the maps gave it. */
static struct xi_policy essence(const struct xi_policy *p)
{
	struct xi_policy x = *p;

	x.gen = x.order = x.id = x.position = 0;
	x.priority = 0;
	x.sa_out = x.sa_in = x.sa_out_ah = x.sa_in_ah = 0;
	x.acquire_ns = x.held = 0;
	return x;
}

struct pol_key {
	struct xi_policy essence;
	uint32_t id, index;
};

static int by_essence(const void *x, const void *y)
{
	const struct pol_key *a = x, *b = y;
	int d = memcmp(&a->essence, &b->essence, sizeof(a->essence));

	if (d)
		return d;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* A policy that the command leaves alone has its id and its content: no more is asked of most of them. */
struct slot_of_id {
	uint32_t id, slot;
};

static int by_policy_id(const void *x, const void *y)
{
	const struct slot_of_id *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static bool same_policy(const struct xi_policy *x, const struct xi_policy *y)
{
	struct xi_policy a = essence(x), b = essence(y);

	return memcmp(&a, &b, sizeof(a)) == 0;
}

static int match_ids(struct apply *a)
{
	uint32_t max = a->m->meta->spd_max, n = 0;
	struct slot_of_id *have = calloc(max + 1, sizeof(*have)), *at, key;

	if (!have)
		return -ENOMEM;
	for (uint32_t s = 0; s < max; s++)
		if (a->m->spd[s].gen && !(a->m->spd[s].flags & XI_POL_DYNAMIC))
			have[n++] = (struct slot_of_id){a->m->spd[s].id, s};
	qsort(have, n, sizeof(*have), by_policy_id);
	for (uint32_t i = 0; i < a->plan->policies; i++) {
		key = (struct slot_of_id){.id = a->plan->policy[i].pol.id};
		at = bsearch(&key, have, n, sizeof(*have), by_policy_id);
		if (!at || a->slot_taken[at->slot] || !same_policy(&a->m->spd[at->slot], &a->plan->policy[i].pol))
			continue;
		a->slot[i] = at->slot;
		a->slot_taken[at->slot] = 1;
	}
	free(have);
	return 0;
}

/* Which planned policy is in which slot already: first by id, then the others, both sides sorted by content and id, side by side. */
static int match_policies(struct apply *a)
{
	uint32_t max = a->m->meta->spd_max, nh = 0, nw = 0, np = a->plan->policies;
	struct pol_key *have, *want;

	if (match_ids(a))
		return -ENOMEM;
	have = calloc(max + 1, sizeof(*have));
	want = calloc(np + 1, sizeof(*want));
	for (uint32_t s = 0; have && s < max; s++) {
		const struct xi_policy *p = &a->m->spd[s];

		if (p->gen && !(p->flags & XI_POL_DYNAMIC) && !a->slot_taken[s])
			have[nh++] = (struct pol_key){essence(p), p->id, s};
	}
	for (uint32_t i = 0; want && i < np; i++)
		if (a->slot[i] == UINT32_MAX)
			want[nw++] = (struct pol_key){essence(&a->plan->policy[i].pol), a->plan->policy[i].pol.id, i};
	if (have && want) {
		qsort(have, nh, sizeof(*have), by_essence);
		qsort(want, nw, sizeof(*want), by_essence);
		for (uint32_t h = 0, w = 0; h < nh && w < nw;) {
			int d = memcmp(&have[h].essence, &want[w].essence, sizeof(have[h].essence));

			if (d == 0) {
				a->slot[want[w].index] = have[h].index;
				a->slot_taken[have[h].index] = 1;
			}
			h += d <= 0;
			w += d >= 0;
		}
	}
	free(have);
	free(want);
	return have && want ? 0 : -ENOMEM;
}

static uint64_t planned_ref(const struct apply *a, int index)
{
	return index < 0 ? 0 : a->ref[index];
}

static struct spd_sas planned_sas(const struct apply *a, const struct plan_policy *pp)
{
	if (!pp->pol.manual_sa[0])
		return share_find(&a->share, &pp->pol);
	return (struct spd_sas){
		.out = planned_ref(a, pp->sa[XI_DIR_OUT]),
		.in = planned_ref(a, pp->sa[XI_DIR_IN]),
		.out_ah = planned_ref(a, pp->sa_ah[XI_DIR_OUT]),
		.in_ah = planned_ref(a, pp->sa_ah[XI_DIR_IN]),
	};
}

static bool points_at(const struct xi_policy *p, const struct spd_sas *sas)
{
	return p->sa_out == sas->out && p->sa_in == sas->in && p->sa_out_ah == sas->out_ah && p->sa_in_ah == sas->in_ah;
}

/* Policies that stay are pointed at their SAs at once: an SA that was renewed has a new reference. */
static void point_kept(struct apply *a)
{
	for (unsigned i = 0; i < a->plan->policies; i++) {
		struct spd_sas sas = planned_sas(a, &a->plan->policy[i]);
		uint32_t s = a->slot[i];

		/* negotiated SAs are whose who made them */
		if (s != UINT32_MAX && a->plan->policy[i].pol.manual_sa[0] && !points_at(&a->m->spd[s], &sas))
			spd_set_sa(a->m, s, &sas);
	}
}

static int plan_changes(struct apply *a, bool *any, struct err *e)
{
	for (unsigned i = 0; i < a->plan->policies; i++) {
		const struct plan_policy *pp = &a->plan->policy[i];
		struct spd_sas sas = planned_sas(a, pp);
		struct xi_policy *there;
		struct xi_policy p;
		uint32_t slot;
		int rc;

		if (a->slot[i] == UINT32_MAX) {
			p = pp->pol;
			p.sa_out = sas.out;
			p.sa_in = sas.in;
			p.sa_out_ah = sas.out_ah;
			p.sa_in_ah = sas.in_ah;
			*any = true;
			rc = spd_add(a->m, &p, &slot, e);
			if (rc == -ENOSPC)
				return no_room(e, "policies", a->m->meta->spd_max, "max-policies");
			if (rc)
				return rc;
			continue;
		}
		there = &a->m->spd[a->slot[i]];
		there->id = pp->pol.id; /* only shown */
		if (there->priority == pp->pol.priority && there->position == pp->pol.position)
			continue;
		*any = true;
		rc = spd_move(a->m, a->slot[i], pp->pol.priority, pp->pol.position);
		if (rc)
			return err_set(e, rc, "policy slot %u vanished", a->slot[i]);
	}
	return 0;
}

/* Policies that are not wanted any more; their slots are free after the commit. */
static void plan_removals(struct apply *a, bool *any)
{
	for (uint32_t s = 0; s < a->m->meta->spd_max; s++) {
		const struct xi_policy *p = &a->m->spd[s];

		if (!p->gen || (p->flags & XI_POL_DYNAMIC) || a->slot_taken[s])
			continue;
		*any = true;
		(void)spd_del(a->m, s); /* it is there: we hold the lock */
	}
}

/* Where a policy pointed at the SA `old`, it shall point at `new` again. */
static void restore_ref(struct spd_sas *sas, uint64_t old, uint64_t new)
{
	sas->out = sas->out == old ? new : sas->out;
	sas->in = sas->in == old ? new : sas->in;
	sas->out_ah = sas->out_ah == old ? new : sas->out_ah;
	sas->in_ah = sas->in_ah == old ? new : sas->in_ah;
}

/* What was used up of its limits stays used up. */
static void restore_use(struct xi_sa_rt *rt, const struct xi_sa_rt *was)
{
	__atomic_add_fetch(&rt->bytes, was->bytes, __ATOMIC_RELAXED);
	__atomic_add_fetch(&rt->packets, was->packets, __ATOMIC_RELAXED);
	if (was->first_ns)
		__atomic_store_n(&rt->first_ns, was->first_ns, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&rt->last_ns, __ATOMIC_RELAXED))
		__atomic_store_n(&rt->last_ns, was->last_ns, __ATOMIC_RELAXED);
}

/* Brings back what install_sa() did, as far as the maps allow: the copies are still there. */
static void undo_sas(struct apply *a)
{
	for (unsigned i = 0; i < a->freshs; i++)
		drop_sa(a, a->fresh[i]); /* with its numbers: the policies may have used it */
	for (unsigned i = 0; i < a->wases; i++) {
		struct sa_was *w = &a->was[i];
		uint64_t back = 0, floor = seqmem_find(&a->seq, &w->sa);

		w->sa.gen = 0;
		if (w->now ? sad_renew(a->m, w->now, &w->sa, &back, NULL)
			   : sad_publish(a->m, &w->sa, MAX(floor, w->rt.seq_top), &back, NULL))
			back = 0; /* its policies stay without an SA and drop: fail closed */
		else
			restore_use(&a->m->sa_rt[XI_REF_SLOT(back)], &w->rt);
		for (uint32_t s = 0; s < a->m->meta->spd_max; s++)
			restore_ref(&a->old_sas[s], w->ref, back);
	}
	for (uint32_t s = 0; s < a->m->meta->spd_max; s++)
		if (a->m->spd[s].gen && !points_at(&a->m->spd[s], &a->old_sas[s]))
			spd_set_sa(a->m, s, &a->old_sas[s]);
}

static void remove_rest(struct apply *a)
{
	for (unsigned i = 0; i < a->haves; i++)
		if (!a->wanted[i])
			drop_sa(a, a->have[i]);
}

static int apply_alloc(struct apply *a)
{
	uint32_t spd_max = a->m->meta->spd_max, sad_max = a->m->meta->sad_max;
	unsigned n = a->plan->sas + 1, np = a->plan->policies + 1;

	a->have = calloc(sad_max, sizeof(*a->have));
	a->wanted = calloc(sad_max, 1);
	a->was = calloc(sad_max, sizeof(*a->was));
	a->have_of = calloc(n, sizeof(*a->have_of));
	a->ref = calloc(n, sizeof(*a->ref));
	a->fresh = calloc(n, sizeof(*a->fresh));
	a->slot = malloc(np * sizeof(*a->slot));
	a->slot_taken = calloc(spd_max, 1);
	a->old_sas = calloc(spd_max, sizeof(*a->old_sas));
	if (!a->have || !a->wanted || !a->was || !a->have_of || !a->ref || !a->fresh || !a->slot || !a->slot_taken ||
	    !a->old_sas)
		return -ENOMEM;
	memset(a->slot, 0xff, np * sizeof(*a->slot));
	for (uint32_t s = 0; s < spd_max; s++)
		a->old_sas[s] = spd_sas_of(&a->m->spd[s]);
	return 0;
}

static void apply_free(struct apply *a)
{
	if (a->was)
		explicit_bzero(a->was, a->wases * sizeof(*a->was));
	free(a->have);
	free(a->wanted);
	free(a->was);
	free(a->have_of);
	free(a->ref);
	free(a->fresh);
	free(a->slot);
	free(a->slot_taken);
	free(a->old_sas);
	share_free(&a->share);
	seqmem_free(&a->seq);
}

static void load_numbers(struct seqmem *seq, const struct maps *m)
{
	struct err damage = {0};

	if (seqmem_load(seq, &m->paths, &damage))
		cli_warn("%s", damage.text);
}

/* Before anything is changed, a note of the SAs that are going to be removed or renewed; the exact one follows when they are. */
static int guard_numbers(struct apply *a, struct err *e)
{
	uint8_t *stays = calloc(a->haves + 1, 1);

	if (!stays)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < a->plan->sas; i++)
		if (fate_of(a, i) == SA_KEEP)
			stays[a->have_of[i]] = 1;
	for (unsigned i = 0; i < a->haves; i++)
		if (!stays[i])
			seqmem_guard(&a->seq, sa_at(a, a->have[i]), &a->m->sa_rt[XI_REF_SLOT(a->have[i])]);
	free(stays);
	return seqmem_save(&a->seq, e);
}

/* What was sent is noted also when the command failed: an SA may have been taken out and put back. */
static void note_numbers(struct seqmem *seq)
{
	struct err e = {0};

	seqmem_settle(seq);
	if (seqmem_save(seq, &e))
		cli_warn("%s: sequence numbers of removed SAs go on %u higher than needed", e.text, SEQMEM_GUARD);
}

static int apply_locked(struct apply *a, struct err *e)
{
	bool any = false;
	int rc = apply_alloc(a);

	if (rc)
		return err_set(e, rc, "out of memory");
	load_numbers(&a->seq, a->m);
	collect_sas(a);
	rc = match_policies(a);
	if (!rc)
		rc = share_init(&a->share, a->m, a->slot_taken);
	if (rc)
		return err_set(e, rc, "out of memory");
	/* All are looked up before the first slot changes what it holds. */
	for (unsigned i = 0; i < a->plan->sas; i++)
		a->have_of[i] = find_have(a, &a->plan->sa[i].sa);
	rc = guard_numbers(a, e);
	if (rc)
		return rc;
	for (unsigned i = 0; i < a->plan->sas && !rc; i++)
		rc = install_sa(a, i, e);
	if (!rc) {
		point_kept(a);
		plan_removals(a, &any);
		rc = plan_changes(a, &any, e);
	}
	if (!rc && any)
		rc = spd_commit(a->m, e);
	if (rc) {
		spd_rollback(a->m);
		undo_sas(a);
	} else {
		remove_rest(a);
	}
	note_numbers(&a->seq);
	return rc;
}

int apply_plan(struct maps *m, const struct plan *plan, const struct conf *c, struct err *e)
{
	struct apply a = {.m = m, .plan = plan, .conf = c};
	int rc = spd_lock(m, e);

	if (rc)
		return rc;
	rc = apply_locked(&a, e);
	spd_unlock(m);
	apply_free(&a);
	return rc;
}

static bool flushes(const struct xi_sa *sa, unsigned proto)
{
	return sa->gen && (sa->flags & XI_SA_F_MANUAL) && (!proto || sa->proto == proto);
}

static int flush_locked(struct maps *m, unsigned proto, struct spd_users *users, struct seqmem *seq, struct err *e)
{
	int rc;

	for (uint32_t s = 0; s < m->meta->sad_max; s++)
		if (flushes(&m->sad[s], proto))
			seqmem_guard(seq, &m->sad[s], &m->sa_rt[s]);
	rc = seqmem_save(seq, e);
	for (uint32_t s = 0; !rc && s < m->meta->sad_max; s++) {
		struct xi_sa copy = m->sad[s];
		uint64_t old = XI_REF(s, copy.gen), new = 0;

		if (flushes(&copy, proto)) {
			copy.add_ns = copy.add_wall = 0;
			rc = sad_renew(m, old, &copy, &new, e);
			spd_users_replace(m, users, old, new);
		}
		explicit_bzero(&copy, sizeof(copy));
	}
	return rc;
}

int apply_flush(struct maps *m, unsigned proto, struct err *e)
{
	struct spd_users users = {0};
	struct seqmem seq = {0};
	int rc = spd_lock(m, e);

	if (rc)
		return rc;
	if (spd_users_make(&users, m)) {
		rc = err_set(e, -ENOMEM, "out of memory");
	} else {
		load_numbers(&seq, m);
		rc = flush_locked(m, proto, &users, &seq, e);
		note_numbers(&seq);
	}
	spd_unlock(m);
	spd_users_free(&users);
	seqmem_free(&seq);
	return rc;
}

void apply_remember(struct maps *m)
{
	struct err e = {0};

	if (seqmem_note_all(m, &e))
		cli_warn("sequence numbers of manual SAs: %s", e.text);
}
