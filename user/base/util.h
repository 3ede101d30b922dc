/* SPDX-License-Identifier: BSD-2-Clause */
/* Small macros every room uses. No knowledge of IPsec. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define __must_check __attribute__((warn_unused_result))
#define __printf(fmt, first) __attribute__((format(printf, fmt, first)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* <sys/param.h> has its own */
#undef MIN
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* One more word into a hash: every bit of both reaches every bit of the result after one more word, or hash_end(). */
static inline uint64_t hash_mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

/* The last step: so many of its best bits. 1 to 32. */
static inline uint32_t hash_end(uint64_t h, unsigned bits)
{
	return (uint32_t)(hash_mix(h, 0) * 0xd6e8feb86659fd93ull >> (64 - bits));
}

/* Have a and b, in network byte order, their first bits in common? Is an address in a network, that is. */
static inline int equal_bits(const void *a, const void *b, unsigned bits)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(x, y, whole) == 0 && (!rest || (x[whole] ^ y[whole]) >> (8 - rest) == 0);
}

/* Copies src into dst[size], always terminated; returns 0, or -1 when it had to cut. */
static inline int str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return -1;
	}
	memcpy(dst, src, n + 1);
	return 0;
}

#endif
