/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways through the stack, for packets that the fast path cannot send: protected ones by a raw socket, decrypted ones by
 * the internal veth pair, ICMP to senders of packets that are too big, and ESP that the stack has reassembled for us.
 */
#include "user/worker/worker.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/ipsec/icmp.h"
#include "user/ipsec/ip6.h"

#define ICMP_BURST 100 /* packets at once, then ICMP_RATE a second for each worker (RFC 1812 §4.3.2.8) */
#define ICMP_RATE 1000

int slow_open(struct worker *w, struct err *e)
{
	int one = 1;

	w->raw_out = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (w->raw_out < 0 || setsockopt(w->raw_out, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one)) < 0)
		return err_set(e, -errno, "cannot open a raw socket: %s", strerror(errno));
	w->raw_out6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW); /* raw(7): with header */
	if (w->raw_out6 < 0 && errno != EAFNOSUPPORT)
		return err_set(e, -errno, "cannot open a raw socket of IPv6: %s", strerror(errno));
	if (w->id != 0)
		return 0;
	w->raw_esp = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ESP);
	if (w->raw_esp < 0 || setsockopt(w->raw_esp, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0)
		return err_set(e, -errno, "cannot open a raw ESP socket: %s", strerror(errno));
	return 0;
}

void slow_close(struct worker *w)
{
	if (w->raw_out >= 0)
		close(w->raw_out);
	if (w->raw_out6 >= 0)
		close(w->raw_out6);
	if (w->raw_esp >= 0)
		close(w->raw_esp);
	w->raw_out = w->raw_out6 = w->raw_esp = -1;
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

void slow_too_big(struct worker *w, const struct pkt *p, size_t mtu)
{
	uint8_t buf[576];
	struct pkt icmp = {.head = buf, .data = buf, .end = buf + sizeof(buf)};
	uint64_t earned = (w->now - w->icmp_at) / (NS_PER_S / ICMP_RATE);
	size_t len;

	if (ip_version(p) != 4)
		return;
	if (earned) {
		w->icmp_tokens = (uint32_t)MIN(w->icmp_tokens + earned, (uint64_t)ICMP_BURST);
		w->icmp_at = w->now;
	}
	if (!w->icmp_tokens)
		return;
	w->icmp_tokens--;
	/* Source 0: the stack fills in the address it would use towards the sender. */
	len = icmp4_too_big(buf, sizeof(buf), p->data, pkt_len(p), 0, (uint16_t)mtu);
	if (!len)
		return;
	icmp.tail = buf + len;
	if (slow_send(w, &icmp))
		return; /* best effort, as every ICMP; the drop itself is counted */
}

void slow_inject(struct worker *w, struct wpkt *pk)
{
	struct io_sock *s = w->tx_by_slot[XI_IF_INTERNAL];
	const struct xi_if *in = &w->maps->ifs[pk->v.if_slot];
	struct ethhdr eth = {.h_proto = htons(ip_version(&pk->p) == 4 ? ETH_P_IP : ETH_P_IPV6)};
	uint32_t ifindex = htonl(arrival(w, pk));

	if (!s || !ifindex || pk->p.data - pk->p.head < (ptrdiff_t)sizeof(eth)) {
		drop(w, pk, XI_DROP_IN_INJECT);
		return;
	}
	/* tc_inject knows by the source address on which interface the stack is to receive the packet. */
	memcpy(eth.h_dest, in->mac, ETH_ALEN);
	eth.h_source[0] = 0x02;
	eth.h_source[1] = 0x58;
	memcpy(eth.h_source + 2, &ifindex, sizeof(ifindex));
	pk->p.data -= sizeof(eth);
	memcpy(pk->p.data, &eth, sizeof(eth));
	if (io_tx(s, &w->pool, (uint64_t)(pk->p.data - w->pool.area), (uint32_t)pkt_len(&pk->p)))
		drop(w, pk, XI_DROP_IN_TX_FULL);
}

/* Interface slot by index; -1 = not attached. */
static int slot_of(const struct worker *w, uint32_t ifindex)
{
	for (int i = 1; i < XI_IF_MAX; i++)
		if (w->maps->ifs[i].ifindex == ifindex)
			return i;
	return -1;
}

/* As the XDP program does for packets in one piece. */
static enum xi_drop find_sa(struct worker *w, struct wpkt *pk, uint32_t ifindex)
{
	struct xi_spi_key key = {.proto = XI_PROTO_ESP, .family = XI_IP4};
	struct xi_spi_val val;
	int slot = slot_of(w, ifindex);
	struct iphdr ip;

	if (slot < 0)
		return XI_DROP_IN_NO_WORKER;
	if (pkt_len(&pk->p) < sizeof(ip))
		return XI_DROP_IN_HEADER;
	memcpy(&ip, pk->p.data, sizeof(ip));
	if (pkt_len(&pk->p) < ip.ihl * 4u + sizeof(key.spi))
		return XI_DROP_IN_HEADER;
	key.dst.w[0] = ip.daddr;
	memcpy(&key.spi, pk->p.data + ip.ihl * 4u, sizeof(key.spi));
	if (bpf_map_lookup_elem(w->maps->fd[MAP_SPI], &key, &val) < 0 || val.dir != XI_DIR_IN)
		return XI_DROP_IN_NO_SA;
	pk->v = (struct xi_verdict){
		.slot = val.slot, .gen = val.gen, .dir = XI_DIR_IN, .if_slot = (__u8)slot, .family = XI_IP4};
	return XI_OK;
}

static uint32_t arrival_ifindex(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in_pktinfo info;

		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return (uint32_t)info.ipi_ifindex;
	}
	return 0;
}

/* One packet into a frame: 1 got one, 0 none there. */
static int receive_one(struct worker *w, struct wpkt *pk)
{
	uint8_t control[128];
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	enum xi_drop reason;
	ssize_t n;

	pk->addr = io_frame_get(&w->pool);
	if (pk->addr == UINT64_MAX)
		return 0; /* it stays in the socket's own bounded queue */
	wpkt_place(w, pk, pk->addr);
	iov = (struct iovec){.iov_base = pk->p.data, .iov_len = (size_t)(pk->p.end - pk->p.data)};
	n = recvmsg(w->raw_esp, &msg, MSG_DONTWAIT);
	if (n < 0) {
		io_frame_put(&w->pool, pk->addr);
		return 0;
	}
	pk->p.tail = pk->p.data + n;
	reason = (msg.msg_flags & MSG_TRUNC) ? XI_DROP_IN_NO_BUFFER : find_sa(w, pk, arrival_ifindex(&msg));
	if (reason != XI_OK) {
		drop(w, pk, reason);
		pk->addr = UINT64_MAX;
	}
	return 1;
}

void slow_receive(struct worker *w)
{
	struct wpkt store[WRK_BURST], *pk[WRK_BURST];
	unsigned n = 0;

	if (w->raw_esp < 0)
		return;
	for (unsigned i = 0; i < WRK_BURST && receive_one(w, &store[n]); i++)
		if (store[n].addr != UINT64_MAX) {
			pk[n] = &store[n];
			n++;
		}
	group_by_sa(pk, n);
	inbound_burst(w, pk, n);
}
