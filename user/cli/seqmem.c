/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/cli/seqmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void digest_of(const struct xi_sa *sa, uint8_t digest[32])
{
	uint8_t text[4 + XI_ENC_KEY_MAX + XI_AUTH_KEY_MAX] = {sa->enc_alg, (uint8_t)sa->enc_key_len, sa->auth_alg,
							      (uint8_t)sa->auth_key_len};

	memcpy(text + 4, sa->enc_key, MIN(sa->enc_key_len, sizeof(sa->enc_key)));
	memcpy(text + 4 + XI_ENC_KEY_MAX, sa->auth_key, MIN(sa->auth_key_len, sizeof(sa->auth_key)));
	(void)SHA256(text, sizeof(text), digest);
	explicit_bzero(text, sizeof(text));
}

static struct seqmem_entry *find(const struct seqmem *s, const uint8_t digest[32])
{
	for (unsigned i = 0; i < s->count; i++)
		if (memcmp(s->entry[i].digest, digest, 32) == 0)
			return &s->entry[i];
	return NULL;
}

static void note(struct seqmem *s, const uint8_t digest[32], uint64_t seq)
{
	struct seqmem_entry *e = find(s, digest);

	if (!e) {
		if (s->count == s->room) {
			unsigned room = s->room ? s->room * 2 : 64;
			struct seqmem_entry *more = reallocarray(s->entry, room, sizeof(*more));

			if (!more)
				return;
			s->entry = more;
			s->room = room;
		}
		e = &s->entry[s->count++];
		memcpy(e->digest, digest, 32);
		e->seq = 0;
	}
	if (seq > e->seq) {
		e->seq = seq;
		s->changed = 1;
	}
}

void seqmem_load(struct seqmem *s, const struct paths *p)
{
	char hex[65];
	uint64_t seq;
	FILE *f;

	*s = (struct seqmem){0};
	(void)snprintf(s->path, sizeof(s->path), "%s/seq", p->run);
	f = fopen(s->path, "re");
	while (f && fscanf(f, "%64[0-9a-f] %" SCNu64 " ", hex, &seq) == 2) {
		uint8_t digest[32];

		for (unsigned i = 0; i < 32; i++) {
			char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

			digest[i] = (uint8_t)strtoul(two, NULL, 16);
		}
		note(s, digest, seq);
	}
	if (f)
		(void)fclose(f);
	s->changed = 0;
}

void seqmem_note(struct seqmem *s, const struct xi_sa *sa, uint64_t seq)
{
	uint8_t digest[32];

	digest_of(sa, digest);
	note(s, digest, seq);
}

uint64_t seqmem_find(const struct seqmem *s, const struct xi_sa *sa)
{
	const struct seqmem_entry *e;
	uint8_t digest[32];

	digest_of(sa, digest);
	e = find(s, digest);
	return e ? e->seq : 0;
}

int seqmem_save(struct seqmem *s, struct err *e)
{
	char tmp[sizeof(s->path) + 4];
	FILE *f;
	int fd, err = 0;

	if (!s->changed)
		return 0;
	(void)snprintf(tmp, sizeof(tmp), "%s.new", s->path);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return err_set(e, -err, "cannot write %s: %s", tmp, strerror(err));
	}
	for (unsigned i = 0; i < s->count; i++) {
		for (unsigned b = 0; b < 32; b++)
			(void)fprintf(f, "%02x", s->entry[i].digest[b]);
		(void)fprintf(f, " %" PRIu64 "\n", s->entry[i].seq);
	}
	if (ferror(f))
		err = EIO;
	if (fclose(f) || err || rename(tmp, s->path))
		return err_set(e, err ? -err : -errno, "cannot write %s", s->path);
	s->changed = 0;
	return 0;
}

void seqmem_free(struct seqmem *s)
{
	free(s->entry);
	s->entry = NULL;
	s->count = s->room = 0;
}
