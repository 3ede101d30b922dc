/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipsec_open, cut into the steps of RFC 4303 §3.4 and RFC 4302 §3.4: headers and lengths, window look-up, ICV and decryption, window
 * move, what is inside. A length that a peer chose is checked before it is used, also behind a good ICV.
 */
#include "user/ipsec/in.h"
#include "user/ipsec/natt.h"
#include "user/ipsec/replay.h"
#include "user/ipsec/split.h"
#include "user/ipsec/tunnel.h"

/* Every drop is also counted in the SA, whose other readers are not in this thread. */
void in_drop(struct ipsec_op *op, enum xi_drop v)
{
	__u64 *counter = &op->rt->err_other;

	op->verdict = v;
	if (v == XI_DROP_IN_ICV || v == XI_DROP_IN_PADDING)
		counter = &op->rt->err_icv;
	else if (v == XI_DROP_IN_REPLAY_DUP || v == XI_DROP_IN_REPLAY_OLD || v == XI_DROP_IN_REPLAY_ZERO)
		counter = &op->rt->err_replay;
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* RFC 4303 §3.4.3: the window is looked at before the ICV, to spare the work for what will be dropped anyway. */
static void in_window_look(struct ipsec_op *op, unsigned n, const struct form *f)
{
	struct xi_sa_rt *rt = op->rt;
	enum xi_drop v;

	if (!f->window && !f->esn)
		return;
	replay_lock(rt);
	for (unsigned i = 0; i < n; i++) {
		if (op[i].verdict != XI_OK)
			continue;
		if (unlikely(f->esn))
			op[i].seq = replay_esn(rt->seq_top, f->window, (uint32_t)op[i].seq);
		v = replay_check(rt, op[i].replay, f->window, op[i].seq);
		if (unlikely(v != XI_OK))
			in_drop(&op[i], v);
	}
	replay_unlock(rt);
}

/* What of a job depends on its number, or changes the packet. */
static enum xi_drop in_number(struct in_burst *b, unsigned i, const struct form *f)
{
	if (f->sa->proto == XI_PROTO_AH)
		return ah_in_zero(b, i, f);
	esp_in_esn(b, i, f);
	return XI_OK;
}

static void in_no_form(struct ipsec_op *op, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (op[i].verdict == XI_OK)
			in_drop(&op[i], XI_DROP_IN_SA_INVALID);
}

/* The packets of one SA: parsed, looked up in the window; those still alive become jobs. */
static void in_run(struct in_burst *b, struct ipsec_op *op, unsigned n)
{
	struct crypto_job *job = &b->job[b->n];
	struct in_mark *mark = &b->mark[b->n];
	uint8_t at[ENGINE_BURST_MAX];
	struct form f;
	int rc = form_of(op->sa, &f), number = rc == 0 && (f.esn || f.sa->proto == XI_PROTO_AH);
	unsigned made, kept = 0;
	enum xi_drop v;

	if (unlikely(rc < 0)) {
		in_no_form(op, n);
		return;
	}
	made = likely(f.sa->proto == XI_PROTO_ESP) ? esp_in_parse(b, &f, op, n, at) : ah_in_parse(b, &f, op, n, at);
	in_window_look(op, n, &f);
	for (unsigned i = 0; i < made; i++) {
		if (unlikely(op[at[i]].verdict != XI_OK))
			continue;
		if (unlikely(kept != i)) {
			job[kept] = job[i];
			mark[kept] = mark[i];
		}
		b->op[b->n + kept] = &op[at[i]];
		v = unlikely(number) ? in_number(b, b->n + kept, &f) : XI_OK;
		if (unlikely(v != XI_OK))
			in_drop(&op[at[i]], v);
		else
			kept++;
	}
	b->n += kept;
}

/* RFC 4303 §3.4.3: the window moves only after the ICV verified; another thread may have been faster with the same number. */
static void in_window_move(struct ipsec_op **op, const struct crypto_job *job, unsigned n)
{
	const struct xi_sa *sa = op[0]->sa;
	uint32_t window = job[0].icv ? MIN(sa->replay_window, (uint32_t)XI_REPLAY_WINDOW_MAX) : 0;
	int counted = window || (job[0].icv && (sa->flags & XI_SA_F_ESN));
	enum xi_drop bad = job[0].icv ? XI_DROP_IN_ICV : XI_DROP_IN_ENGINE;

	if (counted)
		replay_lock(op[0]->rt);
	for (unsigned i = 0; i < n; i++) {
		enum xi_drop v = bad;

		if (likely(job[i].ok))
			v = likely(counted) ? replay_update(op[i]->rt, op[i]->replay, window, op[i]->seq) : XI_OK;
		if (unlikely(v != XI_OK))
			in_drop(op[i], v);
	}
	if (counted)
		replay_unlock(op[0]->rt);
}

void in_transport(struct ipsec_op *op, const struct in_mark *m, uint8_t *payload, size_t len, uint8_t next)
{
	uint8_t *ip = payload - m->carrier;
	struct pkt *p = op->pkt;

	memmove(ip, p->data, m->carrier);
	ip_join(ip, m->next_at, next, m->carrier + len);
	p->data = ip;
	p->tail = payload + len;
	op->payload = (uint32_t)len;
}

/* The same once more for packets whose peer has moved, which have to be looked at before and behind the step. */
static void in_strip(struct in_burst *b, unsigned first, unsigned end)
{
	int esp = b->op[first]->sa->proto == XI_PROTO_ESP;

	for (unsigned i = first; i < end; i++) {
		struct natt_source from;
		enum xi_drop v;

		if (unlikely(b->op[i]->verdict != XI_OK))
			continue;
		if (unlikely(b->mark[i].moved))
			natt_source(b->op[i]->pkt, &b->mark[i], &from);
		v = likely(esp) ? esp_in_strip(b, i) : ah_in_strip(b, i);
		if (unlikely(v != XI_OK))
			in_drop(b->op[i], v);
		else if (unlikely(b->mark[i].moved))
			natt_report(b->op[i], &from);
	}
}

void ipsec_open(struct engine *en, struct ipsec_op *op, unsigned n)
{
	struct in_burst b;

	b.n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		end = run_end(op, i, n);
		in_run(&b, op + i, end - i);
	}
	engine_open(en, b.job, b.n);
	for (unsigned i = 0, end; i < b.n; i = end) {
		for (end = i + 1; end < b.n && b.op[end]->sa == b.op[i]->sa;)
			end++;
		in_window_move(&b.op[i], &b.job[i], end - i);
		in_strip(&b, i, end);
	}
}
