/* SPDX-License-Identifier: BSD-2-Clause */
/* One transform of quick mode: its attributes as a plain struct, and whether they make sense (RFC 2407 §4.5; spec sections 17, 24.2). */
#include "ike/neg/phase2_priv.h"

#include "bpf/abi/xi_alg.h"

struct reading {
	struct phase2_offer *o;
	uint32_t seen; /* bit per attribute type */
	unsigned life_type;
	unsigned mode, auth, bits;
};

/* RFC 2407 §4.5: a duration may have any length. Larger than 64 bits counts as the largest number. */
static uint64_t attr_value(const struct msg_attr *a)
{
	uint64_t v = 0;

	if (a->number)
		return a->value;
	for (size_t i = 0; i < a->data.len; i++) {
		if (v >> 56)
			return UINT64_MAX;
		v = v << 8 | a->data.p[i];
	}
	return v;
}

/* RFC 2407 §4.5: a duration follows the type that it is of. */
static const char *read_duration(struct reading *r, const struct msg_attr *a)
{
	uint64_t v = attr_value(a);

	if (!v)
		return "a lifetime of 0";
	if (r->life_type == IKE1_LIFE_SECONDS)
		r->o->terms.life_s = (uint32_t)MIN(v, UINT32_MAX);
	else if (r->life_type == IKE1_LIFE_KILOBYTES)
		r->o->terms.life_bytes = v > UINT64_MAX / 1024 ? UINT64_MAX : v * 1024;
	else
		return "a life duration without life type";
	r->life_type = 0;
	return NULL;
}

static const char *read_life_type(struct reading *r, const struct msg_attr *a)
{
	uint32_t bit = a->value == IKE1_LIFE_SECONDS ? 1u << 30 : 1u << 31;

	if (a->value != IKE1_LIFE_SECONDS && a->value != IKE1_LIFE_KILOBYTES)
		return "a life type that does not exist";
	if (r->life_type)
		return "a life type without duration";
	if (r->seen & bit)
		return "a life type that comes twice";
	r->seen |= bit;
	r->life_type = a->value;
	return NULL;
}

static const char *read_attr(struct reading *r, const struct msg_attr *a)
{
	if (a->type == IPSEC_A_LIFE_TYPE)
		return a->number ? read_life_type(r, a) : "a life type that does not exist";
	if (a->type == IPSEC_A_LIFE_DURATION)
		return read_duration(r, a);
	if (!a->number || a->value > UINT16_MAX)
		return "an attribute that is too long";
	if (a->type >= 30 || (r->seen & 1u << a->type))
		return a->type >= 30 ? "an unknown attribute" : "an attribute that comes twice";
	r->seen |= 1u << a->type;
	switch (a->type) {
	case IPSEC_A_GROUP:
		r->o->terms.group = (uint16_t)a->value;
		return NULL;
	case IPSEC_A_MODE:
		r->mode = a->value;
		return NULL;
	case IPSEC_A_AUTH:
		r->auth = a->value;
		return NULL;
	case IPSEC_A_KEY_LENGTH:
		r->bits = a->value;
		return NULL;
	case IPSEC_A_KEY_ROUNDS:
		return "key rounds";
	case IPSEC_A_ESN:
		r->o->esn = 1;
		return a->value == 1 ? NULL : "an unknown length of sequence numbers";
	default:
		return "an unknown attribute";
	}
}

static const char *set_mode(struct phase2_offer *o, unsigned mode)
{
	static const struct {
		uint16_t number;
		uint8_t mode, encap;
	} row[] = {
		{IPSEC_MODE_TUNNEL, XI_MODE_TUNNEL, PHASE2_PLAIN},
		{IPSEC_MODE_TRANSPORT, XI_MODE_TRANSPORT, PHASE2_PLAIN},
		{IPSEC_MODE_UDP_TUNNEL, XI_MODE_TUNNEL, PHASE2_UDP},
		{IPSEC_MODE_UDP_TRANSPORT, XI_MODE_TRANSPORT, PHASE2_UDP},
		{IPSEC_MODE_UDP_TUNNEL_DRAFT, XI_MODE_TUNNEL, PHASE2_UDP_DRAFT},
		{IPSEC_MODE_UDP_TRANSPORT_DRAFT, XI_MODE_TRANSPORT, PHASE2_UDP_DRAFT},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		if (row[i].number == mode) {
			o->mode = row[i].mode;
			o->encap = row[i].encap;
			return NULL;
		}
	}
	return "an unknown encapsulation mode";
}

/* Key bits without the attribute: 128 for the CBC ciphers (spec 24.2); counter modes must say (RFC 3686 §5, RFC 4106 §8.2). */
static unsigned default_bits(const struct alg *a)
{
	return a->flags & ALG_F_COUNTER ? 0 : 128;
}

static const struct alg *enc_by_esp(unsigned id, int sent, unsigned bits, unsigned *key_len)
{
	const struct alg *a;

	for (unsigned i = 0; (a = alg_at(i)); i++) {
		unsigned n = bits;

		if (a->kind != ALG_ENC || a->ike_esp != (int)id)
			continue;
		if (a->ike_bits < 0) { /* of fixed length: RFC 2407 §4.5, no attribute */
			*key_len = a->key_len;
			return sent ? NULL : a;
		}
		if (!sent)
			n = default_bits(a);
		if (n && n % 8 == 0 && alg_key_fits(a, n / 8 + a->salt_len)) {
			*key_len = n / 8;
			return a;
		}
	}
	return NULL;
}

static const struct alg *auth_by(unsigned number, int ah)
{
	const struct alg *a;

	for (unsigned i = 0; (a = alg_at(i)); i++)
		if (a->kind == ALG_AUTH && number && a->ike_auth == (int)number && (ah || !(a->flags & ALG_F_AH_ONLY)))
			return a;
	return NULL;
}

/* Spec section 17: AH must carry attribute 5 consistent with its transform ID. */
static const char *read_ah(struct phase2_offer *o, const struct reading *r, unsigned id)
{
	o->enc = alg_by_name(ALG_ENC, "null");
	o->auth = auth_by(r->auth, 1);
	if (r->seen & 1u << IPSEC_A_KEY_LENGTH)
		return "AH with a key length";
	if (!o->auth || o->auth->ike_ah != (int)id)
		return r->auth ? "AH whose transform and authentication differ" : "AH without authentication";
	return NULL;
}

/* Spec section 17: ESP with null encryption must have authentication; without it the attribute is not sent. */
static const char *read_esp(struct phase2_offer *o, const struct reading *r, unsigned id)
{
	int has_auth = !!(r->seen & 1u << IPSEC_A_AUTH);
	unsigned len = 0;

	o->enc = enc_by_esp(id, !!(r->seen & 1u << IPSEC_A_KEY_LENGTH), r->bits, &len);
	o->key_len = (uint8_t)len;
	if (!o->enc)
		return "a cipher or key length that we do not have";
	o->auth = has_auth ? auth_by(r->auth, 0) : alg_by_name(ALG_AUTH, "null");
	if (!o->auth)
		return "an authentication that we do not have";
	if ((o->enc->flags & ALG_F_AEAD) && has_auth)
		return "an AEAD cipher with authentication";
	if (!has_auth &&
	    (o->enc->abi == XI_ENC_NULL || (o->enc->flags & (ALG_F_AEAD | ALG_F_COUNTER)) == ALG_F_COUNTER))
		return "a cipher that needs authentication, without it";
	if (o->esn && !has_auth && !(o->enc->flags & ALG_F_AEAD))
		return "64-bit sequence numbers without authentication";
	return NULL;
}

const char *phase2_read(struct phase2_offer *o, unsigned protocol, const struct msg_transform *t)
{
	struct reading r = {.o = o, .mode = IPSEC_MODE_TRANSPORT};
	struct rd rd = rd_of(t->attrs);
	const char *bad = NULL;
	struct msg_attr a;

	*o = (struct phase2_offer){.proto = protocol == IPSEC_PROTO_AH ? XI_PROTO_AH : XI_PROTO_ESP,
				   .terms.life_s = PHASE2_LIFE_DEFAULT};
	while (!bad && msg_attr_next(&rd, &a))
		bad = read_attr(&r, &a);
	if (!bad && r.life_type)
		bad = "a life type without duration";
	o->whole = !bad;
	if (!bad)
		bad = set_mode(o, r.mode);
	if (!bad)
		bad = o->proto == XI_PROTO_AH ? read_ah(o, &r, t->id) : read_esp(o, &r, t->id);
	if (!bad && o->enc->ike_bits >= 0)
		o->terms.key_bits = (uint16_t)(o->key_len * 8);
	return bad;
}
