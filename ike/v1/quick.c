/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick modes under way: their list, their end, what phase 1 says to them, and whom a message is for (spec section 17). */
#include "ike/v1/quick.h"

#include <stdlib.h>

#include <openssl/crypto.h>

/* --- jobs of the thread pool --- */
static void job_wipe(struct quick_job *j)
{
	OPENSSL_cleanse(j, sizeof(*j));
	free(j);
}

/* On any thread. Our private value is made once; group_secret() looks at the peer's value before it uses it (spec 24.4, 24.5). */
static void job_run(struct ike_job *job)
{
	struct quick_job *j = (struct quick_job *)job;
	struct bytes peer = {j->peer, j->peer_len};

	if (j->have_priv) {
		j->rc = group_secret(j->group, j->priv, peer, j->secret);
		return;
	}
	j->rc = group_private(j->group, j->priv);
	if (j->rc)
		return;
	j->rc = peer.len ? group_both(j->group, j->priv, j->pub, peer, j->secret)
			 : group_public(j->group, j->priv, j->pub);
	j->have_priv = !j->rc;
}

static void job_done(struct ike_job *job)
{
	struct quick_job *j = (struct quick_job *)job;
	struct ike1_quick *q = j->quick;
	const struct ike_addr *outer;
	struct ike_addr peer;
	struct ike *k;

	if (!q) {
		job_wipe(j);
		return;
	}
	k = q->sa->ike;
	peer = q->sa->path.remote.a;
	outer = ike_because_of(k, &peer);
	q->busy = 0;
	if (q->initiator)
		quick_init_job_done(q);
	else
		quick_resp_job_done(q);
	(void)ike_because_of(k, outer);
}

struct quick_job *quick_job_new(struct ike1_quick *q, const struct group *g)
{
	struct quick_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->job = (struct ike_job){.run = job_run, .done = job_done, .slow = (uint8_t)group_slow(g)};
	j->quick = q;
	j->group = g;
	q->job = j;
	return j;
}

void quick_job_start(struct ike1_quick *q)
{
	q->busy = 1;
	q->sa->ike->env->work(q->sa->ike->env->ctx, &q->job->job);
}

void quick_job_free(struct ike1_quick *q)
{
	if (!q->job)
		return;
	if (q->busy)
		q->job->quick = NULL; /* the thread has it; job_done() frees it */
	else
		job_wipe(q->job);
	q->job = NULL;
	q->busy = 0;
}

/* --- the list --- */
static void link_to(struct ike1_quick *q, struct ike1 *sa)
{
	q->sa = sa;
	q->next = sa->quick;
	q->pprev = &sa->quick;
	if (q->next)
		q->next->pprev = &q->next;
	sa->quick = q;
}

static void unlink_from(struct ike1_quick *q)
{
	*q->pprev = q->next;
	if (q->next)
		q->next->pprev = q->pprev;
}

static struct chain **waiting(struct ike *k, const struct ike_addr *remote)
{
	_Static_assert(IKE_QUICK_BUCKETS == 1 << 10, "bits");
	return &k->waiting[hash_end(ike_addr_hash(k, remote), 10)];
}

static struct chain **initiated(struct ike *k, uint32_t slot)
{
	return &k->initiated[hash_end(slot, 10)];
}

struct ike1_quick *quick_new(struct ike1 *sa)
{
	struct ike1_quick *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	link_to(q, sa);
	q->local = sa->path.local.a;
	q->remote = sa->path.remote.a;
	q->retry.gave_up = quick_gave_up;
	return q;
}

static int usable(const struct ike1 *sa)
{
	return sa->state == IKE1_ESTABLISHED || sa->state == IKE1_DYING;
}

static void move_to(struct ike1_quick *q, struct ike1 *sa)
{
	chain_remove(&q->wait);
	timer_clear(&sa->ike->timers, &q->timer);
	unlink_from(q);
	link_to(q, sa);
	quick_begin(q);
}

/* Now, or when its turn has come. */
static void take_up(struct ike1_quick *q, struct ike1 *sa)
{
	if (sa->quick_begun < QUICK_AT_ONCE) {
		move_to(q, sa);
		return;
	}
	unlink_from(q);
	link_to(q, sa);
	(void)timer_set(&sa->ike->timers, &q->timer,
			ike_now(sa->ike) + QUICK_TURN_NS); /* it was set before: there is room */
}

static void turn_due(struct ike_timer *t)
{
	struct ike1 *sa = (struct ike1 *)((char *)t - offsetof(struct ike1, turn));
	struct ike1_quick *next;

	for (struct ike1_quick *q = sa->quick; q && sa->quick_begun < QUICK_AT_ONCE; q = next) {
		next = q->next;
		if (q->wait.pprev)
			move_to(q, sa);
	}
}

void quick_going(struct ike1_quick *q)
{
	q->going = 1;
	q->sa->quick_begun++;
	q->sa->quick_going++;
}

void quick_gone(struct ike1_quick *q)
{
	struct ike1 *sa = q->sa;

	if (!q->going)
		return;
	q->going = 0;
	if (--sa->quick_going)
		return;
	sa->quick_begun = 0;
	sa->turn.fn = turn_due;
	if (!sa->dropping)
		(void)timer_set(&sa->ike->timers, &sa->turn, ike_now(sa->ike)); /* else each waits its QUICK_TURN_NS */
}

static void quick_free(struct ike1_quick *q)
{
	struct ike *k = q->sa->ike;

	quick_gone(q);
	chain_remove(&q->wait);
	chain_remove(&q->initiated);
	unlink_from(q);
	quick_job_free(q);
	quick_release(q);
	ike1_retry_clear(k, &q->retry);
	timer_clear(&k->timers, &q->timer);
	OPENSSL_cleanse(q, sizeof(*q));
	free(q);
}

void quick_end(struct ike1_quick *q, const char *why)
{
	struct ike *k = q->sa->ike;
	char local[64], remote[64], at[64];
	struct ike_policy p = q->policy;
	int acquired = q->acquired;
	uint32_t replaces = q->replaces;

	if (!why) {
		quick_free(q);
		return;
	}
	ike_log(k, LOG_L_ERROR, "phase2 negotiation failed: %s<=>%s (%s): %s",
		ike_end_text(&q->sa->path.local, local, sizeof(local)),
		ike_end_text(&q->sa->path.remote, remote, sizeof(remote)), quick_at(q, at, sizeof(at)), why);
	quick_free(q);
	if (acquired)
		k->env->sadb->acquire_failed(k->env->ctx, p.slot, p.gen);
	if (replaces)
		child_rekey_failed(k, replaces);
}

void quick_take_back(struct ike1_quick *q)
{
	if (q->state != QUICK_SENT2 && q->state != QUICK_COMMIT)
		return;
	for (unsigned i = 0; i < q->n; i++)
		for (unsigned j = 0; j < q->s[i].terms.n; j++)
			ike1_delete_ipsec(q->sa, q->s[i].terms.suite[j].proto, q->s[i].spi[j]);
}

void quick_end_all(struct ike *k)
{
	for (struct ike1 *sa = k->sas; sa; sa = sa->next) {
		while (sa->quick) {
			struct ike1_quick *q = sa->quick;

			if (q->acquired)
				k->env->sadb->acquire_failed(k->env->ctx, q->policy.slot, q->policy.gen);
			quick_take_back(q);
			quick_free(q);
		}
	}
}

void quick_gave_up(struct ike1_retry *r)
{
	struct ike1_quick *q = (struct ike1_quick *)((char *)r - offsetof(struct ike1_quick, retry));
	uint64_t asked_ns = q->state == QUICK_SENT1 ? q->asked_ns : 0;
	struct ike1 *sa = q->sa;
	char said[800];

	quick_take_back(q);
	quick_end(q, quick_unanswered_text(q, said, sizeof(said)));
	if (asked_ns)
		ike1_unanswered(sa, asked_ns);
}

struct ike1_quick *quick_by_mid(struct ike1 *sa, uint32_t mid)
{
	for (struct ike1_quick *q = sa->quick; q; q = q->next)
		if (q->mid == mid && mid)
			return q;
	return NULL;
}

void quick_refuse(struct ike1_quick *q, uint16_t notify, const char *why)
{
	uint8_t protocol = q->s[0].proto[0] ? ike1_protocol(q->s[0].proto[0]) : IPSEC_PROTO_ESP;
	struct bytes spi = {(const uint8_t *)&q->s[0].spi[0], q->s[0].proto[0] ? 4 : 0};

	ike1_notify(q->sa, notify, protocol, spi, (struct bytes){0});
	quick_end(q, why);
}

/* Spec 24.4, 24.5: one of another length is none of the group either. */
void quick_refuse_value(struct ike1_quick *q)
{
	quick_refuse(q, ISAKMP_N_INVALID_KEY_INFORMATION, "the peer's public value is not one of the group");
}

/* Spec section 17. It is not authentic: anybody who sees our cookies can call the answer up, and it goes to the peer. */
void quick_unreadable(struct ike1 *sa, struct ike1_quick *q, const struct ike_path *path, const struct msg_err *bad)
{
	int say = q ? !q->told : ike_may_say(sa->ike, &path->remote.a);
	int answer = q ? !q->told : ike_may_answer(sa->ike, &sa->path.remote.a);
	char from[64], why[160] = "no HASH in front";

	if (q)
		q->told = 1;
	if (say)
		ike_log(sa->ike, LOG_L_ERROR, "message %u of quick mode from %s is not readable (%s)",
			!q	       ? 1
			: q->initiator ? 2
				       : 3,
			ike_end_text(&path->remote, from, sizeof(from)),
			bad->what ? msg_err_text(bad, why, sizeof(why)) : why);
	if (answer)
		ike1_notify(sa, ISAKMP_N_PAYLOAD_MALFORMED, IPSEC_PROTO_ISAKMP, (struct bytes){0}, (struct bytes){0});
}

/* --- start --- */
static int same_policy(const struct ike_policy *a, const struct ike_policy *b)
{
	return a->gen && a->slot == b->slot && a->gen == b->gen;
}

int quick_under_way(struct ike *k, const struct ike_policy *p)
{
	for (struct chain *l = *initiated(k, p->slot); l; l = l->next) {
		const struct ike1_quick *q = CHAIN_OF(l, struct ike1_quick, initiated);

		if (q->state != QUICK_OVER && same_policy(&q->policy, p))
			return 1;
	}
	return 0;
}

static void waited(struct ike_timer *t)
{
	struct ike1_quick *q = (struct ike1_quick *)((char *)t - offsetof(struct ike1_quick, timer));

	if (usable(q->sa) && !q->sa->settle.place)
		move_to(q, q->sa); /* it has waited for others long enough */
	else
		quick_end(q, "due to time up waiting for phase1");
}

int quick_initiate(struct ike *k, const struct ike_policy *p, const struct ike_path *ends, int acquired,
		   uint32_t replaces)
{
	const struct ike_peer *peer = ike_conf_peer(k->conf, &ends->remote.a);
	struct ike1_quick *q;
	struct ike1 *sa;
	char text[64];

	if (!peer) {
		if (ike_may_say(k, &ends->remote.a)) /* each packet of the policy asks again */
			ike_log(k, LOG_L_ERROR, "no configuration found for %s: no peer item has its address",
				ike_addr_text(&ends->remote.a, text, sizeof(text)));
		return -ENOENT;
	}
	sa = ike1_want(k, peer, &ends->local.a, &ends->remote, p->dynamic);
	q = sa ? quick_new(sa) : NULL;
	if (!q) {
		ike_log(k, LOG_L_ERROR, "phase 1 with %s cannot be started",
			ike_addr_text(&ends->remote.a, text, sizeof(text)));
		return -ENOMEM;
	}
	q->initiator = 1;
	q->policy = *p;
	chain_add(initiated(k, p->slot), &q->initiated);
	q->local = ends->local.a;
	q->remote = ends->remote.a;
	q->remote_port = ends->remote.port;
	q->acquired = !!acquired;
	q->replaces = replaces;
	if (usable(sa) && !sa->settle.place && sa->quick_begun < QUICK_AT_ONCE) {
		quick_begin(q);
		return 0;
	}
	chain_add(waiting(k, &q->remote), &q->wait);
	q->timer.fn = waited;
	if (timer_set(&k->timers, &q->timer, ike_now(k) + (usable(sa) ? QUICK_TURN_NS : QUICK_WAIT_NS))) {
		quick_free(q);
		return -ENOMEM;
	}
	return 0;
}

int quick_own(struct ike1_quick *q, const struct ike_proposal *prop, const char **why)
{
	const struct ike1 *sa = q->sa;
	struct phase2_own *o = &q->own;

	*why = "the policy's proposal is disabled or gone (change proposal of the policy)";
	if (!prop)
		return -ENOENT;
	_Static_assert(IKE_ALGS_MAX == PHASE2_ALGS_MAX, "the arrays below");
	memcpy(o->enc, prop->enc, sizeof(o->enc));
	memcpy(o->auth, prop->auth, sizeof(o->auth));
	o->n_enc = prop->n_enc;
	o->n_auth = prop->n_auth;
	o->life_s = prop->lifetime_s;
	o->group = prop->pfs ? prop->pfs->id : 0;
	o->check = sa->peer->check;
	o->mode = q->policy.mode;
	o->protos = q->policy.protos;
	o->encap = PHASE2_PLAIN;
	if (sa->behind || sa->peer_behind)
		o->encap = sa->natt == IKE1_NATT_RFC ? PHASE2_UDP : PHASE2_UDP_DRAFT;
	(void)str_copy(q->proposal, sizeof(q->proposal), prop->name);
	*why = "ipsec-protocols of the policy has ah, and NAT is between us and the peer: AH covers the addresses that "
	       "NAT "
	       "rewrites";
	return o->encap && (o->protos & XI_PROTOS_AH) ? -ENOENT : 0;
}

/* --- what phase 1 says --- */
/*
 * Spec 20.3: once for each remote address since start, by either side. RFC 2407 §4.6.3.3: it says that we have no SAs from before, so not when an
 * earlier xdp-iked has left us some.
 */
int ike1_contact_due(const struct ike1 *sa)
{
	return sa->peer->initial_contact && !contact_known(sa->ike, &sa->path.remote.a) && !child_there(sa);
}

static void say_initial_contact(struct ike1 *sa)
{
	uint8_t cookies[16];
	int due = ike1_contact_due(sa);

	if (contact_add(sa->ike, &sa->path.remote.a) || !due)
		return;
	memcpy(cookies, sa->icookie, 8);
	memcpy(cookies + 8, sa->rcookie, 8);
	ike1_notify(sa, ISAKMP_N_INITIAL_CONTACT, IPSEC_PROTO_ISAKMP, (struct bytes){cookies, sizeof(cookies)},
		    (struct bytes){0});
}

/* Behind one address of a NAT another port is another peer. */
static int waits_for(const struct ike1_quick *q, const struct ike1 *sa)
{
	return ike_addr_eq(&q->local, &sa->path.local.a) && ike_addr_eq(&q->remote, &sa->path.remote.a) &&
	       (!q->remote_port || q->remote_port == sa->path.remote.port) && (q->policy.dynamic || ike1_at_home(sa));
}

void ike1_ready(struct ike1 *sa)
{
	struct ike *k = sa->ike;
	struct ike1_quick *q, *next;

	say_initial_contact(sa);
	child_bind(sa);
	ike1_dpd_start(sa);
	for (q = sa->quick; q; q = next) {
		next = q->next;
		if (q->wait.pprev)
			take_up(q, sa);
	}
	for (struct chain *l = *waiting(k, &sa->path.remote.a), *after; l; l = after) {
		after = l->next;
		q = CHAIN_OF(l, struct ike1_quick, wait);
		if (waits_for(q, sa))
			take_up(q, sa);
	}
}

void ike1_gone(struct ike1 *sa)
{
	const struct ike_path *p = &sa->path;
	struct ike1 *other = ike1_find(sa->ike, &p->local.a, &p->remote.a, sa->peer_behind ? p->remote.port : 0);
	struct ike1_quick *q;

	if (other == sa)
		other = NULL;
	ike1_dpd_stop(sa);
	child_rebind(sa, other);
	while ((q = sa->quick)) {
		if (q->state == QUICK_WAIT && other) {
			take_up(q, other);
			continue;
		}
		quick_take_back(q);
		quick_end(q, q->state == QUICK_OVER ? NULL : "phase 1 ended");
	}
}

/* --- messages --- */
void ike1_quick_receive(struct ike1 *sa, const struct ike_path *path, struct bytes datagram, const struct msg_hdr *h)
{
	struct ike1_quick *q;

	if (!usable(sa) || !h->message_id) {
		sa->ike->count[IKE_COUNT_UNEXPECTED]++;
		return;
	}
	q = quick_by_mid(sa, h->message_id);
	if (!q)
		quick_receive_first(sa, path, datagram, h);
	else if (ike1_repeated(sa, &q->retry, datagram))
		return;
	else if (q->state == QUICK_SENT1)
		quick_receive_second(q, path, datagram);
	else if (q->state == QUICK_SENT2)
		quick_receive_third(q, path, datagram);
	else if (q->initiator && (q->state == QUICK_COMMIT || q->state == QUICK_OVER))
		quick_second_again(q, datagram);
	else
		sa->ike->count[IKE_COUNT_REPLAY]++;
}

static void write_oa(struct msg_wr *w, const struct ike1_quick *q, const struct ike_addr *a)
{
	unsigned type = q->sa->natt == IKE1_NATT_RFC ? ISAKMP_P_NAT_OA : ISAKMP_P_NAT_OA_DRAFT;
	struct msg_nat_oa oa = {.id_type = a->family == XI_IP6 ? IPSEC_ID_IPV6 : IPSEC_ID_IPV4,
				.addr = {(const uint8_t *)a->addr.w, a->family == XI_IP6 ? 16 : 4}};

	msg_wr_nat_oa(w, type, &oa);
}

/* Order of spec section 17: Ni, KE, IDci, IDcr, NAT-OAi, NAT-OAr (RFC 3947 §5.2: transport mode only). */
void quick_write_rest(struct ike1_quick *q, struct msg_wr *w)
{
	unsigned me = !q->initiator;

	msg_wr_raw(w, ISAKMP_P_NONCE, (struct bytes){q->nonce[me], q->nonce_len[me]});
	if (q->group)
		msg_wr_raw(w, ISAKMP_P_KE, (struct bytes){q->job->pub, q->group->public_len});
	quick_ids_write(q, w);
	if (!q->has_oa)
		return;
	write_oa(w, q, q->initiator ? &q->sa->path.local.a : &q->sa->path.remote.a);
	write_oa(w, q, q->initiator ? &q->sa->path.remote.a : &q->sa->path.local.a);
}

/* RFC 2407 §4.6.3.1: attributes of the SA. An initiator has one SA payload. */
static void read_responder_lifetime(struct ike1_quick *q, const struct msg_notify *n)
{
	struct check_terms *use = &q->s[0].terms.use;
	struct rd r = rd_of(n->data);
	unsigned type = 0;
	struct msg_attr a;

	while (msg_attr_next(&r, &a)) {
		if (a.type == IPSEC_A_LIFE_TYPE) {
			type = a.number ? a.value : 0;
		} else if (a.type == IPSEC_A_LIFE_DURATION && type == IKE1_LIFE_SECONDS && a.number) {
			use->life_s = check_responder_lifetime(q->own.check, a.value, use->life_s);
			ike_log(q->sa->ike, LOG_L_INFO, "received RESPONDER-LIFETIME: %u seconds, used %u", a.value,
				use->life_s);
		} else if (a.type == IPSEC_A_LIFE_DURATION && type == IKE1_LIFE_KILOBYTES && a.number) {
			use->life_bytes =
				check_responder_bytes(q->own.check, (uint64_t)a.value * 1024, use->life_bytes);
			ike_log(q->sa->ike, LOG_L_INFO, "received RESPONDER-LIFETIME: %u kB, used %llu", a.value,
				(unsigned long long)use->life_bytes / 1024);
		}
	}
}

void quick_notifies(struct ike1_quick *q, const struct msg *m)
{
	const struct msg_payload *p;

	for (unsigned i = 0; (p = msg_find(m, ISAKMP_P_NOTIFY, i)); i++) {
		if (p->notify.doi != IPSEC_DOI)
			continue;
		if (p->notify.type == ISAKMP_N_INITIAL_CONTACT)
			ike1_initial_contact(q->sa);
		else if (p->notify.type == ISAKMP_N_RESPONDER_LIFETIME && q->initiator)
			read_responder_lifetime(q, &p->notify);
		else
			ike_log(q->sa->ike, LOG_L_DEBUG, "notification %s in quick mode",
				msg_notify_name(p->notify.type));
	}
}
