/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of payloads and notifications for logs, and the vendor IDs that are known (spec section 24.3). */
#include <stdio.h>

#include "ike/msg/msg.h"

static const char *const payload_name[256] = {
	[ISAKMP_P_NONE] = "none",
	[ISAKMP_P_SA] = "SA",
	[ISAKMP_P_PROPOSAL] = "proposal",
	[ISAKMP_P_TRANSFORM] = "transform",
	[ISAKMP_P_KE] = "KE",
	[ISAKMP_P_ID] = "ID",
	[ISAKMP_P_CERT] = "CERT",
	[ISAKMP_P_CR] = "CR",
	[ISAKMP_P_HASH] = "HASH",
	[ISAKMP_P_SIG] = "SIG",
	[ISAKMP_P_NONCE] = "NONCE",
	[ISAKMP_P_NOTIFY] = "N",
	[ISAKMP_P_DELETE] = "D",
	[ISAKMP_P_VID] = "VID",
	[ISAKMP_P_NAT_D] = "NAT-D",
	[ISAKMP_P_NAT_OA] = "NAT-OA",
	[ISAKMP_P_NAT_D_DRAFT] = "NAT-D (draft)",
	[ISAKMP_P_NAT_OA_DRAFT] = "NAT-OA (draft)",
	[ISAKMP_P_FRAGMENT] = "fragment",
};

static const struct {
	uint16_t type;
	const char *name;
} notify_name[] = {
	{ISAKMP_N_INVALID_PAYLOAD_TYPE, "INVALID-PAYLOAD-TYPE"},
	{ISAKMP_N_DOI_NOT_SUPPORTED, "DOI-NOT-SUPPORTED"},
	{ISAKMP_N_SITUATION_NOT_SUPPORTED, "SITUATION-NOT-SUPPORTED"},
	{ISAKMP_N_INVALID_COOKIE, "INVALID-COOKIE"},
	{ISAKMP_N_INVALID_MAJOR_VERSION, "INVALID-MAJOR-VERSION"},
	{ISAKMP_N_INVALID_MINOR_VERSION, "INVALID-MINOR-VERSION"},
	{ISAKMP_N_INVALID_EXCHANGE_TYPE, "INVALID-EXCHANGE-TYPE"},
	{ISAKMP_N_INVALID_FLAGS, "INVALID-FLAGS"},
	{ISAKMP_N_INVALID_MESSAGE_ID, "INVALID-MESSAGE-ID"},
	{ISAKMP_N_INVALID_PROTOCOL_ID, "INVALID-PROTOCOL-ID"},
	{ISAKMP_N_INVALID_SPI, "INVALID-SPI"},
	{ISAKMP_N_ATTRIBUTES_NOT_SUPPORTED, "ATTRIBUTES-NOT-SUPPORTED"},
	{ISAKMP_N_NO_PROPOSAL_CHOSEN, "NO-PROPOSAL-CHOSEN"},
	{ISAKMP_N_BAD_PROPOSAL_SYNTAX, "BAD-PROPOSAL-SYNTAX"},
	{ISAKMP_N_PAYLOAD_MALFORMED, "PAYLOAD-MALFORMED"},
	{ISAKMP_N_INVALID_KEY_INFORMATION, "INVALID-KEY-INFORMATION"},
	{ISAKMP_N_INVALID_ID_INFORMATION, "INVALID-ID-INFORMATION"},
	{ISAKMP_N_INVALID_CERT_ENCODING, "INVALID-CERT-ENCODING"},
	{ISAKMP_N_INVALID_CERTIFICATE, "INVALID-CERTIFICATE"},
	{ISAKMP_N_INVALID_CERT_AUTHORITY, "INVALID-CERT-AUTHORITY"},
	{ISAKMP_N_INVALID_HASH_INFORMATION, "INVALID-HASH-INFORMATION"},
	{ISAKMP_N_AUTHENTICATION_FAILED, "AUTHENTICATION-FAILED"},
	{ISAKMP_N_INVALID_SIGNATURE, "INVALID-SIGNATURE"},
	{ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "UNEQUAL-PAYLOAD-LENGTHS"},
	{ISAKMP_N_RESPONDER_LIFETIME, "RESPONDER-LIFETIME"},
	{ISAKMP_N_REPLAY_STATUS, "REPLAY-STATUS"},
	{ISAKMP_N_INITIAL_CONTACT, "INITIAL-CONTACT"},
	{ISAKMP_N_R_U_THERE, "R-U-THERE"},
	{ISAKMP_N_R_U_THERE_ACK, "R-U-THERE-ACK"},
};

const char *msg_payload_name(unsigned type)
{
	return type < ARRAY_SIZE(payload_name) && payload_name[type] ? payload_name[type] : "unknown";
}

const char *msg_notify_name(unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(notify_name); i++)
		if (notify_name[i].type == type)
			return notify_name[i].name;
	return "unknown";
}

const char *msg_err_text(const struct msg_err *e, char *buf, size_t size)
{
	if (!e->payload)
		(void)snprintf(buf, size, "header: %s", e->what);
	else
		(void)snprintf(buf, size, "payload %u (%s): %s", e->index + 1u, msg_payload_name(e->payload), e->what);
	return buf;
}

static const struct {
	const char *name;
	uint8_t len;
	uint8_t id[16];
} vid[MSG_VID_COUNT] = {
	[MSG_VID_UNKNOWN] = {.name = "unknown"},
	[MSG_VID_NAT_T_RFC3947] = {"RFC 3947", 16, "\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f"},
	[MSG_VID_NAT_T_03] = {"draft-ietf-ipsec-nat-t-ike-03", 16,
			      "\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56"},
	[MSG_VID_NAT_T_02N] = {"draft-ietf-ipsec-nat-t-ike-02\\n", 16,
			       "\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f"},
	[MSG_VID_NAT_T_02] = {"draft-ietf-ipsec-nat-t-ike-02", 16,
			      "\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48"},
	[MSG_VID_NAT_T_00] = {"draft-ietf-ipsec-nat-t-ike-00", 16,
			      "\x44\x85\x15\x2d\x18\xb6\xbb\xcd\x0b\xe8\xa8\x46\x95\x79\xdd\xcc"},
	/* RFC 3706 §5.1: the last two are major and minor version */
	[MSG_VID_DPD] = {"DPD", 16, "\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00"},
	[MSG_VID_FRAGMENTATION] = {"IKE fragmentation", 16,
				   "\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3"},
	[MSG_VID_KAME] = {"KAME/racoon", 16, "\x70\x03\xcb\xc1\x09\x7d\xbe\x9c\x26\x00\xba\x69\x83\xbc\x8b\x35"},
	[MSG_VID_IPSEC_TOOLS] = {"IPSec-Tools", 16, "\x20\xa3\x62\x2c\x1c\xea\x7c\xe3\x7b\xee\x3c\xa4\x84\x42\x52\x76"},
};

enum msg_vid msg_vid_of(struct bytes body)
{
	for (unsigned i = MSG_VID_UNKNOWN + 1; i < MSG_VID_COUNT; i++)
		if (body.len >= vid[i].len && !memcmp(body.p, vid[i].id, vid[i].len))
			return (enum msg_vid)i;
	return MSG_VID_UNKNOWN;
}

struct bytes msg_vid_bytes(enum msg_vid v)
{
	return (struct bytes){vid[v].id, vid[v].len};
}

const char *msg_vid_name(enum msg_vid v)
{
	return vid[v].name;
}
