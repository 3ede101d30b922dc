/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker owns: made before the thread starts, freed after it ended. Nothing is allocated in between. */
#include "user/worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map_zero(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Arrays by SA and by flow. Pages are touched when an SA or flow is used first. */
static int alloc_tables(struct worker *w, size_t *bytes)
{
	uint32_t sad_max = w->maps->meta->sad_max;

	w->keyctx_stride = (keyctx_size() + 63) & ~(size_t)63;
	w->sa = map_zero(sad_max * sizeof(*w->sa));
	w->keys = map_zero(sad_max * w->keyctx_stride);
	w->flow = map_zero(WRK_FLOWS * sizeof(*w->flow));
	w->nest = map_zero(WRK_NESTS * sizeof(*w->nest));
	w->first = map_zero(WRK_FIRSTS * sizeof(*w->first));
	if (!w->sa || !w->keys || !w->flow || !w->nest || !w->first)
		return -ENOMEM;
	(void)madvise(w->keys, sad_max * w->keyctx_stride, MADV_DONTDUMP); /* keys do not belong into a core file */
	*bytes += sad_max * (sizeof(*w->sa) + w->keyctx_stride) + WRK_FLOWS * sizeof(*w->flow) +
		  WRK_NESTS * sizeof(*w->nest) + WRK_FIRSTS * sizeof(*w->first);
	return 0;
}

int worker_init(struct worker *w, unsigned id, const struct worker_conf *conf, struct maps *m, struct rt *rt,
		size_t *bytes, struct err *e)
{
	int rc;

	memset(w, 0, sizeof(*w));
	w->id = id;
	w->cpu = conf->cpu;
	w->maps = m;
	w->rt = rt;
	w->raw_out = w->raw_out6 = w->raw_icmp6 = -1;
	w->frags = conf->frags;
	w->stat = &m->wstat[id];
	w->polstat = &m->wpolstat[(size_t)id * m->meta->spd_max];
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake < 0)
		return err_set(e, -errno, "cannot make an event: %s", strerror(errno));
	rc = io_pool_init(&w->pool, conf->frames);
	if (!rc)
		rc = alloc_tables(w, bytes);
	if (rc)
		return err_set(e, rc, "worker %u: out of memory", id);
	*bytes += w->pool.bytes + (size_t)IO_LARGE * IO_LARGE_SIZE;
	rc = engine_new(&w->engine, XI_ENGINE_NONE, e);
	if (rc)
		return rc;
	rc = iv_init(&w->iv);
	if (rc)
		return err_set(e, rc, "worker %u: no random numbers: %s", id, strerror(-rc));
	w->iv_source = (struct iv_source){.fill = iv_fill, .state = &w->iv};
	iv_fill(&w->iv, (uint8_t *)&w->ip_id, sizeof(w->ip_id));
	w->ip_id = (uint16_t)(w->ip_id / XI_WORKER_MAX * XI_WORKER_MAX + id); /* each worker its own residue */
	iv_fill(&w->iv, (uint8_t *)&w->frag_id, sizeof(w->frag_id));
	w->frag_id = w->frag_id / XI_WORKER_MAX * XI_WORKER_MAX + id;
	return slow_open(w, e);
}

void worker_fini(struct worker *w)
{
	for (unsigned i = 0; i < w->nsock; i++)
		worker_drop_socket(w, w->sock[i]);
	w->nsock = 0;
	slow_close(w);
	if (w->sa && w->keys)
		sa_cache_wipe(w);
	iv_destroy(&w->iv);
	engine_free(w->engine);
	if (w->sa)
		munmap(w->sa, w->maps->meta->sad_max * sizeof(*w->sa));
	if (w->keys)
		munmap(w->keys, w->maps->meta->sad_max * w->keyctx_stride);
	if (w->flow)
		munmap(w->flow, WRK_FLOWS * sizeof(*w->flow));
	if (w->nest)
		munmap(w->nest, WRK_NESTS * sizeof(*w->nest));
	if (w->first)
		munmap(w->first, WRK_FIRSTS * sizeof(*w->first));
	io_pool_free(&w->pool);
	if (w->wake >= 0)
		close(w->wake);
}
