/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IKE fragmentation (spec section 25), receiving: each fragment is a whole ISAKMP message whose only payload is a piece of the real one. One message
 * at a time for each ISAKMP SA, bounded; a fragment with another ID begins anew, since the peer has then given up the older message.
 */
#include <stdlib.h>

#include "ike/v1/v1.h"

#define FRAGMENTS_MAX 64
#define BYTES_MAX 65535
#define KEEP_NS (30 * NS_PER_S)

struct ike1_frags {
	uint64_t since_ns;
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

	for (unsigned i = 0; fs && i < FRAGMENTS_MAX; i++)
		free(fs->piece[i].p);
	free(fs);
	sa->frags = NULL;
}

static struct ike1_frags *frags_for(struct ike1 *sa, uint16_t id)
{
	uint64_t now = ike_now(sa->ike);

	if (sa->frags && (sa->frags->id != id || now - sa->frags->since_ns > KEEP_NS)) {
		sa->ike->count[IKE_COUNT_FRAGMENTS] += sa->frags->count;
		ike1_fragments_free(sa);
	}
	if (!sa->frags) {
		sa->frags = calloc(1, sizeof(*sa->frags));
		if (!sa->frags)
			return NULL;
		sa->frags->id = id;
		sa->frags->since_ns = now;
	}
	return sa->frags;
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
