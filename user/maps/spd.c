/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SPD (RFC 4301 §4.4.1, spec section 13.1): changes are planned in private memory and in slots that are still
 * free, then one commit compiles all rules (class.c) and puts them in force with one store. The classifier in force is the
 * truth: a writer that died in a commit leaves spd_begin above spd_gen, or slots in another state than the rules say, and the next one
 * to take the lock makes xi_spd equal to them.
 */
#include "user/maps/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/lockfile.h"

static uint32_t gen_of(const struct xi_policy *pol)
{
	return __atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE);
}

static void free_policy(struct xi_policy *pol)
{
	__atomic_store_n(&pol->gen, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memset(pol, 0, sizeof(*pol));
}

/* --- one policy as a rule --- */

static void mask_of(struct xi_addr *mask, unsigned len)
{
	uint8_t *b = (uint8_t *)mask;

	memset(mask, 0, sizeof(*mask));
	memset(b, 0xff, len / 8);
	if (len % 8)
		b[len / 8] = (uint8_t)(0xff00 >> (len % 8));
}

static void net_of(struct xi_addr *net, struct xi_addr *mask, const struct xi_addr *addr, unsigned len)
{
	mask_of(mask, len);
	for (int i = 0; i < 4; i++)
		net->w[i] = addr->w[i] & mask->w[i];
}

/* Spec 3.5: an inactive policy is skipped, but one that encrypts keeps its packets from leaving in clear, */
static int skipped(const struct xi_policy *pol)
{
	return (pol->flags & XI_POL_INACTIVE) && pol->action != XI_ACTION_ENCRYPT;
}

/* and one of level=use, which lets them pass, stands behind all others: what those want is as if it were not there, and what nobody wants is counted. */
static int is_last(const struct xi_policy *pol)
{
	return (pol->flags & XI_POL_INACTIVE) && pol->level == XI_LEVEL_USE;
}

static void rule_of(struct xi_rule *r, const struct xi_policy *pol, uint32_t slot, uint32_t gen)
{
	const struct xi_selector *s = &pol->sel;
	unsigned bits = s->family == XI_IP4 ? 32 : 128;

	memset(r, 0, sizeof(*r));
	r->slot = slot;
	r->gen = gen;
	r->priority = pol->priority;
	r->position = pol->position;
	if (skipped(pol))
		return;
	net_of(&r->src, &r->src_mask, &s->src, MIN(s->src_len, bits));
	net_of(&r->dst, &r->dst_mask, &s->dst, MIN(s->dst_len, bits));
	r->src_port = s->src_port;
	r->dst_port = s->dst_port;
	r->family = s->family;
	r->flags = s->flags & (XI_SEL_PROTO | XI_SEL_SRC_PORT | XI_SEL_DST_PORT);
	r->proto = s->proto;
	r->action = pol->action;
	r->level = pol->level;
}

/* --- lock and recovery --- */

/* Every policy the rules name gets its place back; every other slot was half-made or half-gone. */
static void restore_from(struct maps *m, const struct xi_rule *rule, uint32_t rules, uint8_t *named)
{
	for (uint32_t i = 0; i < rules; i++) {
		uint32_t slot = rule[i].slot;

		if (slot >= m->meta->spd_max || gen_of(&m->spd[slot]) != rule[i].gen)
			continue;
		named[slot] = 1;
		m->spd[slot].order = rule[i].order;
		m->spd[slot].priority = rule[i].priority;
		m->spd[slot].position = rule[i].position;
	}
	for (uint32_t slot = 0; slot < m->meta->spd_max; slot++)
		if (!named[slot] && gen_of(&m->spd[slot]))
			free_policy(&m->spd[slot]);
}

static int recover(struct maps *m, struct err *e)
{
	uint32_t copy = m->meta->spd_gen & 1, spd_max = m->meta->spd_max;
	uint8_t *named = calloc(spd_max, 1);

	if (!named)
		return err_set(e, -ENOMEM, "out of memory while repairing the policies");
	restore_from(m, &m->rules[(size_t)copy * spd_max], MIN(m->class[copy].rules, spd_max), named);
	free(named);
	/*
	 * The writer that died may have changed the other copy, which a slow reader of the generation before may still search: spd_begin, by
	 * which it learns that, is never lowered. The same policies are put in force once more, so that it is right again.
	 */
	return spd_commit(m, e);
}

static int open_lock(struct maps *m, struct err *e)
{
	int fd, rc = path_mkdir(m->paths.run, e);

	if (rc)
		return rc;
	fd = open(m->paths.spd_lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? err_set(e, -errno, "cannot open %s: %s", m->paths.spd_lock, strerror(errno)) : fd;
}

int spd_lock_keep(struct maps *m, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);
	int fd = mp->kept_fd >= 0 ? mp->kept_fd : open_lock(m, e);

	if (fd < 0)
		return fd;
	mp->kept_fd = fd;
	return 0;
}

/* The descriptor of a process that keeps one is unlocked, others are closed. */
static void let_go(struct maps_priv *mp, int fd)
{
	if (fd == mp->kept_fd)
		(void)flock(fd, LOCK_UN);
	else
		close(fd);
}

#define LOCK_WAIT_S 20 /* far more than the largest commit takes */

static int lock(struct maps *m, unsigned wait_s, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);
	int fd, rc;

	if (mp->lock_fd >= 0)
		return err_set(e, -EDEADLK, "the policies are locked by this process already");
	fd = mp->kept_fd >= 0 ? mp->kept_fd : open_lock(m, e);
	if (fd < 0)
		return fd;
	rc = lockfile_wait(fd, m->paths.spd_lock, mp->lock_stuck ? MIN(wait_s, 1u) : wait_s, e);
	mp->lock_stuck = rc == -ETIMEDOUT;
	if (rc) {
		let_go(mp, fd);
		return rc;
	}
	mp->lock_fd = fd;
	mp->free_hint = 0;
	if (m->meta->spd_begin == m->meta->spd_gen && m->meta->spd_done == m->meta->spd_gen)
		return 0;
	rc = recover(m, e);
	if (rc)
		spd_unlock(m);
	return rc;
}

int spd_lock(struct maps *m, struct err *e)
{
	return lock(m, LOCK_WAIT_S, e);
}

int spd_trylock(struct maps *m, struct err *e)
{
	return lock(m, 0, e);
}

void spd_unlock(struct maps *m)
{
	struct maps_priv *mp = maps_priv(m);

	if (mp->lock_fd < 0)
		return;
	spd_rollback(m);
	let_go(mp, mp->lock_fd);
	mp->lock_fd = -1;
}

/* --- planning --- */

int spd_add(struct maps *m, const struct xi_policy *pol, uint32_t *slot, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);
	uint32_t max = m->meta->spd_max;

	for (uint32_t s = mp->free_hint; s < max; s++) {
		if (mp->plan[s].change != SPD_KEEP || gen_of(&m->spd[s]))
			continue;
		mp->free_hint = s + 1;
		m->spd[s] = *pol;
		m->spd[s].gen = 0;
		mp->plan[s] = (struct spd_plan){.change = SPD_ADD, .gen = maps_next_gen(m)};
		*slot = s;
		return 0;
	}
	return err_set(e, -ENOSPC, "all %u policies are in use: restart with a larger table", max);
}

/* A slot that has a policy, in force or planned. */
static int has_policy(const struct maps *m, uint32_t slot)
{
	const struct spd_plan *plan = ((const struct maps_priv *)m)->plan;

	if (slot >= m->meta->spd_max || plan[slot].change == SPD_DEL)
		return 0;
	return plan[slot].change == SPD_ADD || gen_of(&m->spd[slot]);
}

int spd_del(struct maps *m, uint32_t slot)
{
	struct spd_plan *plan = maps_priv(m)->plan;

	if (!has_policy(m, slot))
		return -ENOENT;
	if (plan[slot].change == SPD_ADD) {
		plan[slot].change = SPD_KEEP;
		maps_priv(m)->free_hint = 0;
	} else
		plan[slot].change = SPD_DEL;
	return 0;
}

int spd_move(struct maps *m, uint32_t slot, int32_t priority, uint32_t position)
{
	struct spd_plan *plan = maps_priv(m)->plan;

	if (!has_policy(m, slot))
		return -ENOENT;
	if (plan[slot].change == SPD_ADD) {
		m->spd[slot].priority = priority;
		m->spd[slot].position = position;
	} else {
		plan[slot] = (struct spd_plan){.change = SPD_MOVE, .priority = priority, .position = position};
	}
	return 0;
}

struct spd_sas spd_sas_of(const struct xi_policy *pol)
{
	return (struct spd_sas){
		.out = __atomic_load_n(&pol->sa_out, __ATOMIC_ACQUIRE),
		.in = __atomic_load_n(&pol->sa_in, __ATOMIC_ACQUIRE),
		.out_ah = __atomic_load_n(&pol->sa_out_ah, __ATOMIC_ACQUIRE),
		.in_ah = __atomic_load_n(&pol->sa_in_ah, __ATOMIC_ACQUIRE),
	};
}

/* Spec 14.1, 6.2: a larval SA is not used outbound, and one that is not used is missing. */
static void without_larval(const struct maps *m, uint64_t *ref)
{
	const struct xi_sa *sa = sad_get(m, *ref);

	if (sa && __atomic_load_n(&sa->state, __ATOMIC_RELAXED) == XI_SA_LARVAL)
		*ref = 0;
}

static int ends_dead(const struct maps *m, uint64_t was, uint64_t to)
{
	const struct xi_sa *sa = was != to ? sad_get(m, was) : NULL;

	return sa && sad_state_rt(sa, &m->sa_rt[XI_REF_SLOT(was)], clock_ns()) == XI_SA_DEAD;
}

/* What ph2-state says of a policy without SAs (spec 7.1). */
static void note_expiry(const struct maps *m, struct xi_policy *pol, const struct spd_sas *to)
{
	if (to->out && to->out != pol->sa_out)
		pol->expired = 0;
	else if (ends_dead(m, pol->sa_out, to->out) || ends_dead(m, pol->sa_in, to->in))
		pol->expired = 1;
}

void spd_set_sa(struct maps *m, uint32_t slot, const struct spd_sas *sas)
{
	struct xi_policy *pol = &m->spd[slot];
	struct spd_sas to = *sas;

	if (!has_policy(m, slot))
		return;
	without_larval(m, &to.out);
	without_larval(m, &to.out_ah);
	if (pol->protos == (XI_PROTOS_AH | XI_PROTOS_ESP)) {
		if (!to.out_ah)
			to.out = 0;
	} else {
		to.out_ah = to.in_ah = 0;
	}
	note_expiry(m, pol, &to);
	/* What asked for this SA has got it, though no worker may have seen that: the next packet without one asks anew, at once. */
	if (pol->sa_out && !to.out)
		__atomic_store_n(&pol->acquire_ns, 0, __ATOMIC_RELEASE);
	/* inbound first: what we start to send must find us ready for the answer */
	__atomic_store_n(&pol->sa_in_ah, to.in_ah, __ATOMIC_RELEASE);
	__atomic_store_n(&pol->sa_in, to.in, __ATOMIC_RELEASE);
	/* the ESP SA is there only while the AH SA is: one that goes, goes first */
	if (!to.out_ah || !to.out)
		__atomic_store_n(&pol->sa_out, to.out, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pol->sa_out_ah, to.out_ah, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pol->sa_out, to.out, __ATOMIC_RELEASE);
}

void spd_replace_in(struct maps *m, uint32_t slot, uint64_t old, uint64_t new)
{
	struct spd_sas sas = spd_sas_of(&m->spd[slot]);
	uint64_t *ref[] = {&sas.out, &sas.in, &sas.out_ah, &sas.in_ah};
	int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ref); i++)
		if (*ref[i] == old) {
			*ref[i] = new;
			found = 1;
		}
	if (found)
		spd_set_sa(m, slot, &sas);
}

void spd_replace_sa(struct maps *m, uint64_t old, uint64_t new)
{
	for (uint32_t s = 0; old && s < m->meta->spd_max; s++)
		spd_replace_in(m, s, old, new);
}

void spd_rollback(struct maps *m)
{
	struct spd_plan *plan = maps_priv(m)->plan;

	for (uint32_t s = 0; plan && s < m->meta->spd_max; s++) {
		if (plan[s].change == SPD_ADD)
			free_policy(&m->spd[s]);
		plan[s].change = SPD_KEEP;
	}
	maps_priv(m)->free_hint = 0;
}

/* --- commit --- */

struct sort_key {
	int32_t priority;
	uint8_t dynamic, last;
	uint32_t position, id, slot;
};

/* Spec 13.1: larger priority first; dynamic ones behind the static ones of their priority; then the order of the list. */
static int by_order(const void *va, const void *vb)
{
	const struct sort_key *a = va, *b = vb;

	if (a->last != b->last)
		return a->last ? 1 : -1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->dynamic != b->dynamic)
		return a->dynamic ? 1 : -1;
	if (a->position != b->position)
		return a->position < b->position ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* Keys of all policies that will be there, sorted. */
static unsigned sorted_keys(const struct maps *m, struct sort_key *key)
{
	const struct spd_plan *plan = ((const struct maps_priv *)m)->plan;
	unsigned n = 0;

	for (uint32_t s = 0; s < m->meta->spd_max; s++) {
		const struct xi_policy *pol = &m->spd[s];
		int moved = plan[s].change == SPD_MOVE;

		if (!has_policy(m, s))
			continue;
		key[n++] = (struct sort_key){.priority = moved ? plan[s].priority : pol->priority,
					     .dynamic = (pol->flags & XI_POL_DYNAMIC) != 0,
					     .last = (uint8_t)is_last(pol),
					     .position = moved ? plan[s].position : pol->position,
					     .id = pol->id,
					     .slot = s};
	}
	qsort(key, n, sizeof(*key), by_order);
	return n;
}

/* The rules in the order of the keys. */
static void make_rules(const struct maps *m, const struct sort_key *key, unsigned n, struct xi_rule *rule)
{
	const struct spd_plan *plan = ((const struct maps_priv *)m)->plan;

	for (unsigned i = 0; i < n; i++) {
		uint32_t s = key[i].slot;

		rule_of(&rule[i], &m->spd[s], s, plan[s].change == SPD_ADD ? plan[s].gen : m->spd[s].gen);
		rule[i].priority = key[i].priority;
		rule[i].position = key[i].position;
		rule[i].order = i;
	}
}

/* The new policies get their generation before a rule that points at them is in force. */
static void set_new_gens(struct maps *m)
{
	const struct spd_plan *plan = maps_priv(m)->plan;

	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		if (plan[s].change == SPD_ADD)
			__atomic_store_n(&m->spd[s].gen, plan[s].gen, __ATOMIC_RELEASE);
}

/* After the swap: places as compiled, deleted slots free, no plans left. */
static void settle(struct maps *m, const struct sort_key *key, unsigned n)
{
	struct spd_plan *plan = maps_priv(m)->plan;

	for (unsigned i = 0; i < n; i++) {
		struct xi_policy *pol = &m->spd[key[i].slot];

		pol->order = i;
		pol->priority = key[i].priority;
		pol->position = key[i].position;
	}
	for (uint32_t s = 0; s < m->meta->spd_max; s++) {
		if (plan[s].change == SPD_DEL)
			free_policy(&m->spd[s]);
		plan[s].change = SPD_KEEP;
	}
	maps_priv(m)->free_hint = 0;
}

int spd_commit(struct maps *m, struct err *e)
{
	uint32_t spd_max = m->meta->spd_max;
	struct sort_key *key = calloc(spd_max, sizeof(*key));
	struct xi_rule *rule = calloc(spd_max, sizeof(*rule));
	uint64_t next = m->meta->spd_gen + 1;
	unsigned n;
	int rc = -ENOMEM;

	if (!key || !rule)
		goto out;
	n = sorted_keys(m, key);
	make_rules(m, key, n, rule);
	/* a reader that still uses the copy of the generation before this one learns that it is too slow */
	__atomic_store_n(&m->meta->spd_begin, next, __ATOMIC_SEQ_CST);
	rc = class_compile(m, rule, n);
	if (rc)
		goto out; /* the next one to take the lock makes spd_begin and spd_gen equal */
	set_new_gens(m);
	__atomic_store_n(&m->meta->spd_gen, next, __ATOMIC_RELEASE); /* the one step */
	settle(m, key, n);
	__atomic_store_n(&m->meta->spd_done, next, __ATOMIC_RELEASE);
out:
	free(key);
	free(rule);
	return rc ? err_set(e, rc, "out of memory for the policies") : 0;
}
