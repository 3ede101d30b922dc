/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SAD (RFC 4301 §4.4.2) in its mapped array: publish, remove, look up. The order of stores is that of
 * bpf/abi/xi_sa.h; a reader that has seen a generation sees the whole SA.
 */
#include "user/maps/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <time.h>

#include "user/base/clock.h"

static struct xi_spi_key spi_key(const struct xi_sa *sa)
{
	return (struct xi_spi_key){.dst = sa->dst, .spi = sa->spi, .proto = sa->proto, .family = sa->family};
}

/* A free slot. The search starts behind the last one given, so a slot rests for as long as possible. */
static int free_slot(const struct maps *m, uint32_t *slot)
{
	uint32_t max = m->meta->sad_max, start = m->meta->next_gen % max;

	for (uint32_t i = 0; i < max; i++) {
		uint32_t s = (start + i) % max;

		if (__atomic_load_n(&m->sad[s].gen, __ATOMIC_ACQUIRE) == 0) {
			*slot = s;
			return 0;
		}
	}
	return -ENOSPC;
}

static int spi_taken(const struct maps *m, const struct xi_spi_key *key)
{
	struct xi_spi_val val;

	return bpf_map_lookup_elem(m->fd[MAP_SPI], key, &val) == 0 && sad_get(m, XI_REF(val.slot, val.gen));
}

static int err_taken(struct err *e, const struct xi_sa *sa)
{
	char dst[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(sa->family == XI_IP4 ? AF_INET : AF_INET6, &sa->dst, dst, sizeof(dst));
	return err_set(e, -EEXIST, "%s SPI 0x%x to %s is taken by another SA", sa->proto == XI_PROTO_AH ? "AH" : "ESP",
		       ntohl(sa->spi), dst);
}

/* RFC 4303 §3.4.3: a window in which everything up to `top` was received, as user/ipsec/replay.c keeps it (RFC 6479). */
static void seed_replay(struct xi_sa_rt *rt, struct xi_replay *r, uint64_t top)
{
	memset(r, 0, sizeof(*r));
	rt->seq_top = top;
	if (!top)
		return;
	memset(r->word, 0xff, XI_REPLAY_WORDS * sizeof(r->word[0]));
	/* the numbers above it in its own word are still to come; words above are cleared when the window enters them */
	r->word[top / 64 % XI_REPLAY_WORDS] = ~0ull >> (63 - top % 64);
}

/* Fills the slot; the generation comes last. */
static void fill_slot(struct maps *m, uint32_t slot, const struct xi_sa *sa, uint64_t seq_start, uint32_t gen)
{
	struct xi_sa *to = &m->sad[slot];
	struct xi_sa copy = *sa;

	copy.gen = 0;
	copy.state = sa->state ? sa->state : XI_SA_MATURE;
	if (!copy.add_ns)
		copy.add_ns = clock_ns();
	if (!copy.add_wall)
		copy.add_wall = (uint64_t)time(NULL);
	memset(&m->sa_rt[slot], 0, sizeof(m->sa_rt[slot]));
	m->sa_rt[slot].seq_out = seq_start;
	seed_replay(&m->sa_rt[slot], &m->replay[slot], sa->dir == XI_DIR_IN ? seq_start : 0);
	*to = copy;
	explicit_bzero(&copy, sizeof(copy));
	__atomic_store_n(&to->gen, gen, __ATOMIC_RELEASE);
}

/* Generation 0 first, so that nobody starts to use what is being wiped. */
static void clear_slot(struct xi_sa *sa)
{
	__atomic_store_n(&sa->gen, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	explicit_bzero(sa, sizeof(*sa));
}

/* From the first SA with UDP on, port 4500 is IPsec's: said before a packet of it can come by. */
static void note_natt(struct maps *m, const struct xi_sa *sa)
{
	if (sa->flags & XI_SA_F_UDP)
		__atomic_store_n(&m->meta->natt, 1, __ATOMIC_RELEASE);
}

int sad_publish(struct maps *m, const struct xi_sa *sa, uint64_t seq_start, uint64_t *ref, struct err *e)
{
	struct xi_spi_key key = spi_key(sa);
	struct xi_spi_val val = {.dir = sa->dir};

	if (spi_taken(m, &key))
		return err_taken(e, sa);
	if (free_slot(m, &val.slot))
		return err_set(e, -ENOSPC, "all %u SAs are in use: restart with a larger table", m->meta->sad_max);
	val.gen = maps_next_gen(m);
	fill_slot(m, val.slot, sa, seq_start, val.gen);
	note_natt(m, sa);
	/* BPF_ANY: an entry whose SA is gone was left by a writer that died, see spi_taken() */
	if (bpf_map_update_elem(m->fd[MAP_SPI], &key, &val, BPF_ANY)) {
		int rc = -errno;

		clear_slot(&m->sad[val.slot]);
		return err_set(e, rc, "cannot enter the SPI in %s: %s", XI_MAP_SPI, strerror(-rc));
	}
	__atomic_add_fetch(&m->meta->sad_gen, 1, __ATOMIC_RELEASE);
	*ref = XI_REF(val.slot, val.gen);
	return 0;
}

int sad_renew(struct maps *m, uint64_t ref, const struct xi_sa *sa, uint64_t *new_ref, struct err *e)
{
	struct xi_spi_val val = {.slot = XI_REF_SLOT(ref), .dir = sa->dir};
	struct xi_spi_key key = spi_key(sa), old;
	struct xi_sa_rt *rt;
	struct xi_sa *to;

	if (!sad_get(m, ref))
		return err_set(e, -ENOENT, "the SA to be renewed is gone");
	to = &m->sad[val.slot];
	rt = &m->sa_rt[val.slot];
	old = spi_key(to);
	if (memcmp(&old, &key, sizeof(key)))
		return err_set(e, -EINVAL, "an SA is renewed under its own destination, protocol and SPI only");
	val.gen = maps_next_gen(m);
	note_natt(m, sa);
	__atomic_store_n(&to->gen, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*to = *sa;
	to->gen = 0;
	to->state = XI_SA_MATURE;
	to->add_ns = sa->add_ns ? sa->add_ns : clock_ns();
	to->add_wall = sa->add_wall ? sa->add_wall : (uint64_t)time(NULL);
	__atomic_store_n(&rt->bytes, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rt->packets, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rt->first_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rt->last_ns, 0, __ATOMIC_RELAXED);
	/* its limits are to be reported anew; the numbers used up stay used */
	__atomic_and_fetch(&rt->said, XI_SAID_SEQUENCE, __ATOMIC_RELAXED);
	__atomic_store_n(&to->gen, val.gen, __ATOMIC_RELEASE);
	if (bpf_map_update_elem(m->fd[MAP_SPI], &key, &val, BPF_ANY))
		return err_set(e, -errno, "cannot enter the SPI in %s: %s", XI_MAP_SPI, strerror(errno));
	__atomic_add_fetch(&m->meta->sad_gen, 1, __ATOMIC_RELEASE);
	*new_ref = XI_REF(val.slot, val.gen);
	return 0;
}

/*
 * Every worker that is in the middle of a burst may still use what it looked up at the burst's start: run-time state and
 * replay window of a slot belong to nobody else before it has finished. A worker that does not move for so long (stopped, or
 * its process is dead) is not waited for: it compares the generation again before it goes on.
 */
#define EPOCH_WAIT_NS (200 * 1000 * 1000ull)

static void wait_for_workers(const struct maps *m)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000};
	uint32_t workers = MIN(m->meta->workers, (uint32_t)XI_WORKER_MAX);
	uint64_t end = clock_ns() + EPOCH_WAIT_NS;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t w = 0; w < workers; w++) {
		const unsigned long long *at = &m->wstat[w].epoch;
		unsigned long long epoch = __atomic_load_n(at, __ATOMIC_ACQUIRE);

		while ((epoch & 1) && __atomic_load_n(at, __ATOMIC_ACQUIRE) == epoch && clock_ns() < end)
			(void)nanosleep(&pause, NULL);
	}
}

void sad_remove(struct maps *m, uint64_t ref)
{
	struct xi_spi_val val;
	struct xi_spi_key key;
	struct xi_sa *sa;

	if (!sad_get(m, ref))
		return;
	sa = &m->sad[XI_REF_SLOT(ref)];
	key = spi_key(sa);
	/* the entry may be a newer SA's by now: only ours goes */
	if (bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val) == 0 && XI_REF(val.slot, val.gen) == ref)
		(void)bpf_map_delete_elem(m->fd[MAP_SPI], &key);
	__atomic_store_n(&sa->state, XI_SA_DEAD, __ATOMIC_RELEASE);
	__atomic_store_n(&sa->gen, 0, __ATOMIC_RELEASE);
	wait_for_workers(m);
	clear_slot(sa);
	__atomic_add_fetch(&m->meta->sad_gen, 1, __ATOMIC_RELEASE);
}

int sad_entered(const struct maps *m, uint64_t ref)
{
	const struct xi_sa *sa = sad_get(m, ref);
	struct xi_spi_val val;
	struct xi_spi_key key;

	if (!sa)
		return 0;
	key = spi_key(sa);
	return bpf_map_lookup_elem(m->fd[MAP_SPI], &key, &val) == 0 && XI_REF(val.slot, val.gen) == ref;
}

/* The key after the one that goes is asked for first: a key that is gone starts the walk anew. */
static void tidy_entries(const struct maps *m)
{
	int fd = m->fd[MAP_SPI], more;
	struct xi_spi_key key, next;
	struct xi_spi_val val;

	for (more = !bpf_map_get_next_key(fd, NULL, &key); more; key = next) {
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &val) == 0 && !sad_get(m, XI_REF(val.slot, val.gen)))
			(void)bpf_map_delete_elem(fd, &key);
	}
}

void sad_tidy(struct maps *m)
{
	static const struct xi_sa none;

	wait_for_workers(m);
	for (uint32_t s = 0; s < m->meta->sad_max; s++) {
		struct xi_sa *sa = &m->sad[s];

		if (sa->gen && !sad_entered(m, XI_REF(s, sa->gen)))
			sad_remove(m, XI_REF(s, sa->gen));
		else if (!sa->gen && memcmp(sa, &none, sizeof(none)))
			clear_slot(sa);
	}
	tidy_entries(m);
}

const struct xi_sa *sad_get(const struct maps *m, uint64_t ref)
{
	uint32_t slot = XI_REF_SLOT(ref), gen = XI_REF_GEN(ref);

	if (!gen || slot >= m->meta->sad_max || __atomic_load_n(&m->sad[slot].gen, __ATOMIC_ACQUIRE) != gen)
		return NULL;
	return &m->sad[slot];
}

enum xi_sa_state sad_state(const struct xi_sa *sa, uint64_t now_ns)
{
	enum xi_sa_state state = (enum xi_sa_state)__atomic_load_n(&sa->state, __ATOMIC_RELAXED);
	uint64_t age = now_ns > sa->add_ns ? now_ns - sa->add_ns : 0;

	if (state != XI_SA_MATURE && state != XI_SA_DYING)
		return state;
	if (sa->hard_ns && age >= sa->hard_ns)
		return XI_SA_DEAD;
	return sa->soft_ns && age >= sa->soft_ns ? XI_SA_DYING : state;
}

static int reached(uint64_t limit, uint64_t value)
{
	return limit && value >= limit;
}

enum xi_sa_state sad_state_rt(const struct xi_sa *sa, const struct xi_sa_rt *rt, uint64_t now_ns)
{
	enum xi_sa_state state = sad_state(sa, now_ns);
	uint64_t bytes = __atomic_load_n(&rt->bytes, __ATOMIC_RELAXED);
	uint64_t packets = __atomic_load_n(&rt->packets, __ATOMIC_RELAXED);

	if (state != XI_SA_MATURE && state != XI_SA_DYING)
		return state;
	if (reached(sa->hard_bytes, bytes) || reached(sa->hard_packets, packets) ||
	    (sa->gen && __atomic_load_n(&rt->spent, __ATOMIC_RELAXED) == sa->gen))
		return XI_SA_DEAD;
	return reached(sa->soft_bytes, bytes) || reached(sa->soft_packets, packets) ? XI_SA_DYING : state;
}
