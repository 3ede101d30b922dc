/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer with the keys may send: the input is a script of steps, and the bytes it brings are the payloads of messages that are hashed and
 * encrypted as they must be. One step is: what, type of the first payload, length (16 bits, little endian), bytes.
 * The engine at end 0 must not crash, keep nothing once its time is up, and install nothing that a wrong HASH asks for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ike/neg/prf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/quick_rig.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_ike1_quick: %s\n", #what);                                                  \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#define STEPS_MAX 12
#define BODY_MAX 4096

enum what { INFO, FIRST, SECOND, THIRD, ACQUIRE, SETTLE, TIME, BAD_HASH, REKEY, WHATS };

struct step {
	uint8_t what, type;
	struct bytes body;
};

static struct rig *r;
static uint32_t mids;

static void conf(struct ike_conf *c, unsigned end)
{
	c->peer[0].generate = (uint8_t)!end;
	c->proposal[0].enc[1] = alg_by_name(ALG_ENC, "aes-128-gcm");
	c->proposal[0].n_enc = 2;
	c->proposal[0].pfs = NULL;
}

/* The message that holds the body behind HASH, as end 1 would send it. */
static void say(uint8_t exchange, uint32_t mid, const uint8_t *iv0, const struct step *s, struct bytes nonce_i,
		const uint8_t *hash3, int bad)
{
	static uint8_t buf[ISAKMP_HDR_LEN + 4 + HASH_MAX + BODY_MAX + 64];
	struct ike1 *sa = r->end[1].sa;
	struct msg_hdr h = {
		.version = ISAKMP_VERSION_1, .exchange = exchange, .flags = ISAKMP_F_ENCRYPTED, .message_id = mid};
	size_t hl = sa->terms.hash->len, block = sa->terms.cipher->block, len = s->body.len;
	struct rig_packet p = {.from = 1, .path = {r->end[0].sa->path.local, r->end[0].sa->path.remote}, .p = buf};
	uint8_t iv[CIPHER_BLOCK_MAX], *plain = buf + ISAKMP_HDR_LEN, *hash = plain + 4;
	struct msg_wr w;

	memcpy(h.icookie, sa->icookie, 8);
	memcpy(h.rcookie, sa->rcookie, 8);
	memset(buf, 0, sizeof(buf));
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	if (w.wr.err)
		abort();
	buf[16] = ISAKMP_P_HASH;
	plain[0] = s->type;
	plain[3] = (uint8_t)(4 + hl);
	if (len)
		memcpy(hash + hl, s->body.p, len);
	if (hash3)
		memcpy(hash, hash3, hl);
	else if (nonce_i.len)
		must(!ike1_hash2(sa->terms.hash, &sa->k, mid, nonce_i, (struct bytes){hash + hl, len}, hash));
	else
		must(!ike1_hash1(sa->terms.hash, &sa->k, mid, (struct bytes){hash + hl, len}, hash));
	if (bad)
		hash[hl - 1] ^= 1;
	p.len = 4 + hl + len;
	p.len = ISAKMP_HDR_LEN + (p.len + block - 1) / block * block;
	buf[26] = (uint8_t)(p.len >> 8);
	buf[27] = (uint8_t)p.len;
	memcpy(iv, iv0, block);
	must(!cipher_seal(sa->terms.cipher, sa->key, sa->terms.key_len, iv, plain, p.len - ISAKMP_HDR_LEN));
	rig_hand_over(r, &p);
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

static void with_fresh_mid(const struct step *s)
{
	uint8_t iv[CIPHER_BLOCK_MAX];
	unsigned before = fake_count(&r->end[0].sadb);

	must(!ike1_iv(r->end[1].sa, ++mids, iv));
	say(s->what == INFO ? ISAKMP_X_INFORMATIONAL : ISAKMP_X_QUICK, mids, iv, s, (struct bytes){0}, NULL,
	    s->what == BAD_HASH);
	if (s->what == BAD_HASH)
		must(fake_count(&r->end[0].sadb) == before);
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
	struct ike1_quick *q;

	if (!usable() && s->what != TIME)
		return;
	switch (s->what) {
	case SECOND:
		q = in_state(QUICK_SENT1);
		if (q)
			say(ISAKMP_X_QUICK, q->mid, q->iv, s, (struct bytes){q->nonce[0], q->nonce_len[0]}, NULL, 0);
		break;
	case THIRD:
		q = in_state(QUICK_SENT2);
		if (q)
			say(ISAKMP_X_QUICK, q->mid, q->iv, s, (struct bytes){0}, q->hash3, 0);
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
	mids = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct step s;

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
