/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What negotiating costs: two engines in one process and one thread (bench/ike_rig.h), CPU time.
 *
 * handshake: phase 1 in main mode with a pre-shared key, then phase 2 in quick mode. Both ends are timed together, and so is what they are compared with: each
 * end makes a key pair and a shared secret, 4 Diffie-Hellman operations a handshake, 8 with PFS. "pure" is so many times the operation that `openssl speed`
 * times just before and after each round; ratio = pure / handshake. For modp2048 its operation is of ffdhe2048, whose private values have 225 bits; ours have 320
 * (spec section 24.4), which alone brings the ratio to about 0.7. "own" is the ratio to the operations of ike/neg/group.c itself.
 *
 * peers: so many established at once. Memory is what malloc gave out, both ends, halved: configuration (a peer item and a policy for each) and SAs apart. Then all are
 * re-keyed at one moment, and the cost of a message is compared with that of a gateway with 10 peers.
 *
 *   ike [ROUNDS [HANDSHAKES [PEERS]]]    defaults 9, 400, 10000: as long as openssl speed takes, so that both run warm
 *
 * Lines "bound: ..." say whether what is promised holds; exit status 1 when something does not.
 */
#include <malloc.h>
#include <stdarg.h>
#include <time.h>

#include "bench/ike_rig.h"

#define RATIO_MIN 0.6
#define MEMORY_MAX 16384 /* of 10,000 peers; the tables of the engine weigh more with a few */

static double cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int up(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), up);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* --- the pure cost --- */

/* Seconds an operation, from a line as "+F5:22:253:28290.0:0.000035": the operations a second stand in field 3. */
static double openssl_op(const char *algorithm)
{
	char cmd[96], line[256];
	double ops = 0;
	FILE *f;

	(void)snprintf(cmd, sizeof(cmd), "openssl speed -seconds 1 -mr %s 2>/dev/null", algorithm);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "+F", 2))
			(void)sscanf(line, "+F%*[^:]:%*[^:]:%*[^:]:%lf", &ops);
	if (f)
		(void)pclose(f);
	if (ops <= 0)
		rig_die("openssl speed gives no figure");
	return 1 / ops;
}

/* The mean of making a key pair and a shared secret. */
static double own_op(const struct group *g)
{
	uint8_t priv[GROUP_PRIVATE_MAX], pub[GROUP_PUBLIC_MAX], secret[GROUP_PUBLIC_MAX];
	const unsigned n = 100;
	double t = cpu_s();

	for (unsigned i = 0; i < n; i++)
		if (group_private(g, priv) || group_public(g, priv, pub) ||
		    group_secret(g, priv, (struct bytes){pub, g->public_len}, secret))
			rig_die("a group does not work");
	return (cpu_s() - t) / (2 * n);
}

/* --- handshakes --- */
struct figures {
	double handshake, pure, ratio, own;
};

static void check_up(const struct rig *r, unsigned n)
{
	if (r->end[0].live != 2 * n || r->end[1].live != 2 * n)
		rig_die("handshakes failed");
}

static double handshakes(struct rig *r, unsigned n)
{
	double t = cpu_s();

	for (unsigned i = 0; i < n; i++) {
		rig_acquire(r, i);
		rig_pump(r);
	}
	t = cpu_s() - t;
	check_up(r, n);
	for (unsigned i = 0; i < 2; i++) {
		ike_kill(r->end[i].k);
		rig_pump(r);
	}
	rig_jump(r, 60 * NS_PER_S);
	return t / n;
}

static struct figures compare(const char *group, const char *openssl, int pfs, unsigned rounds, unsigned n)
{
	const struct group *g = group_by_name(group);
	struct rig *r = rig_new(n, g, pfs ? g : NULL);
	double *v = rig_alloc(4 * rounds, sizeof(*v)), before = openssl_op(openssl);
	struct figures f;

	(void)handshakes(r, n); /* warm */
	for (unsigned i = 0; i < rounds; i++) {
		double t = handshakes(r, n), own = own_op(g), after = openssl_op(openssl);
		double ops = pfs ? 8 : 4, pure = ops * (before + after) / 2;

		v[i] = t;
		v[rounds + i] = pure;
		v[2 * rounds + i] = pure / t;
		v[3 * rounds + i] = ops * own / t;
		before = after;
	}
	f = (struct figures){median(v, rounds), median(v + rounds, rounds), median(v + 2 * rounds, rounds),
			     median(v + 3 * rounds, rounds)};
	free(v);
	rig_free(r);
	return f;
}

/* Lines that bench/all.sh looks for. 1: it does not hold. */
static int bound(int holds, const char *fmt, ...)
{
	va_list ap;

	(void)fputs("bound: ", stdout);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)puts(holds ? ": holds" : ": does not hold");
	(void)fflush(stdout);
	return !holds;
}

/* How many are below RATIO_MIN. */
static int print_handshakes(unsigned rounds, unsigned n)
{
	static const struct {
		const char *group, *openssl;
	} groups[] = {{"modp2048", "ffdh2048"}, {"x25519", "ecdhx25519"}};
	double ratio[ARRAY_SIZE(groups)][2];
	int bad = 0;

	(void)printf("handshakes, both ends on one core (medians of %u rounds of %u)\n", rounds, n);
	(void)printf("  %-10s %-8s %12s %12s %10s %6s %6s\n", "group", "pfs", "handshakes/s", "us", "pure us", "ratio",
		     "own");
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		for (int pfs = 0; pfs < 2; pfs++) {
			struct figures f = compare(groups[i].group, groups[i].openssl, pfs, rounds, n);

			(void)printf("  %-10s %-8s %12.0f %12.1f %10.1f %6.2f %6.2f\n", groups[i].group,
				     pfs ? groups[i].group : "none", 1 / f.handshake, f.handshake * 1e6, f.pure * 1e6,
				     f.ratio, f.own);
			(void)fflush(stdout);
			ratio[i][pfs] = f.ratio;
		}
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		for (int pfs = 0; pfs < 2; pfs++)
			bad += bound(
				ratio[i][pfs] >= RATIO_MIN,
				"handshakes with %s %s PFS are at least %.2f of their Diffie-Hellman operations: %.2f",
				groups[i].group, pfs ? "and" : "without", RATIO_MIN, ratio[i][pfs]);
	return bad;
}

/* --- many peers --- */
static double in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)(m.uordblks + m.hblkhd);
}

struct cost {
	double s, message_us;
};

static struct cost cost_of(struct rig *r, double since, uint64_t messages)
{
	double s = cpu_s() - since;

	return (struct cost){s, s * 1e6 / (double)(r->messages - messages)};
}

static struct cost establish(struct rig *r)
{
	uint64_t messages = r->messages;
	double t = cpu_s();

	r->made = r->now;
	for (unsigned i = 0; i < r->peers; i++) {
		rig_acquire(r, i);
		rig_pump(r);
	}
	check_up(r, r->peers);
	return cost_of(r, t, messages);
}

/* The soft limit of all SAs passes at one moment, then the old ones' hard limit, outside the clock. */
static struct cost rekey(struct rig *r, const struct group *pfs)
{
	uint64_t messages;
	struct cost c;
	double t;

	for (unsigned i = 0; i < 2; i++)
		r->end[i].conf->proposal->pfs = pfs;
	messages = r->messages;
	t = cpu_s();
	r->now = r->made + RIG_LIFE_S / 10 * 8 * NS_PER_S;
	for (unsigned i = 0; i < 2; i++)
		ike_run(r->end[i].k);
	rig_pump(r);
	c = cost_of(r, t, messages);
	if (r->end[0].live != 4 * r->peers || r->end[1].live != 4 * r->peers)
		rig_die("not all were re-keyed");
	rig_jump(r, RIG_LIFE_S / 4 * NS_PER_S);
	check_up(r, r->peers);
	r->made += RIG_LIFE_S / 10 * 8 * NS_PER_S;
	return c;
}

static struct rig *many(unsigned peers, const struct group *g, double *conf, double *sas, struct cost *made)
{
	double before = in_use(), between;
	struct rig *r = rig_new(peers, g, NULL);

	for (unsigned i = 0; i < 2; i++) /* not of the engine */
		before += (double)(malloc_usable_size(r->end[i].sa) + malloc_usable_size(r->end[i].policy_out));
	between = in_use();
	*conf = (between - before) / 2 / peers;
	*made = establish(r);
	rig_jump(r, 300 * NS_PER_S); /* what only the handshake needed has gone */
	before = in_use();
	*sas = (before - between - (double)(malloc_usable_size(r->q) + malloc_usable_size(r->job))) / 2 / peers;
	return r;
}

/* Costs of 10 peers are taken over as many rounds as make a number of messages that can be timed. */
static struct cost rekey_few(struct rig *r, unsigned rounds)
{
	struct cost sum = {0};

	for (unsigned i = 0; i < rounds; i++) {
		struct cost c = rekey(r, NULL);

		sum.s += c.s;
		sum.message_us += c.message_us / rounds;
	}
	return sum;
}

/* 1: they take too much memory. */
static int print_peers(unsigned peers)
{
	const struct group *g = group_by_name("x25519");
	struct cost few_made, few, made, plain, pfs;
	double conf, sas, few_conf, few_sas;
	struct rig *r;

	r = many(10, g, &few_conf, &few_sas, &few_made);
	few = rekey_few(r, 50);
	rig_free(r);
	r = many(peers, g, &conf, &sas, &made);
	plain = rekey(r, NULL);
	pfs = rekey(r, g);
	rig_free(r);
	(void)printf("%u peers, x25519\n", peers);
	(void)printf("  memory a peer: %.0f bytes (%.0f of configuration, %.0f of SAs)\n", conf + sas, conf, sas);
	(void)printf("  all established in %.2f s; %.1f us a message, %.1f with 10 peers\n", made.s, made.message_us,
		     few_made.message_us);
	(void)printf("  all phase 2 re-keyed in %.2f s; %.1f us a message, %.1f with 10 peers\n", plain.s,
		     plain.message_us, few.message_us);
	(void)printf("  all phase 2 re-keyed with PFS in %.2f s\n", pfs.s);
	return bound(conf + sas < MEMORY_MAX, "a peer takes less than %d bytes: %.0f", MEMORY_MAX, conf + sas);
}

static unsigned argument(int argc, char **argv, int i, unsigned otherwise)
{
	long v = i < argc ? strtol(argv[i], NULL, 10) : otherwise;

	if (v < 1 || v > 65536)
		rig_die("usage: ike [ROUNDS [HANDSHAKES [PEERS]]], 1 to 65536 each");
	return (unsigned)v;
}

int main(int argc, char **argv)
{
	unsigned rounds = argument(argc, argv, 1, 9), n = argument(argc, argv, 2, 400);
	int bad = print_handshakes(rounds, n);

	return bad + print_peers(argument(argc, argv, 3, 10000)) ? 1 : 0;
}
