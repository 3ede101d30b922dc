/* SPDX-License-Identifier: BSD-2-Clause */
/* Between group.c and the kinds of groups. g->id chooses the field or curve. Contracts are those of group.h. */
#ifndef IKE_NEG_GROUP_PRIV_H
#define IKE_NEG_GROUP_PRIV_H

#include "ike/neg/group.h"

int group_modp_private(const struct group *g, uint8_t *priv);
/* peer NULL: the public value of priv; else g^xy; priv NULL: only check peer. out is public_len bytes, secrets included. */
int group_modp_power(const struct group *g, const uint8_t *priv, const struct bytes *peer, uint8_t *out);

int group_ec_private(const struct group *g, uint8_t *priv);
int group_ec_product(const struct group *g, const uint8_t *priv, const struct bytes *peer, uint8_t *out);

#endif
