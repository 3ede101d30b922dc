/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the XDP program by BPF_PROG_TEST_RUN with the maps of a sandbox: what it did, the reason it counted, the verdict it
 * wrote. AF_XDP sockets that are bound to nothing stand in the socket map for workers. For one .c of a test program.
 */
#ifndef TESTS_XDP_RUN_H
#define TESTS_XDP_RUN_H

#include "tests/bpf/sandbox.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/socket.h>

#include "bpf/xdp_ingress.skel.h"
#include "tests/bpf/packet.h"

static struct maps *m;
static int xsk;
static int cpus;

struct outcome {
	uint32_t action;
	unsigned reason;  /* the one that was counted; 0 = none */
	unsigned counted; /* how many were */
	int has_meta;
	struct xi_verdict v;
};

static inline void read_reasons(uint64_t sum[XI_REASON_MAX])
{
	static uint64_t val[XI_REASON_MAX][256];
	uint32_t keys[XI_REASON_MAX], out = 0, n = XI_REASON_MAX;
	uint64_t *flat = &val[0][0];

	(void)bpf_map_lookup_batch(m->fd[MAP_STAT], NULL, &out, keys, flat, &n, NULL); /* ENOENT says: that was all */
	assert_int_equal(n, XI_REASON_MAX);
	for (unsigned i = 0; i < n; i++) {
		sum[keys[i]] = 0;
		for (int c = 0; c < cpus; c++)
			sum[keys[i]] += flat[i * (unsigned)cpus + (unsigned)c];
	}
}

static int only_runs_count; /* set by a test in which nothing but its own runs of programs counts: half the reading */
static uint64_t reasons_before[XI_REASON_MAX];

static inline void counting_begins(void)
{
	static int read;

	if (!read || !only_runs_count)
		read_reasons(reasons_before);
	read = 1;
}

static inline void counting_ends(struct outcome *o)
{
	static uint64_t after[XI_REASON_MAX];

	read_reasons(after);
	for (unsigned r = 0; r < XI_REASON_MAX; r++)
		if (after[r] != reasons_before[r]) {
			o->reason = r;
			o->counted += (unsigned)(after[r] - reasons_before[r]);
		}
	memcpy(reasons_before, after, sizeof(after));
}

static inline struct outcome run(int prog, const uint8_t *data, uint32_t len)
{
	static uint8_t in[4096], out[4096];
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = in, .data_size_in = len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);
	struct outcome o = {0};

	memcpy(in, data, len);
	counting_begins();
	assert_int_equal(bpf_prog_test_run_opts(prog, &t), 0);
	counting_ends(&o);
	o.action = t.retval;
	o.has_meta = t.data_size_out == len + sizeof(o.v);
	if (o.has_meta)
		memcpy(&o.v, out, sizeof(o.v));
	/* the packet itself is never changed */
	assert_memory_equal(out + t.data_size_out - len, data, len);
	return o;
}

static inline struct outcome run_packet(int prog, struct packet *p)
{
	packet_make(p);
	return run(prog, p->data, p->len);
}

static inline void set_workers(int there)
{
	for (uint32_t slot = 0; slot < XI_IF_MAX; slot++) {
		uint32_t key = slot * XI_QUEUE_MAX;

		if (there)
			assert_int_equal(bpf_map_update_elem(m->fd[MAP_XSK], &key, &xsk, BPF_ANY), 0);
		else
			(void)bpf_map_delete_elem(m->fd[MAP_XSK], &key);
	}
}

static inline struct xi_addr addr(const char *text)
{
	struct xi_addr a = {{0}};

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &a), 1);
	return a;
}

static inline uint8_t family(const char *text)
{
	return strchr(text, ':') ? XI_IP6 : XI_IP4;
}

static inline void add_local(const char *text)
{
	struct xi_local_key key = {.addr = addr(text), .family = family(text)};
	__u32 ifindex = 1;

	assert_int_equal(bpf_map_update_elem(m->fd[MAP_LOCAL], &key, &ifindex, BPF_ANY), 0);
}

static inline uint64_t add_sa(uint8_t dir, uint8_t proto, const char *dst, uint32_t spi)
{
	struct xi_sa sa = {.dir = dir, .proto = proto, .family = family(dst), .spi = htonl(spi), .dst = addr(dst)};
	uint64_t ref = 0;
	struct err e;

	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	return ref;
}

/* A policy behind all earlier ones; prefixes of one length, 0 = any protocol or port. Under spd_lock(). Returns its slot. */
static inline uint32_t add_policy(const char *src, const char *dst, uint8_t len, uint8_t action, uint8_t level,
				  uint64_t sa, uint8_t proto, uint16_t dport)
{
	static uint32_t position;
	struct xi_policy p = {.action = action, .level = level, .position = position++, .sa_out = sa};
	uint32_t slot = 0;
	struct err e;

	p.sel = (struct xi_selector){.src = addr(src),
				     .dst = addr(dst),
				     .src_len = len,
				     .dst_len = len,
				     .family = family(src),
				     .proto = proto,
				     .dst_port = htons(dport)};
	p.sel.flags = (uint8_t)((proto ? XI_SEL_PROTO : 0) | (dport ? XI_SEL_DST_PORT : 0));
	assert_ok(spd_add(m, &p, &slot, &e), &e);
	return slot;
}

/* The maps of the test in place of the object's own. */
static inline void reuse_maps(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		for (int id = 0; id < MAP_MAX; id++)
			if (strcmp(bpf_map__name(map), map_name((enum map_id)id)) == 0)
				assert_int_equal(bpf_map__reuse_fd(map, m->fd[id]), 0);
	}
}

static inline int load(uint32_t slot, int internal, int generic)
{
	struct xdp_ingress *s = xdp_ingress__open();
	int fd;

	assert_non_null(s);
	reuse_maps(s->obj);
	s->rodata->if_slot = slot;
	s->rodata->internal = (uint8_t)internal;
	s->rodata->generic = (uint8_t)generic;
	for (int i = 0; i < 6; i++)
		s->rodata->inject_mac[i] = m->meta->inject_mac[i];
	memcpy(m->ifs[slot].mac, MAC_NIC, 6);
	assert_int_equal(xdp_ingress__load(s), 0);
	fd = dup(bpf_program__fd(s->progs.xi_xdp_ingress));
	xdp_ingress__destroy(s);
	return fd;
}

/* The test stays on one CPU: per-CPU counters of a generation are then one set. */
static inline void xdp_run_begin(unsigned sad_max, unsigned spd_max)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	cpus = libbpf_num_possible_cpus();
	assert_true(cpus > 0 && cpus <= 256);
	m = sandbox_maps(sad_max, spd_max);
	xsk = socket(AF_XDP, SOCK_RAW, 0);
	assert_true(xsk >= 0);
}

#endif
