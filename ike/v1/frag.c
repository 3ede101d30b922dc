/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE fragmentation (spec section 25), receiving: each fragment is a whole ISAKMP message whose only payload is a piece of the real one. One message
 * at a time for each ISAKMP SA, bounded, for 30 s; a fragment with another ID begins anew, since the peer has then given up the older message.
 */
#include <stdlib.h>

#include "ike/v1/v1.h"

#define FRAGMENTS_MAX 64
#define BYTES_MAX 65535
#define KEEP_NS (30 * NS_PER_S)

struct ike1_frags {
	struct ike1 *sa;
	struct ike_timer timer; /* its end */
	size_t bytes;
	uint16_t id;
	uint8_t count, last; /* last: number of the last one, 0 = not seen */
	struct {
		uint8_t *p;
		size_t len;
	} piece[FRAGMENTS_MAX];
};

void ike1_fragments_free(struct ike1 *sa)
{
	struct ike1_frags *fs = sa->frags;

	if (!fs)
		return;
	timer_clear(&sa->ike->timers, &fs->timer);
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		free(fs->piece[i].p);
	free(fs);
	sa->frags = NULL;
}

/* The rest does not come. */
static void give_up(struct ike1 *sa)
{
	sa->ike->count[IKE_COUNT_FRAGMENTS] += sa->frags->count;
	ike1_fragments_free(sa);
}

static void frags_due(struct ike_timer *t)
{
	give_up(((struct ike1_frags *)((char *)t - offsetof(struct ike1_frags, timer)))->sa);
}

static struct ike1_frags *frags_for(struct ike1 *sa, uint16_t id)
{
	struct ike1_frags *fs;

	if (sa->frags && sa->frags->id == id)
		return sa->frags;
	if (sa->frags)
		give_up(sa);
	fs = calloc(1, sizeof(*fs));
	if (!fs)
		return NULL;
	fs->sa = sa;
	fs->id = id;
	fs->timer.fn = frags_due;
	if (timer_set(&sa->ike->timers, &fs->timer, ike_now(sa->ike) + KEEP_NS)) {
		free(fs);
		return NULL;
	}
	sa->frags = fs;
	return fs;
}

/* 1: it is a new piece that fits the others. */
static int take(struct ike1_frags *fs, const struct msg_fragment *f)
{
	unsigned at = f->number - 1u;

	if (f->number > FRAGMENTS_MAX || fs->piece[at].p || fs->bytes + f->data.len > BYTES_MAX)
		return 0;
	if (fs->last ? f->last || f->number > fs->last : 0)
		return 0;
	for (unsigned i = f->number; f->last && i < FRAGMENTS_MAX; i++)
		if (fs->piece[i].p)
			return 0; /* something stands behind the last one */
	fs->piece[at].p = malloc(f->data.len);
	if (!fs->piece[at].p)
		return 0;
	memcpy(fs->piece[at].p, f->data.p, f->data.len);
	fs->piece[at].len = f->data.len;
	fs->bytes += f->data.len;
	fs->count++;
	if (f->last)
		fs->last = f->number;
	return 1;
}

static int join(struct ike1 *sa, uint8_t **whole, size_t *len)
{
	struct ike1_frags *fs = sa->frags;
	uint8_t *p = malloc(fs->bytes);
	size_t at = 0;

	for (unsigned i = 0; p && i < fs->last; i++) {
		memcpy(p + at, fs->piece[i].p, fs->piece[i].len);
		at += fs->piece[i].len;
	}
	ike1_fragments_free(sa);
	*whole = p;
	*len = at;
	return p != NULL;
}

int ike1_fragment(struct ike1 *sa, struct bytes datagram, uint8_t **whole, size_t *len)
{
	struct ike1_frags *fs;
	struct msg_err e;
	struct msg m;

	if (msg_parse(&m, datagram, &e) || m.cipher.len || m.n_payloads != 1 ||
	    m.payload[0].type != ISAKMP_P_FRAGMENT) {
		sa->ike->count[IKE_COUNT_FRAGMENTS]++;
		return 0;
	}
	fs = frags_for(sa, m.payload[0].fragment.id);
	if (!fs || !take(fs, &m.payload[0].fragment)) {
		sa->ike->count[IKE_COUNT_FRAGMENTS]++;
		return 0;
	}
	return fs->last && fs->count == fs->last ? join(sa, whole, len) : 0;
}
