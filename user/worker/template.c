/* SPDX-License-Identifier: BSD-2-Clause */
/* Do the SAs that a packet came by fulfil what its policy asks for (spec 13.4 step 5), and let their own selectors it pass? */
#include "user/worker/worker.h"

static int is_unset(const struct xi_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static int addr_is(const struct xi_addr *want, const struct xi_addr *got)
{
	return is_unset(want) || memcmp(want, got, sizeof(*want)) == 0;
}

/* The policy's ends as seen outbound. In transport mode they may be left open: the SA's are those of the packet itself. */
static int ends_fit(const struct xi_policy *pol, const struct xi_sa *sa)
{
	if (pol->mode == XI_MODE_TRANSPORT && !pol->sa_family)
		return 1;
	if (pol->sa_family != sa->family || (pol->mode == XI_MODE_TUNNEL && is_unset(&pol->sa_dst)))
		return 0;
	return addr_is(&pol->sa_dst, &sa->src) && addr_is(&pol->sa_src, &sa->dst);
}

/*
 * AH over the ESP packet of a tunnel may be in tunnel mode as well, with a third header, or in transport mode over the one that ESP made: it
 * covers the same either way.
 */
static int mode_fits(const struct xi_policy *pol, const struct xi_sa *sa)
{
	return pol->mode == sa->mode || (pol->protos == (XI_PROTOS_AH | XI_PROTOS_ESP) && sa->proto == XI_PROTO_AH &&
					 sa->mode == XI_MODE_TRANSPORT);
}

static int did(const struct xi_policy *pol, uint8_t proto, const struct xi_sa *sa)
{
	return sa->proto == proto && mode_fits(pol, sa) && ends_fit(pol, sa) &&
	       (pol->level != XI_LEVEL_UNIQUE || pol->reqid == sa->reqid);
}

/* Place of the SA that did it, from `at` on; transport SAs that nobody asked for may stand before it. nchain: nobody did. */
static unsigned find(const struct xi_policy *pol, uint8_t proto, const struct wpkt *pk, unsigned at)
{
	for (; at < pk->nchain; at++) {
		const struct xi_sa *sa = &pk->chain[at]->sa;

		if (did(pol, proto, sa))
			return at;
		if (sa->mode == XI_MODE_TUNNEL)
			break;
	}
	return pk->nchain;
}

int template_satisfied(const struct xi_policy *pol, const struct wpkt *pk)
{
	static const uint8_t outermost_first[][2] = {{XI_PROTOS_AH, XI_PROTO_AH}, {XI_PROTOS_ESP, XI_PROTO_ESP}};
	unsigned at = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(outermost_first); i++) {
		unsigned found;

		if (!(pol->protos & outermost_first[i][0]))
			continue;
		found = find(pol, outermost_first[i][1], pk, at);
		if (found < pk->nchain)
			at = found + 1;
		else if (pol->level != XI_LEVEL_USE)
			return 0;
	}
	for (; at < pk->nchain; at++)
		if (pk->chain[at]->sa.mode == XI_MODE_TUNNEL)
			return 0;
	return 1;
}

int came_by_tunnel(const struct wpkt *pk)
{
	for (unsigned i = 0; i < pk->nchain; i++)
		if (pk->chain[i]->sa.mode == XI_MODE_TUNNEL)
			return 1;
	return 0;
}

/* --- selectors --- */

static int in_prefix(const struct xi_addr *a, const struct xi_addr *net, unsigned len)
{
	return len <= 128 && equal_bits(a, net, len);
}

/* What cannot be read does not pass where it counts. */
static int selector_allows(const struct xi_selector *s, const struct xi_tuple *t, int dir)
{
	int in = dir == XI_DIR_IN;

	if (s->family != t->family || !in_prefix(in ? &t->dst : &t->src, &s->src, s->src_len) ||
	    !in_prefix(in ? &t->src : &t->dst, &s->dst, s->dst_len))
		return 0;
	if ((s->flags & XI_SEL_PROTO) && ((t->flags & XI_TUPLE_NO_PROTO) || s->proto != t->proto))
		return 0;
	if (!(s->flags & (XI_SEL_SRC_PORT | XI_SEL_DST_PORT)))
		return 1;
	if (t->flags & (XI_TUPLE_NO_PORTS | XI_TUPLE_NO_PROTO))
		return 0;
	if ((s->flags & XI_SEL_SRC_PORT) && s->src_port != (in ? t->dst_port : t->src_port))
		return 0;
	return !(s->flags & XI_SEL_DST_PORT) || s->dst_port == (in ? t->src_port : t->dst_port);
}

int selectors_allow(const struct wpkt *pk, const struct xi_tuple *t, int dir)
{
	for (unsigned i = 0; i < pk->nchain; i++) {
		const struct xi_selector *s = &pk->chain[i]->sa.sel;

		if (unlikely(s->family && !selector_allows(s, t, dir)))
			return 0;
	}
	return 1;
}
