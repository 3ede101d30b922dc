/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4 fragmentation, RFC 791 §3.2 (see frag.h). */
#include "user/ipsec/frag.h"

#include <errno.h>

#include "user/ipsec/ip4.h"

/*
 * RFC 791 §3.1: the options of a fragment other than the first are those with the copied flag. Writes them padded to 4
 * bytes, returns their length. A malformed list ends where it is malformed, as the original's reader would have it.
 */
static size_t copied_options(uint8_t out[IP4_HDR_MAX - IP4_HDR], const uint8_t *ip)
{
	const uint8_t *o = ip + IP4_HDR, *end = ip + ip4_hdr_len(ip);
	size_t n = 0;

	while (o < end && *o != 0) {
		size_t len = 1;

		if (*o != 1) {
			if (end - o < 2 || o[1] < 2 || o[1] > end - o)
				break;
			len = o[1];
		}
		if (*o & 0x80) {
			memcpy(out + n, o, len);
			n += len;
		}
		o += len;
	}
	while (n % 4)
		out[n++] = 0;
	return n;
}

/* How p is cut: the first fragment keeps all options and takes `first` bytes of payload, each other one takes `next`. */
struct cut {
	size_t hdr, payload, first, next;
};

static int cut_plan(struct cut *c, const struct pkt *p, size_t mtu)
{
	uint8_t opt[IP4_HDR_MAX - IP4_HDR];
	size_t len = pkt_len(p), next_hdr;

	if (len < IP4_HDR || p->data[0] >> 4 != 4 || ip4_hdr_len(p->data) < IP4_HDR || ip4_hdr_len(p->data) > len)
		return -EINVAL;
	c->hdr = ip4_hdr_len(p->data);
	c->payload = len - c->hdr;
	/* A piece may not end behind the largest offset there is: p is then a fragment that lies about its place. */
	if ((u16_get(p->data + IP4_FRAG) & IP4_OFFSET) * 8u + c->payload > IP4_LEN_MAX)
		return -EINVAL;
	if (len <= mtu) {
		c->first = c->next = c->payload;
		return 0;
	}
	if (mtu < c->hdr + 8)
		return -EMSGSIZE;
	next_hdr = IP4_HDR + copied_options(opt, p->data);
	c->first = (mtu - c->hdr) & ~(size_t)7;
	c->next = (mtu - next_hdr) & ~(size_t)7;
	return 0;
}

unsigned frag4_count(const struct pkt *p, size_t mtu)
{
	struct cut c;

	if (cut_plan(&c, p, mtu) < 0)
		return 0;
	if (c.payload <= c.first)
		return 1;
	return 1 + (unsigned)((c.payload - c.first + c.next - 1) / c.next);
}

int frag4_make(struct pkt *out, const struct pkt *p, size_t mtu, unsigned i)
{
	const uint8_t *ip = p->data;
	uint8_t opt[IP4_HDR_MAX - IP4_HDR];
	uint16_t frag;
	size_t hdr, at, n, opt_len;
	struct cut c;

	if (i >= frag4_count(p, mtu) || cut_plan(&c, p, mtu) < 0)
		return -EINVAL;
	opt_len = i ? copied_options(opt, ip) : c.hdr - IP4_HDR;
	hdr = IP4_HDR + opt_len;
	at = i ? c.first + (i - 1) * c.next : 0;
	n = MIN(c.payload - at, i ? c.next : c.first);
	if ((size_t)(out->end - out->data) < hdr + n)
		return -ENOSPC;
	memcpy(out->data, ip, IP4_HDR);
	memcpy(out->data + IP4_HDR, i ? opt : ip + IP4_HDR, opt_len);
	memcpy(out->data + hdr, ip + c.hdr + at, n);
	out->tail = out->data + hdr + n;
	out->data[0] = (uint8_t)(0x40 | hdr / 4);
	u16_put(out->data + IP4_LEN, (uint16_t)(hdr + n));
	/* A packet that is a fragment itself keeps its place, and its last piece its MF. */
	frag = u16_get(ip + IP4_FRAG);
	frag = (uint16_t)((frag & (IP4_DF | IP4_MF)) | ((frag & IP4_OFFSET) + at / 8));
	if (at + n < c.payload)
		frag |= IP4_MF;
	u16_put(out->data + IP4_FRAG, frag);
	ip4_sum_put(out->data);
	return 0;
}
