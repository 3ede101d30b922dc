/* SPDX-License-Identifier: BSD-2-Clause */
/* ISAKMP messages: what third-party daemons sent, what is refused and with which words, and everything that a length can do wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/ike1_capture.h"

static struct msg m;

/* Copies the bytes to a block of exactly their size, so that a sanitizer sees a read behind the end. */
static int parse_exact(const uint8_t *p, size_t len, struct msg_err *e)
{
	uint8_t *copy = malloc(len + !len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, p, len);
	rc = msg_parse(&m, (struct bytes){copy, len}, e);
	if (!rc && m.cipher.p && msg_payloads_parse(&m, m.cipher, e))
		assert_non_null(e->what); /* ciphertext is no chain, mostly */
	free(copy);
	return rc;
}

static void set_len(uint8_t *msg, size_t len)
{
	for (unsigned i = 0; i < 4; i++)
		msg[24 + i] = (uint8_t)(len >> (24 - 8 * i));
}

/* Every message of the captures: parsed, and in clear written again byte for byte. */
static void t_captures_round_trip(void **state)
{
	unsigned clear = 0, encrypted = 0;

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(ike1_captures); c++) {
		for (unsigned i = 0; i < CAPTURE_MSGS && ike1_captures[c]->msg[i].hex; i++) {
			uint8_t in[CAPTURE_MSG_MAX], out[CAPTURE_MSG_MAX];
			size_t n = unhex(in, sizeof(in), ike1_captures[c]->msg[i].hex);
			struct msg_err e = {0};
			struct msg_wr w;

			if (msg_parse(&m, (struct bytes){in, n}, &e))
				fail_msg("%s message %u: %s", ike1_captures[c]->name, i + 1, e.what);
			if (m.cipher.p) {
				encrypted++;
				assert_int_equal(m.cipher.len, n - ISAKMP_HDR_LEN);
				continue;
			}
			clear++;
			msg_wr_begin(&w, out, sizeof(out), &m.hdr);
			for (unsigned k = 0; k < m.n_payloads; k++)
				msg_wr_payload(&w, &m, &m.payload[k]);
			assert_int_equal(msg_wr_end(&w), (int)n);
			assert_memory_equal(in, out, n);
		}
	}
	assert_true(clear > 40 && encrypted > 80);
}

/* Truncated at each byte: with the old length in the header, and with a fitting one. Never accepted but where the tail may be missing. */
static void t_truncated_everywhere(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(ike1_captures); c++) {
		for (unsigned i = 0; i < CAPTURE_MSGS && ike1_captures[c]->msg[i].hex; i++) {
			uint8_t in[CAPTURE_MSG_MAX];
			size_t n = unhex(in, sizeof(in), ike1_captures[c]->msg[i].hex);
			int encrypted = in[19] & ISAKMP_F_ENCRYPTED;
			struct msg_err e;

			for (size_t cut = 0; cut < n; cut++) {
				assert_int_equal(parse_exact(in, cut, &e), -EBADMSG);
				assert_non_null(e.what);
				if (cut <= ISAKMP_HDR_LEN)
					continue;
				set_len(in, cut);
				if (!encrypted)
					assert_int_equal(parse_exact(in, cut, &e), -EBADMSG);
				else
					(void)parse_exact(in, cut, &e);
				set_len(in, n);
			}
		}
	}
}

/* Each bit turned: accepted or refused with a reason, and never read behind the end (SAN=1). */
static void t_bits_turned(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(ike1_captures); c++) {
		for (unsigned i = 0; i < CAPTURE_MSGS && ike1_captures[c]->msg[i].hex; i++) {
			uint8_t in[CAPTURE_MSG_MAX];
			size_t n = unhex(in, sizeof(in), ike1_captures[c]->msg[i].hex);
			struct msg_err e;

			for (size_t bit = 0; bit < 8 * n; bit++) {
				in[bit / 8] ^= (uint8_t)(1 << bit % 8);
				e = (struct msg_err){0};
				if (parse_exact(in, n, &e))
					assert_true(e.what && e.notify);
				in[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
	}
}

#define HDR(next) "0102030405060708 0000000000000000 " next " 10 02 00 00000000 00000000 "

struct refusal {
	const char *hex; /* spaces are left out; the length is filled in */
	uint16_t notify; /* 0: accepted */
	const char *text;
};

static const struct refusal refusals[] = {
	{HDR("0d") "00000008 01020304", 0, NULL},
	{HDR("0d") "00000008 01020304 000000", 0, NULL}, /* padding of old peers */
	{HDR("0d") "00000008 01020304 00000000", ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS,
	 "header: something stands behind the last payload"},
	{HDR("00"), ISAKMP_N_INVALID_PAYLOAD_TYPE, "header: no payload"},
	{HDR("0d"), ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (VID): message ends within its header"},
	{"0000000000000000 0000000000000000 0d 10 02 00 00000000 00000000 00000004", ISAKMP_N_INVALID_COOKIE,
	 "header: initiator cookie is 0"},
	{"0102030405060708 0000000000000000 0d 20 02 00 00000000 00000000 00000004", ISAKMP_N_INVALID_MAJOR_VERSION,
	 "header: major version is not 1"},
	{"0102030405060708 0000000000000000 0d 10 02 08 00000000 00000000 00000004", ISAKMP_N_INVALID_FLAGS,
	 "header: unknown flags"},
	{"0102030405060708 0000000000000000 0d 10 02 01 00000000 00000000", ISAKMP_N_PAYLOAD_MALFORMED,
	 "header: encrypted, but empty"},
	/* generic header, RFC 2408 §5.3 */
	{HDR("0d") "0d000004 00010004", ISAKMP_N_PAYLOAD_MALFORMED, "payload 2 (VID): reserved octet is not 0"},
	{HDR("0d") "00000003", ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "payload 1 (VID): length is below 4"},
	{HDR("0d") "00000005", ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "payload 1 (VID): length goes beyond the message"},
	{HDR("02") "00000004", ISAKMP_N_INVALID_PAYLOAD_TYPE, "payload 1 (proposal): stands outside of an SA payload"},
	/* simple bodies */
	{HDR("04") "00000004", 0, NULL}, /* not of the group: spec 24.4 */
	{HDR("08") "00000004", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (HASH): empty"},
	{HDR("0a") "0000000b 01020304050607", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (NONCE): length is not 8 to 256"},
	{HDR("0a") "0000000c 0102030405060708", 0, NULL},
	/* ID, RFC 2407 §4.6.2 */
	{HDR("05") "0000000c 01 11 01f4 0a000001", 0, NULL},
	{HDR("05") "0000000b 01 11 01f4 0a0000", ISAKMP_N_INVALID_ID_INFORMATION,
	 "payload 1 (ID): length does not fit the type of identity"},
	{HDR("05") "0000000c 04 00 0000 0a000001", ISAKMP_N_INVALID_ID_INFORMATION,
	 "payload 1 (ID): length does not fit the type of identity"},
	{HDR("05") "00000010 07 00 0000 0a0000010a000002", 0, NULL},
	{HDR("05") "00000018 05 00 0000 20010db8000000000000000000000001", 0, NULL},
	{HDR("05") "00000028 06 00 0000 20010db8000000000000000000000000 ffffffff000000000000000000000000", 0, NULL},
	{HDR("05") "00000028 08 00 0000 20010db8000000000000000000000000 20010db8000000000000000000000001", 0, NULL},
	{HDR("05") "00000009 0b 00 0000 61", 0, NULL},
	{HDR("05") "00000008 02 00 0000", ISAKMP_N_INVALID_ID_INFORMATION,
	 "payload 1 (ID): length does not fit the type of identity"},
	{HDR("05") "0000000c 0c 00 0000 0a000001", ISAKMP_N_INVALID_ID_INFORMATION,
	 "payload 1 (ID): unknown type of identity"},
	{HDR("05") "00000007 01 00 00", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (ID): too short"},
	/* CERT, CR */
	{HDR("06") "00000005 04", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (CERT): empty certificate"},
	{HDR("07") "00000005 04", 0, NULL},
	{HDR("07") "00000004", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (CR): too short"},
	/* N, D */
	{HDR("0b") "0000000c 00000001 01 00 6002", 0, NULL},
	{HDR("0b") "0000000c 00000001 01 04 6002", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (N): too short"},
	{HDR("0b") "0000001d 00000001 01 11 6002 0102030405060708090a0b0c0d0e0f1011", ISAKMP_N_INVALID_SPI,
	 "payload 1 (N): SPI size above 16"},
	{HDR("0c") "00000014 00000001 03 04 0002 0000010000000101", 0, NULL},
	{HDR("0c") "00000010 00000001 03 04 0002 00000100", ISAKMP_N_PAYLOAD_MALFORMED,
	 "payload 1 (D): length is not that of the SPIs"},
	{HDR("0c") "0000000c 00000001 03 04 0000", ISAKMP_N_PAYLOAD_MALFORMED,
	 "payload 1 (D): length is not that of the SPIs"},
	{HDR("0c") "00000010 00000001 01 04 0001 00000100", ISAKMP_N_INVALID_SPI,
	 "payload 1 (D): SPI size does not fit the protocol"},
	/* NAT-D, NAT-OA in both numberings, fragment */
	{HDR("14") "00000004", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (NAT-D): empty"},
	{HDR("82") "00000004", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (NAT-D (draft)): empty"},
	{HDR("15") "0000000c 01000000 0a000001", 0, NULL},
	{HDR("83") "0000000c 05000000 0a000001", ISAKMP_N_PAYLOAD_MALFORMED,
	 "payload 1 (NAT-OA (draft)): length does not fit the address"},
	{HDR("15") "0000000c 01000001 0a000001", ISAKMP_N_PAYLOAD_MALFORMED,
	 "payload 1 (NAT-OA): reserved octets are not 0"},
	{HDR("15") "0000000c 02000000 0a000001", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (NAT-OA): not an address"},
	{HDR("84") "00000009 0001 01 01 aa", 0, NULL},
	{HDR("84") "00000009 0001 00 01 aa", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (fragment): fragment number 0"},
	{HDR("84") "00000009 0001 01 02 aa", ISAKMP_N_PAYLOAD_MALFORMED,
	 "payload 1 (fragment): unknown fragment flags"},
	{HDR("84") "00000008 0001 01 01", ISAKMP_N_PAYLOAD_MALFORMED, "payload 1 (fragment): too short"},
	{HDR("c8") "00000006 aabb", 0, NULL}, /* unknown: the exchange's row judges */
	/* SA, RFC 2408 §3.4 to §3.6 */
	{HDR("01") "0000001c 00000001 00000001 00000010 01 01 00 01 00000008 01 01 0000", 0, NULL},
	{HDR("01") "00000020 00000001 00000001 00000014 01 03 04 01 00000100 00000008 01 0c 0000", 0, NULL},
	{HDR("01") "0000001e 00000001 00000001 00000012 01 03 02 01 0100 00000008 01 0c 0000",
	 ISAKMP_N_BAD_PROPOSAL_SYNTAX, "payload 1 (SA): proposal: SPI size does not fit the protocol"},
	{HDR("01") "00000008 00000002", ISAKMP_N_DOI_NOT_SUPPORTED, "payload 1 (SA): DOI is not IPsec"},
	{HDR("01") "0000000c 00000001 00000003", ISAKMP_N_SITUATION_NOT_SUPPORTED,
	 "payload 1 (SA): situation is not identity only"},
	{HDR("01") "0000000c 00000001 00000001", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): ends within a proposal's header"},
	{HDR("01") "00000014 00000001 00000001 00000008 01 01 00 00", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): ends within a transform's header"},
	{HDR("01") "0000001c 00000001 00000001 00000010 01 01 00 02 00000008 01 01 0000", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): proposal: number of transforms is wrong"},
	{HDR("01") "0000001c 00000001 00000001 00000010 01 01 00 01 00000008 01 01 0001", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): transform: reserved octets are not 0"},
	{HDR("01") "0000001c 00000001 00000001 00000010 01 01 00 01 02000008 01 01 0000", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): transform: next payload or reserved octet is wrong"},
	{HDR("01") "0000001c 00000001 00000001 00000010 01 01 00 01 00000003 01 01 0000", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): transform: length is wrong"},
	{HDR("01") "0000001c 00000001 00000001 00000020 01 01 00 01 00000008 01 01 0000", ISAKMP_N_BAD_PROPOSAL_SYNTAX,
	 "payload 1 (SA): proposal: length is wrong"},
	{HDR("01") "00000020 00000001 00000001 00000014 01 01 00 01 0000000c 01 01 0000 000b0000",
	 ISAKMP_N_BAD_PROPOSAL_SYNTAX, "payload 1 (SA): transform: an attribute's length is wrong"},
	{HDR("01") "00000020 00000001 00000001 00000010 01 01 00 01 00000008 01 01 0000 00000000",
	 ISAKMP_N_BAD_PROPOSAL_SYNTAX, "payload 1 (SA): something stands behind the last proposal"},
};

static size_t unhex_spaced(uint8_t *out, size_t max, const char *hex)
{
	char packed[2 * CAPTURE_MSG_MAX];
	size_t n = 0;

	for (; *hex; hex++)
		if (*hex != ' ')
			packed[n++] = *hex;
	packed[n] = '\0';
	return unhex(out, max, packed);
}

static void t_refusals_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];
		uint8_t in[CAPTURE_MSG_MAX];
		size_t n = unhex_spaced(in, sizeof(in), r->hex);
		struct msg_err e = {0};
		char text[256] = "";
		int rc;

		set_len(in, n);
		rc = parse_exact(in, n, &e);
		if (rc)
			(void)msg_err_text(&e, text, sizeof(text));
		if ((rc != 0) != (r->notify != 0) || (rc && (e.notify != r->notify || strcmp(text, r->text))))
			fail_msg("row %zu (%s): %d, notify %u, \"%s\"", i, r->hex, rc, e.notify, text);
	}
}

/* More payloads than a message may have; many transforms, up to the bound, in one proposal. */
static void t_bounded_counts(void **state)
{
	static const struct msg_hdr h = {.icookie = {1}, .version = ISAKMP_VERSION_1, .exchange = ISAKMP_X_MAIN};
	static uint8_t buf[65536];
	struct msg_err e;
	struct msg_wr w;

	(void)state;
	for (unsigned count = MSG_PAYLOADS_MAX; count <= MSG_PAYLOADS_MAX + 1; count++) {
		msg_wr_begin(&w, buf, sizeof(buf), &h);
		for (unsigned i = 0; i < count; i++)
			msg_wr_raw(&w, ISAKMP_P_VID, msg_vid_bytes(MSG_VID_DPD));
		assert_int_equal(parse_exact(buf, (size_t)msg_wr_end(&w), &e), count > MSG_PAYLOADS_MAX ? -EBADMSG : 0);
	}
	for (unsigned more = 0; more <= 1; more++) {
		msg_wr_begin(&w, buf, sizeof(buf), &h);
		msg_wr_sa(&w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
		for (unsigned p = 0; p < 2; p++) {
			msg_wr_proposal(&w, (uint8_t)(p + 1), IPSEC_PROTO_ISAKMP, (struct bytes){0});
			for (unsigned i = 0; i < MSG_TRANSFORMS_MAX / 2 + more; i++) {
				msg_wr_transform(&w, (uint8_t)(i + 1), IKE_TRANSFORM_KEY);
				msg_wr_attr_number(&w, IKE1_A_LIFE_TYPE, IKE1_LIFE_SECONDS);
				msg_wr_attr_number(&w, IKE1_A_LIFE_DURATION, 86400);
			}
		}
		assert_int_equal(parse_exact(buf, (size_t)msg_wr_end(&w), &e), more ? -EBADMSG : 0);
		if (more)
			assert_string_equal(e.what, "too many transforms");
		else
			assert_int_equal(m.n_transforms, MSG_TRANSFORMS_MAX);
	}
}

/* RFC 2408 §3.3: TV and TLV; durations above 65535 go as TLV of 4 bytes (spec section 16.1). */
static void t_rfc2408_3_3_attributes(void **state)
{
	static const uint8_t attrs[] = {0x80, 0x0b, 0, 1, 0, 0x0c, 0, 4, 0, 1, 0x51, 0x80, 0, 6, 0, 5, 1, 2, 3, 4, 5};
	struct rd r = rd_of((struct bytes){attrs, sizeof(attrs)});
	uint8_t buf[32];
	struct msg_wr w = {.wr = {.buf = buf, .size = sizeof(buf)}};
	struct msg_attr a;

	(void)state;
	assert_int_equal(msg_attr_next(&r, &a), 1);
	assert_true(a.basic && a.type == IKE1_A_LIFE_TYPE && a.number && a.value == 1);
	msg_wr_attr_number(&w, a.type, a.value);
	assert_int_equal(msg_attr_next(&r, &a), 1);
	assert_true(!a.basic && a.type == IKE1_A_LIFE_DURATION && a.number && a.value == 86400);
	msg_wr_attr_number(&w, a.type, a.value);
	assert_int_equal(msg_attr_next(&r, &a), 1);
	assert_true(!a.basic && !a.number && a.data.len == 5);
	assert_int_equal(msg_attr_next(&r, &a), 0);
	assert_int_equal(r.err, 0);
	assert_memory_equal(buf, attrs, 12);
}

/* Spec section 24.3: by prefix, since peers append versions. */
static void t_vendor_ids(void **state)
{
	uint8_t longer[20];

	(void)state;
	for (unsigned v = 1; v < MSG_VID_COUNT; v++) {
		struct bytes id = msg_vid_bytes((enum msg_vid)v);

		assert_int_equal(id.len, 16);
		assert_int_equal(msg_vid_of(id), v);
		memcpy(longer, id.p, 16);
		memset(longer + 16, 0x80, 4);
		assert_int_equal(msg_vid_of((struct bytes){longer, 20}), v);
		assert_int_equal(msg_vid_of((struct bytes){longer, 15}), MSG_VID_UNKNOWN);
		for (unsigned k = 1; k < v; k++)
			assert_string_not_equal(msg_vid_name((enum msg_vid)v), msg_vid_name((enum msg_vid)k));
	}
	assert_int_equal(msg_vid_of((struct bytes){0}), MSG_VID_UNKNOWN);
}

/* A buffer that is too small at every size: an error, nothing behind the end. */
static void t_writer_stays_in_its_buffer(void **state)
{
	static const struct msg_hdr h = {.icookie = {1}, .version = ISAKMP_VERSION_1};
	static const struct msg_id id = {IPSEC_ID_FQDN, 0, 0, {(const uint8_t *)"gw.example", 10}};

	(void)state;
	for (size_t size = 0; size <= 80; size++) {
		uint8_t *buf = malloc(size + !size);
		struct msg_wr w;
		int n;

		assert_non_null(buf);
		msg_wr_begin(&w, buf, size, &h);
		msg_wr_sa(&w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
		msg_wr_proposal(&w, 1, IPSEC_PROTO_ISAKMP, (struct bytes){0});
		msg_wr_transform(&w, 1, IKE_TRANSFORM_KEY);
		msg_wr_attr_number(&w, IKE1_A_CIPHER, IKE1_AES);
		msg_wr_id(&w, &id);
		n = msg_wr_end(&w);
		assert_int_equal(n, size < 78 ? -ENOSPC : 78);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_captures_round_trip), cmocka_unit_test(t_truncated_everywhere),
		cmocka_unit_test(t_bits_turned),	 cmocka_unit_test(t_refusals_are_named),
		cmocka_unit_test(t_bounded_counts),	 cmocka_unit_test(t_rfc2408_3_3_attributes),
		cmocka_unit_test(t_vendor_ids),		 cmocka_unit_test(t_writer_stays_in_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
