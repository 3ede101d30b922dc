/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaching an interface, step by step, and taking it off again:
 *
 *   checks → internal pair, if it is the first → xi_local, xi_vlan → entry in xi_if → tc egress → XDP → xdp-ipsecd, if it runs
 *
 * A failure undoes the steps before it, in reverse. One loader at a time (attach.lock in the run folder).
 */
#include "user/attach/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "user/attach/internal.h"
#include "user/base/datasock.h"
#include "user/base/lockfile.h"
#include "user/io/umem.h"
#include "user/maps/seqmem.h"
#include "user/route/local.h"
#include "user/route/vlan.h"

/* Queues of the internal pair, one worker for each at most. */
#define INTERNAL_QUEUES_MAX 16

static int in_use(const struct xi_if *nic)
{
	return nic->ifindex || (nic->flags & XI_IF_LOST);
}

int attach_find(const struct maps *m, const char *ifname)
{
	for (int slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++)
		if (in_use(&m->ifs[slot]) && strncmp(m->ifs[slot].name, ifname, sizeof(m->ifs[slot].name)) == 0)
			return slot;
	return -ENOENT;
}

int attach_whole(const struct maps *m, unsigned slot)
{
	const struct xi_if *nic = &m->ifs[slot];
	char name[IF_NAMESIZE];

	return nic->ifindex && (nic->flags & XI_IF_ATTACHED) && !(nic->flags & XI_IF_UNSETTLED) &&
	       if_indextoname(nic->ifindex, name) && prog_egress_there(nic);
}

static int attached_count(const struct maps *m)
{
	int n = 0;

	for (int slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++)
		n += m->ifs[slot].ifindex != 0;
	return n;
}

static int others_in_use(const struct maps *m, int except)
{
	for (int slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++)
		if (slot != except && in_use(&m->ifs[slot]))
			return 1;
	return 0;
}

static int any_in_use(const struct maps *m)
{
	return others_in_use(m, XI_IF_INTERNAL);
}

/* --- xdp-ipsecd --- */

/*
 * By the lock that xdp-ipsecd holds from its start to its end; it answers on its control socket for a shorter time. attach.lock is held:
 * none can start meanwhile and find its lock taken by us.
 */
static int daemon_runs(const struct maps *m)
{
	char path[PATH_LEN + 16];
	int fd, busy;

	(void)snprintf(path, sizeof(path), "%s/xdp-ipsecd.pid", m->paths.run);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	busy = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return busy;
}

static int check_reply(const char *reply, struct err *e)
{
	json_t *j = json_loads(reply, 0, NULL);
	const char *text = json_string_value(json_object_get(j, "error"));
	int rc = 0;

	if (!json_is_true(json_object_get(j, "ok")))
		rc = err_set(e, -EIO, "xdp-ipsecd: %s", text ? text : "answer not understood");
	json_decref(j);
	return rc;
}

/* Tells xdp-ipsecd; fine when none runs, it looks at xi_if when it starts. */
static int tell_daemon(const struct maps *m, const char *cmd, unsigned slot, struct err *e)
{
	char request[64], reply[DATASOCK_MSG_MAX];
	int rc;

	(void)snprintf(request, sizeof(request), "{\"cmd\":\"%s\",\"slot\":%u}", cmd, slot);
	rc = datasock_call(&m->paths, request, reply, e);
	if (rc == -ENOTCONN)
		return 0;
	return rc ? rc : check_reply(reply, e);
}

/* --- checks --- */

uint32_t attach_mtu_max(void)
{
	return io_kernel_has_sg() ? IO_SG_MTU : ATTACH_MTU_MAX;
}

static int check_nic(const struct maps *m, const struct nic *n, struct err *e)
{
	int rc = kind_check(n, e), slot = attach_find(m, n->name);

	if (rc)
		return rc;
	if (slot >= 0 && m->ifs[slot].ifindex)
		return err_set(e, -EEXIST, "%s is attached already", n->name);
	for (int slot = 1; slot < XI_IF_MAX; slot++)
		if (m->ifs[slot].ifindex == n->ifindex)
			return err_set(e, -EEXIST, "%s is attached already, under its old name %s", n->name,
				       m->ifs[slot].name);
	if (n->mtu > attach_mtu_max())
		return err_set(
			e, -EINVAL, "%s has an MTU of %u, packets of at most %u bytes fit%s: `ip link set %s mtu %s`",
			n->name, n->mtu, attach_mtu_max(), io_kernel_has_sg() ? "" : " (larger ones need Linux 6.6)",
			n->name, io_kernel_has_sg() ? "9000" : "1500");
	return prog_xdp_free(n, e);
}

/* How many queues to serve. */
static int choose_queues(const struct nic *n, unsigned wanted, unsigned *queues, struct err *e)
{
	unsigned have = nic_queues(n->name);

	if (wanted > have)
		return err_set(e, -EINVAL, "%s has %u receive queue%s, queues=%u is more", n->name, have,
			       have == 1 ? "" : "s", wanted);
	*queues = wanted ? wanted : have;
	if (*queues > XI_QUEUE_MAX)
		return err_set(e, -EINVAL,
			       "%s has %u receive queues, %d can be served: `ethtool -L %s combined %d` first", n->name,
			       have, XI_QUEUE_MAX, n->name, XI_QUEUE_MAX);
	return 0;
}

/* The slot that waits for this interface, or a free one. */
static int slot_for(const struct maps *m, const char *ifname, struct err *e)
{
	int lost = attach_find(m, ifname);

	if (lost >= 0)
		return lost;
	for (int slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++)
		if (!in_use(&m->ifs[slot]))
			return slot;
	return err_set(e, -ENOSPC, "%d interfaces are attached, no more fit: detach one first", XI_IF_MAX - 1);
}

/* --- one slot --- */

/*
 * The ifindex comes last: whoever sees it sees the rest. The guard knows a slot by its name, which never goes while it is lost, and asks for
 * XI_IF_ATTACHED.
 */
static void enter(struct xi_if *to, const struct nic *n, uint32_t flags, unsigned queues)
{
	to->flags = flags | (to->flags & XI_IF_LOST);
	to->queues = queues;
	to->mtu = n->mtu;
	memcpy(to->name, n->name, sizeof(to->name));
	memcpy(to->mac, n->mac, sizeof(to->mac));
	__atomic_store_n(&to->ifindex, n->ifindex, __ATOMIC_RELEASE);
}

/* Lost: the slot goes on waiting for an interface of that name. */
static void leave(struct xi_if *nic)
{
	struct xi_if left = {.flags = nic->flags & XI_IF_LOST};

	__atomic_store_n(&nic->ifindex, 0, __ATOMIC_RELEASE);
	nic->flags = left.flags;
	if (left.flags)
		memcpy(left.name, nic->name, sizeof(left.name));
	memcpy(nic, &left, sizeof(*nic));
}

static void slot_down(struct maps *m, unsigned slot)
{
	struct xi_if *nic = &m->ifs[slot];
	char name[IF_NAMESIZE];

	prog_xdp_detach(m, nic->name);
	if (slot != XI_IF_INTERNAL)
		prog_egress_detach(nic);
	if (nic->flags & (XI_IF_RXVLAN | XI_IF_RXSTAG) && if_indextoname(nic->ifindex, name))
		nic_take_tags(name, nic->flags);
	leave(nic);
}

static int slot_up(struct maps *m, unsigned slot, const struct nic *n, uint32_t flags, unsigned queues, struct err *e)
{
	struct xi_if *nic = &m->ifs[slot];
	int rc = 0;

	enter(nic, n, flags | XI_IF_UNSETTLED, queues);
	attach_refresh_sysctl(m);
	if (slot != XI_IF_INTERNAL) {
		nic->flags |= nic_keep_tags(n->name);
		rc = prog_egress_attach(m, slot, e);
	}
	if (!rc)
		rc = prog_xdp_attach(m, slot, e);
	if (rc)
		slot_down(m, slot);
	else
		nic->flags = (nic->flags | XI_IF_ATTACHED) & ~(uint32_t)XI_IF_LOST;
	return rc;
}

/* Before the first step of taking it off: whoever finds it like that knows that it is not served any more. */
static void unsettle(struct xi_if *nic)
{
	__atomic_or_fetch(&nic->flags, XI_IF_UNSETTLED, __ATOMIC_SEQ_CST);
}

/* xdp-ipsecd knows of it, or does not run. */
static void settle(struct xi_if *nic)
{
	__atomic_and_fetch(&nic->flags, ~(uint32_t)XI_IF_UNSETTLED, __ATOMIC_SEQ_CST);
}

/* --- the internal pair --- */

static void internal_down(struct maps *m)
{
	unsettle(&m->ifs[XI_IF_INTERNAL]);
	(void)tell_daemon(m, "detach", XI_IF_INTERNAL, NULL); /* its sockets end with the interface at the latest */
	slot_down(m, XI_IF_INTERNAL);
	(void)veth_remove(&m->paths, NULL); /* gone already, or renamed: then it is no longer ours */
}

/* The last interface has been taken off, or the first could not be attached. */
static void all_down(struct maps *m)
{
	internal_down(m);
	guard_remove(m);
}

static int internal_up(struct maps *m, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned queues = (unsigned)MAX(1, MIN(cpus, INTERNAL_QUEUES_MAX));
	struct nic n;
	int rc = veth_make(&m->paths, queues, e);

	if (rc)
		return rc;
	rc = prog_inject_attach(m, e);
	if (!rc)
		rc = nic_query(&n, XI_VETH_WORKER, e);
	if (!rc)
		rc = slot_up(m, XI_IF_INTERNAL, &n, 0, queues, e);
	if (rc) {
		(void)veth_remove(&m->paths, NULL); /* the first failure is the one to tell */
		return rc;
	}
	rc = tell_daemon(m, "attach", XI_IF_INTERNAL, e);
	if (rc)
		internal_down(m);
	else
		settle(&m->ifs[XI_IF_INTERNAL]);
	return rc;
}

/* Makes the pair for the first interface. *made: by this call. */
static int internal_ready(struct maps *m, int *made, struct err *e)
{
	const struct xi_if *nic = &m->ifs[XI_IF_INTERNAL];
	char name[IF_NAMESIZE];

	*made = 0;
	if (nic->ifindex && (nic->flags & (XI_IF_ATTACHED | XI_IF_UNSETTLED)) == XI_IF_ATTACHED &&
	    if_indextoname(nic->ifindex, name) && strcmp(name, XI_VETH_WORKER) == 0)
		return 0;
	if (nic->ifindex && attached_count(m))
		return err_set(e, -ENODEV,
			       "the internal interface %s has vanished: detach all interfaces, then attach them",
			       XI_VETH_WORKER);
	if (nic->ifindex)
		internal_down(m);
	*made = 1;
	return internal_up(m, e);
}

/* --- the two calls --- */

/*
 * Entries of interfaces that vanished, or lost their programs, while nobody looked, and those that a loader left half-made when it died. The
 * guard goes on with the first.
 */
static void sweep(struct maps *m)
{
	for (unsigned slot = XI_IF_INTERNAL + 1; slot < XI_IF_MAX; slot++) {
		struct xi_if *nic = &m->ifs[slot];

		if (!nic->ifindex || attach_whole(m, slot))
			continue;
		(void)tell_daemon(m, "detach", slot, NULL); /* it may have noticed by itself */
		if (nic->flags & XI_IF_ATTACHED)
			nic->flags |= XI_IF_LOST;
		slot_down(m, slot);
	}
}

static int attach_locked(struct maps *m, const struct attach_req *req, struct err *e)
{
	uint32_t flags = (req->mode == ATTACH_GENERIC ? XI_IF_GENERIC : 0) | (req->firewall ? XI_IF_FIREWALL : 0);
	unsigned queues = 0;
	uint32_t lost;
	struct nic n;
	int rc, slot, made;

	rc = nic_query(&n, req->ifname, e);
	if (rc)
		return rc;
	sweep(m);
	rc = check_nic(m, &n, e);
	if (!rc)
		rc = choose_queues(&n, req->queues, &queues, e);
	if (rc)
		return rc;
	slot = slot_for(m, n.name, e);
	if (slot < 0)
		return slot;
	lost = m->ifs[slot].flags & XI_IF_LOST;
	rc = internal_ready(m, &made, e);
	if (rc)
		return rc;
	(void)attach_guard(m, 0); /* who asks is told (attach_guard_missing) */
	rc = rt_local_sync(m->fd[MAP_LOCAL], e);
	if (!rc)
		rc = rt_vlan_sync(m->fd[MAP_VLAN], e);
	if (!rc)
		rc = slot_up(m, (unsigned)slot, &n, flags, queues, e);
	if (!rc) {
		rc = tell_daemon(m, "attach", (unsigned)slot, e);
		if (rc) {
			m->ifs[slot].flags |= lost; /* what the guard stopped before goes on being stopped */
			slot_down(m, (unsigned)slot);
		} else {
			settle(&m->ifs[slot]);
		}
	}
	if (rc && made && !any_in_use(m))
		all_down(m);
	return rc;
}

static int detach_locked(struct maps *m, const char *ifname, struct err *e)
{
	int slot = attach_find(m, ifname), rc;

	if (slot < 0)
		return err_set(e, -ENOENT, "%s is not attached", ifname);
	rc = others_in_use(m, slot) || daemon_runs(m) ? 0 : seqmem_note_all(m, e);
	if (rc && rc != -EBADMSG)
		return rc; /* the maps would go, and they alone know these numbers */
	rc = 0;
	unsettle(&m->ifs[slot]);
	(void)tell_daemon(m, "detach", (unsigned)slot, NULL); /* taking off must work with a daemon that does not */
	m->ifs[slot].flags &= ~(uint32_t)XI_IF_LOST;
	slot_down(m, (unsigned)slot);
	if (any_in_use(m))
		return 0;
	all_down(m);
	if (!daemon_runs(m))
		rc = maps_unpin(&m->paths, e);
	return rc;
}

int attach_lock(const struct paths *p, struct err *e)
{
	char path[PATH_LEN + 16];
	int fd, rc = path_mkdir(p->run, e);

	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/attach.lock", p->run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	rc = lockfile_wait(fd, path, LOCKFILE_WAIT_S, e);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* Whoever was here before us may have removed the pins: programs on our maps would be seen by nobody. */
static int still_pinned(const struct maps *m, struct err *e)
{
	struct bpf_map_info ours = {0}, pinned = {0};
	__u32 len = sizeof(ours);
	char path[PATH_LEN + 16];
	int fd, same;

	(void)snprintf(path, sizeof(path), "%s/%s", m->paths.pins, XI_MAP_META);
	fd = bpf_obj_get(path);
	same = fd >= 0 && bpf_obj_get_info_by_fd(fd, &pinned, &len) == 0 &&
	       bpf_obj_get_info_by_fd(m->fd[MAP_META], &ours, &len) == 0 && ours.id == pinned.id;
	if (fd >= 0)
		close(fd);
	if (!same)
		return err_set(e, -ESTALE,
			       "the maps of instance \"%s\" were removed in the meantime: run the command again",
			       m->paths.instance);
	return 0;
}

/* libbpf explains to stderr what we turn into one sentence. */
static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

int attach_interface(struct maps *m, const struct attach_req *req, struct err *e)
{
	int lock = attach_lock(&m->paths, e), rc;
	libbpf_print_fn_t old;

	if (lock < 0)
		return lock;
	old = libbpf_set_print(silent);
	rc = still_pinned(m, e);
	if (!rc)
		rc = attach_locked(m, req, e);
	(void)libbpf_set_print(old);
	close(lock);
	return rc;
}

int attach_expect(struct maps *m, const char *ifname, struct err *e)
{
	int lock = attach_lock(&m->paths, e), rc, slot;

	if (lock < 0)
		return lock;
	rc = still_pinned(m, e);
	if (!rc)
		(void)attach_guard(m, 0); /* as above */
	slot = rc ? rc : slot_for(m, ifname, e);
	if (slot >= 0 && !in_use(&m->ifs[slot])) {
		(void)str_copy(m->ifs[slot].name, sizeof(m->ifs[slot].name), ifname);
		m->ifs[slot].flags = XI_IF_LOST;
	}
	close(lock);
	return MIN(slot, 0);
}

int detach_interface(struct maps *m, const char *ifname, struct err *e)
{
	int lock = attach_lock(&m->paths, e), rc;
	libbpf_print_fn_t old;

	if (lock < 0)
		return lock;
	old = libbpf_set_print(silent);
	rc = detach_locked(m, ifname, e);
	(void)libbpf_set_print(old);
	close(lock);
	return rc;
}

int attach_leave(struct maps *m, int (*note)(struct maps *m, struct err *e), struct err *e)
{
	int lock = attach_lock(&m->paths, e), rc = 0;

	if (lock < 0)
		return lock;
	if (!any_in_use(m) && !m->ifs[XI_IF_INTERNAL].ifindex && !still_pinned(m, NULL)) {
		guard_remove(m);
		rc = note ? note(m, e) : 0;
		if (!rc)
			rc = maps_unpin(&m->paths, e);
	}
	close(lock);
	return rc;
}
