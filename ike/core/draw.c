/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/core/draw.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

static uint8_t block[1024];
static size_t left;

int draw(void *buf, size_t len)
{
	if (len > sizeof(block))
		return RAND_bytes(buf, (int)len) == 1 ? 0 : -EIO;
	if (len > left) {
		left = 0;
		if (RAND_bytes(block, sizeof(block)) != 1)
			return -EIO;
		left = sizeof(block);
	}
	left -= len;
	memcpy(buf, block + left, len);
	OPENSSL_cleanse(block + left, len);
	return 0;
}
