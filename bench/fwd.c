/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ceiling: a bare AF_XDP forwarder. Frames go from one interface to the other and back, nothing of them is touched
 * but the MAC addresses. One UMEM shared by both sockets, bursts of 64, need_wakeup: the I/O of xdp-ipsecd's worker
 * without its work. What a gateway does not reach of this rate is the price of IPsec; what this does not reach of the
 * line is the price of AF_XDP on this kernel and driver.
 *
 *   fwd IF0 IF1 DMAC0 DMAC1 [CPU]     DMACn: where frames leaving by IFn go
 *
 * Prints "ready" when it forwards, and at SIGTERM one line of JSON.
 */
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/xsk.h>

#include "bench/fwd_xdp.skel.h"
#include "bench/util.h"

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#define FRAME_SIZE 2048
#define FRAMES 8192
#define RING 2048
#define BURST 64
#define KICKS 2 /* send calls for a burst */

struct side {
	const char *name;
	unsigned ifindex;
	uint8_t mac[6], next_mac[6];
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	uint64_t tx_packets;
	int zero_copy;
};

struct fwd {
	struct side side[2];
	struct xsk_umem *umem;
	uint8_t *mem;
	uint64_t free_frame[FRAMES];
	unsigned free_count;
	struct fwd_xdp *bpf;
};

static void frame_free(struct fwd *f, uint64_t addr)
{
	f->free_frame[f->free_count++] = addr & ~(uint64_t)(FRAME_SIZE - 1);
}

static void take_completed(struct fwd *f, struct side *s)
{
	uint32_t at, n = xsk_ring_cons__peek(&s->comp, RING, &at);

	for (uint32_t i = 0; i < n; i++)
		frame_free(f, *xsk_ring_cons__comp_addr(&s->comp, at + i));
	if (n)
		xsk_ring_cons__release(&s->comp, n);
}

static void refill(struct fwd *f, struct side *s)
{
	uint32_t at, n = xsk_prod_nb_free(&s->fill, BURST);

	n = n < f->free_count ? n : f->free_count;
	if (n < BURST || xsk_ring_prod__reserve(&s->fill, n, &at) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = f->free_frame[--f->free_count];
	xsk_ring_prod__submit(&s->fill, n);
}

/* Without the option of a larger budget one call sends at most 32 packets: EAGAIN says that there are more. */
static void kick(struct side *s)
{
	for (int calls = 0; calls < KICKS; calls++) {
		if (!xsk_ring_prod__needs_wakeup(&s->tx) ||
		    sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return;
		if (errno != EAGAIN && errno != EBUSY && errno != ENOBUFS && errno != EINTR)
			die("transmit on %s: %s", s->name, strerror(errno));
	}
}

/*
 * Takes no more than can be sent: under overload the kernel drops what finds no frame in the fill ring, on the CPU of
 * the sender, and no packet is read in vain.
 */
static unsigned forward_burst(struct side *in, struct side *out, uint8_t *mem)
{
	uint32_t rx_at, tx_at, room = xsk_prod_nb_free(&out->tx, BURST);
	uint32_t n = xsk_ring_cons__peek(&in->rx, room < BURST ? room : BURST, &rx_at);

	if (!n || xsk_ring_prod__reserve(&out->tx, n, &tx_at) != n)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&in->rx, rx_at + i);
		struct ethhdr *eth = xsk_umem__get_data(mem, d->addr);

		memcpy(eth->h_dest, out->next_mac, 6);
		memcpy(eth->h_source, out->mac, 6);
		*xsk_ring_prod__tx_desc(&out->tx, tx_at + i) = (struct xdp_desc){.addr = d->addr, .len = d->len};
	}
	xsk_ring_cons__release(&in->rx, n);
	xsk_ring_prod__submit(&out->tx, n);
	out->tx_packets += n;
	return n;
}

static void run(struct fwd *f)
{
	struct pollfd fds[2];

	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){.fd = xsk_socket__fd(f->side[i].xsk), .events = POLLIN};
	while (!stopped) {
		unsigned n = 0;

		for (int i = 0; i < 2; i++) {
			n += forward_burst(&f->side[i], &f->side[!i], f->mem);
			if (xsk_prod_nb_free(&f->side[!i].tx, RING) < RING)
				kick(&f->side[!i]);
			take_completed(f, &f->side[!i]);
			refill(f, &f->side[i]);
		}
		if (!n)
			(void)poll(fds, 2, 10);
	}
}

static void open_side(struct fwd *f, int i)
{
	struct side *s = &f->side[i];
	struct xsk_socket_config cfg = {.rx_size = RING,
					.tx_size = RING,
					.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					.bind_flags = XDP_USE_NEED_WAKEUP};
	struct xdp_options opt = {0};
	socklen_t len = sizeof(opt);
	int fd, rc = -EBUSY, budget = BURST;
	uint32_t key = (uint32_t)i;

	/* The socket of the run before may still hold the queue: closing is asynchronous. */
	for (int tries = 0; rc == -EBUSY && tries < 200; tries++) {
		rc = xsk_socket__create_shared(&s->xsk, s->name, 0, f->umem, &s->rx, &s->tx, &s->fill, &s->comp, &cfg);
		if (rc == -EBUSY)
			(void)poll(NULL, 0, 10);
	}
	if (rc)
		die("AF_XDP socket on %s: %s", s->name, strerror(-rc));
	fd = xsk_socket__fd(s->xsk);
	(void)setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget)); /* older kernels: more calls */
	if (getsockopt(fd, SOL_XDP, XDP_OPTIONS, &opt, &len) == 0)
		s->zero_copy = !!(opt.flags & XDP_OPTIONS_ZEROCOPY);
	if (bpf_map_update_elem(bpf_map__fd(f->bpf->maps.fwd_xsk), &key, &fd, 0))
		die("XSKMAP: %s", strerror(errno));
	for (int n = 0; n < RING; n += BURST)
		refill(f, s);
	rc = bpf_xdp_attach((int)s->ifindex, bpf_program__fd(f->bpf->progs.fwd_xdp),
			    XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	if (rc)
		die("cannot attach XDP to %s: %s", s->name, strerror(-rc));
}

static void own_mac(struct side *s)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", s->name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		die("MAC address of %s: %s", s->name, strerror(errno));
	memcpy(s->mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void open_all(struct fwd *f)
{
	struct xsk_umem_config cfg = {.fill_size = RING, .comp_size = RING, .frame_size = FRAME_SIZE};
	size_t size = (size_t)FRAMES * FRAME_SIZE;
	int rc;

	libbpf_set_print(libbpf_warnings);
	f->bpf = fwd_xdp__open();
	if (!f->bpf)
		die("cannot open the BPF object: %s", strerror(errno));
	f->bpf->rodata->ifindex_side1 = f->side[1].ifindex;
	if (fwd_xdp__load(f->bpf))
		die("cannot load the BPF object: %s", strerror(errno));
	f->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (f->mem == MAP_FAILED)
		die("no memory for the UMEM: %s", strerror(errno));
	for (unsigned i = FRAMES; i > 0; i--)
		frame_free(f, (uint64_t)(i - 1) * FRAME_SIZE);
	rc = xsk_umem__create(&f->umem, f->mem, size, &f->side[0].fill, &f->side[0].comp, &cfg);
	if (rc)
		die("UMEM: %s", strerror(-rc));
	open_side(f, 0);
	open_side(f, 1);
}

static void close_all(struct fwd *f)
{
	for (int i = 0; i < 2; i++) {
		(void)bpf_xdp_detach((int)f->side[i].ifindex, XDP_FLAGS_DRV_MODE, NULL);
		xsk_socket__delete(f->side[i].xsk);
	}
	(void)xsk_umem__delete(f->umem);
	fwd_xdp__destroy(f->bpf);
}

int main(int argc, char **argv)
{
	static struct fwd f;

	if (argc < 5)
		die("usage: fwd IF0 IF1 DMAC0 DMAC1 [CPU]");
	for (int i = 0; i < 2; i++) {
		f.side[i].name = argv[1 + i];
		f.side[i].ifindex = ifindex_of(argv[1 + i]);
		parse_mac(f.side[i].next_mac, argv[3 + i]);
		own_mac(&f.side[i]);
	}
	if (argc > 5)
		pin_to_cpu(atoi(argv[5]));
	stop_on_signals();
	open_all(&f);
	(void)printf("ready\n");
	(void)fflush(stdout);
	run(&f);
	close_all(&f);
	(void)printf("{\"packets\":%lu,\"cpu_ns\":%lu,\"mode\":\"%s, native\"}\n",
		     f.side[0].tx_packets + f.side[1].tx_packets, now_ns(CLOCK_PROCESS_CPUTIME_ID),
		     f.side[0].zero_copy && f.side[1].zero_copy ? "zero-copy" : "copy");
	return 0;
}
