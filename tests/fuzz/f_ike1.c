/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Phase 1 on a network that belongs to the fuzzer: the first byte of the input chooses exchange and authentication, the rest is a script. Strangers send bytes,
 * messages between two engines that know each other arrive, are lost, or are changed on their way, encrypted ones and certificates inside them, too; fragments
 * come. One step is: what, argument, length (16 bits, little endian), bytes. Nothing is established or installed unless the other end computed the same keys, no stranger in main or base mode gets more bytes than he
 * sent, half-open ones are counted and bounded, and what is half done ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/rewrite.h"
#include "tests/lib/rsa_rig.h"

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "f_ike1: %s\n", #what);                                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#define STEPS_MAX 24
#define BODY_MAX 4096

enum what { STRANGER, ADAPTED, THEY_START, WE_START, DELIVER, FLIP, PUT, TIME, DROP, FRAGMENT, WORK, REWRITE, WHATS };
enum auth { PSK, CERTIFICATE, KEY, PINNED };

struct step {
	uint8_t what, arg;
	struct bytes body;
};

static struct rig *r;
static uint8_t choice;
static size_t sent;

static enum auth auth(void)
{
	return (choice >> 5) & 3;
}

static void make_stores(void)
{
	rsa_setup();
	for (unsigned i = 0; i < 2; i++) {
		X509 *x = rsa_leaf(i ? "end 0" : "end 1", rsa.key[!i], (struct cert_spec){0});

		rsa_write(i, CRED_CERTIFICATE, "theirs", x, NULL, 0);
		X509_free(x);
		(void)rsa_lend(i);
	}
	rsa_remove();
}

/* choice & 0x10: end 1 does not have the key that it says. */
static void sign(void *ctx, struct ike_sign *s)
{
	EVP_PKEY *own = rsa.key[1];

	if (choice & 0x10)
		rsa.key[1] = rsa.ca_key;
	rsa_sign_later(ctx, s);
	rsa.key[1] = own;
}

static void conf_rsa(struct ike_conf *c, struct ike_peer *p, unsigned end)
{
	c->cred = rsa_lend(end);
	p->auth = auth() == KEY ? IKE_AUTH_RSA_KEY : IKE_AUTH_RSA_SIGNATURE;
	strcpy(p->certificate, "own");
	strcpy(p->key, "own");
	if (auth() == PINNED)
		strcpy(p->remote_certificate, "theirs");
}

static void conf(struct ike_conf *c, unsigned end)
{
	struct ike_peer *p = &c->peer[0];

	if (auth() != PSK)
		conf_rsa(c, p, end);

	p->mode = choice & 3;
	p->natt = (choice >> 2) & 1;
	p->generate = end ? IKE_GENERATE_NO : (choice >> 3) & 1;
	p->group = group_by_id(31);
	p->initial_contact = 1;
	if (choice & 0x10)
		p->psk[0] = end ? 'T' : 't';
}

static int count(struct rig *rig, struct rig_packet *p)
{
	(void)rig;
	if (p->from == 0)
		sent += p->len;
	return 1;
}

static struct ike_path path_of(uint8_t arg)
{
	uint16_t port = arg & 1 ? IKE_PORT_NATT : IKE_PORT;
	struct ike_path path = {{r->end[0].addr, port}, {r->end[1].addr, port}};

	if (arg & 2)
		path.remote.a.addr.w[0] ^= htonl(arg >> 2);
	return path;
}

/* A datagram in a buffer of its size, so that a read behind it is seen. */
static void hand_over(const struct ike_path *path, const uint8_t *p, size_t len)
{
	struct rig_packet pk = {.from = 1, .path = *path, .p = malloc(len + !len), .len = len};

	memcpy(pk.p, p, len);
	rig_hand_over(r, &pk);
	free(pk.p);
}

static void stranger(const struct step *s)
{
	static const uint8_t none[8];
	struct ike_path path = path_of(s->arg);
	size_t before = sent;

	hand_over(&path, s->body.p, s->body.len);
	if (s->body.len < ISAKMP_HDR_LEN || !memcmp(s->body.p + 8, none, 8))
		must(sent - before <= s->body.len);
}

/* With the cookies of an ISAKMP SA that end 0 has, its exchange and the right length. */
static void adapted(const struct step *s)
{
	const struct ike1 *sa = r->end[0].k->sas;
	uint8_t buf[BODY_MAX];

	if (!sa || s->body.len < ISAKMP_HDR_LEN)
		return;
	memcpy(buf, s->body.p, s->body.len);
	memcpy(buf, sa->icookie, 8);
	memcpy(buf + 8, sa->rcookie, 8);
	buf[17] = ISAKMP_VERSION_1;
	if (s->arg & 4)
		buf[18] = sa->mode;
	buf[24] = buf[25] = 0;
	buf[26] = (uint8_t)(s->body.len >> 8);
	buf[27] = (uint8_t)s->body.len;
	hand_over(&sa->path, buf, s->body.len);
}

static void fragment(const struct step *s)
{
	const struct ike1 *sa = r->end[0].k->sas;
	struct msg_hdr h = {.version = ISAKMP_VERSION_1, .exchange = sa ? sa->mode : ISAKMP_X_MAIN};
	struct msg_fragment f = {
		.id = s->arg >> 5, .number = (s->arg & 15) + 1, .last = (s->arg >> 4) & 1, .data = s->body};
	uint8_t buf[BODY_MAX + 64];
	struct msg_wr w;
	int n;

	if (!sa)
		return;
	memcpy(h.icookie, sa->icookie, 8);
	memcpy(h.rcookie, sa->rcookie, 8);
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_fragment(&w, &f);
	n = msg_wr_end(&w);
	if (n > 0)
		hand_over(&sa->path, buf, (size_t)n);
}

/* The oldest message on its way, changed: bits of one byte, or other bytes from one place on. */
static void changed(const struct step *s)
{
	struct rig_packet p = rig_take(r, 0);
	size_t at = s->body.len >= 2 ? (size_t)(s->body.p[0] | s->body.p[1] << 8) % p.len : 0, n;

	if (s->what == FLIP) {
		p.p[at] ^= s->arg;
	} else if (s->body.len > 2) {
		n = MIN(s->body.len - 2, p.len - at);
		memcpy(p.p + at, s->body.p + 2, n);
	}
	rig_hand_over(r, &p);
	free(p.p);
}

/* Payloads of the oldest message: arg says how and which, the first byte is the type of the new one or the place, then its body. */
static void rewritten(const struct step *s)
{
	struct rig_packet p = rig_take(r, 0);
	struct rewrite w = {.how = s->arg % REWRITES, .nth = (s->arg >> 2) & 15};

	if (s->body.len) {
		w.type = w.how == REWRITE_PATCH ? 0 : s->body.p[0];
		w.at = s->body.p[0];
		w.bytes = (struct bytes){s->body.p + 1, s->body.len - 1};
	}
	(void)rewrite(r, &p, &w);
	rig_hand_over(r, &p);
	free(p.p);
}

static void pass(uint64_t ns)
{
	r->now += ns;
	for (unsigned i = 0; i < 2; i++)
		ike_run(r->end[i].k);
}

/* Messages with certificates go in one piece, so that REWRITE finds their payloads, unless choice & 0x80. */
static void uncut(void)
{
	for (unsigned i = 0; i < 2 && !(choice & 0x80); i++)
		for (struct ike1 *sa = r->end[i].k->sas; sa; sa = sa->next)
			sa->peer_frag = 0;
}

static void perform(const struct step *s)
{
	switch (s->what) {
	case STRANGER:
		stranger(s);
		break;
	case ADAPTED:
		adapted(s);
		break;
	case THEY_START:
		rig_acquire(r, 1, &r->end[1].sadb.policy[0]);
		break;
	case WE_START:
		rig_acquire(r, 0, &r->end[0].sadb.policy[0]);
		break;
	case TIME:
		pass(s->arg * NS_PER_S / 8);
		break;
	case FRAGMENT:
		fragment(s);
		break;
	case WORK:
		(void)rig_work_one(r);
		break;
	case DROP:
		if (r->n)
			rig_drop(r, 0);
		break;
	case DELIVER:
		if (r->n)
			rig_deliver(r, 0);
		break;
	case REWRITE:
		if (r->n)
			rewritten(s);
		break;
	default:
		if (r->n)
			changed(s);
	}
	uncut();
	while (!(s->arg & 0x80) && rig_work_one(r)) /* else jobs wait for WORK */
		uncut();
}

static int read_step(struct bytes *in, struct step *s)
{
	size_t len;

	if (in->len < 4)
		return 0;
	s->what = in->p[0] % WHATS;
	s->arg = in->p[1];
	len = MIN((size_t)(in->p[2] | in->p[3] << 8), MIN(in->len - 4, (size_t)BODY_MAX));
	s->body = (struct bytes){in->p + 4, len};
	in->p += 4 + len;
	in->len -= 4 + len;
	return 1;
}

/* --- keys that an end had at any time --- */
#define SEEN_MAX 512

static struct seen {
	uint8_t key[2][SEEN_MAX][32];
	unsigned n[2];
} seen;

static int has_seen(unsigned end, const uint8_t *key, size_t len)
{
	for (unsigned i = 0; i < MIN(seen.n[end], (unsigned)SEEN_MAX); i++)
		if (!memcmp(seen.key[end][i], key, MIN(len, (size_t)32)))
			return 1;
	return 0;
}

static void see(unsigned end, const uint8_t *key, size_t len)
{
	if (!has_seen(end, key, len))
		memcpy(seen.key[end][seen.n[end]++ % SEEN_MAX], key, MIN(len, (size_t)32));
}

static void see_all(unsigned end)
{
	const struct ike1_quick *q;

	for (const struct ike1 *sa = r->end[end].k->sas; sa; sa = sa->next) {
		if (sa->terms.hash)
			see(end, sa->k.skeyid, sa->terms.hash->len);
		for (q = sa->quick; q; q = q->next)
			for (unsigned i = 0; i < q->n; i++)
				for (unsigned j = 0; q->s[i].bundle && j < q->s[i].bundle->n; j++) {
					see(end, q->s[i].bundle->in[j].enc_key, 16);
					see(end, q->s[i].bundle->out[j].enc_key, 16);
				}
	}
	for (unsigned i = 0; i < FAKE_SAS; i++)
		if (r->end[end].sadb.sa[i].ref)
			see(end, r->end[end].sadb.sa[i].sa.enc_key, 16);
}

/*
 * Who is established, or has an SA, does so with somebody who has the same keys: end 1, which alone knows the secret. Inbound SAs are there with
 * message 2 (the initiator may not have read it yet): they need an ISAKMP SA that was established.
 */
static void check_installed(unsigned *was_up)
{
	see_all(0);
	see_all(1);
	for (unsigned i = 0; i < 2; i++) {
		for (const struct ike1 *sa = r->end[i].k->sas; sa; sa = sa->next) {
			if (!sa->established_ns)
				continue;
			*was_up |= 1U << i;
			/* with signatures in base mode the initiator has them with message 4 only */
			must(has_seen(!i, sa->k.skeyid, sa->terms.hash->len) ||
			     (auth() != PSK && sa->mode == ISAKMP_X_BASE && !sa->initiator));
		}
		must(fake_count(&r->end[i].sadb) == 0 || (*was_up & 1U << i));
		for (unsigned j = 0; j < FAKE_SAS; j++)
			must(!r->end[i].sadb.sa[j].ref || r->end[i].sadb.sa[j].sa.dir == XI_DIR_IN ||
			     has_seen(!i, r->end[i].sadb.sa[j].sa.enc_key, 16));
	}
	/* with signatures, end 1 has reason to believe end 0 */
	must(!(choice & 0x10) || !(*was_up & (auth() == PSK ? 3 : 1)));
}

static void check_half_open(void)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct ike *k = r->end[i].k;
		unsigned half = 0;

		for (const struct ike1 *sa = k->sas; sa; sa = sa->next)
			half += sa->hs && !sa->initiator;
		must(k->halfopen[0].count + k->halfopen[1].count == half);
		must(half <= 64); /* all steps come from two prefixes at most */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data + 1, size - 1};
	unsigned was_up = 0;
	struct step s;

	if (!size)
		return 0;
	choice = data[0];
	sent = 0;
	if (auth() != PSK && !rsa.ca)
		make_stores();
	memset(seen.n, 0, sizeof(seen.n));
	r = rig_new(conf);
	r->filter = count;
	for (unsigned i = 0; i < 2; i++) {
		r->end[i].env.sign = sign;
		r->end[i].env.wall = rsa_wall;
		(void)rig_policy(r, i, 1);
	}
	for (unsigned n = 0; n < STEPS_MAX && read_step(&in, &s); n++) {
		perform(&s);
		check_installed(&was_up);
		check_half_open();
	}
	for (unsigned i = 0; i < 24; i++) {
		while (r->n)
			rig_drop(r, 0);
		while (rig_work_one(r))
			;
		pass(10 * NS_PER_S);
	}
	for (unsigned i = 0; i < 2; i++) {
		must(rig_quicks(r, i) == 0);
		must(fake_reserved(&r->end[i].sadb) == 0);
		for (const struct ike1 *sa = r->end[i].k->sas; sa; sa = sa->next)
			must(!sa->hs);
	}
	while (rig_work_one(r))
		;
	rsa_take_back(r);
	rig_free(r);
	return 0;
}
