/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways through the stack, for packets that the fast path cannot send: protected ones by a raw socket, decrypted ones by
 * the internal veth pair, ICMP to senders of packets that are too big.
 */
#include "user/worker/worker.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/ipsec/frag.h"
#include "user/ipsec/icmp.h"
#include "user/ipsec/ip6.h"

#define ICMP_BURST 100 /* packets at once, then ICMP_RATE a second for each worker (RFC 1812 §4.3.2.8) */
#define ICMP_RATE 1000

int slow_open(struct worker *w, struct err *e)
{
	struct icmp6_filter none;
	/*
	 * As large as the link takes: the path MTU is path.c's to judge. In transport mode the stack's own is that of the packet inside, since it
	 * has one destination with it and we told the stack so: it would refuse what that packet becomes.
	 */
	int one = 1, probe = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;

	w->raw_out = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (w->raw_out < 0 || setsockopt(w->raw_out, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one)) < 0 ||
	    setsockopt(w->raw_out, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe)) < 0)
		return err_set(e, -errno, "cannot open a raw socket: %s", strerror(errno));
	w->raw_out6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW); /* raw(7): with header */
	if (w->raw_out6 < 0 && errno != EAFNOSUPPORT)
		return err_set(e, -errno, "cannot open a raw socket of IPv6: %s", strerror(errno));
	if (w->raw_out6 < 0)
		return 0;
	if (setsockopt(w->raw_out6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof(probe6)) < 0)
		return err_set(e, -errno, "cannot set up a raw socket of IPv6: %s", strerror(errno));
	w->raw_icmp6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	ICMP6_FILTER_SETBLOCKALL(&none);
	if (w->raw_icmp6 < 0 || setsockopt(w->raw_icmp6, IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof(none)) < 0)
		return err_set(e, -errno, "cannot open a raw ICMPv6 socket: %s", strerror(errno));
	return 0;
}

void slow_close(struct worker *w)
{
	if (w->raw_out >= 0)
		close(w->raw_out);
	if (w->raw_out6 >= 0)
		close(w->raw_out6);
	if (w->raw_icmp6 >= 0)
		close(w->raw_icmp6);
	w->raw_out = w->raw_out6 = w->raw_icmp6 = -1;
}

static int send4(const struct worker *w, const struct pkt *p)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	to.sin_addr.s_addr = be32_get(p->data + IP4_DST);
	if (sendto(w->raw_out, p->data, pkt_len(p), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

static int send6(const struct worker *w, const struct pkt *p)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};

	memcpy(&to.sin6_addr, p->data + IP6_DST, sizeof(to.sin6_addr));
	if (sendto(w->raw_out6, p->data, pkt_len(p), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

int slow_send(struct worker *w, const struct pkt *p)
{
	return ip_version(p) == 4 ? send4(w, p) : send6(w, p);
}

/* RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f). What is sent takes a token. */
static int icmp_allowed(struct worker *w)
{
	uint64_t earned = (w->now - w->icmp_at) / (NS_PER_S / ICMP_RATE);

	if (earned) {
		w->icmp_tokens = (uint32_t)MIN(w->icmp_tokens + earned, (uint64_t)ICMP_BURST);
		w->icmp_at = w->now;
	}
	return w->icmp_tokens != 0;
}

/* The stack writes the IPv6 header, its address towards the sender, and the checksum. A link-local sender is not forwarded for. */
static void send_icmp6(const struct worker *w, const struct pkt *p)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};

	memcpy(&to.sin6_addr, p->data + IP6_DST, sizeof(to.sin6_addr));
	(void)!sendto(w->raw_icmp6, p->data + IP6_HDR, pkt_len(p) - IP6_HDR, MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to));
}

void slow_too_big(struct worker *w, const struct pkt *p, size_t mtu)
{
	static const struct xi_addr any;
	uint8_t buf[ICMP6_PACKET_MAX];
	struct pkt icmp = {.head = buf, .data = buf, .tail = buf, .end = buf + sizeof(buf)};

	if (!icmp_allowed(w))
		return;
	/* Source 0: the stack fills in the address it would use towards the sender. */
	if (ip_version(p) == 4)
		icmp.tail += icmp4_too_big(buf, sizeof(buf), p->data, pkt_len(p), 0, (uint16_t)mtu);
	else
		icmp.tail += icmp6_too_big(buf, sizeof(buf), p->data, pkt_len(p), &any, (uint32_t)mtu);
	if (!pkt_len(&icmp)) /* who must not be answered takes nothing from the others */
		return;
	w->icmp_tokens--;
	/* Best effort, as every ICMP; the drop itself is counted. */
	if (ip_version(p) == 4)
		(void)!send4(w, &icmp);
	else
		send_icmp6(w, &icmp);
}

static enum xi_drop inject(struct worker *w, struct wpkt *pk)
{
	struct io_sock *s = w->tx_by_slot[XI_IF_INTERNAL];
	const struct xi_if *in = &w->maps->ifs[pk->v.if_slot];
	struct ethhdr eth = {.h_proto = htons(ip_version(&pk->p) == 4 ? ETH_P_IP : ETH_P_IPV6)};
	uint32_t ifindex = htonl(arrival(w, pk));

	if (!s || !ifindex || pk->p.data - pk->p.head < (ptrdiff_t)sizeof(eth))
		return XI_DROP_IN_INJECT;
	/* tc_inject knows by the source address on which interface the stack is to receive the packet. */
	memcpy(eth.h_dest, in->mac, ETH_ALEN);
	eth.h_source[0] = 0x02;
	eth.h_source[1] = 0x58;
	memcpy(eth.h_source + 2, &ifindex, sizeof(ifindex));
	pk->p.data -= sizeof(eth);
	memcpy(pk->p.data, &eth, sizeof(eth));
	if (likely(io_tx(s, &w->pool, (uint64_t)(pk->p.data - w->pool.area), (uint32_t)pkt_len(&pk->p)) == 0))
		return XI_OK;
	pk->p.data += sizeof(eth); /* the packet again, for who watches */
	return XI_DROP_IN_TX_FULL;
}

void slow_inject(struct worker *w, struct wpkt *pk)
{
	enum xi_drop rc = inject(w, pk);

	if (rc != XI_OK)
		drop(w, pk, rc);
}

/* Without one of them the others are of no use: one packet, one counter. */
void slow_inject_fragments(struct worker *w, struct wpkt *pk, size_t mtu)
{
	size_t size = fragment_room(w, mtu);
	int v4 = ip_version(&pk->p) == 4;
	unsigned n = v4 ? frag4_count(&pk->p, size) : frag6_count(&pk->p, size);
	enum xi_drop rc = n ? XI_OK : XI_DROP_IN_INJECT;

	if (n && !fragments_have_frames(w, size, n))
		rc = XI_DROP_IN_NO_BUFFER;
	w->frag_id += XI_WORKER_MAX;
	for (unsigned i = 0; i < n && rc == XI_OK; i++) {
		struct wpkt f = {.v = pk->v};

		wpkt_init(w, &f, fragment_get(w, size));
		if (v4 ? frag4_make(&f.p, &pk->p, size, i) : frag6_make(&f.p, &pk->p, size, i, w->frag_id))
			rc = XI_DROP_IN_INJECT;
		else
			rc = inject(w, &f);
		if (rc != XI_OK)
			io_frame_put(&w->pool, f.addr);
	}
	if (rc == XI_OK)
		io_frame_put(&w->pool, pk->addr);
	else
		drop(w, pk, rc);
}
