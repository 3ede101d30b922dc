/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Anti-replay (RFC 4303 §3.4.3) with the ring of RFC 6479: sequence number s lives in bit s % 64 of word
 * (s / 64) % XI_REPLAY_WORDS. The window slides by clearing the words it enters, never by shifting. The ring has one word
 * more than the largest window, so that the word that is being filled never overlaps the oldest one still in the window; smaller
 * windows use the same ring and only judge "too old" earlier.
 */
#include "user/ipsec/replay.h"

#include "user/base/util.h"

void replay_lock(struct xi_sa_rt *rt)
{
	while (__atomic_exchange_n(&rt->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&rt->lock, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

void replay_unlock(struct xi_sa_rt *rt)
{
	__atomic_store_n(&rt->lock, 0, __ATOMIC_RELEASE);
}

enum xi_drop replay_check(const struct xi_sa_rt *rt, const struct xi_replay *r, uint32_t window, uint64_t seq)
{
	uint64_t top = rt->seq_top;

	if (!window)
		return XI_OK;
	/* RFC 4303 §3.3.3: the first packet has number 1, so zero is never valid while the window is on. */
	if (unlikely(seq == 0))
		return XI_DROP_IN_REPLAY_ZERO;
	if (likely(seq > top))
		return XI_OK;
	if (top - seq >= window)
		return XI_DROP_IN_REPLAY_OLD;
	if (r->word[seq / 64 % XI_REPLAY_WORDS] >> (seq % 64) & 1)
		return XI_DROP_IN_REPLAY_DUP;
	return XI_OK;
}

static void slide(struct xi_sa_rt *rt, struct xi_replay *r, uint64_t seq)
{
	uint64_t from = rt->seq_top / 64, to = seq / 64;

	if (to - from >= XI_REPLAY_WORDS) {
		memset(r->word, 0, XI_REPLAY_WORDS * sizeof(r->word[0]));
	} else {
		while (from < to)
			r->word[++from % XI_REPLAY_WORDS] = 0;
	}
	/* Shown by others without the lock. */
	__atomic_store_n(&rt->seq_top, seq, __ATOMIC_RELAXED);
}

uint64_t replay_esn(uint64_t top, uint32_t window, uint32_t low)
{
	const uint32_t width = window ? window : 1u << 31;
	uint32_t high = (uint32_t)(top >> 32), top_low = (uint32_t)top, bottom = top_low - width + 1;

	/* Case A: the window lies in one subspace, what is left of it belongs to the next. */
	if (likely(top_low >= width - 1))
		return (uint64_t)(high + (low < bottom)) << 32 | low;
	/* Case B: it reaches back into the one before, of which there is none at first. */
	return (uint64_t)(high - (low >= bottom && high)) << 32 | low;
}

enum xi_drop replay_update(struct xi_sa_rt *rt, struct xi_replay *r, uint32_t window, uint64_t seq)
{
	enum xi_drop v = replay_check(rt, r, window, seq);

	if (unlikely(v != XI_OK))
		return v;
	if (unlikely(!window)) {
		if (seq > rt->seq_top)
			__atomic_store_n(&rt->seq_top, seq, __ATOMIC_RELAXED);
		return XI_OK;
	}
	if (seq > rt->seq_top)
		slide(rt, r, seq);
	r->word[seq / 64 % XI_REPLAY_WORDS] |= 1ull << (seq % 64);
	return XI_OK;
}
