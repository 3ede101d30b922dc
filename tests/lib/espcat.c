/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure functions ipsec_seal and ipsec_open for scripts: one operation a line on standard input, one line of answer each.
 *
 *   seal FORM ENC AUTH ENCKEY AUTHKEY SPI SRC DST SEQ PACKET    PACKET is the plain IP packet; SEQ the number to send
 *   open FORM ENC AUTH ENCKEY AUTHKEY SPI SRC DST TOP PACKET    PACKET is the protected one; TOP the highest number already
 *                                                               received, for a window of 64 packets; 0 = none yet
 *
 * FORM is esp or ah, a hyphen, tunnel or transport, and any of +esn, +udp (ports 4500 and 4500), +align8, +host. ENC and AUTH are
 * names of the algorithm table, keys (with salt) and packets hexadecimal ("-" = empty), SPI a number, SRC and DST the endpoints, both
 * IPv4 or both IPv6. The answer is the packet in hexadecimal, "-" for a dummy packet, the name of the drop reason ("IN_ICV"), or
 * "no-engine" when the engine does not have the algorithm. A line that cannot be understood ends the program with status 2. The engine
 * is chosen as in xdp-ipsecd (XDP_IPSEC_ENGINE).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/crypto/alg.h"
#include "user/crypto/iv.h"
#include "user/crypto/kat.h"
#include "user/ipsec/ipsec.h"

#define HEAD 256
#define TAIL 64
#define PACKET_MAX 65535
#define WINDOW 64
#define FIELDS 11

static const char *const reason[XI_DROP_MAX] = {[XI_OK] = "OK",
#define X(sym, stat, text) [XI_DROP_##sym] = #sym,
						XI_DROPS(X)
#undef X
};

struct cat {
	struct engine *en;
	struct keyctx *key;
	struct iv_rng rng;
	struct xi_sa sa;
	struct xi_replay replay;
	uint8_t op_flags;
	uint8_t frame[HEAD + PACKET_MAX + TAIL];
};

static _Noreturn void bad(unsigned long line, const char *what)
{
	fprintf(stderr, "espcat: line %lu: %s\n", line, what);
	exit(2);
}

static int hex_field(const char *s, uint8_t *out, size_t cap)
{
	return strcmp(s, "-") == 0 ? 0 : kat_hex(s, out, cap);
}

/* The words of FORM behind its first two. */
static int parse_flags(char *s, struct xi_sa *sa, uint8_t *op_flags)
{
	char *save = NULL;

	for (char *w = strtok_r(s, "+", &save); w; w = strtok_r(NULL, "+", &save)) {
		if (strcmp(w, "esn") == 0) {
			sa->flags |= XI_SA_F_ESN;
		} else if (strcmp(w, "udp") == 0) {
			sa->flags |= XI_SA_F_UDP;
			sa->udp_local = sa->udp_remote = htons(4500);
		} else if (strcmp(w, "align8") == 0) {
			sa->flags |= XI_SA_F_AH_ALIGN8;
		} else if (strcmp(w, "host") == 0) {
			*op_flags |= IPSEC_OP_HOST;
		} else {
			return -1;
		}
	}
	return 0;
}

static int parse_form(char *s, struct xi_sa *sa, uint8_t *op_flags)
{
	char *flags = strchr(s, '+');

	if (flags)
		*flags++ = '\0';
	if (strcmp(s, "esp-tunnel") == 0 || strcmp(s, "esp-transport") == 0)
		sa->proto = XI_PROTO_ESP;
	else if (strcmp(s, "ah-tunnel") == 0 || strcmp(s, "ah-transport") == 0)
		sa->proto = XI_PROTO_AH;
	else
		return -1;
	sa->mode = strstr(s, "tunnel") ? XI_MODE_TUNNEL : XI_MODE_TRANSPORT;
	return flags ? parse_flags(flags, sa, op_flags) : 0;
}

static void parse_sa(struct cat *c, char *const *f, unsigned long line)
{
	const struct alg *enc = alg_by_name(ALG_ENC, f[2]), *auth = alg_by_name(ALG_AUTH, f[3]);
	struct xi_sa *sa = &c->sa;
	int ek, ak, af;
	char *end;

	*sa = (struct xi_sa){.replay_window = WINDOW};
	c->op_flags = 0;
	if (parse_form(f[1], sa, &c->op_flags) < 0)
		bad(line, "no such form");
	if (!enc || !auth)
		bad(line, "no such algorithm");
	sa->enc_alg = enc->abi;
	sa->auth_alg = auth->abi;
	ek = hex_field(f[4], sa->enc_key, sizeof(sa->enc_key));
	ak = hex_field(f[5], sa->auth_key, sizeof(sa->auth_key));
	if (ek < 0 || ak < 0)
		bad(line, "key is not hexadecimal or too long");
	sa->enc_key_len = (__u16)ek;
	sa->auth_key_len = (__u16)ak;
	sa->spi = htonl((uint32_t)strtoul(f[6], &end, 0));
	if (*end || !*f[6])
		bad(line, "SPI is not a number");
	sa->family = strchr(f[7], ':') ? XI_IP6 : XI_IP4;
	af = sa->family == XI_IP6 ? AF_INET6 : AF_INET;
	if (inet_pton(af, f[7], &sa->src) != 1 || inet_pton(af, f[8], &sa->dst) != 1)
		bad(line, "not an address, or of two families");
}

static void answer(const struct ipsec_op *op)
{
	const struct pkt *p = op->pkt;

	if (op->verdict != XI_OK) {
		puts(reason[op->verdict]);
	} else if (pkt_len(p) == 0) {
		puts("-");
	} else {
		for (const uint8_t *b = p->data; b < p->tail; b++)
			printf("%02x", *b);
		putchar('\n');
	}
	fflush(stdout);
}

static void operate(struct cat *c, char *const *f, unsigned long line)
{
	struct xi_sa_rt rt = {0};
	struct iv_source iv = {iv_fill, &c->rng};
	struct pkt p = {.head = c->frame, .data = c->frame + HEAD, .end = c->frame + sizeof(c->frame)};
	struct ipsec_op op = {.sa = &c->sa, .rt = &rt, .replay = &c->replay, .key = c->key, .pkt = &p, .ip_id = 1};
	int n = hex_field(f[10], p.data, PACKET_MAX);
	char *end;
	unsigned long long seq = strtoull(f[9], &end, 0);

	if (n < 0 || *end || !*f[9])
		bad(line, "packet or sequence number cannot be read");
	p.tail = p.data + n;
	if (alg_check_sa(&c->sa) < 0)
		bad(line, "these algorithms and keys make no SA");
	if (keyctx_init(c->en, c->key, &c->sa) < 0) {
		puts("no-engine");
		return;
	}
	op.flags = c->op_flags;
	if (strcmp(f[0], "seal") == 0) {
		op.seq = seq;
		ipsec_seal(c->en, &iv, &op, 1);
	} else if (strcmp(f[0], "open") == 0) {
		rt.seq_top = seq;
		memset(&c->replay, 0, sizeof(c->replay));
		ipsec_open(c->en, &op, 1);
	} else {
		bad(line, "neither seal nor open");
	}
	keyctx_wipe(c->en, c->key);
	answer(&op);
}

int main(void)
{
	struct cat *c = calloc(1, sizeof(*c));
	size_t size = (keyctx_size() + 63) & ~(size_t)63, cap = 0;
	unsigned long line = 0;
	char *text = NULL;
	struct err e;

	if (c)
		c->key = aligned_alloc(64, size);
	if (!c || !c->key || iv_init(&c->rng) < 0 || engine_new(&c->en, XI_ENGINE_NONE, &e) < 0) {
		fprintf(stderr, "espcat: no memory, or no crypto engine\n");
		return 1;
	}
	memset(c->key, 0, size);
	while (getline(&text, &cap, stdin) > 0) {
		char *f[FIELDS + 1], *save = NULL;
		int n = 0;

		line++;
		for (char *w = strtok_r(text, " \t\n", &save); w && n <= FIELDS; w = strtok_r(NULL, " \t\n", &save))
			f[n++] = w;
		if (n != FIELDS)
			bad(line, "eleven words are needed");
		parse_sa(c, f, line);
		operate(c, f, line);
	}
	free(text);
	engine_free(c->en);
	iv_destroy(&c->rng);
	free(c->key);
	free(c);
	return 0;
}
