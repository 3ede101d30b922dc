/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source of a benchmark: one frame sent over and over out of one interface, by an endless BPF_PROG_TEST_RUN with
 * live frames. It costs about 0.2 us a packet, several times less than any socket, and lives on a CPU of its own.
 * (A veth accepts redirected frames only while its peer has an XDP program: the device under test has.)
 *
 *   gen IF CPU RATE udp SRC DST SMAC DMAC LEN    UDP in an IPv4 packet of LEN bytes
 *   gen IF CPU RATE frame FILE                   the Ethernet frame in FILE
 *
 * RATE in packets/s, 0 = as fast as it goes. Prints "ready", and at SIGTERM one line of JSON.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench/gen_xdp.skel.h"
#include "bench/util.h"

#define FRAME_MAX 2048

struct frame {
	uint8_t bytes[FRAME_MAX];
	unsigned len;
};

static uint16_t ip_checksum(const void *header, size_t len)
{
	const uint8_t *p = header;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t parse_ip(const char *s)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		die("\"%s\" is not an IPv4 address", s);
	return a.s_addr;
}

/* argv: SRC DST SMAC DMAC LEN */
static void make_udp(struct frame *f, char **argv)
{
	struct ethhdr eth = {.h_proto = htons(ETH_P_IP)};
	unsigned len = (unsigned)atoi(argv[4]);
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	struct udphdr udp = {.source = htons(4000), .dest = htons(4001)};

	if (len < sizeof(ip) + sizeof(udp) || len + sizeof(eth) > FRAME_MAX)
		die("packet length %u is not between 28 and %zu", len, FRAME_MAX - sizeof(eth));
	parse_mac(eth.h_source, argv[2]);
	parse_mac(eth.h_dest, argv[3]);
	ip.tot_len = htons((uint16_t)len);
	ip.saddr = parse_ip(argv[0]);
	ip.daddr = parse_ip(argv[1]);
	ip.check = ip_checksum(&ip, sizeof(ip));
	udp.len = htons((uint16_t)(len - sizeof(ip))); /* RFC 768: a checksum of zero means none */
	memcpy(f->bytes, &eth, sizeof(eth));
	memcpy(f->bytes + sizeof(eth), &ip, sizeof(ip));
	memcpy(f->bytes + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	f->len = (unsigned)sizeof(eth) + len;
	for (unsigned i = (unsigned)(sizeof(eth) + sizeof(ip) + sizeof(udp)); i < f->len; i++)
		f->bytes[i] = (uint8_t)i;
}

static void read_frame(struct frame *f, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		die("%s: %s", path, strerror(errno));
	f->len = (unsigned)fread(f->bytes, 1, FRAME_MAX, file);
	(void)fclose(file);
	if (f->len < ETH_HLEN)
		die("%s holds no Ethernet frame", path);
}

static void run(struct gen_xdp *bpf, struct frame *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->len, .repeat = 1 << 30,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);

	while (!stopped)
		if (bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.gen_xdp), &opts) && errno != EINTR)
			die("BPF_PROG_TEST_RUN: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct frame f;
	struct gen_xdp *bpf;
	double rate;

	if (argc == 10 && strcmp(argv[4], "udp") == 0)
		make_udp(&f, argv + 5);
	else if (argc == 6 && strcmp(argv[4], "frame") == 0)
		read_frame(&f, argv[5]);
	else
		die("usage: gen IF CPU RATE udp SRC DST SMAC DMAC LEN | gen IF CPU RATE frame FILE");
	rate = atof(argv[3]);
	pin_to_cpu(atoi(argv[2]));
	libbpf_set_print(libbpf_warnings);
	bpf = gen_xdp__open();
	if (!bpf)
		die("cannot open the BPF object: %s", strerror(errno));
	bpf->rodata->out_ifindex = ifindex_of(argv[1]);
	bpf->rodata->ns_per_packet_x256 = rate > 0 ? (uint64_t)(256e9 / rate) : 0;
	if (gen_xdp__load(bpf))
		die("cannot load the BPF object: %s", strerror(errno));
	stop_on_signals();
	(void)printf("ready\n");
	(void)fflush(stdout);
	run(bpf, &f);
	(void)printf("{\"sent\":%llu}\n", (unsigned long long)bpf->bss->sent);
	gen_xdp__destroy(bpf);
	return 0;
}
