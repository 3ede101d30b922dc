/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaching the BPF programs of an instance to interfaces, and the internal veth pair. Called by the CLI; needs root.
 * Everything is done or nothing: a failure undoes what was made.
 */
#ifndef ATTACH_ATTACH_H
#define ATTACH_ATTACH_H

#include "user/maps/maps.h"

/*
 * Largest MTU of an attached interface where a packet cannot have several frames (Linux before 6.6): one frame of the UMEM holds that, its
 * Ethernet header with tags, and the outer headers. Elsewhere IO_SG_MTU, if the driver goes along.
 */
#define ATTACH_MTU_MAX 1700
uint32_t attach_mtu_max(void);

enum attach_mode { ATTACH_NATIVE, ATTACH_GENERIC };

struct attach_req {
	const char *ifname;
	enum attach_mode mode;
	unsigned
		queues; /* 0 = all receive queues; fewer: what needs a worker is dropped when it arrives on the others */
	int firewall;	/* not 0: XI_IF_FIREWALL */
};

/*
 * Loads tc_egress and xdp_ingress for the interface, pins their links, enters it in xi_if, seeds xi_local, makes the veth pair when it
 * is the first, and tells xdp-ipsecd if one runs. The policies must be in the maps already (fail closed from the first packet).
 * Errors, each one sentence with what to do: no such interface, a kind that cannot be attached (kind.c), already attached, XDP slot taken
 * (says by which program, id), driver without native XDP (suggests mode=generic), MTU above what kernel or driver can do, more queues than
 * there are, no free slot, EPERM; -ESTALE: the maps
 * behind m were unpinned meanwhile.
 */
int attach_interface(struct maps *m, const struct attach_req *req, struct err *e) __must_check;

/*
 * From now on an interface of this name is one that is lost: what policies protect is dropped there until it is attached, when it comes or
 * when it can be. Fine when it is attached or awaited already. Errors: no free slot, -ESTALE as above.
 */
int attach_expect(struct maps *m, const char *ifname, struct err *e) __must_check;

/* Takes it off again; the last one also removes the veth pair and, when no xdp-ipsecd runs, the pinned maps. Works for an
 * interface that has vanished meanwhile. -ENOENT: not attached. */
int detach_interface(struct maps *m, const char *ifname, struct err *e) __must_check;

/*
 * The lock under which interfaces are attached and detached, a data plane opens its maps when it starts, and pins are removed: a
 * descriptor to close, or -errno. Waits. Nobody holds it while it waits for a data plane that is starting or has closed its socket.
 */
int attach_lock(const struct paths *p, struct err *e) __must_check;

/*
 * A data plane that ends, its control socket closed: removes the pins when nothing is attached; before that calls note(m, e), for what must
 * outlive the maps (may be NULL). When that fails they stay.
 */
int attach_leave(struct maps *m, int (*note)(struct maps *m, struct err *e), struct err *e) __must_check;

/* Slot of an attached interface in m->ifs, or of one that is lost (XI_IF_LOST), or -ENOENT. */
int attach_find(const struct maps *m, const char *ifname);

/* Do our programs stand on the interface of this slot, under whatever name it has now? */
int attach_whole(const struct maps *m, unsigned slot);

/*
 * The guard (guard.c): drops what policies protect on an interface with the name of an attached one that is not it. Part of attaching in the
 * network namespace of pid 1, where it outlives everybody; in another one xdp-ipsecd calls this with hold=1 at its start, as root, and has it to its end.
 * 0, or a negative errno where the kernel has none (before Linux 6.4): such an interface enforces nothing until it is attached again.
 * attach_guard_pinned(): 1: it is there, whoever runs. attach_guard_missing(): 1: in the namespace of pid 1, and not pinned.
 */
int attach_guard(const struct maps *m, int hold);
int attach_guard_pinned(const struct maps *m);
int attach_guard_missing(const struct maps *m);

/*
 * 1: this kernel lets tc egress see what packets were before source NAT (spec 27.4). 0: Linux before 6.2, or nf_conntrack is a module and
 * not loaded; an interface attached now judges the host's own packets by their final addresses alone.
 */
int attach_sees_nat(void);

/*
 * Brings the flags XI_IF_RPF_*, XI_IF_NO_FORWARD and XI_IF_NO_FORWARD6 of all attached interfaces up to date with
 * net.ipv4.conf.*.rp_filter and net.ipv4 and net.ipv6.conf.*.forwarding. Any process in the instance's network namespace; xdp-ipsecd calls it when the kernel reports a change and regularly.
 */
void attach_refresh_sysctl(struct maps *m);

/*
 * Packets that the internal pair has dropped and nobody has counted yet, by XI_DIR_IN (on their way into the stack) and XI_DIR_OUT (to a worker). They
 * are taken to be counted from here on. For xdp-ipsecd, one thread.
 */
void attach_pair_lost(struct maps *m, uint32_t lost[2]);

#endif
