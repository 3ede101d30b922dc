/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/worker/limits.h"

#include <arpa/inet.h>
#include <errno.h>

#include "user/base/log.h"

/* Spec 14.2: rekeying starts at half of the sequence space. */
#define SEQ_HALF (1ull << 31)
#define SEQ_HALF_ESN (1ull << 63)

static int reached(uint64_t limit, uint64_t value)
{
	return limit && value >= limit;
}

/* Which soft limit is passed; NULL = none. */
static const char *soft_limit(const struct xi_sa *sa, const struct xi_sa_rt *rt, uint64_t now)
{
	if (sa->soft_ns && now > sa->add_ns && now - sa->add_ns >= sa->soft_ns)
		return "time";
	if (reached(sa->soft_bytes, __atomic_load_n(&rt->bytes, __ATOMIC_RELAXED)))
		return "bytes";
	return reached(sa->soft_packets, __atomic_load_n(&rt->packets, __ATOMIC_RELAXED)) ? "packets" : NULL;
}

/* The same for the hard one of an SA that is dead by a limit. */
static const char *hard_limit(const struct xi_sa *sa, const struct xi_sa_rt *rt, uint64_t now)
{
	if (sa->hard_ns && now > sa->add_ns && now - sa->add_ns >= sa->hard_ns)
		return "time";
	if (reached(sa->hard_packets, __atomic_load_n(&rt->packets, __ATOMIC_RELAXED)))
		return "packets";
	return "bytes"; /* reached, or the next packet would have gone beyond */
}

static int half_used(const struct xi_sa *sa, const struct xi_sa_rt *rt)
{
	uint64_t half = sa->flags & XI_SA_F_ESN ? SEQ_HALF_ESN : SEQ_HALF;

	return sa->dir == XI_DIR_OUT && __atomic_load_n(&rt->seq_out, __ATOMIC_RELAXED) >= half;
}

static void say(struct events *ev, struct xi_sa_rt *rt, uint64_t ref, uint8_t bit, enum event_kind kind,
		const char *why)
{
	const struct event what = {.kind = (uint8_t)kind, .slot = XI_REF_SLOT(ref), .gen = XI_REF_GEN(ref), .why = why};

	if (rt->said & bit)
		return;
	__atomic_or_fetch(&rt->said, bit, __ATOMIC_RELAXED);
	events_publish(ev, &what);
}

/* Reports one SA; 1 when it is dead by its limits. */
static int judge(struct maps *m, struct events *ev, uint64_t ref, uint64_t now)
{
	const struct xi_sa *sa = &m->sad[XI_REF_SLOT(ref)];
	struct xi_sa_rt *rt = &m->sa_rt[XI_REF_SLOT(ref)];
	enum xi_sa_state state = sad_state_rt(sa, rt, now);
	const char *soft = soft_limit(sa, rt, now), *hard = state == XI_SA_DEAD ? hard_limit(sa, rt, now) : NULL;
	int half = half_used(sa, rt), seen = rt->said & XI_SAID_HARD;
	uint32_t spi = ntohl(sa->spi);

	if (sa->state != XI_SA_MATURE && sa->state != XI_SA_DYING)
		return 0; /* not there yet, or its owner is taking it away */
	if (!sad_get(m, ref))
		return 0; /* what was read may be of another SA by now */
	if (soft)
		say(ev, rt, ref, XI_SAID_SOFT, EVENT_SA_SOFT, soft);
	if (half)
		say(ev, rt, ref, XI_SAID_SEQUENCE, EVENT_SA_SEQUENCE, NULL);
	if (hard && !seen)
		log_info("SA with SPI 0x%X is dead: limit of %s", spi, hard);
	if (hard)
		say(ev, rt, ref, XI_SAID_HARD, EVENT_SA_HARD, hard);
	return hard != NULL;
}

/* Still dead, and not somebody's who edits it? Asked again with the lock. */
static void remove_dead(struct maps *m, uint64_t ref, uint64_t now)
{
	const struct xi_sa *sa = sad_get(m, ref);

	if (!sa || (sa->flags & XI_SA_F_MANUAL) || sad_state_rt(sa, &m->sa_rt[XI_REF_SLOT(ref)], now) != XI_SA_DEAD)
		return;
	spd_replace_sa(m, ref, 0);
	sad_remove(m, ref);
}

static void remove_all_dead(struct maps *m, uint64_t now)
{
	struct err e = {.text = ""};
	int rc = spd_trylock(m, &e);

	if (rc) {
		if (rc != -EWOULDBLOCK)
			log_error("dead SAs cannot be taken away: %s", e.text);
		return;
	}
	for (uint32_t slot = 0; slot < m->meta->sad_max; slot++)
		remove_dead(m, XI_REF(slot, m->sad[slot].gen), now);
	spd_unlock(m);
}

void limits_tick(struct maps *m, struct events *ev, uint64_t now_ns)
{
	unsigned dead = 0;

	for (uint32_t slot = 0; slot < m->meta->sad_max; slot++) {
		uint32_t gen = __atomic_load_n(&m->sad[slot].gen, __ATOMIC_ACQUIRE);

		if (gen && judge(m, ev, XI_REF(slot, gen), now_ns))
			dead += !(m->sad[slot].flags & XI_SA_F_MANUAL);
	}
	if (dead)
		remove_all_dead(m, now_ns);
}
