/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What bench/classify.c tells its XDP program: the packets of many flows, one a run. */
#ifndef BENCH_CLASSIFY_H
#define BENCH_CLASSIFY_H

#include "bpf/abi/xi_abi.h"

#define FLOWS 65536

struct flow {
	struct xi_addr src, dst;
	__be16 dport;
	__u8 proto;
	__u8 pad[5];
};

#endif
