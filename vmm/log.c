/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };

static _Atomic int current = LOG_WARN;

void log_set_level(enum log_level level)
{
	current = (int)level;
}

enum log_level log_get_level(void)
{
	return (enum log_level)current;
}

int log_parse_level(const char *s, enum log_level *level)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(s, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void put(enum log_level level, const char *suffix, const char *fmt, va_list ap)
{
	char line[1024];
	const char *name = level == LOG_WARN ? "warning" : level_names[level];
	int n, m;

	if ((int)level > current)
		return;
	n = snprintf(line, sizeof(line), "nidus: %s: ", name);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	n = m < 0 ? n : MIN(n + m, (int)sizeof(line) - 2);
	m = snprintf(line + n, sizeof(line) - (size_t)n - 1, "%s", suffix);
	n = MIN(n + m, (int)sizeof(line) - 2);
	/* One line, whatever a file name or a guest put into it. */
	for (int i = 0; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* Nowhere to tell it if stderr is gone. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(level, "", fmt, ap);
	va_end(ap);
}

void log_guest_line(struct log_bucket *b, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char suffix[64] = "";
	struct timespec ts;
	u64 now, gained, held;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
	pthread_mutex_lock(&lock);
	gained = (now - b->refilled_ms) / LOG_REFILL_MS;
	if (gained) {
		b->used -= (u32)MIN(gained, (u64)b->used);
		b->refilled_ms = now;
	}
	if (b->used >= LOG_BURST) {
		b->suppressed++;
		pthread_mutex_unlock(&lock);
		return;
	}
	b->used++;
	held = b->suppressed;
	b->suppressed = 0;
	pthread_mutex_unlock(&lock);
	if (held)
		snprintf(suffix, sizeof(suffix), " (%llu similar lines suppressed)", (unsigned long long)held);
	va_start(ap, fmt);
	put(LOG_WARN, suffix, fmt, ap);
	va_end(ap);
}
