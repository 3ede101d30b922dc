/* SPDX-License-Identifier: BSD-2-Clause */
/* A binary heap of pointers, earliest first. Places count from 1, so that 0 can say "not set"; heap[0] is not used. */
#include <errno.h>
#include <stdlib.h>

#include "ike/core/timer.h"

static void put(struct ike_timers *ts, uint32_t place, struct ike_timer *t)
{
	ts->heap[place] = t;
	t->place = place;
}

static void up(struct ike_timers *ts, struct ike_timer *t, uint32_t at)
{
	while (at > 1 && ts->heap[at / 2]->at > t->at) {
		put(ts, at, ts->heap[at / 2]);
		at /= 2;
	}
	put(ts, at, t);
}

static void down(struct ike_timers *ts, struct ike_timer *t, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at;

		if (child > ts->count)
			break;
		if (child < ts->count && ts->heap[child + 1]->at < ts->heap[child]->at)
			child++;
		if (ts->heap[child]->at >= t->at)
			break;
		put(ts, at, ts->heap[child]);
		at = child;
	}
	put(ts, at, t);
}

static int grow(struct ike_timers *ts)
{
	uint32_t room = ts->room ? 2 * ts->room : 64;
	struct ike_timer **heap = realloc(ts->heap, room * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	ts->heap = heap;
	ts->room = room;
	return 0;
}

int timer_set(struct ike_timers *ts, struct ike_timer *t, uint64_t at)
{
	timer_clear(ts, t);
	if (ts->count + 1 >= ts->room && grow(ts))
		return -ENOMEM;
	t->at = at;
	up(ts, t, ++ts->count);
	return 0;
}

void timer_clear(struct ike_timers *ts, struct ike_timer *t)
{
	uint32_t place = t->place;
	struct ike_timer *last;

	if (!place)
		return;
	t->place = 0;
	last = ts->heap[ts->count--];
	if (last == t)
		return;
	if (place > 1 && ts->heap[place / 2]->at > last->at)
		up(ts, last, place);
	else
		down(ts, last, place);
}

uint64_t timer_next(const struct ike_timers *ts)
{
	return ts->count ? ts->heap[1]->at : UINT64_MAX;
}

void timer_run(struct ike_timers *ts, uint64_t now)
{
	while (ts->count && ts->heap[1]->at <= now) {
		struct ike_timer *t = ts->heap[1];

		timer_clear(ts, t);
		t->fn(t);
	}
}

void timers_free(struct ike_timers *ts)
{
	free(ts->heap);
	*ts = (struct ike_timers){0};
}
