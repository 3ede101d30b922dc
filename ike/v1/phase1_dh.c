/* SPDX-License-Identifier: BSD-2-Clause */
/* Diffie-Hellman of phase 1 on the thread pool: a modp8192 of one peer delays no other (spec section 2). */
#include <errno.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "ike/v1/phase1.h"

/* On any thread: touches nothing but the job. */
static void run(struct ike_job *job)
{
	struct p1_job *j = (struct p1_job *)job;
	struct bytes peer = {j->peer, j->peer_len};

	j->rc = j->what & P1_DH_PUBLIC ? group_private(j->group, j->priv) : 0;
	if (j->rc)
		return;
	if (j->what == (P1_DH_PUBLIC | P1_DH_SECRET))
		j->rc = group_both(j->group, j->priv, j->pub, peer, j->secret);
	else if (j->what & P1_DH_PUBLIC)
		j->rc = group_public(j->group, j->priv, j->pub);
	else
		j->rc = group_secret(j->group, j->priv, peer, j->secret);
}

static int take(struct ike1 *sa, const struct p1_job *j)
{
	struct ike1_handshake *hs = sa->hs;
	const struct group *g = j->group;
	int rc = 0;

	if (j->what & P1_DH_PUBLIC) {
		rc = blob_set(&hs->priv, (struct bytes){j->priv, g->private_len});
		if (!rc)
			rc = blob_set(sa->initiator ? &hs->gxi : &hs->gxr, (struct bytes){j->pub, g->public_len});
	}
	if (!rc && j->what & P1_DH_SECRET)
		rc = blob_set(&hs->gxy, (struct bytes){j->secret, g->secret_len});
	return rc;
}

static void done(struct ike_job *job)
{
	struct p1_job *j = (struct p1_job *)job;
	struct ike1 *sa = j->sa;
	int rc = j->rc;

	if (j->stranger)
		j->ike->stranger_jobs--;
	if (sa) {
		sa->hs->job = NULL;
		sa->hs->busy = 0;
		if (!rc)
			rc = take(sa, j);
	}
	OPENSSL_clear_free(j, j->size);
	if (!sa)
		return;
	if (rc == -EINVAL)
		p1_fail(sa, ISAKMP_N_INVALID_KEY_INFORMATION, "the peer's public value is not one of the group");
	else if (rc)
		p1_fatal(sa, "Diffie-Hellman failed");
	else
		sa->hs->next(sa);
}

/* As large as the group wants it: most are small. Products have public_len bytes, secrets too. */
static struct p1_job *job_new(struct ike1 *sa, unsigned what)
{
	const struct group *g = sa->terms.group;
	size_t size = sizeof(struct p1_job) + g->private_len + 3u * g->public_len;
	struct p1_job *j = calloc(1, size);

	if (!j)
		return NULL;
	*j = (struct p1_job){.job = {.run = run, .done = done, .slow = (uint8_t)group_slow(g)},
			     .ike = sa->ike,
			     .sa = sa,
			     .group = g,
			     .what = what,
			     .size = size};
	j->priv = j->room;
	j->pub = j->priv + g->private_len;
	j->peer = j->pub + g->public_len;
	j->secret = j->peer + g->public_len;
	return j;
}

int p1_dh(struct ike1 *sa, unsigned what, void (*next)(struct ike1 *sa))
{
	const struct blob *peer = sa->initiator ? &sa->hs->gxr : &sa->hs->gxi;
	int stranger = !sa->initiator && !sa->hs->proven;
	struct p1_job *j;

	if (sa->hs->priv.len > sa->terms.group->private_len)
		return -EINVAL;
	if (stranger && sa->ike->stranger_jobs >= P1_STRANGER_JOBS) {
		sa->ike->count[IKE_COUNT_HALF_OPEN]++;
		return -EBUSY;
	}
	j = job_new(sa, what);
	if (!j)
		return -ENOMEM;
	j->stranger = (uint8_t)stranger;
	if (what & P1_DH_SECRET) {
		j->peer_len = peer->len;
		if (peer->len == j->group->public_len)
			memcpy(j->peer, peer->p, peer->len);
	}
	if (sa->hs->priv.len)
		memcpy(j->priv, sa->hs->priv.p, sa->hs->priv.len);
	if (stranger)
		sa->ike->stranger_jobs++;
	sa->hs->job = j;
	sa->hs->busy = 1;
	sa->hs->next = next;
	sa->ike->env->work(sa->ike->env->ctx, &j->job);
	return 0;
}

void p1_dh_abandon(struct ike1 *sa)
{
	if (sa->hs && sa->hs->job)
		sa->hs->job->sa = NULL;
}
