/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer with the keys may send: the input is a script of steps, and the bytes it brings are the payloads of messages that are hashed and
 * encrypted as they must be. One step is: what, type of the first payload, length (16 bits, little endian), bytes.
 * A first step SETUP chooses how end 0 is configured. It must not crash, keep nothing once its time is up, and do nothing that a wrong HASH asks for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/ike1_say.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_ike1_quick: %s\n", #what);                                                  \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#define STEPS_MAX 12
#define BODY_MAX SAY_BODY_MAX

enum what {
	INFO,
	FIRST,
	SECOND,
	THIRD,
	ACQUIRE,
	SETTLE,
	TIME,
	BAD_HASH,
	REKEY,
	SETUP,
	AGAIN,
	BAD_INFO,
	BAD_SECOND,
	BAD_THIRD,
	COMMIT,	   /* the messages behind it have the commit bit, or no longer */
	CONNECTED, /* an informational message under the message ID of a quick mode */
	WHATS
};

struct step {
	uint8_t what, type;
	struct bytes body;
};

static struct rig *r;
static uint32_t mids;
static uint8_t choice; /* bits: PFS, no generate-policy, NAT, proposal-check (2), DPD, its group (2) */
static uint8_t flags;

static void conf(struct ike_conf *c, unsigned end)
{
	static const uint16_t groups[] = {31, 19, 3, 1}; /* whose public values are read in different ways */

	c->peer[0].generate = (uint8_t)(!end && !(choice & 2));
	c->peer[0].check = (uint8_t)((CHECK_OBEY + (choice >> 3)) & 3);
	c->peer[0].dpd_interval_s = choice & 0x20 ? 0 : 120;
	c->proposal[0].enc[1] = alg_by_name(ALG_ENC, "aes-128-gcm");
	c->proposal[0].n_enc = 2;
	c->proposal[0].pfs = choice & 1 ? group_by_id(groups[choice >> 6]) : NULL;
}

static void say(uint8_t exchange, uint32_t mid, const uint8_t *iv, const struct step *s, struct bytes ni,
		const uint8_t *hash3, int bad)
{
	struct say m = {.exchange = exchange,
			.mid = mid,
			.iv = iv,
			.type = s->type,
			.body = s->body,
			.ni = ni,
			.hash = hash3,
			.flags = flags,
			.wrong = bad ? (uint8_t)r->end[1].sa->terms.hash->len : 0};

	rig_say(r, 1, &m);
}

static int usable(void)
{
	return r->end[0].k->sas && r->end[1].k->sas && r->end[0].k->sas == r->end[0].sa &&
	       r->end[1].k->sas == r->end[1].sa;
}

static struct ike1_quick *in_state(enum quick_state state)
{
	for (struct ike1_quick *q = r->end[0].sa->quick; q; q = q->next)
		if (q->state == state)
			return q;
	return NULL;
}

/* What a message without the right HASH must leave as it was. */
struct kept {
	unsigned sas, reserved, quicks;
	uint64_t bad;
};

static struct kept kept(void)
{
	const struct ike *k = r->end[0].k;

	return (struct kept){fake_count(&r->end[0].sadb), fake_reserved(&r->end[0].sadb), rig_quicks(r, 0),
			     k->count[IKE_COUNT_BAD_HASH] + k->count[IKE_COUNT_MALFORMED]};
}

static void must_be_kept(const struct kept *before)
{
	struct kept now = kept();

	must(usable());
	must(now.sas == before->sas && now.reserved == before->reserved && now.quicks == before->quicks);
	must(now.bad == before->bad + 1); /* one counter each */
}

static void with_fresh_mid(const struct step *s)
{
	int info = s->what == INFO || s->what == BAD_INFO, bad = s->what == BAD_HASH || s->what == BAD_INFO;
	struct kept before = kept();

	say(info ? ISAKMP_X_INFORMATIONAL : ISAKMP_X_QUICK, ++mids, NULL, s, (struct bytes){0}, NULL, bad);
	if (bad)
		must_be_kept(&before);
}

static void second(const struct step *s)
{
	struct ike1_quick *q = in_state(QUICK_SENT1);
	struct kept before = kept();
	int bad = s->what == BAD_SECOND;

	if (!q)
		return;
	say(ISAKMP_X_QUICK, q->mid, q->iv, s, (struct bytes){q->nonce[0], q->nonce_len[0]}, NULL, bad);
	if (bad)
		must_be_kept(&before);
}

static void third(const struct step *s)
{
	struct ike1_quick *q = in_state(QUICK_SENT2);
	struct kept before = kept();
	int bad = s->what == BAD_THIRD;

	if (!q)
		return;
	say(ISAKMP_X_QUICK, q->mid, q->iv, s, (struct bytes){0}, q->hash3, bad);
	if (bad)
		must_be_kept(&before);
}

static void connected(const struct step *s)
{
	struct ike1_quick *q = in_state(QUICK_COMMIT);

	if (!q)
		q = in_state(QUICK_SENT2);
	if (q)
		say(ISAKMP_X_INFORMATIONAL, q->mid, NULL, s, (struct bytes){0}, NULL, 0);
}

/* Another message 2 behind message 3: nothing but message 3 again comes of it. */
static void again(const struct step *s)
{
	struct ike1_quick *q = in_state(QUICK_OVER);
	struct kept before = kept(), now;

	if (!q)
		return;
	say(ISAKMP_X_QUICK, q->mid, q->iv2, s, (struct bytes){q->nonce[0], q->nonce_len[0]}, NULL, 0);
	now = kept();
	must(now.sas == before.sas && now.reserved == before.reserved && now.quicks == before.quicks);
	must(q->again <= QUICK_AGAIN_MAX);
}

static void pass(uint64_t ns)
{
	r->now += ns;
	for (unsigned i = 0; i < 2; i++)
		ike_run(r->end[i].k);
}

static void child_at_its_limit(void)
{
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[0].sadb.sa[i].ref) {
			ike_sa_event(r->end[0].k, IKE_SA_SOFT, r->end[0].sadb.sa[i].ref, NULL);
			return;
		}
}

static void work(void)
{
	while (rig_work_one(r))
		;
}

static void perform(const struct step *s)
{
	if (!usable() && s->what != TIME)
		return;
	switch (s->what) {
	case SECOND:
	case BAD_SECOND:
		second(s);
		break;
	case THIRD:
	case BAD_THIRD:
		third(s);
		break;
	case AGAIN:
		again(s);
		break;
	case COMMIT:
		flags ^= ISAKMP_F_COMMIT;
		break;
	case CONNECTED:
		connected(s);
		break;
	case SETUP: /* has its place at the beginning */
		break;
	case ACQUIRE:
		rig_acquire(r, 0, &r->end[0].sadb.policy[s->type % 2]);
		break;
	case SETTLE:
		rig_settle(r);
		break;
	case TIME:
		pass(s->type * NS_PER_S);
		break;
	case REKEY:
		child_at_its_limit();
		break;
	default:
		with_fresh_mid(s);
	}
	work();
}

static int read_step(struct bytes *in, struct step *s)
{
	size_t len;

	if (in->len < 4)
		return 0;
	s->what = in->p[0] % WHATS;
	s->type = in->p[1];
	len = MIN((size_t)(in->p[2] | in->p[3] << 8), MIN(in->len - 4, (size_t)BODY_MAX));
	s->body = (struct bytes){in->p + 4, len};
	in->p += 4 + len;
	in->len -= 4 + len;
	return 1;
}

static void begin(void)
{
	r = rig_new(conf);
	(void)rig_policy(r, 0, 1);
	(void)rig_policy(r, 1, 1);
	rig_policy(r, 0, 2)->mode = XI_MODE_TRANSPORT;
	rig_isakmp(r, 1, 1);
	if (choice & 4) {
		r->end[0].sa->natt = IKE1_NATT_RFC;
		r->end[0].sa->peer_behind = 1;
	}
	mids = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct bytes rest = in;
	struct step s;

	choice = flags = 0;
	if (read_step(&rest, &s) && s.what == SETUP) {
		choice = s.type;
		in = rest;
	}
	begin();
	for (unsigned n = 0; n < STEPS_MAX && read_step(&in, &s); n++)
		perform(&s);
	/* What is half done ends. */
	for (unsigned i = 0; i < 20; i++) {
		while (r->n)
			rig_drop(r, 0);
		work();
		pass(10 * NS_PER_S);
	}
	must(rig_quicks(r, 0) == 0);
	must(fake_reserved(&r->end[0].sadb) == 0);
	rig_free(r);
	return 0;
}
