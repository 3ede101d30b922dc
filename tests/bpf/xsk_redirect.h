/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest XDP program that feeds an AF_XDP socket, for tests of what is behind it. */
#ifndef TESTS_XSK_REDIRECT_H
#define TESTS_XSK_REDIRECT_H

#include <bpf/bpf.h>
#include <linux/bpf.h>

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

/* return bpf_redirect_map(&xsks, ctx->rx_queue_index, 0). The program's descriptor; flags: BPF_F_XDP_HAS_FRAGS or 0. */
static inline int redirect_program(int xsks, unsigned flags)
{
	const struct bpf_insn insn[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16},
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = xsks},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = flags);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "redirect", "GPL", insn, sizeof(insn) / sizeof(insn[0]), &opts);
}

#endif
