/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "ike/neg/cipher.h"
#include "ike/neg/group.h"
#include "ike/neg/phase1.h"
#include "ike/neg/prf.h"

#define KB 1024u

static const char *cipher_name(unsigned id)
{
	switch (id) {
	case IKE1_DES:
		return "des";
	case IKE1_3DES:
		return "3des";
	case IKE1_BLOWFISH:
		return "blowfish";
	case IKE1_AES:
		return "aes";
	case IKE1_CAMELLIA:
		return "camellia";
	default:
		return NULL;
	}
}

static void cipher_text(const struct neg1_terms *t, char *buf, size_t size)
{
	const char *name = cipher_name(t->cipher);

	if (!name)
		(void)snprintf(buf, size, "cipher(%u)", t->cipher);
	else if (t->cipher == IKE1_DES || t->cipher == IKE1_3DES || !t->key_bits)
		(void)snprintf(buf, size, "%s", name);
	else
		(void)snprintf(buf, size, "%s-%u", name, t->key_bits);
}

static void hash_text(unsigned id, char *buf, size_t size)
{
	const struct hash *h = hash_by_ike1(id);

	if (h)
		(void)snprintf(buf, size, "%s", h->name);
	else
		(void)snprintf(buf, size, "hash(%u)", id);
}

static void auth_text(unsigned id, char *buf, size_t size)
{
	if (id == IKE1_AUTH_PSK || id == IKE1_AUTH_RSA_SIG)
		(void)snprintf(buf, size, "%s", id == IKE1_AUTH_PSK ? "pre-shared-key" : "rsa");
	else
		(void)snprintf(buf, size, "auth(%u)", id);
}

static void group_text(unsigned id, char *buf, size_t size)
{
	const struct group *g = group_by_id(id);

	if (g)
		(void)snprintf(buf, size, "%s", g->name);
	else
		(void)snprintf(buf, size, "group(%u)", id);
}

const char *neg1_text(const struct neg1_terms *t, char *buf, size_t size)
{
	char cipher[24], hash[16], auth[24], group[16];

	cipher_text(t, cipher, sizeof(cipher));
	hash_text(t->hash, hash, sizeof(hash));
	auth_text(t->auth, auth, sizeof(auth));
	group_text(t->group, group, sizeof(group));
	(void)snprintf(buf, size, "%s %s %s %s lifetime=%us", cipher, hash, auth, group, t->life_s);
	return buf;
}

static void write_transform(struct msg_wr *w, const struct neg1_terms *t)
{
	msg_wr_attr_number(w, IKE1_A_LIFE_TYPE, IKE1_LIFE_SECONDS);
	msg_wr_attr_number(w, IKE1_A_LIFE_DURATION, t->life_s);
	if (t->life_bytes >= KB) { /* spec 16.7 */
		msg_wr_attr_number(w, IKE1_A_LIFE_TYPE, IKE1_LIFE_KILOBYTES);
		msg_wr_attr_number(w, IKE1_A_LIFE_DURATION, (uint32_t)MIN(t->life_bytes / KB, (uint64_t)UINT32_MAX));
	}
	msg_wr_attr_number(w, IKE1_A_CIPHER, t->cipher);
	if (t->key_bits)
		msg_wr_attr_number(w, IKE1_A_KEY_LENGTH, t->key_bits);
	msg_wr_attr_number(w, IKE1_A_AUTH, t->auth);
	msg_wr_attr_number(w, IKE1_A_HASH, t->hash);
	msg_wr_attr_number(w, IKE1_A_GROUP, t->group);
}

void neg1_write(struct msg_wr *w, const struct neg1_terms *own)
{
	msg_wr_sa(w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
	msg_wr_proposal(w, 1, IPSEC_PROTO_ISAKMP, (struct bytes){0});
	msg_wr_transform(w, 1, IKE_TRANSFORM_KEY);
	write_transform(w, own);
}

/* What one transform has said so far. */
struct reading {
	struct neg1_terms *t;
	uint32_t life_type; /* a duration must follow; 0: no */
	uint32_t seen;	    /* attribute types */
	uint8_t lives;	    /* life types that had their duration */
	uint8_t group_type;
	const char *why;
};

static int bad(struct reading *r, const char *why)
{
	r->why = why;
	return -EINVAL;
}

static int read_duration(struct reading *r, const struct msg_attr *a)
{
	uint32_t type = r->life_type;

	r->life_type = 0;
	if (!type)
		return bad(r, "life duration without its type in front");
	if (a->data.len != 2 && a->data.len != 4)
		return bad(r, "life duration is not of 2 or 4 bytes");
	if (!a->value)
		return bad(r, "life duration is 0");
	if (r->lives & (1u << type))
		return bad(r, "two life durations of one type");
	r->lives |= (uint8_t)(1u << type);
	if (type == IKE1_LIFE_SECONDS)
		r->t->life_s = a->value;
	else
		r->t->life_bytes = (uint64_t)a->value * KB;
	return 0;
}

/* Attributes that stand at most once, as TV. */
static int read_basic(struct reading *r, const struct msg_attr *a)
{
	if (!a->basic)
		return bad(r, "basic attribute as a variable one");
	if (a->type < 32) {
		if (r->seen & (1u << a->type))
			return bad(r, "an attribute stands twice");
		r->seen |= 1u << a->type;
	}
	switch (a->type) {
	case IKE1_A_CIPHER:
		r->t->cipher = a->value > UINT8_MAX ? UINT8_MAX : (uint8_t)a->value;
		return 0;
	case IKE1_A_HASH:
		r->t->hash = a->value > UINT8_MAX ? UINT8_MAX : (uint8_t)a->value;
		return 0;
	case IKE1_A_AUTH:
		r->t->auth = (uint16_t)a->value;
		return 0;
	case IKE1_A_GROUP:
		r->t->group = (uint16_t)a->value;
		return 0;
	case IKE1_A_KEY_LENGTH:
		r->t->key_bits = (uint16_t)a->value;
		return a->value && a->value % 8 == 0 ? 0 : bad(r, "key length is not a multiple of 8");
	default: /* IKE1_A_GROUP_TYPE */
		r->group_type = (uint8_t)MIN(a->value, (uint32_t)UINT8_MAX);
		return 0;
	}
}

static int read_attr(struct reading *r, const struct msg_attr *a)
{
	if (r->life_type && a->type != IKE1_A_LIFE_DURATION)
		return bad(r, "life type without its duration behind it");
	switch (a->type) {
	case IKE1_A_LIFE_TYPE:
		if (!a->basic)
			return bad(r, "basic attribute as a variable one");
		if (a->value != IKE1_LIFE_SECONDS && a->value != IKE1_LIFE_KILOBYTES)
			return bad(r, "unknown life type");
		r->life_type = a->value;
		return 0;
	case IKE1_A_LIFE_DURATION:
		return read_duration(r, a);
	case IKE1_A_CIPHER:
	case IKE1_A_HASH:
	case IKE1_A_AUTH:
	case IKE1_A_GROUP:
	case IKE1_A_GROUP_TYPE:
	case IKE1_A_KEY_LENGTH:
		return read_basic(r, a);
	case IKE1_A_GROUP_PRIME:
	case IKE1_A_GROUP_GEN1:
		return bad(r, "a group of the peer's own");
	default:
		return bad(r, "unknown attribute");
	}
}

static int group_type_fits(const struct reading *r)
{
	const struct group *g = group_by_id(r->t->group);

	if (!r->group_type || !g)
		return 1;
	switch (r->group_type) {
	case 1:
		return g->kind == GROUP_MODP;
	case 2:
		return g->kind == GROUP_ECP;
	case 3:
		return g->kind == GROUP_EC2N;
	default:
		return 0;
	}
}

int neg1_read(const struct msg_transform *t, struct neg1_terms *out, const char **why)
{
	struct reading r = {.t = out};
	struct rd attrs = rd_of(t->attrs);
	struct msg_attr a;

	*out = (struct neg1_terms){.life_s = NEG1_LIFE_DEFAULT_S};
	*why = NULL;
	if (t->id != IKE_TRANSFORM_KEY)
		(void)bad(&r, "transform is not KEY_IKE");
	while (!r.why && msg_attr_next(&attrs, &a))
		(void)read_attr(&r, &a);
	if (!r.why && r.life_type)
		(void)bad(&r, "life type without its duration behind it");
	if (!r.why && (!out->cipher || !out->hash || !out->auth || !out->group))
		(void)bad(&r, "cipher, hash, authentication method or group is missing");
	if (!r.why && out->key_bits && (out->cipher == IKE1_DES || out->cipher == IKE1_3DES))
		(void)bad(&r, "key length of a cipher that has only one");
	if (!r.why && !group_type_fits(&r))
		(void)bad(&r, "group type does not fit the group");
	*why = r.why;
	return r.why ? -EINVAL : 0;
}

/* Bits of the key, also when the attribute was not sent; 0: not a cipher or length that we have. */
static unsigned key_bits(const struct neg1_terms *t)
{
	unsigned len;

	return cipher_by_ike1(t->cipher, t->key_bits, &len) ? 8 * len : 0;
}

/* How far a transform fits, in the order of comparing. */
enum fit { FIT_SYNTAX, FIT_CIPHER, FIT_HASH, FIT_AUTH, FIT_GROUP, FIT_KEY, FIT_LIFE, FIT_ALL };

static const char *const settings[] = {
	[FIT_CIPHER] = "enc-algorithm",
	[FIT_HASH] = "hash-algorithm",
	[FIT_AUTH] = "auth-method",
	[FIT_GROUP] = "dh-group",
	[FIT_KEY] = "enc-algorithm",
	[FIT_LIFE] = "lifetime",
	[FIT_ALL] = NULL,
};

static enum fit judge(enum check_mode mode, const struct neg1_terms *offered, const struct neg1_terms *own,
		      struct neg1_terms *use)
{
	struct check_terms o = {.life_s = offered->life_s, .life_bytes = offered->life_bytes}, c, u;

	if (offered->cipher != own->cipher || !key_bits(offered))
		return FIT_CIPHER;
	if (offered->hash != own->hash)
		return FIT_HASH;
	if (offered->auth != own->auth)
		return FIT_AUTH;
	if (offered->group != own->group)
		return FIT_GROUP;
	o.key_bits = (uint16_t)key_bits(offered);
	c = (struct check_terms){own->life_s, own->life_bytes, (uint16_t)key_bits(own), 0};
	switch (check_phase1(mode, &o, &c, &u)) {
	case CHECK_TAKEN:
		*use = *offered;
		use->life_s = u.life_s;
		use->life_bytes = u.life_bytes;
		return FIT_ALL;
	case CHECK_KEY:
		return FIT_KEY;
	default:
		return FIT_LIFE;
	}
}

static void differs(struct neg1_report *r, enum fit fit, const struct neg1_terms *offered, const struct neg1_terms *own)
{
	char theirs[32], ours[32];

	r->setting = settings[fit];
	switch (fit) {
	case FIT_CIPHER:
	case FIT_KEY:
		cipher_text(offered, theirs, sizeof(theirs));
		cipher_text(own, ours, sizeof(ours));
		break;
	case FIT_HASH:
		hash_text(offered->hash, theirs, sizeof(theirs));
		hash_text(own->hash, ours, sizeof(ours));
		break;
	case FIT_AUTH:
		auth_text(offered->auth, theirs, sizeof(theirs));
		auth_text(own->auth, ours, sizeof(ours));
		break;
	case FIT_GROUP:
		group_text(offered->group, theirs, sizeof(theirs));
		group_text(own->group, ours, sizeof(ours));
		break;
	default:
		(void)snprintf(theirs, sizeof(theirs), "%us", offered->life_s);
		(void)snprintf(ours, sizeof(ours), "%us", own->life_s);
	}
	(void)snprintf(r->differs, sizeof(r->differs), "%s: %s, not %s", r->setting, theirs, ours);
}

/* Where all goes well nobody reads it: what takes time is written when it is known that it does not. */
static void report_begin(struct neg1_report *r)
{
	r->offered[0] = '\0';
	(void)str_copy(r->differs, sizeof(r->differs), "no transform of IKE at all");
	r->setting = NULL;
}

static void report_offer(struct neg1_report *r, const struct neg1_terms *t)
{
	size_t at = strlen(r->offered);
	char text[128];

	if (at + sizeof(text) + 2 > sizeof(r->offered)) {
		if (at + 5 < sizeof(r->offered) && r->offered[at - 1] != '.')
			memcpy(r->offered + at, " ...", 5);
		return;
	}
	(void)snprintf(r->offered + at, sizeof(r->offered) - at, "%s%s", at ? ", " : "",
		       neg1_text(t, text, sizeof(text)));
}

int neg1_choose(const struct msg *m, const struct msg_sa *sa, enum check_mode mode, const struct neg1_terms *own,
		unsigned *transform, struct neg1_terms *use, struct neg1_report *r)
{
	enum fit best = FIT_SYNTAX;

	report_begin(r);
	for (unsigned i = 0; i < sa->n_proposals; i++) {
		const struct msg_proposal *p = &m->proposal[sa->proposal + i];

		for (unsigned k = 0; p->protocol == IPSEC_PROTO_ISAKMP && k < p->n_transforms; k++) {
			struct neg1_terms t;
			const char *why;
			enum fit fit = FIT_SYNTAX;

			if (!neg1_read(&m->transform[p->transform + k], &t, &why))
				fit = judge(mode, &t, own, use);
			*transform = p->transform + k;
			if (fit == FIT_ALL)
				return 0;
			report_offer(r, &t);
			if (fit > best)
				differs(r, fit, &t, own);
			else if (best == FIT_SYNTAX && why)
				(void)snprintf(r->differs, sizeof(r->differs), "%s", why);
			best = MAX(best, fit);
		}
	}
	return -ENOENT;
}

void neg1_answer(struct msg_wr *w, const struct msg *m, const struct msg_sa *sa, unsigned transform)
{
	const struct msg_proposal *p = &m->proposal[sa->proposal];
	struct rd r = rd_of(m->transform[transform].attrs);
	struct msg_attr a;

	while (transform < p->transform || transform >= (unsigned)p->transform + p->n_transforms)
		p++; /* the one that has it */
	msg_wr_sa(w, sa->doi, sa->situation);
	msg_wr_proposal(w, p->number, p->protocol, p->spi);
	msg_wr_transform(w, m->transform[transform].number, m->transform[transform].id);
	while (msg_attr_next(&r, &a))
		msg_wr_attr(w, &a);
}

int neg1_check_answer(const struct msg *m, const struct msg_sa *sa, enum check_mode mode, const struct neg1_terms *own,
		      struct neg1_terms *use, struct neg1_report *r)
{
	const struct msg_proposal *p = &m->proposal[sa->proposal];
	struct neg1_terms t;
	const char *why = NULL;
	enum fit fit;

	report_begin(r);
	if (sa->n_proposals != 1 || p->n_transforms != 1 || p->protocol != IPSEC_PROTO_ISAKMP) {
		(void)snprintf(r->differs, sizeof(r->differs), "the answer is not exactly one transform");
		return -EINVAL;
	}
	if (neg1_read(&m->transform[p->transform], &t, &why)) {
		(void)snprintf(r->differs, sizeof(r->differs), "%s", why);
		return -EINVAL;
	}
	fit = judge(mode, &t, own, use);
	if (fit > FIT_KEY && key_bits(&t) != key_bits(own))
		fit = FIT_KEY; /* 16.1: it must be the one that was sent */
	if (fit == FIT_ALL)
		return 0;
	report_offer(r, &t);
	differs(r, fit, &t, own);
	return -EINVAL;
}
