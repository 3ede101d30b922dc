/* SPDX-License-Identifier: BSD-2-Clause */
/* Inbound SPIs (RFC 4301 §4.4.2.1, spec sections 9, 14.1): reserved by a larval SA, so that packets that come early have a reason of their own. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "ike/sad/sad_priv.h"
#include "user/base/clock.h"

#define SPI_TRIES 64

static int manual(const struct sad *s, uint8_t proto, uint32_t spi)
{
	for (unsigned i = 0; i < s->n_manual; i++)
		if (s->manual[i].proto == proto && s->manual[i].spi == spi)
			return 1;
	return 0;
}

int sad_set_manual(struct sad *s, const struct sad_manual *list, unsigned n)
{
	struct sad_manual *copy = calloc(n ? n : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, list, n * sizeof(*copy));
	free(s->manual);
	s->manual = copy;
	s->n_manual = n;
	return 0;
}

/* --- reservations --- */
static struct chain **bucket(struct sad *s, __be32 spi)
{
	_Static_assert(SAD_BUCKETS == 1 << 12, "bits");
	return &s->by_spi[hash_end(spi, 12)];
}

void sad_spi_init(struct sad *s)
{
	s->larval_last = &s->larval;
}

static void keep(struct sad *s, struct sad_larval *l)
{
	chain_add(bucket(s, l->spi), &l->by_spi);
	l->pprev = s->larval_last;
	*s->larval_last = l;
	s->larval_last = &l->next;
}

void sad_larval_free(struct sad *s, struct sad_larval *l)
{
	chain_remove(&l->by_spi);
	*l->pprev = l->next;
	if (l->next)
		l->next->pprev = l->pprev;
	else
		s->larval_last = l->pprev;
	free(l);
}

static void drop(struct sad *s, struct sad_larval *l)
{
	sad_remove(s->m, l->ref);
	sad_larval_free(s, l);
}

/* Under the lock: reservations that have become too old (spec section 22). */
static void sweep(struct sad *s)
{
	uint64_t now = clock_ns();

	while (s->larval && now >= s->larval->until)
		drop(s, s->larval);
}

static int reserve(struct sad *s, const struct ike_addr *dst, uint8_t proto, __be32 spi, struct err *e)
{
	struct xi_sa sa = {.state = XI_SA_LARVAL,
			   .dir = XI_DIR_IN,
			   .proto = proto,
			   .family = dst->family,
			   .spi = spi,
			   .dst = dst->addr};
	struct sad_larval *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return err_set(e, -ENOMEM, "out of memory");
	rc = sad_publish(s->m, &sa, 0, &l->ref, e);
	if (rc) {
		free(l);
		return rc;
	}
	l->spi = spi;
	l->until = clock_ns() + SAD_LARVAL_NS;
	keep(s, l);
	return 0;
}

int sad_spi(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 *spi, struct err *e)
{
	struct sad *s = sad_of(ctx);
	int rc = sad_lock(s, e);

	if (rc)
		return rc;
	sweep(s);
	rc = err_set(e, -EAGAIN, "no free SPI was found");
	for (unsigned i = 0; i < SPI_TRIES && (rc == -EAGAIN || rc == -EEXIST); i++) {
		if (RAND_bytes((unsigned char *)spi, sizeof(*spi)) != 1)
			rc = err_set(e, -EIO, "no random numbers");
		else if (ntohl(*spi) >= 0x100 && !manual(s, proto, ntohl(*spi)))
			rc = reserve(s, dst, proto, *spi, e);
	}
	spd_unlock(s->m);
	return rc;
}

void sad_spi_take(struct sad *s, const struct xi_addr *dst, uint8_t family, uint8_t proto, __be32 spi)
{
	for (struct chain *at = *bucket(s, spi); at; at = at->next) {
		struct sad_larval *l = CHAIN_OF(at, struct sad_larval, by_spi);
		const struct xi_sa *sa = sad_get(s->m, l->ref);

		if (!sa || sa->spi != spi || sa->proto != proto || sa->family != family || !addr_same(&sa->dst, dst))
			continue;
		drop(s, l);
		return;
	}
}

void sad_spi_free(void *ctx, const struct ike_addr *dst, uint8_t proto, __be32 spi)
{
	struct sad *s = sad_of(ctx);
	struct err e;

	if (sad_lock(s, &e))
		return; /* it becomes too old */
	sad_spi_take(s, &dst->addr, dst->family, proto, spi);
	spd_unlock(s->m);
}
