/* SPDX-License-Identifier: BSD-2-Clause */
/* What the administrator has set for an interface with sysctl, and the XDP program has to keep to as the stack would. */
#include "user/attach/attach.h"

#include <stdio.h>

/* A number of /proc/sys/net/<ip>/conf/<ifname>/; -1 when it cannot be read. */
static int conf_of(const char *ip, const char *ifname, const char *what)
{
	char path[96];
	int value = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", ip, ifname, what);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	(void)fclose(f);
	return value;
}

/*
 * rp_filter: the kernel takes the larger of "all" and the interface's own: 0 none, 1 strict, 2 loose; IPv6 has none. forwarding: its own
 * only. No IPv6 at all: nothing goes on.
 */
static uint32_t sysctl_flags(const char *ifname)
{
	int all = conf_of("ipv4", "all", "rp_filter"), own = conf_of("ipv4", ifname, "rp_filter"), mode = MAX(all, own);
	uint32_t flags = mode == 1 ? XI_IF_RPF_STRICT : mode == 2 ? XI_IF_RPF_LOOSE : 0;

	flags |= conf_of("ipv4", ifname, "forwarding") == 0 ? XI_IF_NO_FORWARD : 0;
	return flags | (conf_of("ipv6", ifname, "forwarding") <= 0 ? XI_IF_NO_FORWARD6 : 0);
}

void attach_refresh_sysctl(struct maps *m)
{
	const uint32_t mask = XI_IF_RPF_STRICT | XI_IF_RPF_LOOSE | XI_IF_NO_FORWARD | XI_IF_NO_FORWARD6;

	for (unsigned slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++) {
		struct xi_if *nic = &m->ifs[slot];
		uint32_t want;

		if (!__atomic_load_n(&nic->ifindex, __ATOMIC_ACQUIRE))
			continue;
		want = sysctl_flags(nic->name);
		/* on before off: no moment without a check while the mode changes */
		__atomic_or_fetch(&nic->flags, want, __ATOMIC_RELAXED);
		__atomic_and_fetch(&nic->flags, ~mask | want, __ATOMIC_RELAXED);
	}
}
