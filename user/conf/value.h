/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing the value types of spec section 3.6, free of any property. Readers return 0 or -1 and take whole
 * strings; writers fill buf[size] (always terminated; VALUE_MAX is enough for every value there is).
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <time.h>

#include "bpf/abi/xi_abi.h"
#include "bpf/abi/xi_sa.h"
#include "user/base/util.h"

#define VALUE_MAX 1200
#define STRING_MAX 256 /* bytes of a string property with its terminator */

/* An address; family 0 = unset, XI_IP4, XI_IP6. */
struct ip_addr {
	struct xi_addr a;
	uint8_t family;
};

/* Shown as 198.51.100.1:4500 and [2001:db8::1]:4500; port 0 (host order) is not shown. */
struct ip_endpoint {
	struct ip_addr addr;
	uint16_t port;
};

struct ip_prefix {
	struct xi_addr a; /* host bits zero */
	uint8_t family;
	uint8_t len;
};

/* Key material as given: nothing is assumed about its length here. */
struct conf_key {
	uint8_t len;
	uint8_t b[XI_ENC_KEY_MAX];
};

int val_addr_parse(struct ip_addr *out, const char *s) __must_check;
void val_addr_format(char *buf, size_t size, const struct ip_addr *a);
void val_endpoint_format(char *buf, size_t size, const struct ip_endpoint *e);
int val_prefix_parse(struct ip_prefix *out, const char *s) __must_check;
void val_prefix_format(char *buf, size_t size, const struct ip_prefix *p);

/* Does the prefix hold one address only? */
bool val_prefix_is_host(const struct ip_prefix *p);

/* Decimal or 0x hex, an optional sign. -1: not a number; 1: a number, but beyond 64 bits. */
int val_int_parse(int64_t *out, const char *s) __must_check;

/* "1w2d3h4m5s", "00:30:00", "1d12:00:00", "1800", in seconds. -1 also for what is not a whole number of seconds. */
int val_time_parse(int64_t *seconds, const char *s) __must_check;
void val_time_format(char *buf, size_t size, int64_t seconds);

/* "jan/28/2012 20:55:12", local time. */
void val_date_format(char *buf, size_t size, time_t t);

/* Hexadecimal digits, optional 0x, an even number of them. */
int val_key_parse(struct conf_key *out, const char *s, size_t len) __must_check;
void val_key_format(char *buf, size_t size, const struct conf_key *k);

/* Hexadecimal with or without 0x. -1: not hex; 1: beyond 64 bits. */
int val_hex_parse(int64_t *out, const char *s, size_t len) __must_check;

/* Writes s with the escapes of spec 3.1, in double quotes. */
void val_quote(char *buf, size_t size, const char *s);

/* Must s stand in quotes in a script? The empty string must. */
bool val_needs_quotes(const char *s);

/* IP protocol: number by name, name by number; -1 / NULL when there is none. val_proto_at walks the list. */
int val_proto_number(const char *name);
const char *val_proto_name(int number);
const char *val_proto_at(unsigned i, int *number);

#endif
