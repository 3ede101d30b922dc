/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that miss an SA (spec 13.3 step 6): the first one of a policy asks for it by an event, up to three wait for it, at most for
 * 30 s. Who asks is settled between the workers in the policy's record: one acquire a policy at a time. What waits keeps its frame; it
 * is sent, or dropped and counted, by the worker that got it. A change of the policies holds for what waits, too.
 */
#include "user/worker/worker.h"

#include "user/base/clock.h"
#include "user/worker/events.h"

#define HOLD_NS (30 * NS_PER_S) /* spec section 22: acquire hold */
#define ACQUIRE_BURST 32	/* events at once, then ACQUIRE_RATE a second for each worker, whatever is sent at us */
#define ACQUIRE_RATE 100

static int may_ask(struct worker *w)
{
	struct hold *h = &w->hold;
	uint64_t earned = (w->now - h->earned_at) / (NS_PER_S / ACQUIRE_RATE);

	if (earned) {
		h->tokens = (uint32_t)MIN(h->tokens + earned, (uint64_t)ACQUIRE_BURST);
		h->earned_at = w->now;
	}
	return h->tokens > 0;
}

/* The packet's tuple for whoever makes the SA. */
static int ask(struct worker *w, const struct wpkt *pk)
{
	struct event what = {.kind = EVENT_ACQUIRE, .slot = pk->v.policy, .gen = pk->v.policy_gen};

	if (read_tuple(&pk->p, &what.t) != XI_OK || events_post(w->events, w->id, &what))
		return -1;
	w->hold.tokens--;
	return 0;
}

/* Is an acquire of the policy under way, be it by this packet, or did one fail a moment ago? */
static int acquiring(struct worker *w, struct xi_policy *pol, const struct wpkt *pk)
{
	__u64 until = __atomic_load_n(&pol->acquire_ns, __ATOMIC_ACQUIRE);

	if (until > w->now)
		return 1;
	if (!may_ask(w) || !__atomic_compare_exchange_n(&pol->acquire_ns, &until, w->now + HOLD_NS, 0, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE))
		return until > w->now;
	__atomic_store_n(&pol->held, 0, __ATOMIC_RELAXED);
	if (ask(w, pk) == 0)
		return 1;
	__atomic_store_n(&pol->acquire_ns, 0, __ATOMIC_RELEASE);
	return 0;
}

static struct held *place_for(struct hold *h, const struct wpkt *pk)
{
	struct held *free = NULL;

	for (unsigned i = 0; i < HOLD_POLICIES; i++) {
		struct held *e = &h->entry[i];

		if (e->n && e->policy == pk->v.policy && e->gen == pk->v.policy_gen)
			return e;
		if (!e->n && !free)
			free = e;
	}
	return free;
}

/* IKE makes no SAs for policies with manual keys, for those that cannot work, and for level use (spec 6.2, 9). */
static int is_negotiated(const struct xi_policy *pol)
{
	return pol->action == XI_ACTION_ENCRYPT && pol->level != XI_LEVEL_USE && !pol->manual_sa[0] &&
	       !(pol->flags & XI_POL_INACTIVE);
}

int hold_packet(struct worker *w, struct wpkt *pk)
{
	struct xi_policy *pol;
	struct held *e;

	if (w->hold.releasing || !__atomic_load_n(&w->maps->meta->acquire, __ATOMIC_RELAXED) ||
	    pk->v.policy >= w->maps->meta->spd_max)
		return 0;
	pol = &w->maps->spd[pk->v.policy];
	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) != pk->v.policy_gen || !is_negotiated(pol) ||
	    !acquiring(w, pol, pk))
		return 0;
	e = place_for(&w->hold, pk);
	if (!e || e->n == XI_HOLD_PACKETS || io_is_large(&w->pool, pk->addr) ||
	    __atomic_fetch_add(&pol->held, 1, __ATOMIC_RELAXED) >= XI_HOLD_PACKETS)
		return 0;
	if (!e->n)
		*e = (struct held){.policy = pk->v.policy,
				   .gen = pk->v.policy_gen,
				   .spd_gen = w->spd_gen,
				   .until = w->now + HOLD_NS};
	pk->v.slot = pk->v.gen = 0; /* the policy's SA, when there is one */
	e->pk[e->n++] = *pk;
	w->hold.policies += e->n == 1;
	return 1;
}

/* Takes the packets out of the table. */
static unsigned take_all(struct worker *w, struct held *e, struct wpkt *copy, struct wpkt **pk)
{
	unsigned n = e->n;

	for (unsigned i = 0; i < n; i++) {
		copy[i] = e->pk[i];
		pk[i] = &copy[i];
	}
	e->n = 0;
	w->hold.policies--;
	return n;
}

static void settle(struct worker *w, struct held *e, enum xi_drop why)
{
	struct wpkt copy[XI_HOLD_PACKETS], *pk[XI_HOLD_PACKETS];
	unsigned n = take_all(w, e, copy, pk);

	w->hold.releasing = 1;
	if (why == XI_OK)
		outbound_burst(w, pk, n);
	else
		for (unsigned i = 0; i < n; i++)
			outbound_refuse(w, pk[i], why);
	w->hold.releasing = 0;
}

/* Is the policy still the first one that matches what waits for it? */
static int is_judged_alike(const struct worker *w, const struct held *e)
{
	for (unsigned i = 0; i < e->n; i++) {
		struct xi_tuple t;
		struct xi_rule r;

		if (read_tuple(&e->pk[i].p, &t) != XI_OK || class_match(w->maps, &t, XI_DIR_OUT, &r) <= 0 ||
		    r.slot != e->policy || r.gen != e->gen)
			return 0;
	}
	return 1;
}

/* By the policies in force now: with the SA of another one, or waiting for it, or dropped. */
static void judge_again(struct worker *w, struct held *e, struct xi_policy *pol)
{
	struct wpkt copy[XI_HOLD_PACKETS], *pk[XI_HOLD_PACKETS];
	unsigned n = take_all(w, e, copy, pk);

	if (__atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) == e->gen)
		__atomic_fetch_sub(&pol->held, n, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		pk[i]->v.policy = UINT32_MAX; /* none of the records */
	outbound_burst(w, pk, n);
}

static void look_at(struct worker *w, struct held *e, int all)
{
	struct xi_policy *pol = &w->maps->spd[e->policy];

	if (e->spd_gen != w->spd_gen) {
		if (!is_judged_alike(w, e)) {
			judge_again(w, e, pol);
			return;
		}
		e->spd_gen = w->spd_gen;
	}
	if (__atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&pol->acquire_ns, 0, __ATOMIC_RELEASE);
		settle(w, e, XI_OK);
	} else if (all || w->now >= e->until || __atomic_load_n(&pol->acquire_ns, __ATOMIC_ACQUIRE) <= w->now ||
		   !__atomic_load_n(&w->maps->meta->acquire, __ATOMIC_RELAXED)) {
		settle(w, e, XI_DROP_OUT_NO_SA);
	}
}

void hold_release(struct worker *w, int all)
{
	for (unsigned i = 0; i < HOLD_POLICIES && w->hold.policies; i++)
		if (w->hold.entry[i].n)
			look_at(w, &w->hold.entry[i], all);
}
