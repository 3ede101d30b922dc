/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;
static enum log_level log_max = LOG_L_INFO;
static const char *const topic[] = {
	[LOG_L_ASKED] = "ipsec,debug,packet", [LOG_L_ERROR] = "ipsec,error", [LOG_L_WARNING] = "ipsec,warning",
	[LOG_L_INFO] = "ipsec,info",	      [LOG_L_DEBUG] = "ipsec,debug",
};

int log_open(const char *path, enum log_level max)
{
	log_max = max;
	if (!path)
		return 0;
	log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return log_fd < 0 ? -errno : 0;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int n, m;

	if (level > log_max)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = snprintf(line, sizeof(line), "%02d:%02d:%02d %s ", tm.tm_hour, tm.tm_min, tm.tm_sec, topic[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = MIN(n + MAX(m, 0), (int)sizeof(line) - 2);
	line[n++] = '\n';
	/* A log that cannot be written must not stop the packets. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0 && log_fd < 0)
		return;
	if (log_fd >= 0 && write(log_fd, line, (size_t)n) < 0)
		return;
}
