/* SPDX-License-Identifier: BSD-2-Clause */
/* Choice of the engine and what is common to both: contexts, self-test, dispatch (see engine.h). */
#include "user/crypto/engine_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "user/crypto/kat.h"

#define ENGINE_ENV "XDP_IPSEC_ENGINE"

static int kind_from_env(enum xi_engine *kind, struct err *e)
{
	const char *s = getenv(ENGINE_ENV);

	if (!s || !*s)
		return 0;
	if (strcmp(s, "ipsec-mb") == 0)
		*kind = XI_ENGINE_IPSEC_MB;
	else if (strcmp(s, "openssl") == 0)
		*kind = XI_ENGINE_OPENSSL;
	else
		return err_set(e, -EINVAL, "environment variable " ENGINE_ENV "=%s: must be ipsec-mb or openssl", s);
	return 0;
}

static int setup(struct engine *en, enum xi_engine kind, struct err *e)
{
	if (kind == XI_ENGINE_NONE) {
		/* The portable engine does all the other does, only slower. */
		if (engine_mb_setup(en, NULL) == 0)
			return 0;
		kind = XI_ENGINE_OPENSSL;
	}
	if (kind == XI_ENGINE_IPSEC_MB)
		return engine_mb_setup(en, e);
	if (kind == XI_ENGINE_OPENSSL)
		return engine_ossl_setup(en, e);
	return err_set(e, -EINVAL, "no crypto engine has the number %d", (int)kind);
}

int engine_new(struct engine **out, enum xi_engine kind, struct err *e)
{
	struct engine *en;
	int rc = kind_from_env(&kind, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	en = aligned_alloc(64, (sizeof(*en) + 63) & ~(size_t)63);
	if (!en)
		return err_set(e, -ENOMEM, "no memory for a crypto engine");
	memset(en, 0, sizeof(*en));
	rc = setup(en, kind, e);
	if (rc == 0)
		rc = kat_run_all(en, e);
	if (rc < 0) {
		engine_free(en);
		return rc;
	}
	*out = en;
	return 0;
}

void engine_free(struct engine *en)
{
	if (!en)
		return;
	if (en->ops)
		en->ops->free(en);
	explicit_bzero(en, sizeof(*en));
	free(en);
}

enum xi_engine engine_kind(const struct engine *en)
{
	return en->ops->kind;
}

const char *engine_name(const struct engine *en)
{
	return en->name;
}

size_t keyctx_size(void)
{
	return sizeof(struct keyctx);
}

int keyctx_init(struct engine *en, struct keyctx *k, const struct xi_sa *sa)
{
	const struct alg *enc = alg_by_abi(ALG_ENC, sa->enc_alg, sa->enc_key_len);
	const struct alg *auth = alg_by_abi(ALG_AUTH, sa->auth_alg, sa->auth_key_len);
	struct alg_shape shape;
	int rc;

	if (!enc || !auth || alg_shape(sa, &shape) < 0)
		return -EINVAL;
	if (enc->abi > XI_ENC_AES_GCM || auth->abi > XI_AUTH_SHA1)
		return -ENOTSUP;
	memset(k, 0, sizeof(*k));
	k->enc_alg = enc->abi;
	k->auth_alg = auth->abi;
	k->aes_len = enc->key_len;
	k->icv_len = shape.icv_len;
	k->block = enc->block;
	memcpy(k->salt, sa->enc_key + enc->key_len, enc->salt_len);
	rc = en->ops->key_init(en, k, sa);
	if (rc < 0)
		keyctx_wipe(en, k);
	return rc;
}

void keyctx_wipe(struct engine *en, struct keyctx *k)
{
	en->ops->key_wipe(k);
	explicit_bzero(k, sizeof(*k));
}

void engine_seal(struct engine *en, struct crypto_job *job, unsigned n)
{
	en->ops->seal(en, job, n);
}

void engine_open(struct engine *en, struct crypto_job *job, unsigned n)
{
	en->ops->open(en, job, n);
}
