/* SPDX-License-Identifier: BSD-2-Clause */
/* Mutable fields of the headers in front of AH: RFC 4302 §3.3.3.1 and appendix A. */
#ifndef IPSEC_AH_H
#define IPSEC_AH_H

#include "user/base/util.h"

/* AH header (RFC 4302 §2): byte offsets */
#define AH_NEXT 0
#define AH_LEN 1 /* in units of 4 bytes, less 2 */
#define AH_SPI 4
#define AH_SEQ 8

/*
 * Makes the len bytes of IP header and extension headers at ip what the ICV is computed over: mutable fields zero, a source route as it
 * will be at its end. The headers are sound (ip_split or ip_walk has seen them); their options may not be: -1, ip is undefined then.
 */
int ah_zero(uint8_t *ip, size_t len) __must_check;

#endif
