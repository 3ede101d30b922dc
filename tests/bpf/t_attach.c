/* SPDX-License-Identifier: BSD-2-Clause */
/* Attaching and detaching on veth interfaces of a sandbox: each refusal, undo, vanished interfaces, nothing left behind. */
#include "tests/bpf/sandbox.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "user/attach/internal.h"

/* Follow what is set for the interface outside, and the kernel. */
#define SYSCTL_FLAGS (XI_IF_RPF_STRICT | XI_IF_RPF_LOOSE | XI_IF_NO_FORWARD | XI_IF_NO_FORWARD6 | XI_IF_SEES_NAT)

static struct maps *m;
static struct err e;

static void sh(const char *cmd)
{
	int rc = system(cmd);

	if (rc)
		print_error("%s: exit %d\n", cmd, rc);
	assert_int_equal(rc, 0);
}

/* First line a command prints. */
static void sh_line(const char *cmd, char *line, int size)
{
	FILE *f = popen(cmd, "r");

	assert_non_null(f);
	if (!fgets(line, size, f))
		line[0] = '\0';
	(void)pclose(f);
	line[strcspn(line, "\n")] = '\0';
}

static int setup(void **state)
{
	(void)state;
	sh("ip link add lan0 numtxqueues 2 numrxqueues 2 type veth peer name lan1 && ip link set lan0 up && "
	   "ip link set lan1 up && ip addr add 10.1.0.1/24 brd + dev lan0");
	sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 up && ip link set wan1 up");
	m = sandbox_maps(64, 64);
	e.text[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	for (int slot = 1; slot < XI_IF_MAX; slot++)
		if (m->ifs[slot].ifindex && detach_interface(m, m->ifs[slot].name, NULL))
			return -1;
	maps_close(m);
	m = NULL;
	(void)!system("ip link del lan0 2>/dev/null; ip link del wan0 2>/dev/null");
	return maps_unpin(&p, NULL);
}

static int attach(const char *name, enum attach_mode mode, unsigned queues)
{
	struct attach_req req = {.ifname = name, .mode = mode, .queues = queues};

	e.text[0] = '\0';
	return attach_interface(m, &req, &e);
}

#define assert_says(word)                                                                                              \
	do {                                                                                                           \
		if (!strstr(e.text, word))                                                                             \
			print_error("text is: %s\n", e.text);                                                          \
		assert_non_null(strstr(e.text, word));                                                                 \
	} while (0)

/* --- what is there --- */

struct inventory {
	unsigned progs, maps, links;
	char links_ip[4096], qdiscs[4096];
};

static unsigned count_ids(int (*next)(__u32, __u32 *))
{
	__u32 id = 0;
	unsigned n = 0;

	while (next(id, &id) == 0)
		n++;
	return n;
}

static void slurp(const char *cmd, char *out, size_t size)
{
	FILE *f = popen(cmd, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	(void)pclose(f);
}

/* Programs of ours by name: other test programs may run on this machine at the same time. */
static unsigned count_ours(void)
{
	__u32 id = 0;
	unsigned n = 0;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strncmp(info.name, "xi_", 3) == 0)
			n++;
		close(fd);
	}
	return n;
}

static void take_inventory(struct inventory *v)
{
	memset(v, 0, sizeof(*v));
	v->progs = count_ours();
	v->maps = count_ids(bpf_map_get_next_id);
	v->links = count_ids(bpf_link_get_next_id);
	slurp("ip -o link show | sed 's/state.*//'", v->links_ip, sizeof(v->links_ip));
	slurp("tc qdisc show | grep -v noqueue; tc filter show dev lan0 egress; ls -A /sys/fs/bpf", v->qdiscs,
	      sizeof(v->qdiscs));
}

/* The kernel frees programs and maps behind an RCU grace period: waits until the counts are down, at most 10 s. */
static void assert_back_to(const struct inventory *before)
{
	struct inventory now;

	for (int i = 0; i < 1000; i++) {
		take_inventory(&now);
		if (now.progs <= before->progs && now.maps <= before->maps && now.links <= before->links)
			break;
		(void)usleep(10000);
	}
	assert_true(now.progs <= before->progs);
	assert_true(now.maps <= before->maps);
	assert_true(now.links <= before->links);
	assert_string_equal(now.links_ip, before->links_ip);
	assert_string_equal(now.qdiscs, before->qdiscs);
}

/* --- tests --- */

static void t_attach_fills_everything_in(void **state)
{
	struct xi_local_key key = {.addr = ip4(10, 1, 0, 1), .family = XI_IP4};
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	const struct xi_if *nic;
	char line[512];
	__u32 ifindex;
	int slot;

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	slot = attach_find(m, "lan0");
	assert_int_equal(slot, 1);
	nic = &m->ifs[slot];
	assert_int_equal(nic->ifindex, if_nametoindex("lan0"));
	assert_int_equal(nic->flags & ~SYSCTL_FLAGS, XI_IF_ATTACHED | XI_IF_CLSACT | XI_IF_RXVLAN | XI_IF_RXSTAG);
	assert_int_equal(nic->queues, 2);
	assert_int_equal(nic->mtu, 1500);
	assert_int_equal(bpf_xdp_query((int)nic->ifindex, 0, &q), 0);
	assert_int_equal(q.attach_mode, XDP_ATTACHED_DRV);
	assert_int_equal(q.drv_prog_id, nic->prog_id);
	assert_string_equal(m->ifs[0].name, XI_VETH_WORKER);
	assert_int_equal(m->ifs[0].queues, MIN(sysconf(_SC_NPROCESSORS_ONLN), 16));
	assert_int_equal(bpf_map_lookup_elem(m->fd[MAP_LOCAL], &key, &ifindex), 0);
	sh_line("ethtool -k xi0 | grep -E '^(tx-checksumming|scatter-gather|tcp-segmentation-offload|"
		"generic-segmentation-offload): on'",
		line, sizeof(line));
	assert_string_equal(line, "");
	sh_line("ip -o addr show dev xi0; ip -o addr show dev xi1", line, sizeof(line));
	assert_string_equal(line, "");
	sh_line("ip -o link show dev xi1", line, sizeof(line));
	assert_non_null(strstr(line, "NOARP"));
	assert_non_null(strstr(line, "UP"));
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EEXIST);
	assert_says("attached already");
	assert_ok(attach("wan0", ATTACH_GENERIC, 1), &e);
	assert_int_equal(m->ifs[2].flags & ~SYSCTL_FLAGS,
			 XI_IF_ATTACHED | XI_IF_CLSACT | XI_IF_GENERIC | XI_IF_RXVLAN | XI_IF_RXSTAG);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_not_equal(if_nametoindex("xi0"), 0);
	assert_ok(detach_interface(m, "wan0", &e), &e);
	assert_int_equal(if_nametoindex("xi0"), 0);
	assert_int_not_equal(access(m->paths.pins, F_OK), 0); /* no xdp-ipsecd: the maps go, too */
	assert_int_equal(detach_interface(m, "wan0", &e), -ENOENT);
	assert_says("not attached");
}

static void set_mtu(const char *name, unsigned mtu)
{
	char cmd[64];

	(void)snprintf(cmd, sizeof(cmd), "ip link set %s mtu %u", name, mtu);
	sh(cmd);
}

/* A tag that the NIC has taken out of the frame would not be seen: a VLAN would pass for the untagged network. */
static void t_attach_keeps_vlan_tags_in_frames(void **state)
{
	static const char ask[] = "ethtool -k lan0 | grep -cE '^rx-vlan-(offload|stag-hw-parse): off'";
	char line[64];

	(void)state;
	sh("ethtool -K lan0 rxvlan on rx-vlan-stag-hw-parse on");
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	sh_line(ask, line, sizeof(line));
	assert_string_equal(line, "2");
}

static void t_attach_refusals(void **state)
{
	(void)state;
	assert_int_equal(attach("nosuch0", ATTACH_NATIVE, 0), -ENOENT);
	assert_says("no interface nosuch0");
	assert_int_equal(attach("a-name-that-is-too-long", ATTACH_NATIVE, 0), -ENOENT);
	assert_int_equal(attach("", ATTACH_NATIVE, 0), -ENOENT);
	assert_int_equal(attach("lo", ATTACH_NATIVE, 0), -EINVAL);
	assert_says("loopback");
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 3), -EINVAL);
	assert_says("2 receive queues");
	set_mtu("lan0", attach_mtu_max() + 1);
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EINVAL);
	assert_says("lan0 has an MTU of");
	set_mtu("lan0", attach_mtu_max());
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(attach("xi0", ATTACH_NATIVE, 0), -EINVAL);
	assert_says("our own internal");
}

static int xdp_pass_prog(void)
{
	static const struct bpf_insn insn[] = {{.code = 0xb7, .dst_reg = 0, .imm = 2}, {.code = 0x95}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", insn, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void t_attach_xdp_taken(void **state)
{
	int fd = xdp_pass_prog();
	struct inventory before;

	(void)state;
	take_inventory(&before);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("lan0"), fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EBUSY);
	assert_says("program somebody (id ");
	assert_int_equal(attach("lan0", ATTACH_GENERIC, 0), -EBUSY);
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("lan0"), XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_back_to(&before);
	close(fd);
}

/* Somebody else's tc filter on lan0; makes clsact when there is none. */
static void add_filter(enum bpf_tc_attach_point point, unsigned priority)
{
	static const struct bpf_insn insn[] = {{.code = 0xb7, .dst_reg = 0, .imm = -1}, {.code = 0x95}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "somebody", "GPL", insn, 2, NULL);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("lan0"), .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = fd, .handle = 1, .priority = priority);
	int rc = bpf_tc_hook_create(&hook);

	assert_true(fd >= 0);
	assert_true(rc == 0 || rc == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(fd);
}

/* A failure late in the row undoes what came before it. */
static void t_attach_late_failures_undo(void **state)
{
	struct inventory before;

	(void)state;
	add_filter(BPF_TC_EGRESS, 1);
	take_inventory(&before);
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EEXIST);
	assert_says("priority 1");
	assert_int_equal(attach_find(m, "lan0"), -ENOENT);
	assert_back_to(&before);
	sh("tc filter del dev lan0 egress");
	add_filter(BPF_TC_EGRESS, 9);
	take_inventory(&before);
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(m->ifs[1].flags & ~SYSCTL_FLAGS, XI_IF_ATTACHED | XI_IF_RXVLAN | XI_IF_RXSTAG);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	maps_close(m);
	m = sandbox_maps(64, 64);
	assert_back_to(&before); /* the other's clsact and filter still there */
}

static void t_detach_leaves_clsact_with_filters_of_others(void **state)
{
	char line[256];

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	add_filter(BPF_TC_INGRESS, 3);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	sh_line("tc filter show dev lan0 ingress", line, sizeof(line));
	assert_non_null(strstr(line, "pref 3"));
	sh_line("tc filter show dev lan0 egress", line, sizeof(line));
	assert_string_equal(line, "");
}

/* Everything that cannot be attached, whether this kernel has it or not. */
static void t_kinds_refused(void **state)
{
	static const struct {
		const char *kind;
		unsigned type, master, link;
		const char *says; /* NULL = can be attached */
	} row[] = {
		{"", ARPHRD_ETHER, 0, 0, NULL},
		{"veth", ARPHRD_ETHER, 0, 3, NULL},
		{"tun", ARPHRD_ETHER, 0, 0, NULL}, /* a tap */
		{"vxlan", ARPHRD_ETHER, 0, 0, NULL},
		{"bond", ARPHRD_ETHER, 0, 0, "x0 is a bond, which has no receive queues"},
		{"team", ARPHRD_ETHER, 0, 0, "x0 is a team"},
		{"bridge", ARPHRD_ETHER, 0, 0, "x0 is a bridge"},
		{"vrf", ARPHRD_ETHER, 0, 0, "x0 is a vrf"},
		{"openvswitch", ARPHRD_ETHER, 0, 0, "x0 is an openvswitch"},
		{"vlan", ARPHRD_ETHER, 0, 1, "x0 is a VLAN device: attach lo, which serves its VLANs"},
		{"vlan", ARPHRD_ETHER, 0, 9999, "attach the interface it stands on"},
		{"macvlan", ARPHRD_ETHER, 0, 1, "x0 is a macvlan: attach lo and move"},
		{"macvtap", ARPHRD_ETHER, 0, 1, "x0 is a macvtap"},
		{"ipvlan", ARPHRD_ETHER, 0, 1, "x0 is an ipvlan"},
		{"ipvtap", ARPHRD_ETHER, 0, 1, "x0 is an ipvtap"},
		{"", ARPHRD_ETHER, 1, 0, "x0 is a port of lo"},
		{"veth", ARPHRD_ETHER, 9999, 0, "x0 is a port of another interface"},
		{"tun", ARPHRD_NONE, 0, 0, "x0, kind tun is not an Ethernet interface"},
		{"wireguard", ARPHRD_NONE, 0, 0, "not an Ethernet"},
		{"gre", ARPHRD_IPGRE, 0, 0, "not an Ethernet"},
		{"ipip", ARPHRD_TUNNEL, 0, 0, "not an Ethernet"},
		{"sit", ARPHRD_SIT, 0, 0, "not an Ethernet"},
		{"vti", ARPHRD_TUNNEL, 0, 0, "not an Ethernet"},
		{"", ARPHRD_PPP, 0, 0, "x0 is not an Ethernet"},
		{"", ARPHRD_INFINIBAND, 0, 0, "not an Ethernet"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct nic n = {
			.name = "x0", .type = row[i].type, .master = row[i].master, .link = row[i].link, .mac = {2}};
		int rc;

		(void)str_copy(n.kind, sizeof(n.kind), row[i].kind);
		rc = kind_check(&n, &e);
		if (row[i].says) {
			assert_int_not_equal(rc, 0);
			assert_says(row[i].says);
		} else {
			assert_ok(rc, &e);
		}
	}
}

/* The same by what this kernel has. */
static void t_attach_kinds(void **state)
{
	(void)state;
	sh("ip tuntap add tun7 mode tun");
	assert_int_equal(attach("tun7", ATTACH_NATIVE, 0), -EINVAL);
	assert_says("not an Ethernet interface");
	sh("ip link del tun7");
	if (system("ip link add link lan0 lan0.7 type vlan id 7 2>/dev/null") == 0) {
		assert_int_equal(attach("lan0.7", ATTACH_NATIVE, 0), -EOPNOTSUPP);
		assert_says("attach lan0, which serves its VLANs");
	}
	if (system("ip link add br7 type bridge 2>/dev/null") != 0) {
		print_message("# this kernel has no bridge\n");
		skip();
	}
	assert_int_equal(attach("br7", ATTACH_NATIVE, 0), -EOPNOTSUPP);
	assert_says("br7 is a bridge");
	sh("ip link set lan0 master br7");
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EOPNOTSUPP);
	assert_says("port of br7");
	sh("ip link del br7");
}

static void t_attach_other_ends_of_xi0(void **state)
{
	(void)state;
	sh("ip link add xi0 type veth peer name xother");
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EEXIST);
	assert_says("not ours");
	sh("ip link set xi0 alias 'xdp-ipsec blue'");
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EEXIST);
	assert_says("instance blue");
	/* ours, left by a loader that died: replaced */
	sh("ip link set xi0 alias 'xdp-ipsec test'");
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(if_nametoindex("xother"), 0);
}

static void t_vanished_interface(void **state)
{
	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e);
	sh("ip link del lan0");
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_equal(attach_find(m, "lan0"), -ENOENT);
	sh("ip link del wan0 && ip link add wan0 type veth peer name wan1 && ip link set wan0 up");
	assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e); /* same name, another interface: the old entry is swept */
	assert_int_equal(m->ifs[attach_find(m, "wan0")].ifindex, if_nametoindex("wan0"));
	sh("ip link del xi0");
	assert_ok(detach_interface(m, "wan0", &e), &e);
	assert_int_equal(m->ifs[0].ifindex, 0);
}

/* One that vanished keeps its slot, for the guard: other interfaces come and go beside it. */
static void t_lost_interface_is_waited_for(void **state)
{
	int slot;

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	slot = attach_find(m, "lan0");
	sh("ip link del lan0");
	assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(attach_find(m, "lan0"), slot);
	assert_int_equal(m->ifs[slot].ifindex, 0);
	assert_int_equal(m->ifs[slot].flags, XI_IF_LOST);
	assert_ok(detach_interface(m, "wan0", &e), &e);
	/* what cannot be attached is waited for all the same */
	sh("ip link add lan0 mtu 60000 type veth peer name lan1 && ip link set lan0 up");
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EINVAL);
	assert_int_equal(m->ifs[slot].flags, XI_IF_LOST);
	sh("ip link set lan0 mtu 1500");
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(attach_find(m, "lan0"), slot);
	assert_int_equal(m->ifs[slot].flags & (XI_IF_LOST | XI_IF_ATTACHED), XI_IF_ATTACHED);
	sh("ip link del lan0");
	assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_equal(attach_find(m, "lan0"), -ENOENT);
}

/* tc egress taken off by somebody: the interface counts as lost, and attaching it makes it whole. */
static void t_without_its_tc_program(void **state)
{
	int slot;

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	slot = attach_find(m, "lan0");
	assert_true(attach_whole(m, (unsigned)slot));
	sh("tc qdisc del dev lan0 clsact");
	assert_false(attach_whole(m, (unsigned)slot));
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(attach_find(m, "lan0"), slot);
	assert_true(attach_whole(m, (unsigned)slot));
}

/* Killed when xdp-ipsecd had closed its sockets, or did not know of it yet: nobody serves it, whoever comes next attaches it again. */
static void t_killed_in_the_middle(void **state)
{
	int slot;

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e);
	slot = attach_find(m, "lan0");
	assert_int_equal(m->ifs[slot].flags & XI_IF_UNSETTLED, 0);
	assert_int_equal(m->ifs[XI_IF_INTERNAL].flags & XI_IF_UNSETTLED, 0);
	m->ifs[slot].flags |= XI_IF_UNSETTLED;
	assert_false(attach_whole(m, (unsigned)slot));
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_int_equal(attach_find(m, "lan0"), slot);
	assert_true(attach_whole(m, (unsigned)slot));
	m->ifs[slot].flags |= XI_IF_UNSETTLED;
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_equal(attach_find(m, "lan0"), -ENOENT);
	/* the pair, when the last interface was taken off */
	assert_ok(detach_interface(m, "wan0", &e), &e);
}

/* What a loader that died between its steps leaves is no obstacle. */
static void t_half_made_attach_is_cleared(void **state)
{
	char cmd[256];

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	m->ifs[1].flags &= ~(__u32)XI_IF_ATTACHED;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	/* died behind the tc filter, entry lost */
	(void)snprintf(cmd, sizeof(cmd), "rm %s/link_lan0", m->paths.pins);
	sh(cmd);
	memset(&m->ifs[1], 0, sizeof(m->ifs[1]));
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
}

/* --- a fake xdp-ipsecd --- */

static char heard[2048];
static const char *answer;

static void *fake_daemon(void *arg)
{
	int fd = *(int *)arg, c;

	while ((c = accept(fd, NULL, NULL)) >= 0) {
		char buf[512];
		ssize_t n = recv(c, buf, sizeof(buf) - 1, 0);

		if (n > 0) {
			buf[n] = '\0';
			if (!strstr(buf, "status"))
				(void)strncat(heard, buf, sizeof(heard) - strlen(heard) - 1);
			(void)send(c, answer, strlen(answer), 0);
		}
		close(c);
	}
	return NULL;
}

/* What xdp-ipsecd holds from its start to its end. */
static int daemon_lock(void)
{
	char path[PATH_LEN + 16];
	int fd;

	assert_ok(path_mkdir(m->paths.run, &e), &e);
	(void)snprintf(path, sizeof(path), "%s/xdp-ipsecd.pid", m->paths.run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

static void t_daemon_is_told_and_may_refuse(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct inventory before;
	int lock;
	pthread_t t;

	(void)state;
	lock = daemon_lock();
	(void)str_copy(at.sun_path, sizeof(at.sun_path), m->paths.data_sock);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	answer = "{\"ok\":true}";
	heard[0] = '\0';
	assert_int_equal(pthread_create(&t, NULL, fake_daemon, &fd), 0);
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_string_equal(heard, "{\"cmd\":\"attach\",\"slot\":0}{\"cmd\":\"attach\",\"slot\":1}");
	heard[0] = '\0';
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_string_equal(heard, "{\"cmd\":\"detach\",\"slot\":1}{\"cmd\":\"detach\",\"slot\":0}");
	assert_int_equal(access(m->paths.pins, F_OK), 0); /* it runs: the maps stay */
	take_inventory(&before);
	answer = "{\"ok\":false,\"error\":\"no memory for a socket\"}";
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EIO);
	assert_string_equal(e.text, "xdp-ipsecd: no memory for a socket");
	answer = "rubbish";
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -EIO);
	assert_back_to(&before);
	(void)shutdown(fd, SHUT_RDWR);
	assert_int_equal(pthread_join(t, NULL), 0);
	close(fd);
	close(lock);
	assert_int_equal(unlink(m->paths.data_sock), 0);
}

/* One that starts, or ends, has no control socket; its maps must not be unpinned under it. */
static void t_starting_daemon_keeps_its_maps(void **state)
{
	int lock = daemon_lock();

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_equal(access(m->paths.pins, F_OK), 0);
	close(lock);
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_ok(detach_interface(m, "lan0", &e), &e);
	assert_int_not_equal(access(m->paths.pins, F_OK), 0);
}

static unsigned noted;

static int note(struct maps *maps, struct err *err)
{
	(void)err;
	assert_int_equal(access(maps->paths.pins, F_OK), 0);
	noted++;
	return 0;
}

static int note_fails(struct maps *maps, struct err *err)
{
	(void)maps;
	return err_set(err, -ENOSPC, "cannot write");
}

static void t_leaving_daemon_unpins_under_the_lock(void **state)
{
	struct paths p = m->paths;
	int lock;

	(void)state;
	assert_ok(attach("lan0", ATTACH_NATIVE, 0), &e);
	assert_ok(attach_leave(m, note, &e), &e);
	assert_int_equal(noted, 0);
	assert_int_equal(access(p.pins, F_OK), 0); /* something is attached */
	lock = daemon_lock();
	assert_ok(detach_interface(m, "lan0", &e), &e);
	close(lock);
	assert_int_equal(attach_leave(m, note_fails, &e), -ENOSPC);
	assert_int_equal(access(p.pins, F_OK), 0); /* who comes next finds the maps */
	assert_ok(attach_leave(m, note, &e), &e);
	assert_int_equal(noted, 1);
	assert_int_not_equal(access(p.pins, F_OK), 0);
	/* A command that had opened the maps before, and waited. */
	assert_int_equal(attach("lan0", ATTACH_NATIVE, 0), -ESTALE);
	assert_says("run the command again");
	assert_int_equal(attach_find(m, "lan0"), -ENOENT);
	assert_int_equal(if_nametoindex("xi0"), 0);
}

/* Maps of the tests before may still be on their way out: the inventory that stays the same for ten looks. */
static void settled_inventory(struct inventory *now)
{
	struct inventory last;

	take_inventory(now);
	for (int same = 0; same < 10; same++) {
		last = *now;
		(void)usleep(10000);
		take_inventory(now);
		if (now->maps != last.maps || now->progs != last.progs)
			same = 0;
	}
}

static void t_rounds_leave_nothing(void **state)
{
	struct inventory before;
	struct paths p = m->paths;

	(void)state;
	maps_close(m);
	m = NULL;
	assert_int_equal(maps_unpin(&p, NULL), 0);
	settled_inventory(&before);
	for (int i = 0; i < 21; i++) {
		m = sandbox_maps(64, 64);
		assert_ok(attach("lan0", i % 2 ? ATTACH_GENERIC : ATTACH_NATIVE, 0), &e);
		if (i % 10 == 0)
			assert_ok(attach("wan0", ATTACH_NATIVE, 0), &e);
		assert_ok(detach_interface(m, "lan0", &e), &e);
		if (i % 10 == 0)
			assert_ok(detach_interface(m, "wan0", &e), &e);
		maps_close(m);
	}
	m = NULL;
	assert_back_to(&before);
	m = sandbox_maps(64, 64);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(t_attach_fills_everything_in),
		T(t_attach_keeps_vlan_tags_in_frames),
		T(t_attach_refusals),
		T(t_attach_xdp_taken),
		T(t_attach_late_failures_undo),
		T(t_detach_leaves_clsact_with_filters_of_others),
		T(t_kinds_refused),
		T(t_attach_kinds),
		T(t_attach_other_ends_of_xi0),
		T(t_vanished_interface),
		T(t_lost_interface_is_waited_for),
		T(t_without_its_tc_program),
		T(t_killed_in_the_middle),
		T(t_half_made_attach_is_cleared),
		T(t_daemon_is_told_and_may_refuse),
		T(t_starting_daemon_keeps_its_maps),
		T(t_leaving_daemon_unpins_under_the_lock),
		T(t_rounds_leave_nothing),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
