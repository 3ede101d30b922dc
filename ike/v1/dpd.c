/* SPDX-License-Identifier: BSD-2-Clause */
/* Dead peer detection (RFC 3706; spec 20.4). One timer: the next probe, or the end. */
#include <stdio.h>

#include "ike/v1/quick.h"

#define RETRY_NS (5 * NS_PER_S)

static void cookies_of(const struct ike1 *sa, uint8_t out[16])
{
	memcpy(out, sa->icookie, 8);
	memcpy(out + 8, sa->rcookie, 8);
}

static void send(struct ike1 *sa, uint16_t type, uint32_t seq)
{
	uint8_t cookies[16], data[4] = {(uint8_t)(seq >> 24), (uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq};

	cookies_of(sa, cookies);
	ike1_notify(sa, type, IPSEC_PROTO_ISAKMP, (struct bytes){cookies, 16}, (struct bytes){data, 4});
}

static void again_in(struct ike1 *sa, uint64_t ns)
{
	if (timer_set(&sa->ike->timers, &sa->dpd, ike_now(sa->ike) + ns))
		ike_log(sa->ike, LOG_L_ERROR, "DPD: no memory, the peer is not watched any more");
}

static uint64_t interval_ns(const struct ike1 *sa)
{
	return sa->peer->dpd_interval_s * NS_PER_S;
}

static void dead(struct ike1 *sa)
{
	struct ike *k = sa->ike;
	char spi[34];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(spi + 2 * i, 3, "%02x", sa->icookie[i]);
		(void)snprintf(spi + 17 + 2 * i, 3, "%02x", sa->rcookie[i]);
	}
	spi[16] = ':';
	ike_log(k, LOG_L_INFO, "DPD: remote (ISAKMP-SA spi=%s) seems to be dead.", spi);
	contact_forget(k, &sa->path.remote.a);
	ike1_drop_with_children(sa, "the peer is dead");
}

static void due(struct ike_timer *t)
{
	struct ike1 *sa = (struct ike1 *)((char *)t - offsetof(struct ike1, dpd));
	uint64_t now = ike_now(sa->ike), waited = sa->dpd_failures ? RETRY_NS : interval_ns(sa), last = child_heard(sa);

	/* spec 20.4: detection counts from the last sign of life, also when that came by an SA */
	if (last && last + waited > now) {
		sa->dpd_failures = 0;
		again_in(sa, last + interval_ns(sa) - now);
		return;
	}
	if (sa->dpd_failures >= sa->peer->dpd_failures) {
		dead(sa);
		return;
	}
	sa->dpd_failures++;
	again_in(sa, RETRY_NS);
	send(sa, ISAKMP_N_R_U_THERE, ++sa->dpd_sent);
}

void ike1_dpd_start(struct ike1 *sa)
{
	const struct ike_env *env = sa->ike->env;
	uint32_t first = 0;

	if (!ike1_dpd_active(sa) || sa->dpd.place)
		return;
	if (env->random(env->ctx, &first, sizeof(first)))
		return;
	sa->dpd_sent = sa->dpd_acked = first % 4095; /* the first probe has one more */
	sa->dpd.fn = due;
	again_in(sa, interval_ns(sa));
}

void ike1_dpd_stop(struct ike1 *sa)
{
	timer_clear(&sa->ike->timers, &sa->dpd);
}

void ike1_dpd_notify(struct ike1 *sa, const struct msg_notify *n)
{
	uint8_t cookies[16];
	struct rd r = rd_of(n->data);
	uint32_t seq = rd_u32(&r);

	cookies_of(sa, cookies);
	if (n->spi.len != 16 || memcmp(n->spi.p, cookies, 16) || r.err || rd_left(&r)) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	if (n->type == ISAKMP_N_R_U_THERE) {
		/* RFC 3706 §7: not again what was answered. */
		if (sa->dpd_peer && (int32_t)(seq - sa->dpd_peer) <= 0) {
			sa->ike->count[IKE_COUNT_REPLAY]++;
			return;
		}
		sa->dpd_peer = seq;
		send(sa, ISAKMP_N_R_U_THERE_ACK, seq);
		return;
	}
	if ((int32_t)(seq - sa->dpd_acked) <= 0 || (int32_t)(sa->dpd_sent - seq) < 0) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	sa->dpd_acked = seq;
	sa->dpd_failures = 0;
	if (sa->dpd.fn)
		again_in(sa, interval_ns(sa));
}
