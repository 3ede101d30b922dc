/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nanoseconds a packet of the crypto engine as it chooses, of each back end alone, and of ipsec_seal and ipsec_open around them: bursts of 64 packets of one
 * SA, each packet in a frame of its own, best of several runs (the machine is noisy; compare within one run).
 * "engine" is the raw crypto over as many bytes as ESP gives it, "esp" the whole way from packet to packet; the
 * difference is what the packet format costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bpf/abi/xi_alg.h"
#include "user/crypto/alg.h"
#include "user/crypto/iv.h"
#include "user/ipsec/ipsec.h"
#include "user/ipsec/ip4.h"

#define N ENGINE_BURST_MAX
#define FRAME 2048
#define HEADROOM 256
#define RUNS 7

struct rig {
	struct engine *en;
	struct keyctx *key;
	struct xi_sa sa;
	struct xi_sa_rt rt;
	struct xi_replay replay;
	struct iv_rng rng;
	struct iv_source iv;
	uint64_t seq;
	unsigned len, bursts;
	uint8_t *frames;
	struct pkt pkt[N];
	struct ipsec_op op[N];
	struct crypto_job job[N];
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench/engine: %s\n", what);
	exit(1);
}

static void write_inner(uint8_t *p, unsigned len)
{
	memset(p, 0x5a, len);
	memset(p, 0, IP4_HDR);
	p[0] = 0x45;
	u16_put(p + IP4_LEN, (uint16_t)len);
	p[IP4_TTL] = 64;
	p[IP4_PROTO] = 17;
	be32_put(p + IP4_SRC, htonl(0x0a000001));
	be32_put(p + IP4_DST, htonl(0x0a000101));
	ip4_sum_put(p);
}

static void rig_packets(struct rig *r)
{
	for (unsigned i = 0; i < N; i++) {
		uint8_t *f = r->frames + (size_t)i * FRAME;

		r->pkt[i] = (struct pkt){f, f + HEADROOM, f + HEADROOM + r->len, f + FRAME};
		write_inner(r->pkt[i].data, r->len);
		r->op[i] = (struct ipsec_op){.sa = &r->sa,
					     .rt = &r->rt,
					     .replay = &r->replay,
					     .key = r->key,
					     .pkt = &r->pkt[i],
					     .seq = ++r->seq,
					     .ip_id = (uint16_t)r->seq};
	}
}

static void rig_jobs(struct rig *r)
{
	struct alg_shape s;

	if (alg_shape(&r->sa, &s) < 0)
		die("shape");
	for (unsigned i = 0; i < N; i++) {
		struct crypto_job *j = &r->job[i];
		uint8_t *esp = r->pkt[i].data - 8 - s.iv_len;

		j->key = r->key;
		j->auth = esp;
		j->text = r->pkt[i].data;
		j->text_len = (r->len + 2 + s.align - 1) / s.align * s.align;
		j->auth_len = (s.flags & ALG_F_AEAD) ? 8 : 8u + s.iv_len + j->text_len;
		j->icv = j->text + j->text_len;
		memset(j->iv, (int)i, sizeof(j->iv));
	}
}

static double best(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

struct result {
	double seal, open, ipsec_seal, ipsec_open;
};

/* Opening damaged packets would time the failure path: each burst is sealed first, outside the clock. */
static void one_run(struct rig *r, struct result *out)
{
	double seal = 0, open = 0, eseal = 0, eopen = 0, t;

	for (unsigned b = 0; b < r->bursts; b++) {
		rig_packets(r);
		rig_jobs(r);
		t = now_ns();
		engine_seal(r->en, r->job, N);
		seal += now_ns() - t;
		t = now_ns();
		engine_open(r->en, r->job, N);
		open += now_ns() - t;
		if (!r->job[0].ok || !r->job[N - 1].ok)
			die("engine refuses its own packet");
		rig_packets(r);
		t = now_ns();
		ipsec_seal(r->en, &r->iv, r->op, N);
		eseal += now_ns() - t;
		t = now_ns();
		ipsec_open(r->en, r->op, N);
		eopen += now_ns() - t;
		if (r->op[0].verdict != XI_OK || r->op[N - 1].verdict != XI_OK)
			die("ipsec_open refuses what ipsec_seal made");
	}
	out->seal = best(out->seal, seal / r->bursts / N);
	out->open = best(out->open, open / r->bursts / N);
	out->ipsec_seal = best(out->ipsec_seal, eseal / r->bursts / N);
	out->ipsec_open = best(out->ipsec_open, eopen / r->bursts / N);
}

static void bench_case(struct rig *r, const char *enc, const char *auth, unsigned len)
{
	const struct alg *e = alg_by_name(ALG_ENC, enc), *a = alg_by_name(ALG_AUTH, auth);
	struct result res = {0};
	char name[40];

	r->sa = (struct xi_sa){.gen = 1,
			       .proto = XI_PROTO_ESP,
			       .mode = XI_MODE_TUNNEL,
			       .family = XI_IP4,
			       .spi = htonl(0x100),
			       .replay_window = 1024};
	r->sa.src.w[0] = htonl(0xc0000201);
	r->sa.dst.w[0] = htonl(0xc0000202);
	r->sa.enc_alg = e->abi;
	r->sa.auth_alg = a->abi;
	r->sa.enc_key_len = (__u16)alg_key_bytes(e);
	r->sa.auth_key_len = (__u16)alg_key_bytes(a);
	memset(r->sa.enc_key, 7, r->sa.enc_key_len);
	memset(r->sa.auth_key, 9, r->sa.auth_key_len);
	memset(&r->rt, 0, sizeof(r->rt));
	memset(&r->replay, 0, sizeof(r->replay));
	r->seq = 0;
	r->len = len;
	r->bursts = 10;
	if (keyctx_init(r->en, r->key, &r->sa) < 0)
		return; /* not of this engine */
	for (unsigned i = 0; i < RUNS; i++)
		one_run(r, &res);
	keyctx_wipe(r->en, r->key);
	snprintf(name, sizeof(name), "%s%s%s", enc, e->abi == XI_ENC_AES_GCM ? "" : "+",
		 e->abi == XI_ENC_AES_GCM ? "" : auth);
	printf("%-26s %-20s %5u %9.0f %9.0f %9.0f %9.0f\n", engine_name(r->en), name, len, res.seal, res.open,
	       res.ipsec_seal, res.ipsec_open);
}

/* Each algorithm once, beside a common one. */
static const char *const pairs[][2] = {
	{"aes-128-gcm", "null"},  {"aes-128-ccm", "null"}, {"chacha20-poly1305", "null"},
	{"aes-128", "sha1"},	  {"aes-256", "sha1"},	   {"aes-128-ctr", "sha1"},
	{"camellia-128", "sha1"}, {"twofish", "sha1"},	   {"blowfish", "sha1"},
	{"3des", "sha1"},	  {"des", "sha1"},	   {"null", "md5"},
	{"null", "sha1"},	  {"null", "sha256"},	   {"null", "sha384"},
	{"null", "sha512"},	  {"null", "aes-xcbc"},	   {"null", "aes-cmac"},
};

int main(void)
{
	static const unsigned len[] = {64, 512, 1408};
	static struct rig r;
	struct err e;

	r.key = aligned_alloc(64, keyctx_size());
	r.frames = aligned_alloc(4096, (size_t)N * FRAME);
	if (!r.key || !r.frames || iv_init(&r.rng) < 0)
		die("no memory");
	r.iv = (struct iv_source){iv_fill, &r.rng};
	printf("ns a packet, bursts of %d, one core\n%-26s %-20s %5s %9s %9s %9s %9s\n", N, "engine", "algorithm",
	       "bytes", "seal", "open", "ipsec_seal", "ipsec_open");
	for (int kind = XI_ENGINE_NONE; kind <= XI_ENGINE_OPENSSL; kind++) {
		if (engine_new(&r.en, (enum xi_engine)kind, &e) < 0)
			die(e.text);
		for (unsigned p = 0; p < ARRAY_SIZE(pairs); p++)
			for (unsigned i = 0; i < ARRAY_SIZE(len); i++)
				bench_case(&r, pairs[p][0], pairs[p][1], len[i]);
		engine_free(r.en);
	}
	iv_destroy(&r.rng);
	free(r.frames);
	free(r.key);
	return 0;
}
