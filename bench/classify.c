/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the search for a policy costs: the XDP program by BPF_PROG_TEST_RUN with repeat, over policy sets of several shapes and
 * sizes, for a packet that the first policy matches, one for the last, and one for none. No flow cache. One JSON line for each
 * (shape, policies, match), with its ratio to the cost at one policy, measured just before and just after it; commits and memory, too.
 * classify.py makes a table and a plot of them.
 *
 *   classify [SIZES]     "1 10 100 1000 10000 100000"; needs root, works in namespaces of its own
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <sys/mount.h>

#include "bench/util.h"
#include "bpf/xdp_ingress.skel.h"
#include "user/base/clock.h"
#include "user/maps/maps.h"

#define RUN_NS 10e6 /* one BPF_PROG_TEST_RUN takes about this long */
#define ROUNDS 7

static struct maps *m;
static int prog;

struct shape {
	const char *name;
	/* policy i of n */
	void (*make)(struct xi_policy *p, unsigned i, unsigned n);
	/* addresses of a packet that policy i of n matches, outbound */
	void (*packet)(uint32_t *src, uint32_t *dst, uint16_t *dport, unsigned i, unsigned n);
};

static void sandbox(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) || mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700") ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"))
		die("classify: cannot make a sandbox: %s", strerror(errno));
}

static void sel4(struct xi_policy *p, uint32_t src, unsigned slen, uint32_t dst, unsigned dlen)
{
	p->sel = (struct xi_selector){.family = XI_IP4, .src_len = (uint8_t)slen, .dst_len = (uint8_t)dlen};
	p->sel.src.w[0] = htonl(src);
	p->sel.dst.w[0] = htonl(dst);
}

/* A headquarters of 10.0.0.0/16 in /24s and its branches, /24 to /24. */
static void site_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000 | (i % 256) << 8, 24, 0x14000000 + (i / 4 << 8), 24);
}

static void site_packet(uint32_t *src, uint32_t *dst, uint16_t *dport, unsigned i, unsigned n)
{
	(void)n;
	(void)dport;
	*src = (0x0a000000 | (i % 256) << 8) + 10;
	*dst = 0x14000000 + (i / 4 << 8) + 10;
}

static void host_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000 + i % 1024, 32, 0x14000000 + i * 7, 32);
}

static void host_packet(uint32_t *src, uint32_t *dst, uint16_t *dport, unsigned i, unsigned n)
{
	(void)n;
	(void)dport;
	*src = 0x0a000000 + i % 1024;
	*dst = 0x14000000 + i * 7;
}

/* Three wide rules behind many narrow ones: a default, a discarded range, an exception. */
static void wide_make(struct xi_policy *p, unsigned i, unsigned n)
{
	unsigned wide = n > 3 ? 3 : 0;

	if (i < n - wide)
		site_make(p, i, n);
	else if (i == n - 3)
		sel4(p, 0x0a000000, 8, 0xc0a80000, 16);
	else if (i == n - 2)
		sel4(p, 0x0a000000, 8, 0xac100000, 12);
	else
		sel4(p, 0x0a000000, 8, 0x14000000, 6);
}

/* The last one of the narrow ones; the wide ones are asked in vain by the packet that nothing matches. */
static void wide_packet(uint32_t *src, uint32_t *dst, uint16_t *dport, unsigned i, unsigned n)
{
	site_packet(src, dst, dport, i < 3 || i + 3 < n ? i : i - 3, n);
}

/* The worst: one pair of networks, every policy another port. The search is a walk. */
static void ports_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000, 8, 0x14000000, 8);
	p->sel.flags = XI_SEL_PROTO | XI_SEL_DST_PORT;
	p->sel.proto = 17;
	p->sel.dst_port = htons((uint16_t)(1 + i));
}

static void ports_packet(uint32_t *src, uint32_t *dst, uint16_t *dport, unsigned i, unsigned n)
{
	(void)n;
	*src = 0x0a000001;
	*dst = 0x14000001;
	*dport = (uint16_t)(1 + i);
}

static const struct shape shapes[] = {
	{"site-to-site", site_make, site_packet},
	{"host-pairs", host_make, host_packet},
	{"wide-over-narrow", wide_make, wide_packet},
	{"ports-of-one-pair", ports_make, ports_packet},
};

static void must(int rc, const struct err *e)
{
	if (rc)
		die("classify: %s", e->text);
}

static void clear(void)
{
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		(void)spd_del(m, s); /* -ENOENT: was free */
}

/* Policies of action none: the packet goes up, and only the search is measured. Returns the ms that adding one more took. */
static double policies(const struct shape *sh, unsigned n, double *all_ms)
{
	uint64_t t0, t1, t2;
	uint32_t slot;
	struct err e;

	must(spd_lock(m, &e), &e);
	clear();
	must(spd_commit(m, &e), &e);
	t0 = clock_ns();
	for (unsigned i = 0; i < n; i++) {
		struct xi_policy p = {.action = XI_ACTION_NONE, .position = i, .id = i + 1};

		sh->make(&p, i, n);
		if (i == n - 1)
			break;
		must(spd_add(m, &p, &slot, &e), &e);
	}
	must(spd_commit(m, &e), &e);
	t1 = clock_ns();
	{
		struct xi_policy p = {.action = XI_ACTION_NONE, .position = n, .id = n};

		sh->make(&p, n - 1, n);
		must(spd_add(m, &p, &slot, &e), &e);
	}
	must(spd_commit(m, &e), &e);
	t2 = clock_ns();
	spd_unlock(m);
	*all_ms = (double)(t1 - t0) / 1e6;
	return (double)(t2 - t1) / 1e6;
}

static double run(const uint8_t *data, unsigned len, unsigned repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = data, .data_size_in = len, .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(prog, &t))
		die("classify: BPF_PROG_TEST_RUN: %s", strerror(errno));
	return MAX(t.duration, 1u);
}

static double cost(uint32_t src, uint32_t dst, uint16_t dport)
{
	struct {
		struct ethhdr eth;
		struct iphdr ip;
		struct udphdr udp;
		uint8_t text[22];
	} __attribute__((packed)) f = {.eth = {.h_proto = htons(ETH_P_IP)},
				       .ip = {.version = 4,
					      .ihl = 5,
					      .ttl = 64,
					      .protocol = 17,
					      .tot_len = htons(50),
					      .saddr = htonl(src),
					      .daddr = htonl(dst)},
				       .udp = {.source = htons(1000), .dest = htons(dport), .len = htons(30)}};
	unsigned repeat = (unsigned)MAX(RUN_NS / run((const uint8_t *)&f, sizeof(f), 100), 20.0);
	double best = 0;

	for (int i = 0; i < ROUNDS; i++) {
		double ns = run((const uint8_t *)&f, sizeof(f), repeat);

		if (i == 0 || ns < best)
			best = ns;
	}
	return best;
}

static double cost_of(const struct shape *sh, unsigned i, unsigned n)
{
	uint16_t dport = 2000;
	uint32_t src, dst;

	sh->packet(&src, &dst, &dport, i, n);
	return cost(src, dst, dport);
}

static double measure_set(const struct shape *sh, unsigned n, double ns[3], double *all_ms)
{
	double add_ms = policies(sh, n, all_ms);

	ns[0] = cost_of(sh, 0, n);
	ns[1] = cost_of(sh, n - 1, n);
	ns[2] = cost(0x0b000001, 0xc6336401, 9);
	return add_ms;
}

static void measure(const struct shape *sh, unsigned n)
{
	static const char *const which[] = {"first", "last", "none"};
	double before[3], ns[3], after[3], all_ms, add_ms, ignored;

	(void)measure_set(sh, 1, before, &ignored);
	add_ms = measure_set(sh, n, ns, &all_ms);
	(void)measure_set(sh, 1, after, &ignored);
	for (int i = 0; i < 3; i++)
		printf("{\"shape\":\"%s\",\"policies\":%u,\"match\":\"%s\",\"ns\":%.0f,\"ratio\":%.2f,\"add_ms\":%.2f,"
		       "\"all_ms\":%.1f}\n",
		       sh->name, n, which[i], ns[i], 2 * ns[i] / (before[i] + after[i]), add_ms, all_ms);
	(void)fflush(stdout);
}

static void load(void)
{
	struct xdp_ingress *s = xdp_ingress__open();
	struct bpf_map *map;

	if (!s)
		die("classify: cannot open the program");
	bpf_object__for_each_map(map,
				 s->obj) for (int id = 0; id < MAP_MAX;
					      id++) if (strcmp(bpf_map__name(map), map_name((enum map_id)id)) == 0 &&
							bpf_map__reuse_fd(map, m->fd[id]))
		die("classify: cannot use map %s", bpf_map__name(map));
	s->rodata->if_slot = 1;
	if (xdp_ingress__load(s))
		die("classify: cannot load the program: %s", strerror(errno));
	prog = bpf_program__fd(s->progs.xi_xdp_ingress);
}

int main(int argc, char **argv)
{
	const char *sizes = argc > 1 ? argv[1] : "1 10 100 1000 10000 100000";
	unsigned long max = 0;
	struct paths p;
	struct err e;
	char *end;

	libbpf_set_print(libbpf_warnings);
	for (const char *s = sizes; *s; s = end)
		max = MAX(max, strtoul(s, &end, 10));
	sandbox();
	must(paths_init(&p, "bench", XI_ABI_VERSION, &e), &e);
	must(maps_open_or_create(&m, &p, 16, (unsigned)max + 16, &e), &e);
	load();
	printf("{\"memory_per_policy\":%zu}\n",
	       2 * (sizeof(struct xi_rule) + sizeof(struct xi_bucket)) + sizeof(struct xi_policy) +
		       sizeof(struct xi_polstat) * ((size_t)libbpf_num_possible_cpus() + m->meta->workers_max));
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (const char *s = sizes; *s; s = end) {
			unsigned n = (unsigned)strtoul(s, &end, 10);

			if (n && (n <= 10000 || shapes[i].make != ports_make))
				measure(&shapes[i], n);
		}
	}
	return 0;
}
