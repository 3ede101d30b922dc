/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pinned maps: one table of their shapes, from which they are made, opened, checked and mapped. xi_meta is pinned
 * last, so a set without it is half-made: its maker died, and the next one starts over.
 */
#include "user/maps/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "user/base/lockfile.h"

#define WORKERS_MIN 4
#define SLOTS_MAX (1u << 20) /* SAs or policies: 8 GB of replay windows */

/* What the sizes of the maps follow from: fields of xi_meta. */
struct sizes {
	uint32_t sad, spd, workers;
};

/* Entries of a map: a number, or one for each slot of the SAD or SPD. */
enum scale { FIXED, PER_SA, PER_POLICY, PER_BUCKET, PER_WORKER_POLICY };

static const struct shape {
	const char *name;
	enum bpf_map_type type;
	uint32_t key, value;
	uint32_t entries; /* times the scale */
	enum scale scale;
	uint32_t flags;
	size_t view; /* offset of its pointer in struct maps, 0 = not mapped */
} shapes[MAP_MAX] = {
	[MAP_META] = {XI_MAP_META, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_meta), 1, FIXED, BPF_F_MMAPABLE,
		      offsetof(struct maps, meta)},
	[MAP_SAD] = {XI_MAP_SAD, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_sa), 1, PER_SA, BPF_F_MMAPABLE,
		     offsetof(struct maps, sad)},
	[MAP_SA_RT] = {XI_MAP_SA_RT, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_sa_rt), 1, PER_SA, BPF_F_MMAPABLE,
		       offsetof(struct maps, sa_rt)},
	[MAP_REPLAY] = {XI_MAP_REPLAY, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_replay), 1, PER_SA, BPF_F_MMAPABLE,
			offsetof(struct maps, replay)},
	/* twice the SAs: short chains, and room while one is replaced */
	[MAP_SPI] = {XI_MAP_SPI, BPF_MAP_TYPE_HASH, sizeof(struct xi_spi_key), sizeof(struct xi_spi_val), 2, PER_SA, 0,
		     0},
	[MAP_SPD] = {XI_MAP_SPD, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_policy), 1, PER_POLICY, BPF_F_MMAPABLE,
		     offsetof(struct maps, spd)},
	/* the classifier, each part in two copies */
	[MAP_CLASS] = {XI_MAP_CLASS, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_class_head), 2, FIXED, BPF_F_MMAPABLE,
		       offsetof(struct maps, class)},
	[MAP_RULES] = {XI_MAP_RULES, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_rule), 2, PER_POLICY, BPF_F_MMAPABLE,
		       offsetof(struct maps, rules)},
	[MAP_BUCKET] = {XI_MAP_BUCKET, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_bucket), 2, PER_BUCKET, BPF_F_MMAPABLE,
			offsetof(struct maps, bucket)},
	[MAP_LOCAL] = {XI_MAP_LOCAL, BPF_MAP_TYPE_HASH, sizeof(struct xi_local_key), 4, 4096, FIXED, 0, 0},
	/* one fragmented datagram each; the oldest make room */
	[MAP_FRAG] = {XI_MAP_FRAG, BPF_MAP_TYPE_LRU_HASH, sizeof(struct xi_frag_key), sizeof(struct xi_frag_val), 16384,
		      FIXED, 0, 0},
	[MAP_NAT] = {XI_MAP_NAT, BPF_MAP_TYPE_LRU_HASH, sizeof(struct xi_nat_key), 4, 16384, FIXED, 0, 0},
	[MAP_VLAN] = {XI_MAP_VLAN, BPF_MAP_TYPE_HASH, sizeof(struct xi_vlan_key), 4, 8192, FIXED, 0, 0},
	[MAP_IF] = {XI_MAP_IF, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_if), XI_IF_MAX, FIXED, BPF_F_MMAPABLE,
		    offsetof(struct maps, ifs)},
	[MAP_XSK] = {XI_MAP_XSK, BPF_MAP_TYPE_XSKMAP, 4, 4, XI_IF_MAX *XI_QUEUE_MAX, FIXED, 0, 0},
	[MAP_STAT] = {XI_MAP_STAT, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, XI_REASON_MAX, FIXED, 0, 0},
	[MAP_POLSTAT] = {XI_MAP_POLSTAT, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct xi_polstat), 1, PER_POLICY, 0, 0},
	[MAP_WSTAT] = {XI_MAP_WSTAT, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_wstat), XI_WORKER_MAX, FIXED,
		       BPF_F_MMAPABLE, offsetof(struct maps, wstat)},
	[MAP_WPOLSTAT] = {XI_MAP_WPOLSTAT, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xi_polstat), 1, PER_WORKER_POLICY,
			  BPF_F_MMAPABLE, offsetof(struct maps, wpolstat)},
	[MAP_DROPS] = {XI_MAP_DROPS, BPF_MAP_TYPE_RINGBUF, 0, 0, XI_DROPS_BYTES, FIXED, 0, 0},
	[MAP_SAMPLER] = {XI_MAP_SAMPLER, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct xi_sampler), 1, FIXED, 0, 0},
};

const char *map_name(enum map_id id)
{
	return shapes[id].name;
}

static uint32_t entries_of(const struct shape *s, const struct sizes *n)
{
	switch (s->scale) {
	case PER_SA:
		return s->entries * n->sad;
	case PER_POLICY:
		return s->entries * n->spd;
	case PER_BUCKET:
		return s->entries * xi_buckets(n->spd);
	case PER_WORKER_POLICY:
		return s->entries * n->workers * n->spd;
	default:
		return s->entries;
	}
}

static struct sizes sizes_of(const struct xi_meta *meta)
{
	return meta ? (struct sizes){meta->sad_max, meta->spd_max, meta->workers_max} : (struct sizes){0};
}

/* Bytes of the mapping of an mmapable array: elements are kept at multiples of 8, the whole in pages. */
static size_t view_bytes(const struct shape *s, uint32_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size_t)((s->value + 7) & ~7u) * entries;

	return (n + page - 1) & ~(page - 1);
}

static void pin_path(char out[PATH_LEN + 32], const struct paths *p, enum map_id id)
{
	(void)snprintf(out, PATH_LEN + 32, "%s/%s", p->pins, shapes[id].name);
}

static int fail(struct err *e, int err, const char *doing, const char *what)
{
	if (err == EPERM || err == EACCES)
		return err_set(e, -err, "cannot %s %s: not permitted, run as root", doing, what);
	return err_set(e, -err, "cannot %s %s: %s", doing, what, strerror(err));
}

static void **view_of(struct maps *m, const struct shape *s)
{
	return (void **)((char *)m + s->view);
}

static struct maps *maps_alloc(const struct paths *p)
{
	struct maps_priv *mp = calloc(1, sizeof(*mp));

	if (!mp)
		return NULL;
	mp->m.paths = *p;
	mp->lock_fd = -1;
	mp->kept_fd = -1;
	for (int i = 0; i < MAP_MAX; i++)
		mp->m.fd[i] = -1;
	return &mp->m;
}

void maps_close(struct maps *m)
{
	struct sizes n;

	if (!m)
		return;
	spd_unlock(m);
	n = sizes_of(m->meta);
	for (int i = MAP_MAX - 1; i >= 0; i--) {
		const struct shape *s = &shapes[i];

		if (s->view && *view_of(m, s))
			(void)munmap(*view_of(m, s), view_bytes(s, entries_of(s, &n)));
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	}
	if (maps_priv(m)->kept_fd >= 0)
		close(maps_priv(m)->kept_fd);
	free(maps_priv(m)->plan);
	free(m);
}

static int map_view(struct maps *m, enum map_id id, uint32_t entries, struct err *e)
{
	const struct shape *s = &shapes[id];
	void *at;

	if (!s->view)
		return 0;
	at = mmap(NULL, view_bytes(s, entries), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd[id], 0);
	if (at == MAP_FAILED)
		return fail(e, errno, "map", s->name);
	*view_of(m, s) = at;
	return 0;
}

static int remove_pins(const struct paths *p, struct err *e)
{
	char path[PATH_LEN + 32], *slash;

	place_forget(p);
	/* xi_meta first: without it the rest is half a set, whatever happens to us now */
	for (int i = 0; i < MAP_MAX; i++) {
		pin_path(path, p, (enum map_id)i);
		if (unlink(path) < 0 && errno != ENOENT)
			return fail(e, errno, "remove", path);
	}
	/* the folders v<N>, <instance>, xdp-ipsec, as far as they are empty now (the links of interfaces live there too) */
	(void)snprintf(path, sizeof(path), "%s", p->pins);
	for (int i = 0; i < 3 && rmdir(path) == 0 && (slash = strrchr(path, '/')); i++)
		*slash = '\0';
	return 0;
}

/* --- making --- */

static int make_map(const struct shape *s, uint32_t entries, struct err *e)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = s->flags);
	int fd;

	fd = bpf_map_create(s->type, s->name, s->key, s->value, entries, &opts);
	return fd < 0 ? fail(e, errno, "make map", s->name) : fd;
}

static int seed_meta(struct xi_meta *meta, const struct sizes *n, struct err *e)
{
	meta->abi = XI_ABI_VERSION;
	meta->size_sa = sizeof(struct xi_sa);
	meta->size_sa_rt = sizeof(struct xi_sa_rt);
	meta->size_replay = sizeof(struct xi_replay);
	meta->size_policy = sizeof(struct xi_policy);
	meta->size_rule = sizeof(struct xi_rule);
	meta->size_if = sizeof(struct xi_if);
	meta->sad_max = n->sad;
	meta->spd_max = n->spd;
	meta->workers_max = n->workers;
	meta->reason_max = XI_REASON_MAX;
	meta->netns = netns_cookie();
	if (getrandom(meta->inject_mac, sizeof(meta->inject_mac), 0) != sizeof(meta->inject_mac))
		return fail(e, errno, "read", "random bytes");
	meta->inject_mac[0] = (__u8)((meta->inject_mac[0] & 0xfc) | 0x02); /* unicast, locally administered */
	__atomic_store_n(&meta->magic, XI_ABI_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static int make_all(struct maps *m, const struct sizes *n, struct err *e)
{
	char path[PATH_LEN + 32];
	int rc = 0;

	for (int i = 0; i < MAP_MAX && !rc; i++) {
		uint32_t entries = entries_of(&shapes[i], n);

		rc = m->fd[i] = make_map(&shapes[i], entries, e);
		if (rc >= 0)
			rc = map_view(m, (enum map_id)i, entries, e);
	}
	if (!rc)
		rc = seed_meta(m->meta, n, e);
	/* xi_meta has number 0 and is pinned last: its pin says that the set is whole. */
	for (int i = MAP_MAX - 1; i >= 0 && !rc; i--) {
		pin_path(path, &m->paths, (enum map_id)i);
		if (bpf_obj_pin(m->fd[i], path))
			rc = fail(e, errno, "pin", path);
	}
	return rc ? rc : place_note(m, e);
}

/* --- opening --- */

static int wrong_layout(struct err *e, const struct paths *p, const char *what, unsigned have, unsigned want)
{
	return err_set(
		e, -EPROTO,
		"the maps in %s have %s %u, this program has %u: stop xdp-ipsecd, detach the interfaces with the "
		"program that made them (`xdp-ipsec interface detach`), or remove that folder",
		p->pins, what, have, want);
}

static int check_meta(const struct maps *m, struct err *e)
{
	const struct xi_meta *x = m->meta;
	const struct {
		const char *what;
		unsigned have, want;
	} row[] = {
		{"ABI version", x->abi, XI_ABI_VERSION},
		{"an SA size of", x->size_sa, sizeof(struct xi_sa)},
		{"an SA runtime size of", x->size_sa_rt, sizeof(struct xi_sa_rt)},
		{"a replay window size of", x->size_replay, sizeof(struct xi_replay)},
		{"a policy size of", x->size_policy, sizeof(struct xi_policy)},
		{"a rule size of", x->size_rule, sizeof(struct xi_rule)},
		{"an interface size of", x->size_if, sizeof(struct xi_if)},
		{"a number of reasons of", x->reason_max, XI_REASON_MAX},
	};

	if (__atomic_load_n(&x->magic, __ATOMIC_ACQUIRE) != XI_ABI_MAGIC)
		return wrong_layout(e, &m->paths, "magic", x->magic, XI_ABI_MAGIC);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		if (row[i].have != row[i].want)
			return wrong_layout(e, &m->paths, row[i].what, row[i].have, row[i].want);
	if (!x->sad_max || x->sad_max > SLOTS_MAX || !x->spd_max || x->spd_max > SLOTS_MAX)
		return wrong_layout(e, &m->paths, "a table of", MAX(x->sad_max, x->spd_max), SLOTS_MAX);
	if (!x->workers_max || x->workers_max > XI_WORKER_MAX)
		return wrong_layout(e, &m->paths, "workers", x->workers_max, XI_WORKER_MAX);
	return 0;
}

/* Opens the pin of one map and compares its shape with the table; entries 0 = any. */
static int open_map(struct maps *m, enum map_id id, uint32_t entries, struct err *e)
{
	const struct shape *s = &shapes[id];
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	char path[PATH_LEN + 32];

	pin_path(path, &m->paths, id);
	m->fd[id] = bpf_obj_get(path);
	if (m->fd[id] < 0)
		return fail(e, errno, "open", path);
	if (bpf_obj_get_info_by_fd(m->fd[id], &info, &len))
		return fail(e, errno, "ask about", path);
	if (info.type != s->type || info.key_size != s->key || info.value_size != s->value ||
	    (entries && info.max_entries != entries))
		return err_set(
			e, -EPROTO,
			"%s is not the map this program knows (type %u, key %u, value %u, entries %u; expected %u, "
			"%u, %u, %u): stop xdp-ipsecd and remove %s",
			path, info.type, info.key_size, info.value_size, info.max_entries, s->type, s->key, s->value,
			entries, m->paths.pins);
	return map_view(m, id, info.max_entries, e);
}

/* Pins of another ABI version beside ours? -EPROTO with the text, or 0. */
static int other_version(const struct paths *p, struct err *e)
{
	char parent[PATH_LEN], *slash;
	struct dirent *d;
	DIR *dir;
	int rc = 0;

	(void)str_copy(parent, sizeof(parent), p->pins);
	slash = strrchr(parent, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	dir = opendir(parent);
	if (!dir)
		return 0;
	while (!rc && (d = readdir(dir)))
		if (d->d_name[0] == 'v' && isdigit((unsigned char)d->d_name[1]) && strcmp(d->d_name, slash + 1) != 0)
			rc = err_set(
				e, -EPROTO,
				"maps of ABI version %.8s are in %s, this program has version %s: stop xdp-ipsecd, "
				"detach the interfaces with the program that made them (`xdp-ipsec interface "
				"detach`), or remove %s/%.8s",
				d->d_name + 1, parent, slash + 2, parent, d->d_name);
	(void)closedir(dir);
	return rc;
}

static size_t memory_of(const struct maps_priv *mp)
{
	const struct sizes sizes = sizes_of(mp->m.meta);
	size_t sum = 0;

	for (int i = 0; i < MAP_MAX; i++) {
		const struct shape *s = &shapes[i];
		size_t n = entries_of(s, &sizes);
		int cpus = s->type == BPF_MAP_TYPE_PERCPU_ARRAY ? mp->possible_cpus : 1;

		/* a hash element: two pointers and the hash, then key and value, each at a multiple of 8 */
		if (s->type == BPF_MAP_TYPE_HASH)
			sum += n * (48 + ((s->key + 7) & ~7u) + ((s->value + 7) & ~7u));
		else if (s->type == BPF_MAP_TYPE_RINGBUF)
			sum += n;
		else
			sum += n * ((s->value + 7) & ~7u) * (size_t)cpus;
	}
	return sum;
}

static int finish(struct maps *m, struct err *e)
{
	struct maps_priv *mp = maps_priv(m);

	mp->possible_cpus = libbpf_num_possible_cpus();
	if (mp->possible_cpus < 1)
		return fail(e, -mp->possible_cpus, "count", "CPUs");
	mp->plan = calloc(m->meta->spd_max, sizeof(*mp->plan));
	if (!mp->plan)
		return err_set(e, -ENOMEM, "out of memory");
	m->bytes = memory_of(mp);
	return 0;
}

int maps_open(struct maps **out, const struct paths *p, struct err *e)
{
	char path[PATH_LEN + 32];
	struct maps *m = maps_alloc(p);
	struct sizes n;
	int rc;

	*out = NULL;
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	pin_path(path, p, MAP_META);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		rc = other_version(p, e);
		if (!rc)
			rc = place_check(p, e);
		if (!rc)
			rc = err_set(e, -ENOENT,
				     "instance %s has no maps yet: attach an interface first (`xdp-ipsec interface "
				     "attach`)",
				     p->instance);
		goto out;
	}
	rc = open_map(m, MAP_META, 1, e);
	if (!rc)
		rc = check_meta(m, e);
	n = sizes_of(m->meta);
	for (int i = MAP_META + 1; i < MAP_MAX && !rc; i++)
		rc = open_map(m, (enum map_id)i, entries_of(&shapes[i], &n), e);
	if (!rc)
		rc = finish(m, e);
	if (!rc)
		rc = netns_check(m, e);
out:
	if (rc)
		maps_close(m);
	else
		*out = m;
	return rc;
}

/* One maker at a time; gone with the process. */
static int lock_making(const struct paths *p, struct err *e)
{
	char path[PATH_LEN + 16];
	int fd, rc = path_mkdir(p->run, e);

	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/maps.lock", p->run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(e, errno, "open", path);
	rc = lockfile_wait(fd, path, LOCKFILE_WAIT_S, e);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* A worker for each CPU there may ever be; a few are always possible. */
static uint32_t workers_max(void)
{
	int cpus = libbpf_num_possible_cpus();

	return (uint32_t)MIN(MAX(cpus, WORKERS_MIN), XI_WORKER_MAX);
}

static int create(struct maps **out, const struct paths *p, unsigned sad_max, unsigned spd_max, struct err *e)
{
	const struct sizes n = {sad_max, spd_max, workers_max()};
	struct maps *m;
	int rc = path_mkdir(p->pins, e);

	if (rc)
		return rc;
	m = maps_alloc(p);
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	rc = make_all(m, &n, e);
	if (!rc)
		rc = finish(m, e);
	if (rc) {
		maps_close(m);
		(void)remove_pins(p, NULL); /* the first failure is the one to tell; the next maker clears the rest */
		return rc;
	}
	*out = m;
	return 0;
}

int maps_open_or_create(struct maps **out, const struct paths *p, unsigned sad_max, unsigned spd_max, struct err *e)
{
	int lock, rc;

	*out = NULL;
	if (!sad_max || sad_max > SLOTS_MAX || !spd_max || spd_max > SLOTS_MAX)
		return err_set(e, -EINVAL, "number of SAs and of policies must be 1 to %u", SLOTS_MAX);
	lock = lock_making(p, e);
	if (lock < 0)
		return lock;
	rc = maps_open(out, p, e);
	if (rc == -ENOENT) {
		rc = maps_unpin(p, e); /* what a maker that died left behind */
		if (!rc)
			rc = create(out, p, sad_max, spd_max, e);
	}
	close(lock);
	return rc;
}

int maps_unpin(const struct paths *p, struct err *e)
{
	return remove_pins(p, e);
}

uint32_t maps_next_gen(struct maps *m)
{
	if (++m->meta->next_gen == 0)
		m->meta->next_gen = 1;
	return m->meta->next_gen;
}
