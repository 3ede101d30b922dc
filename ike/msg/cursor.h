/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing bytes of a message. Both cursors keep their first error and do nothing afterwards, so a caller may look once, at
 * the end. Numbers are big-endian on the wire and host order here. Nobody does pointer arithmetic on a message outside of this file.
 */
#ifndef IKE_MSG_CURSOR_H
#define IKE_MSG_CURSOR_H

#include <errno.h>

#include "user/base/util.h"

/* A piece of somebody else's bytes: never owned, valid as long as what it points into. */
struct bytes {
	const uint8_t *p;
	size_t len;
};

struct rd {
	const uint8_t *p, *end;
	int err; /* 0, or -EBADMSG: something was read behind the end; all further reads give 0 */
};

static inline struct rd rd_of(struct bytes b)
{
	return (struct rd){.p = b.p, .end = b.p ? b.p + b.len : b.p};
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

/* The next n bytes; empty after an error. */
static inline struct bytes rd_bytes(struct rd *r, size_t n)
{
	struct bytes b = {r->p, n};

	if (r->err || rd_left(r) < n) {
		r->err = -EBADMSG;
		return (struct bytes){0};
	}
	if (n)
		r->p += n;
	return b;
}

static inline struct bytes rd_rest(struct rd *r)
{
	return rd_bytes(r, rd_left(r));
}

static inline uint8_t rd_u8(struct rd *r)
{
	struct bytes b = rd_bytes(r, 1);

	return b.p ? b.p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	struct bytes b = rd_bytes(r, 2);

	return b.p ? (uint16_t)(b.p[0] << 8 | b.p[1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	uint32_t high = rd_u16(r);

	return high << 16 | rd_u16(r);
}

struct wr {
	uint8_t *buf; /* the caller's */
	size_t size, len;
	int err; /* 0, or -ENOSPC: buf was too small; nothing is written any more */
};

/* Room for n bytes, to be filled by the caller; NULL when there is none. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *at = w->buf + w->len;

	if (w->err || w->size - w->len < n) {
		w->err = -ENOSPC;
		return NULL;
	}
	w->len += n;
	return at;
}

static inline void wr_bytes(struct wr *w, struct bytes b)
{
	uint8_t *at = wr_room(w, b.len);

	if (at && b.len)
		memcpy(at, b.p, b.len);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, (struct bytes){&v, 1});
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	wr_bytes(w, (struct bytes){b, sizeof(b)});
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

/* Writes v over the two bytes at `at`, which were written before. */
static inline void wr_patch_u16(struct wr *w, size_t at, uint16_t v)
{
	if (w->err)
		return;
	w->buf[at] = (uint8_t)(v >> 8);
	w->buf[at + 1] = (uint8_t)v;
}

#endif
