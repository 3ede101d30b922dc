/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of one worker, and AF_XDP sockets over them.
 *
 * A worker owns one area of frames. Every socket registers the whole area as a UMEM of its own: a frame that was received on
 * one interface can be sent on any other without a copy, and each socket has its own life and its own mode. (Sockets that share one
 * UMEM registration inherit the first one's mode, so a zero-copy NIC and the copy-mode veth could not live together, and the
 * first one could not be closed before the others.) A frame has exactly one owner at a time: the pool, a fill ring, the worker's
 * burst, or a transmit ring until its completion. One thread owns pool and sockets; only io_sock_open/close may be called by another
 * thread, while the owner does not use that socket.
 *
 * Behind the frames the area has a few large buffers, each for the longest IP packet there is with room around it. The kernel never sees
 * them: a packet that came in several frames (multi-buffer AF_XDP, Linux 6.6) is put together in one, and what is sent from
 * one is copied into frames. An address tells by its value which of the two it is in.
 */
#ifndef IO_UMEM_H
#define IO_UMEM_H

#include <xdp/xsk.h>

#include "user/base/err.h"

#define IO_FRAME_SIZE 2048
#define IO_XDP_HEADROOM                                                                                                \
	256 /* what the kernel leaves in front of a received packet: outer headers and the verdict go there */
#define IO_RING 2048
#define IO_BURST 64
#define IO_SOCK_MAX 1024  /* sockets over one pool, and one */
#define IO_TARGET_MIN 64  /* a fill ring with fewer frames loses every burst */
#define IO_QUARANTINE_S 5 /* so long the frames of a closed zero-copy socket stay out of use */
#define IO_LARGE                                                                                                       \
	128 /* large buffers of a pool: one for each packet of a burst, and for what has come in part by its sockets */
#define IO_LARGE_SIZE (65536 + IO_FRAME_SIZE)
#define IO_L2_MAX 22	  /* Ethernet header with two tags */
#define IO_META_MAX 32	  /* XDP metadata in front of a packet */
#define IO_TX_SEGS_MAX 16 /* frames of one packet; the kernel takes 17 (MAX_SKB_FRAGS) */
/* Longest IP packet that is received in one frame, and that is sent in one and in several. */
#define IO_RX_MTU (IO_FRAME_SIZE - IO_XDP_HEADROOM - IO_L2_MAX)
#define IO_TX_MTU (IO_FRAME_SIZE - IO_L2_MAX)
#define IO_SG_MTU (IO_TX_SEGS_MAX * IO_FRAME_SIZE - IO_L2_MAX)

struct io_pool {
	uint8_t *area;
	size_t bytes; /* of the frames; the large buffers stand behind them */
	unsigned frames;
	unsigned nlarge;	  /* free large buffers */
	uint64_t large[IO_LARGE]; /* stack of their addresses */
	unsigned nfree;
	uint64_t *free;			 /* stack of frame addresses */
	uint16_t *owner;		 /* by frame: tag of the socket whose rings have it, 0 = pool or worker */
	uint8_t tag_used[IO_SOCK_MAX];	 /* enum io_tag; atomic: owner and opener look at it */
	uint64_t tag_until[IO_SOCK_MAX]; /* end of the quarantine, CLOCK_MONOTONIC ns */
	unsigned quarantined;		 /* tags in quarantine */
	unsigned target;		 /* frames a fill ring may hold; written by io_pool_plan() */
};

enum io_tag { IO_TAG_FREE, IO_TAG_OPEN, IO_TAG_QUARANTINE };

struct io_sock {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod tx;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp;
	int fd;
	int zero_copy; /* mode in force */
	int sg;	       /* a packet may have several frames */
	int gathering; /* a packet has come in part: part; addr UINT64_MAX: it is lost */
	struct xdp_desc part;
	unsigned ifindex;
	unsigned queue;
	unsigned slot;	   /* interface slot */
	uint16_t tag;	   /* in pool->owner */
	unsigned in_fill;  /* frames given to the fill ring and not received yet */
	unsigned in_tx;	   /* frames sent and not completed */
	unsigned tx_new;   /* reserved in the transmit ring since the last kick */
	uint64_t lost;	   /* what io_lost() has reported */
	uint64_t no_large; /* packets in several frames for which there was no large buffer; atomic */
	char name[16];
};

/* Allocates and touches nothing but the area (mmap). Frames: bytes, large buffers: IO_LARGE * IO_LARGE_SIZE. 0 or -ENOMEM. */
int io_pool_init(struct io_pool *p, unsigned frames) __must_check;
void io_pool_free(struct io_pool *p);

/*
 * Frames that each of so many fill rings may hold: all together leave a quarter of the frames for bursts and transmit rings,
 * so that no socket starves because others were there first. Less than IO_TARGET_MIN: the frames cannot serve so many.
 */
unsigned io_target(unsigned frames, unsigned socks);
/* Puts io_target() in force for the sockets that are there and those to come. Any thread. */
void io_pool_plan(struct io_pool *p, unsigned socks);

static inline unsigned io_frame_no(uint64_t addr)
{
	return (unsigned)(addr / IO_FRAME_SIZE);
}

static inline uint64_t io_frame_get(struct io_pool *p) /* UINT64_MAX: none left */
{
	return p->nfree ? p->free[--p->nfree] : UINT64_MAX;
}

static inline int io_is_large(const struct io_pool *p, uint64_t addr)
{
	return addr >= p->bytes;
}

/* Start of the frame or large buffer that addr is in, and how many bytes that has. */
static inline uint64_t io_base(const struct io_pool *p, uint64_t addr)
{
	if (unlikely(io_is_large(p, addr)))
		return addr - (addr - p->bytes) % IO_LARGE_SIZE;
	return addr & ~(uint64_t)(IO_FRAME_SIZE - 1);
}

static inline size_t io_room(const struct io_pool *p, uint64_t addr)
{
	return unlikely(io_is_large(p, addr)) ? IO_LARGE_SIZE : IO_FRAME_SIZE;
}

static inline uint64_t io_large_get(struct io_pool *p) /* UINT64_MAX: none left */
{
	return p->nlarge ? p->large[--p->nlarge] : UINT64_MAX;
}

/* A frame or a large buffer goes back. addr: anywhere inside. */
static inline void io_frame_put(struct io_pool *p, uint64_t addr)
{
	if (unlikely(io_is_large(p, addr)))
		p->large[p->nlarge++] = io_base(p, addr);
	else
		p->free[p->nfree++] = addr & ~(uint64_t)(IO_FRAME_SIZE - 1);
}

/* 1: this kernel receives and sends packets of several frames in copy mode at least (Linux 6.6). */
int io_kernel_has_sg(void);

/*
 * Opens a socket on (ifname, queue): zero-copy is tried first, copy mode is the fall-back; several frames a packet where kernel and driver
 * have it, and for mtu above IO_RX_MTU rather than zero-copy. s->zero_copy and s->sg say what is in force. Waits up to
 * 2 s while an earlier socket of that queue is still going away (-EBUSY from the kernel, closing is asynchronous).
 */
int io_sock_open(struct io_sock *s, struct io_pool *p, const char *ifname, unsigned queue, uint32_t mtu,
		 struct err *e) __must_check;
/*
 * Closes it; afterwards every frame its rings had is back in the pool. The owner must not use pool or socket meanwhile. In zero-copy mode
 * the kernel takes the queue down after the close, in deferred work: until then the NIC may still write into those frames. They come back
 * IO_QUARANTINE_S later, by an io_fill() of another socket.
 */
void io_sock_close(struct io_sock *s, struct io_pool *p);

/* Longest IP packet that it can send. */
static inline uint32_t io_mtu(const struct io_sock *s)
{
	return s->sg ? IO_SG_MTU : IO_TX_MTU;
}

/*
 * Packets lost between XDP and worker since the last call: no frame in the fill ring, rx ring full, packet longer than a frame, no large
 * buffer (XDP_STATISTICS rx_dropped and rx_ring_full. rx_fill_ring_empty_descs is no count of packets: copy mode counts each such packet in
 * rx_dropped as well, a zero-copy driver counts its tries to refill). Any thread, one at a time.
 */
uint64_t io_lost(struct io_sock *s);
/* Received packets that nobody has taken yet: lost when the socket is closed now. */
unsigned io_unread(struct io_sock *s);

/* Up to max received packets; they are the caller's now. One that came in several frames is in a large buffer, its metadata in front. */
unsigned io_rx(struct io_sock *s, struct io_pool *p, struct xdp_desc *desc, unsigned max);

/* Tops up the fill ring from the pool, up to the target. */
void io_fill(struct io_sock *s, struct io_pool *p);
/* Completed frames go back to the pool. */
void io_complete(struct io_sock *s, struct io_pool *p);
/*
 * Puts one packet on the transmit ring: -ENOBUFS when it is full. The frame is the kernel's from io_kick() on. From a large buffer it is
 * copied into frames, and the buffer goes back to the pool; -ENOMEM: too few frames, -EMSGSIZE: the socket cannot send it. After an
 * error the packet is still the caller's.
 */
int io_tx(struct io_sock *s, struct io_pool *p, uint64_t addr, uint32_t len) __must_check;
/* Hands over what io_tx() queued and wakes the kernel when it wants it. */
void io_kick(struct io_sock *s);
/* Has the kernel not taken all of it yet? In copy mode it takes no more than the interface passes on: io_kick() again, soon. */
int io_tx_waits(const struct io_sock *s);

#endif
