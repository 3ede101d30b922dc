/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over every file of a folder without libFuzzer, so that corpus and former crashers are part of `make test`. An
 * input that breaks the target ends the process, which the runner counts as a failure; its name is then the last on stderr.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	uint8_t *buf = NULL;
	int rc = -1;

	if (!f)
		return -1;
	if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode)) {
		/* Exactly as large as the input: a sanitizer then sees a read behind its end. */
		buf = malloc((size_t)st.st_size + !st.st_size);
		if (buf && fread(buf, 1, (size_t)st.st_size, f) == (size_t)st.st_size)
			rc = 0;
	}
	fclose(f);
	if (rc == 0) {
		fprintf(stderr, "# %s\n", path);
		(void)LLVMFuzzerTestOneInput(buf, (size_t)st.st_size);
	}
	free(buf);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned n = 0, unread = 0;
	struct dirent *d;
	DIR *dir;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		printf("not ok 1 - no corpus folder %s\n1..1\n", argc == 2 ? argv[1] : "given");
		return 1;
	}
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	while ((d = readdir(dir))) {
		char path[4096];

		if (d->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", argv[1], d->d_name) >= (int)sizeof(path) ||
		    replay_file(path) < 0) {
			printf("# cannot read %s\n", d->d_name);
			unread++;
		}
		n++;
	}
	closedir(dir);
	printf("%s 1 - %u inputs replayed\n1..1\n", n && !unread ? "ok" : "not ok", n - unread);
	return n && !unread ? 0 : 1;
}
