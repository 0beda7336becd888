/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka in the order that it needs, and a small random generator with a fixed seed. */
#ifndef NIDUS_UNIT_H
#define NIDUS_UNIT_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <cmocka.h>

#include "vmm/bits.h"

/* What a wrapped ioctl(fd, req, ...) was given; in that function only. */
#define IOCTL_ARG(req)                       \
	({                                   \
		va_list ap_;                 \
		void *arg_;                  \
		va_start(ap_, req);          \
		arg_ = va_arg(ap_, void *);  \
		va_end(ap_);                 \
		arg_;                        \
	})

/* How many descriptors the process has, with the one that looks. */
static inline unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
