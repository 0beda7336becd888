/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told about a run: one JSON object at its end (--report).
 *
 * Functions that take a report take NULL too and then do nothing, so that callers need not ask whether a report is wanted.
 */
#ifndef NIDUS_REPORT_H
#define NIDUS_REPORT_H

#include "vmm/bits.h"

/* In order of time. Stamps are nanoseconds of CLOCK_MONOTONIC since main() began. */
enum report_phase {
	REPORT_CONFIG,    /* options parsed */
	REPORT_KVM,       /* the VM exists in KVM */
	REPORT_RAM,       /* guest RAM is set up */
	REPORT_LOADED,    /* kernel, initrd and tables are in RAM */
	REPORT_FIRST_RUN, /* just before the first KVM_RUN; CPU time is taken here too */
	REPORT_END,       /* the guest runs no more */
	REPORT_PHASES,
};

struct mem;
struct report;
struct report_obj; /* a JSON object being filled */

/* start_ns: CLOCK_MONOTONIC when main() began; 0: now. Stamps REPORT_CONFIG. -ENOMEM. */
int report_create(u64 start_ns, struct report **out) __must_check;
/* Sections need not be taken out before. */
void report_destroy(struct report *r);

/* CLOCK_MONOTONIC, nanoseconds. */
u64 report_now_ns(void);

/* Stamps a phase; only the first call for each counts. Any thread. */
void report_phase(struct report *r, enum report_phase p);

/*
 * Has fn fill the object "devices".name (a static or longer-living string) when the report is written. fn must not take a lock that the
 * writer of the report holds. -ENOMEM, -ENOSPC.
 */
int report_section(struct report *r, const char *name, void (*fn)(void *arg, struct report_obj *o), void *arg) __must_check;

/* For fn: a member each. Lack of memory leaves it out. */
void report_u64(struct report_obj *o, const char *key, u64 v);
void report_bool(struct report_obj *o, const char *key, bool v);
void report_str(struct report_obj *o, const char *key, const char *v);

struct report_end {
	const char *reason; /* "poweroff", "reboot", "panic", ... */
	int exit_code;
	u64 exits;          /* of all vCPUs to user space */
	const struct mem *mem; /* guest RAM; NULL: there was none yet */
};

/* The report as text; free() it. NULL: no memory. Every device that has a section must still be alive. */
char *report_text(struct report *r, const struct report_end *e);

/* Whether it could be written to path now, as far as that can be told without doing it. 0 or -errno. */
int report_check(const char *path) __must_check;

/*
 * Writes it: a regular file appears whole or not at all (written beside, then renamed; of a link that is what it leads to). "fd:N", things that are
 * no regular files, and the file that is standard output or error are written to directly. 0 or -errno.
 */
int report_write(struct report *r, const char *path, const struct report_end *e) __must_check;

#endif
