/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading the programs with the instance's pinned maps in place, and fixing them to interfaces: XDP by a pinned
 * bpf_link, so that it outlives the loader; tc by a filter under clsact, because kernel 6.1 has no tcx. A loaded program
 * without link or filter is gone when its skeleton is destroyed.
 */
#include "user/attach/internal.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#include "bpf/tc_egress.skel.h"
#include "bpf/tc_inject.skel.h"
#include "bpf/xdp_ingress.skel.h"

/* First in line: a filter in front of ours could let a protected packet go. */
#define TC_PRIORITY 1
#define TC_HANDLE 1

static int loading(struct err *e, int rc, const char *what)
{
	if (rc == -EPERM || rc == -EACCES)
		return err_set(e, rc, "cannot load program %s: not permitted, run as root", what);
	return err_set(e, rc, "cannot load program %s: %s (needs a kernel of 6.1 or later with BPF)", what,
		       strerror(-rc));
}

int prog_reuse_maps(const struct bpf_object *obj, const struct maps *m)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		for (int id = 0; id < MAP_MAX; id++) {
			int rc;

			if (strcmp(bpf_map__name(map), map_name((enum map_id)id)) != 0)
				continue;
			rc = bpf_map__reuse_fd(map, m->fd[id]);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* --- XDP --- */

static void link_path(char out[PATH_LEN + 32], const struct maps *m, const char *ifname)
{
	(void)snprintf(out, PATH_LEN + 32, "%s/link_%s", m->paths.pins, ifname);
}

int prog_xdp_free(const struct nic *n, struct err *e)
{
	struct bpf_prog_info info = {.name = "?"};
	__u32 id = 0, len = sizeof(info);
	int fd;

	if (bpf_xdp_query_id((int)n->ifindex, 0, &id) || !id)
		return 0;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &len); /* the name is only for the text */
		close(fd);
	}
	return err_set(e, -EBUSY,
		       "XDP of %s is taken by program %s (id %u): detach it first (`bpftool net` and `bpftool link` "
		       "show whose)",
		       n->name, info.name, id);
}

static int xdp_refused(struct err *e, int rc, const struct xi_if *nic)
{
	if (nic->mtu > ATTACH_MTU_MAX && !(nic->flags & XI_IF_GENERIC) &&
	    (rc == -EOPNOTSUPP || rc == -EINVAL || rc == -ERANGE))
		return err_set(
			e, rc,
			"%s has an MTU of %u, and its driver takes no native XDP program with that (or none at all): "
			"up to %d is the best chance (`ip link set %s mtu 1500`), or mode=generic",
			nic->name, nic->mtu, ATTACH_MTU_MAX, nic->name);
	if (rc == -EOPNOTSUPP && !(nic->flags & XI_IF_GENERIC))
		return err_set(e, rc, "the driver of %s has no native XDP: use mode=generic", nic->name);
	if (rc == -EBUSY || rc == -EEXIST)
		return err_set(e, rc, "XDP of %s is taken by another program: detach it first", nic->name);
	return err_set(e, rc, "%s does not take an XDP program in %s mode: %s%s", nic->name,
		       nic->flags & XI_IF_GENERIC ? "generic" : "native", strerror(-rc),
		       nic->flags & XI_IF_GENERIC ? "" : "; mode=generic may work");
}

static int xdp_link(struct maps *m, const struct xi_if *nic, int prog_fd, struct err *e)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = nic->flags & XI_IF_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	char path[PATH_LEN + 32];
	int fd = bpf_link_create(prog_fd, (int)nic->ifindex, BPF_XDP, &opts), rc = 0;

	if (fd < 0)
		return xdp_refused(e, -errno, nic);
	link_path(path, m, nic->name);
	(void)unlink(path); /* of an interface of that name that is gone */
	if (bpf_obj_pin(fd, path))
		rc = err_set(e, -errno, "cannot pin %s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

int prog_xdp_attach(struct maps *m, unsigned slot, struct err *e)
{
	struct xi_if *nic = &m->ifs[slot];
	struct xdp_ingress *s = xdp_ingress__open();
	int rc;

	if (!s)
		return loading(e, -errno, "xdp_ingress");
	s->rodata->if_slot = slot;
	s->rodata->internal = slot == XI_IF_INTERNAL;
	s->rodata->generic = (nic->flags & XI_IF_GENERIC) != 0;
	for (int i = 0; i < 6; i++)
		s->rodata->inject_mac[i] = m->meta->inject_mac[i];
	rc = prog_reuse_maps(s->obj, m);
	if (!rc)
		rc = xdp_ingress__load(s);
	if (rc) {
		(void)loading(e, rc, "xdp_ingress");
	} else {
		int fd = bpf_program__fd(s->progs.xi_xdp_ingress);

		nic->prog_id = prog_id(fd);
		rc = xdp_link(m, nic, fd, e);
	}
	xdp_ingress__destroy(s);
	return rc;
}

void prog_xdp_detach(struct maps *m, const char *ifname)
{
	char path[PATH_LEN + 32];
	int fd;

	link_path(path, m, ifname);
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		(void)bpf_link_detach(fd); /* now, not when the last reference goes; fails when the interface is gone */
		close(fd);
	}
	(void)unlink(path); /* was there, or not */
}

/* --- tc --- */

/* Is the filter at our place there, and ours? Two instances never share an interface. */
static int tc_ours(const struct bpf_tc_hook *hook, const char *name)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd;

	if (bpf_tc_query(hook, &opts))
		return 0;
	fd = bpf_prog_get_fd_by_id(opts.prog_id);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.name[0] = '\0';
	close(fd);
	return strcmp(info.name, name) == 0;
}

/* Sets XI_IF_CLSACT in *flags when the qdisc is our work. Replaces our own filter that a loader left when it died. */
static int tc_attach(unsigned ifindex, enum bpf_tc_attach_point point, const struct bpf_program *prog, uint32_t *flags)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog), .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int rc = bpf_tc_hook_create(&hook);

	if (rc && rc != -EEXIST)
		return rc;
	if (!rc)
		*flags |= XI_IF_CLSACT;
	else if (tc_ours(&hook, bpf_program__name(prog)))
		opts.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &opts);
}

/*
 * Can a program get at a packet's conntrack entry (Linux 6.2)? Where it cannot, tc egress judges final addresses only, and a
 * masquerade rule needs the exemption of spec 27.
 */
int attach_sees_nat(void)
{
	struct btf *btf = btf__load_vmlinux_btf(), *module = NULL;
	int have = 0;

	if (btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0) {
		have = btf__find_by_name_kind(btf, "bpf_ct_change_timeout", BTF_KIND_FUNC) > 0;
		if (!have)
			module = btf__load_module_btf("nf_conntrack", btf);
		if (module)
			have = btf__find_by_name_kind(module, "bpf_ct_change_timeout", BTF_KIND_FUNC) > 0;
	}
	btf__free(module);
	btf__free(btf);
	return have;
}

int prog_egress_attach(struct maps *m, unsigned slot, struct err *e)
{
	struct xi_if *nic = &m->ifs[slot];
	struct tc_egress *s = tc_egress__open();
	int rc;

	if (!s)
		return loading(e, -errno, "tc_egress");
	s->rodata->stack_ifindex = if_nametoindex(XI_VETH_STACK);
	s->rodata->have_ct = (uint8_t)attach_sees_nat();
	rc = s->rodata->stack_ifindex ? prog_reuse_maps(s->obj, m) : -ENODEV;
	if (!rc)
		rc = tc_egress__load(s);
	if (rc) {
		(void)loading(e, rc, "tc_egress");
	} else {
		nic->flags |= s->rodata->have_ct ? XI_IF_SEES_NAT : 0;
		rc = tc_attach(nic->ifindex, BPF_TC_EGRESS, s->progs.xi_tc_egress, &nic->flags);
		if (rc == -EEXIST)
			(void)err_set(e, rc,
				      "tc egress of %s has a filter of priority %d: ours must be the first, give that "
				      "one another priority",
				      nic->name, TC_PRIORITY);
		else if (rc)
			(void)err_set(e, rc, "%s does not take a tc program: %s", nic->name, strerror(-rc));
	}
	tc_egress__destroy(s);
	return rc;
}

static int on_filter(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	*(int *)data = 1;
	return MNL_CB_OK;
}

/* Does anybody have a filter under clsact there? When we cannot tell, yes. */
static int has_filters(unsigned ifindex, uint32_t minor)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;
	int any = 0;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor);
	return nic_netlink(nlh, on_filter, &any) || any;
}

int prog_egress_there(const struct xi_if *nic)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)nic->ifindex, .attach_point = BPF_TC_EGRESS);
	libbpf_print_fn_t old = libbpf_set_print(NULL); /* one that is not there is an answer */
	int there = tc_ours(&hook, "xi_tc_egress");

	(void)libbpf_set_print(old);
	return there;
}

void prog_egress_detach(const struct xi_if *nic)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)nic->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	if (tc_ours(&hook, "xi_tc_egress"))
		(void)bpf_tc_detach(&hook, &opts); /* fails only when it went in this moment */
	if (!(nic->flags & XI_IF_CLSACT) || has_filters(nic->ifindex, TC_H_MIN_INGRESS) ||
	    has_filters(nic->ifindex, TC_H_MIN_EGRESS))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	(void)bpf_tc_hook_destroy(&hook); /* as above */
}

int prog_inject_attach(struct maps *m, struct err *e)
{
	struct tc_inject *s = tc_inject__open();
	uint32_t flags = 0; /* the qdisc goes with the interface */
	int rc;

	if (!s)
		return loading(e, -errno, "tc_inject");
	for (int i = 0; i < 6; i++)
		s->rodata->inject_mac[i] = m->meta->inject_mac[i];
	rc = prog_reuse_maps(s->obj, m);
	if (!rc)
		rc = tc_inject__load(s);
	if (rc) {
		(void)loading(e, rc, "tc_inject");
	} else {
		rc = tc_attach(if_nametoindex(XI_VETH_STACK), BPF_TC_INGRESS, s->progs.xi_tc_inject, &flags);
		if (rc)
			(void)err_set(e, rc, "%s does not take a tc program: %s", XI_VETH_STACK, strerror(-rc));
	}
	tc_inject__destroy(s);
	return rc;
}
