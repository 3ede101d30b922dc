/* SPDX-License-Identifier: BSD-2-Clause */
/* Which transform of a peer's SA payload is taken (spec sections 8, 17, 18). */
#include "ike/neg/phase2_priv.h"

#include <arpa/inet.h>

#include "ike/neg/group.h"

/* A transform that passed, with where it stands. */
struct pick {
	struct phase2_offer o;
	struct check_terms use;
	int notify;
	uint16_t proposal, transform;
};

static void refuse(struct phase2_refusal *r, enum phase2_why why, const char *what, const struct phase2_offer *o)
{
	if (r->why != PHASE2_NOTHING && why <= r->why)
		return;
	r->why = why;
	r->what = what;
	if (o)
		phase2_offer_text(o, r->theirs, sizeof(r->theirs));
	else
		r->theirs[0] = '\0';
}

static int has_auth(const struct phase2_own *own, const struct alg *auth)
{
	for (unsigned i = 0; i < own->n_auth; i++)
		if (own->auth[i] == auth)
			return 1;
	return 0;
}

/*
 * The own key length that the offered one is compared with (18.1): the same if we have it, else the shortest we have of that cipher. -1: not
 * our cipher.
 */
static int own_bits(const struct phase2_own *own, const struct phase2_offer *o)
{
	int best = -1;

	for (unsigned i = 0; i < own->n_enc; i++) {
		const struct alg *a = own->enc[i];

		if (a->ike_esp != o->enc->ike_esp)
			continue;
		if (a->ike_bits < 0 || a->key_len == o->key_len)
			return a->ike_bits < 0 ? 0 : a->ike_bits;
		if (best < 0 || a->ike_bits < best)
			best = a->ike_bits;
	}
	return best;
}

static enum phase2_why of_verdict(enum check_verdict v)
{
	static const enum phase2_why why[] = {
		[CHECK_LIFE] = PHASE2_LIFE,
		[CHECK_BYTES] = PHASE2_BYTES,
		[CHECK_KEY] = PHASE2_KEY,
		[CHECK_GROUP] = PHASE2_GROUP,
	};

	return why[v];
}

/* 0 = taken, *k then has the terms; else why not. */
static enum phase2_why judge(struct pick *k, const struct phase2_own *own)
{
	struct check_terms mine = {.life_s = own->life_s, .group = own->group};
	const struct phase2_offer *o = &k->o;
	enum check_verdict v;
	int bits = 0;

	if (own->mode != PHASE2_ANY_MODE && o->mode != own->mode)
		return PHASE2_MODE;
	if (o->encap != own->encap)
		return PHASE2_ENCAP;
	if (o->proto == XI_PROTO_ESP && (bits = own_bits(own, o)) < 0)
		return PHASE2_ENC;
	if (!(o->enc->flags & ALG_F_AEAD) && !has_auth(own, o->auth))
		return PHASE2_AUTH;
	mine.key_bits = (uint16_t)bits;
	v = check_phase2(own->check, &o->terms, &mine, &k->use, &k->notify);
	if (v != CHECK_TAKEN)
		return of_verdict(v);
	return o->terms.group && !group_by_id(o->terms.group) ? PHASE2_GROUP : PHASE2_NOTHING;
}

/* Reads and judges transform i (from 0) of proposal p. 0 = taken. */
static int consider(const struct msg *m, uint16_t p, uint16_t i, const struct phase2_own *own, struct pick *k,
		    struct phase2_refusal *r)
{
	const struct msg_proposal *prop = &m->proposal[p];
	const char *bad = phase2_read(&k->o, prop->protocol, &m->transform[prop->transform + i]);
	enum phase2_why why;

	k->proposal = p;
	k->transform = (uint16_t)(prop->transform + i);
	if (bad) {
		refuse(r, PHASE2_SYNTAX, bad, NULL);
		if (r->what == bad && !r->theirs[0])
			phase2_raw_text(prop->protocol, &m->transform[k->transform], r->theirs, sizeof(r->theirs));
		return -1;
	}
	why = judge(k, own);
	if (!why)
		return 0;
	refuse(r, why, NULL, &k->o);
	return -1;
}

static void fill_suite(const struct msg *m, const struct pick *k, struct phase2_suite *s)
{
	*s = (struct phase2_suite){
		.proto = k->o.proto,
		.enc = k->o.enc,
		.auth = k->o.auth,
		.key_len = k->o.key_len,
		.esn = k->o.esn,
		.proposal = k->proposal,
		.transform = k->transform,
	};
	memcpy(&s->spi, m->proposal[k->proposal].spi.p, sizeof(s->spi));
}

static void fill(const struct msg *m, const struct pick *first, const struct pick *ah, struct phase2_terms *t)
{
	*t = (struct phase2_terms){.n = 1, .mode = first->o.mode, .use = first->use, .notify = first->notify};
	fill_suite(m, first, &t->suite[0]);
	if (!ah)
		return;
	t->n = 2;
	fill_suite(m, ah, &t->suite[1]);
}

/* Spec section 17: all transforms agree in lifetime and PFS group; the two protocols of a bundle in the mode, too. */
static int same_terms(const struct phase2_offer *a, const struct phase2_offer *b)
{
	return a->terms.life_s == b->terms.life_s && a->terms.life_bytes == b->terms.life_bytes &&
	       a->terms.group == b->terms.group;
}

static int agree(const struct pick *a, const struct pick *b)
{
	return same_terms(&a->o, &b->o) && a->o.mode == b->o.mode;
}

/* Spec section 17, of transforms whoever may take them; ours or not. 0 = they agree. */
static int differ_among(const struct msg *m, const struct msg_proposal *p)
{
	struct phase2_offer first = {0}, o;

	for (uint16_t i = 0; i < p->n_transforms; i++) {
		(void)phase2_read(&o, p->protocol,
				  &m->transform[p->transform + i]); /* a cipher that we lack is no reason */
		if (!o.whole)
			continue;
		if (!first.whole)
			first = o;
		else if (!same_terms(&first, &o))
			return 1;
	}
	return 0;
}

static int choose_one(const struct msg *m, uint16_t p, const struct phase2_own *own, struct phase2_terms *t,
		      struct phase2_refusal *r)
{
	struct pick k;

	for (uint16_t i = 0; i < m->proposal[p].n_transforms; i++) {
		if (consider(m, p, i, own, &k, r))
			continue;
		fill(m, &k, NULL, t);
		return 0;
	}
	return -ENOENT;
}

/* First of those AH transforms that pass and go with an ESP transform that passes; at most 256 transforms in all. */
static int choose_two(const struct msg *m, uint16_t esp, uint16_t ah, const struct phase2_own *own,
		      struct phase2_terms *t, struct phase2_refusal *r)
{
	struct pick e, a;

	for (uint16_t i = 0; i < m->proposal[ah].n_transforms; i++) {
		if (consider(m, ah, i, own, &a, r))
			continue;
		for (uint16_t j = 0; j < m->proposal[esp].n_transforms; j++) {
			if (consider(m, esp, j, own, &e, r))
				continue;
			if (agree(&e, &a)) {
				fill(m, &e, &a, t);
				return 0;
			}
			refuse(r, PHASE2_SYNTAX, "AH and ESP that differ in lifetime, PFS group or mode", NULL);
		}
	}
	return -ENOENT;
}

/* RFC 2408 §2.5: an SPI that somebody may have given out. */
static int spi_sound(const struct msg_proposal *p)
{
	__be32 spi;

	if (p->spi.len != sizeof(spi))
		return 0;
	memcpy(&spi, p->spi.p, sizeof(spi));
	return ntohl(spi) >= 256;
}

/* Proposals first..first+n-1 have one number. */
static int choose_group(const struct msg *m, uint16_t first, unsigned n, const struct phase2_own *own,
			struct phase2_terms *t, struct phase2_refusal *r)
{
	unsigned has = 0;
	uint16_t at[2] = {0};

	for (uint16_t i = first; i < first + n; i++) {
		unsigned ah = m->proposal[i].protocol == IPSEC_PROTO_AH;
		int other = !ah && m->proposal[i].protocol != IPSEC_PROTO_ESP;

		if (other || (has & 1u << ah)) {
			refuse(r, PHASE2_PROTOCOL,
			       other ? "another than AH and ESP was offered" : "one was offered twice with one number",
			       NULL);
			return -ENOENT;
		}
		if (!spi_sound(&m->proposal[i])) {
			refuse(r, PHASE2_SYNTAX, "an SPI that is reserved or not of 4 bytes", NULL);
			return -ENOENT;
		}
		if (differ_among(m, &m->proposal[i])) {
			refuse(r, PHASE2_SYNTAX, "transforms of one proposal that differ in lifetime or PFS group",
			       NULL);
			return -ENOENT;
		}
		at[ah] = i;
		has |= 1u << ah;
	}
	_Static_assert(XI_PROTOS_AH == 1 && XI_PROTOS_ESP == 2, "bits below");
	if (own->protos && own->protos != (has & 1 ? XI_PROTOS_ESP : 0) + (has & 2 ? XI_PROTOS_AH : 0)) {
		refuse(r, PHASE2_PROTOCOL,
		       has == 3	  ? "AH and ESP were offered"
		       : has == 2 ? "AH was offered"
				  : "ESP was offered",
		       NULL);
		return -ENOENT;
	}
	if (has == 3)
		return choose_two(m, at[0], at[1], own, t, r);
	return choose_one(m, at[has & 1 ? 0 : 1], own, t, r);
}

int phase2_choose(const struct msg *m, const struct msg_sa *sa, const struct phase2_own *own, struct phase2_terms *t,
		  struct phase2_refusal *r)
{
	uint16_t end = (uint16_t)(sa->proposal + sa->n_proposals);

	*r = (struct phase2_refusal){0};
	for (uint16_t i = sa->proposal; i < end;) {
		unsigned n = 1;

		while (i + n < end && m->proposal[i + n].number == m->proposal[i].number)
			n++;
		if (!choose_group(m, i, n, own, t, r))
			return 0;
		i = (uint16_t)(i + n);
	}
	return -ENOENT;
}

/* RFC 2408 §4.2: key lengths are those of an offer of ours; proposal-check is about lifetimes then. */
static int was_offered(const struct phase2_suite *s, const struct phase2_own *own)
{
	for (unsigned i = 0; i < own->n_enc; i++)
		if (own->enc[i]->ike_esp == s->enc->ike_esp &&
		    (own->enc[i]->ike_bits < 0 || own->enc[i]->ike_bits == s->key_len * 8))
			return 1;
	return s->proto == XI_PROTO_AH;
}

int phase2_answer(const struct msg *m, const struct msg_sa *sa, const struct phase2_own *own, struct phase2_terms *t,
		  struct phase2_refusal *r)
{
	*r = (struct phase2_refusal){0};
	/* RFC 2408 §4.2: one proposal (one number) with one transform for each protocol comes back. */
	for (unsigned i = 0; i < sa->n_proposals; i++) {
		const struct msg_proposal *p = &m->proposal[sa->proposal + i];

		if (p->n_transforms != 1 || p->number != m->proposal[sa->proposal].number) {
			refuse(r, PHASE2_SYNTAX, "an answer with more than one choice", NULL);
			return -ENOENT;
		}
	}
	if (phase2_choose(m, sa, own, t, r))
		return -ENOENT;
	/* What we cannot compute or did not ask for: another group than that of our public value, 64-bit numbers. */
	if ((t->use.group && t->use.group != own->group) || t->suite[0].esn || (t->n > 1 && t->suite[1].esn)) {
		refuse(r, t->use.group ? PHASE2_GROUP : PHASE2_SYNTAX, "an answer that was not offered", NULL);
		return -ENOENT;
	}
	if (!was_offered(&t->suite[0], own)) {
		refuse(r, PHASE2_KEY, "an answer that was not offered", NULL);
		return -ENOENT;
	}
	return 0;
}

void phase2_write_answer(struct msg_wr *w, const struct msg *m, const struct phase2_terms *t, const __be32 spi[2])
{
	msg_wr_sa(w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
	for (unsigned k = t->n; k-- > 0;) { /* AH stands first, as in what we offer */
		const struct phase2_suite *s = &t->suite[k];
		const struct msg_transform *tr = &m->transform[s->transform];
		struct rd r = rd_of(tr->attrs);
		struct msg_attr a;

		msg_wr_proposal(w, m->proposal[s->proposal].number, m->proposal[s->proposal].protocol,
				(struct bytes){(const uint8_t *)&spi[k], 4});
		msg_wr_transform(w, tr->number, tr->id);
		while (msg_attr_next(&r, &a))
			msg_wr_attr(w, &a);
	}
}
