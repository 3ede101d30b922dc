/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Complete IKEv1 exchanges between third-party daemons (strongSwan 5.9.8, racoon 0.9.1) with the values they logged: tests/vectors/ike1_*.h.
 * Header only: each file in tests/lib is a program.
 */
#ifndef LIB_IKE1_CAPTURE_H
#define LIB_IKE1_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "ike/msg/msg.h"

#define CAPTURE_MSGS 20
#define CAPTURE_VALUES 64
#define CAPTURE_MSG_MAX 2048

struct ike1_capture {
	const char *name;
	const char *psk; /* of those that authenticate with one */
	struct {
		int from_responder; /* of phase 1 */
		const char *hex;    /* ISAKMP message without non-ESP marker */
	} msg[CAPTURE_MSGS];	    /* hex NULL: end */
	struct {
		const char *
			what; /* in the words of strongSwan's log: "SKEYID_d", "HASH_I", "child encryption initiator key" */
		const char *hex;
	} value[CAPTURE_VALUES]; /* in the order of the log; what NULL: end */
};

#include "tests/vectors/ike1_racoon_aggressive_psk.h"
#include "tests/vectors/ike1_racoon_base_psk.h"
#include "tests/vectors/ike1_racoon_base_rsasig.h"
#include "tests/vectors/ike1_racoon_main_psk.h"
#include "tests/vectors/ike1_racoon_natt.h"
#include "tests/vectors/ike1_racoon_pfs.h"
#include "tests/vectors/ike1_raw_v1_esp_transport.h"
#include "tests/vectors/ike1_raw_v1_esp_tunnel.h"
#include "tests/vectors/ike1_v1_aggressive_psk_3des_md5.h"
#include "tests/vectors/ike1_v1_main_psk.h"
#include "tests/vectors/ike1_v1_main_psk_pfs.h"
#include "tests/vectors/ike1_v1_main_rsa.h"
#include "tests/vectors/ike1_v1_xauth_modecfg.h"

static const struct ike1_capture *const ike1_captures[] = {
	&cap_racoon_aggressive_psk, &cap_racoon_base_psk,   &cap_racoon_base_rsasig,
	&cap_racoon_main_psk,	    &cap_racoon_natt,	    &cap_racoon_pfs,
	&cap_raw_v1_esp_transport,  &cap_raw_v1_esp_tunnel, &cap_v1_aggressive_psk_3des_md5,
	&cap_v1_main_psk,	    &cap_v1_main_psk_pfs,   &cap_v1_main_rsa,
	&cap_v1_xauth_modecfg,
};

/* Bytes of a hex string in out[max]; aborts when it is none. */
static inline size_t unhex(uint8_t *out, size_t max, const char *hex)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (n > max || sscanf(hex + 2 * i, "%2x", &v) != 1)
			abort();
		out[i] = (uint8_t)v;
	}
	return n;
}

/* The n-th value (from 0) of that name; NULL: the daemon did not log it. */
static inline const char *capture_value(const struct ike1_capture *c, const char *what, unsigned n)
{
	for (unsigned i = 0; i < CAPTURE_VALUES && c->value[i].what; i++)
		if (!strcmp(c->value[i].what, what) && n-- == 0)
			return c->value[i].hex;
	return NULL;
}

#endif
