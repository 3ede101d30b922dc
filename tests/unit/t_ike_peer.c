/* SPDX-License-Identifier: BSD-2-Clause */
/* Which peer item is for an address (spec 4.1): the index of the configuration against its own walk over all items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "ike/core/conf.h"

#define PEERS 3000

static uint64_t seed = 0x123456789abcdefull;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32);
}

/* Few different bits, so that prefixes lie in each other and come twice. */
static struct ike_addr address(void)
{
	struct ike_addr a = {.family = rnd() % 3 ? XI_IP4 : XI_IP6};

	for (unsigned i = 0; i < (a.family == XI_IP4 ? 1 : 4); i++)
		a.addr.w[i] = htonl(rnd() & 0xc1030f07);
	return a;
}

static void cut(struct ike_addr *a, unsigned len)
{
	for (unsigned i = 0; i<4; i++, len = len> 32 ? len - 32 : 0)
		a->addr.w[i] &= len >= 32 ? UINT32_MAX : len ? htonl(UINT32_MAX << (32 - len)) : 0;
}

static void t_spec_4_1_longest_prefix_earlier_item(void **state)
{
	static const uint8_t lens4[] = {0, 1, 7, 8, 16, 23, 24, 31, 32}, lens6[] = {0, 32, 33, 47, 64, 96, 127, 128};
	struct ike_conf walked = {.n_peers = PEERS}, indexed;
	unsigned found = 0;

	(void)state;
	walked.peer = calloc(PEERS, sizeof(*walked.peer));
	for (unsigned i = 0; i < PEERS; i++) {
		struct ike_peer *p = &walked.peer[i];

		p->addr = address();
		p->addr_len = p->addr.family == XI_IP4 ? lens4[i < 2900 ? 4 + rnd() % 5 : rnd() % 9]
						       : lens6[i < 2900 ? 2 + rnd() % 6 : rnd() % 8];
		cut(&p->addr, p->addr_len);
	}
	indexed = walked;
	ike_conf_index(&indexed);
	assert_non_null(indexed.by_prefix);
	for (unsigned i = 0; i < 5000; i++) {
		struct ike_addr a = address();
		const struct ike_peer *p = ike_conf_peer(&walked, &a);

		assert_ptr_equal(ike_conf_peer(&indexed, &a), p);
		found += p && p->addr_len > 8;
	}
	assert_true(found > 1000);
	free(indexed.by_prefix);
	free(walked.peer);
}

static void t_no_peers_at_all(void **state)
{
	struct ike_conf c = {0};
	struct ike_addr a = {.family = XI_IP4};

	(void)state;
	ike_conf_index(&c);
	assert_null(ike_conf_peer(&c, &a));
	free(c.by_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_4_1_longest_prefix_earlier_item),
		cmocka_unit_test(t_no_peers_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
