/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inbound ESP, tunnel mode, IPv4 in IPv4, cut into the steps of RFC 4303 §3.4: length, window look-up, ICV and decryption,
 * window move, padding, inner packet. A length that a peer chose is checked before it is used, also behind a good ICV.
 */
#include "user/ipsec/esp_priv.h"
#include "user/ipsec/replay.h"

/* A burst on its way: jobs made so far and the operation of each. */
struct in_burst {
	struct crypto_job job[ENGINE_BURST_MAX];
	struct ipsec_op *op[ENGINE_BURST_MAX];
	unsigned n;
};

/* Every drop is also counted in the SA, whose other readers are not in this thread. */
static void in_drop(struct ipsec_op *op, enum xi_drop v)
{
	__u64 *counter = &op->rt->err_other;

	op->verdict = v;
	if (v == XI_DROP_IN_ICV || v == XI_DROP_IN_PADDING)
		counter = &op->rt->err_icv;
	else if (v == XI_DROP_IN_REPLAY_DUP || v == XI_DROP_IN_REPLAY_OLD || v == XI_DROP_IN_REPLAY_ZERO)
		counter = &op->rt->err_replay;
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Spec section 15: without an ICV there is no anti-replay, since anyone could move the window (RFC 4303 §2.2). */
static uint32_t in_window(const struct xi_sa *sa, const struct alg_shape *s)
{
	return s->icv_len ? MIN(sa->replay_window, (uint32_t)XI_REPLAY_WINDOW_MAX) : 0;
}

/* The outer header: enough of it to reach SPI and sequence number, which are read. */
static enum xi_drop in_header(struct ipsec_op *op, size_t *hdr)
{
	const struct pkt *p = op->pkt;
	size_t len = pkt_len(p);

	if (unlikely(len < IP4_HDR + ESP_HDR || p->data[0] >> 4 != 4))
		return XI_DROP_IN_HEADER;
	*hdr = ip4_hdr_len(p->data);
	if (unlikely(*hdr < IP4_HDR || len < *hdr + ESP_HDR || u16_get(p->data + IP4_LEN) != len ||
		     p->data[IP4_PROTO] != XI_PROTO_ESP))
		return XI_DROP_IN_HEADER;
	/* RFC 4303 §3.4.1: a fragment must be reassembled before, or discarded. */
	if (unlikely(u16_get(p->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET)))
		return XI_DROP_IN_HEADER;
	op->seq = ntohl(be32_get(p->data + *hdr + 4));
	return XI_OK;
}

/* RFC 4303 §3.4.2: the SA is the one of destination, protocol and SPI; this SA's peer has one address. */
static enum xi_drop in_sa(const struct ipsec_op *op, size_t hdr)
{
	const uint8_t *ip = op->pkt->data;

	if (unlikely(be32_get(ip + hdr) != op->sa->spi || be32_get(ip + IP4_DST) != op->sa->dst.w[0]))
		return XI_DROP_IN_NO_SA;
	if (unlikely(be32_get(ip + IP4_SRC) != op->sa->src.w[0]))
		return XI_DROP_IN_SA_SELECTOR;
	return XI_OK;
}

static enum xi_drop in_parse(struct ipsec_op *op, const struct alg_shape *s, struct crypto_job *j)
{
	struct pkt *p = op->pkt;
	size_t hdr, rest, text;
	enum xi_drop v = in_header(op, &hdr);

	if (v == XI_OK)
		v = in_sa(op, hdr);
	if (unlikely(v != XI_OK))
		return v;
	rest = pkt_len(p) - hdr - ESP_HDR;
	if (unlikely(rest < (size_t)s->iv_len + s->align + s->icv_len))
		return XI_DROP_IN_LENGTH;
	text = rest - s->iv_len - s->icv_len;
	/* RFC 4303 §2.4: the text is whole blocks and ends on a 4-byte boundary. */
	if (unlikely(text & (s->align - 1u)))
		return XI_DROP_IN_LENGTH;
	j->key = op->key;
	j->auth = p->data + hdr;
	j->auth_len = esp_auth_len(s, text);
	j->text = j->auth + ESP_HDR + s->iv_len;
	j->text_len = (uint32_t)text;
	j->icv = s->icv_len ? j->text + text : NULL;
	memcpy(j->iv, j->auth + ESP_HDR, s->iv_len);
	return XI_OK;
}

/* RFC 4303 §3.4.3: the window is looked at before the ICV, to spare the work for what will be dropped anyway. */
static void in_window_look(struct ipsec_op *op, unsigned n, uint32_t window)
{
	enum xi_drop v;

	if (!window)
		return;
	replay_lock(op->rt);
	for (unsigned i = 0; i < n; i++) {
		if (op[i].verdict != XI_OK)
			continue;
		v = replay_check(op[i].rt, op[i].replay, window, op[i].seq);
		if (unlikely(v != XI_OK))
			in_drop(&op[i], v);
	}
	replay_unlock(op->rt);
}

/* The packets of one SA: parsed, looked up in the window; those still alive become jobs. */
static void in_run(struct in_burst *b, struct ipsec_op *op, unsigned n)
{
	struct crypto_job *job = &b->job[b->n];
	uint8_t at[ENGINE_BURST_MAX];
	struct alg_shape s;
	int rc = esp_sa_shape(op->sa, &s);
	unsigned made = 0, kept = 0;
	enum xi_drop v;

	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(op[i + PREFETCH_AHEAD].pkt->data);
		if (op[i].verdict != XI_OK)
			continue;
		v = rc < 0 ? XI_DROP_IN_SA_INVALID : in_parse(&op[i], &s, &job[made]);
		if (unlikely(v != XI_OK))
			in_drop(&op[i], v);
		else
			at[made++] = (uint8_t)i;
	}
	if (!made)
		return;
	in_window_look(op, n, in_window(op->sa, &s));
	for (unsigned i = 0; i < made; i++) {
		if (unlikely(op[at[i]].verdict != XI_OK))
			continue;
		if (unlikely(kept != i))
			job[kept] = job[i];
		b->op[b->n + kept++] = &op[at[i]];
	}
	b->n += kept;
}

/* RFC 4303 §3.4.3: the window moves only after the ICV verified; another thread may have been faster with the same number. */
static void in_window_move(struct ipsec_op **op, const struct crypto_job *job, unsigned n)
{
	const struct xi_sa *sa = op[0]->sa;
	uint32_t window = job[0].icv ? MIN(sa->replay_window, (uint32_t)XI_REPLAY_WINDOW_MAX) : 0;
	enum xi_drop bad = job[0].icv ? XI_DROP_IN_ICV : XI_DROP_IN_ENGINE;

	if (window)
		replay_lock(op[0]->rt);
	for (unsigned i = 0; i < n; i++) {
		enum xi_drop v = bad;

		if (likely(job[i].ok))
			v = replay_update(op[i]->rt, op[i]->replay, window, op[i]->seq);
		if (unlikely(v != XI_OK))
			in_drop(op[i], v);
	}
	if (window)
		replay_unlock(op[0]->rt);
}

/* RFC 4303 §3.4.4.1: padding, then the inner packet. Sets the packet's new ends when all of it is sound. */
static enum xi_drop in_strip(struct pkt *p, uint8_t *text, size_t text_len)
{
	size_t pad_len = text[text_len - 2], tot;
	uint8_t next = text[text_len - 1], outer_tos = p->data[IP4_TOS];
	size_t len = text_len - ESP_TRAILER;
	enum xi_drop v;

	/* RFC 4303 §2.5: the peer's pad length is bounded by what there is, whatever the ICV says of its author. */
	if (unlikely(pad_len > len))
		return XI_DROP_IN_PADDING;
	len -= pad_len;
	/* RFC 4303 §2.4: "the receiver SHOULD inspect the Padding field". */
	if (unlikely(memcmp(text + len, esp_pad, pad_len) != 0))
		return XI_DROP_IN_PADDING;
	if (unlikely(next == NH_NONE)) {
		/* RFC 4303 §2.6: a dummy packet is discarded without prejudice. */
		p->data = p->tail = text;
		return XI_OK;
	}
	if (unlikely(next != NH_IPV4))
		return XI_DROP_IN_MODE;
	/* RFC 4303 §2.7: the inner packet's own length counts; what is behind it is traffic flow padding. */
	tot = ip4_check(text, len);
	if (unlikely(!tot))
		return XI_DROP_IN_MODE;
	v = tunnel_ecn4(text, outer_tos);
	if (unlikely(v != XI_OK))
		return v;
	p->data = text;
	p->tail = text + tot;
	return XI_OK;
}

void ipsec_open(struct engine *en, struct ipsec_op *op, unsigned n)
{
	struct in_burst b;
	enum xi_drop v;

	b.n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		end = esp_run_end(op, i, n);
		in_run(&b, op + i, end - i);
	}
	engine_open(en, b.job, b.n);
	for (unsigned i = 0, end; i < b.n; i = end) {
		for (end = i + 1; end < b.n && b.op[end]->sa == b.op[i]->sa;)
			end++;
		in_window_move(&b.op[i], &b.job[i], end - i);
	}
	for (unsigned i = 0; i < b.n; i++) {
		if (unlikely(b.op[i]->verdict != XI_OK))
			continue;
		v = in_strip(b.op[i]->pkt, b.job[i].text, b.job[i].text_len);
		if (unlikely(v != XI_OK))
			in_drop(b.op[i], v);
	}
}
