/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Too big" messages read, answered and fragments cut under arbitrary bytes. Byte 0: 1 = lengths and checksums are made right first,
 * so that what is behind them is reached; bytes 1, 2: an MTU. The rest is the packet, with exactly its own bytes. What is read
 * names a protocol and an SPI; what is written is sound and holds to its limits.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/xi_sa.h"
#include "tests/fuzz/fuzz.h"
#include "user/ipsec/frag.h"
#include "user/ipsec/icmp.h"
#include "user/ipsec/ip6.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_icmp: %s\n", #what);                                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static void mend4(uint8_t *ip, size_t len)
{
	size_t hdr = ip4_hdr_len(ip);

	if (hdr < IP4_HDR || hdr > len)
		return;
	u16_put(ip + IP4_LEN, (uint16_t)len);
	ip4_sum_put(ip);
	if (len >= hdr + 4) {
		be16_put(ip + hdr + 2, 0);
		be16_put(ip + hdr + 2, (uint16_t)~ip4_sum(ip + hdr, len - hdr));
	}
}

static void mend6(uint8_t *ip, size_t len)
{
	struct ip6_at at = ip6_first(ip);
	uint8_t *icmp;

	u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	while (ip6_step(&at, ip, len) > 0)
		;
	if (len < at.off + 4)
		return;
	icmp = ip + at.off;
	be16_put(icmp + 2, 0);
	be16_put(icmp + 2, (uint16_t)~ip6_upper_sum(ip + IP6_SRC, 58, icmp, len - at.off));
}

static void read_it(const struct pkt *p)
{
	struct icmp_quote q;

	if (icmp_read_too_big(p, &q))
		return;
	must(q.family == p->data[0] >> 4);
	must(q.proto == XI_PROTO_ESP || q.proto == XI_PROTO_AH);
	must(q.spi && (q.mtu || q.family == XI_IP6) && !(q.udp && q.proto == XI_PROTO_AH));
}

static void answer_it(const struct pkt *p, uint16_t mtu)
{
	static const struct xi_addr src = {{1, 2, 3, 4}};
	uint8_t out[ICMP6_PACKET_MAX];
	size_t n = icmp4_too_big(out, sizeof(out), p->data, pkt_len(p), 1, mtu);

	must(n <= ICMP4_PACKET_MAX && (!n || ip4_check(out, n) == n));
	n = icmp6_too_big(out, sizeof(out), p->data, pkt_len(p), &src, mtu);
	must(n <= ICMP6_PACKET_MAX && (!n || ip6_check(out, n) == n));
}

static void cut_it(const struct pkt *p, size_t mtu)
{
	unsigned n4 = frag4_count(p, mtu), n6 = frag6_count(p, mtu);
	uint8_t *buf = malloc(mtu + !mtu);
	struct pkt out = {buf, buf, buf, buf + mtu};

	must(buf && !(n4 && n6));
	for (unsigned i = 0; i < n4 && i < 64; i++) {
		must(frag4_make(&out, p, mtu, i) == 0);
		must(ip4_check(buf, pkt_len(&out)) == pkt_len(&out));
	}
	for (unsigned i = 0; i < n6 && i < 64; i++) {
		must(frag6_make(&out, p, mtu, i, 7) == 0);
		must(ip6_check(buf, pkt_len(&out)) == pkt_len(&out));
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf;
	uint16_t mtu;
	struct pkt p;

	if (size < 3)
		return 0;
	mtu = u16_get(data + 1);
	size -= 3;
	buf = malloc(size + !size);
	must(buf);
	memcpy(buf, data + 3, size);
	p = (struct pkt){buf, buf, buf + size, buf + size};
	if ((data[0] & 1) && size >= IP4_HDR && buf[0] >> 4 == 4)
		mend4(buf, size);
	if ((data[0] & 1) && size >= IP6_HDR && buf[0] >> 4 == 6)
		mend6(buf, size);
	read_it(&p);
	answer_it(&p, mtu);
	cut_it(&p, mtu);
	free(buf);
	return 0;
}
