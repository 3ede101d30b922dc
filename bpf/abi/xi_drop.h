/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Why a packet was dropped, or let pass. One list for the counters, the command line and the manual; append only
 * within each part's numbers: drops count from 1, passes from XI_PASS_BASE. Every drop belongs to exactly one of the 25
 * counters of spec section 12 (statistics); several reasons may share one.
 */
#ifndef XI_DROP_H
#define XI_DROP_H

/* X(symbol, name): the counters of spec section 12, in print order. */
#define XI_STATS(X)                                                                                                    \
	X(IN_ERRORS, "in-errors")                                                                                      \
	X(IN_BUFFER_ERRORS, "in-buffer-errors")                                                                        \
	X(IN_HEADER_ERRORS, "in-header-errors")                                                                        \
	X(IN_NO_STATES, "in-no-states")                                                                                \
	X(IN_STATE_PROTOCOL_ERRORS, "in-state-protocol-errors")                                                        \
	X(IN_STATE_MODE_ERRORS, "in-state-mode-errors")                                                                \
	X(IN_STATE_SEQUENCE_ERRORS, "in-state-sequence-errors")                                                        \
	X(IN_STATE_EXPIRED, "in-state-expired")                                                                        \
	X(IN_STATE_MISMATCHES, "in-state-mismatches")                                                                  \
	X(IN_STATE_INVALID, "in-state-invalid")                                                                        \
	X(IN_TEMPLATE_MISMATCHES, "in-template-mismatches")                                                            \
	X(IN_NO_POLICIES, "in-no-policies")                                                                            \
	X(IN_POLICY_BLOCKED, "in-policy-blocked")                                                                      \
	X(IN_POLICY_ERRORS, "in-policy-errors")                                                                        \
	X(OUT_ERRORS, "out-errors")                                                                                    \
	X(OUT_BUNDLE_ERRORS, "out-bundle-errors")                                                                      \
	X(OUT_BUNDLE_CHECK_ERRORS, "out-bundle-check-errors")                                                          \
	X(OUT_NO_STATES, "out-no-states")                                                                              \
	X(OUT_STATE_PROTOCOL_ERRORS, "out-state-protocol-errors")                                                      \
	X(OUT_STATE_MODE_ERRORS, "out-state-mode-errors")                                                              \
	X(OUT_STATE_SEQUENCE_ERRORS, "out-state-sequence-errors")                                                      \
	X(OUT_STATE_EXPIRED, "out-state-expired")                                                                      \
	X(OUT_POLICY_BLOCKED, "out-policy-blocked")                                                                    \
	X(OUT_POLICY_DEAD, "out-policy-dead")                                                                          \
	X(OUT_POLICY_ERRORS, "out-policy-errors")

enum xi_statistic {
#define X(sym, name) XI_STAT_##sym,
	XI_STATS(X)
#undef X
		XI_STAT_MAX
};

/* X(symbol, statistic, text) */
#define XI_DROPS(X)                                                                                                    \
	X(IN_ERROR, IN_ERRORS, "inbound failure that fits nothing else")                                               \
	X(IN_NO_BUFFER, IN_BUFFER_ERRORS, "no buffer for processing")                                                  \
	X(IN_NESTED, IN_BUFFER_ERRORS, "more than 6 nested transforms")                                                \
	X(IN_HEADER, IN_HEADER_ERRORS, "ESP or AH header truncated: no SPI or sequence number")                        \
	X(IN_INNER_SELECTORS, IN_HEADER_ERRORS, "selectors of the decrypted packet cannot be read")                    \
	X(IN_NO_SA, IN_NO_STATES, "no SA for destination, protocol and SPI")                                           \
	X(IN_ICV, IN_STATE_PROTOCOL_ERRORS, "ICV does not match: damaged packet or wrong key")                         \
	X(IN_PADDING, IN_STATE_PROTOCOL_ERRORS, "ESP padding wrong after decryption")                                  \
	X(IN_LENGTH, IN_STATE_PROTOCOL_ERRORS, "length does not fit the algorithm's blocks, IV and ICV")               \
	X(IN_ENGINE, IN_STATE_PROTOCOL_ERRORS, "crypto engine refused to open the packet")                             \
	X(IN_MODE, IN_STATE_MODE_ERRORS, "tunnel SA but the payload is not a sound IP packet")                         \
	X(IN_REPLAY_DUP, IN_STATE_SEQUENCE_ERRORS, "sequence number seen before")                                      \
	X(IN_REPLAY_OLD, IN_STATE_SEQUENCE_ERRORS, "sequence number left of the replay window")                        \
	X(IN_REPLAY_ZERO, IN_STATE_SEQUENCE_ERRORS, "sequence number zero")                                            \
	X(IN_EXPIRED, IN_STATE_EXPIRED, "inbound SA past its hard limit")                                              \
	X(IN_ENCAP, IN_STATE_MISMATCHES, "ESP in UDP for a plain SA, or the reverse")                                  \
	X(IN_SA_SELECTOR, IN_STATE_MISMATCHES, "decrypted packet outside the SA's own selector or outer source")       \
	X(IN_SA_INVALID, IN_STATE_INVALID, "SA found but not usable")                                                  \
	X(IN_PLAIN, IN_TEMPLATE_MISMATCHES, "arrived in clear although a policy requires protection")                  \
	X(IN_TEMPLATE, IN_TEMPLATE_MISMATCHES, "arrived by an SA that does not satisfy the matching policy")           \
	X(IN_NO_POLICY, IN_NO_POLICIES, "came out of a tunnel SA but no policy matches")                               \
	X(IN_BLOCKED, IN_POLICY_BLOCKED, "policy action discard, inbound")                                             \
	X(IN_LOOKUP, IN_POLICY_ERRORS, "policy lookup failed, inbound")                                                \
	X(IN_NO_WORKER, IN_ERRORS, "protected packet arrived, but no xdp-ipsecd serves this interface and queue")      \
	X(IN_ECN, IN_ERRORS, "outer header says congestion, inner cannot carry it (RFC 6040)")                         \
	X(IN_INJECT, IN_ERRORS, "decrypted packet could not be handed to the stack")                                   \
	X(IN_TX_FULL, IN_ERRORS, "transmit ring full, decrypted packet")                                               \
	X(OUT_ERROR, OUT_ERRORS, "outbound failure that fits nothing else")                                            \
	X(OUT_NO_WORKER, OUT_ERRORS, "to be protected, but no xdp-ipsecd serves this interface and queue")             \
	X(OUT_NO_ROOM, OUT_ERRORS, "no room in the frame for the outer headers")                                       \
	X(OUT_NO_ROUTE, OUT_BUNDLE_ERRORS, "no route to the SA's remote endpoint")                                     \
	X(OUT_BUNDLE, OUT_BUNDLE_ERRORS, "transforms of the policy cannot be built for this packet")                   \
	X(OUT_BUNDLE_CHECK, OUT_BUNDLE_CHECK_ERRORS, "built bundle is stale")                                          \
	X(OUT_NO_SA, OUT_NO_STATES, "policy requires an SA, none is usable")                                           \
	X(OUT_ENGINE, OUT_STATE_PROTOCOL_ERRORS, "crypto engine refused to seal the packet")                           \
	X(OUT_TOO_BIG, OUT_STATE_MODE_ERRORS, "too big for the path and DF set")                                       \
	X(OUT_MODE, OUT_STATE_MODE_ERRORS, "encapsulation failed: malformed packet")                                   \
	X(OUT_SEQUENCE, OUT_STATE_SEQUENCE_ERRORS, "sequence numbers of the SA are used up")                           \
	X(OUT_EXPIRED, OUT_STATE_EXPIRED, "outbound SA past its hard limit")                                           \
	X(OUT_BLOCKED, OUT_POLICY_BLOCKED, "policy action discard, outbound")                                          \
	X(OUT_POLICY_DEAD, OUT_POLICY_DEAD, "policy removed between lookup and use")                                   \
	X(OUT_LOOKUP, OUT_POLICY_ERRORS, "policy lookup failed, outbound")                                             \
	X(OUT_TX_FULL, OUT_ERRORS, "transmit ring full, protected packet")                                             \
	X(OUT_SLOW, OUT_ERRORS, "slow path could not send the protected packet")                                       \
	X(OUT_OTHERHOST, OUT_ERRORS, "to be protected, but sent to a MAC address that is not this interface's")        \
	X(IN_RING_FULL, IN_BUFFER_ERRORS, "lost between XDP and worker: ring full or no free frame")                   \
	X(OUT_NAT, OUT_ERRORS, "to be protected, but rewritten by NAT: exempt the pair from NAT")                      \
	X(OUT_SOURCE, OUT_ERRORS, "source address fails the reverse path check, or forwarding is off")                 \
	X(IN_FRAG_BAD, IN_HEADER_ERRORS, "fragment of ESP or AH overlaps another, is too small or out of bounds")      \
	X(IN_FRAG_FULL, IN_BUFFER_ERRORS, "no room to put another fragmented ESP or AH packet together")               \
	X(IN_FRAG_OLD, IN_ERRORS, "not all fragments of an ESP or AH packet arrived in time")                          \
	X(OUT_ENDPOINTS, OUT_BUNDLE_ERRORS, "transport mode, but the packet's addresses are not the SA's endpoints")   \
	X(IN_UNATTACHED, IN_ERRORS, "arrived in clear by an interface made anew, not yet attached again")              \
	X(OUT_UNATTACHED, OUT_ERRORS, "to be protected, but its interface was made anew and is not attached again")    \
	X(IN_PAIR, IN_BUFFER_ERRORS, "lost in the internal interfaces on its way into the stack: backlog full")        \
	X(OUT_PAIR, OUT_ERRORS, "lost in the internal interfaces on its way to a worker: queue full")                  \
	X(OUT_REDIRECT, OUT_ERRORS, "ICMP redirect about a packet that came out of a tunnel, which it quotes")

/* X(symbol, text) */
#define XI_PASSES(X)                                                                                                   \
	X(PASS_NOT_IP, "not IP: left to the stack")                                                                    \
	X(PASS_MALFORMED, "IP header malformed: left to the stack, which drops it")                                    \
	X(PASS_NO_POLICY, "no policy matches")                                                                         \
	X(PASS_NONE, "policy action none")                                                                             \
	X(PASS_USE, "policy level use without an SA")                                                                  \
	X(PASS_LOCAL, "for an address of this host")                                                                   \
	X(PASS_IKE, "IKE for this host")                                                                               \
	X(DUMMY, "decrypted dummy packet (RFC 4303), ends here")                                                       \
	X(PASS_MULTICAST, "multicast or broadcast")                                                                    \
	X(PASS_TTL, "TTL used up: the stack answers")                                                                  \
	X(PASS_OURS, "our own ESP or AH on its way out")                                                               \
	X(PASS_INJECTED, "decrypted packet on its way into the stack")                                                 \
	X(TO_WORKER, "handed to a worker")                                                                             \
	X(PASS_ND, "neighbour discovery or multicast listener message of the link")                                    \
	X(TO_INTERNAL, "the host's own packet, handed to the internal interface")                                      \
	X(KEEPALIVE, "NAT keep-alive (RFC 3948), ends here")                                                           \
	X(PASS_NO_VLAN, "for this host, but tagged for a VLAN without a device here: left to the stack, which drops "  \
			"it")                                                                                          \
	X(PASS_NAT, "answer of a translated connection: the stack translates it back, tc egress judges it then")

#define XI_PASS_BASE 96
#define XI_REASON_MAX 128

enum xi_drop {
	XI_OK = 0,
#define X(sym, stat, text) XI_DROP_##sym,
	XI_DROPS(X)
#undef X
		XI_DROP_MAX
};

enum xi_pass {
	XI_PASS_FIRST = XI_PASS_BASE - 1,
#define X(sym, text) XI_##sym,
	XI_PASSES(X)
#undef X
		XI_PASS_MAX
};

/* xi_wstat: the same reasons, counted by one worker, and where it is. */
struct xi_wstat {
	unsigned long long reason[XI_REASON_MAX];
	unsigned long long
		epoch; /* odd while it works on a burst; whoever takes an SA away waits until it has moved on */
	unsigned long long res[7];
};

_Static_assert(XI_STAT_MAX == 25, "spec section 12 has 25 counters");
_Static_assert((int)XI_DROP_MAX <= XI_PASS_BASE && (int)XI_PASS_MAX <= XI_REASON_MAX, "abi");

#endif
