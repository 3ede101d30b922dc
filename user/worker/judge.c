/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does its policy accept a decrypted packet by the SAs it came by (spec 13.4 steps 2 to 5)? The judgement is cached by flow and SAs for as
 * long as the policies stay the same.
 */
#include "user/worker/worker.h"

#include <bpf/bpf.h>

static unsigned hash_of(const struct xi_tuple *t, uint64_t sa_ref)
{
	uint64_t h = ((uint64_t)t->src.w[0] << 32 | t->dst.w[0]) * 0x9e3779b97f4a7c15ull;

	if (t->family == XI_IP6) {
		h ^= ((uint64_t)t->src.w[2] << 32 | t->src.w[3]) * 0xd6e8feb86659fd93ull;
		h ^= ((uint64_t)t->dst.w[2] << 32 | t->dst.w[3]) * 0xff51afd7ed558ccdull;
	}
	h ^= ((uint64_t)t->src_port << 24 | (uint64_t)t->dst_port << 8 | t->proto) * 0xc2b2ae3d27d4eb4full;
	h ^= sa_ref * 0x165667b19e3779f9ull;
	/* The first bytes of an address are the lowest of its word: without this the last of the source reached only the topmost bits. */
	return hash_end(h, WRK_FLOW_BITS);
}

#define CHANGED ((enum xi_drop)XI_REASON_MAX) /* the policy was changed between search and use */

static enum xi_drop judge_once(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	const struct xi_policy *pol;
	int rc, unused, satisfied;
	struct xi_rule r;

	f->in_policy = UINT32_MAX;
	rc = class_match(w->maps, &f->tuple, XI_DIR_IN, &r);
	if (rc < 0)
		return XI_DROP_IN_LOOKUP;
	if (!rc)
		return came_by_tunnel(pk) ? XI_DROP_IN_NO_POLICY : XI_OK; /* step 3 */
	pol = &w->maps->spd[r.slot];
	/* Spec 3.5: an inactive policy of level use is there to be counted by what comes in clear, else it is as if disabled. */
	unused = r.level == XI_LEVEL_USE && (pol->flags & XI_POL_INACTIVE);
	satisfied = r.action == XI_ACTION_ENCRYPT && template_satisfied(pol, pk);
	/* the generation last: a record that was given away meanwhile says nothing */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&pol->gen, __ATOMIC_RELAXED) != r.gen)
		return CHANGED;
	if (unused)
		return came_by_tunnel(pk) ? XI_DROP_IN_NO_POLICY : XI_OK;
	f->in_policy = r.slot;
	f->in_gen = r.gen;
	if (r.action == XI_ACTION_NONE)
		return XI_OK;
	if (r.action == XI_ACTION_DISCARD)
		return XI_DROP_IN_BLOCKED;
	f->in_transformed = satisfied != 0;
	return satisfied ? XI_OK : XI_DROP_IN_TEMPLATE;
}

#define JUDGE_TRIES 10

static enum xi_drop judge_in(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	enum xi_drop why = CHANGED;

	if (!selectors_allow(pk, &f->tuple, XI_DIR_IN))
		return XI_DROP_IN_SA_SELECTOR;
	for (int i = 0; i < JUDGE_TRIES && why == CHANGED; i++) /* nothing is lost by a change */
		why = judge_once(w, pk, f);
	return why == CHANGED ? XI_DROP_IN_TEMPLATE : why;
}

int judge_quoted(struct worker *w, const struct wpkt *pk, const struct flow *f, struct xi_rule *r)
{
	const struct xi_policy *pol;
	struct xi_tuple t;

	if (!read_quoted(&pk->p, &t) || memcmp(&t.src, &f->tuple.dst, sizeof(t.src)) != 0 ||
	    !selectors_allow(pk, &t, XI_DIR_OUT))
		return 0;
	if (class_match(w->maps, &t, XI_DIR_OUT, r) <= 0 || r->action != XI_ACTION_ENCRYPT)
		return 0;
	pol = &w->maps->spd[r->slot];
	return !(pol->flags & XI_POL_INACTIVE) && template_satisfied(pol, pk) &&
	       __atomic_load_n(&pol->gen, __ATOMIC_ACQUIRE) == r->gen;
}

/* Spec 27.4: an answer to what NAT has brought into a policy. */
static int is_natted(const struct worker *w, const struct xi_tuple *t)
{
	struct xi_nat_key key = {.dst = t->dst, .family = t->family};
	__u32 one;

	if (!__atomic_load_n(&w->maps->meta->nat_gen, __ATOMIC_RELAXED))
		return 0;
	if (bpf_map_lookup_elem(w->maps->fd[MAP_NAT], &key, &one) == 0)
		return 1;
	key.src = t->src;
	return bpf_map_lookup_elem(w->maps->fd[MAP_NAT], &key, &one) == 0;
}

int quotes_natted(const struct worker *w, const struct wpkt *pk)
{
	struct xi_tuple t, answer;

	if (!__atomic_load_n(&w->maps->meta->nat_gen, __ATOMIC_RELAXED) || !read_quoted(&pk->p, &t))
		return 0;
	answer = t;
	answer.src = t.dst;
	answer.dst = t.src;
	return is_natted(w, &answer);
}

static void judge(struct worker *w, const struct wpkt *pk, struct flow *f)
{
	struct xi_rule out;
	int rc;

	f->in_transformed = 0;
	f->spd_gen = w->spd_gen;
	f->hop.gen = 0;
	f->natted = (uint8_t)is_natted(w, &f->tuple);
	f->verdict = (uint8_t)judge_in(w, pk, f);
	f->out_policy = UINT32_MAX;
	/* Transport mode ends at this host, and no outbound policy is for what stays here (spec 13.3). */
	if (pk->sa->sa.mode == XI_MODE_TRANSPORT)
		return;
	rc = class_match(w->maps, &f->tuple, XI_DIR_OUT, &out);
	if (rc < 0)
		f->verdict = XI_DROP_IN_LOOKUP;
	if (rc <= 0)
		return;
	f->out_policy = out.slot;
	f->out_gen = out.gen;
	f->out_action = out.action;
	f->out_level = out.level;
}

static int same_chain(const struct worker *w, const struct flow *f, const struct wpkt *pk)
{
	if (f->nchain != pk->nchain)
		return 0;
	for (unsigned i = 0; i < pk->nchain; i++)
		if (f->chain[i] != sa_ref(w, pk->chain[i]))
			return 0;
	return 1;
}

struct flow *flow_of(struct worker *w, const struct wpkt *pk, const struct xi_tuple *t)
{
	struct flow *f = &w->flow[hash_of(t, sa_ref(w, pk->sa))];

	if (likely(f->spd_gen == w->spd_gen && f->iif == arrival(w, pk) && same_chain(w, f, pk) &&
		   same_tuple(&f->tuple, t)))
		return f;
	f->tuple = *t;
	f->nchain = pk->nchain;
	for (unsigned i = 0; i < pk->nchain; i++)
		f->chain[i] = sa_ref(w, pk->chain[i]);
	f->iif = arrival(w, pk);
	judge(w, pk, f);
	return f;
}
