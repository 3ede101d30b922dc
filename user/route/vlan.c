/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/route/vlan.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "bpf/abi/xi_abi.h"
#include "user/route/link.h"
#include "user/route/mapset.h"
#include "user/route/nl.h"

/* All interfaces of the host. */
struct links {
	struct link *link;
	unsigned n, room;
};

struct vlan_set {
	struct xi_vlan_key *key;
	__u32 *ifindex;
	unsigned n;
};

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct links *all = data;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (all->n == all->room) {
		unsigned room = all->room ? 2 * all->room : 64;
		struct link *more = realloc(all->link, room * sizeof(*more));

		if (!more) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		all->link = more;
		all->room = room;
	}
	link_parse(nlh, &all->link[all->n++]);
	return MNL_CB_OK;
}

static int find(void *arg, __u32 ifindex, struct link *l)
{
	const struct links *all = arg;

	for (unsigned i = 0; i < all->n; i++)
		if (all->link[i].ifindex == ifindex) {
			*l = all->link[i];
			return 0;
		}
	return -1;
}

static int read_links(struct links *all, struct err *e)
{
	char buf[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *nl = NULL;
	int rc = nl_open(&nl, NETLINK_ROUTE, 0, e);

	if (rc)
		return rc;
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	rc = -EINTR;
	for (int i = 0; i < NL_DUMP_TRIES && rc == -EINTR; i++) {
		all->n = 0;
		rc = nl_talk(nl, nlh, on_link, all);
	}
	mnl_socket_close(nl);
	return rc ? err_set(e, rc, "cannot read the host's interfaces: %s", strerror(-rc)) : 0;
}

/* Each VLAN device twice: by its tags, and by itself, for tc_inject. */
static void add(struct vlan_set *set, const struct link *l, const struct vlan_path *p)
{
	struct xi_vlan_key *by_tag = &set->key[set->n], *by_itself = by_tag + 1;

	memset(by_tag, 0, 2 * sizeof(*by_tag));
	by_tag->ifindex = p->ifindex;
	memcpy(by_tag->proto, p->proto, sizeof(by_tag->proto));
	memcpy(by_tag->vid, p->vid, sizeof(by_tag->vid));
	set->ifindex[set->n] = l->ifindex;
	by_itself->ifindex = l->ifindex;
	set->ifindex[set->n + 1] = p->ifindex;
	set->n += 2;
}

static int collect(struct vlan_set *set, struct links *all)
{
	struct vlan_path p;

	if (!all->n)
		return 0;
	set->key = calloc(2ul * all->n, sizeof(*set->key));
	set->ifindex = calloc(2ul * all->n, sizeof(*set->ifindex));
	if (!set->key || !set->ifindex)
		return -ENOMEM;
	for (unsigned i = 0; i < all->n; i++)
		if (all->link[i].vlan && link_path(&all->link[i], find, all, &p) == 0)
			add(set, &all->link[i], &p);
	return 0;
}

int rt_vlan_sync(int xi_vlan_fd, struct err *e)
{
	struct vlan_set set = {0};
	struct links all = {0};
	int rc = read_links(&all, e);

	if (!rc) {
		rc = collect(&set, &all);
		if (!rc)
			rc = mapset_become(xi_vlan_fd,
					   &(struct mapset){set.key, sizeof(set.key[0]), set.ifindex, set.n});
		if (rc)
			err_set(e, rc, "cannot enter the host's VLAN devices: %s", strerror(-rc));
	}
	free(all.link);
	free(set.key);
	free(set.ifindex);
	return rc;
}
