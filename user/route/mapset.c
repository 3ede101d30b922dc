/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/mapset.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define KEY_MAX 64 /* bytes of the largest key */

static const void *key_at(const struct mapset *set, unsigned i)
{
	return (const char *)set->key + (size_t)i * set->key_size;
}

static bool has(const struct mapset *set, const void *key)
{
	for (unsigned i = 0; i < set->n; i++)
		if (memcmp(key_at(set, i), key, set->key_size) == 0)
			return true;
	return false;
}

/* Removes what the set does not have. The key is left behind before it goes, or the walk would begin anew. */
static void prune(int fd, const struct mapset *set)
{
	char cur[KEY_MAX], next[KEY_MAX], *prev = NULL;

	while (bpf_map_get_next_key(fd, prev, next) == 0) {
		if (prev && !has(set, cur))
			(void)bpf_map_delete_elem(fd, cur); /* somebody else may have been faster */
		memcpy(cur, next, set->key_size);
		prev = cur;
	}
	if (prev && !has(set, cur))
		(void)bpf_map_delete_elem(fd, cur);
}

static int enter(int fd, const struct mapset *set)
{
	for (unsigned i = 0; i < set->n; i++)
		if (bpf_map_update_elem(fd, key_at(set, i), &set->value[i], BPF_ANY) < 0)
			return -errno;
	return 0;
}

int mapset_become(int fd, const struct mapset *set)
{
	int rc = set->key_size <= KEY_MAX ? enter(fd, set) : -EINVAL;

	if (rc && rc != -E2BIG)
		return rc;
	prune(fd, set);
	return rc ? enter(fd, set) : 0;
}
