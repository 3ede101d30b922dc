/* SPDX-License-Identifier: BSD-2-Clause */
/* struct ike_sadb_ops in memory: policies, SAs and reserved SPIs of one end. Header only: each .c in tests/lib is a program. */
#ifndef LIB_FAKE_SADB_H
#define LIB_FAKE_SADB_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "ike/core/sadb.h"

#ifndef FAKE_POLICIES
#define FAKE_POLICIES 16
#define FAKE_SAS 1024
#endif

struct fake_sa {
	uint64_t ref; /* 0 = free */
	struct xi_sa sa;
	struct ike_sa_use use;
};

struct fake_spi {
	struct ike_addr dst;
	uint8_t proto; /* 0 = free */
	__be32 spi;
};

struct fake_sadb {
	struct ike_policy policy[FAKE_POLICIES]; /* gen 0 = none; slot = place + 1 */
	uint64_t policy_out[FAKE_POLICIES];	 /* outbound SA in use, [0] of a bundle */
	struct fake_sa sa[FAKE_SAS];
	struct fake_spi spi[FAKE_SAS];
	uint32_t gen, next_spi;
	unsigned acquire_failed, generated, fail_install; /* fail_install: so many installs fail */
	unsigned fail_generate;				  /* which generated policy fails, from 1 */
	unsigned sas_max;				  /* SAs and SPIs that there is room for; 0: FAKE_SAS */
	uint64_t (*now)(void *ctx);
	void *ctx;
};

/* The ops get the end's ctx; where its sadb is, the test says. */
static struct fake_sadb *fake_sadb_of(void *ctx);

static inline int fake_addr_eq(const struct ike_addr *a, const struct ike_addr *b)
{
	return a->family == b->family && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static inline struct ike_policy *fake_policy_add(struct fake_sadb *s, const struct ike_policy *p)
{
	for (unsigned i = 0; i < FAKE_POLICIES; i++) {
		if (s->policy[i].gen)
			continue;
		s->policy[i] = *p;
		s->policy[i].slot = i + 1;
		s->policy[i].gen = ++s->gen;
		s->policy_out[i] = 0;
		return &s->policy[i];
	}
	abort();
}

static inline struct ike_policy *fake_policy(struct fake_sadb *s, uint32_t slot, uint32_t gen)
{
	if (!slot || slot > FAKE_POLICIES || !gen || s->policy[slot - 1].gen != gen)
		return NULL;
	return &s->policy[slot - 1];
}

static inline struct fake_sa *fake_sa(struct fake_sadb *s, uint64_t ref)
{
	for (unsigned i = 0; i < FAKE_SAS && ref; i++)
		if (s->sa[i].ref == ref)
			return &s->sa[i];
	return NULL;
}

static inline unsigned fake_count(const struct fake_sadb *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SAS; i++)
		n += !!s->sa[i].ref;
	return n;
}

static inline unsigned fake_reserved(const struct fake_sadb *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SAS; i++)
		n += !!s->spi[i].proto;
	return n;
}

static inline unsigned fake_policies(const struct fake_sadb *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_POLICIES; i++)
		n += !!s->policy[i].gen;
	return n;
}

static int fake_policy_get(void *ctx, uint32_t slot, uint32_t gen, struct ike_policy *out)
{
	struct ike_policy *p = fake_policy(fake_sadb_of(ctx), slot, gen);

	if (!p)
		return -ENOENT;
	*out = *p;
	return 0;
}

static int fake_prefix_in(const struct xi_addr *a, unsigned a_len, const struct xi_addr *net, unsigned len)
{
	if (a_len < len)
		return 0;
	for (unsigned i = 0; i < len; i++)
		if ((((const uint8_t *)a)[i / 8] ^ ((const uint8_t *)net)[i / 8]) & (0x80 >> i % 8))
			return 0;
	return 1;
}

static int fake_contains(const struct xi_selector *p, const struct xi_selector *s)
{
	if (p->family != s->family || !fake_prefix_in(&s->src, s->src_len, &p->src, p->src_len) ||
	    !fake_prefix_in(&s->dst, s->dst_len, &p->dst, p->dst_len))
		return 0;
	if ((p->flags & XI_SEL_PROTO) && (!(s->flags & XI_SEL_PROTO) || p->proto != s->proto))
		return 0;
	if ((p->flags & XI_SEL_SRC_PORT) && (!(s->flags & XI_SEL_SRC_PORT) || p->src_port != s->src_port))
		return 0;
	return !(p->flags & XI_SEL_DST_PORT) || ((s->flags & XI_SEL_DST_PORT) && p->dst_port == s->dst_port);
}

static int fake_policy_find(void *ctx, const struct xi_selector *sel, struct ike_policy *out)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	for (unsigned exact = 2; exact-- > 0;) {
		for (unsigned i = 0; i < FAKE_POLICIES; i++) {
			const struct ike_policy *p = &s->policy[i];

			if (!p->gen || !fake_contains(&p->sel, sel) || (exact && !fake_contains(sel, &p->sel)))
				continue;
			*out = *p;
			return 0;
		}
	}
	return -ENOENT;
}

static uint64_t fake_put(struct fake_sadb *s, const struct xi_sa *sa)
{
	for (unsigned i = 0; i < FAKE_SAS; i++) {
		struct fake_sa *f = &s->sa[i];

		if (f->ref)
			continue;
		*f = (struct fake_sa){.sa = *sa};
		f->sa.gen = ++s->gen;
		f->sa.state = XI_SA_MATURE;
		f->sa.add_ns = s->now(s->ctx);
		f->ref = XI_REF(i, f->sa.gen);
		for (unsigned j = 0; j < FAKE_SAS && sa->dir == XI_DIR_IN; j++)
			if (s->spi[j].proto == sa->proto && s->spi[j].spi == sa->spi)
				s->spi[j].proto = 0;
		return f->ref;
	}
	abort();
}

static int fake_install_in(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	if (s->fail_install && s->fail_install--)
		return err_set(e, -ENOSPC, "no room, as the test wants it");
	if (!fake_policy(s, p->slot, p->gen))
		return err_set(e, -ENOENT, "the policy is gone");
	for (unsigned i = 0; i < b->n; i++)
		b->in_ref[i] = fake_put(s, &b->in[i]);
	return 0;
}

static int fake_install_out(void *ctx, const struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	if (!fake_policy(s, p->slot, p->gen))
		return err_set(e, -ENOENT, "the policy is gone");
	for (unsigned i = 0; i < b->n; i++)
		b->out_ref[i] = fake_put(s, &b->out[i]);
	s->policy_out[p->slot - 1] = b->out_ref[0];
	return 0;
}

static int fake_policy_generate(void *ctx, struct ike_policy *p, struct ike_bundle *b, struct err *e)
{
	struct fake_sadb *s = fake_sadb_of(ctx);
	struct ike_policy old;

	s->generated++;
	if (s->fail_generate == s->generated)
		return err_set(e, -ENOSPC, "no room, as the test wants it");
	/* as ike/sad does: the one before goes, the new one has a generation of its own */
	if (!fake_policy_find(ctx, &p->sel, &old) && old.dynamic && fake_contains(&p->sel, &old.sel))
		s->policy[old.slot - 1].gen = 0;
	*p = *fake_policy_add(s, p);
	if (fake_install_in(ctx, p, b, e))
		return -ENOSPC;
	return fake_install_out(ctx, p, b, e);
}

static void fake_remove(void *ctx, uint64_t ref)
{
	struct fake_sadb *s = fake_sadb_of(ctx);
	struct fake_sa *f = fake_sa(s, ref);

	if (!f)
		return;
	f->ref = 0;
	for (unsigned i = 0; i < FAKE_POLICIES; i++) {
		uint64_t best = 0;

		if (s->policy_out[i] != ref)
			continue;
		for (unsigned j = 0; j < FAKE_SAS; j++) {
			const struct fake_sa *o = &s->sa[j];

			if (o->ref && o->sa.dir == XI_DIR_OUT && o->sa.proto == f->sa.proto &&
			    o->sa.mode == f->sa.mode && !memcmp(&o->sa.dst, &f->sa.dst, sizeof(o->sa.dst)) &&
			    XI_REF_GEN(o->ref) > XI_REF_GEN(best))
				best = o->ref;
		}
		s->policy_out[i] = best;
	}
	memset(&f->sa, 0, sizeof(f->sa));
}

static int fake_policy_remove(void *ctx, uint32_t slot, uint32_t gen)
{
	struct ike_policy *p = fake_policy(fake_sadb_of(ctx), slot, gen);

	if (!p)
		return -ENOENT;
	p->gen = 0;
	return 0;
}

static int fake_spi_get(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 *spi, struct err *e)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	if (s->sas_max && fake_count(s) + fake_reserved(s) >= s->sas_max)
		return err_set(e, -ENOSPC, "all %u SAs are in use", s->sas_max);
	for (unsigned i = 0; i < FAKE_SAS; i++) {
		if (s->spi[i].proto)
			continue;
		*spi = htonl(++s->next_spi);
		s->spi[i] = (struct fake_spi){*dst, proto, *spi};
		return 0;
	}
	abort();
}

static void fake_spi_free(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 spi)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (s->spi[i].proto == proto && s->spi[i].spi == spi && fake_addr_eq(&s->spi[i].dst, dst))
			s->spi[i].proto = 0;
}

static int fake_use(void *ctx, uint64_t ref, struct ike_sa_use *out)
{
	struct fake_sa *f = fake_sa(fake_sadb_of(ctx), ref);

	if (!f)
		return -ENOENT;
	*out = f->use;
	out->pair = f->sa.pair;
	return 0;
}

static int fake_move(void *ctx, uint64_t *ref, const struct ike_end *remote, struct err *e)
{
	struct fake_sadb *s = fake_sadb_of(ctx);
	struct fake_sa *f = fake_sa(s, *ref);

	if (!f)
		return err_set(e, -ENOENT, "no such SA");
	f->sa.udp_remote = htons(remote->port);
	*(f->sa.dir == XI_DIR_OUT ? &f->sa.dst : &f->sa.src) = remote->a.addr;
	f->sa.gen = ++s->gen;
	for (unsigned i = 0; i < FAKE_POLICIES; i++)
		if (s->policy_out[i] == *ref)
			s->policy_out[i] = XI_REF(XI_REF_SLOT(*ref), f->sa.gen);
	*ref = f->ref = XI_REF(XI_REF_SLOT(*ref), f->sa.gen);
	return 0;
}

static int fake_user(void *ctx, uint64_t ref, struct ike_policy *out)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	for (unsigned i = 0; i < FAKE_POLICIES && ref; i++) {
		if (s->policy[i].gen && s->policy_out[i] == ref) {
			*out = s->policy[i];
			return 0;
		}
	}
	return -ENOENT;
}

static void fake_acquire_failed(void *ctx, uint32_t slot, uint32_t gen)
{
	(void)slot;
	(void)gen;
	fake_sadb_of(ctx)->acquire_failed++;
}

static void fake_each(void *ctx, void (*cb)(void *arg, uint64_t ref, const struct xi_sa *sa), void *arg)
{
	struct fake_sadb *s = fake_sadb_of(ctx);

	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (s->sa[i].ref)
			cb(arg, s->sa[i].ref, &s->sa[i].sa);
}

static const struct ike_sadb_ops fake_sadb_ops = {
	.policy_get = fake_policy_get,
	.policy_find = fake_policy_find,
	.policy_generate = fake_policy_generate,
	.policy_remove = fake_policy_remove,
	.spi = fake_spi_get,
	.spi_free = fake_spi_free,
	.install_in = fake_install_in,
	.install_out = fake_install_out,
	.remove = fake_remove,
	.use = fake_use,
	.move = fake_move,
	.user = fake_user,
	.acquire_failed = fake_acquire_failed,
	.each = fake_each,
};

#endif
