/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const struct outfile *o, int err, struct conf_err *e)
{
	return conf_fail(e, CONF_E_SYSTEM, "cannot write %.300s: %s", o->path, strerror(err));
}

/* Below /dev and /proc are names of files that somebody has open: these are meant, not the names. */
static bool in_place(const char *path)
{
	struct stat st;

	return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 ||
	       (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

/* The file that a symbolic link leads to is replaced, not the link. */
static void follow(struct outfile *o)
{
	char *real = realpath(o->path, NULL);

	if (real)
		(void)str_copy(o->path, sizeof(o->path), real);
	free(real);
}

static int open_beside(struct outfile *o)
{
	int fd;

	follow(o);
	(void)snprintf(o->tmp, sizeof(o->tmp), "%s.XXXXXX", o->path);
	fd = mkostemp(o->tmp, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, o->mode) < 0) {
		int err = errno;

		close(fd);
		(void)unlink(o->tmp);
		errno = err;
		return -1;
	}
	return fd;
}

int outfile_open(struct outfile *o, const char *path, mode_t mode, struct conf_err *e)
{
	int fd;

	*o = (struct outfile){.mode = mode};
	if (str_copy(o->path, sizeof(o->path), path))
		return fail(o, ENAMETOOLONG, e);
	fd = in_place(path) ? open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) : open_beside(o);
	o->f = fd < 0 ? NULL : fdopen(fd, "w");
	if (o->f)
		return 0;
	(void)fail(o, errno, e);
	if (fd >= 0) {
		close(fd);
		(void)unlink(o->tmp);
	}
	return -EINVAL;
}

int outfile_close(struct outfile *o, bool failed, struct conf_err *e)
{
	int err = 0;

	if (fflush(o->f) || ferror(o->f) || (o->tmp[0] && fsync(fileno(o->f))))
		err = errno ? errno : EIO;
	if (fclose(o->f) && !err)
		err = errno;
	o->f = NULL;
	if (!err && !failed && o->tmp[0] && rename(o->tmp, o->path))
		err = errno;
	if ((err || failed) && o->tmp[0])
		(void)unlink(o->tmp);
	return err ? fail(o, err, e) : 0;
}
