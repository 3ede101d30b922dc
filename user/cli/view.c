/* SPDX-License-Identifier: BSD-2-Clause */
/* What the maps say, as items that print shows: installed SAs, counters, statistics (spec sections 7.1, 10, 12). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "user/base/clock.h"
#include "user/cli/cli.h"
#include "user/route/query.h"
#include "user/crypto/engine.h"

static void copy_key(struct conf_key *k, const uint8_t *b, unsigned len)
{
	k->len = (uint8_t)MIN(len, sizeof(k->b));
	memcpy(k->b, b, k->len);
}

/* The wall clock's word for a moment in the life of the SA; -1 = it has not come. */
static int64_t wall_of(const struct xi_sa *sa, uint64_t ns)
{
	return ns ? (int64_t)(sa->add_wall + (ns - MIN(sa->add_ns, ns)) / NS_PER_S) : -1;
}

static void view_times(struct conf_sa *v, const struct xi_sa *sa, const struct xi_sa_rt *rt, uint64_t now)
{
	uint64_t age = now > sa->add_ns ? now - sa->add_ns : 0;

	v->addtime = (int64_t)sa->add_wall;
	v->add_lifetime[0] = (int64_t)(sa->soft_ns / NS_PER_S);
	v->add_lifetime[1] = (int64_t)(sa->hard_ns / NS_PER_S);
	v->expires_in = -1;
	if (sa->hard_ns)
		v->expires_in = age < sa->hard_ns ? (int64_t)((sa->hard_ns - age) / NS_PER_S) : 0;
	v->usetime = wall_of(sa, rt->first_ns);
	v->last_use = wall_of(sa, rt->last_ns);
}

static void view_algorithms(struct conf_sa *v, const struct xi_sa *sa)
{
	const struct alg *enc = alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);
	const struct alg *auth = alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len);

	(void)str_copy(v->enc_alg, sizeof(v->enc_alg), sa->proto == XI_PROTO_AH ? "none" : enc ? enc->sa_name : "?");
	(void)str_copy(v->auth_alg, sizeof(v->auth_alg), auth ? auth->sa_name : "?");
	copy_key(&v->auth_key, sa->auth_key, sa->auth_key_len);
	copy_key(&v->enc_key, sa->enc_key, sa->enc_key_len);
	if (sa->proto == XI_PROTO_AH)
		v->enc_key.len = 0xff; /* absent */
	v->enc_key_size = enc && sa->enc_key_len > enc->salt_len ? (sa->enc_key_len - enc->salt_len) * 8 : 0;
}

/* Spec 3.6: with ports when UDP-encapsulated; ours is at the end of an inbound SA. */
static void view_ends(struct conf_sa *v, const struct xi_sa *sa)
{
	uint16_t local = ntohs(sa->udp_local), remote = ntohs(sa->udp_remote);
	bool udp = sa->flags & XI_SA_F_UDP, out = sa->dir == XI_DIR_OUT;

	v->src = (struct ip_endpoint){.addr = {.a = sa->src, .family = sa->family}};
	v->dst = (struct ip_endpoint){.addr = {.a = sa->dst, .family = sa->family}};
	if (udp) {
		v->src.port = out ? local : remote;
		v->dst.port = out ? remote : local;
	}
}

static void view_sa(struct conf_sa *v, const struct maps *m, uint32_t slot, uint64_t now)
{
	const struct xi_sa_rt *rt = &m->sa_rt[slot];
	const struct xi_sa *sa = &m->sad[slot];
	uint32_t engine = rt->engine;

	v->it.flags = (sa->proto == XI_PROTO_AH ? ITEM_AH : ITEM_ESP) | (sa->flags & XI_SA_F_MANUAL ? ITEM_MANUAL : 0) |
		      (sa->flags & XI_SA_F_PFS ? ITEM_PFS : 0);
	v->spi = ntohl(sa->spi);
	view_ends(v, sa);
	v->replay = sa->replay_window / 8;
	v->state = (uint8_t)(sad_state_rt(sa, rt, now) - XI_SA_LARVAL);
	view_algorithms(v, sa);
	view_times(v, sa, rt, now);
	v->bytes = rt->bytes;
	v->packets = rt->packets;
	v->lifebytes[0] = sa->soft_bytes;
	v->lifebytes[1] = sa->hard_bytes;
	v->lifepackets[0] = sa->soft_packets;
	v->lifepackets[1] = sa->hard_packets;
	v->esn = (sa->flags & XI_SA_F_ESN) != 0;
	v->natt = (sa->flags & XI_SA_F_UDP) != 0;
	v->mtu = v->path_mtu = -1;
	v->direction = sa->dir;
	v->mode = sa->mode;
	v->reqid = sa->reqid;
	v->seq = sa->dir == XI_DIR_OUT ? rt->seq_out : rt->seq_top;
	(void)str_copy(v->offload, sizeof(v->offload), engine_kind_name((enum xi_engine)engine));
	v->err_icv = rt->err_icv;
	v->err_replay = rt->err_replay;
	v->err_other = rt->err_other;
}

/* Who uses which SA, and where its policy stands. */
struct users {
	struct spd_users sas;
	struct conf_places places;
};

/* Numbers of the policies that point at the SA, as `policy print` counts them. */
static void name_users(struct conf_sa *v, const struct users *u, const struct maps *m, uint64_t ref)
{
	size_t n = 0;

	for (uint32_t k = spd_users_of(&u->sas, ref); k < u->sas.count && u->sas.user[k].sa == ref; k++) {
		const struct xi_policy *p = &m->spd[u->sas.user[k].policy];
		int i;

		if (!p->gen || n + 8 >= sizeof(v->policy))
			continue;
		i = conf_places_find(&u->places, p->flags & XI_POL_DYNAMIC ? GENERATED_ID | p->gen : p->id);
		if (i >= 0)
			n += (size_t)snprintf(v->policy + n, sizeof(v->policy) - n, "%s%d", n ? "," : "", i);
	}
}

void view_sas(struct conf *c, const struct maps *m)
{
	uint64_t now = clock_ns();
	struct users users = {0};
	struct rt_query q;
	bool ask = m && rt_query_open(&q, NULL) == 0;

	conf_places_make(&users.places, &c->list[MENU_POLICY]);
	if (m && spd_users_make(&users.sas, m))
		cli_warn("out of memory: the policies of the SAs are not shown");
	for (uint32_t s = 0; m && s < m->meta->sad_max; s++) {
		uint32_t gen = __atomic_load_n(&m->sad[s].gen, __ATOMIC_ACQUIRE);
		struct conf_item *it;

		if (!gen)
			continue;
		it = conf_item_new(MENU_INSTALLED_SA);
		view_sa((struct conf_sa *)it, m, s, now);
		if (m->sad[s].dir == XI_DIR_OUT) {
			((struct conf_sa *)it)->path_mtu = mtu_learned(m, s, now);
			((struct conf_sa *)it)->mtu = ask ? mtu_effective(&q, m, &users.sas, s, now) : 0;
		}
		name_users((struct conf_sa *)it, &users, m, XI_REF(s, gen));
		it->id = s + 1;
		conf_insert(c, MENU_INSTALLED_SA, it, c->list[MENU_INSTALLED_SA].count);
	}
	if (ask)
		rt_query_close(&q);
	spd_users_free(&users.sas);
	conf_places_free(&users.places);
}

static bool usable(const struct maps *m, uint64_t ref, bool *dead)
{
	const struct xi_sa *sa = sad_get(m, ref);
	enum xi_sa_state state = sa ? sad_state_rt(sa, &m->sa_rt[XI_REF_SLOT(ref)], clock_ns()) : XI_SA_LARVAL;

	*dead |= state == XI_SA_DEAD;
	return state == XI_SA_MATURE || state == XI_SA_DYING;
}

/* Spec 7.1, and 6.2 for both protocols: one of the SAs missing or dead counts for all. */
static uint8_t ph2_state(const struct maps *m, const struct xi_policy *p)
{
	struct spd_sas sas = spd_sas_of(p);
	bool both = p->protos == (XI_PROTOS_AH | XI_PROTOS_ESP), dead = p->expired;
	unsigned up = usable(m, sas.out, &dead) + usable(m, sas.in, &dead);

	if (both)
		up += usable(m, sas.out_ah, &dead) + usable(m, sas.in_ah, &dead);
	if (up == (both ? 4 : 2))
		return PH2_ESTABLISHED;
	return dead ? PH2_EXPIRED : PH2_NONE;
}

static struct ip_prefix prefix_of(const struct xi_addr *a, uint8_t len, uint8_t family)
{
	return (struct ip_prefix){.a = *a, .len = len, .family = family};
}

static void show_generated(struct conf_policy *v, const struct xi_policy *p)
{
	const struct xi_selector *s = &p->sel;

	v->it.flags = ITEM_DYNAMIC;
	v->it.id = GENERATED_ID | p->gen;
	v->src = prefix_of(&s->src, s->src_len, s->family);
	v->dst = prefix_of(&s->dst, s->dst_len, s->family);
	v->src_port = s->flags & XI_SEL_SRC_PORT ? ntohs(s->src_port) : -1;
	v->dst_port = s->flags & XI_SEL_DST_PORT ? ntohs(s->dst_port) : -1;
	v->proto = s->flags & XI_SEL_PROTO ? s->proto : -1;
	v->action = p->action;
	v->level = p->level;
	v->protos = p->protos;
	v->tunnel = p->mode == XI_MODE_TUNNEL;
	v->sa_src = (struct ip_addr){.a = p->sa_src, .family = p->sa_family};
	v->sa_dst = (struct ip_addr){.a = p->sa_dst, .family = p->sa_family};
	v->priority = p->priority;
}

/* In evaluation order, behind the others (spec 13.1). */
void view_generated(struct conf *c, const struct maps *m)
{
	struct conf_list *l = &c->list[MENU_POLICY];
	uint32_t last_id = l->last_id, first = l->count;

	for (uint32_t s = 0; m && s < m->meta->spd_max; s++) {
		const struct xi_policy *p = &m->spd[s];
		struct conf_policy *v;
		unsigned at = first;

		if (!p->gen || !(p->flags & XI_POL_DYNAMIC))
			continue;
		v = (struct conf_policy *)conf_item_new(MENU_POLICY);
		show_generated(v, p);
		v->order = p->order;
		while (at < l->count && CONF_ITEM(conf_policy, l, at)->order < v->order)
			at++;
		conf_insert(c, MENU_POLICY, &v->it, at);
	}
	l->last_id = last_id;
}

void view_policy_stats(struct conf *c, const struct maps *m)
{
	struct conf_places places;

	conf_places_make(&places, &c->list[MENU_POLICY]);
	for (uint32_t s = 0; m && s < m->meta->spd_max; s++) {
		const struct xi_policy *p = &m->spd[s];
		struct conf_policy *cp;
		int i;

		if (!p->gen)
			continue;
		i = conf_places_find(&places, p->flags & XI_POL_DYNAMIC ? GENERATED_ID | p->gen : p->id);
		if (i < 0)
			continue;
		cp = CONF_ITEM(conf_policy, &c->list[MENU_POLICY], i);
		/* A slot whose counters cannot be read shows zeros, as one that was never hit. */
		if (stats_policy(m, s, &cp->stat))
			memset(&cp->stat, 0, sizeof(cp->stat));
		cp->ph2_state = ph2_state(m, p);
	}
	conf_places_free(&places);
}

void view_statistics(struct conf_statistics *st, const struct maps *m)
{
	uint64_t reason[XI_REASON_MAX];

	_Static_assert(ARRAY_SIZE(st->count) == XI_STAT_MAX, "spec section 12");
	if (!m || stats_reasons(m, reason))
		memset(reason, 0, sizeof(reason));
	stats_from_reasons(st->count, reason);
}
