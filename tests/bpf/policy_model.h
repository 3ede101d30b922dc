/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random sets of policies and random packets in a small world, and what the spec says becomes of them: a second reading of sections 3.5,
 * 6.2, 13.1 to 13.3, 13.5, 13.6 that shares nothing with xi_rule_match(): it compares addresses bit by bit as text of bits and sorts by
 * hand. For one .c of a test program; the maps are those of xdp_run.h.
 */
#ifndef TESTS_POLICY_MODEL_H
#define TESTS_POLICY_MODEL_H

#include "tests/bpf/xdp_run.h"

#define MODEL_MAX 10000

struct model {
	int six, src[128], dst[128], src_len, dst_len; /* addresses as bits */
	int proto, sport, dport;		       /* -1 = any */
	int action, level, dynamic, inactive, priority, position;
	uint32_t slot;
	uint64_t sa;
};

static struct model model[MODEL_MAX]; /* in the order of 13.1 */
static unsigned models;
static unsigned seed = 20261123;

static int rnd(int n)
{
	return rand_r(&seed) % n;
}

/* --- the world is small, so that things meet: four networks and two groups, two bits of hosts --- */

static const char *const nets4[] = {"10.1.0.", "10.1.128.", "10.2.0.", "192.168.7."};
static const char *const nets6[] = {"fd01::", "fd01:0:0:8000::", "fd02::", "fd02:1::"};
static const char *const group4 = "239.1.1.", *const group6 = "ff0e::";
static const char *const ours[] = {"10.1.0.3", "10.2.0.0", "fd01::3",
				   "fd02:1::1"}; /* of this host; 10.2.0.0 as a broadcast is */
static const int protos[] = {6, 17, 1, 132};
static const int ports[] = {22, 53, 500, 4500};

static int many_ports; /* two prefix lengths and many ports: many policies of one pair of networks */
static int
	borders; /* all policies of one pair of networks, ports also without a protocol, and the least and greatest of both */

static int a_proto(void)
{
	static const int at_borders[] = {6, 17, 1, 255};

	return (borders ? at_borders : protos)[rnd(4)];
}

static int has_ports(int proto)
{
	return proto == 6 || proto == 17 || proto == 132;
}

static int a_port(void)
{
	static const int at_borders[] = {0, 255, 256, 65535};

	if (borders)
		return at_borders[rnd(4)];
	return many_ports ? 1000 + rnd(24) : ports[rnd(4)];
}

static int a_length(const int lengths[8])
{
	return lengths[borders ? 0 : many_ports ? 2 + 2 * rnd(2) : rnd(8)];
}

static void a_host(char text[64], int six)
{
	(void)snprintf(text, 64, "%s%d", (six ? nets6 : nets4)[rnd(4)], rnd(4));
}

/* One in eight is for many. */
static void a_destination(char text[64], int six)
{
	if (rnd(8))
		a_host(text, six);
	else if (!six && rnd(4) == 0)
		(void)snprintf(text, 64, "255.255.255.255");
	else
		(void)snprintf(text, 64, "%s%d", six ? group6 : group4, rnd(4));
}

static int is_ours(const char *text)
{
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(text, ours[i]) == 0)
			return 1;
	return 0;
}

static int is_for_many(const char *text)
{
	return strncmp(text, group4, strlen(group4)) == 0 || strncmp(text, group6, strlen(group6)) == 0 ||
	       strcmp(text, "255.255.255.255") == 0;
}

static void to_bits(int bits[128], const char *text)
{
	uint8_t b[16] = {0};

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, b), 1);
	for (int i = 0; i < 128; i++)
		bits[i] = b[i / 8] >> (7 - i % 8) & 1;
}

static void one_policy(unsigned i, uint64_t sa)
{
	static const int len4[] = {0, 8, 16, 17, 24, 30, 31, 32}, len6[] = {0, 16, 32, 49, 64, 126, 127, 128};
	struct model *d = &model[i];
	struct xi_policy p = {.sa_out = sa};
	char src[64], dst[64];
	struct err e;

	memset(d, 0, sizeof(*d));
	d->six = rnd(3) == 0;
	a_host(src, d->six);
	a_destination(dst, d->six);
	to_bits(d->src, src);
	to_bits(d->dst, dst);
	d->src_len = a_length(d->six ? len6 : len4);
	d->dst_len = a_length(d->six ? len6 : len4);
	d->proto = rnd(2) ? a_proto() : -1;
	d->sport = (borders || has_ports(d->proto)) && rnd(4) == 0 ? a_port() : -1;
	d->dport = (borders || has_ports(d->proto)) && rnd(2) == 0 ? a_port() : -1;
	d->action = rnd(5) < 3 ? XI_ACTION_ENCRYPT : rnd(2);
	d->level = rnd(3);
	d->dynamic = rnd(4) == 0;
	d->inactive = rnd(6) == 0;
	d->priority = rnd(5) - 2;
	d->position = rnd(1000) * 1000 + (int)i; /* no two equal */
	d->sa = sa;
	p.action = (uint8_t)d->action;
	p.level = (uint8_t)d->level;
	p.flags = (d->dynamic ? XI_POL_DYNAMIC : 0) | (d->inactive ? XI_POL_INACTIVE : 0);
	p.priority = d->priority;
	p.position = (uint32_t)d->position;
	p.sel = (struct xi_selector){.src = addr(src),
				     .dst = addr(dst),
				     .src_len = (uint8_t)d->src_len,
				     .dst_len = (uint8_t)d->dst_len,
				     .family = d->six ? XI_IP6 : XI_IP4};
	if (d->proto != -1) {
		p.sel.flags |= XI_SEL_PROTO;
		p.sel.proto = (uint8_t)d->proto;
	}
	if (d->sport != -1) {
		p.sel.flags |= XI_SEL_SRC_PORT;
		p.sel.src_port = htons((uint16_t)d->sport);
	}
	if (d->dport != -1) {
		p.sel.flags |= XI_SEL_DST_PORT;
		p.sel.dst_port = htons((uint16_t)d->dport);
	}
	assert_ok(spd_add(m, &p, &d->slot, &e), &e);
}

/* Spec 3.5: inactive is as if disabled, but what must protect drops, and of level use counts what nobody else wants. */
static int absent(const struct model *d)
{
	return d->inactive && d->action != XI_ACTION_ENCRYPT;
}

static int goes_last(const struct model *d)
{
	return d->inactive && d->action == XI_ACTION_ENCRYPT && d->level == XI_LEVEL_USE;
}

/* Spec 13.1, as it is written: is a to be asked before b? */
static int before(const struct model *a, const struct model *b)
{
	if (goes_last(a) != goes_last(b))
		return goes_last(b);
	if (a->priority > b->priority)
		return 1;
	if (a->priority < b->priority)
		return 0;
	if (!a->dynamic && b->dynamic)
		return 1;
	if (a->dynamic && !b->dynamic)
		return 0;
	return a->position < b->position;
}

static int by_order(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

/* n random policies, planned; the model in the order of 13.1. */
static void add_policies(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		one_policy(i, rnd(3) ? XI_REF(1 + i, 77) : 0);
	models = n;
	qsort(model, n, sizeof(*model), by_order);
}

static void new_policies(unsigned n)
{
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	for (uint32_t s = 0; s < m->meta->spd_max; s++)
		(void)spd_del(m, s); /* -ENOENT: was free */
	assert_ok(spd_commit(m, &e), &e);
	add_policies(n);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
}

/* --- the oracle --- */

struct question {
	int six, src[128], dst[128], proto, sport, dport;
	int own, local, many; /* the source is ours; the destination is; it is multicast or the limited broadcast */
	int ttl_used_up, forwarded;
};

static int same_bits(const int *a, const int *b, int n)
{
	for (int i = 0; i < n; i++)
		if (a[i] != b[i])
			return 0;
	return 1;
}

static int addresses_fit(const struct model *d, const struct question *q)
{
	return d->six == q->six && same_bits(d->src, q->src, d->src_len) && same_bits(d->dst, q->dst, d->dst_len);
}

static int fits(const struct model *d, const struct question *q)
{
	return addresses_fit(d, q) && (d->proto == -1 || d->proto == q->proto) &&
	       (d->sport == -1 || d->sport == q->sport) && (d->dport == -1 || d->dport == q->dport);
}

static const struct model *first(const struct question *q)
{
	for (unsigned i = 0; i < models; i++)
		if (!absent(&model[i]) && fits(&model[i], q))
			return &model[i];
	return NULL;
}

/* 13.6: a field that the packet does not show (hidden: XI_TUPLE_*) fits every policy that protects, and no other one. */
static int fits_hidden(const struct model *d, const struct question *q, uint8_t hidden)
{
	int protects = d->action == XI_ACTION_DISCARD || (d->action == XI_ACTION_ENCRYPT && d->level != XI_LEVEL_USE);

	if (!addresses_fit(d, q))
		return 0;
	if ((hidden & XI_TUPLE_NO_PROTO) && (d->proto != -1 || d->sport != -1 || d->dport != -1))
		return protects;
	if (d->proto != -1 && d->proto != q->proto)
		return 0;
	return (d->sport == -1 && d->dport == -1) || protects;
}

static const struct model *first_hidden(const struct question *q, uint8_t hidden)
{
	for (unsigned i = 0; i < models; i++)
		if (!absent(&model[i]) && fits_hidden(&model[i], q, hidden))
			return &model[i];
	return NULL;
}

/* 13.2: inbound the roles swap. */
static struct question swapped(const struct question *q)
{
	struct question s = *q;

	memcpy(s.src, q->dst, sizeof(s.src));
	memcpy(s.dst, q->src, sizeof(s.dst));
	s.sport = q->dport;
	s.dport = q->sport;
	return s;
}

/*
 * Spec 13.3 from step 2 on. many: multicast, or a broadcast, of which no SA carries anything.
 */
static unsigned out_expected(const struct question *q, int many, uint64_t *sa)
{
	const struct model *d = first(q);

	if (!d)
		return XI_PASS_NO_POLICY;
	if (d->action == XI_ACTION_NONE)
		return XI_PASS_NONE;
	if (d->action == XI_ACTION_DISCARD)
		return XI_DROP_OUT_BLOCKED;
	if (goes_last(d))
		return XI_PASS_USE; /* as if disabled */
	if (many)
		return XI_DROP_OUT_NO_SA;
	*sa = d->inactive ? 0 : d->sa;
	if (*sa)
		return XI_TO_WORKER;
	return d->level == XI_LEVEL_USE ? XI_PASS_USE : XI_DROP_OUT_NO_SA;
}

/* The fast path: a packet that arrives, for this host or for another one. */
static unsigned xdp_expected(const struct question *q, uint64_t *sa)
{
	struct question in = swapped(q);
	const struct model *d = first(&in);
	unsigned reason;

	if (q->local && q->proto == 17 && q->dport == 500)
		return XI_PASS_IKE; /* 13.5 */
	if (d && d->action == XI_ACTION_DISCARD)
		return XI_DROP_IN_BLOCKED;
	if (d && d->action == XI_ACTION_ENCRYPT && d->level != XI_LEVEL_USE)
		return XI_DROP_IN_PLAIN;
	if (q->many || q->local)
		return q->many ? XI_PASS_MULTICAST : XI_PASS_LOCAL;
	if (q->ttl_used_up)
		return XI_PASS_TTL;
	reason = out_expected(q, 0, sa);
	return reason == XI_TO_WORKER && q->own ? XI_DROP_OUT_SOURCE : reason;
}

/* What the stack sends: tc egress. */
static unsigned tc_expected(const struct question *q)
{
	int many = q->many || q->local; /* what is for an address of ours and leaves is a broadcast */
	unsigned reason;
	uint64_t sa;

	if (q->own && !q->forwarded && q->proto == 17 && q->sport == 500)
		return XI_PASS_IKE;
	reason = out_expected(q, many, &sa);
	if (reason == XI_TO_WORKER)
		return XI_TO_INTERNAL;
	return many && reason >= XI_PASS_BASE ? XI_PASS_MULTICAST : reason;
}

enum fate { CLEAR, STOP, EITHER };

/*
 * 13.6 for a fragment without ports: it must not go on in clear if any policy that could be the first one for some ports has action
 * discard, or encrypt with a level other than use. What only a level=use policy wants may go either way.
 */
static enum fate fragment_fate(const struct question *q, int many)
{
	enum fate fate = CLEAR;

	for (unsigned i = 0; i < models; i++) {
		const struct model *d = &model[i];
		int encrypt = d->action == XI_ACTION_ENCRYPT, any_port = d->sport == -1 && d->dport == -1;

		if (absent(d) || !addresses_fit(d, q) || (d->proto != -1 && d->proto != q->proto))
			continue;
		if (d->action == XI_ACTION_DISCARD || (encrypt && d->level != XI_LEVEL_USE))
			return STOP;
		if (encrypt && many && !d->inactive) {
			if (any_port)
				return STOP;
			fate = EITHER;
		}
		if (any_port)
			return fate; /* the answer for every port */
	}
	return fate;
}

static void a_packet(struct packet *p, struct question *q, char src[64], char dst[64])
{
	memset(p, 0, sizeof(*p));
	q->six = rnd(3) == 0;
	a_host(src, q->six);
	a_destination(dst, q->six);
	to_bits(q->src, src);
	to_bits(q->dst, dst);
	q->own = is_ours(src);
	q->local = is_ours(dst);
	q->many = is_for_many(dst);
	q->ttl_used_up = rnd(16) == 0;
	q->forwarded = rnd(2);
	q->proto = a_proto();
	q->sport = a_port();
	q->dport = a_port();
	if (borders && !has_ports(q->proto))
		q->sport = q->dport = 0;
	p->src = src;
	p->dst = dst;
	p->ttl = q->ttl_used_up ? 1 : 64;
	p->proto = (uint8_t)q->proto;
	p->sport = (uint16_t)q->sport;
	p->dport = (uint16_t)q->dport;
	if (q->six && rnd(2))
		p->ext = rnd(2) ? "hd" : "rD";
	p->options = (uint8_t)(rnd(4) ? 0 : 1 + rnd(10));
	if (rnd(4) == 0)
		p->tag[0] = 0x8100;
}

#endif
