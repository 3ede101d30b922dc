/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The captured exchanges between third-party daemons against our engine, in both roles: it is given the cookies, nonces, public values and SPIs of one side, and
 * what the other side sent. It has to take each message, choose what was chosen, and come to the same keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/lib/certs.h"
#include "tests/lib/ike1_capture.h"
#include "tests/lib/quick_rig.h"
#include "user/conf/cred_files.h"

struct row {
	const struct ike1_capture *cap;
	const char *enc, *auth;
	uint8_t pfs, natt;
	uint8_t mode;	     /* XI_MODE_* */
	const char *addr[2]; /* of initiator and responder; NULL: any will do */
};

static const struct row rows[] = {
	{&cap_racoon_main_psk, "aes-128", "sha1", 0, 0, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_racoon_aggressive_psk, "aes-128", "sha1", 0, 0, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_racoon_base_psk, "aes-128", "sha1", 0, 0, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_racoon_pfs, "aes-128", "sha1", 2, 0, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_racoon_natt, "aes-128", "sha1", 0, 1, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_racoon_base_rsasig, "aes-128", "sha1", 0, 0, XI_MODE_TUNNEL, {NULL, NULL}},
	{&cap_v1_main_rsa, "aes-128", "sha1", 0, 1, XI_MODE_TUNNEL, {"10.78.0.1", "10.78.0.2"}},
	{&cap_v1_main_psk, "aes-128", "sha1", 0, 1, XI_MODE_TUNNEL, {"10.78.0.1", "10.78.0.2"}},
	{&cap_v1_main_psk_pfs, "aes-128", "sha1", 2, 1, XI_MODE_TUNNEL, {"10.78.0.1", "10.78.0.2"}},
	{&cap_v1_aggressive_psk_3des_md5, "3des", "md5", 0, 1, XI_MODE_TUNNEL, {"10.78.0.1", "10.78.0.2"}},
	{&cap_raw_v1_esp_tunnel, "aes-128", "sha1", 0, 1, XI_MODE_TUNNEL, {"10.77.0.14", "10.77.0.15"}},
	{&cap_raw_v1_esp_transport, "3des", "md5", 0, 1, XI_MODE_TRANSPORT, {"10.77.0.14", "10.77.0.15"}},
};

/* What one side sent: [0] the initiator. Points into buf[], or into quick_buf[]. */
struct sent {
	struct bytes nonce, ke, sa, spi, id;
};

static const struct row *row;
static struct rig *r;
static unsigned us; /* 0: we are the initiator */
static uint8_t buf[CAPTURE_MSGS][CAPTURE_MSG_MAX], quick_buf[2][CAPTURE_MSG_MAX];
static size_t len[CAPTURE_MSGS];
static struct sent p1[2], p2[2];
static struct msg_id ids[2];
static struct neg1_terms terms;
static struct msg m;
static unsigned taken;
static int rsa;	  /* the capture has certificates */
static X509 *own; /* any: what we sign is not delivered */

static struct {
	uint8_t p[16];
	size_t len; /* 0: none */
} armed;	    /* the next random number of this length */

static void arm(const void *p, size_t n)
{
	memcpy(armed.p, p, n);
	armed.len = n;
}

static int forced_random(void *ctx, void *p, size_t n)
{
	if (n != armed.len || !n)
		return rig_random(ctx, p, n);
	memcpy(p, armed.p, n);
	armed.len = 0;
	return 0;
}

/* --- certificates: that of the other side is pinned, its CA is not in the capture --- */

static void write_cert(const struct paths *p, const char *name, X509 *x)
{
	struct cred_file f = {.cert = x};
	struct err e;

	(void)str_copy(f.name, sizeof(f.name), name);
	if (cred_write(p, CRED_CERTIFICATE, &f, NULL, &e))
		fail_msg("%s", e.text);
}

static struct cred *store_with(const struct bytes *theirs)
{
	char folder[] = "/tmp/xi-ike1-capture.XXXXXX", command[128];
	const unsigned char *der = theirs ? theirs->p : NULL;
	struct paths p = {0};
	struct cred *c;
	struct err e;
	X509 *x;
	int fd;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(p.conf_dir, sizeof(p.conf_dir), "%s", folder);
	write_cert(&p, "own", own);
	if (theirs) {
		x = d2i_X509(NULL, &der, (long)theirs->len);
		assert_non_null(x);
		write_cert(&p, "theirs", x);
		X509_free(x);
	}
	fd = cred_open_public(&p, &e);
	assert_true(fd >= 0);
	assert_int_equal(cred_load(&c, fd, &e), 0);
	close(fd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	assert_int_equal(system(command), 0);
	return c;
}

/* When the capture was taken: a pinned certificate is judged by its time. */
static void wall_of(struct bytes cert)
{
	const unsigned char *der = cert.p;
	X509 *x = d2i_X509(NULL, &der, (long)cert.len);
	struct tm tm = {0};

	assert_non_null(x);
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(x), &tm), 1);
	X509_free(x);
	r->wall_step = 0;
	r->wall_step = (int64_t)timegm(&tm) + 1 - r->end[0].env.wall(&r->end[0]);
}

static void pin(const struct msg *in)
{
	const struct msg_payload *p = msg_find(in, ISAKMP_P_CERT, 0);
	struct ike_conf *c = r->end[0].k->conf;

	if (!p)
		return;
	cred_free(c->cred);
	c->cred = store_with(&p->cert.data);
	wall_of(p->cert.data);
}

static void no_sign(void *ctx, struct ike_sign *s)
{
	(void)ctx;
	s->sig_len = 128;
	s->done(s);
}

static void conf(struct ike_conf *c, unsigned end)
{
	struct ike_peer *p = &c->peer[0];
	unsigned key_len = 0;

	(void)end;
	p->mode = buf[0][18] == ISAKMP_X_AGGRESSIVE ? IKE_MODE_AGGRESSIVE
		  : buf[0][18] == ISAKMP_X_BASE	    ? IKE_MODE_BASE
						    : IKE_MODE_MAIN_L2TP;
	p->natt = row->natt;
	p->hash = hash_by_ike1(terms.hash);
	p->cipher = cipher_by_ike1(terms.cipher, terms.key_bits, &key_len);
	p->key_len = (uint16_t)key_len;
	p->cipher_bits = terms.key_bits;
	p->group = group_by_id(terms.group);
	p->lifetime_s = terms.life_s;
	p->dpd_interval_s = 0;
	p->generate = us ? IKE_GENERATE_YES : IKE_GENERATE_NO;
	if (rsa) {
		p->auth = IKE_AUTH_RSA_SIGNATURE;
		strcpy(p->certificate, "own");
		strcpy(p->remote_certificate, "theirs");
		c->cred = store_with(NULL);
	} else {
		p->psk_len = (uint16_t)strlen(row->cap->psk);
		memcpy(p->psk, row->cap->psk, p->psk_len);
	}
	c->proposal[0].enc[0] = alg_by_name(ALG_ENC, row->enc);
	c->proposal[0].auth[0] = alg_by_name(ALG_AUTH, row->auth);
	c->proposal[0].pfs = row->pfs ? group_by_id(row->pfs) : NULL;
}

static struct ike1 *the_sa(void)
{
	assert_non_null(r->end[0].k->sas);
	return r->end[0].k->sas;
}

static struct ike1_quick *the_quick(void)
{
	assert_non_null(the_sa()->quick);
	return the_sa()->quick;
}

/* --- what the capture has --- */

static int encrypted(unsigned i)
{
	return buf[i][19] & ISAKMP_F_ENCRYPTED;
}

static const uint8_t *last_block(unsigned i)
{
	return buf[i] + len[i] - the_sa()->terms.cipher->block;
}

static struct bytes body_of(unsigned type, struct bytes before)
{
	const struct msg_payload *p = msg_find(&m, type, 0);

	return p ? p->body : before;
}

static void read_clear(void)
{
	struct msg_err e;
	const char *why;

	memset(p1, 0, sizeof(p1));
	for (unsigned i = 0; row->cap->msg[i].hex; i++) {
		struct sent *s = &p1[row->cap->msg[i].from_responder];

		len[i] = unhex(buf[i], CAPTURE_MSG_MAX, row->cap->msg[i].hex);
		if (encrypted(i))
			continue;
		assert_int_equal(msg_parse(&m, (struct bytes){buf[i], len[i]}, &e), 0);
		s->sa = body_of(ISAKMP_P_SA, s->sa);
		s->ke = body_of(ISAKMP_P_KE, s->ke);
		s->nonce = body_of(ISAKMP_P_NONCE, s->nonce);
		s->id = body_of(ISAKMP_P_ID, s->id);
		if (row->cap->msg[i].from_responder && msg_find(&m, ISAKMP_P_SA, 0))
			assert_int_equal(
				neg1_read(&m.transform[m.proposal[msg_find(&m, ISAKMP_P_SA, 0)->sa.proposal].transform],
					  &terms, &why),
				0);
	}
}

/* Messages 1 and 2 of quick mode, which stand behind each other. */
static void read_quick(unsigned at)
{
	struct ike1 *sa = the_sa();
	uint8_t iv[CIPHER_BLOCK_MAX];
	uint32_t mid;

	memcpy(&mid, buf[at] + 20, 4);
	assert_int_equal(ike1_iv(sa, ntohl(mid), iv), 0);
	for (unsigned side = 0; side < 2; side++) {
		static struct hashed h;
		const struct msg_payload *p;

		assert_int_equal(hashed_open(sa, iv, &h, (struct bytes){buf[at + side], len[at + side]}), 0);
		/* the engine's buffer is used again */
		memcpy(quick_buf[side], sa->ike->plain, len[at + side]);
#define MOVED(b) ((struct bytes){quick_buf[side] + ((b).p - sa->ike->plain), (b).len})
		p2[side].nonce = MOVED(msg_find(&h.m, ISAKMP_P_NONCE, 0)->body);
		p = msg_find(&h.m, ISAKMP_P_SA, 0);
		p2[side].sa = MOVED(p->body);
		p2[side].spi = MOVED(h.m.proposal[p->sa.proposal].spi);
		if ((p = msg_find(&h.m, ISAKMP_P_KE, 0)))
			p2[side].ke = MOVED(p->body);
		for (unsigned i = 0; !side && i < 2; i++) {
			p = msg_find(&h.m, ISAKMP_P_ID, i);
			ids[i] = p ? p->id : (struct msg_id){0};
			if (p)
				ids[i].data = MOVED(p->id.data);
		}
#undef MOVED
	}
}

/* --- our side becomes that of the capture --- */

static void force_phase1(void)
{
	struct ike1_handshake *hs = r->end[0].k->sas ? r->end[0].k->sas->hs : NULL;

	if (!hs)
		return;
	assert_int_equal(blob_set(us ? &hs->nr : &hs->ni, p1[us].nonce), 0);
	if (p1[us].id.p)
		assert_int_equal(blob_set(us ? &hs->idr : &hs->idi, p1[us].id), 0);
	if (!us)
		assert_int_equal(blob_set(&hs->sai, p1[0].sa), 0);
}

static size_t put(uint8_t *to, const char *value)
{
	const char *hex = capture_value(row->cap, value, 0);

	assert_non_null(hex);
	return unhex(to, GROUP_PUBLIC_MAX, hex);
}

static void set_nonce(struct ike1_quick *q)
{
	memcpy(q->nonce[us], p2[us].nonce.p, p2[us].nonce.len);
	q->nonce_len[us] = (uint16_t)p2[us].nonce.len;
}

static void work(void)
{
	while (r->n_jobs) {
		struct ike_job *j = r->job[--r->n_jobs];

		if (the_sa()->hs) {
			struct p1_job *p = (struct p1_job *)j;

			memcpy(p->pub, p1[us].ke.p, p1[us].ke.len);
			(void)put(p->secret, "shared Diffie Hellman secret");
			p->rc = 0;
			force_phase1();
		} else {
			struct quick_job *p = (struct quick_job *)j;

			memcpy(p->pub, p2[us].ke.p, p2[us].ke.len);
			(void)put(p->secret, "child DH secret");
			p->have_priv = 1;
			p->rc = 0;
			set_nonce(p->quick);
		}
		j->done(j);
	}
}

/* --- what we say: the choice is that of the capture, byte for byte --- */

static void check_sent(unsigned at)
{
	static struct hashed h;
	struct msg_err e;

	while (r->n) {
		struct rig_packet p = rig_take(r, 0);
		struct bytes b = {p.p, p.len};

		if (us && !(p.p[19] & ISAKMP_F_ENCRYPTED) && p.p[18] == buf[0][18]) {
			assert_int_equal(msg_parse(&m, b, &e), 0);
			if (msg_find(&m, ISAKMP_P_SA, 0))
				assert_memory_equal(msg_find(&m, ISAKMP_P_SA, 0)->body.p, p1[1].sa.p, p1[1].sa.len);
			if (msg_find(&m, ISAKMP_P_KE, 0))
				assert_memory_equal(msg_find(&m, ISAKMP_P_KE, 0)->body.p, p1[1].ke.p, p1[1].ke.len);
		} else if (us && p.p[18] == ISAKMP_X_QUICK) {
			uint8_t iv[CIPHER_BLOCK_MAX];

			memcpy(iv, last_block(at), sizeof(iv));
			assert_int_equal(hashed_open(the_sa(), iv, &h, b), 0);
			assert_int_equal(msg_find(&h.m, ISAKMP_P_SA, 0)->body.len, p2[1].sa.len);
			assert_memory_equal(msg_find(&h.m, ISAKMP_P_SA, 0)->body.p, p2[1].sa.p, p2[1].sa.len);
		}
		free(p.p);
	}
}

static void pin_of(unsigned i)
{
	static uint8_t plain[CAPTURE_MSG_MAX];
	struct bytes b = {buf[i], len[i]};
	uint8_t iv[CIPHER_BLOCK_MAX];
	struct msg_err e;

	if (encrypted(i)) {
		memcpy(iv, the_sa()->iv, sizeof(iv));
		assert_int_equal(ike1_open(the_sa(), iv, &m, b, plain, sizeof(plain), &e), 0);
	} else {
		assert_int_equal(msg_parse(&m, b, &e), 0);
	}
	pin(&m);
}

static void feed(unsigned i)
{
	struct rig_packet p = {
		.from = 1, .path = {{r->end[0].addr, 500}, {r->end[1].addr, 500}}, .p = buf[i], .len = len[i]};

	armed.len = 0;
	force_phase1();
	if (rsa && buf[i][18] == buf[0][18])
		pin_of(i);
	if (!r->end[0].k->sas)
		arm(buf[1] + 8, 8); /* the responder's cookie */
	rig_hand_over(r, &p);
	work();
	check_sent(i);
	taken++;
}

/* --- quick mode --- */

static struct bytes spi_of(unsigned side)
{
	assert_int_equal(p2[side].spi.len, 4);
	return p2[side].spi;
}

static uint32_t spi_number(unsigned side)
{
	__be32 spi;

	memcpy(&spi, spi_of(side).p, 4);
	return ntohl(spi);
}

static void take_id(const struct msg_id *id, struct xi_addr *a, uint8_t *bits)
{
	assert_true(id->type == IPSEC_ID_IPV4 || id->type == IPSEC_ID_IPV4_SUBNET);
	memcpy(a, id->data.p, 4);
	*bits = 32;
	if (id->type == IPSEC_ID_IPV4_SUBNET) {
		uint32_t mask;

		memcpy(&mask, id->data.p + 4, 4);
		*bits = (uint8_t)__builtin_popcount(mask);
	}
}

static void start_quick(unsigned at)
{
	struct ike_policy p = {
		.id = 1, .action = XI_ACTION_ENCRYPT, .level = XI_LEVEL_REQUIRE, .protos = XI_PROTOS_ESP};
	uint32_t mid;

	p.mode = row->mode;
	p.sel.family = XI_IP4;
	if (ids[0].type) {
		take_id(&ids[0], &p.sel.src, &p.sel.src_len);
		take_id(&ids[1], &p.sel.dst, &p.sel.dst_len);
	}
	p.sa_src = r->end[0].addr;
	p.sa_dst = r->end[1].addr;
	memcpy(&mid, buf[at] + 20, 4);
	mid = ntohl(mid);
	r->end[0].sadb.next_spi = spi_number(0) - 1;
	ike1_settle(the_sa());
	arm(&mid, 4);
	rig_acquire(r, 0, fake_policy_add(&r->end[0].sadb, &p));
	work();
	check_sent(at);
	assert_int_equal(the_quick()->mid, mid);
	assert_int_equal(the_quick()->state, QUICK_SENT1);
	set_nonce(the_quick());
}

/* Our nonce has another length than theirs: what was made of it is made again. */
static void answer_again(struct ike1_quick *q)
{
	struct bytes ni = {q->nonce[0], q->nonce_len[0]};

	assert_int_equal(q->state, QUICK_SENT2);
	if (!q->group) {
		set_nonce(q);
		free(q->s[0].bundle);
		q->s[0].bundle = NULL;
		assert_int_equal(quick_make_bundles(q, (struct bytes){0}), 0);
	}
	assert_int_equal(ike1_hash3(q->sa->terms.hash, &q->sa->k, q->mid, ni, p2[1].nonce, q->hash3), 0);
}

static void check_key(const struct xi_sa *sa, unsigned from_initiator)
{
	const char *enc = capture_value(
		row->cap, from_initiator ? "child encryption initiator key" : "child encryption responder key", 0);
	uint8_t key[2][128];
	size_t n;
	unsigned same = 0;

	if (enc) { /* strongSwan */
		n = unhex(key[0], sizeof(key[0]), enc);
		assert_int_equal(sa->enc_key_len, n);
		assert_memory_equal(sa->enc_key, key[0], n);
		n = unhex(key[0], sizeof(key[0]),
			  capture_value(row->cap,
					from_initiator ? "child integrity initiator key"
						       : "child integrity responder key",
					0));
		assert_int_equal(sa->auth_key_len, n);
		assert_memory_equal(sa->auth_key, key[0], n);
		return;
	}
	for (unsigned i = 0; i < 2; i++) { /* racoon, its own SPI first */
		(void)unhex(key[i], sizeof(key[i]), capture_value(row->cap, "KEYMAT", i));
		same += !memcmp(sa->enc_key, key[i], sa->enc_key_len) &&
			!memcmp(sa->auth_key, key[i] + sa->enc_key_len, sa->auth_key_len);
	}
	assert_int_equal(same, 1);
}

static void check_keys(void)
{
	const struct fake_sadb *s = &r->end[0].sadb;
	unsigned n[2] = {0};

	for (unsigned i = 0; i < FAKE_SAS; i++) {
		const struct xi_sa *sa = &s->sa[i].sa;
		unsigned to;

		if (!s->sa[i].ref)
			continue;
		to = sa->dir == XI_DIR_IN ? us : !us;
		n[sa->dir == XI_DIR_IN]++;
		assert_memory_equal(&sa->spi, spi_of(to).p, 4);
		assert_int_equal(sa->mode, row->mode);
		check_key(sa, to);
	}
	assert_int_equal(n[0], 1);
	assert_int_equal(n[1], 1);
}

/* --- the whole exchange --- */

static void quick_message(unsigned i, unsigned number)
{
	if (number == 0)
		read_quick(i);
	if ((unsigned)row->cap->msg[i].from_responder != us) {
		if (us && number == 0)
			r->end[0].sadb.next_spi = spi_number(1) - 1;
		feed(i);
	} else if (number == 0) {
		start_quick(i);
	}
	if (us && number == 1)
		answer_again(the_quick());
	if ((unsigned)row->cap->msg[i].from_responder == us &&
	    number < 2) /* the other side goes on from their ciphertext */
		memcpy(the_quick()->iv, last_block(i), the_sa()->terms.cipher->block);
	if (number == (us ? 2 : 1))
		check_keys();
}

static void run(void)
{
	unsigned quicks = 0;

	read_clear();
	rsa = terms.auth == IKE1_AUTH_RSA_SIG;
	r = row->addr[0] ? rig_new_addrs(rig_addr4(row->addr[us]), rig_addr4(row->addr[!us]), conf) : rig_new(conf);
	r->end[0].env.random = forced_random;
	r->end[0].env.sign = no_sign;
	taken = 0;
	if (!us) {
		arm(buf[0], 8);
		assert_non_null(ike1_want(r->end[0].k, &r->end[0].k->conf->peer[0], &r->end[0].addr,
					  &(struct ike_end){r->end[1].addr, 500}, 0));
		work();
		check_sent(0);
	}
	for (unsigned i = 0; row->cap->msg[i].hex; i++) {
		int ours = (unsigned)row->cap->msg[i].from_responder == us;

		if (buf[i][18] == ISAKMP_X_QUICK)
			quick_message(i, quicks++);
		else if (!ours)
			feed(i);
		else if (encrypted(i) && buf[i][18] == buf[0][18]) /* the chain of IVs is theirs */
			memcpy(the_sa()->iv, last_block(i), the_sa()->terms.cipher->block);
		if (i + 1 < CAPTURE_MSGS && row->cap->msg[i + 1].hex && buf[i + 1][18] != buf[0][18])
			assert_true(the_sa()->established_ns != 0);
	}
	for (unsigned i = 0; i < IKE_COUNT_MAX; i++)
		if (ike_count(r->end[0].k, i))
			fail_msg("%s as %s: %s %u", row->cap->name, us ? "responder" : "initiator", ike_count_name(i),
				 (unsigned)ike_count(r->end[0].k, i));
	assert_int_equal(quicks, 3);
	print_message("%s: as %s: %u messages taken\n", row->cap->name, us ? "responder" : "initiator", taken);
	rig_free(r);
}

static void t_captures_as_initiator(void **state)
{
	(void)state;
	us = 0;
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		run();
}

static void t_captures_as_responder(void **state)
{
	(void)state;
	us = 1;
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		run();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_captures_as_initiator),
		cmocka_unit_test(t_captures_as_responder),
	};

	EVP_PKEY *key = certs_key(1024);
	int rc;

	own = certs_make(&(struct cert_spec){.cn = "own", .key = key});
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	X509_free(own);
	EVP_PKEY_free(key);
	return rc;
}
