/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for the IKE daemon: answers acquires with SAs whose keys are known beforehand, without talking to anybody.
 *
 *   keeper INSTANCE SPI-IN SPI-OUT KEY-IN KEY-OUT LOCAL REMOTE [DELAY_MS]
 *
 *   keeper INSTANCE SPI-IN SPI-OUT KEY-IN KEY-OUT LOCAL REMOTE generate SRC DST
 *
 * The second form makes a dynamic policy of two IPv4 networks of 24 bits together with its SAs, as generate-policy does (spec section 19), says
 * "generated" and ends. The first one subscribes, says "ready", prints each event as it comes. An acquire for a policy gets a pair of ESP SAs with AES-128-CBC (keys of 16
 * bytes, hexadecimal) and HMAC-SHA1 (the same key and 4 zero bytes) after DELAY_MS (default 0; negative: never).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "bpf/abi/xi_alg.h"
#include "user/base/datasock.h"
#include "user/crypto/kat.h"
#include "user/maps/maps.h"

struct keeper {
	struct maps *m;
	struct xi_sa sa[2]; /* by XI_DIR_* */
	long delay_ms;
};

static _Noreturn void bad(const char *what)
{
	(void)fprintf(stderr, "keeper: %s\n", what);
	exit(1);
}

static void make_sa(struct xi_sa *sa, int dir, const char *spi, const char *key, const char *src, const char *dst)
{
	*sa = (struct xi_sa){.dir = (uint8_t)dir,
			     .proto = XI_PROTO_ESP,
			     .mode = XI_MODE_TUNNEL,
			     .family = strchr(src, ':') ? XI_IP6 : XI_IP4,
			     .enc_alg = XI_ENC_AES_CBC,
			     .auth_alg = XI_AUTH_SHA1,
			     .enc_key_len = 16,
			     .auth_key_len = 20,
			     .replay_window = dir == XI_DIR_IN ? 1024 : 0,
			     .spi = htonl((uint32_t)strtoul(spi, NULL, 0))};
	if (kat_hex(key, sa->enc_key, 16) != 16 || kat_hex(key, sa->auth_key, 16) != 16 ||
	    inet_pton(sa->family == XI_IP4 ? AF_INET : AF_INET6, src, &sa->src) != 1 ||
	    inet_pton(sa->family == XI_IP4 ? AF_INET : AF_INET6, dst, &sa->dst) != 1)
		bad("keys are 32 digits, addresses of one family");
}

static void install(struct keeper *k, uint32_t slot, uint32_t gen)
{
	struct spd_sas sas = {0};
	struct err e;

	if (spd_lock(k->m, &e))
		bad(e.text);
	if (k->m->spd[slot].gen == gen && !k->m->spd[slot].sa_out) {
		if (sad_publish(k->m, &k->sa[XI_DIR_IN], 0, &sas.in, &e) ||
		    sad_publish(k->m, &k->sa[XI_DIR_OUT], 0, &sas.out, &e))
			bad(e.text);
		spd_set_sa(k->m, slot, &sas);
	}
	spd_unlock(k->m);
}

static void on_event(struct keeper *k, const char *text, size_t len)
{
	json_error_t je;
	json_t *o = json_loadb(text, len, 0, &je);
	const char *kind = json_string_value(json_object_get(o, "event"));
	struct timespec wait = {k->delay_ms / 1000, k->delay_ms % 1000 * 1000000};

	if (kind && strcmp(kind, "acquire") == 0 && k->delay_ms >= 0) {
		while (nanosleep(&wait, &wait) && errno == EINTR)
			;
		install(k, (uint32_t)json_integer_value(json_object_get(o, "slot")),
			(uint32_t)json_integer_value(json_object_get(o, "generation")));
	}
	json_decref(o);
}

/* Policy and SAs in one step: none is in force without the other. */
static void generate(struct keeper *k, const char *src, const char *dst)
{
	struct xi_policy p = {.sel = {.src_len = 24, .dst_len = 24, .family = XI_IP4},
			      .action = XI_ACTION_ENCRYPT,
			      .level = XI_LEVEL_REQUIRE,
			      .mode = XI_MODE_TUNNEL,
			      .protos = XI_PROTOS_ESP,
			      .flags = XI_POL_DYNAMIC,
			      .sa_family = XI_IP4,
			      .sa_src = k->sa[XI_DIR_OUT].src,
			      .sa_dst = k->sa[XI_DIR_OUT].dst};
	uint32_t slot;
	struct err e;

	if (inet_pton(AF_INET, src, &p.sel.src) != 1 || inet_pton(AF_INET, dst, &p.sel.dst) != 1)
		bad("not a network");
	if (spd_lock(k->m, &e) || sad_publish(k->m, &k->sa[XI_DIR_IN], 0, (uint64_t *)&p.sa_in, &e) ||
	    sad_publish(k->m, &k->sa[XI_DIR_OUT], 0, (uint64_t *)&p.sa_out, &e) || spd_add(k->m, &p, &slot, &e) ||
	    spd_commit(k->m, &e))
		bad(e.text);
	spd_unlock(k->m);
	puts("generated");
}

int main(int argc, char **argv)
{
	struct keeper k = {.delay_ms = argc > 8 ? strtol(argv[8], NULL, 0) : 0};
	char buf[DATASOCK_MSG_MAX];
	struct paths p;
	struct err e;
	ssize_t n;
	int fd;

	if (argc < 8)
		bad("INSTANCE SPI-IN SPI-OUT KEY-IN KEY-OUT LOCAL REMOTE [DELAY_MS]");
	make_sa(&k.sa[XI_DIR_IN], XI_DIR_IN, argv[2], argv[4], argv[7], argv[6]);
	make_sa(&k.sa[XI_DIR_OUT], XI_DIR_OUT, argv[3], argv[5], argv[6], argv[7]);
	if (path_enter_bpffs(&e) || paths_init(&p, argv[1], XI_ABI_VERSION, &e) || maps_open(&k.m, &p, &e))
		bad(e.text);
	if (argc == 11 && strcmp(argv[8], "generate") == 0) {
		generate(&k, argv[9], argv[10]);
		maps_close(k.m);
		return 0;
	}
	fd = datasock_subscribe(&p, DATASOCK_ACQUIRES, &e);
	if (fd < 0)
		bad(e.text);
	puts("ready");
	(void)fflush(stdout);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		printf("%.*s\n", (int)n, buf);
		(void)fflush(stdout);
		on_event(&k, buf, (size_t)n);
	}
	maps_close(k.m);
	return 0;
}
