/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of used sequence numbers: a text file, one line of digest and number for each key. */
#include "user/maps/seqmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/crypto/alg.h"

/* The line that keeps a damaged memory damaged when it is written again. */
#define DAMAGED "damaged\n"

static void digest_keys(const struct xi_sa *sa, uint8_t digest[32])
{
	uint8_t text[4 + XI_ENC_KEY_MAX + XI_AUTH_KEY_MAX] = {sa->enc_alg, (uint8_t)sa->enc_key_len, sa->auth_alg,
							      (uint8_t)sa->auth_key_len};

	memcpy(text + 4, sa->enc_key, MIN(sa->enc_key_len, sizeof(sa->enc_key)));
	memcpy(text + 4 + XI_ENC_KEY_MAX, sa->auth_key, MIN(sa->auth_key_len, sizeof(sa->auth_key)));
	(void)SHA256(text, sizeof(text), digest);
	explicit_bzero(text, sizeof(text));
}

/*
 * Of the keys alone: what was sent under them. Where the number makes the IV, of that key whatever goes with it: another
 * authentication key beside AES-CTR, or GMAC of AH instead of GCM, would use the same IVs again (RFC 3686 §2, RFC 4543 §2).
 */
static void digest_sent(const struct xi_sa *sa, uint8_t digest[32])
{
	uint8_t text[4 + XI_ENC_KEY_MAX] = {'c', 't', 'r'};
	unsigned len;
	const uint8_t *key = alg_counter_key(sa, &len);

	if (!key) {
		digest_keys(sa, digest);
		return;
	}
	text[3] = (uint8_t)len;
	memcpy(text + 4, key, MIN(len, XI_ENC_KEY_MAX));
	(void)SHA256(text, sizeof(text), digest);
	explicit_bzero(text, sizeof(text));
}

/* With the SPI, which the ICV covers (the outer addresses it does not): what was received. */
static void digest_received(const struct xi_sa *sa, uint8_t digest[32])
{
	uint8_t text[32 + 8] = {0};

	digest_keys(sa, text);
	memcpy(text + 32, &sa->spi, sizeof(sa->spi));
	text[36] = sa->proto;
	text[37] = 1 + XI_DIR_IN;
	(void)SHA256(text, sizeof(text), digest);
}

static struct seqmem_entry *find(const struct seqmem *s, const uint8_t digest[32])
{
	for (unsigned i = 0; i < s->count; i++)
		if (memcmp(s->entry[i].digest, digest, 32) == 0)
			return &s->entry[i];
	return NULL;
}

static struct seqmem_entry *find_or_add(struct seqmem *s, const uint8_t digest[32])
{
	struct seqmem_entry *e = find(s, digest);

	if (e)
		return e;
	if (s->count == s->room) {
		unsigned room = s->room ? s->room * 2 : 64;
		struct seqmem_entry *more = reallocarray(s->entry, room, sizeof(*more));

		if (!more) {
			s->lost = 1;
			return NULL;
		}
		s->entry = more;
		s->room = room;
	}
	e = &s->entry[s->count++];
	*e = (struct seqmem_entry){0};
	memcpy(e->digest, digest, 32);
	return e;
}

static void raise_seq(struct seqmem *s, const uint8_t digest[32], uint64_t seq)
{
	struct seqmem_entry *e = seq ? find_or_add(s, digest) : NULL;

	if (e && seq > e->seq) {
		e->seq = seq;
		s->changed = 1;
	}
}

static void raise_guard(struct seqmem *s, const uint8_t digest[32], uint64_t seq)
{
	struct seqmem_entry *e = find_or_add(s, digest);

	if (e && seq > MAX(e->seq, e->guard)) {
		e->guard = seq;
		s->changed = 1;
	}
}

/* "<64 hex digits> <number>\n", whole; -1: it is not. */
static int parse_line(const char *line, uint8_t digest[32], uint64_t *seq)
{
	char *end;

	for (unsigned i = 0; i < 32; i++) {
		char two[3] = {line[2 * i], line[2 * i] ? line[2 * i + 1] : '\0', '\0'};

		if (strspn(two, "0123456789abcdef") != 2)
			return -1;
		digest[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	if (line[64] != ' ' || line[65] < '0' || line[65] > '9')
		return -1;
	errno = 0;
	*seq = strtoull(line + 65, &end, 10);
	return errno || strcmp(end, "\n") ? -1 : 0;
}

int seqmem_load(struct seqmem *s, const struct paths *p, struct err *e)
{
	char line[128];
	FILE *f;

	*s = (struct seqmem){0};
	(void)snprintf(s->path, sizeof(s->path), "%s/seq", p->run);
	f = fopen(s->path, "re");
	if (!f && errno != ENOENT)
		s->damaged = 1;
	while (f && fgets(line, sizeof(line), f)) {
		uint8_t digest[32];
		uint64_t seq;

		if (parse_line(line, digest, &seq))
			s->damaged = 1;
		else
			raise_seq(s, digest, seq);
	}
	if (f && ferror(f))
		s->damaged = 1;
	if (f)
		(void)fclose(f);
	s->changed = 0;
	if (!s->damaged)
		return 0;
	return err_set(e, -EBADMSG,
		       "%s is damaged: the sequence numbers used up under some keys are not known. Disable the aes-gcm "
		       "templates, give all templates new keys on both ends, remove that file, and enable them again",
		       s->path);
}

void seqmem_note(struct seqmem *s, const struct xi_sa *sa, const struct xi_sa_rt *rt)
{
	uint64_t out = __atomic_load_n(&rt->seq_out, __ATOMIC_RELAXED);
	uint64_t in = __atomic_load_n(&rt->seq_top, __ATOMIC_RELAXED);
	uint8_t digest[32];

	if (sa->dir == XI_DIR_OUT) {
		digest_sent(sa, digest);
		/* a burst may be taking the very first numbers: only where that repeats an IV are some given away for it */
		raise_seq(s, digest, out || alg_same_counter_key(sa, sa) ? out + SEQMEM_MARGIN : 0);
		return;
	}
	digest_received(sa, digest);
	raise_seq(s, digest, in);
	if (!alg_same_counter_key(sa, sa))
		return;
	/* RFC 4106 §2: should the key be used for sending one day, the peer's IVs are used up as well. */
	digest_sent(sa, digest);
	raise_seq(s, digest, in ? in + SEQMEM_MARGIN : 0);
}

void seqmem_forget_received(struct seqmem *s, const struct xi_sa *sa)
{
	struct seqmem_entry *e;
	uint8_t digest[32];

	digest_received(sa, digest);
	e = find(s, digest);
	if (!e)
		return;
	s->changed |= e->seq != 0;
	e->seq = 0;
}

void seqmem_guard(struct seqmem *s, const struct xi_sa *sa, const struct xi_sa_rt *rt)
{
	uint8_t digest[32];

	if (sa->dir != XI_DIR_OUT)
		return seqmem_note(s, sa, rt); /* a guard would refuse what the peer still sends */
	digest_sent(sa, digest);
	raise_guard(s, digest, __atomic_load_n(&rt->seq_out, __ATOMIC_RELAXED) + SEQMEM_GUARD);
}

void seqmem_settle(struct seqmem *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		s->changed |= s->entry[i].guard != 0;
		s->entry[i].guard = 0;
	}
}

uint64_t seqmem_find(const struct seqmem *s, const struct xi_sa *sa)
{
	const struct seqmem_entry *e;
	uint8_t digest[32];

	if (sa->dir == XI_DIR_OUT)
		digest_sent(sa, digest);
	else
		digest_received(sa, digest);
	e = find(s, digest);
	return e ? e->seq : 0;
}

static void write_entries(const struct seqmem *s, FILE *f)
{
	if (s->damaged)
		(void)fputs(DAMAGED, f);
	for (unsigned i = 0; i < s->count; i++) {
		const struct seqmem_entry *e = &s->entry[i];

		if (!e->seq && !e->guard)
			continue;
		for (unsigned b = 0; b < 32; b++)
			(void)fprintf(f, "%02x", e->digest[b]);
		(void)fprintf(f, " %" PRIu64 "\n", MAX(e->seq, e->guard));
	}
}

int seqmem_save(struct seqmem *s, struct err *e)
{
	char tmp[sizeof(s->path) + 4];
	FILE *f;
	int fd, err = 0;

	if (s->lost)
		return err_set(e, -ENOMEM, "cannot write %s: out of memory", s->path);
	if (!s->changed)
		return 0;
	(void)snprintf(tmp, sizeof(tmp), "%s.new", s->path);
	(void)unlink(tmp); /* of a writer that died */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return err_set(e, -err, "cannot write %s: %s", tmp, strerror(err));
	}
	write_entries(s, f);
	if (ferror(f))
		err = EIO;
	if (fclose(f) && !err)
		err = errno;
	if (!err && rename(tmp, s->path))
		err = errno;
	if (err)
		return err_set(e, -err, "cannot write %s: %s", s->path, strerror(err));
	s->changed = 0;
	return 0;
}

void seqmem_free(struct seqmem *s)
{
	free(s->entry);
	s->entry = NULL;
	s->count = s->room = 0;
}

int seqmem_note_all(struct maps *m, struct err *e)
{
	struct seqmem mem;
	int rc = spd_lock(m, e), damaged;

	if (rc)
		return rc;
	damaged = seqmem_load(&mem, &m->paths, e);
	for (uint32_t s = 0; s < m->meta->sad_max; s++)
		if (__atomic_load_n(&m->sad[s].gen, __ATOMIC_ACQUIRE) && (m->sad[s].flags & XI_SA_F_MANUAL))
			seqmem_note(&mem, &m->sad[s], &m->sa_rt[s]);
	rc = seqmem_save(&mem, e);
	spd_unlock(m);
	seqmem_free(&mem);
	return rc ? rc : damaged;
}
