/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums of the counters that BPF programs keep per CPU and workers keep per worker (spec sections 7.1 and 12). */
#include "user/maps/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

static const char *const stat_names[XI_STAT_MAX] = {
#define X(sym, name) [XI_STAT_##sym] = name,
	XI_STATS(X)
#undef X
};

static const char *const texts[XI_REASON_MAX] = {
#define X(sym, stat, text) [XI_DROP_##sym] = text,
	XI_DROPS(X)
#undef X
#define X(sym, text) [XI_##sym] = text,
		XI_PASSES(X)
#undef X
};

/* 1 + enum xi_statistic of each drop reason; 0 = a pass, or unused */
static const uint8_t stat_of[XI_REASON_MAX] = {
#define X(sym, stat, text) [XI_DROP_##sym] = 1 + XI_STAT_##stat,
	XI_DROPS(X)
#undef X
};

const char *stat_name(unsigned stat)
{
	return stat < XI_STAT_MAX ? stat_names[stat] : NULL;
}

const char *reason_text(unsigned reason)
{
	return reason < XI_REASON_MAX ? texts[reason] : NULL;
}

const char *reason_counter(unsigned reason)
{
	return reason < XI_REASON_MAX && stat_of[reason] ? stat_names[stat_of[reason] - 1] : NULL;
}

uint64_t stats_left_out(const struct maps *m)
{
	int cpus = ((const struct maps_priv *)m)->possible_cpus;
	struct xi_sampler *val = calloc((size_t)cpus, sizeof(*val));
	uint64_t n = 0;
	__u32 zero = 0;

	if (val && bpf_map_lookup_elem(m->fd[MAP_SAMPLER], &zero, val) == 0)
		for (int c = 0; c < cpus; c++)
			n += val[c].left_out;
	free(val);
	return n;
}

int stats_reasons(const struct maps *m, uint64_t reason[XI_REASON_MAX])
{
	int cpus = ((const struct maps_priv *)m)->possible_cpus, rc = 0;
	uint64_t *val = calloc((size_t)cpus, sizeof(*val));

	if (!val)
		return -ENOMEM;
	for (__u32 r = 0; r < XI_REASON_MAX && !rc; r++) {
		reason[r] = 0;
		if (bpf_map_lookup_elem(m->fd[MAP_STAT], &r, val))
			rc = -errno;
		for (int c = 0; c < cpus; c++)
			reason[r] += val[c];
		for (int w = 0; w < XI_WORKER_MAX; w++)
			reason[r] += __atomic_load_n(&m->wstat[w].reason[r], __ATOMIC_RELAXED);
	}
	free(val);
	return rc;
}

void stats_from_reasons(uint64_t stat[XI_STAT_MAX], const uint64_t reason[XI_REASON_MAX])
{
	memset(stat, 0, XI_STAT_MAX * sizeof(stat[0]));
	for (int r = 0; r < XI_REASON_MAX; r++)
		if (stat_of[r])
			stat[stat_of[r] - 1] += reason[r];
}

static void add(struct xi_polstat *sum, const struct xi_polstat *part)
{
	if (part->gen != sum->gen)
		return;
	sum->in_accepted += part->in_accepted;
	sum->in_dropped += part->in_dropped;
	sum->in_transformed += part->in_transformed;
	sum->out_accepted += part->out_accepted;
	sum->out_dropped += part->out_dropped;
	sum->out_transformed += part->out_transformed;
}

int stats_policy(const struct maps *m, uint32_t slot, struct xi_polstat *out)
{
	int cpus = ((const struct maps_priv *)m)->possible_cpus;
	uint32_t max = m->meta->spd_max;
	struct xi_polstat *val;

	memset(out, 0, sizeof(*out));
	if (slot >= max)
		return -ENOENT;
	out->gen = __atomic_load_n(&m->spd[slot].gen, __ATOMIC_ACQUIRE);
	if (!out->gen)
		return -ENOENT;
	val = calloc((size_t)cpus, sizeof(*val));
	if (!val)
		return -ENOMEM;
	if (bpf_map_lookup_elem(m->fd[MAP_POLSTAT], &slot, val)) {
		free(val);
		return -errno;
	}
	for (int c = 0; c < cpus; c++)
		add(out, &val[c]);
	for (uint32_t w = 0; w < m->meta->workers_max; w++)
		add(out, &m->wpolstat[(size_t)w * max + slot]);
	free(val);
	return 0;
}
