/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/nat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <unistd.h>

static int nft_type(unsigned what)
{
	return NFNL_SUBSYS_NFTABLES << 8 | (int)what;
}

static int on_chain(const struct nlmsghdr *nlh, void *data)
{
	int *found = data;
	const struct nlattr *a;

	if (nlh->nlmsg_type != nft_type(NFT_MSG_NEWCHAIN))
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(a) == NFTA_CHAIN_TYPE && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
		    strcmp(mnl_attr_get_str(a), "nat") == 0)
			*found = 1;
	}
	return MNL_CB_OK;
}

/* iptables-nft is in there, too. */
static int ask_nftables(void)
{
	char buf[128] = {0};
	struct mnl_socket *nl;
	int found = 0, rc = nl_open(&nl, NETLINK_NETFILTER, 0, NULL);

	if (rc)
		return rc != -EPROTONOSUPPORT; /* a kernel without netfilter */
	rc = -EINTR;
	for (unsigned i = 0; i < NL_DUMP_TRIES && rc == -EINTR; i++) {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

		nlh->nlmsg_type = (__u16)nft_type(NFT_MSG_GETCHAIN);
		nlh->nlmsg_flags = NLM_F_DUMP;
		nfg->nfgen_family = NFPROTO_UNSPEC;
		nfg->version = NFNETLINK_V0;
		rc = nl_talk(nl, nlh, on_chain, &found);
	}
	mnl_socket_close(nl);
	/* EINVAL: the kernel has no nftables. */
	return found || (rc && rc != -EINVAL && rc != -EOPNOTSUPP);
}

/* The older iptables: its tables exist once somebody has asked for them. */
static int has_table(const char *names)
{
	char buf[256];
	int fd = open(names, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno != ENOENT;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n < 0)
		return 1;
	buf[n] = '\0';
	for (char *rest = buf, *name; (name = strsep(&rest, "\n"));)
		if (strcmp(name, "nat") == 0)
			return 1;
	return 0;
}

void rt_nat_open(struct rt_nat *n)
{
	/* Before the first look, so that no change is missed. */
	if (nl_open(&n->events, NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1), NULL))
		n->events = NULL;
	n->nft = ask_nftables();
}

void rt_nat_close(struct rt_nat *n)
{
	if (n->events)
		mnl_socket_close(n->events);
	n->events = NULL;
}

int rt_nat_fd(const struct rt_nat *n)
{
	return n->events ? mnl_socket_get_fd(n->events) : -1;
}

static int on_change(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == nft_type(NFT_MSG_NEWCHAIN) || nlh->nlmsg_type == nft_type(NFT_MSG_DELCHAIN))
		*(int *)data = 1;
	return MNL_CB_OK;
}

int rt_nat_on_events(struct rt_nat *n)
{
	static char buf[NL_BUF];
	int changed = 0;
	ssize_t len;

	if (!n->events)
		return 0;
	while ((len = recv(rt_nat_fd(n), buf, sizeof(buf), MSG_DONTWAIT)) > 0 || (len < 0 && errno == ENOBUFS))
		if (len < 0 || mnl_cb_run(buf, (size_t)len, 0, 0, on_change, &changed) < 0)
			changed = 1; /* more than we could hear */
	if (changed)
		n->nft = ask_nftables();
	return changed;
}

int rt_nat_present(struct rt_nat *n)
{
	if (!n->events)
		n->nft = ask_nftables();
	return n->nft || has_table("/proc/self/net/ip_tables_names") || has_table("/proc/self/net/ip6_tables_names");
}
