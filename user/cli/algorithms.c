/* SPDX-License-Identifier: BSD-2-Clause */
/* The algorithm table as items that print shows, with what the crypto engines of this machine make of it. */
#include <errno.h>
#include <stdio.h>

#include "user/cli/cli.h"
#include "user/crypto/engine.h"

/* "16", "16,24,32" or, of many, "5-56". */
static void key_text(char *buf, size_t size, const struct alg *a)
{
	size_t n = 0;

	if (!a->key_max) {
		(void)snprintf(buf, size, "%u", a->key_len);
	} else if (a->key_step == 1) {
		(void)snprintf(buf, size, "%u-%u", a->key_min, a->key_max);
	} else {
		for (unsigned len = a->key_min; len <= a->key_max && n < size; len += a->key_step)
			n += (size_t)snprintf(buf + n, size - n, "%s%u", n ? "," : "", len);
	}
}

/* As RFC 8221 has it, but as a word of ours: "should-not". */
static void level_text(char *buf, size_t size, enum alg_level level)
{
	(void)str_copy(buf, size, alg_level_name(level));
	for (; *buf; buf++)
		*buf = *buf == ' ' ? '-' : (char)(*buf | 0x20);
}

static void fill(struct conf_alg *v, const struct alg *a, const struct engine *en, unsigned row)
{
	enum xi_engine now = engine_of_alg(en, row), failed = engine_failed(en, row);

	(void)str_copy(v->name, sizeof(v->name), a->name);
	if (a->kind == ALG_AUTH)
		v->kind = a->flags & ALG_F_AH_ONLY ? ALG_KIND_AH : ALG_KIND_AUTH;
	else
		v->kind = a->flags & ALG_F_AEAD ? ALG_KIND_AEAD : ALG_KIND_CIPHER;
	key_text(v->key, sizeof(v->key), a);
	v->salt = a->salt_len;
	v->iv = a->iv_len;
	v->block = a->block;
	v->icv = a->icv_len;
	(void)str_copy(v->engine, sizeof(v->engine), alg_key_bytes(a) ? engine_kind_name(now) : "any");
	if (failed != XI_ENGINE_NONE)
		(void)str_copy(v->failed, sizeof(v->failed), engine_kind_name(failed));
	v->status = now == XI_ENGINE_NONE ? ALG_STATUS_DISABLED : ALG_STATUS_OK;
	v->it.disabled = now == XI_ENGINE_NONE;
	level_text(v->level, sizeof(v->level), a->level);
	(void)snprintf(v->rfc, sizeof(v->rfc), "%s", strncmp(a->rfc, "RFC ", 4) == 0 ? a->rfc + 4 : a->rfc);
	v->ike1 = a->kind == ALG_AUTH ? a->ike_auth : a->ike_esp;
	v->ike2 = a->ike2;
}

int view_algorithm_table(struct conf *c, struct conf_err *e)
{
	struct engine *en;
	struct err base = {0};
	int rc = engine_new(&en, XI_ENGINE_NONE, &base);

	if (rc)
		return cli_fail(e, rc, &base);
	for (unsigned i = 0; alg_at(i); i++) {
		struct conf_item *it = conf_item_new(MENU_ALGORITHMS);

		fill((struct conf_alg *)it, alg_at(i), en, i);
		conf_insert(c, MENU_ALGORITHMS, it, i);
	}
	engine_free(en);
	return 0;
}
