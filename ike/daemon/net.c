/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP 500 and 4500 of both families. Which of our addresses a message came to is asked of the kernel (IP_PKTINFO), and answers leave from it. On 4500 the
 * non-ESP marker (RFC 3948 §2.2) is added and removed here; ESP does not come here, XDP takes it before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike/core/engine.h"
#include "ike/daemon/daemon.h"

#define BURST 16 /* datagrams of a socket in one turn of the loop */
#define DATAGRAM_MAX 65536
#define MARKER 4
#define RCVBUF (1 << 20)

static uint8_t rx[BURST][DATAGRAM_MAX];

union any_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static uint16_t port_of(unsigned i)
{
	return i & 1 ? IKE_PORT_NATT : IKE_PORT;
}

static int family_of(unsigned i)
{
	return i & 2 ? AF_INET6 : AF_INET;
}

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int open_one(unsigned i, struct err *e)
{
	int six = family_of(i) == AF_INET6, fd = socket(family_of(i), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	    rc = 0;
	union any_addr a = {.in = {.sin_family = AF_INET, .sin_port = htons(port_of(i))}};

	if (fd < 0)
		return six && errno == EAFNOSUPPORT
			       ? -EAFNOSUPPORT
			       : err_set(e, -errno, "cannot make a UDP socket: %s", strerror(errno));
	if (six)
		a.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port_of(i))};
	/* large messages (certificates) are cut by the kernel */
	if (six ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) || set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) ||
			    set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT)
		: set(fd, IPPROTO_IP, IP_PKTINFO, 1) || set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT))
		rc = err_set(e, -errno, "cannot set up a UDP socket: %s", strerror(errno));
	(void)set(fd, SOL_SOCKET, SO_RCVBUF, RCVBUF);
	if (!rc && bind(fd, &a.sa, six ? sizeof(a.in6) : sizeof(a.in)))
		rc = err_set(e, -errno, "cannot listen on UDP port %u: %s%s", port_of(i), strerror(errno),
			     errno == EADDRINUSE ? "; does another IKE daemon run?" : "");
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int net_open(struct daemon *d, struct err *e)
{
	for (unsigned i = 0; i < NET_SOCKETS; i++) {
		int fd = open_one(i, e);

		if (fd == -EAFNOSUPPORT && family_of(i) == AF_INET6)
			continue; /* a kernel without IPv6 */
		if (fd < 0)
			return fd;
		d->udp[i] = fd;
	}
	return 0;
}

void net_close(struct daemon *d)
{
	for (unsigned i = 0; i < NET_SOCKETS; i++)
		if (d->udp[i] >= 0) {
			close(d->udp[i]);
			d->udp[i] = -1;
		}
}

static struct ike_end end_of(const union any_addr *a)
{
	struct ike_end e = {.a = {.family = a->sa.sa_family == AF_INET ? XI_IP4 : XI_IP6}};

	if (e.a.family == XI_IP4) {
		memcpy(&e.a.addr, &a->in.sin_addr, 4);
		e.port = ntohs(a->in.sin_port);
	} else {
		memcpy(&e.a.addr, &a->in6.sin6_addr, 16);
		e.port = ntohs(a->in6.sin6_port);
	}
	return e;
}

/* The address that the datagram was sent to; family 0 = not said. */
static struct ike_addr local_of(struct msghdr *msg)
{
	struct ike_addr a = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			a.family = XI_IP4;
			memcpy(&a.addr, &((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			a.family = XI_IP6;
			memcpy(&a.addr, &((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_addr, 16);
		}
	}
	return a;
}

static void take(struct daemon *d, unsigned i, struct mmsghdr *m, uint8_t *buf)
{
	struct ike_path path = {.remote = end_of(m->msg_hdr.msg_name)};
	struct bytes b = {buf, m->msg_len};

	path.local = (struct ike_end){.a = local_of(&m->msg_hdr), .port = port_of(i)};
	if (!path.local.a.family || (m->msg_hdr.msg_flags & MSG_TRUNC))
		return;
	if (port_of(i) == IKE_PORT_NATT) {
		/* a keep-alive, or ESP that no SA has: not for IKE */
		if (b.len < MARKER || memcmp(b.p, "\0\0\0\0", MARKER))
			return;
		b = (struct bytes){b.p + MARKER, b.len - MARKER};
	}
	ike_receive(d->ike, &path, b);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	static union any_addr from[BURST];
	static char control[BURST][128] __attribute__((aligned(8)));
	struct mmsghdr m[BURST] = {0};
	struct iovec iov[BURST];
	struct daemon *d = h->data;
	unsigned i = (unsigned)(h - d->udp_poll);
	int n;

	(void)status;
	(void)events;
	for (unsigned k = 0; k < BURST; k++) {
		iov[k] = (struct iovec){rx[k], DATAGRAM_MAX};
		m[k].msg_hdr = (struct msghdr){.msg_name = &from[k],
					       .msg_namelen = sizeof(from[k]),
					       .msg_iov = &iov[k],
					       .msg_iovlen = 1,
					       .msg_control = control[k],
					       .msg_controllen = sizeof(control[k])};
	}
	n = recvmmsg(d->udp[i], m, BURST, MSG_DONTWAIT, NULL);
	for (int k = 0; k < n; k++)
		take(d, i, &m[k], rx[k]);
	daemon_rearm(d);
}

int net_start(struct daemon *d, struct err *e)
{
	for (unsigned i = 0; i < NET_SOCKETS; i++) {
		if (d->udp[i] < 0)
			continue;
		d->udp_poll[i].data = d;
		if (uv_poll_init(&d->loop, &d->udp_poll[i], d->udp[i]) ||
		    uv_poll_start(&d->udp_poll[i], UV_READABLE, on_readable))
			return err_set(e, -EIO, "cannot wait for UDP port %u", port_of(i));
	}
	return 0;
}

static socklen_t sockaddr_of(union any_addr *a, const struct ike_end *e)
{
	memset(a, 0, sizeof(*a));
	if (e->a.family == XI_IP4) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(e->port);
		memcpy(&a->in.sin_addr, &e->a.addr, 4);
		return sizeof(a->in);
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(e->port);
	memcpy(&a->in6.sin6_addr, &e->a.addr, 16);
	return sizeof(a->in6);
}

/* The source address, for the kernel. */
static void from_local(struct msghdr *msg, char *control, const struct ike_addr *local)
{
	int four = local->family == XI_IP4;
	struct cmsghdr *c = (struct cmsghdr *)control;
	struct in_pktinfo p4 = {0};
	struct in6_pktinfo p6 = {0};

	if (!local->family)
		return;
	memcpy(four ? (void *)&p4.ipi_spec_dst : (void *)&p6.ipi6_addr, &local->addr, four ? 4 : 16);
	c->cmsg_level = four ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = four ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(four ? sizeof(p4) : sizeof(p6));
	memcpy(CMSG_DATA(c), four ? (void *)&p4 : (void *)&p6, four ? sizeof(p4) : sizeof(p6));
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(four ? sizeof(p4) : sizeof(p6));
}

/* Most often a setting: a policy's sa-src-address, a route that is missing. */
static const char *send_hint(int err)
{
	switch (err) {
	case EINVAL:
	case EADDRNOTAVAIL:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return ": is the first an address of this host (sa-src-address of the policy), and is there a route?";
	case EPERM:
		return ": does a firewall of this host forbid it?";
	default:
		return "";
	}
}

static void say_why(struct daemon *d, const struct ike_path *p, int err)
{
	char from[64], to[64];

	if (!d->ike || !ike_may_say(d->ike, &p->remote.a))
		return;
	(void)ike_end_text(&p->local, from, sizeof(from));
	(void)ike_end_text(&p->remote, to, sizeof(to));
	ike_log(d->ike, LOG_L_WARNING, "a message from %s to %s could not be sent: %s%s", from, to, strerror(err),
		send_hint(err));
}

/* What cannot be sent is lost like a datagram on its way: IKE repeats itself. */
static void send_parts(struct daemon *d, const struct ike_path *p, struct iovec *iov, unsigned n)
{
	unsigned i = (p->local.port == IKE_PORT_NATT ? 1u : 0u) | (p->remote.a.family == XI_IP6 ? 2u : 0u);
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8))) = {0};
	union any_addr to;
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sockaddr_of(&to, &p->remote), .msg_iov = iov, .msg_iovlen = n};

	from_local(&msg, control, &p->local.a);
	if (d->udp[i] >= 0 && sendmsg(d->udp[i], &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		say_why(d, p, errno);
}

void net_send(struct daemon *d, const struct ike_path *p, struct bytes msg)
{
	static uint8_t marker[MARKER];
	struct iovec iov[2] = {{marker, MARKER}, {(void *)msg.p, msg.len}};

	if (p->local.port == IKE_PORT_NATT)
		send_parts(d, p, iov, 2);
	else
		send_parts(d, p, iov + 1, 1);
}

void net_keepalive(struct daemon *d, const struct ike_path *p)
{
	static uint8_t one = 0xff;
	struct iovec iov = {&one, 1};

	send_parts(d, p, &iov, 1);
}
