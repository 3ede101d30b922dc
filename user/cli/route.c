/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of our addresses the kernel would use towards a destination: it is asked by connecting a datagram socket. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/cli/apply.h"

int route_source(const struct ip_addr *dst, struct ip_addr *src)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(500)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(500), .sin_addr.s_addr = dst->a.w[0]};
	bool v4 = dst->family == XI_IP4;
	struct sockaddr *to = v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t len = v4 ? sizeof(a4) : sizeof(a6);
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;

	if (fd < 0)
		return -1;
	memcpy(&a6.sin6_addr, dst->a.w, sizeof(a6.sin6_addr));
	if (connect(fd, to, len) == 0 && getsockname(fd, to, &len) == 0) {
		*src = (struct ip_addr){.family = dst->family};
		if (v4)
			src->a.w[0] = a4.sin_addr.s_addr;
		else
			memcpy(src->a.w, &a6.sin6_addr, sizeof(a6.sin6_addr));
		rc = 0;
	}
	close(fd);
	return rc;
}
