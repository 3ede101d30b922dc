/* SPDX-License-Identifier: BSD-2-Clause */
/* Diffie-Hellman groups: published vectors, captured exchanges, both sides agree, and every public value that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ike/neg/group.h"
#include "tests/lib/ike1_capture.h"

struct vector {
	unsigned id;
	const char *a, *public_a, *c, *public_c, *secret;
};

static const struct vector vectors[] = {
	/* Spec section 24.5 */
	{3, "0102030405060708090a0b0c0d0e0f10111213", "0036480bfc51d91a092030ab47ae177133a10979",
	 "0a11181f262d343b424950575e656c737a8188", "02d242ebfbf7bf506d39c702f2b9d5da9737e2c1",
	 "04a7fa0d5a486b638aa8c0272f98673e7dacec6e"},
	{4, "0102030405060708090a0b0c0d0e0f1011121314151617", "01b7306f71fb612ba8545fcf0a6b034ad842ff4bd8a09250",
	 "0a11181f262d343b424950575e656c737a81888f969da4", "00e5648045cac052e9ccf4eff5518e3604cbabaa574c9942",
	 "017471d1fb89122db4946342ea73643cd085915cddbdcdc4"},
	/* RFC 5903 §8.1 */
	{19, "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
	 "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
	 "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
	 "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
	 "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
	 "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
	 "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
	/* RFC 5903 §8.2 */
	{20, "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
	 "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA"
	 "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
	 "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
	 "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571"
	 "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
	 "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"},
	/* RFC 5903 §8.3 */
	{21,
	 "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777"
	 "F5957B2639BAB072462F68C27A57382D4A52",
	 "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D107564"
	 "941885942AF5A7F4601723C4195D176CED3E"
	 "017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6C"
	 "F2261A6A7F1507438BF01BEB6CA3926F9582",
	 "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A3163E4C2"
	 "F869CCA7458AA4A4EFFC311F5CB151685EB9",
	 "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6"
	 "C2912D4EF2D0433CED2B6171640012D9460F"
	 "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE"
	 "49CB57091F4732296579AB44FCD17F0FC56A",
	 "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06"
	 "B3C715A3A8CC3151F2BEE417996D19F3DDEA"},
};

/* Right-aligned, as private values of fixed length are. */
static void unhex_padded(uint8_t *out, size_t len, const char *hex)
{
	memset(out, 0, len);
	assert_true(strlen(hex) / 2 <= len);
	(void)unhex(out + len - strlen(hex) / 2, len, hex);
}

static void t_published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct group *g = group_by_id(vectors[i].id);
		uint8_t a[GROUP_PRIVATE_MAX], c[GROUP_PRIVATE_MAX], pub_a[GROUP_PUBLIC_MAX], pub_c[GROUP_PUBLIC_MAX];
		uint8_t want[GROUP_PUBLIC_MAX], got[GROUP_PUBLIC_MAX];

		unhex_padded(a, g->private_len, vectors[i].a);
		unhex_padded(c, g->private_len, vectors[i].c);
		assert_int_equal(group_public(g, a, pub_a), 0);
		assert_int_equal(unhex(want, sizeof(want), vectors[i].public_a), g->public_len);
		assert_memory_equal(pub_a, want, g->public_len);
		assert_int_equal(group_public(g, c, pub_c), 0);
		(void)unhex(want, sizeof(want), vectors[i].public_c);
		assert_memory_equal(pub_c, want, g->public_len);
		assert_int_equal(unhex(want, sizeof(want), vectors[i].secret), g->secret_len);
		assert_int_equal(group_secret(g, a, (struct bytes){pub_c, g->public_len}, got), 0);
		assert_memory_equal(got, want, g->secret_len);
		assert_int_equal(group_secret(g, c, (struct bytes){pub_a, g->public_len}, got), 0);
		assert_memory_equal(got, want, g->secret_len);
	}
}

/* RFC 7748 §5.2, §6.1 */
static void t_rfc7748_x25519_vectors(void **state)
{
	static const char *const row[][3] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	const struct group *g = group_by_id(31);
	uint8_t priv[32], peer[32], want[32], got[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		(void)unhex(priv, 32, row[i][0]);
		(void)unhex(peer, 32, row[i][1]);
		(void)unhex(want, 32, row[i][2]);
		assert_int_equal(group_secret(g, priv, (struct bytes){peer, 32}, got), 0);
		assert_memory_equal(got, want, 32);
	}
	(void)unhex(want, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_int_equal(group_public(g, priv, got), 0);
	assert_memory_equal(got, want, 32);
}

/* racoon logged its private values, of 128 bytes: public value and secret of group 2 as they stand in the capture. */
static void t_captured_modp1024(void **state)
{
	struct group g = *group_by_id(2);
	unsigned n = 0;

	(void)state;
	g.private_len = 128;
	for (size_t c = 0; c < ARRAY_SIZE(ike1_captures); c++) {
		const struct ike1_capture *cap = ike1_captures[c];
		const char *priv_hex = capture_value(cap, "DH private", 0);
		uint8_t priv[128], pub[128], secret[128], want[128], ke[2][128];
		unsigned own = 2;

		if (!priv_hex)
			continue;
		for (unsigned i = 0; cap->msg[i].hex; i++) {
			static struct msg m;
			uint8_t in[CAPTURE_MSG_MAX];
			size_t len = unhex(in, sizeof(in), cap->msg[i].hex);
			const struct msg_payload *p;
			struct msg_err e;

			assert_int_equal(msg_parse(&m, (struct bytes){in, len}, &e), 0);
			p = msg_find(&m, ISAKMP_P_KE, 0);
			if (p)
				memcpy(ke[cap->msg[i].from_responder], p->body.p, 128);
		}
		unhex_padded(priv, sizeof(priv), priv_hex);
		unhex_padded(want, sizeof(want), capture_value(cap, "shared Diffie Hellman secret", 0));
		assert_int_equal(group_public(&g, priv, pub), 0);
		for (unsigned side = 0; side < 2; side++)
			own = memcmp(pub, ke[side], 128) ? own : side;
		assert_true(own < 2);
		assert_int_equal(group_secret(&g, priv, (struct bytes){ke[!own], 128}, secret), 0);
		assert_memory_equal(secret, want, 128);
		n++;
	}
	assert_int_equal(n, 6);
}

static void t_both_sides_agree(void **state)
{
	const struct group *g;

	(void)state;
	for (unsigned i = 0; (g = group_at(i)); i++) {
		uint8_t priv[2][GROUP_PRIVATE_MAX], pub[2][GROUP_PUBLIC_MAX], secret[2][GROUP_PUBLIC_MAX];
		uint8_t both[2][GROUP_PUBLIC_MAX];

		assert_true(g->public_len <= GROUP_PUBLIC_MAX && g->private_len <= GROUP_PRIVATE_MAX);
		assert_ptr_equal(group_by_id(g->id), g);
		assert_ptr_equal(group_by_name(g->name), g);
		for (unsigned s = 0; s < 2; s++) {
			assert_int_equal(group_private(g, priv[s]), 0);
			assert_int_equal(group_public(g, priv[s], pub[s]), 0);
			assert_int_equal(group_check(g, (struct bytes){pub[s], g->public_len}), 0);
			assert_int_equal(group_check(g, (struct bytes){pub[s], g->public_len - 1u}), -EINVAL);
		}
		assert_memory_not_equal(priv[0], priv[1], g->private_len);
		for (unsigned s = 0; s < 2; s++)
			assert_int_equal(group_secret(g, priv[s], (struct bytes){pub[!s], g->public_len}, secret[s]),
					 0);
		assert_memory_equal(secret[0], secret[1], g->secret_len);
		assert_int_equal(group_both(g, priv[0], both[0], (struct bytes){pub[1], g->public_len}, both[1]), 0);
		assert_memory_equal(both[0], pub[0], g->public_len);
		assert_memory_equal(both[1], secret[0], g->secret_len);
	}
	assert_null(group_by_id(22));
	assert_null(group_by_name("none"));
}

/* Refused by the check, and by the computation, which leaves no secret behind. */
static void refused(const struct group *g, const uint8_t *pub)
{
	static const uint8_t zero[GROUP_PUBLIC_MAX];
	uint8_t priv[GROUP_PRIVATE_MAX], own[GROUP_PUBLIC_MAX], secret[GROUP_PUBLIC_MAX];
	struct bytes peer = {pub, g->public_len};

	memset(secret, 0xaa, sizeof(secret));
	assert_int_equal(group_private(g, priv), 0);
	if (group_both(g, priv, own, peer, secret) != -EINVAL)
		fail_msg("%s accepted", g->name);
	assert_memory_equal(secret, zero, g->secret_len);
	memset(secret, 0xaa, sizeof(secret));
	if (group_check(g, peer) != -EINVAL || group_secret(g, priv, peer, secret) != -EINVAL)
		fail_msg("%s accepted", g->name);
	assert_memory_equal(secret, zero, g->secret_len);
}

/* Spec section 24.4. The primes begin with 64 bits of ones and so do p-1 and what is above p; the last 64 bits are ones, too. */
static void t_modp_refuses(void **state)
{
	const struct group *g;

	(void)state;
	for (unsigned i = 0; (g = group_at(i)); i++) {
		uint8_t v[GROUP_PUBLIC_MAX] = {0}, priv[GROUP_PRIVATE_MAX], minus_one[GROUP_PUBLIC_MAX];
		const char *hex[2] = {"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
				      "514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6"
				      "F44C42E9A63A3620FFFFFFFFFFFFFFFE",
				      "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
				      "514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6"
				      "F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381"
				      "FFFFFFFFFFFFFFFE"};

		if (g->kind != GROUP_MODP)
			continue;
		refused(g, v); /* 0 */
		v[g->public_len - 1] = 1;
		refused(g, v);
		v[g->public_len - 1] = 2;
		assert_int_equal(group_check(g, (struct bytes){v, g->public_len}), 0);
		memset(v, 0xff, sizeof(v));
		refused(g, v);
		memset(priv, 0, sizeof(priv));
		assert_int_equal(group_public(g, priv, v), -EINVAL);
		if (g->id > 2)
			continue;
		assert_int_equal(unhex(minus_one, sizeof(minus_one), hex[g->id - 1]), g->public_len);
		refused(g, minus_one);
		minus_one[g->public_len - 1] = 0xff; /* p */
		refused(g, minus_one);
		minus_one[g->public_len - 1] = 0xfd; /* p - 2 */
		assert_int_equal(group_check(g, (struct bytes){minus_one, g->public_len}), 0);
	}
}

/* Spec section 24.5: x = 0, too many bits, no y (about half of all x), points of order 2, 3, 4, 6, 12. */
static void t_rfc2409_6_3_ec2n_refuses(void **state)
{
	static const char *const two_g[] = {"03d5af92c8311d9e8f56be4b3e690aec7cd200f2",
					    "01bd555555555555555555555555554e8000000000000158"};
	static const char *const prime[] = {"00aaaaaaaaaaaaaaaaaab1fcf1e206f421a3ea1b",
					    "007ffffffffffffffffffffff6fcbe226dcf92105d7e53af"};

	(void)state;
	for (unsigned id = 3; id <= 4; id++) {
		const struct group *g = group_by_id(id);
		uint8_t v[GROUP_PUBLIC_MAX] = {0}, want[GROUP_PUBLIC_MAX], k[GROUP_PRIVATE_MAX] = {0};
		unsigned bad = 0, low = 0;

		refused(g, v);
		v[0] = id == 3 ? 0x08 : 0x02; /* bit m */
		refused(g, v);
		k[g->private_len - 1] = 2;
		assert_int_equal(group_public(g, k, v), 0);
		(void)unhex(want, sizeof(want), two_g[id - 3]);
		assert_memory_equal(v, want, g->public_len);
		for (unsigned x = 1; x <= 255; x++) {
			memset(v, 0, sizeof(v));
			v[g->public_len - 1] = (uint8_t)x;
			if (group_check(g, (struct bytes){v, g->public_len})) {
				refused(g, v);
				bad++;
			}
		}
		assert_in_range(bad, 80, 176);
		/* Multiples of the prime times the generator lie in the small subgroup. */
		unhex_padded(want, g->private_len, prime[id - 3]);
		for (unsigned j = 1; j < (id == 3 ? 12 : 4); j++) {
			unsigned carry = 0;

			for (unsigned b = g->private_len; b-- > 0; carry >>= 8) {
				carry += want[b] * j;
				k[b] = (uint8_t)carry;
			}
			if (group_public(g, k, v))
				continue; /* the point at infinity */
			refused(g, v);
			low++;
		}
		print_message("%s: %u of 255 values have no point, %u of low order refused\n", g->name, bad, low);
	}
}

/* RFC 5903 §7: not on the curve, coordinates not below p. */
static void t_rfc5903_7_ecp_refuses(void **state)
{
	(void)state;
	for (unsigned id = 19; id <= 21; id++) {
		const struct group *g = group_by_id(id);
		uint8_t v[GROUP_PUBLIC_MAX] = {0}, k[GROUP_PRIVATE_MAX] = {0};

		refused(g, v);
		assert_int_equal(group_public(g, k, v), -EINVAL);
		k[g->private_len - 1] = 7;
		assert_int_equal(group_public(g, k, v), 0);
		for (unsigned bit = 0; bit < 8u * g->public_len; bit++) {
			v[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(group_check(g, (struct bytes){v, g->public_len}), -EINVAL);
			v[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		memset(v, 0xff, sizeof(v));
		refused(g, v);
		memset(k, 0xff, sizeof(k));
		assert_int_equal(group_public(g, k, v), -EINVAL);
	}
}

/* RFC 7748 §6.1: points whose product is 0. */
static void t_rfc7748_6_1_x25519_refuses(void **state)
{
	static const char *const low[] = {"0000000000000000000000000000000000000000000000000000000000000000",
					  "0100000000000000000000000000000000000000000000000000000000000000",
					  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
					  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
					  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
					  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
					  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
	uint8_t v[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(low); i++) {
		(void)unhex(v, sizeof(v), low[i]);
		refused(group_by_id(31), v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_published_vectors),	   cmocka_unit_test(t_rfc7748_x25519_vectors),
		cmocka_unit_test(t_captured_modp1024),	   cmocka_unit_test(t_both_sides_agree),
		cmocka_unit_test(t_modp_refuses),	   cmocka_unit_test(t_rfc2409_6_3_ec2n_refuses),
		cmocka_unit_test(t_rfc5903_7_ecp_refuses), cmocka_unit_test(t_rfc7748_6_1_x25519_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
