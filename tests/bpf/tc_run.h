/* SPDX-License-Identifier: BSD-2-Clause */
/* Running tc egress by BPF_PROG_TEST_RUN with the maps of xdp_run.h. For one .c of a test program. */
#ifndef TESTS_TC_RUN_H
#define TESTS_TC_RUN_H

#include "tests/bpf/xdp_run.h"

#include <linux/pkt_cls.h>

#include "bpf/tc_egress.skel.h"

static int egress; /* fd of the program */

/* have_ct: asks conntrack about NAT. */
static inline void load_egress(int have_ct)
{
	struct tc_egress *s = tc_egress__open();

	assert_non_null(s);
	reuse_maps(s->obj);
	s->rodata->stack_ifindex = 1;
	s->rodata->have_ct = (uint8_t)have_ct;
	assert_int_equal(tc_egress__load(s), 0);
	egress = dup(bpf_program__fd(s->progs.xi_tc_egress));
	tc_egress__destroy(s);
}

/* ingress_ifindex: 0 = sent by this host, else forwarded. */
static inline struct outcome run_tc_from(struct packet *p, uint32_t ingress_ifindex)
{
	static uint8_t out[4096];
	struct __sk_buff ctx = {.ingress_ifindex = ingress_ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = p->data, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	struct outcome o = {0};

	packet_make(p);
	t.data_size_in = p->len;
	counting_begins();
	assert_int_equal(bpf_prog_test_run_opts(egress, &t), 0);
	counting_ends(&o);
	o.action = t.retval;
	assert_int_equal(t.data_size_out, p->len);
	assert_memory_equal(out, p->data, p->len);
	return o;
}

#endif
