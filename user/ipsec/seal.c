/* SPDX-License-Identifier: BSD-2-Clause */
/* ipsec_seal: a burst goes run by run (one SA) through the packet format, then as a whole through the engine. */
#include "user/ipsec/out.h"
#include "user/ipsec/split.h"

enum xi_drop out_split(const struct pkt *p, const struct xi_sa *sa, struct out_place *at)
{
	struct ip_split s;
	size_t n = sa->family == XI_IP4 ? 4 : 16, src = sa->family == XI_IP4 ? IP4_SRC : IP6_SRC;

	*at = (struct out_place){0};
	if (ip_split(p->data, pkt_len(p), &s) < 0)
		return XI_DROP_OUT_MODE;
	if (s.family != sa->family || memcmp(p->data + src, &sa->src, n) != 0 || memcmp(s.dst, &sa->dst, n) != 0)
		return XI_DROP_OUT_ENDPOINTS;
	*at = (struct out_place){.len = s.len, .next_at = s.next_at, .next = s.next};
	return XI_OK;
}

uint8_t *out_move(uint8_t *ip, struct out_place at, uint8_t *end, uint8_t proto, size_t total)
{
	uint8_t *to = end - at.len;

	memmove(to, ip, at.len);
	ip_join(to, at.next_at, proto, total);
	return to;
}

void out_udp(uint8_t *udp, const struct xi_sa *sa, size_t len)
{
	be16_put(udp, sa->udp_local);
	be16_put(udp + 2, sa->udp_remote);
	u16_put(udp + 4, (uint16_t)len);
	be16_put(udp + UDP_SUM, 0);
}

/* RFC 8200 §8.1: over IPv6 a UDP checksum is always there. */
static void udp6_sum(const struct pkt *p, size_t at)
{
	uint8_t *udp = p->data + at;
	uint16_t sum = (uint16_t)~ip6_upper_sum(p->data + IP6_SRC, PROTO_UDP, udp, (size_t)(p->tail - udp));

	be16_put(udp + UDP_SUM, sum ? sum : 0xffff);
}

static void out_after(const struct out_burst *b, unsigned i)
{
	const struct crypto_job *j = &b->job[i];
	const struct out_after *a = &b->after[i];

	if (a->what & AFTER_ESP_ICV)
		memcpy(j->text + j->text_len, j->icv, a->icv_len);
	if (a->what & AFTER_UDP6)
		udp6_sum(b->op[i]->pkt, a->at);
	if (a->what & AFTER_AH)
		ah_out_after(b, i);
}

static void out_run(struct out_burst *b, const struct iv_source *iv, struct ipsec_op *op, unsigned n)
{
	struct form f;

	if (unlikely(form_of(op->sa, &f) < 0)) {
		for (unsigned i = 0; i < n; i++)
			if (op[i].verdict == XI_OK)
				op[i].verdict = XI_DROP_OUT_BUNDLE;
	} else if (likely(op->sa->proto == XI_PROTO_ESP)) {
		esp_out_run(b, iv, &f, op, n);
	} else {
		ah_out_run(b, &f, op, n);
	}
}

void ipsec_seal(struct engine *en, const struct iv_source *iv, struct ipsec_op *op, unsigned n)
{
	struct out_burst b;

	b.n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		end = run_end(op, i, n);
		out_run(&b, iv, op + i, end - i);
	}
	engine_seal(en, b.job, b.n);
	for (unsigned i = 0; i < b.n; i++) {
		if (unlikely(!b.job[i].ok))
			b.op[i]->verdict = XI_DROP_OUT_ENGINE;
		else if (unlikely(b.after[i].what))
			out_after(&b, i);
	}
}
