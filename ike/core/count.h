/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of the engine: what is dropped or refused, one name each; shown by `xdp-ipsec status`. Strangers can raise them, so nothing is logged for each. */
#ifndef IKE_CORE_COUNT_H
#define IKE_CORE_COUNT_H

#define IKE_COUNTS(X)                                                                                                  \
	X(MALFORMED, "ike-malformed") /* a message that cannot be parsed */                                            \
	X(NO_PEER, "ike-no-peer")     /* first message of an address without peer item, or another exchange */         \
	X(HALF_OPEN, "ike-half-open") /* too many half-open phase 1 (spec section 22) */                               \
	X(UNKNOWN_COOKIE, "ike-unknown-cookie")                                                                        \
	X(UNPROTECTED, "ike-unprotected") /* informational in clear that is only looked at */                          \
	X(REPLAY, "ike-replay")		  /* repeated message, or a message ID that was used */                        \
	X(BAD_HASH, "ike-bad-hash")	  /* authentication failed */                                                  \
	X(UNEXPECTED, "ike-unexpected")	  /* does not fit the state */                                                 \
	X(NO_PROPOSAL, "ike-no-proposal") /* no transform in common */                                                 \
	X(NO_POLICY, "ike-no-policy")	  /* phase 2 selectors that no policy has */                                   \
	X(TIMEOUT, "ike-timeout")	  /* negotiation given up */                                                   \
	X(FRAGMENTS, "ike-fragments")	  /* IKE fragments dropped */                                                  \
	X(UNSAID, "ike-unsaid")		  /* log lines left out: their source caused too many */

#define IKE_COUNT_ENUM(name, text) IKE_COUNT_##name,
enum ike_count_id { IKE_COUNTS(IKE_COUNT_ENUM) IKE_COUNT_MAX };

const char *ike_count_name(unsigned which);

#endif
