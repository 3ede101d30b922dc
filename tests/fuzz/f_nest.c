/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's way in, inbound_burst(), under all that peers with keys can send: transforms in transforms, fragments between them, and what is
 * inside is arbitrary. The input is a recipe:
 *   byte 0       how many layers (0 to 7); 0x80: lengths and checksum of the innermost packet are made right; 0x40: its
 *                destination is this host
 *   2 bytes each a layer, innermost first: byte 0: the SA (0 to 15), 0x10: cut into fragments behind it, 0x20: one byte changed, 0x40:
 *                the other byte is the next header, 0x80: fragments in reverse order; byte 1: that, or size of the fragments
 *   the rest     the innermost packet
 * The maps are arrays here, and what is asked of the kernel is answered by bpf_map_lookup_elem() below. There is no policy and no way on: a packet
 * that is accepted counts as XI_DROP_IN_INJECT. Each packet that goes in is one drop, or held as a fragment, or a dummy packet; every
 * buffer comes back.
 */
#include <bpf/bpf.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/esp_rig.h"
#include "user/ipsec/frag.h"
#include "user/worker/worker.h"

#define SAS 16
#define LAYERS 7
#define ROOM 65536
#define HEAD 2048 /* seven layers of headers */
#define PIECES_MAX 4
#define CUTS_MAX 2 /* layers that cut, so that a packet becomes 16 at most */
#define LOCAL_FD 1
#define SPI_FD 2

#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			rig_die(#what);                                                                                \
	} while (0)

static const struct {
	const char *enc, *auth;
	uint8_t proto, mode, family, flags;
	uint32_t window;
} forms[SAS] = {
	{"aes-128-gcm", "null", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP4, 0, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP4, 0, 0},
	{"null", "sha1", XI_PROTO_AH, XI_MODE_TUNNEL, XI_IP4, 0, 0},
	{"null", "md5", XI_PROTO_AH, XI_MODE_TRANSPORT, XI_IP4, 0, 0},
	{"aes-128", "sha1", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP6, 0, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP6, 0, 0},
	{"null", "md5", XI_PROTO_AH, XI_MODE_TUNNEL, XI_IP6, 0, 0},
	{"null", "aes-128-gmac", XI_PROTO_AH, XI_MODE_TRANSPORT, XI_IP6, 0, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP4, XI_SA_F_UDP, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP4, XI_SA_F_UDP, 0},
	{"aes-128-gcm", "null", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP6, XI_SA_F_UDP, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP6, XI_SA_F_UDP, 0},
	{"null", "md5", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP4, XI_SA_F_ESN, 64},
	{"null", "md5", XI_PROTO_AH, XI_MODE_TRANSPORT, XI_IP4, XI_SA_F_ESN, 64},
	{"aes-128-ctr", "sha256", XI_PROTO_ESP, XI_MODE_TRANSPORT, XI_IP4, 0, 64},
	{"aes-128-ccm", "null", XI_PROTO_ESP, XI_MODE_TUNNEL, XI_IP4, 0, 64},
};

struct layer {
	unsigned sa;
	uint8_t what, value;
};
#define CUT 0x10
#define SPOIL 0x20
#define NEXT 0x40
#define REVERSE 0x80

/* Arrays in place of the maps; sa[] the peer's end: always transport mode, so that any payload and next header can be put inside. */
static struct {
	struct xi_meta meta;
	struct xi_sa sad[SAS];
	struct xi_sa_rt sa_rt[SAS];
	struct xi_replay replay[SAS];
	struct xi_policy spd[1];
	struct xi_class_head class[2];
	struct xi_rule rules[2];
	struct xi_bucket bucket[32];
	struct xi_if ifs[XI_IF_MAX];
	struct xi_wstat wstat;
	struct xi_polstat polstat;
	struct xi_sa peer[SAS];
	struct keyctx *peer_key[SAS];
	uint64_t no_routes[8]; /* a struct rt of which only the generation is read */
} z;

static struct maps m;
static struct worker w;
static uint64_t iv_state = 1;
static uint64_t next_seq;
static int may_be_dummy;
static int cut_again; /* a datagram that was put together may be a fragment */

/* In place of libbpf's. */
int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	const struct xi_local_key *l = key;
	const struct xi_spi_key *k = key;

	for (unsigned i = 0; i < SAS; i++) {
		const struct xi_sa *sa = &z.sad[i];

		if (fd == LOCAL_FD && sa->family == l->family && memcmp(&sa->dst, &l->addr, sizeof(l->addr)) == 0) {
			*(__u32 *)value = 1;
			return 0;
		}
		if (fd == SPI_FD && sa->family == k->family && sa->proto == k->proto && sa->spi == k->spi &&
		    memcmp(&sa->dst, &k->dst, sizeof(k->dst)) == 0) {
			*(struct xi_spi_val *)value = (struct xi_spi_val){.slot = i, .gen = sa->gen};
			return 0;
		}
	}
	return -1;
}

static void make_sa(unsigned i)
{
	struct rig r = {.en = w.engine};
	const struct alg *auth = alg_by_name(ALG_AUTH, forms[i].auth);

	rig_init(&r, w.engine, alg_by_name(ALG_ENC, forms[i].enc), auth);
	rig_become(&r, forms[i].proto, forms[i].mode, forms[i].family, forms[i].flags);
	r.sa.spi = htonl(0x1000 + i);
	r.sa.replay_window = forms[i].window;
	r.sa.dir = XI_DIR_IN;
	z.sad[i] = r.sa;
	z.peer[i] = r.sa;
	z.peer[i].mode = XI_MODE_TRANSPORT;
	z.peer_key[i] = r.key;
}

static void make_worker(void)
{
	size_t bytes = 0;
	struct err e;

	if (w.maps)
		return;
	m = (struct maps){.meta = &z.meta,
			  .sad = z.sad,
			  .sa_rt = z.sa_rt,
			  .replay = z.replay,
			  .spd = z.spd,
			  .class = z.class,
			  .rules = z.rules,
			  .bucket = z.bucket,
			  .ifs = z.ifs,
			  .wstat = &z.wstat,
			  .wpolstat = &z.polstat};
	m.fd[MAP_LOCAL] = LOCAL_FD;
	m.fd[MAP_SPI] = SPI_FD;
	z.meta = (struct xi_meta){.sad_max = SAS, .spd_max = 1, .sad_gen = 1, .natt = 1};
	z.ifs[XI_IF_INTERNAL].mtu = 1500;
	z.ifs[1] = (struct xi_if){.ifindex = 1, .mtu = 1500};
	w.maps = &m;
	w.rt = (struct rt *)z.no_routes;
	w.stat = &z.wstat;
	w.polstat = &z.polstat;
	w.raw_out = w.raw_out6 = w.raw_icmp6 = -1;
	w.frags = frags_new(&bytes);
	w.keyctx_stride = (keyctx_size() + 63) & ~(size_t)63;
	w.sa = calloc(SAS, sizeof(*w.sa));
	w.keys = aligned_alloc(64, SAS * w.keyctx_stride);
	w.flow = calloc(WRK_FLOWS, sizeof(*w.flow));
	w.nest = calloc(WRK_NESTS, sizeof(*w.nest));
	w.first = calloc(WRK_FIRSTS, sizeof(*w.first));
	must(w.frags && w.sa && w.keys && w.flow && w.nest && w.first && io_pool_init(&w.pool, 128) == 0);
	memset(w.keys, 0, SAS * w.keyctx_stride);
	must(engine_new(&w.engine, XI_ENGINE_NONE, &e) == 0);
	for (unsigned i = 0; i < SAS; i++)
		make_sa(i);
}

static uint64_t sum(const struct xi_wstat *s)
{
	uint64_t n = 0;

	for (unsigned r = 1; r < XI_DROP_MAX; r++)
		n += s->reason[r];
	return n;
}

static uint64_t lost_fragments(const struct xi_wstat *s)
{
	return s->reason[XI_DROP_IN_FRAG_BAD] + s->reason[XI_DROP_IN_FRAG_FULL] + s->reason[XI_DROP_IN_FRAG_OLD];
}

/* What the wire brings: for the SA, or a fragment. */
static void arrives(const struct pkt *p, unsigned sa)
{
	struct xi_wstat was = z.wstat;
	unsigned nfree = w.pool.nfree, nlarge = w.pool.nlarge, held = frags_held(w.frags);
	int small = pkt_len(p) <= IO_FRAME_SIZE - IO_XDP_HEADROOM;
	int is_piece = ip_version(p) == 4 && (u16_get(p->data + IP4_FRAG) & (IP4_MF | IP4_OFFSET));
	struct wpkt store, *pk = &store;
	uint64_t lost, others;
	int64_t used;

	wpkt_init(&w, pk, small ? io_frame_get(&w.pool) : io_large_get(&w.pool));
	memcpy(pk->p.data, p->data, pkt_len(p));
	pk->p.tail = pk->p.data + pkt_len(p);
	pk->v = (struct xi_verdict){
		.slot = sa, .gen = z.sad[sa].gen, .dir = XI_DIR_IN, .if_slot = 1, .family = z.sad[sa].family};
	if (ip_version(p) == 6)
		is_piece = p->data[IP6_NEXT] == NH_FRAGMENT;
	if (!is_piece || frags_take(&w, pk))
		inbound_burst(&w, &pk, 1);
	must(w.pool.nfree == nfree && w.pool.nlarge == nlarge);
	lost = lost_fragments(&z.wstat) - lost_fragments(&was);
	others = sum(&z.wstat) - sum(&was) - lost;
	used = 1 + (int64_t)held - frags_held(w.frags) - (int64_t)lost;
	must(others <= 1);
	/* one, and what it put together; a fragment; one that ends without an error; fragments that became one fragment */
	must(others == 1 ? used >= 1 : used == 0 || (used >= 1 && (may_be_dummy || cut_again)));
}

/* The IP packet of the SA whose payload is that of the packet p (transport), or p (tunnel). 0: it cannot be. */
static int wrap(struct pkt *p, const struct layer *l)
{
	const struct xi_sa *sa = &z.sad[l->sa];
	size_t hdr = sa->family == XI_IP4 ? IP4_HDR : IP6_HDR, len = pkt_len(p);
	uint8_t next = len && ip_version(p) == 6 ? 41 : 4, *ip;

	if (sa->mode == XI_MODE_TRANSPORT) {
		if (len < hdr)
			return 0;
		next = p->data[hdr == IP4_HDR ? IP4_PROTO : IP6_NEXT];
		p->data += hdr;
	}
	if (l->what & NEXT)
		next = l->value;
	may_be_dummy |= next == 59;
	p->data -= hdr;
	ip = p->data;
	len = pkt_len(p);
	if (len > IP4_LEN_MAX - 100)
		return 0;
	memset(ip, 0, hdr);
	if (hdr == IP6_HDR) {
		ip[0] = 0x60;
		u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
		ip[IP6_NEXT] = next;
		ip[IP6_HOPS] = 64;
		memcpy(ip + IP6_SRC, &sa->src, 16);
		memcpy(ip + IP6_DST, &sa->dst, 16);
		return 1;
	}
	ip[0] = 0x45;
	u16_put(ip + IP4_LEN, (uint16_t)len);
	ip[IP4_TTL] = 64;
	ip[IP4_PROTO] = next;
	be32_put(ip + IP4_SRC, sa->src.w[0]);
	be32_put(ip + IP4_DST, sa->dst.w[0]);
	ip4_sum_put(ip);
	return 1;
}

/* A packet as it is, on its way through the layers that are left. */
static void pass_on(struct pkt *p, const struct layer *l, unsigned n, unsigned sa, unsigned cuts);

static void send_pieces(const struct pkt *p, const struct layer *l, unsigned n, unsigned cuts)
{
	size_t mtu = 64 + (size_t)(l->value & 0x7f) * 16;
	int v4 = ip_version(p) == 4;
	unsigned count = v4 ? frag4_count(p, mtu) : frag6_count(p, mtu), most = MIN(count, (unsigned)PIECES_MAX);

	cut_again |= cuts > 0;

	for (unsigned i = 0; i < most; i++) {
		unsigned k = l->what & REVERSE ? count - 1 - i : i;
		uint8_t *buf = malloc(ROOM);
		struct pkt piece = {buf, buf + HEAD, NULL, buf + ROOM};

		must(buf);
		/* the ID: fragments of other inputs of this run have aged */
		if ((v4 ? frag4_make(&piece, p, mtu, k) : frag6_make(&piece, p, mtu, k, 7)) == 0)
			pass_on(&piece, l + 1, n - 1, l->sa, cuts + 1);
		free(buf);
	}
}

static void pass_on(struct pkt *p, const struct layer *l, unsigned n, unsigned sa, unsigned cuts)
{
	struct ipsec_op op;
	struct iv_source iv = {rig_iv_fill, &iv_state};

	if (n == 0) {
		if (sa < SAS && pkt_len(p) >= IP4_HDR)
			arrives(p, sa);
		return;
	}
	if (!wrap(p, l))
		return;
	op = (struct ipsec_op){.sa = &z.peer[l->sa],
			       .key = z.peer_key[l->sa],
			       .pkt = p,
			       .seq = ++next_seq,
			       .ip_id = (uint32_t)next_seq};
	ipsec_seal(w.engine, &iv, &op, 1);
	if (op.verdict != XI_OK)
		return;
	if (l->what & SPOIL)
		p->data[l->value % pkt_len(p)] ^= 0x20;
	if ((l->what & CUT) && cuts < CUTS_MAX)
		send_pieces(p, l, n, cuts);
	else
		pass_on(p, l + 1, n - 1, l->sa, cuts);
}

static void mend(uint8_t *ip, size_t len, int here)
{
	const struct xi_sa *sa = &z.sad[len >= IP6_HDR && ip[0] >> 4 == 6 ? 4 : 0];

	if (len >= IP4_HDR && ip[0] >> 4 == 4 && ip4_hdr_len(ip) >= IP4_HDR && ip4_hdr_len(ip) <= len) {
		if (here)
			be32_put(ip + IP4_DST, sa->dst.w[0]);
		u16_put(ip + IP4_LEN, (uint16_t)len);
		ip4_sum_put(ip);
	} else if (len >= IP6_HDR && ip[0] >> 4 == 6) {
		if (here)
			memcpy(ip + IP6_DST, &sa->dst, 16);
		u16_put(ip + IP6_LEN, (uint16_t)(len - IP6_HDR));
	}
}

static void begin(void)
{
	make_worker();
	memset(z.sa_rt, 0, sizeof(z.sa_rt));
	memset(z.replay, 0, sizeof(z.replay));
	next_seq = 0;
	may_be_dummy = 0;
	/* what the last input left half behind */
	w.now += 60ull * 1000000000;
	frags_expire(&w);
	must(frags_held(w.frags) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layer l[LAYERS];
	unsigned n;
	uint8_t *buf;
	struct pkt p;

	if (size < 1 || size < 1 + 2 * (size_t)(data[0] % (LAYERS + 1)) || size > 4096)
		return 0;
	begin();
	n = data[0] % (LAYERS + 1);
	for (unsigned i = 0; i < n; i++)
		l[i] = (struct layer){data[1 + 2 * i] & 15, data[1 + 2 * i] & 0xf0, data[2 + 2 * i]};
	buf = malloc(ROOM);
	must(buf);
	p = (struct pkt){buf, buf + HEAD, buf + HEAD + size - 1 - 2 * (size_t)n, buf + ROOM};
	memcpy(p.data, data + 1 + 2 * (size_t)n, pkt_len(&p));
	may_be_dummy = 0;
	cut_again =
		pkt_len(&p) >= IP4_HDR && (ip_version(&p) == 6 || (u16_get(p.data + IP4_FRAG) & (IP4_MF | IP4_OFFSET)));
	if (data[0] & 0x80)
		mend(p.data, pkt_len(&p), data[0] & 0x40);
	pass_on(&p, l, n, SAS, 0);
	free(buf);
	return 0;
}
