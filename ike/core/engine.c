/* SPDX-License-Identifier: BSD-2-Clause */
/* Life of the engine, and what comes in from the daemon. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/core/child.h"
#include "ike/v1/phase1.h"

#define LIMIT_ALL_NS (NS_PER_S / 20)
#define TALK_LINE_NS (NS_PER_S / 20)
#define TALK_BURST 1000
#define TALK_SAID_NS (10 * NS_PER_S)

static uint64_t source_hash(const struct ike *k, const struct ike_addr *source, unsigned words)
{
	uint64_t h;

	memcpy(&h, k->cookie_secret, sizeof(h));
	for (unsigned i = 0; i < words; i++)
		h = hash_mix(h, source->addr.w[i]);
	return hash_end(h, 10);
}

static void left_out(struct ike *k, const struct ike_addr *source, uint64_t *said_ns)
{
	char text[160], a[64];
	uint64_t now = ike_now(k);

	k->count[IKE_COUNT_UNSAID]++;
	if (*said_ns && now - *said_ns < TALK_SAID_NS)
		return;
	*said_ns = now;
	(void)snprintf(text, sizeof(text), "%s causes too many lines: most are left out (ike-unsaid of status)",
		       ike_addr_text(source, a, sizeof(a)));
	k->env->log(k->env->ctx, LOG_L_WARNING, text);
}

/* IPv6 by its /64, in which a host has as many addresses as it likes. */
static int may_talk(struct ike *k)
{
	const struct ike_addr *source = k->talk.now;
	uint64_t now = ike_now(k), i, *full;

	if (!source)
		return 1;
	i = source_hash(k, source, source->family == XI_IP6 ? 2 : 1);
	full = &k->talk.source[i].full_ns;
	*full = MAX(*full, now);
	if (*full - now > (TALK_BURST - 1) * TALK_LINE_NS) {
		left_out(k, source, &k->talk.source[i].said_ns);
		return 0;
	}
	*full += TALK_LINE_NS;
	return 1;
}

void ike_log(struct ike *k, enum log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (!may_talk(k))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->env->log(k->env->ctx, level, text);
}

static int may(const struct ike *k, struct ike_limit *l, const struct ike_addr *source)
{
	uint64_t now = ike_now(k), *slot = &l->source[source_hash(k, source, 4)];

	if ((*slot && now - *slot < NS_PER_S) || (l->all && now - l->all < LIMIT_ALL_NS))
		return 0;
	*slot = l->all = now;
	return 1;
}

int ike_may_say(struct ike *k, const struct ike_addr *source)
{
	return may(k, &k->logged, source);
}

int ike_may_answer(struct ike *k, const struct ike_addr *source)
{
	return may(k, &k->answered, source);
}

struct ike *ike_new(const struct ike_env *env, struct ike_conf *conf)
{
	struct ike *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->env = env;
	k->conf = conf;
	ike_conf_index(conf);
	ike1_halfopen_init(k);
	if (env->random(env->ctx, k->cookie_secret, sizeof(k->cookie_secret))) {
		free(k);
		return NULL;
	}
	child_take_over(k);
	return k;
}

void ike_free(struct ike *k)
{
	if (!k)
		return;
	while (k->sas)
		ike1_drop(k->sas, 0, NULL);
	child_free_all(k);
	ike_conf_free(k->conf);
	timers_free(&k->timers);
	contact_forget_all(k);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

static void receive(struct ike *k, const struct ike_path *path, struct bytes datagram)
{
	struct msg_hdr h;
	struct msg_err e;

	if (msg_hdr_parse(&h, datagram, &e)) {
		k->count[IKE_COUNT_MALFORMED]++;
		if (e.notify == ISAKMP_N_INVALID_MAJOR_VERSION)
			ike1_other_version(k, path, datagram, &h);
		return;
	}
	ike1_receive(k, path, datagram, &h);
}

/* One that was held comes in again from within another one. */
void ike_receive(struct ike *k, const struct ike_path *path, struct bytes datagram)
{
	const struct ike_addr *outer = ike_because_of(k, &path->remote.a);

	receive(k, path, datagram);
	(void)ike_because_of(k, outer);
}

uint64_t ike_next(const struct ike *k)
{
	return timer_next(&k->timers);
}

void ike_run(struct ike *k)
{
	timer_run(&k->timers, ike_now(k));
}

/* Spec 4.2: a peer item that changed, is gone, or is no longer the best match drops its phase 1; no Delete goes out. The others go on. So do IPsec SAs, but
 * not those of generated policies (19.6). */
void ike_reload(struct ike *k, struct ike_conf *conf)
{
	struct ike_conf *old = k->conf;
	struct ike1 *sa, *next;

	ike_conf_index(conf);
	child_peers_changed(k, conf);
	for (sa = k->sas; sa; sa = next) {
		const struct ike_peer *p = ike_conf_peer(conf, &sa->path.remote.a);

		next = sa->next;
		if (p && !memcmp(p, sa->peer, sizeof(*p)))
			sa->peer = p;
		else
			sa->stale = 1;
	}
	k->conf = conf;
	/* Dropping one may start or free others: from the beginning each time. */
	for (sa = k->sas; sa; sa = next) {
		next = sa->next;
		if (!sa->stale)
			continue;
		ike1_drop(sa, 0, "peer was changed");
		next = k->sas;
	}
	child_reload(k, old);
	ike_conf_free(old);
}

uint64_t ike_count(const struct ike *k, unsigned which)
{
	return which < IKE_COUNT_MAX ? k->count[which] : 0;
}

void ike_peers(const struct ike *k, void (*cb)(void *arg, const struct ike_peer_info *row), void *arg)
{
	struct ike_peer_info row;

	for (const struct ike1 *sa = k->sas; sa; sa = sa->next) {
		ike1_info(sa, &row);
		cb(arg, &row);
	}
}
