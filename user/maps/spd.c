/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SPD (RFC 4301 §4.4.1, spec section 13.1): changes are planned in private memory and in slots that are still
 * free, then one commit compiles all rules and swaps the classifier in one step. The classifier in force is the
 * truth: when a writer died between the first and the last store of a commit (meta: spd_begin != spd_gen), the next
 * one to take the lock makes xi_spd equal to it.
 */
#include "user/maps/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Spec 3.5: an inactive policy is skipped, but one that encrypts and is not level=use keeps its packets from leaving. */
static int skipped(const struct xi_policy *pol)
{
	return (pol->flags & XI_POL_INACTIVE) && !(pol->action == XI_ACTION_ENCRYPT && pol->level != XI_LEVEL_USE);
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

/* --- the array of rules --- */

static size_t rules_bytes(uint32_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (entries * sizeof(struct xi_rule) + page - 1) & ~(page - 1);
}

static struct xi_rule *rules_map(int fd, uint32_t entries)
{
	return mmap(NULL, rules_bytes(entries), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* --- lock and recovery --- */

/* Opens the classifier in force; *entries is its length with the closing rule. */
static int class_in_force(const struct maps *m, uint32_t *entries, struct err *e)
{
	struct bpf_map_info info = {0};
	__u32 zero = 0, id = 0, len = sizeof(info);
	int fd;

	if (bpf_map_lookup_elem(m->fd[MAP_CLASS], &zero, &id))
		return err_set(e, -errno, "cannot read %s: %s", XI_MAP_CLASS, strerror(errno));
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return err_set(e, -errno, "cannot open the classifier in force: %s", strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &len)) {
		int rc = -errno;

		close(fd);
		return err_set(e, rc, "cannot ask about the classifier in force: %s", strerror(-rc));
	}
	*entries = info.max_entries;
	return fd;
}

/* Every policy the rules name gets its place back; every other slot was half-made or half-gone. */
static void restore_from(struct maps *m, const struct xi_rule *rule, uint32_t entries, uint8_t *named)
{
	for (uint32_t i = 0; i < entries && !(rule[i].flags & XI_RULE_END); i++) {
		uint32_t slot = rule[i].slot;

		if (slot >= m->meta->spd_max || gen_of(&m->spd[slot]) != rule[i].gen)
			continue;
		named[slot] = 1;
		m->spd[slot].order = i;
		m->spd[slot].priority = rule[i].priority;
		m->spd[slot].position = rule[i].position;
	}
	for (uint32_t slot = 0; slot < m->meta->spd_max; slot++)
		if (!named[slot] && gen_of(&m->spd[slot]))
			free_policy(&m->spd[slot]);
}

static int recover(struct maps *m, struct err *e)
{
	uint32_t entries = 0;
	struct xi_rule *rule;
	uint8_t *named;
	int fd = class_in_force(m, &entries, e), rc = 0;

	if (fd < 0)
		return fd;
	rule = rules_map(fd, entries);
	named = calloc(m->meta->spd_max, 1);
	if (rule == MAP_FAILED || !named) {
		rc = err_set(e, -ENOMEM, "out of memory while repairing the policies");
	} else {
		restore_from(m, rule, entries, named);
		__atomic_store_n(&m->meta->spd_gen, m->meta->spd_begin, __ATOMIC_RELEASE);
	}
	free(named);
	if (rule != MAP_FAILED)
		(void)munmap(rule, rules_bytes(entries));
	close(fd);
	return rc;
}

int spd_lock(struct maps *m, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);
	int fd, rc = path_mkdir(m->paths.run, e);

	if (rc)
		return rc;
	if (mp->lock_fd >= 0)
		return err_set(e, -EDEADLK, "the policies are locked by this process already");
	fd = open(m->paths.spd_lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", m->paths.spd_lock, strerror(errno));
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			rc = err_set(e, -errno, "cannot lock %s: %s", m->paths.spd_lock, strerror(errno));
			close(fd);
			return rc;
		}
	mp->lock_fd = fd;
	if (m->meta->spd_begin == m->meta->spd_gen)
		return 0;
	rc = recover(m, e);
	if (rc)
		spd_unlock(m);
	return rc;
}

void spd_unlock(struct maps *m)
{
	struct maps_priv *mp = maps_priv(m);

	if (mp->lock_fd < 0)
		return;
	spd_rollback(m);
	close(mp->lock_fd);
	mp->lock_fd = -1;
}

/* --- planning --- */

int spd_add(struct maps *m, const struct xi_policy *pol, uint32_t *slot, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);
	uint32_t max = m->meta->spd_max;

	for (uint32_t s = 0; s < max; s++) {
		if (mp->plan[s].change != SPD_KEEP || gen_of(&m->spd[s]))
			continue;
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
	if (plan[slot].change == SPD_ADD)
		plan[slot].change = SPD_KEEP;
	else
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

void spd_set_sa(struct maps *m, uint32_t slot, uint64_t sa_out, uint64_t sa_in)
{
	if (!has_policy(m, slot))
		return;
	/* inbound first: what we start to send must find us ready for the answer */
	__atomic_store_n(&m->spd[slot].sa_in, sa_in, __ATOMIC_RELEASE);
	__atomic_store_n(&m->spd[slot].sa_out, sa_out, __ATOMIC_RELEASE);
}

void spd_rollback(struct maps *m)
{
	struct spd_plan *plan = maps_priv(m)->plan;

	for (uint32_t s = 0; plan && s < m->meta->spd_max; s++) {
		if (plan[s].change == SPD_ADD)
			free_policy(&m->spd[s]);
		plan[s].change = SPD_KEEP;
	}
}

/* --- commit --- */

struct sort_key {
	int32_t priority;
	uint8_t dynamic;
	uint32_t position, id, slot;
};

/* Spec 13.1: larger priority first; dynamic ones behind the static ones of their priority; then the order of the list. */
static int by_order(const void *va, const void *vb)
{
	const struct sort_key *a = va, *b = vb;

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
					     .position = moved ? plan[s].position : pol->position,
					     .id = pol->id,
					     .slot = s};
	}
	qsort(key, n, sizeof(*key), by_order);
	return n;
}

/* A new array of rules in the order of the keys. Returns its fd. */
static int compile(const struct maps *m, const struct sort_key *key, unsigned n, struct err *e)
{
	const struct spd_plan *plan = ((const struct maps_priv *)m)->plan;
	int fd = maps_new_rules(n, e);
	struct xi_rule *rule;

	if (fd < 0)
		return fd;
	rule = rules_map(fd, n + 1);
	if (rule == MAP_FAILED) {
		close(fd);
		return err_set(e, -ENOMEM, "out of memory for %u rules", n);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t s = key[i].slot;

		rule_of(&rule[i], &m->spd[s], s, plan[s].change == SPD_ADD ? plan[s].gen : m->spd[s].gen);
		rule[i].priority = key[i].priority;
		rule[i].position = key[i].position;
	}
	rule[n].flags = XI_RULE_END;
	(void)munmap(rule, rules_bytes(n + 1));
	return fd;
}

/* The new policies get their generation before a rule points at them; on the way back they lose it. */
static void set_new_gens(struct maps *m, int on)
{
	const struct spd_plan *plan = maps_priv(m)->plan;

	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		if (plan[s].change == SPD_ADD)
			__atomic_store_n(&m->spd[s].gen, on ? plan[s].gen : 0, __ATOMIC_RELEASE);
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
}

int spd_commit(struct maps *m, struct err *e)
{
	struct sort_key *key = calloc(m->meta->spd_max, sizeof(*key));
	__u32 zero = 0;
	unsigned n;
	int fd, rc = 0;

	if (!key)
		return err_set(e, -ENOMEM, "out of memory");
	n = sorted_keys(m, key);
	fd = compile(m, key, n, e);
	if (fd < 0) {
		free(key);
		return fd;
	}
	__atomic_store_n(&m->meta->spd_begin, m->meta->spd_gen + 1, __ATOMIC_SEQ_CST);
	set_new_gens(m, 1);
	/* the one step; the kernel returns when no program uses the old rules any more */
	if (bpf_map_update_elem(m->fd[MAP_CLASS], &zero, &fd, BPF_ANY)) {
		rc = err_set(e, -errno, "cannot replace the classifier: %s", strerror(errno));
		set_new_gens(m, 0);
		__atomic_store_n(&m->meta->spd_begin, m->meta->spd_gen, __ATOMIC_RELEASE);
	} else {
		settle(m, key, n);
		__atomic_store_n(&m->meta->spd_gen, m->meta->spd_begin, __ATOMIC_RELEASE);
	}
	close(fd);
	free(key);
	return rc;
}

/* --- the rules for user space --- */

int spd_snapshot_init(struct spd_snapshot *s, const struct maps *m)
{
	memset(s, 0, sizeof(*s));
	s->max = m->meta->spd_max;
	s->spd_gen = UINT64_MAX; /* nothing read yet */
	s->rule = calloc(s->max, sizeof(*s->rule));
	s->spare = calloc(s->max, sizeof(*s->spare));
	if (s->rule && s->spare)
		return 0;
	spd_snapshot_free(s);
	return -ENOMEM;
}

void spd_snapshot_free(struct spd_snapshot *s)
{
	free(s->rule);
	free(s->spare);
	memset(s, 0, sizeof(*s));
}

int spd_snapshot_refresh(struct spd_snapshot *s, const struct maps *m)
{
	uint64_t gen = __atomic_load_n(&m->meta->spd_gen, __ATOMIC_ACQUIRE);
	struct xi_rule *old = s->rule;
	unsigned n = 0;

	/* While a commit runs, what we have stays: it is a few bursts older than the XDP programs' view at most. */
	if (gen == s->spd_gen || __atomic_load_n(&m->meta->spd_begin, __ATOMIC_ACQUIRE) != gen)
		return 0;
	for (uint32_t slot = 0; slot < s->max; slot++) {
		uint32_t pgen = gen_of(&m->spd[slot]), order = m->spd[slot].order;

		if (!pgen || order >= s->max)
			continue;
		rule_of(&s->spare[order], &m->spd[slot], slot, pgen);
		n++;
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&m->meta->spd_begin, __ATOMIC_RELAXED) != gen)
		return 0; /* one began while we read: torn, next time */
	s->rule = s->spare;
	s->spare = old;
	s->count = n;
	s->spd_gen = gen;
	return 1;
}

const struct xi_rule *spd_snapshot_match(const struct spd_snapshot *s, const struct xi_tuple *t, int dir)
{
	for (unsigned i = 0; i < s->count; i++)
		if (xi_rule_match(&s->rule[i], t, dir))
			return &s->rule[i];
	return NULL;
}
