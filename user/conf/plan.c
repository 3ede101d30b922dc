/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/conf/judge.h"

#define SAS_PER_POLICY 4 /* ESP and AH, in and out */
#define NATT_PORT 4500	 /* ours (RFC 3948) */

static const char *const side[] = {"incoming", "outgoing"}; /* by XI_DIR_* */

/* Spec 14.2: 80 % in whole units, without overflow. */
static uint64_t soft_of(uint64_t hard)
{
	return hard / 10 * 8 + hard % 10 * 8 / 10;
}

static void fill_limits(struct xi_sa *s, const struct conf_msa *m)
{
	s->hard_ns = (uint64_t)m->lifetime * NS_PER_S;
	s->soft_ns = soft_of((uint64_t)m->lifetime) * NS_PER_S;
	s->hard_bytes = (uint64_t)m->lifebytes;
	s->soft_bytes = soft_of(s->hard_bytes);
	s->hard_packets = (uint64_t)m->lifepackets;
	s->soft_packets = soft_of(s->hard_packets);
}

static void fill_flags(struct xi_sa *s, const struct conf_msa *m)
{
	s->flags = XI_SA_F_MANUAL | (m->esn ? XI_SA_F_ESN : 0);
	if (m->natt && s->proto == XI_PROTO_ESP) {
		s->flags |= XI_SA_F_UDP | (s->dir == XI_DIR_OUT ? XI_SA_F_KEEPALIVE : 0);
		s->udp_local = htons(NATT_PORT);
		s->udp_remote = htons((uint16_t)m->natt_port);
	}
	if (m->ah_align8 && s->proto == XI_PROTO_AH && s->family == XI_IP4 && s->dir == XI_DIR_OUT)
		s->flags |= XI_SA_F_AH_ALIGN8;
}

static void fill_esp(struct xi_sa *s, const struct conf_msa *m, int dir)
{
	const struct conf_key *ek = &m->esp_enc_key[dir], *ak = &m->esp_auth_key[dir];
	const struct alg *enc = prop_alg(ALG_ENC, m->esp_enc[dir]), *auth = prop_alg(ALG_AUTH, m->esp_auth[dir]);

	s->spi = htonl(m->esp_spi[dir]);
	s->enc_alg = enc->abi;
	s->auth_alg = auth->abi;
	/* a key that the algorithm has no use for is not in the record */
	s->enc_key_len = alg_key_bytes(enc) ? ek->len : 0;
	s->auth_key_len = alg_key_bytes(auth) ? ak->len : 0;
	memcpy(s->enc_key, ek->b, s->enc_key_len);
	memcpy(s->auth_key, ak->b, s->auth_key_len);
	/* none without an ICV (spec 15) */
	if (!enc->icv_len && !auth->icv_len)
		s->replay_window = 0;
}

static void fill_ah(struct xi_sa *s, const struct conf_msa *m, int dir)
{
	s->spi = htonl(m->ah_spi[dir]);
	s->auth_alg = prop_alg(ALG_AUTH, m->ah_alg[dir])->abi;
	s->auth_key_len = m->ah_key[dir].len;
	memcpy(s->auth_key, m->ah_key[dir].b, s->auth_key_len);
}

/* The SA of one protocol and direction as the template describes it (RFC 4301 §4.4.2.1). */
static void fill_sa(struct xi_sa *s, const struct xi_policy *pol, const struct conf_msa *m, uint8_t proto, int dir)
{
	*s = (struct xi_sa){
		.dir = (uint8_t)dir,
		.proto = proto,
		/* Spec 6.1: of the two, ESP does the tunnelling and AH is transport mode on the outer packet. */
		.mode = proto == XI_PROTO_AH && (pol->protos & XI_PROTOS_ESP) ? XI_MODE_TRANSPORT : pol->mode,
		.family = pol->sa_family,
		.src = dir == XI_DIR_OUT ? pol->sa_src : pol->sa_dst,
		.dst = dir == XI_DIR_OUT ? pol->sa_dst : pol->sa_src,
		.reqid = pol->reqid,
		/* bytes, 8 packets each, in whole words */
		.replay_window = dir == XI_DIR_IN ? (uint32_t)(m->replay + 3) / 4 * 32 : 0,
	};
	if (proto == XI_PROTO_AH)
		fill_ah(s, m, dir);
	else
		fill_esp(s, m, dir);
	fill_limits(s, m);
	fill_flags(s, m);
	(void)str_copy(s->owner, sizeof(s->owner), m->name); /* same size */
}

static bool same_spi_key(const struct xi_sa *a, const struct xi_sa *b)
{
	return a->spi == b->spi && a->proto == b->proto && a->family == b->family &&
	       memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0;
}

#define PLAN_NONE UINT_MAX

static unsigned *bucket_of(const struct plan *plan, const struct xi_sa *s)
{
	uint32_t h = s->spi ^ (uint32_t)s->proto << 24;

	for (int i = 0; i < 4; i++)
		h = (h ^ s->dst.w[i]) * 0x9e3779b1u;
	return &plan->first[(h ^ h >> 16) & (plan->buckets - 1)];
}

/* The SAs from that one on are taken out again, the last one first. */
static void forget_sas(struct plan *plan, unsigned from)
{
	while (plan->sas > from) {
		plan->sas--;
		*bucket_of(plan, &plan->sa[plan->sas].sa) = plan->next[plan->sas];
	}
}

/*
 * Index of the SA in the plan, entered when it is new. -1: another one has its destination, protocol and SPI, so that the
 * policy cannot have it.
 */
static int enter_sa(struct plan *plan, const struct xi_sa *s, const struct conf_policy *p, const struct conf_msa *m)
{
	unsigned *bucket = bucket_of(plan, s);

	for (unsigned i = *bucket; i != PLAN_NONE; i = plan->next[i])
		if (same_spi_key(&plan->sa[i].sa, s))
			return memcmp(&plan->sa[i].sa, s, sizeof(*s)) == 0 ? (int)i : -1;
	plan->next[plan->sas] = *bucket;
	*bucket = plan->sas;
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
	unsigned len;

	if (!alg_counter_key(s, &len))
		return NULL;
	for (int i = 0; i < at; i++) {
		const struct xi_sa *other = &plan->sa[i].sa;

		if ((s->dir == XI_DIR_OUT || other->dir == XI_DIR_OUT) && alg_same_counter_key(s, other))
			return &plan->sa[i];
	}
	return NULL;
}

/* One of the policy's SAs: its index in the plan, or -1 with the policy inactive. */
static int plan_one(struct plan *plan, const struct conf *c, struct conf_policy *p, const struct conf_msa *m,
		    const struct xi_sa *s)
{
	const struct plan_sa *rival;
	int at = enter_sa(plan, s, p, m);

	if (at < 0) {
		judge_inactive(&p->it,
			       "%s %s 0x%X is in use by another policy with other ends, mode, keys or level=unique",
			       side[s->dir], s->proto == XI_PROTO_AH ? "ah-spi" : "esp-spi", ntohl(s->spi));
		return -1;
	}
	rival = counter_rival(plan, at);
	if (rival) {
		bool ah = s->proto == XI_PROTO_AH;
		const struct alg *a =
			ah ? prop_alg(ALG_AUTH, m->ah_alg[s->dir]) : prop_alg(ALG_ENC, m->esp_enc[s->dir]);

		judge_inactive(&p->it, "the %s %s of %s is in use for policy %d, and %s needs a key for each SA",
			       side[s->dir], ah ? "ah-key" : "esp-enc-key", m->name,
			       conf_index_of_id(c, MENU_POLICY, rival->policy), a->name);
		return -1;
	}
	return at;
}

/* Spec 6.1: sa-src-address unset is taken from the route towards the far end. */
static int find_ends(struct conf_policy *p, struct xi_policy *pol, plan_route_fn route)
{
	struct ip_addr remote = judge_remote(p), local = p->sa_src;
	char dst[64];

	pol->sa_dst = remote.a;
	pol->sa_family = remote.family;
	if (!local.family && (route(&remote, &local) || local.family != remote.family)) {
		val_addr_format(dst, sizeof(dst), &remote);
		judge_inactive(&p->it, "no route to sa-dst-address %s to take sa-src-address from", dst);
		return -1;
	}
	pol->sa_src = local.a;
	return 0;
}

/* Gives an active encrypt policy its SAs, or makes it inactive. */
static void plan_sas(struct plan *plan, struct conf *c, struct conf_policy *p, struct plan_policy *pp,
		     plan_route_fn route)
{
	bool esp = p->protos & XI_PROTOS_ESP, ah = p->protos & XI_PROTOS_AH;
	unsigned before = plan->sas;
	struct conf_msa *m;
	struct xi_sa s;

	if (!p->manual_sa[0]) {
		pp->pol.sa_dst = judge_remote(p).a;
		pp->pol.sa_family = judge_remote(p).family;
		return; /* an unset sa-src-address is found when the SAs are negotiated */
	}
	if (find_ends(p, &pp->pol, route))
		return;
	m = CONF_ITEM(conf_msa, &c->list[MENU_MANUAL_SA], conf_index_of_name(c, MENU_MANUAL_SA, p->manual_sa));
	for (int d = 0; d < 2 && esp && !(p->it.flags & ITEM_INACTIVE); d++) {
		fill_sa(&s, &pp->pol, m, XI_PROTO_ESP, d);
		pp->sa[d] = plan_one(plan, c, p, m, &s);
	}
	for (int d = 0; d < 2 && ah && !(p->it.flags & ITEM_INACTIVE); d++) {
		fill_sa(&s, &pp->pol, m, XI_PROTO_AH, d);
		(esp ? pp->sa_ah : pp->sa)[d] = plan_one(plan, c, p, m, &s);
	}
	if (p->it.flags & ITEM_INACTIVE) {
		forget_sas(plan, before);
		for (int d = 0; d < 2; d++)
			pp->sa[d] = pp->sa_ah[d] = -1;
	}
	explicit_bzero(&s, sizeof(s));
}

static void fill_policy(struct plan_policy *pp, const struct conf_policy *p, unsigned position)
{
	struct xi_policy *x = &pp->pol;

	*pp = (struct plan_policy){.sa = {-1, -1}, .sa_ah = {-1, -1}};
	judge_selector(&x->sel, p);
	x->action = p->action;
	x->priority = (int32_t)p->priority;
	x->position = position;
	x->id = p->it.id;
	if (p->action != XI_ACTION_ENCRYPT)
		return; /* spec 6.1: from level on nothing has an effect */
	x->level = p->level;
	x->mode = p->tunnel ? XI_MODE_TUNNEL : XI_MODE_TRANSPORT;
	x->protos = (uint8_t)p->protos;
	x->sa_src = p->sa_src.a;
	x->sa_dst = p->sa_dst.a;
	x->sa_family = p->sa_dst.family;
	x->reqid = p->level == XI_LEVEL_UNIQUE ? p->it.id : 0;
	x->tcp_mss = (uint16_t)p->tcp_mss;
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
		if (p->action != XI_ACTION_ENCRYPT || (p->level == XI_LEVEL_USE && judge_is_duplicate(&p->it)))
			return;
		/* Spec 3.5: as if disabled, but an encrypt policy that must protect fails closed, and one of level use counts what passes. */
		pp->pol.flags |= XI_POL_INACTIVE;
	}
	plan->policies++;
}

static int plan_alloc(struct plan *plan, unsigned policies)
{
	size_t most = SAS_PER_POLICY * ((size_t)policies + 1);
	unsigned buckets = 16;

	while (buckets < most)
		buckets *= 2;
	*plan = (struct plan){
		.policy = calloc((size_t)policies + 1, sizeof(*plan->policy)),
		.sa = calloc(most, sizeof(*plan->sa)),
		.first = malloc(buckets * sizeof(*plan->first)),
		.next = malloc(most * sizeof(*plan->next)),
		.buckets = buckets,
	};
	if (!plan->policy || !plan->sa || !plan->first || !plan->next)
		return -ENOMEM;
	for (unsigned i = 0; i < buckets; i++)
		plan->first[i] = PLAN_NONE;
	return 0;
}

static void plan_policies(struct plan *plan, struct conf *c, plan_route_fn route)
{
	struct conf_list *l = &c->list[MENU_POLICY];

	plan->policies = 0;
	forget_sas(plan, 0);
	for (unsigned i = 0; i < l->count; i++)
		if (!l->item[i]->disabled && !(l->item[i]->flags & ITEM_DYNAMIC))
			plan_policy(plan, c, CONF_ITEM(conf_policy, l, i), i, route);
}

/* What earlier runs said of the policies is forgotten; of the idle ones only on the first run of a plan. */
static void forget_judgements(struct conf_list *l, bool first)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct conf_item *it = l->item[i];

		if (first)
			it->flags &= ~(uint32_t)ITEM_IDLE;
		if (it->flags & ITEM_IDLE)
			continue;
		it->flags &= ~(uint32_t)ITEM_INACTIVE;
		it->reason[0] = '\0';
	}
}

/*
 * A policy of level use that turned out inactive only when its SAs were planned (a conflict, no route) has been taken for one that decides.
 * True: there are such, and duplicates that may have been inactive for them; they are idle now, and what follows is planned anew.
 */
static bool found_idle(struct conf_list *l)
{
	bool found = false, duplicates = false;

	for (unsigned i = 0; i < l->count; i++) {
		struct conf_policy *p = CONF_ITEM(conf_policy, l, i);

		if (!(p->it.flags & ITEM_INACTIVE) || (p->it.flags & ITEM_IDLE))
			continue;
		if (judge_is_duplicate(&p->it)) {
			duplicates = true;
		} else if (p->action == XI_ACTION_ENCRYPT && p->level == XI_LEVEL_USE) {
			p->it.flags |= ITEM_IDLE;
			found = true;
		}
	}
	return found && duplicates;
}

int plan_build(struct plan *plan, struct conf *c, plan_route_fn route)
{
	struct conf_list *l = &c->list[MENU_POLICY];
	bool first = true;

	if (plan_alloc(plan, l->count) || judge_templates(c))
		goto err;
	do { /* ends: each round but the last has more idle ones */
		forget_judgements(l, first);
		first = false;
		if (judge_duplicates(c))
			goto err;
		plan_policies(plan, c, route);
	} while (found_idle(l));
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
	free(plan->first);
	free(plan->next);
	*plan = (struct plan){0};
}
