/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/umem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef XDP_USE_SG /* Linux 6.6 */
#define XDP_USE_SG (1 << 4)
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#define LARGE_BYTES ((size_t)IO_LARGE * IO_LARGE_SIZE)

int io_pool_init(struct io_pool *p, unsigned frames)
{
	memset(p, 0, sizeof(*p));
	p->bytes = (size_t)frames * IO_FRAME_SIZE;
	p->area = mmap(NULL, p->bytes + LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->area == MAP_FAILED) {
		p->area = NULL;
		return -ENOMEM;
	}
	(void)madvise(p->area, p->bytes, MADV_HUGEPAGE); /* fewer TLB misses where the kernel can */
	p->free = calloc(frames, sizeof(*p->free));
	p->owner = calloc(frames, sizeof(*p->owner));
	if (!p->free || !p->owner) {
		io_pool_free(p);
		return -ENOMEM;
	}
	p->frames = frames;
	/* Lowest address on top of the stack: a quiet gateway touches few pages. */
	for (unsigned i = 0; i < frames; i++)
		p->free[i] = (uint64_t)(frames - 1 - i) * IO_FRAME_SIZE;
	p->nfree = frames;
	for (unsigned i = 0; i < IO_LARGE; i++)
		p->large[i] = p->bytes + (uint64_t)(IO_LARGE - 1 - i) * IO_LARGE_SIZE;
	p->nlarge = IO_LARGE;
	io_pool_plan(p, 1);
	return 0;
}

void io_pool_free(struct io_pool *p)
{
	if (p->area)
		munmap(p->area, p->bytes + LARGE_BYTES);
	free(p->free);
	free(p->owner);
	memset(p, 0, sizeof(*p));
}

unsigned io_target(unsigned frames, unsigned socks)
{
	unsigned t = (frames - frames / 4) / MAX(socks, 1u);

	return MIN(t, (unsigned)IO_RING);
}

void io_pool_plan(struct io_pool *p, unsigned socks)
{
	__atomic_store_n(&p->target, io_target(p->frames, socks), __ATOMIC_RELAXED);
}

/* One try in one mode. */
static int try_open(struct io_sock *s, struct io_pool *p, const char *ifname, unsigned queue, uint16_t bind_flags)
{
	const struct xsk_umem_config uc = {.fill_size = IO_RING,
					   .comp_size = IO_RING,
					   .frame_size = IO_FRAME_SIZE,
					   .frame_headroom = 0,
					   .flags = 0};
	const struct xsk_socket_config sc = {.rx_size = IO_RING,
					     .tx_size = IO_RING,
					     .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					     .bind_flags = bind_flags};
	int rc = xsk_umem__create(&s->umem, p->area, p->bytes, &s->fill, &s->comp, &uc);

	if (rc)
		return rc;
	rc = xsk_socket__create(&s->xsk, ifname, queue, s->umem, &s->rx, &s->tx, &sc);
	if (rc) {
		(void)xsk_umem__delete(s->umem); /* no socket refers to it */
		s->umem = NULL;
		s->xsk = NULL;
	}
	return rc;
}

static int open_mode(struct io_sock *s, struct io_pool *p, const char *ifname, unsigned queue, uint16_t mode)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int rc;

	for (int i = 0; i < 200; i++) {
		rc = try_open(s, p, ifname, queue, mode | XDP_USE_NEED_WAKEUP);
		if (rc != -EBUSY)
			return rc;
		nanosleep(&pause, NULL);
	}
	return rc;
}

static uint16_t tag_free(const struct io_pool *p)
{
	for (uint16_t t = 1; t < IO_SOCK_MAX; t++)
		if (__atomic_load_n(&p->tag_used[t], __ATOMIC_ACQUIRE) == IO_TAG_FREE)
			return t;
	return 0;
}

/* bind(2) looks at the flags first: a kernel that knows this one goes on to miss the interface. */
int io_kernel_has_sg(void)
{
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY | XDP_USE_SG, .sxdp_ifindex = INT32_MAX};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), has;

	if (fd < 0)
		return 0;
	has = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINVAL;
	close(fd);
	return has;
}

/* The best mode there is: zero-copy, unless packets of several frames are needed and only copy mode has those. */
static int open_best(struct io_sock *s, struct io_pool *p, const char *ifname, unsigned queue, uint32_t mtu)
{
	const uint16_t best[] = {XDP_ZEROCOPY | XDP_USE_SG, XDP_ZEROCOPY, XDP_COPY | XDP_USE_SG, XDP_COPY};
	const uint16_t large[] = {XDP_ZEROCOPY | XDP_USE_SG, XDP_COPY | XDP_USE_SG, XDP_ZEROCOPY, XDP_COPY};
	const uint16_t *mode = mtu > IO_RX_MTU ? large : best;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(best) && (i == 0 || (rc && rc != -EBUSY)); i++) {
		rc = open_mode(s, p, ifname, queue, mode[i]);
		s->sg = !rc && (mode[i] & XDP_USE_SG);
	}
	return rc;
}

/* libxdp calls it ENOENT when it gets no descriptor. */
static int why(int rc)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	close(fd[0]);
	close(fd[1]);
	return rc;
}

int io_sock_open(struct io_sock *s, struct io_pool *p, const char *ifname, unsigned queue, uint32_t mtu, struct err *e)
{
	struct xdp_options opt = {0};
	socklen_t len = sizeof(opt);
	int budget = IO_BURST, rc;
	uint16_t tag;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	tag = tag_free(p);
	if (!tag)
		return err_set(e, -EMFILE, "a worker serves at most %d queues", IO_SOCK_MAX - 1);
	rc = open_best(s, p, ifname, queue, mtu);
	if (rc == -EBUSY)
		return err_set(e, rc, "queue %u of %s has an AF_XDP socket of another program", queue, ifname);
	if (rc) {
		rc = why(rc);
		return err_set(e, rc, "cannot open an AF_XDP socket on %s queue %u: %s", ifname, queue, strerror(-rc));
	}
	s->fd = xsk_socket__fd(s->xsk);
	s->tag = tag;
	__atomic_store_n(&p->tag_used[tag], IO_TAG_OPEN, __ATOMIC_RELAXED);
	s->ifindex = if_nametoindex(ifname);
	s->queue = queue;
	(void)str_copy(s->name, sizeof(s->name), ifname);
	if (getsockopt(s->fd, SOL_XDP, XDP_OPTIONS, &opt, &len) == 0)
		s->zero_copy = !!(opt.flags & XDP_OPTIONS_ZEROCOPY);
	/* One wake-up sends a whole burst; kernels without the option send 32 at a time and io_kick() repeats. */
	(void)setsockopt(s->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	return 0;
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The frames of a tag go back to the pool, then the tag may be given anew. */
static void tag_release(struct io_pool *p, uint16_t tag)
{
	for (unsigned i = 0; i < p->frames; i++) {
		if (p->owner[i] != tag)
			continue;
		p->owner[i] = 0;
		io_frame_put(p, (uint64_t)i * IO_FRAME_SIZE);
	}
	__atomic_store_n(&p->tag_used[tag], IO_TAG_FREE, __ATOMIC_RELEASE);
}

/* Ends the quarantines that are over. */
static void end_quarantines(struct io_pool *p)
{
	uint64_t now = monotonic_ns();

	for (uint16_t t = 1; t < IO_SOCK_MAX; t++) {
		if (__atomic_load_n(&p->tag_used[t], __ATOMIC_RELAXED) != IO_TAG_QUARANTINE || now < p->tag_until[t])
			continue;
		tag_release(p, t);
		p->quarantined--;
	}
}

void io_sock_close(struct io_sock *s, struct io_pool *p)
{
	if (!s->xsk)
		return;
	xsk_socket__delete(s->xsk);
	(void)xsk_umem__delete(s->umem); /* -EBUSY cannot be: its only socket is gone */
	if (s->gathering && s->part.addr != UINT64_MAX)
		io_frame_put(p, s->part.addr);
	if (s->zero_copy) {
		p->tag_until[s->tag] = monotonic_ns() + IO_QUARANTINE_S * 1000000000ull;
		__atomic_store_n(&p->tag_used[s->tag], IO_TAG_QUARANTINE, __ATOMIC_RELAXED);
		p->quarantined++;
	} else {
		tag_release(p, s->tag);
	}
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

uint64_t io_lost(struct io_sock *s)
{
	struct xdp_statistics st = {0};
	socklen_t len = sizeof(st);
	uint64_t before = s->lost;

	if (s->fd < 0 || getsockopt(s->fd, SOL_XDP, XDP_STATISTICS, &st, &len) < 0)
		return 0;
	/* A kernel without the second (before 5.9) has it in the first. */
	s->lost = st.rx_dropped + st.rx_ring_full + __atomic_load_n(&s->no_large, __ATOMIC_RELAXED);
	return s->lost - before;
}

unsigned io_unread(struct io_sock *s)
{
	return xsk_cons_nb_avail(&s->rx, IO_RING);
}

static void part_lost(struct io_sock *s, struct io_pool *p)
{
	if (s->part.addr != UINT64_MAX)
		io_frame_put(p, s->part.addr);
	s->part.addr = UINT64_MAX;
}

/* The next frame of a packet in several: copied behind the others. 1 when the packet is complete, in *whole. */
static int gather(struct io_sock *s, struct io_pool *p, const struct xdp_desc *d, struct xdp_desc *whole)
{
	const size_t room = IO_LARGE_SIZE - IO_XDP_HEADROOM - IO_FRAME_SIZE / 2; /* what is left is for a trailer */

	if (!s->gathering) {
		s->part = (struct xdp_desc){.addr = io_large_get(p)};
		if (s->part.addr != UINT64_MAX) {
			s->part.addr += IO_XDP_HEADROOM;
			memcpy(p->area + s->part.addr - IO_META_MAX, p->area + d->addr - IO_META_MAX, IO_META_MAX);
		}
	}
	if (s->part.len + (size_t)d->len > room)
		part_lost(s, p);
	if (s->part.addr != UINT64_MAX)
		memcpy(p->area + s->part.addr + s->part.len, p->area + d->addr, d->len);
	s->part.len += s->part.addr != UINT64_MAX ? d->len : 0;
	io_frame_put(p, d->addr);
	s->gathering = !!(d->options & XDP_PKT_CONTD);
	if (s->gathering)
		return 0;
	if (s->part.addr == UINT64_MAX) {
		__atomic_fetch_add(&s->no_large, 1, __ATOMIC_RELAXED);
		return 0;
	}
	*whole = s->part;
	return 1;
}

unsigned io_rx(struct io_sock *s, struct io_pool *p, struct xdp_desc *desc, unsigned max)
{
	uint32_t idx;
	unsigned n = xsk_ring_cons__peek(&s->rx, max, &idx), packets = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, idx + i);

		p->owner[io_frame_no(d->addr)] = 0;
		if (unlikely(s->gathering || (d->options & XDP_PKT_CONTD)))
			packets += (unsigned)gather(s, p, d, &desc[packets]);
		else
			desc[packets++] = *d;
	}
	if (n) {
		xsk_ring_cons__release(&s->rx, n);
		s->in_fill -= n;
	}
	return packets;
}

void io_fill(struct io_sock *s, struct io_pool *p)
{
	unsigned target = __atomic_load_n(&p->target, __ATOMIC_RELAXED);
	uint32_t n, idx;

	if (unlikely(p->quarantined))
		end_quarantines(p);
	if (s->in_fill >= target)
		return;
	n = MIN(target - s->in_fill, p->nfree);
	/* A few frames are not worth the cache line; the ring is deep. */
	if (n < IO_BURST / 2 || xsk_ring_prod__reserve(&s->fill, n, &idx) != n)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = io_frame_get(p);

		p->owner[io_frame_no(addr)] = s->tag;
		*xsk_ring_prod__fill_addr(&s->fill, idx + i) = addr;
	}
	xsk_ring_prod__submit(&s->fill, n);
	s->in_fill += n;
	if (xsk_ring_prod__needs_wakeup(&s->fill))
		(void)recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL); /* zero-copy drivers that ran dry */
}

void io_complete(struct io_sock *s, struct io_pool *p)
{
	uint32_t idx, n;

	if (!s->in_tx)
		return;
	n = xsk_ring_cons__peek(&s->comp, IO_RING, &idx);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = *xsk_ring_cons__comp_addr(&s->comp, idx + i);

		p->owner[io_frame_no(addr)] = 0;
		io_frame_put(p, addr);
	}
	if (n) {
		xsk_ring_cons__release(&s->comp, n);
		s->in_tx -= n;
	}
}

/* All frames of a packet or none: the kernel waits for the last one of what it sees begun. */
static int tx_large(struct io_sock *s, struct io_pool *p, uint64_t addr, uint32_t len)
{
	uint32_t n = (len + IO_FRAME_SIZE - 1) / IO_FRAME_SIZE, idx, off = 0;

	if (n == 0 || n > IO_TX_SEGS_MAX || (n > 1 && !s->sg))
		return -EMSGSIZE;
	if (p->nfree < n)
		return -ENOMEM;
	if (xsk_ring_prod__reserve(&s->tx, n, &idx) != n)
		return -ENOBUFS;
	for (uint32_t i = 0; i < n; i++, off += IO_FRAME_SIZE) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&s->tx, idx + i);

		d->addr = io_frame_get(p);
		d->len = MIN(len - off, (uint32_t)IO_FRAME_SIZE);
		d->options = i + 1 < n ? XDP_PKT_CONTD : 0;
		p->owner[io_frame_no(d->addr)] = s->tag;
		memcpy(p->area + d->addr, p->area + addr + off, d->len);
	}
	s->tx_new += n;
	io_frame_put(p, addr);
	return 0;
}

int io_tx(struct io_sock *s, struct io_pool *p, uint64_t addr, uint32_t len)
{
	struct xdp_desc *d;
	uint32_t idx;

	if (unlikely(io_is_large(p, addr)))
		return tx_large(s, p, addr, len);
	if (xsk_ring_prod__reserve(&s->tx, 1, &idx) != 1)
		return -ENOBUFS;
	d = xsk_ring_prod__tx_desc(&s->tx, idx);
	d->addr = addr;
	d->len = len;
	d->options = 0;
	p->owner[io_frame_no(addr)] = s->tag;
	s->tx_new++;
	return 0;
}

void io_kick(struct io_sock *s)
{
	if (s->tx_new) {
		xsk_ring_prod__submit(&s->tx, s->tx_new);
		s->in_tx += s->tx_new;
		s->tx_new = 0;
	}
	if (!s->in_tx || !xsk_ring_prod__needs_wakeup(&s->tx))
		return;
	/* Copy mode sends a limited number of packets for each call and says EAGAIN while there are more. */
	for (int i = 0; i < IO_RING / 32; i++) {
		if (sendto(s->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			return;
	}
}

int io_tx_waits(const struct io_sock *s)
{
	return s->in_tx && __atomic_load_n(s->tx.consumer, __ATOMIC_RELAXED) != *s->tx.producer;
}
