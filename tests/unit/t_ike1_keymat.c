/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys, hashes and IVs of IKEv1: 13 captured exchanges are followed message by message. Each value that a daemon logged must come out, each
 * encrypted message must open and parse, and each HASH in it must be ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ike/v1/keymat.h"
#include "tests/lib/ike1_capture.h"

struct exchange {
	uint32_t id;
	unsigned messages;
	uint8_t iv[16];
	struct bytes nonce[2], spi[2];
};

struct walk {
	const struct ike1_capture *cap;
	const struct hash *hash;
	const struct cipher *cipher;
	unsigned key_len, auth, mode;
	struct ike1_inputs in;
	struct ike1_skeyid k;
	uint8_t key[CIPHER_KEY_MAX], last[16], gxy[128], child_gxy[128];
	struct bytes hash_payload[2], child_secret;
	struct exchange ex[12];
	unsigned keyed, opened, checked;
	uint8_t buf[CAPTURE_MSGS][CAPTURE_MSG_MAX]; /* decrypted in place: inputs point into it */
};

static struct walk w;
static struct msg m;

static void same(const char *what, const uint8_t *got, const char *hex)
{
	uint8_t want[1024];
	size_t n = unhex(want, sizeof(want), hex);

	if (memcmp(got, want, n))
		fail_msg("%s: %s differs", w.cap->name, what);
	w.checked++;
}

static void logged(const char *what, const uint8_t *got)
{
	const char *hex = capture_value(w.cap, what, 0);

	if (hex)
		same(what, got, hex);
}

static void read_choice(const struct msg_payload *sa)
{
	const struct msg_proposal *p = &m.proposal[sa->sa.proposal];
	struct rd r = rd_of(m.transform[p->transform].attrs);
	unsigned cipher = 0, bits = 0;
	struct msg_attr a;

	while (msg_attr_next(&r, &a)) {
		if (a.type == IKE1_A_CIPHER)
			cipher = a.value;
		else if (a.type == IKE1_A_KEY_LENGTH)
			bits = a.value;
		else if (a.type == IKE1_A_HASH)
			w.hash = hash_by_ike1(a.value);
		else if (a.type == IKE1_A_AUTH)
			w.auth = a.value;
	}
	w.cipher = cipher_by_ike1(cipher, bits, &w.key_len);
	assert_non_null(w.hash);
	assert_non_null(w.cipher);
}

static void derive(void)
{
	const char *psk = w.cap->psk;

	(void)unhex(w.gxy, sizeof(w.gxy), capture_value(w.cap, "shared Diffie Hellman secret", 0));
	w.in.gxy = (struct bytes){w.gxy, sizeof(w.gxy)};
	if (w.auth == IKE1_AUTH_RSA_SIG)
		assert_int_equal(ike1_skeyid_sig(w.hash, &w.in, &w.k), 0);
	else
		assert_int_equal(
			ike1_skeyid_psk(w.hash, (struct bytes){(const uint8_t *)psk, strlen(psk)}, &w.in, &w.k), 0);
	assert_int_equal(ike1_skeyid_rest(w.hash, &w.in, &w.k), 0);
	assert_int_equal(ike1_cipher_key(w.hash, &w.k, w.key, w.key_len), 0);
	assert_int_equal(ike1_iv_phase1(w.hash, &w.in, w.last, w.cipher->block), 0);
	logged("SKEYID", w.k.skeyid);
	logged("SKEYID_d", w.k.d);
	logged("SKEYID_a", w.k.a);
	logged("SKEYID_e", w.k.e);
	logged("encryption key Ka", w.key);
	logged("initial IV", w.last);
	w.keyed = 1;
}

static void phase1(unsigned side)
{
	const struct msg_payload *p;

	w.mode = m.hdr.exchange;
	if ((p = msg_find(&m, ISAKMP_P_SA, 0))) {
		if (side)
			read_choice(p);
		else
			w.in.sai = p->body;
	}
	if ((p = msg_find(&m, ISAKMP_P_KE, 0)))
		*(side ? &w.in.gxr : &w.in.gxi) = p->body;
	if ((p = msg_find(&m, ISAKMP_P_NONCE, 0)))
		*(side ? &w.in.nr : &w.in.ni) = p->body;
	if ((p = msg_find(&m, ISAKMP_P_ID, 0)))
		*(side ? &w.in.idir : &w.in.idii) = p->body;
	if ((p = msg_find(&m, ISAKMP_P_HASH, 0)))
		w.hash_payload[side] = p->body;
	if (!w.keyed && w.in.gxr.p && w.in.gxi.p && w.in.nr.p && w.in.ni.p)
		derive();
}

static struct exchange *exchange_of(uint32_t id)
{
	struct exchange *x = w.ex;
	char name[64];
	const char *hex;

	while (x->id && x->id != id)
		x++;
	if (x->id)
		return x;
	x->id = id;
	assert_int_equal(ike1_iv_exchange(w.hash, w.last, id, x->iv, w.cipher->block), 0);
	(void)snprintf(name, sizeof(name), "next IV for MID %u", id);
	logged(name, x->iv);
	for (unsigned i = 0; (hex = capture_value(w.cap, "phase 2 IV", i)); i++) {
		uint8_t iv[16];

		if (unhex(iv, 16, hex) && !memcmp(iv, x->iv, w.cipher->block))
			w.checked++;
	}
	return x;
}

/* Both directions against what the daemon logged. */
static void child_keys(const struct exchange *x)
{
	uint8_t mat[2][64], want[2][64];
	const char *hex;

	for (unsigned to = 0; to < 2; to++) {
		struct ike1_child c = {w.child_secret, IPSEC_PROTO_ESP, x->spi[to], x->nonce[0], x->nonce[1]};

		assert_int_equal(ike1_keymat(w.hash, &w.k, &c, mat[to], sizeof(mat[to])), 0);
	}
	for (unsigned to = 0; to < 2; to++) { /* strongSwan: the initiator sends to the responder's SPI */
		const char *enc = capture_value(
			w.cap, to ? "child encryption initiator key" : "child encryption responder key", 0);

		if (!enc)
			break;
		same("encryption key", mat[to], enc);
		same("integrity key", mat[to] + strlen(enc) / 2,
		     capture_value(w.cap, to ? "child integrity initiator key" : "child integrity responder key", 0));
	}
	for (unsigned i = 0; (hex = capture_value(w.cap, "KEYMAT", i)); i++) { /* racoon: its own SPI first */
		size_t n = unhex(want[0], sizeof(want[0]), hex);

		assert_true(!memcmp(want[0], mat[0], n) || !memcmp(want[0], mat[1], n));
		w.checked++;
	}
}

static void quick(struct exchange *x, unsigned side, struct bytes rest, uint8_t *want)
{
	const struct msg_payload *p;

	if ((p = msg_find(&m, ISAKMP_P_NONCE, 0)))
		x->nonce[side] = p->body;
	if ((p = msg_find(&m, ISAKMP_P_SA, 0)))
		x->spi[side] = m.proposal[p->sa.proposal].spi;
	if (x->messages == 1) {
		assert_int_equal(ike1_hash1(w.hash, &w.k, x->id, rest, want), 0);
	} else if (x->messages == 2) {
		assert_int_equal(ike1_hash2(w.hash, &w.k, x->id, x->nonce[0], rest, want), 0);
	} else {
		assert_int_equal(x->messages, 3);
		assert_int_equal(ike1_hash3(w.hash, &w.k, x->id, x->nonce[0], x->nonce[1], want), 0);
		child_keys(x);
	}
}

static void other(struct exchange *x, unsigned side, struct bytes plain)
{
	const struct msg_payload *h = &m.payload[0];
	struct bytes rest = {plain.p + h->whole.len, plain.len - h->whole.len - m.tail.len};
	uint8_t want[HASH_MAX];

	assert_int_equal(h->type, ISAKMP_P_HASH);
	x->messages++;
	if (m.hdr.exchange == ISAKMP_X_QUICK)
		quick(x, side, rest, want);
	else
		assert_int_equal(ike1_hash1(w.hash, &w.k, x->id, rest, want), 0);
	assert_int_equal(h->body.len, w.hash->len);
	assert_memory_equal(h->body.p, want, w.hash->len);
	w.checked++;
}

static void phase1_hashes(void)
{
	uint8_t hash[2][HASH_MAX];
	int base = w.mode == ISAKMP_X_BASE;

	if (base && w.auth == IKE1_AUTH_RSA_SIG) {
		assert_int_equal(ike1_base_sig_hash_i(w.hash, &w.in, 1, hash[0]), 0);
		assert_int_equal(ike1_base_sig_hash_r(w.hash, &w.in, hash[1]), 0);
	} else {
		assert_int_equal((base ? ike1_base_hash_i : ike1_hash_i)(w.hash, &w.k, &w.in, hash[0]), 0);
		assert_int_equal(ike1_hash_r(w.hash, &w.k, &w.in, hash[1]), 0);
	}
	logged("HASH_I", hash[0]);
	logged("HASH_R", hash[1]);
	for (unsigned side = 0; side < 2; side++) {
		assert_true(w.hash_payload[side].p || w.auth == IKE1_AUTH_RSA_SIG);
		if (w.hash_payload[side].p)
			assert_memory_equal(w.hash_payload[side].p, hash[side], w.hash->len);
	}
}

static void nat_d(void)
{
	const char *hex;

	for (unsigned i = 0; (hex = capture_value(w.cap, "natd_chunk", i)); i++) {
		uint8_t in[22], out[HASH_MAX];

		assert_int_equal(unhex(in, sizeof(in), hex), 22);
		assert_int_equal(ike1_nat_d(w.hash, (struct bytes){in, 8}, (struct bytes){in + 8, 8},
					    (struct bytes){in + 16, 4}, (uint16_t)(in[20] << 8 | in[21]), out),
				 0);
		same("NAT-D", out, capture_value(w.cap, "natd_hash", i));
	}
}

static void open_message(unsigned i, unsigned side)
{
	uint8_t *text = w.buf[i] + ISAKMP_HDR_LEN, *iv, again[CAPTURE_MSG_MAX], sent[CAPTURE_MSG_MAX], first_iv[16];
	struct exchange *x = m.hdr.message_id ? exchange_of(m.hdr.message_id) : NULL;
	struct bytes plain = m.cipher;
	struct msg_err e;

	iv = x ? x->iv : w.last;
	memcpy(first_iv, iv, sizeof(first_iv));
	memcpy(sent, text, plain.len);
	assert_int_equal(cipher_open(w.cipher, w.key, w.key_len, iv, text, plain.len), 0);
	if (msg_payloads_parse(&m, plain, &e))
		fail_msg("%s message %u: %s", w.cap->name, i + 1, e.what);
	w.opened++;
	/* The way back gives the same ciphertext and the same next IV. */
	memcpy(again, text, plain.len);
	assert_int_equal(cipher_seal(w.cipher, w.key, w.key_len, first_iv, again, plain.len), 0);
	assert_memory_equal(again, sent, plain.len);
	assert_memory_equal(first_iv, iv, w.cipher->block);
	if (x)
		other(x, side, plain);
	else
		phase1(side);
}

static void follow(const struct ike1_capture *cap)
{
	const char *pfs = capture_value(cap, "child DH secret", 0);

	memset(&w, 0, sizeof(w));
	w.cap = cap;
	if (pfs)
		w.child_secret = (struct bytes){w.child_gxy, unhex(w.child_gxy, sizeof(w.child_gxy), pfs)};
	for (unsigned i = 0; cap->msg[i].hex; i++) {
		unsigned side = (unsigned)cap->msg[i].from_responder;
		size_t n = unhex(w.buf[i], CAPTURE_MSG_MAX, cap->msg[i].hex);
		struct msg_err e;

		assert_int_equal(msg_parse(&m, (struct bytes){w.buf[i], n}, &e), 0);
		w.in.icookie = (struct bytes){w.buf[i], 8};
		w.in.rcookie = (struct bytes){w.buf[i] + 8, 8};
		if (m.cipher.p)
			open_message(i, side);
		else
			phase1(side);
	}
	phase1_hashes();
	nat_d();
	print_message("%s: %u messages opened, %u values\n", cap->name, w.opened, w.checked);
	assert_true(w.opened >= 5 && w.checked >= 14);
}

static void t_rfc2409_5_captures(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(ike1_captures); c++)
		follow(ike1_captures[c]);
}

/* Spec 16.1, 24.2: key lengths; and each cipher opens what it sealed, in two messages that share a chain of IVs. */
static void t_ciphers(void **state)
{
	static const struct {
		unsigned id, bits, key_len;
	} row[] = {{IKE1_DES, 0, 8},	     {IKE1_DES, 64, 0},	       {IKE1_3DES, 0, 24},
		   {IKE1_3DES, 192, 0},	     {IKE1_BLOWFISH, 0, 56},   {IKE1_BLOWFISH, 128, 16},
		   {IKE1_BLOWFISH, 40, 5},   {IKE1_BLOWFISH, 456, 0},  {IKE1_BLOWFISH, 44, 0},
		   {IKE1_AES, 0, 16},	     {IKE1_AES, 128, 16},      {IKE1_AES, 192, 24},
		   {IKE1_AES, 256, 32},	     {IKE1_AES, 512, 0},       {IKE1_CAMELLIA, 128, 16},
		   {IKE1_CAMELLIA, 192, 24}, {IKE1_CAMELLIA, 256, 32}, {2, 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t key[CIPHER_KEY_MAX], text[96], plain[96], iv[2][16] = {{7}, {7}};
		unsigned key_len = 0;
		const struct cipher *c = cipher_by_ike1(row[i].id, row[i].bits, &key_len);

		assert_int_equal(c != NULL, row[i].key_len != 0);
		if (!c)
			continue;
		assert_int_equal(key_len, row[i].key_len);
		for (unsigned b = 0; b < sizeof(plain); b++)
			plain[b] = (uint8_t)b;
		memset(key, 0x5a, sizeof(key));
		memcpy(text, plain, sizeof(text));
		assert_int_equal(cipher_seal(c, key, key_len, iv[0], text, 64), 0);
		assert_int_equal(cipher_seal(c, key, key_len, iv[0], text + 64, 32), 0);
		assert_memory_not_equal(text, plain, 16);
		assert_int_equal(cipher_open(c, key, key_len, iv[1], text, 96), 0);
		assert_memory_equal(text, plain, 96);
		assert_memory_equal(iv[0], iv[1], c->block);
		assert_int_equal(cipher_open(c, key, key_len, iv[1], text, 95), -EINVAL);
		assert_int_equal(cipher_open(c, key, key_len, iv[1], text, 0), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rfc2409_5_captures),
		cmocka_unit_test(t_ciphers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
