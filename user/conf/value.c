/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int val_addr_parse(struct ip_addr *out, const char *s)
{
	struct ip_addr a = {0};

	if (inet_pton(AF_INET, s, &a.a.w[0]) == 1)
		a.family = XI_IP4;
	else if (inet_pton(AF_INET6, s, a.a.w) == 1)
		a.family = XI_IP6;
	else
		return -1;
	/* Spec 6.1: `::` and 0.0.0.0 mean unset. */
	if (!(a.a.w[0] | a.a.w[1] | a.a.w[2] | a.a.w[3]))
		a.family = 0;
	*out = a;
	return 0;
}

/* As inet_ntop(3), which goes through printf(3) for each octet. */
static bool addr_text(char *buf, size_t size, uint8_t family, const struct xi_addr *a)
{
	const uint8_t *b = (const uint8_t *)a->w;
	char *at = buf;

	if (family != XI_IP4 || size < INET_ADDRSTRLEN)
		return inet_ntop(family == XI_IP4 ? AF_INET : AF_INET6, a->w, buf, (socklen_t)size) != NULL;
	for (int i = 0; i < 4; i++) {
		if (b[i] >= 100)
			*at++ = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			*at++ = (char)('0' + b[i] / 10 % 10);
		*at++ = (char)('0' + b[i] % 10);
		*at++ = i < 3 ? '.' : '\0';
	}
	return true;
}

void val_addr_format(char *buf, size_t size, const struct ip_addr *a)
{
	if (!addr_text(buf, size, a->family, &a->a))
		(void)str_copy(buf, size, "::");
}

void val_endpoint_format(char *buf, size_t size, const struct ip_endpoint *e)
{
	char addr[INET6_ADDRSTRLEN];

	val_addr_format(addr, sizeof(addr), &e->addr);
	if (!e->port)
		(void)str_copy(buf, size, addr);
	else if (e->addr.family == XI_IP6)
		(void)snprintf(buf, size, "[%s]:%u", addr, e->port);
	else
		(void)snprintf(buf, size, "%s:%u", addr, e->port);
}

static void mask_host_bits(struct ip_prefix *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned bits = p->len > i * 32 ? MIN(p->len - i * 32, 32u) : 0;

		p->a.w[i] &= bits ? htonl(~0u << (32 - bits)) : 0;
	}
}

int val_prefix_parse(struct ip_prefix *out, const char *s)
{
	const char *slash = strchr(s, '/');
	struct ip_prefix p = {0};
	char addr[64];
	int64_t len;
	unsigned max;

	(void)str_copy(addr, sizeof(addr), s);
	if (slash && slash - s < (ptrdiff_t)sizeof(addr))
		addr[slash - s] = '\0';
	if (inet_pton(AF_INET, addr, &p.a.w[0]) == 1)
		p.family = XI_IP4;
	else if (inet_pton(AF_INET6, addr, p.a.w) == 1)
		p.family = XI_IP6;
	else
		return -1;
	max = p.family == XI_IP4 ? 32 : 128;
	len = max;
	if (slash && (!isdigit((unsigned char)slash[1]) || val_int_parse(&len, slash + 1) || len > max))
		return -1;
	p.len = (uint8_t)len;
	mask_host_bits(&p);
	*out = p;
	return 0;
}

void val_prefix_format(char *buf, size_t size, const struct ip_prefix *p)
{
	char addr[INET6_ADDRSTRLEN];

	if (!addr_text(addr, sizeof(addr), p->family, &p->a))
		addr[0] = '\0';
	(void)snprintf(buf, size, "%s/%u", addr, p->len);
}

bool val_prefix_is_host(const struct ip_prefix *p)
{
	return p->len == (p->family == XI_IP4 ? 32 : 128);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool has_0x(const char *s, size_t len)
{
	return len >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
}

int val_hex_parse(int64_t *out, const char *s, size_t len)
{
	uint64_t v = 0;

	if (has_0x(s, len)) {
		s += 2;
		len -= 2;
	}
	if (len == 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (hex_digit(s[i]) < 0)
			return -1;
	for (size_t i = 0; i < len; i++) {
		if (v >> 59)
			return 1;
		v = v << 4 | (unsigned)hex_digit(s[i]);
	}
	*out = (int64_t)v;
	return 0;
}

int val_int_parse(int64_t *out, const char *s)
{
	bool minus = *s == '-';
	const char *d = s + (*s == '-' || *s == '+');
	int64_t v = 0;
	int rc;

	if (has_0x(d, strlen(d))) {
		rc = val_hex_parse(&v, d, strlen(d));
		if (rc)
			return rc;
	} else {
		if (!*d || strspn(d, "0123456789") != strlen(d))
			return -1;
		for (; *d; d++)
			if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *d - '0', &v))
				return 1;
	}
	*out = minus ? -v : v;
	return 0;
}

static int64_t unit_ms(const char *unit, size_t len)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, unit, len) == 0)
			return units[i].ms;
	return -1;
}

/* hh:mm:ss or hh:mm at s, in ms; -1 when it is none. */
static int64_t clock_ms(const char *s)
{
	unsigned h, m, sec = 0;
	int used = 0;

	if (strspn(s, "0123456789:") != strlen(s) || strlen(s) > 12)
		return -1;
	if (sscanf(s, "%5u:%2u:%2u%n", &h, &m, &sec, &used) < 3 || s[used]) {
		sec = 0;
		used = 0;
		if (sscanf(s, "%5u:%2u%n", &h, &m, &used) < 2 || s[used])
			return -1;
	}
	if (m > 59 || sec > 59)
		return -1;
	return ((int64_t)h * 3600 + m * 60 + sec) * 1000;
}

int val_time_parse(int64_t *seconds, const char *s)
{
	int64_t total = 0, last = INT64_MAX;

	if (!*s)
		return -1;
	while (*s) {
		size_t digits = strspn(s, "0123456789"), letters;
		int64_t n, ms;
		char num[11];

		if (digits == 0 || digits >= sizeof(num))
			return -1;
		if (s[digits] == ':') { /* the clock form ends the text */
			ms = clock_ms(s);
			if (ms < 0)
				return -1;
			total += ms;
			break;
		}
		memcpy(num, s, digits);
		num[digits] = '\0';
		n = strtoll(num, NULL, 10);
		s += digits;
		letters = strspn(s, "wdhms");
		if (letters > 1 && !(letters == 2 && s[0] == 'm' && s[1] == 's'))
			return -1;
		ms = letters ? unit_ms(s, letters) : 1000;
		/* A bare number is seconds, and then the last thing; units go from large to small. */
		if (ms < 0 || ms >= last || (letters == 0 && *s))
			return -1;
		last = ms;
		total += n * ms;
		s += letters;
	}
	if (total % 1000)
		return -1;
	*seconds = total / 1000;
	return 0;
}

void val_time_format(char *buf, size_t size, int64_t seconds)
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t n = 0;

	if (seconds <= 0) {
		(void)str_copy(buf, size, "0s");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units) && n < size; i++) {
		int64_t v = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (v)
			n += (size_t)snprintf(buf + n, size - n, "%lld%c", (long long)v, units[i].name);
	}
}

void val_date_format(char *buf, size_t size, time_t t)
{
	static const char month[12][4] = {"jan", "feb", "mar", "apr", "may", "jun",
					  "jul", "aug", "sep", "oct", "nov", "dec"};
	struct tm tm;

	if (!localtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	(void)snprintf(buf, size, "%s/%02d/%d %02d:%02d:%02d", month[tm.tm_mon % 12], tm.tm_mday, tm.tm_year + 1900,
		       tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int val_key_parse(struct conf_key *out, const char *s, size_t len)
{
	struct conf_key k = {0};

	if (has_0x(s, len)) {
		s += 2;
		len -= 2;
		if (len == 0)
			return -1;
	}
	if (len % 2 || len / 2 > sizeof(k.b))
		return -1;
	for (size_t i = 0; i < len; i += 2) {
		int hi = hex_digit(s[i]), lo = hex_digit(s[i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		k.b[k.len++] = (uint8_t)(hi << 4 | lo);
	}
	*out = k;
	return 0;
}

void val_key_format(char *buf, size_t size, const struct conf_key *k)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < k->len && n + 2 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%02x", k->b[i]);
}

static const char *escape_of(unsigned char c, char hex[4])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case '$':
		return "\\$";
	case '?':
		return "\\?";
	default:
		break;
	}
	if (c >= ' ' && c < 0x7f)
		return NULL;
	(void)snprintf(hex, 4, "\\%02X", c);
	return hex;
}

void val_quote(char *buf, size_t size, const char *s)
{
	size_t n = 0;

	buf[n++] = '"';
	for (; *s && n + 5 < size; s++) {
		char hex[4];
		const char *e = escape_of((unsigned char)*s, hex);

		if (e) {
			memcpy(buf + n, e, strlen(e));
			n += strlen(e);
		} else {
			buf[n++] = *s;
		}
	}
	buf[n++] = '"';
	buf[n] = '\0';
}

bool val_needs_quotes(const char *s)
{
	if (!*s || *s == '#')
		return true;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || strchr("{}[]\"'\\$;=?", *s))
			return true;
	return false;
}
