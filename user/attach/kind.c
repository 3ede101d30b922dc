/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be attached: an interface with Ethernet addresses and receive queues of its own, which receives the frames for its address itself.
 * Its VLAN devices are served with it. Refused, with what to attach instead: what stands on another interface, what has ports, what
 * has no Ethernet header, and ports, whose frames carry addresses that the interface above owns.
 */
#include "user/attach/internal.h"

#include <errno.h>
#include <net/if_arp.h>

enum why {
	HAS_PORTS, /* frames arrive by its ports: their queues are not its own, and AF_XDP binds to queues */
	VLAN,	   /* served with the interface below */
	ABOVE,	   /* another address on the interface below: its frames are not for that one */
};

static const struct {
	const char *kind; /* IFLA_INFO_KIND */
	enum why why;
} refused[] = {
	{"bond", HAS_PORTS}, {"team", HAS_PORTS}, {"bridge", HAS_PORTS}, {"vrf", HAS_PORTS}, {"openvswitch", HAS_PORTS},
	{"vlan", VLAN},	     {"macvlan", ABOVE},  {"macvtap", ABOVE},	 {"ipvlan", ABOVE},  {"ipvtap", ABOVE},
};

/* The name of an interface by index; `other` when it is in another network namespace. */
static const char *name_of(unsigned ifindex, char *buf, const char *other)
{
	return ifindex && if_indextoname(ifindex, buf) ? buf : other;
}

static const char *article(const char *word)
{
	return strchr("aeiou", word[0]) ? "an" : "a";
}

static int refuse_kind(const struct nic *n, enum why why, struct err *e)
{
	char buf[IF_NAMESIZE];
	const char *below = name_of(n->link, buf, "the interface it stands on");

	switch (why) {
	case VLAN:
		return err_set(e, -EOPNOTSUPP, "%s is a VLAN device: attach %s, which serves its VLANs", n->name,
			       below);
	case ABOVE:
		return err_set(e, -EOPNOTSUPP,
			       "%s is %s %s: attach %s and move the addresses there, packets for those of the %s are "
			       "not served",
			       n->name, article(n->kind), n->kind, below, n->kind);
	case HAS_PORTS:
		break;
	}
	return err_set(
		e, -EOPNOTSUPP,
		"%s is %s %s, which has no receive queues for AF_XDP: take an interface out of it, move the addresses "
		"there and attach that",
		n->name, article(n->kind), n->kind);
}

int kind_check(const struct nic *n, struct err *e)
{
	static const uint8_t none[sizeof(n->mac)];
	char by[IF_NAMESIZE];

	if (n->flags & IFF_LOOPBACK)
		return err_set(e, -EINVAL, "%s is the loopback interface: nothing on it leaves this host", n->name);
	if (strcmp(n->name, XI_VETH_STACK) == 0 || strcmp(n->name, XI_VETH_WORKER) == 0)
		return err_set(e, -EINVAL, "%s is our own internal interface", n->name);
	if (n->type != ARPHRD_ETHER || memcmp(n->mac, none, sizeof(none)) == 0)
		return err_set(e, -EINVAL,
			       "%s%s%s is not an Ethernet interface: attach the one that its packets come and go by",
			       n->name, n->kind[0] ? ", kind " : "", n->kind);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (strcmp(n->kind, refused[i].kind) == 0)
			return refuse_kind(n, refused[i].why, e);
	if (n->master)
		return err_set(e, -EOPNOTSUPP,
			       "%s is a port of %s, whose addresses its frames carry: take it out first", n->name,
			       name_of(n->master, by, "another interface"));
	return 0;
}
