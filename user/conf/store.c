/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/conf/store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/lockfile.h"
#include "user/conf/exec.h"
#include "user/conf/print.h"

#define FILE_MAX_BYTES (64u << 20)
#define IDS "# ids"
/* The first line promises the last one: what lost its end, at the end of a line even, is not taken for the whole. */
#define PROMISE "# whole only with the line \"# end\" at its end\n"
#define END "# end\n"

static int sys_fail(struct conf_err *e, int err, const char *what, const char *path)
{
	if (err == EACCES || err == EPERM)
		return conf_fail(e, CONF_E_SYSTEM, "not enough permissions (9): cannot %s %s, run as root", what, path);
	return conf_fail(e, CONF_E_SYSTEM, "cannot %s %s: %s", what, path, strerror(err));
}

int store_lock(struct store *s, const struct paths *p, unsigned wait_s, struct conf_err *e)
{
	char path[PATH_LEN + 8];
	struct err base = {0};
	int rc;

	*s = (struct store){.paths = p, .lock = -1};
	rc = path_mkdir(p->conf_dir, &base);
	if (rc == -EACCES || rc == -EPERM)
		return sys_fail(e, -rc, "write", p->conf_dir);
	if (rc)
		return conf_fail(e, CONF_E_SYSTEM, "%s", base.text);
	(void)snprintf(path, sizeof(path), "%s/.lock", p->conf_dir);
	(void)snprintf(s->tmp, sizeof(s->tmp), "%s.new", p->conf);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return sys_fail(e, errno, "open", path);
	rc = lockfile_wait(s->lock, path, wait_s, &base);
	if (rc) {
		store_unlock(s);
		(void)conf_fail(e, CONF_E_SYSTEM, "%s", base.text);
	} else {
		(void)unlink(s->tmp); /* of a writer that died */
	}
	return rc;
}

void store_unlock(struct store *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

static char *read_all(FILE *f, const char *path, size_t *len, struct conf_err *e)
{
	size_t room = 65536, n = 0;
	char *text = malloc(room), *more;

	while (text) {
		n += fread(text + n, 1, room - 1 - n, f);
		if (n < room - 1)
			break;
		if (room >= FILE_MAX_BYTES) {
			(void)conf_fail(e, CONF_E_SYSTEM, "%s is larger than %u bytes: no configuration", path,
					FILE_MAX_BYTES);
			free(text);
			return NULL;
		}
		room *= 2;
		more = realloc(text, room);
		if (!more)
			free(text);
		text = more;
	}
	if (!text || ferror(f)) {
		(void)sys_fail(e, text ? errno : ENOMEM, "read", path);
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = n;
	return text;
}

char *store_read_file(const char *path, size_t *len, struct conf_err *e)
{
	char *text;
	FILE *f;

	if (strcmp(path, "-") == 0)
		return read_all(stdin, "standard input", len, e);
	f = fopen(path, "re");
	if (!f) {
		(void)sys_fail(e, errno, "read", path);
		return NULL;
	}
	text = read_all(f, path, len, e);
	(void)fclose(f);
	return text;
}

/* A number in hexadecimal behind blanks, as write_ids() puts it; *s behind it. False: there is none. */
static bool next_id(const char **s, uint32_t *id)
{
	char *end;
	unsigned long v;

	while (**s == ' ')
		++*s;
	if (!isxdigit((unsigned char)**s))
		return false;
	v = strtoul(*s, &end, 16);
	*s = end;
	*id = (uint32_t)v;
	return v <= UINT32_MAX;
}

/* `# ids policy last=9 1 2 5`, counts must agree; what does not is left as it was counted. */
static void restore_ids(struct conf *c, const char *line)
{
	for (unsigned m = 0; m < MENU_MAX; m++) {
		struct conf_list *l = &c->list[m];
		char head[64];
		uint32_t last, top = 0;
		const char *s;

		(void)snprintf(head, sizeof(head), IDS " %s last=", menus[m].name);
		if (strncmp(line, head, strlen(head)))
			continue;
		s = line + strlen(head);
		if (!next_id(&s, &last))
			return;
		/* Only strictly known good ids are taken over: none twice, none zero. */
		for (int pass = 0; pass < 2; pass++) {
			const char *at = s;
			unsigned n = 0;

			for (uint32_t id; next_id(&at, &id); n++) {
				if (id == 0 || n >= l->count)
					return;
				if (pass)
					l->item[n]->id = id;
				top = MAX(top, id);
			}
			if (n != l->count)
				return;
		}
		l->last_id = MAX(last, top);
	}
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* A file edited by hand may hold an id twice: then all are counted anew. */
static void repair_ids(struct conf_list *l)
{
	uint32_t *id = calloc(l->count + 1, sizeof(*id));
	bool twice = !id;

	for (unsigned i = 0; id && i < l->count; i++)
		id[i] = l->item[i]->id;
	if (id)
		qsort(id, l->count, sizeof(*id), compare_ids);
	for (unsigned i = 1; id && i < l->count; i++)
		twice |= id[i] == id[i - 1];
	free(id);
	if (!twice)
		return;
	l->last_id = 0;
	for (unsigned i = 0; i < l->count; i++)
		l->item[i]->id = ++l->last_id;
}

static void read_ids(struct conf *c, const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, IDS, strlen(IDS)) == 0) {
			char *one = strndup(line, strcspn(line, "\n"));

			if (one)
				restore_ids(c, one);
			free(one);
		}
	}
	for (unsigned m = 0; m < MENU_MAX; m++) {
		repair_ids(&c->list[m]);
		/* Reading the file is no edit. */
		for (unsigned i = 0; i < c->list[m].count; i++) {
			c->list[m].item[i]->flags = 0;
			c->list[m].item[i]->given = 0;
		}
	}
}

static int damaged(const struct paths *p, const char *what, struct conf_err *e)
{
	return conf_fail(e, CONF_E_SYSTEM,
			 "configuration file %s is damaged: %.300s; repair it or put a copy that export wrote in its "
			 "place, nothing was changed",
			 p->conf, what);
}

static bool lost_its_end(const char *text)
{
	return strncmp(text, PROMISE, strlen(PROMISE)) == 0 && !strstr(text, "\n" END);
}

static int load_text(const struct paths *p, char *text, size_t len, struct conf *c, struct conf_err *e)
{
	struct conf_err bad = {0};

	/* Each line of ours is ended: what was cut off may be policies, and the piece of a line may look like a whole one. */
	if (len && text[len - 1] != '\n') {
		(void)damaged(p, "it ends within a line", e);
	} else if (lost_its_end(text)) {
		(void)damaged(p, "its end is missing, with the line # end", e);
	} else if (exec_script(c, text, len, NULL, &bad)) {
		conf_free(c);
		conf_init(c);
		(void)damaged(p, bad.text, e);
	} else {
		read_ids(c, text);
	}
	explicit_bzero(text, len);
	free(text);
	return e->class ? -EINVAL : 0;
}

bool store_missing(const struct paths *p)
{
	return access(p->conf, F_OK) < 0 && errno == ENOENT;
}

int store_load(const struct paths *p, struct conf *c, struct conf_err *e)
{
	size_t len;
	char *text;

	conf_init(c);
	if (store_missing(p))
		return 0;
	text = store_read_file(p->conf, &len, e);
	/* This program writes none: a crash of the system may have left it. Taken as no policies it would let all pass in clear. */
	if (text && strspn(text, " \t\r\n") >= len) {
		free(text);
		return damaged(p, "it is empty", e);
	}
	return text ? load_text(p, text, len, c, e) : -EINVAL;
}

int store_load_fd(const struct paths *p, int fd, struct conf *c, struct conf_err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *f = copy < 0 || lseek(copy, 0, SEEK_SET) < 0 ? NULL : fdopen(copy, "r");
	size_t len;
	char *text;

	conf_init(c);
	if (!f) {
		int err = errno;

		if (copy >= 0)
			close(copy);
		return sys_fail(e, err, "read", p->conf);
	}
	text = read_all(f, p->conf, &len, e);
	(void)fclose(f);
	return text ? load_text(p, text, len, c, e) : -EINVAL;
}

static void write_ids(FILE *f, const struct conf *c)
{
	for (unsigned m = 0; m < MENU_MAX; m++) {
		const struct conf_list *l = &c->list[m];

		if (!l->last_id || menus[m].read_only)
			continue;
		(void)fprintf(f, IDS " %s last=%" PRIX32, menus[m].name, l->last_id);
		for (unsigned i = 0; i < l->count; i++)
			if (!(l->item[i]->flags & ITEM_DYNAMIC))
				(void)fprintf(f, " %" PRIX32, l->item[i]->id);
		(void)fputc('\n', f);
	}
}

int store_prepare(struct store *s, const struct conf *c, struct conf_err *e)
{
	const struct export_opt all = {.header = true, .short_policies = true};
	int fd, err = 0;
	FILE *f;

	fd = open(s->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return sys_fail(e, err, "write", s->tmp);
	}
	s->prepared = true;
	(void)fputs(PROMISE, f);
	export_conf(f, c, MENU_MAX, &all);
	write_ids(f, c);
	(void)fputs(END, f);
	if (fflush(f) || ferror(f) || fsync(fd))
		err = errno ? errno : EIO;
	if (fclose(f) && !err)
		err = errno;
	if (!err)
		return 0;
	store_abort(s);
	return sys_fail(e, err, "write", s->tmp);
}

int store_commit(struct store *s, struct conf_err *e)
{
	int dir;

	if (rename(s->tmp, s->paths->conf) < 0) {
		int err = errno;

		store_abort(s);
		return sys_fail(e, err, "replace", s->paths->conf);
	}
	s->prepared = false;
	dir = open(s->paths->conf_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		(void)fsync(dir); /* the file is whole either way; only which of the two survives a power cut */
		close(dir);
	}
	return 0;
}

void store_abort(struct store *s)
{
	if (s->prepared)
		(void)unlink(s->tmp);
	s->prepared = false;
}
