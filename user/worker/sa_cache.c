/* SPDX-License-Identifier: BSD-2-Clause */
/* SAs as a worker uses them: copied and their keys expanded when a generation is first seen. */
#include "user/worker/worker.h"

#include "user/crypto/alg.h"

static uint8_t *keys_of(const struct worker *w, const struct sa_entry *se)
{
	return w->keys + (size_t)(se - w->sa) * w->keyctx_stride;
}

const struct keyctx *sa_cache_keys(const struct worker *w, const struct sa_entry *se)
{
	return (const struct keyctx *)keys_of(w, se);
}

/* Copies the slot; 0 when it is not (or no longer) of that generation. */
static int copy_sa(const struct xi_sa *from, struct xi_sa *to, uint32_t gen)
{
	if (__atomic_load_n(&from->gen, __ATOMIC_ACQUIRE) != gen)
		return 0;
	memcpy(to, from, sizeof(*to));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&from->gen, __ATOMIC_RELAXED) == gen;
}

/* RFC 4302 §2: AH adds the same to every packet of an SA. */
static uint32_t ah_len(const struct xi_sa *sa)
{
	const size_t any = 1500;

	return sa->proto == XI_PROTO_AH ? (uint32_t)(any - ipsec_inner_mtu(sa, any)) : 0;
}

/* A record that another program wrote is checked like any input. */
static int is_sound(const struct xi_sa *sa)
{
	return alg_check_sa(sa) == 0 && (sa->family == XI_IP4 || sa->family == XI_IP6) &&
	       (sa->mode == XI_MODE_TUNNEL || sa->mode == XI_MODE_TRANSPORT) &&
	       (sa->proto == XI_PROTO_ESP || (sa->proto == XI_PROTO_AH && !(sa->flags & XI_SA_F_UDP)));
}

static void load(struct worker *w, struct sa_entry *se, uint32_t slot, uint32_t gen)
{
	struct keyctx *k = (struct keyctx *)keys_of(w, se);

	if (se->usable)
		keyctx_wipe(w->engine, k);
	memset(se, 0, sizeof(*se));
	if (!copy_sa(&w->maps->sad[slot], &se->sa, gen))
		return;
	se->gen = gen;
	se->ah_len = ah_len(&se->sa);
	if (is_sound(&se->sa) && keyctx_init(w->engine, k, &se->sa) == 0) {
		se->usable = 1;
		w->maps->sa_rt[slot].engine = keyctx_engine(k);
	}
	explicit_bzero(se->sa.enc_key, sizeof(se->sa.enc_key));
	explicit_bzero(se->sa.auth_key, sizeof(se->sa.auth_key));
}

struct sa_entry *sa_cache_get(struct worker *w, uint32_t slot, uint32_t gen)
{
	struct sa_entry *se;

	if (unlikely(slot >= w->maps->meta->sad_max || gen == 0))
		return NULL;
	/* Taken away meanwhile: the reference is stale, whatever is cached. */
	if (unlikely(__atomic_load_n(&w->maps->sad[slot].gen, __ATOMIC_ACQUIRE) != gen))
		return NULL;
	se = &w->sa[slot];
	if (unlikely(se->gen != gen))
		load(w, se, slot, gen);
	if (unlikely(!se->usable || se->gen != gen))
		return NULL;
	se->sa.state = w->maps->sad[slot].state; /* the one field its owner changes while it lives */
	return se;
}

void sa_cache_wipe(struct worker *w)
{
	for (uint32_t i = 0; i < w->maps->meta->sad_max; i++)
		if (w->sa[i].usable)
			keyctx_wipe(w->engine, (struct keyctx *)keys_of(w, &w->sa[i]));
}

/* Adds n unless that goes beyond the limit. */
static int take(__u64 *sum, uint64_t n, uint64_t limit)
{
	__u64 now = __atomic_load_n(sum, __ATOMIC_RELAXED);

	do {
		if (limit && (n > limit || now > limit - n))
			return 0;
	} while (!__atomic_compare_exchange_n(sum, &now, now + n, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return 1;
}

static int account_limited(struct xi_sa_rt *rt, const struct sa_entry *se, unsigned packets, size_t bytes)
{
	if (__atomic_load_n(&rt->spent, __ATOMIC_RELAXED) == se->gen)
		return 0;
	if (take(&rt->packets, packets, se->sa.hard_packets)) {
		if (take(&rt->bytes, bytes, se->sa.hard_bytes))
			return 1;
		__atomic_sub_fetch(&rt->packets, packets, __ATOMIC_RELAXED);
	}
	/* From here on the SA is dead, also to a shorter packet that would fit: its owner is told. */
	__atomic_store_n(&rt->spent, se->gen, __ATOMIC_RELAXED);
	return 0;
}

int sa_account(struct worker *w, const struct sa_entry *se, unsigned packets, size_t bytes)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];

	if (unlikely(sa_limited(se))) {
		if (!account_limited(rt, se, packets, bytes))
			return 0;
	} else {
		__atomic_add_fetch(&rt->bytes, bytes, __ATOMIC_RELAXED);
		__atomic_add_fetch(&rt->packets, packets, __ATOMIC_RELAXED);
	}
	if (!rt->first_ns)
		rt->first_ns = w->now;
	rt->last_ns = w->now;
	return 1;
}

void sa_unaccount(struct worker *w, const struct sa_entry *se, unsigned packets, size_t bytes)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];

	__atomic_sub_fetch(&rt->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&rt->packets, packets, __ATOMIC_RELAXED);
}

enum xi_sa_state sa_state(const struct worker *w, const struct sa_entry *se)
{
	if (unlikely(sa_limited(se)))
		return sad_state_rt(&se->sa, &w->maps->sa_rt[se - w->sa], w->now);
	return sad_state(&se->sa, w->now);
}

void sa_count_error(struct worker *w, const struct sa_entry *se)
{
	__atomic_fetch_add(&w->maps->sa_rt[se - w->sa].err_other, 1, __ATOMIC_RELAXED);
}
