/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map ABI stays what it is: offset and size of every field, and every number in the lists, are compared with
 * tests/unit/abi_layout.golden. A line that changes or goes means a new XI_ABI_VERSION; new lines do not (a reserved byte put
 * to use, a list appended to); reserved bytes and padding are not in it. `t_abi --print` writes the list as it is now.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/abi/xi_abi.h"
#include "bpf/abi/xi_alg.h"
#include "bpf/abi/xi_class.h"
#include "bpf/abi/xi_drop.h"
#include "bpf/abi/xi_policy.h"
#include "bpf/abi/xi_sa.h"

#define GOLDEN "tests/unit/abi_layout.golden"

struct field {
	const char *record, *name;
	size_t offset, size, record_size;
};

#define F(s, f)                                                                                                        \
	{                                                                                                              \
#s, #f, offsetof(struct s, f), sizeof(((struct s *)0)->f), sizeof(struct s)                            \
	}

/* clang-format off */
static const struct field fields[] = {
	F(xi_addr, w),
	F(xi_meta, magic), F(xi_meta, abi), F(xi_meta, size_sa), F(xi_meta, size_sa_rt), F(xi_meta, size_replay),
	F(xi_meta, size_policy), F(xi_meta, size_rule), F(xi_meta, size_if), F(xi_meta, sad_max),
	F(xi_meta, spd_max), F(xi_meta, spd_gen), F(xi_meta, sad_gen), F(xi_meta, next_gen), F(xi_meta, workers),
	F(xi_meta, reason_max), F(xi_meta, inject_mac), F(xi_meta, pad), F(xi_meta, spd_begin), F(xi_meta, spd_done),
	F(xi_meta, acquire), F(xi_meta, pad1),
	F(xi_meta, netns), F(xi_meta, natt), F(xi_meta, drops), F(xi_meta, workers_max), F(xi_meta, nat_gen), F(xi_meta, nat_back),
	F(xi_meta, res),
	F(xi_local_key, addr), F(xi_local_key, family),
	F(xi_if, ifindex), F(xi_if, flags), F(xi_if, queues), F(xi_if, prog_id), F(xi_if, name), F(xi_if, mac),
	F(xi_if, pad), F(xi_if, sock_mask), F(xi_if, zc_mask), F(xi_if, mtu), F(xi_if, pair_lost),
	F(xi_if, res),
	F(xi_spi_key, dst), F(xi_spi_key, spi), F(xi_spi_key, proto), F(xi_spi_key, family), F(xi_spi_key, pad),
	F(xi_spi_val, slot), F(xi_spi_val, gen), F(xi_spi_val, dir), F(xi_spi_val, pad),
	F(xi_verdict, slot), F(xi_verdict, gen), F(xi_verdict, policy), F(xi_verdict, policy_gen),
	F(xi_verdict, l3_off), F(xi_verdict, dir), F(xi_verdict, flags), F(xi_verdict, if_slot),
	F(xi_verdict, family), F(xi_verdict, pad), F(xi_verdict, iif),
	F(xi_frag_key, src), F(xi_frag_key, dst), F(xi_frag_key, id), F(xi_frag_key, proto), F(xi_frag_key, family),
	F(xi_frag_key, pad),
	F(xi_nat_key, src), F(xi_nat_key, dst), F(xi_nat_key, family), F(xi_nat_key, pad),
	F(xi_frag_val, src_port), F(xi_frag_val, dst_port), F(xi_frag_val, flags), F(xi_frag_val, proto),
	F(xi_frag_val, pad), F(xi_frag_val, seen_ns),
	F(xi_vlan_key, ifindex), F(xi_vlan_key, proto), F(xi_vlan_key, vid),
	F(xi_polstat, in_accepted), F(xi_polstat, in_dropped), F(xi_polstat, in_transformed),
	F(xi_polstat, out_accepted), F(xi_polstat, out_dropped), F(xi_polstat, out_transformed), F(xi_polstat, gen),
	F(xi_polstat, res),
	F(xi_sample, ns), F(xi_sample, src), F(xi_sample, dst), F(xi_sample, policy), F(xi_sample, policy_gen),
	F(xi_sample, ifindex), F(xi_sample, spi), F(xi_sample, len), F(xi_sample, src_port), F(xi_sample, dst_port),
	F(xi_sample, reason), F(xi_sample, family), F(xi_sample, proto), F(xi_sample, flags), F(xi_sample, pad),
	F(xi_sampler, left_out), F(xi_sampler, earned_ns), F(xi_sampler, tokens), F(xi_sampler, pad),
	F(xi_sa, gen), F(xi_sa, state), F(xi_sa, dir), F(xi_sa, proto), F(xi_sa, mode), F(xi_sa, family),
	F(xi_sa, flags), F(xi_sa, enc_alg), F(xi_sa, auth_alg), F(xi_sa, spi), F(xi_sa, src), F(xi_sa, dst),
	F(xi_sa, replay_window), F(xi_sa, reqid), F(xi_sa, enc_key_len), F(xi_sa, auth_key_len), F(xi_sa, pad0),
	F(xi_sa, add_ns), F(xi_sa, add_wall), F(xi_sa, soft_ns), F(xi_sa, hard_ns), F(xi_sa, soft_bytes),
	F(xi_sa, hard_bytes), F(xi_sa, soft_packets), F(xi_sa, hard_packets), F(xi_sa, sel), F(xi_sa, udp_local),
	F(xi_sa, udp_remote), F(xi_sa, pair), F(xi_sa, owner), F(xi_sa, enc_key), F(xi_sa, auth_key), F(xi_sa, res),
	F(xi_sa_rt, seq_out), F(xi_sa_rt, seq_top), F(xi_sa_rt, lock), F(xi_sa_rt, engine), F(xi_sa_rt, bytes),
	F(xi_sa_rt, packets), F(xi_sa_rt, first_ns), F(xi_sa_rt, last_ns), F(xi_sa_rt, err_icv),
	F(xi_sa_rt, err_replay), F(xi_sa_rt, err_other), F(xi_sa_rt, pmtu_ns), F(xi_sa_rt, pmtu),
	F(xi_sa_rt, seen_port), F(xi_sa_rt, said), F(xi_sa_rt, pad), F(xi_sa_rt, seen), F(xi_sa_rt, spent), F(xi_sa_rt, res),
	F(xi_replay, word),
	F(xi_selector, src), F(xi_selector, dst), F(xi_selector, src_len), F(xi_selector, dst_len),
	F(xi_selector, family), F(xi_selector, flags), F(xi_selector, proto), F(xi_selector, pad),
	F(xi_selector, src_port), F(xi_selector, dst_port), F(xi_selector, pad1),
	F(xi_policy, gen), F(xi_policy, order), F(xi_policy, sel), F(xi_policy, action), F(xi_policy, level),
	F(xi_policy, mode), F(xi_policy, protos), F(xi_policy, flags), F(xi_policy, sa_family), F(xi_policy, pad),
	F(xi_policy, sa_src), F(xi_policy, sa_dst), F(xi_policy, priority), F(xi_policy, reqid),
	F(xi_policy, sa_out), F(xi_policy, sa_in), F(xi_policy, id), F(xi_policy, position), F(xi_policy, manual_sa),
	F(xi_policy, sa_out_ah), F(xi_policy, sa_in_ah), F(xi_policy, tcp_mss), F(xi_policy, expired), F(xi_policy, pad1),
	F(xi_policy, held), F(xi_policy, acquire_ns), 	F(xi_policy, res),
	F(xi_rule, src), F(xi_rule, src_mask), F(xi_rule, dst), F(xi_rule, dst_mask), F(xi_rule, src_port),
	F(xi_rule, dst_port), F(xi_rule, family), F(xi_rule, flags), F(xi_rule, proto), F(xi_rule, action),
	F(xi_rule, level), F(xi_rule, pad), F(xi_rule, slot), F(xi_rule, gen), F(xi_rule, priority),
	F(xi_rule, position), F(xi_rule, order),
	F(xi_shape, src_mask), F(xi_shape, dst_mask), F(xi_shape, best), F(xi_shape, walk), F(xi_shape, kinds),
	F(xi_class_head, shapes4), F(xi_class_head, shapes6), F(xi_class_head, bucket_mask), F(xi_class_head, rules),
	F(xi_class_head, salt), F(xi_class_head, rule_base), F(xi_class_head, bucket_base), F(xi_class_head, pad),
	F(xi_class_head, shape), F(xi_class_head, filter), F(xi_filter, field),
	F(xi_way, tag), F(xi_way, first), F(xi_way, count), F(xi_way, best), F(xi_bucket, way),
	F(xi_tuple, src), F(xi_tuple, dst), F(xi_tuple, src_port), F(xi_tuple, dst_port), F(xi_tuple, family),
	F(xi_tuple, proto), F(xi_tuple, flags), F(xi_tuple, pad),
};

static const struct {
	const char *name;
	long value;
} numbers[] = {
#define N(x) {#x, x}
	N(XI_ABI_MAGIC), N(XI_ABI_VERSION), N(XI_IF_MAX), N(XI_IF_INTERNAL), N(XI_QUEUE_MAX), N(XI_WORKER_MAX), N(XI_NAME_MAX),
	N(XI_DIR_IN), N(XI_DIR_OUT), N(XI_IP4), N(XI_IP6), N(XI_IF_ATTACHED), N(XI_IF_GENERIC), N(XI_IF_CLSACT),
	N(XI_IF_RPF_STRICT), N(XI_IF_RPF_LOOSE), N(XI_IF_NO_FORWARD), N(XI_VF_HOST),
	N(XI_ACTION_NONE), N(XI_ACTION_DISCARD), N(XI_ACTION_ENCRYPT), N(XI_LEVEL_USE), N(XI_LEVEL_REQUIRE), N(XI_LEVEL_UNIQUE),
	N(XI_PROTOS_AH), N(XI_PROTOS_ESP), N(XI_SEL_PROTO), N(XI_SEL_SRC_PORT), N(XI_SEL_DST_PORT), N(XI_POL_DYNAMIC),
	N(XI_POL_INACTIVE), N(XI_SHAPES_MAX), N(XI_KIND_NO_PORTS), N(XI_KIND_NO_PROTO), N(XI_KINDS), N(XI_FILTER), N(XI_PARTS), N(XI_FIELD_PROTO), N(XI_FIELD_DST_PORT), N(XI_FIELDS), N(XI_PROBE_MAX), N(XI_BUCKET_WAYS), N(XI_TUPLE_NO_PORTS), N(XI_TUPLE_NO_PROTO), N(XI_PROTO_ESP), N(XI_PROTO_AH),
	N(XI_MODE_TRANSPORT), N(XI_MODE_TUNNEL), N(XI_SA_LARVAL), N(XI_SA_MATURE), N(XI_SA_DYING), N(XI_SA_DEAD),
	N(XI_SA_F_MANUAL), N(XI_SA_F_ESN), N(XI_SA_F_UDP), N(XI_SA_F_KEEPALIVE), N(XI_SA_F_PFS), N(XI_SA_F_AH_ALIGN8),
	N(XI_VF_UDP), N(XI_VF_FRAG), N(XI_VF_ICMP), N(XI_HOLD_PACKETS), N(XI_MSS_AUTO), N(XI_MSS_OFF), N(XI_SAID_SOFT),
	N(XI_SAID_HARD), N(XI_SAID_SEQUENCE), N(XI_FRAG_CONFLICT), N(XI_FRAG_ESP), N(XI_FRAG_IKE), N(XI_FRAG_HELD), N(XI_IF_NO_FORWARD6), N(XI_IF_RXVLAN), N(XI_IF_TAGS_GONE), N(XI_IF_RXSTAG), N(XI_IF_STAGS_GONE), N(XI_IF_SEES_NAT), N(XI_IF_UNSETTLED),
	N(XI_ENGINE_NONE), N(XI_ENGINE_IPSEC_MB), N(XI_ENGINE_OPENSSL), N(XI_ENGINE_NETTLE), N(XI_REPLAY_WINDOW_MAX),
	N(XI_ENC_NULL), N(XI_ENC_AES_CBC), N(XI_ENC_AES_GCM), N(XI_ENC_DES), N(XI_ENC_3DES), N(XI_ENC_BLOWFISH),
	N(XI_ENC_TWOFISH), N(XI_ENC_CAMELLIA), N(XI_ENC_AES_CTR), N(XI_ENC_AES_GCM_12), N(XI_ENC_AES_GCM_8),
	N(XI_ENC_AES_CCM), N(XI_ENC_AES_CCM_12), N(XI_ENC_AES_CCM_8), N(XI_ENC_CHACHA20), N(XI_ENC_AES_GMAC),
	N(XI_AUTH_NULL), N(XI_AUTH_MD5), N(XI_AUTH_SHA1), N(XI_AUTH_SHA256), N(XI_AUTH_SHA384), N(XI_AUTH_SHA512),
	N(XI_AUTH_AES_XCBC), N(XI_AUTH_AES_CMAC), N(XI_AUTH_AES_GMAC),
	N(XI_PASS_BASE), N(XI_REASON_MAX),
#define X(sym, name) N(XI_STAT_##sym),
	XI_STATS(X)
#undef X
#define X(sym, stat, text) N(XI_DROP_##sym),
	XI_DROPS(X)
#undef X
#define X(sym, text) N(XI_##sym),
	XI_PASSES(X)
#undef X
};
/* clang-format on */

static int reserved(const char *name)
{
	return strncmp(name, "res", 3) == 0 ? name[3] == '\0' : strncmp(name, "pad", 3) == 0;
}

static void write_layout(FILE *out)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!reserved(fields[i].name))
			(void)fprintf(out, "%s.%s offset %zu size %zu of %zu\n", fields[i].record, fields[i].name,
				      fields[i].offset, fields[i].size, fields[i].record_size);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)fprintf(out, "%s = %ld\n", numbers[i].name, numbers[i].value);
}

/* Every line of the golden file is still there. */
static void t_layout_is_golden(void **state)
{
	char line[256], *now = NULL;
	size_t size = 0;
	unsigned lines = 0, lost = 0;
	FILE *golden = fopen(GOLDEN, "re"), *out = open_memstream(&now, &size);

	(void)state;
	assert_non_null(out);
	(void)fputc('\n', out);
	write_layout(out);
	assert_int_equal(fclose(out), 0);
	if (!golden)
		fail_msg("cannot open %s (tests run from the repository's root)", GOLDEN);
	line[0] = '\n';
	while (fgets(line + 1, sizeof(line) - 1, golden)) {
		lines++;
		if (!strstr(now, line)) {
			print_error("changed without a new XI_ABI_VERSION: %s", line + 1);
			lost++;
		}
	}
	(void)fclose(golden);
	free(now);
	assert_true(lines > 100);
	assert_int_equal(lost, 0);
}

/* The golden list is brought along when something is appended. */
static void t_golden_is_complete(void **state)
{
	char *golden, *now = NULL;
	size_t size = 0, n;
	FILE *out = open_memstream(&now, &size), *f = fopen(GOLDEN, "re");

	(void)state;
	assert_non_null(out);
	write_layout(out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(f);
	golden = calloc(1, size + 1);
	assert_non_null(golden);
	n = fread(golden, 1, size + 1, f);
	(void)fclose(f);
	if (n != size || memcmp(golden, now, size) != 0)
		fail_msg("%s is not what t_abi --print prints", GOLDEN);
	free(golden);
	free(now);
}

/* Explicit padding everywhere: a field begins where the one before ends, and the last ends with the record. */
static void t_no_hidden_padding(void **state)
{
	size_t n = sizeof(fields) / sizeof(fields[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &fields[i], *next = f + 1;
		int last = i + 1 == n || strcmp(f->record, next->record) != 0;

		if (f->offset + f->size != (last ? f->record_size : next->offset))
			fail_msg("behind %s.%s there is padding, or a field that is not listed here", f->record,
				 f->name);
		if (last && i + 1 < n)
			assert_int_equal(next->offset, 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_layout_is_golden),
		cmocka_unit_test(t_golden_is_complete),
		cmocka_unit_test(t_no_hidden_padding),
	};

	if (argc > 1 && strcmp(argv[1], "--print") == 0) {
		write_layout(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
