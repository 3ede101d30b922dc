/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the search for a policy costs: the whole XDP program by BPF_PROG_TEST_RUN with repeat, over policy sets of several shapes and
 * sizes. No flow cache. The packets of a shape are one that its first policy matches, one for the last, and one that none matches,
 * though every table that the search has is asked for it: its addresses lie in the ranges of the policies.
 * "wide-over-narrow" are three wide rules behind many narrow ones, "first" and "last" of the narrow ones; "wide-first" passes them and meets the
 * first wide rule, "wide-last" the last one after everything else has been asked in vain. In "ports-before-narrow" wide rules stand before the
 * narrow ones, the packets are for those.
 *
 * The ratio is that to the cost with one policy of the shape (a narrow one; for "none" with a packet that it does not match). Both sets stand
 * side by side in maps of their own and are measured in turn: the median of the rounds' ratios. "cold" is not one packet again and
 * again but 65,536 packets of random policies of the set, one after the other: what the caches do not have comes from memory.
 * One JSON line for each (shape, policies, match); commits and memory, too. classify.py makes a table and a plot of them.
 *
 *   classify [SIZES]     "1 10 100 1000 10000 100000"; needs root, works in namespaces of its own
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "bench/classify.h"
#include "bench/classify_xdp.skel.h"
#include "bench/util.h"
#include "bpf/xdp_ingress.skel.h"
#include "user/base/clock.h"
#include "user/maps/maps.h"

#define RUN_NS 3e6 /* one BPF_PROG_TEST_RUN takes about this long */
#define ROUNDS 15
#define WALK_MAX 10000 /* policies of a shape that is walked: with more, one run takes too long */

enum match { FIRST, LAST, NONE, WIDE_FIRST, WIDE_LAST, MATCHES };

static const char *const match_name[] = {"first", "last", "none", "wide-first", "wide-last"};

/* Maps with a program of their own. */
struct side {
	struct maps *m;
	int prog, turns; /* turns: the program that makes every run another packet, then runs prog */
	struct flow *flow;
};

static struct side one, many;

struct shape {
	const char *name;
	void (*make)(struct xi_policy *p, unsigned i, unsigned n); /* policy i of n */
	void (*packet)(struct flow *f, unsigned i, unsigned n);	   /* one that policy i of n matches, outbound */
	void (*none)(struct flow *f);
	uint8_t family;
	uint8_t walked; /* there may be no more than WALK_MAX */
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

static void flow4(struct flow *f, uint32_t src, uint32_t dst)
{
	*f = (struct flow){.src.w[0] = htonl(src), .dst.w[0] = htonl(dst), .dport = htons(9), .proto = IPPROTO_UDP};
}

static void no_flow4(struct flow *f)
{
	flow4(f, 0x0ac80001, 0x14ffff0a); /* 10.200.0.1 -> 20.255.255.10 */
}

/* A headquarters of 10.0.0.0/16 in /24s and its branches, /24 to /24. */
static void site_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000 | (i % 256) << 8, 24, 0x14000000 + (i / 4 << 8), 24);
}

static void site_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	flow4(f, (0x0a000000 | (i % 256) << 8) + 10, 0x14000000 + (i / 4 << 8) + 10);
}

/* The same in IPv6: fd00:10:0:x::/64 to fd00:20:0:y::/64. */
static void site6_addr(struct xi_addr *a, unsigned site, unsigned net, unsigned host)
{
	*a = (struct xi_addr){.w = {htonl(0xfd000000 | site), htonl(net), 0, htonl(host)}};
}

static void site6_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	p->sel = (struct xi_selector){.family = XI_IP6, .src_len = 64, .dst_len = 64};
	site6_addr(&p->sel.src, 0x10, i % 256, 0);
	site6_addr(&p->sel.dst, 0x20, i / 4, 0);
}

static void site6_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	*f = (struct flow){.dport = htons(9), .proto = IPPROTO_UDP};
	site6_addr(&f->src, 0x10, i % 256, 10);
	site6_addr(&f->dst, 0x20, i / 4, 10);
}

static void site6_none(struct flow *f)
{
	site6_packet(f, 0, 0);
	site6_addr(&f->dst, 0x20, 0xffff0000, 10);
}

static void host_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000 + i % 1024, 32, 0x14000000 + i * 7, 32);
}

static void host_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	flow4(f, 0x0a000000 + i % 1024, 0x14000000 + i * 7);
}

/* Wide rules that hold all of the narrow ones' networks, each with other lengths. */
#define WIDE 3

static void wide_make(struct xi_policy *p, unsigned i, unsigned n)
{
	if (n <= WIDE || i < n - WIDE)
		site_make(p, i, n);
	else if (i == n - 3)
		sel4(p, 0x0a000000, 10, 0x14000000, 9); /* 10.0.0.0/10 -> 20.0.0.0/9 */
	else if (i == n - 2)
		sel4(p, 0x0a000000, 9, 0x14000000, 10); /* 10.0.0.0/9 -> 20.0.0.0/10 */
	else
		sel4(p, 0x0a000000, 8, 0x14000000, 12); /* 10.0.0.0/8 -> 20.0.0.0/12 */
}

static void wide_packet(struct flow *f, unsigned i, unsigned n)
{
	if (n <= WIDE || i < n - WIDE)
		site_packet(f, i, n);
	else if (i == n - 3)
		flow4(f, 0x0a200001, 0x14700001); /* 10.32.0.1 -> 20.112.0.1 */
	else if (i == n - 2)
		flow4(f, 0x0a600001, 0x14300001); /* 10.96.0.1 -> 20.48.0.1 */
	else
		flow4(f, 0x0ac80001, 0x140f0001); /* 10.200.0.1 -> 20.15.0.1 */
}

/* One pair of networks, every policy another port, of UDP and behind that of TCP. */
#define PORTS 50000u

static void ports_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	sel4(p, 0x0a000000, 8, 0x14000000, 8);
	p->sel.flags = XI_SEL_PROTO | XI_SEL_DST_PORT;
	p->sel.proto = i < PORTS ? IPPROTO_UDP : IPPROTO_TCP;
	p->sel.dst_port = htons((uint16_t)(1000 + i % PORTS));
}

static void ports_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	flow4(f, 0x0a000001, 0x14000001);
	f->proto = i < PORTS ? IPPROTO_UDP : IPPROTO_TCP;
	f->dport = htons((uint16_t)(1000 + i % PORTS));
}

static void ports_none(struct flow *f)
{
	flow4(f, 0x0a000001, 0x14000001);
}

/* Eight rules of TCP ports for wide networks, with other lengths each, before the narrow ones. */
#define GATES 8

static void gates_make(struct xi_policy *p, unsigned i, unsigned n)
{
	if (n <= GATES || i >= GATES) {
		site_make(p, n <= GATES ? i : i - GATES, n);
		return;
	}
	sel4(p, 0x0a000000, 8 + i, 0x14000000, 15 - i);
	p->sel.flags = XI_SEL_PROTO | XI_SEL_DST_PORT;
	p->sel.proto = IPPROTO_TCP;
	p->sel.dst_port = htons((uint16_t)(20 + i));
}

static void gates_packet(struct flow *f, unsigned i, unsigned n)
{
	site_packet(f, n <= GATES ? i : MAX(i, GATES) - GATES, n);
}

/*
 * Pairs of prefix lengths, as many as the classifier has shapes, and more: then those of the half that has half as many policies are rounded and walked.
 * Every second policy is of the upper half of 10.0.0.0/16 and 20.0.0.0/16, both addresses of it: a packet between the halves is one that each
 * shape has to be asked for, in vain.
 */
static void pairs_make(struct xi_policy *p, unsigned i, unsigned dst_lengths)
{
	unsigned pairs = 8 * dst_lengths, pair = i % (pairs * 3 / 2), net = i / (pairs * 3 / 2);
	unsigned half = net % 2 ? 0x8000 : 0, at = net / 2 % 128 << 8 | half;

	pair = pair < pairs ? pair : pair - pairs;
	sel4(p, 0x0a000000 | at, 17 + 2 * (pair % 8), 0x14000000 | half, 17 + pair / 8 * 15 / dst_lengths);
}

static void pairs_packet(struct flow *f, unsigned i, unsigned dst_lengths)
{
	struct xi_policy p;

	pairs_make(&p, i, dst_lengths);
	flow4(f, ntohl(p.sel.src.w[0]) + 1, ntohl(p.sel.dst.w[0]) + 1);
}

static void pairs64_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	pairs_make(p, i, 8);
}

static void pairs64_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	pairs_packet(f, i, 8);
}

static void pairs120_make(struct xi_policy *p, unsigned i, unsigned n)
{
	(void)n;
	pairs_make(p, i, 15);
}

static void pairs120_packet(struct flow *f, unsigned i, unsigned n)
{
	(void)n;
	pairs_packet(f, i, 15);
}

static void pairs_none(struct flow *f)
{
	flow4(f, 0x0a000001, 0x14008001); /* 10.0.0.1 -> 20.0.128.1 */
}

static const struct shape shapes[] = {
	{"site-to-site", site_make, site_packet, no_flow4, XI_IP4, 0},
	{"site-to-site-ipv6", site6_make, site6_packet, site6_none, XI_IP6, 0},
	{"host-pairs", host_make, host_packet, no_flow4, XI_IP4, 0},
	{"wide-over-narrow", wide_make, wide_packet, no_flow4, XI_IP4, 0},
	{"ports-of-one-pair", ports_make, ports_packet, ports_none, XI_IP4, 0},
	{"ports-before-narrow", gates_make, gates_packet, no_flow4, XI_IP4, 0},
	{"64-pairs-of-lengths", pairs64_make, pairs64_packet, pairs_none, XI_IP4, 1},
	{"120-pairs-of-lengths", pairs120_make, pairs120_packet, pairs_none, XI_IP4, 1},
};

static void must(int rc, const struct err *e)
{
	if (rc)
		die("classify: %s", e->text);
}

static void clear(struct maps *m)
{
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		(void)spd_del(m, s); /* -ENOENT: was free */
}

/* Policies of action none: the packet goes up, and only the search is measured. Returns the ms that adding one more took. */
static double policies(struct maps *m, const struct shape *sh, unsigned n, double *all_ms)
{
	uint64_t t[3] = {0};
	uint32_t slot;
	struct err e;

	must(spd_lock(m, &e), &e);
	clear(m);
	must(spd_commit(m, &e), &e);
	t[0] = clock_ns();
	for (unsigned i = 0; i < n; i++) {
		struct xi_policy p = {.action = XI_ACTION_NONE, .position = i, .id = i + 1};

		sh->make(&p, i, n);
		if (i == n - 1) {
			must(spd_commit(m, &e), &e);
			t[1] = clock_ns();
		}
		must(spd_add(m, &p, &slot, &e), &e);
	}
	must(spd_commit(m, &e), &e);
	t[2] = clock_ns();
	spd_unlock(m);
	*all_ms = (double)(t[1] - t[0]) / 1e6;
	return (double)(t[2] - t[1]) / 1e6;
}

/* A frame with 30 bytes of UDP, or of TCP as far as ports go; returns its length. */
static unsigned frame_of(uint8_t frame[128], const struct flow *f, uint8_t family)
{
	struct ethhdr eth = {.h_proto = htons(family == XI_IP4 ? ETH_P_IP : ETH_P_IPV6)};
	struct iphdr ip4 = {.version = 4, .ihl = 5, .ttl = 64, .protocol = f->proto, .tot_len = htons(50)};
	struct ipv6hdr ip6 = {.version = 6, .hop_limit = 64, .nexthdr = f->proto, .payload_len = htons(30)};
	struct udphdr udp = {.source = htons(1000), .dest = f->dport, .len = htons(30)};
	unsigned len = sizeof(eth);

	memset(frame, 0, 128);
	memcpy(frame, &eth, sizeof(eth));
	if (family == XI_IP4) {
		ip4.saddr = f->src.w[0];
		ip4.daddr = f->dst.w[0];
		memcpy(frame + len, &ip4, sizeof(ip4));
		len += sizeof(ip4);
	} else {
		memcpy(&ip6.saddr, &f->src, sizeof(ip6.saddr));
		memcpy(&ip6.daddr, &f->dst, sizeof(ip6.daddr));
		memcpy(frame + len, &ip6, sizeof(ip6));
		len += sizeof(ip6);
	}
	memcpy(frame + len, &udp, sizeof(udp));
	return len + 30;
}

static double run(int prog, const struct flow *f, uint8_t family, unsigned repeat)
{
	uint8_t frame[128];
	unsigned len = frame_of(frame, f, family);
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = frame, .data_size_in = len, .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(prog, &t))
		die("classify: BPF_PROG_TEST_RUN: %s", strerror(errno));
	if (t.retval != XDP_PASS)
		die("classify: the program returned %u", t.retval);
	return MAX(t.duration, 1u);
}

static unsigned repeats(int prog, const struct flow *f, uint8_t family)
{
	return (unsigned)MAX(RUN_NS / run(prog, f, family, 100), 20.0);
}

static int by_value(const void *va, const void *vb)
{
	const double *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/* Two runs in turn; the least ns of each, and the median of the ratios. */
static double compare(int prog1, const struct flow *f1, int prog, const struct flow *f, uint8_t family, double ns[2])
{
	unsigned r1 = repeats(prog1, f1, family), r = repeats(prog, f, family);
	double ratio[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double a = run(prog1, f1, family, r1), b = run(prog, f, family, r);

		ratio[i] = b / a;
		ns[0] = i ? MIN(ns[0], a) : a;
		ns[1] = i ? MIN(ns[1], b) : b;
	}
	qsort(ratio, ROUNDS, sizeof(*ratio), by_value);
	return ratio[ROUNDS / 2];
}

/* Every flow once in a run. */
static double cold(const struct side *s, const struct shape *sh, unsigned n)
{
	unsigned seed = 1;
	double least = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		sh->packet(&s->flow[i], (unsigned)rand_r(&seed) % n, n);
	for (int i = 0; i < ROUNDS; i++) {
		double ns = run(s->turns, &s->flow[0], sh->family, FLOWS);

		least = i ? MIN(least, ns) : ns;
	}
	return least;
}

static void print(const struct shape *sh, unsigned n, const char *match, const double ns[2], double ratio)
{
	printf("{\"shape\":\"%s\",\"policies\":%u,\"match\":\"%s\",\"ns\":%.0f,\"one_ns\":%.0f,\"ratio\":%.2f}\n",
	       sh->name, n, match, ns[1], ns[0], ratio);
	(void)fflush(stdout);
}

static void measure(const struct shape *sh, unsigned n)
{
	double all_ms, ignored, add_ms = policies(many.m, sh, n, &all_ms), ns[2] = {0}, ratio;
	int wide = sh->make == wide_make && n > WIDE;
	unsigned narrow = wide ? n - WIDE : n;

	(void)policies(one.m, sh, 1, &ignored);
	printf("{\"shape\":\"%s\",\"policies\":%u,\"add_ms\":%.2f,\"all_ms\":%.1f}\n", sh->name, n, add_ms, all_ms);
	for (enum match w = FIRST; w < (wide ? MATCHES : WIDE_FIRST); w++) {
		struct flow f1, f;

		sh->packet(&f1, 0, 1);
		sh->packet(&f, w == FIRST ? 0 : w == LAST ? narrow - 1 : w == WIDE_FIRST ? narrow : n - 1, n);
		if (w == NONE) {
			sh->none(&f1);
			f = f1;
		}
		ratio = compare(one.prog, &f1, many.prog, &f, sh->family, ns);
		print(sh, n, match_name[w], ns, ratio);
	}
	ns[0] = cold(&one, sh, 1);
	ns[1] = cold(&many, sh, n);
	print(sh, n, "cold", ns, ns[1] / ns[0]);
}

static void load(struct side *s)
{
	struct xdp_ingress *x = xdp_ingress__open();
	struct classify_xdp *turns = classify_xdp__open_and_load();
	struct bpf_map *map;
	uint32_t zero = 0;

	if (!x || !turns)
		die("classify: cannot open the programs");
	bpf_object__for_each_map(map,
				 x->obj) for (int id = 0; id < MAP_MAX;
					      id++) if (strcmp(bpf_map__name(map), map_name((enum map_id)id)) == 0 &&
							bpf_map__reuse_fd(map, s->m->fd[id]))
		die("classify: cannot use map %s", bpf_map__name(map));
	x->rodata->if_slot = 1;
	if (xdp_ingress__load(x))
		die("classify: cannot load the program: %s", strerror(errno));
	s->prog = bpf_program__fd(x->progs.xi_xdp_ingress);
	s->turns = bpf_program__fd(turns->progs.classify_xdp);
	if (bpf_map_update_elem(bpf_map__fd(turns->maps.measured), &zero, &s->prog, BPF_ANY))
		die("classify: cannot join the programs: %s", strerror(errno));
	s->flow = mmap(NULL, FLOWS * sizeof(*s->flow), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(turns->maps.flows), 0);
	if (s->flow == MAP_FAILED)
		die("classify: cannot map the flows: %s", strerror(errno));
}

static void open_side(struct side *s, const char *instance, unsigned max)
{
	struct paths p;
	struct err e;

	must(paths_init(&p, instance, XI_ABI_VERSION, &e), &e);
	must(maps_open_or_create(&s->m, &p, 16, max + 16, &e), &e);
	load(s);
}

int main(int argc, char **argv)
{
	const char *sizes = argc > 1 ? argv[1] : "1 10 100 1000 10000 100000";
	unsigned long max = 0;
	char *end;

	libbpf_set_print(libbpf_warnings);
	for (const char *s = sizes; *s; s = end)
		max = MAX(max, strtoul(s, &end, 10));
	sandbox();
	open_side(&one, "one", 1);
	open_side(&many, "many", (unsigned)max);
	printf("{\"memory_per_policy\":%zu}\n",
	       2 * (sizeof(struct xi_rule) + sizeof(struct xi_bucket)) + sizeof(struct xi_policy) +
		       sizeof(struct xi_polstat) * ((size_t)libbpf_num_possible_cpus() + many.m->meta->workers_max));
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (const char *s = sizes; *s; s = end) {
			unsigned n = (unsigned)strtoul(s, &end, 10);

			if (n && (n <= WALK_MAX || !shapes[i].walked))
				measure(&shapes[i], n);
		}
	}
	return 0;
}
