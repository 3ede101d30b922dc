/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handshakes with a daemon on the network, and the CPU time that the daemon takes for them: an engine of ours (bench/ike_rig.h) as initiator with as many
 * addresses as peers, on a real UDP socket and with the real clock. Some are under way at a time. The daemon is whoever answers at 198.18.0.0 + i; its processes
 * are named, their CPU time is read before the first message and when it has come to rest after the last.
 *
 *   ike_load GROUP HANDSHAKES FIRST-ADDRESS PID...     prints: GROUP us-of-CPU-a-handshake
 */
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "bench/ike_rig.h"

#define UNDER_WAY 4
#define GIVE_UP_NS (60 * NS_PER_S)
#define REST_MS 200

static uint64_t real_now(void *ctx)
{
	(void)ctx;
	return clock_ns();
}

static int socket_open(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(IKE_PORT)};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)))
		rig_die("no UDP socket on port 500");
	return fd;
}

static int fd;

union control {
	char buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct cmsghdr align;
};

static void real_send(void *ctx, const struct ike_path *p, struct bytes msg)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(p->remote.port), .sin_addr.s_addr = p->remote.a.addr.w[0]};
	struct in_pktinfo from = {.ipi_spec_dst.s_addr = p->local.a.addr.w[0]};
	union control control = {{0}};
	struct iovec iov = {(void *)msg.p, msg.len};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	(void)ctx;
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	if (sendmsg(fd, &m, 0) < 0)
		rig_die("a message cannot be sent: routes?");
}

static void receive_one(struct rig *r)
{
	uint8_t buf[4096];
	struct sockaddr_in from;
	union control control;
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	struct ike_path path = {.local = {.a.family = XI_IP4, .port = IKE_PORT}, .remote.a.family = XI_IP4};
	struct in_pktinfo to;
	ssize_t n = recvmsg(fd, &m, 0);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (!c || c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
		return;
	memcpy(&to, CMSG_DATA(c), sizeof(to));
	path.local.a.addr.w[0] = to.ipi_addr.s_addr;
	path.remote.a.addr.w[0] = from.sin_addr.s_addr;
	path.remote.port = ntohs(from.sin_port);
	ike_receive(r->end[0].k, &path, (struct bytes){buf, (size_t)n});
}

/* What is due, and what comes within ms; 0 = nothing came. */
static int turn(struct rig *r, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t next, now;

	while (r->job_head != r->job_tail) {
		struct ike_job *j = r->job[r->job_head++ & (r->job_room - 1)];

		j->run(j);
		j->done(j);
	}
	ike_run(r->end[0].k);
	next = ike_next(r->end[0].k);
	now = clock_ns();
	if (next < now + (uint64_t)ms * 1000000)
		ms = next > now ? (int)((next - now) / 1000000) + 1 : 0;
	if (poll(&p, 1, ms) != 1)
		return 0;
	receive_one(r);
	return 1;
}

static void rest(struct rig *r)
{
	uint64_t quiet = clock_ns() + REST_MS * 1000000ull;

	while (clock_ns() < quiet)
		if (turn(r, REST_MS / 4))
			quiet = clock_ns() + REST_MS * 1000000ull;
}

static double cpu_of(unsigned n, char **pids)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++) {
		struct timespec t;
		clockid_t id;

		if (clock_getcpuclockid((pid_t)strtol(pids[i], NULL, 10), &id) || clock_gettime(id, &t))
			rig_die("a process of the daemon has gone");
		sum += (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
	}
	return sum;
}

static void handshakes(struct rig *r)
{
	uint64_t end = clock_ns() + GIVE_UP_NS;
	unsigned begun = 0;

	while (r->end[0].live < 2 * r->peers) {
		while (begun < r->peers && begun < r->end[0].live / 2 + UNDER_WAY)
			rig_acquire(r, begun++);
		(void)turn(r, 100);
		if (clock_ns() > end)
			rig_die("the daemon does not answer, or refuses");
	}
	rest(r);
}

int main(int argc, char **argv)
{
	struct rig *r = rig_alloc(1, sizeof(*r));
	const struct group *g = argc > 4 ? group_by_name(argv[1]) : NULL;
	struct in_addr first;
	double cpu;

	if (!g || inet_pton(AF_INET, argv[3], &first) != 1)
		rig_die("usage: ike_load GROUP HANDSHAKES FIRST-ADDRESS PID...");
	rig_far = ntohl(first.s_addr);
	r->peers = (unsigned)strtoul(argv[2], NULL, 10);
	fd = socket_open();
	rig_end_open(r, 0, g, NULL);
	r->end[0].env.now = real_now;
	r->end[0].env.send = real_send;
	cpu = cpu_of((unsigned)argc - 4, argv + 4);
	handshakes(r);
	cpu = cpu_of((unsigned)argc - 4, argv + 4) - cpu;
	(void)printf("%s %.1f\n", argv[1], cpu * 1e6 / r->peers);
	ike_kill(r->end[0].k);
	rest(r);
	return 0;
}
