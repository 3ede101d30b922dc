/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What bench/sink_xdp.bpf.c counts and bench/sink.c reads. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <linux/types.h>

enum sink_kind { SINK_ESP, SINK_UDP, SINK_OTHER, SINK_KINDS };

struct sink_count {
	__u64 packets;
	__u64 bytes; /* of frames, without FCS */
};

#endif
