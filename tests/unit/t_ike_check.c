/* SPDX-License-Identifier: BSD-2-Clause */
/* proposal-check: the tables of spec section 18, one row for each row, one column for each value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ike/neg/check.h"

#define T CHECK_TAKEN
#define L CHECK_LIFE
#define B CHECK_BYTES
#define K CHECK_KEY
#define G CHECK_GROUP

static const struct check_terms own = {1800, 1 << 20, 192, 2};

struct row {
	struct check_terms offered;
	uint8_t verdict[4]; /* obey, strict, claim, exact */
	uint32_t claim_life;
	uint64_t claim_bytes;
	uint8_t claim_notify;
};

/* 18.1; the last three columns: what claim uses */
static const struct row phase2[] = {
	{{1800, 1 << 20, 192, 2}, {T, T, T, T}, 1800, 1 << 20, 0},
	{{1799, 1 << 20, 192, 2}, {T, T, T, L}, 1799, 1 << 20, 0},
	{{1801, 1 << 20, 192, 2}, {T, L, T, L}, 1800, 1 << 20, 1},
	{{1800, 1 << 19, 192, 2}, {T, T, T, B}, 1800, 1 << 19, 0},
	{{1800, 1 << 21, 192, 2}, {T, B, T, B}, 1800, 1 << 20, 1},
	{{1800, 0, 192, 2}, {T, B, T, B}, 1800, 1 << 20, 1}, /* no limit is more than any */
	{{1800, 1 << 20, 256, 2}, {T, T, T, K}, 1800, 1 << 20, 0},
	{{1800, 1 << 20, 128, 2}, {T, K, K, K}, 0, 0, 0},
	{{1800, 1 << 20, 192, 0}, {T, G, G, G}, 0, 0, 0},
	{{1800, 1 << 20, 192, 5}, {T, G, G, G}, 0, 0, 0},
};

static void t_phase2(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(phase2); i++) {
		const struct row *r = &phase2[i];

		for (unsigned mode = CHECK_OBEY; mode <= CHECK_EXACT; mode++) {
			struct check_terms use = {0};
			int notify = 0;

			if (check_phase2((enum check_mode)mode, &r->offered, &own, &use, &notify) != r->verdict[mode])
				fail_msg("row %zu, mode %u", i, mode);
			if (r->verdict[mode] != T)
				continue;
			assert_int_equal(use.key_bits, r->offered.key_bits);
			assert_int_equal(use.group, r->offered.group);
			assert_int_equal(use.life_s, mode == CHECK_CLAIM ? r->claim_life : r->offered.life_s);
			assert_int_equal(use.life_bytes, mode == CHECK_CLAIM ? r->claim_bytes : r->offered.life_bytes);
			assert_int_equal(notify, mode == CHECK_CLAIM && r->claim_notify);
		}
	}
}

/* 18.1: without PFS of our own only exact insists. */
static void t_phase2_without_pfs(void **state)
{
	struct check_terms none = own, with = own, use;
	int notify;

	(void)state;
	none.group = 0;
	for (unsigned mode = CHECK_OBEY; mode <= CHECK_EXACT; mode++) {
		assert_int_equal(check_phase2((enum check_mode)mode, &none, &none, &use, &notify), T);
		assert_int_equal(check_phase2((enum check_mode)mode, &with, &none, &use, &notify),
				 mode == CHECK_EXACT ? G : T);
	}
}

/* 18.2; the byte limit is not compared, the smaller one is used, with obey the offered one if there is one. */
static const struct row phase1[] = {
	{{1800, 1 << 20, 192, 2}, {T, T, T, T}, 1800, 1 << 20, 0},
	{{1799, 1 << 19, 192, 2}, {T, T, T, L}, 1799, 1 << 19, 0},
	{{1801, 1 << 21, 192, 2}, {T, L, T, L}, 1800, 1 << 20, 0},
	{{1800, 0, 192, 2}, {T, T, T, T}, 1800, 1 << 20, 0},
	{{1800, 1 << 20, 256, 2}, {T, T, T, K}, 1800, 1 << 20, 0},
	{{1800, 1 << 20, 128, 2}, {T, K, K, K}, 0, 0, 0},
};

static void t_phase1(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(phase1); i++) {
		const struct row *r = &phase1[i];

		for (unsigned mode = CHECK_OBEY; mode <= CHECK_EXACT; mode++) {
			struct check_terms use = {0};

			if (check_phase1((enum check_mode)mode, &r->offered, &own, &use) != r->verdict[mode])
				fail_msg("row %zu, mode %u", i, mode);
			if (r->verdict[mode] != T)
				continue;
			assert_int_equal(use.life_s, mode == CHECK_OBEY ? r->offered.life_s : r->claim_life);
			assert_int_equal(use.life_bytes, mode == CHECK_OBEY && r->offered.life_bytes
								 ? r->offered.life_bytes
								 : r->claim_bytes);
		}
	}
}

/* 18.3 */
static void t_responder_lifetime(void **state)
{
	static const uint32_t want[4][3] = {
		{600, 1800, 3600}, {600, 1800, 1800}, {600, 1800, 1800}, {1800, 1800, 1800}};
	static const uint32_t heard[3] = {600, 1800, 3600};

	(void)state;
	for (unsigned mode = CHECK_OBEY; mode <= CHECK_EXACT; mode++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(check_responder_lifetime((enum check_mode)mode, heard[i], 1800),
					 want[mode][i]);
		assert_int_equal(check_responder_lifetime((enum check_mode)mode, 0, 1800), 1800);
	}
	assert_string_equal(check_verdict_text(CHECK_GROUP), "PFS group");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_phase2),
		cmocka_unit_test(t_phase2_without_pfs),
		cmocka_unit_test(t_phase1),
		cmocka_unit_test(t_responder_lifetime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
