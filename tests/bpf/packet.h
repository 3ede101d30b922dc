/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building frames by hand for tests: one struct says what is in it, packet_make() writes the bytes. Lengths and the IPv4 header
 * checksum are right unless a field says otherwise. It shares no code with what it tests.
 */
#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

static const uint8_t MAC_NIC[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t MAC_PEER[6] = {0x02, 0, 0, 0, 0, 0x02};

struct packet {
	/* in; zero is a sensible value for each */
	const char *src, *dst;	/* text; the family follows from it */
	const uint8_t *eth_dst; /* NULL = MAC_NIC */
	const uint8_t *eth_src; /* NULL = MAC_PEER */
	uint16_t tag[3];	/* ethertypes of VLAN tags, outermost first */
	int16_t vid[3];		/* 0 = 100, 101, 102; negative = 0 with a priority */
	uint16_t eth_type;	/* 0 = by family */
	uint8_t options;	/* IPv4: 32-bit words of options */
	const char *ext;	/* IPv6 headers: h hop-by-hop, r routing, d and D (24 bytes) destination, f fragment */
	uint16_t frag;		/* IPv4: flags and offset as in the header; IPv6 'f': offset << 3 | more */
	uint8_t proto;		/* 0 = UDP */
	uint8_t ttl;		/* 0 = 64 */
	uint16_t sport, dport;	/* ESP: low half of the SPI in dport */
	uint8_t icmp_type, icmp_code;
	uint16_t payload; /* bytes behind the ports */
	const char *body; /* instead: these bytes, body_len of them */
	uint16_t body_len;
	struct packet *quoted; /* instead: this packet from its IP header on, the first body_len bytes; 0 = all */
	uint16_t udp_len;      /* 0 = right */
	uint16_t id;	       /* of a fragment; 0 = 0x1234 */
	int l4_len;	       /* bytes of the upper layer; 0 = 8 (AH 12) + payload; -1 = none */
	int ip_len_add;	       /* lie by so much in the length field */
	uint8_t version;       /* 0 = right */
	uint8_t ihl;	       /* 0 = right */
	uint8_t bad_sum;
	/* out */
	uint8_t data[2048];
	uint32_t len;
	uint32_t l3_off;
};

static inline void packet_put(struct packet *p, const void *bytes, size_t n)
{
	memcpy(p->data + p->len, bytes, n);
	p->len += (uint32_t)n;
}

static inline void packet_put8(struct packet *p, unsigned v)
{
	p->data[p->len++] = (uint8_t)v;
}

static inline void packet_put16(struct packet *p, unsigned v)
{
	packet_put8(p, v >> 8);
	packet_put8(p, v);
}

static inline uint16_t packet_sum(const uint8_t *b, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(b[i] << 8 | b[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static inline uint8_t packet_proto(const struct packet *p)
{
	return p->proto ? p->proto : 17;
}

static inline int packet_l4_len(const struct packet *p)
{
	if (p->l4_len)
		return p->l4_len < 0 ? 0 : p->l4_len;
	if (p->quoted)
		return 8 + (p->body_len ? p->body_len : (int)(p->quoted->len - p->quoted->l3_off));
	if (p->body)
		return 8 + p->body_len;
	return (packet_proto(p) == 51 ? 12 : 8) + p->payload;
}

/* The upper layer: the fields our programs look at, then counting bytes. */
static inline void packet_upper(struct packet *p)
{
	uint8_t b[2048];
	int n = packet_l4_len(p);

	for (int i = 0; i < n; i++)
		b[i] = (uint8_t)i;
	if (p->quoted || p->body)
		memcpy(b + 8, p->quoted ? p->quoted->data + p->quoted->l3_off : (const uint8_t *)p->body,
		       (size_t)n - 8);
	switch (packet_proto(p)) {
	case 50:   /* SPI, sequence number */
	case 51: { /* next header, length, reserved, SPI, sequence number */
		uint8_t spi[8] = {0, 0, (uint8_t)(p->dport >> 8), (uint8_t)p->dport, 0, 0, 0, 1};
		int at = packet_proto(p) == 51 ? 4 : 0;

		for (int i = 0; i < 8 && at + i < n; i++)
			b[at + i] = spi[i];
		break;
	}
	case 1:
	case 58:
		b[0] = p->icmp_type;
		b[1] = p->icmp_code;
		break;
	default: {
		unsigned udp = p->udp_len ? p->udp_len : (unsigned)n;

		uint8_t ports[4] = {(uint8_t)(p->sport >> 8), (uint8_t)p->sport, (uint8_t)(p->dport >> 8),
				    (uint8_t)p->dport};

		for (int i = 0; i < 4 && i < n; i++)
			b[i] = ports[i];
		if (packet_proto(p) == 17 && n >= 6) {
			b[4] = (uint8_t)(udp >> 8);
			b[5] = (uint8_t)udp;
		}
	}
	}
	packet_put(p, b, (size_t)n);
}

static inline void packet_ip4(struct packet *p, const uint8_t *src, const uint8_t *dst)
{
	unsigned hlen = 20 + 4u * p->options, total = hlen + (unsigned)packet_l4_len(p);
	uint8_t *h = p->data + p->len;
	uint16_t sum;

	packet_put8(p, (p->version ? p->version : 4u) << 4 | (p->ihl ? p->ihl : hlen / 4));
	packet_put8(p, 0);
	packet_put16(p, total + (unsigned)p->ip_len_add);
	packet_put16(p, p->id ? p->id : 0x1234);
	packet_put16(p, p->frag);
	packet_put8(p, p->ttl ? p->ttl : 64);
	packet_put8(p, packet_proto(p));
	packet_put16(p, 0);
	packet_put(p, src, 4);
	packet_put(p, dst, 4);
	for (unsigned i = 0; i < 4u * p->options; i++)
		packet_put8(p, 1); /* no operation */
	sum = packet_sum(h, hlen);
	h[10] = (uint8_t)(sum >> 8);
	h[11] = (uint8_t)(sum ^ (p->bad_sum ? 1 : 0));
}

static inline uint8_t packet_ext_number(char c)
{
	return c == 'h' ? 0 : c == 'r' ? 43 : c == 'f' ? 44 : 60;
}

static inline void packet_ip6(struct packet *p, const uint8_t *src, const uint8_t *dst)
{
	const char *ext = p->ext ? p->ext : "";
	unsigned ext_len = 0;

	for (const char *c = ext; *c; c++)
		ext_len += *c == 'D' ? 24 : 8;
	packet_put8(p, (p->version ? p->version : 6u) << 4);
	packet_put8(p, 0);
	packet_put16(p, 0);
	packet_put16(p, ext_len + (unsigned)packet_l4_len(p) + (unsigned)p->ip_len_add);
	packet_put8(p, *ext ? packet_ext_number(*ext) : packet_proto(p));
	packet_put8(p, p->ttl ? p->ttl : 64);
	packet_put(p, src, 16);
	packet_put(p, dst, 16);
	for (const char *c = ext; *c; c++) {
		uint8_t h[24] = {c[1] ? packet_ext_number(c[1]) : packet_proto(p)};

		h[1] = *c == 'D' ? 2 : 0;
		if (*c == 'f') {
			h[2] = (uint8_t)(p->frag >> 8);
			h[3] = (uint8_t)p->frag;
			h[6] = (uint8_t)(p->id >> 8);
			h[7] = (uint8_t)p->id;
		}
		packet_put(p, h, *c == 'D' ? 24 : 8);
	}
}

static inline void packet_make(struct packet *p)
{
	uint8_t src[16], dst[16];
	int six = strchr(p->src, ':') != NULL;

	p->len = 0;
	if (p->quoted)
		packet_make(p->quoted);
	(void)inet_pton(six ? AF_INET6 : AF_INET, p->src, src);
	(void)inet_pton(six ? AF_INET6 : AF_INET, p->dst, dst);
	packet_put(p, p->eth_dst ? p->eth_dst : MAC_NIC, 6);
	packet_put(p, p->eth_src ? p->eth_src : MAC_PEER, 6);
	for (int i = 0; i < 3 && p->tag[i]; i++) {
		packet_put16(p, p->tag[i]);
		packet_put16(p, p->vid[i] < 0 ? 0xe000 : p->vid[i] ? (unsigned)p->vid[i] : 100u + (unsigned)i);
	}
	packet_put16(p, p->eth_type ? p->eth_type : six ? 0x86dd : 0x0800);
	p->l3_off = p->len;
	if (six)
		packet_ip6(p, src, dst);
	else
		packet_ip4(p, src, dst);
	packet_upper(p);
}

#endif
