/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISAKMP messages of arbitrary bytes. What the parser takes, the writer makes again, byte for byte; what it refuses, it says why. The bytes
 * of an encrypted message are tried as a decrypted chain too, so that all payload parsers see them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ike/msg/msg.h"
#include "tests/fuzz/fuzz.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_ike_msg: %s\n", #what);                                                     \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static struct msg m;

static void must_be_named(const struct msg_err *e)
{
	char text[256];

	must(e->what && e->notify);
	must(strlen(msg_err_text(e, text, sizeof(text))) > 8);
	must(!m.n_payloads && !m.n_proposals && !m.n_transforms);
}

static void write_again(struct bytes chain)
{
	static uint8_t buf[1 << 17];
	struct msg_wr w;
	int n;

	msg_wr_begin(&w, buf, sizeof(buf), &m.hdr);
	for (unsigned i = 0; i < m.n_payloads; i++) {
		must(m.payload[i].whole.p >= chain.p);
		must(m.payload[i].whole.p + m.payload[i].whole.len <= chain.p + chain.len);
		(void)msg_vid_of(m.payload[i].body);
		msg_wr_payload(&w, &m, &m.payload[i]);
	}
	n = msg_wr_end(&w);
	must(n == (int)(ISAKMP_HDR_LEN + chain.len - m.tail.len));
	must(!memcmp(buf + ISAKMP_HDR_LEN, chain.p, chain.len - m.tail.len));
	must(buf[16] == m.hdr.next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest = {data + ISAKMP_HDR_LEN, size - ISAKMP_HDR_LEN};
	struct msg_err e;

	if (msg_parse(&m, (struct bytes){data, size}, &e)) {
		must_be_named(&e);
		return 0;
	}
	if (!m.cipher.p) {
		write_again(rest);
		return 0;
	}
	must(m.cipher.p == rest.p && m.cipher.len == rest.len && !m.n_payloads);
	if (msg_payloads_parse(&m, rest, &e))
		must_be_named(&e);
	else
		write_again(rest);
	return 0;
}
