/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines of the daemons: "hh:mm:ss ipsec,info text" (topics as RouterOS writes them, spec section 26), to stderr and,
 * when log_open() was given a file, to that file as well. Any thread may call; a line is one write(2).
 * What a stranger can trigger is counted, never logged per packet.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "user/base/util.h"

/* LOG_L_ASKED: what an operator asked for, written whatever the level, under the topics of packets (spec 7.2, 26). */
enum log_level { LOG_L_ASKED, LOG_L_ERROR, LOG_L_WARNING, LOG_L_INFO, LOG_L_DEBUG };

/* path: appended to, made 0600; NULL = stderr only. Returns 0 or a negative errno. */
int log_open(const char *path, enum log_level max) __must_check;
void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_packet(...) log_line(LOG_L_ASKED, __VA_ARGS__)
#define log_error(...) log_line(LOG_L_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_L_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_L_DEBUG, __VA_ARGS__)

#endif
