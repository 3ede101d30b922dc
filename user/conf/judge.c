/* SPDX-License-Identifier: BSD-2-Clause */
/* What is accepted but cannot work (spec sections 3.5, 6.4, 9): flag I and its reason. */
#include "user/conf/judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/xi_alg.h"

void judge_inactive(struct conf_item *it, const char *fmt, ...)
{
	va_list ap;

	if (it->flags & ITEM_INACTIVE)
		return;
	it->flags |= ITEM_INACTIVE;
	va_start(ap, fmt);
	(void)vsnprintf(it->reason, sizeof(it->reason), fmt, ap);
	va_end(ap);
}

static const char *const side[] = {"incoming", "outgoing"}; /* by XI_DIR_* */

bool judge_asks(const struct conf_msa *m, unsigned proto, int dir)
{
	if (proto == XI_PROTO_AH)
		return prop_alg(ALG_AUTH, m->ah_alg[dir])->abi != XI_AUTH_NULL;
	return prop_alg(ALG_ENC, m->esp_enc[dir])->abi != XI_ENC_NULL ||
	       prop_alg(ALG_AUTH, m->esp_auth[dir])->abi != XI_AUTH_NULL;
}

static void judge_key(struct conf_msa *m, const struct alg *a, const struct conf_key *k, const char *prop, int dir)
{
	unsigned need = alg_key_bytes(a);

	if (!need || alg_key_fits(a, k->len))
		return;
	if (a->key_max)
		judge_inactive(&m->it, "%s key of %s has %u bytes, %s needs %u to %u", side[dir], prop, k->len, a->name,
			       a->key_min, a->key_max);
	else
		judge_inactive(&m->it, "%s key of %s has %u bytes, %s needs %u", side[dir], prop, k->len, a->name,
			       need);
}

/* RFC 4106 §2, RFC 3686 §2: two senders under one counter-mode key use each IV twice, and one of the two is the peer. */
static void judge_counter(struct conf_msa *m, const struct alg *in, const struct alg *out, const struct conf_key k[2],
			  const char *prop)
{
	if ((out->flags & ALG_F_COUNTER) && in == out && k[0].len == k[1].len && memcmp(k[0].b, k[1].b, k[0].len) == 0)
		judge_inactive(&m->it, "%s needs one %s in and another one out", out->name, prop);
}

/* One algorithm property of a template and the keys that go with it. */
static void judge_keys(struct conf_msa *m, enum alg_kind kind, const uint8_t alg[2], const struct conf_key key[2],
		       const char *prop)
{
	const struct alg *a[2] = {prop_alg(kind, alg[XI_DIR_IN]), prop_alg(kind, alg[XI_DIR_OUT])};

	for (int d = 0; d < 2; d++)
		judge_key(m, a[d], &key[d], prop, d);
	judge_counter(m, a[XI_DIR_IN], a[XI_DIR_OUT], key, prop);
}

struct spi_user {
	uint32_t spi;
	unsigned index;
};

static int by_spi(const void *a, const void *b)
{
	const struct spi_user *x = a, *y = b;

	if (x->spi != y->spi)
		return x->spi < y->spi ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Spec 9: two templates asking for the same inbound (protocol, SPI): the later is invalid. */
static int judge_spis(struct conf_list *l, unsigned proto)
{
	struct spi_user *u = calloc(l->count + 1, sizeof(*u));
	unsigned n = 0;

	if (!u)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_msa *m = CONF_ITEM(conf_msa, l, i);
		const uint32_t *spi = proto == XI_PROTO_AH ? m->ah_spi : m->esp_spi;

		if (!m->it.disabled && judge_asks(m, proto, XI_DIR_IN))
			u[n++] = (struct spi_user){spi[XI_DIR_IN], i};
	}
	qsort(u, n, sizeof(*u), by_spi);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (u[i].spi == u[first].spi)
			judge_inactive(l->item[u[i].index], "incoming %s 0x%X is taken by %s",
				       proto == XI_PROTO_AH ? "ah-spi" : "esp-spi", u[i].spi,
				       CONF_ITEM(conf_msa, l, u[first].index)->name);
		else
			first = i;
	}
	free(u);
	return 0;
}

static void judge_proposals(struct conf_list *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_proposal *p = CONF_ITEM(conf_proposal, l, i);

		p->yields = (conf_proposal_offers(p, XI_PROTO_ESP) ? XI_PROTOS_ESP : 0) |
			    (conf_proposal_offers(p, XI_PROTO_AH) ? XI_PROTOS_AH : 0);
	}
}

int judge_templates(struct conf *c)
{
	struct conf_list *l = &c->list[MENU_MANUAL_SA];

	judge_proposals(&c->list[MENU_PROPOSAL]);
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_msa *m = CONF_ITEM(conf_msa, l, i);

		m->it.flags &= ~(uint32_t)ITEM_INACTIVE;
		m->it.reason[0] = '\0';
		if (m->it.disabled)
			continue;
		judge_keys(m, ALG_ENC, m->esp_enc, m->esp_enc_key, "esp-enc-key");
		judge_keys(m, ALG_AUTH, m->esp_auth, m->esp_auth_key, "esp-auth-key");
		judge_keys(m, ALG_AUTH, m->ah_alg, m->ah_key, "ah-key");
	}
	return judge_spis(l, XI_PROTO_ESP) ? -ENOMEM : judge_spis(l, XI_PROTO_AH);
}

/* A policy's selectors as bytes, with its place in evaluation order (spec 13.1). */
struct sel_user {
	struct xi_selector sel;
	int64_t priority;
	unsigned index;
	bool idle;
};

static int by_selector(const void *a, const void *b)
{
	const struct sel_user *x = a, *y = b;
	int d = memcmp(&x->sel, &y->sel, sizeof(x->sel));

	if (d)
		return d;
	if (x->idle != y->idle)
		return x->idle ? 1 : -1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

void judge_selector(struct xi_selector *s, const struct conf_policy *p)
{
	*s = (struct xi_selector){
		.src = p->src.a,
		.dst = p->dst.a,
		.src_len = p->src.len,
		.dst_len = p->dst.len,
		.family = p->src.family,
	};
	if (p->proto >= 0) {
		s->flags |= XI_SEL_PROTO;
		s->proto = (uint8_t)p->proto;
	}
	if (p->src_port >= 0) {
		s->flags |= XI_SEL_SRC_PORT;
		s->src_port = htons((uint16_t)p->src_port);
	}
	if (p->dst_port >= 0) {
		s->flags |= XI_SEL_DST_PORT;
		s->dst_port = htons((uint16_t)p->dst_port);
	}
}

#define SAME_SELECTORS "same selectors as policy"

bool judge_is_duplicate(const struct conf_item *it)
{
	return strncmp(it->reason, SAME_SELECTORS, strlen(SAME_SELECTORS)) == 0;
}

/* Seen by its template, or by plan_build() when it could not have its SAs. */
static bool is_idle(const struct conf *c, const struct conf_policy *p)
{
	struct conf_policy probe = *p;

	if (p->it.flags & ITEM_IDLE)
		return true;
	if (p->action != XI_ACTION_ENCRYPT || p->level != XI_LEVEL_USE)
		return false;
	judge_encrypt(c, &probe);
	return probe.it.flags & ITEM_INACTIVE;
}

/* Spec 6.4: an exact duplicate of the selectors of another policy never matches. */
int judge_duplicates(struct conf *c)
{
	struct conf_list *l = &c->list[MENU_POLICY];
	struct sel_user *u = calloc(l->count + 1, sizeof(*u));
	unsigned n = 0;

	if (!u)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_policy *p = CONF_ITEM(conf_policy, l, i);

		if (p->it.disabled || (p->it.flags & ITEM_DYNAMIC))
			continue;
		judge_selector(&u[n].sel, p);
		u[n].idle = is_idle(c, p);
		u[n].priority = p->priority;
		u[n++].index = i;
	}
	qsort(u, n, sizeof(*u), by_selector);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (memcmp(&u[i].sel, &u[first].sel, sizeof(u[i].sel)) != 0)
			first = i;
		else if (u[i].idle == u[first].idle) /* else it has a reason of its own */
			judge_inactive(l->item[u[i].index], SAME_SELECTORS " %u, which is evaluated earlier",
				       u[first].index);
	}
	free(u);
	return 0;
}

/* Spec 6.1, 6.3: the far end, which transport mode may take from a host dst-address. */
struct ip_addr judge_remote(const struct conf_policy *p)
{
	const uint32_t *w = p->dst.a.w;
	bool host = p->dst.len == (p->dst.family == XI_IP4 ? 32 : 128) && (w[0] | w[1] | w[2] | w[3]);

	if (p->sa_dst.family || p->tunnel || !host)
		return p->sa_dst;
	return (struct ip_addr){.a = p->dst.a, .family = p->dst.family};
}

/* Spec 6.4: lacking an algorithm for a selected protocol, in either direction. */
static void judge_protocol(struct conf_policy *p, const struct conf_msa *m, unsigned proto, const char *name)
{
	for (int d = 0; d < 2; d++)
		if (!judge_asks(m, proto, d))
			judge_inactive(&p->it, "manual-sa %s has no %s algorithm", m->name, name);
}

/* Spec 6.4: a proposal that is disabled or yields no transform for a selected protocol. */
static void judge_proposal(const struct conf *c, struct conf_policy *p)
{
	int i = conf_index_of_name(c, MENU_PROPOSAL, p->proposal);
	const struct conf_proposal *pr;

	if (i < 0)
		return;
	pr = CONF_ITEM(conf_proposal, &c->list[MENU_PROPOSAL], i);
	if (pr->it.disabled)
		judge_inactive(&p->it, "proposal %s is disabled", pr->name);
	if (p->protos & ~pr->yields & XI_PROTOS_ESP)
		judge_inactive(&p->it, "proposal %s yields no ESP transform", pr->name);
	if (p->protos & ~pr->yields & XI_PROTOS_AH)
		judge_inactive(&p->it, "proposal %s yields no AH transform", pr->name);
}

void judge_encrypt(const struct conf *c, struct conf_policy *p)
{
	const struct conf_msa *m;
	int i;

	if (!judge_remote(p).family)
		judge_inactive(&p->it, p->tunnel ? "tunnel=yes needs sa-dst-address"
						 : "tunnel=no needs sa-dst-address or one host as dst-address");
	if (!p->manual_sa[0]) {
		judge_proposal(c, p);
		return;
	}
	i = conf_index_of_name(c, MENU_MANUAL_SA, p->manual_sa);
	if (i < 0)
		return;
	m = CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], i);
	if (m->it.disabled)
		judge_inactive(&p->it, "manual-sa %s is disabled", m->name);
	else if (m->it.flags & ITEM_INACTIVE)
		judge_inactive(&p->it, "manual-sa %s is invalid: %s", m->name, m->it.reason);
	if (p->protos & XI_PROTOS_ESP)
		judge_protocol(p, m, XI_PROTO_ESP, "ESP");
	if (p->protos & XI_PROTOS_AH)
		judge_protocol(p, m, XI_PROTO_AH, "AH");
}
