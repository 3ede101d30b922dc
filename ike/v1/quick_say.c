/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log says when a quick mode comes to nothing: where it was, what both wanted, and the setting that may change it. */
#include <arpa/inet.h>
#include <stdio.h>

#include "ike/v1/quick.h"

const char *quick_at(const struct ike1_quick *q, char *buf, size_t size)
{
	static const char *const at[2][QUICK_STATES] = {
		{
			[QUICK_WAIT] = "message 1",
			[QUICK_ANSWER] = "message 1",
			[QUICK_SENT2] = "message 3",
			[QUICK_COMMIT] = "message 3",
		},
		{
			[QUICK_WAIT] = "before message 1",
			[QUICK_KEY] = "before message 1",
			[QUICK_SENT1] = "message 2",
			[QUICK_SECRET] = "message 2",
			[QUICK_COMMIT] = "message 3",
		},
	};
	const char *text = at[q->initiator][q->state];

	(void)snprintf(buf, size, "quick mode, %s, %s", q->initiator ? "initiator" : "responder", text ? text : "over");
	return buf;
}

/* --- identities --- */

/* "10.1.0.0/16"; 0: the mask is no prefix length. */
static int prefix_text(const struct quick_id *id, int af, char *buf, size_t size)
{
	char a[INET6_ADDRSTRLEN] = "";
	struct xi_addr start;
	uint8_t family;
	int len = quick_id_prefix(id, &family, &start);

	if (len < 0)
		return 0;
	(void)inet_ntop(af, id->data, a, sizeof(a));
	(void)snprintf(buf, size, "%s/%d", a, len);
	return 1;
}

/* Two addresses with what stands between them, or one. */
static void addrs_text(const struct quick_id *id, int af, const char *between, char *buf, size_t size)
{
	unsigned n = af == AF_INET6 ? 16 : 4;
	char a[2][INET6_ADDRSTRLEN] = {"", ""};

	(void)inet_ntop(af, id->data, a[0], sizeof(a[0]));
	if (between[0])
		(void)inet_ntop(af, id->data + n, a[1], sizeof(a[1]));
	(void)snprintf(buf, size, "%s%s%s", a[0], between, a[1]);
}

static void name_text(const struct quick_id *id, char *buf, size_t size)
{
	char name[QUICK_ID_MAX + 1];
	unsigned n = MIN((unsigned)id->len, (unsigned)QUICK_ID_MAX);

	for (unsigned i = 0; i < n; i++)
		name[i] = id->data[i] > 0x20 && id->data[i] < 0x7f ? (char)id->data[i] : '.';
	name[n] = '\0';
	(void)snprintf(buf, size, "name \"%s\" (type %u)", name, id->type);
}

/* "10.1.0.0/16[any]" */
static const char *id_text(const struct quick_id *id, char *buf, size_t size)
{
	int af = id->type == IPSEC_ID_IPV6_SUBNET ? AF_INET6 : AF_INET;
	size_t used;

	switch (id->type) {
	case IPSEC_ID_IPV4:
	case IPSEC_ID_IPV6:
		addrs_text(id, id->type == IPSEC_ID_IPV6 ? AF_INET6 : AF_INET, "", buf, size);
		break;
	case IPSEC_ID_IPV4_SUBNET:
	case IPSEC_ID_IPV6_SUBNET:
		if (!prefix_text(id, af, buf, size))
			addrs_text(id, af, "/", buf, size);
		break;
	case IPSEC_ID_IPV4_RANGE:
	case IPSEC_ID_IPV6_RANGE:
		addrs_text(id, id->type == IPSEC_ID_IPV6_RANGE ? AF_INET6 : AF_INET, "-", buf, size);
		break;
	default:
		name_text(id, buf, size);
	}
	used = strlen(buf);
	if (id->port)
		(void)snprintf(buf + used, size - used, "[%u]", id->port);
	else
		(void)snprintf(buf + used, size - used, "[any]");
	return buf;
}

/* "A and B, protocol 17" */
static const char *pair_text(const struct quick_id id[2], char *buf, size_t size)
{
	char a[160], b[160], proto[24] = "any protocol";

	if (id[0].protocol == id[1].protocol && id[0].protocol)
		(void)snprintf(proto, sizeof(proto), "protocol %u", id[0].protocol);
	else if (id[0].protocol != id[1].protocol)
		(void)snprintf(proto, sizeof(proto), "protocols %u, %u", id[0].protocol, id[1].protocol);
	(void)snprintf(buf, size, "%s and %s, %s", id_text(&id[0], a, sizeof(a)), id_text(&id[1], b, sizeof(b)), proto);
	return buf;
}

static const char *no_prefix(const struct quick_id *id)
{
	switch (id->type) {
	case IPSEC_ID_IPV4_SUBNET:
	case IPSEC_ID_IPV6_SUBNET:
		return "a mask with holes";
	case IPSEC_ID_IPV4_RANGE:
	case IPSEC_ID_IPV6_RANGE:
		return "a range that is no network";
	default:
		return "a name";
	}
}

const char *quick_no_prefixes_text(const struct ike1_quick *q, char *buf, size_t size)
{
	const char *why = "ports of a protocol that has none";
	char pair[400];
	struct xi_addr a;
	uint8_t family[2] = {0};

	if (q->id[0].protocol != q->id[1].protocol)
		why = "two protocols";
	for (unsigned i = 2; i-- > 0;)
		if (quick_id_prefix(&q->id[i], &family[i], &a) < 0)
			why = no_prefix(&q->id[i]);
		else if (i == 0 && family[1] && family[0] != family[1])
			why = "two address families";
	(void)snprintf(buf, size, "the identities %s mean no networks: %s", pair_text(q->id, pair, sizeof(pair)), why);
	return buf;
}

static void got_of(const struct msg *m, struct quick_id got[2])
{
	for (unsigned i = 0; i < 2; i++) {
		const struct msg_payload *p = msg_find(m, ISAKMP_P_ID, i);

		got[i] = (struct quick_id){0};
		if (!p)
			continue;
		got[i] = (struct quick_id){.type = p->id.type,
					   .protocol = p->id.protocol,
					   .port = p->id.port,
					   .len = (uint8_t)MIN(p->id.data.len, (size_t)QUICK_ID_MAX)};
		memcpy(got[i].data, p->id.data.p, got[i].len);
	}
}

static const char *first_difference(const struct quick_id *sent, const struct quick_id *got)
{
	static const char *const what[2][3] = {{"IDci: address", "IDci: protocol", "IDci: port"},
					       {"IDcr: address", "IDcr: protocol", "IDcr: port"}};

	for (unsigned i = 0; i < 2; i++) {
		if (sent[i].type != got[i].type || sent[i].len != got[i].len ||
		    memcmp(sent[i].data, got[i].data, sent[i].len))
			return what[i][0];
		if (sent[i].protocol != got[i].protocol)
			return what[i][1];
		if (sent[i].port != got[i].port)
			return what[i][2];
	}
	return "how many there are";
}

const char *quick_ids_differ_text(const struct ike1_quick *q, const struct msg *m, char *buf, size_t size)
{
	static const struct quick_id none[2];
	char ours[400], theirs[400];
	struct quick_id got[2];

	got_of(m, got);
	(void)snprintf(
		buf, size,
		"the identities that came back are not those that were sent: we sent %s, the peer %s; first "
		"difference: %s (change src-address, dst-address, protocol or ports of the policy, here or there)",
		q->has_ids ? pair_text(q->id, ours, sizeof(ours)) : "none",
		got[0].type ? pair_text(got, theirs, sizeof(theirs)) : "none",
		first_difference(q->has_ids ? q->id : none, got));
	return buf;
}

/* --- answers and their absence --- */

/* "ESP tunnel, aes-128, sha1 for 10.1.0.0/16[any] and 10.2.0.0/16[any], any protocol" */
static const char *offer_text(const struct ike1_quick *q, char *buf, size_t size)
{
	char own[256], pair[256];

	(void)phase2_own_text(&q->own, own, sizeof(own));
	if (q->has_ids)
		(void)snprintf(buf, size, "%s for %s", own, pair_text(q->id, pair, sizeof(pair)));
	else
		(void)snprintf(buf, size, "%s", own);
	return buf;
}

const char *quick_refused_text(const struct ike1_quick *q, unsigned notify, char *buf, size_t size)
{
	char offer[512], compare[96] = "src-address, dst-address, protocol and ports of the policy";

	if (notify != ISAKMP_N_INVALID_ID_INFORMATION)
		(void)snprintf(compare, sizeof(compare), "proposal %s and the policy", q->proposal);
	(void)snprintf(buf, size, "the peer says %s to what we offered: %s; compare %s with those of the peer",
		       msg_notify_name(notify), offer_text(q, offer, sizeof(offer)), compare);
	return buf;
}

const char *quick_unanswered_text(const struct ike1_quick *q, char *buf, size_t size)
{
	char offer[512];

	if (q->refusal)
		return quick_refused_text(q, q->refusal, buf, size);
	(void)snprintf(buf, size,
		       "time up, no answer to what we offered: %s; the peer's log says more: compare proposal %s, the "
		       "policy and its sa-src-address and sa-dst-address with those of the peer",
		       offer_text(q, offer, sizeof(offer)), q->proposal);
	return buf;
}
