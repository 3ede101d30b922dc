/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/xi_alg.h"
#include "user/base/clock.h"

static void __printf(2, 3) inactive(struct conf_item *it, const char *fmt, ...)
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

static void judge_key(struct conf_msa *m, const struct alg *a, const struct conf_key *k, const char *prop, int dir)
{
	unsigned need = alg_key_bytes(a);

	if (need && a->key_max && !alg_key_fits(a, k->len))
		inactive(&m->it, "%s key of %s has %u bytes, %s needs %u to %u", side[dir], prop, k->len, a->name,
			 a->key_min, a->key_max);
	else if (need && !a->key_max && k->len != need)
		inactive(&m->it, "%s key of %s has %u bytes, %s needs %u", side[dir], prop, k->len, a->name, need);
}

/* RFC 4106 §2, RFC 3686 §2: two senders under one counter-mode key use each IV twice, and one of the two is the peer. */
static void judge_counter(struct conf_msa *m)
{
	const struct alg *out = prop_alg(ALG_ENC, m->esp_enc[XI_DIR_OUT]);
	const struct conf_key *k = m->esp_enc_key;

	if ((out->flags & ALG_F_COUNTER) && m->esp_enc[XI_DIR_IN] == m->esp_enc[XI_DIR_OUT] && k[0].len == k[1].len &&
	    memcmp(k[0].b, k[1].b, k[0].len) == 0)
		inactive(&m->it, "%s needs one esp-enc-key in and another one out", out->name);
}

static bool asks_esp(const struct conf_msa *m, int dir)
{
	return prop_alg(ALG_ENC, m->esp_enc[dir])->abi != XI_ENC_NULL ||
	       prop_alg(ALG_AUTH, m->esp_auth[dir])->abi != XI_AUTH_NULL;
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
static int judge_spis(struct conf_list *l)
{
	struct spi_user *u = calloc(l->count + 1, sizeof(*u));
	unsigned n = 0;

	if (!u)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_msa *m = CONF_ITEM(conf_msa, l, i);

		if (!m->it.disabled && asks_esp(m, XI_DIR_IN))
			u[n++] = (struct spi_user){m->esp_spi[XI_DIR_IN], i};
	}
	qsort(u, n, sizeof(*u), by_spi);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (u[i].spi == u[first].spi)
			inactive(l->item[u[i].index], "incoming esp-spi 0x%X is taken by %s", u[i].spi,
				 CONF_ITEM(conf_msa, l, u[first].index)->name);
		else
			first = i;
	}
	free(u);
	return 0;
}

static int judge_templates(struct conf *c)
{
	struct conf_list *l = &c->list[MENU_MANUAL_SA];

	for (unsigned i = 0; i < l->count; i++) {
		struct conf_msa *m = CONF_ITEM(conf_msa, l, i);

		m->it.flags &= ~(uint32_t)ITEM_INACTIVE;
		m->it.reason[0] = '\0';
		if (m->it.disabled)
			continue;
		for (int d = 0; d < 2; d++) {
			judge_key(m, prop_alg(ALG_ENC, m->esp_enc[d]), &m->esp_enc_key[d], "esp-enc-key", d);
			judge_key(m, prop_alg(ALG_AUTH, m->esp_auth[d]), &m->esp_auth_key[d], "esp-auth-key", d);
		}
		judge_counter(m);
	}
	return judge_spis(l);
}

/* A policy's selectors as bytes, with its place in evaluation order (spec 13.1). */
struct sel_user {
	struct xi_selector sel;
	int64_t priority;
	unsigned index;
};

static int by_selector(const void *a, const void *b)
{
	const struct sel_user *x = a, *y = b;
	int d = memcmp(&x->sel, &y->sel, sizeof(x->sel));

	if (d)
		return d;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void fill_selector(struct xi_selector *s, const struct conf_policy *p)
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

/* Spec 6.4: an exact duplicate of the selectors of another policy never matches. */
static int judge_duplicates(struct conf_list *l)
{
	struct sel_user *u = calloc(l->count + 1, sizeof(*u));
	unsigned n = 0;

	if (!u)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_policy *p = CONF_ITEM(conf_policy, l, i);

		if (p->it.disabled || (p->it.flags & ITEM_DYNAMIC))
			continue;
		fill_selector(&u[n].sel, p);
		u[n].priority = p->priority;
		u[n++].index = i;
	}
	qsort(u, n, sizeof(*u), by_selector);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (memcmp(&u[i].sel, &u[first].sel, sizeof(u[i].sel)) == 0)
			inactive(l->item[u[i].index], "same selectors as policy %u, which is evaluated earlier",
				 u[first].index);
		else
			first = i;
	}
	free(u);
	return 0;
}

/* What an encrypt policy needs that this version, or its own values, cannot give. */
static void judge_encrypt(const struct conf *c, struct conf_policy *p)
{
	const struct conf_msa *m;
	int i;

	if (p->protos & XI_PROTOS_AH)
		inactive(&p->it, "AH is not implemented yet");
	if (!p->tunnel)
		inactive(&p->it, "transport mode is not implemented yet");
	if (p->tunnel && !p->sa_dst.family)
		inactive(&p->it, "tunnel=yes needs sa-dst-address");
	if (p->src.family != XI_IP4 || p->sa_dst.family == XI_IP6 || p->sa_src.family == XI_IP6)
		inactive(&p->it, "encryption of or over IPv6 is not implemented yet");
	if (!p->manual_sa[0]) {
		inactive(&p->it, "it names no manual-sa, and IKE is not implemented yet");
		return;
	}
	i = conf_index_of_name(c, MENU_MANUAL_SA, p->manual_sa);
	if (i < 0)
		return;
	m = CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], i);
	if (m->it.disabled)
		inactive(&p->it, "manual-sa %s is disabled", m->name);
	else if (m->it.flags & ITEM_INACTIVE)
		inactive(&p->it, "manual-sa %s is invalid: %.60s", m->name, m->it.reason);
	else if (!asks_esp(m, XI_DIR_IN) || !asks_esp(m, XI_DIR_OUT))
		inactive(&p->it, "manual-sa %s has no ESP algorithm", m->name);
}

/* The SA of one direction as the template describes it (RFC 4301 §4.4.2.1). */
static void fill_sa(struct xi_sa *s, const struct conf_policy *p, const struct conf_msa *m, int dir,
		    const struct ip_addr *local)
{
	const struct alg *enc = prop_alg(ALG_ENC, m->esp_enc[dir]), *auth = prop_alg(ALG_AUTH, m->esp_auth[dir]);

	*s = (struct xi_sa){
		.dir = (uint8_t)dir,
		.proto = XI_PROTO_ESP,
		.mode = XI_MODE_TUNNEL,
		.family = local->family,
		.flags = XI_SA_F_MANUAL,
		.enc_alg = enc->abi,
		.auth_alg = auth->abi,
		.spi = htonl(m->esp_spi[dir]),
		.src = dir == XI_DIR_OUT ? local->a : p->sa_dst.a,
		.dst = dir == XI_DIR_OUT ? p->sa_dst.a : local->a,
		.reqid = p->level == XI_LEVEL_UNIQUE ? p->it.id : 0,
		/* a key that the algorithm has no use for is not in the record */
		.enc_key_len = alg_key_bytes(enc) ? m->esp_enc_key[dir].len : 0,
		.auth_key_len = alg_key_bytes(auth) ? m->esp_auth_key[dir].len : 0,
		.hard_ns = (uint64_t)m->lifetime * NS_PER_S,
		/* Spec 14.2: soft is 80 % of hard, in whole seconds. */
		.soft_ns = (uint64_t)(m->lifetime * 8 / 10) * NS_PER_S,
	};
	/* A window of bytes, 8 packets each, in whole words; none without an ICV (spec 15). */
	if (dir == XI_DIR_IN && (auth->icv_len || enc->icv_len))
		s->replay_window = (uint32_t)(m->replay + 3) / 4 * 32;
	(void)str_copy(s->owner, sizeof(s->owner), m->name); /* same size */
	memcpy(s->enc_key, m->esp_enc_key[dir].b, s->enc_key_len);
	memcpy(s->auth_key, m->esp_auth_key[dir].b, s->auth_key_len);
}

static bool same_spi_key(const struct xi_sa *a, const struct xi_sa *b)
{
	return a->spi == b->spi && a->proto == b->proto && a->family == b->family &&
	       memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0;
}

/*
 * Index of the SA in the plan, entered when it is new. -1: another one has its destination, protocol and SPI, so that the
 * policy cannot have it.
 */
static int enter_sa(struct plan *plan, const struct xi_sa *s, const struct conf_policy *p, const struct conf_msa *m)
{
	for (unsigned i = 0; i < plan->sas; i++)
		if (same_spi_key(&plan->sa[i].sa, s))
			return memcmp(&plan->sa[i].sa, s, sizeof(*s)) == 0 ? (int)i : -1;
	plan->sa[plan->sas] = (struct plan_sa){.sa = *s, .policy = p->it.id, .template_id = m->it.id};
	return (int)plan->sas++;
}

/*
 * The SA planned earlier that would repeat IVs with the new one `at` (RFC 4106 §2, RFC 3686 §2): one of the two is for sending, in
 * the other we or the peer send. NULL = none.
 */
static const struct plan_sa *counter_rival(const struct plan *plan, int at)
{
	const struct xi_sa *s = &plan->sa[at].sa;

	for (int i = 0; i < at; i++) {
		const struct xi_sa *other = &plan->sa[i].sa;

		if ((s->dir == XI_DIR_OUT || other->dir == XI_DIR_OUT) && alg_same_counter_key(s, other))
			return &plan->sa[i];
	}
	return NULL;
}

/* Gives an active encrypt policy its SAs, or makes it inactive. */
static void plan_sas(struct plan *plan, struct conf *c, struct conf_policy *p, struct plan_policy *pp,
		     plan_route_fn route)
{
	struct conf_msa *m =
		CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], conf_index_of_name(c, MENU_MANUAL_SA, p->manual_sa));
	struct ip_addr local = p->sa_src;
	unsigned before = plan->sas;
	struct xi_sa s[2];
	char dst[64];

	/* Spec 6.1: sa-src-address unset is taken from the route towards sa-dst-address. */
	if (!local.family && (route(&p->sa_dst, &local) || local.family != p->sa_dst.family)) {
		val_addr_format(dst, sizeof(dst), &p->sa_dst);
		inactive(&p->it, "no route to sa-dst-address %s to take sa-src-address from", dst);
		return;
	}
	pp->pol.sa_src = local.a;
	pp->pol.sa_family = local.family;
	for (int d = 0; d < 2; d++)
		fill_sa(&s[d], p, m, d, &local);
	for (int d = 0; d < 2 && !(p->it.flags & ITEM_INACTIVE); d++) {
		const struct plan_sa *rival;

		pp->sa[d] = enter_sa(plan, &s[d], p, m);
		if (pp->sa[d] < 0) {
			inactive(&p->it,
				 "%s SPI 0x%X is in use by another policy with other ends, keys or level=unique",
				 side[d], ntohl(s[d].spi));
			break;
		}
		rival = counter_rival(plan, pp->sa[d]);
		if (rival)
			inactive(&p->it,
				 "the %s esp-enc-key of %s is in use for policy %d, and %s needs a key for each SA",
				 side[d], m->name, conf_index_of_id(c, MENU_POLICY, rival->policy),
				 prop_alg(ALG_ENC, m->esp_enc[d])->name);
	}
	if (p->it.flags & ITEM_INACTIVE) {
		plan->sas = before;
		pp->sa[0] = pp->sa[1] = -1;
	}
	explicit_bzero(s, sizeof(s));
}

static void fill_policy(struct plan_policy *pp, const struct conf_policy *p, unsigned position)
{
	struct xi_policy *x = &pp->pol;

	*pp = (struct plan_policy){.sa = {-1, -1}};
	fill_selector(&x->sel, p);
	x->action = p->action;
	x->priority = (int32_t)p->priority;
	x->position = position;
	x->id = p->it.id;
	if (p->action != XI_ACTION_ENCRYPT)
		return; /* spec 6.1: from level on nothing has an effect */
	x->level = p->level;
	x->mode = p->tunnel ? XI_MODE_TUNNEL : XI_MODE_TRANSPORT;
	x->protos = p->protos;
	x->sa_src = p->sa_src.a;
	x->sa_dst = p->sa_dst.a;
	x->sa_family = p->sa_dst.family;
	x->reqid = p->level == XI_LEVEL_UNIQUE ? p->it.id : 0;
	(void)str_copy(x->manual_sa, sizeof(x->manual_sa), p->manual_sa); /* same size */
}

static void plan_policy(struct plan *plan, struct conf *c, struct conf_policy *p, unsigned position,
			plan_route_fn route)
{
	struct plan_policy *pp = &plan->policy[plan->policies];

	fill_policy(pp, p, position);
	if (p->action == XI_ACTION_ENCRYPT) {
		judge_encrypt(c, p);
		if (!(p->it.flags & ITEM_INACTIVE))
			plan_sas(plan, c, p, pp, route);
	}
	if (p->it.flags & ITEM_INACTIVE) {
		/* Spec 3.5: inactive is as if disabled, but an encrypt policy that must protect fails closed. */
		if (p->action != XI_ACTION_ENCRYPT || p->level == XI_LEVEL_USE)
			return;
		pp->pol.flags |= XI_POL_INACTIVE;
	}
	plan->policies++;
}

int plan_build(struct plan *plan, struct conf *c, plan_route_fn route)
{
	struct conf_list *l = &c->list[MENU_POLICY];

	*plan = (struct plan){
		.policy = calloc(l->count + 1, sizeof(*plan->policy)),
		.sa = calloc(2 * (size_t)l->count + 2, sizeof(*plan->sa)),
	};
	if (!plan->policy || !plan->sa || judge_templates(c))
		goto err;
	for (unsigned i = 0; i < l->count; i++) {
		l->item[i]->flags &= ~(uint32_t)ITEM_INACTIVE;
		l->item[i]->reason[0] = '\0';
	}
	if (judge_duplicates(l))
		goto err;
	for (unsigned i = 0; i < l->count; i++)
		if (!l->item[i]->disabled)
			plan_policy(plan, c, CONF_ITEM(conf_policy, l, i), i, route);
	return 0;
err:
	plan_free(plan);
	return -ENOMEM;
}

void plan_free(struct plan *plan)
{
	if (plan->sa)
		explicit_bzero(plan->sa, plan->sas * sizeof(*plan->sa));
	free(plan->sa);
	free(plan->policy);
	*plan = (struct plan){0};
}
