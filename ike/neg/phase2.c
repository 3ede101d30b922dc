/* SPDX-License-Identifier: BSD-2-Clause */
/* What we offer in quick mode, words for what is on offer, and the cut of KEYMAT. */
#include "ike/neg/phase2.h"

#include <stdarg.h>
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "ike/neg/group.h"
#include "ike/neg/phase2_priv.h"

#define TRANSFORMS_MAX 200 /* of one protocol; the field holds 255, a message MSG_TRANSFORMS_MAX */

static uint16_t wire_mode(const struct phase2_own *own)
{
	static const uint16_t number[2][3] = {
		[XI_MODE_TRANSPORT] = {IPSEC_MODE_TRANSPORT, IPSEC_MODE_UDP_TRANSPORT, IPSEC_MODE_UDP_TRANSPORT_DRAFT},
		[XI_MODE_TUNNEL] = {IPSEC_MODE_TUNNEL, IPSEC_MODE_UDP_TUNNEL, IPSEC_MODE_UDP_TUNNEL_DRAFT},
	};

	return number[own->mode == XI_MODE_TUNNEL ? XI_MODE_TUNNEL : XI_MODE_TRANSPORT][own->encap];
}

/* The order of spec section 17. */
static void write_attrs(struct msg_wr *w, const struct phase2_own *own, const struct alg *enc, const struct alg *auth)
{
	msg_wr_attr_number(w, IPSEC_A_LIFE_TYPE, IKE1_LIFE_SECONDS);
	msg_wr_attr_number(w, IPSEC_A_LIFE_DURATION, own->life_s);
	msg_wr_attr_number(w, IPSEC_A_MODE, wire_mode(own));
	if (enc && enc->ike_bits >= 0)
		msg_wr_attr_number(w, IPSEC_A_KEY_LENGTH, (uint32_t)enc->ike_bits);
	if (auth && auth->ike_auth >= 0)
		msg_wr_attr_number(w, IPSEC_A_AUTH, (uint32_t)auth->ike_auth);
	if (own->group)
		msg_wr_attr_number(w, IPSEC_A_GROUP, own->group);
}

static unsigned write_ah(struct msg_wr *w, const struct phase2_own *own, __be32 spi)
{
	unsigned n = 0;

	for (unsigned i = 0; i < own->n_auth && n < TRANSFORMS_MAX; i++) {
		const struct alg *a = own->auth[i];

		if (a->ike_ah < 0 || a->ike_auth < 0)
			continue;
		if (!n++)
			msg_wr_proposal(w, 1, IPSEC_PROTO_AH, (struct bytes){(const uint8_t *)&spi, 4});
		msg_wr_transform(w, (uint8_t)n, (uint8_t)a->ike_ah);
		write_attrs(w, own, NULL, a);
	}
	return n;
}

/* May the pair stand in an offer? Null with null and counter modes without authentication are left out (spec section 8, RFC 3686 §2.1). */
static int pair_sound(const struct alg *enc, const struct alg *auth)
{
	if (enc->ike_esp < 0 || (auth->flags & ALG_F_AH_ONLY))
		return 0;
	if (auth->abi == XI_AUTH_NULL)
		return enc->abi != XI_ENC_NULL && !(enc->flags & ALG_F_COUNTER);
	return auth->ike_auth >= 0;
}

static void write_esp_transform(struct msg_wr *w, const struct phase2_own *own, const struct alg *enc,
				const struct alg *auth, __be32 spi, unsigned *n)
{
	if (*n >= TRANSFORMS_MAX)
		return;
	if (!(*n)++)
		msg_wr_proposal(w, 1, IPSEC_PROTO_ESP, (struct bytes){(const uint8_t *)&spi, 4});
	msg_wr_transform(w, (uint8_t)*n, (uint8_t)enc->ike_esp);
	write_attrs(w, own, enc, auth);
}

/* Spec section 8: AEAD first and without authentication, then the cipher is the outer loop. */
static unsigned write_esp(struct msg_wr *w, const struct phase2_own *own, __be32 spi)
{
	unsigned n = 0;

	for (unsigned i = 0; i < own->n_enc; i++)
		if ((own->enc[i]->flags & ALG_F_AEAD) && own->enc[i]->ike_esp >= 0)
			write_esp_transform(w, own, own->enc[i], NULL, spi, &n);
	for (unsigned i = 0; i < own->n_enc; i++)
		for (unsigned j = 0; j < own->n_auth; j++)
			if (!(own->enc[i]->flags & ALG_F_AEAD) && pair_sound(own->enc[i], own->auth[j]))
				write_esp_transform(w, own, own->enc[i], own->auth[j], spi, &n);
	return n;
}

unsigned phase2_write(struct msg_wr *w, const struct phase2_own *own, const __be32 spi[2])
{
	int both = own->protos == (XI_PROTOS_AH | XI_PROTOS_ESP);
	unsigned ah = 0, esp = 0;

	msg_wr_sa(w, IPSEC_DOI, IPSEC_SIT_IDENTITY);
	if (own->protos & XI_PROTOS_AH)
		ah = write_ah(w, own, spi[both]);
	if (own->protos & XI_PROTOS_ESP)
		esp = write_esp(w, own, spi[0]);
	return both && (!ah || !esp) ? 0 : ah + esp;
}

/* --- words --- */
struct text {
	char *buf;
	size_t size, len;
};

static void add(struct text *t, const char *fmt, ...) __printf(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = MIN(t->len + (size_t)n, t->size - 1);
}

static const char *mode_text(unsigned mode, unsigned encap)
{
	static const char *const text[2][3] = {
		{"transport", "transport in UDP", "transport in UDP (draft)"},
		{"tunnel", "tunnel in UDP", "tunnel in UDP (draft)"},
	};

	if (mode == PHASE2_ANY_MODE)
		return "any mode";
	return text[mode == XI_MODE_TUNNEL][encap];
}

static const char *group_text(unsigned id)
{
	const struct group *g = id ? group_by_id(id) : NULL;

	if (!id)
		return "no PFS";
	return g ? g->name : "unknown PFS group";
}

const char *phase2_offer_text(const struct phase2_offer *o, char *buf, size_t size)
{
	struct text t = {buf, size, 0};

	add(&t, "%s %s, ", o->proto == XI_PROTO_AH ? "AH" : "ESP", mode_text(o->mode, o->encap));
	if (o->proto == XI_PROTO_ESP && o->enc->key_max)
		add(&t, "%s of %u bit, ", o->enc->name, o->key_len * 8);
	else if (o->proto == XI_PROTO_ESP)
		add(&t, "%s, ", o->enc->name);
	if (!(o->enc->flags & ALG_F_AEAD))
		add(&t, "%s, ", o->auth->name);
	add(&t, "%s, %u s", group_text(o->terms.group), o->terms.life_s);
	if (o->terms.life_bytes)
		add(&t, ", %llu kB", (unsigned long long)(o->terms.life_bytes / 1024));
	return buf;
}

const char *phase2_raw_text(unsigned protocol, const struct msg_transform *t, char *buf, size_t size)
{
	struct text to = {buf, size, 0};
	struct rd attrs = rd_of(t->attrs);
	struct msg_attr a;

	add(&to, "%s transform %u, attributes", protocol == IPSEC_PROTO_AH ? "AH" : "ESP", t->id);
	while (msg_attr_next(&attrs, &a))
		if (a.number)
			add(&to, " %u=%u", a.type, a.value);
		else
			add(&to, " %u of %zu bytes", a.type, a.data.len);
	return buf;
}

const char *phase2_own_text(const struct phase2_own *own, char *buf, size_t size)
{
	static const char *const protos[] = {"any protocol", "AH", "ESP", "AH and ESP"};
	struct text t = {buf, size, 0};

	add(&t, "%s %s,", protos[own->protos & 3], mode_text(own->mode, own->encap));
	for (unsigned i = 0; i < own->n_enc && own->protos != XI_PROTOS_AH; i++)
		add(&t, " %s", own->enc[i]->name);
	add(&t, "%s", own->protos != XI_PROTOS_AH ? "," : "");
	for (unsigned i = 0; i < own->n_auth; i++)
		add(&t, " %s", own->auth[i]->name);
	add(&t, ", %s, %u s", group_text(own->group), own->life_s);
	return buf;
}

static const struct {
	const char *what, *setting;
	int of_proposal; /* the setting is one of the proposal item */
} why_text[] = {
	[PHASE2_NOTHING] = {"there is no proposal", "the peer's configuration", 0},
	[PHASE2_SYNTAX] = {"attributes", "the peer's configuration", 0},
	[PHASE2_PROTOCOL] = {"protocol", "ipsec-protocols of the policy", 0},
	[PHASE2_MODE] = {"mode", "tunnel of the policy", 0},
	[PHASE2_ENCAP] = {"UDP encapsulation", "nat-traversal of the peer", 0},
	[PHASE2_ENC] = {"encryption algorithm", "enc-algorithms", 1},
	[PHASE2_AUTH] = {"authentication algorithm", "auth-algorithms", 1},
	[PHASE2_LIFE] = {"lifetime", "proposal-check of the peer, or lifetime", 1},
	[PHASE2_BYTES] = {"byte limit", "proposal-check of the peer", 0},
	[PHASE2_KEY] = {"key length", "proposal-check of the peer, or enc-algorithms", 1},
	[PHASE2_GROUP] = {"PFS group", "proposal-check of the peer, or pfs-group", 1},
};

const char *phase2_refusal_text(const struct phase2_refusal *r, const struct phase2_own *own, const char *proposal,
				char *buf, size_t size)
{
	struct text t = {buf, size, 0};
	char ours[256];

	add(&t, "first difference: %s%s%s", why_text[r->why].what, r->what ? ": " : "", r->what ? r->what : "");
	if (r->theirs[0])
		add(&t, "; they: %s", r->theirs);
	add(&t, "; we: %s", phase2_own_text(own, ours, sizeof(ours)));
	add(&t, "; to change: %s", why_text[r->why].setting);
	if (why_text[r->why].of_proposal)
		add(&t, " of proposal %s", proposal);
	return buf;
}

/* --- keys --- */
size_t phase2_keymat_len(const struct phase2_suite *s)
{
	return (size_t)s->key_len + s->enc->salt_len + alg_key_bytes(s->auth);
}

void phase2_keys(const struct phase2_suite *s, const uint8_t *keymat, struct xi_sa *sa)
{
	sa->enc_alg = s->enc->abi;
	sa->auth_alg = s->auth->abi;
	sa->enc_key_len = (uint16_t)(s->key_len + s->enc->salt_len);
	sa->auth_key_len = (uint16_t)alg_key_bytes(s->auth);
	memcpy(sa->enc_key, keymat, sa->enc_key_len);
	memcpy(sa->auth_key, keymat + sa->enc_key_len, sa->auth_key_len);
}
