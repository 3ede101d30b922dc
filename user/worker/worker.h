/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: one thread that owns a pool of frames and the AF_XDP sockets of its queue on every attached interface. It runs
 * to completion: receive burst, group by SA, crypto burst, transmit. On the way: no lock but the SA's replay lock,
 * no allocation, no system call but the rings' wake-ups.
 *
 * Files: loop.c the thread; outbound.c plaintext to ESP and AH, send.c where that goes; inbound.c the way back, nest.c from one transform to the next, judge.c, template.c, tuple.c and first.c
 * the policy's word on the result, deliver.c where it goes; hop.c next hops; slow.c the ways through the stack; sa_cache.c keys by SA; mailbox.c what the main
 * thread asks of it. main.c, serve.c, control.c are the main thread's.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <pthread.h>

#include "user/crypto/engine.h"
#include "user/crypto/iv.h"
#include "user/io/umem.h"
#include "user/ipsec/ipsec.h"
#include "user/maps/maps.h"
#include "user/route/route.h"

#define WRK_BURST ENGINE_BURST_MAX
#define WRK_FLOW_BITS 12
#define WRK_FLOWS (1u << WRK_FLOW_BITS)
#define WRK_NESTS 256 /* likewise */
#define WRK_FIRST_BITS 10
#define WRK_FIRSTS (1u << WRK_FIRST_BITS)
#define WRK_NEST_MAX 6 /* transforms of one inbound packet (spec section 12, in-buffer-errors) */
#define WRK_FRAMES_DEFAULT 16384
#define WRK_TAILROOM 64 /* padding, trailer and ICV of ESP by any algorithm fit into that */

_Static_assert(WRK_BURST == IO_BURST, "one receive burst is one crypto burst");

/* A next hop and the interface slot whose socket sends there; good for one hop_generation(). */
struct hop {
	struct rt_hop rt;
	uint32_t slot; /* 0 = this worker has no socket there: the stack must send */
	uint64_t gen;
};

/* One packet of the burst. */
struct wpkt {
	struct pkt p;
	struct xi_verdict v;
	uint64_t addr;	     /* of its frame or large buffer: io_is_large(), io_frame_put() takes either */
	struct sa_entry *sa; /* of the transform at hand; outbound: the first one */
	struct sa_entry *ah; /* outbound: of the AH over the ESP packet; NULL = none */
	int joined; /* put together from fragments that this host has sent, or that are for it: may be cut again */
	struct sa_entry *chain[WRK_NEST_MAX]; /* inbound: of the transforms that are undone, outermost first */
	unsigned nchain;
};

#define HOLD_POLICIES 64 /* of a worker that have packets waiting */

/* Packets of one policy that wait for an SA; see hold.c. */
struct held {
	uint32_t policy, gen;
	uint64_t spd_gen; /* of the policies by which they were last judged */
	uint64_t until;	  /* CLOCK_BOOTTIME */
	unsigned n;	  /* 0 = free */
	struct wpkt pk[XI_HOLD_PACKETS];
};

struct hold {
	unsigned policies; /* entries in use */
	int releasing;	   /* what fails now is not held again */
	uint32_t tokens;   /* acquires that may be asked for now */
	uint64_t earned_at;
	struct held entry[HOLD_POLICIES];
};

/* An SA as this worker uses it: a copy taken when its generation was first seen, so that the owner may take the SA away
 * at any moment, and its expanded keys. */
struct sa_entry {
	uint32_t gen;	  /* 0 = nothing here */
	uint32_t usable;  /* keys are expanded */
	uint32_t ah_len;  /* AH: bytes that it adds to a packet */
	uint32_t fit_mtu; /* tunnel mode: packets of fit_len bytes become no longer than this; see path.c */
	uint32_t fit_len;
	struct xi_sa sa; /* without keys */
	struct hop hop;	 /* outbound: to the peer */
};

/* Where a decrypted packet of one flow goes; judged once for each generation of policies. */
struct flow {
	struct xi_tuple tuple;
	uint64_t chain[WRK_NEST_MAX]; /* references of the SAs, outermost first */
	uint32_t nchain;
	uint32_t iif; /* interface it came in by */
	uint64_t spd_gen;
	uint32_t in_policy; /* slot, or UINT32_MAX */
	uint32_t in_gen;
	uint32_t out_policy; /* a policy that has a say on the packet's way out, or UINT32_MAX */
	uint32_t out_gen;
	uint8_t out_action;
	uint8_t out_level;
	uint8_t in_transformed; /* the policy is an encrypt policy, else action none */
	uint8_t verdict;	/* enum xi_drop of the inbound check */
	uint8_t natted;		/* the stack is to translate it (xi_nat) */
	struct hop hop;
};

/* What a nested AH or ESP header of a decrypted packet leads to; see nest.c. */
struct nest {
	struct xi_spi_key key;
	uint64_t sad_gen, hop_gen; /* good for these */
	uint32_t slot, gen;	   /* gen 0: no SA */
	int local;		   /* the destination is this host */
};

/* Which datagram a decrypted fragment belongs to. No padding: it is compared as a whole. */
struct frag_id {
	struct xi_addr src, dst;
	uint64_t sa;	/* reference of the SA that it came out of */
	uint32_t id;	/* as it stands in the header */
	uint8_t family; /* XI_IP4, XI_IP6 */
	uint8_t proto;	/* IPv4 (RFC 791 §3.2); IPv6: 0, the first fragment alone says it (RFC 8200 §4.5) */
	uint8_t zero[2];
};

_Static_assert(sizeof(struct frag_id) == 48, "compared as a whole");

/* What the first fragment of such a datagram has shown; see first.c. */
struct first {
	struct frag_id of;
	uint64_t seen_ns; /* 0 = nothing here */
	__be16 src_port, dst_port;
	uint8_t proto;
	uint8_t conflict; /* another first one said something else */
};

enum cmd_kind { CMD_ADD_SOCKET, CMD_CLOSE_SLOT, CMD_STOP };

struct worker {
	unsigned id;
	int cpu; /* -1 = not pinned */
	pthread_t thread;
	struct maps *maps;
	struct rt *rt;
	struct events *events;
	struct engine *engine;
	struct iv_rng iv;
	struct iv_source iv_source;
	struct io_pool pool;

	struct io_sock *sock[XI_IF_MAX * XI_QUEUE_MAX]; /* all, in no order */
	unsigned nsock;
	int sockets_changed;		       /* the poll set is to be made anew */
	uint32_t sock_epoch;		       /* +1 with every change of the sockets */
	struct io_sock *tx_by_slot[XI_IF_MAX]; /* the one to send by on an interface; NULL = none */

	struct sa_entry *sa; /* [sad_max] */
	uint8_t *keys;	     /* [sad_max * keyctx_stride] */
	size_t keyctx_stride;
	uint64_t spd_gen;    /* of the policies, and of xi_nat above bit 40; read once a burst: what flows rest on */
	uint64_t hop_gen;    /* hop_generation() when inbound_burst() began */
	struct flow *flow;   /* [WRK_FLOWS] */
	struct nest *nest;   /* [WRK_NESTS] */
	struct first *first; /* [WRK_FIRSTS] */
	struct wpkt *again[WRK_BURST]; /* decrypted packets of this burst that another policy protects */
	unsigned nagain;
	struct hold hold;

	struct xi_wstat *stat;
	struct xi_polstat *polstat; /* [spd_max] of this worker */
	uint64_t now;		    /* CLOCK_BOOTTIME of this burst */
	uint16_t ip_id;
	uint32_t frag_id;    /* of the last IPv6 datagram that was cut */
	struct frags *frags; /* of all workers */
	uint64_t frags_at;   /* when this one looked for old ones */

	int raw_out;   /* raw sockets for whole packets: the slow way out, IPv4 and */
	int raw_out6;  /* IPv6; -1 where the host has none */
	int raw_icmp6; /* ICMPv6 to senders; -1 likewise */
	uint32_t icmp_tokens;
	uint64_t icmp_at;

	/* mailbox */
	int wake; /* eventfd */
	pthread_mutex_t lock;
	pthread_cond_t done;
	int pending; /* a command is there */
	enum cmd_kind cmd;
	struct io_sock *cmd_sock;
	unsigned cmd_slot;
	int stop;
};

struct worker_conf {
	struct frags *frags;
	unsigned frames;
	int cpu;
};

/* worker.c. Everything is allocated here; *bytes is what it adds up to. */
int worker_init(struct worker *w, unsigned id, const struct worker_conf *conf, struct maps *m, struct rt *rt,
		size_t *bytes, struct err *e) __must_check;
void worker_fini(struct worker *w);

/* loop.c: the thread's function; returns NULL after worker_stop(). */
void *worker_run(void *worker);

/* mailbox.c: main thread; each waits until the worker has done it. */
void worker_add_socket(struct worker *w, struct io_sock *s);
void worker_close_slot(struct worker *w, unsigned slot); /* closes and frees its sockets there */
void worker_stop(struct worker *w);
/* Main thread: counts what its sockets lost since the last time; worker_add_lost(): what somebody else saw lost. */
void worker_count_lost(struct worker *w);
void worker_add_lost(struct worker *w, enum xi_drop reason, uint64_t n);
void worker_do_commands(struct worker *w); /* worker's side */
/* Closes and frees a socket, with what it lost counted; the worker, or who joined it. */
void worker_drop_socket(struct worker *w, struct io_sock *s);

/* sa_cache.c: the entry for a reference with keys ready, or NULL. */
struct sa_entry *sa_cache_get(struct worker *w, uint32_t slot, uint32_t gen);
const struct keyctx *sa_cache_keys(const struct worker *w, const struct sa_entry *se);
void sa_cache_wipe(struct worker *w);
static inline uint64_t sa_ref(const struct worker *w, const struct sa_entry *se)
{
	return XI_REF(se - w->sa, se->gen);
}
/* Does it have a hard limit of bytes or packets? */
static inline int sa_limited(const struct sa_entry *se)
{
	return (se->sa.hard_bytes | se->sa.hard_packets) != 0;
}

/* Spec 14.1: state of an SA at the time of this burst, by all of its limits. */
enum xi_sa_state sa_state(const struct worker *w, const struct sa_entry *se);
/*
 * Counts packets of an SA, bytes as of spec 14.2, on all workers together; 0 when that goes beyond a hard limit: they must not go on, and
 * the SA is dead.
 */
int sa_account(struct worker *w, const struct sa_entry *se, unsigned packets, size_t bytes) __must_check;
/* Takes back what sa_account() has counted for packets that were refused afterwards. */
void sa_unaccount(struct worker *w, const struct sa_entry *se, unsigned packets, size_t bytes);
/* One packet that was dropped for another reason than ICV or replay. */
void sa_count_error(struct worker *w, const struct sa_entry *se);

/* outbound.c, inbound.c: n <= WRK_BURST packets; each frame's further fate is settled inside. */
void outbound_burst(struct worker *w, struct wpkt **pk, unsigned n);
void inbound_burst(struct worker *w, struct wpkt **pk, unsigned n);
/* data..tail becomes exactly the IP packet at v.l3_off; 0, or -1 when its lengths do not fit into what is there. */
int trim_ip(struct wpkt *pk) __must_check;
/* Puts packets of the same SA next to each other. */
void group_by_sa(struct wpkt **pk, unsigned n);

/* Drops a packet that could not be sealed, with its policy's counter (spec 7.1). */
void outbound_refuse(struct worker *w, struct wpkt *pk, enum xi_drop why);

/*
 * hold.c: a packet that misses an SA, trimmed. 1: it waits for one that is being negotiated, the frame is taken; 0: nobody makes one, or
 * there are enough waiting.
 */
int hold_packet(struct worker *w, struct wpkt *pk);
/*
 * Between bursts: sends what has its SA, drops what waited too long, judges anew what waited while the policies changed (spec 6.4); all: at the
 * end, whatever waits.
 */
void hold_release(struct worker *w, int all);

/* send.c: moves the packet, with what is in front of it, to a large buffer; -ENOMEM when there is none. */
int wpkt_enlarge(struct worker *w, struct wpkt *pk) __must_check;
/* XI_OK, or the reason for which the packet was dropped (and counted). They take the frame. send_one(): a packet that fits. */
enum xi_drop send_one(struct worker *w, struct wpkt *pk, const struct hop *hop);
/*
 * The size of the fragments to make for mtu: up to mtu. One that does not fit a frame is made in a large buffer, which is free again as soon
 * as it was sent: one is enough for all of them. When there is none, fragments are of one frame. fragments_have_frames(): are there frames
 * for n of them? fragment_get(): where to make the next one, for wpkt_init().
 */
size_t fragment_room(const struct worker *w, size_t mtu);
int fragments_have_frames(const struct worker *w, size_t size, unsigned n);
uint64_t fragment_get(struct worker *w, size_t size);
/* Spec section 15: fragments after encapsulation. */
enum xi_drop send_fragments(struct worker *w, struct wpkt *whole, const struct hop *hop, size_t mtu);

#define NEST_FRAGMENT 2

/*
 * nest.c: is the decrypted packet again AH or ESP for this host? 1: v.slot and v.gen are those of its SA; 0: it is payload; -1: to be
 * dropped for *why; NEST_FRAGMENT: it may be part of one (spec 13.6), for frags_take_nested().
 */
int nest_next(struct worker *w, struct wpkt *pk, enum xi_drop *why);
/* Is it an address of this host? Asks the map: not for every packet. */
int is_local(const struct worker *w, const struct xi_addr *addr, unsigned family);

/* tuple.c: what the policies compare. XI_DROP_IN_INNER_SELECTORS: it cannot be read. ipsec_open() has checked header and length. */
enum xi_drop read_tuple(const struct pkt *p, struct xi_tuple *t);
/* Is it a fragment? FRAG_FIRST and FRAG_LATER fill *id, but for sa. As read_tuple(). */
enum { FRAG_NONE, FRAG_FIRST, FRAG_LATER };
int read_fragment(const struct pkt *p, struct frag_id *id);
/*
 * first.c: spec 13.6: a decrypted fragment is judged like the first one of its datagram: *t, which read_tuple() has made of it, gets protocol and
 * ports from there. When none of the last 30 s is known, or two that differ, they stay unknown, which fails closed.
 */
void first_follow(struct worker *w, const struct wpkt *pk, struct xi_tuple *t);
/* The packet that an ICMP error quotes (RFC 792, RFC 4443). 0 when p is none, or quotes too little. */
int read_quoted(const struct pkt *p, struct xi_tuple *t);

/* Field by field: *y was written like that a moment ago, and a wider load would wait for those stores. */
static inline int same_tuple(const struct xi_tuple *x, const struct xi_tuple *y)
{
	uint32_t d = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(x->src.w); i++)
		d |= (x->src.w[i] ^ y->src.w[i]) | (x->dst.w[i] ^ y->dst.w[i]);
	d |= (uint32_t)((x->src_port ^ y->src_port) | (x->dst_port ^ y->dst_port));
	return !d && x->family == y->family && x->proto == y->proto && x->flags == y->flags;
}

/* template.c: spec 13.4 step 5: was what the policy asks for done by the SAs that the packet came by? */
int template_satisfied(const struct xi_policy *pol, const struct wpkt *pk);
/* RFC 4301 §4.4.2.1: do the selectors of all its SAs let a packet of this tuple pass? dir: the tuple's. */
int selectors_allow(const struct wpkt *pk, const struct xi_tuple *t, int dir);
/* Did it come by a tunnel at all? */
int came_by_tunnel(const struct wpkt *pk);

/* judge.c: the policy's word on a decrypted packet of this flow, from the cache or fresh. */
struct flow *flow_of(struct worker *w, const struct wpkt *pk, const struct xi_tuple *t);
/*
 * RFC 4301 §6.2: an ICMP error of a gateway on the way has an address that no policy knows. It belongs to the tunnel when the packet
 * that it quotes was one that this host sends through that tunnel. 1 and the policy's rule, or 0. Judged packet by packet: the
 * flow's addresses say nothing about it.
 */
int judge_quoted(struct worker *w, const struct wpkt *pk, const struct flow *f, struct xi_rule *r) __must_check;
/* An ICMP error about a packet whose answers the stack translates (xi_nat)? Packet by packet, too. */
int quotes_natted(const struct worker *w, const struct wpkt *pk) __must_check;

/*
 * path.c: sizes on the way of an SA. path_refresh: the next hop of its outer packets. path_mtu: the longest outer packet. path_judge: XI_OK, or
 * XI_DROP_OUT_TOO_BIG when the packet is too big and may not be cut, and its sender has been told. path_clamp_*: the MSS of a TCP SYN on
 * its way out, pk->sa and pk->ah known, or of one that came in by `policy` (slot). path_learn: an ICMP message about a packet of ours,
 * takes the frame.
 */
void path_refresh(struct worker *w, struct sa_entry *se);
size_t path_mtu(const struct worker *w, const struct sa_entry *se);
enum xi_drop path_judge(struct worker *w, const struct wpkt *pk);
void path_clamp_out(struct worker *w, struct wpkt *pk);
void path_clamp_in(struct worker *w, struct wpkt *pk, uint32_t policy);
void path_learn(struct worker *w, struct wpkt *pk);

/*
 * frags.c: fragments of AH and ESP for this host, one table for all workers. frags_new: main thread; *bytes grows by what it allocates; NULL: no
 * memory. frags_take: 1 = pk is now a whole packet with its SA in v.slot and v.gen; 0 = its frame's fate is settled. frags_expire: of one
 * worker, now and then. frags_take_host: the same of fragments that this host sends, in transport mode. frags_take_nested: of those that came out of a
 * transform; 1 = pk is whole, not yet looked at. Only what came by the same SAs is put together.
 */
struct frags *frags_new(size_t *bytes);
void frags_free(struct frags *f);
unsigned frags_held(struct frags *f); /* inbound fragments that wait for others */
int frags_take(struct worker *w, struct wpkt *pk) __must_check;
int frags_take_host(struct worker *w, struct wpkt *pk) __must_check;
int frags_take_nested(struct worker *w, struct wpkt *pk) __must_check;
void frags_expire(struct worker *w);

/* deliver.c: a decrypted packet whose policy check is to come. */
void deliver(struct worker *w, struct wpkt *pk);

/* slow.c */
int slow_open(struct worker *w, struct err *e) __must_check;
void slow_close(struct worker *w);
/* An IP packet out through the stack. Returns 0 or a negative errno. The frame stays the caller's. */
int slow_send(struct worker *w, const struct pkt *p) __must_check;
/* A decrypted packet into the stack as received on the interface that arrival() names; takes the frame. */
void slow_inject(struct worker *w, struct wpkt *pk);
/* The same in fragments of at most mtu bytes, DF or not: for what the stack puts together again or may cut itself. */
void slow_inject_fragments(struct worker *w, struct wpkt *pk, size_t mtu);
/* ICMP fragmentation needed or packet too big towards the sender of p, rate-limited. */
void slow_too_big(struct worker *w, const struct pkt *p, size_t mtu);

/* hop.c: brings *h up to date; kind RT_UNKNOWN and not kept when the kernel is still to answer. */
void hop_refresh(struct worker *w, struct hop *h, const struct rt_key *key);
/* The socket for a hop; NULL: the packet has to go through the stack. */
struct io_sock *hop_socket(const struct worker *w, const struct hop *h);
/* Ethernet header in front and out by s; takes the frame. XI_OK, or `full`, for which it was dropped and counted. */
enum xi_drop transmit(struct worker *w, struct wpkt *pk, struct io_sock *s, const struct rt_hop *hop,
		      enum xi_drop full);

/* The interface the stack would say the packet came in by. */
static inline uint32_t arrival(const struct worker *w, const struct wpkt *pk)
{
	return pk->v.iif ? pk->v.iif : w->maps->ifs[pk->v.if_slot].ifindex;
}

/* IP version of the packet as it is now. */
static inline unsigned ip_version(const struct pkt *p)
{
	return p->data[0] >> 4;
}

/* Answers and sockets that a cached hop rests on. */
static inline uint64_t hop_generation(const struct worker *w)
{
	return rt_generation(w->rt) + ((uint64_t)w->sock_epoch << 40);
}

/* Was the hop good when this burst began? Cheaper than hop_refresh(), and its key need not be made. */
static inline int hop_current(const struct worker *w, const struct hop *h)
{
	return h->gen && h->gen == w->hop_gen;
}

/*
 * Counters of this worker have one writer, its thread. XI_DROP_IN_RING_FULL, IN_PAIR and OUT_PAIR alone are written by
 * worker_add_lost(): by the main thread while the sockets stay as they are, by the worker when it closes one, which the main thread waits for.
 */
static inline void count(struct worker *w, unsigned reason)
{
	w->stat->reason[reason]++;
}

/* Room for a packet: the frame or large buffer at base (io_frame_get, io_large_get), behind the headroom. What is known of it stays. */
static inline void wpkt_place(const struct worker *w, struct wpkt *pk, uint64_t base)
{
	pk->addr = base;
	pk->p.head = w->pool.area + base;
	pk->p.end = pk->p.head + io_room(&w->pool, base);
	pk->p.data = pk->p.tail = pk->p.head + IO_XDP_HEADROOM;
}

/* A packet of which nothing is known yet. */
static inline void wpkt_init(const struct worker *w, struct wpkt *pk, uint64_t base)
{
	wpkt_place(w, pk, base);
	pk->ah = NULL;
	pk->joined = 0;
	pk->nchain = 0;
}

/* tuple.c: shows a dropped packet to who listens (`monitor drops`), as far as it can be read. */
void sample_drop(struct worker *w, const struct wpkt *pk, enum xi_drop reason);

static inline void drop(struct worker *w, struct wpkt *pk, enum xi_drop reason)
{
	count(w, reason);
	if (unlikely(__atomic_load_n(&w->maps->meta->drops, __ATOMIC_RELAXED)))
		sample_drop(w, pk, reason);
	io_frame_put(&w->pool, pk->addr);
}

/*
 * The policy counters of this worker; an older generation's numbers are wiped first. NULL: no such policy, or the packet is of a
 * generation that is gone by now.
 */
static inline struct xi_polstat *polstat(struct worker *w, uint32_t slot, uint32_t gen)
{
	struct xi_polstat *ps;

	if (unlikely(slot >= w->maps->meta->spd_max))
		return NULL;
	ps = &w->polstat[slot];
	if (likely(ps->gen == gen))
		return ps;
	if (ps->gen && (int32_t)(gen - (uint32_t)ps->gen) < 0)
		return NULL;
	memset(ps, 0, sizeof(*ps));
	ps->gen = gen;
	return ps;
}

#endif
