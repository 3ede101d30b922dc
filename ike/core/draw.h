/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that are sent in clear or no secret for long: cookies, nonces, message IDs, padding. For ike_env.random. */
#ifndef IKE_CORE_DRAW_H
#define IKE_CORE_DRAW_H

#include "user/base/util.h"

/*
 * From OpenSSL's generator, a block at a time: most are asked for a few bytes at once, and the generator takes as long for four as for a thousand. Each byte is
 * handed out once and wiped. The engine's thread alone; not before a fork() whose child draws, too. 0 or -EIO.
 */
int draw(void *buf, size_t len) __must_check;

#endif
