/* SPDX-License-Identifier: BSD-2-Clause */
/* The table. Rows stand in print order (spec sections 6.1, 9, 10, 12); defaults are text and read by the parser itself. */
#include "user/conf/props.h"

#include <stddef.h>

#include "bpf/abi/xi_drop.h"
#include "user/conf/conf.h"

static const char *const action_words[] = {"none", "discard", "encrypt", NULL};
static const char *const level_words[] = {"use", "require", "unique", NULL};
static const char *const protos_words[] = {"ah", "esp", NULL};
static const char *const auth_method_words[] = {"pre-shared-key", "rsa-signature", "rsa-key", NULL};
static const char *const generate_words[] = {"no", "yes", "port-strict", NULL};
static const char *const exchange_words[] = {"main", "main-l2tp", "aggressive", "base", NULL};
static const char *const check_words[] = {"claim", "exact", "obey", "strict", NULL};
static const char *const hash_words[] = {"md5", "sha1", "sha256", "sha384", "sha512", NULL};
static const char *const ike_enc_words[] = {"3des",	    "aes-128",	    "aes-192",	    "aes-256", "blowfish",
					    "camellia-128", "camellia-192", "camellia-256", "des",     NULL};
#define GROUPS                                                                                                         \
	"ec2n155", "ec2n185", "modp768", "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144",       \
		"modp8192", "ecp256", "ecp384", "ecp521", "x25519", NULL
static const char *const group_words[] = {GROUPS};
static const char *const pfs_words[] = {"none", GROUPS};
static const char *const auth_words[] = {"md5", "sha1", "null", "sha256", "sha384", "sha512", "aes-xcbc", NULL};
/* clang-format off */
static const char *const enc_words[] = { /* 32: a set has no room for more */
	"null", "des", "3des", "aes-128", "aes-192", "aes-256", "blowfish", "camellia-128", "camellia-192", "camellia-256", "twofish",
	"aes-128-ctr", "aes-192-ctr", "aes-256-ctr",
	"aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "aes-128-gcm-12", "aes-192-gcm-12", "aes-256-gcm-12",
	"aes-128-gcm-8", "aes-192-gcm-8", "aes-256-gcm-8",
	"aes-128-ccm", "aes-192-ccm", "aes-256-ccm", "aes-128-ccm-12", "aes-192-ccm-12", "aes-256-ccm-12",
	"aes-128-ccm-8", "aes-192-ccm-8", "aes-256-ccm-8", NULL};
/* clang-format on */
static const char *const ph2_words[] = {"no-phase2", "established", "expired", NULL};
static const char *const mode_words[] = {"native", "generic", NULL};
static const char *const if_state_words[] = {"not-attached", "no-xdp-ipsecd", "partly", "running", NULL};
static const char *const zc_words[] = {"no", "partly", "yes", NULL};
static const char *const sa_state_words[] = {"larval", "mature", "dying", "dead", NULL};
static const char *const alg_kind_words[] = {"cipher", "aead", "auth", "ah-auth", NULL};
static const char *const alg_status_words[] = {"ok", "disabled", NULL};
static const char *const dir_words[] = {"in", "out", NULL};
static const char *const sa_mode_words[] = {"transport", "tunnel", NULL};

/* clang-format off */
#define AT(record, field) .off = offsetof(struct record, field)
#define TEXT_AT(record, field) AT(record, field), .size = sizeof(((struct record *)0)->field)
#define COMMON(record) \
	{ .name = "comment", .type = PT_STRING, .flags = PF_HIDDEN, TEXT_AT(record, it.comment), .def = "", \
	  .help = "free text" }, \
	{ .name = "disabled", .type = PT_BOOL, .flags = PF_HIDDEN, AT(record, it.disabled), .def = "no", \
	  .help = "the item is kept but has no effect" }

static const struct prop policy_props[] = {
	{ .name = "src-address", .type = PT_PREFIX, .flags = PF_SELECTOR | PF_BRIEF, AT(conf_policy, src),
	  .def = "0.0.0.0/32", .help = "source prefix as seen outbound; inbound the roles swap" },
	{ .name = "src-port", .type = PT_INT, .flags = PF_SELECTOR, AT(conf_policy, src_port), .def = "any", .min = 0,
	  .max = 65535, .special = "any", .special_value = -1, .help = "source port" },
	{ .name = "dst-address", .type = PT_PREFIX, .flags = PF_SELECTOR | PF_BRIEF, AT(conf_policy, dst),
	  .def = "0.0.0.0/32", .help = "destination prefix" },
	{ .name = "dst-port", .type = PT_INT, .flags = PF_SELECTOR, AT(conf_policy, dst_port), .def = "any", .min = 0,
	  .max = 65535, .special = "any", .special_value = -1, .help = "destination port" },
	{ .name = "protocol", .type = PT_PROTO, .flags = PF_SELECTOR | PF_BRIEF, AT(conf_policy, proto), .def = "all",
	  .min = 0, .max = 255, .help = "upper protocol: all, a name or a number" },
	{ .name = "action", .type = PT_ENUM, .flags = PF_BRIEF, AT(conf_policy, action), .def = "encrypt",
	  .words = action_words, .help = "let pass unchanged, drop, or apply the transforms of this policy" },
	{ .name = "level", .type = PT_ENUM, AT(conf_policy, level), .def = "require", .words = level_words,
	  .help = "what happens while an SA is missing: use lets packets pass in clear, require and unique drop them; unique has SAs of its own, others share those of the same ends, mode and protocols" },
	{ .name = "ipsec-protocols", .type = PT_SET, AT(conf_policy, protos), .def = "esp", .words = protos_words,
	  .help = "transforms; both: ESP is applied first and AH over it" },
	{ .name = "tunnel", .type = PT_BOOL, AT(conf_policy, tunnel), .def = "no",
	  .help = "tunnel or transport mode; with both protocols in a tunnel, AH is in transport mode on the outer packet" },
	{ .name = "sa-src-address", .type = PT_ADDR, AT(conf_policy, sa_src), .def = "::",
	  .help = "our end of the SAs; unset: taken from the route to sa-dst-address" },
	{ .name = "sa-dst-address", .type = PT_ADDR, .flags = PF_BRIEF, AT(conf_policy, sa_dst), .def = "::",
	  .help = "the peer's end; unset: in transport mode a host dst-address, else the policy is inactive" },
	{ .name = "proposal", .type = PT_REF, .flags = PF_STATIC, TEXT_AT(conf_policy, proposal),
	  .def = PROPOSAL_BUILTIN, .ref = MENU_PROPOSAL, .help = "what IKE offers and accepts for the SAs" },
	{ .name = "manual-sa", .type = PT_REF, .flags = PF_SKIP_DEFAULT | PF_STATIC, AT(conf_policy, manual_sa),
	  .size = XI_NAME_MAX, .def = "none", .special = "none", .ref = MENU_MANUAL_SA,
	  .help = "take the SAs from that manual-sa item" },
	{ .name = "priority", .type = PT_INT, .flags = PF_STATIC, AT(conf_policy, priority), .def = "0",
	  .min = -2147483646, .max = 2147483647, .help = "larger is evaluated earlier" },
	{ .name = "tcp-mss", .type = PT_INT, .flags = PF_SKIP_DEFAULT | PF_STATIC, AT(conf_policy, tcp_mss), .def = "auto",
	  .min = 536, .max = 65495, .special = "auto", .special_value = XI_MSS_AUTO, .special2 = "off",
	  .special2_value = XI_MSS_OFF, .unit = "bytes", .help = "largest MSS that TCP connections through the policy may "
	  "agree on, either way; auto: what fits into the path, off: left alone; others than auto need action=encrypt and "
	  "protocol=all or tcp" },
	COMMON(conf_policy),
	{ .name = "ph2-state", .type = PT_ENUM, .flags = PF_READONLY | PF_STATS, AT(conf_policy, ph2_state),
	  .words = ph2_words, .help = "established while usable SAs in both directions are installed" },
	{ .name = "in-accepted", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS, AT(conf_policy, stat.in_accepted),
	  .unit = "packets", .help = "inbound, passed without trying to decrypt" },
	{ .name = "in-dropped", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS, AT(conf_policy, stat.in_dropped),
	  .unit = "packets", .help = "inbound, dropped without trying to decrypt" },
	{ .name = "in-transformed", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS,
	  AT(conf_policy, stat.in_transformed), .unit = "packets", .help = "inbound, decrypted and let in" },
	{ .name = "out-accepted", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS, AT(conf_policy, stat.out_accepted),
	  .unit = "packets", .help = "outbound, passed without trying to encrypt" },
	{ .name = "out-dropped", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS, AT(conf_policy, stat.out_dropped),
	  .unit = "packets", .help = "outbound, dropped without trying to encrypt" },
	{ .name = "out-transformed", .type = PT_COUNT, .flags = PF_READONLY | PF_STATS,
	  AT(conf_policy, stat.out_transformed), .unit = "packets", .help = "outbound, encrypted" },
};

static const struct prop msa_props[] = {
	{ .name = "name", .type = PT_NAME, .flags = PF_MANDATORY | PF_BRIEF, TEXT_AT(conf_msa, name), .def = "",
	  .help = "how policies refer to it" },
	{ .name = "ah-algorithm", .type = PT_ALG_PAIR, .flags = PF_AH, AT(conf_msa, ah_alg), .def = "null",
	  .alg = ALG_AUTH, .help = "AH authentication in/out" },
	{ .name = "esp-auth-algorithm", .type = PT_ALG_PAIR, .flags = PF_BRIEF, AT(conf_msa, esp_auth), .def = "null",
	  .alg = ALG_AUTH, .help = "ESP authentication in/out" },
	{ .name = "esp-enc-algorithm", .type = PT_ALG_PAIR, .flags = PF_BRIEF, AT(conf_msa, esp_enc), .def = "null",
	  .alg = ALG_ENC, .help = "ESP cipher in/out" },
	{ .name = "ah-key", .type = PT_KEY_PAIR, .flags = PF_SENSITIVE, AT(conf_msa, ah_key), .def = "",
	  .help = "hexadecimal, in/out; exactly as long as the algorithm says" },
	{ .name = "esp-auth-key", .type = PT_KEY_PAIR, .flags = PF_SENSITIVE, AT(conf_msa, esp_auth_key), .def = "",
	  .help = "hexadecimal, in/out; exactly as long as the algorithm says" },
	{ .name = "esp-enc-key", .type = PT_KEY_PAIR, .flags = PF_SENSITIVE, AT(conf_msa, esp_enc_key), .def = "",
	  .help = "hexadecimal, in/out; with the salt of GCM, CCM, GMAC, ChaCha20 or the nonce of CTR behind the key" },
	{ .name = "ah-spi", .type = PT_SPI_PAIR, AT(conf_msa, ah_spi), .def = "0x100", .min = 0x100, .max = 0xffffffff,
	  .help = "hexadecimal, in/out" },
	{ .name = "esp-spi", .type = PT_SPI_PAIR, .flags = PF_BRIEF, AT(conf_msa, esp_spi), .def = "0x100",
	  .min = 0x100, .max = 0xffffffff, .help = "hexadecimal, in/out" },
	{ .name = "lifetime", .type = PT_TIME, AT(conf_msa, lifetime), .def = "0s", .min = 0, .max = 4294967295,
	  .help = "hard lifetime of the SAs; 0s is unlimited" },
	{ .name = "replay", .type = PT_INT, .flags = PF_SKIP_DEFAULT, AT(conf_msa, replay), .def = "0", .min = 0,
	  .max = 8192, .unit = "bytes", .help = "anti-replay window of the inbound SA, 8 packets a byte; 0 is off, else "
	  "at least 4" },
	{ .name = "unsafe-aead", .type = PT_BOOL, .flags = PF_SKIP_DEFAULT, AT(conf_msa, unsafe_aead), .def = "no",
	  .help = "allows AEAD and counter modes: laboratory use only, counters start anew under the same key after a "
	  "reboot" },
	{ .name = "esn", .type = PT_BOOL, .flags = PF_SKIP_DEFAULT, AT(conf_msa, esn), .def = "no",
	  .help = "64-bit sequence numbers; needs replay" },
	{ .name = "nat-traversal", .type = PT_BOOL, .flags = PF_SKIP_DEFAULT, AT(conf_msa, natt), .def = "no",
	  .help = "ESP in UDP, our port is 4500, with keep-alives; not with AH, which covers what NAT rewrites" },
	{ .name = "natt-port", .type = PT_INT, .flags = PF_SKIP_DEFAULT, AT(conf_msa, natt_port), .def = "4500", .min = 1,
	  .max = 65535, .help = "UDP port of the peer with nat-traversal" },
	{ .name = "lifebytes", .type = PT_INT, .flags = PF_SKIP_DEFAULT, AT(conf_msa, lifebytes), .def = "0", .min = 0,
	  .max = INT64_MAX, .unit = "bytes", .help = "hard limit of each SA; 0 is none" },
	{ .name = "lifepackets", .type = PT_INT, .flags = PF_SKIP_DEFAULT, AT(conf_msa, lifepackets), .def = "0",
	  .min = 0, .max = INT64_MAX, .unit = "packets", .help = "hard limit of each SA; 0 is none" },
	{ .name = "ah-align8", .type = PT_BOOL, .flags = PF_SKIP_DEFAULT, AT(conf_msa, ah_align8), .def = "no",
	  .help = "AH over IPv4 is sent with its header a multiple of 8 bytes, as Linux makes it, instead of 4" },
	COMMON(conf_msa),
};

#define WHEN(method) .when_off = offsetof(struct conf_peer, auth_method), .when = method
static const struct prop peer_props[] = {
	{ .name = "address", .type = PT_PREFIX, .flags = PF_BRIEF, AT(conf_peer, address), .def = "0.0.0.0/0",
	  .help = "remote addresses it is for; the longest prefix wins, 0.0.0.0/0 covers IPv4 only" },
	{ .name = "port", .type = PT_INT, AT(conf_peer, port), .def = "500", .min = 0, .max = 65535,
	  .help = "UDP port that IKE packets are sent to when initiating; 0 is 500" },
	{ .name = "auth-method", .type = PT_ENUM, .flags = PF_BRIEF, AT(conf_peer, auth_method), .def = "pre-shared-key",
	  .words = auth_method_words, .help = "shared password, X.509 certificates, or bare RSA keys" },
	{ .name = "secret", .type = PT_SECRET, .flags = PF_SENSITIVE | PF_WHEN, TEXT_AT(conf_peer, secret), .def = "",
	  WHEN(PEER_PSK), .help = "the pre-shared key; from 0x on hexadecimal bytes" },
	{ .name = "certificate", .type = PT_REF, .flags = PF_WHEN, TEXT_AT(conf_peer, certificate), .def = "",
	  WHEN(PEER_RSA_SIGNATURE), .help = "own certificate, with private key" },
	{ .name = "remote-certificate", .type = PT_REF, .flags = PF_WHEN, TEXT_AT(conf_peer, remote_certificate),
	  .def = "", WHEN(PEER_RSA_SIGNATURE), .help = "the peer's certificate; empty: it must send one that chains "
	  "to a trusted CA" },
	{ .name = "key", .type = PT_REF, .flags = PF_WHEN, TEXT_AT(conf_peer, key), .def = "", WHEN(PEER_RSA_KEY),
	  .help = "own key, with private part" },
	{ .name = "remote-key", .type = PT_REF, .flags = PF_WHEN, TEXT_AT(conf_peer, remote_key), .def = "",
	  WHEN(PEER_RSA_KEY), .help = "the peer's public key; empty: every key without private part is tried" },
	{ .name = "generate-policy", .type = PT_ENUM, AT(conf_peer, generate_policy), .def = "no",
	  .words = generate_words, .special = "port-override", .special_value = 1, .help = "let the peer bring up SAs that no policy is there for, as responder; "
	  "port-strict: with the ports and protocol that it proposes. It may claim any network that no policy of the list has: for peers that are trusted" },
	{ .name = "exchange-mode", .type = PT_ENUM, .flags = PF_BRIEF, AT(conf_peer, exchange_mode), .def = "main",
	  .words = exchange_words, .help = "phase 1 exchange to start, and the only one accepted" },
	{ .name = "send-initial-contact", .type = PT_BOOL, AT(conf_peer, send_initial_contact), .def = "yes",
	  .help = "tell the peer that we start from nothing" },
	{ .name = "nat-traversal", .type = PT_BOOL, AT(conf_peer, nat_traversal), .def = "no",
	  .help = "detect NAT on the path and then carry ESP in UDP; ESP only" },
	{ .name = "my-id-user-fqdn", .type = PT_STRING, TEXT_AT(conf_peer, my_id_user_fqdn), .def = "",
	  .help = "identity to send; empty: our address, with rsa-signature the certificate's subject" },
	{ .name = "proposal-check", .type = PT_ENUM, AT(conf_peer, proposal_check), .def = "obey",
	  .words = check_words, .help = "how strictly lifetimes, key length and PFS of an initiator are compared" },
	{ .name = "hash-algorithm", .type = PT_ENUM, AT(conf_peer, hash), .def = "md5", .words = hash_words,
	  .help = "of phase 1" },
	{ .name = "enc-algorithm", .type = PT_ENUM, AT(conf_peer, enc), .def = "3des", .words = ike_enc_words,
	  .help = "of phase 1" },
	{ .name = "dh-group", .type = PT_ENUM, AT(conf_peer, group), .def = "modp1024", .words = group_words,
	  .help = "of phase 1" },
	{ .name = "lifetime", .type = PT_TIME, AT(conf_peer, lifetime), .def = "1d", .min = 1, .max = 4294967295,
	  .help = "of phase 1" },
	{ .name = "lifebytes", .type = PT_INT, AT(conf_peer, lifebytes), .def = "0", .min = 0, .max = 4294967295,
	  .unit = "bytes", .help = "of phase 1; 0 is no limit" },
	{ .name = "dpd-interval", .type = PT_TIME, AT(conf_peer, dpd_interval), .def = "2m", .min = 1,
	  .max = 4294967295, .special = "disable-dpd", .special_value = 0,
	  .help = "time between looks whether the peer is alive, or disable-dpd" },
	{ .name = "dpd-maximum-failures", .type = PT_INT, AT(conf_peer, dpd_failures), .def = "5", .min = 1, .max = 100,
	  .help = "unanswered probes until the peer counts as dead" },
	COMMON(conf_peer),
};

static const struct prop proposal_props[] = {
	{ .name = "name", .type = PT_NAME, .flags = PF_MANDATORY | PF_BRIEF, TEXT_AT(conf_proposal, name), .def = "",
	  .help = "how policies refer to it" },
	{ .name = "auth-algorithms", .type = PT_SET, .flags = PF_BRIEF, AT(conf_proposal, auth), .def = "sha1",
	  .words = auth_words, .help = "allowed authentication; null: ESP without" },
	{ .name = "enc-algorithms", .type = PT_SET, .flags = PF_BRIEF, AT(conf_proposal, enc), .def = "3des",
	  .words = enc_words, .help = "allowed ciphers" },
	{ .name = "lifetime", .type = PT_TIME, AT(conf_proposal, lifetime), .def = "30m", .min = 1, .max = 4294967295,
	  .help = "how long an SA is used" },
	{ .name = "pfs-group", .type = PT_ENUM, .flags = PF_BRIEF, AT(conf_proposal, pfs), .def = "modp1024",
	  .words = pfs_words, .help = "group of a fresh Diffie-Hellman exchange in each phase 2" },
	COMMON(conf_proposal),
};

static const struct prop key_props[] = {
	{ .name = "name", .type = PT_NAME, .flags = PF_MANDATORY | PF_BRIEF, TEXT_AT(conf_rsa_key, name), .def = "",
	  .help = "how peers refer to it" },
	{ .name = "key-size", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_rsa_key, key_size) },
	{ .name = "private-key", .type = PT_BOOL, .flags = PF_READONLY | PF_HIDDEN, AT(conf_rsa_key, private_key),
	  .help = "the private part is there" },
	{ .name = "rsa", .type = PT_BOOL, .flags = PF_READONLY | PF_HIDDEN, AT(conf_rsa_key, rsa) },
};

static const struct prop cert_props[] = {
	{ .name = "name", .type = PT_NAME, .flags = PF_MANDATORY | PF_BRIEF, TEXT_AT(conf_cert, name), .def = "",
	  .help = "how peers refer to it" },
	{ .name = "subject", .type = PT_STRING, .flags = PF_READONLY | PF_OPTIONAL | PF_BRIEF,
	  TEXT_AT(conf_cert, subject) },
	{ .name = "issuer", .type = PT_STRING, .flags = PF_READONLY, TEXT_AT(conf_cert, issuer) },
	{ .name = "serial-number", .type = PT_STRING, .flags = PF_READONLY | PF_OPTIONAL, TEXT_AT(conf_cert, serial) },
	{ .name = "invalid-before", .type = PT_DATE, .flags = PF_READONLY | PF_OPTIONAL, AT(conf_cert, from) },
	{ .name = "invalid-after", .type = PT_DATE, .flags = PF_READONLY | PF_OPTIONAL | PF_BRIEF, AT(conf_cert, to),
	  .help = "of a CRL: when the next one is due" },
	{ .name = "trusted", .type = PT_BOOL, .flags = PF_BRIEF, AT(conf_cert, trusted), .def = "no",
	  .help = "certificates that it issued are accepted; certificate authorities are trusted when imported" },
	{ .name = "key-size", .type = PT_STRING, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL,
	  TEXT_AT(conf_cert, key_size) },
	{ .name = "subject-alt-name", .type = PT_STRING, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL,
	  TEXT_AT(conf_cert, alt_name) },
	{ .name = "fingerprint", .type = PT_STRING, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL,
	  TEXT_AT(conf_cert, fingerprint), .help = "SHA-256 of the certificate" },
};

static const struct prop remote_props[] = {
	{ .name = "local-address", .type = PT_ADDR, .flags = PF_READONLY | PF_BRIEF, AT(conf_remote_peer, local) },
	{ .name = "remote-address", .type = PT_ADDR, .flags = PF_READONLY | PF_BRIEF, AT(conf_remote_peer, remote) },
	{ .name = "state", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_remote_peer, state) },
	{ .name = "side", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_remote_peer, side),
	  .help = "who started phase 1" },
	{ .name = "established", .type = PT_TIME, .flags = PF_READONLY | PF_OPTIONAL | PF_BRIEF,
	  AT(conf_remote_peer, established), .help = "time in that state" },
	{ .name = "local-port", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_remote_peer, local_port) },
	{ .name = "remote-port", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_remote_peer, remote_port) },
	{ .name = "exchange-mode", .type = PT_REF, .flags = PF_READONLY | PF_DETAIL,
	  TEXT_AT(conf_remote_peer, exchange_mode) },
	{ .name = "natt-peer", .type = PT_BOOL, .flags = PF_READONLY | PF_DETAIL, AT(conf_remote_peer, natt),
	  .help = "there is NAT between us" },
	{ .name = "ph2-total", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_remote_peer, ph2_total),
	  .help = "phase 2 negotiations that came about" },
	{ .name = "dpd-failures", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL,
	  AT(conf_remote_peer, dpd_failures), .help = "unanswered probes" },
	{ .name = "id", .type = PT_STRING, .flags = PF_READONLY | PF_DETAIL, TEXT_AT(conf_remote_peer, id),
	  .help = "identity that the peer sent" },
	{ .name = "expires-in", .type = PT_TIME, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL,
	  AT(conf_remote_peer, expires_in) },
};

static const struct prop settings_props[] = {
	{ .name = "max-policies", .type = PT_INT, AT(conf_settings, max_policies), .def = "4096", .min = 16,
	  .max = 131072, .help = "policies the maps hold, 0.6 KB each and 64 bytes more for each CPU and worker; "
		"in force from the next time the first interface is attached" },
	{ .name = "max-sas", .type = PT_INT, AT(conf_settings, max_sas), .def = "4096", .min = 16, .max = 131072,
	  .help = "SAs the maps hold, 9 KB each; in force as max-policies" },
};

static const struct prop if_props[] = {
	{ .name = "name", .type = PT_NAME, .flags = PF_MANDATORY | PF_BRIEF, TEXT_AT(conf_if, name), .def = "",
	  .help = "network interface" },
	{ .name = "mode", .type = PT_ENUM, .flags = PF_BRIEF, AT(conf_if, mode), .def = "native", .words = mode_words,
	  .help = "XDP in the driver, or generic XDP for drivers without" },
	{ .name = "queues", .type = PT_INT, .flags = PF_BRIEF, AT(conf_if, queues), .def = "auto", .min = 1,
	  .max = XI_QUEUE_MAX, .special = "auto", .special_value = 0, .help = "receive queues to serve; auto: all" },
	{ .name = "firewall", .type = PT_BOOL, AT(conf_if, firewall), .def = "no",
	  .help = "all that comes out of tunnels arriving here is forwarded by the host's stack, so that its firewall sees it; slower" },
	{ .name = "comment", .type = PT_STRING, .flags = PF_HIDDEN, TEXT_AT(conf_if, it.comment), .def = "",
	  .help = "free text" },
	{ .name = "state", .type = PT_ENUM, .flags = PF_READONLY | PF_BRIEF, AT(conf_if, state), .words = if_state_words,
	  .help = "running: every queue has its socket; no-xdp-ipsecd: protected traffic is dropped" },
	{ .name = "not-served", .type = PT_STRING, .flags = PF_READONLY | PF_OPTIONAL, TEXT_AT(conf_if, refused),
	  .help = "why xdp-ipsecd has no socket on some queue, or on none; absent when it has" },
	{ .name = "queues-served", .type = PT_INT, .flags = PF_READONLY | PF_OPTIONAL, AT(conf_if, served),
	  .help = "receive queues of the attached program" },
	{ .name = "sockets", .type = PT_INT, .flags = PF_READONLY | PF_BRIEF | PF_OPTIONAL, AT(conf_if, sockets),
	  .help = "AF_XDP sockets bound by xdp-ipsecd" },
	{ .name = "zero-copy", .type = PT_ENUM, .flags = PF_READONLY | PF_BRIEF, AT(conf_if, zero_copy),
	  .words = zc_words, .help = "are the sockets in zero-copy mode" },
	{ .name = "xdp-program", .type = PT_INT, .flags = PF_READONLY | PF_OPTIONAL, AT(conf_if, xdp_program),
	  .help = "id of the attached program" },
};

static const struct prop sa_props[] = {
	{ .name = "spi", .type = PT_HEX, .flags = PF_READONLY | PF_BRIEF, AT(conf_sa, spi) },
	{ .name = "src-address", .type = PT_ENDPOINT, .flags = PF_READONLY | PF_BRIEF, AT(conf_sa, src) },
	{ .name = "dst-address", .type = PT_ENDPOINT, .flags = PF_READONLY | PF_BRIEF, AT(conf_sa, dst) },
	{ .name = "auth-algorithm", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_sa, auth_alg) },
	{ .name = "enc-algorithm", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_sa, enc_alg) },
	{ .name = "replay", .type = PT_INT, .flags = PF_READONLY, AT(conf_sa, replay), .unit = "bytes" },
	{ .name = "state", .type = PT_ENUM, .flags = PF_READONLY | PF_BRIEF, AT(conf_sa, state), .words = sa_state_words },
	{ .name = "auth-key", .type = PT_KEY, .flags = PF_READONLY | PF_SENSITIVE, AT(conf_sa, auth_key) },
	{ .name = "enc-key", .type = PT_KEY, .flags = PF_READONLY | PF_SENSITIVE | PF_OPTIONAL, AT(conf_sa, enc_key),
	  .help = "absent for AH" },
	{ .name = "addtime", .type = PT_DATE, .flags = PF_READONLY, AT(conf_sa, addtime), .help = "when installed" },
	{ .name = "expires-in", .type = PT_TIME, .flags = PF_READONLY | PF_OPTIONAL, AT(conf_sa, expires_in),
	  .help = "until the hard limit; absent if unlimited" },
	{ .name = "add-lifetime", .type = PT_TIME_PAIR, .flags = PF_READONLY, AT(conf_sa, add_lifetime),
	  .help = "soft/hard, from installation" },
	{ .name = "usetime", .type = PT_DATE, .flags = PF_READONLY | PF_OPTIONAL, AT(conf_sa, usetime),
	  .help = "first use; absent if unused" },
	{ .name = "use-lifetime", .type = PT_TIME_PAIR, .flags = PF_READONLY, AT(conf_sa, use_lifetime) },
	{ .name = "current-bytes", .type = PT_COUNT, .flags = PF_READONLY | PF_BRIEF, AT(conf_sa, bytes), .unit = "bytes",
	  .help = "payload: the inner packet in tunnel mode; in transport mode what its IP header carries, which for AH over ESP is the ESP packet" },
	{ .name = "lifebytes", .type = PT_COUNT_PAIR, .flags = PF_READONLY, AT(conf_sa, lifebytes), .unit = "bytes" },
	{ .name = "direction", .type = PT_ENUM, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, direction),
	  .words = dir_words },
	{ .name = "mode", .type = PT_ENUM, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, mode), .words = sa_mode_words },
	{ .name = "reqid", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, reqid) },
	{ .name = "current-packets", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, packets) },
	{ .name = "last-use", .type = PT_DATE, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL, AT(conf_sa, last_use),
	  .help = "absent if unused" },
	{ .name = "lifepackets", .type = PT_COUNT_PAIR, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, lifepackets),
	  .unit = "packets", .help = "soft/hard" },
	{ .name = "seq", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, seq),
	  .help = "last sequence number sent, or highest received" },
	{ .name = "esn", .type = PT_BOOL, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, esn),
	  .help = "64-bit sequence numbers" },
	{ .name = "natt", .type = PT_BOOL, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, natt), .help = "ESP in UDP" },
	{ .name = "mtu", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL, AT(conf_sa, mtu),
	  .special = "unknown", .special_value = 0, .unit = "bytes",
	  .help = "outbound: longest packet that fits through" },
	{ .name = "path-mtu", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL, AT(conf_sa, path_mtu),
	  .special = "unknown", .special_value = 0, .unit = "bytes",
	  .help = "outbound: path MTU learned from ICMP; unknown: that of the route holds" },
	{ .name = "policy", .type = PT_STRING, .flags = PF_READONLY | PF_DETAIL, TEXT_AT(conf_sa, policy),
	  .help = "numbers of the policies that use it" },
	{ .name = "enc-key-size", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, enc_key_size),
	  .unit = "bits" },
	{ .name = "offload", .type = PT_REF, .flags = PF_READONLY | PF_DETAIL, TEXT_AT(conf_sa, offload),
	  .special = "none", .help = "crypto engine in use" },
	{ .name = "icv-errors", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, err_icv) },
	{ .name = "replay-errors", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, err_replay) },
	{ .name = "other-errors", .type = PT_COUNT, .flags = PF_READONLY | PF_DETAIL, AT(conf_sa, err_other) },
};

static const struct prop stat_props[] = {
#define X(sym, text) \
	{ .name = text, .type = PT_COUNT, .flags = PF_READONLY, AT(conf_statistics, count[XI_STAT_##sym]), \
	  .unit = "packets" },
	XI_STATS(X)
#undef X
};

static const struct prop alg_props[] = {
	{ .name = "name", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_alg, name) },
	{ .name = "kind", .type = PT_ENUM, .flags = PF_READONLY | PF_BRIEF, AT(conf_alg, kind), .words = alg_kind_words,
	  .help = "aead ciphers authenticate, too; ah-auth is for AH only" },
	{ .name = "key-size", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_alg, key), .unit = "bytes",
	  .help = "of the key itself; in manual-sa the salt stands behind it" },
	{ .name = "salt-size", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_alg, salt), .unit = "bytes" },
	{ .name = "iv-size", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_alg, iv), .unit = "bytes" },
	{ .name = "block-size", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL, AT(conf_alg, block), .unit = "bytes" },
	{ .name = "icv-size", .type = PT_INT, .flags = PF_READONLY | PF_BRIEF, AT(conf_alg, icv), .unit = "bytes" },
	{ .name = "engine", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_alg, engine),
	  .help = "crypto engine that does it on this CPU" },
	{ .name = "status", .type = PT_ENUM, .flags = PF_READONLY | PF_BRIEF, AT(conf_alg, status),
	  .words = alg_status_words,
	  .help = "disabled: no engine has it, or passes its self-test; packets of its SAs are dropped" },
	{ .name = "failed", .type = PT_REF, .flags = PF_READONLY, TEXT_AT(conf_alg, failed), .special = "none",
	  .help = "the engine whose self-test of it failed" },
	{ .name = "level", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_alg, level),
	  .help = "requirement level of RFC 8221; must-not and should-not are weak" },
	{ .name = "rfc", .type = PT_REF, .flags = PF_READONLY | PF_BRIEF, TEXT_AT(conf_alg, rfc) },
	{ .name = "ike1-id", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL, AT(conf_alg, ike1),
	  .help = "number in IKEv1 phase 2: ESP transform, or authentication attribute" },
	{ .name = "ike2-id", .type = PT_INT, .flags = PF_READONLY | PF_DETAIL | PF_OPTIONAL, AT(conf_alg, ike2),
	  .help = "number in IKEv2" },
};

#define PROPS(list) .prop = list, .count = ARRAY_SIZE(list)
#define FLAG_X { .letter = 'X', .bit = ITEM_DISABLED, .text = "disabled" }
const struct menu menus[MENU_MAX] = {
	[MENU_POLICY] = { .name = "policy", PROPS(policy_props), .item_size = sizeof(struct conf_policy),
		.ordered = true, .flag_columns = 2,
		.flag = { FLAG_X, { .letter = 'D', .column = 1, .bit = ITEM_DYNAMIC, .text = "dynamic" },
			  { .letter = 'I', .bit = ITEM_INACTIVE, .text = "inactive" } },
		.help = "what is protected: the security policy table" },
	[MENU_MANUAL_SA] = { .name = "manual-sa", PROPS(msa_props), .item_size = sizeof(struct conf_msa),
		.flag_columns = 1,
		.flag = { FLAG_X, { .letter = 'I', .bit = ITEM_INACTIVE, .text = "invalid" } },
		.help = "templates of manually keyed SAs" },
	[MENU_PEER] = { .name = "peer", PROPS(peer_props), .item_size = sizeof(struct conf_peer), .flag_columns = 1,
		.flag = { FLAG_X }, .help = "whom IKE talks to and how: phase 1" },
	[MENU_PROPOSAL] = { .name = "proposal", PROPS(proposal_props), .item_size = sizeof(struct conf_proposal),
		.flag_columns = 1, .flag = { FLAG_X }, .help = "algorithms of phase 2; default is always there" },
	[MENU_KEY] = { .name = "key", PROPS(key_props), .item_size = sizeof(struct conf_rsa_key), .read_only = true,
		.flag_columns = 2,
		.flag = { { .letter = 'P', .bit = ITEM_PRIVATE, .text = "private-key" },
			  { .letter = 'R', .column = 1, .bit = ITEM_RSA, .text = "rsa" } },
		.help = "RSA keys for auth-method=rsa-key" },
	[MENU_CERTIFICATE] = { .name = "certificate", PROPS(cert_props), .item_size = sizeof(struct conf_cert),
		.read_only = true, .flag_columns = 3,
		.flag = { { .letter = 'K', .bit = ITEM_PRIVATE, .text = "private-key" },
			  { .letter = 'A', .column = 1, .bit = ITEM_AUTHORITY, .text = "authority" },
			  { .letter = 'C', .bit = ITEM_CRL, .text = "crl" },
			  { .letter = 'E', .column = 2, .bit = ITEM_EXPIRED, .text = "expired" } },
		.help = "certificates and revocation lists for auth-method=rsa-signature" },
	[MENU_REMOTE_PEERS] = { .name = "remote-peers", PROPS(remote_props), .read_only = true,
		.item_size = sizeof(struct conf_remote_peer),
		.help = "phase 1 SAs, also those being negotiated" },
	[MENU_SETTINGS] = { .name = "settings", PROPS(settings_props), .item_size = sizeof(struct conf_settings),
		.singleton = true, .help = "sizes" },
	[MENU_INTERFACE] = { .name = "interface", PROPS(if_props), .item_size = sizeof(struct conf_if),
		.flag_columns = 1, .flag = { { .letter = 'A', .bit = ITEM_ATTACHED, .text = "attached" } },
		.help = "network interfaces on which the policies are enforced" },
	[MENU_INSTALLED_SA] = { .name = "installed-sa", PROPS(sa_props), .item_size = sizeof(struct conf_sa),
		.read_only = true, .flag_columns = 2,
		.flag = { { .letter = 'A', .bit = ITEM_AH, .text = "AH" }, { .letter = 'E', .bit = ITEM_ESP, .text = "ESP" },
			  { .letter = 'P', .column = 1, .bit = ITEM_PFS, .text = "pfs" },
			  { .letter = 'M', .column = 1, .bit = ITEM_MANUAL } },
		.help = "the SA database" },
	[MENU_STATISTICS] = { .name = "statistics", PROPS(stat_props), .item_size = sizeof(struct conf_statistics),
		.singleton = true, .read_only = true, .help = "why packets were dropped" },
	[MENU_ALGORITHMS] = { .name = "algorithms", PROPS(alg_props), .item_size = sizeof(struct conf_alg),
		.read_only = true, .flag_columns = 1, .flag = { FLAG_X },
		.help = "ciphers and authentication, and which crypto engine does them on this machine" },
};
/* clang-format on */
