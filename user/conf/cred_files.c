/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/cred_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_ID ".last-id"
#define HEAD_MAX 4096 /* lines in front of the PEM block are within */

static const char *const folder[] = {[CRED_KEY] = "key", [CRED_CERTIFICATE] = "certificate"};

bool cred_name_ok(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t n = strnlen(name, CRED_NAME_MAX);

	if (n == 0 || n == CRED_NAME_MAX || !strchr(first, *name))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(first, name[i]) && !strchr(".-_@+ ", name[i]))
			return false;
	return true;
}

unsigned cred_key_bits(EVP_PKEY *key)
{
	return (unsigned)EVP_PKEY_get_bits(key);
}

const char *cred_key_refused(EVP_PKEY *key)
{
	BIGNUM *e = NULL;
	unsigned bits;
	bool sound;

	if (!key || !EVP_PKEY_is_a(key, "RSA"))
		return "it is no RSA key";
	bits = cred_key_bits(key);
	if (bits < CRED_BITS_MIN)
		return "RSA keys need at least 1024 bits";
	if (bits > CRED_BITS_MAX)
		return "RSA keys may have at most 8192 bits";
	/* a long exponent costs whoever verifies */
	sound = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) && BN_is_odd(e) && BN_num_bits(e) >= 2 &&
		BN_num_bits(e) <= 64;
	BN_free(e);
	return sound ? NULL : "its public exponent is not sound";
}

bool cred_has_private(EVP_PKEY *key)
{
	BIGNUM *d = NULL;
	bool has = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &d) && !BN_is_zero(d);

	ERR_clear_error();
	BN_clear_free(d);
	return has;
}

static int open_folder(const struct paths *p, const char *which, struct err *e)
{
	char path[PATH_LEN + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", p->conf_dir, which);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_set(e, -errno, "cannot open %s: %s", path, strerror(errno)) : fd;
}

int cred_open_public(const struct paths *p, struct err *e)
{
	return open_folder(p, "public", e);
}

int cred_open_private(const struct paths *p, struct err *e)
{
	return open_folder(p, "private", e);
}

/* The sub-folder of a kind; made when `mode` is not 0. */
static int open_kind(int parent, enum cred_kind kind, mode_t mode)
{
	int fd;

	if (mode && mkdirat(parent, folder[kind], mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, folder[kind], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && mode && fchmod(fd, mode) < 0) { /* whatever the umask */
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd < 0 ? -errno : fd;
}

/* The whole of a regular file, terminated; NULL with errno. The caller wipes and frees. */
static char *read_file(int dir, const char *name, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= CRED_FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	else
		errno = EFBIG;
	while (text && n < (size_t)st.st_size && got > 0) {
		got = read(fd, text + n, (size_t)st.st_size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0) {
		free(text);
		text = NULL;
	}
	close(fd);
	if (text)
		text[n] = '\0';
	*len = n;
	return text;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* What a writer that died has left beside: it may hold a private key. We hold the lock of the configuration. */
static void sweep(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *at;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((at = readdir(d))) {
		size_t n = strlen(at->d_name);

		if (n > 5 && at->d_name[0] == '.' && strcmp(at->d_name + n - 4, ".new") == 0)
			(void)unlinkat(dir, at->d_name, 0);
	}
	(void)closedir(d);
}

static void sweep_all(const struct paths *p)
{
	static const char *const which[] = {"public", "private"};

	for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
		int top = open_folder(p, which[i], NULL);

		for (size_t k = 0; top >= 0 && k < ARRAY_SIZE(folder); k++) {
			int dir = open_kind(top, (enum cred_kind)k, 0);

			if (dir >= 0) {
				sweep(dir);
				close(dir);
			}
		}
		if (top >= 0) {
			sweep(top);
			close(top);
		}
	}
}

/* Writes name beside and puts it in place. */
static int replace_file(int dir, const char *name, mode_t mode, const char *text, size_t len)
{
	char tmp[CRED_NAME_MAX + 16];
	int fd, rc;

	(void)snprintf(tmp, sizeof(tmp), ".%s.new", name);
	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	rc = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text, len);
	close(fd);
	if (!rc && renameat(dir, tmp, dir, name) < 0)
		rc = -errno;
	if (rc)
		(void)unlinkat(dir, tmp, 0);
	else
		(void)fsync(dir);
	return rc;
}

static void file_name(char *buf, size_t size, const char *item)
{
	(void)snprintf(buf, size, "%s.pem", item);
}

static void file_free(struct cred_file *f)
{
	X509_free(f->cert);
	X509_CRL_free(f->crl);
	EVP_PKEY_free(f->pub);
}

/* The lines in front of the PEM block. */
static int parse_head(struct cred_file *f, const char *text)
{
	const char *end = strstr(text, "-----BEGIN ");

	if (!end || end - text > HEAD_MAX)
		return -EBADMSG;
	for (const char *line = text; line < end; line = strchr(line, '\n') + 1) {
		(void)sscanf(line, "id: %" SCNu32, &f->id);
		f->private_key |= strncmp(line, "private-key: yes\n", 17) == 0;
		f->trusted |= strncmp(line, "trusted: yes\n", 13) == 0;
	}
	return f->id ? 0 : -EBADMSG;
}

static int parse_item(struct cred_file *f, enum cred_kind kind, const char *text, size_t len)
{
	BIO *in = BIO_new_mem_buf(text, (int)len);

	if (!in)
		return -ENOMEM;
	if (kind == CRED_KEY) {
		f->pub = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
	} else if (strstr(text, "-----BEGIN X509 CRL-----")) {
		f->crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	} else {
		f->cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
		f->pub = f->cert ? X509_get_pubkey(f->cert) : NULL;
	}
	BIO_free(in);
	ERR_clear_error();
	return f->crl || (f->pub && !cred_key_refused(f->pub)) ? 0 : -EBADMSG;
}

static int read_item(struct cred_file *f, int dir, enum cred_kind kind, const char *file)
{
	size_t len = 0, n = strlen(file) - 4;
	char *text = read_file(dir, file, &len);
	int rc;

	if (!text)
		return -errno;
	*f = (struct cred_file){0};
	memcpy(f->name, file, n);
	rc = parse_head(f, text);
	if (!rc)
		rc = parse_item(f, kind, text, len);
	if (rc) {
		file_free(f);
		*f = (struct cred_file){0};
	}
	free(text);
	return rc;
}

/* It says nothing of the file. Going on without the item could bring a revoked certificate back. */
static bool of_the_moment(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -EIO;
}

/* NAME.pem with a name of ours; all else in the folder is none of ours. */
static bool is_item_file(const char *file)
{
	char name[CRED_NAME_MAX];
	size_t n = strlen(file);

	if (n < 5 || n - 4 >= sizeof(name) || strcmp(file + n - 4, ".pem") != 0)
		return false;
	memcpy(name, file, n - 4);
	name[n - 4] = '\0';
	return cred_name_ok(name);
}

static int by_id(const void *a, const void *b)
{
	const struct cred_file *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int read_folder(struct cred_list *list, DIR *dir, enum cred_kind kind, void (*bad)(void *ctx, const char *text),
		       void *ctx)
{
	const struct dirent *d;
	unsigned room = 0;

	while ((d = readdir(dir))) {
		char text[400];
		int rc;

		if (!is_item_file(d->d_name))
			continue;
		if (list->count == room) {
			struct cred_file *more = reallocarray(list->item, room ? room * 2 : 16, sizeof(*list->item));

			if (!more)
				return -ENOMEM;
			list->item = more;
			room = room ? room * 2 : 16;
		}
		rc = read_item(&list->item[list->count], dirfd(dir), kind, d->d_name);
		if (!rc) {
			list->count++;
			continue;
		}
		if (of_the_moment(rc))
			return rc;
		(void)snprintf(text, sizeof(text), "%s %.*s is left out: %s", folder[kind], (int)strlen(d->d_name) - 4,
			       d->d_name, rc == -EBADMSG ? "its file is damaged" : strerror(-rc));
		bad(ctx, text);
	}
	return 0;
}

int cred_list_read(struct cred_list *list, int public_fd, enum cred_kind kind, void (*bad)(void *ctx, const char *text),
		   void *ctx, struct err *e)
{
	int fd = open_kind(public_fd, kind, 0), rc;
	DIR *dir;

	*list = (struct cred_list){0};
	if (fd == -ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		rc = fd < 0 ? fd : -errno;
		if (fd >= 0)
			close(fd);
		return err_set(e, rc, "cannot read the folder public/%s: %s", folder[kind], strerror(-rc));
	}
	rc = read_folder(list, dir, kind, bad, ctx);
	(void)closedir(dir);
	if (rc) {
		cred_list_free(list);
		return err_set(e, rc, "cannot read public/%s: %s", folder[kind], strerror(-rc));
	}
	if (list->count)
		qsort(list->item, list->count, sizeof(*list->item), by_id);
	return 0;
}

void cred_list_free(struct cred_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		file_free(&list->item[i]);
	free(list->item);
	*list = (struct cred_list){0};
}

struct cred_file *cred_list_find(const struct cred_list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->item[i].name, name) == 0)
			return &list->item[i];
	return NULL;
}

EVP_PKEY *cred_private_read(int private_fd, enum cred_kind kind, const char *name, struct err *e)
{
	char file[CRED_NAME_MAX + 8], *text = NULL;
	EVP_PKEY *key = NULL;
	size_t len = 0;
	BIO *in;
	int dir;

	if (!cred_name_ok(name)) {
		(void)err_set(e, -EINVAL, "no private key has such a name");
		return NULL;
	}
	file_name(file, sizeof(file), name);
	dir = open_kind(private_fd, kind, 0);
	if (dir >= 0) {
		text = read_file(dir, file, &len);
		close(dir);
	}
	in = text ? BIO_new_mem_buf(text, (int)len) : NULL;
	if (in)
		key = PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)""); /* "": nobody is asked for a passphrase */
	BIO_free(in);
	ERR_clear_error();
	if (text)
		explicit_bzero(text, len);
	free(text);
	if (!key)
		(void)err_set(e, -ENOENT, "the private key of %s %s cannot be read", folder[kind], name);
	return key;
}

/* One more than any id before. The number is kept, so that that of an item that was removed does not come again. */
static int fresh_id(int dir, uint32_t *id)
{
	size_t len = 0;
	char *text = read_file(dir, LAST_ID, &len), next[16];
	uint32_t last = 0;

	if (text && sscanf(text, "%" SCNu32, &last) != 1)
		last = 0;
	free(text);
	*id = last + 1;
	return replace_file(dir, LAST_ID, 0644, next, (size_t)snprintf(next, sizeof(next), "%" PRIu32 "\n", *id));
}

static int put_public(BIO *out, const struct cred_file *f)
{
	if (BIO_printf(out, "id: %" PRIu32 "\nprivate-key: %s\ntrusted: %s\n", f->id, f->private_key ? "yes" : "no",
		       f->trusted ? "yes" : "no") < 0)
		return 0;
	if (f->crl)
		return PEM_write_bio_X509_CRL(out, f->crl);
	return f->cert ? PEM_write_bio_X509(out, f->cert) : PEM_write_bio_PUBKEY(out, f->pub);
}

static int write_pem(int dir, const struct cred_file *f, EVP_PKEY *priv, mode_t mode)
{
	BIO *out = BIO_new(priv ? BIO_s_secmem() : BIO_s_mem());
	char file[CRED_NAME_MAX + 8], *text = NULL;
	int rc = -ENOMEM, ok = 0;
	long len;

	file_name(file, sizeof(file), f->name);
	if (out)
		ok = priv ? PEM_write_bio_PKCS8PrivateKey(out, priv, NULL, NULL, 0, NULL, NULL) : put_public(out, f);
	if (ok) {
		len = BIO_get_mem_data(out, &text);
		rc = replace_file(dir, file, mode, text, (size_t)len);
		if (priv)
			explicit_bzero(text, (size_t)len);
	}
	BIO_free(out);
	ERR_clear_error();
	return rc;
}

/* public/ or private/, made when it is missing, and in it the folder of the kind. */
static int make_folder(const struct paths *p, const char *which, mode_t mode, enum cred_kind kind, struct err *e)
{
	char path[PATH_LEN + 16];
	int top, fd;

	(void)snprintf(path, sizeof(path), "%s/%s", p->conf_dir, which);
	fd = path_mkdir(p->conf_dir, e);
	if (fd)
		return fd;
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make folder %s: %s", path, strerror(errno));
	top = open_folder(p, which, e);
	if (top < 0)
		return top;
	fd = fchmod(top, mode) < 0 ? -errno : open_kind(top, kind, mode);
	close(top);
	return fd < 0 ? err_set(e, fd, "cannot write below %s: %s", path, strerror(-fd)) : fd;
}

int cred_write(const struct paths *p, enum cred_kind kind, struct cred_file *f, EVP_PKEY *priv, struct err *e)
{
	int pub = -1, sec = -1, rc;

	if (!cred_name_ok(f->name))
		return err_set(e, -EINVAL, "not a name: %s", f->name);
	sweep_all(p);
	pub = make_folder(p, "public", 0755, kind, e);
	if (pub < 0)
		return pub;
	if (priv) {
		sec = make_folder(p, "private", 0700, kind, e);
		rc = sec < 0 ? sec : write_pem(sec, f, priv, 0600);
		if (sec >= 0)
			close(sec);
		if (rc) {
			close(pub);
			return sec < 0 ? rc : err_set(e, rc, "cannot write the private key: %s", strerror(-rc));
		}
		f->private_key = true;
	}
	rc = f->id ? 0 : fresh_id(pub, &f->id);
	if (!rc)
		rc = write_pem(pub, f, NULL, 0644);
	close(pub);
	return rc ? err_set(e, rc, "cannot write %s %s: %s", folder[kind], f->name, strerror(-rc)) : 0;
}

/* Takes the file away below public/ or private/; one that is not there is no error below private/. */
static int take_away(const struct paths *p, const char *which, enum cred_kind kind, const char *name)
{
	char file[CRED_NAME_MAX + 8];
	struct err ignored;
	int top = open_folder(p, which, &ignored), dir, rc = 0;

	if (top < 0)
		return top;
	dir = open_kind(top, kind, 0);
	close(top);
	if (dir < 0)
		return dir;
	file_name(file, sizeof(file), name);
	if (unlinkat(dir, file, 0) < 0)
		rc = -errno;
	else
		(void)fsync(dir);
	close(dir);
	return rc;
}

int cred_remove(const struct paths *p, enum cred_kind kind, const char *name, struct err *e)
{
	int rc = cred_name_ok(name) ? 0 : -EINVAL;

	sweep_all(p);
	/* the secret first: who is killed in between leaves an item that can be removed again */
	if (!rc)
		rc = take_away(p, "private", kind, name);
	if (!rc || rc == -ENOENT)
		rc = take_away(p, "public", kind, name);
	return rc ? err_set(e, rc, "cannot remove %s %s: %s", folder[kind], name, strerror(-rc)) : 0;
}

/* A second name for the private key, before the public file gets its new name. */
static int link_private(const struct paths *p, enum cred_kind kind, const char *from, const char *to)
{
	struct err ignored;
	int top = cred_open_private(p, &ignored), dir, rc = 0;

	if (top < 0)
		return top == -ENOENT ? 0 : top;
	dir = open_kind(top, kind, 0);
	close(top);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, to, 0) < 0 && errno != ENOENT)
		rc = -errno;
	else if (linkat(dir, from, dir, to, 0) < 0 && errno != ENOENT)
		rc = -errno;
	else
		(void)fsync(dir);
	close(dir);
	return rc;
}

int cred_rename(const struct paths *p, enum cred_kind kind, const char *old, const char *new, struct err *e)
{
	char from[CRED_NAME_MAX + 8], to[CRED_NAME_MAX + 8];
	int top, dir = -1, rc;

	if (!cred_name_ok(old) || !cred_name_ok(new))
		return err_set(e, -EINVAL, "not a name: %s", new);
	file_name(from, sizeof(from), old);
	file_name(to, sizeof(to), new);
	sweep_all(p);
	top = cred_open_public(p, e);
	if (top < 0)
		return top;
	dir = open_kind(top, kind, 0);
	close(top);
	rc = dir < 0 ? dir : link_private(p, kind, from, to);
	if (!rc && renameat(dir, from, dir, to) < 0)
		rc = -errno;
	if (dir >= 0) {
		(void)fsync(dir);
		close(dir);
	}
	if (rc)
		return err_set(e, rc, "cannot rename %s %s: %s", folder[kind], old, strerror(-rc));
	rc = take_away(p, "private", kind, old);
	return rc && rc != -ENOENT ? err_set(e, rc, "the private key of %s is there twice: %s", new, strerror(-rc)) : 0;
}
