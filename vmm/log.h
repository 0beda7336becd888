/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for the person who runs nidus: stderr, one line each, "nidus: error: ...". An error line says what to do.
 *
 * The level is, beside what handlers of signals need (console.c, mem_fail.c), the only process-wide state in the tree. All functions may be called
 * from any thread; a line is written with one write(2), so lines of threads never mix.
 */
#ifndef NIDUS_LOG_H
#define NIDUS_LOG_H

#include "vmm/bits.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* From here on lines of that level and graver ones are shown; LOG_WARN at first. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "error" "warn" "info" "debug" "trace"; -EINVAL for anything else, *level untouched. */
int log_parse_level(const char *s, enum log_level *level) __must_check;

/* One line without newline, for what only the user, the host or the end of the VM can cause. */
void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/*
 * Lines that a guest can cause. A bucket holds LOG_BURST lines and gains one every LOG_REFILL_MS; what does not fit is counted
 * and the count is told with the next line that fits. One static bucket per call site.
 */
#define LOG_BURST 5
#define LOG_REFILL_MS 5000

struct log_bucket {
	u64 refilled_ms; /* CLOCK_MONOTONIC */
	u32 used;
	u64 suppressed;
};

/* log_guest(): a warning, or one more of those that were suppressed. Debug lines know no limit: that level is for developers. */
void log_guest_line(struct log_bucket *b, const char *fmt, ...) __printf(2, 3);

#define log_guest(...)                                       \
	do {                                                 \
		static struct log_bucket bucket_;            \
		log_guest_line(&bucket_, __VA_ARGS__);       \
	} while (0)

#endif
