/* SPDX-License-Identifier: BSD-2-Clause */
/* Ages what tc egress notes about the host's NAT (xi_nat). */
#include "user/maps/internal.h"

#include <bpf/bpf.h>

/* Written with the seconds of its last packet. The clock of who looks may be a moment older. */
static int is_old(uint32_t last, uint32_t now_s)
{
	return now_s > last && now_s - last > XI_NAT_IDLE_S;
}

unsigned nat_expire(struct maps *m, uint32_t now_s)
{
	int fd = m->fd[MAP_NAT], more;
	struct xi_nat_key key, next;
	unsigned gone = 0;
	uint32_t last;

	more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0; /* before the key goes: it would begin again */
		if (bpf_map_lookup_elem(fd, &key, &last) == 0 && is_old(last, now_s) &&
		    bpf_map_delete_elem(fd, &key) == 0)
			gone++;
	}
	if (gone)
		__atomic_fetch_add(&m->meta->nat_gen, 1, __ATOMIC_RELEASE);
	return gone;
}
