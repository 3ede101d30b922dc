/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NAT traversal in the main thread. Keep-alives leave by raw sockets, so that no UDP socket has to be bound to the SAs' ports: those are
 * the IKE daemon's. SAs between the same addresses and ports share one NAT mapping and one keep-alive.
 */
#include "user/worker/natt.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/ipsec/ip6.h"
#include "user/ipsec/replay.h"

#define UDP_HDR 8
#define TTL 64

/* The ends of a NAT mapping. */
struct mapping {
	struct xi_addr src, dst;
	__be16 src_port, dst_port;
	__u32 family; /* 0 = free */
};

struct alive {
	struct mapping m;
	uint64_t last_ns; /* anything was sent, by an SA or by us */
	uint64_t tick;	  /* the last one in which an SA had it */
};

struct said {
	uint32_t gen;
	__be16 port;
	struct xi_addr addr;
};

struct natt {
	const struct maps *maps;
	int raw4, raw6;
	uint64_t ticks;
	unsigned size; /* of alive[], a power of two, more than SAs */
	struct alive *alive;
	struct said *said; /* by slot */
};

int natt_open(struct natt **out, const struct maps *m, struct err *e)
{
	struct natt *n = calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return err_set(e, -ENOMEM, "out of memory");
	n->maps = m;
	n->raw4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	rc = -errno;
	n->raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	for (n->size = 1; n->size <= 2 * m->meta->sad_max; n->size *= 2)
		;
	n->alive = calloc(n->size, sizeof(*n->alive));
	n->said = calloc(m->meta->sad_max, sizeof(*n->said));
	if (n->raw4 >= 0 && n->alive && n->said) {
		*out = n;
		return 0;
	}
	err_set(e, rc, n->raw4 < 0 ? "cannot open a raw socket: %s" : "out of memory", strerror(-rc));
	rc = n->raw4 < 0 ? rc : -ENOMEM;
	natt_close(n);
	return rc;
}

void natt_close(struct natt *n)
{
	if (!n)
		return;
	if (n->raw4 >= 0)
		close(n->raw4);
	if (n->raw6 >= 0)
		close(n->raw6);
	free(n->alive);
	free(n->said);
	free(n);
}

/* --- the packet --- */

/* RFC 3948 §2.3: checksum zero in IPv4, computed in IPv6 (where zero is not allowed, RFC 8200 §8.1). */
static void write_udp(uint8_t *udp, const struct mapping *m, const uint8_t *src_dst6)
{
	uint16_t sum;

	be16_put(udp, m->src_port);
	be16_put(udp + 2, m->dst_port);
	u16_put(udp + 4, UDP_HDR + 1);
	be16_put(udp + 6, 0);
	udp[UDP_HDR] = 0xff;
	if (!src_dst6)
		return;
	sum = (uint16_t)~ip6_upper_sum(src_dst6, IPPROTO_UDP, udp, UDP_HDR + 1);
	be16_put(udp + 6, sum ? sum : 0xffff);
}

static int send4(const struct natt *n, const struct mapping *m)
{
	uint8_t p[IP4_HDR + UDP_HDR + 1] = {0x45};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = m->dst.w[0]};

	u16_put(p + IP4_LEN, sizeof(p));
	u16_put(p + IP4_FRAG, IP4_DF);
	p[IP4_TTL] = TTL;
	p[IP4_PROTO] = IPPROTO_UDP;
	be32_put(p + IP4_SRC, m->src.w[0]);
	be32_put(p + IP4_DST, m->dst.w[0]);
	write_udp(p + IP4_HDR, m, NULL);
	return sendto(n->raw4, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int send6(const struct natt *n, const struct mapping *m)
{
	uint8_t p[IP6_HDR + UDP_HDR + 1] = {0x60};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};

	u16_put(p + IP6_LEN, UDP_HDR + 1);
	p[IP6_NEXT] = IPPROTO_UDP;
	p[IP6_HOPS] = TTL;
	memcpy(p + IP6_SRC, &m->src, 16);
	memcpy(p + IP6_DST, &m->dst, 16);
	memcpy(&to.sin6_addr, &m->dst, 16);
	write_udp(p + IP6_HDR, m, p + IP6_SRC);
	return sendto(n->raw6, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/* --- who needs one --- */

static unsigned hash_of(const struct natt *n, const struct mapping *m)
{
	uint32_t h = m->src.w[0] ^ m->src.w[3] * 31 ^ m->dst.w[0] * 17 ^ m->dst.w[3] ^
		     ((uint32_t)m->src_port << 16 | m->dst_port);

	return (h * 0x9e3779b1u >> 8) & (n->size - 1);
}

/* The entry of a mapping; one that no SA has had since the last tick is free. There is always room: more entries than SAs. */
static struct alive *entry_of(struct natt *n, const struct mapping *m)
{
	struct alive *free_one = NULL;
	unsigned at = hash_of(n, m);

	for (unsigned i = 0; i < n->size; i++, at = (at + 1) & (n->size - 1)) {
		struct alive *a = &n->alive[at];
		int is_free = !a->m.family || a->tick + 1 < n->ticks;

		if (!is_free && memcmp(&a->m, m, sizeof(*m)) == 0)
			return a;
		if (is_free && !free_one)
			free_one = a;
		if (!a->m.family)
			break;
	}
	if (free_one)
		*free_one = (struct alive){.m = *m};
	return free_one;
}

static int needs_one(const struct xi_sa *sa, uint64_t now)
{
	const uint8_t want = XI_SA_F_UDP | XI_SA_F_KEEPALIVE;
	enum xi_sa_state state;

	if (!__atomic_load_n(&sa->gen, __ATOMIC_ACQUIRE) || sa->dir != XI_DIR_OUT || (sa->flags & want) != want)
		return 0;
	state = sad_state(sa, now);
	return state == XI_SA_MATURE || state == XI_SA_DYING;
}

static void note_use(struct natt *n, uint32_t slot)
{
	const struct xi_sa *sa = &n->maps->sad[slot];
	const struct mapping m = {.src = sa->src,
				  .dst = sa->dst,
				  .src_port = sa->udp_local,
				  .dst_port = sa->udp_remote,
				  .family = sa->family};
	uint64_t used = __atomic_load_n(&n->maps->sa_rt[slot].last_ns, __ATOMIC_RELAXED);
	struct alive *a = entry_of(n, &m);

	if (!a)
		return;
	if (!a->last_ns)
		a->last_ns = sa->add_ns; /* whoever made the SA has just spoken with the peer */
	a->last_ns = MAX(a->last_ns, used);
	a->tick = n->ticks;
}

unsigned natt_keepalive(struct natt *n, uint64_t now_ns)
{
	unsigned sent = 0;

	n->ticks++;
	for (uint32_t slot = 0; slot < n->maps->meta->sad_max; slot++)
		if (needs_one(&n->maps->sad[slot], now_ns))
			note_use(n, slot);
	for (unsigned i = 0; i < n->size; i++) {
		struct alive *a = &n->alive[i];

		if (a->tick != n->ticks || now_ns < a->last_ns + NATT_KEEPALIVE_S * NS_PER_S)
			continue;
		a->last_ns = now_ns; /* also when it could not be sent: the next one is due as late */
		sent += (a->m.family == XI_IP4 ? send4(n, &a->m) : send6(n, &a->m)) == 0;
	}
	return sent;
}

/* --- mappings that changed --- */

static void read_seen(struct xi_sa_rt *rt, struct said *s)
{
	replay_lock(rt); /* the workers' when they write it */
	s->port = rt->seen_port;
	s->addr = rt->seen;
	replay_unlock(rt);
}

void natt_find_changed(struct natt *n, natt_change_fn fn, void *arg)
{
	for (uint32_t slot = 0; slot < n->maps->meta->sad_max; slot++) {
		const struct xi_sa *sa = &n->maps->sad[slot];
		uint32_t gen = __atomic_load_n(&sa->gen, __ATOMIC_ACQUIRE);
		struct said *said = &n->said[slot], now = {.gen = gen};
		struct natt_change c;

		if (!gen || sa->dir != XI_DIR_IN || !(sa->flags & XI_SA_F_UDP))
			continue;
		read_seen(&n->maps->sa_rt[slot], &now);
		if (said->gen != gen)
			*said = (struct said){.gen = gen};
		if (said->port == now.port && memcmp(&said->addr, &now.addr, sizeof(now.addr)) == 0)
			continue;
		*said = now;
		c = (struct natt_change){
			.sa = XI_REF(slot, gen), .addr = now.addr, .port = now.port, .family = sa->family};
		fn(arg, &c);
	}
}
