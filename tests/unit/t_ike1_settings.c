/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any two configurations against each other: settings of both peer items, proposals and policies drawn at random; what comes of it is what a reading of spec
 * sections 4.1, 8, 16.5, 16.7 and 18 of its own says, at both ends, and where nothing does, nothing stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/quick_test.h"

#define ROUNDS 1500

/* strongest first, as they are offered */
static const struct cipher2 {
	const char *name;
	unsigned family, bits, aead; /* bits 0: of one length */
} enc2[] = {{"aes-128-gcm", 20, 128, 1}, {"aes-256", 12, 256, 0}, {"aes-192", 12, 192, 0},
	    {"aes-128", 12, 128, 0},	 {"3des", 3, 0, 0},	  {"null", 11, 0, 0}};
static const char *const auth2[] = {"sha256", "sha1", "md5", "null"};
#define ENC_NULL 5
#define AUTH_NULL 3

static const struct cipher1 {
	unsigned id, bits;
} enc1[] = {{IKE1_AES, 128}, {IKE1_AES, 256}, {IKE1_CAMELLIA, 128}, {IKE1_3DES, 0}};
static const unsigned hashes[] = {IKE1_SHA1, IKE1_SHA256}, groups1[] = {19, 31}, groups2[] = {0, 19, 31};
static const unsigned lives[] = {1800, 3600, 70000}, bytes1[] = {0, 100500, 300000, 2000000};

static struct side {
	unsigned mode, check, enc, hash, group, life, bytes, natt, id;
	unsigned encs, auths, pfs, life2, tunnel, protos;
} side[2];

static unsigned draw(uint64_t *seed, unsigned n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(*seed >> 33) % n;
}

static void draw_phase1(uint64_t *seed, struct side *s)
{
	*s = (struct side){
		.mode = draw(seed, 4),
		.check = draw(seed, 4),
		.enc = draw(seed, ARRAY_SIZE(enc1)),
		.hash = draw(seed, ARRAY_SIZE(hashes)),
		.group = draw(seed, ARRAY_SIZE(groups1)),
		.life = draw(seed, ARRAY_SIZE(lives)),
		.bytes = draw(seed, ARRAY_SIZE(bytes1)),
		.natt = draw(seed, 2),
		.id = !draw(seed, 4),
	};
}

static void draw_phase2(uint64_t *seed, struct side *s)
{
	s->encs = 1 + draw(seed, (1 << ARRAY_SIZE(enc2)) - 1);
	s->auths = 1 + draw(seed, (1 << ARRAY_SIZE(auth2)) - 1);
	s->pfs = draw(seed, ARRAY_SIZE(groups2));
	s->life2 = draw(seed, ARRAY_SIZE(lives));
	s->tunnel = draw(seed, 8) != 0;
	s->protos = draw(seed, 4) ? XI_PROTOS_ESP : 1 + draw(seed, 3);
}

/* The second end is the first one but for what one or two draws change: else hardly any two would agree. */
static void draw_sides(uint64_t *seed)
{
	struct side other;

	draw_phase1(seed, &side[0]);
	draw_phase2(seed, &side[0]);
	side[1] = side[0];
	side[1].check = draw(seed, 4);
	for (unsigned i = draw(seed, 6); i > 0; i--) {
		unsigned at = draw(seed, sizeof(other) / sizeof(unsigned));

		draw_phase1(seed, &other);
		draw_phase2(seed, &other);
		((unsigned *)&side[1])[at] = ((unsigned *)&other)[at];
	}
}

static void conf_of_proposal(struct ike_proposal *p, const struct side *s)
{
	p->n_enc = p->n_auth = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(enc2); i++)
		if (s->encs >> i & 1)
			p->enc[p->n_enc++] = alg_by_name(ALG_ENC, enc2[i].name);
	for (unsigned i = 0; i < ARRAY_SIZE(auth2); i++)
		if (s->auths >> i & 1)
			p->auth[p->n_auth++] = alg_by_name(ALG_AUTH, auth2[i]);
	p->pfs = groups2[s->pfs] ? group_by_id((uint16_t)groups2[s->pfs]) : NULL;
	p->lifetime_s = lives[s->life2];
}

static void conf(struct ike_conf *c, unsigned end)
{
	const struct side *s = &side[end];
	struct ike_peer *p = &c->peer[0];
	unsigned len;

	p->mode = (uint8_t)s->mode;
	p->check = (uint8_t)s->check;
	p->cipher = cipher_by_ike1(enc1[s->enc].id, enc1[s->enc].bits, &len);
	p->cipher_bits = (uint16_t)enc1[s->enc].bits;
	p->key_len = (uint16_t)len;
	p->hash = hash_by_ike1(hashes[s->hash]);
	p->group = group_by_id((uint16_t)groups1[s->group]);
	p->lifetime_s = lives[s->life];
	p->lifebytes = bytes1[s->bytes];
	p->natt = (uint8_t)s->natt;
	strcpy(p->my_id, s->id ? "someone@a.example" : "");
	conf_of_proposal(&c->proposal[0], s);
}

/* --- what the spec says --- */
static unsigned life_ok(unsigned check, unsigned offered, unsigned own)
{
	return check == CHECK_EXACT ? offered == own : check == CHECK_STRICT ? offered <= own : 1;
}

static unsigned key_ok(unsigned check, unsigned offered, unsigned own)
{
	return check == CHECK_EXACT ? offered == own : check == CHECK_OBEY ? 1 : offered >= own;
}

/* 16.5: an end in plain main mode takes addresses only. */
static unsigned id_ok(unsigned of, unsigned at)
{
	return !side[of].id || side[at].mode != IKE_MODE_MAIN;
}

static unsigned on_wire(unsigned mode)
{
	return mode == IKE_MODE_MAIN_L2TP ? IKE_MODE_MAIN : mode;
}

static unsigned phase1_agrees(void)
{
	const struct side *i = &side[0], *r1 = &side[1];

	return on_wire(i->mode) == on_wire(r1->mode) && enc1[i->enc].id == enc1[r1->enc].id && i->hash == r1->hash &&
	       i->group == r1->group && key_ok(r1->check, enc1[i->enc].bits, enc1[r1->enc].bits) &&
	       life_ok(r1->check, lives[i->life], lives[r1->life]) && id_ok(0, 1) && id_ok(1, 0);
}

/* 16.7, 18.2: in kilobytes, not when below one; the smaller one, with obey what was said. */
static unsigned bytes_at(unsigned end)
{
	unsigned said = bytes1[side[0].bytes] / 1024 * 1024, own = bytes1[side[end].bytes];

	if (!said || !own)
		return said ? said : own;
	return side[end].check == CHECK_OBEY || said < own ? said : own;
}

static unsigned life1_at(unsigned end)
{
	return end && side[1].check != CHECK_OBEY ? MIN(lives[side[0].life], lives[side[1].life]) : lives[side[0].life];
}

/* 18.1: the own length that an offered one is compared with; UINT_MAX: not our cipher. */
static unsigned own_bits(const struct cipher2 *offered)
{
	unsigned best = UINT_MAX;

	for (unsigned i = 0; i < ARRAY_SIZE(enc2); i++) {
		if (!(side[1].encs >> i & 1) || enc2[i].family != offered->family)
			continue;
		if (enc2[i].bits == offered->bits)
			return offered->bits;
		best = MIN(best, enc2[i].bits);
	}
	return best;
}

static unsigned enc_ok(unsigned e)
{
	unsigned own = own_bits(&enc2[e]);

	return (side[0].encs >> e & 1) && own != UINT_MAX && key_ok(side[1].check, enc2[e].bits, own);
}

static unsigned auth_ok(unsigned a)
{
	return side[0].auths & side[1].auths & 1u << a;
}

static unsigned terms2_agree(void)
{
	const struct side *i = &side[0], *r1 = &side[1];
	unsigned group =
		i->pfs == r1->pfs || r1->check == CHECK_OBEY || (!groups2[r1->pfs] && r1->check != CHECK_EXACT);

	return i->tunnel == r1->tunnel && i->protos == r1->protos && group &&
	       life_ok(r1->check, lives[i->life2], lives[r1->life2]);
}

struct choice {
	int enc, esp_auth, ah_auth; /* -1: none; esp_auth of an AEAD is null */
};

static unsigned choose(struct choice *c)
{
	*c = (struct choice){-1, -1, -1};
	for (unsigned a = 0; a < AUTH_NULL && c->ah_auth < 0; a++)
		if (auth_ok(a))
			c->ah_auth = (int)a;
	for (unsigned e = 0; e < ARRAY_SIZE(enc2) && c->enc < 0; e++)
		for (unsigned a = 0; a < ARRAY_SIZE(auth2) && c->enc < 0; a++) {
			if (!enc_ok(e) || (enc2[e].aead ? a != AUTH_NULL : !auth_ok(a)) ||
			    (e == ENC_NULL && a == AUTH_NULL))
				continue;
			c->enc = (int)e;
			c->esp_auth = (int)a;
		}
	return (!(side[0].protos & XI_PROTOS_AH) || c->ah_auth >= 0) &&
	       (!(side[0].protos & XI_PROTOS_ESP) || c->enc >= 0);
}

/* 18.1 to 18.3: with claim the responder's own when it is shorter, of which the initiator hears. */
static unsigned life2_at(unsigned end)
{
	unsigned offered = lives[side[0].life2], own = lives[side[1].life2];
	unsigned claimed = side[1].check == CHECK_CLAIM && offered > own;

	return claimed && (end || side[0].check != CHECK_EXACT) ? own : offered;
}

/* --- what came of it --- */
static void assert_sas(unsigned end, const struct choice *c)
{
	for (unsigned i = 0; i < FAKE_SAS; i++) {
		const struct xi_sa *x = &r->end[end].sadb.sa[i].sa;

		if (!r->end[end].sadb.sa[i].ref)
			continue;
		assert_int_equal(x->hard_ns / NS_PER_S, life2_at(end));
		assert_int_equal(x->soft_ns, x->hard_ns / 10 * 8);
		assert_int_equal(!!(x->flags & XI_SA_F_PFS), groups2[side[0].pfs] != 0);
		if (x->proto == XI_PROTO_AH) {
			assert_int_equal(x->auth_alg, alg_by_name(ALG_AUTH, auth2[c->ah_auth])->abi);
			continue;
		}
		assert_int_equal(x->enc_alg, alg_by_name(ALG_ENC, enc2[c->enc].name)->abi);
		assert_int_equal(x->auth_alg, alg_by_name(ALG_AUTH, auth2[c->esp_auth])->abi);
		if (enc2[c->enc].bits)
			assert_int_equal(x->enc_key_len, enc2[c->enc].bits / 8 + (enc2[c->enc].aead ? 4 : 0));
	}
}

static void assert_phase1(void)
{
	for (unsigned end = 0; end < 2; end++) {
		const struct ike1 *sa = r->end[end].k->sas;

		assert_int_equal(established(end), 1);
		assert_int_equal(sa->terms.life_s, life1_at(end));
		assert_int_equal(sa->terms.life_bytes, bytes_at(end));
		assert_int_equal(sa->terms.key_len * 8, enc1[side[0].enc].bits ? enc1[side[0].enc].bits : 192);
		assert_int_equal(sa->behind | sa->peer_behind, 0);
		assert_int_equal(sa->natt != 0, side[0].natt && side[1].natt);
	}
}

/* What is told and what was asked in vain is over after two minutes. */
static void assert_nothing_stays(unsigned phase1)
{
	for (unsigned end = 0; end < 2; end++) {
		if (!phase1)
			assert_int_equal(isakmps(end), 0);
		assert_int_equal(rig_quicks(r, end), 0);
		assert_int_equal(fake_count(&r->end[end].sadb), 0);
		assert_int_equal(fake_reserved(&r->end[end].sadb), 0);
	}
}

static void meet(unsigned up[3])
{
	struct choice c = {0};
	unsigned one, two;

	r = rig_new(conf);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_policy *p = rig_policy(r, i, 1);

		p->protos = (uint8_t)side[i].protos;
		p->mode = side[i].tunnel ? XI_MODE_TUNNEL : XI_MODE_TRANSPORT;
		if (side[0].tunnel)
			continue;
		p->sel.src = r->end[i].addr.addr;
		p->sel.dst = r->end[!i].addr.addr;
		p->sel.src_len = p->sel.dst_len = 32;
	}
	rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
	rig_settle(r);
	rig_advance(r, NS_PER_S);
	one = phase1_agrees();
	two = one && terms2_agree() && choose(&c);
	if (one)
		assert_phase1();
	if (two) {
		unsigned n = side[0].protos == (XI_PROTOS_AH | XI_PROTOS_ESP) ? 4 : 2;

		for (unsigned end = 0; end < 2; end++) {
			assert_int_equal(fake_count(&r->end[end].sadb), n);
			assert_int_equal(rig_unopened(r, end), 0);
			assert_sas(end, &c);
		}
	} else {
		rig_advance(r, 120 * NS_PER_S);
		assert_nothing_stays(one);
	}
	up[one + two]++;
	(void)teardown(NULL);
}

static void t_spec_18_any_two_configurations(void **state)
{
	uint64_t seed = 20121123;
	unsigned up[3] = {0};

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		draw_sides(&seed);
		meet(up);
	}
	print_message("no phase 1: %u, no phase 2: %u, up: %u\n", up[0], up[1], up[2]);
	assert_true(up[0] > ROUNDS / 10 && up[1] > ROUNDS / 10 && up[2] > ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(t_spec_18_any_two_configurations, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
