/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How large a packet may be on the way of an SA (spec section 15; RFC 1191, RFC 8201, RFC 4301 §8.2): the next hop's MTU, or less when a router
 * further on has said so; what is done with packets that are larger, and what TCP is told so that there are none.
 */
#include "user/worker/worker.h"

#include <arpa/inet.h>

#include "user/ipsec/icmp.h"
#include "user/ipsec/mss.h"

#define MTU_UNKNOWN 1500 /* until the kernel has answered */

/*
 * Who says less than this for IPv4 is not believed: no path in use has it, it would leave next to nothing for the inner packet, and
 * senders (Linux: net.ipv4.route.min_pmtu) do not go below it either. For IPv6 the protocol itself says 1280 (RFC 8201 §4).
 */
#define PMTU4_MIN 552

/*
 * A quoted sequence number must be one of the last million sent. A stranger who has found the SPI by chance (2^32) hits it in one of 4096
 * tries; a router a second away at a million packets a second is still heard.
 */
#define SEQ_RECENT (1u << 20)

void path_refresh(struct worker *w, struct sa_entry *se)
{
	const struct rt_key key = {.dst = se->sa.dst, .src = se->sa.src, .family = se->sa.family};

	hop_refresh(w, &se->hop, &key);
}

/* What routers have said, 0 = nothing, or too long ago (RFC 1191 §6.3). */
static uint32_t learned(const struct worker *w, const struct sa_entry *se)
{
	const struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];
	uint32_t mtu = __atomic_load_n(&rt->pmtu, __ATOMIC_RELAXED);

	if (likely(!mtu))
		return 0;
	/* Another worker may have written it a moment after this burst began. */
	return (int64_t)(w->now - __atomic_load_n(&rt->pmtu_ns, __ATOMIC_RELAXED)) < (int64_t)XI_PMTU_TTL_NS ? mtu : 0;
}

size_t path_mtu(const struct worker *w, const struct sa_entry *se)
{
	uint32_t mtu = se->hop.rt.mtu ? se->hop.rt.mtu : MTU_UNKNOWN, less = learned(w, se);

	return unlikely(less && less < mtu) ? less : mtu;
}

/* The longest inner packet that fits, 0 = none. ah: the AH SA of a bundle, or NULL. */
static size_t inner_mtu(const struct worker *w, const struct sa_entry *se, const struct sa_entry *ah)
{
	size_t over = ah ? ah->ah_len : 0, mtu = path_mtu(w, ah ? ah : se);

	return mtu > over ? ipsec_inner_mtu(&se->sa, mtu - over) : 0;
}

/*
 * May what this packet becomes be cut? The outer packet is ours, whatever its family is; the sender of an IPv6 packet may count on 1280
 * bytes (RFC 8200 §5, RFC 4459 §3.2), that of an IPv4 packet with DF on nothing.
 */
static int may_cut(const struct wpkt *pk)
{
	const struct pkt *p = &pk->p;

	if (pk->joined)
		return 1;
	if (ip_version(p) == 6)
		return pkt_len(p) <= IP6_MTU_MIN;
	return !(u16_get(p->data + IP4_FRAG) & IP4_DF);
}

/*
 * Does what the packet becomes under its first SA fit into mtu? In tunnel mode its length alone decides, and the longest that fits is
 * computed once for each mtu.
 */
static int fits(struct sa_entry *se, const struct pkt *p, size_t mtu)
{
	if (unlikely(se->sa.mode != XI_MODE_TUNNEL))
		return ipsec_sealed_len(&se->sa, p) <= mtu;
	if (unlikely(se->fit_mtu != mtu)) {
		se->fit_mtu = (uint32_t)mtu;
		se->fit_len = (uint32_t)ipsec_inner_mtu(&se->sa, mtu);
	}
	return pkt_len(p) <= se->fit_len;
}

enum xi_drop path_judge(struct worker *w, const struct wpkt *pk)
{
	size_t over = pk->ah ? pk->ah->ah_len : 0, mtu = path_mtu(w, pk->ah ? pk->ah : pk->sa), inner;

	if ((likely(mtu > over) && likely(fits(pk->sa, &pk->p, mtu - over))) || may_cut(pk))
		return XI_OK;
	inner = inner_mtu(w, pk->sa, pk->ah);
	if (ip_version(&pk->p) == 6)
		inner = MAX(inner, (size_t)IP6_MTU_MIN);
	slow_too_big(w, &pk->p, inner);
	return XI_DROP_OUT_TOO_BIG;
}

/* The segment size that fits into inner packets of family; 0 = to be left alone. */
static uint16_t mss_for(const struct worker *w, const struct xi_policy *pol, uint8_t family, const struct sa_entry *se,
			const struct sa_entry *ah)
{
	uint16_t fixed = pol->tcp_mss;

	if (fixed == XI_MSS_OFF)
		return 0;
	if (fixed != XI_MSS_AUTO)
		return fixed;
	return se ? mss_of_mtu(family, inner_mtu(w, se, ah)) : 0;
}

void path_clamp_out(struct worker *w, struct wpkt *pk)
{
	const struct xi_policy *pol = &w->maps->spd[pk->v.policy];

	(void)mss_clamp(pk->p.data, pkt_len(&pk->p), mss_for(w, pol, (uint8_t)ip_version(&pk->p), pk->sa, pk->ah));
}

static struct sa_entry *by_ref(struct worker *w, const __u64 *ref)
{
	uint64_t r = __atomic_load_n(ref, __ATOMIC_ACQUIRE);

	return r ? sa_cache_get(w, XI_REF_SLOT(r), XI_REF_GEN(r)) : NULL;
}

/* The way back is what counts: the peer's segments must fit into what comes, which this host cannot know, but both ends do the same. */
void path_clamp_in(struct worker *w, struct wpkt *pk, uint32_t policy)
{
	const struct xi_policy *pol = &w->maps->spd[policy];
	struct sa_entry *se = by_ref(w, &pol->sa_out), *ah = by_ref(w, &pol->sa_out_ah);

	if (se)
		path_refresh(w, ah ? ah : se);
	(void)mss_clamp(pk->p.data, pkt_len(&pk->p), mss_for(w, pol, (uint8_t)ip_version(&pk->p), se, ah));
}

/* RFC 4301 §8.2.1: is it about a packet that this SA has sent, not long ago? */
static int is_ours(const struct worker *w, const struct sa_entry *se, const struct icmp_quote *q)
{
	uint64_t sent = __atomic_load_n(&w->maps->sa_rt[se - w->sa].seq_out, __ATOMIC_RELAXED);
	const struct xi_sa *sa = &se->sa;

	if (sa->dir != XI_DIR_OUT || sa->family != q->family || sa->proto != q->proto || sa->spi != q->spi ||
	    memcmp(&sa->src, &q->src, sizeof(q->src)) != 0 || memcmp(&sa->dst, &q->dst, sizeof(q->dst)) != 0)
		return 0;
	if (!(sa->flags & XI_SA_F_UDP) != !q->udp ||
	    (q->udp && (ntohs(sa->udp_local) != q->src_port || ntohs(sa->udp_remote) != q->dst_port)))
		return 0;
	return sent && (uint32_t)sent - q->seq < MIN(sent, (uint64_t)SEQ_RECENT);
}

static void lower(struct worker *w, const struct sa_entry *se, uint32_t mtu)
{
	struct xi_sa_rt *rt = &w->maps->sa_rt[se - w->sa];

	if (se->sa.family == XI_IP4)
		mtu = MAX(mtu, (uint32_t)PMTU4_MIN);
	/* RFC 8201 §4: a smaller one is not even to be looked at; and none ever raises the estimate. */
	if ((se->sa.family == XI_IP6 && mtu < IP6_MTU_MIN) || mtu >= path_mtu(w, se))
		return;
	__atomic_store_n(&rt->pmtu_ns, w->now, __ATOMIC_RELAXED);
	__atomic_store_n(&rt->pmtu, mtu, __ATOMIC_RELEASE);
}

void path_learn(struct worker *w, struct wpkt *pk)
{
	struct sa_entry *se = sa_cache_get(w, pk->v.slot, pk->v.gen);
	struct icmp_quote q;

	if (trim_ip(pk)) {
		drop(w, pk, XI_DROP_IN_ERROR);
		return;
	}
	if (se && icmp_read_too_big(&pk->p, &q) == 0 && is_ours(w, se, &q)) {
		path_refresh(w, se);
		lower(w, se, q.mtu);
	}
	slow_inject(w, pk); /* it is for this host like every other ICMP */
}
