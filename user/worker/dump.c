/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies in force into the log, in the form and order of spec section 7.2. Main thread. */
#include "user/worker/serve.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/log.h"

/* "10.1.101.0/24[0]"; a host without its length. */
static void end_text(char *buf, size_t size, const struct xi_selector *s, const struct xi_addr *a, unsigned len,
		     __be16 port, int has_port)
{
	char addr[INET6_ADDRSTRLEN] = "?", net[8] = "";
	unsigned host = s->family == XI_IP4 ? 32 : 128;

	(void)inet_ntop(s->family == XI_IP4 ? AF_INET : AF_INET6, a, addr, sizeof(addr));
	if (len != host)
		(void)snprintf(net, sizeof(net), "/%u", len);
	(void)snprintf(buf, size, "%s%s[%u]", addr, net, has_port ? ntohs(port) : 0);
}

static void dump_policy(const struct xi_policy *p)
{
	static const char *const word[] = {"none", "discard", "ipsec"};
	const char *action = word[p->action <= XI_ACTION_ENCRYPT ? p->action : XI_ACTION_DISCARD];
	const struct xi_selector *s = &p->sel;
	char local[80], remote[80];

	end_text(local, sizeof(local), s, &s->src, s->src_len, s->src_port, s->flags & XI_SEL_SRC_PORT);
	end_text(remote, sizeof(remote), s, &s->dst, s->dst_len, s->dst_port, s->flags & XI_SEL_DST_PORT);
	log_packet("policy %s fwd: %s - %s ", action, remote, local);
	log_packet("policy %s in: %s - %s ", action, remote, local);
	log_packet("policy %s out: %s - %s ", action, local, remote);
}

static int by_order(const void *a, const void *b)
{
	const struct xi_policy *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

int dump_policies(const struct maps *m)
{
	struct xi_policy *p = calloc(m->meta->spd_max, sizeof(*p));
	unsigned n = 0;

	if (!p)
		return -1;
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		if (__atomic_load_n(&m->spd[s].gen, __ATOMIC_ACQUIRE) && !(m->spd[s].flags & XI_POL_INACTIVE))
			p[n++] = m->spd[s];
	qsort(p, n, sizeof(*p), by_order);
	for (unsigned i = 0; i < n; i++)
		dump_policy(&p[i]);
	free(p);
	return (int)n;
}
