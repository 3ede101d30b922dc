/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash map of the programs that mirrors something of the kernel's: addresses, VLAN devices. */
#ifndef ROUTE_MAPSET_H
#define ROUTE_MAPSET_H

#include <linux/types.h>

#include "user/base/util.h"

/* Entry i is the key at key + i * key_size, and value[i]. */
struct mapset {
	const void *key;
	unsigned key_size;
	const __u32 *value;
	unsigned n;
};

/*
 * Makes the hash map fd equal to `set`. New entries come first, so that one that stays is never missing; a full map gets room from those that are gone.
 * Any thread; two at a time leave entries of either. 0, or what bpf(2) said (-E2BIG: more entries than the map has room for; nothing is removed that `set` has).
 */
int mapset_become(int fd, const struct mapset *set) __must_check;

#endif
