/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSS clamping of arbitrary bytes. Bytes 0, 1: the MSS; the rest is the packet. The packet's sum stays what it was, since the TCP
 * checksum is mended with every change; a second time changes nothing; what the cheap look rejects would not have changed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "user/ipsec/mss.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_mss: %s\n", #what);                                                         \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t mss, before, after;
	int may = 1, changed;
	uint8_t *ip;

	if (size < 2)
		return 0;
	mss = u16_get(data);
	data += 2;
	size -= 2;
	ip = malloc(size + !size);
	must(ip);
	memcpy(ip, data, size);
	if (ip4_check(ip, size) || ip6_check(ip, size))
		may = mss_may_apply(ip, size);
	before = ip4_sum(ip, size);
	changed = mss_clamp(ip, size, mss);
	after = ip4_sum(ip, size);
	must(before % 0xffff == after % 0xffff);
	must(changed == (memcmp(ip, data, size) != 0));
	must(may || !changed);
	must(mss_clamp(ip, size, mss) == 0);
	free(ip);
	return 0;
}
