/* SPDX-License-Identifier: BSD-2-Clause */
/* What the items of peer and proposal mean (spec sections 4, 8): words, algorithms and their order, keys, what is weak. */
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "user/conf/conf.h"

static const char *word_of(enum menu_id menu, const char *prop, unsigned i)
{
	return prop_word(prop_named(&menus[menu], prop), i);
}

const char *conf_peer_hash(const struct conf_peer *p)
{
	return word_of(MENU_PEER, "hash-algorithm", p->hash);
}

const char *conf_peer_enc(const struct conf_peer *p)
{
	return word_of(MENU_PEER, "enc-algorithm", p->enc);
}

const char *conf_peer_group(const struct conf_peer *p)
{
	return word_of(MENU_PEER, "dh-group", p->group);
}

const char *conf_proposal_pfs(const struct conf_proposal *p)
{
	return word_of(MENU_PROPOSAL, "pfs-group", p->pfs);
}

static unsigned digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

unsigned conf_peer_secret(const struct conf_peer *p, uint8_t *out)
{
	const char *s = p->secret;
	unsigned n = (unsigned)strlen(s);

	if (strncmp(s, "0x", 2)) {
		memcpy(out, s, n);
		return n;
	}
	/* an even number of digits: prop_parse() */
	for (unsigned i = 2; i + 1 < n; i += 2)
		out[i / 2 - 1] = (uint8_t)(digit(s[i]) << 4 | digit(s[i + 1]));
	return n / 2 - 1;
}

/* Spec section 8: the order on the wire. AEAD first; counter mode behind CBC of the same cipher. */
/* clang-format off */
static const char *const strongest[][PROPOSAL_ALGS_MAX + 1] = {
	[ALG_ENC] = {"aes-256-gcm", "aes-192-gcm", "aes-128-gcm", "aes-256-gcm-12", "aes-192-gcm-12", "aes-128-gcm-12",
		     "aes-256-gcm-8", "aes-192-gcm-8", "aes-128-gcm-8", "aes-256-ccm", "aes-192-ccm", "aes-128-ccm",
		     "aes-256-ccm-12", "aes-192-ccm-12", "aes-128-ccm-12", "aes-256-ccm-8", "aes-192-ccm-8", "aes-128-ccm-8",
		     "aes-256", "aes-192", "aes-128", "aes-256-ctr", "aes-192-ctr", "aes-128-ctr",
		     "camellia-256", "camellia-192", "camellia-128", "twofish", "blowfish", "3des", "des", "null"},
	[ALG_AUTH] = {"sha512", "sha384", "sha256", "sha1", "aes-xcbc", "md5", "null"},
};
/* clang-format on */

static bool allows(const struct prop *p, uint32_t set, const char *name)
{
	for (unsigned i = 0; p->words[i]; i++)
		if ((set >> i & 1) && strcmp(p->words[i], name) == 0)
			return true;
	return false;
}

unsigned conf_proposal_algs(const struct conf_proposal *p, enum alg_kind kind, const struct alg *out[PROPOSAL_ALGS_MAX])
{
	const struct prop *set =
		prop_named(&menus[MENU_PROPOSAL], kind == ALG_ENC ? "enc-algorithms" : "auth-algorithms");
	uint32_t have = kind == ALG_ENC ? p->enc : p->auth;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(strongest[0]) && strongest[kind][i]; i++)
		if (allows(set, have, strongest[kind][i]))
			out[n++] = alg_by_name(kind, strongest[kind][i]);
	return n;
}

bool conf_proposal_pair(const struct alg *enc, const struct alg *auth)
{
	if (enc->flags & ALG_F_AEAD)
		return auth->abi == XI_AUTH_NULL;
	return auth->abi != XI_AUTH_NULL || (enc->abi != XI_ENC_NULL && !(enc->flags & ALG_F_COUNTER));
}

bool conf_proposal_offers(const struct conf_proposal *p, unsigned proto)
{
	const struct alg *enc[PROPOSAL_ALGS_MAX], *auth[PROPOSAL_ALGS_MAX];
	unsigned n_enc = conf_proposal_algs(p, ALG_ENC, enc), n_auth = conf_proposal_algs(p, ALG_AUTH, auth);

	if (proto == XI_PROTO_AH)
		return n_auth && auth[0]->abi != XI_AUTH_NULL; /* null is the last one */
	for (unsigned i = 0; i < n_enc; i++) {
		if (enc[i]->flags & ALG_F_AEAD) /* takes no authentication, whatever the set says */
			return true;
		for (unsigned k = 0; k < n_auth; k++)
			if (conf_proposal_pair(enc[i], auth[k]))
				return true;
	}
	return false;
}

/* RFC 8221 for algorithms, RFC 8247 §2.4 for groups. null is there for who wants it. */
static bool is_weak(const char *word)
{
	static const char *const groups[] = {"ec2n155", "ec2n185", "modp768", "modp1024", "modp1536"};
	const struct alg *a = alg_by_name(ALG_ENC, word);

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(groups[i], word) == 0)
			return true;
	if (!a)
		a = alg_by_name(ALG_AUTH, word);
	return a && (a->level >= ALG_SHOULD_NOT || strcmp(word, "null") == 0);
}

static bool may_be_weak(const struct prop *p)
{
	static const char *const names[] = {"hash-algorithm",  "enc-algorithm",	 "dh-group",
					    "auth-algorithms", "enc-algorithms", "pfs-group"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], p->name) == 0)
			return true;
	return false;
}

/* What only ciphers with authentication of their own are offered with, is no lack of it. */
static bool needs_no_auth(enum menu_id menu, const struct conf_item *it)
{
	const struct alg *enc[PROPOSAL_ALGS_MAX];
	unsigned n, aead = 0;

	if (menu != MENU_PROPOSAL)
		return false;
	n = conf_proposal_algs((const struct conf_proposal *)it, ALG_ENC, enc);
	for (unsigned i = 0; i < n; i++)
		aead += !!(enc[i]->flags & ALG_F_AEAD);
	return n && aead == n;
}

unsigned conf_weak(enum menu_id menu, const struct conf_item *it, char *buf, size_t size)
{
	const struct menu *m = &menus[menu];
	bool bare = needs_no_auth(menu, it);
	unsigned count = 0;
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < m->count; i++) {
		char value[VALUE_MAX], *at = value, *word;

		if (!may_be_weak(&m->prop[i]) || (bare && strcmp(m->prop[i].name, "auth-algorithms") == 0))
			continue;
		prop_format(&m->prop[i], it, value, sizeof(value));
		while ((word = strsep(&at, ",")))
			if (is_weak(word) && n < size) {
				n += (size_t)snprintf(buf + n, size - n, "%s%s=%s", count ? ", " : "", m->prop[i].name,
						      word);
				count++;
			}
	}
	return count;
}
