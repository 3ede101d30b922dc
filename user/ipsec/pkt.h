/* SPDX-License-Identifier: BSD-2-Clause */
/* One packet in one UMEM frame. data..tail are its bytes; head..end is the room it may grow into. */
#ifndef IPSEC_PKT_H
#define IPSEC_PKT_H

#include "user/base/util.h"

struct pkt {
	uint8_t *head;
	uint8_t *data;
	uint8_t *tail; /* one past the last byte */
	uint8_t *end;  /* one past the room */
};

static inline size_t pkt_len(const struct pkt *p)
{
	return (size_t)(p->tail - p->data);
}

#endif
